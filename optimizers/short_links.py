"""Between stop lines that stand close together: turns that must not be left standing.

On a link that a bus and a car fill, a driver who waits for a gap stops all who come after him, and
two who turn left against each other, one at each end, lock the street: each waits for a stream
that cannot move. What resolves it is the stage that protects their turn, if it lasts until the
longest of them has gone. So there, that stage's least green is the time a bus needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from optimizers.offsets import Feed
from traffic_brain.model.network import Movement
from traffic_brain.model.signals import SignalPlan

SHORT_M = 25.0
"""A bus of 12 m, a car, and their gaps."""
BUS_CLEARS_S = 7
"""Green until a bus that stands in the middle of the junction is out of the others' way with the
yellow that follows: 1 s to start, and √(2 · 22 m / a) for its own 12 m and 10 m on, a = 1.2 m/s².
Our own figure; 8 and 9 s lock as seldom and cost more."""
SHORT_CYCLE_WORTH = 1.25
"""A shorter cycle may cost so many times the least delay: it keeps queues within the short link,
which the delay formula does not see. Our own figure."""


def shortest_worthwhile(delay_of_cycle: Mapping[int, float]) -> int:
    """The shortest cycle whose modelled delay is within ``SHORT_CYCLE_WORTH`` of the least."""
    limit = SHORT_CYCLE_WORTH * min(delay_of_cycle.values())
    return min(cycle_s for cycle_s, delay in delay_of_cycle.items() if delay <= limit)


def turns_after_short_links(feeds: Iterable[Feed]) -> frozenset[str]:
    """Movements whose stop line lies close behind another signal's."""
    return frozenset(feed.downstream for feed in feeds if feed.length_m < SHORT_M)


def least_greens_s(
    plan: SignalPlan, movements: Iterable[Movement], after_short_links: Collection[str]
) -> list[int]:
    """Least green of each stage: the plan's own, and more where it protects such a turn.

    ``movements``: of the junction. A turn that is protected in all its stages needs no more: it
    never waits for a gap. No stage is asked for more than its greatest green.
    """
    short = {
        group
        for movement in movements
        if movement.movement_id in after_short_links
        for group in movement.signal_group_idxs
    }
    standing = {g for g in short if any(stage.picture[g] == "g" for stage in plan.stages)}
    return [
        max(stage.min_green_s, min(BUS_CLEARS_S, stage.max_green_s))
        if any(stage.picture[group] == "G" for group in standing)
        else stage.min_green_s
        for stage in plan.stages
    ]
