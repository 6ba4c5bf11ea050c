"""Delay of a junction against HCM's formula, and its greens against every split there is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.delay import hcm_delay
from tests.reference.splits import best_greens
from tests.reference.splits import junction_delay as twin
from traffic_brain.kernels.splits import DOES_NOT_FIT, OK, junction_delay, search_greens


@dataclass(frozen=True)
class Junction:
    """A junction as the kernel sees it; each stage serves some lanes of its own."""

    least: np.ndarray
    most: np.ndarray
    clearance_s: int
    cycle_s: int
    credit: np.ndarray
    fixed_s: np.ndarray
    demand_vph: np.ndarray
    saturation_vph: np.ndarray

    def delay(self, greens_s: tuple[int, ...]) -> float:
        return float(
            junction_delay(
                np.array(greens_s, dtype=np.float64),
                float(self.cycle_s),
                self.credit,
                self.fixed_s,
                self.demand_vph,
                self.saturation_vph,
            )
        )

    def search(self) -> tuple[int, tuple[int, ...]]:
        greens = np.zeros(len(self.least))
        status = search_greens(
            self.least,
            self.most,
            self.clearance_s,
            self.cycle_s,
            self.credit,
            self.fixed_s,
            self.demand_vph,
            self.saturation_vph,
            greens,
        )
        return int(status), tuple(int(g) for g in greens)

    def best(self) -> tuple[int, ...] | None:
        limits = ([int(x) for x in self.least], [int(x) for x in self.most])
        return best_greens(*limits, self.cycle_s - self.clearance_s, self.delay)


@st.composite
def junctions(draw: st.DrawFn, stages: int, *, shared: bool = False) -> Junction:
    """Random lanes; ``shared``: some are served by several stages, or by half in one."""
    lanes_of = [draw(st.integers(1, 3)) for _ in range(stages)]
    lanes = sum(lanes_of)
    credit = np.zeros((lanes, stages))
    for lane, stage in enumerate(np.repeat(np.arange(stages), lanes_of)):
        credit[lane, stage] = 1.0
        if shared and draw(st.booleans()):
            credit[lane, draw(st.integers(0, stages - 1))] = draw(st.sampled_from([0.45, 1.0]))
    least = np.array([draw(st.integers(5, 12)) for _ in range(stages)], dtype=np.float64)
    bins = draw(st.integers(1, 3))
    flows = st.floats(0.0, 900.0)
    return Junction(
        least=least,
        most=least + draw(st.integers(20, 80)),
        clearance_s=5 * stages,
        cycle_s=draw(st.integers(17 * stages, 25 * stages + 20)),
        credit=credit,
        fixed_s=np.full(lanes, draw(st.sampled_from([-2.0, 0.0, 1.5]))),
        demand_vph=np.array([[draw(flows) for _ in range(bins)] for _ in range(lanes)]),
        saturation_vph=np.array([draw(st.sampled_from([1500.0, 1800.0])) for _ in range(lanes)]),
    )


# --- delay -----------------------------------------------------------------------------------


@settings(max_examples=200)
@given(
    st.floats(1.0, 2500.0), st.floats(900.0, 2000.0), st.floats(0.5, 120.0), st.integers(30, 180)
)
def test_one_lane_has_the_delay_of_the_manual(
    flow: float, saturation: float, green: float, cycle: int
) -> None:
    green = min(green, float(cycle))
    found = junction_delay(
        np.array([green]),
        float(cycle),
        np.array([[1.0]]),
        np.array([0.0]),
        np.array([[flow]]),
        np.array([saturation]),
    )
    ratio = green / cycle
    manual = hcm_delay(flow, saturation * ratio, ratio, cycle).control_delay_s_per_veh
    assert found / flow == pytest.approx(float(manual), rel=1e-9)


@settings(max_examples=100)
@given(junctions(3, shared=True), st.data())
def test_kernel_agrees_with_its_twin(junction: Junction, data: st.DataObject) -> None:
    greens = tuple(data.draw(st.integers(0, 60)) for _ in range(3))
    wanted = twin(
        greens,
        junction.cycle_s,
        junction.credit.tolist(),
        junction.fixed_s.tolist(),
        junction.demand_vph.tolist(),
        junction.saturation_vph.tolist(),
    )
    assert junction.delay(greens) == pytest.approx(wanted, rel=1e-9)


# --- search ----------------------------------------------------------------------------------


def judged(junction: Junction, tolerance: float) -> None:
    """The search finds what fits, within its limits, as good as the best of all splits."""
    status, greens = junction.search()
    best = junction.best()
    if best is None:
        assert status == DOES_NOT_FIT
        return
    assert status == OK
    assert sum(greens) + junction.clearance_s == junction.cycle_s
    assert (np.array(greens) >= junction.least).all()
    assert (np.array(greens) <= junction.most).all()
    assert junction.delay(greens) <= junction.delay(best) * (1 + tolerance) + 1e-6


@settings(max_examples=150)
@given(junctions(2, shared=True))
def test_two_stages_get_the_best_split(junction: Junction) -> None:
    judged(junction, 0.0)


@settings(max_examples=60)
@given(junctions(3, shared=True))
def test_three_stages_get_nearly_the_best_split(junction: Junction) -> None:
    judged(junction, 0.005)


@settings(max_examples=12)
@given(junctions(4))
def test_four_stages_get_nearly_the_best_split(junction: Junction) -> None:
    judged(junction, 0.005)


def test_a_cycle_that_is_too_short_or_too_long_does_not_fit() -> None:
    def junction(cycle_s: int) -> Junction:
        two = np.ones(2)
        return Junction(
            least=10 * two,
            most=30 * two,
            clearance_s=10,
            cycle_s=cycle_s,
            credit=np.eye(2),
            fixed_s=0 * two,
            demand_vph=np.array([[300.0], [500.0]]),
            saturation_vph=1800 * two,
        )

    assert junction(29).search()[0] == junction(71).search()[0] == DOES_NOT_FIT
    assert junction(30).search() == (OK, (10, 10))
    assert junction(70).search() == (OK, (30, 30))
    assert junction(50).search()[1][1] > 20


def test_a_junction_without_traffic_still_fills_its_cycle() -> None:
    two = np.ones(2)
    idle = Junction(5 * two, 90 * two, 10, 60, np.eye(2), 0 * two, np.zeros((2, 1)), 1800 * two)
    status, greens = idle.search()
    assert status == OK
    assert sum(greens) == 50
