"""A day of each feed with one row of every defect: what is used, and where the rest went."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.clock import day_start_ms
from traffic_brain.errors import DataRefused
from traffic_brain.feeds import checkpoint, internet, police, transit
from traffic_brain.feeds.tables import Quarantine

DAY = date(2026, 3, 2)
PLACES = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (400.0, 0.0)}
CITY = network(
    [road("a", "b", PLACES, junction_id="b"), road("b", "c", PLACES)],
    through("a-b", "b-c"),
    [two_stage_plan("b", groups=1)],
)
PLATE, OTHER = "皖A·3K72B", "皖A·D12345"
NEVER = None
Row = Mapping[str, Any]


def write(path: Path, rows: Sequence[Row], schema: Mapping[str, pa.DataType]) -> None:
    """Rows as Parquet; times are seconds of the service day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    start_ms = day_start_ms(DAY)

    def value(row: Row, column: str) -> Any:
        raw = row[column]
        if raw is None or not pa.types.is_timestamp(schema[column]):
            return raw
        return start_ms + round(raw * 1000)

    columns = {}
    for column, kind in schema.items():
        plain = pa.int64() if pa.types.is_timestamp(kind) else kind
        columns[column] = pa.array([value(row, column) for row in rows], plain).cast(kind)
    pq.write_table(pa.table(columns), path)


TIME = pa.timestamp("ms", tz="Asia/Shanghai")
TEXT, WHOLE, NUMBER = pa.string(), pa.int32(), pa.float64()
POLICE = {
    "detectors": {
        "detector_id": TEXT,
        "junction_id": TEXT,
        "link_id": TEXT,
        "lane_idx": WHOLE,
        "position_m": NUMBER,
    },
    "passes": {"detector_id": TEXT, "time": TIME},
    "counts": {"detector_id": TEXT, "time": TIME, "interval_s": WHOLE, "count": WHOLE},
    "signal_log": {
        "junction_id": TEXT,
        "time": TIME,
        "plan_id": TEXT,
        "interval_idx": WHOLE,
        "picture": TEXT,
    },
}
CHECKPOINT = {
    "sites": {"site_id": TEXT, "link_id": TEXT},
    "passes": {"site_id": TEXT, "time": TIME, "plate": TEXT},
}
INTERNET = {
    "links": {"provider_link_id": TEXT, "link_id": TEXT},
    "speeds": {
        "provider_link_id": TEXT,
        "time": TIME,
        "interval_s": WHOLE,
        "speed_kmh": NUMBER,
        "sample_count": WHOLE,
    },
}
TRANSIT = {
    "passes": {
        "vehicle_id": TEXT,
        "line": TEXT,
        "link_id": TEXT,
        "time_in": TIME,
        "time_out": TIME,
    }
}


def write_feed(
    folder: Path, schemas: Mapping[str, Mapping[str, pa.DataType]], **tables: list[tuple[Any, ...]]
) -> Path:
    for name, schema in schemas.items():
        rows = [dict(zip(schema, row, strict=True)) for row in tables.get(name, [])]
        write(folder / f"{name}.parquet", rows, schema)
    return folder


def reasons(quarantine: Quarantine) -> dict[str, int]:
    return {row["reason"]: row["rows"] for row in quarantine.as_table().to_pylist()}


def test_police(tmp_path: Path) -> None:
    folder = write_feed(
        tmp_path,
        POLICE,
        detectors=[
            ("D1", "b", "a-b", 0, 190.0),
            ("D1", "b", "a-b", 0, 195.0),  # duplicate
            ("D2", "b", "nowhere", 0, 1.0),  # unknown_link
            ("D3", "b", "a-b", None, 1.0),  # bad_value
            (None, "b", "a-b", 0, 1.0),  # bad_value
        ],
        passes=[
            ("D1", 20.0),
            ("D1", NEVER),  # no_time
            ("D1", 10.0),
            ("D1", 10.0),  # duplicate
            ("D1", 10.001),
            ("D1", -0.5),  # outside_day
            ("D1", 86400),  # outside_day
            ("D1", 0),
            ("D2", 10),  # unknown_detector
            (None, 10),  # unknown_detector
        ],
        counts=[
            ("D1", 300, 300, -1),  # bad_value
            ("D1", 300, 300, 4),
            ("D1", 300, 300, 4),  # duplicate
            ("D1", 600, 0, 4),  # bad_value
            ("D1", 600, 300, None),  # bad_value
            ("D1", NEVER, 300, 4),  # no_time
            ("D1", -300, 300, 4),  # outside_day
            ("D9", 300, 300, 4),  # unknown_detector
        ],
        signal_log=[
            ("b", 60, "1", 1, "y"),
            ("b", 30, "1", 0, "G"),
            ("b", 30, "1", 0, "G"),  # duplicate
            ("b", 90, "1", 2, None),  # bad_value
            ("b", 90, "1", None, "r"),  # bad_value
            ("b", 90, None, 2, "r"),  # bad_value
            ("b", NEVER, "1", 2, "r"),  # no_time
            ("b", 90000, "1", 2, "r"),  # outside_day
            ("z", 90, "1", 2, "r"),  # unknown_junction
        ],
    )
    quarantine = Quarantine()
    day = police.read(folder, CITY, DAY, quarantine)
    assert reasons(quarantine) == {
        "unknown_link": 1,
        "bad_value": 2 + 3 + 3,
        "duplicate": 4,
        "no_time": 3,
        "outside_day": 4,
        "unknown_detector": 3,
        "unknown_junction": 1,
    }
    used = sum(map(len, (day.detectors, day.passes, day.counts, day.signal_log)))
    assert day.rows_read == 5 + 10 + 8 + 9 == used + quarantine.total
    assert list(day.detectors.index) == ["D1"]
    assert list(day.passes["time_s"]) == [0.0, 10.0, 10.001, 20.0]
    assert set(day.passes["link_id"]) == {"a-b"}
    assert [(c.link_id, c.lane_idx, c.time_s, c.count) for c in day.counts.itertuples()] == [
        ("a-b", 0, 300.0, 4)
    ]
    assert list(day.signal_log["picture"]) == ["G", "y"]


