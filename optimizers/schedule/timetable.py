"""The sequence of plans over a day that costs least, switches counted; the optimum of its model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from traffic_brain.errors import DataRefused


@dataclass(frozen=True, slots=True)
class Timetable:
    """``begins``: first bin of each period. ``plans``: index of the plan that runs in it."""

    begins: tuple[int, ...]
    plans: tuple[int, ...]
    cost: float


def best_timetables(
    bin_cost: np.ndarray, switch_cost: np.ndarray, most_periods: int, least_bins: int = 1
) -> list[Timetable]:
    """For every number of periods up to ``most_periods``, the sequence of least cost.

    Dynamic programming over (periods, bin, plan): the last period of an optimal sequence is behind
    an optimal sequence of one period less. Sequences that cannot be are left out.

    Args:
        bin_cost: float64[bin, plan], of running a plan in a bin.
        switch_cost: float64[bin, from plan, to plan], of a switch at the begin of a bin; a switch
            from a plan to itself does not take place.
        least_bins: bins in the shortest period.

    Raises:
        DataRefused: arrays do not fit, or a cost is not a number.
    """
    bins, plans = _sizes(bin_cost, switch_cost, most_periods, least_bins)
    total = np.vstack([np.zeros(plans), np.cumsum(bin_cost, axis=0)])
    switches = np.array(switch_cost, dtype=np.float64)
    switches[:, np.arange(plans), np.arange(plans)] = np.inf
    # ended[k][t, p]: least cost of bins before t in k periods, the last of which runs plan p.
    ended: list[np.ndarray] = []
    came: list[tuple[np.ndarray, np.ndarray]] = []
    for periods in range(1, most_periods + 1):
        entry = np.full((bins, plans), np.inf)
        origin = np.zeros((bins, plans), dtype=np.int64)
        if periods == 1:
            entry[0] = 0.0
        else:
            over = ended[-1][:bins, :, None] + switches
            origin = np.argmin(over, axis=1)
            entry = np.min(over, axis=1)
        end = np.full((bins + 1, plans), np.inf)
        begin = np.zeros((bins + 1, plans), dtype=np.int64)
        for t in range(least_bins, bins + 1):
            begins = np.arange(t - least_bins + 1)
            costs = entry[begins] - total[begins]
            begin[t] = np.argmin(costs, axis=0)
            end[t] = np.min(costs, axis=0) + total[t]
        ended.append(end)
        came.append((begin, origin))
    return [
        _traced(periods, ended, came, bins)
        for periods in range(1, most_periods + 1)
        if np.isfinite(ended[periods - 1][bins]).any()
    ]


def _traced(
    periods: int, ended: list[np.ndarray], came: list[tuple[np.ndarray, np.ndarray]], bins: int
) -> Timetable:
    """Follow the choices back from the end of the day."""
    plan = int(np.argmin(ended[periods - 1][bins]))
    cost = float(ended[periods - 1][bins, plan])
    begins: list[int] = []
    plans: list[int] = []
    end = bins
    for k in range(periods - 1, -1, -1):
        begin, origin = came[k]
        start = int(begin[end, plan])
        begins.append(start)
        plans.append(plan)
        plan, end = int(origin[start, plan]), start
    return Timetable(tuple(reversed(begins)), tuple(reversed(plans)), cost)


def _sizes(
    bin_cost: np.ndarray, switch_cost: np.ndarray, most_periods: int, least_bins: int
) -> tuple[int, int]:
    problems = []
    if bin_cost.ndim != 2 or switch_cost.shape != (*bin_cost.shape, bin_cost.shape[-1]):
        problems.append(f"costs {bin_cost.shape} and switches {switch_cost.shape} do not fit")
    if np.isnan(bin_cost).any() or np.isnan(switch_cost).any():
        problems.append("a cost is not a number")
    if most_periods < 1 or least_bins < 1:
        problems.append("a day has one period at least, and a period one bin")
    if problems:
        raise DataRefused("no timetable can be found", "mend what is given", problems)
    return int(bin_cost.shape[0]), int(bin_cost.shape[1])
