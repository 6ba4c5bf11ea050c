"""Counts of lanes as counts of movements, and trips balanced with them and with turns."""

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
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.trips import ESTIMATE_WORTH, TURN_WORTH, _incidence
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
        ((0,), frozenset({"x-s"})),
        ((1,), frozenset({"x-e"})),
        ((2,), frozenset({"x-n"})),
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


# --- balance ---------------------------------------------------------------------------------


def incidence(
    rows: list[tuple[int, int]], values: list[float], worth: list[float] | None = None
) -> Counts:
    trips, counts = np.array(rows, dtype=np.int64).reshape(-1, 2).T
    return Counts(trips, counts, np.array(values), np.array(worth or [1.0] * len(values)))


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


def test_of_counts_that_differ_the_one_worth_more_is_followed() -> None:
    """One trip past two counts of 2 and 1/2: log(w + 1/2) is the mean of theirs by worth."""
    rows = [(0, 0), (0, 1)]
    for worth, share in (([1.0, 1.0], 1 / 2), ([1.0, 0.1], 1 / 1.1), ([0.2, 0.6], 1 / 4)):
        (weight,) = balance(incidence(rows, [2.0, 0.5], worth), 1)
        assert weight == pytest.approx(2.5**share - 0.5, rel=1e-6)


def test_what_all_counts_are_worth_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    rows = sorted({(t, int(c)) for t in range(60) for c in rng.integers(0, 9, 2)})
    values = list(rng.uniform(5.0, 25.0, 9))
    plain = balance(incidence(rows, values), 60)
    assert balance(incidence(rows, values, [0.1] * 9), 60) == pytest.approx(plain)


# --- what trips are balanced with ------------------------------------------------------------


FLOWS = {("w-x", "x-s"): 138.0, ("w-x", "x-e"): 171.0, ("w-x", "x-n"): 31.0}


def drive(to: str, at_s: float) -> Trip:
    return Trip(("w-x", f"x-{to}"), (at_s, at_s + 30.0), (True, False))


def test_turns_that_share_lanes_are_balanced_with_their_flows() -> None:
    """Two bins of the counter, then the turns over the whole window."""
    lanes = counted(SHARED, police({0: every(10), 1: every(20), 2: every(30)}))
    trips = [drive("e", 10.0), drive("s", 910.0), drive("n", -10.0), drive("n", 1801.0)]
    found = _incidence(trips, lanes, FLOWS, WINDOW)
    turn_values = dict(zip(found.counted[2:], found.worth[2:], strict=True))
    assert list(found.counted[:2]) == [165.0, 165.0]
    assert list(found.worth[:2]) == [1.0, 1.0]
    assert turn_values == dict.fromkeys(FLOWS.values(), TURN_WORTH)
    passes = [(t, found.counted[c]) for t, c in zip(found.trip_idx, found.count_idx, strict=True)]
    assert passes == [(0, 165.0), (0, 171.0), (1, 165.0), (1, 138.0)]
    assert list(found.count_idx[[0, 2]]) == [0, 1]


def test_a_count_that_stands_in_for_a_dead_detector_is_worth_less() -> None:
    lanes = counted(SHARED, police({0: every(10), 1: every(20)}))
    found = _incidence([drive("e", 10.0)], lanes, FLOWS, WINDOW)
    assert list(found.worth) == [ESTIMATE_WORTH] * 2 + [TURN_WORTH] * 3
    assert ESTIMATE_WORTH < TURN_WORTH < 1.0


def test_a_turn_with_lanes_of_its_own_is_balanced_with_its_count_alone() -> None:
    lanes = counted(APART, police({0: every(10), 1: every(20), 2: every(30)}))
    found = _incidence([drive("e", 10.0)], lanes, FLOWS, WINDOW)
    assert list(found.counted) == [90, 90, 45, 45, 30, 30]
    assert set(found.worth) == {1.0}
    assert list(found.count_idx) == [2]


def test_nothing_to_balance_with() -> None:
    found = _incidence([drive("e", 10.0)], [], {}, WINDOW)
    assert len(found.counted) == len(found.worth) == len(found.trip_idx) == 0
    dark = police({n: [t for t in every(10) if not 900 <= t < 1200] for n in range(3)})
    found = _incidence([drive("e", 1000.0)], counted(SHARED, dark), FLOWS, WINDOW)
    assert list(found.counted[found.count_idx]) == [171.0]