def test_checkpoint(tmp_path: Path) -> None:
    folder = write_feed(
        tmp_path,
        CHECKPOINT,
        sites=[
            ("K1", "a-b"),
            ("K2", "b-c"),
            ("K2", "a-b"),  # duplicate
            ("K3", "nowhere"),  # unknown_link
            (None, "a-b"),  # bad_value
        ],
        passes=[
            ("K2", 50.0, PLATE),
            ("K1", 19.0, OTHER),
            ("K1", 9.9, PLATE),
            ("K1", 10.2, PLATE),  # duplicate, though in another ten seconds of the clock
            ("K1", 12.0, "皖A3K72B"),  # duplicate, written otherwise
            ("K1", 40.0, PLATE),
            ("K2", 51.0, OTHER),
            ("K1", 19.0, "无牌"),  # unreadable_plate
            ("K1", 19.0, None),  # unreadable_plate
            ("K3", 19.0, PLATE),  # unknown_site
            ("K1", NEVER, PLATE),  # no_time
            ("K1", -1, PLATE),  # outside_day
        ],
    )
    quarantine = Quarantine()
    day = checkpoint.read(folder, CITY, DAY, quarantine)
    assert reasons(quarantine) == {
        "bad_value": 1,
        "unknown_link": 1,
        "duplicate": 3,
        "unreadable_plate": 2,
        "unknown_site": 1,
        "no_time": 1,
        "outside_day": 1,
    }
    assert day.rows_read == 5 + 12 == 2 + len(day.passes) + quarantine.total
    assert list(day.passes.columns) == ["token", "time_s", "link_id"]  # and no plate
    assert day.links == day.live_links == {"a-b", "b-c"}
    passes = [(p.token, p.link_id, p.time_s) for p in day.passes.itertuples()]
    first, second = (t for t, link, _ in passes if link == "b-c")
    assert first < second
    assert passes == [
        (first, "a-b", 9.9),
        (first, "a-b", 40.0),
        (first, "b-c", 50.0),
        (second, "a-b", 19.0),
        (second, "b-c", 51.0),
    ]


def test_internet(tmp_path: Path) -> None:
    folder = write_feed(
        tmp_path,
        INTERNET,
        links=[
            ("P1", "a-b"),
            ("P2", "b-c"),
            ("P2", "a-b"),  # duplicate
            ("P3", "nowhere"),  # unknown_link
            (None, "a-b"),  # bad_value
        ],
        speeds=[
            ("P1", 120, 120, 200.0, 5),  # speed_above_150_kmh
            ("P1", 120, 120, 36.0, 5),
            ("P1", 120, 120, 36.0, 5),  # duplicate
            ("P2", 120, 120, 0.0, 5),
            ("P2", 240, 120, -1.0, 5),  # bad_value
            ("P2", 240, 120, math.nan, 5),  # bad_value
            ("P2", 240, 120, math.inf, 5),  # bad_value
            ("P2", 240, 120, 36.0, 0),  # bad_value
            ("P2", 240, 120, 36.0, None),  # bad_value
            ("P2", 240, None, 36.0, 5),  # bad_value
            ("P2", NEVER, 120, 36.0, 5),  # no_time
            ("P2", 86400, 120, 36.0, 5),  # outside_day
            ("P3", 240, 120, 36.0, 5),  # unknown_provider_link
        ],
    )
    quarantine = Quarantine()
    day = internet.read(folder, CITY, DAY, quarantine)
    assert reasons(quarantine) == {
        "bad_value": 7,
        "unknown_link": 1,
        "duplicate": 2,
        "speed_above_150_kmh": 1,
        "no_time": 1,
        "outside_day": 1,
        "unknown_provider_link": 1,
    }
    assert day.rows_read == 5 + 13 == 2 + len(day.speeds) + quarantine.total
    assert [tuple(row) for row in day.speeds.itertuples(index=False)] == [
        ("a-b", 120.0, 120, 10.0, 5),
        ("b-c", 120.0, 120, 0.0, 5),
    ]


