"""Foreign tables by their column map: what is read, what is refused, and how it is said."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from traffic_brain.clock import day_start_ms, parse_service_day
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.feeds.column_map import feed_map, read_column_map
from traffic_brain.feeds.layout import INTEGER, LAYOUT, NUMBER, TEXT, TIME
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.feeds.tables import read_table

START_MS = day_start_ms(parse_service_day("2026-03-02"))


def mapped(folder: Path, text: str) -> Path:
    path = folder / "columns.toml"
    path.write_text(text, encoding="utf-8")
    return path


def read(
    folder: Path, columns: Mapping[str, str], feed: str = "police", table: str = "passes"
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """(rows, with times in seconds of the day; refused rows by reason)."""
    quarantine = Quarantine()
    frame = read_table(folder, table, columns, feed_map(folder, feed), quarantine)
    rows = frame.to_dict("records")
    for row in rows:
        for name, kind in columns.items():
            if kind == TIME:
                row[name] = row[name].timestamp() - START_MS / 1000
    reasons = {r["reason"]: r["rows"] for r in quarantine.as_table().to_pylist()}
    assert quarantine.rows_read_of(feed) == len(rows) + quarantine.total
    return rows, reasons


def test_the_example_is_good_and_shows_every_table_and_setting() -> None:
    text = files("traffic_brain.feeds").joinpath("example_columns.toml").read_text("utf-8")
    found = read_column_map(Path(str(files("traffic_brain.feeds") / "example_columns.toml")))
    assert set(found) == {"police", "checkpoint", "internet"}
    for word in ("without_prefix", "with_prefix", "value", "codes", "unit", "format", "name"):
        assert f"{word} = " in text
    for feed, tables in LAYOUT.items():
        assert f"#   {feed}" in text
        assert all(table in text for table in tables)


def test_names_prefixes_codes_and_constants(tmp_path: Path) -> None:
    mapped(
        tmp_path,
        """
        [police.counts]
        file = "liuliang"
        time_zone = "Asia/Shanghai"
        [police.counts.columns]
        detector_id = { name = "设备", without_prefix = "hf-", with_prefix = "D" }
        time = { name = "时间", format = "%Y%m%d%H%M" }
        interval_s = { value = 300 }
        count = { name = "流量", codes = { "none" = 0, "one" = 1, "many" = 9 } }
        """,
    )
    (tmp_path / "liuliang.csv").write_text(
        "时间;设备;流量\n202603020100;hf-1;one\n202603020105;2;many\n"
        "202603020110;hf-1;few\n20260302;hf-1;one\n",
        encoding="gb18030",
    )
    columns = LAYOUT["police"]["counts"].required
    rows, reasons = read(tmp_path, columns, table="counts")
    assert rows == [
        {"detector_id": "D1", "time": 3600.0, "interval_s": 300, "count": 1},
        {"detector_id": "D2", "time": 3900.0, "interval_s": 300, "count": 9},
    ]
    assert reasons == {"unknown_code": 1, "no_time": 1}


@pytest.mark.parametrize(
    ("unit", "speed"), [("km/h", 36.0), ("m/s", 10.0), ("mph", 22.369363), ("knots", 19.438445)]
)
def test_units_of_speed(tmp_path: Path, unit: str, speed: float) -> None:
    mapped(tmp_path, f'[internet.speeds.columns]\nspeed_kmh = {{ name = "v", unit = "{unit}" }}')
    pq.write_table(pa.table({"v": [speed]}), tmp_path / "speeds.parquet")
    rows, _ = read(tmp_path, {"speed_kmh": NUMBER}, "internet", "speeds")
    assert rows[0]["speed_kmh"] == pytest.approx(36.0)


def test_units_of_length_and_time(tmp_path: Path) -> None:
    mapped(
        tmp_path,
        '[police.detectors.columns]\nposition_m = { name = "p", unit = "ft" }\n'
        '[internet.speeds.columns]\ninterval_s = { name = "t", unit = "min" }',
    )
    pq.write_table(pa.table({"p": [100]}), tmp_path / "detectors.parquet")
    pq.write_table(pa.table({"t": [2, 5]}), tmp_path / "speeds.parquet")
    rows, _ = read(tmp_path, {"position_m": NUMBER}, "police", "detectors")
    assert rows[0]["position_m"] == pytest.approx(30.48)
    rows, _ = read(tmp_path, {"interval_s": INTEGER}, "internet", "speeds")
    assert [r["interval_s"] for r in rows] == [120, 300]


MOMENT_S = 7 * 3600 + 5.25


@pytest.mark.parametrize(
    ("told", "cell"),
    [
        ("", "2026-03-02T07:00:05.25+08:00"),
        ("", "2026-03-01 23:00:05.250Z"),
        ("", "2026-03-02 07:00:05.250 +0800"),
        ("", "2026-03-01T23:00:05.250000000Z"),
        ('time_zone = "Asia/Shanghai"', "2026-03-02 07:00:05.25"),
        ('time_zone = "Asia/Shanghai"', "2026/3/2 07:00:05.25"),
        ('time_zone = "Asia/Shanghai"', "2026-03-01 23:00:05.25Z"),
        ('time_zone = "America/Los_Angeles"', "2026-03-01T15:00:05.25"),
        ('columns.time.format = "epoch_ms"', str(START_MS + 25_205_250)),
        ('columns.time.format = "epoch_s"', str((START_MS + 25_205_250) / 1000)),
        ('time_zone = "UTC"\ncolumns.time.format = "%d.%m.%y %H:%M:%S.%f"', "01.03.26 23:00:05.25"),
        ('columns.time.format = "%Y%m%d%H%M%S.%f%z"', "20260302070005.25+0800"),
    ],
)
def test_times(tmp_path: Path, told: str, cell: str) -> None:
    mapped(tmp_path, f"[police.passes]\n{told}")
    (tmp_path / "passes.csv").write_text(f"time,x\n{cell},1\n,2\n", encoding="utf-8")
    quarantine = Quarantine()
    frame = read_table(tmp_path, "passes", {"time": TIME}, feed_map(tmp_path, "police"), quarantine)
    assert quarantine.total == 0
    assert frame["time"].isna().tolist() == [False, True]
    assert frame["time"][0].timestamp() - START_MS / 1000 == pytest.approx(MOMENT_S)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("2026-03-02 07:00:05", "no_time_zone"),
        ("2026-02-30 07:00:05Z", "no_time"),
        ("2026-03-02", "no_time"),
        ("25:00", "no_time"),
        ("1772406005", "no_time"),
        ("皖A·12345", "no_time"),
        ("9" * 400, "no_time"),
    ],
)
def test_what_is_no_time(tmp_path: Path, cell: str, reason: str) -> None:
    good = "2026-03-02T07:00:05+08:00"
    (tmp_path / "passes.csv").write_text(f"time,x\n{good},1\n{cell},1\n", encoding="utf-8")
    rows, reasons = read(tmp_path, {"time": TIME})
    assert len(rows) == 1
    assert reasons == {reason: 1}


def test_a_local_time_that_comes_twice_is_the_first(tmp_path: Path) -> None:
    mapped(tmp_path, '[police.passes]\ntime_zone = "Europe/Berlin"')
    cells = ["2026-10-25 01:59:59", "2026-10-25 02:30:00", "2026-10-25 03:00:00"]
    (tmp_path / "passes.csv").write_text("time,x\n" + "".join(f"{c},1\n" for c in cells))
    frame = read_table(
        tmp_path, "passes", {"time": TIME}, feed_map(tmp_path, "police"), Quarantine()
    )
    hours = [t.strftime("%H:%M:%S") for t in frame["time"]]
    assert hours == ["23:59:59", "00:30:00", "02:00:00"]


@pytest.mark.parametrize(
    ("cell", "found"),
    [("3", 3), ("3.0", 3), (" 3 ", 3), ("3.5", None), ("x", None), ("1e300", None), ("inf", None)],
)
def test_whole_numbers(tmp_path: Path, cell: str, found: int | None) -> None:
    (tmp_path / "passes.csv").write_text(f"lane_idx,x\n{cell},1\n", encoding="utf-8")
    rows, reasons = read(tmp_path, {"lane_idx": INTEGER})
    assert rows == ([] if found is None else [{"lane_idx": found}])
    assert reasons == ({"bad_value": 1} if found is None else {})


def test_a_plate_where_none_belongs_is_refused_and_one_where_it_does_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / "passes.csv").write_text(
        "site_id,plate\nK1,皖A·3K72B\n皖A·3K72B,K1\n 皖Ａ３Ｋ７２Ｂ,K1\n", encoding="utf-8"
    )
    rows, reasons = read(tmp_path, {"site_id": TEXT, "plate": TEXT}, "checkpoint")
    assert rows == [{"site_id": "K1", "plate": "皖A·3K72B"}]
    assert reasons == {"plate_in_column": 2}


def test_all_that_is_wrong_with_a_map_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    path = mapped(
        tmp_path,
        """
        [polices.passes]
        [police.pases]
        [police.passes]
        file = "../secret"
        timezone = "UTC"
        time_zone = "Asia/Hefei"
        coordinates = "GCJ02"
        [police.passes.columns]
        detectorid = "a"
        time = { unit = "s", format = "iso8601" }
        status = { codes = [1], nam = "x" }
        [internet.speeds.columns]
        speed_kmh = { unit = "kmh", value = true }
        """,
    )
    with pytest.raises(ConfigurationError) as refused:
        read_column_map(path)
    told = str(refused.value)
    assert "\n" not in told
    for said in (
        "polices is unknown (did you mean police?)",
        "police.pases is unknown (did you mean passes?)",
        "police.passes.file = '../secret' should be a file's name",
        "police.passes.timezone is unknown (did you mean time_zone?)",
        "police.passes.time_zone = 'Asia/Hefei' should be a time zone",
        "police.passes.coordinates = 'GCJ02' is unknown (did you mean GCJ-02?)",
        "police.passes.columns.detectorid is unknown (did you mean detector_id?)",
        "police.passes.columns.time.unit: time has no unit",
        "police.passes.columns.time.format = 'iso8601' should be",
        "police.passes.columns.status.nam is unknown (did you mean name?)",
        "police.passes.columns.status.codes = [1] should be a table",
        "internet.speeds.columns.speed_kmh.unit = 'kmh' is unknown (did you mean km/h?)",
        "internet.speeds.columns.speed_kmh.value = True should be a text or a number",
    ):
        assert said in told


@pytest.mark.parametrize("text", [b"[", b"\xff", b"police = 1", b"[police]\npasses = []"])
def test_a_map_that_is_none_is_refused_in_one_line(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "columns.toml").write_bytes(text)
    with pytest.raises(ConfigurationError) as refused:
        feed_map(tmp_path, "police")
    assert "\n" not in str(refused.value)


def test_the_nearer_map_counts(tmp_path: Path) -> None:
    mapped(tmp_path, '[police.passes]\nfile = "far"')
    folder = tmp_path / "police"
    folder.mkdir()
    assert feed_map(folder, "police").of("passes").file_name == "far"
    mapped(folder, '[police.counts]\nfile = "near"')
    assert feed_map(folder, "police").of("passes").file_name == "passes"
    assert feed_map(folder, "police").of("counts").file_name == "near"
    assert feed_map(tmp_path / "transit", "transit").of("passes").file_name == "passes"


def test_a_constant_of_the_wrong_kind_is_refused(tmp_path: Path) -> None:
    mapped(tmp_path, '[internet.speeds.columns]\nsample_count = { value = "many" }')
    pq.write_table(pa.table({"speed_kmh": [1.0]}), tmp_path / "speeds.parquet")
    with pytest.raises(DataRefused, match="sample_count in the column map should be whole numbers"):
        read(tmp_path, {"sample_count": INTEGER}, "internet", "speeds")
