"""An area cut out of a city with its border: its network for us and for SUMO, and its days.

The cut holds the area's junctions and, around them, a ring of those that the area's traffic comes
from and goes to; the ring keeps its plans. Streets that lead on from the ring end freely: there the
vehicles come from and go to. Vehicles drive what they drove in the whole city, from the second on
at which they entered the cut, by the travel times that were observed.

What lies beyond is not simulated: a queue that reaches back over the border is counted (vehicles
wait outside for a place), one that grows into the cut from beyond is not.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import NET_FILE, SIGNALS_FILE, load_city
from network_data.importers.sumo.programs import describe_unreadable
from sim_scenarios.areas.sumo_net import SumoNet, read_net, write_part
from traffic_brain.diagnosis.causes.areas import Driven, driven
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json

RING_REACH_M = 1000.0
"""From the area's junctions to those of the ring, along streets without signals."""
ENTRY_REACH_M = 300.0
"""From the ring on, so that vehicles do not enter in the middle of a widened approach."""


@dataclass(frozen=True)
class Day:
    """A state folder, read; ``driven`` tells who was where when."""

    folder: Path
    state: State
    driven: Driven
    links: pa.Table
    demand: pa.Table


@dataclass(frozen=True)
class Region:
    """What lies in a cut: whole vertices, the junctions that they are, and links."""

    vertices: frozenset[str]
    junction_ids: tuple[str, ...]
    links: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Whole:
    """A city and its days, made ready for cutting areas out; tonight's day is the first."""

    city: Path
    network: RoadNetwork
    days: tuple[Day, ...]

    @classmethod
    def read(cls, city: Path, states: Sequence[Path], network: RoadNetwork | None = None) -> Whole:
        """Read the folders; ``network`` is the city's, where it is known already.

        Raises:
            ConfigurationError, DataRefused: a folder is missing or cannot be read.
        """
        network = network or load_city(city)
        return cls(city, network, tuple(_day(folder, network) for folder in states))

    @cached_property
    def net(self) -> SumoNet:
        return read_net(self.city / NET_FILE)

    @cached_property
    def signals(self) -> ET.Element:
        path = self.city / SIGNALS_FILE
        try:
            return ET.parse(path).getroot()
        except (OSError, ET.ParseError) as error:
            raise DataRefused(f"{path}: {describe_unreadable(error)}", "import again") from error

    @cached_property
    def junction_at(self) -> Mapping[str, str]:
        """Junction of every signalised vertex."""
        return {v: j.junction_id for j in self.network.junctions.values() for v in j.node_ids}

    @cached_property
    def ways(self) -> Mapping[str, tuple[tuple[str, float], ...]]:
        """(vertex, metres) that vehicles drove to or from each vertex, on one link."""
        used = np.zeros(len(self.network.links), dtype=bool)
        for day in self.days:
            used[day.driven.link] = True
        found: dict[str, dict[str, float]] = defaultdict(dict)
        for link, is_used in zip(self.network.links.values(), used.tolist(), strict=True):
            if is_used:
                found[link.from_node][link.to_node] = link.length_m
                found[link.to_node][link.from_node] = link.length_m
        return {v: tuple(sorted(others.items())) for v, others in found.items()}

    def region(self, junction_ids: Collection[str]) -> Region:
        """The cut around junctions."""
        core = self._vertices(junction_ids)
        between, ring = self._reached(core, RING_REACH_M)
        inner = core | between | self._vertices(ring)
        beyond, _ = self._reached(self._vertices(ring), ENTRY_REACH_M)
        vertices = inner | beyond
        links = tuple(
            k
            for k, link in self.network.links.items()
            if link.from_node in vertices or link.to_node in vertices
        )
        kept = {*junction_ids, *ring}
        return Region(
            frozenset(vertices), tuple(j for j in self.network.junctions if j in kept), links
        )

    def _vertices(self, junction_ids: Collection[str]) -> set[str]:
        return {v for j in junction_ids for v in self.network.junctions[j].node_ids}

    def _reached(self, begin: set[str], reach_m: float) -> tuple[set[str], set[str]]:
        """Vertices without signals within reach, and the junctions at which the ways end."""
        passed: set[str] = set()
        junctions: set[str] = set()
        queue = [(0.0, v) for v in sorted(begin)]
        seen = dict.fromkeys(begin, 0.0)
        while queue:
            metres, vertex = heapq.heappop(queue)
            if metres > seen[vertex]:
                continue
            for other, length_m in self.ways.get(vertex, ()):
                at_m = metres + length_m
                if other in self.junction_at:
                    if other not in begin:
                        junctions.add(self.junction_at[other])
                elif at_m <= reach_m and at_m < seen.get(other, np.inf):
                    seen[other] = at_m
                    passed.add(other)
                    heapq.heappush(queue, (at_m, other))
        return passed, junctions


def _day(folder: Path, network: RoadNetwork) -> Day:
    state = load_state(folder, network)
    return Day(
        folder,
        state,
        driven(network, state),
        pq.read_table(folder / "link_state.parquet"),
        pq.read_table(folder / "movement_demand.parquet"),
    )


