"""UTDF files (Synchro's Universal Traffic Data Format) as tables of text, cell by cell.

The combined format is one csv with the sections ``[Network] [Nodes] [Links] [Lanes] [Timeplans]
[Phases]``; a row is a record of a node, with one cell per direction (``NB``), movement (``NBL``)
or phase (``D1``). A second pair of ``[Timeplans]`` and ``[Phases]`` is a second plan; a second
``[Timeplans]`` alone overrides records of the first, as Synchro reads it. The older set of files
(``Layout Lanes Phasing Timing Volume``, one section each, UTDF 2003) is read as the same tables.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused

LARGEST_FILE_BYTES = 256 * 1024 * 1024
DIRECTIONS = ("NB", "SB", "EB", "WB", "NE", "NW", "SE", "SW")
"""Heading of the traffic; the order of UTDF's columns."""
_REMEDY = "export the network from Synchro again as UTDF (combined csv)"
_HEADS = ("recordname", "intid", "planid", "date")
_COMBINED = ("network", "nodes", "links", "lanes", "timeplans", "phases")
_MOVEMENT = re.compile(rf"({'|'.join(DIRECTIONS)})(U|L2|L|T|R2|R)")
_PHASE = re.compile(r"D([1-9][0-9]?)")
_NO_TEXT = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
"""What no XML file can hold."""
_LONGEST_NUMBER = 15
"""Digits up to which an id is taken as a number: ``007`` and ``7.0`` are node 7."""
_MOST_PROBLEMS = 50

Records = dict[str, str]
"""Record name in small letters without blanks -> text of the cell; empty cells are left out."""
ByColumn = dict[str, Records]


@dataclass
class PlanTables:
    """One time plan of every controller."""

    name: str = "1"
    timeplans: dict[str, Records] = field(default_factory=dict)
    phases: dict[str, dict[int, Records]] = field(default_factory=dict)


@dataclass
class UtdfTables:
    """Everything in a UTDF file, by node id; directions and movements in the file's order."""

    network: Records = field(default_factory=dict)
    nodes: dict[str, Records] = field(default_factory=dict)
    links: dict[str, ByColumn] = field(default_factory=dict)
    lanes: dict[str, ByColumn] = field(default_factory=dict)
    plans: list[PlanTables] = field(default_factory=list)
    movements: tuple[str, ...] = ()
    """The columns of the section ``[Lanes]``."""
    spelling: dict[str, str] = field(default_factory=dict)
    """Record name as it is compared -> as the file writes it."""


@dataclass
class _Section:
    name: str
    header: list[str] = field(default_factory=list)
    rows: list[tuple[int, list[str]]] = field(default_factory=list)
    """(line number, cells) of each row below the header."""


def key_of(name: str) -> str:
    """A record name as it is compared: small letters, no blanks."""
    return "".join(name.split()).lower()


def read_tables(source: Path, losses: LossReport) -> UtdfTables:
    """Read a combined csv, or the folder or any one file of the older set.

    Raises:
        DataRefused: there is no such file, it is no text, or no UTDF; lists all problems.
    """
    sections = list(_sections_of(source, losses))
    named = {section.name for section in sections}
    if "layout" in named:
        return _older_tables(sections, losses)
    missing = [name for name in ("nodes", "links", "lanes") if name not in named]
    if missing:
        listed = ", ".join(f"[{name.capitalize()}]" for name in missing)
        raise DataRefused(f"{source} has no section {listed}", _REMEDY)
    tables, problems = UtdfTables(), list[str]()
    for section in sections:
        _take_section(section, tables, losses, problems)
    _refuse(source, problems)
    tables.plans = _settled(tables.plans)
    return tables


def source_files(source: Path) -> list[Path]:
    """The files that are read when ``source`` is given."""
    return list(_older_files(source).values()) or [source]


def _refuse(source: Path, problems: Sequence[str]) -> None:
    if problems:
        more = len(problems) - _MOST_PROBLEMS
        told = list(problems[:_MOST_PROBLEMS]) + ([f"and {more} more"] if more > 0 else [])
        raise DataRefused(f"{source} is damaged", _REMEDY, told)


