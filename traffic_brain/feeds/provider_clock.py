"""The clock of a provider: its probes are most numerous while most vehicles are on a link.

A provider's reports name no vehicle, so none can be met again elsewhere. But detectors and cameras
tell when each vehicle left a link, hence how many were on it in every interval of the provider's;
its samples, a share of these, swell and ebb with them, with platoons and with chance. Shifted by
the error of the provider's clock the two go together best.

For samples n and vehicles present e of an interval, both less their mean over the intervals around
it, the score Σ n · e / (φ ē) is the derivative of a Poisson likelihood with dispersion φ (McCullagh
and Nelder 1989) by the share of those seen, at a share that does not depend on e. Divided by its
standard deviation it is 0 ± 1 where the two have nothing to do with each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.feeds.internet import InternetDay
from traffic_brain.model.network import RoadNetwork

REACH_S, STEP_S = 300, 15
LEAST_AHEAD_S = 30.0
"""Two steps: less is no more than what a travel time may be off."""
CLEAR_Z = 6.0
BETTER_LIKELIHOOD = 12.5
"""Half the difference of squared scores: by so much more likely, in log, than no error at all."""
AROUND_INTERVALS = 5
LEAST_VEHICLES, LEAST_INTERVALS = 20, 12
MOST_LINKS = 200
LEAST_TOOK_S, MOST_TOOK_S = 2.0, 180.0


@dataclass(frozen=True)
class _Link:
    """What a provider and others say of one link."""

    samples: np.ndarray
    """float64[interval]."""
    begin_s: np.ndarray
    left_s: np.ndarray
    """float64[vehicle], ordered."""
    took_s: float


def provider_ahead_s(
    internet: InternetDay, passes: pd.DataFrame, network: RoadNetwork
) -> float | None:
    """By how much a provider's clock is ahead of the one that timed ``passes``.

    Args:
        internet: reports of all links over equal intervals.
        passes: link_id, time_s of vehicles that leave a link; of all or a share of them.

    Known to ``STEP_S``, up to ``REACH_S``. 0.0: they agree. None: the feeds do not tell, as too
    little was seen, or too evenly.
    """
    if internet.speeds.empty or passes.empty:
        return None
    interval_s = float(internet.speeds["interval_s"].median())
    shifts_s = np.arange(-REACH_S, REACH_S + 1, STEP_S, dtype=np.float64)
    score, variance = np.zeros(len(shifts_s)), np.zeros(len(shifts_s))
    for link in _links(internet, passes, network, interval_s):
        told = _score(link, interval_s, shifts_s)
        score, variance = score + told[0], variance + told[1]
    z = score / np.sqrt(np.maximum(variance, 1e-9))
    best = int(z.argmax())
    if z[best] < CLEAR_Z:
        return None
    better = (z[best] ** 2 - max(float(z[shifts_s == 0.0][0]), 0.0) ** 2) / 2.0
    is_off = abs(shifts_s[best]) >= LEAST_AHEAD_S and better >= BETTER_LIKELIHOOD
    return float(shifts_s[best]) if is_off else 0.0


def _links(
    internet: InternetDay, passes: pd.DataFrame, network: RoadNetwork, interval_s: float
) -> Iterator[_Link]:
    """Links that both tell of, those with the most samples first; without what is beyond either."""
    speeds = internet.speeds
    totals = speeds.groupby("link_id", sort=True)["sample_count"].sum()
    passed = passes.groupby("link_id", sort=True).indices
    chosen = [k for k in totals.sort_values(ascending=False, kind="stable").index if k in passed]
    times_s = passes["time_s"].to_numpy(np.float64)
    rows_of = speeds.groupby("link_id", sort=True).indices
    first_s = float(speeds["time_s"].min())
    count = int((float(speeds["time_s"].max()) - first_s) // interval_s) + 2
    begin_s = first_s + interval_s * np.arange(count)
    for name in chosen[:MOST_LINKS]:
        rows = speeds.iloc[rows_of[name]]
        samples = rows["sample_count"].to_numpy(np.float64)
        left_s = np.sort(times_s[passed[name]])
        driven_m = float(samples @ rows["speed_mps"].to_numpy(np.float64))
        if len(left_s) < LEAST_VEHICLES or driven_m <= 0:
            continue
        idx = np.round((rows["time_s"].to_numpy(np.float64) - first_s) / interval_s)
        known = (begin_s >= left_s[0] + REACH_S) & (begin_s + interval_s <= left_s[-1] - REACH_S)
        if np.count_nonzero(known) < LEAST_INTERVALS:
            continue
        took_s = network.links[str(name)].length_m * samples.sum() / driven_m
        yield _Link(
            np.bincount(idx.astype(np.int64), samples, count)[known],
            begin_s[known],
            left_s,
            float(np.clip(took_s, LEAST_TOOK_S, MOST_TOOK_S)),
        )


def _score(link: _Link, interval_s: float, shifts_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(score, its variance) [shift] of one link."""
    mean = float(link.samples.mean())
    off = link.samples - _around(link.samples[None])[0]
    if mean <= 0 or not off.any():
        return np.zeros(len(shifts_s)), np.zeros(len(shifts_s))
    dispersion = max(float(off.var()) / mean, 1e-3)
    begin_s = link.begin_s[None] - shifts_s[:, None]
    present_s = _present_s(link, begin_s + interval_s) - _present_s(link, begin_s)
    usual_s = np.maximum(present_s.mean(axis=1, keepdims=True), 1e-9)
    relative = (present_s - _around(present_s)) / usual_s
    return relative @ off / dispersion, (relative**2).sum(axis=1) * mean / dispersion


def _present_s(link: _Link, until_s: np.ndarray) -> np.ndarray:
    """Vehicle-seconds spent on the link up to a time, if each took the mean time."""
    changes_s = np.concatenate([link.left_s - link.took_s, link.left_s])
    step = np.repeat([1.0, -1.0], len(link.left_s))
    order = np.argsort(changes_s, kind="stable")
    changes_s = changes_s[order]
    present = np.cumsum(step[order])
    spent = np.concatenate([[0.0], np.cumsum(present[:-1] * np.diff(changes_s))])
    return np.asarray(np.interp(until_s, changes_s, spent))


def _around(values: np.ndarray) -> np.ndarray:
    """Mean over the intervals to either side, along the last axis: float64[row, interval]."""
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    idx = np.arange(values.shape[1])
    low = np.maximum(idx - AROUND_INTERVALS, 0)
    high = np.minimum(idx + AROUND_INTERVALS + 1, values.shape[1])
    return np.asarray((total[:, high] - total[:, low]) / (high - low))
