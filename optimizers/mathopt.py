"""The one border to OR-Tools MathOpt: mixed-integer models in, an answer that is data out.

Models are built from ``new_model`` and linear expressions as OR-Tools has them; only this module
chooses a solver, sets its parameters and reads how it ended. Searches are limited by nodes, not
by the clock, unless a time limit is asked for: the same model and seed then give the same answer
on a busy machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import inf, isfinite, isinf
from typing import Any, TypeAlias

from ortools.math_opt.python import mathopt

from traffic_brain.errors import DataRefused, SolverError

Model: TypeAlias = Any
"""A MathOpt model; OR-Tools comes without types."""
Variable: TypeAlias = Any
"""A MathOpt variable."""
Expression: TypeAlias = Any
"""A MathOpt variable, a number, or a sum of products of both."""


class SolveStatus(StrEnum):
    """How a solve ended."""

    OPTIMAL = "OPTIMAL"
    """A solution, proved best within the gap asked for."""
    FEASIBLE = "FEASIBLE"
    """A solution; a limit came before the proof."""
    INFEASIBLE = "INFEASIBLE"
    """Proved: there is no solution."""
    LIMIT = "LIMIT"
    """A limit came before any solution was found."""

    @property
    def has_solution(self) -> bool:
        return self in {SolveStatus.OPTIMAL, SolveStatus.FEASIBLE}


class MipSolver(StrEnum):
    """Solvers that come with OR-Tools."""

    SCIP = "SCIP"
    HIGHS = "HIGHS"


@dataclass(frozen=True, slots=True)
class MipLimits:
    """How long to search, how well, and from which seed.

    Raises:
        DataRefused: a limit, gap or seed out of range; all problems at once.
    """

    seed: int = 0
    node_limit: int = 20_000
    time_limit_s: float | None = None
    """Wall clock. With it, a slow machine may find another answer than a fast one."""
    relative_gap: float = 1e-7
    solver: MipSolver = MipSolver.SCIP

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.seed < 2**31:
            problems.append(f"seed {self.seed} is not in [0, 2^31)")
        if self.node_limit < 1:
            problems.append(f"node limit {self.node_limit} is below 1")
        if self.time_limit_s is not None and not self.time_limit_s > 0.0:
            problems.append(f"time limit {self.time_limit_s} s is not above 0")
        if not 0.0 <= self.relative_gap < 1.0:
            problems.append(f"relative gap {self.relative_gap} is not in [0, 1)")
        if problems:
            raise DataRefused("solver limits out of range", "correct the parameters", problems)


@dataclass(frozen=True, slots=True, eq=False)
class MipAnswer:
    """How a solve ended, the objective, what is proved about it, and the variables' values."""

    status: SolveStatus
    objective: float
    """NaN-free: minus or plus infinity (the worst value) where there is no solution."""
    bound: float
    """No solution is better than this."""
    _values: dict[Variable, float]

    @property
    def gap_ratio(self) -> float:
        return gap_ratio(self.objective, self.bound)

    def value(self, expression: Expression) -> float:
        """What a variable, number or linear expression comes to in the solution."""
        return float(mathopt.evaluate_expression(expression, self._values))


def new_model(name: str) -> Model:
    """An empty model; the name appears in errors."""
    return mathopt.Model(name=name)


def gap_ratio(objective: float, bound: float) -> float:
    """|bound - objective| / |bound|: the share of the bound that is not proved out of reach."""
    if bound == objective:
        return 0.0
    if not (isfinite(objective) and isfinite(bound)) or bound == 0.0:
        return inf
    return abs(bound - objective) / abs(bound)


def solve(model: Model, limits: MipLimits) -> MipAnswer:
    """Solve a model.

    Raises:
        SolverError: the solver failed, or the model is unbounded (a fault of the model).
    """
    try:
        result = mathopt.solve(model, _SOLVERS[limits.solver], params=_parameters(limits))
    except (RuntimeError, AttributeError, ValueError) as failure:
        raise SolverError(
            f"{limits.solver} failed on model {model.name!r}: {failure}", "try the other solver"
        ) from failure
    worst = -inf if model.objective.is_maximize else inf
    status = _status(result, model.name)
    if status is SolveStatus.INFEASIBLE:
        return MipAnswer(status, worst, worst, {})
    bound = result.dual_bound()
    if not status.has_solution:
        return MipAnswer(status, worst, bound, {})
    objective = result.objective_value()
    if status is SolveStatus.OPTIMAL and isinf(bound):
        bound = objective
    return MipAnswer(status, objective, bound, dict(result.variable_values()))


_SOLVERS = {
    MipSolver.SCIP: mathopt.SolverType.GSCIP,
    MipSolver.HIGHS: mathopt.SolverType.HIGHS,
}


def _parameters(limits: MipLimits) -> mathopt.SolveParameters:
    return mathopt.SolveParameters(
        random_seed=limits.seed,
        node_limit=limits.node_limit,
        time_limit=None if limits.time_limit_s is None else timedelta(seconds=limits.time_limit_s),
        relative_gap_tolerance=limits.relative_gap,
        absolute_gap_tolerance=limits.relative_gap,
        # HiGHS fails when it is told a number of threads (OR-Tools 9.15).
        threads=1 if limits.solver is MipSolver.SCIP else None,
    )


def _status(result: mathopt.SolveResult, name: str) -> SolveStatus:
    reason = result.termination.reason
    reasons = mathopt.TerminationReason
    if reason is reasons.OPTIMAL:
        return SolveStatus.OPTIMAL
    if reason in {reasons.FEASIBLE, reasons.IMPRECISE, reasons.NO_SOLUTION_FOUND}:
        found = result.has_primal_feasible_solution()
        return SolveStatus.FEASIBLE if found else SolveStatus.LIMIT
    # Bandwidth and split models are bounded by construction, so "or unbounded" is infeasible.
    if reason in {reasons.INFEASIBLE, reasons.INFEASIBLE_OR_UNBOUNDED}:
        return SolveStatus.INFEASIBLE
    raise SolverError(f"model {name!r} ended as {reason.name}", "this is a fault of the model")
