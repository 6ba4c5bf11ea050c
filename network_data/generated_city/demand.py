"""Who drives where on a working morning: trips between zones, on the routes that they take.

Homes lie all over the city and jobs where it is dense; who lives further from a job takes it less
often (gravity model). Trips take the quickest way at the loads so far (incremental assignment);
where a road would carry more than it can, some trips are left out: a city works, mostly.
"""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from network_data.generated_city.scale import ARTERIAL, BRANCH, EXPRESSWAY, SECONDARY
from network_data.generated_city.streets import Centres
from traffic_brain.model.network import Link, RoadNetwork, Turn

BEGIN_S, END_S = 7 * 3600, 8 * 3600 + 1800
"""Of the departures, in seconds of the service day."""
PROFILE_S = (7.0 * 3600, 7.4 * 3600, 7.8 * 3600, 8.1 * 3600, 8.5 * 3600)
PROFILE = (0.5, 0.85, 1.0, 1.0, 0.7)
"""Departure rate, by that of the busiest hour."""
MEAN_FLOW_VPH = 150.0
"""On a link, wished for, in the busiest hour."""
PLACES_PER_ZONE = 8
"""Links on which trips of a zone begin, and as many on which they end."""
GATE_RATIO, OUT_RATIO = 0.16, 0.08
"""Trips that come from out of town and that go there, by all."""
USUAL_WAY_RATIO = 0.35
"""Deterrence: distance over which the wish to go falls to 1/e, by the radius of the city."""
ROUNDS = 5
FULL = 0.75
"""Most flow by capacity that trips may add up to."""
CAPACITY_VPH = {EXPRESSWAY: 700.0, ARTERIAL: 600.0, SECONDARY: 450.0, BRANCH: 330.0}
"""Per lane, at a signal."""
LEFT_VPH = {EXPRESSWAY: 330.0, ARTERIAL: 280.0, SECONDARY: 180.0, BRANCH: 130.0}
"""Capacity of a left turn: with a stage of its own on great streets, mostly without on others."""
WAIT_S = {Turn.THROUGH: 18.0, Turn.RIGHT: 10.0, Turn.LEFT: 30.0, Turn.UTURN: 45.0}
DEMAND_FILE, CONFIGURATION_FILE = "sumo/demand.rou.xml.gz", "sumo/city.sumocfg"
SHORTEST_START_M = 120.0

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Demand:
    """Trips in order of departure: the links of each, and its departure in seconds of the day."""

    routes: tuple[tuple[str, ...], ...]
    departures_s: Floats

    @cached_property
    def peak_flow_vph(self) -> Mapping[tuple[str, str], float]:
        """Flow of each pair of links that follow each other, in the busiest hour."""
        counted: Counter[tuple[str, str]] = Counter()
        for route in self.routes:
            counted.update(pairwise(route))
        peak = _peak_ratio()
        return {pair: n * peak for pair, n in counted.items()}


def make_demand(network: RoadNetwork, centres: Centres, rng: np.random.Generator) -> Demand:
    """The trips of a morning in a city that SUMO has drawn."""
    graph = _Graph(network)
    pairs = _wishes(network, graph, centres, rng)
    routes = _assigned(graph, pairs, rng)
    kept = _without_overload(graph, routes, rng)
    departures = np.sort(_departures(len(kept), rng))
    order = rng.permutation(len(kept))
    return Demand(
        tuple(tuple(graph.ids[i] for i in kept[k]) for k in order.tolist()),
        departures,
    )


def write_demand(demand: Demand, folder: Path) -> None:
    """Write the routes and a SUMO configuration that runs them with the city's signals."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', "<routes>"]
    lines.append('    <vType id="car" vClass="passenger"/>')
    for n, (route, departure_s) in enumerate(
        zip(demand.routes, demand.departures_s.tolist(), strict=True)
    ):
        lines.append(
            f'    <vehicle id="t{n}" type="car" depart="{departure_s:.1f}" departLane="best" '
            f'departSpeed="max"><route edges="{" ".join(route)}"/></vehicle>'
        )
    lines += ["</routes>", ""]
    with (
        (folder / DEMAND_FILE).open("wb") as file,
        gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
    ):
        packed.write("\n".join(lines).encode())
    (folder / CONFIGURATION_FILE).write_text(_CONFIGURATION, encoding="utf-8")


_CONFIGURATION = f"""<?xml version="1.0" encoding="UTF-8"?>
<configuration>
    <input>
        <net-file value="net.xml.gz"/>
        <route-files value="demand.rou.xml.gz"/>
        <additional-files value="signals.add.xml"/>
    </input>
    <time>
        <begin value="{BEGIN_S}"/>
        <end value="{END_S}"/>
    </time>
