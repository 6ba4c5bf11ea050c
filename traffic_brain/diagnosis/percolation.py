"""When the streets of a city fall apart: the percolation threshold, and who holds them together.

Links whose speed ratio is at least q are open. As q rises, the largest part of the city in which
one can drive from everywhere to everywhere by open links breaks up, and at the threshold the second
largest is at its largest (D. Li et al., Percolation transition in dynamical traffic network with
evolving critical bottlenecks, PNAS 112, 2015). A high threshold is a city that still runs well; a
link without which the largest part would lose much at the threshold is a bottleneck of the whole
city, whatever its own queue. It is a check of importance beside vehicle-hours, which know of no
ways round. Meaningful for networks of some hundred junctions; for a few it says little.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from traffic_brain.model.network import RoadNetwork

STEP = 0.01
"""Thresholds are tried in these steps of the speed ratio."""


@dataclass(frozen=True)
class Percolation:
    """What the streets do at their threshold.

    giant_ratio, second_ratio: vertices of the two largest parts, by all vertices.
    """

    threshold_ratio: float
    giant_ratio: float
    second_ratio: float


@dataclass(frozen=True)
class Streets:
    """A city's links from vertex to vertex: int64[link] each."""

    start: np.ndarray
    end: np.ndarray
    vertex_count: int

    @staticmethod
    def of(network: RoadNetwork) -> Streets:
        """All links, in the network's order."""
        ends = [(link.from_node, link.to_node) for link in network.links.values()]
        names = {name: n for n, name in enumerate(sorted({v for pair in ends for v in pair}))}
        pairs = np.array([(names[a], names[b]) for a, b in ends], dtype=np.int64).reshape(-1, 2)
        return Streets(pairs[:, 0], pairs[:, 1], len(names))

    def parts(self, is_open: np.ndarray) -> np.ndarray:
        """int64[part]: vertices of the strongly connected parts, the largest first.

        Args:
            is_open: bool[link].
        """
        open_links = (self.start[is_open], self.end[is_open])
        shape = (self.vertex_count, self.vertex_count)
        graph = csr_array((np.ones(len(open_links[0]), dtype=np.int8), open_links), shape=shape)
        _, labels = connected_components(graph, directed=True, connection="strong")
        return np.asarray(np.sort(np.bincount(labels))[::-1], dtype=np.int64)


def percolation(streets: Streets, speed_ratio: np.ndarray) -> Percolation | None:
    """The threshold of a city; None where it is never in two parts of more than one vertex.

    Args:
        speed_ratio: float64[link], free-flow travel time by travel time; NaN: unknown, and closed.
    """
    best: Percolation | None = None
    known = np.nan_to_num(speed_ratio, nan=-1.0)
    for threshold in np.arange(0.0, 1.0 + STEP, STEP):
        sizes = streets.parts(known >= threshold - 1e-9)
        if len(sizes) < 2 or sizes[1] < 2:
            continue
        giant, second = (float(size) / streets.vertex_count for size in sizes[:2])
        if best is None or second > best.second_ratio:
            best = Percolation(round(float(threshold), 2), giant, second)
    return best


def gains(
    streets: Streets, speed_ratio: np.ndarray, threshold_ratio: float, links: Iterable[int]
) -> dict[int, float]:
    """What the largest part would gain, by all vertices, if a link ran freely at the threshold.

    Links that are open there gain nothing.
    """
    is_open = np.nan_to_num(speed_ratio, nan=-1.0) >= threshold_ratio - 1e-9
    giant = int(streets.parts(is_open)[0])
    found = {}
    for link in links:
        freed = is_open.copy()
        freed[link] = True
        more = 0 if is_open[link] else int(streets.parts(freed)[0]) - giant
        found[link] = more / streets.vertex_count
    return found
