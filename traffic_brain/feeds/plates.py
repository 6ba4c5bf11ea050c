"""What looks like a licence plate, so that none is quoted, and none passes for an id.

A plate of mainland China: the province's character, a letter, and four to six letters or digits,
the last of which may be a character again (GA 36-2018). Foreign plates have no form of their own
and cannot be told from a device's id; they are safe by a harder rule: no cell is ever quoted.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_PROVINCES = "京津沪渝冀晋蒙辽吉黑苏浙皖闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新港澳台使领军警"
LOOKS_LIKE_PLATE = rf"[{_PROVINCES}][A-Za-z][·•・.\-_ ]?[A-Za-z0-9]{{3,6}}"
"""A regular expression that both Python and Arrow read."""
_PLATE = re.compile(LOOKS_LIKE_PLATE + "[挂学警港澳使领]?")
_DIGIT = re.compile(r"\d")
MANY_DIGITS = 3
MASK = "(plate)"
LONGEST_QUOTE = 200


def names_in_words(names: Iterable[str]) -> str:
    """Names of columns for an error message: a table without its head shows cells in their place.

    What has the digits of a plate, of a time or of a number is no name and is not quoted.
    """
    return masked(", ".join(n if len(_DIGIT.findall(n)) < MANY_DIGITS else "…" for n in names))


def masked(text: object) -> str:
    """One line for an error message: plates are covered, and long texts lose their middle."""
    line = " ".join(unicodedata.normalize("NFKC", str(text)).split())
    line = _PLATE.sub(MASK, line)
    half = LONGEST_QUOTE // 2
    return line if len(line) <= LONGEST_QUOTE else f"{line[:half]}…{line[-half:]}"
