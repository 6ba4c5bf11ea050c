"""A generated city with splits for one cycle, and its offset problem, as a night would pose it."""

from __future__ import annotations

import gzip
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from network_data.city import load_city
from network_data.generated_city.demand import BEGIN_S, DEMAND_FILE, END_S
from optimizers.offsets import Feed, OffsetProblem, feeds_of, offset_problem
from optimizers.params import OptimizeParams
from optimizers.splits import JunctionProblem, best_splits, junction_problem
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

HOURS = (END_S - BEGIN_S) / 3600.0
CYCLES_S = tuple(range(80, 182, 2))
PARAMS = OptimizeParams()
Way = tuple[str, ...]


@dataclass(frozen=True)
class TimedCity:
    """A city whose signals run one cycle or half of it; offsets are still to be chosen.

    ways: links of every trip. demand_vph: movement_id -> demand that the plans are made for.
    problem: the offset problem of all signals. tables_cpu_s: what making its tables took.
    """

    network: RoadNetwork
    ways: Sequence[Way]
    demand_vph: Mapping[str, float]
    feeds: Sequence[Feed]
    plans: Mapping[str, SignalPlan]
    in_service: Mapping[str, SignalPlan]
    problem: OffsetProblem
    tables_cpu_s: float


def timed_city(folder: Path, cycle_s: int | None = None, *, halves: bool = True) -> TimedCity:
    """Read a generated city and time its junctions one by one.

    ``cycle_s``: the common cycle; None: the shortest even one that every junction can run. Where
    half of it costs a junction less, it runs half, unless ``halves`` is false.

    Raises:
        DataRefused: no cycle fits every junction, or the one given does not.
    """
    network = load_city(folder)
    ways = _ways(folder)
    demand = demand_of(network, ways)
    problems = [
        problem
        for junction_id, junction in network.junctions.items()
        if junction.plan_in_service is not None
        and (
            problem := junction_problem(
                junction.plan_in_service,
                network.movements_at[junction_id],
                {m: np.array([vph]) for m, vph in demand.items()},
            )
        )
    ]
    plans = _plans(problems, (cycle_s,) if cycle_s else CYCLES_S, halves=halves)
    began_s = time.process_time()
    feeds = feeds_of(network, ways, HOURS, PARAMS.progression_ratio)
    longest = max(plan.cycle_s for plan in plans.values())
    links = offset_problem(plans, network, feeds, demand, longest, whole_parts=True)
    if links is None:
        raise DataRefused("no signal of this city feeds another", "make a larger city")
    return TimedCity(
        network=network,
        ways=ways,
        demand_vph=demand,
        feeds=feeds,
        plans=plans,
        in_service={p.plan.junction_id: p.plan for p in problems},
        problem=links,
        tables_cpu_s=time.process_time() - began_s,
    )


def demand_of(network: RoadNetwork, ways: Sequence[Way]) -> dict[str, float]:
    """Demand of every movement, from the trips: what it is each hour, and the reserve."""
    passing = Counter(pair for way in ways for pair in pairwise(way))
    ratio = PARAMS.demand_reserve_ratio / HOURS
    return {
        movement_id: passing[m.from_link, m.to_link] * ratio
        for movement_id, m in network.movements.items()
    }


def _ways(folder: Path) -> list[Way]:
    """Links of every trip, as the generator assigned them."""
    with gzip.open(folder / DEMAND_FILE) as file:
        routes = (e for _, e in ET.iterparse(file) if e.tag == "route")
        return [tuple(route.attrib["edges"].split()) for route in routes]


def _plans(
    problems: Sequence[JunctionProblem], cycles_s: Sequence[int], *, halves: bool
) -> dict[str, SignalPlan]:
    """Plans of the first cycle that all junctions can run, halved where that costs less."""
    shortest = max(problem.shortest_cycle_s for problem in problems)
    for cycle_s in (c for c in cycles_s if c >= shortest):
        full = [best_splits(problem, cycle_s, "bench") for problem in problems]
        if any(splits is None for splits in full):
            continue
        plans = {}
        for problem, splits in zip(problems, full, strict=True):
            may_halve = halves and cycle_s % 2 == 0
            half = best_splits(problem, cycle_s // 2, "bench") if may_halve else None
            found = min(
                (s for s in (splits, half) if s is not None), key=lambda s: s.delay_veh_h_per_h
            )
            plans[problem.plan.junction_id] = found.plan
        return plans
    raise DataRefused(
        f"not every junction can run a cycle of {', '.join(map(str, cycles_s))} s",
        "take a longer cycle",
    )
