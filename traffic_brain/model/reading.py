"""Strict reading of JSON: every problem is noted with its place, and none is a traceback.

A parser is a function of (value, where, problems): it notes what is wrong in ``problems`` and
returns a plain stand-in, so that reading goes on to the next field. :func:`read_document` runs
one and refuses the document when anything was noted.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from traffic_brain.errors import DataRefused

REMEDY = "write the document again with traffic-brain, or correct what is named"

T = TypeVar("T")
Choice = TypeVar("Choice", bound=StrEnum)
Parser = Callable[[object, str, list[str]], T]


def to_json(document: object) -> str:
    """The text of a document: readable, sorted, the same bytes for the same content."""
    return (
        json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False) + "\n"
    )


def digest(document: object) -> str:
    """SHA-256 of a document's content, independent of how it is laid out in its file."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def from_json(text: str, what: str) -> Any:
    """Any JSON text; ``what`` names it in the refusal.

    Raises:
        DataRefused: not JSON, a key twice in one object, or nested beyond reason.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise DataRefused(f"{what} is not a JSON document", REMEDY, [str(error)]) from error


def read_json(path: Path) -> Any:
    """The JSON document in a file.

    Raises:
        DataRefused: the file is missing, unreadable, or not JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataRefused(f"{path} cannot be read", REMEDY, [str(error)]) from error
    return from_json(text, str(path))


def read_document(document: object, what: str, parse: Parser[T]) -> T:
    """What ``parse`` makes of a document.

    Raises:
        DataRefused: with every problem that was noted; ``what`` names the document.
    """
    problems: list[str] = []
    value = parse(document, what, problems)
    if problems:
        raise DataRefused(f"{what} refused", REMEDY, problems)
    return value


@dataclass
class Reader:
    """One JSON object being read. Problems are noted, and a plain value stands in for bad ones."""

    value: object
    where: str
    problems: list[str]
    _asked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        if not isinstance(self.value, dict):
            self.problems.append(f"{self.where}: {_shown(self.value)} is not an object")

    def text(self, key: str) -> str:
        return self._get(key, as_text, "")

    def texts(self, key: str) -> tuple[str, ...]:
        return self._get(key, as_texts, ())

    def whole(self, key: str, low: int, high: int) -> int:
        number = self._get(key, as_whole, low)
        if not low <= number <= high:
            self.problems.append(f"{self.where}: {key} {number} is not in [{low}, {high}]")
            return low
        return number

    def number(self, key: str) -> float:
        return self._get(key, as_number, 0.0)

    def numbers(self, key: str) -> tuple[float, ...]:
        return tuple(self.objects(key, as_number))

    def choice(self, key: str, kind: type[Choice]) -> Choice:
        chosen = self.text(key)
        known = {member.value: member for member in kind}
        if chosen and chosen not in known:
            self.problems.append(f"{self.where}: {key} {chosen!r} is none of {', '.join(known)}")
        return known.get(chosen, next(iter(known.values())))

    def pairs(self, key: str, count: int) -> list[tuple[int, int]]:
        """Pairs of different signal groups, each in [0, count)."""
        found = []
        for row in self.objects(key, as_wholes):
            if len(row) == 2 and row[0] != row[1] and min(row) >= 0 and max(row) < count:
                found.append((row[0], row[1]))
            else:
                self.problems.append(f"{self.where}: {key} {row}: not two groups below {count}")
        return found

    def objects(self, key: str, parse: Parser[T]) -> list[T]:
        rows: list[object] = self._get(key, as_list, [])
        return [parse(row, f"{self.where}, {key} {i}", self.problems) for i, row in enumerate(rows)]

    def optional(self, key: str, parse: Parser[T]) -> T | None:
        return self._get(key, lambda v, w, p: None if v is None else parse(v, w, p), None)

    def mapping(self, key: str, parse: Parser[T]) -> dict[str, T]:
        """An object whose keys are free, each value read by ``parse``."""
        found: dict[str, object] = self._get(key, as_mapping, {})
        return {k: parse(v, f"{self.where}, {key} {k}", self.problems) for k, v in found.items()}

    def has(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def close(self) -> None:
        """Note every field that nobody asked for: a misspelt one must not pass in silence."""
        if isinstance(self.value, dict):
            unknown = sorted(set(self.value) - self._asked)
            self.problems.extend(f"{self.where}: unknown field {key!r}" for key in unknown)

    def _get(self, key: str, parse: Parser[T], otherwise: T) -> T:
        self._asked.add(key)
        if not isinstance(self.value, dict):
            return otherwise
        if key not in self.value:
            self.problems.append(f"{self.where}: {key} is missing")
            return otherwise
        return parse(self.value[key], f"{self.where}, {key}", self.problems)


def as_text(value: object, where: str, problems: list[str]) -> str:
    """A text that can be written as UTF-8."""
    if isinstance(value, str) and not any("\ud800" <= letter <= "\udfff" for letter in value):
        return value
    problems.append(f"{where}: {_shown(value)} is not a text")
    return ""


def as_texts(value: object, where: str, problems: list[str]) -> tuple[str, ...]:
    """A list of texts."""
    return tuple(as_text(item, where, problems) for item in as_list(value, where, problems))


def as_whole(value: object, where: str, problems: list[str]) -> int:
    """A whole number; true and 10.0 are none."""
    if type(value) is int:
        return value
    problems.append(f"{where}: {_shown(value)} is not a whole number")
    return 0


def as_wholes(value: object, where: str, problems: list[str]) -> list[int]:
    """A list of whole numbers."""
    return [as_whole(item, where, problems) for item in as_list(value, where, problems)]


def as_number(value: object, where: str, problems: list[str]) -> float:
    """A finite number, whole or not."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            if math.isfinite(value):
                return float(value)
    problems.append(f"{where}: {_shown(value)} is not a finite number")
    return 0.0


def as_list(value: object, where: str, problems: list[str]) -> list[object]:
    """A list of anything."""
    if isinstance(value, list):
        return value
    problems.append(f"{where}: {_shown(value)} is not a list")
    return []


def as_mapping(value: object, where: str, problems: list[str]) -> dict[str, object]:
    """An object with any fields."""
    if isinstance(value, dict):
        return value
    problems.append(f"{where}: {_shown(value)} is not an object")
    return {}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _without_doubles(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        double = sorted({key for key in keys if keys.count(key) > 1})
        raise ValueError(f"fields {', '.join(double)} come twice in one object")
    return found
