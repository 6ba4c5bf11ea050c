"""What is known of a link without having seen it: its shape, its signal, its traffic.

The wait at a signal is that of vehicles that arrive evenly over the cycle: Σ red² / (2 · cycle)
over its reds (Webster 1958, the uniform term without the queue's own time). Where a link is too
short for those who wait, they stand on the links behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array

from traffic_brain.model.network import VEHICLE_SPACING_M, RoadNetwork
from traffic_brain.model.signals import GREENS, SignalPlan

Pair = tuple[str, str]
STOP_BEFORE_END_M = 1.0
"""A driver stops short of the line: nobody stands on the last metre."""
ROUNDS_BACK = 5
LEAST_WAIT_S = 0.05
MOVING_PACE_RATIO = 1.15
"""Pace over free flow of those who need not stop."""
START_SPEED_MPS = 6.0
START_LENGTH_M = 15.0
"""Who starts from a stop line crosses it at about this speed, and gains his own on such a way."""
ROOM_TO_STAND_M = 5.0
"""On a link that is hardly longer than the metre before the line only moving vehicles are."""
RARE = 0.03
"""Values rarer than this at either end count as the value there: nothing is extrapolated."""
NEIGHBOUR_SHARE = 0.7


@dataclass(frozen=True)
class Traffic:
    """The plans that ran, and the vehicles of each turn over the window."""

    plans: Mapping[str, SignalPlan]
    turns_veh: Mapping[Pair, float]
    hours: float

    @staticmethod
    def unknown() -> Traffic:
        """Before anything but speeds was read."""
        return Traffic({}, {}, 1.0)


@dataclass(frozen=True)
class LinkFeatures:
    """values: float64[link, feature], each of mean zero and size one.

    expected_log_ratio: float64[link], log pace over free flow by driving and waiting alone.
    room: float64[link] in 0 … 1, how far a link can be as other links are: none can be jammed
        on which nobody finds room to stand.
    """

    values: np.ndarray
    expected_log_ratio: np.ndarray
    room: np.ndarray


def link_features(network: RoadNetwork, traffic: Traffic) -> LinkFeatures:
    """Features of every link, in the network's order."""
    links = list(network.links.values())
    free_s = np.array([link.length_m / link.free_flow_speed_mps for link in links])
    length = np.array([link.length_m for link in links])
    lanes = np.array([max(len(link.car_lanes), 1) for link in links])
    flow = _link_flow_vph(network, traffic)
    signal = _signal_figures(network, traffic)
    wait = _where_there_is_room(network, traffic, signal.wait_s, flow / lanes, length)
    onward = _mean_over(network.successors, network, wait / free_s)
    columns = [
        np.log(free_s),
        np.log1p(wait / free_s),
        signal.controlled,
        signal.red_ratio,
        np.minimum(signal.saturation, 1.5),
        np.log1p(flow / lanes),
        np.log1p([len(network.predecessors[link.link_id]) for link in links]),
        np.log1p([len(network.successors[link.link_id]) for link in links]),
        np.log1p(_rivals(network)),
        _mean_over(network.predecessors, network, signal.controlled),
        np.log1p(onward),
        [link.free_flow_speed_mps for link in links],
    ]
    values = np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)
    values = np.clip(values, *np.quantile(values, [RARE, 1.0 - RARE], axis=0))
    size = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(size > 0, size, 1.0)
    started = np.maximum(
        signal.red_ratio, _mean_over(network.predecessors, network, signal.red_ratio)
    )
    free_speed = np.array([link.free_flow_speed_mps for link in links])
    slower = np.maximum(free_speed / START_SPEED_MPS - MOVING_PACE_RATIO, 0.0)
    starting = started * slower * np.exp(-length / START_LENGTH_M)
    return LinkFeatures(
        values,
        np.log(MOVING_PACE_RATIO + starting + wait / free_s),
        -np.expm1(-np.maximum(length - STOP_BEFORE_END_M, 0.0) / ROOM_TO_STAND_M),
    )


def nearness(network: RoadNetwork) -> np.ndarray:
    """float64[link, link]: correlation of what links owe to their place, 1 on the diagonal.

    That of a quantity that is scattered over the graph and then blurred twice by each link taking
    over ``NEIGHBOUR_SHARE`` of its neighbours' mean; so it is positive definite by construction.
    """
    count, idx = len(network.links), network.link_idx
    pairs = {(idx[c.from_link], idx[c.to_link]) for c in network.connections}
    both = np.array(sorted(pairs | {(b, a) for a, b in pairs}), dtype=np.int64).reshape(-1, 2)
    beside = csr_array((np.ones(len(both)), (both[:, 0], both[:, 1])), shape=(count, count))
    share = diags_array(NEIGHBOUR_SHARE / np.maximum(beside.sum(axis=1), 1.0))
    once = eye_array(count) + share @ beside
    blur = csr_array(once @ once)
    shared = (blur @ blur.T).toarray()
    size = np.sqrt(np.diag(shared))
    return np.asarray(shared / size[:, None] / size[None])