def write_cut(whole: Whole, region: Region, city: Path, states: Sequence[Path]) -> RoadNetwork:
    """Write what SUMO reads of a cut into ``city``, its days as state folders; all are made.

    Returns the network of the cut. Same cut, same bytes.
    """
    network = _network(whole.network, region)
    (city / NET_FILE).parent.mkdir(parents=True)
    write_part(whole.net, region.vertices, city / NET_FILE)
    kept = {tl for v in region.vertices for tl in whole.net.controllers[v]}
    ET.ElementTree(_signals(whole.signals, kept)).write(
        city / SIGNALS_FILE, encoding="utf-8", xml_declaration=True
    )
    for day, folder in zip(whole.days, states, strict=True):
        folder.mkdir(parents=True)
        _write_day(day, whole.network, network, region, folder)
    return network


def _network(network: RoadNetwork, region: Region) -> RoadNetwork:
    """The model of the cut; the zones of the city stay outside."""
    here, links = set(region.junction_ids), set(region.links)
    return RoadNetwork(
        name=network.name,
        links={
            k: replace(
                link, junction_id=j if (j := link.junction_id) in here else None, zone_id=None
            )
            for k, link in network.links.items()
            if k in links
        },
        connections=tuple(
            c
            for c in network.connections
            if c.from_link in links and network.links[c.from_link].to_node in region.vertices
        ),
        movements={k: m for k, m in network.movements.items() if m.junction_id in here},
        junctions={
            j: replace(junction, zone_id=None)
            for j, junction in network.junctions.items()
            if j in here
        },
        crossings=tuple(c for c in network.crossings if c.junction_id in here),
        give_ways=tuple(
            row
            for row in network.give_ways
            if network.links[row.from_link].to_node in region.vertices
            and links.issuperset(row.links)
        ),
        detectors=tuple(d for d in network.detectors if d.link_id in links),
        plan_windows=tuple(w for w in network.plan_windows if w.junction_id in here),
        intergreens_s={j: g for j, g in network.intergreens_s.items() if j in here},
    )


def _signals(root: ET.Element, kept: Collection[str]) -> ET.Element:
    """The programs of the controllers that are kept, and what switches them."""
    joins = [e for e in root.iter("wautJunction") if e.get("junctionID") in kept]
    wauts = {e.get("wautID") for e in joins}
    part = ET.Element(root.tag)
    part.extend(
        e
        for e in root
        if (e.tag == "tlLogic" and e.get("id") in kept)
        or (e.tag == "WAUT" and e.get("id") in wauts)
        or (e.tag == "wautJunction" and e.get("junctionID") in kept)
    )
    return part


def _write_day(
    day: Day, whole: RoadNetwork, network: RoadNetwork, region: Region, folder: Path
) -> None:
    """The state of the cut: rows of its links and movements, and the stretches driven in it."""
    bins, demand_bins = day.state.window.bin_count, len(day.state.window.demand_bin_starts())
    links = [i for i, k in enumerate(whole.links) if k in network.links]
    movements = [i for i, k in enumerate(whole.movements) if k in network.movements]
    pq.write_table(_rows(day.links, links, bins), folder / "link_state.parquet")
    pq.write_table(_rows(day.demand, movements, demand_bins), folder / "movement_demand.parquet")
    pieces = sorted(stretches(day, whole, region))
    pq.write_table(
        pa.table(
            {
                "trip_idx": pa.array(range(len(pieces)), pa.int64()),
                "depart_s": pa.array([at for at, _, _ in pieces], pa.float64()),
                "links": pa.array([way for _, _, way in pieces], pa.list_(pa.string())),
                "vehicle_class": pa.array(
                    [day.state.vehicle_classes[trip] for _, trip, _ in pieces], pa.string()
                ),
                "detected": pa.array(
                    [trip not in day.state.undetected for _, trip, _ in pieces], pa.bool_()
                ),
            }
        ),
        folder / "trips.parquet",
    )
    plans = [p for j, p in day.state.running_plans.items() if j in network.junctions]
    (folder / "running_plans.json").write_text(plans_to_json(plans), encoding="utf-8")
    summary = read_json(day.folder / "summary.json")
    (folder / "summary.json").write_text(to_json(summary), encoding="utf-8")


def _rows(table: pa.Table, idxs: Sequence[int], bins: int) -> pa.Table:
    rows = (np.array(idxs, dtype=np.int64)[:, None] * bins + np.arange(bins)).ravel()
    return table.take(pa.array(rows))


def stretches(
    day: Day, network: RoadNetwork, region: Region
) -> Iterator[tuple[float, int, tuple[str, ...]]]:
    """(second, trip, links) of every stretch that was driven in the cut, entered in the window.

    A vehicle that leaves the cut and comes back is one more each time.
    """
    names = list(network.links)
    inside = np.zeros(len(names), dtype=bool)
    inside[[network.link_idx[k] for k in region.links]] = True
    from_outside = np.array(
        [link.from_node not in region.vertices for link in network.links.values()]
    )
    d = day.driven
    steps = np.flatnonzero(inside[d.link])
    if not len(steps):
        return
    new = np.ones(len(steps), dtype=bool)
    new[1:] = (np.diff(steps) > 1) | (np.diff(d.trip[steps]) != 0) | from_outside[d.link[steps[1:]]]
    firsts = np.flatnonzero(new)
    for a, b in zip(firsts.tolist(), [*firsts[1:].tolist(), len(steps)], strict=True):
        enter_s = float(d.enter_s[steps[a]])
        if enter_s < day.state.window.end_s:
            way = tuple(names[i] for i in d.link[steps[a:b]].tolist())
            yield round(enter_s, 3), int(d.trip[steps[a]]), way
