"""A road network as SUMO files, made by netconvert: for cities that do not come from SUMO.

Edges carry the ids of links, controllers those of junctions, and lamp indices are signal groups.
SUMO draws the inside of a junction itself; turns and conflicts that are read back from the file
are those of SUMO's drawing.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from network_data.city import NET_FILE, SIGNALS_FILE
from network_data.loss_report import Loss, LossReport
from network_data.sumo_tools import run_tool
from network_data.writers.sumo_signals import write_signals
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import NO_SIGNAL, Connection, Crossing, Junction, Link, RoadNetwork
from traffic_brain.model.signals import SignalPlan

TIMEOUT_S = 1800.0
SAME_POINT_M = 0.1
"""Two directions with such points in common were drawn along one middle line."""
FAR_M = 15.0
ONE_ARM_DEG = 25.0
"""Links that leave a vertex in directions no further apart belong to one arm."""
SIDEWALK_WIDTH_M = 2.5
UNLIT = "unlit"
"""Program id of a signal that has no plan: all lamps blink."""
RAIL = "rail"
"""``Junction.control`` of signals on railways, which SUMO runs without a program."""
_NO_SUMO_ID = re.compile(r"[\s|\\'\";,<>&]|^:|^$")
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)
_PROGRAM = re.compile(r"[ \t]*<tlLogic\b.*?</tlLogic>\n", re.DOTALL)
_OPTIONS = (
    *("--no-turnarounds", "true", "--offset.disable-normalization", "true"),
    *("--no-warnings", "true", "--xml-validation", "never"),
    # Programs are put in afterwards: who waits for whom must not depend on netconvert's guess.
    *("--tls.ignore-internal-junction-jam", "true"),
)
_SHOWN = 20

Point = tuple[float, float]
LaneWay = tuple[str, int, str, int]
"""From link and lane to link and lane."""
Lamp = tuple[str, int]
"""Junction and signal group."""


def write_sumo_net(
    network: RoadNetwork,
    folder: Path,
    *,
    keep_lengths: bool = True,
    losses: LossReport | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Write ``sumo/net.xml.gz`` and ``sumo/signals.add.xml`` into ``folder``; returns the former.

    The network runs with each junction's plan in service; loaded together with the additional
    file, also with the other plans in their windows. What SUMO cannot hold goes to ``losses``:
    connections between lanes that netconvert does not join, lamps of crossings whose arm cannot
    be told. The same network gives the same bytes. Without ``keep_lengths`` links are as long as
    netconvert draws them, from stop line to stop line.

    Raises:
        DataRefused: ids that SUMO does not allow, or links that cannot be drawn; with all of them.
        SimulationError: netconvert fails or takes longer than ``timeout_s``.
        ConfigurationError: SUMO is not installed.
    """
    drawing = _Drawing(network, LossReport() if losses is None else losses, keep_lengths)
    _refuse_what_sumo_cannot_name(network)
    target = folder.resolve() / NET_FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    programs = _write_signals(network, folder.resolve() / SIGNALS_FILE)
    with tempfile.TemporaryDirectory(prefix="netconvert") as temporary:
        plain = Path(temporary)
        options = _write_plain(drawing, programs, plain)
        made = plain / "made.net.xml"
        run_tool(
            "netconvert",
            [*options, *_OPTIONS, "--output-file", str(made)],
            folder=plain,
            timeout_s=timeout_s,
        )
        text = made.read_text(encoding="utf-8")
    if losses is not None:
        _note_missing(drawing, text)
    _pack(_with_programs(text, programs), target)
    return target


# --- what is refused ------------------------------------------------------------------------


def _refuse_what_sumo_cannot_name(network: RoadNetwork) -> None:
    ids = {
        "link": network.links,
        "junction": network.junctions,
        "graph vertex": {n for link in network.links.values() for n in _ends(link)},
    }
    problems = [
        f"{kind} {name!r}: not an id that SUMO allows"
        for kind, names in ids.items()
        for name in sorted(names)
        if _NO_SUMO_ID.search(name)
    ]
    for link in network.links.values():
        if link.lane_count < 1 or not link.length_m > 0 or not link.free_flow_speed_mps > 0:
            problems.append(f"link {link.link_id}: no lanes, no length or no speed")
        if not all(math.isfinite(value) for point in link.shape for value in point):
            problems.append(f"link {link.link_id}: a shape that is not finite")
    if not network.links:
        problems.append("the network has no links")
    if problems:
        more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise DataRefused(
            f"{network.name} cannot be written for SUMO",
            "rename or mend these; ids without blanks, quotes, commas, semicolons, <, >, &, |",
            problems[:_SHOWN] + more,
        )


