"""The few changes that bring most, against every choice there is, and on a city."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest

from optimizers.few_changes.adding import few_added
from optimizers.few_changes.steps import applied, front, run_as_one
from optimizers.few_changes.taking_back import few_left
from optimizers.least_delay import Streets, offset_effect
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.refine import Area, Judge
from optimizers.solve import solve
from optimizers.splits import delay_of
from tests.unit.short_night import ShortNight
from traffic_brain.cli import main
from traffic_brain.model.signals import SignalPlan

FEW = OptimizeParams(common_cycles_s=(60, 80), local_cycles_s=(50, 70), offset_work=0.1)

CHANGED_S = 7


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    return read_problem(short_night.city, short_night.state, short_night.diagnosis, FEW, 1)


@pytest.fixture(scope="module")
def alternatives(problem: City) -> list[dict[str, SignalPlan]]:
    return [dict(candidate.plans) for candidate in solve(problem, FEW)]


def _delay(problem: City, plans: dict[str, SignalPlan]) -> float:
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    own = sum(delay_of(problem.problems[j], plan) for j, plan in plans.items())
    return own + offset_effect(plans, streets, FEW)


def test_what_is_told_to_be_saved_is_saved(
    problem: City, alternatives: list[dict[str, SignalPlan]]
) -> None:
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    today = {j: junction.plan for j, junction in problem.problems.items()}
    steps = few_added(problem.problems, streets, alternatives, len(today))
    assert steps
    for n, step in enumerate(steps):
        before, after = applied(today, steps[:n]), applied(today, steps[: n + 1])
        saved = _delay(problem, before) - _delay(problem, after)
        assert step.saved_veh_h_per_h == pytest.approx(saved, abs=1e-6)
        assert step.moved_s > 0
    told = front(steps)
    assert [row["junctions_touched"] for row in told] == list(
        itertools.accumulate(len(step.plans) for step in steps)
    )


def test_one_change_is_the_best_single_change(
    problem: City, alternatives: list[dict[str, SignalPlan]]
) -> None:
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    today = {j: junction.plan for j, junction in problem.problems.items()}
    (step,) = few_added(problem.problems, streets, alternatives, 1)
    tried = [
        _delay(problem, today) - _delay(problem, {**today, j: plans[j]})
        for plans in alternatives[:2]
        for j in today
    ]
    assert step.saved_veh_h_per_h >= max(tried) - 1e-9


def test_no_more_junctions_change_than_asked_for(short_night: ShortNight, tmp_path: Path) -> None:
    arguments = [str(short_night.city), str(short_night.state), str(tmp_path / "plans")]
    further = ["--report", str(short_night.diagnosis), "--max-changes", "1"]
    assert main(["optimize", *arguments, *further]) == 0
    found = json.loads((tmp_path / "plans/candidates.json").read_text("utf-8"))["candidates"]
    assert found
    for candidate in found:
        assert len(candidate["plans"]) == 1
        assert candidate["front"][-1]["junctions_touched"] == 1


def test_refining_all_and_changing_few_exclude_each_other(
    tmp_path: Path, short_night: ShortNight, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = [str(short_night.city), str(short_night.state), str(tmp_path / "plans")]
    assert main(["optimize", *folders, "--refine", "3", "--max-changes", "2"]) == 3
    assert "not both" in capsys.readouterr().err
    assert main(["optimize", *folders, "--free-protections", "--max-changes", "2"]) == 3
    assert "free_protections frees nothing" in capsys.readouterr().err


def test_what_is_left_of_a_whole_set_is_what_the_queue_model_tells(
    problem: City, alternatives: list[dict[str, SignalPlan]]
) -> None:
    today = {j: junction.plan for j, junction in problem.problems.items()}
    judge = Judge(problem.area(), 2, 1)
    units = run_as_one(today.keys(), Streets(problem.network, problem.feeds, problem.demand_vph))
    for whole in alternatives[:3]:
        steps = few_left(judge, today, whole, units, 1)
        assert sum(len(step.plans) for step in steps) <= 1
        without = judge.delay_s_per_veh(today)
        told = sum(step.saved_veh_h_per_h for step in steps)
        saved_s = without - judge.delay_s_per_veh(applied(today, steps))
        assert told == pytest.approx(saved_s * judge.area.vehicles_per_h / 3600, abs=1e-6)


@dataclass
class _Locked:
    """A town where `a` and `b` help only together, and `c` helps a little on its own."""

    area: Area

    def delay_s_per_veh(self, plans: Mapping[str, SignalPlan]) -> float:
        changed = {j for j, plan in plans.items() if plan.offset_s == CHANGED_S}
        return 100.0 - 50.0 * ({"a", "b"} <= changed) - 10.0 * ("c" in changed)


def test_two_changes_that_help_only_together_are_both_left(problem: City) -> None:
    plan = next(iter(problem.problems.values())).plan
    today = dict.fromkeys("abcd", plan.with_offset(0))
    whole = dict.fromkeys("abcd", plan.with_offset(CHANGED_S))
    judge = cast(Judge, _Locked(problem.area()))
    units = [("a",), ("b",), ("c",), ("d",)]
    left = {most: few_left(judge, today, whole, units, most) for most in (1, 2, 3, 4)}
    touched = {most: {j for step in steps for j in step.plans} for most, steps in left.items()}
    # With one change, neither of the two is worth anything.
    assert touched == {1: set(), 2: {"a", "b"}, 3: {"a", "b", "c"}, 4: {"a", "b", "c"}}
    assert [step.moved_s for step in left[2]] == [CHANGED_S, CHANGED_S]


def test_no_candidate_comes_twice_and_no_more_than_asked_for(problem: City) -> None:
    few = replace(FEW, max_changes=2)
    found = solve(problem, few)
    lamps = [
        tuple(replace(candidate.plans[j], plan_id="") for j in sorted(candidate.plans))
        for candidate in found
    ]
    assert len(found) > 1
    assert len(set(lamps)) == len(lamps)
    assert solve(problem, replace(few, max_candidates=1)) == found[:1]
