"""Gaps in series of many places filled from their own past, their days and their neighbours.

Several experts each fill all gaps: a straight line in time, the usual day, the neighbours at that
time, near and nearest, a straight line in place between those around, and a Gaussian process over
places × times that knows a bit of each. What
each expert is worth is tried out: known values are hidden in gaps like the real ones, and the
experts are weighed so that together they miss them least, apart for gaps that begin just
beside a known value and for those that are far from any.

The process (Rasmussen and Williams 2006) models what differs from the usual day by three kinds of
differences: of a region for hours, of a region for minutes, of a single place. Each is a product
of a likeness of places and one of times, so that the whole is solved by conjugate gradients with
small matrices and Fourier transforms (Saatçi 2011, ch. 5; Wilson et al. 2014 for gaps).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

ROUNDS = 40
TOLERANCE = 1e-3
TRIALS_ROUNDS = 12
NEARER = (0.5, 1.0, 2.0, 4.0, 8.0)
TRIALS = 4
"""Powers of nearness: neighbours in an ever smaller circle."""
FAR_BINS = (2, 6, 18, 1 << 30)
"""Bins to the nearest known value of the place, up to which gaps are judged together."""
LEAST_TRIED = 100
WEIGHING_ROUNDS = 8
LEAST_NEARNESS = 1e-6
LEAST_FAR = 1e-3
LEAST_EDGE = 1e-6
EVENNESS = 0.1
"""How strongly experts between which the trial shows little are held to their worth alone."""
WORTH_POWER = 4.0
"""An expert's worth alone falls with this power of its error: twice the error, a sixteenth."""
SMOOTHED_BINS = 6
"""A usual day is smoothed over this many bins to either side."""
OWN_DAYS = 0.2
"""So many days of its own a place needs to be believed as much as its neighbours."""
LEAST_SD_RATIO = 0.05
KIND_POWER = 3.0
"""How much less a day tells of another with the square of their difference."""
HIDDEN_FOR_TRIAL = 0.1


@dataclass(frozen=True)
class Likeness:
    """Variances of the three differences and of noise, beside each other, and their times."""

    region_hours: float = 0.1
    region_minutes: float = 1.0
    place: float = 1.0
    noise: float = 0.2
    hours_bins: float = 48.0
    minutes_bins: float = 4.0
    place_bins: float = 6.0


_TRIED: dict[str, tuple[float, ...]] = {"noise": (0.05, 0.6), "place_bins": (24.0, 96.0)}


@dataclass(frozen=True)
class Filled:
    """series: float64[place, bin] without gaps."""

    series: np.ndarray
    likeness: Likeness


def fill(
    values: np.ndarray, near: np.ndarray, bins_per_day: int, *, first_bin: int = 0, seed: int = 0
) -> Filled:
    """Fill the gaps.

    Args:
        values: float64[place, bin], NaN where nothing is known.
        near: float64[place, place], 1 on the diagonal, how alike places are by distance alone;
            made positive definite here.
        bins_per_day: bins after which a day repeats.
        first_bin: bin of the day of the first column.
        seed: of the trial.

    Raises:
        ValueError: nothing at all is known.
    """
    if not np.isfinite(values).any():
        raise ValueError("nothing is known: there is nothing to fill from")
    of_day = (np.arange(values.shape[1]) + first_bin) % bins_per_day
    known = np.isfinite(values)
    rng = np.random.default_rng(seed)
    hidden = [_trial(known, bins_per_day, n, rng) for n in range(TRIALS)]
    field = _Field(near, _positive(near), _edges(near), of_day)
    likeness = _best(np.where(hidden[0], np.nan, values), values, field, hidden[0])
    judged = _weights([_tried(values, field, likeness, one) for one in hidden])
    experts = _experts(values, field, likeness)
    filled = np.where(known, values, 0.0)
    far = _distance(known)
    for (nearest, furthest), weights in judged.items():
        here = ~known & (far > nearest) & (far <= furthest)
        filled[here] = weights @ experts[:, here]
    return Filled(filled, likeness)


def _positive(near: np.ndarray) -> np.ndarray:
    """The nearest likeness that a process can have: negative eigenvalues cut, ones restored."""
    size, vectors = np.linalg.eigh(0.5 * (near + near.T))
    whole = (vectors * np.maximum(size, 0.0)) @ vectors.T
    scale = np.sqrt(np.maximum(np.diag(whole), 1e-9))
    return np.asarray(whole / scale[:, None] / scale[None])


