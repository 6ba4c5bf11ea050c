"""Nodes, links and movements of a GMNS folder as links and lane-to-lane connections.

An undirected link becomes two. Links for people on foot only are no links of ours; those that a
signal serves become its crossings. Where no movement is told for a node, every turn is made up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from network_data.importers.gmns.lanes import (
    MOST_LANES,
    LaneReader,
    Lanes,
    LinkEnd,
    Uses,
)
from network_data.importers.gmns.movements import Turning, TurningMaker, lane_ends
from network_data.importers.gmns.tables import Row, Tables, known_id, shown
from network_data.importers.gmns.units import (
    Point,
    Sample,
    Units,
    length_of,
    line_of,
    units_of,
)
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.network import Link

_NO_ID = re.compile(r"[\s|\\'\";,<>&]")
"""Letters that SUMO does not take in an id; nor does it take a colon at its beginning."""
_LONGEST_ID = 200
_FURTHEST, _LONGEST, _FASTEST_MPS = 1e8, 1e7, 100.0
_SHORTEST_M = 1.0
_DECISIVE = 0.5
"""A line that fits its nodes twice as well the other way round was drawn that way round."""
_CONTRADICTION = 2.0
"""Stated length over length of the line beyond which one of them must be wrong."""
_SIGNALS = ("signal", "traffic_signal", "traffic signal", "actuated", "pretimed", "signaliz")
_SPEEDS_KMH: Sequence[tuple[str, float]] = (
    ("motorway", 100.0),
    ("freeway", 100.0),
    ("expressway", 80.0),
    ("trunk", 80.0),
    ("residential", 30.0),
    ("local", 30.0),
    ("service", 20.0),
)
_DEFAULT_KMH = 50.0


@dataclass(frozen=True, slots=True)
class Node:
    """A vertex of the graph, in metres."""

    node_id: str
    x: float
    y: float
    row: Row

    @property
    def is_signal(self) -> bool:
        return is_signal(self.row.word("ctrl_type"))


def is_signal(word: str) -> bool:
    """Whether a control type in small letters names a signal (older files: 1)."""
    return word.startswith(_SIGNALS) or word in ("1", "1.0")


@dataclass(frozen=True, slots=True)
class Walk:
    """A link for people on foot."""

    row: Row
    line: tuple[Point, ...]
    """In metres; empty where none is told."""
    length_m: float
    vertices: tuple[str, ...]


@dataclass
class Roads:
    """The roads of a folder; ids are ours."""

    nodes: Mapping[str, Node]
    """By GMNS id."""
    links: dict[str, Link]
    turnings: list[Turning]
    walks: Mapping[str, Walk]
    """By GMNS id."""
    ours: Mapping[str, tuple[str, ...]]
    """GMNS link id -> our links: one, or both directions."""
    lanes: Mapping[str, Lanes]
    rows: Mapping[str, Row]
    """Row of each of our links."""
    units: Units
    vertex_of: Mapping[str, str]
    """GMNS node id -> our vertex."""
    reader: LaneReader


@dataclass
class Names:
    """Ids that every program takes; changed ones are noted."""

    losses: LossReport
    taken: set[str] = field(default_factory=set)

    def of(self, kind: str, text: str) -> str:
        """An id of ours for an id of the folder; never the same for two."""
        name = _NO_ID.sub("_", text[:_LONGEST_ID]).lstrip(":") or "_"
        plain = name
        for i in range(2, 1_000_000):
            if name not in self.taken:
                break
            name = f"{plain}_{i}"
        self.taken.add(name)
        if name != text:
            self.losses.note(Loss.GUESSED, f"{kind}: an id that had to be changed", shown(text))
        return name


def read_roads(tables: Tables) -> Roads:
    """The roads of a folder.

    Raises:
        DataRefused: nodes without a place, links between unknown nodes; all are listed.
    """
    coordinates = _coordinates(tables)
    drafts = _drafts(tables, coordinates)
    tables.refuse()
    units = units_of(tables, _sample(tables, coordinates, drafts))
    nodes = {n: Node(n, *units.plane.at(x, y), row) for n, (x, y, row) in coordinates.items()}
    return _Builder(tables, nodes, units, Uses.of(tables)).roads(drafts)


# --- as the folder has them -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Draft:
    """A row of ``link`` with its nodes and its line, in the folder's coordinates."""

    link_id: str
    from_node: str
    to_node: str
    line: list[Point]
    """Empty where none is told."""
    row: Row


