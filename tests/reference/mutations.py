"""Violations planted into valid plans, each with the rule that must name it; and random edits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from random import Random

from tests.reference.lamp_bruteforce import FORM_RULES, findings, form, refused
from tests.reference.valid_plans import (
    LONGEST_RED_S,
    WALK_S,
    WALKING_MPS,
    Case,
    made_case,
    real_case,
)
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import plan_from_dict, plan_to_dict
from traffic_brain.model.network import Crossing
from traffic_brain.model.rules import (
    ChangeLimits,
    JunctionRulesInput,
    Violation,
    judge,
    violations,
)
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.standards import DEFAULT_STANDARD

BY_COMPARISON = frozenset({"green_limits_kept", "change_limits"})
"""Rules that a plan by itself cannot break."""


@dataclass(frozen=True)
class Planted:
    """A plan made unsafe on purpose (or the junction under it), and the rule that must say so."""

    rule: str
    site: JunctionRulesInput
    plan: SignalPlan
    limits: ChangeLimits | None = None


Planter = Callable[[Case, Random], Planted | None]


# --- finding a place ------------------------------------------------------------------------


def _changed(case: Case, stage_idx: int, **changes: object) -> SignalPlan:
    stages = list(case.plan.stages)
    stages[stage_idx] = replace(stages[stage_idx], **changes)
    return replace(case.plan, stages=tuple(stages))


def _with_lamp(picture: str, group: int, lamp: str) -> str:
    return picture[:group] + lamp + picture[group + 1 :]


def _everywhere(plan: SignalPlan, group: int, lamp: str) -> SignalPlan:
    stages = tuple(
        replace(
            stage,
            picture=_with_lamp(stage.picture, group, lamp),
            clearance=tuple(
                replace(c, picture=_with_lamp(c.picture, group, lamp)) for c in stage.clearance
            ),
        )
        for stage in plan.stages
    )
    return replace(plan, stages=stages)


def _orders(site: JunctionRulesInput) -> Iterator[tuple[int, int]]:
    for a, b in sorted(site.junction.conflicts):
        yield a, b
        yield b, a


def _endings(case: Case) -> list[tuple[int, int]]:
    """Stages, and vehicle groups whose green ends with them in yellow."""
    return [
        (i, g)
        for i, stage in enumerate(case.plan.stages)
        if stage.clearance
        for g, lamp in enumerate(stage.clearance[0].picture)
        if lamp == "y"
    ]


def _handovers(case: Case) -> list[tuple[int, int, int]]:
    """Stages, and conflicting groups a, b of which a's green ends there and b's begins after."""
    stages = case.plan.stages
    return [
        (i, a, b)
        for i, stage in enumerate(stages)
        for a, b in _orders(case.site)
        for after in [stages[(i + 1) % len(stages)].picture]
        if stage.picture[a] != "r" and after[a] == "r" and stage.picture[b] == "r" != after[b]
    ]


# --- conflicts ------------------------------------------------------------------------------


def new_conflict(case: Case, random: Random) -> Planted | None:
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
    flipped = replace(junction, conflicts=junction.conflicts ^ {random.choice(pairs)})
    return Planted("conflicting_greens", replace(case.site, junction=flipped), case.plan)


def added_green(case: Case, random: Random) -> Planted | None:
    """A group that must wait gets a protected green beside the one that it conflicts with."""
    found = [
        (i, g)
        for i, stage in enumerate(case.plan.stages)
        for g, h in _orders(case.site)
        if stage.picture[g] == "r" and stage.picture[h] == "G"
    ]
    if not found:
        return None
    i, g = random.choice(found)
    picture = _with_lamp(case.plan.stages[i].picture, g, "G")
    return Planted("conflicting_greens", case.site, _changed(case, i, picture=picture))


def added_green_in_transition(case: Case, random: Random) -> Planted | None:
    """The same between two stages, beside a green that stays on."""
    found = [
        (i, k, g)
        for i, stage in enumerate(case.plan.stages)
        for k, interval in enumerate(stage.clearance)
        for g, h in _orders(case.site)
        if interval.picture[g] == "r" and interval.picture[h] == "G"
    ]
    if not found:
        return None
    i, k, g = random.choice(found)
    clearance = list(case.plan.stages[i].clearance)
    clearance[k] = replace(clearance[k], picture=_with_lamp(clearance[k].picture, g, "G"))
    plan = _changed(case, i, clearance=tuple(clearance))
    return Planted("conflicting_greens", case.site, plan)


def _turns_that_wait(case: Case) -> list[tuple[int, int, int]]:
    """Stages, and permitted groups g beside a protected group h that they conflict with."""
    return [
        (i, g, h)
        for i, stage in enumerate(case.plan.stages)
        for g, h in _orders(case.site)
        if stage.picture[g] == "g" and stage.picture[h] == "G"
    ]


def right_of_way_lost(case: Case, random: Random) -> Planted | None:
    """A turn with a permitted green is not known to give way any more."""
    found = _turns_that_wait(case)
    if not found:
        return None
    _, g, h = random.choice(found)
    junction = case.site.junction
    without = replace(junction, yields=junction.yields - {(g, h)})
    return Planted("conflicting_greens", replace(case.site, junction=without), case.plan)


def arrow_for_a_turn(case: Case, random: Random) -> Planted | None:
    """A permitted green becomes a protected one."""
    found = _turns_that_wait(case)
    if not found:
        return None
    i, g, _ = random.choice(found)
    picture = _with_lamp(case.plan.stages[i].picture, g, "G")
    return Planted("conflicting_greens", case.site, _changed(case, i, picture=picture))


def early_green(case: Case, random: Random) -> Planted | None:
    """A conflicting group turns green while the yellow still shows after a protected green."""
    found = [
        (i, h)
        for i, stage in enumerate(case.plan.stages)
        if stage.clearance
        for g, h in _orders(case.site)
        if stage.picture[g] == "G"
        and stage.clearance[0].picture[g] == "y"
        and stage.clearance[0].picture[h] == "r"
    ]
    if not found:
        return None
    i, h = random.choice(found)
    first, *rest = case.plan.stages[i].clearance
    early = replace(first, picture=_with_lamp(first.picture, h, "G"))
    plan = _changed(case, i, clearance=(early, *rest))
    return Planted("conflict_in_transition", case.site, plan)


# --- yellow and intergreen ------------------------------------------------------------------


def short_yellow(case: Case, random: Random) -> Planted | None:
    """A yellow of 1 or 2 s."""
    return _with_yellow(case, random, random.randint(1, 2))


def long_yellow(case: Case, random: Random) -> Planted | None:
    """A yellow of 6 to 9 s."""
    return _with_yellow(case, random, random.randint(6, 9))


def _with_yellow(case: Case, random: Random, seconds: int) -> Planted | None:
    found = _endings(case)
    if not found:
        return None
    i, _ = random.choice(found)
    first, *rest = case.plan.stages[i].clearance
    plan = _changed(case, i, clearance=(replace(first, duration_s=seconds), *rest))
    return Planted("yellow", case.site, plan)


def no_yellow(case: Case, random: Random) -> Planted | None:
    """One group goes from green to red at once."""
    found = _endings(case)
    if not found:
        return None
    i, g = random.choice(found)
    clearance = tuple(
        replace(c, picture=_with_lamp(c.picture, g, "r")) for c in case.plan.stages[i].clearance
    )
    return Planted("yellow", case.site, _changed(case, i, clearance=clearance))


def dark_yellow(case: Case, random: Random) -> Planted | None:
    """One group's lamps are switched off where its yellow should show."""
    found = _endings(case)
    if not found:
        return None
    i, g = random.choice(found)
    dark = random.choice("oO")
    clearance = tuple(
        replace(c, picture=_with_lamp(c.picture, g, dark)) if c.picture[g] == "y" else c
        for c in case.plan.stages[i].clearance
    )
    return Planted("yellow", case.site, _changed(case, i, clearance=clearance))


