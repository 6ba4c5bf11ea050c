"""Conflicts and intergreens from geometry: a crossroads known by heart, formulas, real maps."""

from __future__ import annotations

from dataclasses import replace
from math import cos, radians, sin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from network_data.conflicts import (
    CORNER_M,
    LANE_WIDTH_M,
    Path,
    conflicts_of,
    drawn_paths,
    geometric_conflicts,
    required_intergreens,
)
from tests.reference.agreement import added, agreement, centre_lines
from tests.reference.valid_plans import real_networks
from traffic_brain.model.network import NO_SIGNAL, Connection, Link, Turn
from traffic_brain.model.standards import DEFAULT_STANDARD, all_red_s, yellow_s

ARMS = {"n": (0.0, 1.0), "e": (1.0, 0.0), "s": (0.0, -1.0), "w": (-1.0, 0.0)}
CLOCKWISE = "nesw"
STEPS = {1: Turn.LEFT, 2: Turn.THROUGH, 3: Turn.RIGHT, 0: Turn.UTURN}
"""Arms to go on clockwise from the arm one comes from; traffic on the right."""


def link(from_node: str, to_node: str, *shape: tuple[float, float], lanes: int = 2) -> Link:
    name = from_node + to_node
    return Link(name, from_node, to_node, 200.0, 13.89, lanes, "primary", "", shape, (0,))


def crossroads(
    lanes: int = 2, angle: float = 0.0, move: tuple[float, float] = (0.0, 0.0)
) -> tuple[dict[str, Link], list[Connection]]:
    """Four arms whose links meet in one point; groups 0-2 from north (right, through, left)...

    U-turns are group 12 to 15. Right turns keep to lane 0, left and U-turns to the other edge.
    """

    def point(x: float, y: float) -> tuple[float, float]:
        turned = x * cos(angle) - y * sin(angle), x * sin(angle) + y * cos(angle)
        return turned[0] + move[0], turned[1] + move[1]

    far = {arm: point(200 * x, 200 * y) for arm, (x, y) in ARMS.items()}
    links = {}
    for arm in CLOCKWISE:
        links[arm + "J"] = link(arm, "J", far[arm], point(0, 0), lanes=lanes)
        links["J" + arm] = link("J", arm, point(0, 0), far[arm], lanes=lanes)
    connections = []
    for i, arm in enumerate(CLOCKWISE):
        for steps, turn in STEPS.items():
            group = 12 + i if turn is Turn.UTURN else 3 * i + (3 - steps)
            exit_link = "J" + CLOCKWISE[(i + steps) % 4]
            used = {Turn.RIGHT: [0], Turn.THROUGH: range(lanes)}.get(turn, [lanes - 1])
            connections += [
                Connection(arm + "J", lane, exit_link, lane, turn, "J", group) for lane in used
            ]
    return links, connections


def group(arm: str, turn: str) -> int:
    i = CLOCKWISE.index(arm)
    return 12 + i if turn == "U" else 3 * i + "RTL".index(turn)


def met(conflicts: frozenset[tuple[int, int]], a: str, b: str) -> bool:
    pair = group(*a.split()), group(*b.split())
    return (min(pair), max(pair)) in conflicts


# --- who meets whom -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "conflict", "gives_way"),
    [
        ("n T", "s T", False, ""),
        ("n T", "e T", True, ""),
        ("n T", "w T", True, ""),
        ("n L", "s T", True, "a"),
        ("n L", "s L", False, ""),
        ("n L", "e L", True, ""),
        ("n L", "e T", True, ""),
        ("n R", "e T", True, "a"),
        ("n R", "w T", False, ""),
        ("n R", "s L", False, ""),  # each has a lane of its own
        ("n R", "s T", False, ""),
        ("n T", "n L", False, ""),
        ("n T", "n R", False, ""),
        ("n U", "e R", False, ""),
        ("n U", "s T", True, "a"),
        ("n U", "w L", True, "a"),
        ("n U", "n T", False, ""),
    ],
)
@pytest.mark.parametrize("turned_by", [0, 30, 137])
def test_a_crossroads(turned_by: int, a: str, b: str, conflict: bool, gives_way: str) -> None:
    """North comes from the north; its left turn goes east, its right turn west."""
    found = geometric_conflicts(*crossroads(angle=radians(turned_by)))["J"]
    pair = group(*a.split()), group(*b.split())
    assert met(found.conflicts, a, b) is conflict
    assert (pair in found.yields) is (gives_way == "a")
    assert (pair[::-1] in found.yields) is False


