"""Raw tables: read when they hold what their feed holds, else refused with everything wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from traffic_brain.errors import DataRefused
from traffic_brain.feeds.column_map import FeedMap
from traffic_brain.feeds.pseudonym import UNREADABLE, in_one_spelling, tokens
from traffic_brain.feeds.tables import (
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Quarantine,
    all_read,
    read_table,
    seconds_of_day,
)

DAY = date(2026, 3, 2)
COLUMNS = {"name": TEXT, "count": INTEGER, "speed": NUMBER, "time": TIME}
NOON = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


def table(**changes: object) -> pa.Table:
    columns = {
        "name": pa.array(["a", "b"]),
        "count": pa.array([1, 2]),
        "speed": pa.array([1.5, 2.5]),
        "time": pa.array([NOON, NOON], pa.timestamp("ms", tz="Asia/Shanghai")),
    }
    return pa.table(columns | changes)


def written(folder: Path, content: pa.Table) -> Path:
    path = folder / "t.parquet"
    pq.write_table(content, path)
    return path


def read(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """The table of a file, canonical but for its name."""
    return read_table(path.parent, path.stem, columns, FeedMap("f"), Quarantine())


def refusal(path: Path) -> DataRefused:
    with pytest.raises(DataRefused) as refused:
        read(path, COLUMNS)
    assert "\n" not in str(refused.value)
    assert path.stem in str(refused.value)
    assert refused.value.remedy
    return refused.value


def test_named_columns_are_read_and_others_are_not(tmp_path: Path) -> None:
    path = written(tmp_path, table(more=pa.array([1, 2])))
    assert list(read(path, COLUMNS).columns) == list(COLUMNS)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": pa.array(["a", "b"]).dictionary_encode()},
        {"name": pa.array(["a", "b"], pa.large_string())},
        {"count": pa.array([1, 2], pa.int8())},
        {"speed": pa.array([1, 2], pa.int32())},
        {"time": pa.array([NOON, NOON], pa.timestamp("ns", tz="UTC"))},
    ],
)
def test_other_ways_to_write_the_same_are_read(
    tmp_path: Path, changes: dict[str, pa.Array]
) -> None:
    found = read(written(tmp_path, table(**changes)), COLUMNS)
    plain = read(written(tmp_path, table()), COLUMNS)
    assert list(found["name"]) == ["a", "b"]
    assert list(found["count"]) == [1, 2]
    assert list(seconds_of_day(found["time"], DAY)) == list(seconds_of_day(plain["time"], DAY))


def test_everything_wrong_with_the_columns_is_told(tmp_path: Path) -> None:
    wrong = table(count=pa.array(["1", "2"]), time=pa.array([NOON, NOON], pa.timestamp("ms")))
    wrong = wrong.drop_columns("name").append_column("speed", pa.array([1, 2]))
    told = refusal(written(tmp_path, wrong)).problems
    assert [text.split(" (")[0] for text in told] == [
        "column name is missing",
        "column count should hold whole numbers, not string",
        "column speed is there 2 times",
        "column time should hold timestamps with a time zone, not timestamp[ms]",
    ]


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    assert "there is no" in str(refusal(path))
    path.mkdir()
    assert "cannot be read as Parquet" in str(refusal(path))
    path.rmdir()
    whole = written(tmp_path, table()).read_bytes()
    for damaged in (b"", b"PAR1", whole[: len(whole) // 2], b"x" * len(whole), whole[:-9]):
        path.write_bytes(damaged)
        assert "cannot be read as Parquet" in str(refusal(path))


def test_a_damaged_page_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    many = pa.array(np.random.default_rng(1).integers(0, 10**9, 2000))
    pq.write_table(pa.table({"count": many}), path, compression="zstd")
    content = bytearray(path.read_bytes())
    content[4:60] = bytes(56)  # the page's own head
    path.write_bytes(bytes(content))
    with pytest.raises(DataRefused, match="cannot be read as Parquet"):
        read(path, {"count": INTEGER})


def test_text_that_is_none_is_refused_and_not_quoted(tmp_path: Path) -> None:
    broken = pa.array([b"\xffA12345", b"b"]).view(pa.string())
    told = str(refusal(written(tmp_path, table(name=broken))))
    assert "UTF8" in told
    assert "12345" not in told


def read_both(folder: Path, tables: Mapping[str, Mapping[str, str]]) -> list[pd.DataFrame]:
    reads = (
        partial(read_table, folder, name, columns, FeedMap("f"), Quarantine())
        for name, columns in tables.items()
    )
    return all_read(*reads)


def test_the_problems_of_all_tables_come_at_once(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "good.parquet")
    pq.write_table(table().drop_columns("count"), tmp_path / "half.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"?")
    good, again = read_both(tmp_path, {"good": COLUMNS}) * 2
    assert len(good) == len(again) == 2
    names = ("good", "half", "bad", "none")
    with pytest.raises(DataRefused) as refused:
        read_both(tmp_path, dict.fromkeys(names, COLUMNS))
    assert len(refused.value.problems) == 3
    told = str(refused.value)
    assert "\n" not in told
    for said in ("column count is missing", "bad.parquet cannot be read", "there is no"):
        assert said in told
    with pytest.raises(DataRefused, match=r"^there is no .*none\.parquet, .* — check"):
        read_both(tmp_path, {"good": COLUMNS, "none": COLUMNS})


def test_times_become_seconds_of_the_service_day() -> None:
    midnight = pd.Timestamp("2026-03-02", tz="Asia/Shanghai")
    times = pd.Series(
        [midnight, midnight + pd.Timedelta("1.5s"), pd.NaT, midnight - pd.Timedelta("1s")]
    )
    assert seconds_of_day(times, DAY) == pytest.approx([0.0, 1.5, np.nan, -1.0], nan_ok=True)
    utc = pd.Series([datetime(2026, 3, 1, 16, tzinfo=UTC)])
    assert seconds_of_day(utc, DAY) == pytest.approx([0.0])


def test_each_bad_row_has_one_reason() -> None:
    quarantine = Quarantine()
    rows = pd.DataFrame({"x": range(4)})
    checks = [("first", np.array([1, 1, 0, 0], bool)), ("second", np.array([0, 1, 1, 0], bool))]
    assert list(quarantine.keep("a", rows, checks)["x"]) == [3]
    quarantine.keep("b", rows, checks[:1])
    assert quarantine.total == 5
    assert quarantine.rows_of("a") == 3
    assert quarantine.as_table().to_pylist() == [
        {"feed": "a", "reason": "first", "rows": 2},
        {"feed": "a", "reason": "second", "rows": 1},
        {"feed": "b", "reason": "first", "rows": 2},
    ]


def test_a_register_has_each_key_once() -> None:
    quarantine = Quarantine()
    rows = pd.DataFrame({"key": ["a", None, "b", "a", "c"], "x": range(5)})
    far = np.array([0, 0, 0, 0, 1], bool)
    kept = quarantine.register("feed", rows, "key", [("far", far)])
    assert kept["x"].to_dict() == {"a": 0, "b": 2}
    counted = {r["reason"]: r["rows"] for r in quarantine.as_table().to_pylist()}
    assert counted == {"bad_value": 1, "duplicate": 1, "far": 1}


def test_plates_become_numbers_in_order_of_sight() -> None:
    plates = [
        "皖A·3K72B",
        "皖A·D12345",
        "皖A3K72B",
        "皖A-3K72B",
        "皖A 3K72B",
        "沪B·3K72B",
        "皖A·3K72B",
    ]
    spelled = in_one_spelling(plates)
    assert list(spelled) == ["皖A3K72B", "皖AD12345", *["皖A3K72B"] * 3, "沪B3K72B", "皖A3K72B"]
    assert list(tokens(spelled)) == [0, 1, 0, 0, 0, 2, 0]
    assert list(tokens(spelled)) == list(tokens(spelled))


@pytest.mark.parametrize(
    "unread", [None, np.nan, "", "?", "皖A·", "皖A·12", "无牌", "皖A·3K72B\n", "皖a·3k72b", 7]
)
def test_what_is_no_plate_is_unreadable(unread: object) -> None:
    spelled = in_one_spelling([unread, "皖A·3K72B", unread])
    assert list(spelled) == ["", "皖A3K72B", ""]
    assert list(tokens(spelled)) == [UNREADABLE, 0, UNREADABLE]


def test_a_day_without_plates_has_no_tokens() -> None:
    assert len(tokens(in_one_spelling([]))) == 0


def test_a_feed_that_is_mostly_refused_is_a_finding() -> None:
    other, quarantine = Quarantine(), Quarantine()
    quarantine.read("a", 100)
    quarantine.refuse_rows("a", "no_time", 20)
    other.refuse_rows("a", "bad_value", 30)
    quarantine.add(other)
    assert list(quarantine.findings()) == [], "half is not most"
    quarantine.refuse_rows("a", "no_time", 1)
    quarantine.read("b", 99)
    quarantine.refuse_rows("b", "no_time", 99)
    quarantine.read("c", 0)
    (found,) = quarantine.findings()
    assert (found.feed, found.code, found.device_id) == ("a", "mostly_refused", "*")
    assert found.detail == "51 of 100 rows: 30 bad_value, 21 no_time"
