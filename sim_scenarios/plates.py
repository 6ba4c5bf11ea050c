"""Number plates for vehicles that do not exist, and how cameras misread them.

Layout of Chinese plates: province character, city letter, then five places, or six that begin
with D or F on new-energy vehicles; the letters I and O are not used.
"""

from __future__ import annotations

import numpy as np

HOME = "皖A"
VISITORS = ("皖B", "皖C", "皖N", "皖Q", "苏A", "沪A", "浙A", "鄂A", "豫A", "京N", "粤B")
HOME_SHARE = 0.82
NEW_ENERGY_SHARE = 0.3
LETTER_SHARE = 0.2
OTHER_MISREADING_SHARE = 0.3
_DIGITS = "0123456789"
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
_LOOKALIKE = str.maketrans("0D8B172Z5S6G", "D0B871Z2S5G6")


def invent_plates(count: int, rng: np.random.Generator) -> list[str]:
    """``count`` different plates such as ``皖A·3K72B``, in the order of the generator."""
    plates: dict[str, None] = {}
    while len(plates) < count:
        plates.setdefault(_plate(rng))
    return list(plates)


def _plate(rng: np.random.Generator) -> str:
    city = HOME if rng.random() < HOME_SHARE else VISITORS[rng.integers(len(VISITORS))]
    new_energy = rng.random() < NEW_ENERGY_SHARE
    first = "DF"[rng.integers(2)] if new_energy else ""
    alphabets = (_LETTERS if rng.random() < LETTER_SHARE else _DIGITS for _ in range(5))
    places = "".join(alphabet[rng.integers(len(alphabet))] for alphabet in alphabets)
    return f"{city}·{first}{places}"


def misread(plate: str, rng: np.random.Generator) -> str:
    """The plate with one of its places read wrongly, by preference as a look-alike."""
    start = plate.index("·") + 1
    idx = int(rng.integers(start, len(plate)))
    read = plate[idx].translate(_LOOKALIKE)
    if read == plate[idx] or rng.random() < OTHER_MISREADING_SHARE:
        others = [c for c in _DIGITS + _LETTERS if c != plate[idx]]
        read = others[int(rng.integers(len(others)))]
    return plate[:idx] + read + plate[idx + 1 :]
