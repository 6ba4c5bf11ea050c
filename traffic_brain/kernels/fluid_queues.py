"""Queues of a junction's lanes as a fluid, through cycles of any greens."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(
    "float64(float64[:, :], float64[:], float64[:, :],"
    " float64[:], float64[:], float64[:], float64[:])",
    cache=True,
)
def fluid_delay(
    greens: np.ndarray,
    clearance: np.ndarray,
    credit: np.ndarray,
    fixed: np.ndarray,
    flow: np.ndarray,
    saturation: np.ndarray,
    queue: np.ndarray,
) -> float:
    """Vehicle-seconds spent in queues, over all cycles; ``queue`` is taken and left.

    Vehicles come evenly. In a stage and its clearance a lane discharges evenly: its effective
    seconds (``fixed`` shared in the ratio of what its stages give) at saturation flow.

    Args:
        greens: float64[cycle, stage] s. clearance: float64[stage] s.
        credit: float64[lane, stage]. fixed: float64[lane] s.
        flow, saturation: float64[lane] veh/s. queue: float64[lane] veh, changed in place.
    """
    total = 0.0
    for lane in range(flow.shape[0]):
        standing = queue[lane]
        for cycle in range(greens.shape[0]):
            given = 0.0
            for stage in range(greens.shape[1]):
                given += credit[lane, stage] * greens[cycle, stage]
            grown = max(1.0 + fixed[lane] / given, 0.0) if given > 0.0 else 0.0
            for stage in range(greens.shape[1]):
                split = greens[cycle, stage] + clearance[stage]
                if split <= 0.0:
                    continue
                effective = min(credit[lane, stage] * greens[cycle, stage] * grown, split)
                slope = flow[lane] - saturation[lane] * effective / split
                ends = standing + slope * split
                if ends >= 0.0:
                    total += 0.5 * (standing + ends) * split
                    standing = ends
                else:
                    total += 0.5 * standing * standing / -slope
                    standing = 0.0
        queue[lane] = standing
    return total
