"""Gaps in time bridged as gaps of their shape are best bridged elsewhere in the same series.

A straight line from the last value before a gap to the first behind it knows nothing of what is
usual at that time, and takes the chance of two single values for the state of the road. How much
the values before, those behind, their means over a while, the usual day, and the neighbours before
and behind tell is learnt apart for every distance to both sides: a regression with the least
absolute error (Schlossmacher 1973) over known values that lie so far from known values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from traffic_brain.fusion.usual_days import day_of, like_days

DISTANCES = (1, 2, 3, 4, 6, 8, 11, 14, 18, 24, 32, 48, 72, 96, 144)
"""Bins to a known value, up to which gaps are bridged alike."""
NONE = 1 << 19
"""Distance to a known value where there is none on that side."""
SAMPLES = 6000
"""Known values from which one kind of bridge is learnt."""
DRAWS = 4 * SAMPLES
"""Tries to find as many: where many values are gaps, fewer are found."""
SHORT_BINS, LONG_BINS = 4, 12
"""Of the means before and behind a gap."""
USUAL_BINS = 2
"""Bins to either side that tell what is usual at a time of day on other days."""
LEARNING_ROUNDS = 10
LEAST_OFF = 0.03
"""Errors smaller than this, of the usual one, count alike."""
RIDGE = 1e-3
STRAIGHT = 0.6
"""What a straight line is worth where nothing else is learnt; the rest is the usual day's."""
LEAST_NEARNESS = 1e-6

Kind = tuple[int, int]
"""Indices into ``DISTANCES``: before and behind."""


@dataclass(frozen=True)
class Usual:
    """float64[place, bin] each: median and mean at the time of day over *other* days."""

    median: np.ndarray
    mean: np.ndarray


@dataclass(frozen=True)
class Bridges:
    """Weights of what is known around a gap, by the kind of bridge."""

    weights: Mapping[Kind, np.ndarray]


def learned(values: np.ndarray, near: np.ndarray, of_day: np.ndarray, seed: int) -> Bridges:
    """How the gaps of ``values`` are best bridged.

    Args:
        values: float64[place, bin], NaN in gaps. near: float64[place, place].
        of_day: int64[bin], each column's bin of the day.
    """
    around = _Around(values, near, other_days(values, of_day))
    rng = np.random.default_rng(seed)
    return Bridges({kind: _learned(around, gaps, rng) for kind, gaps in _gaps(values).items()})


def bridged(
    values: np.ndarray,
    near: np.ndarray,
    of_day: np.ndarray,
    bridges: Bridges,
    otherwise: np.ndarray,
) -> np.ndarray:
    """float64[place, bin]: the gaps filled; places without any value by ``otherwise``."""
    around = _Around(values, near, other_days(values, of_day))
    median = around.usual.median
    found = np.where(np.isfinite(values), values, otherwise)
    straight = np.zeros(_Around.TERMS)
    straight[0] = STRAIGHT
    for kind, gaps in _gaps(values).items():
        off = around.terms(gaps) @ bridges.weights.get(kind, straight)
        found[gaps.place, gaps.time] = median[gaps.place, gaps.time] + off
    return found


@dataclass(frozen=True)
class _Gaps:
    """int64[value] each: where values are wanted, and how far the known ones are."""

    place: np.ndarray
    time: np.ndarray
    before: np.ndarray
    behind: np.ndarray

    def where(self, use: np.ndarray) -> _Gaps:
        return _Gaps(self.place[use], self.time[use], self.before[use], self.behind[use])


def _gaps(values: np.ndarray) -> dict[Kind, _Gaps]:
    """The gaps of places that have any value, by the kind of bridge."""
    known = np.isfinite(values)
    bins = np.arange(values.shape[1])
    last = np.maximum.accumulate(np.where(known, bins, -NONE), axis=1)
    following = np.where(known, bins, bins[-1] + NONE)[:, ::-1]
    following = np.minimum.accumulate(following, axis=1)[:, ::-1]
    before, behind = np.minimum(bins - last, NONE), np.minimum(following - bins, NONE)
    place, time = np.nonzero(~known & ((before < NONE) | (behind < NONE)))
    gaps = _Gaps(place, time, before[place, time], behind[place, time])
    i, j = (
        np.searchsorted(DISTANCES, np.minimum(d, DISTANCES[-1])) for d in (gaps.before, gaps.behind)
    )
    which = i * len(DISTANCES) + j
    return {divmod(int(one), len(DISTANCES)): gaps.where(which == one) for one in np.unique(which)}


def _learned(around: _Around, gaps: _Gaps, rng: np.random.Generator) -> np.ndarray:
    """Weights for gaps at these distances, from known values at such distances of known ones."""
    values = around.values
    places, bins = values.shape
    like = rng.integers(0, len(gaps.place), DRAWS)
    drawn = _Gaps(
        rng.integers(0, places, DRAWS),
        rng.integers(0, bins, DRAWS),
        gaps.before[like],
        gaps.behind[like],
    )
    known = np.pad(np.isfinite(values), ((0, 0), (1, 1)))
    first = np.clip(drawn.time - drawn.before, -1, bins) + 1
    last = np.clip(drawn.time + drawn.behind, -1, bins) + 1
    use = known[drawn.place, drawn.time + 1]
    use &= (drawn.before >= NONE) | known[drawn.place, first]
    use &= (drawn.behind >= NONE) | known[drawn.place, last]
    some = drawn.where(np.flatnonzero(use)[:SAMPLES])
    off = values[some.place, some.time] - around.usual.median[some.place, some.time]
    return least_absolute(around.terms(some), off)


