"""Conflicts and intergreens from the geometry of paths through a junction.

A *path* is the line that one lane-to-lane connection takes from its stop line to the beginning
of its exit lane. Two signal groups conflict where paths of theirs cross or run together. A source
that knows its paths (SUMO's internal lanes) gives them; for all others they are drawn as curves
between lane ends, lanes 3.2 m wide, with traffic on the right.

Angles between 30° and 150° make two legs of a vertex cross each other; legs that are closer in
direction lie side by side, and legs that are further apart are one road.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import atan2, ceil, cos, hypot, pi, sin, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from traffic_brain.model.network import Connection, Link, Turn
from traffic_brain.model.standards import (
    DEFAULT_STANDARD,
    SafetyStandard,
    all_red_s,
    yellow_s,
)

Point = tuple[float, float]
Pair = tuple[int, int]
Points = npt.NDArray[np.float64]
"""Points along a path, equally far apart: shape (point, 2), or (path, point, 2)."""

LANE_WIDTH_M = 3.2
BODY_WIDTH_M = 2.2
"""Paths whose centre lines come closer than this do not let two cars pass each other."""
CORNER_M = 8.0
"""Where shapes meet in one point, stop lines lie this far behind the edge of the crossing road:
room for the kerb's radius and a crossing. Opposite left turns that run together in many cities'
plans pass each other with this, and not with less."""
LONGEST_SETBACK_M = 40.0
LATERAL_MPS2 = 5.5
"""Sideways acceleration of turning cars; the default of netconvert's limit-turn-speed."""
SLOWEST_MPS = 1.4
"""Nobody clears a junction more slowly than at walking pace, whatever a map says."""
_STEP_M = 1.0
_MOST_POINTS = 64
_SIDE_BY_SIDE, _ONE_ROAD = pi / 6, 5 * pi / 6
_T = np.linspace(0.0, 1.0, 17)[:, None]
_CUBIC = np.hstack([(1 - _T) ** 3, 3 * _T * (1 - _T) ** 2, 3 * _T**2 * (1 - _T), _T**3])
"""Bernstein's weights of the four corners of a cubic, at 17 points; shape (17, 4)."""


@dataclass(frozen=True, slots=True)
class Path:
    """The way of one lane-to-lane connection, or of people over a crossing, through a junction."""

    from_link: str
    from_lane_idx: int
    to_link: str
    to_lane_idx: int
    shape: tuple[Point, ...]
    """From the stop line (a crossing: one kerb) to the exit lane's beginning (the other kerb)."""
    width_m: float
    """Of the lane, or of the crossing."""
    speed_mps: float
    """At which the path is driven: no more than the approach link allows."""
    junction_id: str
    signal_group_idx: int
    on_foot: bool = False
    """A pedestrian crossing, walked in both directions; links may be empty strings."""


@dataclass(frozen=True, slots=True)
class Foes:
    """``Junction.conflicts`` and ``Junction.yields`` of one junction, as geometry has them."""

    conflicts: frozenset[Pair]
    yields: frozenset[Pair]


# --- paths drawn ----------------------------------------------------------------------------


def drawn_paths(links: Mapping[str, Link], connections: Iterable[Connection]) -> list[Path]:
    """A curve for every connection under a signal, in the order given.

    Lanes lie right of a link's shape where a link runs back along the same line (the shape is
    then the middle of the road), else on both sides of it. Stop lines and exits are set back until
    their roads no longer overlap, and by a corner's radius more where shapes meet in one point; by
    40 m or half the link at most. Speed: the approach link's, in curves that of ``LATERAL_MPS2``.
    """
    listed = [c for c in connections if c.junction_id is not None and c.signal_group_idx >= 0]
    vertices = {links[c.from_link].to_node for c in listed}
    vertices |= {links[c.to_link].from_node for c in listed}
    legs = _legs(links, vertices)
    return [_drawn(c, links, legs) for c in listed]


def geometric_conflicts(
    links: Mapping[str, Link], connections: Sequence[Connection], walks: Sequence[Path] = ()
) -> dict[str, Foes]:
    """Conflicts and yields between the signal groups of every junction, by junction id.

    For sources without lane-to-lane foes. ``walks``: pedestrian crossings that signals serve.
    """
    listed = [c for c in connections if c.junction_id is not None and c.signal_group_idx >= 0]
    turns = [c.turn for c in listed] + [Turn.THROUGH] * len(walks)
    return conflicts_of([*drawn_paths(links, listed), *walks], turns, links)


