"""What follows from flow and travel time: density, delay and queue, each with its interval.

Density is flow times pace (Edie 1963: time spent over length and time); the vehicles that stand in
queue are a share of the delay that is spent per second (Little 1961). Errors of flow and of travel
time are taken as independent; intervals are of 95 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traffic_brain.fusion.window import BIN_S

SIGMAS_95 = 1.96
FLOW_ERROR = (0.2, 1.0)
"""Standard error of a link's flow beside Poisson's: a share of the vehicles, and vehicles in 5 min;
measured on recorded worlds."""
STANDING_RATIO = 0.75
"""Of the delay on a link, so much is spent standing (below 0.1 m/s); the rest is braking and moving
up. Measured on recorded worlds."""
QUEUE_ERROR = (0.3, 0.3)
"""Standard error of a mean queue: a share of it, and vehicles."""


@dataclass(frozen=True)
class Times:
    """Travel times, their interval, and those of free flow, in s; float64[link, bin]."""

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    free: np.ndarray


def derived(flow_veh: np.ndarray, times: Times, length_m: np.ndarray) -> Mapping[str, np.ndarray]:
    """Columns of the link state, float64[link, bin] each, in their order.

    Args:
        flow_veh: float64[link, bin] vehicles in a bin. length_m: float64[link, 1].
    """
    ratio, least = FLOW_ERROR
    error = np.sqrt(np.maximum(flow_veh, 1.0) + (ratio * flow_veh + least) ** 2)
    flow_low = np.maximum(flow_veh - SIGMAS_95 * error, 0.0)
    flow_high = flow_veh + SIGMAS_95 * error
    per_km = 1000.0 / (np.maximum(length_m, 1.0) * BIN_S)
    density = flow_veh * times.mean * per_km
    down, up = _apart(flow_veh, error, times)
    delay, delay_low, delay_high = (
        np.maximum(t - times.free, 0.0) for t in (times.mean, times.low, times.high)
    )
    queue = STANDING_RATIO * delay * flow_veh / BIN_S
    share, vehicles = QUEUE_ERROR
    queue_error = np.hypot(share * queue, vehicles)
    highest = STANDING_RATIO * delay_high * flow_high / BIN_S
    return {
        "flow_low_veh": flow_low,
        "flow_high_veh": flow_high,
        "density_veh_per_km": density,
        "density_low_veh_per_km": density * down,
        "density_high_veh_per_km": density * up + SIGMAS_95 * least * times.mean * per_km,
        "delay_s_per_veh": delay,
        "delay_low_s_per_veh": delay_low,
        "delay_high_s_per_veh": delay_high,
        "queue_veh": queue,
        "queue_low_veh": np.maximum(queue - SIGMAS_95 * queue_error, 0.0),
        "queue_high_veh": np.maximum(queue + SIGMAS_95 * queue_error, highest),
    }


def _apart(flow_veh: np.ndarray, error: np.ndarray, times: Times) -> tuple[np.ndarray, np.ndarray]:
    """Factors down and up of a product of flow and travel time."""
    of_flow = error / np.maximum(flow_veh, 1.0)
    of_time = np.log(times.high / times.low) / (2.0 * SIGMAS_95)
    spread = SIGMAS_95 * np.hypot(of_flow, of_time)
    return np.exp(-spread), 1.0 + spread
