"""The check of a city area by area: cut out, judged by the same gate, put together again.

Areas are checked on several processes at a time, and come out the same whatever their number. An
area begins only while the budget lasts; what is left keeps its plans.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from sim_scenarios.areas.candidates import (
    AreaVerdict,
    passed_candidate,
    read_candidates,
    write_candidates,
)
from sim_scenarios.areas.choose import CheckedArea, choose_areas, read_found
from sim_scenarios.areas.cut import Whole, write_cut
from sim_scenarios.areas.verdict import AREAS, city_delay_veh_h, write_city
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.whole import VERDICT_FILE, Question, check_whole
from traffic_brain.errors import SimulationError
from traffic_brain.executor import Engine, run_all
from traffic_brain.model.documents import verdict_from_dict
from traffic_brain.model.reading import read_json
from traffic_brain.model.verdict import Decision, Verdict
from traffic_brain.progress import Progress, silent

NOT_TONIGHT = "not checked tonight: the time for the check was spent on areas with more to save"
MOST_ROUNDS = 2
"""Of an area's screening: with few candidates, what is spent on it lacks in other areas."""
WATCH_S = 2.0


@dataclass(frozen=True)
class AreaTask:
    """All that the check of one area depends on."""

    city: Path
    states: tuple[Path, ...]
    """Tonight's, then earlier days'."""
    out: Path
    """Holds the candidates' plans in ``plans``; the verdict comes to ``verdict``."""
    area: CheckedArea
    seed: int
    params: CheckParams
    journal: Path
    workers: int
    parent: int
    """The process that waits for the result."""
    until_s: float | None
    """Of the epoch; nothing begins later. None: no such limit."""


def check_areas(
    asked: Question,
    out: Path,
    journal: Journal,
    *,
    workers: int | None = None,
    diagnosis: Path | None = None,
    progress: Progress = silent,
) -> int:
    """Judge the candidates area by area and write the verdict on the city into ``out``.

    ``diagnosis`` tells where most can be saved. Returns the number of simulations. Finished ones
    are noted in ``journal``: after a kill they are not done again.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        SimulationError: SUMO failed twice on one run in every area, or the disk is full.
    """
    begun_s = time.time()
    params = replace(asked.params, screen_seeds=min(asked.params.screen_seeds, MOST_ROUNDS))
    workers = workers or os.cpu_count() or 1
    progress(0.0, "choosing areas")
    whole = Whole.read(asked.city, asked.states[:1], asked.network)
    offered = read_candidates(asked.plans)
    changing = {plan["junction_id"] for entry in offered for plan in entry["plans"]}
    told = read_found(whole, diagnosis)
    areas = choose_areas(whole, changing & asked.network.junctions.keys(), told, params.area_size)
    delay_h = city_delay_veh_h(whole)
    del whole
    with _own_folder(out) as work:
        for area in areas:
            write_candidates(offered, area, work / area.area_id / "plans")
        tasks = [
            AreaTask(
                city=asked.city.resolve(),
                states=tuple(state.resolve() for state in asked.states),
                out=work / area.area_id,
                area=area,
                seed=asked.seed,
                params=params,
                journal=journal.folder.resolve(),
                workers=max(1, workers // max(len(areas), 1)),
                parent=os.getpid(),
                until_s=begun_s + params.budget_s if params.budget_s else None,
            )
            for area in areas
        ]
        found = []
        try:
            for done in run_all(check_area, tasks, Engine(workers)):
                found.append(done)
                progress(len(found) / len(tasks), f"area {len(found)} of {len(tasks)}")
        finally:
            _whole.cache_clear()
        _refuse_if_nothing_ran(found)
        for one in found:
            if one.is_judged:
                shutil.copytree(work / one.area.area_id / "verdict", out / AREAS / one.area.area_id)
    passed = passed_candidate(offered, told.corridors, found)
    return write_city(out, found, passed, delay_h, params)


def check_area(task: AreaTask) -> AreaVerdict:
    """Cut an area out and judge the candidates there."""
    if task.until_s is not None and time.time() > task.until_s:
        return _without_runs(task.area, Decision.KEEP, NOT_TONIGHT)
    _end_with(task.parent)
    whole = _whole(task.city, task.states)
    region = whole.region(task.area.junction_ids)
    city, verdict = task.out / "city", task.out / "verdict"
    states = [task.out / f"state{i}" for i in range(len(task.states))]
    try:
        verdict.mkdir()
        network = write_cut(whole, region, city, states)
        asked = Question(network, city, tuple(states), task.out / "plans", task.seed, task.params)
        runs = check_whole(asked, verdict, Journal(task.journal), workers=task.workers)
    except SimulationError as error:
        failure = f"the simulation failed: {error.what}"
        return _without_runs(task.area, Decision.INCONCLUSIVE, failure, failure)
    except OSError as error:
        raise SimulationError(
            f"an area cannot be written in {task.out}: {error.strerror}",
            "make room where the verdict goes",
        ) from error
    finally:
        for folder in (city, *states):
            shutil.rmtree(folder, ignore_errors=True)
    judged = verdict_from_dict(read_json(verdict / VERDICT_FILE))
    return AreaVerdict(
        task.area,
        judged,
        runs,
        ring=tuple(j for j in network.junctions if j not in task.area.junction_ids),
        is_judged=True,
    )


def _without_runs(
    area: CheckedArea, decision: Decision, reason: str, failure: str = ""
) -> AreaVerdict:
    verdict = Verdict(decision, reason, "", (), (), (), None, None)
    return AreaVerdict(area, verdict, 0, (), is_judged=False, failure=failure)


def _refuse_if_nothing_ran(found: Sequence[AreaVerdict]) -> None:
    failures = [one.failure for one in found if one.failure]
    if failures and not any(one.is_judged for one in found):
        raise SimulationError(f"in no area {failures[0]}")


@contextmanager
def _own_folder(out: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as name:
        yield Path(name).resolve()


@lru_cache(maxsize=1)
def _whole(city: Path, states: tuple[Path, ...]) -> Whole:
    """Read once by every process, which then checks one area after the other."""
    return Whole.read(city, states)


@lru_cache(maxsize=1)
def _end_with(parent: int) -> None:
    """End this process soon after the one that waits for its results was killed."""
    if parent == os.getpid():
        return

    def watch() -> None:
        while True:
            time.sleep(WATCH_S)
            try:
                os.kill(parent, 0)
            except OSError:
                os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