def no_clearance(case: Case, random: Random) -> Planted | None:
    """The clearance between two conflicting greens is left out."""
    found = [i for i, a, _ in _handovers(case) if a not in case.site.groups_on_foot]
    if not found:
        return None
    return Planted("intergreen", case.site, _changed(case, random.choice(found), clearance=()))


def geometry_asks_more(case: Case, random: Random) -> Planted | None:
    """A lane-to-lane conflict needs a second more than the clearance has."""
    found = _handovers(case)
    if not found:
        return None
    i, a, b = random.choice(found)
    given_s = case.plan.stages[i].clearance_s
    if a in case.site.groups_on_foot:
        given_s += max(0, _green_until(case.plan, i, a) - WALK_S)
    needed = {**case.site.intergreen_s, (a, b): given_s + 1}
    return Planted("intergreen", replace(case.site, intergreen_s=needed), case.plan)


def _green_until(plan: SignalPlan, stage_idx: int, group: int) -> int:
    """Seconds of green of a group that ends with this stage."""
    pictures = plan.pictures()
    end = plan.stage_start_s(stage_idx) + plan.stages[stage_idx].green_s
    length = 0
    while pictures[(end - 1 - length) % len(pictures)][group] in "Gg":
        length += 1
    return length


def second_of_all_red_lost(case: Case, random: Random) -> Planted | None:
    """The all-red that geometry asks for is a second too short."""
    found = [
        i
        for i, a, b in _handovers(case)
        if a not in case.site.groups_on_foot
        and len(case.plan.stages[i].clearance) == 2
        and case.plan.stages[i].clearance_s == case.site.intergreen_s.get((a, b), 0)
    ]
    if not found:
        return None
    i = random.choice(found)
    yellow, red = case.plan.stages[i].clearance
    rest = (replace(red, duration_s=red.duration_s - 1),) if red.duration_s > 1 else ()
    return Planted("intergreen", case.site, _changed(case, i, clearance=(yellow, *rest)))


