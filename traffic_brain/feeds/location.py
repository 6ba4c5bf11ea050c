"""Where provider links and devices are in the network: by geometry, heading and name.

A place is a point or a line in metres of the network's plane. Points along it look for the nearest
links that lead the same way; the link that most of them find is the place's, and the distance they
found it at is its residual. So it does not matter whether a provider cuts its links longer or
shorter than the city does. A feed that lies beside the roads as a whole is refused: that is what a
forgotten coordinate transform looks like, and the refusal says which one would fit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from traffic_brain.errors import DataRefused
from traffic_brain.feeds.coordinates import BD_09, GCJ_02, PLANE, WGS_84, Plane, to_wgs84
from traffic_brain.model.network import RoadNetwork

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

MAX_MEDIAN_M = 30.0
MAX_RESIDUAL_M = 60.0
"""A place further than this from any road that leads its way is of no use."""
SUSPECT_M, SUSPECT_PLACES = 8.0, 8
"""From so far, for so many places, another coordinate system that fits twice as well is right."""
STEP_M = 10.0
NEIGHBOURS = 48
SAME_WAY_DEG = 60.0
"""Roads cross at right angles; a link within this angle leads the same way."""
TURNED_M, AT_START_M, OTHER_NAME_M, OTHER_JUNCTION_M = 10.0, 6.0, 15.0, 40.0
"""What a link must be nearer to be taken in spite of these; our own figures."""
_MOST_SAMPLES = 40
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class BesideTheRoads(DataRefused):
    """A feed lies beside the roads as a whole; whatever it tells, it is not known of which."""


@dataclass(frozen=True)
class Places:
    """What is to be located: lines or points, in metres of the plane or in degrees."""

    lines: Sequence[np.ndarray]
    """float64[point, 2] each; no points: a place that is not known."""
    heading_deg: np.ndarray
    """float64[place], clockwise from north; NaN: not known, or the line tells."""
    names: Sequence[str]
    """Of the road; empty: not known."""
    junction_ids: Sequence[str]
    """Of the junction that the place is an approach of; empty: not known."""

    def moved(self, lines: Sequence[np.ndarray]) -> Places:
        """The same places elsewhere."""
        return Places(lines, self.heading_deg, self.names, self.junction_ids)


@dataclass(frozen=True)
class Matches:
    """Links of places; -1, and a residual of NaN, where there is none."""

    link_idx: np.ndarray
    residual_m: np.ndarray

    @property
    def median_m(self) -> float:
        """The median residual; infinite when most places have no link."""
        residual_m = np.where(self.link_idx < 0, np.inf, self.residual_m)
        return float(np.median(residual_m)) if len(residual_m) else 0.0


@dataclass(frozen=True)
class _RoadPoints:
    """Points every ``STEP_M`` along all links."""

    at: np.ndarray
    """float64[point, 2]."""
    way: np.ndarray
    """Unit vector float64[point, 2]: where the link leads."""
    link_idx: np.ndarray
    is_first: np.ndarray
    """bool[point]: the link begins here; devices stand where links end."""


class Locator:
    """Finds the links of a network; made once, asked for many feeds."""

    def __init__(self, network: RoadNetwork) -> None:
        self._network = network

    @cached_property
    def _road(self) -> _RoadPoints:
        points, ways, links, firsts = [], [], [], []
        for idx, link in enumerate(self._network.links.values()):
            at, way = _along(np.asarray(link.shape, np.float64))
            points.append(at)
            ways.append(way)
            links.append(np.full(len(at), idx))
            firsts.append(np.arange(len(at)) == 0)
        if not points:
            return _RoadPoints(
                np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, bool)
            )
        return _RoadPoints(*map(np.concatenate, (points, ways, links, firsts)))

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self._road.at)

    def match(self, places: Places) -> Matches:
        """The links of places in metres of the plane."""
        count = len(places.lines)
        link_idx = np.full(count, -1, np.int64)
        residual_m = np.full(count, np.nan)
        at, ways, place_idx = self._samples(places)
        if not len(at) or not len(self._road.at):
            return Matches(link_idx, residual_m)
        found, distance_m = self._nearest(at, ways, place_idx, places)
        order = np.lexsort((found, place_idx))
        cuts = np.flatnonzero(np.diff(place_idx[order])) + 1
        for rows in np.split(order, cuts):
            votes = np.bincount(found[rows][found[rows] >= 0])
            if votes.size:
                best = int(votes.argmax())
                link_idx[place_idx[rows[0]]] = best
                residual_m[place_idx[rows[0]]] = np.median(distance_m[rows][found[rows] == best])
        return Matches(link_idx, residual_m)

    def _samples(self, places: Places) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points along all places, which way they lead (NaN: not known), and whose they are."""
        points, ways, idx = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, np.int64)]
        for i, line in enumerate(places.lines):
            if not len(line) or not np.isfinite(line).all():
                continue
            at, way = _along(line)
            if math.isfinite(places.heading_deg[i]):
                heading = math.radians(places.heading_deg[i])
                way = np.tile([math.sin(heading), math.cos(heading)], (len(at), 1))
            thin = np.linspace(0, len(at) - 1, min(len(at), _MOST_SAMPLES)).astype(np.int64)
            points.append(at[thin])
            ways.append(way[thin])
            idx.append(np.full(len(thin), i))
        return np.concatenate(points), np.concatenate(ways), np.concatenate(idx)

    def _nearest(
        self, at: np.ndarray, ways: np.ndarray, place_idx: np.ndarray, places: Places
    ) -> tuple[np.ndarray, np.ndarray]:
        """(link index or -1, distance in m) of each sample."""
        road = self._road
        _, near = self._tree.query(at, k=min(NEIGHBOURS, len(road.at)))
        near = near.reshape(len(at), -1)
        away, led = at[:, None, :] - road.at[near], road.way[near]
        forward = np.abs((away * led).sum(axis=2))
        aside = np.abs((away * led[..., ::-1] * (1, -1)).sum(axis=2))
        distance_m = np.hypot(aside, np.maximum(forward - STEP_M / 2, 0.0))
        cosine = np.clip((ways[:, None, :] * led).sum(axis=2), -1, 1)
        turned = np.nan_to_num(np.degrees(np.arccos(cosine)) / SAME_WAY_DEG)
        score = distance_m + TURNED_M * turned**2
        is_point = np.array([len(line) == 1 for line in places.lines])
        score += AT_START_M * (is_point[place_idx][:, None] & road.is_first[near])
        every = list(self._network.links.values())
        names = _Pairs(places.names, [link.name for link in every])
        score += OTHER_NAME_M * names.differ(_other_name, place_idx, road.link_idx[near])
        sites = _Pairs(places.junction_ids, [link.junction_id or "" for link in every])
        score += OTHER_JUNCTION_M * sites.differ(_other_junction, place_idx, road.link_idx[near])
        score[turned > 1] = np.inf
        best = score.argmin(axis=1)
        rows = np.arange(len(at))
        found = np.where(np.isfinite(score[rows, best]), road.link_idx[near[rows, best]], -1)
        return found, distance_m[rows, best]


