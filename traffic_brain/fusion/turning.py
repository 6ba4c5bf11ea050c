"""Where the vehicles of an approach turn, from how they spread over its lanes.

Drivers of one movement spread evenly over the lanes it may leave from, so that the counts of
single lanes tell of movements that share lanes: with lanes right + through, through and left +
through, what the outer lanes carry above the middle one turns.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

SPREAD_RELATIVE_SD = 0.15
"""How unevenly drivers spread over lanes that are equally good; our own figure."""
PRIOR_RELATIVE_SD = 1.0
"""Shares of turns that nobody counted are as uncertain as they are large."""


def turning_flows(
    lane_counts: Sequence[float],
    lanes: Sequence[int],
    lanes_of: Sequence[Sequence[int]],
    prior: np.ndarray,
) -> np.ndarray:
    """float64[movement] ≥ 0: vehicles of each movement that leaves from ``lanes``.

    Least squares of Σ flow / lanes = count on every lane and of flow = prior for every
    movement, each weighted by its error: Poisson's and a relative one.

    Args:
        lane_counts: vehicles on each of ``lanes``; NaN where nothing is known.
        lanes_of: the lanes from which each movement leaves.
        prior: float64[movement] vehicles expected before the lanes were looked at.
    """
    known = [i for i, n in enumerate(lane_counts) if np.isfinite(n)]
    spread = np.array(
        [[(lanes[i] in of) / len(of) for of in lanes_of] for i in known], dtype=np.float64
    )
    counts = np.array([lane_counts[i] for i in known], dtype=np.float64)
    by_count = 1.0 / _error(counts, SPREAD_RELATIVE_SD)
    by_prior = 1.0 / _error(prior, PRIOR_RELATIVE_SD)
    flows, _ = nnls(
        np.vstack([by_count[:, None] * spread, np.diag(by_prior)]),
        np.concatenate([by_count * counts, by_prior * prior]),
    )
    return np.asarray(flows, dtype=np.float64)


def _error(vehicles: np.ndarray, relative_sd: float) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum(vehicles, 1.0) + (relative_sd * vehicles) ** 2))
