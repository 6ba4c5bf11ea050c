"""How green waves are searched: small parameter sets, range-checked when built."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from optimizers.mathopt import MipLimits
from traffic_brain.errors import DataRefused


@dataclass(frozen=True, slots=True)
class BandwidthParams:
    """Of the bandwidth models MAXBAND, MULTIBAND and AM-BAND."""

    limits: MipLimits = field(default_factory=MipLimits)
    bands_may_end: bool = False
    """MULTIBAND and AM-BAND: a direction's band may have no width on a link, and the loop of that
    link is then open. Without it a long arterial may have no plan at all."""


class Aim(StrEnum):
    """What the offsets of a corridor are chosen for."""

    THROUGH = "THROUGH"
    """First the bands through the whole corridor, then the bands of single links."""
    LINKS = "LINKS"
    """The bands of single links alone: the through band may end anywhere."""


class WholeSecondMethod(StrEnum):
    """How the best through bands are found."""

    ENUMERATION = "ENUMERATION"
    """Every distance of the two bands is tried: exact, milliseconds, no limit needed."""
    CP_SAT = "CP_SAT"
    """OR-Tools CP-SAT on the same problem: an independent second opinion."""


@dataclass(frozen=True, slots=True)
class WholeSecondParams:
    """Of the offsets of a corridor in whole seconds.

    Raises:
        DataRefused: a limit or seed out of range; all problems at once.
    """

    aim: Aim = Aim.THROUGH
    method: WholeSecondMethod = WholeSecondMethod.ENUMERATION
    equal_bands: bool = False
    """Out and back bands of one width."""
    least_band_s: int = 1
    """Worth more than any sum: that both directions have a band of this width, or of what is
    possible below it. At 1 neither direction is given up for the other where both can run, as
    in MAXBAND; 0 only counts the weighted sum; a cycle makes the narrower band decide first."""
    relaxation: bool = True
    """Also solve MAXBAND without whole seconds: a bound from an independent model and solver."""
    seed: int = 0
    deterministic_limit: float = 30.0
    """CP-SAT's own unit of work, about a second each; the same on every machine."""
    relaxation_limits: MipLimits = field(default_factory=MipLimits)

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.seed < 2**31:
            problems.append(f"seed {self.seed} is not in [0, 2^31)")
        if self.least_band_s < 0:
            problems.append(f"least band {self.least_band_s} s is below 0")
        if not self.deterministic_limit > 0.0:
            problems.append(f"deterministic limit {self.deterministic_limit} is not above 0")
        if problems:
            raise DataRefused("parameters out of range", "correct them", problems)
