"""Malformed service days: every row in the result or in quarantine, no traceback, and no plate.

A small sound day of all four feeds is damaged at random, reproducibly: case 17 of seed 5 is the
same on every machine. Cells (wrong kinds, absurd values, plates in wrong columns), rows, columns,
files (Parquet of wrong types, CSV in mixed encodings, torn gzip, bombs, noise) and column maps.
Then all feeds are read and their devices examined; every ``--whole``-th case is fused.

A case fails where anything but ``DataRefused`` or ``ConfigurationError`` is raised, an error has
many lines or no remedy, a plate stands in an error, its causes, a table or a written file, a row
is neither used nor counted, or it needs more than ``LIMIT_S`` of CPU time.

    python -m benchmarks.fuzz_feeds [--cases 20000] [--first 0] [--seed 1] [--whole 40]
                                    [--json FILE] [--keep FOLDER]

Exit code 1: some cases failed; each is told with the command that runs it alone.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import FrameType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.fuzz.damage import (
    STRANGE,
    Rows,
    column_lost,
    cut_off,
    damaged_bytes,
    no_row,
    other_cell,
    row_again,
    shuffled,
    some_cell,
    strange_cell,
)
from benchmarks.fuzz.judge import time_limit
from network_data.city import save_city
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.clock import day_start_ms
from traffic_brain.errors import ConfigurationError, DataRefused, TrafficBrainError
from traffic_brain.feeds import checkpoint, internet, police, transit
from traffic_brain.feeds.health import examine
from traffic_brain.feeds.layout import INTEGER, LAYOUT, NUMBER, TIME
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.model.network import RoadNetwork

LIMIT_S = 20.0
DAY = date(2026, 3, 2)
HUGE = 300_000
Tables = dict[str, Rows]
"""``feed/table`` -> rows of texts, the header first."""
Files = dict[str, bytes]
"""Path below the day -> content."""

STRANGE_CELLS = (
    *STRANGE,
    *("2026-03-02", "2026-02-30T00:00:00+08:00", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
    *("2026-03-02 07:00:00", "07:00:00", "1772406000", "1772406000000", "-62135596800", "24:00"),
    *("2026-03-02T07:00:00+99:00", "2026-03-02T07:00:00.1234567891+08:00", "NaT", "NULL", "null"),
    *("1e308", "-1e308", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("3.5", "3,5", "3.0", "١٢٣", "0x1F", "=SUM(A1)", "\ufeff", "\u202e", "a\tb", 'a"b', '"', "'"),
    *("LINESTRING (0 0, 1 1)", "117.2,31.8;117.3,31.9", "ok", "fault", "manual"),
)
"""What devices, exports and tired people put into cells."""


# --- a sound day --------------------------------------------------------------------------------


def city() -> RoadNetwork:
    """Three roads and two signals."""
    places = {"a": (0.0, 0.0), "b": (200.0, 0.0), "c": (400.0, 0.0), "d": (600.0, 0.0)}
    roads = [
        road("a", "b", places, junction_id="b"),
        road("b", "c", places, junction_id="c"),
        road("c", "d", places),
    ]
    plans = [two_stage_plan(junction, groups=1) for junction in ("b", "c")]
    return network(roads, through("a-b", "b-c", "c-d"), plans)


def plates_of(rng: random.Random, count: int) -> list[str]:
    """Plates in all their spellings."""
    found = []
    for _ in range(count):
        letters = "".join(
            rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=rng.choice((5, 5, 6)))
        )
        separator = rng.choice(("·", "·", "", "-", " ", "."))
        found.append(f"{rng.choice('皖皖皖豫沪京苏渝')}{rng.choice('ABCDEKN')}{separator}{letters}")
    return found


def sound(rng: random.Random, plates: Sequence[str]) -> Tables:
    """A quarter of an hour of all feeds."""
    start_ms = day_start_ms(DAY) + 7 * 3_600_000

    def at(second: float) -> str:
        moment = pd.Timestamp(start_ms + round(second * 1000), unit="ms", tz="UTC")
        return str(moment.tz_convert("Asia/Shanghai").isoformat(timespec="milliseconds"))

    seconds = sorted(rng.uniform(0, 900) for _ in range(30))
    return {
        "police/detectors": [
            ["detector_id", "junction_id", "link_id", "lane_idx", "position_m"],
            ["D1", "b", "a-b", "0", "190.5"],
            ["D2", "c", "b-c", "0", "190.5"],
        ],
        "police/passes": [
            ["detector_id", "time"],
            *([rng.choice(("D1", "D2")), at(s)] for s in seconds),
        ],
        "police/counts": [
            ["detector_id", "time", "interval_s", "count"],
            *(
                [d, at(s), "300", str(rng.randrange(9))]
                for d in ("D1", "D2")
                for s in (0, 300, 600)
            ),
        ],
        "police/signal_log": [
            ["junction_id", "time", "plan_id", "interval_idx", "picture"],
            *(
                [junction, at(10 * i), "1", str(i % 4), ("G", "y", "r", "r")[i % 4]]
                for junction in ("b", "c")
                for i in range(30)
            ),
        ],
        "checkpoint/sites": [["site_id", "link_id"], ["K1", "a-b"], ["K2", "b-c"]],
        "checkpoint/passes": [
            ["site_id", "time", "plate"],
            *(
                [site, at(s + later), plate]
                for s, plate in zip(seconds, plates, strict=False)
                for site, later in (("K1", 0), ("K2", 25))
            ),
        ],
        "internet/links": [["provider_link_id", "link_id"], ["P1", "a-b"], ["P2", "b-c"]],
        "internet/speeds": [
            ["provider_link_id", "time", "interval_s", "speed_kmh", "sample_count"],
            *(
                [link, at(120 * i), "120", f"{rng.uniform(5, 40):.1f}", str(rng.randrange(1, 9))]
                for link in ("P1", "P2")
                for i in range(7)
            ),
        ],
        "transit/passes": [
            ["vehicle_id", "line", "link_id", "time_in", "time_out"],
            *([f"bus {i}", "10", "a-b", at(60 * i), at(60 * i + 30)] for i in range(5)),
        ],
    }


COLUMN_MAP = """
[police.passes]
file = "gcjl"
time_zone = "Asia/Shanghai"
[police.passes.columns]
detector_id = { name = "detector_id", without_prefix = "hf", codes = { D1 = "D1", D2 = "D2" } }
[internet.speeds.columns]
speed_kmh = { name = "speed_kmh", unit = "mph" }
interval_s = { value = 120 }
[checkpoint.sites]
coordinates = "GCJ-02"
[checkpoint.sites.columns]
link_id = "road"
x = "site_id"
y = "link_id"
"""


# --- damage -------------------------------------------------------------------------------------


def plate_somewhere(plates: Sequence[str]) -> Callable[[Rows, random.Random], None]:
    """A plate, or a text with one, in any cell of a table, its header too."""

    def damage(rows: Rows, rng: random.Random) -> None:
        if cell := some_cell(rows, rng):
            plate = rng.choice(plates)
            kinds = (plate, plate, f"车牌:{plate}", f" {plate.lower()} ", f"{plate}学", f'"{plate}')
            cell[0][cell[1]] = rng.choice(kinds)

    return damage


def plate_column(plates: Sequence[str]) -> Callable[[Rows, random.Random], None]:
    """Plates all down a column."""

    def damage(rows: Rows, rng: random.Random) -> None:
        idx = rng.randrange(6)
        for row in rows[rng.choice((0, 1, 1, 1)) :]:
            if len(row) > idx:
                row[idx] = rng.choice(plates)

    return damage


def strange_column(rows: Rows, rng: random.Random) -> None:
    """The same nonsense all down a column."""
    idx, text = rng.randrange(6), rng.choice(STRANGE_CELLS)
    for row in rows[1:]:
        if len(row) > idx:
            row[idx] = text


def huge_cell(rows: Rows, rng: random.Random) -> None:
    """Somebody pasted a file into a cell."""
    if cell := some_cell(rows, rng):
        cell[0][cell[1]] = rng.choice(("x", "9", "a,", '"', " ", "路", "皖A12345 ")) * HUGE


def columns_moved(rows: Rows, rng: random.Random) -> None:
    """Two columns change places, with or without their names."""
    if rows and len(rows[0]) > 1:
        a, b = rng.sample(range(len(rows[0])), 2)
        for row in rows[rng.choice((0, 1)) :]:
            if len(row) > max(a, b):
                row[a], row[b] = row[b], row[a]


def header_lost(rows: Rows, _: random.Random) -> None:
    """The table begins with its first row."""
    del rows[:1]


def damages(plates: Sequence[str]) -> tuple[Callable[[Rows, random.Random], None], ...]:
    """What may happen to a table, likely things several times."""
    plate, column = plate_somewhere(plates), plate_column(plates)
    strange, lost = strange_cell(STRANGE_CELLS), column_lost(6)
    return (
        *(strange, strange, strange, plate, plate, column, strange_column, other_cell, shuffled),
        *(no_row, row_again, cut_off, huge_cell, columns_moved, lost, header_lost),
    )


# --- files --------------------------------------------------------------------------------------


def as_csv(rows: Rows, rng: random.Random) -> bytes:
    """A CSV file in one of the ways departments write it, or in several at once."""
    delimiter = rng.choice((",", ",", ",", ";", "\t")) if rng.random() < 0.98 else "|"
    end = rng.choice(("\n", "\n", "\r\n", "\r"))
    careful = rng.random() < 0.7
    lines = []
    for row in rows:
        cells = [
            '"' + c.replace('"', '""') + '"' if careful and (delimiter in c or '"' in c) else c
            for c in row
        ]
        lines.append(delimiter.join(cells) + end)
    mixes = (("utf-8",), ("utf-8", "gb18030"), ("gb18030",), ("utf-16",), ("latin-1",))
    (codes,) = rng.choices(mixes, weights=(30, 5, 8, 1, 1))
    mark = b"\xef\xbb\xbf" if rng.random() < 0.1 else b""
    return mark + b"".join(line.encode(rng.choice(codes), "replace") for line in lines)


def as_gzip(content: bytes, rng: random.Random) -> bytes:
    """Packed well, torn, twice, or a bomb."""
    kind = rng.random()
    if kind < 0.6:
        return gzip.compress(content, mtime=0)
    if kind < 0.8:
        packed = gzip.compress(content, mtime=0)
        return packed[: rng.randrange(len(packed))]
    if kind < 0.9:
        return gzip.compress(gzip.compress(content, mtime=0), mtime=0)
    filler = rng.choice((b"\0", b"\n", b"a", b",", b'"', b"1,2\n"))
    return _bomb(content, filler)


_BOMBS: dict[bytes, bytes] = {}


def _bomb(content: bytes, filler: bytes) -> bytes:
    """A file that swells to a hundred megabytes, as a second member of a gzip file."""
    if filler not in _BOMBS:
        _BOMBS[filler] = gzip.compress(filler * (100_000_000 // len(filler)), 9, mtime=0)
    return gzip.compress(content, mtime=0) + _BOMBS[filler]


def as_parquet(rows: Rows, kinds: Mapping[str, str], rng: random.Random) -> bytes:
    """A Parquet file with the right types, with wrong ones, or a bomb."""
    if not rows or not rows[0]:
        return b"PAR1"
    columns, names = [], rows[0]
    for i, name in enumerate(names):
        texts = [row[i] if len(row) > i else None for row in rows[1:]]
        wrong = rng.random() < 0.02
        columns.append(_wrong(texts, rng) if wrong else _right(texts, kinds.get(name), rng))
    out = io.BytesIO()
    table = pa.Table.from_arrays(columns, names=names)
    if rng.random() < 0.002 and table.num_rows:
        table = table.take(pa.array(np.zeros(2_000_000, np.int64)))
    pq.write_table(
        table,
        out,
        row_group_size=rng.choice((1 << 20, 7)) if table.num_rows < 1000 else 1 << 20,
        use_dictionary=rng.random() < 0.8,
        compression=rng.choice(("snappy", "zstd", "none", "gzip")),
    )
    return out.getvalue()


def _right(texts: list[str | None], kind: str | None, rng: random.Random) -> pa.Array:
    if kind == INTEGER:
        return pa.array(pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64)).cast(
            rng.choice((pa.float64(), pa.float32())), safe=False
        )
    if kind == NUMBER:
        return pa.array(pd.to_numeric(pd.Series(texts), errors="coerce").to_numpy(np.float64))
    if kind == TIME:
        times = pd.to_datetime(pd.Series(texts), errors="coerce", utc=True, format="ISO8601")
        unit = rng.choice(("ms", "us", "ns", "s"))
        zone = rng.choice(("Asia/Shanghai", "UTC", "+08:00")) if rng.random() < 0.97 else None
        return pa.Array.from_pandas(times).cast(pa.timestamp(unit, zone), safe=False)
    column = pa.array(texts, pa.string())
    return column.dictionary_encode() if rng.random() < 0.3 else column


def _wrong(texts: list[str | None], rng: random.Random) -> pa.Array:
    count = len(texts)
    whole = np.arange(count)
    made: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(texts, pa.string()),
        lambda: pa.array([t and t.encode("gb18030") for t in texts], pa.binary()),
        lambda: pa.array([t and t.encode("gb18030") for t in texts], pa.binary()).view(pa.string()),
        lambda: pa.nulls(count),
        lambda: pa.array([[t] for t in texts]),
        lambda: pa.array([{"a": t} for t in texts]),
        lambda: pa.array(whole % 2 == 0),
        lambda: pa.array(whole.astype(np.int32)).cast(pa.date32()),
        lambda: pa.array(whole, pa.uint64()),
        lambda: pa.array(whole * 1e300),
        lambda: pa.array(np.full(count, np.nan)),
        lambda: pa.array(whole, pa.int64()).cast(pa.duration("s")),
        lambda: pa.array(whole, pa.int64()).cast(pa.decimal128(30, 3)),
        lambda: pa.array(whole, pa.int64()).cast(pa.time64("us")),
        lambda: pa.array(["x" * 100_000] * count).dictionary_encode(),
    )
    return rng.choice(made)()


def files_of(tables: Tables, rng: random.Random, plates: Sequence[str]) -> Files:
    """A service day as files, some of them damaged."""
    files: Files = {}
    packed = rng.random() < 0.08
    for name, rows in tables.items():
        feed, table = name.split("/")
        kinds = {**LAYOUT[feed][table].required, **LAYOUT[feed][table].optional}
        form = rng.choice((".parquet", ".csv", ".csv", ".csv.gz"))
        made = as_parquet(rows, kinds, rng) if form == ".parquet" else as_csv(rows, rng)
        if form == ".csv.gz":
            made = as_gzip(made, rng) if packed else gzip.compress(made, mtime=0)
        if rng.random() < 0.9:
            files[f"{name}{form}"] = made
        else:
            files[f"{name}/part-0{form}"] = made
            files[f"{name}/part-1.csv"] = as_csv(rows, rng)
    if rng.random() < 0.15:
        text = COLUMN_MAP.encode()
        place = rng.choice(("columns.toml", "police/columns.toml", "internet/columns.toml"))
        files[place] = damaged_bytes(text, rng) if rng.random() < 0.5 else text
    for _ in range(rng.choice((0, 0, 0, 1, 2))):
        path = rng.choice(sorted(files))
        files[path] = _other_content(files, path, rng, plates)
    if rng.random() < 0.03:
        del files[rng.choice(sorted(files))]
    return files


def _other_content(files: Files, path: str, rng: random.Random, plates: Sequence[str]) -> bytes:
    kind = rng.random()
    if kind < 0.7:
        return damaged_bytes(files[path], rng)
    if kind < 0.8:
        return rng.choice((b"", b"\n", b"\xef\xbb\xbf", b"\0" * 99, rng.choice(plates).encode()))
    if kind < 0.9:
        return files[rng.choice(sorted(files))]
    return rng.randbytes(rng.choice((9, 900, 90_000)))


# --- the judge ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case."""

    verdict: str
    """``read``, ``refused``, or how it failed."""
    detail: str
    seconds: float

    @property
    def failed(self) -> bool:
        return self.verdict not in ("read", "refused")


