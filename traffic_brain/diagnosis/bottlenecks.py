"""Heads of queues: congested links whose way on is free.

A link is *active* in a bin when its speed is below ``ACTIVE_SPEED_RATIO`` of free flow and its
vehicles lose at least ``MIN_DELAY_VEH_H`` there. Among active links that lead into each other the
one furthest downstream is the head; the others stand in its queue and are passive. Where they go
round in a ring, the one that loses most is taken as the head.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx
import numpy as np

from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import RoadNetwork

ACTIVE_SPEED_RATIO = 0.4
MIN_DELAY_VEH_H = 0.05
MIN_BINS = 2
MAIN_SHARE = 0.25
"""A successor that takes this share of a link's vehicles is one of its ways on."""


@dataclass(frozen=True)
class QueueHead:
    """One activation: the head link, its first bin and the bin after its last, its queue."""

    link_id: str
    first_bin: int
    end_bin: int
    passive_links: tuple[str, ...]
    delay_veh_h: float


def delay_veh_h(network: RoadNetwork, state: State) -> np.ndarray:
    """float64[link, bin]: vehicle-hours lost against free flow."""
    free = np.array([k.length_m / k.free_flow_speed_mps for k in network.links.values()])
    lost = np.maximum(state.travel_time_s - free[:, None], 0.0)
    return np.asarray(state.flow_veh * lost / 3600.0)


def active_links(network: RoadNetwork, state: State) -> np.ndarray:
    """bool[link, bin]."""
    free = np.array([k.free_flow_speed_mps for k in network.links.values()])
    slow = state.speed_mps < ACTIVE_SPEED_RATIO * free[:, None]
    return np.asarray(slow & (delay_veh_h(network, state) >= MIN_DELAY_VEH_H))


def main_successors(state: State) -> dict[str, tuple[str, ...]]:
    """The links that most vehicles of a link go to next."""
    taken: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, links in state.trips:
        for a, b in itertools.pairwise(links):
            taken[a][b] += 1
    return {
        a: tuple(sorted(b for b, n in after.items() if n >= MAIN_SHARE * sum(after.values())))
        for a, after in taken.items()
    }


def queue_heads(network: RoadNetwork, state: State) -> list[QueueHead]:
    """Activations of at least ``MIN_BINS`` bins, the most costly first."""
    active = active_links(network, state)
    lost = delay_veh_h(network, state)
    onward = main_successors(state)
    names = list(network.links)
    queue_of: dict[tuple[str, int], set[str]] = {}
    for b in range(active.shape[1]):
        here = {names[i]: float(lost[i, b]) for i in np.flatnonzero(active[:, b])}
        for link in _heads(here, onward):
            queue_of[link, b] = _queue_behind(link, set(here), onward)
    heads = []
    for link in sorted({link for link, _ in queue_of}):
        bins = sorted(b for name, b in queue_of if name == link)
        for first, end in _runs(bins):
            if end - first < MIN_BINS:
                continue
            passive = set().union(*(queue_of[link, b] for b in range(first, end)))
            cost = sum(
                float(lost[network.link_idx[k], b])
                for b in range(first, end)
                for k in (link, *sorted(queue_of[link, b]))
            )
            heads.append(QueueHead(link, first, end, tuple(sorted(passive)), cost))
    return sorted(heads, key=lambda h: (-h.delay_veh_h, h.link_id, h.first_bin))


def seconds(state: State, bin_idx: int) -> int:
    """Start of a bin in seconds of the service day."""
    return state.window.begin_s + bin_idx * BIN_S


def _heads(active: Mapping[str, float], onward: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The links out of which no other active link leads; of a ring, the one that loses most.

    Args:
        active: link -> what its vehicles lose.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(active)
    graph.add_edges_from((a, b) for a in active for b in onward.get(a, ()) if b in active)
    return [
        max(ring, key=lambda link: (active[link], link))
        for ring in nx.strongly_connected_components(graph)
        if all(b in ring for a in ring for b in graph.successors(a))
    ]


def _queue_behind(head: str, active: set[str], onward: dict[str, tuple[str, ...]]) -> set[str]:
    """Active links from which one drives, over active links, into the head."""
    found: set[str] = set()
    frontier = {head}
    while frontier:
        frontier = {
            link
            for link in active - found - {head}
            if any(n in frontier for n in onward.get(link, ()))
        }
        found |= frontier
    return found


def _runs(bins: list[int]) -> list[tuple[int, int]]:
    """[first, end) of each unbroken run."""
    runs: list[tuple[int, int]] = []
    for b in bins:
        if runs and runs[-1][1] == b:
            runs[-1] = (runs[-1][0], b + 1)
        else:
            runs.append((b, b + 1))
    return runs
