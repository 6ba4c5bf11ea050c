"""Yellow, all-red and pedestrian green against the project's oracle table (T-14 to T-16)."""

from __future__ import annotations

import pytest

from optimizers.clearance import (
    all_red_s,
    pedestrian_green_s,
    planned_all_red_s,
    planned_pedestrian_green_s,
    planned_yellow_s,
    yellow_s,
)
from traffic_brain.errors import DataRefused


@pytest.mark.parametrize(
    ("speed_kmh", "expected_s"), [(40, 2.821), (50, 3.277), (60, 3.732), (80, 4.643)]
)
def test_t14_yellow(speed_kmh: float, expected_s: float) -> None:
    yellow = yellow_s(speed_kmh / 3.6, reaction_s=1.0, deceleration_mps2=3.05)
    assert yellow == pytest.approx(expected_s, abs=1e-3)


@pytest.mark.parametrize(("speed_kmh", "planned_s"), [(0, 3), (40, 3), (50, 4), (60, 4), (80, 5)])
def test_t14_a_plan_never_shows_less_than_3_s(speed_kmh: float, planned_s: int) -> None:
    assert planned_yellow_s(speed_kmh / 3.6) == planned_s


@pytest.mark.parametrize(("speed_kmh", "expected_s"), [(40, 2.340), (50, 1.872), (60, 1.560)])
def test_t15_all_red(speed_kmh: float, expected_s: float) -> None:
    found = all_red_s(20.0, speed_kmh / 3.6, vehicle_length_m=6.0)
    assert found == pytest.approx(expected_s, abs=1e-3)
    assert planned_all_red_s(20.0, speed_kmh / 3.6) == int(expected_s) + 1


def test_t16_pedestrian_green() -> None:
    assert pedestrian_green_s(20.0, 1.0) == pytest.approx(27.0, abs=1e-2)
    assert pedestrian_green_s(20.0, 1.2) == pytest.approx(23.67, abs=1e-2)
    assert planned_pedestrian_green_s(20.0) == 27
    assert planned_pedestrian_green_s(20.0, 1.2) == 24


def test_impossible_figures_are_refused_together() -> None:
    with pytest.raises(DataRefused) as refused:
        yellow_s(-1.0, deceleration_mps2=0.0)
    assert len(refused.value.problems) == 2
    with pytest.raises(DataRefused, match="speed"):
        all_red_s(20.0, 0.0)
    with pytest.raises(DataRefused, match="finite"):
        pedestrian_green_s(float("inf"))
