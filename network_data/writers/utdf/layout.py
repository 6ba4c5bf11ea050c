"""A road network in UTDF's terms: numbered nodes, directions, lane groups, lamps by movement."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from network_data.importers.utdf.roads import CURVE_POINTS, bezier
from network_data.importers.utdf.tables import DIRECTIONS
from network_data.writers.utdf.approaches import (
    TURN_ORDER,
    Group,
    directions_of,
    groups_of_approach,
    heading_degrees,
)
from network_data.writers.utdf.phases import Encoded, Numbering, encode
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Junction,
    Link,
    Movement,
    RoadNetwork,
)
from traffic_brain.model.signals import Interval, SignalPlan

Point = tuple[float, float]
MOVEMENTS = tuple(direction + turn for direction in DIRECTIONS for turn in TURN_ORDER)
"""UTDF's movement columns, in their order."""
MOST_NODES = 8
"""Nodes that one controller can run."""
DIGITS, _FEW_DIGITS = 6, 4
_DRAWN_ALIKE_M = 1e-5
_MOST_DIGITS_OF_A_NODE = 9
_TO = " → "


@dataclass(frozen=True)
class UtdfNames:
    """The ids that a network gets in UTDF, by the ids it has."""

    nodes: Mapping[str, str]
    links: Mapping[str, str]
    junctions: Mapping[str, str]
    groups: Mapping[str, tuple[int, ...]]
    """By junction: the signal group whose lamps stand at each place of the new pictures."""
    plans: Mapping[str, tuple[str, ...]]
    """By junction: the plan ids that it has; UTDF counts the plans from 1 in this order."""


@dataclass(frozen=True)
class Leg:
    """A link as UTDF lists it; ``link`` is None where only a curve point is told."""

    up: str
    node: str
    direction: str
    link: Link | None
    reverse_of: Link | None = None


