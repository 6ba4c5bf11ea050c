"""Saturation flow and start-up loss of lanes, from the headways of queues that leave.

HCM 2000, ch. 16, appendix H: of a queue that stood when the lamp turned green, the headways after
the fourth vehicle are at saturation; what the first four took longer is the start-up loss. Passes
do not say who stood. So a row of vehicles counts that begins with the green and has no gap, and
what still is in it beside the queue (vehicles that came in a platoon, a queue that was blocked for
a moment) is cut off at a multiple of the median: it shows in the upper tail only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from traffic_brain.fusion.signals.lanes import JunctionPasses, Lamp, Lane
from traffic_brain.fusion.signals.timing import AHEAD_S, FoundTiming, lamps_over_cycle
from traffic_brain.kernels.discharge import queue_discharge

SKIPPED = 4
FIRST_WITHIN_S = 5.0
"""Clocks and starts of stages are known to a second or two; who stood leaves in this time."""
LONGEST_GAP_S = 5.0
USED_YELLOW_S = 3.0
TRIM_RATIO = 1.5
"""Headways above this multiple of the median are no discharge of a queue."""
MIN_HEADWAYS, MIN_QUEUES = 15, 5
METHOD_RATIO = 0.04
"""Standard error that more headways do not lessen: vehicles that only followed the queue."""
START_S = 0.7
"""Standard error of a start of green."""
SIGMAS_95 = 1.96


@dataclass(frozen=True, slots=True)
class LaneDischarge:
    """What one lane discharges; NaN where it is not known, ``reason`` then says why.

    saturation_flow_vph, its 95 % interval, of ``headways`` headways; start_up_loss_s (by HCM: the
    time of the first four less four times the saturation headway) of ``queues`` queues.
    permitted: the lane's green gives way to others, for all or some of its vehicles.
    """

    lane: Lane
    headways: int
    queues: int
    permitted: bool
    saturation_flow_vph: float = float("nan")
    low_vph: float = float("nan")
    high_vph: float = float("nan")
    start_up_loss_s: float = float("nan")
    loss_low_s: float = float("nan")
    loss_high_s: float = float("nan")
    reason: str = ""


def lane_discharges(
    passes: JunctionPasses, timings: Sequence[FoundTiming]
) -> Iterator[LaneDischarge]:
    """Each lane of a junction, over all stretches of the day whose timing was found."""
    for idx, lane in enumerate(passes.lanes):
        times = np.ascontiguousarray(passes.time_s[passes.lane_idx == idx])
        headways, fourth, permitted = [np.empty(0)], [np.empty(0)], False
        for timing in timings:
            if timing.cycle_s is None:
                continue
            shown = lamps_over_cycle(passes, timing.plan, timing.cycle_s, timing.likeliest_s)
            lamps = shown[idx]
            permitted |= bool((lamps == Lamp.PERMITTED).any())
            within = times[(times >= timing.begin_s) & (times < timing.end_s)]
            for row, until in _rows(within, lamps >= Lamp.PERMITTED, timing):
                headways.append(row)
                fourth.append(until)
        yield _discharge(lane, np.concatenate(headways), np.concatenate(fourth), permitted)


def _rows(
    times: np.ndarray, green: np.ndarray, timing: FoundTiming
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(headways, times of the fourth) of each green that a lane has in the cycle."""
    cycle_s = len(green)
    if green.all() or not green.any():
        return
    for begin in np.flatnonzero(green & ~np.roll(green, 1)).tolist():
        if not timing.is_known_start(begin):
            continue
        length = int(np.argmin(np.roll(green, -begin)))
        first = timing.begin_s + (begin - timing.begin_s) % cycle_s
        begins = np.arange(first, timing.end_s, cycle_s, dtype=np.float64) - AHEAD_S
        headways = np.empty(len(times))
        fourth = np.empty(len(begins))
        ends = begins + length + USED_YELLOW_S
        limits = (FIRST_WITHIN_S, LONGEST_GAP_S, SKIPPED)
        # A clock may be wrong by a second: who stood must not be missed for it.
        count = queue_discharge(times, begins - 1.0, ends, *limits, headways, fourth)
        yield headways[:count], fourth[np.isfinite(fourth)] - 1.0 - AHEAD_S


def _discharge(
    lane: Lane, headways: np.ndarray, fourth: np.ndarray, permitted: bool
) -> LaneDischarge:
    queues = len(fourth)
    if len(headways) < MIN_HEADWAYS or queues < MIN_QUEUES:
        return LaneDischarge(lane, len(headways), queues, permitted, reason="too few queues")
    kept = headways
    for _ in range(3):
        kept = headways[headways <= TRIM_RATIO * np.median(kept)]
    mean = float(kept.mean())
    error = float(np.hypot(kept.std() / mean / np.sqrt(len(kept)), METHOD_RATIO))
    flow = 3600.0 / mean
    loss = float(np.median(fourth)) - SKIPPED * mean
    loss_error = float(np.hypot(fourth.std() / np.sqrt(queues), START_S))
    return LaneDischarge(
        lane,
        len(kept),
        queues,
        permitted,
        saturation_flow_vph=flow,
        low_vph=flow * float(np.exp(-SIGMAS_95 * error)),
        high_vph=flow * float(np.exp(SIGMAS_95 * error)),
        start_up_loss_s=loss,
        loss_low_s=loss - SIGMAS_95 * loss_error,
        loss_high_s=loss + SIGMAS_95 * loss_error,
    )
