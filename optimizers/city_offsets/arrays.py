"""The offsets of a city as arrays: links of both directions in one table, loops, neighbours.

Tables are whole numbers of a small unit, rounded down: what is proved of them is proved of the
tables that they come from.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.city_offsets.loops import Loop, short_loops
from optimizers.offsets import OffsetProblem
from traffic_brain.kernels.offset_bounds import LARGEST

Whole = NDArray[np.int64]

FINEST_UNIT = 2.0**-12
ROOM = 4
"""Entries may grow to so many times the largest table while a bound is raised."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Entries first[i] … first[i + 1] − 1 are the neighbours of signal i (int64 each).

    link: row of the tables. sign: 1 where the neighbour is the link's second end, else −1.
    """

    first: Whole
    other: Whole
    link: Whole
    sign: Whole


@dataclass(frozen=True, eq=False)
class Loops:
    """Entries first[i] … first[i + 1] − 1 are the links around loop i (int64 each).

    sign: 1 where the loop goes from the link's first end to its second, else −1.
    """

    signals: tuple[Loop, ...]
    first: Whole
    link: Whole
    sign: Whole


@dataclass(frozen=True, eq=False)
class CityArrays:
    """A city with one period of ``tables.shape[1]`` seconds; nothing here can be written to.

    pairs: int64[link, 2], signals at both ends, the smaller index first.
    exact: float64[link, offset] vehicle-seconds per cycle, offset = second start − first start.
    tables: int32[link, offset] of ``unit_veh_s``, the least entry of each link 0.
    base: sum of what was taken off, in the same unit: base + the sum of tables is, for all starts,
        at most the exact cost and less than one unit per link below it.
    """

    junction_ids: tuple[str, ...]
    pairs: Whole
    exact: NDArray[np.float64]
    tables: NDArray[np.int32]
    unit_veh_s: float
    base: int
    neighbours: Neighbours
    loops: Loops

    @property
    def period_s(self) -> int:
        return int(self.tables.shape[1])

    def cost(self, starts: Whole) -> float:
        """Vehicle-seconds per cycle of given starts, int64[signal]."""
        offsets = (starts[self.pairs[:, 1]] - starts[self.pairs[:, 0]]) % self.period_s
        return math.fsum(self.exact[np.arange(len(self.pairs)), offsets])


def city_arrays(problem: OffsetProblem) -> CityArrays:
    """Both directions of a street become one link; loops are found, tables made whole."""
    merged: dict[tuple[int, int], NDArray[np.float64]] = {}
    backwards = -np.arange(problem.cycle_s) % problem.cycle_s
    for (a, b), table in zip(problem.pairs, problem.tables, strict=True):
        key, seen = ((a, b), table) if a < b else ((b, a), table[backwards])
        merged[key] = merged[key] + seen if key in merged else seen.astype(np.float64)
    links = sorted(merged)
    exact = np.array([merged[link] for link in links]).reshape(len(links), problem.cycle_s)
    pairs = np.array(links, dtype=np.int64).reshape(-1, 2)
    loops = _loops(short_loops(links), links)
    unit = _unit(exact, loops)
    # A power of two: the division is exact, and rounding down can only lower an entry.
    whole = np.floor(exact / unit).astype(np.int64)
    least = whole.min(axis=1, initial=np.iinfo(np.int64).max) if links else whole.sum(axis=1)
    tables = (whole - least[:, None]).astype(np.int32)
    for array in (exact, pairs, tables):
        array.flags.writeable = False
    return CityArrays(
        junction_ids=problem.junction_ids,
        pairs=pairs,
        exact=exact,
        tables=tables,
        unit_veh_s=unit,
        base=int(least.sum()),
        neighbours=_neighbours(pairs, len(problem.junction_ids)),
        loops=loops,
    )


def _unit(exact: NDArray[np.float64], loops: Loops) -> float:
    """The smallest power of two with which the sums around the longest loop stay in range."""
    widest = float(np.ptp(exact, axis=1).max(initial=0.0))
    longest = int(np.diff(loops.first).max(initial=3))
    needed = max(widest * longest * ROOM / LARGEST, FINEST_UNIT)
    return 2.0 ** math.ceil(math.log2(needed))


def _loops(found: Sequence[Loop], links: Sequence[tuple[int, int]]) -> Loops:
    row = {link: k for k, link in enumerate(links)}
    link, sign = [], []
    for loop in found:
        for a, b in zip(loop, (*loop[1:], loop[0]), strict=True):
            link.append(row[min(a, b), max(a, b)])
            sign.append(1 if a < b else -1)
    return Loops(
        signals=tuple(found),
        first=_whole(np.cumsum([0, *map(len, found)])),
        link=_whole(link),
        sign=_whole(sign),
    )


def _neighbours(pairs: Whole, signals: int) -> Neighbours:
    entries: list[list[tuple[int, int, int]]] = [[] for _ in range(signals)]
    for k, (a, b) in enumerate(pairs.tolist()):
        entries[a].append((b, k, 1))
        entries[b].append((a, k, -1))
    flat = [entry for listed in entries for entry in listed]
    return Neighbours(
        first=_whole(np.cumsum([0, *map(len, entries)])),
        other=_whole([other for other, _, _ in flat]),
        link=_whole([link for _, link, _ in flat]),
        sign=_whole([sign for _, _, sign in flat]),
    )


def _whole(values: Sequence[int] | Whole) -> Whole:
    array = np.asarray(values, dtype=np.int64)
    array.flags.writeable = False
    return array
