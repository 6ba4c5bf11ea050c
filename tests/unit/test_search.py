"""The search that a simulation steers: what it may trust, what it takes, and what it leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.refine import Judge
from optimizers.refinement import Refinement
from optimizers.search import Drive, SearchParams, search
from optimizers.solve import optimize, solve
from sim_scenarios.check import CheckParams
from sim_scenarios.gate.whole import Question
from sim_scenarios.rebuilt import rebuilt_city
from tests.unit.short_night import ShortNight
from traffic_brain.diagnosis.queue_model import lamps, simulate
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.model.reading import read_json
from traffic_brain.model.rules import judge, violations
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

FEW = OptimizeParams(common_cycles_s=(60,), max_candidates=3)
SMALL = SearchParams(tries=6, evaluations=30, draws=1, rounds=1, calibration_plans=8)
PROVEN = replace(SMALL, rounds=2, calibration_plans=20)
"""With so many plans a model that is right is found to be right."""


@dataclass
class Modelled:
    """A simulation that is the queue model itself on five draws of the demand, or its opposite."""

    problem: City
    sign: float = 1.0
    days: int = 5
    unfit: str = ""
    asked: list[Drive] = field(default_factory=list)

    @cached_property
    def judges(self) -> list[Judge]:
        return [Judge(self.problem.area(), 1, 50 + day) for day in range(self.days)]

    def delays_s(self, drives: Sequence[Drive]) -> list[float]:
        self.asked += drives
        delays = [self.judges[day].delay_s_per_veh(plans) for plans, day in drives]
        return [d if self.sign > 0 else 1000.0 / d for d in delays]

    def spent_s(self, drives: Sequence[Drive]) -> list[Mapping[str, float]]:
        return [self._spent_s(plans, self.judges[day]) for plans, day in drives]

    def _spent_s(self, plans: Mapping[str, SignalPlan], on_day: Judge) -> Mapping[str, float]:
        area, city, driven = on_day.area, on_day._city, on_day._draws[0]
        run = simulate(city, lamps(city, {**area.held, **plans}), driven, *area.window_s)
        links = tuple(area.network.links)
        spent: dict[str, float] = defaultdict(float)
        for link, lost_s in zip(driven.step_link, run.measures.step_delay_s, strict=True):
            spent[links[link]] += self.sign * lost_s / len(driven.depart_s)
        return spent


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)


def test_a_search_ends_with_less_delay_and_plans_that_may_run(problem: City) -> None:
    simulated = Modelled(problem)
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    found = search(problem.area(), candidates, simulated, PROVEN, seed=1)
    assert [told["trusted"] for told in found.told["rounds"]] == [True, True]
    assert found.delay_s_per_veh < found.in_service_s_per_veh
    again = Modelled(problem)
    drives = [(found.plans, day) for day in range(5)]
    assert found.delay_s_per_veh == pytest.approx(sum(again.delays_s(drives)) / 5)
    for junction_id, plan in found.plans.items():
        now = problem.problems[junction_id].plan
        assert violations(judge(plan, problem.sites[junction_id], now)) == []
    assert len(simulated.asked) == len({(tuple(sorted(p.items())), d) for p, d in simulated.asked})


def test_the_same_seed_finds_the_same_plans(problem: City) -> None:
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    one, other = (
        search(problem.area(), candidates, Modelled(problem), SMALL, seed=1) for _ in range(2)
    )
    assert one == other


def test_a_model_that_ranks_otherwise_is_not_refined_with(problem: City) -> None:
    opposite = Modelled(problem, sign=-1.0)
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    found = search(problem.area(), candidates, opposite, SMALL, seed=1)
    assert [told["trusted"] for told in found.told["rounds"]] == [False]
    assert "refined_s" not in found.told["rounds"][0]
    assert found.delay_s_per_veh <= found.in_service_s_per_veh


def test_a_search_without_a_model_asks_the_simulation_alone(problem: City) -> None:
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    simulated = Modelled(problem)
    alone = replace(SMALL, evaluations=0, tries=4)
    found = search(problem.area(), candidates, simulated, alone, seed=1)
    assert found.told["rounds"] == []
    assert found.delay_s_per_veh < found.in_service_s_per_veh


def test_where_nothing_should_be_judged_nothing_is(problem: City) -> None:
    candidates = solve(problem, FEW)
    for simulated, params, why in (
        (Modelled(problem, unfit="too slow"), SMALL, "too slow"),
        (Modelled(problem), replace(SMALL, most_refined=1), "at most 1 are refined"),
        (Modelled(problem), replace(SMALL, most_vehicles=7), "at most 7 are simulated so often"),
    ):
        refined, told = Refinement(simulated, params).refined(candidates, problem, silent)
        assert refined == []
        assert why in told["skipped"]
        assert not simulated.asked


def test_a_simulation_that_fails_leaves_the_candidates_as_they_are(problem: City) -> None:
    class Failing(Modelled):
        def delays_s(self, drives: Sequence[Drive]) -> list[float]:
            raise SimulationError("SUMO failed")

    refined, told = Refinement(Failing(problem), SMALL).refined(
        solve(problem, FEW), problem, silent
    )
    assert refined == []
    assert told == {"skipped": "SUMO failed"}
    assert Refinement(Failing(problem), SMALL).refined([], problem, silent)[1]["skipped"]


def test_settings_and_days_that_make_no_sense(problem: City) -> None:
    with pytest.raises(ConfigurationError, match="tries must be at least 0; proposals"):
        SearchParams(tries=-1, proposals=1)
    with pytest.raises(ConfigurationError, match="2 days are too few"):
        search(problem.area(), [], Modelled(problem, days=2), SMALL, seed=1)


def test_candidates_are_refined_in_the_city_rebuilt_in_sumo(
    short_night: ShortNight, tmp_path: Path
) -> None:
    night, out = short_night, tmp_path / "plans"
    out.mkdir()
    from network_data.city import load_city

    asked = Question(load_city(night.city), night.city, (night.state,), out, 1, CheckParams())
    params = SearchParams(tries=2, evaluations=10, draws=1, rounds=1, calibration_plans=8)
    folders = (night.city, night.state, night.diagnosis, out)
    with rebuilt_city(asked, out, tmp_path / "runs", workers=2) as simulated:
        recipe, refinement = replace(FEW, max_candidates=1), Refinement(simulated, params)
        optimize(*folders, seed=1, params=recipe, refinement=refinement)
        assert simulated.days == 8
    assert sorted(p.name for p in tmp_path.iterdir()) == ["plans"]
    told = read_json(out / "refinement.json")
    first = read_json(out / "candidates.json")["candidates"][0]
    assert told["delay_s_per_veh"] < told["in_service_s_per_veh"]
    assert first["candidate_id"] == "refined-kept"
    expected = pytest.approx(told["delay_s_per_veh"], abs=0.01)
    assert first["predicted_delay_s_per_veh"] == expected
    assert sorted(p.name for p in out.iterdir()) == [
        "candidates.json",
        "refinement.json",
        "summary.json",
    ]


def test_the_same_plans_asked_for_twice_run_once(short_night: ShortNight, tmp_path: Path) -> None:
    night = short_night
    problem = read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)
    plans = {j: p.plan for j, p in problem.problems.items()}
    seed = 5_700_000  # times a thousand it has more bits than SUMO takes
    asked = Question(problem.network, night.city, (night.state,), tmp_path, seed, CheckParams())
    with rebuilt_city(asked, tmp_path, tmp_path / "runs", workers=2) as simulated:
        first, second, other = simulated.delays_s([(plans, 0), (plans, 0), (plans, 1)])
        assert first == second
        assert other > first
        assert len(list((tmp_path / "runs").iterdir())) == 2
        (spent,) = simulated.spent_s([(plans, 0)])
        assert spent.keys() <= problem.network.links.keys()
        assert sum(spent.values()) > first


def test_some_days_of_a_search_have_more_vehicles_than_were_observed(
    short_night: ShortNight, tmp_path: Path
) -> None:
    night = short_night
    problem = read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)
    plans = {j: p.plan for j, p in problem.problems.items()}
    asked = Question(problem.network, night.city, (night.state,), tmp_path, 1, CheckParams())
    with rebuilt_city(asked, tmp_path, tmp_path / "runs", workers=2) as simulated:
        simulated.delays_s([(plans, day) for day in range(simulated.days)])
        demands = tmp_path.glob(".work-*/day-*/trips.rou.xml")
        vehicles = sorted(demand.read_text("utf-8").count("<vehicle ") for demand in demands)
    usual = float(np.median(vehicles))
    assert [round(count / usual, 2) > 1.05 for count in vehicles[-4:]] == [False, True, True, True]


def test_what_was_best_on_some_days_is_compared_on_all(problem: City) -> None:
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    simulated = Modelled(problem, days=8)
    found = search(problem.area(), candidates, simulated, replace(SMALL, tries=8), seed=1)
    days: dict[frozenset[tuple[str, SignalPlan]], set[int]] = {}
    for plans, day in simulated.asked:
        days.setdefault(frozenset(plans.items()), set()).add(day)
    on_all = [dict(plans) for plans, driven in days.items() if len(driven) == 8]
    means = [sum(simulated.delays_s([(plans, day) for day in range(8)])) / 8 for plans in on_all]
    assert 1 < len(on_all) < len(days)
    assert found.delay_s_per_veh == pytest.approx(min(means))


def test_candidates_that_differ_by_name_alone_drive_once(problem: City) -> None:
    candidates = [candidate.plans for candidate in solve(problem, FEW)]
    named = [
        {j: replace(plan, plan_id=name) for j, plan in plans.items()}
        for plans in candidates
        for name in ("a", "b")
    ]
    one, other = Modelled(problem), Modelled(problem)
    found = [
        search(problem.area(), plans, simulated, replace(SMALL, tries=0), seed=1).delay_s_per_veh
        for plans, simulated in ((candidates, one), (named, other))
    ]
    assert found[0] == found[1]
    assert len(one.asked) == len(other.asked)
