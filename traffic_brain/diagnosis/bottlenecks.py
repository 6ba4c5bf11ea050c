"""Heads of queues: stop lines and narrow places that hold vehicles up, their way on being free.

An approach becomes *active* in a bin in which its vehicles lose ``ACTIVE_DELAY_S`` each (level of
service E of the Highway Capacity Manual, 2000, ch. 16: control delay above 55 s in an analysis
period of 15 minutes) and ``LEAST_QUEUE_VEH`` of them are losing time at once, in the mean of the
``ANALYSIS_BINS`` around it: into five minutes only two or three cycles fit, and their delay strays
by a third. A queue that fills the street ahead holds those behind: active approaches that lead
into it are *passive*. Where they go round in a ring, the one that loses most is the head. An
activation lasts ``MIN_BINS`` such means, of which every second may be missing; so one bin alone
makes one where it loses three times as much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np

from traffic_brain.diagnosis.approaches import (
    Approaches,
    approaches,
    delay_veh_h,
    main_successors,
)
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import RoadNetwork

__all__ = [
    "ACTIVE_DELAY_S",
    "QueueHead",
    "active_approaches",
    "delay_veh_h",
    "heads_of",
    "main_successors",
    "queue_heads",
    "seconds",
]

ACTIVE_DELAY_S = 55.0
LEAST_QUEUE_VEH = 3.5
ANALYSIS_BINS = 3
MIN_BINS = 2
FULL_RATIO = 0.5
"""Vehicles losing time over places, from which on a signal's queue fills its street."""
SLOW_LINK_S = 10.0
"""A link on which vehicles lose less is not in the queue."""


@dataclass(frozen=True)
class QueueHead:
    """One activation: the head link, its first bin and the bin after its last, its queue."""

    link_id: str
    first_bin: int
    end_bin: int
    passive_links: tuple[str, ...]
    delay_veh_h: float
    tail_link: str
    """The link of the queue that is furthest from the head."""
    extent_m: float
    """Length of all links in the queue, the head's included."""


def queue_heads(network: RoadNetwork, state: State) -> list[QueueHead]:
    """Activations, the most costly first."""
    return heads_of(network, state, approaches(network, state))


def active_approaches(streets: Approaches) -> np.ndarray:
    """bool[approach, bin]."""
    return np.asarray((streets.delay_s >= ACTIVE_DELAY_S) & (streets.queue_veh >= LEAST_QUEUE_VEH))


def heads_of(network: RoadNetwork, state: State, streets: Approaches) -> list[QueueHead]:
    """As ``queue_heads``, of approaches already made."""
    steady = streets.over(ANALYSIS_BINS)
    active = active_approaches(steady)
    full = active & (
        ~steady.signalled[:, None] | (steady.queue_veh >= FULL_RATIO * steady.places[:, None])
    )
    behind: dict[int, dict[int, set[int]]] = {}
    for b in range(active.shape[1]):
        here = [int(i) for i in np.flatnonzero(active[:, b])]
        for head, queue in _queues(here, full[:, b], steady, b).items():
            behind.setdefault(head, {})[b] = queue
    found = []
    for head, queues in behind.items():
        for run in _runs(sorted(queues)):
            members = set().union(*(queues[b] for b in run))
            found.append(_head(network, state, streets, head, run, members))
    return sorted(found, key=lambda h: (-h.delay_veh_h, h.link_id, h.first_bin))


def seconds(state: State, bin_idx: int) -> int:
    """Start of a bin in seconds of the service day."""
    return state.window.begin_s + bin_idx * BIN_S


def _head(
    network: RoadNetwork,
    state: State,
    streets: Approaches,
    head: int,
    run: Sequence[int],
    members: set[int],
) -> QueueHead:
    bins = slice(run[0], run[-1] + 1)
    lost = float(streets.lost_veh_h[head, bins].sum())
    lost += sum(float(streets.lost_veh_h[i, list(run)].sum()) for i in members)
    slow = [
        k
        for i in (head, *sorted(members))
        for k in streets.links[i]
        if _mean_lost_s(network, state, k, bins) >= SLOW_LINK_S
    ]
    own = streets.links[head][0]
    queue = [k for k in slow if k != own]
    return QueueHead(
        link_id=own,
        first_bin=run[0],
        end_bin=run[-1] + 1,
        passive_links=tuple(sorted(queue)),
        delay_veh_h=lost,
        tail_link=queue[-1] if queue else own,
        extent_m=round(sum(network.links[k].length_m for k in {own, *queue}), 1),
    )


def _mean_lost_s(network: RoadNetwork, state: State, link_id: str, bins: slice) -> float:
    i, link = network.link_idx[link_id], network.links[link_id]
    free_s = link.length_m / link.free_flow_speed_mps
    return float(state.travel_time_s[i, bins].mean()) - free_s


def _queues(
    active: Sequence[int], full: np.ndarray, streets: Approaches, b: int
) -> Mapping[int, set[int]]:
    """Head -> the active approaches in its queue, in one bin."""
    graph: nx.DiGraph[int] = nx.DiGraph()
    graph.add_nodes_from(active)
    here = set(active)
    graph.add_edges_from((a, n) for a in active for n in streets.onward[a] if n in here and full[n])
    heads = {
        max(ring, key=lambda i: (streets.lost_veh_h[i, b], streets.links[i][0]))
        for ring in nx.strongly_connected_components(graph)
        if all(n in ring for a in ring for n in graph.successors(a))
    }
    return {h: set(nx.ancestors(graph, h)) - {h} for h in sorted(heads)}


def _runs(bins: Sequence[int]) -> list[list[int]]:
    """Stretches in which at most one bin is missing between two, ``MIN_BINS`` of them there."""
    runs: list[list[int]] = []
    for b in bins:
        if runs and b - runs[-1][-1] <= 2:
            runs[-1].append(b)
        else:
            runs.append([b])
    return [run for run in runs if len(run) >= MIN_BINS]
