"""Damage to the bytes of any file, and to the cells, rows and columns of a table."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

STRANGE = (
    *("", " ", "0", "-1", "1", "2.5", "nan", "inf", "-inf", "1e309", "1e-320", "99999999999999"),
    *("x", "a b", "0,0", "0,0 0,0", "1,2 3,4 5,6", "nan,nan 1,1", "1e200,0 0,1e200", "路口"),
    *("\U0001f6a6", "'\"<>&", "../../etc/passwd", "/dev/zero", "true", "G", "rrrr", "GGGG" * 3000),
    *("0101", "1" * 300, "off", "begin", "static", "actuated", "internal", "crossing", "rail"),
    *("12:00:00", "1:2", "0x10", "１２", "--1", "1_000", "%s", "\\", "None"),
)
"""What damage, other tools and tired people put into attributes and cells."""


# --- bytes ----------------------------------------------------------------------------------


def damaged_bytes(whole: bytes, rng: random.Random) -> bytes:
    """A file with one damage somewhere."""
    return rng.choice(_BYTE_DAMAGES)(whole, rng)


def _place(whole: bytes, rng: random.Random) -> tuple[int, int]:
    start = rng.randrange(len(whole) + 1)
    return start, min(len(whole), start + rng.choice((1, 1, 2, 8, 100, 3000)))


def flipped(whole: bytes, rng: random.Random) -> bytes:
    """One bit is another."""
    if not whole:
        return whole
    idx = rng.randrange(len(whole))
    return whole[:idx] + bytes([whole[idx] ^ (1 << rng.randrange(8))]) + whole[idx + 1 :]


def _cut_out(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:start] + whole[end:]


def _end_lost(whole: bytes, rng: random.Random) -> bytes:
    return whole[: _place(whole, rng)[0]]


def _repeat(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:end] + whole[start:end] * rng.choice((1, 1, 50)) + whole[end:]


def _noise(whole: bytes, rng: random.Random) -> bytes:
    start, end = _place(whole, rng)
    return whole[:start] + rng.randbytes(end - start) + whole[end:]


def _insert(whole: bytes, rng: random.Random) -> bytes:
    start, _ = _place(whole, rng)
    text = rng.choice((*STRANGE, "<", ">", "</edge>", "<!--", "<![CDATA[", "&bomb;", "\0"))
    return whole[:start] + text.encode() + whole[start:]


def _swap(whole: bytes, rng: random.Random) -> bytes:
    (a, b), (c, d) = sorted((_place(whole, rng), _place(whole, rng)))
    if b > c:
        return whole
    return whole[:a] + whole[c:d] + whole[b:c] + whole[a:b] + whole[d:]


_BYTE_DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(flipped, _cut_out, _end_lost, _repeat, _noise, _insert, _swap),
)


# --- tables ---------------------------------------------------------------------------------

Rows = list[list[str]]
RowDamage = Callable[[Rows, random.Random], None]


def some_cell(rows: Rows, rng: random.Random) -> tuple[list[str], int] | None:
    """(row, column) of a cell; None where there is none."""
    row = rng.choice(rows) if rows else []
    return (row, rng.randrange(len(row))) if row else None


def strange_cell(texts: Sequence[str]) -> RowDamage:
    """Damage that puts one of the texts into a cell."""

    def damage(rows: Rows, rng: random.Random) -> None:
        if cell := some_cell(rows, rng):
            cell[0][cell[1]] = rng.choice(texts)

    return damage


def column_lost(within: int) -> RowDamage:
    """Damage that loses or doubles one of the first columns, in the header or in all rows."""

    def damage(rows: Rows, rng: random.Random) -> None:
        idx, doubled = rng.randrange(within), rng.random() < 0.4
        for row in rows[: rng.choice((1, len(rows), len(rows)))]:
            if len(row) > idx:
                if doubled:
                    row.insert(idx, row[idx])
                else:
                    del row[idx]

    return damage


def other_cell(rows: Rows, rng: random.Random) -> None:
    """A value from elsewhere in the table: another node, phase, lane, or a row's own id."""
    here, there = some_cell(rows, rng), some_cell(rows, rng)
    if here and there:
        here[0][here[1]] = there[0][there[1]]


def shuffled(rows: Rows, rng: random.Random) -> None:
    """The cells of a row in another order."""
    if rows:
        rng.shuffle(rng.choice(rows))


def no_row(rows: Rows, rng: random.Random) -> None:
    """A row is lost."""
    if rows:
        del rows[rng.randrange(len(rows))]


def row_again(rows: Rows, rng: random.Random) -> None:
    """A row comes again, once or very often."""
    if rows:
        row = rng.choice(rows)
        for _ in range(rng.choice((1, 1, 2000))):
            rows.insert(rng.randrange(len(rows) + 1), list(row))


def cut_off(rows: Rows, rng: random.Random) -> None:
    """The end of the table is lost."""
    del rows[rng.randrange(len(rows) + 1) :]
