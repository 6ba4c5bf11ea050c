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
    TURN_BAY_OR_LANE_USE = "TURN_BAY_OR_LANE_USE"
    CAPACITY_LOSS = "CAPACITY_LOSS"
    INCIDENT = "INCIDENT"
    PLAN_OUT_OF_DATE = "PLAN_OUT_OF_DATE"
    BROKEN_SENSOR = "BROKEN_SENSOR"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True)
class CauseShare:
    """How much of what all remedies together give back one of them does; 0 to 1."""

    cause: Cause
    share_ratio: float
    low_ratio: float
    high_ratio: float
    """Over draws of the demand."""


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
    shares: tuple[CauseShare, ...] = ()
    """Every cause that was tried, the greatest first; empty: no counterfactual was driven."""
    tail_link: str | None = None
    """Where the queue ends, furthest from the head."""
    extent_m: float = 0.0
    """Length of all links in the queue."""
    treatments: tuple[str, ...] = ()
    """What to do about it: codes that pages put into words."""


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
