"""A network that does not come from SUMO, written for SUMO and read back."""

from __future__ import annotations

import gzip
import math
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from network_data.city import NET_FILE, SIGNALS_FILE
from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import sumo_environment, sumo_program
from network_data.writers.sumo_net import write_sumo_net
from traffic_brain.errors import DataRefused, SimulationError
from traffic_brain.model.network import (
    Connection,
    Crossing,
    Junction,
    Link,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import Interval, PlanWindow, SignalPlan, Stage

ARMS = {"north": 90.0, "west": 180.0, "south": 270.0, "east": 0.0}
TURNS = (Turn.RIGHT, Turn.THROUGH, Turn.LEFT)
GREEN, CLEAR = "GGgrrrGGgrrr", ("yyyrrryyyrrr", "rrrrrrrrrrrr")


def ways() -> list[tuple[str, str, Turn]]:
    """Approach, exit and turn of the twelve movements, clockwise from the north, right first."""
    names = ["north", "east", "south", "west"]
    return [
        (name, names[(i + step) % 4], turn)
        for i, name in enumerate(names)
        for step, turn in zip((3, 2, 1), TURNS, strict=True)
    ]


def link(start: str, end: str, **changes: object) -> Link:
    places = {
        name: (round(300 * math.cos(math.radians(a)), 6), round(300 * math.sin(math.radians(a)), 6))
        for name, a in ARMS.items()
    } | {"J": (0.0, 0.0)}
    plain = Link(
        link_id=f"{start}_{end}",
        from_node=start,
        to_node=end,
        length_m=287.65,
        free_flow_speed_mps=13.89,
        lane_count=3,
        road_class="highway.primary",
        name=f"{start} & 路",
        shape=(places[start], places[end]),
        car_lanes=(1, 2),
        junction_id="center" if end == "J" else None,
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def plan(plan_id: str, offset_s: int, green_s: int) -> SignalPlan:
    first, second = GREEN + "rGrG", GREEN[3:] + GREEN[:3] + "GrGr"
    stages = tuple(
        Stage(
            picture,
            seconds,
            (
                Interval(3, picture.replace("G", "y").replace("g", "y")[:12] + "rrrr"),
                Interval(2, "r" * 16),
            ),
            min_green_s=17,
            max_green_s=70,
        )
        for picture, seconds in ((first, green_s), (second, 80 - green_s))
    )
    return SignalPlan("center", plan_id, stages, offset_s)


@pytest.fixture(scope="module")
def cross() -> RoadNetwork:
    links = [link(name, "J") for name in ARMS] + [link("J", name) for name in ARMS]
    links[0] = replace(links[0], car_lanes=(2,), length_m=401.25)  # lane 1 is for buses
    connections = tuple(
        Connection(f"{a}_J", lane, f"J_{b}", lane, turn, "center", group)
        for group, (a, b, turn) in enumerate(ways())
        for lane in {Turn.RIGHT: (1,), Turn.THROUGH: (1, 2), Turn.LEFT: (2,)}[turn]
    )
    crossing_of = {name: 12 + i for i, name in enumerate(["north", "east", "south", "west"])}
    conflicts = frozenset(
        (group, crossing_of[arm]) for group, (a, b, _) in enumerate(ways()) for arm in (a, b)
    )
    junction = Junction(
        junction_id="center",
        name="中心路口",
        x=0.0,
        y=0.0,
        node_ids=("J",),
        signal_group_count=16,
        conflicts=conflicts,
        yields=frozenset(),
        plan_in_service=plan("day", 7, 40),
        other_plans=(plan("peak", 11, 50),),
    )
    return RoadNetwork(
        name="cross",
        links={one.link_id: one for one in links},
        connections=connections,
        movements={},
        junctions={"center": junction},
        crossings=tuple(Crossing("center", g, 12.0) for g in range(12, 16)),
        plan_windows=(
            PlanWindow("center", "day", 0, 7 * 3600),
            PlanWindow("center", "peak", 7 * 3600, 9 * 3600),
            PlanWindow("center", "day", 9 * 3600, 86400),
        ),
    )


def ends(c: Connection) -> tuple[object, ...]:
    way = (c.from_link, c.from_lane_idx, c.to_link, c.to_lane_idx)
    return (*way, c.turn, c.junction_id, c.signal_group_idx)


def read(folder: Path) -> RoadNetwork:
    return read_network(folder / NET_FILE, [folder / SIGNALS_FILE], LossReport())


def run_sumo(folder: Path) -> str:
    """What SUMO says when it loads both files and runs for ten seconds."""
    files = ["-n", str(folder / NET_FILE), "-a", str(folder / SIGNALS_FILE)]
    done = subprocess.run(
        [str(sumo_program()), *files, "--end", "10", "--no-step-log"],
        env=sumo_environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stderr


def test_what_is_written_is_read_back(cross: RoadNetwork, tmp_path: Path) -> None:
    losses = LossReport()
    path = write_sumo_net(cross, tmp_path, losses=losses)
    assert path == tmp_path.resolve() / NET_FILE
    assert losses.as_dict()["losses"] == []
    back = read(tmp_path)
    assert set(back.links) == set(cross.links)
    for link_id, one in cross.links.items():
        got = back.links[link_id]
        assert replace(got, shape=one.shape, zone_id=None) == one
    assert sorted(map(ends, back.connections)) == sorted(map(ends, cross.connections))
    got, one = back.junctions["center"], cross.junctions["center"]
    assert (got.name, got.node_ids, got.signal_group_count) == ("中心路口", ("J",), 16)
    assert got.plan_in_service == one.plan_in_service
    assert [c.signal_group_idx for c in back.crossings] == [12, 13, 14, 15]
    crossings = {(a, b) for a, b in got.conflicts if b > 11}
    assert crossings == {(a, b) for a, b in one.conflicts if b > 11}


def test_sumo_loads_it_without_a_word(cross: RoadNetwork, tmp_path: Path) -> None:
    write_sumo_net(cross, tmp_path)
    assert run_sumo(tmp_path) == ""


def test_every_plan_and_its_window_are_there(cross: RoadNetwork, tmp_path: Path) -> None:
    write_sumo_net(cross, tmp_path)
    back = read(tmp_path)
    assert {p.plan_id for p in back.junctions["center"].plans} == {"day", "peak"}
    for hour, plan_id in ((6, "day"), (8, "peak"), (10, "day")):
        running = back.plan_at("center", 1, hour * 3600)
        assert running == cross.plan_at("center", 1, hour * 3600)
        assert running is not None
        assert running.plan_id == plan_id


def test_a_plan_that_no_window_asks_for_does_not_run(cross: RoadNetwork, tmp_path: Path) -> None:
    write_sumo_net(replace(cross, plan_windows=()), tmp_path)
    assert run_sumo(tmp_path) == ""
    running = read(tmp_path).junctions["center"].plan_in_service
    assert running is not None
    assert running.plan_id == "day"


def test_the_same_network_gives_the_same_bytes(cross: RoadNetwork, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "another place"]
    written = [write_sumo_net(cross, folder).read_bytes() for folder in folders]
    assert written[0] == written[1]
    assert b"202" not in gzip.decompress(written[0])[:300]  # no date, no folder
    signals = [(folder / SIGNALS_FILE).read_bytes() for folder in folders]
    assert signals[0] == signals[1]


def test_a_signal_without_plan_blinks(cross: RoadNetwork, tmp_path: Path) -> None:
    dark = replace(cross.junctions["center"], plan_in_service=None, other_plans=(), control="off")
    losses = LossReport()
    write_sumo_net(replace(cross, junctions={"center": dark}, plan_windows=()), tmp_path)
    back = read_network(tmp_path / NET_FILE, [], losses).junctions["center"]
    assert (back.plan_in_service, back.control, back.signal_group_count) == (None, "off", 16)


def test_lamps_that_nobody_waits_at_stay_in_the_pictures(
    cross: RoadNetwork, tmp_path: Path
) -> None:
    """Groups with gaps, and crossings of streets without sidewalks, keep their letters."""
    links = {
        one.link_id: replace(one, lane_count=2, car_lanes=(0, 1)) for one in cross.links.values()
    }
    connections = tuple(
        replace(c, from_lane_idx=c.from_lane_idx - 1, to_lane_idx=c.to_lane_idx - 1)
        for c in cross.connections
        if c.signal_group_idx != 3
    )
    losses = LossReport()
    bare = replace(cross, links=links, connections=connections)
    write_sumo_net(bare, tmp_path, losses=losses)
    (row,) = losses.as_dict()["losses"]
    assert (row["what"], row["count"]) == ("crossing on no arm that has sidewalks", 4)
    got = read(tmp_path).junctions["center"]
    assert got.plan_in_service == cross.junctions["center"].plan_in_service
    assert {c.signal_group_idx for c in read(tmp_path).connections} == set(range(12)) - {3}


def test_connections_without_lamp_at_a_signal(cross: RoadNetwork, tmp_path: Path) -> None:
    free = tuple(
        replace(c, junction_id=None, signal_group_idx=-1) if c.turn is Turn.RIGHT else c
        for c in cross.connections
    )
    write_sumo_net(replace(cross, connections=free), tmp_path)
    assert run_sumo(tmp_path) == ""
    back = read(tmp_path)
    without = {ends(c)[:5] for c in back.connections if c.signal_group_idx < 0}
    assert without == {ends(c)[:5] for c in free if c.turn is Turn.RIGHT}


def test_ids_that_sumo_does_not_allow_are_all_refused(cross: RoadNetwork, tmp_path: Path) -> None:
    odd = {
        one.link_id: replace(one, link_id=one.link_id.replace("_", " "))
        for one in cross.links.values()
    }
    bad = {one.link_id: one for one in odd.values()}
    with pytest.raises(DataRefused) as refusal:
        write_sumo_net(replace(cross, links=bad, connections=()), tmp_path)
    assert len(refusal.value.problems) == 8
    assert not (tmp_path / "sumo").exists()


def test_a_hanging_netconvert_is_ended(cross: RoadNetwork, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="did not end"):
        write_sumo_net(cross, tmp_path, timeout_s=0.0)
    assert not (tmp_path / NET_FILE).exists()


def test_two_directions_lie_side_by_side(cross: RoadNetwork, tmp_path: Path) -> None:
    """One middle line given for both: each gets its own half of the road, right-hand traffic."""
    write_sumo_net(cross, tmp_path)
    text = gzip.decompress((tmp_path / NET_FILE).read_bytes())
    lanes = {e.attrib["id"]: e.attrib["shape"] for e in ET.fromstring(text).iter("lane")}
    north_in = float(lanes["north_J_2"].split()[0].split(",")[0])
    north_out = float(lanes["J_north_2"].split()[0].split(",")[0])
    assert north_in < 0 < north_out
