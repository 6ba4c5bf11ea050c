"""Sparse least squares with nothing below zero, and the standard errors of what was found."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix, diags, identity
from scipy.sparse.linalg import norm, splu

RIDGE = 1e-12
TOLERANCE = 1e-9
PATIENCE = 3
MAX_PIVOTS = 200
DRAWS = 64
ERROR_RIDGE = 1e-9


def non_negative(matrix: csr_matrix, values: np.ndarray) -> np.ndarray:
    """float64[unknown] ≥ 0 that minimises the squares of matrix · x − values.

    Columns are brought to one size, so that it does not matter in which unit an unknown counts.
    ``RIDGE`` makes the matrix one of full rank; where rounding still leads the pivoting in
    circles it is raised, and with it the matrix comes nearer to one that is solved at a glance.
    """
    size = norm(matrix, axis=0)
    size[size == 0] = 1.0
    unit = matrix @ diags(1.0 / size)
    normal, right = unit.T @ unit, unit.T @ values
    ridge, found = RIDGE, None
    while found is None:
        found = _pivoted((normal + ridge * identity(len(right))).tocsc(), right)
        ridge *= 100
    return np.asarray(found / size)


def standard_errors(matrix: csr_matrix, values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64[unknown]: how far the solution moves when each row errs as it says it may.

    The root of the diagonal of (AᵀA)⁻¹, from ``DRAWS`` draws of the rows' errors (its own relative
    error is 1/√(2 · DRAWS)): with the columns of those above zero alone; for those that are held
    at zero with all columns, as nobody is sure that they are zero. Where the rows contradict each
    other more than they say, all errors grow by the root of χ² per degree of freedom.
    """
    free = found > 0
    errors = _errors_of(matrix)
    errors[free] = _errors_of(matrix[:, np.flatnonzero(free)])
    misfit = matrix @ found - values
    spare = max(matrix.shape[0] - np.count_nonzero(free), 1)
    scale = max(float(misfit @ misfit) / spare, 1.0) ** 0.5
    return np.asarray(errors * scale)


def _errors_of(matrix: csr_matrix) -> np.ndarray:
    """float64[column]: root of the diagonal of (AᵀA)⁻¹, from draws."""
    size = norm(matrix, axis=0)
    size[size == 0] = RIDGE**0.5
    unit = (matrix @ diags(1.0 / size)).tocsc()
    factors = splu((unit.T @ unit + ERROR_RIDGE * identity(len(size))).tocsc())
    noise = np.random.default_rng(0).standard_normal((matrix.shape[0], DRAWS))
    moved = factors.solve(unit.T @ noise)
    return np.asarray(np.sqrt((moved**2).mean(axis=1)) / size)


def _pivoted(normal: csc_matrix, right: np.ndarray) -> np.ndarray | None:
    """float64[unknown] x ≥ 0 with normal · x ≥ right, one of the two equal; None: not found.

    Block principal pivoting (Portugal, Júdice, Vicente 1994): unknowns that came out below zero
    are held at zero, those held against their gradient are freed, all at once; when that goes in
    circles, one at a time, which would end for every full-rank matrix but for rounding.
    """
    tolerance = TOLERANCE * np.abs(right).max(initial=0.0)
    free = np.ones(len(right), dtype=bool)
    fewest, patience = len(free) + 1, PATIENCE
    for _ in range(MAX_PIVOTS):
        x = np.zeros(len(free))
        idx = np.flatnonzero(free)
        x[idx] = splu(normal[idx][:, idx]).solve(right[idx]) if len(idx) else 0.0
        gradient = normal @ x - right
        wrong = np.flatnonzero(np.where(free, x < -tolerance, gradient < -tolerance))
        if not len(wrong):
            return np.maximum(x, 0.0)
        if len(wrong) < fewest:
            fewest, patience = len(wrong), PATIENCE
        else:
            patience -= 1
        if patience < 0:
            wrong = wrong[-1:]
        free[wrong] = ~free[wrong]
    return None