# --- greens and reds ------------------------------------------------------------------------


def short_green(case: Case, random: Random) -> Planted | None:
    """A green of fewer than 5 s."""
    i = random.randrange(len(case.plan.stages))
    return Planted("min_green", case.site, _changed(case, i, green_s=random.randint(1, 4)))


def below_its_minimum(case: Case, random: Random) -> Planted | None:
    """A green below the stage's own minimum."""
    i = random.randrange(len(case.plan.stages))
    plan = _changed(case, i, min_green_s=case.plan.stages[i].green_s + random.randint(1, 5))
    return Planted("min_green", case.site, plan)


def flicker(case: Case, random: Random) -> Planted | None:
    """A group is green for a moment between two stages, and in neither of them."""
    stages = case.plan.stages
    found = [
        (i, g)
        for i, stage in enumerate(stages)
        for g in range(len(stage.picture))
        if stage.picture[g] == "r" == stages[(i + 1) % len(stages)].picture[g]
    ]
    if not found:
        return None
    i, g = random.choice(found)
    last = stages[i].clearance[-1].picture if stages[i].clearance else stages[i].picture
    moment = Interval(random.randint(1, 4), _with_lamp(last, g, "G"))
    rest = Interval(4, _with_lamp(last, g, "y"))
    plan = _changed(case, i, clearance=(*stages[i].clearance, moment, rest))
    return Planted("min_green", case.site, plan)


def long_green(case: Case, random: Random) -> Planted | None:
    """A green above the stage's maximum."""
    i = random.randrange(len(case.plan.stages))
    return Planted("max_green", case.site, _changed(case, i, green_s=random.randint(61, 90)))