</configuration>
"""


# --- links as vertices ----------------------------------------------------------------------


class _Graph:
    """Links as vertices; an edge wherever one link leads into another."""

    def __init__(self, network: RoadNetwork) -> None:
        self.links: Sequence[Link] = list(network.links.values())
        self.ids = [link.link_id for link in self.links]
        number = {link_id: i for i, link_id in enumerate(self.ids)}
        ways: dict[tuple[int, int], Turn | None] = {}
        for c in network.connections:
            turn = c.turn if c.junction_id is not None else None
            ways[number[c.from_link], number[c.to_link]] = turn
        pairs = sorted(ways)
        self.rows, self.columns = np.array(pairs).T
        self.wait_s = np.array([WAIT_S[turn] if turn else 0.0 for turn in map(ways.get, pairs)])
        self.turn_capacity_vph = np.array(
            [
                LEFT_VPH[self.links[pair[0]].road_class] if ways[pair] is Turn.LEFT else np.inf
                for pair in pairs
            ]
        )
        self.drive_s = np.array([x.length_m / x.free_flow_speed_mps for x in self.links])
        self.capacity_vph = np.array(
            [len(x.car_lanes) * CAPACITY_VPH[x.road_class] for x in self.links]
        )

    def costs(self, flow_vph: Floats, rng: np.random.Generator) -> csr_array:
        """Seconds from the end of a link to the end of the next, at these flows (BPR)."""
        load = flow_vph / self.capacity_vph
        link_s = self.drive_s * (1 + 0.5 * load**2) + 20.0 * np.minimum(load, 2.0) ** 3
        taste = rng.lognormal(0.0, 0.08, size=len(link_s))
        seconds = (link_s * taste)[self.columns] + self.wait_s
        size = len(self.links)
        return csr_array((seconds, (self.rows, self.columns)), shape=(size, size))


def _middle(link: Link) -> tuple[float, float]:
    (x, y), (to_x, to_y) = link.shape[0], link.shape[-1]
    return (x + to_x) / 2, (y + to_y) / 2


# --- who wants to go where ------------------------------------------------------------------


@dataclass(frozen=True)
class _Places:
    """Where trips can begin or end: of each zone or gate its links, its weight and its middle."""

    links: Sequence[Sequence[int]]
    weights: Floats
    middles: Floats


def _wishes(
    network: RoadNetwork, graph: _Graph, centres: Centres, rng: np.random.Generator
) -> dict[int, Counter[int]]:
    """Trips in the whole morning by first and last link."""
    starts = _places(network, graph, rng, "start", lambda _: 1.0)
    ends = _places(network, graph, rng, "end", lambda middle: 0.2 + 3.0 * centres.density(*middle))
    gaps = np.hypot(*np.moveaxis(starts.middles[:, None] - ends.middles[None], 2, 0))
    usual_m = USUAL_WAY_RATIO * centres.radius_m
    wish = starts.weights[:, None] * ends.weights[None] * np.exp(-gaps / usual_m)
    wish *= gaps > 0.02 * centres.radius_m
    ratio = wish / wish.sum()
    mean_m = 1.35 * float((ratio * gaps).sum())
    road_m = sum(link.length_m for link in graph.links)
    count = round(MEAN_FLOW_VPH * road_m / max(mean_m, 500.0) / _peak_ratio())
    chosen = rng.choice(ratio.size, size=count, p=ratio.ravel())
    picks = rng.random((count, 2))
    wishes: dict[int, Counter[int]] = defaultdict(Counter)
    for k, (a, b) in zip(chosen.tolist(), picks.tolist(), strict=True):
        start, end = divmod(k, ratio.shape[1])
        first = starts.links[start][int(a * len(starts.links[start]))]
        last = ends.links[end][int(b * len(ends.links[end]))]
        if first != last:
            wishes[first][last] += 1
    return wishes


def _places(
    network: RoadNetwork,
    graph: _Graph,
    rng: np.random.Generator,
    side: str,
    draw: Callable[[tuple[float, float]], float],
) -> _Places:
    """Places by zone, and gates after them: those that lead in (``start``) or out (``end``)."""
    leaves = set(graph.rows.tolist())
    reached = set(graph.columns.tolist())
    by_zone: dict[str, list[int]] = {zone_id: [] for zone_id in network.zones}
    gates: list[int] = []
    for i, link in enumerate(graph.links):
        from_gate, to_gate = i not in reached, i not in leaves
        if from_gate or to_gate:
            if from_gate == (side == "start"):
                gates.append(i)
        elif link.zone_id is not None and not link.link_id.endswith(".bay"):
            by_zone[link.zone_id].append(i)
    links, weights, middles = [], [], []
    for here in by_zone.values():
        if not here:
            continue
        chosen = _chosen(graph, here, rng)
        middle = np.array([_middle(graph.links[i]) for i in here]).mean(axis=0)
        size_m = sum(graph.links[i].length_m for i in here)
        links.append(chosen)
        middles.append(middle)
        weights.append(size_m * draw((middle[0], middle[1])) * float(rng.lognormal(0.0, 0.35)))
    through = (GATE_RATIO if side == "start" else OUT_RATIO) * sum(weights) / max(1, len(gates))
    for i in gates:
        links.append([i])
        middles.append(np.array(_middle(graph.links[i])))
        weights.append(through * float(rng.lognormal(0.0, 0.3)))
    return _Places(links, np.array(weights), np.array(middles))


def _chosen(graph: _Graph, here: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Some links of a zone: long ones of small streets, if there are any."""
    small = [
        i
        for i in here
        if graph.links[i].road_class in (SECONDARY, BRANCH)
        and graph.links[i].length_m > SHORTEST_START_M
    ]
    pool = small or list(here)
    order = rng.permutation(len(pool))[:PLACES_PER_ZONE]
    return [pool[k] for k in sorted(order.tolist())]


