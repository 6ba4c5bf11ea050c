"""The tables of the statistics' kernels: keys and texts as sets and dictionaries know them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traffic_brain.fusion.statistics.columns import Register, Texts
from traffic_brain.fusion.statistics.sums import Keys
from traffic_brain.fusion.statistics.tasks import Span
from traffic_brain.kernels.tables import TIME_BITS, common, insert_all

SPAN = Span(0, 86_400_000, 7_200_000)
TIMES = st.sampled_from([7_200_000, 7_200_001, 7_260_000, 14_399_999]) | st.integers(
    7_200_000, 14_399_999
)
KEYS = st.lists(st.tuples(st.integers(0, 2**36 - 1) | st.integers(0, 3), TIMES), max_size=80)
NAMES = st.lists(st.text(max_size=5), max_size=30)


def packed(pairs: list[tuple[int, int]]) -> np.ndarray:
    return np.array([(first << TIME_BITS) | at_ms for first, at_ms in pairs], dtype=np.uint64)


@settings(max_examples=100)
@given(KEYS, KEYS)
@example([(5, 7_200_000)] * 3, [])
def test_keys_are_kept_once_in_the_order_in_which_they_came(
    first: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    seen = Keys(SPAN, 1, len(first), 1.0)
    seen.insert(packed(first))
    seen.insert(packed(then))
    assert seen.kept.tolist() == list(dict.fromkeys(packed([*first, *then]).tolist()))


def test_keys_of_one_moment_need_longer_stretches_not_more_memory() -> None:
    """A feed whose clock knows only minutes fills few rows: they are joined, not all doubled."""
    count = 200_000
    keys = (np.arange(count, dtype=np.uint64) << np.uint64(TIME_BITS)) | np.uint64(7_260_000)
    seen = Keys(SPAN, 1, count, 1.0)
    seen.insert(keys)
    assert len(seen.kept) == count
    tables = seen.arrays[0]
    assert tables.size < 20 * count
    seen.insert(keys[::-1].copy())
    assert len(seen.kept) == count


@given(KEYS, KEYS)
@settings(max_examples=50)
def test_what_two_sets_have_in_common(
    first: list[tuple[int, int]], then: list[tuple[int, int]]
) -> None:
    table = np.zeros((1, 1024), dtype=np.uint64)
    insert_all(
        *(table, np.empty(len(first), np.uint64), np.zeros(1, np.int64)),
        *(0, 62, packed(first), 0),
    )
    found = np.empty(len(then), dtype=np.uint64)
    count = common(packed(then), table, found)
    wanted = set(packed(first).tolist())
    assert found[:count].tolist() == [key for key in packed(then).tolist() if key in wanted]


@settings(max_examples=100)
@given(st.lists(st.text(max_size=5), max_size=30, unique=True), st.lists(NAMES, max_size=3))
def test_texts_are_found_where_they_stand(known: list[str], asked: list[list[str]]) -> None:
    register = Register(Texts.of(known))
    place = {name: i for i, name in enumerate(known)}
    for names in [*asked, known, known[::-1], [*asked[0], *known] if asked else known]:
        assert register.places(Texts.of(names)).tolist() == [place.get(n, -1) for n in names]


def test_texts_of_a_slice_and_empty_cells() -> None:
    array = pa.array(["a", "b", None, "c", "b"]).slice(1, 3)
    assert Texts.of(array).as_arrow().to_pylist() == ["b", "", "c"]
    assert Register(Texts.of(["c", "b"])).places(Texts.of(array)).tolist() == [1, -1, 0]
