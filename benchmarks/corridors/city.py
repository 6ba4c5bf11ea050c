"""The corridors of a generated city: in whole seconds as a night does it, and as MAXBAND would."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.city.timing import PARAMS, TimedCity, timed_city
from network_data.generated_city.demand import BEGIN_S, END_S
from optimizers.greenwave.checker import check_corridor, check_plan
from optimizers.greenwave.integer import best_offsets
from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.problem import ArterialProblem, CorridorProblem, direction
from optimizers.waves import corridor_problem
from traffic_brain.diagnosis.corridors import find_corridors, travel_s
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork

COUNT = 200
CYCLE_SPREAD = 0.1
SPEED_RATIOS = (0.75, 1.05)
"""Progression speeds that a driver may be asked for, by the free-flow speed."""
Figures = dict[str, Any]


def measure(folder: Path, count: int = COUNT) -> Figures:
    """Both models on the busiest corridors of a generated city, each answer checked by driving.

    All junctions run the whole cycle: a signal that shows its green twice is no arterial's.
    """
    city = timed_city(folder, halves=False)
    found = find_corridors(city.network, _state(city), set(city.plans))[:count]
    rows = [_figures(city, corridor) for corridor in found]
    return {
        "corridors": len(rows),
        "signals": dict(sorted(Counter(len(c.junction_ids) for c in found).items())),
        "whole_seconds": _counted([row["whole_seconds"] for row in rows]),
        "maxband": _counted([row["maxband"] for row in rows]),
        "wrong": [w for row in rows for part in row.values() for w in part["wrong"]],
    }


def _figures(city: TimedCity, corridor: Corridor) -> dict[str, Figures]:
    problem = corridor_problem(
        corridor, city.plans, city.network, city.demand_vph, PARAMS.progression_ratio
    )
    if problem is None:
        none: Figures = {"status": "cycles do not fit", "cpu_s": 0.0, "bands": 0, "wrong": []}
        return {"whole_seconds": none, "maxband": none}
    return {
        "whole_seconds": _whole_seconds(problem),
        "maxband": _maxband(arterial_of(problem, corridor, city.network)),
    }


def _whole_seconds(problem: CorridorProblem) -> Figures:
    began_s = time.process_time()
    result = best_offsets(problem)
    return {
        "status": str(result.status),
        "cpu_s": time.process_time() - began_s,
        "bands": (result.out_bandwidth_s > 0) + (result.back_bandwidth_s > 0),
        "wrong": check_corridor(problem, result),
    }


def _maxband(arterial: ArterialProblem | None) -> Figures:
    if arterial is None:
        return {"status": "not an arterial", "cpu_s": 0.0, "bands": 0, "wrong": []}
    began_s = time.process_time()
    result = maxband(arterial)
    cpu_s = time.process_time() - began_s
    plan = result.plan
    bands = (plan.out.bandwidth_s > 0.1) + (plan.back.bandwidth_s > 0.1) if plan else 0
    wrong = check_plan(arterial, plan) if plan else []
    return {"status": str(result.status), "cpu_s": cpu_s, "bands": bands, "wrong": wrong}


def arterial_of(
    problem: CorridorProblem, corridor: Corridor, network: RoadNetwork
) -> ArterialProblem | None:
    """The corridor with its cycle and speeds free to move; None where it is no arterial.

    One way only, or a signal whose greens are not one stretch in each direction.
    """
    back = problem.back
    signals = [*problem.out.windows, *(back.windows if back else ())]
    if back is None or any(len(windows) != 1 for windows in signals):
        return None
    cycle_s = problem.cycle_s
    outs, backs = ([w[0] for w in side.windows] for side in (problem.out, back))
    out_reds, back_reds = ([1.0 - w.length_s / cycle_s for w in side] for side in (outs, backs))
    metres, speeds = [], []
    for paths in (corridor.out_paths, corridor.back_paths):
        lengths = [sum(network.links[k].length_m for k in path) for path in paths]
        free = [m / travel_s(network, path) for m, path in zip(lengths, paths, strict=True)]
        metres.append(lengths)
        speeds.append([(SPEED_RATIOS[0] * v, SPEED_RATIOS[1] * v) for v in free])
    return ArterialProblem(
        direction(out_reds, metres[0], speeds[0], weight=problem.out.weight),
        direction(back_reds, metres[1], speeds[1], weight=back.weight),
        (cycle_s * (1.0 - CYCLE_SPREAD), cycle_s * (1.0 + CYCLE_SPREAD)),
        red_shift_ratios=tuple(
            0.5 * (back_red - out_red) - (b.start_s - o.start_s) / cycle_s
            for out_red, back_red, o, b in zip(out_reds, back_reds, outs, backs, strict=True)
        ),
    )


def _state(city: TimedCity) -> State:
    """What corridors are found from: the trips of the morning and its length."""
    window = Window(BEGIN_S, END_S)
    nothing = np.zeros((0, 0))
    return State(
        service_day="",
        window=window,
        speed_mps=nothing,
        travel_time_s=nothing,
        flow_veh=nothing,
        demand_vph=nothing,
        demand_high_vph=nothing,
        trips=tuple((float(BEGIN_S), way) for way in city.ways),
        vehicle_classes=("car",) * len(city.ways),
        running_plans={},
        summary={},
    )


def _counted(rows: Sequence[Mapping[str, Any]]) -> Figures:
    solved = [row["cpu_s"] for row in rows if row["cpu_s"] > 0.0]
    return {
        "status": dict(sorted(Counter(row["status"] for row in rows).items())),
        "bands_that_run_through": dict(sorted(Counter(row["bands"] for row in rows).items())),
        "cpu_s_median": round(median(solved), 3) if solved else None,
        "cpu_s_most": round(max(solved), 3) if solved else None,
        "cpu_s_sum": round(sum(solved), 1),
    }
