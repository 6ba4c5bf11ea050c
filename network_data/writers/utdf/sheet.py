"""A road network as a UTDF csv (version 8, metric units), for Synchro and all that reads it.

UTDF names nodes by numbers, links by their two nodes and movements by their directions, and has
one signal group per movement. What it cannot hold is found by reading the file back: every
attribute that comes back otherwise is named in the loss report, with its place.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from network_data.differences import differences
from network_data.importers.utdf import read_network
from network_data.importers.utdf.tables import DIRECTIONS
from network_data.loss_report import Loss, LossReport
from network_data.writers.utdf.approaches import Group, aligned_right
from network_data.writers.utdf.expected import Renaming
from network_data.writers.utdf.layout import (
    DIGITS,
    MOST_NODES,
    MOVEMENTS,
    Layout,
    Leg,
    Point,
    UtdfNames,
)
from network_data.writers.utdf.phases import MOST_PHASES, Encoded, Numbering
from traffic_brain.model.network import Link, Movement, RoadNetwork

NOT_READ_BACK = "not in the file as it was"
"""Loss of what the importer reads otherwise, or not at all."""
Row = list[str]
_MOST_DETECTORS = 5
_PRETIMED, _COORDINATED = "0", "3"
_FIRST_GREEN = "3"
_UNCONTROLLED, _NEVER_LIT = "-1", "99"
_MAX_RECALL = "3"
_TOLERANCE = 10.0**-DIGITS
"""Numbers are written with so many digits."""


def write_utdf(network: RoadNetwork, path: Path, losses: LossReport) -> None:
    """Write the network as one combined csv; what UTDF cannot hold goes to ``losses``.

    Raises:
        DataRefused: the network has no links, or cannot be read back from what was written.
    """
    layout = Layout(network)
    path.write_text(_Sheet(layout).text(), encoding="utf-8", newline="")
    _note_renamed(layout, losses)
    again = read_network(path, LossReport())
    again = replace(again, name=network.name, sources=network.sources)
    for name, place in differences(Renaming(layout).network(), again, tolerance=_TOLERANCE):
        losses.note(Loss.DROPPED, f"{name}: {NOT_READ_BACK}", layout.old_place(place))


def utdf_names(network: RoadNetwork) -> UtdfNames:
    """The ids that :func:`write_utdf` gives."""
    return Layout(network).names


def renamed(network: RoadNetwork) -> RoadNetwork:
    """The network with the ids that it gets in UTDF, and one signal group per movement."""
    return Renaming(Layout(network)).network()


def _note_renamed(layout: Layout, losses: LossReport) -> None:
    """Name every id and signal group that UTDF does not keep."""
    for kind, old, new in _new_ids(layout):
        losses.note(Loss.DROPPED, f"id of a {kind}: numbered anew", f"{old} → {new}")
    for junction_id, groups in layout.names.groups.items():
        junction = layout.network.junctions[junction_id]
        if groups != tuple(range(junction.signal_group_count)):
            told = f"{junction_id}: {', '.join(map(str, groups))}"
            losses.note(Loss.DROPPED, "signal groups: one per movement, by direction", told)
    for link_id in layout.network.links.keys() - layout.names.links.keys():
        losses.note(Loss.DROPPED, "ninth and further link into a node", link_id)


def _new_ids(layout: Layout) -> Iterator[tuple[str, str, str]]:
    """(kind, id in the network, id in UTDF) where they are not the same."""
    names = layout.names
    for kind, ids in (("node", names.nodes), ("link", names.links), ("junction", names.junctions)):
        yield from ((kind, old, new) for old, new in ids.items() if old != new)
    for junction_id, plan_ids in names.plans.items():
        for old, plan in zip(plan_ids, layout.plans[junction_id], strict=True):
            if old != plan.plan_id:
                yield "plan", f"{junction_id}: {old}", plan.plan_id
    for m in layout.network.movements.values():
        if m.movement_id != f"{m.from_link}>{m.to_link}":
            yield "movement", m.movement_id, layout.movement_name(m)


def _number(value: float) -> str:
    """A number without superfluous digits."""
    value = round(value, DIGITS)
    return str(int(value)) if value == int(value) else repr(value)


@dataclass(frozen=True)
class _Sheet:
    """A network's layout on its way into a file."""

    layout: Layout

    def text(self) -> str:
        """The whole file."""
        sections = (
            ("Network", "Network Settings", ["RECORDNAME", "DATA"], _settings()),
            ("Nodes", "Node Data", ["INTID", "TYPE", "X", "Y", "Z", "DESCRIPTION"], self._nodes()),
            ("Links", "Link Data", ["RECORDNAME", "INTID", *DIRECTIONS], self._links()),
            ("Lanes", "Lane Group Data", ["RECORDNAME", "INTID", *self._columns], self._lanes()),
            *self._plan_sections(),
        )
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\r\n")
        for name, title, header, rows in sections:
            writer.writerows([[f"[{name}]"], [title], header, *rows, []])
        return out.getvalue()

    def _nodes(self) -> Iterator[Row]:
        signalised = {n for junction in self.layout.signals.values() for n in junction.node_ids}
        crossed = {
            self.layout.network.links[c.from_link].to_node for c in self.layout.network.connections
        }
        names = {junction.node_ids[0]: junction.name for junction in self.layout.signals.values()}
        for node, number in self.layout.node_numbers.items():
            kind = "0" if node in signalised else "3" if node in crossed else "1"
            x, y = self.layout.positions[node]
            yield [number, kind, _number(x), _number(y), "0", names.get(node, "")]

    def _links(self) -> Iterator[Row]:
        by_node: dict[str, dict[str, Leg]] = defaultdict(dict)
        for leg in self.layout.legs:
            by_node[leg.node][leg.direction] = leg
        for node, legs in by_node.items():
            records = {direction: self._link_cells(leg) for direction, leg in legs.items()}
            yield from _rows(node, DIRECTIONS, records)

    def _link_cells(self, leg: Leg) -> dict[str, str]:
        link = leg.link
        if link is None:
            assert leg.reverse_of is not None
            first = self.layout.curves[leg.reverse_of.link_id][0]
            return {"Up ID": leg.up, "Lanes": "0"} | _curve_cells(first)
        lanes = {lane for group in self.layout.groups[link.link_id] for lane in group.own_lanes}
        cells = {
            "Up ID": leg.up,
            "Lanes": str(len(lanes) or link.lane_count),
            "Name": "" if link.name == link.link_id else link.name,
            "Distance": _number(link.length_m),
            "Speed": _number(link.free_flow_speed_mps * 3.6),
        }
        back = self._curved_back.get(link.link_id)
        point = self.layout.curves[link.link_id][1] if link.link_id in self.layout.curves else None
        return cells | _curve_cells(point or (self.layout.curves[back][0] if back else None))

    @cached_property
    def _curved_back(self) -> Mapping[str, str]:
        """Straight link -> the curved one that runs the other way."""
        curved = {
            (link.to_node, link.from_node): link.link_id
            for link in self.layout.network.links.values()
            if link.link_id in self.layout.curves
        }
        return {
            link.link_id: curved[link.from_node, link.to_node]
            for link in self.layout.network.links.values()
            if (link.from_node, link.to_node) in curved
        }

    @cached_property
    def _columns(self) -> list[str]:
        used = {
            leg.direction + group.turn_name
            for leg in self.layout.legs
            if leg.link is not None
            for group in self.layout.groups[leg.link.link_id]
        }
        return [column for column in MOVEMENTS if column in used]

    def _lanes(self) -> Iterator[Row]:
        phases = {
            id(group): (numbering, place)
            for junction_id, (_, numbering) in self.layout.encoded.items()
            for place, (group, _) in enumerate(self.layout.lamps[junction_id])
        }
        signalised = {n for junction in self.layout.signals.values() for n in junction.node_ids}
        by_node: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
        for leg in self.layout.legs:
            if leg.link is not None:
                for group in self.layout.groups[leg.link.link_id]:
                    cells = self._lane_cells(leg, leg.link, group)
                    if id(group) in phases:
                        cells |= _phase_cells(*phases[id(group)])
                    elif leg.link.to_node in signalised:
                        cells["PermPhase1"] = _UNCONTROLLED
                    by_node[leg.node][leg.direction + group.turn_name] = cells
        for node, records in by_node.items():
            yield from _rows(node, self._columns, records)

    def _lane_cells(self, leg: Leg, link: Link, group: Group) -> dict[str, str]:
        targets = self._whole_lanes(group.to_link)
        cells = {
            "Up Node": leg.up,
            "Dest Node": self.layout.node_numbers[self.layout.network.links[group.to_link].to_node],
            "Lanes": str(len(group.own_lanes)),
            "Shared": str(group.shared),
            "Alignment": "1" if aligned_right(group, targets) else "0",
        }
        if group.bays:
            cells |= {"Storage": _number(link.length_m), "StLanes": str(len(group.bays))}
        flow_vph = self._flows_vph(link).get(group.turn_name)
        if flow_vph is not None:
            cells["SatFlow"] = _number(flow_vph * len(group.own_lanes))
        return cells | self._detector_cells(link, group)

    def _flows_vph(self, link: Link) -> dict[str, float]:
        """Saturation flow per lane of each group with lanes of its own.

        A movement that also departs from lanes of others has what those lanes leave over.
        """
        groups = self.layout.groups[link.link_id]
        owner = {lane: group.turn_name for group in groups for lane in group.own_lanes}
        found: dict[str, float] = {}
        for group in sorted(groups, key=lambda g: len(g.lanes) - len(g.own_lanes)):
            movement = self._movements.get((link.link_id, group.to_link))
            others = [owner[lane] for lane in group.lanes if lane not in group.own_lanes]
            if movement is None or not group.own_lanes or not set(others) <= found.keys():
                continue
            rest_vph = movement.saturation_flow_vph - sum(found[name] for name in others)
            if rest_vph > 0:
                found[group.turn_name] = rest_vph / len(group.own_lanes)
        return found

    @cached_property
    def _movements(self) -> Mapping[tuple[str, str], Movement]:
        return {(m.from_link, m.to_link): m for m in self.layout.network.movements.values()}

    def _whole_lanes(self, link_id: str) -> list[int]:
        """The lanes of a link that begin in no turn bay; all, where each does."""
        bays = {lane for group in self.layout.groups[link_id] for lane in group.bays}
        lanes = range(self.layout.network.links[link_id].lane_count)
        return [lane for lane in lanes if lane not in bays] or list(lanes)

    @cached_property
    def _detectors(self) -> Mapping[tuple[str, int], list[float]]:
        """Distances of the detectors of each lane from the stop line, rising."""
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        for detector in self.layout.network.detectors:
            length_m = self.layout.network.links[detector.link_id].length_m
            found[detector.link_id, detector.lane_idx].append(length_m - detector.position_m)
        return {lane: sorted(distances) for lane, distances in found.items()}

    def _detector_cells(self, link: Link, group: Group) -> dict[str, str]:
        """The detectors of a group, where all its lanes have them at the same places."""
        places = {
            tuple(round(d, DIGITS) for d in self._detectors.get((link.link_id, lane), ()))
            for lane in group.own_lanes
        }
        if len(places) != 1:
            return {}
        distances = places.pop()[:_MOST_DETECTORS]
        cells = {f"DetectPos{i}": _number(d) for i, d in enumerate(distances, start=1)}
        return cells | ({"numDetects": str(len(distances))} if distances else {})

    def _plan_sections(self) -> Iterator[tuple[str, str, Row, Iterable[Row]]]:
        """A pair of sections for each plan that some junction has."""
        count = max((len(found) for found, _ in self.layout.encoded.values()), default=0)
        phases = [f"D{i}" for i in range(1, MOST_PHASES + 1)]
        for place in range(max(1, count)):
            plans = {
                junction_id: plan
                for junction_id, (found, _) in self.layout.encoded.items()
                if found and found[0] is not None
                if (plan := found[place] if place < len(found) else None) is not None
            }
            timings = (row for j, plan in plans.items() for row in self._timing_rows(j, plan))
            rows = (row for j, plan in plans.items() for row in _phase_rows(self._name(j), plan))
            yield "Timeplans", "Timing Plan Settings", ["RECORDNAME", "INTID", "DATA"], timings
            yield "Phases", "Phasing Data", ["RECORDNAME", "INTID", *phases], rows

    def _name(self, junction_id: str) -> str:
        return self.layout.names.junctions[junction_id]

    def _timing_rows(self, junction_id: str, plan: Encoded) -> Iterator[Row]:
        junction = self.layout.signals[junction_id]
        nodes = [self.layout.node_numbers[node] for node in junction.node_ids]
        records = {
            "Control Type": _COORDINATED if junction.control == "actuated" else _PRETIMED,
            "Cycle Length": str(plan.plan.cycle_s),
            "Lock Timings": "0",
            "Referenced To": _FIRST_GREEN,
            "Reference Phase": "".join(f"{phase:02d}" for phase in plan.offset.phases).lstrip("0"),
            "Offset": _number(plan.offset.offset_s),
            "Master": "0",
            "Yield": "0",
            **{f"Node {i}": node for i, node in enumerate(nodes)},
        }
        if len(nodes) < MOST_NODES:
            records[f"Node {len(nodes)}"] = "0"
        for record, value in records.items():
            yield [record, self._name(junction_id), value]


