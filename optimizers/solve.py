"""The recipe: problems → splits per cycle → green waves → candidates for the check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

from optimizers.candidates import Candidate, broken, candidate_dict, changed_junctions, named
from optimizers.few_changes.candidates import few_changes
from optimizers.least_delay import Streets, least_delay, offset_effect
from optimizers.offsets import clusters
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.refinement import Refinement, refuse_conflicts
from optimizers.short_links import shortest_worthwhile
from optimizers.splits import JunctionProblem, Splits, best_cycle, best_splits
from optimizers.stage_sets import StageSets
from optimizers.waves import Wave, coordinate
from traffic_brain.executor import Engine, run_all
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, part, silent

MANY = 300
"""Junctions from which on the recipes are worth processes of their own."""
KEPT, LOCAL, STAGED = "kept", "local", "stages-"
BROKEN_RATIO = 0.02
"""Of a candidate's junctions: where more break a rule, the candidate is no good."""


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
    refinement: Refinement | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Write candidates.json and summary.json into ``out``; refinement.json if there is one.

    ``history``: states of earlier days, the latest first; the demand is then the mean of all.
    ``workers``: processes of a city with `MANY` junctions; the result does not depend on it.
    ``refinement``: the candidates are refined in it; what comes out is the first of them.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        ConfigurationError: few changes are asked for, and a refinement that may change all.
    """
    params = params or OptimizeParams()
    recipe = progress
    if refinement is not None:
        refuse_conflicts(params, refinement.params)
        recipe = part(progress, 0.0, 0.3)
    progress(0.02, "reading the problem")
    folders = (city.resolve(), state.resolve(), report.resolve())
    task = _Task(folders, tuple(history), params, seed)
    problem = _read_once(task)
    drafts = None
    if workers > 1 and len(problem.problems) >= MANY:
        tasks = [replace(task, recipe=recipe) for recipe in _recipes(problem, params)]
        drafts = run_all(_draft, tasks, Engine(workers))
    try:
        candidates = solve(problem, params, recipe, drafts)
    finally:
        _read_once.cache_clear()
        _stage_sets.cache_clear()
    if refinement is not None:
        refined, told = refinement.refined(candidates, problem, part(progress, 0.3, 1.0))
        candidates = [*refined, *candidates][: params.max_candidates]
        progress(1.0, f"not refined: {told['skipped']}" if "skipped" in told else "refined")
        (out / "refinement.json").write_text(to_json(told), encoding="utf-8")
    changed = [j for c in candidates[:1] for j in changed_junctions(c, problem.problems)]
    document = {"candidates": [candidate_dict(c, problem.problems) for c in candidates]}
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
    staged: bool = False
    """Stages are chosen anew; else they are those in service."""

    @property
    def words(self) -> str:
        if self.common_s:
            return f"plans with a common cycle of {self.common_s} s{self.stages}"
        if self.name == KEPT:
            return "plans with cycles as in service"
        return f"plans with own cycles{self.stages}"

    @property
    def stages(self) -> str:
        """What is said of them, if anything."""
        return ", stages chosen anew" if self.staged else ""


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
    worked_on = _restaged(problem, recipe, params) if recipe.staged else problem
    if recipe.common_s:
        found = _common(worked_on, recipe, params)
    elif recipe.name == KEPT:
        found = _kept_cycles(worked_on, params)
    else:
        found = _local(worked_on, recipe, params)
    return [safe for candidate in found if (safe := _safe(candidate, problem)) is not None]


def _restaged(problem: City, recipe: Recipe, params: OptimizeParams) -> City:
    """The same city, every junction with the stages that are best in the recipe's cycles."""
    cycles_s = (recipe.common_s,) if recipe.common_s else params.local_cycles_s
    sets = _stage_sets(problem, params.free_protections)
    return replace(problem, problems={j: sets.best(j, cycles_s) for j in problem.problems})


@lru_cache(maxsize=1)
def _stage_sets(problem: City, freed: bool) -> StageSets:
    """Once for all recipes."""
    return StageSets(problem.area(), problem.demands_vph, freed)


