"""SUMO network files (``.net.xml``, ``.net.xml.gz``) with their additional files.

Conflicts come from the network's lane-to-lane foes, never from a plan. What our tables cannot
hold stands in the loss report; what a person should look at stands on its to-fix list.
"""

from __future__ import annotations

import copy
import gzip
import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.city import NET_FILE, SIGNALS_FILE, load_city, save_city
from network_data.conflicts import Foes, geometric_conflicts, required_intergreens
from network_data.conflicts import Path as DrivenPath
from network_data.importers.sumo.additional import read_additional
from network_data.importers.sumo.controllers import (
    GIVE_PLAN,
    RAIL,
    Controller,
    ControllerSite,
    controller_of,
)
from network_data.importers.sumo.programs import (
    UNNAMED_PROGRAM,
    SumoSignals,
    elements,
    open_xml,
    read_signals,
)
from network_data.importers.sumo.right_of_way import (
    connection_paths,
    crossings,
    give_ways,
    right_of_way,
)
from network_data.importers.sumo.source import (
    CROSSING,
    NORMAL,
    NetConnection,
    NetEdge,
    NetNode,
    Point,
    SumoNet,
    read_source,
)
from network_data.loss_report import FILE as LOSSES_FILE
from network_data.loss_report import Loss, LossReport
from network_data.writers.sumo_signals import free_suffix, write_signals
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.reading import to_json
from traffic_brain.progress import Progress, silent

CARRIED_FILE = "sumo/carried.add.xml"
"""What only SUMO understands of the signals: programs that are no plans, their detectors."""
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
_WITH_PROGRAMS = (
    *("tllogic-files", "sumo-net-file", "sumo-net", "visum-file", "vissim-file"),
    "opendrive-files",
)
"""Options of netconvert that name sources which have signal programs of their own."""
MOST_PATHS = 600
"""Large joined junctions have 200; the work grows with the square."""
UNCLASSIFIED = "unclassified"


@dataclass(frozen=True)
class Imported:
    """A network with what SUMO needs besides it."""

    network: RoadNetwork
    carried: tuple[ET.Element, ...]
    """Signals that plans cannot hold, as SUMO has them."""
    program_ids: frozenset[str]
    """Of the programs in the network file itself."""


def import_network(
    net: Path, additional: Sequence[Path], out: Path, progress: Progress = silent
) -> dict[str, int]:
    """Import a SUMO network into the existing folder ``out``; returns row counts.

    Raises:
        DataRefused: the network or an additional file is not readable SUMO XML.
    """
    losses = LossReport()
    progress(0.05, "reading the network")
    imported = read_all(net, additional, losses)
    note_unnamed(imported.network, losses)
    progress(0.6, "writing the city folder")
    return write_city(imported, net, losses, out, progress)


def write_city(
    imported: Imported, net: Path, losses: LossReport, out: Path, progress: Progress = silent
) -> dict[str, int]:
    """Write a network, its loss report and SUMO's files into the existing folder ``out``."""
    network = imported.network
    save_city(network, out)
    (out / "sumo").mkdir()
    _copy_net(net, out / NET_FILE)
    _write_carried(imported.carried, out / CARRIED_FILE)
    _write_signals(imported, out / SIGNALS_FILE)
    (out / LOSSES_FILE).write_text(to_json(losses.as_dict()), encoding="utf-8")
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
        "to_fix": len(losses.as_dict()["to_fix"]),
    }


def export_signals(city: Path, target: Path) -> Path:
    """Write all signal programs of a city folder into a SUMO additional file; returns its path.

    Plans come from the city's tables; what plans cannot hold comes as it was imported. Loaded
    after the network that the city was imported from, these programs are the ones that run.

    Raises:
        ConfigurationError, DataRefused: ``city`` is no city folder, or cannot be read.
    """
    network = load_city(city)
    net, carried = city / NET_FILE, city / CARRIED_FILE
    in_net = elements(net, ends_of=frozenset({"tlLogic"})) if net.is_file() else ()
    imported = Imported(
        network,
        tuple(copy.deepcopy(e) for e in elements(carried)) if carried.is_file() else (),
        frozenset(e.get("programID") or UNNAMED_PROGRAM for e in in_net),
    )
    return _write_signals(imported, target)


def _write_signals(imported: Imported, target: Path) -> Path:
    plans = (p.plan_id for j in imported.network.junctions.values() for p in j.plans)
    programs = (e.get("programID") or UNNAMED_PROGRAM for e in imported.carried)
    suffix = free_suffix({*plans, *programs}, imported.program_ids)
    return write_signals(imported.network, target, carried=imported.carried, suffix=suffix)


