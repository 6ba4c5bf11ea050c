"""The dispersion kernel agrees with its obvious twin, and keeps vehicles and their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.dispersion import disperse as twin
from traffic_brain.kernels.dispersion import OK, Dispersion, disperse, disperse_kernel

FLOWS = st.lists(st.floats(0.0, 4000.0), max_size=30)
SHIFTS = st.integers(0, 40)
SMOOTHING = st.floats(0.02, 1.0)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(FLOWS, SHIFTS, SMOOTHING, st.integers(0, 80))
def test_kernel_agrees_with_its_twin(
    flows: list[float], shift: int, smoothing: float, steps: int
) -> None:
    found = disperse(flows, Dispersion(smoothing, shift), step_count=steps)
    assert found == pytest.approx(twin(flows, shift, smoothing, steps), abs=1e-6, rel=1e-9)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(FLOWS, SHIFTS, SMOOTHING)
def test_vehicles_are_kept(flows: list[float], shift: int, smoothing: float) -> None:
    arrivals = disperse(flows, Dispersion(smoothing, shift))
    assert arrivals.sum() == pytest.approx(sum(flows), rel=1e-8, abs=1e-6)
    assert np.all(arrivals >= 0.0)
    assert arrivals.max(initial=0.0) <= max(flows, default=0.0) * (1.0 + 1e-12)


@settings(derandomize=True, deadline=None, max_examples=50)
@given(FLOWS, SHIFTS, SMOOTHING)
def test_nobody_arrives_before_the_shifted_departures(
    flows: list[float], shift: int, smoothing: float
) -> None:
    arrivals = disperse(flows, Dispersion(smoothing, shift))
    departed = np.zeros(arrivals.size)
    departed[shift : shift + len(flows)] = flows
    assert np.all(np.cumsum(arrivals) <= np.cumsum(departed) * (1.0 + 1e-9) + 1e-9)


def test_kernel_reports_a_bad_shift() -> None:
    assert disperse_kernel(np.ones(3), -1, 0.5, np.empty(3)) != OK
