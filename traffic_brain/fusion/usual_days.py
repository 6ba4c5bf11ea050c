"""What is usual at a time of day, in series of many places over several days."""

from __future__ import annotations

import itertools

import numpy as np

SMOOTHED_BINS = 6
"""A usual day is smoothed over this many bins to either side."""
OWN_DAYS = 0.2
"""So many days of its own a place needs to be believed as much as its neighbours."""
LEAST_SD_RATIO = 0.05
KIND_POWER = 3.0
"""How much less a day tells of another with the square of their difference."""


def usual_day(values: np.ndarray, near: np.ndarray, of_day: np.ndarray) -> np.ndarray:
    """float64[place, bin]: mean at the time of day over days of the kind.

    Of the place itself and, by need, of its neighbours.
    """
    day, bins = day_of(of_day), int(of_day.max()) + 1
    shape = (len(values), int(day[-1]) + 1, bins)
    total, count = np.zeros(shape), np.zeros(shape)
    known = np.isfinite(values)
    total[:, day, of_day] = np.where(known, values, 0.0)
    count[:, day, of_day] = known
    kind = like_days(total, count)
    total = _around(np.einsum("de,peb->pdb", kind, total))
    count = _around(np.einsum("de,peb->pdb", kind, count))
    of_all = count.sum(axis=0)
    city = np.where(of_all > 0, total.sum(axis=0) / np.maximum(of_all, 1e-9), values[known].mean())
    mean = np.where(count > 0, total / np.maximum(count, 1e-9), city[None])
    weight = near * (1.0 - np.eye(len(near)))
    told = np.tensordot(weight, count, axes=1)
    others = (np.tensordot(weight, count * mean, axes=1) + 0.1 * city[None]) / (told + 0.1)
    share = count / (count + OWN_DAYS)
    usual = share * mean + (1.0 - share) * others
    return np.asarray(usual[:, day, of_day])


def day_of(of_day: np.ndarray) -> np.ndarray:
    """int64[bin]: which day a column belongs to."""
    return np.concatenate([[0], np.cumsum(np.diff(of_day) < 0)])


def like_days(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """float64[day, day]: how much a day tells of another, 1 for itself and its nearest.

    Days of a kind (weekday, weekend) are found by their values where both are known.
    """
    days = total.shape[1]
    square = np.full((days, days), np.inf)
    for a, b in itertools.permutations(range(days), 2):
        both = (count[:, a] > 0) & (count[:, b] > 0)
        if both.any():
            square[a, b] = float(((total[:, a] - total[:, b])[both] ** 2).mean()) + 1e-9
    nearest = square.min(axis=1, initial=np.inf, keepdims=True)
    alike = np.ones_like(square)
    np.divide(nearest, square, out=alike, where=np.isfinite(nearest))
    alike **= KIND_POWER
    alike[np.diag_indices(days)] = 1.0
    return np.asarray(alike)


def usual_size(off: np.ndarray, known: np.ndarray, of_day: np.ndarray) -> np.ndarray:
    """float64[1, bin]: how far values usually are from the usual day, by time of day."""
    square = np.bincount(of_day, (off**2).sum(axis=0))
    count = np.bincount(of_day, known.sum(axis=0))
    size = np.sqrt(_around(square) / np.maximum(_around(count), 1e-9))
    least = LEAST_SD_RATIO * float(np.sqrt((off[known] ** 2).mean())) + 1e-9
    return np.asarray(np.maximum(size, least)[of_day][None])


def _around(values: np.ndarray) -> np.ndarray:
    """Mean over ``SMOOTHED_BINS`` of the day to either side, along the last axis."""
    shifts = range(-SMOOTHED_BINS, SMOOTHED_BINS + 1)
    return np.asarray(np.mean([np.roll(values, k, axis=-1) for k in shifts], axis=0))
