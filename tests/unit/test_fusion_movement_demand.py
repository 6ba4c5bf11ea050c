"""Intervals of movements: of counts, of lanes that are shared, of what nobody counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.unit.fused_probes import probes_of
from tests.unit.hand_made import network, road
from traffic_brain.fusion.counters import Counter
from traffic_brain.fusion.flow_balance import Balance
from traffic_brain.fusion.link_state import link_state
from traffic_brain.fusion.movement_demand import (
    BORDER_S,
    LEAST_SD_VEH,
    SATURATED_DEMAND_RATIO,
    SIGMAS_95,
    movement_demand,
)
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.trips import WeightedTrips
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import Turn

PLACES = {"w": (0.0, 0.0), "x": (300.0, 0.0), "n": (300.0, 300.0), "s": (300.0, -300.0)}
CITY = network(
    [road("w", "x", PLACES, junction_id="x"), road("x", "n", PLACES), road("x", "s", PLACES)],
    {("w-x", "x-n"): (Turn.LEFT, (0,)), ("w-x", "x-s"): (Turn.RIGHT, (0,))},
)
WINDOW = Window(0, 1800)
NORTH, SOUTH = ("w-x", "x-n"), ("w-x", "x-s")
HEARD = np.zeros(6, dtype=bool)


def trips(north: float, south: float) -> WeightedTrips:
    """So many vehicles to either side, in each of the two bins."""
    ways = [
        Trip(pair, (at_s, at_s + 30.0), (True, True))
        for pair in (NORTH, SOUTH)
        for at_s in (300.0, 1200.0)
    ]
    weights = np.array([north, north, south, south])
    return WeightedTrips(
        tuple(ways),
        weights,
        np.zeros(4),
        np.zeros(4, dtype=bool),
        np.ones(4, dtype=bool),
        np.zeros(4),
    )


def counter(to: str, counted: float, lane: float = 1.0) -> Counter:
    exits = frozenset(f"x-{one}" for one in to)
    return Counter("w-x", exits, (0,), np.full(2, counted), (lane,))


def demand(
    counters: list[Counter], pace: float = 0.11, unheard: np.ndarray = HEARD
) -> dict[str, dict[str, Any]]:
    """Rows of the first bin by movement, in vehicles per bin; the balance agrees with the trips."""
    balance = Balance({NORTH: 160.0, SOUTH: 40.0}, {NORTH: 8.0, SOUTH: 8.0})
    state = link_state(CITY, WINDOW, probes_of(CITY, WINDOW, {"w-x": pace}))
    table = movement_demand(CITY, WINDOW, trips(80.0, 20.0), counters, balance, state, unheard)
    rows = [row for row in table.to_pylist() if row["bin_start_s"] == 0]
    return {
        row["movement_id"]: {k: v / 4 if isinstance(v, float) else v for k, v in row.items()}
        for row in rows
    }


def reach(row: dict[str, Any]) -> float:
    return float(row["demand_high_vph"] - row["demand_vph"])


def test_a_count_errs_at_the_borders_of_its_bin_alone() -> None:
    found = demand([counter("n", 81.0)])["w-x>x-n"]
    assert (found["flow_vph"], found["source"]) == (81.0, "count")
    sd = (LEAST_SD_VEH**2 + 2 * BORDER_S / 900 * 81.0) ** 0.5
    assert reach(found) == pytest.approx(SIGMAS_95 * sd, abs=0.01)
    assert found["flow_vph"] - found["demand_low_vph"] == pytest.approx(reach(found), abs=0.01)


def test_of_a_lane_that_is_shared_only_the_split_is_chance() -> None:
    """A hundred are counted, of whom 80 turn left: √(100 · 0.8 · 0.2), and half the balance's 8."""
    for found in demand([counter("ns", 100.0)]).values():
        assert found["source"] == "trips and counts"
        sd = np.sqrt(100 * 0.8 * 0.2 + LEAST_SD_VEH**2 + 4.0**2)
        assert reach(found) == pytest.approx(SIGMAS_95 * sd, abs=0.01)


@pytest.mark.parametrize("counters", [[], [counter("ns", 100.0, lane=np.nan)]])
def test_what_nobody_counts_comes_by_chance(counters: list[Counter]) -> None:
    found = demand(counters)["w-x>x-n"]
    assert found["source"] == ("trips and counts" if counters else "trips")
    assert reach(found) == pytest.approx(SIGMAS_95 * np.sqrt(80.0 + 4.0**2), rel=0.01)


def test_where_all_stand_more_want_to_pass() -> None:
    found = demand([counter("n", 81.0)], pace=1.0)["w-x>x-n"]
    assert found["demand_vph"] == pytest.approx(SATURATED_DEMAND_RATIO * 81.0, abs=0.01)
    assert found["flow_vph"] == 81.0


def test_of_hours_that_nobody_counted_nothing_is_told() -> None:
    unheard = np.array([False, True, False, False, False, False])
    for found in demand([counter("n", 81.0)], unheard=unheard).values():
        assert found["source"] == "unknown"
        assert found["flow_vph"] is None
        assert found["demand_high_vph"] is None
