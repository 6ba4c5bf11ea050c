"""The border to OR-Tools: how a solve ended is data, a faulty model is an error."""

from __future__ import annotations

from math import inf

import pytest

from optimizers.mathopt import MipLimits, MipSolver, Model, SolveStatus, gap_ratio, new_model, solve
from traffic_brain.errors import SolverError


def knapsack() -> tuple[Model, list[object]]:
    """By hand: 2 (x + y + z) <= 7 leaves 3 units, all best spent on y: 6."""
    model = new_model("knapsack")
    x, y, z = (model.add_integer_variable(lb=0, ub=5) for _ in range(3))
    model.add_linear_constraint(2 * (x + y + z) <= 7)
    model.maximize(x + 2 * y + 1.5 * z)
    return model, [x, y, z]


@pytest.mark.parametrize("solver", list(MipSolver))
def test_optimum_and_its_proof(solver: MipSolver) -> None:
    model, (x, y, z) = knapsack()
    answer = solve(model, MipLimits(solver=solver, time_limit_s=30.0))
    assert answer.status is SolveStatus.OPTIMAL
    assert (answer.objective, answer.bound, answer.gap_ratio) == pytest.approx((6.0, 6.0, 0.0))
    assert [answer.value(v) for v in (x, y, z)] == pytest.approx([0.0, 3.0, 0.0])
    assert answer.value(10 * y + 1.0) == pytest.approx(31.0)
    assert answer.value(4.5) == 4.5


@pytest.mark.parametrize("solver", list(MipSolver))
def test_infeasible_is_a_status(solver: MipSolver) -> None:
    model, (x, _, _) = knapsack()
    model.add_linear_constraint(x >= 4)
    answer = solve(model, MipLimits(solver=solver))
    assert answer.status is SolveStatus.INFEASIBLE
    assert not answer.status.has_solution
    assert (answer.objective, answer.bound) == (-inf, -inf)


@pytest.mark.parametrize("solver", list(MipSolver))
def test_an_unbounded_model_is_an_error(solver: MipSolver) -> None:
    model = new_model("endless")
    model.maximize(model.add_variable(lb=0.0))
    with pytest.raises(SolverError, match="endless"):
        solve(model, MipLimits(solver=solver))


def test_gap() -> None:
    assert gap_ratio(9.0, 10.0) == pytest.approx(0.1)
    assert gap_ratio(11.0, 10.0) == pytest.approx(0.1)
    assert gap_ratio(-inf, -inf) == 0.0
    assert gap_ratio(-inf, 10.0) == inf
    assert gap_ratio(1.0, 0.0) == inf
