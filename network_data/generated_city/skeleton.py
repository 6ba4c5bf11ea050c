"""The great lines of a generated city: edge of town, rings, axes, radial roads, rivers.

They are drawn as polylines, cut where they meet, and become the first, large blocks. A drawing
in which roads meet too close to each other, or at too sharp an angle, is thrown away and drawn
again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from network_data.generated_city.blocks import Line, Point, Points, StreetMap, contains, map_of
from network_data.generated_city.scale import ARTERIAL, EXPRESSWAY, SECONDARY, Scale

SHAPE_STEP_M = 200.0
"""Distance of the vertices that make a curve."""
BANK_M = 30.0
"""From the water to the middle of the road along it, at least."""
MOST_TURN_RAD = math.radians(12.0)
SHARPEST_DEG = 48.0
DRAWINGS = 60
"""How often it is drawn anew."""
_EAST, _NORTH, _WEST, _SOUTH = 0.0, math.pi / 2, math.pi, 3 * math.pi / 2


@dataclass(frozen=True, slots=True)
class Stroke:
    """A polyline and the street that runs along it."""

    points: Points
    line: Line
    closed: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Skeleton:
    """The first blocks, and the middle lines of the rivers; positions in metres, centre 0, 0."""

    streets: StreetMap
    rivers: tuple[Points, ...]


def draw(scale: Scale, rng: np.random.Generator) -> Skeleton:
    """The great lines of a city of this size.

    Radial roads that leave some junction without room are left out one by one; if that does not
    help, all is drawn anew. After ``DRAWINGS`` the drawing with the most room is taken.
    """
    most_room, best = 0.0, None
    for _ in range(DRAWINGS):
        strokes, rivers = _strokes(scale, rng)
        room, streets = _with_room(strokes, scale)
        if best is None or room > most_room:
            most_room, best = room, Skeleton(streets, rivers)
        if room >= 1.0:
            break
    assert best is not None
    for river in best.rivers:
        _mark_water(best.streets, river)
    return _turned(best, float(rng.uniform(-1, 1)) * MOST_TURN_RAD)


def _turned(skeleton: Skeleton, angle_rad: float) -> Skeleton:
    """The same city, turned about its centre: no axis points exactly north."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    matrix = np.array([[c, s], [-s, c]])
    streets = skeleton.streets
    streets.points = [(float(x), float(y)) for x, y in np.array(streets.points) @ matrix]
    return Skeleton(streets, tuple(river @ matrix for river in skeleton.rivers))


def _with_room(strokes: Sequence[Stroke], scale: Scale) -> tuple[float, StreetMap]:
    """(room, streets): strokes less those optional ones that have to go."""
    kept = list(strokes)
    meetings = {
        (one.line.line_id, other.line.line_id): _crossings(one, other)
        for i, one in enumerate(strokes)
        for other in strokes[i + 1 :]
    }
    optional = {stroke.line.line_id for stroke in strokes if stroke.optional}
    while True:
        streets = _arranged(kept, meetings, scale)
        room, lines = min(_rooms(streets, scale), key=lambda found: found[0])
        blamed = lines & optional
        if room >= 1.0 or not blamed:
            return room, streets
        kept = [stroke for stroke in kept if stroke.line.line_id != max(blamed)]


# --- strokes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Form:
    """The outline that edge and rings share: between a circle and a square, and uneven."""

    radius_m: float
    power: float
    waves: tuple[tuple[int, float, float], ...]

    def at(self, angle: float, ratio: float = 1.0) -> float:
        """Distance of the outline from the centre; inner rings (small ratio) are more even."""
        c, s = abs(math.cos(angle)), abs(math.sin(angle))
        square = math.pow(math.pow(c, self.power) + math.pow(s, self.power), -1 / self.power)
        uneven = sum(size * math.cos(n * angle + at) for n, size, at in self.waves)
        return self.radius_m * ratio * square * (1 + ratio * uneven)

    def point(self, angle: float, ratio: float = 1.0, beyond_m: float = 0.0) -> Point:
        r = self.at(angle, ratio) + beyond_m
        return r * math.cos(angle), r * math.sin(angle)

    def ring(self, ratio: float) -> Points:
        count = max(16, round(2 * math.pi * self.radius_m * ratio / SHAPE_STEP_M))
        angles = np.linspace(0, 2 * math.pi, count, endpoint=False)
        return np.array([self.point(float(angle), ratio) for angle in angles])


