"""Damaged UTDF files."""

from __future__ import annotations

import csv
import io
import random
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fuzz.damage import (
    STRANGE,
    RowDamage,
    Rows,
    cut_off,
    damaged_bytes,
    no_row,
    other_cell,
    row_again,
    shuffled,
    strange_cell,
)
from benchmarks.fuzz.judge import Case, Maker
from tests.unit.network_data.utdf_file import utdf_text

_STRANGE_CELLS = (
    *STRANGE,
    *("*3", "-2", "3.7", "99", "999", "206", "20600", "111", "999999999", "NBL", "EBT", "D1"),
    *("[Nodes]", "[Phases]", "RECORDNAME", "INTID", "TRUE", "7:30 AM", '"', "a;b", "10,5", "7.0"),
)
"""What damage, other tools and tired people put into cells."""
_ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp037", "latin-1")


def cases(further: Sequence[Path] = ()) -> Maker:
    """A small town, or one of further files, damaged."""
    texts = {"town": utdf_text()}
    texts |= {path.stem: path.read_text(encoding="utf-8-sig") for path in further}

    def make(number: int, rng: random.Random) -> Case:
        kind = list(texts)[number % len(texts)]
        return Case(kind, {f"{kind}.csv": damaged(texts[kind], rng)}, f"{kind}.csv")

    return make


def damaged(text: str, rng: random.Random) -> bytes:
    """A file with one to six damages of its rows and cells, and perhaps of its bytes."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
        rng.choice(_DAMAGES)(rows, rng)
    out = io.StringIO()
    delimiter = rng.choice((",", ",", ",", ",", ",", ";", "\t"))
    csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    whole = out.getvalue().encode(rng.choice(_ENCODINGS), errors="replace")
    if rng.random() < 0.3:
        whole = damaged_bytes(whole, rng)
    return whole


def _other_node(rows: Rows, rng: random.Random) -> None:
    """A link from a node to itself or elsewhere, a movement to another end, a shared controller."""
    kinds = ("Up ID", "Dest Node", "Node 0", "Node 1", "Reference Phase", "BRP", "Phase1")
    found = [row for row in rows if row and row[0] in kinds and len(row) > 2]
    if found:
        row = rng.choice(found)
        row[rng.randrange(2, len(row))] = rng.choice((row[1], rng.choice(found)[1], "4711"))


def _rows_moved(rows: Rows, rng: random.Random) -> None:
    start, count = rng.randrange(len(rows) + 1), rng.choice((1, 1, 5, 40))
    taken = rows[start : start + count]
    del rows[start : start + count]
    place = rng.randrange(len(rows) + 1)
    rows[place:place] = taken


def _no_section(rows: Rows, rng: random.Random) -> None:
    heads = [i for i, row in enumerate(rows) if row and row[0].startswith("[")]
    if heads:
        place = rng.randrange(len(heads))
        end = heads[place + 1] if place + 1 < len(heads) else len(rows)
        section = rows[heads[place] : end]
        del rows[heads[place] : end]
        if rng.random() < 0.5:
            rows += section * rng.choice((1, 2, 3))


def _no_column(rows: Rows, rng: random.Random) -> None:
    """A column lost, doubled, or moved, in the header or in all rows of a section."""
    idx = rng.randrange(12)
    start = rng.randrange(len(rows) + 1)
    for row in rows[start : start + rng.choice((1, 20, len(rows)))]:
        if len(row) > idx:
            if rng.random() < 0.5:
                del row[idx]
            else:
                row.insert(idx, row[idx])


_strange = strange_cell(_STRANGE_CELLS)
_DAMAGES: tuple[RowDamage, ...] = (
    *(_strange, _strange, _strange, other_cell, other_cell, _other_node, _other_node),
    *(no_row, row_again, _rows_moved, cut_off, _no_section, _no_column, shuffled),
)
