"""Plan-age watch: what keeping each junction's plan costs today, and what to retime next.

A plan ages as the demand that it was made for moves on. For each junction the greens of least delay
for today's demand are searched within the plan in service: same stages, same cycle, same offset,
least and most greens kept (HCM 2000 delay, ``kernels.splits``). What that saves is told by two runs
of the queue model over the whole city, all junctions as they are and all with their new greens:
there queues block and feed each other, which the formula does not see.

It is a watch, not a proposal: cycles and offsets may give more, and whatever leaves the house goes
through the optimiser and the check.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.diagnosis.capacity import (
    LaneGroup,
    clearance_credit_s,
    critical_flow_ratio,
    lane_groups,
    stage_credit,
)
from traffic_brain.diagnosis.queue_model import journeys, lamps, simulate, street_map
from traffic_brain.fusion.state import State
from traffic_brain.kernels.splits import OK, junction_delay, search_greens
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

REDESIGN_RATIO = 0.9
"""Σ critical flow ratios above this: redesign, do not retime (design code)."""
FILE = "plan_age.parquet"


@dataclass(frozen=True, slots=True)
class PlanAge:
    """What keeping one junction's greens costs over the window, in vehicle-hours."""

    junction_id: str
    formula_veh_h: float
    """By HCM 2000, the junction taken alone."""
    saved_veh_h: float
    """By the queue model, on the junction's approaches; below 0: new greens would cost."""
    lost_veh_h: float
    """By the queue model, under the plan in service."""
    greens_s: tuple[int, ...]
    new_greens_s: tuple[int, ...]
    is_redesign: bool
    """Its demand is beyond what any green can serve."""


def plan_ages(network: RoadNetwork, state: State) -> list[PlanAge]:
    """All junctions that ran a fixed plan, what to retime next first."""
    demand = dict(zip(network.movements, state.demand_vph, strict=True))
    better: dict[str, SignalPlan] = {}
    formula_veh_h: dict[str, float] = {}
    redesign: set[str] = set()
    for junction_id, plan in sorted(state.running_plans.items()):
        lanes = lane_groups(network.movements_at.get(junction_id, ()), demand)
        if not lanes:
            continue
        better[junction_id], saved_s = _best_greens(plan, lanes)
        formula_veh_h[junction_id] = saved_s * state.window.hours / 3600.0
        if critical_flow_ratio(plan, lanes) > REDESIGN_RATIO:
            redesign.add(junction_id)
    lost = _lost_by_junction(network, state, state.running_plans)
    left = _lost_by_junction(network, state, {**state.running_plans, **better})
    ages = [
        PlanAge(
            junction_id=j,
            formula_veh_h=formula_veh_h[j],
            saved_veh_h=lost.get(j, 0.0) - left.get(j, 0.0),
            lost_veh_h=lost.get(j, 0.0),
            greens_s=state.running_plans[j].greens_s,
            new_greens_s=plan.greens_s,
            is_redesign=j in redesign,
        )
        for j, plan in better.items()
    ]
    return sorted(ages, key=lambda a: (-min(a.saved_veh_h, a.formula_veh_h), a.junction_id))


def write_plan_ages(ages: Sequence[PlanAge], out: Path) -> dict[str, int]:
    """Write ``plan_age.parquet`` into the existing folder ``out``, in the order given."""
    columns = {
        "junction_id": pa.array([a.junction_id for a in ages], pa.string()),
        "formula_veh_h": pa.array([round(a.formula_veh_h, 4) for a in ages], pa.float64()),
        "saved_veh_h": pa.array([round(a.saved_veh_h, 4) for a in ages], pa.float64()),
        "lost_veh_h": pa.array([round(a.lost_veh_h, 4) for a in ages], pa.float64()),
        "greens_s": pa.array([list(a.greens_s) for a in ages], pa.list_(pa.int64())),
        "new_greens_s": pa.array([list(a.new_greens_s) for a in ages], pa.list_(pa.int64())),
        "is_redesign": pa.array([a.is_redesign for a in ages], pa.bool_()),
    }
    pq.write_table(pa.table(columns), out / FILE)
    return {"plans_watched": len(ages)}


def _best_greens(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> tuple[SignalPlan, float]:
    """(the plan with the greens of least delay, vehicle-seconds saved per hour)."""
    credit, fixed = _credits(plan, lanes)
    demand = np.array([lane.demand_vph for lane in lanes])
    full = np.array([lane.saturation_flow_vph for lane in lanes])
    now = np.array(plan.greens_s, dtype=np.float64)
    greens = np.zeros_like(now)
    least = np.array([min(s.min_green_s, s.green_s) for s in plan.stages], dtype=np.float64)
    most = np.array([max(s.max_green_s, s.green_s) for s in plan.stages], dtype=np.float64)
    clearance = sum(s.clearance_s for s in plan.stages)
    cycle = plan.cycle_s
    status = search_greens(least, most, clearance, cycle, credit, fixed, demand, full, greens)
    if status != OK:
        return plan, 0.0
    before = junction_delay(now, float(cycle), credit, fixed, demand, full)
    after = junction_delay(greens, float(cycle), credit, fixed, demand, full)
    if after >= before:
        return plan, 0.0
    return plan.with_greens(tuple(int(g) for g in greens), "today"), before - after


def _credits(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> tuple[np.ndarray, np.ndarray]:
    """(effective green per second of each stage [lane, stage], in the fixed intervals [lane])."""
    credit = np.zeros((len(lanes), len(plan.stages)))
    fixed = np.zeros(len(lanes))
    for i, lane in enumerate(lanes):
        for group, share in zip(lane.groups, lane.shares, strict=True):
            credit[i] += share * stage_credit(plan, group)
            fixed[i] += share * clearance_credit_s(plan, group)
    return credit, fixed


def _lost_by_junction(
    network: RoadNetwork, state: State, plans: Mapping[str, SignalPlan]
) -> dict[str, float]:
    """Vehicle-hours on the approaches of each junction in the queue model."""
    city = street_map(network)
    driven = journeys(city, state.trips)
    run = simulate(city, lamps(city, plans), driven, state.window.begin_s, state.window.end_s)
    lost_h = (
        np.bincount(driven.step_link, run.measures.step_delay_s, minlength=len(network.links))
        / 3600.0
    )
    found: dict[str, float] = {}
    for link, hours in zip(network.links.values(), lost_h.tolist(), strict=True):
        if link.junction_id is not None:
            found[link.junction_id] = found.get(link.junction_id, 0.0) + hours
    return found
