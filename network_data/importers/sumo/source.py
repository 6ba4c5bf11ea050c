"""A SUMO network file as records, every value checked, and what we leave unread counted.

Nothing is interpreted here: lanes, connections and right-of-way rules stand as the file has
them. A file that SUMO itself could not use is refused with all its problems; attributes and
elements that have no place in our tables are noted with their places.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import (
    UNREADABLE,
    check_depth,
    describe_unreadable,
    open_xml,
)
from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused

MAX_GROUPS = 10_000
"""More lamps than any junction has: a larger ``linkIndex`` is damage, not a signal."""
MAX_REQUESTS = 1_024
"""Of one vertex: four times what SUMO itself allows."""
MAX_LANES = 1_000
LARGEST_M = 1e8
"""No coordinate on earth is larger in any metric projection."""
FASTEST_MPS = 1_000.0
SUMO_LANE_WIDTH_M = 3.2
PROBLEMS_SHOWN = 20
NORMAL = ""
CROSSING = "crossing"
WALKING_AREA = "walkingarea"
SIGNAL_TAGS = frozenset({"tlLogic", "WAUT", "wautJunction"})
_ON_RAILS = frozenset(
    {*("tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car")}
)
_FUNCTIONS = frozenset({NORMAL, CROSSING, WALKING_AREA, "internal", "connector"})
_NOT_A_NETWORK = "give the .net.xml file that netconvert or netedit wrote"
_READ: Mapping[str, frozenset[str]] = {
    "edge": frozenset({"id", "from", "to", "name", "type", "function", "shape", "length"}),
    "lane": frozenset({"id", "index", "allow", "disallow", "speed", "length", "shape", "width"}),
    "junction": frozenset({"id", "name", "type", "x", "y", "incLanes", "intLanes"}),
    "request": frozenset({"index", "response", "foes"}),
    "connection": frozenset(
        {*("from", "to", "fromLane", "toLane", "via", "tl", "linkIndex", "linkIndex2", "dir")}
    ),
    "net": frozenset({"version"}),
    "location": frozenset(),
}
"""Attributes that arrive in our tables, or that others we read make superfluous."""

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class NetLane:
    """A ``<lane>``; ``cars``: open to passenger cars; ``rails``: to trains or trams only."""

    lane_id: str
    idx: int
    speed_mps: float
    length_m: float
    width_m: float
    shape: tuple[Point, ...]
    cars: bool
    rails: bool


@dataclass(frozen=True, slots=True)
class NetEdge:
    """An ``<edge>``: a road, or (``function``) a piece of a junction's inside."""

    edge_id: str
    function: str
    from_node: str
    to_node: str
    name: str
    road_class: str
    lanes: tuple[NetLane, ...]


@dataclass(frozen=True, slots=True)
class NetConnection:
    """A ``<connection>`` of two lanes; ``tl`` is empty where no lamp controls it."""

    from_edge: str
    from_lane_idx: int
    to_edge: str
    to_lane_idx: int
    via: str
    direction: str
    tl: str
    link_idx: int
    second_link_idx: int | None

    @property
    def place(self) -> str:
        return f"{self.from_edge}_{self.from_lane_idx} > {self.to_edge}_{self.to_lane_idx}"


@dataclass(frozen=True, slots=True)
class NetRequest:
    """A ``<request>``: one bit for every request of the vertex.

    Bit i of ``foes`` is set where request i is met, of ``response`` where it has right of way.
    """

    idx: int
    foes: int
    response: int


@dataclass(frozen=True, slots=True)
class NetNode:
    """A ``<junction>``: a graph vertex."""

    node_id: str
    name: str
    kind: str
    x: float
    y: float
    incoming_lanes: tuple[str, ...]
    requests: tuple[NetRequest, ...]


@dataclass(frozen=True)
class SumoNet:
    """All of a network file that we read; mappings and tuples are in the order of the file."""

    edges: Mapping[str, NetEdge]
    nodes: Mapping[str, NetNode]
    connections: tuple[NetConnection, ...]
    made_by: str = ""
    """The head comment, in which netconvert and netedit say what they made the file of."""

    @cached_property
    def roads(self) -> tuple[NetEdge, ...]:
        """Edges that are roads, by id."""
        return tuple(self.edges[e] for e in sorted(self.edges) if not self.edges[e].function)

    @cached_property
    def connections_from(self) -> Mapping[str, tuple[NetConnection, ...]]:
        """Connections by the id of the lane they leave."""
        found: dict[str, list[NetConnection]] = defaultdict(list)
        for c in self.connections:
            found[self.edges[c.from_edge].lanes[c.from_lane_idx].lane_id].append(c)
        return {lane_id: tuple(listed) for lane_id, listed in found.items()}

    @cached_property
    def lanes(self) -> Mapping[str, tuple[NetEdge, NetLane]]:
        """Every lane with its edge, by lane id."""
        return {lane.lane_id: (e, lane) for e in self.edges.values() for lane in e.lanes}


