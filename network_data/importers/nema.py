"""Ring-and-barrier signals (NEMA phases, as in UTDF and GMNS) as stages of ours.

A *ring* is a sequence of phases of which one runs at a time; rings run side by side and cross
*barriers* together. Each phase has a split: its green, its yellow and its all-red. What the
lamps of a signal group show follows from the phases that light it:

* green as long as one of its phases is green: ``G`` by a protected phase, else ``g`` by a
  permitted one;
* still green while a phase of it clears, when another of the same kind follows at once (a
  right-turn overlap stays green from phase to phase, NTCIP 1202 overlap type normal);
* else the yellow of a phase of it that just ended, else red (``s`` where turning on red is
  allowed).

Phases that end at different times in two rings make intermediate stages; every short picture
and every picture with yellow is part of a clearance. Times become whole seconds: the ends of
phases are rounded one by one from the cycle's start, so that the cycle stays what it is; a
clearance is never rounded down.

Use :func:`plan_of_rings`, or :func:`stages_of_rings` where there is no offset.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import groupby

from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

SHORTEST_STAGE_S = 5
"""A green picture shorter than this is an intermediate picture of a clearance, not a stage."""
DEFAULT_MIN_GREEN_S = 5
DEFAULT_MAX_GREEN_S = 120
LONGEST_CYCLE_S = 3600
"""A longer cycle is no signal's: refused, so that damaged input costs no time."""
CYCLE_TOLERANCE_S = 1.0
"""Splits that miss the stated cycle by no more are taken as rounded; the stated cycle holds."""
_FUZZ_S = 1e-6


class OffsetReference(StrEnum):
    """The moment of the reference phases that an offset names (UTDF "Referenced To")."""

    LAST_GREEN = "last_green"
    """The last of the phases turns green (TS1 style)."""
    FIRST_YELLOW = "first_yellow"
    """The first of the phases turns yellow."""
    FIRST_RED = "first_red"
    """The first of the phases has shown its yellow: begin of red on the lamp."""
    FIRST_END = "first_end"
    """The first of the phases ends, all-red included: what UTDF files mean by red."""
    FIRST_GREEN = "first_green"
    """The first of the phases turns green (TS2 style)."""
    FIRST_DONT_WALK = "first_dont_walk"
    """The first flashing don't walk begins (170 style with rest in walk)."""


@dataclass(frozen=True, slots=True)
class RingPhase:
    """One NEMA phase: its place (barrier, ring, position) and its times in seconds."""

    phase: int
    ring: int
    barrier: int
    position: int
    split_s: float
    """Green + yellow + all-red."""
    yellow_s: float
    all_red_s: float
    min_green_s: float = 0.0
    walk_s: float = 0.0
    """0: the phase serves no pedestrians."""
    dont_walk_s: float = 0.0
    """Flashing don't walk; it ends when the yellow begins."""

    @property
    def required_green_s(self) -> float:
        """The shortest green: its own minimum, and walk + don't walk where people walk."""
        walking_s = self.walk_s + self.dont_walk_s if self.walk_s > 0 else 0.0
        return max(self.min_green_s, walking_s)


@dataclass(frozen=True, slots=True)
class GroupPhases:
    """The phases that light one signal group."""

    protected: frozenset[int] = frozenset()
    permitted: frozenset[int] = frozenset()
    """Green that gives way: permitted lefts, rights over a crossing."""
    on_red: bool = False
    """May turn on red after a stop: its red is the lamp ``s``."""


@dataclass(frozen=True, slots=True)
class PhaseTimes:
    """Whole seconds since the start of the ring's cycle, rising; ``end_s`` <= cycle."""

    start_s: int
    yellow_start_s: int
    red_start_s: int
    end_s: int

    @property
    def green_s(self) -> int:
        return self.yellow_start_s - self.start_s


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that was not taken over as it stood: ``what`` in general, and of which phase."""

    what: str
    phase: int | None = None
    detail: str = ""

    def __str__(self) -> str:
        where = "" if self.phase is None else f"phase {self.phase}: "
        return f"{where}{self.what}" + (f" ({self.detail})" if self.detail else "")


@dataclass(frozen=True, slots=True)
class RingTimeline:
    """When each phase runs, in whole seconds, and what had to be guessed or is wrong."""

    cycle_s: int
    times: Mapping[int, PhaseTimes]
    guesses: tuple[Remark, ...] = ()
    """Roundings and fillings: the signal still runs as the source says, to the second."""
    problems: tuple[Remark, ...] = ()
    """Contradictions in the source that a person must settle."""


@dataclass(frozen=True, slots=True)
class RingStages:
    """Stages in order; ``first_start_s`` is the start of stage 0 since the ring's cycle start."""

    stages: tuple[Stage, ...]
    first_start_s: int
    timeline: RingTimeline