def _rows(
    node: str, columns: Sequence[str], records: Mapping[str, Mapping[str, str]]
) -> Iterator[Row]:
    """One row per record, with a cell for each column."""
    names = dict.fromkeys(name for cells in records.values() for name in cells)
    for name in names:
        yield [name, node, *(records.get(column, {}).get(name, "") for column in columns)]


def _settings() -> Iterator[Row]:
    yield ["UTDFVERSION", "8"]
    yield ["Metric", "1"]


def _phase_cells(numbering: Numbering, place: int) -> dict[str, str]:
    """The phases of a movement; one that is never lit names a phase without times."""
    if not numbering.used:
        return {}
    protected, permitted = sorted(numbering.protected[place]), sorted(numbering.permitted[place])
    cells = {f"Phase{i}": str(phase) for i, phase in enumerate(protected, start=1)}
    cells |= {f"PermPhase{i}": str(phase) for i, phase in enumerate(permitted, start=1)}
    on_red = {"Allow RTOR": "1" if numbering.on_red[place] else "0"}
    return (cells or {"Phase1": _NEVER_LIT}) | on_red


def _phase_rows(name: str, plan: Encoded) -> Iterator[Row]:
    times, cycle_s = plan.times(), plan.plan.cycle_s
    records = {}
    for phase in plan.phases:
        moments = times[phase.phase]
        green_s = phase.split_s - phase.yellow_s - phase.all_red_s
        records[str(phase.phase)] = {
            "BRP": f"{phase.barrier}{phase.ring}{phase.position}",
            "MinGreen": _number(phase.min_green_s),
            "MaxGreen": _number(green_s),
            "Yellow": _number(phase.yellow_s),
            "AllRed": _number(phase.all_red_s),
            "Recall": _MAX_RECALL,
            "Start": str((plan.begin_s + moments.start_s) % cycle_s),
            "End": str((plan.begin_s + moments.end_s) % cycle_s),
            "Yield": str((plan.begin_s + moments.yellow_start_s) % cycle_s),
        }
    yield from _rows(name, [str(i) for i in range(1, MOST_PHASES + 1)], records)


def _curve_cells(point: Point | None) -> dict[str, str]:
    if point is None:
        return {}
    return {"Curve Pt X": _number(point[0]), "Curve Pt Y": _number(point[1]), "Curve Pt Z": "0"}
