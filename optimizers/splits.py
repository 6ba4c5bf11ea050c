"""Splits of one junction: the whole-second greens of least delay, cycle by cycle.

Stages, their order, their pictures and every clearance stay as in the plan in service: a turn
that is protected today stays protected, and pedestrians keep their minimum.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traffic_brain.diagnosis.capacity import clearance_credit_s, lane_groups, stage_credit
from traffic_brain.errors import DataRefused
from traffic_brain.kernels.splits import OK, junction_delay, search_greens
from traffic_brain.model.network import Movement
from traffic_brain.model.signals import SignalPlan


@dataclass(frozen=True)
class JunctionProblem:
    """One junction as arrays: what each lane wants and what each stage gives it.

    credit[lane, stage]: effective seconds a lane gets per second of a stage's green.
    fixed_s[lane]: effective seconds from clearances, less start-up losses.
    demand_vph[lane, bin], saturation_flow_vph[lane].
    """

    plan: SignalPlan
    credit: np.ndarray
    fixed_s: np.ndarray
    demand_vph: np.ndarray
    saturation_flow_vph: np.ndarray
    least_s: np.ndarray
    most_s: np.ndarray

    @property
    def clearance_s(self) -> int:
        return sum(stage.clearance_s for stage in self.plan.stages)

    @property
    def shortest_cycle_s(self) -> int:
        return self.clearance_s + int(self.least_s.sum())


@dataclass(frozen=True)
class Splits:
    """Greens for one cycle and the delay the model expects of them."""

    plan: SignalPlan
    delay_veh_h_per_h: float


def junction_problem(
    plan: SignalPlan,
    movements: Sequence[Movement],
    demand_vph: Mapping[str, np.ndarray],
    least_s: Sequence[int] | None = None,
) -> JunctionProblem | None:
    """The problem of one junction; None when no lane carries demand through a signal group.

    ``least_s``: least green of each stage; None: the plan's own.

    Raises:
        DataRefused: a movement's signal group is not in the plan's lamp pictures.
    """
    beyond = [
        m.movement_id
        for m in movements
        if any(g >= plan.signal_group_count for g in m.signal_group_idxs)
    ]
    if beyond:
        raise DataRefused(
            f"junction {plan.junction_id}: the plan has no lamps for some movements",
            "import the network with the plans that belong to it",
            beyond,
        )
    lanes = lane_groups(movements, demand_vph)
    lanes = [lane for lane in lanes if lane.demand_vph.sum() > 0]
    if not lanes:
        return None
    credit = np.array(
        [
            sum(
                share * stage_credit(plan, g)
                for g, share in zip(lane.groups, lane.shares, strict=True)
            )
            for lane in lanes
        ]
    )
    fixed = np.array(
        [
            sum(
                share * clearance_credit_s(plan, g)
                for g, share in zip(lane.groups, lane.shares, strict=True)
            )
            for lane in lanes
        ]
    )
    return JunctionProblem(
        plan=plan,
        credit=np.ascontiguousarray(credit, dtype=np.float64),
        fixed_s=fixed.astype(np.float64),
        demand_vph=np.ascontiguousarray([lane.demand_vph for lane in lanes], dtype=np.float64),
        saturation_flow_vph=np.array([lane.saturation_flow_vph for lane in lanes]),
        least_s=np.array(least_s or [s.min_green_s for s in plan.stages], dtype=np.float64),
        most_s=np.array([s.max_green_s for s in plan.stages], dtype=np.float64),
    )


def delay_of(problem: JunctionProblem, plan: SignalPlan) -> float:
    """Vehicle-hours of delay per hour that the model expects of a plan with these stages."""
    greens = np.array(plan.greens_s, dtype=np.float64)
    delay = junction_delay(
        greens,
        float(plan.cycle_s),
        problem.credit,
        problem.fixed_s,
        problem.demand_vph,
        problem.saturation_flow_vph,
    )
    return float(delay) / 3600.0


def best_splits(problem: JunctionProblem, cycle_s: int, plan_id: str) -> Splits | None:
    """Greens of least delay for a cycle; None when it is too short or too long for the stages."""
    greens = np.zeros(len(problem.plan.stages))
    status = search_greens(
        problem.least_s,
        problem.most_s,
        problem.clearance_s,
        cycle_s,
        problem.credit,
        problem.fixed_s,
        problem.demand_vph,
        problem.saturation_flow_vph,
        greens,
    )
    if status != OK:
        return None
    plan = problem.plan.with_greens(tuple(int(g) for g in greens), plan_id)
    return Splits(plan, delay_of(problem, plan))


def best_cycle(problem: JunctionProblem, cycles_s: Sequence[int], plan_id: str) -> Splits | None:
    """The best splits over a set of cycles."""
    found = [s for c in cycles_s if (s := best_splits(problem, c, plan_id)) is not None]
    return min(found, key=lambda s: (s.delay_veh_h_per_h, s.plan.cycle_s), default=None)
