"""What can go wrong, as one tree; each class carries the exit code of the command line.

::

    TrafficBrainError
    ├── ConfigurationError   3   a setting, a missing tool, a folder that is not what it should be
    ├── DataRefused          4   bad input; lists every problem found, not only the first
    ├── SolverError          5   an optimiser ended without a usable answer
    ├── SimulationError      6   SUMO failed, hung, or wrote something unreadable
    └── NightIncomplete      7   the night ended in part; finished stages are kept
"""

from __future__ import annotations

from collections.abc import Sequence


class TrafficBrainError(Exception):
    """Root of all errors that are meant for a person; ``exit_code`` is the program's."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        self.what = what
        self.remedy = remedy
        super().__init__(f"{what} — {remedy}" if remedy else what)


class ConfigurationError(TrafficBrainError):
    """A setting, a missing tool, or a folder that is not what it should be."""

    exit_code = 3


class DataRefused(TrafficBrainError):
    """Input that cannot be used; ``problems`` lists all of them."""

    exit_code = 4

    def __init__(self, what: str, remedy: str = "", problems: Sequence[str] = ()) -> None:
        self.problems = tuple(problems)
        listed = "; ".join(self.problems)
        super().__init__(f"{what}: {listed}" if listed else what, remedy)


class SolverError(TrafficBrainError):
    """An optimiser ended without a usable answer."""

    exit_code = 5


class SimulationError(TrafficBrainError):
    """SUMO failed, hung, or wrote something unreadable."""

    exit_code = 6


class NightIncomplete(TrafficBrainError):
    """The night ended in part; what was finished is kept and will not be repeated."""

    exit_code = 7