def _strokes(scale: Scale, rng: np.random.Generator) -> tuple[list[Stroke], tuple[Points, ...]]:
    form = _Form(
        scale.radius_m,
        float(rng.uniform(2.2, 3.4)),
        tuple(
            (n, float(rng.uniform(0.02, 0.06)), float(rng.uniform(0, 2 * math.pi)))
            for n in (2, 3, 5)
        ),
    )
    rings = [ratio * float(rng.uniform(0.94, 1.06)) for ratio in scale.ring_ratios]
    strokes: list[Stroke] = []

    def add(
        points: Points, road_class: str, names: tuple[str, str] = ("", ""), **kind: bool
    ) -> None:
        strokes.append(Stroke(points, Line(len(strokes), road_class, *names), **kind))

    fastest = EXPRESSWAY if scale.has_expressways else ARTERIAL
    for i, ratio in enumerate(rings):
        add(form.ring(ratio), fastest if i == 1 else ARTERIAL, _RING_NAMES[i], closed=True)
    add(form.ring(1.0), fastest, _EDGE_NAME, closed=True)
    for axis in _axes(form, rng):
        add(axis, ARTERIAL)
    for points, fast in _radials(form, rings, scale, rng):
        add(points, EXPRESSWAY if fast else ARTERIAL, optional=True)
    rivers: list[Points] = []
    if scale.river_count:
        inner = rings[0] if rings else 1.0
        rivers.append(_river(form, inner, rng))
    if scale.river_count > 1:
        rivers.append(_tributary(form, rings, rivers[0], scale, rng))
    for n, river in enumerate(rivers):
        away_m = max(scale.river_width_m[n] / 2 + BANK_M, scale.closest_m / 2 + 5.0)
        for side, name in zip((-1.0, 1.0), _bank_names(river), strict=True):
            add(_beside(river, side * away_m), SECONDARY, name)
    return strokes, tuple(rivers)


_RING_NAMES = (("一环路", "Yihuan Lu"), ("二环路", "Erhuan Lu"), ("三环路", "Sanhuan Lu"))
_EDGE_NAME = ("绕城路", "Raocheng Lu")


def _bank_names(river: Points) -> tuple[tuple[str, str], tuple[str, str]]:
    """Of the roads right and left of the river, going along."""
    x, y = river[-1] - river[0]
    if abs(y) > abs(x):
        return ("滨河东路", "Binhe Donglu"), ("滨河西路", "Binhe Xilu")
    north, south = ("滨溪北路", "Binxi Beilu"), ("滨溪南路", "Binxi Nanlu")
    return (south, north) if x > 0 else (north, south)


def _axes(form: _Form, rng: np.random.Generator) -> Iterator[Points]:
    for start, end in ((_WEST, _EAST), (_SOUTH, _NORTH)):
        ends = [np.array(form.point(angle, 1.0, 60.0)) for angle in (start, end)]
        yield _wavy(ends[0], ends[1], 0.012, rng)


def _radials(
    form: _Form, rings: Sequence[float], scale: Scale, rng: np.random.Generator
) -> Iterator[tuple[Points, bool]]:
    """Roads outward: between the axes from the first ring, and again between those further out.

    With each, whether it is an expressway.
    """
    quarter = math.pi / 2
    for ring, (per_quarter, fast) in zip(rings, scale.radials, strict=False):
        for quadrant in range(4):
            for k in range(per_quarter):
                share = (k + 0.5) / per_quarter + float(rng.uniform(-0.12, 0.12)) / per_quarter
                angle = (quadrant + share) * quarter
                start = np.array(form.point(angle, ring, -40.0))
                end = np.array(form.point(angle + float(rng.uniform(-0.06, 0.06)), 1.0, 60.0))
                yield _wavy(start, end, 0.015, rng), fast and quadrant % 2 == 0


