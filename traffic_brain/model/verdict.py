"""The judgement on a set of plans, and the evidence it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """DEPLOY: shown better. KEEP: shown not better. INCONCLUSIVE: not decided; nothing changes."""

    DEPLOY = "DEPLOY"
    KEEP = "KEEP"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True, slots=True)
class Interval95:
    """A mean with its two-sided 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Decision on the proposed plans against those in service (评判).

    ``*_delay_s_per_veh``: time loss + departure delay, all vehicles, mean over paired seeds.
    ``change_ratio``: paired (proposed - in service) / in service; below zero is better.
    """

    decision: Decision
    reason: str
    candidate_id: str
    seeds: tuple[int, ...]
    in_service_delay_s_per_veh: tuple[float, ...]
    proposed_delay_s_per_veh: tuple[float, ...]
    change_s_per_veh: Interval95 | None
    change_ratio: Interval95 | None