def _safe(candidate: Candidate, problem: City) -> Candidate | None:
    """The candidate with junctions that would break a rule left as they run; None: too many do.

    In a city of thousands there is always one that no cycle of the others fits. Those that run as
    one with it stay as well; what was proved of the whole does not hold for what is left.
    """
    wrong = broken(candidate, problem)
    if len(wrong) > BROKEN_RATIO * len(candidate.plans):
        return None
    if not wrong:
        return candidate
    close = clusters(problem.network, problem.feeds)
    left = {k for j in wrong for k in close.get(j, {j})} & candidate.plans.keys()
    kept = {j: problem.problems[j].plan for j in left}
    waves = tuple(w for w in candidate.waves if left.isdisjoint(w.corridor.junction_ids))
    return replace(candidate, plans={**candidate.plans, **kept}, waves=waves, offsets=())


def _recipes(problem: City, params: OptimizeParams) -> list[Recipe]:
    common = [Recipe(f"common-{s}", s) for s in _common_cycles(problem, params)]
    recipes = [*common, Recipe(KEPT), Recipe(LOCAL)]
    if params.max_changes or len(problem.problems) > params.most_restaged:
        return recipes
    staged = [Recipe(f"{STAGED}{s}", s, staged=True) for s in params.staged_cycles_s]
    return [*recipes, *staged, Recipe(f"{STAGED}{LOCAL}", staged=True)]


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
        progress(0.9, f"the {params.max_changes} changes that save most")
        return few_changes(safe, problem, params, progress)
    return safe[: params.max_candidates]


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
    return _in_turn(first) + rest


def _in_turn(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Those with stages chosen anew and those without in turn, the best expected first."""
    kinds: dict[bool, list[Candidate]] = {}
    for candidate in candidates:
        kinds.setdefault(candidate.candidate_id.startswith(STAGED), []).append(candidate)
    turns = zip_longest(*kinds.values())
    return [candidate for turn in turns for candidate in turn if candidate is not None]


def _common_cycles(problem: City, params: OptimizeParams) -> list[int]:
    """The cycles to try, with the one that most junctions run today."""
    running = Counter(p.plan.cycle_s for p in problem.problems.values())
    today, _ = max(running.items(), key=lambda item: (item[1], -item[0]))
    return sorted({today, *params.common_cycles_s})


def _common(problem: City, recipe: Recipe, params: OptimizeParams) -> list[Candidate]:
    """One cycle for all, or half of it where that costs less; else a junction's own best."""
    name, cycle_s = recipe.name, recipe.common_s
    cycles = (cycle_s, cycle_s // 2) if cycle_s % 2 == 0 else (cycle_s,)
    splits = {
        junction_id: found
        for group in _groups(problem)
        for junction_id, found in _best_shared(group, cycles, params, name).items()
    }
    return _finish(name, f"common cycle of {cycle_s} s{recipe.stages}", splits, problem, params)


def _kept_cycles(problem: City, params: OptimizeParams) -> list[Candidate]:
    """Every junction keeps its cycle; only splits and offsets move."""
    splits = {
        junction_id: best_splits(junction, junction.plan.cycle_s, "kept")
        or _own(junction, params, "kept")
        for junction_id, junction in problem.problems.items()
    }
    return _finish(KEPT, "cycles as in service", splits, problem, params)


def _local(problem: City, recipe: Recipe, params: OptimizeParams) -> list[Candidate]:
    """Every junction its own best cycle; junctions that stand close together share one."""
    splits = {
        junction_id: found
        for group in _groups(problem)
        for junction_id, found in _best_shared(
            group, params.local_cycles_s, params, recipe.name
        ).items()
    }
    words = f"each junction its own best cycle{recipe.stages}"
    return _finish(recipe.name, words, splits, problem, params)


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
            named(plans, f"{problem.state.service_day}-{candidate_id}-{kind}"),
            waves if kind == "wave" else (),
            (delay + offset_effect(plans, streets, params)) / problem.vehicles_per_h * 3600,
            proved if kind == "delay" else (),
        )
        for kind, words, plans in (
            ("wave", "green waves", waved),
            ("delay", "offsets of least delay", tuned),
        )
    ]


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
