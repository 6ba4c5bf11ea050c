"""The effect along corridors: minutes from end to end, beside junctions that were left alone.

A corridor's travel time is that of its links one after the other, each as the mean vehicle of the
compared hours took it. What would have become of it is told by the mean travel times through the
catchments of untreated junctions, matched and inferred as for delay (`inference`); placebo
groups have as many junctions as the corridor.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from traffic_brain.diagnosis.effect.change import (
    Comparison,
    Finding,
    against_what_would_have_been,
    claimed,
    ratio_of,
)
from traffic_brain.diagnosis.effect.days import Day
from traffic_brain.diagnosis.effect.inference import LEAST_CONTROLS, Sample, estimate, placebos
from traffic_brain.diagnosis.effect.units import catchments, common_bins
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.verdict import Interval95

MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class CorridorChange:
    """One direction of a corridor, before and after; minus is quicker."""

    corridor_id: str
    name: str
    direction: str
    """``out`` or ``back``, as the corridor has it."""
    finding: Finding
    why: str
    before_min: float
    after_min: float
    ratio: Interval95 | None
    minutes: Interval95 | None
    """Against what it would have been; None: it cannot be told."""


def corridor_changes(
    network: RoadNetwork, days: Sequence[Day], compared: Comparison, corridors: Iterable[Corridor]
) -> tuple[CorridorChange, ...]:
    """Both directions of every corridor that holds a treated junction.

    Args:
        days: those of ``compared``, in its order.
    """
    treated = {compared.units.names[i] for i in compared.treated}
    found = []
    for corridor in corridors:
        if treated.isdisjoint(corridor.junction_ids):
            continue
        for direction, paths in (("out", corridor.out_paths), ("back", corridor.back_paths)):
            links = [network.link_idx[k] for path in paths for k in path]
            if links:
                found.append(_change(network, days, compared, corridor, direction, links))
    return tuple(found)


def _change(
    network: RoadNetwork,
    days: Sequence[Day],
    compared: Comparison,
    corridor: Corridor,
    direction: str,
    links: Sequence[int],
) -> CorridorChange:
    bins = _used_bins(compared, corridor)
    minutes = np.array([_end_to_end_s(day, days, links, bins) for day in days]) / MINUTE_S
    sample = _with_corridor(network, compared, minutes)
    untreated = placebos(sample, compared.pool, len(corridor.junction_ids))
    told = estimate(sample, [len(compared.units.names)], compared.pool, untreated)
    after = float(minutes[compared.is_after].mean())
    finding, why = Finding.NOT_DECIDED, "there is too little to compare with"
    if told.p_value is not None and len(told.controls) >= LEAST_CONTROLS and compared.has_days:
        finding, why = claimed(told.log_effect, told.p_value)
    ratio = ratio_of(told)
    return CorridorChange(
        corridor_id=corridor.corridor_id,
        name=corridor.name,
        direction=direction,
        finding=finding,
        why=why,
        before_min=float(minutes[~compared.is_after].mean()),
        after_min=after,
        ratio=ratio,
        minutes=against_what_would_have_been(ratio, after),
    )


def _used_bins(compared: Comparison, corridor: Corridor) -> np.ndarray:
    """bool[bin]: used at every junction of the corridor; where there is none, all bins."""
    units = compared.units
    here = [i for i, name in enumerate(units.names) if name in corridor.junction_ids]
    used = units.used[here].all(axis=0)
    return np.asarray(used if used.any() else np.ones_like(used))


def _end_to_end_s(day: Day, days: Sequence[Day], links: Sequence[int], bins: np.ndarray) -> float:
    """Sum over links of the travel time of the mean vehicle in the bins used."""
    here = np.searchsorted(day.bin_starts_s, common_bins(days))[bins]
    travel_s, vehicles = (a[np.ix_(links, here)] for a in (day.travel_time_s, day.vehicles))
    known = np.isfinite(travel_s)
    # A link that nobody was seen on has its mean over time.
    weight = np.where(known, np.nan_to_num(vehicles) + 1e-6, 0.0)
    spent = (np.where(known, travel_s, 0.0) * weight).sum(axis=1)
    return float((spent / np.maximum(weight.sum(axis=1), 1e-12)).sum())


def _with_corridor(network: RoadNetwork, compared: Comparison, minutes: np.ndarray) -> Sample:
    """Hours spent in the catchments by vehicles, and one place more: the corridor."""
    units = compared.units
    links_of = catchments(network)
    free_h = np.array(
        [
            sum(
                network.links[k].length_m / network.links[k].free_flow_speed_mps / 3600.0
                for k in links_of[name]
            )
            for name in units.names
        ]
    )
    vehicles = np.maximum(units.day_vehicles, 1e-9)
    approaches = np.array(
        [max(sum(network.links[k].junction_id == n for k in links_of[n]), 1) for n in units.names]
    )
    # Of a catchment's free-flow times each vehicle drives those of its own approach.
    spent_h = units.day_delay_veh_h + vehicles * (free_h / approaches)[:, None]
    loss = np.vstack([np.maximum(spent_h, 1e-9), minutes])
    size = np.vstack([vehicles, np.ones(len(minutes))])
    # Matched as the junctions of the corridor are on average.
    own = compared.sample.features
    members = [i for i in sorted(compared.treated) if units.is_usable[i]]
    features = np.vstack([own, own[members].mean(axis=0) if members else own.mean(axis=0)])
    return Sample(
        loss=loss,
        size=size,
        features=features,
        is_after=compared.is_after,
        stratum=compared.stratum,
        near=(*units.neighbours, frozenset()),
    )
