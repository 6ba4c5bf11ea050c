"""Roads of a UTDF file: nodes, links, the lanes at their ends and the movements from them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from network_data.importers.utdf.lanes import (
    MOST_LANES,
    TURNS,
    Cells,
    Lanes,
    Place,
    lanes_of_approach,
    number_of,
)
from network_data.importers.utdf.tables import (
    ByColumn,
    Records,
    UtdfTables,
    node_id,
    split_movement,
)
from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import Link, Turn

CURVE_POINTS = 9
"""Points of the shape of a link that the file bends (a cubic Bézier curve)."""
SIGNAL, EXTERNAL, BEND, SIGN, ROUNDABOUT = range(5)
"""TYPE of a node."""
DIGITS = 6
"""Decimals kept of metres and metres per second."""
_FOOT_M, _MILE_KM = 0.3048, 1.609344
_FURTHEST, _SHORTEST, _LONGEST, _SLOWEST, _FASTEST = 1e8, 0.01, 1e6, 0.1, 300
_DEFAULT_SPEED_KMH = 50.0
_MOST_PROBLEMS = 50
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Units:
    """Feet and miles per hour, or metres and km/h, as metres and metres per second."""

    metric: bool

    def metres(self, length: float) -> float:
        return round(length if self.metric else length * _FOOT_M, DIGITS)

    def speed_mps(self, speed: float) -> float:
        return round((speed if self.metric else speed * _MILE_KM) / 3.6, DIGITS)


def units_of(tables: UtdfTables, losses: LossReport) -> Units:
    """The units that the network settings name; feet where they name none."""
    told = tables.network.get("metric")
    if told not in ("0", "1"):
        what = "[Network] Metric: feet and miles per hour assumed"
        losses.note(Loss.GUESSED, what, "network")
    return Units(told == "1")


@dataclass(frozen=True, slots=True)
class Node:
    """A vertex of the graph, in metres; ``kind`` is ``SIGNAL``, ``EXTERNAL`` and so on."""

    node: str
    kind: int
    x: float
    y: float


def nodes_of(tables: UtdfTables, units: Units, source: Path, losses: LossReport) -> dict[str, Node]:
    """Every node by its id.

    Raises:
        DataRefused: nodes without a position, or with an odd id; all are listed.
    """
    found, problems = {}, []
    for node, records in tables.nodes.items():
        x, y = (number_of(records.get(key, "")) for key in ("x", "y"))
        if not _ID.fullmatch(node):
            problems.append(f"node id {node[:20]!r} is no plain number or word")
        elif x is None or y is None or max(abs(x), abs(y)) > _FURTHEST:
            problems.append(f"node {node} has no position")
        else:
            kind = _kind_of(node, records, losses)
            found[node] = Node(node, kind, units.metres(x), units.metres(y))
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        told = problems[:_MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise DataRefused(f"{source} is damaged", "correct the section [Nodes]", told)
    return found


def _kind_of(node: str, records: Records, losses: LossReport) -> int:
    kind = number_of(records.get("type", ""))
    if kind is None or kind not in range(5):
        losses.note(Loss.GUESSED, "[Nodes] TYPE: unsignalised", f"node {node}")
        told = "the node's type is unknown: taken as unsignalised"
        losses.to_fix(node, told, 0.3, "give its TYPE (0 for a signal)")
        return SIGN
    if kind == ROUNDABOUT:
        losses.note(Loss.GUESSED, "[Nodes] roundabout: a plain node", f"node {node}")
    return int(kind)


@dataclass(frozen=True, slots=True)
class Leg:
    """A link of the file: the traffic that comes to a node in one direction."""

    link_id: str
    up: str
    node: str
    direction: str
    records: Records


@dataclass(frozen=True, slots=True)
class Stream:
    """A movement of the file that can be driven, with its lanes."""

    leg: Leg
    column: str
    records: Records
    exit_id: str
    lanes: tuple[int, ...]
    own_lanes: tuple[int, ...]

    @property
    def turn(self) -> Turn:
        return TURNS[split_movement(self.column)[1]]

    @property
    def movement_id(self) -> str:
        return f"{self.leg.link_id}>{self.exit_id}"


@dataclass(frozen=True)
class Roads:
    """The roads between the nodes of a file; each answer is worked out, and noted, once."""

    tables: UtdfTables
    units: Units
    nodes: Mapping[str, Node]
    owner: Mapping[str, str]
    """Node -> the junction whose signal it belongs to."""
    losses: LossReport

    def place(self, node: str, column: str = "") -> Place:
        return Place(node, column, self.owner.get(node, node))

    @cached_property
    def legs(self) -> tuple[Leg, ...]:
        """The links of the file that have lanes and run between two of its nodes."""
        return tuple(sorted(self._legs(), key=lambda leg: leg.link_id))

    def _legs(self) -> Iterator[Leg]:
        taken: set[str] = set()
        for node, by_direction in self.tables.links.items():
            for direction, records in by_direction.items():
                up = node_id(records.get("upid", ""))
                if not up:
                    continue
                if node not in self.nodes or up not in self.nodes or up == node:
                    place = self.place(node, direction)
                    self.losses.note(Loss.DROPPED, "[Links] link between unknown nodes", str(place))
                    told = f"the {direction} link from node {up} cannot be: it is left out"
                    self.losses.to_fix(place.junction_id, told, 0.1, "correct Up ID")
                elif self._told_lanes(node, direction, records) != 0:
                    link_id = f"{up}_{node}"
                    while link_id in taken:
                        link_id += f"_{direction}"
                    taken.add(link_id)
                    yield Leg(link_id, up, node, direction, records)

    def _told_lanes(self, node: str, direction: str, records: Records) -> int | None:
        """Lanes as the link says; None: it does not."""
        if "lanes" not in records:
            return None
        cells = Cells("[Links]", self.losses)
        place = self.place(node, direction)
        return int(cells.number(records, "lanes", place, 1, 0, 2 * MOST_LANES))

    @cached_property
    def exits(self) -> Mapping[tuple[str, str], str]:
        """(from node, to node) -> link; the first where there are several."""
        found: dict[tuple[str, str], str] = {}
        for leg in self.legs:
            if found.setdefault((leg.up, leg.node), leg.link_id) != leg.link_id:
                what = "[Links] second link between the same nodes: no movement leads into it"
                self.losses.note(Loss.GUESSED, what, str(self.place(leg.node, leg.direction)))
                told = f"two links from node {leg.up}: movements lead into the first"
                junction_id = self.place(leg.node).junction_id
                self.losses.to_fix(junction_id, told, 0.5, "put a bend node into one of them")
        return found

    def movements_of(self, leg: Leg) -> ByColumn:
        """The records of every movement from a link that has a destination, by column."""
        return {
            column: records
            for column, records in self.tables.lanes.get(leg.node, {}).items()
            if column.startswith(leg.direction) and "destnode" in records
        }

    def _exit_of(self, leg: Leg, records: Records) -> str | None:
        return self.exits.get((leg.node, node_id(records["destnode"])))

    @cached_property
    def _read_lanes(self) -> Mapping[str, Lanes]:
        """The lanes at each link's end as the file tells them; a count of 0 where it does not."""
        return {leg.link_id: self._lanes(leg) for leg in self.legs}

    def _lanes(self, leg: Leg) -> Lanes:
        movements = self.movements_of(leg)
        place = self.place(leg.node, leg.direction)
        told = self._told_lanes(leg.node, leg.direction, leg.records)
        kind = self.nodes[leg.node].kind
        if not movements or kind in (EXTERNAL, BEND):
            return Lanes(told or 0, {})
        served = [c for c, records in movements.items() if self._exit_of(leg, records)]
        for column in movements.keys() - set(served):
            what = "[Lanes] movement to a node without a link to it"
            self.losses.note(Loss.DROPPED, what, str(place.at(column)))
            if any(number_of(movements[column].get(k, "0")) for k in ("lanes", "volume")):
                what = f"{column} leads to node {movements[column]['destnode']}, without a link"
                self.losses.to_fix(place.junction_id, what, 0.2, "correct Dest Node or the link")
        lanes = lanes_of_approach(movements, served, place, self.losses)
        if told not in (None, lanes.lane_count):
            what = "[Links] Lanes: the sum of the lane groups counts"
            self.losses.note(Loss.GUESSED, what, str(place))
        return lanes

    @cached_property
    def streams(self) -> Mapping[str, tuple[Stream, ...]]:
        """The movements from each link, in the file's order."""
        return {leg.link_id: tuple(self._streams(leg)) for leg in self.legs}

    def _streams(self, leg: Leg) -> Iterator[Stream]:
        lanes = self._read_lanes[leg.link_id]
        seen = set()
        for column, records in self.movements_of(leg).items():
            exit_id = self._exit_of(leg, records)
            if exit_id is None or column not in lanes.lanes_of:
                continue
            if exit_id in seen:
                place = self.place(leg.node, column)
                what = "[Lanes] second movement into the same link: left out"
                self.losses.note(Loss.DROPPED, what, str(place))
                told = f"{column} leads into the link of another movement: left out"
                self.losses.to_fix(place.junction_id, told, 0.3, "correct Dest Node")
                continue
            seen.add(exit_id)
            own = lanes.own_lanes[column]
            yield Stream(leg, column, records, exit_id, lanes.lanes_of[column], own)

    @cached_property
    def lanes(self) -> Mapping[str, Lanes]:
        """The lanes of each link; where nobody tells, as many as the widest movement into it."""
        into: dict[str, int] = {}
        for stream in (s for found in self.streams.values() for s in found):
            into[stream.exit_id] = max(into.get(stream.exit_id, 1), len(stream.lanes))
        found = dict(self._read_lanes)
        for leg in self.legs:
            if found[leg.link_id].lane_count == 0:
                what = "[Links] Lanes: as many as the widest movement into it"
                self.losses.note(Loss.GUESSED, what, str(self.place(leg.node, leg.direction)))
                found[leg.link_id] = Lanes(into.get(leg.link_id, 1), {})
        return found

    def whole_lanes(self, link_id: str) -> list[int]:
        """Lanes that run along the whole of a link; all, where each is a turn bay."""
        lanes = self.lanes[link_id]
        whole = [i for i in range(lanes.lane_count) if i not in lanes.bays]
        return whole or list(range(lanes.lane_count))

    @cached_property
    def links(self) -> Mapping[str, Link]:
        """The links of the model, by id."""
        return {leg.link_id: self._link(leg) for leg in self.legs}

    def _link(self, leg: Leg) -> Link:
        node, up = self.nodes[leg.node], self.nodes[leg.up]
        count = self.lanes[leg.link_id].lane_count
        name = leg.records.get("name", "")
        if not name:
            place = self.place(leg.node, leg.direction)
            self.losses.note(Loss.DEFAULTED, "[Links] Name: the link's id", str(place))
        what = "[Links] no road class in UTDF: unclassified"
        self.losses.note(Loss.DEFAULTED, what, leg.link_id)
        return Link(
            link_id=leg.link_id,
            from_node=leg.up,
            to_node=leg.node,
            length_m=self._length_m(leg, up, node),
            free_flow_speed_mps=self._free_flow_speed_mps(leg),
            lane_count=count,
            road_class="unclassified",
            name=name or leg.link_id,
            shape=self._shape(leg, up, node),
            car_lanes=tuple(range(count)),
            junction_id=self.owner.get(leg.node),
        )

    def _length_m(self, leg: Leg, up: Node, node: Node) -> float:
        place = self.place(leg.node, leg.direction)
        cells = Cells("[Links]", self.losses)
        length = cells.number(leg.records, "distance", place, 0.0, _SHORTEST, _LONGEST)
        if length > 0:
            return self.units.metres(length)
        self.losses.note(Loss.GUESSED, "[Links] Distance: straight between the nodes", str(place))
        return max(1.0, round(math.dist((up.x, up.y), (node.x, node.y)), DIGITS))

    def _free_flow_speed_mps(self, leg: Leg) -> float:
        place = self.place(leg.node, leg.direction)
        cells = Cells("[Links]", self.losses)
        speed = cells.number(leg.records, "speed", place, 0.0, _SLOWEST, _FASTEST)
        if speed > 0:
            return self.units.speed_mps(speed)
        what = f"[Links] Speed: {_DEFAULT_SPEED_KMH:g} km/h"
        self.losses.note(Loss.DEFAULTED, what, str(place))
        return round(_DEFAULT_SPEED_KMH / 3.6, DIGITS)

    def _shape(self, leg: Leg, up: Node, node: Node) -> tuple[Point, ...]:
        """The road's middle line: straight, or a Bézier curve with the file's two curve points.

        The point of a link lies near its end, the one of the reverse link near its beginning.
        """
        begin, end = (up.x, up.y), (node.x, node.y)
        if begin == end:
            what = "[Nodes] two linked nodes at one place: drawn 1 m apart"
            self.losses.note(Loss.GUESSED, what, str(self.place(leg.node, leg.direction)))
            return begin, (node.x + 1.0, node.y)
        here = self._curve_point(leg.records)
        there = [
            self._curve_point(records)
            for records in self.tables.links.get(leg.up, {}).values()
            if node_id(records.get("upid", "")) == leg.node
        ]
        bends = [*there[:1], here]
        control = [begin, *(point for point in bends if point is not None), end]
        return (begin, end) if len(control) == 2 else bezier(control, CURVE_POINTS)

    def _curve_point(self, records: Records) -> Point | None:
        x, y = (number_of(records.get(key, "")) for key in ("curveptx", "curvepty"))
        if x is None or y is None or max(abs(x), abs(y)) > _FURTHEST:
            return None
        return self.units.metres(x), self.units.metres(y)


def bezier(control: Sequence[Point], count: int) -> tuple[Point, ...]:
    """``count`` points of the Bézier curve with these control points, ends included."""
    found = []
    for i in range(count):
        t, points = i / (count - 1), list(control)
        while len(points) > 1:
            points = [
                ((1 - t) * a[0] + t * b[0], (1 - t) * a[1] + t * b[1]) for a, b in pairwise(points)
            ]
        found.append((round(points[0][0], DIGITS), round(points[0][1], DIGITS)))
    return tuple(found)
