"""The road network as dense arrays, for kernels: indices instead of ids, rows instead of objects.

An index is the position in the network's own order: of ``links``, ``movements`` and ``junctions``,
and of the vertices as links first name them. Where a row has a varying number of neighbours, they
lie one after the other in a flat array: those of row ``i`` are ``flat[start[i] : start[i + 1]]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from traffic_brain.errors import DataRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from traffic_brain.model.network import RoadNetwork

NOTHING = -1
"""Index where there is nothing to point at: a link whose end has no signal."""


@dataclass(frozen=True, eq=False)
class NetworkArrays:
    """Arrays of a road network; all of them are read-only.

    Int32 are indices and counts, float64 are quantities. ``[link]`` and the like name the axis.
    """

    node_ids: tuple[str, ...]
    link_from_node_idx: NDArray[np.int32]
    """[link]"""
    link_to_node_idx: NDArray[np.int32]
    """[link]"""
    link_junction_idx: NDArray[np.int32]
    """[link] the signalised junction at the link's end, or `NOTHING`."""
    link_lane_count: NDArray[np.int32]
    """[link]"""
    link_car_lane_count: NDArray[np.int32]
    """[link]"""
    link_length_m: NDArray[np.float64]
    """[link]"""
    link_free_flow_speed_mps: NDArray[np.float64]
    """[link]"""
    link_storage_veh: NDArray[np.float64]
    """[link] cars that find room, standing in queue."""
    successor_start: NDArray[np.int32]
    """[link + 1]"""
    successor_link_idx: NDArray[np.int32]
    """Flat: links that can be reached directly, in the order of the connections."""
    predecessor_start: NDArray[np.int32]
    """[link + 1]"""
    predecessor_link_idx: NDArray[np.int32]
    """Flat: links from which the link can be reached directly."""
    movement_from_link_idx: NDArray[np.int32]
    """[movement]"""
    movement_to_link_idx: NDArray[np.int32]
    """[movement]"""
    movement_junction_idx: NDArray[np.int32]
    """[movement]"""
    movement_lane_count: NDArray[np.int32]
    """[movement]"""
    movement_saturation_flow_vph: NDArray[np.float64]
    """[movement]"""
    movement_group_start: NDArray[np.int32]
    """[movement + 1]"""
    movement_group_idx: NDArray[np.int32]
    """Flat: signal groups of the movement, counted within its junction."""
    junction_movement_start: NDArray[np.int32]
    """[junction + 1]"""
    junction_movement_idx: NDArray[np.int32]
    """Flat: movements of the junction."""
    junction_group_count: NDArray[np.int32]
    """[junction]"""
    junction_x_m: NDArray[np.float64]
    """[junction] metres east on the network's own plane."""
    junction_y_m: NDArray[np.float64]
    """[junction] metres north."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value.flags.writeable = False


def arrays_of(network: RoadNetwork) -> NetworkArrays:
    """The arrays of a network.

    Raises:
        DataRefused: something names a link or a junction that is not there.
    """
    _refuse_unknown(network)
    links, movements = network.links.values(), network.movements.values()
    junctions = network.junctions.values()
    nodes = {n: None for link in links for n in (link.from_node, link.to_node)}
    node_idx = {node_id: i for i, node_id in enumerate(nodes)}
    link_idx = network.link_idx
    junction_idx = {junction_id: i for i, junction_id in enumerate(network.junctions)}
    movement_idx = {movement_id: i for i, movement_id in enumerate(network.movements)}
    successors = _flat((link_idx[i] for i in after) for after in network.successors.values())
    predecessors = _flat((link_idx[i] for i in before) for before in network.predecessors.values())
    groups = _flat(m.signal_group_idxs for m in movements)
    at_junction = _flat(
        (movement_idx[m.movement_id] for m in here) for here in network.movements_at.values()
    )
    return NetworkArrays(
        node_ids=tuple(nodes),
        link_from_node_idx=_ints(node_idx[link.from_node] for link in links),
        link_to_node_idx=_ints(node_idx[link.to_node] for link in links),
        link_junction_idx=_ints(
            NOTHING if link.junction_id is None else junction_idx[link.junction_id]
            for link in links
        ),
        link_lane_count=_ints(link.lane_count for link in links),
        link_car_lane_count=_ints(len(link.car_lanes) for link in links),
        link_length_m=_floats(link.length_m for link in links),
        link_free_flow_speed_mps=_floats(link.free_flow_speed_mps for link in links),
        link_storage_veh=_floats(link.storage_veh for link in links),
        successor_start=successors[0],
        successor_link_idx=successors[1],
        predecessor_start=predecessors[0],
        predecessor_link_idx=predecessors[1],
        movement_from_link_idx=_ints(link_idx[m.from_link] for m in movements),
        movement_to_link_idx=_ints(link_idx[m.to_link] for m in movements),
        movement_junction_idx=_ints(junction_idx[m.junction_id] for m in movements),
        movement_lane_count=_ints(len(m.lanes) for m in movements),
        movement_saturation_flow_vph=_floats(m.saturation_flow_vph for m in movements),
        movement_group_start=groups[0],
        movement_group_idx=groups[1],
        junction_movement_start=at_junction[0],
        junction_movement_idx=at_junction[1],
        junction_group_count=_ints(j.signal_group_count for j in junctions),
        junction_x_m=_floats(j.x for j in junctions),
        junction_y_m=_floats(j.y for j in junctions),
    )


def _refuse_unknown(network: RoadNetwork) -> None:
    links, junctions = network.links, network.junctions
    unknown = [
        *_unknown("link", links, (c.from_link for c in network.connections)),
        *_unknown("link", links, (c.to_link for c in network.connections)),
        *_unknown("link", links, (m.from_link for m in network.movements.values())),
        *_unknown("link", links, (m.to_link for m in network.movements.values())),
        *_unknown("junction", junctions, (m.junction_id for m in network.movements.values())),
        *_unknown("junction", junctions, (link.junction_id for link in links.values())),
    ]
    if unknown:
        raise DataRefused(
            f"the network {network.name} does not hold together",
            "see traffic-brain network check",
            list(dict.fromkeys(unknown)),
        )


def _unknown(kind: str, known: Mapping[str, object], named: Iterable[str | None]) -> list[str]:
    missing = dict.fromkeys(i for i in named if i is not None and i not in known)
    return [f"there is no {kind} {i}" for i in missing]


def _ints(values: Iterable[int]) -> NDArray[np.int32]:
    return np.fromiter(values, dtype=np.int32)


def _floats(values: Iterable[float]) -> NDArray[np.float64]:
    return np.fromiter(values, dtype=np.float64)


def _flat(rows: Iterable[Iterable[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Rows of varying length as (start [row + 1], flat)."""
    listed = [tuple(row) for row in rows]
    return _ints(accumulate(map(len, listed), initial=0)), _ints(i for row in listed for i in row)