def locate(
    places: Places, system: str, locator: Locator, plane: Plane | None, what: str
) -> Matches:
    """The links of places whose lines are in a coordinate system.

    Args:
        system: ``plane``, or degrees: ``WGS-84``, ``GCJ-02``, ``BD-09``.
        plane: of the network; None: it is not known.
        what: the table, for the refusal.

    Raises:
        DataRefused: degrees, and the network's plane is not known.
        BesideTheRoads: more than ``MAX_MEDIAN_M`` in the median, or another system fits far
            better.
    """
    if system != PLANE and plane is None:
        raise DataRefused(
            f"{what} is in degrees, and the plane of the network is not known",
            "send link_id, or places in metres of the network's plane; or import the network from "
            "a source that says its projection",
        )
    if not any(len(line) for line in places.lines):
        return locator.match(places)
    found = min(
        (locator.match(places.moved(lines)) for lines in _as_told(places, system, plane)),
        key=lambda matches: matches.median_m,
    )
    if found.median_m <= SUSPECT_M or len(places.lines) < SUSPECT_PLACES:
        suspects: list[tuple[float, str]] = []
    else:
        suspects = sorted(
            (locator.match(places.moved(lines)).median_m, hint)
            for lines, hint in _otherwise(places, system, plane)
        )
    better = [hint for median_m, hint in suspects if 2 * median_m < found.median_m]
    if found.median_m > MAX_MEDIAN_M or better:
        far = f"{found.median_m:.0f} m" if math.isfinite(found.median_m) else "far"
        raise BesideTheRoads(
            f"{what} lies {far} beside the roads in the median, read as {system}",
            f"they would fit {better[0]}"
            if better
            else "see whether a coordinate transform was forgotten; none of GCJ-02, BD-09 and "
            "WGS-84 would fit",
        )
    lost = found.residual_m > MAX_RESIDUAL_M
    return Matches(np.where(lost, -1, found.link_idx), np.where(lost, np.nan, found.residual_m))


