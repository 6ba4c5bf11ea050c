"""Columns of a Parquet row group as arrays: Arrow's own buffers wherever the types allow it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from traffic_brain.errors import DataRefused
from traffic_brain.kernels.feed_sums import NO_TIME_MS
from traffic_brain.kernels.tables import find_texts, index_texts

CODE, TIME, NUMBER, WHOLE, TEXT = "code", "time", "number", "whole", "text"
"""Kinds: ids (few different ones), times, numbers, whole numbers, texts (many different ones)."""

HEAD_ROWS = 1 << 14
"""So many rows of a row group tell in which part of the day it is at home."""


@dataclass(frozen=True)
class Texts:
    """Texts as Arrow keeps them: offsets int32[text + 1], data uint8[byte] (UTF-8)."""

    offsets: np.ndarray
    data: np.ndarray

    @staticmethod
    def of(texts: Sequence[str] | pa.Array) -> Texts:
        """From a list, or an array of Arrow; empty cells become empty texts."""
        if isinstance(texts, pa.Array):
            return _texts(texts)
        encoded = list(map(str.encode, texts))
        offsets = np.zeros(len(encoded) + 1, dtype=np.int32)
        np.cumsum(np.fromiter(map(len, encoded), np.int32, len(encoded)), out=offsets[1:])
        return Texts(offsets, np.frombuffer(b"".join(encoded), np.uint8))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def as_arrow(self) -> pa.Array:
        """The same texts as an array of Arrow."""
        buffers = [None, pa.py_buffer(self.offsets), pa.py_buffer(self.data)]
        return pa.StringArray.from_buffers(len(self), buffers[1], buffers[2])


@dataclass(frozen=True)
class Codes:
    """A column of ids: the code of each row (int32, −1: none) and what the codes stand for."""

    of_row: np.ndarray
    texts: Texts


class Register:
    """The known ids of a feed, to look up those of a row group."""

    def __init__(self, known: Texts) -> None:
        self._known = known
        size = 1 << (2 * len(known) + 1).bit_length()
        self._slots = np.full(size, -1, dtype=np.int32)
        self._shift = np.uint64(65 - size.bit_length())
        self._follower = np.arange(1, len(known) + 2, dtype=np.int32)
        self._follower[-2:] = (-1, 0) if len(known) else -1
        index_texts(known.offsets, known.data, self._slots, self._shift)

    def places(self, texts: Texts) -> np.ndarray:
        """int32[text]: the place of each text among the known ones, −1 for a stranger."""
        places = np.empty(len(texts), dtype=np.int32)
        known = self._known
        find_texts(
            *(known.offsets, known.data, self._slots, self._shift),
            *(texts.offsets, texts.data, self._follower, places),
        )
        return places


class RowGroups:
    """A Parquet file, read one row group at a time.

    Args:
        columns: name -> kind, in the order in which `read` gives them.

    Raises:
        DataRefused: here or when reading, if the file is missing, damaged or lacks a column.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        coded = [name for name, kind in columns.items() if kind == CODE]
        self._path, self._columns = path, columns
        with self._refusing():
            there = pq.read_schema(path).names
        if missing := [name for name in columns if name not in there]:
            raise DataRefused(
                f"{path} has not the columns of its feed",
                "mend the export",
                [f"column {name} is missing" for name in missing],
            )
        with self._refusing():
            self._file = pq.ParquetFile(path, read_dictionary=coded)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @property
    def count(self) -> int:
        return int(self._file.num_row_groups)

    def rows(self, row_group: int) -> int:
        """How many rows one row group has."""
        return int(self._file.metadata.row_group(row_group).num_rows)

    def table(self, row_group: int) -> pa.Table:
        """The columns of one row group, decoded."""
        names = list(self._columns)
        with self._refusing():
            return self._file.read_row_group(row_group, columns=names, use_threads=False)

    def read(self, row_group: int) -> list[Any]:
        """The arrays of one row group, in the order of the columns.

        ``code`` gives `Codes`, ``time`` int64 ms since 1970 (`NO_TIME_MS`: none), ``number``
        float64 (NaN: none), ``whole`` int32 (0: none), ``text`` `Texts` (empty: none).
        """
        table = self.table(row_group)
        return [_AS[kind](_one(table.column(name))) for name, kind in self._columns.items()]

    def head_ms(self, row_group: int, column: str) -> np.ndarray:
        """int64: the known times among the first rows, in ms since 1970."""
        batches = self._file.iter_batches(
            HEAD_ROWS, row_groups=[row_group], columns=[column], use_threads=False
        )
        with self._refusing():
            first = next(batches, None)
        times = np.empty(0, dtype=np.int64) if first is None else _times(first.column(0))
        return np.asarray(times[times != NO_TIME_MS])

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise DataRefused(
                f"{self._path} cannot be read as Parquet", "deliver the file again"
            ) from error


