"""An emergency corridor: greens that stand when an ambulance or a fire engine comes.

From the network, the plans that run, the demand, a route, a speed and a departure: which stage is
called or held at each junction and when, what that costs the others, and after how many cycles all
is as before. It only proposes; nothing is switched here.

The vehicle drives at one speed, v: it is at a stop line d metres on at depart + d / v, plus what it
has waited where no green could be given. The green has to stand

    from   arrival - spread - (l + n h)    the queue before it has left: n vehicles, one every
                                           h = 3600 / s seconds after l = 2 s to start
    until  arrival + spread + clear        however early or late it is, and it has passed

with n as in `emergency_queues.standing_veh`. Where this cannot be given within the rules, less of
the queue's time is asked for, in steps; where not even the arrival itself is green, the vehicle is
told how long it would wait for the next green.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil, floor

import numpy as np

from optimizers.emergency.queues import LOST_S, as_held, cost_of, standing_veh
from optimizers.emergency.result import EmergencyCorridor, EmergencyParams, Passage, Status
from optimizers.emergency.stages import Held, hold
from traffic_brain.diagnosis.capacity import lane_groups
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import Movement, RoadNetwork
from traffic_brain.model.rules import JunctionRulesInput, rules_inputs
from traffic_brain.model.signals import GREENS, SignalPlan

LONGEST_LEAD_S = 60.0
"""More of a queue than this clears in a minute is not waited for."""
LEAD_STEPS = 4


def emergency_corridor(
    network: RoadNetwork,
    plans: Mapping[str, SignalPlan],
    demand_vph: Mapping[str, float],
    route: Sequence[str],
    params: EmergencyParams,
) -> EmergencyCorridor:
    """Hold times along a route, their cost, and the way back.

    Args:
        plans: junction_id -> the plan that runs; a junction without one keeps what it does.
        demand_vph: movement_id -> demand at that time of day.
        route: links in driving order; the vehicle starts at the beginning of the first and drives
            to the end of the last.

    Raises:
        DataRefused: the route is none on this network, or a figure is not above zero.
    """
    _refuse(network, route, params)
    sites = rules_inputs(network)
    movement_of = {(m.from_link, m.to_link): m for m in network.movements.values()}
    passages: list[Passage] = []
    known: dict[str, Held] = {}
    driven_m, now_s, unaided_s = 0.0, float(params.depart_s), float(params.depart_s)
    for link_id, onward in pairwise([*route, ""]):
        length = network.links[link_id].length_m
        driven_m += length
        now_s += length / params.speed_mps
        unaided_s += length / params.speed_mps
        movement = movement_of.get((link_id, onward))
        if movement is None or not _groups(movement):
            continue
        plan = plans.get(movement.junction_id)
        site = sites[movement.junction_id]
        passage = _passage(
            network,
            site,
            plan,
            movement,
            demand_vph,
            params,
            distance_m=driven_m,
            arrival_s=now_s,
            known=known,
        )
        passages.append(passage)
        now_s += passage.wait_s
        if plan is not None:
            unaided_s += _wait_s(plan, _groups(movement), unaided_s)
    return EmergencyCorridor(
        tuple(route), driven_m, params, now_s, unaided_s - params.depart_s, tuple(passages)
    )


def _refuse(network: RoadNetwork, route: Sequence[str], params: EmergencyParams) -> None:
    problems = [f"there is no link {i}" for i in route if i not in network.links]
    if not route:
        problems.append("the route has no link")
    if not problems:
        problems = [
            f"no way leads from {a} to {b}"
            for a, b in pairwise(route)
            if b not in network.successors[a]
        ]
    if not params.speed_mps > 0:
        problems.append(f"the speed is {params.speed_mps} m/s")
    problems += [
        f"{name} is below zero"
        for name in ("depart_s", "spread_s", "clear_s")
        if getattr(params, name) < 0
    ]
    if problems:
        raise DataRefused(
            "no emergency corridor can be made", "choose another route or figures", problems
        )


def _groups(movement: Movement) -> tuple[int, ...]:
    return tuple(dict.fromkeys(g for g in movement.signal_group_idxs if g >= 0))


def _passage(
    network: RoadNetwork,
    site: JunctionRulesInput,
    plan: SignalPlan | None,
    movement: Movement,
    demand_vph: Mapping[str, float],
    params: EmergencyParams,
    *,
    distance_m: float,
    arrival_s: float,
    known: dict[str, Held],
) -> Passage:
    """One stop line; what is held at a junction is noted in ``known`` for when it is met again."""
    groups, junction_id = _groups(movement), movement.junction_id
    until = ceil(arrival_s + params.spread_s + params.clear_s)
    if plan is None:
        asked = floor(arrival_s - params.spread_s)
        return _told(movement, distance_m, arrival_s, Status.NO_PLAN, (asked, until))
    lead = _lead_s(network, plan, movement, demand_vph)
    asked = floor(arrival_s - params.spread_s - lead)
    before = known.get(junction_id)
    if before is not None and before.runs:  # another stop line of a junction that is held already
        return _met_again(plan, movement, before, distance_m, arrival_s, (asked, until))
    least = max(floor(arrival_s), params.depart_s)
    steps = [asked + k * (least - asked) // (LEAD_STEPS - 1) for k in range(LEAD_STEPS)]
    for begin in dict.fromkeys(max(step, params.depart_s) for step in steps):
        held = hold(plan, site, groups, (begin, until), params.depart_s)
        if held is not None:
            known[junction_id] = held
            passage = _held(plan, movement, held, distance_m, arrival_s, (asked, until))
            cost = cost_of(plan, network.movements_at[junction_id], demand_vph, held)
            return replace(passage, cost=cost)
    wait = _wait_s(plan, groups, arrival_s)
    return _told(movement, distance_m, arrival_s, Status.WAITS, (asked, until), wait)


def _told(
    movement: Movement,
    distance_m: float,
    arrival_s: float,
    status: Status,
    asked_s: tuple[int, int],
    wait_s: float = 0.0,
) -> Passage:
    """A stop line at which nothing is changed."""
    return Passage(
        junction_id=movement.junction_id,
        movement_id=movement.movement_id,
        distance_m=distance_m,
        arrival_s=arrival_s,
        status=status,
        wait_s=wait_s,
        asked_from_s=asked_s[0],
        asked_until_s=asked_s[1],
        green_from_s=None,
        green_until_s=None,
        stages=(),
        is_protected=False,
        runs=(),
        back_s=None,
        cycle_s=None,
        cost=None,
    )


def _held(
    plan: SignalPlan,
    movement: Movement,
    held: Held,
    distance_m: float,
    arrival_s: float,
    asked_s: tuple[int, int],
) -> Passage:
    status = Status.HELD if held.runs else Status.AS_PLANNED
    if held.green_from_s > asked_s[0]:
        status = Status.QUEUE_MAY_STAND
    lamps = [plan.stages[run.stage_idx].picture for run in held.block]
    return replace(
        _told(movement, distance_m, arrival_s, status, asked_s),
        green_from_s=held.green_from_s,
        green_until_s=held.green_until_s,
        stages=tuple(dict.fromkeys(run.stage_idx for run in held.block)),
        is_protected=all(picture[g] == "G" for picture in lamps for g in _groups(movement)),
        runs=held.runs,
        back_s=held.back_s if held.runs else None,
        cycle_s=plan.cycle_s,
    )


def _met_again(
    plan: SignalPlan,
    movement: Movement,
    held: Held,
    distance_m: float,
    arrival_s: float,
    asked_s: tuple[int, int],
) -> Passage:
    """What another movement of a junction finds while the junction is held for the first."""
    begin = held.runs[0].start_s
    end = max(held.back_s, ceil(arrival_s)) + 2 * plan.cycle_s
    groups = _groups(movement)
    green = [_is_green(picture, groups) for picture in as_held(plan, held, begin, end)]
    at = floor(arrival_s) - begin
    wait = next((k for k, shows in enumerate(green[at:]) if shows), None)
    if wait != 0:
        told = _told(movement, distance_m, arrival_s, Status.WAITS, asked_s)
        return replace(told, wait_s=float(wait or 0))
    first, last = at, at
    while first > 0 and green[first - 1]:
        first -= 1
    while last + 1 < len(green) and green[last + 1]:
        last += 1
    status = Status.HELD if begin + first <= asked_s[0] else Status.QUEUE_MAY_STAND
    return replace(
        _told(movement, distance_m, arrival_s, status, asked_s),
        green_from_s=begin + first,
        green_until_s=begin + last + 1,
    )


def _lead_s(
    network: RoadNetwork,
    plan: SignalPlan,
    movement: Movement,
    demand_vph: Mapping[str, float],
) -> float:
    """Seconds that the queue before the vehicle needs to leave."""
    movements = network.movements_at[movement.junction_id]
    demand = {m.movement_id: np.array([demand_vph.get(m.movement_id, 0.0)]) for m in movements}
    lanes = [
        lane
        for lane in lane_groups([m for m in movements if min(m.signal_group_idxs) >= 0], demand)
        if lane.link_id == movement.from_link and lane.lane_idx in movement.lanes
    ]
    headway = max((3600.0 / lane.saturation_flow_vph for lane in lanes), default=0.0)
    return min(LONGEST_LEAD_S, LOST_S + standing_veh(plan, lanes) * headway)


def _wait_s(plan: SignalPlan, groups: Sequence[int], at_s: float) -> float:
    """Seconds until the plan as it runs shows green; 0 where it never does."""
    pictures = plan.pictures()
    start = floor(at_s) - plan.first_stage_offset_s
    for k in range(plan.cycle_s):
        if _is_green(pictures[(start + k) % plan.cycle_s], groups):
            return float(k)
    return 0.0


def _is_green(picture: str, groups: Sequence[int]) -> bool:
    return all(picture[g] in GREENS for g in groups)
