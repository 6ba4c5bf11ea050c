"""Pace of every link and bin from all sources, each weighted by the precision it shows.

The unknown is the log of pace over free flow. What links alike show is its prior
(``similar_links``), what was seen of the link itself moves it (``smoothing``), in turn with
the sources' errors: how single vehicles scatter is estimated from the reports of the probes,
what cannot be told apart on a path with several links is shared out by what is known of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from traffic_brain.fusion.link_features import LinkFeatures, Traffic, link_features, nearness
from traffic_brain.fusion.observations import Gaps, ProbeSums
from traffic_brain.fusion.similar_links import Levels, levels
from traffic_brain.fusion.smoothing import Track, smoothed
from traffic_brain.fusion.waves import share_taken_over, wave_shift, waves_of
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork

MIN_SPEED_MPS = 0.1
FASTEST_PACE_RATIO = 0.8
ROUNDS = 8
LEVEL_ROUNDS = (1, 4)
"""When the prior is made anew: after a first look, and once paths with several links are used."""
PATH_ROUND = 3
WAVE_ROUND = 5
"""Once, when each link has told what it knows itself: nobody hears his own voice come back."""
BIN_SD = 0.2
"""By so much a link's log pace differs from bin to bin, when its level is taken."""
LEAST_SCATTER = (0.02, 0.02, 0.02)
USUAL_PERIOD_S = 5.0
PERIOD_LEAST_LINKS = 5
PERIOD_LEAST_SAMPLES = 10
PERIOD_TOOK_S = 5.0
PERIOD_QUANTILE = 0.75
FREE_RATIO = 1.4
"""Below this multiple of free pace nobody waits long on a link."""
CLOCKS_SD_S = 1.0
"""Two cameras' clocks and the crossing of a junction, together."""
PATH_RELATIVE_SD = 0.4
"""How well the path between two cameras, and the crossings on it, are known."""
DIRECT_RELATIVE_SD = 0.05
LEAST_PRECISE = 0.5
"""Variance of log pace above which a path tells nothing of one of its links."""
BUS_LEAST_SD = 0.3
LEAST_OVERLAP = 20
VAGUE_SD = 1.0
NO_ROOM_SD = 0.5
"""Error of what is expected of links too short to stand on; our own figure."""


@dataclass(frozen=True)
class Evidence:
    """What the sources saw. ``bus_pace``: float64[link, bin] s/m and its relative error."""

    probes: ProbeSums
    gaps: Gaps
    bus_pace: np.ndarray
    bus_relative_sd: np.ndarray


@dataclass(frozen=True)
class Scatter:
    """Relative variance of a single vehicle's time: ``moving`` + ``waiting`` · (1 − 1/ratio)².

    Vehicles that need not wait are much alike; of those that wait, some come on green.
    ``period_s``: time between two samples of a probe. ``brief``: what is added to ``waiting`` for
    each link length that a moving probe drives in a period; few of them are caught while driving.
    """

    moving: float = 0.05
    waiting: float = 0.5
    brief: float = 0.5
    period_s: float = USUAL_PERIOD_S

    def of_vehicle(self, ratio: np.ndarray) -> np.ndarray:
        """Relative variance where pace is ``ratio`` times that of free flow."""
        return np.asarray(self.moving + self.waiting * waiting_share(ratio) ** 2)

    def of_probe(self, ratio: np.ndarray, free_s: np.ndarray) -> np.ndarray:
        """Relative variance of what one probe's samples tell of a link of ``free_s`` seconds."""
        slow = waiting_share(ratio) ** 2
        return np.asarray(self.of_vehicle(ratio) + self.brief * slow * self.period_s / free_s)


@dataclass(frozen=True)
class FusedPace:
    """float64[link, bin], all of log pace over free flow.

    log_ratio, variance: the estimate. seen, seen_variance: what the sources alone say; NaN and
    inf where they saw nothing. vehicle_variance: relative, of one vehicle's time.
    """

    log_ratio: np.ndarray
    variance: np.ndarray
    seen: np.ndarray
    seen_variance: np.ndarray
    vehicle_variance: np.ndarray


