"""Buses: their whole way is known, and what cameras saw of them is no car."""

from __future__ import annotations

import pandas as pd

from tests.unit import hand_made
from traffic_brain.feeds.transit import TransitDay
from traffic_brain.fusion.buses import LAYOVER_S, SAME_PASS_S, bus_trips, without_buses
from traffic_brain.model.network import RoadNetwork

COLUMNS = ["vehicle_idx", "line", "link_id", "time_in_s", "time_out_s"]


def day(*rows: tuple[int, str, float, float]) -> TransitDay:
    """Vehicle, link, time in, time out."""
    full = [(vehicle, "10", link, start, end) for vehicle, link, start, end in rows]
    return TransitDay(pd.DataFrame(full, columns=COLUMNS), len(full))


def road(names: str) -> RoadNetwork:
    """Links of these names, each behind the one before."""
    places = {str(n): (100.0 * n, 0.0) for n in range(len(names) + 1)}
    links = [
        hand_made.road(str(n), str(n + 1), places, link_id=name) for n, name in enumerate(names)
    ]
    return hand_made.network(links, hand_made.through(*names))


TWO = day((0, "a", 100, 130), (0, "b", 130, 170), (0, "c", 170, 200), (1, "a", 50, 90))


def test_a_bus_is_a_trip_that_was_seen_throughout() -> None:
    (early, late) = bus_trips(TWO, road("abc"))
    assert early == (50.0, early[1])
    assert early[1].links == ("a",)
    assert late[0] == 100.0
    assert late[1].links == ("a", "b", "c")
    assert late[1].exit_s == (130.0, 170.0, 200.0)
    assert late[1].observed == (True, True, True)
    assert bus_trips(day(), road("abc")) == []


def test_sightings_of_a_bus_are_left_out() -> None:
    bus = (["a", "c"], [130.0 + SAME_PASS_S, 199.0])
    behind = (["a", "b", "c"], [130.0 + 2 * SAME_PASS_S, 180.0, 215.0])
    once_near = (["a", "b", "d"], [131.0, 190.0, 230.0])
    assert without_buses([bus, behind, once_near], TWO) == [behind, once_near]
    assert without_buses([bus, behind], day()) == [bus, behind]


def test_passes_of_one_second_are_put_into_the_order_of_the_road() -> None:
    """A bus on the short pieces of a roundabout: its feed tells whole seconds."""
    mixed = day((0, "a", 100, 130), (0, "c", 130, 131), (0, "b", 130, 131), (0, "d", 131, 140))
    ((began_s, trip),) = bus_trips(mixed, road("abcd"))
    assert began_s == 100.0
    assert trip.links == ("a", "b", "c", "d")
    at_the_start = day((0, "b", 100, 101), (0, "a", 100, 101), (0, "c", 101, 110))
    ((_, trip),) = bus_trips(at_the_start, road("abc"))
    assert trip.links == ("a", "b", "c")


def test_lost_passes_are_filled_in_where_the_way_is_known() -> None:
    lost = day((0, "a", 100, 130), (0, "d", 160, 190))
    ((_, trip),) = bus_trips(lost, road("abcd"))
    assert trip.links == ("a", "b", "c", "d")
    assert trip.exit_s == (130.0, 145.0, 160.0, 190.0)
    assert trip.observed == (True, False, False, True)


def test_a_bus_begins_anew_where_no_way_is_known_and_after_a_layover() -> None:
    apart = day((0, "b", 100, 130), (0, "a", 140, 170))
    assert [(s, t.links) for s, t in bus_trips(apart, road("ab"))] == [
        (100.0, ("b",)),
        (140.0, ("a",)),
    ]
    waits = day((0, "a", 100, 130), (0, "b", 130 + LAYOVER_S + 1, 600))
    assert [t.links for _, t in bus_trips(waits, road("ab"))] == [("a",), ("b",)]
    goes_on = day((0, "a", 100, 130), (0, "b", 130 + LAYOVER_S, 600))
    assert [t.links for _, t in bus_trips(goes_on, road("ab"))] == [("a", "b")]


def test_a_pass_that_is_told_twice_is_one() -> None:
    twice = day((0, "a", 100, 130), (0, "a", 101, 130), (0, "b", 130, 150))
    ((began_s, trip),) = bus_trips(twice, road("ab"))
    assert (began_s, trip.links) == (100.0, ("a", "b"))
