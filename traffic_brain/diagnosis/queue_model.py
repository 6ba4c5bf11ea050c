"""The queue model of a city: its streets, lamps and journeys as arrays, and what a run tells.

What it is for: asking "and if this were otherwise?" some thousand times a night, about a split, an
offset or a lost lane, where SUMO would answer a dozen times. It judges nothing that leaves the
house: that is the check's, which shares none of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from math import hypot

import numpy as np
from numpy.typing import NDArray

from traffic_brain.errors import DataRefused
from traffic_brain.kernels.queues import (
    NEVER,
    NONE,
    PERMITTED,
    PROTECTED,
    RED,
    Driving,
    Journeys,
    Lamps,
    Measures,
    Streets,
    choose_lanes,
    run_queues,
)
from traffic_brain.model.network import (
    NO_SIGNAL,
    VEHICLE_SPACING_M,
    Connection,
    Link,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import SignalPlan

DRIVING = Driving(
    start_loss_s=1.0,
    stop_loss_s=3.2,
    wave_s=1.2,
    gap_s=2.0,
    sign_gap_s=3.0,
    entry_s=1.2,
    wait_s=6.0,
    lane_change_s=10.0,
)
"""``sign_gap_s``: 2, 3 and 5 s were tried; plans are ranked best by 3 s on cologne3, and hardly
better by 5 s on ingolstadt1."""
SHORT_M = 15.0
"""On a shorter link a vehicle stays in the lane in which it enters."""
TURNING_SPEED_MPS: Mapping[Turn, float] = {Turn.LEFT: 8.0, Turn.RIGHT: 6.5, Turn.UTURN: 4.0}
_SHOWN: Mapping[str, int] = {
    "G": PROTECTED,
    "g": PERMITTED,
    "s": PERMITTED,
    "o": PERMITTED,
    "O": PROTECTED,
}

_SHOWN_BY_CODE = np.array([_SHOWN.get(chr(code), RED) for code in range(256)], np.uint8)


@dataclass(frozen=True, slots=True)
class Habits:
    """How the vehicles of an area drive and fill their streets: what is calibrated."""

    driving: Driving = DRIVING
    through_headway_s: float = 2.15
    """Between two vehicles that leave a standing queue straight on."""
    turning_ratio: float = 1.35
    """Headway of those that turn, over that of those who go straight on."""
    least_places: int = 3
    """Vehicles that a lane holds however short it is: most of each stands before or behind it."""
    used_yellow_s: int = 0
    """Of each yellow, from its start, in which those who follow still cross."""

    def headway_s(self, turn: Turn) -> float:
        """Between two vehicles that leave a standing queue on the same turn."""
        if turn is Turn.THROUGH:
            return self.through_headway_s
        u_turn = UTURN_RATIO if turn is Turn.UTURN else 1.0
        return self.through_headway_s * self.turning_ratio * u_turn


UTURN_RATIO = 1.25
"""Headway of U-turns over that of other turns."""
HABITS = Habits()
"""Of SUMO's own car (5 m long, 2.5 m apart), fitted to random plans on cologne8, ingolstadt7,
cologne3 and cologne1."""

Way = tuple[float, Sequence[str]]
"""A vehicle: when it leaves (seconds of the service day), and its links in order."""


@dataclass(frozen=True, eq=False)
class StreetMap:
    """The streets of a city, and which index is whose."""

    network: RoadNetwork
    streets: Streets
    turn_idx: Mapping[tuple[str, str], int]
    group_idx: Mapping[tuple[str, int], int]
    habits: Habits = HABITS

    @cached_property
    def turns(self) -> tuple[tuple[str, str], ...]:
        """(from link, to link) of every turn, in the order of their index."""
        return tuple(self.turn_idx)


@dataclass(frozen=True, eq=False)
class QueueRun:
    """What a run of the queue model tells; axes as in `Measures`."""

    journeys: Journeys
    measures: Measures

    @property
    def delay_s_per_veh(self) -> float:
        """Mean over all vehicles, those that never got in included; 0 without vehicles."""
        delays = self.measures.vehicle_delay_s
        return float(delays.mean()) if len(delays) else 0.0


def street_map(network: RoadNetwork, habits: Habits = HABITS) -> StreetMap:
    """The arrays of a network's streets.

    Cars drive on car lanes; a turn that has none (a bus gate) is driven on the lanes it has.

    Raises:
        DataRefused: a connection names a link or lane that is not there.
    """
    connections = _by_turn(network)
    turn_idx = {turn: i for i, turn in enumerate(connections)}
    flat = [c for listed in connections.values() for c in listed]
    lane_start = np.zeros(len(network.links) + 1, np.int32)
    np.cumsum([link.lane_count for link in network.links.values()], out=lane_start[1:])
    _refuse_unknown_lanes(flat, network)
    groups_here = (
        (junction_id, group)
        for junction_id, junction in network.junctions.items()
        for group in range(junction.signal_group_count)
    )
    group_idx = {key: i for i, key in enumerate(groups_here)}
    groups = [_group_of(c, group_idx) for c in flat]
    foes = _foes(flat, groups, network, group_idx)
    to_lanes: dict[tuple[str, int, str], set[int]] = {}
    for c in network.connections:
        to_lanes.setdefault((c.from_link, c.from_lane_idx, c.to_link), set()).add(c.to_lane_idx)
    links = network.links
    streets = Streets(
        link_lane_start=lane_start,
        link_run_s=np.array([li.length_m / li.free_flow_speed_mps for li in links.values()]),
        lane_places=np.repeat(
            np.array([_places(link, habits) for link in links.values()], np.int32),
            np.diff(lane_start),
        ),
        lane_closed_from_s=np.full(lane_start[-1], NEVER),
        lane_closed_until_s=np.full(lane_start[-1], NEVER),
        turn_connection_start=_starts(len(listed) for listed in connections.values()),
        turn_run_s=np.array(
            [_crossing_s(links[a], links[b], listed[0]) for (a, b), listed in connections.items()]
        ),
        connection_lane=np.array(
            [lane_start[network.link_idx[c.from_link]] + c.from_lane_idx for c in flat], np.int32
        ),
        connection_to_lanes=np.array([_to_lanes(c, to_lanes) for c in flat], np.uint64),
        connection_group=np.array(groups, np.int32),
        connection_headway_s=np.array([habits.headway_s(c.turn) for c in flat]),
        connection_pocket=np.array(
            [
                _pocket(links, c) if foe and group != NONE else 0
                for c, foe, group in zip(flat, foes, groups, strict=True)
            ],
            np.int32,
        ),
        foe_start=_starts(map(len, foes)),
        foe=np.array([f for listed in foes for f in listed], np.int32),
    )
    return StreetMap(network, streets, turn_idx, group_idx, habits)


def lamps(city: StreetMap, plans: Mapping[str, SignalPlan]) -> Lamps:
    """What each signal group shows under ``plans`` (by junction); without a plan it is dark.

    Yellow counts as red, but for its first ``used_yellow_s`` of the map's habits.
    """
    counts = (junction.signal_group_count for junction in city.network.junctions.values())
    shown = [
        _cycle(plans.get(junction_id), count, city.habits.used_yellow_s)
        for junction_id, count in zip(city.network.junctions, counts, strict=True)
    ]
    lengths = [one.shape[1] for one in shown for _ in range(one.shape[0])]
    return Lamps(
        group_start=_starts(lengths),
        lamp=np.concatenate([one.ravel() for one in shown]) if shown else np.zeros(0, np.uint8),
    )


@lru_cache(maxsize=4096)
def _cycle(plan: SignalPlan | None, group_count: int, used_yellow_s: int) -> NDArray[np.uint8]:
    """uint8[group, second]: one cycle from the master clock's zero on."""
    if plan is None:
        return np.full((group_count, 1), PERMITTED, np.uint8)
    pictures = [interval.picture.encode("ascii") for interval in plan.intervals()]
    letters = np.frombuffer(b"".join(pictures), np.uint8).reshape(len(pictures), -1)
    seconds = [interval.duration_s for interval in plan.intervals()]
    letters = np.repeat(letters, seconds, axis=0)
    shown = _SHOWN_BY_CODE[letters]
    yellow = letters == ord("y")
    for _ in range(used_yellow_s):
        before = np.roll(shown, 1, axis=0)
        shown = np.where(yellow & (shown == RED), before, shown)
    shown = np.ascontiguousarray(np.roll(shown, plan.first_stage_offset_s, axis=0).T)
    shown.flags.writeable = False
    return shown


