"""Bandwidth models against the project's oracle table (GW-1 to GW-12), and by enumeration.

Data: Euclid Avenue, Cleveland, from J. D. C. Little, Operations Research 14 (1966); Almere (NL)
as in the project's oracle table. Expected values: calculated there twice by independent ways.
"""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from optimizers.greenwave.amband import amband
from optimizers.greenwave.checker import check_plan
from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.multiband import multiband
from optimizers.greenwave.params import BandwidthParams
from optimizers.greenwave.problem import (
    ArterialProblem,
    LeftPattern,
    LeftTurns,
    Range,
    direction,
    direction_with_travel_times,
    left_turns,
)
from optimizers.greenwave.result import ArterialPlan, ArterialResult
from optimizers.mathopt import MipLimits, MipSolver, SolveStatus
from tests.reference.greenwave import half_integer_bandwidth
from traffic_brain.errors import DataRefused

GREENS = (0.53, 0.60, 0.60, 0.53, 0.52, 0.58, 0.60, 0.60, 0.60, 0.58)
METRES = (168, 213, 335, 213, 244, 198, 122, 213, 137)
FEET = (550, 700, 1100, 700, 800, 650, 400, 700, 450)

ALMERE_M = (374, 265, 277, 305, 260, 270)
ALMERE_OUT_RED = (0.586, 0.585, 0.621, 0.566, 0.647, 0.495, 0.497)
ALMERE_BACK_RED = (0.619, 0.589, 0.680, 0.576, 0.482, 0.520, 0.557)
ALMERE_OUT_LEFT = (0.103, 0.101, 0.113, 0.095, 0.0, 0.091, 0.084)
ALMERE_BACK_LEFT = (0.104, 0.104, 0.106, 0.099, 0.429, 0.099, 0.097)
ALMERE_OUT_QUEUE = (0.0, 0.030, 0.023, 0.044, 0.038, 0.069, 0.035)
ALMERE_BACK_QUEUE = (0.024, 0.038, 0.019, 0.044, 0.020, 0.025, 0.0)

MODELS = (maxband, multiband, amband)


def euclid(
    lengths: tuple[float, ...],
    speed_range: Range,
    cycle_s: Range,
    pace_change: float = inf,
    *,
    equal: bool = False,
) -> ArterialProblem:
    reds = [1.0 - green for green in GREENS]
    way = direction(reds, lengths, speed_range, pace_change_s_per_m=pace_change)
    return ArterialProblem(way, way, cycle_s, equal_bands=equal)


def euclid_fixed(cycle_s: float, feet_per_s: float, *, equal: bool = False) -> ArterialProblem:
    return euclid(FEET, (feet_per_s, feet_per_s), (cycle_s, cycle_s), equal=equal)


def almere(
    *, queues: bool = True, equal: bool = False, turns: LeftTurns | None = None
) -> ArterialProblem:
    speeds = (30 / 3.6, 50 / 3.6)
    out = direction(
        ALMERE_OUT_RED,
        ALMERE_M,
        speeds,
        queue_ratios=ALMERE_OUT_QUEUE if queues else 0.0,
        pace_change_s_per_m=0.05,
    )
    back = direction(
        ALMERE_BACK_RED,
        ALMERE_M,
        speeds,
        queue_ratios=ALMERE_BACK_QUEUE if queues else 0.0,
        pace_change_s_per_m=0.05,
    )
    return ArterialProblem(out, back, (66, 100), equal_bands=equal, left_turns=turns)


def checked(problem: ArterialProblem, result: ArterialResult) -> ArterialPlan:
    """The plan of a proved optimum, after driving through it."""
    assert result.status is SolveStatus.OPTIMAL
    assert result.gap_ratio <= 1e-6
    assert result.plan is not None
    assert check_plan(problem, result.plan) == []
    return result.plan


def ratios(plan: ArterialPlan) -> tuple[float, float]:
    return plan.out.bandwidth_s / plan.cycle_s, plan.back.bandwidth_s / plan.cycle_s