def _ends(link: Link) -> tuple[str, str]:
    return link.from_node, link.to_node


# --- what is drawn --------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drawing:
    """What netconvert needs and the network holds only indirectly."""

    network: RoadNetwork
    losses: LossReport
    keep_lengths: bool = True

    def note(self, what: str, place: str) -> None:
        """Note something that SUMO's files do not hold."""
        self.losses.note(Loss.DROPPED, what, place)

    @cached_property
    def controller_of(self) -> Mapping[str, str]:
        """The junction that each graph vertex with a controlled connection belongs to."""
        links = self.network.links
        return {
            links[c.from_link].to_node: c.junction_id
            for c in self.network.connections
            if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL
        }

    @cached_property
    def places(self) -> Mapping[str, Point]:
        """Where each graph vertex is: its junction's place, or the middle of its link ends."""
        ends: dict[str, list[Point]] = defaultdict(list)
        for link in self.network.links.values():
            if link.shape:
                ends[link.from_node].append(link.shape[0])
                ends[link.to_node].append(link.shape[-1])
        alone = {
            j.node_ids[0]: (j.x, j.y)
            for j in self.network.junctions.values()
            if len(j.node_ids) == 1
        }
        return {node: alone.get(node) or _middle(points) for node, points in ends.items()} | alone

    @cached_property
    def used_lanes(self) -> frozenset[tuple[str, int]]:
        """Lanes that a connection begins or ends at."""
        starts = {(c.from_link, c.from_lane_idx) for c in self.network.connections}
        return frozenset(starts | {(c.to_link, c.to_lane_idx) for c in self.network.connections})

    def has_sidewalk(self, link: Link) -> bool:
        """Whether lane 0 is for people on foot: no cars on it, and no connection joins it."""
        return bool(link.car_lanes) and 0 not in link.car_lanes and self._is_idle(link)

    def _is_idle(self, link: Link) -> bool:
        return (link.link_id, 0) not in self.used_lanes

    @cached_property
    def two_way(self) -> frozenset[str]:
        """Links along whose line another runs back: it is the middle of the road."""
        steps: set[tuple[Point, Point]] = set()
        for link in self.network.links.values():
            steps.update(pairwise(_on_grid(link.shape)))
        return frozenset(
            link.link_id
            for link in self.network.links.values()
            if any(step in steps for step in pairwise(_on_grid(link.shape[::-1])))
        )

    @cached_property
    def arms(self) -> Mapping[tuple[str, int], _Arm]:
        """Where each crossing lies, by junction and signal group.

        A crossing lies on the arm, or on one roadway of it, whose groups are the most like those
        in conflict with the crossing's.
        """
        found = {}
        candidates = self._arms_of_controllers()
        for crossing in self.network.crossings:
            arm = self._arm_of(crossing, candidates.get(crossing.junction_id, ()))
            if arm is not None:
                found[crossing.junction_id, crossing.signal_group_idx] = arm
            else:
                place = f"{crossing.junction_id} group {crossing.signal_group_idx}"
                self.note("crossing on no arm that has sidewalks", place)
        return found

    def _arm_of(self, crossing: Crossing, candidates: Iterable[_Arm]) -> _Arm | None:
        group = crossing.signal_group_idx
        junction = self.network.junctions[crossing.junction_id]
        met = {a + b - group for a, b in junction.conflicts if group in (a, b)}
        alike = {
            arm: len(met & arm.groups) / len(met | arm.groups)
            for arm in candidates
            if arm.groups and all(self.has_sidewalk(self.network.links[e]) for e in arm.links)
        }
        best = max(alike, key=lambda arm: (alike[arm], arm.links), default=None)
        return best if best is not None and alike[best] > 0.5 else None

    def _arms_of_controllers(self) -> Mapping[str, set[_Arm]]:
        """By junction: the links in each direction from its vertices, alone and together."""
        driven: dict[str, set[int]] = defaultdict(set)
        links = self.network.links
        for c in self.network.connections:
            if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL:
                driven[f"{c.from_link} in"].add(c.signal_group_idx)
                driven[f"{c.to_link} out"].add(c.signal_group_idx)
        ways: dict[str, list[_Way]] = defaultdict(list)
        for link in links.values():
            for node, key in ((link.to_node, "in"), (link.from_node, "out")):
                groups = frozenset(driven[f"{link.link_id} {key}"])
                if node in self.controller_of:
                    other = link.from_node if key == "in" else link.to_node
                    direction = _direction(self, link, node)
                    ways[node].append(_Way(direction, other, link.link_id, groups))
        arms: dict[str, set[_Arm]] = defaultdict(set)
        for node, around in ways.items():
            for one in around:
                alike = [w for w in around if w.neighbour == one.neighbour]
                beside = [w for w in around if _angle(w.direction, one.direction) < ONE_ARM_DEG]
                for part in ([one], alike, beside):
                    names = tuple(sorted(w.link_id for w in part))
                    groups = frozenset(group for w in part for group in w.groups)
                    arms[self.controller_of[node]].add(_Arm(node, names, groups))
        return arms


