"""A recorded day fused: how near the truth it comes, what it keeps, what it refuses."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim_scenarios.compare import geh
from tests.unit.hand_made import network, road, through
from tests.unit.small_day import DAY, SmallDay
from traffic_brain.clock import day_start_ms
from traffic_brain.diagnosis.causes.witnesses import witnesses
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.feeds.pseudonym import in_one_spelling, tokens
from traffic_brain.fusion.fuse import fuse
from traffic_brain.fusion.levels import class_of, level
from traffic_brain.fusion.signals.tables import SILENT
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork

FEEDS = ("police", "checkpoint", "internet")
COLUMNS = {
    "link_state": "link_id bin_start_s speed_mps travel_time_s mean_travel_time_s "
    "travel_time_low_s travel_time_high_s flow_veh flow_low_veh flow_high_veh density_veh_per_km "
    "density_low_veh_per_km density_high_veh_per_km delay_s_per_veh delay_low_s_per_veh "
    "delay_high_s_per_veh queue_veh queue_low_veh queue_high_veh level sources",
    "movement_demand": "movement_id junction_id bin_start_s flow_vph demand_vph demand_low_vph "
    "demand_high_vph source",
    "trips": "trip_idx depart_s links vehicle_class detected",
    "health": "feed device_id code detail",
    "quarantine": "feed reason rows",
    "link_sources": "source link_id bin_start_s pace_s_per_m",
    "sightings": "vehicle_idx link_id time_s",
    "saturation_flows": "movement_id link_id lane_idx saturation_flow_vph low_vph high_vph "
    "start_up_loss_s loss_low_s loss_high_s headways queues permitted status reason",
}


@pytest.fixture
def copied(day: SmallDay, tmp_path: Path) -> Path:
    """A day of feeds that a test may break."""
    return Path(shutil.copytree(day.feeds, tmp_path / "feeds" / str(DAY)))


def refused(day: SmallDay, feeds: Path, tmp_path: Path) -> DataRefused:
    out = tmp_path / "refused"
    out.mkdir()
    with pytest.raises(DataRefused) as refusal:
        fuse(day.city, feeds, out)
    assert "\n" not in str(refusal.value)
    assert list(out.iterdir()) == []
    return refusal.value


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


# --- near the truth --------------------------------------------------------------------------


def movement_flows_vph(day: SmallDay, state: Path) -> tuple[np.ndarray, np.ndarray]:
    """Flows of all movements over the hour: as fused, and true."""
    true: Counter[str] = Counter()
    for row in pq.read_table(day.truth / "movements.parquet").to_pylist():
        true[f"{row['from_link']}>{row['to_link']}"] += row["flow_veh"]
    flow: Counter[str] = Counter()
    for row in pq.read_table(state / "movement_demand.parquet").to_pylist():
        flow[row["movement_id"]] += row["flow_vph"] / 4
    ids = sorted(flow)
    assert len(ids) == 108
    return np.array([flow[i] for i in ids]), np.array([float(true[i]) for i in ids])


def test_movement_flows_are_near_the_truth(day: SmallDay) -> None:
    """GEH below 5 on at least 85 % of all movements, counted or not."""
    assert Window(day.summary["begin_s"], day.summary["end_s"]).hours == 1.0
    found, wanted = movement_flows_vph(day, day.state)
    assert (geh(found, wanted) < 5).mean() >= 0.85
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.1)


def test_the_number_of_vehicles_is_near_the_truth(day: SmallDay) -> None:
    true = pq.read_table(day.truth / "vehicles.parquet").num_rows
    assert true == 3600
    assert day.summary["vehicles"] == day.fused("trips").num_rows
    assert day.summary["vehicles"] == pytest.approx(true, rel=0.15)


def test_link_speeds_and_flows_are_near_the_truth(day: SmallDay) -> None:
    state = {(r["link_id"], r["bin_start_s"]): r for r in day.fused("link_state").to_pylist()}
    pairs = [
        (state[row["link_id"], row["bin_start_s"]], row)
        for row in pq.read_table(day.truth / "links.parquet").to_pylist()
        if row["flow_veh"] > 10
    ]
    assert len(pairs) > 300
    ratio = np.array([s["speed_mps"] / t["speed_mps"] for s, t in pairs])
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    assert np.median(np.abs(ratio - 1.0)) < 0.2
    flows = np.array([(s["flow_veh"], t["flow_veh"]) for s, t in pairs])
    assert flows[:, 0].sum() == pytest.approx(flows[:, 1].sum(), rel=0.05)
    assert np.abs(flows[:, 0] - flows[:, 1]).mean() < 0.25 * flows[:, 1].mean()


# --- what is written -------------------------------------------------------------------------


def test_every_row_is_used_or_in_quarantine(day: SmallDay) -> None:
    summary = day.summary
    quarantined = dict.fromkeys(FEEDS, 0)
    for row in day.fused("quarantine").to_pylist():
        assert row["rows"] > 0
        quarantined[row["feed"]] += row["rows"]
    for feed in FEEDS:
        rows = sum(pq.read_metadata(p).num_rows for p in (day.feeds / feed).iterdir())
        assert summary["feeds"][feed] == {
            "rows_read": rows,
            "rows_quarantined": quarantined[feed],
        }
    assert summary["feeds"]["transit"] == {"rows_read": 0, "rows_quarantined": 0}
    assert summary["rows_quarantined"] == sum(quarantined.values())
    assert summary["rows_read"] == summary["rows_used"] + summary["rows_quarantined"]
    assert summary["rows_read"] == sum(f["rows_read"] for f in summary["feeds"].values())


def test_the_worlds_defects_have_their_reasons(day: SmallDay) -> None:
    found = {(r["feed"], r["reason"]): r["rows"] for r in day.fused("quarantine").to_pylist()}
    for feed, table in (("police", "passes"), ("checkpoint", "passes"), ("internet", "speeds")):
        rows = day.feed(f"{feed}/{table}").num_rows
        assert found[feed, "duplicate"] == pytest.approx(0.01 * rows, rel=0.4)
    fast = np.sum(day.feed("internet/speeds")["speed_kmh"].to_numpy() > 150)
    again = found["internet", "speed_above_150_kmh"]
    assert again == fast > 0


def test_dead_detectors_are_in_the_health_table(day: SmallDay) -> None:
    heard = set(day.feed("police/passes")["detector_id"].to_pylist())
    every = set(day.feed("police/detectors")["detector_id"].to_pylist())
    health = day.fused("health").to_pylist()
    assert {r["device_id"] for r in health if r["code"] == "dead"} == every - heard
    assert every - heard


def test_the_tables_hold_every_link_and_movement_in_every_bin(day: SmallDay) -> None:
    net, window = day.network, Window(day.summary["begin_s"], day.summary["end_s"])
    assert window == Window(0, 3600)
    links = day.fused("link_state").to_pylist()
    assert [(r["link_id"], r["bin_start_s"]) for r in links] == [
        (link, start) for link in net.links for start in window.bin_starts
    ]
    for row in links:
        assert row["mean_travel_time_s"] >= row["travel_time_s"]
        assert 0 < row["travel_time_low_s"] <= row["travel_time_s"] <= row["travel_time_high_s"]
        assert row["flow_veh"] >= 0
        assert row["level"] == level(class_of(net.links[row["link_id"]]), row["speed_mps"] * 3.6)
    demand = day.fused("movement_demand").to_pylist()
    assert [(r["movement_id"], r["bin_start_s"]) for r in demand] == [
        (m, start) for m in net.movements for start in window.demand_bin_starts()
    ]
    for row in demand:
        assert 0 <= row["demand_low_vph"] <= row["flow_vph"] <= row["demand_vph"]
        assert row["demand_vph"] < row["demand_high_vph"]


def test_trips_drive_from_link_to_link(day: SmallDay) -> None:
    net = day.network
    trips = day.fused("trips").to_pylist()
    departures = [trip["depart_s"] for trip in trips]
    assert departures == sorted(departures)
    assert departures[0] >= 0
    assert departures[-1] < 3600
    ways = {tuple(trip["links"]) for trip in trips}
    assert all(b in net.successors[a] for way in ways for a, b in itertools.pairwise(way))
    assert {trip["vehicle_class"] for trip in trips} == {"car"}


def test_delays_add_up_with_mean_times_and_a_state_is_read_with_them(day: SmallDay) -> None:
    rows, net = day.fused("link_state").to_pylist(), day.network
    state = load_state(day.state, net)
    means = np.array([row["mean_travel_time_s"] for row in rows])
    assert state.travel_time_s == pytest.approx(means.reshape(state.travel_time_s.shape))
    free_s = np.array([net.links[r["link_id"]].length_m for r in rows]) / np.array(
        [net.links[r["link_id"]].free_flow_speed_mps for r in rows]
    )
    told = np.array([row["delay_s_per_veh"] for row in rows])
    assert told == pytest.approx(np.maximum(means - free_s, 0.0), abs=0.02)
    medians = np.array([row["travel_time_s"] for row in rows])
    assert np.abs(told - np.maximum(medians - free_s, 0.0)).max() > 0.5, "the two can be told apart"


def test_lanes_whose_detectors_said_nothing_reach_the_diagnosis(day: SmallDay) -> None:
    """From the feeds over the table of saturation flows to the witnesses of every link."""
    silent = {
        (row["link_id"], row["lane_idx"])
        for row in day.fused("saturation_flows").to_pylist()
        if row["reason"] == SILENT and row["lane_idx"] >= 0
    }
    heard = {(row["link_id"], row["lane_idx"]) for row in day.feed("police/passes").to_pylist()}
    assert silent
    assert not silent & heard
    window = Window(day.summary["begin_s"], day.summary["end_s"])
    told = witnesses(day.state, window, day.network.links)
    assert told.empty == silent
    assert told.discharge_vph
    assert all(500 < vph < 3000 for vph in told.discharge_vph.values())
    assert told.discharge_vph.keys() <= told.headways.keys()


def test_the_plans_that_ran_are_those_of_the_city(day: SmallDay) -> None:
    state = load_state(day.state, day.network)
    in_service = {j: junction.plan_in_service for j, junction in day.network.junctions.items()}
    assert dict(state.running_plans) == in_service


# --- privacy ---------------------------------------------------------------------------------


def test_no_plate_and_no_token_is_written(day: SmallDay) -> None:
    plates = {p for p in day.feed("checkpoint/passes")["plate"].to_pylist() if p}
    assert len(plates) > 1000
    assert np.max(tokens(in_one_spelling(plates))) > 1000  # they are such as the engine reads
    texts = {p for plate in plates for p in (plate, plate.replace("·", ""))}
    needles = [text.encode(code) for text in texts for code in ("utf-8", "utf-16-le")]
    written = b"\n".join(
        part for path in sorted(day.state.rglob("*")) for part in (path.read_bytes(), *_plain(path))
    )
    assert len(written) > 10**5
    assert not [needle for needle in needles if needle in written]
    tables = {p.stem: pq.read_schema(p).names for p in day.state.glob("*.parquet")}
    assert tables == {name: columns.split() for name, columns in COLUMNS.items()}
    assert sorted(p.name for p in day.state.iterdir()) == sorted(
        [
            *(f"{name}.parquet" for name in COLUMNS),
            "found_timings.json",
            "running_plans.json",
            "summary.json",
        ]
    )


def _plain(path: Path) -> list[bytes]:
    """A table's content, not compressed."""
    if path.suffix != ".parquet":
        return []
    return [json.dumps(pq.read_table(path).to_pydict(), ensure_ascii=False).encode()]


