"""Damaged GMNS folders: each is refused, or imported with a report.

Files, columns, rows, cells and bytes of a small sound folder with every table are damaged at
random, reproducibly: case 17 of seed 5 is the same on every machine. A case fails where the
importer raises anything but ``DataRefused``, takes longer than ``LIMIT_S``, refuses in many lines
or without a remedy, leaves files behind that are no city, or has a signal without a plan that is
not on the to-fix list. Every ``--whole``-th case goes all the way, with SUMO's files.

    python -m benchmarks.fuzz_gmns [--cases 3000] [--whole 10] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
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
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

from benchmarks.fuzz_sumo import BYTE_DAMAGES, STRANGE, Outcome
from network_data.checks import problems
from network_data.city import load_city, save_city
from network_data.importers.gmns import import_network, read_network
from network_data.loss_report import FILE, LossReport
from network_data.writers.gmns import write_gmns
from tests.unit.network_data.gmns_hand_made import more
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json

LIMIT_S = 20.0
Rows = list[list[str]]
Files = dict[str, bytes]
STRANGE_CELLS = (
    *STRANGE,
    *("NaN", "NULL", "N/A", "7.0", "1e308", "-1e308", "3,5", "1.5.2", "-2", "999999999"),
    *("LINESTRING (0 0)", "LINESTRING EMPTY", "LINESTRING (nan nan, 1 1)", "POINT (1 1)"),
    *("LINESTRING (0 0, 1e308 1e308)", '{"type": "LineString", "coordinates": [[0, 0], [9, 9]]}'),
    *("POLYGON ((0 0, 1 1))", "LINESTRING Z (0 0 1, 500 0 1)", "MULTILINESTRING ((0 0, 9 9))"),
    *("11111111_0000_2400", "00000000_0000_2400", "01111100_2200_0500", "0111_99_99", "24:00"),
    *("begin_of_red", "begin_of_yellow", "end_of_green", "rtor", "permitted", "signal", "stop"),
    *("uturn", "merge", "sideways", "walk", "auto;bike", "cars", "bike", "parking", "mile", "foot"),
    *("EPSG:4326", "EPSG:3857", "32650", "2163", "+proj=utm +zone=50 +units=us-ft", "GEOGCS[]"),
)
"""What damage, other tools and tired people put into cells."""
ENCODINGS = (
    *("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk", "gb18030", "cp1252"),
    *("cp037", "latin-1"),
)
HUGE = 10**6
"""Characters of a cell that somebody pasted a file into."""


# --- what is damaged ------------------------------------------------------------------------


def sound() -> dict[str, Rows]:
    """A small folder with every table, as rows with their header."""
    return {
        name: [list(rows[0]), *(list(row.values()) for row in rows)]
        for name, rows in more().items()
    }


def carried(folder: Path) -> dict[str, Rows]:
    """The same network as our own writer has it, with columns and tables of its own."""
    source, target = folder / "sound", folder / "written"
    for path in (source, target):
        path.mkdir()
    for name, rows in sound().items():
        with (source / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    write_gmns(read_network(source, LossReport()), target, LossReport())
    found = {}
    for path in sorted(target.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found[path.stem] = list(csv.reader(file))
    return found


def damaged(tables: dict[str, Rows], rng: random.Random) -> Files:
    """The files of a folder with one to six damages."""
    copies = {name: [list(row) for row in rows] for name, rows in tables.items()}
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
        rng.choice(ROW_DAMAGES)(copies[rng.choice(list(copies))], rng)
    if rng.random() < 0.1:
        _entangle(copies, rng)
    files = {f"{name}.csv": _bytes(rows, rng) for name, rows in copies.items()}
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        rng.choice(FILE_DAMAGES)(files, rng)
    return files


def _bytes(rows: Rows, rng: random.Random) -> bytes:
    out = io.StringIO()
    odd = rng.random() < 0.06
    delimiter = rng.choice((";", "\t", "|", " ", ":")) if odd else ","
    lines = rng.choice(("\n", "\r\n", "\r"))
    csv.writer(out, delimiter=delimiter, lineterminator=lines).writerows(rows)
    encoding = rng.choice(ENCODINGS) if rng.random() < 0.15 else "utf-8"
    return out.getvalue().encode(encoding, errors="replace")


def _cell(rows: Rows, rng: random.Random) -> tuple[list[str], int] | None:
    row = rng.choice(rows) if rows else []
    return (row, rng.randrange(len(row))) if row else None


def _strange(rows: Rows, rng: random.Random) -> None:
    if cell := _cell(rows, rng):
        cell[0][cell[1]] = rng.choice(STRANGE_CELLS)


def _strange_column(rows: Rows, rng: random.Random) -> None:
    idx, text = rng.randrange(12), rng.choice(STRANGE_CELLS)
    for row in rows[1:]:
        if len(row) > idx:
            row[idx] = text


def _huge(rows: Rows, rng: random.Random) -> None:
    if cell := _cell(rows, rng):
        kinds = ("x" * HUGE, "9" * HUGE, "LINESTRING (" + "0 0, " * (HUGE // 5), '"' * HUGE)
        cell[0][cell[1]] = rng.choice((*kinds, " " * HUGE, "a," * (HUGE // 2), "(" * HUGE))


def _other_cell(rows: Rows, rng: random.Random) -> None:
    """A value from elsewhere in the table: another node, phase, lane, or a row's own id."""
    here, there = _cell(rows, rng), _cell(rows, rng)
    if here and there:
        here[0][here[1]] = there[0][there[1]]


