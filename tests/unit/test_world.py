"""A recorded world: what its sensors send, what goes wrong on the way, and the truth."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim_scenarios.defects import NONE, Defects, arrivals, clock_errors_s, with_outliers
from sim_scenarios.generated import GeneratedCity
from sim_scenarios.plates import invent_plates, misread
from sim_scenarios.programs import plans_in_service, write_programs
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.sensors import Sensors, read_streets
from sim_scenarios.spec import ScenarioSpec, available, find
from sim_scenarios.world import RecordedDay, evaluate, record
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.signals import SignalPlan

DAY = date(2026, 3, 2)
CITY = ScenarioSpec(
    "tiny",
    generated=GeneratedCity(rows=2, columns=2, demand_vph=1500, duration_s=1200),
    time_to_teleport_s=-1,
)
COLUMNS = {
    "police/passes": "detector_id junction_id link_id lane_idx time",
    "police/counts": "detector_id junction_id link_id lane_idx time interval_s count",
    "police/signal_log": "junction_id time plan_id interval_idx picture",
    "police/detectors": "detector_id junction_id link_id lane_idx position_m",
    "checkpoint/passes": "site_id link_id time plate",
    "checkpoint/sites": "site_id link_id",
    "internet/speeds": "provider_link_id time interval_s speed_kmh sample_count",
    "internet/links": "provider_link_id link_id",
}


class Recorded:
    def __init__(self, folder: Path, spec: ScenarioSpec = CITY, **more: object) -> None:
        self.folder = folder
        settings = {"seed": 3, "service_day": DAY, "defects": NONE} | more
        self.day: RecordedDay = record(spec, folder / "feeds", folder / "truth", **settings)  # type: ignore[arg-type]

    def feed(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"feeds/{name}.parquet")

    def truth(self, name: str) -> pa.Table:
        return pq.read_table(self.folder / f"truth/{name}.parquet")

    def files(self) -> dict[str, bytes]:
        paths = sorted(p for p in self.folder.rglob("*") if p.is_file())
        return {str(p.relative_to(self.folder)): p.read_bytes() for p in paths}


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("exact"))


@pytest.fixture(scope="module")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("flawed"), defects=Defects())


# --- complete and exact feeds ----------------------------------------------------------------


def test_the_tables_are_those_of_the_feeds(exact: Recorded) -> None:
    for name, columns in COLUMNS.items():
        table = exact.feed(name)
        assert table.column_names == columns.split()
        assert table.num_rows == exact.day.rows[name]
        if "time" in table.column_names:
            assert table.schema.field("time").type == pa.timestamp("ms", tz="Asia/Shanghai")
    assert not (exact.folder / "feeds/transit").exists()
    assert set(exact.day.rows) == set(COLUMNS)


def test_times_are_aware_and_of_the_service_day(exact: Recorded) -> None:
    times = exact.feed("police/passes")["time"].to_pylist()
    midnight = datetime(2026, 3, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
    assert times == sorted(times)
    assert all(0 <= (t - midnight).total_seconds() < 1200 for t in times)


def test_vehicles_are_conserved(exact: Recorded) -> None:
    """Passes, counts and the truth of the approaches tell the same number of vehicles."""
    approaches = set(exact.feed("police/detectors")["link_id"].to_pylist())
    passed = Counter(exact.feed("police/passes")["link_id"].to_pylist())
    counted: Counter[str] = Counter()
    for row in exact.feed("police/counts").to_pylist():
        counted[row["link_id"]] += row["count"]
    moved: Counter[str] = Counter()
    for row in exact.truth("movements").to_pylist():
        if row["from_link"] in approaches:
            moved[row["from_link"]] += row["flow_veh"]
    left: Counter[str] = Counter()
    for row in exact.truth("links").to_pylist():
        if row["link_id"] in approaches:
            left[row["link_id"]] += row["flow_veh"]
    assert passed.total() > 900
    assert passed == +counted == moved == +left


@pytest.mark.skipif("cologne3" not in {s.name for s in available()}, reason="sumo-rl is absent")
def test_vehicles_are_conserved_in_a_real_city(tmp_path: Path) -> None:
    """With trips that end on approaches, and vehicles that jump sideways at the stop line."""
    cologne = Recorded(tmp_path, find("cologne3"))
    approaches = set(cologne.feed("police/detectors")["link_id"].to_pylist())
    moved = sum(
        row["flow_veh"]
        for row in cologne.truth("movements").to_pylist()
        if row["from_link"] in approaches
    )
    # A vehicle may stand on a detector when the simulation ends.
    assert cologne.feed("police/passes").num_rows == pytest.approx(moved, abs=2)


def test_every_detector_counts_in_every_interval(exact: Recorded) -> None:
    detectors = exact.feed("police/detectors").num_rows
    assert exact.feed("police/counts").num_rows == detectors * 4
    assert min(exact.feed("police/counts")["count"].to_pylist()) == 0


def test_detectors_stand_behind_a_waiting_vehicle(exact: Recorded, tmp_path: Path) -> None:
    net = prepare(CITY, tmp_path).net_file
    streets = read_streets(net)
    for detector in streets.detectors:
        assert streets.car_links[detector.link_id] - detector.position_m < 1.0
    rows = exact.feed("police/detectors").to_pylist()
    assert [d.position_m for d in streets.detectors] == [r["position_m"] for r in rows]


def test_the_signal_log_shows_the_plans_in_service(exact: Recorded, tmp_path: Path) -> None:
    plans = plans_in_service(prepare(CITY, tmp_path))
    midnight = datetime(2026, 3, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
    log = exact.feed("police/signal_log").to_pylist()
    assert {row["junction_id"] for row in log} == set(plans)
    for row in log:
        second = round((row["time"] - midnight).total_seconds())
        plan = plans[row["junction_id"]]
        assert row["plan_id"] == plan.plan_id
        assert row["picture"] == plan.picture_at(second)
        assert list(plan.intervals())[row["interval_idx"]].picture == row["picture"]


def test_cameras_see_what_the_checkpoint_sends(exact: Recorded) -> None:
    passes = exact.feed("checkpoint/passes").to_pylist()
    link_of = {r["site_id"]: r["link_id"] for r in exact.feed("checkpoint/sites").to_pylist()}
    assert all(link_of[row["site_id"]] == row["link_id"] for row in passes)
    moved: Counter[str] = Counter()
    for row in exact.truth("movements").to_pylist():
        moved[row["from_link"]] += row["flow_veh"]
    total = sum(moved[link] for link in link_of.values())
    assert total > 300
    # links that leave the city have a camera too, and no movement in the truth
    inner = sum(moved[row["link_id"]] > 0 for row in passes)
    assert inner / total == pytest.approx(0.95, abs=0.03)


def test_the_internet_sends_space_mean_speeds(tmp_path: Path) -> None:
    """With every car a probe, the provider's speeds are the true ones but for sampling noise."""
    all_seen = Recorded(tmp_path, sensors=Sensors(probe_ratio=1.0, speed_interval_s=300))
    table = all_seen.feed("internet/links").to_pylist()
    link_of = {row["provider_link_id"]: row["link_id"] for row in table}
    assert len(link_of) == len(set(link_of.values()))
    assert not set(link_of) & set(link_of.values())
    midnight = datetime(2026, 3, 2, tzinfo=ZoneInfo("Asia/Shanghai"))
    true = {
        (row["link_id"], row["bin_start_s"]): row["speed_mps"] * 3.6
        for row in all_seen.truth("links").to_pylist()
    }
    ratios = [
        row["speed_kmh"] / true[link_of[row["provider_link_id"]], bin_start_s]
        for row in all_seen.feed("internet/speeds").to_pylist()
        for bin_start_s in [int((row["time"] - midnight).total_seconds())]
        if row["sample_count"] > 40
    ]
    assert len(ratios) > 40
    # Measured: sampled every second the provider is 2-3 % fast, as SUMO's own means count a
    # vehicle's first and last second on a link in part; every 5 s adds sampling noise.
    assert np.median(ratios) == pytest.approx(1, abs=0.06)
    assert np.quantile(np.abs(np.array(ratios) - 1), 0.9) < 0.15


