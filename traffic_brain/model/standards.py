"""What a country's standard says on signal timing: one table, each value with its source.

A city with other rules builds its own ``SafetyStandard(yellow_min_s=4, ...)``. A source that
was not seen carries the word *unverified*: no conformity is claimed with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from traffic_brain.errors import ConfigurationError

UNVERIFIED = "unverified"


def _declared(default: float, source: str) -> Any:
    return field(default=default, metadata={"source": source})


@dataclass(frozen=True, slots=True)
class SafetyStandard:
    """Limits that the rules hold every plan to; the fields' metadata name their ``source``.

    Raises:
        ConfigurationError: a value is not positive, or the yellow's limits are reversed.
    """

    yellow_min_s: int = _declared(3, f"GB 14886-2016, yellow 3-5 s: {UNVERIFIED}")
    yellow_max_s: int = _declared(5, f"GB 14886-2016, yellow 3-5 s: {UNVERIFIED}")
    green_min_s: int = _declared(5, f"shortest stage that drivers follow: {UNVERIFIED}")
    red_max_s: int = _declared(150, f"longest wait before a lamp is disobeyed: {UNVERIFIED}")
    walk_s: int = _declared(7, "pedestrian green 7 + L/v, traffic engineering textbooks")
    walking_speed_mps: float = _declared(1.2, f"range 1.0-1.2 m/s: {UNVERIFIED}")
    reaction_s: float = _declared(1.0, "yellow t + v/(2a), t = 1 s, ITE")
    deceleration_mps2: float = _declared(3.05, "yellow t + v/(2a), a = 10 ft/s2, ITE")
    vehicle_length_m: float = _declared(6.0, "all-red (W + L)/v, L = 6 m, ITE")
    entering_speed_mps: float = _declared(11.1, f"RiLSA, a flying start at 40 km/h: {UNVERIFIED}")

    def __post_init__(self) -> None:
        wrong = [f.name for f in fields(self) if not getattr(self, f.name) > 0]
        if self.yellow_min_s > self.yellow_max_s:
            wrong.append("yellow_min_s is above yellow_max_s")
        if wrong:
            raise ConfigurationError(
                f"safety standard: {', '.join(wrong)}", "give values above zero, in order"
            )


DEFAULT_STANDARD = SafetyStandard()


def yellow_s(speed_mps: float, standard: SafetyStandard = DEFAULT_STANDARD) -> float:
    """Yellow that a driver needs to stop: t + v/(2a), in seconds (ITE); not rounded."""
    return standard.reaction_s + speed_mps / (2 * standard.deceleration_mps2)


def all_red_s(
    width_m: float, speed_mps: float, standard: SafetyStandard = DEFAULT_STANDARD
) -> float:
    """Time to clear a conflict area of this width: (W + L)/v, in seconds (ITE); not rounded."""
    return (width_m + standard.vehicle_length_m) / speed_mps


def pedestrian_green_s(length_m: float, standard: SafetyStandard = DEFAULT_STANDARD) -> float:
    """Shortest green for a crossing of this length: walk + L/v, in seconds; not rounded."""
    return standard.walk_s + length_m / standard.walking_speed_mps
