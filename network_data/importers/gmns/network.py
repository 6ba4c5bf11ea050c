"""GMNS folders (General Modeling Network Specification 0.9x) as a road network.

All tables are read: node, link, geometry, lane, segment, segment_lane, movement, zone, location,
config, the uses, and the seven signal tables. Lengths become metres on a plane, speeds metres per
second, ring-and-barrier phases stages. What our model has no place for is dropped and told, cell
by cell; what the folder leaves open is guessed and told, and what a person should look at stands
on the to-fix list. Conflicts and required intergreens come from geometry.

Folders of :mod:`network_data.writers.gmns` hold more, in columns and tables that begin with
``opt_``; from them the network is read back as it was written.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from network_data.checks import give_way_problem
from network_data.city import save_city
from network_data.conflicts import Foes, conflicts_of, drawn_paths, required_intergreens
from network_data.importers.gmns.crossings import crossings_of, walks_of
from network_data.importers.gmns.lights import Site
from network_data.importers.gmns.movements import Turning
from network_data.importers.gmns.places import detectors_of, zone_of_links, zones_of
from network_data.importers.gmns.roads import Roads, read_roads
from network_data.importers.gmns.signals import NO_SIGNS, read_signals
from network_data.importers.gmns.tables import Row, Tables, known_id, read_tables
from network_data.importers.sumo.network import SATURATION_FLOW_VPH
from network_data.loss_report import FILE, Loss, LossReport
from traffic_brain.errors import DataRefused, SimulationError, TrafficBrainError
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    GiveWay,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
    Zone,
)
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import retimable, rules_inputs
from traffic_brain.progress import Progress, silent

_NOTHING = Foes(frozenset(), frozenset())
_LEAST_VPH, _MOST_VPH = 300.0, 2600.0
"""Saturation flow of a lane; a capacity outside is none (per lane, or of another kind)."""
_MOST_GROUPS = 10_000
_SHOWN = 3
_LONGEST_S = 120
"""A longer intergreen is a damaged number."""

Pair = tuple[int, int]


def import_network(source: Path, out: Path, progress: Progress = silent) -> dict[str, int]:
    """Import a GMNS folder into the existing empty folder ``out``; returns row counts.

    Raises:
        DataRefused: the folder is no GMNS, too damaged, or SUMO cannot build its network.
        ConfigurationError: SUMO is not installed.
    """
    losses = LossReport()
    progress(0.05, "reading the tables")
    network = read_network(source, losses)
    try:
        report = _write(network, out, losses, progress)
    except TrafficBrainError:
        _empty(out)
        raise
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
        "to_fix": len(report["to_fix"]),
    }


def _write(
    network: RoadNetwork, out: Path, losses: LossReport, progress: Progress
) -> dict[str, Any]:
    """Write the city folder; returns the loss report."""
    from network_data.writers.sumo_net import write_sumo_net

    progress(0.5, "writing the city folder")
    save_city(network, out)
    progress(0.6, "making the network for the simulation")
    try:
        write_sumo_net(network, out, losses=losses)
    except SimulationError as error:
        raise DataRefused(
            f"{network.name}: SUMO cannot build this network", "correct its geometry", [error.what]
        ) from error
    report = losses.as_dict()
    (out / FILE).write_text(to_json(report), encoding="utf-8")
    return report


def _empty(folder: Path) -> None:
    """Leave nothing half done."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def read_network(source: Path, losses: LossReport) -> RoadNetwork:
    """Read a GMNS folder.

    Raises:
        DataRefused: the folder is no GMNS, or too damaged to make a network of it; all problems
            are listed.
    """
    network = _read(read_tables(source, losses), with_rules=True)
    for junction_id, site in rules_inputs(network).items():
        reasons = retimable(site) if site.junction.plan_in_service is not None else []
        if reasons:
            more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
            remedy = "compare phases and movements with the controller's phase diagram"
            losses.to_fix(junction_id, "; ".join(reasons[:_SHOWN]) + more, 0.5, remedy)
    return network


def read_plain(source: Path, losses: LossReport) -> RoadNetwork:
    """Read a GMNS folder as other programs do: without what begins with ``opt_``.

    Conflicts and intergreens, which GMNS has no tables for, are left out.

    Raises:
        DataRefused: as `read_network`.
    """
    return _read(read_tables(source, losses, carried=False), with_rules=False)


def _read(tables: Tables, *, with_rules: bool) -> RoadNetwork:
    roads = read_roads(tables)
    return _Assembly(tables, roads, read_signals(tables, roads), with_rules).network()