@dataclass(frozen=True)
class Layout:
    """A network as UTDF lists it; every part is worked out once."""

    network: RoadNetwork

    @cached_property
    def names(self) -> UtdfNames:
        """Every id as UTDF has it."""
        links = {}
        taken: set[str] = set()
        for leg in self.legs:
            if leg.link is not None:
                name = f"{leg.up}_{leg.node}"
                while name in taken:
                    name += f"_{leg.direction}"
                taken.add(name)
                links[leg.link.link_id] = name
        junctions = {j: self.node_numbers[js.node_ids[0]] for j, js in self.signals.items()}
        groups = {j: tuple(old for _, old in found) for j, found in self.lamps.items()}
        plans = {j: tuple(p.plan_id for p in js.plans) for j, js in self.signals.items()}
        return UtdfNames(self.node_numbers, links, junctions, groups, plans)

    @cached_property
    def signals(self) -> Mapping[str, Junction]:
        """Junctions that have a node of the network."""
        known = self.node_numbers.keys()
        return {
            j: replace(junction, node_ids=nodes)
            for j, junction in self.network.junctions.items()
            if (nodes := tuple(n for n in junction.node_ids if n in known)[:MOST_NODES])
        }

    @cached_property
    def node_numbers(self) -> Mapping[str, str]:
        """Node -> its INTID: its own id where all are numbers, else counted from 1."""
        links = self.network.links.values()
        nodes = {n for link in links for n in (link.from_node, link.to_node)}
        nodes |= {n for junction in self.network.junctions.values() for n in junction.node_ids}
        plain = all(
            n.isdecimal() and n == str(int(n)) != "0" and len(n) <= _MOST_DIGITS_OF_A_NODE
            for n in nodes
        )
        return {n: n if plain else str(i) for i, n in enumerate(sorted(nodes), start=1)}

    def movement_name(self, movement: Movement) -> str:
        """The id of a movement in UTDF: its two links."""
        ends = (movement.from_link, movement.to_link)
        return ">".join(self.names.links.get(link_id, link_id) for link_id in ends)

    def old_place(self, place: str) -> str:
        """A place named by UTDF's ids, as ``differences`` names it, by the network's own ids."""
        kind, _, told = place.partition(" ")
        if kind == "connection":
            ends = (self._old_places.get(f"link {end}", end) for end in told.split(_TO))
            return f"{kind} {_TO.join(end.removeprefix('link ') for end in ends)}"
        head, comma, tail = place.partition(", ")
        default = self._old_places.get(head, head) + comma + tail
        return self._old_places.get(place, default)

    @cached_property
    def _old_places(self) -> Mapping[str, str]:
        """Place in UTDF's ids -> in the network's, of links, movements, junctions and plans."""
        found = {f"link {new}": f"link {old}" for old, new in self.names.links.items()}
        for movement in self.network.movements.values():
            found[f"movement {self.movement_name(movement)}"] = f"movement {movement.movement_id}"
        for old, new in self.names.junctions.items():
            found[f"junction {new}"] = f"junction {old}"
            for plan_id, plan in zip(self.names.plans[old], self.plans[old], strict=True):
                place = f"junction {new}, plan {plan.plan_id}"
                found[place] = f"junction {old}, plan {plan_id}"
        return found

    # --- nodes and links ---

    @cached_property
    def positions(self) -> Mapping[str, Point]:
        """Where each node lies: its junction's place, else the mean of its links' ends."""
        ends: dict[str, list[Point]] = defaultdict(list)
        for link in self.network.links.values():
            ends[link.from_node].append(link.shape[0])
            ends[link.to_node].append(link.shape[-1])
        found = {n: _mean(points) for n, points in ends.items()}
        for junction in self.network.junctions.values():
            if len(junction.node_ids) == 1:
                found[junction.node_ids[0]] = (junction.x, junction.y)
            for node in junction.node_ids:
                found.setdefault(node, (junction.x, junction.y))
        return found

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """The links into every node with their directions, in the file's order."""
        into: dict[str, list[Link]] = defaultdict(list)
        for link in self.network.links.values():
            into[link.to_node].append(link)
        bare: dict[str, list[Link]] = defaultdict(list)
        pairs = {(link.from_node, link.to_node) for link in self.network.links.values()}
        for link in self.network.links.values():
            if link.link_id in self.curves and (link.to_node, link.from_node) not in pairs:
                bare[link.from_node].append(link)
        return tuple(
            leg for node in self.node_numbers for leg in self._legs_of(node, into[node], bare[node])
        )

    def _legs_of(self, node: str, links: Sequence[Link], bare: Sequence[Link]) -> Iterator[Leg]:
        phantoms = {f"back {b.link_id}": heading_degrees(b, at_end=False) + 180 for b in bare}
        directions = directions_of(links, self._ranks, phantoms)
        found = {link.link_id: link for link in links}
        back = {f"back {b.link_id}": b for b in bare}
        for key, direction in sorted(directions.items(), key=lambda d: DIRECTIONS.index(d[1])):
            other = found[key].from_node if key in found else back[key].to_node
            up, here = self.node_numbers[other], self.node_numbers[node]
            yield Leg(up, here, direction, found.get(key), back.get(key))

    @cached_property
    def _ranks(self) -> Mapping[str, int]:
        """Link -> its first signal group, counted through all nodes of the junction."""
        found: dict[str, int] = {}
        for c in self.network.connections:
            if c.signal_group_idx != NO_SIGNAL:
                found[c.from_link] = min(c.signal_group_idx, found.get(c.from_link, 1 << 30))
        return found

    @cached_property
    def curves(self) -> Mapping[str, tuple[Point, Point]]:
        """Curve points (near the beginning, near the end) of links that are Bézier curves."""
        return {
            link.link_id: points
            for link in self.network.links.values()
            if (points := _curve_points(link.shape)) is not None
        }

    # --- movements and lamps ---

    @cached_property
    def groups(self) -> Mapping[str, list[Group]]:
        """The lane groups of every link, from left to right."""
        leaving: dict[str, list[Connection]] = defaultdict(list)
        entered: dict[str, set[int]] = defaultdict(set)
        for c in self.network.connections:
            leaving[c.from_link].append(c)
            entered[c.to_link].add(c.to_lane_idx)
        links = self.network.links
        return {
            link_id: groups_of_approach(link, leaving[link_id], links, frozenset(entered[link_id]))
            for link_id, link in links.items()
        }

    @cached_property
    def lamps(self) -> Mapping[str, list[tuple[Group, int]]]:
        """By junction: its movements in UTDF's order, with the signal group that each has now."""
        by_node: dict[str, list[tuple[str, Group]]] = defaultdict(list)
        for leg in self.legs:
            if leg.link is not None:
                for group in self.groups[leg.link.link_id]:
                    by_node[leg.node].append((leg.direction + group.turn_name, group))
        found: dict[str, list[tuple[Group, int]]] = {}
        for junction_id, junction in self.signals.items():
            found[junction_id] = [
                (group, idx)
                for node in junction.node_ids
                for _, group in sorted(
                    by_node[self.node_numbers[node]], key=lambda g: MOVEMENTS.index(g[0])
                )
                if (idx := _lamp(group, junction_id)) != NO_SIGNAL
            ]
        return found

    @cached_property
    def encoded(self) -> Mapping[str, tuple[list[Encoded | None], Numbering]]:
        """The plans of every junction as phases."""
        found = {}
        for junction_id, junction in self.signals.items():
            in_service = junction.plan_in_service is not None
            plans = self.plans[junction_id] if in_service else ()
            found[junction_id] = encode(plans, len(self.lamps[junction_id]))
        return found

    @cached_property
    def plans(self) -> Mapping[str, tuple[SignalPlan, ...]]:
        """The plans of every junction with UTDF's ids and signal groups."""
        return {
            junction_id: tuple(
                replace(self._plan(plan), plan_id=str(number))
                for number, plan in enumerate(junction.plans, start=1)
            )
            for junction_id, junction in self.signals.items()
        }

    def _plan(self, plan: SignalPlan) -> SignalPlan:
        groups = [idx for _, idx in self.lamps[plan.junction_id]]

        def picture(old: str) -> str:
            return "".join(old[idx] if idx < len(old) else "r" for idx in groups)

        stages = tuple(
            replace(
                stage,
                picture=picture(stage.picture),
                clearance=tuple(
                    Interval(i.duration_s, picture(i.picture)) for i in stage.clearance
                ),
            )
            for stage in plan.stages
        )
        name = self.node_numbers[self.signals[plan.junction_id].node_ids[0]]
        return replace(plan, junction_id=name, stages=stages)


