"""Link × 5 min: speed and travel time, fused in pace (s/m) and weighted by precision.

Paces, not speeds, are averaged: the mean travel time over a link is its length times the mean
pace. Each source's pace comes with a relative standard deviation; independent sources combine by
inverse variance (the textbook rule; oracle E-5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork

MIN_SPEED_MPS = 0.3
MIN_TRAVEL_S = 0.1
SAMPLES_PER_PROBE = 6.0
"""Consecutive samples of one probe repeat each other; so many count as one observation."""
PROBE_RELATIVE_SD = 0.5
PRIOR_RELATIVE_SD = 0.6
PRIOR_PACE_RATIO = 1.25
"""Where nothing was seen: free flow plus a quarter, with an interval that admits it is a guess."""


@dataclass(frozen=True)
class PaceEstimate:
    """pace_s_per_m[link, bin] with its relative standard deviation; NaN and inf: not seen."""

    pace_s_per_m: np.ndarray
    relative_sd: np.ndarray

    @staticmethod
    def unseen(links: int, bins: int) -> PaceEstimate:
        """An estimate that saw nothing."""
        return PaceEstimate(np.full((links, bins), np.nan), np.full((links, bins), np.inf))


@dataclass(frozen=True)
class LinkState:
    """Arrays [link, bin] in the network's link order, and the sources behind each value."""

    window: Window
    speed_mps: np.ndarray
    travel_time_s: np.ndarray
    travel_time_low_s: np.ndarray
    travel_time_high_s: np.ndarray
    sources: np.ndarray
    """Strings like ``internet+checkpoint``, ``neighbour bins``, ``none``."""


def internet_pace(feed: InternetDay, network: RoadNetwork, window: Window) -> PaceEstimate:
    """Mean pace of the probes; each 1–2 min speed weighs with its samples."""
    links, bins = len(network.links), window.bin_count
    speeds = feed.speeds
    link_idx = np.array([network.link_idx[i] for i in speeds["link_id"]], dtype=np.int64)
    inside = (speeds["time_s"] >= window.begin_s) & (speeds["time_s"] < window.end_s)
    keep = inside.to_numpy()
    cell = link_idx[keep] * bins + window.bin_idx(speeds["time_s"].to_numpy()[keep])
    samples = speeds["sample_count"].to_numpy(dtype=np.float64)[keep]
    speed = np.maximum(speeds["speed_mps"].to_numpy()[keep], MIN_SPEED_MPS)
    total = np.bincount(cell, samples, links * bins)
    distance = np.bincount(cell, samples * speed, links * bins)
    estimate = PaceEstimate.unseen(links, bins)
    seen = total > 0
    estimate.pace_s_per_m.ravel()[seen] = total[seen] / distance[seen]
    probes = np.maximum(total[seen] / SAMPLES_PER_PROBE, 1.0)
    estimate.relative_sd.ravel()[seen] = PROBE_RELATIVE_SD / np.sqrt(probes)
    return estimate


def probe_flow(feed: InternetDay, network: RoadNetwork) -> dict[str, float]:
    """Link -> how often probes drove its length, up to the sampling rate common to all links.

    Samples are equally spaced in time, so samples × mean speed is distance driven.
    """
    speeds = feed.speeds
    driven = speeds["sample_count"] * speeds["speed_mps"]
    found = driven.groupby(speeds["link_id"]).sum()
    return {
        str(link): float(metres) / max(network.links[str(link)].length_m, 1.0)
        for link, metres in found.items()
    }