@dataclass(frozen=True, slots=True)
class RingOffset:
    """Seconds from the master clock's zero to the named moment of the reference phases."""

    offset_s: float
    phases: tuple[int, ...]
    reference: OffsetReference


@dataclass(frozen=True, slots=True)
class RingPlan:
    """``plan`` is None when the phases make no signal; ``problems`` then says why."""

    plan: SignalPlan | None
    timeline: RingTimeline | None = None
    begin_s: int = 0
    """Begin of the ring's cycle after the master clock's zero, in [0, cycle)."""
    guesses: tuple[Remark, ...] = ()
    problems: tuple[Remark, ...] = ()


@dataclass
class _Remarks:
    guesses: list[Remark] = field(default_factory=list)
    problems: list[Remark] = field(default_factory=list)


# --- when the phases run --------------------------------------------------------------------


def timeline_of_rings(
    phases: Sequence[RingPhase], cycle_s: float | None = None
) -> RingTimeline | None:
    """When each phase runs: rings side by side, barriers crossed together.

    A ring that is shorter than another before a barrier rests in green in its last phase.
    ``cycle_s`` is the stated cycle; None: the sum of the splits. None is returned when no phase
    has a split, a phase is there twice, or the cycle is not in (0, ``LONGEST_CYCLE_S``].
    """
    used = [p for p in phases if p.split_s > 0]
    if not used or len({p.phase for p in used}) != len(used):
        return None
    remarks = _Remarks()
    rings: dict[int, dict[int, list[RingPhase]]] = {}
    for phase in sorted(used, key=lambda p: (p.barrier, p.ring, p.position, p.phase)):
        rings.setdefault(phase.barrier, {}).setdefault(phase.ring, []).append(phase)
    lengths = [max(_split_sum(ring) for ring in sides.values()) for sides in rings.values()]
    total_s = sum(lengths)
    if not 0.5 <= total_s <= LONGEST_CYCLE_S:
        return None
    scale = _fit_to_cycle(total_s, cycle_s, remarks)
    times: dict[int, PhaseTimes] = {}
    begin_s = 0.0
    for sides, length_s in zip(rings.values(), lengths, strict=True):
        for ring in sides.values():
            _place_ring(ring, begin_s, length_s, scale, times, remarks)
        begin_s += length_s
    cycle = _whole(total_s * scale)
    return RingTimeline(cycle, times, tuple(remarks.guesses), tuple(remarks.problems))


def _split_sum(ring: Iterable[RingPhase]) -> float:
    return sum(phase.split_s for phase in ring)


def _fit_to_cycle(total_s: float, cycle_s: float | None, remarks: _Remarks) -> float:
    """Factor on all times: 1, or less than a second's worth so that the stated cycle holds."""
    stated = total_s if cycle_s is None else cycle_s
    told = f"{total_s:g} s, cycle {stated:g} s"
    if abs(stated - total_s) > CYCLE_TOLERANCE_S:
        remarks.problems.append(Remark("splits do not sum to the stated cycle", None, told))
        stated = total_s
    elif abs(stated - total_s) > _FUZZ_S:
        remarks.guesses.append(Remark("splits fitted to the stated cycle", None, told))
    whole = max(1, _whole(stated))
    if abs(whole - stated) > _FUZZ_S:
        remarks.guesses.append(Remark("cycle rounded to whole seconds", None, f"{stated:g} s"))
    return whole / total_s


def _place_ring(
    ring: Sequence[RingPhase],
    begin_s: float,
    length_s: float,
    scale: float,
    times: dict[int, PhaseTimes],
    remarks: _Remarks,
) -> None:
    """Put the phases of one ring between two barriers into ``times``."""
    spare_s = length_s - _split_sum(ring)
    if spare_s > _FUZZ_S:
        what = "ring shorter than its neighbour: rests in green before the barrier"
        remarks.guesses.append(Remark(what, ring[-1].phase, f"{spare_s:g} s"))
    now_s = begin_s
    for phase in ring:
        end_s = now_s + phase.split_s + (spare_s if phase is ring[-1] else 0.0)
        times[phase.phase] = _times(phase, _whole(now_s * scale), _whole(end_s * scale), remarks)
        now_s = end_s


