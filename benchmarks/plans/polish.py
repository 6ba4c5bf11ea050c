"""The last step of a search: the model proposes, SUMO decides.

A plan that the model made is as good as the model. Here one change after another is drawn, the
model picks the most promising of a few, and it is taken only if SUMO shows less delay over all
days of the search; most are refused on the first of them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.plans.searching import Plans, Searching
from optimizers.refine import Area, Judge, RefineParams, neighbour
from traffic_brain.model.signals import SignalPlan

SLACK_RATIO = 0.02
"""On the first day a change may look so much worse and still go on to the next."""
FIRST = 2
"""Of the model's favourites one of so many is tried: it is wrong now and then."""


def polished(
    here: Searching, area: Area, start: Plans, params: RefineParams, *, seed: int
) -> tuple[Plans, float]:
    """The best plans found near ``start``, and their mean delay over the days of the search."""
    asked = Judge(area, params.draws, seed)
    rng = np.random.default_rng((seed, 5))
    best: Mapping[str, SignalPlan] = dict(start)
    best_s = [here.delay_s(best, day) for day in here.search.days]
    for _ in range(here.search.tries):
        drawn = [_drawn(area, best, params, rng) for _ in range(here.search.proposals)]
        ranked = sorted(range(len(drawn)), key=lambda i: (asked.delay_s_per_veh(drawn[i]), i))
        tried = drawn[ranked[int(rng.integers(min(FIRST, len(ranked))))]]
        tried_s = _judged(here, tried, best_s)
        if tried_s is not None:
            best, best_s = tried, tried_s
    return best, float(np.mean(best_s))


def _drawn(area: Area, plans: Plans, params: RefineParams, rng: np.random.Generator) -> Plans:
    drawn = dict(plans)
    for _ in range(int(rng.integers(1, 3))):
        drawn |= neighbour(area, drawn, params, rng) or {}
    return drawn


def _judged(here: Searching, plans: Plans, best_s: list[float]) -> list[float] | None:
    """The delay of every day; None as soon as it is too long, or in the end not the least."""
    delays_s: list[float] = []
    for day in here.search.days:
        delays_s.append(here.delay_s(plans, day))
        days = len(delays_s)
        slack = 1.0 + SLACK_RATIO / days if days < len(best_s) else 1.0
        if sum(delays_s) >= slack * sum(best_s[:days]):
            return None
    return delays_s
