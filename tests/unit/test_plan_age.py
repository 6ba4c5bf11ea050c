"""What keeping a plan costs: on the recorded day, as it ran and with a plan made worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.unit.small_day import SmallDay
from traffic_brain.diagnosis.plan_age import PlanAge, plan_ages, write_plan_ages
from traffic_brain.fusion.state import load_state


@pytest.fixture(scope="module")
def ages(day: SmallDay) -> dict[str, PlanAge]:
    net = day.network
    return {a.junction_id: a for a in plan_ages(net, load_state(day.state, net))}


def test_greens_of_today_keep_the_cycle(day: SmallDay, ages: dict[str, PlanAge]) -> None:
    plans = load_state(day.state, day.network).running_plans
    assert set(ages) == set(plans)
    for age in ages.values():
        assert age.greens_s == plans[age.junction_id].greens_s
        assert sum(age.new_greens_s) == sum(age.greens_s)
        assert age.formula_veh_h >= 0
        assert age.lost_veh_h >= age.saved_veh_h


def test_a_plan_that_grew_old_comes_first(
    day: SmallDay, ages: dict[str, PlanAge], tmp_path: Path
) -> None:
    net = day.network
    state = load_state(day.state, net)
    busiest = max(ages.values(), key=lambda a: a.lost_veh_h).junction_id
    plan = state.running_plans[busiest]
    total, least = sum(plan.greens_s), plan.stages[-1].min_green_s
    rest = [s.min_green_s for s in plan.stages[1:]]
    old = plan.with_greens((total - sum(rest), *rest), "old")
    aged = plan_ages(net, replace(state, running_plans={**state.running_plans, busiest: old}))
    assert least > 0
    assert aged[0].junction_id == busiest
    assert aged[0].saved_veh_h > max(ages[busiest].saved_veh_h, 0.2 * aged[0].lost_veh_h)
    assert write_plan_ages(aged, tmp_path) == {"plans_watched": len(aged)}
    rows = pq.read_table(tmp_path / "plan_age.parquet").to_pylist()
    assert rows[0]["junction_id"] == busiest
    assert rows[0]["new_greens_s"] != list(old.greens_s)
