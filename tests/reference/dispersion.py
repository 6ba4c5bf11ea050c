"""Obvious twin of ``traffic_brain.kernels.dispersion``: the shifted geometric series, written out.

Every vehicle that departs in step j arrives in step j + shift + i with probability
F (1 - F)^i (Seddon's form of Robertson's recursion).
"""

from __future__ import annotations

from collections.abc import Sequence


def disperse(
    departures: Sequence[float], shift_steps: int, smoothing_ratio: float, step_count: int
) -> list[float]:
    arrivals = [0.0] * step_count
    for j, departed in enumerate(departures):
        for k in range(j + shift_steps, step_count):
            delay_steps = k - j - shift_steps
            arrivals[k] += departed * smoothing_ratio * (1.0 - smoothing_ratio) ** delay_steps
    return arrivals
