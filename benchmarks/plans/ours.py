"""Our plans for a map: the night's recipe, refined on a calibrated queue model, chosen by SUMO.

All from the true demand of the recorded day; search seeds lie below those of the figures.
"""

from __future__ import annotations

import hashlib
import random
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.plans import peers
from benchmarks.plans.maps import Map
from benchmarks.plans.store import Figures, Store
from benchmarks.plans.truth import city_of, ways_of
from optimizers.calibration import Calibration, calibrate
from optimizers.params import OptimizeParams
from optimizers.refine import Area, Refined, RefineParams, refine
from optimizers.solve import City, solve
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest, run
from traffic_brain.model.documents import plan_to_dict, plans_from_dict, plans_to_json
from traffic_brain.model.signals import SignalPlan

KEPT_AND_FREED = ("protections kept", "freed")
Plans = Mapping[str, SignalPlan]
Day = tuple[str, int]
VERSION = 4
LONGEST_RATIOS = (1.3, 2.0, 4.0)
"""Longest greens tried for actuated control, over those of the fixed plan."""
NEAR = 12
"""Plans drawn near the refined ones after each round."""
BEST = 3
LAST = 5
"""Finalists that drive all days of the search."""


@dataclass(frozen=True)
class Search:
    """What the search may spend, and the days it looks at."""

    seed: int = 1
    calibration_plans: int = 20
    evaluations: int = 600
    draws: int = 2
    searches: int = 1
    rounds: int = 2
    days: tuple[Day, ...] = (
        *(("recorded", 11), ("recorded", 12), ("recorded", 13)),
        *(("redrawn", 14), ("redrawn", 15)),
    )

    def key(self) -> Figures:
        """All that decides what is found."""
        return {"version": VERSION, **asdict(self)}


@dataclass(frozen=True, eq=False)
class Searching:
    """One search on one map, with what it measured in SUMO kept in the store."""

    map: Map
    search: Search
    store: Store

    def delay_s(self, plans: Plans, day: Day, *, actuated: bool = False) -> float:
        """Delay per vehicle of plans in SUMO on one day, fixed or with stages that adapt."""
        text = plans_to_json(plans[j] for j in sorted(plans))
        question: Figures = {
            "what": "search",
            "map": self.map.name,
            "content": self.map.content,
            "plans": hashlib.sha256(text.encode()).hexdigest()[:24],
            "day": list(day),
        }
        if actuated:
            question["form"] = "actuated"
        found = self.store.once(question, lambda: self._drive(plans, day, actuated))
        return float(found["delay_s_per_veh"])

    def _drive(self, plans: Plans, day: Day, actuated: bool) -> Figures:
        demand, seed = day
        world = self.map.world if demand == "recorded" else self.map.redrawn(seed)
        with tempfile.TemporaryDirectory(prefix="bench-search-") as name:
            write = peers.actuated if actuated else peers.fixed
            programs = write(plans, Path(name) / "plans.add.xml")
            result = run(RunRequest(world, seed, Path(name) / "run", additional=(programs,)))
            return {"delay_s_per_veh": summarise(result).delay_s_per_veh}

    def mean_delay_s(self, plans: Plans, days: Sequence[Day], *, actuated: bool = False) -> float:
        """Mean over some of the search's days."""
        return float(np.mean([self.delay_s(plans, day, actuated=actuated) for day in days]))


def write_ours(map_: Map, contender: str, search: Search, store: Store, folder: Path) -> Path:
    """The plans of ``ours fixed|actuated, protections kept|freed`` as programs for SUMO."""
    form, kind = contender.removeprefix("ours ").split(", ")
    found = our_plans(map_, kind, search, store)
    plans = {p.junction_id: p for p in plans_from_dict({"plans": found["plans"]})}
    path = folder / f"{contender.replace(' ', '-').replace(',', '')}.add.xml"
    if form == "fixed":
        return peers.fixed(plans, path)
    here, days = Searching(map_, search, store), search.days[:3]
    limited = [{j: _limited(p, ratio) for j, p in plans.items()} for ratio in LONGEST_RATIOS]
    delays = [here.mean_delay_s(one, days, actuated=True) for one in limited]
    return peers.actuated(limited[delays.index(min(delays))], path)


def _limited(plan: SignalPlan, ratio: float) -> SignalPlan:
    """The plan with greens that may last so many times their length, within their limits."""
    stages = tuple(
        replace(s, max_green_s=min(s.max_green_s, max(s.min_green_s, round(ratio * s.green_s))))
        for s in plan.stages
    )
    return replace(plan, stages=stages)


def our_plans(map_: Map, kind: str, search: Search, store: Store) -> Figures:
    """The plans found for a map, from the store where they were searched for before."""
    question = {
        "what": "plans",
        "map": map_.name,
        "content": map_.content,
        "kind": kind,
        "search": search.key(),
    }
    return store.once(question, lambda: _searched(map_, kind, search, store))