def _coordinates(tables: Tables) -> dict[str, tuple[float, float, Row]]:
    found: dict[str, tuple[float, float, Row]] = {}
    quiet = Tables(tables.source, LossReport())  # a node without a place is told as a problem
    for row in tables["node"]:
        node_id = row["node_id"]
        x, y = (quiet.number(row, c, -_FURTHEST, _FURTHEST) for c in ("x_coord", "y_coord"))
        if not node_id:
            tables.problems.append(f"node.csv, line {row.line}: no node_id")
        elif x is None or y is None:
            tables.problems.append(f"{row.place} has no place (x_coord, y_coord)")
        else:
            found[node_id] = (x, y, row)
    return found


def _drafts(tables: Tables, nodes: Mapping[str, object]) -> list[_Draft]:
    lines = {row["geometry_id"]: row for row in tables["geometry"]}
    named = {row["node_id"]: None for row in tables["node"]}
    found = []
    for row in tables["link"]:
        ends = [known_id(row[c], nodes) for c in ("from_node_id", "to_node_id")]
        if not row["link_id"]:
            tables.problems.append(f"link.csv, line {row.line}: no link_id")
            continue
        from_node, to_node = ends
        if from_node is None or to_node is None:
            told = [row[c] for c in ("from_node_id", "to_node_id")]
            unknown = [shown(t) or "(none)" for t in told if known_id(t, named) is None]
            if unknown:  # a node without a place is told already
                tables.problems.append(f"{row.place} needs node {', '.join(unknown)}, not there")
            continue
        line = _line(tables, row, lines)
        found.append(_Draft(row["link_id"], from_node, to_node, line, row))
    if not found and not tables.problems:
        tables.problems.append("link.csv holds no link")
    return found


def _line(tables: Tables, row: Row, lines: Mapping[str, Row]) -> list[Point]:
    text = row["geometry"]
    if not text and row["geometry_id"]:
        geometry_id = known_id(row["geometry_id"], lines)
        text = lines[geometry_id]["geometry"] if geometry_id is not None else ""
        if not text:
            what = "link.geometry_id: no line under this id"
            tables.losses.note(Loss.DROPPED, what, row.place)
    if not text:
        return []
    found = line_of(text)
    if found is None or len(found) < 2:
        tables.losses.note(Loss.DROPPED, "link.geometry: no line", f"{row.place} ({shown(text)})")
        return []
    return found


def _sample(
    tables: Tables,
    nodes: Mapping[str, tuple[float, float, Row]],
    drafts: Iterable[_Draft],
) -> Sample:
    quiet = Tables(tables.source, LossReport())
    sample = Sample(points=[(x, y) for x, y, _ in nodes.values()])
    for draft in drafts:
        ends = [nodes[n][:2] for n in (draft.from_node, draft.to_node)]
        sample.lines.append(draft.line or ends)
        sample.lengths.append(quiet.number(draft.row, "length", 0.0, _LONGEST))
    return sample


# --- as we have them ------------------------------------------------------------------------


