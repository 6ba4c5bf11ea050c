"""Heads of queues on streets made by hand, their causes, and the saturation of lanes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.unit.hand_made import SPEED_MPS, network, road, through, two_stage_plan
from traffic_brain.diagnosis.approaches import approaches, delay_veh_h, main_successors
from traffic_brain.diagnosis.bottlenecks import (
    ACTIVE_DELAY_S,
    active_approaches,
    queue_heads,
    seconds,
)
from traffic_brain.diagnosis.capacity import (
    PERMITTED_RATIO,
    START_UP_LOSS_S,
    USED_YELLOW_S,
    critical_flow_ratio,
    effective_green_s,
    lane_groups,
    saturation_ratio,
    stage_saturation,
)
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork, Turn
from traffic_brain.model.signals import Interval, SignalPlan, Stage

PLACES = {name: (200.0 * i, 0.0) for i, name in enumerate("abcdef")} | {"n": (400.0, 200.0)}
STREET = ("a-b", "b-c", "c-d", "d-e", "e-f")
CITY = network(
    [*(road(*name.split("-"), PLACES) for name in STREET), road("n", "c", PLACES)],
    through(*STREET) | {("n-c", "c-d"): (Turn.LEFT, (0,))},
)
WINDOW = Window(3600, 3600 + 6 * 300)
SLOW_MPS = SPEED_MPS / 6


def state(
    slow: Mapping[str, Iterable[int]],
    trips: Iterable[tuple[str, ...]] = (STREET,),
    *,
    city: RoadNetwork = CITY,
    flow_veh: Mapping[str, float] | None = None,
) -> State:
    """Links with the bins in which they crawl; 20 vehicles per bin unless told otherwise."""
    shape = (len(city.links), WINDOW.bin_count)
    speed = np.full(shape, SPEED_MPS)
    flow = np.full(shape, 20.0)
    for link_id, bins in slow.items():
        speed[city.link_idx[link_id], list(bins)] = SLOW_MPS
    for link_id, vehicles in (flow_veh or {}).items():
        flow[city.link_idx[link_id]] = vehicles
    length = np.array([link.length_m for link in city.links.values()])[:, None]
    ways = tuple((3600.0, way) for way in trips)
    return State(
        service_day="2026-03-02",
        window=WINDOW,
        speed_mps=speed,
        travel_time_s=length / speed,
        flow_veh=flow,
        demand_vph=np.zeros((len(city.movements), 2)),
        demand_high_vph=np.zeros((len(city.movements), 2)),
        trips=ways,
        vehicle_classes=("car",) * len(ways),
        running_plans={},
        summary={},
    )


# --- heads -----------------------------------------------------------------------------------


def test_the_head_is_the_last_slow_link_and_those_behind_are_passive() -> None:
    found = state({"b-c": range(1, 4), "c-d": range(1, 4), "d-e": range(1, 4)})
    (head,) = queue_heads(CITY, found)
    assert head.link_id == "d-e"
    assert head.passive_links == ("b-c", "c-d")
    assert (head.first_bin, head.end_bin) == (1, 4)
    assert (seconds(found, 1), seconds(found, 4)) == (3900, 4800)
    # 100 s more than the free 20 s, 20 vehicles, three bins, three links
    assert head.delay_veh_h == pytest.approx(100 * 20 * 3 * 3 / 3600)


def test_a_queue_grows_backwards_from_one_head() -> None:
    jam = {"d-e": range(6), "c-d": range(1, 5), "b-c": range(2, 5)}
    (head,) = queue_heads(CITY, state(jam))
    assert head.link_id == "d-e"
    assert head.passive_links == ("b-c", "c-d")
    assert head.delay_veh_h == pytest.approx(100 * 20 * (6 + 4 + 3) / 3600)


def test_a_free_link_between_parts_two_queues() -> None:
    """The dearer one comes first."""
    heads = queue_heads(CITY, state({"a-b": (0, 1), "b-c": (0, 1), "d-e": (0, 1)}))
    assert [(h.link_id, h.passive_links) for h in heads] == [("b-c", ("a-b",)), ("d-e", ())]


def test_a_queue_that_comes_again_is_another_one() -> None:
    heads = queue_heads(CITY, state({"d-e": (0, 1, 4, 5)}))
    assert [(h.first_bin, h.end_bin) for h in heads] == [(0, 2), (4, 6)]
    (one,) = queue_heads(CITY, state({"d-e": (0, 1, 3, 4)}))  # five minutes are a noisy witness
    assert (one.first_bin, one.end_bin) == (0, 5)


def test_five_minutes_make_no_bottleneck() -> None:
    assert queue_heads(CITY, state({"d-e": (2,)})) == []
    assert queue_heads(CITY, state({})) == []


def test_slowness_that_costs_nobody_anything_is_no_bottleneck() -> None:
    assert queue_heads(CITY, state({"d-e": range(6)}, flow_veh={"d-e": 1.0})) == []


def test_only_ways_that_vehicles_really_take_lead_into_a_queue() -> None:
    """Of ten vehicles from n-c one goes on over c-d: its queue is its own."""
    jam = {"n-c": range(3), "c-d": range(3)}
    few = [("n-c", "c-d"), *[("n-c", "b-c")] * 9, STREET]
    many = [("n-c", "c-d")] * 9
    assert {h.link_id for h in queue_heads(CITY, state(jam, few))} == {"n-c", "c-d"}
    (head,) = queue_heads(CITY, state(jam, many))
    assert (head.link_id, head.passive_links) == ("c-d", ("n-c",))
    assert main_successors(state({}, few)) == {
        "n-c": ("b-c",),
        **{a: (b,) for a, b in itertools.pairwise(STREET)},
    }


def test_a_ring_of_queues_has_one_head() -> None:
    """Gridlock: every link waits for the next; the one that loses most is named."""
    places = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (100.0, 150.0), "x": (-200.0, 0.0)}
    roads = [road(x, y, places) for x, y in ("ab", "bc", "ca", "xa")]
    ring = network(roads, through("a-b", "b-c", "c-a", "a-b") | through("x-a", "a-b"))
    jam = dict.fromkeys(ring.links, range(4))
    trips = [("a-b", "b-c", "c-a"), ("c-a", "a-b"), ("x-a", "a-b")]
    (head,) = queue_heads(ring, state(jam, trips, city=ring, flow_veh={"b-c": 30.0}))
    assert head.link_id == "b-c"
    assert head.passive_links == ("a-b", "c-a", "x-a")


def test_active_means_slow_and_costly() -> None:
    found = state({})
    for lost_s, expected in ((ACTIVE_DELAY_S - 0.1, False), (ACTIVE_DELAY_S + 0.1, True)):
        found.travel_time_s[0, 0] = 200.0 / SPEED_MPS + lost_s
        found.flow_veh[0, 0] = 30.0
        assert active_approaches(approaches(CITY, found))[0, 0] == expected
    assert (delay_veh_h(CITY, found) >= 0).all()


def test_a_quarter_of_an_hour_decides_and_costs_stay_those_of_each_bin() -> None:
    """40 and 80 s by turns: 53 to 67 s of HCM's analysis period, whose loss adds up as it is."""
    found = state({})
    lost_s = np.array([40.0, 80.0, 40.0, 80.0, 40.0, 80.0])
    found.travel_time_s[CITY.link_idx["d-e"]] = 200.0 / SPEED_MPS + lost_s
    (head,) = queue_heads(CITY, found)
    assert (head.first_bin, head.end_bin) == (0, 6)
    assert head.delay_veh_h == pytest.approx(lost_s.sum() * 20 / 3600)
    street = approaches(CITY, found)
    row = street.over(3).delay_s[street.of_link["d-e"]]
    assert row == pytest.approx([60.0, 160 / 3, 200 / 3, 160 / 3, 200 / 3, 60.0])


