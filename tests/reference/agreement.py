"""How far conflicts drawn from geometry agree with the foes of a SUMO network."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from math import dist
from typing import NamedTuple

from network_data.conflicts import geometric_conflicts
from traffic_brain.model.network import Link, RoadNetwork

NEAR_M = 30.0
SAME_ROAD_M = 25.0
Point = tuple[float, float]


class Agreement(NamedTuple):
    """Pairs of conflicting vehicle groups."""

    both: int
    drawn_only: int
    sumo_only: int

    @property
    def precision(self) -> float:
        return self.both / (self.both + self.drawn_only)

    @property
    def recall(self) -> float:
        return self.both / (self.both + self.sumo_only)


def agreement(network: RoadNetwork) -> Agreement:
    """Conflicts drawn from links and connections, beside those that the network came with."""
    drawn = geometric_conflicts(network.links, network.connections)
    on_foot = {(c.junction_id, c.signal_group_idx) for c in network.crossings}
    both = drawn_only = sumo_only = 0
    for junction_id, junction in network.junctions.items():
        found = drawn[junction_id].conflicts if junction_id in drawn else frozenset()
        ours, sumos = (
            {pair for pair in pairs if not {(junction_id, group) for group in pair} & on_foot}
            for pairs in (found, junction.conflicts)
        )
        both += len(ours & sumos)
        drawn_only += len(ours - sumos)
        sumo_only += len(sumos - ours)
    return Agreement(both, drawn_only, sumo_only)


def added(found: list[Agreement]) -> Agreement:
    """The sums of several networks."""
    return Agreement(*(sum(column) for column in zip(*found, strict=True)))


def centre_lines(network: RoadNetwork) -> RoadNetwork:
    """The network as a map that knows no lanes: both ways on one line, from point to point.

    A link runs from the middle of all ends at its vertex to the middle at the next, over two points
    of the road's middle that lie about 30 m from these.
    """
    ends: dict[str, list[Point]] = defaultdict(list)
    for link in network.links.values():
        ends[link.from_node].append(link.shape[0])
        ends[link.to_node].append(link.shape[-1])
    middle = {vertex: _middle(*points) for vertex, points in ends.items()}
    back = {(link.from_node, link.to_node): link for link in network.links.values()}
    links = {}
    for link in network.links.values():
        twin = back.get((link.to_node, link.from_node))
        inner = [_road_at(link, twin, at_m) for at_m in (NEAR_M, -NEAR_M)]
        shape = (middle[link.from_node], *inner, middle[link.to_node])
        links[link.link_id] = replace(link, shape=shape)
    return replace(network, links=links)


def _road_at(link: Link, twin: Link | None, at_m: float) -> Point:
    here = _point_at(link.shape, at_m)
    there = _point_at(twin.shape, -at_m) if twin else here
    return _middle(here, there) if dist(here, there) < SAME_ROAD_M else here


def _point_at(shape: tuple[Point, ...], at_m: float) -> Point:
    """The point so far along a line (from its end if negative), or its middle if it is shorter."""
    if at_m < 0:
        return _point_at(shape[::-1], -at_m)
    length_m = sum(dist(a, b) for a, b in pairwise(shape))
    left_m = min(at_m, length_m / 2)
    for a, b in pairwise(shape):
        step_m = dist(a, b)
        if left_m <= step_m > 0:
            share = left_m / step_m
            return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))
        left_m -= step_m
    return shape[-1]


def _middle(*points: Point) -> Point:
    return sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
