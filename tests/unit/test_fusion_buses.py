"""Buses: their whole way is known, and what cameras saw of them is no car."""

from __future__ import annotations

import pandas as pd

from traffic_brain.feeds.transit import TransitDay
from traffic_brain.fusion.buses import SAME_PASS_S, bus_trips, without_buses

COLUMNS = ["vehicle_idx", "line", "link_id", "time_in_s", "time_out_s"]


def day(*rows: tuple[int, str, float, float]) -> TransitDay:
    """Vehicle, link, time in, time out."""
    full = [(vehicle, "10", link, start, end) for vehicle, link, start, end in rows]
    return TransitDay(pd.DataFrame(full, columns=COLUMNS), len(full))


TWO = day((0, "a", 100, 130), (0, "b", 130, 170), (0, "c", 170, 200), (1, "a", 50, 90))


def test_a_bus_is_a_trip_that_was_seen_throughout() -> None:
    (early, late) = bus_trips(TWO)
    assert early == (50.0, early[1])
    assert early[1].links == ("a",)
    assert late[0] == 100.0
    assert late[1].links == ("a", "b", "c")
    assert late[1].exit_s == (130.0, 170.0, 200.0)
    assert late[1].observed == (True, True, True)
    assert bus_trips(day()) == []


def test_sightings_of_a_bus_are_left_out() -> None:
    bus = (["a", "c"], [130.0 + SAME_PASS_S, 199.0])
    behind = (["a", "b", "c"], [130.0 + 2 * SAME_PASS_S, 180.0, 215.0])
    once_near = (["a", "b", "d"], [131.0, 190.0, 230.0])
    assert without_buses([bus, behind, once_near], TWO) == [behind, once_near]
    assert without_buses([bus, behind], day()) == [bus, behind]
