"""GB/T 20999, NTCIP 1202, timing sheets: what tables say, and what a controller would not run."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.deployment.formats.small_city import (
    ONE_PLAN,
    RETIMED,
    TWO_PLANS,
    context,
    edit,
    with_plan,
    written,
)
from tests.unit.test_rules import PLAN
from traffic_brain.deployment.formats import ntcip1202, timing_sheet
from traffic_brain.deployment.formats.exporting import export_plans
from traffic_brain.deployment.formats.importing import read_plans
from traffic_brain.deployment.formats.lamp_runs import Cut, cut_intervals, cut_seconds
from traffic_brain.deployment.formats.ntcip1202 import Pattern, Phase, free_reasons
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.deployment.formats.stage_rows import _parts
from traffic_brain.errors import DataRefused
from traffic_brain.model.signals import Interval, Stage


def table(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


def test_a_row_has_the_yellow_of_a_group_where_groups_end_one_after_the_other() -> None:
    together = (Interval(3, "yyrr"), Interval(2, "rrrr"))
    after_each_other = (
        *(Interval(1, "Ggrr"), Interval(1, "Gyrr"), Interval(2, "yyrr"), Interval(1, "yrrr")),
        Interval(2, "rrrr"),
    )
    assert _parts(together) == (0, 3, 2)
    assert _parts(after_each_other) == (1, 3, 3)  # what a usual controller takes for it is safe
    assert _parts(()) == (0, 0, 0)


# --- GB/T 20999 -----------------------------------------------------------------------------


def test_gbt20999_says_that_its_columns_are_unverified(tmp_path: Path) -> None:
    out = written("gbt20999", tmp_path, TWO_PLANS)
    for file in out.glob("*.csv"):
        assert all("unverified" in cell for cell in table(file)[0])
    assert table(out / "stage.csv")[1:] == [["J", "1", "1 2"], ["J", "2", "3 4"]]
    assert table(out / "phase.csv")[4] == ["J", "4", "pedestrian"]
    assert table(out / "plan.csv")[1] == ["J", "1", "retimed", "73", "3", "1"]


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("stage.csv", "J,2,3 4", "J,2,3 9", "lights a phase beyond 4"),
        ("stage.csv", "J,2,3 4", "J,1,3 4", "stage 1 of J comes twice"),
        ("plan.csv", "J,1,retimed", "J,2,retimed", "plan 1 of J is not there"),
        ("stage_timing.csv", "J,1,2,2", "J,1,3,2", "not in order"),
        ("stage_timing.csv", "greenTime", "green", "column greenTime is not there"),
        ("stage_timing.csv", "J,1,1,1,36", "J,1,1,1,x", "greenTime 'x' is no whole number"),
        ("day_plan.csv", "J,1,2,16,0,2", "J,1,2,16,0,7", "plan number 7 of J is not there"),
        ("schedule.csv", "J,7,7,2", "J,7,6,2", "weekday 6 of J comes twice"),
        ("schedule.csv", "J,7,7,2", "J,7,7,9", "day plan 9 of J is not there"),
    ],
)
def test_what_is_wrong_in_a_table_is_told(
    tmp_path: Path, file: str, old: str, new: str, problem: str
) -> None:
    out = written("gbt20999", tmp_path, TWO_PLANS)
    edit(out / file, old, new)
    with pytest.raises(DataRefused) as refused:
        read_plans(out, context())
    assert any(problem in told for told in refused.value.problems), refused.value.problems


def test_a_table_that_a_chinese_spreadsheet_saved_is_read(tmp_path: Path) -> None:
    plans = PlanSet((replace(RETIMED, plan_id="早高峰"),))
    out = written("gbt20999", tmp_path, plans)
    for file in out.glob("*.csv"):
        file.write_bytes(file.read_text("utf-8-sig").encode("gb18030"))
    assert read_plans(out, context()).plan_set == plans


# --- NTCIP 1202 -----------------------------------------------------------------------------


def test_ntcip_tables_have_the_standard_s_units(tmp_path: Path) -> None:
    out = written("ntcip1202", tmp_path, TWO_PLANS)
    assert table(out / "phase.csv")[1] == ["J", "1", "5", "120", "30", "20", "1"]
    assert table(out / "pattern.csv")[1] == ["J", "1", "73", "3", "1", "1"]
    assert table(out / "split.csv")[1] == ["J", "1", "1", "41", "4", "1"]
    days = table(out / "schedule.csv")[1:]
    # Bits from Sunday (1) to Saturday (7): Monday to Friday are 2 to 6.
    assert [row[3] for row in days] == [str(0b1111100), str(0b10000010)]


GOOD = Pattern(73, 3, (1, 2), {1: 41, 2: 32}, (1,))
PHASES = {n: Phase(n, 5, 120, 3, 2) for n in (1, 2)}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cycle_s": 256}, r"cycle of 256 s is not in"),
        ({"offset_s": 73}, "rule offset_range"),
        ({"splits_s": {1: 41}}, "phase 2 has no split"),
        ({"splits_s": {1: 41, 2: 9}}, "split 9 s of phase 2"),
        ({"splits_s": {1: 42, 2: 32}}, "rule cycle_sum"),
        ({"splits_s": {1: 41, 2: 32, 3: 10}}, "phase 3 has a split"),
        ({"sequence": (1, 2, 3)}, "phase 3 is not described"),
        ({"sequence": (1, 2, 1)}, "rule stage_unique"),
        ({"coordinated": ()}, "0 coordinated phases"),
        ({"coordinated": (1, 2)}, "2 coordinated phases"),
    ],
)
def test_what_drops_a_controller_to_free(changes: dict[str, object], reason: str) -> None:
    assert free_reasons(GOOD, PHASES) == []
    assert any(reason in told for told in free_reasons(replace(GOOD, **changes), PHASES))


def test_ntcip_refuses_on_the_way_out_and_in(tmp_path: Path) -> None:
    slow = with_plan(stages=tuple(replace(s, green_s=130, max_green_s=140) for s in PLAN.stages))
    with pytest.raises(DataRefused, match="drops to Free"):
        export_plans(PlanSet((slow,)), ["ntcip1202"], tmp_path, context())
    out = written("ntcip1202", tmp_path / "ntcip1202", ONE_PLAN)
    edit(out / "split.csv", "J,1,2,32", "J,1,2,9")
    with pytest.raises(DataRefused, match="drops to Free"):
        read_plans(out, context())


def test_ntcip_without_known_stages_is_refused(tmp_path: Path) -> None:
    out = written("ntcip1202", tmp_path, ONE_PLAN)
    (out / "mapping.json").unlink()
    site = context().sites["J"]
    bare = replace(site, junction=replace(site.junction, plan_in_service=None))
    with pytest.raises(DataRefused, match="no lamps are known for it"):
        read_plans(out, Context({"J": bare}))


def test_tenths_of_a_second_are_refused(tmp_path: Path) -> None:
    out = written("ntcip1202", tmp_path, ONE_PLAN)
    edit(out / "phase.csv", "J,1,5,120,30,20", "J,1,5,120,35,20")
    with pytest.raises(DataRefused, match="rule whole_seconds"):
        read_plans(out, context())


def test_sixteen_phases_are_the_most(tmp_path: Path) -> None:
    plans = tuple(
        replace(PLAN.with_greens((20 + i, 30), f"p{i}"), stages=stages)
        for i in range(9)
        for stages in [tuple(replace(s, min_green_s=5 + i) for s in PLAN.stages)]
    )
    with pytest.raises(DataRefused, match="18 phases of 16"):
        ntcip1202.write(PlanSet(plans), tmp_path, context())


# --- timing sheets --------------------------------------------------------------------------


def workbook(path: Path) -> object:
    from openpyxl import load_workbook

    return load_workbook(path)


def test_a_planner_changes_seconds_and_gives_the_sheet_back(tmp_path: Path) -> None:
    path = written("xlsx", tmp_path, TWO_PLANS) / timing_sheet.FILE
    book = workbook(path)
    sheet = book.worksheets[1]
    sheet.insert_rows(1)
    sheet.cell(1, 1).value = "请于周五前核对"
    rows = {row[0].value: row for row in sheet.iter_rows(max_row=9)}
    assert rows["周期 Cycle (s)"][1].value == 73
    rows["周期 Cycle (s)"][1].value = 75
    rows[1][1].value, rows[1][4].value = 38.0, "43"
    book.save(path)
    first = read_plans(path, context()).plans[0]
    assert (first.cycle_s, first.greens_s) == (75, (38, 27))
    assert first.stages[1] == RETIMED.stages[1]


def test_texts_are_no_formulas(tmp_path: Path) -> None:
    plans = PlanSet((replace(RETIMED, plan_id="=1+1"),))
    path = written("xlsx", tmp_path, plans) / timing_sheet.FILE
    cells = [cell for row in workbook(path).worksheets[1].iter_rows() for cell in row]
    assert [cell.data_type for cell in cells if cell.value == "=1+1"] == ["s"]
    assert read_plans(path, context()).plan_set == plans


def test_a_plan_id_that_no_cell_can_hold_is_refused(tmp_path: Path) -> None:
    plans = PlanSet((replace(RETIMED, plan_id="bell \x07"),))
    with pytest.raises(DataRefused, match="rename it"):
        timing_sheet.write(plans, tmp_path, context())


def test_sheets_are_by_grid_zone(tmp_path: Path) -> None:
    city = context()
    site = city.sites["J"]
    zoned = replace(site, junction=replace(site.junction, zone_id="蜀山/一号"))
    timing_sheet.write(ONE_PLAN, tmp_path, replace(city, sites={"J": zoned}))
    book = workbook(tmp_path / timing_sheet.FILE)
    assert book.sheetnames == ["说明 Index", "蜀山_一号"]
    assert book.worksheets[1].page_setup.fitToWidth == 1


@pytest.mark.parametrize(
    ("label", "column", "value", "problem"),
    [
        (1, 1, "x", "is no whole number"),
        (2, 0, 3, "2 is next"),
        (1, 6, "3 yyrr; 2 rrrr", "is not seconds and lamps"),
        ("方案 Plan", 0, "方案", "no row 方案 Plan"),
        ("时段 Window", 1, "16:00 to 20:00", "is not HH:MM-HH:MM"),
        ("时段 Window", 1, "20:00-16:00", "ends before it begins"),
    ],
)
def test_what_is_wrong_in_a_sheet_is_told(
    tmp_path: Path, label: object, column: int, value: object, problem: str
) -> None:
    path = written("xlsx", tmp_path, TWO_PLANS) / timing_sheet.FILE
    book = workbook(path)
    row = next(r for r in book.worksheets[1].iter_rows() if r[0].value == label)
    row[column].value = value
    book.save(path)
    with pytest.raises(DataRefused) as refused:
        read_plans(path, context())
    assert any(problem in told for told in refused.value.problems), refused.value.problems


# --- stages by their lamps ------------------------------------------------------------------

A = Stage("Gr", 10, (Interval(3, "yr"), Interval(2, "rr")))
B = Stage("rG", 20, (Interval(3, "ry"), Interval(2, "rr")))


def test_stages_are_cut_from_intervals_from_any_beginning() -> None:
    told = [
        i for stage in (A, B) for i in (Interval(stage.green_s, stage.picture), *stage.clearance)
    ]
    known = [replace(stage, green_s=1) for stage in (A, B)]
    assert cut_intervals(told, known) == Cut((A, B), 0)
    assert cut_intervals([*told[2:], *told[:2]], known) == Cut((A, B), 27)
    assert cut_intervals(told[1:], known) is None


def test_stages_are_cut_from_seconds() -> None:
    pictures = [*["Gr"] * 10, *["yr"] * 3, *["rr"] * 2, *["rG"] * 20, *["ry"] * 3, *["rr"] * 2]
    known = [replace(stage, green_s=1) for stage in (A, B)]
    assert cut_seconds(pictures, known, str) == Cut((A, B), 0)
    turned = [*pictures[5:], *pictures[:5]]
    assert cut_seconds(turned, known, str) == Cut((A, B), 35)
    only_first = [picture[0] for picture in pictures]
    assert cut_seconds(only_first, known, lambda p: p[0]) == Cut((A, B), 0)
    assert cut_seconds(["r"] * 40, known, lambda p: "r") is None
