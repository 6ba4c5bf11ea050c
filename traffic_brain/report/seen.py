"""The layer of observed trajectories on the time–space diagram of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traffic_brain.model.findings import Corridor
from traffic_brain.report.figures import Figure, translucent
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, clock, words
from traffic_brain.report.timespace import Direction
from traffic_brain.report.trajectories import (
    HOUR_S,
    Line,
    common_cycle_s,
    folded,
    lines_over,
    observed,
)

COLOUR = "#222b33"
"""Dark in both directions, which are told apart by their dashes."""
MOST_LINES = 40
"""In each direction of a corridor: the page holds all corridors of a city."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Observed trajectories by direction; they repeat with the cycle of the plans that ran."""

    lines: Mapping[Direction, Sequence[Line]]
    cycle_s: int


def seen_trace(seen: Seen, way: Direction, levels: Sequence[float], end_s: int) -> Figure:
    """One direction as a trace of its own, which a click in the legend takes away."""
    x: list[float | None] = []
    y: list[float | None] = []
    for line in lines_over(seen.lines[way], seen.cycle_s, end_s):
        x += [*(round(t, 1) for t, _ in line), None]
        y += [*(round(_height(place, levels), 1) for _, place in line), None]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": words(f"corridor.seen_{way}"),
        "legendgroup": f"seen_{way}",
        "x": x[:-1] or [None],
        "y": y[:-1] or [None],
        "line": {
            "color": translucent(COLOUR, 0.55),
            "width": 1,
            "dash": "solid" if way is Direction.OUT else "4px,2px",
        },
        "hoverinfo": "skip",
    }


def _height(place: float, levels: Sequence[float]) -> float:
    """Height of a place that counts junctions."""
    before = min(int(place), len(levels) - 2)
    return levels[before] + (place - before) * (levels[before + 1] - levels[before])


def seen_in_busiest_hour(
    night: Night, corridor: Corridor, window_s: int
) -> tuple[Seen | None, Words]:
    """The observed trajectories of the busiest hour, and a sentence on them."""
    found = observed(night.network, corridor, night.state)
    hours = sum((Counter(way.hours()) for way in found.values()), Counter())
    if not hours:
        return None, words("corridor.no_seen")
    cycle_s = common_cycle_s(night.running, corridor)
    if cycle_s is None:
        return None, words("corridor.seen_cycles")
    hour = max(hours, key=lambda h: (hours[h], -h))
    lines = {way: folded(day, hour, cycle_s, window_s, MOST_LINES) for way, day in found.items()}
    told = words(
        "corridor.seen",
        shown=sum(map(len, lines.values())),
        vehicles=hours[hour],
        begin=clock(hour * HOUR_S),
        end=clock((hour + 1) * HOUR_S),
    )
    return Seen(lines, cycle_s), told
