"""The statistics of a made day are, to the last unit, what DuckDB finds in the same files."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.feeds import fusing, measure, peers
from benchmarks.feeds.city import city
from benchmarks.feeds.making import SOURCES, files_of, make_day, row_count
from traffic_brain.executor import HERE

SCALE, SEED = 0.0005, 3

pytestmark = pytest.mark.skipif(
    find_spec("duckdb") is None, reason="DuckDB is not installed: the extra bench"
)


def test_all_sums_are_duckdb_s(tmp_path: Path) -> None:
    day, ours, theirs = (tmp_path / name for name in ("day", "ours", "theirs"))
    for folder in (ours, theirs):
        folder.mkdir()
    make_day(day, SCALE, SEED, workers=1)
    here = city(SCALE, SEED)
    peers.write_registers(here, day)
    statistics = fusing.statistics_of(here, day, tmp_path / "scratch", HERE)
    fusing.write_state(here, statistics, ours)
    duckdb = peers.DuckDB(2, tmp_path)
    for source in SOURCES:
        files = files_of(day, source)
        duckdb.group(source, day, files, theirs)
        counts = dict(statistics.rows[source])
        assert counts.pop("read") == row_count(files) == sum(counts.values())
        assert counts["duplicate"] > 0.005 * row_count(files)
    assert measure._same_sums(ours, theirs) == dict.fromkeys(SOURCES, True)
