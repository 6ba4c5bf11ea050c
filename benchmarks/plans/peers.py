"""What others offer for the same map, as programs that SUMO loads.

Webster's formula is ours to compute; the tools are SUMO's own, started as their users start them;
actuated and delay-based control are SUMO's, on the stages and limits of green of the plan in file.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from benchmarks.plans.maps import Map
from network_data.importers.sumo.programs import DEFAULT_MAX_GREEN_S
from network_data.sumo_tools import last_words, run_tool, sumo_environment, sumo_home
from optimizers.webster import greens_s, webster_cycle_s
from sim_scenarios.programs import write_programs
from traffic_brain.diagnosis.capacity import START_UP_LOSS_S, USED_YELLOW_S, lane_groups
from traffic_brain.errors import SimulationError
from traffic_brain.model.signals import SignalPlan, Stage

LONGEST_CYCLE_S = 120.0
"""Where no cycle serves the demand, and tlsCycleAdaptation's own limit."""
SHORTEST_CYCLE_S = 30.0
LONGEST_S = 50
"""netconvert's own longest green (``--tls.max-dur``), for who adapts."""


def webster(map_: Map, demand_vph: Mapping[str, np.ndarray], folder: Path) -> Path:
    """Cycle and greens of each junction by itself; offsets as they are."""
    plans = [_webster(plan, map_, demand_vph) for plan in map_.in_service.values()]
    return write_programs(plans, folder / "webster.add.xml")


def _webster(plan: SignalPlan, map_: Map, demand_vph: Mapping[str, np.ndarray]) -> SignalPlan:
    lanes = lane_groups(map_.network.movements_at[plan.junction_id], demand_vph)
    ratios = np.zeros(len(plan.stages))
    for lane in lanes:
        serving = [
            i for i, s in enumerate(plan.stages) if any(s.picture[g] == "G" for g in lane.groups)
        ]
        flow = float(lane.demand_vph.mean()) / lane.saturation_flow_vph
        for i in serving:
            ratios[i] = max(ratios[i], flow / len(serving))
    clearance_s = sum(stage.clearance_s for stage in plan.stages)
    lost_s = clearance_s + len(plan.stages) * (START_UP_LOSS_S - USED_YELLOW_S)
    found = webster_cycle_s(float(ratios.sum()), lost_s) or LONGEST_CYCLE_S
    cycle_s = min(max(found, SHORTEST_CYCLE_S, lost_s + 1), LONGEST_CYCLE_S)
    shares = greens_s(ratios.tolist(), cycle_s, clearance_s)
    greens = tuple(
        max(stage.min_green_s, round(share))
        for stage, share in zip(plan.stages, shares, strict=True)
    )
    return plan.with_greens(greens, "webster")


def controlled(map_: Map, kind: str, folder: Path) -> Path:
    """The plans in file under SUMO's own control ``kind``: ``actuated`` or ``delay_based``.

    Where the file tells no longest green, it is `LONGEST_S`, or what the stage lasts today.
    """
    limited = {
        junction_id: replace(plan, stages=tuple(map(_usually_limited, plan.stages)))
        for junction_id, plan in map_.in_service.items()
    }
    return _adapting(limited, kind, folder / f"{kind}.add.xml")


def _usually_limited(stage: Stage) -> Stage:
    if stage.max_green_s != DEFAULT_MAX_GREEN_S:
        return stage  # the file's own
    return replace(stage, max_green_s=max(LONGEST_S, stage.green_s))


def actuated(plans: Mapping[str, SignalPlan], path: Path, parameters: Mapping[str, float]) -> Path:
    """Plans as programs whose stages last, as vehicles come, from least to greatest green.

    ``parameters``: of SUMO's actuated control, by its keys.
    """
    return _adapting(plans, "actuated", path, parameters)


