"""Observed trajectories of a corridor for its page: one hour of them, laid over one cycle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.model.findings import Corridor
from traffic_brain.report import trajectories
from traffic_brain.report.trajectories import Line, Observed

SHOWN_CYCLES = 2.5
"""As many as the page draws."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What the page draws over the lamps, and what it says of it."""

    hours: list[tuple[int, int]]
    """(hour, vehicles that were seen along the corridor in it)."""
    hour: int | None
    cycle_s: int | None
    """The trajectories repeat with it; None: the plans that ran do not within an hour."""
    vehicles: int
    shown: int
    """Those in ``lines``: a sample drawn at random."""
    lines: Mapping[str, list[Line]]
    """By direction: (seconds after the cycle's start, place in junctions) of each sighting."""


def layer(
    library: Library, folder: NightFolder, corridor: Corridor, hour: int | None = None
) -> Layer:
    """The trajectories of an hour; of the busiest where None is chosen."""
    night = library.night(folder)
    found: Mapping[str, Observed] = library.kept(
        folder,
        f"observed {corridor.corridor_id}",
        lambda: {
            way.value: seen
            for way, seen in trajectories.observed(
                night.network, corridor, folder.folders.state
            ).items()
        },
        is_small=True,
    )
    hours: Counter[int] = Counter()
    for seen in found.values():
        hours.update(seen.hours())
    if hour is None:
        hour = max(hours, key=lambda h: (hours[h], -h), default=None)
    cycle_s = trajectories.common_cycle_s(night.running, corridor)
    cycles = [night.running[j].cycle_s for j in corridor.junction_ids if j in night.running]
    lines: dict[str, list[Line]] = {way: [] for way in found}
    if hour is not None and cycle_s is not None:
        window_s = SHOWN_CYCLES * max(60, *cycles)
        lines = {
            way: trajectories.folded(seen, hour, cycle_s, window_s) for way, seen in found.items()
        }
    return Layer(
        hours=sorted(hours.items()),
        hour=hour,
        cycle_s=cycle_s,
        vehicles=hours[hour] if hour is not None else 0,
        shown=sum(map(len, lines.values())),
        lines=lines,
    )
