"""Offsets of a whole city: exact on forests of signals, again and again on parts of the city.

Signals that form a forest, all others held, have best offsets that dynamic programming finds:
leaves first, one min-plus convolution per link. Forests are random and maximal; parts of the city
are shaken, improved on several forests, and kept when the city is not worse for it.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from traffic_brain.kernels.offset_tables import OK, ROWS, ROWS_OUT, WHOLE, min_plus, twice

_STATE = types.uint64[::1]
_FLAGS = types.boolean[::1]
_NUMBERS = types.int64[::1]


@njit(types.int64(_STATE, types.int64), cache=True)
def _draw(state: np.ndarray, below: int) -> int:
    """A random number in [0, below) (splitmix64; Steele, Lea and Flood 2014)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return int((z >> np.uint64(11)) % np.uint64(below))


@njit(types.void(_NUMBERS, types.int64, _STATE), cache=True)
def _shuffle(nodes: np.ndarray, count: int, state: np.ndarray) -> None:
    for i in range(count - 1, 0, -1):
        j = _draw(state, i + 1)
        nodes[i], nodes[j] = nodes[j], nodes[i]


@njit(types.int64(_NUMBERS, types.int64), cache=True)
def _root(above: np.ndarray, node: int) -> int:
    while above[node] != node:
        above[node] = above[above[node]]
        node = above[node]
    return node


@njit(
    types.void(_NUMBERS, types.int64, WHOLE, WHOLE, types.int8[::1], _NUMBERS, _NUMBERS),
    cache=True,
)
def _grow_forest(
    nodes: np.ndarray,
    count: int,
    first: np.ndarray,
    other: np.ndarray,
    role: np.ndarray,
    above: np.ndarray,
    roots: np.ndarray,
) -> None:
    """Take the nodes in turn into the forest (role 1) wherever that closes no loop."""
    for i in range(count):
        above[nodes[i]] = nodes[i]
        role[nodes[i]] = 0
    for i in range(count):
        node = nodes[i]
        found, closes = 0, False
        for e in range(first[node], first[node + 1]):
            if role[other[e]] != 1:
                continue
            root = _root(above, other[e])
            for k in range(found):
                closes = closes or roots[k] == root
            roots[found] = root
            found += 1
        if not closes:
            role[node] = 1
            for k in range(found):
                above[roots[k]] = node


@njit(
    types.void(_NUMBERS, types.int64, WHOLE, WHOLE, WHOLE, WHOLE, ROWS, types.int8[::1], ROWS_OUT),
    cache=True,
)
def _held_costs(
    starts: np.ndarray,
    node: int,
    first: np.ndarray,
    other: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    tables: np.ndarray,
    role: np.ndarray,
    costs: np.ndarray,
) -> None:
    """costs[node, start]: links to neighbours that are held."""
    period = tables.shape[1]
    for s in range(period):
        costs[node, s] = 0
    for e in range(first[node], first[node + 1]):
        if role[other[e]] == 1:
            continue
        k, at = link[e], starts[other[e]]
        if sign[e] > 0:
            for s in range(at + 1):
                costs[node, s] += tables[k, at - s]
            for s in range(at + 1, period):
                costs[node, s] += tables[k, at - s + period]
        else:
            for s in range(at):
                costs[node, s] += tables[k, s - at + period]
            for s in range(at, period):
                costs[node, s] += tables[k, s - at]


@njit(
    types.int64(
        *(_NUMBERS, _NUMBERS, types.int64, WHOLE, WHOLE, WHOLE, WHOLE, ROWS),
        *(types.int8[::1], ROWS_OUT, types.int64[:, ::1]),
    ),
    cache=True,
)
def _solve_forest(
    starts: np.ndarray,
    nodes: np.ndarray,
    count: int,
    first: np.ndarray,
    other: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    tables: np.ndarray,
    role: np.ndarray,
    costs: np.ndarray,
    room: np.ndarray,
) -> int:
    """Best starts of a random maximal forest of the nodes; returns the convolutions it took.

    ``role`` is 0 for all nodes, before and after; ``room`` int64[5, signal] is scratch.
    """
    period = tables.shape[1]
    above, entry, order, stack, roots = room[0], room[1], room[2], room[3], room[4]
    seen = np.zeros(starts.shape[0], dtype=np.bool_)
    table_twice = np.empty(2 * period, dtype=np.int32)
    message = np.empty(period, dtype=np.int32)
    _grow_forest(nodes, count, first, other, role, above, roots)
    for i in range(count):
        if role[nodes[i]] == 1:
            _held_costs(starts, nodes[i], first, other, link, sign, tables, role, costs)
    found = 0
    for i in range(count):
        if role[nodes[i]] != 1 or seen[nodes[i]]:
            continue
        above[nodes[i]] = -1
        stack[0], waiting = nodes[i], 1
        seen[nodes[i]] = True
        while waiting > 0:
            waiting -= 1
            node = stack[waiting]
            order[found] = node
            found += 1
            for e in range(first[node], first[node + 1]):
                child = other[e]
                if role[child] == 1 and not seen[child]:
                    seen[child] = True
                    above[child], entry[child] = node, e
                    stack[waiting] = child
                    waiting += 1
    convolutions = 0
    for i in range(found - 1, -1, -1):
        child = order[i]
        if above[child] < 0:
            continue
        e = entry[child]
        # What the child costs at best, by the start of its parent: start(parent) = start(child) − d
        # where the child is the link's second end.
        twice(tables[link[e]], -sign[e], table_twice)
        min_plus(costs[child], table_twice, message)
        convolutions += 1
        # Without what the child costs anyway: sums stay as small as a few tables, however large
        # the city.
        least = message[0]
        for s in range(1, period):
            least = min(least, message[s])
        for s in range(period):
            costs[above[child], s] += message[s] - least
    for i in range(found):
        node = order[i]
        if above[node] >= 0:
            e, at = entry[node], starts[above[node]]
            for s in range(period):
                costs[node, s] += tables[link[e], (sign[e] * (s - at)) % period]
        best = starts[node]
        for s in range(period):
            if costs[node, s] < costs[node, best]:
                best = s
        starts[node] = best
    for i in range(count):
        role[nodes[i]] = 0
    return convolutions