def _river(form: _Form, inner: float, rng: np.random.Generator) -> Points:
    """Past the centre from north to south, inside the first ring (without rings: far out)."""
    side = float(rng.choice([-1.0, 1.0]))
    away = side * form.radius_m * (inner * 0.42 if inner < 1 else 0.45)
    size_m = form.radius_m * float(rng.uniform(0.02, 0.06))
    waves, at = float(rng.uniform(1.0, 2.2)), float(rng.uniform(0, 2 * math.pi))
    reach = 1.5 * form.radius_m
    along = np.linspace(-reach, reach, max(24, round(2 * reach / SHAPE_STEP_M)))
    calm = np.minimum(1.0, (along / (0.5 * form.radius_m)) ** 2)  # it keeps off the old town
    bend = size_m * calm * np.sin(waves * math.pi * along / form.radius_m + at)
    return np.column_stack([away + bend, along])


def _tributary(
    form: _Form, rings: Sequence[float], main: Points, scale: Scale, rng: np.random.Generator
) -> Points:
    """From the edge of town into the main river, across one axis, between the inner rings."""
    height = (rings[0] + 0.45 * (rings[1] - rings[0])) * form.radius_m
    y = height * float(rng.choice([-1.0, 1.0]))
    side = float(rng.choice([-1.0, 1.0]))
    mouth = float(np.interp(y, main[:, 1], main[:, 0])) + side * scale.river_width_m[0] / 2
    start = side * 1.5 * form.radius_m
    along = np.linspace(start, mouth, max(12, round(abs(start - mouth) / SHAPE_STEP_M)))
    size = form.radius_m * float(rng.uniform(0.01, 0.03))
    bend = size * np.sin(math.pi * (along - mouth) / form.radius_m)
    return np.column_stack([along, y + bend])


def _wavy(start: Points, end: Points, size_ratio: float, rng: np.random.Generator) -> Points:
    """From start to end, leaning to the sides by about this part of the length."""
    length_m = float(np.hypot(*(end - start)))
    t = np.linspace(0, 1, max(3, round(length_m / SHAPE_STEP_M)))
    side = np.array([start[1] - end[1], end[0] - start[0]]) / length_m
    lean = length_m * size_ratio * float(rng.normal())
    bend = lean * np.sin(math.pi * t) * np.cos(float(rng.uniform(0, 2)) * math.pi * t)
    return np.asarray(start + np.outer(t, end - start) + np.outer(bend, side))


def _beside(middle: Points, distance_m: float) -> Points:
    """A line parallel to another."""
    along = np.gradient(middle, axis=0)
    along /= np.hypot(along[:, 0], along[:, 1])[:, None]
    return middle + distance_m * np.column_stack([-along[:, 1], along[:, 0]])


# --- from strokes to blocks -----------------------------------------------------------------


def _arranged(
    strokes: Sequence[Stroke], meetings: Mapping[tuple[int, int], Sequence[_Meeting]], scale: Scale
) -> StreetMap:
    """Strokes cut where they meet; ends that lead nowhere are taken off."""
    met: dict[int, list[tuple[float, int]]] = {stroke.line.line_id: [] for stroke in strokes}
    points: list[Point] = []
    for (one, other), crossings in meetings.items():
        for at_one, at_other, point in crossings if one in met and other in met else ():
            met[one].append((at_one, len(points)))
            met[other].append((at_other, len(points)))
            points.append(point)
    lines: dict[tuple[int, int], Line] = {}
    for stroke in strokes:
        for a, b in _pieces(stroke, met[stroke.line.line_id], points, scale.closest_m / 2):
            lines[min(a, b), max(a, b)] = stroke.line
    return map_of(*_without_loose_ends(points, lines))


_Meeting = tuple[float, float, Point]
"""Position on one stroke, on another, and the point; a position counts vertices."""