@pytest.mark.parametrize("equal", [True, False])
def test_gw1_euclid_metric(equal: bool) -> None:
    """GW-1: b = b̄ = .281414; the sum is the same when bands need not be equal."""
    problem = euclid(METRES, (13.4, 17.9), (55, 75), 0.0121, equal=equal)
    result = maxband(problem)
    plan = checked(problem, result)
    assert result.objective == pytest.approx(0.562827, abs=1e-5)
    if equal:
        assert ratios(plan) == pytest.approx((0.281414, 0.281414), abs=1e-5)


def test_gw3_euclid_feet() -> None:
    """GW-3: exact feet, limits divided by .3048."""
    speeds = (13.4 / 0.3048, 17.9 / 0.3048)
    problem = euclid(FEET, speeds, (55, 75), 0.0121 * 0.3048)
    result = maxband(problem)
    checked(problem, result)
    assert result.objective == pytest.approx(0.562402, abs=1e-5)


def test_gw4_euclid_half_integer_synchronisation() -> None:
    """GW-4: 65 s, 50 ft/s: b = b̄ = .234231; red centres 0 ½ ½ 0 0 ½ ½ ½ 0 0 cycles apart."""
    problem = euclid_fixed(65, 50, equal=True)
    plan = checked(problem, maxband(problem))
    assert ratios(plan) == pytest.approx((0.234231, 0.234231), abs=1e-6)
    assert plan.out.bandwidth_s == pytest.approx(15.225, abs=1e-4)
    # Greens start half a green before their centres, which lie half a cycle from red's.
    centres = [
        offset / 65 + 0.5 * (green - GREENS[0])
        for offset, green in zip(plan.offsets_s, GREENS, strict=True)
    ]
    expected = (0, 0.5, 0.5, 0, 0, 0.5, 0.5, 0.5, 0, 0)
    for centre, half in zip(centres, expected, strict=True):
        assert abs((centre - half + 0.5) % 1.0 - 0.5) < 1e-5
    width, pattern = half_integer_bandwidth(GREENS, [d / 50 / 65 for d in FEET])
    assert width == pytest.approx(0.234231, abs=1e-6)
    assert pattern == expected


@pytest.mark.parametrize(
    ("cycle_s", "feet_per_s", "expected"),
    [(55, 44, 0.219421), (60, 50, 0.176667), (75, 44, 0.221667), (90, 58.6667, 0.213106)],
)
def test_gw5_euclid_fixed_cycles(cycle_s: float, feet_per_s: float, expected: float) -> None:
    problem = euclid_fixed(cycle_s, feet_per_s, equal=True)
    plan = checked(problem, maxband(problem))
    assert ratios(plan) == pytest.approx((expected, expected), abs=1e-5)
    width, _ = half_integer_bandwidth(GREENS, [d / feet_per_s / cycle_s for d in FEET])
    assert width == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("model", "expected"), [(multiband, 0.566325), (amband, 0.760769)], ids=["gw7", "gw8"]
)
def test_gw7_gw8_link_bands(model: type, expected: float) -> None:
    """GW-7, GW-8: mean over links of b + b̄ on GW-4's data; MAXBAND's plan scores .468462."""
    problem = euclid_fixed(65, 50)
    result = model(problem)
    plan = checked(problem, result)
    assert result.objective == pytest.approx(expected, abs=1e-5)
    links = zip(plan.out.link_bandwidths_s, plan.back.link_bandwidths_s, strict=True)
    assert sum(out + back for out, back in links) / 9 / 65 == pytest.approx(expected, abs=1e-5)
    assert maxband(problem).objective == pytest.approx(0.468462, abs=1e-5)


def test_gw11_almere_with_queues() -> None:
    problem = almere()
    result = maxband(problem)
    checked(problem, result)
    assert result.objective == pytest.approx(0.538273, abs=1e-5)


def test_gw12_almere_without_queues() -> None:
    """GW-12: each free band is as wide as the shortest green of its direction."""
    free = almere(queues=False)
    result = maxband(free)
    assert result.objective == pytest.approx(0.673, abs=1e-6)
    assert ratios(checked(free, result)) == pytest.approx((0.353, 0.320), abs=1e-6)
    equal = almere(queues=False, equal=True)
    assert maxband(equal).objective == pytest.approx(0.640, abs=1e-6)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("queues", [True, False])