class Leak(Exception):
    """A plate where none may be."""


class Lost(Exception):
    """Rows that are neither used nor counted."""


def made(number: int, seed: int) -> tuple[Files, list[str]]:
    """Case ``number`` of a seed: its files, and the plates in it."""
    rng = random.Random(f"feeds/{seed}/{number}")
    plates = plates_of(rng, 12)
    tables = sound(rng, plates * 3)
    can = damages(plates)
    for _ in range(rng.choice((0, 1, 1, 2, 3, 6))):
        rng.choice(can)(tables[rng.choice(sorted(tables))], rng)
    return files_of(tables, rng, plates), plates


def case(number: int, seed: int, folder: Path, *, whole: bool, limit_s: float = LIMIT_S) -> Outcome:
    """Read a case inside of ``folder``, which is emptied before."""
    files, plates = made(number, seed)
    shutil.rmtree(folder, ignore_errors=True)
    day = folder / str(DAY)
    for name, content in files.items():
        (day / name).parent.mkdir(parents=True, exist_ok=True)
        (day / name).write_bytes(content)
    day.mkdir(parents=True, exist_ok=True)
    needles = _needles(plates)
    said = io.StringIO()
    started_s = time.process_time()
    try:
        with (
            time_limit(limit_s),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            verdict, detail = _read(day, folder / "out", needles, whole=whole)
        _scan(said.getvalue(), needles, "what was printed")
    except Exception as error:  # noqa: BLE001 -- whatever it is, it is the finding
        kind = {Leak: "leak", Lost: "lost", TimeoutError: "hang"}.get(type(error), "traceback")
        verdict, detail = kind, traceback.format_exc()
    seconds = time.process_time() - started_s
    return Outcome("hang" if seconds > limit_s else verdict, detail, seconds)


def _read(day: Path, out: Path, needles: Sequence[str], *, whole: bool) -> tuple[str, str]:
    net = city()
    refused = []
    read: dict[str, object] = {}
    for feed in (police, checkpoint, internet, transit):
        quarantine = Quarantine()
        try:
            found = feed.read(day / feed.FEED, net, DAY, quarantine)
        except (DataRefused, ConfigurationError) as error:
            _scan_error(error, needles)
            refused.append(str(error))
            continue
        tables = {k: v for k, v in vars(found).items() if isinstance(v, pd.DataFrame)}
        used = sum(map(len, tables.values()))
        used += sum(len(v) for v in vars(found).values() if isinstance(v, dict))
        used += getattr(found, "added_up", 0)
        _scan(quarantine.as_table().to_pylist(), needles, "the quarantine")
        for name, table in tables.items():
            _scan(table.reset_index().to_csv(), needles, f"{feed.FEED} {name}")
        _count(day, feed.FEED, found.rows_read, used, quarantine)
        read[feed.FEED] = found
    if len(read) == 4:
        health = examine(read["police"], read["checkpoint"], read["internet"], net)  # type: ignore[arg-type]
        _scan([finding.row() for finding in health.findings], needles, "the health report")
        if whole:
            refused += _fuse(net, day, out, needles)
    return ("refused", refused[0]) if refused else ("read", "")


def _count(day: Path, feed: str, rows_read: int, used: int, quarantine: Quarantine) -> None:
    refused = quarantine.rows_of(feed)
    if rows_read != used + refused:
        raise Lost(f"{feed}: {rows_read} read, {used} used, {refused} refused")
    if list(day.rglob("columns.toml")):
        return  # it may name other files
    files = [
        path
        for table in LAYOUT[feed]
        for path in [*(day / feed).glob(f"{table}.*"), *(day / feed / table).glob("*.*")]
    ]
    delivered = sum(map(_rows_in, files))
    if rows_read != delivered:
        raise Lost(f"{feed}: {delivered} delivered, {rows_read} read")


def _rows_in(path: Path) -> int:
    """Rows of a file, counted another way than the reader does."""
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    content = path.read_bytes()
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    lines = [line for line in content.replace(b"\r", b"\n").split(b"\n") if line]
    return len(lines) - 1


def _fuse(net: RoadNetwork, day: Path, out: Path, needles: Sequence[str]) -> list[str]:
    """Fuse the day and look at all that is written."""
    from traffic_brain.fusion.fuse import fuse

    folder, state = out / "city", out / "state"
    folder.mkdir(parents=True)
    state.mkdir()
    save_city(net, folder)
    try:
        fuse(folder, day, state)
    except (DataRefused, ConfigurationError) as error:
        _scan_error(error, needles)
        return [str(error)]
    for path in sorted(state.rglob("*")):
        _scan(path.read_bytes().decode("utf-8", "replace"), needles, path.name)
        if path.suffix == ".parquet":
            _scan(pq.read_table(path).to_pylist(), needles, path.name)
    return []


def _needles(plates: Sequence[str]) -> list[str]:
    """What must be nowhere: plates in all spellings, but for their province."""
    bare = {"".join(c for c in plate if c.isalnum()) for plate in plates}
    every = {*plates, *bare}
    return sorted({*every, *(p.lower() for p in every)})


def _scan(content: object, needles: Sequence[str], where: str) -> None:
    text = (
        content
        if isinstance(content, str)
        else json.dumps(content, ensure_ascii=False, default=str)
    )
    if any(needle in text for needle in needles):
        raise Leak(f"a plate in {where}")


def _scan_error(error: TrafficBrainError, needles: Sequence[str]) -> None:
    told = str(error)
    if "\n" in told or not error.remedy:
        raise ValueError("refused in many lines, or without a remedy")
    _scan("".join(traceback.format_exception(error)), needles, "an error or its causes")


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the cases; 1 when any failed."""
    options = _options(argv)
    counts: Counter[str] = Counter()
    failures: list[dict[str, object]] = []
    slowest_s, done = 0.0, 0
    started_s = time.monotonic()
    signal.signal(signal.SIGTERM, _stop)
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-feeds-") as name, _bar() as bar:
            task = bar.add_task("", total=options.cases)
            for number in range(options.first, options.first + options.cases):
                whole = options.whole > 0 and number % options.whole == 0
                outcome = case(number, options.seed, Path(name) / "case", whole=whole)
                counts[outcome.verdict] += 1
                done += 1
                slowest_s = max(slowest_s, outcome.seconds)
                if outcome.failed:
                    failures.append(
                        {"case": number} | {"verdict": outcome.verdict, "detail": outcome.detail}
                    )
                    if options.keep:
                        shutil.copytree(Path(name) / "case", options.keep / str(number))
                bar.update(task, advance=1, description=f"{len(failures)} failed")
    except KeyboardInterrupt:
        print("stopped before the end")
    for failure in failures:
        again = f"--first {failure['case']} --cases 1 --seed {options.seed} --whole 1"
        print(f"{failure['verdict']}: python -m benchmarks.fuzz_feeds {again}")
        print("    " + str(failure["detail"]).rstrip().splitlines()[-1])
    result = {
        "seed": options.seed,
        "cases": done,
        "verdicts": dict(sorted(counts.items())),
        "slowest_s": round(slowest_s, 2),
        "wall_s": round(time.monotonic() - started_s, 1),
    }
    print(json.dumps(result))
    if options.json:
        text = json.dumps(result | {"failures": failures}, ensure_ascii=False, indent=1)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 1 if failures else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz_feeds", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--whole", type=int, default=40, help="fuse every n-th case; 0: none")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--keep", type=Path, help="keep the files of failed cases here")
    return parser.parse_args(argv)


def _stop(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _bar() -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


if __name__ == "__main__":
    sys.exit(main())
