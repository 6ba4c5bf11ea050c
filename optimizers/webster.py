"""Cycle and greens of one junction after Webster (1958), from critical flow ratios.

The critical flow ratio of a stage is the largest ratio of demand to saturation flow among its
movements. ``cycle_lost_time_s`` is the lost time of the whole cycle. A junction whose ratios sum
to one or more has no cycle that serves its demand: the answer then says so and has no cycle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import fsum, isfinite

from traffic_brain.errors import DataRefused

PRACTICAL_SATURATION_RATIO = 0.9
"""Saturation ratio that a practical cycle leaves at the critical movements."""


class TimingStatus(StrEnum):
    """Whether a cycle exists that serves the demand."""

    FEASIBLE = "FEASIBLE"
    ABOVE_PRACTICAL = "ABOVE_PRACTICAL"
    """Ratios sum to the practical saturation or more: served, but redesign beats retiming."""
    OVERSATURATED = "OVERSATURATED"
    """Ratios sum to one or more: no cycle serves the demand."""


@dataclass(frozen=True, slots=True)
class WebsterTiming:
    """Cycle and effective greens; ``None`` and empty where none exists.

    ``greens_s`` are effective greens, one per stage, that share the cycle without its lost time
    in proportion to the critical flow ratios, so every stage has the same saturation ratio.
    """

    status: TimingStatus
    flow_ratio_sum: float
    cycle_s: float | None
    minimum_cycle_s: float | None
    practical_cycle_s: float | None
    greens_s: tuple[float, ...]


def webster_timing(
    critical_flow_ratios: Sequence[float],
    cycle_lost_time_s: float,
    *,
    practical_saturation_ratio: float = PRACTICAL_SATURATION_RATIO,
) -> WebsterTiming:
    """Webster's cycle of least delay, the minimum and the practical cycle, and the greens.

    Source: F. V. Webster, Traffic Signal Settings, Road Research Technical Paper 39, 1958.

    Raises:
        DataRefused: no stage, a ratio below zero, a lost time that is not above zero, or a
            practical saturation outside (0, 1]; all problems at once.
    """
    ratios = tuple(float(y) for y in critical_flow_ratios)
    _refuse(ratios, cycle_lost_time_s, practical_saturation_ratio)
    total = fsum(ratios)
    cycle = webster_cycle_s(total, cycle_lost_time_s)
    practical = practical_cycle_s(total, cycle_lost_time_s, practical_saturation_ratio)
    if cycle is None:
        status = TimingStatus.OVERSATURATED
    else:
        status = TimingStatus.FEASIBLE if practical else TimingStatus.ABOVE_PRACTICAL
    return WebsterTiming(
        status=status,
        flow_ratio_sum=total,
        cycle_s=cycle,
        minimum_cycle_s=minimum_cycle_s(total, cycle_lost_time_s),
        practical_cycle_s=practical,
        greens_s=() if cycle is None else greens_s(ratios, cycle, cycle_lost_time_s),
    )


def webster_cycle_s(flow_ratio_sum: float, cycle_lost_time_s: float) -> float | None:
    """Cycle of least delay, (1.5 L + 5) / (1 - Y); ``None`` when Y is one or more."""
    if flow_ratio_sum >= 1.0:
        return None
    return (1.5 * cycle_lost_time_s + 5.0) / (1.0 - flow_ratio_sum)


def minimum_cycle_s(flow_ratio_sum: float, cycle_lost_time_s: float) -> float | None:
    """Shortest cycle that just serves the demand, L / (1 - Y); ``None`` when there is none."""
    return practical_cycle_s(flow_ratio_sum, cycle_lost_time_s, saturation_ratio=1.0)


def practical_cycle_s(
    flow_ratio_sum: float,
    cycle_lost_time_s: float,
    saturation_ratio: float = PRACTICAL_SATURATION_RATIO,
) -> float | None:
    """Shortest cycle with saturation ratio x at most, x L / (x - Y); ``None`` without one."""
    if flow_ratio_sum >= saturation_ratio:
        return None
    return saturation_ratio * cycle_lost_time_s / (saturation_ratio - flow_ratio_sum)


def greens_s(
    critical_flow_ratios: Sequence[float], cycle_s: float, cycle_lost_time_s: float
) -> tuple[float, ...]:
    """Effective greens that share ``cycle_s - cycle_lost_time_s`` by critical flow ratio.

    Without any demand the stages share equally.
    """
    total = fsum(critical_flow_ratios)
    effective_s = cycle_s - cycle_lost_time_s
    if total == 0.0:
        return (effective_s / len(critical_flow_ratios),) * len(critical_flow_ratios)
    return tuple(effective_s * y / total for y in critical_flow_ratios)


def _refuse(
    ratios: tuple[float, ...], cycle_lost_time_s: float, practical_saturation_ratio: float
) -> None:
    problems = [
        f"critical flow ratio of stage {i} is {y}, not a number from 0 up"
        for i, y in enumerate(ratios)
        if not (isfinite(y) and y >= 0.0)
    ]
    if not ratios:
        problems.append("no stage is given")
    if not (isfinite(cycle_lost_time_s) and cycle_lost_time_s > 0.0):
        problems.append(f"the cycle's lost time is {cycle_lost_time_s} s, not above 0")
    if not 0.0 < practical_saturation_ratio <= 1.0:
        problems.append(f"the practical saturation is {practical_saturation_ratio}, not in (0, 1]")
    if problems:
        raise DataRefused(
            "Webster's cycle cannot be computed", "correct the junction's figures", problems
        )
