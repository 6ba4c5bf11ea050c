"""Travel times between cameras, from trips that were joined of their sightings."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from traffic_brain.fusion.observations import Gaps
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import Link, RoadNetwork

MAX_LINKS = 8
"""Over longer gaps too many ways are possible."""
CROSSING_SPEED_RATIO = 0.8
"""Junctions are crossed at this share of the free speed, by those who turn and those who start."""
STOPOVER_FACTOR = 4.0
STOPOVER_S = 120.0
SHORTEST_RATIO = 0.25
"""Of the usual time: whoever is quicker went another way."""


def camera_gaps(trips: Iterable[Trip], network: RoadNetwork, window: Window) -> Gaps:
    """Mean times by path and bin, without those who stopped on the way or took another.

    A camera stands at the end of its link, so that a gap begins with the crossing of the junction
    behind it. Networks whose links end before the junction show how wide that is.
    """
    times: dict[tuple[str, ...], list[tuple[float, float]]] = defaultdict(list)
    for trip in trips:
        last = None
        for k, seen in enumerate(trip.observed):
            if not seen:
                continue
            if last is not None and k - last <= MAX_LINKS:
                took = trip.exit_s[k] - trip.exit_s[last]
                times[trip.links[last : k + 1]].append((trip.exit_s[k], took))
            last = k
    rows: list[tuple[float, float, float]] = []
    gap: list[np.ndarray] = []
    link: list[np.ndarray] = []
    bins: list[np.ndarray] = []
    for path, seen_at in times.items():
        idx = np.array([network.link_idx[i] for i in path[1:]], dtype=np.int64)
        crossing = _crossing_s([network.links[i] for i in path])
        free = np.array([_free_s(network.links[i]) for i in path[1:]])
        left_before_end = 1.0 - np.cumsum(free) / free.sum()
        for ended_s, took_s, vehicles in _by_bin(np.array(seen_at), window):
            at_s = ended_s - took_s * left_before_end
            gap.append(np.full(len(idx), len(rows)))
            link.append(idx)
            bins.append(window.bin_idx(at_s))
            rows.append((max(took_s - crossing, 0.5 * float(free.sum())), vehicles, len(idx)))
    if not rows:
        return Gaps.none()
    took, count, crossings = np.array(rows, dtype=np.float64).T
    return Gaps(
        took, count, crossings, np.concatenate(gap), np.concatenate(link), np.concatenate(bins)
    )


def _by_bin(seen_at: np.ndarray, window: Window) -> list[tuple[float, float, float]]:
    """(mean end, mean time, vehicles) per bin of one path; rows (end, time) in any order."""
    usual = float(np.median(seen_at[:, 1]))
    ended, took = seen_at.T
    use = (took <= STOPOVER_FACTOR * usual + STOPOVER_S) & (took >= SHORTEST_RATIO * usual)
    use &= (ended >= window.begin_s) & (ended < window.end_s)
    ended, took = ended[use], took[use]
    of_bin = ((ended - window.begin_s) // BIN_S).astype(np.int64)
    return [
        (float(ended[one].mean()), float(took[one].mean()), float(one.sum()))
        for one in (of_bin == b for b in np.unique(of_bin))
    ]


def _free_s(link: Link) -> float:
    return link.length_m / link.free_flow_speed_mps


def _crossing_s(path: list[Link]) -> float:
    """Time from the ends of links to the beginnings of those that follow."""
    total = 0.0
    for a, b in itertools.pairwise(path):
        wide = float(np.hypot(b.shape[0][0] - a.shape[-1][0], b.shape[0][1] - a.shape[-1][1]))
        speed = CROSSING_SPEED_RATIO * min(a.free_flow_speed_mps, b.free_flow_speed_mps)
        total += wide / speed
    return total
