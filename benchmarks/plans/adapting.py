"""Our stages under SUMO's actuated control: how long greens may last, where detectors lie."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.plans import peers
from traffic_brain.model.signals import SignalPlan

LONGEST_RATIOS = (1.3, 2.0, 4.0)
MAX_GAPS_S = (1.5, 2.0, 2.5, 3.0, 4.0)
DETECTOR_GAPS_S = (0.5, 1.0, 1.5, 2.0, 3.0)


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


def best_adaptation(delay_s: Callable[[Adaptation], float]) -> Adaptation:
    """One setting after another, twice over: what ``delay_s`` likes best."""
    tried = {
        "detector_gap_s": DETECTOR_GAPS_S,
        "max_gap_s": MAX_GAPS_S,
        "longest_ratio": LONGEST_RATIOS,
    }
    best = Adaptation()
    least_s = delay_s(best)
    for _ in range(2):
        before = best
        for name, values in tried.items():
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
