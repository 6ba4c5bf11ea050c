"""Timing sheets for people: an xlsx workbook in Chinese and English that can be printed.

A sheet per group of junctions (grid zone, else all in one), a block per plan: what it is, a row
per stage with the seconds of green and of each interval of its clearance, and when it runs. Rows
are known by the labels of their first column, so that a planner may change seconds, move blocks
or add remarks, and the workbook can be read again.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network_data.loss_report import Loss, LossReport
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, clock
from traffic_brain.deployment.formats.reading import LONGEST_S, Reading, ToldPlan
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import SignalGroupKind
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import GREENS, Interval, PlanWindow, SignalPlan, Stage

if TYPE_CHECKING:
    from openpyxl.worksheet.worksheet import Worksheet

FORM = "xlsx"
FILE = "timing_sheets.xlsx"
JUNCTION, PLAN, CYCLE = "路口 Junction", "方案 Plan", "周期 Cycle (s)"
OFFSET, COORDINATED = "相位差 Offset (s)", "协调阶段 Coordinated stage"
HEADER = (
    "阶段 Stage",
    "绿灯 Green (s)",
    "最小绿 Min (s)",
    "最大绿 Max (s)",
    "阶段时长 Split (s)",
    "灯色 Lamps",
    "绿间隔 Clearance: s lamps",
    "放行 Right of way",
)
WINDOW = "时段 Window"
INDEX, ALL = "说明 Index", "全部 All"
_WIDTHS = (22, 16, 14, 14, 18, 26, 44, 44)
_LONGEST_TITLE = 31
_NOT_IN_TITLES = re.compile(r"[\[\]:*?/\\']")
_CLEARANCE = re.compile(r"(\d{1,5}) ([A-Za-z]+)")
_WINDOW = re.compile(r"(\d{2}):(\d{2})(?::(\d{2}))?-(\d{2}):(\d{2})(?::(\d{2}))?")
_MADE = "2000-01-01T00:00:00Z"
_DATES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")
_MOST_BYTES = 64 * 1024 * 1024
_MOST_ROWS = 1_000_000

Cell = str | int


# --- writing ------------------------------------------------------------------------------


def write(
    plans: PlanSet,
    folder: Path,
    context: Context,
    settings: Settings = DEFAULT_SETTINGS,  # noqa: ARG001 nothing to be decided
) -> LossReport:
    """Write ``timing_sheets.xlsx`` into an existing folder; the same plans give the same bytes.

    Raises:
        DataRefused: an id that a spreadsheet cannot hold.
    """
    from openpyxl import Workbook
    from openpyxl.utils.exceptions import IllegalCharacterError

    book = Workbook()
    index = book.active
    index.title = INDEX
    rows: list[Sequence[Cell]] = [("工作表 Sheet", "路口 Junctions", "方案 Plans")]
    try:
        for title, own in _sheets(plans, context):
            sheet = book.create_sheet(title)
            _fill(sheet, [row for block in _blocks(own, plans, context) for row in block])
            rows.append((title, len({p.junction_id for p in own}), len(own)))
        _fill(index, rows)
    except IllegalCharacterError as error:
        raise DataRefused(
            "an id holds characters that a spreadsheet cannot", "rename it", [repr(str(error))]
        ) from error
    (folder / FILE).write_bytes(_same_bytes(book))
    return LossReport()


def _sheets(plans: PlanSet, context: Context) -> Iterator[tuple[str, list[SignalPlan]]]:
    """A sheet for each grid zone, in order; titles are what a workbook allows."""
    by_zone: dict[str, list[SignalPlan]] = defaultdict(list)
    for junction_id, own in plans.by_junction.items():
        zone = context.sites[junction_id].junction.zone_id
        by_zone[zone or ALL] += own
    taken = {INDEX.lower()}
    for zone in sorted(by_zone):
        plain = _NOT_IN_TITLES.sub("_", zone)[:_LONGEST_TITLE].strip() or ALL
        title, number = plain, 1
        while title.lower() in taken:
            number += 1
            title = f"{plain[: _LONGEST_TITLE - 6]} ({number})"
        taken.add(title.lower())
        yield title, by_zone[zone]


def _blocks(
    own: Sequence[SignalPlan], plans: PlanSet, context: Context
) -> Iterator[list[Sequence[Cell]]]:
    for plan in own:
        site = context.sites[plan.junction_id]
        block: list[Sequence[Cell]] = [
            (JUNCTION, plan.junction_id, site.junction.name),
            (PLAN, plan.plan_id),
            (CYCLE, plan.cycle_s),
            (OFFSET, plan.offset_s),
            (COORDINATED, plan.coordinated_stage_idx + 1),
            HEADER,
        ]
        for number, stage in enumerate(plan.stages, start=1):
            block.append(
                (
                    number,
                    stage.green_s,
                    stage.min_green_s,
                    stage.max_green_s,
                    stage.split_s,
                    stage.picture,
                    "\n".join(f"{i.duration_s} {i.picture}" for i in stage.clearance),
                    served(stage.picture, site, context),
                )
            )
        for window in plans.windows_of(plan.junction_id):
            if window.plan_id == plan.plan_id:
                times = f"{clock(window.begin_s)}-{clock(window.end_s)}"
                block.append((WINDOW, times, "".join(map(str, window.weekdays))))
        yield [*block, ()]


def served(picture: str, site: JunctionRulesInput, context: Context) -> str:
    """Who may go in a picture: movements by name of approach and turn, crossings by number."""
    lit = {group for group, letter in enumerate(picture) if letter in GREENS}
    if context.network is None or site.junction.junction_id not in context.network.junctions:
        on_foot = site.groups_on_foot
        names = [f"人行 {g + 1}" if g in on_foot else f"信号组 {g + 1}" for g in sorted(lit)]
        return ", ".join(names)
    network, junction_id = context.network, site.junction.junction_id
    found: dict[str, None] = {}
    for movement in network.movements_at[junction_id]:
        if lit & set(movement.signal_group_idxs):
            name = network.links[movement.from_link].name
            found[f"{name} {_TURNS[movement.turn.value]}"] = None
    for group in network.signal_groups_at[junction_id]:
        if group.signal_group_idx in lit and group.kind is SignalGroupKind.PEDESTRIAN:
            found[f"人行 {group.signal_group_idx + 1}"] = None
    return ", ".join(found)


_TURNS = {"LEFT": "左", "THROUGH": "直", "RIGHT": "右", "UTURN": "掉头"}


def _fill(sheet: Worksheet, rows: Sequence[Sequence[Cell]]) -> None:
    """Write rows, texts as texts whatever they begin with, and see to it that they print."""
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side

    thin = Side("thin", color="999999")
    line = Border(left=thin, right=thin, top=thin, bottom=thin)
    bold, grey = Font(bold=True), PatternFill("solid", fgColor="E6E6E6")
    for number, row in enumerate(rows, start=1):
        for column, value in enumerate(row, start=1):
            cell = sheet.cell(number, column)
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"  # also what begins with =, which is no formula here
            cell.border = line
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if row[0] in (HEADER[0], JUNCTION):
                cell.font, cell.fill = bold, grey
    for letter, width in zip("ABCDEFGH", _WIDTHS, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.oddFooter.center.text = "&A  &P/&N"


def _same_bytes(book: Any) -> bytes:
    """The workbook without the time at which it was made."""
    made = io.BytesIO()
    book.save(made)
    out = io.BytesIO()
    with (
        zipfile.ZipFile(made) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            data = source.read(name)
            if name == "docProps/core.xml":
                data = _DATES.sub(rb"\g<1>" + _MADE.encode(), data)
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(info, data)
    return out.getvalue()


# --- reading ------------------------------------------------------------------------------


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:  # noqa: ARG001
    """Read a workbook (or ``timing_sheets.xlsx`` of a folder).

    Raises:
        DataRefused: the file is no workbook.
    """
    reading = Reading(FORM, context)
    path = source / FILE if source.is_dir() else source
    blocks: list[_Block] = []
    for title, number, cells in _rows(path):
        label = cells[0] if cells else None
        here = f"{title} row {number}"
        if label == JUNCTION:
            blocks.append(_Block(here))
        if blocks and cells:
            blocks[-1].take(here, cells, reading)
    for block in blocks:
        block.finish(reading)
    if not blocks:
        reading.problems.append(f"{path.name}: no row begins with {JUNCTION!r}")
    return reading


def _rows(path: Path) -> Iterator[tuple[str, int, list[Any]]]:
    """(sheet, row number, cells) of every row but those of the index."""
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(info.file_size for info in packed.infolist())
        if size > _MOST_BYTES:
            raise DataRefused(f"{path} unpacks to {size:,} bytes", "split the workbook")
        book = load_workbook(path, read_only=True, data_only=True)
        for sheet in book.worksheets:
            if sheet.title == INDEX:
                continue
            for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
                if number > _MOST_ROWS:
                    break
                yield sheet.title, number, list(row)
        book.close()
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, TypeError, SyntaxError) as error:
        told = " ".join(str(error).split())
        raise DataRefused(f"{path} is no workbook", "save it as .xlsx again", [told]) from error


@dataclass
class _Block:
    """One plan as its rows tell it."""

    here: str
    texts: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    stages: list[Stage] = field(default_factory=list)
    windows: list[tuple[int, int, tuple[int, ...]]] = field(default_factory=list)

    def take(self, here: str, cells: Sequence[Any], reading: Reading) -> None:
        """One row of the block; rows with labels that are not ours are remarks."""
        label = cells[0]
        if label in (JUNCTION, PLAN):
            self._once(label, here, reading)
            self.texts[label] = _text(cells[1] if len(cells) > 1 else None)
        elif label in (CYCLE, OFFSET, COORDINATED):
            self._once(label, here, reading)
            self.numbers[label] = _whole(cells, 1, here, label, reading)
        elif label == WINDOW:
            self._window(here, cells, reading)
        elif type(label) is int or (isinstance(label, str) and label.strip().isdecimal()):
            self._stage(here, cells, reading)
        elif label is not None and label != HEADER[0]:
            reading.losses.note(Loss.DROPPED, "row that is a remark", here)

    def _once(self, label: str, here: str, reading: Reading) -> None:
        if label in self.texts or label in self.numbers:
            reading.problems.append(f"{here}: {label} comes twice for one plan")

    def _stage(self, here: str, cells: Sequence[Any], reading: Reading) -> None:
        expected = len(self.stages) + 1
        if _whole(cells, 0, here, HEADER[0], reading) != expected:
            reading.problems.append(f"{here}: {HEADER[0]} {cells[0]}, {expected} is next")
        told = _text(cells[6] if len(cells) > 6 else None)
        clearance = []
        for part in told.splitlines():
            match = _CLEARANCE.fullmatch(part.strip())
            if match is None:
                reading.problems.append(f"{here}: clearance {part!r} is not seconds and lamps")
            else:
                clearance.append(Interval(int(match[1]), match[2]))
        green_s, low_s, high_s, split_s = (
            _whole(cells, column, here, HEADER[column], reading) for column in (1, 2, 3, 4)
        )
        picture = _text(cells[5] if len(cells) > 5 else None).strip()
        stage = Stage(picture, green_s, tuple(clearance), low_s, high_s)
        if stage.split_s != split_s:
            reading.problems.append(
                f"{here}: rule cycle_sum, green and clearance are {stage.split_s} s, "
                f"{HEADER[4]} says {split_s}"
            )
        self.stages.append(stage)

    def _window(self, here: str, cells: Sequence[Any], reading: Reading) -> None:
        match = _WINDOW.fullmatch(_text(cells[1] if len(cells) > 1 else None).strip())
        days = _text(cells[2] if len(cells) > 2 else None).strip()
        if match is None or not days or set(days) - set("1234567"):
            reading.problems.append(f"{here}: {WINDOW} is not HH:MM-HH:MM and weekdays 1-7")
            return
        hours = [int(part or 0) for part in match.groups()]
        begin_s, end_s = (h * 3600 + m * 60 + s for h, m, s in (hours[:3], hours[3:]))
        if not 0 <= begin_s < end_s <= LONGEST_S:
            reading.problems.append(f"{here}: {WINDOW} ends before it begins, or after midnight")
            return
        self.windows.append((begin_s, end_s, tuple(sorted({int(day) for day in days}))))

    def finish(self, reading: Reading) -> None:
        """Add the plan."""
        labels = self.texts.keys() | self.numbers.keys()
        missing = [k for k in (PLAN, CYCLE, OFFSET, COORDINATED) if k not in labels]
        if missing:
            reading.problems.append(f"{self.here}: no row {', '.join(missing)}")
            return
        found = reading.junction(self.texts[JUNCTION])
        if found is None:
            return
        site, plan_id = found[0], self.texts[PLAN]
        told = ToldPlan(
            plan_id,
            (),
            self.numbers[OFFSET],
            self.numbers[COORDINATED] - 1,
            self.numbers[CYCLE],
        )
        reading.add_stages(told, site, self.stages, [Origin.FILE] * len(self.stages), None)
        junction_id = site.junction.junction_id
        reading.windows += [PlanWindow(junction_id, plan_id, *window) for window in self.windows]


def _text(value: object) -> str:
    """A cell as text; a number that a spreadsheet made of an id is its digits."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _whole(cells: Sequence[Any], column: int, here: str, what: str, reading: Reading) -> int:
    value = cells[column] if len(cells) > column else None
    told = _text(value).strip()
    if re.fullmatch(r"-?\d{1,9}", told):
        return int(told)
    reading.problems.append(f"{here}: {what} {told!r} is no whole number")
    return 0
