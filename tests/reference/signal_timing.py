"""Obvious twins of the kernels for signal timing and for the discharge of queues."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np


def fold(times: Sequence[float], lanes: Sequence[int], lane_count: int, cycle: int) -> np.ndarray:
    """int64[lane, second]."""
    seen = Counter((lane, math.floor(t) % cycle) for t, lane in zip(times, lanes, strict=True))
    return np.array([[seen[lane, s] for s in range(cycle)] for lane in range(lane_count)])


def cycle_score(times: Sequence[float], lanes: Sequence[int], lane_count: int, cycle: int) -> float:
    """Pairs of passes of a lane that meet in a second of the cycle, beyond chance."""
    meeting = pairs = 0
    for lane in range(lane_count):
        own = [math.floor(t) % cycle for t, of in zip(times, lanes, strict=True) if of == lane]
        meeting += sum(a == b for a, b in itertools.permutations(own, 2))
        pairs += len(own) * (len(own) - 1)
    return float((meeting - pairs / cycle) / math.sqrt(2 * pairs / cycle))


def all_timings(
    opening: np.ndarray, green: np.ndarray, clearing: np.ndarray, least: Sequence[int]
) -> dict[tuple[int, ...], float]:
    """The score of every timing that there is, by its starts of stages."""
    stages, cycle = green.shape
    cleared = [int(c) for c in clearing[:, 0]]
    room = cycle - sum(cleared)
    found: dict[tuple[int, ...], float] = {}
    for greens in itertools.product(range(1, room + 1), repeat=stages):
        if sum(greens) != room or any(g < n for g, n in zip(greens, least, strict=True)):
            continue
        for first in range(cycle):
            starts, score, at = [], 0.0, first
            for i in range(stages):
                starts.append(at % cycle)
                score += opening[i, at % cycle]
                score += sum(green[i, (at + k) % cycle] for k in range(greens[i]))
                at += greens[i]
                score += clearing[i, 1 + at % cycle]
                at += cleared[i]
            found[tuple(starts)] = score
    return found


def queue_discharge(
    times: Sequence[float],
    greens: Sequence[tuple[float, float]],
    first_within: float,
    longest_gap: float,
    skipped: int,
) -> tuple[list[float], list[float | None]]:
    """Headways after the vehicles skipped, and when the last of these passed, green by green."""
    headways: list[float] = []
    until: list[float | None] = []
    for begin, end in greens:
        row = [t for t in times if begin <= t <= end]
        if row and row[0] - begin > first_within:
            row = []
        for i in range(1, len(row)):
            if row[i] - row[i - 1] > longest_gap:
                row = row[:i]
                break
        headways += [b - a for a, b in itertools.pairwise(row[skipped - 1 :])]
        until.append(row[skipped - 1] - begin if len(row) > skipped else None)
    return headways, until
