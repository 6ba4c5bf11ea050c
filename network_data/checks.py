"""What can be wrong with a road network: one function per rule, all problems told at once.

Whether a signal plan is safe is for :mod:`traffic_brain.model.rules`; here it only has to fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

from network_data import schema
from network_data.loss_report import ToFix
from traffic_brain.model.lamps import OPEN_KINDS
from traffic_brain.model.network import (
    EVERY_LANE,
    NO_SIGNAL,
    Detector,
    GiveWay,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    SignalGroupKind,
)
from traffic_brain.model.signals import PlanWindow


@dataclass(frozen=True, slots=True)
class Problem:
    """A rule broken by one thing in the network."""

    rule: str
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where} {self.detail}"


def problems(network: RoadNetwork) -> list[Problem]:
    """Everything that breaks a rule of `RULES`, rule by rule."""
    return [
        Problem(rule.__name__, where, detail) for rule in RULES for where, detail in rule(network)
    ]


Findings = Iterator[tuple[str, str]]


def values_are_allowed(network: RoadNetwork) -> Findings:
    """Every value lies in the range that its declaration allows."""
    return schema.out_of_range(network)


def links_have_a_shape(network: RoadNetwork) -> Findings:
    """A link's line has two points or more, and its car lanes are among its lanes."""
    for link in network.links.values():
        if len(link.shape) < 2:
            yield f"link {link.link_id}", f"has a shape of {len(link.shape)} points"
        missing = [lane for lane in link.car_lanes if lane >= link.lane_count]
        if missing:
            yield f"link {link.link_id}", f"has {link.lane_count} lanes, but cars on {missing}"
        if link.junction_id is not None and link.junction_id not in network.junctions:
            yield f"link {link.link_id}", f"ends at junction {link.junction_id}, not there"


def connections_join_known_lanes(network: RoadNetwork) -> Findings:
    """Both ends of every connection are lanes that exist."""
    for c in network.connections:
        ends = ((c.from_link, c.from_lane_idx), (c.to_link, c.to_lane_idx))
        for link_id, lane_idx in ends:
            link = network.links.get(link_id)
            if link is None or not 0 <= lane_idx < link.lane_count:
                where = f"connection {c.from_link} → {c.to_link}"
                yield where, f"needs lane {lane_idx} of link {link_id}, not there"


def connections_have_their_lamp(network: RoadNetwork) -> Findings:
    """The signal group of every connection is one of its junction's."""
    for c in network.connections:
        if c.junction_id is None or c.signal_group_idx == NO_SIGNAL:
            continue
        junction = network.junctions.get(c.junction_id)
        if junction is None or not 0 <= c.signal_group_idx < junction.signal_group_count:
            where = f"connection {c.from_link} → {c.to_link}"
            yield where, f"has no signal group {c.signal_group_idx} at junction {c.junction_id}"


def movements_are_known(network: RoadNetwork) -> Findings:
    """Links, lanes, junction and signal groups of every movement exist."""
    for m in network.movements.values():
        unknown = list(_unknown_to(network, m))
        if unknown:
            yield f"movement {m.movement_id}", f"needs {', '.join(unknown)}, not there"
        if not m.lanes:
            yield f"movement {m.movement_id}", "departs from no lane"


def _unknown_to(network: RoadNetwork, m: Movement) -> Iterator[str]:
    yield from (f"link {link}" for link in (m.from_link, m.to_link) if link not in network.links)
    approach = network.links.get(m.from_link)
    if approach is not None:
        yield from (f"lane {lane}" for lane in m.lanes if lane >= approach.lane_count)
    junction = network.junctions.get(m.junction_id)
    if junction is None:
        yield f"junction {m.junction_id}"
        return
    count = junction.signal_group_count
    yield from (f"signal group {g}" for g in m.signal_group_idxs if g >= count)


def crossings_are_known(network: RoadNetwork) -> Findings:
    """Junction and signal group of every crossing exist."""
    for crossing in network.crossings:
        junction = network.junctions.get(crossing.junction_id)
        if junction is None or crossing.signal_group_idx >= junction.signal_group_count:
            where = f"junction {crossing.junction_id}"
            yield where, f"has a crossing of group {crossing.signal_group_idx}, not there"


