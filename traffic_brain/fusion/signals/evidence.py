"""What the number of passes in a second of the cycle tells of the lamps a lane had.

Counts are taken as negative binomial: traffic comes in platoons, so that an empty second of green
says little, and a few passes on red are no proof against it. Everything is a log-likelihood less
that of red, arrays are float64[…, lane, second of the cycle].
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import gammaln

from traffic_brain.fusion.signals.lanes import Lamp

GREEN_SHAPE, RED_SHAPE, OPENING_SHAPE = 0.5, 0.5, 1.5
MASS_RATIO = 0.9
RED_RATIO, RED_FLOOR = 0.003, 0.015
"""Passes on red, beside those of a second of green, and at least."""
PERMITTED_RATIO, FEW_RATIO, MOST_FEW_RATIO = 0.5, 0.05, 0.05
QUIET_RATIO, QUIET_PROB = 0.03, 0.4
"""A queue that is gone leaves green without passes, second after second."""
RED_OF_CYCLE_RATIO = 0.5
"""Of who comes in a cycle, so many find the lamp red: it is not known before the timing is."""
YELLOW_PROB, LATE_YELLOW_PROB, OPEN_PROB, PARTLY_PROB = 0.6, 0.05, 0.5, 0.15
"""That a second of such a lamp is like one of green; else it is like red, or has few passes."""
SURE_PARTLY_PROB = 0.05
"""The same once it is known how few passes there are."""


@dataclass(frozen=True)
class Evidence:
    """Passes of lanes, folded on a cycle.

    counts: int64[lane, second]; cycles: how many there were. few: float64[lane, 1] passes in a
    second in which only some of a lane's movements have green; None: not known yet.
    """

    counts: np.ndarray
    cycles: float
    few: np.ndarray | None = None

    @cached_property
    def gains(self) -> np.ndarray:
        """float64[lamp, lane, second]."""
        few = FEW_RATIO * self._mean if self.few is None else self.few
        gains = np.zeros((len(Lamp), *self.counts.shape))
        busy = self._gain(self._mean, GREEN_SHAPE)
        quiet = self._gain(QUIET_RATIO * self._mean, GREEN_SHAPE)
        green = gains[Lamp.GREEN] = _mixed(busy, 1.0 - QUIET_PROB, quiet)
        gains[Lamp.PERMITTED] = self._gain(PERMITTED_RATIO * self._mean, GREEN_SHAPE)
        gains[Lamp.PARTLY] = _mixed(
            green,
            PARTLY_PROB if self.few is None else SURE_PARTLY_PROB,
            self._gain(few, GREEN_SHAPE),
        )
        gains[Lamp.OPEN] = _mixed(green, OPEN_PROB)
        gains[Lamp.YELLOW] = _mixed(green, YELLOW_PROB)
        gains[Lamp.LATE_YELLOW] = _mixed(green, LATE_YELLOW_PROB)
        return gains

    @cached_property
    def opening(self) -> np.ndarray:
        """What the first second of green after red tells beyond any other.

        In it the first vehicle of each queue leaves: as often as anybody came in the red before.
        """
        came = self.counts.sum(axis=1, keepdims=True) * RED_OF_CYCLE_RATIO / self.cycles
        first = self._gain(self.cycles * -np.expm1(-came), OPENING_SHAPE)
        return np.asarray(first - self.gains[Lamp.GREEN])

    def few_under(self, lamps: np.ndarray) -> np.ndarray:
        """float64[lane, 1]: passes per second in which only some movements had green.

        Args:
            lamps: int64[lane, second]. Lanes that hardly had such seconds keep the usual share.
        """
        partly = lamps == Lamp.PARTLY
        seconds = partly.sum(axis=1, keepdims=True)
        passed = (self.counts * partly).sum(axis=1, keepdims=True)
        few = (passed + FEW_RATIO * self._mean) / (seconds + 1.0)
        return np.asarray(np.minimum(few, MOST_FEW_RATIO * self._mean))

    @cached_property
    def _mean(self) -> np.ndarray:
        """float64[lane, 1]: passes per second of green: of those seconds that hold nearly all."""
        heaped = np.cumsum(-np.sort(-self.counts, axis=1), axis=1)
        most = MASS_RATIO * heaped[:, -1:]
        return np.asarray(most / (1 + np.argmax(heaped >= most, axis=1)[:, None]))

    @cached_property
    def _red(self) -> np.ndarray:
        mean = np.maximum(RED_RATIO * self._mean, RED_FLOOR)
        return _log_negative_binomial(self.counts, mean, RED_SHAPE)

    def _gain(self, mean: np.ndarray, shape: float) -> np.ndarray:
        likelihood = _log_negative_binomial(self.counts, np.maximum(mean, RED_FLOOR), shape)
        return np.asarray(likelihood - self._red)


def _mixed(gain: np.ndarray, prob: float, other: np.ndarray | float = 0.0) -> np.ndarray:
    """Of seconds that are of one kind with a probability, else of another (0: red)."""
    return np.asarray(np.logaddexp(gain + np.log(prob), other + np.log1p(-prob)))


def _log_negative_binomial(count: np.ndarray, mean: np.ndarray, shape: float) -> np.ndarray:
    """Log-probability of counts with a mean and a gamma shape (1/shape: excess variance)."""
    return np.asarray(
        gammaln(count + shape)
        - gammaln(shape)
        - gammaln(count + 1.0)
        + shape * np.log(shape / (shape + mean))
        + count * np.log(mean / (shape + mean))
    )
