"""The recipe: problems → splits per cycle → green waves → candidates for the check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from network_data.city import load_city
from optimizers.city_offsets.result import CityOffsets
from optimizers.few_changes import Step, applied, few_changes, front
from optimizers.least_delay import Streets, least_delay, offset_effect, offsets_dict
from optimizers.offsets import Feed, clusters, movement_feeds
from optimizers.params import OptimizeParams
from optimizers.refine import Area, RefineParams, refine
from optimizers.short_links import (
    least_greens_s,
    shortest_worthwhile,
    turns_after_short_links,
)
from optimizers.splits import (
    JunctionProblem,
    Splits,
    best_cycle,
    best_splits,
    delay_of,
    junction_problem,
)
from optimizers.waves import Wave, coordinate
from traffic_brain.errors import ConfigurationError
from traffic_brain.executor import Engine, run_all
from traffic_brain.fusion.pooled import pooled
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import corridor_from_dict, plan_to_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.rules import JunctionRulesInput, Severity, judge, retimable, rules_inputs
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

MANY = 300
"""Junctions from which on the recipes are worth processes of their own."""
KEPT, LOCAL = "kept", "local"
BROKEN_RATIO = 0.02
"""Of a candidate's junctions: where more break a rule, the candidate is no good."""
STARTS = 6
"""Candidates that the refinement begins from."""


@dataclass(frozen=True)
class Candidate:
    """One set of plans for the city, with what the model expects of it."""

    candidate_id: str
    description: str
    plans: Mapping[str, SignalPlan]
    waves: tuple[Wave, ...]
    delay_s_per_veh: float
    offsets: tuple[CityOffsets, ...] = ()
    """What is proved about the offsets of least delay, one for each cycle; else empty."""
    steps: tuple[Step, ...] = ()
    """Junctions in the order in which changing them saves most, where few may change."""


@dataclass(frozen=True)
class City:
    """What the recipe works on: only junctions that may be retimed."""

    network: RoadNetwork
    state: State
    corridors: tuple[Corridor, ...]
    sites: Mapping[str, JunctionRulesInput]
    problems: Mapping[str, JunctionProblem]
    demand_vph: Mapping[str, float]
    feeds: tuple[Feed, ...]
    held: Mapping[str, str]
    """Junctions that keep their plan, with the reason."""
    seed: int

    @property
    def vehicles_per_h(self) -> float:
        return max(len(self.state.trips) / self.state.window.hours, 1.0)


def optimize(
    city: Path,
    state: Path,
    report: Path,
    out: Path,
    *,
    seed: int = 0,
    params: OptimizeParams | None = None,
    history: Sequence[Path] = (),
    workers: int = 1,
    progress: Progress = silent,
) -> dict[str, int]:
    """Write candidates.json and summary.json into ``out``.

    ``history``: states of earlier days, the latest first; the demand is then the mean of all.
    ``workers``: processes of a city with `MANY` junctions; the result does not depend on it.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
    """
    params = params or OptimizeParams()
    progress(0.02, "reading the problem")
    folders = (city.resolve(), state.resolve(), report.resolve())
    task = _Task(folders, tuple(history), params, seed)
    problem = _read_once(task)
    drafts = None
    if workers > 1 and len(problem.problems) >= MANY:
        tasks = [replace(task, recipe=recipe) for recipe in _recipes(problem, params)]
        drafts = run_all(_draft, tasks, Engine(workers))
    try:
        candidates = solve(problem, params, progress, drafts)
    finally:
        _read_once.cache_clear()
    changed = [j for c in candidates[:1] for j in changed_junctions(c, problem.problems)]
    document = {"candidates": [_candidate_dict(c, problem.problems) for c in candidates]}
    (out / "candidates.json").write_text(to_json(document), encoding="utf-8")
    summary = {
        "candidates": len(candidates),
        "junctions": len(problem.network.junctions),
        "retimable_junctions": len(problem.problems),
        "held": dict(problem.held),
        "seed": seed,
    }
    (out / "summary.json").write_text(to_json(summary), encoding="utf-8")
    progress(1.0, f"{len(candidates)} candidates")
    return {"candidates": len(candidates), "proposed_plans": len(changed)}


