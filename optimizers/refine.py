"""Joint refinement: cycles, splits, offsets and stages together, on the queue model of the area.

From plans that are good already the search draws one change after another: seconds from one green
to another, an offset, a junction's or a whole group's cycle, two stages in each other's place, a
stage less or more. Every set of plans drives the same draws of the demand (common random numbers),
so that what differs is the plans. A change for the worse is taken now and then, ever more seldom
(simulated annealing: Kirkpatrick, Gelatt, Vecchi, Science 220, 1983); what is handed back is the
best seen. The budget is counted in evaluations, never in seconds: same seed, same plan.

Every plan passes the rules, every least green that the other optimisers keep is kept, and a turn
that is protected today stays protected unless the planner frees it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp

import numpy as np

from optimizers.splits import JunctionProblem
from optimizers.stage_choice import (
    keeps_rights,
    other_choice,
    permitted_too,
    possible_stages,
    protects_alike,
    with_stages,
)
from traffic_brain.diagnosis.queue_model import (
    HABITS,
    Habits,
    Way,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.errors import ConfigurationError
from traffic_brain.kernels.queues import Journeys
from traffic_brain.model.lamps import Pair
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import (
    JunctionRulesInput,
    judge,
    least_clearances_s,
    violations,
)
from traffic_brain.model.signals import SignalPlan, Stage

Plans = Mapping[str, SignalPlan]

SPREAD_S = 30.0
"""In a draw of the demand each vehicle leaves up to so much earlier or later."""
REDRAWN_PROB = 0.2
"""Probability that a vehicle of a draw is another one, drawn from the whole day."""
SHORTEST_CYCLE_S, LONGEST_CYCLE_S = 20, 180
TRIES = 60
"""Changes drawn that fit nowhere, after which the search gives up."""
SECONDS = (1, 1, 2, 2, 3, 4, 6, 8)


@dataclass(frozen=True)
class RefineParams:
    """What the search may spend and change.

    evaluations: sets of plans driven through the model, all draws of one counting once.
    draws: draws of the demand that every set of plans drives.
    free_protections: a protected turn may become a permitted one.
    first_heat, last_heat: worsening, as a share of the delay, that is taken with probability 1/e at
        the beginning and at the end.
    """

    evaluations: int = 600
    draws: int = 2
    free_protections: bool = False
    first_heat: float = 0.006
    last_heat: float = 0.0003

    def __post_init__(self) -> None:
        problems = []
        if self.evaluations < 1:
            problems.append("evaluations must be at least 1")
        if self.draws < 1:
            problems.append("draws must be at least 1")
        if not 0.0 < self.last_heat <= self.first_heat < 1.0:
            problems.append("heats must fall and lie between 0 and 1")
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the refinement's settings")


@dataclass(frozen=True)
class Refined:
    """The best plans seen from one start, and what the model says of them and of the start."""

    plans: Plans
    delay_s_per_veh: float
    started_at_s_per_veh: float
    evaluations: int


@dataclass(frozen=True, eq=False)
class Area:
    """Junctions refined together and the model that judges them; built once per night."""

    network: RoadNetwork
    sites: Mapping[str, JunctionRulesInput]
    problems: Mapping[str, JunctionProblem]
    ways: Sequence[Way]
    window_s: tuple[int, int]
    held: Plans
    """Plans of junctions that are not retimed."""
    habits: Habits = HABITS
    _stages: dict[tuple[str, bool], list[Stage]] = field(default_factory=dict)
    _least_s: dict[str, dict[Pair, int]] = field(default_factory=dict)

    @property
    def vehicles_per_h(self) -> float:
        """Of the demand."""
        return len(self.ways) * 3600.0 / (self.window_s[1] - self.window_s[0])

    def with_habits(self, habits: Habits) -> Area:
        """The same junctions, whose vehicles drive otherwise."""
        return replace(self, habits=habits)

    def stages(self, junction_id: str, *, freed: bool) -> list[Stage]:
        """Those in service, and others that the junction's conflicts allow."""
        if (junction_id, freed) not in self._stages:
            in_service = self.problems[junction_id].plan
            junction = self.network.junctions[junction_id]
            movements = self.network.movements_at[junction_id]
            known = {s.picture: s for s in in_service.stages}
            more = [permitted_too(s, junction, movements) for s in in_service.stages if freed]
            more += possible_stages(
                in_service, junction, self.network.connections, movements, freed=freed
            )
            for stage in more:
                known.setdefault(stage.picture, stage)
            self._stages[junction_id, freed] = list(known.values())
        return self._stages[junction_id, freed]

    def with_stages(self, junction_id: str, stages: Sequence[Stage]) -> SignalPlan:
        """The plan in service with these stages instead, cleared as the rules ask."""
        in_service = self.problems[junction_id].plan
        if junction_id not in self._least_s:
            self._least_s[junction_id] = least_clearances_s(self.sites[junction_id], in_service)
        return with_stages(in_service, stages, self._least_s[junction_id])

    def least_green_s(self, junction_id: str, stage: Stage) -> int:
        """What a stage lasts at least: as those in service do that protect one of its streams."""
        problem = self.problems[junction_id]
        raised = (
            int(least_s)
            for known, least_s in zip(problem.plan.stages, problem.least_s, strict=True)
            if known.picture == stage.picture
            or (least_s > known.min_green_s and protects_alike(known, stage))
        )
        return max(stage.min_green_s, *raised, 0)


