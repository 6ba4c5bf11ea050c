"""Which stages each junction shows: the set of least delay among those that keep everybody's right.

A set is made from the stages in service and from those that the junction's conflicts allow
(`stage_choice.possible_stages`), so that each signal group that is let go today still is, and is
protected where it is protected today, unless protections are freed. Sets grow by the right that
fewest stages can serve, until none is left over; none holds more than ``MOST_STAGES``. The
best set is then put into its best order.

Fewer stages lose less time between them and need no long cycle; what is lost is a stage that gave
two groups green at once. Delay tells which weighs more, cycle by cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, permutations

import numpy as np

from optimizers.refine import Area, RefineParams, allowed
from optimizers.splits import JunctionProblem, best_cycle, junction_problem
from optimizers.stage_choice import right_in
from traffic_brain.model.signals import SignalPlan, Stage

MOST_STAGES = 4
MOST_SETS = 200
MOST_LOOKED = 20_000
"""Of a junction: sets, and sets begun, that are looked at."""


@dataclass(frozen=True, eq=False)
class StageSets:
    """The sets that each junction of an area may show, made when they are first asked for.

    ``demand_vph``: movement_id -> float64[demand bin].
    """

    area: Area
    demand_vph: Mapping[str, np.ndarray]
    freed: bool = False
    _known: dict[str, list[JunctionProblem]] = field(default_factory=dict)

    def best(self, junction_id: str, cycles_s: Sequence[int]) -> JunctionProblem:
        """The set of least delay over these cycles; that in service where none does better."""
        today = self.area.problems[junction_id]
        if junction_id not in self._known:
            sets = self._sets(junction_id)
            self._known[junction_id] = [self._problem(junction_id, stages) for stages in sets]
        found = self._least(self._known[junction_id], cycles_s, today)
        if found is today:
            return today
        first, *others = found.plan.stages
        orders = [self._problem(junction_id, (first, *rest)) for rest in permutations(others)]
        return self._least(orders, cycles_s, found)

    def _least(
        self, problems: Sequence[JunctionProblem], cycles_s: Sequence[int], known: JunctionProblem
    ) -> JunctionProblem:
        """The problem of least delay that no rule forbids; ``known`` where none has less."""
        params = RefineParams(free_protections=self.freed)
        before = best_cycle(known, cycles_s, "stages")
        limit = before.delay_veh_h_per_h if before else np.inf
        found = [best_cycle(problem, cycles_s, "stages") for problem in problems]
        ranked = sorted((s.delay_veh_h_per_h, i) for i, s in enumerate(found) if s is not None)
        # The rules take their time: only what would be chosen is judged.
        for delay, i in ranked:
            splits = found[i]
            if delay >= limit or splits is None:
                break
            if allowed(self.area, splits.plan, params):
                return problems[i]
        return known

    def _sets(self, junction_id: str) -> list[tuple[Stage, ...]]:
        in_service = self.area.problems[junction_id].plan
        library = self.area.stages(junction_id, freed=self.freed)
        found: dict[frozenset[str], tuple[Stage, ...]] = {}
        for stages in covers(library, in_service, freed=self.freed):
            found.setdefault(frozenset(s.picture for s in stages), stages)
            if len(found) == MOST_SETS:
                break
        return list(found.values())

    def _problem(self, junction_id: str, stages: Sequence[Stage]) -> JunctionProblem:
        """The junction with these stages in this order, each no shorter than its least green."""
        area = self.area
        in_service = area.problems[junction_id].plan
        plan = area.with_stages(junction_id, stages)
        least_s = [area.least_green_s(junction_id, stage) for stage in plan.stages]
        greens = tuple(
            max(low, min(stage.green_s, stage.max_green_s))
            for low, stage in zip(least_s, plan.stages, strict=True)
        )
        plan = plan.with_greens(greens, in_service.plan_id)
        movements = area.network.movements_at[junction_id]
        found = junction_problem(plan, movements, self.demand_vph, least_s)
        if found is None:
            raise AssertionError("a junction that is planned has demand")
        return found


def covers(
    library: Sequence[Stage], in_service: SignalPlan, *, freed: bool
) -> Iterator[tuple[Stage, ...]]:
    """Sets of stages that keep every right, the smallest first; some may come several times.

    Each stage of a set serves somebody whom those before it left; so every set that needs all of
    its stages is among them, unless ``MOST_LOOKED`` ends it.
    """
    rights = _rights(in_service, freed=freed)
    served = [
        frozenset(g for g, right in rights.items() if right_in(stage, g) >= right)
        for stage in library
    ]
    scarcest = sorted(rights, key=lambda group: (sum(group in s for s in served), group))
    looked_at = chain.from_iterable(
        _grown((), frozenset(), scarcest, served, count) for count in range(2, MOST_STAGES + 1)
    )
    for chosen in islice(looked_at, MOST_LOOKED):
        if chosen:
            yield tuple(library[i] for i in chosen)


def _rights(in_service: SignalPlan, *, freed: bool) -> dict[int, int]:
    """Signal group -> what it must have at least; who has no green today needs none."""
    best = {
        group: max(right_in(stage, group) for stage in in_service.stages)
        for group in range(in_service.signal_group_count)
    }
    return {group: min(right, 1) if freed else right for group, right in best.items() if right}


def _grown(
    chosen: tuple[int, ...],
    done: frozenset[int],
    scarcest: Sequence[int],
    served: Sequence[frozenset[int]],
    count: int,
) -> Iterator[tuple[int, ...]]:
    """Sets of ``count`` stages by their place in ``served``; empty for one that is only begun."""
    group = next((group for group in scarcest if group not in done), None)
    if group is None:
        yield chosen if len(chosen) == count else ()
        return
    yield ()
    if len(chosen) < count:
        for i, groups in enumerate(served):
            if group in groups:
                yield from _grown((*chosen, i), done | groups, scarcest, served, count)