def _adapting(
    plans: Mapping[str, SignalPlan],
    kind: str,
    path: Path,
    parameters: Mapping[str, float] | None = None,
) -> Path:
    root = ET.Element("additional")
    for plan in plans.values():
        program = ET.SubElement(
            root,
            "tlLogic",
            id=plan.junction_id,
            type=kind,
            programID=kind,
            offset=str(plan.first_stage_offset_s),
        )
        for key, value in (parameters or {}).items():
            ET.SubElement(program, "param", key=key, value=str(value))
        for stage in plan.stages:
            ET.SubElement(
                program,
                "phase",
                duration=str(stage.green_s),
                minDur=str(stage.min_green_s),
                maxDur=str(stage.max_green_s),
                state=stage.picture,
            )
            for interval in stage.clearance:
                ET.SubElement(
                    program, "phase", duration=str(interval.duration_s), state=interval.picture
                )
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def cycle_adaptation(map_: Map, folder: Path) -> Path:
    """Plans of SUMO's tlsCycleAdaptation, which reads vehicles with routes: duarouter first."""
    out = folder / "adaptation.add.xml"
    _tool(
        "tlsCycleAdaptation.py",
        *("-n", str(map_.net_file), "-r", str(_routed(map_, folder)), "-o", str(out)),
        *("-b", str(map_.world.begin_s), "-y", "3"),
        folder=folder,
    )
    return _as_programs(out)


def coordinator(map_: Map, folder: Path) -> Path:
    """Offsets of SUMO's tlsCoordinator for the plans in file, brought to one cycle for it."""
    one_cycle = _common_cycle(map_)
    programs = write_programs(one_cycle, folder / "common.add.xml")
    out = folder / "coordinated.add.xml"
    _tool(
        "tlsCoordinator.py",
        *("-n", str(map_.net_file), "-r", str(_routed(map_, folder))),
        *("-a", str(programs), "-o", str(out)),
        folder=folder,
    )
    offsets = {e.attrib["id"]: e.attrib["offset"] for e in ET.parse(out).getroot()}
    tree = ET.parse(programs)
    for program in tree.getroot():
        program.set("offset", offsets.get(program.attrib["id"], program.attrib["offset"]))
    tree.write(folder / "coordinator.add.xml", encoding="utf-8", xml_declaration=True)
    return folder / "coordinator.add.xml"


def _common_cycle(map_: Map) -> list[SignalPlan]:
    """The plans in file with their commonest cycle: longest greens give or take the difference."""
    cycles = [plan.cycle_s for plan in map_.in_service.values()]
    common = max(sorted(set(cycles)), key=cycles.count)
    changed = []
    for plan in map_.in_service.values():
        greens = list(plan.greens_s)
        while sum(greens) != sum(plan.greens_s) + common - plan.cycle_s:
            longest = greens.index(max(greens))
            greens[longest] += 1 if common > plan.cycle_s + sum(greens) - sum(plan.greens_s) else -1
        changed.append(plan.with_greens(tuple(greens), "common"))
    return changed


def _routed(map_: Map, folder: Path) -> Path:
    """The demand as vehicles that carry their routes."""
    routed = folder / "routed.rou.xml"
    if not routed.exists():
        routes = ET.parse(map_.world.sumocfg).getroot().find("route-files")
        assert routes is not None
        run_tool(
            "duarouter",
            [
                *("-n", str(map_.net_file), "-r", routes.attrib["value"], "-o", str(routed)),
                *("--ignore-errors", "true", "--no-warnings", "true"),
                *("-b", str(map_.world.begin_s), "-e", str(map_.world.end_s)),
            ],
            folder=folder,
        )
    return routed


def _tool(name: str, *arguments: str, folder: Path) -> None:
    command = [sys.executable, str(sumo_home() / "tools" / name), *arguments]
    environment = {**sumo_environment(), "PYTHONPATH": str(sumo_home() / "tools")}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, check=False, timeout=600
    )
    if done.returncode:
        raise SimulationError(f"{name} failed: {last_words(done.stderr)}")


def _as_programs(path: Path) -> Path:
    """Every program under an id that no program in the network has."""
    tree = ET.parse(path)
    for program in tree.getroot().iter("tlLogic"):
        program.set("programID", "adapted")
    tree.write(path, encoding="utf-8", xml_declaration=True)
    return path


def fixed(plans: Mapping[str, SignalPlan], path: Path) -> Path:
    """Plans as SUMO runs them, under an id that no program in the network has."""
    return write_programs((replace(p, plan_id="bench") for p in plans.values()), path)
