"""Exact ordered clustering: consecutive bins in groups that are as even as can be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traffic_brain.errors import DataRefused


@dataclass(frozen=True, slots=True)
class OrderedClusters:
    """``cuts``: the bins at which a new group begins, without the first; ``loss``: over all."""

    cuts: tuple[int, ...]
    loss: float


def ordered_clusters(
    values: np.ndarray, groups: int, *, least_bins: int = 1
) -> OrderedClusters | None:
    """Groups of consecutive bins with the least sum of squares about their means.

    The optimum, by dynamic programming over the last cut (W. D. Fisher, On Grouping for Maximum
    Homogeneity, JASA 53, 1958); of equal ones, that with the earlier cuts.

    Args:
        values: float64[bin] or float64[bin, feature].
        groups: how many. least_bins: bins in the smallest of them.

    Returns:
        None where the day has too few bins for so many groups.

    Raises:
        DataRefused: a value is not a finite number, or a number of groups or bins is below 1.
    """
    table = np.asarray(values, dtype=np.float64)
    table = table.reshape(len(table), -1)
    if groups < 1 or least_bins < 1 or not np.isfinite(table).all():
        raise DataRefused(
            "the day cannot be cut into groups",
            "give finite values, one group or more, and at least one bin for each",
        )
    bins = len(table)
    if bins < groups * least_bins:
        return None
    loss = _losses(table)
    best = np.full((groups + 1, bins + 1), np.inf)
    last = np.zeros((groups + 1, bins + 1), dtype=np.int64)
    best[0, 0] = 0.0
    for group in range(1, groups + 1):
        for end in range(group * least_bins, bins + 1):
            begins = np.arange(end - least_bins + 1)
            costs = best[group - 1, begins] + loss[begins, end]
            last[group, end] = int(np.argmin(costs))
            best[group, end] = costs[last[group, end]]
    cuts: list[int] = []
    end = bins
    for group in range(groups, 1, -1):
        end = int(last[group, end])
        cuts.append(end)
    return OrderedClusters(tuple(reversed(cuts)), float(best[groups, bins]))


def _losses(table: np.ndarray) -> np.ndarray:
    """float64[begin, end]: squares about the mean of bins begin … end - 1.

    By Welford's update, which loses no digits where large values differ by little.
    """
    bins = len(table)
    loss = np.zeros((bins, bins + 1))
    for begin in range(bins):
        mean = np.zeros(table.shape[1])
        for end in range(begin + 1, bins + 1):
            off = table[end - 1] - mean
            mean += off / (end - begin)
            loss[begin, end] = loss[begin, end - 1] + float(off @ (table[end - 1] - mean))
    return loss
