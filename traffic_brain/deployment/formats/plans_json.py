"""The package's own plans document: everything, and nothing lost."""

from __future__ import annotations

from pathlib import Path

from network_data.loss_report import LossReport
from traffic_brain.deployment.formats.plan_set import (
    Context,
    PlanSet,
    plan_set_from_dict,
    plan_set_to_dict,
    stage_place,
)
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.errors import DataRefused
from traffic_brain.model.reading import read_json, to_json

FORM = "json"
FILE = "plans.json"


def write(
    plans: PlanSet,
    folder: Path,
    context: Context,  # noqa: ARG001 a plans document needs no city
    settings: Settings = DEFAULT_SETTINGS,  # noqa: ARG001
) -> LossReport:
    """Write ``plans.json`` into an existing folder."""
    (folder / FILE).write_text(to_json(plan_set_to_dict(plans)), encoding="utf-8")
    return LossReport()


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:  # noqa: ARG001
    """Read a plans document, or the one in a folder."""
    reading = Reading(FORM, context)
    path = source / FILE if source.is_dir() else source
    try:
        found = plan_set_from_dict(read_json(path), path.name)
    except DataRefused as error:
        reading.problems += error.problems or (error.what,)
        return reading
    for plan in found.plans:
        if plan.junction_id not in context.sites:
            reading.problems.append(f"junction {plan.junction_id}: no junction of the city")
        for idx in range(len(plan.stages)):
            reading.origins[stage_place(plan, idx)] = Origin.FILE
    reading.plans += found.plans
    reading.windows += found.windows
    return reading