def give_ways_are_of_turns(network: RoadNetwork) -> Findings:
    """Who gives way and who goes first take two turns of one vertex without lamps."""
    for row in network.give_ways:
        problem = give_way_problem(row, network.links, network.bare_turns)
        if problem:
            yield f"turn {row.from_link} → {row.to_link}", problem


def give_way_problem(
    row: GiveWay, links: Mapping[str, Link], bare_turns: Collection[tuple[str, str]]
) -> str:
    """What is wrong with a row of the right of way, or nothing; ``bare_turns``: without lamps."""
    one, first = row.links[:2], row.links[2:]
    if one == first:
        return "gives way to itself"
    for a, b in (one, first):
        if (a, b) not in bare_turns:
            return f"needs turn {a} → {b} without a lamp, not there"
    if links[row.from_link].to_node != links[row.first_from_link].to_node:
        return f"gives way to {row.first_from_link} → {row.first_to_link}, at another vertex"
    return ""


def groups_in_pairs_are_known(network: RoadNetwork) -> Findings:
    """Conflicts, yields and intergreens are pairs of groups that their junction has."""
    nothing: dict[tuple[int, int], int] = {}
    for junction in network.junctions.values():
        count = junction.signal_group_count
        pairs = (
            ("conflicts", junction.conflicts),
            ("yields", junction.yields),
            ("intergreens", network.intergreens_s.get(junction.junction_id, nothing)),
        )
        for what, listed in pairs:
            for a, b in sorted(p for p in listed if min(p) < 0 or max(p) >= count):
                yield f"junction {junction.junction_id}", f"names groups {a} and {b} in its {what}"
    for junction_id in network.intergreens_s:
        if junction_id not in network.junctions:
            yield f"junction {junction_id}", "has intergreens, but is not there"


def plans_fit_their_junction(network: RoadNetwork) -> Findings:
    """Plans are told apart by their names, and have one letter per signal group everywhere."""
    for junction in network.junctions.values():
        where, groups = f"junction {junction.junction_id}", junction.signal_group_count
        names = Counter(plan.plan_id for plan in junction.plans)
        for plan_id, count in names.items():
            if count > 1:
                yield where, f"has {count} plans of the name {plan_id}"
        for plan in junction.plans:
            if plan.junction_id != junction.junction_id:
                yield where, f"has plan {plan.plan_id} that is made for {plan.junction_id}"
            lengths = {len(i.picture) for i in plan.intervals()}
            if lengths - {groups}:
                letters = ", ".join(map(str, sorted(lengths)))
                yield where, f"has {groups} signal groups, but pictures of {letters} letters"


def plan_windows_name_plans(network: RoadNetwork) -> Findings:
    """Every window names a plan of its junction, ends after it begins, and overlaps no other."""
    by_junction: dict[str, list[PlanWindow]] = {}
    for window in network.plan_windows:
        by_junction.setdefault(window.junction_id, []).append(window)
    for junction_id, windows in by_junction.items():
        junction = network.junctions.get(junction_id)
        plans = () if junction is None else tuple(plan.plan_id for plan in junction.plans)
        for window in windows:
            where = f"junction {junction_id}, window {window.begin_s}-{window.end_s} s"
            if window.plan_id not in plans:
                yield where, f"needs plan {window.plan_id}, not there"
            if window.end_s <= window.begin_s:
                yield where, "ends before it begins"
            if not window.weekdays:
                yield where, "is for no day of the week"
        for a, b in combinations(windows, 2):
            same_day = not set(a.weekdays).isdisjoint(b.weekdays)
            if same_day and a.begin_s < b.end_s and b.begin_s < a.end_s:
                where = f"junction {junction_id}, windows of plans {a.plan_id} and {b.plan_id}"
                yield where, f"overlap from {max(a.begin_s, b.begin_s)} s on"


