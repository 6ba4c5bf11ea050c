"""Tokens of plates made by a kernel: the grammar of the ingest, and SipHash as published."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from traffic_brain.feeds.pseudonym import in_one_spelling
from traffic_brain.fusion.statistics.columns import Texts
from traffic_brain.kernels.plates import siphash, tokens_of

KEY = bytes(range(16))
PUBLISHED = {
    0: 0x726FDB47DD0E0E31,
    1: 0x74F839C593DC67FD,
    7: 0xAB0200F58B01D137,
    8: 0x93F5F5799A932462,
    15: 0xA129CA6149BE45E5,
}
"""From the paper and its reference code: length of 00 01 02 … -> SipHash-2-4 under `KEY`."""
PARTS = st.tuples(
    st.sampled_from(["皖", "京", "一", "鿿", "", "€", "ꀀ", "皖皖", "x"]),
    st.sampled_from(["A", "B", "", "a", "1", "Z"]),
    st.sampled_from(["", "·", "-", " ", "  ", "•", "."]),
    st.text("AZ09B8a", max_size=8),
    st.sampled_from(["", "学", "挂", "警", "é", " "]),
)
PLATES = PARTS.map("".join) | st.text(max_size=9)


def key_halves(key: bytes = KEY) -> tuple[np.uint64, np.uint64]:
    low, high = (np.uint64(int.from_bytes(key[i : i + 8], "little")) for i in (0, 8))
    return low, high


def tokens(plates: list[str | None], key: bytes = KEY) -> list[int]:
    texts = Texts.of(pa.array(plates, pa.string()))
    found = np.empty(len(plates), dtype=np.uint64)
    tokens_of(texts.offsets, texts.data, *key_halves(key), found)
    return [int(token) for token in found]


def test_the_hash_is_the_published_one() -> None:
    for length, expected in PUBLISHED.items():
        message = bytes(range(length))
        low, high = (
            np.uint64(int.from_bytes(part, "little")) for part in (message[:8], message[8:])
        )
        assert int(siphash(low, high, length, *key_halves())) == expected


@settings(max_examples=300)
@given(st.lists(PLATES | st.none(), max_size=20))
@example(["皖A·12345", "皖A12345", "皖A 12345", "皖A-12345", "皖A1234567", "皖A12345学", "皖A123"])
def test_equal_tokens_are_equal_plates_in_one_spelling(plates: list[str | None]) -> None:
    spelled = in_one_spelling(plates).tolist()
    found = tokens(plates)
    assert [token == 0 for token in found] == [text == "" for text in spelled]
    assert len(set(zip(spelled, found, strict=True))) == len(set(spelled)) == len(set(found))


def test_another_secret_gives_other_tokens() -> None:
    plates: list[str | None] = ["皖A12345", "皖A12346"]
    assert not set(tokens(plates)) & set(tokens(plates, KEY[::-1]))