# --- capacity --------------------------------------------------------------------------------


def approach(straight: float, left: float) -> tuple[RoadNetwork, dict[str, np.ndarray]]:
    """Two lanes into b: straight on from both, left from the inner one; demands in veh/h."""
    inside = road("a", "b", PLACES, junction_id="b", lane_count=2, car_lanes=(0, 1))
    city = network(
        [inside, road("b", "c", PLACES), road("b", "n", PLACES)],
        {("a-b", "b-c"): (Turn.THROUGH, (0, 1)), ("a-b", "b-n"): (Turn.LEFT, (1,))},
    )
    return city, {"a-b>b-c": np.array([straight, 0.0]), "a-b>b-n": np.array([left, left])}


def test_lanes_carry_the_movements_that_leave_from_them() -> None:
    city, demand = approach(600.0, 200.0)
    outer, inner = lane_groups(tuple(city.movements.values()), demand)
    assert (outer.lane_idx, outer.groups, outer.shares) == (0, (0,), (1.0,))
    assert list(outer.demand_vph) == [300, 0]
    assert inner.groups == (0, 1)
    assert inner.shares == pytest.approx((300 / 700, 400 / 700))
    assert list(inner.demand_vph) == [500, 200]
    assert inner.saturation_flow_vph == pytest.approx(1800)


