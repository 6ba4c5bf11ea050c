"""Platoons keep their vehicles, tables are those of a slow twin, and descent only descends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference.platoons import approach_cost, city_cost
from tests.reference.platoons import spread_platoon as spread_twin
from traffic_brain.kernels.platoons import OK, approach_table, descend, spread_platoon

CYCLES = st.integers(5, 40)
TRAVEL_S = st.floats(0.0, 400.0)


@st.composite
def profiles(draw: st.DrawFn) -> np.ndarray:
    cycle = draw(CYCLES)
    return np.array(draw(st.lists(st.floats(0.0, 2.0), min_size=cycle, max_size=cycle)))


def spread(profile: np.ndarray, travel_s: float) -> np.ndarray:
    arrivals = np.full_like(profile, np.nan)
    assert spread_platoon(profile, travel_s, arrivals) == OK
    return arrivals


# --- platoons --------------------------------------------------------------------------------


@settings(max_examples=150)
@given(profiles(), TRAVEL_S)
def test_spreading_agrees_with_its_twin(profile: np.ndarray, travel_s: float) -> None:
    assert spread(profile, travel_s) == pytest.approx(
        np.array(spread_twin(profile.tolist(), travel_s)), abs=1e-9
    )


@settings(max_examples=150)
@given(profiles(), TRAVEL_S)
def test_vehicles_are_kept(profile: np.ndarray, travel_s: float) -> None:
    arrivals = spread(profile, travel_s)
    assert arrivals.sum() == pytest.approx(profile.sum(), rel=1e-9, abs=1e-9)
    assert arrivals.max() <= profile.max() + 1e-12
    assert arrivals.min() >= profile.min() - 1e-12


@settings(max_examples=50)
@given(st.floats(0.0, 2.0), CYCLES, TRAVEL_S)
def test_an_even_flow_stays_even(rate: float, cycle: int, travel_s: float) -> None:
    assert spread(np.full(cycle, rate), travel_s) == pytest.approx(np.full(cycle, rate))


@settings(max_examples=50)
@given(profiles(), TRAVEL_S, st.integers(0, 60))
def test_a_later_departure_is_a_later_arrival(
    profile: np.ndarray, travel_s: float, later: int
) -> None:
    assert spread(np.roll(profile, later), travel_s) == pytest.approx(
        np.roll(spread(profile, travel_s), later), abs=1e-9
    )


def test_no_way_is_no_spreading() -> None:
    profile = np.array([1.0, 0.0, 0.0, 0.5])
    assert list(spread(profile, 0.0)) == list(profile)


# --- tables ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Approach:
    arrivals: np.ndarray
    uniform: np.ndarray
    service: np.ndarray
    storage: np.ndarray

    def table(self) -> np.ndarray:
        found = np.full(self.service.shape[1], np.nan)
        status = approach_table(self.arrivals, self.uniform, self.service, self.storage, found)
        assert status == OK
        return found


@st.composite
def approaches(draw: st.DrawFn) -> Approach:
    cycle, movements = draw(st.integers(8, 30)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    green = np.zeros((movements, cycle))
    for m in range(movements):
        start, length = rng.integers(0, cycle), rng.integers(0, cycle + 1)
        green[m, (start + np.arange(length)) % cycle] = 0.5
    busy = draw(st.sampled_from([0.0, 0.05, 0.3]))
    return Approach(
        arrivals=busy * rng.random((movements, cycle)) * (rng.random((movements, cycle)) < 0.5),
        uniform=0.1 * busy * rng.random(movements),
        service=green,
        storage=rng.choice([0.5, 3.0, 100.0], movements),
    )


@settings(max_examples=120)
@given(approaches())
def test_a_table_agrees_with_its_twin(approach: Approach) -> None:
    listed = [
        a.tolist()
        for a in (approach.arrivals, approach.uniform, approach.service, approach.storage)
    ]
    wanted = [approach_cost(*listed, offset) for offset in range(approach.service.shape[1])]
    assert approach.table() == pytest.approx(np.array(wanted), rel=1e-7, abs=1e-7)


def test_the_best_offset_of_a_platoon_is_its_travel_time() -> None:
    """Twenty vehicles leave in the first ten seconds and meet a green that begins as they come."""
    departures = np.zeros((1, 60))
    departures[0, :10] = 0.4
    arrivals = np.roll(departures, 25)
    service = np.zeros((1, 60))
    service[0, :20] = 0.5
    table = Approach(arrivals, np.zeros(1), service, np.array([100.0])).table()
    assert table.argmin() in range(15, 26)
    assert table[25] == pytest.approx(0.0)
    assert table.argmax() not in range(15, 26)


def test_a_queue_that_does_not_fit_costs_more() -> None:
    service = np.zeros((1, 60))
    service[0, :30] = 0.5
    roomy, tight = (
        Approach(np.zeros((1, 60)), np.array([0.2]), service, np.array([room])).table()
        for room in (100.0, 2.0)
    )
    assert (tight > roomy + 20.0).all()


# --- descent ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Streets:
    """Signals 0 … n − 1 and the cost of each pair (upstream, downstream) by offset."""

    count: int
    tables: dict[tuple[int, int], list[float]]

    def descend(self, starts: list[int], order: list[int]) -> tuple[list[int], float]:
        entries: list[list[tuple[int, bool, int]]] = [[] for _ in range(self.count)]
        for idx, (up, down) in enumerate(self.tables):
            entries[up].append((down, True, idx))
            entries[down].append((up, False, idx))
        flat = [entry for own in entries for entry in own]
        first = np.cumsum([0, *map(len, entries)])
        moved = np.array(starts, dtype=np.int64)
        cost = descend(
            moved,
            first.astype(np.int64),
            np.array([other for other, _, _ in flat], dtype=np.int64),
            np.array([forward for _, forward, _ in flat], dtype=np.bool_),
            np.array([idx for _, _, idx in flat], dtype=np.int64),
            np.array(list(self.tables.values())),
            np.array(order, dtype=np.int64),
        )
        return moved.tolist(), float(cost)

    def cost(self, starts: list[int]) -> float:
        return city_cost(starts, self.tables)


@st.composite
def streets(draw: st.DrawFn) -> tuple[Streets, list[int], list[int]]:
    count, cycle = draw(st.integers(2, 6)), draw(st.integers(3, 15))
    everybody = [(a, b) for a in range(count) for b in range(count) if a != b]
    pairs = draw(st.lists(st.sampled_from(everybody), min_size=1, max_size=8, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    tables = {pair: rng.uniform(0, 100, cycle).round(3).tolist() for pair in pairs}
    starts = [draw(st.integers(0, cycle - 1)) for _ in range(count)]
    return Streets(count, tables), starts, draw(st.permutations(range(count)))


@settings(max_examples=150)
@given(streets())
def test_descent_ends_in_a_local_optimum_not_above_its_start(
    case: tuple[Streets, list[int], list[int]],
) -> None:
    city, starts, order = case
    moved, cost = city.descend(starts, order)
    assert cost == pytest.approx(city.cost(moved))
    assert cost <= city.cost(starts) + 1e-6
    cycle = len(next(iter(city.tables.values())))
    for signal in range(city.count):
        for start in range(cycle):
            tried = [*moved[:signal], start, *moved[signal + 1 :]]
            assert city.cost(tried) >= cost - 1e-6


@settings(max_examples=60)
@given(streets(), st.integers(1, 14))
def test_a_constant_added_to_all_starts_changes_nothing(
    case: tuple[Streets, list[int], list[int]], shift: int
) -> None:
    city, starts, order = case
    cycle = len(next(iter(city.tables.values())))
    later = [(start + shift) % cycle for start in starts]
    assert city.cost(later) == pytest.approx(city.cost(starts))
    moved, cost = city.descend(starts, order)
    moved_later, cost_later = city.descend(later, order)
    assert cost_later == pytest.approx(cost)
    assert moved_later == [(start + shift) % cycle for start in moved]


def test_one_pair_gets_its_best_offset() -> None:
    table = [5.0, 2.0, 9.0, 1.0, 4.0]
    for start in range(5):
        moved, cost = Streets(2, {(0, 1): table}).descend([start, 2], [0, 1])
        assert cost == 1.0
        assert (moved[1] - moved[0]) % 5 == 3