def read_source(net: Path, losses: LossReport) -> SumoNet:
    """Read a ``.net.xml`` or ``.net.xml.gz``.

    Raises:
        DataRefused: missing, truncated, damaged, not a SUMO network, or one with values or
            references that SUMO could not use; with all problems, the first twenty in full.
    """
    if not net.is_file():
        raise DataRefused(f"there is no network file {net}", "check the path")
    draft = _Draft(losses)
    try:
        with open_xml(net) as source:
            _feed(source, draft)
    except UNREADABLE as error:
        raise DataRefused(
            f"{net}: {describe_unreadable(error)}", "export or copy the network again"
        ) from error
    return draft.finished(net)


def _feed(source: object, draft: _Draft) -> None:
    """Give the children of the root to the draft, one at a time, and forget them."""
    depth = 0
    root: ET.Element | None = None
    for event, element in ET.iterparse(source, events=("start", "end", "comment")):  # type: ignore[call-overload]
        if event == "comment":
            draft.take_comment(element.text or "")
        elif event == "start":
            if root is None:
                root = element
                draft.take_root(element)
            depth += 1
            check_depth(depth)
        else:
            depth -= 1
            if depth == 1 and root is not None:
                draft.take(element)
                root.clear()


@dataclass
class _Draft:
    """What has been read so far, and what is wrong with it."""

    losses: LossReport
    edges: dict[str, NetEdge] = field(default_factory=dict)
    nodes: dict[str, NetNode] = field(default_factory=dict)
    connections: list[NetConnection] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    made_by: str = ""
    root_tag: str = ""

    def take_comment(self, text: str) -> None:
        self.made_by = self.made_by or text

    def take_root(self, root: ET.Element) -> None:
        self.root_tag = root.tag
        _note_attributes(root, "net", "net", self.losses)

    def take(self, element: ET.Element) -> None:
        """One child of the root."""
        takers: Mapping[str, Callable[[ET.Element], None]] = {
            "edge": self._take_edge,
            "junction": self._take_node,
            "connection": self._take_connection,
            "location": self._take_location,
        }
        if element.tag in takers:
            takers[element.tag](element)
        elif element.tag not in SIGNAL_TAGS:
            self.losses.note(Loss.DROPPED, f"element <{element.tag}>", place_of(element))

    def _take_location(self, element: ET.Element) -> None:
        _note_attributes(element, "location", "net", self.losses)

    def _take_edge(self, element: ET.Element) -> None:
        fields = Fields(element, self.problems)
        function = fields.text("function", "")
        function = NORMAL if function == "normal" else function
        what = "edge" if function == NORMAL else f"{function} edge"
        if function not in _FUNCTIONS:
            fields.problem(f"function {function!r} is unknown")
        lanes = []
        for child in element:
            if child.tag == "lane":
                lanes.append(self._lane(child, what))
            else:
                _note_child(child, element, what, self.losses)
        edge = NetEdge(
            edge_id=fields.text("id"),
            function=function,
            from_node=fields.text("from", None if function == NORMAL else ""),
            to_node=fields.text("to", None if function == NORMAL else ""),
            name=fields.text("name", ""),
            road_class=fields.text("type", ""),
            lanes=_in_order(lanes, function),
        )
        _note_attributes(element, "edge", edge.edge_id, self.losses, what)
        if not lanes or [lane.idx for lane in edge.lanes] != list(range(len(lanes))):
            fields.problem("lanes are not numbered 0, 1, 2 …")
        if edge.edge_id in self.edges:
            fields.problem("comes twice")
        self.edges[edge.edge_id] = edge

    def _lane(self, element: ET.Element, edge_kind: str) -> NetLane:
        fields = Fields(element, self.problems)
        allowed = set(element.get("allow", "").split())
        lane = NetLane(
            lane_id=fields.text("id"),
            idx=fields.whole("index", 0, MAX_LANES),
            speed_mps=fields.number("speed", 0.0, FASTEST_MPS),
            length_m=fields.number("length", 0.0, LARGEST_M),
            width_m=fields.number("width", 0.0, FASTEST_MPS, SUMO_LANE_WIDTH_M),
            shape=fields.points("shape"),
            cars=open_to_cars(element.get("allow"), element.get("disallow")),
            rails=bool(allowed) and allowed <= _ON_RAILS,
        )
        kind = edge_kind.replace("edge", "lane")
        _note_attributes(element, "lane", lane.lane_id, self.losses, kind)
        if edge_kind == "edge" and (element.get("allow") or element.get("disallow")):
            self.losses.note(
                Loss.DROPPED, "lane permissions of other classes than cars", lane.lane_id
            )
        for child in element:
            _note_child(child, element, kind, self.losses)
        return lane

    def _take_node(self, element: ET.Element) -> None:
        fields = Fields(element, self.problems)
        requests = []
        for child in element:
            if child.tag == "request":
                requests.append(self._request(child, element))
            else:
                _note_child(child, element, "junction", self.losses)
        node = NetNode(
            node_id=fields.text("id"),
            name=fields.text("name", ""),
            kind=fields.text("type", ""),
            x=fields.number("x", -LARGEST_M, LARGEST_M),
            y=fields.number("y", -LARGEST_M, LARGEST_M),
            incoming_lanes=tuple(element.get("incLanes", "").split()),
            requests=tuple(requests),
        )
        _note_attributes(element, "junction", node.node_id, self.losses)
        if node.kind == "internal":
            return  # where a turning vehicle waits inside a junction: no vertex of the graph
        if node.node_id in self.nodes:
            fields.problem("comes twice")
        self.nodes[node.node_id] = node

    def _request(self, element: ET.Element, node: ET.Element) -> NetRequest:
        fields = Fields(element, self.problems, f"request of junction {node.get('id')!r}")
        _note_attributes(element, "request", node.get("id", ""), self.losses)
        return NetRequest(
            fields.whole("index", 0, MAX_REQUESTS - 1), fields.bits("foes"), fields.bits("response")
        )

    def _take_connection(self, element: ET.Element) -> None:
        fields = Fields(element, self.problems)
        tl = fields.text("tl", "")
        if tl and element.get("linkIndex") == "-1":
            self.losses.note(Loss.DROPPED, "connection at a signal that has no lamp for it", tl)
            tl = ""
        connection = NetConnection(
            from_edge=fields.text("from"),
            from_lane_idx=fields.whole("fromLane", 0, MAX_LANES),
            to_edge=fields.text("to"),
            to_lane_idx=fields.whole("toLane", 0, MAX_LANES),
            via=fields.text("via", ""),
            direction=fields.text("dir", ""),
            tl=tl,
            link_idx=fields.whole("linkIndex", 0, MAX_GROUPS - 1) if tl else -1,
            second_link_idx=(
                fields.whole("linkIndex2", 0, MAX_GROUPS - 1)
                if tl and element.get("linkIndex2")
                else None
            ),
        )
        _note_attributes(element, "connection", connection.place, self.losses)
        for child in element:
            _note_child(child, element, "connection", self.losses)
        self.connections.append(connection)

    def finished(self, net: Path) -> SumoNet:
        """The network, once its parts have been proved to fit together."""
        if self.root_tag != "net":
            raise DataRefused(
                f"{net} is not a SUMO network (it is a <{self.root_tag}> file)", _NOT_A_NETWORK
            )
        if not any(edge.function == NORMAL for edge in self.edges.values()):
            self.problems.append("holds no links")
        if not self.problems:
            self._check_references()
        if self.problems:
            shown = self.problems[:PROBLEMS_SHOWN]
            more = len(self.problems) - len(shown)
            raise DataRefused(
                f"{net} is not a SUMO network that can be used",
                _NOT_A_NETWORK,
                [*shown, f"and {more} more"] if more else shown,
            )
        return SumoNet(self.edges, self.nodes, tuple(self.connections), self.made_by)

    def _check_references(self) -> None:
        for edge in self.edges.values():
            self.problems += [
                f"edge {edge.edge_id!r}: junction {node!r} is not there"
                for node in (edge.from_node, edge.to_node)
                if edge.function == NORMAL and node not in self.nodes
            ]
        lane_ids: dict[str, str] = {}
        for edge in self.edges.values():
            for lane in edge.lanes:
                if lane_ids.setdefault(lane.lane_id, edge.edge_id) != edge.edge_id:
                    self.problems.append(f"lane {lane.lane_id!r}: comes twice")
        for c in self.connections:
            ends = ((c.from_edge, c.from_lane_idx), (c.to_edge, c.to_lane_idx))
            self.problems += [
                f"connection {c.place}: lane {idx} of edge {edge_id!r} is not there"
                for edge_id, idx in ends
                if edge_id not in self.edges or idx >= len(self.edges[edge_id].lanes)
            ]


