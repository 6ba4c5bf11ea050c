"""Emergency corridors: the green stands, no rule is broken, the plan comes back, others' cost."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from optimizers.delay import uniform_delay_s
from optimizers.emergency.corridor import emergency_corridor
from optimizers.emergency.queues import LOST_S, as_held, cost_of, standing_veh
from optimizers.emergency.result import EmergencyCorridor, EmergencyParams, Status
from optimizers.emergency.route import shortest_route
from optimizers.emergency.stages import (
    Held,
    StageRun,
    blocks,
    broken,
    hold,
    limits_of,
    planned_runs,
)
from tests.unit.report_night import RUNNING, network
from traffic_brain.diagnosis.capacity import lane_groups
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import Crossing, Junction, Movement, Turn
from traffic_brain.model.rules import JunctionRulesInput, judge, rules_inputs, violations
from traffic_brain.model.signals import Interval, SignalPlan, Stage

NETWORK = network()
DEMAND = dict.fromkeys(NETWORK.movements, 420.0)
ROUTE = ("W-J1", "J1-J2", "J2-J3", "J3-E")


def ring(greens_s: list[int], offset_s: int = 0, least_s: int = 8, most_s: int = 60) -> SignalPlan:
    """A stage for each group, one after the other, with 3 s of yellow and 2 s of red."""
    count = len(greens_s)
    stages = []
    for i, green in enumerate(greens_s):
        picture = "".join("G" if k == i else "r" for k in range(count))
        clearance = (Interval(3, picture.replace("G", "y")), Interval(2, "r" * count))
        stages.append(Stage(picture, green, clearance, least_s, most_s))
    return SignalPlan("X", "1", tuple(stages), offset_s)


def crossroads(plan: SignalPlan, *crossings: Crossing) -> JunctionRulesInput:
    """Every group conflicts with every other."""
    count = len(plan.stages)
    pairs = frozenset((a, b) for a in range(count) for b in range(a + 1, count))
    junction = Junction("X", "X", 0.0, 0.0, ("X",), count, pairs, frozenset(), plan)
    return JunctionRulesInput(junction, crossings, tuple((g,) for g in range(count)))


PLANS = st.builds(
    ring,
    st.lists(st.integers(8, 40), min_size=2, max_size=4),
    offset_s=st.integers(0, 200),
    least_s=st.integers(5, 8),
    most_s=st.integers(40, 70),
)


@given(
    plan=PLANS,
    group=st.integers(0, 3),
    known=st.integers(0, 500),
    notice=st.integers(0, 200),
    length=st.integers(1, 45),
)
def test_the_window_is_green_and_no_rule_is_broken(
    plan: SignalPlan, group: int, known: int, notice: int, length: int
) -> None:
    group %= len(plan.stages)
    plan = plan.with_offset(plan.offset_s)
    site = crossroads(plan)
    window = (known + notice, known + notice + length)
    held = hold(plan, site, (group,), window, known)
    if held is None:
        return
    begin, end = known - plan.cycle_s, max(held.back_s, window[1]) + plan.cycle_s
    if not held.runs:
        assert all(plan.picture_at(t)[group] == "G" for t in range(*window))
        return
    shown = as_held(plan, held, min(begin, held.runs[0].start_s), end)
    begin = min(begin, held.runs[0].start_s)
    # the wanted green stands; before and after, all is as planned
    assert all(shown[t - begin][group] == "G" for t in range(*window))
    assert all(shown[t - begin] == plan.picture_at(t) for t in range(begin, known))
    assert all(shown[t - begin] == plan.picture_at(t) for t in range(held.back_s, end))
    # the same rules as for every plan, and seen without them: greens, order, clearances
    assert broken(plan, site, held.runs) == []
    for run, after in pairwise(held.runs):
        stage = plan.stages[run.stage_idx]
        assert min(stage.green_s, stage.min_green_s) <= run.green_s
        assert run.green_s <= max(stage.green_s, stage.max_green_s)
        assert after.stage_idx == (run.stage_idx + 1) % len(plan.stages)
        assert after.start_s == run.start_s + run.green_s + stage.clearance_s
    for a, b in pairwise(shown):
        assert sum(lamp == "G" for lamp in b) <= 1
        assert not any(x == "G" and y == "r" for x, y in zip(a, b, strict=True))


@given(plan=PLANS, known=st.integers(0, 400), notice=st.integers(120, 250))
def test_with_enough_notice_a_short_window_is_always_green(
    plan: SignalPlan, known: int, notice: int
) -> None:
    """Where greens may last twice as long as they do, two cycles are enough to move any of them."""
    greens = [min(g, 20) for g in plan.greens_s]
    roomy = ring(greens, plan.offset_s, least_s=5, most_s=60)
    roomy = roomy.with_offset(roomy.offset_s)
    window = (known + notice, known + notice + 10)
    assert hold(roomy, crossroads(roomy), (0,), window, known) is not None


def test_a_green_is_not_cut_below_what_people_need() -> None:
    """A crossing of 12 m needs 7 + 12 / 1.2 = 17 s; the stage's own least green is 8 s."""
    plan = ring([20, 20])
    without = limits_of(plan, crossroads(plan))
    site = crossroads(plan, Crossing("X", 1, 12.0))
    assert without[0].least_s == (8, 8)
    assert limits_of(plan, site)[0].least_s == (8, 17)
    assert limits_of(plan, site)[1].least_s == (8, 20)
    for begin in range(20, 80):
        held = hold(plan, site, (0,), (begin, begin + 5), 0)
        assert held is not None
        assert all(run.green_s >= 17 for run in held.runs if run.stage_idx == 1)


