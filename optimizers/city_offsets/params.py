"""When a search for the offsets of a city stops, checked when built."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from traffic_brain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class CityOffsetsParams:
    """Stop rules and seed. The first rule that holds ends the search.

    seed: of the random numbers; 0 to 2^32 − 1.
    work_limit: thousand million additions of two table entries, of search and proof together;
        about half a CPU second each. The same on every machine: with it the same seed gives the
        same result, byte for byte.
    gap_limit: proven gap that is good enough; 0: go on until the plan is proved best.
    idle_rounds: so many rounds in a row without a better plan or bound.
    restarts: random plans, each improved, that the search begins from beside the known ones.
    cpu_limit_s: CPU seconds of this process. With it a slow machine may find another result than
        a fast one; None: no such limit.

    Raises:
        ConfigurationError: a figure out of range; all problems at once.
    """

    seed: int = 0
    work_limit: float = 200.0
    gap_limit: float = 0.0
    idle_rounds: int = 60
    restarts: int = 5
    cpu_limit_s: float | None = None

    def __post_init__(self) -> None:
        problems = []
        if not 0 <= self.seed < 2**32:
            problems.append(f"seed {self.seed} is not in [0, 2^32)")
        if not (self.work_limit >= 0.0 and isfinite(self.work_limit)):
            problems.append(f"work limit {self.work_limit} is below 0 or not a number")
        if not 0.0 <= self.gap_limit < 1.0:
            problems.append(f"gap limit {self.gap_limit} is not in [0, 1)")
        if self.idle_rounds < 1:
            problems.append("idle_rounds must be at least 1")
        if self.restarts < 0:
            problems.append("restarts must not be below 0")
        if self.cpu_limit_s is not None and not self.cpu_limit_s > 0.0:
            problems.append(f"CPU limit {self.cpu_limit_s} s is not above 0")
        if problems:
            raise ConfigurationError("; ".join(problems), "correct the parameters")
