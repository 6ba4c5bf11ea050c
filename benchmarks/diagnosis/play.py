"""One case through the engine: what it calls a bottleneck and why, and what its retiming does.

The engine gets the city as on file and the fused feeds. Its retiming of the bottleneck that it
expects most of is then driven in the world, on the recorded day itself: what changes is the plan.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from benchmarks.diagnosis.cases import Case, Recorded, ordinary, recorded
from benchmarks.diagnosis.faults import plant
from benchmarks.diagnosis.worlds import Ready, ready
from network_data.city import load_city
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import prepare
from traffic_brain.diagnosis.diagnose import diagnose
from traffic_brain.model.documents import plan_from_dict
from traffic_brain.model.reading import digest, read_json

LEAST_SAVING_VEH_H = 0.5
"""Less is not worth a retiming, and is not driven."""


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
    plan = plan_from_dict(offer["retimed"])
    about = day.about
    memory = day.folder / "driven" / f"{digest(offer['retimed'])[:16]}.json"
    if not memory.is_file():
        work = day.folder / ".driven"
        shutil.rmtree(work, ignore_errors=True)
        name = f"{case.world.name}/{case.seed}/{about['attempt']}"
        planted = plant(case.kinds, world, ordinary(world, out), name, work)
        assert planted is not None
        plans = {**planted.plans, plan.junction_id: plan}
        spec = world.configuration(
            work / "world",
            case.seed,
            [plans[j] for j in sorted(plans)],
            net=planted.net,
            scale=planted.scale,
            additional=planted.additional,
        )
        result = run(RunRequest(prepare(spec, work / "prepared"), case.seed, work / "run"))
        after = summarise(result)
        memory.parent.mkdir(exist_ok=True)
        told = {"lost_veh_h": after.delay_s_per_veh * after.vehicles / 3600}
        memory.write_text(json.dumps(told) + "\n", encoding="utf-8")
        shutil.rmtree(work)
    lost = read_json(memory)["lost_veh_h"]
    before = about["delay_s_per_veh"] * about["vehicles"] / 3600
    return {
        "predicted_veh_h": float(offer["savable_veh_h"]),
        "true_veh_h": before - lost,
        "before_veh_h": before,
    }