def detectors_lie_on_lanes(network: RoadNetwork) -> Findings:
    """Detectors are told apart by their names, and each lies on a lane that exists."""
    names = Counter(d.detector_id for d in network.detectors)
    for detector_id, count in names.items():
        if count > 1:
            yield f"detector {detector_id}", f"comes {count} times"
    for d in network.detectors:
        detail = _misplaced(network, d)
        if detail:
            yield f"detector {d.detector_id}", detail


def _misplaced(network: RoadNetwork, d: Detector) -> str:
    link = network.links.get(d.link_id)
    if link is None:
        return f"needs link {d.link_id}, not there"
    if d.lane_idx != EVERY_LANE and d.lane_idx >= link.lane_count:
        return f"needs lane {d.lane_idx} of link {d.link_id}, not there"
    if d.position_m > link.length_m:
        return f"lies at {d.position_m} m of a link of {link.length_m} m"
    return ""


def zones_are_known(network: RoadNetwork) -> Findings:
    """Every zone that a link or a junction names is there, and is an area."""
    for zone in network.zones.values():
        if len(zone.shape) < 3:
            yield f"zone {zone.zone_id}", f"has an outline of {len(zone.shape)} points"
    named: dict[str | None, str] = {}
    for link in network.links.values():
        named.setdefault(link.zone_id, f"link {link.link_id}")
    for junction in network.junctions.values():
        named.setdefault(junction.zone_id, f"junction {junction.junction_id}")
    for zone_id, where in named.items():
        if zone_id is not None and zone_id not in network.zones:
            yield where, f"lies in zone {zone_id}, not there"


def junctions_were_understood(network: RoadNetwork) -> Findings:
    """The importer had nothing to say against the junction."""
    for junction in network.junctions.values():
        for problem in junction.problems:
            yield f"junction {junction.junction_id}", problem


RULES: tuple[Callable[[RoadNetwork], Findings], ...] = (
    values_are_allowed,
    links_have_a_shape,
    connections_join_known_lanes,
    connections_have_their_lamp,
    movements_are_known,
    crossings_are_known,
    give_ways_are_of_turns,
    groups_in_pairs_are_known,
    plans_fit_their_junction,
    plan_windows_name_plans,
    detectors_lie_on_lanes,
    zones_are_known,
    junctions_were_understood,
)


# --- complete signals ---------------------------------------------------------------------


def missing_at(network: RoadNetwork, junction: Junction) -> list[str]:
    """What a signal lacks to be planned; empty: it is complete.

    A complete signal has approaches, a fixed plan in service in which every group that somebody
    waits at may go, and nothing that the importer did not understand. Ask only when nothing
    is `unsound`.
    """
    junction_id = junction.junction_id
    missing = list(junction.problems)
    if not network.approaches_at[junction_id]:
        missing.append("no approach: no car waits here")
    plan = junction.plan_in_service
    if plan is None:
        return [*missing, f"no fixed plan: control is {junction.control}"]
    may_go = {
        group
        for interval in plan.intervals()
        for group, lamp in enumerate(interval.picture)
        if lamp in OPEN_KINDS
    }
    kinds = {g.signal_group_idx: g.kind for g in network.signal_groups_at[junction_id]}
    dark = [g for g, kind in kinds.items() if kind != SignalGroupKind.UNUSED and g not in may_go]
    if dark:
        missing.append(f"groups {', '.join(map(str, dark))} never get green")
    return missing


def unsound(found: Iterable[Problem]) -> list[Problem]:
    """Problems of the network itself, not of what an importer did not understand."""
    return [p for p in found if p.rule != junctions_were_understood.__name__]


def to_fix(network: RoadNetwork) -> Iterator[ToFix]:
    """Every problem of a network and every signal that is not complete, for a person to mend."""
    found = unsound(problems(network))
    for problem in found:
        yield ToFix(problem.where, problem.detail, 0.0, "correct the source and import it again")
    if found:
        return
    for junction in network.junctions.values():
        missing = missing_at(network, junction)
        if missing:
            remedy = "complete it in the source and import it again; until then it is not retimed"
            yield ToFix(junction.junction_id, "; ".join(missing), 0.0, remedy)
