"""Lanes, turns, signal groups and crossings of every junction: the city as a road network.

The network has no plans and no foes yet: SUMO draws the inside of the junctions first.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from network_data.generated_city.blocks import Point
from network_data.generated_city.names import junction_names
from network_data.generated_city.roads import Road, RoadPlan, heading, turned
from network_data.generated_city.scale import ARTERIAL, CLASSES, EXPRESSWAY, SPEED_MPS
from network_data.generated_city.zones import ZonePlan
from traffic_brain.model.network import (
    Connection,
    Crossing,
    Junction,
    Link,
    RoadNetwork,
    Turn,
)

STRAIGHT_RAD = math.radians(50.0)
BAY_RATIO = 0.03
"""Links with a turn bay at their end, by all links."""
FEWEST_BAYS = 4
BAY_M = (85.0, 115.0)
"""From the middle of the junction to where the bay begins."""
BAY_FROM_M = 240.0
"""Shortest road that gets one."""
NO_CROSSING_RATIO: Mapping[str, float] = defaultdict(lambda: 0.1, {EXPRESSWAY: 0.6})
"""Legs that nobody on foot may cross, by class of the road."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One road at a junction."""

    road: int
    direction: float
    """Outward, radians from east, counter-clockwise."""
    approach: str | None
    """The link that comes in; None where the road is one-way outward."""
    exit: str | None
    approach_lanes: int
    """For cars, at the stop line."""
    exit_lanes: int
    rank: int
    """Of the road's class; 0 is the greatest."""
    street: int


@dataclass(frozen=True, slots=True)
class Way:
    """From one leg to another: a movement, with its signal group."""

    origin: int
    target: int
    turn: Turn
    lanes: tuple[tuple[int, int], ...]
    """(lane at the stop line, lane at the exit), 1 = next to the sidewalk, which is lane 0."""
    group: int


@dataclass(frozen=True, slots=True)
class Crossroads:
    """A junction: its legs clockwise from the north, their ways and crossings."""

    junction_id: str
    vertex: int
    legs: tuple[Leg, ...]
    ways: tuple[Way, ...]
    crossings: Mapping[int, int]
    """Signal group of the crossing over each leg that has one."""

    @property
    def group_count(self) -> int:
        return len(self.ways) + len(self.crossings)


@dataclass(frozen=True)
class CityDraft:
    """The network before SUMO has drawn it, and what plans and demand need to know besides."""

    network: RoadNetwork
    crossroads: tuple[Crossroads, ...]
    road_of: Mapping[str, int]
    """Index of the road of each link."""


def draft(name: str, plan: RoadPlan, zones: ZonePlan, rng: np.random.Generator) -> CityDraft:
    """The road network of a road plan."""
    width = len(str(len(plan.junctions)))
    names = {v: f"J{n:0{width}d}" for n, v in enumerate(plan.junctions, 1)}
    names |= {v: f"G{n:0{width}d}" for n, v in enumerate(plan.gates, 1)}
    links, road_of = _links(plan, zones, names, rng)
    by_vertex = _legs(plan, links, road_of, names)
    crossroads = tuple(_crossroads(names[v], v, by_vertex[v], plan, rng) for v in plan.junctions)
    network = RoadNetwork(
        name=name,
        links=links,
        connections=tuple(_connections(links, crossroads)),
        movements={},
        junctions=_junctions(plan, zones, crossroads),
        crossings=tuple(
            Crossing(c.junction_id, group, 1.0)
            for c in crossroads
            for _, group in sorted(c.crossings.items())
        ),
        zones={zone.zone_id: zone for zone in zones.zones},
    )
    return CityDraft(network, crossroads, road_of)


# --- links ----------------------------------------------------------------------------------


