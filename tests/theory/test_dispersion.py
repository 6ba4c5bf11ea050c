"""Robertson's platoon dispersion against the project's oracle table (T-12, T-13)."""

from __future__ import annotations

import numpy as np
import pytest

from traffic_brain.errors import DataRefused
from traffic_brain.kernels.dispersion import Dispersion, calibrated, disperse, robertson


def test_t12_calibrated_from_a_measured_spread() -> None:
    """T-12, the worked example of NPTEL's lecture on traffic progression models.

    Steps of 10 s: F = 2 x 10 / (10 + √(10² + 4 x 5.951²)) = .783, shift 2 steps. The lecture
    lists the flows from 10 s on.
    """
    dispersion = calibrated(22.8, 5.951, step_s=10.0)
    assert dispersion.smoothing_ratio == pytest.approx(0.783, abs=1e-3)
    assert dispersion.shift_steps == 2
    arrivals = disperse((20, 10, 15, 18, 14, 12), dispersion, step_count=11)
    expected = (0, 15.66, 11.23, 14.18, 17.17, 14.69, 12.58, 2.73, 0.59, 0.13)
    assert arrivals[0] == 0.0
    assert arrivals[1:] == pytest.approx(expected, abs=0.01)


def test_t13_pulse() -> None:
    """T-13: 20 s at 1800 veh/h; F = 1 / (1 + .35 x .8 x 30), peak 1800 (1 - (1 - F)^20)."""
    dispersion = robertson(30.0, step_s=1.0, alpha=0.35, beta=0.8)
    assert dispersion.shift_steps == 24
    assert dispersion.smoothing_ratio == pytest.approx(0.106383, abs=1e-6)
    arrivals = disperse([1800.0] * 20, dispersion)
    assert np.all(arrivals[:24] == 0.0)
    assert arrivals[24] > 0.0
    assert arrivals.max() == pytest.approx(1610.198, abs=1e-3)
    assert int(arrivals.argmax()) == 24 + 19
    assert arrivals.sum() == pytest.approx(1800.0 * 20, abs=1e-3)


def test_without_spread_the_platoon_only_shifts() -> None:
    dispersion = calibrated(20.0, 0.0, step_s=10.0)
    assert dispersion == Dispersion(smoothing_ratio=1.0, shift_steps=2)
    assert disperse((5.0, 7.0), dispersion).tolist() == [0.0, 0.0, 5.0, 7.0]


def test_impossible_figures_are_refused_together() -> None:
    with pytest.raises(DataRefused) as refused:
        robertson(0.0, step_s=0.0, alpha=-1.0, beta=2.0)
    assert len(refused.value.problems) == 4
    with pytest.raises(DataRefused, match="leaves no travel time"):
        calibrated(5.0, 50.0, step_s=1.0)
    with pytest.raises(DataRefused) as refused:
        disperse((1.0, -1.0), Dispersion(1.5, -1), step_count=-1)
    assert len(refused.value.problems) == 4
    with pytest.raises(DataRefused, match="one row"):
        disperse([[1.0]], Dispersion(0.5, 1))
    with pytest.raises(DataRefused, match="gaps"):
        disperse([1.0, float("nan")], Dispersion(0.5, 1))
