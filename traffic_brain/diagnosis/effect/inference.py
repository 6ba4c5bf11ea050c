"""Difference in differences over few days, with an interval that days and places both widen.

For each day the logarithm of the treated group's mean delay is compared with that of its matched
controls (Ashenfelter, Card 1985); what the weather or the season does to both cancels. The effect
is the mean of these contrasts after less that before, within kinds of day (ordinary least squares
with an intercept for each kind). Two things make it uncertain:

- days differ: the contrast's variance over the days of a side. From three days hardly anything can
  be known of a variance, so it is drawn to that of untreated groups of the same size by
  ``PRIOR_DF`` degrees of freedom (moderated t, Smyth 2004);
- places differ: demand drifts here otherwise than there. Untreated groups, each taken as if it had
  been treated (placebos: Abadie, Diamond, Hainmueller 2010), show by how much more than their days
  explain; that variance is added.

The interval is Student's t with Satterthwaite's degrees of freedom. Valid where days of a side
are exchangeable within their kind, and untreated groups drift like the treated one would have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import psi, stdtr, stdtrit

CONTROLS_EACH = 20
"""Junctions that each treated one is compared with."""
PRIOR_DF = 4.0
PLACEBOS = 60
LEAST_PLACE_SD = 0.015
"""Places differ by this much at least, however many days there are: from the few untreated groups
of a city it cannot be told that they do not."""
LEAST_CONTROLS = 3
TINY = 1e-12
OUTLIER = 2.5
"""In robust standard deviations: beyond it a control's day counts for less (Huber 1964)."""


@dataclass(frozen=True)
class Sample:
    """Groups of places by day.

    loss, size: float64[place, day]: what is lost (or takes time), and among how many.
    features: float64[place, feature]: of the days before; places that lie close are alike.
    is_after: bool[day]. stratum: int64[day], the kind of day.
    near: for each place those that its treatment might reach.
    """

    loss: np.ndarray
    size: np.ndarray
    features: np.ndarray
    is_after: np.ndarray
    stratum: np.ndarray
    near: Sequence[frozenset[int]]


