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

    from traffic_brain.model.arrays import NetworkArrays
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


@dataclass(frozen=True, slots=True)
class GiveWay:
    """At a vertex without lamps: who takes one turn lets those go first who take another."""

    from_link: str
    to_link: str
    first_from_link: str
    first_to_link: str

    @property
    def links(self) -> tuple[str, str, str, str]:
        """All that it speaks of."""
        return self.from_link, self.to_link, self.first_from_link, self.first_to_link


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
    name_latin: str = ""


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

    @property
    def plans(self) -> tuple[SignalPlan, ...]:
        """All plans registered: the one in service first, if there is one."""
        in_service = self.plan_in_service
        return self.other_plans if in_service is None else (in_service, *self.other_plans)


@dataclass(frozen=True, slots=True)
class Approach:
    """The end of a link at its junction (进口道)."""

    junction_id: str
    link_id: str
    lanes: tuple[int, ...]
    """Lane indices from which a movement departs."""
    movements: tuple[Movement, ...]


class SignalGroupKind(StrEnum):
    """Whom the lamps of a signal group show green."""

    VEHICLE = "vehicle"
    PEDESTRIAN = "pedestrian"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class SignalGroup:
    """Lamps that always show the same (信号组)."""

    junction_id: str
    signal_group_idx: int
    """Position of its letter in a lamp picture."""
    kind: SignalGroupKind
    """``VEHICLE`` as soon as a connection between links waits at it."""
    movement_ids: tuple[str, ...]
    crossings: tuple[Crossing, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """Movements given right of way as one (相位): the plan shows their groups green together."""

    junction_id: str
    signal_group_idxs: tuple[int, ...]
    movement_ids: tuple[str, ...]


@dataclass(frozen=True)
class RoadNetwork:
    """The road graph that all stages read and none changes."""

    name: str
    links: Mapping[str, Link]
    connections: tuple[Connection, ...]
    movements: Mapping[str, Movement]
    junctions: Mapping[str, Junction]
    crossings: tuple[Crossing, ...] = ()
    give_ways: tuple[GiveWay, ...] = ()
    """Empty where the source does not tell."""
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
    def arrays(self) -> NetworkArrays:
        """Dense index arrays for kernels.

        Raises:
            DataRefused: something names a link or a junction that is not there.
        """
        from traffic_brain.model.arrays import arrays_of

        return arrays_of(self)

    @cached_property
    def bare_turns(self) -> frozenset[tuple[str, str]]:
        """(from link, to link) wherever no lamp tells who goes."""
        return frozenset(
            (c.from_link, c.to_link) for c in self.connections if c.junction_id is None
        )

    @cached_property
    def movements_at(self) -> Mapping[str, tuple[Movement, ...]]:
        """Movements of each junction, in the order of ``movements``."""
        found: dict[str, list[Movement]] = {j: [] for j in self.junctions}
        for movement in self.movements.values():
            found[movement.junction_id].append(movement)
        return {j: tuple(ms) for j, ms in found.items()}

    @cached_property
    def crossings_at(self) -> Mapping[str, tuple[Crossing, ...]]:
        """Pedestrian crossings of each junction, in the order of ``crossings``."""
        found: dict[str, list[Crossing]] = {j: [] for j in self.junctions}
        for crossing in self.crossings:
            found[crossing.junction_id].append(crossing)
        return {j: tuple(cs) for j, cs in found.items()}

    @cached_property
    def approaches_at(self) -> Mapping[str, tuple[Approach, ...]]:
        """Approaches of each junction: every link with a movement there, in order of ``links``."""
        found: dict[str, list[Approach]] = {j: [] for j in self.junctions}
        departing: dict[tuple[str, str], list[Movement]] = {}
        for movement in self.movements.values():
            departing.setdefault((movement.from_link, movement.junction_id), []).append(movement)
        for (link_id, junction_id), movements in sorted(
            departing.items(), key=lambda item: self.link_idx[item[0][0]]
        ):
            lanes = tuple(sorted({lane for m in movements for lane in m.lanes}))
            found[junction_id].append(Approach(junction_id, link_id, lanes, tuple(movements)))
        return {j: tuple(approaches) for j, approaches in found.items()}

    @cached_property
    def signal_groups_at(self) -> Mapping[str, tuple[SignalGroup, ...]]:
        """Signal groups of each junction, one per letter of its lamp pictures."""
        driven = {(c.junction_id, c.signal_group_idx) for c in self.connections}
        return {
            junction_id: tuple(
                self._signal_group(junction_id, group, (junction_id, group) in driven)
                for group in range(junction.signal_group_count)
            )
            for junction_id, junction in self.junctions.items()
        }

    @cached_property
    def phases_at(self) -> Mapping[str, tuple[Phase, ...]]:
        """Phases of each junction, from its plan in service, in order of their first green.

        Groups that are never green belong to no phase; without a plan there are no phases.
        """
        return {j: self._phases(junction) for j, junction in self.junctions.items()}

    @cached_property
    def windows_at(self) -> Mapping[str, tuple[PlanWindow, ...]]:
        """Day and week schedule of each junction, in the order of ``plan_windows``."""
        found: dict[str, list[PlanWindow]] = {j: [] for j in self.junctions}
        for window in self.plan_windows:
            found[window.junction_id].append(window)
        return {j: tuple(windows) for j, windows in found.items()}

    def plan_at(self, junction_id: str, weekday: int, time_s: int) -> SignalPlan | None:
        """The plan that runs at a second of the service day; ``weekday`` 1 is Monday.

        Outside all windows it is the plan in service; None: no fixed plan.
        """
        junction = self.junctions[junction_id]
        for window in self.windows_at[junction_id]:
            if weekday in window.weekdays and window.begin_s <= time_s < window.end_s:
                for plan in junction.plans:
                    if plan.plan_id == window.plan_id:
                        return plan
        return junction.plan_in_service

    def _signal_group(self, junction_id: str, group: int, driven: bool) -> SignalGroup:
        movement_ids = self._movement_ids(junction_id, {group})
        crossings = tuple(c for c in self.crossings_at[junction_id] if c.signal_group_idx == group)
        kind = SignalGroupKind.UNUSED
        if driven or movement_ids:
            kind = SignalGroupKind.VEHICLE
        elif crossings:
            kind = SignalGroupKind.PEDESTRIAN
        return SignalGroup(junction_id, group, kind, movement_ids, crossings)

    def _phases(self, junction: Junction) -> tuple[Phase, ...]:
        plan = junction.plan_in_service
        pictures = [] if plan is None else [i.picture for i in plan.intervals()]
        together: dict[tuple[bool, ...], list[int]] = {}
        for group in range(junction.signal_group_count):
            green = tuple(picture[group : group + 1] in ("G", "g") for picture in pictures)
            if any(green):
                together.setdefault(green, []).append(group)
        return tuple(
            Phase(
                junction.junction_id,
                tuple(groups),
                self._movement_ids(junction.junction_id, set(groups)),
            )
            for _, groups in sorted(together.items(), key=lambda item: item[0], reverse=True)
        )

    def _movement_ids(self, junction_id: str, groups: set[int]) -> tuple[str, ...]:
        return tuple(
            m.movement_id
            for m in self.movements_at[junction_id]
            if not groups.isdisjoint(m.signal_group_idxs)
        )

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
