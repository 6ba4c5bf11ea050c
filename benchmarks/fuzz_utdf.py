"""Damaged UTDF files: each is refused, or imported with a report.

Bytes, cells, rows and sections of a small sound file are damaged at random, reproducibly: case 17
of seed 5 is the same on every machine. A case fails where the importer raises anything but
``DataRefused``, takes longer than the limit, leaves files behind that are no city, or has a
signal without a plan that is not on the to-fix list.

    python -m benchmarks.fuzz_utdf [--cases 3000] [--seed 1] [--source FILE ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.fuzz_sumo import BYTE_DAMAGES, STRANGE, Outcome, Sound, outcome_of
from tests.unit.network_data.utdf_file import utdf_text

Rows = list[list[str]]
STRANGE_CELLS = (
    *STRANGE,
    *("*3", "-2", "3.7", "99", "999", "206", "20600", "111", "999999999", "NBL", "EBT", "D1"),
    *("[Nodes]", "[Phases]", "RECORDNAME", "INTID", "TRUE", "7:30 AM", '"', "a;b", "10,5", "7.0"),
)
"""What damage, other tools and tired people put into cells."""
ENCODINGS = ("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp037", "latin-1")


def damaged(text: str, rng: random.Random) -> bytes:
    """A file with one to six damages of its rows and cells, and perhaps of its bytes."""
    rows = list(csv.reader(io.StringIO(text)))
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 6))):
        rng.choice(ROW_DAMAGES)(rows, rng)
    out = io.StringIO()
    delimiter = rng.choice((",", ",", ",", ",", ",", ";", "\t"))
    csv.writer(out, delimiter=delimiter, lineterminator=rng.choice(("\n", "\r\n"))).writerows(rows)
    whole = out.getvalue().encode(rng.choice(ENCODINGS), errors="replace")
    if rng.random() < 0.3:
        whole = rng.choice(BYTE_DAMAGES)(whole, rng)
    return whole


def _cell(rows: Rows, rng: random.Random) -> tuple[list[str], int] | None:
    row = rng.choice(rows) if rows else []
    return (row, rng.randrange(len(row))) if row else None


def _strange(rows: Rows, rng: random.Random) -> None:
    if cell := _cell(rows, rng):
        cell[0][cell[1]] = rng.choice(STRANGE_CELLS)


def _other_cell(rows: Rows, rng: random.Random) -> None:
    """A value from elsewhere: another node, phase, or number of lanes."""
    here, there = _cell(rows, rng), _cell(rows, rng)
    if here and there:
        here[0][here[1]] = there[0][there[1]]


def _other_node(rows: Rows, rng: random.Random) -> None:
    """A link from a node to itself or elsewhere, a movement to another end, a shared controller."""
    kinds = ("Up ID", "Dest Node", "Node 0", "Node 1", "Reference Phase", "BRP", "Phase1")
    found = [row for row in rows if row and row[0] in kinds and len(row) > 2]
    if found:
        row = rng.choice(found)
        row[rng.randrange(2, len(row))] = rng.choice((row[1], rng.choice(found)[1], "4711"))


def _no_row(rows: Rows, rng: random.Random) -> None:
    if rows:
        del rows[rng.randrange(len(rows))]


def _row_again(rows: Rows, rng: random.Random) -> None:
    if rows:
        row = rng.choice(rows)
        for _ in range(rng.choice((1, 1, 2000))):
            rows.insert(rng.randrange(len(rows) + 1), list(row))


def _rows_moved(rows: Rows, rng: random.Random) -> None:
    start, count = rng.randrange(len(rows) + 1), rng.choice((1, 1, 5, 40))
    taken = rows[start : start + count]
    del rows[start : start + count]
    place = rng.randrange(len(rows) + 1)
    rows[place:place] = taken


def _cut_off(rows: Rows, rng: random.Random) -> None:
    del rows[rng.randrange(len(rows) + 1) :]


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


def _shuffled(rows: Rows, rng: random.Random) -> None:
    if rows:
        rng.shuffle(rng.choice(rows))


ROW_DAMAGES: tuple[Callable[[Rows, random.Random], None], ...] = (
    *(_strange, _strange, _strange, _other_cell, _other_cell, _other_node, _other_node),
    *(_no_row, _row_again, _rows_moved, _cut_off, _no_section, _no_column, _shuffled),
)


def case(text: str, name: str, number: int, seed: int, folder: Path) -> tuple[Outcome, bytes]:
    """Case ``number`` of a seed: what became of it, and what was fed."""
    content = damaged(text, random.Random(f"utdf/{seed}/{number}"))
    source = folder / f"{name}.csv"
    source.write_bytes(content)
    return outcome_of(Sound(name, source), source, content, folder / "case"), content


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the cases; 1 when any failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--source", type=Path, action="append", default=[], help="further files")
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--keep", type=Path, help="keep the files of failed cases here")
    options = parser.parse_args(argv)
    texts = {"town": utdf_text()}
    texts |= {path.stem: path.read_text(encoding="utf-8-sig") for path in options.source}
    counts: Counter[tuple[str, str]] = Counter()
    failures, slowest = [], 0.0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for number in range(options.cases):
            name = list(texts)[number % len(texts)]
            outcome, content = case(texts[name], name, number, options.seed, Path(folder))
            counts[name, outcome.verdict] += 1
            slowest = max(slowest, outcome.seconds)
            if outcome.failed:
                failures.append({"case": number, "of": name, "detail": outcome.detail})
                print(f"case {number} of {name}:\n{outcome.detail}", flush=True)
                if options.keep:
                    options.keep.mkdir(parents=True, exist_ok=True)
                    (options.keep / f"{number}.csv").write_bytes(content)
    for (name, verdict), count in sorted(counts.items()):
        print(f"{name:16} {verdict:9} {count:6}")
    print(f"{counts.total()} cases, {len(failures)} failed, slowest {slowest:.1f} s")
    if options.json:
        rows = [{"of": n, "verdict": v, "cases": k} for (n, v), k in sorted(counts.items())]
        result = {"seed": options.seed, "slowest_s": round(slowest, 2), "cases": rows}
        result["failures"] = failures
        options.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
