"""The tables of the statistics' kernels: keys and texts as sets and dictionaries know them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traffic_brain.fusion.statistics.columns import Register, Texts
from traffic_brain.fusion.statistics.seen_keys import Keys, among
from traffic_brain.fusion.statistics.tasks import Span

SPAN = Span(0, 86_400_000, 7_200_000)
TIMES = st.sampled_from([0, 1, 2047, 2048, 60_000, 7_199_999]) | st.integers(0, 7_199_999)
NAMES = st.lists(st.text(max_size=5), max_size=30)
SHORT, LONG = 2**15, 2**36
NAMES_OF = st.sampled_from([SHORT, LONG])
Pairs = list[tuple[int, int]]


@st.composite
def pairs_of_keys(draw: st.DrawFn) -> tuple[int, Pairs, Pairs]:
    """How many names there are, and two lists of (name, time since the range began)."""
    names = draw(NAMES_OF)
    key = st.tuples(st.integers(0, names - 1) | st.integers(0, 3), TIMES)
    return names, draw(st.lists(key, max_size=80)), draw(st.lists(key, max_size=80))


def columns(pairs: Pairs) -> tuple[np.ndarray, np.ndarray]:
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def kept(seen: Keys) -> set[tuple[int, int]]:
    """The keys that a memory tells."""
    memory = seen.memory()
    bits = int(memory["key_bits"][0])
    rows = np.searchsorted(memory["key_ends"], np.arange(len(memory["keys"])), "right")
    return {
        (int(key) >> bits, (int(row) << bits) | (int(key) & ((1 << bits) - 1)))
        for row, key in zip(rows, memory["keys"], strict=True)
    }


@settings(max_examples=100, deadline=None)
@given(pairs_of_keys())
@example((SHORT, [(5, 0)] * 3, []))
def test_keys_are_kept_once(found: tuple[int, Pairs, Pairs]) -> None:
    names, first, then = found
    seen = Keys(SPAN, 1, names, len(first), 1.0)
    assert seen.tables.dtype == (np.uint32 if names == SHORT else np.uint64)
    seen.insert(*columns(first))
    seen.insert(*columns(then))
    assert kept(seen) == {*first, *then}
    assert len(seen.memory()["keys"]) == len({*first, *then})


@pytest.mark.parametrize("names", [2**20, LONG])
def test_keys_of_one_moment_need_longer_stretches_not_more_memory(names: int) -> None:
    """A feed whose clock knows only minutes fills few rows: they are joined, not all doubled."""
    count = 200_000
    name, since_ms = np.arange(count), np.full(count, 60_000)
    seen = Keys(SPAN, 1, names, count, 1.0)
    seen.insert(name, since_ms)
    assert len(seen.memory()["keys"]) == count
    assert seen.tables.size < 20 * count
    seen.insert(name[::-1].copy(), since_ms)
    assert len(seen.memory()["keys"]) == count
    assert kept(seen) == {(i, 60_000) for i in range(count)}


@given(pairs_of_keys())
@settings(max_examples=50, deadline=None)
def test_what_was_seen_is_among_the_keys(found: tuple[int, Pairs, Pairs]) -> None:
    names, first, then = found
    asked = [*then, *first[::2], *then]
    seen = Keys(SPAN, 1, names, len(first), 1.0)
    seen.insert(*columns(first))
    told = among(seen.memory(), *columns(asked))
    assert told.tolist() == [pair in set(first) for pair in asked]


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