def reds_s(plan: SignalPlan, groups: tuple[int, ...]) -> np.ndarray:
    """Lengths of the stretches of a cycle in which none of the signal groups is green."""
    green = [any(picture[g] in GREENS for g in groups) for picture in plan.pictures()]
    if not any(green):
        return np.array([float(len(green))])
    first = green.index(True)
    runs, run = [], 0
    for lit in (*green[first:], *green[:first], True):
        if lit and run:
            runs.append(float(run))
        run = 0 if lit else run + 1
    return np.array(runs)


@dataclass(frozen=True)
class _Signal:
    """float64[link]: means over a link's movements by their vehicles."""

    controlled: np.ndarray
    wait_s: np.ndarray
    red_ratio: np.ndarray
    saturation: np.ndarray


def _signal_figures(network: RoadNetwork, traffic: Traffic) -> _Signal:
    count = len(network.links)
    controlled, weight = np.zeros(count), np.zeros(count)
    sums = np.zeros((3, count))
    for m in network.movements.values():
        i = network.link_idx[m.from_link]
        controlled[i] = 1.0
        plan = traffic.plans.get(m.junction_id)
        if plan is None or plan.cycle_s == 0:
            continue
        veh = traffic.turns_veh.get((m.from_link, m.to_link), 0.0) + 0.5
        reds = reds_s(plan, m.signal_group_idxs)
        red_ratio = float(reds.sum()) / plan.cycle_s
        capacity = m.saturation_flow_vph * max(1.0 - red_ratio, 0.05)
        wait_s = float((reds**2).sum()) / (2.0 * plan.cycle_s)
        sums[:, i] += veh * np.array([wait_s, red_ratio, veh / traffic.hours / capacity])
        weight[i] += veh
    wait, red, saturation = sums / np.where(weight > 0, weight, 1.0)
    return _Signal(controlled, wait, red, saturation)


def _link_flow_vph(network: RoadNetwork, traffic: Traffic) -> np.ndarray:
    """The larger of what enters and what leaves by turns: at the map's edge one of them is none."""
    leaving, entering = np.zeros(len(network.links)), np.zeros(len(network.links))
    for (a, b), veh in traffic.turns_veh.items():
        leaving[network.link_idx[a]] += veh
        entering[network.link_idx[b]] += veh
    return np.asarray(np.maximum(leaving, entering) / traffic.hours)


def _where_there_is_room(
    network: RoadNetwork,
    traffic: Traffic,
    wait_s: np.ndarray,
    flow_per_lane_vph: np.ndarray,
    length_m: np.ndarray,
) -> np.ndarray:
    """Waits moved up the road from links too short for the queue: float64[link]."""
    queue_m = VEHICLE_SPACING_M * np.maximum(wait_s * flow_per_lane_vph / 3600.0, 1.0)
    room = 1.0 - np.exp(-np.maximum(length_m - STOP_BEFORE_END_M, 0.0) / queue_m)
    flow = np.maximum(_link_flow_vph(network, traffic) * traffic.hours, 1.0)
    ids = list(network.links)
    held, rest = wait_s * room, wait_s * (1.0 - room)
    for _ in range(ROUNDS_BACK):
        back = np.zeros(len(ids))
        for i in np.flatnonzero(rest > LEAST_WAIT_S):
            for before in network.predecessors[ids[i]]:
                j = network.link_idx[before]
                share = (traffic.turns_veh.get((before, ids[i]), 0.0) + 0.5) / flow[j]
                back[j] = max(back[j], rest[i] * min(share, 1.0))
        held, rest = held + back * room, back * (1.0 - room)
    return np.asarray(held)


def _mean_over(
    neighbours: Mapping[str, tuple[str, ...]], network: RoadNetwork, values: np.ndarray
) -> np.ndarray:
    return np.array(
        [
            float(np.mean([values[network.link_idx[n]] for n in neighbours[i]]))
            if neighbours[i]
            else 0.0
            for i in network.links
        ]
    )


def _rivals(network: RoadNetwork) -> np.ndarray:
    """Links that lead to where a link leads: the most of any of its successors."""
    entries = {i: len(network.predecessors[i]) for i in network.links}
    return np.array([max((entries[n] for n in network.successors[i]), default=1) for i in entries])
