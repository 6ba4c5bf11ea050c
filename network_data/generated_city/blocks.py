"""A planar street map: vertices, pieces of road between them, and the blocks that they enclose.

Streets are laid by cutting blocks in two, so that no two roads ever cross without a junction.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Point = tuple[float, float]
Points = npt.NDArray[np.float64]
OUTSIDE = -1
"""Id of the block outside of everything."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a piece of road belongs to: a street laid in one go."""

    line_id: int
    road_class: str
    name: str = ""
    """Fixed name; empty: the street is named later."""
    name_latin: str = ""


@dataclass
class Block:
    """An area with roads on all sides; ``corners``: vertices counter-clockwise."""

    corners: list[int]
    water: bool = False
    park: bool = False


@dataclass
class StreetMap:
    """Vertices (x, y in metres), pieces of straight road, blocks."""

    points: list[Point]
    lines: dict[tuple[int, int], Line]
    """By the vertices of a piece, lower first."""
    blocks: list[Block]
    _around: list[list[int]] = field(init=False)
    _left: dict[tuple[int, int], int] = field(init=False)

    def __post_init__(self) -> None:
        self._around = [[] for _ in self.points]
        for a, b in self.lines:
            self._around[a].append(b)
            self._around[b].append(a)
        self._left = {}
        for block_id, block in enumerate(self.blocks):
            self._take_sides(block_id, block.corners)

    def degree(self, vertex: int) -> int:
        """How many pieces of road meet there; a junction has three or more."""
        return len(self._around[vertex])

    def neighbours(self, vertex: int) -> Sequence[int]:
        """Vertices at the other ends of the pieces there."""
        return self._around[vertex]

    def line(self, a: int, b: int) -> Line:
        """The street of the piece between two vertices."""
        return self.lines[_key(a, b)]

    def block_left_of(self, a: int, b: int) -> int:
        """The block on the left of somebody who goes from a to b, or ``OUTSIDE``."""
        return self._left.get((a, b), OUTSIDE)

    def junctions(self) -> list[int]:
        """Vertices where three or more pieces meet, in rising order."""
        return [v for v in range(len(self.points)) if self.degree(v) > 2]

    def outline(self, block: Block) -> Points:
        """The corners' positions; shape (corner, 2)."""
        return np.array([self.points[v] for v in block.corners])

    def split(self, a: int, b: int, point: Point) -> int:
        """Put a vertex on the piece between a and b; returns it."""
        line = self.lines.pop(_key(a, b))
        vertex = len(self.points)
        self.points.append(point)
        self._around.append([a, b])
        for end, other in ((a, b), (b, a)):
            around = self._around[end]
            around[around.index(other)] = vertex
            self.lines[_key(end, vertex)] = line
        for start, end in ((a, b), (b, a)):
            block_id = self._left.pop((start, end), OUTSIDE)
            if block_id != OUTSIDE:
                corners = self.blocks[block_id].corners
                corners.insert(corners.index(start) + 1, vertex)
                self._left[start, vertex] = self._left[vertex, end] = block_id
        return vertex

    def cut(self, block_id: int, start: int, bends: Iterable[Point], end: int, line: Line) -> int:
        """Lay a street through a block, between two of its corners; returns the new block's id."""
        way = [start]
        for bend in bends:
            self.points.append(bend)
            self._around.append([])
            way.append(len(self.points) - 1)
        way.append(end)
        for a, b in pairwise(way):
            self.lines[_key(a, b)] = line
            self._around[a].append(b)
            self._around[b].append(a)
        corners = self.blocks[block_id].corners
        at = corners.index(start)
        turned = corners[at:] + corners[:at]
        split_at = turned.index(end)
        one = turned[:split_at] + way[:0:-1]
        other = way[:-1] + turned[split_at:]
        self.blocks[block_id].corners = one
        self.blocks.append(Block(other))
        self._take_sides(block_id, one)
        self._take_sides(len(self.blocks) - 1, other)
        return len(self.blocks) - 1

    def _take_sides(self, block_id: int, corners: Sequence[int]) -> None:
        for a, b in zip(corners, [*corners[1:], corners[0]], strict=True):
            self._left[a, b] = block_id


def _key(a: int, b: int) -> tuple[int, int]:
    return (a, b) if a < b else (b, a)


def map_of(points: Sequence[Point], lines: Mapping[tuple[int, int], Line]) -> StreetMap:
    """The street map of a connected planar graph; its outer face becomes no block."""
    around: list[list[int]] = [[] for _ in points]
    for a, b in lines:
        around[a].append(b)
        around[b].append(a)
    ranks = [_clockwise(points, v, neighbours) for v, neighbours in enumerate(around)]
    blocks = []
    seen: set[tuple[int, int]] = set()
    for a, b in sorted((x, y) for pair in lines for x, y in (pair, pair[::-1])):
        corners = []
        while (a, b) not in seen:
            seen.add((a, b))
            corners.append(a)
            order = ranks[b]
            a, b = b, order[(order.index(a) + 1) % len(order)]  # noqa: PLW2901
        if corners and signed_area([points[v] for v in corners]) > 0:
            blocks.append(Block(corners))
    return StreetMap(list(points), dict(lines), blocks)


def _clockwise(points: Sequence[Point], vertex: int, neighbours: Iterable[int]) -> list[int]:
    x, y = points[vertex]
    return sorted(neighbours, key=lambda n: -math.atan2(points[n][1] - y, points[n][0] - x))


def signed_area(corners: Sequence[Point] | Points) -> float:
    """Area of a polygon in m²; positive when its corners go counter-clockwise."""
    xy = np.asarray(corners, dtype=np.float64)
    x, y = xy[:, 0], xy[:, 1]
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def contains(outline: Points, point: Point) -> bool:
    """Whether a point lies inside of a polygon (even-odd rule)."""
    x, y = point
    ax, ay = outline[:, 0], outline[:, 1]
    bx, by = np.roll(ax, -1), np.roll(ay, -1)
    spans = (ay > y) != (by > y)
    height = np.where(spans, by - ay, 1.0)
    return bool(np.count_nonzero(spans & (x < (bx - ax) * (y - ay) / height + ax)) % 2)
