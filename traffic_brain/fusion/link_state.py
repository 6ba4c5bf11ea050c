"""Link × 5 min: speed and travel time with their intervals, fused from all sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.expected_flows import Probed, probed
from traffic_brain.fusion.link_features import MOVING_PACE_RATIO, START_SPEED_MPS, Traffic
from traffic_brain.fusion.observations import Gaps, ProbeSums, probe_sums
from traffic_brain.fusion.pace_fusion import (
    Evidence,
    FusedPace,
    fused_pace,
    pooled,
    sampling_period_s,
    waiting_share,
)
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork

MIN_TRAVEL_S = 0.1
SAMPLES_PER_PROBE = 6.0
"""Consecutive samples of one probe repeat each other; so many count as one observation."""
PROBE_RELATIVE_SD = 0.5
PRIOR_SAMPLES = 3.0
"""So many samples a link needs until they count as much as what is usual."""
SIGMAS_SLOWER, SIGMAS_FASTER = 2.2, 1.8
"""Errors that leave 2.5 % beyond on either side: tails towards slow traffic are the longer ones,
the more so where all wait; our own figures, as ``JAM_SKEW`` and ``JAM_SD``."""
JAM_SKEW = 0.8
"""By so much further the slower side reaches where all wait: the worst of a jam goes unseen."""
HELD_OUT_VEHICLES = 3.0
HELD_OUT_LEAST = 50
HELD_OUT_RELATIVE_SD = 0.05
HELD_OUT_SD_S = 1.0
USUAL_WIDENING = 1.0
"""The least, and where no second source shows how wrong the first one's errors are."""
JAM_SD = 0.2
"""Of log pace where all wait: queues come and go faster than bins tell; our own figure."""
MOST_TAIL_SD = 0.6
"""Of log pace, up to which what is not known counts in the mean: where next to nothing was seen, a
log-normal's tail would say what no street was ever seen to do."""
MOST_WIDENING = 3.0
MOST_SHARE_SEEN = 0.95
FASTEST_PACE_RATIO = 0.7
VEHICLE_LENGTH_M = 5.0
BEYOND_RELATIVE_SD = 0.3


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
    """Arrays [link, bin] in the network's link order, and the sources behind each value.

    ``travel_time_s`` is the median of what is believed, which errs least in proportion, and
    ``speed_mps`` belongs to it; delays add up to what is lost with ``mean_travel_time_s`` alone.
    """

    window: Window
    speed_mps: np.ndarray
    travel_time_s: np.ndarray
    mean_travel_time_s: np.ndarray
    travel_time_low_s: np.ndarray
    travel_time_high_s: np.ndarray
    sources: np.ndarray
    """Strings like ``internet+checkpoint``, ``neighbour bins``, ``none``."""
    by_source: Mapping[str, np.ndarray]
    """float64[link, bin] s/m: what each source alone says; NaN where it saw nothing."""
    fused: FusedPace
    widening: float


def probe_flow(feed: InternetDay, network: RoadNetwork) -> dict[str, Probed]:
    """Probe vehicles of every link over the day; empty where none drove."""
    speeds = feed.speeds
    if speeds.empty:
        return {}
    sums = probe_sums(feed, network, Window(*_span(speeds)))
    length, free = _length_and_free_pace(network)
    period_s = sampling_period_s(sums, length[:, 0], free[:, 0])
    metres = speeds["sample_count"] * speeds["speed_mps"]
    return probed(
        network,
        speeds.groupby("link_id")["sample_count"].sum().to_dict(),
        metres.groupby(speeds["link_id"]).sum().to_dict(),
        period_s,
    )