def _times(phase: RingPhase, start_s: int, end_s: int, remarks: _Remarks) -> PhaseTimes:
    """Whole seconds of a phase; its clearance is rounded up, its yellow to the nearest."""
    clearance_s = max(0, math.ceil(phase.yellow_s + phase.all_red_s - _FUZZ_S))
    yellow_s = min(clearance_s, _whole(phase.yellow_s))
    fractions = [v for v in (phase.yellow_s, phase.all_red_s) if abs(v - _whole(v)) > _FUZZ_S]
    if fractions:
        told = f"{phase.yellow_s:g} + {phase.all_red_s:g} s as {yellow_s} + "
        told += f"{clearance_s - yellow_s} s"
        what = "yellow and all-red rounded to whole seconds, their sum up"
        remarks.guesses.append(Remark(what, phase.phase, told))
    if clearance_s >= end_s - start_s:
        told = f"split {phase.split_s:g} s, clearance {clearance_s} s"
        remarks.problems.append(Remark("split leaves no green: never lit", phase.phase, told))
        return PhaseTimes(start_s, start_s, start_s, end_s)
    green_s = end_s - start_s - clearance_s
    if green_s < phase.required_green_s - 0.5:
        told = f"{green_s} s of green, {phase.required_green_s:g} s needed"
        if green_s < phase.min_green_s - 0.5:
            what = "green shorter than the phase's own minimum"
            remarks.problems.append(Remark(what, phase.phase, told))
        else:  # usual where people walk on call only: the controller then leaves the plan
            what = "walk and don't walk do not fit into the green: minimum green without them"
            remarks.guesses.append(Remark(what, phase.phase, told))
    return PhaseTimes(start_s, end_s - clearance_s, end_s - clearance_s + yellow_s, end_s)


def _whole(seconds: float) -> int:
    """Nearest whole second, halves up."""
    return math.floor(seconds + 0.5 + _FUZZ_S)


# --- what the lamps show --------------------------------------------------------------------


def pictures_of_rings(timeline: RingTimeline, groups: Sequence[GroupPhases]) -> tuple[str, ...]:
    """The lamp picture of each second of the ring's cycle, one letter per group."""
    columns = [_lamps(timeline, group) for group in groups]
    return tuple("".join(letters) for letters in zip(*columns, strict=True))


def _lamps(timeline: RingTimeline, group: GroupPhases) -> list[str]:
    """The lamp of one group in each second; later painting covers earlier."""
    lamps = ["s" if group.on_red else "r"] * timeline.cycle_s
    kinds = (("g", group.permitted), ("G", group.protected))
    lit = [
        (letter, phases, timeline.times[p])
        for letter, phases in kinds
        for p in sorted(phases)
        if p in timeline.times and timeline.times[p].green_s > 0
    ]
    for _, _, times in lit:
        _paint(lamps, times.yellow_start_s, times.red_start_s, "y")
    for letter, phases, times in lit:
        if any(_follows(timeline, times, q) for q in phases):
            _paint(lamps, times.yellow_start_s, times.end_s, letter)
        _paint(lamps, times.start_s, times.yellow_start_s, letter)
    return lamps


def _follows(timeline: RingTimeline, times: PhaseTimes, phase: int) -> bool:
    """Whether ``phase`` turns green in the second in which another one ends."""
    after = timeline.times.get(phase)
    return (
        after is not None
        and after.green_s > 0
        and after.start_s % timeline.cycle_s == times.end_s % timeline.cycle_s
    )


def _paint(lamps: list[str], start_s: int, end_s: int, letter: str) -> None:
    lamps[start_s:end_s] = letter * (end_s - start_s)


# --- stages ---------------------------------------------------------------------------------


