"""Each rule on one small junction, by hand.

Groups: 0 through north-south, 1 the opposing left turn (gives way to 0), 2 through east-west,
3 a crossing of 20 m that runs with 2. Stage A lights 0 and 1, stage B lights 2 and 3.
"""

from dataclasses import replace

import pytest

from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import plan_from_dict, plan_to_dict
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Crossing,
    Junction,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.rules import (
    RULE_NAMES,
    ChangeLimits,
    JunctionRulesInput,
    Severity,
    judge,
    outcome,
    retimable,
    rules_inputs,
    violations,
)
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.standards import SafetyStandard

A = Stage("Ggrr", 30, (Interval(3, "yyrr"), Interval(2, "rrrr")))
B = Stage("rrGG", 30, (Interval(3, "rryr"), Interval(2, "rrrr")))
MOMENT = (Interval(2, "rrGr"), Interval(3, "rryr"))
PLAN = SignalPlan("J", "day", (A, B), offset_s=7)
JUNCTION = Junction(
    junction_id="J",
    name="黄山路 Huangshan Road",
    x=0.0,
    y=0.0,
    node_ids=("n",),
    signal_group_count=4,
    conflicts=frozenset({(0, 1), (0, 2), (1, 2), (0, 3), (1, 3)}),
    yields=frozenset({(1, 0)}),
    plan_in_service=PLAN,
)
SITE = JunctionRulesInput(JUNCTION, (Crossing("J", 3, 20.0),), ((0,), (1,), (2,)))


def with_stages(*stages: Stage) -> SignalPlan:
    return replace(PLAN, stages=stages)


def at(site: JunctionRulesInput = SITE, **changes: object) -> JunctionRulesInput:
    return replace(site, junction=replace(site.junction, **changes))


def broken(plan: SignalPlan, site: JunctionRulesInput = SITE, **known: object) -> dict[str, str]:
    """Rule -> severity, of the rules that do not pass."""
    results = outcome(judge(plan, site, **known))
    return {rule: result for rule, result in results.items() if result != "pass"}


def test_a_good_plan_breaks_no_rule() -> None:
    assert judge(PLAN, SITE) == []
    assert judge(PLAN, SITE, PLAN) == []
    assert set(outcome([])) == set(RULE_NAMES)
    assert retimable(SITE) == []


