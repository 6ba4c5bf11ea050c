"""City-wide offsets: loops, proofs, stop rules, bills, and a second opinion on a small city."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from benchmarks.city.evaluation import city_cost_veh_s
from benchmarks.city.measure import timed_plans
from benchmarks.city.timing import HOURS, PARAMS, timed_city
from network_data.generated_city import generate
from optimizers.city_offsets.arrays import city_arrays
from optimizers.city_offsets.loops import Loop, short_loops
from optimizers.city_offsets.params import CityOffsetsParams
from optimizers.city_offsets.result import CityOffsets
from optimizers.city_offsets.solve import best_city_offsets, loop_bills
from optimizers.mathopt import SolveStatus
from optimizers.offsets import OffsetProblem, best_starts, cost_of
from tests.reference import city_offsets as twin
from traffic_brain.errors import ConfigurationError

Links = Sequence[tuple[int, int]]


def problem_on(links: Links, period: int = 20, seed: int = 0) -> OffsetProblem:
    """A city on a graph, with smooth random tables like those of platoons."""
    rng = np.random.default_rng(seed)
    signals = 1 + max(max(link) for link in links)
    phase, swing = rng.uniform(0, 2 * np.pi, len(links)), rng.uniform(10, 90, len(links))
    turn = 2 * np.pi * np.arange(period) / period
    tables = 100 + swing[:, None] * np.cos(turn + phase[:, None])
    return OffsetProblem(period, tuple(f"J{i:03d}" for i in range(signals)), tuple(links), tables)


def grid(rows: int, columns: int) -> list[tuple[int, int]]:
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(rows, columns))
    return sorted(graph.edges())


GRAPHS = {
    "tree": [(0, 1), (1, 2), (1, 3)],
    "triangle": [(0, 1), (1, 2), (2, 0)],
    "both ways": [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)],
    "block and bridge": [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4)],
    "K5, not planar": list(nx.complete_graph(5).edges()),
    "two towns": [(0, 1), (1, 2), (2, 0), (3, 4)],
}


# --- loops -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "graph",
    [
        nx.complete_graph(5),
        nx.complete_bipartite_graph(3, 3),
        nx.petersen_graph(),
        nx.path_graph(5),
        nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 5)),
        nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5, periodic=True)),
        nx.barbell_graph(4, 2),
        nx.disjoint_union(nx.cycle_graph(7), nx.complete_graph(4)),
    ],
    ids=["K5", "K33", "Petersen", "path", "grid", "torus", "barbell", "two"],
)
def test_loops_span_all_loops(graph: nx.Graph[int]) -> None:
    loops = short_loops(graph.edges())
    row = {frozenset(link): k for k, link in enumerate(graph.edges())}
    rest: dict[int, int] = {}
    for loop in loops:
        assert len(set(loop)) == len(loop) >= 3
        bits = sum(1 << row[frozenset(pair)] for pair in around(loop))
        while bits and bits.bit_length() in rest:
            bits ^= rest[bits.bit_length()]
        rest[bits.bit_length()] = bits
    parts = nx.number_connected_components(graph)
    assert len(loops) == len(rest) - (0 in rest)
    assert len(loops) == graph.number_of_edges() - graph.number_of_nodes() + parts
    covered = {frozenset(pair) for loop in loops for pair in around(loop)}
    assert covered == set(row) - {frozenset(bridge) for bridge in nx.bridges(graph)}


def test_blocks_of_a_grid_are_its_loops() -> None:
    assert {len(loop) for loop in short_loops(grid(4, 6))} == {4}


def around(loop: Loop) -> list[tuple[int, int]]:
    return list(zip(loop, (*loop[1:], loop[0]), strict=True))


# --- the best there is -----------------------------------------------------------------------


@pytest.mark.parametrize("name", GRAPHS)
@pytest.mark.parametrize("seed", [0, 1])
def test_small_cities_by_enumeration(name: str, seed: int) -> None:
    problem = problem_on(GRAPHS[name], 6, seed)
    found = best_city_offsets(problem, params=CityOffsetsParams(seed=seed, idle_rounds=10))
    best = twin.best_cost(len(problem.junction_ids), problem.pairs, problem.tables.tolist())
    assert found.objective == pytest.approx(best)
    assert cost_of(problem, found.starts) == pytest.approx(found.objective)
    assert found.bound <= best + 1e-9
    if "K5" not in name:
        assert found.status is SolveStatus.OPTIMAL
        assert found.objective - found.bound <= found.resolution_veh_s


def test_a_city_of_a_hundred_is_nearly_proved() -> None:
    problem = problem_on(grid(10, 10), 30)
    served = dict.fromkeys(problem.junction_ids, 3)
    found = best_city_offsets(problem, [served], CityOffsetsParams(work_limit=0.5))
    descended, cost = best_starts(problem, [served], 0)
    assert found.objective <= cost
    assert found.gap_ratio < 0.02
    again = best_city_offsets(problem, [descended], CityOffsetsParams(work_limit=0.0, restarts=0))
    assert again.objective <= cost + 1e-9


def test_bridges_over_other_streets() -> None:
    over = [(0, 11), (3, 20), (7, 26), (2, 33)]
    found = best_city_offsets(problem_on([*grid(6, 6), *over]), params=CityOffsetsParams())
    assert not nx.check_planarity(nx.Graph([*grid(6, 6), *over]))[0]
    assert 0.0 <= found.gap_ratio < 0.02


# --- how it stops ----------------------------------------------------------------------------


def same(a: CityOffsets, b: CityOffsets) -> bool:
    return a.starts_s.tobytes() == b.starts_s.tobytes() and a.moments == b.moments


def test_the_same_seed_and_work_give_the_same_bytes() -> None:
    problem = problem_on(grid(6, 6))
    few = CityOffsetsParams(seed=5, work_limit=0.05)
    first, again = (best_city_offsets(problem, params=few) for _ in range(2))
    assert same(first, again)
    assert first.loops == again.loops
    assert not first.starts_s.flags.writeable
    assert first.seed == 5
    longer = best_city_offsets(problem, params=CityOffsetsParams(seed=5, work_limit=0.1))
    assert longer.moments[: len(first.moments)] == first.moments


def test_stop_rules() -> None:
    problem = problem_on(grid(6, 6))
    rough = best_city_offsets(problem, params=CityOffsetsParams(gap_limit=0.05))
    assert rough.gap_ratio <= 0.05
    at_once = best_city_offsets(problem, params=CityOffsetsParams(work_limit=0.0))
    assert len(at_once.moments) == 1
    assert at_once.status is SolveStatus.FEASIBLE
    short = best_city_offsets(problem, params=CityOffsetsParams(cpu_limit_s=0.05, work_limit=1e6))
    assert short.cpu_s < 5.0
    gaps = [moment.gap_ratio for moment in rough.moments]
    assert gaps == sorted(gaps, reverse=True)


def test_figures_out_of_range_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as told:
        CityOffsetsParams(-1, -1.0, 1.0, 0, -1, 0.0)
    assert str(told.value).count(";") == 5


def test_nothing_to_coordinate() -> None:
    lonely = OffsetProblem(60, ("a", "b"), (), np.zeros((0, 60)))
    found = best_city_offsets(lonely, [{"a": 7, "b": 9}])
    assert (found.status, found.objective, found.gap_ratio) == (SolveStatus.OPTIMAL, 0.0, 0.0)
    free = OffsetProblem(60, ("a", "b"), ((0, 1),), np.zeros((1, 60)))
    assert best_city_offsets(free).status is SolveStatus.OPTIMAL


# --- who pays --------------------------------------------------------------------------------


def test_the_payer_of_a_loop() -> None:
    """Three links that each want 2 s around a loop of 8 s: one has to take 4 s."""
    tables = np.full((3, 8), 50.0)
    tables[:, 2] = 0.0
    tables[1, 4] = 10.0
    problem = OffsetProblem(8, ("a", "b", "c"), ((0, 1), (1, 2), (2, 0)), tables)
    found = best_city_offsets(problem)
    assert found.objective == pytest.approx(10.0)
    (bill,) = found.loops
    assert set(bill.junction_ids) == {"a", "b", "c"}
    assert bill.payer == ("b", "c")
    assert (bill.payer_veh_s, bill.paid_veh_s) == (10.0, 10.0)
    assert loop_bills(city_arrays(problem), found.starts_s) == found.loops


# --- a second opinion ------------------------------------------------------------------------


def test_an_independent_evaluator_finds_the_same_cost(tmp_path: Path) -> None:
    """On a generated city with cycles and half cycles, from the plans and trips alone."""
    generate(tmp_path / "city", junctions=24, seed=4)
    city = timed_city(tmp_path / "city")
    assert {city.problem.cycle_s, city.problem.cycle_s // 2} == {
        plan.cycle_s for plan in city.plans.values()
    }
    found = best_city_offsets(city.problem, params=CityOffsetsParams(work_limit=1.0))
    plans = timed_plans(city.plans, found.starts)
    again = city_cost_veh_s(
        city.network, plans, city.ways, HOURS, city.demand_vph, PARAMS.progression_ratio
    )
    assert again == pytest.approx(found.objective, rel=1e-9)
    assert found.objective < 0.9 * city.problem.tables.mean(axis=1).sum()
    assert found.gap_ratio < 0.01
