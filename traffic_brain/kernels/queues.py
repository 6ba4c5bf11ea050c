"""Vehicles in queues: a whole city's streets, second by second, in a fraction of a second.

Every vehicle drives its own route. On a link it needs the free-flow time, joins a lane from which
its turn departs, and leaves the stop line in order, when the lamp is green, the lane's headway has
passed, nobody has the right of way over it, and the lane that it drives into has room. Room follows
Newell's simplified kinematic wave (Transportation Research B 27, 1993): the n-th vehicle enters a
lane of p places no earlier than the (n − p)-th has left it and the gap has travelled back. So
queues have lengths, block what lies behind them, and dissolve from the front. Who turns across a
stream waits for a gap beyond the stop line, in the middle of the junction, as many as fit there,
and goes at the latest when the stream's green has ended.

Where there are signs and no lamps, those who give way wait before the junction, until they lose
patience.

What it leaves out: changes of lane on the way, speeds that vary, pedestrians in the way of turning
vehicles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

OK = 0
NONE = -1
RED, PERMITTED, PROTECTED = 0, 1, 2
NEVER = 1e18
PATIENCE_S = 180.0
"""At a sign the head of a lane waits for ever shorter gaps, and then no longer: as SUMO's drivers
(``--time-to-impatience``). So nobody waits for ever, not even where all wait for one another."""


class Streets(NamedTuple):
    """Where vehicles drive; built once per city. Flat arrays of rows are cut by ``*_start``."""

    link_lane_start: NDArray[np.int32]
    """[link + 1] lanes of a link lie beside each other."""
    link_run_s: NDArray[np.float64]
    """[link] from its beginning to its stop line, unhindered."""
    lane_places: NDArray[np.int32]
    """[lane] vehicles that find room; at least 1."""
    lane_closed_from_s: NDArray[np.float64]
    """[lane] nobody enters it from then on, unless no lane of the turn is left ..."""
    lane_closed_until_s: NDArray[np.float64]
    """[lane] ... until then; ``NEVER`` and ``NEVER`` where it stays open."""
    turn_connection_start: NDArray[np.int32]
    """[turn + 1] connections of a turn (from link, to link) lie beside each other."""
    turn_run_s: NDArray[np.float64]
    """[turn] across the junction."""
    connection_lane: NDArray[np.int32]
    """[connection] the lane it leaves."""
    connection_to_lanes: NDArray[np.uint64]
    """[connection] the lanes of the next link that it leads into, a bit for each."""
    connection_group: NDArray[np.int32]
    """[connection] its signal group in the city's order, or ``NONE``."""
    connection_headway_s: NDArray[np.float64]
    """[connection] between two vehicles that leave a standing queue."""
    connection_pocket: NDArray[np.int32]
    """[connection] vehicles that can wait for a gap beyond the stop line, in nobody's way."""
    foe_start: NDArray[np.int32]
    """[connection + 1]"""
    foe: NDArray[np.int32]
    """Flat: connections that a vehicle gives way to when its green is a permitted one, or where
    there is no lamp."""


class Lamps(NamedTuple):
    """What each signal group shows; built once per set of plans."""

    group_start: NDArray[np.int32]
    """[group + 1] its cycle lies in ``lamp[group_start[g] : group_start[g + 1]]``."""
    lamp: NDArray[np.uint8]
    """Flat: ``RED``, ``PERMITTED`` or ``PROTECTED`` at second t of the day, t modulo the cycle."""


class Journeys(NamedTuple):
    """Who drives; vehicles in order of departure."""

    depart_s: NDArray[np.float64]
    """[vehicle] not falling."""
    step_start: NDArray[np.int32]
    """[vehicle + 1]"""
    step_link: NDArray[np.int32]
    """Flat: the links of each route in order."""
    step_turn: NDArray[np.int32]
    """Flat: the turn from this link to the next, ``NONE`` on the last."""
    step_lanes: NDArray[np.uint64]
    """Flat: lanes of the link that the vehicle chooses from, a bit for each."""
    step_lanes_onward: NDArray[np.uint64]
    """Flat: those of them after which it need not change lane on the next link."""


class Driving(NamedTuple):
    """How vehicles drive: what is calibrated."""

    start_loss_s: float
    """From the start of green to the first vehicle of a standing queue."""
    stop_loss_s: float
    """Lost by a vehicle that stopped, while it accelerates."""
    wave_s: float
    """For a gap to travel back by one place."""
    gap_s: float
    """A vehicle that gives way waits for whom it would meet within this time."""
    sign_gap_s: float
    """The same where a sign tells it to: it starts from before the junction."""
    entry_s: float
    """Between two vehicles that enter a lane."""
    wait_s: float
    """What a driver who chooses a lane expects one to wait who must give way."""
    lane_change_s: float
    """By so much a lane must be quicker for a driver who must leave it again."""


