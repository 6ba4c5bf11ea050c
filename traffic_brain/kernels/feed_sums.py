"""Rows of a feed into sums per place and 5-minute bin, with exact de-duplication, in one pass.

Every sum is a whole number, so it is the same in whatever order rows are added. Each kernel takes
the rows of one row group and one stretch of event time, its *range*; a row of another range is not
dropped but told (`strays`), and added where it belongs. A row goes to exactly one of the counters
`USED` … `ELSEWHERE`.

Where it counts, indices are unsigned: of signed ones, numba asks each time if they are negative.

A kernel stops early when one of its hash tables is too full; it returns the first row that it has
not taken, and the caller goes on from there with larger tables.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from traffic_brain.kernels.tables import FULL, REPEAT, TABLES, insert

USED = 0
UNKNOWN_DEVICE = 1
NO_TIME = 2
OUTSIDE_DAY = 3
BAD_VALUE = 4
TOO_FAST = 5
UNREADABLE = 6
DUPLICATE = 7
ELSEWHERE = 8
OUTCOMES = 9

NO_TIME_MS = -(2**63)
"""Stands for a time that a row does not have."""

ROWS, SAMPLES, SPEED, SPEED_SQUARED, PACE, PACE_SQUARED = range(6)
INTERNET_SUMS = ("rows", "samples", "speed_sum", "speed2_sum", "pace_sum", "pace2_sum")
"""Weighted with the samples of each row; speed in mm/s, pace in µs/m."""
TRAVERSALS, TRAVEL, TRAVEL_SQUARED, RATE = range(4)
TRANSIT_SUMS = ("traversals", "travel_sum", "travel2_sum", "rate_sum")
"""Travel time in ms, and its reciprocal in nHz."""

MM_PER_S = 1000.0 / 3.6
"""Of one km/h."""
SLOWEST_MM_S = 300
"""Of which a pace is taken: those of standing probes would tell the noise, not the road's state."""
MOST_SAMPLES = 1000
"""Of one row; with it, a thousand rows of a cell cannot overflow the sum of squares."""
LONGEST_TRAVEL_MS = 3_600_000

_CODES = types.Array(types.int32, 1, "C", readonly=True)
_TIMES = types.Array(types.int64, 1, "C", readonly=True)
_SPEEDS = types.Array(types.float64, 1, "C", readonly=True)
_SPAN = types.Array(types.int64, 1, "C", readonly=True)
_WHOLE = types.int64[::1]


@njit(types.UniTuple(types.uint64, 2)(types.uint64, types.int64, types.int64), cache=True)
def _key(what: np.uint64, since_ms: int, bits: int) -> tuple[np.uint64, np.uint64]:
    """(row, key) of what a row names and its time since the range began; see `tables`."""
    length = np.uint64(bits)
    since = np.uint64(since_ms)
    row = since >> length
    return row, (what << length) | (since - (row << length))


