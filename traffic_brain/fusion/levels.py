"""Congestion level of a link by road class and speed.

Limits in km/h as internet map providers publish them: expressway 65/50/35/20, arterial
40/30/20/15, secondary and branch 35/25/15/10. A speed on a limit belongs to the worse level.
"""

from __future__ import annotations

from traffic_brain.model.network import Link

LEVELS = ("free", "mostly_free", "light", "moderate", "severe")
LIMITS_KMH = {
    "expressway": (65.0, 50.0, 35.0, 20.0),
    "arterial": (40.0, 30.0, 20.0, 15.0),
    "branch": (35.0, 25.0, 15.0, 10.0),
}
_EXPRESSWAY = ("motorway", "trunk")


def class_of(link: Link) -> str:
    """``expressway``, ``arterial`` or ``branch``: by the road class's name, else by its speed."""
    name = link.road_class
    if any(word in name for word in _EXPRESSWAY):
        return "expressway"
    if "primary" in name or "arterial" in name:
        return "arterial"
    if "highway." in name:
        return "branch"
    return "arterial" if link.free_flow_speed_mps > 13 and link.lane_count > 1 else "branch"


def level(road_class: str, speed_kmh: float) -> str:
    """One of ``LEVELS`` for a speed on a road of class ``LIMITS_KMH``'s keys."""
    for name, limit in zip(LEVELS, LIMITS_KMH[road_class], strict=False):
        if speed_kmh > limit:
            return name
    return LEVELS[-1]
