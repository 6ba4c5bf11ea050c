"""Crosswalks of GMNS that signals serve: crossings, and their paths through the junction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from network_data.conflicts import LANE_WIDTH_M, Path
from network_data.importers.gmns.lights import Site
from network_data.importers.gmns.roads import Roads, Walk
from network_data.importers.gmns.units import Point, length_of
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.network import Crossing, Link

WALK_WIDTH_M = 4.0
_WALKING_MPS = 1.2
_NEAR_M = 60.0
"""A crosswalk crosses a link no further than this from the link's signal."""
_UNKNOWN_LENGTH_M = 10.0


def crossings_of(sites: Iterable[Site], roads: Roads, losses: LossReport) -> Iterator[Crossing]:
    """The crossings that signals serve; what is on foot and served by none is noted."""
    served: set[str] = set()
    for site in sites:
        for walk_id, group in site.walk_groups.items():
            served.add(walk_id)
            what = "link: a crosswalk, of which only length and signal group are kept"
            losses.note(Loss.DROPPED, what, f"link {walk_id}")
            length_m = roads.walks[walk_id].length_m
            if length_m <= 0:
                length_m = _UNKNOWN_LENGTH_M
                what = f"length of a crosswalk: {_UNKNOWN_LENGTH_M:g} m"
                losses.note(Loss.DEFAULTED, what, f"link {walk_id}")
            yield Crossing(site.junction_id, group, length_m)
    for walk_id in roads.walks:
        if walk_id not in served:
            what = "link: on foot only, and served by no signal"
            losses.note(Loss.DROPPED, what, f"link {walk_id}")


def walks_of(
    sites: Iterable[Site], roads: Roads, ways: Sequence[Path], losses: LossReport
) -> Iterator[Path]:
    """The path of each crossing: over the ends of the lanes that it crosses.

    A crosswalk lies at the stop lines of its arm, wherever the map draws it: so that no vehicle
    of the arm is missed, the path leads over all ends of ``ways`` on the links it crosses. One
    that crosses no link is taken as it is drawn.
    """
    at: dict[str, list[Path]] = {}
    for way in ways:
        at.setdefault(way.junction_id, []).append(way)
    for site in sites:
        vertices = {roads.vertex_of[n] for n in site.node_ids}
        arms = [link for link in roads.links.values() if vertices & {link.from_node, link.to_node}]
        for walk_id, group in site.walk_groups.items():
            walk = roads.walks[walk_id]
            crossed = {link.link_id for link in arms if _crosses(walk, link, vertices)}
            line = _over(crossed, at.get(site.junction_id, ())) or walk.line
            if len(line) < 2 or length_of(line) == 0:
                told = f"where crosswalk {walk_id} lies is not told: its conflicts are not known"
                losses.to_fix(site.junction_id, told, 0.0, "give its geometry")
                continue
            if not crossed:
                told = f"crosswalk {walk_id} crosses no link: its conflicts may be missing"
                losses.to_fix(site.junction_id, told, 0.3, "correct its geometry")
            yield Path(
                from_link="",
                from_lane_idx=0,
                to_link="",
                to_lane_idx=0,
                shape=tuple(line),
                width_m=WALK_WIDTH_M,
                speed_mps=_WALKING_MPS,
                junction_id=site.junction_id,
                signal_group_idx=group,
                on_foot=True,
            )


def _over(crossed: set[str], ways: Iterable[Path]) -> tuple[Point, ...]:
    """A straight line over the ends of all lanes of these links, a lane's half further out."""
    points = [way.shape[0] for way in ways if way.from_link in crossed]
    points += [way.shape[-1] for way in ways if way.to_link in crossed]
    if not points:
        return ()
    ends = max(((a, b) for a in points for b in points), key=lambda pair: math.dist(*pair))
    (x0, y0), (x1, y1) = ends
    far_m = math.dist(*ends)
    if far_m == 0:
        way = next(w for w in ways if w.from_link in crossed or w.to_link in crossed)
        before, after = way.shape[:2] if way.from_link in crossed else way.shape[-2:]
        dx, dy = before[1] - after[1], after[0] - before[0]
        far = math.hypot(dx, dy) or 1.0
        step = (dx / far, dy / far)
    else:
        step = ((x1 - x0) / far_m, (y1 - y0) / far_m)
    out_m = LANE_WIDTH_M / 2
    return (
        (x0 - step[0] * out_m, y0 - step[1] * out_m),
        (x1 + step[0] * out_m, y1 + step[1] * out_m),
    )


def _crosses(walk: Walk, link: Link, vertices: set[str]) -> bool:
    """Whether a crosswalk crosses a link near the end that lies at the signal."""
    shapes = []
    if link.to_node in vertices:
        shapes.append(_first_metres(link.shape[::-1]))
    if link.from_node in vertices:
        shapes.append(_first_metres(link.shape))
    return any(
        _meet(a, b, c, d)
        for shape in shapes
        for a, b in pairwise(shape)
        for c, d in pairwise(walk.line)
    )


def _first_metres(shape: Sequence[Point]) -> list[Point]:
    found, now_m = [shape[0]], 0.0
    for a, b in pairwise(shape):
        step_m = math.dist(a, b)
        if now_m + step_m >= _NEAR_M and step_m > 0:
            share = (_NEAR_M - now_m) / step_m
            return [*found, (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))]
        found.append(b)
        now_m += step_m
    return found


def _meet(a: Point, b: Point, c: Point, d: Point) -> bool:
    """Whether the stretches ab and cd cross each other."""

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0
