"""Candidates that touch few junctions, found in two ways; the check sees both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from optimizers.candidates import Candidate, broken, named
from optimizers.few_changes.adding import few_added
from optimizers.few_changes.steps import Step, applied, run_as_one
from optimizers.few_changes.taking_back import few_left
from optimizers.least_delay import Streets, offset_effect
from optimizers.params import OptimizeParams
from optimizers.problem import City
from optimizers.refine import Judge
from optimizers.splits import delay_of
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress

MOST_MODELLED = 40
"""Junctions up to which changes are taken back in the queue model."""
WHOLES, DRAWS = 3, 2


@dataclass(frozen=True)
class _Few:
    """Changes in their order, and how they were found."""

    name: str
    words: str
    steps: tuple[Step, ...]


def few_changes(
    candidates: Sequence[Candidate], problem: City, params: OptimizeParams, progress: Progress
) -> list[Candidate]:
    """As few changes as asked for, the best expected first; at most ``max_candidates``.

    Formulas know every city in time, and no street that locks; the queue model knows that, where
    the city is small enough, and then it says what is expected of either.
    """
    streets = Streets(problem.network, problem.feeds, problem.demand_vph)
    today = {j: junction.plan for j, junction in problem.problems.items()}
    judge = None
    found = list(_added(candidates, problem, streets, params.max_changes))
    if len(problem.problems) <= MOST_MODELLED and problem.state.trips:
        judge = Judge(problem.area(), DRAWS, problem.seed)
        found += _left(candidates, problem, streets, params.max_changes, judge, progress)
    made: dict[tuple[SignalPlan, ...], Candidate] = {}
    for few in found:
        plans = named(applied(today, few.steps), f"{problem.state.service_day}-{few.name}")
        delay = sum(delay_of(problem.problems[j], plan) for j, plan in plans.items())
        delay += offset_effect(plans, streets, params)
        touched = sum(len(step.plans) for step in few.steps)
        words = f"{touched} changes that save most, {few.words}"
        expected = delay / problem.vehicles_per_h * 3600
        candidate = Candidate(few.name, words, plans, (), expected, steps=few.steps)
        if few.steps and not broken(candidate, problem):
            unnamed = (replace(plans[j], plan_id="") for j in sorted(plans))
            made.setdefault(tuple(unnamed), candidate)
    delays = [
        judge.delay_s_per_veh(candidate.plans) if judge else candidate.delay_s_per_veh
        for candidate in made.values()
    ]
    ranked = sorted(zip(delays, made.values(), strict=True), key=lambda pair: pair[0])
    return [candidate for _, candidate in ranked][: params.max_candidates]


def _added(
    candidates: Sequence[Candidate], problem: City, streets: Streets, most: int
) -> Iterator[_Few]:
    """By the formulas: with any of the candidates' plans, and with cycles as today."""
    kept = [c for c in candidates if c.candidate_id.startswith("kept-")]
    for name, words, chosen in (
        ("few", "any plan, by the formulas", candidates),
        ("few-kept", "cycles kept, by the formulas", kept),
    ):
        alternatives = [candidate.plans for candidate in chosen]
        yield _Few(name, words, few_added(problem.problems, streets, alternatives, most))


def _left(
    candidates: Sequence[Candidate],
    problem: City,
    streets: Streets,
    most: int,
    judge: Judge,
    progress: Progress,
) -> Iterator[_Few]:
    """By the queue model: what is left of the candidates that it likes best."""
    today = {j: junction.plan for j, junction in problem.problems.items()}
    units = run_as_one(today.keys(), streets)
    liked = sorted(candidates, key=lambda c: (judge.delay_s_per_veh(c.plans), c.candidate_id))
    for n, whole in enumerate(liked[:WHOLES]):
        progress(0.9 + 0.1 * n / WHOLES, f"what matters most of {whole.candidate_id}")
        steps = few_left(judge, today, whole.plans, units, most)
        yield _Few(
            f"few-{whole.candidate_id}", f"left of {whole.candidate_id} in the queue model", steps
        )
