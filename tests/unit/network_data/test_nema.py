"""Ring-and-barrier phases: what the lamps show, second by second, and the offset's meaning."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_data.importers.nema import (
    GroupPhases,
    OffsetReference,
    RingOffset,
    RingPhase,
    RingPlan,
    plan_of_rings,
    stages_of_rings,
    timeline_of_rings,
)
from traffic_brain.model.signals import SignalPlan


def phase(number: int, brp: int, split_s: float, **changes: float) -> RingPhase:
    times = {"yellow_s": 3.0, "all_red_s": 1.0} | changes
    return RingPhase(
        phase=number,
        ring=brp // 10 % 10,
        barrier=brp // 100,
        position=brp % 10,
        split_s=split_s,
        **times,
    )


def group(protected: tuple[int, ...] = (), permitted: tuple[int, ...] = ()) -> GroupPhases:
    return GroupPhases(frozenset(protected), frozenset(permitted))


FIRST = OffsetReference.FIRST_GREEN
# The usual eight phases; 1 leads 2 by 14 s, 5 leads 6 by 20 s; 3, 7 end together.
EIGHT = (
    phase(1, 111, 14),
    phase(2, 112, 36),
    phase(3, 211, 12),
    phase(4, 212, 28),
    phase(5, 121, 20),
    phase(6, 122, 30),
    phase(7, 221, 12),
    phase(8, 222, 28),
)


def plan(
    phases: tuple[RingPhase, ...],
    groups: tuple[GroupPhases, ...],
    offset: RingOffset | None = None,
    cycle_s: float | None = None,
) -> RingPlan:
    return plan_of_rings("J", "1", phases, groups, offset or RingOffset(0, (2,), FIRST), cycle_s)


def lamps(made: RingPlan, idx: int) -> str:
    """What a group shows in each second from the rings' zero, run by run: ``6r4G...``."""
    assert made.plan is not None
    pictures = made.plan.pictures()
    shift = made.plan.first_stage_offset_s - made.begin_s
    letters = [pictures[(t - shift) % len(pictures)][idx] for t in range(len(pictures))]
    told, count = "", 0
    for letter, after in pairwise([*letters, "."]):
        count += 1
        if after != letter:
            told, count = told + f"{count}{letter}", 0
    return told


def test_two_rings_change_at_their_own_times_and_cross_barriers_together() -> None:
    made = plan(EIGHT, tuple(group((p,)) for p in range(1, 9)))
    assert made.problems == made.guesses == ()
    assert made.plan is not None
    assert made.plan.cycle_s == 90
    assert [lamps(made, i) for i in range(8)] == [
        "10G3y77r",
        "14r32G3y41r",
        "50r8G3y29r",
        "62r24G3y1r",
        "16G3y71r",
        "20r26G3y41r",
        "50r8G3y29r",
        "62r24G3y1r",
    ]
    # {1,5}; {2,5} lasts 2 s only and belongs to the clearance; {2,6}; {3,7}; {4,8}
    assert [(s.picture, s.green_s, s.split_s) for s in made.plan.stages] == [
        ("GrrrGrrr", 10, 20),
        ("rGrrrGrr", 26, 30),
        ("rrGrrrGr", 8, 12),
        ("rrrGrrrG", 24, 28),
    ]


def test_a_long_overlap_of_the_rings_is_a_stage_of_its_own() -> None:
    longer = tuple(phase(5, 121, 25) if p.phase == 5 else p for p in EIGHT)
    longer = tuple(phase(6, 122, 25) if p.phase == 6 else p for p in longer)
    made = plan(longer, tuple(group((p,)) for p in range(1, 9)))
    assert made.plan is not None
    assert made.plan.stages[1].picture == "rGrrGrrr"
    assert made.plan.stages[1].green_s == 7


