"""The last step of the recipe, where there is a simulation: the candidates, refined in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optimizers.candidates import Candidate, broken, changed_junctions, named
from optimizers.params import OptimizeParams
from optimizers.problem import City
from optimizers.search import SearchParams, Simulated, search
from traffic_brain.errors import ConfigurationError, DataRefused, SimulationError
from traffic_brain.progress import Progress


@dataclass(frozen=True)
class Refinement:
    """A simulation of the city, and what a search may spend in it."""

    simulated: Simulated
    params: SearchParams

    def refined(
        self, candidates: Sequence[Candidate], problem: City, progress: Progress
    ) -> tuple[list[Candidate], dict[str, Any]]:
        """The best plans found as a candidate, if they change anything; and how they were found."""
        try:
            if why := self._unfit(candidates, problem):
                return [], {"skipped": why}
            return self._searched(candidates, problem, progress)
        except (SimulationError, DataRefused) as error:  # the candidates themselves are good
            return [], {"skipped": str(error)}

    def _unfit(self, candidates: Sequence[Candidate], problem: City) -> str:
        params = self.params
        retimable, vehicles = len(problem.problems), len(problem.state.trips)
        if not candidates:
            return "there is no candidate"
        if retimable > params.most_refined:
            most = f"at most {params.most_refined} are refined ([refine] most_refined)"
            return f"{retimable} junctions may be retimed, {most}"
        if vehicles > params.most_vehicles:
            most = f"at most {params.most_vehicles} are simulated so often ([refine] most_vehicles)"
            return f"{vehicles} vehicles drove, {most}"
        return self.simulated.unfit

    def _searched(
        self, candidates: Sequence[Candidate], problem: City, progress: Progress
    ) -> tuple[list[Candidate], dict[str, Any]]:
        starts = [candidate.plans for candidate in candidates]
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
        if not changed_junctions(candidate, problem.problems):
            return [], {**told, "skipped": "nothing better was found than the plans in service"}
        if wrong := broken(candidate, problem):
            return [], {**told, "skipped": f"a rule is broken at {', '.join(sorted(wrong))}"}
        return [candidate], told


def refuse_conflicts(params: OptimizeParams, search_: SearchParams) -> None:
    """What recipe and search contradict each other in.

    Raises:
        ConfigurationError: few changes are asked for, and a search that may change all; or one of
            the two frees protections that the other keeps.
    """
    if params.max_changes and search_.tries:
        raise ConfigurationError(
            "the refinement changes all junctions", "ask for it or for max_changes, not both"
        )
    if search_.tries and params.free_protections != search_.free_protections:
        raise ConfigurationError(
            "protections are freed in the recipe or in its refinement alone",
            "set free_protections alike in both",
        )
