"""Plates wherever they should not be: nothing that is written or said holds one, nor a token."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.small_day import DAY, SmallDay
from traffic_brain.cli import main
from traffic_brain.errors import DataRefused, TrafficBrainError
from traffic_brain.feeds import checkpoint
from traffic_brain.feeds.plates import MASK, masked, names_in_words
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.fusion.fuse import fuse

PLATES = [f"{'皖皖豫沪'[i % 4]}{'ABK'[i % 3]}·{10007 + 13 * i}" for i in range(400)]


@pytest.fixture
def feeds(day: SmallDay, tmp_path: Path) -> Path:
    return Path(shutil.copytree(day.feeds, tmp_path / "feeds" / str(DAY)))


def with_column(path: Path, column: str, some: Callable[[int], bool]) -> None:
    """Plates in some rows of a column of text."""
    table = pq.read_table(path)
    texts = [
        PLATES[i % len(PLATES)] if some(i) else text
        for i, text in enumerate(table[column].to_pylist())
    ]
    idx = table.column_names.index(column)
    pq.write_table(table.set_column(idx, column, pa.array(texts, pa.string())), path)


def assert_no_plate(text: str) -> None:
    leaked = [plate for plate in PLATES if plate in text or plate.replace("·", "") in text]
    assert not leaked


def everything_in(folder: Path) -> str:
    parts = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            parts.append(path.read_bytes().decode("utf-8", "replace"))
        if path.suffix == ".parquet":
            parts.append(json.dumps(pq.read_table(path).to_pydict(), ensure_ascii=False))
    return "\n".join(parts)


WRONG = [
    ("police/detectors", "detector_id"),
    ("police/detectors", "junction_id"),
    ("police/detectors", "link_id"),
    ("police/passes", "detector_id"),
    ("police/counts", "detector_id"),
    ("police/signal_log", "junction_id"),
    ("police/signal_log", "plan_id"),
    ("police/signal_log", "picture"),
    ("checkpoint/sites", "site_id"),
    ("checkpoint/sites", "link_id"),
    ("checkpoint/passes", "site_id"),
    ("internet/links", "provider_link_id"),
    ("internet/links", "link_id"),
    ("internet/speeds", "provider_link_id"),
]


def test_plates_in_every_wrong_column_leave_no_trace(
    day: SmallDay, feeds: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for k, (table, column) in enumerate(WRONG):
        with_column(feeds / f"{table}.parquet", column, lambda i, k=k: i % 40 == k)  # type: ignore[misc]
    out = tmp_path / "state"
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["fuse", str(day.city), str(feeds), str(out), "--json"])
    assert code == 0
    assert_no_plate(everything_in(out) + said.getvalue() + caplog.text)
    refused = {
        (r["feed"], r["reason"]): r["rows"]
        for r in pq.read_table(out / "quarantine.parquet").to_pylist()
    }
    for feed in ("police", "checkpoint", "internet"):
        assert refused[feed, "plate_in_column"] > 0
    summary = json.loads((out / "summary.json").read_text("utf-8"))
    rows = sum(pq.read_metadata(p).num_rows for p in feeds.rglob("*.parquet"))
    assert summary["rows_read"] == rows == summary["rows_used"] + sum(refused.values())


@pytest.mark.parametrize(
    "break_it",
    [
        lambda f: with_column(f / "checkpoint/sites.parquet", "site_id", lambda _: True),
        lambda f: (f / "checkpoint/passes.parquet").write_bytes("\n".join(PLATES).encode()),
        lambda f: _as_csv(f, "checkpoint/passes", header=False),
        lambda f: _as_csv(f, "checkpoint/passes", header=True),
        lambda f: (f / "columns.toml").write_text(f'[checkpoint.passes]\n"{PLATES[0]}" = 1'),
        lambda f: (f / "columns.toml").write_text(f'[checkpoint.passes]\nfile = "/{PLATES[0]}"'),
        lambda f: (f / "columns.toml").write_text(f"{PLATES[0]} = "),
    ],
)
def test_no_error_quotes_a_plate(
    day: SmallDay, feeds: Path, break_it: Callable[[Path], object]
) -> None:
    break_it(feeds)
    said, causes = "", [""]
    try:
        read = checkpoint.read(feeds / "checkpoint", day.network, DAY, Quarantine())
        causes = [read.passes.to_csv(), str(read.sites)]
    except TrafficBrainError as error:
        said, causes = str(error), traceback.format_exception(error)
    assert "\n" not in said
    assert_no_plate(said + "".join(causes))


def _as_csv(feeds: Path, name: str, *, header: bool) -> None:
    lines = ["site_id,time,plate"] if header else []
    lines += [f'"{plate},2026-03-02T07:00:00+08:00,K1' for plate in PLATES]
    (feeds / f"{name}.parquet").unlink()
    (feeds / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")


def test_a_day_that_only_plates_fill_is_refused_without_quoting(
    day: SmallDay, feeds: Path, tmp_path: Path
) -> None:
    for table, column in WRONG:
        with_column(feeds / f"{table}.parquet", column, lambda _: True)
    with pytest.raises(DataRefused, match="no usable row") as refused:
        fuse(day.city, feeds, tmp_path)
    assert_no_plate(str(refused.value))
    assert "plate_in_column" in str(refused.value)


def test_tokens_change_with_every_reading_and_stay_inside(day: SmallDay) -> None:
    frames = [
        checkpoint.read(day.feeds / "checkpoint", day.network, DAY, Quarantine()) for _ in range(2)
    ]
    assert frames[0].passes.equals(frames[1].passes)  # numbered in order of sight, not by hash
    assert frames[0].passes["token"].max() < len(frames[0].passes)
    written = everything_in(day.state)
    assert "token" not in written


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("皖A·12345", MASK),
        ("皖a12345", MASK),
        ("皖Ａ・１２３４５", MASK),
        ("车牌皖AD12345过", f"车牌{MASK}过"),
        ("粤B-1234学", MASK),
        ("川A 12345\n川A 12346", f"{MASK} {MASK}"),
        ("路口A1", "路口A1"),
        ("hf_link_12345", "hf_link_12345"),
        ("长江中路", "长江中路"),
    ],
)
def test_masks(text: str, said: str) -> None:
    assert masked(text) == said


def test_long_texts_lose_their_middle() -> None:
    assert len(masked("x" * 10_000 + "end")) < 250
    assert masked("x" * 10_000 + "end").endswith("end")


def test_names_of_columns_are_told_and_cells_are_not() -> None:
    assert names_in_words(["site_id", "A12345", "2026-03-02", "lane2", "皖A·12"]) == (
        "site_id, ..., ..., lane2, 皖A·12"
    )


def test_logging_of_libraries_is_quiet(day: SmallDay, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        checkpoint.read(day.feeds / "checkpoint", day.network, DAY, Quarantine())
    texts = day.feed("checkpoint/passes")["plate"].to_pylist()
    assert not [t for t in np.unique([t for t in texts if t])[:500] if t in caplog.text]