def _same_column(rows: Rows, rng: random.Random) -> None:
    """An id twice, a link to the wrong node, a phase of another ring."""
    here, there = _cell(rows, rng), _cell(rows, rng)
    if here and there and here[1] < len(there[0]):
        here[0][here[1]] = there[0][here[1]]


def _no_row(rows: Rows, rng: random.Random) -> None:
    if rows:
        del rows[rng.randrange(len(rows))]


def _row_again(rows: Rows, rng: random.Random) -> None:
    if rows:
        row = rng.choice(rows)
        for _ in range(rng.choice((1, 1, 2000))):
            rows.insert(rng.randrange(len(rows) + 1), list(row))


def _cut_off(rows: Rows, rng: random.Random) -> None:
    del rows[rng.randrange(len(rows) + 1) :]


def _no_column(rows: Rows, rng: random.Random) -> None:
    """A column lost, doubled, or moved, in the header or in all rows."""
    idx, doubled = rng.randrange(12), rng.random() < 0.4
    for row in rows[: rng.choice((1, len(rows), len(rows)))]:
        if len(row) > idx:
            if doubled:
                row.insert(idx, row[idx])
            else:
                del row[idx]


def _renamed(rows: Rows, rng: random.Random) -> None:
    if rows and rows[0]:
        idx = rng.randrange(len(rows[0]))
        rows[0][idx] = rng.choice((rows[0][idx].upper(), " " + rows[0][idx], "column", "geometry"))


def _shuffled(rows: Rows, rng: random.Random) -> None:
    if rows:
        rng.shuffle(rng.choice(rows))


ROW_DAMAGES: tuple[Callable[[Rows, random.Random], None], ...] = (
    *(_strange, _strange, _strange, _other_cell, _other_cell, _same_column, _same_column),
    *(_strange_column, _huge, _no_row, _row_again, _cut_off, _no_column, _renamed, _shuffled),
)


def _entangle(tables: dict[str, Rows], rng: random.Random) -> None:
    """References in a circle: parents, groups of groups, masters."""
    for name, column in (
        ("node", "parent_node_id"),
        ("use_group", "uses"),
        ("signal_coordination", "coord_contr_id"),
        ("segment_lane", "parent_lane_id"),
        ("link", "geometry_id"),
    ):
        rows = tables.get(name, [])
        if rows and column in rows[0] and len(rows) > 1:
            idx = rows[0].index(column)
            for row in rows[1:]:
                if len(row) > idx:
                    row[idx] = rng.choice(rows[1:])[0]


def _lost(files: Files, rng: random.Random) -> None:
    files.pop(rng.choice(list(files)), None)


def _empty(files: Files, rng: random.Random) -> None:
    files[rng.choice(list(files))] = rng.choice((b"", b"\n", b"\xef\xbb\xbf", b"\0" * 100))


def _exchanged(files: Files, rng: random.Random) -> None:
    a, b = rng.choice(list(files)), rng.choice(list(files))
    files[a], files[b] = files[b], files[a]


def _plural(files: Files, rng: random.Random) -> None:
    name = rng.choice(list(files))
    files[name.replace(".csv", "s.csv").upper()] = files[name]
    if rng.random() < 0.5:
        del files[name]


def _other_file(files: Files, rng: random.Random) -> None:
    files[rng.choice(("notes.csv", "readme.txt", "node.bak", "信号.csv"))] = rng.randbytes(300)


