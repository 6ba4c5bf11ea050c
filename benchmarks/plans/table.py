"""The runs as a table: one block per map, mean, median and 95 % interval of the delay."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.plans.store import Figures
from sim_scenarios.compare import interval95

HEAD = (
    "| map | demand | contender | runs | mean, s/veh | 95 % | median | never in | CPU s a run |",
    "|---|---|---|---:|---:|---|---:|---:|---:|",
)


def markdown(rows: Sequence[Figures]) -> str:
    """All figures as one Markdown table, in the order of the runs."""
    grouped: dict[tuple[str, str, str], list[Figures]] = defaultdict(list)
    for row in rows:
        grouped[row["map"], row["demand"], row["contender"]].append(row)
    return "\n".join([*HEAD, *(_line(key, runs) for key, runs in grouped.items())]) + "\n"


def _line(key: tuple[str, str, str], runs: Sequence[Figures]) -> str:
    good = [run for run in runs if "delay_s_per_veh" in run]
    if not good:
        return f"| {' | '.join(key)} | {len(runs)} | fails | | | | |"
    delays = [float(run["delay_s_per_veh"]) for run in good]
    interval = interval95(delays)
    between = f"[{interval.low:.1f}, {interval.high:.1f}]" if interval else ""
    figures = (
        f"{len(good)}",
        f"{statistics.mean(delays):.1f}",
        between,
        f"{statistics.median(delays):.1f}",
        f"{statistics.mean(run['not_inserted'] for run in good):.1f}",
        f"{statistics.mean(run['cpu_s'] for run in good):.1f}",
    )
    return f"| {' | '.join(key)} | {' | '.join(figures)} |"
