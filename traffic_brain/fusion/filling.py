"""Gaps in series of many places filled from their own past, their days and their neighbours.

Several experts each fill all gaps: a straight line in time, a bridge in time as is learnt from gaps
of the same shape (``bridging``), the usual day, the neighbours at that time, near and nearest, a
straight line in place between those around, and a Gaussian process over places × times that knows
a bit of each (``field_process``). What each expert is worth is tried out: known values are hidden
in gaps like the real ones, and the experts are weighed so that together they miss them least, apart
for gaps that begin just beside a known value and for those that are far from any.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import nnls

from traffic_brain.fusion.bridging import Bridges, bridged, learned
from traffic_brain.fusion.field_process import Likeness, by_process, positive
from traffic_brain.fusion.usual_days import usual_day

TRIALS_ROUNDS = 12
NEARER = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Powers of nearness: neighbours in an ever smaller circle."""
TRIALS = 4
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
HIDDEN_FOR_TRIAL = 0.1
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
    bridges = learned(values, near, of_day, seed)
    field = _Field(near, positive(near), _edges(near), of_day, bridges)
    likeness = _best(np.where(hidden[0], np.nan, values), values, field, hidden[0])
    judged = _weights([_tried(values, field, likeness, one) for one in hidden])
    experts = _experts(values, field, likeness)
    filled = np.where(known, values, 0.0)
    far = _distance(known)
    for (nearest, furthest), weights in judged.items():
        here = ~known & (far > nearest) & (far <= furthest)
        filled[here] = weights @ experts[:, here]
    return Filled(filled, likeness)


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
    """near as given, as a process can have it, who lies beside whom, each column's bin of day.

    And how gaps in time are bridged.
    """

    near: np.ndarray
    alike: np.ndarray
    edges: np.ndarray
    of_day: np.ndarray
    bridges: Bridges


def _best(rest: np.ndarray, values: np.ndarray, field: _Field, hidden: np.ndarray) -> Likeness:
    """The likeness that fills the trial best, one figure after the other."""
    if not hidden.any() or not np.isfinite(rest).any():
        return Likeness()
    best, least = Likeness(), np.inf
    for name, figures in (("noise", (Likeness().noise,)), *_TRIED.items()):
        for figure in figures:
            one = replace(best, **{name: figure})
            told = by_process(rest, field.near, field.alike, field.of_day, one, TRIALS_ROUNDS)
            off = told[hidden] - values[hidden]
            error = float(np.abs(off).mean())
            if error < least:
                best, least = one, error
    return best


def _experts(values: np.ndarray, field: _Field, likeness: Likeness) -> np.ndarray:
    """float64[expert, place, bin]: each one's opinion of every value, gaps or not."""
    known = np.isfinite(values)
    usual = usual_day(values, field.near, field.of_day)
    line = _line(values, usual)
    off = _line(np.where(known, values - usual, np.nan), np.zeros_like(usual))
    near = [_of_neighbours(values, field.near**power, usual) for power in NEARER]
    process = by_process(values, field.near, field.alike, field.of_day, likeness)
    between = [
        _between(values, field.edges, usual),
        _between(values, field.edges, np.zeros_like(usual)),
    ]
    bridge = bridged(values, field.near, field.of_day, field.bridges, usual)
    return np.stack([process, bridge, line, usual + off, usual, *between, *near])


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