def _settled(plans: Sequence[PlanTables]) -> list[PlanTables]:
    """Plans numbered from 1.

    Timings without phases override the plan before; a further plan takes from the first what its
    phases do not say.
    """
    found: list[PlanTables] = []
    for plan in plans:
        if found and not plan.phases:
            for node, records in plan.timeplans.items():
                found[-1].timeplans[node] = found[-1].timeplans.get(node, {}) | records
            continue
        if found:
            _fill_phases(plan.phases, found[0].phases)
        plan.name = str(len(found) + 1)
        found.append(plan)
    return found or [PlanTables()]


def _fill_phases(
    phases: dict[str, dict[int, Records]], base: Mapping[str, Mapping[int, Records]]
) -> None:
    """Give each node the records that none of its phases has."""
    for node, by_phase in phases.items():
        told = {record for records in by_phase.values() for record in records}
        for phase, records in base.get(node, {}).items():
            missing = {name: text for name, text in records.items() if name not in told}
            by_phase[phase] = missing | by_phase.get(phase, {})


# --- rows -----------------------------------------------------------------------------------


def _sections_of(source: Path, losses: LossReport) -> Iterator[_Section]:
    older = _older_files(source)
    for name, path in older.items():
        section = _Section(name)
        for line, cells in _rows(path, losses):
            _add_row(section, line, cells)
        yield section
    if older:
        return
    current: _Section | None = None
    for line, cells in _rows(source, losses):
        head = cells[0].strip()
        if head.startswith("[") and head.endswith("]"):
            if current is not None:
                yield current
            current = _Section(key_of(head[1:-1]))
        elif current is not None:
            _add_row(current, line, cells)
    if current is None:
        raise DataRefused(f"{source} has no section like [Nodes]: it is no UTDF", _REMEDY)
    yield current


def _add_row(section: _Section, line: int, cells: list[str]) -> None:
    """The first row that starts with a known heading is the header; titles stand above it."""
    if section.header:
        section.rows.append((line, cells))
    elif key_of(cells[0]) in _HEADS:
        section.header = [cell.strip() for cell in cells]


def _rows(path: Path, losses: LossReport) -> Iterator[tuple[int, list[str]]]:
    text = _text_of(path, losses)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise DataRefused(
            f"{path}, line {reader.line_num}: not readable as csv", _REMEDY, [str(error)]
        ) from error


