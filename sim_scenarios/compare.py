"""Paired comparison over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from traffic_brain.model.verdict import Interval95


def interval95(values: Sequence[float]) -> Interval95 | None:
    """Mean with its two-sided 95 % interval by Student's t; None below two values."""
    if len(values) < 2:
        return None
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    error = float(sample.std(ddof=1)) / float(np.sqrt(len(sample)))
    half = float(stats.t.ppf(0.975, len(sample) - 1)) * error
    return Interval95(mean, mean - half, mean + half)


def paired_change(
    before: Sequence[float], after: Sequence[float]
) -> tuple[Interval95 | None, Interval95 | None]:
    """(after − before, its ratio to ``before``) with intervals over the pairs.

    Raises:
        ValueError: the sequences are not of one length.
    """
    pairs = list(zip(before, after, strict=True))
    change = interval95([b - a for a, b in pairs])
    ratio = interval95([(b - a) / a if a > 0 else 0.0 for a, b in pairs])
    return change, ratio


def median_interval(values: Sequence[float], level: float = 0.95) -> Interval95 | None:
    """Hodges–Lehmann estimate of the median with its exact two-sided signed-rank interval.

    The interval holds for any symmetric distribution and is not moved by a few wild values, such
    as a day on which the streets lock. Hollander, Wolfe (1999), ch. 3. None where the values are
    too few for the level (below 6 for 95 %).
    """
    n = len(values)
    sample = np.asarray(values, dtype=np.float64)
    first, second = np.triu_indices(n)
    averages = np.sort((sample[first] + sample[second]) / 2.0)
    below = _signed_rank_cdf(n)
    outside = np.flatnonzero(below <= (1.0 - level) / 2.0)
    if n == 0 or outside.size == 0:
        return None
    cut = int(outside[-1]) + 1
    return Interval95(float(np.median(averages)), float(averages[cut - 1]), float(averages[-cut]))


def _signed_rank_cdf(n: int) -> np.ndarray:
    """P(W+ <= w) of Wilcoxon's signed-rank statistic for w = 0 … n (n + 1) / 2."""
    ways = np.zeros(n * (n + 1) // 2 + 1)
    ways[0] = 1.0
    for rank in range(1, n + 1):
        ways[rank:] += ways[:-rank].copy()
    return np.asarray(np.cumsum(ways) / 2.0**n)


def geh(modelled: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """GEH statistic of hourly flows: √(2 (m − c)² / (m + c)); 0 where both are 0."""
    total = modelled + counted
    squared = np.divide(
        2.0 * (modelled - counted) ** 2, total, out=np.zeros_like(total), where=total > 0
    )
    return np.asarray(np.sqrt(squared))
