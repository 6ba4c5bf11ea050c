"""Changes added one after the other, by the recipe's formulas.

Each time the junction changes (or those that stand so close together that they run as one) that
saves most for each junction touched, with the plan and the offset that suit those around it *as
they are by then*. Greedy: each step is the best after the steps before it; that a set of K is the
best of all sets of K is not claimed. The delay is that of the recipe: the HCM's of every junction,
and that of platoons between signals with one cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizers.few_changes.steps import Plans, Step, Unit, moved_s, run_as_one
from optimizers.least_delay import Streets
from optimizers.offsets import OffsetProblem, offset_problem
from optimizers.splits import JunctionProblem, delay_of


def few_added(
    problems: Mapping[str, JunctionProblem],
    streets: Streets,
    alternatives: Sequence[Plans],
    most: int,
) -> tuple[Step, ...]:
    """Changes in the order in which they should be made, until ``most`` junctions are touched.

    Args:
        alternatives: sets of plans to choose from, junction by junction.
        most: fewer where nothing more saves.
    """
    town = _Town(problems, streets, alternatives)
    plans = {j: junction.plan for j, junction in problems.items()}
    best = {unit: town.best_change(unit, plans) for unit in town.units}
    steps: list[Step] = []
    touched = 0
    while fitting := [u for u in best if best[u].gain > 0 and touched + len(u) <= most]:
        unit = max(fitting, key=lambda u: (best[u].gain / len(u), u))
        change = best.pop(unit)
        plans |= change.plans
        touched += len(unit)
        moved = sum(moved_s(problems[j].plan, plan) for j, plan in change.plans.items())
        steps.append(Step(change.plans, change.gain, moved))
        for near in town.near[unit]:
            if near in best:
                best[near] = town.best_change(near, plans)
    return tuple(steps)


@dataclass(frozen=True)
class _Change:
    plans: Plans
    gain: float


class _Town:
    """Units that change as one, who feeds whom, and what a change of one of them saves."""

    def __init__(
        self,
        problems: Mapping[str, JunctionProblem],
        streets: Streets,
        alternatives: Sequence[Plans],
    ) -> None:
        self.problems, self.streets, self.alternatives = problems, streets, alternatives
        self.units = run_as_one(problems.keys(), streets)
        unit_of = {j: unit for unit in self.units for j in unit}
        self.feeds: dict[Unit, list[int]] = {unit: [] for unit in self.units}
        self.near: dict[Unit, set[Unit]] = {u: set() for u in self.units}
        for n, ends in enumerate(self._ends()):
            pair = [unit_of[j] for j in ends if j in unit_of]
            for unit in set(pair):
                self.feeds[unit].append(n)
                self.near[unit] |= set(pair) - {unit}

    def _ends(self) -> Iterator[tuple[str, str]]:
        movements = self.streets.network.movements
        for feed in self.streets.feeds:
            yield movements[feed.upstream].junction_id, movements[feed.downstream].junction_id

    def best_change(self, unit: Unit, plans: Plans) -> _Change:
        """The alternative that saves most while all others stay as they are in ``plans``."""
        here = {j: plans[j] for j in unit}
        kept = self._own(here) + self._offsets(here, plans)[0]
        changes = []
        for there in self._choices(unit):
            least, shift = self._offsets(there, plans, free=True)
            moved = {j: plan.with_offset(plan.offset_s + shift) for j, plan in there.items()}
            changes.append(_Change(moved, kept - self._own(there) - least))
        return max(changes, key=lambda c: c.gain, default=_Change(here, 0.0))

    def _choices(self, unit: Unit) -> Iterable[Plans]:
        """Alternatives that differ in more than all offsets together; the plans of today too."""
        seen: set[tuple[object, ...]] = set()
        today = {j: junction.plan for j, junction in self.problems.items()}
        for plans in (today, *self.alternatives):
            there = {j: plans[j] for j in unit if j in plans}
            first = there[unit[0]].offset_s if len(there) == len(unit) else 0
            key = tuple((p.stages, (p.offset_s - first) % p.cycle_s) for p in there.values())
            if len(there) == len(unit) and key not in seen:
                seen.add(key)
                yield there

    def _own(self, plans: Plans) -> float:
        return sum(delay_of(self.problems[j], plan) for j, plan in plans.items())

    def _offsets(self, there: Plans, plans: Plans, *, free: bool = False) -> tuple[float, int]:
        """(vehicle-hours per hour against random arrivals, shift of all of ``there`` together).

        ``free``: the shift of least delay; else none.
        """
        unit = tuple(sorted(there))
        known = dict(plans) | dict(there)
        feeds = [self.streets.feeds[n] for n in self.feeds[unit]]
        ends = {j for feed in feeds for j in self._junctions(feed.upstream, feed.downstream)}
        around = {j: known[j] for j in ends if j in known}
        cost, shift = 0.0, 0
        cycles = sorted({plan.cycle_s for plan in there.values()})
        for cycle_s in cycles:
            links = offset_problem(
                around, self.streets.network, feeds, self.streets.demand_vph, cycle_s
            )
            if links is None:
                continue
            by_shift = _by_shift(links, around, set(there))
            mean = float(links.tables.mean(axis=1).sum())
            if free and len(cycles) == 1:
                shift = int(np.argmin(by_shift))
            cost += (float(by_shift[shift % cycle_s]) - mean) / cycle_s
        return cost, shift

    def _junctions(self, *movement_ids: str) -> list[str]:
        return [self.streets.network.movements[m].junction_id for m in movement_ids]


def _by_shift(links: OffsetProblem, plans: Plans, moving: set[str]) -> np.ndarray:
    """float64[shift]: the sum of the tables when some junctions start so many seconds later."""
    shifts = np.arange(links.cycle_s)
    total = np.zeros(links.cycle_s)
    for table, (a, b) in zip(links.tables, links.pairs, strict=True):
        up, down = links.junction_ids[a], links.junction_ids[b]
        apart = plans[down].first_stage_offset_s - plans[up].first_stage_offset_s
        sign = int(down in moving) - int(up in moving)
        total += table[(apart + sign * shifts) % links.cycle_s]
    return total