def test_lagging_lefts_run_where_their_position_says() -> None:
    phases = (phase(1, 112, 14), phase(2, 111, 36), phase(5, 121, 14), phase(6, 122, 36))
    made = plan(phases, (group((1,)), group((2,)), group((5,)), group((6,))))
    assert lamps(made, 0) == "36r10G3y1r"
    assert lamps(made, 1) == "32G3y15r"
    assert lamps(made, 3) == "14r32G3y1r"


def test_a_protected_permitted_left_gives_way_while_only_its_through_phase_runs() -> None:
    made = plan(EIGHT, (group((1,), (6,)), group((5,), (2,))))
    # 1: arrow until 10 s, yellow; 6 begins at 20 s.  5: arrow until 16 s, then 2 runs already
    assert lamps(made, 0) == "10G3y7r26g3y41r"
    assert lamps(made, 1) == "16G30g3y41r"


def test_a_right_turn_overlap_stays_green_from_phase_to_phase() -> None:
    made = plan(EIGHT, (group((3, 4)), group((2, 3)), group((), (6, 7))))
    assert lamps(made, 0) == "50r36G3y1r"
    assert lamps(made, 1) == "14r44G3y29r"
    assert lamps(made, 2) == "20r38g3y29r"


def test_turning_on_red_shows_its_own_lamp() -> None:
    made = plan(EIGHT, (GroupPhases(frozenset({2}), on_red=True),))
    assert lamps(made, 0) == "14s32G3y41s"


def test_a_phase_that_nobody_names_is_part_of_a_clearance() -> None:
    with_walk = (*EIGHT, phase(9, 311, 20))
    made = plan(with_walk, tuple(group((p,)) for p in range(1, 9)))
    assert made.plan is not None
    assert made.plan.cycle_s == 110
    assert made.plan.stages[-1].clearance[-1].duration_s == 21  # 1 s all-red of 4 and 8, then 9


@pytest.mark.parametrize(
    ("reference", "moment_s"),
    [
        (OffsetReference.FIRST_GREEN, 14),
        (OffsetReference.LAST_GREEN, 20),
        (OffsetReference.FIRST_YELLOW, 46),
        (OffsetReference.FIRST_RED, 49),
        (OffsetReference.FIRST_END, 50),
        (OffsetReference.FIRST_DONT_WALK, 35),
    ],
)
def test_an_offset_names_a_moment_of_the_reference_phases(
    reference: OffsetReference, moment_s: int
) -> None:
    walking = tuple(
        phase(6, 122, 30, walk_s=7, dont_walk_s=11) if p.phase == 6 else p for p in EIGHT
    )
    made = plan(walking, (group((2,)), group((6,))), RingOffset(30, (2, 6), reference))
    assert made.begin_s == (30 - moment_s) % 90
    assert made.plan is not None
    # the coordinated stage is {2, 6}, green from 20 s of the rings on; {2} alone is the first
    assert made.plan.coordinated_stage_idx == 1
    assert made.plan.offset_s == (made.begin_s + 20) % 90


def test_first_and_last_are_meant_round_the_cycle() -> None:
    # phase 8 turns green at 86 s of 90, phase 4 at 2 s: 8 is the first of the two, 4 the last
    dark = phase(9, 111, 2, yellow_s=0, all_red_s=0)
    phases = (dark, phase(4, 112, 88), phase(10, 121, 86), phase(8, 122, 4))
    groups = (group((4,)), group((10,)))
    made = plan(phases, groups, RingOffset(0, (4, 8), FIRST))
    assert made.begin_s == 4
    last = plan(phases, groups, RingOffset(0, (4, 8), OffsetReference.LAST_GREEN))
    assert last.begin_s == 88


def test_fractions_are_rounded_so_that_the_cycle_stays() -> None:
    phases = tuple(
        phase(i, 110 + i, split_s, yellow_s=3.6, all_red_s=1.7)
        for i, split_s in enumerate((20.4, 20.4, 24.6, 24.6), start=1)
    )
    made = plan(phases, tuple(group((i,)) for i in range(1, 5)), RingOffset(0, (1,), FIRST), 90)
    assert made.plan is not None
    assert made.plan.cycle_s == 90
    assert made.problems == ()
    assert [s.split_s for s in made.plan.stages] == [20, 21, 24, 25]
    # 3.6 + 1.7 s of clearance are never less than 5.3 s: 4 s of yellow and 2 s of all-red
    assert all([c.duration_s for c in s.clearance] == [4, 2] for s in made.plan.stages)


