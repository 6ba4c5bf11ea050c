"""Who leaves a queue first has waited longest; what all lose together stays what was observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.green_order import LEAST_PASSES, GreenOrder, green_order
from traffic_brain.model.signals import Interval, SignalPlan, Stage

CYCLE_S = 60
PLACES = {"v": (0.0, 0.0), "w": (300.0, 0.0), "x": (600.0, 0.0)}
PLAN = SignalPlan(
    "W",
    "one",
    (Stage("G", 20, (Interval(3, "y"),)), Stage("r", 35, (Interval(2, "r"),))),
)
CITY = network(
    [road("v", "w", PLACES, junction_id="W"), road("w", "x", PLACES)],
    through("v-w", "w-x"),
    [PLAN],
)


def order_of(times_s: np.ndarray, plans: dict[str, SignalPlan] | None = None) -> GreenOrder:
    passes = pd.DataFrame({"link_id": "v-w", "time_s": times_s})
    return green_order(passes, CITY, {"W": PLAN} if plans is None else plans)


@given(st.integers(0, CYCLE_S - 1), st.integers(2, 12), st.integers(10, 40))
def test_the_mean_loss_stays_and_falls_from_the_first_to_the_last(
    green_begins_s: int, queue: int, cycles: int
) -> None:
    """Queues of vehicles two seconds apart, wherever in the cycle their green begins."""
    starts_s = 36000.0 + CYCLE_S * np.arange(cycles) + green_begins_s
    times_s = (starts_s[:, None] + 2.0 * np.arange(queue)).ravel()
    order = order_of(times_s)
    factors = np.array([order.loss_factor("v-w", t) for t in times_s])
    if len(times_s) < LEAST_PASSES:
        assert (factors == 1.0).all()
        return
    assert factors.mean() == pytest.approx(1.0)
    of_queue = factors.reshape(cycles, queue)
    assert (np.diff(of_queue, axis=1) < 0).all()
    assert of_queue[:, 0] == pytest.approx(2.0 - 1.0 / queue)
    assert of_queue[:, -1] == pytest.approx(1.0 / queue)


def test_nothing_is_told_where_no_plan_ran_or_hardly_anybody_passed() -> None:
    times_s = 36000.0 + 2.0 * np.arange(LEAST_PASSES)
    assert order_of(times_s).cycles
    assert not order_of(times_s, {}).cycles
    assert not order_of(times_s[1:]).cycles
    assert GreenOrder.unknown().loss_factor("v-w", 36000.0) == 1.0


def test_even_arrivals_come_back_from_a_queue_that_was_let_go_in_green() -> None:
    """One vehicle every 5 s, green for 20 of 60 s: by the mean loss all would come in the green."""
    came_s = 36000.0 + 5.0 * np.arange(12 * 30) + 2.5
    begin_s = np.floor(came_s / CYCLE_S) * CYCLE_S + 40.0  # green is the last third
    left_s = came_s.copy()
    for i in range(len(came_s)):
        wait_s = max(came_s[i], begin_s[i])
        left_s[i] = max(wait_s, left_s[i - 1] + 1.5 if i else 0.0)
    order = order_of(left_s)
    loss_s = float((left_s - came_s).mean())
    found_s = left_s - loss_s * np.array([order.loss_factor("v-w", t) for t in left_s])
    by_mean_s = left_s - loss_s

    def unevenness(times_s: np.ndarray) -> float:
        return float(np.abs(np.exp(2j * np.pi * times_s / CYCLE_S).mean()))

    assert unevenness(by_mean_s) > 0.6
    assert unevenness(found_s) < 0.5 * unevenness(by_mean_s)
    assert np.abs(found_s - came_s).mean() < 0.6 * np.abs(by_mean_s - came_s).mean()