def _crossings(one: Stroke, other: Stroke) -> list[_Meeting]:
    if (one.points.max(0) < other.points.min(0)).any() or (
        other.points.max(0) < one.points.min(0)
    ).any():
        return []
    p, r = _segments(one)
    q, s = _segments(other)
    gap = q[None, :, :] - p[:, None, :]
    cross = r[:, None, 0] * s[None, :, 1] - r[:, None, 1] * s[None, :, 0]
    safe = np.where(np.abs(cross) < 1e-9, np.inf, cross)
    t = (gap[..., 0] * s[None, :, 1] - gap[..., 1] * s[None, :, 0]) / safe
    u = (gap[..., 0] * r[:, None, 1] - gap[..., 1] * r[:, None, 0]) / safe
    hit = (t >= 0) & (t < 1) & (u >= 0) & (u < 1) & np.isfinite(safe)
    found = []
    for i, j in zip(*np.nonzero(hit), strict=True):
        x, y = p[i] + t[i, j] * r[i]
        found.append((float(i + t[i, j]), float(j + u[i, j]), (float(x), float(y))))
    return found


def _segments(stroke: Stroke) -> tuple[Points, Points]:
    starts = stroke.points if stroke.closed else stroke.points[:-1]
    ends = np.roll(stroke.points, -1, axis=0) if stroke.closed else stroke.points[1:]
    return starts, ends - starts


def _pieces(
    stroke: Stroke, met: Sequence[tuple[float, int]], points: list[Point], clear_m: float
) -> Iterator[tuple[int, int]]:
    """Pieces of a stroke by their vertices.

    Its own vertices become points, unless a crossing is near.
    """
    crossings = np.array([points[v] for _, v in met]).reshape(-1, 2)
    stops = list(met)
    for i, point in enumerate(stroke.points):
        if np.all(np.hypot(*(crossings - point).T) > clear_m):
            stops.append((float(i), len(points)))
            points.append((float(point[0]), float(point[1])))
    way = [vertex for _, vertex in sorted(stops)]
    if stroke.closed:
        way.append(way[0])
    yield from pairwise(way)


def _without_loose_ends(
    points: Sequence[Point], lines: dict[tuple[int, int], Line]
) -> tuple[list[Point], dict[tuple[int, int], Line]]:
    while True:
        degree = [0] * len(points)
        for pair in lines:
            for v in pair:
                degree[v] += 1
        kept = {pair: line for pair, line in lines.items() if min(degree[v] for v in pair) > 1}
        if len(kept) == len(lines):
            break
        lines = kept
    used = [v for v in range(len(points)) if degree[v]]
    number = {v: i for i, v in enumerate(used)}
    return [points[v] for v in used], {(number[a], number[b]): x for (a, b), x in lines.items()}


def _mark_water(streets: StreetMap, river: Points) -> None:
    """The blocks that a river flows through are water."""
    steps = np.concatenate([river[:-1] + share * np.diff(river, axis=0) for share in (0.0, 0.5)])
    for block in streets.blocks:
        outline = streets.outline(block)
        near = np.all((steps > outline.min(0)) & (steps < outline.max(0)), axis=1)
        block.water |= any(contains(outline, (float(x), float(y))) for x, y in steps[near])


def _rooms(streets: StreetMap, scale: Scale) -> Iterator[tuple[float, frozenset[int]]]:
    """How well each junction keeps its distances and its angles, and the lines that matter.

    1 or more is good.
    """
    for v in streets.junctions():
        x, y = streets.points[v]
        neighbours = streets.neighbours(v)
        directions = sorted(
            math.atan2(streets.points[n][1] - y, streets.points[n][0] - x) for n in neighbours
        )
        turned = [*directions[1:], directions[0] + 2 * math.pi]
        sharpest = min(b - a for a, b in zip(directions, turned, strict=True))
        here = _lines_at(streets, v)
        yield math.degrees(sharpest) / SHARPEST_DEG, here
        for n in neighbours:
            distance_m, there = _next_junction(streets, v, n)
            yield distance_m / scale.closest_m, here | _lines_at(streets, there)


def _lines_at(streets: StreetMap, vertex: int) -> frozenset[int]:
    return frozenset(streets.line(vertex, n).line_id for n in streets.neighbours(vertex))


def _next_junction(streets: StreetMap, vertex: int, towards: int) -> tuple[float, int]:
    """Metres along the road to the next junction, and which one it is."""
    before, now = vertex, towards
    length_m = math.dist(streets.points[before], streets.points[now])
    while streets.degree(now) == 2:
        a, b = streets.neighbours(now)
        before, now = now, b if a == before else a
        length_m += math.dist(streets.points[before], streets.points[now])
    return length_m, now
