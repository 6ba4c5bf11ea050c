"""Signal plans: lamp pictures, intervals, stages, cycles, offsets.

A *lamp picture* is a string with one character per signal group:

====  =============================================
 G    green, protected: no conflicting green
 g    green, permitted: gives way to conflicting green
 y    yellow
 r    red
 u    red and yellow
 o O  blinking or off: the rules of the road decide
====  =============================================

Times are whole seconds. ``offset_s`` is the start of green of the coordinated stage minus the
master clock's zero (start of the service day), in [0, cycle); a later start is a larger offset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

GREENS = frozenset("Gg")


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch with one fixed lamp picture (灯色段)."""

    duration_s: int
    picture: str


@dataclass(frozen=True, slots=True)
class Stage:
    """Phases that are green together, and the clearance that follows (阶段)."""

    picture: str
    green_s: int
    clearance: tuple[Interval, ...] = ()
    """Yellow, all-red and every other fixed interval up to the next stage."""
    min_green_s: int = 5
    max_green_s: int = 120

    @property
    def clearance_s(self) -> int:
        return sum(i.duration_s for i in self.clearance)

    @property
    def split_s(self) -> int:
        """Green + yellow + all-red; splits sum to the cycle."""
        return self.green_s + self.clearance_s


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """Cycle + splits + offset of one junction (配时方案)."""

    junction_id: str
    plan_id: str
    stages: tuple[Stage, ...]
    offset_s: int = 0
    coordinated_stage_idx: int = 0

    @property
    def cycle_s(self) -> int:
        return sum(stage.split_s for stage in self.stages)

    @property
    def splits_s(self) -> tuple[int, ...]:
        return tuple(stage.split_s for stage in self.stages)

    @property
    def greens_s(self) -> tuple[int, ...]:
        return tuple(stage.green_s for stage in self.stages)

    @property
    def signal_group_count(self) -> int:
        return len(self.stages[0].picture) if self.stages else 0

    def stage_start_s(self, stage_idx: int) -> int:
        """Start of a stage's green, in seconds after the start of stage 0."""
        return sum(stage.split_s for stage in self.stages[:stage_idx])

    @property
    def first_stage_offset_s(self) -> int:
        """Start of stage 0 minus the master clock's zero, in [0, cycle)."""
        return (self.offset_s - self.stage_start_s(self.coordinated_stage_idx)) % self.cycle_s

    def intervals(self) -> Iterator[Interval]:
        """The whole cycle from the start of stage 0, interval by interval."""
        for stage in self.stages:
            yield Interval(stage.green_s, stage.picture)
            yield from stage.clearance

    def pictures(self) -> tuple[str, ...]:
        """The lamp picture of each second of the cycle, from the start of stage 0."""
        return tuple(i.picture for i in self.intervals() for _ in range(i.duration_s))

    def picture_at(self, time_s: int) -> str:
        """The lamp picture at a second of the service day."""
        return self.pictures()[(time_s - self.first_stage_offset_s) % self.cycle_s]

    def with_greens(self, greens_s: tuple[int, ...], plan_id: str) -> SignalPlan:
        """The same stages with other greens; the offset is kept modulo the new cycle."""
        stages = tuple(
            replace(stage, green_s=green)
            for stage, green in zip(self.stages, greens_s, strict=True)
        )
        changed = replace(self, stages=stages, plan_id=plan_id)
        return replace(changed, offset_s=self.offset_s % changed.cycle_s)

    def with_offset(self, offset_s: int) -> SignalPlan:
        """The same plan started so that the coordinated stage turns green at ``offset_s``."""
        return replace(self, offset_s=offset_s % self.cycle_s)

    def green_starts(self, signal_group_idx: int) -> tuple[tuple[int, int], ...]:
        """(start, length) of each green of a signal group, seconds after the coordinated green.

        A green that runs through the cycle's end is given once, with its start before the end.
        """
        pictures = self.pictures()
        cycle = len(pictures)
        shift = self.stage_start_s(self.coordinated_stage_idx)
        green = [p[signal_group_idx] in GREENS for p in pictures]
        if all(green):
            return ((0, cycle),)
        found = []
        for t in range(cycle):
            if green[t] and not green[t - 1]:
                length = 1
                while green[(t + length) % cycle]:
                    length += 1
                found.append(((t - shift) % cycle, length))
        return tuple(found)


EVERY_DAY = (1, 2, 3, 4, 5, 6, 7)


@dataclass(frozen=True, slots=True)
class PlanWindow:
    """When a plan runs (时段): seconds of the service day, on given weekdays (1 = Monday)."""

    junction_id: str
    plan_id: str
    begin_s: int
    end_s: int
    """After ``begin_s``; 86 400 is midnight."""
    weekdays: tuple[int, ...] = EVERY_DAY