def _peak_ratio() -> float:
    """Busiest hour's rate, in trips per hour, by the number of all trips."""
    seconds = np.arange(BEGIN_S, END_S)
    rate = np.interp(seconds, PROFILE_S, PROFILE)
    busiest = np.convolve(rate, np.ones(3600), "valid").max()
    return float(busiest / rate.sum())


def _departures(count: int, rng: np.random.Generator) -> Floats:
    """Moments of departure in seconds of the service day, by the profile."""
    seconds = np.arange(BEGIN_S, END_S + 1, dtype=np.float64)
    share = np.concatenate([[0.0], np.cumsum(np.interp(seconds[:-1] + 0.5, PROFILE_S, PROFILE))])
    return np.asarray(np.round(np.interp(rng.random(count) * share[-1], share, seconds), 1))


# --- which way they take --------------------------------------------------------------------

_Route = tuple[int, ...]


def _assigned(
    graph: _Graph, wishes: Mapping[int, Counter[int]], rng: np.random.Generator
) -> list[_Route]:
    """A route for every trip; origins in turns, each turn on the loads of those before."""
    origins = rng.permutation(np.array(sorted(wishes), dtype=np.int64))
    flow_vph = np.zeros(len(graph.links))
    peak = _peak_ratio()
    routes: list[_Route] = []
    for turn in range(ROUNDS):
        here = np.sort(origins[turn::ROUNDS])
        if not here.size:
            continue
        expected = flow_vph * ROUNDS / max(1, turn)
        _, before = dijkstra(graph.costs(expected, rng), indices=here, return_predecessors=True)
        for row, origin in enumerate(here.tolist()):
            for last, trips in sorted(wishes[origin].items()):
                route = _route(before[row], origin, last)
                if route:
                    routes += [route] * trips
                    flow_vph[list(route)] += trips * peak
    return routes


def _route(before: npt.NDArray[np.int32], first: int, last: int) -> _Route:
    """The links from first to last; empty where there is no way."""
    way = [last]
    while way[-1] != first:
        previous = int(before[way[-1]])
        if previous < 0:
            return ()
        way.append(previous)
    return tuple(reversed(way))


def _without_overload(
    graph: _Graph, routes: Sequence[_Route], rng: np.random.Generator
) -> list[_Route]:
    """Less some trips, so that no link and no left turn carries much more than it can."""
    way_of = {pair: k for k, pair in enumerate(zip(graph.rows, graph.columns, strict=True))}
    ways = [np.array([way_of[pair] for pair in pairwise(route)]) for route in routes]
    links = [np.array(route) for route in routes]
    fits_link = _fitting(links, graph.capacity_vph)
    fits_way = _fitting(ways, graph.turn_capacity_vph)
    chance = rng.random(len(routes))
    return [
        route
        for k, route in enumerate(routes)
        if chance[k] < min(fits_link[links[k]].min(), fits_way[ways[k]].min())
    ]


def _fitting(used: Sequence[npt.NDArray[np.int64]], capacity_vph: Floats) -> Floats:
    """Of what wants to use each place, the part that finds room."""
    flow_vph = np.bincount(np.concatenate(used), minlength=len(capacity_vph)) * _peak_ratio()
    return np.asarray(np.minimum(1.0, FULL * capacity_vph / np.maximum(flow_vph, 1e-9)))
