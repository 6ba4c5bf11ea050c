"""Random junctions and plans: valid ones pass, planted violations are found and named.

The judge here is ``traffic_brain.model.rules``; the second opinion, second by second over the
lamp pictures, is ``tests.reference.lamp_bruteforce``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.reference.lamp_bruteforce import findings
from traffic_brain.model.documents import (
    plan_from_dict,
    plan_to_dict,
    rules_inputs_from_dict,
    rules_inputs_to_dict,
)
from traffic_brain.model.network import Crossing, Junction
from traffic_brain.model.reading import from_json, to_json
from traffic_brain.model.rules import JunctionRulesInput, judge, violations
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.standards import DEFAULT_STANDARD, pedestrian_green_s

SLOW_BY_NATURE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PLAN_RULES_OF_BRUTE_FORCE = frozenset(
    {
        "stage_unique",
        "conflicting_greens",
        "conflict_in_transition",
        "yellow",
        "intergreen",
        "min_green",
        "max_green",
        "pedestrian_green",
        "max_red",
        "movements_served",
    }
)


@dataclass(frozen=True)
class Case:
    """A junction and a plan that breaks no rule there."""

    site: JunctionRulesInput
    plan: SignalPlan


def valid_case(random: Random) -> Case:
    """Stages are sets without conflict; every group is in one; changes clear in 3-5 + 0-3 s."""
    count = random.randint(2, 7)
    density = random.choice((0.3, 0.6, 0.9))
    conflicts = frozenset(
        pair for pair in combinations(range(count), 2) if random.random() < density
    )
    yields = frozenset(
        pair if random.random() < 0.5 else pair[::-1] for pair in conflicts if random.random() < 0.4
    )
    pedestrians = frozenset(g for g in range(count) if random.random() < 0.2)
    pictures = _pictures(random, count, conflicts, yields)
    crossings = tuple(Crossing("J", g, random.uniform(4.0, 15.0)) for g in sorted(pedestrians))
    least = [
        max([5, *(_ceil(pedestrian_green_s(c.length_m)) for c in crossings if _lit(picture, c))])
        for picture in pictures
    ]
    yellow_s, all_red_s = random.randint(3, 5), random.randint(0, 3)
    stages = []
    for i, picture in enumerate(pictures):
        after = pictures[(i + 1) % len(pictures)]
        clearance = _clearance(picture, after, pedestrians, yellow_s, all_red_s)
        green_s = random.randint(least[i], least[i] + 8)
        stages.append(Stage(picture, green_s, clearance, random.randint(1, least[i]), 60))
    plan = SignalPlan("J", "valid", tuple(stages))
    plan = replace(plan, coordinated_stage_idx=random.randrange(len(stages)))
    plan = plan.with_offset(random.randrange(1000))
    movements = tuple((g,) for g in range(count) if g not in pedestrians)
    junction = Junction(
        "J", "name", 0.0, 0.0, ("n",), count, conflicts, yields, plan_in_service=plan
    )
    return Case(JunctionRulesInput(junction, crossings, movements), plan)


def _pictures(
    random: Random,
    count: int,
    conflicts: frozenset[tuple[int, int]],
    yields: frozenset[tuple[int, int]],
) -> list[str]:
    """Distinct pictures that together light every group, protected or permitted."""
    waiting = list(range(count))
    random.shuffle(waiting)
    pictures: list[str] = []
    while waiting:
        lit: list[int] = []
        others = [g for g in range(count) if g not in waiting and random.random() < 0.3]
        for g in waiting + others:
            if not any((min(g, h), max(g, h)) in conflicts for h in lit):
                lit.append(g)
        lamps = ["G" if g in lit else "r" for g in range(count)]
        permitted = next(
            (
                g
                for g in range(count)
                if lamps[g] == "r"
                and random.random() < 0.5
                and all((g, h) in yields for h in lit if (min(g, h), max(g, h)) in conflicts)
            ),
            None,
        )
        if permitted is not None:
            lamps[permitted] = "g"
        pictures.append("".join(lamps))
        waiting = [g for g in waiting if lamps[g] == "r"]
    return list(dict.fromkeys(pictures))


def _clearance(
    before: str, after: str, pedestrians: frozenset[int], yellow_s: int, all_red_s: int
) -> tuple[Interval, ...]:
    """Groups that end get yellow then red; groups that stay keep the weaker of both greens."""

    def lamp(g: int, ending: str) -> str:
        if before[g] == "r" or after[g] == "r":
            return ending if before[g] != "r" and g not in pedestrians else "r"
        return "g" if "g" in (before[g], after[g]) else "G"

    groups = range(len(before))
    if not any(before[g] != "r" and after[g] == "r" for g in groups):
        return ()
    yellow = Interval(yellow_s, "".join(lamp(g, "y") for g in groups))
    red = Interval(all_red_s, "".join(lamp(g, "r") for g in groups))
    return (yellow, red) if all_red_s else (yellow,)


def _lit(picture: str, crossing: Crossing) -> bool:
    return picture[crossing.signal_group_idx] != "r"


def _ceil(seconds: float) -> int:
    return -int(-seconds // 1)


def _nobody_waits_too_long(case: Case) -> bool:
    return case.plan.cycle_s <= DEFAULT_STANDARD.red_max_s


valid_cases = st.builds(valid_case, st.randoms(use_true_random=True)).filter(_nobody_waits_too_long)


# --- planted violations -------------------------------------------------------------------

Mutation = Callable[[Case, Random], tuple[JunctionRulesInput, SignalPlan] | None]


def _changed(case: Case, stage_idx: int, **changes: object) -> SignalPlan:
    stages = list(case.plan.stages)
    stages[stage_idx] = replace(stages[stage_idx], **changes)
    return replace(case.plan, stages=tuple(stages))


def _ending(case: Case, random: Random) -> tuple[int, int] | None:
    """A stage and a vehicle group whose green ends with it in yellow."""
    found = [
        (i, g)
        for i, stage in enumerate(case.plan.stages)
        if stage.clearance
        for g, lamp in enumerate(stage.clearance[0].picture)
        if lamp == "y"
    ]
    return random.choice(found) if found else None


def _with_lamp(picture: str, group: int, lamp: str) -> str:
    return picture[:group] + lamp + picture[group + 1 :]


def new_conflict(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """One bit of the conflict matrix flipped between two protected greens."""
    pairs = [
        (a, b)
        for stage in case.plan.stages
        for a, b in combinations(range(len(stage.picture)), 2)
        if stage.picture[a] == stage.picture[b] == "G"
    ]
    if not pairs:
        return None
    junction = case.site.junction
    flipped = junction.conflicts ^ {random.choice(pairs)}
    return replace(case.site, junction=replace(junction, conflicts=flipped)), case.plan


def added_green(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A group that must wait gets a protected green beside the one that it conflicts with."""
    found = [
        (i, g)
        for i, stage in enumerate(case.plan.stages)
        for pair in case.site.junction.conflicts
        for g, h in (pair, pair[::-1])
        if stage.picture[g] == "r" and stage.picture[h] == "G"
    ]
    if not found:
        return None
    i, g = random.choice(found)
    picture = _with_lamp(case.plan.stages[i].picture, g, "G")
    return case.site, _changed(case, i, picture=picture)


