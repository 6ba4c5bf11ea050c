"""What is worked on: junctions of a city that may be retimed, and those that keep their plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from network_data.city import load_city
from optimizers.offsets import Feed, movement_feeds
from optimizers.params import OptimizeParams
from optimizers.refine import Area
from optimizers.short_links import least_greens_s, turns_after_short_links
from optimizers.splits import JunctionProblem, junction_problem
from traffic_brain.errors import ConfigurationError
from traffic_brain.fusion.pooled import pooled
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import corridor_from_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json
from traffic_brain.model.rules import JunctionRulesInput, retimable, rules_inputs
from traffic_brain.model.signals import SignalPlan


@dataclass(frozen=True, eq=False)
class City:
    """What the recipe works on: only junctions that may be retimed."""

    network: RoadNetwork
    state: State
    corridors: tuple[Corridor, ...]
    sites: Mapping[str, JunctionRulesInput]
    problems: Mapping[str, JunctionProblem]
    demands_vph: Mapping[str, np.ndarray]
    """By movement_id: float64[demand bin], with the reserve."""
    feeds: tuple[Feed, ...]
    held: Mapping[str, str]
    """Junctions that keep their plan, with the reason."""
    seed: int

    @cached_property
    def demand_vph(self) -> dict[str, float]:
        """By movement_id: mean over the day's bins, with the reserve."""
        return {m: float(demand.mean()) for m, demand in self.demands_vph.items()}

    @property
    def vehicles_per_h(self) -> float:
        return max(len(self.state.trips) / self.state.window.hours, 1.0)

    def area(self) -> Area:
        """All of it, for the joint refinement."""
        window = self.state.window
        running = self.state.running_plans
        return Area(
            network=self.network,
            sites=self.sites,
            problems=self.problems,
            ways=self.state.trips,
            window_s=(window.begin_s, window.end_s),
            held={j: plan for j, plan in running.items() if j not in self.problems},
        )


def read_problem(
    city: Path,
    state: Path,
    report: Path,
    params: OptimizeParams,
    seed: int,
    history: Sequence[Path] = (),
) -> City:
    """Load the folders and sort the junctions into those to plan and those to hold."""
    network = load_city(city)
    known = pooled([load_state(folder, network) for folder in (state, *history)])
    return problem_of(network, known, _read_corridors(report / "corridors.json"), params, seed)


def problem_of(
    network: RoadNetwork,
    known: State,
    corridors: tuple[Corridor, ...],
    params: OptimizeParams,
    seed: int,
) -> City:
    """The problem of a city of which this is known: junctions to plan, and those to hold."""
    sites = rules_inputs(network)
    demand = {
        movement_id: known.demand_vph[i] * params.demand_reserve_ratio
        for i, movement_id in enumerate(network.movements)
    }
    feeds = tuple(movement_feeds(network, known, params.progression_ratio))
    behind = turns_after_short_links(feeds)
    problems: dict[str, JunctionProblem] = {}
    held: dict[str, str] = {}
    for junction_id, site in sites.items():
        plan = known.running_plans.get(junction_id)
        reason = _reason_to_hold(plan, site)
        if plan is None or reason:
            held[junction_id] = reason
            continue
        movements = network.movements_at[junction_id]
        least_s = least_greens_s(plan, movements, behind)
        found = junction_problem(plan, movements, demand, least_s)
        if found is None:
            held[junction_id] = "no demand was seen"
        else:
            problems[junction_id] = found
    return City(
        network=network,
        state=known,
        corridors=corridors,
        sites=sites,
        problems=problems,
        demands_vph=demand,
        feeds=feeds,
        held=held,
        seed=seed,
    )


def _read_corridors(path: Path) -> tuple[Corridor, ...]:
    if not path.is_file():
        raise ConfigurationError(
            f"{path.parent} is not a diagnosis folder (no {path.name})",
            "make one with: traffic-brain diagnose CITY STATE REPORT",
        )
    return tuple(corridor_from_dict(c) for c in read_json(path))


def _reason_to_hold(plan: SignalPlan | None, site: JunctionRulesInput) -> str:
    if plan is None:
        return "no fixed plan runs here"
    if len(plan.stages) < 2:
        return "only one stage"
    return "; ".join(retimable(site, plan))
