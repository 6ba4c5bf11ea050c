"""Controllers that look at the street and choose stages: ours to compare with, and yours.

A controller is a class as `Controller` describes it; ``docs/examples/longest_queue.py`` is one.
``traffic-brain bench plans --controller longest_queue:LongestQueue`` runs it beside the others.
Where lamps change, 3 s of yellow are shown first, as in RESCO.
"""

from __future__ import annotations

import hashlib
import inspect
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from benchmarks.plans.maps import Map
from sim_scenarios.run import RunRequest, RunResult, run
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.model.network import RoadNetwork

YELLOW_S = 3
T = TypeVar("T")

Junctions = Mapping[str, tuple[str, ...]]
"""Signalised junctions with stages in file: id -> picture (SUMO's letters) of each stage."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a controller sees before it decides.

    ``vehicles`` and ``standing`` (slower than 0.1 m/s): numbers on each of the lanes it asked for,
    ``<link>_<lane>``. ``stage_idx``: what each junction shows.
    """

    time_s: int
    vehicles: Mapping[str, int]
    standing: Mapping[str, int]
    stage_idx: Mapping[str, int]


@runtime_checkable
class Controller(Protocol):
    """Chooses the stage of every junction each ``decision_s`` seconds (more than `YELLOW_S`)."""

    decision_s: int

    def start(self, network: RoadNetwork, junctions: Junctions) -> Collection[str]:
        """Called once before the run; returns the lanes to be seen."""
        ...

    def choose(self, seen: Seen) -> Mapping[str, int]:
        """The stage of each junction; one that is left out shows what it shows."""
        ...


def find_controller(name: str) -> type[Controller]:
    """The class called ``module:Class``, from the working folder or an installed package.

    Raises:
        ConfigurationError: there is none, or it lacks something.
    """
    module_name, _, class_name = name.partition(":")
    if not class_name:
        raise ConfigurationError(f"{name!r} names no controller", "write it as module:Class")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = getattr(import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            f"there is no controller {name!r}: {error}",
            "the module stands in this folder or is installed; the class is in it",
        ) from error
    missing = [part for part in ("decision_s", "start", "choose") if not hasattr(found, part)]
    if missing:
        raise ConfigurationError(
            f"{name} is no controller: it has no {', '.join(missing)}", "see docs/researchers.md"
        )
    if found.decision_s <= YELLOW_S:
        raise ConfigurationError(
            f"{name} decides every {found.decision_s} s", f"take more than {YELLOW_S} s"
        )
    controller: type[Controller] = found
    return controller


def source_digest(controller: type[Controller]) -> str:
    """A hash of the controller's source file and of those it ``reads``: others are run anew.

    Raises:
        ConfigurationError: one of them is not there.
    """
    digest = hashlib.sha256()
    for path in (Path(inspect.getfile(controller)), *getattr(controller, "reads", ())):
        try:
            digest.update(hashlib.sha256(Path(path).read_bytes()).digest())
        except OSError as error:
            name = f"{controller.__module__}:{controller.__qualname__}"
            raise ConfigurationError(
                f"{name} reads {path}: {error.strerror}", "make it first, in this folder"
            ) from error
    return digest.hexdigest()[:16]


