"""Capacity of lanes under a signal plan.

A lane carries the movements that leave from it; a movement's demand spreads evenly over its
lanes. The lane's effective green is the mean over its movements, weighted by demand:

    effective green = Σ protected green + PERMITTED_RATIO · permitted green + USED_YELLOW_S − loss

where ``loss`` is the start-up loss of each separate green (HCM 2000, ch. 16: 2 s) and a permitted
movement, which waits for gaps, discharges at a fixed share of its saturation flow. That share is
our own rule; gap-acceptance formulas need opposing flows that are as uncertain as the share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traffic_brain.model.network import Movement
from traffic_brain.model.signals import SignalPlan

START_UP_LOSS_S = 2.5
USED_YELLOW_S = 0.5
PERMITTED_RATIO = 0.45
MIN_EFFECTIVE_GREEN_S = 0.5


@dataclass(frozen=True)
class LaneGroup:
    """One lane of an approach with what it carries.

    groups: signal group of each movement that uses the lane, demand_vph: its part of the demand,
    saturation_flow_vph: of this one lane, weighted over its movements.
    """

    link_id: str
    lane_idx: int
    groups: tuple[int, ...]
    shares: tuple[float, ...]
    demand_vph: np.ndarray
    """float64[demand bin]."""
    saturation_flow_vph: float


def lane_groups(
    movements: Sequence[Movement], demand_vph: Mapping[str, np.ndarray]
) -> list[LaneGroup]:
    """Lanes of one junction with their demand; ``demand_vph``: movement_id -> [demand bin]."""
    parts: dict[tuple[str, int], list[tuple[int, np.ndarray, float]]] = defaultdict(list)
    for m in movements:
        for lane in m.lanes:
            for group in m.signal_group_idxs:
                share = demand_vph[m.movement_id] / (len(m.lanes) * len(m.signal_group_idxs))
                parts[m.from_link, lane].append(
                    (group, share, m.saturation_flow_vph / len(m.lanes))
                )
    found = []
    for (link_id, lane), carried in sorted(parts.items()):
        demand = np.sum([d for _, d, _ in carried], axis=0)
        total = float(demand.sum())
        shares = [float(d.sum()) / total if total > 0 else 1 / len(carried) for _, d, _ in carried]
        # Headways add up, flows do not: the lane's saturation flow is the harmonic mean.
        headway = sum(share / s for share, (_, _, s) in zip(shares, carried, strict=True))
        found.append(
            LaneGroup(
                link_id,
                lane,
                tuple(g for g, _, _ in carried),
                tuple(shares),
                demand,
                1.0 / headway,
            )
        )
    return found


def stage_credit(plan: SignalPlan, group: int) -> np.ndarray:
    """float64[stage]: how much one second of each stage's green counts for a signal group."""
    worth = {"G": 1.0, "g": PERMITTED_RATIO}
    return np.array([worth.get(stage.picture[group], 0.0) for stage in plan.stages])


def clearance_credit_s(plan: SignalPlan, group: int) -> float:
    """Effective green that a group has in the fixed intervals, less its start-up losses."""
    seconds = sum(
        interval.duration_s * (1.0 if interval.picture[group] == "G" else PERMITTED_RATIO)
        for stage in plan.stages
        for interval in stage.clearance
        if interval.picture[group] in "Gg"
    )
    return seconds + (USED_YELLOW_S - START_UP_LOSS_S) * len(plan.green_starts(group))


def effective_green_s(plan: SignalPlan, lane: LaneGroup) -> float:
    """Seconds of one cycle in which the lane discharges at its saturation flow."""
    total = 0.0
    for group, share in zip(lane.groups, lane.shares, strict=True):
        green = float(stage_credit(plan, group) @ np.array(plan.greens_s))
        total += share * (green + clearance_credit_s(plan, group))
    return max(total, MIN_EFFECTIVE_GREEN_S)


def saturation_ratio(plan: SignalPlan, lane: LaneGroup) -> float:
    """Demand ÷ capacity of a lane, in its busiest demand bin."""
    capacity = lane.saturation_flow_vph * effective_green_s(plan, lane) / plan.cycle_s
    return float(lane.demand_vph.max() / capacity)


def stage_saturation(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> np.ndarray:
    """float64[stage]: the largest saturation ratio among the lanes that a stage serves.

    NaN for a stage that serves no lane, but people on foot perhaps.
    """
    found = np.full(len(plan.stages), np.nan)
    for lane in lanes:
        ratio = saturation_ratio(plan, lane)
        for i, stage in enumerate(plan.stages):
            if any(stage.picture[g] in "Gg" for g in lane.groups):
                found[i] = np.fmax(found[i], ratio)
    return found


def critical_flow_ratio(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> float:
    """Σ over stages of the largest demand ÷ saturation flow that only this stage serves.

    Above 0.9 no split helps: redesign, do not retime. A lane that several stages serve spreads
    over them by their greens.
    """
    total = np.zeros(len(plan.stages))
    greens = np.array(plan.greens_s, dtype=np.float64)
    for lane in lanes:
        serving = np.array(
            [any(s.picture[g] in "Gg" for g in lane.groups) for s in plan.stages], dtype=np.float64
        )
        weight = serving * greens
        if weight.sum() > 0:
            ratio = float(lane.demand_vph.max()) / lane.saturation_flow_vph
            total = np.maximum(total, ratio * weight / weight.sum())
    return float(total.sum())
