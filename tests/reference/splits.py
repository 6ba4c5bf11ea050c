"""Obvious twins of ``traffic_brain.kernels.splits``: HCM's formula, and every split there is."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

LEAST_EFFECTIVE_S = 0.5


def delay_s_per_veh(
    flow_vph: float, saturation_vph: float, green_s: float, cycle_s: float
) -> float:
    """HCM 2000 (16-11) and (16-12), T = 0.25 h, random arrivals, fixed time (k = 0.5, I = 1)."""
    ratio = green_s / cycle_s
    capacity = saturation_vph * ratio
    x = flow_vph / capacity
    served = min(1.0, x) * ratio
    uniform = 0.0 if ratio >= 1.0 else cycle_s * (1.0 - ratio) ** 2 / (2.0 * (1.0 - served))
    random = 900 * 0.25 * ((x - 1) + math.sqrt((x - 1) ** 2 + 8 * 0.5 * x / (capacity * 0.25)))
    return uniform + random


def junction_delay(
    greens_s: Sequence[float],
    cycle_s: float,
    credit: Sequence[Sequence[float]],
    fixed_s: Sequence[float],
    demand_vph: Sequence[Sequence[float]],
    saturation_vph: Sequence[float],
) -> float:
    """Vehicle-seconds per hour over all lanes, mean over the demand bins."""
    bins = len(demand_vph[0])
    total = 0.0
    for lane, flows in enumerate(demand_vph):
        green_s = fixed_s[lane] + sum(c * g for c, g in zip(credit[lane], greens_s, strict=True))
        green_s = min(max(green_s, LEAST_EFFECTIVE_S), cycle_s)
        for flow in flows:
            if flow > 0:
                total += flow * delay_s_per_veh(flow, saturation_vph[lane], green_s, cycle_s)
    return total / bins


def all_greens(
    least: Sequence[int], most: Sequence[int], total_s: int
) -> Iterator[tuple[int, ...]]:
    """Every way to share whole seconds among stages within their limits."""
    if len(least) == 1:
        if least[0] <= total_s <= most[0]:
            yield (total_s,)
        return
    for first in range(least[0], min(most[0], total_s) + 1):
        for rest in all_greens(least[1:], most[1:], total_s - first):
            yield (first, *rest)


def best_greens(
    least: Sequence[int],
    most: Sequence[int],
    total_s: int,
    delay: Callable[[tuple[int, ...]], float],
) -> tuple[int, ...] | None:
    """The greens of least delay; None when none fit."""
    return min(all_greens(least, most, total_s), key=delay, default=None)