def _span(speeds: pd.DataFrame) -> tuple[int, int]:
    """Whole bins that hold all reports."""
    first, last = speeds["time_s"].min(), (speeds["time_s"] + speeds["interval_s"]).max()
    return int(first // BIN_S) * BIN_S, (int(last // BIN_S) + 1) * BIN_S


def _lengths_driven(feed: InternetDay, network: RoadNetwork) -> dict[str, float]:
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


def likely_probe_flow(feed: InternetDay, network: RoadNetwork) -> dict[str, float]:
    """Probes of every link, drawn to the city's mean where few samples are to be expected.

    Samples of a link are a Poisson count of flow × time on it; a gamma prior worth
    ``PRIOR_SAMPLES`` of them has the mean. A link of a metre is hardly ever sampled, whoever
    drives there. Empty where no probe drove at all.
    """
    seen = _lengths_driven(feed, network)
    if not seen:
        return {}
    samples = feed.speeds.groupby("link_id")["sample_count"].sum().to_dict()
    usual = float(np.mean(list(seen.values())))
    found = {}
    for name, link in network.links.items():
        count = float(samples.get(name, 0.0))
        free_s = link.length_m / link.free_flow_speed_mps
        took_s = count / seen[name] if seen.get(name, 0.0) > 0 else free_s
        found[name] = (count + PRIOR_SAMPLES) / (took_s + PRIOR_SAMPLES / usual)
    return found


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
    """Independent estimates by their precision alone: the textbook rule, without any prior.

    pace = Σ p/σ² / Σ 1/σ², σ² = 1 / Σ 1/σ².
    """
    said = []
    for e in estimates:
        seen = np.isfinite(e.pace_s_per_m)
        value = np.where(seen, e.pace_s_per_m, 1.0)
        error = value * np.where(seen, e.relative_sd, 1.0)
        said.append((value, np.where(seen, 1.0 / error**2, 0.0)))
    pace, variance = pooled(said)
    return PaceEstimate(pace, np.sqrt(variance) / np.nan_to_num(pace, nan=1.0))


def link_state(
    network: RoadNetwork,
    window: Window,
    probes: ProbeSums,
    gaps: Gaps | None = None,
    buses: PaceEstimate | None = None,
    traffic: Traffic | None = None,
    widening: float = USUAL_WIDENING,
) -> LinkState:
    """Fuse what the sources saw; what none saw comes from other bins and similar links.

    ``widening``: of all intervals; ``widening_by`` tells it.
    """
    shape = (len(network.links), window.bin_count)
    gaps = gaps or Gaps.none()
    buses = buses or PaceEstimate.unseen(*shape)
    evidence = Evidence(probes, gaps, buses.pace_s_per_m, buses.relative_sd)
    fused = fused_pace(network, window, evidence, traffic or Traffic.unknown())
    length, free = _length_and_free_pace(network)
    sources = {
        "internet": probes.pace_s_per_m,
        "checkpoint": gaps.pace_alone(np.broadcast_to(length * free, shape), length[:, 0]),
        "transit": buses.pace_s_per_m,
    }
    return _state(network, window, fused, sources, widening, np.full(shape, np.inf))


def of_the_vehicles(state: LinkState, network: RoadNetwork, flow_veh: np.ndarray) -> LinkState:
    """The state of those vehicles that drove, not of all that might have.

    Of ``flow_veh`` [link, bin] the sources saw some; the mean of those is part of the mean of
    all (sampling without replacement), and how the others scatter is left as uncertainty.
    """
    fused, count = state.fused, np.maximum(flow_veh, 1.0)
    seen = np.isfinite(fused.seen)
    sampled = np.where(seen, fused.vehicle_variance / fused.seen_variance, 0.0)
    share = np.minimum(sampled / count, MOST_SHARE_SEEN)
    step = np.where(seen, np.clip(np.nan_to_num(fused.seen) - fused.log_ratio, -0.5, 0.5), 0.0)
    shifted = replace(
        fused,
        log_ratio=fused.log_ratio + share * step,
        variance=(1.0 - share) ** 2 * fused.variance,
    )
    rest = count / (1.0 - share)
    return _state(network, state.window, shifted, state.by_source, state.widening, rest)


def _length_and_free_pace(network: RoadNetwork) -> tuple[np.ndarray, np.ndarray]:
    """float64[link, 1] each."""
    links = network.links.values()
    length = np.array([link.length_m for link in links])[:, None]
    return length, np.array([1.0 / link.free_flow_speed_mps for link in links])[:, None]


def _state(
    network: RoadNetwork,
    window: Window,
    fused: FusedPace,
    sources: Mapping[str, np.ndarray],
    widening: float,
    vehicles: np.ndarray,
) -> LinkState:
    """Speeds, times and intervals; the mean of few ``vehicles`` strays from what it should be.

    The mean is exp(μ + σ²/2) of a log-normal with median exp(μ), as far as its tail is known: up to
    ``MOST_TAIL_SD``.
    """
    length, free = _length_and_free_pace(network)
    ratio = np.exp(fused.log_ratio)
    pace, share = _pace(length, free, ratio)
    tail = np.minimum(fused.variance, MOST_TAIL_SD**2)
    mean, _ = _pace(length, free, ratio * np.exp(tail / 2))
    waiting = waiting_share(ratio)
    jam = JAM_SD * waiting
    error = np.sqrt(fused.variance + np.log1p(fused.vehicle_variance / vehicles) + jam**2)
    error = np.hypot(share * error, (1.0 - share) * BEYOND_RELATIVE_SD)
    slower, faster = (np.exp(widening * sigmas * error) for sigmas in _sigmas(waiting))
    fastest = np.minimum(pace, free * FASTEST_PACE_RATIO)
    return LinkState(
        window=window,
        speed_mps=1.0 / pace,
        travel_time_s=length * pace,
        mean_travel_time_s=length * mean,
        travel_time_low_s=length * np.maximum(pace / faster, fastest),
        travel_time_high_s=length * pace * slower,
        sources=_source_names(sources, fused.log_ratio.shape),
        by_source=sources,
        fused=fused,
        widening=widening,
    )


def _pace(length: np.ndarray, free: np.ndarray, ratio: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(pace in s/m, share of its time before the line) at ``ratio`` times the free pace.

    A vehicle is on a link until its rear has left it: with its last metres it is beyond the line,
    driving. That matters for links that are not much longer than a vehicle.
    """
    before = length * free * ratio
    beyond = VEHICLE_LENGTH_M * free * _ratio_beyond(ratio, 1.0 / free)
    return (before + beyond) / (length + VEHICLE_LENGTH_M), before / (before + beyond)


def _sigmas(waiting: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many errors a 95 % interval reaches: (to slower times, to faster ones)."""
    return SIGMAS_SLOWER * (1.0 + JAM_SKEW * waiting), np.full_like(waiting, SIGMAS_FASTER)


def _ratio_beyond(ratio: np.ndarray, free_mps: np.ndarray) -> np.ndarray:
    """Pace over free flow just beyond a link's end: of those who started, and of all others."""
    started = waiting_share(ratio)
    slower = np.maximum(free_mps / START_SPEED_MPS - MOVING_PACE_RATIO, 0.0)
    return np.asarray(MOVING_PACE_RATIO + started * slower)


def widening_by(state: LinkState, network: RoadNetwork, gaps: Gaps) -> float:
    """By how much intervals must widen, as a source that had no part in them shows.

    ``state`` was fused without the cameras; between two of them on neighbouring links the time
    it expects should lie within its error for all but one in twenty.
    """
    fused = state.fused
    length, free = _length_and_free_pace(network)
    link_s = length * free * np.exp(fused.log_ratio)
    expected = gaps.sums(link_s)
    spread = gaps.sums(fused.vehicle_variance * link_s**2) / np.maximum(gaps.vehicles, 1.0)
    jam = JAM_SD * waiting_share(np.exp(fused.log_ratio))
    variance = gaps.sums((fused.variance + jam**2) * link_s**2) + spread
    error = np.sqrt(np.log1p(variance / np.maximum(expected, 1e-9) ** 2))
    error = np.hypot(error, HELD_OUT_RELATIVE_SD)
    error = np.hypot(error, HELD_OUT_SD_S / np.maximum(expected, 1e-9))
    use = (gaps.crossings <= 1) & (gaps.vehicles >= HELD_OUT_VEHICLES)
    if np.count_nonzero(use) < HELD_OUT_LEAST:
        return USUAL_WIDENING
    empty = gaps.sums(np.broadcast_to(length * free, link_s.shape))
    slower, faster = _sigmas(waiting_share(expected[use] / np.maximum(empty[use], 1e-9)))
    off = np.log(gaps.took_s[use] / expected[use]) / error[use]
    found = float(np.quantile(np.maximum(off / slower, -off / faster), 0.95))
    return min(max(found, USUAL_WIDENING), MOST_WIDENING)


def _source_names(sources: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """Sources that saw the cell; else whether the link was seen in another bin, or never."""
    names = np.full(shape, "", dtype=object)
    for name, pace in sources.items():
        seen = np.isfinite(pace)
        names[seen] = np.where(names[seen] == "", name, names[seen] + "+" + name)
    unseen = names == ""
    names[unseen] = "none"
    names[unseen & ~unseen.all(axis=1, keepdims=True)] = "neighbour bins"
    return names
