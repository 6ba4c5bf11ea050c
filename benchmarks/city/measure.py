"""Everything that ``traffic-brain bench city`` does: tables, search, proof, second opinion."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.city.evaluation import city_cost_veh_s
from benchmarks.city.timing import HOURS, PARAMS, TimedCity, timed_city
from optimizers.city_offsets.params import CityOffsetsParams
from optimizers.city_offsets.result import CityOffsets, Moment
from optimizers.city_offsets.solve import best_city_offsets
from optimizers.offsets import OffsetProblem, best_starts, cost_of
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

MARKS_CPU_S = (50, 120, 300)
RANDOM_PLANS = 1000
_MAKE = (
    "import sys; from pathlib import Path; from network_data.generated_city import generate; "
    "generate(Path(sys.argv[1]), junctions=int(sys.argv[2]), seed=int(sys.argv[3]))"
)
Figures = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """What is measured: cities of so many junctions, from these seeds, for so long."""

    junctions: int = 2380
    seeds: tuple[int, ...] = (101, 102, 103, 104, 105)
    cpu_s: float = 300.0
    cycle_s: int | None = None


def measure(request: Request, folder: Path, progress: Progress = silent) -> list[Figures]:
    """Figures of every seed, each also written to a file in ``folder`` at once.

    Cities are made in ``folder`` too, and kept there.
    """
    rows = []
    for i, seed in enumerate(request.seeds):
        progress(i / len(request.seeds), f"city of seed {seed}")
        city = timed_city(made(folder, request.junctions, seed), request.cycle_s)
        rows.append({"seed": seed, **figures_of(city, seed, request.cpu_s)})
        text = to_json(rows[-1])
        (folder / f"figures-{request.junctions}-{seed}.json").write_text(text, encoding="utf-8")
    return rows


def figures_of(city: TimedCity, seed: int, cpu_s: float) -> Figures:
    """Everything about one city; objectives are vehicle-seconds per cycle."""
    problem = city.problem
    served = {j: city.in_service[j].first_stage_offset_s for j in problem.junction_ids}
    params = CityOffsetsParams(seed=seed, cpu_limit_s=cpu_s, work_limit=1e9, idle_rounds=10**9)
    found = best_city_offsets(problem, [served], params)
    began_s = time.process_time()
    again = city_cost_veh_s(
        city.network,
        timed_plans(city.plans, found.starts),
        city.ways,
        HOURS,
        city.demand_vph,
        PARAMS.progression_ratio,
    )
    evaluation_cpu_s = time.process_time() - began_s
    began_s = time.process_time()
    _, descent = best_starts(problem, [served], seed)
    return {
        "junctions": len(problem.junction_ids),
        "half_cycles": sum(p.cycle_s < problem.cycle_s for p in city.plans.values()),
        "cycle_s": problem.cycle_s,
        "directed_links": len(problem.pairs),
        "loops": len(found.loops),
        "tables_cpu_s": round(city.tables_cpu_s, 1),
        "uncoordinated": round(float(problem.tables.mean(axis=1).sum()), 1),
        "best_of_random": round(_best_of_random(problem, seed), 1),
        "offsets_in_service": round(cost_of(problem, served), 1),
        "coordinate_descent": round(descent, 1),
        "coordinate_descent_cpu_s": round(time.process_time() - began_s, 1),
        "objective": round(found.objective, 1),
        "bound": round(found.bound, 1),
        "each_link_alone": round(float(problem.tables.min(axis=1).sum()), 1),
        "resolution": round(found.resolution_veh_s, 2),
        "status": str(found.status),
        "work": round(found.work, 1),
        "cpu_s": round(found.cpu_s, 1),
        "gap_ratio": {f"{mark:g}": gap_at(found, mark) for mark in _marks(cpu_s)},
        "evaluated_again": round(again, 1),
        "evaluation_differs_ratio": abs(again - found.objective) / found.objective,
        "evaluation_cpu_s": round(evaluation_cpu_s, 1),
        "dearest_loop": _dearest(found),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def gap_at(found: CityOffsets, cpu_s: float) -> float:
    """Proven gap at the last look within so many CPU seconds, making arrays and loops included."""
    seen: Sequence[Moment] = [m for m in found.moments if m.cpu_s <= cpu_s]
    return round(seen[-1].gap_ratio, 6) if seen else 1.0


def _marks(cpu_s: float) -> list[float]:
    return [*(mark for mark in MARKS_CPU_S if mark < cpu_s), cpu_s]


def timed_plans(
    plans: Mapping[str, SignalPlan], starts: Mapping[str, int]
) -> dict[str, SignalPlan]:
    """Plans whose stage 0 starts at these seconds."""
    return {
        j: plan.with_offset(starts[j] + plan.stage_start_s(plan.coordinated_stage_idx))
        for j, plan in plans.items()
    }


def summary(rows: Sequence[Figures]) -> Figures:
    """Medians of what the goals are set on."""
    marks = rows[0]["gap_ratio"]
    return {
        "median_gap_ratio": {m: median(row["gap_ratio"][m] for row in rows) for m in marks},
        "worst_gap_ratio": {m: max(row["gap_ratio"][m] for row in rows) for m in marks},
        "median_saved_ratio": median(1 - row["objective"] / row["uncoordinated"] for row in rows),
        "worst_evaluation_differs_ratio": max(row["evaluation_differs_ratio"] for row in rows),
    }


def markdown(rows: Sequence[Figures]) -> str:
    """The table, one line per seed."""
    marks = list(rows[0]["gap_ratio"])
    heads = [
        *("seed", "junctions", "cycle s", "uncoordinated", "best of 1,000 random", "in service"),
        *("descent", "ours", "bound", *(f"gap at {m} CPU s" for m in marks), "evaluated again"),
    ]
    keys = [
        *("seed", "junctions", "cycle_s", "uncoordinated", "best_of_random"),
        *("offsets_in_service", "coordinate_descent", "objective", "bound"),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [f"{row[k]:,.0f}" if isinstance(row[k], float) else str(row[k]) for k in keys]
        cells += [f"{row['gap_ratio'][m]:.2%}" for m in marks]
        cells.append(f"{row['evaluated_again']:,.0f}")
        lines.append("| " + " | ".join(cells) + " |")
    medians = summary(rows)["median_gap_ratio"]
    lines.append("")
    lines.append("Median gap: " + ", ".join(f"{medians[m]:.2%} at {m} CPU s" for m in marks))
    return "\n".join(lines) + "\n"


def _best_of_random(problem: OffsetProblem, seed: int) -> float:
    """The best of many plans in which every signal starts anywhere."""
    rng = np.random.default_rng([seed, 1])
    pairs = np.array(problem.pairs)
    rows = np.arange(len(pairs))
    best = np.inf
    for _ in range(RANDOM_PLANS):
        starts = rng.integers(0, problem.cycle_s, len(problem.junction_ids))
        offsets = (starts[pairs[:, 1]] - starts[pairs[:, 0]]) % problem.cycle_s
        best = min(best, float(problem.tables[rows, offsets].sum()))
    return best


def _dearest(found: CityOffsets) -> Figures | None:
    """The loop that costs most, and who pays for it."""
    if not found.loops:
        return None
    bill = found.loops[0]
    return {
        "junctions": list(bill.junction_ids),
        "payer": list(bill.payer),
        "payer_veh_s": round(bill.payer_veh_s, 1),
        "paid_veh_s": round(bill.paid_veh_s, 1),
    }


def made(folder: Path, junctions: int, seed: int) -> Path:
    """The city's folder; made, in a process of its own, unless it is there."""
    city = folder / f"city-{junctions}-{seed}"
    if not city.is_dir():
        half_made = city.with_name(f"{city.name}.making")
        command = [sys.executable, "-c", _MAKE, str(half_made), str(junctions), str(seed)]
        subprocess.run(command, check=True)
        half_made.rename(city)
    return city
