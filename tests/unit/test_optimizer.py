"""The recipe: splits, cycles, offsets and candidates, by hand, by brute force, and on a city."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from optimizers.candidates import changed_junctions
from optimizers.offsets import Feed, OffsetProblem, best_starts, cost_of
from optimizers.params import OptimizeParams
from optimizers.problem import City, read_problem
from optimizers.short_links import (
    BUS_CLEARS_S,
    least_greens_s,
    shortest_worthwhile,
    turns_after_short_links,
)
from optimizers.solve import Recipe, _recipes, _safe, drafted, optimize, solve
from optimizers.splits import JunctionProblem, best_cycle, best_splits, delay_of, junction_problem
from optimizers.waves import coordinate
from tests.unit.hand_made import two_stage_plan
from tests.unit.short_night import ShortNight
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import corridor_to_dict, plans_from_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import Movement, Turn
from traffic_brain.model.rules import judge, rules_inputs, violations
from traffic_brain.model.signals import Interval, SignalPlan, Stage

FEW = OptimizeParams(common_cycles_s=(60, 80), max_candidates=4)
CLEARANCE_S = 10


def movement(name: str, group: int) -> Movement:
    return Movement(name, "j", name, "out", Turn.THROUGH, (0,), (group,), 1800.0)


def two_stages(main_vph: float, side_vph: float) -> JunctionProblem:
    demand = {"main": np.array([main_vph, main_vph * 0.8]), "side": np.array([side_vph, side_vph])}
    found = junction_problem(
        two_stage_plan("j", greens_s=(20, 20)), [movement("main", 0), movement("side", 1)], demand
    )
    assert found is not None
    return found


# --- short links ------------------------------------------------------------------------------


def left_turn_plan(short: str) -> SignalPlan:
    """Three stages: the left turn (group 1) permitted, then protected, then red."""
    yellow = (Interval(3, "yy"),)
    return SignalPlan(
        "j",
        "p",
        (
            Stage(f"G{short}", 20, yellow, 5, 60),
            Stage("rG", 20, yellow, 5, 60),
            Stage("rr", 20, yellow, 5, 60),
        ),
    )


def test_a_turn_close_behind_another_stop_line_is_protected_until_a_bus_has_gone() -> None:
    feeds = [Feed("up", "main", 100.0, 2.0, 200.0), Feed("up", "left", 50.0, 2.0, 12.0)]
    behind = turns_after_short_links(feeds)
    assert behind == {"left"}
    movements = [movement("main", 0), movement("left", 1)]
    assert least_greens_s(left_turn_plan("g"), movements, behind) == [5, BUS_CLEARS_S, 5]
    assert least_greens_s(left_turn_plan("g"), movements, {"main"}) == [5, 5, 5]
    # never permitted: nobody waits in the middle of the junction
    assert least_greens_s(left_turn_plan("r"), movements, behind) == [5, 5, 5]


def test_close_to_each_other_the_shortest_cycle_wins_that_costs_hardly_more() -> None:
    assert shortest_worthwhile({40: 12.4, 60: 10.0, 80: 11.0}) == 40
    assert shortest_worthwhile({40: 12.6, 60: 10.0, 80: 11.0}) == 60
    assert shortest_worthwhile({40: 0.0, 80: 0.0}) == 40


def test_the_time_for_a_bus_is_kept_in_every_split() -> None:
    plan, demand = left_turn_plan("g"), {"main": np.array([900.0]), "left": np.array([30.0])}
    movements = [movement("main", 0), movement("left", 1)]
    least_s = least_greens_s(plan, movements, {"left"})
    usual, longer = (junction_problem(plan, movements, demand, least) for least in (None, least_s))
    assert usual is not None
    assert longer is not None
    shortest = best_splits(usual, 40, "x")
    assert shortest is not None
    assert shortest.plan.greens_s[1] < BUS_CLEARS_S
    for cycle_s in (40, 60, 90):
        found = best_splits(longer, cycle_s, "x")
        assert found is not None
        assert found.plan.greens_s[1] >= BUS_CLEARS_S
        assert found.plan.cycle_s == cycle_s


# --- splits and cycles -----------------------------------------------------------------------


def least_delay(problem: JunctionProblem, cycle_s: int) -> float:
    """Every split of a cycle over two stages, one after the other."""
    (low, other_low), (high, other_high) = (
        problem.least_s.astype(int).tolist(),
        problem.most_s.astype(int).tolist(),
    )
    total = cycle_s - CLEARANCE_S
    return min(
        delay_of(problem, problem.plan.with_greens((green, total - green), "x"))
        for green in range(low, high + 1)
        if other_low <= total - green <= other_high
    )


@pytest.mark.parametrize("demand", [(300, 300), (900, 150), (200, 1100), (1000, 700), (1, 1500)])
@pytest.mark.parametrize("cycle_s", [20, 45, 90, 130])
def test_no_split_of_a_cycle_is_better(demand: tuple[float, float], cycle_s: int) -> None:
    problem = two_stages(*demand)
    found = best_splits(problem, cycle_s, "new")
    assert found is not None
    assert found.plan.cycle_s == cycle_s
    assert found.plan.plan_id == "new"
    assert min(found.plan.greens_s) >= 5
    assert found.delay_veh_h_per_h == pytest.approx(least_delay(problem, cycle_s), rel=1e-9)


@pytest.mark.parametrize("demand", [(300, 300), (900, 150), (1000, 700)])
def test_no_cycle_is_better(demand: tuple[float, float]) -> None:
    problem = two_stages(*demand)
    cycles = range(20, 125, 5)
    found = best_cycle(problem, cycles, "new")
    assert found is not None
    assert found.delay_veh_h_per_h == pytest.approx(
        min(least_delay(problem, c) for c in cycles), rel=1e-9
    )


def test_more_demand_wants_a_longer_cycle_and_more_green() -> None:
    cycles = range(20, 125, 5)
    calm, busy = (best_cycle(two_stages(*d), cycles, "x") for d in ((200, 200), (1000, 500)))
    assert calm is not None
    assert busy is not None
    assert busy.plan.cycle_s > calm.plan.cycle_s
    assert busy.plan.greens_s[0] > busy.plan.greens_s[1]
    assert abs(calm.plan.greens_s[0] - calm.plan.greens_s[1]) <= 1


def test_cycles_that_do_not_fit() -> None:
    problem = two_stages(300, 300)
    assert problem.shortest_cycle_s == 20
    assert best_splits(problem, 19, "x") is None
    assert best_splits(problem, 251, "x") is None
    assert best_cycle(problem, [10, 300], "x") is None


def test_a_junction_without_demand_is_no_problem() -> None:
    none = {"main": np.zeros(1), "side": np.zeros(1)}
    assert junction_problem(two_stage_plan("j"), [movement("main", 0)], none) is None


def test_a_movement_without_a_lamp_is_refused() -> None:
    with pytest.raises(DataRefused, match=r"no lamps for some movements: main"):
        junction_problem(two_stage_plan("j"), [movement("main", 5)], {"main": np.ones(1)})


# --- offsets ---------------------------------------------------------------------------------


def rough(seed: int, pairs: Sequence[tuple[int, int]], cycle_s: int = 24) -> OffsetProblem:
    tables = np.random.default_rng(seed).uniform(0.0, 100.0, (len(pairs), cycle_s))
    return OffsetProblem(cycle_s, ("a", "b", "c"), tuple(pairs), tables)


LOOP = [(0, 1), (1, 2), (2, 0)]
BOTH_WAYS = [(0, 1), (1, 0), (1, 2), (2, 1)]


@pytest.mark.parametrize("pairs", [LOOP, BOTH_WAYS, [(0, 1), (1, 2)], [(0, 2)]])
@pytest.mark.parametrize("seed", range(8))
def test_offsets_of_three_signals_are_the_best_there_are(
    seed: int, pairs: list[tuple[int, int]]
) -> None:
    problem = rough(seed, pairs)
    # Only differences count: the first signal may stand still.
    every = (
        {"a": 0, "b": b, "c": c} for b, c in itertools.product(range(problem.cycle_s), repeat=2)
    )
    best = min(cost_of(problem, starts) for starts in every)
    starts, cost = best_starts(problem, [], seed=1)
    assert cost == pytest.approx(best)
    assert cost_of(problem, starts) == pytest.approx(cost)
    assert all(0 <= start < problem.cycle_s for start in starts.values())


def test_known_offsets_are_never_made_worse() -> None:
    problem = rough(3, BOTH_WAYS)
    for known in ({"a": 3, "b": 11, "c": 20}, {"a": 0}):
        _, cost = best_starts(problem, [known], seed=1)
        assert cost <= cost_of(problem, {"a": 0, "b": 0, "c": 0} | known)


def test_the_same_seed_gives_the_same_offsets() -> None:
    problem = rough(5, LOOP)
    assert best_starts(problem, [], seed=4) == best_starts(problem, [], seed=4)


# --- a city ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def problem(short_night: ShortNight) -> City:
    night = short_night
    return read_problem(night.city, night.state, night.diagnosis, FEW, seed=1)


def made(night: ShortNight, out: Path, **folders: Path) -> Path:
    """Candidates from the night's folders, or from others put in their place."""
    out.mkdir()
    state, report = folders.get("state", night.state), folders.get("report", night.diagnosis)
    optimize(night.city, state, report, out, seed=1, params=FEW)
    return out


