"""Streets inside the first blocks, laid until there are as many junctions as asked for.

The block that is the most too large is cut in two, again and again. A new street leaves a road
at a right angle, or goes on where a street ends on the other side of the road: that decides how
many junctions have three legs and how many four. Blocks are small where the city is dense.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from network_data.generated_city.blocks import Block, Line, Point, Points, StreetMap, contains
from network_data.generated_city.blocks import signed_area as area_m2
from network_data.generated_city.scale import (
    ARTERIAL,
    BRANCH,
    CLASSES,
    EXPRESSWAY,
    LEAST_SPACING_M,
    SECONDARY,
    Scale,
)

LEAST_ANGLE_RAD = math.radians(52.0)
"""Between two roads of a junction; ``FIVE_LEGS_ANGLE_RAD`` where there are five."""
FIVE_LEGS_ANGLE_RAD = math.radians(40.0)
STRAIGHT_RAD = math.radians(22.0)
FIVE_LEGS_RATIO = 0.015
"""Junctions with five legs, by all; a street that would make another one ends elsewhere."""
PARK_RATIO = 0.02
PARK_M2 = (150_000.0, 900_000.0)
BENT_RATIO = 0.3
BEND_FROM_M = 350.0
TRIES = 16
LEAST_BLOCK_M2 = 9_000.0
LEAST_PART = 0.2
"""Of a block that is cut, the smaller part."""
ARTERIAL_BLOCK, SECONDARY_BLOCK = 10.0, 3.2
"""Blocks so many times as large as they will be: cut by streets of this class."""
_SPACINGS = (1.0, 0.8, 0.65)
"""A block that cannot be cut otherwise may have junctions that stand closer."""


@dataclass(frozen=True)
class Centres:
    """Where the city is dense: the old town and, in larger cities, new centres around it."""

    places: Points
    reach_m: npt.NDArray[np.float64]
    radius_m: float

    def density(self, x: float, y: float) -> float:
        """1 in the middle of a centre, near 0 away from all."""
        gaps = np.hypot(self.places[:, 0] - x, self.places[:, 1] - y)
        return float(np.max(np.exp(-((gaps / self.reach_m) ** 2))))

    def block_size(self, x: float, y: float) -> float:
        """Usual size of a block at a place, up to a factor for the whole city."""
        outward = min(1.3, math.hypot(x, y) / self.radius_m)
        return 0.3 + (0.35 + 0.9 * outward) * (1.0 - 0.85 * self.density(x, y))


def centres_of(scale: Scale, rng: np.random.Generator) -> Centres:
    """The old town, and one more centre for about every 400 junctions."""
    count = min(6, scale.junctions // 400)
    angles = rng.uniform(0, 2 * math.pi) + np.arange(count) * 2 * math.pi / max(1, count)
    away = rng.uniform(0.45, 0.75, size=count) * scale.radius_m
    around = np.column_stack([away * np.cos(angles), away * np.sin(angles)])
    reach = np.concatenate([[0.3], rng.uniform(0.13, 0.2, size=count)]) * scale.radius_m
    return Centres(np.vstack([[[0.0, 0.0]], around]), reach, scale.radius_m)


def lay(streets: StreetMap, scale: Scale, centres: Centres, rng: np.random.Generator) -> bool:
    """Lay streets until there are ``scale.junctions`` junctions.

    Returns False if no block has room for another street before that: draw the city anew.
    """
    works = _Works(streets, scale, centres, rng)
    works.cut_all()
    return works.junction_count == scale.junctions


@dataclass(frozen=True, slots=True)
class _End:
    """Where a new street meets a road: at a vertex, or else on the piece between two."""

    point: Point
    after: int
    """Position in the block's corners: of the vertex, or of the piece's first vertex."""
    vertex: int | None
    is_new: bool
    """Whether it makes a junction that was not there."""
    goes_on: Line | None = None
    """The street that ends there on the other side of the road, in the same direction."""


@dataclass(frozen=True, slots=True)
class _Cut:
    start: _End
    end: _End
    quality: float

    @property
    def new_junctions(self) -> int:
        return self.start.is_new + self.end.is_new


class _Works:
    """Streets being laid."""

    def __init__(
        self, streets: StreetMap, scale: Scale, centres: Centres, rng: np.random.Generator
    ) -> None:
        self.streets = streets
        self.scale = scale
        self.centres = centres
        self.rng = rng
        junctions = streets.junctions()
        self.junction_count = len(junctions)
        roads = sum(streets.degree(v) for v in junctions) // 2
        inside = scale.road_count - scale.gate_count
        # Each cut adds one road more than junctions: so many cuts bring the roads to their number.
        self.cuts_left = inside - scale.junctions - (roads - self.junction_count)
        self.five_legs = sum(streets.degree(v) > 4 for v in junctions)
        self.next_line_id = 1 + max(line.line_id for line in streets.lines.values())
        sizes = [self._size(block) for block in streets.blocks if not block.water]
        self.usual = sum(sizes) / (len(sizes) + max(1, self.cuts_left))
        """``_size`` of the blocks in the end."""

    def cut_all(self) -> None:
        """Cut blocks, the largest first, until there are enough junctions or none can be cut."""
        queue = [
            (-self._size(block), i)
            for i, block in enumerate(self.streets.blocks)
            if not (block.water or block.park)
        ]
        heapq.heapify(queue)
        while queue and self.junction_count < self.scale.junctions:
            size, block_id = heapq.heappop(queue)
            for i in self._cut(block_id, -size / self.usual):
                heapq.heappush(queue, (-self._size(self.streets.blocks[i]), i))

    def _size(self, block: Block) -> float:
        outline = self.streets.outline(block)
        x, y = outline.mean(axis=0)
        return area_m2(outline) / self.centres.block_size(float(x), float(y))

    def _cut(self, block_id: int, size: float) -> tuple[int, ...]:
        """Cut a block; returns the ids of its parts, none if it stays whole."""
        block = self.streets.blocks[block_id]
        if self._becomes_park(block):
            block.park = True
            return ()
        road_class = _class_for(size)
        missing = self.scale.junctions - self.junction_count
        wanted = min(2.0, missing / max(1, self.cuts_left))
        cuts: list[_Cut] = []
        for spacing in _SPACINGS:
            site = _Site(self, block, road_class, spacing)
            cuts = cuts or [cut for cut in site.cuts() if cut.new_junctions <= missing]
        if not cuts:
            return ()
        best = max(cuts, key=lambda cut: cut.quality - 0.9 * abs(cut.new_junctions - wanted))
        return block_id, self._lay(block_id, best, road_class)

    def _becomes_park(self, block: Block) -> bool:
        low, high = PARK_M2
        large = low < area_m2(self.streets.outline(block)) < high
        return large and self.scale.junctions > 100 and self.rng.random() < PARK_RATIO

    def _lay(self, block_id: int, cut: _Cut, road_class: str) -> int:
        line = _line_going_on(cut, road_class)
        if line is None:
            line = Line(self.next_line_id, road_class)
            self.next_line_id += 1
        corners = list(self.streets.blocks[block_id].corners)
        start, end = (self._vertex(one, corners) for one in (cut.start, cut.end))
        self.five_legs += sum(self.streets.degree(v) == 4 for v in (start, end))
        self.junction_count += cut.new_junctions
        self.cuts_left -= 1
        return self.streets.cut(block_id, start, self._bends(cut), end, line)

    def _vertex(self, end: _End, corners: list[int]) -> int:
        if end.vertex is not None:
            return end.vertex
        a, b = corners[end.after], corners[(end.after + 1) % len(corners)]
        return self.streets.split(a, b, end.point)

    def _bends(self, cut: _Cut) -> tuple[Point, ...]:
        (ax, ay), (bx, by) = cut.start.point, cut.end.point
        if math.dist((ax, ay), (bx, by)) < BEND_FROM_M or self.rng.random() > BENT_RATIO:
            return ()
        lean = float(self.rng.uniform(-0.045, 0.045))
        at = float(self.rng.uniform(0.4, 0.6))
        return ((ax + at * (bx - ax) - lean * (by - ay), ay + at * (by - ay) + lean * (bx - ax)),)


def _class_for(size: float) -> str:
    if size > ARTERIAL_BLOCK:
        return ARTERIAL
    return SECONDARY if size > SECONDARY_BLOCK else BRANCH


def _line_going_on(cut: _Cut, road_class: str) -> Line | None:
    """The street that the new one continues: of its class, or one better."""
    rank = CLASSES.index(road_class)
    lines = [end.goes_on for end in (cut.start, cut.end) if end.goes_on is not None]
    fitting = [x for x in lines if rank - 1 <= CLASSES.index(x.road_class) <= rank and not x.name]
    return min(fitting, key=lambda x: (CLASSES.index(x.road_class), x.line_id), default=None)


class _Site:
    """A block about to be cut, and the streets that could cut it."""

    def __init__(self, works: _Works, block: Block, road_class: str, spacing: float) -> None:
        self.works = works
        self.streets = works.streets
        self.corners = block.corners
        self.road_class = road_class
        self.spacing = spacing
        self.xy = self.streets.outline(block)
        self.along = np.roll(self.xy, -1, axis=0) - self.xy
        self.lengths = np.hypot(self.along[:, 0], self.along[:, 1])
        self.degrees = np.array([self.streets.degree(v) for v in self.corners])
        self.junctions = np.flatnonzero(self.degrees > 2)
        self.area_m2 = area_m2(self.xy)
        self.most_legs = 3
        few = works.five_legs < FIVE_LEGS_RATIO * works.junction_count
        if few and 3 * works.junction_count > works.scale.junctions:
            self.most_legs = 4

    def cuts(self) -> Iterator[_Cut]:
        """Streets that fit, each with its quality."""
        starts = [*self._ends_across(), *self._ends_anywhere()]
        for start, direction in starts:
            for end in self._ends_opposite(start, direction):
                cut = self._judged(start, end)
                if cut is not None:
                    yield cut

    def _ends_across(self) -> Iterator[tuple[_End, Points]]:
        """Junctions at which a street ends on the other side of the road; wide corners."""
        for i in self.junctions:
            direction = self._onward(int(i)) if self.degrees[i] == 3 else self._inward(int(i))
            if direction is not None:
                yield self._at_vertex(int(i)), direction

    def _onward(self, i: int) -> Points | None:
        """The direction in which the one street that is not along this block would go on."""
        beside = {self.corners[i - 1], self.corners[(i + 1) % len(self.corners)]}
        other = [n for n in self.streets.neighbours(self.corners[i]) if n not in beside]
        if len(other) != 1:
            return None
        direction = self.xy[i] - np.array(self.streets.points[other[0]])
        return np.asarray(direction / np.hypot(*direction))

    def _inward(self, i: int) -> Points | None:
        """The direction halfway between the roads at a corner, where a fifth leg is wanted."""
        if self.degrees[i] != self.most_legs:
            return None
        before, after = -self.along[i - 1] / self.lengths[i - 1], self.along[i] / self.lengths[i]
        middle = before + after
        if float(before @ after) > 0.3 or np.hypot(*middle) < 0.2:
            return None
        return np.asarray(middle / np.hypot(*middle))

    def _ends_anywhere(self) -> Iterator[tuple[_End, Points]]:
        """New junctions on the roads around, and streets at right angles to them."""
        rng = self.works.rng
        pieces = rng.choice(len(self.corners), size=TRIES, p=self.lengths / self.lengths.sum())
        shares = rng.uniform(0.05, 0.95, size=TRIES)
        turns = rng.normal(math.pi / 2, 0.06, size=TRIES)
        for piece, share, turn in zip(pieces.tolist(), shares, turns, strict=True):
            point = self.xy[piece] + share * self.along[piece]
            end = self._on_piece(piece, point) or self._at_next_junction(point)
            if end is not None:
                x, y = self.along[piece] / self.lengths[piece]
                c, s = math.cos(turn), math.sin(turn)
                yield end, np.array([c * x - s * y, s * x + c * y])

    def _ends_opposite(self, start: _End, direction: Points) -> Iterator[_End]:
        """Where the ray from ``start`` meets the block's other side, or a junction near there."""
        hit = self._hit(start, direction)
        if hit is None:
            return
        piece, point, way_m = hit
        end = self._on_piece(piece, point)
        if end is not None:
            yield end
        reach_m = max(1.2 * self._least_m(piece), 0.3 * way_m)
        gaps = np.hypot(*(self.xy[self.junctions] - point).T)
        for i in self.junctions[np.argsort(gaps, kind="stable")[:2]]:
            if self.degrees[i] <= self.most_legs and math.dist(self.xy[i], point) < reach_m:
                yield self._at_vertex(int(i))

    def _hit(self, start: _End, direction: Points) -> tuple[int, Points, float] | None:
        """(piece, point, metres) of the first road that a ray meets."""
        gap = self.xy - np.array(start.point)
        cross = direction[0] * self.along[:, 1] - direction[1] * self.along[:, 0]
        safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
        way = (gap[:, 0] * self.along[:, 1] - gap[:, 1] * self.along[:, 0]) / safe
        at = (gap[:, 0] * direction[1] - gap[:, 1] * direction[0]) / safe
        way = np.where((at >= 0) & (at <= 1) & (way > 1.0) & np.isfinite(safe), way, np.inf)
        piece = int(np.argmin(way))
        if not math.isfinite(way[piece]):
            return None
        return piece, np.array(start.point) + way[piece] * direction, float(way[piece])

    def _at_next_junction(self, point: Points) -> _End | None:
        gaps = np.hypot(*(self.xy[self.junctions] - point).T)
        i = int(self.junctions[np.argmin(gaps)])
        return self._at_vertex(i) if self.degrees[i] <= self.most_legs else None

    def _at_vertex(self, i: int) -> _End:
        x, y = self.xy[i].tolist()
        return _End((x, y), i, self.corners[i], is_new=bool(self.degrees[i] == 2))

    def _on_piece(self, piece: int, point: Points) -> _End | None:
        """A new junction on a piece of road, if it keeps its distance from all others."""
        least_m = self._least_m(piece)
        if np.any(np.hypot(*(self.xy[self.junctions] - point).T) < least_m):
            return None
        for i in (piece, (piece + 1) % len(self.corners)):
            if math.dist(self.xy[i], point) < least_m / 3:
                return self._at_vertex(i)
        x, y = point.tolist()
        return _End((x, y), piece, None, is_new=True)

    def _least_m(self, piece: int) -> float:
        return LEAST_SPACING_M[self._class_of(piece)] * self.spacing

    def _class_of(self, piece: int) -> str:
        a, b = self.corners[piece], self.corners[(piece + 1) % len(self.corners)]
        return self.streets.line(a, b).road_class

    def _judged(self, start: _End, end: _End) -> _Cut | None:
        """The street between two ends with its quality, or None where it does not fit."""
        if start.after == end.after or (start.vertex is not None and start.vertex == end.vertex):
            return None
        way = np.array(end.point) - np.array(start.point)
        way_m = float(np.hypot(*way))
        ends = [self._met(start, way / way_m), self._met(end, -way / way_m)]
        if None in ends or not self._is_free(start, end, way, way_m):
            return None
        parts = self._parts(start, end)
        areas = [area_m2(part) for part in parts]
        if min(areas) < max(LEAST_BLOCK_M2, LEAST_PART * self.area_m2):
            return None
        roundness = min(
            4 * math.pi * area / _perimeter_m(part) ** 2
            for area, part in zip(areas, parts, strict=True)
        )
        quality = 1.6 * roundness + 1.2 * min(areas) / self.area_m2
        quality += sum(0.25 for one in ends if one is not None and one.goes_on is not None)
        wish = 0.5 if self.works.five_legs else 2.0
        quality += sum(wish for one in (start, end) if self._has_four_legs(one))
        quality -= sum(0.3 for one in (start, end) if self._is_minor_at_expressway(one))
        quality += float(self.works.rng.normal(0, 0.12))
        return _Cut(ends[0] or start, ends[1] or end, quality)

    def _met(self, end: _End, direction: Points) -> _End | None:
        """The end with the street it continues; None where the angles there are too sharp."""
        angle = math.atan2(direction[1], direction[0])
        if end.vertex is None:
            ways = [self.along[end.after], -self.along[end.after]]
            lines: list[Line | None] = [None, None]
        else:
            neighbours = self.streets.neighbours(end.vertex)
            ways = [np.array(self.streets.points[n]) - np.array(end.point) for n in neighbours]
            lines = [self.streets.line(end.vertex, n) for n in neighbours]
        goes_on = None
        for way, line in zip(ways, lines, strict=True):
            turn = abs((math.atan2(way[1], way[0]) - angle + math.pi) % (2 * math.pi) - math.pi)
            if turn < (FIVE_LEGS_ANGLE_RAD if len(ways) > 3 else LEAST_ANGLE_RAD):
                return None
            if turn > math.pi - STRAIGHT_RAD and not end.is_new:
                goes_on = line
        return replace(end, goes_on=goes_on)

    def _is_free(self, start: _End, end: _End, way: Points, way_m: float) -> bool:
        """Whether a street runs inside the block, and not along its junctions."""
        gap = self.xy - np.array(start.point)
        share = (gap @ way) / way_m**2
        off_m = np.abs(gap[:, 0] * way[1] - gap[:, 1] * way[0]) / way_m
        beside = (share > 0) & (share < 1) & (self.degrees > 2)
        mine = [one.after for one in (start, end) if one.vertex is not None]
        beside[mine] = False
        least_m = 0.7 * LEAST_SPACING_M[self.road_class] * self.spacing
        if np.any(beside & (off_m < least_m)):
            return False
        middle = np.array(start.point) + way / 2
        if not contains(self.xy, (float(middle[0]), float(middle[1]))):
            return False
        cross = way[0] * self.along[:, 1] - way[1] * self.along[:, 0]
        safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
        along = (gap[:, 0] * self.along[:, 1] - gap[:, 1] * self.along[:, 0]) / safe
        at = (gap[:, 0] * way[1] - gap[:, 1] * way[0]) / safe
        met = (along > 1e-6) & (along < 1 - 1e-6) & (at >= 0) & (at <= 1)
        return not np.any(met)

    def _parts(self, start: _End, end: _End) -> tuple[Points, Points]:
        first, last = (start, end) if start.after < end.after else (end, start)
        ends = np.array([first.point]), np.array([last.point])
        inside = self.xy[first.after + 1 : last.after + (last.vertex is None)]
        around = self.xy[last.after + 1 :], self.xy[: first.after + (first.vertex is None)]
        return (
            np.concatenate([ends[0], inside, ends[1]]),
            np.concatenate([ends[1], *around, ends[0]]),
        )

    def _has_four_legs(self, end: _End) -> bool:
        return end.vertex is not None and self.streets.degree(end.vertex) > 3

    def _is_minor_at_expressway(self, end: _End) -> bool:
        minor = self.road_class in (SECONDARY, BRANCH)
        return minor and end.is_new and self._class_of(end.after) == EXPRESSWAY


def _perimeter_m(outline: Points) -> float:
    steps = np.roll(outline, -1, axis=0) - outline
    return float(np.hypot(steps[:, 0], steps[:, 1]).sum())
