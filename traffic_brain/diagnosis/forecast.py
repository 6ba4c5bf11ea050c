"""Early warning: what tomorrow and the next hour will be like, from the days so far.

Tomorrow is the profile of its kind of day: at each place and time of the day the middle of the days
of that kind, drawn to the middle of all days where they are few, smoothed over some bins.

The next hour is "same as now" plus what has been learnt of changes: how far the profile will move,
how far the place now lies off its profile, where it has been heading, and what goes on at its
neighbours. The weights come from a ridge regression for each horizon, first over all places
together, then for each place, drawn to the first (Hoerl, Kennard 1970). A weight that the days do
not bear out stays near zero: then it is the same as now.

Made for series of 5 minutes at some tens of places or more, from two days on; with one day there is
no deviation to learn from and the next hour is the same as now.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

HORIZON_BINS = 12
"""An hour of 5 min."""
OTHER_DAYS = 1.0
"""All other days together count for so many days of the kind asked for."""
SMOOTH_BINS = 7
BACK_BINS = (3, 6)
"""How long ago a place's trend is looked at, in bins."""
RIDGE = 30.0
"""Of the weights over all places, in rows of data of unit variance."""
PLACE_RIDGE = 300.0
"""Of what a place's own weights may differ from those."""
FEATURES = 6
WARN_SIGMAS = 1.0
"""A place is warned of that comes so close to its limit, in standard errors of the forecast."""


@dataclass(frozen=True)
class Days:
    """Days so far, the latest last, all with the same places and bins.

    values: float64[day, place, bin], no gaps (`traffic_brain.fusion.filling` fills them).
    kinds: the kind of each day. near: float64[place, place], rows of weights with sum 1 or 0.
    """

    values: np.ndarray
    kinds: tuple[Hashable, ...]
    near: np.ndarray | csr_array


@dataclass(frozen=True)
class Forecaster:
    """Made by `learn`.

    weights: float64[horizon, place, feature]. error: float64[horizon, place], the standard error
    on the days that were learnt from.
    """

    days: Days
    weights: np.ndarray
    error: np.ndarray

    def tomorrow(self, kind: Hashable) -> np.ndarray:
        """float64[place, bin] of a day of ``kind``."""
        return profile(self.days, kind)

    def next_hour(self, today: np.ndarray, kind: Hashable) -> np.ndarray:
        """float64[place, horizon]: the bins that follow the last one of ``today``.

        Args:
            today: float64[place, bins so far], at least one bin.
        """
        usual = profile(self.days, kind)
        now = today.shape[1] - 1
        found = np.repeat(today[:, -1:], len(self.weights), axis=1)
        for h in range(len(self.weights)):
            if now + h + 1 < usual.shape[1]:
                x = _features(today, usual, self.days.near, np.array([now]), h + 1)[:, 0]
                found[:, h] += (self.weights[h] * x).sum(axis=1)
        return found

    def warned(self, ahead: np.ndarray, limit: np.ndarray) -> np.ndarray:
        """bool[place, horizon]: what may well fall below ``limit`` [place].

        Args:
            ahead: as `next_hour` tells.
        """
        return np.asarray(ahead - WARN_SIGMAS * self.error.T < limit[:, None])


def profile(days: Days, kind: Hashable) -> np.ndarray:
    """float64[place, bin]: the usual day of a kind."""
    everyone = np.median(days.values, axis=0)
    same = np.array([k == kind for k in days.kinds])
    if same.any():
        count = float(same.sum())
        own = np.median(days.values[same], axis=0)
        others = OTHER_DAYS if count < len(days.kinds) else 0.0
        everyone = (count * own + others * everyone) / (count + others)
    return _smooth(everyone)


def learn(days: Days, horizons: int = HORIZON_BINS) -> Forecaster:
    """A forecaster from the days so far.

    Each day is learnt from against the profile of the other days, as tomorrow will be.

    Raises:
        ValueError: there is no day, or the arrays do not fit together.
    """
    count, places, bins = days.values.shape
    if not count or len(days.kinds) != count or days.near.shape != (places, places):
        raise ValueError("days, their kinds and the places' nearness do not fit together")
    weights = np.zeros((horizons, places, FEATURES))
    error = np.zeros((horizons, places))
    if count < 2:
        return Forecaster(days, weights, error)
    usual = [profile(_without(days, d), days.kinds[d]) for d in range(count)]
    for h in range(1, horizons + 1):
        at = np.arange(max(BACK_BINS), bins - h)
        if not at.size:  # days so short that nobody has seen this far ahead
            continue
        x = np.concatenate(
            [_features(days.values[d], usual[d], days.near, at, h) for d in range(count)], axis=1
        )
        y = np.concatenate(
            [days.values[d][:, at + h] - days.values[d][:, at] for d in range(count)], axis=1
        )
        weights[h - 1] = _ridge(x, y)
        left = y - np.einsum("prf,pf->pr", x, weights[h - 1])
        error[h - 1] = np.sqrt((left**2).mean(axis=1))
    return Forecaster(days, weights, error)


def _features(
    day: np.ndarray, usual: np.ndarray, near: np.ndarray | csr_array, at: np.ndarray, horizon: int
) -> np.ndarray:
    """float64[place, time, feature] of what is known at the bins ``at``."""
    now = day[:, at]
    off = usual[:, at] - now
    first, second = (now - day[:, np.maximum(at - back, 0)] for back in BACK_BINS)
    moves = usual[:, at + horizon] - usual[:, at]
    columns = (off, moves, first, second, near @ off, near @ first)
    return np.stack(columns, axis=2)


def _ridge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float64[place, feature]: weights of each place, drawn to those of all places together.

    Args:
        x: float64[place, row, feature]. y: float64[place, row].
    """
    scale = np.sqrt((x**2).mean(axis=(0, 1))) + 1e-9
    x = x / scale
    moment = np.einsum("prf,prg->pfg", x, x)
    answer = np.einsum("prf,pr->pf", x, y)
    unit = np.eye(x.shape[2])
    together = np.linalg.solve(moment.sum(axis=0) + RIDGE * unit, answer.sum(axis=0))
    left = answer - moment @ together
    own = np.linalg.solve(moment + PLACE_RIDGE * unit, left[..., None])[..., 0]
    return np.asarray((together + own) / scale)


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over ``SMOOTH_BINS`` bins around each; less at either end."""
    half = SMOOTH_BINS // 2
    total = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
    bins = np.arange(values.shape[1])
    first, after = np.maximum(bins - half, 0), np.minimum(bins + half + 1, values.shape[1])
    return np.asarray((total[:, after] - total[:, first]) / (after - first))


def _without(days: Days, day: int) -> Days:
    kept = [d for d in range(len(days.kinds)) if d != day]
    return Days(days.values[kept], tuple(days.kinds[d] for d in kept), days.near)