def test_the_truth_adds_up(exact: Recorded) -> None:
    summary = json.loads((exact.folder / "truth/summary.json").read_text())
    vehicles = exact.truth("vehicles")
    delays = vehicles["delay_s"].to_pylist()
    assert vehicles.num_rows == summary["delay"]["vehicles"] == 500
    assert np.mean(delays) == pytest.approx(summary["delay"]["delay_s_per_veh"])
    assert vehicles["arrived"].to_pylist().count(False) == summary["delay"]["unfinished"]
    assert vehicles["depart_s"].to_pylist() == sorted(vehicles["depart_s"].to_pylist())
    assert set(exact.truth("links")["bin_start_s"].to_pylist()) == {0, 300, 600, 900}
    assert (summary["begin_s"], summary["end_s"]) == (0, 1200)


# --- defects ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(flawed: Recorded, tmp_path: Path) -> None:
    again = Recorded(tmp_path / "again", defects=Defects())
    assert again.files() == flawed.files()
    other = Recorded(tmp_path / "other", defects=Defects(), seed=4)
    assert other.files() != flawed.files()


def test_defects_leave_the_truth_alone(exact: Recorded, flawed: Recorded) -> None:
    for name in ("links", "movements", "vehicles"):
        assert exact.truth(name).equals(flawed.truth(name))


