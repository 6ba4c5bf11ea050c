"""Vehicles seen at one camera and then at another: their travel times, and robust figures of them.

Sightings are ordered by vehicle with a bucket sort over the top bits of the token, which a keyed
hash spreads evenly; within a vehicle the order of time is kept. Travel times then pass a filter of
the kind of F. Dion and H. Rakha (Estimating dynamic roadway travel times using automatic vehicle
identification data for low sampling rates, Transportation Research B 40, 2006): what is far from
the median of the last quarter of an hour is a stop-over, a detour or a misread plate.
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

FILTER_BINS = 3
"""The bin itself and the two before it: an online filter knows no future."""
MAD_TO_SD = 1.4826
"""Of a normal distribution."""
FILTER_SD = 3.0
FILTER_RATIO = 0.25
"""Travel times within this share of the median always pass: a few equal ones prove no precision."""

_FEW = 24
"""Up to so many values an insertion sort is the quickest."""

SEEN, SEEN_TRAVEL, KEPT, KEPT_TRAVEL, KEPT_TRAVEL_SQUARED, MEDIAN = range(6)
PAIR_FIGURES = ("seen", "seen_travel_sum", "kept", "travel_sum", "travel2_sum", "median_ms")

_CODES = types.Array(types.int32, 1, "C", readonly=True)
_TIMES = types.Array(types.int64, 1, "C", readonly=True)
_TOKENS = types.Array(types.uint64, 1, "C", readonly=True)
_WHOLE = types.int64[::1]


@njit(
    types.int64(
        *(_CODES, _CODES, _TIMES, _TOKENS, _TIMES),
        *(types.int32[::1], _WHOLE, _WHOLE, _WHOLE),
    ),
    cache=True,
)
def take_sightings(
    codes: np.ndarray,
    site_of_code: np.ndarray,
    time_ms: np.ndarray,
    tokens: np.ndarray,
    span: np.ndarray,
    sites: np.ndarray,
    rows: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Choose the rows of one range of event time; returns how many.

    Args:
        codes: int32[row], site_of_code: int32[code] (−1: unknown), time_ms: int64[row], tokens:
            uint64[row], 0 where the plate is unreadable.
        span: int64[4]: begin and end of the day and of the range, in ms.
        sites: int32[row], output: the site of each row, −1 if unknown.
        rows: int64[row], output: the rows of the range. outcomes: int64[9], raised by each row but
            those of the range; strays: as in `feed_sums`.
    """
    taken = 0
    for row in range(codes.shape[0]):
        code = codes[row]
        site = site_of_code[code] if code >= 0 else -1
        sites[row] = site
        at_ms = time_ms[row]
        if site < 0:
            outcomes[UNKNOWN_DEVICE] += 1
        elif at_ms == NO_TIME_MS:
            outcomes[NO_TIME] += 1
        elif at_ms < span[0] or at_ms >= span[1]:
            outcomes[OUTSIDE_DAY] += 1
        elif tokens[row] == 0:
            outcomes[UNREADABLE] += 1
        elif at_ms < span[2] or at_ms >= span[3]:
            outcomes[ELSEWHERE] += 1
            strays[0] += 1
            strays[strays[0]] = row
        else:
            rows[taken] = row
            taken += 1
    return taken


@njit(types.int64(_TOKENS, _WHOLE, _WHOLE), cache=True)
def order_by_token(tokens: np.ndarray, starts: np.ndarray, order: np.ndarray) -> int:
    """order[place]: rows so that equal tokens stand together and keep the order of their rows.

    Args:
        tokens: uint64[row], evenly spread. starts: int64[2**k + 1] of zeros, about as many as
            rows. order: int64[row], output.
    """
    buckets = starts.shape[0] - 1
    shift = np.uint64(64)
    left = buckets
    while left > 1:
        left >>= 1
        shift -= np.uint64(1)
    whole = buckets == 1
    for row in range(tokens.shape[0]):
        bucket = 0 if whole else np.int64(tokens[row] >> shift)
        starts[bucket + 1] += 1
    for bucket in range(buckets):
        starts[bucket + 1] += starts[bucket]
    for row in range(tokens.shape[0]):
        bucket = 0 if whole else np.int64(tokens[row] >> shift)
        order[starts[bucket]] = row
        starts[bucket] += 1
    # starts[bucket] is now the bucket's end; within it, an insertion sort that keeps equal order
    first = 0
    for bucket in range(buckets):
        for place in range(first + 1, starts[bucket]):
            row = order[place]
            free = place
            while free > first and tokens[order[free - 1]] > tokens[row]:
                order[free] = order[free - 1]
                free -= 1
            order[free] = row
        first = starts[bucket]
    rows: int = tokens.shape[0]
    return rows


