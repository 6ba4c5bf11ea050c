"""The last step of the recipe, where there is a simulation: the candidates, refined in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optimizers.candidates import Candidate, broken, changed_junctions, named
from optimizers.problem import City
from optimizers.search import SearchParams, Simulated, search
from traffic_brain.progress import Progress

STARTS = 6
"""Candidates that the search begins from."""


@dataclass(frozen=True)
class Refinement:
    """A simulation of the city, and what a search may spend in it."""

    simulated: Simulated
    params: SearchParams

    def refined(
        self, candidates: Sequence[Candidate], problem: City, progress: Progress
    ) -> tuple[list[Candidate], dict[str, Any]]:
        """The best plans found as a candidate, if they change anything; and how they were found."""
        count, most = len(problem.problems), self.params.most_junctions
        if count > most:
            return [], {"skipped": f"{count} junctions may be retimed; at most {most} are refined"}
        if why := self.simulated.unfit:
            return [], {"skipped": why}
        starts = [candidate.plans for candidate in candidates[:STARTS]]
        found = search(problem.area(), starts, self.simulated, self.params, problem.seed, progress)
        freed = self.params.free_protections
        name = "refined-freed" if freed else "refined-kept"
        candidate = Candidate(
            name,
            "cycles, splits, offsets and stages refined together in the rebuilt city, protections "
            + ("freed" if freed else "kept"),
            named(found.plans, f"{problem.state.service_day}-{name}"),
            (),
            found.delay_s_per_veh,
        )
        told = {
            **found.told,
            "in_service_s_per_veh": round(found.in_service_s_per_veh, 2),
            "delay_s_per_veh": round(found.delay_s_per_veh, 2),
        }
        fit = changed_junctions(candidate, problem.problems) and not broken(candidate, problem)
        return [candidate] if fit else [], told
