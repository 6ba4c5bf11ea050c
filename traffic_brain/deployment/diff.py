"""What a planner reads first: old and new seconds of every stage, as a spreadsheet opens it."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path

from traffic_brain.model.signals import SignalPlan, Stage

HEADER = (
    "junction 路口编号",
    "name 路口名称",
    "stage 阶段",
    "lamp picture 灯色",
    "green in service (s) 现行绿灯",
    "green proposed (s) 建议绿灯",
    "change (s) 变化",
    "cycle in service (s) 现行周期",
    "cycle proposed (s) 建议周期",
    "offset in service (s) 现行相位差",
    "offset proposed (s) 建议相位差",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class DiffRow:
    """One stage of one junction; None: the stage is in one of the two plans only."""

    junction_id: str
    name: str
    stage_number: int
    picture: str
    old_green_s: int | None
    new_green_s: int | None
    change_s: int | None
    old_cycle_s: int
    new_cycle_s: int
    old_offset_s: int
    new_offset_s: int


def diff_rows(old: SignalPlan, new: SignalPlan, name: str) -> list[DiffRow]:
    """Stages of the new plan in order, then those that it drops; matched by lamp picture."""
    before, after = _by_picture(old.stages), _by_picture(new.stages)
    rows = []
    for number, key in enumerate({**after, **before}, start=1):
        old_green = before[key].green_s if key in before else None
        new_green = after[key].green_s if key in after else None
        both = old_green is not None and new_green is not None
        rows.append(
            DiffRow(
                junction_id=new.junction_id,
                name=name,
                stage_number=number,
                picture=key[0],
                old_green_s=old_green,
                new_green_s=new_green,
                change_s=(new_green or 0) - (old_green or 0) if both else None,
                old_cycle_s=old.cycle_s,
                new_cycle_s=new.cycle_s,
                old_offset_s=old.offset_s,
                new_offset_s=new.offset_s,
            )
        )
    return rows


def write_diff(
    plans: Iterable[SignalPlan],
    in_service: Mapping[str, SignalPlan],
    names: Mapping[str, str],
    path: Path,
) -> None:
    """Write the rows of all plans as CSV, with the mark by which Excel knows UTF-8.

    Args:
        plans: proposed plans.
        in_service: plan in service by junction id, for each of them.
        names: name by junction id.
        path: the file.
    """
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for plan in plans:
            for row in diff_rows(in_service[plan.junction_id], plan, names[plan.junction_id]):
                writer.writerow([_cell(value) for value in astuple(row)])


def _by_picture(stages: Iterable[Stage]) -> dict[tuple[str, int], Stage]:
    """Stages by picture and by how often it came before."""
    seen: Counter[str] = Counter()
    found = {}
    for stage in stages:
        found[stage.picture, seen[stage.picture]] = stage
        seen[stage.picture] += 1
    return found


def _cell(value: str | int | None) -> str | int:
    """A text that a spreadsheet would take for a formula is marked as text."""
    if value is None:
        return ""
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
