"""What a search for the offsets of a city gives back: frozen, and how it ended is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizers.mathopt import SolveStatus


@dataclass(frozen=True, slots=True)
class LoopBill:
    """A loop of the network, and the link that pays for closing it.

    A loop cannot give every link its best offset. ``paid_veh_s``: what all its links cost per
    cycle above their least; ``payer``: the two signals whose link has the most of it,
    ``payer_veh_s``. A link lies on several loops: bills must not be added up.
    """

    junction_ids: tuple[str, ...]
    payer: tuple[str, str]
    payer_veh_s: float
    paid_veh_s: float


@dataclass(frozen=True, slots=True)
class Moment:
    """How far the search was after so much work."""

    work: float
    objective: float
    bound: float
    cpu_s: float = field(compare=False)

    @property
    def gap_ratio(self) -> float:
        return gap_ratio(self.objective, self.bound)


@dataclass(frozen=True, slots=True, eq=False)
class CityOffsets:
    """Starts of stage 0 of all signals, in whole seconds, and what is proved about them.

    ``objective`` and ``bound`` are vehicle-seconds per cycle, stops included, over all links whose
    offsets matter: no starts in whole seconds cost less than ``bound``. OPTIMAL: they meet, but
    for the rounding of the tables (less than ``resolution_veh_s``).
    """

    status: SolveStatus
    objective: float
    bound: float
    resolution_veh_s: float
    seed: int
    cycle_s: int
    junction_ids: tuple[str, ...]
    starts_s: NDArray[np.int64]
    """int64[signal] in [0, cycle), in the order of ``junction_ids``; cannot be written to."""
    work: float
    cpu_s: float
    loops: tuple[LoopBill, ...]
    """Dearest first."""
    moments: tuple[Moment, ...]

    @property
    def gap_ratio(self) -> float:
        """(objective − bound) / objective: the share that could be saved at most."""
        return gap_ratio(self.objective, self.bound)

    @property
    def starts(self) -> Mapping[str, int]:
        return dict(zip(self.junction_ids, self.starts_s.tolist(), strict=True))


def gap_ratio(objective: float, bound: float) -> float:
    """(objective − bound) / objective; 0 where nothing is paid."""
    return (objective - bound) / objective if objective > 0.0 else 0.0
