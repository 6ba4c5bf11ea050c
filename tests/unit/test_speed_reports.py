"""A provider's reports, read in parts: what a dictionary finds, whoever reads which part."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import network, road
from traffic_brain.clock import TIME_ZONE, day_start_ms
from traffic_brain.executor import HERE, Engine
from traffic_brain.feeds import internet, speed_reports
from traffic_brain.feeds.quarantine import Quarantine

DAY = date(2026, 11, 20)
LINKS = ["a-b", "b-c", "c-d"]
PLACES = {name: (200.0 * i, 0.0) for i, name in enumerate("abcd")}
CITY = network([road(link[0], link[-1], PLACES) for link in LINKS], {})
LINK_OF = {f"P{i}": LINKS[i % 3] for i in range(8)}
SCHEMA = pa.schema(
    {
        "provider_link_id": pa.string(),
        "time": pa.timestamp("ms", TIME_ZONE),
        "interval_s": pa.int64(),
        "speed_kmh": pa.float64(),
        "sample_count": pa.int64(),
    }
)
Row = dict[str, Any]


def rows(rng: random.Random, count: int) -> list[Row]:
    """Reports of a morning, one in ten of them twice, some late and some bad."""
    found = []
    for i in range(count):
        at_ms = day_start_ms(DAY) + i * 4 * 3_600_000 // count // 60_000 * 60_000
        if rng.random() < 0.1:
            at_ms -= rng.randrange(120) * 60_000
        row = {
            "provider_link_id": rng.choice([*LINK_OF, *LINK_OF, "P?", None]),
            "time": rng.choice([at_ms] * 20 + [None, at_ms + 86_400_000 * 3]),
            "interval_s": rng.choice([60] * 20 + [120, 0, None, 10**9]),
            "speed_kmh": rng.choice([round(rng.random() * 160, 1)] * 20 + [None, -1.0]),
            "sample_count": rng.choice([*range(1, 12), 0, None, 2**40]),
        }
        found += [row] * (1 + (rng.random() < 0.1))
    return found


def write(folder: Path, parts: list[list[Row]]) -> Path:
    (folder / "speeds").mkdir(parents=True)
    register = {"provider_link_id": list(LINK_OF), "link_id": list(LINK_OF.values())}
    pq.write_table(pa.table(register), folder / "links.parquet")
    for i, part in enumerate(parts):
        path = folder / "speeds" / f"part-{i}.parquet"
        pq.write_table(pa.Table.from_pylist(part, SCHEMA), path, row_group_size=50)
    return folder


def twin(all_rows: list[Row]) -> tuple[dict[tuple[str, float, int], list[float]], int]:
    """(link, s, interval) -> samples and mean speed; and how many rows are good."""
    seen = set()
    sums: dict[tuple[str, float, int], list[float]] = defaultdict(lambda: [0, 0.0])
    begin = day_start_ms(DAY)
    for row in all_rows:
        provider, at_ms, interval, kmh, samples = row.values()
        if provider not in LINK_OF or at_ms is None or not 0 <= at_ms - begin < 86_400_000:
            continue
        if not 0 < (interval or 0) <= 86_400 or not 0 < (samples or 0) <= 1000:
            continue
        if kmh is None or not 0 <= kmh <= 150 or (provider, at_ms) in seen:
            continue
        seen.add((provider, at_ms))
        cell = sums[LINK_OF[provider], (at_ms - begin) / 1000, interval]
        cell[0] += samples
        cell[1] += samples * kmh / 3.6
    return {key: [n, driven / n] for key, (n, driven) in sums.items()}, len(seen)


def found(
    folder: Path, engine: Engine = HERE, scratch: Path | None = None
) -> tuple[pd.DataFrame, Quarantine]:
    quarantine = Quarantine()
    day = internet.read(folder, CITY, DAY, quarantine, engine=engine, scratch=scratch)
    used = len(day.speeds) + day.added_up + len(day.links)
    assert day.rows_read == used + quarantine.total
    return day.speeds, quarantine


@pytest.mark.parametrize("seed", range(3))
def test_reports_of_one_link_and_interval_are_added_up(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed_reports, "SHARE_PIECES", 2)
    monkeypatch.setattr(speed_reports, "PART_ROWS", 70)
    all_rows = rows(random.Random(seed), 600)
    cuts = [0, 170, 171, 400, len(all_rows)]
    parts = [all_rows[a:b] for a, b in pairwise(cuts)]
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    speeds, quarantine = found(write(tmp_path / "internet", parts), scratch=scratch)
    assert not list(scratch.iterdir()), "nothing is left behind"
    expected, good = twin(all_rows)
    told = {(r.link_id, r.time_s, r.interval_s): r for r in speeds.itertuples()}
    assert told.keys() == expected.keys()
    for key, (samples, speed_mps) in expected.items():
        assert told[key].sample_count == samples
        assert told[key].speed_mps == pytest.approx(speed_mps, rel=1e-12)
    assert list(speeds["time_s"]) == sorted(speeds["time_s"])
    assert quarantine.rows_read_of("internet") == len(all_rows) + len(LINK_OF)
    assert quarantine.total == len(all_rows) - good
    assert Counter(twin([*all_rows, *all_rows])[0]) == Counter(expected)


def test_a_lone_report_keeps_its_speed_to_the_last_bit(tmp_path: Path) -> None:
    row = dict(zip(SCHEMA.names, ("P1", day_start_ms(DAY), 60, 33.3, 7), strict=True))
    speeds, _ = found(write(tmp_path / "internet", [[row]]))
    assert list(speeds["speed_mps"]) == [33.3 / 3.6]


def test_processes_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    all_rows = rows(random.Random(9), 300)
    folder = write(tmp_path / "internet", [all_rows[:100], all_rows[100:]])
    here, counted = found(folder)
    monkeypatch.setattr(speed_reports, "SMALL_BYTES", 0)
    spread, also = found(folder, Engine(workers=2))
    pd.testing.assert_frame_equal(here, spread, check_exact=True)
    assert counted.as_table() == also.as_table()