class Measures(NamedTuple):
    """What a run tells; allocated by the caller, all zero."""

    vehicle_delay_s: NDArray[np.float64]
    """[vehicle] against the unhindered journey, waiting to enter included."""
    vehicle_arrived: NDArray[np.bool_]
    """[vehicle]"""
    step_delay_s: NDArray[np.float64]
    """Flat as ``step_link``: lost on each link of the journey; on the first with the wait."""
    step_leave_s: NDArray[np.float64]
    """Flat: when the vehicle left the link; 0: not in the time simulated."""
    turn_stops: NDArray[np.int32]
    """[turn] vehicles that had to stop at its stop line."""
    link_blocked_s: NDArray[np.float64]
    """[link] seconds that heads of queues with a green lamp waited for room on this link."""


class _Now(NamedTuple):
    """The state of a run. A lane's vehicles are a linked list from its head to its tail."""

    head: NDArray[np.int32]
    """[lane]"""
    tail: NDArray[np.int32]
    """[lane]"""
    inside: NDArray[np.int32]
    """[lane]"""
    load_s: NDArray[np.float64]
    """[lane] what those inside will need to leave it, one after the other: the shorter the better
    for who chooses a lane."""
    entered: NDArray[np.int64]
    """[lane] how many did so far."""
    left_s: NDArray[np.float64]
    """Flat by lane, a ring of its places: when the latest vehicles left."""
    ring_start: NDArray[np.int64]
    """[lane]"""
    wake_s: NDArray[np.float64]
    """[lane] when its head can leave at the earliest; ``NEVER`` where it is empty."""
    next_exit_s: NDArray[np.float64]
    """[lane] headway and start loss."""
    next_entry_s: NDArray[np.float64]
    """[lane]"""
    gave_way: NDArray[np.bool_]
    """[lane] its head was waiting for a gap in the second before."""
    pocket_head: NDArray[np.int32]
    """[connection] who waits for a gap beyond the stop line."""
    pocket_tail: NDArray[np.int32]
    """[connection]"""
    pocket_inside: NDArray[np.int32]
    """[connection]"""
    pocket_exit_s: NDArray[np.float64]
    """[connection] when the next can leave, by the headway."""
    behind: NDArray[np.int32]
    """[vehicle] who follows in the lane or at the door."""
    step: NDArray[np.int32]
    """[vehicle] position in the flat routes."""
    ready_s: NDArray[np.float64]
    """[vehicle] when it is at its stop line, unhindered."""
    owed_s: NDArray[np.float64]
    """[vehicle] what it will still lose while it accelerates."""
    waits_since_s: NDArray[np.float64]
    """[vehicle] who waits on a junction: when it was at its stop line, unhindered."""


@njit(cache=True)
def run_queues(
    streets: Streets,
    lamps: Lamps,
    journeys: Journeys,
    driving: Driving,
    begin_s: int,
    end_s: int,
    measures: Measures,
) -> int:
    """Drive all journeys from ``begin_s`` to ``end_s``; fills ``measures``.

    Vehicles on their way at the end, or still waiting to enter, carry the delay that they had
    until then. Indices must be in range: the caller has checked.
    """
    now = _empty_streets(streets, journeys)
    links = streets.link_run_s.shape[0]
    door_head = np.full(links, NONE, np.int32)
    door_tail = np.full(links, NONE, np.int32)
    doors = np.empty(links, np.int32)
    door_count = 0
    due = 0
    pockets = np.flatnonzero(streets.connection_pocket).astype(np.int32)
    for t in range(begin_s, end_s):
        while due < journeys.depart_s.shape[0] and journeys.depart_s[due] < t + 1:
            link = journeys.step_link[journeys.step_start[due]]
            if door_head[link] == NONE:
                door_head[link] = due
                doors[door_count] = link
                door_count += 1
            else:
                now.behind[door_tail[link]] = due
            door_tail[link] = due
            due += 1
        still = 0
        for i in range(door_count):
            link = doors[i]
            vehicle = door_head[link]
            while vehicle != NONE:
                follower = now.behind[vehicle]
                if not _enter(streets, journeys, driving, now, measures, vehicle, t):
                    break
                vehicle = follower
            door_head[link] = vehicle
            if vehicle != NONE:
                doors[still] = link
                still += 1
        door_count = still
        for i in range(pockets.shape[0]):
            connection = pockets[i]
            while now.pocket_head[connection] != NONE:
                if not _leave_pocket(
                    streets, lamps, journeys, driving, now, measures, connection, t
                ):
                    break
        for lane in range(now.head.shape[0]):
            while now.wake_s[lane] < t + 1:
                if not _leave(streets, lamps, journeys, driving, now, measures, lane, t):
                    break
    _close(journeys, now, measures, door_head, end_s)
    return OK


