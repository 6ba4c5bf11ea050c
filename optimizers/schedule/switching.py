"""What a change of plans costs at a junction: the queues of the cycles in which it gets into step.

Simulated as a fluid (even arrivals), so the chance of arrivals is not in it; lanes above capacity
are taken at 95 % of it: their queue grows whatever the transition.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from optimizers.schedule.transitions import (
    Method,
    Transition,
    TransitionLimits,
    greens_on_the_way,
    later_s,
    transition,
)
from optimizers.splits import JunctionProblem
from traffic_brain.kernels.fluid_queues import fluid_delay
from traffic_brain.model.signals import SignalPlan

MOST_SATURATED = 0.95
SETTLING_CYCLES = 5
"""Regular cycles after the transition in which queues that it left are counted."""
HOUR_S = 3600.0


@dataclass(frozen=True)
class Switch:
    """One change of plans at one junction. ``extra_veh_h``: delay beyond the new plan's own."""

    ends_s: int
    """When the plan before has ended its last cycle, in seconds of the service day."""
    transition: Transition
    extra_veh_h: float

    @property
    def duration_s(self) -> int:
        return self.transition.duration_s


@dataclass(frozen=True)
class Running:
    """A plan in step, with the queues that it has at the begin of a cycle.

    flow, saturation: float64[lane] veh/s. queue: float64[lane] veh.
    usual_veh: vehicles in queues, mean over a cycle.
    """

    junction: JunctionProblem
    plan: SignalPlan
    flow: np.ndarray
    saturation: np.ndarray
    queue: np.ndarray
    usual_veh: float

    def spent_veh_s(self, greens_s: np.ndarray, queue: np.ndarray) -> float:
        """Vehicle-seconds in queues over cycles of such greens; ``queue`` is taken and left."""
        return float(
            fluid_delay(
                np.ascontiguousarray(greens_s, dtype=np.float64),
                np.array([stage.clearance_s for stage in self.plan.stages], dtype=np.float64),
                self.junction.credit,
                self.junction.fixed_s,
                self.flow,
                self.saturation,
                queue,
            )
        )


def running(junction: JunctionProblem, plan: SignalPlan, demand_vph: np.ndarray) -> Running:
    """The plan after some cycles of this demand, float64[lane]."""
    greens = np.array(plan.greens_s, dtype=np.float64)
    saturation = junction.saturation_flow_vph / HOUR_S
    effective = np.clip(junction.credit @ greens + junction.fixed_s, 0.0, plan.cycle_s)
    flow = np.minimum(demand_vph / HOUR_S, MOST_SATURATED * saturation * effective / plan.cycle_s)
    queue = np.zeros(len(flow))
    found = Running(junction, plan, flow, saturation, queue, 0.0)
    found.spent_veh_s(_regular(plan, SETTLING_CYCLES), queue)
    usual = found.spent_veh_s(_regular(plan, 1), queue.copy()) / plan.cycle_s
    return replace(found, usual_veh=usual)


def cheapest_switch(
    before: SignalPlan, after: Running, time_s: int, limits: TransitionLimits
) -> Switch:
    """The way of least delay from one plan into the next at a time of the day."""
    plan = after.plan
    ends, shift = later_s(time_s, before, plan)
    shortest = plan.cycle_s - sum(s.green_s - s.min_green_s for s in plan.stages)
    ways = [
        transition(plan.cycle_s, shift, method, limits, shortest_cycle_s=shortest)
        for method in Method
    ]
    switches = [Switch(ends, way, extra_delay_veh_h(after, way)) for way in ways if way is not None]
    return min(switches, key=lambda s: (s.extra_veh_h, s.duration_s))


def extra_delay_veh_h(after: Running, way: Transition) -> float:
    """Vehicle-hours of a transition into a plan beyond those of the plan in as much time."""
    if not way.cycles_s:
        return 0.0
    greens = np.vstack([greens_on_the_way(after.plan, way), _regular(after.plan, SETTLING_CYCLES)])
    lasted_s = way.duration_s + SETTLING_CYCLES * after.plan.cycle_s
    spent = after.spent_veh_s(greens, after.queue.copy())
    return float((spent - after.usual_veh * lasted_s) / HOUR_S)


def _regular(plan: SignalPlan, cycles: int) -> np.ndarray:
    return np.array([plan.greens_s] * cycles, dtype=np.float64)
