"""Weights of candidate trips so that they add up to what detectors counted.

Multiplicative algebraic reconstruction (Gordon, Bender, Herman 1970), damped: a trip's weight is
multiplied by the geometric mean of counted/modelled over the counts it passes, each by its worth.
It keeps weights positive, leaves a trip that passes no counter alone, and converges to the weights
closest in entropy to the start when the counts agree with each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 60
DAMPING = 0.5
MAX_WEIGHT = 4.0
MIN_WEIGHT = 0.1


@dataclass(frozen=True)
class Counts:
    """Sparse incidence: entry e says that trip ``trip_idx[e]`` passes count ``count_idx[e]``."""

    trip_idx: np.ndarray
    count_idx: np.ndarray
    counted: np.ndarray
    """float64[count]: vehicles counted."""
    worth: np.ndarray
    """float64[count] > 0: what a count is worth beside others that a trip passes."""


def modelled(counts: Counts, weights: np.ndarray) -> np.ndarray:
    """float64[count]: vehicles that the weighted trips bring past each counter."""
    return np.bincount(counts.count_idx, weights[counts.trip_idx], len(counts.counted))


def balance(counts: Counts, trip_count: int) -> np.ndarray:
    """float64[trip]: weights in [MIN_WEIGHT, MAX_WEIGHT], starting from one each."""
    weights = np.ones(trip_count)
    worth = counts.worth[counts.count_idx]
    passed = np.bincount(counts.trip_idx, worth, trip_count)
    touched = passed > 0
    for _ in range(ROUNDS):
        ratio = np.log((counts.counted + 0.5) / (modelled(counts, weights) + 0.5))
        push = np.bincount(counts.trip_idx, worth * ratio[counts.count_idx], trip_count)
        step = np.zeros(trip_count)
        step[touched] = push[touched] / passed[touched]
        weights = np.clip(weights * np.exp(DAMPING * step), MIN_WEIGHT, MAX_WEIGHT)
    return weights