def lines_of(shapes: Sequence[str | None]) -> Iterator[np.ndarray]:
    """float64[point, 2] of each text such as ``LINESTRING (1 2, 3 4)`` or ``1,2;3,4``."""
    for shape in shapes:
        numbers = [float(n) for n in _NUMBER.findall(shape or "")]
        if len(numbers) % 2 or not all(map(math.isfinite, numbers)):
            numbers = []
        yield np.array(numbers, np.float64).reshape(-1, 2)


# --- geometry -----------------------------------------------------------------------------------


def _along(line: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points every ``STEP_M`` along a line, and unit vectors of where it leads; NaN: a point."""
    steps = np.diff(line, axis=0)
    lengths = np.hypot(*steps.T)
    steps, lengths, starts = steps[lengths > 0], lengths[lengths > 0], line[:-1][lengths > 0]
    if not len(steps):
        return line[:1], np.full((1, 2), np.nan)
    ends = np.cumsum(lengths)
    count = max(1, min(round(ends[-1] / STEP_M), 10_000))
    at_m = (np.arange(count) + 0.5) * ends[-1] / count
    idx = np.minimum(np.searchsorted(ends, at_m), len(steps) - 1)
    part = (at_m - (ends - lengths)[idx]) / lengths[idx]
    ways = steps / lengths[:, None]
    return starts[idx] + part[:, None] * steps[idx], ways[idx]


# --- coordinate systems -------------------------------------------------------------------------


def _projected(
    places: Places, system: str, plane: Plane, *, everywhere: bool = False, swapped: bool = False
) -> list[np.ndarray]:
    """The lines of places in degrees, in metres."""
    points = np.concatenate([*places.lines, np.zeros((0, 2))])
    if swapped:
        points = points[:, ::-1]
    x, y = plane.metres(*to_wgs84(points[:, 0], points[:, 1], system, everywhere=everywhere))
    cuts = np.cumsum([len(line) for line in places.lines])[:-1]
    return np.split(np.column_stack([x, y]), cuts)


def _as_told(places: Places, system: str, plane: Plane | None) -> Iterator[Sequence[np.ndarray]]:
    """The places in metres; outside of China with and without the shift that has no end there."""
    if system == PLANE or plane is None:
        yield places.lines
        return
    yield _projected(places, system, plane)
    if system != WGS_84:
        yield _projected(places, system, plane, everywhere=True)


def _otherwise(
    places: Places, system: str, plane: Plane | None
) -> Iterator[tuple[Sequence[np.ndarray], str]]:
    """The places as every other reading has them, and what to do if it fits."""
    points = np.concatenate([*places.lines, np.zeros((0, 2))])
    if plane is None or not (np.abs(points) <= 180).all():
        return
    for other in (WGS_84, GCJ_02, BD_09):
        if other != system:
            hint = f'as {other}: say coordinates = "{other}" in columns.toml'
            yield _projected(places, other, plane, everywhere=True), hint
        hint = f"as {other} with x and y exchanged: x is east, y is north (columns.toml)"
        yield _projected(places, other, plane, everywhere=True, swapped=True), hint


# --- names --------------------------------------------------------------------------------------


class _Pairs:
    """Texts of places beside texts of links; each pair of texts is compared once."""

    def __init__(self, places: Sequence[str], links: Sequence[str]) -> None:
        self._places, self._place_text = np.unique(np.array(places, object), return_inverse=True)
        self._links, self._link_text = np.unique(np.array(links, object), return_inverse=True)

    def differ(
        self, differs: Callable[[str, str], bool], place_idx: np.ndarray, link_idx: np.ndarray
    ) -> np.ndarray:
        """bool[row, candidate]: whether the place's text is known, and the link's differs.

        Args:
            place_idx: int[row].
            link_idx: int[row, candidate].
        """
        if not any(self._places):
            return np.zeros(link_idx.shape, bool)
        pair = self._place_text[place_idx][:, None] * len(self._links) + self._link_text[link_idx]
        pairs, which = np.unique(pair, return_inverse=True)
        told = [
            bool(place) and differs(place, link)
            for place, link in (
                (self._places[p // len(self._links)], self._links[p % len(self._links)])
                for p in pairs.tolist()
            )
        ]
        return np.array(told, bool)[which.reshape(link_idx.shape)]


def _other_name(place: str, link: str) -> bool:
    """Whether two names of roads are two roads': neither holds the other."""
    a, b = place.casefold(), link.casefold()
    return a not in b and b not in a  # a link without a name is in every name


def _other_junction(place: str, link: str) -> bool:
    return place != link