@dataclass(frozen=True)
class Recipe:
    """One way to choose cycles: one for all of ``common_s``, as in service, or each its own."""

    name: str
    common_s: int = 0

    @property
    def words(self) -> str:
        if self.common_s:
            return f"plans with a common cycle of {self.common_s} s"
        return "plans with cycles as in service" if self.name == KEPT else "plans with own cycles"


@dataclass(frozen=True)
class _Task:
    """A recipe with all that it depends on; the folders are read once by every process."""

    folders: tuple[Path, Path, Path]
    history: tuple[Path, ...]
    params: OptimizeParams
    seed: int
    recipe: Recipe = Recipe("")


@lru_cache(maxsize=1)
def _read_once(task: _Task) -> City:
    return read_problem(*task.folders, task.params, task.seed, task.history)


def _draft(task: _Task) -> list[Candidate]:
    """What a recipe gives, in a process of its own."""
    return drafted(_read_once(replace(task, recipe=Recipe(""))), task.recipe, task.params)


def drafted(problem: City, recipe: Recipe, params: OptimizeParams) -> list[Candidate]:
    """The candidates of a recipe that break no rule."""
    if recipe.common_s:
        found = _common(problem, recipe.common_s, params)
    elif recipe.name == KEPT:
        found = _kept_cycles(problem, params)
    else:
        found = _local(problem, params)
    return [safe for candidate in found if (safe := _safe(candidate, problem)) is not None]


def _safe(candidate: Candidate, problem: City) -> Candidate | None:
    """The candidate with junctions that would break a rule left as they run; None: too many do.

    In a city of thousands there is always one that no cycle of the others fits. Those that run as
    one with it stay as well; what was proved of the whole does not hold for what is left.
    """
    broken = _broken(candidate, problem)
    if len(broken) > BROKEN_RATIO * len(candidate.plans):
        return None
    if not broken:
        return candidate
    close = clusters(problem.network, problem.feeds)
    left = {k for j in broken for k in close.get(j, {j})} & candidate.plans.keys()
    kept = {j: problem.problems[j].plan for j in left}
    waves = tuple(w for w in candidate.waves if left.isdisjoint(w.corridor.junction_ids))
    return replace(candidate, plans={**candidate.plans, **kept}, waves=waves, offsets=())


def _recipes(problem: City, params: OptimizeParams) -> list[Recipe]:
    common = [Recipe(f"common-{s}", s) for s in _common_cycles(problem, params)]
    return [*common, Recipe(KEPT), Recipe(LOCAL)]


def solve(
    problem: City,
    params: OptimizeParams,
    progress: Progress = silent,
    drafts: Iterable[list[Candidate]] | None = None,
) -> list[Candidate]:
    """Candidates, the best expected first; none when nothing can be retimed.

    ``drafts``: of all recipes in their order, where others work on them; else they are made here.
    """
    if not problem.problems:
        return []
    recipes = _recipes(problem, params)
    made = iter(drafts or (drafted(problem, recipe, params) for recipe in recipes))
    candidates: list[Candidate] = []
    for i, recipe in enumerate(recipes):
        progress(0.1 + 0.8 * i / len(recipes), recipe.words)
        candidates += next(made)
    safe = _varied(candidates)
    if params.max_changes:
        progress(0.95, f"the {params.max_changes} changes that save most")
        return _few_changes(safe, problem, params)
    if params.refine_evaluations:
        progress(0.95, "refining jointly on the queue model")
        safe = [*_refined(safe, problem, params), *safe]
    return safe[: params.max_candidates]


