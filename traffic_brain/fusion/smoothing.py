"""What a link's log pace was, bin by bin, from scattered observations and a prior.

The deviation from the prior is a first-order autoregression: it changes a little from bin to bin
and is slowly drawn back to the prior. Queues that form and locks that break change it a lot at
once; so steps follow Student's t, whose large values are rare but not absurd, and errors of
observations do too. Both are fitted as Gaussians with weights of their own (Lange, Little, Taylor
1989): a Kalman filter and a Rauch–Tung–Striebel smoother, for all links at once, in turn with
the weights and with the usual size of a step (expectation–maximisation; Shumway, Stoffer 1982).
Where vehicles wait, pace changes more from bin to bin than where they drive: without that, what is
usual for the many links that are free would take a fifth of their delay from the few that jam.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d

DRAWN_BACK_S = 4 * 3600.0
"""A link stays better or worse than others like it for hours."""
STEP_FREEDOM = 3.0
ERROR_FREEDOM = 30.0
LEAST_STEP_SD = 0.02
MOST_STEP_SD = 0.4
FIRST_SWING_SD = 0.3
LEAST_SWING_SD = 0.01
MOST_SWING_SD = 1.0
MOST_SURPRISE = 2.0
"""No single bin counts as more, in log pace, when the usual swing is found."""
WAITING_SD = 0.6
"""By so much more log pace steps, and swings, where all time is lost, and by its square part where
some is; our own figure, between 0.5 and 0.7: more errs less in delay, and more in proportion."""
ALL_LINKS_WORTH_BINS = 2.0
"""What all links show of swings counts as much as so many bins of the link itself."""


@dataclass(frozen=True)
class Track:
    """float64[link, bin]: deviation from the prior, its variance, and each step's share.

    ``step_weight``: 1 for an ordinary step into a bin, near 0 for a break.
    ``step_sd``: the usual size of a step.
    ``swing``: float64[link, 1], variance of a bin's own swing.
    """

    mean: np.ndarray
    variance: np.ndarray
    step_weight: np.ndarray
    step_sd: float
    swing: np.ndarray

    @staticmethod
    def start(prior_sd: np.ndarray, bins: int) -> Track:
        """Before anything was seen."""
        shape = (len(prior_sd), bins)
        variance = np.repeat(prior_sd[:, None] ** 2, bins, axis=1)
        swing = np.full((len(prior_sd), 1), FIRST_SWING_SD**2)
        return Track(np.zeros(shape), variance, np.ones(shape), 0.1, swing)


def smoothed(
    observed: np.ndarray,
    variance: np.ndarray,
    prior_sd: np.ndarray,
    waiting: np.ndarray,
    bin_s: int,
    last: Track,
) -> Track:
    """One round: the track as all observations tell it, with the weights of the last round.

    Args:
        observed: float64[link, bin], deviation from the prior; NaN where nothing was seen.
        variance: float64[link, bin] of its error.
        prior_sd: float64[link].
        waiting: float64[link, bin], share of the time on the link that is lost, as far as known.
        bin_s: length of a bin.
        last: the round before, or ``Track.start``.
    """
    keep = float(np.exp(-bin_s / DRAWN_BACK_S))
    seen = np.isfinite(observed) & np.isfinite(variance)
    # Where nobody looks for long, a jam that was there last tells nothing of how pace changes.
    jam = (WAITING_SD * waiting**2) ** 2 * maximum_filter1d(seen, 3, axis=1)
    step, swing = last.step_sd**2 + jam, last.swing + jam
    surprise = np.where(seen, np.nan_to_num(observed) - last.mean, 0.0)
    error = np.where(seen, variance, 1.0)
    usual = error + swing + last.variance
    weight = (ERROR_FREEDOM + 1.0) / (ERROR_FREEDOM + surprise**2 / usual)
    precision = np.where(seen, weight / (error + swing), 0.0)
    mean, cov, ahead = _forward(
        np.where(seen, observed, 0.0), precision, prior_sd, step / last.step_weight, keep
    )
    moved = np.zeros_like(mean)
    for b in range(mean.shape[1] - 2, -1, -1):
        gain = cov[:, b] * keep / ahead[:, b + 1]
        change = mean[:, b + 1] - keep * mean[:, b]
        mean[:, b] += gain * change
        together = gain * cov[:, b + 1]
        cov[:, b] += gain**2 * (cov[:, b + 1] - ahead[:, b + 1])
        moved[:, b + 1] = (
            (mean[:, b + 1] - keep * mean[:, b]) ** 2
            + cov[:, b + 1]
            + keep**2 * cov[:, b]
            - 2.0 * keep * together
        )
    freedom = STEP_FREEDOM
    step_weight = (freedom + 1.0) / (freedom + moved / step)
    share = np.where(seen, swing / (swing + error), 0.0)
    rest = np.where(seen, np.nan_to_num(observed) - mean, 0.0)
    left = swing * (1.0 - share)
    swung = np.minimum(rest**2, MOST_SURPRISE**2) + cov
    return Track(
        mean + share * rest,
        (1.0 - share) ** 2 * cov + left,
        step_weight,
        _step_sd(moved * last.step_sd**2 / step, step_weight, seen),
        _swing(np.where(seen, (share**2 * swung + left) * last.swing / swing, 0.0), seen),
    )


def _forward(
    observed: np.ndarray,
    precision: np.ndarray,
    prior_sd: np.ndarray,
    step: np.ndarray,
    keep: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Filtered means and variances [link, bin], and the variances before each bin was seen."""
    mean, cov = np.empty_like(observed), np.empty_like(observed)
    ahead = np.empty_like(observed)
    now, spread = np.zeros(len(prior_sd)), prior_sd**2
    for b in range(observed.shape[1]):
        if b:
            now, spread = keep * now, keep**2 * spread + step[:, b]
        ahead[:, b] = spread
        gain = spread * precision[:, b] / (1.0 + spread * precision[:, b])
        now = now + gain * (observed[:, b] - now)
        spread = spread * (1.0 - gain)
        mean[:, b], cov[:, b] = now, spread
    return mean, cov, ahead


def _step_sd(moved: np.ndarray, weight: np.ndarray, seen: np.ndarray) -> float:
    """The usual step, from those between bins that were both seen."""
    told = seen[:, 1:] & seen[:, :-1]
    if not told.any():
        return 0.1
    size = float(np.sqrt((moved[:, 1:] * weight[:, 1:])[told].mean()))
    return min(max(size, LEAST_STEP_SD), MOST_STEP_SD)


def _swing(square: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """float64[link, 1]: mean square of the swings of bins that were seen, drawn to all links'."""
    if not seen.any():
        return np.full((len(seen), 1), FIRST_SWING_SD**2)
    usual = ALL_LINKS_WORTH_BINS * float(square[seen].mean())
    found = (square.sum(axis=1) + usual) / (seen.sum(axis=1) + ALL_LINKS_WORTH_BINS)
    return np.asarray(np.clip(found, LEAST_SWING_SD**2, MOST_SWING_SD**2))[:, None]