def journeys(city: StreetMap, ways: Iterable[Way]) -> Journeys:
    """Vehicles in order of departure, each with the first stretch of its route that hangs together.

    Raises:
        DataRefused: a route names a link that is not there.
    """
    ordered = sorted(ways, key=lambda way: way[0])
    link_idx = city.network.link_idx
    unknown = sorted({i for _, links in ordered for i in links if i not in link_idx})
    if unknown:
        raise DataRefused("routes of another network", "fuse the day with this city", unknown)
    cut = [(at_s, _driven(links, city.turn_idx)) for at_s, links in ordered if links]
    start = _starts(len(links) for _, links in cut)
    link = np.array([link_idx[i] for _, links in cut for i in links], np.int32)
    turn = np.array([t for _, links in cut for t in _turns(links, city.turn_idx)], np.int32)
    short = np.array([one.length_m < SHORT_M for one in city.network.links.values()])
    lanes, onward = np.zeros(len(link), np.uint64), np.zeros(len(link), np.uint64)
    choose_lanes(city.streets, start, link, turn, short, lanes, onward)
    return Journeys(np.array([at_s for at_s, _ in cut]), start, link, turn, lanes, onward)


def simulate(
    city: StreetMap,
    shown: Lamps,
    driven: Journeys,
    begin_s: int,
    end_s: int,
    driving: Driving | None = None,
) -> QueueRun:
    """Drive ``driven`` under the lamps from ``begin_s`` to ``end_s`` (seconds of the day).

    ``driving``: None: as the map's habits say.
    """
    vehicles, steps = len(driven.depart_s), len(driven.step_link)
    measures = Measures(
        vehicle_delay_s=np.zeros(vehicles),
        vehicle_arrived=np.zeros(vehicles, np.bool_),
        step_delay_s=np.zeros(steps),
        step_leave_s=np.zeros(steps),
        turn_stops=np.zeros(len(city.turn_idx), np.int32),
        link_blocked_s=np.zeros(len(city.network.links)),
    )
    run_queues(
        city.streets, shown, driven, driving or city.habits.driving, begin_s, end_s, measures
    )
    return QueueRun(driven, measures)