def waiting_share(ratio: np.ndarray) -> np.ndarray:
    """Share of the time lost, 0 … 1, where pace is ``ratio`` times that of free flow."""
    return np.asarray(1.0 - 1.0 / np.maximum(ratio, 1.0))


def fused_pace(
    network: RoadNetwork, window: Window, evidence: Evidence, traffic: Traffic
) -> FusedPace:
    """Estimate every link and bin."""
    links = list(network.links.values())
    road = _Road(
        np.array([link.length_m for link in links]),
        np.array([1.0 / link.free_flow_speed_mps for link in links]),
        link_features(network, traffic),
        nearness(network),
    )
    log_ratio = _first_guess(road, evidence.probes)
    prior = Levels(np.zeros(len(links)), np.full(len(links), VAGUE_SD))
    track = Track.start(prior.sd, window.bin_count)
    period_s = sampling_period_s(evidence.probes, road.length_m, road.free_pace)
    scatter, told = Scatter(period_s=period_s), _Told.nothing(log_ratio.shape)
    expected = np.repeat(prior.mean[:, None], window.bin_count, axis=1)
    for n in range(ROUNDS):
        if n:
            scatter = _scatter(road, evidence.probes, log_ratio, scatter)
        told = _told(road, evidence, log_ratio, track.variance, scatter, paths=n >= PATH_ROUND)
        if n in LEVEL_ROUNDS:
            prior = _prior(road, told)
            expected = np.repeat(prior.mean[:, None], window.bin_count, axis=1)
            track = replace(track, mean=log_ratio - expected)
        if n == WAVE_ROUND:
            expected = expected + _by_waves(network, log_ratio, track.variance, told)
            track = replace(track, mean=log_ratio - expected)
        waiting = road.features.room[:, None] * waiting_share(np.exp(log_ratio))
        track = smoothed(told.mean - expected, told.variance, prior.sd, waiting, BIN_S, track)
        log_ratio = road.possible(expected + track.mean)
    return FusedPace(
        log_ratio,
        track.variance,
        told.mean,
        told.variance,
        scatter.of_vehicle(np.exp(log_ratio)),
    )


@dataclass(frozen=True)
class _Road:
    """float64[link] each."""

    length_m: np.ndarray
    free_pace: np.ndarray
    features: LinkFeatures
    near: np.ndarray

    @property
    def free_s(self) -> np.ndarray:
        return np.asarray(self.length_m * self.free_pace)

    def possible(self, log_ratio: np.ndarray) -> np.ndarray:
        slowest = np.log(1.0 / (MIN_SPEED_MPS * self.free_pace))
        return np.asarray(np.clip(log_ratio, np.log(FASTEST_PACE_RATIO), slowest[:, None]))


@dataclass(frozen=True)
class _Told:
    """float64[link, bin]: log ratio as the sources say, and its variance; NaN and inf: nothing."""

    mean: np.ndarray
    variance: np.ndarray

    @staticmethod
    def nothing(shape: tuple[int, ...]) -> _Told:
        return _Told(np.full(shape, np.nan), np.full(shape, np.inf))


def _first_guess(road: _Road, probes: ProbeSums) -> np.ndarray:
    """Each link's mean over the window, or the city's."""
    driven, samples = probes.driven.sum(axis=1), probes.samples.sum(axis=1)
    seen = driven > 0
    ratio = samples[seen] / driven[seen] / road.free_pace[seen]
    guess = np.full(len(driven), float(np.median(ratio)) if seen.any() else 1.25)
    guess[seen] = ratio
    return road.possible(np.repeat(np.log(guess)[:, None], probes.samples.shape[1], axis=1))


def _observations(
    samples: np.ndarray, driven: np.ndarray, pace: np.ndarray, length: np.ndarray, period_s: float
) -> tuple[np.ndarray, np.ndarray]:
    """(surprise, vehicles) of probe sums beside a supposed pace.

    At the right pace, samples ÷ pace and distance agree in the mean, whoever drove; their
    difference over their mean is the surprise. Distance tells how many drove the link.
    """
    half = 0.5 * (samples / pace + driven)
    surprise = (samples / pace - driven) / np.maximum(half, 1e-9)
    return surprise, half * period_s / length