def _delimiter(text: str) -> str:
    head = r"^[ \t]*(?:RECORDNAME|INTID|PLANID)[ \t]*([,;\t])"
    found = re.search(head, text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ","


def _text_of(path: Path, losses: LossReport) -> str:
    try:
        size = path.stat().st_size
        raw = path.read_bytes() if size <= LARGEST_FILE_BYTES else b""
    except OSError as error:
        raise DataRefused(f"{path}: {error.strerror or error}", "check the path") from error
    if size > LARGEST_FILE_BYTES:
        raise DataRefused(f"{path} is larger than any city's UTDF ({size} bytes)", _REMEDY)
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        losses.note(Loss.GUESSED, "file is not UTF-8: read as Windows-1252", path.name)
        text = raw.decode("cp1252", errors="replace")
    if "\0" in text:
        raise DataRefused(f"{path} is no text file", _REMEDY)
    clean = _NO_TEXT.sub("", text)
    if clean != text:
        losses.note(Loss.DROPPED, "control characters", path.name)
    return clean


# --- the combined format --------------------------------------------------------------------


def _take_section(
    section: _Section, tables: UtdfTables, losses: LossReport, problems: list[str]
) -> None:
    for _, cells in section.rows:
        tables.spelling.setdefault(key_of(cells[0]), cells[0].strip())
    if section.name not in _COMBINED:
        losses.note(Loss.DROPPED, f"section [{section.name}]: unknown", f"{len(section.rows)} rows")
        return
    if not section.header:
        problems.append(f"[{section.name.capitalize()}] has no header row")
    elif section.name == "network":
        tables.network |= {key_of(c[0]): c[1].strip() for _, c in section.rows if len(c) > 1}
    elif section.name == "nodes":
        _take_nodes(section, tables, losses, problems)
    elif section.name == "links":
        columns = {i: c.upper() for i, c in _columns(section) if c.upper() in DIRECTIONS}
        _note_columns(section, columns, losses)
        _take_records(section, columns, tables.links, losses)
    elif section.name == "lanes":
        columns = {
            i: c.upper()
            for i, c in _columns(section)
            if _MOVEMENT.fullmatch(c.upper()) or c.upper() in ("PED", "HOLD")
        }
        _note_columns(section, columns, losses)
        tables.movements = tuple(dict.fromkeys((*tables.movements, *columns.values())))
        _take_records(section, columns, tables.lanes, losses)
    else:
        _take_plan(section, tables, losses)


def _columns(section: _Section) -> Iterator[tuple[int, str]]:
    return ((i, name) for i, name in enumerate(section.header) if i >= 2 and name)


def _note_columns(section: _Section, known: Mapping[int, str], losses: LossReport) -> None:
    for i, name in _columns(section):
        if i not in known:
            losses.note(Loss.DROPPED, f"[{section.name.capitalize()}] unknown column", name)


def node_id(text: str) -> str:
    """A node's id: the number where it is one (``007``, ``7.0``), else the text as it stands."""
    text = text.strip()
    whole = text.removesuffix(".0")
    return str(int(whole)) if whole.isdecimal() and len(whole) <= _LONGEST_NUMBER else text


def _take_nodes(
    section: _Section, tables: UtdfTables, losses: LossReport, problems: list[str]
) -> None:
    names = [key_of(name) for name in section.header]
    tables.spelling |= dict(zip(names, section.header, strict=True))
    missing = [name for name in ("intid", "type", "x", "y") if name not in names]
    if missing:
        problems.append(f"[Nodes] has no column {', '.join(missing).upper()}")
        return
    for line, cells in section.rows:
        row = {
            name: cell.strip()
            for name, cell in zip(names, cells, strict=False)
            if name and cell.strip()
        }
        if "intid" not in row:
            losses.note(Loss.DROPPED, "[Nodes] row without INTID", f"line {line}")
            continue
        node = node_id(row.pop("intid"))
        if tables.nodes.setdefault(node, row) != row:
            problems.append(f"line {line}: node {node} is there twice, with other data")


def _take_records(
    section: _Section,
    columns: Mapping[int, str],
    into: dict[str, ByColumn],
    losses: LossReport,
) -> None:
    """Turn rows (a record of a node, one cell per column) into node -> column -> record."""
    seen: set[tuple[str, str]] = set()
    title = section.name.capitalize()
    for line, cells in section.rows:
        record, node = key_of(cells[0]), node_id(cells[1]) if len(cells) > 1 else ""
        if not record or not node:
            losses.note(Loss.DROPPED, f"[{title}] row without record name or INTID", f"line {line}")
            continue
        if (record, node) in seen:
            what = f"[{title}] record given twice: the later one counts"
            losses.note(Loss.GUESSED, what, f"node {node} {cells[0].strip()}")
        seen.add((record, node))
        by_column = into.setdefault(node, {})
        for i, cell in enumerate(cells[2:], start=2):
            text = cell.strip()
            if i in columns and text:
                by_column.setdefault(columns[i], {})[record] = text
            elif text:
                what = f"[{title}] cell in no column of the header"
                losses.note(Loss.DROPPED, what, f"line {line}")


def _take_plan(section: _Section, tables: UtdfTables, losses: LossReport) -> None:
    """Add a section to the plans: a second ``[Phases]`` makes the plan of the timings before it."""
    found: dict[str, ByColumn] = {}
    if section.name == "timeplans":
        _take_records(section, {2: "DATA"}, found, losses)
        timings = {node: cells["DATA"] for node, cells in found.items() if "DATA" in cells}
        tables.plans.append(PlanTables(timeplans=timings))
        return
    columns = {i: c.upper() for i, c in _columns(section) if _PHASE.fullmatch(c.upper())}
    _note_columns(section, columns, losses)
    _take_records(section, columns, found, losses)
    phases = {
        node: {int(column[1:]): records for column, records in by_column.items()}
        for node, by_column in found.items()
    }
    if not tables.plans or tables.plans[-1].phases:
        tables.plans.append(PlanTables())
    tables.plans[-1].phases = phases


# --- the older set of files -----------------------------------------------------------------

_OLDER = ("layout", "lanes", "phasing", "timing", "volume")
_LEGS = {
    "n": "SB",
    "s": "NB",
    "e": "WB",
    "w": "EB",
    "ne": "SW",
    "nw": "SE",
    "se": "NW",
    "sw": "NE",
}
"""Side of the junction on which a neighbour lies -> heading of the traffic that comes from it."""
_TIMINGS = {"cl": "cyclelength", "off": "offset", "ref": "referencephase"}


def _older_files(source: Path) -> dict[str, Path]:
    """The files of an older set by section; empty when ``source`` is no part of one."""
    if not source.is_dir() and source.stem.lower() not in _OLDER:
        return {}
    folder = source if source.is_dir() else source.parent
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise DataRefused(f"{folder}: {error.strerror or error}", "check the path") from error
    found = {path.stem.lower(): path for path in files if path.suffix.lower() in (".csv", ".dat")}
    found = {name: found[name] for name in _OLDER if name in found}
    if not {"layout", "lanes"} <= found.keys():
        raise DataRefused(
            f"{folder} has not both Layout.csv and Lanes.csv", "give the whole set of UTDF files"
        )
    return found


def _older_tables(sections: Sequence[_Section], losses: LossReport) -> UtdfTables:
    tables, problems = UtdfTables(), list[str]()
    by_name = {section.name: section for section in sections}
    layout = by_name["layout"]
    _take_section(_renamed(layout, "nodes"), tables, losses, problems)
    _take_section(by_name["lanes"], tables, losses, problems)
    if "phasing" in by_name:
        _take_section(_renamed(by_name["phasing"], "phases"), tables, losses, problems)
    _refuse(Path("Layout.csv"), problems)
    _take_legs(tables)
    base = tables.plans[0] if tables.plans else PlanTables()
    plans = _timing_plans(by_name["timing"], base) if "timing" in by_name else []
    tables.plans = plans or [base]
    if "volume" in by_name:
        rows = f"{len(by_name['volume'].rows)} rows"
        losses.note(Loss.DROPPED, "Volume.csv: the volumes of Lanes.csv count", rows)
    return tables


def _renamed(section: _Section, name: str) -> _Section:
    return _Section(name, section.header, section.rows)


def _take_legs(tables: UtdfTables) -> None:
    """Make the links' records of the neighbours in the layout and of the lanes' distances."""
    for node, row in tables.nodes.items():
        if "intname" in row:
            row["description"] = row.pop("intname")
        for side, direction in _LEGS.items():
            up = row.pop(f"{side}id", "")
            name = row.pop(f"{side}name", "")
            if up:
                records = tables.links.setdefault(node, {}).setdefault(direction, {})
                records |= {"upid": up, "name": name}
                for movement, cells in tables.lanes.get(node, {}).items():
                    if movement.startswith(direction):
                        records |= {k: cells[k] for k in ("distance", "speed") if k in cells}


def _timing_plans(section: _Section, base: PlanTables) -> list[PlanTables]:
    names = [key_of(name) for name in section.header]
    plans: dict[str, PlanTables] = {}
    for _, cells in section.rows:
        row = {n: c.strip() for n, c in zip(names, cells, strict=False) if c.strip()}
        node = node_id(row.get("intid", ""))
        if not node:
            continue
        plan = plans.setdefault(row.get("planid", "1"), PlanTables(row.get("planid", "1")))
        plan.timeplans[node] = {new: row[old] for old, new in _TIMINGS.items() if old in row}
        plan.phases[node] = {
            phase: records | ({"split": row[f"s{phase}"]} if f"s{phase}" in row else {})
            for phase, records in base.phases.get(node, {}).items()
        }
    return list(plans.values())


def split_movement(column: str) -> tuple[str, str]:
    """``NBL2`` as its direction and its turn: ``("NB", "L2")``."""
    return column[:2], column[2:]
