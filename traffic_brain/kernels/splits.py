"""Delay of a junction's lanes for given greens, and the search for greens with the least delay."""

from __future__ import annotations

import numpy as np
from numba import njit

OK = 0
DOES_NOT_FIT = 1
"""The least greens and the clearances are longer than the cycle."""

ANALYSIS_H = 0.25
MIN_GREEN_S = 0.5


@njit(cache=True)
def junction_delay(
    greens: np.ndarray,
    cycle: float,
    credit: np.ndarray,
    fixed: np.ndarray,
    demand: np.ndarray,
    saturation: np.ndarray,
) -> float:
    """Vehicle-seconds of delay per hour, summed over lanes, mean over demand bins.

    HCM 2000 (16-11, 16-12) with random arrivals, T = 0.25 h, k = 0.5, I = 1:
    d = C/2 (1 − g/C)² / (1 − min(1, x) g/C) + 900 T [(x − 1) + √((x − 1)² + 4x / (cT))].

    Args:
        greens: float64[stage] s. credit: float64[lane, stage]. fixed: float64[lane] s.
        demand: float64[lane, bin] veh/h. saturation: float64[lane] veh/h.
    """
    total = 0.0
    bins = demand.shape[1]
    for lane in range(demand.shape[0]):
        effective = fixed[lane]
        for stage in range(greens.shape[0]):
            effective += credit[lane, stage] * greens[stage]
        effective = min(max(effective, MIN_GREEN_S), cycle)
        ratio = effective / cycle
        capacity = saturation[lane] * ratio
        for b in range(bins):
            flow = demand[lane, b]
            if flow <= 0.0:
                continue
            x = flow / capacity
            uniform = 0.5 * cycle * (1.0 - ratio) ** 2 / max(1.0 - min(1.0, x) * ratio, 1e-6)
            excess = x - 1.0
            random = (
                900.0
                * ANALYSIS_H
                * (excess + np.sqrt(excess * excess + 4.0 * x / (capacity * ANALYSIS_H)))
            )
            total += flow * (uniform + random)
    return float(total / max(bins, 1))


@njit(cache=True)
def search_greens(
    least: np.ndarray,
    most: np.ndarray,
    clearance: int,
    cycle: int,
    credit: np.ndarray,
    fixed: np.ndarray,
    demand: np.ndarray,
    saturation: np.ndarray,
    greens: np.ndarray,
) -> int:
    """Whole-second greens of least delay for one cycle, into ``greens`` (float64[stage]).

    Greedy by the second from the least greens, then exchanges of 8, 4, 2 and 1 s between pairs
    of stages until none helps.
    """
    stages = least.shape[0]
    total_least = clearance
    total_most = clearance
    for i in range(stages):
        greens[i] = least[i]
        total_least += int(least[i])
        total_most += int(most[i])
    if total_least > cycle or total_most < cycle:
        return DOES_NOT_FIT
    for _ in range(cycle - total_least):
        best, best_delay = -1, np.inf
        for i in range(stages):
            if greens[i] < most[i]:
                greens[i] += 1.0
                delay = junction_delay(greens, cycle, credit, fixed, demand, saturation)
                greens[i] -= 1.0
                if delay < best_delay:
                    best, best_delay = i, delay
        greens[best] += 1.0
    current = junction_delay(greens, cycle, credit, fixed, demand, saturation)
    step = 8.0
    while step >= 1.0:
        improved = False
        for i in range(stages):
            for j in range(stages):
                if i == j or greens[i] - step < least[i] or greens[j] + step > most[j]:
                    continue
                greens[i] -= step
                greens[j] += step
                delay = junction_delay(greens, cycle, credit, fixed, demand, saturation)
                if delay < current - 1e-9:
                    current = delay
                    improved = True
                else:
                    greens[i] += step
                    greens[j] -= step
        if not improved:
            step /= 2.0
    return OK
