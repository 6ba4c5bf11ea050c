"""Obvious twins of the city-wide offsets: every start of every signal, every offset of a loop."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

Tables = Sequence[Sequence[int]]
Pairs = Sequence[tuple[int, int]]


def min_plus(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Least cost of two links in a row, by the sum of their offsets."""
    period = len(first)
    return [min(first[s] + second[(t - s) % period] for s in range(period)) for t in range(period)]


def loop_marginals(tables: Tables) -> list[list[float]]:
    """Least cost of a loop by the offset of each of its links."""
    period = len(tables[0])
    least = [[float("inf")] * period for _ in tables]
    for offsets in product(range(period), repeat=len(tables)):
        if sum(offsets) % period:
            continue
        cost = sum(table[d] for table, d in zip(tables, offsets, strict=True))
        for k, d in enumerate(offsets):
            least[k][d] = min(least[k][d], cost)
    return least


def city_cost(starts: Sequence[int], pairs: Pairs, tables: Tables) -> int:
    """Sum over links of what the starts at their ends cost."""
    return sum(
        table[(starts[b] - starts[a]) % len(table)]
        for (a, b), table in zip(pairs, tables, strict=True)
    )


def best_cost(signals: int, pairs: Pairs, tables: Tables) -> int:
    """The least cost there is; the first signal starts at 0, which changes nothing."""
    period = len(tables[0])
    return min(
        city_cost((0, *rest), pairs, tables) for rest in product(range(period), repeat=signals - 1)
    )
