"""Who gains and who loses by the proposed plans: each movement's share of green, old and new."""

from __future__ import annotations

from dataclasses import dataclass

from traffic_brain.model.network import NO_SIGNAL, Movement
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.saved import Night

_SAME = 0.005


@dataclass(frozen=True, slots=True)
class Gain:
    """A movement whose share of green changes."""

    junction_id: str
    junction: str
    movement: str
    old_ratio: float
    new_ratio: float
    demand_vph: float

    @property
    def is_gain(self) -> bool:
        return self.new_ratio > self.old_ratio


def gains(night: Night) -> list[Gain]:
    """Movements that change by half a percent of the cycle or more, the greatest losses first."""
    found = []
    for junction_id, plan in night.proposed.items():
        old = night.running.get(junction_id)
        if old is None:
            continue
        for movement in night.network.movements_at[junction_id]:
            before, after = _green_ratio(old, movement), _green_ratio(plan, movement)
            if before is None or after is None or abs(after - before) < _SAME:
                continue
            names = (link_name(night.network, i) for i in (movement.from_link, movement.to_link))
            found.append(
                Gain(
                    junction_id,
                    junction_name(night.network, junction_id),
                    " → ".join(names),
                    before,
                    after,
                    night.demand_vph.get(movement.movement_id, 0.0),
                )
            )
    return sorted(found, key=lambda g: (g.new_ratio - g.old_ratio, g.junction_id, g.movement))


def _green_ratio(plan: SignalPlan, movement: Movement) -> float | None:
    group = next((g for g in movement.signal_group_idxs if g != NO_SIGNAL), None)
    if group is None or group >= plan.signal_group_count:
        return None
    return sum(length for _, length in plan.green_starts(group)) / plan.cycle_s