def test_transit(tmp_path: Path) -> None:
    folder = write_feed(
        tmp_path / "transit",
        TRANSIT,
        passes=[
            ("bus 1", "10", "b-c", 100, 130),
            ("bus 1", "10", "a-b", 60, 100),
            ("bus 1", "10", "a-b", 60, 100),  # duplicate
            ("bus 1", "10", "a-b", 60, 50),  # bad_value
            (None, "10", "a-b", 60, 100),  # bad_value
            ("bus 1", "10", "nowhere", 60, 100),  # unknown_link
            ("bus 1", "10", "a-b", NEVER, 100),  # no_time
            ("bus 1", "10", "a-b", 86390, 86410),  # outside_day
        ],
    )
    quarantine = Quarantine()
    day = transit.read(folder, CITY, DAY, quarantine)
    assert reasons(quarantine) == {
        "bad_value": 2,
        "unknown_link": 1,
        "duplicate": 1,
        "no_time": 1,
        "outside_day": 1,
    }
    assert day.rows_read == 8 == len(day.passes) + quarantine.total
    assert list(day.passes["link_id"]) == ["a-b", "b-c"]
    assert list(day.passes["time_out_s"]) == [100.0, 130.0]


def test_a_city_without_buses_has_no_transit_feed(tmp_path: Path) -> None:
    day = transit.read(tmp_path / "transit", CITY, DAY, Quarantine())
    assert day.passes.empty
    assert day.rows_read == 0


def test_a_feed_without_a_folder_is_off_for_the_day(tmp_path: Path) -> None:
    quarantine = Quarantine()
    off = tmp_path / "off"
    police_day = police.read(off, CITY, DAY, quarantine)
    assert police_day.passes.empty
    assert police_day.counts.empty
    assert police_day.signal_log.empty
    assert checkpoint.read(off, CITY, DAY, quarantine).passes.empty
    assert internet.read(off, CITY, DAY, quarantine).speeds.empty
    assert quarantine.total == 0


def test_rows_of_devices_that_are_not_ok_are_refused(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("provider_link_id,link_id\nP1,a-b\n")
    time = "2026-03-02T07:00:00+08:00"
    rows = [f"P1,{time},120,36,5,{status}" for status in ("ok", "", "fault", "maintenance")]
    head = "provider_link_id,time,interval_s,speed_kmh,sample_count,status"
    (tmp_path / "speeds.csv").write_text("\n".join([head, *rows]))
    quarantine = Quarantine()
    day = internet.read(tmp_path, CITY, DAY, quarantine)
    assert len(day.speeds) == 1
    assert reasons(quarantine) == {"device_fault": 2, "duplicate": 1}


def test_empty_tables_are_a_day_without_rows(tmp_path: Path) -> None:
    quarantine = Quarantine()
    schemas = {"police": POLICE, "checkpoint": CHECKPOINT, "internet": INTERNET, "transit": TRANSIT}
    for name, schema in schemas.items():
        write_feed(tmp_path / name, schema)
    for feed in (police, checkpoint, internet, transit):
        assert feed.read(tmp_path / feed.FEED, CITY, DAY, quarantine).rows_read == 0
    assert quarantine.total == 0


def test_all_tables_of_a_feed_are_looked_at(tmp_path: Path) -> None:
    for feed, count in ((police, 4), (checkpoint, 2), (internet, 2)):
        with pytest.raises(DataRefused) as refused:
            feed.read(tmp_path, CITY, DAY, Quarantine())
        assert len(refused.value.problems) == count


@pytest.mark.parametrize("lost", ["time", "plate"])
def test_a_feed_whose_column_is_empty_is_read(tmp_path: Path, lost: str) -> None:
    rows = [("K1", 10.0, PLATE), ("K1", 70.0, OTHER)]
    schema = CHECKPOINT["passes"]
    folder = write_feed(tmp_path, CHECKPOINT, sites=[("K1", "a-b")])
    emptied = [dict(zip(schema, row, strict=True)) | {lost: None} for row in rows]
    write(folder / "passes.parquet", emptied, schema)
    quarantine = Quarantine()
    assert checkpoint.read(folder, CITY, DAY, quarantine).passes.empty
    assert quarantine.total == 2


def test_the_order_in_which_rows_arrive_does_not_matter(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows = [("K1", 30.0 * i, f"皖A·{10000 + i % 40}") for i in range(200)]
    found: list[pd.DataFrame] = []
    for order in (np.arange(200), rng.permutation(200)):
        folder = write_feed(
            tmp_path, CHECKPOINT, sites=[("K1", "a-b")], passes=[rows[i] for i in order]
        )
        found.append(checkpoint.read(folder, CITY, DAY, Quarantine()).passes)
    pd.testing.assert_frame_equal(*found)
