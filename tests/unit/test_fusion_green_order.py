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
from traffic_brain.model.network import RoadNetwork
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


def longer_s_of(order: GreenOrder, left_s: float, lost_s: float) -> float:
    return order.longer_s(TURN, order.rank(TURN, left_s), lost_s)


@given(st.integers(0, CYCLE_S - 1), st.integers(2, 12), st.integers(10, 40))
def test_the_mean_loss_stays_and_falls_from_the_first_to_the_last(
    green_begins_s: int, queue: int, cycles: int
) -> None:
    """Queues of vehicles two seconds apart, wherever in the cycle their green begins."""
    starts_s = 36000.0 + CYCLE_S * np.arange(cycles) + green_begins_s
    times_s = (starts_s[:, None] + 2.0 * np.arange(queue)).ravel()
    order = order_of(times_s)
    if len(times_s) < LEAST_PASSES:
        assert not order.knows(TURN)
        return
    longer_s = np.array([longer_s_of(order, t, LOST_S) for t in times_s])
    pause_s = CYCLE_S - 2.0 * (queue - 1)
    queued = min(2.0 * LOST_S / pause_s, 1.0)
    # Half a vehicle of the queue at most stands on either side of its end.
    assert abs(longer_s.mean()) <= pause_s / queued / (2.0 * queue) ** 2 + 1e-9
    of_queue = longer_s.reshape(cycles, queue)
    assert (np.diff(of_queue, axis=1) <= 1e-9).all()
    waited_s = LOST_S + of_queue
    assert waited_s.max() <= max(pause_s, LOST_S + pause_s / 2.0)
    late = (np.arange(queue) + 0.5) / queue >= queued
    assert (waited_s.min(axis=0) > -1e-9).all()
    assert waited_s[:, late] == pytest.approx(0.0)


def test_vehicles_of_a_cycle_differ_by_no_more_than_the_red() -> None:
    """Green for 20 of 60 s, queues of minutes: 38 s lie between the last pass and the next."""
    times_s = (36000.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(12)).ravel()
    longer_s = [longer_s_of(order_of(times_s), t, 300.0) for t in times_s]
    assert max(longer_s) - min(longer_s) < 38.0


def test_who_is_seen_a_moment_before_the_first_pass_comes_first() -> None:
    """A camera and a detector do not stand at the same place."""
    times_s = (36010.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(10)).ravel()
    order = order_of(times_s)
    red_s = CYCLE_S - 18.0
    assert longer_s_of(order, 36009.0, LOST_S) == pytest.approx(red_s - LOST_S)
    assert longer_s_of(order, 36029.0, LOST_S) == pytest.approx(-LOST_S)


def test_nothing_is_told_where_no_plan_ran_or_hardly_anybody_passed() -> None:
    times_s = 36000.0 + 2.0 * np.arange(LEAST_PASSES)
    assert order_of(times_s).cycles
    assert not order_of(times_s, {}).cycles
    assert not order_of(times_s[1:]).cycles
    assert not order_of(np.zeros(0)).cycles
    assert order_of(times_s).knows(TURN)
    assert not order_of(times_s).knows(TURN[:1])
    assert not GreenOrder.unknown().knows(TURN)


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
    found_s = by_mean_s - np.array([longer_s_of(order, t, loss_s) for t in left_s])

    def unevenness(times_s: np.ndarray) -> float:
        return float(np.abs(np.exp(2j * np.pi * times_s / CYCLE_S).mean()))

    assert unevenness(by_mean_s) > 0.6
    assert unevenness(found_s) < 0.2 * unevenness(by_mean_s)
    assert np.abs(found_s - came_s).mean() < 0.2 * np.abs(by_mean_s - came_s).mean()


def finder_of(city: RoadNetwork, slow: dict[str, float], times_s: np.ndarray) -> RouteFinder:
    window = Window(36000, 39600)
    state = link_state(city, window, probes_of(city, window, slow))
    streets = RouteFinder(city, state, frozenset(), 0)
    streets.look_again(state, order_of(times_s), Bursts.unknown())
    return streets


