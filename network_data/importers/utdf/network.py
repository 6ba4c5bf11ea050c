"""UTDF (Synchro's Universal Traffic Data Format) as a road network.

Links are named by their nodes (``171_2`` runs from node 171 to node 2), movements by their links.
Each movement that a signal controls is a signal group of its own, in the order of the file's
columns; a controller of several nodes is one junction. Lengths become metres, speeds metres per
second, whatever the file's units are. Conflicts and required intergreens come from geometry.

Not in UTDF, and so not in the city: crossings, road classes, zones, the schedule of the plans.
Movement volumes are kept beside the city, in ``volumes.parquet``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from network_data.city import save_city
from network_data.conflicts import (
    Foes,
    drawn_paths,
    geometric_conflicts,
    required_intergreens,
)
from network_data.importers.utdf.groups import Group, groups_of
from network_data.importers.utdf.lanes import Cells, exit_lanes, number_of
from network_data.importers.utdf.losses import note_dropped
from network_data.importers.utdf.roads import (
    BEND,
    DIGITS,
    SIGNAL,
    Leg,
    Roads,
    Stream,
    nodes_of,
    units_of,
)
from network_data.importers.utdf.signals import (
    Controller,
    control_of,
    controllers_of,
    note_unknown_phases,
    plan_of,
)
from network_data.importers.utdf.tables import read_tables, source_files
from network_data.loss_report import FILE, Loss, LossReport
from traffic_brain.errors import DataRefused, SimulationError, TrafficBrainError
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    Detector,
    DetectorKind,
    Junction,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import retimable, rules_inputs
from traffic_brain.progress import Progress, silent

if TYPE_CHECKING:
    import pyarrow as pa

VOLUMES_FILE = "volumes.parquet"
_STOP_LINE_M = 10.0
_MOST_DETECTORS = 5
_DEFAULT_SATURATION_VPH = 1900.0
_ALIGNED_RIGHT = (1.0, 3.0)


def import_network(source: Path, out: Path, progress: Progress = silent) -> dict[str, int]:
    """Import a UTDF csv into the existing empty folder ``out``; returns row counts.

    Raises:
        DataRefused: the file is no UTDF, or too damaged to make a network of it.
    """
    import pyarrow.parquet as pq

    from network_data.writers.sumo_net import write_sumo_net

    losses = LossReport()
    progress(0.05, "reading the network")
    network, volumes = _read(source, losses)
    progress(0.5, "making the network for the simulation")
    try:
        write_sumo_net(network, out, losses=losses)
    except TrafficBrainError as error:
        shutil.rmtree(out / "sumo", ignore_errors=True)
        if not isinstance(error, SimulationError):
            raise
        remedy = "mend what netconvert names, and import again"
        raise DataRefused(f"{source}: SUMO cannot draw it", remedy, [str(error)]) from error
    progress(0.9, "writing the city folder")
    save_city(network, out)
    pq.write_table(_volumes_table(volumes), out / VOLUMES_FILE)
    (out / FILE).write_text(to_json(losses.as_dict()), encoding="utf-8")
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


def read_network(source: Path, losses: LossReport) -> RoadNetwork:
    """Read a combined UTDF csv, or the folder or any file of the older set of files.

    Raises:
        DataRefused: the file is no UTDF, or too damaged to make a network of it.
    """
    return _read(source, losses)[0]


def _read(source: Path, losses: LossReport) -> tuple[RoadNetwork, list[Volume]]:
    tables = read_tables(source, losses)
    note_dropped(tables, losses)
    units = units_of(tables, losses)
    nodes = nodes_of(tables, units, source, losses)
    signals = [node.node for node in nodes.values() if node.kind == SIGNAL]
    controllers = controllers_of(tables.plans[0], signals, losses)
    owner = {node: c.junction_id for c in controllers.values() for node in c.nodes}
    roads = Roads(tables, units, nodes, owner, losses)
    if not roads.legs:
        raise DataRefused(
            f"{source} holds no link between two of its nodes",
            "export the network from Synchro again as UTDF (combined csv)",
        )
    network = _network(source, roads, controllers)
    _judge(network, losses)
    return network, list(_volumes(roads, network.movements))


def _network(source: Path, roads: Roads, controllers: Mapping[str, Controller]) -> RoadNetwork:
    groups = {j: groups_of(controller, roads) for j, controller in controllers.items()}
    group_of = {m: group for found in groups.values() for m, group in found.items()}
    connections = tuple(c for leg in roads.legs for c in _connections(leg, roads, group_of))
    movements = sorted(
        (
            _movement(stream, roads, group_of[stream.movement_id])
            for found in roads.streams.values()
            for stream in found
            if stream.movement_id in group_of
        ),
        key=lambda movement: movement.movement_id,
    )
    foes = geometric_conflicts(roads.links, connections)
    conflicts = {junction_id: found.conflicts for junction_id, found in foes.items()}
    nothing = Foes(frozenset(), frozenset())
    return RoadNetwork(
        name=source.stem,
        links=roads.links,
        connections=connections,
        movements={m.movement_id: m for m in movements},
        junctions={
            j: _junction(controller, roads, groups[j], foes.get(j, nothing))
            for j, controller in controllers.items()
        },
        detectors=tuple(d for leg in roads.legs for d in _detectors(leg, roads)),
        intergreens_s=required_intergreens(drawn_paths(roads.links, connections), conflicts),
        sources={f.name: sha256(f.read_bytes()).hexdigest() for f in source_files(source)},
    )


def _connections(leg: Leg, roads: Roads, groups: Mapping[str, Group]) -> Iterator[Connection]:
    if roads.nodes[leg.node].kind == BEND:
        yield from _through_bend(leg, roads)
        return
    found = []
    for stream in roads.streams[leg.link_id]:
        group = groups.get(stream.movement_id)
        junction_id, idx = (group.junction_id, group.idx) if group else (None, NO_SIGNAL)
        right = number_of(stream.records.get("alignment", "0")) in _ALIGNED_RIGHT
        targets = roads.whole_lanes(stream.exit_id)
        for lane, goal in exit_lanes(stream.lanes, stream.turn, targets, align_right=right):
            ends = (leg.link_id, lane, stream.exit_id, goal)
            found.append(Connection(*ends, stream.turn, junction_id, idx))
    yield from sorted(found, key=lambda c: (c.from_lane_idx, c.to_link, c.to_lane_idx))


def _through_bend(leg: Leg, roads: Roads) -> Iterator[Connection]:
    """Straight on through a bend, to every neighbour but the one that the link comes from."""
    for (begin, end), exit_id in roads.exits.items():
        if begin == leg.node and end != leg.up:
            lanes = range(roads.lanes[leg.link_id].lane_count)
            targets = roads.whole_lanes(exit_id)
            for lane, goal in exit_lanes(lanes, Turn.THROUGH, targets, align_right=True):
                yield Connection(leg.link_id, lane, exit_id, goal, Turn.THROUGH)


def _movement(stream: Stream, roads: Roads, group: Group) -> Movement:
    flow_vph, told = _saturation_flow(stream, roads)
    return Movement(
        movement_id=stream.movement_id,
        junction_id=group.junction_id,
        from_link=stream.leg.link_id,
        to_link=stream.exit_id,
        turn=stream.turn,
        lanes=stream.lanes,
        signal_group_idxs=(group.idx,),
        saturation_flow_vph=round(flow_vph * len(stream.lanes), DIGITS),
        saturation_flow_source=told,
    )


def _saturation_flow(stream: Stream, roads: Roads) -> tuple[float, str]:
    """(vehicles per hour and lane under continuous green, source) of a movement.

    UTDF tells SatFlow for all lanes of a lane group; a movement in the lane of another group
    discharges as that group does.
    """
    place = roads.place(stream.leg.node, stream.column)
    cells = Cells("[Lanes]", roads.losses)
    own_lanes = roads.lanes[stream.leg.link_id].own_lanes
    flows_vph = []
    for column, records in roads.movements_of(stream.leg).items():
        own = own_lanes.get(column, ())
        shared = set(own) & set(stream.lanes)
        flow_vph = cells.number(records, "satflow", place, 0.0, 0, 1e5)
        flows_vph += [flow_vph / len(own)] * len(shared) if own else []
    if flows_vph and min(flows_vph) > 0:
        return sum(flows_vph) / len(flows_vph), "UTDF SatFlow"
    roads.losses.note(Loss.DEFAULTED, "[Lanes] SatFlow: IdealFlow of a lane", str(place))
    ideal = cells.number(stream.records, "idealflow", place, _DEFAULT_SATURATION_VPH, 1, 1e4)
    return ideal, "UTDF IdealFlow" if "idealflow" in stream.records else "default"


def _junction(
    controller: Controller, roads: Roads, groups: Mapping[str, Group], foes: Foes
) -> Junction:
    junction_id, losses = controller.junction_id, roads.losses
    nodes = [roads.nodes[node] for node in controller.nodes]
    phases = [group.phases for group in groups.values()]
    first, *others = roads.tables.plans
    note_unknown_phases(phases, roads.tables.plans, junction_id, losses)
    plan = plan_of(first, controller, phases, losses)
    found = [plan_of(t, controller, phases, losses) for t in others if junction_id in t.timeplans]
    return Junction(
        junction_id=junction_id,
        name=_name(junction_id, roads),
        x=round(sum(n.x for n in nodes) / len(nodes), DIGITS),
        y=round(sum(n.y for n in nodes) / len(nodes), DIGITS),
        node_ids=controller.nodes,
        signal_group_count=len(groups),
        conflicts=foes.conflicts,
        yields=foes.yields,
        plan_in_service=plan,
        other_plans=tuple(other for other in found if other is not None),
        control=control_of(first.timeplans.get(junction_id), junction_id, losses),
        problems=() if plan is not None else ("no plan could be read",),
    )


def _name(node: str, roads: Roads) -> str:
    told = roads.tables.nodes[node].get("description")
    if told:
        return told
    roads.losses.note(
        Loss.DEFAULTED, "[Nodes] DESCRIPTION: named after its streets", f"node {node}"
    )
    legs = roads.tables.links.get(node, {}).values()
    streets = dict.fromkeys(records["name"] for records in legs if records.get("name"))
    return " / ".join(streets) or node


def _detectors(leg: Leg, roads: Roads) -> Iterator[Detector]:
    """One detector per lane of a lane group and per position that the file gives."""
    cells = Cells("[Lanes]", roads.losses)
    length_m = roads.links[leg.link_id].length_m
    for stream in roads.streams[leg.link_id]:
        place = roads.place(leg.node, stream.column)
        for i in range(1, _MOST_DETECTORS + 1):
            if f"detectpos{i}" not in stream.records:
                continue
            ahead = cells.number(stream.records, f"detectpos{i}", place, 0, 0, 1e5)
            ahead_m = roads.units.metres(ahead)
            near = ahead_m <= _STOP_LINE_M
            for lane in stream.own_lanes:
                yield Detector(
                    detector_id=f"{leg.link_id}_{lane}_{i}",
                    link_id=leg.link_id,
                    lane_idx=lane,
                    position_m=round(max(0.0, length_m - ahead_m), DIGITS),
                    kind=DetectorKind.STOP_LINE if near else DetectorKind.ADVANCE,
                )


def _judge(network: RoadNetwork, losses: LossReport) -> None:
    """Put every signal whose plan cannot be right on the to-fix list."""
    for junction_id, site in rules_inputs(network).items():
        if site.junction.plan_in_service is not None:
            for reason in retimable(site):
                remedy = "compare phases and movements with the controller's phase diagram"
                losses.to_fix(junction_id, reason, 0.5, remedy)


# --- volumes --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Volume:
    """What the file counts on one movement; a row of ``volumes.parquet``."""

    node_id: str
    column: str
    from_link: str
    to_link: str
    movement_id: str | None
    """None: no signal controls the movement."""
    volume_vph: float
    peak_hour_factor: float
    growth_ratio: float
    heavy_vehicle_ratio: float
    source: str = "UTDF Volume"


def _volumes(roads: Roads, movements: Mapping[str, Movement]) -> Iterator[Volume]:
    cells = Cells("[Lanes]", roads.losses)
    for stream in (s for leg in roads.legs for s in roads.streams[leg.link_id]):
        if "volume" in stream.records:
            place = roads.place(stream.leg.node, stream.column)
            number = partial(cells.number, stream.records)
            yield Volume(
                node_id=stream.leg.node,
                column=stream.column,
                from_link=stream.leg.link_id,
                to_link=stream.exit_id,
                movement_id=stream.movement_id if stream.movement_id in movements else None,
                volume_vph=number("volume", place, 0.0, 0, 1e6),
                peak_hour_factor=number("phf", place, 1.0, 0, 1),
                growth_ratio=number("growth", place, 100.0, 0, 1e4) / 100,
                heavy_vehicle_ratio=number("heavyvehicles", place, 0.0, 0, 100) / 100,
            )


def _volumes_table(volumes: list[Volume]) -> pa.Table:
    """The volumes as a table with the fields of ``Volume`` as columns."""
    import pyarrow as pa

    texts = {"node_id", "column", "from_link", "to_link", "movement_id", "source"}
    schema = pa.schema(
        [(f.name, pa.string() if f.name in texts else pa.float64()) for f in fields(Volume)]
    )
    rows = [asdict(volume) for volume in volumes]
    return pa.Table.from_pylist(rows, schema=schema)
