"""The queue model fitted to an area: on some plans whose delay is known, proven on others.

A model that is not calibrated gets exploited: the search finds what it does wrong. So it is fitted
to each half of a set of plans, and trusted only if it ranks the other half as they were measured;
what is used then is fitted to all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

from traffic_brain.diagnosis.queue_model import (
    HABITS,
    Habits,
    Way,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.errors import DataRefused
from traffic_brain.kernels.queues import Driving
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

Plans = Mapping[str, SignalPlan]

LEAST_RANK_CORRELATION = 0.85
"""On held-out plans; below it the model is not fit to refine with."""
LEAST_PLANS = 8
HEADWAYS_S = (1.6, 1.75, 1.9, 2.0, 2.15, 2.3)
TURNING_RATIOS = (1.0, 1.15, 1.35, 1.5)
LEAST_PLACES = (2, 3, 4)
GAPS_S = (1.5, 2.0, 2.5, 3.5)
SIGN_GAPS_S = (2.0, 3.0, 4.0, 5.5)
START_LOSSES_S = (0.0, 0.5, 1.0, 1.5)
STOP_LOSSES_S = (2.0, 3.2, 4.5)
USED_YELLOWS_S = (0, 1, 2)
PASSES = 2


@dataclass(frozen=True)
class Calibration:
    """Habits of an area, and how well the model then ranks plans it was not fitted to."""

    habits: Habits
    held_out_rank_correlation: float
    """Spearman's, mean of both halves, each predicted by a fit to the other."""
    held_out_ratio: float
    """Median of the model's delay over the measured one."""
    plans: int

    @property
    def trusted(self) -> bool:
        """Whether plans may be refined with it."""
        return self.held_out_rank_correlation >= LEAST_RANK_CORRELATION


def calibrate(
    network: RoadNetwork,
    ways: Iterable[Way],
    window_s: tuple[int, int],
    plans: Sequence[Plans],
    delays_s: Sequence[float],
) -> Calibration:
    """Fit the habits to the plans, having judged fits to each half of them on the other half.

    Args:
        delays_s: mean delay per vehicle of each set of plans, measured on the same ``ways``.

    Raises:
        DataRefused: fewer than ``LEAST_PLANS`` plans, or a delay that is no positive number.
    """
    measured = np.asarray(delays_s, dtype=np.float64)
    if len(plans) < LEAST_PLANS or len(plans) != len(measured):
        raise DataRefused(
            f"{len(plans)} plans with {len(measured)} delays are too few to calibrate with",
            f"measure {LEAST_PLANS} or more",
        )
    if not (np.isfinite(measured) & (measured > 0)).all():
        raise DataRefused("a measured delay is no positive number", "measure again")
    predicted = _Predictions(network, list(ways), window_s, plans)
    halves = slice(0, None, 2), slice(1, None, 2)
    fitted = [_fitted(predicted, measured, half) for half in halves]
    held_out = [
        (predicted.of(habits, other), measured[other])
        for habits, other in zip(fitted, reversed(halves), strict=True)
    ]
    ranks = [_rank_correlation(model, truth) for model, truth in held_out]
    ratios = np.concatenate([model / truth for model, truth in held_out])
    return Calibration(
        habits=_fitted(predicted, measured, slice(None), start=fitted[0]),
        held_out_rank_correlation=float(np.mean(ranks)),
        held_out_ratio=float(np.median(ratios)),
        plans=len(measured),
    )


def _fitted(
    predicted: _Predictions,
    measured: np.ndarray,
    which: slice,
    start: Habits = HABITS,
) -> Habits:
    """The habits of least misfit to some of the plans, one setting after another."""
    habits = start
    best = _misfit(predicted.of(habits, which), measured[which])
    for _ in range(PASSES):
        before = habits
        for name, value in _one_by_one():
            other = _with(habits, name, value)
            misfit = _misfit(predicted.of(other, which), measured[which])
            if misfit < best - 1e-9:
                habits, best = other, misfit
        if habits == before:
            break
    return habits


@dataclass(frozen=True)
class _Predictions:
    network: RoadNetwork
    ways: list[Way]
    window_s: tuple[int, int]
    plans: Sequence[Plans]

    def of(self, habits: Habits, which: slice) -> np.ndarray:
        """float64[plan] s/veh."""
        city = street_map(self.network, habits)
        driven = journeys(city, self.ways)
        runs = (simulate(city, lamps(city, p), driven, *self.window_s) for p in self.plans[which])
        return np.maximum([run.delay_s_per_veh for run in runs], 1e-6)


def _misfit(model: np.ndarray, measured: np.ndarray) -> float:
    """Plans in the wrong order, scatter of the differences, and, less, the ratio's distance from 1.

    What all plans have in common (a give-way sign somewhere) tells nothing between them.
    """
    wrong = 1.0 - _rank_correlation(model, measured)
    apart = np.log(model / measured)
    middle = float(np.median(apart))
    scatter = float(np.median(np.abs(apart - middle)))  # a day that locks does not decide it
    return wrong + scatter + 0.1 * abs(middle)


def _rank_correlation(model: np.ndarray, measured: np.ndarray) -> float:
    """Spearman's; 0 where all are alike."""
    if len(set(model.tolist())) < 2 or len(set(measured.tolist())) < 2:
        return 0.0
    return float(stats.spearmanr(model, measured).statistic)


def _one_by_one() -> list[tuple[str, float]]:
    tried: dict[str, Sequence[float]] = {
        "through_headway_s": HEADWAYS_S,
        "turning_ratio": TURNING_RATIOS,
        "used_yellow_s": USED_YELLOWS_S,
        "least_places": LEAST_PLACES,
        "gap_s": GAPS_S,
        "sign_gap_s": SIGN_GAPS_S,
        "start_loss_s": START_LOSSES_S,
        "stop_loss_s": STOP_LOSSES_S,
    }
    return [(name, value) for name, values in tried.items() for value in values]


def _with(habits: Habits, name: str, value: float) -> Habits:
    if name in Driving._fields:
        return replace(habits, driving=habits.driving._replace(**{name: value}))
    changes: dict[str, Any] = {name: value}
    return replace(habits, **changes)