class _Way(NamedTuple):
    """A link at a graph vertex: where it leaves to, and the groups that drive on it there."""

    direction: float
    neighbour: str
    link_id: str
    groups: frozenset[int]


def _angle(one: float, other: float) -> float:
    return abs((one - other + 180.0) % 360.0 - 180.0)


@dataclass(frozen=True, slots=True)
class _Arm:
    """Links that leave a graph vertex in one direction, and the groups that drive on them."""

    node: str
    links: tuple[str, ...]
    groups: frozenset[int]


def _middle(points: Sequence[Point]) -> Point:
    return (
        sum(x for x, _ in points) / len(points),
        sum(y for _, y in points) / len(points),
    )


def _on_grid(shape: Iterable[Point]) -> list[Point]:
    return [(round(x / SAME_POINT_M), round(y / SAME_POINT_M)) for x, y in shape]


def _direction(drawing: _Drawing, link: Link, node: str) -> float:
    """Where a link leaves one of its vertices to, in degrees."""
    x, y = drawing.places[node]
    shape = link.shape if link.from_node == node else link.shape[::-1]
    far = [p for p in shape if math.dist(p, (x, y)) > FAR_M] or [shape[-1] if shape else (x, y)]
    return math.degrees(math.atan2(far[0][1] - y, far[0][0] - x))


# --- netconvert's plain files ---------------------------------------------------------------


def _write_plain(drawing: _Drawing, programs: Mapping[str, ET.Element], folder: Path) -> list[str]:
    """Write netconvert's input files; returns the options that name them."""
    classes = sorted({link.road_class for link in drawing.network.links.values()})
    roots = {
        "--node-files": ("nodes", _nodes(drawing)),
        "--edge-files": ("edges", _edges(drawing)),
        "--connection-files": ("connections", _connections(drawing)),
        "--tllogic-files": ("tlLogics", _signals(drawing, programs)),
        "--type-files": ("types", (ET.Element("type", id=name) for name in classes if name)),
    }
    options = []
    for option, (tag, children) in roots.items():
        root = ET.Element(tag)
        root.extend(children)
        path = folder / f"plain.{tag}.xml"
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
        options += [option, str(path)]
    return options


def _nodes(drawing: _Drawing) -> Iterator[ET.Element]:
    junctions = drawing.network.junctions
    nodes = {n for link in drawing.network.links.values() for n in _ends(link)}
    for node in sorted(nodes):
        x, y = drawing.places.get(node, (0.0, 0.0))
        element = ET.Element("node", id=node, x=f"{x:.3f}", y=f"{y:.3f}")
        junction_id = drawing.controller_of.get(node)
        if junction_id is not None:
            junction = junctions[junction_id]
            rail = junction.control == RAIL
            element.set("type", "rail_signal" if rail else "traffic_light")
            element.set("tl", junction_id)
            element.set("name", junction.name)
        yield element


