"""The schedule of one sub-area: junctions that change their plans together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import networkx as nx
import numpy as np

from optimizers.least_delay import Streets, offset_effect
from optimizers.offsets import clusters
from optimizers.problem import City
from optimizers.schedule.clusters import ordered_clusters
from optimizers.schedule.params import ScheduleParams
from optimizers.schedule.switching import Running, Switch, cheapest_switch, running
from optimizers.schedule.timetable import Timetable, best_timetables
from optimizers.solve import solve
from optimizers.splits import JunctionProblem, delay_of
from traffic_brain.fusion.window import DEMAND_BIN_S
from traffic_brain.model.signals import SignalPlan

BIN_H = DEMAND_BIN_S / 3600


@dataclass(frozen=True)
class AreaPlans:
    """A plan for each junction of the area, made for the bins ``begin`` … ``end`` - 1.

    ``effect_ratio``: vehicle-hours that its offsets cost against arrivals at random (below zero:
    save), for each vehicle-hour of demand.
    """

    begin: int
    end: int
    plans: Mapping[str, SignalPlan]
    effect_ratio: float


@dataclass(frozen=True)
class AreaSchedule:
    """What was found for a sub-area; costs in vehicle-hours of delay over the whole window.

    ``front``: of every number of periods the best, with what its switches cost.
    """

    junction_ids: tuple[str, ...]
    library: tuple[AreaPlans, ...]
    """The first are the plans in service."""
    front: tuple[Timetable, ...]
    chosen: Timetable
    kept_cost: float
    switches: tuple[Mapping[str, Switch], ...]
    """Of each change, by junction."""


def sub_areas(problem: City) -> list[tuple[str, ...]]:
    """Every junction that may be retimed in one sub-area: corridors, and who stands close to them.

    Junctions of no corridor, and with no close neighbour, change their plans alone.
    """
    graph: nx.Graph[str] = nx.Graph()
    graph.add_nodes_from(problem.problems)
    for corridor in problem.corridors:
        nx.add_path(graph, corridor.junction_ids)
    for group in set(clusters(problem.network, problem.feeds).values()):
        nx.add_path(graph, sorted(group))
    found = (tuple(sorted(c & problem.problems.keys())) for c in nx.connected_components(graph))
    return sorted(area for area in found if area)


def area_schedule(
    problem: City, junction_ids: tuple[str, ...], params: ScheduleParams
) -> AreaSchedule:
    """Plans and times of least delay for one sub-area, switches counted.

    The plans come from exact ordered clusterings of the demand into 1 … ``most_periods`` groups;
    over them, and the plans in service, the timetable is the optimum.
    """
    area = _part(problem, junction_ids, slice(None))
    demand = _demand(area)
    # a window shorter than a period is one period
    longest_s = max(len(demand), 1) * DEMAND_BIN_S
    params = replace(params, least_period_s=min(params.least_period_s, longest_s))
    library = [_in_service(area, params), *_made(problem, junction_ids, demand, params)]
    cost = _bin_costs(area, library, demand)
    library, cost = _useful(library, cost, params)
    found, switch = {}, np.zeros((*cost.shape, len(library)))
    for b in range(1, len(cost)):
        for q, after in enumerate(library):
            in_step = _running(area, after, b)
            for p, before in enumerate(library):
                if p != q:
                    switches = _switches(before, in_step, _begin_s(area, b), params)
                    found[b, p, q] = switches
                    switch[b, p, q] = _switch_cost(switches, after, float(demand[b].sum()))
    front = best_timetables(cost, switch, params.most_periods, params.least_bins)
    chosen = _fewest(front, params.least_gain_ratio)
    steps = zip(chosen.begins[1:], chosen.plans[:-1], chosen.plans[1:], strict=True)
    return AreaSchedule(
        junction_ids,
        tuple(library),
        tuple(front),
        chosen,
        float(cost[:, 0].sum()),
        tuple(found[step] for step in steps),
    )


def _part(problem: City, junction_ids: tuple[str, ...], bins: slice) -> City:
    """The problem of these junctions alone, in some of the bins."""
    ids, movements = set(junction_ids), problem.network.movements
    row = {m: i for i, m in enumerate(movements)}
    share = _share_of_mean(problem.state.demand_vph, bins)
    demands = {
        m: demand[bins] if movements[m].junction_id in ids else np.zeros_like(demand[bins])
        for m, demand in problem.demands_vph.items()
    }
    feeds = tuple(
        replace(feed, flow_vph=feed.flow_vph * share[row[feed.upstream]])
        for feed in problem.feeds
        if ids.issuperset(movements[m].junction_id for m in (feed.upstream, feed.downstream))
    )
    return replace(
        problem,
        corridors=tuple(c for c in problem.corridors if ids.issuperset(c.junction_ids)),
        problems={j: _in_bins(problem.problems[j], bins) for j in junction_ids},
        demands_vph=demands,
        feeds=feeds,
        held={},
    )


def _share_of_mean(demand_vph: np.ndarray, bins: slice) -> np.ndarray:
    """float64[movement]: demand in some bins over that in all."""
    mean = demand_vph.mean(axis=1)
    nothing = np.zeros(len(mean))
    return np.asarray(
        np.divide(demand_vph[:, bins].mean(axis=1), mean, out=nothing, where=mean > 0)
    )


def _in_bins(junction: JunctionProblem, bins: slice) -> JunctionProblem:
    return replace(junction, demand_vph=np.ascontiguousarray(junction.demand_vph[:, bins]))


def _demand(area: City) -> np.ndarray:
    """float64[bin, lane]: what the lanes of all junctions want."""
    return np.concatenate([junction.demand_vph for junction in area.problems.values()]).T


def _in_service(area: City, params: ScheduleParams) -> AreaPlans:
    plans = {j: junction.plan for j, junction in area.problems.items()}
    demand = _demand(area)
    return AreaPlans(0, len(demand), plans, _effect_ratio(area, plans, demand, params))


def _made(
    problem: City, junction_ids: tuple[str, ...], demand: np.ndarray, params: ScheduleParams
) -> Iterator[AreaPlans]:
    """Plans for every stretch that some clustering of the day has; the whole day is one."""
    stretches: dict[tuple[int, int], None] = {}
    for groups in range(1, params.most_periods + 1):
        found = ordered_clusters(demand, groups, least_bins=params.least_bins)
        if found is not None:
            edges = (0, *found.cuts, len(demand))
            stretches |= dict.fromkeys(pairwise(edges))
    stretches.setdefault((0, len(demand)))
    # From one plan of a day to the next the same stages go on.
    same_stages = replace(params.plans, most_restaged=0)
    for begin, end in stretches:
        part = _part(problem, junction_ids, slice(begin, end))
        for candidate in solve(part, same_stages)[:1]:
            ratio = _effect_ratio(part, candidate.plans, demand[begin:end], params)
            yield AreaPlans(begin, end, candidate.plans, ratio)


def _effect_ratio(
    part: City, plans: Mapping[str, SignalPlan], demand: np.ndarray, params: ScheduleParams
) -> float:
    streets = Streets(part.network, part.feeds, part.demand_vph)
    vehicles = float(demand.sum(axis=1).mean())
    return offset_effect(plans, streets, params.plans) / vehicles if vehicles > 0 else 0.0


def _bin_costs(area: City, library: list[AreaPlans], demand: np.ndarray) -> np.ndarray:
    """float64[bin, plan]: vehicle-hours of delay."""
    cost = np.zeros((len(demand), len(library)))
    for b in range(len(demand)):
        now = {j: _in_bins(p, slice(b, b + 1)) for j, p in area.problems.items()}
        for n, made in enumerate(library):
            own = sum(delay_of(now[j], plan) for j, plan in made.plans.items())
            cost[b, n] = BIN_H * (own + made.effect_ratio * float(demand[b].sum()))
    return cost


def _useful(
    library: list[AreaPlans], cost: np.ndarray, params: ScheduleParams
) -> tuple[list[AreaPlans], np.ndarray]:
    """The plans in service, and those that a timetable without costs of switching would use.

    Costs of switching lead to fewer periods, and the best of every number are all in it.
    """
    free = np.zeros((len(cost), cost.shape[1], cost.shape[1]))
    tables = best_timetables(cost, free, params.most_periods, params.least_bins)
    used = sorted({0, *(p for table in tables for p in table.plans)})
    return [library[p] for p in used], cost[:, used]


def _begin_s(area: City, b: int) -> int:
    return area.state.window.begin_s + b * DEMAND_BIN_S


def _running(area: City, made: AreaPlans, b: int) -> dict[str, Running]:
    return {
        j: running(junction, made.plans[j], junction.demand_vph[:, b])
        for j, junction in area.problems.items()
    }


def _switches(
    before: AreaPlans, after: Mapping[str, Running], time_s: int, params: ScheduleParams
) -> dict[str, Switch]:
    """How each junction that changes its plan gets into step."""
    return {
        j: cheapest_switch(before.plans[j], in_step, time_s, params.limits)
        for j, in_step in after.items()
        if before.plans[j] != in_step.plan
    }


def _switch_cost(switches: Mapping[str, Switch], after: AreaPlans, demand_vph: float) -> float:
    """Queues of all junctions, and the coordination that is not there before all are in step."""
    longest_h = max((s.duration_s for s in switches.values()), default=0) / 3600
    lost = max(-after.effect_ratio, 0.0) * demand_vph * longest_h
    return max(sum(s.extra_veh_h for s in switches.values()), 0.0) + lost


def _fewest(front: list[Timetable], least_gain_ratio: float) -> Timetable:
    """The timetable with fewest periods that no longer one betters by more than can be told."""
    best = min(table.cost for table in front)
    near = best + least_gain_ratio * abs(best)
    return next(table for table in front if table.cost <= near)
