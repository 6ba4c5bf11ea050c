"""Robertson's platoon dispersion: how a platoon spreads on its way to the next signal.

Arrivals at the end of a link follow departures at its start by

    arrivals[k] = F * departures[k - shift] + (1 - F) * arrivals[k - 1]

with the smoothing ratio F = 1 / (1 + alpha * beta * T) and a shift of beta * T steps, T the mean
travel time in steps. Source: D. I. Robertson, TRANSYT: a traffic network study tool, RRL report
LR 253, 1969; the calibration from a measured spread is that of Yu and Van Aerde (1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, isfinite, log, log1p, sqrt

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from traffic_brain.errors import DataRefused

OK = 0
BAD_SHIFT = 1

ALPHA = 0.35
"""Robertson's platoon dispersion factor for a road with moderate friction."""
BETA = 0.8
"""Robertson's ratio of the platoon's first arrival to the mean travel time."""

_TAIL_RATIO = 1e-9
"""Share of the last vehicles that may still be under way when the profile ends."""


@dataclass(frozen=True, slots=True)
class Dispersion:
    """Parameters of one link at one step length."""

    smoothing_ratio: float
    """F in (0, 1]; 1 keeps the platoon together."""
    shift_steps: int
    """Steps from departure to the first arrival."""


def robertson(
    travel_time_s: float, *, step_s: float = 1.0, alpha: float = ALPHA, beta: float = BETA
) -> Dispersion:
    """Parameters from the mean travel time and Robertson's factors.

    Raises:
        DataRefused: a figure that is not above zero (alpha: below zero) or beta above 1.
    """
    _refuse_unless(
        (travel_time_s > 0.0, f"mean travel time {travel_time_s} s is not above 0"),
        (step_s > 0.0, f"step {step_s} s is not above 0"),
        (alpha >= 0.0, f"alpha {alpha} is below 0"),
        (0.0 < beta <= 1.0, f"beta {beta} is not in (0, 1]"),
        numbers=(travel_time_s, step_s, alpha, beta),
    )
    first_arrival_steps = beta * travel_time_s / step_s
    return Dispersion(1.0 / (1.0 + alpha * first_arrival_steps), round(first_arrival_steps))


def calibrated(
    travel_time_s: float, travel_time_deviation_s: float, *, step_s: float
) -> Dispersion:
    """Parameters from the measured mean and standard deviation of the travel time.

    Raises:
        DataRefused: a figure that is not above zero (the deviation: below zero), or a deviation
            so large that the platoon would arrive before it departs.
    """
    _refuse_unless(
        (travel_time_s > 0.0, f"mean travel time {travel_time_s} s is not above 0"),
        (travel_time_deviation_s >= 0.0, f"deviation {travel_time_deviation_s} s is below 0"),
        (step_s > 0.0, f"step {step_s} s is not above 0"),
        numbers=(travel_time_s, travel_time_deviation_s, step_s),
    )
    root_s = sqrt(step_s**2 + 4.0 * travel_time_deviation_s**2)
    first_arrival_s = (2.0 * travel_time_s + step_s - root_s) / 2.0
    _refuse_unless(
        (first_arrival_s >= 0.0, f"deviation {travel_time_deviation_s} s leaves no travel time"),
        numbers=(),
    )
    # step (root - step) / (2 deviation²), written so that a deviation of zero gives 1.
    return Dispersion(2.0 * step_s / (root_s + step_s), round(first_arrival_s / step_s))


def disperse(
    departures_vph: ArrayLike, dispersion: Dispersion, *, step_count: int | None = None
) -> NDArray[np.float64]:
    """Arrivals at the end of a link, shape [step], in the unit of the departures.

    Step 0 is the first step of the departures. Without ``step_count`` the profile is long enough
    for all but a billionth of the last vehicles to arrive.

    Raises:
        DataRefused: departures that are not one row of finite numbers from zero up, a smoothing
            ratio outside (0, 1], a negative shift or step count.
    """
    departures = np.array(departures_vph, dtype=np.float64)
    smoothing = dispersion.smoothing_ratio
    _refuse_unless(
        (departures.ndim == 1, "departures are not one row of numbers"),
        (bool(np.all(np.isfinite(departures))), "departures have gaps"),
        (not np.any(departures < 0.0), "departures have numbers below 0"),
        (0.0 < smoothing <= 1.0, f"smoothing ratio {smoothing} is not in (0, 1]"),
        (dispersion.shift_steps >= 0, f"shift {dispersion.shift_steps} is below 0"),
        (step_count is None or step_count >= 0, f"step count {step_count} is below 0"),
        numbers=(),
    )
    if step_count is None:
        step_count = departures.size + dispersion.shift_steps + _tail_steps(smoothing)
    arrivals = np.empty(step_count, dtype=np.float64)
    if disperse_kernel(departures, dispersion.shift_steps, smoothing, arrivals) != OK:
        raise AssertionError("the shift was checked above")
    return arrivals


@njit(cache=True)
def disperse_kernel(
    departures: NDArray[np.float64],
    shift_steps: int,
    smoothing_ratio: float,
    arrivals: NDArray[np.float64],
) -> int:
    """Fill ``arrivals`` [step]; departures [step] may be shorter. Returns OK or BAD_SHIFT."""
    if shift_steps < 0:
        return BAD_SHIFT
    previous = 0.0
    for k in range(arrivals.shape[0]):
        source = k - shift_steps
        departed = departures[source] if 0 <= source < departures.shape[0] else 0.0
        previous = smoothing_ratio * departed + (1.0 - smoothing_ratio) * previous
        arrivals[k] = previous
    return OK


def _tail_steps(smoothing_ratio: float) -> int:
    if smoothing_ratio >= 1.0:
        return 0
    return ceil(log(_TAIL_RATIO) / log1p(-smoothing_ratio))


def _refuse_unless(*checks: tuple[bool, str], numbers: tuple[float, ...]) -> None:
    problems = [problem for holds, problem in checks if not holds]
    problems += [f"{x} is not a finite number" for x in numbers if not isfinite(x)]
    if problems:
        raise DataRefused(
            "platoon dispersion cannot be computed", "correct the link's figures", problems
        )
