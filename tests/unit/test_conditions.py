"""Unusual days of a world: told by a table, driven by SUMO, and never told to the engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from sim_scenarios import spec as spec_module
from sim_scenarios.conditions import ClosedLane, Conditions, ExtraTrips
from sim_scenarios.defects import Defects
from sim_scenarios.generated import GeneratedCity
from sim_scenarios.outputs import DelaySummary, read_routes, summarise
from sim_scenarios.run import RunRequest, RunResult, run
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec, available, find
from traffic_brain.errors import ConfigurationError

TOWN = ScenarioSpec(
    "town", generated=GeneratedCity(rows=2, columns=2, demand_vph=1500, duration_s=900)
)
IN, ON = "left0A0", "A0B0"
"""A street into the town, and the next one."""
BRIEFLY_S = 1200
"""Long enough for all that is unusual to begin."""


def driven(conditions: Conditions, folder: Path) -> RunResult:
    world = prepare(replace(TOWN, conditions=conditions), folder / "world")
    return run(RunRequest(world, 1, folder / "run", vehicle_routes=True))


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> DelaySummary:
    return summarise(driven(Conditions(), tmp_path_factory.mktemp("usual")))


def test_more_vehicles_come(tmp_path: Path, usual: DelaySummary) -> None:
    busy = summarise(driven(Conditions(demand_ratio=1.5), tmp_path))
    assert busy.vehicles == pytest.approx(1.5 * usual.vehicles, abs=1)


def test_on_a_slow_day_everybody_takes_longer(tmp_path: Path) -> None:
    def way_s(result: RunResult) -> float:
        """Of those who arrived, from the end of their first street on."""
        exits = [route.exit_times_s for route in read_routes(result.vehicle_routes_file)]
        return float(np.mean([times[-1] - times[0] for times in exits if times[-1] >= 0]))

    slow = driven(Conditions(speed_ratio=0.5), tmp_path / "slow")
    assert way_s(slow) > 1.4 * way_s(driven(Conditions(), tmp_path / "usual"))


def test_a_closed_lane_costs_time(tmp_path: Path, usual: DelaySummary) -> None:
    lanes = tuple(ClosedLane(link, lane, 60, 840) for link in (IN, ON) for lane in (0, 1))
    closed = summarise(driven(Conditions(closed_lanes=lanes), tmp_path))
    assert closed.vehicles == usual.vehicles
    assert closed.delay_s_per_veh > 1.05 * usual.delay_s_per_veh


def test_extra_trips_drive_beside_the_usual_ones(tmp_path: Path, usual: DelaySummary) -> None:
    extra = ExtraTrips(IN, ON, 300, 600, 40)
    result = driven(Conditions(extra_trips=(extra,)), tmp_path)
    assert summarise(result).vehicles == usual.vehicles + 40
    ways = [route.links for route in read_routes(result.vehicle_routes_file)]
    assert sum(way == (IN, ON) for way in ways) >= 40


def test_the_engine_is_not_told(tmp_path: Path) -> None:
    lanes = (ClosedLane(ON, 0, 60, 840),)
    unusual = replace(TOWN, conditions=Conditions(speed_ratio=0.5, closed_lanes=lanes))
    known = [prepare(s, tmp_path / str(n)).network_sources() for n, s in enumerate((TOWN, unusual))]
    (net, signals), (unusual_net, unusual_signals) = known
    assert net.read_bytes() == unusual_net.read_bytes()
    assert signals == unusual_signals == ()


def test_an_unusual_day_is_another_world_for_whoever_remembers_runs(tmp_path: Path) -> None:
    def contents(world: PreparedScenario) -> set[bytes]:
        return {path.read_bytes() for path in world.source_files}

    usual = prepare(TOWN, tmp_path / "usual")
    busy = prepare(replace(TOWN, conditions=Conditions(demand_ratio=1.1)), tmp_path / "busy")
    busier = prepare(replace(TOWN, conditions=Conditions(demand_ratio=1.2)), tmp_path / "busier")
    assert contents(usual) < contents(busy)
    assert contents(busy) != contents(busier)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"demand_ratio": 0}, "demand_ratio"),
        ({"speed_ratio": 9}, "speed_ratio"),
        ({"weather": "rain"}, "weather"),
        ({"demand_ratio": "much"}, "demand_ratio = 'much'"),
        ({"closed_lanes": [5]}, "5 is no table"),
        ({"closed_lanes": {"link_id": ON}}, "[[conditions.closed_lanes]]"),
        (
            {"closed_lanes": [{"link_id": ON, "lane_idx": 0.0, "begin_s": 0, "end_s": 9}]},
            "lane_idx = 0.0",
        ),
        ({"closed_lanes": [{"link_id": ON, "lane_idx": 0, "begin_s": 9}]}, "end_s"),
        (
            {"closed_lanes": [{"link_id": ON, "lane_idx": 0, "begin_s": 9, "end_s": 9}]},
            "no stretch",
        ),
        (
            {
                "extra_trips": [
                    {"from_link": IN, "to_link": ON, "begin_s": 0, "end_s": 9, "vehicles": 0}
                ]
            },
            "0 vehicles",
        ),
        ({"defects": {"dead_detector_ratio": 2}}, "dead_detector_ratio"),
    ],
)
def test_what_cannot_be_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Conditions.of_table(table)
    assert said in str(refused.value)


def test_links_and_lanes_that_are_not_there_are_told_together(tmp_path: Path) -> None:
    conditions = Conditions(
        closed_lanes=(ClosedLane(ON, 7, 0, 9),), extra_trips=(ExtraTrips("nowhere", ON, 0, 9, 1),)
    )
    with pytest.raises(ConfigurationError) as refused:
        prepare(replace(TOWN, conditions=conditions), tmp_path)
    assert f"link {ON} has no lane 7 for cars" in refused.value.what
    assert "no link nowhere for cars" in refused.value.what


def test_lanes_that_cars_cannot_use_are_none(tmp_path: Path) -> None:
    net = tmp_path / "walk.net.xml"
    net.write_text(
        '<net><edge id="a"><param key="k" value="v"/>'
        '<lane id="a_0" index="0" allow="pedestrian" speed="1.4" length="9"/>'
        '<lane id="a_1" index="1" disallow="pedestrian" speed="14" length="9"/></edge>'
        '<edge id="b"><lane id="b_0" index="0" allow="pedestrian" speed="1" length="9"/></edge>'
        "</net>"
    )
    Conditions(speed_ratio=0.5, closed_lanes=(ClosedLane("a", 1, 0, 9),)).write([net], tmp_path)
    signs = ET.parse(tmp_path / "speeds.add.xml").getroot()
    assert [sign.get("lanes") for sign in signs] == ["a_1"]
    for wrong in (
        Conditions(closed_lanes=(ClosedLane("a", 0, 0, 9),)),
        Conditions(extra_trips=(ExtraTrips("a", "b", 0, 9, 1),)),
    ):
        with pytest.raises(ConfigurationError, match="for cars"):
            wrong.write([net], tmp_path)


def test_conditions_outside_the_time_simulated_are_refused(tmp_path: Path) -> None:
    late = Conditions(closed_lanes=(ClosedLane(ON, 0, 90_000, 90_060),))
    with pytest.raises(ConfigurationError, match="closed lane from 90000 s"):
        prepare(replace(TOWN, conditions=late), tmp_path)


def test_extra_trips_are_as_many_as_told_on_a_quiet_day(
    tmp_path: Path, usual: DelaySummary
) -> None:
    extra = ExtraTrips(IN, ON, 300, 600, 40)
    quiet = summarise(driven(Conditions(demand_ratio=0.5, extra_trips=(extra,)), tmp_path))
    assert quiet.vehicles == pytest.approx(0.5 * usual.vehicles + 40, abs=1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = "small"\n', "it has no name"),
        ('name = "small"\nbase = "small"\n', "a world small is there already"),
        ('name = "wet"\nbase = "smal"\n', "did you mean small"),
        ('name = "wet"\nbase = "dry"\n', "itself a changed world"),
        ('name = "wet"\nbase = ["small"]\n', "is no world"),
        ('name = "wet"\nbase = "small"\nconditions = 5\n', "5 is no table"),
        ('name = "wet"\nbase = "small"\n[conditions]\nfog = 1\n', "fog"),
        ("name = wet\n", "wet.toml"),
    ],
)
def test_a_description_that_cannot_be_is_refused_with_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = spec_module.own_library()
    folder.mkdir(parents=True)
    (folder / "dry.toml").write_text('name = "dry"\nbase = "small"\n')
    (folder / "wet.toml").write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        find("small")
    assert said in str(refused.value)
    assert str(folder / "wet.toml") in refused.value.what


def test_a_world_of_ones_own_is_changed_like_those_of_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = spec_module.own_library()
    folder.mkdir(parents=True)
    (folder / "wet.toml").write_text(
        'name = "wet"\nbase = "small"\n[conditions]\nspeed_ratio = 0.8\n'
        "[conditions.defects]\ndead_detector_ratio = 0.5\n"
    )
    wet = find("wet")
    assert wet.generated == find("small").generated
    assert wet.conditions.speed_ratio == 0.8
    assert Defects.of_table(wet.conditions.defects).dead_detector_ratio == 0.5


def test_every_unusual_world_of_the_library_can_be_driven(tmp_path: Path) -> None:
    unusual = [world for world in available() if world.conditions != Conditions()]
    if not unusual:
        pytest.skip("the maps that they change are not installed")
    assert {world.name.partition("-")[2] for world in unusual} == {
        *("incident", "rain", "event", "holiday", "outage")
    }
    for world in unusual:
        assert world.begin_s is not None
        briefly = replace(world, end_s=world.begin_s + BRIEFLY_S)
        prepared = prepare(briefly, tmp_path / world.name / "world")
        result = run(RunRequest(prepared, 1, tmp_path / world.name / "run"))
        assert summarise(result).vehicles > 100
