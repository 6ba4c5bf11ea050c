"""Rows of feeds made by hand or at random, their files, and the tasks that read them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.clock import TIME_ZONE, day_start_ms
from traffic_brain.executor import HERE, Engine
from traffic_brain.fusion.statistics.columns import Texts
from traffic_brain.fusion.statistics.day import DayStatistics, Statistics, write
from traffic_brain.fusion.statistics.tasks import Feed, Span
from traffic_brain.progress import Progress, silent

DAY = date(2026, 11, 20)
DAY_MS = day_start_ms(DAY)
Rows = list[dict[str, Any]]
Files = Mapping[str, Sequence[Rows]]

LINKS = ["a", "b", "c"]
PROVIDERS = {f"P{i}": LINKS[i % 3] for i in range(11)}
DETECTORS = [f"D{i}" for i in range(9)]
SITES = [f"S{i}" for i in range(4)]
PLACES = {"internet": LINKS, "police": DETECTORS, "transit": LINKS, "checkpoint": SITES}
TIME = pa.timestamp("ms", TIME_ZONE)
SCHEMAS = {
    "internet": {
        "provider_link_id": pa.dictionary(pa.int32(), pa.string()),
        "time": TIME,
        "speed_kmh": pa.float64(),
        "sample_count": pa.int64(),
    },
    "police": {"detector_id": pa.string(), "time": TIME},
    "transit": {
        "vehicle_id": pa.string(),
        "link_id": pa.string(),
        "time_in": TIME,
        "time_out": TIME,
    },
    "checkpoint": {"site_id": pa.string(), "time": TIME, "plate": pa.string()},
}


def feeds() -> list[Feed]:
    """The registers of the small city."""
    link_of = np.array([LINKS.index(link) for link in PROVIDERS.values()], dtype=np.int32)
    return [
        Feed("internet", Texts.of(list(PROVIDERS)), len(LINKS), place_of=link_of),
        Feed("police", Texts.of(DETECTORS), len(DETECTORS)),
        Feed("transit", Texts.of(LINKS), len(LINKS)),
        Feed("checkpoint", Texts.of(SITES), len(SITES), secret=(7, 11)),
    ]


def write_files(
    folder: Path, files: Files, *, rows_per_group: int = 1_000_000
) -> dict[str, list[Path]]:
    """Parquet files of each source, in their order."""
    paths: dict[str, list[Path]] = {}
    for source, parts in files.items():
        (folder / source).mkdir(parents=True, exist_ok=True)
        for i, rows in enumerate(parts):
            path = folder / source / f"part-{i:03d}.parquet"
            schema = pa.schema(list(SCHEMAS[source].items()))
            table = pa.Table.from_pylist(rows, schema)
            pq.write_table(table, path, row_group_size=rows_per_group)
            paths.setdefault(source, []).append(path)
    return paths


def statistics_of(
    paths: Mapping[str, Sequence[Path]],
    scratch: Path,
    *,
    engine: Engine = HERE,
    range_s: int = 7200,
    parts: int = 1,
    progress: Progress = silent,
) -> Statistics:
    """The statistics of a day whose files come in ``parts``."""
    day = DayStatistics(feeds(), Span.of(DAY, range_s=range_s), scratch, engine)
    try:
        for part in range(parts):
            day.absorb(
                {
                    source: files[len(files) * part // parts : len(files) * (part + 1) // parts]
                    for source, files in paths.items()
                },
                progress,
            )
            if part < parts - 1:
                day.settled()  # what is known by now may be asked at any time
        return day.settled()
    finally:
        day.close()


def bytes_of(statistics: Statistics, out: Path) -> dict[str, bytes]:
    """The files that are written of statistics."""
    out.mkdir()
    write(statistics, PLACES, out)
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def random_files(rng: random.Random, files: int, rows: int, hours: int = 24) -> Files:
    """A day with everything that goes wrong in it, cut into files by the time of arrival."""
    return {
        source: _in_files(rng, [_row(source, rng, hours) for _ in range(rows)], files, hours)
        for source in SCHEMAS
    }


def _in_files(rng: random.Random, rows: Rows, files: int, hours: int) -> list[Rows]:
    """Nearly in the order of time, some late, some early, some twice, far from each other."""
    rows = rows + [dict(rng.choice(rows)) for _ in range(len(rows) // 10)]

    def arrival_ms(row: Mapping[str, Any]) -> float:
        at_ms = row.get("time", row.get("time_in"))
        if at_ms is None or rng.random() < 0.1:
            return DAY_MS + rng.random() * hours * 3_600_000
        return float(at_ms)

    cut: list[Rows] = [[] for _ in range(files)]
    for at_ms, row in sorted(
        ((arrival_ms(row), row) for row in rows), key=lambda arrived: arrived[0]
    ):
        part = int((at_ms - DAY_MS) / (hours * 3_600_000) * files)
        cut[min(max(part, 0), files - 1)].append(row)
    return cut


def _row(source: str, rng: random.Random, hours: int) -> dict[str, Any]:
    at_ms: int | None = DAY_MS + rng.randrange(hours * 3600) * 1000
    at_ms = rng.choice([at_ms] * 20 + [None, DAY_MS - 1, DAY_MS + 86_400_000])
    if source == "internet":
        on_step = at_ms is not None and rng.random() < 0.8
        return {
            "provider_link_id": rng.choice([*PROVIDERS, *PROVIDERS, "P?", None]),
            "time": at_ms // 60_000 * 60_000 if on_step and at_ms is not None else at_ms,
            "speed_kmh": rng.choice([0.0, 12.3, 50.0, 99.9, 150.0, 150.1, -1.0, None, float("inf")])
            if rng.random() < 0.5
            else round(rng.random() * 80, 1),
            "sample_count": rng.choice([1, 2, 5, 12, 1000, 1001, 0, -3, None, 2**40]),
        }
    if source == "police":
        return {"detector_id": rng.choice([*DETECTORS, "D?", None]), "time": at_ms}
    if source == "transit":
        left = None if at_ms is None else at_ms + rng.choice([-1, 0, 40_000, 90_000, 4_000_000])
        return {
            "vehicle_id": rng.choice(["bus 1", "bus 2", "bus 3", None]),
            "link_id": rng.choice([*LINKS, "?"]),
            "time_in": at_ms,
            "time_out": rng.choice([left, left, left, None]),
        }
    return {
        "site_id": rng.choice([*SITES, *SITES, "S?"]),
        "time": at_ms,
        "plate": rng.choice([*(f"皖A{i:05d}" for i in range(5)), "?", None]),
    }