def short_yellow(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A yellow of 1 or 2 s."""
    ending = _ending(case, random)
    if ending is None:
        return None
    clearance = case.plan.stages[ending[0]].clearance
    first = replace(clearance[0], duration_s=random.randint(1, 2))
    return case.site, _changed(case, ending[0], clearance=(first, *clearance[1:]))


def long_yellow(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A yellow of 6 to 9 s."""
    ending = _ending(case, random)
    if ending is None:
        return None
    clearance = case.plan.stages[ending[0]].clearance
    first = replace(clearance[0], duration_s=random.randint(6, 9))
    return case.site, _changed(case, ending[0], clearance=(first, *clearance[1:]))


def no_yellow(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """One group goes from green to red at once."""
    ending = _ending(case, random)
    if ending is None:
        return None
    i, g = ending
    clearance = tuple(
        replace(c, picture=_with_lamp(c.picture, g, "r")) for c in case.plan.stages[i].clearance
    )
    return case.site, _changed(case, i, clearance=clearance)


def early_green(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A conflicting group turns green while the yellow still shows after a protected green."""
    found = [
        (i, h)
        for i, stage in enumerate(case.plan.stages)
        if stage.clearance
        for pair in case.site.junction.conflicts
        for g, h in (pair, pair[::-1])
        if stage.picture[g] == "G"
        and stage.clearance[0].picture[g] == "y"
        and stage.clearance[0].picture[h] == "r"
    ]
    if not found:
        return None
    i, h = random.choice(found)
    clearance = case.plan.stages[i].clearance
    early = replace(clearance[0], picture=_with_lamp(clearance[0].picture, h, "G"))
    return case.site, _changed(case, i, clearance=(early, *clearance[1:]))


def no_clearance(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """The clearance between two conflicting greens is left out."""
    stages = case.plan.stages
    found = [
        i
        for i, stage in enumerate(stages)
        for pair in case.site.junction.conflicts
        for g, h in (pair, pair[::-1])
        if g not in case.site.pedestrian_groups
        and stage.picture[g] != "r"
        and stages[(i + 1) % len(stages)].picture[g] == "r"
        and stage.picture[h] == "r"
        and stages[(i + 1) % len(stages)].picture[h] != "r"
    ]
    return (case.site, _changed(case, random.choice(found), clearance=())) if found else None


def geometry_asks_more(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A lane-to-lane conflict needs a second more than the clearance has."""
    stages = case.plan.stages
    found = [
        (pair, stage.clearance_s)
        for i, stage in enumerate(stages)
        for both in case.site.junction.conflicts
        for pair in (both, both[::-1])
        if stage.picture[pair[0]] != "r"
        and stages[(i + 1) % len(stages)].picture[pair[0]] == "r"
        and stage.picture[pair[1]] == "r"
        and stages[(i + 1) % len(stages)].picture[pair[1]] != "r"
    ]
    if not found:
        return None
    pair, seconds = random.choice(found)
    return replace(case.site, intergreen_s={pair: seconds + 1}), case.plan


def short_green(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A green of fewer than 5 s."""
    i = random.randrange(len(case.plan.stages))
    return case.site, _changed(case, i, green_s=random.randint(1, 4))


def long_green(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A green above the stage's maximum."""
    i = random.randrange(len(case.plan.stages))
    return case.site, _changed(case, i, green_s=random.randint(61, 90))


def hurried_crossing(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """A crossing grows so long that its green does not last for it."""
    if not case.site.crossings:
        return None
    i = random.randrange(len(case.site.crossings))
    crossings = list(case.site.crossings)
    if all(_lit(stage.picture, crossings[i]) for stage in case.plan.stages):
        return None
    crossings[i] = replace(crossings[i], length_m=DEFAULT_STANDARD.walking_speed_mps * 1000)
    return replace(case.site, crossings=tuple(crossings)), case.plan


def endless_red(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan] | None:
    """One stage so long that the others wait beyond all patience."""
    found = [i for i, stage in enumerate(case.plan.stages) if "r" in stage.picture]
    if not found:
        return None
    longer = _changed(case, random.choice(found), green_s=151, max_green_s=200)
    return case.site, longer


def starved_group(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A group that is red in every picture."""
    g = random.randrange(case.site.junction.signal_group_count)
    stages = tuple(
        replace(
            stage,
            picture=_with_lamp(stage.picture, g, "r"),
            clearance=tuple(
                replace(c, picture=_with_lamp(c.picture, g, "r")) for c in stage.clearance
            ),
        )
        for stage in case.plan.stages
    )
    return case.site, replace(case.plan, stages=stages)


def doubled_stage(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A stage twice."""
    stages = case.plan.stages
    return case.site, replace(case.plan, stages=(*stages, random.choice(stages)))


def offset_out_of_cycle(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """An offset of a whole cycle, or before zero."""
    cycle = case.plan.cycle_s
    return case.site, replace(case.plan, offset_s=random.choice((cycle, cycle + 7, -1)))


def strange_lamp(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A letter that is no lamp."""
    i = random.randrange(len(case.plan.stages))
    picture = _with_lamp(case.plan.stages[i].picture, 0, random.choice("xR1 绿"))
    return case.site, _changed(case, i, picture=picture)


def missing_lamp(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A picture that is one group short."""
    i = random.randrange(len(case.plan.stages))
    return case.site, _changed(case, i, picture=case.plan.stages[i].picture[1:])


def no_time(case: Case, random: Random) -> tuple[JunctionRulesInput, SignalPlan]:
    """A green of no seconds, or of negative or broken ones."""
    i = random.randrange(len(case.plan.stages))
    return case.site, _changed(case, i, green_s=random.choice((0, -5, 10.5, True)))


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    mutation.__name__: (mutation, rule)
    for mutation, rule in (
        (new_conflict, "conflicting_greens"),
        (added_green, "conflicting_greens"),
        (short_yellow, "yellow"),
        (long_yellow, "yellow"),
        (no_yellow, "yellow"),
        (early_green, "conflict_in_transition"),
        (no_clearance, "intergreen"),
        (geometry_asks_more, "intergreen"),
        (short_green, "min_green"),
        (long_green, "max_green"),
        (hurried_crossing, "pedestrian_green"),
        (endless_red, "max_red"),
        (starved_group, "movements_served"),
        (doubled_stage, "stage_unique"),
        (offset_out_of_cycle, "offset_range"),
        (strange_lamp, "lamp_letters"),
        (missing_lamp, "picture_length"),
        (no_time, "whole_seconds"),
    )
}
SHAPE = {"lamp_letters", "picture_length", "whole_seconds"}


def both_opinions(plan: SignalPlan, site: JunctionRulesInput) -> set[tuple[str, str]]:
    """The rules' findings, after checking that brute force has the same on lamps and times."""
    found = {(v.rule, v.where) for v in judge(plan, site)}
    on_lamps = {(rule, where) for rule, where in found if rule in PLAN_RULES_OF_BRUTE_FORCE}
    assert on_lamps == findings(plan, site, DEFAULT_STANDARD)
    return found


@SLOW_BY_NATURE
@given(valid_cases)
def test_valid_plans_pass(case: Case) -> None:
    assert both_opinions(case.plan, case.site) == set()
    assert judge(case.plan, case.site, case.plan) == []


@settings(SLOW_BY_NATURE, max_examples=50)
@given(valid_cases, st.randoms(use_true_random=True))
def test_every_planted_violation_is_found_and_named(case: Case, random: Random) -> None:
    for name, (mutate, rule) in MUTATIONS.items():
        mutated = mutate(case, random)
        if mutated is None:
            continue
        site, plan = mutated
        if rule not in SHAPE:
            both_opinions(plan, site)
        assert rule in {v.rule for v in judge(plan, site)}, name
        if site == case.site:  # the plan in service is in order there: nothing is inherited
            assert rule in {v.rule for v in violations(judge(plan, site, case.plan))}, name


@SLOW_BY_NATURE
@given(valid_cases, st.randoms(use_true_random=True))
def test_brute_force_agrees_on_any_lamps(case: Case, random: Random) -> None:
    """Lamps, seconds and right of way drawn at random: mostly far from a plan for a street."""
    count = case.site.junction.signal_group_count
    stages = tuple(
        Stage(
            "".join(random.choice("GGGgrrrsoO") for _ in range(count)),
            random.randint(1, 40),
            tuple(
                Interval(
                    random.randint(1, 7),
                    "".join(random.choice("GgyyyrruoYs") for _ in range(count)),
                )
                for _ in range(random.randint(0, 4))
            ),
        )
        for _ in range(random.randint(1, 5))
    )
    plan = replace(case.plan, stages=stages, offset_s=0, coordinated_stage_idx=0)
    both_opinions(plan, case.site)
    assert violations(judge(plan, case.site, plan)) == []


@SLOW_BY_NATURE
@given(valid_cases, st.randoms(use_true_random=True))
def test_greens_between_their_limits_and_any_offset_stay_safe(case: Case, random: Random) -> None:
    """What the optimiser may touch can break no rule but the longest red."""
    greens = tuple(random.randint(stage.green_s, stage.max_green_s) for stage in case.plan.stages)
    plan = case.plan.with_greens(greens, "new").with_offset(random.randrange(1000))
    assert {v.rule for v in judge(plan, case.site, case.plan)} <= {"max_red"}


@SLOW_BY_NATURE
@given(valid_cases)
def test_documents_return_what_went_in(case: Case) -> None:
    text = to_json(plan_to_dict(case.plan))
    assert plan_from_dict(from_json(text, "plan")) == case.plan
    assert to_json(plan_to_dict(plan_from_dict(from_json(text, "plan")))) == text
    city = to_json(rules_inputs_to_dict([case.site]))
    assert rules_inputs_from_dict(from_json(city, "city")) == {"J": case.site}
