"""Tables of cost by relative offset: what two links in a row cost, and what a set of offsets costs.

A table has one entry per offset in [0, period); everything is cyclic. Entries are whole numbers,
so sums are exact in any order and a bound made of them is one.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

OK = 0

ROW = types.Array(types.int32, 1, "C", readonly=True)
ROWS = types.Array(types.int32, 2, "C", readonly=True)
WHOLE = types.Array(types.int64, 1, "C", readonly=True)
ROW_OUT = types.int32[::1]
ROWS_OUT = types.int32[:, ::1]


@njit(types.int64(ROW, types.int64, ROW_OUT), cache=True)
def twice(table: np.ndarray, sign: int, out: np.ndarray) -> int:
    """The table twice in a row, ``sign`` −1: as seen from the link's other end.

    Args:
        table: int32[offset]. out: int32[2 × offset], out[d] = table[sign × d].
    """
    period = table.shape[0]
    if sign > 0:
        for d in range(period):
            out[d] = table[d]
    else:
        out[0] = table[0]
        for d in range(1, period):
            out[d] = table[period - d]
    for d in range(period):
        out[period + d] = out[d]
    return OK


@njit(types.int64(ROW, ROW, ROW_OUT), cache=True)
def min_plus(first: np.ndarray, second_twice: np.ndarray, out: np.ndarray) -> int:
    """out[t] = min over s of first[s] + second[t − s]: two links in a row, the signal between free.

    Args:
        first: int32[offset]. second_twice: int32[2 × offset], from ``twice``.
        out: int32[offset], neither of the others.
    """
    period = first.shape[0]
    for t in range(period):
        out[t] = first[0] + second_twice[t]
    # Four at a time: the row of results is read and written a quarter as often.
    s = 1
    while s + 3 < period:
        a, b, c, d = first[s], first[s + 1], first[s + 2], first[s + 3]
        o = period - s
        for t in range(period):
            low = min(a + second_twice[o + t], b + second_twice[o - 1 + t])
            low = min(low, c + second_twice[o - 2 + t], d + second_twice[o - 3 + t])
            out[t] = min(out[t], low)
        s += 4
    while s < period:
        a = first[s]
        for t in range(period):
            out[t] = min(out[t], a + second_twice[period - s + t])
        s += 1
    return OK


@njit(types.int64(WHOLE, types.Array(types.int64, 2, "C", readonly=True), ROWS), cache=True)
def total_cost(starts: np.ndarray, pairs: np.ndarray, tables: np.ndarray) -> int:
    """Sum of the entries that these starts choose.

    Args:
        starts: int64[signal] in [0, period). pairs: int64[link, 2]. tables: int32[link, offset].
    """
    period = tables.shape[1]
    total = 0
    for k in range(pairs.shape[0]):
        total += tables[k, (starts[pairs[k, 1]] - starts[pairs[k, 0]]) % period]
    return total