@njit(
    types.int64(
        *(_TOKENS, _CODES, _TIMES, _TIMES, types.int64, types.int64),
        *(types.int64[:, ::1], types.int64[:, ::1]),
    ),
    cache=True,
)
def pair_sightings(
    tokens: np.ndarray,
    sites: np.ndarray,
    time_ms: np.ndarray,
    span: np.ndarray,
    repeat_ms: int,
    longest_ms: int,
    passes: np.ndarray,
    pairs: np.ndarray,
) -> int:
    """Strike repeats, count passes, and pair what follows each other; returns how many pairs.

    Args:
        tokens: uint64[row], sites: int32[row], time_ms: int64[row], ordered by token and time.
        span: int64[4]: begin of the first bin for which pairs are wanted, begin and end of the
            range for which passes are counted, length of a bin, in ms; all begin a bin.
        repeat_ms: a site that sees a vehicle again so soon after the last time saw it once.
        longest_ms: sightings farther apart than this are two trips.
        passes: int64[bin of the range, site + 1]; the last column counts the repeats.
        pairs: int64[≥ rows, 4], output: from site, to site, arrival and travel time in ms.
    """
    wanted, begin, end, bin_ms = span[0], span[1], span[2], span[3]
    repeats_idx = passes.shape[1] - 1
    found = 0
    before = -1
    for row in range(tokens.shape[0]):
        if row > 0 and tokens[row] != tokens[row - 1]:
            before = -1
        at_ms, site = time_ms[row], sites[row]
        again = False
        other = row - 1
        while other >= 0 and tokens[other] == tokens[row] and at_ms - time_ms[other] < repeat_ms:
            if sites[other] == site:
                again = True
                break
            other -= 1
        if begin <= at_ms < end:
            passes[(at_ms - begin) // bin_ms, repeats_idx if again else site] += 1
        if again:
            continue
        if before >= 0 and at_ms >= wanted and sites[before] != site:
            travel_ms = at_ms - time_ms[before]
            if 0 < travel_ms <= longest_ms:
                pairs[found, 0] = sites[before]
                pairs[found, 1] = site
                pairs[found, 2] = at_ms
                pairs[found, 3] = travel_ms
                found += 1
        before = row
    return found


@njit(types.float64(_WHOLE, types.int64), cache=True)
def _median(values: np.ndarray, count: int) -> float:
    """Of the first ``count`` values, which are left in order; most often there are a few."""
    if count > _FEW:
        values[:count].sort()
    else:
        for i in range(1, count):
            value = values[i]
            free = i
            while free > 0 and values[free - 1] > value:
                values[free] = values[free - 1]
                free -= 1
            values[free] = value
    half = count // 2
    return float(values[half]) if count % 2 else (values[half - 1] + values[half]) / 2.0


@njit(
    types.int64(
        *(_TIMES, _TIMES, _TIMES, types.int64),
        *(_WHOLE, _WHOLE, types.int64[:, ::1]),
    ),
    cache=True,
)
def pair_figures(
    ways: np.ndarray,
    bins: np.ndarray,
    travel_ms: np.ndarray,
    first_bin: int,
    cell_ways: np.ndarray,
    cell_bins: np.ndarray,
    figures: np.ndarray,
) -> int:
    """Figures of each way (pair of sites) and bin of arrival; returns how many cells.

    Args:
        ways, bins: int64[pair], ordered by way and bin. travel_ms: int64[pair].
        first_bin: cells before it are wanted only as the past of others.
        cell_ways, cell_bins: int64[≥ pairs], figures: int64[≥ pairs, 6] of zeros, output; see
            `PAIR_FIGURES`. The median is that of the travel times that were kept.
    """
    scratch = np.empty(1024, dtype=np.int64)
    cells = 0
    past = 0
    first = 0
    rows = ways.shape[0]
    while first < rows:
        end = first + 1
        while end < rows and ways[end] == ways[first] and bins[end] == bins[first]:
            end += 1
        while ways[past] != ways[first] or bins[past] <= bins[first] - FILTER_BINS:
            past += 1
        if bins[first] >= first_bin:
            if end - past > scratch.shape[0]:
                scratch = np.empty(2 * (end - past), dtype=np.int64)
            for row in range(past, end):
                scratch[row - past] = travel_ms[row]
            middle = _median(scratch, end - past)
            for row in range(past, end):
                scratch[row - past] = np.int64(abs(travel_ms[row] - middle))
            spread = _median(scratch, end - past)
            within = max(FILTER_SD * MAD_TO_SD * spread, FILTER_RATIO * middle)
            count = 0
            cell_ways[cells], cell_bins[cells] = ways[first], bins[first]
            for row in range(first, end):
                took = travel_ms[row]
                figures[cells, SEEN] += 1
                figures[cells, SEEN_TRAVEL] += took
                if abs(took - middle) <= within:
                    scratch[count] = took
                    count += 1
                    figures[cells, KEPT] += 1
                    figures[cells, KEPT_TRAVEL] += took
                    figures[cells, KEPT_TRAVEL_SQUARED] += took * took
            if count > 0:
                figures[cells, MEDIAN] = np.int64(_median(scratch, count))
            cells += 1
        first = end
    return cells
