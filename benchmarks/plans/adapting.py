"""Our stages under SUMO's actuated control: which, how long they may last, where detectors lie.

What is best with fixed stages need not be best with stages that end when nobody comes: who may skip
time cheaply can have more of them. So stages are searched for anew, and SUMO alone decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.plans import peers
from optimizers.refine import Area, RefineParams, neighbour, restaged
from optimizers.search import Plans
from traffic_brain.model.signals import SignalPlan

SLACK_RATIO = 0.02
"""On the first day a change may look so much worse and still go on to the others."""
LONGEST_RATIOS = (1.3, 2.0, 4.0)
MAX_GAPS_S = (1.5, 2.0, 2.5, 3.0, 4.0)
DETECTOR_GAPS_S = (0.5, 1.0, 1.5, 2.0, 3.0)
TRIED: Mapping[str, Sequence[float]] = {
    "detector_gap_s": DETECTOR_GAPS_S,
    "max_gap_s": MAX_GAPS_S,
    "longest_ratio": LONGEST_RATIOS,
}


@dataclass(frozen=True)
class Adaptation:
    """How stages adapt; the defaults of gaps are SUMO's.

    longest_ratio: longest green over that of the fixed plan, within the stage's own limits.
    max_gap_s: a green ends when nobody has passed its detectors for so long.
    detector_gap_s: detectors lie so many seconds at the speed limit before the stop line.
    """

    longest_ratio: float = 2.0
    max_gap_s: float = 3.0
    detector_gap_s: float = 2.0

    def write(self, plans: Mapping[str, SignalPlan], path: Path) -> Path:
        """The plans as programs for SUMO."""
        parameters = {"max-gap": self.max_gap_s, "detector-gap": self.detector_gap_s}
        limited = {j: _limited(plan, self.longest_ratio) for j, plan in plans.items()}
        return peers.actuated(limited, path, parameters)


def adapted(
    area: Area,
    start: Plans,
    params: RefineParams,
    delay_s: Callable[[Plans, Adaptation, int], float],
    days: Sequence[int],
    *,
    tries: int,
    seed: int,
) -> tuple[Plans, Adaptation]:
    """Settings for the plans, then other stages and greens, then settings for what was found.

    ``delay_s``: in SUMO, of plans with their settings on a day.
    """

    def mean_s(plans: Plans, how: Adaptation) -> float:
        return sum(delay_s(plans, how, day) for day in days) / len(days)

    how = best_adaptation(lambda other: mean_s(start, other))
    rng = np.random.default_rng((seed, 7))
    best, least_s = start, mean_s(start, how)
    for k in range(tries):
        draw = restaged if k % 2 else neighbour
        tried = {**best, **(draw(area, best, params, rng) or {})}
        first_s = delay_s(tried, how, days[0])
        if first_s < (1.0 + SLACK_RATIO) * delay_s(best, how, days[0]):
            tried_s = mean_s(tried, how)
            if tried_s < least_s:
                best, least_s = tried, tried_s
    return best, best_adaptation(lambda other: mean_s(best, other), how)


def best_adaptation(
    delay_s: Callable[[Adaptation], float], start: Adaptation | None = None
) -> Adaptation:
    """One setting after another, twice over: what ``delay_s`` likes best."""
    best = start or Adaptation()
    least_s = delay_s(best)
    for _ in range(2):
        before = best
        for name, values in TRIED.items():
            for rival in [replace(best, **{name: value}) for value in values]:
                if (its_s := delay_s(rival)) < least_s:
                    best, least_s = rival, its_s
        if best == before:
            break
    return best


def _limited(plan: SignalPlan, ratio: float) -> SignalPlan:
    stages = tuple(
        replace(s, max_green_s=min(s.max_green_s, max(s.min_green_s, round(ratio * s.green_s))))
        for s in plan.stages
    )
    return replace(plan, stages=stages)