def _trial(
    known: np.ndarray, bins_per_day: int, number: int, rng: np.random.Generator
) -> np.ndarray:
    """bool[place, bin]: known values to hide, in gaps like the real ones.

    The gaps are laid upon other places and other days at the same time of day: what fills the
    night well need not fill the rush hour. All trials together hide nearly every place once.
    """
    places, bins = known.shape
    days = bins // bins_per_day
    shift = (1 + number % (days - 1)) * bins_per_day if days > 1 else int(rng.integers(1, bins))
    gaps = np.asarray(~known)
    hidden = np.zeros_like(known)
    together = np.asarray(gaps.all(axis=0))
    if together.any():  # times that nobody saw: hide such times again, elsewhere
        again = np.roll(together, shift)
        hidden |= _apart(again[None], together[None])
    whole = np.asarray(gaps.all(axis=1))
    if whole.any():  # neighbours that are silent together stay neighbours
        hidden[np.roll(whole, (number + 1) * places // (TRIALS + 1))] = True
    apart = gaps & ~whole[:, None] & ~together[None]
    if apart.any():
        again = np.roll(apart[rng.permutation(places)], shift, axis=1)
        hidden |= _apart(again, gaps)
    if not hidden.any():
        hidden = rng.random(known.shape) < HIDDEN_FOR_TRIAL
    return np.asarray(hidden & known)


def _apart(trial: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """The stretches of the trial that do not touch a gap: joined they would be longer than any."""
    start = trial & ~np.pad(trial, ((0, 0), (1, 0)))[:, :-1]
    stretch = np.cumsum(start.ravel()).reshape(trial.shape)
    beside = np.pad(gaps, ((0, 0), (1, 1)))
    touched = trial & (gaps | beside[:, :-2] | beside[:, 2:])
    bad = np.bincount(stretch[touched], minlength=int(stretch.max()) + 1) > 0
    return np.asarray(trial & ~bad[stretch])


@dataclass(frozen=True)
class _Field:
    """near as given, as a process can have it, who lies beside whom, each column's bin of day."""

    near: np.ndarray
    alike: np.ndarray
    edges: np.ndarray
    of_day: np.ndarray


def _best(rest: np.ndarray, values: np.ndarray, field: _Field, hidden: np.ndarray) -> Likeness:
    """The likeness that fills the trial best, one figure after the other."""
    if not hidden.any() or not np.isfinite(rest).any():
        return Likeness()
    best, least = Likeness(), np.inf
    for name, figures in (("noise", (Likeness().noise,)), *_TRIED.items()):
        for figure in figures:
            one = replace(best, **{name: figure})
            off = _by_process(rest, field, one, TRIALS_ROUNDS)[hidden] - values[hidden]
            error = float(np.abs(off).mean())
            if error < least:
                best, least = one, error
    return best


def _experts(values: np.ndarray, field: _Field, likeness: Likeness) -> np.ndarray:
    """float64[expert, place, bin]: each one's opinion of every value, gaps or not."""
    known = np.isfinite(values)
    usual = _usual_day(values, field.near, field.of_day)
    line = _line(values, usual)
    off = _line(np.where(known, values - usual, np.nan), np.zeros_like(usual))
    near = [_of_neighbours(values, field.near**power, usual) for power in NEARER]
    process = _by_process(values, field, likeness, ROUNDS)
    between = [
        _between(values, field.edges, usual),
        _between(values, field.edges, np.zeros_like(usual)),
    ]
    return np.stack([process, line, usual + off, usual, *between, *near])


def _line(values: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """A straight line in time between known values; of a place without any: ``otherwise``."""
    bins = np.arange(values.shape[1])
    found = otherwise.copy()
    for row, place in zip(values, found, strict=True):
        seen = np.isfinite(row)
        if seen.any():
            place[:] = np.interp(bins, bins[seen], row[seen])
    return found


def _of_neighbours(values: np.ndarray, near: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Mean of all others at that time by nearness; where none is known: ``usual``."""
    weight = near * (1.0 - np.eye(len(near))) + LEAST_NEARNESS
    known = np.isfinite(values)
    told = weight @ known.astype(np.float64)
    total = weight @ np.where(known, values, 0.0)
    mean = usual.copy()
    np.divide(total, told, out=mean, where=told > 0)
    return mean


def _between(values: np.ndarray, edges: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Each place the mean of those beside it, known or not; ``usual`` where none is around.

    Along a road that is a straight line between known places; over a network it is the harmonic
    function (Zhu, Ghahramani, Lafferty 2003) of what differs from ``usual``. Solved once for all
    bins in which the same places are known.
    """
    known = np.isfinite(values)
    off = np.where(known, values - usual, 0.0)
    patterns, which = np.unique(known.T, axis=0, return_inverse=True)
    for n, here in enumerate(patterns):
        bins, gone = np.flatnonzero(which.ravel() == n), np.flatnonzero(~here)
        if not len(gone) or not here.any():
            continue
        held = np.diag(edges[gone].sum(axis=1) + LEAST_EDGE) - edges[np.ix_(gone, gone)]
        off[np.ix_(gone, bins)] = np.linalg.solve(
            held, edges[gone] @ np.where(here[:, None], off[:, bins], 0.0)
        )
    return usual + off


def _edges(near: np.ndarray) -> np.ndarray:
    """float64[place, place]: 1/distance where no third place lies nearer to both, else 0.

    The relative neighbourhood graph (Toussaint 1980): along a road, each station and the next.
    ``near`` falls exponentially with distance.
    """
    with np.errstate(divide="ignore"):
        far = -np.log(np.maximum(0.5 * (near + near.T), 0.0))
    far = np.maximum(far, LEAST_FAR)
    np.fill_diagonal(far, np.inf)
    beside = np.isfinite(far)
    for k in range(len(far)):
        beside &= ~(np.maximum(far[:, k][:, None], far[k][None]) < far)
    return np.where(beside, 1.0 / far, 0.0)


def _distance(known: np.ndarray) -> np.ndarray:
    """int64[place, bin]: bins to the nearest known value of the place; of none: very many."""
    bins = np.arange(known.shape[1])
    none = 1 << 30
    last = np.maximum.accumulate(np.where(known, bins, -none), axis=1)
    following = np.minimum.accumulate(np.where(known, bins, none)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.minimum(np.minimum(bins - last, following - bins), none))


@dataclass(frozen=True)
class _Tried:
    """What the experts said of the hidden values, what they were, and how far from any known."""

    said: np.ndarray
    true: np.ndarray
    far: np.ndarray


def _tried(values: np.ndarray, field: _Field, likeness: Likeness, hidden: np.ndarray) -> _Tried:
    rest = np.where(hidden, np.nan, values)
    far = _distance(np.isfinite(rest))[hidden]
    return _Tried(_experts(rest, field, likeness)[:, hidden], values[hidden], far)


def _weights(tried: list[_Tried]) -> dict[tuple[int, int], np.ndarray]:
    """Weights of the experts by distance (beyond, up to): where little was tried, those of all."""
    said = np.concatenate([one.said for one in tried], axis=1)
    true = np.concatenate([one.true for one in tried])
    far = np.concatenate([one.far for one in tried])
    everywhere = _weighed(said, true)
    found = {}
    for nearest, furthest in itertools.pairwise((0, *FAR_BINS)):
        here = (far > nearest) & (far <= furthest)
        enough = np.count_nonzero(here) >= LEAST_TRIED
        found[nearest, furthest] = _weighed(said[:, here], true[here]) if enough else everywhere
    return found


def _weighed(said: np.ndarray, true: np.ndarray) -> np.ndarray:
    """float64[expert] ≥ 0, sum 1: the mean with the least absolute error.

    Least absolute errors by least squares with weights of their own (Schlossmacher 1973), the
    sum held by a row that counts for more than all others, and each weight by a weak row near
    what the expert is worth alone.
    """
    if not len(true):
        return np.asarray(np.eye(len(said))[0])
    error = np.maximum(np.abs(said - true).mean(axis=1), 1e-9)
    size = float(error.min())
    one = np.full((1, len(said)), 1.0)
    alone = (error.min() / error) ** WORTH_POWER
    alone /= alone.sum()
    weights = alone
    for _ in range(WEIGHING_ROUNDS):
        off = np.abs(weights @ said - true) / size
        root = 1.0 / np.sqrt(np.maximum(off, 1e-2))
        heavy = 100.0 * float(np.sqrt((root**2).sum()))
        even = EVENNESS * float(np.sqrt((root**2).sum()))
        held = even * np.eye(len(said))
        matrix = np.concatenate([((said - true) / size * root).T, held, heavy * one])
        goal = np.concatenate([np.zeros(len(true)), even * alone, [heavy]])
        weights, _ = nnls(matrix, goal)
        weights /= max(float(weights.sum()), 1e-9)
    return np.asarray(weights)


def _by_process(values: np.ndarray, field: _Field, likeness: Likeness, rounds: int) -> np.ndarray:
    known = np.isfinite(values)
    usual = _usual_day(values, field.near, field.of_day)
    off = np.where(known, values - usual, 0.0)
    size = _usual_size(off, known, field.of_day)
    kernel = _Kernel(field.alike, values.shape[1], likeness)
    weights = _solved(kernel, known, off / size, likeness.noise, rounds)
    return np.asarray(usual + size * kernel.times(weights))


def _usual_day(values: np.ndarray, near: np.ndarray, of_day: np.ndarray) -> np.ndarray:
    """float64[place, bin]: mean at the time of day over days of the kind.

    Of the place itself and, by need, of its neighbours.
    """
    day, bins = _day_of(of_day), int(of_day.max()) + 1
    shape = (len(values), int(day[-1]) + 1, bins)
    total, count = np.zeros(shape), np.zeros(shape)
    known = np.isfinite(values)
    total[:, day, of_day] = np.where(known, values, 0.0)
    count[:, day, of_day] = known
    kind = _like_days(total, count)
    total = _around(np.einsum("de,peb->pdb", kind, total))
    count = _around(np.einsum("de,peb->pdb", kind, count))
    of_all = count.sum(axis=0)
    city = np.where(of_all > 0, total.sum(axis=0) / np.maximum(of_all, 1e-9), values[known].mean())
    mean = np.where(count > 0, total / np.maximum(count, 1e-9), city[None])
    weight = near * (1.0 - np.eye(len(near)))
    told = np.tensordot(weight, count, axes=1)
    others = (np.tensordot(weight, count * mean, axes=1) + 0.1 * city[None]) / (told + 0.1)
    share = count / (count + OWN_DAYS)
    usual = share * mean + (1.0 - share) * others
    return np.asarray(usual[:, day, of_day])


def _day_of(of_day: np.ndarray) -> np.ndarray:
    """int64[bin]: which day a column belongs to."""
    return np.concatenate([[0], np.cumsum(np.diff(of_day) < 0)])


def _like_days(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """float64[day, day]: how much a day tells of another, 1 for itself and its nearest.

    Days of a kind (weekday, weekend) are found by their values where both are known.
    """
    days = total.shape[1]
    square = np.full((days, days), np.inf)
    for a, b in itertools.permutations(range(days), 2):
        both = (count[:, a] > 0) & (count[:, b] > 0)
        if both.any():
            square[a, b] = float(((total[:, a] - total[:, b])[both] ** 2).mean()) + 1e-9
    nearest = square.min(axis=1, initial=np.inf, keepdims=True)
    alike = np.where(np.isfinite(nearest), (nearest / square) ** KIND_POWER, 1.0)
    alike[np.diag_indices(days)] = 1.0
    return np.asarray(alike)


def _usual_size(off: np.ndarray, known: np.ndarray, of_day: np.ndarray) -> np.ndarray:
    """float64[1, bin]: how far values usually are from the usual day, by time of day."""
    square = np.bincount(of_day, (off**2).sum(axis=0))
    count = np.bincount(of_day, known.sum(axis=0))
    size = np.sqrt(_around(square) / np.maximum(_around(count), 1e-9))
    least = LEAST_SD_RATIO * float(np.sqrt((off[known] ** 2).mean())) + 1e-9
    return np.asarray(np.maximum(size, least)[of_day][None])


def _around(values: np.ndarray) -> np.ndarray:
    """Mean over ``SMOOTHED_BINS`` of the day to either side, along the last axis."""
    shifts = range(-SMOOTHED_BINS, SMOOTHED_BINS + 1)
    return np.asarray(np.mean([np.roll(values, k, axis=-1) for k in shifts], axis=0))


class _Kernel:
    """Σ likeness of places ⊗ likeness of times, as an operator on float64[place, bin]."""

    def __init__(self, near: np.ndarray, bins: int, likeness: Likeness) -> None:
        length = 1 << int(np.ceil(np.log2(2 * bins)))
        lag = np.minimum(np.arange(length), length - np.arange(length))
        region, alone = (
            sum(size * np.fft.rfft(np.exp(-lag / lasting)).real for size, lasting in parts)
            for parts in (
                (
                    (likeness.region_hours, likeness.hours_bins),
                    (likeness.region_minutes, likeness.minutes_bins),
                ),
                ((likeness.place, likeness.place_bins),),
            )
        )
        self._near, self._region, self._alone = near, region, alone
        self._bins, self._length = bins, length

    def times(self, weights: np.ndarray) -> np.ndarray:
        spectrum = np.fft.rfft(weights, self._length, axis=1)
        around = (self._near @ spectrum.view(np.float64)).view(np.complex128)
        total = around * self._region + spectrum * self._alone
        return np.asarray(np.fft.irfft(total, self._length, axis=1)[:, : self._bins])


def _solved(
    kernel: _Kernel, known: np.ndarray, off: np.ndarray, noise: float, rounds: int
) -> np.ndarray:
    """Weights of the known values: (K + noise) w = off, by conjugate gradients."""
    weights = np.zeros_like(off)
    left = np.where(known, off, 0.0)
    way, power = left.copy(), float((left**2).sum())
    goal = TOLERANCE**2 * power
    for _ in itertools.repeat(None, rounds):
        if power <= goal:
            break
        ahead = np.where(known, kernel.times(way) + noise * way, 0.0)
        step = power / float((way * ahead).sum())
        weights += step * way
        left -= step * ahead
        now = float((left**2).sum())
        way, power = left + now / power * way, now
    return weights
