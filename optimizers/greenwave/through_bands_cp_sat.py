"""The same bands by OR-Tools CP-SAT: a second model of the same problem.

It shares only the problem with the enumeration. One worker and a limit in CP-SAT's own
deterministic time make it repeatable; beyond some 16 signals it may not finish its proof.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from optimizers.greenwave.problem import CorridorDirection, CorridorProblem, Window
from optimizers.greenwave.through_bands import ThroughBands, arrivals_s, weighted_width
from optimizers.mathopt import SolveStatus

if TYPE_CHECKING:
    from optimizers.greenwave.params import WholeSecondParams

_WEIGHT_SCALE = 10_000
"""CP-SAT counts in whole numbers: weights are rounded to this share of the larger one."""


@dataclass(frozen=True, slots=True)
class CpSatBands:
    """How CP-SAT ended."""

    status: SolveStatus
    bands: ThroughBands | None
    bound: float


def widest_through_bands_cp_sat(problem: CorridorProblem, params: WholeSecondParams) -> CpSatBands:
    """One pair of bands of the largest weighted width."""
    # OR-Tools' cp_model costs seconds to import, and most callers enumerate.
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    cycle = problem.cycle_s
    offsets = [model.new_int_var(0, cycle - 1, f"offset {i}") for i in range(problem.signal_count)]
    model.add(offsets[0] == 0)
    out_arrivals, back_arrivals = arrivals_s(problem)
    out = _band(model, cycle, offsets, problem.out, out_arrivals)
    back = None
    if problem.back is not None:
        back = _band(model, cycle, offsets, problem.back, back_arrivals)
    if params.equal_bands and back is not None:
        model.add(out.width == back.width)
    scale = _WEIGHT_SCALE / (_largest_weight(problem) or 1.0)
    worth = round(problem.out.weight * scale) * out.width
    first = 0
    if problem.back is not None and back is not None:
        worth += round(problem.back.weight * scale) * back.width
        narrow = model.new_int_var(0, min(params.least_band_s, cycle), "narrow")
        model.add(narrow <= out.width)
        model.add(narrow <= back.width)
        first = 2 * _WEIGHT_SCALE * cycle + 1
        worth += first * narrow
    model.maximize(worth)

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = params.seed
    solver.parameters.max_deterministic_time = params.deterministic_limit
    ended = solver.solve(model)
    status = {
        cp_model.OPTIMAL: SolveStatus.OPTIMAL,
        cp_model.FEASIBLE: SolveStatus.FEASIBLE,
        cp_model.INFEASIBLE: SolveStatus.INFEASIBLE,
    }.get(ended, SolveStatus.LIMIT)
    if not status.has_solution:
        return CpSatBands(status, None, weighted_width(problem, cycle, cycle))
    found = _read(solver, cycle, out, back)
    reached = weighted_width(problem, found.out_s, found.back_s)
    if status is SolveStatus.OPTIMAL:
        return CpSatBands(status, found, reached)
    narrow_s = min(found.out_s, found.back_s, params.least_band_s)
    proved = (solver.best_objective_bound - first * narrow_s) / scale
    return CpSatBands(status, found, max(reached, proved))


@dataclass(frozen=True, slots=True)
class _Band:
    front: Any
    """When the band's front passes the first signal."""
    width: Any


def _band(
    model: Any, cycle: int, offsets: list[Any], direction: CorridorDirection, arrivals: list[int]
) -> _Band:
    front = model.new_int_var(0, cycle - 1, "front")
    width = model.new_int_var(0, cycle, "width")
    runs = model.new_bool_var("runs")
    model.add(width == 0).only_enforce_if(~runs)
    for offset, windows, arrival in zip(offsets, direction.windows, arrivals, strict=True):
        chosen = [model.new_bool_var("window") for _ in windows]
        # A band that runs passes every signal in one of its windows.
        model.add(sum(chosen) == 1).only_enforce_if(runs)
        for window, choice in zip(windows, chosen, strict=True):
            _pass_window(model, cycle, front + arrival % cycle - offset, width, window, choice)
    return _Band(front, width)


def _pass_window(
    model: Any, cycle: int, arrival: Any, width: Any, window: Window, choice: Any
) -> None:
    """Where the window is chosen the band lies in it: front at ``arrival`` after the offset."""
    if window.length_s == cycle:
        return
    after_start = model.new_int_var(0, cycle - 1, "after start")
    cycles = model.new_int_var(-2, 2, "cycles")
    model.add(arrival - window.start_s == after_start + cycle * cycles).only_enforce_if(choice)
    model.add(after_start + width <= window.length_s).only_enforce_if(choice)


def _largest_weight(problem: CorridorProblem) -> float:
    return max(problem.out.weight, problem.back.weight if problem.back else 0.0)


def _read(solver: Any, cycle: int, out: _Band, back: _Band | None) -> ThroughBands:
    out_s = int(solver.value(out.width))
    if back is None:
        return ThroughBands(out_s, 0, 0)
    back_s = int(solver.value(back.width))
    distance = (solver.value(back.front) - solver.value(out.front)) % cycle
    return ThroughBands(out_s, back_s, int(distance) if out_s and back_s else 0)
