"""In which order vehicles leave a signalised link within its cycle, and how long each has waited.

A detector at the stop line sees vehicles on green alone. Were each taken to have been on the link
for the mean time, all would seem to come in time with the green of the plan that ran: it would look
better than it is, and every plan with another cycle worse. Of a queue, who leaves first has waited
longest (deterministic queue, May 1965): the loss observed is shared out by the order in the cycle,
from twice the mean down to none, so that its mean stays what it was. Holds where arrivals are as
even within a cycle as they are unknown, and the plan is the same throughout the window.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

LEAST_PASSES = 30
"""Of fewer passes in the window the order within the cycle is not known."""


@dataclass(frozen=True)
class _Cycle:
    """The passes of a link on the cycle of its signal, which begins behind the longest pause."""

    cycle_s: float
    begin_s: float
    passes_s: np.ndarray
    """float64[pass], sorted: seconds since the beginning of the cycle."""


@dataclass(frozen=True)
class GreenOrder:
    """Per link the passes of its detectors, folded on the cycle of its signal."""

    cycles: Mapping[str, _Cycle]

    @staticmethod
    def unknown() -> GreenOrder:
        """Nothing is known of any link."""
        return GreenOrder({})

    def loss_factor(self, link_id: str, left_s: float) -> float:
        """What a vehicle lost on a link, over the mean loss there: 2 … 0, 1 where unknown.

        Args:
            left_s: when it left the link, in seconds of the service day.
        """
        cycle = self.cycles.get(link_id)
        if cycle is None:
            return 1.0
        at_s = (left_s - cycle.begin_s) % cycle.cycle_s
        first, last = (np.searchsorted(cycle.passes_s, at_s, side) for side in ("left", "right"))
        return float(2.0 - (first + last) / len(cycle.passes_s))


def green_order(
    passes: pd.DataFrame, network: RoadNetwork, plans: Mapping[str, SignalPlan]
) -> GreenOrder:
    """The order on every link whose signal ran one plan and whose detectors told of passes.

    Args:
        passes: link_id, time_s. plans: by junction, as they ran; those that adapt are absent.
    """
    found = {}
    for name, rows in passes.groupby("link_id", sort=True):
        link_id = str(name)
        plan = plans.get(network.links[link_id].junction_id or "")
        if plan is None or plan.cycle_s <= 0 or len(rows) < LEAST_PASSES:
            continue
        found[link_id] = _folded(rows["time_s"].to_numpy(np.float64), float(plan.cycle_s))
    return GreenOrder(found)


def _folded(times_s: np.ndarray, cycle_s: float) -> _Cycle:
    at_s = np.sort(times_s % cycle_s)
    pauses_s = np.diff(at_s, append=at_s[0] + cycle_s)
    begin_s = float(at_s[(int(np.argmax(pauses_s)) + 1) % len(at_s)])
    return _Cycle(cycle_s, begin_s, np.sort((at_s - begin_s) % cycle_s))
