"""What diagnosis finds: bottlenecks with causes, corridors, and the health of the feeds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a queue stands where it stands (堵因)."""

    SPLIT_IMBALANCE = "SPLIT_IMBALANCE"
    OFFSET = "OFFSET"
    CYCLE = "CYCLE"
    DEMAND_ABOVE_CAPACITY = "DEMAND_ABOVE_CAPACITY"
    SPILLBACK_FROM_ELSEWHERE = "SPILLBACK_FROM_ELSEWHERE"
    BROKEN_SENSOR = "BROKEN_SENSOR"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class Bottleneck:
    """The head of a queue, with its times, extent and cost (堵点)."""

    bottleneck_id: str
    link_id: str
    junction_id: str | None
    start_s: int
    end_s: int
    passive_links: tuple[str, ...]
    """Links inside this queue, upstream of the head."""
    delay_veh_h: float
    cause: Cause
    savable_veh_h: float
    evidence: str
    """One sentence with the figures the cause rests on."""


@dataclass(frozen=True, slots=True)
class Corridor:
    """Ordered junctions coordinated together (干线).

    ``out_paths[i]`` are the links from junction i to junction i + 1 in driving order,
    ``back_paths[i]`` those from junction i + 1 to junction i (empty: one-way street).
    """

    corridor_id: str
    name: str
    junction_ids: tuple[str, ...]
    out_paths: tuple[tuple[str, ...], ...]
    back_paths: tuple[tuple[str, ...], ...]
    out_flow_vph: float
    back_flow_vph: float
