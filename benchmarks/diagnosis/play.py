"""One case through the engine: what it calls a bottleneck and why, and what its retiming does.

The engine gets the city as on file and the fused feeds. Its retiming of the bottleneck that it
expects most of is then driven in the world, with the trips of the recorded day and with several
seeds of the simulator, of which the recorded one is the first: near saturation one run alone tells
little. The same runs without the retiming stand beside them; what changes is the plan.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.diagnosis.cases import Case, Recorded, ordinary, recorded
from benchmarks.diagnosis.faults import plant
from benchmarks.diagnosis.worlds import Ready, ready
from network_data.city import load_city
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import ScenarioSpec
from traffic_brain.diagnosis.diagnose import diagnose
from traffic_brain.model.documents import plan_from_dict
from traffic_brain.model.reading import digest, read_json

LEAST_SAVING_VEH_H = 0.5
"""Less is not worth a retiming, and is not driven."""
RUNS, SEED_STEP = 5, 1_000_000


def played(case: Case, out: Path, *, drive: bool = True) -> dict[str, Any] | None:
    """The outcome of a case, kept in ``out``; None: the world has no place for its faults.

    ``drive``: whether the retiming is driven in the world.
    """
    world = ready(case.world, out)
    day = recorded(case, world, out)
    if day is None:
        return None
    folder = day.folder / "diagnosis"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    started = time.process_time()
    diagnose(day.city, day.state, folder)
    cpu_s = time.process_time() - started
    found = read_json(folder / "bottlenecks.json")
    records = read_json(folder / "cases.json")
    outcome = {
        "case": case.name,
        "tuning": case.tuning,
        "junctions": len(load_city(day.city).junctions),
        "cpu_s": cpu_s,
        "bottlenecks": found,
        "records": records,
        "sensors": read_json(folder / "sensors.json"),
        "saving": _saving(case, world, day, out, records) if drive else None,
    }
    (day.folder / "outcome.json").write_text(json.dumps(outcome) + "\n", encoding="utf-8")
    return outcome


def _saving(
    case: Case, world: Ready, day: Recorded, out: Path, records: list[dict[str, Any]]
) -> dict[str, float] | None:
    """Vehicle-hours that the most promising retiming was to save, and did."""
    offers = [r for r in records if r.get("savable_veh_h", 0.0) >= LEAST_SAVING_VEH_H]
    if not offers:
        return None
    offer = max(offers, key=lambda r: float(r["savable_veh_h"]))
    before = _lost_veh_h(case, world, day, out, None)
    after = _lost_veh_h(case, world, day, out, offer["retimed"])
    return {
        "predicted_veh_h": float(offer["savable_veh_h"]),
        "true_veh_h": float(np.mean(before) - np.mean(after)),
        "before_veh_h": float(np.mean(before)),
    }


def _lost_veh_h(
    case: Case, world: Ready, day: Recorded, out: Path, retimed: dict[str, Any] | None
) -> list[float]:
    """Vehicle-hours lost in the world in each run, as planted or with a plan; remembered."""
    name = digest(retimed)[:16] if retimed else "as-planted"
    memory = day.folder / "driven" / f"{name}-{RUNS}-runs.json"
    if not memory.is_file():
        work = day.folder / ".driven"
        shutil.rmtree(work, ignore_errors=True)
        spec = _planted(case, world, day, out, work, retimed)
        prepared = prepare(spec, work / "prepared")
        lost = []
        for k in range(RUNS):
            result = run(RunRequest(prepared, case.seed + SEED_STEP * k, work / f"run-{k}"))
            delay = summarise(result)
            lost.append(delay.delay_s_per_veh * delay.vehicles / 3600)
        memory.parent.mkdir(exist_ok=True)
        memory.write_text(json.dumps(lost) + "\n", encoding="utf-8")
        shutil.rmtree(work)
    known: list[float] = read_json(memory)
    return known


def _planted(
    case: Case, world: Ready, day: Recorded, out: Path, work: Path, retimed: dict[str, Any] | None
) -> ScenarioSpec:
    """The world with the case's faults, and with a plan of the engine's."""
    name = f"{case.world.name}/{case.seed}/{day.about['attempt']}"
    planted = plant(case.kinds, world, ordinary(world, out), name, work)
    assert planted is not None
    plans = dict(planted.plans)
    if retimed:
        plan = plan_from_dict(retimed)
        plans[plan.junction_id] = plan
    return world.configuration(
        work / "world",
        case.seed,
        [plans[j] for j in sorted(plans)],
        scale=planted.scale,
        additional=planted.additional,
    )
