"""What can be wrong with a road network: one function per rule, all problems told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from traffic_brain.model.network import NO_SIGNAL, RoadNetwork


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


def links_have_size(network: RoadNetwork) -> Findings:
    """Length, speed and lane count of every link are above zero."""
    for link in network.links.values():
        sizes = (link.length_m, link.free_flow_speed_mps, link.lane_count)
        if not all(size > 0 for size in sizes):
            length_m, speed_mps, lanes = sizes
            yield f"link {link.link_id}", f"is {length_m} m, {speed_mps} m/s, {lanes} lanes"


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
    """Links and junction of every movement exist, and something can flow."""
    for m in network.movements.values():
        unknown = [link for link in (m.from_link, m.to_link) if link not in network.links]
        if m.junction_id not in network.junctions:
            unknown.append(m.junction_id)
        if unknown:
            yield f"movement {m.movement_id}", f"needs {', '.join(unknown)}, not there"
        if not m.saturation_flow_vph > 0:
            yield f"movement {m.movement_id}", "has no saturation flow"


def plans_fit_their_junction(network: RoadNetwork) -> Findings:
    """Every lamp picture of a plan in service has one letter per signal group."""
    for junction in network.junctions.values():
        plan = junction.plan_in_service
        lengths = {len(i.picture) for i in plan.intervals()} if plan else set()
        if lengths - {junction.signal_group_count}:
            where, groups = f"junction {junction.junction_id}", junction.signal_group_count
            letters = ", ".join(map(str, sorted(lengths)))
            yield where, f"has {groups} signal groups, but pictures of {letters} letters"


def junctions_were_understood(network: RoadNetwork) -> Findings:
    """The importer had nothing to say against the junction."""
    for junction in network.junctions.values():
        for problem in junction.problems:
            yield f"junction {junction.junction_id}", problem


RULES: tuple[Callable[[RoadNetwork], Findings], ...] = (
    links_have_size,
    connections_join_known_lanes,
    connections_have_their_lamp,
    movements_are_known,
    plans_fit_their_junction,
    junctions_were_understood,
)