def test_splits_of_a_city_fill_their_cycles(problem: City) -> None:
    assert len(problem.problems) == 9
    for junction in problem.problems.values():
        longest = junction.clearance_s + int(junction.most_s.sum())
        for cycle_s in (junction.shortest_cycle_s - 1, junction.shortest_cycle_s, 60, 97, 120):
            found = best_splits(junction, cycle_s, "x")
            if not junction.shortest_cycle_s <= cycle_s <= longest:
                assert found is None
                continue
            assert found is not None
            assert sum(found.plan.splits_s) == cycle_s
            greens = np.array(found.plan.greens_s)
            assert (greens >= junction.least_s).all()
            assert (greens <= junction.most_s).all()


def test_every_candidate_keeps_every_rule(short_night: ShortNight, tmp_path: Path) -> None:
    plans = made(short_night, tmp_path / "plans")
    sites = rules_inputs(short_night.network)
    running = short_night.known.running_plans
    candidates = json.loads((plans / "candidates.json").read_text("utf-8"))["candidates"]
    assert len(candidates) == FEW.max_candidates
    assert len({c["candidate_id"] for c in candidates}) == len(candidates)
    for candidate in candidates:
        proposed = plans_from_dict({"plans": candidate["plans"]})
        assert proposed
        for plan in proposed:
            now = running[plan.junction_id]
            assert plan.plan_id != now.plan_id
            assert violations(judge(plan, sites[plan.junction_id], now)) == []
            assert [s.clearance for s in plan.stages] == [s.clearance for s in now.stages]