def conflicts_of(
    paths: Sequence[Path], turns: Sequence[Turn], links: Mapping[str, Link]
) -> dict[str, Foes]:
    """Conflicts and yields between signal groups, by junction id, from paths and their turns.

    Two paths conflict when their centre lines come closer than ``BODY_WIDTH_M``, or when they
    lead into the same link; a right turn that keeps to lanes of its own there is free of the
    others. Paths from one lane part and do not conflict; those from one link do where they
    cross, or merge into one lane; those through different vertices never meet.

    Who gives way where both may go: left turns to the opposite stream, right turns to the stream
    they merge with, U-turns to everybody, every turn to people on foot, and of two equal turns
    into one link the one from the road of lower class (then: of lower speed). A group gives way
    to another only if each of their conflicts is settled so.
    """
    exit_lanes: dict[tuple[str, str], set[int]] = defaultdict(set)
    for path in paths:
        exit_lanes[path.from_link, path.to_link].add(path.to_lane_idx)
    by_junction: dict[str, list[_Stream]] = defaultdict(list)
    for path, turn in zip(paths, turns, strict=True):
        lanes = exit_lanes[path.from_link, path.to_link]
        by_junction[path.junction_id].append(_stream(path, turn, lanes, links))
    return {junction_id: _foes(streams) for junction_id, streams in by_junction.items()}


class _Stream(NamedTuple):
    """A path with what decides who goes first; headings are unit vectors at the stop line."""

    path: Path
    turn: Turn
    exit_lanes: Collection[int]
    vertex: str | None
    heading: Point
    class_rank: int | None
    speed_mps: float


_CLASSES = ("service", "residential", "unclassified", "tertiary", "secondary", "primary", "trunk")
_OPPOSITE = -0.5
"""Headings whose scalar product is below this point against each other."""


def _stream(
    path: Path, turn: Turn, exit_lanes: Collection[int], links: Mapping[str, Link]
) -> _Stream:
    link = links.get(path.from_link)
    words = link.road_class.lower().replace("highway.", "").split("_") if link else [""]
    rank = _CLASSES.index(words[0]) if words[0] in _CLASSES else None
    (x, y), (to_x, to_y) = path.shape[0], path.shape[min(1, len(path.shape) - 1)]
    length = hypot(to_x - x, to_y - y) or 1.0
    heading = ((to_x - x) / length, (to_y - y) / length)
    speed_mps = link.free_flow_speed_mps if link else 0.0
    vertex = link.to_node if link else None
    return _Stream(path, turn, exit_lanes, vertex, heading, rank, speed_mps)


def _foes(streams: Sequence[_Stream]) -> Foes:
    conflicts: set[Pair] = set()
    yields: set[Pair] = set()
    unsettled: set[Pair] = set()
    for a, b, gap_m in _pairs_with_gap(streams):
        if not _conflict(a, b, gap_m):
            continue
        pair = a.path.signal_group_idx, b.path.signal_group_idx
        conflicts.add((min(pair), max(pair)))
        waits = [p for p, x, y in ((pair, a, b), (pair[::-1], b, a)) if _gives_way(x, y)]
        yields.update(waits)
        if not waits:
            unsettled.update((pair, pair[::-1]))
    return Foes(frozenset(conflicts), frozenset(yields - unsettled))


def _pairs_with_gap(streams: Sequence[_Stream]) -> Iterator[tuple[_Stream, _Stream, float]]:
    """Pairs of different groups, with the least distance of their centre lines."""
    points = points_along([s.path for s in streams])
    for i, a in enumerate(streams[:-1]):
        gaps = np.sqrt(_squared_distances(points[i], points[i + 1 :]).min(axis=(1, 2)))
        for b, gap_m in zip(streams[i + 1 :], gaps, strict=True):
            if a.path.signal_group_idx != b.path.signal_group_idx:
                yield a, b, float(gap_m)


def _conflict(a: _Stream, b: _Stream, gap_m: float) -> bool:
    p, q = a.path, b.path
    if p.on_foot or q.on_foot:
        return p.on_foot is not q.on_foot and _meet(p, q, gap_m)
    if a.vertex != b.vertex or _from_one_lane(p, q):
        return False
    if p.from_link == q.from_link:
        merging = (p.to_link, p.to_lane_idx) == (q.to_link, q.to_lane_idx)
        return merging or gap_m < _STEP_M
    if p.to_link == q.to_link and not (_keeps_right(a, b) or _keeps_right(b, a)):
        return True
    return _meet(p, q, gap_m)


