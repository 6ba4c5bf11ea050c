"""Paired comparison over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np
from scipy.special import stdtrit

from traffic_brain.model.verdict import Interval95


def interval95(values: Sequence[float]) -> Interval95 | None:
    """Mean with its two-sided 95 % interval by Student's t; None below two values."""
    if len(values) < 2:
        return None
    sample = np.asarray(values, dtype=np.float64)
    mean = float(sample.mean())
    error = float(sample.std(ddof=1)) / float(np.sqrt(len(sample)))
    half = float(stdtrit(len(sample) - 1, 0.975)) * error
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
    """Median with its exact two-sided interval by the sign test.

    Order statistics bound the median whatever the distribution, skewed or not, and are not moved
    by a few wild values, such as days on which the streets lock. Hollander, Wolfe (1999), ch. 3.6.
    None where the values are too few for the level (below 6 for 95 %).
    """
    n = len(values)
    tail = np.cumsum([comb(n, k) for k in range(n)]) / 2.0**n
    outside = int(np.searchsorted(tail, (1.0 - level) / 2.0, side="right"))
    if outside == 0:
        return None
    ranked = sorted(values)
    return Interval95(float(np.median(ranked)), ranked[outside - 1], ranked[-outside])


def geh(modelled: np.ndarray, counted: np.ndarray) -> np.ndarray:
    """GEH statistic of hourly flows: √(2 (m − c)² / (m + c)); 0 where both are 0."""
    total = modelled + counted
    squared = np.divide(
        2.0 * (modelled - counted) ** 2, total, out=np.zeros_like(total), where=total > 0
    )
    return np.asarray(np.sqrt(squared))