def _lamp(group: Group, junction_id: str) -> int:
    """The signal group of a movement: that of its first connection under this signal."""
    idxs = [c.signal_group_idx for c in group.connections if c.junction_id == junction_id]
    return min((idx for idx in idxs if idx != NO_SIGNAL), default=NO_SIGNAL)


def _mean(points: Sequence[Point]) -> Point:
    return (
        sum(x for x, _ in points) / len(points),
        sum(y for _, y in points) / len(points),
    )


def _curve_points(shape: Sequence[Point]) -> tuple[Point, Point] | None:
    """The inner control points of the cubic Bézier curve that a shape samples, if it is one."""
    if len(shape) != CURVE_POINTS:
        return None
    begin, end = shape[0], shape[-1]
    i, j = CURVE_POINTS // 2 - 1, CURVE_POINTS // 2 + 1
    (a, b), (c, d) = (_weights(k / (CURVE_POINTS - 1)) for k in (i, j))
    first, second = [], []
    for axis in (0, 1):
        rests = [
            shape[k][axis] - (1 - t) ** 3 * begin[axis] - t**3 * end[axis]
            for k, t in ((i, i / (CURVE_POINTS - 1)), (j, j / (CURVE_POINTS - 1)))
        ]
        first.append((rests[0] * d - b * rests[1]) / (a * d - b * c))
        second.append((a * rests[1] - c * rests[0]) / (a * d - b * c))
    for digits in (_FEW_DIGITS, DIGITS):  # points given in feet have few decimals in metres
        near = (round(first[0], digits), round(first[1], digits))
        far = (round(second[0], digits), round(second[1], digits))
        drawn = bezier([begin, near, far, end], CURVE_POINTS)
        if all(math.dist(p, q) < _DRAWN_ALIKE_M for p, q in zip(drawn, shape, strict=True)):
            return near, far
    return None


def _weights(t: float) -> Point:
    """Weights of the inner control points of a cubic Bézier curve."""
    return 3 * (1 - t) ** 2 * t, 3 * (1 - t) * t**2
