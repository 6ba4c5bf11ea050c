"""Offsets of least delay for all signals of a city, cycle by cycle, with what is proved of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optimizers.city_offsets.params import CityOffsetsParams
from optimizers.city_offsets.result import CityOffsets, gap_ratio
from optimizers.city_offsets.solve import best_city_offsets, same_proof
from optimizers.mathopt import SolveStatus
from optimizers.offsets import Feed, OffsetProblem, best_starts, cost_of, offset_problem
from optimizers.params import OptimizeParams
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

DEAREST = 10
"""Loops named in candidates.json for each cycle, with the link that pays."""


@dataclass(frozen=True)
class Streets:
    """What offsets are chosen for: demand_vph is by movement_id, mean over the day's bins."""

    network: RoadNetwork
    feeds: Sequence[Feed]
    demand_vph: Mapping[str, float]


def least_delay(
    today: Mapping[str, SignalPlan],
    waved: Mapping[str, SignalPlan],
    streets: Streets,
    seed: int,
    params: OptimizeParams,
) -> tuple[dict[str, SignalPlan], tuple[CityOffsets, ...]]:
    """``waved`` with the offsets of least delay that were found, and a proof for each cycle.

    ``today`` are the same plans with the offsets in service: the search begins from both.
    """
    tuned = dict(waved)
    proved = []
    for links in _problems(waved, streets, params):
        known = [
            {j: plans[j].first_stage_offset_s for j in links.junction_ids}
            for plans in (waved, today)
        ]
        found = _best_offsets(links, known, seed, params)
        proved.append(found)
        for junction_id, start in found.starts.items():
            plan = waved[junction_id]
            shift = plan.stage_start_s(plan.coordinated_stage_idx)
            tuned[junction_id] = plan.with_offset(start + shift)
    return tuned, tuple(proved)


def offset_effect(
    plans: Mapping[str, SignalPlan], streets: Streets, params: OptimizeParams
) -> float:
    """Vehicle-hours per hour that the offsets cost against arrivals at random."""
    effect = 0.0
    for links in _problems(plans, streets, params):
        starts = {j: plans[j].first_stage_offset_s for j in links.junction_ids}
        mean = float(links.tables.mean(axis=1).sum())
        effect += (cost_of(links, starts) - mean) / links.cycle_s
    return effect


def offsets_dict(offsets: Sequence[CityOffsets]) -> dict[str, Any]:
    """What is proved about a candidate's offsets, as its entry in candidates.json has it.

    ``objective`` and ``bound`` are vehicle-hours per hour over all cycles; empty without offsets.
    """
    if not offsets:
        return {}
    objective = sum(o.objective / o.cycle_s for o in offsets)
    bound = sum(o.bound / o.cycle_s for o in offsets)
    best = all(o.status is SolveStatus.OPTIMAL for o in offsets)
    return {
        "objective": round(objective, 6),
        "bound": round(bound, 6),
        "gap": round(gap_ratio(objective, bound), 6),
        "status": str(SolveStatus.OPTIMAL if best else SolveStatus.FEASIBLE),
        "offsets": [_cycle_dict(o) for o in offsets],
    }


def _cycle_dict(o: CityOffsets) -> dict[str, Any]:
    return {
        "cycle_s": o.cycle_s,
        "junctions": len(o.junction_ids),
        "objective_veh_s_per_cycle": round(o.objective, 3),
        "bound_veh_s_per_cycle": round(o.bound, 3),
        "gap_ratio": round(o.gap_ratio, 6),
        "status": str(o.status),
        "seed": o.seed,
        "dearest_loops": [
            {
                "junction_ids": list(bill.junction_ids),
                "payer": list(bill.payer),
                "payer_veh_s": round(bill.payer_veh_s, 3),
                "paid_veh_s": round(bill.paid_veh_s, 3),
            }
            for bill in o.loops[:DEAREST]
        ],
    }


def _best_offsets(
    links: OffsetProblem, known: Sequence[Mapping[str, int]], seed: int, params: OptimizeParams
) -> CityOffsets:
    """Those of coordinate descent, or better ones where that is worth a change; with a bound."""
    starts, cost = best_starts(links, known, seed)
    limits = CityOffsetsParams(
        seed=seed, work_limit=params.offset_work, gap_limit=params.offset_gap_ratio
    )
    found = best_city_offsets(links, [*known, starts], limits)
    if found.objective < cost * (1.0 - params.offset_gain_ratio):
        return found
    return same_proof(found, links, starts)


def _problems(
    plans: Mapping[str, SignalPlan], streets: Streets, params: OptimizeParams
) -> Iterator[OffsetProblem]:
    """One for each cycle in which signals feed each other; a signal is in one at most."""
    across = params.offsets_across_cycles
    left = dict(plans)
    # Across cycles, the longest first: it takes those with half of it.
    for cycle_s in sorted({plan.cycle_s for plan in plans.values()}, reverse=across):
        links = offset_problem(
            left, streets.network, streets.feeds, streets.demand_vph, cycle_s, whole_parts=across
        )
        if links is not None:
            taken = set(links.junction_ids)
            left = {j: plan for j, plan in left.items() if j not in taken}
            yield links