def test_the_same_seed_gives_the_same_bytes(short_night: ShortNight, tmp_path: Path) -> None:
    a, b = (made(short_night, tmp_path / name) for name in "ab")
    for name in ("candidates.json", "summary.json"):
        assert (a / name).read_bytes() == (b / name).read_bytes()


def test_a_junction_nobody_drives_over_keeps_its_plan(
    short_night: ShortNight, tmp_path: Path
) -> None:
    state = Path(shutil.copytree(short_night.state, tmp_path / "state"))
    path = state / "movement_demand.parquet"
    table = pq.read_table(path)
    quiet = table["junction_id"][0].as_py()
    here = np.array(table["junction_id"].to_pylist()) == quiet
    for column in ("demand_vph", "demand_high_vph"):
        idx = table.schema.get_field_index(column)
        values = np.where(here, 0.0, table[column].to_numpy())
        table = table.set_column(idx, column, pa.array(values, table[column].type))
    pq.write_table(table, path)
    plans = made(short_night, tmp_path / "plans", state=state)
    summary = json.loads((plans / "summary.json").read_text("utf-8"))
    assert summary["held"] == {quiet: "no demand was seen"}
    candidates = json.loads((plans / "candidates.json").read_text("utf-8"))["candidates"]
    assert candidates
    assert not [p for c in candidates for p in c["plans"] if p["junction_id"] == quiet]


def test_without_corridors_there_are_plans_and_no_waves(
    short_night: ShortNight, tmp_path: Path
) -> None:
    (tmp_path / "corridors.json").write_text("[]")
    plans = made(short_night, tmp_path / "plans", report=tmp_path)
    candidates = json.loads((plans / "candidates.json").read_text("utf-8"))["candidates"]
    assert len(candidates) == FEW.max_candidates
    assert [c["corridors"] for c in candidates] == [[]] * len(candidates)


def test_a_corridor_of_one_junction(short_night: ShortNight, problem: City, tmp_path: Path) -> None:
    junction_id = next(iter(problem.problems))
    alone = Corridor("C1", "alone", (junction_id,), (), (), 100.0, 0.0)
    plans = {j: p.plan for j, p in problem.problems.items()}
    wave = coordinate(alone, plans, problem.network, problem.demand_vph, 0.9)
    assert wave is not None
    assert tuple(wave.result.offsets_s) == (0,)
    (tmp_path / "corridors.json").write_text(json.dumps([corridor_to_dict(alone)]))
    made(short_night, tmp_path / "plans", report=tmp_path)


def test_recipes_may_be_followed_by_others(problem: City) -> None:
    quick = replace(FEW, common_cycles_s=(60,), offset_work=0.1)
    drafts = [drafted(problem, recipe, quick) for recipe in _recipes(problem, quick)]
    told = [c.plans for c in solve(problem, quick, drafts=iter(drafts))]
    assert told == [c.plans for c in solve(problem, quick)]


def test_a_junction_that_would_break_a_rule_keeps_its_plan_unless_many_would(
    problem: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = drafted(problem, Recipe("common-60", 60), FEW)[0]
    first = min(good.plans)
    greens = (1, *good.plans[first].greens_s[1:])
    unsafe = good.plans[first].with_greens(greens, "unsafe")
    bad = replace(good, plans={**good.plans, first: unsafe})
    assert _safe(good, problem) is good
    assert _safe(bad, problem) is None  # one of nine
    monkeypatch.setattr("optimizers.solve.BROKEN_RATIO", 0.2)
    mended = _safe(bad, problem)
    assert mended is not None
    assert mended.plans == {**good.plans, first: problem.problems[first].plan}
    assert first not in changed_junctions(mended, problem.problems)


def test_nothing_to_retime_gives_no_candidate(problem: City) -> None:
    assert solve(replace(problem, problems={}), FEW) == []


def test_a_folder_that_is_no_diagnosis(short_night: ShortNight, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a diagnosis folder"):
        made(short_night, tmp_path / "plans", report=tmp_path)