def test_almere_left_turns(model: type, queues: bool) -> None:
    """A choice of lead/lag never costs bandwidth when the fixed order is among the choices."""
    turns = left_turns(ALMERE_OUT_LEFT, ALMERE_BACK_LEFT)
    problem = almere(queues=queues, turns=turns)
    result = model(problem)
    plan = checked(problem, result)
    assert len(plan.left_patterns) == 7
    for pattern in LeftPattern:
        only = replace(turns, allowed=(frozenset({pattern}),) * 7)
        fixed_problem = almere(queues=queues, turns=only)
        fixed = model(fixed_problem)
        assert set(checked(fixed_problem, fixed).left_patterns) == {pattern}
        assert fixed.objective <= result.objective + 1e-6


def test_left_turn_order_places_the_reds() -> None:
    """Little's four orders by hand: common red .3, left turns .1 (out) and .2 (back).

    The out red holds the back left turn (.5), the back red the out left turn (.4). Seconds of a
    100 s cycle from the end of the out red, where the out green starts, to that of the back red.
    """
    expected = {
        # Common red [0, 30]. Out left [30, 40] keeps back red; back left [80, 100] keeps out red.
        LeftPattern.LEAD_LAG: 40 - 30,
        LeftPattern.LAG_LEAD: (30 - 50) % 100,
        LeftPattern.LEAD_LEAD: (40 - 50) % 100,
        LeftPattern.LAG_LAG: 0,
    }
    for pattern, back_start_s in expected.items():
        problem = ArterialProblem(
            direction([0.5], [], (1, 1)),
            direction([0.4], [], (1, 1)),
            (100, 100),
            left_turns=left_turns([0.1], [0.2], [[pattern]]),
        )
        plan = checked(problem, maxband(problem))
        assert plan.left_patterns == (pattern,)
        assert plan.back_green_starts_s == pytest.approx((back_start_s,), abs=1e-4)


def test_direction_ratio_splits_the_band() -> None:
    """Little's program with k = .5: the back band is at least half as wide as the out band."""
    out = direction(ALMERE_OUT_RED, ALMERE_M, (10, 14))
    back = direction(ALMERE_BACK_RED, ALMERE_M, (10, 14), weight=0.5)
    problem = ArterialProblem(out, back, (66, 100), direction_ratio=0.5)
    plan = checked(problem, maxband(problem))
    out_ratio, back_ratio = ratios(plan)
    assert back_ratio >= 0.5 * out_ratio - 1e-6


def test_an_arterial_without_a_line_still_has_link_bands() -> None:
    """Two links of half a cycle's loop too much: no pair of lines passes, so a band must end."""
    way = direction_with_travel_times([0.9, 0.9, 0.9], [10.0, 15.0])
    other = direction_with_travel_times([0.9, 0.9, 0.9], [40.0, 25.0])
    problem = ArterialProblem(way, other, (100, 100))
    assert maxband(problem).status is SolveStatus.INFEASIBLE
    assert maxband(problem).plan is None
    assert multiband(problem).status is SolveStatus.INFEASIBLE
    for model in (multiband, amband):
        result = model(problem, BandwidthParams(bands_may_end=True))
        plan = checked(problem, result)
        # One direction keeps its whole green on both links, the other has nothing.
        assert result.objective == pytest.approx(0.1, abs=1e-6)
        assert 0.0 in plan.out.link_bandwidths_s + plan.back.link_bandwidths_s


def test_one_signal() -> None:
    problem = ArterialProblem(direction([0.5], [], (1, 1)), direction([0.4], [], (1, 1)), (60, 60))
    plan = checked(problem, maxband(problem))
    assert (plan.out.bandwidth_s, plan.back.bandwidth_s) == pytest.approx((30.0, 36.0))
    assert multiband(problem).objective == 0.0