def _refined(
    candidates: Sequence[Candidate], problem: City, params: OptimizeParams
) -> list[Candidate]:
    """The best of the candidates, refined; none where the queue model found nothing better."""
    window = problem.state.window
    area = Area(
        network=problem.network,
        sites=problem.sites,
        problems=problem.problems,
        ways=problem.state.trips,
        window_s=(window.begin_s, window.end_s),
        held={j: p for j, p in problem.state.running_plans.items() if j not in problem.problems},
    )
    spend = RefineParams(params.refine_evaluations, free_protections=params.free_protections)
    starts = [candidate.plans for candidate in candidates[:STARTS]]
    found = refine(area, starts, spend, problem.seed)[:1]
    name = "refined-freed" if params.free_protections else "refined-kept"
    words = "protections freed" if params.free_protections else "protections kept"
    refined = [
        Candidate(
            name,
            f"cycles, splits, offsets and stages refined together, {words}",
            _named(one.plans, f"{problem.state.service_day}-{name}"),
            (),
            one.delay_s_per_veh,
        )
        for one in found
        if one.delay_s_per_veh < one.started_at_s_per_veh
    ]
    return [candidate for candidate in refined if not _broken(candidate, problem)]


def _few_changes(
    candidates: Sequence[Candidate], problem: City, params: OptimizeParams
) -> list[Candidate]:
    """As few changes as asked for: with any of the candidates' plans, and with cycles as today."""
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    today = {j: junction.plan for j, junction in problem.problems.items()}
    kept = [c for c in candidates if c.candidate_id.startswith("kept-")]
    found = []
    for name, words, chosen in (("few", "any plan", candidates), ("few-kept", "cycles kept", kept)):
        alternatives = [candidate.plans for candidate in chosen]
        steps = few_changes(problem.problems, streets, alternatives, params.max_changes)
        plans = _named(applied(today, steps), f"{problem.state.service_day}-{name}")
        delay = sum(delay_of(problem.problems[j], plan) for j, plan in plans.items())
        delay += offset_effect(plans, streets, params)
        found.append(
            Candidate(
                name,
                f"{sum(len(s.plans) for s in steps)} changes that save most, {words}",
                plans,
                (),
                delay / problem.vehicles_per_h * 3600,
                steps=steps,
            )
        )
    safe = [candidate for candidate in found if not _broken(candidate, problem)]
    return _varied([candidate for candidate in safe if candidate.steps])