def stages_of_rings(
    phases: Sequence[RingPhase], groups: Sequence[GroupPhases], cycle_s: float | None = None
) -> RingStages | None:
    """Stages and clearances that show, second by second, what the rings show.

    ``groups[i]`` says which phases light signal group ``i``. A stage is a picture with green and
    without yellow that lasts ``SHORTEST_STAGE_S`` or more (if there is none: any with green);
    all else belongs to the clearance of the stage before. ``min_green_s`` of the stages are
    such that every phase gets its minimum and its walk + don't walk, as far as the green in the
    source does. None: no phases, no cycle (:func:`timeline_of_rings`), or nothing ever lit.
    """
    timeline = timeline_of_rings(phases, cycle_s)
    if timeline is None or not groups:
        return None
    pictures = pictures_of_rings(timeline, groups)
    runs = _runs(pictures)
    stage_idxs = _stage_idxs(runs)
    if not stage_idxs:
        return None
    first = stage_idxs[0]
    first_start_s = (_first_run_start_s(pictures) + sum(n for _, n in runs[:first])) % (
        timeline.cycle_s
    )
    runs = runs[first:] + runs[:first]
    stages = _stages(runs, [i - first for i in stage_idxs])
    needs = _green_needs(phases, timeline, first_start_s)
    return RingStages(_with_min_greens(stages, needs), first_start_s, timeline)


def _runs(pictures: Sequence[str]) -> list[tuple[str, int]]:
    """(picture, seconds) of each stretch round the cycle; one across its end comes first."""
    runs = [(picture, len(list(same))) for picture, same in groupby(pictures)]
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        picture, seconds = runs.pop()
        runs[0] = (picture, seconds + runs[0][1])
    return runs


def _first_run_start_s(pictures: Sequence[str]) -> int:
    """Start of the first run of ``_runs``: zero, or before it when it crosses the cycle's end."""
    if pictures[0] != pictures[-1] or len(set(pictures)) == 1:
        return 0
    return -sum(1 for _ in next(groupby(reversed(pictures)))[1])


def _stage_idxs(runs: Sequence[tuple[str, int]]) -> list[int]:
    serving = [
        i for i, (picture, _) in enumerate(runs) if set(picture) & GREENS and "y" not in picture
    ]
    return [i for i in serving if runs[i][1] >= SHORTEST_STAGE_S] or serving


