"""What a green wave solve gives back: frozen, comparable, the same for the same seed.

Offsets are ours: start of green of the coordinated stage (on an arterial: of the out direction)
after that of the first signal, in [0, cycle). Band starts are on the same clock.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from optimizers.greenwave.problem import LeftPattern
from optimizers.mathopt import SolveStatus, gap_ratio


class BandwidthModel(StrEnum):
    """The model that made a result."""

    MAXBAND = "MAXBAND"
    MULTIBAND = "MULTIBAND"
    AM_BAND = "AM_BAND"


@dataclass(frozen=True, slots=True)
class DirectionBands:
    """Bands of one direction; per-link tuples in the order of the problem's links."""

    bandwidth_s: float
    """Width of the band through all signals: what the bands of all links have in common."""
    link_bandwidths_s: tuple[float, ...]
    """Width on each link; 0 where the band ends."""
    link_band_starts_s: tuple[float, ...]
    """When the band's front leaves the link's upstream signal, in [0, cycle)."""
    travel_s: tuple[float, ...]
    speeds_mps: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ArterialPlan:
    """Cycle, offsets, bands and left-turn orders of an arterial."""

    cycle_s: float
    offsets_s: tuple[float, ...]
    back_green_starts_s: tuple[float, ...]
    """Start of each signal's back green after its own out green, in [0, cycle)."""
    out: DirectionBands
    back: DirectionBands
    left_patterns: tuple[LeftPattern, ...]
    """Empty where the problem has no left turns."""


@dataclass(frozen=True, slots=True)
class ArterialResult:
    """How a bandwidth model ended, and its plan where there is one.

    ``objective`` and ``bound`` are in cycles: MAXBAND the weighted sum of both bands, MULTIBAND
    and AM-BAND the mean over links of the weighted sum.
    """

    model: BandwidthModel
    status: SolveStatus
    objective: float
    bound: float
    seed: int
    plan: ArterialPlan | None

    @property
    def gap_ratio(self) -> float:
        return gap_ratio(self.objective, self.bound)


@dataclass(frozen=True, slots=True)
class CorridorResult:
    """Offsets of a corridor in whole seconds, the bands they give, and what is proved.

    ``objective`` is the weighted sum of the two through bands in seconds; with ``Aim.LINKS`` the
    weighted sum of the link bands.
    """

    status: SolveStatus
    objective: float
    bound: float
    """No offsets in whole seconds are better than this."""
    relaxed_bound: float | None
    """No offsets at all, whole seconds or not, have through bands of a larger weighted sum in
    seconds (from MAXBAND by MILP; where both bands run, of all pairs of bands). ``None`` where it
    was not computed: not asked for, or a signal without exactly one window."""
    seed: int
    cycle_s: int
    offsets_s: tuple[int, ...]
    out_bandwidth_s: int
    back_bandwidth_s: int
    out_band_start_s: int | None
    """When the out band's front leaves the first signal; ``None``: there is no through band."""
    back_band_start_s: int | None
    """When the back band's front leaves the last signal."""
    out_link_bands_s: tuple[int, ...]
    """Seconds per cycle in which a vehicle that leaves one signal on green meets the next green."""
    back_link_bands_s: tuple[int, ...]

    @property
    def gap_ratio(self) -> float:
        return gap_ratio(self.objective, self.bound)
