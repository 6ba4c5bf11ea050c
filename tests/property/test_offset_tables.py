"""Kernels of the city-wide offsets: as their slow twins, never worse, and bounds that hold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizers.city_offsets.arrays import CityArrays, city_arrays
from optimizers.city_offsets.params import CityOffsetsParams
from optimizers.city_offsets.solve import Proof, Search
from optimizers.offsets import OffsetProblem
from tests.reference import city_offsets as twin
from traffic_brain.kernels.offset_bounds import TOO_LARGE, loop_marginals, raise_bound
from traffic_brain.kernels.offset_tables import OK, min_plus, total_cost, twice

LAW = settings(derandomize=True, deadline=None, max_examples=60)
COSTS = st.integers(0, 1000)


def rows(draw: st.DrawFn, count: int, period: int) -> np.ndarray:
    row = st.lists(COSTS, min_size=period, max_size=period)
    return np.array(draw(st.lists(row, min_size=count, max_size=count)), dtype=np.int32)


@st.composite
def tables(draw: st.DrawFn, least: int = 2, most: int = 2, longest: int = 11) -> np.ndarray:
    return rows(draw, draw(st.integers(least, most)), draw(st.integers(3, longest)))


@dataclass(frozen=True)
class Network:
    """A small city with whole costs."""

    signals: int
    pairs: tuple[tuple[int, int], ...]
    tables: np.ndarray

    @property
    def arrays(self) -> CityArrays:
        names = tuple(f"j{i}" for i in range(self.signals))
        period = self.tables.shape[1]
        return city_arrays(OffsetProblem(period, names, self.pairs, self.tables.astype(np.float64)))


@st.composite
def networks(draw: st.DrawFn) -> Network:
    signals = draw(st.integers(2, 5))
    possible = [(a, b) for a in range(signals) for b in range(signals) if a < b]
    pairs = draw(st.lists(st.sampled_from(possible), min_size=1, unique=True))
    return Network(signals, tuple(sorted(pairs)), rows(draw, len(pairs), draw(st.integers(2, 5))))


@LAW
@given(tables())
def test_two_links_in_a_row(both: np.ndarray) -> None:
    second, out = np.empty(2 * both.shape[1], np.int32), np.empty(both.shape[1], np.int32)
    assert twice(both[1], 1, second) == OK
    assert min_plus(both[0], second, out) == OK
    assert out.tolist() == twin.min_plus(both[0].tolist(), both[1].tolist())


@LAW
@given(tables(1, 1))
def test_a_table_from_the_other_end(one: np.ndarray) -> None:
    seen = np.empty(2 * one.shape[1], np.int32)
    twice(one[0], -1, seen)
    assert seen.tolist() == 2 * [one[0, -d % one.shape[1]] for d in range(one.shape[1])]


@LAW
@given(tables(3, 5, 5))
def test_least_costs_of_a_loop(around: np.ndarray) -> None:
    before, after, found = (np.empty_like(around) for _ in range(3))
    period = around.shape[1]
    doubled, rest = np.empty(2 * period, np.int32), np.empty(period, np.int32)
    assert loop_marginals(around.copy(), before, after, found, doubled, rest) == OK
    assert found.tolist() == twin.loop_marginals(around.tolist())


@LAW
@given(networks(), st.integers(0, 2**32 - 1))
def test_search_and_proof_close_in_on_the_best(network: Network, seed: int) -> None:
    """The bound never falls and never passes the best; at no time is any cost lost or made."""
    arrays = network.arrays
    pairs, listed = network.pairs, network.tables.tolist()
    best = twin.best_cost(network.signals, pairs, listed) / arrays.unit_veh_s
    search = Search(arrays, [{}], CityOffsetsParams(seed=seed, restarts=0))
    proof = Proof(arrays)
    starts = np.arange(network.signals) % arrays.period_s
    cost = twin.city_cost(starts.tolist(), pairs, listed) / arrays.unit_veh_s
    for _ in range(4):
        above, below = search.cost, proof.cost
        search.go_on()
        proof.go_on()
        assert best <= search.cost <= above
        assert below <= proof.cost <= best
        assert _held(proof, starts) == cost
        assert total_cost(search.starts, arrays.pairs, arrays.tables) + arrays.base == search.cost


@LAW
@given(networks())
def test_a_tree_is_solved_and_proved_at_once(network: Network) -> None:
    links = [(k, k + 1) for k in range(network.signals - 1)]
    listed = network.tables[np.arange(len(links)) % len(network.tables)]
    arrays = Network(network.signals, tuple(links), listed).arrays
    search = Search(arrays, [{}], CityOffsetsParams(restarts=0))
    assert search.cost == Proof(arrays).cost == listed.min(axis=1).sum() / arrays.unit_veh_s


def test_sums_out_of_range_end_the_sweep_and_not_the_bound() -> None:
    huge = np.full((3, 4), 2**28, dtype=np.int32)
    huge[:, 0] = 0
    order, first = np.zeros(1, np.int64), np.array([0, 3])
    link, sign = np.arange(3), np.ones(3, np.int64)
    no = np.zeros(3, np.bool_)
    bound, work = np.zeros(1, np.int64), np.zeros(1, np.int64)
    parts, shared = np.zeros((3, 4), np.int32), huge.copy()
    status = raise_bound(order, first, link, sign, no, no, parts, shared, bound, work)
    assert (status, bound[0], work[0]) == (TOO_LARGE, 0, 0)
    assert np.array_equal(parts + shared, huge)


def _held(proof: Proof, starts: np.ndarray) -> int:
    """The cost of starts, from what the proof has put where."""
    arrays, loops, period = proof.arrays, proof.arrays.loops, proof.arrays.period_s
    offsets = (starts[arrays.pairs[:, 1]] - starts[arrays.pairs[:, 0]]) % period
    total = proof.cost + int(proof._shared[np.arange(len(offsets)), offsets].sum())
    around = loops.sign * offsets[loops.link] % period
    return total + int(proof._parts[np.arange(len(around)), around].sum())
