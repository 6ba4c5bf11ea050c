"""Worlds: found by name or file, made ready to run, and run."""

from __future__ import annotations

import gzip
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from network_data.sumo_tools import run_tool
from sim_scenarios import spec as spec_module
from sim_scenarios.departures import read_demand
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.outputs import read_trips, summarise
from sim_scenarios.run import RunRequest, RunResult, run, run_all
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec, available, find
from traffic_brain.errors import ConfigurationError, DataRefused, SimulationError

TINY = GeneratedCity(rows=2, columns=2, demand_vph=1200, duration_s=600)


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One link of 100 m and the next one."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "n.nod.xml").write_text(
        '<nodes><node id="a" x="0" y="0"/><node id="b" x="100" y="0"/>'
        '<node id="c" x="200" y="0"/></nodes>'
    )
    (folder / "n.edg.xml").write_text(
        '<edges><edge id="ab" from="a" to="b" numLanes="1" speed="13.9"/>'
        '<edge id="bc" from="b" to="c" numLanes="1" speed="13.9"/></edges>'
    )
    run_tool(
        "netconvert",
        ["-n", "n.nod.xml", "-e", "n.edg.xml", "-o", "street.net.xml"],
        folder=folder,
    )
    return folder


def configured(folder: Path, street: Path, text: str, routes: str) -> Path:
    """A configuration in ``folder`` for the street, with a body and routes of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "street.net.xml").write_bytes((street / "street.net.xml").read_bytes())
    (folder / "street.rou.xml").write_text(f"<routes>{routes}</routes>")
    path = folder / "test.sumocfg"
    path.write_text(f"<configuration>{text}</configuration>")
    return path


INPUTS = '<net-file value="street.net.xml"/><route-files value="street.rou.xml"/>'
VEHICLE = '<vehicle id="v{0}" depart="{0}"><route edges="ab bc"/></vehicle>'


def prepared(path: Path, work: Path) -> PreparedScenario:
    return prepare(ScenarioSpec(name="test", sumocfg=path), work)


# --- found -----------------------------------------------------------------------------------


def test_the_generated_city_is_always_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spec_module, "find_spec", lambda name: None)
    assert [s.name for s in available()] == ["small", "town"]
    with pytest.raises(ConfigurationError, match="install the package"):
        find("ingolstadt21")


def test_every_world_of_the_library_has_its_titles_and_source() -> None:
    worlds = available()
    assert [s.name for s in worlds] == sorted(s.name for s in worlds)
    for world in worlds:
        assert world.title_zh
        assert world.title_en
        assert world.source
        assert world.time_to_teleport_s == -1


def test_an_unknown_name_gets_near_ones() -> None:
    with pytest.raises(ConfigurationError, match="did you mean small"):
        find("smal")
    with pytest.raises(ConfigurationError, match="no such file"):
        find("nowhere/run.sumocfg")


def test_any_configuration_file_is_a_world(street: Path, tmp_path: Path) -> None:
    path = configured(tmp_path / "my_city", street, INPUTS, VEHICLE.format(1))
    assert find(path).name == "test"
    renamed = path.rename(path.with_name("run.sumocfg"))
    assert find(str(renamed)).name == "my_city"


def test_the_generated_city_is_the_same_every_time(tmp_path: Path) -> None:
    files = [sorted(build(TINY, tmp_path / name).parent.iterdir()) for name in ("a", "b")]
    assert [f.name for f in files[0]] == [f.name for f in files[1]]
    for one, two in zip(*files, strict=True):
        assert one.read_bytes() == two.read_bytes()
    with pytest.raises(ConfigurationError, match=r"rows = 1 .*cycle_s = 5 "):
        GeneratedCity(rows=1, cycle_s=5)


# --- made ready ------------------------------------------------------------------------------


def test_outputs_windows_and_remote_control_are_dropped(street: Path, tmp_path: Path) -> None:
    body = """
        <n v="street.net.xml"/><r v="street.rou.xml"/><a v="det.add.xml"/>
        <output><tripinfo-output value="trips.xml"/><save-state.times value="5"/></output>
        <gui_only><start value="true"/></gui_only><remote-port value="8813"/>
        <random value="true"/><b v="3"/><e v="60"/><max-depart-delay v="5"/>
        <device.rerouting.output v="reroute.xml"/><summary v="sum.xml"/><log v="log.txt"/>
    """
    path = configured(tmp_path / "w", street, body, VEHICLE.format(4))
    (tmp_path / "w/det.add.xml").write_text(
        '<additional><e1Detector id="d" lane="ab_0" pos="5" freq="10" file="e1.xml"/>'
        '<edgeData id="e" file="edges.xml"/><timedEvent type="SaveTLSStates" dest="t.xml"/>'
        '<include href="more.add.xml"/></additional>'
    )
    (tmp_path / "w/more.add.xml").write_text(
        '<additional><e2Detector id="d2" lane="bc_0" pos="5" length="9" period="10" '
        'file="e2.xml"/></additional>'
    )
    before = sorted((tmp_path / "w").iterdir())
    scenario = prepared(path, tmp_path / "work")
    assert (scenario.begin_s, scenario.end_s) == (3, 60)
    assert scenario.time_to_teleport_s == 300
    options = {e.tag: e.get("value") for e in ET.parse(scenario.sumocfg).getroot()}
    assert set(options) == {
        *("net-file", "route-files", "begin", "end", "time-to-teleport", "max-depart-delay"),
    }
    assert options["max-depart-delay"] == "-1"
    result = run(RunRequest(scenario, 1, tmp_path / "run"))
    assert summarise(result).vehicles == 1
    assert sorted((tmp_path / "w").iterdir()) == before
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["statistics.xml", "trips.xml"]


def test_files_that_write_nothing_are_used_where_they_lie(street: Path, tmp_path: Path) -> None:
    body = INPUTS + '<additional-files value="types.add.xml"/>'
    path = configured(tmp_path / "w", street, body, VEHICLE.format(4))
    types = tmp_path / "w/types.add.xml"
    types.write_text('<additional><vType id="b" vClass="bus"/></additional>')
    scenario = prepared(path, tmp_path / "work")
    assert scenario.additional_files == (types,)
    assert scenario.demand.class_of("b") == "bus"
    assert scenario.network_sources() == (tmp_path / "w/street.net.xml", ())
    assert len(scenario.source_files) == 3


def test_all_problems_of_a_world_are_told_at_once(street: Path, tmp_path: Path) -> None:
    body = (
        '<net-file value="cut.net.xml"/><route-files value="a.rou.xml,b.rou.xml"/>'
        '<additional-files value="zip.add.xml.gz"/>'
    )
    path = configured(tmp_path, street, body, "")
    (tmp_path / "cut.net.xml").write_text("<net><edge id='")
    (tmp_path / "b.rou.xml").write_text("<routes><vehicle id='x' depart='soon'/></routes>")
    (tmp_path / "zip.add.xml.gz").write_bytes(gzip.compress(b"<a/>" * 100)[:25])
    with pytest.raises(DataRefused) as refused:
        prepared(path, tmp_path / "work")
    told = "; ".join(refused.value.problems)
    assert len(refused.value.problems) == 4
    for said in ("a.rou.xml (route-files): no such", "cut.net.xml: not complete", "gzip", "soon"):
        assert said in told


@pytest.mark.parametrize(
    ("body", "routes", "said"),
    [
        ("", VEHICLE.format(1), "names no network file"),
        (INPUTS, "", "no vehicle ever departs"),
        (INPUTS.replace("net.xml", "rou.xml"), VEHICLE.format(1), "it is a <routes> file"),
        (INPUTS + '<begin value="100"/>', VEHICLE.format(1), "no vehicle departs after 100 s"),
        (INPUTS + '<bad-luck value="1"/><end value="x"/>', VEHICLE.format(1), "end = 'x'"),
    ],
)
def test_what_cannot_run_is_refused(
    street: Path, tmp_path: Path, body: str, routes: str, said: str
) -> None:
    path = configured(tmp_path, street, body, routes)
    with pytest.raises(DataRefused, match=said) as refused:
        prepared(path, tmp_path / "work")
    assert "\n" not in str(refused.value)


def test_options_of_other_builds_are_noted_and_ignored(street: Path, tmp_path: Path) -> None:
    body = INPUTS + '<osg-view value="true"/><end value="30"/><mesosim value="true"/>'
    scenario = prepared(configured(tmp_path / "w", street, body, VEHICLE.format(1)), tmp_path)
    assert "osg-view" in scenario.notes[0]
    assert "microscopically" in scenario.notes[1]
    assert scenario.net_file == tmp_path / "w/street.net.xml"


def test_a_world_may_lie_in_a_folder_of_any_name(street: Path, tmp_path: Path) -> None:
    """SUMO writes blanks of paths as %20, and reads them as they are."""
    home = tmp_path / "合肥 100% map"
    body = INPUTS + '<end value="60"/>'
    scenario = prepared(configured(home, street, body, VEHICLE.format(1)), home / "work")
    assert scenario.net_file == home / "street.net.xml"
    done = run(RunRequest(scenario, 1, home / "run"))
    assert summarise(done).vehicles == 1


def test_without_an_end_a_world_runs_until_it_is_empty(street: Path, tmp_path: Path) -> None:
    scenario = prepared(configured(tmp_path, street, INPUTS, VEHICLE.format(100)), tmp_path / "x")
    assert scenario.ends_when_empty
    assert scenario.end_s == 120 + 7200
    told = configured(tmp_path, street, INPUTS + '<end value="500"/>', VEHICLE.format(100))
    assert not prepared(told, tmp_path / "y").ends_when_empty


def test_a_long_window_is_cut_to_its_busiest_part(street: Path, tmp_path: Path) -> None:
    flows = (
        '<route id="r" edges="ab bc"/><flow id="q" route="r" begin="0" end="86400" period="100"/>'
        '<flow id="peak" route="r" begin="28800" end="32400" vehsPerHour="900"/>'
    )
    path = configured(tmp_path, street, INPUTS + '<end value="86400"/>', flows)
    scenario = prepare(ScenarioSpec("day", sumocfg=path, horizon_s=3600), tmp_path / "x")
    assert (scenario.begin_s, scenario.end_s) == (28800, 32400)
    assert "busiest" in scenario.notes[0]
    assert sum(scenario.demand.departures_veh) == pytest.approx(864 + 900)


@pytest.mark.parametrize(
    ("flow", "expected"),
    [
        ('begin="60" end="660" period="10"', 60),
        ('begin="0" end="3600" vehsPerHour="100"', 100),
        ('begin="0" end="1000" probability="0.1"', 100),
        ('begin="0" end="1000" period="exp(0.2)"', 200),
        ('begin="0" end="1000" number="7"', 7),
        ('begin="0" period="10" number="30"', 30),
        ('begin="90000" end="90100" period="1"', 0),
    ],
)
def test_flows_are_counted(tmp_path: Path, flow: str, expected: float) -> None:
    path = tmp_path / "f.rou.xml"
    path.write_text(f'<routes><flow id="f" {flow}/></routes>')
    demand, problems = read_demand((), (path,))
    assert not problems
    assert sum(demand.departures_veh) == pytest.approx(expected)


# --- run -------------------------------------------------------------------------------------


def test_vehicles_that_never_get_in_count_with_their_full_wait(
    street: Path, tmp_path: Path
) -> None:
    """Two vehicles a second want in, one every two seconds fits: the rest waits to the end."""
    routes = (
        '<route id="r" edges="ab bc"/><flow id="f" route="r" begin="0" end="200" period="0.5"/>'
        '<vehicle id="late" depart="300" route="r"/>'
    )
    path = configured(tmp_path, street, INPUTS + '<end value="300"/>', routes)
    scenario = prepared(path, tmp_path / "x")
    result = run(RunRequest(scenario, 1, tmp_path / "run", vehicle_routes=True))
    summary = summarise(result)
    assert summary.vehicles == 400  # not the one that is due at the end
    assert summary.not_inserted > 200
    trips = {t.vehicle_id: t for t in read_trips(result.trips_file, scenario.end_s)}
    for number in range(400):
        trip = trips[f"f.{number}"]
        assert trip.due_s == pytest.approx(number * 0.5, abs=1)
        if not trip.inserted:
            assert trip.departure_delay_s == pytest.approx(300 - trip.due_s)
    mean = sum(t.delay_s for t in trips.values()) / 400
    assert summary.delay_s_per_veh == pytest.approx(mean)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> PreparedScenario:
    return prepare(ScenarioSpec("tiny", generated=TINY), tmp_path_factory.mktemp("tiny"))


def test_a_failed_run_leaves_the_others_alone(tiny: PreparedScenario, tmp_path: Path) -> None:
    broken = tmp_path / "broken.add.xml"
    broken.write_text(
        '<additional><tlLogic id="A0" programID="x"><phase duration="9" state="G"/></tlLogic>'
        "</additional>"
    )
    heard: list[float] = []
    results = run_all(
        [
            RunRequest(tiny, 1, tmp_path / "1"),
            RunRequest(tiny, 1, tmp_path / "2", additional=(broken,)),
            RunRequest(tiny, 1, tmp_path / "3"),
        ],
        workers=2,
        progress=lambda ratio, message: heard.append(ratio),
    )
    first, failed, third = results
    assert isinstance(first, RunResult)
    assert isinstance(third, RunResult)
    assert summarise(first) == summarise(third)
    assert isinstance(failed, SimulationError)
    assert "A0" in str(failed)
    assert "\n" not in str(failed)
    assert heard[-1] == 1.0


def test_a_run_that_takes_too_long_is_ended(tiny: PreparedScenario, tmp_path: Path) -> None:
    with pytest.raises(SimulationError, match="did not end within"):
        run(RunRequest(tiny, 1, tmp_path), timeout_s=0.01)


def test_seeds_differ_and_repeat(tiny: PreparedScenario, tmp_path: Path) -> None:
    delays = [
        summarise(run(RunRequest(tiny, seed, tmp_path / f"{i}"))).delay_s_per_veh
        for i, seed in enumerate((1, 2, 1))
    ]
    assert delays[0] == delays[2]
    assert delays[0] != delays[1]
