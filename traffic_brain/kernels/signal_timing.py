"""The timing of a signal from the times at which vehicles passed its stop lines.

Passes are folded: put on one cycle, second by second. Of all cycles that may be, the right one
makes passes meet in the same seconds; of all starts of stages, the right ones put them on green.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

OK = 0
TOO_FEW = 1
"""Less than two passes on every lane: nothing can meet."""
DOES_NOT_FIT = 2
"""The least greens and the clearances are longer than the cycle."""

LOWEST = -1e18

_TIMES = types.Array(types.float64, 1, "C", readonly=True)
_WHOLE = types.Array(types.int64, 1, "C", readonly=True)
_TABLE = types.Array(types.float64, 2, "C", readonly=True)
_ROWS = types.float64[:, ::1]


@njit(types.int64(_TIMES, _WHOLE, types.int64, types.int64[:, ::1]), cache=True)
def fold(times: np.ndarray, lanes: np.ndarray, cycle: int, counts: np.ndarray) -> int:
    """Passes of each lane in each second of the cycle.

    Args:
        times: float64[pass] s. lanes: int64[pass].
        counts: int64[lane, ≥ cycle], output; the first ``cycle`` columns are filled.
    """
    for lane in range(counts.shape[0]):
        for second in range(cycle):
            counts[lane, second] = 0
    for i in range(times.shape[0]):
        counts[lanes[i], np.int64(np.floor(times[i])) % cycle] += 1
    return OK


@njit(types.int64(_TIMES, _WHOLE, types.int64, types.int64, types.float64[::1]), cache=True)
def cycle_scores(
    times: np.ndarray, lanes: np.ndarray, lane_count: int, shortest: int, scores: np.ndarray
) -> int:
    """How far more pairs of passes of a lane meet in a second of the cycle than chance makes.

    Σ over lanes of Σ n(n − 1) − N(N − 1)/C, over its standard deviation where passes were evenly
    spread, √(2 Σ N(N − 1)/C): epoch folding (Leahy et al. 1983) with the pairs of the χ² sum that
    do not grow with the number of passes alone. Multiples of the cycle score less than it does.

    Args:
        times: float64[pass] s. lanes: int64[pass] below ``lane_count``.
        scores: float64[cycle − shortest], output.
    """
    longest = shortest + scores.shape[0] - 1
    counts = np.zeros((lane_count, longest), dtype=np.int64)
    sizes = np.zeros(lane_count)
    for i in range(lanes.shape[0]):
        sizes[lanes[i]] += 1.0
    pairs = (sizes * (sizes - 1.0)).sum()
    if pairs <= 0.0:
        return TOO_FEW
    for cycle in range(shortest, longest + 1):
        fold(times, lanes, cycle, counts)
        meeting = 0.0
        for lane in range(lane_count):
            for second in range(cycle):
                n = np.float64(counts[lane, second])
                meeting += n * (n - 1.0)
        expected = pairs / cycle
        scores[cycle - shortest] = (meeting - expected) / np.sqrt(2.0 * expected)
    return OK


@njit(types.void(_ROWS, types.int64, _TABLE, _TABLE, _WHOLE, _ROWS), cache=True)
def _to_the_end(
    total: np.ndarray,
    first: int,
    opening: np.ndarray,
    clearing: np.ndarray,
    least: np.ndarray,
    best: np.ndarray,
) -> None:
    """best[stage, x]: the highest score from a stage's start to the cycle's end.

    x: seconds after ``first``, the start of the first stage; of that stage x is 0.
    """
    stages, cycle = opening.shape
    best[:, :] = LOWEST
    best[stages, cycle] = 0.0
    for stage in range(stages - 1, -1, -1):
        clear = int(clearing[stage, 0])
        for x in range(cycle + 1 - least[stage] - clear if stage > 0 else 1):
            begin = first + x
            for end in range(x + least[stage], cycle + 1 - clear):
                rest = best[stage + 1, end + clear]
                if rest > LOWEST:
                    gain = (
                        opening[stage, begin % cycle] + clearing[stage, 1 + (first + end) % cycle]
                    )
                    gain += total[stage, first + end] - total[stage, begin] + rest
                    best[stage, x] = max(best[stage, x], gain)


@njit(types.void(_ROWS, types.int64, _TABLE, _TABLE, _WHOLE, _ROWS), cache=True)
def _from_the_start(
    total: np.ndarray,
    first: int,
    opening: np.ndarray,
    clearing: np.ndarray,
    least: np.ndarray,
    best: np.ndarray,
) -> None:
    """best[stage, x]: the highest score from the cycle's start to a stage's start."""
    stages, cycle = opening.shape
    best[:, :] = LOWEST
    best[0, 0] = 0.0
    for stage in range(stages):
        clear = int(clearing[stage, 0])
        for x in range(cycle + 1 - least[stage] - clear):
            so_far = best[stage, x]
            if so_far > LOWEST:
                begin = first + x
                for end in range(x + least[stage], cycle + 1 - clear):
                    gain = (
                        opening[stage, begin % cycle] + clearing[stage, 1 + (first + end) % cycle]
                    )
                    gain += total[stage, first + end] - total[stage, begin] + so_far
                    best[stage + 1, end + clear] = max(best[stage + 1, end + clear], gain)


@njit(types.int64(types.int64, types.int64, types.int64, _ROWS, _TABLE, _WHOLE, _ROWS), cache=True)
def _next_start(
    stage: int,
    x: int,
    first: int,
    total: np.ndarray,
    clearing: np.ndarray,
    least: np.ndarray,
    after: np.ndarray,
) -> int:
    """When the next stage starts in the best timing with this one at x; the earliest of equals."""
    cycle = after.shape[1] - 1
    clear = int(clearing[stage, 0])
    best, found = LOWEST, x
    for end in range(x + least[stage], cycle + 1 - clear):
        rest = after[stage + 1, end + clear]
        if rest > LOWEST:
            gain = total[stage, first + end] + clearing[stage, 1 + (first + end) % cycle] + rest
            if gain > best:
                best, found = gain, end + clear
    return found


@njit(
    types.int64(_TABLE, _TABLE, _TABLE, _WHOLE, types.int64[::1], types.float64[:, ::1]),
    cache=True,
)
def stage_starts(
    opening: np.ndarray,
    green: np.ndarray,
    clearing: np.ndarray,
    least: np.ndarray,
    starts: np.ndarray,
    best_with: np.ndarray,
) -> int:
    """The starts of stages with the highest score, and the score with every other start.

    A stage that starts at second t and is green for g scores ``opening`` at t, the sum of its
    ``green`` row over t … t + g − 1, and ``clearing`` at t + g. Dynamic programming over stages for
    each start of the first: exact, in cycle³ · stages steps.

    Args:
        opening: float64[stage, cycle]: gain when a stage starts at each second.
        green: float64[stage, cycle]: gain of each second in which a stage is green.
        clearing: float64[stage, 1 + cycle]: how long the clearance takes, in s, then its gain when
            it begins at each second of the cycle.
        least: int64[stage] s of green.
        starts: int64[stage], output; seconds of the cycle.
        best_with: float64[stage, cycle], output: the highest score of all timings in which the
            stage starts at that second; ``LOWEST`` where none fits.
    """
    stages, cycle = best_with.shape
    best_with[:, :] = LOWEST
    if least.sum() + np.int64(clearing[:, 0].sum()) > cycle:
        return DOES_NOT_FIT
    total = np.zeros((stages, 2 * cycle + 1))
    for stage in range(stages):
        for second in range(2 * cycle):
            total[stage, second + 1] = total[stage, second] + green[stage, second % cycle]
    after = np.empty((stages + 1, cycle + 1))
    before = np.empty((stages + 1, cycle + 1))
    best = LOWEST
    for first in range(cycle):
        _to_the_end(total, first, opening, clearing, least, after)
        _from_the_start(total, first, opening, clearing, least, before)
        for stage in range(stages):
            for x in range(cycle):
                if before[stage, x] > LOWEST and after[stage, x] > LOWEST:
                    second = (first + x) % cycle
                    whole = before[stage, x] + after[stage, x]
                    best_with[stage, second] = max(best_with[stage, second], whole)
        if after[0, 0] > best:
            best = after[0, 0]
            x = 0
            starts[0] = first
            for stage in range(stages - 1):
                x = _next_start(stage, x, first, total, clearing, least, after)
                starts[stage + 1] = (first + x) % cycle
    return OK
