"""A GMNS folder (General Modeling Network Specification 0.9x) as tables of text.

Tables and columns are declared once, here: what they are called in the wild, and which of them
we read. Whatever else has a value is noted as dropped, cell by cell, so that nothing is lost in
silence. Columns and tables whose names begin with ``opt_`` are those of
:mod:`network_data.writers.gmns`; other programs pass them by.
"""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused

LARGEST_FILE_BYTES = 1 << 29
LONGEST_CELL = 1 << 24
LONGEST_NAME = 500
"""Characters of a name; SUMO takes its time with longer ones."""
MOST_PROBLEMS = 50
REMEDY = "correct the tables, or export the network to GMNS again"
_MISSING = frozenset({"", "nan", "null", "n/a", "#n/a", "<na>"})
_LONGEST_MISSING = 6
_LOOKED_AT_BYTES = 1024
_TRUE = frozenset({"1", "1.0", "true", "t", "yes", "y"})
_FALSE = frozenset({"0", "0.0", "false", "f", "no", "n"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_WHOLE_AS_DECIMAL = re.compile(r"(-?\d+)\.0+")
_UNPRINTABLE = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What no XML file, and so no network of SUMO, can hold."""
_SHOWN = 40


@dataclass(frozen=True)
class TableSpec:
    """A table of GMNS: its file, its key, and the columns that we read."""

    name: str
    key: str
    required: tuple[str, ...]
    """Without one of these columns the table cannot be read."""
    used: tuple[str, ...]
    """Columns read besides the required ones."""
    also_called: tuple[str, ...] = ()
    """Other names of the file; plurals need not be told."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other name of a column -> its name."""
    is_core: bool = False
    """The network cannot be read without it, and its rows cannot be left out."""


_TIMES = ("yellow", "all_red", "red")
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

SPECS: tuple[TableSpec, ...] = (
    TableSpec(
        "config",
        "dataset_name",
        (),
        ("dataset_name", "short_length", "long_length", "speed", "crs", "geometry_field_format"),
        aliases={"speed_unit": "speed", "length_unit": "long_length", "name": "dataset_name"},
    ),
    TableSpec(
        "node",
        "node_id",
        ("node_id", "x_coord", "y_coord"),
        ("name", "ctrl_type", "zone_id", "parent_node_id", "controller_id", "opt_controller_id"),
        aliases={"control_type": "ctrl_type", "x": "x_coord", "y": "y_coord"},
        is_core=True,
    ),
    TableSpec(
        "link",
        "link_id",
        ("link_id", "from_node_id", "to_node_id"),
        (
            *("name", "directed", "geometry_id", "geometry", "dir_flag", "length", "lanes"),
            *("facility_type", "link_type_name", "capacity", "free_speed", "allowed_uses"),
            *("opt_length_m", "opt_free_flow_speed_mps", "opt_name_latin", "opt_zone_id"),
            *("opt_controller_id", "opt_signal_group"),
        ),
        also_called=("road_link",),
        aliases={
            "from_node": "from_node_id",
            "to_node": "to_node_id",
            "wkt": "geometry",
            "allowed_use": "allowed_uses",
        },
        is_core=True,
    ),
    TableSpec("geometry", "geometry_id", ("geometry_id",), ("geometry",), ("link_geometry",)),
    TableSpec("lane", "lane_id", ("link_id", "lane_num"), ("lane_id", "allowed_uses")),
    TableSpec(
        "segment",
        "segment_id",
        ("segment_id", "link_id"),
        ("ref_node_id", "start_lr", "end_lr", "l_lanes_added", "r_lanes_added"),
    ),
    TableSpec(
        "segment_lane",
        "segment_lane_id",
        ("segment_id", "lane_num"),
        ("segment_lane_id", "parent_lane_id", "allowed_uses"),
        aliases={"seg_lane_id": "segment_lane_id"},
    ),
    TableSpec(
        "movement",
        "mvmt_id",
        ("mvmt_id", "ib_link_id", "ob_link_id"),
        (
            *("node_id", "start_ib_lane", "end_ib_lane", "start_ob_lane", "end_ob_lane", "type"),
            *("capacity", "ctrl_type", "allowed_uses", "opt_movement_id", "opt_controller_id"),
            *("opt_signal_group", "opt_saturation_flow_vph", "opt_saturation_flow_source"),
        ),
        aliases={"movement_id": "mvmt_id", "movement_type": "type"},
    ),
    TableSpec("use_definition", "use", ("use",), ()),
    TableSpec("use_group", "use_group", ("use_group", "uses"), ()),
    TableSpec(
        "time_set_definitions",
        "timeday_id",
        ("timeday_id",),
        (*(*_DAYS, "holiday", "start_time", "end_time"),),
        ("time_set_definition", "time_set", "timeday_set"),
        aliases={"time_day_id": "timeday_id"},
    ),
    TableSpec(
        "zone",
        "zone_id",
        ("zone_id",),
        ("name", "boundary", "opt_name_latin"),
        aliases={"geometry": "boundary"},
    ),
    TableSpec(
        "location",
        "loc_id",
        ("loc_id", "link_id"),
        ("ref_node_id", "lr", "loc_type", "opt_position_m", "opt_lane_idx"),
    ),
    TableSpec(
        "signal_controller",
        "controller_id",
        ("controller_id",),
        (
            *("node_id", "name", "opt_name", "opt_name_latin", "opt_zone_id", "opt_x", "opt_y"),
            *("opt_node_ids", "opt_signal_group_count", "opt_control", "opt_problems"),
            *("opt_plan_in_service", "opt_intergreens"),
        ),
    ),
    TableSpec(
        "signal_coordination",
        "coordination_id",
        ("timing_plan_id",),
        (
            *("coordination_id", "controller_id", "coord_contr_id", "coord_phase"),
            *("coord_ref_to", "offset"),
        ),
        aliases={"offset_ref": "coord_ref_to", "coord_ref": "coord_ref_to"},
    ),
    TableSpec(
        "signal_timing_plan",
        "timing_plan_id",
        ("timing_plan_id", "controller_id"),
        (
            *("timeday_id", "time_day", "cycle_length", "coord_contr_id", "coord_phase"),
            *("coord_ref_to", "offset", "opt_plan_id", "opt_begin_s", "opt_end_s", *_DAYS),
            *("start_time", "end_time"),
        ),
        aliases={
            "time_day_id": "timeday_id",
            "cycle_lengh": "cycle_length",
            "time_days": "time_day",
            "offset_ref": "coord_ref_to",
        },
    ),
    TableSpec(
        "signal_timing_phase",
        "timing_phase_id",
        ("timing_phase_id", "timing_plan_id"),
        (
            *("signal_phase_num", "signal_phase_id", "min_green", "max_green", "extension"),
            *("clearance", "walk_time", "ped_clearance", "ring", "barrier", "position", *_TIMES),
        ),
        aliases={"phase_num": "signal_phase_num", "walk": "walk_time"},
    ),
    TableSpec(
        "signal_phase",
        "signal_phase_id",
        ("signal_phase_id",),
        ("signal_phase_num", "controller_id", "ring", "barrier", "position"),
    ),
    TableSpec(
        "signal_phase_mvmt",
        "signal_phase_mvmt_id",
        (),
        (
            *("signal_phase_mvmt_id", "timing_phase_id", "controller_id", "signal_phase_num"),
            *("signal_phase_id", "mvmt_id", "link_id", "protection"),
        ),
        ("signal_timing_mvmt", "signal_phase_movement"),
        aliases={"movement_id": "mvmt_id"},
    ),
    TableSpec(
        "signal_detector",
        "detector_id",
        ("detector_id", "link_id"),
        (
            *("start_lane", "end_lane", "ref_node_id", "det_zone_lr", "det_type"),
            *("opt_position_m", "opt_lane_idx"),
        ),
    ),
    TableSpec(
        "opt_signal_stage",
        "timing_plan_id",
        ("timing_plan_id", "stage_idx", "duration_s", "picture", "min_green_s", "max_green_s"),
        (),
    ),
    TableSpec(
        "opt_signal_rule",
        "controller_id",
        ("controller_id", "signal_group"),
        ("conflicts", "yields", "intergreens"),
    ),
    TableSpec(
        "opt_give_way",
        "ib_link_id",
        ("ib_link_id", "ob_link_id", "first_ib_link_id", "first_ob_link_id"),
        (),
    ),
)
"""Every table that we read."""
UNREAD = (*("link_tod", "segment_tod", "lane_tod", "segment_lane_tod", "movement_tod", "curb_seg"),)
"""Tables of GMNS that our model has nothing for; their rows are counted as dropped."""
_BY_NAME = {spec.name: spec for spec in SPECS}


# --- rows -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Table:
    """A table as it was read: its columns and its rows."""

    spec: TableSpec
    columns: Mapping[str, int] = field(default_factory=dict)
    lines: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    """(line number, cells); rows are made of them when they are looked at."""
    decimal_comma: bool = False
    """Cells are parted by something else than commas, which may then be decimal points."""

    def __iter__(self) -> Iterator[Row]:
        return (Row(self, line, cells) for line, cells in self.lines)

    def has(self, column: str) -> bool:
        return column in self.columns


@dataclass(slots=True)
class Row:
    """One row; empty cells, ``NaN`` and ``NULL`` are missing."""

    table: Table
    line: int
    cells: tuple[str, ...]

    def raw(self, column: str) -> str:
        """The cell as it stands; empty when it is missing."""
        i = self.table.columns.get(column)
        if i is None or i >= len(self.cells):
            return ""
        cell = self.cells[i]
        if len(cell) <= _LONGEST_MISSING and cell.strip().lower() in _MISSING:
            return ""
        return "" if cell.isspace() else cell

    def text(self, column: str) -> str:
        """The cell without blanks around it; empty when it is missing."""
        return self.raw(column).strip()

    def word(self, column: str) -> str:
        """The cell in small letters."""
        return self.text(column).lower()

    @property
    def place(self) -> str:
        """Where a person finds the row: table and key."""
        spec = self.table.spec
        key = self.text(spec.key)
        return f"{spec.name} {shown(key)}" if key else f"{spec.name} line {self.line}"

    def __getitem__(self, column: str) -> str:
        return self.text(column)


def shown(text: str) -> str:
    """A cell as messages name it: not longer than a line."""
    plain = " ".join(text.split())
    return plain if len(plain) <= _SHOWN else plain[: _SHOWN - 1] + "…"


@dataclass
class Tables:
    """All tables of a folder, with readers of cells that note what they cannot read."""

    source: Path
    losses: LossReport
    by_name: dict[str, Table] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """What makes the folder impossible to import; see `refuse`."""

    def __getitem__(self, name: str) -> Table:
        found = self.by_name.get(name)
        return Table(_BY_NAME[name]) if found is None else found

    def refuse(self) -> None:
        """Raise `DataRefused` with all problems, if there are any."""
        if not self.problems:
            return
        more = len(self.problems) - MOST_PROBLEMS
        told = self.problems[:MOST_PROBLEMS] + ([f"and {more} more"] if more > 0 else [])
        raise DataRefused(f"{self.source} cannot be read as GMNS", REMEDY, told)

    def number(self, row: Row, column: str, low: float, high: float) -> float | None:
        """A number from ``low`` to ``high``; None where there is none, noted unless empty."""
        text = row.text(column)
        if not text:
            return None
        value = number_of(text, decimal_comma=row.table.decimal_comma)
        if value is not None and low <= value <= high:
            return value
        self.losses.note(
            Loss.DROPPED,
            f"{row.table.spec.name}.{column}: not a number from {low:g} to {high:g}",
            f"{row.place} ({shown(text)})",
        )
        return None

    def whole(self, row: Row, column: str, low: int, high: int) -> int | None:
        """A whole number from ``low`` to ``high``; None where there is none, noted unless empty."""
        value = self.number(row, column, low, high)
        if value is None:
            return None
        if value != int(value):
            what = f"{row.table.spec.name}.{column}: not a whole number"
            self.losses.note(Loss.DROPPED, what, f"{row.place} ({shown(row.text(column))})")
            return None
        return int(value)

    def flag(self, row: Row, column: str) -> bool | None:
        """True or false; None where there is neither, noted unless empty."""
        word = row.word(column)
        if word in _TRUE:
            return True
        if word in _FALSE:
            return False
        if word:
            what = f"{row.table.spec.name}.{column}: neither true nor false"
            self.losses.note(Loss.DROPPED, what, f"{row.place} ({shown(word)})")
        return None

    def name(self, row: Row, column: str) -> str:
        """A text for people as it stands; one that is no name for its length is cut, and noted."""
        text = row.raw(column)
        if len(text) <= LONGEST_NAME:
            return text
        what = f"{row.table.spec.name}.{column}: cut after {LONGEST_NAME} characters"
        self.losses.note(Loss.DROPPED, what, row.place)
        return text[:LONGEST_NAME]

    def drop(self, row: Row, why: str) -> None:
        """Note that a row is left out."""
        self.losses.note(Loss.DROPPED, f"{row.table.spec.name}: {why}", row.place)


def number_of(text: str, *, decimal_comma: bool = False) -> float | None:
    """A finite number (``3.5``, ``1e-3``); None: it is none."""
    if len(text) > _SHOWN:
        return None
    if decimal_comma and _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def known_id(text: str, known: Mapping[str, object]) -> str | None:
    """The id in ``known`` that a cell names, also when a spreadsheet made ``7.0`` of ``7``."""
    if text in known:
        return text
    match = _WHOLE_AS_DECIMAL.fullmatch(text)
    return match[1] if match and match[1] in known else None


def by_key(table: Table, column: str) -> dict[str, list[Row]]:
    """Rows by the text of a column, in order; rows without it are left out."""
    found: dict[str, list[Row]] = {}
    for row in table:
        key = row.text(column)
        if key:
            found.setdefault(key, []).append(row)
    return found


# --- files ----------------------------------------------------------------------------------


def read_tables(source: Path, losses: LossReport, *, carried: bool = True) -> Tables:
    """Read all tables of a folder.

    ``carried`` False leaves out columns and tables that begin with ``opt_``: what other programs
    see of a folder that we wrote.

    What is wrong with single files and rows stands in ``problems``: whoever goes on reading adds
    to it and refuses.

    Raises:
        DataRefused: no folder, or no ``node`` or ``link`` table; all problems are listed.
    """
    tables = Tables(source, losses)
    try:
        files = sorted(path for path in source.iterdir() if path.is_file())
    except OSError as error:
        raise DataRefused(f"{source}: {error.strerror or error}", "give a GMNS folder") from error
    chosen = _chosen(files, losses)
    for name, path in chosen.items():
        if carried or not name.startswith("opt_"):
            _read_one(tables, name, path, carried=carried)
    core = [spec.name for spec in SPECS if spec.is_core]
    for name in core:
        if name not in chosen:
            tables.problems.append(f"there is no {name}.csv")
        elif name not in tables.by_name and not tables.problems:
            tables.problems.append(f"{name}.csv is empty")
    if not tables.by_name.keys() >= set(core):
        tables.refuse()
    return tables


def _chosen(files: Iterable[Path], losses: LossReport) -> dict[str, Path]:
    """The file of each table, by the table's name; the others are noted."""
    called = {alias: spec.name for spec in SPECS for alias in _names_of(spec.name, spec)}
    called |= {alias: name for name in UNREAD for alias in _names_of(name, None)}
    found: dict[str, Path] = {}
    for path in files:
        if path.suffix.lower() != ".csv":
            continue
        name = called.get(path.stem.strip().lower())
        if name is None:
            losses.note(Loss.DROPPED, "file that is no table of GMNS", path.name)
        elif name in found:
            losses.note(Loss.DROPPED, f"second file for the table {name}", path.name)
        else:
            found[name] = path
    return found


def _names_of(name: str, spec: TableSpec | None) -> Iterator[str]:
    for one in (name, *(spec.also_called if spec else ())):
        yield one
        yield f"{one}s"


def _read_one(tables: Tables, name: str, path: Path, *, carried: bool) -> None:
    try:
        text = _text_of(path, tables.losses)
        delimiter = _delimiter(text, path, tables.losses)
        lines = list(_lines(text, delimiter))
    except DataRefused as error:
        tables.problems.append(f"{name}.csv: {error.what}")
        return
    tables.files.append(path)
    if not lines:
        tables.losses.note(Loss.DROPPED, "table without a header", path.name)
        return
    if name in UNREAD:
        for line, _ in lines[1:]:
            tables.losses.note(Loss.DROPPED, f"{name}: nothing in our model", f"line {line}")
        return
    spec = _BY_NAME[name]
    columns = _columns(spec, lines[0][1], path, tables.losses)
    if not carried:
        columns = {c: i for c, i in columns.items() if not c.startswith("opt_")}
    missing = [column for column in spec.required if column not in columns]
    if missing:
        _missing_columns(tables, spec, path, missing)
        return
    table = Table(spec, columns, decimal_comma=delimiter != ",")
    width = len(lines[0][1])
    for line, cells in lines[1:]:
        if len(cells) > width and "".join(cells[width:]).strip():
            what = f"{name}: cells beyond the last column"
            tables.losses.note(Loss.DROPPED, what, f"line {line}")
    table.lines = lines[1:]
    table.lines = _each_once(tables, table)
    _note_unread(table, tables.losses)
    tables.by_name[name] = table


def _missing_columns(tables: Tables, spec: TableSpec, path: Path, missing: Sequence[str]) -> None:
    told = f"{spec.name}.csv has no column {', '.join(missing)}"
    if spec.is_core:
        tables.problems.append(told)
    else:
        tables.losses.note(Loss.DROPPED, f"table without {', '.join(missing)}", path.name)
        tables.losses.to_fix(spec.name, told, 0.0, "give the columns, or leave the file out")


def _columns(
    spec: TableSpec, header: Sequence[str], path: Path, losses: LossReport
) -> dict[str, int]:
    """Column by its GMNS name; the first where one comes twice."""
    found: dict[str, int] = {}
    for i, cell in enumerate(header):
        name = "_".join(cell.strip().lower().split())
        name = spec.aliases.get(name, name)
        if name and found.setdefault(name, i) != i:
            losses.note(Loss.DROPPED, f"second column {shown(name)}", path.name)
    return found


def _each_once(tables: Tables, table: Table) -> list[tuple[int, tuple[str, ...]]]:
    """Lines without those that repeat a key."""
    spec = table.spec
    if spec.key not in table.columns or spec.name in _KEY_REPEATS:
        return table.lines
    first: dict[str, tuple[str, ...]] = {}
    kept: list[tuple[int, tuple[str, ...]]] = []
    for row in table:
        key = row.text(spec.key)
        if not key or first.setdefault(key, row.cells) is row.cells:
            kept.append((row.line, row.cells))
            continue
        what = f"{spec.name}: row given twice, the first counts"
        tables.losses.note(Loss.GUESSED, what, row.place)
        if first[key] != row.cells and spec.is_core:
            told = f"comes twice, with other data in line {row.line}: the first counts"
            tables.losses.to_fix(row.place, told, 0.3, "give every row an id of its own")
    return kept


_KEY_REPEATS = frozenset({"opt_signal_stage", "opt_signal_rule", "opt_give_way", "config"})


def _note_unread(table: Table, losses: LossReport) -> None:
    spec = table.spec
    known = {*spec.required, *spec.used, spec.key}
    for column in table.columns:
        if column in known:
            continue
        for row in table:
            if row.text(column):
                losses.note(Loss.DROPPED, f"{spec.name}.{shown(column)}", row.place)


def _lines(text: str, delimiter: str) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line number, cells) of every line that is not empty, the header first."""
    before = csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            if any(cells) and not "".join(cells).isspace():
                yield reader.line_num, tuple(cells)
    except csv.Error as error:
        raise DataRefused(f"line {reader.line_num} is not readable as csv ({error})") from error
    finally:
        csv.field_size_limit(before)


def _delimiter(text: str, path: Path, losses: LossReport) -> str:
    header = text.lstrip("\r\n").split("\n", 1)[0]
    found = max(",;\t|", key=header.count)
    if found == "," or header.count(found) == 0:
        return ","
    losses.note(Loss.GUESSED, f"cells are parted by {found!r} instead of a comma", path.name)
    return found


def _text_of(path: Path, losses: LossReport) -> str:
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= LARGEST_FILE_BYTES else b""
    except OSError as error:
        raise DataRefused(f"{error.strerror or error}") from error
    if size > LARGEST_FILE_BYTES:
        raise DataRefused(f"larger than any city's table ({size} bytes)")
    wide = _wide_encoding(raw)
    try:
        if wide:
            losses.note(Loss.GUESSED, "file is UTF-16", path.name)
        text = raw.decode(wide or "utf-8-sig")
    except UnicodeDecodeError:
        text = _other_encoding(raw, path, losses)
    if "\0" in text:
        raise DataRefused("no text file")
    plain, count = _UNPRINTABLE.subn("\ufffd", text)
    if count:
        losses.note(Loss.DROPPED, "characters that no text has", f"{path.name} ({count})")
    return plain


def _wide_encoding(raw: bytes) -> str:
    """UTF-16 by its mark, or because every other byte of the beginning is zero; else empty."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = [raw[i:_LOOKED_AT_BYTES:2].count(0) for i in (0, 1)]
    half = len(raw[:_LOOKED_AT_BYTES]) // 2
    if half and max(zeros) > 0.6 * half and min(zeros) < 0.1 * half:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return ""


def _other_encoding(raw: bytes, path: Path, losses: LossReport) -> str:
    """GB 18030 where high bytes stand side by side, as in Chinese; else Windows-1252."""
    high = [byte > 0x7F for byte in raw]
    together = sum(a and b for a, b in pairwise(high))
    if 2 * together >= sum(high):
        try:
            text = raw.decode("gb18030")
        except UnicodeDecodeError:
            pass
        else:
            losses.note(Loss.GUESSED, "file is not UTF-8: read as GB 18030", path.name)
            return text
    losses.note(Loss.GUESSED, "file is not UTF-8: read as Windows-1252", path.name)
    return raw.decode("cp1252", errors="replace")
