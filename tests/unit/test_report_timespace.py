"""The geometry of the time–space diagram: bands, greens and the movements that carry them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.report_night import CORRIDOR, PROPOSED, RUNNING, network
from traffic_brain.report.timespace import (
    MIN_BAND_S,
    Direction,
    Strip,
    distances_m,
    find_bands,
    free_flow_travel_s,
    green_spans,
    red_spans,
    serving_movement,
    strips,
)

EUCLID_FT = (550, 700, 1100, 700, 800, 650, 400, 700, 450)
EUCLID_GREEN_RATIOS = (0.53, 0.60, 0.60, 0.53, 0.52, 0.58, 0.60, 0.60, 0.60, 0.58)
EUCLID_PATTERN = (0, 0.5, 0.5, 0, 0, 0.5, 0.5, 0.5, 0, 0)


def strip_of(position: int, cycle_s: int, start: float, length: float) -> Strip:
    """A strip with one green; a wrap is cut at the cycle's end."""
    begin, end = start % cycle_s, start % cycle_s + length
    greens = ((begin, end),) if end <= cycle_s else ((0.0, end - cycle_s), (begin, cycle_s))
    return Strip(position, cycle_s, greens)


def test_euclid_avenue_has_the_band_of_little_1966() -> None:
    """Fixed cycle 65 s, 50 ft/s, offsets 0 or half a cycle: both bands are 0.234231 cycle.

    Oracle GW-4 (Little 1966, found by enumeration of all half-integer patterns).
    """
    cycle = 65
    way = [
        strip_of(i, cycle, (pattern + 0.5) * cycle - ratio * cycle / 2, ratio * cycle)
        for i, (pattern, ratio) in enumerate(zip(EUCLID_PATTERN, EUCLID_GREEN_RATIOS, strict=True))
    ]
    travel = [feet / 50 for feet in EUCLID_FT]
    out = find_bands(way, travel)
    back = find_bands(way[::-1], travel[::-1])
    assert out.through_s == pytest.approx(0.234231 * cycle, abs=1e-3)
    assert back.through_s == pytest.approx(0.234231 * cycle, abs=1e-3)


def longest_run(ok: Sequence[bool]) -> int:
    """Longest run of True on a circle, by looking."""
    if all(ok):
        return len(ok)
    doubled = [*ok, *ok]
    best = run = 0
    for value in doubled:
        run = run + 1 if value else 0
        best = max(best, run)
    return best


@given(
    cycle=st.integers(20, 60),
    data=st.lists(
        st.tuples(st.integers(0, 59), st.integers(1, 60), st.integers(0, 90)),
        min_size=2,
        max_size=6,
    ),
)
def test_the_through_band_is_what_counting_seconds_finds(
    cycle: int, data: list[tuple[int, int, int]]
) -> None:
    """In whole seconds a departure second is in the band when every arrival second is green."""
    way = [
        strip_of(i, cycle, start, min(length, cycle - 1))
        for i, (start, length, _) in enumerate(data)
    ]
    travel = [t for _, _, t in data[1:]]
    reach = list(accumulate(travel, initial=0))
    departures = [
        all(
            any(a <= (t + arrival) % cycle < b for a, b in strip.greens or ())
            for strip, arrival in zip(way, reach, strict=True)
        )
        for t in range(cycle)
    ]
    expected = longest_run(departures)
    found = find_bands(way, travel)
    assert found.through_s == (expected if expected >= MIN_BAND_S else 0)
    for band in found.bands:
        assert band.width_s >= MIN_BAND_S
        for position, arrival in zip(band.positions, band.arrivals_s, strict=True):
            middle = (arrival + band.width_s / 2) % cycle
            assert any(a <= middle <= b for a, b in way[position].greens or ())


def test_a_band_that_meets_red_breaks_into_pieces() -> None:
    """Green at A and B together, at C only when nobody comes from A; B to C works by itself."""
    way = [strip_of(0, 60, 0, 20), strip_of(1, 60, 0, 40), strip_of(2, 60, 25, 15)]
    found = find_bands(way, [0, 0])
    assert found.through_s == 0
    assert [band.positions for band in found.bands] == [(0, 1), (1, 2)]
    assert [band.width_s for band in found.bands] == [20, 15]


def test_a_half_cycle_joins_in_and_another_cycle_ends_the_band() -> None:
    full, half, odd = strip_of(0, 80, 0, 30), strip_of(1, 40, 0, 20), strip_of(1, 70, 0, 30)
    assert find_bands([full, half], [0]).through_s == 20
    assert find_bands([full, odd], [0]).bands == ()


def test_an_unknown_lamp_ends_the_band() -> None:
    assert find_bands([strip_of(0, 60, 0, 30), Strip(1, 60, None)], [0]).bands == ()


def test_green_all_the_time_has_no_red_and_the_widest_band() -> None:
    always = Strip(0, 60, ((0.0, 60.0),))
    assert red_spans(always) == ()
    assert find_bands([always, Strip(1, 60, ((0.0, 60.0),))], [13]).through_s == 60


@pytest.mark.parametrize("plan", [*RUNNING.values(), *PROPOSED.values()])
def test_greens_are_those_of_the_lamps_on_the_master_clock(plan) -> None:
    movement = network().movements_at[plan.junction_id][2]
    spans = green_spans(plan, movement)
    for second in range(plan.cycle_s):
        shown = plan.picture_at(second)[movement.signal_group_idxs[0]] == "G"
        assert shown == any(a <= second < b for a, b in spans)


def test_inside_a_corridor_the_movement_is_the_one_between_its_links() -> None:
    city = network()
    inner = [serving_movement(city, CORRIDOR, 1, way, {}) for way in Direction]
    assert [m.movement_id for m in inner if m] == ["J1-J2>J2-J3", "J3-J2>J2-J1"]


def test_at_an_end_of_a_corridor_the_busiest_movement_is_taken() -> None:
    city = network()
    last = serving_movement(city, CORRIDOR, 2, Direction.OUT, {})
    assert last is not None
    assert last.from_link == "J2-J3"
    first = serving_movement(city, CORRIDOR, 0, Direction.BACK, {"J2-J1>J1-W": 500.0})
    assert first is not None
    assert first.movement_id == "J2-J1>J1-W"


def test_strips_of_a_junction_without_a_plan_are_unknown() -> None:
    plans = {j: p for j, p in RUNNING.items() if j != "J2"}
    found = strips(network(), CORRIDOR, plans, Direction.OUT, {})
    assert [s.greens is None for s in found] == [False, True, False]


def test_distances_and_free_flow_times_add_up() -> None:
    city = network()
    lengths = [city.links[i].length_m for i in ("J1-J2", "J2-J3")]
    assert distances_m(city, CORRIDOR) == (0.0, lengths[0], pytest.approx(sum(lengths)))
    assert free_flow_travel_s(city, CORRIDOR.out_paths) == tuple(v / 12.5 for v in lengths)
    assert free_flow_travel_s(city, ((), ("J2-J3",))) is None
