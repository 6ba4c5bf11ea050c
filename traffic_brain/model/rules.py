"""The rules that judge every signal plan: one pure function per rule, no solver, no simulator.

A rule yields a :class:`Violation` for each place where a plan breaks it. :func:`judge` applies
all of them. Conflicts come from geometry (``Junction.conflicts``), never from a plan.

Many plans in service break a rule already. A finding that the plan in service has too, at the
same place and at least as badly, is kept with severity ``inherited``: shown, but no reason to
refuse a plan that leaves it as it is. Anything new, or worse than before, is a ``violation``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

from traffic_brain.model.lamps import (
    LETTERS,
    OPEN_KINDS,
    STOP,
    Clearance,
    Conflict,
    Pair,
    clearances,
    conflicts,
    distinct_pictures,
    greens,
    runs,
    shortest,
    yellows_after_green,
)
from traffic_brain.model.network import NO_SIGNAL, Connection, Crossing, Junction
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import (
    DEFAULT_STANDARD,
    SafetyStandard,
    pedestrian_green_s,
)

if TYPE_CHECKING:
    from traffic_brain.model.network import RoadNetwork


class Severity(StrEnum):
    """VIOLATION: refuse the plan. INHERITED: the plan in service has it too, no better."""

    VIOLATION = "violation"
    INHERITED = "inherited"


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule broken at one place of one plan."""

    rule: str
    junction_id: str
    where: str
    detail: str
    shortfall: float = 1.0
    """How far the limit is missed (seconds, or 1 where there is no size)."""
    severity: Severity = Severity.VIOLATION

    def __str__(self) -> str:
        return f"rule {self.rule}, junction {self.junction_id}, {self.where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class JunctionRulesInput:
    """All that the rules need to know of one junction."""

    junction: Junction
    crossings: tuple[Crossing, ...] = ()
    movements: tuple[tuple[int, ...], ...] | None = None
    """Signal groups of each movement; None: unknown, every group must be served."""
    merges: frozenset[Pair] = frozenset()
    """Conflicts (a < b) whose paths only run together into one link, and never cross."""
    intergreen_s: Mapping[Pair, int] = field(default_factory=dict)
    """``RoadNetwork.intergreens_s`` of the junction: asked by geometry; may be empty."""

    def __hash__(self) -> int:
        """Equal ones are of one junction; a mapping inside would not hash."""
        return hash(self.junction.junction_id)

    @property
    def pedestrian_groups(self) -> frozenset[int]:
        return frozenset(c.signal_group_idx for c in self.crossings)

    @property
    def groups_on_foot(self) -> frozenset[int]:
        """Groups that serve crossings and no vehicle: they need no yellow."""
        driven = {g for groups in self.movements or () for g in groups}
        return self.pedestrian_groups - driven

    @property
    def served_groups(self) -> tuple[int, ...]:
        """Groups that somebody waits at: movements and crossings, in rising order."""
        if self.movements is None:
            return tuple(range(self.junction.signal_group_count))
        used = {g for groups in self.movements for g in groups if g != NO_SIGNAL}
        return tuple(sorted(used | self.pedestrian_groups))


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """How far a plan may move from the plan in service, in seconds; None: as far as it likes."""

    green_s: int | None = None
    cycle_s: int | None = None
    offset_s: int | None = None


def rules_inputs(network: RoadNetwork) -> dict[str, JunctionRulesInput]:
    """What the rules need of every junction, by junction id."""
    crossings: dict[str, list[Crossing]] = {j: [] for j in network.junctions}
    for crossing in network.crossings:
        crossings[crossing.junction_id].append(crossing)
    connections: dict[str, list[Connection]] = {j: [] for j in network.junctions}
    for connection in network.connections:
        if connection.junction_id is not None and connection.signal_group_idx != NO_SIGNAL:
            connections[connection.junction_id].append(connection)
    return {
        junction_id: JunctionRulesInput(
            junction,
            tuple(crossings[junction_id]),
            tuple(m.signal_group_idxs for m in network.movements_at[junction_id]),
            _merges(junction, connections[junction_id]),
            network.intergreens_s.get(junction_id, {}),
        )
        for junction_id, junction in network.junctions.items()
    }


