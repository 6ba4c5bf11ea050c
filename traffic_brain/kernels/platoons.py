"""Delay of an approach by its offset to the signal upstream, and offsets for a whole city.

The model is that of TRANSYT (Robertson 1969): departures upstream keep one profile per cycle,
platoons spread on the way (geometric distribution, smoothing F = 1 / (1 + α β T) after a shift of
β T with α = 0.35, β = 0.8), and a vertical queue discharges at saturation flow during green.
"""

from __future__ import annotations

import numpy as np
from numba import njit

OK = 0
ALPHA = 0.35
BETA = 0.8
STOP_PENALTY_S = 4.0
"""Time lost by braking and accelerating that a vertical queue does not see."""
FULLEST_RATIO = 0.97
"""Arrivals above this share of capacity are scaled down to it: a queue that grows without end
would drown the effect of the offset, which is the same for every offset."""


@njit(cache=True)
def spread_platoon(profile: np.ndarray, travel_s: float, arrivals: np.ndarray) -> int:
    """Arrivals at the end of a link, cyclic; both float64[second of cycle], same sum.

    Times count from the start of the upstream cycle, in which travel is included.
    """
    cycle = profile.shape[0]
    shift = int(np.round(BETA * travel_s))
    smoothing = 1.0 / (1.0 + ALPHA * BETA * travel_s)
    rate = 0.0
    for t in range(cycle):
        rate = smoothing * profile[t] + (1.0 - smoothing) * rate
    # What a cycle leaves behind returns in every later one: a geometric series.
    rate /= 1.0 - (1.0 - smoothing) ** cycle
    for t in range(cycle):
        rate = smoothing * profile[t] + (1.0 - smoothing) * rate
        arrivals[(t + shift) % cycle] = rate
    return OK


SPILLBACK_PENALTY = 20.0
"""Vehicle-seconds counted for each second that a vehicle does not fit between two stop lines: it
then stands on the junction upstream and blocks others. Our own figure."""


@njit(cache=True)
def approach_table(
    arrivals: np.ndarray,
    uniform: np.ndarray,
    service: np.ndarray,
    storage: np.ndarray,
    table: np.ndarray,
) -> int:
    """table[offset]: delay of an approach per cycle, in vehicle-seconds, stops included.

    Args:
        arrivals: float64[movement, second] veh/s on the upstream clock.
        uniform: float64[movement] veh/s that come evenly.
        service: float64[movement, second] veh/s that may leave, on the downstream clock.
        storage: float64[movement] vehicles that fit between the two stop lines.
        table: float64[offset], downstream cycle start − upstream cycle start; output.
    """
    movements, cycle = service.shape
    for offset in range(cycle):
        table[offset] = 0.0
    for m in range(movements):
        total = uniform[m] * cycle + arrivals[m].sum()
        capacity = service[m].sum()
        if total <= 0.0 or capacity <= 0.0:
            continue
        scale = min(1.0, FULLEST_RATIO * capacity / total)
        for offset in range(cycle):
            queue = 0.0
            cost = 0.0
            for t in range(3 * cycle):
                come = scale * (uniform[m] + arrivals[m, (t + offset) % cycle])
                may_leave = service[m, t % cycle]
                stops = come if queue > 1e-9 or may_leave < come else 0.0
                queue = max(queue + come - may_leave, 0.0)
                if t >= 2 * cycle:
                    cost += queue + STOP_PENALTY_S * stops
                    cost += SPILLBACK_PENALTY * max(queue - storage[m], 0.0)
            table[offset] += cost
    return OK


@njit(cache=True)
def descend(
    starts: np.ndarray,
    first: np.ndarray,
    other: np.ndarray,
    forward: np.ndarray,
    table_idx: np.ndarray,
    tables: np.ndarray,
    order: np.ndarray,
) -> float:
    """Move one signal after the other to its best start until none gains; returns the cost.

    Args:
        starts: int64[signal] start of the cycle in [0, cycle); changed in place.
        first: int64[signal + 1], neighbours of signal i are entries first[i] … first[i + 1] − 1 of
        other: int64[entry] the neighbour, forward: bool[entry] True when the neighbour is
            downstream, table_idx: int64[entry] row of ``tables``.
        tables: float64[pair, offset]. order: int64[signal] order of the visits.
    """
    cycle = tables.shape[1]
    improved = True
    while improved:
        improved = False
        for k in range(order.shape[0]):
            i = order[k]
            best, best_cost, cost_now = starts[i], np.inf, np.inf
            for start in range(cycle):
                cost = 0.0
                for e in range(first[i], first[i + 1]):
                    if forward[e]:
                        cost += tables[table_idx[e], (starts[other[e]] - start) % cycle]
                    else:
                        cost += tables[table_idx[e], (start - starts[other[e]]) % cycle]
                if start == starts[i]:
                    cost_now = cost
                if cost < best_cost:
                    best, best_cost = start, cost
            if best_cost < cost_now - 1e-9:
                starts[i] = best
                improved = True
    total = 0.0
    for i in range(starts.shape[0]):
        for e in range(first[i], first[i + 1]):
            if forward[e]:
                total += tables[table_idx[e], (starts[other[e]] - starts[i]) % cycle]
    return total