def sampling_period_s(probes: ProbeSums, length_m: np.ndarray, free_pace: np.ndarray) -> float:
    """Time between two samples of a probe, by how they cluster.

    Vehicles come independently, each with time on the link ÷ period samples; so the variance of
    an interval's samples over their mean is that number, less what the intervals' borders part:
    t/p · (1 − t/3T) for links of t < T seconds. Platoons make clusters larger: of all links with
    free traffic the upper quartile is taken. ``USUAL_PERIOD_S`` where too few links tell.
    """
    count = len(length_m)
    samples = np.bincount(probes.row_link, probes.row_samples, count)
    squares = np.bincount(probes.row_link, probes.row_samples**2, count)
    driven = np.bincount(probes.row_link, probes.row_samples * probes.row_speed_mps, count)
    pace = np.divide(samples, driven, out=np.full(count, np.inf), where=driven > 0)
    took_s = length_m * pace
    mean = samples / probes.intervals
    variance = squares / probes.intervals - mean**2
    use = (pace < FREE_RATIO * free_pace) & (samples >= PERIOD_LEAST_SAMPLES) & (variance > 0)
    use &= (took_s > PERIOD_TOOK_S) & (took_s < probes.interval_s / 2)
    if np.count_nonzero(use) < PERIOD_LEAST_LINKS:
        return USUAL_PERIOD_S
    parted = 1.0 - took_s[use] / (3.0 * probes.interval_s)
    found = took_s[use] * parted * mean[use] / variance[use]
    return float(np.clip(np.quantile(found, PERIOD_QUANTILE), 1.0, probes.interval_s))


def _scatter(road: _Road, probes: ProbeSums, log_ratio: np.ndarray, last: Scatter) -> Scatter:
    """Scatter of vehicles that explains the single reports, by weighted least squares."""
    if len(probes.row_link) < LEAST_OVERLAP:
        return last
    ratio = np.exp(log_ratio[probes.row_link, probes.row_bin])
    free_s = road.free_s[probes.row_link]
    surprise, vehicles = _observations(
        probes.row_samples,
        probes.row_samples * probes.row_speed_mps,
        ratio * road.free_pace[probes.row_link],
        road.length_m[probes.row_link],
        last.period_s,
    )
    slow = waiting_share(ratio) ** 2
    terms = np.stack([np.ones_like(slow), slow, slow * last.period_s / free_s], axis=1)
    expected = last.of_probe(ratio, free_s)
    square = np.minimum(surprise**2 * vehicles, 8.0 * expected)
    weighted = terms / expected[:, None] ** 2
    moments = terms.T @ weighted + 1e-9 * np.eye(len(LEAST_SCATTER))
    found = np.linalg.solve(moments, weighted.T @ square)
    moving, waiting, brief = np.maximum(found, LEAST_SCATTER).tolist()
    return Scatter(moving, waiting, brief, last.period_s)


def _told(
    road: _Road,
    evidence: Evidence,
    log_ratio: np.ndarray,
    variance: np.ndarray,
    scatter: Scatter,
    *,
    paths: bool,
) -> _Told:
    """All sources together, each seen from the present estimate."""
    ratio = np.exp(log_ratio)
    probes = evidence.probes
    pace = ratio * road.free_pace[:, None]
    surprise, vehicles = _observations(
        probes.samples, probes.driven, pace, road.length_m[:, None], scatter.period_s
    )
    scattered = scatter.of_probe(ratio, road.free_s[:, None])
    of_probes = np.where(probes.seen, vehicles / scattered, 0.0)
    of_gaps = _of_gaps(road, evidence.gaps, ratio, variance, scatter, paths=paths)
    said = [(surprise, of_probes), of_gaps]
    seen = (of_probes > 0) | (of_gaps[1] > 0)
    shift, error = pooled([*said, _of_buses(road, evidence, log_ratio, seen)])
    return _Told(log_ratio + shift, error)