def longer_crossing(case: Case, random: Random) -> Planted | None:
    """A crossing grows so long that its green does not last for it."""
    crossings = list(case.site.crossings)
    found = [
        i
        for i, crossing in enumerate(crossings)
        if any(s.picture[crossing.signal_group_idx] == "r" for s in case.plan.stages)
    ]
    if not found:
        return None
    i = random.choice(found)
    crossings[i] = replace(crossings[i], length_m=WALKING_MPS * 1000)
    return Planted("pedestrian_green", replace(case.site, crossings=tuple(crossings)), case.plan)


def hurried_crossing(case: Case, random: Random) -> Planted | None:
    """A stage of fewer seconds than the walk over a crossing that nothing else serves."""
    stages = case.plan.stages
    found = [
        (i, crossing)
        for crossing in case.site.crossings
        for i, stage in enumerate(stages)
        if stage.picture[crossing.signal_group_idx] != "r"
        and all(
            picture[crossing.signal_group_idx] == "r"
            for picture in {interval.picture for interval in case.plan.intervals()}
            if picture != stage.picture
        )
    ]
    if not found:
        return None
    i, crossing = random.choice(found)
    enough_s = WALK_S + crossing.length_m / WALKING_MPS
    plan = _changed(case, i, green_s=random.randint(5, int(enough_s - 0.01)), min_green_s=1)
    return Planted("pedestrian_green", case.site, plan)


def endless_red(case: Case, random: Random) -> Planted | None:
    """One stage so long that the others wait beyond all patience."""
    served = case.site.served_groups
    found = [i for i, s in enumerate(case.plan.stages) if any(s.picture[g] == "r" for g in served)]
    if not found:
        return None
    plan = _changed(case, random.choice(found), green_s=151, max_green_s=200)
    return Planted("max_red", case.site, plan)


def red_a_second_too_long(case: Case, random: Random) -> Planted | None:
    """A stage longer by just so much that a group waits a second more than it may."""
    plan = _with_red(case, random, LONGEST_RED_S + 1)
    return None if plan is None else Planted("max_red", case.site, plan)


def _with_red(case: Case, random: Random, seconds: int) -> SignalPlan | None:
    """The plan with a stage as long as makes a group that waits in it wait for so long."""
    pictures = case.plan.pictures()
    group = random.choice(case.site.served_groups)
    first_green = next((t for t, p in enumerate(pictures) if p[group] in "Gg"), None)
    found = [i for i, s in enumerate(case.plan.stages) if s.picture[group] == "r"]
    if first_green is None or not found:
        return None
    i = random.choice(found)
    start = case.plan.stage_start_s(i)
    red = 1
    while pictures[(start + red) % len(pictures)][group] not in "Gg":
        red += 1
    while pictures[(start - 1) % len(pictures)][group] not in "Gg":
        start -= 1
        red += 1
    green_s = case.plan.stages[i].green_s + seconds - red
    return _changed(case, i, green_s=green_s, max_green_s=200)


def starved_group(case: Case, random: Random) -> Planted | None:
    """A group that somebody waits at is red in every picture."""
    group = random.choice(case.site.served_groups)
    return Planted("movements_served", case.site, _everywhere(case.plan, group, "r"))


# --- the document ---------------------------------------------------------------------------


def doubled_stage(case: Case, random: Random) -> Planted | None:
    """A stage twice."""
    stages = list(case.plan.stages)
    stages.insert(random.randint(0, len(stages)), random.choice(stages))
    return Planted("stage_unique", case.site, replace(case.plan, stages=tuple(stages)))


def offset_out_of_cycle(case: Case, random: Random) -> Planted | None:
    """An offset of a whole cycle or more, or before zero."""
    cycle = case.plan.cycle_s
    offset = random.choice((cycle, cycle + random.randint(1, 99), -random.randint(1, 99)))
    return Planted("offset_range", case.site, replace(case.plan, offset_s=offset))


