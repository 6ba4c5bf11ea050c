"""SUMO network files (``.net.xml``, ``.net.xml.gz``) and the signals of additional files.

Read with sumolib. Conflicts come from the network's lane-to-lane foes, never from a plan.
"""

from __future__ import annotations

import gzip
import hashlib
import xml.etree.ElementTree as ET
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax import SAXException

import sumolib

from network_data.city import save_city
from network_data.importers.sumo_programs import SumoProgram, plan_of, read_programs
from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Crossing,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

NET_FILE = "sumo/net.xml.gz"
SIGNALS_FILE = "sumo/signals.add.xml"
_TURNS: Mapping[str, Turn] = {
    "s": Turn.THROUGH,
    "l": Turn.LEFT,
    "L": Turn.LEFT,
    "r": Turn.RIGHT,
    "R": Turn.RIGHT,
    "t": Turn.UTURN,
    "T": Turn.UTURN,
}
SATURATION_FLOW_VPH: Mapping[Turn, float] = {
    Turn.THROUGH: 1900.0,
    Turn.LEFT: 1650.0,
    Turn.RIGHT: 1650.0,
    Turn.UTURN: 1400.0,
}
"""Per lane, before any was measured. HCM 2000 ch. 16 base 1900 pc/h/lane; turns 0.85–0.95."""
_SIGNAL_TAGS = frozenset({"tlLogic", "WAUT", "wautJunction"})


def import_network(
    net: Path, additional: Sequence[Path], out: Path, progress: Progress = silent
) -> dict[str, int]:
    """Import a SUMO network into the existing folder ``out``; returns row counts.

    Raises:
        DataRefused: the network or an additional file is not readable SUMO XML.
    """
    losses = LossReport()
    progress(0.05, "reading the network")
    network = read_network(net, additional, losses)
    progress(0.7, "writing the city folder")
    save_city(network, out)
    (out / "sumo").mkdir()
    _copy_net(net, out / NET_FILE)
    _copy_signals(additional, out / SIGNALS_FILE)
    (out / "loss_report.json").write_text(to_json(losses.as_dict()), encoding="utf-8")
    progress(1.0, "network imported")
    return {
        "links": len(network.links),
        "connections": len(network.connections),
        "movements": len(network.movements),
        "junctions": len(network.junctions),
        "retimable_junctions": sum(
            j.plan_in_service is not None and len(j.plan_in_service.stages) > 1
            for j in network.junctions.values()
        ),
    }


def read_network(net: Path, additional: Sequence[Path], losses: LossReport) -> RoadNetwork:
    """Read a SUMO network with the signal programs of its additional files.

    Raises:
        DataRefused: the file is truncated, damaged, or not a SUMO network.
    """
    source = _read_sumolib(net)
    programs = read_programs(net, additional)
    edges = [e for e in source.getEdges(withInternal=False) if not e.getFunction()]
    edges.sort(key=lambda e: str(e.getID()))
    links = {str(e.getID()): _link(e, losses) for e in edges}
    if not links:
        raise DataRefused(
            f"{net} holds no links", "give the .net.xml file that netconvert or netedit wrote"
        )
    connections = tuple(_connection(c) for e in edges for c in _connections_of(e))
    movements = _movements(connections, links, losses)
    foes = _foes_by_signal(source)
    nodes = _nodes_by_signal(source)
    junctions = {
        junction_id: _junction(junction_id, nodes, foes, programs, losses)
        for junction_id in sorted(nodes.members)
    }
    return RoadNetwork(
        name=net.name.removesuffix(".gz").removesuffix(".xml").removesuffix(".net"),
        links=links,
        connections=connections,
        movements=movements,
        junctions=junctions,
        crossings=tuple(_crossings(source)),
        sources={p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in (net, *additional)},
    )


def _read_sumolib(net: Path) -> Any:
    if not net.is_file():
        raise DataRefused(f"there is no network file {net}", "check the path")
    try:
        return sumolib.net.readNet(
            str(net), withPedestrianConnections=True, withInternal=True, lxml=False
        )
    except (SAXException, OSError, EOFError, zlib.error) as error:
        raise DataRefused(
            f"{net} is not complete XML",
            "export or copy the network again",
            [str(error)],
        ) from error
    except (KeyError, ValueError, IndexError, AttributeError, TypeError) as error:
        raise DataRefused(
            f"{net} is not a SUMO network",
            "give the .net.xml file that netconvert or netedit wrote",
            [f"{type(error).__name__}: {error}"],
        ) from error


