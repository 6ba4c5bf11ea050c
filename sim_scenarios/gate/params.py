"""Settings of the check."""

from __future__ import annotations

from dataclasses import dataclass

from sim_scenarios.gate.calibration import CalibrationLimits
from sim_scenarios.gate.evidence import Limits
from traffic_brain.errors import ConfigurationError


@dataclass(frozen=True)
class CheckParams(Limits, CalibrationLimits):
    """How much the check simulates, and what it asks for; with the limits of its two bases.

    stress_scale: demand of the screening and of the stress phase, times the rebuilt one.
    more_seeds: further pairs of the confirmation when it is open whether the plan is better, or
        when a day broke down.
    last_seeds: still further pairs when those leave open what the median promises.
    least_gain_ratio: a smaller median gain is not worth a change: it lies within the error of a
        rebuilt city (over days in a row, plans that promised 3 to 4 % changed the world's delay by
        −6 to +4 %; ``traffic-brain bench loop``).
    sure_gain_ratio: the interval of the median must promise so much at its near end: rebuilt cities
        promise some points too much, and of plans whose interval nearly touched nought two in
        five were worse in the world (``python -m benchmarks.gate``).
    worse_days_ratio: share of the days on which the plan may be worse.
    rise_ratio: the delay may be so much above that in service under more or less demand.
    breakdown_factor: a day is broken down when its delay is so many times the usual one.
    interval_level: of each look; three looks at each of two candidates together stay at 95 %.
    calm_seeds, calm_scale: pairs under less demand, of a candidate that has passed so far.
    transition_seeds: days on which the signals switch to it and back.
    transition_rise_ratio: the delay of such a day may be so much above that in service.
    most_junctions: a city with more is checked area by area (``sim_scenarios.areas``).
    area_size: junctions of an area at the most, without the ring around it.
    budget_s: wall seconds after which no further area is begun; those that are left keep their
        plans. 0: all are checked. A city in one piece is always checked to the end.
    """

    screen_seeds: int = 4
    confirm_seeds: int = 8
    more_seeds: int = 6
    last_seeds: int = 10
    stress_seeds: int = 3
    stress_scale: float = 1.1
    least_gain_ratio: float = 0.05
    sure_gain_ratio: float = 0.05
    worse_days_ratio: float = 0.125
    rise_ratio: float = 0.02
    breakdown_factor: float = 2.0
    interval_level: float = 0.9917
    calm_seeds: int = 3
    calm_scale: float = 0.9
    transition_seeds: int = 3
    transition_rise_ratio: float = 0.05
    timeout_s: float = 3600.0
    most_junctions: int = 120
    area_size: int = 24
    budget_s: float = 1800.0

    def __post_init__(self) -> None:
        demands = (
            (self.screen_seeds >= 1, "screen_seeds must be at least 1"),
            (self.confirm_seeds >= 8, "confirm_seeds must be at least 8: fewer decide nothing"),
            (
                min(self.more_seeds, self.last_seeds) >= 0,
                "more_seeds and last_seeds must not be negative",
            ),
            (0.5 < self.interval_level < 1, "interval_level must lie in (0.5, 1)"),
            (self.stress_seeds >= 1, "stress_seeds must be at least 1"),
            (1 <= self.stress_scale <= 2, "stress_scale must lie in [1, 2]"),
            (self.calm_seeds >= 1, "calm_seeds must be at least 1"),
            (0.5 <= self.calm_scale <= 1, "calm_scale must lie in [0.5, 1]"),
            (
                1 <= self.transition_seeds <= self.confirm_seeds,
                "transition_seeds must lie between 1 and confirm_seeds",
            ),
            (0 <= self.least_gain_ratio < 1, "least_gain_ratio must lie in [0, 1)"),
            (0 <= self.sure_gain_ratio < 1, "sure_gain_ratio must lie in [0, 1)"),
            (0 <= self.worse_days_ratio <= 1, "worse_days_ratio must lie in [0, 1]"),
            (0 <= self.rise_ratio < 1, "rise_ratio must lie in [0, 1)"),
            (
                min(self.slow_time_ratio, self.most_time_ratio) > 0,
                "slow_time_ratio and most_time_ratio must be positive",
            ),
            (0 < self.locked_days_ratio <= 1, "locked_days_ratio must lie in (0, 1]"),
            (self.most_junctions >= 1, "most_junctions must be at least 1"),
            (self.area_size >= 1, "area_size must be at least 1"),
            (self.budget_s >= 0, "budget_s must not be negative"),
        )
        problems = [told for met, told in demands if not met]
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the check settings")
