"""What links carry by their probes: figures by hand, and errors that are as large as they say."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.expected_flows import (
    ENDS_M,
    KNOWN_RELATIVE_SD,
    SHAPE,
    USUAL_STRAY,
    Probed,
    expected_flows,
    probed,
)
from traffic_brain.model.network import RoadNetwork

PLACES = {"a": (0.0, 0.0), "b": (300.0, 0.0), "c": (600.0, 0.0), "d": (602.0, 0.0)}
CITY = network(
    [road("a", "b", PLACES), road("b", "c", PLACES), road("c", "d", PLACES)],
    through("a-b", "b-c", "c-d"),
)
LONG = ENDS_M / 300.0


def test_samples_are_told_from_vehicles() -> None:
    """30 s and 0.2 s at 10 m/s, a sample every 5 s: six of each vehicle, one of each 25th."""
    found = probed(CITY, {"a-b": 600.0, "c-d": 4.0}, {"a-b": 6000.0, "c-d": 40.0}, 5.0)
    assert found["a-b"].passes == pytest.approx(100.0)
    assert found["a-b"].chance == 1.0
    assert (found["b-c"].passes, found["b-c"].chance) == (0.0, 1.0)
    assert found["c-d"].passes == 4.0
    assert found["c-d"].chance == pytest.approx(0.2 / 5.0)
    assert found["c-d"].stray == pytest.approx(ENDS_M / 2.0)
    assert probed(CITY, {}, {}, 5.0) == {}


def test_a_link_is_expected_to_carry_what_its_probes_stand_for() -> None:
    """A camera sees 400 vehicles and 20 probes: each stands for 20."""
    probes = {"a-b": Probed(20.0, 1.0, LONG), "b-c": Probed(5.0, 1.0, LONG), "c-d": Probed(0, 1.0)}
    found = expected_flows(CITY, [], {"a-b": 400.0}, probes)
    usual = (400.0 + 2 * 50.0) / 3
    exposure = 0.05 + SHAPE / usual
    assert found.veh["a-b"] == 400.0
    assert found.sd_veh["a-b"] == KNOWN_RELATIVE_SD * 400.0
    assert found.veh["b-c"] == pytest.approx((5.0 + SHAPE) / exposure, rel=1e-3)
    assert found.veh["c-d"] == pytest.approx(SHAPE / exposure)
    chance = (5.0 + SHAPE) ** 0.5 / exposure
    assert found.sd_veh["b-c"] > chance
    assert found.sd_veh["b-c"] < np.hypot(chance, (USUAL_STRAY + LONG) * found.veh["b-c"])
    assert found.most("b-c") == found.veh["b-c"] + found.sd_veh["b-c"]


def test_a_short_link_tells_little() -> None:
    """Its provider may well count a few metres more or less; then it is usual, give or take."""
    both = {"a-b": Probed(20.0, 1.0, LONG), "b-c": Probed(5.0, 1.0, LONG)}
    probes = both | {"c-d": Probed(5.0, 1.0, ENDS_M / 2.0)}
    found = expected_flows(CITY, [], {"a-b": 400.0}, probes)
    usual = (400.0 + 2 * 100.0) / 3
    told = 1 / (1 + SHAPE * 1.5**2)
    of_probes = found.veh["b-c"]
    assert found.veh["c-d"] == pytest.approx(told * of_probes + (1 - told) * usual, rel=1e-3)
    assert 1.0 < found.sd_veh["c-d"] / found.veh["c-d"] < SHAPE**-0.5
    probes = both | {"c-d": Probed(5.0, 0.01, ENDS_M / 0.01)}  # as if there were a million
    found = expected_flows(CITY, [], {"a-b": 400.0}, probes)
    assert found.veh["c-d"] < 2 * 400.0 + 100 * 20.0
    assert found.sd_veh["c-d"] < 1.1 * SHAPE**-0.5 * found.veh["c-d"]
    assert found.sd_veh["b-c"] < 0.6 * found.veh["b-c"]


def test_errors_are_as_large_as_they_say() -> None:
    """40 streets of which half are counted; 5 % of the vehicles are probes."""
    places = {
        f"{side}{i}": (x, 50.0 * i) for i in range(40) for side, x in (("a", 0.0), ("b", 1e3))
    }
    city = network([road(f"a{i}", f"b{i}", places) for i in range(40)], {})
    rng = np.random.default_rng(7)
    off = []
    for _ in range(20):
        true = rng.gamma(1.0, 400.0, 40)
        probes = {
            link: Probed(float(n), 1.0)
            for link, n in zip(city.links, rng.poisson(0.05 * true), strict=True)
        }
        cameras = dict(list(zip(city.links, true, strict=True))[:20])
        found = expected_flows(city, [], cameras, probes)
        for link, n in list(zip(city.links, true, strict=True))[20:]:
            off.append((found.veh[link] - n) / found.sd_veh[link])
    assert 0.75 < np.std(off) < 1.1
    assert np.mean(np.abs(off) < 1.96) > 0.93


def test_without_counts_probes_tell_no_number() -> None:
    found = expected_flows(CITY, [], {}, {k: Probed(5.0, 1.0) for k in CITY.links})
    assert set(found.veh.values()) == {0.0}
    nothing = expected_flows(RoadNetwork("empty", {}, (), {}, {}), [], {}, {})
    assert nothing.veh == {}
