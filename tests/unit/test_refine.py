"""Joint refinement: stages that the rules accept, a model that must be fit, and the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from optimizers.calibration import calibrate
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.refine import Area, Judge, RefineParams, refine, without_protection
from optimizers.splits import JunctionProblem
from optimizers.stage_choice import (
    Choice,
    keeps_rights,
    other_choice,
    permitted_too,
    possible_stages,
    with_stages,
)
from tests.unit.short_night import ShortNight
from traffic_brain.diagnosis.queue_model import Habits, journeys, lamps, simulate, street_map
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.network import Connection, Junction, Movement, Turn
from traffic_brain.model.rules import JunctionRulesInput, judge, least_clearances_s, violations
from traffic_brain.model.signals import Interval, SignalPlan, Stage

FEW = OptimizeParams(common_cycles_s=(60,), max_candidates=3)


# --- stages: groups 0 main, 1 main's left turn, 2 oncoming, 3 side -----------------------------


def four_stages() -> SignalPlan:
    return SignalPlan(
        "j",
        "p",
        (
            Stage("GgGr", 30, (Interval(3, "ygyr"),), 5, 60),
            Stage("rGrr", 6, (Interval(3, "ryrr"),), 5, 60),
            Stage("rrrG", 20, (Interval(3, "rrry"),), 5, 60),
        ),
    )


def junction() -> Junction:
    conflicts = frozenset({(0, 3), (1, 2), (1, 3), (2, 3)})
    return Junction("j", "j", 0, 0, ("j",), 4, conflicts, frozenset({(1, 2)}), four_stages())


def movements() -> list[Movement]:
    ways = [("m", Turn.THROUGH), ("m", Turn.LEFT), ("o", Turn.THROUGH), ("s", Turn.THROUGH)]
    return [
        Movement(f"{i}", "j", a, f"out{i}", turn, (0,), (i,), 1800.0)
        for i, (a, turn) in enumerate(ways)
    ]


def connections(left_lane: int) -> list[Connection]:
    ends = [("m", 0), ("m", left_lane), ("o", 0), ("s", 0)]
    return [
        Connection(link, lane, f"out{i}", 0, m.turn, "j", i)
        for i, ((link, lane), m) in enumerate(zip(ends, movements(), strict=True))
    ]


def drawn_choices(library: Sequence[Stage], *, freed: bool) -> set[Choice]:
    plan, rng = four_stages(), np.random.default_rng(1)
    drawn = (other_choice(plan.stages, plan, library, rng, freed=freed) for _ in range(600))
    return {choice for choice in drawn if choice is not None}


def pictures(choice: Choice) -> tuple[str, ...]:
    return tuple(stage.picture for stage in choice)


def test_a_protected_turn_is_dropped_only_when_it_is_freed() -> None:
    kept, freed = ({pictures(c) for c in drawn_choices((), freed=f)} for f in (False, True))
    assert kept == {("GgGr", "rrrG", "rGrr")}
    assert freed == kept | {("GgGr", "rrrG")}
    assert not keeps_rights(four_stages().stages[:2], four_stages(), freed=True)


def test_stages_that_overlap_are_found_from_the_conflicts() -> None:
    found = possible_stages(four_stages(), junction(), connections(1), movements(), freed=False)
    assert {stage.picture for stage in found} == {"GGrr", "GrGr"}
    assert {(stage.min_green_s, stage.max_green_s) for stage in found} == {(5, 60)}
    shared = possible_stages(four_stages(), junction(), connections(0), movements(), freed=False)
    assert {stage.picture for stage in shared} == {"GGrr", "rrGr"}  # its lane holds both streams


def test_a_turn_that_gives_way_to_nobody_today_does_so_only_when_it_is_freed() -> None:
    stages = tuple(replace(s, picture=s.picture.replace("g", "r")) for s in four_stages().stages)
    plan = replace(four_stages(), stages=stages)
    kept, freed = (
        {s.picture for s in possible_stages(plan, junction(), connections(1), movements(), freed=f)}
        for f in (False, True)
    )
    assert kept == {"GGrr"}
    assert freed == {"GGrr", "GgGr"}


def test_a_freed_turn_gives_way_to_the_oncoming_stream_and_to_no_cross_street() -> None:
    crossed = replace(junction(), yields=frozenset({(1, 2), (1, 3)}))
    stages = tuple(replace(s, picture=s.picture.replace("g", "r")) for s in four_stages().stages)
    plan = replace(four_stages(), stages=stages)
    for site in (crossed, junction()):
        found = possible_stages(plan, site, connections(1), movements(), freed=True)
        assert {stage.picture for stage in found} == {"GGrr", "GgGr"}
    apart = (Stage("Grrr", 20), Stage("rGrr", 9), Stage("rrGr", 20), Stage("rrrG", 20))
    split = replace(plan, stages=apart)  # nobody sees an oncoming stream today
    found = possible_stages(split, crossed, connections(1), movements(), freed=True)
    assert not [stage for stage in found if "g" in stage.picture]


def test_who_has_no_green_today_gets_no_stage() -> None:
    plan = replace(four_stages(), stages=four_stages().stages[:2])  # nobody lets the side go
    found = possible_stages(plan, junction(), connections(1), movements(), freed=True)
    assert {stage.picture for stage in found} == {"GGrr", "GrGr"}


def test_a_made_stage_keeps_the_limits_of_its_streams() -> None:
    first, left, side = four_stages().stages
    longer = replace(left, min_green_s=9, max_green_s=40)
    plan = replace(four_stages(), stages=(replace(first, min_green_s=12), longer, side))
    found = possible_stages(plan, junction(), connections(1), movements(), freed=False)
    limits = {stage.picture: (stage.min_green_s, stage.max_green_s) for stage in found}
    assert limits == {"GGrr": (12, 60), "GrGr": (12, 60)}


def test_a_protected_turn_may_lead_or_lag_with_its_own_stream() -> None:
    library = possible_stages(four_stages(), junction(), connections(1), movements(), freed=False)
    choices = {pictures(choice) for choice in drawn_choices(library, freed=False)}
    assert ("GgGr", "GGrr", "rrrG", "GrGr") in choices
    assert ("GgGr", "rrrG", "GGrr") not in choices  # two draws away


@pytest.mark.parametrize("asked_s", [0, 3, 6])
def test_every_choice_of_stages_has_the_clearances_that_the_rules_ask(asked_s: int) -> None:
    plan, site = four_stages(), JunctionRulesInput(junction(), intergreen_s={(0, 3): asked_s})
    library = possible_stages(plan, junction(), connections(1), movements(), freed=True)
    choices = drawn_choices(library, freed=True)
    assert len(choices) > 10
    for choice in choices:
        changed = with_stages(plan, choice, least_clearances_s(site, plan))
        assert violations(judge(changed, site, plan)) == []
        assert pictures(changed.stages) == pictures(choice)


@pytest.mark.parametrize("asked_s", [0, 3, 6])
def test_stages_chosen_anew_can_be_chosen_anew_once_they_are_in_service(asked_s: int) -> None:
    asked = {(0, 3): asked_s, (2, 3): 4, (3, 1): 5}
    plan, site = four_stages(), JunctionRulesInput(junction(), intergreen_s=asked)
    library = possible_stages(plan, junction(), connections(1), movements(), freed=True)
    first = [
        with_stages(plan, choice, least_clearances_s(site, plan))
        for choice in drawn_choices(library, freed=True)
    ]
    rng, seen = np.random.default_rng(2), 0
    for now in first:
        for _ in range(20):
            choice = other_choice(now.stages, plan, library, rng, freed=True)
            if choice is not None and keeps_rights(choice, now, freed=True):
                changed = with_stages(now, choice, least_clearances_s(site, now))
                assert violations(judge(changed, site, now)) == []
                seen += 1
    assert seen > 50


def test_who_comes_against_a_turn_that_loses_its_protection_waits_as_for_its_end() -> None:
    _, left, side = four_stages().stages
    both = Stage("GgGr", 20, (), 5, 60)
    plan = replace(four_stages(), stages=(replace(both, picture="GrGr"), left, side))
    changed = with_stages(plan, (replace(left, picture="GGrr"), both, side), {(1, 2): 4})
    assert changed.stages[0].clearance == (Interval(4, "Ggrr"),)
    slower = with_stages(plan, (left, both, side), {(1, 2): 4})
    assert slower.stages[0].clearance == (Interval(4, "Ggrr"),)  # nobody holds the main stream


def test_each_group_ends_as_late_and_begins_as_early_as_its_own_conflicts_allow() -> None:
    main, _, side = four_stages().stages
    known = (replace(main, picture="GrGr"), *four_stages().stages[1:])
    plan = replace(four_stages(), stages=known)
    least_s = {(0, 3): 5, (1, 3): 3, (2, 3): 6, (3, 0): 3, (3, 1): 4, (3, 2): 5}
    changed = with_stages(plan, (main, side), least_s)
    assert changed.stages[0].clearance == (
        *(Interval(1, "Ggyr"), Interval(2, "ygyr")),
        *(Interval(1, "yyrr"), Interval(2, "ryrr")),
    )
    assert changed.stages[1].clearance == (
        *(Interval(3, "rrry"), Interval(1, "Grrr"), Interval(1, "Ggrr")),
    )


def test_what_a_direct_change_needs_is_what_the_plan_in_service_gives_or_more() -> None:
    asked = {(0, 3): 5, (3, 0): 6, (1, 3): 2}
    site = JunctionRulesInput(junction(), intergreen_s=asked)
    least_s = least_clearances_s(site, four_stages())
    assert least_s.keys() == {p for a, b in junction().conflicts for p in ((a, b), (b, a))}
    assert least_s[3, 0] == 3  # given, though the geometry asks for more
    assert least_s[0, 3] == 5  # a stage lies between: geometry decides
    assert least_s[2, 3] == 3  # and where it says nothing, the longest that is given


def test_a_stage_that_only_adds_streams_follows_without_a_clearance() -> None:
    plan = four_stages()
    leads = Stage("GrGr", 10, (), 5, 60)
    changed = with_stages(plan, (leads, *plan.stages), {})
    assert [stage.clearance_s for stage in changed.stages] == [0, 3, 3, 3]


def test_only_a_left_turn_beside_its_own_stream_becomes_permitted() -> None:
    stage = Stage("GrGr", 20)
    assert permitted_too(stage, junction(), movements()).picture == "GgGr"
    alone = Stage("rrGr", 20)
    assert permitted_too(alone, junction(), movements()).picture == "rrGr"
    blunt = replace(junction(), yields=frozenset())
    assert permitted_too(stage, blunt, movements()).picture == "GrGr"


# --- the search, on a small city --------------------------------------------------------------


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)


def area(problem: City) -> Area:
    window = problem.state.window
    return Area(
        problem.network,
        problem.sites,
        problem.problems,
        problem.state.trips,
        (window.begin_s, window.end_s),
        {},
    )


@pytest.mark.parametrize("freed", [False, True])
def test_the_refined_plans_are_no_worse_and_may_run(problem: City, freed: bool) -> None:
    here, params = area(problem), RefineParams(40, draws=1, free_protections=freed)
    in_service = {j: p.plan for j, p in problem.problems.items()}
    start = Judge(here, 1, seed=3).delay_s_per_veh(in_service)
    found = refine(here, [in_service], params, seed=3)
    assert found[0].delay_s_per_veh <= start
    assert found[0].delay_s_per_veh == Judge(here, 1, seed=3).delay_s_per_veh(found[0].plans)
    for junction_id, plan in found[0].plans.items():
        now = in_service[junction_id]
        assert violations(judge(plan, problem.sites[junction_id], now)) == []
        assert keeps_rights(plan.stages, now, freed=freed)
    assert refine(here, [in_service], params, seed=3) == found


def test_stages_that_only_protect_go_first_when_turns_are_freed() -> None:
    plan, site = four_stages(), JunctionRulesInput(junction(), intergreen_s={})
    none, least_s = np.zeros((0, 3)), np.full(3, 5)
    everything = Area(
        network=None,  # type: ignore[arg-type]  # no street is driven here
        sites={"j": site},
        problems={"j": JunctionProblem(plan, none, none, none, none, least_s, least_s * 12)},
        ways=(),
        window_s=(0, 1),
        held={},
    )
    kept, freed = RefineParams(), RefineParams(free_protections=True)
    assert without_protection(everything, plan, kept, same_cycle=True) == plan
    longer = without_protection(everything, plan, freed, same_cycle=True)
    assert pictures(longer.stages) == ("GgGr", "rrrG")
    assert longer.cycle_s == plan.cycle_s
    shorter = without_protection(everything, plan, freed, same_cycle=False)
    assert shorter.cycle_s == plan.cycle_s - 9
    assert shorter.greens_s == (30, 20)


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(ConfigurationError, match="evaluations must be at least 1; draws"):
        RefineParams(evaluations=0, draws=0)


# --- calibration ------------------------------------------------------------------------------


def scaled(problem: City, seed: int) -> dict[str, SignalPlan]:
    rng = np.random.default_rng(seed)
    return {
        j: p.plan.with_greens(
            tuple(
                max(s.min_green_s, int(s.green_s * rng.uniform(0.3, 1.6))) for s in p.plan.stages
            ),
            "drawn",
        )
        for j, p in problem.problems.items()
    }


def test_a_model_is_fitted_and_trusted_where_it_ranks_what_it_has_not_seen(problem: City) -> None:
    here = area(problem)
    plans = [scaled(problem, seed) for seed in range(8)]
    true = street_map(here.network, Habits(through_headway_s=1.75))
    driven = journeys(true, here.ways)
    delays = [simulate(true, lamps(true, p), driven, *here.window_s).delay_s_per_veh for p in plans]
    found = calibrate(here.network, here.ways, here.window_s, plans, delays)
    assert found.trusted
    assert found.plans == 8
    assert found.held_out_ratio == pytest.approx(1.0, abs=0.05)
    alike = calibrate(here.network, here.ways, here.window_s, [plans[0]] * 8, delays)
    assert (alike.held_out_rank_correlation, alike.trusted) == (0.0, False)
    wrong_way = calibrate(here.network, here.ways, here.window_s, plans, [9, 1, 8, 2, 7, 3, 6, 4])
    assert not wrong_way.trusted


def test_too_little_to_calibrate_with(problem: City) -> None:
    here = area(problem)
    with pytest.raises(DataRefused, match="too few to calibrate"):
        calibrate(here.network, here.ways, here.window_s, [{}], [1.0])
    with pytest.raises(DataRefused, match="no positive number"):
        calibrate(here.network, here.ways, here.window_s, [{}] * 8, [float("nan")] * 8)
