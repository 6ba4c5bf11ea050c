"""When the timing plans of GMNS run: ``time_day``, ``timeday_id`` and what stands in their place.

``time_day`` is ``XXXXXXXX_HHMM_HHMM``: bits for Sunday to Saturday and for holidays, begin, end.
Holidays are dropped: our weeks have none. A window through midnight becomes two, and where
windows of two plans overlap, the shorter one counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from network_data.importers.gmns.tables import Row, Tables, known_id, shown
from network_data.loss_report import Loss, LossReport
from traffic_brain.model.signals import EVERY_DAY, PlanWindow

DAY_S = 86_400
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIME_DAY = re.compile(r"([01]{7,9})_(\d{1,2}:?\d{2}(?::?\d{2})?)_(\d{1,2}:?\d{2}(?::?\d{2})?)")
_CLOCK = re.compile(r"(\d{1,2}):?(\d{2})(?::?(\d{2}))?")
_LAST_MINUTE_S = DAY_S - 60


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the day, on some days of the week (1 = Monday)."""

    begin_s: int
    end_s: int
    weekdays: tuple[int, ...]

    @property
    def is_always(self) -> bool:
        return (self.begin_s, self.end_s, self.weekdays) == (0, DAY_S, EVERY_DAY)

    @property
    def week_s(self) -> int:
        """Seconds of a week."""
        return (self.end_s - self.begin_s) * len(self.weekdays)


@dataclass(frozen=True)
class Schedule:
    """The plan that runs outside all windows, and the windows of a controller's plans."""

    in_service: str | None
    windows: tuple[PlanWindow, ...]


def spans_of(tables: Tables, row: Row, definitions: Mapping[str, Row]) -> list[Span]:
    """When a row of ``signal_timing_plan`` runs; empty: it does not tell."""
    if row["time_day"]:
        return _of_time_day(tables, row)
    if row["timeday_id"]:
        known = known_id(row["timeday_id"], definitions)
        if known is not None:
            return _of_definition(tables, definitions[known])
        what = "signal_timing_plan.timeday_id: not defined"
        tables.losses.note(Loss.DROPPED, what, row.place)
        told = f"plan {shown(row['timing_plan_id'])}: timeday_id is not defined"
        tables.losses.to_fix(row["controller_id"], told, 0.3, "define it, or give time_day")
    if row["start_time"]:
        return _of_definition(tables, row)
    return []


def _of_time_day(tables: Tables, row: Row) -> list[Span]:
    spans: list[Span] = []
    for part in re.split(r"[;,|]\s*", row["time_day"]):
        match = _TIME_DAY.fullmatch(part.strip())
        begin_s = None if match is None else _clock_s(match[2])
        end_s = None if match is None else _clock_s(match[3])
        if match is None or begin_s is None or end_s is None:
            what = "signal_timing_plan.time_day: not XXXXXXXX_HHMM_HHMM"
            tables.losses.note(Loss.DROPPED, what, f"{row.place} ({shown(part)})")
            told = f"plan {shown(row['timing_plan_id'])}: when it runs cannot be read"
            tables.losses.to_fix(row["controller_id"], told, 0.3, "correct time_day")
            continue
        bits = match[1]
        if len(bits) != 8:
            what = "signal_timing_plan.time_day: the first seven bits are Sunday to Saturday"
            tables.losses.note(Loss.GUESSED, what, f"{row.place} ({bits})")
        if bits[7:8] == "1" and "0" in bits[:7]:
            what = "signal_timing_plan.time_day: holidays"
            tables.losses.note(Loss.DROPPED, what, row.place)
        days = tuple(sorted(i or 7 for i, bit in enumerate(bits[:7]) if bit == "1"))
        spans.extend(_spans(begin_s, end_s, days, row, tables.losses))
    return spans


def _of_definition(tables: Tables, row: Row) -> list[Span]:
    begin_s, end_s = (_clock_s(row[c]) for c in ("start_time", "end_time"))
    spec = row.table.spec.name
    if begin_s is None or end_s is None:
        tables.losses.note(Loss.DROPPED, f"{spec}: no time of the day", row.place)
        return []
    flags = [tables.flag(row, day) for day in _DAYS]
    if all(flag is None for flag in flags):
        tables.losses.note(Loss.DEFAULTED, f"{spec}: every day", row.place)
        flags = [True] * 7
    if tables.flag(row, "holiday") and not all(flags):
        tables.losses.note(Loss.DROPPED, f"{spec}.holiday", row.place)
    days = tuple(i + 1 for i, flag in enumerate(flags) if flag)
    return _spans(begin_s, end_s, days, row, tables.losses)


