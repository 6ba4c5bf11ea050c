"""The night of one grid zone: its junctions, links, delay, bottlenecks, and plans to change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from traffic_brain.fusion.levels import LEVELS
from traffic_brain.model.network import RoadNetwork, Zone
from traffic_brain.report import tables
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.saved import NO_LEVEL, Night
from traffic_brain.report.tables import BottleneckRow, PlanRow

CONGESTED = tuple(LEVELS.index(name) for name in LEVELS[-2:])
"""Levels that count as congested: the two worst."""
WORST_LINKS = 40


@dataclass(frozen=True, slots=True)
class ZoneSummary:
    """A zone in one line."""

    zone_id: str
    name: str
    junctions: int
    links: int
    length_km: float
    bottlenecks: int
    delay_veh_h: float
    """At its bottlenecks."""
    savable_veh_h: float
    congested_ratio: float | None
    """Share of its links' observed times that are congested; None: nothing was observed."""
    plans_changed: int


@dataclass(frozen=True, slots=True)
class JunctionRow:
    """A junction of a zone."""

    junction_id: str
    name: str
    saturation_ratio: float | None
    imbalance_ratio: float | None
    delay_veh_h: float | None
    changes: bool


@dataclass(frozen=True, slots=True)
class LinkRow:
    """A link of a zone: means over the times at which its state is known."""

    link_id: str
    name: str
    length_m: float
    mean_kmh: float | None
    least_kmh: float | None
    congested_ratio: float | None


@dataclass(frozen=True, slots=True)
class ZoneBottleneck:
    """A bottleneck whose head lies in the zone; ranked in the whole city."""

    bottleneck_id: str
    link_id: str
    row: BottleneckRow


@dataclass(frozen=True, slots=True)
class ZoneReport:
    """A zone in full; every list the worst first."""

    zone: Zone
    summary: ZoneSummary
    bottlenecks: tuple[ZoneBottleneck, ...]
    junctions: tuple[JunctionRow, ...]
    links: tuple[LinkRow, ...]
    plans: tuple[PlanRow, ...]


class Zones:
    """The zones of a night; what all of them share is worked out once.

    ``ranked`` and ``plans`` are the rows of the whole city, as `report.tables` makes them.
    """

    def __init__(self, night: Night) -> None:
        self._night = night
        self.ranked = tables.ranked_bottlenecks(night)
        self.plans = tables.plan_rows(night)
        self._column = {link_id: i for i, link_id in enumerate(night.link_states.link_ids)}
        self._speeds, self._congested, self._known = _states(night)
        self._links = _by_zone(
            (link.link_id, link.zone_id) for link in night.network.links.values() if link.car_lanes
        )
        self._junctions = _by_zone(
            (j.junction_id, j.zone_id) for j in night.network.junctions.values()
        )

    def summaries(self) -> list[ZoneSummary]:
        """All zones, those with most delay first."""
        found = [self._summary(zone) for zone in self._night.network.zones.values()]
        return sorted(found, key=lambda z: (-z.delay_veh_h, z.zone_id))

    def report(self, zone_id: str) -> ZoneReport:
        """One zone.

        Raises:
            KeyError: there is none of this id.
        """
        night, zone = self._night, self._night.network.zones[zone_id]
        junctions = [self._junction(j) for j in self._junctions.get(zone_id, ())]
        links = [self._link(i) for i in self._links.get(zone_id, ())]
        return ZoneReport(
            zone=zone,
            summary=self._summary(zone),
            bottlenecks=tuple(
                ZoneBottleneck(found.bottleneck_id, found.link_id, row)
                for found, row in zip(night.bottlenecks, self.ranked, strict=True)
                if night.network.links[found.link_id].zone_id == zone_id
            ),
            junctions=tuple(sorted(junctions, key=lambda j: -(j.delay_veh_h or 0.0))),
            links=tuple(sorted(links, key=lambda k: (-(k.congested_ratio or 0.0), k.link_id))),
            plans=tuple(
                row
                for row in self.plans
                if night.network.junctions[row.junction_id].zone_id == zone_id
            ),
        )

    def _summary(self, zone: Zone) -> ZoneSummary:
        night = self._night
        links = self._links.get(zone.zone_id, ())
        here = [
            b for b in night.bottlenecks if night.network.links[b.link_id].zone_id == zone.zone_id
        ]
        columns = [self._column[i] for i in links if i in self._column]
        known = int(self._known[columns].sum())
        return ZoneSummary(
            zone_id=zone.zone_id,
            name=zone.name or zone.zone_id,
            junctions=len(self._junctions.get(zone.zone_id, ())),
            links=len(links),
            length_km=sum(night.network.links[i].length_m for i in links) / 1000.0,
            bottlenecks=len(here),
            delay_veh_h=sum(b.delay_veh_h for b in here),
            savable_veh_h=sum(b.savable_veh_h for b in here),
            congested_ratio=float(self._congested[columns].sum() / known) if known else None,
            plans_changed=sum(
                night.network.junctions[j].zone_id == zone.zone_id for j in night.proposed
            ),
        )

    def _junction(self, junction_id: str) -> JunctionRow:
        row = self._night.junctions.get(junction_id, {})
        return JunctionRow(
            junction_id,
            junction_name(self._night.network, junction_id),
            row.get("saturation_ratio"),
            row.get("imbalance_ratio"),
            row.get("delay_veh_h"),
            junction_id in self._night.proposed,
        )

    def _link(self, link_id: str) -> LinkRow:
        column = self._column.get(link_id)
        network: RoadNetwork = self._night.network
        speeds = self._speeds[:, column] if column is not None else np.empty(0)
        seen = speeds[speeds >= 0]
        known = int(self._known[column]) if column is not None else 0
        return LinkRow(
            link_id,
            link_name(network, link_id),
            network.links[link_id].length_m,
            float(seen.mean()) if len(seen) else None,
            float(seen.min()) if len(seen) else None,
            float(self._congested[column] / known) if known else None,
        )


def _states(
    night: Night,
) -> tuple[NDArray[np.int16], NDArray[np.int64], NDArray[np.int64]]:
    """(speeds[bin, link] in km/h, -1 for none; congested times and known times of each link)."""
    states = night.link_states
    count = len(states.link_ids)
    speeds = np.array([np.asarray(row) for row in states.speeds_kmh], dtype=np.int16)
    letters = np.frombuffer("".join(states.levels).encode("ascii"), dtype=np.uint8)
    levels = letters.reshape(len(states.bins_s), count)
    codes = [ord(str(level)) for level in CONGESTED]
    return (
        speeds.reshape(len(states.bins_s), count),
        np.isin(levels, codes).sum(axis=0),
        (levels != ord(NO_LEVEL)).sum(axis=0),
    )


def _by_zone(pairs: Iterable[tuple[str, str | None]]) -> dict[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    for name, zone_id in pairs:
        if zone_id is not None:
            found.setdefault(zone_id, []).append(name)
    return {zone_id: tuple(names) for zone_id, names in found.items()}
