"""A map of one grid zone as SVG: its outline, links by their share of congested times, bottlenecks.

It needs no script and prints.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from traffic_brain.model.network import RoadNetwork
from traffic_brain.report.link_map import LEVEL_COLOURS, NO_LEVEL_COLOUR
from traffic_brain.report.zones import ZoneReport

WIDTH, HEIGHT = 640, 420
_EDGE = 22.0
SHARES = (0.02, 0.1, 0.25, 0.5)
"""Upper limits of the share of congested times of each colour but the last."""
_NUMBERED = 12

Point = tuple[float, float]


def colour_of(share: float | None) -> str:
    """Blue to dark red, safe for the colour-blind; grey where nothing is known."""
    if share is None:
        return NO_LEVEL_COLOUR
    return LEVEL_COLOURS[sum(share > limit for limit in SHARES)]


def zone_map(network: RoadNetwork, found: ZoneReport) -> Markup:
    """North is up; numbers are ranks in the whole city; empty where the zone has no link."""
    shapes = {row.link_id: network.links[row.link_id].shape for row in found.links}
    points = [*found.zone.shape, *(p for shape in shapes.values() for p in shape)]
    if not shapes or not points:
        return Markup("")
    frame = _Frame(points)
    parts = []
    if found.zone.shape:
        parts.append(Markup('<path class="outline" d="{}z"/>').format(frame.path(found.zone.shape)))
    parts += [
        Markup('<path class="road" stroke="{}" stroke-width="{}" d="{}"/>').format(
            colour_of(row.congested_ratio),
            1.6 + 3.0 * min(row.congested_ratio or 0.0, 1.0),
            frame.path(shapes[row.link_id]),
        )
        for row in reversed(found.links)
    ]
    for junction in found.junctions:
        place = network.junctions[junction.junction_id]
        x, y = frame.at((place.x, place.y))
        parts.append(Markup('<circle class="signal" cx="{}" cy="{}" r="2.2"/>').format(x, y))
    heads = [
        (b.row.rank, frame.at(network.links[b.link_id].shape[-1]))
        for b in found.bottlenecks[:_NUMBERED]
    ]
    for rank, (x, y) in _apart(heads):
        parts.append(
            Markup(
                '<circle class="head" cx="{0}" cy="{1}" r="{4}"/>'
                '<text class="rank" x="{0}" y="{2}" text-anchor="middle">{3}</text>'
            ).format(x, y, round(y + 3.8, 1), rank, 9 if rank < 100 else 12)
        )
    return Markup(
        '<svg class="zone-map" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, found.summary.name, Markup("").join(parts))


class _Frame:
    """From metres to the picture, y upwards."""

    def __init__(self, points: Sequence[Point]) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self._left, self._top = min(xs), max(ys)
        width, height = max(max(xs) - min(xs), 1.0), max(max(ys) - min(ys), 1.0)
        self._scale = min((WIDTH - 2 * _EDGE) / width, (HEIGHT - 2 * _EDGE) / height)
        self._dx = (WIDTH - width * self._scale) / 2
        self._dy = (HEIGHT - height * self._scale) / 2

    def at(self, point: Point) -> Point:
        return (
            round(self._dx + (point[0] - self._left) * self._scale, 1),
            round(self._dy + (self._top - point[1]) * self._scale, 1),
        )

    def path(self, shape: Sequence[Point]) -> str:
        return "M" + "L".join("{} {}".format(*self.at(p)) for p in shape)


def _apart(heads: Sequence[tuple[int, Point]]) -> list[tuple[int, Point]]:
    """Numbers that would cover an earlier one step to the right of it."""
    placed: list[tuple[int, Point]] = []
    for rank, (left, y) in heads:
        x = left
        while any(abs(x - a) < 20 and abs(y - b) < 20 for _, (a, b) in placed):
            x = round(x + 21, 1)
        placed.append((rank, (x, y)))
    return placed
