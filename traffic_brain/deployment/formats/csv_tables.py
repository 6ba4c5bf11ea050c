"""Tables as CSV: a header whose cells begin with a key, and rows whose numbers are checked."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from traffic_brain.errors import DataRefused

MOST_BYTES = 64 * 1024 * 1024
_WHOLE = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True)
class TableRow:
    """One row; what is wrong with a cell is noted, and a plain value stands in for it."""

    place: str
    cells: dict[str, str]
    problems: list[str]

    def text(self, key: str) -> str:
        """A cell as it stands."""
        return self.cells.get(key, "")

    def whole(self, key: str, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        told = self.text(key).strip()
        if _WHOLE.fullmatch(told) and low <= int(told) <= high:
            return int(told)
        self.problems.append(f"{self.place}: {key} {told!r} is no whole number {low} to {high}")
        return max(low, 0)

    def maybe(self, key: str, low: int, high: int) -> int | None:
        """A whole number, or None where the cell is empty."""
        return self.whole(key, low, high) if self.text(key).strip() else None

    def wholes(self, key: str, low: int, high: int) -> list[int]:
        """Whole numbers with spaces between them."""
        found = []
        for told in self.text(key).split():
            if _WHOLE.fullmatch(told) and low <= int(told) <= high:
                found.append(int(told))
            else:
                self.problems.append(f"{self.place}: {key} {told!r} is no number {low} to {high}")
        return found


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table with the mark by which spreadsheets know UTF-8.

    Raises:
        DataRefused: a cell cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(header)
            writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    except (UnicodeEncodeError, csv.Error) as error:
        raise DataRefused(f"{path.name} cannot be written: {error}", "rename these") from error


def read_table(path: Path, keys: Sequence[str], problems: list[str]) -> list[TableRow]:
    """The rows of a table that has at least these columns; other columns are left alone."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            problems.append(f"{path.name}: more than {MOST_BYTES:,} bytes")
            return []
        lines = list(csv.reader(io.StringIO(_decoded(data), newline=""), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problems.append(f"{path.name}: {' '.join(str(error).split())}")
        return []
    header = [(cell.split() or [""])[0] for cell in (lines[0] if lines else [])]
    missing = [key for key in keys if key not in header]
    twice = sorted({key for key in keys if header.count(key) > 1})
    problems.extend(f"{path.name}: column {key} is not there" for key in missing)
    problems.extend(f"{path.name}: column {key} comes twice" for key in twice)
    if missing or twice:
        return []
    rows = []
    for number, cells in enumerate(lines[1:], start=2):
        if any(cells):
            told = dict(zip(header, cells, strict=False))
            rows.append(TableRow(f"{path.name} line {number}", told, problems))
    return rows


def _decoded(data: bytes) -> str:
    """UTF-8, or what a Chinese spreadsheet makes of it when it saves a table as CSV."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("gb18030")
