"""Checkpoints: passes of each site, and travel times between sites.

Vehicles cross the borders of ranges, so absorbing only makes tokens of plates; settling takes the
sightings of its own range and of the hour before it. Tokens stay in memory: they are never written.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from traffic_brain.errors import DataRefused
from traffic_brain.fusion.statistics.columns import Register
from traffic_brain.fusion.statistics.sums import SUMS, by_range, rows_of
from traffic_brain.fusion.statistics.tasks import (
    BIN_MS,
    REPEAT_S,
    TIME_MS,
    Absorb,
    Absorbed,
    Arrays,
    Settle,
    Settled,
    Span,
    save_arrays,
)
from traffic_brain.kernels import feed_sums
from traffic_brain.kernels.feed_sums import OUTCOMES
from traffic_brain.kernels.matched_pairs import (
    BUCKET_ROWS,
    WAY_BITS,
    order_sightings,
    pair_sightings,
    take_sightings,
)
from traffic_brain.kernels.pair_figures import FILTER_BINS, PAIR_FIGURES, pair_figures
from traffic_brain.kernels.plates import tokens_of

LONGEST_MS = 1_800_000
"""Half an hour between two cameras: the vehicle was parked."""
PAST_MS = LONGEST_MS + REPEAT_S * 1000 + (FILTER_BINS - 1) * BIN_MS
"""So long before a range begins sightings matter for it."""
FROM_SITE, TO_SITE, BIN_IDX = "from_site", "to_site", "bin_idx"
_NOBODY = np.empty((0, 2), dtype=np.uint64)
MOST_SITES = int(2 ** (WAY_BITS / 2))
SIGHTINGS = "sightings"
"""uint64[n, 2]: (token, mark), see `matched_pairs`."""


def absorb(task: Absorb) -> Absorbed:
    """`SIGHTINGS` of a range, in the order of rows.

    Raises:
        DataRefused: a file cannot be read, or the register has more sites than any city.
    """
    span, feed = task.span, task.feed
    if feed.places > MOST_SITES:
        raise DataRefused(f"{feed.places} sites are registered", f"at most {MOST_SITES} can be")
    register = Register(feed.devices)
    borders = np.array(
        [
            *(span.begin_ms, span.end_ms),
            *(span.begin_of(task.range_idx), span.end_of(task.range_idx)),
        ],
        dtype=np.int64,
    )
    key0, key1 = (np.uint64(half) for half in feed.secret)
    outcomes = np.zeros(OUTCOMES, dtype=np.int64)
    found, strays = [_NOBODY], [_NOBODY]
    for codes, time_ms, plates in rows_of(task):
        count = len(time_ms)
        tokens = np.empty(count, dtype=np.uint64)
        tokens_of(plates.offsets, plates.data, key0, key1, tokens)
        mine, others = np.empty((count, 2), np.uint64), np.empty((count, 2), np.uint64)
        away = outcomes[feed_sums.ELSEWHERE]
        taken = take_sightings(
            *(codes.of_row, register.places(codes.texts), time_ms, tokens, borders),
            *(mine, others, outcomes),
        )
        found.append(mine[:taken])
        strays.append(others[: outcomes[feed_sums.ELSEWHERE] - away].copy())
    late = np.concatenate(strays)
    return Absorbed(
        {SIGHTINGS: np.concatenate(found)},
        by_range({SIGHTINGS: late, TIME_MS: span.begin_ms + _day_ms(late)}, span),
        outcomes,
    )


def settle(task: Settle) -> Settled:
    """Passes of a range, and figures of the pairs that arrive in it.

    ``sums``: int64[bin, site]. The pairs are written to ``task.memory``: from_site, to_site,
    bin_idx and `PAIR_FIGURES`, ordered by site, site, bin.
    """
    assert task.memory is not None
    span, sites = task.span, task.feed.places
    seen = _in_order([part[SIGHTINGS] for part in (*task.past, *task.strays)])
    bins = span.bins_of(task.range_idx)
    passes = np.zeros((bins.stop - bins.start, sites + 1), dtype=np.int64)
    pairs = np.empty(len(seen), dtype=np.int64)
    past_bins = min(FILTER_BINS - 1, bins.start)
    begin, end = (
        at - span.begin_ms for at in (span.begin_of(task.range_idx), span.end_of(task.range_idx))
    )
    borders = np.array([begin - past_bins * BIN_MS, begin, end, BIN_MS], dtype=np.int64)
    count = pair_sightings(seen, borders, REPEAT_S * 1000, LONGEST_MS, passes, pairs)
    outcomes = np.zeros(OUTCOMES, dtype=np.int64)
    outcomes[feed_sums.USED] = passes[:, :sites].sum()
    outcomes[feed_sums.DUPLICATE] = passes[:, sites].sum()
    cells = _cells(np.sort(pairs[:count]), sites, past_bins, bins.start)
    save_arrays(task.memory, cells)
    return Settled({SUMS: np.ascontiguousarray(passes[:, :sites])}, outcomes)


def near(sightings: np.ndarray, span: Span, range_idx: int) -> Arrays:
    """Those `SIGHTINGS` that matter for a range: its own, and some of before it."""
    since = max(span.begin_of(range_idx) - PAST_MS - span.begin_ms, 0)
    at_ms = _day_ms(sightings)
    return {
        SIGHTINGS: sightings[(at_ms >= since) & (at_ms < span.end_of(range_idx) - span.begin_ms)]
    }


def _day_ms(sightings: np.ndarray) -> np.ndarray:
    """int64: ms of the day."""
    return sightings[:, 1].astype(np.uint32).astype(np.int64)


def _in_order(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Sightings ordered by token and time."""
    seen = np.concatenate([_NOBODY, *parts])
    starts = np.zeros((1 << (len(seen) // BUCKET_ROWS).bit_length()) + 1, dtype=np.int64)
    rough, ordered = np.empty_like(seen), np.empty_like(seen)
    order_sightings(seen, starts, rough, ordered)
    return ordered


def _cells(pairs: np.ndarray, sites: int, past_bins: int, first_bin: int) -> Arrays:
    figures = [np.empty(len(pairs), dtype=kind) for kind in PAIR_FIGURES.values()]
    ways = np.empty(len(pairs), dtype=np.int64)
    bins = np.empty(len(pairs), dtype=np.int32)
    count = pair_figures(pairs, past_bins, ways, bins, *figures)
    from_site = (ways[:count] // max(sites, 1)).astype(np.int32)
    return {
        FROM_SITE: from_site,
        TO_SITE: (ways[:count] - np.int64(sites) * from_site).astype(np.int32),
        BIN_IDX: bins[:count] + np.int32(first_bin - past_bins),
        **{name: found[:count] for name, found in zip(PAIR_FIGURES, figures, strict=True)},
    }
