"""A day as a department sends it, told by a column map: the same bytes as the canonical day."""

from __future__ import annotations

import gzip
import io
import itertools
import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import network, road
from tests.unit.small_day import DAY, SmallDay
from traffic_brain.clock import day_start_ms
from traffic_brain.feeds import internet
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.fusion.fuse import fuse

COLUMN_MAP = """
[police.detectors]
file = "设备"
[police.detectors.columns]
detector_id = { name = "SBBH", with_prefix = "D" }
lane_idx = { name = "CDH", codes = { "一" = 0, "二" = 1, "三" = 2, "四" = 3 } }
position_m = { name = "JL", unit = "ft" }

[police.passes]
file = "gcjl"
time_zone = "Asia/Shanghai"
[police.passes.columns]
detector_id = { name = "SBBH", with_prefix = "D" }
time = { name = "GCSJ", format = "%Y/%m/%d %H:%M:%S.%f" }

[police.counts.columns]
time = { format = "epoch_ms" }
interval_s = { name = "minutes", unit = "min" }

[internet.speeds]
time_zone = "UTC"
[internet.speeds.columns]
provider_link_id = { name = "road", without_prefix = "hf:" }
"""


def as_csv(table: pa.Table, code: str = "utf-8", delimiter: str = ",") -> bytes:
    out = io.BytesIO()
    pc_csv.write_csv(table, out, pc_csv.WriteOptions(delimiter=delimiter))
    return out.getvalue().decode().encode(code)


def foreign(day: SmallDay, folder: Path) -> None:
    """The day's feeds in foreign files."""
    for name in ("police/gcjl", "checkpoint", "internet"):
        (folder / name).mkdir(parents=True)
    (folder / "columns.toml").write_text(COLUMN_MAP, encoding="utf-8")

    detectors = day.feed("police/detectors")
    own = {
        "SBBH": pc.utf8_slice_codeunits(detectors["detector_id"], 1),
        "junction_id": detectors["junction_id"],
        "link_id": detectors["link_id"],
        "CDH": ["一二三四"[i] for i in detectors["lane_idx"].to_pylist()],
        "JL": pc.divide(detectors["position_m"], 0.3048),
    }
    (folder / "police/设备.csv").write_bytes(as_csv(pa.table(own), "gb18030", ";"))

    passes = day.feed("police/passes")
    times = [
        t.strftime("%Y/%m/%d %H:%M:%S.") + f"{t.microsecond // 1000:03d}"
        for t in passes["time"].to_pylist()
    ]
    ids = pc.utf8_slice_codeunits(passes["detector_id"], 1)
    rows = pa.table({"GCSJ": times, "SBBH": ids, "remark": ["正常"] * len(times)})
    for i, begin in enumerate(range(0, len(times), 2000)):
        part = as_csv(rows.slice(begin, 2000), "gb18030", "\t")
        (folder / f"police/gcjl/{i}.csv.gz").write_bytes(gzip.compress(part))

    counts = day.feed("police/counts")
    epoch = counts["time"].cast(pa.int64())
    minutes = pc.divide(counts["interval_s"], 60)
    changed = {"detector_id": counts["detector_id"], "time": epoch, "minutes": minutes}
    table = pa.table(changed | {"count": counts["count"]})
    (folder / "police/counts.csv").write_bytes(as_csv(table, "utf-8-sig"))

    log = day.feed("police/signal_log")
    (folder / "police/signal_log.csv.gz").write_bytes(gzip.compress(as_csv(log)))

    for name in ("sites", "passes"):
        (folder / f"checkpoint/{name}.csv").write_bytes(as_csv(day.feed(f"checkpoint/{name}")))

    pq.write_table(day.feed("internet/links"), folder / "internet/links.parquet")
    speeds = day.feed("internet/speeds")
    roads = pc.binary_join_element_wise("hf:", speeds["provider_link_id"], "")
    naive = speeds["time"].cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
    speeds = speeds.drop_columns(["provider_link_id", "time"])
    speeds = speeds.append_column("road", roads).append_column("time", naive)
    pq.write_table(speeds, folder / "internet/speeds.parquet")


