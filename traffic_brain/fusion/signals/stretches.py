"""Stretches of a day in which one timing ran, and the timing of each.

The plan windows on file part the day, and the day is looked at hour by hour: where neighbouring
hours show different timings, the signal changed between them - at the time that leaves the fewest
passes on red.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from traffic_brain.fusion.signals.lanes import JunctionPasses, Lamp
from traffic_brain.fusion.signals.timing import AHEAD_S, FoundTiming, find_timing, lamps_over_cycle
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

PIECE_S = 3600
SAME_START_S = 3
STEP_S = 60
"""A change of timing is found to the minute, where enough drive."""


def timings_of_day(
    passes: JunctionPasses, network: RoadNetwork, weekday: int, begin_s: int, end_s: int
) -> tuple[FoundTiming, ...]:
    """The timings of a junction from ``begin_s`` to ``end_s``, in order of time, without gaps.

    Junctions that have no plan on file have no stages to look for: none.
    """
    found: list[FoundTiming] = []
    for begin, end, plan in _windows(passes.junction_id, network, weekday, begin_s, end_s):
        found += _timings(passes, plan, begin, end)
    return tuple(found)


def _windows(
    junction_id: str, network: RoadNetwork, weekday: int, begin_s: int, end_s: int
) -> Iterator[tuple[int, int, SignalPlan]]:
    """Stretches by the plan windows on file; neighbours of one plan are one."""
    borders = {begin_s, end_s}
    for window in network.windows_at[junction_id]:
        borders |= {t for t in (window.begin_s, window.end_s) if begin_s < t < end_s}
    parts: list[tuple[int, int, SignalPlan | None]] = []
    for begin, end in pairwise(sorted(borders)):
        plan = network.plan_at(junction_id, weekday, begin)
        goes_on = bool(parts) and parts[-1][2] == plan
        parts.append((parts.pop()[0] if goes_on else begin, end, plan))
    for begin, end, plan in parts:
        if plan is not None:
            yield begin, end, plan


def _timings(
    passes: JunctionPasses, plan: SignalPlan, begin_s: int, end_s: int
) -> list[FoundTiming]:
    pieces = max((end_s - begin_s) // PIECE_S, 1)
    borders = np.linspace(begin_s, end_s, pieces + 1).round().astype(int).tolist()
    found = [find_timing(passes, plan, a, b) for a, b in pairwise(borders)]
    groups: list[list[FoundTiming]] = []
    for timing in found:
        if groups and _may_be_one(groups[-1], timing):
            groups[-1].append(timing)
        else:
            groups.append([timing])
    known = [next((t for t in g if t.cycle_s is not None), g[0]) for g in groups]
    changes = [
        _change_s(passes, before, after, begin, end)
        for (before, after), (begin, end) in zip(
            pairwise(known), ((g[-1].begin_s, h[0].end_s) for g, h in pairwise(groups)), strict=True
        )
    ]
    if pieces == 1 and not changes:
        return found
    edges = [begin_s, *changes, end_s]
    return [find_timing(passes, plan, a, b) for a, b in pairwise(edges)]


def _may_be_one(group: Sequence[FoundTiming], timing: FoundTiming) -> bool:
    """Nothing known of either says that they differ."""
    return timing.cycle_s is None or all(
        other.cycle_s is None or same_timing(other, timing) for other in group
    )


def same_timing(one: FoundTiming, other: FoundTiming) -> bool:
    """Whether the cycles are the same, and starts that are known of both near each other."""
    if one.cycle_s != other.cycle_s or one.cycle_s is None:
        return False
    starts = [
        (a.start_s - b.start_s) % one.cycle_s
        for a, b in zip(one.stages, other.stages, strict=True)
        if a.start_s is not None and b.start_s is not None
    ]
    return all(min(d, one.cycle_s - d) <= SAME_START_S for d in starts)


def _change_s(
    passes: JunctionPasses, before: FoundTiming, after: FoundTiming, begin_s: int, end_s: int
) -> int:
    """When one timing followed the other: with the fewest passes on red of what ran."""
    part = passes.between(begin_s, end_s)
    late, early = (_on_red(part, timing) for timing in (before, after))
    times = np.arange(begin_s + STEP_S, end_s, STEP_S)
    at = np.searchsorted(part.time_s, times)
    missed = np.concatenate([[0], np.cumsum(late)])[at]
    missed = missed + early.sum() - np.concatenate([[0], np.cumsum(early)])[at]
    best = np.flatnonzero(missed == missed.min())
    return int(times[best[len(best) // 2]])


def _on_red(part: JunctionPasses, timing: FoundTiming) -> np.ndarray:
    """bool[pass]: on red under a timing; of one that is not known none is."""
    if timing.cycle_s is None:
        return np.zeros(len(part.time_s), dtype=bool)
    lamps = lamps_over_cycle(part, timing.plan, timing.cycle_s, timing.likeliest_s)
    second = np.floor(part.time_s + AHEAD_S).astype(np.int64) % timing.cycle_s
    return np.asarray(lamps[part.lane_idx, second] == Lamp.RED)
