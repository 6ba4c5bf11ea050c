"""DuckDB and Polars on the same files: only the group-by with de-duplication.

They are told which rows are bad by conditions that suit the files exactly, know nothing of an
event's range, of engines, health or pairs of cameras, and are not asked to make tokens of plates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feeds.city import City
from benchmarks.feeds.making import DAY_MS, HOUR_MS, HOURS, LATEST_S

DAY_END_MS = DAY_MS + 86_400_000
MM_PER_S = 1000.0 / 3.6


PART_BYTES = 150_000_000
"""Of files that Polars takes at a time."""


def available_bytes() -> int:
    """Memory that the machine can give without swapping."""
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 8_000_000_000


def _bytes(path: Path) -> int:
    return path.stat().st_size


class Peer(Protocol):
    """Groups one source after the other."""

    def group(self, source: str, folder: Path, files: Sequence[Path], out: Path) -> None:
        """Write the sums of a source as ``out/<source>.parquet``, one row per bin and place."""
        ...


def write_registers(here: City, folder: Path) -> None:
    """Write what the peers join: provider links with their links, and the known devices."""
    names = here.names()
    link_of = [names["link"][i] for i in here.link_of_provider.tolist()]
    tables = {
        "internet": {"device": names["provider"], "place_id": link_of},
        "police": {"device": names["detector"], "place_id": names["detector"]},
        "transit": {"device": names["link"], "place_id": names["link"]},
        "checkpoint": {"device": names["site"], "place_id": names["site"]},
    }
    for source, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{source}-register.parquet")


_WHERE = f"epoch_ms(time) >= {DAY_MS} AND epoch_ms(time) < {DAY_END_MS}"
_BIN = f"((epoch_ms(time) - {DAY_MS}) // 300000 * 300)::INTEGER AS bin_start_s"
_SQL = {
    "internet": f"""
        SELECT {_BIN}, place_id, count(*) AS rows, sum(samples)::BIGINT AS samples,
            sum(samples * speed)::BIGINT AS speed_sum,
            sum(samples * speed * speed)::BIGINT AS speed2_sum,
            sum(samples * pace)::BIGINT AS pace_sum, sum(samples * pace * pace)::BIGINT AS pace2_sum
        FROM (
            SELECT device, time, samples, speed,
                floor(1e9 / greatest(speed, 300) + 0.5)::BIGINT AS pace
            FROM (
                SELECT provider_link_id AS device, time,
                    any_value(sample_count)::BIGINT AS samples,
                    floor(any_value(speed_kmh) * {MM_PER_S!r} + 0.5)::BIGINT AS speed
                FROM read_parquet($files)
                WHERE {_WHERE} AND speed_kmh >= 0 AND speed_kmh <= 150 AND sample_count > 0
                GROUP BY provider_link_id, time
            )
        ) JOIN read_parquet($register) USING (device)
        GROUP BY ALL""",
    "police": f"""
        SELECT {_BIN}, place_id, count(*) AS passes
        FROM (SELECT DISTINCT detector_id AS device, time FROM read_parquet($files) WHERE {_WHERE})
        JOIN read_parquet($register) USING (device)
        GROUP BY ALL""",
    "transit": f"""
        SELECT {_BIN}, place_id, count(*) AS traversals, sum(travel)::BIGINT AS travel_sum,
            sum(travel * travel)::BIGINT AS travel2_sum,
            sum(floor(1e12 / travel + 0.5)::BIGINT)::BIGINT AS rate_sum
        FROM (
            SELECT link_id AS device, time_in AS time,
                greatest(epoch_ms(any_value(time_out)) - epoch_ms(time_in), 1) AS travel
            FROM read_parquet($files)
            WHERE {_WHERE.replace("time", "time_in")} AND time_out >= time_in
            GROUP BY vehicle_id, link_id, time_in
        ) JOIN read_parquet($register) USING (device)
        GROUP BY ALL""",
    "checkpoint": f"""
        SELECT {_BIN}, place_id, count(*) AS passes
        FROM (
            SELECT site_id AS device, time, lag(time) OVER (
                PARTITION BY plate, site_id ORDER BY time) AS before
            FROM read_parquet($files) WHERE {_WHERE} AND plate NOT LIKE '?%'
        ) JOIN read_parquet($register) USING (device)
        WHERE before IS NULL OR epoch_ms(time) - epoch_ms(before) >= 10000
        GROUP BY ALL""",
}


class DuckDB:
    """DuckDB with as many threads as the product has processes."""

    def __init__(self, threads: int, scratch: Path) -> None:
        import duckdb

        self._connection = duckdb.connect()
        self._connection.execute(f"SET threads = {threads}")
        self._connection.execute(f"SET memory_limit = '{available_bytes() // 2}B'")
        self._connection.execute(f"SET temp_directory = '{scratch / 'spill'}'")
        self._connection.execute("SET preserve_insertion_order = false")

    def group(self, source: str, folder: Path, files: Sequence[Path], out: Path) -> None:
        """As `Peer`."""
        values = {
            "files": [str(path) for path in files],
            "register": str(folder / f"{source}-register.parquet"),
        }
        table: Any = self._connection.sql(_SQL[source], params=values).to_arrow_table()
        pq.write_table(table.sort_by(_ORDER), out / f"{source}.parquet")


_ORDER = [("bin_start_s", "ascending"), ("place_id", "ascending")]


class Polars:
    """Polars with its streaming engine."""

    def group(self, source: str, folder: Path, files: Sequence[Path], out: Path) -> None:
        """As `Peer`."""
        import polars as pl

        parts = [
            self._sums_of(pl, source, folder, some, begin_ms, end_ms)
            for some, begin_ms, end_ms in self._parts(source, files)
        ]
        found = pl.concat(parts).sort("bin_start_s", "place_id")
        found.write_parquet(out / f"{source}.parquet")

    def _parts(
        self, source: str, files: Sequence[Path]
    ) -> Iterator[tuple[Sequence[Path], int, int]]:
        """The day in parts that fit into memory, with the files in which late rows may be.

        A whole day of rows takes more than 20 GB. What is read twice costs little beside the rest.
        Cameras are not cut: a repeat may follow across a border.
        """
        count = 1 if source == "checkpoint" else max(1, round(sum(map(_bytes, files)) / PART_BYTES))
        hours = [round(HOURS * i / count) for i in range(count + 1)]
        for begin, end in pairwise(hours):
            last = end + LATEST_S // 3600 + 1
            yield files[begin:last], DAY_MS + begin * HOUR_MS, DAY_MS + end * HOUR_MS

    def _sums_of(
        self, pl: Any, source: str, folder: Path, files: Sequence[Path], begin_ms: int, end_ms: int
    ) -> Any:
        at_ms = pl.col("time").dt.epoch("ms")
        rows = pl.scan_parquet([str(path) for path in files])
        if source == "transit":
            rows = rows.rename({"time_in": "time"})
        rows = rows.filter((at_ms >= begin_ms) & (at_ms < end_ms))
        register = pl.scan_parquet(folder / f"{source}-register.parquet")
        # the files tell that ids are few: Polars reads them as categories, which is quicker
        register = register.with_columns(pl.col("device").cast(pl.Categorical))
        once = getattr(self, f"_{source}")(pl, rows, at_ms)
        bin_start_s = ((at_ms - DAY_MS) // 300_000 * 300).cast(pl.Int32).alias("bin_start_s")
        return (
            once.join(register, on="device")
            .with_columns(bin_start_s)
            .group_by("bin_start_s", "place_id")
            .agg(*self._figures(pl, source))
            .collect(engine="streaming")
        )

    @staticmethod
    def _internet(pl: Any, rows: Any, at_ms: Any) -> Any:  # noqa: ARG004
        kmh, samples = pl.col("speed_kmh"), pl.col("sample_count")
        speed = (kmh * MM_PER_S + 0.5).floor().cast(pl.Int64)
        return (
            rows.filter((kmh >= 0) & (kmh <= 150) & (samples > 0))
            .unique(["provider_link_id", "time"], keep="any")
            .select(
                pl.col("provider_link_id").alias("device"),
                pl.col("time"),
                samples.cast(pl.Int64).alias("samples"),
                speed.alias("speed"),
            )
            .with_columns(
                (1e9 / pl.max_horizontal("speed", 300) + 0.5).floor().cast(pl.Int64).alias("pace")
            )
        )

    @staticmethod
    def _police(pl: Any, rows: Any, at_ms: Any) -> Any:  # noqa: ARG004
        return rows.select(pl.col("detector_id").alias("device"), "time").unique(keep="any")

    @staticmethod
    def _transit(pl: Any, rows: Any, at_ms: Any) -> Any:
        travel = pl.col("time_out").dt.epoch("ms") - at_ms
        return (
            rows.filter(travel >= 0)
            .unique(["vehicle_id", "link_id", "time"], keep="any")
            .select(
                pl.col("link_id").alias("device"),
                pl.col("time"),
                pl.max_horizontal(travel, 1).alias("travel"),
            )
        )

    @staticmethod
    def _checkpoint(pl: Any, rows: Any, at_ms: Any) -> Any:
        since = at_ms.diff().over("plate", "site_id", order_by="time")
        return (
            rows.filter(~pl.col("plate").str.starts_with("?"))
            .select("plate", "site_id", "time")
            .filter(since.is_null() | (since >= 10_000))
            .select(pl.col("site_id").alias("device"), "time")
        )

    @staticmethod
    def _figures(pl: Any, source: str) -> list[Any]:
        if source == "internet":
            samples, speed, pace = (pl.col(name) for name in ("samples", "speed", "pace"))
            return [
                pl.len().alias("rows"),
                samples.sum().alias("samples"),
                (samples * speed).sum().alias("speed_sum"),
                (samples * speed * speed).sum().alias("speed2_sum"),
                (samples * pace).sum().alias("pace_sum"),
                (samples * pace * pace).sum().alias("pace2_sum"),
            ]
        if source == "transit":
            travel = pl.col("travel")
            rate = (1e12 / travel + 0.5).floor().cast(pl.Int64)
            return [
                pl.len().alias("traversals"),
                travel.sum().alias("travel_sum"),
                (travel * travel).sum().alias("travel2_sum"),
                rate.sum().alias("rate_sum"),
            ]
        return [pl.len().alias("passes")]