class Judge:
    """The delay of plans over a fixed set of draws of the demand; counts what it was asked."""

    def __init__(self, area: Area, draws: int, seed: int) -> None:
        self.area = area
        self.evaluations = 0
        self._city = street_map(area.network, area.habits)
        self._draws = [self._drawn(np.random.default_rng((seed, k))) for k in range(draws)]

    def _drawn(self, rng: np.random.Generator) -> Journeys:
        ways, count = self.area.ways, len(self.area.ways)
        others = np.where(
            rng.random(count) < REDRAWN_PROB,
            rng.integers(0, max(count, 1), count),
            np.arange(count),
        )
        spread = rng.uniform(-SPREAD_S, SPREAD_S, count)
        begin_s, end_s = self.area.window_s
        drawn = [
            (min(max(ways[i][0] + s, begin_s), end_s - 1.0), ways[i][1])
            for i, s in zip(others.tolist(), spread.tolist(), strict=True)
        ]
        return journeys(self._city, drawn)

    def delay_s_per_veh(self, plans: Plans) -> float:
        """Mean over all draws."""
        self.evaluations += 1
        shown = lamps(self._city, {**self.area.held, **plans})
        runs = (simulate(self._city, shown, driven, *self.area.window_s) for driven in self._draws)
        return float(np.mean([run.delay_s_per_veh for run in runs]))


