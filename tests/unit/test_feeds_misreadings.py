"""Misread plates go back to their vehicles, look-alikes do not, and no plate leaves the ingest."""

from __future__ import annotations

import pickle
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.hand_made import network, road, through
from traffic_brain.clock import TIME_ZONE
from traffic_brain.feeds import checkpoint
from traffic_brain.feeds.misreadings import (
    CLOCK_ERROR_S,
    COMPANY_S,
    LEAST_SPEED_MPS,
    MAX_SPEED_MPS,
    WAIT_S,
    mended,
)
from traffic_brain.feeds.pseudonym import in_one_spelling, tokens
from traffic_brain.feeds.tables import Quarantine
from traffic_brain.fusion.routes import sightings

PLATE, MISREAD, SECOND, OTHER = "皖A3K72B", "皖A3K728", "皖A8K72B", "皖AD12345"
Pass = tuple[str, float, float]
"""Plate, time in seconds, and how far along a straight street the camera stands, in metres."""


def owners(passes: list[Pass]) -> list[str]:
    """Whose each pass is: the plate that the city knows its token by, which is seen first."""
    plates = np.array([plate for plate, _, _ in passes], dtype=object)
    token = tokens(plates)
    time_s = np.array([at_s for _, at_s, _ in passes], dtype=float)
    place_m = np.array([(x, 0.0) for _, _, x in passes], dtype=float).reshape(-1, 2)
    name = {int(t): str(plate) for t, plate in zip(token, plates, strict=True)}
    found = mended(plates, token, time_s, place_m)
    assert found.dtype == np.int64
    return [name[int(t)] for t in found]


# --- given back ------------------------------------------------------------------------------


@pytest.mark.parametrize("at_s", [-40.0, 40.0, 140.0])
def test_a_misread_plate_is_given_back(at_s: float) -> None:
    """Before, between and after the sightings of the vehicle, at about 10 m/s."""
    passes = [(PLATE, 0.0, 0.0), (PLATE, 100.0, 1000.0), (MISREAD, at_s, 10 * at_s)]
    assert owners(passes) == [PLATE] * 3


@pytest.mark.parametrize("place", range(7))
def test_any_character_may_be_misread(place: int) -> None:
    wrong = PLATE[:place] + ("苏" if place == 0 else "9") + PLATE[place + 1 :]
    passes = [(PLATE, 0.0, 0.0), (wrong, 40.0, 400.0), (PLATE, 100.0, 1000.0)]
    assert owners(passes) == [PLATE] * 3


def test_two_misread_plates_are_given_back_to_one_vehicle() -> None:
    passes = [
        (PLATE, 0.0, 0.0),
        (MISREAD, 30.0, 300.0),
        (SECOND, 60.0, 600.0),
        (PLATE, 100.0, 1000.0),
    ]
    assert owners(passes) == [PLATE] * 4


def test_a_misread_pass_that_is_reported_twice_is_given_back_twice() -> None:
    passes = [
        (PLATE, 0.0, 0.0),
        (MISREAD, 40.0, 400.0),
        (MISREAD, 42.0, 400.0),
        (PLATE, 100.0, 1000.0),
    ]
    assert owners(passes) == [PLATE] * 4


def test_of_two_vehicles_the_nearest_in_time_was_misread() -> None:
    """Their plates both differ from the misread one in a character."""
    near = "皖A3K72C"
    passes = [
        (PLATE, 0.0, 0.0),
        (near, 30.0, 100.0),
        (MISREAD, 60.0, 400.0),
        (PLATE, 130.0, 1000.0),
        (near, 120.0, 1000.0),
    ]
    assert owners(passes)[2] == near


# --- left alone ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plate",
    [
        "皖A3K7Z8",  # two characters differ
        "皖A3K72B8",  # one more
        "皖A3K72",  # one less
        "皖AK372B",  # two changed places
    ],
)
def test_a_plate_that_differs_by_more_is_another(plate: str) -> None:
    passes = [(PLATE, 0.0, 0.0), (plate, 40.0, 400.0), (PLATE, 100.0, 1000.0)]
    assert owners(passes)[1] == plate