@njit(cache=True)
def choose_lanes(
    streets: Streets,
    step_start: NDArray[np.int32],
    step_link: NDArray[np.int32],
    step_turn: NDArray[np.int32],
    link_is_short: NDArray[np.bool_],
    step_lanes: NDArray[np.uint64],
    step_lanes_onward: NDArray[np.uint64],
) -> int:
    """Fill ``step_lanes`` and ``step_lanes_onward``.

    Lanes from which the turn departs; where the next link is too short to change lane, only those
    of them that lead to a lane from which the journey goes on.
    """
    every = ~np.uint64(0)
    for vehicle in range(step_start.shape[0] - 1):
        ahead = every
        for step in range(step_start[vehicle + 1] - 1, step_start[vehicle] - 1, -1):
            turn = step_turn[step]
            lanes = onward = every
            if turn != NONE:
                first_lane = streets.link_lane_start[step_link[step]]
                lanes = onward = np.uint64(0)
                for c in range(
                    streets.turn_connection_start[turn], streets.turn_connection_start[turn + 1]
                ):
                    bit = np.uint64(1) << np.uint64(streets.connection_lane[c] - first_lane)
                    lanes |= bit
                    if streets.connection_to_lanes[c] & ahead:
                        onward |= bit
                if onward == 0:
                    onward = lanes
                elif link_is_short[step_link[step + 1]]:
                    lanes = onward
            step_lanes[step] = lanes
            step_lanes_onward[step] = onward
            ahead = onward
    return OK


@njit(cache=True)
def _empty_streets(streets: Streets, journeys: Journeys) -> _Now:
    lanes, vehicles = streets.lane_places.shape[0], journeys.depart_s.shape[0]
    connections = streets.connection_lane.shape[0]
    ring_start = np.zeros(lanes + 1, np.int64)
    for lane in range(lanes):
        ring_start[lane + 1] = ring_start[lane] + streets.lane_places[lane]
    return _Now(
        np.full(lanes, NONE, np.int32),
        np.full(lanes, NONE, np.int32),
        np.zeros(lanes, np.int32),
        np.zeros(lanes),
        np.zeros(lanes, np.int64),
        np.full(ring_start[lanes], -NEVER),
        ring_start,
        np.full(lanes, NEVER),
        np.full(lanes, -NEVER),
        np.full(lanes, -NEVER),
        np.zeros(lanes, np.bool_),
        np.full(connections, NONE, np.int32),
        np.full(connections, NONE, np.int32),
        np.zeros(connections, np.int32),
        np.full(connections, -NEVER),
        np.full(vehicles, NONE, np.int32),
        journeys.step_start[:-1].copy(),
        np.full(vehicles, NEVER),
        np.zeros(vehicles),
        np.zeros(vehicles),
    )


@njit(cache=True, inline="always")
def _enter(
    streets: Streets,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    vehicle: int,
    t: int,
) -> bool:
    """Let a vehicle begin its journey within second ``t`` if its first link has room."""
    step = now.step[vehicle]
    at_s = max(float(t), journeys.depart_s[vehicle])
    lane = _lane_with_room(streets, journeys, driving, now, step, t + 1.0)
    if lane == NONE:
        return False
    at_s = max(at_s, _room_s(streets, driving, now, lane))
    measures.step_delay_s[step] += at_s - journeys.depart_s[vehicle]
    now.next_entry_s[lane] = at_s + driving.entry_s
    _join(
        streets,
        journeys,
        driving,
        now,
        lane,
        vehicle,
        at_s + streets.link_run_s[journeys.step_link[step]],
    )
    return True