def as_arrow(values: np.ndarray) -> pa.Array:
    """The same numbers as an array of Arrow; ``pa.array`` would load pandas to look at them."""
    kind = pa.from_numpy_dtype(values.dtype)
    buffers = [None, pa.py_buffer(np.ascontiguousarray(values))]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _one(column: pa.ChunkedArray) -> pa.Array:
    """The column as one array; a row group is one chunk unless its dictionary overflowed."""
    if column.num_chunks == 1:
        return column.chunk(0)
    if pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    joined = column.combine_chunks()
    return joined if isinstance(joined, pa.Array) else pa.concat_arrays(joined.chunks)


def _values(array: pa.Array, dtype: type[np.number[Any]], none: float) -> np.ndarray:
    """The buffer of a column of fixed width, where empty cells are given ``none``.

    A buffer that may be written to was made when this column was decoded, and nobody else has it.
    """
    if array.type != (kind := pa.from_numpy_dtype(dtype)):
        array = array.cast(kind, safe=False)
    whole: np.ndarray = np.frombuffer(array.buffers()[1], dtype)
    values = whole[array.offset : array.offset + len(array)]
    if array.null_count == 0:
        return values
    if not values.flags.writeable:
        values = values.copy()
    values[_missing(array)] = none
    return values


def _missing(array: pa.Array) -> np.ndarray:
    """int64: the rows without a value; they are few, so only bytes with such rows are unpacked."""
    valid = np.frombuffer(array.buffers()[0], np.uint8)[: -(-(array.offset + len(array)) // 8)]
    some = np.flatnonzero(valid != 0xFF)
    bits = np.unpackbits(valid[some], bitorder="little").reshape(-1, 8)
    rows = (8 * some[:, None] + np.arange(8))[bits == 0] - array.offset
    return np.asarray(rows[(rows >= 0) & (rows < len(array))])


def _codes(array: pa.Array) -> Codes:
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    return Codes(_values(array.indices, np.int32, -1), _texts(array.dictionary))


def _times(array: pa.Array) -> np.ndarray:
    if array.type.unit != "ms":
        array = array.cast(pa.timestamp("ms", array.type.tz), safe=False)
    return _values(array.view(pa.int64()), np.int64, NO_TIME_MS)


def _numbers(array: pa.Array) -> np.ndarray:
    return _values(array, np.float64, np.nan)


def _wholes(array: pa.Array) -> np.ndarray:
    if array.type == pa.int32():
        return _values(array, np.int32, 0)
    wide = _values(array, np.int64, 0)
    return np.asarray(np.clip(wide, -1, np.iinfo(np.int32).max), dtype=np.int32)


def _texts(array: pa.Array) -> Texts:
    """Empty cells become empty texts."""
    if array.type != pa.string():
        array = array.cast(pa.string())
    if len(array) == 0:
        return Texts(np.zeros(1, dtype=np.int32), np.empty(0, dtype=np.uint8))
    if array.null_count:
        array = array.fill_null("")
    _, offsets, data = array.buffers()
    at = np.frombuffer(offsets, np.int32)[array.offset : array.offset + len(array) + 1]
    return Texts(at, np.frombuffer(data, np.uint8) if data else np.empty(0, dtype=np.uint8))


_AS: Mapping[str, Callable[[pa.Array], Any]] = {
    CODE: _codes,
    TIME: _times,
    NUMBER: _numbers,
    WHOLE: _wholes,
    TEXT: _texts,
}