def least_absolute(terms: np.ndarray, off: np.ndarray) -> np.ndarray:
    """float64[term]: weights with nearly the least Σ|off − terms · weights|, near a straight line.

    Args:
        terms: float64[sample, term], the first a straight line. off: float64[sample].
    """
    weights: np.ndarray = np.zeros(terms.shape[1])
    weights[0] = STRAIGHT
    size = float(np.abs(off).mean()) if len(off) else 0.0
    if size == 0.0:
        return weights
    terms, off, start = terms / size, off / size, weights
    held = RIDGE * len(off) * np.diag(np.maximum((terms**2).mean(axis=0), 1e-6))
    for _ in range(LEARNING_ROUNDS):
        worth = 1.0 / np.maximum(np.abs(off - terms @ weights), LEAST_OFF)
        weighed = (terms * worth[:, None]).T
        weights = np.linalg.solve(weighed @ terms + held, weighed @ off + held @ start)
    return np.asarray(weights)


class _Around:
    """What is known around a value, as differences from what is usual."""

    TERMS = 13

    def __init__(self, values: np.ndarray, near: np.ndarray, usual: Usual) -> None:
        self.values, self.usual = values, usual
        known = np.isfinite(values)
        off = np.where(known, values - usual.median, 0.0)
        weight = near * (1.0 - np.eye(len(near))) + LEAST_NEARNESS
        self._others = (weight @ off) / np.maximum(weight @ known, 1e-9)
        spans = (SHORT_BINS, LONG_BINS)
        self._until = [values, *(_mean_until(values, n) for n in spans)]
        self._since = [values, *(_mean_until(values[:, ::-1], n)[:, ::-1] for n in spans)]

    def terms(self, gaps: _Gaps) -> np.ndarray:
        """float64[value, term]: of which a side without any known value takes the other's."""
        place, time, before, behind = gaps.place, gaps.time, gaps.before, gaps.behind
        usual = self.usual.median[place, time]
        has_first, has_last = before < NONE, behind < NONE
        first = np.where(has_first, time - before, time + behind)
        last = np.where(has_last, time + behind, first)

        def side(bins: np.ndarray, is_before: np.ndarray) -> list[np.ndarray]:
            pairs = zip(self._until, self._since, strict=True)
            return [np.where(is_before, u[place, bins], s[place, bins]) for u, s in pairs]

        a, a_short, a_long = side(first, has_first)
        b, b_short, b_long = side(last, ~has_last)
        share = before / (before + behind)
        straight = a + share * (b - a)
        low, high = np.minimum(a_short, b_short), np.maximum(a_short, b_short)
        terms = [
            straight - usual,
            self.usual.mean[place, time] - usual,
            a_short - usual,
            b_short - usual,
            a_long - usual,
            b_long - usual,
            a_short - self.usual.median[place, first],
            b_short - self.usual.median[place, last],
            np.minimum(low - usual, 0.0),
            np.maximum(high - usual, 0.0),
            self._others[place, first],
            self._others[place, last],
            np.ones(len(place)),
        ]
        return np.stack(terms, axis=1)


def _mean_until(values: np.ndarray, span: int) -> np.ndarray:
    """float64[place, bin]: mean of what is known in the last ``span`` bins, this one included."""
    known = np.isfinite(values)
    total, count = (
        np.cumsum(np.pad(x, ((0, 0), (span, 0))), axis=1)
        for x in (np.where(known, values, 0.0), known.astype(np.float64))
    )
    sums, counts = total[:, span:] - total[:, :-span], count[:, span:] - count[:, :-span]
    return np.where(counts > 0, sums / np.maximum(counts, 1.0), np.nan)


def other_days(values: np.ndarray, of_day: np.ndarray) -> Usual:
    """What other days tell, each by how much it is of the kind.

    Where no other day tells: of all that is known.
    """
    day, bins = day_of(of_day), int(of_day.max()) + 1
    days = int(day[-1]) + 1
    table = np.full((len(values), days, bins), np.nan)
    table[:, day, of_day] = values
    known = np.isfinite(table)
    kind = like_days(np.where(known, table, 0.0), known.astype(np.float64))
    everywhere = float(np.median(values[np.isfinite(values)]))
    median, mean = np.full(table.shape, everywhere), np.full(table.shape, everywhere)
    shifts = range(-USUAL_BINS, USUAL_BINS + 1)
    for d in range(days if days > 1 else 0):
        others = [e for e in range(days) if e != d]
        told = np.concatenate([np.roll(table[:, others], k, axis=2) for k in shifts], axis=1)
        worth = np.tile(kind[d, others], len(shifts))[None, :, None] * np.isfinite(told)
        total = worth.sum(axis=1)
        some = total > 0
        sums = (np.nan_to_num(told) * worth).sum(axis=1)
        mean[:, d] = np.where(some, sums / np.where(some, total, 1.0), everywhere)
        median[:, d] = np.where(some, _weighted_median(told, worth), everywhere)
    return Usual(median[:, day, of_day], mean[:, day, of_day])


def _weighted_median(told: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """float64[place, bin] of values [place, one, bin]; anything where all are worth nothing."""
    order = np.argsort(np.where(worth > 0, told, np.inf), axis=1)
    told, worth = (np.take_along_axis(x, order, axis=1) for x in (told, worth))
    upto = np.cumsum(worth, axis=1)
    half = np.argmax(upto >= 0.5 * upto[:, -1:], axis=1)
    return np.asarray(np.take_along_axis(told, half[:, None], axis=1)[:, 0])