@dataclass
class _Builder:
    tables: Tables
    nodes: Mapping[str, Node]
    units: Units
    uses: Uses

    def __post_init__(self) -> None:
        losses = self.tables.losses
        self.reader = LaneReader(self.tables, self.uses, from_zero=_from_zero(self.tables))
        self.vertices, self.link_names = Names(losses), Names(losses)
        self.vertex_of = {n: self.vertices.of("node", n) for n in self.nodes}
        self.by_vertex = {self.vertex_of[n]: node for n, node in self.nodes.items()}
        self.walks: dict[str, Walk] = {}
        self.rows: dict[str, Row] = {}
        self.drawn: dict[str, tuple[_Draft, tuple[Point, ...], bool]] = {}
        self.ours: dict[str, tuple[str, ...]] = {}

    def roads(self, drafts: Sequence[_Draft]) -> Roads:
        for draft in drafts:
            self._draw(draft)
        self._note_lonely(drafts)
        named = list(self._named_turnings())
        lanes, links = {}, {}
        for link_id in self.drawn:
            lanes[link_id] = self.reader.lanes_of(self._end(link_id))
            links[link_id] = self._link(link_id, lanes[link_id])
        maker = TurningMaker(self.tables, links, lanes, self.reader, self.uses)
        turnings = maker.all(named, self._node_of)
        return Roads(
            nodes=self.nodes,
            links=links,
            turnings=turnings,
            walks=self.walks,
            ours=self.ours,
            lanes=lanes,
            rows=self.rows,
            units=self.units,
            vertex_of=self.vertex_of,
            reader=self.reader,
        )

    def _node_of(self, vertex: str) -> str:
        return self.by_vertex[vertex].node_id

    def _draw(self, draft: _Draft) -> None:
        """Put a row among the walks, or among the drawn links: one, or both directions."""
        line = self._on_plane(draft)
        facility = _facility(draft.row)
        if self.uses.is_on_foot(draft.row["allowed_uses"], facility):
            self._walk(draft, line)
            return
        directed = self.tables.flag(draft.row, "directed")
        if directed is None:
            directed = draft.row["dir_flag"] != "0" or draft.row.table.has("directed")
            self.tables.losses.note(
                Loss.GUESSED, f"link.directed: {str(directed).lower()}", draft.row.place
            )
        shape = tuple(line)
        if not draft.row["opt_length_m"] or len(shape) < 2:
            shape = _finished(line, self._place(draft.from_node), self._place(draft.to_node))
        link_id = self.link_names.of("link", draft.link_id)
        self.drawn[link_id] = (draft, shape, False)
        found: tuple[str, ...] = (link_id,)
        if not directed and draft.from_node != draft.to_node:
            back_id = self.link_names.of("link (back)", f"{link_id}_back")
            self.drawn[back_id] = (draft, shape[::-1], True)
            found = (link_id, back_id)
            what = "link.directed false: a link for each direction, both with the row's values"
            self.tables.losses.note(Loss.GUESSED, what, draft.row.place)
        self.ours[draft.link_id] = found
        for one in found:
            self.rows[one] = draft.row

    def _place(self, node_id: str) -> Point:
        node = self.nodes[node_id]
        return node.x, node.y

    def _on_plane(self, draft: _Draft) -> list[Point]:
        """The line in metres from the first node to the second; empty where none is told."""
        line = [self.units.plane.at(*point) for point in draft.line]
        if not line or draft.row["opt_length_m"] or draft.from_node == draft.to_node:
            return line
        ends = (self._place(draft.from_node), self._place(draft.to_node))
        as_told = math.dist(line[0], ends[0]) + math.dist(line[-1], ends[1])
        turned = math.dist(line[0], ends[1]) + math.dist(line[-1], ends[0])
        backwards = draft.row["dir_flag"] in ("-1", "-1.0")
        runs_back = turned < as_told if backwards else turned < _DECISIVE * as_told
        if runs_back and not backwards:
            what = "link.geometry: runs from the second node to the first, turned round"
            self.tables.losses.note(Loss.GUESSED, what, draft.row.place)
        if backwards and not runs_back:
            what = "link.dir_flag -1: the line already runs in driving direction"
            self.tables.losses.note(Loss.GUESSED, what, draft.row.place)
        return line[::-1] if runs_back else line

    def _walk(self, draft: _Draft, line: Sequence[Point]) -> None:
        length_m = self._stated_m(draft)
        if length_m is None:
            ends = line or [self._place(n) for n in (draft.from_node, draft.to_node)]
            length_m = length_of(ends)
        vertices = (draft.from_node, draft.to_node)
        straight = [self._place(n) for n in vertices] if vertices[0] != vertices[1] else []
        points = tuple(line or straight)
        self.walks[draft.link_id] = Walk(draft.row, points, length_m, vertices)

    def _note_lonely(self, drafts: Iterable[_Draft]) -> None:
        used = {n for d in drafts for n in (d.from_node, d.to_node)}
        for node_id, node in self.nodes.items():
            if node_id not in used:
                self.tables.drop(node.row, "node without a link")

    def _stated_m(self, draft: _Draft) -> float | None:
        exact = self.tables.number(draft.row, "opt_length_m", 0.0, _LONGEST)
        if exact:
            return exact
        stated = self.tables.number(draft.row, "length", 0.0, _LONGEST)
        return None if not stated or self.units.length_m is None else stated * self.units.length_m

    def _end(self, link_id: str) -> LinkEnd:
        draft, shape, back = self.drawn[link_id]
        row = draft.row
        nodes = (draft.to_node, draft.from_node) if back else (draft.from_node, draft.to_node)
        length_m = self._stated_m(draft) or length_of(shape)
        return LinkEnd(
            link_id=link_id,
            gmns_id=draft.link_id,
            from_node=nodes[0],
            to_node=nodes[1],
            length=length_m / self.units.short_m,
            lanes=self.tables.whole(row, "lanes", 0, MOST_LANES),
            uses=row["allowed_uses"],
            facility=_facility(row),
            place=row.place,
        )

    def _link(self, link_id: str, lanes: Lanes) -> Link:
        draft, shape, back = self.drawn[link_id]
        row, losses = draft.row, self.tables.losses
        ends = (draft.from_node, draft.to_node)
        begin, end = (self.vertex_of[n] for n in (ends[::-1] if back else ends))
        told = [self.tables.name(row, c).strip() for c in ("facility_type", "link_type_name")]
        road_class, name = told[0] or told[1], self.tables.name(row, "name")
        if not road_class:
            losses.note(Loss.DEFAULTED, "link.facility_type: unclassified", row.place)
        if not name:
            losses.note(Loss.DEFAULTED, "link.name: the link's id", row.place)
        return Link(
            link_id=link_id,
            from_node=begin,
            to_node=end,
            length_m=self._length_m(draft, shape),
            free_flow_speed_mps=self._speed_mps(row, road_class.lower()),
            lane_count=lanes.count,
            road_class=road_class or "unclassified",
            name=name or link_id,
            shape=shape,
            car_lanes=lanes.cars,
            name_latin=self.tables.name(row, "opt_name_latin"),
        )

    def _length_m(self, draft: _Draft, shape: Sequence[Point]) -> float:
        drawn_m, stated_m = length_of(shape), self._stated_m(draft)
        place, losses = draft.row.place, self.tables.losses
        if stated_m is None:
            losses.note(Loss.DEFAULTED, "link.length: that of the line", place)
            return max(drawn_m, _SHORTEST_M)
        longer = max(stated_m, drawn_m) > _CONTRADICTION * max(min(stated_m, drawn_m), 1e-9)
        if longer and abs(stated_m - drawn_m) > 30 and not draft.row["opt_length_m"]:
            told = f"length {stated_m:.0f} m, but its line is {drawn_m:.0f} m long"
            losses.to_fix(place, told, 0.5, "correct the link's length or its geometry")
        return stated_m

    def _speed_mps(self, row: Row, road_class: str) -> float:
        exact = self.tables.number(row, "opt_free_flow_speed_mps", 0.0, 150.0)
        if exact:
            return exact
        fastest = _FASTEST_MPS / self.units.speed_mps
        speed = self.tables.number(row, "free_speed", 0.0, fastest)
        if speed:
            return speed * self.units.speed_mps
        found = (kmh for word, kmh in _SPEEDS_KMH if word in road_class)
        kmh = next(found, _DEFAULT_KMH)
        self.tables.losses.note(Loss.DEFAULTED, f"link.free_speed: {kmh:g} km/h", row.place)
        return kmh / 3.6

    def _named_turnings(self) -> Iterator[tuple[Row, str, str]]:
        """Rows of ``movement`` with our links; the lane numbers that they name are noted down."""
        for row in self.tables["movement"]:
            found = self._links_of(row)
            if found is None:
                continue
            ib, ob = found
            used = self.reader.used_down, self.reader.used_up
            for known, side, link_id in zip(used, ("ib", "ob"), (ib, ob), strict=True):
                ends = lane_ends(self.tables, self.reader, row, side)
                known.setdefault(link_id, set()).update(n for n in ends if n is not None)
            yield row, ib, ob

    def _links_of(self, row: Row) -> tuple[str, str] | None:
        """Our links of a movement: those that meet at its node."""
        losses = self.tables.losses
        told = [known_id(row[c], self.ours) for c in ("ib_link_id", "ob_link_id")]
        if None in told:
            on_foot = any(known_id(row[c], self.walks) for c in ("ib_link_id", "ob_link_id"))
            why = "on foot" if on_foot else "between links that are not there"
            self.tables.drop(row, f"movement {why}")
            if not on_foot:
                self._ask(row, "needs links that are not there")
            return None
        ib_id, ob_id = told
        assert ib_id is not None
        assert ob_id is not None
        node = known_id(row["node_id"], self.nodes)
        vertex = self.vertex_of[node] if node is not None else None
        meeting = [
            (ib, ob)
            for ib in self.ours[ib_id]
            for ob in self.ours[ob_id]
            if self._vertex(ib, True) == self._vertex(ob, False)
        ]
        here = [pair for pair in meeting if self._vertex(pair[0], True) == vertex]
        if here:
            return here[0]
        if not meeting:
            self.tables.drop(row, "links that do not meet")
            self._ask(row, "leads from a link to one that does not begin where it ends")
            return None
        if row["node_id"]:
            losses.note(Loss.GUESSED, "movement.node_id: where its links meet", row.place)
        return meeting[0]

    def _vertex(self, link_id: str, at_end: bool) -> str:
        draft, _, back = self.drawn[link_id]
        return self.vertex_of[draft.to_node if at_end != back else draft.from_node]

    def _ask(self, row: Row, what: str) -> None:
        remedy = "correct the movement's links"
        self.tables.losses.to_fix(row.place, f"{what}: left out", 0.1, remedy)


def _facility(row: Row) -> str:
    return (row["facility_type"] or row["link_type_name"]).lower()


def _from_zero(tables: Tables) -> bool:
    """Whether lanes are counted from 0: some lane or movement names lane 0."""
    columns = ("start_ib_lane", "start_ob_lane")
    zero = {"0", "0.0"}
    found = any(row[c] in zero for row in tables["movement"] for c in columns)
    found = found or any(row["lane_num"] in zero for row in tables["lane"])
    if found:
        tables.losses.note(Loss.GUESSED, "lanes are counted from 0 here", "lane")
    return found


def _finished(line: Sequence[Point], begin: Point, end: Point) -> tuple[Point, ...]:
    """A shape of two different points or more: the line, or straight between the nodes."""
    points = [p for i, p in enumerate(line) if i == 0 or p != line[i - 1]]
    if len(points) < 2:
        points = [begin, end]
    if points[0] == points[-1] and length_of(points) == 0:
        points[-1] = (points[0][0] + _SHORTEST_M, points[0][1])
    return tuple(points)
