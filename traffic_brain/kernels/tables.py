"""Hash tables of whole numbers and of texts, for kernels that must know what they have seen.

A multiplicative hash is good only in its top bits, so a slot is taken from there. Tables are probed
one slot after the other, and are exact: what is compared is the key itself, never its hash.

A key is what a row names and, in its last bits, its time since the begin of its *stretch*. Keys of
one stretch share one row of a table: feeds come nearly in the order of time, so the row in use
stays in the processor's cache. Short keys have tables of half the width (uint32).
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

NEW, REPEAT, FULL = 0, 1, 2
LONGEST_PROBE = 256
"""After so many slots in use a row counts as full: that happens above three quarters."""
TIME_BITS = 27
"""2^27 ms are 37 hours: the longest day, with a clock change, fits."""
STRETCH_BITS = 11
"""At first, a row holds the keys of 2 s."""

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_OFFSETS = types.Array(types.int32, 1, "C", readonly=True)
_KEYS = types.Array(types.uint64, 1, "C", readonly=True)
_ENDS = types.Array(types.int64, 1, "C", readonly=True)
_WHOLE = types.int64[::1]
_NARROW, _WIDE = types.uint32[:, ::1], types.uint64[:, ::1]
TABLES = (_NARROW, _WIDE)
"""Both kinds, for the signatures of kernels."""
_SAVED = [types.Array(kind, 1, "C", readonly=True) for kind in (types.uint32, types.uint64)]
_ODD = np.uint64(0x9E3779B97F4A7C15)
_HALF, _EIGHTH = np.uint64(32), np.uint64(8)
_ONE = np.uint64(1)
_PRIME = np.uint64(0x100000001B3)
_BASIS = np.uint64(0xCBF29CE484222325)


@njit("uint64(uint64)", cache=True, inline="always")
def mixed(key: np.uint64) -> np.uint64:
    """Every bit of the key in the top bits."""
    return (key ^ (key >> _HALF)) * _ODD


@njit(
    [types.int64(tables, types.uint64, types.uint64) for tables in TABLES],
    cache=True,
    inline="always",
)
def insert(tables: np.ndarray, row: np.uint64, key: np.uint64) -> int:
    """Put a key into one row of ``tables``, of `LONGEST_PROBE` slots or more; NEW, REPEAT or FULL.

    Args:
        tables: uint32 or uint64[row, slot], each slot zero or a key + 1.
    """
    slots = np.uint64(tables.shape[1])
    kept = key + _ONE
    slot = ((mixed(key) >> _HALF) * slots) >> _HALF
    found = np.uint64(tables[row, slot])
    if found == 0:
        tables[row, slot] = kept
        return NEW
    for _ in range(LONGEST_PROBE):
        if found == kept:
            return REPEAT
        slot += _ONE
        if slot == slots:
            slot = np.uint64(0)
        found = np.uint64(tables[row, slot])
        if found == 0:
            tables[row, slot] = kept
            return NEW
    return FULL


@njit([types.int64(tables, _KEYS, _KEYS, types.int64) for tables in TABLES], cache=True)
def insert_all(tables: np.ndarray, rows: np.ndarray, keys: np.ndarray, first: int) -> int:
    """Put keys from ``first`` on into their rows; stops at, and returns, one whose row is full.

    Args:
        rows, keys: uint64[key].
    """
    for i in range(first, keys.shape[0]):
        if insert(tables, rows[i], keys[i]) == FULL:
            return i
    whole: int = keys.shape[0]
    return whole


@njit(
    [types.int64(_NARROW, types.int64, _NARROW)]
    + [types.int64(tables, types.int64, _WIDE) for tables in TABLES],
    cache=True,
)
def move(tables: np.ndarray, bits: int, larger: np.ndarray) -> int:
    """Put all keys into ``larger`` tables, with as many rows or half of them; NEW, or FULL.

    Args:
        bits: of the time of the keys in ``tables``; with half the rows, ``larger`` has one more.
    """
    longer = larger.shape[0] < tables.shape[0]
    for row in range(tables.shape[0]):
        for slot in range(tables.shape[1]):
            if tables[row, slot] == 0:
                continue
            key, to = np.uint64(tables[row, slot]) - _ONE, np.uint64(row)
            if longer:
                what, at = key >> np.uint64(bits), key & ((_ONE << np.uint64(bits)) - _ONE)
                at |= (to & _ONE) << np.uint64(bits)
                key, to = (what << np.uint64(bits + 1)) | at, to >> _ONE
            if insert(larger, to, key) == FULL:
                return FULL
    return NEW


@njit([types.int64(tables, tables.copy(ndim=1), _WHOLE) for tables in TABLES], cache=True)
def compact(tables: np.ndarray, keys: np.ndarray, ends: np.ndarray) -> int:
    """Only the keys of ``tables``, row after row, and where each row ends; returns how many.

    Args:
        keys: of the tables' type, [≥ keys], ends: int64[row], output.
    """
    count = 0
    for row in range(tables.shape[0]):
        for slot in range(tables.shape[1]):
            kept = tables[row, slot]
            if kept != 0:
                keys[count] = np.uint64(kept) - _ONE
                count += 1
        ends[row] = count
    return count


@njit(
    [types.int64(keys, _ENDS, types.int64, _KEYS, types.boolean[::1]) for keys in _SAVED],
    cache=True,
)
def find(
    keys: np.ndarray, ends: np.ndarray, bits: int, wanted: np.ndarray, found: np.ndarray
) -> int:
    """found[i]: whether the i-th wanted key is among those that `compact` kept; returns how many.

    Args:
        bits: of the time in a key.
        wanted: uint64[i]: what a row names and, in `TIME_BITS`, its time since row 0 began.

    The wanted are put into a table and the keys are gone through, most of which a bit that is not
    set in a bitmap tells from all wanted ones.
    """
    size = 6
    while (1 << size) < 2 * wanted.shape[0] + 1:
        size += 1
    slots = np.full(1 << size, -1, dtype=np.int64)
    marks = np.zeros(1 << (size + 1), dtype=np.uint8)
    shift, byte = np.uint64(64 - size), np.uint64(64 - size - 1)
    mask, at_bits = (1 << size) - 1, (_ONE << np.uint64(bits)) - _ONE
    after = np.empty(wanted.shape[0], dtype=np.int64)
    for i in range(wanted.shape[0]):
        found[i] = False
        hashed = mixed(wanted[i])
        marks[hashed >> byte] |= np.uint8(1 << ((hashed >> _EIGHTH) & np.uint64(7)))
        slot = np.int64(hashed >> shift)
        while slots[slot] >= 0 and wanted[slots[slot]] != wanted[i]:
            slot = (slot + 1) & mask
        after[i] = slots[slot]  # an equal one, which is found when this one is
        slots[slot] = i
    count = 0
    first = 0
    for row in range(ends.shape[0]):
        begin = np.uint64(row) << np.uint64(bits)
        for i in range(first, ends[row]):
            key = np.uint64(keys[i])
            whole = ((key >> np.uint64(bits)) << np.uint64(TIME_BITS)) | begin | (key & at_bits)
            hashed = mixed(whole)
            if not (marks[hashed >> byte] >> ((hashed >> _EIGHTH) & np.uint64(7))) & 1:
                continue
            slot = np.int64(hashed >> shift)
            while slots[slot] >= 0:
                same = slots[slot]
                if wanted[same] == whole:
                    while same >= 0:
                        found[same] = True
                        count += 1
                        same = after[same]
                    break
                slot = (slot + 1) & mask
        first = ends[row]
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