def test_feeds_are_late_doubled_and_skewed(tmp_path: Path, exact: Recorded) -> None:
    bad = Recorded(
        tmp_path,
        defects=replace(NONE, duplicate_ratio=0.1, late_ratio=0.1, clock_skew_s=2.0),
    )
    rows = bad.feed("police/passes").to_pylist()
    keys = [(r["detector_id"], r["time"]) for r in rows]
    true_rows = exact.feed("police/passes").num_rows
    assert len(set(keys)) == true_rows
    assert len(keys) / true_rows == pytest.approx(1.1, abs=0.03)
    times = [r["time"] for r in rows]
    assert times != sorted(times)
    true_of, sent_of = defaultdict(list), defaultdict(set)
    for row in exact.feed("police/passes").to_pylist():
        true_of[row["junction_id"], row["detector_id"]].append(row["time"])
    for row in rows:
        sent_of[row["junction_id"], row["detector_id"]].add(row["time"])
    skews_of = defaultdict(set)
    for key, true in true_of.items():
        gaps = zip(sorted(sent_of[key]), true, strict=True)
        skews_of[key[0]] |= {round((sent - measured).total_seconds(), 2) for sent, measured in gaps}
    # One clock per controller: all its rows are off by the same (to a rounded millisecond).
    assert len(skews_of) == 4
    assert all(max(skews) - min(skews) < 0.02 for skews in skews_of.values())
    assert max(abs(skew) for skews in skews_of.values() for skew in skews) > 0.5


def test_dead_detectors_and_missing_hours(tmp_path: Path, exact: Recorded) -> None:
    dead = Recorded(tmp_path / "dead", defects=replace(NONE, dead_detector_ratio=0.5))
    register = dead.feed("police/detectors").num_rows
    speaking = set(dead.feed("police/passes")["detector_id"].to_pylist())
    assert 0.2 < len(speaking) / register < 0.8
    counting = set(dead.feed("police/counts")["detector_id"].to_pylist())
    assert len(speaking) < len(counting) < register
    silent = Recorded(tmp_path / "silent", defects=replace(NONE, missing_hours=(0,)))
    assert silent.feed("police/passes").num_rows == 0
    assert silent.feed("police/counts").num_rows == 0
    assert silent.feed("checkpoint/passes").num_rows == 0
    assert silent.feed("internet/speeds").num_rows == 0
    assert silent.feed("police/passes").schema.equals(exact.feed("police/passes").schema)


def test_rows_arrive_in_the_order_in_which_they_come_in() -> None:
    times = np.arange(0.0, 7200.0)
    rng = np.random.default_rng(1)
    assert arrivals(times, NONE, rng).tolist() == list(range(7200))
    bad = replace(NONE, missing_hours=(1,), duplicate_ratio=0.05, out_of_order_ratio=0.1)
    rows = arrivals(times, bad, rng)
    assert rows.max() < 3600
    assert len(set(rows.tolist())) == 3600
    assert rows.size / 3600 == pytest.approx(1.05, abs=0.02)
    assert (np.diff(rows) < 0).any()
    assert arrivals(np.empty(0), bad, rng).size == 0


def test_clocks_and_outliers() -> None:
    rng = np.random.default_rng(1)
    assert clock_errors_s(2000, replace(NONE, clock_skew_s=0.5), rng).std() == pytest.approx(
        0.5, rel=0.1
    )
    speeds = np.full(5000, 40.0)
    wrong = with_outliers(speeds, replace(NONE, speed_outlier_ratio=0.1), rng)
    assert (wrong != 40).mean() == pytest.approx(0.1, abs=0.02)
    assert set(wrong[wrong < 130]) == {0.0, 40.0}
    assert (with_outliers(speeds, NONE, rng) == 40).all()