@njit(cache=True, inline="always")
def _leave(
    streets: Streets,
    lamps: Lamps,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    lane: int,
    t: int,
) -> bool:
    """Let the head of a lane cross its stop line within second ``t`` if it may."""
    vehicle = now.head[lane]
    step = now.step[vehicle]
    turn = journeys.step_turn[step]
    at_s = max(float(t), now.wake_s[lane])
    if turn == NONE:
        _depart(streets, journeys, driving, now, measures, lane, step, at_s, 0.0)
        measures.vehicle_arrived[vehicle] = True
        return True
    connection = _connection_from(streets, turn, lane)
    group = streets.connection_group[connection]
    shown = PERMITTED
    if group != NONE:
        shown, before = _shown(lamps, group, t), _shown(lamps, group, t - 1)
        slips_out = shown == RED and before == PERMITTED and now.gave_way[lane]
        now.gave_way[lane] = False
        if shown == RED and not slips_out:
            now.wake_s[lane] = _next_green(lamps, group, t)
            return False
        if before == RED and now.ready_s[vehicle] < t:
            now.next_exit_s[lane] = max(now.next_exit_s[lane], t + driving.start_loss_s)
            now.wake_s[lane] = max(now.ready_s[vehicle], now.next_exit_s[lane])
            at_s = max(at_s, now.wake_s[lane])
        at_s = max(at_s, now.pocket_exit_s[connection])
        if at_s >= t + 1:
            return False
    if now.pocket_head[connection] != NONE or (
        shown == PERMITTED
        and _gives_way(streets, lamps, journeys, driving, now, connection, at_s, t)
    ):
        goes_inside: bool = now.pocket_inside[connection] < streets.connection_pocket[connection]
        now.gave_way[lane] = not goes_inside
        if goes_inside:
            _wait_inside(streets, journeys, driving, now, measures, connection, lane, at_s)
        return goes_inside
    target = _lane_with_room(streets, journeys, driving, now, step + 1, t + 1.0)
    if target == NONE:
        measures.link_blocked_s[journeys.step_link[step + 1]] += 1.0
        return False
    at_s = max(at_s, _room_s(streets, driving, now, target))
    waited_s = at_s - now.ready_s[vehicle]
    headway_s = streets.connection_headway_s[connection]
    _depart(streets, journeys, driving, now, measures, lane, step, at_s, headway_s)
    # In a queue that moves up between stop lines without lamps nobody starts from rest.
    stood_s = waited_s if group != NONE else 0.0
    _cross(streets, journeys, driving, now, measures, vehicle, target, at_s, waited_s, stood_s)
    return True


@njit(cache=True)
def _wait_inside(
    streets: Streets,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    connection: int,
    lane: int,
    at_s: float,
) -> None:
    """Let the head of a lane pass the stop line and wait for its gap on the junction."""
    vehicle = now.head[lane]
    step = now.step[vehicle]
    headway_s = streets.connection_headway_s[connection]
    _depart(streets, journeys, driving, now, measures, lane, step, at_s, headway_s)
    if now.pocket_head[connection] == NONE:
        now.pocket_head[connection] = vehicle
    else:
        now.behind[now.pocket_tail[connection]] = vehicle
    now.pocket_tail[connection] = vehicle
    now.pocket_inside[connection] += 1
    now.waits_since_s[vehicle] = now.ready_s[vehicle]
    now.ready_s[vehicle] = at_s


@njit(cache=True)
def _leave_pocket(
    streets: Streets,
    lamps: Lamps,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    connection: int,
    t: int,
) -> bool:
    """Let who waits on the junction go on within second ``t`` if nobody comes, in red too."""
    vehicle = now.pocket_head[connection]
    at_s = max(float(t), now.ready_s[vehicle], now.pocket_exit_s[connection])
    if at_s >= t + 1:
        return False
    if _gives_way(streets, lamps, journeys, driving, now, connection, at_s, t):
        return False
    step = now.step[vehicle]
    target = _lane_with_room(streets, journeys, driving, now, step + 1, t + 1.0)
    if target == NONE:
        measures.link_blocked_s[journeys.step_link[step + 1]] += 1.0
        return False
    at_s = max(at_s, _room_s(streets, driving, now, target))
    follower = now.behind[vehicle]
    now.behind[vehicle] = NONE
    now.pocket_head[connection] = follower
    now.pocket_inside[connection] -= 1
    now.pocket_exit_s[connection] = at_s + streets.connection_headway_s[connection]
    measures.step_delay_s[step] += at_s - now.ready_s[vehicle]
    measures.step_leave_s[step] = at_s
    waited_s = at_s - now.waits_since_s[vehicle]
    _cross(streets, journeys, driving, now, measures, vehicle, target, at_s, waited_s, waited_s)
    return True


