"""Trips out of sightings: gaps filled, stop-overs cut, misread plates dropped, ends walked to."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from tests.unit.fused_probes import probes_of
from tests.unit.hand_made import network, road, through
from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.fusion.counters import TURN_WEIGHT
from traffic_brain.fusion.flow_balance import Pair, Sightings, balanced_flows, turns_of
from traffic_brain.fusion.link_features import MOVING_PACE_RATIO
from traffic_brain.fusion.link_state import link_state
from traffic_brain.fusion.routes import (
    MAX_SPEED_MPS,
    MISREAD_WINDOW_S,
    STOPOVER_ALLOWANCE_S,
    STOPOVER_FACTOR,
    RouteFinder,
    Trip,
    depart_s,
    extend,
    fill_gaps,
    sightings,
    traversals,
    turns_seen,
    without_misread,
)
from traffic_brain.fusion.trip_ends import USUAL_SHARE
from traffic_brain.fusion.trips import reconstruct
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork, Turn

# The street a-b-c-d-e with a way round north of b-c, and another map beyond e.
PLACES = {
    "a": (0.0, 0.0),
    "b": (200.0, 0.0),
    "n": (300.0, 150.0),
    "c": (400.0, 0.0),
    "d": (600.0, 0.0),
    "e": (800.0, 0.0),
    "s": (600.0, -200.0),
}
LINKS = [road(x, y, PLACES) for x, y in ("ab", "bc", "bn", "nc", "cd", "de", "ed", "dc")]
LINKS += [road("d", "s", PLACES, junction_id=None)]
WAYS = (
    through("a-b", "b-c", "c-d", "d-e")
    | {("a-b", "b-n"): (Turn.LEFT, (0,)), ("n-c", "c-d"): (Turn.LEFT, (0,))}
    | through("b-n", "n-c")
    | {("c-d", "d-s"): (Turn.RIGHT, (0,))}
    # The cut of the map joins both directions at e, drawn like a road that goes on.
    | through("d-e", "e-d", "d-c")
)
CITY = network(LINKS, WAYS)
WINDOW = Window(0, 3600)
PER_LINK_S = 20.0 * MOVING_PACE_RATIO
"""200 m at 10 m/s and what is taken beyond that where nothing was seen."""


def finder(
    city: RoadNetwork = CITY,
    *,
    slow: Mapping[str, float] | None = None,
    cameras: frozenset[str] = frozenset(),
    flows: Mapping[Pair, float] | None = None,
    seed: int = 0,
    probes: Mapping[str, float] | None = None,
) -> RouteFinder:
    """``slow``: seconds per metre of links that were observed; ``flows``: else as usual."""
    state = link_state(city, WINDOW, probes_of(city, WINDOW, slow or {}))
    found = RouteFinder(city, state, cameras, seed, probes)
    usual = {pair: 100 * TURN_WEIGHT[turn] for pair, turn in turns_of(city).items()}
    found.learn(flows or usual, [])
    return found


def trip(path: str, first_s: float, observed: str = "") -> Trip:
    """A trip over links like ``a-b b-c``, one each ten seconds; ``observed``: x or a point."""
    links = tuple(path.split())
    flags = tuple(flag == "x" for flag in observed or "x" * len(links))
    return Trip(links, tuple(first_s + 10.0 * i for i in range(len(links))), flags)


# --- gaps ------------------------------------------------------------------------------------


def test_a_gap_is_filled_and_its_time_shared_out() -> None:
    (found,) = fill_gaps(["a-b", "d-e"], [100.0, 220.0], finder())
    assert found.links == ("a-b", "b-c", "c-d", "d-e")
    assert found.exit_s == pytest.approx((100.0, 140.0, 180.0, 220.0))
    assert found.observed == (True, False, False, True)


def test_neighbouring_sightings_have_nothing_between_them() -> None:
    (found,) = fill_gaps(["a-b", "b-c", "c-d"], [0.0, 30.0, 55.0], finder())
    assert found.links == ("a-b", "b-c", "c-d")
    assert found.observed == (True, True, True)


def test_the_way_that_fits_the_time_is_taken() -> None:
    """b-c is jammed, 200 s; round over n it takes 45 s."""
    jammed = finder(slow={"b-c": 1.0})
    assert jammed.paths("a-b", "c-d") == [
        ["a-b", "b-c", "c-d"],
        ["a-b", "b-n", "n-c", "c-d"],
    ]
    (direct,) = fill_gaps(["a-b", "c-d"], [0.0, 230.0], jammed)
    (round_it,) = fill_gaps(["a-b", "c-d"], [0.0, 70.0], jammed)
    assert direct.links == ("a-b", "b-c", "c-d")
    assert round_it.links == ("a-b", "b-n", "n-c", "c-d")


def test_a_way_past_a_camera_that_saw_nothing_is_avoided() -> None:
    watched = finder(cameras=frozenset({"b-c"}))
    (found,) = fill_gaps(["a-b", "c-d"], [0.0, 60.0], watched)
    assert found.links == ("a-b", "b-n", "n-c", "c-d")


def test_of_ways_much_alike_the_one_that_probes_take_is_taken() -> None:
    """Straight on is quicker; hardly anybody was seen there."""
    driven = {"a-b": 30.0, "b-c": 0.3, "b-n": 29.0, "n-c": 29.0, "c-d": 30.0}
    (found,) = fill_gaps(["a-b", "c-d"], [0.0, 70.0], finder(probes=driven))
    assert found.links == ("a-b", "b-n", "n-c", "c-d")
    (found,) = fill_gaps(["a-b", "c-d"], [0.0, 70.0], finder(probes=driven | {"b-c": 30.0}))
    assert found.links == ("a-b", "b-c", "c-d")


def test_a_stop_over_begins_a_new_trip() -> None:
    limit_s = STOPOVER_FACTOR * 2 * PER_LINK_S + STOPOVER_ALLOWANCE_S
    for took, count in ((limit_s - 1, 1), (limit_s + 1, 2)):
        found = fill_gaps(["a-b", "c-d", "d-e"], [0.0, took, took + 30], finder())
        assert len(found) == count
        assert found[-1].links[-2:] == ("c-d", "d-e")
        assert found[0].links[0] == "a-b"


def test_nobody_flies() -> None:
    """A plate read wrongly somewhere else never makes a speed above 150 km/h."""
    fastest_s = 400.0 / MAX_SPEED_MPS
    assert len(fill_gaps(["a-b", "c-d"], [0.0, fastest_s + 0.1], finder())) == 1
    for took in (fastest_s - 0.1, 0.0):
        parts = fill_gaps(["a-b", "c-d"], [0.0, took], finder())
        assert [p.links for p in parts] == [("a-b",), ("c-d",)]


@pytest.mark.parametrize("links", [["a-b", "a-b"], ["c-d", "a-b"], ["d-s", "c-d"]])
def test_where_no_way_leads_a_new_trip_begins(links: list[str]) -> None:
    parts = fill_gaps(links, [0.0, 60.0], finder())
    assert [p.links for p in parts] == [(links[0],), (links[1],)]


def test_sightings_are_told_per_vehicle() -> None:
    passes = pd.DataFrame(
        {"token": [0, 0, 3], "link_id": ["a-b", "b-c", "a-b"], "time_s": [1.0, 2.0, 0.5]}
    )
    day = CheckpointDay(frozenset(), passes, 3)
    assert sightings(day) == [(["a-b", "b-c"], [1.0, 2.0]), (["a-b"], [0.5])]
    assert sightings(CheckpointDay(frozenset(), passes.iloc[:0], 0)) == []


# --- misread plates --------------------------------------------------------------------------


def test_a_misread_plate_is_the_trip_that_was_missed_there() -> None:
    whole = trip("a-b b-c c-d", 0.0, "x.x")
    misread = trip("b-c", 10.0 + MISREAD_WINDOW_S - 1)
    elsewhere = trip("c-d", 11.0)
    late = trip("b-c", 10.0 + MISREAD_WINDOW_S + 1)
    assert without_misread([whole, misread, elsewhere, late]) == [whole, elsewhere, late]


def test_a_missed_pass_explains_one_misread_plate() -> None:
    whole, first, second = trip("a-b b-c c-d", 0.0, "x.x"), trip("b-c", 11.0), trip("b-c", 12.0)
    assert without_misread([first, whole, second]) == [whole, second]


def test_a_trip_seen_twice_was_not_misread() -> None:
    whole, other = trip("a-b b-c c-d", 0.0, "x.x"), trip("b-c c-d", 10.0, "xx")
    assert without_misread([whole, other]) == [whole, other]


# --- walks -----------------------------------------------------------------------------------


def test_a_trip_is_walked_to_both_ends_of_the_map() -> None:
    start = Trip(("b-c",), (500.0,), (True,))
    streets = finder(slow={k: PER_LINK_S / link.length_m for k, link in CITY.links.items()})
    for _ in range(20):
        found = extend(start, streets)
        i = found.links.index("b-c")
        assert found.exit_s[i] == 500.0
        assert found.observed == tuple(k == i for k in range(len(found.links)))
        assert list(np.diff(found.exit_s)) == pytest.approx(
            [PER_LINK_S] * (len(found.links) - 1), rel=0.01
        )
        assert depart_s(found, streets) == pytest.approx(found.exit_s[0] - PER_LINK_S, abs=0.2)
        assert all(
            b in CITY.successors[a] for a, b in zip(found.links, found.links[1:], strict=False)
        )


def test_nobody_turns_round_at_the_edge_of_the_map() -> None:
    """Not even where a few vehicles of the balance cannot be explained otherwise."""
    assert turns_of(CITY)["d-e", "e-d"] is Turn.UTURN
    flows = balanced_flows(CITY, [], Sightings({"d-e": 200.0, "e-d": 100.0}, {}, {})).veh
    for turning in (flows["d-e", "e-d"], 1e-9, 7.0):
        streets = finder(flows=flows | {("d-e", "e-d"): turning})
        walked = {link for _ in range(300) for link in streets.walk("a-b", True, 600.0)}
        assert "d-e" in walked
        assert not walked & {"e-d", "d-c"}
        assert streets.walk("e-d", False, 600.0) == []
        assert streets.walk("d-e", True, 600.0) == []


def test_u_turns_inside_the_map_are_driven() -> None:
    """Of those who come over c-d, as many go back over d-c as on over d-s."""
    ways = WAYS | {("c-d", "d-c"): (Turn.UTURN, (0,))}
    city = network(LINKS, ways)
    streets = finder(city, flows={("c-d", "d-s"): 50.0, ("c-d", "d-c"): 50.0})
    ends = Tally(streets.walk("c-d", True, 600.0)[0] for _ in range(1000))
    assert ends["d-c"] / 1000 == pytest.approx(0.5, abs=0.05)


def test_nobody_drives_over_a_link_twice() -> None:
    places = {"a": (0.0, 0.0), "b": (100.0, 0.0), "c": (50.0, 80.0)}
    ring = network(
        [road(x, y, places) for x, y in ("ab", "bc", "ca")], through("a-b", "b-c", "c-a", "a-b")
    )
    for _ in range(50):
        assert finder(ring).walk("a-b", True, 600.0) in ([], ["b-c"], ["b-c", "c-a"])


def test_a_walk_shuns_cameras_that_would_have_seen_it() -> None:
    def share_past(camera: frozenset[str]) -> float:
        streets = finder(cameras=camera)
        walks = [streets.walk("a-b", True, 600.0) for _ in range(400)]
        return sum("b-c" in w for w in walks) / 400

    assert share_past(frozenset()) > 0.6
    assert share_past(frozenset({"b-c"})) < 0.3


def test_flows_tell_where_unseen_vehicles_turn() -> None:
    """80 of 100 turn to d-s. 40 of these are known; of the others 40 turn there, 20 to d-e."""
    flows = {("c-d", "d-s"): 80.0, ("c-d", "d-e"): 20.0}
    streets = finder(flows=flows)

    def share_to_s() -> float:
        ends = Tally(streets.walk("c-d", True, 600.0)[0] for _ in range(2000))
        assert set(ends) == {"d-s", "d-e"}
        return ends["d-s"] / 2000

    # Three times the error of 2000 draws.
    assert share_to_s() == pytest.approx(80 / 100, abs=0.03)
    streets.learn(flows, [trip("c-d d-s", 0.0) for _ in range(40)])
    assert share_to_s() == pytest.approx(40 / 60, abs=0.03)
    streets.learn(flows, [trip("c-d d-s", 0.0) for _ in range(80)])
    assert share_to_s() == pytest.approx(0.02 * 80 / (0.02 * 80 + 20), abs=0.02)
    streets.learn(flows, [trip(f"c-d d-{to}", 0.0) for to in "se" for _ in range(90)])
    assert share_to_s() == pytest.approx(80 / 100, abs=0.03)


def test_backward_walks_come_whence_the_flow_came() -> None:
    """Three come straight over b-c for one round over n-c."""
    streets = finder(flows={("b-c", "c-d"): 75.0, ("n-c", "c-d"): 25.0})
    begun = Tally(tuple(streets.walk("c-d", False, 600.0)) for _ in range(2000))
    straight = begun["b-c",] / (begun["b-c",] + begun["n-c",])
    assert straight == pytest.approx(0.75, abs=0.03)
    # A vehicle begins on a link with the share of those that stay.
    assert begun[()] / 2000 == pytest.approx(USUAL_SHARE, abs=0.012)


@pytest.mark.parametrize("flows", [{}, dict.fromkeys(turns_of(CITY), 0.0)])
def test_where_nothing_flows_a_walk_ends_at_once(flows: dict[Pair, float]) -> None:
    streets = finder()
    streets.learn(flows, [trip("a-b b-c", 0.0)])
    for forward in (False, True):
        assert streets.walk("b-c", forward, 600.0) == []


def test_turns_between_two_sightings_were_seen() -> None:
    """A camera sees who leaves a link, so that it knows the turn before it and not the next."""
    trips = [
        trip("a-b b-c c-d d-e", 0.0, ".xx."),
        trip("a-b b-c c-d d-e", 0.0, "x..x"),
        trip("b-c c-d d-s", 0.0, ".x."),
        trip("b-c c-d d-s", 0.0, "..."),
        Trip((), (), ()),
    ]
    assert turns_seen(trips) == {("a-b", "b-c"): 1, ("b-c", "c-d"): 2, ("c-d", "d-e"): 1}
    assert turns_seen([]) == {}


def test_the_seed_decides_the_walks() -> None:
    def walks(seed: int) -> list[list[str]]:
        streets = finder(seed=seed)
        return [streets.walk("a-b", True, 600.0) for _ in range(30)]

    assert walks(1) == walks(1)
    assert walks(1) != walks(2)


# --- travel times ----------------------------------------------------------------------------


def test_sightings_close_together_tell_travel_times() -> None:
    streets = finder()
    far = Trip(("a-b", *["b-c"] * 7), tuple(range(8)), (True, *[False] * 6, True))
    found = traversals([trip("a-b b-c c-d d-e", 100.0, "x.x."), trip("a-b", 0.0), far], streets)
    idx = CITY.link_idx
    assert found.to_numpy().tolist() == [[idx["b-c"], 110.0, 10.0], [idx["c-d"], 120.0, 10.0]]
    assert traversals([], streets).empty


def test_vehicles_that_nothing_counts_get_trips_where_the_balance_says_they_drive() -> None:
    """No camera and no detector on c: the balance alone knows of the turns there, from probes."""
    nothing = pd.DataFrame(
        {"detector_id": [], "link_id": [], "lane_idx": pd.Series([], dtype=int), "time_s": []}
    )
    police = PoliceDay(nothing, nothing, nothing, nothing, 0)
    flows = {("b-c", "c-d"): 70.0, ("c-d", "d-s"): 40.0, ("c-d", "d-e"): 30.0}
    seen = [Trip(("a-b", "b-n"), (90.0 * k, 90.0 * k + 20), (True, True)) for k in range(1, 9)]
    weighted = reconstruct(seen, [], finder(flows=flows), flows, [], police, WINDOW)
    driven: Tally[Pair] = Tally()
    for trip, weight in zip(weighted.trips, weighted.weights, strict=True):
        for pair in pairwise(trip.links):
            driven[pair] += weight
    for pair, veh in flows.items():
        assert driven[pair] == pytest.approx(veh, rel=0.1)