@dataclass(frozen=True, slots=True)
class Estimate:
    """An effect on the logarithm of the mean loss; ``df`` 0: it cannot be told."""

    log_effect: float
    day_error: float
    """Standard error that days alone explain."""
    place_error: float
    """Standard error that places add."""
    df: float
    controls: tuple[int, ...]
    contrasts: tuple[float, ...]
    """By day: treated against controls, the mean of the days before set to 0."""

    @property
    def error(self) -> float:
        return float(np.hypot(self.day_error, self.place_error))

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of 95 %, on the logarithm; None: it cannot be told."""
        if self.df <= 0:
            return None
        half = float(stdtrit(self.df, 0.975)) * self.error
        return self.log_effect - half, self.log_effect + half

    @property
    def p_value(self) -> float | None:
        """Two-sided; None: it cannot be told."""
        if self.df <= 0 or self.error <= 0:
            return None
        return float(2.0 * stdtr(self.df, -abs(self.log_effect) / self.error))


Placebo = tuple[float, float]
"""(effect, variance of a day's contrast) of an untreated group."""


def placebos(sample: Sample, pool: Sequence[int], size: int) -> list[Placebo]:
    """What groups of ``size`` untreated places show, each as if it had been treated."""
    return [
        _difference(_contrasts(sample, group, rest)[0], sample)[:2]
        for group, rest in _placebo_groups(sample, pool, size)
    ]


def estimate(
    sample: Sample, treated: Sequence[int], pool: Sequence[int], untreated: Sequence[Placebo]
) -> Estimate:
    """The effect on the places ``treated``, beside controls out of ``pool``.

    ``untreated``: `placebos` of as many places.

    Without controls the days after are compared with those before, and nothing is told of its
    error (``df`` 0).
    """
    contrasts, controls = _contrasts(sample, treated, pool)
    effect, variance, df = _difference(contrasts, sample)
    scale = _scale(sample)
    if not untreated or scale is None:
        return Estimate(effect, 0.0, 0.0, 0.0, controls, tuple(contrasts.tolist()))
    usual, place_variance = _of_places(untreated, df, scale)
    day_df, place_df = df + PRIOR_DF, max(len(pool) / len(treated) - 1.0, 1.0)
    day_variance = (df * variance + PRIOR_DF * usual) / day_df * scale
    total = day_variance + place_variance
    spread = day_variance**2 / day_df + place_variance**2 / place_df
    return Estimate(
        log_effect=effect,
        day_error=float(np.sqrt(day_variance)),
        place_error=float(np.sqrt(place_variance)),
        df=float(total**2 / spread) if spread > 0 else 0.0,
        controls=controls,
        contrasts=tuple(contrasts.tolist()),
    )


def _contrasts(
    sample: Sample, group: Sequence[int], pool: Sequence[int]
) -> tuple[np.ndarray, tuple[int, ...]]:
    """(log loss per head of a group over that of its controls [day], the controls)."""
    members = list(group)
    log_group = np.log(sample.loss[members].sum(axis=0) / sample.size[members].sum(axis=0))
    weights = _weights(sample, members, pool)
    chosen = np.flatnonzero(weights)
    if len(chosen):
        log_group = log_group - _index(sample, chosen, weights[chosen])
    before = log_group[~sample.is_after]
    return log_group - before.mean(), tuple(chosen.tolist())


def _weights(sample: Sample, group: Sequence[int], pool: Sequence[int]) -> np.ndarray:
    """float64[place], sum 1: each member spreads its share of the loss over the places like it."""
    weights = np.zeros(len(sample.loss))
    if not pool:
        return weights
    candidates = np.array(pool)
    loss = sample.loss[:, ~sample.is_after].sum(axis=1)
    for member in group:
        apart = sample.features[candidates] - sample.features[member]
        distance = (apart**2).sum(axis=1)
        like = candidates[np.argsort(distance, kind="stable")[:CONTROLS_EACH]]
        weights[like] += loss[member] / len(like)
    return np.asarray(weights / weights.sum())


def _index(sample: Sample, places: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64[day]: weighted mean of the places' log loss, each against its own usual.

    What lies far out, a control with an accident at its door, counts for less.
    """
    log_loss = np.log(sample.loss[places] / sample.size[places])
    own = log_loss - log_loss.mean(axis=1, keepdims=True)
    middle = np.median(own, axis=0)
    scale = 1.4826 * np.median(np.abs(own - middle)) + 1e-12
    far = np.abs(own - middle) / (OUTLIER * scale)
    weight = weights[:, None] / np.maximum(far, 1.0)
    return np.asarray((own * weight).sum(axis=0) / weight.sum(axis=0))


def _difference(contrasts: np.ndarray, sample: Sample) -> tuple[float, float, float]:
    """(after less before, residual variance, its degrees of freedom), within kinds of day."""
    effect = _effect(contrasts, sample)
    left = contrasts - effect * sample.is_after
    for kind in np.unique(sample.stratum):
        left[sample.stratum == kind] -= left[sample.stratum == kind].mean()
    df = len(contrasts) - len(np.unique(sample.stratum)) - 1
    return effect, float((left**2).sum() / df) if df > 0 else 0.0, float(max(df, 0))


def _effect(contrasts: np.ndarray, sample: Sample) -> float:
    total = weight = 0.0
    for kind in np.unique(sample.stratum):
        here = sample.stratum == kind
        after, before = contrasts[here & sample.is_after], contrasts[here & ~sample.is_after]
        if len(after) and len(before):
            counts = len(after) * len(before) / (len(after) + len(before))
            total += counts * (after.mean() - before.mean())
            weight += counts
    return float(total / weight) if weight else 0.0


def _scale(sample: Sample) -> float | None:
    """Variance of the effect over that of one day; None: no kind of day is on both sides."""
    weight = 0.0
    for kind in np.unique(sample.stratum):
        here = sample.stratum == kind
        after, before = (here & sample.is_after).sum(), (here & ~sample.is_after).sum()
        if after and before:
            weight += after * before / (after + before)
    return float(1.0 / weight) if weight else None


def _placebo_groups(
    sample: Sample, pool: Sequence[int], size: int
) -> list[tuple[list[int], list[int]]]:
    """(group, its controls) of untreated places: each group hangs together as the treated do."""
    if len(pool) < 2 * LEAST_CONTROLS:
        size = 1
    size = max(1, min(size, len(pool) // 3))
    step = max(1, len(pool) // PLACEBOS)
    free = set(pool)
    groups = []
    for start in pool[::step]:
        group = {start: None}
        frontier = [start]
        for here in frontier:
            for other in sorted(sample.near[here] & free):
                if other not in group and len(group) < size:
                    group[other] = None
                    frontier.append(other)
        others = [p for p in pool if p not in group]
        group |= dict.fromkeys(others[: size - len(group)])
        rest = [p for p in others if p not in group]
        if rest:
            groups.append((sorted(group), rest))
    return groups


def _of_places(untreated: Sequence[Placebo], df: float, scale: float) -> tuple[float, float]:
    """(usual variance of a day's contrast, variance that places add to an effect).

    The first is the mean of the placebos' logarithms, freed of its bias (Smyth 2004): a wild place
    does not decide. The second weights placebos by how well their days tell their effect
    (DerSimonian, Laird 1986, about a mean of 0).
    """
    effects, variances = np.array(untreated).T
    if df <= 0:
        return float((effects**2).mean()) / scale, LEAST_PLACE_SD**2
    bias = psi(df / 2.0) - np.log(df / 2.0)
    usual = float(np.exp(np.log(np.maximum(variances, TINY)).mean() - bias))
    drawn = (df * variances + PRIOR_DF * usual) / (df + PRIOR_DF) * scale
    expected = len(effects) * (df + PRIOR_DF) / (df + PRIOR_DF - 2.0)
    beyond = float((effects**2 / drawn).sum()) - expected
    return usual, max(beyond / float((1.0 / drawn).sum()), LEAST_PLACE_SD**2)
