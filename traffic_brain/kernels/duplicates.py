"""Exact de-duplication of rows that two integers identify."""

from __future__ import annotations

import numpy as np
from numba import njit

OK = 0
TABLE_TOO_SMALL = 1


@njit(cache=True)
def mark_repeats(
    first: np.ndarray, second: np.ndarray, slots: np.ndarray, repeated: np.ndarray
) -> int:
    """Mark every row whose pair occurred in an earlier row.

    Args:
        first, second: int64[row], the pair that identifies a row.
        slots: int64[2**k] filled with -1, more slots than rows.
        repeated: bool[row], output.

    A multiplicative hash is good only in its top bits, so the slot is taken from there.
    """
    size = slots.shape[0]
    if size <= first.shape[0]:
        return TABLE_TOO_SMALL
    shift = 64
    while size > 1:
        size >>= 1
        shift -= 1
    mask = slots.shape[0] - 1
    for row in range(first.shape[0]):
        mixed = (np.uint64(first[row]) * np.uint64(0x9E3779B97F4A7C15)) ^ np.uint64(second[row])
        mixed = mixed * np.uint64(0xBF58476D1CE4E5B9)
        slot = np.int64(mixed >> np.uint64(shift)) & mask
        repeated[row] = False
        while slots[slot] >= 0:
            other = slots[slot]
            if first[other] == first[row] and second[other] == second[row]:
                repeated[row] = True
                break
            slot = (slot + 1) & mask
        if not repeated[row]:
            slots[slot] = row
    return OK


def repeats(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """bool[row]: True where the pair (first, second) stood in an earlier row.

    Args:
        first, second: integer arrays of one length.

    Raises:
        ValueError: the lengths differ.
    """
    if first.shape != second.shape:
        raise ValueError("both keys need one value per row")
    slots = np.full(1 << (2 * len(first) + 1).bit_length(), -1, dtype=np.int64)
    repeated = np.zeros(len(first), dtype=np.bool_)
    mark_repeats(
        np.ascontiguousarray(first, dtype=np.int64),
        np.ascontiguousarray(second, dtype=np.int64),
        slots,
        repeated,
    )
    return repeated
