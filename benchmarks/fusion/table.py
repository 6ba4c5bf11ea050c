"""The figures of all days as one table in text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan

Figures = Mapping[str, float]
ROWS: Sequence[tuple[str, str, str]] = (
    ("15 min", "fused", "travel time, 15 min: error by vehicles"),
    ("15 min", "fused, links of 30 m", "  links of 30 m and more"),
    ("15 min", "sampling, probes", "  unavoidable: sampling by probes alone"),
    ("15 min", "sampling, all", "  unavoidable: sampling by all sources"),
    ("15 min", "unseen", "  links that no source saw"),
    ("15 min", "unseen share of vehicles", "  … their share of vehicles"),
    ("15 min", "internet alone", "  internet alone, where it saw"),
    ("15 min", "fused where internet", "  … fused, same places"),
    ("15 min", "checkpoint alone", "  checkpoint alone, where it saw"),
    ("15 min", "fused where checkpoint", "  … fused, same places"),
    ("15 min", "transit alone", "  transit alone, where it saw"),
    ("15 min", "fused where transit", "  … fused, same places"),
    ("15 min", "plain average", "  plain average of the sources"),
    ("15 min", "fused where any", "  … fused, same places"),
    ("5 min", "fused", "travel time, 5 min: error by vehicles"),
    ("5 min", "fused, links of 30 m", "  links of 30 m and more"),
    ("5 min", "sampling, probes", "  unavoidable: sampling by probes alone"),
    ("5 min", "sampling, all", "  unavoidable: sampling by all sources"),
    ("5 min", "unseen", "  links that no source saw"),
    ("5 min", "plain average", "  plain average of the sources"),
    ("5 min", "fused where any", "  … fused, same places"),
    ("day", "delay found", "delay said, of what was lost"),
    ("day", "delay found in jams", "  where a link took four times its free time"),
    ("day", "coverage", "95 % interval, 5 min: covers"),
    ("day", "coverage of vehicles", "  … by vehicles"),
    ("day", "coverage unseen", "  … links that no source saw"),
    ("day", "median width", "  … median width over value"),
    ("day", "link flow", "link flow: GEH < 5"),
    ("day", "movement flow", "movement flow: GEH < 5"),
    ("day", "movement coverage", "movement 95 % interval, 15 min: covers"),
)


def table(days: Mapping[str, Mapping[str, Figures]]) -> str:
    """Figures in per cent, a column for each day, a row for each figure that any day has."""
    width = max(len(label) for _, _, label in ROWS)
    heads = [name.split() for name in days]
    lines = [
        " " * width + "".join(f"{head[i] if i < len(head) else '':>13}" for head in heads)
        for i in range(max(map(len, heads)))
    ]
    for group, key, label in ROWS:
        values = [day[group].get(key, float("nan")) for day in days.values()]
        if not all(map(isnan, values)):
            cells = "".join(f"{_percent(v):>13}" for v in values)
            lines.append(f"{label:<{width}}{cells}")
    return "\n".join(lines)


def _percent(value: float) -> str:
    return "–" if isnan(value) else f"{100 * value:.1f}"
