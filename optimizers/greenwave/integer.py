"""Offsets of a real corridor in whole seconds.

Three steps: the widest bands through the corridor (exactly, or by CP-SAT), then among all offsets
that carry these bands the ones with the most green on single links (dynamic programming along
the corridor, exact), then a bound from MAXBAND without whole seconds (MILP) to judge both by.
Where no band runs through, the link bands alone decide: a band may end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.params import (
    Aim,
    BandwidthParams,
    WholeSecondMethod,
    WholeSecondParams,
)
from optimizers.greenwave.problem import (
    ArterialProblem,
    CorridorDirection,
    CorridorProblem,
    Window,
    corridor_direction,
    direction_with_travel_times,
)
from optimizers.greenwave.result import CorridorResult
from optimizers.greenwave.through_bands import (
    ThroughBands,
    arrivals_s,
    weighted_width,
    widest_through_bands,
)
from optimizers.greenwave.through_bands_cp_sat import widest_through_bands_cp_sat
from optimizers.mathopt import SolveStatus
from traffic_brain.errors import SolverError

DEFAULT = WholeSecondParams()

TRAVEL_SPREAD_S = 5
"""Among offsets that are equally good, those that stay good when vehicles are early or late by
up to this much."""

_TIE = 1e-6
"""Weight of that: the link bands of a whole corridor differ by more."""

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def whole_second_offsets(
    cycle_s: int,
    out_windows: Sequence[Sequence[tuple[int, int]]],
    back_windows: Sequence[Sequence[tuple[int, int]]] | None,
    out_travel_s: Sequence[int],
    back_travel_s: Sequence[int] | None,
    params: WholeSecondParams = DEFAULT,
) -> CorridorResult:
    """``best_offsets`` from bare numbers, all weights 1; ``None`` twice for a one-way corridor.

    Windows are (start after the coordinated stage's green, length) lists, one per signal.

    Raises:
        DataRefused: see ``CorridorProblem``.
        SolverError: CP-SAT was asked for and found nothing within its limit.
    """
    out = corridor_direction(out_windows, out_travel_s)
    back = None
    if back_windows is not None:
        back = corridor_direction(back_windows, () if back_travel_s is None else back_travel_s)
    return best_offsets(CorridorProblem(cycle_s, out, back), params)


def best_offsets(problem: CorridorProblem, params: WholeSecondParams = DEFAULT) -> CorridorResult:
    """Offsets of the coordinated stages, in whole seconds after that of the first signal.

    Raises:
        SolverError: CP-SAT was asked for and found nothing within its limit.
    """
    scores = _link_scores(problem)
    if params.aim is Aim.LINKS:
        placed = _place(problem, ThroughBands(0, 0, 0), scores)
        return _result(problem, params, SolveStatus.OPTIMAL, placed.link_bands, placed)
    found = _through_bands(problem, params)
    placed = max((_place(problem, bands, scores) for bands in found.bands), key=lambda p: p.score)
    return _result(problem, params, found.status, found.bound, placed)


@dataclass(frozen=True, slots=True)
class _Found:
    status: SolveStatus
    bands: tuple[ThroughBands, ...]
    bound: float


@dataclass(frozen=True, slots=True)
class _Placed:
    bands: ThroughBands
    offsets_s: tuple[int, ...]
    score: float
    link_bands: float
    """Weighted sum of the link bands."""
    start_s: int
    """Front of the out band (without one: of the back band) at the first signal."""


def _through_bands(problem: CorridorProblem, params: WholeSecondParams) -> _Found:
    if params.method is WholeSecondMethod.CP_SAT:
        answer = widest_through_bands_cp_sat(problem, params)
        if answer.bands is None:
            raise SolverError(
                f"CP-SAT found no bands ({answer.status})", "raise its limit, or enumerate"
            )
        return _Found(answer.status, (answer.bands,), answer.bound)
    bands = widest_through_bands(problem, equal=params.equal_bands, least_s=params.least_band_s)
    bound = weighted_width(problem, bands[0].out_s, bands[0].back_s)
    return _Found(SolveStatus.OPTIMAL, bands, bound)


def _place(problem: CorridorProblem, bands: ThroughBands, scores: tuple[Floats, Floats]) -> _Placed:
    """Offsets that carry the bands and have the most green on single links.

    The clock's zero is the front of the first band at the first signal; without bands it is the
    first signal's offset.
    """
    cycle = problem.cycle_s
    allowed = _allowed(problem, bands)
    exact, blurred = scores
    # step[o, p]: difference of the offsets p - o modulo the cycle.
    step = (np.arange(cycle)[None, :] - np.arange(cycle)[:, None]) % cycle
    best = np.where(allowed[0], 0.0, -np.inf)
    came_from = []
    for i in range(problem.link_count):
        totals = best[:, None] + (exact[i] + _TIE * blurred[i])[step]
        came_from.append(np.argmax(totals, axis=0))
        best = np.where(allowed[i + 1], totals.max(axis=0), -np.inf)
    offset = int(np.argmax(best))
    score = float(best[offset])
    offsets = [offset]
    for sources in reversed(came_from):
        offsets.append(int(sources[offsets[-1]]))
    offsets.reverse()
    return _Placed(
        bands=bands,
        offsets_s=tuple((o - offsets[0]) % cycle for o in offsets),
        score=score,
        link_bands=sum(
            float(exact[i][(offsets[i + 1] - offsets[i]) % cycle])
            for i in range(problem.link_count)
        ),
        start_s=-offsets[0] % cycle,
    )


def _allowed(problem: CorridorProblem, bands: ThroughBands) -> Bools:
    """Which offsets let the bands pass, shape [signal, offset]."""
    cycle, signals = problem.cycle_s, problem.signal_count
    allowed = np.ones((signals, cycle), dtype=np.bool_)
    out_arrivals, back_arrivals = arrivals_s(problem)
    if bands.out_s > 0:
        for i, windows in enumerate(problem.out.windows):
            allowed[i] &= _passable(cycle, windows, out_arrivals[i], bands.out_s)
    if problem.back is not None and bands.back_s > 0:
        for i, windows in enumerate(problem.back.windows):
            front = back_arrivals[i] + bands.distance_s
            allowed[i] &= _passable(cycle, windows, front, bands.back_s)
    if bands.out_s == 0 and bands.back_s == 0:
        allowed[0, 1:] = False
    return allowed


def _passable(cycle: int, windows: Sequence[Window], front_s: int, width_s: int) -> Bools:
    """Offsets at which a band of the given width passes in one of the windows, [offset]."""
    offsets = np.arange(cycle)
    passable = np.zeros(cycle, dtype=np.bool_)
    for w in windows:
        after_start = (front_s - offsets - w.start_s) % cycle
        passable |= (after_start + width_s <= w.length_s) | (w.length_s == cycle)
    return passable


def _link_scores(problem: CorridorProblem) -> tuple[Floats, Floats]:
    """Weighted link bands by the step of the offset, [link, step]; and blurred by the spread."""
    cycle = problem.cycle_s
    exact = np.zeros((problem.link_count, cycle))
    for i in range(problem.link_count):
        exact[i] = problem.out.link_weights[i] * _overlaps(
            cycle, problem.out.windows[i], problem.out.windows[i + 1], problem.out.travel_s[i]
        )
        if problem.back is not None:
            back = _overlaps(
                cycle,
                problem.back.windows[i + 1],
                problem.back.windows[i],
                problem.back.travel_s[i],
            )
            # Back traffic sees the step from its other end.
            exact[i] += problem.back.link_weights[i] * back[-np.arange(cycle) % cycle]
    shifts = range(-TRAVEL_SPREAD_S, TRAVEL_SPREAD_S + 1)
    blurred = sum((np.roll(exact, k, axis=1) for k in shifts), np.zeros_like(exact))
    return exact, blurred / len(shifts)


def _overlaps(
    cycle: int, upstream: Sequence[Window], downstream: Sequence[Window], travel_s: int
) -> Floats:
    """Seconds that leave on green and arrive on green, by downstream minus upstream offset."""
    leave = np.roll(_green(cycle, upstream), travel_s)
    arrive = _green(cycle, downstream)
    return np.array([np.sum(leave & np.roll(arrive, step)) for step in range(cycle)], dtype=float)


def _green(cycle: int, windows: Sequence[Window]) -> Bools:
    """Seconds of green after the signal's offset, shape [second]."""
    green = np.zeros(cycle, dtype=np.bool_)
    for w in windows:
        green[(w.start_s + np.arange(w.length_s)) % cycle] = True
    return green


def _result(
    problem: CorridorProblem,
    params: WholeSecondParams,
    status: SolveStatus,
    bound: float,
    placed: _Placed,
) -> CorridorResult:
    cycle, offsets, back = problem.cycle_s, placed.offsets_s, problem.back
    bands, out_start, back_start = placed.bands, placed.start_s, placed.start_s
    out_arrivals, back_arrivals = arrivals_s(problem)
    if params.aim is Aim.LINKS:
        objective = placed.link_bands
        out_start, out_s = _longest(cycle, problem.out, offsets, out_arrivals)
        back_start, back_s = (
            (0, 0) if back is None else _longest(cycle, back, offsets, back_arrivals)
        )
    else:
        out_s, back_s = bands.out_s, bands.back_s
        objective = weighted_width(problem, out_s, back_s)
        back_start += bands.distance_s
    return CorridorResult(
        status=status,
        objective=objective,
        bound=bound,
        relaxed_bound=_relaxed_bound(problem, params, bands) if params.relaxation else None,
        seed=params.seed,
        cycle_s=cycle,
        offsets_s=offsets,
        out_bandwidth_s=out_s,
        back_bandwidth_s=back_s,
        out_band_start_s=out_start % cycle if out_s else None,
        back_band_start_s=(back_start + back_arrivals[-1]) % cycle if back_s else None,
        out_link_bands_s=_link_bands(cycle, problem.out, offsets, driving=1),
        back_link_bands_s=() if back is None else _link_bands(cycle, back, offsets, driving=-1),
    )


def _longest(
    cycle: int, direction: CorridorDirection, offsets_s: Sequence[int], arrivals: Sequence[int]
) -> tuple[int, int]:
    """(front at the first signal, width) of the longest band that meets no red."""
    passes = np.ones(cycle, dtype=np.bool_)
    for windows, offset, arrival in zip(direction.windows, offsets_s, arrivals, strict=True):
        passes &= np.roll(_green(cycle, windows), offset - arrival)
    if np.all(passes):
        return 0, cycle
    best, length = (0, 0), 0
    for t in range(2 * cycle):
        length = length + 1 if passes[t % cycle] else 0
        if length > best[1]:
            best = ((t - length + 1) % cycle, length)
    return best


def _link_bands(
    cycle: int, direction: CorridorDirection, offsets_s: Sequence[int], *, driving: int
) -> tuple[int, ...]:
    found = []
    for i, travel_s in enumerate(direction.travel_s):
        here, there = (i, i + 1)[::driving]
        overlaps = _overlaps(cycle, direction.windows[here], direction.windows[there], travel_s)
        found.append(int(overlaps[(offsets_s[there] - offsets_s[here]) % cycle]))
    return tuple(found)


def _relaxed_bound(
    problem: CorridorProblem, params: WholeSecondParams, bands: ThroughBands
) -> float | None:
    """What MAXBAND reaches on the corridor's greens when seconds may be divided."""
    directions = [problem.out] if problem.back is None else [problem.out, problem.back]
    if any(len(windows) != 1 for d in directions for windows in d.windows):
        return None
    # One direction alone always gets its shortest green.
    alone = [d.weight * min(windows[0].length_s for windows in d.windows) for d in directions]
    if problem.back is None:
        return alone[0]
    answer = maxband(
        _arterial(problem, problem.back, equal_bands=params.equal_bands),
        BandwidthParams(limits=params.relaxation_limits),
    )
    # To the microsecond, as all that comes from a solver: 30 s shall not be above the bound.
    both = round(max(0.0, answer.bound * problem.cycle_s), 6)
    two_way = params.equal_bands or min(bands.out_s, bands.back_s, params.least_band_s) > 0
    return both if two_way else max(both, *alone)


def _arterial(
    problem: CorridorProblem, back: CorridorDirection, *, equal_bands: bool
) -> ArterialProblem:
    """The same corridor in the language of MAXBAND; every signal has one window each way."""
    cycle = problem.cycle_s
    out_windows = [windows[0] for windows in problem.out.windows]
    back_windows = [windows[0] for windows in back.windows]

    def like(direction: CorridorDirection, windows: Sequence[Window]) -> tuple[list[float], ...]:
        reds = [1.0 - w.length_s / cycle for w in windows]
        # Whole cycles more or less make no difference, and MAXBAND wants links with a length.
        return reds, [float(t % cycle + cycle) for t in direction.travel_s]

    out_reds, out_travel = like(problem.out, out_windows)
    back_reds, back_travel = like(back, back_windows)
    return ArterialProblem(
        out=direction_with_travel_times(out_reds, out_travel, weight=problem.out.weight),
        back=direction_with_travel_times(back_reds, back_travel, weight=back.weight),
        cycle_range_s=(cycle, cycle),
        red_shift_ratios=tuple(
            0.5 * (back_reds[i] - out_reds[i])
            - (back_windows[i].start_s - out_windows[i].start_s) / cycle
            for i in range(problem.signal_count)
        ),
        equal_bands=equal_bands,
    )
