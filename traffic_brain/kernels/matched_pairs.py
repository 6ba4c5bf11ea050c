"""Vehicles seen at one camera and then at another, and how long they took.

A sighting is a token and a mark: the site, and in the last 32 bits the ms of the day. Sightings are
ordered by vehicle with two bucket sorts over the top bits of the token, which a keyed hash spreads
evenly: the first makes buckets that fit into the processor's cache, the second works there. Within
a vehicle they are ordered by time.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from traffic_brain.kernels.feed_sums import (
    ELSEWHERE,
    NO_TIME,
    NO_TIME_MS,
    OUTSIDE_DAY,
    UNKNOWN_DEVICE,
    UNREADABLE,
)

TIME_BITS = 32
"""Of a mark."""
TRAVEL_BITS, BIN_BITS, WAY_BITS = 21, 9, 33
"""Of a pair: up to half an hour, in one of a day's bins, on the way from a site to another."""
BUCKET_ROWS = 512
"""About so many sightings, of 16 bytes, fit into a processor's first cache."""
_FINE_BITS = 8

_CODES = types.Array(types.int32, 1, "C", readonly=True)
_TIMES = types.Array(types.int64, 1, "C", readonly=True)
_TOKENS = types.Array(types.uint64, 1, "C", readonly=True)
_SIGHTINGS = types.Array(types.uint64, 2, "C", readonly=True)
_WHOLE = types.int64[::1]


@njit(
    types.int64(
        *(_CODES, _CODES, _TIMES, _TOKENS, _TIMES),
        *(types.uint64[:, ::1], types.uint64[:, ::1], _WHOLE),
    ),
    cache=True,
)
def take_sightings(
    codes: np.ndarray,
    site_of_code: np.ndarray,
    time_ms: np.ndarray,
    tokens: np.ndarray,
    span: np.ndarray,
    taken: np.ndarray,
    strays: np.ndarray,
    outcomes: np.ndarray,
) -> int:
    """Choose the rows of one range of event time; returns how many.

    Args:
        codes: int32[row], site_of_code: int32[code] (−1: unknown), time_ms: int64[row], tokens:
            uint64[row], 0 where the plate is unreadable.
        span: int64[4]: begin and end of the day and of the range, in ms.
        taken, strays: uint64[row, 2], output: (token, mark) of the rows of this range, and of
            those of others, in their order.
        outcomes: int64[9], raised by each row but those of the range.
    """
    mine, away = 0, 0
    for row in range(codes.shape[0]):
        code = codes[row]
        site = site_of_code[code] if code >= 0 else -1
        at_ms = time_ms[row]
        if site < 0:
            outcomes[UNKNOWN_DEVICE] += 1
        elif at_ms == NO_TIME_MS:
            outcomes[NO_TIME] += 1
        elif at_ms < span[0] or at_ms >= span[1]:
            outcomes[OUTSIDE_DAY] += 1
        elif tokens[row] == 0:
            outcomes[UNREADABLE] += 1
        else:
            mark = (np.uint64(site) << np.uint64(TIME_BITS)) | np.uint64(at_ms - span[0])
            if at_ms < span[2] or at_ms >= span[3]:
                outcomes[ELSEWHERE] += 1
                strays[away, 0], strays[away, 1] = tokens[row], mark
                away += 1
            else:
                taken[mine, 0], taken[mine, 1] = tokens[row], mark
                mine += 1
    return mine


@njit(types.int64(types.uint64, types.int64, types.int64), cache=True, inline="always")
def _bucket(token: np.uint64, first_bit: int, bits: int) -> np.int64:
    """The number that ``bits`` bits of a token make, from ``first_bit`` of the top on."""
    if bits == 0:
        return np.int64(0)
    return np.int64((token << np.uint64(first_bit)) >> np.uint64(64 - bits))


@njit(
    types.void(
        *(types.uint64[:, ::1], types.int64, types.int64, types.int64),
        *(types.int64[:, ::1], types.uint64[:, ::1]),
    ),
    cache=True,
)
def _order_bucket(
    rough: np.ndarray, first: int, end: int, bits: int, places: np.ndarray, ordered: np.ndarray
) -> None:
    """Order the rows of a bucket; ``places`` is room for where small buckets begin and end."""
    begins, ends = places[0], places[1]
    begins[:] = 0
    for row in range(first, end):
        begins[_bucket(rough[row, 0], bits, _FINE_BITS) + 1] += 1
    begins[0] = ends[0] = first
    for fine in range(1 << _FINE_BITS):
        begins[fine + 1] += begins[fine]
        ends[fine + 1] = begins[fine + 1]
    for row in range(first, end):
        token, mark = rough[row, 0], rough[row, 1]
        to = _bucket(token, bits, _FINE_BITS)
        at, free = np.uint32(mark), ends[to]
        ends[to] = free + 1
        while free > begins[to] and (
            ordered[free - 1, 0] > token
            or (ordered[free - 1, 0] == token and np.uint32(ordered[free - 1, 1]) > at)
        ):
            ordered[free, 0], ordered[free, 1] = ordered[free - 1, 0], ordered[free - 1, 1]
            free -= 1
        ordered[free, 0], ordered[free, 1] = token, mark