def _binary(files: Files, rng: random.Random) -> None:
    files[rng.choice(list(files))] = rng.randbytes(rng.choice((10, 1000, 100_000)))


def _damaged_bytes(files: Files, rng: random.Random) -> None:
    name = rng.choice(list(files))
    files[name] = rng.choice(BYTE_DAMAGES)(files[name], rng)


FILE_DAMAGES: tuple[Callable[[Files, random.Random], None], ...] = (
    *(_lost, _empty, _exchanged, _plural, _other_file, _binary),
    *(_damaged_bytes, _damaged_bytes, _damaged_bytes),
)


# --- the judge ------------------------------------------------------------------------------


def case(
    tables: dict[str, Rows], number: int, seed: int, folder: Path, *, whole: bool
) -> tuple[Outcome, Files]:
    """Case ``number`` of a seed: what became of it, and what was fed."""
    files = damaged(tables, random.Random(f"gmns/{seed}/{number}"))
    shutil.rmtree(folder, ignore_errors=True)
    source, out = folder / "in", folder / "city"
    for path in (source, out):
        path.mkdir(parents=True)
    for name, content in files.items():
        (source / name).write_bytes(content)
    started = time.monotonic()
    try:
        with time_limit(LIMIT_S):
            verdict, detail = _import(source, out, whole=whole)
    except Exception:  # noqa: BLE001 -- whatever it is, it is the finding
        verdict, detail = "FAILED", traceback.format_exc()
    return Outcome(verdict, detail, time.monotonic() - started), files


def _import(source: Path, out: Path, *, whole: bool) -> tuple[str, str]:
    try:
        if whole:
            import_network(source, out)
        else:
            _import_without_sumo(source, out)
    except DataRefused as refusal:
        told = str(refusal)
        if "\n" in told or not refusal.remedy:
            return "FAILED", f"refused in many lines, or without a remedy: {told!r}"
        left = sorted(path.name for path in out.iterdir())
        return ("FAILED", f"left behind {left}") if left else ("refused", told)
    report = json.loads((out / FILE).read_text(encoding="utf-8"))
    city = load_city(out)
    return _judged(city, {entry["place"] for entry in report["to_fix"]})


def _import_without_sumo(source: Path, out: Path) -> None:
    losses = LossReport()
    network = read_network(source, losses)
    save_city(network, out)
    (out / FILE).write_text(to_json(losses.as_dict()), encoding="utf-8")


def _judged(city: RoadNetwork, asked: set[str]) -> tuple[str, str]:
    found = [p for p in problems(city) if p.rule != "junctions_were_understood"]
    if found:
        return "FAILED", f"problems: {[str(p) for p in found[:5]]}"
    lacking = {j.junction_id for j in city.junctions.values() if j.plan_in_service is None}
    if lacking - asked:
        return "FAILED", f"no plan, and not on the to-fix list: {sorted(lacking - asked)}"
    return "imported", f"{len(city.links)} links, {len(asked)} places to fix"


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeoutError inside the block when it takes too long, where the system can."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"longer than {seconds:g} s")

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the cases; 1 when any failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--whole", type=int, default=10, help="every how many with SUMO's files")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--keep", type=Path, help="keep the files of failed cases here")
    options = parser.parse_args(argv)
    counts: Counter[tuple[str, str]] = Counter()
    failures, slowest = [], 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        kinds = {"told by others": sound(), "written by us": carried(folder)}
        for number in range(options.first, options.first + options.cases):
            kind = list(kinds)[number % len(kinds)]
            whole = number % options.whole < len(kinds)
            outcome, files = case(kinds[kind], number, options.seed, folder / "case", whole=whole)
            counts[kind, outcome.verdict] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.failed:
                failures.append({"case": number, "of": kind, "detail": outcome.detail})
                print(f"case {number} of {kind}:\n{outcome.detail}", flush=True)
                if options.keep:
                    kept = options.keep / str(number)
                    kept.mkdir(parents=True, exist_ok=True)
                    for file, content in files.items():
                        (kept / file).write_bytes(content)
    for (kind, verdict), count in sorted(counts.items()):
        print(f"{kind:16} {verdict:9} {count:6}")
    print(f"{counts.total()} cases, {len(failures)} failed, slowest {slowest:.1f} s")
    if options.json:
        listed = [{"of": n, "verdict": v, "cases": k} for (n, v), k in sorted(counts.items())]
        result = {"seed": options.seed, "slowest_s": round(slowest, 2), "cases": listed}
        result["failures"] = failures
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