def test_a_look_alike_long_before_or_after_is_another() -> None:
    seen: list[Pass] = [(PLATE, 10_000.0, 0.0), (PLATE, 10_100.0, 1000.0)]
    far_m = 2 * COMPANY_S * LEAST_SPEED_MPS  # far enough for a long drive
    for at_s in (10_000.0 - COMPANY_S - 1, 10_100.0 + COMPANY_S + 1):
        assert owners([*seen, (MISREAD, at_s, far_m)])[2] == MISREAD
    late_s = 10_100.0 + COMPANY_S - 1
    assert owners([*seen, (MISREAD, late_s, 1000.0 + far_m)])[2] == PLATE


def test_a_look_alike_too_far_away_is_another() -> None:
    """The vehicle was at 0 m and 1000 m, and cannot fly."""
    seen: list[Pass] = [(PLATE, 0.0, 0.0), (PLATE, 100.0, 1000.0)]
    reach_m = (60.0 + CLOCK_ERROR_S) * MAX_SPEED_MPS
    assert owners([*seen, (MISREAD, 160.0, 1000 + reach_m - 1)])[2] == PLATE
    assert owners([*seen, (MISREAD, 160.0, 1000 + reach_m + 1)])[2] == MISREAD
    # Near enough to where it was last seen, not to where it was seen later.
    assert owners([*seen, (MISREAD, 10.0, -400.0)])[2] == PLATE
    assert owners([*seen, (MISREAD, 60.0, -1500.0)])[2] == MISREAD


def test_a_look_alike_that_takes_too_long_is_another() -> None:
    """300 m take a car that keeps on driving no ten minutes."""
    seen: list[Pass] = [(PLATE, 0.0, 0.0), (PLATE, 100.0, 1000.0)]
    longest_s = WAIT_S + 300.0 / LEAST_SPEED_MPS
    assert owners([*seen, (MISREAD, 100.0 + longest_s - 1, 1300.0)])[2] == PLATE
    assert owners([*seen, (MISREAD, 100.0 + longest_s + 1, 1300.0)])[2] == MISREAD


def test_a_vehicle_that_was_read_rightly_there_was_not_misread_there() -> None:
    passes = [
        (PLATE, 0.0, 0.0),
        (PLATE, 40.0, 400.0),
        (MISREAD, 70.0, 400.0),
        (PLATE, 100.0, 1000.0),
    ]
    assert owners(passes)[2] == MISREAD
    # Hours before is another drive.
    assert owners([(PLATE, -9000.0, 400.0), *passes[:1], *passes[2:]])[2] == PLATE


def test_a_plate_that_was_seen_elsewhere_is_a_vehicle_of_its_own() -> None:
    passes = [
        (PLATE, 0.0, 0.0),
        (MISREAD, 40.0, 400.0),
        (PLATE, 100.0, 1000.0),
        (MISREAD, 5000.0, 700.0),
    ]
    assert owners(passes) == [PLATE, MISREAD, PLATE, MISREAD]


def test_a_plate_that_passes_one_camera_every_day_is_a_vehicle_of_its_own() -> None:
    """In the evening nobody like it was near: twice the same misreading would be a wonder."""
    passes = [
        (PLATE, 0.0, 0.0),
        (MISREAD, 40.0, 400.0),
        (PLATE, 100.0, 1000.0),
        (MISREAD, 36_000.0, 400.0),
    ]
    assert owners(passes) == [PLATE, MISREAD, PLATE, MISREAD]
    assert owners(passes[::-1]) == [MISREAD, PLATE, MISREAD, PLATE]


def test_two_lonely_plates_are_left_alone() -> None:
    """Neither is known to be a vehicle, and nobody can say which of them was misread."""
    assert owners([(PLATE, 0.0, 0.0), (MISREAD, 40.0, 400.0)]) == [PLATE, MISREAD]
    assert owners([(PLATE, 0.0, 0.0), (PLATE, 4.0, 0.0), (MISREAD, 40.0, 400.0)]) == [
        PLATE,
        PLATE,
        MISREAD,
    ]


def test_a_day_without_passes_has_nothing_to_mend() -> None:
    assert owners([]) == []


# --- in any order ----------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    """Forty vehicles whose plates look alike, some misread; each row keeps its owner."""
    rng = np.random.default_rng(seed)
    passes: list[Pass] = []
    for vehicle in range(40):
        begun_s = float(rng.integers(0, 3000))
        for k in range(int(rng.integers(1, 5))):
            wrong = rng.random() < 0.2
            plate = f"皖A{1000 + vehicle}{'8' if wrong else 'B'}"
            passes.append((plate, begun_s + 30.0 * k + rng.random(), 300.0 * k))
    found = dict(zip(passes, owners(passes), strict=True))
    order = rng.permutation(len(passes))
    again = owners([passes[i] for i in order])
    assert again == [found[passes[i]] for i in order]


