"""The few changes that bring most: a front of delay saved against junctions touched.

A department changes five junctions a week rather than fifty. Junctions are changed one after the
other, each time the one (or those that stand so close together that they run as one) that saves
most for each junction touched, with the plan and the offset that suit those around it *as they are
by then*. Greedy: each step is the best after the steps before it; that a set of K is the best of
all sets of K is not claimed. The delay is that of the recipe: the HCM's of every junction, and that
of platoons between signals with one cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizers.least_delay import Streets
from optimizers.offsets import OffsetProblem, clusters, offset_problem
from optimizers.splits import JunctionProblem, delay_of
from traffic_brain.model.signals import SignalPlan

Plans = Mapping[str, SignalPlan]


@dataclass(frozen=True)
class Step:
    """One more change.

    plans: of the junctions that it touches.
    saved_veh_h_per_h: what it saves beyond the steps before it, vehicle-hours per hour.
    moved_s: seconds of green and of offset that differ from the plans in service.
    """

    plans: Plans
    saved_veh_h_per_h: float
    moved_s: int


def few_changes(
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
        moved = sum(_moved_s(problems[j].plan, plan) for j, plan in change.plans.items())
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
        close = clusters(streets.network, streets.feeds)
        self.units = sorted({tuple(sorted(close.get(j, {j}) & problems.keys())) for j in problems})
        unit_of = {j: unit for unit in self.units for j in unit}
        self.feeds: dict[tuple[str, ...], list[int]] = {unit: [] for unit in self.units}
        self.near: dict[tuple[str, ...], set[tuple[str, ...]]] = {u: set() for u in self.units}
        for n, ends in enumerate(self._ends()):
            pair = [unit_of[j] for j in ends if j in unit_of]
            for unit in set(pair):
                self.feeds[unit].append(n)
                self.near[unit] |= set(pair) - {unit}

    def _ends(self) -> Iterator[tuple[str, str]]:
        movements = self.streets.network.movements
        for feed in self.streets.feeds:
            yield movements[feed.upstream].junction_id, movements[feed.downstream].junction_id

    def best_change(self, unit: tuple[str, ...], plans: Plans) -> _Change:
        """The alternative that saves most while all others stay as they are in ``plans``."""
        here = {j: plans[j] for j in unit}
        kept = self._own(here) + self._offsets(here, plans)[0]
        changes = []
        for there in self._choices(unit):
            least, shift = self._offsets(there, plans, free=True)
            moved = {j: plan.with_offset(plan.offset_s + shift) for j, plan in there.items()}
            changes.append(_Change(moved, kept - self._own(there) - least))
        return max(changes, key=lambda c: c.gain, default=_Change(here, 0.0))

    def _choices(self, unit: tuple[str, ...]) -> Iterable[Plans]:
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


def _moved_s(before: SignalPlan, after: SignalPlan) -> int:
    """Seconds by which greens and the offset differ; the offset the shorter way round."""
    if len(before.stages) != len(after.stages):
        return after.cycle_s
    greens = sum(abs(a - b) for a, b in zip(before.greens_s, after.greens_s, strict=True))
    apart = (after.offset_s - before.offset_s) % after.cycle_s
    return greens + min(apart, after.cycle_s - apart)


def applied(today: Plans, steps: Iterable[Step]) -> dict[str, SignalPlan]:
    """The plans after some steps."""
    plans = dict(today)
    for step in steps:
        plans |= step.plans
    return plans


def front(steps: Sequence[Step]) -> list[dict[str, object]]:
    """Junctions touched, seconds moved and delay saved after every step, for candidates.json."""
    told = []
    touched, moved, saved = 0, 0, 0.0
    for step in steps:
        touched += len(step.plans)
        moved += step.moved_s
        saved += step.saved_veh_h_per_h
        told.append(
            {
                "junction_ids": sorted(step.plans),
                "junctions_touched": touched,
                "moved_s": moved,
                "saved_veh_h_per_h": round(saved, 3),
            }
        )
    return told
