"""A second opinion on green waves: drive through the plan and see whether the lamps are green.

Shares no code with the models. Vehicles leave every 0.1 s and drive at the plan's travel times;
the band is the longest unbroken run of vehicles that meet no red. A band is measured to within
one step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.greenwave.problem import (
    ArterialProblem,
    CorridorDirection,
    CorridorProblem,
    Direction,
)
from optimizers.greenwave.result import ArterialPlan, CorridorResult, DirectionBands

STEP_S = 0.1

Greens = Sequence[tuple[float, float]]
"""(start, length) of the greens of one signal, seconds of the cycle."""


@dataclass(frozen=True, slots=True)
class MeasuredBand:
    """The longest run of vehicles that meet no red, by their time at the first signal."""

    start_s: float
    width_s: float


def measure_band(
    cycle_s: float,
    greens: Sequence[Greens],
    travel_s: Sequence[float],
    *,
    step_s: float = STEP_S,
) -> MeasuredBand:
    """Drive through the signals in the order given; ``travel_s`` lies between them."""
    count = max(1, round(cycle_s / step_s))
    step = cycle_s / count
    # In the middle of each step, so that no vehicle stands exactly on a lamp's change.
    departures_s = np.linspace(0.5 * step, cycle_s - 0.5 * step, count, dtype=np.float64)
    passes = _passes(cycle_s, greens, travel_s, departures_s)
    first, length = _longest_run(passes)
    return MeasuredBand(first * step, length * step)


def measure_corridor(problem: CorridorProblem, offsets_s: Sequence[int]) -> tuple[float, float]:
    """Widths in seconds of the longest bands out and back through a whole corridor."""
    out = _greens_of(problem.out, offsets_s)
    out_band = measure_band(problem.cycle_s, out, problem.out.travel_s)
    if problem.back is None:
        return out_band.width_s, 0.0
    back = _greens_of(problem.back, offsets_s)
    back_band = measure_band(problem.cycle_s, back[::-1], problem.back.travel_s[::-1])
    return out_band.width_s, back_band.width_s


def check_corridor(problem: CorridorProblem, result: CorridorResult) -> list[str]:
    """What is wrong with a corridor's result; empty: the bands are there."""
    found = []
    if not all(0 <= offset < problem.cycle_s for offset in result.offsets_s):
        found.append("an offset is outside the cycle")
    measured = measure_corridor(problem, result.offsets_s)
    reported = (result.out_bandwidth_s, result.back_bandwidth_s)
    for name, width, claim in zip(("out", "back"), measured, reported, strict=True):
        if width < claim - STEP_S:
            found.append(f"{name} band is {width:.1f} s wide, not {claim} s")
    return found


def check_plan(problem: ArterialProblem, plan: ArterialPlan) -> list[str]:
    """What is wrong with an arterial's plan; empty: bands, speeds, cycle and reds are right."""
    cycle_s = plan.cycle_s
    shortest, longest = problem.cycle_range_s
    found = []
    if not shortest - 1e-4 <= cycle_s <= longest + 1e-4:
        found.append(f"cycle {cycle_s} s is out of range")
    found += _misplaced_reds(problem, plan)
    out_starts = plan.offsets_s
    back_starts = [
        offset + start
        for offset, start in zip(plan.offsets_s, plan.back_green_starts_s, strict=True)
    ]
    for name, direction, bands, starts, driving in (
        ("out", problem.out, plan.out, out_starts, 1),
        ("back", problem.back, plan.back, back_starts, -1),
    ):
        greens = [
            [(start, (1.0 - red) * cycle_s)]
            for start, red in zip(starts, direction.red_ratios, strict=True)
        ]
        problems = [*_wrong_speeds(direction, bands)]
        problems += _missing_bands(cycle_s, greens, direction, bands, driving)
        found += [f"{name}: {problem}" for problem in problems]
    return found