def test_right_turn_into_the_only_lane_meets_the_opposite_left_turn() -> None:
    found = geometric_conflicts(*crossroads(lanes=1))["J"]
    assert met(found.conflicts, "n R", "s L")
    assert (group("s", "L"), group("n", "R")) in found.yields


def test_left_turns_that_share_too_little_room_conflict_and_wait_for_each_other() -> None:
    """Here the map itself ends each link at its stop line, 6 m from the middle."""
    links, connections = crossroads(lanes=1)
    for name, cut in links.items():
        inner = tuple(6 * x for x in ARMS[name.replace("J", "")])
        ends = (inner, cut.shape[1]) if name[0] == "J" else (cut.shape[0], inner)
        links[name] = replace(cut, shape=ends)
    starts = {path.shape[0] for path in drawn_paths(links, connections)}
    assert {max(abs(x), abs(y)) for x, y in starts} == {6.0}
    found = geometric_conflicts(links, connections)["J"]
    pair = group("n", "L"), group("s", "L")
    assert pair in found.conflicts
    assert {pair, pair[::-1]} <= found.yields


def test_minor_road_gives_way_where_two_roads_merge() -> None:
    links, _ = crossroads()
    links["eJ"] = replace(links["eJ"], road_class="tertiary")
    merging = [
        Connection("nJ", 0, "Js", 0, Turn.THROUGH, "J", 0),
        Connection("eJ", 0, "Js", 0, Turn.THROUGH, "J", 1),
    ]
    assert geometric_conflicts(links, merging)["J"].yields == {(1, 0)}


def test_two_lanes_of_one_approach() -> None:
    """From one lane paths part; from two they conflict where they cross or end in one lane."""
    links, _ = crossroads(lanes=3)
    connections = [
        Connection("nJ", 0, "Js", 0, Turn.THROUGH, "J", 0),
        Connection("nJ", 0, "Jw", 0, Turn.RIGHT, "J", 1),
        Connection("nJ", 1, "Jw", 0, Turn.RIGHT, "J", 2),
        Connection("nJ", 1, "Js", 1, Turn.THROUGH, "J", 3),
    ]
    assert geometric_conflicts(links, connections)["J"].conflicts == {(0, 2), (1, 2)}


def test_vertices_of_one_junction_do_not_meet_each_other() -> None:
    """A dual carriageway: two vertices 12 m apart, one signal."""
    links = {
        name: link(name[0], name[1], *shape)
        for name, *shape in (
            ("nA", (0.0, 100.0), (0.0, 0.0)),
            ("AB", (0.0, 0.0), (0.0, -12.0)),
            ("Bs", (0.0, -12.0), (0.0, -100.0)),
            ("eA", (100.0, 0.0), (0.0, 0.0)),
            ("Aw", (0.0, 0.0), (-100.0, 0.0)),
            ("wB", (-100.0, -12.0), (0.0, -12.0)),
            ("Be", (0.0, -12.0), (100.0, -12.0)),
        )
    }
    pairs = (("nA", "AB"), ("AB", "Bs"), ("eA", "Aw"), ("wB", "Be"))
    connections = [Connection(a, 0, b, 0, Turn.THROUGH, "J", i) for i, (a, b) in enumerate(pairs)]
    assert geometric_conflicts(links, connections)["J"].conflicts == {(0, 2), (1, 3)}


def test_people_on_foot() -> None:
    links, connections = crossroads()
    walk = Path("", 0, "", 0, ((-12.0, -14.0), (12.0, -14.0)), 4.0, 1.2, "J", 16, on_foot=True)
    other = replace(walk, shape=((-12.0, -15.0), (12.0, -15.0)), signal_group_idx=17)
    found = geometric_conflicts(links, connections, (walk, other))["J"]
    assert {a for a, b in found.conflicts if b == 16} == {
        group("n", "T"),
        group("s", "R"),
        group("s", "T"),
        group("s", "L"),
        group("s", "U"),
        group("e", "L"),
        group("w", "R"),
    }
    assert (16, 17) not in found.conflicts
    assert (group("e", "L"), 16) in found.yields
    assert (group("n", "T"), 16) not in found.yields
    assert not {a for a, _ in found.yields} & {16, 17}


