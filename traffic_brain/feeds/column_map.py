"""How a foreign table becomes a canonical one: names, units, times, codes, coordinates.

A file ``columns.toml`` in the feed's folder, in the folder of the service day, or beside the days;
the nearest counts. Whatever is left out is canonical already. See ``example_columns.toml`` beside
this module for every setting with its meaning. In short::

    [police.passes]
    file = "gcjl"                                   # gcjl.csv.gz, or a folder gcjl of parts
    time_zone = "Asia/Shanghai"                     # of times that do not say
    [police.passes.columns]
    detector_id = { name = "SBBH", without_prefix = "340100" }
    time = { name = "GCSJ", format = "%Y/%m/%d %H:%M:%S" }

    [internet.speeds.columns]
    speed_kmh = { name = "v", unit = "m/s" }
    interval_s = { value = 120 }                    # the table does not say, the contract does

    [internet.links]
    coordinates = "GCJ-02"
"""

from __future__ import annotations

import difflib
import math
import tomllib
import zoneinfo
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from traffic_brain.errors import ConfigurationError
from traffic_brain.feeds.coordinates import PLANE, SYSTEMS
from traffic_brain.feeds.layout import LAYOUT
from traffic_brain.feeds.plates import masked

FILE = "columns.toml"
FACTORS: Mapping[str, Mapping[str, float]] = {
    "_kmh": {"km/h": 1.0, "m/s": 3.6, "mph": 1.609344, "knots": 1.852},
    "_s": {"s": 1.0, "ms": 0.001, "min": 60.0, "h": 3600.0},
    "_m": {"m": 1.0, "ft": 0.3048, "km": 1000.0, "miles": 1609.344},
}
"""What a value in each unit is multiplied by, by the end of the canonical column's name."""
EPOCHS: Mapping[str, int] = {"epoch_s": 1000, "epoch_ms": 1}
"""Milliseconds in the unit of a time that is a number since 1970."""
ISO = "iso"

Value = str | int | float


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """How one canonical column stands in a foreign table; the defaults: as it is."""

    name: str | None = None
    """Its name in the table; None: the canonical one."""
    unit: str | None = None
    format: str = ISO
    """Of times: ``iso``, ``epoch_s``, ``epoch_ms``, or a pattern of ``strptime``."""
    codes: Mapping[str, Value] = field(default_factory=dict)
    """What each text of the table means; others are refused. Empty: texts mean themselves."""
    without_prefix: str = ""
    """What ids begin with in the table, and not in the city."""
    with_prefix: str = ""
    """What ids begin with in the city, and not in the table."""
    value: Value | None = None
    """The same for every row of a table that has no such column."""

    def factor(self, column: str) -> float:
        """What values are multiplied by to stand in the canonical column's unit."""
        if self.unit is None:
            return 1.0
        return units_of(column)[self.unit]

    @property
    def changes_text(self) -> bool:
        return bool(self.codes or self.without_prefix or self.with_prefix)


@dataclass(frozen=True, slots=True)
class TableMap:
    """How one table of a feed is found and read."""

    feed: str
    table: str
    file: str = ""
    """Its name in the folder, without the ending; empty: the canonical one."""
    time_zone: str | None = None
    """Of times that do not say of which zone they are; None: such times are refused."""
    coordinates: str = PLANE
    columns: Mapping[str, ColumnMap] = field(default_factory=dict)

    @property
    def file_name(self) -> str:
        return self.file or self.table

    def of(self, column: str) -> ColumnMap:
        """How a canonical column stands in the table."""
        return self.columns.get(column, AS_IT_IS)

    def name_of(self, column: str) -> str:
        """What a canonical column is called in the table."""
        return self.of(column).name or column


AS_IT_IS = ColumnMap()


@dataclass(frozen=True, slots=True)
class FeedMap:
    """How the tables of one feed are read."""

    feed: str
    tables: Mapping[str, TableMap] = field(default_factory=dict)

    def of(self, table: str) -> TableMap:
        return self.tables.get(table) or TableMap(self.feed, table)


def units_of(column: str) -> Mapping[str, float]:
    """Units that a canonical column's values may have, with their factors; none: no units."""
    ends = sorted((end for end in FACTORS if column.endswith(end)), key=len)
    return FACTORS[ends[-1]] if ends else {}


def feed_map(folder: Path, feed: str) -> FeedMap:
    """The map of the feed in ``folder`` (``…/<service day>/<feed>``); the nearest file counts.

    Raises:
        ConfigurationError: the file cannot be read, or says what it cannot say; all problems.
    """
    for path in (folder / FILE, *(near / FILE for near in list(folder.parents)[:2])):
        if path.is_file():
            return read_column_map(path).get(feed, FeedMap(feed))
    return FeedMap(feed)


