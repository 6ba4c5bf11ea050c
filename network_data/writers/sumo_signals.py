"""Signal plans as SUMO additional files: a few plans, or all that a city has.

Phases are written from stage 0 on, so that SUMO's ``offset`` is ``first_stage_offset_s``. Of
several programs of one controller SUMO runs the one that is loaded last, and refuses a second
one with the id of another: see ``suffix``.
"""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from traffic_brain.model.network import Junction, RoadNetwork
from traffic_brain.model.signals import PlanWindow, SignalPlan

OFF_PROGRAM = "off"
"""SUMO's own name for a signal without lamps: it has one meaning and no phases."""
MONDAY = 1
_SCHEDULE_TAGS = frozenset({"WAUT", "wautJunction"})
_PROGRAM_OF = {"tlLogic": "programID", "WAUT": "startProg", "wautSwitch": "to"}
"""Where an element names a program."""


def write_programs(plans: Iterable[SignalPlan], path: Path) -> Path:
    """Write plans as static programs into an additional file, and return its path.

    Loaded after the world's own files they are the ones that run. SUMO refuses a second
    program with the id of one that is loaded already: give changed plans another ``plan_id``.
    """
    root = ET.Element("additional")
    for plan in sorted(plans, key=lambda p: p.junction_id):
        root.append(_program(plan))
    return _write(root, path)


def write_signals(
    network: RoadNetwork,
    path: Path,
    *,
    carried: Sequence[ET.Element] = (),
    suffix: str = "",
    weekday: int = MONDAY,
) -> Path:
    """Write every plan of a city, and when it runs, into an additional file; returns its path.

    A junction's plan in service comes last, so that it is the one that runs; where plan windows
    name the plans of a junction, a ``<WAUT>`` switches between them (windows of ``weekday``;
    SUMO has no week). ``carried``: SUMO elements that plans cannot hold, written as they are.
    ``suffix`` is put behind every program id, so that the file can be loaded beside a network
    that has programs of its own: ``free_suffix`` finds one.
    """
    root = ET.Element("additional")
    schedules = [e for e in carried if e.tag in _SCHEDULE_TAGS]
    programs: dict[str, list[ET.Element]] = defaultdict(list)
    for program in (e for e in carried if e.tag == "tlLogic"):
        programs[program.attrib["id"]].append(program)
    root.extend(copy.deepcopy(e) for e in carried if e.tag not in {*_SCHEDULE_TAGS, "tlLogic"})
    for junction_id in sorted(network.junctions):
        root.extend(_programs(network.junctions[junction_id], programs[junction_id]))
    root.extend(copy.deepcopy(schedules))
    switched = {e.get("junctionID") for e in schedules}
    taken = {e.get("id", "") for e in schedules}
    for junction_id, windows in _windows_of(network, weekday).items():
        if junction_id not in switched and _can_switch(network.junctions[junction_id], windows):
            root.extend(_schedule(junction_id, windows, taken))
    if suffix:
        _rename(root, suffix)
    return _write(root, path)


def free_suffix(written: Iterable[str], taken: Collection[str]) -> str:
    """The shortest suffix that makes no program id that is written one that is taken already."""
    ids = set(written)
    number = 1
    suffix = ""
    while any(f"{program_id}{suffix}" in taken for program_id in ids):
        suffix = ".city" if number == 1 else f".city{number}"
        number += 1
    return suffix


def _programs(junction: Junction, carried: Sequence[ET.Element]) -> list[ET.Element]:
    """All programs of a junction; what was carried stands for a plan of the same id."""
    running = junction.plan_in_service
    verbatim = {e.get("programID", ""): copy.deepcopy(e) for e in carried}
    others = [_program(p) for p in junction.other_plans if p.plan_id not in verbatim]
    if running is None:
        return [*others, *verbatim.values()]
    last = verbatim.pop(running.plan_id) if running.plan_id in verbatim else _program(running)
    return [*others, *verbatim.values(), last]


def _program(plan: SignalPlan) -> ET.Element:
    program = ET.Element(
        "tlLogic",
        id=plan.junction_id,
        type="static",
        programID=plan.plan_id,
        offset=str(plan.first_stage_offset_s),
    )
    for interval in plan.intervals():
        ET.SubElement(program, "phase", duration=str(interval.duration_s), state=interval.picture)
    return program


def _windows_of(network: RoadNetwork, weekday: int) -> Mapping[str, Sequence[PlanWindow]]:
    found: dict[str, list[PlanWindow]] = defaultdict(list)
    for window in network.plan_windows:
        if weekday in window.weekdays and window.junction_id in network.junctions:
            found[window.junction_id].append(window)
    return {j: sorted(found[j], key=lambda w: (w.begin_s, w.end_s)) for j in sorted(found)}


def _can_switch(junction: Junction, windows: Sequence[PlanWindow]) -> bool:
    """Whether every plan that the windows name is there."""
    known = {plan.plan_id for plan in (junction.plan_in_service, *junction.other_plans) if plan}
    return {window.plan_id for window in windows} <= known


def _schedule(
    junction_id: str, windows: Sequence[PlanWindow], taken: Collection[str]
) -> tuple[ET.Element, ET.Element]:
    """A ``<WAUT>`` of one junction; between windows the plan of the last one goes on."""
    schedule_id = f"plans_of_{junction_id}"
    while schedule_id in taken:
        schedule_id += "_"
    schedule = ET.Element("WAUT", id=schedule_id, refTime="0", startProg=windows[0].plan_id)
    for window in windows[1:] if windows[0].begin_s <= 0 else windows:
        ET.SubElement(schedule, "wautSwitch", time=str(window.begin_s), to=window.plan_id)
    return schedule, ET.Element("wautJunction", wautID=schedule_id, junctionID=junction_id)


def _rename(root: ET.Element, suffix: str) -> None:
    written = {e.attrib["programID"] for e in root.iter("tlLogic") if e.get("programID")}
    for element in root.iter():
        attribute = _PROGRAM_OF.get(element.tag, "")
        if element.get(attribute) in written - {OFF_PROGRAM}:
            element.set(attribute, element.attrib[attribute] + suffix)


def _write(root: ET.Element, path: Path) -> Path:
    ET.indent(root)
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path
