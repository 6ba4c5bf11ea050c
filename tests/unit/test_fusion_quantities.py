"""Density, delay and queue from flow and travel time."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.fusion.quantities import STANDING_RATIO, Times, derived


def test_quantities_of_a_link_by_hand() -> None:
    """60 vehicles in 5 min that take 40 s for 200 m, 20 s of them lost: 8 on it, 4 delayed."""
    length = np.array([[200.0]])
    times = Times(*(np.array([[t]]) for t in (40.0, 30.0, 60.0, 20.0)))
    found = {k: float(v[0, 0]) for k, v in derived(np.array([[60.0]]), times, length).items()}
    assert found["density_veh_per_km"] == pytest.approx(40.0)
    assert found["queue_veh"] == pytest.approx(4.0 * STANDING_RATIO)
    delays = [found[f"delay{side}_s_per_veh"] for side in ("_low", "", "_high")]
    assert delays == [10.0, 20.0, 40.0]
    for name in ("flow{}_veh", "density{}_veh_per_km", "queue{}_veh"):
        low, high = (found[name.format(side)] for side in ("_low", "_high"))
        assert 0 <= low < found.get(name.format(""), 60.0) < high


def test_a_free_and_an_empty_link_have_no_delay_and_no_queue() -> None:
    length = np.array([[100.0], [100.0]])
    times = Times(*(np.full((2, 1), t) for t in (9.0, 8.0, 11.0, 10.0)))
    found = derived(np.array([[30.0], [0.0]]), times, length)
    assert (found["delay_s_per_veh"] == 0).all()
    assert (found["queue_veh"] == 0).all()
    assert (found["delay_high_s_per_veh"] == 1.0).all()
    assert found["density_veh_per_km"][1, 0] == 0 < found["density_high_veh_per_km"][1, 0]
    assert found["flow_low_veh"][1, 0] == 0
