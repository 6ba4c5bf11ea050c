"""The recipe: days of a type → sub-areas → plans and the times at which they run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from network_data.city import load_city
from optimizers.problem import City, problem_of
from optimizers.schedule.area import AreaSchedule, area_schedule, sub_areas
from optimizers.schedule.params import ScheduleParams
from optimizers.schedule.switching import Switch
from traffic_brain.clock import parse_service_day
from traffic_brain.diagnosis.corridors import find_corridors
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.day_types import FREE, WORKING, Calendar, DayType
from traffic_brain.fusion.pooled import pooled
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import DEMAND_BIN_S
from traffic_brain.model.documents import DAY_S, plan_to_dict
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import Severity, judge
from traffic_brain.model.signals import EVERY_DAY, PlanWindow, SignalPlan
from traffic_brain.progress import Progress, silent

WEEKDAYS = {WORKING: (1, 2, 3, 4, 5), FREE: (6, 7)}
"""Days of the week that a kind of day stands for; of other kinds only single days are known."""


@dataclass(frozen=True)
class DaySchedule:
    """The schedule of one type of day over the window that its states cover."""

    day_type: DayType
    days: tuple[str, ...]
    problem: City
    areas: tuple[AreaSchedule, ...]


def schedule(
    city: Path,
    states: Sequence[Path],
    out: Path,
    *,
    seed: int = 0,
    params: ScheduleParams | None = None,
    calendar: Calendar | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Write schedule.json, what was found, and plan_windows.json, plans and when each runs.

    Args:
        states: folders from ``fuse``, one for each day; days of one type are taken together.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read, or no state is
            given.
    """
    params, network = params or ScheduleParams(), load_city(city)
    by_type = _by_type([load_state(folder, network) for folder in states], calendar or Calendar())
    found = []
    for n, (day_type, known) in enumerate(by_type.items()):
        part = partial(_part_of, progress, n / len(by_type), 1 / len(by_type))
        found.append(day_schedule(network, day_type, known, params, seed, part))
    document = {
        "seed": seed,
        "params": asdict(params),
        "day_types": [_day_dict(d, _of_week(found)) for d in found],
    }
    (out / "schedule.json").write_text(to_json(document), encoding="utf-8")
    plans, windows = plans_and_windows(found)
    told = {
        "plans": [plan_to_dict(plan) for plan in plans],
        "windows": [{**asdict(w), "weekdays": list(w.weekdays)} for w in windows],
    }
    (out / "plan_windows.json").write_text(to_json(told), encoding="utf-8")
    changing = sum(len(a.chosen.begins) > 1 for d in found for a in d.areas)
    progress(1.0, f"{len(windows)} windows")
    return {
        "day_types": len(found),
        "sub_areas": sum(len(d.areas) for d in found),
        "sub_areas_with_several_plans": changing,
        "plans": len(plans),
        "windows": len(windows),
    }


def _part_of(
    progress: Progress, begin_ratio: float, ratio: float, done_ratio: float, message: str
) -> None:
    """Progress of a part of the work, told as progress of the whole."""
    progress(begin_ratio + ratio * done_ratio, message)


def day_schedule(
    network: RoadNetwork,
    day_type: DayType,
    states: Sequence[State],
    params: ScheduleParams,
    seed: int,
    progress: Progress = silent,
) -> DaySchedule:
    """The schedule of days of one type, from their mean demand; ``states``: the latest first."""
    known = pooled(states)
    problem = problem_of(network, known, (), params.plans, seed)
    corridors = find_corridors(network, known, set(problem.problems))
    problem = replace(problem, corridors=tuple(corridors))
    areas = sub_areas(problem)
    found = []
    for n, junction_ids in enumerate(areas):
        progress(n / len(areas), f"{day_type}: sub-area {n + 1} of {len(areas)}")
        found.append(area_schedule(problem, junction_ids, params))
    days = tuple(sorted(state.service_day for state in states))
    return DaySchedule(day_type, days, problem, tuple(found))


def plans_and_windows(days: Sequence[DaySchedule]) -> tuple[list[SignalPlan], list[PlanWindow]]:
    """Every plan that runs at some time, once, and its windows on the weekdays of its day type.

    Outside of what the states cover, hours and weekdays, the plan in service runs. Days of a kind
    that no weekday stands for (a holiday) get plans, and no windows; so do those of a weather,
    where more days of their kind had another.

    Raises:
        DataRefused: a plan breaks a safety rule; no plan leaves then.
    """
    plans: dict[tuple[str, str], SignalPlan] = {}
    windows: list[PlanWindow] = []
    problems: list[str] = []
    of_week = _of_week(days)
    other_days = tuple(sorted(set(EVERY_DAY) - {d for days in of_week.values() for d in days}))
    for day in days:
        weekdays = of_week.get(day.day_type, ())
        window = day.problem.state.window
        for area in day.areas:
            edges = [window.begin_s + b * DEMAND_BIN_S for b in area.chosen.begins]
            for junction_id in area.junction_ids:
                service = day.problem.problems[junction_id].plan
                rows = [(0, service), (min(window.end_s, DAY_S), service)]
                for begin_s, p in zip(edges, area.chosen.plans, strict=True):
                    plan = _named(area, p, junction_id, day)
                    problems += _violations(plan, junction_id, day.problem)
                    rows.append((begin_s, plan))
                plans |= {(junction_id, plan.plan_id): plan for _, plan in rows}
                if weekdays:
                    windows += _windows(junction_id, rows, weekdays)
                    windows += _windows(junction_id, rows[:1], other_days)
    if problems:
        raise DataRefused("a plan of the schedule breaks a safety rule", "report this", problems)
    return list(plans.values()), windows