def test_a_trip_that_was_seen_to_leave_came_by_its_order_and_others_as_any_of_them() -> None:
    """300 m at 0.2 s/m, 30 s of which are lost; the first of a queue came before the last."""
    times_s = (36010.0 + CYCLE_S * np.arange(50)[:, None] + 2.0 * np.arange(10)).ravel()
    streets = finder_of(CITY, {"v-w": 0.2}, times_s)

    def took_s(left_s: float, *, seen: bool) -> float:
        trip = Trip(TURN, (left_s, left_s + 30.0), (seen, not seen))
        return left_s - depart_s(trip, streets)

    mean_s = streets.travel_s("v-w", 36010.0)
    seen_s = np.array([took_s(t, seen=True) for t in times_s])
    assert seen_s.mean() == pytest.approx(mean_s, rel=0.02)
    assert seen_s[0] > mean_s + 10.0
    assert seen_s[9] < mean_s - 10.0
    thought_s = np.array([took_s(t, seen=False) for t in times_s])
    assert thought_s.mean() == pytest.approx(mean_s, rel=0.05)
    assert np.sort(thought_s) == pytest.approx(np.sort(seen_s), abs=4.0)
    assert abs(np.corrcoef(thought_s, seen_s)[0, 1]) < 0.3


def test_a_queue_that_reaches_back_over_a_vertex_of_the_map_is_one_queue() -> None:
    """15 s lost on each of two links before one signal: as with one link of twice the length."""
    places = {"u": (-300.0, 0.0), **PLACES}
    city = network(
        [
            road("u", "v", places),
            road("v", "w", places, junction_id="W"),
            road("w", "x", places),
        ],
        {**through("u-v", "v-w"), **through("v-w", "w-x")},
        [PLAN],
    )
    places["v"] = places["u"]
    whole = network(
        [road("v", "w", places, junction_id="W"), road("w", "x", places)],
        through("v-w", "w-x"),
        [PLAN],
    )
    times_s = (36010.0 + CYCLE_S * np.arange(20)[:, None] + 2.0 * np.arange(10)).ravel()
    parts = finder_of(city, {"u-v": 0.15, "v-w": 0.15}, times_s)
    one = finder_of(whole, {"v-w": 0.15}, times_s)
    way, seen = ("u-v", "v-w", "w-x"), (False, True, False)
    for left_s in times_s[:10].tolist():
        exits = [left_s, left_s + 30.0]
        exits.insert(0, parts.came_s(way, seen, 1, exits))
        came_s = parts.came_s(way, seen, 0, exits)
        expected_s = one.came_s(way[1:], seen[1:], 0, exits[1:])
        assert came_s == pytest.approx(expected_s, abs=1.0)
        assert came_s < exits[0] < left_s


@given(st.floats(0.0, 80.0), st.floats(0.0, 80.0), st.integers(1, 12))
def test_nobody_enters_a_link_after_leaving_it(short_s: float, long_s: float, queue: int) -> None:
    """However the loss lies on a short link at the signal and on the long one behind."""
    places = {"u": (0.0, 0.0), "v": (290.0, 0.0), "w": (300.0, 0.0), "x": (600.0, 0.0)}
    city = network(
        [road("u", "v", places), road("v", "w", places, junction_id="W"), road("w", "x", places)],
        {**through("u-v", "v-w"), **through("v-w", "w-x")},
        [PLAN],
    )
    times_s = (36010.0 + CYCLE_S * np.arange(40)[:, None] + 2.0 * np.arange(queue)).ravel()
    slow = {"u-v": 0.1 + long_s / 290.0, "v-w": 0.1 + short_s / 10.0}
    streets = finder_of(city, slow, times_s)
    way = ("u-v", "v-w", "w-x")
    for left_s in times_s[:queue].tolist():
        for seen in (True, False):
            exits = [left_s, left_s + 30.0]
            for k in (1, 0):
                exits.insert(0, streets.came_s(way, (False, seen, False), k, exits))
            assert np.all(np.diff(exits) > 0)
