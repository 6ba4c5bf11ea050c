"""Counts of lanes as counts of movements, turns told by lanes, and trips balanced with both."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.unit.hand_made import network, road
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.fusion.balance import (
    MAX_WEIGHT,
    MIN_WEIGHT,
    Counts,
    balance,
    modelled,
)
from traffic_brain.fusion.counters import Counter, counters, dark_bins, live_detectors
from traffic_brain.fusion.turning import turning_flows
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork, Turn

PLACES = {
    "w": (0.0, 0.0),
    "x": (300.0, 0.0),
    "n": (300.0, 300.0),
    "s": (300.0, -300.0),
    "e": (600.0, 0.0),
}
WINDOW = Window(0, 1800)


def crossing(
    right: tuple[int, ...], straight: tuple[int, ...], left: tuple[int, ...]
) -> RoadNetwork:
    """One approach ``w-x`` of three lanes; each movement may leave from the lanes given."""
    approach = road("w", "x", PLACES, junction_id="x", lane_count=3, car_lanes=(0, 1, 2))
    return network(
        [approach, *(road("x", to, PLACES) for to in "nse")],
        {
            ("w-x", "x-s"): (Turn.RIGHT, right),
            ("w-x", "x-e"): (Turn.THROUGH, straight),
            ("w-x", "x-n"): (Turn.LEFT, left),
        },
    )


SHARED = crossing((0,), (0, 1, 2), (2,))
APART = crossing((0,), (1,), (2,))


def police(
    passes: dict[int, list[float]], counts: list[tuple[int, float, int]] | None = None
) -> PoliceDay:
    """Detector ``Dn`` on lane n: pass times per lane, and (lane, time, count) rows."""

    def table(rows: list[dict[str, Any]], *columns: str) -> pd.DataFrame:
        return pd.DataFrame(rows, columns=["detector_id", "link_id", "lane_idx", *columns])

    def device(lane: int) -> dict[str, Any]:
        return {"detector_id": f"D{lane}", "link_id": "w-x", "lane_idx": lane}

    register = table([device(lane) | {"junction_id": "x"} for lane in range(3)], "junction_id")
    seen = [device(lane) | {"time_s": t} for lane, times in passes.items() for t in times]
    counted = [
        device(lane) | {"time_s": t, "interval_s": 300, "count": n} for lane, t, n in counts or []
    ]
    return PoliceDay(
        detectors=register.set_index("detector_id"),
        passes=table(seen, "time_s"),
        counts=table(counted, "time_s", "interval_s", "count"),
        signal_log=pd.DataFrame(),
        rows_read=0,
    )


def every(seconds: float, end_s: float = 1800.0) -> list[float]:
    return [float(t) for t in np.arange(0.0, end_s, seconds)]


def counted(city: RoadNetwork, day: PoliceDay) -> list[Counter]:
    return counters(city, day, live_detectors(day), WINDOW)


# --- counters --------------------------------------------------------------------------------


def test_lanes_that_share_movements_are_counted_together() -> None:
    day = police({0: every(10), 1: every(20), 2: every(30)})
    (one,) = counted(SHARED, day)
    assert (one.link_id, one.lanes) == ("w-x", (0, 1, 2))
    assert one.to_links == {"x-n", "x-s", "x-e"}
    assert list(one.counted) == [90 + 45 + 30] * 2
    assert one.lane_counts == (180.0, 90.0, 60.0)
    assert one.complete
    apart = counted(APART, day)
    assert [(c.lanes, c.to_links) for c in apart] == [
        ((0,), {"x-s"}),
        ((1,), {"x-e"}),
        ((2,), {"x-n"}),
    ]
    assert [list(c.counted) for c in apart] == [[90, 90], [45, 45], [30, 30]]


def test_what_a_dead_detector_missed_is_estimated() -> None:
    """Of 1.8 that the group carries by its turns, the dead lane should carry 1/3 + 0.4."""
    day = police({0: every(10), 1: every(20)})
    assert live_detectors(day).dead == (("D2", "x"),)
    (one,) = counted(SHARED, day)
    assert one.counted == pytest.approx([(90 + 45) / ((1.8 - 0.4 - 1 / 3) / 1.8)] * 2)
    assert not one.complete
    assert np.isnan(one.lane_counts[2])
    assert [c.lanes for c in counted(APART, day)] == [(0,), (1,)]


def test_a_dead_approach_is_not_taken_as_empty() -> None:
    assert counted(SHARED, police({})) == []
    assert counted(SHARED, police({}, [(0, 0.0, 0), (1, 0.0, 0)])) == []


def test_detectors_that_send_counts_alone_are_counted() -> None:
    rows = [(2, 300.0 * b, 10) for b in range(6)]
    day = police({0: every(10), 1: every(20)}, [*rows, (0, 0.0, 999)])
    assert live_detectors(day).dead == ()
    (one,) = counted(SHARED, day)
    assert list(one.counted) == [90 + 45 + 30] * 2
    assert one.lane_counts[2] == 60.0
    (alone,) = counted(SHARED, police({}, [(n, 300.0 * b, 5) for n in range(3) for b in range(6)]))
    assert list(alone.counted) == [45, 45]


def test_rows_outside_the_window_do_not_count() -> None:
    day = police({n: [*every(10), 1800.0, 5000.0] for n in range(3)})
    (one,) = counted(SHARED, day)
    assert list(one.counted) == [270, 270]


def test_hours_in_which_nobody_spoke_are_unknown_not_empty() -> None:
    day = police({n: [t for t in every(10) if not 900 <= t < 1200] for n in range(3)})
    assert list(dark_bins(day, WINDOW)) == [False, False, False, True, False, False]
    (one,) = counted(SHARED, day)
    assert one.counted[0] == 270
    assert np.isnan(one.counted[1])


# --- turns -----------------------------------------------------------------------------------


def test_turns_are_told_by_the_lanes() -> None:
    """138 right, 171 through, 31 left: as lanes they are 195, 57 and 88."""
    true = np.array([138.0, 171.0, 31.0])
    lanes = [138 + 57.0, 57.0, 31 + 57.0]
    prior = true.sum() * np.array([0.4, 1.0, 0.4]) / 1.8
    lanes_of = [(0,), (0, 1, 2), (2,)]
    found = turning_flows(lanes, (0, 1, 2), lanes_of, prior)
    assert np.abs(found - true).max() < 30
    assert np.abs(found - true).sum() < 0.4 * np.abs(prior - true).sum()
    exact = turning_flows(lanes, (0, 1, 2), lanes_of, true)
    assert exact == pytest.approx(true)


def test_turns_that_lanes_cannot_tell_are_those_expected_before() -> None:
    both = turning_flows([100.0], (4,), [(4,), (4,)], np.array([75.0, 25.0]))
    assert both == pytest.approx([75.0, 25.0])
    unknown = turning_flows([np.nan, 50.0], (0, 1), [(0,), (1,)], np.array([30.0, 50.0]))
    assert unknown == pytest.approx([30.0, 50.0])
    assert turning_flows([0.0, 0.0], (0, 1), [(0,), (1,)], np.zeros(2)) == pytest.approx([0, 0])


# --- balance ---------------------------------------------------------------------------------


def incidence(rows: list[tuple[int, int]], values: list[float]) -> Counts:
    trips, counts = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return Counts(trips, counts, np.array(values))


def test_consistent_counts_are_reproduced() -> None:
    """Counts made from known weights, about three counts per trip, are found again."""
    rng = np.random.default_rng(11)
    rows = sorted({(t, int(c)) for t in range(400) for c in rng.integers(0, 25, 3)})
    true = rng.uniform(0.6, 2.0, 400)
    empty = incidence(rows, [0.0] * 25)
    counts = incidence(rows, list(modelled(empty, true)))
    weights = balance(counts, 400)
    assert modelled(counts, weights) == pytest.approx(counts.counted, rel=0.01)
    assert weights.min() >= MIN_WEIGHT
    assert weights.max() <= MAX_WEIGHT


def test_trips_that_fit_already_keep_their_weight() -> None:
    rows = [(0, 0), (1, 0), (1, 1), (2, 1)]
    assert balance(incidence(rows, [2.0, 2.0]), 4) == pytest.approx(np.ones(4))


def test_a_trip_past_no_counter_is_left_alone() -> None:
    weights = balance(incidence([(0, 0), (1, 0)], [3.0]), 3)
    assert weights[2] == 1.0
    assert weights[:2] == pytest.approx([1.5, 1.5], rel=0.01)


def test_weights_stay_within_their_limits() -> None:
    weights = balance(incidence([(0, 0), (1, 1)], [1000.0, 0.0]), 2)
    assert list(weights) == [MAX_WEIGHT, MIN_WEIGHT]
