"""Columns as a table has them -> columns as the engine reads them, cell by cell.

A cell that is there and cannot be read is marked with the reason code of its row; an empty one is
null, and whether a row may do without it is for the feed to say. No message quotes a cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traffic_brain.feeds.column_map import EPOCHS, ISO, ColumnMap
from traffic_brain.feeds.layout import INTEGER, NUMBER, TEXT, TIME
from traffic_brain.feeds.plates import LOOKS_LIKE_PLATE

ARROW_TYPE = {
    TEXT: pa.dictionary(pa.int32(), pa.string()),
    INTEGER: pa.int64(),
    NUMBER: pa.float64(),
    TIME: pa.timestamp("ms", "UTC"),
}
"""What every canonical column of a kind is, whatever the table is."""
PLATE_COLUMNS = ("plate", "vehicle_id")
"""Where a licence plate belongs: a bus may be known by its own."""
LONGEST_TEXT = 200
LONGEST_SHAPE = 100_000
_MICROSECOND = pa.timestamp("us")
_MICROSECOND_UTC = pa.timestamp("us", "UTC")
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
_HAS_ZONE = r"[Zz]$|:\d\d(\.\d+)? ?[+-]\d\d:?(\d\d)?$"
_HAS_CLOCK = r"\d[T ]\d"
_STEP_MS = 15 * 60 * 1000
"""Zones change their clocks at quarters of an hour."""


@dataclass
class Cells:
    """One canonical column of some rows, and which of its cells cannot be read."""

    values: pa.Array
    bad: dict[str, np.ndarray] = field(default_factory=dict)
    """Reason code -> bool[row]."""

    def mark(self, reason: str, marked: pa.Array | np.ndarray) -> None:
        if isinstance(marked, pa.Array | pa.ChunkedArray):
            marked = pc.fill_null(marked, False).to_numpy(zero_copy_only=False)
        if marked.any():
            self.bad[reason] = self.bad.get(reason, np.zeros(len(marked), bool)) | marked


def wanted(kind: str) -> str:
    """What a column of a kind should hold, in words."""
    return {
        TEXT: "text",
        INTEGER: "whole numbers",
        NUMBER: "numbers",
        TIME: "timestamps with a time zone",
    }[kind]


def can_be_read(found: pa.DataType, kind: str, told: ColumnMap, time_zone: str | None) -> bool:
    """Whether a typed column can hold what is wanted; texts of CSV files always may."""
    if pa.types.is_dictionary(found):
        found = found.value_type
    is_text = pa.types.is_string(found) or pa.types.is_large_string(found)
    is_number = pa.types.is_integer(found) or pa.types.is_floating(found)
    if kind == TEXT:
        return bool(is_text or pa.types.is_integer(found) or pa.types.is_null(found))
    if kind != TIME:
        return bool(is_number or pa.types.is_null(found) or (is_text and told.codes))
    if pa.types.is_timestamp(found):
        return found.tz is not None or time_zone is not None
    if told.format in EPOCHS:
        return bool(is_number)
    return bool(pa.types.is_null(found) or (is_text and (told.format != ISO or time_zone)))


def canonical(
    column: pa.Array, name: str, kind: str, told: ColumnMap, time_zone: str | None
) -> Cells:
    """A column as the engine reads it.

    Args:
        column: any type that ``can_be_read`` lets pass, or texts of a CSV file.
        name: of the canonical column.
        time_zone: of times that do not say.
    """
    if kind == TEXT:
        return _texts(column, name, told)
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind == TIME:
        return _times(column, told.format, time_zone)
    if told.codes:
        return _coded_numbers(column, kind, told)
    cells = _numbers(column)
    if told.unit is not None:
        cells.values = pc.multiply(cells.values.cast(pa.float64()), told.factor(name))
    return _whole(cells) if kind == INTEGER else Cells(cells.values.cast(pa.float64()), cells.bad)


def constant(value: object, kind: str, rows: int) -> pa.Array:
    """A column of a value that the column map tells.

    Raises:
        ValueError: it is none of the kind.
    """
    try:
        if kind == TIME:
            raise ValueError("a time is not the same for all rows")
        if kind == TEXT:
            one = pa.array([str(value)], pa.string())
            return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), one)
        one = pa.array([value], pa.float64()).cast(ARROW_TYPE[kind])
        return pa.array(np.full(rows, one[0].as_py()), ARROW_TYPE[kind])
    except (pa.ArrowException, TypeError) as error:
        raise ValueError(f"should be {wanted(kind)}") from error


# --- texts ------------------------------------------------------------------------------------


def _texts(column: pa.Array, name: str, told: ColumnMap) -> Cells:
    """Ids and names; all work is done once for each distinct text."""
    if not pa.types.is_dictionary(column.type):
        if not pa.types.is_string(column.type):
            column = column.cast(pa.string())
        column = column.dictionary_encode()
    texts = column.dictionary
    if not pa.types.is_string(texts.type):
        texts = texts.cast(pa.string())
    indices = column.indices.cast(pa.int32())
    trimmed = pc.utf8_trim_whitespace(texts)
    longest = LONGEST_SHAPE if name == "shape" else LONGEST_TEXT
    too_long = pc.greater(pc.binary_length(texts), longest)
    reasons = {"bad_value": too_long}
    if name not in PLATE_COLUMNS:
        narrow = pc.utf8_normalize(pc.utf8_slice_codeunits(texts, 0, longest), "NFKC")
        reasons["plate_in_column"] = pc.match_substring_regex(narrow, LOOKS_LIKE_PLATE)
    if told.changes_text:
        trimmed, unknown = _retold(trimmed, told)
        reasons["unknown_code"] = unknown
    cells = Cells(column)
    for reason, marked in reasons.items():
        if pc.any(marked).as_py():
            cells.mark(reason, marked.take(indices))
    if told.changes_text or not trimmed.equals(texts):
        # Two texts of the table may have become one; an empty one is none.
        texts = pc.replace_with_mask(trimmed, pc.equal(trimmed, ""), pa.scalar(None, pa.string()))
        once = texts.dictionary_encode()
        indices, texts = once.indices.cast(pa.int32()).take(indices), once.dictionary
    cells.values = pa.DictionaryArray.from_arrays(indices, texts)
    return cells


def _retold(texts: pa.Array, told: ColumnMap) -> tuple[pa.Array, pa.Array]:
    """(what texts mean in the city, bool[text]: those that no code explains)."""
    found: list[str | None] = []
    unknown = []
    for text in texts.to_pylist():
        if text is None:
            found.append(None)
            unknown.append(False)
            continue
        stripped = text.removeprefix(told.without_prefix)
        meant = told.codes.get(stripped) if told.codes else stripped
        found.append(None if meant is None else told.with_prefix + str(meant))
        unknown.append(meant is None)
    return pa.array(found, pa.string()), pa.array(unknown, pa.bool_())


# --- numbers ----------------------------------------------------------------------------------


def _numbers(column: pa.Array) -> Cells:
    """Integers as they are, all else as float64."""
    if pa.types.is_integer(column.type):
        return Cells(column)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return Cells(column.cast(pa.float64()))
    texts = pc.utf8_trim_whitespace(column)
    for kind in (pa.int64(), pa.float64()):
        try:
            return Cells(texts.cast(kind))
        except pa.ArrowInvalid:
            continue
    cells = Cells(texts)
    is_number = pc.match_substring_regex(texts, _NUMBER)
    cells.mark("bad_value", pc.invert(is_number))
    cells.values = _only(texts, is_number).cast(pa.float64())
    return cells


def _whole(cells: Cells) -> Cells:
    """Whole numbers; 3.0 is one, 3.5, infinity and what no int64 holds are none."""
    values = cells.values
    if pa.types.is_integer(values.type):
        if values.type == pa.uint64():
            cells.mark("bad_value", pc.greater(values, pa.scalar(2**63 - 1, pa.uint64())))
        return Cells(values.cast(pa.int64(), safe=False), cells.bad)
    values = _only(values, pc.invert(pc.is_nan(values)))
    is_whole = pc.and_(pc.equal(pc.round(values), values), pc.less(pc.abs(values), 2.0**63))
    cells.mark("bad_value", pc.invert(is_whole))
    return Cells(_only(values, is_whole).cast(pa.int64()), cells.bad)


def _coded_numbers(column: pa.Array, kind: str, told: ColumnMap) -> Cells:
    texts = _texts(column.cast(pa.string()), "", told)
    numbers = _numbers(texts.values.dictionary_decode())
    found = _whole(numbers) if kind == INTEGER else Cells(numbers.values.cast(pa.float64()))
    for reason, marked in {**numbers.bad, **texts.bad}.items():
        found.mark(reason, marked)
    return found


def _only(values: pa.Array, good: pa.Array) -> pa.Array:
    """The values, null where they are not good."""
    return pc.if_else(good, values, pa.scalar(None, values.type))


# --- times ------------------------------------------------------------------------------------


def _times(column: pa.Array, pattern: str, time_zone: str | None) -> Cells:
    if pa.types.is_null(column.type):
        return Cells(column.cast(ARROW_TYPE[TIME]))
    if pattern in EPOCHS:
        return _since_1970(column, EPOCHS[pattern])
    if pa.types.is_timestamp(column.type):
        if column.type.tz is not None:
            return Cells(column.cast(ARROW_TYPE[TIME], safe=False))
        return _of_zone(Cells(column.cast(pa.timestamp("ms"), safe=False)), time_zone)
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    if pattern != ISO:
        return _of_pattern(column, pattern, time_zone)
    return _iso(column, time_zone)


def _since_1970(column: pa.Array, factor: int) -> Cells:
    cells = _numbers(column)
    if pa.types.is_floating(cells.values.type) or factor != 1:
        cells.values = pc.round(pc.multiply(cells.values.cast(pa.float64()), float(factor)))
    cells = _whole(cells)
    bad = {"no_time": np.logical_or.reduce(list(cells.bad.values()))} if cells.bad else {}
    return Cells(cells.values.cast(pa.timestamp("ms")).cast(ARROW_TYPE[TIME]), bad)


def _iso(column: pa.Array, time_zone: str | None) -> Cells:
    """Texts of ISO 8601, with or without T, fractions of seconds and zone."""
    texts = pc.utf8_trim_whitespace(column)
    try:
        return Cells(texts.cast(_MICROSECOND_UTC).cast(ARROW_TYPE[TIME], safe=False))
    except pa.ArrowInvalid:
        texts = pc.replace_substring_regex(texts, r"[/.](\d\d?)[/.](\d\d?[T ])", r"-\1-\2")
        texts = pc.replace_substring_regex(texts, r"-(\d)-", r"-0\1-")
        texts = pc.replace_substring_regex(texts, r"-(\d)([T ])", r"-0\1\2")
        texts = pc.replace_substring_regex(texts, r"(\.\d{6})\d+", r"\1")
        texts = pc.replace_substring_regex(texts, r" ([+-]\d\d:?\d\d)$", r"\1")
    zoned = pc.match_substring_regex(texts, _HAS_ZONE)
    clock = pc.match_substring_regex(texts, _HAS_CLOCK)
    cells = Cells(texts)
    aware = _parsed(_only(texts, pc.and_(zoned, clock)), _MICROSECOND_UTC)
    naive = Cells(_parsed(_only(texts, pc.and_(pc.invert(zoned), clock)), _MICROSECOND))
    naive.values = naive.values.cast(pa.timestamp("ms"), safe=False)
    local = _of_zone(naive, time_zone)
    aware_ms = aware.cast(ARROW_TYPE[TIME], safe=False)
    cells.values = pc.coalesce(aware_ms, local.values)
    no_zone = local.bad.get("no_time_zone", np.zeros(len(texts), bool))
    cells.mark("no_time_zone", no_zone)
    unread = pc.and_(pc.is_valid(texts), pc.is_null(cells.values))
    cells.mark("no_time", unread.to_numpy(zero_copy_only=False) & ~no_zone)
    return cells


def _parsed(texts: pa.Array, kind: pa.DataType) -> pa.Array:
    """Timestamps of texts; null where a text is no time."""
    try:
        return texts.cast(kind)
    except pa.ArrowInvalid:
        distinct = texts.dictionary_encode()
        found = [_parsed_one(text, kind) for text in distinct.dictionary]
        return pa.array(found, kind).take(distinct.indices)


def _parsed_one(text: pa.Scalar, kind: pa.DataType) -> object:
    try:
        return text.cast(kind).value
    except pa.ArrowInvalid:
        return None


def _of_pattern(column: pa.Array, pattern: str, time_zone: str | None) -> Cells:
    """Texts of a pattern of ``strptime``, read once for each distinct text."""
    distinct = pc.utf8_trim_whitespace(column).dictionary_encode()
    found = [_moment(text, pattern) for text in distinct.dictionary.to_pylist()]
    naive = pa.array([ms if ms is not None and not aware else None for ms, aware in found])
    aware = pa.array([ms if aware else None for ms, aware in found], pa.int64())
    naive_ms = naive.cast(pa.int64()).take(distinct.indices).cast(pa.timestamp("ms"))
    local = _of_zone(Cells(naive_ms), time_zone)
    aware_ms = aware.take(distinct.indices).cast(pa.timestamp("ms")).cast(ARROW_TYPE[TIME])
    cells = Cells(pc.coalesce(aware_ms, local.values), local.bad)
    readable = pa.array([ms is not None for ms, _ in found], pa.bool_())
    cells.mark("no_time", pc.invert(readable.take(distinct.indices)))
    return cells


def _moment(text: str, pattern: str) -> tuple[int | None, bool]:
    """(milliseconds since 1970, whether the text told its zone); None: no such time."""
    try:
        moment = datetime.strptime(text, pattern)  # noqa: DTZ007  # its zone comes from the map
    except ValueError:
        return None, False
    aware = moment.tzinfo is not None
    since = moment - datetime(1970, 1, 1, tzinfo=UTC if aware else None)
    return since // timedelta(milliseconds=1), aware


def _of_zone(cells: Cells, time_zone: str | None) -> Cells:
    """Local times (timestamp[ms] without zone) of a zone as times of the world.

    An hour that comes twice in autumn is the first of the two.
    """
    local = cells.values
    if time_zone is None:
        cells.mark("no_time_zone", pc.is_valid(local))
        cells.values = pa.nulls(len(local), ARROW_TYPE[TIME])
        return cells
    milliseconds = pc.fill_null(local.cast(pa.int64()), 0).to_numpy()
    steps, step_idx = np.unique(milliseconds // _STEP_MS, return_inverse=True)
    offsets_ms = np.fromiter(_offsets_ms(steps, ZoneInfo(time_zone)), np.int64, len(steps))
    moments = pa.array(milliseconds - offsets_ms[step_idx], mask=_is_null(local))
    return Cells(moments.cast(pa.timestamp("ms")).cast(ARROW_TYPE[TIME]), cells.bad)


def _offsets_ms(steps: np.ndarray, zone: ZoneInfo) -> Iterator[int]:
    start = datetime(1970, 1, 1)  # noqa: DTZ001  # local
    for step in steps.tolist():
        try:
            local = (start + timedelta(milliseconds=step * _STEP_MS)).replace(tzinfo=zone)
            offset = local.utcoffset() or timedelta()
        except OverflowError:  # no year of the calendar, and certainly not of the service day
            offset = timedelta()
        yield offset // timedelta(milliseconds=1)


def _is_null(values: pa.Array) -> np.ndarray:
    return np.asarray(values.is_null().to_numpy(zero_copy_only=False))
