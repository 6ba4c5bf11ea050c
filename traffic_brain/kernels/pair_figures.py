"""Robust figures of the travel times between two cameras.

Travel times pass a filter of the kind of F. Dion and H. Rakha (Estimating dynamic roadway travel
times using automatic vehicle identification data for low sampling rates, Transportation Research
B 40, 2006): what is far from the median of the last quarter of an hour is a stop-over, a detour or
a misread plate.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from traffic_brain.kernels.matched_pairs import BIN_BITS, TRAVEL_BITS

FILTER_BINS = 3
"""The bin itself and the two before it: an online filter knows no future."""
MAD_TO_SD = 1.4826
"""Of a normal distribution."""
FILTER_SD = 3.0
FILTER_RATIO = 0.25
"""Travel times within this share of the median always pass: a few equal ones prove no precision."""

PAIR_FIGURES = {
    "seen": np.int32,
    "seen_travel_sum": np.int64,
    "kept": np.int32,
    "travel_sum": np.int64,
    "travel2_sum": np.int64,
    "median_ms": np.int32,
}
"""And how wide each is: there are millions of cells."""

_WHOLE = types.int64[::1]
_COUNTS = types.int32[::1]


@njit(types.int64(types.int64), cache=True, inline="always")
def _travel_ms(pair: int) -> int:
    return pair & ((1 << TRAVEL_BITS) - 1)


@njit(types.float64(_WHOLE, types.int64, types.int64), cache=True, inline="always")
def _median(values: np.ndarray, first: int, end: int) -> float:
    """Of values in their order."""
    half = (first + end) // 2
    odd = (end - first) % 2
    return float(values[half]) if odd else (values[half - 1] + values[half]) / 2.0


@njit(types.float64(_WHOLE, types.int64, types.float64), cache=True)
def _median_distance(values: np.ndarray, count: int, middle: float) -> float:
    """Of the first ``count`` values, in their order, from ``middle``, in whole numbers.

    The nearest are taken one after the other, from both sides.
    """
    right = 0
    while right < count and values[right] < middle:
        right += 1
    left = right - 1
    last = before = 0
    for _ in range(count // 2 + 1):
        before = last
        if right == count or (left >= 0 and middle - values[left] <= values[right] - middle):
            last = int(middle - values[left])
            left -= 1
        else:
            last = int(values[right] - middle)
            right += 1
    return float(last) if count % 2 else (before + last) / 2.0


@njit(types.int64(_WHOLE, types.int64, types.int64, _WHOLE), cache=True)
def _in_order(pairs: np.ndarray, first: int, end: int, travel_ms: np.ndarray) -> int:
    """Merge the travel times of pairs of one way, each bin of which is in order."""
    count = 0
    for row in range(first, end):
        took = _travel_ms(pairs[row])
        free = count
        while free > 0 and travel_ms[free - 1] > took:
            travel_ms[free] = travel_ms[free - 1]
            free -= 1
        travel_ms[free] = took
        count += 1
    return count


@njit(
    types.int64(
        *(_WHOLE, types.int64, _WHOLE, _COUNTS),
        *(_COUNTS, _WHOLE, _COUNTS, _WHOLE, _WHOLE, _COUNTS),
    ),
    cache=True,
)
def pair_figures(
    pairs: np.ndarray,
    first_bin: int,
    cell_ways: np.ndarray,
    cell_bins: np.ndarray,
    seen: np.ndarray,
    seen_travel: np.ndarray,
    kept: np.ndarray,
    kept_travel: np.ndarray,
    kept_travel_squared: np.ndarray,
    median: np.ndarray,
) -> int:
    """Figures of each way (pair of sites) and bin of arrival; returns how many cells.

    Args:
        pairs: as `pair_sightings` made them, in order.
        first_bin: cells before it are wanted only as the past of others.
        cell_ways: int64[≥ pairs], cell_bins: int32[≥ pairs], output; and the `PAIR_FIGURES`. The
            median is that of the travel times that were kept.
    """
    scratch = np.empty(1024, dtype=np.int64)
    cells = 0
    past = 0
    first = 0
    rows = pairs.shape[0]
    while first < rows:
        cell = pairs[first] >> TRAVEL_BITS
        way, bin_idx = cell >> BIN_BITS, cell & ((1 << BIN_BITS) - 1)
        end = first + 1
        while end < rows and pairs[end] >> TRAVEL_BITS == cell:
            end += 1
        # bins of a way are in order: what is too long ago comes before its last few bins
        oldest = (way << BIN_BITS) + max(bin_idx - FILTER_BINS + 1, 0)
        while pairs[past] >> TRAVEL_BITS < oldest:
            past += 1
        if bin_idx >= first_bin:
            if end - past > scratch.shape[0]:
                scratch = np.empty(2 * (end - past), dtype=np.int64)
            count = _in_order(pairs, past, end, scratch)
            middle = _median(scratch, 0, count)
            spread = _median_distance(scratch, count, middle)
            within = max(FILTER_SD * MAD_TO_SD * spread, FILTER_RATIO * middle)
            all_ms, travel_ms, squared, near = 0, 0, 0, 0
            for row in range(first, end):
                took = _travel_ms(pairs[row])
                all_ms += took
                if abs(took - middle) <= within:
                    scratch[near] = took
                    near += 1
                    travel_ms += took
                    squared += took * took
            cell_ways[cells], cell_bins[cells] = way, bin_idx
            seen[cells], seen_travel[cells], kept[cells] = end - first, all_ms, near
            kept_travel[cells], kept_travel_squared[cells] = travel_ms, squared
            median[cells] = np.int64(_median(scratch, 0, near)) if near > 0 else 0
            cells += 1
        first = end
    return cells
