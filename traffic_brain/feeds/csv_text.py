"""CSV files as they come: plain or packed, in UTF-8 or GB18030 or both, with , ; or tab.

A line is a row: no feed has line breaks inside a cell, and a torn quote must not swallow the rows
after it. So the rows of a file are its lines that are not empty, and every one of them is in the
batches or in the count of damaged ones.
"""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv as pc_csv

from traffic_brain.errors import DataRefused
from traffic_brain.feeds.plates import masked

CHUNK_BYTES = 8 << 20
LONGEST_LINE = 1 << 20
MAX_PACKED_RATIO = 200
"""Feeds pack ten to fifty times; more than this is no feed but a bomb."""
SMALL_BYTES = 16 << 20
"""So much may come out of any packed file."""
MANY_DAMAGED = 50_000
"""So many damaged lines in one chunk are no rows of this table at all."""
DELIMITERS = (",", ";", "\t")
NO_VALUES = ["", "NULL", "null", "None", "NaN", "nan", "N/A", "\\N"]
UTF_8, GB18030 = "utf-8", "gb18030"
_GZIP, _OTHER = b"\x1f\x8b", {b"PK\x03\x04": "ZIP", b"PAR1": "Parquet", b"\xff\xfe": "UTF-16"}


@dataclass
class Lines:
    """Some rows of a CSV file: texts by column, and how many rows are damaged, by reason."""

    columns: Mapping[str, pa.Array]
    rows: int
    """Rows in ``columns``."""
    damaged: dict[str, int] = field(default_factory=dict)


def header(path: Path) -> list[str]:
    """Names of the columns.

    Raises:
        DataRefused: the file cannot be read, is empty, or is no CSV file.
    """
    with _opened(path) as file:
        chunks = _chunks(path, file, LONGEST_LINE)
        return _header(path, next(chunks, b""))[0]


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[Lines]:
    """The named columns as texts, some megabytes at a time; empty cells are null.

    Raises:
        DataRefused: the file cannot be read, is empty, ends early, or is no CSV file; also in the
            midst of reading.
    """
    with _opened(path) as file:
        names: list[str] = []
        delimiter = ","
        decoder = _Decoder()
        for chunk in _chunks(path, file, CHUNK_BYTES):
            body = chunk
            if not names:
                names, delimiter = _header(path, chunk)
                body = chunk.partition(b"\n")[2]
            text, unreadable = decoder.decoded(body)
            wanted = {name: names.index(name) for name in columns}
            lines = _parsed(path, text, wanted, len(names), delimiter)
            if unreadable:
                lines.damaged["damaged_text"] = unreadable
            yield lines
        if not names:
            raise DataRefused(f"{masked(path)} is empty", "deliver the file again")


# --- bytes --------------------------------------------------------------------------------------


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise _refused(path, error) from error


def _chunks(path: Path, raw: BinaryIO, size: int) -> Iterator[bytes]:
    """Whole lines, each ended by a line feed, some megabytes at a time.

    Raises:
        DataRefused: as :func:`read_csv`.
    """
    rest = b""
    out = 0
    try:
        start = raw.read(4)
        raw.seek(0)
        packed = start.startswith(_GZIP)
        for magic, name in _OTHER.items():
            if start.startswith(magic):
                raise DataRefused(f"{masked(path)} is {name}, not CSV", "export it as CSV in UTF-8")
        source: BinaryIO = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
        while block := source.read(size):
            out += len(block)
            if packed and out > max(SMALL_BYTES, MAX_PACKED_RATIO * raw.tell()):
                raise DataRefused(
                    f"{masked(path)} unpacks to more than {MAX_PACKED_RATIO} times its size",
                    "deliver the file again; no feed packs like this",
                )
            block = rest + block
            if b"\r" in block:
                block = _with_line_feeds(block)
            cut = block.rfind(b"\n") + 1
            rest = block[cut:]
            if len(rest) > LONGEST_LINE:
                raise DataRefused(
                    f"{masked(path)} has a line of more than {LONGEST_LINE >> 20} MiB",
                    "deliver the file again; this is no table",
                )
            if cut:
                yield block[:cut]
        if rest:
            yield rest.rstrip(b"\r") + b"\n"
    except (OSError, EOFError, zlib.error) as error:
        raise _refused(path, error) from error


def _with_line_feeds(block: bytes) -> bytes:
    """Lines ended by CR LF, or by CR alone, as lines ended by LF; a CR at the end may be half."""
    end = block.endswith(b"\r")
    body = block[:-1] if end else block
    body = body.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return body + b"\r" if end else body


def _refused(path: Path, error: Exception) -> DataRefused:
    if isinstance(error, FileNotFoundError):
        return DataRefused(f"there is no {masked(path)}", "check the feed folder")
    return DataRefused(f"{masked(path)} cannot be read", "deliver the file again", [masked(error)])


# --- texts --------------------------------------------------------------------------------------