def _link(edge: Any, losses: LossReport) -> Link:
    lanes = edge.getLanes()
    link_id = str(edge.getID())
    if not edge.getType():
        losses.note(Loss.DEFAULTED, "road class of a link without type: unclassified", link_id)
    signal = edge.getTLS()
    return Link(
        link_id=link_id,
        from_node=str(edge.getFromNode().getID()),
        to_node=str(edge.getToNode().getID()),
        length_m=float(edge.getLength()),
        free_flow_speed_mps=float(edge.getSpeed()),
        lane_count=len(lanes),
        road_class=str(edge.getType() or "unclassified"),
        name=str(edge.getName() or link_id),
        shape=tuple((float(x), float(y)) for x, y in edge.getShape()),
        car_lanes=tuple(lane.getIndex() for lane in lanes if lane.allows("passenger")),
        junction_id=str(signal.getID()) if signal else None,
    )


def _connections_of(edge: Any) -> list[Any]:
    found = [
        c for lane in edge.getLanes() for c in lane.getOutgoing() if not c.getTo().getFunction()
    ]
    return sorted(
        found,
        key=lambda c: (
            c.getFromLane().getIndex(),
            str(c.getTo().getID()),
            c.getToLane().getIndex(),
        ),
    )


def _connection(c: Any) -> Connection:
    signal = str(c.getTLSID() or "") or None
    return Connection(
        from_link=str(c.getFrom().getID()),
        from_lane_idx=int(c.getFromLane().getIndex()),
        to_link=str(c.getTo().getID()),
        to_lane_idx=int(c.getToLane().getIndex()),
        turn=_TURNS.get(c.getDirection(), Turn.THROUGH),
        junction_id=signal,
        signal_group_idx=int(c.getTLLinkIndex()) if signal else NO_SIGNAL,
    )


def _movements(
    connections: Iterable[Connection], links: Mapping[str, Link], losses: LossReport
) -> dict[str, Movement]:
    grouped: dict[tuple[str, str, str], list[Connection]] = defaultdict(list)
    for c in connections:
        if c.junction_id is not None and c.from_lane_idx in links[c.from_link].car_lanes:
            grouped[c.junction_id, c.from_link, c.to_link].append(c)
    movements = {}
    for (junction_id, from_link, to_link), group in sorted(grouped.items()):
        movement_id = f"{from_link}>{to_link}"
        lanes = tuple(sorted({c.from_lane_idx for c in group}))
        turn = group[0].turn
        losses.note(Loss.DEFAULTED, "saturation flow of a movement, by its turn", movement_id)
        movements[movement_id] = Movement(
            movement_id=movement_id,
            junction_id=junction_id,
            from_link=from_link,
            to_link=to_link,
            turn=turn,
            lanes=lanes,
            signal_group_idxs=tuple(sorted({c.signal_group_idx for c in group})),
            saturation_flow_vph=SATURATION_FLOW_VPH[turn] * len(lanes),
        )
    return movements


@dataclass(frozen=True)
class _SignalNodes:
    """Per signal: its graph vertices, with position and type, and its number of groups."""

    members: Mapping[str, list[Any]]
    group_count: Mapping[str, int]


def _nodes_by_signal(source: Any) -> _SignalNodes:
    members: dict[str, dict[str, Any]] = defaultdict(dict)
    group_count: dict[str, int] = defaultdict(int)
    for edge in source.getEdges():
        for lane in edge.getLanes():
            for c in lane.getOutgoing():
                signal = str(c.getTLSID() or "")
                if signal:
                    node = c.getJunction()
                    members[signal][str(node.getID())] = node
                    group_count[signal] = max(group_count[signal], int(c.getTLLinkIndex()) + 1)
    return _SignalNodes({s: [n[k] for k in sorted(n)] for s, n in members.items()}, group_count)


@dataclass(frozen=True)
class _Foes:
    conflicts: frozenset[tuple[int, int]]
    yields: frozenset[tuple[int, int]]


def _foes_by_signal(source: Any) -> dict[str, _Foes]:
    conflicts: dict[str, set[tuple[int, int]]] = defaultdict(set)
    yields: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for node in source.getNodes():
        requests = [r for r in _requests(node) if r.signal]
        for a in requests:
            for b in requests:
                if a.signal != b.signal or a.group == b.group or not _bit(a.foes, b.idx):
                    continue
                conflicts[a.signal].add((min(a.group, b.group), max(a.group, b.group)))
                if _bit(a.response, b.idx):
                    yields[a.signal].add((a.group, b.group))
    signals = set(conflicts) | set(yields)
    return {s: _Foes(frozenset(conflicts[s]), frozenset(yields[s])) for s in signals}


@dataclass(frozen=True)
class _Request:
    """A ``<request>`` of a vertex: a connection and the indices of those it meets."""

    idx: int
    connection: Any
    foes: str
    response: str

    @property
    def signal(self) -> str:
        return str(self.connection.getTLSID() or "")

    @property
    def group(self) -> int:
        return int(self.connection.getTLLinkIndex())


