"""A feed's tables as they lie in its folder -> record batches of the canonical layout.

A table is a file ``<name>.parquet``, ``<name>.csv`` or ``<name>.csv.gz``, or a folder ``<name>``
of such files. It is read piece by piece, so that a day needs no more memory than an hour. Whatever
the files are, text columns come as dictionaries (int32 -> string): a kernel looks at each id once
and then at integers. Every row is in a batch or, with its reason, in the quarantine.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.errors import DataRefused
from traffic_brain.feeds import csv_text
from traffic_brain.feeds.column_map import FeedMap, TableMap
from traffic_brain.feeds.conversion import (
    ARROW_TYPE,
    Cells,
    can_be_read,
    canonical,
    constant,
    wanted,
)
from traffic_brain.feeds.layout import LAYOUT, TEXT, Columns
from traffic_brain.feeds.plates import masked, names_in_words
from traffic_brain.feeds.quarantine import Quarantine

PARQUET, CSV = ".parquet", (".csv", ".csv.gz")
BATCH_ROWS = 1 << 20
MAX_ROWS_PER_BYTE = 16
"""Half a bit for each row, time and all: more is no feed but a bomb."""
SMALL_ROWS = 1_000_000
"""So many rows may come out of any file."""
MAX_COLUMN_BYTES = 2 << 30
"""Of one column in one row group, unpacked."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one task reads: a row group of a Parquet file, or a whole CSV file."""

    path: Path
    row_group: int | None = None
    """None: the whole file."""

    @property
    def is_parquet(self) -> bool:
        return self.path.name.endswith(PARQUET)


def files(folder: Path, table: TableMap) -> list[Path]:
    """The files of a table, in the order of their names.

    Raises:
        DataRefused: there is none, or the table is there twice.
    """
    name = table.file_name
    found = [p for end in (PARQUET, *CSV) if (p := folder / f"{name}{end}").exists()]
    parts = folder / name
    if parts.is_dir():
        inside = sorted(p for p in parts.iterdir() if p.name.endswith((PARQUET, *CSV)))
        if inside and found:
            found = [parts, *found]
        elif inside:
            return inside
    if len(found) > 1:
        raise DataRefused(
            f"{masked(folder)} has {name} more than once: {', '.join(p.name for p in found)}",
            "leave one of them in the folder",
        )
    if not found:
        raise DataRefused(
            f"there is no {masked(folder / name)}.parquet, .csv or .csv.gz, and no folder of parts",
            "check the feed folder and the service day",
        )
    return found


def pieces(folder: Path, table: TableMap) -> list[Piece]:
    """A table cut into what single tasks can read, in the order of its rows.

    Raises:
        DataRefused: as :func:`files`; a Parquet file is damaged.
    """
    found = []
    for path in files(folder, table):
        if not path.name.endswith(PARQUET):
            found.append(Piece(path))
            continue
        with _parquet(path) as file:
            found += [Piece(path, i) for i in range(file.metadata.num_row_groups)]
    return found