# --- the same bytes --------------------------------------------------------------------------


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
def test_the_same_inputs_give_the_same_bytes(day: SmallDay, tmp_path: Path, hash_seed: str) -> None:
    """In another process, with other secrets and another order of sets."""
    code = (
        "import sys; from pathlib import Path; from traffic_brain.fusion.fuse import fuse;"
        "fuse(*map(Path, sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, str(day.city), str(day.feeds), str(tmp_path)]
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    subprocess.run(
        command, check=True, env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    )
    assert content(tmp_path) == content(day.state)


def test_another_seed_gives_other_trips_only(day: SmallDay, tmp_path: Path) -> None:
    fuse(day.city, day.feeds, tmp_path, seed=5)
    one, other = content(day.state), content(tmp_path)
    assert one["trips.parquet"] != other["trips.parquet"]
    for name in ("running_plans.json", "quarantine.parquet", "health.parquet"):
        assert one[name] == other[name]


# --- days with holes -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "tables",
    [
        ("police/passes", "police/counts", "police/signal_log"),
        ("checkpoint/passes",),
        ("checkpoint/sites", "police/detectors"),
        ("internet/speeds", "internet/links"),
    ],
)
def test_a_feed_without_rows_leaves_a_poorer_day(
    day: SmallDay, copied: Path, tmp_path: Path, tables: tuple[str, ...]
) -> None:
    for name in tables:
        path = copied / f"{name}.parquet"
        pq.write_table(pq.read_table(path).slice(0, 0), path)
    out = tmp_path / "state"
    out.mkdir()
    rows = fuse(day.city, copied, out)
    state = load_state(out, day.network)
    assert np.isfinite(state.travel_time_s).all()
    silent = {r["feed"] for r in pq.read_table(out / "health.parquet").to_pylist()}
    assert {name.split("/")[0] for name in tables} <= silent
    assert rows["rows_fused"] == state.summary["rows_used"]


