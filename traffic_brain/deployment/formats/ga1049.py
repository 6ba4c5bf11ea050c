"""GA/T 1049.2: what a police platform tells a signal system, as XML messages.

The 2024 layout is written: ``SetPlanParam`` with the stages it needs, ``SetDayPlanParam``,
``SetScheduleParam``, or ``CenterPlan``, which ends by itself. The 2013 layout, where the seconds
stand in ``StageParam``, is read as well. Names, value tables and limits are those of a public
implementation of the 2024 edition; nothing here was seen in the standard's own text. Offsets
count from the start of green of ``CoordStageNo``, as ours do.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.mapping import (
    KnownJunction,
    Mapping,
    known_plan,
    read_mapping,
    write_mapping,
)
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.reading import LONGEST_S, Reading, ToldPlan
from traffic_brain.deployment.formats.safe_xml import read_xml
from traffic_brain.deployment.formats.schedule import (
    Period,
    Week,
    minute_problems,
    week_of,
    windows_of,
    without_gaps,
)
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Alphabet, Row, note_losses, row_of
from traffic_brain.errors import DataRefused
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import SignalPlan

FORM = "ga1049"
LONGEST_MESSAGE = 100_000
"""Characters of one message."""
MOST_GROUPS, MOST_PLANS, MOST_CROSSINGS = 99, 99, 9999
LONGEST_NAME = 50
FIXED = "21"
"""``ControlMode`` of a fixed plan."""
ADD, MODIFY, DELETE = "1", "2", "3"
EARLY_END = "2"
"""``Adjust@Oper``: 1 late start, 2 early end."""
WEEKLY = "3"
"""``ScheduleParam/Type``: 1 special day, 2 weekday between dates, 3 weekday."""
ALPHABET = Alphabet(
    {"G": "G", "g": "G", "r": "r", "s": "r", "y": "y", "Y": "y", "u": "u", "o": "o", "O": "O"},
    early_ends=True,
)
STATUSES = {"G": "112", "r": "211", "y": "121", "u": "221", "o": "131", "O": "111"}
"""``LampStatus``: red, yellow, green lamp; 1 off, 2 on, 3 flashing."""
_LETTERS = {status: letter for letter, status in STATUSES.items()}
_GREEN_FLASHING = "113"
_CROSS_ID = re.compile(r"[0-9]{6}80[0-9]{4}")
_SENT = "numbers and address of a message (Token, From, To, Seq): put in by whoever sends it"


# --- writing ------------------------------------------------------------------------------


def write(
    plans: PlanSet, folder: Path, context: Context, settings: Settings = DEFAULT_SETTINGS
) -> LossReport:
    """Write a message file per junction, and ``mapping.json``, into an existing empty folder.

    Raises:
        DataRefused: the format cannot hold it: too many groups or plans, windows that do not
            begin on a minute.
    """
    losses = LossReport()
    full = without_gaps(plans, losses)
    problems = minute_problems(full.windows)
    known = []
    for junction_id, name in cross_ids(full, context, settings, losses).items():
        own = full.by_junction[junction_id]
        problems += _too_much(junction_id, own)
        site = context.sites[junction_id]
        week = week_of(full.windows_of(junction_id))
        numbers = [0] if not week.on_day else list(range(1, len(own) + 1))
        known.append(_known_junction(name, own, numbers))
        if not problems:
            operations = _operations(name, own, numbers, week, site, losses, settings)
            _write_messages(folder, name, list(operations), settings)
    if problems:
        raise DataRefused("GA/T 1049.2 cannot hold these plans", "see each of them", problems)
    losses.note(Loss.DEFAULTED, _SENT, "every message")
    write_mapping(Mapping(FORM, tuple(known)), folder)
    return losses


def cross_ids(
    plans: PlanSet, context: Context, settings: Settings, losses: LossReport
) -> dict[str, str]:
    """The CrossID of each junction: the department's, its own if it is one, else one made up.

    Made-up ones count through the junctions of the context, in order of their ids.
    """
    everywhere = sorted(context.sites)
    taken = {*settings.names.values(), *(j for j in everywhere if _CROSS_ID.fullmatch(j))}
    free = (
        name
        for number in range(1, MOST_CROSSINGS + 1)
        if (name := f"{settings.agency}80{number:04d}") not in taken
    )
    found: dict[str, str] = {}
    for junction_id in everywhere:
        own = junction_id if _CROSS_ID.fullmatch(junction_id) else None
        found[junction_id] = settings.names.get(junction_id) or own or next(free, "")
    used = {j: found[j] for j in plans.by_junction}
    for junction_id, name in used.items():
        if name not in settings.names.values() and name != junction_id:
            losses.note(Loss.GUESSED, f"CrossID: made up ({settings.agency}80....)", junction_id)
            losses.to_fix(junction_id, f"CrossID {name} is made up", 0.0, "give --ids with yours")
        if not name:
            raise DataRefused(
                f"GA/T 1049.2 numbers {MOST_CROSSINGS} junctions of an agency at most",
                "give --ids with the department's own CrossIDs",
            )
    return used


def _too_much(junction_id: str, plans: Sequence[SignalPlan]) -> list[str]:
    here = f"junction {junction_id}"
    groups = max(plan.signal_group_count for plan in plans)
    found = [f"{here}: {groups} signal groups of {MOST_GROUPS}"] if groups > MOST_GROUPS else []
    if len(plans) > MOST_PLANS:
        found.append(f"{here}: {len(plans)} plans of {MOST_PLANS}")
    return found


def _stage_number(plan_number: int, idx: int) -> int:
    """Numbers that are unique at a junction: plan number times 100, and the stage's place."""
    return plan_number * 100 + idx + 1


