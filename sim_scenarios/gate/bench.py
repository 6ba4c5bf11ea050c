"""Plans on drawn days: every run is simulated, read, noted and thrown away.

A seed's demand is drawn from one of the service days that are known, each in its turn, so that a
plan which suits tonight's day alone shows it.

A run that fails, hangs, or leaves outputs that are broken or do not agree is repeated once, and
is an error after that: no verdict comes from half the runs.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from sim_scenarios.demand import USUAL_DRIVERS, Drivers, Vehicle, draw, write_draw
from sim_scenarios.gate.figures import (
    EMISSION_OPTIONS,
    Ints,
    RunFigures,
    Ways,
    read_figures,
    ways_of,
)
from sim_scenarios.gate.journal import Journal
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, run, spread
from sim_scenarios.scenario import PreparedScenario, assemble
from sim_scenarios.silence import silenced
from traffic_brain.errors import SimulationError
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress

IN_SERVICE = "in service"
LITTLE_ROOM_BYTES = 2**24


MOST_DAYS = 6
"""Seeds of the check lie 7 apart: with so many days or fewer, each comes in its turn."""


def running_id(plan: SignalPlan) -> str:
    """The program of a plan that runs beside the register; SUMO wants other ids for others."""
    return f"running.{plan.plan_id}"


@dataclass(frozen=True)
class Candidate:
    """Plans to be judged; without any it stands for the plans in service."""

    candidate_id: str
    plans: tuple[SignalPlan, ...] = ()
    additional: Path | None = None
    """The plans as SUMO loads them, after the city's own signals."""


@dataclass(frozen=True)
class DoneRun:
    """A run that ended well."""

    candidate_id: str
    seed: int
    phase: str
    figures: RunFigures


@dataclass(frozen=True)
class KnownDay:
    """A service day as it was rebuilt: which of the bench's vehicles drove, and when."""

    vehicles: range
    window: Window


@dataclass(frozen=True)
class _Day:
    scenario: PreparedScenario
    drawn: Ints
    """int64: the vehicle of each id in the route file."""


