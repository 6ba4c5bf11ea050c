"""Turns of the whole city balanced: the solver itself, and what each source makes of the flows.

Expected figures are worked out by hand. Where sources agree, the balance must return what they
say but for what it gives way to the weak expectations it starts from; where one is silent, the
others must fill in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls
from scipy.sparse import csr_matrix

from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.counters import Counter
from traffic_brain.fusion.expected_flows import Probed
from traffic_brain.fusion.flow_balance import (
    LEAST_SD_VEH,
    STAY_RATIO,
    Pair,
    Sightings,
    balanced_flows,
    driven_turn,
    turns_at_edge,
    turns_of,
)
from traffic_brain.fusion.least_squares import DRAWS, non_negative, standard_errors
from traffic_brain.model.network import Connection, RoadNetwork, Turn

RIGHT, THROUGH, LEFT = ("w-x", "x-s"), ("w-x", "x-e"), ("w-x", "x-n")


# --- the solver ------------------------------------------------------------------------------


SEEDS = st.integers(0, 2**32 - 1)
SIZES = st.integers(1, 25)
DECADES = st.floats(-4.0, 4.0)


@settings(max_examples=300)
@given(SEEDS, SIZES, SIZES, DECADES)
def test_a_well_conditioned_system_is_solved_as_by_nnls(
    seed: int, rows: int, unknowns: int, decade: float
) -> None:
    """More equations than unknowns, one of them alone for each unknown: one best answer."""
    rng = np.random.default_rng(seed)
    dense = np.vstack([rng.uniform(-1, 1, (rows, unknowns)), np.eye(unknowns)])
    dense *= rng.random(dense.shape) < 0.7
    dense[rows:] += np.eye(unknowns)
    values = rng.normal(0.0, 10.0**decade, len(dense))
    wanted, _ = nnls(dense, values)
    found = non_negative(csr_matrix(dense), values)
    assert found == pytest.approx(wanted, abs=1e-6 * np.abs(values).max())
    assert found.min() >= 0.0


@settings(max_examples=300)
@given(SEEDS, SIZES, SIZES, DECADES, st.integers(0, 3))
def test_an_ill_conditioned_system_is_solved_as_well_as_by_nnls(
    seed: int, rows: int, unknowns: int, decade: float, kind: int
) -> None:
    """Where many answers are nearly as good, the equations are met as well as can be."""
    rng = np.random.default_rng(seed)
    dense = rng.normal(size=(rows, unknowns))
    values = rng.normal(0.0, 10.0**decade, rows)
    if kind == 0:  # vehicles beside shares: units eight decades apart
        dense *= 10.0 ** rng.uniform(-4, 4, unknowns)
    elif kind == 1:  # an unknown told twice, and one told nearly as another
        dense = np.hstack([dense, dense[:, :1], dense[:, :1] * (1 + 1e-6)])
    elif kind == 2:  # whole numbers: ties, rows of zeros, dependent columns
        dense = rng.integers(-1, 2, dense.shape).astype(float)
    else:  # errors four decades apart
        worth = 10.0 ** rng.uniform(-2, 2, rows)
        dense, values = dense * worth[:, None], values * worth
    _, least = nnls(dense, values, maxiter=10_000)
    found = non_negative(csr_matrix(dense), values)
    assert found.min() >= 0.0
    off = float(np.linalg.norm(dense @ found - values))
    assert off == pytest.approx(least, rel=1e-5, abs=1e-5 * float(np.linalg.norm(values)))


@pytest.mark.parametrize("unknowns", [15, 19, 22, 28, 39])
def test_a_system_that_rounding_leads_in_circles_ends(unknowns: int) -> None:
    """Powers of numbers below one: the columns can hardly be told apart."""
    dense = np.vander(np.linspace(0.0, 1.0, 30), unknowns)
    values = np.random.default_rng(unknowns).normal(size=30)
    found = non_negative(csr_matrix(dense), values)
    _, least = nnls(dense, values, maxiter=10_000)
    assert float(np.linalg.norm(dense @ found - values)) == pytest.approx(least, rel=1e-3)


def test_one_equation_is_solved_by_hand() -> None:
    assert non_negative(csr_matrix([[2.0]]), np.array([3.0])) == pytest.approx([1.5])
    assert list(non_negative(csr_matrix([[2.0]]), np.array([-3.0]))) == [0.0]
    assert non_negative(csr_matrix([[1.0], [1.0]]), np.array([1.0, 2.0])) == pytest.approx([1.5])


def test_standard_errors_are_those_of_the_textbook() -> None:
    """(AᵀA)⁻¹ by numpy beside the draws, whose own relative error is 1/√(2 · DRAWS)."""
    rng = np.random.default_rng(5)
    dense = np.vstack([rng.normal(size=(60, 8)), np.eye(8)])
    true = rng.uniform(5.0, 9.0, 8)
    values = dense @ true + 0.5 * rng.normal(size=len(dense))
    found = non_negative(csr_matrix(dense), values)
    wanted = np.sqrt(np.diag(np.linalg.inv(dense.T @ dense)))
    errors = standard_errors(csr_matrix(dense), values, found)
    assert errors == pytest.approx(wanted, rel=5.0 / np.sqrt(2 * DRAWS))
    worse = dense @ true + 3.0 * rng.normal(size=len(dense))  # three times what the rows say
    found = non_negative(csr_matrix(dense), worse)
    ratio = standard_errors(csr_matrix(dense), worse, found) / errors
    assert ratio == pytest.approx(np.full(8, 3.0), rel=0.25)


def test_an_unknown_held_at_zero_has_the_error_that_others_leave_it() -> None:
    """Alone its row is sharp, 0.1; but only the sum is known so well, and the other by 3."""
    matrix, values = csr_matrix([[10.0, 10.0], [0.0, 1 / 3]]), np.array([30.0, 2.0])
    found = non_negative(matrix, values)
    assert found == pytest.approx([0.0, 3.0], abs=0.01)
    assert standard_errors(matrix, values, found)[0] == pytest.approx(3.0, rel=0.3)


def test_what_no_equation_names_is_zero() -> None:
    found = non_negative(csr_matrix([[0.0, 1.0], [0.0, 0.0]]), np.array([4.0, 7.0]))
    assert found == pytest.approx([0.0, 4.0])
    assert list(non_negative(csr_matrix((2, 3)), np.zeros(2))) == [0.0, 0.0, 0.0]


# --- turns -----------------------------------------------------------------------------------


def test_turns_are_those_that_a_car_can_make() -> None:
    places = {"a": (0.0, 0.0), "b": (100.0, 0.0), "c": (200.0, 0.0), "d": (100.0, 100.0)}
    links = [
        road("a", "b", places, lane_count=2, car_lanes=(1,)),  # lane 0 is the buses'
        road("b", "c", places),
        road("b", "d", places, car_lanes=()),  # a footpath
        road("b", "a", places),
    ]
    ways = {
        ("a-b", "b-c"): (Turn.THROUGH, (0, 1)),
        ("a-b", "b-d"): (Turn.LEFT, (1,)),
        ("a-b", "b-a"): (Turn.UTURN, (0,)),
    }
    assert turns_of(network(links, ways)) == {("a-b", "b-c"): Turn.THROUGH}


@pytest.mark.parametrize(
    ("degrees", "told", "turn"),
    [
        (0, Turn.THROUGH, Turn.THROUGH),
        (90, Turn.LEFT, Turn.LEFT),
        (145, Turn.LEFT, Turn.LEFT),
        (150, Turn.LEFT, Turn.UTURN),  # cosine -0.866
        (-150, Turn.RIGHT, Turn.UTURN),
        (180, Turn.THROUGH, Turn.UTURN),
        (0, Turn.UTURN, Turn.UTURN),
    ],
)
def test_who_doubles_back_makes_a_u_turn(degrees: float, told: Turn, turn: Turn) -> None:
    angle = np.radians(degrees)
    places = {
        "a": (0.0, 0.0),
        "b": (100.0, 0.0),
        "c": (100 + 50 * np.cos(angle), 50 * np.sin(angle)),
    }
    links = {link.link_id: link for link in (road("a", "b", places), road("b", "c", places))}
    assert driven_turn(Connection("a-b", 0, "b-c", 0, told), links) is turn


def test_a_link_without_length_has_no_direction() -> None:
    places = {"a": (0.0, 0.0), "b": (100.0, 0.0), "c": (100.0, 0.0)}
    links = {link.link_id: link for link in (road("a", "b", places), road("b", "c", places))}
    assert driven_turn(Connection("a-b", 0, "b-c", 0, Turn.LEFT), links) is Turn.LEFT


def test_the_map_ends_where_a_u_turn_is_the_only_way() -> None:
    turns = {
        ("in", "on"): Turn.THROUGH,
        ("in", "back"): Turn.UTURN,  # "back" is entered by "side", too
        ("side", "back"): Turn.RIGHT,
        ("on", "home"): Turn.UTURN,  # nothing else leads on from "on"
        ("side", "new"): Turn.UTURN,  # nothing else leads to "new"
    }
    assert turns_at_edge(turns) == {("on", "home"), ("side", "new")}


# --- flows -----------------------------------------------------------------------------------


PLACES = {
    "v": (-300.0, 0.0),
    "w": (0.0, 0.0),
    "x": (300.0, 0.0),
    "n": (300.0, 300.0),
    "s": (300.0, -300.0),
    "e": (600.0, 0.0),
    "f": (900.0, 0.0),
}


def crossing(
    right: tuple[int, ...], straight: tuple[int, ...], left: tuple[int, ...], lanes: int = 3
) -> RoadNetwork:
    """The approach ``v-w w-x``, its exits s, e and n from the lanes given, and ``e-f``."""
    cars = tuple(range(lanes))
    approach = road("w", "x", PLACES, junction_id="x", lane_count=lanes, car_lanes=cars)
    links = [road("v", "w", PLACES, car_lanes=(0, 1, 2)), approach, road("e", "f", PLACES)]
    ways = {
        **through("v-w", "w-x"),
        RIGHT: (Turn.RIGHT, right),
        THROUGH: (Turn.THROUGH, straight),
        LEFT: (Turn.LEFT, left),
        **through("x-e", "e-f"),
    }
    return network([*links, *(road("x", to, PLACES) for to in "sen")], ways)


SHARED = crossing((0,), (0, 1, 2), (2,))
APART = crossing((0,), (1,), (2,))
ONE_LANE = crossing((0,), (0,), (0,), lanes=1)
STREET = network(
    [road(a, b, PLACES) for a, b in ("vw", "wx", "xe", "ef")],
    through("v-w", "w-x", "x-e", "e-f"),
)
SILENT = Sightings({}, {}, {})


def counter(to: str, lanes: Mapping[int, float]) -> Counter:
    """Counts of lanes of ``w-x`` that lead to exits such as ``"se"``."""
    return Counter(
        link_id="w-x",
        to_links=frozenset(f"x-{exit_}" for exit_ in to),
        lanes=tuple(lanes),
        counted=np.array([np.nansum(list(lanes.values()))]),
        lane_counts=tuple(lanes.values()),
    )


def long_links(city: RoadNetwork, probes: Mapping[str, float]) -> dict[str, Probed]:
    """Probe vehicles of links so long that each one is seen; of those not named, none."""
    return {link: Probed(probes.get(link, 0.0), 1.0) for link in city.links} if probes else {}


def flows_of(
    city: RoadNetwork,
    counters: Iterable[Counter] = (),
    cameras: Mapping[str, float] | None = None,
    probes: Mapping[str, float] | None = None,
    turns: Mapping[Pair, float] | None = None,
) -> dict[Pair, float]:
    sightings = Sightings(cameras or {}, long_links(city, probes or {}), turns or {})
    found = dict(balanced_flows(city, counters, sightings).veh)
    assert set(found) == set(turns_of(city))
    assert min(found.values()) >= 0.0
    return found


def test_what_enters_a_link_leaves_it() -> None:
    """A camera at either end sees 500; probes in between tell of half as many."""
    probes = {"v-w": 10.0, "w-x": 5.0, "x-e": 5.0, "e-f": 10.0}
    found = flows_of(STREET, cameras={"v-w": 500.0, "e-f": 500.0}, probes=probes)
    assert list(found.values()) == pytest.approx([500.0] * 3, abs=STAY_RATIO * 500)


def test_a_street_on_which_many_end_their_way_is_told_from_many_small_errors() -> None:
    """500 come and 100 go on: where 400 vanish nobody else is drawn into it."""
    flows = list(flows_of(STREET, cameras={"w-x": 500.0, "e-f": 100.0}).values())
    assert flows == pytest.approx([500.0, 500.0, 100.0], abs=40) or flows == pytest.approx(
        [500.0, 100.0, 100.0], abs=40
    )


def test_cameras_that_differ_share_the_error_out() -> None:
    """470 seen at the beginning, 530 at the end: the truth is between them, and rises."""
    flows = list(flows_of(STREET, cameras={"v-w": 470.0, "e-f": 530.0}).values())
    assert flows == sorted(flows)
    assert flows[0] >= 470
    assert flows[-1] <= 530


def test_a_dead_lane_is_filled_in_by_its_neighbours() -> None:
    """550 come, 100 and 50 are counted turning; of the 400 that go on no detector tells.

    Without cameras 183 would be expected there: as many as turn elsewhere, by their weights.
    """
    living = [counter("s", {0: 100.0}), counter("n", {2: 50.0})]
    for cameras in ({"x-e": 400.0}, {"v-w": 550.0}, {"v-w": 550.0, "e-f": 400.0}):
        found = flows_of(APART, living, cameras)
        assert found[THROUGH] == pytest.approx(400, abs=2 * (LEAST_SD_VEH + STAY_RATIO * 550))
        assert found[RIGHT] == pytest.approx(100, abs=4)
        assert found[LEFT] == pytest.approx(50, abs=4)


def test_a_dead_lane_among_shared_ones_is_filled_in() -> None:
    """138 right, 171 through, 31 left are 195, 57 and 88 by lanes; the last is not counted."""
    broken = [counter("sen", {0: 195.0, 1: 57.0, 2: np.nan})]
    found = flows_of(SHARED, broken, {"w-x": 340.0, "x-n": 31.0})
    assert found[RIGHT] + found[THROUGH] + found[LEFT] == pytest.approx(340, abs=12)
    # Twice the error of a camera, of cars that stand on the exit, and of those that begin there.
    assert found[LEFT] == pytest.approx(31, abs=2 * np.hypot(2.9, np.hypot(3.6, 2.9)))
    # As evenly as drivers spread over lanes: 30 % of the mean lane, and the noise of a count.
    assert found[RIGHT] + found[THROUGH] / 3 == pytest.approx(195, abs=np.hypot(195**0.5, 38))


def test_a_turn_between_two_cameras_is_as_large_as_they_saw() -> None:
    """500 come; of those that turn left 60 are told by the cameras on both links.

    By the weights of turns 111 would be expected.
    """
    cameras, followed = {"w-x": 500.0, "x-n": 200.0}, {LEFT: 60 * 0.95**2}
    counted = [counter("sen", {0: 200.0, 1: 150.0, 2: 150.0})]
    sightings = Sightings(cameras, {}, followed, {LEFT: 60.0})
    found = balanced_flows(ONE_LANE, counted, sightings)
    assert found.veh[LEFT] == pytest.approx(60, abs=found.sd_veh[LEFT])
    assert found.sd_veh[LEFT] < 2 * (LEAST_SD_VEH + 0.1 * 60 + 0.03 * 200)
    # With a camera at one end alone nothing is told of who was not followed.
    one_end = replace(sightings, cameras={"w-x": 500.0}, whole_turns={})
    assert balanced_flows(ONE_LANE, counted, one_end).veh[LEFT] > found.veh[LEFT] + 5


def test_turns_are_told_by_the_lanes() -> None:
    """138 right, 171 through, 31 left: as lanes they are 195, 57 and 88."""
    true = {RIGHT: 138.0, THROUGH: 171.0, LEFT: 31.0}
    lanes = counter("sen", {0: 138 + 57.0, 1: 57.0, 2: 31 + 57.0})
    expected = {RIGHT: 340 * 0.4 / 1.8, THROUGH: 340 / 1.8, LEFT: 340 * 0.4 / 1.8}
    found = flows_of(SHARED, [lanes])
    off = {pair: abs(found[pair] - true[pair]) for pair in true}
    assert sum(found[pair] for pair in true) == pytest.approx(340, abs=1 + 0.01 * 340)
    assert max(off.values()) < 30
    assert sum(off.values()) < 0.5 * sum(abs(expected[pair] - true[pair]) for pair in true)


def test_who_may_turn_round_inside_the_city_is_counted_as_unsure() -> None:
    """Nobody is expected to; a tenth of the approach would be no wonder."""
    more = [road("x", "w", PLACES), road("s", "x", PLACES)]
    ways = through("v-w", "w-x", "x-e", "e-f") | {
        ("s-x", "x-w"): (Turn.LEFT, (0,)),
        ("w-x", "x-w"): (Turn.UTURN, (0,)),
    }
    turning = network([*STREET.links.values(), *more], ways)
    found = balanced_flows(turning, [], Sightings({"w-x": 1000.0, "v-w": 1000.0}, {}, {}))
    assert found.veh["w-x", "x-w"] < 30
    assert found.sd_veh["w-x", "x-w"] > 50


def test_lanes_that_nobody_drives_have_no_turns() -> None:
    found = flows_of(APART, [counter(to, {i: 0.0}) for i, to in enumerate("sen")])
    assert list(found.values()) == pytest.approx([0.0] * len(found), abs=1e-6)


def test_a_shared_lane_is_told_by_cameras_at_the_exits() -> None:
    """All 300 leave from one lane, where weights alone expect 67, 167 and 67."""
    seen = {"x-s": 30.0, "x-e": 210.0, "x-n": 60.0}
    found = flows_of(ONE_LANE, [counter("sen", {0: 300.0})], seen)
    for pair in (RIGHT, THROUGH, LEFT):
        assert found[pair] == pytest.approx(seen[pair[1]], abs=8)
    assert found[RIGHT] + found[THROUGH] + found[LEFT] == pytest.approx(300, abs=4)


def test_a_shared_lane_is_told_by_vehicles_seen_on_both_sides() -> None:
    """All 300 were seen before and after: so they turn."""
    seen = {RIGHT: 30.0, THROUGH: 210.0, LEFT: 60.0}
    found = flows_of(ONE_LANE, [counter("sen", {0: 300.0})], turns=seen)
    for pair, n in seen.items():
        assert found[pair] == pytest.approx(n, rel=0.1, abs=LEAST_SD_VEH)


def test_probes_tell_how_exits_compare() -> None:
    """Both turns weigh the same; eight times as many probes drove on to the left."""
    probes = {"v-w": 30.0, "w-x": 30.0, "x-s": 1.0, "x-e": 21.0, "x-n": 8.0, "e-f": 21.0}
    found = flows_of(ONE_LANE, [counter("sen", {0: 300.0})], probes=probes)
    assert found[LEFT] > 3 * found[RIGHT]
    assert found[RIGHT] + found[THROUGH] + found[LEFT] == pytest.approx(300, abs=4)


def test_an_exit_that_no_camera_sees_keeps_its_share() -> None:
    """Of 360, cameras on ``w-x`` and ``x-e`` saw 120 go on, where 200 are expected to: no news.

    When they see 280 there, 80 are left: those who turn, and few of whom the cameras missed.
    """
    lane = [counter("sen", {0: 360.0})]
    unseen = flows_of(ONE_LANE, lane)
    few = flows_of(ONE_LANE, lane, turns={THROUGH: 120.0})
    assert [few[p] for p in unseen] == pytest.approx([unseen[p] for p in unseen], abs=5)
    many = flows_of(ONE_LANE, lane, turns={THROUGH: 280.0})
    assert 275 < many[THROUGH] < 310
    assert many[LEFT] == pytest.approx(many[RIGHT], abs=5)
    assert many[LEFT] < 0.6 * unseen[LEFT]


def test_turns_are_at_least_as_many_as_were_seen() -> None:
    """70 were followed to the left, which alone would not change the 67 that are expected."""
    lane = [counter("sen", {0: 300.0})]
    for followed in (70.0, 150.0, 220.0):
        found = flows_of(ONE_LANE, lane, turns={LEFT: followed})
        assert found[LEFT] > followed - LEAST_SD_VEH - 0.05 * followed
        assert sum(found[pair] for pair in (RIGHT, THROUGH, LEFT)) == pytest.approx(300, abs=4)


def test_a_camera_that_reads_too_little_does_not_hide_who_was_followed() -> None:
    """220 were followed to the left, where a camera reads 100.

    Twice 2 + 5 % of 220 is the error of those followed; the camera has its own, that of cars
    standing on the exit, and of those that begin there: by these alone they would meet at 155. That
    followed vehicles turned speaks for as many among all that turn.
    """
    cameras, turns = {"x-n": 100.0}, {LEFT: 220.0}
    found = flows_of(ONE_LANE, [counter("sen", {0: 300.0})], cameras, turns=turns)
    assert 155 < found[LEFT] < 220


def test_more_than_a_link_can_carry_is_not_believed() -> None:
    """Paths filled in between far cameras brought 900 vehicles past a lane that counted 300."""
    lane = [counter("sen", {0: 300.0})]
    found = flows_of(ONE_LANE, lane, turns={LEFT: 450.0, THROUGH: 450.0})
    total = sum(found[pair] for pair in (RIGHT, THROUGH, LEFT))
    assert total == pytest.approx(300, abs=2 * (1 + 0.01 * 300))
    assert found[LEFT] == pytest.approx(found[THROUGH], rel=0.2)


def test_what_was_seen_beside_the_network_changes_nothing() -> None:
    """Buses turn where cars cannot, and a camera stands on a link from which no way leads."""
    places = PLACES | {"z": (0.0, 900.0), "y": (9.0, 900.0)}
    links = [*STREET.links.values(), road("z", "y", places)]
    city = network(links, through("v-w", "w-x", "x-e", "e-f"))
    plain = flows_of(city, cameras={"v-w": 100.0})
    beside = flows_of(city, cameras={"v-w": 100.0, "z-y": 100.0}, turns={("z-y", "v-w"): 50.0})
    assert beside == pytest.approx(plain)


def test_a_days_flows_split_like_an_hours() -> None:
    """The expected split must not fade because its error is large in vehicles."""
    hour = flows_of(ONE_LANE, cameras={"w-x": 1000.0})
    day = flows_of(ONE_LANE, cameras={"w-x": 100_000.0})
    for pair, n in hour.items():
        assert day[pair] / 100 == pytest.approx(n, rel=0.05)


# --- little is known -------------------------------------------------------------------------


def test_an_empty_network_has_no_flows() -> None:
    assert balanced_flows(RoadNetwork("empty", {}, (), {}, {}), [], SILENT).veh == {}
    alone = network([road("v", "w", PLACES)], {})
    assert (
        balanced_flows(alone, [], Sightings({"v-w": 5.0}, {"v-w": Probed(1.0, 1.0)}, {})).veh == {}
    )


@pytest.mark.parametrize("probes", [{}, {"v-w": 3.0, "x-e": 1.0}])
def test_a_city_that_nobody_counts_has_no_flows(probes: dict[str, float]) -> None:
    """Probes tell how links compare, not how many vehicles there are."""
    assert set(flows_of(SHARED, probes=probes).values()) == {0.0}


@pytest.mark.parametrize(
    "lanes", [{0: 200.0, 1: 200.0, 2: np.nan}, {0: np.nan, 1: 200.0, 2: np.nan}]
)
def test_counts_in_part_are_better_than_none(lanes: dict[int, float]) -> None:
    """Where every approach of the city has a dead lane, its living ones still count."""
    found = flows_of(SHARED, [counter("sen", lanes)])
    seen = [lane for lane, n in lanes.items() if np.isfinite(n)]
    for lane in seen:
        carried = found[THROUGH] / 3
        carried += found[RIGHT] if lane == 0 else found[LEFT] if lane == 2 else 0.0
        assert carried == pytest.approx(200, rel=0.25)


def test_a_lane_without_a_detector_does_not_empty_its_link() -> None:
    """Right turns have no detector: the link is not counted whole, but who is counted drives."""
    found = flows_of(APART, [counter("e", {1: 300.0}), counter("n", {2: 100.0})])
    assert found[THROUGH] == pytest.approx(300, abs=4)
    assert found[LEFT] == pytest.approx(100, abs=4)
    assert found["v-w", "w-x"] > 380


def test_counts_of_half_the_traffic_stand_for_all_of_it() -> None:
    """Detectors were silent for an hour in which cameras saw as much as in the other."""
    half = [counter(to, {i: n}) for i, (to, n) in enumerate((("s", 50.0), ("e", 200.0)))]
    sightings = Sightings({"v-w": 600.0}, {}, {})
    found = balanced_flows(APART, half, sightings, heard_ratio=0.5).veh
    assert found[RIGHT] == pytest.approx(100, rel=0.1)
    assert found[THROUGH] == pytest.approx(400, rel=0.1)
    assert found[LEFT] == pytest.approx(100, rel=0.25)


def test_detectors_that_were_never_heard_tell_nothing() -> None:
    silent = [counter(to, {i: 0.0}) for i, to in enumerate("sen")]
    sightings = Sightings({"v-w": 600.0}, {}, {})
    told = balanced_flows(APART, silent, sightings, heard_ratio=0.0).veh
    assert told == pytest.approx(balanced_flows(APART, [], sightings).veh)
    assert told["v-w", "w-x"] == pytest.approx(600, abs=2 * (LEAST_SD_VEH + STAY_RATIO * 600))


# --- links without probes --------------------------------------------------------------------


PARALLEL = network(
    [*STREET.links.values(), *(road(a, b, PLACES) for a, b in ("vn", "nf"))],
    through("v-w", "w-x", "x-e", "e-f") | through("v-n", "n-f"),
)


def test_a_street_that_no_probe_drove_is_empty() -> None:
    """On the other street 20 probes are 400 vehicles, all over its length."""
    on_street = dict.fromkeys(STREET.links, 20.0)
    found = flows_of(PARALLEL, cameras={"v-w": 400.0}, probes=on_street)
    assert found["w-x", "x-e"] == pytest.approx(400, abs=30)
    assert found["v-n", "n-f"] < 20.0  # what one probe stands for


def test_a_street_that_the_provider_does_not_cover_is_as_usual() -> None:
    """Half of the vehicles that are counted drive where there are no probes either."""
    some = {"v-w": 20.0, "w-x": 20.0}
    found = flows_of(PARALLEL, cameras={"v-w": 400.0, "e-f": 400.0}, probes=some)
    assert found["v-n", "n-f"] == pytest.approx(400, rel=0.1)
    assert found["w-x", "x-e"] == pytest.approx(400, abs=30)
