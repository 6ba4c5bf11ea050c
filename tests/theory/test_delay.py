"""Delay and capacity against the project's oracle table (T-4, T-6 to T-8)."""

from __future__ import annotations

import numpy as np
import pytest

from optimizers.delay import (
    capacity_vph,
    hcm_delay,
    saturation_flow_vph,
    uniform_delay_s,
    webster_delay_s,
)
from traffic_brain.errors import DataRefused


def test_t4_uniform_delay() -> None:
    """T-4: 20 arrivals and 50 departures a minute, red 30 of 60 s: 30² / (2 x 60 x .6)."""
    assert uniform_delay_s(60, 30, 20 * 60, 50 * 60) == pytest.approx(12.5, abs=1e-6)


def test_t4_by_counting_vehicles() -> None:
    """The same delay from the area between arrivals and departures, second by second."""
    step_s = 0.001
    t = np.arange(0.0, 60.0, step_s)
    arrived = t * 20 / 60
    departed = np.minimum(arrived, np.maximum(0.0, (t - 30.0) * 50 / 60))
    area_veh_s = float(np.sum(arrived - departed) * step_s)
    assert area_veh_s / 20 == pytest.approx(float(uniform_delay_s(60, 30, 1200, 3000)), abs=1e-3)


def test_t6_capacity() -> None:
    """T-6: the textbook rounds 3600 / 2.48 to 1452 veh/h; unrounded it is 785.81."""
    assert saturation_flow_vph(2.48) == 1452.0
    capacity = capacity_vph(saturation_flow_vph(2.48), 40.6, 75)
    assert capacity == pytest.approx(786.01, abs=0.1)


def test_t7_webster_three_terms() -> None:
    delay = webster_delay_s((60, 60, 100), (30, 30, 40), (600, 800, 600), 1800)
    assert delay == pytest.approx((13.895, 25.418, 34.696), abs=1e-3)


def test_webster_two_terms() -> None:
    """By hand for (60, 30, 600, 1800): 11.25 + (2/3)² / (2 x 1/6 x 1/3) = 15.25 s."""
    assert webster_delay_s(60, 30, 600, 1800, corrected=False) == pytest.approx(15.25, abs=1e-9)


def test_webster_at_the_ends() -> None:
    """No flow: the uniform term, C (1 - g/C)² / 2. At capacity: no steady state."""
    assert webster_delay_s(60, 30, (0, 900, 1000), 1800).tolist() == [7.5, np.inf, np.inf]


def test_t8_hcm_three_periods() -> None:
    """T-8: 25 veh/h above capacity leave 6.25 vehicles more after each quarter of an hour."""
    queue = np.array(0.0)
    found, queues = [], []
    for _ in range(3):
        delay = hcm_delay(800, 775, 0.40, 90, period_h=0.25, initial_queue_veh=queue)
        found.append(float(delay.control_delay_s_per_veh))
        queue = delay.leftover_queue_veh
        queues.append(float(queue))
    assert found == pytest.approx((67.897, 96.929, 125.961), abs=1e-3)
    assert queues == pytest.approx((6.25, 12.5, 18.75))


def test_hcm_queue_that_clears() -> None:
    """HCM F16: 20 vehicles, 200 veh/h to spare: t = .1 h, u = 0, d3 = 1800 x 20 x .1 / (800 x .25).

    d1 is saturated for .1 h and undersaturated for .15 h.
    """
    delay = hcm_delay(600, 800, 0.45, 80, initial_queue_veh=20)
    assert float(delay.initial_queue_s) == pytest.approx(1800 * 20 * 0.1 / 200)
    saturated, free = 0.5 * 80 * 0.55, 0.5 * 80 * 0.55**2 / (1 - 0.75 * 0.45)
    assert float(delay.uniform_s) == pytest.approx((saturated * 0.1 + free * 0.15) / 0.25)
    assert float(delay.leftover_queue_veh) == 0.0


def test_hcm_queue_that_stays_below_capacity() -> None:
    """100 vehicles, 200 veh/h to spare: 50 are left after a quarter, u = 1 - 50 / 100."""
    delay = hcm_delay(600, 800, 0.45, 80, initial_queue_veh=100)
    assert float(delay.leftover_queue_veh) == pytest.approx(50.0)
    assert float(delay.initial_queue_s) == pytest.approx(1800 * 100 * 1.5 * 0.25 / 200)


def test_arrays_broadcast() -> None:
    delay = hcm_delay(np.array([[400.0], [800.0]]), [700.0, 900.0, 1100.0], 0.4, 90)
    assert delay.control_delay_s_per_veh.shape == (2, 3)
    assert np.all(np.diff(delay.control_delay_s_per_veh, axis=1) < 0.0)
    assert np.all(np.diff(delay.control_delay_s_per_veh, axis=0) > 0.0)


def test_always_green_has_no_uniform_delay() -> None:
    assert uniform_delay_s(60, 60, 1800, 1800) == 0.0


def test_impossible_figures_are_refused() -> None:
    with pytest.raises(DataRefused, match="longer than the cycle"):
        uniform_delay_s(60, 61, 600, 1800)
    with pytest.raises(DataRefused, match="demand is below 0 or not a number in 1 of 2"):
        webster_delay_s(60, 30, (600, -1), 1800)
    with pytest.raises(DataRefused, match="capacity"):
        hcm_delay(800, 0, 0.4, 90)
