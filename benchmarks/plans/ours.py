"""Our plans for a map: the night's recipe, and the search that SUMO steers, with the true demand.

Search seeds lie below those of the figures.
"""

from __future__ import annotations

import hashlib
import os
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from benchmarks.plans import peers
from benchmarks.plans.adapting import TRIED, Adaptation, adapted
from benchmarks.plans.maps import Map
from benchmarks.plans.store import Figures, Store
from benchmarks.plans.truth import city_of
from optimizers.nearness import NOWHERE
from optimizers.params import OptimizeParams
from optimizers.search import Drive, Plans, SearchParams, search
from optimizers.solve import solve
from sim_scenarios.outputs import read_routes, read_trips, summarise
from sim_scenarios.run import RunRequest, RunResult, run
from traffic_brain.model.documents import plan_to_dict, plans_from_dict, plans_to_json

T = TypeVar("T")
KEPT_AND_FREED = ("protections kept", "freed")
VERSION = 15
DAYS: tuple[tuple[str, int], ...] = tuple(
    (demand, seed) for seed in range(11, 19) for demand in ("recorded", "redrawn")
)
"""Of the search: as recorded and drawn anew, each with a seed."""
RECORDED = (0, 2, 4)


@dataclass(frozen=True)
class Search:
    """A search and its seed."""

    seed: int = 1
    params: SearchParams = field(default_factory=SearchParams)

    def key(self) -> Figures:
        """All that decides what is found."""
        days = [f"{demand} {seed}" for demand, seed in DAYS]
        return {
            "version": VERSION,
            "days": days,
            "seed": self.seed,
            "tried": str(TRIED),
            **asdict(self.params),
        }


@dataclass(frozen=True, eq=False)
class Driven:
    """A map as the search sees it; what SUMO told is kept in the store."""

    map: Map
    store: Store

    @property
    def days(self) -> int:
        """How many days the search has."""
        return len(DAYS)

    @property
    def unfit(self) -> str:
        """Nothing speaks against the world itself."""
        return ""

    def delays_s(self, drives: Sequence[Drive]) -> list[float]:
        """Delay per vehicle, s."""
        return self._side_by_side(self.delay_s, drives)

    def spent_s(self, drives: Sequence[Drive]) -> list[Mapping[str, float]]:
        """By link: seconds per vehicle spent on it, or waiting for a place on it."""
        return self._side_by_side(self._spent_s, drives)

    def _side_by_side(self, asked: Callable[..., T], drives: Sequence[Drive]) -> list[T]:
        for demand, seed in {DAYS[day] for _, day in drives}:
            if demand == "redrawn":
                self.map.redrawn(seed)  # written once, before several runs look for it
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as side_by_side:
            return list(side_by_side.map(lambda drive: asked(*drive), drives))

    def _spent_s(self, plans: Plans, day: int) -> Mapping[str, float]:
        question = self._question("spent", plans, day)
        spent: Mapping[str, float] = self.store.once(
            question, lambda: self._drive(plans, day, None, places=True)
        )["spent_s"]
        return spent

    def delay_s(self, plans: Plans, day: int, adaptation: Adaptation | None = None) -> float:
        """Delay per vehicle in SUMO on one day, with fixed stages or with stages that adapt."""
        question = self._question("search", plans, day)
        if adaptation:
            question["form"] = asdict(adaptation)
        found = self.store.once(question, lambda: self._drive(plans, day, adaptation))
        return float(found["delay_s_per_veh"])

    def _question(self, what: str, plans: Plans, day: int) -> Figures:
        text = plans_to_json(plans[j] for j in sorted(plans))
        return {
            "what": what,
            "map": self.map.name,
            "content": self.map.content,
            "plans": hashlib.sha256(text.encode()).hexdigest()[:24],
            "day": DAYS[day],
        }

    def _drive(
        self, plans: Plans, day: int, adaptation: Adaptation | None, *, places: bool = False
    ) -> Figures:
        demand, seed = DAYS[day]
        world = self.map.world if demand == "recorded" else self.map.redrawn(seed)
        with tempfile.TemporaryDirectory(prefix="bench-search-") as name:
            path = Path(name) / "plans.add.xml"
            programs = adaptation.write(plans, path) if adaptation else peers.fixed(plans, path)
            folder = Path(name) / "run"
            result = run(
                RunRequest(world, seed, folder, additional=(programs,), vehicle_routes=places)
            )
            delay = {"delay_s_per_veh": summarise(result).delay_s_per_veh}
            return delay | ({"spent_s": spent_by_link(result)} if places else {})


def spent_by_link(result: RunResult) -> dict[str, float]:
    """Seconds per vehicle on each link, and before the map at the first; of all that were due.

    A link's time runs from leaving the link before, so that it holds the way through the junction.
    Where those waited that never got in, no output tells.
    """
    end_s = result.request.scenario.end_s
    trips = list(read_trips(result.trips_file, end_s))
    waited_s = {trip.vehicle_id: trip.departure_delay_s for trip in trips}
    spent: dict[str, float] = defaultdict(float)
    for route in read_routes(result.vehicle_routes_file):
        in_s = route.depart_s
        spent[route.links[0]] += waited_s.pop(route.vehicle_id)
        for link_id, out_s in zip(route.links, route.exit_times_s, strict=True):
            spent[link_id] += (out_s if out_s >= 0 else end_s) - in_s
            in_s = out_s
            if out_s < 0:
                break
    spent[NOWHERE] += sum(waited_s.values())
    count = max(1, len(trips))
    return {link_id: seconds / count for link_id, seconds in spent.items()}


def write_ours(map_: Map, contender: str, search_: Search, store: Store, folder: Path) -> Path:
    """The plans of ``ours fixed|actuated, protections kept|freed`` as programs for SUMO."""
    form, kind = contender.removeprefix("ours ").split(", ")
    path = folder / f"{contender.replace(' ', '-').replace(',', '')}.add.xml"
    if form == "fixed":
        return peers.fixed(_plans(map_, kind, search_, store), path)
    driven = Driven(map_, store)
    # Who may free protections may leave them, too.
    kinds = KEPT_AND_FREED[: 1 + KEPT_AND_FREED.index(kind)]
    found = [_adapted(map_, kind, search_, driven) for kind in kinds]

    def total_s(one: tuple[Plans, Adaptation]) -> float:
        return sum(driven.delay_s(one[0], day, one[1]) for day in range(driven.days))

    plans, how = min(found, key=total_s)
    return how.write(plans, path)


def _plans(map_: Map, kind: str, search_: Search, store: Store) -> Plans:
    found = our_plans(map_, kind, search_, store)
    return {p.junction_id: p for p in plans_from_dict({"plans": found["plans"]})}


def _adapted(map_: Map, kind: str, search_: Search, driven: Driven) -> tuple[Plans, Adaptation]:
    """Stages that adapt, searched for near the fixed ones of a kind."""
    params = replace(search_.params, free_protections=kind == "freed")

    def delay_s(plans: Plans, how: Adaptation, day: int) -> float:
        return driven.delay_s(plans, day, how)

    return adapted(
        city_of(map_, OptimizeParams(), search_.seed).area(),
        _plans(map_, kind, search_, driven.store),
        params.of_model,
        delay_s,
        RECORDED,
        tries=params.tries,
        seed=search_.seed,
    )


def our_plans(map_: Map, kind: str, search_: Search, store: Store) -> Figures:
    """The plans found for a map, from the store where they were searched for before."""
    question = {
        "what": "plans",
        "map": map_.name,
        "content": map_.content,
        "kind": kind,
        "search": search_.key(),
    }
    return store.once(question, lambda: _searched(map_, kind, search_, store))


def _searched(map_: Map, kind: str, search_: Search, store: Store) -> Figures:
    began_s, cpu_s = time.monotonic(), _cpu_s()
    params = replace(search_.params, free_protections=kind == "freed")
    recipe = OptimizeParams(max_candidates=30, free_protections=params.free_protections)
    city = city_of(map_, recipe, search_.seed)
    candidates: list[Plans] = [candidate.plans for candidate in solve(city, recipe)]
    if kind == "freed":
        candidates = [_plans(map_, "protections kept", search_, store), *candidates]
    found = search(city.area(), candidates, Driven(map_, store), params, search_.seed)
    return {
        **found.told,
        "plans": [plan_to_dict(found.plans[j]) for j in sorted(found.plans)],
        "held": dict(city.held),
        "search_cpu_s": _cpu_s() - cpu_s,
        "search_wall_s": time.monotonic() - began_s,
    }


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
