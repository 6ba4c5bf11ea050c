"""The window of a day, paces fused by precision, and levels of congestion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.fused_probes import probes_of
from tests.unit.hand_made import SPEED_MPS, network, road, through
from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.levels import LIMITS_KMH, class_of, level
from traffic_brain.fusion.link_features import MOVING_PACE_RATIO
from traffic_brain.fusion.link_state import (
    MOST_TAIL_SD,
    PaceEstimate,
    combine,
    likely_probe_flow,
    link_state,
    of_the_vehicles,
    pace_of_traversals,
    probe_flow,
)
from traffic_brain.fusion.observations import probe_sums
from traffic_brain.fusion.pace_fusion import FASTEST_PACE_RATIO, MIN_SPEED_MPS, USUAL_PERIOD_S
from traffic_brain.fusion.window import Window, window_of

PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (600.0, 0.0)}
CITY = network([road("a", "b", PLACES), road("b", "c", PLACES)], through("a-b", "b-c"))
WINDOW = Window(3600, 4500)


def pace(value: float, relative_sd: float, shape: tuple[int, int] = (1, 1)) -> PaceEstimate:
    return PaceEstimate(np.full(shape, float(value)), np.full(shape, relative_sd))


def traversals(*rows: tuple[int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["link_idx", "time_s", "travel_time_s"])


# --- window ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.0], (0, 300)),
        ([299.9], (0, 300)),
        ([300.0], (300, 600)),
        ([310.0, 3599.5], (300, 3600)),
        ([310.0, 3600.0], (300, 3900)),
        ([86399.9], (86100, 86400)),
    ],
)
def test_the_window_is_the_smallest_of_whole_bins(
    times: list[float], expected: tuple[int, int]
) -> None:
    found = window_of([np.array(times), np.array([])])
    assert found is not None
    assert (found.begin_s, found.end_s) == expected
    assert found.bin_count * 300 == found.end_s - found.begin_s


def test_no_time_is_no_window() -> None:
    assert window_of([]) is None
    assert window_of([np.array([]), np.array([])]) is None


def test_a_wrong_clock_does_not_stretch_the_window() -> None:
    day = np.linspace(25200, 28799, 5000)
    for wrong in (0.0, 80000.0):
        found = window_of([day, np.full(4, wrong)])
        assert found == Window(25200, 28800)


def test_bins_of_a_window() -> None:
    assert list(WINDOW.bin_starts) == [3600, 3900, 4200]
    assert list(WINDOW.demand_bin_starts()) == [3600]
    assert list(Window(0, 1200).demand_bin_starts()) == [0, 900]
    assert list(WINDOW.bin_idx(np.array([0.0, 3600.0, 4199.9, 9999.0]))) == [0, 0, 1, 2]
    assert [WINDOW.bin_of(t) for t in (0.0, 3600.0, 4199.9, 9999.0)] == [0, 0, 1, 2]
    assert WINDOW.hours == 0.25


# --- paces -----------------------------------------------------------------------------------


def test_precision_weighting() -> None:
    """Oracle E-5: 32 ± 4, 28 ± 2 and 36 ± 6 make 29.38776 ± 1.71429."""
    found = combine([pace(32, 4 / 32), pace(28, 2 / 28), pace(36, 6 / 36)])
    assert found.pace_s_per_m[0, 0] == pytest.approx(29.38776, abs=1e-5)
    sd = found.relative_sd[0, 0] * found.pace_s_per_m[0, 0]
    assert sd == pytest.approx(1.71429, abs=1e-5)


def test_a_source_that_saw_nothing_changes_nothing() -> None:
    seen, unseen = pace(0.1, 0.2, (2, 3)), PaceEstimate.unseen(2, 3)
    for sources in ([seen, unseen], [unseen, seen]):
        found = combine(sources)
        assert found.pace_s_per_m == pytest.approx(seen.pace_s_per_m)
        assert found.relative_sd == pytest.approx(seen.relative_sd)
    nothing = combine([unseen, unseen])
    assert np.isnan(nothing.pace_s_per_m).all()
    assert np.isinf(nothing.relative_sd).all()


def test_probe_speeds_are_averaged_over_distance() -> None:
    """60 samples at 5 m/s and 20 at 15 m/s: 600 m in 80 intervals, whatever the order."""
    speeds = pd.DataFrame(
        {
            "link_id": ["a-b", "a-b", "b-c", "b-c"],
            "time_s": [3600.0, 3720.0, 4199.0, 9000.0],
            "interval_s": 120,
            "speed_mps": [5.0, 15.0, 0.0, 5.0],
            "sample_count": [60, 20, 1, 7],
        }
    )
    city = network(
        [road("a", "b", PLACES, free_flow_speed_mps=15.0), road("b", "c", PLACES)],
        through("a-b", "b-c"),
    )
    found = probe_sums(InternetDay(speeds, 4), city, WINDOW)
    assert found.pace_s_per_m[0, 0] == pytest.approx(80 / 600)
    assert found.seen.sum() == 3
    assert np.isnan(found.pace_s_per_m[1]).all(), "it stood: time, but no distance"
    seen = probe_flow(InternetDay(speeds, 4), city)
    took_s = 200 * 80.5 / (600 + 0.5 * 15.0 * 635 / (80 * 15 + 8 * 10))
    assert seen["a-b"].passes == pytest.approx(80 / (took_s / USUAL_PERIOD_S))
    assert probe_flow(InternetDay(speeds.iloc[:0], 0), city) == {}
    likely = likely_probe_flow(InternetDay(speeds, 4), city)
    usual = (600 / 200 + 35 / 400) / 2
    assert usual < likely["a-b"] < 600 / 200
    assert likely["b-c"] == pytest.approx((8 + 3.0) / (8 * 400 / 35 + 3.0 / usual))
    assert likely_probe_flow(InternetDay(speeds.iloc[:0], 0), city) == {}


def test_a_report_that_lies_in_two_bins_is_shared_out() -> None:
    speeds = pd.DataFrame(
        {
            "link_id": ["a-b", "a-b"],
            "time_s": [3840.0, 4440.0],
            "interval_s": 120,
            "speed_mps": [5.0, 999.0],
            "sample_count": [8, 4],
        }
    )
    found = probe_sums(InternetDay(speeds, 2), CITY, WINDOW)
    assert found.samples[0] == pytest.approx([4.0, 4.0, 0.0])
    assert found.driven[0] == pytest.approx([20.0, 20.0, 0.0])
    assert list(found.row_samples) == [8.0]


def test_the_median_traversal_outlasts_stop_overs() -> None:
    """10 % of the vehicles stop over, for 3 to 10 times the travel time: at most 3 % off."""
    rng = np.random.default_rng(5)
    took = 20.0 * rng.lognormal(0.0, 0.05, 400)
    took[:40] *= rng.uniform(3, 10, 40)
    found = pace_of_traversals(
        traversals(*((0, 3700.0, float(t)) for t in took)), CITY, WINDOW, 0.35
    )
    assert found.pace_s_per_m[0, 0] * 200 == pytest.approx(20.0, rel=0.03)
    assert found.relative_sd[0, 0] == pytest.approx(0.35 / 20)


def test_a_step_in_travel_time_is_followed_at_once() -> None:
    rows = [(0, 3600.0 + 30 * i, 20.0 if i < 10 else 40.0) for i in range(30)]
    found = pace_of_traversals(traversals(*rows), CITY, WINDOW, 0.35)
    assert found.pace_s_per_m[0] * 200 == pytest.approx([20.0, 40.0, 40.0])


def test_traversals_outside_the_window_say_nothing() -> None:
    found = pace_of_traversals(
        traversals((0, 3599.0, 90.0), (0, 4500.0, 90.0), (0, 3600.0, 20.0)), CITY, WINDOW, 0.35
    )
    assert found.pace_s_per_m[0, 0] * 200 == pytest.approx(20.0)
    assert np.isfinite(found.pace_s_per_m).sum() == 1
    nothing = pace_of_traversals(traversals(), CITY, WINDOW, 0.35)
    assert np.isnan(nothing.pace_s_per_m).all()


def test_what_nobody_saw_is_filled_and_says_so() -> None:
    found = link_state(CITY, WINDOW, probes_of(CITY, WINDOW, {"a-b": [0.2, np.nan, 0.4]}))
    first, between, last = found.travel_time_s[0]
    assert (first, last) == pytest.approx((40.0, 80.0), rel=0.03)
    assert 45.0 < between < 70.0
    assert list(found.sources[0]) == ["internet", "neighbour bins", "internet"]
    assert found.speed_mps[1] == pytest.approx([SPEED_MPS / MOVING_PACE_RATIO] * 3, rel=0.02)
    assert list(found.sources[1]) == ["none"] * 3
    assert (found.travel_time_low_s <= found.travel_time_s).all()
    assert (found.travel_time_s <= found.travel_time_high_s).all()
    width = np.log(found.travel_time_high_s / found.travel_time_low_s)
    assert width[0, 0] < width[0, 1]
    assert found.fused.variance[0, 1] < found.fused.variance[1, 1]
    assert width[1, 1] > 1.0


def test_means_lie_above_medians_by_what_is_not_known() -> None:
    """exp(σ²/2) of a log-normal; of a link of 200 m the last metres of a vehicle matter little."""
    found = link_state(CITY, WINDOW, probes_of(CITY, WINDOW, {"a-b": [0.2, np.nan, 0.4]}))
    above = found.mean_travel_time_s / found.travel_time_s
    known = np.minimum(found.fused.variance, MOST_TAIL_SD**2)
    assert above == pytest.approx(np.exp(known / 2), rel=0.02)
    assert (above[1] > above[0]).all(), "what nobody saw is least sure"


def test_a_jam_that_nobody_looks_at_any_more_does_not_grow() -> None:
    """Six bins of jam, then three hours without a report: back to the usual, and no further up."""
    window = Window(0, 48 * 300)
    jam = [0.12] * 6 + [2.0] * 6 + [np.nan] * 36
    found = link_state(CITY, window, probes_of(CITY, window, {"a-b": jam}))
    unseen_s = found.mean_travel_time_s[0, 12:]
    assert (np.diff(found.travel_time_s[0, 11:]) < 0).all()
    assert unseen_s.max() < 1.2 * found.mean_travel_time_s[0, 11]
    assert unseen_s[-1] < 0.6 * found.mean_travel_time_s[0, 11]


def test_paces_stay_within_what_is_possible() -> None:
    found = link_state(CITY, WINDOW, probes_of(CITY, WINDOW, {"a-b": 1e-6, "b-c": 1e6}))
    assert (found.speed_mps[0] <= SPEED_MPS / FASTEST_PACE_RATIO + 1e-9).all()
    assert found.speed_mps[1] == pytest.approx([MIN_SPEED_MPS] * 3, rel=0.02)


def test_of_few_vehicles_those_that_were_seen_are_most() -> None:
    state = link_state(CITY, WINDOW, probes_of(CITY, WINDOW, {"a-b": 0.2}))
    few = of_the_vehicles(state, CITY, np.full((2, 3), 1.0))
    many = of_the_vehicles(state, CITY, np.full((2, 3), 1e6))
    assert few.travel_time_s[0] == pytest.approx(state.travel_time_s[0], rel=0.02)
    assert many.travel_time_s[1] == pytest.approx(state.travel_time_s[1])
    wide = few.travel_time_high_s - few.travel_time_low_s
    narrow = many.travel_time_high_s - many.travel_time_low_s
    assert (wide[1] > narrow[1]).all(), "one vehicle strays more than the mean of many"


# --- levels ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speed_kmh", "expected"),
    [(20.0, "moderate"), (20.1, "light"), (40.1, "free"), (15.0, "severe"), (40.0, "mostly_free")],
)
def test_levels_of_an_arterial(speed_kmh: float, expected: str) -> None:
    """Oracle E-10."""
    assert level("arterial", speed_kmh) == expected


def test_the_level_never_gets_better_with_lower_speed() -> None:
    order = ["free", "mostly_free", "light", "moderate", "severe"]
    for road_class in LIMITS_KMH:
        levels = [order.index(level(road_class, v / 10)) for v in range(900, -1, -1)]
        assert levels == sorted(levels)
        assert set(levels) == set(range(5))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"road_class": "highway.motorway_link"}, "expressway"),
        ({"road_class": "highway.trunk"}, "expressway"),
        ({"road_class": "highway.primary"}, "arterial"),
        ({"road_class": "highway.residential", "free_flow_speed_mps": 16.7}, "branch"),
        ({"road_class": "", "free_flow_speed_mps": 13.9, "lane_count": 2}, "arterial"),
        ({"road_class": "", "free_flow_speed_mps": 13.9}, "branch"),
    ],
)
def test_the_class_of_a_road(changes: dict[str, object], expected: str) -> None:
    assert class_of(road("a", "b", PLACES, **changes)) == expected