def test_splits_that_miss_the_cycle_by_a_tenth_are_fitted_to_it() -> None:
    made = plan((phase(1, 111, 50.1), phase(2, 112, 50)), (group((1,)), group((2,))), None, 100)
    assert made.plan is not None
    assert made.plan.cycle_s == 100
    assert [str(g) for g in made.guesses] == [
        "splits fitted to the stated cycle (100.1 s, cycle 100 s)"
    ]


def test_splits_that_contradict_the_cycle_are_a_problem_and_hold() -> None:
    made = plan((phase(1, 111, 50), phase(2, 112, 40)), (group((1,)), group((2,))), None, 100)
    assert made.plan is not None
    assert made.plan.cycle_s == 90
    assert [p.what for p in made.problems] == ["splits do not sum to the stated cycle"]


def test_a_shorter_ring_rests_in_green_before_the_barrier() -> None:
    phases = (phase(2, 111, 40), phase(6, 121, 30), phase(4, 211, 20))
    made = plan(phases, (group((2,)), group((6,)), group((4,))))
    assert lamps(made, 1) == "36G3y21r"
    assert [(g.what, g.phase) for g in made.guesses] == [
        ("ring shorter than its neighbour: rests in green before the barrier", 6)
    ]


def test_minimum_greens_of_the_stages_hold_those_of_the_phases() -> None:
    phases = tuple(
        phase(p.phase, p.barrier * 100 + p.ring * 10 + p.position, p.split_s, min_green_s=7)
        if p.phase != 2
        else phase(2, 112, 36, min_green_s=10, walk_s=7, dont_walk_s=15)
        for p in EIGHT
    )
    made = plan(phases, tuple(group((p,)) for p in range(1, 9)))
    assert made.plan is not None
    # phase 2 is green for 6 s of clearance and the 26 s of stage {2,6}: 22 s needs 16 s of these
    assert [s.min_green_s for s in made.plan.stages] == [7, 16, 7, 7]


def test_a_walk_that_does_not_fit_leaves_the_minimum_at_the_green_in_service() -> None:
    phases = (phase(2, 111, 20, walk_s=7, dont_walk_s=15), phase(4, 211, 20))
    made = plan(phases, (group((2,)), group((4,))))
    assert made.plan is not None
    assert made.plan.stages[0].min_green_s == 16
    assert [g.phase for g in made.guesses] == [2]


def test_a_split_without_green_lights_nobody() -> None:
    made = plan((phase(1, 111, 4), phase(2, 112, 30)), (group((1,)), group((2,))))
    assert lamps(made, 0) == "34r"
    assert [p.what for p in made.problems] == ["split leaves no green: never lit"]


def test_reference_phases_that_do_not_run_are_a_problem() -> None:
    made = plan(EIGHT, (group((2,)),), RingOffset(12, (9,), FIRST))
    assert made.begin_s == 12
    assert "reference phases do not run" in made.problems[0].what


@pytest.mark.parametrize(
    "phases",
    [
        (),
        (phase(2, 111, 0),),
        (phase(2, 111, 30), phase(2, 112, 30)),
        (phase(2, 111, 4000),),
    ],
)
def test_phases_that_make_no_signal_give_no_plan(phases: tuple[RingPhase, ...]) -> None:
    made = plan(phases, (group((2,)),))
    assert made.plan is None
    assert made.problems


def test_without_a_green_there_are_no_stages() -> None:
    assert stages_of_rings(EIGHT, (group((9,)), group())) is None
    assert stages_of_rings(EIGHT, ()) is None


