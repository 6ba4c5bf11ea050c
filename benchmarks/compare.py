"""What changed between two results of the same benchmark, beyond noise.

Runs are paired: the same seed and demand (``bench plans``), the same day and run (``bench loop``).
A row has *changed* where the 95 % interval of the mean paired difference leaves out nought, after
Holm's correction over all rows; with a single pair nothing can be said.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from scipy import stats

from sim_scenarios.compare import interval95
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.reading import read_json
from traffic_brain.model.verdict import Interval95

Row = tuple[str, ...]
Pair = tuple[object, ...]
Measured = Mapping[Row, Mapping[Pair, float]]
"""Row of the table -> what is paired -> delay in s per vehicle."""
LEVEL = 0.05


@dataclass(frozen=True)
class Change:
    """One row of both tables; ``interval``: of the mean difference B − A in s per vehicle."""

    row: Row
    pairs: int
    before_s: float
    after_s: float
    interval: Interval95 | None
    p_value: float
    changed: bool


def read_measured(folder: Path) -> Measured:
    """What ``bench plans`` or ``bench loop`` left in a folder.

    Raises:
        ConfigurationError: it is of neither.
    """
    found: dict[Row, dict[Pair, float]] = defaultdict(dict)
    if (folder / "figures.json").is_file():
        for run in read_json(folder / "figures.json")["runs"]:
            if "delay_s_per_veh" in run:
                row = (run["map"], run["demand"], run["contender"])
                found[row][run["seed"],] = run["delay_s_per_veh"]
    for path in sorted(folder.glob("*/*/day-*.json")):
        day = read_json(path)
        for run, delay_s in enumerate(day["after_s"]):
            found[day["world"], day["arm"]][day["day"], run] = delay_s
    if not found:
        raise ConfigurationError(
            f"{folder} holds no results", "give what --out of `bench plans` or `bench loop` named"
        )
    return found


def compare(before: Measured, after: Measured) -> list[Change]:
    """Every row that both have, with what is said of it."""
    drafts = [_draft(row, before[row], after[row]) for row in before if row in after]
    told = sorted((d.p_value, i) for i, d in enumerate(drafts))
    changed: set[int] = set()
    for rank, (p_value, i) in enumerate(told):  # Holm: the first that fails ends it
        if p_value > LEVEL / (len(told) - rank):
            break
        changed.add(i)
    return [replace(draft, changed=i in changed) for i, draft in enumerate(drafts)]


def _draft(row: Row, before: Mapping[Pair, float], after: Mapping[Pair, float]) -> Change:
    both = [pair for pair in before if pair in after]
    a, b = [before[pair] for pair in both], [after[pair] for pair in both]
    gains = [y - x for x, y in zip(a, b, strict=True)]
    return Change(
        row=row,
        pairs=len(both),
        before_s=fmean(a) if a else float("nan"),
        after_s=fmean(b) if b else float("nan"),
        interval=interval95(gains),
        p_value=_p_value(gains),
        changed=False,
    )


def _p_value(gains: list[float]) -> float:
    if len(gains) < 2:
        return 1.0
    if len(set(gains)) == 1:  # no spread: the same everywhere, or the same shift everywhere
        return 1.0 if gains[0] == 0.0 else 0.0
    return float(stats.ttest_1samp(gains, 0.0).pvalue)


def lines(before: Measured, after: Measured) -> Iterator[str]:
    """The comparison as Markdown, and which rows only one of both has."""
    yield "| row | pairs | A, s/veh | B, s/veh | B − A, 95 % | beyond noise |"
    yield "|---|---:|---:|---:|---|---|"
    for change in compare(before, after):
        between = change.interval
        told = f"{between.mean:+.2f} [{between.low:+.2f}, {between.high:+.2f}]" if between else ""
        verdict = "worse" if change.after_s > change.before_s else "better"
        if not change.changed:
            verdict = ""
        figures = f"{change.before_s:.2f} | {change.after_s:.2f} | {told} | {verdict}"
        yield f"| {', '.join(change.row)} | {change.pairs} | {figures} |"
    for name, here, there in (("A", before, after), ("B", after, before)):
        for row in here:
            if row not in there:
                yield f"- only in {name}: {', '.join(row)}"
