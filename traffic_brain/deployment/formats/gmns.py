"""GMNS: plans on the roads at their junctions, as a folder of tables.

The tables, what other programs find in them and what they pass by are those of
``network_data.writers.gmns``, which reads back twice what it writes.
"""

from __future__ import annotations

import csv
from pathlib import Path

from network_data.importers.gmns import read_network
from network_data.loss_report import LossReport
from network_data.writers.gmns import write_gmns
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, stage_place
from traffic_brain.deployment.formats.reading import Reading
from traffic_brain.deployment.formats.road_cut import roads_of, roads_with
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS, Settings
from traffic_brain.deployment.formats.stage_rows import Origin
from traffic_brain.errors import DataRefused
from traffic_brain.model.rules import cycle_sum
from traffic_brain.model.signals import SignalPlan

FORM = "gmns"
_PLANS, _COORDINATION = "signal_timing_plan.csv", "signal_coordination.csv"


def write(
    plans: PlanSet,
    folder: Path,
    context: Context,
    settings: Settings = DEFAULT_SETTINGS,  # noqa: ARG001 nothing to be decided
) -> LossReport:
    """Write the tables into an existing empty folder.

    Raises:
        ConfigurationError: the context has no roads.
        DataRefused: the tables cannot be written, or not be read back.
    """
    losses = LossReport()
    write_gmns(roads_with(roads_of(context, "GMNS"), plans), folder, losses)
    return losses


def read(source: Path, context: Context, *, ids_only: bool = False) -> Reading:  # noqa: ARG001
    """Read a GMNS folder; its junctions are known by their ``controller_id``.

    Raises:
        DataRefused: the folder cannot be read as GMNS.
    """
    reading = Reading(FORM, context)
    network = read_network(source, reading.losses)
    for junction_id, junction in network.junctions.items():
        if not junction.plans or reading.junction(junction_id) is None:
            continue
        reading.plans += junction.plans
        for plan in junction.plans:
            for idx in range(len(plan.stages)):
                reading.origins[stage_place(plan, idx)] = Origin.FILE
    reading.windows += network.plan_windows
    _check_statements(source, reading)
    if not reading.plans:
        reading.problems.append("no signal_timing_plan that is a plan of a junction")
    return reading


def _check_statements(folder: Path, reading: Reading) -> None:
    """Hold every plan to the cycle, the offset and the coordinated stage that its rows state.

    The importer makes a wrong offset or phase fit; here it is refused, in files of ours.
    """
    plans = {(plan.junction_id, plan.plan_id): plan for plan in reading.plans}
    of_row: dict[str, SignalPlan] = {}
    for row in _rows(folder / _PLANS):
        plan_id = row.get("opt_plan_id") or row.get("timing_plan_id") or ""
        plan = plans.get((row.get("controller_id") or "", plan_id))
        if plan is None:
            continue
        if row.get("opt_plan_id"):
            of_row[row.get("timing_plan_id") or ""] = plan
        cycle_s = _number(row, "cycle_length", _PLANS, reading)
        if cycle_s is not None and cycle_s != plan.cycle_s:
            whole = int(cycle_s) if cycle_s.is_integer() else -1
            found = cycle_sum(plan.junction_id, plan.splits_s, whole)
            reading.problems += [str(violation) for violation in found]
    for row in _rows(folder / _COORDINATION):
        plan = of_row.get(row.get("timing_plan_id") or "")
        if plan is None:
            continue
        here = f"junction {plan.junction_id}, plan {plan.plan_id}"
        offset_s = _number(row, "offset", _COORDINATION, reading)
        if offset_s is not None and not 0 <= offset_s < plan.cycle_s:
            told = f"offset {offset_s:g} s is not in [0, {plan.cycle_s}) s"
            reading.problems.append(f"rule offset_range, {here}: {told}")
        phase = _number(row, "coord_phase", _COORDINATION, reading)
        if phase is not None and not 1 <= phase <= len(plan.stages):
            told = f"stage {phase - 1:g} of {len(plan.stages)} stages"
            reading.problems.append(f"rule coordinated_stage, {here}: {told}")


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataRefused(f"{path} cannot be read", "export it again", [str(error)]) from error


def _number(row: dict[str, str], column: str, file: str, reading: Reading) -> float | None:
    told = (row.get(column) or "").strip()
    try:
        return float(told) if told else None
    except ValueError:
        reading.problems.append(f"{file}: {column} {told!r} is no number")
        return None
