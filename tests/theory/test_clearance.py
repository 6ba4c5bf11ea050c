"""Yellow, all-red and pedestrian green against the project's oracle table (T-14 to T-16)."""

from __future__ import annotations

import pytest

from traffic_brain.model.standards import (
    SafetyStandard,
    all_red_s,
    pedestrian_green_s,
    yellow_s,
)


@pytest.mark.parametrize(
    ("speed_kmh", "expected_s"), [(40, 2.821), (50, 3.277), (60, 3.732), (80, 4.643)]
)
def test_t14_yellow(speed_kmh: float, expected_s: float) -> None:
    """t + v/(2a), t 1 s, a 3.05 m/s²."""
    assert yellow_s(speed_kmh / 3.6) == pytest.approx(expected_s, abs=1e-3)


@pytest.mark.parametrize(("speed_kmh", "expected_s"), [(40, 2.340), (50, 1.872), (60, 1.560)])
def test_t15_all_red(speed_kmh: float, expected_s: float) -> None:
    """(W + L)/v, W 20 m, L 6 m."""
    assert all_red_s(20.0, speed_kmh / 3.6) == pytest.approx(expected_s, abs=1e-3)


@pytest.mark.parametrize(("speed_mps", "expected_s"), [(1.0, 27.0), (1.2, 23.67)])
def test_t16_pedestrian_green(speed_mps: float, expected_s: float) -> None:
    """7 + L/v, L 20 m."""
    standard = SafetyStandard(walking_speed_mps=speed_mps)
    assert pedestrian_green_s(20.0, standard) == pytest.approx(expected_s, abs=1e-2)
