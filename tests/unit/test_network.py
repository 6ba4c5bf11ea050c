"""The road network as graph, approaches, signal groups, phases and arrays."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.network_model import grid_city
from network_data.checks import problems
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.errors import DataRefused
from traffic_brain.model.arrays import NOTHING
from traffic_brain.model.network import (
    Approach,
    Connection,
    Crossing,
    Link,
    Phase,
    RoadNetwork,
    SignalGroup,
    SignalGroupKind,
    Turn,
)
from traffic_brain.model.signals import Interval, PlanWindow, SignalPlan, Stage

PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (400.0, 0.0), "d": (200.0, 90.0)}


@pytest.fixture
def city() -> RoadNetwork:
    """One signal b with two approaches; group 3 is a crossing, group 4 nobody's."""
    roads = [
        road("a", "b", PLACES, junction_id="b", lane_count=3, car_lanes=(1, 2)),
        road("d", "b", PLACES, junction_id="b"),
        road("b", "c", PLACES),
        road("b", "a", PLACES),
    ]
    ways = {
        ("a-b", "b-c"): (Turn.THROUGH, (1, 2)),
        ("d-b", "b-c"): (Turn.LEFT, (0,)),
        ("d-b", "b-a"): (Turn.RIGHT, (0,)),
    }
    plan = SignalPlan(
        "b",
        "day",
        (
            Stage("rGGrr", 20, (Interval(3, "ryyrr"), Interval(2, "rrrrr"))),
            Stage("GrrGr", 30, (Interval(5, "Grrrr"), Interval(5, "yrrrr"))),
        ),
    )
    made = network(roads, ways, [plan])
    junction = replace(
        made.junctions["b"],
        signal_group_count=5,
        other_plans=(replace(plan, plan_id="night"),),
    )
    bus = Connection("a-b", 0, "b-c", 0, Turn.THROUGH, "b", 0)
    return replace(
        made,
        junctions={"b": junction},
        connections=(*made.connections, bus),
        crossings=(Crossing("b", 3, 12.0), Crossing("b", 0, 7.0)),
        plan_windows=(
            PlanWindow("b", "night", 0, 21_600),
            PlanWindow("b", "night", 79_200, 86_400, (1, 2)),
            PlanWindow("b", "lost", 40_000, 50_000),
        ),
    )


def test_approaches_are_link_ends_with_lanes_and_movements(city: RoadNetwork) -> None:
    through_b, left, right = city.movements.values()
    assert city.approaches_at == {
        "b": (
            Approach("b", "a-b", (1, 2), (through_b,)),
            Approach("b", "d-b", (0,), (left, right)),
        )
    }


def test_signal_groups_know_whom_they_serve(city: RoadNetwork) -> None:
    vehicle, pedestrian = SignalGroupKind.VEHICLE, SignalGroupKind.PEDESTRIAN
    foot, both = city.crossings
    assert city.signal_groups_at["b"] == (
        SignalGroup("b", 0, vehicle, ("a-b>b-c",), (both,)),
        SignalGroup("b", 1, vehicle, ("d-b>b-c",), ()),
        SignalGroup("b", 2, vehicle, ("d-b>b-a",), ()),
        SignalGroup("b", 3, pedestrian, (), (foot,)),
        SignalGroup("b", 4, SignalGroupKind.UNUSED, (), ()),
    )


def test_a_group_that_only_buses_wait_at_is_one_of_vehicles(city: RoadNetwork) -> None:
    without_cars = replace(city, movements={})
    kinds = [group.kind for group in without_cars.signal_groups_at["b"]]
    assert kinds[:4] == [*[SignalGroupKind.VEHICLE] * 3, SignalGroupKind.PEDESTRIAN]


def test_phases_are_groups_that_are_always_green_together(city: RoadNetwork) -> None:
    assert city.phases_at["b"] == (
        Phase("b", (1, 2), ("d-b>b-c", "d-b>b-a")),
        Phase("b", (0,), ("a-b>b-c",)),
        Phase("b", (3,), ()),
    )
    without_plan = replace(city.junctions["b"], plan_in_service=None)
    assert replace(city, junctions={"b": without_plan}).phases_at["b"] == ()


def test_the_plan_that_runs_is_that_of_the_window(city: RoadNetwork) -> None:
    assert [plan.plan_id for plan in city.junctions["b"].plans] == ["day", "night"]
    running = {
        (weekday, time_s): plan.plan_id
        for weekday in (1, 7)
        for time_s in (0, 21_599, 21_600, 45_000, 79_200)
        if (plan := city.plan_at("b", weekday, time_s))
    }
    assert [key for key, plan_id in running.items() if plan_id == "night"] == [
        (1, 0),
        (1, 21_599),
        (1, 79_200),
        (7, 0),
        (7, 21_599),
    ]
    assert len(running) == 10