def test_what_has_no_lamp_is_left_out() -> None:
    links, connections = crossroads()
    dark = [replace(c, junction_id=None, signal_group_idx=NO_SIGNAL) for c in connections]
    assert geometric_conflicts(links, dark) == {}
    assert drawn_paths(links, dark) == []


def test_links_without_extent_are_drawn_somehow() -> None:
    links, connections = crossroads()
    for name in ("nJ", "Js"):
        links[name] = replace(links[name], shape=((0.0, 0.0), (0.0, 0.0)))
    links["eJ"] = replace(links["eJ"], shape=((1.0, 0.0),), free_flow_speed_mps=0.0)
    paths = drawn_paths(links, connections)
    found = geometric_conflicts(links, connections)
    assert len(paths) == len(connections)
    assert required_intergreens(paths, {"J": found["J"].conflicts})


# --- drawing --------------------------------------------------------------------------------


def test_paths_run_from_lane_to_lane() -> None:
    """Both ways on one line: lanes to the right of it; stop lines clear of the crossing road."""
    links, connections = crossroads()
    paths = {path.signal_group_idx: path for path in reversed(drawn_paths(links, connections))}
    through = paths[group("n", "T")]
    start, stop = through.shape[0], through.shape[-1]
    assert start[0] == pytest.approx(-LANE_WIDTH_M * 3 / 2)
    assert stop[0] == pytest.approx(-LANE_WIDTH_M * 3 / 2)
    assert 2 * LANE_WIDTH_M + CORNER_M <= start[1] <= 2 * LANE_WIDTH_M + CORNER_M + 1
    assert stop[1] == pytest.approx(-start[1])
    assert through.speed_mps == 13.89
    assert paths[group("n", "R")].speed_mps < paths[group("n", "L")].speed_mps < 13.89


def test_one_way_roads_lie_on_both_sides_of_their_line() -> None:
    links = {
        "nJ": link("n", "J", (0.0, 100.0), (0.0, 0.0), lanes=3),
        "Js": link("J", "s", (0.0, 0.0), (0.0, -100.0), lanes=3),
    }
    connections = [Connection("nJ", k, "Js", k, Turn.THROUGH, "J", k) for k in range(3)]
    at = [path.shape[0][0] for path in drawn_paths(links, connections)]
    assert at == pytest.approx([-LANE_WIDTH_M, 0.0, LANE_WIDTH_M])


# --- intergreens ----------------------------------------------------------------------------


def driven(
    group: int, *shape: tuple[float, float], speed_mps: float = 50 / 3.6, to: str = ""
) -> Path:
    return Path(f"from {group}", 0, to or f"to {group}", 0, shape, 3.2, speed_mps, "J", group)


def needed(*paths: Path) -> dict[tuple[int, int], int]:
    return required_intergreens(paths, {"J": {(0, 1)}})["J"]


def test_two_straight_paths() -> None:
    """Yellow 3.277 s, all-red (22 + 6) m at 50 km/h, entering 18 m at 40 km/h: 3.67 s."""
    a, b = driven(0, (0.0, -20.0), (0.0, 20.0)), driven(1, (-20.0, 0.0), (20.0, 0.0))
    by_formula = yellow_s(50 / 3.6) + all_red_s(22.0, 50 / 3.6) - 18.0 / 11.1
    assert by_formula == pytest.approx(3.67, abs=0.01)
    assert needed(a, b) == {(0, 1): 4, (1, 0): 4}


def test_clearing_far_and_entering_near_needs_more() -> None:
    """a meets b 5 m behind b's stop line, and 60 m behind its own."""
    a, b = driven(0, (0.0, -60.0), (0.0, 5.0)), driven(1, (-5.0, 0.0), (60.0, 0.0))
    clearing_a = yellow_s(50 / 3.6) + all_red_s(62.0, 50 / 3.6) - 3.0 / 11.1
    clearing_b = yellow_s(50 / 3.6) + all_red_s(7.0, 50 / 3.6) - 58.0 / 11.1
    assert (clearing_a, clearing_b) == pytest.approx((7.90, -1.01), abs=0.02)
    assert needed(a, b) == {(0, 1): 8, (1, 0): 3}


