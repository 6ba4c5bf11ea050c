"""The road network: links, connections, movements, junctions.

Ids are strings. Lengths in metres, speeds in metres per second, positions in metres on the
network's own plane (x east, y north).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx as nx

    from traffic_brain.model.signals import PlanWindow, SignalPlan

NO_SIGNAL = -1
"""``signal_group_idx`` of a connection that no lamp controls."""


VEHICLE_SPACING_M = 7.5
"""Length of road that one standing car takes: 5 m and a gap of 2.5 m."""
EVERY_LANE = -1
"""``lane_idx`` of a device that watches all lanes of its link."""


class Turn(StrEnum):
    """Direction of a movement, seen by the driver."""

    LEFT = "LEFT"
    THROUGH = "THROUGH"
    RIGHT = "RIGHT"
    UTURN = "UTURN"


@dataclass(frozen=True, slots=True)
class Link:
    """A directed road between two graph vertices (路段)."""

    link_id: str
    from_node: str
    to_node: str
    length_m: float
    free_flow_speed_mps: float
    lane_count: int
    road_class: str
    name: str
    shape: tuple[tuple[float, float], ...]
    car_lanes: tuple[int, ...]
    """Lane indices (0 = kerb side) open to cars; empty: a bus, foot, cycle or rail link."""
    junction_id: str | None = None
    """The signalised junction at the link's end, if there is one."""
    name_latin: str = ""
    """The name in Latin letters (pinyin), where the name is not."""
    zone_id: str | None = None
    """The grid zone of the link's middle."""

    @property
    def storage_veh(self) -> float:
        """Cars that find room on the car lanes, standing in queue."""
        return self.length_m * len(self.car_lanes) / VEHICLE_SPACING_M


@dataclass(frozen=True, slots=True)
class Connection:
    """One lane-to-lane connection through a graph vertex."""

    from_link: str
    from_lane_idx: int
    to_link: str
    to_lane_idx: int
    turn: Turn
    junction_id: str | None = None
    signal_group_idx: int = NO_SIGNAL


@dataclass(frozen=True, slots=True)
class Movement:
    """Approach to exit (流向): the unit of demand and of saturation flow."""

    movement_id: str
    junction_id: str
    from_link: str
    to_link: str
    turn: Turn
    lanes: tuple[int, ...]
    """Lane indices of the approach from which the movement departs."""
    signal_group_idxs: tuple[int, ...]
    saturation_flow_vph: float
    """Discharge of all its lanes under continuous green, lanes shared with others in full."""
    saturation_flow_source: str = "default by turn"


@dataclass(frozen=True, slots=True)
class Crossing:
    """A pedestrian crossing that a signal group serves."""

    junction_id: str
    signal_group_idx: int
    length_m: float


class DetectorKind(StrEnum):
    """What a device on the road reports."""

    STOP_LINE = "stop_line"
    ADVANCE = "advance"
    CHECKPOINT = "checkpoint"


@dataclass(frozen=True, slots=True)
class Detector:
    """A device on a lane: an induction loop, a radar, or a checkpoint camera (卡口)."""

    detector_id: str
    link_id: str
    lane_idx: int
    """0 = kerb side; ``EVERY_LANE``: all lanes."""
    position_m: float
    """From the link's beginning."""
    kind: DetectorKind


@dataclass(frozen=True, slots=True)
class Zone:
    """A grid zone that the city is managed by (网格区域)."""

    zone_id: str
    name: str
    shape: tuple[tuple[float, float], ...]
    """Corners of its outline in order; the last joins the first."""


@dataclass(frozen=True, slots=True)
class Junction:
    """A controlled intersection (路口): one controller, one or several graph vertices.

    ``conflicts`` and ``yields`` come from geometry (lane-to-lane foes), never from a plan:
    ``conflicts`` holds unordered pairs (a < b) of signal groups whose paths cross or merge;
    ``yields`` holds ordered pairs (a, b) where a must give way to b when both may go.
    """

    junction_id: str
    name: str
    x: float
    y: float
    node_ids: tuple[str, ...]
    signal_group_count: int
    conflicts: frozenset[tuple[int, int]]
    yields: frozenset[tuple[int, int]]
    plan_in_service: SignalPlan | None
    """None: no fixed plan could be read (signal off, rail, actuated without pictures)."""
    other_plans: tuple[SignalPlan, ...] = ()
    """Plans registered besides the one in service; ``RoadNetwork.plan_windows`` says when."""
    control: str = "fixed"
    """``fixed``, ``actuated``, ``off`` or ``rail``: how the controller runs today."""
    problems: tuple[str, ...] = ()
    name_latin: str = ""
    zone_id: str | None = None


@dataclass(frozen=True)
class RoadNetwork:
    """The road graph that all stages read and none changes."""

    name: str
    links: Mapping[str, Link]
    connections: tuple[Connection, ...]
    movements: Mapping[str, Movement]
    junctions: Mapping[str, Junction]
    crossings: tuple[Crossing, ...] = ()
    detectors: tuple[Detector, ...] = ()
    zones: Mapping[str, Zone] = field(default_factory=dict)
    plan_windows: tuple[PlanWindow, ...] = ()
    intergreens_s: Mapping[str, Mapping[tuple[int, int], int]] = field(default_factory=dict)
    """By junction: required seconds from the end of a group's green to a conflicting green."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """File name -> SHA-256 of what the network was read from."""

    @cached_property
    def graph(self) -> nx.MultiDiGraph[str]:
        """Vertices are link ends; each edge carries ``link`` and is keyed by ``link_id``."""
        import networkx as nx

        graph: nx.MultiDiGraph[str] = nx.MultiDiGraph(name=self.name)
        for link in self.links.values():
            graph.add_edge(link.from_node, link.to_node, key=link.link_id, link=link)
        return graph

    @cached_property
    def link_idx(self) -> Mapping[str, int]:
        """Dense index of every link, for kernels; order of ``links``."""
        return {link_id: i for i, link_id in enumerate(self.links)}

    @cached_property
    def movements_at(self) -> Mapping[str, tuple[Movement, ...]]:
        """Movements of each junction, in the order of ``movements``."""
        found: dict[str, list[Movement]] = {j: [] for j in self.junctions}
        for movement in self.movements.values():
            found[movement.junction_id].append(movement)
        return {j: tuple(ms) for j, ms in found.items()}

    @cached_property
    def successors(self) -> Mapping[str, tuple[str, ...]]:
        """Links that can be reached directly from each link."""
        found: dict[str, dict[str, None]] = {link_id: {} for link_id in self.links}
        for c in self.connections:
            found[c.from_link][c.to_link] = None
        return {k: tuple(v) for k, v in found.items()}

    @cached_property
    def predecessors(self) -> Mapping[str, tuple[str, ...]]:
        """Links from which each link can be reached directly."""
        found: dict[str, dict[str, None]] = {link_id: {} for link_id in self.links}
        for c in self.connections:
            found[c.to_link][c.from_link] = None
        return {k: tuple(v) for k, v in found.items()}
