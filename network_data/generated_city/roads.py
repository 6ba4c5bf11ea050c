"""Roads from junction to junction, the streets that they make up, and the roads out of town."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from network_data.generated_city.blocks import OUTSIDE, Line, Point, StreetMap
from network_data.generated_city.names import Name, Namer
from network_data.generated_city.scale import (
    ARTERIAL,
    BRANCH,
    CLASSES,
    EXPRESSWAY,
    SECONDARY,
    Scale,
)

STRAIGHT_ON_RAD = math.radians(28.0)
"""A street goes on through a junction where its direction changes by no more."""
FEWEST_GATES = 4
GATE_M = (350.0, 550.0)
GATES_APART_M = 450.0
"""Ends of two roads out of town, at least."""
ONE_WAY_RATIO = 0.02
"""Roads that are one-way, by all: small streets only."""
ONE_WAY_STREET_M = 1_500.0


@dataclass(frozen=True, slots=True)
class Street:
    """Roads that go on into each other."""

    name: Name
    road_class: str
    lane_count: int
    """For cars, per direction."""


@dataclass(frozen=True, slots=True)
class Road:
    """From one junction (or gate) to the next; ``shape`` includes both ends, in metres."""

    start: int
    end: int
    shape: tuple[Point, ...]
    line: Line
    left: int
    """Block on the left, going from start to end, or ``OUTSIDE``."""
    right: int
    street: int = -1
    one_way: bool = False
    """Only from start to end."""

    @property
    def length_m(self) -> float:
        return sum(math.dist(a, b) for a, b in pairwise(self.shape))


@dataclass(frozen=True)
class RoadPlan:
    """All roads of a city. Vertices are those of the street map, and gates after them."""

    places: Mapping[int, Point]
    roads: tuple[Road, ...]
    streets: tuple[Street, ...]
    junctions: tuple[int, ...]
    gates: tuple[int, ...]
    at: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """Indices of the roads at each vertex."""


def plan_roads(
    streets: StreetMap, scale: Scale, namer: Namer, rng: np.random.Generator
) -> RoadPlan:
    """The roads of a finished street map, with streets, gates and one-way streets."""
    junctions = streets.junctions()
    roads = _roads(streets, junctions)
    gates = _gates(streets, max(FEWEST_GATES, scale.road_count - len(roads)), rng)
    places = {v: (round(x, 2), round(y, 2)) for v in junctions for x, y in [streets.points[v]]}
    for number, (vertex, line, place) in enumerate(gates):
        gate = len(streets.points) + number
        places[gate] = place
        roads.append(Road(vertex, gate, (places[vertex], place), line, OUTSIDE, OUTSIDE))
    street_of = _street_of(roads, places)
    named = _streets(roads, street_of, namer, rng)
    roads = [replace(road, street=street_of[i]) for i, road in enumerate(roads)]
    roads = _with_one_ways(roads, rng)
    return RoadPlan(
        places,
        tuple(roads),
        tuple(named),
        tuple(junctions),
        tuple(len(streets.points) + n for n in range(len(gates))),
        _roads_at(roads),
    )


def heading(road: Road, vertex: int, reach_m: float = 40.0) -> float:
    """Direction in which a road leaves one of its ends, in radians from east, counter-clockwise."""
    shape = road.shape if road.start == vertex else road.shape[::-1]
    (x, y), (to_x, to_y) = shape[0], shape[1]
    for point in shape[1:]:
        to_x, to_y = point
        if math.dist(point, shape[0]) >= reach_m:
            break
    return math.atan2(to_y - y, to_x - x)


def turned(angle: float) -> float:
    """An angle in (-pi, pi]."""
    return math.pi - (math.pi - angle) % (2 * math.pi)


# --- roads and gates ------------------------------------------------------------------------


def _roads(streets: StreetMap, junctions: Sequence[int]) -> list[Road]:
    found = []
    for start in junctions:
        for towards in sorted(streets.neighbours(start)):
            way = [start, towards]
            while streets.degree(way[-1]) == 2:
                a, b = streets.neighbours(way[-1])
                way.append(b if a == way[-2] else a)
            if (start, towards) < (way[-1], way[-2]):
                points = [streets.points[v] for v in way]
                found.append(
                    Road(
                        start,
                        way[-1],
                        tuple((round(x, 2), round(y, 2)) for x, y in points),
                        streets.line(start, towards),
                        streets.block_left_of(start, towards),
                        streets.block_left_of(towards, start),
                    )
                )
    return found


def _gates(
    streets: StreetMap, count: int, rng: np.random.Generator
) -> list[tuple[int, Line, Point]]:
    """(junction, line, place): roads out of town, where great streets end at its edge."""
    edge = [
        (v, inner)
        for v in streets.junctions()
        if streets.degree(v) == 3 and (inner := _inner_neighbour(streets, v)) is not None
    ]
    ways = {e: _way_out(streets, *e, float(rng.uniform(*GATE_M))) for e in edge}
    chosen: list[tuple[int, int]] = []
    for allowed in (CLASSES[:2], CLASSES[:3], CLASSES):
        left = [e for e in edge if e not in chosen and streets.line(*e).road_class in allowed]
        while left and len(chosen) < count:
            best = max(left, key=lambda e: (_distance(streets, e[0], chosen), -e[0]))
            left.remove(best)
            if all(math.dist(ways[best], ways[e]) > GATES_APART_M for e in chosen):
                chosen.append(best)
    return [(e[0], streets.line(*e), ways[e]) for e in chosen]


def _way_out(streets: StreetMap, vertex: int, inner: int, length_m: float) -> Point:
    """Where a road out of town ends that goes straight on from the one inside."""
    x, y = streets.points[vertex]
    from_x, from_y = streets.points[inner]
    share = length_m / math.dist((x, y), (from_x, from_y))
    return round(x + share * (x - from_x), 2), round(y + share * (y - from_y), 2)


def _inner_neighbour(streets: StreetMap, vertex: int) -> int | None:
    """The neighbour on the one road at the edge of town that leads inward."""
    inner = [
        n
        for n in streets.neighbours(vertex)
        if OUTSIDE not in (streets.block_left_of(vertex, n), streets.block_left_of(n, vertex))
    ]
    return inner[0] if len(inner) == 1 else None


def _distance(streets: StreetMap, vertex: int, chosen: Iterable[tuple[int, int]]) -> float:
    here = streets.points[vertex]
    return min((math.dist(here, streets.points[v]) for v, _ in chosen), default=0.0)


def _roads_at(roads: Sequence[Road]) -> dict[int, tuple[int, ...]]:
    at: dict[int, list[int]] = defaultdict(list)
    for i, road in enumerate(roads):
        at[road.start].append(i)
        at[road.end].append(i)
    return {v: tuple(indices) for v, indices in at.items()}


# --- streets --------------------------------------------------------------------------------


def _street_of(roads: Sequence[Road], places: Mapping[int, Point]) -> list[int]:
    """The street of each road: roads of one class that go straight on are one street."""
    leader = list(range(len(roads)))

    def find(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    at = _roads_at(roads)
    for vertex in sorted(places):
        for _, i, j in sorted(_straight_pairs(roads, at[vertex], vertex)):
            a, b = find(i), find(j)
            leader[max(a, b)] = min(a, b)
    return [find(i) for i in range(len(roads))]


def _straight_pairs(
    roads: Sequence[Road], here: Sequence[int], vertex: int
) -> Iterable[tuple[float, int, int]]:
    """(bend, road, road) of roads that are one street, each road in one pair only."""
    pairs = []
    for n, i in enumerate(here):
        for j in here[n + 1 :]:
            bend = abs(turned(heading(roads[i], vertex) - heading(roads[j], vertex) - math.pi))
            same = roads[i].line.line_id == roads[j].line.line_id
            named = {roads[i].line.name, roads[j].line.name}
            alike = roads[i].line.road_class == roads[j].line.road_class and len(named) == 1
            if same or (alike and bend < STRAIGHT_ON_RAD):
                pairs.append((bend - math.pi * same, i, j))
    taken: set[int] = set()
    for bend, i, j in sorted(pairs):
        if not taken & {i, j}:
            taken |= {i, j}
            yield bend, i, j


def _streets(
    roads: Sequence[Road], street_of: list[int], namer: Namer, rng: np.random.Generator
) -> list[Street]:
    """Streets by number; ``street_of`` is renumbered to match."""
    numbers = {leader: n for n, leader in enumerate(sorted(set(street_of)))}
    found = []
    for leader in numbers:
        line = roads[leader].line
        name = (line.name, line.name_latin) if line.name else namer.street(line.road_class)
        found.append(Street(name, line.road_class, _lane_count(line, rng)))
    street_of[:] = [numbers[leader] for leader in street_of]
    return found


def _lane_count(line: Line, rng: np.random.Generator) -> int:
    """Lanes for cars per direction, by class."""
    if line.road_class == EXPRESSWAY:
        return 4
    if line.road_class == ARTERIAL:
        return 3 if line.name or rng.random() < 0.8 else 4
    if line.road_class == SECONDARY:
        return 2
    return 1 if rng.random() < 0.6 else 2


# --- one-way streets ------------------------------------------------------------------------


def _with_one_ways(roads: Sequence[Road], rng: np.random.Generator) -> list[Road]:
    """Some small streets made one-way, as long as every place can be reached from every other."""
    members: dict[int, list[int]] = defaultdict(list)
    for i, road in enumerate(roads):
        members[road.street].append(i)
    small = [
        street
        for street, here in sorted(members.items())
        if roads[here[0]].line.road_class == BRANCH
        and sum(roads[i].length_m for i in here) < ONE_WAY_STREET_M
        and len(_ends(roads, here)) == 2
    ]
    made = list(roads)
    wanted = round(ONE_WAY_RATIO * len(roads))
    touched: set[int] = set()
    for street in rng.permutation(np.array(small, dtype=np.int64)).tolist():
        here = members[street]
        vertices = {v for i in here for v in (roads[i].start, roads[i].end)}
        if wanted < len(here) or touched & vertices:
            continue
        tried = list(made)
        for i, road in _all_one_way(roads, here):
            tried[i] = road
        if _all_reachable(tried):
            made = tried
            touched |= vertices
            wanted -= len(here)
    return made


def _ends(roads: Sequence[Road], here: Sequence[int]) -> list[int]:
    """Vertices at which only one road of a street is."""
    count: dict[int, int] = defaultdict(int)
    for i in here:
        count[roads[i].start] += 1
        count[roads[i].end] += 1
    return sorted(v for v, n in count.items() if n == 1)


def _all_one_way(roads: Sequence[Road], here: Sequence[int]) -> Iterable[tuple[int, Road]]:
    """The roads of a street, all in the direction from its first end to its last."""
    at: dict[int, list[int]] = defaultdict(list)
    for i in here:
        at[roads[i].start].append(i)
        at[roads[i].end].append(i)
    vertex, seen = _ends(roads, here)[0], set[int]()
    while road_ids := [i for i in at[vertex] if i not in seen]:
        i = road_ids[0]
        seen.add(i)
        road = roads[i] if roads[i].start == vertex else _reversed(roads[i])
        yield i, replace(road, one_way=True)
        vertex = road.end


def _reversed(road: Road) -> Road:
    return replace(
        road,
        start=road.end,
        end=road.start,
        shape=road.shape[::-1],
        left=road.right,
        right=road.left,
    )


def _all_reachable(roads: Sequence[Road]) -> bool:
    """Whether every road leads to every other, without turning back at a junction.

    Roads out of town are left out: nobody comes back from there.
    """
    ways = [(i, road.start, road.end) for i, road in enumerate(roads)]
    ways += [(i, road.end, road.start) for i, road in enumerate(roads) if not road.one_way]
    legs: dict[int, int] = defaultdict(int)
    for road in roads:
        legs[road.start] += 1
        legs[road.end] += 1
    inside = [way for way in ways if legs[way[1]] > 1 and legs[way[2]] > 1]
    leaving: dict[int, list[int]] = defaultdict(list)
    for n, (_, start, _) in enumerate(inside):
        leaving[start].append(n)
    links = [
        (n, m) for n, (i, _, end) in enumerate(inside) for m in leaving[end] if inside[m][0] != i
    ]
    rows, columns = np.array(links).T
    graph = coo_array((np.ones(len(links)), (rows, columns)), shape=(len(inside), len(inside)))
    parts, _ = connected_components(graph, directed=True, connection="strong")
    return bool(parts == 1)
