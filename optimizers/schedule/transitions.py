"""From one plan to the next: the cycles in which a controller finds its new offset.

When a plan changes, the controller ends the cycle that it is in. The next plan should begin its
cycle some seconds later, or earlier, to be in step with its neighbours. It gets there by longer
cycles (*add*), by shorter ones (*subtract*), or by one long stay in the coordinated stage
(*dwell*); NTCIP 1202 v03 names the same ways. All in whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from traffic_brain.errors import ConfigurationError
from traffic_brain.model.signals import SignalPlan


class Method(StrEnum):
    """How the controller gets into step."""

    ADD = "add"
    SUBTRACT = "subtract"
    DWELL = "dwell"


@dataclass(frozen=True, slots=True)
class TransitionLimits:
    """By how much of a cycle a transition may lengthen it, or shorten it."""

    add_ratio: float = 0.20
    subtract_ratio: float = 0.17

    def __post_init__(self) -> None:
        if not (0.0 < self.add_ratio <= 1.0 and 0.0 < self.subtract_ratio < 1.0):
            raise ConfigurationError(
                "add_ratio must lie in (0, 1], subtract_ratio in (0, 1)",
                "mend the limits of the transition",
            )


@dataclass(frozen=True, slots=True)
class Transition:
    """``cycles_s``: lengths of the cycles on the way; empty where nothing is to be done."""

    method: Method
    cycles_s: tuple[int, ...]

    @property
    def duration_s(self) -> int:
        return sum(self.cycles_s)


def later_s(time_s: int, before: SignalPlan, after: SignalPlan) -> tuple[int, int]:
    """When the last cycle of ``before`` ends, and how much later ``after`` should begin its own.

    The first is the end of the cycle in which ``time_s`` lies, in seconds of the service day; the
    second lies in [0, cycle of ``after``).
    """
    wait = (before.first_stage_offset_s - time_s) % before.cycle_s
    ends = time_s + wait
    return ends, (after.first_stage_offset_s - ends) % after.cycle_s


def transition(
    cycle_s: int,
    shift_s: int,
    method: Method,
    limits: TransitionLimits | None = None,
    *,
    shortest_cycle_s: int = 0,
) -> Transition | None:
    """The cycles that move a plan's start by ``shift_s`` later, whole cycles left out.

    Args:
        cycle_s: of the plan that is to run. shift_s: any number of seconds, taken modulo the cycle.
        shortest_cycle_s: what its least greens and clearances need; no cycle is shorter.

    Returns:
        None where the plan has nothing to take away from.
    """
    limits = limits or TransitionLimits()
    shift = shift_s % cycle_s
    if shift == 0:
        return Transition(method, ())
    if method is Method.DWELL:
        return Transition(method, (cycle_s + shift,))
    if method is Method.ADD:
        step, way, sign = int(limits.add_ratio * cycle_s), shift, 1
    else:
        step = min(int(limits.subtract_ratio * cycle_s), cycle_s - shortest_cycle_s)
        way, sign = cycle_s - shift, -1
    if step < 1:
        return None
    steps = [min(step, way - done) for done in range(0, way, step)]
    return Transition(method, tuple(cycle_s + sign * s for s in steps))


def greens_on_the_way(plan: SignalPlan, found: Transition) -> np.ndarray:
    """int64[cycle, stage]: greens of each cycle of a transition.

    Seconds are added to stages in the ratio of their greens, and taken from them in the ratio of
    what they have beyond their least; a dwell gives all to the coordinated stage.
    """
    greens = np.array(plan.greens_s, dtype=np.int64)
    least = np.array([stage.min_green_s for stage in plan.stages], dtype=np.int64)
    rows = []
    for cycle_s in found.cycles_s:
        more = cycle_s - plan.cycle_s
        if found.method is Method.DWELL:
            share = np.zeros(len(greens), dtype=np.int64)
            share[plan.coordinated_stage_idx] = more
        elif more >= 0:
            share = _shared(more, greens)
        else:
            share = -_shared(-more, np.maximum(greens - least, 0))
        rows.append(greens + share)
    return np.array(rows, dtype=np.int64).reshape(-1, len(greens))


def _shared(seconds: int, weights: np.ndarray) -> np.ndarray:
    """Whole seconds in the ratio of the weights, which are whole too: largest remainders first.

    No share is above its weight as long as the seconds are not above the sum of the weights.
    """
    total = int(weights.sum())
    if seconds == 0 or total == 0:
        return np.zeros(len(weights), dtype=np.int64)
    whole, rest = np.divmod(seconds * weights, total)
    first = np.argsort(-rest, kind="stable")[: seconds - int(whole.sum())]
    whole[first] += 1
    return np.asarray(whole, dtype=np.int64)