def _misplaced_reds(problem: ArterialProblem, plan: ArterialPlan) -> Iterator[str]:
    """Reds of a signal must lie to each other as the left-turn order or the shift says."""
    for i, (out_red, back_red) in enumerate(
        zip(problem.out.red_ratios, problem.back.red_ratios, strict=True)
    ):
        # Out red ends where the out green starts, at 0.
        back_red_start = plan.back_green_starts_s[i] / plan.cycle_s - back_red
        turns = problem.left_turns
        if turns is None:
            shift = problem.red_shift_ratios[i] if problem.red_shift_ratios else 0.0
            off = -0.5 * out_red - (back_red_start + 0.5 * back_red) - shift
        else:
            pattern = plan.left_patterns[i]
            if pattern not in turns.allowed[i]:
                yield f"signal {i} does not allow {pattern}"
            common = out_red
            if pattern.out_lags:
                common += turns.out_ratios[i]
            if pattern.back_lags:
                common -= turns.back_ratios[i]
            off = -back_red_start - common
        if abs(off - round(off)) > 1e-5:
            yield f"reds of signal {i} lie {off:.6f} cycles off"


def _wrong_speeds(direction: Direction, bands: DirectionBands) -> Iterator[str]:
    for i, (speed, (slowest, fastest)) in enumerate(
        zip(bands.speeds_mps, direction.speed_ranges_mps, strict=True)
    ):
        if not slowest * (1 - 1e-4) <= speed <= fastest * (1 + 1e-4):
            yield f"speed {speed} m/s on link {i} is out of range"
        if abs(speed * bands.travel_s[i] - direction.lengths_m[i]) > 1e-3:
            yield f"speed and travel time of link {i} do not fit its length"
    for i, limit in enumerate(direction.pace_change_s_per_m):
        if abs(1.0 / bands.speeds_mps[i + 1] - 1.0 / bands.speeds_mps[i]) > limit + 1e-5:
            yield f"speed changes too much after link {i}"


def _missing_bands(
    cycle_s: float,
    greens: list[list[tuple[float, float]]],
    direction: Direction,
    bands: DirectionBands,
    driving: int,
) -> Iterator[str]:
    """Vehicles inside every reported band must meet green at both ends of its link."""
    travel_s = []
    for i, link_travel_s in enumerate(bands.travel_s):
        here, there = (i, i + 1) if driving > 0 else (i + 1, i)
        # The band leaves a signal earlier than it arrives, by the time its queue takes to clear.
        travel = link_travel_s - direction.queue_ratios[there] * cycle_s
        travel_s.append(travel)
        inset = 2e-3
        width = bands.link_bandwidths_s[i]
        if width <= 2 * inset:
            continue
        vehicles = np.arange(inset, width - inset, STEP_S) + bands.link_band_starts_s[i]
        vehicles = np.append(vehicles, bands.link_band_starts_s[i] + width - inset)
        if not np.all(_passes(cycle_s, [greens[here], greens[there]], [travel], vehicles)):
            yield f"a vehicle in the band of link {i} meets red"
    measured = measure_band(cycle_s, greens[::driving], travel_s[::driving])
    if measured.width_s < bands.bandwidth_s - STEP_S:
        yield f"band is {measured.width_s:.1f} s wide, not {bands.bandwidth_s:.1f} s"


def _greens_of(
    direction: CorridorDirection, offsets_s: Sequence[int]
) -> list[list[tuple[float, float]]]:
    return [
        [(offset + w.start_s, w.length_s) for w in windows]
        for offset, windows in zip(offsets_s, direction.windows, strict=True)
    ]


def _passes(
    cycle_s: float,
    greens: Sequence[Greens],
    travel_s: Sequence[float],
    departures_s: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Which vehicles meet no red, shape [vehicle]."""
    passes = np.ones(departures_s.size, dtype=np.bool_)
    clock = departures_s.copy()
    for i, signal in enumerate(greens):
        if i > 0:
            clock += travel_s[i - 1]
        is_green = np.zeros(departures_s.size, dtype=np.bool_)
        for start, length in signal:
            is_green |= (clock - start) % cycle_s < length
        passes &= is_green
    return passes


def _longest_run(passes: NDArray[np.bool_]) -> tuple[int, int]:
    """(first, length) of the longest run on the circle of the cycle."""
    count = passes.size
    if bool(np.all(passes)):
        return 0, count
    best = (0, 0)
    length = 0
    for k, passing in enumerate(np.concatenate([passes, passes])):
        length = length + 1 if passing else 0
        if length > best[1]:
            best = ((k - length + 1) % count, length)
    return best