def test_an_hour_of_which_detectors_told_only_half_is_still_an_hour(
    day: SmallDay, copied: Path, tmp_path: Path
) -> None:
    """The police feed was down for half an hour in which cameras saw the traffic go on."""
    start_ms = day_start_ms(DAY)
    for name in ("passes", "counts"):
        path = copied / f"police/{name}.parquet"
        table = pq.read_table(path)
        second = (table["time"].cast(pa.int64()).to_numpy() - start_ms) / 1000
        pq.write_table(table.filter((second < 900) | (second >= 2700)), path)
    out = tmp_path / "state"
    out.mkdir()
    fuse(day.city, copied, out)
    found, wanted = movement_flows_vph(day, out)
    assert (geh(found, wanted) < 5).mean() >= 0.85
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.1)


def test_a_day_that_is_not_there(day: SmallDay, tmp_path: Path) -> None:
    missing = day.feeds.with_name("2026-03-03")
    told = refused(day, missing, tmp_path)
    assert "no service day 2026-03-03" in told.what
    assert str(DAY) in told.remedy


def test_a_folder_that_is_no_day(day: SmallDay, copied: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="'monday' is not a service day"):
        fuse(day.city, copied.rename(copied.with_name("monday")), tmp_path)
    with pytest.raises(ConfigurationError, match="is not a city folder"):
        fuse(tmp_path, day.feeds, tmp_path)


