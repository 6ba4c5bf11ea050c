"""The city as the check rebuilds it, for a search that looks for better plans in it.

Its days are none of the check's: other seeds, other draws of the demand. Where earlier days are
known they take turns, as in the check. On some of its days more drive than were observed: tomorrow
may bring more, a queue that stood to the edge of the map hid some, and a plan without room for them
jams.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from sim_scenarios.gate.bench import Bench, Candidate
from sim_scenarios.gate.figures import RunFigures
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.phases import Check
from sim_scenarios.gate.whole import Question, bench_of
from sim_scenarios.programs import write_programs
from traffic_brain.errors import SimulationError
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

Drive = tuple[Mapping[str, SignalPlan], int]
"""Plans by junction, and the number of a day."""
FIRST_SEED = 700_000_000
SCALES = (1.0, 1.1, 1.0, 1.15, 1.0, 1.0, 1.1, 1.0)
"""Demand of each day, times the rebuilt one."""
SEEDS = 2_000_000_000
"""SUMO takes no seed of more than 31 bits."""


@dataclass(frozen=True)
class RebuiltCity:
    """A city that plans can be driven in; made ready when it is first asked."""

    asked: Question
    folder: Path
    journal: Journal
    workers: int | None = None
    _written: dict[str, Candidate] = field(default_factory=dict)

    @property
    def days(self) -> int:
        """How many days there are."""
        return len(SCALES)

    @property
    def unfit(self) -> str:
        """Why no plan should be judged here: it does not behave as the real city; else empty."""
        if not self._bench.vehicles:
            return "the feeds show no vehicle that could be simulated"
        return "; ".join(self._problems)

    def delays_s(self, drives: Sequence[Drive]) -> list[float]:
        """Delay per vehicle, s, of plans by junction on a day each.

        Raises:
            SimulationError: SUMO failed twice on one run.
        """
        return [figures.delay.delay_s_per_veh for figures in self._driven(drives)]

    def spent_s(self, drives: Sequence[Drive]) -> list[Mapping[str, float]]:
        """By link: seconds per vehicle spent on it, or waiting for a place on it.

        Raises:
            SimulationError: SUMO failed twice on one run.
        """
        return [self._by_link(figures) for figures in self._driven(drives, places=True)]

    def _driven(self, drives: Sequence[Drive], *, places: bool = False) -> list[RunFigures]:
        asked = [(self._candidate(plans), day) for plans, day in drives]
        once = list(dict.fromkeys(asked))  # a run has a folder of its own, so none runs twice
        pairs = [(candidate, self._seed(day)) for candidate, day in once]
        scales = [SCALES[day] for _, day in once]
        found = self._bench.run(pairs, None, scales, silent, places=places)
        runs = dict(zip(once, found, strict=True))
        return [runs[pair] for pair in asked]

    def _by_link(self, figures: RunFigures) -> Mapping[str, float]:
        places, vehicles = figures.places, max(1, figures.delay.vehicles)
        assert places is not None
        spent: dict[str, float] = defaultdict(float)
        seconds = (places.spent_s + places.waited_s) / vehicles
        for (link_id, _), per_vehicle in zip(self._bench.ways.turns, seconds.tolist(), strict=True):
            spent[link_id] += per_vehicle
        return spent

    def _seed(self, day: int) -> int:
        return (FIRST_SEED + 1000 * self.asked.seed + day) % SEEDS

    @cached_property
    def _bench(self) -> Bench:
        return bench_of(self.asked, self.folder, self.journal, self.workers)

    @cached_property
    def _problems(self) -> Sequence[str]:
        """Of the calibration, which sets the bench's drivers too."""
        check = Check(self._bench, self.asked.states[0], self.asked.params, self.asked.seed)
        problems: list[str] = check.calibrate(silent)["problems"]
        return problems

    def _candidate(self, plans: Mapping[str, SignalPlan]) -> Candidate:
        listed = tuple(replace(plans[j], plan_id="searched") for j in sorted(plans))
        name = hashlib.sha256(plans_to_json(listed).encode()).hexdigest()[:16]
        if name not in self._written:
            try:
                path = write_programs(listed, self.folder / f"{name}.add.xml")
            except OSError as error:
                raise SimulationError(f"plans cannot be written: {error.strerror}") from error
            self._written[name] = Candidate(name, listed, path)
        return self._written[name]


@contextmanager
def rebuilt_city(
    asked: Question, out: Path, journal: Path, workers: int | None = None
) -> Iterator[RebuiltCity]:
    """The city rebuilt in a folder of its own within ``out``, which is gone afterwards.

    ``journal``: where finished runs are noted, so that a search that was killed goes on; cleared
    at the end.
    """
    notes = Journal(journal)
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as name:
        yield RebuiltCity(asked, Path(name).resolve(), notes, workers)
    notes.clear()
