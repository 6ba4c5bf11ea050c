"""Checkpoints: passes of each site, and travel times between sites.

Vehicles cross the borders of ranges, so absorbing only makes tokens of plates; settling takes the
sightings of its own range and of the hour before it. Tokens stay in memory: they are never written.
"""

from __future__ import annotations

import numpy as np

from traffic_brain.fusion.statistics.columns import Register
from traffic_brain.fusion.statistics.sums import SUMS, rows_of, with_ranges
from traffic_brain.fusion.statistics.tasks import (
    BIN_MS,
    REPEAT_S,
    TIME_MS,
    Absorb,
    Absorbed,
    Arrays,
    Settle,
    Settled,
    joined,
)
from traffic_brain.kernels import feed_sums
from traffic_brain.kernels.feed_sums import OUTCOMES
from traffic_brain.kernels.matched_pairs import (
    FILTER_BINS,
    PAIR_FIGURES,
    order_by_token,
    pair_figures,
    pair_sightings,
    take_sightings,
)
from traffic_brain.kernels.plates import tokens_of

LONGEST_MS = 1_800_000
"""Half an hour between two cameras: the vehicle was parked."""
PAST_MS = LONGEST_MS + REPEAT_S * 1000 + (FILTER_BINS - 1) * BIN_MS
"""So long before a range begins sightings matter for it."""
FROM_SITE, TO_SITE, BIN_IDX, FIGURES = "from_site", "to_site", "bin_idx", "figures"
_MOST_BINS = 512
"""More than a day has."""
_NOBODY: Arrays = {
    "token": np.empty(0, dtype=np.uint64),
    "device": np.empty(0, dtype=np.int32),
    TIME_MS: np.empty(0, dtype=np.int64),
}


def absorb(task: Absorb) -> Absorbed:
    """Sightings of a range, in the order of rows: token, device (site), time_ms."""
    span, feed = task.span, task.feed
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
    taken, strays = [_NOBODY], [_NOBODY]
    for codes, time_ms, plates in rows_of(task):
        count = len(time_ms)
        tokens = np.empty(count, dtype=np.uint64)
        tokens_of(plates.offsets, plates.data, key0, key1, tokens)
        sites = np.empty(count, dtype=np.int32)
        rows = np.empty(count, dtype=np.int64)
        away = np.zeros(count + 1, dtype=np.int64)
        mine = take_sightings(
            *(codes.of_row, register.places(codes.texts), time_ms, tokens, borders),
            *(sites, rows, outcomes, away),
        )
        for found, chosen in ((taken, rows[:mine]), (strays, away[1 : 1 + away[0]])):
            found.append(
                {"token": tokens[chosen], "device": sites[chosen], TIME_MS: time_ms[chosen]}
            )
    return Absorbed(joined(taken), with_ranges(joined(strays), span), outcomes)


def settle(task: Settle) -> Settled:
    """Passes of a range, and figures of the pairs that arrive in it.

    ``sums``: int64[bin, site]. ``from_site, to_site, bin_idx``: int64[cell], ``figures``:
    int64[cell, 6], see `PAIR_FIGURES`; ordered by site, site, bin.
    """
    span, sites = task.span, task.feed.places
    begin, end = span.begin_of(task.range_idx), span.end_of(task.range_idx)
    seen = _in_order(joined([_NOBODY, *task.past, *task.strays]))
    bins = span.bins_of(task.range_idx)
    passes = np.zeros((bins.stop - bins.start, sites + 1), dtype=np.int64)
    pairs = np.empty((len(seen[TIME_MS]), 4), dtype=np.int64)
    wanted = begin - (FILTER_BINS - 1) * BIN_MS
    borders = np.array([wanted, begin, end, BIN_MS], dtype=np.int64)
    count = pair_sightings(
        *(seen["token"], seen["device"], seen[TIME_MS], borders),
        REPEAT_S * 1000,
        LONGEST_MS,
        passes,
        pairs,
    )
    outcomes = np.zeros(OUTCOMES, dtype=np.int64)
    outcomes[feed_sums.USED] = passes[:, :sites].sum()
    outcomes[feed_sums.DUPLICATE] = passes[:, sites].sum()
    cells = _cells(pairs[:count], sites, (pairs[:count, 2] - span.begin_ms) // BIN_MS, bins.start)
    return Settled({SUMS: np.ascontiguousarray(passes[:, :sites]), **cells}, outcomes)


def between(sightings: Arrays, begin_ms: int, end_ms: int) -> Arrays:
    """Those sightings that matter for the range [begin, end)."""
    time_ms = sightings[TIME_MS]
    inside = (time_ms >= begin_ms - PAST_MS) & (time_ms < end_ms)
    return {name: sightings[name][inside] for name in _NOBODY}


def _in_order(seen: Arrays) -> Arrays:
    """Sightings ordered by token and time."""
    by_time = np.argsort(seen[TIME_MS], kind="stable")
    tokens = seen["token"][by_time]
    order = np.empty(len(tokens), dtype=np.int64)
    starts = np.zeros((1 << max(len(tokens), 1).bit_length()) + 1, dtype=np.int64)
    order_by_token(tokens, starts, order)
    rows = by_time[order]
    return {"token": tokens[order], "device": seen["device"][rows], TIME_MS: seen[TIME_MS][rows]}


def _cells(pairs: np.ndarray, sites: int, bins: np.ndarray, first_bin: int) -> Arrays:
    ways = pairs[:, 0] * sites + pairs[:, 1]
    # the order of equal ones changes no figure
    order = np.argsort(ways * _MOST_BINS + bins)
    cell_ways, cell_bins = (np.empty(len(order), dtype=np.int64) for _ in range(2))
    figures = np.zeros((len(order), len(PAIR_FIGURES)), dtype=np.int64)
    count = pair_figures(
        *(ways[order], bins[order], np.ascontiguousarray(pairs[:, 3][order]), first_bin),
        *(cell_ways, cell_bins, figures),
    )
    return {
        FROM_SITE: cell_ways[:count] // max(sites, 1),
        TO_SITE: cell_ways[:count] % max(sites, 1),
        BIN_IDX: cell_bins[:count],
        FIGURES: figures[:count],
    }
