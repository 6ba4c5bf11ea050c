"""Platoons that probes tell of come in platoons; chance alone makes none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.unit.hand_made import network, road, through
from traffic_brain.feeds.internet import InternetDay
from traffic_brain.fusion.bursts import Bursts, bursts
from traffic_brain.fusion.expected_flows import Probed
from traffic_brain.fusion.trips import unexplained
from traffic_brain.fusion.window import Window

PLACES = {"v": (0.0, 0.0), "w": (300.0, 0.0), "x": (600.0, 0.0)}
CITY = network([road("v", "w", PLACES), road("w", "x", PLACES)], through("v-w", "w-x"))
WINDOW = Window(36000, 43200)
CORNERS = {f"n{i}": (100.0 * i, 0.0) for i in range(31)}
MANY = network(
    [road(f"n{i}", f"n{i + 1}", CORNERS) for i in range(30)],
    through(*(f"n{i}-n{i + 1}" for i in range(30))),
)
SLICE_S, SLICES = 120, 60


def told(veh: np.ndarray, link_id: str = "v-w", speed_mps: float = 10.0) -> pd.DataFrame:
    """Reports of so many probes in each interval, of three samples each."""
    return pd.DataFrame(
        {
            "link_id": link_id,
            "time_s": WINDOW.begin_s + SLICE_S * np.arange(len(veh)),
            "interval_s": SLICE_S,
            "speed_mps": speed_mps,
            "sample_count": 3 * veh,
        }
    )


def found(*tables: pd.DataFrame) -> Bursts:
    speeds = pd.concat(tables)
    veh = speeds.groupby("link_id")["sample_count"].sum() / 3
    probes = {str(k): Probed(float(n), 1.0) for k, n in veh.items()}
    return bursts(InternetDay(speeds, len(speeds)), CITY, probes, WINDOW)


def test_a_platoon_every_ten_minutes_is_found() -> None:
    veh = np.where(np.arange(SLICES) % 5 == 2, 8, 0)
    ratio = found(told(veh), told(np.full(SLICES, 2), "w-x")).ratio["v-w"]
    assert ratio[veh > 0].mean() > 3.5
    assert ratio[veh > 0].min() > ratio[veh == 0].max()
    assert ratio[veh == 0].mean() < 0.4


def test_probes_that_come_by_chance_make_no_burst() -> None:
    made = 0
    for seed in range(200):
        veh = np.random.default_rng(seed).poisson(1.5, SLICES)
        made += "v-w" in found(told(veh), told(np.full(SLICES, 2), "w-x")).ratio
    assert made <= 8


def test_few_probes_leave_their_platoons_nearer_to_the_usual() -> None:
    on = np.arange(SLICES) % 5 == 2
    many, few = (found(told(np.where(on, n, 0))).ratio["v-w"][on].mean() for n in (12, 2))
    assert 1.5 < few < many


def test_a_rush_hour_of_the_whole_city_is_no_burst_of_a_link() -> None:
    """What the time of day tells of every link is told by the trips that are known already."""
    veh = np.where(np.arange(SLICES) < SLICES // 2, 6, 2)
    assert not found(told(veh), told(5 * veh, "w-x")).ratio


def test_who_stands_has_not_driven() -> None:
    """Samples of a queue that stands are many, but drive no metres."""
    veh = np.where(np.arange(SLICES) % 5 == 2, 8, 0)
    queue = told(np.where(np.arange(SLICES) % 5 == 3, 40, 0), speed_mps=0.0)
    drove = told(veh)
    both = pd.concat([drove[veh > 0], queue[np.arange(SLICES) % 5 == 3]])
    ratio = found(both).ratio["v-w"]
    assert ratio[np.arange(SLICES) % 5 == 3].max() < 0.5 < ratio[veh > 0].min()


def test_probes_of_a_day_with_rush_hours_make_no_burst() -> None:
    """Hours in which hardly anybody drives let counts vary more than the mean hour does."""
    share = np.where(np.arange(SLICES) < 6, 0.15, 0.1 / (SLICES - 6))
    everybody = told(np.round(3000 * share).astype(int), "w-x")
    made = 0
    for seed in range(200):
        veh = np.random.default_rng(seed).poisson(20 * share / share.sum())
        made += "v-w" in found(told(veh), everybody).ratio
    assert made <= 12


def test_what_all_links_have_in_common_is_no_burst() -> None:
    """Samples far apart find few vehicles often, or others not at all, on every link alike."""
    rng = np.random.default_rng(1)
    tables = [told(4 * rng.poisson(0.4, SLICES), link_id) for link_id in MANY.links]
    speeds = pd.concat(tables)
    veh = speeds.groupby("link_id")["sample_count"].sum() / 3
    probes = {str(k): Probed(float(n), 1.0) for k, n in veh.items()}
    ratio = bursts(InternetDay(speeds, len(speeds)), MANY, probes, WINDOW).ratio
    assert len(ratio) <= 2


def test_a_report_of_a_long_interval_is_shared_out() -> None:
    slow = told(np.full(SLICES // 5, 10)).assign(
        interval_s=5 * SLICE_S, time_s=WINDOW.begin_s + 5 * SLICE_S * np.arange(SLICES // 5)
    )
    assert not found(slow, told(np.full(SLICES, 2), "w-x")).ratio


def test_slices_are_those_of_the_provider() -> None:
    """Its quarters of an hour begin elsewhere than the window; the busy one is told as it was."""
    reports = told(np.where(np.arange(9) % 3 == 1, 40, 1)).assign(
        interval_s=900, time_s=WINDOW.begin_s - 300 + 900 * np.arange(9)
    )
    even = reports.assign(link_id="w-x", sample_count=60)
    here = found(reports, even)
    assert here.begin_s == WINDOW.begin_s - 300
    assert here.at("v-w", WINDOW.begin_s + 700.0) > 1.5 > here.at("v-w", WINDOW.begin_s + 500.0)


def test_intensities_are_asked_for_by_time() -> None:
    here = Bursts(100, 10, {"v-w": np.array([0.5, 2.0])})
    assert [here.at("v-w", t) for t in (0.0, 105.0, 111.0, 500.0)] == [0.5, 0.5, 2.0, 2.0]
    assert here.of("v-w", np.array([105.0, 111.0])).tolist() == [0.5, 2.0]
    assert here.at("w-x", 105.0) == Bursts.unknown().at("v-w", 105.0) == 1.0
    assert here.of("w-x", np.array([1.0, 2.0])).tolist() == [1.0, 1.0]


def test_nothing_is_known_without_probes() -> None:
    assert not found(told(np.zeros(0, dtype=int))).ratio
    assert not found(told(np.full(SLICES, 3), speed_mps=0.0)).ratio


@pytest.mark.parametrize(
    ("known_s", "left_s"),
    [
        ([], [10, 20, 30, 100]),
        ([19, 22], [10, 100]),  # 20 is the nearest to both; the second takes the next
        ([500], [10, 20, 30]),
        ([0, 0, 0, 0, 0], []),
    ],
)
def test_a_pass_is_explained_once(known_s: list[float], left_s: list[float]) -> None:
    assert unexplained(np.array([10.0, 20.0, 30.0, 100.0]), known_s).tolist() == left_s
