"""The sheet "what I understood": every value of the plans that were read, for a person to sign."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from traffic_brain.deployment.diff import diff_rows
from traffic_brain.deployment.formats.locks import refusals
from traffic_brain.deployment.formats.plan_set import Context, clock, stage_place
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.deployment.formats.timing_sheet import served
from traffic_brain.model.signals import SignalPlan

if TYPE_CHECKING:
    from jinja2 import Template

ORIGINS = {
    Origin.FILE: "文件 the file",
    Origin.MAPPING: "对照表 mapping.json",
    Origin.CITY: "路网中的方案 a plan of the city",
    Origin.USUAL: "按惯例推断 the usual meaning: 请核对 please check",
}


def sheet(reading: Reading, source: Path, context: Context) -> dict[str, Any]:
    """The sheet as JSON: plans with their stages, windows, what was guessed and what differs."""
    _, inherited = refusals(reading.plans, context)
    report = reading.losses.as_dict()
    return {
        "source": source.name,
        "format": reading.form,
        "plans": [_plan(plan, reading, context) for plan in reading.plans],
        "windows": [
            {
                "junction_id": w.junction_id,
                "plan_id": w.plan_id,
                "from": clock(w.begin_s),
                "to": clock(w.end_s),
                "weekdays": "".join(map(str, w.weekdays)),
            }
            for w in reading.plan_set.windows
        ],
        "expires_min": dict(sorted(reading.expires_min.items())),
        "inherited": [str(finding) for finding in inherited],
        "losses": report["losses"],
        "to_fix": report["to_fix"],
    }


def sheet_page(document: dict[str, Any]) -> str:
    """The sheet as a page to print, Chinese first."""
    return _template().render(sheet=document)


def _plan(plan: SignalPlan, reading: Reading, context: Context) -> dict[str, Any]:
    site = context.sites[plan.junction_id]
    running = site.junction.plan_in_service
    return {
        "junction_id": plan.junction_id,
        "name": site.junction.name,
        "plan_id": plan.plan_id,
        "cycle_s": plan.cycle_s,
        "offset_s": plan.offset_s,
        "coordinated_stage": plan.coordinated_stage_idx + 1,
        "stages": [
            {
                "number": idx + 1,
                "picture": stage.picture,
                "right_of_way": served(stage.picture, site, context),
                "green_s": stage.green_s,
                "min_green_s": stage.min_green_s,
                "max_green_s": stage.max_green_s,
                "clearance": [f"{i.duration_s} s {i.picture}" for i in stage.clearance],
                "split_s": stage.split_s,
                "lamps_from": ORIGINS[reading.origins.get(stage_place(plan, idx), Origin.FILE)],
            }
            for idx, stage in enumerate(plan.stages)
        ],
        "changes": [] if running is None else _changes(running, plan),
    }


def _changes(running: SignalPlan, plan: SignalPlan) -> list[dict[str, Any]]:
    """Where the plan differs from the one in service."""
    found: list[dict[str, Any]] = [
        {"what": what, "in_service": had, "read": has}
        for what, had, has in (
            ("周期 cycle (s)", running.cycle_s, plan.cycle_s),
            ("相位差 offset (s)", running.offset_s, plan.offset_s),
        )
        if had != has
    ]
    for row in diff_rows(running, plan, ""):
        if row.old_green_s != row.new_green_s:
            what = f"绿灯 green (s), {row.picture}"
            found.append({"what": what, "in_service": row.old_green_s, "read": row.new_green_s})
    return found


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("traffic_brain.deployment.formats"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("understood.html")
