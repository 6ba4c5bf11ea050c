"""Hash tables of whole numbers and of texts, for kernels that must know what they have seen.

A multiplicative hash is good only in its top bits, so a slot is taken from there. Tables are probed
one slot after the other, and are exact: what is compared is the key itself, never its hash.

A key ends in a time of the day in ms (`TIME_BITS`). Keys of one stretch of time share one row of a
table: feeds come nearly in the order of time, so the row in use stays in the processor's cache.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

NEW, REPEAT, FULL = 0, 1, 2
LONGEST_PROBE = 256
"""After so many slots in use a row counts as full: that happens above three quarters."""
TIME_BITS = 27
"""2^27 ms are 37 hours: the longest day, with a clock change, fits."""
TIME_MASK = (1 << TIME_BITS) - 1
STRETCH_BITS = 11
"""At first, a row holds the keys of 2 s."""

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_OFFSETS = types.Array(types.int32, 1, "C", readonly=True)
_KEYS = types.Array(types.uint64, 1, "C", readonly=True)
_WHOLE = types.int64[::1]
_TABLES = types.uint64[:, ::1]
_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_ONE = np.uint64(1)
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)


@njit("uint64(uint64)", cache=True, inline="always")
def mixed(key: np.uint64) -> np.uint64:
    """Every bit of the key in the top bits."""
    return (key ^ (key >> _HALF)) * _ODD


@njit(types.int64(_TABLES, types.uint64, types.uint64), cache=True, inline="always")
def insert(tables: np.ndarray, row: np.uint64, key: np.uint64) -> int:
    """Put a key into one row of ``tables``, of `LONGEST_PROBE` slots or more; NEW, REPEAT or FULL.

    Args:
        tables: uint64[row, slot], each slot zero or a key + 1.
    """
    slots = np.uint64(tables.shape[1])
    kept = key + _ONE
    slot = ((mixed(key) >> _HALF) * slots) >> _HALF
    found = tables[row, slot]
    if found == 0:
        tables[row, slot] = kept
        return NEW
    for _ in range(LONGEST_PROBE):
        if found == kept:
            return REPEAT
        slot += _ONE
        if slot == slots:
            slot = np.uint64(0)
        found = tables[row, slot]
        if found == 0:
            tables[row, slot] = kept
            return NEW
    return FULL


@njit(
    types.int64(
        *(_TABLES, types.uint64[::1], _WHOLE, types.int64, types.int64),
        *(_KEYS, types.int64),
    ),
    cache=True,
)
def insert_all(
    tables: np.ndarray,
    kept: np.ndarray,
    count: np.ndarray,
    base_ms: int,
    bits: int,
    keys: np.ndarray,
    first: int,
) -> int:
    """Put keys into their rows; stops at, and returns, the first whose row is full.

    Args:
        kept, count: uint64[≥ keys] and int64[1]: the keys in the order in which they came.
        base_ms: time of the day at which row 0 begins; a row is 2^bits ms long.
        keys: uint64[key]. first: where to begin.
    """
    for i in range(first, keys.shape[0]):
        row = (np.int64(keys[i] & np.uint64(TIME_MASK)) - base_ms) >> bits
        state = insert(tables, np.uint64(row), keys[i])
        if state == FULL:
            return i
        if state == NEW:
            kept[count[0]] = keys[i]
            count[0] += 1
    whole: int = keys.shape[0]
    return whole


@njit(types.int64(_KEYS, _TABLES, types.uint64[::1]), cache=True)
def common(keys: np.ndarray, tables: np.ndarray, found: np.ndarray) -> int:
    """found[:n]: those of the keys that row 0 of ``tables`` holds; returns n."""
    slots = tables.shape[1]
    count = 0
    for i in range(keys.shape[0]):
        slot = np.int64(((mixed(keys[i]) >> _HALF) * np.uint64(slots)) >> _HALF)
        while tables[0, slot] != 0:
            if tables[0, slot] == keys[i] + _ONE:
                found[count] = keys[i]
                count += 1
                break
            slot += np.int64(1)
            if slot == slots:
                slot = np.int64(0)
    return count


@njit(types.uint64(_BYTES, types.int64, types.int64), cache=True)
def _text_hash(data: np.ndarray, begin: int, end: int) -> np.uint64:
    """FNV-1a (Fowler, Noll, Vo), mixed once more for its top bits."""
    found = _BASIS
    for i in range(begin, end):
        found = (found ^ np.uint64(data[i])) * _PRIME
    return mixed(found)


@njit(types.boolean(_OFFSETS, _BYTES, types.int64, _BYTES, types.int64, types.int64), cache=True)
def _same(
    known_offsets: np.ndarray,
    known_data: np.ndarray,
    known: int,
    data: np.ndarray,
    begin: int,
    end: int,
) -> bool:
    first = known_offsets[known]
    if known_offsets[known + 1] - first != end - begin:
        return False
    same = True
    for i in range(end - begin):
        same &= known_data[first + i] == data[begin + i]
    return same


@njit(types.int64(_OFFSETS, _BYTES, types.int32[::1], types.uint64), cache=True)
def index_texts(offsets: np.ndarray, data: np.ndarray, slots: np.ndarray, shift: np.uint64) -> int:
    """Fill ``slots`` (int32[2**k] of −1, more than texts) with the texts' places; returns how many.

    Args:
        offsets: int32[text + 1], data: uint8[byte], UTF-8 as Arrow keeps it. Of equal texts the
            first counts.
    """
    mask = slots.shape[0] - 1
    known = 0
    for text in range(offsets.shape[0] - 1):
        begin, end = offsets[text], offsets[text + 1]
        slot = np.int64(_text_hash(data, begin, end) >> shift)
        while slots[slot] >= 0:
            other = slots[slot]
            if _same(offsets, data, other, data, begin, end):
                break
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            slots[slot] = text
            known += 1
    return known


@njit(
    types.int64(
        *(_OFFSETS, _BYTES, types.Array(types.int32, 1, "C", readonly=True), types.uint64),
        *(_OFFSETS, _BYTES, types.int32[::1], types.int32[::1]),
    ),
    cache=True,
)
def find_texts(
    known_offsets: np.ndarray,
    known_data: np.ndarray,
    slots: np.ndarray,
    shift: np.uint64,
    offsets: np.ndarray,
    data: np.ndarray,
    follower: np.ndarray,
    places: np.ndarray,
) -> int:
    """places[text]: where each text stands among the known ones, −1 for a stranger.

    Args:
        slots: as `index_texts` filled them.
        follower: int32[known text + 1], kept from call to call: what came after each known text
            the last time. Dictionaries resemble each other, so it is tried first.

    Returns how many were found.
    """
    mask = slots.shape[0] - 1
    known = known_offsets.shape[0] - 1
    found = 0
    before = known
    for text in range(offsets.shape[0] - 1):
        begin, end = offsets[text], offsets[text + 1]
        place = follower[before]
        if place < 0 or not _same(known_offsets, known_data, place, data, begin, end):
            slot = np.int64(_text_hash(data, begin, end) >> shift)
            while slots[slot] >= 0 and not _same(
                known_offsets, known_data, slots[slot], data, begin, end
            ):
                slot = (slot + 1) & mask
            place = slots[slot]
        places[text] = place
        if place >= 0:
            follower[before] = place
            before = place
            found += 1
    return found
