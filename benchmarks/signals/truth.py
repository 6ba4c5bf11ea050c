"""What really ran and what really left the stop lines, from a complete record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.signals.recordings import Recorded
from traffic_brain.fusion.signals.lanes import Lane
from traffic_brain.model.signals import GREENS, SignalPlan

SKIPPED = 4
LEAST_HEADWAYS = 15
BLOCKED_RATIO = 2.0
"""Headways above this multiple of the median: the queue was blocked, it did not discharge."""
AHEAD_S = 1.0
"""SUMO stamps a pass with a time before the end of its step; lamps with the step's end."""
AFTER_GREEN_S = 3.0
LONGEST_RED_S = 180.0


@dataclass(frozen=True)
class TrueDischarge:
    """Headways after the fourth vehicle of standing queues, and times of the fourth, in s."""

    headways: np.ndarray
    fourth: np.ndarray

    @property
    def headway_s(self) -> float:
        """Mean, without those in which the queue was blocked."""
        kept = self.headways[self.headways <= BLOCKED_RATIO * np.median(self.headways)]
        return float(kept.mean())

    @property
    def start_up_loss_s(self) -> float:
        return float(np.median(self.fourth)) - SKIPPED * self.headway_s


def stage_starts(plan: SignalPlan) -> list[int]:
    """The start of each stage's green, in seconds of the service day modulo the cycle."""
    first = plan.first_stage_offset_s
    return [(first + plan.stage_start_s(i)) % plan.cycle_s for i in range(len(plan.stages))]


def stage_passes(
    day: Recorded, plan: SignalPlan, groups: Mapping[Lane, frozenset[int]]
) -> list[int]:
    """Vehicles that passed on the green of each stage, over all lanes that have green in it."""
    times = {lane: day.passes_of(lane) for lane in groups}
    found = []
    for stage, start in zip(plan.stages, stage_starts(plan), strict=True):
        count = 0
        for lane, of in groups.items():
            if any(stage.picture[g] in GREENS for g in of):
                since = (times[lane]["time_s"].to_numpy() + AHEAD_S - start) % plan.cycle_s
                count += int((since < stage.green_s + AHEAD_S).sum())
        found.append(count)
    return found


def discharge(day: Recorded, lane: Lane, junction_id: str, groups: frozenset[int]) -> TrueDischarge:
    """What one lane discharged while all of its lamps were green."""
    log = day.lamps_of(junction_id)
    passes = day.passes_of(lane)
    time_s, halted_s = passes["time_s"].to_numpy(), passes["halted_s"].to_numpy()
    headways: list[float] = []
    fourth: list[float] = []
    for begin, end in _greens(log, groups):
        first, last = np.searchsorted(time_s, [begin - AHEAD_S, end + AFTER_GREEN_S])
        stood = halted_s[first:last] > begin - LONGEST_RED_S
        queue = int(np.argmin(np.append(stood, False)))
        if queue > SKIPPED:
            fourth.append(float(time_s[first + SKIPPED - 1] - begin))
            headways += np.diff(time_s[first + SKIPPED - 1 : first + queue]).tolist()
    return TrueDischarge(np.array(headways), np.array(fourth))


def _greens(log: pd.DataFrame, groups: frozenset[int]) -> Iterator[tuple[float, float]]:
    """Begin and end of each stretch in which all groups are green; those cut off are left out."""
    time_s = log["time_s"].to_numpy()
    green = np.array([all(p[g] in GREENS for g in groups) for p in log["picture"]], dtype=np.int8)
    begins, ends = (np.flatnonzero(np.diff(green) == step) + 1 for step in (1, -1))
    for begin in begins:
        after = ends[ends > begin]
        if len(after):
            yield float(time_s[begin]), float(time_s[after[0]])