# --- inside the ingest -----------------------------------------------------------------------


DAY = date(2026, 3, 2)
PLACES = {name: (300.0 * i, 0.0) for i, name in enumerate("abcde")}
STREET = network(
    [road(x, y, PLACES) for x, y in ("ab", "bc", "cd", "de")], through("a-b", "b-c", "c-d", "d-e")
)
SITES = [("K1", "a-b"), ("K2", "b-c"), ("K3", "c-d"), ("K4", "d-e")]


def read(folder: Path, passes: list[tuple[str, float, str]]) -> checkpoint.CheckpointDay:
    """The day of a feed with these passes: site, seconds of the day, plate as it was sent."""
    folder.mkdir(exist_ok=True)
    pd.DataFrame(SITES, columns=["site_id", "link_id"]).to_parquet(folder / "sites.parquet")
    table = pd.DataFrame(passes, columns=["site_id", "time", "plate"])
    table["time"] = pd.Timestamp(DAY, tz=TIME_ZONE) + pd.to_timedelta(table["time"], unit="s")
    table.to_parquet(folder / "passes.parquet")
    quarantine = Quarantine()
    day = checkpoint.read(folder, STREET, DAY, quarantine)
    assert len(day.passes) + quarantine.total == len(passes)
    assert {row["reason"] for row in quarantine.as_table().to_pylist()} <= {"duplicate"}
    return day


def test_the_feed_tells_the_whole_way_of_a_misread_vehicle(tmp_path: Path) -> None:
    """Cameras differ in how they spell; what they report twice counts once, misread or not."""
    day = read(
        tmp_path,
        [
            ("K1", 10.0, "皖A·3K72B"),
            ("K2", 40.0, "皖A·3K728"),
            ("K2", 43.0, "皖A3K728"),  # duplicate
            ("K3", 70.0, "皖A-3K72B"),
            ("K4", 100.0, "皖A·3K7ZB"),
            ("K4", 300.0, "皖A·D12345"),
        ],
    )
    assert sightings(day) == [
        (["a-b", "b-c", "c-d", "d-e"], [10.0, 40.0, 70.0, 100.0]),
        (["d-e"], [300.0]),
    ]


def test_cameras_at_the_ends_of_links_tell_what_was_driven(tmp_path: Path) -> None:
    """From the end of a-b to the end of d-e it is 900 m, no ten seconds' drive."""
    passes = [("K1", 10.0, "皖A·3K72B"), ("K2", 40.0, "皖A·3K72B"), ("K4", 20.0, "皖A·3K728")]
    assert len(sightings(read(tmp_path, passes))) == 2


def test_no_plate_leaves_the_ingest(tmp_path: Path) -> None:
    spelled = ("皖A·3K72B", "皖A·3K728", "皖A·D12345")
    passes = [(f"K{k + 1}", 30.0 * k, spelled[k % 2]) for k in range(4)]
    day = read(tmp_path, [*passes, ("K1", 500.0, spelled[2])])
    assert list(day.passes.columns) == ["token", "time_s", "link_id"]
    assert day.passes["token"].dtype == np.int64
    assert set(day.passes["link_id"]) <= set(STREET.links)
    held = pickle.dumps(day)
    for plate in spelled:
        for text in (plate, *in_one_spelling([plate]), plate[2:], plate[3:]):
            assert text.encode() not in held
    assert b"a-b" in held  # as texts are held


def test_rows_in_any_order_are_the_same_day(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = [
        (f"K{k + 1}", 40.0 * vehicle + 30.0 * k, f"皖A·{1000 + vehicle}{'B8'[rng.random() < 0.2]}")
        for vehicle in range(60)
        for k in range(4)
    ]
    rows = [(site, at_s + i / 1000, plate) for i, (site, at_s, plate) in enumerate(rows)]
    days = [
        read(tmp_path / str(n), [rows[i] for i in order])
        for n, order in enumerate((np.arange(240), rng.permutation(240)))
    ]
    pd.testing.assert_frame_equal(days[0].passes, days[1].passes)
    assert len({*days[0].passes["token"]}) < len({plate for _, _, plate in rows})
