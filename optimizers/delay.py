"""Delay and capacity of a signalised approach: uniform, Webster (1958) and HCM 2000.

All functions take numbers or arrays that broadcast against each other and return float arrays
(0-dimensional for numbers). Flows in veh/h, times in s. Greens are effective greens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from traffic_brain.errors import DataRefused

Floats = NDArray[np.float64]

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class HcmDelay:
    """HCM 2000 control delay per vehicle and its three terms; arrays of one shape."""

    uniform_s: Floats
    incremental_s: Floats
    initial_queue_s: Floats
    leftover_queue_veh: Floats
    """Queue at the end of the period: the ``initial_queue_veh`` of the next one."""

    @property
    def control_delay_s_per_veh(self) -> Floats:
        return self.uniform_s + self.incremental_s + self.initial_queue_s


def saturation_flow_vph(saturation_headway_s: ArrayLike) -> Floats:
    """Saturation flow of one lane, 3600 / headway, in whole vehicles per hour.

    The literature states saturation flows in whole vehicles, and so do the textbook results
    that rest on them: a headway of 2.48 s is 1452 veh/h, not 1451.6.
    """
    headway = _positive("saturation headway", saturation_headway_s)
    return np.floor(SECONDS_PER_HOUR / headway + 0.5)


def capacity_vph(
    saturation_flow_vph: ArrayLike, effective_green_s: ArrayLike, cycle_s: ArrayLike
) -> Floats:
    """Capacity: saturation flow times green ratio."""
    saturation_flow = _positive("saturation flow", saturation_flow_vph)
    return saturation_flow * _green_ratio(effective_green_s, cycle_s)


def uniform_delay_s(
    cycle_s: ArrayLike,
    effective_green_s: ArrayLike,
    demand_vph: ArrayLike,
    saturation_flow_vph: ArrayLike,
) -> Floats:
    """Delay per vehicle with even arrivals, C (1 - g/C)² / (2 (1 - y)).

    Above capacity the queue that grows is not in it (HCM: the ratio is held at 1).
    """
    cycle = _positive("cycle", cycle_s)
    green_ratio = _green_ratio(effective_green_s, cycle_s)
    flow_ratio = _flow_ratio(demand_vph, saturation_flow_vph)
    return _uniform(cycle, green_ratio, np.minimum(flow_ratio, green_ratio))


def webster_delay_s(
    cycle_s: ArrayLike,
    effective_green_s: ArrayLike,
    demand_vph: ArrayLike,
    saturation_flow_vph: ArrayLike,
    *,
    corrected: bool = True,
) -> Floats:
    """Webster's delay per vehicle: uniform + random arrivals - his empirical correction.

    ``corrected=False`` leaves the third term out (the two-term form). A steady state only exists
    below capacity: at or above it the delay is infinite.
    """
    cycle = _positive("cycle", cycle_s)
    green_ratio = _green_ratio(effective_green_s, cycle_s)
    saturation = _flow_ratio(demand_vph, saturation_flow_vph) / green_ratio
    flow_vps = _not_negative("demand", demand_vph) / SECONDS_PER_HOUR
    with np.errstate(divide="ignore", invalid="ignore"):
        random_s = saturation**2 / (2.0 * flow_vps * (1.0 - saturation))
        third_s = 0.65 * np.cbrt(cycle / flow_vps**2) * saturation ** (2.0 + 5.0 * green_ratio)
    uniform_s = _uniform(cycle, green_ratio, np.minimum(saturation, 1.0) * green_ratio)
    delay_s = uniform_s + random_s - (third_s if corrected else 0.0)
    # Both terms vanish with the flow, but divide by it.
    delay_s = np.where(flow_vps > 0.0, delay_s, uniform_s)
    return np.asarray(np.where(saturation < 1.0, delay_s, np.inf), dtype=np.float64)


def hcm_delay(
    demand_vph: ArrayLike,
    capacity_vph: ArrayLike,
    green_ratio: ArrayLike,
    cycle_s: ArrayLike,
    *,
    period_h: float = 0.25,
    initial_queue_veh: ArrayLike = 0.0,
    progression_factor: ArrayLike = 1.0,
    incremental_factor: float = 0.5,
) -> HcmDelay:
    """Control delay of the Highway Capacity Manual 2000, chapter 16 and its appendix F.

    ``progression_factor`` 1 is random arrivals; ``incremental_factor`` 0.5 is fixed time at an
    isolated junction (k, with I = 1). For later periods pass on ``leftover_queue_veh``.

    Raises:
        DataRefused: capacity, cycle or period not above zero, or a figure below zero.
    """
    demand = _not_negative("demand", demand_vph)
    capacity = _positive("capacity", capacity_vph)
    cycle = _positive("cycle", cycle_s)
    ratio = _positive("green ratio", green_ratio)
    _refuse_if("green ratio", ratio > 1.0, "above 1")
    queue = _not_negative("initial queue", initial_queue_veh)
    period = float(_positive("period", period_h))

    saturation = demand / capacity
    held = np.minimum(saturation, 1.0)
    queue_h, queue_share = _queue_duration(queue, capacity, held, period)
    undersaturated_s = _uniform(cycle, ratio, held * ratio) * np.asarray(progression_factor)
    saturated_s = _uniform(cycle, ratio, ratio)
    # While the first queue stands, arrivals wait as at saturation.
    uniform_s = (saturated_s * queue_h + undersaturated_s * (period - queue_h)) / period
    excess = saturation - 1.0
    incremental_s = (
        900.0
        * period
        * (
            excess
            + np.sqrt(excess**2 + 8.0 * incremental_factor * saturation / (capacity * period))
        )
    )
    initial_queue_s = 1800.0 * queue * (1.0 + queue_share) * queue_h / (capacity * period)
    leftover = np.maximum(0.0, queue + (demand - capacity) * period)
    return HcmDelay(*np.broadcast_arrays(uniform_s, incremental_s, initial_queue_s, leftover))


def _queue_duration(
    queue: Floats, capacity: Floats, held: Floats, period_h: float
) -> tuple[Floats, Floats]:
    """Hours of the period with unmet demand (t), and the delay parameter u (HCM F16-5, F16-6)."""
    spare = capacity * (1.0 - held)
    with np.errstate(divide="ignore", invalid="ignore"):
        clears_h = np.where(queue > 0.0, queue / spare, 0.0)
        unserved = np.where(queue > 0.0, 1.0 - spare * period_h / queue, 0.0)
    return np.minimum(clears_h, period_h), np.where(clears_h < period_h, 0.0, unserved)


def _uniform(cycle: Floats, green_ratio: Floats, flow_ratio: Floats) -> Floats:
    """C (1 - g/C)² / (2 (1 - y)), zero where the green never ends."""
    always_green = green_ratio >= 1.0
    remaining = np.where(always_green, 1.0, 1.0 - flow_ratio)
    return np.asarray(cycle * (1.0 - green_ratio) ** 2 / (2.0 * remaining), dtype=np.float64)


def _green_ratio(effective_green_s: ArrayLike, cycle_s: ArrayLike) -> Floats:
    ratio = _positive("effective green", effective_green_s) / _positive("cycle", cycle_s)
    _refuse_if("effective green", ratio > 1.0, "longer than the cycle")
    return ratio


def _flow_ratio(demand_vph: ArrayLike, saturation_flow_vph: ArrayLike) -> Floats:
    return _not_negative("demand", demand_vph) / _positive("saturation flow", saturation_flow_vph)


def _positive(what: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    _refuse_if(what, ~(np.isfinite(array) & (array > 0.0)), "not above 0")
    return array


def _not_negative(what: str, value: ArrayLike) -> Floats:
    array = np.asarray(value, dtype=np.float64)
    _refuse_if(what, ~(np.isfinite(array) & (array >= 0.0)), "below 0 or not a number")
    return array


def _refuse_if(what: str, wrong: NDArray[np.bool_], problem: str) -> None:
    if np.any(wrong):
        raise DataRefused(
            f"{what} is {problem} in {int(np.sum(wrong))} of {np.size(wrong)} places",
            "correct the figures of the approach",
        )
