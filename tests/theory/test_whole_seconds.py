"""Offsets in whole seconds: GW-6, brute force on small corridors, and what corridors may lack."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from optimizers.greenwave.checker import check_corridor, measure_corridor
from optimizers.greenwave.integer import best_offsets, whole_second_offsets
from optimizers.greenwave.params import Aim, WholeSecondMethod, WholeSecondParams
from optimizers.greenwave.problem import (
    CorridorDirection,
    CorridorProblem,
    corridor_direction,
)
from optimizers.greenwave.result import CorridorResult
from optimizers.mathopt import SolveStatus
from tests.reference.greenwave import all_offsets, link_band, through_bandwidth
from traffic_brain.errors import DataRefused, SolverError

EXACT = WholeSecondParams(relaxation=False)
CP_SAT = replace(EXACT, method=WholeSecondMethod.CP_SAT)


GREENS = [[(0, g)] for g in (34, 39, 39, 34, 33, 37, 39, 39, 39, 37)]
TRAVEL_S = (11, 14, 22, 14, 16, 13, 8, 14, 9)


def euclid() -> CorridorProblem:
    """Euclid Avenue, Cleveland (Little 1966), rounded to whole seconds."""
    way = corridor_direction(GREENS, TRAVEL_S)
    return CorridorProblem(65, way, way)


def windows(direction: CorridorDirection) -> list[list[tuple[int, int]]]:
    return [[(w.start_s, w.length_s) for w in signal] for signal in direction.windows]


@pytest.mark.parametrize("method", list(WholeSecondMethod))
@pytest.mark.parametrize("equal", [True, False])
def test_gw6_euclid(method: WholeSecondMethod, equal: bool) -> None:
    """GW-6: Euclid Avenue in whole seconds of a 65 s cycle: 15 + 15 s (15.225 + 15.225 without)."""
    params = WholeSecondParams(method=method, equal_bands=equal)
    result = whole_second_offsets(65, GREENS, GREENS, TRAVEL_S, TRAVEL_S, params)
    assert result.status is SolveStatus.OPTIMAL
    assert (result.objective, result.bound, result.gap_ratio) == (30.0, 30.0, 0.0)
    assert result.relaxed_bound == pytest.approx(30.0, abs=1e-5)
    if equal or method is WholeSecondMethod.ENUMERATION:
        assert (result.out_bandwidth_s, result.back_bandwidth_s) == (15, 15)
    assert check_corridor(euclid(), result) == []


def random_direction(rng: random.Random, cycle_s: int, signals: int) -> CorridorDirection:
    """Windows of every kind: usual, two, none, never red."""
    found = []
    for _ in range(signals):
        kind = rng.random()
        start, length = rng.randrange(cycle_s), rng.randint(1, cycle_s - 1)
        if kind < 0.75:
            found.append([(start, length)])
        elif kind < 0.85:
            first, second = rng.randint(1, cycle_s // 2 - 1), rng.randint(1, cycle_s // 2 - 1)
            found.append([(start, first), ((start + cycle_s // 2) % cycle_s, second)])
        elif kind < 0.95:
            found.append([(0, cycle_s)])
        else:
            found.append([])
    travel_s = [rng.randint(-2, 2 * cycle_s) for _ in range(signals - 1)]
    return corridor_direction(
        found,
        travel_s,
        weight=rng.choice((0.5, 1.0, 1.0, 2.0)),
        link_weights=[float(rng.randint(0, 3)) for _ in travel_s],
    )


def random_corridor(rng: random.Random) -> CorridorProblem:
    cycle_s, signals = rng.randint(5, 9), rng.randint(1, 4)
    back = None if rng.random() < 0.15 else random_direction(rng, cycle_s, signals)
    return CorridorProblem(cycle_s, random_direction(rng, cycle_s, signals), back)


def reached(
    problem: CorridorProblem, offsets_s: tuple[int, ...], params: WholeSecondParams
) -> tuple[float, ...]:
    """What offsets are worth, most important first, by driving through them."""
    cycle_s, out, back = problem.cycle_s, problem.out, problem.back
    links = weighted_links(cycle_s, out, offsets_s, driving=1)
    if back is not None:
        links += weighted_links(cycle_s, back, offsets_s, driving=-1)
    if params.aim is Aim.LINKS:
        return (links,)
    out_s = through_bandwidth(cycle_s, windows(out), out.travel_s, offsets_s)
    if back is None:
        return out.weight * out_s, links
    back_s = through_bandwidth(cycle_s, windows(back)[::-1], back.travel_s[::-1], offsets_s[::-1])
    if params.equal_bands:
        out_s = back_s = min(out_s, back_s)
    narrow = min(out_s, back_s)
    worth = out.weight * out_s + back.weight * back_s
    return min(narrow, params.least_band_s), worth, narrow, out_s + back_s, links


def weighted_links(
    cycle_s: int, direction: CorridorDirection, offsets_s: tuple[int, ...], *, driving: int
) -> float:
    total = 0.0
    for i, travel_s in enumerate(direction.travel_s):
        here, there = (i, i + 1)[::driving]
        upstream, downstream = windows(direction)[here], windows(direction)[there]
        pair = (offsets_s[here], offsets_s[there])
        total += direction.link_weights[i] * link_band(
            cycle_s, upstream, downstream, travel_s, pair
        )
    return total


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_agrees(seed: int) -> None:
    """4 x 100 small corridors: the result is worth as much as the best of all offsets."""
    rng = random.Random(seed)
    for _ in range(100):
        problem = random_corridor(rng)
        params = replace(
            EXACT,
            aim=rng.choice((Aim.THROUGH, Aim.THROUGH, Aim.LINKS)),
            equal_bands=rng.random() < 0.25,
            least_band_s=rng.choice((0, 1, 1, 3)),
        )
        result = best_offsets(problem, params)
        best = max(
            reached(problem, offsets, params)
            for offsets in all_offsets(problem.cycle_s, problem.signal_count)
        )
        assert reached(problem, result.offsets_s, params) == pytest.approx(best)
        assert check_corridor(problem, result) == []
        check_reported_bands(problem, result, params)


def check_reported_bands(
    problem: CorridorProblem, result: CorridorResult, params: WholeSecondParams
) -> None:
    """The widths, the band starts and the link bands are those that driving through finds."""
    cycle_s, offsets = problem.cycle_s, result.offsets_s
    out, back = problem.out, problem.back
    width = through_bandwidth(cycle_s, windows(out), out.travel_s, offsets)
    assert result.out_bandwidth_s <= width
    if params.aim is Aim.LINKS:
        assert result.out_bandwidth_s == width
    assert (result.out_band_start_s is None) == (result.out_bandwidth_s == 0)
    if result.out_band_start_s is not None:
        start = result.out_band_start_s
        assert drives_through(cycle_s, windows(out), out.travel_s, offsets, start)
        last = start + result.out_bandwidth_s - 1
        assert drives_through(cycle_s, windows(out), out.travel_s, offsets, last)
    if back is not None and result.back_band_start_s is not None:
        reverse = (windows(back)[::-1], back.travel_s[::-1], offsets[::-1])
        assert drives_through(cycle_s, *reverse, result.back_band_start_s)
        last = result.back_band_start_s + result.back_bandwidth_s - 1
        assert drives_through(cycle_s, *reverse, last)
    for i, seconds in enumerate(result.out_link_bands_s):
        pair = windows(out)[i : i + 2]
        assert seconds == link_band(cycle_s, *pair, out.travel_s[i], offsets[i : i + 2])


def drives_through(
    cycle_s: int,
    greens: list[list[tuple[int, int]]],
    travel_s: tuple[int, ...],
    offsets_s: tuple[int, ...],
    second: int,
) -> bool:
    clock = second
    for i, (signal, offset) in enumerate(zip(greens, offsets_s, strict=True)):
        clock += travel_s[i - 1] if i else 0
        if not any((clock - offset - start) % cycle_s < length for start, length in signal):
            return False
    return True


def test_cp_sat_agrees() -> None:
    """40 small corridors: the independent CP-SAT model finds bands worth the same."""
    rng = random.Random(11)
    for _ in range(40):
        problem = random_corridor(rng)
        equal = rng.random() < 0.3
        exact = best_offsets(problem, replace(EXACT, equal_bands=equal))
        cp_sat = best_offsets(problem, replace(CP_SAT, equal_bands=equal))
        assert cp_sat.status is SolveStatus.OPTIMAL
        assert cp_sat.objective == pytest.approx(exact.objective)
        assert cp_sat.bound == pytest.approx(exact.bound)
        assert check_corridor(problem, cp_sat) == []


def real_corridor(rng: random.Random, signals: int, cycle_s: int) -> CorridorProblem:
    out, back = [], []
    for _ in range(signals):
        start = rng.randrange(cycle_s)
        out.append([(0, rng.randint(cycle_s // 3, cycle_s * 2 // 3))])
        back.append([(start % 9, rng.randint(cycle_s // 3, cycle_s * 2 // 3))])
    travel_s = [rng.randint(12, 45) for _ in range(signals - 1)]
    return CorridorProblem(
        cycle_s,
        corridor_direction(out, travel_s),
        corridor_direction(back, [t + rng.randint(-2, 2) for t in travel_s]),
    )


def test_maxband_agrees() -> None:
    """60 corridors of 2 to 12 signals: the MILP without whole seconds reaches the same sum.

    With weights 1 and data in whole seconds a wider distance of the bands gives one band what it
    takes from the other, so the best sum is reached at a whole second.
    """
    rng = random.Random(3)
    for _ in range(60):
        problem = real_corridor(rng, rng.randint(2, 12), rng.choice((40, 70, 120)))
        result = best_offsets(problem)
        assert result.relaxed_bound == pytest.approx(result.objective, abs=1e-4)
        assert check_corridor(problem, result) == []


def test_maxband_bounds_other_weights() -> None:
    rng = random.Random(8)
    for _ in range(15):
        problem = real_corridor(rng, rng.randint(2, 8), 60)
        problem = replace(problem, out=replace(problem.out, weight=rng.uniform(0.2, 3.0)))
        for equal in (False, True):
            result = best_offsets(problem, WholeSecondParams(equal_bands=equal))
            assert result.relaxed_bound is not None
            assert result.objective <= result.relaxed_bound + 1e-4


def test_without_a_through_band_links_decide() -> None:
    """Out and back cannot both pass, nor either alone: the bands end, offsets still help links."""
    problem = CorridorProblem(
        60,
        corridor_direction([[(0, 20)], [], [(0, 20)]], (15, 15)),
        corridor_direction([[(0, 20)], [(0, 20)], []], (20, 15)),
    )
    result = best_offsets(problem)
    assert (result.out_bandwidth_s, result.back_bandwidth_s) == (0, 0)
    assert (result.out_band_start_s, result.back_band_start_s) == (None, None)
    assert result.objective == result.bound == result.gap_ratio == 0.0
    assert result.relaxed_bound is None
    # Only back on link 0 has green at both ends: signal 0 starts 20 s after signal 1.
    assert result.back_link_bands_s == (20, 0)
    assert (result.offsets_s[0] - result.offsets_s[1]) % 60 == 20


def test_one_way_gets_its_shortest_green() -> None:
    result = whole_second_offsets(
        80, [[(0, 40)], [(5, 30)], [(0, 45)]], None, (25, 30), None, WholeSecondParams()
    )
    assert (result.out_bandwidth_s, result.back_bandwidth_s) == (30, 0)
    assert result.relaxed_bound == result.bound == 30.0
    assert result.back_link_bands_s == ()
    assert result.out_link_bands_s == (30, 30)


def test_one_junction() -> None:
    result = whole_second_offsets(80, [[(0, 40)]], [[(10, 30)]], (), ())
    assert result.offsets_s == (0,)
    assert (result.out_bandwidth_s, result.back_bandwidth_s) == (40, 30)
    assert (result.out_band_start_s, result.back_band_start_s) == (0, 10)
    assert result.relaxed_bound == pytest.approx(70.0, abs=1e-4)


def test_never_red() -> None:
    always = [[(0, 60)]] * 3
    result = whole_second_offsets(60, always, always, (10, 10), (10, 10))
    assert (result.out_bandwidth_s, result.back_bandwidth_s) == (60, 60)
    assert result.relaxed_bound == pytest.approx(120.0, abs=1e-4)


def test_least_band_keeps_both_directions() -> None:
    """On Euclid Avenue one direction alone has 33 s, both together 30: given up only if asked."""
    one = best_offsets(euclid(), replace(EXACT, least_band_s=0))
    assert (one.objective, min(one.out_bandwidth_s, one.back_bandwidth_s)) == (33.0, 0)
    relaxed = best_offsets(euclid(), WholeSecondParams(least_band_s=0)).relaxed_bound
    assert relaxed == pytest.approx(33.0, abs=1e-5)
    heavier = replace(euclid(), out=corridor_direction(GREENS, TRAVEL_S, weight=3.0))
    widths = []
    for least_s in (1, 5, 10, 65):
        result = best_offsets(heavier, replace(EXACT, least_band_s=least_s))
        widths.append(result.back_bandwidth_s)
        assert result.back_bandwidth_s >= min(least_s, 15)
    assert widths == sorted(widths)


def test_same_input_same_result() -> None:
    problem = real_corridor(random.Random(4), 8, 90)
    for params in (WholeSecondParams(seed=5), replace(CP_SAT, seed=5)):
        first = best_offsets(problem, params)
        assert first == best_offsets(problem, params)
        assert first.seed == 5


def test_a_constant_on_all_offsets_changes_nothing() -> None:
    problem = real_corridor(random.Random(5), 6, 70)
    result = best_offsets(problem, EXACT)
    for shift in (1, 33, 69):
        moved = [(offset + shift) % 70 for offset in result.offsets_s]
        assert measure_corridor(problem, moved) == measure_corridor(problem, result.offsets_s)


def test_all_problems_of_a_corridor_at_once() -> None:
    with pytest.raises(DataRefused) as refused:
        CorridorProblem(
            60,
            corridor_direction([[(0, 61)], [(-1, 10), (5, 10), (14, 5)]], (10, 10), weight=-1),
            corridor_direction([[(0, 10)]], ()),
        )
    text = "; ".join(refused.value.problems)
    for part in (
        "out window of signal 0: (0 s, 61 s) does not lie",
        "out window of signal 1: (-1 s, 10 s)",
        "(14 s, 5 s) overlaps another",
        "2 out travel times are given, not 1",
        "weight is below 0",
        "1 back signals are given, not 2",
    ):
        assert part in text
    with pytest.raises(DataRefused, match="there is no signal"):
        whole_second_offsets(60, [], None, (), None)
    with pytest.raises(DataRefused, match="least band"):
        WholeSecondParams(least_band_s=-1)


def test_cp_sat_without_time_says_so() -> None:
    problem = real_corridor(random.Random(6), 14, 120)
    with pytest.raises(SolverError, match="raise its limit"):
        best_offsets(problem, replace(CP_SAT, deterministic_limit=1e-9))


def test_cp_sat_with_little_time_has_a_plan_and_a_bound() -> None:
    problem = real_corridor(random.Random(6), 14, 120)
    result = best_offsets(problem, replace(CP_SAT, deterministic_limit=0.005))
    assert result.status.has_solution
    assert result.bound >= best_offsets(problem, EXACT).objective
    assert check_corridor(problem, result) == []
