"""Queues that leave a stop line when it turns green, headway by headway."""

from __future__ import annotations

import numpy as np
from numba import njit, types

_TIMES = types.Array(types.float64, 1, "C", readonly=True)


@njit(
    types.int64(
        _TIMES,
        _TIMES,
        _TIMES,
        types.float64,
        types.float64,
        types.int64,
        types.float64[::1],
        types.float64[::1],
    ),
    cache=True,
)
def queue_discharge(
    times: np.ndarray,
    begins: np.ndarray,
    ends: np.ndarray,
    first_within: float,
    longest_gap: float,
    skipped: int,
    headways: np.ndarray,
    skipped_until: np.ndarray,
) -> int:
    """Headways of vehicles that left in one unbroken row after the start of green.

    A row begins with the first pass of a green, not later than ``first_within`` after its start
    (the vehicle stood at the line), and ends before the first headway above ``longest_gap`` or
    with the green. Rows of no more than ``skipped`` vehicles tell nothing.

    Args:
        times: float64[pass] s, of one lane, ascending.
        begins, ends: float64[green] s, ascending, not overlapping.
        skipped: vehicles at the head of a row that still start up; at least one.
        headways: float64[≥ passes], output: those of the vehicles after them.
        skipped_until: float64[green], output: s from the start of green to the pass of the last of
            them; NaN where the row was too short.

    Returns:
        How many headways there are.
    """
    found = 0
    at = 0
    count = times.shape[0]
    for green in range(begins.shape[0]):
        skipped_until[green] = np.nan
        while at < count and times[at] < begins[green]:
            at += 1
        first = at
        if first == count or times[first] > min(begins[green] + first_within, ends[green]):
            continue
        row = 1
        at += 1
        if skipped == 1:
            skipped_until[green] = times[first] - begins[green]
        while at < count and times[at] <= ends[green] and times[at] - times[at - 1] <= longest_gap:
            row += 1
            if row == skipped:
                skipped_until[green] = times[at] - begins[green]
            elif row > skipped:
                headways[found] = times[at] - times[at - 1]
                found += 1
            at += 1
        if row <= skipped:
            skipped_until[green] = np.nan
    return found
