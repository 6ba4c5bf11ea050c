"""The de-duplication kernel marks what a plain set marks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.reference.duplicates import repeats as twin
from traffic_brain.kernels.duplicates import OK, TABLE_TOO_SMALL, mark_repeats, repeats

WHOLE = st.integers(-(2**63), 2**63 - 1)
FEW = st.integers(-2, 2)
PAIRS = st.lists(st.tuples(FEW, FEW) | st.tuples(WHOLE, WHOLE) | st.tuples(WHOLE, FEW), max_size=60)


def columns(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return np.ascontiguousarray(first), np.ascontiguousarray(second)


@settings(max_examples=300)
@given(PAIRS)
@example([])
@example([(0, 0)] * 5)
@example([(1, 2), (2, 1), (1, 2)])
def test_kernel_agrees_with_its_twin(pairs: list[tuple[int, int]]) -> None:
    assert list(repeats(*columns(pairs))) == twin(pairs)


@settings(max_examples=50)
@given(PAIRS, st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_which_is_kept_but_not_how_many(
    pairs: list[tuple[int, int]], random: object
) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert repeats(*columns(pairs)).sum() == repeats(*columns(shuffled)).sum()
    kept = [p for p, again in zip(pairs, repeats(*columns(pairs)), strict=True) if not again]
    assert len(kept) == len(set(kept)) == len(set(pairs))


def test_times_in_milliseconds_do_not_collide() -> None:
    """Devices and times as a feed has them: dense in both, a tenth of them twice."""
    rng = np.random.default_rng(2)
    device = rng.integers(0, 300, 100_000)
    time = 25_200_000 + rng.integers(0, 36_000, 100_000) * 100
    rows = list(zip(device.tolist(), time.tolist(), strict=True))
    assert repeats(device, time).tolist() == twin(rows)


def test_a_table_that_is_too_small_is_told() -> None:
    rows = np.arange(4)
    for slots, status in ((4, TABLE_TOO_SMALL), (8, OK)):
        table = np.full(slots, -1, dtype=np.int64)
        assert mark_repeats(rows, rows, table, np.zeros(4, dtype=np.bool_)) == status


def test_both_keys_need_one_value_per_row() -> None:
    with pytest.raises(ValueError, match="one value per row"):
        repeats(np.arange(3), np.arange(4))


def test_other_integers_and_strides_are_taken() -> None:
    short = np.array([1, 1, 2], dtype=np.int16)
    stepped = np.arange(6)[::2] * 0
    assert list(repeats(short, stepped)) == [False, True, False]
