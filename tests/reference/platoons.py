"""Obvious twins of ``traffic_brain.kernels.platoons``: platoons and queues second by second."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

ALPHA, BETA = 0.35, 0.8
STOP_PENALTY_S = 4.0
FULLEST_RATIO = 0.97
SPILLBACK_PENALTY = 20.0


def spread_platoon(profile: Sequence[float], travel_s: float) -> list[float]:
    """Each vehicle that departs in second j arrives in j + shift + i with F (1 − F)^i, cyclic."""
    cycle = len(profile)
    shift = round(BETA * travel_s)
    smoothing = 1.0 / (1.0 + ALPHA * BETA * travel_s)
    arrivals = [0.0] * cycle
    for j, departed in enumerate(profile):
        for i in range(cycle):
            # All later turns of the cycle at once: 1 + q + q² + … with q = (1 − F)^cycle.
            turns = 1.0 / (1.0 - (1.0 - smoothing) ** cycle)
            share = smoothing * (1.0 - smoothing) ** i * turns
            arrivals[(j + shift + i) % cycle] += departed * share
    return arrivals


def approach_cost(
    arrivals: Sequence[Sequence[float]],
    uniform: Sequence[float],
    service: Sequence[Sequence[float]],
    storage: Sequence[float],
    offset: int,
) -> float:
    """Vehicle-seconds in the tenth cycle of an approach whose signal starts ``offset`` later."""
    total = 0.0
    for come, even, leave, room in zip(arrivals, uniform, service, storage, strict=True):
        cycle = len(leave)
        demand, capacity = sum(come) + even * cycle, sum(leave)
        if demand <= 0 or capacity <= 0:
            continue
        scale = min(1.0, FULLEST_RATIO * capacity / demand)
        queue = 0.0
        for t in range(10 * cycle):
            arriving = scale * (come[(t + offset) % cycle] + even)
            stopping = arriving if queue > 1e-9 or leave[t % cycle] < arriving else 0.0
            queue = max(queue + arriving - leave[t % cycle], 0.0)
            if t >= 9 * cycle:
                over = max(queue - room, 0.0)
                total += queue + STOP_PENALTY_S * stopping + SPILLBACK_PENALTY * over
    return total


def city_cost(starts: Sequence[int], tables: Mapping[tuple[int, int], Sequence[float]]) -> float:
    """Cost of all pairs (upstream, downstream) at the given starts of cycle."""
    return sum(
        table[(starts[down] - starts[up]) % len(table)] for (up, down), table in tables.items()
    )
