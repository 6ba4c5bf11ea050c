"""Everything that ``traffic-brain bench loop`` does.

A world runs for some days. Each night the engine sees the feeds of the day alone, plans, checks,
and packs; the next day the world runs with what was deployed, with other seeds, trips and numbers
of vehicles. In one *arm* feeds are as they are recorded; in the other one fault a night is added.
Delay is the mean of time loss + departure delay over all vehicles, those that never got in counted
with the full wait; no teleports. Every run of a day is paired with one that keeps the plans which
were in service at the beginning, and with one that keeps those of the day before.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.degradation.faults import FAULTS, Raw
from benchmarks.loop.days import Days, service_day
from network_data.importers import import_any
from optimizers.search import UNASKED
from sim_scenarios.spec import find
from sim_scenarios.world import evaluate, record
from traffic_brain.errors import TrafficBrainError
from traffic_brain.model.documents import plans_from_dict, plans_to_json
from traffic_brain.model.reading import read_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.nightly.night import run_night
from traffic_brain.nightly.runner import Nobody
from traffic_brain.nightly.settings import EACH_DAY, NightSettings
from traffic_brain.progress import Progress, silent

CLEAN, FAULTY = "clean", "faulty"
ARMS = (CLEAN, FAULTY)


@dataclass(frozen=True)
class DayFigures:
    """One night, and the day after it; delays in s per vehicle, one for each run."""

    world: str
    arm: str
    day: int
    demand_ratio: float
    fault: str
    decision: str
    changed: tuple[str, ...]
    """Junctions that got another plan."""
    kept_s: tuple[float, ...]
    before_s: tuple[float, ...]
    """With the plans of the day before."""
    after_s: tuple[float, ...]
    cpu_s: float

    @property
    def change_ratio(self) -> float:
        """Against the plans that were in service at the beginning."""
        return fmean(self.after_s) / fmean(self.kept_s) - 1.0

    @property
    def night_ratio(self) -> float:
        """What this night alone did."""
        return fmean(self.after_s) / fmean(self.before_s) - 1.0


def measure(
    worlds: Sequence[str],
    out: Path,
    *,
    days: int = 5,
    runs: int = 3,
    arms: Sequence[str] = ARMS,
    seed: int = 0,
    tries: int | None = None,
    workers: int = 0,
    progress: Progress = silent,
) -> list[DayFigures]:
    """Figures of every world, arm and day, from ``out`` where they were made before.

    ``tries``: changes that the search of each night tries in the rebuilt city; 0: no search; None:
        as a night does of itself.
    """
    found = []
    todo = [(world, arm) for world in worlds for arm in arms]
    for i, (world, arm) in enumerate(todo):
        folder = out / find(world).name
        loop = Loop(Days(world, seed, folder), arm, folder / arm, runs, tries, workers)
        for day in range(1, days + 1):
            progress((i + (day - 1) / days) / len(todo), f"{world}, {arm} feeds: day {day}")
            found.append(loop.figures(day))
    return found


@dataclass(frozen=True)
class Loop:
    """One world in one arm; what is finished is not done again."""

    days: Days
    arm: str
    folder: Path
    runs: int
    tries: int | None
    workers: int

    def figures(self, day: int) -> DayFigures:
        """The night before a day, and the day."""
        path = self.folder / f"day-{day}.json"
        question = {
            "seed": self.days.seed,
            "runs": self.runs,
            "tries": asdict(UNASKED) if self.tries is None else self.tries,
            "sumo": version("eclipse-sumo"),
        }
        if path.exists():
            stored = read_json(path)
            if stored.pop("question") == question:
                return DayFigures(**{k: _frozen(v) for k, v in stored.items()})
        found = self._measure(day)
        text = json.dumps(asdict(found) | {"question": question}, indent=1, ensure_ascii=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(path)
        return found

    def _measure(self, day: int) -> DayFigures:
        started = time.process_time() + _children_s()
        before = self._plans(day - 1)
        fault = self._record(day - 1, before)
        decision, package = self._night(day - 1)
        new = {j: plan for j, plan in package.items() if plan != before.get(j)}
        self._deploy(day, before | new)
        kept, after = self._driven(day, before | new)
        old = self._before(day, before, kept) if new else after
        return DayFigures(
            world=self.days.name,
            arm=self.arm,
            day=day,
            demand_ratio=round(self.days.demand_ratio(day), 4),
            fault=fault,
            decision=decision,
            changed=tuple(sorted(new)),
            kept_s=kept,
            before_s=old,
            after_s=after,
            cpu_s=round(time.process_time() + _children_s() - started, 1),
        )

    def _record(self, day: int, deployed: Mapping[str, SignalPlan]) -> str:
        """Make the feeds of a day, and break what breaks; tells what it was."""
        feeds = self.folder / "feeds" / service_day(day).isoformat()
        shutil.rmtree(feeds, ignore_errors=True)
        record(
            self.days.spec(day),
            feeds,
            self.folder / "truth" / feeds.name,
            seed=self.days.run_seed(day, 0),
            service_day=service_day(day),
            plans_file=self._file(day) if deployed else None,
        )
        if self.arm == CLEAN:
            return "none"
        fault = self.days.fault(day)
        FAULTS[fault](Raw(feeds, self._city(), self.days.run_seed(day, 0)))
        return fault

    def _night(self, day: int) -> tuple[str, dict[str, SignalPlan]]:
        """What the engine makes of a day's feeds: its decision, and the plans of its package."""
        settings = NightSettings(
            city=self._city(),
            feeds=self.folder / "feeds",
            service_day=service_day(day),
            out=self.folder / "nights" / EACH_DAY,
            seed=self.days.seed + day,
            refine=None if self.tries is None else {"tries": self.tries},
            workers=self.workers,
        )
        try:
            summary = run_night(settings, Nobody())
        except TrafficBrainError as error:  # such a night leaves the plans as they are
            return f"refused: {error.what}", {}
        plans = plans_from_dict(read_json(summary.folders.package / "plans.json"))
        return str(summary.verdict["decision"]), {plan.junction_id: plan for plan in plans}

    def _driven(
        self, day: int, plans: Mapping[str, SignalPlan]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Delay of a day's runs with the plans of the beginning, and with these."""
        seeds = [self.days.run_seed(day, run) for run in range(self.runs)]
        file = None
        if plans:
            file = self.folder / "driven.json"
            file.write_text(plans_to_json(list(plans.values())), encoding="utf-8")
        spec, workers = self.days.spec(day), self.workers or None
        found = evaluate(spec, file, seeds, workdir=self.folder, workers=workers)
        kept = tuple(d.delay_s_per_veh for d in found.in_service)
        return kept, tuple(d.delay_s_per_veh for d in found.proposed) or kept

    def _before(
        self, day: int, plans: Mapping[str, SignalPlan], kept: tuple[float, ...]
    ) -> tuple[float, ...]:
        return self._driven(day, plans)[1] if plans else kept

    def _city(self) -> Path:
        city = self.days.folder / "city"
        if not (city / "junctions.json").is_file():
            city.mkdir(parents=True, exist_ok=True)
            net, additional = self.days.world.network_sources()
            import_any(net, additional, city, silent)
        return city

    def _file(self, day: int) -> Path:
        return self.folder / f"deployed-{day}.json"

    def _plans(self, day: int) -> dict[str, SignalPlan]:
        """Deployed plans that run on a day, where they differ from those of the beginning."""
        if day == 0:
            return {}
        plans = plans_from_dict(read_json(self._file(day)))
        return {plan.junction_id: plan for plan in plans}

    def _deploy(self, day: int, plans: Mapping[str, SignalPlan]) -> None:
        self._file(day).write_text(plans_to_json(list(plans.values())), encoding="utf-8")


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _children_s() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
