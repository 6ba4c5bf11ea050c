"""Changes in the order in which they should be made: a front of delay saved against junctions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from optimizers.least_delay import Streets
from optimizers.offsets import clusters
from traffic_brain.model.signals import SignalPlan

Plans = Mapping[str, SignalPlan]
Unit = tuple[str, ...]
"""Junctions that change together, since they stand so close that they run as one."""


@dataclass(frozen=True)
class Step:
    """One more change.

    plans: of the junctions that it touches.
    saved_veh_h_per_h: what it saves beyond the steps before it, vehicle-hours per hour.
    moved_s: seconds of green and of offset that differ from the plans in service.
    """

    plans: Plans
    saved_veh_h_per_h: float
    moved_s: int


def run_as_one(junction_ids: Collection[str], streets: Streets) -> list[Unit]:
    """The junctions, most of them alone."""
    close = clusters(streets.network, streets.feeds)
    return sorted({tuple(sorted(close.get(j, {j}) & set(junction_ids))) for j in junction_ids})


def moved_s(before: SignalPlan, after: SignalPlan) -> int:
    """Seconds by which greens and the offset differ; the offset the shorter way round."""
    if len(before.stages) != len(after.stages):
        return after.cycle_s
    greens = sum(abs(a - b) for a, b in zip(before.greens_s, after.greens_s, strict=True))
    apart = (after.offset_s - before.offset_s) % after.cycle_s
    return greens + min(apart, after.cycle_s - apart)


def applied(today: Plans, steps: Iterable[Step]) -> dict[str, SignalPlan]:
    """The plans after some steps."""
    plans = dict(today)
    for step in steps:
        plans |= step.plans
    return plans


def front(steps: Sequence[Step]) -> list[dict[str, object]]:
    """Junctions touched, seconds moved and delay saved after every step, for candidates.json."""
    told = []
    touched, moved, saved = 0, 0, 0.0
    for step in steps:
        touched += len(step.plans)
        moved += step.moved_s
        saved += step.saved_veh_h_per_h
        told.append(
            {
                "junction_ids": sorted(step.plans),
                "junctions_touched": touched,
                "moved_s": moved,
                "saved_veh_h_per_h": round(saved, 3),
            }
        )
    return told
