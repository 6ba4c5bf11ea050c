"""What a package does in the world: the figure that counts, out of sample."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean, median

from sim_scenarios.compare import paired_change
from sim_scenarios.spec import ScenarioSpec
from sim_scenarios.world import evaluate
from traffic_brain.model.documents import plans_from_dict
from traffic_brain.model.reading import read_json
from traffic_brain.progress import Progress, silent


def evaluate_package(
    spec: ScenarioSpec,
    package: Path,
    out: Path,
    *,
    seeds: Sequence[int],
    workers: int | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Drive the world under the old and the new plans; write ``out/result.json``.

    The document holds, in seconds per vehicle (time loss + departure delay, all vehicles), the
    delay of each seed, means and medians, and the mean paired change with its 95 % interval. A
    package without plans leaves the city as it is: then there is a before, and no after.

    Raises:
        DataRefused: ``package`` holds no plans document.
        SimulationError: a run failed.
    """
    plans_file = package / "plans.json"
    deployed = bool(plans_from_dict(read_json(plans_file), str(plans_file)))
    days = evaluate(
        spec,
        plans_file if deployed else None,
        seeds,
        workdir=out,
        workers=workers,
        progress=progress,
    )
    before = [day.delay_s_per_veh for day in days.in_service]
    after = [day.delay_s_per_veh for day in days.proposed]
    change, change_ratio = paired_change(before, after) if deployed else (None, None)
    document = {
        "deployed": deployed,
        "seeds": list(seeds),
        "in_service_delay_s_per_veh": before,
        "proposed_delay_s_per_veh": after,
        "before_mean_s": fmean(before),
        "before_median_s": median(before),
        "after_mean_s": fmean(after) if after else None,
        "after_median_s": median(after) if after else None,
        "change_s_per_veh": asdict(change) if change else None,
        "change_ratio": asdict(change_ratio) if change_ratio else None,
        "in_service": [asdict(day) for day in days.in_service],
        "proposed": [asdict(day) for day in days.proposed],
    }
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    (out / "result.json").write_text(text + "\n", encoding="utf-8")
    return {"runs": len(before) + len(after)}