def pooled(said: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of independent (value, precision): Σ w x / Σ w and 1 / Σ w.

    Where all precisions are zero nothing is known: NaN and inf.
    """
    precision = np.sum([w for _, w in said], axis=0)
    total = np.sum([w * x for x, w in said], axis=0)
    seen = precision > 0
    mean = np.divide(total, precision, out=np.full(precision.shape, np.nan), where=seen)
    variance = np.divide(1.0, precision, out=np.full(precision.shape, np.inf), where=seen)
    return mean, variance


def _of_gaps(
    road: _Road,
    gaps: Gaps,
    ratio: np.ndarray,
    variance: np.ndarray,
    scatter: Scatter,
    *,
    paths: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """(shift of log ratio, precision) [link, bin]: what cameras tell of single links.

    Of a path with several links each is told what the others leave over; how uncertain they
    are counts against it.
    """
    link_s = ratio * road.free_s[:, None]
    expected = gaps.sums(link_s)
    unsure = gaps.sums(np.minimum(variance, 0.5) * link_s**2)
    spread = gaps.sums(scatter.of_vehicle(ratio) * link_s**2)
    direct = gaps.crossings <= 1
    known = np.where(direct, DIRECT_RELATIVE_SD, PATH_RELATIVE_SD) * expected
    error = spread / np.maximum(gaps.vehicles, 1.0) + CLOCKS_SD_S**2 + known**2
    own = link_s[gaps.link, gaps.bin]
    others = unsure[gaps.gap] - np.minimum(variance[gaps.link, gaps.bin], 0.5) * own**2
    relative = (error[gaps.gap] + np.maximum(others, 0.0)) / own**2
    use = (relative < LEAST_PRECISE) & (direct[gaps.gap] | paths)
    shift = np.clip((gaps.took_s - expected)[gaps.gap] / own, -1.0, 1.0)
    cell = (gaps.link * ratio.shape[1] + gaps.bin)[use]
    worth = np.bincount(cell, 1.0 / relative[use], ratio.size)
    total = np.bincount(cell, shift[use] / relative[use], ratio.size)
    mean = np.divide(total, worth, out=np.zeros(ratio.size), where=worth > 0)
    return mean.reshape(ratio.shape), worth.reshape(ratio.shape)


def _of_buses(
    road: _Road, evidence: Evidence, log_ratio: np.ndarray, seen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(shift, precision) [link, bin]: buses, less what they lose more than others.

    Loss and scatter are those where other sources saw the link in the same bin.
    """
    there = np.isfinite(evidence.bus_pace)
    nothing = np.zeros_like(log_ratio)
    both = there & seen
    if np.count_nonzero(both) < LEAST_OVERLAP:
        return nothing, nothing
    pace = np.where(there, evidence.bus_pace, 1.0)
    beyond = np.log(pace / road.free_pace[:, None]) - log_ratio
    loss = float(np.median(beyond[both]))
    spread = max(1.4826 * float(np.median(np.abs(beyond[both] - loss))), BUS_LEAST_SD)
    own = np.where(there, evidence.bus_relative_sd, 1.0)
    # A bus on a link of a second's length is timed to the second.
    timing = CLOCKS_SD_S / road.free_s[:, None]
    worth = np.where(there, 1.0 / (spread**2 + own**2 + timing**2), 0.0)
    return np.clip(beyond - loss, -1.0, 1.0), worth


def _by_waves(
    network: RoadNetwork, log_ratio: np.ndarray, variance: np.ndarray, told: _Told
) -> np.ndarray:
    """float64[link, bin]: by how much neighbours lead to expect more than usual."""
    level = log_ratio.mean(axis=1, keepdims=True)
    shift = wave_shift(waves_of(network, BIN_S), log_ratio, variance, level)
    return share_taken_over(shift, told.mean - level, told.variance) * shift


def _prior(road: _Road, told: _Told) -> Levels:
    """Level of each link as all others lead to expect it."""
    seen = np.isfinite(told.mean)
    weight = np.where(seen, 1.0 / (np.where(seen, told.variance, 1.0) + BIN_SD**2), 0.0)
    total = weight.sum(axis=1)
    level = (weight * np.where(seen, told.mean, 0.0)).sum(axis=1) / np.maximum(total, 1e-12)
    base = road.features.expected_log_ratio
    found = levels(
        road.features.values,
        road.near,
        np.where((total > 0) & (road.features.room > 0), level - base, np.nan),
        np.where(total > 0, 1.0 / np.maximum(total, 1e-12), np.inf),
    )
    room = road.features.room
    return Levels(room * found.mean + base, np.hypot(found.sd, (1.0 - room) * NO_ROOM_SD))