def offset_of_no_stage(case: Case, random: Random) -> Planted | None:
    """The offset refers to a stage that is not there."""
    plan = replace(case.plan, coordinated_stage_idx=len(case.plan.stages) + random.randint(0, 3))
    return Planted("coordinated_stage", case.site, plan)


def another_junction(case: Case, random: Random) -> Planted | None:
    """The plan of another junction."""
    plan = replace(case.plan, junction_id=f"not {case.plan.junction_id}")
    return Planted("right_junction", case.site, plan)


def strange_lamp(case: Case, random: Random) -> Planted | None:
    """A letter that is no lamp."""
    i = random.randrange(len(case.plan.stages))
    picture = _with_lamp(case.plan.stages[i].picture, 0, random.choice("xR1 绿"))
    return Planted("lamp_letters", case.site, _changed(case, i, picture=picture))


def missing_lamp(case: Case, random: Random) -> Planted | None:
    """A picture that is one group short."""
    i = random.randrange(len(case.plan.stages))
    plan = _changed(case, i, picture=case.plan.stages[i].picture[1:])
    return Planted("picture_length", case.site, plan)


def no_time(case: Case, random: Random) -> Planted | None:
    """A green of no seconds, or of negative or broken ones."""
    i = random.randrange(len(case.plan.stages))
    plan = _changed(case, i, green_s=random.choice((0, -5, 10.5, True)))
    return Planted("whole_seconds", case.site, plan)


def looser_limits(case: Case, random: Random) -> Planted | None:
    """A stage may be longer than in the plan in service."""
    i = random.randrange(len(case.plan.stages))
    plan = _changed(case, i, max_green_s=case.plan.stages[i].max_green_s + random.randint(1, 60))
    return Planted("green_limits_kept", case.site, plan)


def too_far_from_service(case: Case, random: Random) -> Planted | None:
    """An offset that moves by more than was allowed."""
    cycle = case.plan.cycle_s
    shift = random.randint(1, cycle - 1)
    plan = case.plan.with_offset(case.plan.offset_s + shift)
    limits = ChangeLimits(offset_s=min(shift, cycle - shift) - 1)
    return Planted("change_limits", case.site, plan, limits)


PLANTERS: tuple[Planter, ...] = (
    new_conflict,
    added_green,
    added_green_in_transition,
    right_of_way_lost,
    arrow_for_a_turn,
    early_green,
    short_yellow,
    long_yellow,
    no_yellow,
    dark_yellow,
    no_clearance,
    geometry_asks_more,
    second_of_all_red_lost,
    short_green,
    below_its_minimum,
    flicker,
    long_green,
    longer_crossing,
    hurried_crossing,
    endless_red,
    red_a_second_too_long,
    starved_group,
    doubled_stage,
    offset_out_of_cycle,
    offset_of_no_stage,
    another_junction,
    strange_lamp,
    missing_lamp,
    no_time,
    looser_limits,
    too_far_from_service,
)


# --- random edits ---------------------------------------------------------------------------


def edited(case: Case, random: Random) -> Case:
    """One to four edits at random, of the plan or of the junction: safe or not, nobody knows."""
    for _ in range(random.randint(1, 4)):
        case = random.choice(_EDITS)(case, random)
    return case


def _edit_intervals(case: Case, random: Random) -> Case:
    """One interval of one clearance dropped, changed, or added."""
    i = random.randrange(len(case.plan.stages))
    clearance = list(case.plan.stages[i].clearance)
    k = random.randint(0, len(clearance))
    change = random.randrange(4) if k < len(clearance) else 3
    if change == 0:
        clearance.pop(k)
    elif change == 1:
        clearance[k] = replace(clearance[k], duration_s=random.randint(1, 9))
    elif change == 2:
        clearance[k] = replace(clearance[k], picture=_redrawn(clearance[k].picture, random))
    else:
        picture = _redrawn(case.plan.stages[i].picture, random)
        clearance.insert(k, Interval(random.randint(1, 9), picture))
    return replace(case, plan=_changed(case, i, clearance=tuple(clearance)))


