"""Grid zones: neighbouring blocks that the city is managed by, with outlines along the roads."""

from __future__ import annotations

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from network_data.generated_city.blocks import OUTSIDE, Points, StreetMap
from network_data.generated_city.blocks import signed_area as area_m2
from network_data.generated_city.names import Namer
from network_data.generated_city.roads import Road, RoadPlan
from traffic_brain.model.network import Zone

ROUNDS = 12
"""In which the middles of the zones are moved to where their blocks are."""


@dataclass(frozen=True)
class ZonePlan:
    """The zones, and the zone of each block."""

    zones: tuple[Zone, ...]
    of_block: Mapping[int, str]
    of_junction: Mapping[int, str]

    def right_of(self, road: Road, start: int) -> str:
        """The zone on the right of a road, going from its end ``start``."""
        block = road.right if road.start == start else road.left
        inner = road.start if road.start in self.of_junction else road.end
        return self.of_block.get(block) or self.of_junction[inner]


def plan_zones(
    streets: StreetMap, plan: RoadPlan, count: int, namer: Namer, rng: np.random.Generator
) -> ZonePlan:
    """So many zones of about as many blocks each; each hangs together."""
    middles = np.array([streets.outline(block).mean(axis=0) for block in streets.blocks])
    centres = _centres(middles, count, rng)
    zone_of = _grown(streets, middles, centres)
    width = max(2, len(str(count)))
    ids = [f"Z{n + 1:0{width}d}" for n in range(count)]
    members: dict[int, list[int]] = defaultdict(list)
    for block, zone in enumerate(zone_of):
        members[zone].append(block)
    names = [namer.zone() for _ in range(count)]
    zones = tuple(
        Zone(ids[zone], name, _outline(streets, members[zone]), name_latin)
        for zone, (name, name_latin) in enumerate(names)
    )
    of_block = {block: ids[zone] for block, zone in enumerate(zone_of)}
    return ZonePlan(zones, of_block, _of_junctions(plan, of_block))


def _centres(middles: Points, count: int, rng: np.random.Generator) -> Points:
    """Middles of the zones, the one next to the city's centre first (k-means)."""
    centres = middles[np.sort(rng.choice(len(middles), size=count, replace=False))]
    for _ in range(ROUNDS):
        nearest = _nearest(middles, centres)
        centres = np.array(
            [
                middles[nearest == n].mean(axis=0) if np.any(nearest == n) else centres[n]
                for n in range(count)
            ]
        )
    order = np.argsort(np.hypot(centres[:, 0], centres[:, 1]), kind="stable")
    return np.asarray(centres[order])


def _nearest(points: Points, centres: Points) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    gaps = points[:, None, :] - centres[None, :, :]
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = (gaps**2).sum(axis=2).argmin(axis=1)
    return found


def _grown(streets: StreetMap, middles: Points, centres: Points) -> list[int]:
    """The zone of each block: zones grow from the block at their centre, over common roads."""
    owner = [-1] * len(streets.blocks)
    queue: list[tuple[float, int, int]] = []
    taken: set[int] = set()
    for zone, centre in enumerate(centres):
        gaps = np.hypot(*(middles - centre).T)
        seed = next(b for b in np.argsort(gaps, kind="stable").tolist() if b not in taken)
        taken.add(seed)
        heapq.heappush(queue, (0.0, zone, seed))
    while queue:
        distance_m, zone, block = heapq.heappop(queue)
        if owner[block] >= 0:
            continue
        owner[block] = zone
        for other in _around(streets, block):
            if owner[other] < 0:
                step_m = math.dist(middles[block], middles[other])
                heapq.heappush(queue, (distance_m + step_m, zone, other))
    return owner


def _around(streets: StreetMap, block: int) -> list[int]:
    corners = streets.blocks[block].corners
    beside = {
        streets.block_left_of(b, a)
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True)
    }
    return sorted(beside - {OUTSIDE})


def _outline(streets: StreetMap, blocks: Iterable[int]) -> tuple[tuple[float, float], ...]:
    """The outer edge of blocks that hang together, counter-clockwise."""
    mine = set(blocks)
    onward: dict[int, list[int]] = defaultdict(list)
    for block in sorted(mine):
        corners = streets.blocks[block].corners
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True):
            if streets.block_left_of(b, a) not in mine:
                onward[a].append(b)
    loops = []
    for start in sorted(onward):
        while onward[start]:
            loops.append(_loop(streets, start, onward))
    best = max(loops, key=lambda loop: area_m2([streets.points[v] for v in loop]))
    return tuple((round(x, 2), round(y, 2)) for x, y in (streets.points[v] for v in best))


def _loop(streets: StreetMap, start: int, onward: dict[int, list[int]]) -> list[int]:
    """Follow the edge round; where it touches itself, turn right, to stay on the same edge."""
    loop = [start]
    before, now = start, onward[start].pop(0)
    while now != start:
        loop.append(now)
        ways = onward[now]
        x, y = streets.points[now]
        came = math.atan2(y - streets.points[before][1], x - streets.points[before][0])
        turns = [
            (math.atan2(streets.points[n][1] - y, streets.points[n][0] - x) - came + math.pi)
            % (2 * math.pi)
            for n in ways
        ]
        before, now = now, ways.pop(turns.index(min(turns)))
    return loop


def _of_junctions(plan: RoadPlan, of_block: Mapping[int, str]) -> dict[int, str]:
    """The zone with most blocks at a junction."""
    return {vertex: _most_common(plan, vertex, of_block) for vertex in plan.junctions}


def _most_common(plan: RoadPlan, vertex: int, of_block: Mapping[int, str]) -> str:
    here: Sequence[Road] = [plan.roads[i] for i in plan.at[vertex]]
    blocks = {block for road in here for block in (road.left, road.right)} - {OUTSIDE}
    counted = Counter(of_block[block] for block in sorted(blocks))
    return min(counted, key=lambda zone: (-counted[zone], zone))