class Fields:
    """The attributes of an element as checked values; what is wrong goes to ``problems``."""

    def __init__(self, element: ET.Element, problems: list[str], place: str = "") -> None:
        self._element = element
        self._problems = problems
        self._place = place

    def problem(self, what: str) -> None:
        """Record that something is wrong with this element."""
        place = self._place or f"{self._element.tag} {place_of(self._element)!r}"
        self._problems.append(f"{place}: {what}")

    def text(self, name: str, default: str | None = None) -> str:
        """A text; without ``default`` it must be there and must not be empty."""
        value = self._element.get(name)
        if value:
            return value
        if default is None:
            self.problem(f"has no {name}")
            return ""
        return default

    def number(self, name: str, least: float, most: float, default: float | None = None) -> float:
        """A finite number from ``least`` to ``most``."""
        text = self._element.get(name)
        if not text and default is not None:
            return default
        try:
            value = float(text or "")
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            self.problem(f"{name} = {_short(text)} is no number from {least:g} to {most:g}")
            return least
        return value

    def whole(self, name: str, least: int, most: int) -> int:
        """A whole number from ``least`` to ``most``."""
        text = self._element.get(name)
        try:
            value = int(text or "")
        except ValueError:
            value = least - 1
        if not least <= value <= most:
            self.problem(f"{name} = {_short(text)} is no whole number from {least} to {most}")
            return least
        return value

    def points(self, name: str) -> tuple[Point, ...]:
        """A line ``x,y x,y …`` of two points or more (a height is left out)."""
        text = self._element.get(name)
        try:
            found = tuple(_point(pair) for pair in (text or "").split())
        except ValueError:
            found = ()
        if len(found) < 2:
            self.problem(f"{name} = {_short(text)} is no line")
        return found

    def bits(self, name: str) -> int:
        """A row of 0 and 1 as a number; SUMO writes index 0 at the right."""
        text = self._element.get(name, "")
        if not text or set(text) - {"0", "1"} or len(text) > MAX_GROUPS:
            self.problem(f"{name} = {_short(text)} is no row of 0 and 1")
            return 0
        return int(text, 2)


