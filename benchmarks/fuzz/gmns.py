"""Damaged GMNS folders."""

from __future__ import annotations

import csv
import io
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.fuzz.damage import (
    STRANGE,
    RowDamage,
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
from benchmarks.fuzz.judge import Case, Maker
from network_data.importers.gmns import read_network
from network_data.loss_report import LossReport
from network_data.writers.gmns import write_gmns
from tests.unit.network_data.gmns_hand_made import more

Files = dict[str, bytes]
_STRANGE_CELLS = (
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
_ENCODINGS = (
    *("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gbk", "gb18030", "cp1252"),
    *("cp037", "latin-1"),
)
_HUGE = 10**6
"""Characters of a cell that somebody pasted a file into."""


def cases() -> Maker:
    """A small folder with every table, and the same as our own writer has it, damaged."""
    kinds = {"told by others": sound(), "written by us": written()}

    def make(number: int, rng: random.Random) -> Case:
        kind = list(kinds)[number % len(kinds)]
        return Case(kind, damaged(kinds[kind], rng), network="")

    return make


def sound() -> dict[str, Rows]:
    """A small folder with every table, as rows with their header."""
    return {
        name: [list(rows[0]), *(list(row.values()) for row in rows)]
        for name, rows in more().items()
    }


def as_csv(rows: Rows) -> bytes:
    """A table as other programs write it."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def written() -> dict[str, Rows]:
    """The same network as our own writer has it, with columns and tables of its own."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        source, target = Path(name, "sound"), Path(name, "written")
        source.mkdir()
        target.mkdir()
        for table, rows in sound().items():
            (source / f"{table}.csv").write_bytes(as_csv(rows))
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
        rng.choice(_ROW_DAMAGES)(copies[rng.choice(list(copies))], rng)
    if rng.random() < 0.1:
        _entangle(copies, rng)
    files = {f"{name}.csv": _bytes(rows, rng) for name, rows in copies.items()}
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2))):
        rng.choice(_FILE_DAMAGES)(files, rng)
    return files


def _bytes(rows: Rows, rng: random.Random) -> bytes:
    out = io.StringIO()
    odd = rng.random() < 0.06
    delimiter = rng.choice((";", "\t", "|", " ", ":")) if odd else ","
    lines = rng.choice(("\n", "\r\n", "\r"))
    csv.writer(out, delimiter=delimiter, lineterminator=lines).writerows(rows)
    encoding = rng.choice(_ENCODINGS) if rng.random() < 0.15 else "utf-8"
    return out.getvalue().encode(encoding, errors="replace")


# --- rows and cells -------------------------------------------------------------------------


def _strange_column(rows: Rows, rng: random.Random) -> None:
    idx, text = rng.randrange(12), rng.choice(_STRANGE_CELLS)
    for row in rows[1:]:
        if len(row) > idx:
            row[idx] = text


def _huge(rows: Rows, rng: random.Random) -> None:
    if cell := some_cell(rows, rng):
        kinds = ("x" * _HUGE, "9" * _HUGE, "LINESTRING (" + "0 0, " * (_HUGE // 5), '"' * _HUGE)
        cell[0][cell[1]] = rng.choice((*kinds, " " * _HUGE, "a," * (_HUGE // 2), "(" * _HUGE))


def _same_column(rows: Rows, rng: random.Random) -> None:
    """An id twice, a link to the wrong node, a phase of another ring."""
    here, there = some_cell(rows, rng), some_cell(rows, rng)
    if here and there and here[1] < len(there[0]):
        here[0][here[1]] = there[0][here[1]]


def _renamed(rows: Rows, rng: random.Random) -> None:
    if rows and rows[0]:
        idx = rng.randrange(len(rows[0]))
        rows[0][idx] = rng.choice((rows[0][idx].upper(), " " + rows[0][idx], "column", "geometry"))


_strange, _no_column = strange_cell(_STRANGE_CELLS), column_lost(12)
_ROW_DAMAGES: tuple[RowDamage, ...] = (
    *(_strange, _strange, _strange, other_cell, other_cell, _same_column, _same_column),
    *(_strange_column, _huge, no_row, row_again, cut_off, _no_column, _renamed, shuffled),
)


# --- tables and files -----------------------------------------------------------------------


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
    files[name] = damaged_bytes(files[name], rng)


_FILE_DAMAGES: tuple[Callable[[Files, random.Random], None], ...] = (
    *(_lost, _empty, _exchanged, _plural, _other_file, _binary),
    *(_damaged_bytes, _damaged_bytes, _damaged_bytes),
)