def _redrawn(picture: str, random: Random) -> str:
    for _ in range(random.randint(1, 3)):
        picture = _with_lamp(picture, random.randrange(len(picture)), random.choice("GgyruoOsY"))
    return picture


def _edit_end_of_cycle(case: Case, random: Random) -> Case:
    """A yellow that lasts from the end of the cycle into its first stage."""
    first, *middle = case.plan.stages
    last = middle.pop() if middle else first
    group = random.randrange(len(first.picture))
    yellow = Interval(random.randint(1, 4), _with_lamp(last.picture, group, "y"))
    last = replace(last, clearance=(*last.clearance, yellow))
    first = replace(first, picture=_with_lamp(first.picture, group, "y"))
    stages = (first, *middle, last)
    return replace(case, plan=replace(case.plan, stages=stages))


def _edit_red(case: Case, random: Random) -> Case:
    """A red of about the longest that is allowed."""
    if form(case.plan, case.site):
        return case
    plan = _with_red(case, random, LONGEST_RED_S + random.randint(-1, 1))
    return case if plan is None else replace(case, plan=plan)


def _edit_stage(case: Case, random: Random) -> Case:
    i = random.randrange(len(case.plan.stages))
    strange_s = random.choice((0, -1, 2.5, random.randint(1, 99)))
    changes: tuple[dict[str, object], ...] = (
        {"picture": _redrawn(case.plan.stages[i].picture, random)},
        {"green_s": random.randint(1, 99)},
        {"min_green_s": random.randint(1, 30)},
        {"max_green_s": random.randint(5, 99)},
        {"green_s": strange_s},
    )
    return replace(case, plan=_changed(case, i, **random.choice(changes)))


def _edit_sequence(case: Case, random: Random) -> Case:
    stages = list(case.plan.stages)
    change = random.randrange(4)
    if change == 0:
        random.shuffle(stages)
    elif change == 1:
        stages.insert(random.randint(0, len(stages)), random.choice(stages))
    elif change == 2 and len(stages) > 1:
        stages.pop(random.randrange(len(stages)))
    else:
        lamps = "".join(random.choice("GGgrrr") for _ in stages[0].picture)
        stages.append(Stage(lamps, random.randint(1, 40)))
    return replace(case, plan=replace(case.plan, stages=tuple(stages)))


def _edit_offset(case: Case, random: Random) -> Case:
    plan = replace(
        case.plan,
        offset_s=random.randint(-10, 200),
        coordinated_stage_idx=random.randint(0, len(case.plan.stages)),
    )
    return replace(case, plan=plan)


def _edit_right_of_way(case: Case, random: Random) -> Case:
    junction = case.site.junction
    if junction.signal_group_count < 2:
        return case
    a, b = random.sample(range(junction.signal_group_count), 2)
    if random.random() < 0.5:
        flipped = replace(junction, conflicts=junction.conflicts ^ {(min(a, b), max(a, b))})
    else:
        flipped = replace(junction, yields=junction.yields ^ {(a, b)})
    return replace(case, site=replace(case.site, junction=flipped))


def _edit_needs(case: Case, random: Random) -> Case:
    """A crossing or a required intergreen more."""
    site = case.site
    group = random.randrange(site.junction.signal_group_count)
    if random.random() < 0.5:
        crossing = Crossing(site.junction.junction_id, group, random.uniform(2.0, 40.0))
        return replace(case, site=replace(site, crossings=(*site.crossings, crossing)))
    other = random.randrange(site.junction.signal_group_count)
    needed = {**site.intergreen_s, (group, other): random.randint(0, 20)}
    return replace(case, site=replace(site, intergreen_s=needed))


_EDITS = (
    _edit_intervals,
    _edit_intervals,
    _edit_stage,
    _edit_stage,
    _edit_sequence,
    _edit_end_of_cycle,
    _edit_red,
    _edit_offset,
    _edit_right_of_way,
    _edit_needs,
)


