"""An approach that hardly discharges any more while a queue stands and the way on is free.

No plan and no demand does that: something stands in the way. The queue model, which is fed with
vehicles that were seen to drive through, cannot show it: those that are held are not among them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from traffic_brain.diagnosis.approaches import Approaches

STANDSTILL_RATIO = 0.35
"""Of what the approach discharges at other times of the day, below which it stands still."""
STANDING_S = 120.0
"""Lost per vehicle, above which those few who get through come out of a queue."""
FREE_S = 60.0
"""Lost per vehicle on the way on, below which it is free."""
LEAST_BINS = 2
LEAST_USUAL_VEH = 10.0
"""Discharged in a bin at other times; of less, a lull is no standstill."""


def standstill(streets: Approaches, approach: int, bins: Sequence[int]) -> list[int]:
    """Bins out of ``bins`` in which an approach stands still; empty unless two in a row or more.

    An approach that stands still in most bins of the day is not compared with itself: then nothing
    is told.
    """
    flow, delay = streets.flow_veh[approach], streets.delay_s[approach]
    usual = float(np.median(flow[flow > 0])) if np.any(flow > 0) else 0.0
    if usual < LEAST_USUAL_VEH:
        return []
    onward = [n for n in streets.onward[approach] if n != approach]
    ahead = streets.delay_s[onward].max(axis=0) if onward else np.zeros(len(flow))
    still = (flow < STANDSTILL_RATIO * usual) & (delay >= STANDING_S) & (ahead < FREE_S)
    run: list[int] = []
    best: list[int] = []
    for b in bins:
        run = [*run, b] if still[b] else []
        best = max(best, run, key=len)
    return best if len(best) >= LEAST_BINS else []