class _Decoder:
    """Lines of one file as UTF-8; a file that begins in GB18030 alone is taken to stay so."""

    def __init__(self) -> None:
        self._code = UTF_8

    def decoded(self, chunk: bytes) -> tuple[bytes, int]:
        """(the lines that can be read, in UTF-8, how many cannot)."""
        try:
            text = chunk.decode(self._code)
        except UnicodeDecodeError:
            return self._line_by_line(chunk)
        return (chunk, 0) if self._code == UTF_8 else (text.encode(UTF_8), 0)

    def _line_by_line(self, chunk: bytes) -> tuple[bytes, int]:
        lines = chunk.split(b"\n")
        texts = [_text(line) for line in lines]
        kept = [text for text in texts if text is not None]
        alone = all(line.isascii() or not _is_chinese(line) for line in lines)
        self._code = GB18030 if alone and len(kept) == len(texts) else UTF_8
        return b"\n".join(kept), len(texts) - len(kept)


def _text(line: bytes) -> bytes | None:
    """A line in UTF-8; None: it is in neither code."""
    if line.isascii() or _is_chinese(line):
        return line
    for code in (GB18030, UTF_8):
        try:
            return line.decode(code).encode(UTF_8)
        except UnicodeDecodeError:
            continue
    return None


def _is_chinese(line: bytes) -> bool:
    """Whether a line is surely UTF-8.

    Most such lines could be GB18030, too, as nonsense. The other way round it is seldom, and then
    characters of two bytes come out (豫 is a Komi letter), which Chinese in UTF-8 has but one of.
    """
    try:
        text = line.decode(UTF_8)
    except UnicodeDecodeError:
        return False
    return not any("\x7f" < c < "\u0800" and c not in "·°" for c in text)


# --- lines --------------------------------------------------------------------------------------


def _header(path: Path, chunk: bytes) -> tuple[list[str], str]:
    line = chunk.partition(b"\n")[0]
    text = _readable(line)
    if text is None or "\0" in text:
        raise DataRefused(f"{masked(path)} is no text", "export it as CSV in UTF-8")
    if not text.strip():
        raise DataRefused(f"{masked(path)} has no line of column names", "deliver it again")
    delimiter = max(DELIMITERS, key=text.count)
    cells = _cells(text, delimiter)
    if cells is None:
        raise DataRefused(f"{masked(path)} has torn quotes in its column names", "mend the export")
    return [cell.strip() for cell in cells], delimiter


def _readable(line: bytes) -> str | None:
    for encoding in ("utf-8-sig", GB18030):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _cells(line: str, delimiter: str) -> list[str] | None:
    """The cells of a line; None where its quotes are torn."""
    try:
        return next(csv.reader(io.StringIO(line), delimiter=delimiter, strict=True), [])
    except csv.Error:
        return None


def _parsed(
    path: Path, text: bytes, wanted: Mapping[str, int], width: int, delimiter: str
) -> Lines:
    """Rows of whole lines in UTF-8."""
    lines = _count_lines(text)
    found = _parsed_at_once(path, text, wanted, width, delimiter)
    if found is None or found.rows + sum(found.damaged.values()) != lines:
        # A torn quote swallowed rows.
        found = _parsed_one_by_one(text, wanted, width, delimiter)
    return found


def _count_lines(text: bytes) -> int:
    if not text.startswith(b"\n") and b"\n\n" not in text:
        return text.count(b"\n") + (bool(text) and not text.endswith(b"\n"))
    return sum(1 for line in text.split(b"\n") if line)


def _parsed_at_once(
    path: Path, text: bytes, wanted: Mapping[str, int], width: int, delimiter: str
) -> Lines | None:
    damaged = 0

    def skip(_: object) -> str:
        nonlocal damaged
        damaged += 1
        return "skip" if damaged <= MANY_DAMAGED else "error"

    if not text.strip(b"\n"):
        return Lines({name: pa.array([], pa.string()) for name in wanted}, 0)
    quote = '"' if b'"' in text else False
    try:
        table = pc_csv.read_csv(
            pa.BufferReader(text),
            pc_csv.ReadOptions(
                use_threads=False,
                block_size=len(text) + 1,
                column_names=[str(i) for i in range(width)],
            ),
            pc_csv.ParseOptions(delimiter=delimiter, quote_char=quote, invalid_row_handler=skip),
            pc_csv.ConvertOptions(
                column_types={str(i): pa.string() for i in wanted.values()},
                include_columns=sorted({str(i) for i in wanted.values()}),
                strings_can_be_null=True,
                null_values=NO_VALUES,
            ),
        )
    except pa.ArrowInvalid:
        if damaged > MANY_DAMAGED:
            raise DataRefused(
                f"{masked(path)} has many lines with too few or too many cells",
                "see whether it is the right file, and parted by commas, semicolons or tabs",
            ) from None
        return None
    columns = {name: _one_array(table[str(i)]) for name, i in wanted.items()}
    return Lines(columns, table.num_rows, {"damaged_row": damaged} if damaged else {})


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else pa.concat_arrays(column.chunks)


def _parsed_one_by_one(text: bytes, wanted: Mapping[str, int], width: int, delimiter: str) -> Lines:
    damaged = 0
    rows: list[list[str]] = []
    for line in text.decode(UTF_8).split("\n"):
        if not line:
            continue
        cells = _cells(line, delimiter)
        if cells is None or len(cells) != width:
            damaged += 1
        else:
            rows.append(cells)
    columns = {
        name: pa.array([None if row[i] in NO_VALUES else row[i] for row in rows], pa.string())
        for name, i in wanted.items()
    }
    return Lines(columns, len(rows), {"damaged_row": damaged} if damaged else {})
