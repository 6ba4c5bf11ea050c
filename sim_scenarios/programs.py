"""The one border to SUMO's signal conventions: our plans out, SUMO's programs in.

Reading and converting lives in ``network_data.importers.sumo_programs``, where the importer
needs it too; writing lives here, because only SUMO runs need it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.importers.sumo_programs import plans_of, read_programs
from sim_scenarios.scenario import PreparedScenario
from traffic_brain.model.signals import SignalPlan

__all__ = ["plans_in_service", "plans_of", "read_programs", "write_programs"]


def write_programs(plans: Iterable[SignalPlan], path: Path) -> Path:
    """Write plans as static programs into an additional file, and return its path.

    Loaded after the world's own files they are the ones that run. Phases are written from
    stage 0 on, so that SUMO's ``offset`` is ``first_stage_offset_s``. SUMO refuses a second
    program with the id of one that is loaded already: give changed plans another ``plan_id``.
    """
    root = ET.Element("additional")
    for plan in sorted(plans, key=lambda p: p.junction_id):
        program = ET.SubElement(
            root,
            "tlLogic",
            id=plan.junction_id,
            type="static",
            programID=plan.plan_id,
            offset=str(plan.first_stage_offset_s),
        )
        for interval in plan.intervals():
            ET.SubElement(
                program, "phase", duration=str(interval.duration_s), state=interval.picture
            )
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def plans_in_service(scenario: PreparedScenario) -> dict[str, SignalPlan]:
    """The fixed plans that run in a world from its begin, by junction id.

    Controllers that run no fixed plan (actuated, off) are left out. Raises DataRefused when a
    file cannot be read.
    """
    net, additional = scenario.network_sources()
    programs = read_programs(net, additional, at_s=scenario.begin_s)
    converted = plans_of({j: p for j, p in programs.items() if p.kind == "static"})
    return {j: c.plan for j, c in converted.items() if c.plan is not None}
