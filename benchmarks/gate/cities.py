"""A world recorded and handed to the engine, up to its candidates; and the world as the judge."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

from benchmarks.other_days import redraw
from network_data.city import load_city
from network_data.importers import import_any
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.solve import optimize
from sim_scenarios.conditions import ORDINARY
from sim_scenarios.outputs import summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec
from sim_scenarios.world import record
from traffic_brain.diagnosis.diagnose import diagnose
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.fuse import fuse
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import digest
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

DAY = date(2026, 11, 2)
FIRST_TRUE_SEED = 9_000_000
"""Of the world's days on which plans are judged; no stage of the engine has seen one of them."""


def content_of(plans: Sequence[SignalPlan]) -> str:
    """The same text for the same plans, whatever they are called."""
    unnamed = [replace(plan, plan_id="") for plan in plans]
    return hashlib.sha256(plans_to_json(unnamed).encode()).hexdigest()[:16]


def recorded(spec: ScenarioSpec, out: Path, seed: int) -> RecordedCity:
    """The world's folder in ``out``; every seed has its own, and so has an unusual day."""
    unusual = "" if spec.conditions == ORDINARY else f"-{digest(repr(spec.conditions))[:8]}"
    return RecordedCity(spec, out.resolve() / f"{spec.name}-{seed}{unusual}", seed)


@dataclass(frozen=True)
class RecordedCity:
    """A world in a folder: what the engine saw and made of it, and the world itself."""

    spec: ScenarioSpec
    folder: Path
    seed: int

    def stage(self, name: str, work: Callable[[Path], object]) -> Path:
        """The folder of a stage, made when it is not there; a torn one is made again."""
        target = self.folder / name
        if not target.exists():
            aside = self.folder / f".{name}"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            work(aside)
            aside.rename(target)
        return target

    @cached_property
    def feeds(self) -> Path:
        """The day's raw feeds with their truth beside them."""

        def work(out: Path) -> None:
            feeds = out / "feeds" / DAY.isoformat()
            record(self.spec, feeds, out / "truth", seed=self.seed, service_day=DAY)

        return self.stage("recorded", work) / "feeds" / DAY.isoformat()

    @property
    def truth(self) -> Path:
        """What really happened on the recorded day."""
        return self.feeds.parents[1] / "truth"

    @cached_property
    def city(self) -> Path:
        """The road network as the engine imports it."""

        def work(out: Path) -> None:
            world = prepare(self.spec, out.with_name(".prepared"))
            net, additional = world.network_sources()
            import_any(net, additional, out, silent)

        return self.stage("city", work)

    @cached_property
    def state(self) -> Path:
        """The fused day."""
        return self.stage("state", lambda out: fuse(self.city, self.feeds, out, seed=self.seed))

    @cached_property
    def diagnosis(self) -> Path:
        """Bottlenecks and corridors."""
        return self.stage("diagnosis", lambda out: diagnose(self.city, self.state, out))

    @cached_property
    def plans(self) -> Path:
        """The optimiser's candidates."""
        folders = self.city, self.state, self.diagnosis
        return self.stage("plans", lambda out: optimize(*folders, out, seed=self.seed))

    @cached_property
    def network(self) -> RoadNetwork:
        """The road network."""
        return load_city(self.city)

    @cached_property
    def problem(self) -> City:
        """The junctions that may be retimed, with their demand."""
        folders = self.city, self.state, self.diagnosis
        return read_problem(*folders, OptimizeParams(), self.seed)

    def delays_s(
        self, plans: Sequence[SignalPlan], count: int, *, same_trips: bool = False
    ) -> list[float]:
        """Delay per vehicle in the world under plans, on its first ``count`` days; remembered.

        Without plans, those in service run. A day has trips of its own, drawn from those of the
        recorded day; with ``same_trips`` it has the same ones to the second, and so have all days
        of a world whose demand is told in streams.
        """
        name = content_of(plans) if plans else "in-service"
        path = self.folder / ("days" if same_trips else "other-days") / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        known: list[float] = json.loads(path.read_text("utf-8")) if path.is_file() else []
        if len(known) < count:
            work = self.folder / f".work-{name}"
            shutil.rmtree(work, ignore_errors=True)
            retimed = frozenset(plan.junction_id for plan in plans)
            world = prepare(self.spec, work, retimed=retimed)
            programs = (write_programs(plans, work / "plans.add.xml"),) if plans else ()
            for number in range(len(known), count):
                seed = FIRST_TRUE_SEED + number
                day = world if same_trips else _other_day(world, work / f"day-{number}", seed)
                result = run(RunRequest(day, seed, work / str(number), additional=programs))
                known.append(summarise(result).delay_s_per_veh)
                path.write_text(json.dumps(known), encoding="utf-8")
            shutil.rmtree(work)
        return known[:count]


def _other_day(world: PreparedScenario, folder: Path, seed: int) -> PreparedScenario:
    """The world with other trips; as it is where no trip is told by itself."""
    configuration = folder / "world.sumocfg"
    try:
        redraw(world, configuration, seed)
    except DataRefused:
        return world
    return replace(world, sumocfg=configuration)
