"""The streets around a queue's head, cut out of a city with those who drove there.

What happens at a stop line is decided by the lamps there, by the signals before and behind it, and
by who comes when. So a counterfactual needs some ten junctions and an hour, not the city and a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from traffic_brain.diagnosis.approaches import Approaches, main_successors
from traffic_brain.diagnosis.queue_model import Way
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.network import Connection, RoadNetwork

MOST_JUNCTIONS = 7
MOST_HOPS = 1


@dataclass(frozen=True, eq=False)
class Driven:
    """All journeys of a day, link by link, with the time at which each link was entered.

    start: int64[trip + 1], link: int32[flat], enter_s: float64[flat].
    """

    start: np.ndarray
    link: np.ndarray
    enter_s: np.ndarray

    @cached_property
    def trip(self) -> np.ndarray:
        """int32[flat]: whose step it is."""
        return np.repeat(np.arange(len(self.start) - 1, dtype=np.int32), np.diff(self.start))


def driven(network: RoadNetwork, state: State) -> Driven:
    """Who was where when, by the travel times that were observed."""
    counts = np.array([len(links) for _, links in state.trips], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(counts)])
    idx = network.link_idx
    link = np.fromiter((idx[k] for _, links in state.trips for k in links), np.int32, start[-1])
    enter = np.empty(len(link))
    at = np.array([d for d, _ in state.trips], dtype=np.float64)
    alive = np.arange(len(counts))
    step = 0
    while len(alive):
        alive = alive[counts[alive] > step]
        here = start[alive] + step
        enter[here] = at[alive]
        bins = state.window.bin_idx(at[alive])
        at[alive] += state.travel_time_s[link[here], bins]
        step += 1
    return Driven(start, link, enter)


@dataclass(frozen=True, eq=False)
class City:
    """A day's streets, made ready for cutting areas out."""

    network: RoadNetwork
    state: State
    streets: Approaches
    driven: Driven

    @cached_property
    def connections_from(self) -> Mapping[str, tuple[Connection, ...]]:
        found: dict[str, list[Connection]] = {}
        for c in self.network.connections:
            found.setdefault(c.from_link, []).append(c)
        return {k: tuple(v) for k, v in found.items()}

    @cached_property
    def ways_on(self) -> Mapping[str, tuple[str, ...]]:
        """The links that most vehicles of a link go to next."""
        return main_successors(self.state)

    @cached_property
    def neighbours(self) -> Mapping[str, tuple[str, ...]]:
        """Junctions that vehicles reach next, or came from last, without another between."""
        reached: dict[str, set[str]] = {j: set() for j in self.network.junctions}
        for junction_id, ends in self.network.approaches_at.items():
            for approach in ends:
                for other in self._signals_before(approach.link_id):
                    if other != junction_id:
                        reached[junction_id].add(other)
                        reached[other].add(junction_id)
        return {j: tuple(sorted(others)) for j, others in reached.items()}

    def _signals_before(self, link_id: str) -> set[str]:
        found: set[str] = set()
        seen, frontier = {link_id}, [(link_id, 0.0)]
        while frontier:
            at, metres = frontier.pop()
            for before in self.network.predecessors[at]:
                link = self.network.links[before]
                if link.junction_id is not None:
                    found.add(link.junction_id)
                elif before not in seen and metres < 800:
                    seen.add(before)
                    frontier.append((before, metres + link.length_m))
        return found

    def around(
        self, junction_id: str, hops: int = MOST_HOPS, most: int = MOST_JUNCTIONS
    ) -> tuple[str, ...]:
        """The junction and its neighbours, nearest first."""
        found, frontier = [junction_id], [junction_id]
        for _ in range(hops):
            ring = [n for j in frontier for n in self.neighbours[j]]
            frontier = [n for n in dict.fromkeys(ring) if n not in found]
            found += frontier
        return tuple(found[:most])

    def links_of(self, junctions: Iterable[str]) -> tuple[str, ...]:
        """The approaches of junctions, and the streets that lead out of them."""
        inside = set(junctions)
        chosen: set[str] = set()
        for j in sorted(inside):
            for approach in self.network.approaches_at[j]:
                chain = self.streets.links[self.streets.of_link[approach.link_id]]
                chosen.update(chain)
                for onward in self.network.successors[approach.link_id]:
                    chosen.update(self.streets.links[self.streets.of_link[onward]])
                    chosen.add(onward)
        return tuple(k for k in self.network.links if k in chosen)

    def cut(self, links: tuple[str, ...], junctions: tuple[str, ...]) -> RoadNetwork:
        """A network of these links; where it is cut, vehicles come and go freely."""
        inside = set(links)
        return RoadNetwork(
            name=self.network.name,
            links={k: self.network.links[k] for k in links},
            connections=tuple(
                c for k in links for c in self.connections_from.get(k, ()) if c.to_link in inside
            ),
            movements={},
            junctions={j: self.network.junctions[j] for j in junctions},
            give_ways=tuple(row for row in self.network.give_ways if inside.issuperset(row.links)),
        )

    def ways(self, links: tuple[str, ...], begin_s: int, end_s: int) -> list[Way]:
        """Stretches that were driven on these links, entered within [begin_s, end_s)."""
        names = list(self.network.links)
        inside = np.zeros(len(names), dtype=bool)
        inside[[self.network.link_idx[k] for k in links]] = True
        d = self.driven
        steps = np.flatnonzero(
            inside[d.link] & (d.enter_s >= begin_s - 3600) & (d.enter_s < end_s + 3600)
        )
        if not len(steps):
            return []
        new = np.ones(len(steps), dtype=bool)
        new[1:] = (np.diff(steps) > 1) | (np.diff(d.trip[steps]) != 0)
        firsts = np.flatnonzero(new)
        found: list[Way] = []
        for a, b in pairwise([*firsts.tolist(), len(steps)]):
            enter_s = float(d.enter_s[steps[a]])
            if begin_s <= enter_s < end_s:
                found.append((enter_s, tuple(names[i] for i in d.link[steps[a:b]].tolist())))
        return found


def window_of(state: State, first_bin: int, end_bin: int, cost: np.ndarray) -> tuple[int, int]:
    """Bins [first, end) to look at: some before and behind the queue, at most ``MOST_BINS``.

    cost: float64[bin]: of a longer queue, the costliest stretch is looked at.
    """
    bins = state.window.bin_count
    first, end = max(0, first_bin - BINS_BEFORE), min(bins, end_bin + BINS_BEHIND)
    if end - first > MOST_BINS:
        sums = np.convolve(cost[first:end], np.ones(MOST_BINS), mode="valid")
        first += int(np.argmax(sums))
        end = first + MOST_BINS
    return first, end


MOST_BINS = 3600 // BIN_S
BINS_BEFORE, BINS_BEHIND = 3, 3
