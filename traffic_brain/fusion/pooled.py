"""Several service days as one that is typical of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from traffic_brain.fusion.state import State


def pooled(states: Sequence[State]) -> State:
    """The latest day with the mean demand of all, and vehicles taken from each in equal shares.

    One day's demand is what was counted on it, chance included; a plan is for the next. Days of
    another window are left out. What ran, and speeds and flows of links, stay the latest day's.

    Args:
        states: of one network, the latest first.
    """
    latest = states[0]
    alike = [state for state in states if state.demand_vph.shape == latest.demand_vph.shape]
    if len(alike) == 1:
        return latest
    chosen = [
        (state.trips[i], state.vehicle_classes[i], i in state.undetected)
        for first, state in enumerate(alike)
        for i in range(first, len(state.trips), len(alike))
    ]
    chosen.sort(key=lambda vehicle: vehicle[0][0])
    return replace(
        latest,
        demand_vph=np.mean([state.demand_vph for state in alike], axis=0),
        demand_high_vph=np.mean([state.demand_high_vph for state in alike], axis=0),
        trips=tuple(trip for trip, _, _ in chosen),
        vehicle_classes=tuple(kind for _, kind, _ in chosen),
        undetected=frozenset(i for i, (_, _, undetected) in enumerate(chosen) if undetected),
    )
