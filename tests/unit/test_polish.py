"""Changes judged near their own junction: who is near whom, whose account, what is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from optimizers.nearness import NOWHERE, Nearness, nearness_of
from optimizers.params import OptimizeParams
from optimizers.polish import Polish, _beyond_chance
from optimizers.problem import City, read_problem
from optimizers.refine import Plans, RefineParams, neighbour_at
from tests.unit.short_night import ShortNight
from traffic_brain.model.rules import judge, violations

GREEN_S = 30
"""The first green that each junction of `Apart` likes best."""


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, OptimizeParams(), seed=1)


def in_service(problem: City) -> Plans:
    return {j: p.plan for j, p in problem.problems.items()}


@dataclass
class Apart:
    """Junctions that nobody drives between; chance at one of them is much more than any gain."""

    near: Nearness
    loud: int
    chance_s: float = 50.0
    asked: list[tuple[Plans, int]] = field(default_factory=list)

    def spent_s(self, sets: Sequence[Plans], days: Sequence[int]) -> np.ndarray:
        self.asked += [(plans, day) for plans in sets for day in days]
        return np.array([[self._day(plans, day) for day in days] for plans in sets])

    def _day(self, plans: Plans, day: int) -> np.ndarray:
        found = np.full(len(self.near.junction_ids) + 2, 100.0)
        for i, junction_id in enumerate(self.near.junction_ids):
            found[i] += abs(plans[junction_id].stages[0].green_s - GREEN_S)
        rng = np.random.default_rng((len(self.asked), day))
        found[self.loud] += rng.uniform(0.0, self.chance_s)
        return found


def apart(problem: City, loud: int) -> Apart:
    ids = tuple(sorted(problem.problems))
    near = Nearness(ids, {}, np.eye(len(ids), dtype=bool), np.zeros(len(ids)))
    return Apart(near, loud)


def polish(problem: City, world: Apart) -> Polish:
    rng = np.random.default_rng(3)
    return Polish(problem.area(), world.near, world.spent_s, RefineParams(), None, 2, rng)


def off_s(plans: Plans, but: str = "") -> int:
    return sum(abs(p.stages[0].green_s - GREEN_S) for j, p in plans.items() if j != but)


def test_the_chance_of_one_junction_hides_no_gain_of_another(problem: City) -> None:
    world = apart(problem, loud=0)
    start = in_service(problem)
    found = polish(problem, world).climbed(start, range(3), 25, lambda _: None)
    loud = world.near.junction_ids[0]
    assert off_s(found, loud) < 0.7 * off_s(start, loud)
    for junction_id, plan in found.items():
        site = problem.sites[junction_id]
        assert violations(judge(plan, site, problem.problems[junction_id].plan)) == []


def test_a_change_that_helps_nowhere_is_not_taken(problem: City) -> None:
    world = apart(problem, loud=0)
    world.chance_s = 0.0
    best = {
        j: plan.with_greens((GREEN_S, *plan.greens_s[1:]), plan.plan_id)
        for j, plan in in_service(problem).items()
    }
    assert polish(problem, world).climbed(best, range(3), 5, lambda _: None) == best


def test_what_looks_better_by_chance_is_not_taken() -> None:
    assert _beyond_chance(np.array([-0.1, -0.1, -0.1]))
    assert _beyond_chance(np.array([-1.0, -0.2, 0.1, -0.9]))
    assert not _beyond_chance(np.array([-1.0, 0.9, -0.8, 0.7]))
    assert not _beyond_chance(np.zeros(4))


def test_junctions_that_change_in_one_run_are_near_to_none_in_common(problem: City) -> None:
    near = nearness_of(problem.area())
    world = Apart(near, loud=0)
    plans = in_service(problem)
    now_s = world.spent_s([plans], range(3))[0]
    steps = polish(problem, world)
    sets = [list(steps._drawn(plans, now_s)) for _ in range(30)]
    for changes in sets:
        assert all(not a.meets(b.acts) for a in changes for b in changes if a is not b)
    assert max(len(changes) for changes in sets) > 1
    assert any(changes[0].acts.all() for changes in sets)


def test_each_link_goes_on_the_account_of_the_next_signal_ahead(problem: City) -> None:
    near, network = nearness_of(problem.area()), problem.network
    behind = set()
    for _, way in problem.state.trips:
        signals = [i for i, k in enumerate(way) if network.links[k].junction_id in problem.problems]
        behind |= set(way[signals[-1] + 1 :]) if signals else set(way)
        for link_id in way:
            ends_at = network.links[link_id].junction_id
            if ends_at in problem.problems:
                assert near.junction_ids[near.account[link_id]] == ends_at
    assert behind - near.account.keys()  # who has passed the last signal waits for none
    assert (near.near == near.near.T).all()
    assert near.near.diagonal().all()
    for a, b in pairwise(near.junction_ids):
        if any(_follow(way, a, b, problem) for _, way in problem.state.trips[:200]):
            assert near.near[near.junction_ids.index(a), near.junction_ids.index(b)]


def _follow(way: Sequence[str], a: str, b: str, problem: City) -> bool:
    met = [problem.network.links[k].junction_id for k in way]
    passed = [j for j in met if j in problem.problems]
    return (a, b) in pairwise(passed)


def test_no_second_is_lost_when_they_are_shared_out(problem: City) -> None:
    near = nearness_of(problem.area())
    spent = dict.fromkeys(problem.network.links, 1.5) | {NOWHERE: 7.0}
    shares = near.shared_out(spent)
    assert shares.sum() == pytest.approx(sum(spent.values()))
    assert shares[-2] == 7.0
    empty = near.shared_out({})
    assert not empty.any()


def test_one_junction_is_changed_within_the_rules(problem: City) -> None:
    rng, area = np.random.default_rng(1), problem.area()
    for junction_id, plan in in_service(problem).items():
        found = [neighbour_at(area, plan, RefineParams(), rng) for _ in range(10)]
        assert all(p is not None and p.junction_id == junction_id and p != plan for p in found)