def test_defects_from_a_table_are_checked() -> None:
    assert Defects.of_table({"missing_hours": [7], "late_ratio": 0}).missing_hours == (7,)
    with pytest.raises(ConfigurationError, match="unknown defects: late"):
        Defects.of_table({"late": 0.1})
    with pytest.raises(ConfigurationError, match=r"late_ratio = 2 .*clock_skew_s = -1"):
        Defects.of_table({"late_ratio": 2, "clock_skew_s": -1})
    with pytest.raises(ConfigurationError, match="not a number"):
        Defects.of_table({"late_ratio": "much"})
    with pytest.raises(ConfigurationError, match="probe_ratio"):
        Sensors(probe_ratio=2)


def test_plates_are_different_and_misread_in_one_place() -> None:
    rng = np.random.default_rng(1)
    plates = invent_plates(5000, rng)
    assert len(set(plates)) == 5000
    for plate in plates[:500]:
        city, places = plate.split("·")
        assert len(city) == 2
        assert len(places) in (5, 6)
        assert not set("IO") & set(places)
        wrong = misread(plate, rng)
        assert len(wrong) == len(plate)
        assert sum(a != b for a, b in zip(plate, wrong, strict=True)) == 1


# --- other worlds ----------------------------------------------------------------------------


def a_world(folder: Path, text: str, routes: str) -> ScenarioSpec:
    """The tiny city's network with another configuration and other routes."""
    prepared = prepare(CITY, folder / "base")
    (folder / "net.xml").write_bytes(prepared.net_file.read_bytes())
    (folder / "routes.xml").write_text(f"<routes>{routes}</routes>")
    path = folder / "other.sumocfg"
    path.write_text(
        '<configuration><net-file value="net.xml"/><route-files value="routes.xml"/>'
        f"{text}</configuration>"
    )
    return find(path)


FLOW = '<flow id="f" from="left0A0" via="A0B0" to="B0right0" begin="100" end="700" period="5"{0}/>'


def test_buses_make_a_transit_feed(tmp_path: Path) -> None:
    routes = (
        '<vType id="b" vClass="bus"/><vType id="bike" vClass="bicycle"/>'
        + FLOW.format("").replace('"f"', '"car"')
        + FLOW.format(' type="bike"').replace('"f"', '"bike"')
        + FLOW.format(' type="b" line="66"').replace("period", 'departLane="1" period')
        + '<trip id="n7_3" type="b" depart="200" from="left0A0" via="A0B0" to="B0right0"/>'
    )
    bus = Recorded(tmp_path / "rec", a_world(tmp_path, '<end value="1500"/>', routes))
    rows = bus.feed("transit/passes").to_pylist()
    assert {row["line"] for row in rows} == {"66", "n7"}
    by_vehicle: dict[str, list[dict[str, object]]] = {}
    for row in rows:
        by_vehicle.setdefault(row["vehicle_id"], []).append(row)
    assert len(by_vehicle) == 121
    for way in by_vehicle.values():
        assert [r["link_id"] for r in way] == ["left0A0", "A0B0", "B0right0"]
        assert [r["time_out"] for r in way[:-1]] == [r["time_in"] for r in way[1:]]
    # Bicycles cross no detector; buses and cars do, at both junctions.
    assert bus.feed("police/passes").num_rows == 2 * (120 + 121)


def test_a_window_off_the_bins_and_without_an_end(tmp_path: Path) -> None:
    spec = a_world(tmp_path, '<begin value="130"/>', FLOW.format(""))
    odd = Recorded(tmp_path / "rec", spec)
    assert odd.day.begin_s == 130
    assert odd.day.end_s == 900
    assert odd.day.delay.unfinished == 0
    assert set(odd.truth("links")["bin_start_s"].to_pylist()) == {130, 300, 600}
    starts = {t.minute for t in odd.feed("police/counts")["time"].to_pylist()}
    assert starts == {0, 5, 10}
    assert sum(odd.feed("police/counts")["count"].to_pylist()) == 2 * odd.day.delay.vehicles