def refine(area: Area, starts: Sequence[Plans], params: RefineParams, seed: int) -> list[Refined]:
    """Refine the best of ``starts``; the best result first, none where nothing may be retimed.

    Each start is looked at once; the best three share a third of the evaluations that are left,
    and the best of what came out gets the rest. Starts are taken as they are: what is changed
    keeps the rules, what is not changed is not judged here.
    """
    if not area.problems:
        return []
    asked = Judge(area, params.draws, seed)
    rng = np.random.default_rng((seed, 1_000_003))
    scored = sorted(
        ((asked.delay_s_per_veh(plans), i) for i, plans in enumerate(starts)),
        key=lambda pair: pair,
    )[:3]
    each = max((params.evaluations - asked.evaluations) // 3 // max(len(scored), 1), 1)
    found = [
        _anneal(area, asked, starts[i], delay, each, params, rng, params.first_heat)
        for delay, i in scored
    ]
    found.sort(key=lambda one: one.delay_s_per_veh)
    rest = params.evaluations - asked.evaluations
    if found and rest > 0:
        heat = (params.first_heat * params.last_heat) ** 0.5
        first = found[0]
        last = _anneal(area, asked, first.plans, first.delay_s_per_veh, rest, params, rng, heat)
        last = replace(last, started_at_s_per_veh=first.started_at_s_per_veh)
        found = [last, *found]
    return found


def _anneal(
    area: Area,
    asked: Judge,
    start: Plans,
    delay_s: float,
    budget: int,
    params: RefineParams,
    rng: np.random.Generator,
    first_heat: float,
) -> Refined:
    current, current_s = dict(start), delay_s
    best, best_s = current, current_s
    for k in range(budget):
        heat = first_heat * (params.last_heat / first_heat) ** (k / budget)
        changed = neighbour(area, current, params, rng)
        if changed is None:
            break
        proposal = {**current, **changed}
        proposal_s = asked.delay_s_per_veh(proposal)
        worse = (proposal_s - current_s) / max(current_s, 1e-9)
        if worse <= 0 or rng.random() < exp(-worse / heat):
            current, current_s = proposal, proposal_s
        if current_s < best_s:
            best, best_s = current, current_s
    return Refined(best, best_s, delay_s, budget)


def restaged(
    area: Area, plans: Plans, params: RefineParams, rng: np.random.Generator
) -> dict[str, SignalPlan] | None:
    """A junction with other stages, as the rules allow; None: none was drawn that fits."""
    names = sorted(plans.keys() & area.problems.keys())
    for _ in range(TRIES):
        junction_id = names[int(rng.integers(len(names)))]
        new = _restage(area, plans[junction_id], params, rng)
        if new is not None and new != plans[junction_id] and allowed(area, new, params):
            return {junction_id: new}
    return None


def without_protection(
    area: Area, plan: SignalPlan, params: RefineParams, *, same_cycle: bool
) -> SignalPlan:
    """The plan without stages that nobody needs who is let go elsewhere, the shortest green first.

    ``same_cycle``: the greens that are left take their time; else the cycle is that much shorter.
    """
    in_service = area.problems[plan.junction_id].plan
    for stage in sorted(plan.stages, key=lambda stage: (stage.green_s, stage.picture)):
        stages = tuple(s for s in plan.stages if s.picture != stage.picture)
        if len(stages) < 2 or not keeps_rights(stages, in_service, freed=params.free_protections):
            continue
        fewer = replace(area.with_stages(plan.junction_id, stages), plan_id=plan.plan_id)
        fitted = _scaled(fewer, plan.cycle_s if same_cycle else fewer.cycle_s)
        if fitted is not None:
            fitted = _started(fitted, plan.first_stage_offset_s)
            plan = fitted if allowed(area, fitted, params) else plan
    return plan


def neighbour(
    area: Area, plans: Plans, params: RefineParams, rng: np.random.Generator
) -> dict[str, SignalPlan] | None:
    """Junctions whose plans change by one draw, none against the rules; None: nothing fits."""
    names = sorted(plans.keys() & area.problems.keys())
    for _ in range(TRIES):
        junction_id = names[int(rng.integers(len(names)))]
        plan = plans[junction_id]
        draw = rng.random()
        proposed = (
            _new_cycle([plans[j] for j in names], plan.cycle_s, rng)
            if 0.75 <= draw < 0.85
            else {junction_id: _redrawn(area, plan, draw, params, rng)}
        )
        fitting = {
            j: new
            for j, new in proposed.items()
            if new is not None and new != plans[j] and allowed(area, new, params)
        }
        if len(fitting) == len(proposed):
            return fitting
    return None


def other_cycle(
    area: Area, plans: Plans, params: RefineParams, rng: np.random.Generator
) -> dict[str, SignalPlan]:
    """All junctions of one cycle with another, as the rules allow; empty: nothing was drawn."""
    names = sorted(plans.keys() & area.problems.keys())
    for _ in range(TRIES):
        cycle_s = plans[names[int(rng.integers(len(names)))]].cycle_s
        drawn = _new_cycle([plans[j] for j in names], cycle_s, rng)
        fitting = {j: p for j, p in drawn.items() if p is not None and allowed(area, p, params)}
        if len(fitting) == len(drawn):
            return fitting
    return {}


def neighbour_at(
    area: Area, plan: SignalPlan, params: RefineParams, rng: np.random.Generator
) -> SignalPlan | None:
    """The plan of one junction changed by one draw, as the rules allow; None: nothing fits."""
    for _ in range(TRIES):
        new = _redrawn(area, plan, rng.random(), params, rng)
        if new is not None and new != plan and allowed(area, new, params):
            return new
    return None


def _redrawn(
    area: Area, plan: SignalPlan, draw: float, params: RefineParams, rng: np.random.Generator
) -> SignalPlan | None:
    """``draw``, between 0 and 1, decides what is changed."""
    if draw < 0.35:
        return _trade(plan, rng)
    if draw < 0.65:
        return _shift(plan, rng)
    if draw < 0.8:
        return _lengthen(plan, rng)
    return _restage(area, plan, params, rng)


def _trade(plan: SignalPlan, rng: np.random.Generator) -> SignalPlan:
    """Seconds from one green to another; the other stages start as before."""
    i, j = rng.permutation(len(plan.stages))[:2].tolist()
    seconds = int(rng.choice(SECONDS))
    greens = list(plan.greens_s)
    greens[i] -= seconds
    greens[j] += seconds
    return _started(plan.with_greens(tuple(greens), plan.plan_id), plan.first_stage_offset_s)


def _shift(plan: SignalPlan, rng: np.random.Generator) -> SignalPlan:
    seconds = int(rng.choice(SECONDS)) if rng.random() < 0.7 else int(rng.integers(plan.cycle_s))
    return plan.with_offset(plan.offset_s + (seconds if rng.random() < 0.5 else -seconds))


def _lengthen(plan: SignalPlan, rng: np.random.Generator) -> SignalPlan:
    """One green longer or shorter, and the cycle with it."""
    greens = list(plan.greens_s)
    seconds = int(rng.choice(SECONDS))
    greens[int(rng.integers(len(greens)))] += seconds if rng.random() < 0.5 else -seconds
    if min(greens) < 1:
        return plan
    return _started(plan.with_greens(tuple(greens), plan.plan_id), plan.first_stage_offset_s)


def _new_cycle(
    plans: Sequence[SignalPlan], cycle_s: int, rng: np.random.Generator
) -> dict[str, SignalPlan | None]:
    """All junctions of one cycle take another, greens and offsets in proportion."""
    seconds = int(rng.choice((1, 2, 3, 4, 6, 8, 12)))
    wanted = cycle_s + (seconds if rng.random() < 0.5 else -seconds)
    return {p.junction_id: _scaled(p, wanted) for p in plans if p.cycle_s == cycle_s}


def _scaled(plan: SignalPlan, cycle_s: int) -> SignalPlan | None:
    clearance_s = sum(stage.clearance_s for stage in plan.stages)
    room_s = cycle_s - clearance_s
    if room_s < sum(stage.min_green_s for stage in plan.stages):
        return None
    least = [stage.min_green_s for stage in plan.stages]
    greens = [
        max(low, round(g * room_s / sum(plan.greens_s)))
        for g, low in zip(plan.greens_s, least, strict=True)
    ]
    while sum(greens) != room_s:
        if sum(greens) < room_s:
            greens[greens.index(max(greens))] += 1
        else:
            spare = [g - low for g, low in zip(greens, least, strict=True)]
            greens[spare.index(max(spare))] -= 1
    changed = plan.with_greens(tuple(greens), plan.plan_id)
    return _started(changed, round(plan.first_stage_offset_s * cycle_s / plan.cycle_s))


def _restage(
    area: Area, plan: SignalPlan, params: RefineParams, rng: np.random.Generator
) -> SignalPlan | None:
    """Other stages in about the same cycle; who comes new takes its share of the greens."""
    in_service = area.problems[plan.junction_id].plan
    freed = params.free_protections
    library = area.stages(plan.junction_id, freed=freed)
    chosen = other_choice(plan.stages, in_service, library, rng, freed=freed)
    if chosen is None:
        return None
    shown = {stage.picture for stage in plan.stages}
    fresh = [
        replace(s, green_s=max(s.min_green_s, 6)) if s.picture not in shown else s for s in chosen
    ]
    changed = replace(area.with_stages(plan.junction_id, fresh), plan_id=plan.plan_id)
    cycle_s = plan.cycle_s if rng.random() < 0.7 else changed.cycle_s
    fitted = _scaled(changed, cycle_s)
    return fitted and _started(fitted, plan.first_stage_offset_s)


def _started(plan: SignalPlan, first_stage_s: int) -> SignalPlan:
    """The plan with its first stage's green from this second on."""
    return plan.with_offset(first_stage_s + plan.stage_start_s(plan.coordinated_stage_idx))


def allowed(area: Area, plan: SignalPlan, params: RefineParams) -> bool:
    """Whether the plan may run: limits of green first, for they are quick, then every rule."""
    if not SHORTEST_CYCLE_S <= plan.cycle_s <= LONGEST_CYCLE_S:
        return False
    for stage in plan.stages:
        low = area.least_green_s(plan.junction_id, stage)
        if not low <= stage.green_s <= stage.max_green_s:
            return False
    in_service = area.problems[plan.junction_id].plan
    if not keeps_rights(plan.stages, in_service, freed=params.free_protections):
        return False
    return not violations(judge(plan, area.sites[plan.junction_id], in_service))
