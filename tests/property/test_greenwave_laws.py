"""Laws that every bandwidth model obeys, on small random arterials (see the oracle table)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from optimizers.greenwave.amband import amband
from optimizers.greenwave.checker import check_plan, measure_band
from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.multiband import multiband
from optimizers.greenwave.params import BandwidthParams
from optimizers.greenwave.problem import (
    ArterialProblem,
    Direction,
    LeftPattern,
    direction,
    left_turns,
)
from optimizers.greenwave.result import ArterialResult
from optimizers.mathopt import MipLimits, MipSolver, SolveStatus

LAW = settings(derandomize=True, deadline=None, max_examples=25)
MODELS = (maxband, multiband, amband)
MAY_END = BandwidthParams(bands_may_end=True)


@st.composite
def directions(draw: st.DrawFn, lengths_m: list[int], *, queues: bool) -> Direction:
    signals = len(lengths_m) + 1
    slowest = draw(st.integers(8, 14))
    faster = draw(st.sampled_from((0, 0, 2, 4)))

    def percents(low: int, high: int) -> list[float]:
        drawn = draw(st.lists(st.integers(low, high), min_size=signals, max_size=signals))
        return [percent / 100 for percent in drawn]

    return direction(
        percents(30, 70),
        lengths_m,
        (slowest, slowest + faster),
        queue_ratios=percents(0, 6) if queues else 0.0,
        pace_change_s_per_m=draw(st.sampled_from((float("inf"), 0.01))),
    )


@st.composite
def arterials(
    draw: st.DrawFn,
    *,
    max_signals: int = 4,
    queues: bool = True,
    turns: bool = True,
    shifts: bool = True,
) -> ArterialProblem:
    """Arterials with two signals or more; with ``turns`` some have left turns that fit the reds."""
    signals = draw(st.integers(2, max_signals))
    lengths = draw(st.lists(st.integers(80, 600), min_size=signals - 1, max_size=signals - 1))
    out = draw(directions(lengths, queues=queues))
    back = draw(directions(lengths, queues=queues))
    shortest = draw(st.integers(50, 90))
    cycle = (shortest, shortest + draw(st.sampled_from((0, 0, 15))))
    kind = draw(st.sampled_from(("plain", "turns" if turns else "plain", "shifts")))
    if kind == "turns":
        return _with_turns(draw, ArterialProblem(out, back, cycle))
    moved: tuple[float, ...] = ()
    if kind == "shifts" and shifts:
        percents = draw(st.lists(st.integers(-50, 50), min_size=signals, max_size=signals))
        moved = tuple(percent / 100 for percent in percents)
    return ArterialProblem(out, back, cycle, red_shift_ratios=moved)


def _with_turns(draw: st.DrawFn, problem: ArterialProblem) -> ArterialProblem:
    """Each red is a common red and the opposing left turn, as on the street."""
    signals = problem.signal_count
    common = [
        0.8 * min(pair)
        for pair in zip(problem.out.red_ratios, problem.back.red_ratios, strict=True)
    ]
    out_left = [red - c for red, c in zip(problem.back.red_ratios, common, strict=True)]
    back_left = [red - c for red, c in zip(problem.out.red_ratios, common, strict=True)]
    orders = st.sets(st.sampled_from(list(LeftPattern)), min_size=1)
    allowed = draw(st.lists(orders, min_size=signals, max_size=signals))
    return replace(problem, left_turns=left_turns(out_left, back_left, allowed))


def best(result: ArterialResult) -> float:
    """The objective; below every other where there is no plan."""
    assert result.status in {SolveStatus.OPTIMAL, SolveStatus.INFEASIBLE}
    return result.objective


def scaled(way: Direction, factor: float) -> Direction:
    return replace(
        way,
        lengths_m=tuple(factor * x for x in way.lengths_m),
        speed_ranges_mps=tuple((factor * a, factor * b) for a, b in way.speed_ranges_mps),
        pace_change_s_per_m=tuple(x / factor for x in way.pace_change_s_per_m),
    )


@LAW
@given(arterials())
def test_maxband_then_multiband_then_amband(problem: ArterialProblem) -> None:
    through, linked, asymmetric = (best(model(problem)) for model in MODELS)
    assert through <= linked + 1e-6
    assert linked <= asymmetric + 1e-6
    assert linked <= best(multiband(problem, MAY_END)) + 1e-6


@LAW
@given(arterials(), st.sampled_from(MODELS))
def test_reversing_swaps_the_bands(problem: ArterialProblem, model: type) -> None:
    heavier = replace(problem, out=replace(problem.out, weight=1.7))
    forward, backward = model(heavier), model(heavier.reversed())
    assert best(forward) == pytest.approx(best(backward), abs=1e-6)
    assert heavier.reversed().reversed() == heavier


@LAW
@given(arterials(), st.floats(0.3, 3.0), st.sampled_from(MODELS))
def test_scale_does_not_matter(problem: ArterialProblem, factor: float, model: type) -> None:
    other = replace(problem, out=scaled(problem.out, factor), back=scaled(problem.back, factor))
    assert best(model(other)) == pytest.approx(best(model(problem)), abs=1e-5)


@LAW
@given(arterials(queues=False, turns=False, shifts=False), st.data())
def test_another_signal_never_widens_the_band(
    problem: ArterialProblem, data: st.DataObject
) -> None:
    """Also in the middle of a link, as long as the speed there may change freely."""
    at = data.draw(st.integers(0, problem.link_count - 1))
    reds = [data.draw(st.integers(20, 70)) / 100 for _ in range(2)]
    free = [
        replace(way, pace_change_s_per_m=(np.inf,) * (problem.link_count - 1))
        for way in (problem.out, problem.back)
    ]
    before = replace(problem, out=free[0], back=free[1])
    out, back = (
        direction(
            [*way.red_ratios[: at + 1], red, *way.red_ratios[at + 1 :]],
            [*way.lengths_m[:at], *[way.lengths_m[at] / 2] * 2, *way.lengths_m[at + 1 :]],
            way.speed_ranges_mps[0],
        )
        for way, red in zip(free, reds, strict=True)
    )
    after = replace(before, out=out, back=back)
    assert best(maxband(after)) <= best(maxband(before)) + 1e-6


@LAW
@given(arterials(), st.integers(0, 10), st.integers(0, 3), st.sampled_from(MODELS))
def test_wider_ranges_never_narrow_the_band(
    problem: ArterialProblem, cycle_s: int, speed_mps: int, model: type
) -> None:
    def wider(way: Direction) -> Direction:
        speeds = tuple((a - 0.5 * speed_mps, b + speed_mps) for a, b in way.speed_ranges_mps)
        return replace(way, speed_ranges_mps=speeds)

    shortest, longest = problem.cycle_range_s
    more = replace(
        problem,
        out=wider(problem.out),
        back=wider(problem.back),
        cycle_range_s=(shortest - cycle_s, longest + cycle_s),
    )
    assert best(model(more)) >= best(model(problem)) - 1e-6


@LAW
@given(arterials(max_signals=5), st.sampled_from(MODELS), st.booleans(), st.booleans())
def test_the_checker_finds_the_reported_bands(
    problem: ArterialProblem, model: type, equal: bool, may_end: bool
) -> None:
    asked = replace(problem, equal_bands=equal)
    result = model(asked, BandwidthParams(bands_may_end=may_end))
    assert result.gap_ratio <= 1e-5
    if result.plan is None:
        assert best(result) == -np.inf
        assert model is maxband or not may_end
        return
    assert check_plan(asked, result.plan) == []
    assert all(0.0 <= offset < result.plan.cycle_s for offset in result.plan.offsets_s)
    assert result.plan.offsets_s[0] == 0.0


@LAW
@given(arterials(), st.floats(0.0, 200.0))
def test_a_constant_on_all_offsets_changes_nothing(
    problem: ArterialProblem, shift_s: float
) -> None:
    plan = maxband(problem).plan
    assume(plan is not None)
    assert plan is not None
    greens = [
        [(offset, (1.0 - red) * plan.cycle_s)]
        for offset, red in zip(plan.offsets_s, problem.out.red_ratios, strict=True)
    ]
    moved = [[(start + shift_s, length)] for [(start, length)] in greens]
    here, there = (measure_band(plan.cycle_s, g, plan.out.travel_s) for g in (greens, moved))
    # Each is measured to within one step of a tenth of a second.
    assert here.width_s == pytest.approx(there.width_s, abs=0.21)


@settings(LAW, max_examples=10)
@given(arterials(), st.sampled_from(MODELS))
def test_highs_agrees_with_scip(problem: ArterialProblem, model: type) -> None:
    by_highs = model(problem, BandwidthParams(MipLimits(solver=MipSolver.HIGHS)))
    assert best(by_highs) == pytest.approx(best(model(problem)), abs=1e-6)