def _meet(a: Path, b: Path, gap_m: float) -> bool:
    on_foot = a.on_foot or b.on_foot
    return gap_m < ((a.width_m + b.width_m) / 2 if on_foot else BODY_WIDTH_M)


def _from_one_lane(a: Path, b: Path) -> bool:
    ends = ((a.from_link, a.from_lane_idx), (b.from_link, b.from_lane_idx))
    return ends[0] == ends[1] and not (a.on_foot or b.on_foot)


def _keeps_right(a: _Stream, b: _Stream) -> bool:
    """A right turn into lanes of the common exit that lie right of all that the other uses."""
    return (
        a.turn is Turn.RIGHT and b.turn is not Turn.RIGHT and max(a.exit_lanes) < min(b.exit_lanes)
    )


def _gives_way(a: _Stream, b: _Stream) -> bool:
    """Whether ``a`` lets ``b`` go first; the two conflict. Each may wait for the other."""
    if a.path.on_foot or b.path.on_foot:
        return b.path.on_foot and a.turn is not Turn.THROUGH
    if Turn.UTURN in (a.turn, b.turn):
        return a.turn is Turn.UTURN
    if a.heading[0] * b.heading[0] + a.heading[1] * b.heading[1] < _OPPOSITE:
        return a.turn is Turn.LEFT
    return a.path.to_link == b.path.to_link and _gives_way_merging(a, b)


def _gives_way_merging(a: _Stream, b: _Stream) -> bool:
    if a.turn is not b.turn:
        return a.turn is Turn.RIGHT
    if a.class_rank is not None and b.class_rank is not None and a.class_rank != b.class_rank:
        return a.class_rank < b.class_rank
    return a.speed_mps < b.speed_mps


# --- intergreens ----------------------------------------------------------------------------


def required_intergreens(
    paths: Iterable[Path],
    conflicts: Mapping[str, Collection[Pair]],
    standard: SafetyStandard = DEFAULT_STANDARD,
) -> dict[str, dict[Pair, int]]:
    """Seconds from the end of a group's green to a conflicting green, by junction id.

    For each ordered pair of conflicting groups the largest need of their paths, in whole
    seconds, rounded up: yellow t + v/(2a) and all-red (W + L)/v of the vehicle that clears (ITE),
    where W goes from its stop line to the far edge of the conflict area, less the time in which
    the entering vehicle comes from its stop line to the near edge of it (the matrix of
    intergreens of RiLSA); for vehicles never below the shortest yellow. People on foot clear the
    way from the further kerb at walking speed, and enter the conflict area at once; the flashing
    end of their green, in which nobody starts, is part of their time to clear (rule
    ``intergreen``).

    ``conflicts``: unordered pairs (a < b), as in ``Junction.conflicts``. Where no path of one
    group meets one of the other, the nearest points of two paths stand for the conflict area;
    pairs that no path tells about are left out.
    """
    by_junction: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        by_junction[path.junction_id].append(path)
    return {
        junction_id: _intergreens(by_junction[junction_id], pairs, standard)
        for junction_id, pairs in conflicts.items()
        if junction_id in by_junction
    }


def _intergreens(
    paths: Sequence[Path], conflicts: Collection[Pair], standard: SafetyStandard
) -> dict[Pair, int]:
    needs: dict[Pair, tuple[bool, float]] = {}
    for a, b, squares in _conflicting_paths(paths, conflicts):
        meet = _meet(a, b, sqrt(squares.min())) or a.to_link == b.to_link != ""
        of_a = _conflict_area(a, np.sqrt(squares.min(axis=1)), b.width_m)
        of_b = _conflict_area(b, np.sqrt(squares.min(axis=0)), a.width_m)
        pair = a.signal_group_idx, b.signal_group_idx
        for ordered, need_s in (
            (pair, _need_s(a, of_a, b, of_b, standard)),
            (pair[::-1], _need_s(b, of_b, a, of_a, standard)),
        ):
            needs[ordered] = max((meet, need_s), needs.get(ordered, (False, 0.0)))
    return {pair: ceil(need_s - 1e-9) for pair, (_, need_s) in sorted(needs.items())}


def _conflicting_paths(
    paths: Sequence[Path], conflicts: Collection[Pair]
) -> Iterator[tuple[Path, Path, npt.NDArray[np.float64]]]:
    """Two paths of conflicting groups, and the squared distances (of a, of b) of their points."""
    points = points_along(paths)
    groups = [path.signal_group_idx for path in paths]
    for i, a in enumerate(paths):
        others = [
            j
            for j in range(i + 1, len(paths))
            if (min(groups[i], groups[j]), max(groups[i], groups[j])) in conflicts
            and not _from_one_lane(a, paths[j])
        ]
        if others:
            squares = _squared_distances(points[i], points[others])
            yield from ((a, paths[j], square) for j, square in zip(others, squares, strict=True))