def read_column_map(path: Path) -> dict[str, FeedMap]:
    """The maps of all feeds of which a file tells.

    Raises:
        ConfigurationError: as :func:`feed_map`.
    """
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigurationError(
            f"cannot read {masked(path)}: {error.strerror}", "check it"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigurationError(f"{masked(path)} is no TOML: {masked(error)}", "mend it") from None
    reader = _Reader()
    found = {
        feed: FeedMap(feed, reader.tables(feed, tables))
        for feed, tables in reader.known("", told, LAYOUT)
    }
    if reader.problems:
        raise ConfigurationError(
            f"{masked(path)}: {'; '.join(reader.problems)}",
            "mend it; example_columns.toml in the package shows every setting",
        )
    return found


class _Reader:
    """Reads the parts of a column map, and notes everything that is wrong with them."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def known(self, where: str, told: object, names: Iterable[str]) -> Iterable[tuple[str, object]]:
        """The settings of a table of TOML that have a known name."""
        names = tuple(names)
        if not isinstance(told, dict):
            self.problems.append(f"{where or 'the file'} should be a table")
            return []
        for name in told:
            if name not in names:
                near = difflib.get_close_matches(name, names, 1, 0.5)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
                self.problems.append(f"{_dotted(where, name)} is unknown ({hint})")
        return [(name, value) for name, value in told.items() if name in names]

    def tables(self, feed: str, told: object) -> dict[str, TableMap]:
        return {
            table: self.table(feed, table, content)
            for table, content in self.known(feed, told, LAYOUT[feed])
        }

    def table(self, feed: str, table: str, told: object) -> TableMap:
        where = f"{feed}.{table}"
        said: dict[str, object] = dict(
            self.known(where, told, ("file", "time_zone", "coordinates", "columns"))
        )
        columns = said.get("columns", {})
        known = LAYOUT[feed][table].names
        self._check(f"{where}.file", said.get("file"), _is_file, "a file's name")
        self._check(f"{where}.time_zone", said.get("time_zone"), _is_zone, "a time zone")
        self._check_one_of(f"{where}.coordinates", said.get("coordinates"), SYSTEMS)
        said["columns"] = {
            name: self.column(f"{where}.columns.{name}", name, content)
            for name, content in self.known(f"{where}.columns", columns, known)
        }
        return TableMap(feed, table, **said)  # type: ignore[arg-type]  # each kind was checked

    def column(self, where: str, column: str, told: object) -> ColumnMap:
        if isinstance(told, str):
            return ColumnMap(name=told)
        keys = tuple(ColumnMap.__dataclass_fields__)
        said = dict(self.known(where, told, keys))
        units = tuple(units_of(column))
        if "unit" in said and not units:
            self.problems.append(f"{where}.unit: {column} has no unit")
        else:
            self._check_one_of(f"{where}.unit", said.get("unit"), units)
        for name in ("name", "without_prefix", "with_prefix"):
            self._check(f"{where}.{name}", said.get(name), _is_text, "a text")
        formats = "iso, epoch_s, epoch_ms or such as %Y-%m-%d"
        self._check(f"{where}.format", said.get("format"), _is_format, formats)
        self._check(f"{where}.value", said.get("value"), _is_value, "a text or a number")
        self._check(f"{where}.codes", said.get("codes"), _is_codes, "a table of texts or numbers")
        return ColumnMap(**said)  # type: ignore[arg-type]  # each kind was checked

    def _check(
        self, where: str, value: object, is_good: Callable[[object], bool], wanted: str
    ) -> None:
        if value is not None and not is_good(value):
            self.problems.append(f"{where} = {masked(repr(value))} should be {wanted}")

    def _check_one_of(self, where: str, value: object, names: tuple[str, ...]) -> None:
        if value is not None and value not in names:
            near = difflib.get_close_matches(str(value), names, 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(names)}"
            self.problems.append(f"{where} = {masked(repr(value))} is unknown ({hint})")


def _dotted(where: str, name: str) -> str:
    return masked(f"{where}.{name}" if where else name)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_file(value: object) -> bool:
    """A name in the folder itself: nothing outside of the feed is ever opened."""
    return isinstance(value, str) and "/" not in value and "\\" not in value and value != ".."


def _is_zone(value: object) -> bool:
    try:
        zoneinfo.ZoneInfo(str(value))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return isinstance(value, str)


def _is_format(value: object) -> bool:
    return isinstance(value, str) and (value == ISO or value in EPOCHS or "%" in value)


def _is_value(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _is_codes(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_value, value.values()))
