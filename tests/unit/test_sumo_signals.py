"""Signal plans written for SUMO: the same lamps, and the same trips to the byte."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.sumo_round_trip import BOLOGNA, round_trip
from network_data.city import SIGNALS_FILE, load_city
from network_data.importers.sumo.network import CARRIED_FILE, export_signals, import_network
from network_data.importers.sumo.programs import plan_of, read_signals
from network_data.writers.sumo_signals import free_suffix, write_programs, write_signals
from sim_scenarios import programs as border
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.spec import ScenarioSpec, available, find
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import PlanWindow

PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.5), "c": (400.0, 0.0)}
PICTURES = (
    *("GGGGgrrrrrGGGGgrrrrr", "yyyyyrrrrryyyyyrrrrr"),
    *("rrrrrGGGGgrrrrrGGGGg", "rrrrryyyyyrrrrryyyyy"),
)


def two_plan_city(*windows: PlanWindow) -> RoadNetwork:
    """One junction ``b`` with the plan ``day`` in service and the plan ``night`` besides."""
    roads = [road("a", "b", PLACES, junction_id="b"), road("b", "c", PLACES)]
    day = replace(two_stage_plan("b", offset_s=7), plan_id="day")
    city = network(roads, through("a-b", "b-c"), [day])
    night = replace(day.with_offset(3), plan_id="night")
    junction = replace(city.junctions["b"], other_plans=(night,))
    return replace(city, junctions={"b": junction}, plan_windows=windows)


def written(path: Path, tag: str) -> list[dict[str, str]]:
    return [dict(e.attrib) for e in ET.parse(path).getroot().iter(tag)]


# --- the file --------------------------------------------------------------------------------


def test_there_is_one_definition_of_how_a_plan_is_written() -> None:
    assert border.write_programs is write_programs


def test_all_plans_are_written_the_running_one_last(tmp_path: Path) -> None:
    path = write_signals(two_plan_city(), tmp_path / "deep/signals.add.xml")
    programs = written(path, "tlLogic")
    assert [(p["id"], p["programID"], p["offset"]) for p in programs] == [
        ("b", "night", "3"),
        ("b", "day", "7"),
    ]
    assert written(path, "WAUT") == []
    again = read_signals(path)
    for plan in two_plan_city().junctions["b"].plans:
        read = plan_of(again.programs["b", plan.plan_id]).plan
        assert read is not None
        assert read.pictures() == plan.pictures()
        assert read.offset_s == plan.offset_s


def test_windows_become_a_schedule(tmp_path: Path) -> None:
    city = two_plan_city(
        PlanWindow("b", "day", 21600, 79200, weekdays=(1, 2, 3, 4, 5)),
        PlanWindow("b", "night", 79200, 86400, weekdays=(1, 2, 3, 4, 5)),
        PlanWindow("b", "night", 0, 21600, weekdays=(1, 2, 3, 4, 5)),
        PlanWindow("b", "night", 0, 86400, weekdays=(6, 7)),
    )
    path = write_signals(city, tmp_path / "week.add.xml")
    (schedule,) = written(path, "WAUT")
    assert schedule == {"id": "plans_of_b", "refTime": "0", "startProg": "night"}
    switches = [(int(s["time"]), s["to"]) for s in written(path, "wautSwitch")]
    assert switches == [(21600, "day"), (79200, "night")]
    assert written(path, "wautJunction") == [{"wautID": "plans_of_b", "junctionID": "b"}]
    write_signals(city, tmp_path / "sunday.add.xml", weekday=7)
    assert written(tmp_path / "sunday.add.xml", "wautSwitch") == []


def test_windows_of_a_plan_that_is_not_there_are_no_schedule(tmp_path: Path) -> None:
    path = write_signals(two_plan_city(PlanWindow("b", "dusk", 0, 86400)), tmp_path / "w.add.xml")
    assert written(path, "WAUT") == []


def test_what_is_carried_stands_for_a_plan_of_its_name(tmp_path: Path) -> None:
    program = ET.fromstring(
        '<tlLogic id="b" type="actuated" programID="day" offset="0">'
        '<phase duration="9" state="GG"/></tlLogic>'
    )
    waut = ET.fromstring(
        '<WAUT id="plans_of_b" startProg="day"><wautSwitch time="9" to="off"/></WAUT>'
    )
    entry = ET.fromstring('<wautJunction wautID="plans_of_b" junctionID="b" procedure="GSP"/>')
    city = two_plan_city(PlanWindow("b", "day", 0, 86400))
    path = write_signals(
        city, tmp_path / "c.add.xml", carried=[program, waut, entry], suffix=".city"
    )
    programs = written(path, "tlLogic")
    assert [(p["programID"], p["type"]) for p in programs] == [
        ("night.city", "static"),
        ("day.city", "actuated"),
    ]
    (schedule,) = written(path, "WAUT")
    assert schedule["startProg"] == "day.city"
    assert written(path, "wautSwitch")[0]["to"] == "off"  # SUMO's own name for no lamps
    assert written(path, "wautJunction")[0]["procedure"] == "GSP"


def test_a_suffix_is_found_that_makes_names_new() -> None:
    assert free_suffix(["a", "b"], []) == ""
    assert free_suffix(["a", "b"], ["b"]) == ".city"
    assert free_suffix(["a"], ["a", "a.city"]) == ".city2"


# --- the round trip --------------------------------------------------------------------------


def every_kind_of_program(folder: Path) -> Path:
    """A city of nine signals whose programs are of all kinds; returns its configuration."""
    configuration = build(GeneratedCity(rows=3, columns=3, duration_s=900), folder)
    net = (folder / "city.net.xml").read_text()
    lane = re.findall(r'from="(\w+)" to="\w+" fromLane="(\d)"[^>]*tl="A0" linkIndex="0"', net)
    detected = "_".join(lane[0])
    limits = ('minDur="5" maxDur="50"', "", 'minDur="5" maxDur="50"', "")
    elements = [
        f'<inductionLoop id="loop" lane="{detected}" pos="-30" freq="60" file="x.xml"/>',
        program(
            *("A0", "free", (30, 3, 30, 3), "0", "actuated"),
            inside=f'<param key="max-gap" value="2"/><param key="{detected}" value="loop"/>',
            more=limits,
        ),
        '<tlLogic id="A1" type="static" programID="off"/>',
        program("A2", "fractions", (30.5, 3, 20.2, 3.3)),
        program("B0", "jumps", (30, 3, 20, 3), more=('next="2"', "", 'next="0 1"', "")),
        '<tlLogic id="B1" type="static" programID="0" offset="17"/>',
        program("C1", "begins", (20, 3, 40, 4), "begin"),
    ]
    for junction in ("B2", "C0", "C2"):
        elements += [
            program(junction, "one", (20, 3, 40, 4), "5"),
            program(junction, "two", (37, 3, 20, 3), "11"),
        ]
    elements += [
        '<WAUT id="w" startProg="one"><wautSwitch time="200" to="two"/>',
        '<wautSwitch time="611" to="one"/></WAUT><wautJunction wautID="w" junctionID="B2"/>',
        '<wautJunction wautID="w" junctionID="C0" procedure="Stretch"/>',
        '<wautJunction wautID="w" junctionID="C2" synchron="1"/>',
    ]
    (folder / "signals.add.xml").write_text(f"<additional>{''.join(elements)}</additional>")
    inputs = '<net-file value="city.net.xml" />'
    text = configuration.read_text()
    assert inputs in text
    configuration.write_text(
        text.replace(inputs, f'{inputs}<additional-files value="signals.add.xml"/>')
    )
    return configuration


def program(
    junction: str,
    name: str,
    durations: Sequence[float],
    offset: str = "0",
    kind: str = "static",
    *,
    inside: str = "",
    more: Sequence[str] = ("",) * 4,
) -> str:
    phases = "".join(
        f'<phase duration="{duration}" state="{picture}" {attributes}/>'
        for duration, picture, attributes in zip(durations, PICTURES, more, strict=True)
    )
    return (
        f'<tlLogic id="{junction}" type="{kind}" programID="{name}" offset="{offset}">'
        f"{inside}{phases}</tlLogic>"
    )


def test_programs_of_all_kinds_give_the_same_trips(tmp_path: Path) -> None:
    """Actuated with a detector, off, fractions, jumps, moved, begin, three kinds of schedules."""
    configuration = every_kind_of_program(tmp_path / "made")
    trip = round_trip(ScenarioSpec(name="all", sumocfg=configuration), tmp_path)
    assert trip.passed, trip
    assert trip.control_differs
    assert (trip.controllers, trip.vehicles) == (9, 900)
    assert trip.programs == 9 + 4 + 1 + 6  # of the network, single ones, one begin, two for three
    city = load_city(tmp_path / "city")
    assert {j.control for j in city.junctions.values()} == {"fixed", "actuated", "off"}
    assert {j for j, junction in city.junctions.items() if junction.plan_in_service} == {
        *("B1", "B2", "C0", "C2")
    }
    assert {w.junction_id for w in city.plan_windows} == {"B2", "C0", "C2"}
    carried = ET.parse(tmp_path / "city" / CARRIED_FILE).getroot()
    held = {(e.get("id"), e.get("programID")) for e in carried.iter("tlLogic")}
    assert ("B2", "one") not in held
    assert ("C0", "one") in held  # SUMO bends its phases while it switches: kept as it is
    assert [e.get("junctionID") for e in carried.iter("wautJunction")] == ["C0", "C2"]
    assert [e.get("id") for e in carried.iter("inductionLoop")] == ["loop.program"]


@pytest.mark.skipif(
    "cologne3" not in {spec.name for spec in available()}, reason="sumo-rl is absent"
)
def test_cologne_drives_as_before(tmp_path: Path) -> None:
    trip = round_trip(find("cologne3"), tmp_path, seed=5, end_s=25200 + 900)
    assert trip.passed, trip
    assert trip.control_differs
    assert trip.through_plans == trip.programs == 3


@pytest.mark.skipif(not BOLOGNA.is_file(), reason="the Bologna scenario is not here")
def test_bologna_drives_as_before(tmp_path: Path) -> None:
    trip = round_trip(find(BOLOGNA), tmp_path, seed=5, end_s=300)
    assert trip.passed, trip
    assert trip.control_differs
    assert trip.through_plans == trip.programs == 14


def test_an_export_is_what_the_city_itself_runs(tmp_path: Path) -> None:
    configuration = every_kind_of_program(tmp_path)
    city = tmp_path / "imported"
    city.mkdir()
    import_network(
        configuration.with_name("city.net.xml"), [configuration.with_name("signals.add.xml")], city
    )
    exported = export_signals(city, tmp_path / "export.add.xml")
    assert exported.read_bytes() == (city / SIGNALS_FILE).read_bytes()
    again = tmp_path / "again"
    again.mkdir()
    import_network(configuration.with_name("city.net.xml"), [exported], again)
    first, second = load_city(city), load_city(again)
    for junction_id, junction in first.junctions.items():
        other = second.junctions[junction_id]
        assert other.control == junction.control
        if junction.plan_in_service is not None:
            assert other.plan_in_service is not None
            pictures = other.plan_in_service.pictures()
            assert pictures == junction.plan_in_service.pictures()
            assert other.plan_in_service.offset_s == junction.plan_in_service.offset_s
    moved = [(w.junction_id, w.begin_s, w.end_s) for w in second.plan_windows]
    assert moved == [(w.junction_id, w.begin_s, w.end_s) for w in first.plan_windows]
