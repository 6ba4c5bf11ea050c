"""A lower bound on the cost of a whole city's offsets, from the loops of its network.

Around a loop the relative offsets of the links sum to nothing. The table of every link is split
among the loops that it lies on; the least cost of each loop alone is exact, from min-plus
convolutions, and all of them together bound the city from below, however the tables are split.
A sweep visits the loops in order: each takes what lies on its links, books its least cost, and
hands on, of what every offset of a link costs it beyond that, as much as the loops still to come
may share (sequential reparametrisation; Kolmogorov, IEEE PAMI 37, 2015). The bound never falls.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from traffic_brain.kernels.offset_tables import OK, ROW_OUT, ROWS_OUT, WHOLE, min_plus, twice

TOO_LARGE = 1
"""Sums could leave the numbers' range; nothing was changed by the loop that found it."""
LARGEST = 2**29

_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)


@njit(types.int64(ROWS_OUT, ROWS_OUT, ROWS_OUT, ROWS_OUT, ROW_OUT, ROW_OUT), cache=True)
def loop_marginals(
    tables: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    marginals: np.ndarray,
    table_twice: np.ndarray,
    rest: np.ndarray,
) -> int:
    """marginals[k, d]: least cost of a loop in which link k has offset d.

    Args:
        tables: int32[link ≥ 3, offset], each seen in the direction of the loop.
        before, after, marginals: int32[link, offset]; table_twice: int32[2 × offset];
            rest: int32[offset]; all written.
    """
    links, period = tables.shape
    for d in range(period):
        before[1, d] = tables[0, d]
        after[links - 2, d] = tables[links - 1, d]
    for k in range(2, links):
        twice(tables[k - 1], 1, table_twice)
        min_plus(before[k - 1], table_twice, before[k])
    for k in range(links - 3, -1, -1):
        twice(tables[k + 1], 1, table_twice)
        min_plus(after[k + 1], table_twice, after[k])
    for k in range(links):
        if k == 0:
            rest[:] = after[0]
        elif k == links - 1:
            rest[:] = before[k]
        else:
            twice(after[k], 1, table_twice)
            min_plus(before[k], table_twice, rest)
        marginals[k, 0] = tables[k, 0] + rest[0]
        for d in range(1, period):
            marginals[k, d] = tables[k, d] + rest[period - d]
    return OK


@njit(
    types.int64(
        *(WHOLE, WHOLE, WHOLE, WHOLE, _FLAGS, _FLAGS),
        *(ROWS_OUT, ROWS_OUT, types.int64[::1], types.int64[::1]),
    ),
    cache=True,
)
def raise_bound(
    order: np.ndarray,
    first: np.ndarray,
    link: np.ndarray,
    sign: np.ndarray,
    is_later: np.ndarray,
    is_earlier: np.ndarray,
    parts: np.ndarray,
    shared: np.ndarray,
    bound: np.ndarray,
    work: np.ndarray,
) -> int:
    """One sweep over the loops in ``order``; adds to ``bound`` what is proved.

    At every moment, for all starts, ``bound`` + Σ parts + Σ shared is the cost of the city; after
    a visit no loop costs less than nothing, and neither do links that lie on a loop.

    Args:
        order: int64[loop]. first: int64[loop + 1]; entries first[i] … first[i + 1] − 1 are the
            links around loop i, at least three: link: int64[entry], sign: int64[entry] 1 where
            the loop goes along the link, −1 against it.
        is_later, is_earlier: bool[entry]: the link lies on a loop that comes later (earlier).
        parts: int32[entry, offset], what the loop has of the link's table, in the direction of
            the loop. shared: int32[link, offset], what lies on the link. Both change.
        bound, work: int64[1]; least cost and convolutions are added.

    Returns:
        OK, or TOO_LARGE: the sweep ended early; the bound holds all the same.
    """
    period = parts.shape[1]
    longest = np.int64(0)
    for i in range(order.shape[0]):
        longest = max(longest, first[i + 1] - first[i])
    before = np.empty((longest, period), dtype=np.int32)
    after = np.empty((longest, period), dtype=np.int32)
    marginals = np.empty((longest, period), dtype=np.int32)
    table_twice = np.empty(2 * period, dtype=np.int32)
    rest = np.empty(period, dtype=np.int32)
    for i in order:
        begin, end = first[i], first[i + 1]
        largest_sum = np.int64(0)
        for e in range(begin, end):
            k, largest = link[e], np.int64(0)
            for d in range(period):
                taken = shared[k, d] if sign[e] > 0 else shared[k, (period - d) % period]
                parts[e, d] += taken
                largest = max(largest, abs(np.int64(parts[e, d])))
            shared[k, :] = 0
            largest_sum += largest
        if largest_sum >= LARGEST:
            return TOO_LARGE
        loop_marginals(parts[begin:end], before, after, marginals, table_twice, rest)
        work[0] += 3 * (end - begin) - 6
        least = marginals[0, 0]
        for d in range(1, period):
            least = min(least, marginals[0, d])
        bound[0] += least
        for d in range(period):
            parts[begin, d] -= least
        later, earlier = 0, 0
        for e in range(begin, end):
            later += is_later[e]
            earlier += is_earlier[e]
        shares = max(later, earlier)
        for e in range(begin, end):
            if not is_later[e]:
                continue
            k = link[e]
            for d in range(period):
                at = d if sign[e] > 0 else (period - d) % period
                # Rounded down, and never so much that what lies on a link grows out of range.
                given = min((marginals[e - begin, d] - least) // shares, LARGEST - shared[k, at])
                parts[e, d] -= given
                shared[k, at] += given
    return OK