@njit(
    types.int64(_NUMBERS, WHOLE, WHOLE, WHOLE, WHOLE, ROWS, types.int64, _STATE, _NUMBERS),
    cache=True,
)
def improve_city(
    starts: np.ndarray,
    first: np.ndarray,
    other: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    tables: np.ndarray,
    rounds: int,
    state: np.ndarray,
    work: np.ndarray,
) -> int:
    """Best starts on one random maximal forest of the whole city after the other; never worse.

    Args:
        starts: int64[signal] in [0, period); changed in place.
        first: int64[signal + 1]; entries first[i] … first[i + 1] − 1 are the neighbours of i:
        other: int64[entry]; link: int64[entry] row of ``tables``; sign: int64[entry] 1 when the
            neighbour is the link's second end, else −1.
        tables: int32[link, offset], offset = start of second end − start of first.
        state: uint64[1] of the random numbers. work: int64[1], convolutions are added.
    """
    signals = starts.shape[0]
    nodes = np.arange(signals)
    role = np.zeros(signals, dtype=np.int8)
    costs = np.empty((signals, tables.shape[1]), dtype=np.int32)
    room = np.empty((5, signals), dtype=np.int64)
    for _ in range(rounds):
        _shuffle(nodes, signals, state)
        work[0] += _solve_forest(
            starts, nodes, signals, first, other, link, sign, tables, role, costs, room
        )
    return OK


@njit(
    types.int64(_NUMBERS, types.int64, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, ROWS, _FLAGS),
    cache=True,
)
def _cost_around(
    nodes: np.ndarray,
    count: int,
    starts: np.ndarray,
    first: np.ndarray,
    other: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    tables: np.ndarray,
    inside: np.ndarray,
) -> int:
    """Cost of all links with an end among the nodes."""
    period = tables.shape[1]
    total = 0
    for i in range(count):
        node = nodes[i]
        for e in range(first[node], first[node + 1]):
            neighbour = other[e]
            if inside[neighbour] and neighbour < node:
                continue
            total += tables[link[e], (sign[e] * (starts[neighbour] - starts[node])) % period]
    return total


@njit(
    types.int64(
        *(_NUMBERS, WHOLE, WHOLE, WHOLE, WHOLE, ROWS, types.int64, types.int64, types.int64),
        *(types.int64, _STATE, _NUMBERS),
    ),
    cache=True,
)
def improve_parts(
    starts: np.ndarray,
    first: np.ndarray,
    other: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    tables: np.ndarray,
    trials: int,
    smallest: int,
    largest: int,
    rounds: int,
    state: np.ndarray,
    work: np.ndarray,
) -> int:
    """Shake a part of the city, solve forests in it, keep what is not worse; many times.

    A part is a signal drawn at random with those nearest to it, ``smallest`` to ``largest`` of
    them. Three in ten are shaken: moved together, each anywhere, or not at all.

    Args: as ``improve_city``; rounds: forests per trial.
    """
    signals = starts.shape[0]
    role = np.zeros(signals, dtype=np.int8)
    costs = np.empty((signals, tables.shape[1]), dtype=np.int32)
    room = np.empty((5, signals), dtype=np.int64)
    inside = np.zeros(signals, dtype=np.bool_)
    nodes = np.empty(signals, dtype=np.int64)
    before = np.empty(signals, dtype=np.int64)
    period = tables.shape[1]
    for _ in range(trials):
        size = smallest + _draw(state, largest - smallest + 1)
        nodes[0] = _draw(state, signals)
        inside[nodes[0]] = True
        count, looked = 1, 0
        while looked < count:
            for e in range(first[nodes[looked]], first[nodes[looked] + 1]):
                if count < size and not inside[other[e]]:
                    inside[other[e]] = True
                    nodes[count] = other[e]
                    count += 1
            looked += 1
        cost = _cost_around(nodes, count, starts, first, other, link, sign, tables, inside)
        for i in range(count):
            before[nodes[i]] = starts[nodes[i]]
        kind, shift = _draw(state, 3), _draw(state, period)
        for i in range((3 * count + 9) // 10):
            if kind == 0:
                starts[nodes[i]] = _draw(state, period)
            elif kind == 1:
                starts[nodes[i]] = (starts[nodes[i]] + shift) % period
        for _ in range(rounds):
            _shuffle(nodes, count, state)
            work[0] += _solve_forest(
                starts, nodes, count, first, other, link, sign, tables, role, costs, room
            )
        after = _cost_around(nodes, count, starts, first, other, link, sign, tables, inside)
        for i in range(count):
            inside[nodes[i]] = False
            if after > cost:
                starts[nodes[i]] = before[nodes[i]]
    return OK
