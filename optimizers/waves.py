"""Green waves of real corridors: windows from the plans' lamp pictures, offsets back into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optimizers.greenwave.integer import best_offsets
from optimizers.greenwave.problem import CorridorProblem, corridor_direction
from optimizers.greenwave.result import CorridorResult
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import Movement, RoadNetwork
from traffic_brain.model.signals import SignalPlan

QUEUE_HEAD_START_S = 2
"""The platoon should find the queue before it moving: green comes this much earlier."""


@dataclass(frozen=True)
class Wave:
    """A corridor with the offsets found for it and what they give."""

    corridor: Corridor
    cycle_s: int
    out_travel_s: tuple[int, ...]
    back_travel_s: tuple[int, ...]
    result: CorridorResult


def coordinate(
    corridor: Corridor,
    plans: Mapping[str, SignalPlan],
    network: RoadNetwork,
    demand_vph: Mapping[str, float],
    progression_ratio: float,
) -> Wave | None:
    """Offsets of least broken green for the corridor's junctions; None: cycles do not fit.

    A junction with half the corridor's cycle shows each of its greens twice in it.

    Args:
        plans: junction_id -> plan with final splits. demand_vph: movement_id -> demand.
    """
    problem = corridor_problem(corridor, plans, network, demand_vph, progression_ratio)
    if problem is None:
        return None
    back_travel_s = problem.back.travel_s if problem.back else ()
    result = best_offsets(problem)
    return Wave(corridor, problem.cycle_s, problem.out.travel_s, back_travel_s, result)


def corridor_problem(
    corridor: Corridor,
    plans: Mapping[str, SignalPlan],
    network: RoadNetwork,
    demand_vph: Mapping[str, float],
    progression_ratio: float,
) -> CorridorProblem | None:
    """What ``coordinate`` solves: green windows and travel times; None: cycles do not fit."""
    members = [plans[j] for j in corridor.junction_ids]
    cycle_s = max(plan.cycle_s for plan in members)
    if any(cycle_s % plan.cycle_s for plan in members):
        return None
    two_way = all(corridor.back_paths) and bool(corridor.back_paths)
    out_travel = _travel_s(corridor.out_paths, network, progression_ratio)
    back_travel = _travel_s(corridor.back_paths, network, progression_ratio) if two_way else ()
    out = corridor_direction(
        _windows(corridor.out_paths, members, cycle_s, network, demand_vph, back=False),
        out_travel,
        weight=max(corridor.out_flow_vph, 1.0),
    )
    back = (
        corridor_direction(
            _windows(corridor.back_paths, members, cycle_s, network, demand_vph, back=True),
            back_travel,
            weight=max(corridor.back_flow_vph, 1.0),
        )
        if two_way
        else None
    )
    return CorridorProblem(cycle_s, out, back)


def _travel_s(
    paths: Sequence[tuple[str, ...]], network: RoadNetwork, progression_ratio: float
) -> tuple[int, ...]:
    """Whole seconds from stop line to stop line, less the head start for standing queues."""
    times = []
    for path in paths:
        links = [network.links[k] for k in path]
        drive = sum(k.length_m / (progression_ratio * k.free_flow_speed_mps) for k in links)
        times.append(max(round(drive) - QUEUE_HEAD_START_S, 1))
    return tuple(times)


def _windows(
    paths: Sequence[tuple[str, ...]],
    plans: Sequence[SignalPlan],
    cycle_s: int,
    network: RoadNetwork,
    demand_vph: Mapping[str, float],
    *,
    back: bool,
) -> list[tuple[tuple[int, int], ...]]:
    """Green windows of the corridor's movement at each junction, in corridor order."""
    found = []
    for i, plan in enumerate(plans):
        arriving = paths[i] if back and i < len(paths) else None
        if not back and i > 0:
            arriving = paths[i - 1]
        leaving = paths[i - 1] if back and i > 0 else None
        if not back and i < len(paths):
            leaving = paths[i]
        movement = _served(plan.junction_id, arriving, leaving, network, demand_vph)
        greens = plan.green_starts(movement.signal_group_idxs[0]) if movement else ()
        found.append(_repeated(greens, plan.cycle_s, cycle_s))
    return found


def _repeated(
    greens: tuple[tuple[int, int], ...], own_cycle_s: int, cycle_s: int
) -> tuple[tuple[int, int], ...]:
    """Greens of a plan in a cycle that is a multiple of its own."""
    if greens == ((0, own_cycle_s),):
        return ((0, cycle_s),)
    starts = range(0, cycle_s, own_cycle_s)
    return tuple((first + start, length) for first in starts for start, length in greens)


def _served(
    junction_id: str,
    arriving: tuple[str, ...] | None,
    leaving: tuple[str, ...] | None,
    network: RoadNetwork,
    demand_vph: Mapping[str, float],
) -> Movement | None:
    """The movement the corridor takes at a junction; at its ends the busiest that fits."""
    fitting = [
        m
        for m in network.movements_at[junction_id]
        if (arriving is None or m.from_link == arriving[-1])
        and (leaving is None or m.to_link == leaving[0])
    ]
    return max(
        fitting, key=lambda m: (demand_vph.get(m.movement_id, 0.0), m.movement_id), default=None
    )
