"""Offsets of least delay in the recipe: proved, never worse than coordinate descent, documented."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optimizers.least_delay import Streets, least_delay, offset_effect, offsets_dict
from optimizers.offsets import best_starts, cost_of, offset_problem
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.solve import solve
from optimizers.splits import best_splits
from tests.unit.short_night import ShortNight
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.signals import SignalPlan

FEW = OptimizeParams(common_cycles_s=(60, 80), max_candidates=30)
CYCLE_S = 80


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)


@pytest.fixture(scope="module")
def streets(problem: City) -> Streets:
    return Streets(problem.network, problem.feeds, problem.demand_vph)


@pytest.fixture(scope="module")
def plans(problem: City) -> dict[str, SignalPlan]:
    found = {j: best_splits(p, CYCLE_S, "test") for j, p in problem.problems.items()}
    return {j: splits.plan for j, splits in found.items() if splits is not None}


def test_every_candidate_of_least_delay_has_a_bound(problem: City) -> None:
    candidates = solve(problem, FEW)
    for candidate in candidates:
        told = offsets_dict(candidate.offsets)
        if not candidate.candidate_id.endswith("-delay"):
            assert told == {}
            continue
        assert 0.0 <= told["bound"] <= told["objective"]
        assert 0.0 <= told["gap"] <= 0.05
        assert [o["seed"] for o in told["offsets"]] == [1] * len(told["offsets"])
    assert any(candidate.offsets for candidate in candidates)


def test_what_is_proved_is_what_runs(
    problem: City, streets: Streets, plans: dict[str, SignalPlan]
) -> None:
    tuned, (proved,) = least_delay(plans, plans, streets, 1, FEW)
    links = offset_problem(tuned, problem.network, problem.feeds, problem.demand_vph, CYCLE_S)
    assert links is not None
    starts = {j: tuned[j].first_stage_offset_s for j in links.junction_ids}
    assert cost_of(links, starts) == pytest.approx(proved.objective)
    assert proved.bound <= proved.objective
    assert offset_effect(tuned, streets, FEW) <= offset_effect(plans, streets, FEW) + 1e-9


def test_small_gains_do_not_change_a_plan(
    problem: City, streets: Streets, plans: dict[str, SignalPlan]
) -> None:
    links = offset_problem(plans, problem.network, problem.feeds, problem.demand_vph, CYCLE_S)
    assert links is not None
    known = {j: plans[j].first_stage_offset_s for j in links.junction_ids}
    descended, cost = best_starts(links, [known, known], 1)
    never = replace(FEW, offset_gain_ratio=0.99)
    _, (kept,) = least_delay(plans, plans, streets, 1, never)
    assert kept.starts == descended
    assert kept.objective == pytest.approx(cost)
    _, (changed,) = least_delay(plans, plans, streets, 1, replace(FEW, offset_gain_ratio=0.0))
    assert changed.objective <= cost + 1e-9


def test_half_cycles_are_coordinated_with_whole_ones(
    problem: City, streets: Streets, plans: dict[str, SignalPlan]
) -> None:
    """One problem for both; where a signal shows its greens twice, tables repeat themselves."""
    halves = {}
    for j, p in problem.problems.items():
        if found := best_splits(p, CYCLE_S // 2, "test"):
            halves[j] = found.plan
    first = min(set(halves) & set(plans))
    mixed = {**plans, first: halves[first]}
    across = replace(FEW, offsets_across_cycles=True)
    tuned, (proved,) = least_delay(mixed, mixed, streets, 1, across)
    assert set(proved.junction_ids) == set(mixed)
    assert tuned[first].cycle_s == CYCLE_S // 2
    assert offset_effect(tuned, streets, across) <= offset_effect(mixed, streets, across) + 1e-9
    links = offset_problem(
        mixed, problem.network, problem.feeds, problem.demand_vph, CYCLE_S, whole_parts=True
    )
    assert links is not None
    at = links.junction_ids.index(first)
    touching = [k for k, pair in enumerate(links.pairs) if at in pair]
    assert touching
    half = CYCLE_S // 2
    for k in touching:
        assert links.tables[k, :half] == pytest.approx(links.tables[k, half:])
    alone = {j: plan for j, plan in plans.items() if j != first}
    apart = offset_problem(alone, problem.network, problem.feeds, problem.demand_vph, CYCLE_S)
    if apart is not None:
        total = np.delete(links.tables, touching, axis=0).sum()
        assert total == pytest.approx(apart.tables.sum())


def test_offset_settings_out_of_range() -> None:
    with pytest.raises(ConfigurationError) as told:
        OptimizeParams(offset_work=-1.0, offset_gap_ratio=1.0)
    assert "offset_work" in str(told.value)
    assert "offset_gap_ratio" in str(told.value)