class _Area(NamedTuple):
    """Where a conflict area begins and ends on a path, in metres from its beginning."""

    near_m: float
    far_m: float
    path_m: float


def _conflict_area(path: Path, gaps_m: npt.NDArray[np.float64], width_m: float) -> _Area:
    """The stretch of a path that lies on the other's strip; the nearest point if none does."""
    length_m = _length_m(path.shape)
    step_m = length_m / (len(gaps_m) - 1)
    inside = np.flatnonzero(gaps_m <= max(width_m / 2, float(gaps_m.min())) + step_m / 2)
    return _Area(float(inside[0]) * step_m, float(inside[-1]) * step_m, length_m)


def _need_s(a: Path, of_a: _Area, b: Path, of_b: _Area, standard: SafetyStandard) -> float:
    """Seconds between the end of ``a``'s green and the start of ``b``'s."""
    entering_s = 0.0 if b.on_foot else of_b.near_m / standard.entering_speed_mps
    if a.on_foot:
        way_m = max(of_a.far_m, of_a.path_m - of_a.near_m)
        return max(0.0, way_m / standard.walking_speed_mps - entering_s)
    speed_mps = max(SLOWEST_MPS, a.speed_mps)
    yellow = max(standard.yellow_min_s, yellow_s(speed_mps, standard))
    clearing_s = yellow + all_red_s(of_a.far_m, speed_mps, standard)
    return max(standard.yellow_min_s, clearing_s - entering_s)


# --- geometry -------------------------------------------------------------------------------


def points_along(paths: Sequence[Path]) -> Points:
    """Points along each path, about 1 m apart on the longest; shape (path, point, 2)."""
    longest_m = max((_length_m(path.shape) for path in paths), default=0.0)
    count = min(max(8, ceil(longest_m / _STEP_M) + 1), _MOST_POINTS)
    return np.array([_resampled(np.array(path.shape), count) for path in paths])


def _length_m(shape: Sequence[Point]) -> float:
    return sum(hypot(x1 - x0, y1 - y0) for (x0, y0), (x1, y1) in pairwise(shape))


def _resampled(shape: Points, count: int, reach_m: float | None = None) -> Points:
    steps = np.hypot(*np.diff(shape, axis=0).T)
    along = np.concatenate(([0.0], np.cumsum(steps)))
    at = np.linspace(0.0, along[-1] if reach_m is None else reach_m, count)
    return np.column_stack([np.interp(at, along, shape[:, k]) for k in (0, 1)])


def _squared_distances(a: Points, others: Points) -> npt.NDArray[np.float64]:
    """Of every point of ``a`` to every point of each other; shape (other, of a, of other)."""
    x = a[None, :, None, 0] - others[:, None, :, 0]
    y = a[None, :, None, 1] - others[:, None, :, 1]
    return np.asarray(x * x + y * y)


# --- drawing --------------------------------------------------------------------------------


class _Leg(NamedTuple):
    """The end or the beginning of a link at a vertex, seen outwards."""

    link: Link
    incoming: bool
    right_m: float
    """From the link's shape to the middle of its lanes, to the right of those who drive it."""
    shape: Points
    """Of the link's piece next to the vertex: a point each ``_STEP_M`` outwards."""
    rightwards: Points
    """At each of these points the unit vector to the right of those who drive the link."""
    middle: Points
    """The middle of its lanes at each of these points."""
    outwards: Points
    """From the first of these points to the last."""


_Ends = dict[tuple[str, bool], tuple[_Leg, int]]
"""(link id, at its end) -> the leg, and the index of its stop line or exit in ``shape``."""


def _legs(links: Mapping[str, Link], vertices: Collection[str]) -> _Ends:
    back = {(link.from_node, link.to_node): link for link in links.values()}
    at: dict[str, list[_Leg]] = defaultdict(list)
    for link in links.values():
        twin = back.get((link.to_node, link.from_node))
        for vertex, incoming in ((link.to_node, True), (link.from_node, False)):
            if vertex in vertices:
                at[vertex].append(_leg(link, incoming, twin))
    return {
        (leg.link.link_id, leg.incoming): (leg, _setback(leg, legs))
        for legs in at.values()
        for leg in legs
    }


