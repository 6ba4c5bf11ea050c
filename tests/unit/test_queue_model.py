"""The queue model: laws that hold for every vehicle, and queues that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traffic_brain.diagnosis.queue_model import (
    DRIVING,
    HABITS,
    Habits,
    QueueRun,
    StreetMap,
    Way,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.errors import DataRefused
from traffic_brain.kernels.queues import PATIENCE_S
from traffic_brain.model.network import (
    NO_SIGNAL,
    Connection,
    GiveWay,
    Junction,
    Link,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import Interval, SignalPlan, Stage

LENGTH_M, SPEED_MPS = 150.0, 15.0
RUN_S = LENGTH_M / SPEED_MPS
CROSSING_S = 15.0 / SPEED_MPS
"""The junction is 15 m wide."""
CYCLE_S, GREEN_S = 60, 27


def link(link_id: str, x: float, lanes: int = 1, length_m: float = LENGTH_M) -> Link:
    return Link(
        link_id=link_id,
        from_node=f"{link_id}-from",
        to_node=f"{link_id}-to",
        length_m=length_m,
        free_flow_speed_mps=SPEED_MPS,
        lane_count=lanes,
        road_class="arterial",
        name=link_id,
        shape=((x, 0.0), (x + length_m, 0.0)),
        car_lanes=tuple(range(lanes)),
        junction_id="J" if link_id in "ac" else None,
    )


def crossing_city(lanes: int = 1, exit_m: float = LENGTH_M) -> RoadNetwork:
    """Link a runs on into b through junction J; c turns left into d across it and gives way."""
    a, b = link("a", 0.0, lanes), link("b", LENGTH_M + 15.0, lanes, exit_m)
    c, d = link("c", 0.0), link("d", LENGTH_M + 15.0)
    through = [Connection("a", i, "b", i, Turn.THROUGH, "J", 0) for i in range(lanes)]
    left = Connection("c", 0, "d", 0, Turn.LEFT, "J", 1)
    junction = Junction(
        junction_id="J",
        name="J",
        x=LENGTH_M,
        y=0.0,
        node_ids=("J",),
        signal_group_count=2,
        conflicts=frozenset({(0, 1)}),
        yields=frozenset({(1, 0)}),
        plan_in_service=plan(),
    )
    return RoadNetwork(
        "city", {k.link_id: k for k in (a, b, c, d)}, (*through, left), {}, {"J": junction}
    )


def plan(green_s: int = GREEN_S, offset_s: int = 0) -> SignalPlan:
    """Both groups green together, the left turn permitted; then red for all."""
    green = Stage("Gg", green_s, (Interval(3, "yy"),))
    rest = Stage("rr", CYCLE_S - green_s - 3)
    return SignalPlan("J", "p", (green, rest), offset_s=offset_s)


def drive(city: StreetMap, ways: list[Way], shown: SignalPlan, end_s: int = 3600) -> QueueRun:
    return simulate(city, lamps(city, {"J": shown}), journeys(city, ways), 0, end_s)


def leaves_s(run: QueueRun, city: StreetMap, link_id: str) -> list[float]:
    """When vehicles left a link, in order of time."""
    here = run.journeys.step_link == city.network.link_idx[link_id]
    return sorted(run.measures.step_leave_s[here].tolist())


def queue_by_hand(arrivals: list[float], shown: SignalPlan, headway_s: float) -> list[float]:
    """Departures from one lane: in order, in green, a headway apart, a start loss after red."""
    free_s, left = -1e9, []
    for ready in arrivals:
        at = max(ready, free_s)
        while True:
            second = int(at)
            green = shown.picture_at(second)[0] in "Gg"
            if green:
                start = second
                while shown.picture_at(start - 1)[0] in "Gg":
                    start -= 1
                stood = ready < start
                first = start + DRIVING.start_loss_s if stood else at
                at = max(at, first)
                if int(at) == second:
                    break
                second = int(at)
            else:
                at = float(second + 1)
        left.append(at)
        free_s = at + headway_s
    return left


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.floats(1.3, 30.0), min_size=1, max_size=20),  # the lane holds 20
    offset_s=st.integers(0, CYCLE_S - 1),
    green_s=st.integers(8, 50),
)
def test_one_lane_at_a_signal_is_the_queue_worked_out_by_hand(
    gaps: list[float], offset_s: int, green_s: int
) -> None:
    city, shown = street_map(crossing_city()), plan(green_s, offset_s)
    departures = np.cumsum(gaps).tolist()
    run = drive(city, [(at, ("a", "b")) for at in departures], shown, 20_000)
    ready = [at + RUN_S for at in departures]
    expected = queue_by_hand(ready, shown, HABITS.through_headway_s)
    assert leaves_s(run, city, "a") == pytest.approx(expected)


def test_uniform_arrivals_lose_what_webster_says() -> None:
    """Deterministic arrivals below capacity: C (1 − g/C)² / (2 (1 − y)) per vehicle.

    Webster 1958, first term; g is the green less the start loss, every vehicle's own loss while it
    accelerates comes on top and is taken out here.
    """
    city = street_map(crossing_city())
    ways: list[Way] = [(10.0 * i, ("a", "b")) for i in range(360)]
    delays = []
    for offset_s in range(CYCLE_S):
        run = drive(city, ways, plan(offset_s=offset_s), 7200)
        stopped = run.measures.step_delay_s[run.journeys.step_link == 0]
        left = np.array(leaves_s(run, city, "a"))
        delays.append(float((left - run.journeys.depart_s - RUN_S).mean()))
        assert (stopped >= 0).all()
    flow_ratio = (1 / 10) * HABITS.through_headway_s
    green_ratio = (GREEN_S - DRIVING.start_loss_s) / CYCLE_S
    expected = CYCLE_S * (1 - green_ratio) ** 2 / (2 * (1 - flow_ratio))
    assert float(np.mean(delays)) == pytest.approx(expected, rel=0.06)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    vehicles=st.integers(0, 250),
    lanes=st.integers(1, 3),
    exit_m=st.sampled_from([8.0, 60.0, 150.0]),
    end_s=st.sampled_from([300, 900, 7200]),
)
def test_no_vehicle_is_lost_and_none_breaks_a_rule(
    seed: int, vehicles: int, lanes: int, exit_m: float, end_s: int
) -> None:
    rng = np.random.default_rng(seed)
    network = crossing_city(lanes, exit_m)
    city, shown = street_map(network), plan(int(rng.integers(6, 50)), int(rng.integers(0, CYCLE_S)))
    routes = (("a", "b"), ("c", "d"), ("a",))
    ways: list[Way] = [
        (float(rng.uniform(0, 600)), routes[int(rng.integers(3))]) for _ in range(vehicles)
    ]
    run = drive(city, ways, shown, end_s)
    driven, told = run.journeys, run.measures
    assert len(driven.depart_s) == vehicles
    if end_s == 7200:
        assert told.vehicle_arrived.all()
    for v in range(vehicles):
        steps = slice(driven.step_start[v], driven.step_start[v + 1])
        left = told.step_leave_s[steps]
        assert told.vehicle_delay_s[v] == pytest.approx(told.step_delay_s[steps].sum())
        assert bool(told.vehicle_arrived[v]) == bool((left > 0).all())
        if told.vehicle_arrived[v]:
            free_s = city.streets.link_run_s[driven.step_link[steps]].sum()
            free_s += city.streets.turn_run_s[driven.step_turn[steps][:-1]].sum()
            lost_s = left[-1] - driven.depart_s[v] - free_s
            assert told.vehicle_delay_s[v] == pytest.approx(lost_s, abs=1e-6)
    for link_idx in (0, 2):
        turning = (driven.step_link == link_idx) & (driven.step_turn >= 0)
        crossed = sorted(t for t in told.step_leave_s[turning].tolist() if t > 0)
        in_red = [
            at
            for at in crossed
            if not set(shown.picture_at(int(at))[0] + shown.picture_at(int(at) - 1)[0]) & set("Gg")
        ]
        # Who waited on the junction leaves it when the stream has ended: one a cycle, never more.
        assert link_idx == 2 or not in_red
        assert all(b - a > CYCLE_S / 2 for a, b in pairwise(in_red))
        if lanes == 1:
            assert all(b - a > HABITS.through_headway_s - 1e-6 for a, b in pairwise(crossed))
    _never_more_than_fit(run, city)


def _never_more_than_fit(run: QueueRun, city: StreetMap) -> None:
    """On every link at every event: no more vehicles than its lanes have places."""
    driven, told = run.journeys, run.measures
    events: dict[int, list[tuple[float, int]]] = {}
    for v in range(len(driven.depart_s)):
        for step in range(driven.step_start[v] + 1, driven.step_start[v + 1]):
            entered = told.step_leave_s[step - 1]
            if entered > 0:
                link_idx = int(driven.step_link[step])
                events.setdefault(link_idx, []).append((float(entered), 1))
                if told.step_leave_s[step] > 0:
                    events[link_idx].append((float(told.step_leave_s[step]), -1))
    starts = city.streets.link_lane_start
    for link_idx, found in events.items():
        places = int(city.streets.lane_places[starts[link_idx] : starts[link_idx + 1]].sum())
        assert max(np.cumsum([change for _, change in sorted(found)])) <= places


def test_a_permitted_turn_waits_for_the_oncoming_stream() -> None:
    city, always = street_map(crossing_city(lanes=3)), SignalPlan("J", "p", (Stage("Gg", 60),))
    stream: list[Way] = [(0.7 * i, ("a", "b")) for i in range(400)]
    crossed = drive(city, [(100.0, ("c", "d")), *stream], always, 7200)
    turning = crossed.journeys.step_turn == city.turn_idx["c", "d"]
    last_s = leaves_s(crossed, city, "a")[-1]
    assert last_s - 2.0 < float(crossed.measures.step_leave_s[turning][0]) < last_s + 8.0


def shared_city() -> RoadNetwork:
    """As before, but c is also left straight on, from the lane that the left turn waits in."""
    city = crossing_city(lanes=3)
    e = link("e", LENGTH_M + 15.0)
    on = Connection("c", 0, "e", 0, Turn.THROUGH, "J", 2)
    junction = replace(city.junctions["J"], signal_group_count=3)
    return replace(
        city,
        links={**city.links, "e": e},
        connections=(*city.connections, on),
        junctions={"J": junction},
    )


def test_who_waits_for_a_gap_on_the_junction_lets_others_pass() -> None:
    """One left turn fits beyond the stop line; the second holds all who come after it."""
    green = Stage("GgG", 40, (Interval(3, "yyy"),))
    shown = SignalPlan("J", "p", (green, Stage("rrr", 17)))
    city = street_map(shared_city())
    assert city.streets.connection_pocket.tolist() == [0, 0, 0, 1, 0]
    stream: list[Way] = [(0.5 * i, ("a", "b")) for i in range(120)]
    on: list[Way] = [(4.0, ("c", "e"))]
    one, two = (
        drive(city, [*stream, *[(0.5 * i, ("c", "d")) for i in range(n)], *on], shown, 300)
        for n in (1, 2)
    )
    free_s, held_s = (
        float(run.measures.step_delay_s[run.journeys.step_turn == city.turn_idx["c", "e"]].sum())
        for run in (one, two)
    )
    assert free_s < 5.0
    assert held_s > free_s + 10.0
    for run in (one, two):
        assert run.measures.vehicle_arrived.all()


def test_who_still_waits_on_the_junction_at_the_end_is_counted() -> None:
    """The stream never ends: the left turn has left its lane, but not the junction."""
    always = SignalPlan("J", "p", (Stage("Gg", 60),))
    city = street_map(crossing_city(lanes=3))
    stream: list[Way] = [(0.5 * i, ("a", "b")) for i in range(1000)]
    run = drive(city, [*stream, (60.0, ("c", "d"))], always, 300)
    turning = run.journeys.step_link == city.network.link_idx["c"]
    assert run.measures.step_leave_s[turning].tolist() == [0.0]
    assert run.measures.step_delay_s[turning].sum() == pytest.approx(300.0 - 60.0 - RUN_S)


def with_a_sign(*, exit_m: float = LENGTH_M) -> RoadNetwork:
    """No lamps: c turns left into d across the road from a to b, and has a sign."""
    city = crossing_city(exit_m=exit_m)
    links = {name: replace(one, junction_id=None) for name, one in city.links.items()}
    bare = [replace(c, junction_id=None, signal_group_idx=NO_SIGNAL) for c in city.connections]
    sign = GiveWay("c", "d", "a", "b")
    return replace(city, links=links, connections=tuple(bare), junctions={}, give_ways=(sign,))


WIDE = DRIVING._replace(sign_gap_s=6.0)
"""Wider than any gap in a queue that dissolves."""


def unlit(city: StreetMap, ways: list[Way], end_s: int = 600) -> QueueRun:
    return simulate(city, lamps(city, {}), journeys(city, ways), 0, end_s, WIDE)


def test_at_a_sign_one_waits_until_the_road_is_free() -> None:
    city = street_map(with_a_sign())
    road: list[Way] = [(1.6 * i, ("a", "b")) for i in range(40)]
    run = unlit(city, [*road, (5.0, ("c", "d"))])
    last_s = leaves_s(run, city, "a")[-1]
    (left_s,) = leaves_s(run, city, "c")
    assert abs(left_s - last_s) <= 1.0  # a second is the model's step
    assert run.measures.vehicle_arrived.all()
    alone = unlit(city, road)
    assert run.measures.vehicle_delay_s.sum() == pytest.approx(
        alone.measures.vehicle_delay_s.sum() + left_s - 5.0 - RUN_S
    )


def test_at_a_sign_one_uses_a_gap_that_is_long_enough() -> None:
    city = street_map(with_a_sign())
    road: list[Way] = [(9.0 * i, ("a", "b")) for i in range(40)]
    run = unlit(city, [*road, (5.0, ("c", "d"))])
    (left_s,) = leaves_s(run, city, "c")
    assert left_s < 5.0 + RUN_S + 9.0


def test_at_a_sign_nobody_waits_for_whom_a_full_street_holds() -> None:
    """The exit holds two who cannot leave it; those behind them cannot come."""
    red = SignalPlan("J", "red", (Stage("r", 60),))
    city = with_a_sign(exit_m=8.0)
    out = link("out", 2 * LENGTH_M)
    closed = Junction("J", "J", 0.0, 0.0, ("J",), 1, frozenset(), frozenset(), red)
    shut = replace(
        city,
        links={**city.links, "b": replace(city.links["b"], junction_id="J"), "out": out},
        connections=(*city.connections, Connection("b", 0, "out", 0, Turn.THROUGH, "J", 0)),
        junctions={"J": closed},
    )
    streets = street_map(shut)
    ways: list[Way] = [*((2.0 * i, ("a", "b", "out")) for i in range(9)), (60.0, ("c", "d"))]
    run = simulate(streets, lamps(streets, {"J": red}), journeys(streets, ways), 0, 600)
    (left_s,) = leaves_s(run, streets, "c")
    assert left_s == pytest.approx(60.0 + RUN_S)


def test_at_a_sign_patience_ends() -> None:
    """The stream leaves no gap; so nobody waits for ever, not even in a ring."""
    city = street_map(with_a_sign())
    road: list[Way] = [(2.2 * i, ("a", "b")) for i in range(400)]
    run = unlit(city, [*road, (5.0, ("c", "d"))], 1200)
    (left_s,) = leaves_s(run, city, "c")
    assert 5.0 + RUN_S + 60.0 < left_s <= 5.0 + RUN_S + PATIENCE_S + 1.0
    mutual = (GiveWay("c", "d", "a", "b"), GiveWay("a", "b", "c", "d"))
    ring = street_map(replace(with_a_sign(), give_ways=mutual))
    both = unlit(ring, [(0.0, ("a", "b")), (0.0, ("c", "d"))])
    assert both.measures.vehicle_arrived.all()


def test_without_a_sign_nobody_waits() -> None:
    city = street_map(replace(with_a_sign(), give_ways=()))
    run = unlit(city, [*((2.5 * i, ("a", "b")) for i in range(40)), (5.0, ("c", "d"))])
    assert run.delay_s_per_veh == pytest.approx(0.0)


def test_used_yellow_lets_more_pass() -> None:
    ways: list[Way] = [(1.3 * i, ("a", "b")) for i in range(300)]
    delays = [
        drive(street_map(crossing_city(), Habits(used_yellow_s=k)), ways, plan()).delay_s_per_veh
        for k in (0, 1, 2)
    ]
    assert delays[0] > delays[1] > delays[2]


def test_a_full_exit_holds_back_the_queue_behind_it() -> None:
    """An exit of 8 m has three places: the fourth vehicle waits for a gap to travel back."""
    free, short = street_map(crossing_city()), street_map(crossing_city(exit_m=8.0))
    ways: list[Way] = [(1.5 * i, ("a", "b")) for i in range(100)]
    unhindered, held = drive(free, ways, plan()), drive(short, ways, plan())
    assert unhindered.measures.link_blocked_s.sum() == 0.0
    assert held.measures.vehicle_arrived.all()
    assert held.measures.link_blocked_s[short.network.link_idx["b"]] > 0
    assert held.delay_s_per_veh > unhindered.delay_s_per_veh


def test_without_a_plan_the_lamps_are_dark_and_nobody_stops() -> None:
    city = street_map(crossing_city())
    run = simulate(city, lamps(city, {}), journeys(city, [(5.0, ("a", "b"))]), 0, 100)
    assert run.delay_s_per_veh == pytest.approx(0.0)
    assert run.measures.vehicle_arrived.all()


def test_nobody_drives() -> None:
    city = street_map(crossing_city())
    assert drive(city, [], plan()).delay_s_per_veh == 0.0


def test_who_never_gets_in_counts_with_the_whole_wait() -> None:
    city = street_map(crossing_city())
    red = SignalPlan("J", "red", (Stage("rr", 60),))
    run = drive(city, [(0.0, ("a", "b"))] * 40, red, 1000)
    delays = np.sort(run.measures.vehicle_delay_s)
    assert delays[-1] == pytest.approx(1000.0)
    assert not run.measures.vehicle_arrived.any()


def test_a_route_of_another_city_is_refused() -> None:
    city = street_map(crossing_city())
    with pytest.raises(DataRefused, match="another network"):
        journeys(city, [(0.0, ("a", "nowhere"))])


def test_a_route_is_driven_as_far_as_it_hangs_together() -> None:
    city = street_map(crossing_city())
    driven = journeys(city, [(0.0, ("a", "b", "c", "d"))])
    assert driven.step_link.tolist() == [0, 1]