@dataclass
class _Assembly:
    """Puts what was read together."""

    tables: Tables
    roads: Roads
    sites: Sequence[Site]
    with_rules: bool
    """Conflicts and intergreens are wanted; drawing them takes most of the time."""

    def network(self) -> RoadNetwork:
        """The network."""
        links = self._links()
        connections = tuple(c for turning in self.roads.turnings for c in self._ways(turning))
        foes, intergreens = self._rules(links, connections)
        self._note_vertices()
        config = next(iter(self.tables["config"]), None)
        source = self.tables.source
        return RoadNetwork(
            name=(self.tables.name(config, "dataset_name") if config else "")
            or source.resolve().name,
            links=links,
            connections=connections,
            movements=self._movements(links),
            junctions={s.junction_id: self._junction(s, foes) for s in self.sites},
            crossings=tuple(crossings_of(self.sites, self.roads, self.tables.losses)),
            give_ways=tuple(self._give_ways(links, connections)),
            detectors=tuple(detectors_of(self.tables, self.roads)),
            zones=self.zones,
            plan_windows=tuple(w for site in self.sites for w in site.windows),
            intergreens_s=intergreens,
            sources={
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in self.tables.files
            },
        )

    @cached_property
    def zones(self) -> Mapping[str, Zone]:
        return zones_of(self.tables, self.roads.units.plane)

    @cached_property
    def signal_of(self) -> Mapping[str, tuple[str, int]]:
        """Movement id -> (junction, signal group)."""
        return {m: (s.junction_id, g) for s in self.sites for m, g in s.group_of.items()}

    @cached_property
    def junction_of(self) -> Mapping[str, str]:
        """Controller -> junction."""
        return {s.controller: s.junction_id for s in self.sites if s.controller}

    # --- links and their ways ---

    def _links(self) -> dict[str, Link]:
        signals: dict[str, str] = {}
        for turning in self.roads.turnings:
            junction_id, _ = self._lamp(turning)
            if junction_id is not None:
                known = signals.get(turning.from_link, junction_id)
                signals[turning.from_link] = min(known, junction_id)
        zones = zone_of_links(self.tables, self.roads, self.zones)
        return {
            link_id: replace(link, junction_id=signals.get(link_id), zone_id=zones.get(link_id))
            for link_id, link in self.roads.links.items()
        }

    def _lamp(self, turning: Turning) -> tuple[str | None, int]:
        """The junction and the group that control a movement."""
        found = self.signal_of.get(turning.mvmt_id)
        if found is not None:
            return found
        told = turning.row["opt_controller_id"] if turning.row is not None else ""
        return self.junction_of.get(told), NO_SIGNAL

    def _ways(self, turning: Turning) -> Iterator[Connection]:
        junction_id, group = self._lamp(turning)
        for lane, goal in turning.ways:
            ends = (turning.from_link, lane, turning.to_link, goal)
            yield Connection(*ends, turning.turn, junction_id, group)

    # --- movements ---

    def _movements(self, links: Mapping[str, Link]) -> dict[str, Movement]:
        """Movements from lanes that are open to cars; rows of the same links are one."""
        grouped: dict[tuple[str, str, str, str], list[Turning]] = defaultdict(list)
        for turning in self.roads.turnings:
            junction_id, _ = self._lamp(turning)
            if junction_id is None:
                continue
            told = turning.row["opt_movement_id"] if turning.row is not None else ""
            if not any(lane in links[turning.from_link].car_lanes for lane, _ in turning.ways):
                what = "movement: from lanes that are closed to cars"
                self.tables.losses.note(Loss.DROPPED, what, f"movement {turning.mvmt_id}")
            elif told or not self.tables["movement"].has("opt_movement_id"):
                key = (junction_id, turning.from_link, turning.to_link, told)
                grouped[key].append(turning)
        movements: dict[str, Movement] = {}
        for key, turnings in sorted(grouped.items()):
            movement = self._movement(key, turnings, links, movements)
            movements[movement.movement_id] = movement
        return movements

    def _movement(
        self,
        key: tuple[str, str, str, str],
        turnings: Sequence[Turning],
        links: Mapping[str, Link],
        taken: Mapping[str, Movement],
    ) -> Movement:
        junction_id, from_link, to_link, told = key
        cars = links[from_link].car_lanes
        lanes = tuple(sorted({a for t in turnings for a, _ in t.ways if a in cars}))
        first = turnings[0]
        for turning in turnings[1:] if not told else ():
            what = "movement: rows of the same links are one"
            self.tables.losses.note(Loss.GUESSED, what, f"movement {turning.mvmt_id}")
        movement_id = told or first.mvmt_id
        while movement_id in taken:
            movement_id += f"@{junction_id}"
        flow_vph, source = self._saturation(turnings, len(lanes), from_link)
        return Movement(
            movement_id=movement_id,
            junction_id=junction_id,
            from_link=from_link,
            to_link=to_link,
            turn=first.turn,
            lanes=lanes,
            signal_group_idxs=tuple(sorted({self._lamp(t)[1] for t in turnings})),
            saturation_flow_vph=flow_vph,
            saturation_flow_source=source,
        )

    def _saturation(
        self, turnings: Sequence[Turning], lanes: int, from_link: str
    ) -> tuple[float, str]:
        """Saturation flow of all lanes in veh/h, and where it comes from."""
        first = turnings[0].row
        exact = self.tables.number(first, "opt_saturation_flow_vph", 0, 1e5) if first else None
        if first is not None and exact:
            return exact, self.tables.name(first, "opt_saturation_flow_source")
        told = [self.tables.number(t.row, "capacity", 0, 1e6) or 0.0 for t in turnings if t.row]
        total = sum(told)
        if total and _LEAST_VPH <= total / lanes <= _MOST_VPH:
            return total, "GMNS movement.capacity"
        row = self.roads.rows[from_link]
        of_lane = self.tables.number(row, "capacity", 0, 1e6) or 0.0
        if 1200 <= of_lane <= _MOST_VPH:  # a saturation flow, not the capacity of a shared green
            return of_lane * lanes, "GMNS link.capacity"
        place = f"movement {turnings[0].mvmt_id}"
        self.tables.losses.note(Loss.DEFAULTED, "movement.capacity: by its turn", place)
        if total or of_lane:
            what = "capacity: too low or too high for a saturation flow"
            self.tables.losses.note(Loss.DROPPED, what, place)
        return SATURATION_FLOW_VPH[turnings[0].turn] * lanes, "default by turn"

    # --- junctions ---

    def _junction(self, site: Site, foes: Mapping[str, Foes]) -> Junction:
        nodes = [self.roads.nodes[n] for n in site.node_ids]
        places = [(node.x, node.y) for node in nodes] or [(0.0, 0.0)]
        x, y = (sum(p[i] for p in places) / len(places) for i in (0, 1))
        names = (self.tables.name(node.row, "name") for node in nodes)
        name, row = next((n for n in names if n), ""), site.row
        zone = next((n.row["zone_id"] for n in nodes), "")
        latin = ""
        if row is not None:
            name = self.tables.name(row, "opt_name") or name or self.tables.name(row, "name")
            latin = self.tables.name(row, "opt_name_latin")
            zone = row["opt_zone_id"] if row.table.has("opt_zone_id") else zone
            exact = [self.tables.number(row, c, -1e12, 1e12) for c in ("opt_x", "opt_y")]
            x, y = (
                told if told is not None else own for told, own in zip(exact, (x, y), strict=True)
            )
        if not name:
            self.tables.losses.note(Loss.DEFAULTED, "node.name: the signal's id", site.junction_id)
        found = foes.get(site.junction_id, _NOTHING)
        return Junction(
            junction_id=site.junction_id,
            name=name or site.junction_id,
            x=x,
            y=y,
            node_ids=tuple(self.roads.vertex_of[n] for n in site.node_ids),
            signal_group_count=site.group_count,
            conflicts=found.conflicts,
            yields=found.yields,
            plan_in_service=site.plan_in_service,
            other_plans=site.other_plans,
            control=site.control,
            problems=site.problems,
            name_latin=latin,
            zone_id=known_id(zone, self.zones),
        )

    def _note_vertices(self) -> None:
        """Note what is told of vertices without a signal, and of signs that give way."""
        signals = {node_id for site in self.sites for node_id in site.node_ids}
        for node_id, node in self.roads.nodes.items():
            columns = () if node_id in signals else ("name", "ctrl_type", "zone_id")
            for column in (c for c in columns if node.row[c]):
                if column != "ctrl_type" or node.row.word(column) not in NO_SIGNS:
                    what = f"node.{column}: of a vertex without a signal"
                    self.tables.losses.note(Loss.DROPPED, what, node.row.place)
        for turning in self.roads.turnings:
            word = turning.row.word("ctrl_type") if turning.row is not None else ""
            if word not in NO_SIGNS and turning.mvmt_id not in self.signal_of:
                what = "movement.ctrl_type: who gives way without a signal"
                self.tables.losses.note(Loss.DROPPED, what, f"movement {turning.mvmt_id}")

    # --- conflicts ---

    def _give_ways(
        self, links: Mapping[str, Link], connections: Sequence[Connection]
    ) -> Iterator[GiveWay]:
        """Right of way without lamps, as our own files tell it; GMNS has no table for it."""
        bare = {(c.from_link, c.to_link) for c in connections if c.junction_id is None}
        for row in self.tables["opt_give_way"]:
            first = row["first_ib_link_id"], row["first_ob_link_id"]
            found = GiveWay(row["ib_link_id"], row["ob_link_id"], *first)
            if problem := give_way_problem(found, links, bare):
                self.tables.drop(row, problem)
            else:
                yield found

    def _rules(
        self, links: Mapping[str, Link], connections: Sequence[Connection]
    ) -> tuple[Mapping[str, Foes], Mapping[str, Mapping[Pair, int]]]:
        """Conflicts, yields and required intergreens: as our own files tell, else drawn."""
        if not self.with_rules:
            return {}, {}
        if "opt_signal_rule" in self.tables.by_name:
            return self._told_rules()
        ways = drawn_paths(links, connections)
        walks = list(walks_of(self.sites, self.roads, ways, self.tables.losses))
        lit = [c.turn for c in connections if c.junction_id is not None and c.signal_group_idx >= 0]
        turns = [*lit, *(Turn.THROUGH for _ in walks)]
        foes = conflicts_of([*ways, *walks], turns, links)
        conflicts = {junction_id: found.conflicts for junction_id, found in foes.items()}
        for site in self.sites:
            what = "conflicts, yields and intergreens: drawn from geometry"
            self.tables.losses.note(Loss.GUESSED, what, site.junction_id)
        needed = required_intergreens([*ways, *walks], conflicts)
        return foes, {
            junction_id: self._believed(junction_id, s) for junction_id, s in needed.items()
        }

    def _believed(self, junction_id: str, needed: Mapping[Pair, int]) -> Mapping[Pair, int]:
        """Intergreens of a drawn junction, cut to the longest that is no damaged number."""
        if any(seconds > _LONGEST_S for seconds in needed.values()):
            what = f"intergreens: longer than {_LONGEST_S} s where drawn, cut to that"
            self.tables.losses.note(Loss.GUESSED, what, junction_id)
            told = "paths across the junction are so long that nobody clears them"
            self.tables.losses.to_fix(junction_id, told, 0.1, "correct the places of its links")
        return {pair: min(seconds, _LONGEST_S) for pair, seconds in needed.items()}

    def _told_rules(self) -> tuple[Mapping[str, Foes], Mapping[str, Mapping[Pair, int]]]:
        conflicts: dict[str, set[Pair]] = defaultdict(set)
        yields: dict[str, set[Pair]] = defaultdict(set)
        needed: dict[str, dict[Pair, int]] = {
            s.junction_id: {} for s in self.sites if s.row is not None and s.row["opt_intergreens"]
        }
        counts = {s.junction_id: s.group_count for s in self.sites}
        for row in self.tables["opt_signal_rule"]:
            junction_id = self.junction_of.get(row["controller_id"])
            group = self.tables.whole(row, "signal_group", 0, _MOST_GROUPS)
            if junction_id is None or group is None or group >= counts[junction_id]:
                self.tables.drop(row, "of no signal group")
                continue
            others = set(range(counts[junction_id])) - {group}
            for other in self._groups(row, "conflicts", {o for o in others if o > group}):
                conflicts[junction_id].add((group, other))
            for other in self._groups(row, "yields", others):
                yields[junction_id].add((group, other))
            for other, seconds in self._seconds(row, others):
                needed.setdefault(junction_id, {})[group, other] = seconds
        foes = {
            s.junction_id: Foes(
                frozenset(conflicts[s.junction_id]), frozenset(yields[s.junction_id])
            )
            for s in self.sites
        }
        return foes, needed

    def _groups(self, row: Row, column: str, known: Collection[int]) -> Iterator[int]:
        """Signal groups in a cell, parted by blanks."""
        for word in row[column].split():
            if _is_whole(word) and int(word) in known:
                yield int(word)
            else:
                self.tables.drop(row, f"{column}: no signal group that can be meant")

    def _seconds(self, row: Row, known: Collection[int]) -> Iterator[Pair]:
        """(signal group, seconds) of ``group:seconds`` in a cell, parted by blanks."""
        for word in row["intergreens"].split():
            group, _, seconds = word.partition(":")
            is_good = _is_whole(group) and _is_whole(seconds) and int(seconds) <= _LONGEST_S
            if is_good and int(group) in known:
                yield int(group), int(seconds)
            else:
                self.tables.drop(row, "intergreens: no signal group with seconds")


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) < 6
