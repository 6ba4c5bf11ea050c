"""What neighbours' ups and downs tell of a link, along the waves in which traffic changes.

Changes travel with the vehicles where traffic is free, and against them, at about 15 km/h, where
it is jammed. Adaptive smoothing (Treiber, Helbing 2002) takes both means and prefers the one of
the jam where either sees one; here distances run along the graph, and it is the deviation of a
link's log pace from its own mean that is smoothed, because a short red next door is no jam here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from traffic_brain.model.network import RoadNetwork

JAM_WAVE_MPS = 15 / 3.6
RANGE_M = 400.0
BLUR_M = 120.0
JAM_RATIO = 2.0
JAM_BLUR = 0.4
"""Width, in log pace, of the passage between free and jammed."""
SURE_SD = 0.1
LEAST_CELLS = 50


@dataclass(frozen=True)
class Waves:
    """Weights by which links take over from others: now, and as it was one bin ago.

    Sparse [link, link] each: ``free`` from links behind, ``jam`` from links ahead.
    """

    free: tuple[csr_matrix, csr_matrix]
    jam: tuple[csr_matrix, csr_matrix]


def waves_of(network: RoadNetwork, bin_s: int) -> Waves:
    """Weights between links of which the middles are within ``RANGE_M`` by road."""
    links = list(network.links.values())
    free_mps = float(np.median([link.free_flow_speed_mps for link in links]))
    return Waves(
        _weights(network, network.predecessors, free_mps * bin_s),
        _weights(network, network.successors, JAM_WAVE_MPS * bin_s),
    )


def wave_shift(
    waves: Waves, log_ratio: np.ndarray, variance: np.ndarray, free_level: np.ndarray
) -> np.ndarray:
    """float64[link, bin]: deviation that the waves bring; 0 where no neighbour tells any.

    Args:
        log_ratio: float64[link, bin], log pace over free flow by what each link showed itself.
        variance: its variance.
        free_level: float64[link, 1], each link's usual log ratio.
    """
    deviation = log_ratio - log_ratio.mean(axis=1, keepdims=True)
    worth = 1.0 / (variance + SURE_SD**2)
    free = _arriving(waves.free, deviation, worth)
    jam = _arriving(waves.jam, deviation, worth)
    highest = np.maximum(free, jam) + free_level
    jammed = 0.5 * (1.0 + np.tanh((highest - np.log(JAM_RATIO)) / JAM_BLUR))
    return np.asarray(jammed * jam + (1.0 - jammed) * free)


def share_taken_over(shift: np.ndarray, observed: np.ndarray, variance: np.ndarray) -> float:
    """Slope in 0 … 1 of what links showed themselves on what the waves brought them.

    Args:
        observed: float64[link, bin], deviation from the link's own level; NaN where not seen.
        variance: of its error.
    """
    seen = np.isfinite(observed) & (shift != 0.0)
    if np.count_nonzero(seen) < LEAST_CELLS:
        return 0.0
    weight = 1.0 / (variance[seen] + 2.0 * SURE_SD**2)
    power = float((weight * shift[seen] ** 2).sum())
    slope = float((weight * shift[seen] * observed[seen]).sum()) / max(power, 1e-12)
    return min(max(slope, 0.0), 1.0)


def _arriving(
    weights: tuple[csr_matrix, csr_matrix], deviation: np.ndarray, worth: np.ndarray
) -> np.ndarray:
    before = np.concatenate([deviation[:, :1], deviation[:, :-1]], axis=1)
    worth_before = np.concatenate([worth[:, :1], worth[:, :-1]], axis=1)
    total = weights[0] @ (worth * deviation) + weights[1] @ (worth_before * before)
    weight = weights[0] @ worth + weights[1] @ worth_before
    shift = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    return np.asarray(shift)


def _weights(
    network: RoadNetwork, neighbours: Mapping[str, tuple[str, ...]], metres_per_bin: float
) -> tuple[csr_matrix, csr_matrix]:
    rows, columns, now, ago = [], [], [], []
    for i, link_id in enumerate(network.links):
        for other, metres in _within_range(network, neighbours, link_id).items():
            near = float(np.exp(-metres / BLUR_M))
            late = min(metres / metres_per_bin, 1.0)
            rows.append(i)
            columns.append(network.link_idx[other])
            now.append(near * (1.0 - late))
            ago.append(near * late)
    size = (len(network.links),) * 2
    return (
        coo_matrix((now, (rows, columns)), shape=size).tocsr(),
        coo_matrix((ago, (rows, columns)), shape=size).tocsr(),
    )


def _within_range(
    network: RoadNetwork, neighbours: Mapping[str, tuple[str, ...]], start: str
) -> dict[str, float]:
    """Links beyond ``start`` with the metres between the middles, by the shortest way."""
    found: dict[str, float] = {}
    reached = {start: network.links[start].length_m / 2}
    while reached:
        further: dict[str, float] = {}
        for here, metres in reached.items():
            for link_id in neighbours[here]:
                length = network.links[link_id].length_m
                middle = metres + length / 2
                if middle > RANGE_M or link_id == start or found.get(link_id, np.inf) <= middle:
                    continue
                found[link_id] = middle
                further[link_id] = min(further.get(link_id, np.inf), metres + length)
        reached = further
    return found