def test_a_foreign_day_gives_the_same_bytes(day: SmallDay, tmp_path: Path) -> None:
    feeds, state = tmp_path / str(DAY), tmp_path / "state"
    foreign(day, feeds)
    state.mkdir()
    fuse(day.city, feeds, state)
    for path in sorted(day.state.iterdir()):
        assert (state / path.name).read_bytes() == path.read_bytes(), path.name


REAL = Path(__file__).parents[3] / "shared/data/pems_i5n"
REAL_MAP = """
[internet.links]
file = "stations"
[internet.links.columns]
provider_link_id = "station_id"

[internet.speeds]
file = "states"
time_zone = "Asia/Shanghai"  # the clock on the road, whose Z means no more than that
[internet.speeds.columns]
provider_link_id = "station_id"
time = { name = "timestamp", format = "%Y-%m-%dT%H:%M:%SZ" }
interval_s = { value = 300 }
speed_kmh = "speed"
sample_count = { value = 1 }
status = { name = "is_missing", codes = { "0" = "ok", "1" = "missing" } }
"""


@pytest.mark.skipif(not REAL.is_dir(), reason="the loops of I-5 (shared/data/pems_i5n) are absent")
def test_real_loops_are_read_by_a_map(tmp_path: Path) -> None:
    shutil.copy(REAL / "detector_chain_fd.csv", tmp_path / "stations.csv")
    shutil.copy(REAL / "train_detector_states_3days.csv.gz", tmp_path / "states.csv.gz")
    (tmp_path / "columns.toml").write_text(REAL_MAP, encoding="utf-8")
    stations = pc_csv.read_csv(tmp_path / "stations.csv")["link_id"].to_pylist()
    places = {name: (1000.0 * i, 0.0) for i, name in enumerate(["start", *stations])}
    roads = [
        road(a, b, places, link_id=b)
        for a, b in itertools.pairwise(["start", *dict.fromkeys(stations)])
    ]
    quarantine = Quarantine()
    day = internet.read(tmp_path, network(roads, {}), date(2026, 4, 2), quarantine)
    reasons = {r["reason"]: r["rows"] for r in quarantine.as_table().to_pylist()}
    assert set(reasons) <= {"outside_day", "device_fault", "bad_value", "duplicate"}
    assert reasons["outside_day"] > 60_000
    with gzip.open(tmp_path / "states.csv.gz") as file:
        lines = sum(1 for _ in file) - 1
    assert (
        day.rows_read
        == lines + len(stations)
        == day.speeds["sample_count"].sum() + len(day.links) + quarantine.total
    ), "one sample each, and some links have several stations"
    assert len(day.speeds) > 25_000
    assert 80 < day.speeds["speed_mps"].median() * 3.6 < 120


def test_hours_run_by_hand_are_marked_and_teach_nothing(day: SmallDay, tmp_path: Path) -> None:
    feeds = Path(shutil.copytree(day.feeds, tmp_path / str(DAY)))
    path, state = feeds / "police/signal_log.parquet", tmp_path / "state"
    log = pq.read_table(path)
    junction = log["junction_id"][0].as_py()
    seconds = pc.subtract(log["time"].cast(pa.int64()), day_start_ms(DAY))
    by_hand = pc.and_(
        pc.equal(log["junction_id"], junction),
        pc.and_(pc.greater_equal(seconds, 900_000), pc.less(seconds, 1_800_000)),
    )
    upside_down = pc.if_else(by_hand, pc.utf8_reverse(log["picture"]), log["picture"])
    log = log.set_column(log.column_names.index("picture"), "picture", upside_down)
    control = pc.if_else(by_hand, "manual", "plan")
    pq.write_table(log.append_column("control", control), path)
    state.mkdir()
    fuse(day.city, feeds, state)
    told = [
        r for r in pq.read_table(state / "health.parquet").to_pylist() if r["code"] == "hand_run"
    ]
    assert [(r["feed"], r["device_id"]) for r in told] == [("police", junction)]
    assert told[0]["detail"].startswith(f"junction {junction}: 9")
    plans = (state / "running_plans.json").read_bytes()
    assert plans == (day.state / "running_plans.json").read_bytes()