def test_a_red_that_would_be_too_long_is_not_made() -> None:
    """150 s is the longest red: a green of 140 s on one street would keep the other waiting."""
    plan = ring([100, 20], most_s=200)
    site = crossroads(plan)
    assert violations(judge(plan, site, plan)) == []
    assert hold(plan, site, (0,), (10, 130), 0) is not None
    assert hold(plan, site, (0,), (10, 155), 0) is None
    too_long = [StageRun(0, 0, 170, 100)]
    assert [v.rule for v in broken(plan, site, too_long)] == ["max_red"]


def test_a_plan_is_cut_into_greens_from_any_second() -> None:
    plan = ring([20, 30], offset_s=7)
    runs = planned_runs(plan, 30, 3)
    assert runs == [StageRun(0, 7, 20, 20), StageRun(1, 32, 30, 30), StageRun(0, 67, 20, 20)]
    assert blocks(plan, runs, (0,)) == [range(1), range(2, 3)]
    always = replace(
        plan, stages=tuple(replace(s, picture="GG", clearance=()) for s in plan.stages)
    )
    assert blocks(always, planned_runs(always, 0, 4), (0,)) == [range(4)]


def through(group: int, lanes: tuple[int, ...] = (0,), flow: float = 1800.0) -> Movement:
    return Movement(f"m{group}", "X", f"in{group}", "out", Turn.THROUGH, lanes, (group,), flow)


def test_the_queue_of_every_cycle_is_the_uniform_delay() -> None:
    """With even arrivals below capacity, Webster's first term; a longer red adds its triangle."""
    plan = ring([30, 30])
    runs = (StageRun(0, 0, 30, 30), StageRun(1, 35, 50, 30), StageRun(0, 90, 10, 30))
    held = Held(runs, runs[1:2], 105)
    movement = through(0)
    cost = cost_of(plan, [movement], {"m0": 360.0}, held)
    slow = slow_cost_veh_h(plan, held, 360.0, 1800.0)
    assert cost.lost_veh_h == pytest.approx(slow, abs=1e-9)
    assert cost.gained_veh_h == 0.0
    assert cost.recovered_s is not None
    assert cost.recovered_s > 105
    usual = uniform_delay_s(70.0, 30.0 - LOST_S, 360.0, 1800.0) * 360.0 * 70.0 / 3600.0
    assert area_veh_s(plan, 360.0, 1800.0) == pytest.approx(float(usual), rel=0.03)


def area_veh_s(plan: SignalPlan, demand_vph: float, saturation_vph: float) -> float:
    """Area under the queue in one cycle, after it has become that of every cycle."""
    queue, area = 0.0, 0.0
    for _ in range(6):
        area = 0.0
        for second, picture in enumerate(plan.pictures()):
            green = picture[0] == "G" and second >= LOST_S
            queue = max(0.0, queue + (demand_vph - saturation_vph * green) / 3600.0)
            area += queue
    return area


def slow_cost_veh_h(
    plan: SignalPlan, held: Held, demand_vph: float, saturation_vph: float
) -> float:
    """The same queue, vehicle by second, without arrays."""
    begin, end = -5 * plan.cycle_s, held.back_s + 15 * plan.cycle_s
    total = 0.0
    plain = Held((StageRun(0, 0, 30, 30),), held.block, 35)
    for sign, lamps in ((1, held), (-1, plain)):
        queue, red_before = 0.0, [True] * LOST_S
        for picture in as_held(plan, lamps, begin, end):
            green = picture[0] == "G"
            leaves = green and not any(red_before)
            queue = max(0.0, queue + (demand_vph - saturation_vph * leaves) / 3600.0)
            total += sign * queue / 3600.0
            red_before = [*red_before[1:], not green]
    return total