# --- the two judges compared ----------------------------------------------------------------


@dataclass(frozen=True)
class Judged:
    """A plan with what the rules say of it, alone and against a plan in service."""

    plan: SignalPlan
    site: JunctionRulesInput
    in_service: SignalPlan
    alone: Sequence[Violation]
    compared: Sequence[Violation]


def judged(
    plan: SignalPlan,
    site: JunctionRulesInput,
    in_service: SignalPlan,
    limits: ChangeLimits | None = None,
) -> Judged:
    """Ask the rules, twice."""
    compared = violations(judge(plan, site, in_service, limits=limits))
    return Judged(plan, site, in_service, judge(plan, site), compared)


def disagreement(case: Judged) -> str:
    """What the rules and the second-by-second judge say differently; empty when they agree.

    Compared are rules and places, how far each limit is missed, and what is new or worse than in
    the plan in service.
    """
    told: dict[tuple[str, str], float] = {}
    for v in case.alone:
        told[v.rule, v.where] = max(v.shortfall, told.get((v.rule, v.where), 0.0))
    seen = findings(case.plan, case.site, DEFAULT_STANDARD)
    if told.keys() != seen.keys():
        return f"told only {set(told) - set(seen)}, seen only {set(seen) - set(told)}"
    far = [(key, told[key], seen[key]) for key in told if abs(told[key] - seen[key]) > 1e-9]
    if far:
        return f"limits missed by (told, seen) {far}"
    new = {(v.rule, v.where) for v in case.compared if v.rule != "change_limits"}
    worse = refused(seen, case.plan, case.site, case.in_service, DEFAULT_STANDARD)
    return "" if new == worse else f"refused: told only {new - worse}, seen only {worse - new}"


def unnoticed(planted: Planted, case: Case, found: Judged) -> str:
    """How a planted violation got past the rules, alone or against the valid plan in service."""
    rule = planted.rule
    if rule not in {v.rule for v in found.alone} and rule not in BY_COMPARISON:
        return f"{rule} not found"
    if rule not in {v.rule for v in found.compared} and planted.site == case.site:
        return f"{rule} excused although the plan in service is in order"
    if rule not in FORM_RULES and plan_from_dict(plan_to_dict(planted.plan)) != planted.plan:
        return "the document of the plan reads as another plan"
    return ""


def wrong_cycle_unnoticed(case: Case, random: Random) -> str:
    """The document of a plan whose splits miss the stated cycle by some seconds."""
    document = plan_to_dict(case.plan)
    document["cycle_s"] += random.choice((-1, 1)) * random.randint(1, 5)
    try:
        plan_from_dict(document)
    except DataRefused as refusal:
        return "" if "rule cycle_sum" in str(refusal) else f"refused as {refusal}"
    return "cycle_sum not found"


def trial(random: Random) -> tuple[int, list[str]]:
    """A valid plan, every planter and half as many random edits: plans judged, and what failed.

    Every other junction is one of a real map.
    """
    case = (made_case if random.random() < 0.5 else real_case)(random)
    failures = [
        *(f"valid plan refused: {violation}" for violation in judge(case.plan, case.site)),
        disagreement(judged(case.plan, case.site, case.plan)),
        wrong_cycle_unnoticed(case, random),
    ]
    count = 2
    for planted in (plant(case, random) for plant in PLANTERS):
        if planted is not None:
            count += 1
            found = judged(planted.plan, planted.site, case.plan, planted.limits)
            failures += [unnoticed(planted, case, found), disagreement(found)]
    for _ in range(len(PLANTERS) // 2):
        count += 1
        changed = edited(case, random)
        failures.append(disagreement(judged(changed.plan, changed.site, case.plan)))
    where = case.site.junction.junction_id
    return count, [f"{where}: {failure}" for failure in failures if failure]
