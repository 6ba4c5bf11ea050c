"""The bottleneck page: where, when, why, what could be saved, and on whose word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.refusals import NotFound
from traffic_brain.console.views.devices import Device, devices_on
from traffic_brain.model.findings import Bottleneck, Corridor
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.phrases import translated
from traffic_brain.report.saved import Night
from traffic_brain.report.texts import Words, code_words


@dataclass(frozen=True, slots=True)
class BottleneckView:
    """What the bottleneck page shows."""

    bottleneck: Bottleneck
    rank: int
    place: str
    junction: str
    tail: str
    """Name of the link where the queue ends; empty where that is not known."""
    cause: Words
    evidence: Words
    savable_ratio: float
    """Share of its delay that other timing could save, by the diagnosis' own counterfactual."""
    passive: tuple[tuple[str, str], ...]
    """(link id, name) inside the queue."""
    speeds_kmh: Sequence[tuple[int, int | None]]
    """(start of the bin in seconds, speed) of the head's link over the day."""
    devices: tuple[Device, ...]
    corridors: tuple[Corridor, ...]
    is_planned: bool
    """The proposed plans change the junction at its head."""


def find(night: Night, bottleneck_id: str) -> tuple[int, Bottleneck]:
    """(rank, bottleneck).

    Raises:
        NotFound: there is none.
    """
    for rank, found in enumerate(night.bottlenecks, start=1):
        if found.bottleneck_id == bottleneck_id:
            return rank, found
    raise NotFound("there is no such bottleneck", "choose one of the list")


def corridors_at(night: Night, junction_id: str | None) -> tuple[Corridor, ...]:
    """Corridors through a junction."""
    return tuple(c for c in night.corridors if junction_id in c.junction_ids)


def view(library: Library, folder: NightFolder, rank: int, found: Bottleneck) -> BottleneckView:
    """Everything that is known of a bottleneck."""
    night = library.night(folder)
    network = night.network
    involved = {found.link_id, *found.passive_links}
    return BottleneckView(
        bottleneck=found,
        rank=rank,
        place=link_name(network, found.link_id),
        junction=junction_name(network, found.junction_id) if found.junction_id else "",
        tail=link_name(network, found.tail_link) if found.tail_link else "",
        cause=code_words("cause", found.cause.value),
        evidence=translated(found.evidence),
        savable_ratio=min(1.0, found.savable_veh_h / found.delay_veh_h)
        if found.delay_veh_h > 0
        else 0.0,
        passive=tuple((i, link_name(network, i)) for i in found.passive_links),
        speeds_kmh=_speeds(night, found.link_id),
        devices=tuple(devices_on(library, folder, involved)),
        corridors=corridors_at(night, found.junction_id),
        is_planned=found.junction_id in night.proposed,
    )


def _speeds(night: Night, link_id: str) -> list[tuple[int, int | None]]:
    states = night.link_states
    if link_id not in states.link_ids:
        return []
    column = states.link_ids.index(link_id)
    speeds = [row[column] for row in states.speeds_kmh]
    return [(b, s if s >= 0 else None) for b, s in zip(states.bins_s, speeds, strict=True)]