REFUSED = {
    "one bit of the conflict matrix flipped": (
        PLAN,
        at(conflicts=JUNCTION.conflicts ^ {(2, 3)}),
        "conflicting_greens",
    ),
    "yellow of 2 s": (
        with_stages(replace(A, clearance=(Interval(2, "yyrr"), Interval(3, "rrrr"))), B),
        SITE,
        "yellow",
    ),
    "yellow of 6 s": (
        with_stages(replace(A, clearance=(Interval(6, "yyrr"),)), B),
        SITE,
        "yellow",
    ),
    "green to red without yellow": (
        with_stages(replace(A, clearance=(Interval(5, "rrrr"),)), B),
        SITE,
        "yellow",
    ),
    "a 10 s stage that serves a 20 m crossing": (
        with_stages(A, replace(B, green_s=10)),
        SITE,
        "pedestrian_green",
    ),
    "offset equal to the cycle": (replace(PLAN, offset_s=70), SITE, "offset_range"),
    "offset below zero": (replace(PLAN, offset_s=-1), SITE, "offset_range"),
    "a stage twice": (with_stages(A, B, A), SITE, "stage_unique"),
    "a movement never served": (
        with_stages(
            replace(A, picture="Grrr", clearance=(Interval(3, "yrrr"), Interval(2, "rrrr"))), B
        ),
        SITE,
        "movements_served",
    ),
    "an intergreen shorter than a lane-to-lane conflict requires": (
        PLAN,
        replace(SITE, intergreen_s={(0, 2): 6}),
        "intergreen",
    ),
    "no intergreen at all": (
        with_stages(replace(A, clearance=()), B),
        SITE,
        "intergreen",
    ),
    "green before the other's yellow is over": (
        with_stages(replace(A, clearance=(Interval(3, "yyGG"),)), B),
        SITE,
        "conflict_in_transition",
    ),
    "green during a permitted turn's yellow": (
        with_stages(replace(A, clearance=(Interval(2, "yyrr"), Interval(1, "ryGr"))), B),
        SITE,
        "conflict_in_transition",
    ),
    "a permitted turn that nobody made give way": (
        PLAN,
        at(yields=frozenset()),
        "conflicting_greens",
    ),
    "a turn that gives way in the wrong direction": (
        PLAN,
        at(yields=frozenset({(0, 1)})),
        "conflicting_greens",
    ),
    "a turn with a protected lamp": (
        with_stages(replace(A, picture="GGrr"), B),
        SITE,
        "conflicting_greens",
    ),
    "green shorter than the stage's own minimum": (
        with_stages(replace(A, min_green_s=31), B),
        SITE,
        "min_green",
    ),
    "green shorter than the standard's minimum": (
        with_stages(replace(A, green_s=4, min_green_s=1), B),
        SITE,
        "min_green",
    ),
    "green for a moment between two stages": (
        with_stages(
            replace(A, clearance=(*A.clearance, Interval(2, "rrGr"), Interval(3, "rryr"))), B
        ),
        SITE,
        "min_green",
    ),
    "green longer than the maximum": (
        with_stages(replace(A, max_green_s=29), B),
        SITE,
        "max_green",
    ),
    "a red without end": (
        with_stages(replace(A, green_s=150, max_green_s=200), B),
        SITE,
        "max_red",
    ),
    "an unknown lamp": (with_stages(replace(A, picture="Gxrr"), B), SITE, "lamp_letters"),
    "a picture too long": (with_stages(replace(A, picture="Ggrrr"), B), SITE, "picture_length"),
    "half a second": (with_stages(replace(A, green_s=30.5), B), SITE, "whole_seconds"),
    "a stage of no seconds": (with_stages(replace(A, green_s=0), B), SITE, "whole_seconds"),
    "no stage": (with_stages(), SITE, "whole_seconds"),
    "a coordinated stage that is not there": (
        replace(PLAN, coordinated_stage_idx=2),
        SITE,
        "coordinated_stage",
    ),
    "another junction's plan": (replace(PLAN, junction_id="K"), SITE, "right_junction"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_plan_that_must_be_refused_names_its_rule(case: str) -> None:
    plan, site, rule = REFUSED[case]
    found = violations(judge(plan, site))
    assert rule in {v.rule for v in found}
    assert f"rule {rule}, junction J" in " ".join(map(str, found))


@pytest.mark.parametrize("cycle_s", [69, 71])
def test_splits_that_do_not_sum_to_the_stated_cycle_are_refused(cycle_s: int) -> None:
    with pytest.raises(DataRefused, match=rf"rule cycle_sum.*sum to 70 s, not {cycle_s} s"):
        plan_from_dict(plan_to_dict(PLAN) | {"cycle_s": cycle_s})


def test_several_broken_rules_are_all_named() -> None:
    bad = replace(with_stages(replace(A, clearance=()), replace(B, green_s=10)), offset_s=99)
    assert set(broken(bad)) >= {"offset_range", "yellow", "intergreen", "pedestrian_green"}


def test_what_the_plan_in_service_breaks_at_the_same_place_is_inherited() -> None:
    site = at(conflicts=JUNCTION.conflicts | {(2, 3)})
    retimed = PLAN.with_greens((40, 25), "new")
    assert broken(retimed, site) == {"conflicting_greens": "violation"}
    assert broken(retimed, site, in_service=PLAN) == {"conflicting_greens": "inherited"}
    found = judge(retimed, site, PLAN)
    assert [v.severity for v in found] == [Severity.INHERITED]
    assert violations(found) == []


def test_worse_than_in_service_is_a_violation() -> None:
    short = with_stages(A, replace(B, green_s=20))
    assert broken(short, in_service=short) == {"pedestrian_green": "inherited"}
    better = with_stages(A, replace(B, green_s=22))
    assert broken(better, in_service=short) == {"pedestrian_green": "inherited"}
    worse = with_stages(A, replace(B, green_s=19))
    assert broken(worse, in_service=short) == {"pedestrian_green": "violation"}


def test_shortfall_of_intergreen_against_geometry_is_inherited_never_hidden() -> None:
    site = replace(SITE, intergreen_s={(0, 2): 7})
    assert broken(PLAN.with_greens((20, 40), "new"), site, in_service=PLAN) == {
        "intergreen": "inherited"
    }


def test_less_clearance_than_in_service_is_refused_even_where_geometry_asks_for_more() -> None:
    """In service 5 s, 7 s required: 5 s are inherited, 4 s are not."""
    site = replace(SITE, intergreen_s={(0, 2): 7})
    kept = with_stages(A, replace(B, green_s=40))
    assert broken(kept, site, in_service=PLAN) == {"intergreen": "inherited"}
    shorter = with_stages(replace(A, clearance=(Interval(3, "yyrr"), Interval(1, "rrrr"))), B)
    found = violations(judge(shorter, site, PLAN))
    assert ("intergreen", "group 0 to group 2", 3) in {
        (v.rule, v.where, v.shortfall) for v in found
    }
    longer = with_stages(replace(A, clearance=(Interval(3, "yyrr"), Interval(4, "rrrr"))), B)
    assert broken(longer, site, in_service=PLAN) == {}


@pytest.mark.parametrize(("required_s", "passes"), [(28, True), (29, False)])
def test_the_flashing_end_of_a_pedestrian_green_counts_as_time_to_clear(
    required_s: int, passes: bool
) -> None:
    """Green 30 s, of which 7 s to walk; then 5 s to the next conflicting green: 28 s to clear."""
    site = replace(SITE, intergreen_s={(3, 0): required_s})
    assert broken(PLAN, site) == ({} if passes else {"intergreen": "violation"})


def test_a_lamp_for_cars_and_people_on_foot_needs_what_both_need() -> None:
    """Group 3 serves the crossing, and now a turn as well: it wants yellow, and counts no walk."""
    shared = replace(SITE, movements=((0,), (1,), (2, 3)))
    assert shared.groups_on_foot == frozenset()
    assert broken(PLAN, shared) == {"yellow": "violation"}
    with_yellow = with_stages(A, replace(B, clearance=(Interval(3, "rryy"), Interval(2, "rrrr"))))
    assert broken(with_yellow, shared) == {}
    assert broken(with_yellow, replace(shared, intergreen_s={(3, 0): 6})) == {
        "intergreen": "violation"
    }


def test_no_clearance_may_be_shorter_than_in_service() -> None:
    shorter = with_stages(replace(A, clearance=(Interval(3, "yyrr"), Interval(1, "rrrr"))), B)
    assert judge(shorter, SITE) == []
    (first, *rest) = judge(shorter, SITE, PLAN)
    assert (first.rule, first.severity) == ("intergreen", Severity.VIOLATION)
    assert "the plan in service gives 5 s" in first.detail
    assert {v.rule for v in rest} == {"intergreen"}


def test_a_change_never_made_in_service_needs_the_longest_clearance_in_service() -> None:
    """Three stages 0, 1, 2 with 5 s, 5 s and 3 s; the order 0, 2, 1 makes new changes."""
    junction = replace(
        JUNCTION,
        signal_group_count=3,
        conflicts=frozenset({(0, 1), (0, 2), (1, 2)}),
        yields=frozenset(),
    )
    site = JunctionRulesInput(junction)
    stages = {
        group: Stage(
            "".join("G" if g == group else "r" for g in range(3)),
            20,
            (
                Interval(3, "".join("y" if g == group else "r" for g in range(3))),
                Interval(all_red, "rrr"),
            ),
        )
        for group, all_red in ((0, 2), (1, 2), (2, 1))
    }
    in_service = with_stages(stages[0], stages[1], stages[2])
    assert judge(in_service, site, in_service) == []
    reordered = with_stages(stages[0], stages[2], stages[1])
    assert broken(reordered, site, in_service=in_service) == {"intergreen": "violation"}
    (found,) = judge(reordered, site, in_service)
    assert found.where == "group 2 to group 1"


def test_a_short_stage_between_shortens_no_clearance_that_is_given_today() -> None:
    three = Junction("j", "j", 0, 0, ("j",), 3, frozenset({(0, 1)}), frozenset(), None)
    site = JunctionRulesInput(three)
    first = Stage("Grr", 20, (Interval(3, "yrr"), Interval(9, "rrr")))
    both, third = Stage("rGG", 20, (Interval(3, "ryG"),)), Stage("rrG", 5, (Interval(3, "rry"),))
    in_service = SignalPlan("j", "p", (first, both, third))
    assert violations(judge(in_service, site, in_service)) == []
    hurried = replace(first, clearance=(Interval(3, "yrG"),))
    through = replace(in_service, stages=(hurried, replace(third, clearance=()), both))
    broken = [v for v in violations(judge(through, site, in_service)) if v.rule == "intergreen"]
    assert [v.shortfall for v in broken if v.where == "group 0 to group 1"] == [4]


def test_limits_of_green_are_not_loosened() -> None:
    looser = with_stages(replace(A, max_green_s=200), B)
    assert broken(looser, in_service=PLAN) == {"green_limits_kept": "violation"}


def test_change_limits() -> None:
    moved = PLAN.with_greens((36, 24), "new").with_offset(69)
    free = ChangeLimits()
    assert broken(moved, in_service=PLAN, limits=free) == {}
    for limits, passes in (
        (ChangeLimits(green_s=6), True),
        (ChangeLimits(green_s=5), False),
        (ChangeLimits(offset_s=8), True),
        (ChangeLimits(offset_s=7), False),
        (ChangeLimits(cycle_s=0), True),
    ):
        rules = broken(moved, in_service=PLAN, limits=limits)
        assert rules == ({} if passes else {"change_limits": "violation"}), limits
    longer = PLAN.with_greens((36, 30), "new")
    assert broken(longer, in_service=PLAN, limits=ChangeLimits(cycle_s=5)) == {
        "change_limits": "violation"
    }


def test_a_plan_in_service_that_cannot_be_read_excuses_nothing() -> None:
    unreadable = with_stages(replace(A, picture="xxxx"), B)
    short = with_stages(A, replace(B, green_s=10))
    assert broken(short, in_service=unreadable) == {"pedestrian_green": "violation"}
    assert "lamp_letters" in " ".join(retimable(at(plan_in_service=unreadable)))


def test_protected_turn_after_its_permitted_green_is_no_conflict() -> None:
    """The through movement has yellow while the turn keeps its permitted green, then G."""
    a = replace(A, clearance=(Interval(3, "ygrr"), Interval(2, "rgrr")))
    arrow = Stage("rGrr", 10, (Interval(3, "ryrr"), Interval(2, "rrrr")))
    assert judge(with_stages(a, arrow, B), SITE) == []


def test_permitted_yellow_beside_the_green_it_gives_way_to_is_no_conflict() -> None:
    a = replace(A, clearance=(Interval(3, "Gyrr"), Interval(3, "yrrr"), Interval(2, "rrrr")))
    assert judge(with_stages(a, B), SITE) == []


def test_right_turn_on_red_counts_as_served_and_hurts_nobody() -> None:
    """``s`` lets one stop and go: no conflict, no red for ever."""
    site = JunctionRulesInput(
        replace(JUNCTION, conflicts=frozenset({(0, 1)}), yields=frozenset()), (), ((1,),)
    )
    stage = Stage("Gsrr", 30, (Interval(3, "ysrr"), Interval(2, "rsrr")))
    assert judge(with_stages(stage, Stage("rsGG", 30, (Interval(3, "rsyy"),))), site) == []


def test_groups_without_movement_need_no_green() -> None:
    never = with_stages(
        replace(A, picture="Ggrr"),
        replace(B, picture="rrGr"),
    )
    assert broken(never, replace(SITE, crossings=())) == {}
    assert broken(never) == {"movements_served": "violation"}
    assert broken(never, replace(SITE, crossings=(), movements=None)) == {
        "movements_served": "violation"
    }


def test_held_junctions_say_why() -> None:
    assert retimable(at(plan_in_service=None)) == ["no fixed plan in service could be read"]
    crossing = at(conflicts=JUNCTION.conflicts | {(2, 3)})
    (reason,) = retimable(crossing)
    assert reason.startswith("rule conflicting_greens, groups 2 and 3 in picture rrGG: paths")
    no_yellow = with_stages(replace(A, clearance=(Interval(5, "rrrr"),)), B)
    reasons = retimable(at(plan_in_service=no_yellow))
    assert [reason.split(":")[0] for reason in reasons] == [
        "rule yellow, group 0, too short",
        "rule yellow, group 1, too short",
    ]
    short_yellow = with_stages(replace(A, clearance=(Interval(2, "yyrr"), Interval(3, "rrrr"))), B)
    assert retimable(at(plan_in_service=short_yellow)) == []


def test_two_protected_greens_that_only_merge_do_not_hold_a_junction() -> None:
    site = at(conflicts=JUNCTION.conflicts | {(2, 3)}, yields=JUNCTION.yields | {(2, 3)})
    merging = replace(site, merges=frozenset({(2, 3)}))
    assert retimable(site)
    assert retimable(merging) == []
    assert broken(PLAN, merging, in_service=PLAN) == {"conflicting_greens": "inherited"}


def test_rules_inputs_of_a_network() -> None:
    def connection(to_link: str, group: int) -> Connection:
        return Connection("in", 0, to_link, 0, Turn.THROUGH, "J", group)

    network = RoadNetwork(
        name="town",
        links={},
        connections=(
            connection("out", 0),
            connection("out", 1),
            connection("away", 2),
            connection("away", NO_SIGNAL),
        ),
        movements={
            "m": Movement("m", "J", "in", "out", Turn.THROUGH, (0,), (0, 1), 1800.0),
            "n": Movement("n", "J", "in", "away", Turn.RIGHT, (0,), (NO_SIGNAL, 2), 1800.0),
        },
        junctions={"J": JUNCTION},
        crossings=SITE.crossings,
        intergreens_s={"J": {(0, 2): 6}},
    )
    site = rules_inputs(network)["J"]
    assert site.intergreen_s == {(0, 2): 6}
    assert site.merges == {(0, 1)}
    assert site.movements == ((0, 1), (NO_SIGNAL, 2))
    assert site.served_groups == (0, 1, 2, 3)
    assert site.crossings == SITE.crossings


def test_a_standard_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="walk_s"):
        SafetyStandard(walk_s=0)
    with pytest.raises(ConfigurationError, match="yellow_min_s"):
        SafetyStandard(yellow_min_s=6)