def _point(text: str) -> Point:
    x, y, *_ = (float(part) for part in text.split(","))
    if not (abs(x) <= LARGEST_M and abs(y) <= LARGEST_M):
        raise ValueError(text)
    return x, y


def _short(text: str | None) -> str:
    return repr(text) if text is None or len(text) <= 40 else f"{text[:40]!r}…"


def _in_order(lanes: list[NetLane], function: str) -> tuple[NetLane, ...]:
    """Lanes by index; inside junctions SUMO counts them as they stand in the file."""
    if function == NORMAL:
        return tuple(sorted(lanes, key=lambda lane: lane.idx))
    return tuple(replace(lane, idx=idx) for idx, lane in enumerate(lanes))


def open_to_cars(allow: str | None, disallow: str | None) -> bool:
    """Whether a lane with these permissions is one that cars drive on."""
    if allow:
        return bool({"all", "passenger"} & set(allow.split()))
    return not {"all", "passenger"} & set((disallow or "").split())


def place_of(element: ET.Element) -> str:
    """What tells an element from its like: its id, its ends, or what it is made of."""
    if element.get("id"):
        return element.attrib["id"]
    if element.get("from"):
        return f"{element.attrib['from']} > {element.get('to', '')}"
    return next((value for value in element.attrib.values() if value), element.tag)


def _note_attributes(
    element: ET.Element, tag: str, place: str, losses: LossReport, what: str = ""
) -> None:
    for name in element.attrib.keys() - _READ[tag]:
        if not name.startswith("{"):  # where the file's schema lies
            losses.note(Loss.DROPPED, f"attribute {name} of <{what or tag}>", place)


def _note_child(child: ET.Element, parent: ET.Element, what: str, losses: LossReport) -> None:
    if child.tag == "param":
        losses.note(Loss.DROPPED, f"parameter {child.get('key', '')} of <{what}>", place_of(parent))
    else:
        losses.note(Loss.DROPPED, f"element <{child.tag}> of <{what}>", place_of(parent))
