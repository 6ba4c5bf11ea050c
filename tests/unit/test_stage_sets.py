"""Stages chosen anew: every right is kept, no rule is broken, and it pays in the model."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.solve import solve
from optimizers.splits import best_splits, junction_problem
from optimizers.stage_choice import keeps_rights
from optimizers.stage_sets import MOST_STAGES, StageSets, covers
from tests.unit.short_night import ShortNight
from traffic_brain.model.rules import judge, violations
from traffic_brain.model.signals import Interval, SignalPlan, Stage


def stage(picture: str) -> Stage:
    return Stage(picture, 10, (Interval(3, picture.replace("G", "y")),), 5, 60)


IN_SERVICE = SignalPlan("j", "p", tuple(map(stage, ("GgGr", "rGrr", "rrrG"))))
LIBRARY = [*IN_SERVICE.stages, *map(stage, ("GGrr", "rrGr", "Ggrr"))]


@pytest.mark.parametrize("freed", [False, True])
def test_sets_are_all_that_keep_every_right_and_need_each_of_their_stages(freed: bool) -> None:
    def keeps(stages: tuple[Stage, ...]) -> bool:
        return keeps_rights(stages, IN_SERVICE, freed=freed)

    expected = {
        frozenset(stages)
        for count in range(2, MOST_STAGES + 1)
        for stages in combinations(LIBRARY, count)
        if keeps(stages)
        and not any(keeps(tuple(s for s in stages if s is not gone)) for gone in stages)
    }
    found = {frozenset(stages) for stages in covers(LIBRARY, IN_SERVICE, freed=freed)}
    assert expected <= found
    assert all(keeps(tuple(stages)) for stages in found)
    assert (frozenset(map(stage, ("GgGr", "rrrG"))) in found) is freed


def test_a_junction_of_very_many_stages_is_given_up_in_time() -> None:
    rng = np.random.default_rng(1)
    pictures = {"".join(rng.choice(["G", "r"], 40, p=[0.3, 0.7])) for _ in range(200)}
    library = [stage(picture) for picture in sorted(pictures)]
    plan = SignalPlan("j", "p", (*library[:20],))
    begun_s = time.process_time()
    found = list(covers(library, plan, freed=False))
    assert time.process_time() - begun_s < 5.0
    assert all(keeps_rights(stages, plan, freed=False) for stages in found)


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, OptimizeParams(), seed=1)


@pytest.mark.parametrize("freed", [False, True])
def test_the_set_chosen_for_a_cycle_costs_no_more_and_breaks_no_rule(
    problem: City, freed: bool
) -> None:
    sets = StageSets(problem.area(), problem.demands_vph, freed)
    for junction_id, today in problem.problems.items():
        for cycle_s in (40, 60, 90):
            best = sets.best(junction_id, (cycle_s,))
            found, before = (best_splits(p, cycle_s, "x") for p in (best, today))
            assert found is not None
            assert before is None or found.delay_veh_h_per_h <= before.delay_veh_h_per_h
            assert keeps_rights(best.plan.stages, today.plan, freed=freed)
            assert violations(judge(found.plan, problem.sites[junction_id], today.plan)) == []


def test_a_stage_that_nobody_needs_goes_where_its_time_is_missed(problem: City) -> None:
    junction_id = min(problem.problems)
    today = problem.problems[junction_id].plan
    group = today.stages[0].picture.index("G")
    lamps = ["r"] * today.signal_group_count
    lamps[group] = "G"
    longer = problem.area().with_stages(
        junction_id, (*today.stages, Stage("".join(lamps), 10, (), 5, 60))
    )
    movements = problem.network.movements_at[junction_id]
    made = junction_problem(longer, movements, problem.demands_vph)
    assert made is not None
    wasteful = replace(problem, problems={**problem.problems, junction_id: made})
    sets = StageSets(wasteful.area(), problem.demands_vph)
    best = sets.best(junction_id, (60,))
    assert longer.stages[-1].picture not in [stage.picture for stage in best.plan.stages]
    found, before = best_splits(best, 60, "x"), best_splits(made, 60, "x")
    assert found is not None
    assert before is not None
    assert found.delay_veh_h_per_h < before.delay_veh_h_per_h


def test_candidates_with_stages_chosen_anew_stand_in_turn_with_the_others(problem: City) -> None:
    params = OptimizeParams(
        common_cycles_s=(60,), local_cycles_s=(60,), staged_cycles_s=(40,), free_protections=True
    )
    found = solve(problem, params)
    chosen = [candidate.candidate_id.startswith("stages-") for candidate in found]
    assert chosen[:2] in ([True, False], [False, True])
    assert any("stages chosen anew" in candidate.description for candidate in found)
    kept = solve(problem, OptimizeParams(common_cycles_s=(60,), most_restaged=0))
    for candidate in kept:
        for junction_id, plan in candidate.plans.items():
            today = problem.problems[junction_id].plan
            assert [s.picture for s in plan.stages] == [s.picture for s in today.stages]


def test_a_junction_whose_sets_are_all_too_long_for_a_cycle_keeps_its_stages(problem: City) -> None:
    sets = StageSets(problem.area(), problem.demands_vph)
    junction_id = min(problem.problems)
    assert sets.best(junction_id, (5,)) is problem.problems[junction_id]
