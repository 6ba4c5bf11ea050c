"""Paces and distances from the sums of a day: what fusion weighs and joins.

Each pace comes as (pace_s_per_m, relative_sd), float64[link, bin]; NaN and inf where nothing was
seen.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from traffic_brain.fusion.statistics.pairs import BIN_IDX
from traffic_brain.fusion.statistics.tasks import Arrays
from traffic_brain.kernels.feed_sums import RATE, SAMPLES, SPEED, TRAVERSALS

Pace = tuple[np.ndarray, np.ndarray]

SAMPLES_PER_PROBE = 6.0
"""Consecutive samples of one probe repeat each other; so many count as one observation."""
PROBE_RELATIVE_SD = 0.5
_MM, _MS, _NANO = 1e-3, 1e-3, 1e-9


def internet_pace(sums: np.ndarray) -> Pace:
    """Mean pace of the probes.

    Args:
        sums: int64[bin, link, 6], see `INTERNET_SUMS`.

    Samples are equally spaced in time, so samples × speed is distance driven, and time over
    distance the mean pace. Where nothing moved there is no pace.
    """
    samples, driven = (sums[..., i].T.astype(np.float64) for i in (SAMPLES, SPEED))
    pace, sd = _unseen(samples.shape)
    seen = driven > 0
    pace[seen] = samples[seen] / (driven[seen] * _MM)
    sd[seen] = PROBE_RELATIVE_SD / np.sqrt(np.maximum(samples[seen] / SAMPLES_PER_PROBE, 1.0))
    return pace, sd


def probe_sums(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(samples, driven), float64[link, bin]: the number of samples and Σ speed (m/s) of them."""
    samples, driven = (sums[..., i].T.astype(np.float64) for i in (SAMPLES, SPEED))
    return samples, driven * _MM


def transit_pace(sums: np.ndarray, length_m: np.ndarray, relative_sd: float) -> Pace:
    """Pace of buses over whole links.

    Args:
        sums: int64[bin, link, 4], see `TRANSIT_SUMS`. length_m: float64[link].
        relative_sd: of a single bus.

    The harmonic mean of the travel times: a bus that stands at its stop hardly counts in it.
    """
    count, rate = (sums[..., i].T.astype(np.float64) for i in (TRAVERSALS, RATE))
    pace, sd = _unseen(count.shape)
    seen = count > 0
    metres = np.broadcast_to(np.maximum(length_m, 1.0)[:, None], count.shape)
    pace[seen] = count[seen] / (rate[seen] * _NANO) / metres[seen]
    sd[seen] = relative_sd / np.sqrt(count[seen])
    return pace, sd


def checkpoint_pace(
    pairs: Arrays,
    link_of_way: np.ndarray,
    length_m: np.ndarray,
    bins: slice,
    relative_sd: float,
) -> Pace:
    """Pace between cameras at the ends of two links that follow each other, in some bins.

    Args:
        pairs: of a range, as in `Statistics`.
        link_of_way: int64[cell]: the link that was driven between the two sites, −1 where it is not
            one alone.
        length_m: float64[link]. bins: of the range. relative_sd: of a single vehicle.
    """
    count_of = bins.stop - bins.start
    pace, sd = _unseen((len(length_m), count_of))
    known = (link_of_way >= 0) & (pairs["kept"] > 0)
    # a link may be reached from several cameras
    cell = link_of_way[known] * count_of + pairs[BIN_IDX][known] - bins.start
    count = np.bincount(cell, pairs["kept"][known], pace.size)
    travel_s = np.bincount(cell, pairs["travel_sum"][known] * _MS, pace.size)
    seen = np.flatnonzero(count)
    metres = np.maximum(length_m, 1.0)[seen // count_of]
    pace.ravel()[seen] = travel_s[seen] / count[seen] / metres
    sd.ravel()[seen] = relative_sd / np.sqrt(count[seen])
    return pace, sd


def by_precision(paces: Sequence[Pace]) -> Pace:
    """Independent paces in one, weighted by precision: Σ p/σ² / Σ 1/σ², with σ² = 1 / Σ 1/σ²."""
    weight, total = np.zeros(paces[0][0].shape), np.zeros(paces[0][0].shape)
    for pace, relative_sd in paces:
        seen = np.isfinite(pace)
        precision = (pace[seen] * relative_sd[seen]) ** -2.0
        weight[seen] += precision
        total[seen] += precision * pace[seen]
    fused, sd = _unseen(weight.shape)
    seen = weight > 0
    fused[seen] = total[seen] / weight[seen]
    sd[seen] = 1.0 / (np.sqrt(weight[seen]) * fused[seen])
    return fused, sd


def _unseen(shape: tuple[int, ...]) -> Pace:
    return np.full(shape, np.nan), np.full(shape, np.inf)
