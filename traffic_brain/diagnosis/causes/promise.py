"""What a retiming gives back: the delay around its junction, beside that under the plans that ran.

What is won at one stop line may be lost behind the next, and a queue that is gone is gone for the
hour after: so more streets are driven than the cause was looked for in, and more hours. And what
suits the vehicles that a search drove suits others less: so other draws of the demand are driven.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from traffic_brain.diagnosis.causes.areas import City
from traffic_brain.diagnosis.causes.counterfactual import DRAWS, Area, Change, Doubt, as_it_is
from traffic_brain.diagnosis.causes.remedies import SEARCH_DRAWS
from traffic_brain.model.documents import plan_from_dict
from traffic_brain.model.signals import SignalPlan

MOST_HOPS, MOST_JUNCTIONS, LEAST_BINS = 2, 16, 18
"""How far around a junction, and how long, a retiming is followed."""


@dataclass(frozen=True, eq=False)
class Promise:
    """Vehicle-hours [draw] lost in an area under the plans that ran, and under a retiming."""

    area: Area
    in_service_veh_h: np.ndarray
    retimed_veh_h: np.ndarray

    @property
    def lost_veh_h(self) -> float:
        return float(self.in_service_veh_h.mean())

    @property
    def savable_veh_h(self) -> float:
        return max(self.lost_veh_h - float(self.retimed_veh_h.mean()), 0.0)

    @property
    def savable_ratio(self) -> float:
        return self.savable_veh_h / self.lost_veh_h if self.lost_veh_h else 0.0

    @property
    def told(self) -> str:
        """In words."""
        saved, lost = self.savable_veh_h, self.lost_veh_h
        return f"a retiming gives back {saved:.1f} of {lost:.1f} veh-h around it"

    @property
    def record(self) -> dict[str, Any]:
        """From which it can be driven again."""
        return {
            "junctions": list(self.area.junctions),
            "bins": list(self.area.bins),
            "in_service_veh_h": np.round(self.in_service_veh_h, 3).tolist(),
            "retimed_veh_h": np.round(self.retimed_veh_h, 3).tolist(),
        }


def promised(area: Area, junction_id: str, plan: SignalPlan, change: Change) -> Promise:
    """What a junction's plan gives back on streets that are as ``change`` makes them."""
    return _driven(_further(area, junction_id), {junction_id: plan}, change)


def replayed(city: City, record: Mapping[str, Any]) -> Promise:
    """The promise of a case's record that holds one (``further``), driven again.

    On streets as on file: equal to what stands there where nothing was in the way.
    """
    told = record["further"]
    first, end = told["bins"]
    taken = record["taken"]
    doubt = None
    if "flow_ratio" in taken:
        doubt = Doubt(taken["link_id"], frozenset(taken["to_links"]), taken["flow_ratio"])
    area = Area(city, tuple(told["junctions"]), (first, end), record["seed"], doubt)
    return _driven(area, {record["junction_id"]: plan_from_dict(record["retimed"])}, as_it_is)


def _driven(area: Area, plans: Mapping[str, SignalPlan], change: Change) -> Promise:
    fresh = range(SEARCH_DRAWS, DRAWS)
    was, then = (
        np.array([area.run(p, change, d).measures.vehicle_delay_s.sum() / 3600 for d in fresh])
        for p in ({}, plans)
    )
    return Promise(area, was, then)


def _further(area: Area, junction_id: str) -> Area:
    """More of the streets around, and of the hours before and after."""
    first, end = area.bins
    bins = area.city.state.window.bin_count
    room = max(LEAST_BINS - (end - first), 0)
    begin = max(0, min(first - room // 2, bins - LEAST_BINS))
    return Area(
        area.city,
        area.city.around(junction_id, MOST_HOPS, MOST_JUNCTIONS),
        (min(begin, first), max(end, min(bins, begin + LEAST_BINS))),
        area.seed,
        area.doubt,
        area.runs,
    )
