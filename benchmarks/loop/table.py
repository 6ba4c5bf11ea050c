"""What the loop's figures say, as Markdown.

The mean is the figure that counts; where the streets lock on one run of a hundred it tells of that
run alone, so the median over pairs of runs and the number of locked runs stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from statistics import fmean, median

from benchmarks.loop.measure import CLEAN, FAULTY, DayFigures
from benchmarks.results import write_results

WORSE = 0.02
"""A night that adds more delay than this makes the world worse."""
LOCKED = 3.0
"""A run has locked when its delay is so many times the median one under the kept plans."""


def write(figures: Sequence[DayFigures], out: Path) -> str:
    """The table, and all figures, into ``out`` as `write_results` does."""
    text = markdown(figures)
    write_results([asdict(day) for day in figures], text, out)
    return text


def markdown(figures: Sequence[DayFigures]) -> str:
    """A row for each world and arm, then what the faults cost."""
    return "\n".join([*_rows(figures), "", *_faults(figures)]) + "\n"


def _rows(figures: Sequence[DayFigures]) -> Iterator[str]:
    yield "| world | feeds | days | kept, s/veh | loop, s/veh | change | median \
| locked runs, kept and loop | each day | nights that deploy | worst night \
| nights that make it > 2 % worse | CPU s |"
    yield "|---|---|---:|---:|---:|---:|---:|---|---|---:|---:|---:|---:|"
    for (world, arm), group in groupby(figures, lambda f: (f.world, f.arm)):
        days = list(group)
        kept, loop = (fmean(fmean(s) for s in column) for column in _columns(days))
        cells = (
            world,
            arm,
            len(days),
            f"{kept:.1f}",
            f"{loop:.1f}",
            f"{loop / kept - 1:+.1%}",
            f"{median(b / a - 1 for a, b in _pairs(days)):+.1%}",
            _locked(days),
            " ".join(f"{d.change_ratio:+.0%}" for d in days),
            sum(bool(d.changed) for d in days),
            f"{max(d.night_ratio for d in days):+.1%}",
            sum(d.night_ratio > WORSE for d in days),
            f"{sum(d.cpu_s for d in days):.0f}",
        )
        yield f"| {' | '.join(map(str, cells))} |"


def _faults(figures: Sequence[DayFigures]) -> Iterator[str]:
    for world, group in groupby(figures, lambda f: f.world):
        gains = {}
        for arm, days in groupby(group, lambda f: f.arm):
            kept, loop = (fmean(fmean(s) for s in column) for column in _columns(list(days)))
            gains[arm] = kept - loop
        if {CLEAN, FAULTY} <= gains.keys() and gains[CLEAN] > 0:
            lost = 1.0 - gains[FAULTY] / gains[CLEAN]
            yield f"- {world}: a fault a night costs {lost:.0%} of the gain"


def _pairs(days: Sequence[DayFigures]) -> list[tuple[float, float]]:
    """Delay under the kept plans and in the loop, of every run."""
    return [pair for d in days for pair in zip(d.kept_s, d.after_s, strict=True)]


def _locked(days: Sequence[DayFigures]) -> str:
    pairs = _pairs(days)
    most = LOCKED * median(kept for kept, _ in pairs)
    kept, loop = (sum(s > most for s in side) for side in zip(*pairs, strict=True))
    return f"{kept}, {loop} of {len(pairs)}"


def _columns(days: Sequence[DayFigures]) -> tuple[list[tuple[float, ...]], list[tuple[float, ...]]]:
    return [d.kept_s for d in days], [d.after_s for d in days]
