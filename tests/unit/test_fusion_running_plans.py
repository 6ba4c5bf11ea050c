"""The plan that ran, read from a controller's log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.fusion.running_plans import running_plans
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (400.0, 0.0)}
BEGIN_S = 25200
PLAN = replace(two_stage_plan("b", greens_s=(30, 20), offset_s=17), plan_id="p1")


def city(plan: SignalPlan | None) -> RoadNetwork:
    roads = [road("a", "b", PLACES, junction_id="b"), road("b", "c", PLACES)]
    return network(roads, through("a-b", "b-c"), [plan] if plan else [])


def log(plan: SignalPlan, begin_s: int = BEGIN_S, end_s: int = BEGIN_S + 3600) -> pd.DataFrame:
    """Every change of a plan's picture, and the picture at the beginning."""
    intervals = list(plan.intervals())
    rows = []
    start_s = plan.first_stage_offset_s - plan.cycle_s
    while start_s < end_s:
        for idx, interval in enumerate(intervals):
            if begin_s <= start_s < end_s:
                rows.append(("b", float(start_s), plan.plan_id, idx, interval.picture))
            start_s += interval.duration_s
    return pd.DataFrame(
        rows, columns=["junction_id", "time_s", "plan_id", "interval_idx", "picture"]
    )


def shows_the_same(found: SignalPlan, wanted: SignalPlan) -> bool:
    return found.cycle_s == wanted.cycle_s and all(
        found.picture_at(t) == wanted.picture_at(t) for t in range(wanted.cycle_s)
    )


@pytest.mark.parametrize("offset_s", [0, 1, 17, 59])
@pytest.mark.parametrize("begin_s", [0, 25200, 57613])
def test_a_fixed_plan_is_recovered_with_its_offset(offset_s: int, begin_s: int) -> None:
    plan = PLAN.with_offset(offset_s)
    found = running_plans(log(plan, begin_s, begin_s + 1800), city(None))["b"]
    assert shows_the_same(found, plan)
    assert (found.plan_id, found.offset_s, found.greens_s) == ("p1", offset_s, (30, 20))


def test_the_log_goes_before_the_register() -> None:
    ran = replace(two_stage_plan("b", greens_s=(25, 35), offset_s=3), plan_id="p2")
    assert running_plans(log(ran), city(PLAN))["b"].plan_id == "p2"
    shifted = PLAN.with_offset(22)
    assert running_plans(log(shifted), city(PLAN))["b"].offset_s == 22


@pytest.mark.parametrize("error_s", [-1.4, -0.4, 0.0, 0.4, 0.6, 1.9])
def test_a_clock_that_is_a_little_wrong_is_no_other_plan(error_s: float) -> None:
    seen = log(PLAN).assign(time_s=lambda rows: rows["time_s"] + error_s)
    assert running_plans(seen, city(PLAN)) == {"b": PLAN}


@pytest.mark.parametrize("error_s", [-0.4, 0.4])
def test_nor_is_it_in_a_short_log(error_s: float) -> None:
    seen = log(PLAN, end_s=BEGIN_S + 70).assign(time_s=lambda rows: rows["time_s"] + error_s)
    assert running_plans(seen, city(PLAN)) == {"b": PLAN}


def test_an_hour_without_log_is_bridged() -> None:
    seen = log(PLAN, end_s=BEGIN_S + 3 * 3600)
    hole = (seen["time_s"] > BEGIN_S + 3600) & (seen["time_s"] < BEGIN_S + 7200)
    found = running_plans(seen[~hole], city(None))
    assert shows_the_same(found["b"], PLAN)


def test_changing_cycles_are_no_fixed_plan() -> None:
    rng = np.random.default_rng(1)
    seen = log(PLAN)
    moved = seen.assign(time_s=np.cumsum(rng.integers(3, 40, len(seen))) + float(BEGIN_S))
    assert running_plans(moved, city(None)) == {}
    assert running_plans(moved, city(PLAN)) == {}


def test_two_plans_in_one_day_are_no_fixed_plan() -> None:
    other = replace(two_stage_plan("b", greens_s=(40, 40)), plan_id="p2")
    later = log(other, BEGIN_S + 3600, BEGIN_S + 7200)
    assert running_plans(pd.concat([log(PLAN), later]), city(PLAN)) == {}


def test_a_log_too_short_for_a_cycle_is_compared_with_the_register() -> None:
    short = log(PLAN, end_s=BEGIN_S + 70)
    assert running_plans(short, city(PLAN))["b"] is not None
    assert running_plans(short, city(None)) == {}
    assert running_plans(short, city(PLAN.with_offset(30))) == {}


def test_without_a_log_the_register_is_believed() -> None:
    nothing = log(PLAN).iloc[:0]
    assert running_plans(nothing, city(PLAN)) == {"b": PLAN}
    assert running_plans(log(PLAN).iloc[:1], city(PLAN)) == {"b": PLAN}
    assert running_plans(nothing, city(None)) == {}


def test_junctions_that_are_not_in_the_network_are_passed_over() -> None:
    elsewhere = log(PLAN).assign(junction_id="z")
    assert running_plans(elsewhere, city(PLAN)) == {"b": PLAN}