def _of_week(days: Sequence[DaySchedule]) -> dict[DayType, tuple[int, ...]]:
    """The weekdays that a day type stands for: of each kind the type of which most days are."""
    found: dict[str, DaySchedule] = {}
    for day in sorted(days, key=lambda d: (-len(d.days), d.day_type)):
        if day.day_type.kind in WEEKDAYS:
            found.setdefault(day.day_type.kind, day)
    return {day.day_type: WEEKDAYS[kind] for kind, day in found.items()}


def _windows(
    junction_id: str, rows: Sequence[tuple[int, SignalPlan]], weekdays: tuple[int, ...]
) -> list[PlanWindow]:
    """Windows without gap over the day; neighbours with one plan are one. None without days."""
    if not weekdays:
        return []
    edges: list[tuple[int, str]] = []
    for begin_s, plan in sorted(rows, key=lambda row: row[0]):
        if edges and edges[-1][0] == begin_s:
            edges[-1] = (begin_s, plan.plan_id)
        elif begin_s < DAY_S and (not edges or edges[-1][1] != plan.plan_id):
            edges.append((begin_s, plan.plan_id))
    ends = [*(begin for begin, _ in edges[1:]), DAY_S]
    return [
        PlanWindow(junction_id, plan_id, begin_s, end_s, weekdays)
        for (begin_s, plan_id), end_s in zip(edges, ends, strict=True)
    ]


def _named(area: AreaSchedule, idx: int, junction_id: str, day: DaySchedule) -> SignalPlan:
    """A plan under an id that tells for which days and hours it was made."""
    made = area.library[idx]
    plan = made.plans[junction_id]
    if idx == 0:
        return plan
    begin_s = day.problem.state.window.begin_s
    hours = "-".join(_hhmm(begin_s + b * DEMAND_BIN_S) for b in (made.begin, made.end))
    kind = "-".join(str(day.day_type).replace(",", "").split())
    return replace(plan, plan_id=f"{kind}-{hours}")


def _hhmm(time_s: int) -> str:
    return f"{time_s // 3600:02d}{time_s % 3600 // 60:02d}"


def _violations(plan: SignalPlan, junction_id: str, problem: City) -> list[str]:
    found = judge(plan, problem.sites[junction_id], problem.problems[junction_id].plan)
    return [
        f"{junction_id} {plan.plan_id}: {v.rule}" for v in found if v.severity is Severity.VIOLATION
    ]


def _by_type(states: Sequence[State], calendar: Calendar) -> dict[DayType, list[State]]:
    if not states:
        raise DataRefused("no day is given", "give one STATE folder or more")
    latest_first = sorted(states, key=lambda state: state.service_day, reverse=True)
    twice = {a.service_day for a, b in pairwise(latest_first) if a.service_day == b.service_day}
    if twice:
        raise DataRefused("a day tells twice", "give each day once", sorted(twice))
    found: dict[DayType, list[State]] = {}
    for state in latest_first:
        day_type = calendar.type_of(parse_service_day(state.service_day))
        found.setdefault(day_type, []).append(state)
    return dict(sorted(found.items()))


# --- documents ----------------------------------------------------------------------------


def _day_dict(day: DaySchedule, of_week: Mapping[DayType, tuple[int, ...]]) -> dict[str, Any]:
    return {
        "day_type": str(day.day_type),
        "weekdays": list(of_week.get(day.day_type, ())),
        "service_days": list(day.days),
        "held": dict(day.problem.held),
        "sub_areas": [_area_dict(area, day) for area in day.areas],
    }


def _area_dict(area: AreaSchedule, day: DaySchedule) -> dict[str, Any]:
    window = day.problem.state.window
    starts = [window.begin_s + b * DEMAND_BIN_S for b in area.chosen.begins]
    return {
        "junction_ids": list(area.junction_ids),
        "kept_delay_veh_h": round(area.kept_cost, 3),
        "delay_veh_h": round(area.chosen.cost, 3),
        "front": [
            {"periods": len(table.begins), "delay_veh_h": round(table.cost, 3)}
            for table in area.front
        ],
        "periods": [
            {
                "begin_s": begin_s,
                "end_s": end_s,
                "plan_ids": {j: _named(area, p, j, day).plan_id for j in area.junction_ids},
                "cycles_s": {j: area.library[p].plans[j].cycle_s for j in area.junction_ids},
                "switch": {} if n == 0 else _switches_dict(area.switches[n - 1]),
            }
            for n, (begin_s, end_s, p) in enumerate(
                zip(starts, [*starts[1:], window.end_s], area.chosen.plans, strict=True)
            )
        ],
    }


def _switches_dict(switches: Mapping[str, Switch]) -> dict[str, Any]:
    """How each junction gets into step when the period begins."""
    return {
        junction_id: {
            "ends_s": switch.ends_s,
            "method": str(switch.transition.method),
            "cycles_s": list(switch.transition.cycles_s),
            "extra_delay_veh_h": round(switch.extra_veh_h, 4),
        }
        for junction_id, switch in switches.items()
    }