def pace_of_traversals(
    traversals: pd.DataFrame,
    network: RoadNetwork,
    window: Window,
    relative_sd: float,
    quantile: float = 0.5,
) -> PaceEstimate:
    """Pace from single traversals: columns link_idx, time_s, travel_time_s.

    A quantile of each bin is taken: the median, so that stop-overs do not count as congestion;
    a lower one for buses, which also stand at stops.
    """
    estimate = PaceEstimate.unseen(len(network.links), window.bin_count)
    time_s = traversals["time_s"]
    traversals = traversals[(time_s >= window.begin_s) & (time_s < window.end_s)]
    if traversals.empty:
        return estimate
    length = np.array([link.length_m for link in network.links.values()])
    took = np.maximum(traversals["travel_time_s"], MIN_TRAVEL_S)
    pace = took / np.maximum(length[traversals["link_idx"]], 1.0)
    grouped = (
        pd.DataFrame(
            {
                "link_idx": traversals["link_idx"],
                "bin": window.bin_idx(traversals["time_s"].to_numpy()),
                "pace": pace.to_numpy(),
            }
        )
        .groupby(["link_idx", "bin"])["pace"]
        .agg([lambda pace: pace.quantile(quantile), "size"])
        .set_axis(["pace", "size"], axis=1)
    )
    link_idx = grouped.index.get_level_values(0).to_numpy()
    bin_idx = grouped.index.get_level_values(1).to_numpy()
    estimate.pace_s_per_m[link_idx, bin_idx] = grouped["pace"].to_numpy()
    estimate.relative_sd[link_idx, bin_idx] = relative_sd / np.sqrt(grouped["size"].to_numpy())
    return estimate


def combine(estimates: list[PaceEstimate]) -> PaceEstimate:
    """Weight by precision: pace = Σ p/σ² / Σ 1/σ², σ² = 1 / Σ 1/σ²."""
    weight = np.zeros_like(estimates[0].pace_s_per_m)
    total = np.zeros_like(weight)
    for e in estimates:
        seen = np.isfinite(e.pace_s_per_m)
        precision = np.zeros_like(weight)
        precision[seen] = 1.0 / (e.pace_s_per_m[seen] * e.relative_sd[seen]) ** 2
        weight += precision
        total += np.where(seen, np.nan_to_num(e.pace_s_per_m), 0.0) * precision
    pace = np.full_like(weight, np.nan)
    sd = np.full_like(weight, np.inf)
    seen = weight > 0
    pace[seen] = total[seen] / weight[seen]
    sd[seen] = 1.0 / (np.sqrt(weight[seen]) * pace[seen])
    return PaceEstimate(pace, sd)


def link_state(network: RoadNetwork, window: Window, sources: dict[str, PaceEstimate]) -> LinkState:
    """Fuse the named sources; fill what no source saw from the link's other bins, else a prior."""
    fused = combine(list(sources.values()))
    pace, sd = fused.pace_s_per_m.copy(), fused.relative_sd.copy()
    names = _source_names(sources, pace.shape)
    length = np.array([link.length_m for link in network.links.values()])[:, None]
    free = np.array([1.0 / link.free_flow_speed_mps for link in network.links.values()])[:, None]
    with_any = np.isfinite(pace).any(axis=1)
    for i in np.flatnonzero(with_any):
        unseen = ~np.isfinite(pace[i])
        bins = np.arange(pace.shape[1])
        pace[i, unseen] = np.interp(bins[unseen], bins[~unseen], pace[i, ~unseen])
        sd[i, unseen] = PRIOR_RELATIVE_SD
        names[i, unseen] = "neighbour bins"
    unknown = ~np.isfinite(pace)
    pace = np.where(unknown, free * PRIOR_PACE_RATIO, pace)
    sd = np.where(unknown, PRIOR_RELATIVE_SD, sd)
    pace = np.clip(pace, free * 0.7, 1.0 / MIN_SPEED_MPS)
    return LinkState(
        window=window,
        speed_mps=1.0 / pace,
        travel_time_s=length * pace,
        travel_time_low_s=length * np.maximum(pace * (1 - 1.96 * sd), free * 0.7),
        travel_time_high_s=length * pace * (1 + 1.96 * sd),
        sources=names,
    )


def _source_names(sources: dict[str, PaceEstimate], shape: tuple[int, ...]) -> np.ndarray:
    names = np.full(shape, "", dtype=object)
    for name, estimate in sources.items():
        seen = np.isfinite(estimate.pace_s_per_m)
        joined = np.where(names[seen] == "", name, names[seen] + "+" + name)
        names[seen] = joined
    names[names == ""] = "none"
    return names