def _clock_s(text: str) -> int | None:
    """Seconds of the day of ``7:00``, ``0700`` or ``07:00:00``; None: it is no time."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        return None
    seconds = 3600 * int(match[1]) + 60 * int(match[2]) + int(match[3] or 0)
    return seconds if int(match[2]) < 60 and seconds <= DAY_S else None


def _spans(
    begin_s: int, end_s: int, days: tuple[int, ...], row: Row, losses: LossReport
) -> list[Span]:
    if not days:
        losses.note(Loss.DROPPED, f"{row.table.spec.name}: a time on no day of the week", row.place)
        return []
    if end_s in (0, _LAST_MINUTE_S, DAY_S - 1):
        if end_s:
            what = f"{row.table.spec.name}: until 23:59 means until midnight"
            losses.note(Loss.GUESSED, what, row.place)
        end_s = DAY_S
    if begin_s == end_s or begin_s >= DAY_S:
        losses.note(Loss.DROPPED, f"{row.table.spec.name}: a time of no length", row.place)
        return []
    if begin_s < end_s:
        return [Span(begin_s, end_s, days)]
    next_days = tuple(sorted(day % 7 + 1 for day in days))
    return [Span(begin_s, DAY_S, days), Span(0, end_s, next_days)]


# --- one controller -------------------------------------------------------------------------


def schedule_of(
    junction_id: str, plans: Sequence[tuple[str, Sequence[Span]]], losses: LossReport
) -> Schedule:
    """The schedule of a junction from the spans of its plans, in the folder's order.

    Outside all windows runs the plan that is always on, else the one that tells no time, else the
    one that runs most of the week.
    """
    if not plans:
        return Schedule(None, ())
    always = [plan_id for plan_id, spans in plans if any(s.is_always for s in spans)]
    timeless = [plan_id for plan_id, spans in plans if not spans]
    most = max(plans, key=lambda plan: sum(span.week_s for span in plan[1]))[0]
    in_service = (always or timeless or [most])[0]
    if not always and len(plans) > 1 and not timeless:
        what = "plan outside all windows: the one that runs most of the week"
        losses.note(Loss.GUESSED, what, f"{junction_id} plan {in_service}")
    for plan_id in [p for p in (*always, *timeless) if p != in_service]:
        told = f"plan {plan_id}: when it runs beside plan {in_service} is not told"
        losses.note(Loss.DROPPED, "signal_timing_plan: a second plan for all times", plan_id)
        losses.to_fix(junction_id, told, 0.3, "give its time_day")
    windows = [
        PlanWindow(junction_id, plan_id, span.begin_s, span.end_s, span.weekdays)
        for plan_id, spans in plans
        for span in spans
        if not span.is_always
    ]
    return Schedule(in_service, without_overlap(junction_id, windows, losses))


def without_overlap(
    junction_id: str, windows: Sequence[PlanWindow], losses: LossReport
) -> tuple[PlanWindow, ...]:
    """The windows of a junction; where they overlap, the shorter one counts, and it is told."""
    if not _overlap(windows):
        return tuple(windows)
    what = "signal_timing_plan: windows overlap, the shorter one counts"
    losses.note(Loss.GUESSED, what, junction_id)
    told = "time windows of two plans overlap: the shorter one counts"
    losses.to_fix(junction_id, told, 0.6, "part the times of the plans")
    return tuple(_cut(windows))


def _overlap(windows: Sequence[PlanWindow]) -> bool:
    for day in EVERY_DAY:
        here = sorted((w.begin_s, w.end_s) for w in windows if day in w.weekdays)
        if any(after[0] < before[1] for before, after in pairwise(here)):
            return True
    return False


def _cut(windows: Iterable[PlanWindow]) -> Iterator[PlanWindow]:
    """Windows that do not overlap: in each stretch the shortest one, days put together again."""
    by_length = sorted(windows, key=lambda w: w.end_s - w.begin_s, reverse=True)
    days_of: dict[PlanWindow, list[int]] = {}
    for day in EVERY_DAY:
        here = [w for w in by_length if day in w.weekdays]
        times = sorted({t for w in here for t in (w.begin_s, w.end_s)})
        stretches: list[PlanWindow] = []
        for begin_s, end_s in pairwise(times):
            found = [w for w in here if w.begin_s <= begin_s and end_s <= w.end_s]
            if not found:
                continue
            last = stretches[-1] if stretches else None
            if last and last.end_s == begin_s and last.plan_id == found[-1].plan_id:
                stretches[-1] = replace(last, end_s=end_s)
            else:
                stretches.append(replace(found[-1], begin_s=begin_s, end_s=end_s, weekdays=()))
        for stretch in stretches:
            days_of.setdefault(stretch, []).append(day)
    for window, days in days_of.items():
        yield replace(window, weekdays=tuple(days))
