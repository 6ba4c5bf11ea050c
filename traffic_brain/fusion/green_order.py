"""In which order vehicles leave a signalised link within its cycle, and how long each has waited.

A detector at the stop line sees vehicles on green alone. Were each taken to have been on the link
for the mean time, all would seem to come in time with the green of the plan that ran: it would look
better than it is, and every plan with another cycle worse. Of a queue, who leaves first has waited
longest, the whole red, and each after it less; who comes when the queue is gone waits no more
(deterministic queue, May 1965). The loss observed says how many were in it, so that its mean over
the window stays what it was; where it is more than half the red, queues last for several cycles,
and all have waited for the others as well. Holds where arrivals are as even within a cycle as they
are unknown, and one plan ran throughout the window.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from traffic_brain.fusion.flow_balance import Pair
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

LEAST_PASSES = 30
"""Of fewer passes in the window the order within the cycle is not known."""


@dataclass(frozen=True)
class _Cycle:
    """The passes of a turn on the cycle of its signal, which begins amid the longest pause."""

    cycle_s: float
    begin_s: float
    pause_s: float
    passes_s: np.ndarray
    """float64[pass], sorted: seconds since the beginning of the cycle."""


@dataclass(frozen=True)
class GreenOrder:
    """Per turn the passes of its lanes' detectors, folded on the cycle of its signal."""

    cycles: Mapping[Pair, _Cycle]

    @staticmethod
    def unknown() -> GreenOrder:
        """Nothing is known of any turn."""
        return GreenOrder({})

    def knows(self, way: Sequence[str]) -> bool:
        """Whether the order is known of a way of two links; of one link, or none, it is not."""
        return tuple(way) in self.cycles

    def rank(self, turn: Pair, left_s: float) -> float:
        """Which of its cycle's vehicles one was that left in this second: 0 the first, 1 the last.

        Raises:
            KeyError: nothing is known of the turn.
        """
        cycle = self.cycles[turn]
        at_s = (left_s - cycle.begin_s) % cycle.cycle_s
        first, last = (np.searchsorted(cycle.passes_s, at_s, side) for side in ("left", "right"))
        return float(first + last) / (2.0 * len(cycle.passes_s))

    def longer_s(self, turn: Pair, rank: float, lost_s: float) -> float:
        """How much longer than others a vehicle waited, s: below 0 for who came late in the green.

        Args:
            rank: as `rank` has it.
            lost_s: the mean loss before the stop line.

        Raises:
            KeyError: nothing is known of the turn.
        """
        cycle = self.cycles[turn]
        if lost_s <= 0.0:
            return 0.0
        queued = min(2.0 * lost_s / cycle.pause_s, 1.0)
        of_red = max(1.0 - rank / queued, 0.0) - queued / 2.0
        return of_red * cycle.pause_s


def green_order(
    passes: pd.DataFrame, network: RoadNetwork, plans: Mapping[str, SignalPlan]
) -> GreenOrder:
    """The order on every turn whose signal ran one plan and whose detectors told of passes.

    Args:
        passes: link_id, lane_idx, time_s. plans: by junction, as they ran; those that adapt are
            absent.
    """
    times_s: defaultdict[str, dict[int, np.ndarray]] = defaultdict(dict)
    for (link_id, lane_idx), rows in passes.groupby(["link_id", "lane_idx"], sort=True):
        times_s[str(link_id)][int(lane_idx)] = rows["time_s"].to_numpy(np.float64)
    found = {}
    for movement in network.movements.values():
        plan = plans.get(movement.junction_id)
        lanes = times_s.get(movement.from_link, {})
        of_turn = [lanes[lane] for lane in movement.lanes if lane in lanes]
        if plan is None or plan.cycle_s <= 0 or sum(map(len, of_turn)) < LEAST_PASSES:
            continue
        turn = (movement.from_link, movement.to_link)
        found[turn] = _folded(np.concatenate(of_turn), float(plan.cycle_s))
    return GreenOrder(found)


def _folded(times_s: np.ndarray, cycle_s: float) -> _Cycle:
    at_s = np.sort(times_s % cycle_s)
    pauses_s = np.diff(at_s, append=at_s[0] + cycle_s)
    longest = int(np.argmax(pauses_s))
    pause_s = float(pauses_s[longest])
    begin_s = float(at_s[longest]) + pause_s / 2.0
    return _Cycle(cycle_s, begin_s, pause_s, np.sort((at_s - begin_s) % cycle_s))