def _by_turn(network: RoadNetwork) -> dict[tuple[str, str], list[Connection]]:
    """Connections of each turn, one per lane it leaves."""
    found: dict[tuple[str, str], dict[int, Connection]] = {}
    for c in network.connections:
        found.setdefault((c.from_link, c.to_link), {}).setdefault(c.from_lane_idx, c)
    return {
        (a, b): [c for lane, c in by_lane.items() if lane in network.links[a].car_lanes]
        or list(by_lane.values())
        for (a, b), by_lane in found.items()
    }


def _refuse_unknown_lanes(connections: Iterable[Connection], network: RoadNetwork) -> None:
    wrong = [
        f"link {c.from_link} has no lane {c.from_lane_idx}"
        for c in connections
        if not 0 <= c.from_lane_idx < network.links[c.from_link].lane_count
    ]
    if wrong:
        raise DataRefused(
            f"the network {network.name} does not hold together",
            "see traffic-brain network check",
            wrong,
        )


def _group_of(c: Connection, group_idx: Mapping[tuple[str, int], int]) -> int:
    if c.junction_id is None or c.signal_group_idx == NO_SIGNAL:
        return NONE
    return group_idx.get((c.junction_id, c.signal_group_idx), NONE)


def _foes(
    connections: Sequence[Connection],
    groups: Sequence[int],
    network: RoadNetwork,
    group_idx: Mapping[tuple[str, int], int],
) -> list[list[int]]:
    """For each connection those that it gives way to: by its lamp, or by a sign."""
    of_turn: dict[tuple[str, str], list[int]] = {}
    for i, c in enumerate(connections):
        of_turn.setdefault((c.from_link, c.to_link), []).append(i)
    by_sign: dict[tuple[str, str], list[int]] = {}
    for row in network.give_ways:
        foes = of_turn.get((row.first_from_link, row.first_to_link), [])
        by_sign.setdefault((row.from_link, row.to_link), []).extend(foes)
    of_group: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        of_group.setdefault(group, []).append(i)
    before: dict[int, list[int]] = {}
    for junction_id, junction in network.junctions.items():
        for a, b in sorted(junction.yields):
            foes = of_group.get(group_idx[junction_id, b], [])
            before.setdefault(group_idx[junction_id, a], []).extend(foes)
    return [
        before.get(group, []) if group != NONE else by_sign.get((c.from_link, c.to_link), [])
        for c, group in zip(connections, groups, strict=True)
    ]


def _to_lanes(c: Connection, to_lanes: Mapping[tuple[str, int, str], set[int]]) -> int:
    return sum(1 << lane for lane in to_lanes[c.from_link, c.from_lane_idx, c.to_link])


def _places(link: Link, habits: Habits) -> int:
    return max(habits.least_places, int(link.length_m / VEHICLE_SPACING_M))


def _pocket(links: Mapping[str, Link], c: Connection) -> int:
    """Vehicles that turn across a stream wait for their gap in the middle of the junction."""
    before, after = links[c.from_link], links[c.to_link]
    if c.turn is not Turn.LEFT or not before.shape or not after.shape:
        return 0
    (x, y), (u, v) = before.shape[-1], after.shape[0]
    return max(1, int(hypot(u - x, v - y) / 2 / VEHICLE_SPACING_M))


def _crossing_s(before: Link, after: Link, connection: Connection) -> float:
    """Time over the junction: as the crow flies, at the speed of the turn."""
    if not before.shape or not after.shape:
        return 0.0
    (x, y), (u, v) = before.shape[-1], after.shape[0]
    speed = TURNING_SPEED_MPS.get(connection.turn, before.free_flow_speed_mps)
    return hypot(u - x, v - y) / min(speed, before.free_flow_speed_mps)


def _driven(links: Sequence[str], turns: Mapping[tuple[str, str], int]) -> Sequence[str]:
    """The first stretch of a route that hangs together."""
    for i in range(len(links) - 1):
        if (links[i], links[i + 1]) not in turns:
            return links[: i + 1]
    return links


def _turns(links: Sequence[str], turns: Mapping[tuple[str, str], int]) -> list[int]:
    return [turns[a, b] for a, b in pairwise(links)] + [NONE]


def _starts(counts: Iterable[int]) -> NDArray[np.int32]:
    listed = list(counts)
    starts = np.zeros(len(listed) + 1, np.int32)
    np.cumsum(listed, out=starts[1:])
    return starts
