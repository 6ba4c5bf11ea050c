"""The few changes that matter in the queue model: a whole set of plans, taken back bit by bit.

What a change saves can depend on the others: where streets lock, several junctions together free
what each of them alone leaves locked, and who adds one change after the other, as
`optimizers.few_changes.adding` does, never begins. So here a whole set of plans runs in the queue
model, and the junction (or those that stand so close together that they run as one) goes back to
its plan in service that loses least for each junction, again and again. Backward elimination: that
a set of K is the best of all sets of K is not claimed either.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

from optimizers.few_changes.steps import Plans, Step, Unit, moved_s
from optimizers.refine import Judge


def few_left(
    judge: Judge,
    in_service: Plans,
    whole: Plans,
    units: Iterable[Unit],
    most: int,
) -> tuple[Step, ...]:
    """The changes that are left when all but ``most`` junctions are taken back, the last first.

    What a change loses is looked at again only when it comes up to be taken back: few losses
    become smaller when others have gone.

    Args:
        judge: of the queue model.
        units: junctions that change as one.
        most: junctions that may be touched; fewer where what is left makes it worse.
    """
    changed = [u for u in units if any(whole[j] != in_service[j] for j in u)]
    plans = {**in_service, **{j: whole[j] for unit in changed for j in unit}}
    delay_s = judge.delay_s_per_veh(plans)

    def loss_s(unit: Unit) -> float:
        without = {**plans, **{j: in_service[j] for j in unit}}
        return (judge.delay_s_per_veh(without) - delay_s) / len(unit)

    rounds = 0
    waiting = [(loss_s(unit), unit, rounds) for unit in changed]
    heapq.heapify(waiting)
    taken: list[tuple[Unit, float]] = []
    while waiting:
        loss, unit, looked_at = heapq.heappop(waiting)
        if looked_at < rounds:
            heapq.heappush(waiting, (loss_s(unit), unit, rounds))
            continue
        plans |= {j: in_service[j] for j in unit}
        delay_s += loss * len(unit)
        rounds += 1
        taken.append((unit, loss * len(unit)))
    return tuple(_steps(taken[::-1], judge, in_service, whole, most))


def _steps(
    order: Sequence[tuple[Unit, float]],
    judge: Judge,
    in_service: Plans,
    whole: Plans,
    most: int,
) -> Iterable[Step]:
    """As many of the changes as may be touched and are worth it together, in their order."""
    touched, saved, best, kept = 0, 0.0, 0.0, 0
    for n, (unit, lost_s) in enumerate(order):
        touched += len(unit)
        if touched > most:
            break
        saved += lost_s
        if saved > best:
            best, kept = saved, n + 1
    for unit, lost_s in order[:kept]:
        moved = sum(moved_s(in_service[j], whole[j]) for j in unit)
        yield Step({j: whole[j] for j in unit}, lost_s * judge.area.vehicles_per_h / 3600, moved)