@njit(
    [
        types.int64(
            *(_CODES, _CODES, _CODES, _TIMES, _SPEEDS, _CODES),
            *(types.int64, _SPAN, types.float64),
            *(types.uint8[:, ::1], tables, types.int64, types.int64[:, :, ::1], _WHOLE, _WHOLE),
        )
        for tables in TABLES
    ],
    cache=True,
)
def add_speeds(
    codes: np.ndarray,
    provider_of_code: np.ndarray,
    link_of_code: np.ndarray,
    time_ms: np.ndarray,
    speed_kmh: np.ndarray,
    samples: np.ndarray,
    first: int,
    span: np.ndarray,
    fastest_kmh: float,
    seen: np.ndarray,
    tables: np.ndarray,
    bits: int,
    sums: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Add rows of link speeds; two rows are one when provider link and time are the same.

    Args:
        codes: int32[row], provider_of_code, link_of_code: int32[code] (−1: unknown).
        time_ms: int64[row], speed_kmh: float64[row] (NaN: none), samples: int32[row].
        first: row to begin with.
        span: int64[6]: begin and end of the day, begin and end of the range, length of a bin, and
            step of the provider's clock, all in ms.
        seen: uint8[step of the range, provider // 8 + 1], a bit for each row whose time is a
            whole step of the range: most are, and a bitmap is a tenth of the work of a table.
        tables, bits: for all others, as in `tables.insert`; row 0 begins with the range, and a row
            is 2^bits ms long.
        sums: int64[bin, link, 6], see `INTERNET_SUMS`.
        outcomes: int64[9], raised by each row.
        strays: int64[row + 1]: the number of rows of other ranges since the first row, at
            index 0, and after it which they are.
    """
    rows: int = codes.shape[0]
    day_begin, day_end, begin, end, bin_ms, step_ms = span
    used, done = 0, rows
    last_ms, fresh = NO_TIME_MS, True
    step_idx, bin_idx, on_step = 0, 0, False
    for row in range(first, rows):
        code = codes[row]
        provider = provider_of_code[np.uint32(code)] if code >= 0 else -1
        at_ms = time_ms[row]
        if provider < 0:
            outcomes[UNKNOWN_DEVICE] += 1
            continue
        if fresh or at_ms != last_ms:
            if at_ms == NO_TIME_MS:
                outcomes[NO_TIME] += 1
                continue
            if at_ms < day_begin or at_ms >= day_end:
                outcomes[OUTSIDE_DAY] += 1
                continue
            if at_ms < begin or at_ms >= end:
                outcomes[ELSEWHERE] += 1
                strays[0] += 1
                strays[strays[0]] = row
                continue
            last_ms, fresh = at_ms, False
            step_idx = (at_ms - begin) // step_ms
            on_step = begin + step_idx * step_ms == at_ms
            bin_idx = (at_ms - begin) // bin_ms
        kmh = speed_kmh[row]
        weight = np.int64(samples[row])
        if not (0.0 <= kmh <= fastest_kmh) or np.uint64(weight - 1) >= np.uint64(MOST_SAMPLES):
            only_fast = fastest_kmh < kmh < np.inf and 0 < weight <= MOST_SAMPLES
            outcomes[TOO_FAST if only_fast else BAD_VALUE] += 1
            continue
        if on_step:
            bit = np.uint8(1 << (provider & 7))
            step, byte = np.uint64(step_idx), np.uint64(provider >> 3)
            before = seen[step, byte]
            if before & bit:
                outcomes[DUPLICATE] += 1
                continue
            seen[step, byte] = before | bit
        else:
            stretch, key = _key(np.uint64(provider), at_ms - begin, bits)
            state = insert(tables, stretch, key)
            if state == FULL:
                done = row
                break
            if state == REPEAT:
                outcomes[DUPLICATE] += 1
                continue
        at_bin, link = np.uint64(bin_idx), np.uint64(link_of_code[np.uint32(code)])
        speed = np.int64(kmh * MM_PER_S + 0.5)
        driven = speed if speed > SLOWEST_MM_S else np.int64(SLOWEST_MM_S)
        pace = np.int64(1e9 / driven + 0.5)
        sums[at_bin, link, ROWS] += 1
        sums[at_bin, link, SAMPLES] += weight
        sums[at_bin, link, SPEED] += weight * speed
        sums[at_bin, link, SPEED_SQUARED] += weight * speed * speed
        sums[at_bin, link, PACE] += weight * pace
        sums[at_bin, link, PACE_SQUARED] += weight * pace * pace
        used += 1
    outcomes[USED] += used
    return done


@njit(
    [
        types.int64(
            *(_CODES, _CODES, _TIMES, types.int64, _SPAN),
            *(tables, types.int64, types.int64[:, ::1], _WHOLE, _WHOLE),
        )
        for tables in TABLES
    ],
    cache=True,
)
def add_passes(
    codes: np.ndarray,
    device_of_code: np.ndarray,
    time_ms: np.ndarray,
    first: int,
    span: np.ndarray,
    tables: np.ndarray,
    bits: int,
    counts: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Count passes; two rows are one when detector and millisecond are the same.

    Args:
        codes: int32[row], device_of_code: int32[code] (−1: unknown), time_ms: int64[row].
        counts: int64[bin, device].
        first, span, tables, bits, outcomes, strays: as in `add_speeds`; five numbers
            of ``span`` are used.
    """
    rows: int = codes.shape[0]
    day_begin, day_end, begin, end, bin_ms = span[0], span[1], span[2], span[3], span[4]
    used, done = 0, rows
    bin_idx, bin_begin, bin_end = 0, 0, 0
    for row in range(first, rows):
        code = codes[row]
        device = device_of_code[np.uint32(code)] if code >= 0 else -1
        at_ms = time_ms[row]
        if device < 0:
            outcomes[UNKNOWN_DEVICE] += 1
            continue
        if at_ms < bin_begin or at_ms >= bin_end:
            if at_ms == NO_TIME_MS:
                outcomes[NO_TIME] += 1
                continue
            if at_ms < day_begin or at_ms >= day_end:
                outcomes[OUTSIDE_DAY] += 1
                continue
            if at_ms < begin or at_ms >= end:
                outcomes[ELSEWHERE] += 1
                strays[0] += 1
                strays[strays[0]] = row
                continue
            bin_idx = (at_ms - begin) // bin_ms
            bin_begin = begin + bin_idx * bin_ms
            bin_end = min(bin_begin + bin_ms, end)
        stretch, key = _key(np.uint64(device), at_ms - begin, bits)
        state = insert(tables, stretch, key)
        if state == FULL:
            done = row
            break
        if state == REPEAT:
            outcomes[DUPLICATE] += 1
            continue
        counts[np.uint64(bin_idx), np.uint64(device)] += 1
        used += 1
    outcomes[USED] += used
    return done


@njit(
    [
        types.int64(
            *(_CODES, _CODES, _CODES, _CODES, _TIMES, _TIMES, types.int64, _SPAN),
            *(tables, types.int64, types.int64[:, :, ::1], _WHOLE, _WHOLE),
        )
        for tables in TABLES
    ],
    cache=True,
)
def add_traversals(
    link_codes: np.ndarray,
    link_of_code: np.ndarray,
    vehicle_codes: np.ndarray,
    vehicle_of_code: np.ndarray,
    time_in_ms: np.ndarray,
    time_out_ms: np.ndarray,
    first: int,
    span: np.ndarray,
    tables: np.ndarray,
    bits: int,
    sums: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Add buses' ways over links; two rows are one when vehicle, link and time of entry are.

    A row belongs to the bin in which the bus came in: the time that tells repeats apart must also
    be the one that tells where a row belongs.

    Args:
        link_codes, vehicle_codes: int32[row], link_of_code, vehicle_of_code: int32[code].
        time_in_ms, time_out_ms: int64[row].
        sums: int64[bin, link, 4], see `TRANSIT_SUMS`.
        first, span, tables, bits, outcomes, strays: as in `add_passes`.
    """
    rows: int = link_codes.shape[0]
    day_begin, day_end, begin, end, bin_ms = span[0], span[1], span[2], span[3], span[4]
    links = np.uint64(sums.shape[1])
    used, done = 0, rows
    for row in range(first, rows):
        code = link_codes[row]
        link = link_of_code[code] if code >= 0 else -1
        at_ms, left_ms = time_in_ms[row], time_out_ms[row]
        if link < 0:
            outcomes[UNKNOWN_DEVICE] += 1
            continue
        if min(at_ms, left_ms) == NO_TIME_MS:
            outcomes[NO_TIME] += 1
            continue
        if at_ms < day_begin or at_ms >= day_end:
            outcomes[OUTSIDE_DAY] += 1
            continue
        if at_ms < begin or at_ms >= end:
            outcomes[ELSEWHERE] += 1
            strays[0] += 1
            strays[strays[0]] = row
            continue
        code = vehicle_codes[row]
        travel_ms = left_ms - at_ms
        if code < 0 or travel_ms < 0 or travel_ms > LONGEST_TRAVEL_MS:
            outcomes[BAD_VALUE] += 1
            continue
        pair = np.uint64(vehicle_of_code[code]) * links + np.uint64(link)
        stretch, key = _key(pair, at_ms - begin, bits)
        state = insert(tables, stretch, key)
        if state == FULL:
            done = row
            break
        if state == REPEAT:
            outcomes[DUPLICATE] += 1
            continue
        travel_ms = max(travel_ms, 1)
        at_bin = np.uint64((at_ms - begin) // bin_ms)
        sums[at_bin, link, TRAVERSALS] += 1
        sums[at_bin, link, TRAVEL] += travel_ms
        sums[at_bin, link, TRAVEL_SQUARED] += travel_ms * travel_ms
        sums[at_bin, link, RATE] += np.int64(1e12 / travel_ms + 0.5)
        used += 1
    outcomes[USED] += used
    return done
