"""Observed trajectories along a corridor: sightings of vehicles, laid on the diagram's time axis.

A trajectory joins the cameras that saw one drive leave links of the corridor's way one after the
other; between two cameras nothing is known, and a straight line is drawn. The *place* of a
sighting counts junctions: 1.5 is half-way, in metres, from the second to the third.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import lcm
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from traffic_brain.fusion.sightings_table import SeenVehicles, read_sightings
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.timespace import Direction, distances_m

HOUR_S = 3600
MOST_SHOWN = 120
"""Trajectories drawn in one direction and hour: more of them hide the lamps."""
SLOWEST_MPS = 0.5
"""Slower than this between two cameras, a vehicle has stood, or has been somewhere else."""

Line = tuple[tuple[float, float], ...]
"""(seconds, place) of each sighting."""


@dataclass(frozen=True)
class Observed:
    """Trajectories of a day in one direction, those with the lowest numbers (a sample) first.

    ``time_s`` and ``place`` hold the points of all, one after the other; trajectory i has those
    from ``first[i]`` up to ``first[i + 1]``.
    """

    first: NDArray[np.int64]
    time_s: NDArray[np.float64]
    place: NDArray[np.float64]

    @property
    def begins_s(self) -> NDArray[np.float64]:
        """When each was seen first."""
        return self.time_s[self.first[:-1]]

    def hours(self) -> dict[int, int]:
        """Hour of the day -> trajectories that begin in it."""
        hours, counts = np.unique(self.begins_s // HOUR_S, return_counts=True)
        return {int(h): int(n) for h, n in zip(hours, counts, strict=True)}


def observed(network: RoadNetwork, corridor: Corridor, state: Path) -> Mapping[Direction, Observed]:
    """The trajectories that the cameras of a day tell, by direction.

    Raises:
        DataRefused: the saved sightings are damaged.
    """
    ways = {way: _Way(network, corridor, way) for way in Direction}
    seen = read_sightings(state, set().union(*(w.links for w in ways.values())))
    return {way: _trajectories(seen, found) for way, found in ways.items()}


def common_cycle_s(plans: Mapping[str, SignalPlan], corridor: Corridor) -> int | None:
    """After how long the lamps of a corridor repeat together; None: not within an hour."""
    cycles = [plans[j].cycle_s for j in corridor.junction_ids if j in plans]
    shared = lcm(*cycles) if cycles else 0
    return shared if 0 < shared <= HOUR_S else None


def folded(
    found: Observed, hour: int, cycle_s: int, window_s: float, most: int = MOST_SHOWN
) -> list[Line]:
    """At most ``most`` trajectories of one hour on the cycle's time axis.

    Each begins in [0, cycle) seconds after the cycle's start on the master clock; those that
    leave the drawn ``window_s`` before they are seen are no part of the picture.
    """
    lines: list[Line] = []
    for i in np.flatnonzero(found.begins_s // HOUR_S == hour):
        here = slice(found.first[i], found.first[i + 1])
        times = found.time_s[here] - found.time_s[here][0]
        start = float(found.time_s[here][0] % cycle_s)
        if start < window_s:
            points = zip(times.tolist(), found.place[here].tolist(), strict=True)
            lines.append(tuple((round(start + t, 1), round(p, 3)) for t, p in points))
        if len(lines) == most:
            break
    return lines


class _Way:
    """Where each link of a direction ends, and the side streets from which one turns in."""

    def __init__(self, network: RoadNetwork, corridor: Corridor, way: Direction) -> None:
        count = len(corridor.junction_ids)
        out = way is Direction.OUT
        paths = corridor.out_paths if out else corridor.back_paths
        self.metres = distances_m(network, corridor)
        self.sign = 1.0 if out else -1.0
        self.place: dict[str, float] = {}
        for i, path in enumerate(paths):
            ends = list(accumulate(network.links[k].length_m for k in path))
            for link_id, end in zip(path, ends, strict=True):
                self.place[link_id] = i + end / ends[-1] if out else i + 1 - end / ends[-1]
        against = corridor.back_paths if out else corridor.out_paths
        taken = {*self.place, *(k for path in against for k in path)}
        self.entries = {
            approach.link_id: float(position)
            for position in range(count)
            for approach in network.approaches_at.get(corridor.junction_ids[position], ())
            if approach.link_id not in taken
        }
        self.links = {*self.place, *self.entries} if self.place else set()


def _trajectories(seen: SeenVehicles, way: _Way) -> Observed:
    names = seen.link_ids
    place_of = np.array([way.place.get(n, way.entries.get(n, np.nan)) for n in names] or [np.nan])
    enters = np.array([n in way.entries for n in names] or [False])
    place = place_of[seen.link_idx] if len(names) else np.empty(0)
    known = np.flatnonzero(np.isfinite(place))
    order = known[np.lexsort((seen.time_s[known], seen.vehicle_idx[known]))]
    vehicle, time_s = seen.vehicle_idx[order], seen.time_s[order].astype(np.float64)
    place, entered = place[order], enters[seen.link_idx[order]] if len(names) else order > 0
    metres = way.sign * np.interp(place, np.arange(len(way.metres)), way.metres)
    gap_s, gap_m = np.diff(time_s), np.diff(metres)
    onward = (np.diff(vehicle) == 0) & (gap_m > 0.0) & (gap_s > 0.0) & ~entered[1:]
    onward &= gap_m >= SLOWEST_MPS * gap_s
    starts = np.flatnonzero(np.concatenate([[True], ~onward])) if len(order) else order
    runs = [(int(a), int(b)) for a, b in pairwise([*starts.tolist(), len(order)]) if b - a > 1]
    points = np.concatenate([np.arange(a, b) for a, b in runs]) if runs else np.empty(0, np.int64)
    first = np.array([0, *accumulate(b - a for a, b in runs)], dtype=np.int64)
    return Observed(first, time_s[points], place[points])


def lines_over(lines: Sequence[Line], cycle_s: int, window_s: float) -> list[Line]:
    """Lines repeated by whole cycles as far as they are seen between 0 and ``window_s``."""
    found = []
    for line in lines:
        first = -int(line[-1][0] // cycle_s)
        for k in range(first, int(window_s // cycle_s) + 1):
            shifted = tuple((t + k * cycle_s, place) for t, place in line)
            if shifted[0][0] < window_s and shifted[-1][0] > 0.0:
                found.append(shifted)
    return found
