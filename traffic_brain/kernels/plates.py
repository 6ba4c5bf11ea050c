"""Plates, as Arrow keeps texts, straight into keyed tokens: no text is ever made of one.

The hash is SipHash-2-4 (J.-P. Aumasson and D. J. Bernstein, SipHash: a fast short-input PRF,
INDOCRYPT 2012), a keyed function whose output tells nothing to those who have not the key.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

UNREADABLE = np.uint64(0)
"""The token of what is no plate; no plate is given it."""

_BYTES = types.Array(types.uint8, 1, "C", readonly=True)
_OFFSETS = types.Array(types.int32, 1, "C", readonly=True)
_U = types.uint64
_STATE = types.UniTuple(_U, 4)
_HALVES = types.UniTuple(_U, 2)
_LONGEST = 13
"""Bytes of a plate without its separator: three characters of a script, seven of another."""


@njit(_U(_U, types.int64), cache=True, inline="always")
def _rotated(x: np.uint64, bits: int) -> np.uint64:
    return (x << np.uint64(bits)) | (x >> np.uint64(64 - bits))


@njit(_STATE(_U, _U, _U, _U), cache=True)
def _round(a: np.uint64, b: np.uint64, c: np.uint64, d: np.uint64) -> tuple[np.uint64, ...]:
    a += b
    b = _rotated(b, 13) ^ a
    a = _rotated(a, 32)
    c += d
    d = _rotated(d, 16) ^ c
    a += d
    d = _rotated(d, 21) ^ a
    c += b
    b = _rotated(b, 17) ^ c
    c = _rotated(c, 32)
    return a, b, c, d


@njit(_U(_U, _U, types.int64, _U, _U), cache=True)
def siphash(
    low: np.uint64, high: np.uint64, length: int, key0: np.uint64, key1: np.uint64
) -> np.uint64:
    """SipHash-2-4 of up to 15 bytes.

    Args:
        low: bytes 0–7, the first in the lowest bits, high: bytes 8–14; zero behind the last byte.
    """
    a = key0 ^ np.uint64(0x736F6D6570736575)
    b = key1 ^ np.uint64(0x646F72616E646F6D)
    c = key0 ^ np.uint64(0x6C7967656E657261)
    d = key1 ^ np.uint64(0x7465646279746573)
    last = low
    if length >= 8:
        d ^= low
        a, b, c, d = _round(a, b, c, d)
        a, b, c, d = _round(a, b, c, d)
        a ^= low
        last = high
    last |= np.uint64(length) << np.uint64(56)
    d ^= last
    a, b, c, d = _round(a, b, c, d)
    a, b, c, d = _round(a, b, c, d)
    a ^= last
    c ^= np.uint64(0xFF)
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


@njit(types.int64(_BYTES, types.int64, types.int64), cache=True)
def _han_bytes(data: np.ndarray, at: int, end: int) -> int:
    """3 where a character of U+4E00 … U+9FFF begins, else 0."""
    if at + 3 > end or data[at] < 0xE4 or data[at] > 0xE9:
        return 0
    point = ((data[at] & 0x0F) << 12) | ((data[at + 1] & 0x3F) << 6) | (data[at + 2] & 0x3F)
    return 3 if 0x4E00 <= point <= 0x9FFF else 0


@njit(types.boolean(types.uint8), cache=True, inline="always")
def _is_letter(byte: np.uint8) -> bool:
    return bool(0x41 <= byte <= 0x5A)


@njit(types.int64(_BYTES, types.int64, types.int64, types.uint8[::1]), cache=True)
def _in_one_spelling(data: np.ndarray, begin: int, end: int, plate: np.ndarray) -> int:
    """Write the plate without its separator; returns its bytes, 0 where there is no plate.

    A character or none, a letter, a separator or none (· - or space), four to six letters or
    digits, a character or none.
    """
    at, size = begin, 0
    for _ in range(_han_bytes(data, at, end)):
        plate[size] = data[at]
        size += 1
        at += 1
    if at >= end or not _is_letter(data[at]):
        return 0
    plate[size] = data[at]
    size += 1
    at += 1
    if at + 1 < end and data[at] == 0xC2 and data[at + 1] == 0xB7:
        at += 2
    elif at < end and (data[at] == 0x2D or data[at] == 0x20):
        at += 1
    signs = 0
    while at < end and (_is_letter(data[at]) or 0x30 <= data[at] <= 0x39):
        if signs == 6:
            return 0
        plate[size] = data[at]
        size += 1
        at += 1
        signs += 1
    if signs < 4:
        return 0
    for _ in range(_han_bytes(data, at, end)):
        plate[size] = data[at]
        size += 1
        at += 1
    return size if at == end else 0


@njit(types.int64(_OFFSETS, _BYTES, _U, _U, types.uint64[::1]), cache=True)
def tokens_of(
    offsets: np.ndarray, data: np.ndarray, key0: np.uint64, key1: np.uint64, tokens: np.ndarray
) -> int:
    """tokens[text]: the keyed token of each plate, `UNREADABLE` of all else; returns how many.

    Args:
        offsets: int32[text + 1], data: uint8[byte], UTF-8. key0, key1: the secret.
    """
    plate = np.empty(_LONGEST, dtype=np.uint8)
    readable = 0
    for text in range(offsets.shape[0] - 1):
        size = _in_one_spelling(data, offsets[text], offsets[text + 1], plate)
        tokens[text] = UNREADABLE
        if size == 0:
            continue
        low, high = np.uint64(0), np.uint64(0)
        for i in range(min(size, 8)):
            low |= np.uint64(plate[i]) << np.uint64(8 * i)
        for i in range(8, size):
            high |= np.uint64(plate[i]) << np.uint64(8 * (i - 8))
        # one in 2^64 is moved to its neighbour, so that nought keeps its meaning
        tokens[text] = max(siphash(low, high, size, key0, key1), np.uint64(1))
        readable += 1
    return readable