def _requests(node: Any) -> list[_Request]:
    """The requests of a vertex in SUMO's order, which is that of its incoming lanes."""
    found: list[_Request] = []
    incoming = {lane.getID(): lane for e in node.getIncoming() for lane in e.getLanes()}
    # sumolib keeps lane order and bit strings to itself; its public questions cost n² each.
    lane_ids, foes, responses = node._incLanes, node._foes, node._prohibits  # noqa: SLF001
    for lane_id in lane_ids:
        for c in incoming[lane_id].getOutgoing() if lane_id in incoming else ():
            from_function, to_function = c.getFrom().getFunction(), c.getTo().getFunction()
            on_foot = from_function == "walkingarea" and to_function != "crossing"
            if to_function != "walkingarea" and not on_foot:
                idx = len(found)
                found.append(_Request(idx, c, foes.get(idx, ""), responses.get(idx, "")))
    return found


def _bit(bits: str, idx: int) -> bool:
    """SUMO writes its bit strings with index 0 at the right."""
    return idx < len(bits) and bits[-1 - idx] == "1"


def _junction(
    junction_id: str,
    nodes: _SignalNodes,
    foes: Mapping[str, _Foes],
    programs: Mapping[str, SumoProgram],
    losses: LossReport,
) -> Junction:
    members = nodes.members[junction_id]
    program = programs.get(junction_id)
    plan, control, problems = _service(junction_id, members, program, losses)
    found = foes.get(junction_id, _Foes(frozenset(), frozenset()))
    group_count = nodes.group_count[junction_id]
    if plan is not None and plan.signal_group_count > group_count:
        losses.note(
            Loss.GUESSED, "lamp picture longer than the connections: rest unused", junction_id
        )
        group_count = plan.signal_group_count
    elif plan is not None and plan.signal_group_count < group_count:
        plan, problems = None, (*problems, "lamp picture shorter than the connections")
        losses.note(Loss.DROPPED, "plan with too short a lamp picture", junction_id)
    return Junction(
        junction_id=junction_id,
        name=junction_id,
        x=sum(n.getCoord()[0] for n in members) / len(members),
        y=sum(n.getCoord()[1] for n in members) / len(members),
        node_ids=tuple(str(n.getID()) for n in members),
        signal_group_count=group_count,
        conflicts=found.conflicts,
        yields=found.yields,
        plan_in_service=plan,
        control=control,
        problems=problems,
    )


def _service(
    junction_id: str, members: list[Any], program: SumoProgram | None, losses: LossReport
) -> tuple[SignalPlan | None, str, tuple[str, ...]]:
    """(plan in service, control, problems) of a signal."""
    if any(n.getType().startswith("rail") for n in members):
        losses.note(Loss.DROPPED, "rail signal: not planned", junction_id)
        return None, "rail", ()
    if program is None or not _lights(program):
        losses.note(Loss.DROPPED, "signal without a running program", junction_id)
        return None, "off", ("no running program",)
    if program.kind != "static":
        losses.note(Loss.DROPPED, f"{program.kind} program: held, not retimed", junction_id)
        return None, "actuated", ()
    converted = plan_of(program)
    if converted.plan is None:
        losses.note(Loss.DROPPED, "program that is no fixed plan", junction_id)
    return converted.plan, "fixed", converted.problems


def _lights(program: SumoProgram) -> bool:
    """Whether a program shows green at all: off and all-flashing programs do not."""
    return any(lamp in "Gg" for phase in program.phases for lamp in phase.picture)


def _crossings(source: Any) -> Iterable[Crossing]:
    found: dict[tuple[str, int], float] = {}
    for node in source.getNodes():
        for request in _requests(node):
            target = request.connection.getTo()
            if request.signal and target.getFunction() == "crossing":
                key = (request.signal, request.group)
                found[key] = max(float(target.getLength()), found.get(key, 0.0))
    for (junction_id, group), length in sorted(found.items()):
        yield Crossing(junction_id, group, length)


def _copy_net(net: Path, target: Path) -> None:
    """Keep the network with the city, compressed; no name and no time in the gzip header."""
    raw = net.read_bytes()
    if raw[:2] == b"\x1f\x8b":
        raw = gzip.decompress(raw)
    with target.open("wb") as file, gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
        packed.write(raw)


def _copy_signals(additional: Sequence[Path], target: Path) -> None:
    """Keep the signal programs of the additional files, and nothing else of them."""
    root = ET.Element("additional")
    for path in additional:
        try:
            source = ET.parse(path).getroot()
        except ET.ParseError as error:
            raise DataRefused(
                f"{path} is not complete XML", "export or copy it again", [str(error)]
            ) from error
        root.extend(e for e in source if e.tag in _SIGNAL_TAGS)
    ET.indent(root)
    ET.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)
