"""Plan windows as controllers keep them: day plans of periods, and a day plan for each weekday.

A period lasts until the next one begins, so that a day has no gap: where windows leave one, the
junction's first plan runs, as it does in a city folder, and a window of its own says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.plan_set import (
    PlanSet,
    clock,
    differences,
    normal,
)
from traffic_brain.model.documents import DAY_S
from traffic_brain.model.signals import EVERY_DAY, PlanWindow

MINUTE_S = 60


@dataclass(frozen=True, slots=True)
class Period:
    """From ``begin_s`` on, until the next period of the day, this plan runs."""

    begin_s: int
    plan_id: str


@dataclass(frozen=True)
class Week:
    """The day plans of a junction, numbered from 1, and which of them each weekday has."""

    day_plans: Mapping[int, tuple[Period, ...]]
    on_day: Mapping[int, int]


def week_of(windows: Iterable[PlanWindow]) -> Week:
    """Windows without gaps as day plans; days that are alike share one."""
    listed = list(windows)
    numbers: dict[tuple[Period, ...], int] = {}
    on_day: dict[int, int] = {}
    for day in EVERY_DAY:
        own = sorted((w for w in listed if day in w.weekdays), key=lambda w: w.begin_s)
        periods = tuple(Period(w.begin_s, w.plan_id) for w in own)
        if periods:
            on_day[day] = numbers.setdefault(periods, len(numbers) + 1)
    return Week({number: periods for periods, number in numbers.items()}, on_day)


def windows_of(junction_id: str, week: Week) -> list[PlanWindow]:
    """The windows that day plans mean, in normal form."""
    found = []
    for day, number in week.on_day.items():
        periods = sorted(week.day_plans.get(number, ()), key=lambda p: p.begin_s)
        ends = [*(p.begin_s for p in periods[1:]), DAY_S][: len(periods)]
        found += [
            PlanWindow(junction_id, period.plan_id, period.begin_s, end_s, (day,))
            for period, end_s in zip(periods, ends, strict=True)
        ]
    return normal(found)


def without_gaps(plans: PlanSet, losses: LossReport) -> PlanSet:
    """The same plans with windows that fill every day; what was filled in is noted."""
    filled: list[PlanWindow] = []
    for junction_id, listed in plans.by_junction.items():
        own = plans.windows_of(junction_id)
        for day in EVERY_DAY if own else ():
            on_day = sorted((w for w in own if day in w.weekdays), key=lambda w: w.begin_s)
            filled += _filled(junction_id, listed[0].plan_id, day, on_day)
    full = PlanSet(plans.plans, tuple(normal(filled)))
    for attribute, place in differences(plans, full):
        what = f"{attribute}: the first plan runs in gaps, with a window of its own"
        losses.note(Loss.DEFAULTED, what, place)
    return full


def minute_problems(windows: Iterable[PlanWindow]) -> list[str]:
    """Windows that do not begin on a whole minute, which day plans cannot say."""
    return [
        f"window of junction {w.junction_id} begins at {clock(w.begin_s)}: not on a whole minute"
        for w in windows
        if w.begin_s % MINUTE_S
    ]


def _filled(
    junction_id: str, first_plan: str, day: int, windows: list[PlanWindow]
) -> Iterable[PlanWindow]:
    now_s = 0
    for window in windows:
        if window.begin_s > now_s:
            yield PlanWindow(junction_id, first_plan, now_s, window.begin_s, (day,))
        yield PlanWindow(junction_id, window.plan_id, window.begin_s, window.end_s, (day,))
        now_s = window.end_s
    if now_s < DAY_S:
        yield PlanWindow(junction_id, first_plan, now_s, DAY_S, (day,))
