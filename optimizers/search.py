"""Refinement that a simulation steers: a queue model proposes, the simulation decides.

First the queue model is calibrated: some plans drive in the simulation, the model is fitted to half
of them and must rank the other half as the simulation does, or it is not used. On the model the
best candidates are refined jointly, and near what comes out the model is calibrated again. The best
of all plans that have driven is then changed step by step: the model picks the most promising of a
few changes, and one is taken only if the simulation shows less delay over some days of the search,
at least three; one day alone is soon fitted by chance. What was best on some days is lucky there,
too: now and then the days change, and the last word have all days.

The simulation is the caller's: of a rebuilt city in a night, of a recorded world in a benchmark.
Nothing here is a verdict; who steers by some days must be judged on others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import exp, log
from typing import Any, Protocol

import numpy as np

from optimizers.calibration import Calibration, calibrate
from optimizers.refine import (
    Area,
    Judge,
    Refined,
    RefineParams,
    allowed,
    neighbour,
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
DAYS_AT_ONCE = 5
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
RIVALS = 2
"""Changes that drive side by side: of the model's favourites the second is the better at times."""
SLACK_RATIO = 0.02
"""On the first day a change may look so much worse and still go on to the others."""


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


@dataclass(frozen=True)
class SearchParams:
    """What the search may spend and change.

    tries: rounds at the end in which the simulation judges two changes. 0: no search at all.
    evaluations, draws: of the refinement on the model, in each of ``rounds``. No evaluations: the
        model is not asked at all.
    calibration_plans: sets of plans drawn far and wide; the model is fitted to them and proven on
        them, and the best are finalists.
    proposals: changes of which the model picks.
    most_refined: a city with more junctions that may be retimed is not searched.
    most_vehicles: nor one in which more vehicles drove; what one simulation costs goes by them.
    free_protections: a turn that is protected today may become a permitted one.
    """

    tries: int = 60
    evaluations: int = 1000
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


UNASKED = SearchParams(tries=40, most_refined=4, most_vehicles=8_000)
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


@dataclass
class _Run:
    area: Area
    simulated: Simulated
    params: SearchParams
    seed: int
    progress: Progress
    known_s: dict[tuple[frozenset[tuple[str, SignalPlan]], int], float] = field(
        default_factory=dict
    )

    def delays_s(self, sets: Sequence[Plans], days: Sequence[int]) -> np.ndarray:
        """float64[set of plans, day]."""
        keys = [(frozenset(plans.items()), day) for plans in sets for day in days]
        drives = [(plans, day) for plans in sets for day in days]
        asked = {
            key: drive for key, drive in zip(keys, drives, strict=True) if key not in self.known_s
        }
        self.known_s |= zip(asked, self.simulated.delays_s(list(asked.values())), strict=True)
        return np.array([self.known_s[key] for key in keys]).reshape(len(sets), len(days))

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
        asked = None
        if trusted is not None:
            self.area = self.area.with_habits(trusted.habits)
            asked = Judge(self.area, self.params.draws, self.seed)
        rng = np.random.default_rng((self.seed, 5))
        found = [dict(start)]
        tries, turns = self.params.tries, self._turns()
        for i, days in enumerate(turns):
            first, last = (tries * k // len(turns) for k in (i, i + 1))
            found.append(self._climbed(found[-1], days, range(first, last), asked, rng))
        delays_s = self.delays_s(found, range(self.simulated.days)).mean(axis=1)
        best = int(np.argmin(delays_s))
        return found[best], float(delays_s[best])

    def _turns(self) -> list[range]:
        """The days on which changes are compared, one turn after another."""
        count = self.simulated.days
        begins = [b for b in range(0, count, DAYS_AT_ONCE) if count - b >= LEAST_DAYS]
        sets = [range(b, min(b + DAYS_AT_ONCE, count)) for b in begins]
        return [sets[i % len(sets)] for i in range(TURNS)]

    def _climbed(
        self,
        start: Plans,
        days: Sequence[int],
        tries: range,
        asked: Judge | None,
        rng: np.random.Generator,
    ) -> dict[str, SignalPlan]:
        """``start`` changed where that is better on these days."""
        best = dict(start)
        best_s = self.delays_s([best], days)[0]
        for k in tries:
            done = k / self.params.tries
            self.progress(0.6 + 0.4 * done, f"{k} changes tried, {best_s.mean():.1f} s per vehicle")
            count = RIVALS if asked is None else self.params.proposals
            drawn = [self._drawn(best, rng) for _ in range(count)]
            if asked is not None:
                drawn = sorted(drawn, key=asked.delay_s_per_veh)[:RIVALS]
            better = self._better(drawn, best_s, days)
            if better is not None:
                best, best_s = dict(better[0]), better[1]
        return best

    def _drawn(self, plans: Plans, rng: np.random.Generator) -> Plans:
        drawn = dict(plans)
        for _ in range(int(rng.integers(1, 3))):
            drawn |= neighbour(self.area, drawn, self.params.of_model, rng) or {}
        return drawn

    def _better(
        self, rivals: Sequence[Plans], best_s: np.ndarray, days: Sequence[int]
    ) -> tuple[Plans, np.ndarray] | None:
        """The better of the rivals with its delay on these days, if it is the least of all."""
        first_s = self.delays_s(rivals, days[:1])[:, 0]
        i = int(np.argmin(first_s))
        if first_s[i] >= (1.0 + SLACK_RATIO) * best_s[0]:
            return None
        rest_s = self.delays_s([rivals[i]], days[1:])[0]
        delays_s = np.concatenate([first_s[i : i + 1], rest_s])
        return (rivals[i], delays_s) if delays_s.mean() < best_s.mean() else None


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
