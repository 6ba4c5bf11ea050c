"""Plans that are told by their lamps only: where stages begin, and how long they are green.

Some formats tell what lamps show and not where a stage ends and its clearance begins. A plan that
is known otherwise (by the mapping, or in service in the city) gives its stages, as soon as some
greens make it show the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from traffic_brain.model.signals import Interval, Stage

Shown = Callable[[str], str]
"""A lamp picture as the format shows it."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Stages, and the second of the told cycle in which the first one turns green."""

    stages: tuple[Stage, ...]
    start_s: int


def cut_intervals(told: Sequence[Interval], known: Sequence[Stage]) -> Cut | None:
    """Known stages with the greens of told intervals: the same pictures one by one.

    The cycle may be told from any interval on.
    """
    asked = [(i, c) for i, stage in enumerate(known) for c in (None, *stage.clearance)]
    if len(asked) != len(told):
        return None
    for turn in range(len(told)):
        turned = [*told[turn:], *told[:turn]]
        greens: dict[int, int] = {}
        for (idx, clearance), interval in zip(asked, turned, strict=True):
            if clearance is None and interval.picture == known[idx].picture:
                greens[idx] = interval.duration_s
            elif clearance != interval:
                break
        else:
            stages = tuple(replace(stage, green_s=greens[i]) for i, stage in enumerate(known))
            return Cut(stages, sum(interval.duration_s for interval in told[:turn]))
    return None


def cut_seconds(told: Sequence[str], known: Sequence[Stage], shown: Shown) -> Cut | None:
    """Known stages with the greens that make them show a told picture in every second.

    Where the format shows the greens of two stages as one, nothing can tell them apart: None.
    """
    runs = _told_runs(told)
    asked = _asked_runs(known, shown)
    if len(runs) != len(asked):
        return None
    for turn in range(len(runs)):
        turned = [*runs[turn:], *runs[:turn]]
        greens: dict[int, int] = {}
        if all(_solve(run, part, greens) for run, part in zip(turned, asked, strict=True)):
            stages = tuple(replace(stage, green_s=greens[i]) for i, stage in enumerate(known))
            start_s = turned[0].start_s + asked[0].before_first_s
            return Cut(stages, start_s % len(told))
    return None


# --- details ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Told:
    picture: str
    start_s: int
    length_s: int


@dataclass
class _Asked:
    """Neighbours that the format shows alike: fixed seconds, and the stages with green in it."""

    picture: str
    fixed_s: int = 0
    stages: tuple[int, ...] = ()
    before_first_s: int = 0
    """Of the run that stage 0 lies in: fixed seconds before its green."""


def _told_runs(told: Sequence[str]) -> list[_Told]:
    """Runs round the cycle's end; the first one begins with the cycle, or before it."""
    runs, now_s = [], 0
    for picture, same in groupby(told):
        length_s = len(list(same))
        runs.append(_Told(picture, now_s, length_s))
        now_s += length_s
    if len(runs) > 1 and runs[0].picture == runs[-1].picture:
        last = runs.pop()
        length_s = last.length_s + runs[0].length_s
        runs[0] = _Told(last.picture, last.start_s, length_s)
    return runs


def _asked_runs(known: Sequence[Stage], shown: Shown) -> list[_Asked]:
    """What known stages show, the run with the green of stage 0 first."""
    runs: list[_Asked] = []

    def run(picture: str) -> _Asked:
        if not runs or runs[-1].picture != picture:
            runs.append(_Asked(picture))
        return runs[-1]

    for idx, stage in enumerate(known):
        green = run(shown(stage.picture))
        green.stages = (*green.stages, idx)
        for interval in stage.clearance:
            run(shown(interval.picture)).fixed_s += interval.duration_s
    if len(runs) > 1 and runs[0].picture == runs[-1].picture:
        last = runs.pop()
        first = runs[0]
        stages = (*last.stages, *first.stages)
        runs[0] = _Asked(first.picture, last.fixed_s + first.fixed_s, stages, last.fixed_s)
    return runs


def _solve(run: _Told, asked: _Asked, greens: dict[int, int]) -> bool:
    """Whether a run can be what is asked; the green of the one stage in it goes to ``greens``."""
    if run.picture != asked.picture or len(asked.stages) > 1:
        return False
    rest_s = run.length_s - asked.fixed_s
    if not asked.stages:
        return rest_s == 0
    greens[asked.stages[0]] = rest_s
    return rest_s >= 1
