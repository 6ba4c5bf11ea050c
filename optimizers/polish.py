"""Plans changed step by step, each change judged by what happens near its own junction.

What one junction gains drowns in the chance of a whole city: far away vehicles arrive otherwise
for no reason. So of a change at one junction only the time tells that is spent there and at the
signals near it, on the same days with and without; and junctions with none of these in common
change in one run. Where most is lost, most is tried. A change that acts everywhere, another common
cycle, is judged by all of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from optimizers.nearness import Nearness
from optimizers.refine import Area, Judge, Plans, RefineParams, neighbour_at, other_cycle
from traffic_brain.model.signals import SignalPlan

EVERYWHERE_PROB = 0.15
"""Of a set of changes that is another cycle for all junctions of one."""
LEAST_WEIGHT = 0.02
"""Of a junction at which nothing is lost, against all that is lost."""
RIVALS = 2
"""Sets of changes that drive side by side."""
SURE = 1.0
"""Standard errors; more would cost more days than a night has."""
SLACK_RATIO = 0.01
"""All in all so much more may be lost by chance while near the changes less is."""

Spent = Callable[[Sequence[Plans], Sequence[int]], np.ndarray]
"""Seconds per vehicle, float64[set of plans, day, place], places as in `Nearness.shared_out`."""


class Change(NamedTuple):
    """Plans of some junctions, and where they act: bool[place]."""

    plans: dict[str, SignalPlan]
    acts: np.ndarray

    def meets(self, acts: np.ndarray) -> bool:
        """Whether both act near one junction."""
        return bool((self.acts & acts)[:-2].any())


@dataclass(frozen=True)
class Polish:
    """The search round good plans. ``asked``: a model that is trusted, or None.

    proposals: sets of changes of which the model picks those that drive.
    """

    area: Area
    near: Nearness
    spent_s: Spent
    params: RefineParams
    asked: Judge | None
    proposals: int
    rng: np.random.Generator

    def climbed(
        self, start: Plans, days: Sequence[int], steps: int, told: Callable[[float], None]
    ) -> Plans:
        """``start`` changed where that is better on these days; ``told`` hears of each step."""
        best: Plans = dict(start)
        now_s = self.spent_s([best], days)[0]
        for _ in range(steps):
            told(float(now_s.sum(axis=1).mean()))
            promising = self._promising(best, now_s, days)
            if promising:
                best, now_s = self._kept(best, now_s, promising, days)
        return best

    def _promising(self, best: Plans, now_s: np.ndarray, days: Sequence[int]) -> list[Change]:
        """Of two sets of changes that drive one day, those that look good there and can go on."""
        count = RIVALS if self.asked is None else self.proposals
        sets = [list(self._drawn(best, now_s)) for _ in range(count)]
        asked = self.asked
        if asked is not None:
            sets.sort(key=lambda changes: asked.delay_s_per_veh(_changed(best, changes)))
            sets = sets[:RIVALS]
        first_s = self.spent_s([_changed(best, changes) for changes in sets], days[:1])[:, 0]
        gains = [
            (float((after_s - now_s[0])[change.acts].sum()), k, change)
            for k, (changes, after_s) in enumerate(zip(sets, first_s, strict=True))
            for change in changes
        ]
        found: list[Change] = []
        for gain, _, change in sorted(gains, key=lambda one: one[:2]):
            if gain < 0 and not any(change.meets(other.acts) for other in found):
                found.append(change)
        return found

    def _kept(
        self, best: Plans, now_s: np.ndarray, changes: list[Change], days: Sequence[int]
    ) -> tuple[Plans, np.ndarray]:
        """Those that are better on these days beyond their chance, together; or nothing changed."""
        while changes:
            plans = _changed(best, changes)
            after_s = self.spent_s([plans], days)[0]
            better = [
                c for c in changes if _beyond_chance((after_s - now_s)[:, c.acts].sum(axis=1))
            ]
            if len(better) == len(changes):
                total_s = after_s.sum() - now_s.sum()
                return (plans, after_s) if total_s < SLACK_RATIO * now_s.sum() else (best, now_s)
            changes = better
        return best, now_s

    def _drawn(self, best: Plans, now_s: np.ndarray) -> Iterator[Change]:
        """Changes that have no junction in common where they act."""
        everywhere = np.ones(now_s.shape[1], dtype=bool)
        if self.rng.random() < EVERYWHERE_PROB:
            changed = other_cycle(self.area, best, self.params, self.rng)
            if changed:
                yield Change(changed, everywhere)
                return
        taken = ~everywhere
        for number in self._order(now_s):
            acts = self.near.acts(number)
            if (acts & taken)[:-2].any():
                continue
            junction_id = self.near.junction_ids[number]
            other = neighbour_at(self.area, best[junction_id], self.params, self.rng)
            if other is not None:
                taken |= acts
                yield Change({junction_id: other}, acts)

    def _order(self, now_s: np.ndarray) -> list[int]:
        """All junctions in an order of chance, where most is lost most probably the first."""
        lost_s = np.maximum(now_s.mean(axis=0)[:-2] - self.near.free_s, 0.0)
        weights = lost_s + LEAST_WEIGHT * max(float(lost_s.sum()), 1e-9)
        count = len(weights)
        drawn = self.rng.choice(count, count, replace=False, p=weights / weights.sum())
        return [int(number) for number in drawn]


def _beyond_chance(differences_s: np.ndarray) -> bool:
    """Whether the mean over the days lies below zero by more than `SURE` times its standard error.

    What looks better by chance alone is on the average worse, and many are tried. One of the days
    has chosen the change already: of those that do nothing about a third still pass.
    """
    count = len(differences_s)
    error_s = float(differences_s.std(ddof=1)) / count**0.5 if count > 1 else 0.0
    return float(differences_s.mean()) < -SURE * error_s


def _changed(plans: Plans, changes: Sequence[Change]) -> Plans:
    changed = dict(plans)
    for change in changes:
        changed |= change.plans
    return changed