def _edges(drawing: _Drawing) -> Iterator[ET.Element]:
    for link in drawing.network.links.values():
        element = ET.Element(
            "edge",
            {
                "id": link.link_id,
                "from": link.from_node,
                "to": link.to_node,
                "numLanes": str(link.lane_count),
                "speed": f"{link.free_flow_speed_mps:.10g}",
                "priority": str(_priority(link)),
                "spreadType": "right" if link.link_id in drawing.two_way else "center",
            },
        )
        if drawing.keep_lengths:
            element.set("length", f"{link.length_m:.10g}")
        if link.road_class:
            element.set("type", link.road_class)
        if link.name != link.link_id:
            element.set("name", link.name)
        if len(link.shape) > 1:
            element.set("shape", " ".join(f"{x:.3f},{y:.3f}" for x, y in link.shape))
        for lane_idx in range(link.lane_count):
            element.append(_lane(drawing, link, lane_idx))
        yield element


def _priority(link: Link) -> int:
    """Who has right of way where no lamp decides: the faster and wider road."""
    return 1 + round(link.free_flow_speed_mps * 3.6 / 10) + len(link.car_lanes)


def _lane(drawing: _Drawing, link: Link, lane_idx: int) -> ET.Element:
    lane = ET.Element("lane", index=str(lane_idx))
    if lane_idx in link.car_lanes:
        lane.set("disallow", "pedestrian tram rail_urban rail rail_electric rail_fast ship")
    elif lane_idx == 0 and drawing.has_sidewalk(link):
        lane.set("allow", "pedestrian")
        lane.set("width", str(SIDEWALK_WIDTH_M))
    elif "rail" in link.road_class:
        lane.set("allow", "tram rail_urban rail rail_electric rail_fast")
    else:
        lane.set("allow", "bus coach taxi bicycle emergency")
    return lane


def _connections(drawing: _Drawing) -> Iterator[ET.Element]:
    """Lane-to-lane connections, links without any, and pedestrian crossings."""
    leaving: dict[str, list[Connection]] = {link_id: [] for link_id in drawing.network.links}
    for c in drawing.network.connections:
        leaving[c.from_link].append(c)
    for link_id, connections in leaving.items():
        if not connections:
            yield ET.Element("connection", {"from": link_id})
        seen: set[LaneWay] = set()
        for c in connections:
            if _way(c) in seen:
                drawing.note("second lamp of a connection", _told(_way(c)))
                continue
            seen.add(_way(c))
            element = _connection(_way(c))
            node = drawing.network.links[link_id].to_node
            if c.signal_group_idx == NO_SIGNAL and node in drawing.controller_of:
                element.set("uncontrolled", "true")
            yield element
    for (_, group), arm in sorted(drawing.arms.items()):
        edges = " ".join(arm.links)
        yield ET.Element(
            "crossing", node=arm.node, edges=edges, linkIndex=str(group), priority="true"
        )


def _signals(drawing: _Drawing, programs: Mapping[str, ET.Element]) -> Iterator[ET.Element]:
    yield from programs.values()
    seen: set[LaneWay] = set()
    for c in drawing.network.connections:
        if c.junction_id in programs and c.signal_group_idx != NO_SIGNAL and _way(c) not in seen:
            seen.add(_way(c))
            element = _connection(_way(c))
            element.set("tl", str(c.junction_id))
            element.set("linkIndex", str(c.signal_group_idx))
            yield element


def _connection(way: LaneWay) -> ET.Element:
    names = ("from", "fromLane", "to", "toLane")
    return ET.Element(
        "connection", {name: str(value) for name, value in zip(names, way, strict=True)}
    )


def _way(c: Connection) -> LaneWay:
    return c.from_link, c.from_lane_idx, c.to_link, c.to_lane_idx


def _told(way: LaneWay) -> str:
    return f"{way[0]}_{way[1]} > {way[2]}_{way[3]}"


# --- signal programs ------------------------------------------------------------------------


