"""Everything that ``traffic-brain bench plans`` does: plans, runs, figures.

Delay is the mean of time loss + departure delay over all vehicles planned in the world's window;
who never got in counts with the whole wait. No teleports. Seeds from ``TEST_SEED`` on are used by
no search.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from benchmarks.plans import peers
from benchmarks.plans.controlled import Controller, find_controller, run_controlled, source_digest
from benchmarks.plans.greedy import MaxPressure, MaxWave
from benchmarks.plans.maps import Map, read_map
from benchmarks.plans.ours import KEPT_AND_FREED, Search, our_plans, write_ours
from benchmarks.plans.store import Figures, Store
from benchmarks.plans.table import markdown
from benchmarks.plans.truth import demand_of
from benchmarks.results import write_results
from sim_scenarios.conditions import ORDINARY
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest, run
from sim_scenarios.spec import available
from traffic_brain.errors import SimulationError
from traffic_brain.progress import Progress, silent

TEST_SEED = 1001
GREEDY: Mapping[str, type[Controller]] = {"max-pressure": MaxPressure, "max-wave": MaxWave}
CONTENDERS = (
    *("plan in file", "Webster", "tlsCycleAdaptation", "tlsCoordinator"),
    *("SUMO actuated", "delay-based", "max-pressure", "max-wave"),
    *(f"ours {form}, {kind}" for form in ("fixed", "actuated") for kind in KEPT_AND_FREED),
)
VERSIONS: Mapping[str, int] = {"SUMO actuated": 2, "delay-based": 2}
"""Raised from 1 when a contender is made in another way: what was stored is then run again."""


def recorded_worlds() -> list[str]:
    """Names of all worlds here that somebody recorded or drew, on their usual days."""
    worlds = (spec for spec in available() if spec.conditions == ORDINARY)
    return [spec.name for spec in worlds if spec.generated is None]


@dataclass
class Bench:
    """One map with its contenders' programs, made when they are first asked for."""

    map: Map
    store: Store
    search: Search
    made: dict[str, tuple[Path, ...]] = field(default_factory=dict)

    def programs(self, contender: str) -> tuple[Path, ...]:
        """Additional files that make SUMO run the contender's programs."""
        if contender not in self.made:
            folder = self.map.folder / "programs"
            folder.mkdir(exist_ok=True)
            makers: dict[str, Callable[[], Path]] = {
                "Webster": lambda: peers.webster(self.map, demand_of(self.map), folder),
                "tlsCycleAdaptation": lambda: peers.cycle_adaptation(self.map, folder),
                "tlsCoordinator": lambda: peers.coordinator(self.map, folder),
                "SUMO actuated": lambda: peers.controlled(self.map, "actuated", folder),
                "delay-based": lambda: peers.controlled(self.map, "delay_based", folder),
            }
            if contender.startswith("ours"):
                ours = write_ours(self.map, contender, self.search, self.store, folder)
                self.made[contender] = (ours,)
            else:
                self.made[contender] = (makers[contender](),) if contender in makers else ()
        return self.made[contender]

    def run(self, contender: str, seed: int, demand: str) -> Figures:
        """One run, from the store where it was made before."""
        question = {
            "what": "run",
            "version": VERSIONS.get(contender, 1),
            "map": self.map.name,
            "content": self.map.content,
            "sumo": version("eclipse-sumo"),
            "contender": contender,
            "seed": seed,
            "demand": demand,
        }
        if contender.startswith("ours"):
            question["search"] = self.search.key()
        if is_plugged_in(contender):
            question["source"] = source_digest(find_controller(contender))
        return self.store.once(question, lambda: self._run(contender, seed, demand))

    def _run(self, contender: str, seed: int, demand: str) -> Figures:
        try:
            programs = self.programs(contender)
        except SimulationError as error:
            return {"failed": str(error)}
        world = self.map.world if demand == "recorded" else self.map.redrawn(seed)
        with tempfile.TemporaryDirectory(prefix="bench-plans-") as name:
            request = RunRequest(world, seed, Path(name), additional=programs)
            return delay_of_run(self.map, contender, request)


def delay_of_run(map_: Map, contender: str, request: RunRequest) -> Figures:
    """Run a contender once and tell its delay."""
    cpu_s, wall_s = _children_cpu_s(), time.monotonic()
    try:
        controller = _controller(contender)
        result = run_controlled(map_, controller, request) if controller else run(request)
    except SimulationError as error:
        return {"failed": str(error)}
    found = summarise(result)
    return {
        "delay_s_per_veh": found.delay_s_per_veh,
        "vehicles": found.vehicles,
        "not_inserted": found.not_inserted,
        "unfinished": found.unfinished,
        "teleports": found.teleports,
        "cpu_s": _children_cpu_s() - cpu_s,
        "wall_s": time.monotonic() - wall_s,
    }


def is_plugged_in(contender: str) -> bool:
    """Whether it is a class of the user's own, ``module:Class``."""
    return ":" in contender


def _controller(contender: str) -> Controller | None:
    """A new controller for one run; None: the signals run by themselves."""
    if is_plugged_in(contender):
        return find_controller(contender)()
    return GREEDY[contender]() if contender in GREEDY else None


def measure(
    names: Sequence[str],
    seeds: int,
    out: Path,
    *,
    contenders: Sequence[str] = CONTENDERS,
    redrawn: int = 0,
    search: Search | None = None,
    progress: Progress = silent,
) -> list[Figures]:
    """Run every contender on every map; one row per run, from the store where it was made.

    Writes ``figures.json`` and ``table.md`` into ``out`` after each map; ``out/runs`` is the store,
    so that a benchmark that was killed goes on where it was.
    """
    store = Store(out / "runs")
    search = search or Search()
    rows: list[Figures] = []
    searches: list[Figures] = []
    todo = len(names) * len(contenders) * (seeds + redrawn)
    for name in names:
        with tempfile.TemporaryDirectory(prefix="bench-plans-map-") as folder:
            bench = Bench(read_map(name, Path(folder)), store, search)
            for contender in contenders:
                days = [("recorded", TEST_SEED + i) for i in range(seeds)]
                days += [("redrawn", TEST_SEED + i) for i in range(redrawn)]
                for demand, seed in days:
                    progress(len(rows) / todo, f"{name}: {contender}, {demand} day, seed {seed}")
                    rows.append(bench.run(contender, seed, demand))
            searches += [
                our_plans(bench.map, kind, search, store)
                for kind in KEPT_AND_FREED
                if any(contender.endswith(kind) for contender in contenders)
            ]
        write(rows, searches, out)
    return rows


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def write(rows: Sequence[Figures], searches: Sequence[Figures], out: Path) -> None:
    """``figures.json`` with every run and search, and the runs as `write_results` does."""
    document = {"runs": list(rows), "searches": list(searches)}
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True)
    (out / "figures.json").write_text(text + "\n", encoding="utf-8")
    write_results(rows, markdown(rows), out)