def run_controlled(map_: Map, controller: Controller, request: RunRequest) -> RunResult:
    """Run SUMO with a controller at every signal that has stages in file.

    Raises:
        SimulationError: SUMO failed.
    """
    pictures = {j: tuple(s.picture for s in plan.stages) for j, plan in map_.in_service.items()}
    asked = _asked(controller, lambda: controller.start(map_.network, pictures))
    if not isinstance(asked, Collection) or isinstance(asked, str):
        raise _fault(controller, f"start returned {asked!r}, no collection of lanes")
    lanes = sorted(asked)
    known = {f"{k}_{n}" for k, link in map_.network.links.items() for n in range(link.lane_count)}
    if unknown := [lane for lane in lanes if lane not in known]:
        raise _fault(controller, f"start asks for {unknown[0]!r}, no lane of this map")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    options = (*request.options, "--remote-port", str(port), "--num-clients", "1")
    outcome: list[RunResult | SimulationError] = []

    def serve() -> None:
        asked = RunRequest(
            request.scenario, request.seed, request.folder, request.additional, options
        )
        try:
            outcome.append(run(asked))
        except SimulationError as error:
            outcome.append(error)

    server = threading.Thread(target=serve)
    server.start()
    try:
        _control(port, controller, pictures, lanes, request.scenario.end_s)
    finally:
        server.join()
    if isinstance(outcome[0], SimulationError):
        raise outcome[0]
    return RunResult(request, outcome[0].wall_clock_s)


def _control(
    port: int, controller: Controller, pictures: Junctions, lanes: list[str], end_s: int
) -> None:
    import traci

    with redirect_stdout(StringIO()):  # it tells of every try until SUMO listens
        connection = traci.connect(port, numRetries=200, waitBetweenRetries=0.1)
    try:
        show = connection.trafficlight.setRedYellowGreenState
        count = traci.constants.LAST_STEP_VEHICLE_NUMBER
        standing = traci.constants.LAST_STEP_VEHICLE_HALTING_NUMBER
        for lane in lanes:
            connection.lane.subscribe(lane, [count, standing])
        shown = dict.fromkeys(pictures, 0)
        for junction_id, stages in pictures.items():
            show(junction_id, stages[0])
        now_s = int(connection.simulation.getTime())
        while now_s < end_s:
            told: dict[str, dict[int, Any]] = connection.lane.getAllSubscriptionResults()
            wanted = dict(shown)
            if told or not lanes:  # before the first step nothing is told
                vehicles = {lane: int(told[lane][count]) for lane in lanes}
                still = {lane: int(told[lane][standing]) for lane in lanes}
                seen = Seen(now_s, vehicles, still, dict(shown))
                wanted |= _chosen(controller, seen, pictures)
            changed = [j for j in pictures if wanted[j] != shown[j]]
            for j in changed:
                show(j, _between(pictures[j][shown[j]], pictures[j][wanted[j]]))
            if changed:
                connection.simulationStep(float(min(now_s + YELLOW_S, end_s)))
            for j in changed:
                show(j, pictures[j][wanted[j]])
            shown = wanted
            now_s += controller.decision_s
            connection.simulationStep(float(min(now_s, end_s)))
    finally:
        connection.close()


def _chosen(controller: Controller, seen: Seen, pictures: Junctions) -> Mapping[str, int]:
    chosen = _asked(controller, lambda: controller.choose(seen))
    if not isinstance(chosen, Mapping):
        raise _fault(controller, f"choose returned {chosen!r}, no stage by junction")
    for junction_id, stage in chosen.items():
        stages = range(len(pictures.get(junction_id, ())))
        if not isinstance(stage, int | np.integer) or stage not in stages:
            told = f"choose wants stage {stage!r} of {junction_id!r}, which has {len(stages)}"
            raise _fault(controller, f"{told}, counted from 0")
    return chosen


def _asked(controller: Controller, question: Callable[[], T]) -> T:
    """What a controller answers; whatever goes wrong in it is told as its fault."""
    try:
        return question()
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} (line {last.lineno} of {Path(last.filename).name})"
        raise _fault(controller, told) from error


def _fault(controller: Controller, told: str) -> ConfigurationError:
    kind = type(controller)
    return ConfigurationError(
        f"controller {kind.__module__}:{kind.__qualname__}: {told}",
        "mend it; docs/researchers.md tells what it is given and returns",
    )


def _between(shown: str, wanted: str) -> str:
    return "".join(
        "y" if a in "Gg" and b not in "Gg" else a for a, b in zip(shown, wanted, strict=True)
    )