def test_a_world_without_signals_is_recorded(tmp_path: Path) -> None:
    spec = a_world(tmp_path, '<tls.all-off value="true"/><end value="800"/>', FLOW.format(""))
    net = tmp_path / "net.xml"
    text = net.read_text()
    start, end = text.index("<tlLogic"), text.rindex("</tlLogic>") + len("</tlLogic>")
    plain = text[:start] + text[end:]
    for junction in ("A0", "A1", "B0", "B1"):
        plain = plain.replace(f'tl="{junction}"', "")
    net.write_text(plain.replace('type="traffic_light"', 'type="priority"'))
    quiet = Recorded(tmp_path / "rec", spec)
    assert quiet.feed("police/passes").num_rows == 0
    assert quiet.feed("police/signal_log").num_rows == 0
    assert quiet.feed("police/detectors").schema.names == COLUMNS["police/detectors"].split()
    assert quiet.feed("checkpoint/passes").num_rows > 50


# --- evaluation ------------------------------------------------------------------------------


def retimed(scenario: PreparedScenario) -> list[SignalPlan]:
    plans = plans_in_service(scenario).values()
    return [p.with_greens(tuple(max(8, g // 2) for g in p.greens_s), "short") for p in plans]


def test_a_change_is_measured_seed_by_seed(tmp_path: Path) -> None:
    scenario = prepare(CITY, tmp_path / "world")
    same = tmp_path / "same.json"
    same.write_text(plans_to_json(plans_in_service(scenario).values()))
    untouched = evaluate(CITY, same, [11, 12])
    assert untouched.seeds == (11, 12)
    assert untouched.in_service == untouched.proposed
    assert [s.seed for s in untouched.proposed] == [11, 12]
    shorter = tmp_path / "short.json"
    shorter.write_text(plans_to_json(retimed(scenario)))
    as_json = evaluate(CITY, shorter, [11, 12])
    assert as_json.in_service == untouched.in_service
    assert as_json.proposed != untouched.proposed
    sumo_file = write_programs(retimed(scenario), tmp_path / "short.add.xml")
    assert evaluate(CITY, sumo_file, [11, 12], workers=1) == as_json
    assert evaluate(CITY, None, [11]).proposed == ()


def test_a_schedule_of_the_world_does_not_switch_the_proposed_plan_away(tmp_path: Path) -> None:
    other = (
        '<tlLogic id="A0" type="static" programID="day" offset="0">'
        '<phase duration="50" state="{0}"/><phase duration="5" state="{1}"/></tlLogic>'
    )
    text = '<additional-files value="waut.xml"/><end value="800"/>'
    spec = a_world(tmp_path, text, FLOW.format(""))
    scenario = prepare(CITY, tmp_path / "again")
    plan = plans_in_service(scenario)["A0"]
    count = plan.signal_group_count
    (tmp_path / "waut.xml").write_text(
        "<additional>"
        + other.format("r" * (count - 1) + "G", "r" * count)
        + '<WAUT id="w" refTime="0" startProg="0"><wautSwitch time="200" to="day"/></WAUT>'
        '<wautJunction wautID="w" junctionID="A0"/></additional>'
    )
    proposed = write_programs([replace(plan, plan_id="new")], tmp_path / "new.add.xml")
    result = evaluate(spec, proposed, [1])
    # The schedule closes the street; the proposed plan keeps it open.
    assert result.in_service[0].delay_s_per_veh > 2 * result.proposed[0].delay_s_per_veh
    programs = plans_in_service(prepare(spec, tmp_path / "third"))
    assert programs["A0"].plan_id == "0"


def test_one_failed_run_is_no_comparison(tmp_path: Path) -> None:
    scenario = prepare(CITY, tmp_path / "world")
    plan = plans_in_service(scenario)["A0"]
    stranger = write_programs([replace(plan, junction_id="Z9")], tmp_path / "z.add.xml")
    with pytest.raises(SimulationError, match="Z9"):
        evaluate(CITY, stranger, [1])


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    heard: list[tuple[float, str]] = []
    Recorded(tmp_path, progress=lambda ratio, message: heard.append((ratio, message)))
    ratios = [ratio for ratio, _ in heard]
    assert ratios == sorted(ratios)
    assert (ratios[0], ratios[-1]) == (0.0, 1.0)
    assert all("tiny" in message for _, message in heard)


def test_work_is_done_in_the_given_folder_and_cleared_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill must leave nothing where the next night does not look."""
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))  # is not there: would fail
    recorded = Recorded(tmp_path / "rec")
    (tmp_path / "evaluated").mkdir()
    evaluate(CITY, None, [1], workdir=tmp_path / "evaluated")
    assert not list((tmp_path / "evaluated").iterdir())
    assert not list(recorded.folder.rglob(".*"))
    assert not elsewhere.exists()