def test_the_saturation_flow_of_a_shared_lane_is_the_mean_of_headways() -> None:
    city, demand = approach(600.0, 150.0)
    slow = replace(city.movements["a-b>b-n"], saturation_flow_vph=1200.0)
    _, inner = lane_groups([city.movements["a-b>b-c"], slow], demand)
    assert inner.saturation_flow_vph == pytest.approx(1 / (0.5 / 1800 + 0.5 / 1200))


def test_saturation_is_demand_over_capacity() -> None:
    """30 s green of 60 s: effective 28 s, 840 veh/h."""
    plan = two_stage_plan("b", greens_s=(30, 20))
    city, demand = approach(840.0, 0.0)
    outer, inner = lane_groups(tuple(city.movements.values()), demand)
    green = 30 + USED_YELLOW_S - START_UP_LOSS_S
    assert effective_green_s(plan, outer) == pytest.approx(green)
    assert saturation_ratio(plan, outer) == pytest.approx(420 / (1800 * green / 60))
    assert list(stage_saturation(plan, [outer, inner])) == pytest.approx(
        [saturation_ratio(plan, outer)] * 2  # left, on the inner lane, goes in the second stage
    )


def test_permitted_green_and_green_in_clearances_count() -> None:
    stages = (
        Stage("gr", 30, (Interval(3, "Gr"), Interval(3, "yr"))),
        Stage("rG", 20, (Interval(4, "ry"),)),
    )
    city, demand = approach(600.0, 0.0)
    outer, _ = lane_groups(tuple(city.movements.values()), demand)
    assert effective_green_s(SignalPlan("b", "1", stages), outer) == pytest.approx(
        30 * PERMITTED_RATIO + 3 + USED_YELLOW_S - START_UP_LOSS_S
    )


def test_critical_flow_ratios_add_up_over_stages() -> None:
    plan = two_stage_plan("b", greens_s=(30, 30))
    places = PLACES | {"s": (200.0, -200.0)}
    roads = [road("a", "b", PLACES, junction_id="b"), road("s", "b", places, junction_id="b")]
    city = network(
        [*roads, road("b", "c", PLACES)],
        {("a-b", "b-c"): (Turn.THROUGH, (0,)), ("s-b", "b-c"): (Turn.RIGHT, (0,))},
    )
    demand = {"a-b>b-c": np.array([900.0]), "s-b>b-c": np.array([450.0])}
    lanes = lane_groups(tuple(city.movements.values()), demand)
    assert critical_flow_ratio(plan, lanes) == pytest.approx(900 / 1800 + 450 / 1800)