def _known_junction(
    name: str, plans: Sequence[SignalPlan], numbers: Sequence[int]
) -> KnownJunction:
    return KnownJunction(
        plans[0].junction_id,
        name,
        tuple(
            known_plan(p, number, [_stage_number(number, i) for i in range(len(p.stages))])
            for p, number in zip(plans, numbers, strict=True)
        ),
    )


def _operations(
    name: str,
    plans: Sequence[SignalPlan],
    numbers: Sequence[int],
    week: Week,
    site: JunctionRulesInput,
    losses: LossReport,
    settings: Settings,
) -> Iterator[ET.Element]:
    """What is to be set at one junction, in the order in which it can be."""
    for plan, number in zip(plans, numbers, strict=True):
        rows = [
            row_of(stage, _stage_number(number, i), ALPHABET) for i, stage in enumerate(plan.stages)
        ]
        note_losses(plan, rows, site, ALPHABET, losses)
        if len(plan.plan_id) > LONGEST_NAME:
            losses.note(
                Loss.DROPPED, f"plan id beyond {LONGEST_NAME} letters", f"{name} {plan.plan_id}"
            )
        if settings.pilot_min is not None and not week.on_day:
            yield _center_plan(name, plan, number, rows, settings.pilot_min)
        else:
            yield _set_plan(name, plan, number, rows)
    number_of = {plan.plan_id: number for plan, number in zip(plans, numbers, strict=True)}
    for day_number, periods in week.day_plans.items():
        yield _set_day_plan(name, day_number, periods, number_of)
    for day, day_number in week.on_day.items():
        yield _set_schedule(name, day, day_number)


def _set_plan(name: str, plan: SignalPlan, number: int, rows: Sequence[Row]) -> ET.Element:
    """A plan with its stages; number 0 asks the system for a number."""
    root = ET.Element("SetPlanParam")
    _text(root, "Oper", MODIFY if number else ADD)
    stages = ET.SubElement(root, "StageParamList")
    stages.extend(_stage_param(name, row) for row in rows)
    root.append(_plan_param(name, plan, number, rows))
    return root


