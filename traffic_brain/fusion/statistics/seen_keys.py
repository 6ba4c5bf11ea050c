"""The keys of rows that a range has seen, to tell repeats from new rows, exactly."""

from __future__ import annotations

import numpy as np

from traffic_brain.fusion.statistics.tasks import Arrays, Span
from traffic_brain.kernels.tables import (
    FULL,
    LONGEST_PROBE,
    STRETCH_BITS,
    TIME_BITS,
    compact,
    find,
    insert_all,
    move,
)

SLOTS_PER_KEY = 1.7
LEAST_SLOTS = LONGEST_PROBE
NARROW_BITS = 32
"""Keys of fewer bits, and one more, fit into narrow tables."""
LEAST_LOAD = 0.2
"""A table with fewer keys than that share of its slots, and a full row, has uneven rows."""


class Keys:
    """The keys of rows that a range has seen: what each names, and its time since the range began.

    Args:
        names: how many different things may be named.
        rows: as many at most. ratio: the share of them that is expected.
    """

    def __init__(self, span: Span, range_idx: int, names: int, rows: int, ratio: float) -> None:
        self._length_ms = span.end_of(range_idx) - span.begin_of(range_idx)
        self._name_bits = max(names - 1, 1).bit_length()
        self._bits = STRETCH_BITS
        self._slots = LEAST_SLOTS + int(SLOTS_PER_KEY * ratio * rows / self._stretches)
        self.tables = self._made()

    @property
    def bits(self) -> int:
        """Of the time in a key: a row stands for a stretch of 2^bits ms."""
        return self._bits

    def insert(self, names: np.ndarray, since_ms: np.ndarray) -> None:
        """Add keys."""
        done = 0
        while done < len(names):
            rows, keys = _packed(names, since_ms, self._bits)
            done = insert_all(self.tables, rows, keys, done)
            if done < len(names):
                self.grow()

    def grow(self) -> None:
        """Make room: longer stretches where the keys are uneven, more slots where they are many."""
        old, bits = self.tables, self._bits
        uneven = np.count_nonzero(old) < LEAST_LOAD * old.size and len(old) > 1
        self._bits += int(uneven)
        state = FULL
        while state == FULL:
            self._slots *= 2
            self.tables = self._made()
            state = move(old, bits, self.tables)

    def memory(self) -> Arrays:
        """What `among` needs to know."""
        keys = np.empty(
            self.tables.size, dtype=self.tables.dtype
        )  # what is not written costs nothing
        ends = np.empty(len(self.tables), dtype=np.int64)
        count = compact(self.tables, keys, ends)
        return {"keys": keys[:count], "key_ends": ends, "key_bits": np.array([self._bits])}

    @property
    def _stretches(self) -> int:
        return ((self._length_ms - 1) >> self._bits) + 1

    def _made(self) -> np.ndarray:
        narrow = self._name_bits + self._bits < NARROW_BITS
        return np.zeros((self._stretches, self._slots), np.uint32 if narrow else np.uint64)


def among(memory: Arrays, names: np.ndarray, since_ms: np.ndarray) -> np.ndarray:
    """bool[row]: whether `Keys` with that memory has seen a key."""
    found = np.empty(len(names), dtype=np.bool_)
    wanted = ((names.astype(np.int64) << TIME_BITS) | since_ms).astype(np.uint64)
    find(memory["keys"], memory["key_ends"], int(memory["key_bits"][0]), wanted, found)
    return found


def _packed(names: np.ndarray, since_ms: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """(row, key) of each key, as `feed_sums` makes them."""
    rows = since_ms >> bits
    keys = (names.astype(np.int64) << bits) | (since_ms - (rows << bits))
    return rows.astype(np.uint64), keys.astype(np.uint64)
