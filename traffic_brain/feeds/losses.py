"""How many rows of a feed got lost on their way, as another table of the same vehicles tells."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.layout import CHECKPOINT, POLICE
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.model.network import RoadNetwork

USUAL_READ_RATIO = 0.95
"""A good camera misses one plate in twenty."""
BUSY = 8
"""Intervals with fewer vehicles counted tell little."""
LEAST_INTERVALS, LEAST_VEHICLES, LEAST_LINKS = 24, 200, 3
LOST_PASSES, LOST_READS = 0.9, 0.8
"""Below these shares rows got lost."""


def pass_ratio(police: PoliceDay) -> float:
    """Share of the vehicles of which a pass came, by the counts of the same detectors.

    The median over busy intervals: counts that are nonsense do not move it. 1.0 where too few
    tell. Detectors that send no pass at all are dead, not lossy.
    """
    counts = police.counts[police.counts["count"] >= BUSY]
    of = police.passes.groupby("detector_id", sort=False).indices
    time_s = police.passes["time_s"].to_numpy()
    ratios = []
    for detector, rows in counts.groupby("detector_id", sort=True):
        if detector in of:
            times_s = time_s[of[detector]]
            begin_s = rows["time_s"].to_numpy()
            end_s = begin_s + rows["interval_s"].to_numpy()
            passed = np.searchsorted(times_s, end_s) - np.searchsorted(times_s, begin_s)
            ratios.append(passed / rows["count"].to_numpy())
    told = np.concatenate([np.empty(0), *ratios])
    return min(float(np.median(told)), 1.0) if len(told) >= LEAST_INTERVALS else 1.0


def read_ratio(checkpoint: CheckpointDay, police: PoliceDay, network: RoadNetwork) -> float:
    """Share of the vehicles whose plate came, by the detectors on the same links.

    The usual share where too few links have a detector that speaks on every lane.
    """
    heard = set(police.passes["detector_id"])
    lanes: dict[str, set[int]] = {}
    for detector, link, lane in zip(
        police.detectors.index,
        police.detectors["link_id"],
        police.detectors["lane_idx"],
        strict=True,
    ):
        if detector in heard:
            lanes.setdefault(str(link), set()).add(int(lane))
    seeing = checkpoint.live_links
    both = [
        k
        for k, of in sorted(lanes.items())
        if k in seeing and of >= set(network.links[k].car_lanes)
    ]
    passed = int(police.passes["link_id"].isin(both).sum())
    read = int(checkpoint.passes["link_id"].isin(both).sum())
    if len(both) < LEAST_LINKS or passed < LEAST_VEHICLES:
        return USUAL_READ_RATIO
    return min(read * pass_ratio(police) / passed, 1.0)


def lost_rows(
    police: PoliceDay, checkpoint: CheckpointDay, network: RoadNetwork
) -> Iterator[Finding]:
    """Feeds of which many rows got lost; flows are taken so much higher."""
    passes = pass_ratio(police)
    if passes < LOST_PASSES:
        detail = f"passes of {passes:.0%} of the vehicles that the same detectors counted"
        yield Finding(POLICE, "rows_lost", "*", (), detail)
    reads = read_ratio(checkpoint, police, network)
    if reads < LOST_READS:
        detail = f"plates of {reads:.0%} of the vehicles that detectors on the same links saw"
        yield Finding(CHECKPOINT, "rows_lost", "*", (), detail)