def _center_plan(
    name: str, plan: SignalPlan, number: int, rows: Sequence[Row], minutes: int
) -> ET.Element:
    """A plan that ends by itself. It names stages that the controller has."""
    root = ET.Element("CenterPlan")
    _text(root, "ControlMode", FIXED)
    _text(root, "MaxRunTime", minutes)
    root.append(_plan_param(name, plan, number, rows))
    return root


def _stage_param(name: str, row: Row) -> ET.Element:
    root = ET.Element("StageParam")
    _text(root, "CrossID", name)
    _text(root, "StageNo", row.number)
    _text(root, "StageName", f"stage {row.number}")
    _text(root, "Attribute", 0)
    statuses = ET.SubElement(root, "SignalGroupStatusList")
    for group, letter in enumerate(row.lamps or "", start=1):
        status = ET.SubElement(statuses, "SignalGroupStatus")
        _text(status, "SignalGroupNo", group)
        _text(status, "LampStatus", STATUSES[letter])
    return root


def _plan_param(name: str, plan: SignalPlan, number: int, rows: Sequence[Row]) -> ET.Element:
    root = ET.Element("PlanParam")
    _text(root, "CrossID", name)
    _text(root, "PlanNo", number)
    _text(root, "PlanName", plan.plan_id[:LONGEST_NAME])
    _text(root, "CycleLen", plan.cycle_s)
    _text(root, "CoordStageNo", rows[plan.coordinated_stage_idx].number)
    _text(root, "Offset", plan.offset_s)
    timings = ET.SubElement(root, "StageTimingList")
    for row in rows:
        timing = ET.SubElement(timings, "StageTiming")
        _text(timing, "StageNo", row.number)
        _text(timing, "Green", row.green_s)
        _text(timing, "Yellow", row.yellow_s)
        _text(timing, "AllRed", row.all_red_s)
        _text(timing, "MaxGreen", row.max_green_s)
        _text(timing, "MinGreen", row.min_green_s)
        if row.early_ends:
            adjusts = ET.SubElement(timing, "AdjustList")
            for group, seconds in sorted(row.early_ends):
                ET.SubElement(
                    adjusts,
                    "Adjust",
                    Oper=EARLY_END,
                    SignalGroupNo=str(group + 1),
                    Len=str(seconds),
                )
    return root


def _set_day_plan(
    name: str, number: int, periods: Sequence[Period], number_of: dict[str, int]
) -> ET.Element:
    root = ET.Element("SetDayPlanParam")
    _text(root, "Oper", MODIFY)
    day_plan = ET.SubElement(root, "DayPlanParam")
    _text(day_plan, "CrossID", name)
    _text(day_plan, "DayPlanNo", number)
    _text(day_plan, "DayPlanName", f"day plan {number}")
    listed = ET.SubElement(day_plan, "PeriodList")
    for period in periods:
        element = ET.SubElement(listed, "Period")
        _text(element, "StartTime", f"{period.begin_s // 3600:02d}:{period.begin_s // 60 % 60:02d}")
        _text(element, "PlanNo", number_of[period.plan_id])
        _text(element, "CtrlMode", FIXED)
    return root


def _set_schedule(name: str, day: int, day_number: int) -> ET.Element:
    root = ET.Element("SetScheduleParam")
    _text(root, "Oper", MODIFY)
    schedule = ET.SubElement(root, "ScheduleParam")
    _text(schedule, "CrossID", name)
    _text(schedule, "ScheduleNo", day)
    _text(schedule, "ScheduleName", f"weekday {day}")
    _text(schedule, "Type", WEEKLY)
    _text(schedule, "StartDay", "01-01")
    _text(schedule, "EndDay", "12-31")
    _text(schedule, "WeekDay", day)
    _text(schedule, "DayPlanNo", day_number)
    return root


