"""GB/T 20999: what a centre tells a controller, as tables in CSV files.

Frame and classes of the 2017 edition could be read, its tables of attributes could not: the
columns follow public implementations and every header says *unverified*. No conformity is
claimed; a person copies the tables into the controller's own program, and reads them back.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.csv_tables import TableRow, read_table, write_table
from traffic_brain.deployment.formats.day_tables import add_windows, day_rows, plan_numbers
from traffic_brain.deployment.formats.mapping import (
    KnownJunction,
    Mapping,
    known_plan,
    read_mapping,
    write_mapping,
)
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.reading import LONGEST_S, Reading, ToldPlan
from traffic_brain.deployment.formats.schedule import minute_problems, week_of, without_gaps
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Alphabet, Row, note_losses, row_of
from traffic_brain.errors import DataRefused
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.standards import UNVERIFIED

FORM = "gbt20999"
MOST_NUMBER = 255
MOST_DIGITS = 4
"""Numbers of phases, stages, plans and day plans are bytes."""
ALPHABET = Alphabet({"G": "G", "g": "G"}, early_ends=True)
"""A phase is lit in a stage or it is not; it may end some seconds before the stage does."""
COORDINATED = 2
_TABLES = {
    "phase": {"crossNo": "路口编号", "phaseNo": "相位编号", "phaseType": "相位类型"},
    "stage": {"crossNo": "路口编号", "stageNo": "阶段编号", "phaseNos": "放行相位"},
    "plan": {
        "crossNo": "路口编号",
        "planNo": "方案编号",
        "planName": "方案名称",
        "cycleTime": "周期时长",
        "offsetTime": "相位差",
        "coordinatedStage": "协调阶段",
    },
    "stage_timing": {
        "crossNo": "路口编号",
        "planNo": "方案编号",
        "order": "顺序",
        "stageNo": "阶段编号",
        "greenTime": "绿灯时间",
        "yellowTime": "黄灯时间",
        "allRedTime": "全红时间",
        "minGreen": "最小绿",
        "maxGreen": "最大绿",
        "earlyEnds": "早结束",
    },
    "day_plan": {
        "crossNo": "路口编号",
        "dayPlanNo": "时段表编号",
        "periodNo": "时段号",
        "hour": "时",
        "minute": "分",
        "planNo": "方案编号",
        "controlMode": "控制方式",
    },
    "schedule": {
        "crossNo": "路口编号",
        "scheduleNo": "调度编号",
        "weekDay": "星期",
        "dayPlanNo": "时段表编号",
    },
}
"""Table -> column -> its Chinese name."""
_NOT_SURE = f"columns after public implementations: {UNVERIFIED}"


def write(
    plans: PlanSet, folder: Path, context: Context, settings: Settings = DEFAULT_SETTINGS
) -> LossReport:
    """Write six tables and ``mapping.json`` into an existing empty folder.

    Raises:
        DataRefused: numbers beyond a byte, or windows that do not begin on a minute.
    """
    losses = LossReport()
    full = without_gaps(plans, losses)
    numbers = plan_numbers(full)
    rows: dict[str, list[Sequence[object]]] = {table: [] for table in _TABLES}
    problems = minute_problems(full.windows)
    known = []
    for junction_id, own in full.by_junction.items():
        site = context.sites[junction_id]
        name = settings.names.get(junction_id, junction_id)
        stage_numbers: dict[tuple[str | None, int], int] = {}
        listed = []
        for plan in own:
            told = list(_rows(plan, stage_numbers))
            note_losses(plan, told, site, ALPHABET, losses)
            number = numbers[junction_id, plan.plan_id]
            rows["plan"].append(_plan_row(name, number, plan, told))
            rows["stage_timing"] += _timing_rows(name, number, told)
            listed.append(known_plan(plan, number, [row.number for row in told]))
        rows["phase"] += _phase_rows(name, site)
        rows["stage"] += _stage_rows(name, stage_numbers)
        week = week_of(full.windows_of(junction_id))
        rows["day_plan"] += [(*r, COORDINATED) for r in day_rows(name, junction_id, week, numbers)]
        rows["schedule"] += [
            (name, day, day, day_plan) for day, day_plan in sorted(week.on_day.items())
        ]
        known.append(KnownJunction(junction_id, name, tuple(listed)))
        most = max(len(own), len(stage_numbers), site.junction.signal_group_count)
        if most > MOST_NUMBER:
            problems.append(f"junction {junction_id}: {most} numbers, {MOST_NUMBER} are there")
    if problems:
        raise DataRefused("GB/T 20999 cannot hold these plans", "see each of them", problems)
    for table, columns in _TABLES.items():
        header = [f"{key} {chinese} ({UNVERIFIED})" for key, chinese in columns.items()]
        write_table(folder / f"{table}.csv", header, rows[table])
        losses.note(Loss.GUESSED, _NOT_SURE, f"{table}.csv")
    write_mapping(Mapping(FORM, tuple(known)), folder)
    return losses


def _rows(plan: SignalPlan, numbers: dict[tuple[str | None, int], int]) -> Iterator[Row]:
    """The stages of a plan; those that light the same phases share a number, but not in a plan."""
    seen: Counter[str | None] = Counter()
    for stage in plan.stages:
        lamps = ALPHABET.shown(stage.picture)
        number = numbers.setdefault((lamps, seen[lamps]), len(numbers) + 1)
        seen[lamps] += 1
        yield row_of(stage, number, ALPHABET)


def _plan_row(name: str, number: int, plan: SignalPlan, rows: Sequence[Row]) -> Sequence[object]:
    coordinated = rows[plan.coordinated_stage_idx].number
    return name, number, plan.plan_id, plan.cycle_s, plan.offset_s, coordinated


def _timing_rows(name: str, plan_number: int, rows: Sequence[Row]) -> Iterator[Sequence[object]]:
    for order, row in enumerate(rows, start=1):
        seconds = (row.green_s, row.yellow_s, row.all_red_s, row.min_green_s, row.max_green_s)
        early = " ".join(f"{group + 1}:{s}" for group, s in sorted(row.early_ends))
        yield name, plan_number, order, row.number, *seconds, early


def _phase_rows(name: str, site: JunctionRulesInput) -> Iterator[Sequence[object]]:
    for group in range(site.junction.signal_group_count):
        kind = "pedestrian" if group in site.groups_on_foot else "vehicle"
        yield name, group + 1, kind


def _stage_rows(
    name: str, numbers: dict[tuple[str | None, int], int]
) -> Iterator[Sequence[object]]:
    for (lamps, _), number in numbers.items():
        lit = [str(group + 1) for group, letter in enumerate(lamps or "") if letter == "G"]
        yield name, number, " ".join(lit)


# --- reading ------------------------------------------------------------------------------


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:
    """Read the tables of a folder (or of the folder in which a table lies).

    Raises:
        DataRefused: a mapping that is malformed.
    """
    folder = source if source.is_dir() else source.parent
    reading = Reading(FORM, context, read_mapping(folder, FORM, ids_only=ids_only))
    tables = {
        table: read_table(folder / f"{table}.csv", list(columns), reading.problems)
        for table, columns in _TABLES.items()
    }
    lit = _lit_phases(tables["stage"], reading)
    timings: dict[tuple[str, int], list[tuple[int, TableRow]]] = defaultdict(list)
    for row in tables["stage_timing"]:
        order = row.whole("order", 1, MOST_NUMBER)
        timings[row.text("crossNo"), row.whole("planNo", 1, MOST_NUMBER)].append((order, row))
    plan_of: dict[tuple[str, int], tuple[str, str]] = {}
    for row in tables["plan"]:
        _read_plan(row, timings, lit, reading, plan_of)
    for name, number in timings.keys() - plan_of.keys():
        reading.problems.append(f"stage_timing.csv: plan {number} of {name} is not there")
    _read_week(tables, reading, plan_of)
    return reading


def _lit_phases(
    rows: Sequence[TableRow], reading: Reading
) -> dict[tuple[str, int], tuple[int, ...]]:
    found: dict[tuple[str, int], tuple[int, ...]] = {}
    for row in rows:
        key = (row.text("crossNo"), row.whole("stageNo", 1, MOST_NUMBER))
        if key in found:
            reading.problems.append(f"{row.place}: stage {key[1]} of {key[0]} comes twice")
        found[key] = tuple(row.wholes("phaseNos", 1, MOST_NUMBER))
    return found


def _read_plan(
    row: TableRow,
    timings: dict[tuple[str, int], list[tuple[int, TableRow]]],
    lit: dict[tuple[str, int], tuple[int, ...]],
    reading: Reading,
    plan_of: dict[tuple[str, int], tuple[str, str]],
) -> None:
    name, number = row.text("crossNo"), row.whole("planNo", 1, MOST_NUMBER)
    found = reading.junction(name)
    if found is None:
        return
    site, known = found
    if (name, number) in plan_of:
        reading.problems.append(f"{row.place}: plan {number} of {name} comes twice")
    plan_id = row.text("planName") or f"plan {number}"
    plan_of[name, number] = (site.junction.junction_id, plan_id)
    ordered = sorted(timings.get((name, number), ()), key=lambda item: item[0])
    orders = [order for order, _ in ordered]
    if not ordered or orders != list(range(1, len(orders) + 1)):
        reading.problems.append(f"{row.place}: its stages are not in order 1, 2, 3 and so on")
        return
    rows = [_read_row(timing, lit, site) for _, timing in ordered]
    told = row.whole("coordinatedStage", 0, MOST_NUMBER)
    places = [i for i, r in enumerate(rows) if r.number == told]
    if told and not places:
        reading.problems.append(f"{row.place}: coordinated stage {told} is not in the plan")
    reading.add_rows(
        ToldPlan(
            plan_id,
            rows,
            row.whole("offsetTime", -LONGEST_S, LONGEST_S),
            places[0] if places else None,
            row.whole("cycleTime", 0, LONGEST_S),
        ),
        site,
        ALPHABET,
        None if known is None else known.plan_of_number(number),
    )


def _read_row(
    row: TableRow, lit: dict[tuple[str, int], tuple[int, ...]], site: JunctionRulesInput
) -> Row:
    number = row.whole("stageNo", 1, MOST_NUMBER)
    phases = lit.get((row.text("crossNo"), number))
    count = site.junction.signal_group_count
    if phases is None:
        row.problems.append(f"{row.place}: stage {number} is not in stage.csv")
    elif any(phase > count for phase in phases):
        row.problems.append(f"{row.place}: stage {number} lights a phase beyond {count}")
    return Row(
        number,
        row.whole("greenTime", 0, LONGEST_S),
        row.whole("yellowTime", 0, LONGEST_S),
        row.whole("allRedTime", 0, LONGEST_S),
        "".join("G" if group + 1 in (phases or ()) else "r" for group in range(count)),
        frozenset(_early_ends(row, count)),
        min_green_s=row.maybe("minGreen", 0, LONGEST_S),
        max_green_s=row.maybe("maxGreen", 0, LONGEST_S),
    )


def _early_ends(row: TableRow, count: int) -> Iterator[tuple[int, int]]:
    """(signal group, seconds) of ``phase:seconds`` with spaces between them."""
    for told in row.text("earlyEnds").split():
        phase, _, seconds = told.partition(":")
        if not (_is_number(phase) and _is_number(seconds) and 1 <= int(phase) <= count):
            row.problems.append(f"{row.place}: earlyEnds {told!r} is not phase:seconds")
        else:
            yield int(phase) - 1, int(seconds)


def _is_number(told: str) -> bool:
    return told.isascii() and told.isdecimal() and len(told) <= MOST_DIGITS


def _read_week(
    tables: dict[str, list[TableRow]],
    reading: Reading,
    plan_of: dict[tuple[str, int], tuple[str, str]],
) -> None:
    add_windows(
        reading,
        (
            (
                row,
                row.text("crossNo"),
                row.whole("dayPlanNo", 1, MOST_NUMBER),
                row.whole("hour", 0, 23) * 3600 + row.whole("minute", 0, 59) * 60,
                row.whole("planNo", 1, MOST_NUMBER),
            )
            for row in tables["day_plan"]
        ),
        (
            (
                row,
                row.text("crossNo"),
                row.whole("weekDay", 1, 7),
                row.whole("dayPlanNo", 1, MOST_NUMBER),
            )
            for row in tables["schedule"]
        ),
        plan_of,
    )
