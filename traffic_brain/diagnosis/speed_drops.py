"""Bottlenecks of freeway-like roads by the drop of speed between neighbouring stations.

The rule of PeMS (Chen, Skabardonis, Varaiya, Transportation Research Record 1867, 2004, with PeMS's
limits): between a station and the next one downstream there is a drop in a bin where the upstream
speed is below 40 mph and the downstream one at least 20 mph higher; there is a bottleneck while
drops fill at least 5 of 7 bins that follow each other. It begins with its first drop and ends with
its last. Its queue reaches upstream over the stations that, without a gap, are below 40 mph.

Made for stations some hundred metres to some kilometres apart and bins of 5 minutes. On streets the
rule says nothing: signals stop traffic everywhere (`bottlenecks` is for those).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from traffic_brain.fusion.levels import class_of
from traffic_brain.model.network import RoadNetwork

KMH_PER_MPH = 1.609344
ROUNDING_KMH = 1e-4
"""Whole miles per hour, converted and back, are still on the same side of a limit."""
MIN_DROP_KMH = 20.0 * KMH_PER_MPH - ROUNDING_KMH
MAX_SPEED_KMH = 40.0 * KMH_PER_MPH - ROUNDING_KMH
NEEDED, OUT_OF = 5, 7
MAX_APART_KM = 3.0 * KMH_PER_MPH
"""Of stations further apart (3 miles) nothing can be said of what lies between."""


@dataclass(frozen=True)
class Stations:
    """Stations in any order, and who is next downstream of whom.

    apart_km: (upstream index, downstream index) -> distance along the road.
    """

    names: tuple[str, ...]
    apart_km: Mapping[tuple[int, int], float]


@dataclass(frozen=True, slots=True)
class SpeedDrop:
    """One activation: between two stations, from a bin to the one after its last, and its queue."""

    upstream: str
    downstream: str
    first_bin: int
    end_bin: int
    queue: tuple[str, ...]
    """Stations that stood in the queue in some bin, the nearest first."""
    longest_km: float
    """From the upstream station to the furthest one in its queue, at its longest."""


def in_a_row(names: Iterable[str], at_km: Iterable[float]) -> Stations:
    """Stations of one carriageway by their place along it, which grows downstream."""
    ordered = sorted(zip(at_km, names, strict=True))
    apart = {(i, i + 1): b[0] - a[0] for i, (a, b) in enumerate(pairwise(ordered))}
    return Stations(tuple(name for _, name in ordered), apart)


def expressway_stations(network: RoadNetwork) -> Stations:
    """The links of a city's expressways, each as a station in its middle."""
    links = {k: li for k, li in network.links.items() if class_of(li) == "expressway"}
    number = {k: i for i, k in enumerate(links)}
    apart = {
        (number[a], number[b]): (links[a].length_m + links[b].length_m) / 2000.0
        for a in links
        for b in network.successors[a]
        if b in number
    }
    return Stations(tuple(links), apart)


def speed_drops(stations: Stations, speed_kmh: np.ndarray) -> list[SpeedDrop]:
    """All activations, by time and place.

    Args:
        speed_kmh: float64[station, bin] of 5 min; NaN: not known, which is never a drop.

    Raises:
        ValueError: there is not one row for each station.
    """
    if len(speed_kmh) != len(stations.names):
        raise ValueError(f"{len(speed_kmh)} rows of {len(stations.names)} stations")
    pairs = {pair: km for pair, km in stations.apart_km.items() if km <= MAX_APART_KM}
    behind: dict[int, list[tuple[int, float]]] = {}
    for (up, down), km in sorted(pairs.items()):
        behind.setdefault(down, []).append((up, km))
    slow = speed_kmh < MAX_SPEED_KMH
    found = []
    for up, down in sorted(pairs):
        drop = slow[up] & (speed_kmh[down] - speed_kmh[up] >= MIN_DROP_KMH)
        for first, end in activations(drop):
            queue, longest_km = _queue(up, behind, slow[:, first:end])
            members = tuple(stations.names[i] for i in queue)
            names = stations.names[up], stations.names[down]
            found.append(SpeedDrop(*names, first, end, members, longest_km))
    return sorted(found, key=lambda f: (f.first_bin, f.upstream, f.downstream))


def activations(drop: np.ndarray) -> list[tuple[int, int]]:
    """[first, end) of the stretches in which drops fill ``NEEDED`` of ``OUT_OF`` bins.

    Args:
        drop: bool[bin].
    """
    if len(drop) < OUT_OF:
        return []
    total = np.concatenate([[0], np.cumsum(drop)])
    full = total[OUT_OF:] - total[:-OUT_OF] >= NEEDED
    active = np.zeros(len(drop), dtype=bool)
    for start in np.flatnonzero(full):
        active[start : start + OUT_OF] = True
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    found = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        inside = first + np.flatnonzero(drop[first:end])
        found.append((int(inside[0]), int(inside[-1]) + 1))
    return found


def _queue(
    head: int, behind: Mapping[int, list[tuple[int, float]]], slow: np.ndarray
) -> tuple[list[int], float]:
    """(stations of the queue, its greatest length in km) over the bins of ``slow``."""
    reached: dict[int, float] = {}
    for bin_idx in np.flatnonzero(slow[head]):
        here = {head: 0.0}
        frontier = [head]
        for station in frontier:
            for other, km in behind.get(station, ()):
                if slow[other, bin_idx] and other not in here:
                    here[other] = here[station] + km
                    frontier.append(other)
        for station, km in here.items():
            reached.setdefault(station, km)
    ordered = sorted(reached, key=lambda station: (reached[station], station))
    return ordered, max(reached.values(), default=0.0)