@njit(types.int64(_SIGHTINGS, _WHOLE, types.uint64[:, ::1], types.uint64[:, ::1]), cache=True)
def order_sightings(
    seen: np.ndarray, starts: np.ndarray, rough: np.ndarray, ordered: np.ndarray
) -> int:
    """Order sightings by token and time; those of one token and time keep their order.

    Args:
        seen: uint64[row, 2], tokens evenly spread, and marks. starts: int64[2**k + 1] of zeros,
            a bucket for about `BUCKET_ROWS` rows. rough: uint64[row, 2], to work in.
        ordered: uint64[row, 2], output.
    """
    rows: int = seen.shape[0]
    buckets = starts.shape[0] - 1
    bits = 0
    while (1 << bits) < buckets:
        bits += 1
    for row in range(rows):
        starts[_bucket(seen[row, 0], 0, bits) + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    for row in range(rows):
        to = _bucket(seen[row, 0], 0, bits)
        place = starts[to]
        rough[place, 0], rough[place, 1] = seen[row, 0], seen[row, 1]
        starts[to] = place + 1
    # starts[bucket] is now the bucket's end
    places = np.empty((2, (1 << _FINE_BITS) + 1), dtype=np.int64)
    first = 0
    for bucket in range(buckets):
        _order_bucket(rough, first, starts[bucket], bits, places, ordered)
        first = starts[bucket]
    return rows


@njit(types.UniTuple(types.int64, 2)(types.uint64), cache=True, inline="always")
def _place(mark: np.uint64) -> tuple[np.int64, np.int64]:
    """(ms of the day, site) of a mark."""
    return np.int64(np.uint32(mark)), np.int64(mark >> np.uint64(TIME_BITS))


@njit(
    types.int64(
        *(_SIGHTINGS, _TIMES, types.int64, types.int64),
        *(types.int64[:, ::1], _WHOLE),
    ),
    cache=True,
)
def pair_sightings(
    seen: np.ndarray,
    span: np.ndarray,
    repeat_ms: int,
    longest_ms: int,
    passes: np.ndarray,
    pairs: np.ndarray,
) -> int:
    """Strike repeats, count passes, and pair what follows each other; returns how many pairs.

    Args:
        seen: uint64[row, 2], as `order_sightings` made them.
        span: int64[4]: begin of the first bin for which pairs are wanted, begin and end of the
            range for which passes are counted, length of a bin, in ms of the day; all begin a bin.
        repeat_ms: a site that sees a vehicle again so soon after the last time saw it once.
        longest_ms: sightings farther apart than this are two trips.
        passes: int64[bin of the range, site + 1]; the last column counts the repeats.
        pairs: int64[≥ rows], output: way (from site × sites + to site), bin of arrival since the
            first one wanted, and travel time in ms, of `WAY_BITS`, `BIN_BITS` and `TRAVEL_BITS`.
    """
    wanted, begin, end, bin_ms = span[0], span[1], span[2], span[3]
    sites = passes.shape[1] - 1
    found = 0
    before = -1
    for row in range(seen.shape[0]):
        if row > 0 and seen[row, 0] != seen[row - 1, 0]:
            before = -1
        at_ms, site = _place(seen[row, 1])
        again = False
        other = row - 1
        while other >= 0 and seen[other, 0] == seen[row, 0]:
            then_ms, there = _place(seen[other, 1])
            if at_ms - then_ms >= repeat_ms:
                break
            if there == site:
                again = True
                break
            other -= 1
        if begin <= at_ms < end:
            passes[(at_ms - begin) // bin_ms, sites if again else site] += 1
        if again:
            continue
        if before >= 0 and at_ms >= wanted:
            left_ms, start = _place(seen[before, 1])
            travel_ms = at_ms - left_ms
            if start != site and 0 < travel_ms <= longest_ms:
                way = start * sites + site
                bin_idx = (at_ms - wanted) // bin_ms
                pairs[found] = (((way << BIN_BITS) | bin_idx) << TRAVEL_BITS) | travel_ms
                found += 1
        before = row
    return found
