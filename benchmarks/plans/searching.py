"""What a search may spend on one map, and what SUMO told it: every run is kept in the store."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.plans import peers
from benchmarks.plans.adapting import Adaptation
from benchmarks.plans.maps import Map
from benchmarks.plans.store import Figures, Store
from sim_scenarios.outputs import summarise
from sim_scenarios.run import RunRequest, run
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.signals import SignalPlan

Plans = Mapping[str, SignalPlan]
Day = tuple[str, int]
VERSION = 5


@dataclass(frozen=True)
class Search:
    """What the search may spend, and the days it looks at.

    calibration_plans: sets of plans that the queue model is fitted to, and proven on.
    evaluations, draws, rounds: of the refinement on the model; it is calibrated anew every round.
    tries: changes that SUMO judges at the end; of ``proposals`` each the one the model likes best.
    """

    seed: int = 1
    calibration_plans: int = 20
    evaluations: int = 600
    draws: int = 2
    rounds: int = 2
    tries: int = 40
    proposals: int = 6
    days: tuple[Day, ...] = (
        *(("recorded", 11), ("recorded", 12), ("recorded", 13)),
        *(("redrawn", 14), ("redrawn", 15)),
    )

    def key(self) -> Figures:
        """All that decides what is found."""
        return {"version": VERSION, **asdict(self)}


@dataclass(frozen=True, eq=False)
class Searching:
    """One search on one map."""

    map: Map
    search: Search
    store: Store

    def delay_s(self, plans: Plans, day: Day, adaptation: Adaptation | None = None) -> float:
        """Delay per vehicle in SUMO on one day, with fixed stages or with stages that adapt."""
        text = plans_to_json(plans[j] for j in sorted(plans))
        question: Figures = {
            "what": "search",
            "map": self.map.name,
            "content": self.map.content,
            "plans": hashlib.sha256(text.encode()).hexdigest()[:24],
            "day": list(day),
        }
        if adaptation:
            question["form"] = asdict(adaptation)
        found = self.store.once(question, lambda: self._drive(plans, day, adaptation))
        return float(found["delay_s_per_veh"])

    def _drive(self, plans: Plans, day: Day, adaptation: Adaptation | None) -> Figures:
        demand, seed = day
        world = self.map.world if demand == "recorded" else self.map.redrawn(seed)
        with tempfile.TemporaryDirectory(prefix="bench-search-") as name:
            path = Path(name) / "plans.add.xml"
            programs = adaptation.write(plans, path) if adaptation else peers.fixed(plans, path)
            result = run(RunRequest(world, seed, Path(name) / "run", additional=(programs,)))
            return {"delay_s_per_veh": summarise(result).delay_s_per_veh}

    def mean_delay_s(
        self, plans: Plans, days: Sequence[Day], adaptation: Adaptation | None = None
    ) -> float:
        """Mean over some of the search's days."""
        return float(np.mean([self.delay_s(plans, day, adaptation) for day in days]))
