"""When vehicles came to the edge of the map, behind a link that is full."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit import hand_made
from traffic_brain.fusion.map_edge import arrivals_s, came_to_the_edge, waited_before
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.trips import WeightedTrips
from traffic_brain.fusion.window import BIN_S, Window

HOUR_S = 3600
EDGES_S = np.arange(0.0, HOUR_S + 1, BIN_S)
WINDOW = Window(0, HOUR_S)
PLACES = {"w": (0.0, 0.0), "m": (300.0, 0.0), "e": (600.0, 0.0), "n": (300.0, 300.0)}
CITY = hand_made.network(
    [hand_made.road(a, b, PLACES) for a, b in (("w", "m"), ("m", "e"), ("n", "m"))],
    {
        **hand_made.through("w-m", "m-e"),
        **hand_made.through("n-m", "m-e"),
    },
)
STORAGE_VEH = CITY.links["w-m"].storage_veh


def evenly(count: int, begin_s: float, end_s: float) -> np.ndarray:
    return np.linspace(begin_s, end_s, count, endpoint=False)


def trips(*streams: tuple[str, np.ndarray, float], bus: bool = False) -> WeightedTrips:
    """Streams of vehicles: first link, when they entered, seconds on it."""
    found = [
        (Trip((link, "m-e"), (t + on_s, t + on_s + 30.0), (True, False)), t)
        for link, entered_s, on_s in streams
        for t in entered_s.tolist()
    ]
    count = len(found)
    return WeightedTrips(
        tuple(trip for trip, _ in found),
        np.ones(count),
        np.array([t for _, t in found]),
        np.full(count, bus),
        np.ones(count, dtype=bool),
        np.zeros(count),
    )


def test_a_queue_that_outlasts_the_citys_traffic_came_while_it_drove() -> None:
    """600 came in 30 minutes and were let in over an hour."""
    entered = evenly(600, 0, HOUR_S)
    city = np.where(EDGES_S[:-1] < HOUR_S / 2, 100.0, 0.0)
    came = arrivals_s(entered, np.ones(600), EDGES_S, city)
    assert (came <= entered).all()
    most = slice(0, 590)  # the city's time never stands still: a few come later
    assert came[most] == pytest.approx(entered[most] / 2, abs=0.01 * HOUR_S)


def test_those_let_in_as_the_city_drives_came_when_they_were_seen() -> None:
    entered = evenly(600, 0, HOUR_S)
    came = arrivals_s(entered, np.ones(600), EDGES_S, np.full(12, 50.0))
    assert came == pytest.approx(entered, abs=BIN_S / 100)
    # As traffic goes down, fewer are let in: there is no queue to empty.
    falling = np.sort(HOUR_S * (1 - np.sqrt(1 - evenly(600, 0, 1))))
    came = arrivals_s(falling, np.ones(600), EDGES_S, np.full(12, 50.0))
    assert np.abs(came - falling).max() < BIN_S / 2


def test_only_vehicles_behind_a_full_link_at_the_edge_are_moved() -> None:
    full_s = 0.6 * STORAGE_VEH / (600 / HOUR_S)
    others = evenly(300, 0, HOUR_S / 2)
    seen = trips(("w-m", evenly(600, 0, HOUR_S), full_s), ("n-m", others, 30.0))
    found = came_to_the_edge(seen, CITY, WINDOW)
    assert found.trips == seen.trips
    assert (found.depart_s[600:] == seen.depart_s[600:]).all()
    waited = seen.depart_s - found.depart_s
    assert (found.waited_s == waited).all()
    assert (waited >= 0).all()
    assert waited[:600].max() == pytest.approx(HOUR_S / 2, rel=0.05)

    (told,) = waited_before(found)
    assert (told["link_id"], told["vehicles"]) == ("w-m", pytest.approx(600, abs=2))
    assert told["delay_veh_h"] == pytest.approx(waited.sum() / 3600, abs=1e-3)
    assert waited_before(seen) == []
    slightly = replace(found, waited_s=np.minimum(found.waited_s, 59.0))
    assert waited_before(slightly) == []

    free = trips(("w-m", evenly(600, 0, HOUR_S), 0.3 * full_s), ("n-m", others, 30.0))
    assert came_to_the_edge(free, CITY, WINDOW) is free
    inside = trips(("m-e", evenly(600, 0, HOUR_S), full_s), ("n-m", others, 30.0))
    assert came_to_the_edge(inside, CITY, WINDOW) is inside
    buses = trips(("w-m", evenly(600, 0, HOUR_S), full_s), bus=True)
    assert came_to_the_edge(buses, CITY, WINDOW) is buses


def test_a_link_that_is_full_for_minutes_only_moves_nobody() -> None:
    full_s = 0.6 * STORAGE_VEH / (600 / HOUR_S)
    entered = evenly(600, 0, HOUR_S)
    short = entered < 2 * BIN_S - full_s
    streams = [("w-m", entered[short], full_s), ("w-m", entered[~short], 30.0)]
    seen = trips(*streams, ("n-m", evenly(300, 0, HOUR_S / 2), 30.0))
    assert came_to_the_edge(seen, CITY, WINDOW) is seen


def test_a_link_too_short_for_a_queue_tells_nothing() -> None:
    places = {"w": (290.0, 0.0), "m": (300.0, 0.0), "e": (600.0, 0.0), "n": (300.0, 300.0)}
    short = hand_made.network(
        [hand_made.road(a, b, places) for a, b in (("w", "m"), ("m", "e"), ("n", "m"))],
        {**hand_made.through("w-m", "m-e"), **hand_made.through("n-m", "m-e")},
    )
    seen = trips(("w-m", evenly(600, 0, HOUR_S), 30.0), ("n-m", evenly(300, 0, 1800), 30.0))
    assert came_to_the_edge(seen, short, WINDOW) is seen
