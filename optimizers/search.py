"""Refinement that a simulation steers.

Candidates and plans drawn far and wide drive in the simulation. Who asks for it has the queue model
propose more: it is fitted to half of those plans and must rank the other half as the simulation
does, or it is not used; on it the best candidates are refined jointly, and near what comes out it
is calibrated again. (On the maps tried it was trusted seldom, and took most of the time.) The best
of all plans that have driven is then changed step by step (`polish`): a change is taken only if the
simulation shows that it helps over some days of the search, at least three; one day alone is soon
fitted by chance. What was best on some days is lucky there, too: now and then the days change, and
the last word have all days.

The simulation is the caller's: of a rebuilt city in a night, of a recorded world in a benchmark.
Nothing here is a verdict; who steers by some days must be judged on others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from math import exp, log
from typing import Any, Protocol, TypeVar

import numpy as np

from optimizers.calibration import Calibration, calibrate
from optimizers.nearness import Nearness, nearness_of
from optimizers.polish import Polish
from optimizers.refine import (
    Area,
    Judge,
    Refined,
    RefineParams,
    allowed,
    refine,
    without_protection,
)
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

Plans = Mapping[str, SignalPlan]
Drive = tuple[Plans, int]
"""Plans, and the number of a day."""
Draw = Callable[[SignalPlan, np.random.Generator], tuple[np.ndarray, int]]

LEAST_DAYS = 3
DAYS_AT_ONCE = 4
"""On which changes are compared, before other days have their turn."""
TURNS = 4
"""Of days, while changes are tried."""
CALIBRATION_DAYS = 3
"""Their median counts: a day that locks is not what the model is for."""
DRAWS = 8
"""Of a plan that the rules allow."""
NEAR = 12
"""Plans drawn near the refined ones after each round."""
BEST = 3
LAST = 5
"""Finalists that drive on all days."""


class Simulated(Protocol):
    """A city that plans can be driven in; the same plans on the same day always do the same."""

    @property
    def days(self) -> int:
        """How many days there are."""
        ...

    @property
    def unfit(self) -> str:
        """Why no plan should be judged here; empty: all is well."""
        ...

    def delays_s(self, drives: Sequence[Drive]) -> list[float]:
        """Delay per vehicle, s, of each."""
        ...

    def spent_s(self, drives: Sequence[Drive]) -> list[Mapping[str, float]]:
        """By link_id: seconds that vehicles spend on it and, where they begin, waiting for a place.

        All of them divided by the number of vehicles; link `NOWHERE`: nobody knows where.
        """
        ...


@dataclass(frozen=True)
class SearchParams:
    """What the search may spend and change.

    tries: steps at the end, in each of which the simulation judges two sets of changes. 0: no
        search at all.
    evaluations, draws: of the refinement on the model, in each of ``rounds``. No evaluations: the
        model is not asked at all.
    calibration_plans: sets of plans drawn far and wide; the model is fitted to them and proven on
        them, and the best are finalists.
    proposals: sets of changes of which the model picks.
    most_refined: a city with more junctions that may be retimed is not searched.
    most_vehicles: nor one in which more vehicles drove; what one simulation costs goes by them.
    free_protections: a turn that is protected today may become a permitted one.
    """

    tries: int = 60
    evaluations: int = 0
    draws: int = 2
    rounds: int = 2
    calibration_plans: int = 24
    proposals: int = 6
    most_refined: int = 40
    most_vehicles: int = 50_000
    free_protections: bool = False

    def __post_init__(self) -> None:
        least = {"tries": 0, "proposals": 2, "calibration_plans": 8, "most_refined": 0}
        least |= {"most_vehicles": 0, "evaluations": 0}
        least |= dict.fromkeys(("draws", "rounds"), 1)
        problems = [
            f"{name} must be at least {lowest}"
            for name, lowest in least.items()
            if getattr(self, name) < lowest
        ]
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the refinement's settings")

    @property
    def of_model(self) -> RefineParams:
        """For the refinement on the model alone."""
        return RefineParams(max(self.evaluations, 1), self.draws, self.free_protections)


UNASKED = SearchParams(tries=30, most_refined=8, most_vehicles=8_000)
"""Of a night whose settings do not speak of it: with so little to simulate it takes minutes."""


@dataclass(frozen=True)
class Searched:
    """What was found, its mean delay over the days of the search, and how it went."""

    plans: Plans
    delay_s_per_veh: float
    in_service_s_per_veh: float
    told: dict[str, Any] = field(default_factory=dict)


def search(
    area: Area,
    candidates: Sequence[Plans],
    simulated: Simulated,
    params: SearchParams,
    seed: int,
    progress: Progress = silent,
) -> Searched:
    """The best plans found; those in service where nothing better was.

    Args:
        candidates: sets of plans that cover the same junctions as ``area.problems``, the best
            expected first. All drive on one day; the best there are finalists, too.

    Raises:
        ConfigurationError: the simulation has fewer than ``LEAST_DAYS`` days.
    """
    if simulated.days < LEAST_DAYS:
        raise ConfigurationError(f"{simulated.days} days are too few", f"give {LEAST_DAYS} or more")
    run = _Run(area, simulated, params, seed, progress)
    in_service: Plans = {j: p.plan for j, p in area.problems.items()}
    if params.free_protections:
        shorter = [short for c in candidates[:BEST] for short in run.without_protection(c)]
        candidates = [*shorter, *candidates]
    candidates = run.ranked(_different(candidates))
    rounds_of_model = params.rounds if params.evaluations else 0
    drawn = run.drawn_near([in_service, *candidates], params.calibration_plans)
    finalists: list[Plans] = [in_service, *candidates[: 2 * BEST]]
    starts: list[Plans] = [in_service, *candidates]
    rounds: list[dict[str, Any]] = []
    trusted: Calibration | None = None
    for number in range(rounds_of_model):
        progress(0.05 + 0.45 * number / params.rounds, f"calibrating, round {number + 1}")
        calibration = run.calibrated(drawn)
        rounds.append(_told(calibration))
        if not calibration.trusted:
            break
        trusted = calibration
        progress(0.1 + 0.45 * number / params.rounds, "refining on the model")
        refined = run.refined(starts, calibration, number)
        rounds[-1]["refined_s"] = [round(one.delay_s_per_veh, 2) for one in refined]
        finalists += [one.plans for one in refined]
        starts = [*(one.plans for one in refined), *starts]
        if number + 1 < params.rounds:
            drawn += run.drawn_near([one.plans for one in refined[:2]], NEAR, gentle=True)
    finalists += run.best_driven(drawn, CALIBRATION_DAYS if rounds_of_model else 1)
    progress(0.55, "comparing finalists")
    best, delays = run.chosen(finalists)
    plans, delay_s = run.polished(finalists[best], trusted)
    progress(1.0, f"{delay_s:.1f} s per vehicle")
    told = {
        "rounds": rounds,
        "finalists_s": [round(delay, 2) for delay in delays],
        "chosen": best,
        "polished_s": round(delay_s, 2),
    }
    return Searched(plans, delay_s, run.mean_s(in_service), told)


_Key = tuple[frozenset[tuple[str, SignalPlan]], int]
"""Plans, and the number of a day."""
T = TypeVar("T")


@dataclass
class _Run:
    area: Area
    simulated: Simulated
    params: SearchParams
    seed: int
    progress: Progress
    known_s: dict[_Key, float] = field(default_factory=dict)
    known_spent_s: dict[_Key, np.ndarray] = field(default_factory=dict)

    @cached_property
    def near(self) -> Nearness:
        return nearness_of(self.area)

    def delays_s(self, sets: Sequence[Plans], days: Sequence[int]) -> np.ndarray:
        """float64[set of plans, day]."""
        return _once(self.simulated.delays_s, self.known_s, sets, days)

    def spent_s(self, sets: Sequence[Plans], days: Sequence[int]) -> np.ndarray:
        """float64[set of plans, day, place], seconds per vehicle."""

        def asked(drives: Sequence[Drive]) -> list[np.ndarray]:
            return [self.near.shared_out(spent) for spent in self.simulated.spent_s(drives)]

        return _once(asked, self.known_spent_s, sets, days)

    def mean_s(self, plans: Plans) -> float:
        return float(self.delays_s([plans], range(self.simulated.days)).mean())

    def ranked(self, candidates: Sequence[Plans]) -> list[Plans]:
        """The best of the first day first: formulas and simulation rank them differently."""
        delays = self.delays_s(candidates, [0])[:, 0]
        return [candidates[i] for i in np.argsort(delays, kind="stable")]

    def drawn_near(
        self, round_about: Sequence[Plans], count: int, *, gentle: bool = False
    ) -> list[Plans]:
        """Plans round others; ``gentle``: greens and offsets hardly changed.

        Else good and bad are among them, with cycles of half to twice the length: between plans
        that are nearly alike a simulation's own chance decides, and no model could tell.
        """
        rng = np.random.default_rng((self.seed, int(gentle)))
        drawn = self._gently if gentle else self._widely
        return [
            {
                junction_id: self._fitting(plan, drawn, rng)
                for junction_id, plan in sorted(round_about[i % len(round_about)].items())
            }
            for i in range(count)
        ]

    def _fitting(self, plan: SignalPlan, drawn: Draw, rng: np.random.Generator) -> SignalPlan:
        """A plan drawn near, as the rules allow; the plan itself where none was drawn that fits."""
        for _ in range(DRAWS):
            ratios, shift_s = drawn(plan, rng)
            greens = np.rint(ratios * plan.greens_s).astype(int)
            fitting = (
                min(max(stage.min_green_s, int(green)), stage.max_green_s)
                for green, stage in zip(greens, plan.stages, strict=True)
            )
            changed = plan.with_greens(tuple(fitting), plan.plan_id)
            changed = changed.with_offset(plan.offset_s + shift_s)
            if allowed(self.area, changed, self.params.of_model):
                return changed
        return plan

    def _gently(self, plan: SignalPlan, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        """(greens by those of the plan, shift of the offset in s)."""
        return rng.uniform(0.85, 1.2, len(plan.stages)), int(rng.integers(-5, 6))

    def _widely(self, plan: SignalPlan, rng: np.random.Generator) -> tuple[np.ndarray, int]:
        together = exp(rng.uniform(log(0.5), log(2.2)))
        each = np.exp(rng.uniform(log(0.6), log(1.6), len(plan.stages)))
        return together * each, int(rng.integers(plan.cycle_s))

    def without_protection(self, plans: Plans) -> list[Plans]:
        """Plans without the stages that only protect: in the same cycle, and in a shorter one."""
        same, shorter = dict(plans), dict(plans)
        for junction_id, plan in plans.items():
            for changed, keep in ((same, True), (shorter, False)):
                fewer = without_protection(self.area, plan, self.params.of_model, same_cycle=keep)
                changed[junction_id] = fewer
        return [same, shorter] if same != plans else []

    def calibrated(self, drawn: Sequence[Plans]) -> Calibration:
        measured = np.median(self.delays_s(drawn, range(CALIBRATION_DAYS)), axis=1)
        area = self.area
        return calibrate(area.network, area.ways, area.window_s, drawn, measured.tolist())

    def refined(
        self, starts: Sequence[Plans], calibration: Calibration, number: int
    ) -> list[Refined]:
        area = self.area.with_habits(calibration.habits)
        found = refine(area, starts, self.params.of_model, self.seed + 100 * number)
        return sorted(found, key=lambda one: one.delay_s_per_veh)

    def best_driven(self, drawn: Sequence[Plans], days: int) -> list[Plans]:
        """Those drawn that did best on the first days: far from all recipes some are good."""
        delays = self.delays_s(drawn, range(days)).mean(axis=1)
        ranked = sorted(range(len(drawn)), key=lambda i: (delays[i], i))
        return [drawn[i] for i in ranked[:BEST]]

    def chosen(self, finalists: Sequence[Plans]) -> tuple[int, list[float]]:
        """All finalists on some days, the best of them on all; the index of the best."""
        delays = self.delays_s(finalists, range(LEAST_DAYS)).mean(axis=1)
        ranked = sorted(range(len(finalists)), key=lambda i: (delays[i], i))[:LAST]
        last = self.delays_s([finalists[i] for i in ranked], range(self.simulated.days))
        best = min(range(len(ranked)), key=lambda i: (last[i].mean(), ranked[i]))
        return ranked[best], delays.tolist()

    def polished(self, start: Plans, trusted: Calibration | None) -> tuple[Plans, float]:
        """The best plans found near ``start``, and their mean delay over all days.

        ``trusted``: of the model, which then chooses whom to try; None: chance does.
        """
        area, asked, params = self.area, None, self.params
        if trusted is not None:
            area = area.with_habits(trusted.habits)
            asked = Judge(area, params.draws, self.seed)
        rng = np.random.default_rng((self.seed, 5))
        polish = Polish(
            area, self.near, self.spent_s, params.of_model, asked, params.proposals, rng
        )
        found = [start]
        turns, steps = self._turns(), 0

        def told(spent_s: float) -> None:
            nonlocal steps
            done = 0.6 + 0.4 * steps / params.tries
            self.progress(done, f"{steps} steps, {spent_s:.1f} s on the road per vehicle")
            steps += 1

        for i, days in enumerate(turns):
            first, last = (params.tries * k // len(turns) for k in (i, i + 1))
            found.append(polish.climbed(found[-1], days, last - first, told))
        delays_s = self.delays_s(found, range(self.simulated.days)).mean(axis=1)
        best = int(np.argmin(delays_s))
        return found[best], float(delays_s[best])

    def _turns(self) -> list[range]:
        """The days on which changes are compared, one turn after another."""
        count = self.simulated.days
        begins = [b for b in range(0, count, DAYS_AT_ONCE) if count - b >= LEAST_DAYS]
        sets = [range(b, min(b + DAYS_AT_ONCE, count)) for b in begins]
        return [sets[i % len(sets)] for i in range(TURNS)]


def _once(
    simulated: Callable[[Sequence[Drive]], Sequence[T]],
    known: dict[_Key, T],
    sets: Sequence[Plans],
    days: Sequence[int],
) -> np.ndarray:
    """float64[set of plans, day, ...]; what was simulated before is not simulated again."""
    drives = {(frozenset(plans.items()), day): (plans, day) for plans in sets for day in days}
    asked = [key for key in drives if key not in known]
    known |= zip(asked, simulated([drives[key] for key in asked]), strict=True)
    return np.array([[known[frozenset(plans.items()), day] for day in days] for plans in sets])


def _different(candidates: Sequence[Plans]) -> list[Plans]:
    """Without those that are others by name alone."""
    unnamed = ({j: replace(plan, plan_id="") for j, plan in plans.items()} for plans in candidates)
    return list({frozenset(plans.items()): plans for plans in unnamed}.values())


def _told(calibration: Calibration) -> dict[str, Any]:
    """A calibration for a document."""
    habits = asdict(calibration.habits)
    habits["driving"] = calibration.habits.driving._asdict()
    return {
        "habits": habits,
        "held_out_rank_correlation": round(calibration.held_out_rank_correlation, 3),
        "held_out_ratio": round(calibration.held_out_ratio, 3),
        "plans": calibration.plans,
        "trusted": calibration.trusted,
    }