def _stages(runs: Sequence[tuple[str, int]], starts: Sequence[int]) -> list[Stage]:
    """Stages of runs of which the first is a stage."""
    ends = [*starts[1:], len(runs)]
    return [
        Stage(
            picture=runs[start][0],
            green_s=runs[start][1],
            clearance=tuple(Interval(n, picture) for picture, n in runs[start + 1 : end]),
            min_green_s=min(DEFAULT_MIN_GREEN_S, runs[start][1]),
            max_green_s=max(DEFAULT_MAX_GREEN_S, runs[start][1]),
        )
        for start, end in zip(starts, ends, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Need:
    """A green in seconds after the start of stage 0, and how many of them must stay."""

    start_s: int
    end_s: int
    required_s: int


def _green_needs(
    phases: Sequence[RingPhase], timeline: RingTimeline, first_start_s: int
) -> list[_Need]:
    needs = []
    for phase in phases:
        times = timeline.times.get(phase.phase)
        if times is not None and times.green_s > 0:
            start_s = (times.start_s - first_start_s) % timeline.cycle_s
            required_s = min(times.green_s, _whole(phase.required_green_s))
            needs.append(_Need(start_s, start_s + times.green_s, required_s))
    return needs


def _with_min_greens(stages: Sequence[Stage], needs: Iterable[_Need]) -> tuple[Stage, ...]:
    """Raise the minima until the stages within each green add up to what it needs.

    What lacks is given to the longest stages of that green first. Clearance seconds inside a
    green count as they are: they do not shrink when a plan is retimed. Of a stage that is only
    in part inside, the part outside counts as kept before the part inside.
    """
    starts, now_s = [], 0
    for stage in stages:
        starts.append(now_s)
        now_s += stage.split_s
    found = list(stages)
    for need in needs:
        inside_s = [
            _shared_s(start_s, stage.green_s, need, now_s)
            for start_s, stage in zip(starts, stages, strict=True)
        ]
        fixed_s = need.end_s - need.start_s - sum(inside_s)
        kept_s = [
            max(0, stage.min_green_s - stage.green_s + shared_s)
            for stage, shared_s in zip(found, inside_s, strict=True)
        ]
        lack_s = need.required_s - fixed_s - sum(kept_s)
        for i in sorted(range(len(found)), key=lambda i: (-inside_s[i], i)):
            more_s = min(max(0, lack_s), inside_s[i] - kept_s[i])
            if more_s > 0:
                outside_s = stages[i].green_s - inside_s[i]
                found[i] = replace(found[i], min_green_s=outside_s + kept_s[i] + more_s)
                lack_s -= more_s
    return tuple(found)


def _shared_s(start_s: int, length_s: int, need: _Need, cycle_s: int) -> int:
    """Seconds that a green has in common with a need, both round the cycle."""
    return sum(
        max(0, min(start_s + shift + length_s, need.end_s) - max(start_s + shift, need.start_s))
        for shift in (0, cycle_s)
    )


# --- the plan -------------------------------------------------------------------------------


def reference_moment_s(
    timeline: RingTimeline,
    phases: Sequence[RingPhase],
    offset_phases: Iterable[int],
    reference: OffsetReference,
) -> int | None:
    """When the named moment of the reference phases comes, since the ring's cycle start.

    "First" and "last" are meant round the cycle: the one from which, or up to which, the others
    are nearest. None: none of the phases runs.
    """
    dont_walk_s = {p.phase: p.dont_walk_s if p.walk_s > 0 else 0.0 for p in phases}
    moments = []
    for phase in offset_phases:
        times = timeline.times.get(phase)
        if times is None:
            continue
        moments.append(
            {
                OffsetReference.LAST_GREEN: times.start_s,
                OffsetReference.FIRST_GREEN: times.start_s,
                OffsetReference.FIRST_YELLOW: times.yellow_start_s,
                OffsetReference.FIRST_RED: times.red_start_s,
                OffsetReference.FIRST_END: times.end_s,
                OffsetReference.FIRST_DONT_WALK: max(
                    times.start_s, times.yellow_start_s - _whole(dont_walk_s[phase])
                ),
            }[reference]
            % timeline.cycle_s
        )
    if not moments:
        return None
    sign = -1 if reference is OffsetReference.LAST_GREEN else 1

    def spread_s(moment: int) -> int:
        return max(sign * (other - moment) % timeline.cycle_s for other in moments)

    return min(moments, key=lambda moment: (spread_s(moment), moment))


def plan_of_rings(
    junction_id: str,
    plan_id: str,
    phases: Sequence[RingPhase],
    groups: Sequence[GroupPhases],
    offset: RingOffset,
    cycle_s: float | None = None,
) -> RingPlan:
    """The plan of a ring-and-barrier controller, its offset turned into ours.

    The coordinated stage is the one that shows most of the reference phases' greens for longest;
    ``offset_s`` of the plan is the start of its green. Without running reference phases the
    offset is taken as the start of the ring's cycle, which is told in ``problems``.
    """
    found = stages_of_rings(phases, groups, cycle_s)
    if found is None:
        return RingPlan(None, problems=(Remark("phases make no signal: nothing ever lit"),))
    timeline = found.timeline
    guesses, problems = list(timeline.guesses), list(timeline.problems)
    moment_s = reference_moment_s(timeline, phases, offset.phases, offset.reference)
    if moment_s is None:
        told = ", ".join(map(str, offset.phases))
        what = "reference phases do not run: offset taken as the cycle's start"
        problems.append(Remark(what, None, told))
        moment_s = 0
    if abs(offset.offset_s - _whole(offset.offset_s)) > _FUZZ_S:
        guesses.append(Remark("offset rounded to whole seconds", None, f"{offset.offset_s:g} s"))
    plan = SignalPlan(junction_id, plan_id, found.stages)
    idx = _coordinated_idx(found, offset.phases)
    begin_s = (_whole(offset.offset_s) - moment_s) % timeline.cycle_s
    plan = replace(plan, coordinated_stage_idx=idx).with_offset(
        begin_s + found.first_start_s + plan.stage_start_s(idx)
    )
    return RingPlan(plan, timeline, begin_s, tuple(guesses), tuple(problems))


def _coordinated_idx(found: RingStages, phases: Iterable[int]) -> int:
    """The stage with most of these phases green, then the longest, then the first."""
    cycle_s = found.timeline.cycle_s
    greens = [found.timeline.times[p] for p in phases if p in found.timeline.times]
    keys = []
    start_s = found.first_start_s
    for idx, stage in enumerate(found.stages):
        lit = sum((start_s - times.start_s) % cycle_s < times.green_s for times in greens)
        keys.append((lit, stage.green_s, -idx))
        start_s += stage.split_s
    return -max(keys)[2]
