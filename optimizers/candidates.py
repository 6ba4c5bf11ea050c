"""Candidates: sets of plans for a whole city, and how they are written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from optimizers.city_offsets.result import CityOffsets
from optimizers.few_changes.steps import Step, front
from optimizers.least_delay import offsets_dict
from optimizers.problem import City
from optimizers.splits import JunctionProblem
from optimizers.waves import Wave
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.model.rules import Severity, judge
from traffic_brain.model.signals import SignalPlan


@dataclass(frozen=True)
class Candidate:
    """One set of plans for the city, with what the model expects of it."""

    candidate_id: str
    description: str
    plans: Mapping[str, SignalPlan]
    waves: tuple[Wave, ...]
    delay_s_per_veh: float
    offsets: tuple[CityOffsets, ...] = ()
    """What is proved about the offsets of least delay, one for each cycle; else empty."""
    steps: tuple[Step, ...] = ()
    """Junctions in the order in which changing them saves most, where few may change."""


def named(plans: Mapping[str, SignalPlan], plan_id: str) -> dict[str, SignalPlan]:
    """Plans under an id that no plan in service has: it carries the day they were made from."""
    return {j: replace(plan, plan_id=plan_id) for j, plan in plans.items()}


def broken(candidate: Candidate, problem: City) -> frozenset[str]:
    """The first lock: junctions whose plans break a safety rule."""
    return frozenset(
        junction_id
        for junction_id, plan in candidate.plans.items()
        if any(
            finding.severity is Severity.VIOLATION
            for finding in judge(
                plan, problem.sites[junction_id], problem.problems[junction_id].plan
            )
        )
    )


def changed_junctions(candidate: Candidate, problems: Mapping[str, JunctionProblem]) -> list[str]:
    """Junctions at which the candidate shows other lamps than the plan in service."""
    return [
        junction_id
        for junction_id, plan in sorted(candidate.plans.items())
        if plan.stages != problems[junction_id].plan.stages
        or plan.offset_s != problems[junction_id].plan.offset_s
    ]


def candidate_dict(candidate: Candidate, problems: Mapping[str, JunctionProblem]) -> dict[str, Any]:
    """A candidate for candidates.json: the plans that change, and what is proved of them."""
    proposed = changed_junctions(candidate, problems)
    return {
        "candidate_id": candidate.candidate_id,
        "description": candidate.description,
        "predicted_delay_s_per_veh": round(candidate.delay_s_per_veh, 3),
        "plans": [plan_to_dict(candidate.plans[j]) for j in proposed],
        "corridors": [_wave_dict(w) for w in candidate.waves],
        **offsets_dict(candidate.offsets),
        **({"front": front(candidate.steps)} if candidate.steps else {}),
    }


def _wave_dict(wave: Wave) -> dict[str, Any]:
    result = wave.result
    return {
        "corridor_id": wave.corridor.corridor_id,
        "cycle_s": wave.cycle_s,
        "out_bandwidth_s": result.out_bandwidth_s,
        "back_bandwidth_s": result.back_bandwidth_s,
        "out_travel_s": list(wave.out_travel_s),
        "back_travel_s": list(wave.back_travel_s),
        "status": str(result.status),
        "objective": _finite(result.objective),
        "bound": _finite(result.bound),
        "gap_ratio": _finite(result.gap_ratio),
    }


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
