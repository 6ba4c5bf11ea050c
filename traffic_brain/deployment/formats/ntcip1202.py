"""NTCIP 1202: phases, sequences, splits and patterns of a controller, as tables in CSV files.

A stage is a phase of one ring: the standard's phases are not ours, they are intervals of a ring.
Lamps have no place in these tables: they are the controller's own, and are known here from
``mapping.json`` or from a plan of the city with as many stages. Columns are the standard's object
names. Units are those of its objects: yellow and red clearance in tenths of a second, weekdays as
bits from Sunday on. That an offset counts to the begin of the coordinated phase's green is a
setting of the controller, and unverified.

A controller drops to Free when a pattern does not add up. What would make it do so is refused
here, on the way out and on the way in: see :func:`free_reasons`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats import mapping as ids
from traffic_brain.deployment.formats.csv_tables import TableRow, read_table, write_table
from traffic_brain.deployment.formats.day_tables import add_windows, day_rows, plan_numbers
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.reading import LONGEST_S, Reading, ToldPlan
from traffic_brain.deployment.formats.schedule import (
    Week,
    minute_problems,
    week_of,
    without_gaps,
)
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Alphabet, Row, note_losses, row_of
from traffic_brain.errors import DataRefused
from traffic_brain.model.signals import SignalPlan, Stage
from traffic_brain.model.standards import UNVERIFIED

FORM = "ntcip1202"
MOST_PHASES = 16
MOST_PATTERNS = 253
"""254 is Free and 255 flash."""
MOST_S = 255
"""Cycle, split, least and greatest green are a byte of seconds each."""
MOST_TENTHS = 255
MAX_RECALL = 4
"""``splitMode``: the phase takes its whole split in every cycle."""
OMITTED = 7
EVERY_MONTH = sum(1 << month for month in range(1, 13))
EVERY_DATE = sum(1 << date for date in range(1, 32))
ALPHABET = Alphabet(None)
_TABLES = {
    "phase": (
        *("controller", "phaseNumber", "phaseMinimumGreen", "phaseMaximum1"),
        *("phaseYellowChange", "phaseRedClear", "phaseRing"),
    ),
    "sequence": ("controller", "sequenceNumber", "sequenceRingNumber", "sequenceData"),
    "split": (
        *("controller", "splitNumber", "splitPhase", "splitTime", "splitMode"),
        "splitCoordPhase",
    ),
    "pattern": (
        *("controller", "patternNumber", "patternCycleTime", "patternOffsetTime"),
        *("patternSplitNumber", "patternSequenceNumber"),
    ),
    "day_plan": (
        *("controller", "dayPlanNumber", "dayPlanEventNumber", "dayPlanHour", "dayPlanMinute"),
        "timebaseAscPattern",
    ),
    "schedule": (
        *("controller", "timeBaseScheduleNumber", "timeBaseScheduleMonth", "timeBaseScheduleDay"),
        *("timeBaseScheduleDate", "timeBaseScheduleDayPlan"),
    ),
}


@dataclass(frozen=True, slots=True)
class Phase:
    """An interval of the ring: its limits and clearance, in seconds."""

    number: int
    min_green_s: int
    max_green_s: int
    yellow_s: int
    red_s: int


@dataclass(frozen=True, slots=True)
class Pattern:
    """A cycle of phases with their splits, as a controller would check it."""

    cycle_s: int
    offset_s: int
    sequence: tuple[int, ...]
    splits_s: Mapping[int, int]
    coordinated: tuple[int, ...]
    """Phases that are marked as the coordinated one."""


def free_reasons(pattern: Pattern, phases: Mapping[int, Phase]) -> list[str]:
    """Why a controller would drop to Free rather than run a pattern; empty: it runs.

    A cycle or an offset that is out of range, a phase of the sequence without split, a split
    below the least green and the clearance of its phase, a split of a phase that the sequence
    does not have, splits of the ring that are more than the cycle, and any other number of
    coordinated phases than one.
    """
    found = []
    if not 1 <= pattern.cycle_s <= MOST_S:
        found.append(f"a cycle of {pattern.cycle_s} s is not in [1, {MOST_S}]")
    if not 0 <= pattern.offset_s < max(pattern.cycle_s, 1):
        found.append(f"rule offset_range: offset {pattern.offset_s} s of {pattern.cycle_s} s")
    for number in dict.fromkeys(pattern.sequence):
        split_s, phase = pattern.splits_s.get(number), phases.get(number)
        if phase is None:
            found.append(f"phase {number} is not described")
        elif split_s is None:
            found.append(f"phase {number} has no split")
        elif not phase.min_green_s + phase.yellow_s + phase.red_s <= split_s <= MOST_S:
            least_s = phase.min_green_s + phase.yellow_s + phase.red_s
            found.append(
                f"rule min_green: split {split_s} s of phase {number} is not in "
                f"[{least_s}, {MOST_S}]"
            )
    found += [
        f"phase {number} has a split and is not in the sequence"
        for number in pattern.splits_s
        if number not in pattern.sequence
    ]
    ring_s = sum(pattern.splits_s.get(number, 0) for number in pattern.sequence)
    if ring_s > pattern.cycle_s:
        found.append(f"rule cycle_sum: splits of {ring_s} s in a cycle of {pattern.cycle_s} s")
    twice = sorted(n for n, count in Counter(pattern.sequence).items() if count > 1)
    found += [f"rule stage_unique: phase {n} comes twice in the sequence" for n in twice]
    if len(pattern.coordinated) != 1:
        found.append(f"{len(pattern.coordinated)} coordinated phases, not one")
    return found


# --- writing ------------------------------------------------------------------------------


def write(
    plans: PlanSet, folder: Path, context: Context, settings: Settings = DEFAULT_SETTINGS
) -> LossReport:
    """Write six tables and ``mapping.json`` into an existing empty folder.

    Raises:
        DataRefused: a controller would drop to Free, or numbers do not suffice.
    """
    losses = LossReport()
    full = without_gaps(plans, losses)
    numbers = plan_numbers(full)
    rows: dict[str, list[Sequence[object]]] = {table: [] for table in _TABLES}
    problems = minute_problems(full.windows)
    known = []
    for junction_id, own in full.by_junction.items():
        name = settings.names.get(junction_id, junction_id)
        site = context.sites[junction_id]
        phase_numbers: dict[tuple[Stage, int], int] = {}
        listed = []
        for plan in own:
            told = list(_rows(plan, phase_numbers))
            note_losses(plan, told, site, ALPHABET, losses)
            number = numbers[junction_id, plan.plan_id]
            here = f"junction {junction_id}, plan {plan.plan_id}: a controller drops to Free"
            problems += [f"{here}, {reason}" for reason in _reasons(plan, told)]
            _add_pattern(rows, name, number, plan, told)
            listed.append(ids.known_plan(plan, number, [row.number for row in told]))
        rows["phase"] += _phase_rows(name, phase_numbers)
        if len(phase_numbers) > MOST_PHASES or len(own) > MOST_PATTERNS:
            problems.append(
                f"junction {junction_id}: {len(phase_numbers)} phases of {MOST_PHASES}, "
                f"{len(own)} patterns of {MOST_PATTERNS}"
            )
        week = week_of(full.windows_of(junction_id))
        rows["day_plan"] += day_rows(name, junction_id, week, numbers)
        rows["schedule"] += _schedule_rows(name, week)
        known.append(ids.KnownJunction(junction_id, name, tuple(listed)))
    if problems:
        raise DataRefused(
            "a controller of NTCIP 1202 would drop to Free", "see each of them", problems
        )
    for table, columns in _TABLES.items():
        write_table(folder / f"{table}.csv", columns, rows[table])
    losses.note(Loss.GUESSED, f"offset to the begin of green: {UNVERIFIED}", "pattern.csv")
    ids.write_mapping(ids.Mapping(FORM, tuple(known)), folder)
    return losses


def _rows(plan: SignalPlan, numbers: dict[tuple[Stage, int], int]) -> Iterator[Row]:
    """Stages as phases: those that are alike but for their green share one, not in a plan."""
    seen: Counter[Stage] = Counter()
    for stage in plan.stages:
        kind = replace(stage, green_s=ids.UNTOLD_S)
        number = numbers.setdefault((kind, seen[kind]), len(numbers) + 1)
        seen[kind] += 1
        yield row_of(stage, number, ALPHABET)


def _phase(row: Row) -> Phase:
    low, high = row.min_green_s or 0, row.max_green_s or 0
    return Phase(row.number, low, high, row.yellow_s, row.all_red_s)


def _reasons(plan: SignalPlan, rows: Sequence[Row]) -> list[str]:
    """Everything that a controller would not take."""
    phases = {row.number: _phase(row) for row in rows}
    pattern = Pattern(
        plan.cycle_s,
        plan.offset_s,
        tuple(row.number for row in rows),
        {row.number: row.split_s for row in rows},
        (rows[plan.coordinated_stage_idx].number,),
    )
    found = free_reasons(pattern, phases)
    for phase in phases.values():
        tenths = max(phase.yellow_s, phase.red_s) * 10
        if tenths > MOST_TENTHS:
            found.append(f"phase {phase.number}: a clearance of {tenths} tenths of {MOST_TENTHS}")
        if phase.max_green_s > MOST_S:
            found.append(f"phase {phase.number}: greatest green {phase.max_green_s} s of {MOST_S}")
    return found


def _add_pattern(
    rows: dict[str, list[Sequence[object]]],
    name: str,
    number: int,
    plan: SignalPlan,
    told: Sequence[Row],
) -> None:
    rows["pattern"].append((name, number, plan.cycle_s, plan.offset_s, number, number))
    ring = " ".join(str(row.number) for row in told)
    rows["sequence"].append((name, number, 1, ring))
    for idx, row in enumerate(told):
        coordinated = int(idx == plan.coordinated_stage_idx)
        rows["split"].append((name, number, row.number, row.split_s, MAX_RECALL, coordinated))


def _phase_rows(name: str, numbers: Mapping[tuple[Stage, int], int]) -> Iterator[Sequence[object]]:
    for (stage, _), number in numbers.items():
        phase = _phase(row_of(stage, number, ALPHABET))
        clearance = (phase.yellow_s * 10, phase.red_s * 10)
        yield name, number, phase.min_green_s, phase.max_green_s, *clearance, 1


def _schedule_rows(name: str, week: Week) -> Iterator[Sequence[object]]:
    """A row for each day plan, with its weekdays as bits: 1 is Sunday, 7 Saturday."""
    for number in week.day_plans:
        bits = sum(1 << (day % 7 + 1) for day, own in week.on_day.items() if own == number)
        yield name, number, EVERY_MONTH, bits, EVERY_DATE, number


# --- reading ------------------------------------------------------------------------------


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:
    """Read the tables of a folder (or of the folder in which a table lies).

    Raises:
        DataRefused: a mapping that is malformed.
    """
    folder = source if source.is_dir() else source.parent
    reading = Reading(FORM, context, ids.read_mapping(folder, FORM, ids_only=ids_only))
    tables = {
        table: read_table(folder / f"{table}.csv", columns, reading.problems)
        for table, columns in _TABLES.items()
    }
    phases = _read_phases(tables["phase"], reading)
    sequences = _read_sequences(tables["sequence"], reading)
    splits = _read_splits(tables["split"])
    plan_of: dict[tuple[str, int], tuple[str, str]] = {}
    for row in tables["pattern"]:
        _read_pattern(row, phases, sequences, splits, reading, plan_of)
    if not tables["pattern"]:
        reading.problems.append("pattern.csv: no pattern")
    _read_week(tables, reading, plan_of)
    return reading


Key = tuple[str, int]
"""(controller, number)."""


def _read_phases(rows: Iterable[TableRow], reading: Reading) -> dict[str, dict[int, Phase]]:
    found: dict[str, dict[int, Phase]] = defaultdict(dict)
    for row in rows:
        name, number = row.text("controller"), row.whole("phaseNumber", 1, MOST_S)
        tenths = [row.whole(key, 0, MOST_TENTHS) for key in ("phaseYellowChange", "phaseRedClear")]
        for told in tenths:
            if told % 10:
                reading.problems.append(
                    f"{row.place}: rule whole_seconds, a clearance of {told} tenths of a second"
                )
        if number in found[name]:
            reading.problems.append(f"{row.place}: phase {number} of {name} comes twice")
        found[name][number] = Phase(
            number,
            row.whole("phaseMinimumGreen", 0, MOST_S),
            row.whole("phaseMaximum1", 0, MOST_S),
            tenths[0] // 10,
            tenths[1] // 10,
        )
    return found


def _read_sequences(rows: Iterable[TableRow], reading: Reading) -> dict[Key, tuple[int, ...]]:
    found: dict[Key, tuple[int, ...]] = {}
    for row in rows:
        key = (row.text("controller"), row.whole("sequenceNumber", 1, MOST_S))
        if row.whole("sequenceRingNumber", 1, MOST_S) != 1 or key in found:
            reading.problems.append(f"{row.place}: more than one ring, which is not read")
        found[key] = tuple(row.wholes("sequenceData", 1, MOST_S))
    return found


def _read_splits(rows: Iterable[TableRow]) -> dict[Key, list[tuple[TableRow, int, int]]]:
    """(row, phase, seconds) of every split that is not omitted."""
    found: dict[Key, list[tuple[TableRow, int, int]]] = defaultdict(list)
    for row in rows:
        key = (row.text("controller"), row.whole("splitNumber", 1, MOST_S))
        told = (row, row.whole("splitPhase", 1, MOST_S), row.whole("splitTime", 0, MOST_S))
        if row.whole("splitMode", 1, MOST_S) != OMITTED:
            found[key].append(told)
    return found


def _read_pattern(
    row: TableRow,
    phases: Mapping[str, Mapping[int, Phase]],
    sequences: Mapping[Key, tuple[int, ...]],
    splits: Mapping[Key, list[tuple[TableRow, int, int]]],
    reading: Reading,
    plan_of: dict[Key, tuple[str, str]],
) -> None:
    name, number = row.text("controller"), row.whole("patternNumber", 1, MOST_PATTERNS)
    found = reading.junction(name)
    if found is None:
        return
    site, junction = found
    known = None if junction is None else junction.plan_of_number(number)
    plan_id = f"pattern {number}" if known is None else known.plan_id
    if (name, number) in plan_of:
        reading.problems.append(f"{row.place}: pattern {number} of {name} comes twice")
    plan_of[name, number] = (site.junction.junction_id, plan_id)
    listed = splits.get((name, row.whole("patternSplitNumber", 1, MOST_S)), [])
    pattern = Pattern(
        row.whole("patternCycleTime", 0, LONGEST_S),
        row.whole("patternOffsetTime", 0, LONGEST_S),
        sequences.get((name, row.whole("patternSequenceNumber", 1, MOST_S)), ()),
        {phase: split_s for _, phase, split_s in listed},
        tuple(p for told, p, _ in listed if told.whole("splitCoordPhase", 0, 1)),
    )
    own = phases.get(name, {})
    reasons = free_reasons(pattern, own)
    reasons += [
        f"phase {phase} has two splits"
        for phase, count in Counter(phase for _, phase, _ in listed).items()
        if count > 1
    ]
    here = f"junction {site.junction.junction_id}, {row.place}: a controller drops to Free"
    reading.problems += [f"{here}, {reason}" for reason in reasons]
    rows = [
        _row(own[n], pattern.splits_s[n])
        for n in pattern.sequence
        if n in own and n in pattern.splits_s
    ]
    if not rows:
        reading.problems.append(f"{row.place}: no phase")
        return
    places = [i for i, told in enumerate(rows) if told.number in pattern.coordinated]
    coordinated = places[0] if places else None
    told_plan = ToldPlan(plan_id, rows, pattern.offset_s, coordinated, pattern.cycle_s)
    reading.add_rows(told_plan, site, ALPHABET, known)


def _row(phase: Phase, split_s: int) -> Row:
    green_s = split_s - phase.yellow_s - phase.red_s
    limits = (frozenset[tuple[int, int]](), phase.min_green_s, phase.max_green_s)
    return Row(phase.number, green_s, phase.yellow_s, phase.red_s, None, *limits)


def _read_week(
    tables: Mapping[str, list[TableRow]], reading: Reading, plan_of: dict[Key, tuple[str, str]]
) -> None:
    days = []
    for row in tables["schedule"]:
        bits = row.whole("timeBaseScheduleDay", 0, 255)
        told = row.text("timeBaseScheduleMonth"), row.text("timeBaseScheduleDate")
        if told != (str(EVERY_MONTH), str(EVERY_DATE)):
            reading.losses.note(Loss.DROPPED, "schedule of some dates: not a weekday", row.place)
            continue
        day_plan = row.whole("timeBaseScheduleDayPlan", 1, MOST_S)
        days += [
            (row, row.text("controller"), day, day_plan)
            for day in range(1, 8)
            if bits >> (day % 7 + 1) & 1
        ]
    add_windows(
        reading,
        (
            (
                row,
                row.text("controller"),
                row.whole("dayPlanNumber", 1, MOST_S),
                row.whole("dayPlanHour", 0, 23) * 3600 + row.whole("dayPlanMinute", 0, 59) * 60,
                row.whole("timebaseAscPattern", 1, MOST_PATTERNS),
            )
            for row in tables["day_plan"]
        ),
        days,
        plan_of,
    )
