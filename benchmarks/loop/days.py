"""The days of a world: how much traffic each has, and what breaks in its feeds."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path

from benchmarks.other_days import redraw, scaled
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec, find
from traffic_brain.errors import DataRefused

FIRST = date(2026, 11, 2)
DEMAND_SD = 0.05
"""Days differ by so much in their number of vehicles (standard deviation, as a share)."""
MOST = 0.15
FAULTS = (
    "police off",
    "checkpoint off",
    "internet off",
    "30 % of rows lost",
    "police clocks 90 s",
    "a third of cameras 90 s",
    "provider 90 s",
    "mph all day",
)


@dataclass(frozen=True)
class Days:
    """The days of one world; the same seed gives the same days.

    Day 0 is driven with the plans in service, and tells the first night all that it knows.

    ``world_name``: a name, or the path of a .sumocfg file.
    """

    world_name: str
    seed: int
    folder: Path

    @cached_property
    def world(self) -> PreparedScenario:
        return prepare(self._spec, self.folder / "prepared")

    @cached_property
    def _spec(self) -> ScenarioSpec:
        return replace(find(self.world_name), time_to_teleport_s=-1)

    @property
    def name(self) -> str:
        """The same wherever the world's file lies."""
        return self._spec.name

    def demand_ratio(self, day: int) -> float:
        """Vehicles of a day, of those that the world has."""
        drawn = self._dice("demand", day).gauss(1.0, DEMAND_SD)
        return min(max(drawn, 1.0 - MOST), 1.0 + MOST)

    def fault(self, day: int) -> str:
        """What breaks in the feeds of a day."""
        return self._dice("fault", day).choice(FAULTS)

    def run_seed(self, day: int, run: int) -> int:
        """Of one of several runs of a day; run 0 is the one that is recorded."""
        return self._dice("run", day, run).randrange(2**31)

    def spec(self, day: int) -> ScenarioSpec:
        """The world of a day."""
        configuration = self.folder / "days" / f"{day}" / "world.sumocfg"
        ratio, seed = self.demand_ratio(day), self._dice("trips", day).randrange(2**31)
        if not configuration.exists():
            try:
                redraw(self.world, configuration, seed, ratio)
            except DataRefused:  # demand in streams
                scaled(self.world, configuration, ratio)
        return replace(
            self._spec,
            sumocfg=configuration,
            generated=None,
            begin_s=self.world.begin_s,
            end_s=self.world.end_s,
            horizon_s=self.world.end_s - self.world.begin_s,
        )

    def _dice(self, *what: object) -> random.Random:
        return random.Random("/".join(map(str, (self.name, self.seed, *what))))


def service_day(day: int) -> date:
    """The date of a day."""
    return FIRST + timedelta(days=day)