def _links(
    plan: RoadPlan, zones: ZonePlan, names: Mapping[int, str], rng: np.random.Generator
) -> tuple[dict[str, Link], dict[str, int]]:
    bays = _bays(plan, rng)
    width = len(str(len(plan.roads)))
    links: dict[str, Link] = {}
    road_of = {}
    for i, road in enumerate(plan.roads):
        shape, cuts = _with_bay_ends(road, bays.get(i, {}))
        for end, letter in ((road.end, "a"), (road.start, "b")):
            if letter == "b" and road.one_way:
                continue
            start = road.start if end == road.end else road.end
            way = shape if letter == "a" else shape[::-1]
            base = f"R{i + 1:0{width}d}{letter}"
            zone_id = zones.right_of(road, start)
            for link in _pieces(plan, road, base, way, (names[start], names[end]), cuts.get(end)):
                links[link.link_id] = replace(link, zone_id=zone_id)
                road_of[link.link_id] = i
    return links, road_of


def _pieces(
    plan: RoadPlan,
    road: Road,
    base: str,
    way: Sequence[Point],
    ends: tuple[str, str],
    cut: Point | None,
) -> Iterator[Link]:
    """One direction of a road: one link, or two where it has a turn bay at its end."""
    street = plan.streets[road.street]
    lanes = street.lane_count
    signal = ends[1] if ends[1].startswith("J") else None
    stops = [(base, way, ends, lanes, signal)]
    if cut is not None:
        at = list(way).index(cut)
        middle = f"{base}.split"
        stops = [
            (base, way[: at + 1], (ends[0], middle), lanes, None),
            (f"{base}.bay", way[at:], (middle, ends[1]), lanes + 1, signal),
        ]
    for link_id, shape, (start, end), count, junction_id in stops:
        yield Link(
            link_id=link_id,
            from_node=start,
            to_node=end,
            length_m=sum(math.dist(a, b) for a, b in pairwise(shape)),
            free_flow_speed_mps=SPEED_MPS[street.road_class],
            lane_count=count + 1,
            road_class=street.road_class,
            name=street.name[0],
            shape=tuple(shape),
            car_lanes=tuple(range(1, count + 1)),
            junction_id=junction_id,
            name_latin=street.name[1],
        )


def _bays(plan: RoadPlan, rng: np.random.Generator) -> dict[int, dict[int, float]]:
    """Roads with a turn bay: road -> vertex at the end -> metres before it.

    Bays lie where two great streets cross and somebody can turn left from the one to the other.
    """
    great = CLASSES.index(ARTERIAL)
    found = []
    for vertex in plan.junctions:
        here = [plan.roads[i] for i in plan.at[vertex]]
        streets = {r.street for r in here if CLASSES.index(r.line.road_class) <= great}
        for i in plan.at[vertex]:
            road = plan.roads[i]
            fits = road.street in streets and len(streets) > 1 and road.length_m > BAY_FROM_M
            if fits and not road.one_way and len(here) > 3:
                found.append((i, vertex))
    count = max(FEWEST_BAYS, round(BAY_RATIO * 2 * len(plan.roads)))
    chosen = rng.permutation(len(found))[:count]
    bays: dict[int, dict[int, float]] = defaultdict(dict)
    for k in sorted(chosen.tolist()):
        i, vertex = found[k]
        bays[i][vertex] = round(float(rng.uniform(*BAY_M)), 1)
    return bays


def _with_bay_ends(
    road: Road, bays: Mapping[int, float]
) -> tuple[tuple[Point, ...], dict[int, Point]]:
    """The road's shape with a point where each bay begins, and these points by end."""
    shape, cuts = list(road.shape), {}
    for vertex, before_m in sorted(bays.items()):
        backward = shape[::-1] if vertex == road.end else shape
        at, point = _along(backward, before_m)
        backward = [*backward[:at], point, *backward[at:]]
        shape = backward[::-1] if vertex == road.end else backward
        cuts[vertex] = point
    return tuple(shape), cuts


