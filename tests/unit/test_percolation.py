"""Where a city falls apart, on two rings of streets with a bridge between them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.hand_made import network, road
from traffic_brain.diagnosis.percolation import Streets, gains, percolation

PLACES = {name: (100.0 * n, 0.0) for n, name in enumerate("abcdefg")}
RINGS = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "e"), ("e", "f"), ("f", "d")]
BRIDGE = [("c", "d"), ("d", "c")]


@pytest.fixture
def streets() -> Streets:
    return Streets.of(network([road(a, b, PLACES) for a, b in (*RINGS, *BRIDGE)], {}))


def test_the_bridge_decides(streets: Streets) -> None:
    ratio = np.array([0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.4, 0.6])
    found = percolation(streets, ratio)
    assert found is not None
    assert found.threshold_ratio == pytest.approx(0.41)
    assert (found.giant_ratio, found.second_ratio) == (0.5, 0.5)
    told = gains(streets, ratio, found.threshold_ratio, range(8))
    assert told[6] == 0.5
    assert {told[n] for n in range(8) if n != 6} == {0.0}


def test_a_free_city_and_one_that_nobody_saw_have_no_threshold(streets: Streets) -> None:
    assert percolation(streets, np.ones(8)) is None
    assert percolation(streets, np.full(8, np.nan)) is None


def test_parts_are_those_one_can_drive_round_in(streets: Streets) -> None:
    one_way = np.array([True] * 7 + [False])
    assert streets.parts(one_way).tolist() == [3, 3]
    assert streets.parts(np.ones(8, dtype=bool)).tolist() == [6]
