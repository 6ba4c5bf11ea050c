"""How large everything is in a generated city of a given number of junctions.

The pattern is Hefei: 2,380 signalised junctions, 3,844 two-way roads, 202 grid zones; smaller and
larger cities have them in proportion, and rings, rivers and expressways as their size allows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from traffic_brain.errors import ConfigurationError

PATTERN_JUNCTIONS, PATTERN_ROADS, PATTERN_ZONES = 2380, 3844, 202
FEWEST_JUNCTIONS, MOST_JUNCTIONS = 9, 20_000
AREA_PER_JUNCTION_M2 = 175_000.0
"""Blocks of about 420 m from junction to junction."""
EXPRESSWAY, ARTERIAL = "highway.trunk", "highway.primary"
SECONDARY, BRANCH = "highway.secondary", "highway.tertiary"
CLASSES = (EXPRESSWAY, ARTERIAL, SECONDARY, BRANCH)
"""快速路 主干路 次干路 支路, by the names that maps and SUMO give them; greatest first."""
SPEED_MPS = {EXPRESSWAY: 70 / 3.6, ARTERIAL: 60 / 3.6, SECONDARY: 50 / 3.6, BRANCH: 40 / 3.6}
LEAST_SPACING_M = {EXPRESSWAY: 260.0, ARTERIAL: 170.0, SECONDARY: 135.0, BRANCH: 115.0}
"""Between two junctions of a street."""


@dataclass(frozen=True)
class Scale:
    """Sizes that follow from the number of junctions.

    Raises:
        ConfigurationError: fewer or more junctions than can be made.
    """

    junctions: int

    def __post_init__(self) -> None:
        if not FEWEST_JUNCTIONS <= self.junctions <= MOST_JUNCTIONS:
            raise ConfigurationError(
                f"a city of {self.junctions} junctions cannot be made",
                f"ask for {FEWEST_JUNCTIONS} to {MOST_JUNCTIONS} junctions",
            )

    @cached_property
    def road_count(self) -> int:
        """Two-way roads, those out of town included."""
        return round(self.junctions * PATTERN_ROADS / PATTERN_JUNCTIONS)

    @cached_property
    def zone_count(self) -> int:
        return max(1, round(self.junctions * PATTERN_ZONES / PATTERN_JUNCTIONS))

    @cached_property
    def gate_count(self) -> int:
        """Roads out of town, before they make up the number of roads."""
        return max(2, round(1.3 * math.sqrt(self.junctions)))

    @cached_property
    def radius_m(self) -> float:
        return math.sqrt(self.junctions * AREA_PER_JUNCTION_M2 / math.pi) * 0.95

    @cached_property
    def closest_m(self) -> float:
        """Least distance of two junctions of the great lines."""
        return min(190.0, self.radius_m / 6)

    @cached_property
    def ring_ratios(self) -> tuple[float, ...]:
        """Radius of each ring by that of the edge of town."""
        if self.radius_m > 8_500:
            return (0.19, 0.43, 0.71)
        if self.radius_m > 4_500:
            return (0.3, 0.63)
        return (0.5,) if self.radius_m > 2_400 else ()

    @cached_property
    def radials(self) -> tuple[tuple[int, bool], ...]:
        """From each ring outward: roads per quarter of the city, and whether some are fast."""
        if self.radius_m > 8_500:
            return ((1, True), (2, False))
        return ((1, self.has_expressways),) if self.radius_m > 2_400 else ()

    @property
    def has_expressways(self) -> bool:
        return self.radius_m > 4_500

    @property
    def river_count(self) -> int:
        if self.radius_m > 5_500:
            return 2
        return 1 if self.junctions >= 40 else 0

    @property
    def river_width_m(self) -> tuple[float, float]:
        """Of the main river and of its tributary."""
        return min(140.0, 40.0 + self.radius_m / 90), 50.0