def test_never_below_the_shortest_yellow_and_never_stuck() -> None:
    slow = driven(0, (0.0, -2.0), (0.0, 2.0), speed_mps=0.0)
    fast = driven(1, (-80.0, 0.0), (2.0, 0.0))
    assert needed(slow, fast)[0, 1] == 3
    assert needed(driven(0, (0.0, -2.0), (0.0, 2.0)), fast)[0, 1] == DEFAULT_STANDARD.yellow_min_s


def test_people_on_foot_clear_from_the_further_kerb_and_enter_at_once() -> None:
    """A walk of 12 m over three lanes; the car meets it at 9-12 m of the walk, 2 m on."""
    walk = replace(driven(0, (0.0, 0.0), (12.0, 0.0), speed_mps=1.2), width_m=4.0, on_foot=True)
    car = driven(1, (10.4, -4.0), (10.4, 30.0))
    found = needed(walk, car)
    assert found[0, 1] == 10  # 12 m at 1.2 m/s, less 2 m at 40 km/h
    assert found[1, 0] == 5  # yellow 3.277 s and (6 + 6) m at 50 km/h


def test_only_paths_that_meet_count() -> None:
    """Group 0 has a second path that nothing of group 1 comes near."""
    a, b = driven(0, (0.0, -20.0), (0.0, 20.0)), driven(1, (-20.0, 0.0), (20.0, 0.0))
    aside = replace(driven(0, (300.0, 0.0), (0.0, 300.0)), from_link="elsewhere", to_link="there")
    assert needed(a, aside, b) == needed(a, b)


def test_paths_that_do_not_meet_are_measured_where_they_come_nearest() -> None:
    a, b = driven(0, (0.0, -20.0), (0.0, 20.0)), driven(1, (-20.0, 0.0), (-5.0, 0.0))
    assert needed(a, b)[0, 1] == 4
    assert required_intergreens([a], {"J": {(0, 1)}, "K": {(0, 1)}}) == {"J": {}}


@settings(max_examples=40)
@given(
    st.floats(0, 6.28),
    st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)),
    st.sampled_from([2, 3]),
)
def test_where_the_map_lies_changes_nothing(
    angle: float, move: tuple[float, float], lanes: int
) -> None:
    links, connections = crossroads(lanes)
    turned, _ = crossroads(lanes, angle, move)
    found = geometric_conflicts(links, connections)
    assert geometric_conflicts(turned, connections) == found
    pairs = {"J": found["J"].conflicts}
    here = required_intergreens(drawn_paths(links, connections), pairs)["J"]
    there = required_intergreens(drawn_paths(turned, connections), pairs)["J"]
    assert here.keys() == there.keys() == {p for a, b in pairs["J"] for p in ((a, b), (b, a))}
    assert all(abs(here[pair] - there[pair]) <= 1 for pair in here)
    assert min(here.values()) >= DEFAULT_STANDARD.yellow_min_s


# --- against SUMO's foes --------------------------------------------------------------------


def test_drawn_conflicts_are_those_that_sumo_has() -> None:
    """Missing one is the dangerous side. What SUMO's older versions left out is mostly merging into
    lanes side by side; what we miss, turns on foot of a bicycle and tight opposite left turns.
    """
    networks = real_networks()
    if not networks:
        pytest.skip("neither sumo-rl nor SUMO's games are installed")
    told = added([agreement(network) for network in networks])
    assert told.both > 1000
    assert told.recall > 0.995
    assert told.precision > 0.96
    crude = added([agreement(centre_lines(network)) for network in networks])
    assert crude.recall > 0.98
    assert crude.precision > 0.95


def test_paths_that_sumo_drew_give_the_same_conflicts() -> None:
    """The same judgement on a path told and on a path drawn: a T of straight lines."""
    links, connections = crossroads()
    straight = [c for c in connections if c.turn is Turn.THROUGH]
    told = drawn_paths(links, straight)
    assert conflicts_of(told, [c.turn for c in straight], links) == geometric_conflicts(
        links, straight
    )