def _leg(link: Link, incoming: bool, twin: Link | None) -> _Leg:
    reach_m = min(LONGEST_SETBACK_M, _length_m(link.shape) / 2)
    count = max(2, int(reach_m / _STEP_M) + 1)
    whole = np.array(link.shape[::-1] if incoming else link.shape)
    shape = _resampled(whole, count, reach_m)
    along = np.gradient(shape, axis=0)
    along /= np.maximum(np.hypot(*along.T), 1e-9)[:, None]
    rightwards = np.column_stack([along[:, 1], -along[:, 0]]) * (-1 if incoming else 1)
    middle_of_road = twin is not None and _same_line(link.shape, twin.shape)
    right_m = link.lane_count * LANE_WIDTH_M / 2 if middle_of_road else 0.0
    middle = shape + right_m * rightwards
    return _Leg(link, incoming, right_m, shape, rightwards, middle, shape[-1] - shape[0])


def _same_line(there: Sequence[Point], back: Sequence[Point]) -> bool:
    a, b = (_resampled(np.array(shape), 5) for shape in (there, back[::-1]))
    return bool(np.hypot(*(a - b).T).max() < _STEP_M)


def _setback(leg: _Leg, legs: Sequence[_Leg]) -> int:
    """Index of the first point from which on the leg stays clear of all that cross it."""
    first = 0
    to_edge = leg.rightwards * leg.link.lane_count * LANE_WIDTH_M / 2
    edges = np.array([leg.middle - to_edge, leg.middle + to_edge])
    for other in legs:
        if _SIDE_BY_SIDE < _turn(leg.outwards, other.outwards) < _ONE_ROAD:
            meet = hypot(*(leg.shape[0] - other.shape[0])) < LANE_WIDTH_M
            clear_m = other.link.lane_count * LANE_WIDTH_M / 2 + (CORNER_M if meet else 0.0)
            squares = _squared_distances(other.middle, edges).min(axis=(0, 1))
            near = np.flatnonzero(squares < clear_m**2)
            first = max(first, int(near[-1]) + 1) if len(near) else first
    return min(first, len(leg.shape) - 1)


def _turn(a: Points, b: Points) -> float:
    """The angle between two directions, 0 to pi."""
    return abs(atan2(a[0] * b[1] - a[1] * b[0], a[0] * b[0] + a[1] * b[1]))


def _drawn(c: Connection, links: Mapping[str, Link], ends: _Ends) -> Path:
    start, ahead = _lane_end(ends[c.from_link, True], c.from_lane_idx)
    stop, onward = _lane_end(ends[c.to_link, False], c.to_lane_idx)
    shape, radius_m = _curve(start, ahead, stop, onward)
    speed_mps = min(links[c.from_link].free_flow_speed_mps, sqrt(LATERAL_MPS2 * radius_m))
    return Path(
        from_link=c.from_link,
        from_lane_idx=c.from_lane_idx,
        to_link=c.to_link,
        to_lane_idx=c.to_lane_idx,
        shape=shape,
        width_m=LANE_WIDTH_M,
        speed_mps=speed_mps,
        junction_id=c.junction_id or "",
        signal_group_idx=c.signal_group_idx,
    )


def _lane_end(end: tuple[_Leg, int], lane_idx: int) -> tuple[Points, Points]:
    """Where a lane ends (or begins), and the unit vector in which it is driven there."""
    leg, idx = end
    to_right_m = leg.right_m + (leg.link.lane_count / 2 - lane_idx - 0.5) * LANE_WIDTH_M
    right = leg.rightwards[idx]
    return leg.shape[idx] + to_right_m * right, np.array([-right[1], right[0]])


def _curve(
    start: Points, ahead: Points, stop: Points, onward: Points
) -> tuple[tuple[Point, ...], float]:
    """A cubic from ``start`` to ``stop`` that leaves and arrives in the given directions.

    Its handles, chord / (3 cos(turn/2)), make it the parabola between the two directions: drivers
    cut the corner. A U-turn has those of a half circle. Returns the points, and the radius of the
    arc of that chord and turn.
    """
    chord_m = hypot(*(stop - start))
    turn = _turn(ahead, onward)
    handle_m = chord_m / (3 * max(cos(turn / 2), 0.5))
    corners = np.array([start, start + handle_m * ahead, stop - handle_m * onward, stop])
    radius_m = chord_m / (2 * sin(turn / 2)) if turn > 0.01 else 1e6
    return tuple(map(tuple, (_CUBIC @ corners).tolist())), radius_m
