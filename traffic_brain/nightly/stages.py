"""The stages, each bound to its inputs and its folder: the only place where the rooms meet.

A single command and the whole night use the same stages, so that both make the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from traffic_brain.clock import parse_service_day
from traffic_brain.executor import HERE, Engine
from traffic_brain.feeds.column_map import FILE as COLUMN_MAP
from traffic_brain.nightly.folders import judged_plans
from traffic_brain.nightly.manifest import MANIFEST
from traffic_brain.nightly.runner import Stage
from traffic_brain.progress import Progress

if TYPE_CHECKING:
    from optimizers.params import OptimizeParams
    from optimizers.refinement import Refinement
    from optimizers.search import SearchParams
    from sim_scenarios.check import CheckParams
    from sim_scenarios.defects import Defects
    from sim_scenarios.gate.whole import Question
    from sim_scenarios.scenario import PreparedScenario
    from sim_scenarios.spec import ScenarioSpec


def record_stage(
    spec: ScenarioSpec,
    world: PreparedScenario,
    feeds_day: Path,
    truth_day: Path,
    *,
    seed: int,
    defects: Defects,
) -> Stage:
    """A day in the world: the raw feeds as the city would send them and, apart, the truth.

    ``world`` is ``spec`` made ready to run: it tells which files there are to be read.
    """
    from sim_scenarios.world import record

    service_day = parse_service_day(feeds_day.name)
    return Stage(
        name="record",
        inputs=_world_files(world),
        folders=(feeds_day, truth_day),
        work=lambda feeds, truth, progress: (
            record(
                spec,
                feeds,
                truth,
                seed=seed,
                service_day=service_day,
                defects=defects,
                progress=progress,
            ).rows
        ),
        configuration={
            **_world_settings(world),
            "service_day": feeds_day.name,
            "defects": asdict(defects),
        },
        seed=seed,
    )


def import_stage(source: Path, additional: Sequence[Path], city: Path) -> Stage:
    """A road network of any known format, with its signal programs, into a city folder."""
    from network_data.importers import import_any

    return Stage(
        name="import",
        inputs={
            "source": source,
            **{f"additional {i}": path for i, path in enumerate(additional)},
        },
        folders=(city,),
        work=lambda out, progress: import_any(source, additional, out, progress),
        configuration={"source": source.name, "additional": [path.name for path in additional]},
    )


def city_stage(source: Path, city: Path) -> Stage:
    """A city folder as it is tonight: what the night did stays true when the original changes."""
    from network_data.city import load_city

    def work(out: Path, _: Progress) -> dict[str, int]:
        network = load_city(source)
        shutil.copytree(source, out, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
        return {"links": len(network.links), "junctions": len(network.junctions)}

    return Stage(name="city", inputs={"city": source}, folders=(city,), work=work)


def generate_stage(city: Path, *, junctions: int, seed: int) -> Stage:
    """A made-up city of a given size, with demand."""
    from network_data.generated_city import generate

    return Stage(
        name="generate",
        inputs={},
        folders=(city,),
        work=lambda out, progress: generate(out, junctions=junctions, seed=seed, progress=progress),
        configuration={"junctions": junctions},
        seed=seed,
    )


def fuse_stage(
    city: Path, feeds_day: Path, state: Path, *, seed: int, engine: Engine = HERE
) -> Stage:
    """The feeds of a service day into the state of the city.

    ``engine``: where large feeds are read; the result does not depend on it.
    """
    from traffic_brain.fusion.fuse import fuse

    return Stage(
        name="fuse",
        inputs={"city": city, "feeds": feeds_day, **_column_map(feeds_day.parent)},
        folders=(state,),
        work=lambda out, progress: fuse(
            city, feeds_day, out, seed=seed, engine=engine, progress=progress
        ),
        configuration={"service_day": feeds_day.name},
        seed=seed,
    )


def _column_map(feeds: Path) -> dict[str, Path]:
    """How foreign tables are to be read, where the feeds' folder says so for every day."""
    found = feeds / COLUMN_MAP
    return {"columns": found} if found.exists() else {}


def diagnose_stage(city: Path, state: Path, report: Path) -> Stage:
    """The state into bottlenecks, causes and corridors."""
    from traffic_brain.diagnosis.diagnose import diagnose

    return Stage(
        name="diagnose",
        inputs={"city": city, "state": state},
        folders=(report,),
        work=lambda out, progress: diagnose(city, state, out, progress=progress),
    )


def optimize_stage(
    city: Path,
    state: Path,
    report: Path,
    plans: Path,
    *,
    seed: int,
    params: OptimizeParams,
    search: SearchParams | None = None,
    trial: CheckParams | None = None,
    workers: int = 1,
    history: Sequence[Path] = (),
) -> Stage:
    """State and diagnosis into candidates: plans that should be better than those in service.

    ``search``: what may be spent on refining them in the rebuilt city; None: nothing.
    ``trial``: of the check, for what it asks of the rebuilt city.
    ``history``: states of earlier days, the latest first, whose demand counts as well.
    """
    from optimizers.solve import optimize

    refined = search is not None and search.tries > 0

    def work(out: Path, progress: Progress) -> dict[str, int]:
        with ExitStack() as stack:
            refinement = None
            if search is not None and refined:
                journal = plans.resolve().parent / f".search-runs-{plans.name}"
                asked = _question(city, (state, *history), out, seed, trial)
                refinement = stack.enter_context(_refinement(asked, out, journal, search, workers))
            return optimize(
                city,
                state,
                report,
                out,
                seed=seed,
                params=params,
                history=history,
                workers=workers,
                refinement=refinement,
                progress=progress,
            )

    return Stage(
        name="optimize",
        inputs={"city": city, "state": state, "diagnosis": report, **_numbered(history)},
        folders=(plans,),
        work=work,
        configuration={
            **asdict(params),
            "refine": asdict(search) if search and refined else None,
            "rebuilt": asdict(trial) if trial and refined else None,
        },
        seed=seed,
    )


