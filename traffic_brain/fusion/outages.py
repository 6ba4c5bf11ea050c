"""Stretches in which a source, or all of them, said nothing.

While any source speaks the others are filled from it and from what is usual. While none does,
nothing is known of the streets: the state says so, and gives no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from traffic_brain.fusion.window import BIN_S, Window

LEAST_BINS = 2
LEAST_EXPECTED = 30
"""Rows that would have come at the mean rate: a quiet night is no outage."""


def silent_bins(times: Sequence[np.ndarray], window: Window) -> np.ndarray:
    """bool[bin]: bins of stretches without any row, where many were to be expected.

    Args:
        times: float64[row] s of the day, of each table. A source that never spoke is silent
            everywhere.
    """
    together = np.concatenate([np.empty(0), *times])
    inside = together[(together >= window.begin_s) & (together < window.end_s)]
    rows = np.bincount(window.bin_idx(inside), minlength=window.bin_count)
    if not len(inside):
        return np.ones(window.bin_count, dtype=bool)
    least = max(LEAST_BINS, int(np.ceil(LEAST_EXPECTED / rows[rows > 0].mean())))
    silent = np.zeros(window.bin_count, dtype=bool)
    for first, after in _runs(rows == 0):
        silent[first:after] = after - first >= least
    return silent


def stretches_s(marked: np.ndarray, window: Window) -> list[tuple[int, int]]:
    """(begin, end) in seconds of the day of each run of marked bins."""
    begin_s = window.begin_s
    return [(begin_s + a * BIN_S, begin_s + b * BIN_S) for a, b in _runs(marked)]


def filled(values: np.ndarray) -> np.ndarray:
    """Values [row, bin] with what is not known drawn straight from the bins before and after.

    For those who need a number in every bin: plans must be made for hours that nobody saw, too.
    Of what is not known at all day they get zeros: nobody was seen.
    """
    known = np.isfinite(values).any(axis=0)
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    bins = np.arange(values.shape[1])
    return np.array([np.interp(bins, bins[known], row[known]) for row in values])


def _runs(marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, one after the last) index of each run of True."""
    padded = np.concatenate([[False], marked, [False]])
    edges = np.flatnonzero(padded[1:] != padded[:-1]).tolist()
    yield from list(pairwise(edges))[::2]
