"""A Gaussian process over places × times, for series with gaps.

The process (Rasmussen and Williams 2006) models what differs from the usual day by three kinds of
differences: of a region for hours, of a region for minutes, of a single place. Each is a product
of a likeness of places and one of times, so that the whole is solved by conjugate gradients with
small matrices and Fourier transforms (Saatçi 2011, ch. 5; Wilson et al. 2014 for gaps).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from traffic_brain.fusion.usual_days import usual_day, usual_size

ROUNDS = 40
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Likeness:
    """Variances of the three differences and of noise, beside each other, and their times."""

    region_hours: float = 0.1
    region_minutes: float = 1.0
    place: float = 1.0
    noise: float = 0.2
    hours_bins: float = 48.0
    minutes_bins: float = 4.0
    place_bins: float = 6.0


def positive(near: np.ndarray) -> np.ndarray:
    """The nearest likeness that a process can have: negative eigenvalues cut, ones restored."""
    size, vectors = np.linalg.eigh(0.5 * (near + near.T))
    whole = (vectors * np.maximum(size, 0.0)) @ vectors.T
    scale = np.sqrt(np.maximum(np.diag(whole), 1e-9))
    return np.asarray(whole / scale[:, None] / scale[None])


def by_process(
    values: np.ndarray,
    near: np.ndarray,
    alike: np.ndarray,
    of_day: np.ndarray,
    likeness: Likeness,
    rounds: int = ROUNDS,
) -> np.ndarray:
    """float64[place, bin]: what the process expects of every value, known or not.

    Args:
        values: float64[place, bin], NaN where nothing is known.
        near, alike: float64[place, place], nearness as given, and as ``positive`` makes it.
        of_day: int64[bin], each column's bin of the day.
        rounds: of conjugate gradients, at most.
    """
    known = np.isfinite(values)
    usual = usual_day(values, near, of_day)
    off = np.where(known, values - usual, 0.0)
    size = usual_size(off, known, of_day)
    kernel = _Kernel(alike, values.shape[1], likeness)
    weights = _solved(kernel, known, off / size, likeness.noise, rounds)
    return np.asarray(usual + size * kernel.times(weights))


class _Kernel:
    """Σ likeness of places ⊗ likeness of times, as an operator on float64[place, bin]."""

    def __init__(self, near: np.ndarray, bins: int, likeness: Likeness) -> None:
        length = 1 << int(np.ceil(np.log2(2 * bins)))
        lag = np.minimum(np.arange(length), length - np.arange(length))
        region, alone = (
            sum(size * np.fft.rfft(np.exp(-lag / lasting)).real for size, lasting in parts)
            for parts in (
                (
                    (likeness.region_hours, likeness.hours_bins),
                    (likeness.region_minutes, likeness.minutes_bins),
                ),
                ((likeness.place, likeness.place_bins),),
            )
        )
        self._near, self._region, self._alone = near, region, alone
        self._bins, self._length = bins, length

    def times(self, weights: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(weights, self._length, axis=1)
        around = (self._near @ spectrum.view(np.float64)).view(np.complex128)
        total = around * self._region + spectrum * self._alone
        return np.asarray(np.fft.irfft(total, self._length, axis=1)[:, : self._bins])


def _solved(
    kernel: _Kernel, known: np.ndarray, off: np.ndarray, noise: float, rounds: int
) -> np.ndarray:
    """Weights of the known values: (K + noise) w = off, by conjugate gradients."""
    weights = np.zeros_like(off)
    left = np.where(known, off, 0.0)
    way, power = left.copy(), float((left**2).sum())
    goal = TOLERANCE**2 * power
    for _ in itertools.repeat(None, rounds):
        if power <= goal:
            break
        ahead = np.where(known, kernel.times(way) + noise * way, 0.0)
        step = power / float((way * ahead).sum())
        weights += step * way
        left -= step * ahead
        now = float((left**2).sum())
        way, power = left + now / power * way, now
    return weights
