"""What held greens cost the others: a queue per lane, second by second, with and without them.

Vehicles arrive evenly at the demand's rate and leave at the saturation flow while the lamp is
green (a permitted green counts as in `diagnosis.capacity`; the first seconds of each green are
lost); the rest waits: Q(t + 1) = max(0, Q(t) + arrivals - departures). Delay is the area under Q.
The model holds for queues that find room on their link and says nothing of people on foot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.emergency.stages import Held
from traffic_brain.diagnosis.capacity import (
    PERMITTED_RATIO,
    START_UP_LOSS_S,
    USED_YELLOW_S,
    LaneGroup,
    lane_groups,
)
from traffic_brain.model.network import Movement
from traffic_brain.model.signals import SignalPlan

SECONDS_PER_HOUR = 3600.0
WARM_CYCLES = 5
"""Cycles as planned before the change: then the queues are those of every cycle."""
WATCHED_CYCLES = 15
"""Cycles after the plan is in its place again, in which queues may still be longer."""
SAME_VEH = 0.5
"""Queues that differ by less are the same."""
LOST_S = round(START_UP_LOSS_S - USED_YELLOW_S)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the change of greens at one junction does to all who pass it."""

    lost_veh_h: float
    """By lanes whose vehicles wait longer."""
    gained_veh_h: float
    """By lanes whose vehicles wait less, the emergency vehicle's own among them."""
    recovered_s: int | None
    """When all queues are as they would have been; None: not while they were watched."""


def cost_of(
    plan: SignalPlan,
    movements: Sequence[Movement],
    demand_vph: Mapping[str, float],
    held: Held,
) -> Cost:
    """Vehicle-hours lost and gained at one junction, against the plan as it runs.

    Args:
        movements: of the junction. demand_vph: by movement; one that is missing has none.
    """
    if not held.runs:
        return Cost(0.0, 0.0, held.back_s)
    demand = {m.movement_id: np.array([demand_vph.get(m.movement_id, 0.0)]) for m in movements}
    signalled = [m for m in movements if all(g >= 0 for g in m.signal_group_idxs)]
    lanes = lane_groups(signalled, demand)
    begin = held.runs[0].start_s - WARM_CYCLES * plan.cycle_s
    end = held.back_s + WATCHED_CYCLES * plan.cycle_s
    usual = _queues(lanes, _lamps(_as_planned(plan, begin, end)))
    then = _queues(lanes, _lamps(as_held(plan, held, begin, end)))
    longer = then - usual
    by_lane = longer.sum(axis=1) / SECONDS_PER_HOUR
    return Cost(
        float(by_lane[by_lane > 0.0].sum()),
        float(abs(by_lane[by_lane < 0.0].sum())),
        _same_again_s(longer, begin, end, held.back_s, plan.cycle_s),
    )


def standing_veh(plan: SignalPlan, lanes: Sequence[LaneGroup]) -> float:
    """The longest queue of these lanes at the end of their red, vehicles that join it counted.

    n = λ r / (1 - λ / s): who arrives in the red r, and while the queue starts moving (Newell's
    deterministic queue). Above capacity, what one cycle brings.
    """
    longest = 0.0
    for lane in lanes:
        red_s = max((_red_s(plan, group) for group in lane.groups), default=0.0)
        rate = float(lane.demand_vph.max()) / SECONDS_PER_HOUR
        share = float(lane.demand_vph.max()) / lane.saturation_flow_vph
        queue = rate * red_s / (1.0 - share) if share < 1.0 else rate * plan.cycle_s
        longest = max(longest, min(queue, rate * plan.cycle_s))
    return longest


def _red_s(plan: SignalPlan, group: int) -> float:
    return float(plan.cycle_s - sum(length for _, length in plan.green_starts(group)))


def _as_planned(plan: SignalPlan, begin_s: int, end_s: int) -> list[str]:
    pictures = plan.pictures()
    start = begin_s - plan.first_stage_offset_s
    return [pictures[(start + k) % plan.cycle_s] for k in range(end_s - begin_s)]


def as_held(plan: SignalPlan, held: Held, begin_s: int, end_s: int) -> list[str]:
    """The lamp picture of each second, from before the change until after it."""
    shown = _as_planned(plan, begin_s, held.runs[0].start_s)
    for run in held.runs:
        stage = plan.stages[run.stage_idx]
        shown += [stage.picture] * run.green_s
        shown += [i.picture for i in stage.clearance for _ in range(i.duration_s)]
    return shown + _as_planned(plan, held.back_s, end_s)


def _lamps(pictures: Sequence[str]) -> NDArray[np.float64]:
    """float64[group, second]: what a second of each lamp is worth to its queue."""
    letters = np.array([list(p.encode()) for p in pictures], dtype=np.uint8).T
    worth = np.where(letters == ord("G"), 1.0, np.where(letters == ord("g"), PERMITTED_RATIO, 0.0))
    green = worth > 0.0
    for back in range(1, LOST_S + 1):
        was_red = np.ones_like(green)
        was_red[:, back:] = ~green[:, :-back]
        worth = np.where(green & was_red, 0.0, worth)
    return np.asarray(worth)


def _queues(lanes: Sequence[LaneGroup], worth: NDArray[np.float64]) -> NDArray[np.float64]:
    """float64[lane, second]: vehicles waiting; the recursion solved by its running minimum."""
    change = np.array(
        [
            (
                float(lane.demand_vph[0])
                - lane.saturation_flow_vph
                * sum(share * worth[g] for g, share in zip(lane.groups, lane.shares, strict=True))
            )
            / SECONDS_PER_HOUR
            for lane in lanes
        ]
    ).reshape(len(lanes), worth.shape[1])
    total = np.cumsum(change, axis=1)
    return np.asarray(total - np.minimum(np.minimum.accumulate(total, axis=1), 0.0))


def _same_again_s(
    longer: NDArray[np.float64], begin_s: int, end_s: int, back_s: int, cycle_s: int
) -> int | None:
    differ = np.flatnonzero((np.abs(longer) >= SAME_VEH).any(axis=0))
    if not len(differ):
        return back_s
    again = begin_s + int(differ[-1]) + 1
    return max(again, back_s) if again < end_s - cycle_s else None