def test_arrays_say_what_the_tables_say(city: RoadNetwork) -> None:
    arrays = city.arrays
    links, movements = list(city.links.values()), list(city.movements.values())
    for i, link in enumerate(links):
        assert arrays.node_ids[arrays.link_from_node_idx[i]] == link.from_node
        assert arrays.node_ids[arrays.link_to_node_idx[i]] == link.to_node
        assert arrays.link_junction_idx[i] == (NOTHING if link.junction_id is None else 0)
        assert arrays.link_storage_veh[i] == link.storage_veh
        assert arrays.link_car_lane_count[i] == len(link.car_lanes)
        after = row(arrays.successor_start, arrays.successor_link_idx, i)
        assert tuple(links[k].link_id for k in after) == city.successors[link.link_id]
        before = row(arrays.predecessor_start, arrays.predecessor_link_idx, i)
        assert tuple(links[k].link_id for k in before) == city.predecessors[link.link_id]
    for i, movement in enumerate(movements):
        assert links[arrays.movement_from_link_idx[i]].link_id == movement.from_link
        assert links[arrays.movement_to_link_idx[i]].link_id == movement.to_link
        assert arrays.movement_lane_count[i] == len(movement.lanes)
        groups = row(arrays.movement_group_start, arrays.movement_group_idx, i)
        assert tuple(groups) == movement.signal_group_idxs
    assert list(row(arrays.junction_movement_start, arrays.junction_movement_idx, 0)) == [0, 1, 2]
    assert arrays.link_length_m.tolist() == [link.length_m for link in links]
    assert arrays.junction_group_count.tolist() == [5]


def test_arrays_are_read_only_and_made_once(city: RoadNetwork) -> None:
    assert city.arrays is city.arrays
    assert city.arrays.link_from_node_idx.dtype == np.int32
    with pytest.raises(ValueError, match="read-only"):
        city.arrays.link_length_m[0] = 1.0


def test_an_empty_network_has_empty_arrays() -> None:
    arrays = RoadNetwork("nothing", {}, (), {}, {}).arrays
    assert arrays.link_length_m.shape == (0,)
    assert arrays.successor_start.tolist() == [0]


def test_arrays_of_a_network_with_gaps_are_refused_with_all_of_them(city: RoadNetwork) -> None:
    stray = Connection("sea", 0, "shore", 0, Turn.THROUGH)
    ways = {**city.links, "a-b": replace(city.links["a-b"], junction_id="K")}
    with pytest.raises(DataRefused) as refused:
        replace(city, connections=(stray,), links=ways, junctions={}).arrays  # noqa: B018
    assert list(refused.value.problems) == [
        "there is no link sea",
        "there is no link shore",
        "there is no junction b",
        "there is no junction K",
    ]


def test_storage_counts_car_lanes(city: RoadNetwork) -> None:
    assert city.links["a-b"].storage_veh == pytest.approx(200 * 2 / 7.5)


def test_a_city_in_the_size_of_hefei_is_quick_to_hold() -> None:
    """Graph and arrays of 2,380 junctions within 10 s; the real figure is below 1 s of CPU."""
    hefei = grid_city(2380)
    start_s = time.process_time()
    assert hefei.graph.number_of_edges() == len(hefei.links) == 9716
    assert hefei.arrays.movement_from_link_idx.size == len(hefei.movements) == 28_560
    assert all(len(approaches) == 4 for approaches in hefei.approaches_at.values())
    assert time.process_time() - start_s < 10
    assert problems(hefei) == []
    assert time.process_time() - start_s < 30


def row(start: np.ndarray, flat: np.ndarray, i: int) -> np.ndarray:
    return flat[start[i] : start[i + 1]]


def test_a_grid_is_what_it_says() -> None:
    small = grid_city(6)
    assert len(small.junctions) == 6
    assert small.graph.number_of_nodes() == 6 + 10  # a stub where a side has no neighbour
    assert isinstance(next(iter(small.graph.edges(data="link")))[2], Link)


def test_ways_without_a_signal_have_no_group() -> None:
    roads = [road("a", "b", PLACES), road("b", "c", PLACES)]
    bare = network(roads, through("a-b", "b-c"), [two_stage_plan("b")])
    assert bare.junctions == {}
    assert bare.arrays.link_junction_idx.tolist() == [NOTHING, NOTHING]
