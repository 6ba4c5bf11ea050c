"""What SUMO knows of a junction's inside: who meets whom, who yields, crossings, and paths.

A vertex lists its *requests*, the lane-to-lane connections through it, in the order of its
incoming lanes, and for each the others that it meets (``foes``) and yields to (``response``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from network_data.conflicts import Foes
from network_data.conflicts import Path as DrivenPath
from network_data.importers.sumo.source import (
    CROSSING,
    NORMAL,
    WALKING_AREA,
    NetConnection,
    NetEdge,
    NetLane,
    NetNode,
    Point,
    SumoNet,
)
from traffic_brain.model.network import Crossing, GiveWay

Pair = tuple[int, int]
SLOWEST_MPS = 1.0
"""Nobody clears a junction slower; SUMO closes lanes with a speed of zero."""
_WITH_SIGNS = frozenset({"priority", "priority_stop"})
_MOST_PIECES = 10
"""Internal lanes in a row: two, or three where a turn waits twice."""


@dataclass(frozen=True, slots=True)
class RightOfWay:
    """Foes of every signal; ``unknown``: signals of which a vertex tells no usable requests."""

    foes: Mapping[str, Foes]
    unknown: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Request:
    """A connection with the lamps that control it, and bits of the requests it meets."""

    signal: str
    groups: tuple[int, ...]
    foes: int
    response: int


def right_of_way(source: SumoNet) -> RightOfWay:
    """Conflicts and yields between the signal groups of every signal, from its vertices."""
    conflicts: dict[str, set[Pair]] = defaultdict(set)
    yields: dict[str, set[Pair]] = defaultdict(set)
    unknown: set[str] = set()
    for node in source.nodes.values():
        requests = _requests(node, source)
        if requests is None:
            unknown |= {c.tl for c in _through(node, source) if c.tl}
            continue
        for a, b, b_has_right_of_way in _meetings(requests):
            for pair in ((i, j) for i in a.groups for j in b.groups if i != j):
                conflicts[a.signal].add((min(pair), max(pair)))
                if b_has_right_of_way:
                    yields[a.signal].add(pair)
    signals = set(conflicts) | set(yields)
    found = {s: Foes(frozenset(conflicts[s]), frozenset(yields[s])) for s in signals}
    return RightOfWay(found, frozenset(unknown))


def give_ways(source: SumoNet) -> tuple[GiveWay, ...]:
    """Who lets whom go first at vertices with signs and without lamps.

    Where the right hand goes first, and wherever turns wait for each other in a ring, there is no
    order to tell.
    """
    graph: nx.DiGraph[tuple[str, str]] = nx.DiGraph()
    graph.add_edges_from(
        ((a.from_edge, a.to_edge), (b.from_edge, b.to_edge))
        for node in source.nodes.values()
        if node.kind in _WITH_SIGNS
        for a, b in _in_turn(node, source)
        if a.from_edge != b.from_edge and _is_driven(a, source) and _is_driven(b, source)
    )
    ring_of = {
        turn: n for n, ring in enumerate(nx.strongly_connected_components(graph)) for turn in ring
    }
    return tuple(GiveWay(*a, *b) for a, b in sorted(graph.edges) if ring_of[a] != ring_of[b])


def _in_turn(node: NetNode, source: SumoNet) -> Iterator[tuple[NetConnection, NetConnection]]:
    """(who gives way, who goes first) through a vertex without lamps."""
    listed = list(_through(node, source))
    told = {request.idx: request for request in node.requests}
    if any(c.tl for c in listed) or sorted(told) != list(range(len(listed))):
        return
    for i, a in enumerate(listed):
        for j, b in enumerate(listed):
            if told[i].response >> j & 1:
                yield a, b


def _is_driven(connection: NetConnection, source: SumoNet) -> bool:
    ends = (connection.from_edge, connection.to_edge)
    return all(source.edges[edge].function == NORMAL for edge in ends)


def _meetings(requests: list[_Request]) -> Iterator[tuple[_Request, _Request, bool]]:
    for a in requests:
        for idx, b in enumerate(requests):
            if a.signal and a.signal == b.signal and a.foes >> idx & 1:
                yield a, b, bool(a.response >> idx & 1)


def _requests(node: NetNode, source: SumoNet) -> list[_Request] | None:
    """The requests of a vertex by index; None where they do not fit its connections."""
    listed = list(_through(node, source))
    if not node.requests and len({c.from_edge for c in listed if c.tl}) < 2:
        return []  # a vertex in the middle of a road: nobody meets anybody
    told = {request.idx: request for request in node.requests}
    if sorted(told) != list(range(len(listed))) or len(told) < len(node.requests):
        return None
    return [
        _Request(c.tl, _lamps(c, source), told[idx].foes, told[idx].response)
        for idx, c in enumerate(listed)
    ]


def _through(node: NetNode, source: SumoNet) -> Iterator[NetConnection]:
    """The connections through a vertex in the order of its requests."""
    for lane_id in node.incoming_lanes:
        for c in source.connections_from.get(lane_id, ()):
            from_function = source.edges[c.from_edge].function
            to_function = source.edges[c.to_edge].function
            on_foot = from_function == WALKING_AREA and to_function != CROSSING
            if to_function != WALKING_AREA and not on_foot:
                yield c


def _lamps(connection: NetConnection, source: SumoNet) -> tuple[int, ...]:
    """The lamp of a connection; of a crossing both, where each direction has its own."""
    if source.edges[connection.to_edge].function != CROSSING:
        return (connection.link_idx,)
    back = source.connections_from.get(source.edges[connection.to_edge].lanes[0].lane_id, ())
    lamps = {connection.link_idx, *(c.link_idx for c in back if c.tl == connection.tl)}
    return tuple(sorted(lamps))


def crossings(source: SumoNet) -> tuple[Crossing, ...]:
    """Pedestrian crossings with a lamp, each once per lamp, the longest where two share one."""
    found: dict[tuple[str, int], float] = {}
    for connection, crossing in _signalled_crossings(source):
        for lamp in _lamps(connection, source):
            key = (connection.tl, lamp)
            found[key] = max(crossing.lanes[0].length_m, found.get(key, 0.0))
    return tuple(Crossing(signal, lamp, found[signal, lamp]) for signal, lamp in sorted(found))


def _signalled_crossings(source: SumoNet) -> Iterator[tuple[NetConnection, NetEdge]]:
    for c in source.connections:
        if c.tl and source.edges[c.to_edge].function == CROSSING:
            yield c, source.edges[c.to_edge]


# --- paths ----------------------------------------------------------------------------------


def connection_paths(source: SumoNet) -> list[DrivenPath]:
    """The path of every connection and crossing under a signal, from SUMO's internal lanes.

    Where a network has none, the straight line from stop line to exit lane. Widths are those of
    the lane that is left, or of the crossing; speeds the lower one of approach and turn.
    """
    onward = {
        source.edges[c.from_edge].lanes[c.from_lane_idx].lane_id: c.via
        for c in source.connections
        if source.edges[c.from_edge].function == "internal"
    }
    paths = []
    for c in source.connections:
        target = source.edges[c.to_edge]
        start = source.edges[c.from_edge]
        if c.tl and not start.function and not target.function:
            paths.append(_driven(c, source, onward))
        elif c.tl and target.function == CROSSING:
            paths += [_walked(c.tl, lamp, target.lanes[0]) for lamp in _lamps(c, source)]
    return paths


def _driven(c: NetConnection, source: SumoNet, onward: Mapping[str, str]) -> DrivenPath:
    approach = source.edges[c.from_edge].lanes[c.from_lane_idx]
    leaving = source.edges[c.to_edge].lanes[c.to_lane_idx]
    pieces: list[NetLane] = []
    via = c.via
    while via in source.lanes and len(pieces) < _MOST_PIECES:
        pieces.append(source.lanes[via][1])
        via = onward.get(via, "")
    points = [approach.shape[-1], *(p for lane in pieces for p in lane.shape), leaving.shape[0]]
    return DrivenPath(
        from_link=c.from_edge,
        from_lane_idx=c.from_lane_idx,
        to_link=c.to_edge,
        to_lane_idx=c.to_lane_idx,
        shape=_without_repeats(points),
        width_m=approach.width_m,
        speed_mps=max(SLOWEST_MPS, min(lane.speed_mps for lane in (approach, *pieces))),
        junction_id=c.tl,
        signal_group_idx=c.link_idx,
    )


def _without_repeats(points: list[Point]) -> tuple[Point, ...]:
    kept = [p for p, before in zip(points, [None, *points], strict=False) if p != before]
    return tuple(kept) if len(kept) > 1 else (points[0], points[-1])


def _walked(signal: str, lamp: int, lane: NetLane) -> DrivenPath:
    return DrivenPath(
        from_link="",
        from_lane_idx=0,
        to_link="",
        to_lane_idx=0,
        shape=lane.shape,
        width_m=lane.width_m,
        speed_mps=lane.speed_mps,
        junction_id=signal,
        signal_group_idx=lamp,
        on_foot=True,
    )