def test_the_queue_before_the_vehicle_grows_with_demand_and_red() -> None:
    plan = ring([30, 30])
    movement = through(0)
    lanes = {d: lane_groups([movement], {"m0": np.array([d])}) for d in (0.0, 360.0, 5000.0)}
    assert standing_veh(plan, lanes[0.0]) == 0.0
    assert standing_veh(plan, lanes[360.0]) == pytest.approx(0.1 * 40 / (1 - 0.2))
    assert standing_veh(plan, lanes[5000.0]) == pytest.approx(5000 / 3600 * 70)


# --- a whole corridor ------------------------------------------------------------------------


def corridor(depart_s: int, speed_mps: float = 15.0) -> EmergencyCorridor:
    params = EmergencyParams(depart_s=depart_s, speed_mps=speed_mps)
    return emergency_corridor(NETWORK, RUNNING, DEMAND, ROUTE, params)


@pytest.mark.parametrize("depart_s", [27_000, 27_017, 27_041, 27_063, 27_088])
def test_a_vehicle_drives_through_greens_whenever_it_comes(depart_s: int) -> None:
    found = corridor(depart_s)
    assert [p.junction_id for p in found.passages] == ["J1", "J2", "J3"]
    sites = rules_inputs(NETWORK)
    for passage in found.passages:
        assert passage.status in {Status.HELD, Status.AS_PLANNED, Status.QUEUE_MAY_STAND}
        assert passage.green_from_s is not None
        assert passage.green_until_s is not None
        assert passage.green_from_s <= passage.arrival_s <= passage.green_until_s
        assert passage.is_protected
        plan = RUNNING[passage.junction_id]
        assert broken(plan, sites[passage.junction_id], passage.runs) == []
    assert found.drive_s == pytest.approx(found.length_m / 15.0)
    assert found.unaided_s >= found.drive_s
    assert found.lost_veh_h >= 0.0
    assert found.cycles_to_recover is not None
    assert 0 <= found.cycles_to_recover <= 10


def test_what_is_green_anyway_is_left_alone() -> None:
    """J1 is green for 40 s from the master clock's zero; the vehicle needs it from 27 s to 45 s."""
    params = EmergencyParams(27_000, speed_mps=20.0, spread_s=1, clear_s=2)
    found = emergency_corridor(NETWORK, RUNNING, {}, ("W-J1", "J1-J2"), params)
    (passage,) = found.passages
    assert passage.arrival_s == pytest.approx(27_020.0, abs=1.0)
    assert passage.status is Status.AS_PLANNED
    assert passage.runs == ()
    assert passage.cost is not None
    assert (passage.cost.lost_veh_h, passage.back_s) == (0.0, None)


def test_a_green_that_cannot_stand_makes_it_wait() -> None:
    """A window longer than the stage's greatest green: no change of greens gives it."""
    params = EmergencyParams(27_000, speed_mps=15.0, spread_s=60, clear_s=60)
    found = emergency_corridor(NETWORK, RUNNING, DEMAND, ROUTE, params)
    assert {p.status for p in found.passages} == {Status.WAITS}
    assert found.lost_veh_h == 0.0
    waited = sum(p.wait_s for p in found.passages)
    assert found.drive_s == pytest.approx(found.length_m / 15.0 + waited)


def test_a_junction_without_a_plan_is_said_so() -> None:
    found = emergency_corridor(NETWORK, {}, DEMAND, ROUTE, EmergencyParams(27_000))
    assert {p.status for p in found.passages} == {Status.NO_PLAN}


def test_a_route_that_is_none_is_refused_with_all_problems() -> None:
    params = EmergencyParams(-1, speed_mps=0.0)
    with pytest.raises(DataRefused) as refused:
        emergency_corridor(NETWORK, RUNNING, DEMAND, ("W-J1", "J2-J3"), params)
    assert len(refused.value.problems) == 3
    with pytest.raises(DataRefused):
        emergency_corridor(NETWORK, RUNNING, DEMAND, (), EmergencyParams(0))
    with pytest.raises(DataRefused):
        emergency_corridor(NETWORK, RUNNING, DEMAND, ("nowhere",), EmergencyParams(0))


def test_the_quickest_way_goes_by_travel_time() -> None:
    assert shortest_route(NETWORK, "W-J1", "J3-E", {}) == ROUTE
    assert shortest_route(NETWORK, "W-J1", "W-J1", {}) == ("W-J1",)
    assert shortest_route(NETWORK, "J1-N", "W-J1", {}) is None
