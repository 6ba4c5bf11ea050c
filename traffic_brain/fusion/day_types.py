"""What kind of day a service day is: working or free, a holiday, in what weather.

The calendar is the user's, TOML with a table for each day that is not what its weekday says::

    [2026-10-01]
    day_type = "holiday"

    [2026-10-10]            # a Saturday that is worked
    day_type = "working"

    [2026-11-03]
    weather = "rain"

Day types and weathers are any words; days of one type are those with the same two. A CSV file with
the columns service_day, day_type, weather says the same.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from traffic_brain.errors import DataRefused

WORKING, FREE = "working", "free"
_WORDS = ("day_type", "weather")


@dataclass(frozen=True, order=True, slots=True)
class DayType:
    """``weather``: empty where the calendar says nothing of it."""

    kind: str
    weather: str = ""

    def __str__(self) -> str:
        return f"{self.kind}, {self.weather}" if self.weather else self.kind


@dataclass(frozen=True)
class Calendar:
    """What the user says of single days; of all others the weekday tells."""

    kinds: Mapping[date, str] = field(default_factory=dict)
    weather: Mapping[date, str] = field(default_factory=dict)

    def type_of(self, day: date) -> DayType:
        """The calendar's word, else ``working`` from Monday to Friday and ``free`` on others."""
        usual = FREE if day.isoweekday() > 5 else WORKING
        return DayType(self.kinds.get(day, usual), self.weather.get(day, ""))


def alike(wanted: DayType, days: Mapping[date, DayType], least: int) -> list[date]:
    """Days to learn a type from: of the type; else of its kind in any weather; else all.

    Each time those that are at least ``least``. Of a kind that is in no calendar of the past, free
    days are nearer than working ones, unless it is ``working`` itself.
    """
    near = WORKING if wanted.kind == WORKING else FREE
    same = [d for d, t in days.items() if t == wanted]
    kind = [d for d, t in days.items() if t.kind == wanted.kind]
    nearest = [d for d, t in days.items() if (t.kind == WORKING) == (near == WORKING)]
    found = next((some for some in (same, kind, nearest) if len(some) >= least), list(days))
    return sorted(found)


def read_calendar(path: Path) -> Calendar:
    """The calendar in a TOML or CSV file.

    Raises:
        DataRefused: it cannot be read, or an entry says nothing that is known; all at once.
    """
    try:
        entries = _from_csv(path) if path.suffix == ".csv" else _from_toml(path)
    except (OSError, UnicodeDecodeError, csv.Error, tomllib.TOMLDecodeError) as error:
        raise DataRefused(
            f"the calendar {path} cannot be read", "write it as TOML or CSV in UTF-8", [str(error)]
        ) from error
    kinds: dict[date, str] = {}
    weather: dict[date, str] = {}
    problems = []
    for name, entry in entries:
        try:
            day = date.fromisoformat(name)
        except ValueError:
            problems.append(f"{name!r} is not a day like 2026-10-01")
            continue
        problems += _problems(name, entry)
        if day in kinds or day in weather:
            problems.append(f"{name} stands there twice")
        elif isinstance(entry, Mapping):
            kinds |= {day: str(entry["day_type"])} if entry.get("day_type") else {}
            weather |= {day: str(entry["weather"])} if entry.get("weather") else {}
    if problems:
        remedy = 'write [YYYY-MM-DD], and below it day_type = "…" and weather = "…"'
        raise DataRefused(f"the calendar {path} cannot be used", remedy, problems)
    return Calendar(kinds, weather)


def _problems(name: str, entry: object) -> list[str]:
    if not isinstance(entry, Mapping):
        return [f"{name} is no table"]
    unknown = [str(key) for key in entry if key not in _WORDS]
    wrong = [key for key in _WORDS if not isinstance(entry.get(key, ""), str)]
    nothing = not any(entry.get(key) for key in _WORDS)
    return [
        *(f"{name}: {key} is not known" for key in unknown),
        *(f"{name}: {key} is no text" for key in wrong),
        *([f"{name} says neither day_type nor weather"] if nothing else []),
    ]


def _from_toml(path: Path) -> Iterable[tuple[str, Any]]:
    return tomllib.loads(path.read_text(encoding="utf-8")).items()


def _from_csv(path: Path) -> Iterable[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in csv.DictReader(file)]
    return [(row.get("service_day", ""), {k: row.get(k, "") for k in _WORDS}) for row in rows]
