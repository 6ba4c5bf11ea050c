"""The rule of PeMS: when a drop of speed is a bottleneck, and how far its queue reaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.unit.hand_made import network, road, through
from traffic_brain.diagnosis.speed_drops import (
    KMH_PER_MPH,
    MAX_APART_KM,
    Stations,
    activations,
    expressway_stations,
    in_a_row,
    speed_drops,
)

PEMS = Path(__file__).parents[3] / "shared/data/pems_i5n"
ROW = in_a_row(["a", "b", "c", "d"], [0.0, 1.0, 2.0, 3.0])
FREE, SLOW = 65 * KMH_PER_MPH, 30 * KMH_PER_MPH


def speeds(slow: dict[str, range], bins: int = 24) -> np.ndarray:
    found = np.full((4, bins), FREE)
    for name, at in slow.items():
        found["abcd".index(name), list(at)] = SLOW
    return found


@pytest.mark.parametrize(
    ("drops", "found"),
    [
        ("....XXXX....", []),
        ("....XXXXX...", [(4, 9)]),
        ("..XX.X.XX...", [(2, 9)]),
        ("..XX..X..X..", []),
        ("XXXXX..XXXXX", [(0, 12)]),
        ("XXXXX........XXXXX", [(0, 5), (13, 18)]),
        ("XXXXX", []),
    ],
)
def test_five_of_seven(drops: str, found: list[tuple[int, int]]) -> None:
    assert activations(np.array([c == "X" for c in drops])) == found


def test_a_queue_reaches_over_all_slow_stations_without_a_gap() -> None:
    (one,) = speed_drops(ROW, speeds({"c": range(6, 14), "b": range(8, 12), "a": range(9, 11)}))
    assert (one.upstream, one.downstream) == ("c", "d")
    assert (one.first_bin, one.end_bin) == (6, 14)
    assert one.queue == ("c", "b", "a")
    assert one.longest_km == pytest.approx(2.0)
    found = speed_drops(ROW, speeds({"c": range(6, 14), "a": range(6, 14)}))
    assert {d.upstream: d.queue for d in found} == {"a": ("a",), "c": ("c",)}


def test_limits() -> None:
    at_limit = speeds({})
    at_limit[2] = 40 * KMH_PER_MPH
    assert speed_drops(ROW, at_limit) == []
    at_limit[2] = 39.9 * KMH_PER_MPH
    assert len(speed_drops(ROW, at_limit)) == 1
    at_limit[3] = 59.8 * KMH_PER_MPH
    assert speed_drops(ROW, at_limit) == []


def test_what_is_not_known_or_too_far_apart_is_no_drop() -> None:
    slow = speeds({"c": range(6, 14)})
    unknown = slow.copy()
    unknown[3] = np.nan
    assert speed_drops(ROW, unknown) == []
    apart = Stations(ROW.names, dict.fromkeys(ROW.apart_km, MAX_APART_KM + 0.1))
    assert speed_drops(apart, slow) == []
    with pytest.raises(ValueError, match="3 rows of 4 stations"):
        speed_drops(ROW, slow[:3])


def test_expressways_of_a_city() -> None:
    places = {name: (400.0 * i, 0.0) for i, name in enumerate("pqrs")}
    links = [road(a, b, places, road_class="highway.motorway") for a, b in ("pq", "qr")]
    links.append(road("r", "s", places))
    city = network(links, through("p-q", "q-r", "r-s"))
    stations = expressway_stations(city)
    assert stations.names == ("p-q", "q-r")
    assert stations.apart_km == {(0, 1): pytest.approx(0.4)}


@pytest.mark.skipif(not PEMS.is_dir(), reason="the I-5's stations are not beside the project")
def test_real_stations_as_the_plain_rule_has_it() -> None:
    from benchmarks.speed_drops import compare
    from benchmarks.stations import read_pems

    agreement, found = compare("pems_i5n", read_pems(PEMS))
    assert agreement.found == agreement.plain == agreement.same > 0
    assert max(d.longest_km for drops in found.values() for d in drops) > 1.0