def batches(
    folder: Path,
    table: str,
    columns: Columns,
    column_map: FeedMap,
    quarantine: Quarantine,
    *,
    optional: Columns | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a table, about a million at a time, with the named columns in their order.

    Args:
        folder: of the feed (``…/<service day>/<feed>``).
        columns: canonical name -> TEXT, INTEGER, NUMBER or TIME. The batches hold, as
            :data:`~traffic_brain.feeds.conversion.ARROW_TYPE`, dictionary<int32, string>, int64,
            float64 and timestamp[ms, UTC]; empty cells are null.
        column_map: how the table differs from the canonical layout.
        optional: further columns; all null in a file that has them not.
        quarantine: counts the rows read, and those refused.

    Raises:
        DataRefused: there is no such table, or a file of it is damaged, lacks columns, or has
            columns of another type; also in the midst of reading.
    """
    told = column_map.of(table)
    found = files(folder, told)
    refuse_unfit(found, columns, told, optional)
    for path in found:
        yield from read_piece(Piece(path), columns, told, quarantine, optional=optional)


def read_piece(
    piece: Piece,
    columns: Columns,
    table: TableMap,
    quarantine: Quarantine,
    *,
    optional: Columns | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a piece of a table; see :func:`batches`.

    Raises:
        DataRefused: the file is damaged, lacks columns, or has columns of another type.
    """
    refuse_unfit([piece.path], columns, table, optional)
    every = {**columns, **(optional or {})}
    there = set(_schema_of(piece.path))
    names = {c: n for c in every if (n := table.name_of(c)) in there and _is_read(table, c)}
    if piece.is_parquet:
        yield from _from_parquet(piece, every, names, table, quarantine)
    else:
        yield from _from_csv(piece.path, every, names, table, quarantine)


def columns_there(folder: Path, table: TableMap) -> frozenset[str]:
    """Canonical columns that a table's first file has, or that its map tells.

    Raises:
        DataRefused: there is no such table, or its first file is damaged.
    """
    schema = _schema_of(files(folder, table)[0])
    return frozenset(
        column
        for column in LAYOUT[table.feed][table.table].names
        if not _is_read(table, column) or table.name_of(column) in schema
    )


# --- what is refused before a row is read -------------------------------------------------------


def refuse_unfit(
    paths: Iterable[Path], columns: Columns, table: TableMap, optional: Columns | None = None
) -> None:
    """Look at the columns of files; the optional ones may be missing.

    Raises:
        DataRefused: columns are missing, there twice, or of another type; lists all of them.
    """
    for path in paths:
        schema = _schema_of(path)
        there = {c: k for c, k in (optional or {}).items() if table.name_of(c) in schema}
        problems = [
            problem
            for column, kind in {**columns, **there}.items()
            if (problem := _problem(schema, column, kind, table))
        ]
        if problems:
            raise DataRefused(
                f"{masked(path)} has not the columns of its feed",
                "mend the export, or tell of it in columns.toml",
                problems,
            )


_Schema = Mapping[str, list[pa.DataType | None]]
"""Name -> type of each column of this name; None: texts of a CSV file, which may be anything."""


def _schema_of(path: Path) -> _Schema:
    found: dict[str, list[pa.DataType | None]] = {}
    if path.name.endswith(PARQUET):
        with _parquet(path) as file:
            for one in file.schema_arrow:
                found.setdefault(one.name, []).append(one.type)
    else:
        for name in csv_text.header(path):
            found.setdefault(name, []).append(None)
    return found


def _is_read(table: TableMap, column: str) -> bool:
    return table.of(column).value is None


def _problem(schema: _Schema, column: str, kind: str, table: TableMap) -> str | None:
    told = table.of(column)
    if told.value is not None:
        try:
            constant(told.value, kind, 0)
        except ValueError as error:
            return f"the value of column {column} in the column map {error}"
        return None
    name = table.name_of(column)
    types = schema.get(name, [])
    if len(types) != 1:
        wrong = "is missing" if not types else f"is there {len(types)} times"
        return f"column {masked(name)} {wrong} (has: {names_in_words(schema)})"
    if types[0] is not None and not can_be_read(types[0], kind, told, table.time_zone):
        return f"column {masked(name)} should hold {wanted(kind)}, not {masked(types[0])}"
    return None


# --- Parquet ------------------------------------------------------------------------------------


_UNREADABLE = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What a damaged file makes the reader raise; the last, where names of columns are damaged."""


def _parquet(path: Path, texts: list[str] | None = None) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path, read_dictionary=texts)
    except FileNotFoundError as error:
        raise DataRefused(f"there is no {masked(path)}", "check the feed folder") from error
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> DataRefused:
    return DataRefused(
        f"{masked(path)} cannot be read as Parquet", "deliver the file again", [masked(error)]
    )


def _from_parquet(
    piece: Piece,
    columns: Columns,
    names: Mapping[str, str],
    table: TableMap,
    quarantine: Quarantine,
) -> Iterator[pa.RecordBatch]:
    texts = [names[c] for c, kind in columns.items() if kind == TEXT and c in names]
    with _parquet(piece.path, texts) as file:
        groups = None if piece.row_group is None else [piece.row_group]
        try:
            _refuse_bombs(piece.path, file.metadata, list(names.values()))
            read = file.iter_batches(BATCH_ROWS, row_groups=groups, columns=list(names.values()))
            missing = _row_count(file.metadata, piece.row_group)
            for batch in read:
                missing -= batch.num_rows
                batch.validate(full=True)  # text that is no UTF-8 would fail later, and be quoted
                found = {c: batch.column(n) for c, n in names.items()}
                yield _batch(found, batch.num_rows, columns, table, quarantine)
        except _UNREADABLE as error:
            raise _damaged(piece.path, error) from error
        if missing:
            raise _damaged(
                piece.path, ValueError(f"{missing} of the rows it tells of are not there")
            )


def _row_count(metadata: pq.FileMetaData, row_group: int | None) -> int:
    rows = metadata.num_rows if row_group is None else metadata.row_group(row_group).num_rows
    return int(rows)


def _refuse_bombs(path: Path, metadata: pq.FileMetaData, names: list[str]) -> None:
    most = max(SMALL_ROWS, MAX_ROWS_PER_BYTE * path.stat().st_size)
    largest = max(
        (
            group.column(i).total_uncompressed_size
            for group in map(metadata.row_group, range(metadata.num_row_groups))
            for i in range(group.num_columns)
            if group.column(i).path_in_schema in names
        ),
        default=0,
    )
    if metadata.num_rows > most or largest > MAX_COLUMN_BYTES:
        raise DataRefused(
            f"{masked(path)} unpacks to far more than a feed of its size can hold",
            "deliver the file again, in row groups of some million rows",
        )


# --- CSV ----------------------------------------------------------------------------------------


def _from_csv(
    path: Path,
    columns: Columns,
    names: Mapping[str, str],
    table: TableMap,
    quarantine: Quarantine,
) -> Iterator[pa.RecordBatch]:
    for lines in csv_text.read_csv(path, sorted(set(names.values()))):
        for reason, rows in lines.damaged.items():
            quarantine.read(table.feed, rows)
            quarantine.refuse_rows(table.feed, reason, rows)
        found = {c: lines.columns[n] for c, n in names.items()}
        yield _batch(found, lines.rows, columns, table, quarantine)


# --- both ---------------------------------------------------------------------------------------


def _batch(
    found: Mapping[str, pa.Array],
    rows: int,
    columns: Columns,
    table: TableMap,
    quarantine: Quarantine,
) -> pa.RecordBatch:
    """The canonical columns of some rows, without those that hold what cannot be read."""
    arrays = []
    bad = np.zeros(rows, dtype=bool)
    quarantine.read(table.feed, rows)
    for column, kind in columns.items():
        cells = _cells(found.get(column), rows, column, kind, table)
        arrays.append(cells.values)
        for reason, marked in cells.bad.items():
            quarantine.refuse(table.feed, reason, marked & ~bad)
            bad |= marked
    batch = pa.RecordBatch.from_arrays(arrays, names=list(columns))
    return batch.filter(pa.array(~bad)) if bad.any() else batch


def _cells(found: pa.Array | None, rows: int, column: str, kind: str, table: TableMap) -> Cells:
    told = table.of(column)
    if told.value is not None:
        return Cells(constant(told.value, kind, rows))
    if found is None:
        return Cells(pa.nulls(rows, ARROW_TYPE[kind]))
    return canonical(found, column, kind, told, table.time_zone)