def read_network(net: Path, additional: Sequence[Path], losses: LossReport) -> RoadNetwork:
    """Read a SUMO network with the signal programs and detectors of its additional files.

    Raises:
        DataRefused: the file is truncated, damaged, or not a SUMO network.
    """
    network = read_all(net, additional, losses).network
    note_unnamed(network, losses)
    return network


def read_all(net: Path, additional: Sequence[Path], losses: LossReport) -> Imported:
    """Read a SUMO network, and what of it only SUMO understands.

    Raises:
        DataRefused: the file is truncated, damaged, or not a SUMO network.
    """
    source = read_source(net, losses)
    signals = read_signals(net, additional)
    signal_of = _signal_of_links(source)
    links = {edge.edge_id: _link(edge, signal_of, losses) for edge in source.roads}
    connections = tuple(_connections(source, losses))
    paths = _paths(source, losses)
    foes = _foes(source, links, connections, paths, losses)
    sites = _sites(source)
    programs = signals.by_junction()
    controllers = {
        s: controller_of(sites[s].lamps, programs[s], signals, losses) for s in sorted(sites)
    }
    _note_signals_of_nobody(signals, controllers, losses)
    _note_guesses(source, signals, controllers, losses)
    aside = read_additional(additional, source, signal_of, losses)
    network = RoadNetwork(
        name=net.name.removesuffix(".gz").removesuffix(".xml").removesuffix(".net"),
        links=links,
        connections=connections,
        movements=_movements(connections, links, losses),
        junctions={s: _junction(sites[s], controllers[s], foes.get(s)) for s in controllers},
        crossings=tuple(c for c in crossings(source) if c.junction_id in controllers),
        give_ways=give_ways(source),
        detectors=tuple(aside.detectors[d] for d in sorted(aside.detectors)),
        plan_windows=tuple(w for c in controllers.values() for w in c.windows),
        intergreens_s=required_intergreens(
            paths, {s: foes[s].conflicts for s in controllers if s in foes}
        ),
        sources=_hashes((net, *additional)),
    )
    carried = _each_once(e for c in controllers.values() for e in c.carried)
    in_net = frozenset(program_id for _, program_id in signals.in_net)
    return Imported(network, aside.with_detectors(carried), in_net)


# --- links, connections, movements ----------------------------------------------------------


def _link(edge: NetEdge, signal_of: Mapping[str, str], losses: LossReport) -> Link:
    if not edge.road_class:
        losses.note(Loss.DEFAULTED, "road class of a link without type: unclassified", edge.edge_id)
    cars = [lane for lane in edge.lanes if lane.cars] or list(edge.lanes)
    if len({(lane.speed_mps, lane.length_m) for lane in cars}) > 1:
        losses.note(
            Loss.DROPPED, "speeds and lengths of single lanes: the fastest, the first", edge.edge_id
        )
    return Link(
        link_id=edge.edge_id,
        from_node=edge.from_node,
        to_node=edge.to_node,
        length_m=cars[0].length_m,
        free_flow_speed_mps=max(lane.speed_mps for lane in cars),
        lane_count=len(edge.lanes),
        road_class=edge.road_class or UNCLASSIFIED,
        name=edge.name or edge.edge_id,
        shape=_shape(edge),
        car_lanes=tuple(lane.idx for lane in edge.lanes if lane.cars),
        junction_id=signal_of.get(edge.edge_id),
    )


