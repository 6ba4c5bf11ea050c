"""The check: its statistics against enumeration, its decisions, its demand, and a bad plan."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow.parquet as pq
import pytest

from optimizers.params import OptimizeParams
from optimizers.solve import optimize
from sim_scenarios.check import CheckParams, check
from sim_scenarios.compare import interval95, median_interval, paired_change
from sim_scenarios.demand import BUS, CAR, Vehicle, draw, write_demand
from sim_scenarios.gate.decide import breakdowns, decide, is_open
from tests.unit.short_night import ShortNight
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Interval95

FEW = CheckParams(
    screen_seeds=1, more_seeds=0, last_seeds=0, stress_seeds=1, calm_seeds=1, transition_seeds=1
)
TRIED = ["crossings.parquet", "evidence.json", "links.parquet", "movements.parquet"]
"""Written of a candidate that came to confirmation."""

# --- statistics ------------------------------------------------------------------------------


def rejected(values: np.ndarray, median: float, level: float) -> bool:
    """The sign test, by writing down every choice of signs."""
    seen = int((values > median).sum())
    above = [sum(signs) for signs in itertools.product((0, 1), repeat=len(values))]
    tail = min(np.mean([n <= seen for n in above]), np.mean([n >= seen for n in above]))
    return bool(tail <= (1 - level) / 2)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("level", [0.9, 0.95, 0.975])
def test_the_interval_holds_the_medians_that_are_not_rejected(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(0.3, 1.0, 7 + seed % 3)
    found = median_interval(values.tolist(), level)
    assert found is not None
    step = 1e-7
    assert not rejected(values, found.low + step, level)
    assert not rejected(values, found.high - step, level)
    assert rejected(values, found.low - step, level)
    assert rejected(values, found.high + step, level)


@pytest.mark.parametrize(
    ("count", "level", "cut"),
    [
        (5, 0.95, None),
        (6, 0.95, 1),  # tabled ranks of the sign test's interval, for 6 … 20
        (8, 0.95, 1),
        (9, 0.95, 2),
        (11, 0.95, 2),
        (12, 0.95, 3),
        (14, 0.95, 3),
        (15, 0.95, 4),
        (20, 0.95, 6),
        (6, 0.975, None),
        (7, 0.975, 1),
        (8, 0.9917, 1),  # the three looks of the check
        (14, 0.9917, 2),
        (24, 0.9917, 6),
        (0, 0.95, None),
    ],
)
def test_the_interval_ends_at_the_tabled_ranks(count: int, level: float, cut: int | None) -> None:
    values = [float(2**i) for i in range(count)]
    found = median_interval(values[::-1], level)
    if cut is None:
        assert found is None
    else:
        assert found is not None
        assert (found.low, found.high) == (values[cut - 1], values[-cut])
        assert found.mean == pytest.approx(np.median(values))


def test_one_wild_value_does_not_move_the_median() -> None:
    calm = [-0.2 + 0.01 * i for i in range(-6, 7)]
    wild = [*calm[:-1], 3.0]
    a, b = median_interval(calm), median_interval(wild)
    assert a is not None
    assert b is not None
    assert b.mean == pytest.approx(a.mean, abs=0.01)
    assert b.high < 0


def test_paired_change_by_hand() -> None:
    change, ratio = paired_change([10.0, 20.0, 30.0], [8.0, 18.0, 25.0])
    assert change is not None
    assert ratio is not None
    # differences -2, -2, -5: mean -3, standard error 1; t(0.975, 2) = 4.302653
    assert (change.mean, change.low, change.high) == pytest.approx((-3, -7.302653, 1.302653))
    # ratios -1/5, -1/10, -1/6: mean -7/45, standard error 0.0293972
    half = 4.302653 * 0.0293972
    assert (ratio.mean, ratio.low, ratio.high) == pytest.approx(
        (-7 / 45, -7 / 45 - half, -7 / 45 + half), rel=1e-5
    )


def test_too_few_pairs_give_no_interval() -> None:
    assert interval95([1.0]) is None
    assert paired_change([1.0], [2.0]) == (None, None)
    assert paired_change([], []) == (None, None)
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        paired_change([1.0, 2.0], [1.0])


# --- decisions -------------------------------------------------------------------------------

STEADY = tuple(50.0 + i / 10 for i in range(8))
CALM = (STEADY[:3], tuple(0.8 * d for d in STEADY[:3]))


def times(ratio: float) -> tuple[float, ...]:
    return tuple(ratio * d for d in STEADY)


@pytest.mark.parametrize(
    ("after", "others", "decision", "words"),
    [
        (times(0.8), CALM, Decision.DEPLOY, "delay changes by -20.0%"),
        (times(0.981), CALM, Decision.KEEP, "too small"),
        (
            tuple(r * d for r, d in zip((0.8,) * 7 + (0.965,), STEADY, strict=True)),
            CALM,
            Decision.INCONCLUSIVE,
            "not sure to be better by 5%",
        ),
        (times(1.1), CALM, Decision.KEEP, "worse than the plans in service"),
        ((*times(0.8)[:7], 60.0), CALM, Decision.INCONCLUSIVE, "not shown to be better"),
        (STEADY, CALM, Decision.INCONCLUSIVE, "not shown to be better"),
        (
            times(0.8),
            ((60.0,) * 3, (130.0, 130.0, 50.0)),
            Decision.INCONCLUSIVE,
            "breaks down on 2 of 11 days, in service on 0",
        ),
        (times(0.8), ((60.0, 60.0, 130.0), (130.0, 130.0, 50.0)), Decision.DEPLOY, "-20.0%"),
        (
            times(0.8),
            ((60.0,) * 3, (500.0, 50.0, 50.0)),
            Decision.INCONCLUSIVE,
            "not better in the mean of 11 days",
        ),
    ],
    ids=[
        "better",
        "little",
        "not sure",
        "worse",
        "one bad day",
        "same",
        "locks",
        "locked before",
        "mean",
    ],
)
def test_decisions(
    after: tuple[float, ...],
    others: tuple[tuple[float, ...], tuple[float, ...]],
    decision: Decision,
    words: str,
) -> None:
    found, reason, ratio = decide((STEADY, after), others, CheckParams())
    assert found is decision
    assert words in reason
    assert ratio is not None
    assert ratio.low <= ratio.mean <= ratio.high


@pytest.mark.parametrize(("worse", "decision"), [(3, Decision.DEPLOY), (4, Decision.INCONCLUSIVE)])
def test_a_plan_is_better_on_nearly_all_days(worse: int, decision: Decision) -> None:
    before = STEADY * 3
    after = [0.8 * d for d in before[worse:]] + [1.05 * d for d in before[:worse]]
    pairs = (before[worse:] + before[:worse], tuple(after))
    found, reason, _ = decide(pairs, CALM, CheckParams())
    assert found is decision
    assert ("worse on 4 of 24 days" in reason) is (worse == 4)


def test_too_few_pairs_decide_nothing() -> None:
    found, reason, ratio = decide((STEADY[:4], times(0.5)[:4]), CALM, CheckParams())
    assert (found, reason, ratio) == (
        Decision.INCONCLUSIVE,
        "too few pairs for an interval",
        None,
    )


def test_a_day_is_broken_down_at_so_many_times_the_usual_delay() -> None:
    pairs = ((50.0, 50.0, 101.0), (100.0, 100.1, 20.0))
    assert breakdowns(pairs, CheckParams()) == (1, 1)
    assert breakdowns(pairs, CheckParams(breakdown_factor=3)) == (0, 0)


def test_settings_out_of_range_are_all_told() -> None:
    with pytest.raises(ConfigurationError, match=r"screen_seeds.*confirm_seeds.*stress_scale"):
        CheckParams(screen_seeds=0, confirm_seeds=6, stress_scale=3)


# --- demand ----------------------------------------------------------------------------------

CARS, BUSES = 800, 25
VEHICLES = [
    *(Vehicle(float(i), ("a", "b"), CAR) for i in range(CARS)),
    *(Vehicle(10.0 + i, ("b", "c"), BUS) for i in range(BUSES)),
]


def drawn(path: Path, seed: int, scale: float) -> Counter[str]:
    count = write_demand(VEHICLES, path, seed, scale)
    vehicles = ET.parse(path).getroot().findall("vehicle")
    departures = [float(v.attrib["depart"]) for v in vehicles]
    assert count == len(vehicles)
    assert departures == sorted(departures)
    assert min(departures) >= 0
    return Counter(v.attrib["type"] for v in vehicles)


@pytest.mark.parametrize("scale", [0.8, 1.0, 1.1, 2.0])
def test_the_drawn_demand_is_the_rebuilt_one_in_the_mean(tmp_path: Path, scale: float) -> None:
    days = [drawn(tmp_path / "day.rou.xml", seed, scale) for seed in range(30)]
    assert {day[BUS] for day in days} == {BUSES}
    cars = [day[CAR] for day in days]
    assert len(set(cars)) > 1
    spread = (0.5 * CARS / len(days)) ** 0.5  # a car's number of drives has a variance below 0.5
    assert np.mean(cars) == pytest.approx(scale * CARS, abs=4 * spread)


def test_those_that_no_device_heard_are_more_on_some_days_than_on_others() -> None:
    """Of each entry apart, by about a quarter; in the mean as many as rebuilt."""
    heard = [Vehicle(float(i), ("a", "b"), CAR) for i in range(400)]
    unheard = [replace(v, links=(x, "b"), detected=False) for v in heard for x in "xy"]
    days = []
    for seed in range(300):
        _, owners = draw([*heard, *unheard], seed)
        ways = Counter([*heard, *unheard][i].links[0] for i in owners)
        days.append([ways[k] for k in "axy"])
    counts = np.array(days) / 400
    assert counts.mean(axis=0) == pytest.approx(1.0, abs=0.06)
    assert counts[:, 0].std() < 0.03
    assert counts[:, 1:].std(axis=0) == pytest.approx(0.25, rel=0.2)
    assert abs(np.corrcoef(counts[:, 1], counts[:, 2])[0, 1]) < 0.25


def test_the_same_seed_draws_the_same_bytes(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    write_demand(VEHICLES, a, 7, 1.1)
    write_demand(VEHICLES, b, 7, 1.1)
    write_demand(VEHICLES, c, 8, 1.1)
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()


# --- the check itself ------------------------------------------------------------------------


def starved(plan: SignalPlan) -> SignalPlan:
    """The first stage as short, the others as long as they may be."""
    first, *others = plan.stages
    stages = (
        replace(first, green_s=5),
        *(replace(stage, green_s=stage.max_green_s) for stage in others),
    )
    return replace(plan, plan_id="starved", stages=stages)


def judged(night: ShortNight, plans: Path, out: Path) -> dict[str, object]:
    out.mkdir()
    runs = check(night.city, night.state, plans, out, seed=1, params=FEW)["runs"]
    verdict: dict[str, object] = json.loads((out / "verdict.json").read_text("utf-8"))
    written = {p.name for p in out.iterdir()}
    assert written - set(TRIED) == {"calibration.json", "runs.parquet", "verdict.json"}
    assert written.issuperset(TRIED) is bool(verdict["candidate_id"])
    assert not (out.parent / ".check-runs").exists()
    return verdict | {"runs": runs}


def test_a_plan_that_starves_side_streets_is_not_recommended(
    short_night: ShortNight, tmp_path: Path
) -> None:
    plans = [starved(plan) for plan in short_night.known.running_plans.values()]
    assert len(plans) == 9
    candidate = {"candidate_id": "bad", "plans": [plan_to_dict(plan) for plan in plans]}
    (tmp_path / "candidates.json").write_text(json.dumps({"candidates": [candidate]}))
    verdict = judged(short_night, tmp_path, tmp_path / "verdict")
    assert verdict["decision"] == Decision.KEEP
    assert "no candidate was better" in str(verdict["reason"])
    assert verdict["runs"] == 2


def test_plans_made_for_the_demand_are_recommended(short_night: ShortNight, tmp_path: Path) -> None:
    params = OptimizeParams(max_candidates=1)
    optimize(
        *(short_night.city, short_night.state, short_night.diagnosis, tmp_path),
        seed=1,
        params=params,
    )
    verdict = judged(short_night, tmp_path, tmp_path / "verdict")
    assert verdict["decision"] == Decision.DEPLOY
    pairs = FEW.screen_seeds + FEW.confirm_seeds + FEW.stress_seeds + FEW.calm_seeds
    assert verdict["runs"] == 2 * pairs + FEW.transition_seeds
    evidence = json.loads((tmp_path / "verdict/evidence.json").read_text("utf-8"))
    assert evidence["hurt"] == []
    assert evidence["delay_s_per_veh"]["change"] == pytest.approx(
        verdict["change_s_per_veh"], abs=1e-4
    )
    assert {"calm", "stress", "transition", "stops_per_veh", "co2_g_per_veh"} <= set(evidence)
    movements = pq.read_table(tmp_path / "verdict/movements.parquet").to_pylist()
    assert {m["movement_id"] for m in movements} <= set(short_night.network.movements)
    assert all(m["change_low_s"] <= m["change_high_s"] for m in movements if m["vehicles"] > 20)


def test_days_that_break_down_are_followed_by_more(short_night: ShortNight, tmp_path: Path) -> None:
    recipe = OptimizeParams(max_candidates=1)
    folders = short_night.city, short_night.state, short_night.diagnosis, tmp_path
    optimize(*folders, seed=1, params=recipe)
    out = tmp_path / "verdict"
    out.mkdir()
    # a tenth of the usual delay is called a breakdown: every day is one
    params = replace(FEW, more_seeds=2, last_seeds=3, breakdown_factor=0.1)
    runs = check(short_night.city, short_night.state, tmp_path, out, seed=1, params=params)["runs"]
    verdict = json.loads((out / "verdict.json").read_text("utf-8"))
    assert verdict["decision"] == Decision.DEPLOY  # so the last look is not needed
    assert runs == 2 * (1 + 8 + 1 + 2 + 1) + 1
    assert len(verdict["seeds"]) == len(set(verdict["seeds"])) == 8 + 2


@pytest.mark.parametrize(
    ("decision", "median", "looked"),
    [
        (Decision.INCONCLUSIVE, -0.3, True),
        (Decision.INCONCLUSIVE, 0.1, False),
        (Decision.KEEP, -0.01, False),
        (Decision.DEPLOY, -0.3, False),
    ],
)
def test_only_a_promise_that_is_open_is_looked_at_again(
    decision: Decision, median: float, looked: bool
) -> None:
    assert is_open(decision, Interval95(median, median - 0.5, median + 0.5)) is looked
    assert not is_open(decision, None)


def test_nothing_proposed_is_nothing_changed(short_night: ShortNight, tmp_path: Path) -> None:
    (tmp_path / "candidates.json").write_text('{"candidates": []}')
    verdict = judged(short_night, tmp_path, tmp_path / "verdict")
    assert (verdict["decision"], verdict["runs"]) == (Decision.KEEP, 0)
