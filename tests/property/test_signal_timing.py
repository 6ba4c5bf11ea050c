"""Kernels for the timing of signals against their obvious twins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.reference import signal_timing as twin
from traffic_brain.kernels import signal_timing as kernel
from traffic_brain.kernels.discharge import queue_discharge

PASSES = st.lists(
    st.tuples(st.floats(-5, 200, allow_nan=False), st.integers(0, 2)), min_size=0, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(PASSES)
def test_passes_meet_as_counted_by_hand(passes: list[tuple[float, int]]) -> None:
    times, lanes = [t for t, _ in passes], [lane for _, lane in passes]
    at, of = np.array(times, dtype=np.float64), np.array(lanes, dtype=np.int64)
    counts = np.full((3, 30), -1, dtype=np.int64)
    assert kernel.fold(at, of, 17, counts) == kernel.OK
    assert (counts[:, :17] == twin.fold(times, lanes, 3, 17)).all()
    scores = np.empty(15)
    status = kernel.cycle_scores(at, of, 3, 11, scores)
    if max((lanes.count(lane) for lane in range(3)), default=0) < 2:
        assert status == kernel.TOO_FEW
        return
    assert status == kernel.OK
    wanted = [twin.cycle_score(times, lanes, 3, cycle) for cycle in range(11, 26)]
    assert scores == pytest.approx(wanted)


@settings(max_examples=40, deadline=None)
@given(
    stages=st.integers(1, 3),
    cycle=st.integers(4, 11),
    clearances=st.lists(st.integers(0, 2), min_size=3, max_size=3),
    least=st.lists(st.integers(1, 3), min_size=3, max_size=3),
    seed=st.integers(0, 10_000),
)
def test_the_best_starts_are_the_best_of_all(
    stages: int, cycle: int, clearances: list[int], least: list[int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    opening, green = rng.normal(size=(2, stages, cycle))
    clearing = rng.normal(size=(stages, 1 + cycle))
    clearing[:, 0] = clearances[:stages]
    starts, best_with = np.zeros(stages, dtype=np.int64), np.empty((stages, cycle))
    status = kernel.stage_starts(
        opening, green, clearing, np.array(least[:stages]), starts, best_with
    )
    scores = twin.all_timings(opening, green, clearing, least[:stages])
    if not scores:
        assert status == kernel.DOES_NOT_FIT
        return
    assert status == kernel.OK
    assert scores[tuple(starts.tolist())] == pytest.approx(max(scores.values()))
    for stage in range(stages):
        for second in range(cycle):
            wanted = [v for s, v in scores.items() if s[stage] == second]
            best = max(wanted, default=kernel.LOWEST)
            assert best_with[stage, second] == pytest.approx(best)


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.floats(0, 300, allow_nan=False), max_size=60).map(sorted),
    cycle=st.floats(20, 60),
    share=st.floats(0.2, 0.9),
    skipped=st.integers(1, 5),
)
def test_queues_are_those_picked_by_hand(
    times: list[float], cycle: float, share: float, skipped: int
) -> None:
    begins = np.arange(0.0, 300.0, cycle)
    ends = begins + share * cycle
    headways, until = np.empty(len(times)), np.empty(len(begins))
    count = queue_discharge(np.array(times), begins, ends, 5.0, 6.0, skipped, headways, until)
    greens = list(zip(begins.tolist(), ends.tolist(), strict=True))
    wanted, wanted_until = twin.queue_discharge(times, greens, 5.0, 6.0, skipped)
    assert headways[:count] == pytest.approx(wanted)
    told = [None if np.isnan(t) else float(t) for t in until]
    assert [t is None for t in told] == [t is None for t in wanted_until]
    assert [t for t in told if t is not None] == pytest.approx(
        [t for t in wanted_until if t is not None]
    )