@njit(cache=True, inline="always")
def _cross(
    streets: Streets,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    vehicle: int,
    target: int,
    at_s: float,
    waited_s: float,
    stood_s: float,
) -> None:
    """Drive over the junction from ``at_s`` on, and join the lane ``target``."""
    step = now.step[vehicle]
    turn = journeys.step_turn[step]
    now.next_entry_s[target] = at_s + driving.entry_s
    if waited_s > driving.stop_loss_s:
        measures.turn_stops[turn] += 1
    # Whoever stopped accelerates over the next metres, and at most doubles the time for them.
    owed_s = min(driving.stop_loss_s, now.owed_s[vehicle] + stood_s)
    run_s = streets.turn_run_s[turn] + streets.link_run_s[journeys.step_link[step + 1]]
    loss_s = min(owed_s, run_s)
    now.owed_s[vehicle] = owed_s - loss_s
    measures.step_delay_s[step] += loss_s
    now.step[vehicle] = step + 1
    _join(streets, journeys, driving, now, target, vehicle, at_s + run_s + loss_s)


@njit(cache=True, inline="always")
def _shown(lamps: Lamps, group: int, t: int) -> int:
    start = lamps.group_start[group]
    shown: int = lamps.lamp[start + t % (lamps.group_start[group + 1] - start)]
    return shown


@njit(cache=True, inline="always")
def _next_green(lamps: Lamps, group: int, t: int) -> float:
    """The first second after ``t`` in which the group is not red; ``NEVER`` without a green."""
    start = lamps.group_start[group]
    cycle = lamps.group_start[group + 1] - start
    at = t % cycle
    for ahead in range(1, cycle):
        at = at + 1 if at + 1 < cycle else 0
        if lamps.lamp[start + at] != RED:
            return float(t + ahead)
    return NEVER


@njit(cache=True, inline="always")
def _connection_from(streets: Streets, turn: int, lane: int) -> int:
    """The turn's connection that leaves a lane; ``NONE`` where it has none."""
    for c in range(streets.turn_connection_start[turn], streets.turn_connection_start[turn + 1]):
        if streets.connection_lane[c] == lane:
            return c
    return NONE


@njit(cache=True, inline="always")
def _lane_with_room(
    streets: Streets, journeys: Journeys, driving: Driving, now: _Now, step: int, until_s: float
) -> int:
    """The emptiest lane chosen on a route's link that has room before ``until_s``, or ``NONE``."""
    link = journeys.step_link[step]
    chosen, onward = journeys.step_lanes[step], journeys.step_lanes_onward[step]
    first = streets.link_lane_start[link]
    last = streets.link_lane_start[link + 1]
    any_open = False
    for lane in range(first, last):
        mine = (chosen >> np.uint64(lane - first)) & np.uint64(1) != 0
        any_open |= mine and not _closed(streets, lane, until_s)
    best, least_s = NONE, NEVER
    for lane in range(first, last):
        if (chosen >> np.uint64(lane - first)) & np.uint64(1) == 0:
            continue
        if any_open and _closed(streets, lane, until_s):
            continue
        load_s = now.load_s[lane]
        if (onward >> np.uint64(lane - first)) & np.uint64(1) == 0:
            load_s += driving.lane_change_s
        if load_s < least_s and _room_s(streets, driving, now, lane) < until_s:
            best, least_s = lane, load_s
    return best


@njit(cache=True, inline="always")
def _closed(streets: Streets, lane: int, at_s: float) -> bool:
    closed: bool = streets.lane_closed_from_s[lane] < at_s <= streets.lane_closed_until_s[lane]
    return closed


@njit(cache=True, inline="always")
def _needs_s(streets: Streets, journeys: Journeys, driving: Driving, step: int, lane: int) -> float:
    """What a vehicle will need at the head of its lane: its headway, and a gap to wait for."""
    turn = journeys.step_turn[step]
    if turn == NONE:
        return 0.0
    connection = _connection_from(streets, turn, lane)
    if streets.foe_start[connection] == streets.foe_start[connection + 1]:
        wait_s = 0.0
    else:
        wait_s = driving.wait_s
    needs_s: float = streets.connection_headway_s[connection] + wait_s
    return needs_s


@njit(cache=True, inline="always")
def _room_s(streets: Streets, driving: Driving, now: _Now, lane: int) -> float:
    """When a lane has room for one more; ``NEVER`` while it is full."""
    places = streets.lane_places[lane]
    if now.inside[lane] >= places:
        return NEVER
    left_s = now.left_s[now.ring_start[lane] + now.entered[lane] % places]
    room_s: float = max(left_s + places * driving.wave_s, now.next_entry_s[lane])
    return room_s


