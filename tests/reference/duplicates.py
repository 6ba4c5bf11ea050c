"""Obvious twin of ``traffic_brain.kernels.duplicates``: a set of what was seen."""

from __future__ import annotations

from collections.abc import Iterable


def repeats(pairs: Iterable[tuple[int, int]]) -> list[bool]:
    seen: set[tuple[int, int]] = set()
    found = []
    for pair in pairs:
        found.append(pair in seen)
        seen.add(pair)
    return found
