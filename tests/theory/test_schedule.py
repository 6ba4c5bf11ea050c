"""Plans by time of day: the published figures, and the laws behind them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.schedule.clusters import ordered_clusters
from optimizers.schedule.timetable import best_timetables
from optimizers.schedule.transitions import Method, Transition, TransitionLimits, transition
from tests.reference.schedule import all_cuts, fluid_delay, least_cost, loss_of
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.kernels.fluid_queues import fluid_delay as kernel

DAY = [120, 150, 180, 620, 700, 680, 640, 410, 430, 420, 450, 690, 720, 710, 300, 220]


@pytest.mark.parametrize(
    ("groups", "cuts", "loss"),
    [
        (3, (3, 14), 176363.636),
        (4, (3, 11, 14), 118454.167),
        (5, (3, 7, 11, 14), 10341.667),
    ],
)
def test_a_day_is_cut_where_it_is_least_even(
    groups: int, cuts: tuple[int, ...], loss: float
) -> None:
    found = ordered_clusters(np.array(DAY, dtype=np.float64), groups)
    assert found is not None
    assert found.cuts == cuts
    assert found.loss == pytest.approx(loss, abs=1e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 900), min_size=2, max_size=2), min_size=4, max_size=9),
    st.integers(1, 4),
    st.integers(1, 2),
)
def test_no_other_cut_is_better(rows: list[list[int]], groups: int, least: int) -> None:
    values = np.array(rows, dtype=np.float64)
    found = ordered_clusters(values, groups, least_bins=least)
    losses = [loss_of(values, cuts) for cuts in all_cuts(len(values), groups, least)]
    if found is None:
        assert not losses
        return
    assert found.loss == pytest.approx(min(losses), abs=1e-6)
    assert loss_of(values, found.cuts) == pytest.approx(found.loss, abs=1e-6)


def test_what_cannot_be_cut_is_refused() -> None:
    for values, groups in (([1.0, np.nan], 1), ([1.0], 0)):
        with pytest.raises(DataRefused):
            ordered_clusters(np.array(values), groups)
    assert ordered_clusters(np.array([1.0, 2.0]), 3) is None


# --- transitions -----------------------------------------------------------------------------


def test_ways_from_offset_10_to_offset_55() -> None:
    add, subtract, dwell = (transition(90, 55 - 10, method) for method in Method)
    assert add == Transition(Method.ADD, (108, 108, 99))
    assert subtract is not None
    assert len(subtract.cycles_s) == 3
    assert min(subtract.cycles_s) >= 90 - 15.3
    assert dwell == Transition(Method.DWELL, (135,))


@settings(max_examples=200)
@given(st.integers(30, 180), st.integers(-400, 400), st.sampled_from(Method), st.integers(0, 60))
def test_every_way_ends_in_step(cycle: int, shift: int, method: Method, slack: int) -> None:
    limits = TransitionLimits()
    found = transition(cycle, shift, method, shortest_cycle_s=cycle - slack)
    if found is None:
        assert method is Method.SUBTRACT
        assert slack == 0
        return
    assert (sum(found.cycles_s) - shift) % cycle == 0
    if method is Method.ADD:
        assert all(c <= cycle * (1 + limits.add_ratio) for c in found.cycles_s)
    if method is Method.SUBTRACT:
        least = max(cycle * (1 - limits.subtract_ratio), cycle - slack)
        assert all(c >= least for c in found.cycles_s)


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="add_ratio"):
        TransitionLimits(add_ratio=0.0)


# --- the timetable ---------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(3, 6), st.integers(1, 3), st.integers(1, 2))
def test_no_other_timetable_costs_less(seed: int, bins: int, plans: int, least: int) -> None:
    random = np.random.default_rng(seed)
    bin_cost = random.uniform(0.0, 10.0, (bins, plans))
    switch = random.uniform(0.0, 4.0, (bins, plans, plans))
    found = {len(t.begins): t for t in best_timetables(bin_cost, switch, 3, least)}
    for periods in range(1, 4):
        wanted = least_cost(bin_cost, switch, periods, least)
        assert (periods in found) == np.isfinite(wanted)
        if periods in found:
            assert found[periods].cost == pytest.approx(wanted)


def test_a_dearer_switch_leads_to_fewer_plans() -> None:
    bin_cost = np.array([[1.0, 5.0]] * 4 + [[5.0, 1.0]] * 4)
    for price, periods in ((1.0, 2), (100.0, 1)):
        tables = best_timetables(bin_cost, np.full((8, 2, 2), price), 3, 2)
        assert len(min(tables, key=lambda t: t.cost).begins) == periods
    assert min(tables, key=lambda t: t.cost).cost == 24.0
    with pytest.raises(DataRefused, match="do not fit"):
        best_timetables(bin_cost, np.zeros((8, 3, 3)), 3)


# --- the queues of a transition --------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_kernel_agrees_with_small_steps_of_time(seed: int) -> None:
    random = np.random.default_rng(seed)
    greens = random.integers(5, 30, (2, 2)).astype(np.float64)
    clearance = random.integers(3, 6, 2).astype(np.float64)
    credit = np.array([[1.0, 0.0], [0.5, 1.0]])
    fixed = random.uniform(-2.0, 1.0, 2)
    flow, saturation = random.uniform(0.05, 0.4, 2), np.array([0.5, 0.5])
    queue = random.uniform(0.0, 4.0, 2)
    wanted, left = 0.0, []
    for lane in range(2):
        splits = []
        for row in greens:
            effective = (credit[lane] @ row + fixed[lane]) * (credit[lane] * row)
            effective /= credit[lane] @ row
            for e, g, c in zip(effective, row, clearance, strict=True):
                splits.append((g + c, saturation[lane] * min(e, g + c) / (g + c)))
        spent, end = fluid_delay(splits, flow[lane], queue[lane])
        wanted += spent
        left.append(end)
    found = kernel(greens, clearance, credit, fixed, flow, saturation, queue)
    assert found == pytest.approx(wanted, rel=1e-3, abs=0.02)
    assert queue == pytest.approx(left, abs=5e-3)