def test_an_empty_day_is_refused_with_every_table_that_is_missing(
    day: SmallDay, tmp_path: Path
) -> None:
    empty = tmp_path / str(DAY)
    empty.mkdir()
    told = str(refused(day, empty, tmp_path))
    for name in ("detectors", "passes", "counts", "signal_log", "sites", "speeds", "links"):
        assert f"{name}.parquet" in told


def test_a_day_without_a_usable_row_is_refused_with_the_reasons(
    day: SmallDay, copied: Path, tmp_path: Path
) -> None:
    for name in ("police/passes", "police/counts", "checkpoint/passes", "internet/speeds"):
        path = copied / f"{name}.parquet"
        table = pq.read_table(path)
        idx = table.schema.get_field_index("time")
        no_time = pa.nulls(table.num_rows, table.schema.field(idx).type)
        pq.write_table(table.set_column(idx, "time", no_time), path)
    told = refused(day, copied, tmp_path)
    assert "no usable row" in told.what
    passes = day.feed("checkpoint/passes").num_rows
    assert f"checkpoint: {passes} rows no_time" in told.problems


def test_all_feeds_are_looked_at_before_the_day_is_refused(
    day: SmallDay, copied: Path, tmp_path: Path
) -> None:
    (copied / "internet/speeds.parquet").unlink()
    torn = copied / "checkpoint/sites.parquet"
    torn.write_bytes(torn.read_bytes()[:200])
    path = copied / "police/passes.parquet"
    renamed = pq.read_table(path).rename_columns({"time": "when"})
    pq.write_table(renamed, path)
    log = copied / "police/signal_log.parquet"
    pq.write_table(pq.read_table(log).drop_columns("picture"), log)
    told = str(refused(day, copied, tmp_path))
    for said in (
        "speeds.parquet",
        "sites.parquet cannot be read as Parquet",
        "column time is missing (has: detector_id, junction_id, link_id, lane_idx, when)",
        "column picture is missing",
    ):
        assert said in told


