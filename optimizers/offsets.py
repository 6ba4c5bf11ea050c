"""Offsets of a whole city with one cycle: least delay and stops over all links, loops closed.

Every approach that a signal feeds has a table of delay by relative offset; the sum of all tables
is minimised over the starts of the cycles. Since each table depends on a difference of two starts,
every loop of the network closes by itself. The search is coordinate descent from several starts:
the green waves, today's offsets, and random ones.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from traffic_brain.diagnosis.capacity import PERMITTED_RATIO, START_UP_LOSS_S
from traffic_brain.fusion.state import State
from traffic_brain.kernels.platoons import approach_table, descend, spread_platoon
from traffic_brain.model.network import Movement, RoadNetwork
from traffic_brain.model.signals import SignalPlan

RANDOM_STARTS = 40
CLUSTER_M = 60.0
VEHICLE_SPACE_M = 7.5
"""Length of a standing vehicle with its gap (HCM 2000: 7.6 m)."""
MAX_TRAVEL_S = 150.0


@dataclass(frozen=True)
class Feed:
    """Vehicles that pass one movement and then another at the next signal."""

    upstream: str
    downstream: str
    flow_vph: float
    travel_s: float
    length_m: float


@dataclass(frozen=True)
class OffsetProblem:
    """Tables of a set of signals that run one cycle, or whole parts of it.

    junction_ids: order of the signals. pairs: (upstream, downstream) indices per table.
    tables: float64[pair, offset], vehicle-seconds per cycle.
    """

    cycle_s: int
    junction_ids: tuple[str, ...]
    pairs: tuple[tuple[int, int], ...]
    tables: np.ndarray


def movement_feeds(network: RoadNetwork, state: State, progression_ratio: float) -> list[Feed]:
    """Flows from movement to next movement, counted over the trips of a state."""
    return feeds_of(network, (way for _, way in state.trips), state.window.hours, progression_ratio)


def feeds_of(
    network: RoadNetwork,
    ways: Iterable[Sequence[str]],
    hours: float,
    progression_ratio: float,
) -> list[Feed]:
    """Flows from movement to next movement.

    Args:
        ways: links of each trip. hours: in which the trips were made.
        progression_ratio: platoons drive at this share of the free-flow speed.
    """
    known = {(m.from_link, m.to_link): m for m in network.movements.values()}
    vehicles: dict[tuple[str, str], int] = defaultdict(int)
    shortest: dict[tuple[str, str], tuple[float, float]] = {}
    for links in ways:
        last: Movement | None = None
        time, length = 0.0, 0.0
        for a, b in itertools.pairwise(links):
            link = network.links[a]
            time += link.length_m / (progression_ratio * link.free_flow_speed_mps)
            length += link.length_m
            movement = known.get((a, b))
            if movement is None:
                continue
            if last is not None and last.junction_id != movement.junction_id:
                pair = (last.movement_id, movement.movement_id)
                vehicles[pair] += 1
                shortest[pair] = min((time, length), shortest.get(pair, (time, length)))
            last, time, length = movement, 0.0, 0.0
    return [
        Feed(a, b, n / hours, *shortest[a, b])
        for (a, b), n in sorted(vehicles.items())
        if shortest[a, b][0] <= MAX_TRAVEL_S
    ]


def clusters(network: RoadNetwork, feeds: Sequence[Feed]) -> dict[str, frozenset[str]]:
    """Junction -> junctions so close to each other that they must run as one.

    Between stop lines less than ``CLUSTER_M`` apart only a few vehicles fit; signals that drift
    against each other there lock the street.
    """
    graph: nx.Graph[str] = nx.Graph()
    for feed in feeds:
        if feed.length_m < CLUSTER_M:
            a, b = (network.movements[m].junction_id for m in (feed.upstream, feed.downstream))
            graph.add_edge(a, b)
    return {j: frozenset(c) for c in nx.connected_components(graph) for j in c}


def offset_problem(
    plans: Mapping[str, SignalPlan],
    network: RoadNetwork,
    feeds: Sequence[Feed],
    demand_vph: Mapping[str, float],
    cycle_s: int,
    *,
    whole_parts: bool = False,
) -> OffsetProblem | None:
    """Tables for all signals that run ``cycle_s``; None when no two of them feed each other.

    With ``whole_parts`` also for those that run a half, a third … of it: such a signal shows each
    of its greens several times in the cycle, and its tables repeat themselves.
    """
    members = tuple(
        sorted(
            j
            for j, plan in plans.items()
            if plan.cycle_s == cycle_s or (whole_parts and cycle_s % plan.cycle_s == 0)
        )
    )
    index = {j: i for i, j in enumerate(members)}
    grouped: dict[tuple[int, int], list[Feed]] = defaultdict(list)
    for feed in feeds:
        a = network.movements[feed.upstream].junction_id
        b = network.movements[feed.downstream].junction_id
        if a in index and b in index:
            grouped[index[a], index[b]].append(feed)
    if not grouped:
        return None
    pairs = tuple(sorted(grouped))
    tables = np.zeros((len(pairs), cycle_s))
    for k, pair in enumerate(pairs):
        _fill(tables[k], grouped[pair], plans, network, demand_vph)
    return OffsetProblem(cycle_s, members, pairs, tables)


def best_starts(
    problem: OffsetProblem, known: Sequence[Mapping[str, int]], seed: int
) -> tuple[dict[str, int], float]:
    """(start of stage 0 per junction, cost) — the best of all descents.

    Args:
        known: starts worth beginning from (junction_id -> seconds), each improved in turn.
    """
    rng = np.random.default_rng(seed)
    n = len(problem.junction_ids)
    first, other, forward, table_idx = _neighbours(problem)
    tries = [np.array([k.get(j, 0) % problem.cycle_s for j in problem.junction_ids]) for k in known]
    tries += [rng.integers(0, problem.cycle_s, n) for _ in range(RANDOM_STARTS)]
    best: tuple[float, np.ndarray] | None = None
    for begin in tries:
        starts = begin.astype(np.int64)
        order = rng.permutation(n).astype(np.int64)
        cost = float(descend(starts, first, other, forward, table_idx, problem.tables, order))
        if best is None or cost < best[0] - 1e-9:
            best = (cost, starts)
    assert best is not None
    found = {j: int(s) for j, s in zip(problem.junction_ids, best[1], strict=True)}
    return found, best[0]


def cost_of(problem: OffsetProblem, starts: Mapping[str, int]) -> float:
    """Vehicle-seconds per cycle of given starts: the sum of the tables, nothing else."""
    total = 0.0
    for k, (a, b) in enumerate(problem.pairs):
        upstream, downstream = problem.junction_ids[a], problem.junction_ids[b]
        total += problem.tables[k, (starts[downstream] - starts[upstream]) % problem.cycle_s]
    return float(total)


def _fill(
    table: np.ndarray,
    feeds: Sequence[Feed],
    plans: Mapping[str, SignalPlan],
    network: RoadNetwork,
    demand_vph: Mapping[str, float],
) -> None:
    """Sum over the downstream movements of one pair of signals."""
    cycle = len(table)
    downstream = sorted({f.downstream for f in feeds})
    arrivals = np.zeros((len(downstream), cycle))
    uniform = np.zeros(len(downstream))
    service = np.zeros((len(downstream), cycle))
    storage = np.zeros(len(downstream))
    for row, movement_id in enumerate(downstream):
        movement = network.movements[movement_id]
        fed = 0.0
        for feed in feeds:
            if feed.downstream != movement_id:
                continue
            source = network.movements[feed.upstream]
            profile = _repeated(departures(plans[source.junction_id], source, demand_vph), cycle)
            profile /= cycle // plans[source.junction_id].cycle_s
            spread = np.zeros(cycle)
            spread_platoon(profile * (feed.flow_vph * cycle / 3600.0), feed.travel_s, spread)
            arrivals[row] += spread
            fed += feed.flow_vph
            storage[row] = feed.length_m * len(movement.lanes) / VEHICLE_SPACE_M
        uniform[row] = max(demand_vph[movement_id] - fed, 0.0) / 3600.0
        near = storage[row] * VEHICLE_SPACE_M < CLUSTER_M * len(movement.lanes)
        permitted_ratio = 0.0 if near else PERMITTED_RATIO
        own = service_rate(plans[movement.junction_id], movement, permitted_ratio)
        service[row] = _repeated(own, cycle)
    approach_table(arrivals, uniform, service, storage, table)


def _repeated(profile: np.ndarray, cycle_s: int) -> np.ndarray:
    """A profile of a cycle in a cycle that is a multiple of it."""
    return np.tile(profile, cycle_s // len(profile))


def service_rate(
    plan: SignalPlan, movement: Movement, permitted_ratio: float = PERMITTED_RATIO
) -> np.ndarray:
    """float64[second]: vehicles that may leave, from the start of stage 0.

    Between stop lines that are close together, a driver who waits for a gap fills the link and
    stops all who come after: there, only protected green counts (``permitted_ratio`` 0).
    """
    worth = {"G": 1.0, "g": permitted_ratio}
    group = movement.signal_group_idxs[0]
    lamps = np.array([worth.get(p[group], 0.0) for p in plan.pictures()])
    loss = round(START_UP_LOSS_S)
    rate = lamps.copy()
    for k in range(len(lamps)):
        if lamps[k] > 0 and any(lamps[k - back] == 0 for back in range(1, loss + 1)):
            rate[k] = 0.0
    return np.asarray(rate * movement.saturation_flow_vph / 3600.0)


def departures(plan: SignalPlan, movement: Movement, demand_vph: Mapping[str, float]) -> np.ndarray:
    """float64[second], sum 1: when a movement's vehicles leave, its arrivals being even."""
    rate = service_rate(plan, movement)
    come = max(demand_vph[movement.movement_id], 1.0) / 3600.0
    come = min(come, 0.99 * rate.mean()) if rate.sum() > 0 else come
    queue, left = 0.0, np.zeros(len(rate))
    for t in range(2 * len(rate)):
        k = t % len(rate)
        out = min(queue + come, rate[k])
        queue += come - out
        left[k] = out
    total = left.sum()
    return left / total if total > 0 else np.full(len(rate), 1.0 / len(rate))


def _neighbours(
    problem: OffsetProblem,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Adjacency in the layout of ``descend``."""
    entries: list[list[tuple[int, bool, int]]] = [[] for _ in problem.junction_ids]
    for k, (a, b) in enumerate(problem.pairs):
        entries[a].append((b, True, k))
        entries[b].append((a, False, k))
    first = np.cumsum([0, *(len(e) for e in entries)]).astype(np.int64)
    flat = [e for listed in entries for e in listed]
    return (
        first,
        np.array([o for o, _, _ in flat], dtype=np.int64),
        np.array([f for _, f, _ in flat], dtype=np.bool_),
        np.array([k for _, _, k in flat], dtype=np.int64),
    )
