"""What could be done at a head's signal, found on the queue model of its area.

Splits are rebalanced at the same cycle, offsets scanned, cycles tried with splits in proportion:
each alone, so that what it gives back tells of it alone; then all of them together, which is what a
retiming could do at most. Least and greatest greens are kept, clearances never touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from traffic_brain.diagnosis.causes.counterfactual import Area, Change
from traffic_brain.model.signals import SignalPlan

SEARCH_DRAWS = 1
STEPS_S = (12, 6, 3)
OFFSETS = 12
CYCLE_RATIOS = (0.35, 0.45, 0.6, 0.75, 0.87, 1.15, 1.35, 1.6, 2.0, 2.5)
SHORTEST_S, LONGEST_S = 30, 150


@dataclass(frozen=True, eq=False)
class Search:
    """One junction's plan in an area whose streets are as calibrated."""

    area: Area
    junction_id: str
    change: Change

    def lost(self, plan: SignalPlan) -> float:
        """Vehicle-hours of the area under a plan; the mean of the draws that a search drives."""
        runs = self.area.lost_veh_h({self.junction_id: plan}, self.change, SEARCH_DRAWS)
        return float(runs.mean())

    def best(self, plans: Iterator[SignalPlan], start: SignalPlan) -> SignalPlan:
        """The best of some plans and the one to start from."""
        found, least = start, self.lost(start)
        for plan in plans:
            lost = self.lost(plan)
            if lost < least - 1e-9:
                found, least = plan, lost
        return found


def rebalanced(search: Search, plan: SignalPlan) -> SignalPlan:
    """Seconds from one stage to another while it pays, cycle and offset as they are."""
    found, least = plan, search.lost(plan)
    for step_s in STEPS_S:
        moved = True
        while moved:
            moved = False
            for other in _moves(found, step_s):
                lost = search.lost(other)
                if lost < least * (1 - 1e-3):
                    found, least, moved = other, lost, True
                    break
    return found


def shifted(search: Search, plan: SignalPlan) -> SignalPlan:
    """The best offset of a scan over the cycle, refined once."""
    step = max(1, round(plan.cycle_s / OFFSETS))
    offsets = range(plan.offset_s, plan.offset_s + plan.cycle_s, step)
    found = search.best((plan.with_offset(o) for o in offsets), plan)
    near = (found.with_offset(found.offset_s + d) for d in (-step // 2, step // 2))
    return search.best(near, found)


def recycled(search: Search, plan: SignalPlan) -> SignalPlan:
    """The best other cycle, greens in proportion; with an offset where neighbours share it."""
    others = {p.cycle_s for j, p in search.area.plans.items() if j != search.junction_id}
    wanted = {round(plan.cycle_s * r) for r in CYCLE_RATIOS} | others
    made = {}
    for cycle_s in sorted(c for c in wanted if SHORTEST_S <= c <= LONGEST_S):
        other = in_proportion(plan, cycle_s)
        if abs(other.cycle_s - plan.cycle_s) > 2:
            made[other.cycle_s] = other

    def tried() -> Iterator[SignalPlan]:
        for cycle_s, other in made.items():
            shifts = range(0, cycle_s, max(1, cycle_s // 6)) if cycle_s in others else (0,)
            yield from (other.with_offset(plan.offset_s + s) for s in shifts)

    return search.best(tried(), plan)


def retimed(search: Search, plan: SignalPlan, other_cycle: SignalPlan) -> SignalPlan:
    """The best of what all three can do together, from this cycle or another one."""
    found = search.best(iter((other_cycle,)), plan)
    return shifted(search, rebalanced(search, found))


def in_proportion(plan: SignalPlan, cycle_s: int) -> SignalPlan:
    """Another cycle, its green shared as before, in whole seconds and within the limits."""
    fixed = plan.cycle_s - sum(plan.greens_s)
    times = (cycle_s - fixed) / max(sum(plan.greens_s), 1)
    greens = np.array([_within(plan, i, g * times) for i, g in enumerate(plan.greens_s)])
    missing = cycle_s - fixed - int(greens.sum())
    for i in np.argsort(-greens, kind="stable").tolist():
        changed = _within(plan, i, greens[i] + missing)
        missing -= changed - int(greens[i])
        greens[i] = changed
    return plan.with_greens(tuple(int(g) for g in greens), plan.plan_id)


def _within(plan: SignalPlan, i: int, green_s: float) -> int:
    stage = plan.stages[i]
    least = min(stage.min_green_s, stage.green_s)
    return int(min(max(round(green_s), least), max(stage.max_green_s, stage.green_s)))


def _moves(plan: SignalPlan, step_s: int) -> Iterator[SignalPlan]:
    for i in range(len(plan.stages)):
        for k in range(len(plan.stages)):
            greens = list(plan.greens_s)
            greens[i] -= step_s
            greens[k] += step_s
            kept = all(_within(plan, n, g) == g for n, g in enumerate(greens))
            if i != k and kept:
                yield plan.with_greens(tuple(greens), plan.plan_id)
