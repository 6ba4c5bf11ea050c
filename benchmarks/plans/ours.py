"""Our plans for a map: the night's recipe, refined on a calibrated queue model, polished in SUMO.

All from the true demand of the recorded day; search seeds lie below those of the figures.
"""

from __future__ import annotations

import random
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.plans import peers
from benchmarks.plans.adapting import Adaptation, best_adaptation
from benchmarks.plans.maps import Map
from benchmarks.plans.polish import polished
from benchmarks.plans.searching import Plans, Search, Searching
from benchmarks.plans.store import Figures, Store
from benchmarks.plans.truth import city_of, ways_of
from optimizers.calibration import Calibration, calibrate
from optimizers.params import OptimizeParams
from optimizers.refine import Area, Refined, RefineParams, refine
from optimizers.solve import City, solve
from traffic_brain.diagnosis.queue_model import HABITS, Habits
from traffic_brain.model.documents import plan_to_dict, plans_from_dict

KEPT_AND_FREED = ("protections kept", "freed")
NEAR = 12
"""Plans drawn near the refined ones after each round."""
BEST = 3
LAST = 5
"""Finalists that drive all days of the search."""


def write_ours(map_: Map, contender: str, search: Search, store: Store, folder: Path) -> Path:
    """The plans of ``ours fixed|actuated, protections kept|freed`` as programs for SUMO."""
    form, kind = contender.removeprefix("ours ").split(", ")
    found = our_plans(map_, kind, search, store)
    plans = {p.junction_id: p for p in plans_from_dict({"plans": found["plans"]})}
    path = folder / f"{contender.replace(' ', '-').replace(',', '')}.add.xml"
    if form == "fixed":
        return peers.fixed(plans, path)
    here, days = Searching(map_, search, store), search.days[:3]

    def delay_s(adaptation: Adaptation) -> float:
        return here.mean_delay_s(plans, days, adaptation)

    return best_adaptation(delay_s).write(plans, path)


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
    habits = calibration.habits if calibration.trusted else HABITS
    area, params = _area(here, city, habits), _params(search, kind)
    plans, delay_s = polished(here, area, finalists[best], params, seed=search.seed)
    told |= {
        "plans": [plan_to_dict(plans[j]) for j in sorted(plans)],
        "finalists_s": [round(delay, 2) for delay in delays],
        "chosen": best,
        "polished_s": round(delay_s, 2),
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
    area, params = _area(here, city, calibration.habits), _params(here.search, kind)
    found = refine(area, starts, params, here.search.seed + 100 * number)
    return sorted(found, key=lambda one: one.delay_s_per_veh)


def _area(here: Searching, city: City, habits: Habits) -> Area:
    world = here.map.world
    return Area(
        network=here.map.network,
        sites=city.sites,
        problems=city.problems,
        ways=ways_of(here.map),
        window_s=(world.begin_s, world.end_s),
        held={j: p for j, p in here.map.in_service.items() if j not in city.problems},
        habits=habits,
    )


def _params(search: Search, kind: str) -> RefineParams:
    return RefineParams(
        evaluations=search.evaluations, draws=search.draws, free_protections=kind == "freed"
    )


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