def _searched(map_: Map, kind: str, search: Search, store: Store) -> Figures:
    began_s, cpu_s = time.monotonic(), _cpu_s()
    city = city_of(map_, OptimizeParams(max_candidates=30), search.seed)
    base: list[Plans] = [c.plans for c in solve(city, OptimizeParams(max_candidates=30))]
    here = Searching(map_, search, store)
    in_service = {j: p.plan for j, p in city.problems.items()}
    drawn = _drawn([in_service, *base], search.calibration_plans, random.Random(search.seed))
    told: dict[str, Any] = {"rounds": []}
    known: list[Plans] = []
    if kind == "freed":
        kept = our_plans(map_, "protections kept", search, store)
        known = [{p.junction_id: p for p in plans_from_dict({"plans": kept["plans"]})}]
    finalists: list[Plans] = [*base[:3], *known]
    starts: list[Plans] = [*known, in_service, *base]
    for number in range(search.rounds):
        calibration = _calibrated(here, drawn)
        told["rounds"].append(_told(calibration))
        if not calibration.trusted:
            break
        refined = _refined(here, city, starts, calibration, kind, number)
        finalists += [one.plans for one in refined]
        told["rounds"][-1]["refined_s"] = [round(one.delay_s_per_veh, 2) for one in refined]
        starts = [*(one.plans for one in refined), *starts]
        more = random.Random(search.seed + 1 + number)
        drawn = [*drawn, *_drawn([one.plans for one in refined[:2]], NEAR, more, gentle=True)]
    finalists += _best_measured(here, drawn)
    best, delays = _chosen(here, finalists)
    told |= {
        "plans": [plan_to_dict(finalists[best][j]) for j in sorted(finalists[best])],
        "finalists_s": [round(delay, 2) for delay in delays],
        "chosen": best,
        "held": dict(city.held),
        "search_cpu_s": _cpu_s() - cpu_s,
        "search_wall_s": time.monotonic() - began_s,
    }
    return told


def _chosen(here: Searching, finalists: Sequence[Plans]) -> tuple[int, list[float]]:
    """All finalists on three days, the best of them on all days; the index of the best."""
    delays = [here.mean_delay_s(plans, here.search.days[:3]) for plans in finalists]
    ranked = sorted(range(len(finalists)), key=lambda i: (delays[i], i))[:LAST]
    last = {i: here.mean_delay_s(finalists[i], here.search.days) for i in ranked}
    return min(last, key=lambda i: (last[i], i)), delays


def _refined(
    here: Searching,
    city: City,
    starts: Sequence[Plans],
    calibration: Calibration,
    kind: str,
    number: int,
) -> list[Refined]:
    world = here.map.world
    area = Area(
        network=here.map.network,
        sites=city.sites,
        problems=city.problems,
        ways=ways_of(here.map),
        window_s=(world.begin_s, world.end_s),
        held={j: p for j, p in here.map.in_service.items() if j not in city.problems},
        habits=calibration.habits,
    )
    params = RefineParams(
        evaluations=here.search.evaluations,
        draws=here.search.draws,
        free_protections=kind == "freed",
    )
    seeds = (here.search.seed + 100 * number + k for k in range(here.search.searches))
    found = [one for seed in seeds for one in refine(area, starts, params, seed)]
    return sorted(found, key=lambda one: one.delay_s_per_veh)


def _best_measured(here: Searching, drawn: Sequence[Plans]) -> list[Plans]:
    """Those of the plans drawn for calibration that did best: SUMO has judged them already."""
    delays = [here.mean_delay_s(plans, here.search.days[:2]) for plans in drawn]
    ranked = sorted(range(len(drawn)), key=lambda i: (delays[i], i))
    return [drawn[i] for i in ranked[:BEST]]


def _calibrated(here: Searching, drawn: Sequence[Plans]) -> Calibration:
    measured = [here.mean_delay_s(plans, here.search.days[:2]) for plans in drawn]
    world = here.map.world
    return calibrate(
        here.map.network, ways_of(here.map), (world.begin_s, world.end_s), drawn, measured
    )


def _drawn(
    round_about: Sequence[Plans], count: int, rng: random.Random, *, gentle: bool = False
) -> list[Plans]:
    """Plans round others: greens times 0.7 to 1.4, offsets as they are or any."""
    low, high = (0.85, 1.2) if gentle else (0.7, 1.4)
    found: list[Plans] = []
    for i in range(count):
        drawn = {}
        for junction_id, plan in sorted(round_about[i % len(round_about)].items()):
            greens = tuple(
                min(max(s.min_green_s, round(s.green_s * rng.uniform(low, high))), s.max_green_s)
                for s in plan.stages
            )
            changed = plan.with_greens(greens, "drawn")
            anywhere = rng.randrange(changed.cycle_s)
            near = plan.offset_s + rng.randint(-5, 5)
            drawn[junction_id] = changed.with_offset(near if gentle or i % 2 else anywhere)
        found.append(drawn)
    return found


def _told(calibration: Calibration) -> Figures:
    habits = asdict(calibration.habits)
    habits["driving"] = calibration.habits.driving._asdict()
    return {
        "habits": habits,
        "held_out_rank_correlation": round(calibration.held_out_rank_correlation, 3),
        "held_out_ratio": round(calibration.held_out_ratio, 3),
        "plans_fitted": calibration.fitted_plans,
        "plans_held_out": calibration.held_out_plans,
        "trusted": calibration.trusted,
    }


def _cpu_s() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime
