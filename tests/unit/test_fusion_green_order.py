"""Who leaves a queue first has waited longest; what all lose together stays what was observed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.fused_probes import probes_of
from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.bursts import Bursts
from traffic_brain.fusion.green_order import LEAST_PASSES, GreenOrder, green_order
from traffic_brain.fusion.link_state import link_state
from traffic_brain.fusion.routes import RouteFinder, Trip, depart_s
from traffic_brain.fusion.window import Window
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
    passes = pd.DataFrame({"link_id": "v-w", "lane_idx": 0, "time_s": times_s})
    return green_order(passes, CITY, {"W": PLAN} if plans is None else plans)


TURN = ("v-w", "w-x")
LOST_S = 12.0


@given(st.integers(0, CYCLE_S - 1), st.integers(2, 12), st.integers(10, 40))
def test_the_mean_loss_stays_and_falls_from_the_first_to_the_last(
    green_begins_s: int, queue: int, cycles: int
) -> None:
    """Queues of vehicles two seconds apart, wherever in the cycle their green begins."""
    starts_s = 36000.0 + CYCLE_S * np.arange(cycles) + green_begins_s
    times_s = (starts_s[:, None] + 2.0 * np.arange(queue)).ravel()
    order = order_of(times_s)
    longer_s = np.array([order.longer_s(TURN, t, LOST_S) for t in times_s])
    if len(times_s) < LEAST_PASSES:
        assert (longer_s == 0.0).all()
        return
    assert longer_s.mean() == pytest.approx(0.0)
    of_queue = longer_s.reshape(cycles, queue)
    assert (np.diff(of_queue, axis=1) < 0).all()
    assert of_queue[:, 0] == pytest.approx(LOST_S * (1.0 - 1.0 / queue))
    assert of_queue[:, -1] == pytest.approx(LOST_S * (1.0 / queue - 1.0))


def test_vehicles_of_a_cycle_differ_by_no_more_than_the_red() -> None:
    """Green for 20 of 60 s, queues of minutes: 38 s lie between the last pass and the next."""
    times_s = (36000.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(12)).ravel()
    longer_s = [order_of(times_s).longer_s(TURN, t, 300.0) for t in times_s]
    assert max(longer_s) - min(longer_s) < 38.0


def test_who_is_seen_a_moment_before_the_first_pass_comes_first() -> None:
    """A camera and a detector do not stand at the same place."""
    times_s = (36010.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(10)).ravel()
    order = order_of(times_s)
    assert order.longer_s(TURN, 36009.0, LOST_S) == pytest.approx(LOST_S)
    assert order.longer_s(TURN, 36029.0, LOST_S) == pytest.approx(-LOST_S)


def test_nothing_is_told_where_no_plan_ran_or_hardly_anybody_passed() -> None:
    times_s = 36000.0 + 2.0 * np.arange(LEAST_PASSES)
    assert order_of(times_s).cycles
    assert not order_of(times_s, {}).cycles
    assert not order_of(times_s[1:]).cycles
    assert not order_of(np.zeros(0)).cycles
    assert GreenOrder.unknown().longer_s(TURN, 36000.0, LOST_S) == 0.0


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
    by_mean_s = left_s - loss_s
    found_s = by_mean_s - np.array([order.longer_s(TURN, t, loss_s) for t in left_s])

    def unevenness(times_s: np.ndarray) -> float:
        return float(np.abs(np.exp(2j * np.pi * times_s / CYCLE_S).mean()))

    assert unevenness(by_mean_s) > 0.6
    assert unevenness(found_s) < 0.5 * unevenness(by_mean_s)
    assert np.abs(found_s - came_s).mean() < 0.6 * np.abs(by_mean_s - came_s).mean()


def test_a_trip_that_was_seen_to_leave_came_by_its_order_and_others_by_the_mean() -> None:
    """300 m at 0.2 s/m, 30 s of which are lost; the first of a queue came before the last."""
    window = Window(36000, 39600)
    state = link_state(CITY, window, probes_of(CITY, window, {"v-w": 0.2}))
    streets = RouteFinder(CITY, state, frozenset(), 0)
    times_s = (36010.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(10)).ravel()
    streets.look_again(state, order_of(times_s), Bursts.unknown())

    def began_s(left_s: float, *, seen: bool) -> float:
        return depart_s(Trip(TURN, (left_s, left_s + 30.0), (seen, not seen)), streets)

    took_s = streets.travel_s("v-w", 36010.0)
    came_s = [began_s(t, seen=True) for t in times_s]
    assert np.mean(times_s - came_s) == pytest.approx(took_s, rel=0.01)
    assert came_s[0] < times_s[0] - took_s - 10.0
    assert came_s[9] > times_s[9] - took_s + 10.0
    assert [began_s(t, seen=False) for t in times_s[:10]] == pytest.approx(times_s[:10] - took_s)
