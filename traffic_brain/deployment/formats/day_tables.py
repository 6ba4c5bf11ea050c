"""Day plans and their weekdays as rows of tables: what GB/T 20999 and NTCIP 1202 have alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from traffic_brain.deployment.formats.csv_tables import TableRow
from traffic_brain.deployment.formats.plan_set import PlanSet
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.schedule import Period, Week, windows_of

DayRow = tuple[str, int, int, int, int, int]
"""Controller, day plan, number of the period, hour, minute, plan."""
Numbers = Mapping[tuple[str, str], int]
"""(junction, plan) -> the plan's number."""


def day_rows(name: str, junction_id: str, week: Week, numbers: Numbers) -> Iterator[DayRow]:
    """The periods of every day plan of a junction."""
    for day_plan, periods in week.day_plans.items():
        for number, period in enumerate(periods, start=1):
            hour, minute = divmod(period.begin_s // 60, 60)
            yield name, day_plan, number, hour, minute, numbers[junction_id, period.plan_id]


def plan_numbers(plans: PlanSet) -> dict[tuple[str, str], int]:
    """Every plan's number: they count from 1 at each junction."""
    return {
        (junction_id, plan.plan_id): number
        for junction_id, own in plans.by_junction.items()
        for number, plan in enumerate(own, start=1)
    }


def add_windows(
    reading: Reading,
    periods: Iterable[tuple[TableRow, str, int, int, int]],
    days: Iterable[tuple[TableRow, str, int, int]],
    plan_of: Mapping[tuple[str, int], tuple[str, str]],
) -> None:
    """Add the windows that tables tell of.

    ``periods``: row, controller, day plan, begin in seconds, plan number. ``days``: row,
    controller, weekday, day plan. ``plan_of``: (controller, number) -> (junction, plan).
    """
    junctions = {name: junction_id for (name, _), (junction_id, _) in plan_of.items()}
    day_plans: dict[str, dict[int, list[Period]]] = defaultdict(lambda: defaultdict(list))
    for row, name, day_plan, begin_s, number in periods:
        known = plan_of.get((name, number))
        if known is None:
            reading.problems.append(f"{row.place}: plan number {number} of {name} is not there")
            continue
        if any(period.begin_s == begin_s for period in day_plans[name][day_plan]):
            reading.problems.append(f"{row.place}: two periods begin at the same time")
        day_plans[name][day_plan].append(Period(begin_s, known[1]))
    on_day: dict[str, dict[int, int]] = defaultdict(dict)
    for row, name, day, day_plan in days:
        if day_plan not in day_plans[name]:
            reading.problems.append(f"{row.place}: day plan {day_plan} of {name} is not there")
        if day in on_day[name]:
            reading.problems.append(f"{row.place}: weekday {day} of {name} comes twice")
        on_day[name][day] = day_plan
    for name, listed in on_day.items():
        if name in junctions:
            told = {number: tuple(found) for number, found in day_plans[name].items()}
            reading.windows += windows_of(junctions[name], Week(told, listed))
