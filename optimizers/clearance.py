"""Yellow, all-red and pedestrian green: the times that safety asks for.

Pure formulas, in seconds and SI units; the ``planned_*`` functions give the whole seconds that a
plan carries, rounded up so that a plan never clears less than the formula asks.
"""

from __future__ import annotations

from math import ceil, isfinite

from traffic_brain.errors import DataRefused

MIN_PLANNED_YELLOW_S = 3
"""No plan shows a shorter yellow, however slow the approach."""

REACTION_S = 1.0
DECELERATION_MPS2 = 3.05
VEHICLE_LENGTH_M = 6.0
PEDESTRIAN_START_S = 7.0
WALKING_SPEED_MPS = 1.0

_ROUNDING_S = 1e-9
"""A formula that yields 4.0000000001 by floating point means 4."""


def yellow_s(
    speed_mps: float,
    *,
    reaction_s: float = REACTION_S,
    deceleration_mps2: float = DECELERATION_MPS2,
) -> float:
    """Yellow time t + v / (2 a): a driver who cannot stop comfortably reaches the stop line.

    Source: the kinematic formula of Gazis, Herman and Maradudin (1960) as in the ITE handbook.

    Raises:
        DataRefused: a speed or reaction time below zero, or no deceleration.
    """
    _refuse_unless(
        (speed_mps >= 0.0, f"speed {speed_mps} m/s is below 0"),
        (reaction_s >= 0.0, f"reaction time {reaction_s} s is below 0"),
        (deceleration_mps2 > 0.0, f"deceleration {deceleration_mps2} m/s² is not above 0"),
        numbers=(speed_mps, reaction_s, deceleration_mps2),
    )
    return reaction_s + speed_mps / (2.0 * deceleration_mps2)


def all_red_s(
    crossing_width_m: float, speed_mps: float, *, vehicle_length_m: float = VEHICLE_LENGTH_M
) -> float:
    """All-red time (W + L) / v: the last vehicle has left the conflict area (ITE handbook).

    Raises:
        DataRefused: a width or length below zero, or no speed.
    """
    _refuse_unless(
        (crossing_width_m >= 0.0, f"width {crossing_width_m} m is below 0"),
        (vehicle_length_m >= 0.0, f"vehicle length {vehicle_length_m} m is below 0"),
        (speed_mps > 0.0, f"speed {speed_mps} m/s is not above 0"),
        numbers=(crossing_width_m, vehicle_length_m, speed_mps),
    )
    return (crossing_width_m + vehicle_length_m) / speed_mps


def pedestrian_green_s(
    crossing_length_m: float,
    walking_speed_mps: float = WALKING_SPEED_MPS,
    *,
    start_s: float = PEDESTRIAN_START_S,
) -> float:
    """Shortest stage that serves a crossing: a start-up time and the walk, 7 + L / v.

    Raises:
        DataRefused: a length or start-up time below zero, or no walking speed.
    """
    _refuse_unless(
        (crossing_length_m >= 0.0, f"crossing length {crossing_length_m} m is below 0"),
        (start_s >= 0.0, f"start-up time {start_s} s is below 0"),
        (walking_speed_mps > 0.0, f"walking speed {walking_speed_mps} m/s is not above 0"),
        numbers=(crossing_length_m, start_s, walking_speed_mps),
    )
    return start_s + crossing_length_m / walking_speed_mps


def planned_yellow_s(speed_mps: float) -> int:
    """Whole seconds of yellow in a plan: the formula rounded up, never below 3 s."""
    return max(MIN_PLANNED_YELLOW_S, _whole_seconds(yellow_s(speed_mps)))


def planned_all_red_s(crossing_width_m: float, speed_mps: float) -> int:
    """Whole seconds of all-red in a plan: the formula rounded up."""
    return _whole_seconds(all_red_s(crossing_width_m, speed_mps))


def planned_pedestrian_green_s(
    crossing_length_m: float, walking_speed_mps: float = WALKING_SPEED_MPS
) -> int:
    """Whole seconds of the shortest stage that serves a crossing: the formula rounded up."""
    return _whole_seconds(pedestrian_green_s(crossing_length_m, walking_speed_mps))


def _whole_seconds(seconds: float) -> int:
    return ceil(seconds - _ROUNDING_S)


def _refuse_unless(*checks: tuple[bool, str], numbers: tuple[float, ...]) -> None:
    problems = [problem for holds, problem in checks if not holds]
    problems += [f"{x} is not a finite number" for x in numbers if not isfinite(x)]
    if problems:
        raise DataRefused(
            "a clearance time cannot be computed", "correct the junction's figures", problems
        )