# --- read back -------------------------------------------------------------------------------


def test_the_state_is_read_back(day: SmallDay) -> None:
    net = day.network
    state = load_state(day.state, net)
    assert isinstance(state, State)
    assert state.service_day == str(DAY)
    assert state.speed_mps.shape == state.travel_time_s.shape == state.flow_veh.shape == (48, 12)
    assert state.demand_vph.shape == state.demand_high_vph.shape == (108, 4)
    row = day.fused("link_state").to_pylist()[12 * 5 + 7]
    link_idx = net.link_idx[row["link_id"]]
    assert state.speed_mps[link_idx, 7] == row["speed_mps"]
    assert len(state.trips) == len(state.vehicle_classes) == day.summary["vehicles"]


def test_a_state_of_another_network_is_refused(day: SmallDay) -> None:
    net = day.network
    reordered = RoadNetwork(
        net.name,
        dict(reversed(list(net.links.items()))),
        net.connections,
        net.movements,
        net.junctions,
    )
    places = {"a": (0.0, 0.0), "b": (9.0, 0.0), "c": (18.0, 0.0)}
    small = network([road("a", "b", places), road("b", "c", places)], through("a-b", "b-c"))
    for other in (reordered, small):
        with pytest.raises(DataRefused, match="belongs to another network"):
            load_state(day.state, other)


def test_a_folder_that_is_no_state(day: SmallDay, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a state folder \(no link_state"):
        load_state(tmp_path, day.network)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("summary.json", "{}"),
        ("summary.json", "[1]"),
        ("summary.json", "{"),
        ("running_plans.json", '{"plans": [{}]}'),
        ("trips.parquet", "PAR1"),
    ],
)
def test_a_damaged_state_is_refused(day: SmallDay, tmp_path: Path, name: str, text: str) -> None:
    broken = Path(shutil.copytree(day.state, tmp_path / "state"))
    (broken / name).write_text(text)
    with pytest.raises(DataRefused) as refusal:
        load_state(broken, day.network)
    assert "\n" not in str(refusal.value)


def test_a_state_without_a_column_is_refused(day: SmallDay, tmp_path: Path) -> None:
    broken = Path(shutil.copytree(day.state, tmp_path / "state"))
    path = broken / "movement_demand.parquet"
    pq.write_table(pq.read_table(path).drop_columns("demand_vph"), path)
    with pytest.raises(DataRefused, match="cannot be read"):
        load_state(broken, day.network)