@njit(cache=True, inline="always")
def _gives_way(
    streets: Streets,
    lamps: Lamps,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    connection: int,
    at_s: float,
    t: int,
) -> bool:
    """Whether somebody with the right of way is about to cross, and can."""
    gap_s = driving.gap_s
    if streets.connection_group[connection] == NONE:
        waited_s = at_s - now.wake_s[streets.connection_lane[connection]]
        if waited_s >= PATIENCE_S:
            return False
        gap_s = driving.sign_gap_s * (1.0 - waited_s / PATIENCE_S)
    soon_s = at_s + gap_s
    for i in range(streets.foe_start[connection], streets.foe_start[connection + 1]):
        foe = streets.foe[i]
        lane = streets.connection_lane[foe]
        if now.wake_s[lane] > soon_s:
            continue
        group = streets.connection_group[foe]
        if group != NONE and _shown(lamps, group, t) == RED:
            continue
        step = now.step[now.head[lane]]
        turn = journeys.step_turn[step]
        if turn == NONE or _connection_from(streets, turn, lane) != foe:
            continue
        if _lane_with_room(streets, journeys, driving, now, step + 1, soon_s) != NONE:
            return True
    return False


@njit(cache=True, inline="always")
def _depart(
    streets: Streets,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    measures: Measures,
    lane: int,
    step: int,
    at_s: float,
    headway_s: float,
) -> None:
    """Take the head out of a lane."""
    vehicle = now.head[lane]
    measures.step_delay_s[step] += at_s - now.ready_s[vehicle]
    measures.step_leave_s[step] = at_s
    leaving = now.entered[lane] - now.inside[lane]
    now.left_s[now.ring_start[lane] + leaving % streets.lane_places[lane]] = at_s
    now.inside[lane] -= 1
    now.load_s[lane] -= _needs_s(streets, journeys, driving, step, lane)
    now.next_exit_s[lane] = at_s + headway_s
    follower = now.behind[vehicle]
    now.behind[vehicle] = NONE
    now.head[lane] = follower
    now.gave_way[lane] = False
    if follower == NONE:
        now.tail[lane] = NONE
        now.wake_s[lane] = NEVER
    else:
        now.wake_s[lane] = max(now.ready_s[follower], now.next_exit_s[lane])


@njit(cache=True, inline="always")
def _join(
    streets: Streets,
    journeys: Journeys,
    driving: Driving,
    now: _Now,
    lane: int,
    vehicle: int,
    ready_s: float,
) -> None:
    """Put a vehicle, at its new step, behind the others in a lane."""
    now.ready_s[vehicle] = ready_s
    now.load_s[lane] += _needs_s(streets, journeys, driving, now.step[vehicle], lane)
    now.behind[vehicle] = NONE
    now.entered[lane] += 1
    now.inside[lane] += 1
    if now.head[lane] == NONE:
        now.head[lane] = vehicle
        now.wake_s[lane] = max(ready_s, now.next_exit_s[lane])
    else:
        now.behind[now.tail[lane]] = vehicle
    now.tail[lane] = vehicle


@njit(cache=True)
def _close(
    journeys: Journeys, now: _Now, measures: Measures, door_head: NDArray[np.int32], end_s: int
) -> None:
    """Count what those have lost who have not arrived."""
    for lane in range(now.head.shape[0]):
        vehicle = now.head[lane]
        while vehicle != NONE:
            measures.step_delay_s[now.step[vehicle]] += max(0.0, end_s - now.ready_s[vehicle])
            vehicle = now.behind[vehicle]
    for connection in range(now.pocket_head.shape[0]):
        vehicle = now.pocket_head[connection]
        while vehicle != NONE:
            measures.step_delay_s[now.step[vehicle]] += max(0.0, end_s - now.ready_s[vehicle])
            measures.step_leave_s[now.step[vehicle]] = 0.0
            vehicle = now.behind[vehicle]
    for link in range(door_head.shape[0]):
        vehicle = door_head[link]
        while vehicle != NONE:
            measures.step_delay_s[now.step[vehicle]] += end_s - journeys.depart_s[vehicle]
            vehicle = now.behind[vehicle]
    for vehicle in range(journeys.depart_s.shape[0]):
        for step in range(journeys.step_start[vehicle], journeys.step_start[vehicle + 1]):
            measures.vehicle_delay_s[vehicle] += measures.step_delay_s[step]