def _question(
    city: Path, states: tuple[Path, ...], plans: Path, seed: int, trial: CheckParams | None
) -> Question:
    from network_data.city import load_city
    from sim_scenarios.check import CheckParams
    from sim_scenarios.gate.bench import MOST_DAYS
    from sim_scenarios.gate.whole import Question

    return Question(load_city(city), city, states[:MOST_DAYS], plans, seed, trial or CheckParams())


@contextmanager
def _refinement(
    asked: Question, out: Path, journal: Path, search: SearchParams, workers: int
) -> Iterator[Refinement]:
    """The search in the rebuilt city; what a kill leaves of its runs, the next one uses."""
    from optimizers.refinement import Refinement
    from sim_scenarios.rebuilt import rebuilt_city

    with rebuilt_city(asked, out, journal, workers) as simulated:
        yield Refinement(simulated, search)


def check_stage(
    city: Path,
    state: Path,
    plans: Path,
    verdict: Path,
    *,
    seed: int,
    params: CheckParams,
    workers: int | None = None,
    history: Sequence[Path] = (),
    diagnosis: Path | None = None,
) -> Stage:
    """Candidates against the plans in service, in SUMO, with paired seeds.

    ``history``: states of earlier days, the latest first, on which they are compared as well.
    ``diagnosis`` tells where a city that is checked area by area is looked at first.
    """
    from sim_scenarios.check import check

    inputs = {"city": city, "state": state, "plans": plans, **_numbered(history)}
    return Stage(
        name="check",
        inputs=inputs if diagnosis is None else {**inputs, "diagnosis": diagnosis},
        folders=(verdict,),
        work=lambda out, progress: check(
            city,
            state,
            plans,
            out,
            seed=seed,
            params=params,
            workers=workers,
            history=history,
            diagnosis=diagnosis,
            progress=progress,
        ),
        configuration=asdict(params),
        seed=seed,
    )


def _numbered(history: Sequence[Path]) -> dict[str, Path]:
    return {f"history {i}": state for i, state in enumerate(history, start=1)}


def package_stage(
    city: Path,
    state: Path,
    plans: Path,
    verdict: Path,
    package: Path,
    *,
    diagnosis: Path | None = None,
    key: Path | None = None,
) -> Stage:
    """The verdict's plans with all that a control room needs to load them, or to go back.

    ``diagnosis`` tells the corridors that the roll-out switches as one; ``key`` signs.
    """
    from traffic_brain.deployment.package import build
    from traffic_brain.deployment.signature import read_key

    plans = judged_plans(plans, verdict)
    inputs = {"city": city, "state": state, "plans": plans, "verdict": verdict}
    further = {"diagnosis": diagnosis, "key": key}
    secret = None if key is None else read_key(key)
    return Stage(
        name="package",
        inputs=inputs | {name: path for name, path in further.items() if path is not None},
        folders=(package,),
        work=lambda out, _: build(
            city, state, plans, verdict, out, diagnosis=diagnosis, key=secret
        ),
    )


def evaluate_stage(
    spec: ScenarioSpec,
    world: PreparedScenario,
    package: Path,
    result: Path,
    *,
    seeds: Sequence[int],
    workers: int | None = None,
) -> Stage:
    """What the package does in the world, on days it was not made from."""
    from traffic_brain.nightly.evaluation import evaluate_package

    return Stage(
        name="evaluate",
        inputs={"package": package, **_world_files(world)},
        folders=(result,),
        work=lambda out, progress: evaluate_package(
            spec, package, out, seeds=seeds, workers=workers, progress=progress
        ),
        configuration={**_world_settings(world), "seeds": list(seeds)},
    )


def report_stage(
    *,
    city: Path,
    state: Path,
    diagnosis: Path,
    plans: Path,
    verdict: Path,
    package: Path,
    world: Path | None,
    report: Path,
) -> Stage:
    """The page, from the folders of the night."""
    from traffic_brain.report.page import write

    inputs = {
        "city": city,
        "state": state,
        "diagnosis": diagnosis,
        "plans": judged_plans(plans, verdict),
        "verdict": verdict,
        "package": package,
    }

    def work(out: Path, progress: Progress) -> dict[str, int]:
        progress(0.0, "writing the page")
        write(**inputs, world=world, out=out)
        return {"pages": 1}

    return Stage(
        name="report",
        inputs=inputs if world is None else {**inputs, "world": world},
        folders=(report,),
        work=work,
    )


def _world_files(world: PreparedScenario) -> dict[str, Path]:
    return {f"world {i}": path for i, path in enumerate(world.source_files)}


def _world_settings(world: PreparedScenario) -> dict[str, object]:
    return {
        "world": world.name,
        "begin_s": world.begin_s,
        "end_s": world.end_s,
        "step_s": world.step_s,
        "time_to_teleport_s": world.time_to_teleport_s,
    }