def _along(shape: Sequence[Point], distance_m: float) -> tuple[int, Point]:
    """(index of the next point, place) so many metres along a line."""
    left_m = distance_m
    for i, (a, b) in enumerate(pairwise(shape), 1):
        step_m = math.dist(a, b)
        if left_m < step_m:
            share = left_m / step_m
            place = (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
            return i, (round(place[0], 2), round(place[1], 2))
        left_m -= step_m
    raise ValueError("a bay longer than its road")


# --- legs and ways --------------------------------------------------------------------------


def _legs(
    plan: RoadPlan,
    links: Mapping[str, Link],
    road_of: Mapping[str, int],
    names: Mapping[int, str],
) -> dict[int, tuple[Leg, ...]]:
    into: dict[tuple[str, int], Link] = {}
    out_of: dict[tuple[str, int], Link] = {}
    for link in links.values():
        into[link.to_node, road_of[link.link_id]] = link
        out_of[link.from_node, road_of[link.link_id]] = link
    found = {}
    for vertex in plan.junctions:
        legs = []
        for i in plan.at[vertex]:
            approach, leaving = into.get((names[vertex], i)), out_of.get((names[vertex], i))
            road = plan.roads[i]
            legs.append(
                Leg(
                    road=i,
                    direction=heading(road, vertex),
                    approach=approach.link_id if approach else None,
                    exit=leaving.link_id if leaving else None,
                    approach_lanes=len(approach.car_lanes) if approach else 0,
                    exit_lanes=len(leaving.car_lanes) if leaving else 0,
                    rank=CLASSES.index(road.line.road_class),
                    street=road.street,
                )
            )
        # clockwise from the north, as SUMO counts its links
        legs.sort(key=lambda leg: (math.pi / 2 - leg.direction) % (2 * math.pi))
        found[vertex] = tuple(legs)
    return found


def _crossroads(
    junction_id: str,
    vertex: int,
    legs: tuple[Leg, ...],
    plan: RoadPlan,
    rng: np.random.Generator,
) -> Crossroads:
    ways: list[Way] = []
    for origin in range(len(legs)):
        ways += _ways_from(legs, origin, len(ways))
    crossings: dict[int, int] = {}
    for i, leg in enumerate(legs):
        share = NO_CROSSING_RATIO[plan.streets[leg.street].road_class]
        if rng.random() >= share:
            crossings[i] = len(ways) + len(crossings)
    return Crossroads(junction_id, vertex, legs, tuple(ways), crossings)


def _ways_from(legs: Sequence[Leg], origin: int, first_group: int) -> Iterator[Way]:
    """The ways of an approach, from the right to the left; one signal group each."""
    approach = legs[origin]
    if approach.approach is None:
        return
    bends = {
        target: turned(leg.direction - approach.direction - math.pi)
        for target, leg in enumerate(legs)
        if target != origin and leg.exit is not None
    }
    straight = min(bends, key=lambda t: (abs(bends[t]), t), default=None)
    if straight is not None and abs(bends[straight]) > STRAIGHT_RAD:
        straight = None
    turns = {
        target: Turn.THROUGH
        if target == straight
        else (Turn.LEFT if bend > bends.get(straight, 0.0) else Turn.RIGHT)  # type: ignore[arg-type]
        for target, bend in bends.items()
    }
    cross_rank = min(
        (legs[t].rank for t, turn in turns.items() if turn is not Turn.THROUGH),
        default=len(CLASSES),
    )
    room = {
        turn: min(legs[t].exit_lanes for t, other in turns.items() if other is turn)
        for turn in set(turns.values())
    }
    lanes = lanes_by_turn(approach.approach_lanes, room, cross_rank)
    for n, target in enumerate(sorted(bends, key=lambda t: bends[t])):
        turn = turns[target]
        pairs = _exit_lanes(lanes[turn], legs[target].exit_lanes, turn)
        yield Way(origin, target, turn, pairs, first_group + n)


def lanes_by_turn(
    count: int, room: Mapping[Turn, int], cross_rank: int
) -> dict[Turn, tuple[int, ...]]:
    """The lanes of an approach (1 = right) for each of its turns.

    Left turns have a lane of their own from three lanes on, and from two where the cross street
    is an arterial; right turns share the first lane with what goes straight on. ``room``: lanes
    that each turn finds at its exit; lanes beyond that are left to others. ``cross_rank``: the
    greatest class turned into.
    """
    every = tuple(range(1, count + 1))
    found = dict.fromkeys(room, every)
    if count > 1 and len(room) > 1:
        if Turn.RIGHT in room:
            found[Turn.RIGHT] = every[:1]
        if Turn.LEFT in room:
            found[Turn.LEFT] = every[-1:]
        if Turn.THROUGH not in room:
            right = max(1, count // 2)
            found = {Turn.RIGHT: every[:right], Turn.LEFT: every[right:]}
        elif Turn.LEFT in room and (count > 2 or cross_rank <= CLASSES.index(ARTERIAL)):
            found[Turn.THROUGH] = every[:-1]
    for turn, lanes in found.items():
        if len(lanes) > room[turn]:
            keeps_left = turn is Turn.LEFT or (turn is Turn.THROUGH and Turn.RIGHT in room)
            found[turn] = lanes[-room[turn] :] if keeps_left else lanes[: room[turn]]
    used = {lane for lanes in found.values() for lane in lanes}
    idle = tuple(lane for lane in every if lane not in used)
    if idle and len(found.get(Turn.RIGHT, every)) + len(idle) <= room.get(Turn.RIGHT, 0):
        found[Turn.RIGHT] += idle
    return found


def _exit_lanes(lanes: Sequence[int], exit_count: int, turn: Turn) -> tuple[tuple[int, int], ...]:
    """Which lane leads into which: left turns into the left lanes, all others into the right."""
    shift = exit_count - len(lanes) if turn is Turn.LEFT else 0
    return tuple((lane, shift + n) for n, lane in enumerate(lanes, 1))


def _connections(
    links: Mapping[str, Link], crossroads: Sequence[Crossroads]
) -> Iterator[Connection]:
    for c in crossroads:
        for way in c.ways:
            start, end = c.legs[way.origin].approach, c.legs[way.target].exit
            assert start is not None
            assert end is not None
            for lane, to_lane in way.lanes:
                yield Connection(start, lane, end, to_lane, way.turn, c.junction_id, way.group)
    for link_id, link in links.items():
        bay = links.get(f"{link_id}.bay")
        if bay is not None:
            for lane in bay.car_lanes:
                source = min(lane, link.car_lanes[-1])
                yield Connection(link_id, source, bay.link_id, lane, Turn.THROUGH)


def _junctions(
    plan: RoadPlan, zones: ZonePlan, crossroads: Sequence[Crossroads]
) -> dict[str, Junction]:
    streets_at = {
        c.junction_id: [
            plan.streets[leg.street].name
            for leg in sorted(c.legs, key=lambda leg: (leg.rank, leg.street))
        ]
        for c in crossroads
    }
    places = {c.junction_id: plan.places[c.vertex] for c in crossroads}
    names = junction_names(streets_at, places)
    return {
        c.junction_id: Junction(
            junction_id=c.junction_id,
            name=names[c.junction_id][0],
            x=places[c.junction_id][0],
            y=places[c.junction_id][1],
            node_ids=(c.junction_id,),
            signal_group_count=c.group_count,
            conflicts=frozenset(_walked_into(c)),
            yields=frozenset(),
            plan_in_service=None,
            control="off",
            name_latin=names[c.junction_id][1],
            zone_id=zones.of_junction[c.vertex],
        )
        for c in crossroads
    }


def _walked_into(c: Crossroads) -> Iterator[tuple[int, int]]:
    """Ways over each crossing: from and to the leg that it crosses."""
    for leg, walking in c.crossings.items():
        for way in c.ways:
            if leg in (way.origin, way.target):
                yield way.group, walking