def _write_signals(network: RoadNetwork, path: Path) -> dict[str, ET.Element]:
    """Write the plans that do not stand in the network file; returns those that do."""
    write_signals(network, path)
    root = ET.parse(path).getroot()
    in_net: dict[str, ET.Element] = {}
    for element in list(root.iter("tlLogic")):
        junction = network.junctions[element.attrib["id"]]
        plan = next(p for p in junction.plans if p.plan_id == element.get("programID"))
        _tell_limits(element, plan)
        if plan is junction.plan_in_service:
            in_net[plan.junction_id] = element
            root.remove(element)
    for element in _held(network, root):
        root.append(element)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    lit = {
        c.junction_id: network.junctions[c.junction_id]
        for c in network.connections
        if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL
    }
    return {
        junction_id: in_net[junction_id] if junction_id in in_net else _unlit(lit[junction_id])
        for junction_id in sorted(lit)
        if lit[junction_id].control != RAIL
    }


def _tell_limits(program: ET.Element, plan: SignalPlan) -> None:
    """Give the phases that are stages their limits, which fixed programs carry and do not use."""
    phases = iter(program.iter("phase"))
    for stage in plan.stages:
        phase = next(phases)
        phase.set("minDur", str(stage.min_green_s))
        phase.set("maxDur", str(stage.max_green_s))
        for _ in stage.clearance:
            next(phases)


def _held(network: RoadNetwork, root: ET.Element) -> Iterator[ET.Element]:
    """Schedules that keep the plan in service where other plans are loaded and never asked for.

    SUMO runs the program that was loaded last, unless a schedule says otherwise.
    """
    switched = {e.get("junctionID") for e in root.iter("wautJunction")}
    loaded = {e.attrib["id"] for e in root.iter("tlLogic")}
    for junction_id in sorted(loaded - switched):
        plan = network.junctions[junction_id].plan_in_service
        if plan is not None:
            name = f"plan_of_{junction_id}"
            yield ET.Element("WAUT", id=name, refTime="0", startProg=plan.plan_id)
            yield ET.Element("wautJunction", wautID=name, junctionID=junction_id)


def _unlit(junction: Junction) -> ET.Element:
    program = ET.Element(
        "tlLogic", id=junction.junction_id, type="static", programID=UNLIT, offset="0"
    )
    ET.SubElement(program, "phase", duration="90", state="o" * junction.signal_group_count)
    return program


def _with_programs(text: str, programs: Mapping[str, ET.Element]) -> str:
    """The network with these programs instead of its own: netconvert shortens lamp pictures."""
    first = _PROGRAM.search(text)
    if first is None:
        return text
    ours = "".join(_program_text(program) for program in programs.values())
    return text[: first.start()] + ours + _PROGRAM.sub("", text[first.start() :])


def _program_text(program: ET.Element) -> str:
    ET.indent(program, level=1)
    program.tail = "\n"
    return "    " + ET.tostring(program, encoding="unicode")


# --- what netconvert made -------------------------------------------------------------------


def _note_missing(drawing: _Drawing, text: str) -> None:
    """Note every connection that netconvert left out or gave another lamp, and every crossing."""
    made: dict[LaneWay, Lamp | None] = {}
    walked: set[Lamp | None] = set()
    for element in _elements(text, "connection"):
        tl = element.get("tl")
        lamp = None if tl is None else (tl, int(element.attrib["linkIndex"]))
        if element.attrib["from"].startswith(":"):
            walked.add(lamp)
        else:
            made[_way_of(element)] = lamp
    for c in drawing.network.connections:
        wanted = None
        if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL:
            wanted = (c.junction_id, c.signal_group_idx)
        if _way(c) not in made:
            drawing.note("connection that netconvert does not make", _told(_way(c)))
        elif made[_way(c)] != wanted:
            drawing.note("lamp of a connection", _told(_way(c)))
    for junction_id, group in sorted(drawing.arms):
        if (junction_id, group) not in walked:
            drawing.note("crossing that netconvert does not make", f"{junction_id} group {group}")


def _way_of(element: ET.Element) -> LaneWay:
    at = element.attrib
    return at["from"], int(at["fromLane"]), at["to"], int(at["toLane"])


def _elements(text: str, tag: str) -> Iterator[ET.Element]:
    for event, element in ET.iterparse(io.StringIO(text), events=("end",)):
        if element.tag == tag and event == "end":
            yield element
        element.clear()


def _pack(text: str, target: Path) -> None:
    """Compressed without name and time in the header, and without netconvert's comment."""
    with target.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(_COMMENT.sub("", text, count=1).encode("utf-8"))
