"""The process of one run: plans for a corridor, the check, the package; each a stage of a night.

``python -m traffic_brain.console.run_worker FOLDER`` reads ``run.json`` there.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from traffic_brain.console.runs import FAILED, MODIFIED, PROGRESS, Kind, Request, read_request
from traffic_brain.errors import DataRefused, TrafficBrainError
from traffic_brain.model.documents import (
    corridor_from_dict,
    plan_to_dict,
    plans_from_dict,
)
from traffic_brain.model.findings import Corridor
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.nightly.folders import judged_plans
from traffic_brain.nightly.runner import Stage, run_stages
from traffic_brain.nightly.stages import check_stage, package_stage
from traffic_brain.progress import Progress

SHARES = {"optimize": (0.0, 0.1), "check": (0.1, 0.97), "package": (0.97, 1.0)}
"""Of the bar, by stage: the check takes nearly all of the time."""
_AGAIN_S = 0.5


class Notebook:
    """A watcher that notes the progress where the console reads it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last_s = 0.0

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        low, high = SHARES[name]

        def note(done_ratio: float, message: str) -> None:
            now_s = time.monotonic()
            if now_s - self._last_s < _AGAIN_S:
                return
            self._last_s = now_s
            self._write(low + (high - low) * min(max(done_ratio, 0.0), 1.0), name, message)

        self._write(low, name, "")
        return nullcontext(note)

    def unchanged(self, name: str) -> None:
        self._write(SHARES[name][1], name, "")

    def _write(self, done_ratio: float, stage: str, message: str) -> None:
        document = {"done_ratio": round(done_ratio, 4), "stage": stage, "message": message}
        new = self._path.with_name(f".{self._path.name}")
        new.write_text(to_json(document), encoding="utf-8")
        new.replace(self._path)


def work(folder: Path) -> None:
    """Run the stages of a run's folder.

    Raises:
        TrafficBrainError: as a stage raises it.
    """
    request = read_request(folder)
    for _ in run_stages(_stages(folder, request), folder, Notebook(folder / PROGRESS)):
        pass


def _stages(folder: Path, request: Request) -> Iterator[Stage]:
    from sim_scenarios.check import CheckParams

    night = folder.parent.parent
    city, state, diagnosis = night / "city", night / "state", night / "diagnosis"
    plans = folder / MODIFIED
    if not plans.is_dir():
        plans = folder / "plans"
        yield _plans_stage(night, request, plans)
    params = replace(CheckParams(), confirm_seeds=request.confirm_seeds)
    yield check_stage(
        city,
        state,
        plans,
        folder / "verdict",
        seed=request.seed,
        params=params,
        workers=len(os.sched_getaffinity(0)),
    )
    yield package_stage(
        city, state, plans, folder / "verdict", folder / "package", diagnosis=diagnosis
    )


def _plans_stage(night: Path, request: Request, plans: Path) -> Stage:
    """Candidates for one corridor; all other junctions keep what runs."""
    inputs = {name: night / name for name in ("city", "state", "diagnosis")}
    by_hand = request.kind is Kind.CHECK
    if by_hand:
        source = night if not request.from_run else night / "runs" / request.from_run
        inputs |= {"plans": source / "plans", "verdict": source / "verdict"}

    def work(out: Path, progress: Progress) -> Mapping[str, int]:
        found = _by_hand(inputs, request) if by_hand else _optimised(night, request, progress)
        (out / "candidates.json").write_text(to_json({"candidates": found}), encoding="utf-8")
        (out / "summary.json").write_text(
            to_json({"candidates": len(found), "corridor_id": request.corridor_id}),
            encoding="utf-8",
        )
        return {"candidates": len(found)}

    settings = {k: v for k, v in asdict(request).items() if k not in ("who", "at")}
    return Stage("optimize", inputs, (plans,), work, settings, request.seed)


def _optimised(night: Path, request: Request, progress: Progress) -> list[dict[str, Any]]:
    """The recipe of the night, for this corridor's junctions alone."""
    from optimizers.candidates import changed_junctions
    from optimizers.params import OptimizeParams
    from optimizers.problem import read_problem
    from optimizers.solve import solve

    params = OptimizeParams(max_candidates=request.candidates)
    folders = (night / "city", night / "state", night / "diagnosis")
    city = read_problem(*folders, params, request.seed)
    corridor = _corridor(night, request.corridor_id)
    here = {j: city.problems[j] for j in corridor.junction_ids if j in city.problems}
    if not here:
        reasons = [f"{j}: {city.held.get(j, 'unknown')}" for j in corridor.junction_ids]
        raise DataRefused("no junction of the corridor can be retimed", "choose another", reasons)
    found = solve(replace(city, problems=here, corridors=(corridor,)), params, progress)
    return [
        _candidate(
            candidate.candidate_id,
            candidate.description,
            [candidate.plans[j] for j in changed_junctions(candidate, here)],
            round(candidate.delay_s_per_veh, 3),
        )
        for candidate in found
    ]


def _by_hand(inputs: Mapping[str, Path], request: Request) -> list[dict[str, Any]]:
    """The plans that were changed, with the offsets set by hand."""
    chosen = read_json(inputs["verdict"] / "verdict.json")["candidate_id"]
    running = plans_from_dict(read_json(inputs["state"] / "running_plans.json"), "running plans")
    plans = {plan.junction_id: plan for plan in running}
    proposed: dict[str, SignalPlan] = {}
    plans_folder = judged_plans(inputs["plans"], inputs["verdict"])
    for candidate in read_json(plans_folder / "candidates.json")["candidates"]:
        if candidate["candidate_id"] == chosen:
            listed = plans_from_dict({"plans": candidate["plans"]}, chosen)
            proposed = {plan.junction_id: plan for plan in listed}
    changed = {
        j: replace(proposed.get(j, plans[j]).with_offset(offset), plan_id=f"{j}-by-hand")
        for j, offset in request.offsets_s.items()
    }
    return [_candidate("by-hand", "offsets set by hand", [*{**proposed, **changed}.values()], None)]


def _corridor(night: Path, corridor_id: str) -> Corridor:
    for document in read_json(night / "diagnosis" / "corridors.json"):
        if document["corridor_id"] == corridor_id:
            return corridor_from_dict(document)
    raise DataRefused(f"there is no corridor {corridor_id}", "choose one of the night's")


def _candidate(
    candidate_id: str, description: str, plans: list[SignalPlan], delay_s_per_veh: float | None
) -> dict[str, Any]:
    """One entry of ``candidates.json``."""
    return {
        "candidate_id": candidate_id,
        "description": description,
        "predicted_delay_s_per_veh": delay_s_per_veh,
        "plans": [plan_to_dict(plan) for plan in plans],
        "corridors": [],
    }


def main(arguments: list[str]) -> int:
    """Work in the folder that is given; a failure is noted beside what was finished."""
    folder = Path(arguments[0])
    try:
        work(folder)
    except TrafficBrainError as error:
        (folder / FAILED).write_text(to_json({"reason": str(error)}), encoding="utf-8")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
