"""Indices of junctions that follow from the plan that ran and the demand it met."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import pdtrc

from traffic_brain.diagnosis.capacity import LaneGroup, effective_green_s, lane_groups
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import DEMAND_BIN_S
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import GREENS, SignalPlan

COLUMNS = (
    "saturation_ratio",
    "critical_flow_ratio",
    "imbalance_ratio",
    "empty_green_ratio",
    "split_failure_prob",
    "stops_per_veh",
)


def signal_indices(
    network: RoadNetwork, state: State, begin_s: np.ndarray, end_s: np.ndarray
) -> dict[str, np.ndarray]:
    """Column -> float64[junction, period], NaN where no fixed plan ran or no lane is known.

    Args:
        begin_s, end_s: int64[period], seconds of the service day.
    """
    found = {c: np.full((len(network.junctions), len(begin_s)), np.nan) for c in COLUMNS}
    mean = _means(state, begin_s, end_s)
    demand = dict(zip(network.movements, state.demand_vph @ mean, strict=True))
    for i, junction_id in enumerate(network.junctions):
        plan = state.running_plans.get(junction_id)
        lanes = lane_groups(network.movements_at[junction_id], demand) if plan else []
        if plan is None or not lanes:
            continue
        for column, values in _of_junction(plan, lanes).items():
            found[column][i] = values
    return found


def _means(state: State, begin_s: np.ndarray, end_s: np.ndarray) -> np.ndarray:
    """float64[demand bin, period]: weights of a mean over the time they share."""
    starts = state.window.demand_bin_starts()[:, None]
    ends = np.minimum(starts + DEMAND_BIN_S, state.window.end_s)
    shared = np.clip(np.minimum(ends, end_s) - np.maximum(starts, begin_s), 0, None)
    return np.asarray(shared / np.maximum(shared.sum(axis=0), 1))


def _of_junction(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> dict[str, np.ndarray]:
    """Column -> float64[period]."""
    demand = np.array([lane.demand_vph for lane in lanes])
    full = np.array([lane.saturation_flow_vph for lane in lanes])[:, None]
    green_ratio = np.array([effective_green_s(plan, k) for k in lanes])[:, None] / plan.cycle_s
    flow_ratio = demand / full
    saturation = flow_ratio / green_ratio
    serves = np.array([[_serves(stage.picture, k) for k in lanes] for stage in plan.stages])
    greens = np.array(plan.greens_s, dtype=np.float64)
    served = serves.any(axis=1)
    by_stage = np.array([saturation[s].max(axis=0) for s in serves[served]])
    own = serves * greens[:, None]
    # A lane that several stages serve spreads over them by their greens.
    part = own / np.maximum(own.sum(axis=0), 1e-9)
    critical = np.array([(flow_ratio * p[:, None]).max(axis=0) for p in part]).sum(axis=0)
    fullest = by_stage.max(axis=0)
    weight = greens[served] / greens[served].sum()
    arrivals = demand * plan.cycle_s / 3600.0
    room = np.floor(full * green_ratio * plan.cycle_s / 3600.0 + 1e-9)
    stops = np.minimum(0.9 * (1.0 - green_ratio) / np.maximum(1.0 - flow_ratio, 1e-6), 1.0)
    total = demand.sum(axis=0)
    any_demand = total > 0
    return {
        "saturation_ratio": saturation.max(axis=0),
        "critical_flow_ratio": critical,
        "imbalance_ratio": np.where(
            fullest > 0, 1.0 - by_stage.min(axis=0) / np.where(fullest > 0, fullest, 1.0), np.nan
        ),
        "empty_green_ratio": weight @ np.clip(1.0 - by_stage, 0.0, 1.0),
        "split_failure_prob": pdtrc(room, arrivals).max(axis=0),
        "stops_per_veh": np.where(
            any_demand, (stops * demand).sum(axis=0) / np.where(any_demand, total, 1.0), np.nan
        ),
    }


def _serves(picture: str, lane: LaneGroup) -> bool:
    return any(picture[group] in GREENS for group in lane.groups)
