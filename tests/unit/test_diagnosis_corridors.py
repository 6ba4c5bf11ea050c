"""Corridors on streets made by hand: where many drive from signal to signal."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from tests.unit.hand_made import network, road, through
from traffic_brain.diagnosis.corridors import MIN_FLOW_VPH, find_corridors, journeys, travel_s
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork

WINDOW = Window(0, 3600)
PLACES = {
    **{name: (300.0 * i, 0.0) for i, name in enumerate(["w", "1", "2", "3", "4", "e"])},
    "n": (600.0, 300.0),
    "s": (600.0, -300.0),
    "far": (900.0, 2000.0),
}
PAIRS = ["w 1", "1 2", "2 3", "3 4", "4 e", "e 4", "4 3", "3 2", "2 1", "1 w"]
PAIRS += ["n 2", "2 s", "2 n", "far 3", "3 far"]
SIGNALS = {"1", "2", "3", "4", "far"}
OUT = ("w-1", "1-2", "2-3", "3-4", "4-e")
BACK = ("e-4", "4-3", "3-2", "2-1", "1-w")


def city(names: dict[str, str] | None = None) -> RoadNetwork:
    links = []
    for pair in PAIRS:
        start, end = pair.split()
        link_id = f"{start}-{end}"
        signal = end if end in SIGNALS else None
        named = (names or {}).get(link_id, link_id)
        links.append(road(start, end, PLACES, junction_id=signal, name=named))
    return network(links, through(*OUT) | through(*BACK))


def state(trips: Iterable[tuple[int, tuple[str, ...]]], city: RoadNetwork) -> State:
    ways = tuple((0.0, way) for count, way in trips for _ in range(count))
    empty = np.zeros((len(city.links), WINDOW.bin_count))
    return State(
        service_day="2026-03-02",
        window=WINDOW,
        speed_mps=empty,
        travel_time_s=empty,
        flow_veh=empty,
        demand_vph=empty,
        demand_high_vph=empty,
        trips=ways,
        vehicle_classes=("car",) * len(ways),
        running_plans={},
        summary={},
    )


def corridors(
    *trips: tuple[int, tuple[str, ...]],
    usable: set[str] = SIGNALS,
    net: RoadNetwork | None = None,
) -> list[Corridor]:
    net = net or city()
    return find_corridors(net, state(trips, net), usable)


def test_a_street_is_one_corridor_in_the_direction_of_most_vehicles() -> None:
    (found,) = corridors((400, OUT), (100, BACK))
    assert found.corridor_id == "C01"
    assert found.junction_ids == ("1", "2", "3", "4")
    assert found.out_paths == (("1-2",), ("2-3",), ("3-4",))
    assert found.back_paths == (("2-1",), ("3-2",), ("4-3",))
    assert (found.out_flow_vph, found.back_flow_vph) == (400.0, 100.0)
    (turned,) = corridors((100, OUT), (400, BACK))
    assert turned.junction_ids == ("4", "3", "2", "1")
    assert turned.out_paths == (("4-3",), ("3-2",), ("2-1",))
    assert turned.back_paths == (("3-4",), ("2-3",), ("1-2",))
    assert (turned.out_flow_vph, turned.back_flow_vph) == (400.0, 100.0)


def test_a_one_way_street_has_no_way_back() -> None:
    (found,) = corridors((400, BACK))
    assert found.junction_ids == ("4", "3", "2", "1")
    assert found.back_paths == ((), (), ())
    assert found.back_flow_vph == 0.0


def test_vehicles_that_turn_off_part_the_street() -> None:
    """At 2 all from the west go north, and all to the east come from there."""
    found = corridors((400, ("w-1", "1-2", "2-n")), (390, ("n-2", "2-3", "3-4", "4-e")))
    assert [c.junction_ids for c in found] == [("1", "2"), ("3", "4")]
    joined = corridors(
        (400, ("w-1", "1-2", "2-n")),
        (390, ("n-2", "2-3", "3-4", "4-e")),
        (200, ("w-1", "1-2", "2-3", "3-4")),
    )
    assert [c.junction_ids for c in joined] == [("1", "2", "3", "4")]


def test_every_junction_is_in_one_corridor_at_most() -> None:
    """Three streets meet at 3: the strongest pairs go first, and no corridor branches."""
    found = corridors(
        (500, ("1-2", "2-3", "3-4")), (450, ("4-3", "3-far")), (400, ("far-3", "3-2", "2-1"))
    )
    joined = [junction for c in found for junction in c.junction_ids]
    assert len(joined) == len(set(joined))
    assert found[0].junction_ids in {("1", "2", "3", "4"), ("4", "3", "2", "1")}


def test_a_block_of_signals_does_not_close_to_a_ring() -> None:
    places = {"1": (0.0, 0.0), "2": (300.0, 0.0), "3": (300.0, 300.0), "4": (0.0, 300.0)}
    ring = ("1-2", "2-3", "3-4", "4-1")
    links = [road(*name.split("-"), places, junction_id=name[-1]) for name in ring]
    net = network(links, through(*ring, "1-2"))
    (found,) = corridors((500, (*ring, "1-2", "2-3")), net=net, usable={"1", "2", "3", "4"})
    assert sorted(found.junction_ids) == ["1", "2", "3", "4"]


def test_junctions_that_cannot_be_retimed_are_left_out() -> None:
    found = corridors((400, OUT), usable={"1", "2", "4"})
    assert [c.junction_ids for c in found] == [("1", "2")]
    assert corridors((400, OUT), usable={"2", "4"}) == []


def test_few_vehicles_and_long_ways_make_no_corridor() -> None:
    few = int(MIN_FLOW_VPH) - 1
    assert corridors((few, OUT)) == []
    assert len(corridors((few + 1, OUT))) == 1
    assert corridors((900, ("1-2", "2-3", "3-far"))) == corridors((900, ("1-2", "2-3")))


def test_a_junction_of_several_vertices_is_passed_once() -> None:
    """1 → (2a, 2b) → 3: both links into the middle end at junction 2."""
    places = {
        "w": (0, 0),
        "1": (300, 0),
        "2a": (600, 0),
        "2b": (640, 0),
        "3": (900, 0),
        "e": (1200, 0),
    }
    way = ("w-1", "1-2a", "2a-2b", "2b-3", "3-e")
    junction = {"w-1": "1", "1-2a": "2", "2a-2b": "2", "2b-3": "3"}
    links = [road(*name.split("-"), places, junction_id=junction.get(name)) for name in way]
    net = network(links, through(*way))
    seen = journeys(net, state([(400, way)], net))
    assert seen.through == {("1", "2", "3"): 400}
    assert seen.vehicles == {("1", "2"): 400, ("2", "3"): 400}
    (found,) = corridors((400, way), net=net, usable={"1", "2", "3"})
    assert found.junction_ids == ("1", "2", "3")


def test_the_way_is_the_one_most_vehicles_took() -> None:
    places = {"1": (0, 0), "a": (100, 0), "b": (100, 50), "2": (300, 0)}
    signal = {"a-2": "2", "b-2": "2", "0-1": "1"}
    places["0"] = (-300, 0)
    names = ("0-1", "1-a", "1-b", "a-2", "b-2")
    links = [road(*name.split("-"), places, junction_id=signal.get(name)) for name in names]
    net = network(links, through("0-1", "1-a", "a-2") | through("0-1", "1-b", "b-2"))
    (found,) = corridors(
        (200, ("0-1", "1-a", "a-2")), (300, ("0-1", "1-b", "b-2")), net=net, usable={"1", "2"}
    )
    assert found.out_paths == (("1-b", "b-2"),)
    assert found.out_flow_vph == 500.0
    assert travel_s(net, ("0-1",)) == pytest.approx(30.0)


def test_a_corridor_is_called_as_its_street() -> None:
    (plain,) = corridors((400, OUT))
    assert plain.name == "1 – 4"
    names = {"1-2": "黄山路", "2-3": "黄山路", "3-4": "天波路"}
    (named,) = corridors((400, OUT), net=city(names))
    assert named.name == "黄山路"


def test_the_busiest_corridor_comes_first() -> None:
    found = corridors((100, ("1-2", "2-3")), (500, ("4-3", "3-far")), usable={"1", "2", "4", "3"})
    flows = [c.out_flow_vph + c.back_flow_vph for c in found]
    assert [c.corridor_id for c in found] == [f"C{i:02d}" for i in range(1, len(found) + 1)]
    assert flows == sorted(flows, reverse=True)
