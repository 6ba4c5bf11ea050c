"""What a schedule may be, checked when built."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizers.params import OptimizeParams
from optimizers.schedule.transitions import TransitionLimits
from traffic_brain.errors import ConfigurationError
from traffic_brain.fusion.window import DEMAND_BIN_S


def _short_recipe() -> OptimizeParams:
    return OptimizeParams(max_candidates=1, offset_work=0.5)


@dataclass(frozen=True)
class ScheduleParams:
    """How many plans a day, how long each runs at least, and what a change must bring.

    most_periods: of a day, in a sub-area.
    least_period_s: no plan runs for less; whole bins of the demand.
    least_gain_ratio: one period more must save this share of the delay; less cannot be told.
    limits: of the transition between two plans.
    plans: how the plan of a period is made.
    """

    most_periods: int = 6
    least_period_s: int = 3600
    least_gain_ratio: float = 0.01
    limits: TransitionLimits = field(default_factory=TransitionLimits)
    plans: OptimizeParams = field(default_factory=_short_recipe)

    def __post_init__(self) -> None:
        problems = []
        if not 1 <= self.most_periods <= 16:
            problems.append("most_periods must lie between 1 and 16")
        if self.least_period_s < DEMAND_BIN_S or self.least_period_s % DEMAND_BIN_S:
            problems.append(f"least_period_s must be a multiple of {DEMAND_BIN_S}")
        if not 0.0 <= self.least_gain_ratio < 1.0:
            problems.append("least_gain_ratio must lie in [0, 1)")
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the schedule's settings")

    @property
    def least_bins(self) -> int:
        return self.least_period_s // DEMAND_BIN_S
