"""A second opinion on the offsets of a city, from plans and trips alone.

Shares no code with the tables, the search or the proof: everything happens on the city's clock,
second by second, with offsets in place from the beginning; platoons spread by convolution in the
frequency domain, queues run for ten cycles. What is the same is the model: Robertson's dispersion,
a vertical queue, the price of a stop and of a vehicle that does not fit on its link.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from traffic_brain.model.network import Movement, RoadNetwork
from traffic_brain.model.signals import SignalPlan

Floats = NDArray[np.float64]

ALPHA, BETA = 0.35, 0.8
STOP_S, SPILLBACK_S = 4.0, 20.0
START_UP_S = 2
GAPS = 0.45
"""What a second of permitted green is worth to a turn that gives way."""
FULLEST = 0.97
SHORT_M, SPACE_M = 60.0, 7.5
LONGEST_DRIVE_S = 150.0
WARM_UP_CYCLES = 9


def city_cost_veh_s(
    network: RoadNetwork,
    plans: Mapping[str, SignalPlan],
    ways: Sequence[Sequence[str]],
    hours: float,
    demand_vph: Mapping[str, float],
    progression_ratio: float,
) -> float:
    """Vehicle-seconds of delay and stops per longest cycle, on all links between two signals."""
    cycle_s = max(plan.cycle_s for plan in plans.values())
    flows = _flows(network, ways, hours, progression_ratio)
    leaving: dict[str, Floats] = {}
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for upstream, downstream in sorted(flows):
        source, target = network.movements[upstream], network.movements[downstream]
        if source.junction_id not in plans or target.junction_id not in plans:
            continue
        groups[source.junction_id, downstream].append(upstream)
        if upstream not in leaving:
            leaving[upstream] = _departures(
                _rate(plans[source.junction_id], source, cycle_s, GAPS), demand_vph[upstream]
            )
    arrivals, even, service, room = [], [], [], []
    for (_, downstream), sources in groups.items():
        movement = network.movements[downstream]
        came = [flows[upstream, downstream] for upstream in sources]
        arrivals.append(
            sum(
                _spread(leaving[upstream] * vph / 3600.0 * cycle_s, drive_s)
                for upstream, (vph, drive_s, _) in zip(sources, came, strict=True)
            )
        )
        even.append(max(demand_vph[downstream] - sum(vph for vph, _, _ in came), 0.0) / 3600.0)
        length_m = came[-1][2]
        gaps = 0.0 if length_m < SHORT_M else GAPS
        service.append(_rate(plans[movement.junction_id], movement, cycle_s, gaps))
        room.append(length_m * len(movement.lanes) / SPACE_M)
    return _queues(np.array(arrivals), np.array(even), np.array(service), np.array(room))


def _flows(
    network: RoadNetwork, ways: Sequence[Sequence[str]], hours: float, progression_ratio: float
) -> dict[tuple[str, str], tuple[float, float, float]]:
    """(movement, next movement at another signal) -> vehicles an hour, drive s, metres."""
    at = {(m.from_link, m.to_link): m for m in network.movements.values()}
    seen: dict[tuple[str, str], list[float]] = {}
    for way in ways:
        passed = [(k, at[pair]) for k, pair in enumerate(pairwise(way)) if pair in at]
        for (i, a), (k, b) in pairwise(passed):
            if a.junction_id == b.junction_id:
                continue
            links = [network.links[x] for x in way[i + 1 : k + 1]]
            drive_s = sum(x.length_m / (progression_ratio * x.free_flow_speed_mps) for x in links)
            length_m = sum(x.length_m for x in links)
            entry = seen.setdefault((a.movement_id, b.movement_id), [0.0, drive_s, length_m])
            entry[0] += 1.0
            if (drive_s, length_m) < (entry[1], entry[2]):
                entry[1:] = [drive_s, length_m]
    return {
        pair: (count / hours, drive_s, length_m)
        for pair, (count, drive_s, length_m) in seen.items()
        if drive_s <= LONGEST_DRIVE_S
    }


def _rate(plan: SignalPlan, movement: Movement, cycle_s: int, gaps: float) -> Floats:
    """Vehicles that may leave in each second of the city's clock."""
    lamp = [picture[movement.signal_group_idxs[0]] for picture in plan.pictures()]
    worth = [1.0 if x == "G" else gaps if x == "g" else 0.0 for x in lamp]
    own = plan.cycle_s
    rate = [
        0.0 if any(worth[(t - back) % own] == 0.0 for back in range(1, START_UP_S + 1)) else w
        for t, w in enumerate(worth)
    ]
    start = plan.first_stage_offset_s
    clock = [rate[(t - start) % own] for t in range(cycle_s)]
    return np.array(clock) * movement.saturation_flow_vph / 3600.0


def _departures(rate: Floats, demand_vph: float) -> Floats:
    """Share of a cycle's vehicles that leaves in each second, arrivals being even."""
    come = max(demand_vph, 1.0) / 3600.0
    if rate.sum() <= 0.0:
        return np.full(len(rate), 1.0 / len(rate))
    come = min(come, 0.99 * float(rate.mean()))
    queue, left = 0.0, np.zeros(len(rate))
    for _ in range(WARM_UP_CYCLES):
        for t, may_leave in enumerate(rate.tolist()):
            left[t] = min(queue + come, may_leave)
            queue += come - left[t]
    return np.asarray(left / left.sum())


def _spread(profile: Floats, drive_s: float) -> Floats:
    """Robertson's geometric distribution after a shift, on the circle of the cycle."""
    cycle = len(profile)
    smoothing = 1.0 / (1.0 + ALPHA * BETA * drive_s)
    later = np.arange(cycle)
    weights = smoothing * (1.0 - smoothing) ** later
    weights /= weights.sum()
    spread = np.fft.irfft(np.fft.rfft(profile) * np.fft.rfft(weights), cycle)
    return np.asarray(np.roll(spread, round(BETA * drive_s)))


def _queues(arrivals: Floats, even: Floats, service: Floats, room: Floats) -> float:
    """Cost of the last of ten cycles; all movements at once, second by second."""
    cycle = arrivals.shape[1]
    come = np.maximum(arrivals, 0.0) + even[:, None]
    wanted, capacity = come.sum(axis=1), service.sum(axis=1)
    runs = (wanted > 0.0) & (capacity > 0.0)
    come, service, room = come[runs], service[runs], room[runs]
    come *= np.minimum(1.0, FULLEST * capacity[runs] / wanted[runs])[:, None]
    queue, cost = np.zeros(len(come)), 0.0
    for t in range((WARM_UP_CYCLES + 1) * cycle):
        now, may_leave = come[:, t % cycle], service[:, t % cycle]
        stops = np.where((queue > 1e-9) | (may_leave < now), now, 0.0)
        queue = np.maximum(queue + now - may_leave, 0.0)
        if t >= WARM_UP_CYCLES * cycle:
            too_many = np.maximum(queue - room, 0.0)
            cost += float((queue + STOP_S * stops + SPILLBACK_S * too_many).sum())
    return cost
