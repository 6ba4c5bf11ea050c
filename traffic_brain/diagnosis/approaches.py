"""The street before each stop line: what is lost there, and how many stand.

An *approach* is a link that ends at a signal with the links before it that lead into nothing else,
back to the next signal or ``REACH_M``: a queue does not stop at a vertex of the map. Every other
link is an approach of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import RoadNetwork

REACH_M = 400.0
ONLY_WAY_ON = 0.9
"""A link before belongs to the approach when this share of its vehicles drives into it."""
MAIN_SHARE = 0.25
"""A successor that takes this share of a link's vehicles is one of its ways on."""

Turns = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, eq=False)
class Approaches:
    """All approaches of a city over the bins of a day.

    links: of each approach, its stop line's first.
    delay_s: float64[approach, bin]: lost per vehicle against free flow.
    flow_veh: float64[approach, bin]: vehicles that leave it.
    lost_veh_h: float64[approach, bin].
    """

    links: tuple[tuple[str, ...], ...]
    delay_s: np.ndarray
    flow_veh: np.ndarray
    lost_veh_h: np.ndarray
    places: np.ndarray
    signalled: np.ndarray
    onward: tuple[tuple[int, ...], ...]
    """Approaches that most of its vehicles go to next."""

    @cached_property
    def queue_veh(self) -> np.ndarray:
        """float64[approach, bin]: vehicles that are losing time, mean (Little's law)."""
        return np.asarray(self.lost_veh_h * 3600 / BIN_S)

    def over(self, bins: int) -> Approaches:
        """The same with each bin the mean of an odd number of ``bins`` around it, or of fewer."""
        lost, flow = _around(self.lost_veh_h, bins), _around(self.flow_veh, bins)
        delay = np.divide(lost * 3600.0, flow, out=self.delay_s.copy(), where=flow > 0)
        return replace(self, delay_s=delay, flow_veh=flow, lost_veh_h=lost)

    @cached_property
    def of_link(self) -> Mapping[str, int]:
        """Index of the approach that a link belongs to."""
        return {link: i for i, links in enumerate(self.links) for link in links}


def _around(values: np.ndarray, bins: int) -> np.ndarray:
    """float64[row, bin]: means of the bins around each."""
    at = np.arange(values.shape[1])
    first, end = np.maximum(at - bins // 2, 0), np.minimum(at + bins // 2 + 1, len(at))
    total = np.pad(np.cumsum(values, axis=1), ((0, 0), (1, 0)))
    return np.asarray((total[:, end] - total[:, first]) / (end - first))


def turns_taken(state: State) -> Turns:
    """Vehicles from each link to each next one."""
    taken: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for _, links in state.trips:
        for a, b in pairwise(links):
            taken[a][b] += 1
    return taken


def main_successors(state: State) -> dict[str, tuple[str, ...]]:
    """The links that most vehicles of a link go to next."""
    return _main(turns_taken(state))


def _main(taken: Turns) -> dict[str, tuple[str, ...]]:
    return {
        a: tuple(sorted(b for b, n in after.items() if n >= MAIN_SHARE * sum(after.values())))
        for a, after in taken.items()
    }


def delay_veh_h(network: RoadNetwork, state: State) -> np.ndarray:
    """float64[link, bin]: vehicle-hours lost against free flow."""
    return np.asarray(state.flow_veh * _lost_s(network, state) / 3600.0)


def approaches(network: RoadNetwork, state: State) -> Approaches:
    """Group the links and add up what is lost on them."""
    taken = turns_taken(state)
    chains = _chains(network, taken)
    idx, lost_s, flow = network.link_idx, _lost_s(network, state), state.flow_veh
    total = flow.sum(axis=1)
    delay = np.empty((len(chains), flow.shape[1]))
    for i, chain in enumerate(chains):
        own = idx[chain[0]]
        delay[i] = lost_s[own]
        for link in chain[1:]:
            k = idx[link]
            delay[i] += lost_s[k] * min(1.0, total[k] / max(total[own], 1e-9))
    ends = [idx[chain[0]] for chain in chains]
    of_link = {link: i for i, chain in enumerate(chains) for link in chain}
    main = _main(taken)
    links = network.links
    return Approaches(
        links=chains,
        delay_s=delay,
        flow_veh=flow[ends],
        lost_veh_h=delay * flow[ends] / 3600.0,
        places=np.array([sum(max(links[k].storage_veh, 1.0) for k in c) for c in chains]),
        signalled=np.array([links[c[0]].junction_id is not None for c in chains], dtype=bool),
        onward=tuple(
            tuple(sorted({of_link[b] for b in main.get(c[0], ()) if b in of_link} - {i}))
            for i, c in enumerate(chains)
        ),
    )


def _lost_s(network: RoadNetwork, state: State) -> np.ndarray:
    free = np.array([k.length_m / k.free_flow_speed_mps for k in network.links.values()])
    return np.asarray(np.maximum(state.travel_time_s - free[:, None], 0.0))


def _chains(network: RoadNetwork, taken: Turns) -> tuple[tuple[str, ...], ...]:
    """Links of each approach; every link is in exactly one."""
    used: set[str] = set()
    chains = []
    for end, link in network.links.items():
        if link.junction_id is None:
            continue
        used.add(end)
        chain, frontier = [end], [(end, link.length_m)]
        while frontier:
            at, metres = frontier.pop()
            for before in network.predecessors[at]:
                one = network.links[before]
                if before in used or one.junction_id is not None:
                    continue
                after = taken.get(before, {})
                if after.get(at, 0) < ONLY_WAY_ON * max(sum(after.values()), 1):
                    continue
                used.add(before)
                chain.append(before)
                if metres + one.length_m < REACH_M:
                    frontier.append((before, metres + one.length_m))
        chains.append(tuple(chain))
    alone = [(k,) for k in network.links if k not in used]
    return (*chains, *alone)
