"""What an emergency corridor consists of; how it is found stands in `optimizers.emergency`."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from optimizers.emergency.queues import Cost
from optimizers.emergency.stages import StageRun


class Status(StrEnum):
    """What a junction does for the vehicle."""

    AS_PLANNED = "AS_PLANNED"
    """Its green stands anyway."""
    HELD = "HELD"
    """A stage is called earlier, later or held longer."""
    QUEUE_MAY_STAND = "QUEUE_MAY_STAND"
    """As HELD, but the queue before the vehicle may not have left in time."""
    WAITS = "WAITS"
    """No green could be given: the vehicle waits, or goes with care."""
    NO_PLAN = "NO_PLAN"
    """No fixed plan is known: nobody can tell what the lamps will show."""


@dataclass(frozen=True, slots=True)
class EmergencyParams:
    """How the vehicle drives. Times in seconds of the service day."""

    depart_s: int
    """At the beginning of the route; the lamps begin to change then, not earlier."""
    speed_mps: float = 50 / 3.6
    spread_s: int = 5
    """How much earlier or later than expected the vehicle may be at a stop line."""
    clear_s: int = 5
    """From the stop line until it has left the junction."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One stop line with signals on the way."""

    junction_id: str
    movement_id: str
    distance_m: float
    arrival_s: float
    status: Status
    wait_s: float
    asked_from_s: int
    asked_until_s: int
    green_from_s: int | None
    """The green that serves it; None where none is known or none is in time."""
    green_until_s: int | None
    stages: tuple[int, ...]
    """Indices of the stages that make up this green."""
    is_protected: bool
    """The green conflicts with no other; else the vehicle must look out for turning traffic."""
    runs: tuple[StageRun, ...]
    """Every green from the departure until the junction is in its place again."""
    back_s: int | None
    """When it is; None where nothing was changed."""
    cycle_s: int | None
    cost: Cost | None

    @property
    def cycles_to_recover(self) -> int | None:
        """Cycles after the hold until the plan is in its place and all queues as they would be.

        0 where nothing was changed; None where queues last longer than they were watched.
        """
        if not self.runs or self.cost is None or not self.cycle_s or self.green_until_s is None:
            return 0
        again = self.cost.recovered_s
        return None if again is None else ceil((again - self.green_until_s) / self.cycle_s)


@dataclass(frozen=True, slots=True)
class EmergencyCorridor:
    """The proposal for a whole route."""

    route: tuple[str, ...]
    length_m: float
    params: EmergencyParams
    arrive_s: float
    unaided_s: float
    """How long the drive takes at the same speed with the plans as they run, waiting at reds."""
    passages: tuple[Passage, ...]

    @property
    def drive_s(self) -> float:
        return self.arrive_s - self.params.depart_s

    @property
    def cycles_to_recover(self) -> int | None:
        """The most that a junction needs; None where one needs more than was watched."""
        cycles = [p.cycles_to_recover for p in self.passages]
        known = [c for c in cycles if c is not None]
        return max(known, default=0) if len(known) == len(cycles) else None

    @property
    def lost_veh_h(self) -> float:
        """Vehicle-hours that others wait longer."""
        return sum(p.cost.lost_veh_h for p in self.passages if p.cost)

    @property
    def gained_veh_h(self) -> float:
        """Vehicle-hours that those before and beside the vehicle wait less."""
        return sum(p.cost.gained_veh_h for p in self.passages if p.cost)