def test_a_signal_that_is_never_red_does_not_bind() -> None:
    """The band of the outer signals may lie anywhere in the cycle of the one between them."""
    way = direction_with_travel_times([0.5, 0.0, 0.5], [20.0, 27.0])
    problem = ArterialProblem(way, way, (60, 60))
    without = direction_with_travel_times([0.5, 0.5], [47.0])
    for model in MODELS:
        checked(problem, model(problem))
    assert maxband(problem).objective == pytest.approx(
        maxband(ArterialProblem(without, without, (60, 60))).objective, abs=1e-6
    )


@pytest.mark.parametrize("model", MODELS)
def test_highs_agrees_with_scip(model: type) -> None:
    for problem in (almere(), euclid_fixed(65, 50)):
        by_highs = model(problem, BandwidthParams(MipLimits(solver=MipSolver.HIGHS)))
        assert by_highs.objective == pytest.approx(model(problem).objective, abs=1e-6)
        checked(problem, by_highs)


def test_a_limit_leaves_status_bound_and_gap() -> None:
    problem = euclid(METRES, (13.4, 17.9), (55, 75), 0.0121)
    result = maxband(problem, BandwidthParams(MipLimits(node_limit=1)))
    assert result.status in {SolveStatus.FEASIBLE, SolveStatus.LIMIT}
    assert result.bound >= 0.562827 - 1e-5
    assert result.objective <= 0.562827 + 1e-5
    assert result.gap_ratio > 0.0


def test_same_seed_same_plan() -> None:
    problem = almere()
    params = BandwidthParams(MipLimits(seed=7))
    first = multiband(problem, params)
    assert first.seed == 7
    assert first == multiband(problem, params)


def test_checker_sees_a_shifted_signal() -> None:
    problem = euclid_fixed(65, 50, equal=True)
    plan = checked(problem, maxband(problem))
    # Eight seconds are more play than signal 4 has to either side.
    moved = replace(
        plan, offsets_s=(*plan.offsets_s[:4], plan.offsets_s[4] + 8.0, *plan.offsets_s[5:])
    )
    assert any("meets red" in problem for problem in check_plan(problem, moved))
    turned = replace(plan, back_green_starts_s=(5.0, *plan.back_green_starts_s[1:]))
    assert any("reds of signal 0" in problem for problem in check_plan(problem, turned))
    slow = replace(plan, out=replace(plan.out, speeds_mps=(20.0,) * 9))
    assert any("speed" in problem for problem in check_plan(problem, slow))


def test_mixing_the_two_right_sides_is_caught() -> None:
    """The trap of the oracle table: left turns taken as aligned red centres is another plan."""
    turns = left_turns(ALMERE_OUT_LEFT, ALMERE_BACK_LEFT, [[LeftPattern.LEAD_LAG]] * 7)
    with_turns = almere(turns=turns)
    without = almere()
    plan = checked(without, maxband(without))
    wrong = replace(plan, left_patterns=(LeftPattern.LEAD_LAG,) * 7)
    assert any("reds of signal" in problem for problem in check_plan(with_turns, wrong))


def test_all_problems_of_an_arterial_at_once() -> None:
    with pytest.raises(DataRefused) as refused:
        ArterialProblem(
            out=direction([0.5, 1.0, 0.4], [100.0, -1.0], (10, 14)),
            back=direction([0.5, 0.5], [100.0], (14, 10), queue_ratios=1.5, weight=-1.0),
            cycle_range_s=(100, 60),
            left_turns=left_turns([0.1], [0.1], [[]]),
            direction_ratio=0.0,
        )
    text = "; ".join(refused.value.problems)
    for part in (
        "cycle range 100 to 60",
        "out red 1 is 1.0",
        "out length 1 is -1.0 m",
        "2 reds are given, not 3",
        "back speed range 14.0 to 10.0",
        "back queue clearance 0 is 1.5",
        "back weight is below 0",
        "direction ratio 0.0",
        "1 left-turn orders are given, not 3",
        "allows no left-turn order",
    ):
        assert part in text


def test_limits_out_of_range_are_refused() -> None:
    with pytest.raises(DataRefused) as refused:
        MipLimits(seed=-1, node_limit=0, time_limit_s=0.0, relative_gap=1.0)
    assert len(refused.value.problems) == 4
