"""Parameters of the recipe, checked when built."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from traffic_brain.errors import ConfigurationError


@dataclass(frozen=True)
class OptimizeParams:
    """What ``optimize`` tries.

    common_cycles_s: cycles tried for the whole city, beside the one most junctions run today.
    local_cycles_s: cycles a junction may take for itself where it is not coordinated.
    staged_cycles_s: cycles tried for the whole city with stages that are chosen anew; not where few
        changes are asked for.
    most_restaged: in a city with more junctions that may be retimed all keep their stages.
    free_protections: stages chosen anew may let a turn that is protected today give way.
    demand_reserve_ratio: plans are made for this much more demand than was measured.
    progression_ratio: platoons drive at this share of the free-flow speed.
    max_candidates: how many sets of plans go on to the check.
    offset_work: thousand million additions that the search for offsets of least delay, and the
        proof of how good they are, may take for each set of signals with one cycle.
    offset_gap_ratio: a proven gap that is good enough there.
    offset_gain_ratio: offsets of coordinate descent stay where the search saves no more than this
        share of their cost: less than the model can tell.
    offsets_across_cycles: signals with half a cycle, or another whole part of it, are coordinated
        with those that run all of it; else every cycle for itself.
    max_changes: junctions whose plans may change; 0: all. The front of what one change more brings
        is told beside the candidates.
    """

    common_cycles_s: tuple[int, ...] = (60, 70, 80, 90, 100, 110, 120)
    local_cycles_s: tuple[int, ...] = tuple(range(30, 125, 5))
    staged_cycles_s: tuple[int, ...] = (40, 50, 60, 75, 90)
    most_restaged: int = 100
    free_protections: bool = False
    demand_reserve_ratio: float = 1.05
    progression_ratio: float = 0.9
    max_candidates: int = 15
    offset_work: float = 20.0
    offset_gap_ratio: float = 0.001
    offset_gain_ratio: float = 0.002
    offsets_across_cycles: bool = False
    max_changes: int = 0

    def __post_init__(self) -> None:
        rules = (
            (
                all(20 <= c <= 300 for c in self._cycles_s),
                "every cycle must lie between 20 and 300 s",
            ),
            (
                0.5 <= self.demand_reserve_ratio <= 2.0,
                "demand_reserve_ratio must lie between 0.5 and 2",
            ),
            (
                0.3 <= self.progression_ratio <= 1.2,
                "progression_ratio must lie between 0.3 and 1.2",
            ),
            (self.max_candidates >= 1, "max_candidates must be at least 1"),
            (0.0 <= self.offset_work < inf, "offset_work must not be below 0"),
            (
                0.0 <= self.offset_gap_ratio < 1.0 and 0.0 <= self.offset_gain_ratio < 1.0,
                "offset_gap_ratio and offset_gain_ratio must lie between 0 and 1",
            ),
            (self.max_changes >= 0, "max_changes must not be below 0"),
            (self.most_restaged >= 0, "most_restaged must not be below 0"),
            (
                not (self.free_protections and self.max_changes),
                "with max_changes stages stay, so free_protections frees nothing",
            ),
        )
        problems = [words for holds, words in rules if not holds]
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the optimise settings")

    @property
    def _cycles_s(self) -> tuple[int, ...]:
        return (*self.common_cycles_s, *self.local_cycles_s, *self.staged_cycles_s)
