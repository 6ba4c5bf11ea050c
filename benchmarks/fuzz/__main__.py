"""Imports damaged files of all formats and tells what became of them.

A case fails where the importer raises anything but ``DataRefused``, takes more CPU time than
``judge.LIMIT_S``, leaves files behind that are no city, refuses in many lines or without a remedy,
or where a signal has no plan and is not on the to-fix list.

    python -m benchmarks.fuzz [--cases 10000] [--seed 1] [--minutes N] [--format FORMAT]
                              [--first N] [--utdf FILE] [--json FILE] [--keep FOLDER]

The cases go round the formats. Stopped by time, Ctrl-C or SIGTERM it tells how far it came. Exit
code 1: some cases failed; each is told with the command that runs it alone.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.fuzz import gmns, osm, sumo, utdf
from benchmarks.fuzz.judge import Case, Maker, Outcome, Verdict, judge

FORMATS: dict[str, Callable[[], Maker]] = {
    "sumo": sumo.cases,
    "osm": osm.cases,
    "gmns": gmns.cases,
    "utdf": utdf.cases,
}


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case."""

    form: str
    number: int
    case: Case
    outcome: Outcome

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": self.form,
            "case": self.number,
            "of": self.case.kind,
            "verdict": self.outcome.verdict,
            "detail": self.outcome.detail,
        }


@dataclass
class Tally:
    """What became of all cases so far."""

    seed: int
    counts: defaultdict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    slowest_s: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    failures: list[Result] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """Count a case."""
        self.counts[result.form][result.outcome.verdict] += 1
        self.slowest_s[result.form] = max(self.slowest_s[result.form], result.outcome.seconds)
        if result.outcome.failed:
            self.failures.append(result)

    @property
    def done(self) -> int:
        return sum(counter.total() for counter in self.counts.values())

    def lines(self) -> Iterator[str]:
        """A table with a row per format, and the failed cases."""
        yield "".join((f"{'format':8}", *(f"{v:>13}" for v in Verdict), f"{'slowest':>11}"))
        for form, counter in self.counts.items():
            cells = (f"{counter[verdict]:13,}" for verdict in Verdict)
            yield "".join((f"{form:8}", *cells, f"{self.slowest_s[form]:9.1f} s"))
        for failed in self.failures:
            one = f"--format {failed.form} --first {failed.number} --cases 1 --seed {self.seed}"
            yield f"{failed.outcome.verdict}: python -m benchmarks.fuzz {one}"
            yield f"    {failed.outcome.detail.splitlines()[-1]}"

    def as_dict(self) -> dict[str, Any]:
        """The same for a machine."""
        return {
            "seed": self.seed,
            "done": self.done,
            "formats": {
                form: {v.value: counter[v] for v in Verdict}
                | {"slowest_s": round(self.slowest_s[form], 2)}
                for form, counter in self.counts.items()
            },
            "failures": [result.as_dict() for result in self.failures],
        }


def results(makers: dict[str, Maker], numbers: range, seed: int, folder: Path) -> Iterator[Result]:
    """Cases by number: they go round the formats, and each format counts its own."""
    forms = list(makers)
    for idx in numbers:
        number, place = divmod(idx, len(forms))
        form = forms[place]
        case = makers[form](number, random.Random(f"{form}/{seed}/{number}"))
        yield Result(form, number, case, judge(case, folder))


def main(argv: Sequence[str] | None = None) -> int:
    """Print what became of the cases; 1 when any failed."""
    options = _options(argv)
    formats = FORMATS | {"utdf": partial(utdf.cases, options.utdf)}
    forms = [options.format] if options.format else list(FORMATS)
    numbers = range(options.first, options.first + options.cases)
    tally = Tally(options.seed)
    stopped = None
    signal.signal(signal.SIGTERM, _stop)
    try:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as name, _bar() as bar:
            task = bar.add_task("", total=options.cases)
            makers = {form: formats[form]() for form in forms}
            end_s = time.monotonic() + 60 * options.minutes
            for result in results(makers, numbers, options.seed, Path(name, "case")):
                tally.add(result)
                bar.update(task, advance=1, description=f"{len(tally.failures)} failed")
                if result.outcome.failed and options.keep:
                    _keep(result, options.keep)
                if time.monotonic() > end_s and tally.done < options.cases:
                    stopped = f"after {options.minutes:g} minutes"
                    break
    except KeyboardInterrupt:
        stopped = "by hand"
    print("\n".join(tally.lines()))
    end = f", stopped {stopped}" if stopped else ""
    print(f"{tally.done:,} of {options.cases:,} cases, {len(tally.failures)} failed{end}")
    if options.json:
        document = tally.as_dict() | {"asked": options.cases, "stopped": stopped}
        text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
        options.json.write_text(text + "\n", encoding="utf-8")
    return 1 if tally.failures else 0


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.fuzz", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--format", choices=list(FORMATS), help="only this one")
    parser.add_argument(
        "--utdf", type=Path, action="append", default=[], help="damage this UTDF csv as well"
    )
    parser.add_argument("--json", type=Path, help="write the result here as well")
    parser.add_argument("--keep", type=Path, help="keep the files of failed cases here")
    return parser.parse_args(argv)


def _bar() -> Progress:
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
        console=Console(stderr=True),
        disable=not sys.stderr.isatty(),
    )


def _keep(result: Result, folder: Path) -> None:
    kept = folder / f"{result.form}-{result.number}"
    kept.mkdir(parents=True, exist_ok=True)
    for name, content in result.case.files.items():
        (kept / name).write_bytes(content)


def _stop(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
