"""Planted faults: heads, causes and savings of the diagnosis beside what is known to be so.

    python -m benchmarks.diagnosis [--out DIR] [--cases N] [--half tuning|table|both] [--again]
                                   [--table] [--wrong] [--stay] [--json FILE]

Worlds and cases are made in ``--out`` when they are not there: a run that was stopped goes on.
``--cases``: only the first N of the list. ``--half``: cases of even numbers are for tuning, of odd
ones for the table. ``--again``: diagnose recorded cases again. ``--table``: only what there is.
``--wrong`` tells of every answer that is not right; with ``--stay`` no retiming is driven in the
world.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.diagnosis.cases import COUNT, Case, Recorded, cases
from benchmarks.diagnosis.play import played
from benchmarks.diagnosis.score import Score, table, take


def main(arguments: Sequence[str] | None = None) -> int:
    """Play the cases and print a table of each half."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("diagnosis-benchmark"))
    parser.add_argument("--cases", type=int, default=COUNT)
    parser.add_argument("--half", choices=("tuning", "table", "both"), default="both")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--wrong", action="store_true")
    parser.add_argument("--stay", action="store_true")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args(arguments)
    halves = {"tuning": (True,), "table": (False,), "both": (True, False)}[told.half]
    scores = {half: Score() for half in halves}
    for case in cases(told.cases):
        if case.tuning not in halves:
            continue
        folder = told.out.resolve() / "cases" / case.name
        outcome = _outcome(case, folder, told)
        if outcome is not None:
            take(scores[case.tuning], case, Recorded(folder), outcome)
    for half, score in scores.items():
        print(f"--- {'tuning' if half else 'table'} ---")
        print("\n".join(table(score)))
        if told.wrong:
            print("\n".join(score.wrong))
    if told.json:
        document = {"tuning" if half else "table": asdict(score) for half, score in scores.items()}
        told.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


def _outcome(case: Case, folder: Path, told: argparse.Namespace) -> dict[str, Any] | None:
    path = folder / "outcome.json"
    known: dict[str, Any] | None = None
    if path.is_file() and not told.again:
        known = json.loads(path.read_text("utf-8"))
    elif not told.table or (told.again and (folder / "about.json").is_file()):
        known = played(case, told.out, drive=not told.stay)
        print(f"{case.name}: {'no place' if known is None else 'played'}", file=sys.stderr)
    return known


if __name__ == "__main__":
    sys.exit(main())