# --- any rings at all -------------------------------------------------------------------------

TENTHS = st.integers(0, 60).map(lambda tenths: tenths / 10)


@st.composite
def ring_sets(draw: st.DrawFn) -> tuple[RingPhase, ...]:
    phases: list[RingPhase] = []
    for barrier in range(1, draw(st.integers(1, 3)) + 1):
        for ring in range(1, draw(st.integers(1, 3)) + 1):
            for position in range(1, draw(st.integers(1, 3)) + 1):
                yellow_s, all_red_s = draw(TENTHS), draw(TENTHS)
                green_s = draw(st.integers(0, 400)) / 10
                number = len(phases) + 1
                places = (number, ring, barrier, position)
                phases.append(
                    RingPhase(*places, green_s + yellow_s + all_red_s, yellow_s, all_red_s)
                )
    return tuple(phases)


@given(rings=ring_sets(), data=st.data())
def test_pictures_are_what_the_phases_say_in_every_second(
    rings: tuple[RingPhase, ...], data: st.DataObject
) -> None:
    numbers = st.frozensets(st.integers(1, len(rings)), max_size=4)
    groups = tuple(GroupPhases(data.draw(numbers), data.draw(numbers)) for _ in range(3))
    timeline = timeline_of_rings(rings)
    found = stages_of_rings(rings, groups)
    if timeline is None or found is None:
        return
    made = SignalPlan("J", "1", found.stages)
    assert made.cycle_s == timeline.cycle_s == max(t.end_s for t in timeline.times.values())
    pictures = made.pictures()
    for second in range(made.cycle_s):
        shown = pictures[(second - found.first_start_s) % made.cycle_s]
        assert shown == "".join(_by_hand(second, g, rings, groups) for g in range(3))


def _by_hand(
    second: int, idx: int, rings: tuple[RingPhase, ...], groups: tuple[GroupPhases, ...]
) -> str:
    """The lamp of a group, asked afresh for every second."""
    timeline = timeline_of_rings(rings)
    assert timeline is not None
    cycle_s = timeline.cycle_s
    lit = {p: t for p, t in timeline.times.items() if t.yellow_start_s > t.start_s}
    for letter, named in (("G", groups[idx].protected), ("g", groups[idx].permitted)):
        mine = [lit[p] for p in named if p in lit]
        for times in mine:
            if times.start_s <= second < times.yellow_start_s:
                return letter
            follows = any(other.start_s % cycle_s == times.end_s % cycle_s for other in mine)
            if times.yellow_start_s <= second < times.end_s and follows:
                return letter
    every = [lit[p] for p in groups[idx].protected | groups[idx].permitted if p in lit]
    if any(times.yellow_start_s <= second < times.red_start_s for times in every):
        return "y"
    return "r"


@given(rings=ring_sets())
def test_a_timeline_fills_every_ring_and_never_shortens_a_clearance(
    rings: tuple[RingPhase, ...],
) -> None:
    timeline = timeline_of_rings(rings)
    if timeline is None:
        return
    by_ring: dict[tuple[int, int], list[RingPhase]] = {}
    for one in rings:
        if one.split_s > 0:
            by_ring.setdefault((one.barrier, one.ring), []).append(one)
    ends = {
        barrier: {
            timeline.times[found[-1].phase].end_s
            for (b, _), found in by_ring.items()
            if b == barrier
        }
        for barrier in {b for b, _ in by_ring}
    }
    assert all(len(found) == 1 for found in ends.values())
    for found in by_ring.values():
        for a, b in pairwise(found):
            assert timeline.times[a.phase].end_s == timeline.times[b.phase].start_s
        for one in found:
            times = timeline.times[one.phase]
            if times.green_s > 0:
                clearance_s = one.yellow_s + one.all_red_s
                assert times.end_s - times.yellow_start_s == math.ceil(clearance_s - 1e-6)
                assert abs(times.red_start_s - times.yellow_start_s - one.yellow_s) <= 0.5 + 1e-6
