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

from traffic_brain.kernels.tables import FULL, REPEAT, TIME_BITS, insert

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
_TABLES = types.uint64[:, ::1]
_WHOLE = types.int64[::1]
_SEEN = (_TABLES, types.uint64[::1], _WHOLE, types.int64)


@njit(
    types.int64(
        *(_CODES, _CODES, _CODES, _TIMES, _SPEEDS, _CODES),
        *(types.int64, _SPAN, types.float64),
        *(types.uint8[:, ::1], *_SEEN, types.int64[:, :, ::1], _WHOLE, _WHOLE),
    ),
    cache=True,
)
def add_speeds(
    codes: np.ndarray,
    provider_of_code: np.ndarray,
    link_of_provider: np.ndarray,
    time_ms: np.ndarray,
    speed_kmh: np.ndarray,
    samples: np.ndarray,
    first: int,
    span: np.ndarray,
    fastest_kmh: float,
    seen: np.ndarray,
    tables: np.ndarray,
    kept: np.ndarray,
    count: np.ndarray,
    bits: int,
    sums: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Add rows of link speeds; two rows are one when provider link and time are the same.

    Args:
        codes: int32[row], provider_of_code: int32[code] (−1: unknown), link_of_provider:
            int32[provider].
        time_ms: int64[row], speed_kmh: float64[row] (NaN: none), samples: int32[row].
        first: row to begin with.
        span: int64[6]: begin and end of the day, begin and end of the range, length of a bin, and
            step of the provider's clock, all in ms.
        seen: uint8[step of the range, provider // 8 + 1], a bit for each row whose time is a
            whole step of the range: most are, and a bitmap is a tenth of the work of a table.
        tables, kept, count, bits: for all others, as in `tables.insert_all`; row 0 begins with the
            range.
        sums: int64[bin, link, 6], see `INTERNET_SUMS`.
        outcomes: int64[9], raised by each row.
        strays: int64[row + 1]: the number of rows of other ranges since the first row, at
            index 0, and after it which they are.
    """
    rows: int = codes.shape[0]
    day_begin, day_end, begin, end, bin_ms, step_ms = span
    used, keys, done = 0, count[0], rows
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
        if not (0.0 <= kmh < np.inf) or weight <= 0 or weight > MOST_SAMPLES:
            outcomes[BAD_VALUE] += 1
            continue
        if kmh > fastest_kmh:
            outcomes[TOO_FAST] += 1
            continue
        if on_step:
            bit = np.uint8(1 << (provider & 7))
            step, byte = np.uint64(step_idx), np.uint64(provider >> 3)
            if seen[step, byte] & bit:
                outcomes[DUPLICATE] += 1
                continue
            seen[step, byte] |= bit
        else:
            key = (np.uint64(provider) << np.uint64(TIME_BITS)) | np.uint64(at_ms - day_begin)
            state = insert(tables, np.uint64((at_ms - begin) >> bits), key)
            if state == FULL:
                done = row
                break
            if state == REPEAT:
                outcomes[DUPLICATE] += 1
                continue
            kept[keys] = key
            keys += 1
        at_bin, link = np.uint64(bin_idx), np.uint64(link_of_provider[np.uint64(provider)])
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
    count[0] = keys
    return done


@njit(
    types.int64(
        *(_CODES, _CODES, _TIMES, types.int64, _SPAN),
        *(*_SEEN, types.int64[:, ::1], _WHOLE, _WHOLE),
    ),
    cache=True,
)
def add_passes(
    codes: np.ndarray,
    device_of_code: np.ndarray,
    time_ms: np.ndarray,
    first: int,
    span: np.ndarray,
    tables: np.ndarray,
    kept: np.ndarray,
    count: np.ndarray,
    bits: int,
    counts: np.ndarray,
    outcomes: np.ndarray,
    strays: np.ndarray,
) -> int:
    """Count passes; two rows are one when detector and millisecond are the same.

    Args:
        codes: int32[row], device_of_code: int32[code] (−1: unknown), time_ms: int64[row].
        counts: int64[bin, device].
        first, span, tables, kept, count, bits, outcomes, strays: as in `add_speeds`; five numbers
            of ``span`` are used.
    """
    rows: int = codes.shape[0]
    day_begin, day_end, begin, end, bin_ms = span[0], span[1], span[2], span[3], span[4]
    used, keys, done = 0, count[0], rows
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
        key = (np.uint64(device) << np.uint64(TIME_BITS)) | np.uint64(at_ms - day_begin)
        state = insert(tables, np.uint64((at_ms - begin) >> bits), key)
        if state == FULL:
            done = row
            break
        if state == REPEAT:
            outcomes[DUPLICATE] += 1
            continue
        kept[keys] = key
        keys += 1
        counts[np.uint64(bin_idx), np.uint64(device)] += 1
        used += 1
    outcomes[USED] += used
    count[0] = keys
    return done


@njit(
    types.int64(
        *(_CODES, _CODES, _CODES, _CODES, _TIMES, _TIMES, types.int64, _SPAN),
        *(*_SEEN, types.int64[:, :, ::1], _WHOLE, _WHOLE),
    ),
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
    kept: np.ndarray,
    count: np.ndarray,
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
        first, span, tables, kept, count, bits, outcomes, strays: as in `add_passes`.
    """
    rows: int = link_codes.shape[0]
    day_begin, day_end, begin, end, bin_ms = span[0], span[1], span[2], span[3], span[4]
    links = np.uint64(sums.shape[1])
    used, keys, done = 0, count[0], rows
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
        key = (pair << np.uint64(TIME_BITS)) | np.uint64(at_ms - day_begin)
        state = insert(tables, np.uint64((at_ms - begin) >> bits), key)
        if state == FULL:
            done = row
            break
        if state == REPEAT:
            outcomes[DUPLICATE] += 1
            continue
        kept[keys] = key
        keys += 1
        travel_ms = max(travel_ms, 1)
        at_bin = np.uint64((at_ms - begin) // bin_ms)
        sums[at_bin, link, TRAVERSALS] += 1
        sums[at_bin, link, TRAVEL] += travel_ms
        sums[at_bin, link, TRAVEL_SQUARED] += travel_ms * travel_ms
        sums[at_bin, link, RATE] += np.int64(1e12 / travel_ms + 0.5)
        used += 1
    outcomes[USED] += used
    count[0] = keys
    return done
