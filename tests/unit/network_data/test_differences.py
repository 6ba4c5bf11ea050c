"""What differs between two networks is named by attribute and place."""

from __future__ import annotations

from dataclasses import replace

from network_data.differences import differences
from tests.unit.hand_made import network, road
from traffic_brain.model.network import Turn

PLACES = {"w": (0.0, 0.0), "m": (100.0, 0.0), "e": (200.0, 0.0)}
ROADS = [road("w", "m", PLACES), road("m", "e", PLACES)]
WAYS = {("w-m", "m-e"): (Turn.THROUGH, (0,))}


def test_a_network_is_its_own_twin() -> None:
    assert list(differences(network(ROADS, WAYS), network(ROADS[::-1], WAYS))) == []


def test_numbers_may_differ_by_the_tolerance() -> None:
    def longer(by_m: float, tolerance: float = 0.0) -> list[tuple[str, str]]:
        end = (PLACES["m"][0] + by_m, 0.0)
        changed = replace(ROADS[0], length_m=100.0 + by_m, shape=(PLACES["w"], end))
        other = network([changed, ROADS[1]], WAYS)
        return list(differences(network(ROADS, WAYS), other, tolerance=tolerance))

    named = [("links.length_m", "link w-m"), ("links.shape", "link w-m")]
    assert longer(1e-7) == named
    assert longer(1e-7, 1e-6) == []
    assert longer(1e-5, 1e-6) == named


def test_a_road_more_is_a_row_that_only_one_has() -> None:
    found = differences(network(ROADS, WAYS), network([*ROADS, road("e", "m", PLACES)], WAYS))
    assert list(found) == [("links.row", "link e-m")]
