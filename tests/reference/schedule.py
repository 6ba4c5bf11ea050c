"""Obvious twins of the schedule: every way to cut a day, and queues in small steps of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np


def all_cuts(bins: int, groups: int, least: int) -> Iterator[tuple[int, ...]]:
    """Every choice of cuts with so many bins in each group."""
    for cuts in itertools.combinations(range(1, bins), groups - 1):
        edges = (0, *cuts, bins)
        if all(b - a >= least for a, b in itertools.pairwise(edges)):
            yield cuts


def loss_of(values: np.ndarray, cuts: Sequence[int]) -> float:
    """Sum of squares about the means of the groups."""
    return float(sum(((g - g.mean(axis=0)) ** 2).sum() for g in np.split(values, list(cuts))))


def least_cost(bin_cost: np.ndarray, switch: np.ndarray, periods: int, least: int) -> float:
    """The cheapest of all timetables with so many periods."""
    bins, plans = bin_cost.shape
    best = float("inf")
    for cuts in all_cuts(bins, periods, least):
        edges = (0, *cuts, bins)
        for chosen in itertools.product(range(plans), repeat=periods):
            if any(p == q for p, q in itertools.pairwise(chosen)):
                continue
            cost = sum(
                bin_cost[a:b, p].sum()
                for (a, b), p in zip(itertools.pairwise(edges), chosen, strict=True)
            )
            changes = zip(cuts, itertools.pairwise(chosen), strict=True)
            cost += sum(switch[b, p, q] for b, (p, q) in changes)
            best = min(best, float(cost))
    return best


def fluid_delay(
    splits_s: Sequence[tuple[float, float]], flow: float, queue: float, step_s: float = 0.002
) -> tuple[float, float]:
    """(vehicle-seconds, queue at the end) of one lane; splits: (seconds, discharge in veh/s)."""
    total = 0.0
    for seconds, discharge in splits_s:
        for _ in range(round(seconds / step_s)):
            after = max(queue + (flow - discharge) * step_s, 0.0)
            total += 0.5 * (queue + after) * step_s
            queue = after
    return total, queue
