"""What a link's log pace should be, as links like it and links near it show.

A Gaussian process over links (Rasmussen and Williams 2006, ch. 2 and 5): the level of a link's log
pace is a linear trend in what is known of it (length, signal, class, traffic), plus what links
that are alike have in common, plus what neighbours have in common, plus its own whim. Sizes of the
four are those under which what was seen is most likely. A link that was seen gets the prediction
of all others but itself, so that a fusion may add what was seen of it without counting it twice.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

MAX_FITTED = 3000
"""So many links at most teach the others: the work grows with the cube."""
MAX_TUNED = 700
NOTHING_SEEN_SD = 0.8
"""Of log pace where no link of the city was seen; our own figure."""
LEAST_TAUGHT = 8


@dataclass(frozen=True)
class Sizes:
    """Standard deviations of the parts of a level, and how alike links must be."""

    trend: float = 0.5
    alike: float = 0.4
    near: float = 0.2
    own: float = 0.3
    alike_scale: float = 1.5


@dataclass(frozen=True)
class Levels:
    """float64[link]: expected level of each link from all others, and its error."""

    mean: np.ndarray
    sd: np.ndarray


def levels(
    features: np.ndarray, near: np.ndarray, seen: np.ndarray, variance: np.ndarray
) -> Levels:
    """Expected level of every link.

    Args:
        features: float64[link, feature], each of mean zero and size one.
        near: float64[link, link], 1 on the diagonal: how much neighbours share.
        seen: float64[link], level observed; NaN where nothing was.
        variance: float64[link] of the error of ``seen``.
    """
    taught = np.flatnonzero(np.isfinite(seen) & np.isfinite(variance))
    if len(taught) < LEAST_TAUGHT:
        count = len(features)
        return Levels(np.zeros(count), np.full(count, NOTHING_SEEN_SD))
    if len(taught) > MAX_FITTED:
        best = np.argsort(variance[taught], kind="stable")[:MAX_FITTED]
        taught = np.sort(taught[best])
    centre = float(np.average(seen[taught], weights=1.0 / (variance[taught] + 0.1)))
    sizes = _sizes(features, near, seen - centre, variance, taught)
    mean, sd = _predicted(features, near, seen - centre, variance, taught, sizes)
    return Levels(mean + centre, sd)


def _covariance(
    features: np.ndarray, near: np.ndarray, a: np.ndarray, b: np.ndarray, sizes: Sizes
) -> np.ndarray:
    x, y = features[a], features[b]
    apart = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2.0 * x @ y.T
    width = features.shape[1]
    alike = np.exp(-np.maximum(apart, 0.0) / (2.0 * width * sizes.alike_scale**2))
    trend = x @ y.T / width
    return np.asarray(
        sizes.trend**2 * trend + sizes.alike**2 * alike + sizes.near**2 * near[np.ix_(a, b)]
    )


def _sizes(
    features: np.ndarray,
    near: np.ndarray,
    seen: np.ndarray,
    variance: np.ndarray,
    taught: np.ndarray,
) -> Sizes:
    """The most likely of a coarse grid, one size after the other, twice."""
    step = -(-len(taught) // MAX_TUNED)
    some = taught[::step]
    grid = {
        "own": (0.1, 0.2, 0.3, 0.45, 0.6),
        "alike": (0.1, 0.25, 0.5, 0.8),
        "alike_scale": (0.3, 0.6, 1.0, 2.0),
        "near": (0.05, 0.15, 0.3, 0.5),
        "trend": (0.2, 0.5, 1.0),
    }
    sizes = Sizes()
    for _, (name, values) in itertools.product(range(2), grid.items()):
        tried = [Sizes(**{**vars(sizes), name: value}) for value in values]
        likely = [_log_likelihood(features, near, seen, variance, some, one) for one in tried]
        sizes = tried[int(np.argmax(likely))]
    return sizes


def _log_likelihood(
    features: np.ndarray,
    near: np.ndarray,
    seen: np.ndarray,
    variance: np.ndarray,
    taught: np.ndarray,
    sizes: Sizes,
) -> float:
    covariance = _covariance(features, near, taught, taught, sizes)
    covariance[np.diag_indices_from(covariance)] += variance[taught] + sizes.own**2
    factor = cho_factor(covariance, lower=True)
    fit = seen[taught] @ cho_solve(factor, seen[taught])
    return float(-0.5 * fit - np.log(np.diag(factor[0])).sum())


def _predicted(
    features: np.ndarray,
    near: np.ndarray,
    seen: np.ndarray,
    variance: np.ndarray,
    taught: np.ndarray,
    sizes: Sizes,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of every link's level from all links but itself.

    Leaving one out needs no second solution: with A = (K + N)⁻¹ the others predict
    y − (A y) / diag A, with variance 1 / diag A − N.
    """
    covariance = _covariance(features, near, taught, taught, sizes)
    covariance[np.diag_indices_from(covariance)] += variance[taught] + sizes.own**2
    inverse = cho_solve(cho_factor(covariance, lower=True), np.eye(len(taught)))
    weights = inverse @ seen[taught]
    others = np.setdiff1d(np.arange(len(features)), taught)
    mean, spread = np.empty(len(features)), np.empty(len(features))
    alone = np.diag(inverse)
    mean[taught] = seen[taught] - weights / alone
    spread[taught] = np.maximum(1.0 / alone - variance[taught], sizes.own**2)
    if len(others):
        across = _covariance(features, near, others, taught, sizes)
        trend = (features[others] ** 2).mean(axis=1)
        whole = sizes.trend**2 * trend + sizes.alike**2 + sizes.near**2 + sizes.own**2
        mean[others] = across @ weights
        explained = np.einsum("ij,jk,ik->i", across, inverse, across, optimize=True)
        spread[others] = np.maximum(whole - explained, sizes.own**2)
    return mean, np.sqrt(spread)