def _merges(junction: Junction, connections: Sequence[Connection]) -> frozenset[Pair]:
    exits: dict[int, set[str]] = {}
    for c in connections:
        exits.setdefault(c.signal_group_idx, set()).add(c.to_link)
    return frozenset(
        (a, b)
        for a, b in junction.conflicts
        if len(exits.get(a, ())) == 1 and exits.get(a) == exits.get(b)
    )


# --- the plan as a document ---------------------------------------------------------------


def whole_seconds(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """There is a stage, and every green and clearance interval lasts 1 s or more, in whole s."""
    if not plan.stages:
        yield _violation("whole_seconds", site, "plan", "has no stage")
    for i, stage in enumerate(plan.stages):
        for seconds in (stage.green_s, *(c.duration_s for c in stage.clearance)):
            if type(seconds) is not int or seconds < 1:
                yield _violation(
                    "whole_seconds", site, f"stage {i}", f"{seconds} s is not a whole second >= 1"
                )


def lamp_letters(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """Pictures hold known lamp letters only."""
    for picture in distinct_pictures(plan):
        strange = sorted(set(picture) - LETTERS)
        if strange:
            yield _violation(
                "lamp_letters", site, f"picture {picture!r}", f"unknown letters {strange}"
            )


def picture_length(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """Every picture has one letter per signal group of the junction."""
    count = site.junction.signal_group_count
    for picture in distinct_pictures(plan):
        if len(picture) != count:
            yield _violation(
                "picture_length",
                site,
                f"picture {picture!r}",
                f"{len(picture)} letters for {count} signal groups",
            )


def right_junction(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """The plan is made for the junction it is judged at."""
    if plan.junction_id != site.junction.junction_id:
        yield _violation("right_junction", site, "plan", f"made for {plan.junction_id}")


def offset_range(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """0 <= offset < cycle, a whole number."""
    if type(plan.offset_s) is not int or not 0 <= plan.offset_s < plan.cycle_s:
        yield _violation(
            "offset_range",
            site,
            "plan",
            f"offset {plan.offset_s} s is not in [0, {plan.cycle_s}) s",
        )


def coordinated_stage(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """The offset refers to a stage that exists."""
    if plan.coordinated_stage_idx not in range(len(plan.stages)):
        yield _violation(
            "coordinated_stage",
            site,
            "plan",
            f"stage {plan.coordinated_stage_idx} of {len(plan.stages)} stages",
        )


def cycle_sum(junction_id: str, splits_s: Sequence[int], cycle_s: int) -> Iterator[Violation]:
    """Splits sum to the cycle that the document states (a plan in memory has no other cycle)."""
    if sum(splits_s) != cycle_s:
        yield Violation(
            "cycle_sum",
            junction_id,
            "plan",
            f"splits {'+'.join(map(str, splits_s))} sum to {sum(splits_s)} s, not {cycle_s} s",
        )


# --- the timing on the street -------------------------------------------------------------


def stage_unique(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """No stage comes twice in a cycle; a stage is known by its lamp picture."""
    pictures = [stage.picture for stage in plan.stages]
    for picture in dict.fromkeys(pictures):
        count = pictures.count(picture)
        if count > 1:
            yield _violation(
                "stage_unique", site, f"stage {picture}", f"comes {count} times", count - 1
            )


def conflicting_greens(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """Conflicting groups are never green together, unless one is permitted and gives way."""
    for conflict in _conflicts(plan, site):
        if not conflict.in_yellow:
            yield _violation(
                "conflicting_greens",
                site,
                _place(conflict),
                "paths conflict, both are green, and no permitted green gives way",
            )


def conflict_in_transition(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """No group is green while a conflicting group still shows the yellow after its green."""
    for conflict in _conflicts(plan, site):
        if conflict.in_yellow:
            yield _violation(
                "conflict_in_transition",
                site,
                _place(conflict),
                "paths conflict, one is green while the other still has yellow",
            )


def yellow(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> Iterator[Violation]:
    """A vehicle group goes from green to red through 3 to 5 s of yellow."""
    for group in sorted(set(range(site.junction.signal_group_count)) - site.groups_on_foot):
        seconds = yellows_after_green(plan, group)
        if not seconds:
            continue
        too_short = standard.yellow_min_s - min(seconds)
        too_long = max(seconds) - standard.yellow_max_s
        if too_short > 0:
            detail = f"{min(seconds)} s of yellow after green, not {standard.yellow_min_s} s"
            yield _violation("yellow", site, f"group {group}, too short", detail, too_short)
        if too_long > 0:
            detail = f"{max(seconds)} s of yellow after green, above {standard.yellow_max_s} s"
            yield _violation("yellow", site, f"group {group}, too long", detail, too_long)


def intergreen(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> Iterator[Violation]:
    """From the end of a green to a conflicting green: the shortest yellow, or what geometry asks.

    People on foot have no yellow: theirs ends with a flashing green in which nobody starts any
    more, so that what a green lasts beyond the walk counts as time to clear.
    """
    on_foot = site.groups_on_foot
    worst: dict[Pair, tuple[int, int, int]] = {}
    for clearance in _clearances(plan, site):
        pair, seconds, required = clearance.pair, clearance.length_s, 0
        if pair[0] in on_foot:
            seconds += max(0, clearance.green_s - ceil(standard.walk_s))
        else:
            required = standard.yellow_min_s
        required = max(required, site.intergreen_s.get(pair, 0))
        found = (required - seconds, seconds, required)
        worst[pair] = max(found, worst.get(pair, found))
    for pair, (shortfall, seconds, required) in worst.items():
        if shortfall > 0:
            yield _violation(
                "intergreen",
                site,
                f"group {pair[0]} to group {pair[1]}",
                f"{seconds} s, {required} s required",
                shortfall,
            )


def min_green(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> Iterator[Violation]:
    """Every stage is green for its own minimum, and for the standard's.

    A green that shows between stages only, in their clearance, lasts for the standard's as well.
    """
    for stage in plan.stages:
        required = max(stage.min_green_s, standard.green_min_s)
        if stage.green_s < required:
            yield _violation(
                "min_green",
                site,
                f"stage {stage.picture}",
                f"{stage.green_s} s of green, {required} s required",
                required - stage.green_s,
            )
    cycle = plan.cycle_s
    starts = [plan.stage_start_s(i) for i in range(len(plan.stages))]
    for group in range(site.junction.signal_group_count):
        between = [
            run.length_s
            for run in greens(plan, group)
            if all((start - run.start_s) % cycle >= run.length_s for start in starts)
        ]
        least = min(between, default=standard.green_min_s)
        if least < standard.green_min_s:
            yield _violation(
                "min_green",
                site,
                f"group {group} between stages",
                f"{least} s of green, {standard.green_min_s} s required",
                standard.green_min_s - least,
            )


def max_green(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """No stage is green for longer than its own maximum."""
    for stage in plan.stages:
        if stage.green_s > stage.max_green_s:
            yield _violation(
                "max_green",
                site,
                f"stage {stage.picture}",
                f"{stage.green_s} s of green, {stage.max_green_s} s allowed",
                stage.green_s - stage.max_green_s,
            )


def pedestrian_green(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> Iterator[Violation]:
    """Every green of a crossing lasts for the walk and the way across: 7 + L/v."""
    for crossing in site.crossings:
        group = crossing.signal_group_idx
        required = pedestrian_green_s(crossing.length_m, standard)
        least = min((run.length_s for run in greens(plan, group)), default=required)
        if least < required:
            yield _violation(
                "pedestrian_green",
                site,
                f"crossing of group {group}",
                f"{least} s of green for {crossing.length_m:.1f} m, {required:.1f} s required",
                required - least,
            )


def max_red(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> Iterator[Violation]:
    """Nobody waits longer than the standard's longest red."""
    cycle = plan.cycle_s
    for group in site.served_groups:
        closed = [r.length_s for r in runs(plan, group, OPEN_KINDS) if r.kind == STOP]
        longest = max(closed, default=0)
        if standard.red_max_s < longest < cycle:
            yield _violation(
                "max_red",
                site,
                f"group {group}",
                f"{longest} s without green, {standard.red_max_s} s allowed",
                longest - standard.red_max_s,
            )


def movements_served(plan: SignalPlan, site: JunctionRulesInput) -> Iterator[Violation]:
    """Every group that a movement or a crossing waits at may go at some time of the cycle."""
    for group in site.served_groups:
        if all(run.kind == STOP for run in runs(plan, group, OPEN_KINDS)):
            yield _violation("movements_served", site, f"group {group}", "never gets green")


# --- against the plan in service ----------------------------------------------------------


def intergreen_kept(
    plan: SignalPlan, site: JunctionRulesInput, in_service: SignalPlan
) -> Iterator[Violation]:
    """No clearance is shorter than the plan in service gives directly for that ordered pair.

    Also where a short stage lies within it. A direct change that the plan in service never makes
    gets its longest direct clearance: the city has shown no shorter one to be enough for it.
    """
    given = _given(in_service, site)
    longest = max(given.values(), default=0)
    indirect = shortest(c for c in _clearances(in_service, site) if not c.direct)
    worst: dict[Pair, tuple[int, int, int]] = {}
    for clearance in _clearances(plan, site):
        pair, seconds = clearance.pair, clearance.length_s
        required = given.get(pair, longest if clearance.direct else 0)
        if not clearance.direct:
            required = min(required, indirect.get(pair, required))
        found = (required - seconds, seconds, required)
        worst[pair] = max(found, worst.get(pair, found))
    for pair, (shortfall, seconds, required) in worst.items():
        if shortfall > 0:
            yield _violation(
                "intergreen",
                site,
                f"group {pair[0]} to group {pair[1]}",
                f"{seconds} s, the plan in service gives {required} s",
                shortfall,
            )


def least_clearances_s(
    site: JunctionRulesInput,
    in_service: SignalPlan,
    standard: SafetyStandard = DEFAULT_STANDARD,
) -> dict[Pair, int]:
    """What a direct change from a group's green to a conflicting one must last at least, in s.

    By ordered pair: what the plan in service gives, whatever geometry asks; for a change that it
    never makes, the longest of all it gives, or more where geometry or the yellow asks for more.
    Vehicles that keep to these break the rule ``intergreen`` in no direct change.
    """
    given = _given(in_service, site)
    longest = max(given.values(), default=0)
    pairs = (p for a, b in site.junction.conflicts for p in ((a, b), (b, a)))
    return {
        pair: given[pair]
        if pair in given
        else max(longest, standard.yellow_min_s, site.intergreen_s.get(pair, 0))
        for pair in pairs
    }


def green_limits_kept(
    plan: SignalPlan, site: JunctionRulesInput, in_service: SignalPlan
) -> Iterator[Violation]:
    """A stage's limits of green are not looser than in the plan in service."""
    before = {stage.picture: stage for stage in in_service.stages}
    for stage in plan.stages:
        old = before.get(stage.picture, stage)
        if stage.min_green_s < old.min_green_s or stage.max_green_s > old.max_green_s:
            yield _violation(
                "green_limits_kept",
                site,
                f"stage {stage.picture}",
                f"limits {stage.min_green_s}-{stage.max_green_s} s are looser than "
                f"{old.min_green_s}-{old.max_green_s} s in service",
            )


def change_limits(
    plan: SignalPlan, site: JunctionRulesInput, in_service: SignalPlan, limits: ChangeLimits
) -> Iterator[Violation]:
    """Greens, cycle and offset move no further from the plan in service than allowed.

    Offsets are compared round the cycle, and only where both cycles are the same.
    """
    before = {stage.picture: stage.green_s for stage in in_service.stages}
    moved: list[tuple[str, int, int | None]] = [
        (f"green of {s.picture}", abs(s.green_s - before.get(s.picture, s.green_s)), limits.green_s)
        for s in plan.stages
    ]
    moved.append(("cycle", abs(plan.cycle_s - in_service.cycle_s), limits.cycle_s))
    if plan.cycle_s == in_service.cycle_s:
        shift = (plan.offset_s - in_service.offset_s) % plan.cycle_s
        moved.append(("offset", min(shift, plan.cycle_s - shift), limits.offset_s))
    for what, seconds, allowed in moved:
        if allowed is not None and seconds > allowed:
            yield _violation(
                "change_limits", site, what, f"moves by {seconds} s, {allowed} s allowed"
            )


# --- the judge ----------------------------------------------------------------------------

PlanRule = Callable[[SignalPlan, JunctionRulesInput], Iterator[Violation]]
StandardRule = Callable[[SignalPlan, JunctionRulesInput, SafetyStandard], Iterator[Violation]]

SHAPE_RULES: tuple[PlanRule, ...] = (whole_seconds, lamp_letters, picture_length)
"""A plan that breaks one of these cannot be read as a sequence of lamps."""
PLACE_RULES: tuple[PlanRule, ...] = (right_junction, offset_range, coordinated_stage)
LAMP_RULES: tuple[PlanRule, ...] = (
    stage_unique,
    conflicting_greens,
    conflict_in_transition,
    max_green,
    movements_served,
)
STANDARD_RULES: tuple[StandardRule, ...] = (
    yellow,
    intergreen,
    min_green,
    pedestrian_green,
    max_red,
)
RULE_NAMES: tuple[str, ...] = (
    *(rule.__name__ for rule in (*SHAPE_RULES, *PLACE_RULES)),
    "cycle_sum",
    *(rule.__name__ for rule in (*LAMP_RULES, *STANDARD_RULES)),
    "green_limits_kept",
    "change_limits",
)
"""Every rule, in the order in which findings are listed."""


def judge(
    plan: SignalPlan,
    site: JunctionRulesInput,
    in_service: SignalPlan | None = None,
    standard: SafetyStandard = DEFAULT_STANDARD,
    limits: ChangeLimits | None = None,
) -> list[Violation]:
    """Every rule that ``plan`` breaks at the junction, in the order of ``RULE_NAMES``.

    With ``in_service``, findings that it has too, at the same place and no smaller, come with
    severity ``inherited``; the plan in service judged against itself has no ``violation``.
    """
    shape = _shape_problems(plan, site)
    placed = [v for rule in PLACE_RULES for v in rule(plan, site)]
    if shape:
        return shape + (placed if plan.stages else [])
    found = _timing_findings(plan, site, standard)
    if in_service is None or _shape_problems(in_service, site):
        return placed + found
    before: dict[tuple[str, str], float] = {}
    for v in _findings_in_service(in_service, site, standard):
        before[v.rule, v.where] = max(v.shortfall, before.get((v.rule, v.where), 0.0))
    found = [_with_history(v, before.get((v.rule, v.where), 0.0)) for v in found]
    known = {(v.rule, v.where) for v in found if v.severity is Severity.VIOLATION}
    compared = [
        *intergreen_kept(plan, site, in_service),
        *green_limits_kept(plan, site, in_service),
        *change_limits(plan, site, in_service, limits or ChangeLimits()),
    ]
    found += [v for v in compared if (v.rule, v.where) not in known]
    return placed + sorted(found, key=lambda v: RULE_NAMES.index(v.rule))


def violations(found: Iterable[Violation]) -> list[Violation]:
    """Those findings that refuse a plan."""
    return [v for v in found if v.severity is Severity.VIOLATION]


def outcome(found: Iterable[Violation]) -> dict[str, str]:
    """What became of each rule: ``pass``, ``inherited`` or ``violation``."""
    results = dict.fromkeys(RULE_NAMES, "pass")
    for v in found:
        if results[v.rule] != Severity.VIOLATION:
            results[v.rule] = v.severity.value
    return results


def retimable(
    site: JunctionRulesInput,
    plan: SignalPlan | None = None,
    standard: SafetyStandard = DEFAULT_STANDARD,
) -> list[str]:
    """Why a junction must be held until somebody has mended its plan; empty: go ahead.

    Asked of the plan in service (``plan``, else the one registered at the junction), and before
    deployment of the new plan once more. Held are junctions without a readable plan, with
    conflicting greens of which none gives way (unless both are protected, their paths only merge,
    and one is known to give way), or with a green that ends without any yellow. Other inherited
    findings are shown but do not hold a junction.
    """
    plan = plan or site.junction.plan_in_service
    if plan is None:
        return ["no fixed plan in service could be read"]
    shape = _shape_problems(plan, site)
    if shape:
        return [str(v) for v in shape]
    reasons = [
        f"rule {_conflict_rule(conflict)}, {_place(conflict)}: paths conflict and neither gives way"
        for conflict in conflicts(plan, site.junction)
        if not _harmless_merge(site, *conflict.pair)
    ]
    return reasons + [
        f"rule {v.rule}, {v.where}: {v.detail}"
        for v in yellow(plan, site, standard)
        if v.shortfall >= standard.yellow_min_s
    ]


def _harmless_merge(site: JunctionRulesInput, a: int, b: int) -> bool:
    gives_way = (a, b) in site.junction.yields or (b, a) in site.junction.yields
    return gives_way and (a, b) in site.merges


def _shape_problems(plan: SignalPlan, site: JunctionRulesInput) -> list[Violation]:
    return [v for rule in SHAPE_RULES for v in rule(plan, site)]


def _timing_findings(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> list[Violation]:
    found = [v for rule in LAMP_RULES for v in rule(plan, site)]
    return found + [v for rule in STANDARD_RULES for v in rule(plan, site, standard)]


# A search judges thousands of plans of one junction against the same plan in service, and several
# rules ask the same of a plan.


@lru_cache(maxsize=8192)
def _findings_in_service(
    plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard
) -> tuple[Violation, ...]:
    return tuple(_timing_findings(plan, site, standard))


@lru_cache(maxsize=8192)
def _given(in_service: SignalPlan, site: JunctionRulesInput) -> Mapping[Pair, int]:
    """The shortest direct clearance of each ordered pair."""
    return shortest(c for c in clearances(in_service, site.junction) if c.direct)


@lru_cache(maxsize=64)
def _clearances(plan: SignalPlan, site: JunctionRulesInput) -> tuple[Clearance, ...]:
    return tuple(clearances(plan, site.junction))


@lru_cache(maxsize=64)
def _conflicts(plan: SignalPlan, site: JunctionRulesInput) -> tuple[Conflict, ...]:
    return tuple(conflicts(plan, site.junction))


def _with_history(found: Violation, shortfall_before: float) -> Violation:
    if shortfall_before < found.shortfall:
        return found
    detail = f"{found.detail} (the plan in service: no better)"
    return replace(found, severity=Severity.INHERITED, detail=detail)


def _conflict_rule(conflict: Conflict) -> str:
    rule = conflict_in_transition if conflict.in_yellow else conflicting_greens
    return rule.__name__


def _place(conflict: Conflict) -> str:
    a, b = conflict.pair
    return f"groups {a} and {b} in picture {conflict.picture}"


def _violation(
    rule: str, site: JunctionRulesInput, where: str, detail: str, shortfall: float = 1.0
) -> Violation:
    return Violation(rule, site.junction.junction_id, where, detail, shortfall)