def _shape(edge: NetEdge) -> tuple[Point, ...]:
    """The line in the middle of the lanes, from where they begin to their stop lines."""
    count = len(edge.lanes)
    one, other = edge.lanes[(count - 1) // 2].shape, edge.lanes[count // 2].shape
    if len(one) != len(other):
        return one
    return tuple(
        ((x1 + x2) / 2, (y1 + y2) / 2) for (x1, y1), (x2, y2) in zip(one, other, strict=True)
    )


def _signal_of_links(source: SumoNet) -> dict[str, str]:
    """The signal that controls what leaves a link, by link id."""
    found: dict[str, str] = {}
    for c in source.connections:
        if c.tl and not source.edges[c.from_edge].function:
            found[c.from_edge] = min(c.tl, found.get(c.from_edge, c.tl))
    return found


def _connections(source: SumoNet, losses: LossReport) -> Iterable[Connection]:
    listed = (
        c
        for c in source.connections
        if source.edges[c.from_edge].function == source.edges[c.to_edge].function == NORMAL
    )
    order = sorted(listed, key=lambda c: (c.from_edge, c.from_lane_idx, c.to_edge, c.to_lane_idx))
    for c in order:
        if c.direction not in _TURNS:
            losses.note(Loss.GUESSED, "turn of a connection without direction: through", c.place)
        yield Connection(
            from_link=c.from_edge,
            from_lane_idx=c.from_lane_idx,
            to_link=c.to_edge,
            to_lane_idx=c.to_lane_idx,
            turn=_TURNS.get(c.direction, Turn.THROUGH),
            junction_id=c.tl or None,
            signal_group_idx=c.link_idx if c.tl else NO_SIGNAL,
        )


def _movements(
    connections: Iterable[Connection], links: Mapping[str, Link], losses: LossReport
) -> dict[str, Movement]:
    grouped: dict[tuple[str, str, str], list[Connection]] = defaultdict(list)
    for c in connections:
        if c.junction_id is None:
            continue
        if c.from_lane_idx in links[c.from_link].car_lanes:
            grouped[c.junction_id, c.from_link, c.to_link].append(c)
        else:
            place = f"{c.from_link}_{c.from_lane_idx}"
            losses.note(Loss.DROPPED, "movement from a lane that is closed to cars", place)
    movements: dict[str, Movement] = {}
    for (junction_id, from_link, to_link), group in sorted(grouped.items()):
        movement_id = f"{from_link}>{to_link}"
        if movement_id in movements:  # a second controller for other lanes of the same approach
            movement_id = f"{movement_id}@{junction_id}"
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


# --- junctions ------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Site:
    """A signal's place in the network."""

    lamps: ControllerSite
    nodes: tuple[NetNode, ...]


def _sites(source: SumoNet) -> dict[str, _Site]:
    """Every signal with its vertices and its lamps."""
    controlled: dict[str, list[NetConnection]] = defaultdict(list)
    for c in source.connections:
        if c.tl:
            controlled[c.tl].append(c)
    vertex_of = _vertices_of_lanes(source)
    sites = {}
    for signal, listed in controlled.items():
        ids = sorted({node for c in listed for node in _nodes_of(c, source, vertex_of)})
        nodes = tuple(source.nodes[n] for n in ids)
        if nodes:
            sites[signal] = _Site(_lamps(signal, listed, nodes, source), nodes)
    return sites


def _vertices_of_lanes(source: SumoNet) -> dict[str, str]:
    return {lane: node.node_id for node in source.nodes.values() for lane in node.incoming_lanes}


def _nodes_of(c: NetConnection, source: SumoNet, vertex_of: Mapping[str, str]) -> Iterable[str]:
    """The vertex that a connection passes."""
    edge = source.edges[c.from_edge]
    if not edge.function:
        yield edge.to_node
    elif edge.lanes[c.from_lane_idx].lane_id in vertex_of:
        yield vertex_of[edge.lanes[c.from_lane_idx].lane_id]


def _lamps(
    signal: str, listed: Sequence[NetConnection], nodes: Sequence[NetNode], source: SumoNet
) -> ControllerSite:
    served = set()
    rails = []
    for c in listed:
        lane = source.edges[c.from_edge].lanes[c.from_lane_idx]
        on_foot = CROSSING in (source.edges[c.from_edge].function, source.edges[c.to_edge].function)
        rails.append(lane.rails)
        if on_foot or (not source.edges[c.from_edge].function and lane.cars):
            served.add(c.link_idx)
    return ControllerSite(
        junction_id=signal,
        used=frozenset(c.link_idx for c in listed),
        served=frozenset(served),
        on_rails=all(rails) or all(node.kind.startswith("rail") for node in nodes),
        second_lamps=frozenset(c.second_link_idx for c in listed if c.second_link_idx is not None),
    )


def _junction(site: _Site, controller: Controller, foes: Foes | None) -> Junction:
    name = next((node.name for node in site.nodes if node.name), site.lamps.junction_id)
    return Junction(
        junction_id=site.lamps.junction_id,
        name=name,
        x=sum(node.x for node in site.nodes) / len(site.nodes),
        y=sum(node.y for node in site.nodes) / len(site.nodes),
        node_ids=tuple(node.node_id for node in site.nodes),
        signal_group_count=controller.group_count,
        conflicts=foes.conflicts if foes else frozenset(),
        yields=foes.yields if foes else frozenset(),
        plan_in_service=controller.plan,
        other_plans=controller.others,
        control=controller.control,
        problems=controller.problems,
    )


def _foes(
    source: SumoNet,
    links: Mapping[str, Link],
    connections: Sequence[Connection],
    paths: Sequence[DrivenPath],
    losses: LossReport,
) -> Mapping[str, Foes]:
    """Foes of every signal as SUMO has them; drawn from geometry where it does not tell."""
    told = right_of_way(source)
    if not told.unknown:
        return told.foes
    drawable = told.unknown & {path.junction_id for path in paths}
    drawn = geometric_conflicts(
        links,
        [c for c in connections if c.junction_id in drawable],
        [path for path in paths if path.junction_id in drawable and path.on_foot],
    )
    for signal in told.unknown:
        losses.note(Loss.GUESSED, "conflicts, drawn from geometry", signal)
        losses.to_fix(
            signal,
            "conflicts are drawn from geometry: the vertex does not tell who meets whom",
            0.6,
            "build the network again with netconvert",
        )
    return {**told.foes, **{s: drawn[s] for s in told.unknown if s in drawn}}


def _paths(source: SumoNet, losses: LossReport) -> list[DrivenPath]:
    """Paths under signals, but for signals with so many that no street has them."""
    paths = connection_paths(source)
    counts = Counter(path.junction_id for path in paths)
    crowded = {signal for signal, count in counts.items() if count > MOST_PATHS}
    for signal in crowded:
        losses.note(Loss.DROPPED, f"required intergreens of more than {MOST_PATHS} paths", signal)
        losses.to_fix(
            signal,
            f"{counts[signal]} paths under one signal: no intergreens were computed",
            0.2,
            "look whether junctions were joined that are none",
        )
    return [path for path in paths if path.junction_id not in crowded]


# --- what to tell ---------------------------------------------------------------------------


def note_unnamed(network: RoadNetwork, losses: LossReport) -> None:
    """Note every link and junction that is called by its id."""
    for link_id, link in network.links.items():
        if link.name == link_id:
            losses.note(Loss.DEFAULTED, "name of a link: its id", link_id)
    for junction_id, junction in network.junctions.items():
        if junction.name == junction_id:
            losses.note(Loss.DEFAULTED, "name of a junction: its id", junction_id)


def _note_signals_of_nobody(
    signals: SumoSignals, known: Mapping[str, Controller], losses: LossReport
) -> None:
    for junction_id, _ in signals.programs:
        if junction_id not in known:
            losses.note(Loss.DROPPED, "program of a signal that controls nothing", junction_id)


def _note_guesses(
    source: SumoNet,
    signals: SumoSignals,
    controllers: Mapping[str, Controller],
    losses: LossReport,
) -> None:
    """Signals that netconvert guessed: it says in the network's head what it had to go by."""
    made_of = source.made_by
    from_map = _told(made_of, "osm-files", "osm")
    had_programs = _told(made_of, *_WITH_PROGRAMS)
    if not made_of or had_programs:
        return
    for junction_id, controller in controllers.items():
        running = signals.running(junction_id)
        if controller.control == RAIL or running is None:
            continue
        if (junction_id, running.program_id) in signals.in_net:
            losses.note(Loss.GUESSED, "stages and times of a signal, by netconvert", junction_id)
            losses.to_fix(
                junction_id, "stages and times were guessed by netconvert", 0.2, GIVE_PLAN
            )
        if from_map:
            losses.note(Loss.GUESSED, "position of a signal, from a map", junction_id)
            losses.to_fix(
                junction_id,
                "position and lamps were guessed from a map",
                0.5,
                "compare stop lines, turn lanes and crossings with the street",
            )


def _told(comment: str, *options: str) -> bool:
    """Whether the configuration in a head comment gives a value to one of the options."""
    return any(f"<{option} value=" in comment for option in options)


# --- files ----------------------------------------------------------------------------------


def _hashes(files: Sequence[Path]) -> dict[str, str]:
    """SHA-256 by file name; with the folder's name where two files are called the same."""
    found: dict[str, str] = {}
    for path in files:
        name = path.name if path.name not in found else f"{path.parent.name}/{path.name}"
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _each_once(elements_: Iterable[ET.Element]) -> tuple[ET.Element, ...]:
    """Schedules that several signals share, once; programs as they come."""
    found: dict[tuple[str, ...], ET.Element] = {}
    for e in elements_:
        found.setdefault((e.tag, *(f"{k}={v}" for k, v in sorted(e.items()))), e)
    return tuple(found.values())


def _copy_net(net: Path, target: Path) -> None:
    """The network as it is, packed without name and time."""
    with (
        open_xml(net) as source,
        target.open("wb") as raw,
        gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed,
    ):
        shutil.copyfileobj(source, packed)


def _write_carried(carried: Iterable[ET.Element], target: Path) -> None:
    root = ET.Element("additional")
    root.extend(copy.deepcopy(e) for e in carried)
    ET.indent(root)
    ET.ElementTree(root).write(target, encoding="utf-8", xml_declaration=True)