def _write_messages(
    folder: Path, name: str, operations: Sequence[ET.Element], settings: Settings
) -> None:
    """As few messages as their length allows: ``CrossID.xml``, ``CrossID-2.xml`` and so on."""
    number, batch = 1, list(operations)
    while batch:
        count = len(batch)
        text = _message(batch, number, settings)
        while len(text) > LONGEST_MESSAGE and count > 1:
            count = max(1, count // 2)
            text = _message(batch[:count], number, settings)
        if len(text) > LONGEST_MESSAGE:
            raise DataRefused(
                f"junction {name}: one operation of GA/T 1049.2 takes {len(text):,} characters",
                f"a message holds {LONGEST_MESSAGE:,}: split the junction's controller",
            )
        file = folder / (f"{name}.xml" if number == 1 else f"{name}-{number}.xml")
        file.write_text(text, encoding="utf-8", newline="\n")
        number, batch = number + 1, batch[count:]


def _message(operations: Sequence[ET.Element], number: int, settings: Settings) -> str:
    root = ET.Element("Message")
    _text(root, "Version", "2.0")
    _text(root, "Token", "")
    for tag, system in (("From", "TICP"), ("To", "UTCS")):
        address = ET.SubElement(ET.SubElement(root, tag), "Address")
        for part, told in (("Sys", system), ("SubSys", ""), ("Instance", "")):
            _text(address, part, told)
    _text(root, "Type", "REQUEST")
    _text(root, "Seq", f"{settings.sent_at}{number:06d}")
    body = ET.SubElement(root, "Body")
    for order, operation in enumerate(operations, start=1):
        holder = ET.SubElement(body, "Operation", order=str(order), name="Set")
        holder.append(operation)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _text(parent: ET.Element, tag: str, told: object) -> None:
    ET.SubElement(parent, tag).text = str(told)


# --- reading ------------------------------------------------------------------------------


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:
    """Read a message file, or every ``.xml`` of a folder, of either layout.

    Raises:
        DataRefused: a file is no XML that is read here; a mapping that is malformed.
    """
    reading = Reading(FORM, context, read_mapping(source, FORM, ids_only=ids_only))
    files = sorted(source.glob("*.xml")) if source.is_dir() else [source]
    if not files:
        reading.problems.append(f"{source}: no .xml file")
    draft = _Draft(reading)
    for file in files:
        draft.take(read_xml(file))
    draft.finish()
    return reading


@dataclass
class _Draft:
    """The elements of all messages, by what they are about."""

    reading: Reading
    stages: dict[str, dict[int, ET.Element]] = field(default_factory=lambda: defaultdict(dict))
    plans: dict[str, list[ET.Element]] = field(default_factory=lambda: defaultdict(list))
    day_plans: dict[str, list[ET.Element]] = field(default_factory=lambda: defaultdict(list))
    schedules: dict[str, list[ET.Element]] = field(default_factory=lambda: defaultdict(list))
    minutes: dict[str, int] = field(default_factory=dict)

    def take(self, root: ET.Element) -> None:
        """Everything that a message sets; what it deletes is noted and left out."""
        deleted = set()
        for holder in root.iter():
            if holder.tag in _HOLDERS and holder.findtext("Oper", "").strip() == DELETE:
                deleted |= set(holder.iter())
                place = self._cross(holder.find(_HOLDERS[holder.tag]))
                self.reading.losses.note(Loss.DROPPED, f"{holder.tag} that deletes", place)
        for element in root.iter():
            if element in deleted:
                continue
            if element.tag == "StageParam":
                self._take_stage(element)
            elif element.tag == "CenterPlan":
                self.minutes[self._cross(element.find("PlanParam"))] = self._whole(
                    element, "MaxRunTime", 1, 1440, "CenterPlan"
                )
            elif element.tag in _LISTED:
                getattr(self, _LISTED[element.tag])[self._cross(element)].append(element)

    def _cross(self, element: ET.Element | None) -> str:
        return "" if element is None else element.findtext("CrossID", "").strip()

    def _take_stage(self, element: ET.Element) -> None:
        name = self._cross(element)
        number = self._whole(element, "StageNo", 0, LONGEST_S, f"StageParam of {name}")
        if number in self.stages[name]:
            self.reading.problems.append(f"junction {name}: stage {number} is described twice")
        self.stages[name][number] = element

    def finish(self) -> None:
        """Make plans and windows of what was taken."""
        if not self.plans:
            self.reading.problems.append("no PlanParam in these messages")
        for name, plans in self.plans.items():
            found = self.reading.junction(name)
            if found is None:
                continue
            site, known = found
            plan_of: dict[int, str] = {}
            for element in plans:
                self._plan(element, name, site, known, plan_of)
            self._week(name, site, plan_of)
            if name in self.minutes:
                self.reading.expires_min[site.junction.junction_id] = self.minutes[name]
        for name in (self.day_plans.keys() | self.schedules.keys()) - self.plans.keys():
            self.reading.problems.append(f"junction {name}: a schedule without any plan")

    # --- plans ---

    def _plan(
        self,
        element: ET.Element,
        name: str,
        site: JunctionRulesInput,
        known: KnownJunction | None,
        plan_of: dict[int, str],
    ) -> None:
        here = f"PlanParam of {name}"
        number = self._whole(element, "PlanNo", 0, 9999, here)
        known_here = None if known is None else known.plan_of_number(number)
        told_name = element.findtext("PlanName") or ""
        plan_id = told_name or f"plan {number}"
        if known_here is not None and known_here.plan_id[:LONGEST_NAME] == told_name:
            plan_id = known_here.plan_id
        if number in plan_of:
            self.reading.problems.append(f"junction {name}: plan number {number} comes twice")
        plan_of[number] = plan_id
        old_layout = element.find("StageTimingList") is None
        rows = (
            self._old_rows(element, name, site) if old_layout else self._rows(element, name, site)
        )
        if not rows:
            self.reading.problems.append(f"{here} {number}: no stage")
            return
        coordinated = self._coordinated(element, name, rows, old=old_layout)
        told = ToldPlan(
            plan_id,
            rows,
            self._whole(element, "OffSet" if old_layout else "Offset", -LONGEST_S, LONGEST_S, here),
            coordinated,
            self._whole(element, "CycleLen", 0, LONGEST_S, here),
        )
        self.reading.add_rows(told, site, ALPHABET, known_here)

    def _rows(self, plan: ET.Element, name: str, site: JunctionRulesInput) -> list[Row]:
        rows = []
        for element in plan.iterfind("StageTimingList/StageTiming"):
            here = f"StageTiming of {name}"
            number = self._whole(element, "StageNo", 0, LONGEST_S, here)
            rows.append(
                Row(
                    number,
                    self._whole(element, "Green", 0, LONGEST_S, here),
                    self._whole(element, "Yellow", 0, LONGEST_S, here),
                    self._whole(element, "AllRed", 0, LONGEST_S, here),
                    self._lamps(name, number, site),
                    frozenset(self._early_ends(element, site, here)),
                    self._maybe(element, "MinGreen", here),
                    self._maybe(element, "MaxGreen", here),
                )
            )
        return rows

    def _lamps(self, name: str, number: int, site: JunctionRulesInput) -> str | None:
        """The lamps of a stage; None where the messages do not describe it."""
        element = self.stages[name].get(number)
        if element is None:
            return None
        here = f"StageParam {number} of {name}"
        count = site.junction.signal_group_count
        letters = ["r"] * count
        seen = set()
        for status in element.iterfind("SignalGroupStatusList/SignalGroupStatus"):
            group = self._whole(status, "SignalGroupNo", 1, max(1, count), here) - 1
            told = status.findtext("LampStatus", "").strip()
            if told == _GREEN_FLASHING:
                self.reading.losses.note(Loss.GUESSED, "LampStatus: green flashing as green", here)
            elif told not in _LETTERS:
                self.reading.problems.append(f"{here}: LampStatus {told!r} is not known")
            if group in seen:
                self.reading.problems.append(f"{here}: signal group {group + 1} comes twice")
            seen.add(group)
            letters[group] = _LETTERS.get(told, "G" if told == _GREEN_FLASHING else "r")
        if len(seen) < count:
            missing = f"{count - len(seen)} signal groups of {count}"
            self.reading.problems.append(f"{here}: nothing about {missing}")
        return "".join(letters)

    def _early_ends(
        self, timing: ET.Element, site: JunctionRulesInput, here: str
    ) -> Iterator[tuple[int, int]]:
        for adjust in timing.iterfind("AdjustList/Adjust"):
            told = {
                key: adjust.get(key) or adjust.findtext(key) or ""
                for key in ("Oper", "SignalGroupNo", "Len")
            }
            numbers = [told[key].strip() for key in ("SignalGroupNo", "Len")]
            group, seconds = (int(n) if _is_whole(n) else -1 for n in numbers)
            known = 1 <= group <= site.junction.signal_group_count and seconds >= 0
            if told["Oper"].strip() != EARLY_END or not known:
                self.reading.problems.append(f"{here}: Adjust {told} is no early end of a group")
            elif seconds:
                yield group - 1, seconds

    def _coordinated(
        self, plan: ET.Element, name: str, rows: Sequence[Row], *, old: bool
    ) -> int | None:
        """Place of the coordinated stage; 0 and nothing mean that none is."""
        told = (plan.findtext("CoordPhaseNo" if old else "CoordStageNo") or "0").strip()
        if told == "0":
            return None
        if old:
            served = [
                i
                for i, row in enumerate(rows)
                if told in _phase_numbers(self.stages[name].get(row.number))
            ]
        else:
            served = [i for i, row in enumerate(rows) if str(row.number) == told]
        if not served:
            self.reading.problems.append(f"PlanParam of {name}: coordinated {told} is no stage")
        return served[0] if served else 0

    # --- the layout of 2013 ---

    def _old_rows(self, plan: ET.Element, name: str, site: JunctionRulesInput) -> list[Row]:
        """Rows of stages that carry their own seconds; red-yellow counts to the stage before."""
        elements = []
        for element in plan.iterfind("StageNoList/StageNo"):
            told = (element.text or "").strip()
            stage = self.stages[name].get(int(told)) if _is_whole(told) else None
            if stage is None:
                self.reading.problems.append(f"PlanParam of {name}: stage {told!r} is not there")
            else:
                elements.append(stage)
        if not elements:
            return []
        self.reading.losses.note(Loss.GUESSED, "phases of 2013: phase n is signal group n", name)
        self.reading.losses.to_fix(
            site.junction.junction_id,
            "phases of the 2013 layout taken for signal groups of the same number",
            0.4,
            "compare every stage with the street",
        )
        rows = []
        for idx, element in enumerate(elements):
            here = f"StageParam of {name}"
            after = elements[(idx + 1) % len(elements)]
            red_yellow_s = self._maybe(after, "RedYellow", here) or 0
            if red_yellow_s:
                self.reading.losses.note(Loss.DROPPED, "RedYellow: shown as red", name)
            rows.append(
                Row(
                    self._whole(element, "StageNo", 0, LONGEST_S, here),
                    self._whole(element, "Green", 0, LONGEST_S, here),
                    self._whole(element, "Yellow", 0, LONGEST_S, here),
                    self._whole(element, "AllRed", 0, LONGEST_S, here) + red_yellow_s,
                    self._old_lamps(element, name, site),
                )
            )
        return rows

    def _old_lamps(self, stage: ET.Element, name: str, site: JunctionRulesInput) -> str:
        count = site.junction.signal_group_count
        letters = ["r"] * count
        for told in _phase_numbers(stage):
            if _is_whole(told) and 1 <= int(told) <= count:
                letters[int(told) - 1] = "G"
            else:
                self.reading.problems.append(f"StageParam of {name}: phase {told!r} of {count}")
        return "".join(letters)

    # --- the week ---

    def _week(self, name: str, site: JunctionRulesInput, plan_of: dict[int, str]) -> None:
        day_plans: dict[int, tuple[Period, ...]] = {}
        for element in self.day_plans.get(name, ()):
            number = self._whole(element, "DayPlanNo", 1, LONGEST_S, f"DayPlanParam of {name}")
            if number in day_plans:
                self.reading.problems.append(f"junction {name}: day plan {number} comes twice")
            day_plans[number] = tuple(self._periods(element, name, plan_of))
        on_day: dict[int, int] = {}
        for element in self.schedules.get(name, ()):
            here = f"ScheduleParam of {name}"
            if element.findtext("Type", "").strip() != WEEKLY:
                self.reading.losses.note(Loss.DROPPED, "schedule of dates: not a weekday", name)
                continue
            day = self._whole(element, "WeekDay", 1, 7, here)
            number = self._whole(element, "DayPlanNo", 1, LONGEST_S, here)
            if number not in day_plans:
                self.reading.problems.append(f"{here}: day plan {number} is not there")
            if day in on_day:
                self.reading.problems.append(f"{here}: weekday {day} comes twice")
            on_day[day] = number
        for number in day_plans.keys() - set(on_day.values()):
            self.reading.losses.note(
                Loss.DROPPED, "day plan that no weekday has", f"{name} {number}"
            )
        self.reading.windows += windows_of(site.junction.junction_id, Week(day_plans, on_day))

    def _periods(
        self, day_plan: ET.Element, name: str, plan_of: dict[int, str]
    ) -> Iterator[Period]:
        starts = set()
        for element in day_plan.iterfind("PeriodList/Period"):
            here = f"Period of {name}"
            hours, _, minutes = element.findtext("StartTime", "").strip().partition(":")
            valid = _is_whole(hours) and _is_whole(minutes[:2]) and minutes[2:] in ("", ":00")
            begin_s = int(hours) * 3600 + int(minutes[:2]) * 60 if valid else -1
            if not 0 <= begin_s < LONGEST_S or begin_s in starts:
                told = element.findtext("StartTime")
                self.reading.problems.append(f"{here}: StartTime {told!r} is none, or comes twice")
                continue
            starts.add(begin_s)
            number = self._whole(element, "PlanNo", 0, 9999, here)
            if number not in plan_of:
                self.reading.problems.append(f"{here}: plan number {number} is not there")
                continue
            yield Period(begin_s, plan_of[number])

    # --- values ---

    def _whole(self, parent: ET.Element, tag: str, low: int, high: int, here: str) -> int:
        told = (parent.findtext(tag) or "").strip()
        if _is_whole(told) and low <= int(told) <= high:
            return int(told)
        self.reading.problems.append(f"{here}: {tag} {told!r} is no whole number {low} to {high}")
        return max(low, 0)

    def _maybe(self, parent: ET.Element, tag: str, here: str) -> int | None:
        told = (parent.findtext(tag) or "").strip()
        return self._whole(parent, tag, 0, LONGEST_S, here) if told else None


_HOLDERS = {
    "SetPlanParam": "PlanParam",
    "SetDayPlanParam": "DayPlanParam",
    "SetScheduleParam": "ScheduleParam",
}
_LISTED = {"PlanParam": "plans", "DayPlanParam": "day_plans", "ScheduleParam": "schedules"}
_WHOLE = re.compile(r"-?[0-9]{1,9}")


def _is_whole(told: str) -> bool:
    return _WHOLE.fullmatch(told) is not None


def _phase_numbers(stage: ET.Element | None) -> list[str]:
    found: Iterable[ET.Element] = () if stage is None else stage.iterfind("PhaseNoList/PhaseNo")
    return [(element.text or "").strip() for element in found]