def _varied(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The best offsets of every choice of cycles, the best expected first; then the others.

    The model ranks what it models; what it does not (a bus that blocks a junction) hits similar
    plans alike, so the check should see plans that differ.
    """
    ranked = sorted(candidates, key=lambda c: (c.delay_s_per_veh, c.candidate_id))
    seen: set[str] = set()
    first: list[Candidate] = []
    rest: list[Candidate] = []
    for candidate in ranked:
        cycles = candidate.candidate_id.rpartition("-")[0]
        (rest if cycles in seen else first).append(candidate)
        seen.add(cycles)
    return first + rest


def read_problem(
    city: Path,
    state: Path,
    report: Path,
    params: OptimizeParams,
    seed: int,
    history: Sequence[Path] = (),
) -> City:
    """Load the folders and sort the junctions into those to plan and those to hold."""
    network = load_city(city)
    known = pooled([load_state(folder, network) for folder in (state, *history)])
    return problem_of(network, known, _read_corridors(report / "corridors.json"), params, seed)


def problem_of(
    network: RoadNetwork,
    known: State,
    corridors: tuple[Corridor, ...],
    params: OptimizeParams,
    seed: int,
) -> City:
    """The problem of a city of which this is known: junctions to plan, and those to hold."""
    sites = rules_inputs(network)
    demand = {
        movement_id: known.demand_vph[i] * params.demand_reserve_ratio
        for i, movement_id in enumerate(network.movements)
    }
    feeds = tuple(movement_feeds(network, known, params.progression_ratio))
    behind = turns_after_short_links(feeds)
    problems: dict[str, JunctionProblem] = {}
    held: dict[str, str] = {}
    for junction_id, site in sites.items():
        plan = known.running_plans.get(junction_id)
        reason = _reason_to_hold(plan, site)
        if plan is None or reason:
            held[junction_id] = reason
            continue
        movements = network.movements_at[junction_id]
        least_s = least_greens_s(plan, movements, behind)
        found = junction_problem(plan, movements, demand, least_s)
        if found is None:
            held[junction_id] = "no demand was seen"
        else:
            problems[junction_id] = found
    return City(
        network=network,
        state=known,
        corridors=corridors,
        sites=sites,
        problems=problems,
        demand_vph={m: float(d.mean()) for m, d in demand.items()},
        feeds=feeds,
        held=held,
        seed=seed,
    )


def _read_corridors(path: Path) -> tuple[Corridor, ...]:
    if not path.is_file():
        raise ConfigurationError(
            f"{path.parent} is not a diagnosis folder (no {path.name})",
            "make one with: traffic-brain diagnose CITY STATE REPORT",
        )
    return tuple(corridor_from_dict(c) for c in read_json(path))


def _reason_to_hold(plan: SignalPlan | None, site: JunctionRulesInput) -> str:
    if plan is None:
        return "no fixed plan runs here"
    if len(plan.stages) < 2:
        return "only one stage"
    return "; ".join(retimable(site, plan))


def _common_cycles(problem: City, params: OptimizeParams) -> list[int]:
    """The cycles to try, with the one that most junctions run today."""
    running = Counter(p.plan.cycle_s for p in problem.problems.values())
    today, _ = max(running.items(), key=lambda item: (item[1], -item[0]))
    return sorted({today, *params.common_cycles_s})


def _common(problem: City, cycle_s: int, params: OptimizeParams) -> list[Candidate]:
    """One cycle for all, or half of it where that costs less; else a junction's own best."""
    name = f"common-{cycle_s}"
    cycles = (cycle_s, cycle_s // 2) if cycle_s % 2 == 0 else (cycle_s,)
    splits = {
        junction_id: found
        for group in _groups(problem)
        for junction_id, found in _best_shared(group, cycles, params, name).items()
    }
    return _finish(name, f"common cycle of {cycle_s} s", splits, problem, params)


def _kept_cycles(problem: City, params: OptimizeParams) -> list[Candidate]:
    """Every junction keeps its cycle; only splits and offsets move."""
    splits = {
        junction_id: best_splits(junction, junction.plan.cycle_s, "kept")
        or _own(junction, params, "kept")
        for junction_id, junction in problem.problems.items()
    }
    return _finish(KEPT, "cycles as in service", splits, problem, params)


def _local(problem: City, params: OptimizeParams) -> list[Candidate]:
    """Every junction its own best cycle; junctions that stand close together share one."""
    splits = {
        junction_id: found
        for group in _groups(problem)
        for junction_id, found in _best_shared(
            group, params.local_cycles_s, params, "local"
        ).items()
    }
    return _finish(LOCAL, "each junction its own best cycle", splits, problem, params)


def _groups(problem: City) -> list[list[JunctionProblem]]:
    """Junctions that must share a cycle, most of them alone."""
    together = clusters(problem.network, problem.feeds)
    groups: dict[frozenset[str], list[JunctionProblem]] = {}
    for junction_id, junction in problem.problems.items():
        key = together.get(junction_id, frozenset({junction_id}))
        groups.setdefault(key, []).append(junction)
    return list(groups.values())


def _best_shared(
    group: Sequence[JunctionProblem], cycles_s: Sequence[int], params: OptimizeParams, plan_id: str
) -> dict[str, Splits]:
    """The cycle of least delay that the whole group can run; else each its own best.

    Of junctions that stand close together, the shortest cycle that costs hardly more.
    """
    found: dict[int, list[Splits]] = {}
    for cycle_s in cycles_s:
        splits = [s for j in group if (s := best_splits(j, cycle_s, plan_id)) is not None]
        if len(splits) == len(group):
            found[cycle_s] = splits
    if not found:
        return {j.plan.junction_id: _own(j, params, plan_id) for j in group}
    delays = {c: sum(s.delay_veh_h_per_h for s in splits) for c, splits in found.items()}
    alone = len(group) == 1
    best = min(delays, key=lambda c: (delays[c], c)) if alone else shortest_worthwhile(delays)
    return {s.plan.junction_id: s for s in found[best]}


def _own(junction: JunctionProblem, params: OptimizeParams, plan_id: str) -> Splits:
    """The junction's best cycle; where none of the set fits, its shortest possible one."""
    found = best_cycle(junction, params.local_cycles_s, plan_id)
    if found is None:
        found = best_splits(junction, junction.shortest_cycle_s, plan_id)
    if found is None:
        raise AssertionError("the shortest cycle holds the least greens by construction")
    return found


def _finish(
    candidate_id: str,
    description: str,
    splits: Mapping[str, Splits],
    problem: City,
    params: OptimizeParams,
) -> list[Candidate]:
    """Two sets of offsets for the same splits: green waves, and least delay over all links."""
    base = {j: s.plan for j, s in splits.items()}
    waved, waves = _green_waves(base, problem, params)
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    tuned, proved = least_delay(base, waved, streets, problem.seed, params)
    delay = sum(s.delay_veh_h_per_h for s in splits.values())
    return [
        Candidate(
            f"{candidate_id}-{kind}",
            f"{description}, {words}",
            _named(plans, f"{problem.state.service_day}-{candidate_id}-{kind}"),
            waves if kind == "wave" else (),
            (delay + offset_effect(plans, streets, params)) / problem.vehicles_per_h * 3600,
            proved if kind == "delay" else (),
        )
        for kind, words, plans in (
            ("wave", "green waves", waved),
            ("delay", "offsets of least delay", tuned),
        )
    ]


def _named(plans: Mapping[str, SignalPlan], plan_id: str) -> dict[str, SignalPlan]:
    """Plans under an id that no plan in service has: it carries the day they were made from."""
    return {j: replace(plan, plan_id=plan_id) for j, plan in plans.items()}


def _green_waves(
    plans: Mapping[str, SignalPlan], problem: City, params: OptimizeParams
) -> tuple[dict[str, SignalPlan], tuple[Wave, ...]]:
    """Coordinate every corridor; its first junction keeps its offset."""
    coordinated = dict(plans)
    waves = []
    for corridor in problem.corridors:
        if any(j not in plans for j in corridor.junction_ids):
            continue
        wave = coordinate(
            corridor, plans, problem.network, problem.demand_vph, params.progression_ratio
        )
        if wave is None:
            continue
        waves.append(wave)
        anchor = plans[corridor.junction_ids[0]].offset_s
        for junction_id, offset in zip(corridor.junction_ids, wave.result.offsets_s, strict=True):
            coordinated[junction_id] = plans[junction_id].with_offset(anchor + offset)
    return coordinated, tuple(waves)


def _broken(candidate: Candidate, problem: City) -> frozenset[str]:
    """The first lock: junctions whose plans break a safety rule."""
    return frozenset(
        junction_id
        for junction_id, plan in candidate.plans.items()
        if any(
            finding.severity is Severity.VIOLATION
            for finding in judge(
                plan, problem.sites[junction_id], problem.problems[junction_id].plan
            )
        )
    )


def changed_junctions(candidate: Candidate, problems: Mapping[str, JunctionProblem]) -> list[str]:
    """Junctions at which the candidate shows other lamps than the plan in service."""
    return [
        junction_id
        for junction_id, plan in sorted(candidate.plans.items())
        if plan.stages != problems[junction_id].plan.stages
        or plan.offset_s != problems[junction_id].plan.offset_s
    ]


def _candidate_dict(
    candidate: Candidate, problems: Mapping[str, JunctionProblem]
) -> dict[str, Any]:
    proposed = changed_junctions(candidate, problems)
    return {
        "candidate_id": candidate.candidate_id,
        "description": candidate.description,
        "predicted_delay_s_per_veh": round(candidate.delay_s_per_veh, 3),
        "plans": [plan_to_dict(candidate.plans[j]) for j in proposed],
        "corridors": [_wave_dict(w) for w in candidate.waves],
        **offsets_dict(candidate.offsets),
        **({"front": front(candidate.steps)} if candidate.steps else {}),
    }


def _wave_dict(wave: Wave) -> dict[str, Any]:
    result = wave.result
    return {
        "corridor_id": wave.corridor.corridor_id,
        "cycle_s": wave.cycle_s,
        "out_bandwidth_s": result.out_bandwidth_s,
        "back_bandwidth_s": result.back_bandwidth_s,
        "out_travel_s": list(wave.out_travel_s),
        "back_travel_s": list(wave.back_travel_s),
        "status": str(result.status),
        "objective": _finite(result.objective),
        "bound": _finite(result.bound),
        "gap_ratio": _finite(result.gap_ratio),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
