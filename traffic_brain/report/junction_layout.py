"""A junction drawn from the network's geometry, as SVG: lanes that come in, and where they go."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import hypot
from statistics import fmean

from markupsafe import Markup

from traffic_brain.model.network import Link, Movement, RoadNetwork
from traffic_brain.report.figures import link_name

SIZE = 420
REACH_M = 60.0
"""How much of each street is drawn, measured from the stop line."""
LANE_M = 3.2
_NAMES_PX = 110.0

Point = tuple[float, float]


def junction_layout(network: RoadNetwork, junction_id: str, label: str) -> Markup:
    """Approaches with their lanes, exits, and an arrow for each movement; north is up."""
    movements = network.movements_at[junction_id]
    arriving = dict.fromkeys(m.from_link for m in movements)
    leaving = dict.fromkeys(m.to_link for m in movements)
    ends = {i: _near_end(network.links[i].shape) for i in arriving}
    starts = {i: _near_start(network.links[i].shape) for i in leaving}
    points = [p for shape in (*ends.values(), *starts.values()) for p in shape]
    if not points:
        return Markup("")
    frame = _Frame(points)
    parts = [_street(network.links[i], shape, frame, "in") for i, shape in ends.items()]
    parts += [_street(network.links[i], shape, frame, "out") for i, shape in starts.items()]
    parts += [_arrow(m, ends[m.from_link][-1], starts[m.to_link][0], frame) for m in movements]
    middle = (fmean(s[-1][0] for s in ends.values()), fmean(s[-1][1] for s in ends.values()))
    parts += [_name(link_name(network, i), ends[i][0], middle, frame) for i in arriving]
    return Markup(
        '<svg class="layout" viewBox="0 0 {0} {0}" role="img" aria-label="{1}"><defs>'
        '<marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="5" markerHeight="5" '
        'orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>{2}</svg>'
    ).format(SIZE, label, Markup("").join(parts))


class _Frame:
    """From metres to the picture."""

    def __init__(self, points: Sequence[Point]) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self._left, self._top = min(xs), max(ys)
        span = max(max(xs) - min(xs), max(ys) - min(ys), 20.0)
        self.scale = (SIZE - 60) / span
        self._dx = 30 + (SIZE - 60 - (max(xs) - min(xs)) * self.scale) / 2
        self._dy = 30 + (SIZE - 60 - (max(ys) - min(ys)) * self.scale) / 2

    def at(self, point: Point) -> str:
        x, y = self.xy(point)
        return f"{x:.1f} {y:.1f}"

    def xy(self, point: Point) -> Point:
        return (
            self._dx + (point[0] - self._left) * self.scale,
            self._dy + (self._top - point[1]) * self.scale,
        )


def _street(link: Link, shape: Sequence[Point], frame: _Frame, way: str) -> Markup:
    path = "M" + "L".join(frame.at(p) for p in shape)
    width = max(2.0, link.lane_count * LANE_M * frame.scale)
    return Markup('<path class="street {}" d="{}" stroke-width="{}"/>').format(
        way, path, round(width, 1)
    )


def _arrow(movement: Movement, start: Point, end: Point, frame: _Frame) -> Markup:
    """A curve from stop line to exit, bent towards the middle of the two."""
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    path = f"M{frame.at(start)}Q{frame.at(middle)} {frame.at(end)}"
    return Markup(
        '<path class="movement {}" d="{}" marker-end="url(#head)"><title>{}</title></path>'
    ).format(movement.turn.value.lower(), path, movement.movement_id)


def _name(text: str, place: Point, middle: Point, frame: _Frame) -> Markup:
    """At the far end of a street, or as far out where the street is short."""
    (x, y), (mx, my) = frame.xy(place), frame.xy(middle)
    far = hypot(x - mx, y - my)
    if 0 < far < _NAMES_PX:
        x, y = mx + (x - mx) * _NAMES_PX / far, my + (y - my) * _NAMES_PX / far
    anchor = "start" if x < SIZE / 3 else "end" if x > 2 * SIZE / 3 else "middle"
    return Markup('<text class="name" x="{}" y="{}" text-anchor="{}">{}</text>').format(
        round(min(max(x, 8), SIZE - 8)), round(min(max(y, 14), SIZE - 8)), anchor, _short(text)
    )


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _near_end(shape: Sequence[Point]) -> list[Point]:
    """The last ``REACH_M`` of a line."""
    return _near_start(shape[::-1])[::-1]


def _near_start(shape: Sequence[Point]) -> list[Point]:
    """The first ``REACH_M`` of a line."""
    found, left = [shape[0]], REACH_M
    for a, b in pairwise(shape):
        length = hypot(b[0] - a[0], b[1] - a[1])
        if length >= left > 0:
            share = left / length
            found.append((a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])))
            return found
        found.append(b)
        left -= length
    return found
