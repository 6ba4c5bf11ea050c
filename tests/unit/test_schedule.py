"""How many plans a day: a day with two peaks of other directions, and days by type."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from optimizers.params import OptimizeParams
from optimizers.schedule.params import ScheduleParams
from optimizers.schedule.solve import DaySchedule, day_schedule, plans_and_windows
from optimizers.schedule.switching import cheapest_switch, extra_delay_veh_h, running
from optimizers.schedule.transitions import Method, TransitionLimits, greens_on_the_way, transition
from tests.unit.small_day import SmallDay
from traffic_brain.cli import main
from traffic_brain.deployment.formats.plan_set import PlanSet, plan_set_from_dict
from traffic_brain.errors import ConfigurationError
from traffic_brain.fusion.day_types import DayType
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import DEMAND_BIN_S, Window
from traffic_brain.model.rules import Severity, judge
from traffic_brain.model.signals import SignalPlan

DAY_S = 86_400
SHORT = ScheduleParams(
    most_periods=2,
    plans=OptimizeParams(
        common_cycles_s=(70,), local_cycles_s=(60,), max_candidates=1, offset_work=0.1
    ),
)


@pytest.fixture(scope="module")
def peaks(day: SmallDay) -> State:
    """A whole day: who has green first is busy in the morning, all others in the evening."""
    known = load_state(day.state, day.network)
    hours = np.arange(0, 24, 0.25)
    busy = np.where(_has_green_first(day)[:, None], hours < 12, hours >= 12)
    demand = np.where(busy, 380.0, 60.0) * np.where((hours < 6) | (hours > 21), 0.2, 1.0)
    return replace(
        known,
        window=Window(0, DAY_S),
        demand_vph=demand,
        demand_high_vph=demand,
        trips=known.trips * 24,
        vehicle_classes=known.vehicle_classes * 24,
    )


def _has_green_first(day: SmallDay) -> np.ndarray:
    """bool[movement]: whether it may go in the first stage of the plan in service."""
    first = {
        j: junction.plan_in_service.stages[0].picture
        for j, junction in day.network.junctions.items()
        if junction.plan_in_service is not None
    }
    movements = day.network.movements.values()
    return np.array(
        [any(first[m.junction_id][g] in "Gg" for g in m.signal_group_idxs) for m in movements]
    )


@pytest.fixture(scope="module")
def found(day: SmallDay, peaks: State) -> DaySchedule:
    return day_schedule(day.network, DayType("working"), [peaks], SHORT, 1)


def test_two_peaks_get_two_plans(found: DaySchedule) -> None:
    for area in found.areas:
        costs = [table.cost for table in area.front]
        assert area.chosen.cost <= (1 + SHORT.least_gain_ratio) * min(costs)
        assert area.chosen.cost < costs[0]
        noon = 12 * 3600 // DEMAND_BIN_S
        assert min(abs(begin - noon) for begin in area.chosen.begins) <= 1
        lengths = [b - a for a, b in pairwise([*area.chosen.begins, DAY_S // DEMAND_BIN_S])]
        assert min(lengths) >= SHORT.least_bins


def test_every_second_of_the_week_has_one_plan_that_keeps_the_rules(found: DaySchedule) -> None:
    plans, windows = plans_and_windows([found])
    for plan in plans:
        site, problem = found.problem.sites[plan.junction_id], found.problem.problems
        assert not [
            v
            for v in judge(plan, site, problem[plan.junction_id].plan)
            if v.severity is Severity.VIOLATION
        ]
    for junction_id in found.problem.problems:
        own = [w for w in windows if w.junction_id == junction_id and 1 in w.weekdays]
        (weekend,) = (w for w in windows if w.junction_id == junction_id and 6 in w.weekdays)
        service = found.problem.problems[junction_id].plan.plan_id
        assert (weekend.plan_id, weekend.begin_s, weekend.end_s) == (service, 0, DAY_S)
        assert own[0].begin_s == 0
        assert own[-1].end_s == DAY_S
        assert all(a.end_s == b.begin_s and a.plan_id != b.plan_id for a, b in pairwise(own))
        assert {w.plan_id for w in own} <= {p.plan_id for p in plans}


def test_the_way_into_step_keeps_least_greens(found: DaySchedule) -> None:
    problem = next(iter(found.problem.problems.values()))
    plan = problem.plan
    in_step = running(problem, plan, problem.demand_vph[:, 50])
    limits = TransitionLimits()
    for method in Method:
        way = transition(plan.cycle_s, 20, method, limits, shortest_cycle_s=plan.cycle_s - 9)
        assert way is not None
        greens = greens_on_the_way(plan, way)
        clearance = sum(stage.clearance_s for stage in plan.stages)
        assert (greens.sum(axis=1) + clearance).tolist() == list(way.cycles_s)
        assert (greens >= [stage.min_green_s for stage in plan.stages]).all()
    nothing = cheapest_switch(plan, in_step, 43_200, limits)
    assert nothing.duration_s == 0
    assert nothing.extra_veh_h == 0.0
    apart = plan.with_offset(plan.offset_s + plan.cycle_s // 2)
    moved = cheapest_switch(apart, in_step, 43_200, limits)
    dwell = transition(plan.cycle_s, plan.cycle_s // 2, Method.DWELL)
    assert dwell is not None
    assert moved.extra_veh_h <= extra_delay_veh_h(in_step, dwell)
    assert _in_step(apart, plan, moved.ends_s + moved.duration_s)


def _in_step(before: SignalPlan, after: SignalPlan, time_s: int) -> bool:
    assert before.cycle_s == after.cycle_s
    return (time_s - after.first_stage_offset_s) % after.cycle_s == 0


def test_the_usual_weather_of_a_kind_of_day_stands_for_its_weekdays(found: DaySchedule) -> None:
    rain = replace(found, day_type=DayType("working", "rain"), days=("2026-03-03",))
    dry = replace(found, day_type=DayType("working", "dry"), days=("2026-03-02", "2026-03-04"))
    plans, windows = plans_and_windows([rain, dry])
    assert not PlanSet(tuple(plans), tuple(windows)).problems()
    assert not [w for w in windows if w.plan_id.startswith("working-rain")]
    assert [w for w in windows if w.plan_id.startswith("working-dry")]


def test_an_hour_is_one_period(day: SmallDay) -> None:
    known = load_state(day.state, day.network)
    long = replace(SHORT, least_period_s=4 * 3600)
    found = day_schedule(day.network, DayType("working"), [known], long, 1)
    assert {len(area.chosen.begins) for area in found.areas} == {1}


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"most_periods.*least_period_s"):
        ScheduleParams(most_periods=0, least_period_s=100)


def test_days_by_type_on_the_command_line(day: SmallDay, tmp_path: Path) -> None:
    for name in ("2026-03-02", "2026-03-07"):
        shutil.copytree(day.state, tmp_path / "states" / name)
        summary = tmp_path / "states" / name / "summary.json"
        told = json.loads(summary.read_text("utf-8")) | {"service_day": name}
        summary.write_text(json.dumps(told), encoding="utf-8")
    calendar = tmp_path / "calendar.toml"
    calendar.write_text('[2026-03-07]\nday_type = "fair"\n', encoding="utf-8")
    arguments = [str(day.city), str(tmp_path / "states"), "--calendar", str(calendar)]
    for out in ("a", "b"):
        target = str(tmp_path / out)
        assert (
            main(["schedule", *arguments[:2], target, *arguments[2:], "--most-periods", "2"]) == 0
        )
    for file in ("schedule.json", "plan_windows.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    document = json.loads((tmp_path / "a/schedule.json").read_text("utf-8"))
    assert [d["day_type"] for d in document["day_types"]] == ["fair", "working"]
    plans = plan_set_from_dict(
        json.loads((tmp_path / "a/plan_windows.json").read_text("utf-8")), "windows"
    )
    assert not plans.problems()
    assert {w.weekdays for w in plans.windows} == {(1, 2, 3, 4, 5), (6, 7)}
    states = [str(tmp_path / "states/2026-03-02")] * 2
    assert main(["schedule", str(day.city), *states, str(tmp_path / "c")]) == 4
