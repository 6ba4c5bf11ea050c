"""Plates become keyed tokens here, and nowhere is a plate kept.

A plain hash of a plate is brute-forced in seconds (there are about 10^9 plates), so the hash is
keyed with a secret that is made anew for every day that is read, lives in memory only, and is gone
with it: tokens of two days, or of two readings of one, have nothing in common, and nobody can
make a plate's token afterwards. The tokens, too, stay inside the ingest.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable

import numpy as np

_PLATE = re.compile(r"([\u4e00-\u9fff]?[A-Z])[·\- ]?([A-Z0-9]{4,6}[\u4e00-\u9fff]?)")
"""What stands before and after the separator, which some cameras send and some do not."""
UNREADABLE = -1


def in_one_spelling(plates: Iterable[object]) -> np.ndarray:
    """object[row]: each plate without its separator; an empty text where none can be read."""
    found = (_PLATE.fullmatch(plate) if isinstance(plate, str) else None for plate in plates)
    return np.array(["".join(match.groups()) if match else "" for match in found], dtype=object)


def tokens(plates: Iterable[str]) -> np.ndarray:
    """int64[row]: one number per distinct plate of one spelling, ``UNREADABLE`` for empty texts.

    The numbers are given in order of the first sighting, so that they — unlike the keyed hash
    with its fresh secret — are the same in every run over the same rows.
    """
    secret = secrets.token_bytes(32)
    seen: dict[bytes, int] = {}
    found = []
    for plate in plates:
        if not plate:
            found.append(UNREADABLE)
            continue
        digest = hashlib.blake2b(plate.encode(), key=secret, digest_size=16).digest()
        found.append(seen.setdefault(digest, len(seen)))
    return np.array(found, dtype=np.int64)
