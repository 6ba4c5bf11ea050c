"""What the lamps of a plan do over one cycle: runs of a group, who is going, clearances.

A group is *going* when its lamp lets vehicles enter: green, and yellow after a green. The
*clearance* of an ordered pair (a, b) is the time from the end of a's green to the next start of
b's green; it is *direct* when no stage's green lies inside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from traffic_brain.model.network import Junction
from traffic_brain.model.signals import GREENS, SignalPlan

LETTERS = frozenset("GgyruoOsY")
"""Lamp letters of :mod:`traffic_brain.model.signals`, and two that SUMO's programs bring: ``s``,
red with a right-turn arrow (stop, then go if nobody comes), and ``Y``, another yellow."""

CLOCK_ERROR_S = 2
"""A controller's clock is right to this; a log that differs by less shows the plan on file."""
STOP = "stop"
LAMP_KINDS = (
    dict.fromkeys(GREENS, "green") | dict.fromkeys("yY", "yellow") | dict.fromkeys("oO", "off")
)
"""Letter -> green, yellow, off; every other letter is ``STOP``."""
OPEN_KINDS = dict.fromkeys("GgsoO", "open")
"""Letter -> open where somebody may go at all; every other letter is ``STOP``."""

_YELLOW_AFTER = {"G": "Y", "g": "z"}

Pair = tuple[int, int]


class Run(NamedTuple):
    """A stretch of the cycle in which a group's lamp is of one kind."""

    kind: str
    start_s: int
    length_s: int

    @property
    def end_s(self) -> int:
        """First second after the run; beyond the cycle when the run passes its end."""
        return self.start_s + self.length_s


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two conflicting groups that go together although neither gives way."""

    pair: Pair
    picture: str
    in_yellow: bool
    """One of the two shows the yellow after its green."""


@dataclass(frozen=True, slots=True)
class Clearance:
    """From the end of one green to the start of a conflicting green."""

    pair: Pair
    length_s: int
    direct: bool
    green_s: int
    """Length of the green that ended."""


def distinct_pictures(plan: SignalPlan) -> Iterable[str]:
    """The lamp pictures of a cycle, each once, in order."""
    return dict.fromkeys(interval.picture for interval in plan.intervals())


def runs(plan: SignalPlan, group: int, kinds: Mapping[str, str]) -> list[Run]:
    """Runs of a group round the cycle; one that passes the cycle's end is given once."""
    found: list[Run] = []
    kind, start, now = "", 0, 0
    for interval in plan.intervals():
        here = kinds.get(interval.picture[group], STOP)
        if here != kind:
            if now:
                found.append(Run(kind, start, now - start))
            kind, start = here, now
        now += interval.duration_s
    found.append(Run(kind, start, now - start))
    if len(found) > 1 and found[0].kind == kind:
        found[-1] = Run(kind, start, now - start + found.pop(0).length_s)
    return found


def greens(plan: SignalPlan, group: int) -> list[Run]:
    """The greens of a group round the cycle."""
    return [run for run in runs(plan, group, LAMP_KINDS) if run.kind == "green"]


def yellows_after_green(plan: SignalPlan, group: int) -> list[int]:
    """Seconds of yellow after each green that ends; 0 where red follows at once.

    A lamp that is switched off after green and comes back with green stops nobody and is left
    out. One that stops somebody from there gave no warning: its yellow is 0 s.
    """
    found = runs(plan, group, LAMP_KINDS)
    seconds: list[int] = []
    for i, run in enumerate(found):
        first, second = (found[(i + k) % len(found)] for k in (1, 2))
        is_back = first.kind == "green" or (first.kind == "off" and second.kind == "green")
        if run.kind == "green" and not is_back:
            seconds.append(first.length_s if first.kind == "yellow" else 0)
    return seconds


def conflicts(plan: SignalPlan, junction: Junction) -> Iterator[Conflict]:
    """Each picture in which two conflicting groups go and neither gives way, once.

    A permitted green (g) gives way where ``junction.yields`` says so, and so does the yellow
    after it. Two yellows side by side are no conflict: neither lets a new stream start.
    """
    found: dict[Conflict, None] = {}
    for picture, going in _going_pictures(plan):
        for a, b in sorted(junction.conflicts):
            x, y = going[a], going[b]
            if x == "." or y == "." or (x in "Yz" and y in "Yz"):
                continue
            a_waits = x in "gz" and (a, b) in junction.yields
            b_waits = y in "gz" and (b, a) in junction.yields
            if not (a_waits or b_waits):
                found[Conflict((a, b), picture, x in "Yz" or y in "Yz")] = None
    yield from found


def clearances(plan: SignalPlan, junction: Junction) -> Iterator[Clearance]:
    """Every change from one green to a conflicting green that was not on before."""
    cycle = plan.cycle_s
    lit = [greens(plan, group) for group in range(junction.signal_group_count)]
    stages = [(plan.stage_start_s(i), stage.green_s) for i, stage in enumerate(plan.stages)]
    for low, high in sorted(junction.conflicts):
        for a, b in ((low, high), (high, low)):
            for ended in (run for run in lit[a] if run.length_s < cycle):
                end = ended.end_s
                on_before = any((end - 1 - run.start_s) % cycle < run.length_s for run in lit[b])
                if on_before or not lit[b]:
                    continue
                wait = min((run.start_s - end) % cycle for run in lit[b])
                if wait <= min((run.start_s - end) % cycle for run in lit[a]):
                    direct = all((start - end) % cycle + green > wait for start, green in stages)
                    yield Clearance((a, b), wait, direct, ended.length_s)


def shortest(found: Iterable[Clearance]) -> dict[Pair, int]:
    """The shortest clearance of each ordered pair, in seconds."""
    least: dict[Pair, int] = {}
    for clearance in found:
        least[clearance.pair] = min(
            clearance.length_s, least.get(clearance.pair, clearance.length_s)
        )
    return least


def _going_pictures(plan: SignalPlan) -> list[tuple[str, str]]:
    """The picture of each interval, and who is going in it.

    G protected, g permitted, Y and z the yellow after each, a point for who must not enter.
    """
    intervals = list(plan.intervals())
    last = ["."] * plan.signal_group_count
    found: list[tuple[str, str]] = []
    for _ in range(2):  # the second round knows what came before the cycle's start
        found = []
        for interval in intervals:
            last = [_going(lamp, was) for lamp, was in zip(interval.picture, last, strict=True)]
            found.append((interval.picture, "".join(last)))
    return found


def _going(letter: str, before: str) -> str:
    if letter == "G":
        return "G"
    if letter in "goO":
        return "g"
    if letter in "yY":
        return _YELLOW_AFTER.get(before, before)
    return "."


def same_lamps(a: SignalPlan, b: SignalPlan) -> bool:
    """Whether two plans show the same at the same time, but for the error of a clock."""
    first, second = _cycle_from_zero(a), _cycle_from_zero(b)
    shifts = range(-CLOCK_ERROR_S, CLOCK_ERROR_S + 1)
    return any(first[shift:] + first[:shift] == second for shift in shifts)


def _cycle_from_zero(plan: SignalPlan) -> tuple[str, ...]:
    """The picture of each second of a cycle that begins at the master clock's zero."""
    pictures, start = plan.pictures(), -plan.first_stage_offset_s % plan.cycle_s
    return pictures[start:] + pictures[:start]