@dataclass
class Bench:
    """Runs plans on drawn days and remembers every run."""

    network: RoadNetwork
    net_file: Path
    signals: Path
    state: State
    vehicles: list[Vehicle]
    folder: Path
    journal: Journal
    timeout_s: float
    workers: int | None = None
    running: tuple[SignalPlan, ...] = ()
    """Plans that ran though ``signals`` does not hold them: the city's register is older."""
    days: tuple[KnownDay, ...] = ()
    """At most `MOST_DAYS`, tonight's first; left out: all vehicles are tonight's."""
    drivers: Drivers = USUAL_DRIVERS
    """Of the cars; the calibration chooses them."""
    done: list[DoneRun] = field(default_factory=list)
    _days: dict[tuple[int, float, Path, Drivers, int], _Day] = field(default_factory=dict)
    _signals: dict[frozenset[str], Path] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.days = self.days or (KnownDay(range(len(self.vehicles)), self.state.window),)

    @cached_property
    def ways(self) -> Ways:
        """The turns of all vehicles."""
        return ways_of(self.vehicles, self.network)

    def run(
        self,
        pairs: Sequence[tuple[Candidate, int]],
        phase: str | None,
        scale: float | Sequence[float],
        progress: Progress,
        *,
        places: bool = False,
        tonight: bool = False,
    ) -> list[RunFigures]:
        """Simulate (candidate, seed) pairs; with ``places``, where the time was spent as well.

        Runs without a ``phase`` are not listed in ``done``. ``scale``: of the demand, one for all
        or each pair's own. ``tonight``: all draw their demand from tonight's day.

        Raises:
            SimulationError: a run failed twice, or the disk is full.
        """
        scales = [scale] * len(pairs) if isinstance(scale, int | float) else scale
        try:
            tasks = [
                (
                    self.request(c, seed, phase, times, places=places, tonight=tonight),
                    self._day(seed, times, c, tonight=tonight).drawn,
                )
                for (c, seed), times in zip(pairs, scales, strict=True)
            ]
        except OSError as error:
            raise SimulationError(
                f"the demand of a run cannot be written: {error.strerror}",
                "make room where the verdict goes",
            ) from error

        def one(idx: int, report: Progress) -> RunFigures:
            return self._one(*tasks[idx], report, places)

        def some(chosen: Sequence[int]) -> list[RunFigures | SimulationError]:
            return spread(
                lambda n, report: one(chosen[n], report),
                len(chosen),
                workers=self.workers,
                progress=progress,
            )

        results = some(range(len(tasks)))
        failed = [i for i, result in enumerate(results) if isinstance(result, SimulationError)]
        for i, again in zip(failed, some(failed), strict=True):
            results[i] = again
        found = []
        for (candidate, seed), figures in zip(pairs, results, strict=True):
            if isinstance(figures, SimulationError):
                raise figures
            if phase is not None:
                self.done.append(DoneRun(candidate.candidate_id, seed, phase, figures))
            found.append(figures)
        return found

    def _one(self, request: RunRequest, drawn: Ints, report: Progress, places: bool) -> RunFigures:
        key = self.journal.key(request)
        known = self.journal.find(key)
        if known is not None and (known.places is not None or not places):
            report(1.0, f"seed {request.seed}: known")
            return known
        try:
            result = run(request, timeout_s=self.timeout_s, progress=report)
            figures = read_figures(result, *((self.ways, drawn) if places else ()))
        except (OSError, SimulationError) as error:
            raise self._failure(error) from error
        finally:
            shutil.rmtree(request.folder, ignore_errors=True)
        self.journal.keep(key, figures)
        return figures

    def _failure(self, error: OSError | SimulationError) -> SimulationError:
        """The error itself, or what lies behind it: SUMO does not always tell of a full disk."""
        if shutil.disk_usage(self.folder).free < LITTLE_ROOM_BYTES:
            return SimulationError(
                f"the disk of {self.folder.parent} is full", "make room; finished runs are kept"
            )
        return error if isinstance(error, SimulationError) else SimulationError(str(error))

    def request(
        self,
        candidate: Candidate,
        seed: int,
        phase: str | None,
        scale: float,
        *,
        places: bool,
        tonight: bool = False,
    ) -> RunRequest:
        """One run, with its demand written."""
        name = candidate.candidate_id.replace(" ", "-")
        return RunRequest(
            scenario=self._day(seed, scale, candidate, tonight=tonight).scenario,
            seed=seed,
            folder=self.folder / f"run-{phase}-{name}-{seed}",
            # of several programs the one that is loaded last runs
            additional=tuple(p for p in (self._running_file, candidate.additional) if p),
            options=EMISSION_OPTIONS if places else (),
            vehicle_routes=places,
        )

    def _day(self, seed: int, scale: float, candidate: Candidate, *, tonight: bool) -> _Day:
        """The scenario of a seed's demand, written when first asked for."""
        signals = self._signals_beside(candidate)
        number = 0 if tonight else seed % len(self.days)
        key = (seed, scale, signals, self.drivers, number)
        if key not in self._days:
            day = self.days[number]
            mine = self.vehicles[day.vehicles.start : day.vehicles.stop]
            folder = self.folder / f"day-{len(self._days)}-{seed}-{scale}"
            folder.mkdir()
            departures, drawn = draw(mine, seed, scale)
            routes = folder / "trips.rou.xml"
            write_draw(departures, drawn, mine, routes, self.drivers)
            scenario = assemble(
                "rebuilt city",
                folder,
                net=self.net_file,
                routes=(routes,),
                additional=(signals,),
                begin_s=day.window.begin_s,
                end_s=day.window.end_s,
                time_to_teleport_s=-1,
                options={"ignore-route-errors": "true"},
            )
            drawn_here = np.asarray(drawn, dtype=np.int64) + day.vehicles.start
            self._days[key] = _Day(scenario, drawn_here)
        return self._days[key]

    @cached_property
    def _running_file(self) -> Path | None:
        """What the controllers run beside the city's register, as SUMO loads it."""
        if not self.running:
            return None
        renamed = (replace(plan, plan_id=running_id(plan)) for plan in self.running)
        return write_programs(renamed, self.folder / "running.add.xml")

    def _signals_beside(self, candidate: Candidate) -> Path:
        """The city's signals, whose schedules must not switch other plans away."""
        retimed = frozenset(plan.junction_id for plan in (*self.running, *candidate.plans))
        if retimed not in self._signals:
            self._signals[retimed] = silenced(self.signals, self.folder, retimed)
        return self._signals[retimed]
