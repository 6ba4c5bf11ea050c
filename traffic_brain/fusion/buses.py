"""Buses: their whole way is known from the transit feed, so it need not be rebuilt from cameras.

They matter for more than their number: a bus of twelve metres that waits to turn can lock two
junctions between which a car would have found room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise, repeat

import networkx as nx
import numpy as np
import pandas as pd

from traffic_brain.feeds.transit import TransitDay
from traffic_brain.fusion.routes import Trip
from traffic_brain.model.network import RoadNetwork

SAME_PASS_S = 4.0
"""A camera's and a bus's clock differ by less than this."""
SAME_VEHICLE_SHARE = 0.8


CLOCK_STEP_S = 1.0
"""Buses tell whole seconds: links entered within one may come in any order."""
MOST_LOST_LINKS = 8
"""So many links between two passes may have been lost; of more the way is not known."""
LAYOVER_S = 300.0
"""A bus that is on no link for longer has ended its trip, and begins another."""


@dataclass(frozen=True, slots=True)
class _Pass:
    link_id: str
    in_s: float
    out_s: float


@dataclass(frozen=True)
class _Ways:
    """Which links follow each other, and what was found between two: lines drive the same again."""

    network: RoadNetwork
    known: dict[tuple[str, str], list[str] | None] = field(default_factory=dict)

    @cached_property
    def graph(self) -> nx.DiGraph[str]:
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_nodes_from(self.network.links)
        graph.add_edges_from((c.from_link, c.to_link) for c in self.network.connections)
        return graph

    def between(self, a: str, b: str) -> list[str] | None:
        """The fewest links between two; None where they are too far apart."""
        if (a, b) not in self.known:
            near = nx.single_source_shortest_path(self.graph, a, MOST_LOST_LINKS + 1)
            self.known[a, b] = near[b][1:-1] if b in near and a != b else None
        return self.known[a, b]


def bus_trips(day: TransitDay, network: RoadNetwork) -> list[tuple[float, Trip]]:
    """(departure in seconds of the day, trip) of every bus, in order of departure.

    Every trip can be driven: passes of one second are put into the order of the road, lost ones
    between two others filled in, and where the way is not known another trip begins. A bus that is
    sent where no road leads stands still, and whoever is behind it.
    """
    ways = _Ways(network)
    found: list[tuple[float, Trip]] = []
    for _, rows in day.passes.groupby("vehicle_idx", sort=True):
        columns = (rows[c].tolist() for c in ("link_id", "time_in_s", "time_out_s"))
        passes = [_Pass(*row) for row in zip(*columns, strict=True)]
        found += _trips(_in_order(passes, ways.graph), ways)
    return sorted(found, key=lambda item: (item[0], item[1].links))


def _in_order(passes: list[_Pass], graph: nx.DiGraph[str]) -> list[_Pass]:
    """By time, and by the road where the clock does not tell."""
    left = sorted(passes, key=lambda p: (p.in_s, p.out_s))
    if all(graph.has_edge(p.link_id, q.link_id) for p, q in pairwise(left)):
        return left
    found: list[_Pass] = []
    while left:
        alike = [p for p in left[: MOST_LOST_LINKS + 1] if p.in_s <= left[0].in_s + CLOCK_STEP_S]
        follows = [p for p in alike if found and graph.has_edge(found[-1].link_id, p.link_id)]
        first = [
            p
            for p in alike
            if not any(q is not p and graph.has_edge(q.link_id, p.link_id) for q in alike)
        ]
        one = (follows or first or alike)[0]
        left.remove(one)
        found.append(one)
    return found


def _trips(passes: list[_Pass], ways: _Ways) -> Iterator[tuple[float, Trip]]:
    """(departure, trip) of each part of the way that is known throughout."""
    began_s = 0.0
    legs: list[tuple[str, float, bool]] = []
    """Link, when it was left, whether the bus told so."""
    before: _Pass | None = None
    for one in passes:
        if before and one.link_id == before.link_id and one.in_s <= before.out_s:
            continue  # told twice
        lost = ways.between(before.link_id, one.link_id) if before else None
        if before and lost is not None and one.in_s - before.out_s <= LAYOVER_S:
            left_s = np.linspace(before.out_s, max(one.in_s, before.out_s), len(lost) + 1)[1:]
            legs += zip(lost, left_s.tolist(), repeat(False))
        else:
            if legs:
                yield began_s, Trip(*zip(*legs, strict=True))
            began_s, legs = one.in_s, []
        legs.append((one.link_id, one.out_s, True))
        before = one
    if legs:
        yield began_s, Trip(*zip(*legs, strict=True))


def without_buses(
    sightings: list[tuple[list[str], list[float]]], day: TransitDay
) -> list[tuple[list[str], list[float]]]:
    """The sightings less those vehicles that left the same links at the same times as a bus."""
    known = _passes_by_link(day.passes)
    return [s for s in sightings if not _is_bus(*s, known)]


def _passes_by_link(passes: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Link -> (times, vehicles), ordered by time."""
    found = {}
    for link_id, rows in passes.sort_values("time_out_s").groupby("link_id"):
        found[str(link_id)] = (rows["time_out_s"].to_numpy(), rows["vehicle_idx"].to_numpy())
    return found


def _is_bus(
    links: list[str], times: list[float], known: dict[str, tuple[np.ndarray, np.ndarray]]
) -> bool:
    matches: Counter[int] = Counter()
    for link, at_s in zip(links, times, strict=True):
        if link not in known:
            continue
        left_s, vehicles = known[link]
        near = np.abs(left_s - at_s) <= SAME_PASS_S
        matches.update({int(v) for v in vehicles[near]})
    most = max(matches.values(), default=0)
    return most >= SAME_VEHICLE_SHARE * len(links)
