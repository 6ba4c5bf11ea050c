"""Webster's cycle and greens against the project's oracle table (T-1 to T-3)."""

from __future__ import annotations

import pytest

from optimizers.webster import (
    TimingStatus,
    greens_s,
    minimum_cycle_s,
    practical_cycle_s,
    webster_cycle_s,
    webster_timing,
)
from traffic_brain.errors import DataRefused


def test_t1_cycle_and_greens() -> None:
    """T-1: (1.5 x 10 + 5) / (1 - .8) = 100 s; 90 s shared as .30 : .25 : .25."""
    timing = webster_timing((0.30, 0.25, 0.25), 10.0)
    assert timing.status is TimingStatus.FEASIBLE
    assert timing.cycle_s == pytest.approx(100.0, abs=1e-3)
    assert timing.greens_s == pytest.approx((33.75, 28.125, 28.125), abs=1e-3)


@pytest.mark.parametrize(
    ("lost_time_s", "flow_ratio_sum", "cycle_s"),
    [(10, 0.70, 66.667), (12, 0.80, 115.0), (16, 0.72, 103.571)],
)
def test_t2_cycles(lost_time_s: float, flow_ratio_sum: float, cycle_s: float) -> None:
    assert webster_cycle_s(flow_ratio_sum, lost_time_s) == pytest.approx(cycle_s, abs=1e-3)


def test_t3_minimum_and_practical_cycle() -> None:
    timing = webster_timing((0.18, 0.12, 0.22, 0.13), 16.0)
    assert timing.cycle_s == pytest.approx(82.857, abs=1e-3)
    assert timing.minimum_cycle_s == pytest.approx(45.714, abs=1e-3)
    assert timing.practical_cycle_s == pytest.approx(57.6, abs=1e-3)
    assert timing.greens_s == pytest.approx((18.514, 12.343, 22.629, 13.371), abs=1e-3)


@pytest.mark.parametrize("ratios", [(0.5, 0.5), (0.6, 0.7), (0.1,) * 10])
def test_without_capacity_there_is_no_cycle(ratios: tuple[float, ...]) -> None:
    timing = webster_timing(ratios, 12.0)
    assert timing.status is TimingStatus.OVERSATURATED
    assert (timing.cycle_s, timing.minimum_cycle_s, timing.practical_cycle_s) == (None, None, None)
    assert timing.greens_s == ()


def test_above_practical_saturation_it_says_so() -> None:
    timing = webster_timing((0.5, 0.45), 10.0)
    assert timing.status is TimingStatus.ABOVE_PRACTICAL
    assert timing.cycle_s == pytest.approx(400.0)
    assert timing.practical_cycle_s is None


def test_minimum_cycle_is_the_practical_one_at_saturation() -> None:
    assert minimum_cycle_s(0.65, 16.0) == practical_cycle_s(0.65, 16.0, 1.0)


def test_no_demand_shares_equally() -> None:
    assert greens_s((0.0, 0.0), 60.0, 10.0) == (25.0, 25.0)


def test_all_problems_at_once() -> None:
    with pytest.raises(DataRefused) as refused:
        webster_timing((0.3, -0.1, float("nan")), 0.0, practical_saturation_ratio=1.5)
    assert len(refused.value.problems) == 4
    with pytest.raises(DataRefused, match="no stage"):
        webster_timing((), 10.0)
