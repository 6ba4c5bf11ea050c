"""Obvious twins of the green wave solvers: try everything, and look.

Nothing here is taken from the solvers: greens are sets of points or whole seconds, a band is what
is left when a vehicle of each second has driven through.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

Windows = Sequence[Sequence[tuple[int, int]]]


def half_integer_bandwidth(
    green_ratios: Sequence[float], travel_cycles: Sequence[float]
) -> tuple[float, tuple[float, ...]]:
    """The widest equal bands when red centres are 0 or 1/2 cycle apart: all 2^(n-1) patterns.

    One direction is enough: with half-integer offsets the other is its mirror image.
    """
    best = (-1.0, ())
    for pattern in product((0.0, 0.5), repeat=len(green_ratios) - 1):
        offsets = (0.0, *pattern)
        width = _one_way_bandwidth(green_ratios, travel_cycles, offsets)
        if width > best[0] + 1e-12:
            best = (width, offsets)
    return best


def _one_way_bandwidth(
    green_ratios: Sequence[float], travel_cycles: Sequence[float], centres: Sequence[float]
) -> float:
    """The best front starts at some signal's start of green: try each."""
    arrivals = [sum(travel_cycles[:i]) for i in range(len(green_ratios))]
    starts = [
        centre - 0.5 * green - arrival
        for centre, green, arrival in zip(centres, green_ratios, arrivals, strict=True)
    ]
    widths = [0.0]
    for front in starts:
        # Rounded: a front at a start is 0 after it, not just under one cycle.
        after = [round(front - start, 12) % 1.0 for start in starts]
        widths.append(min(g - a for g, a in zip(green_ratios, after, strict=True)))
    return max(widths)


def all_offsets(cycle_s: int, signals: int) -> Iterator[tuple[int, ...]]:
    for rest in product(range(cycle_s), repeat=signals - 1):
        yield (0, *rest)


def green_seconds(cycle_s: int, windows: Sequence[tuple[int, int]], offset_s: int) -> set[int]:
    return {(offset_s + start + t) % cycle_s for start, length in windows for t in range(length)}


def through_bandwidth(
    cycle_s: int, windows: Windows, travel_s: Sequence[int], offsets_s: Sequence[int]
) -> int:
    """Seconds in a row at which a vehicle may pass the first signal and then meets no red."""
    passing = set(range(cycle_s))
    arrival = 0
    for i, (signal, offset) in enumerate(zip(windows, offsets_s, strict=True)):
        arrival += travel_s[i - 1] if i else 0
        green = green_seconds(cycle_s, signal, offset)
        passing = {t for t in passing if (t + arrival) % cycle_s in green}
    if len(passing) == cycle_s:
        return cycle_s
    best = 0
    for front in passing:
        width = 0
        while (front + width) % cycle_s in passing:
            width += 1
        best = max(best, width)
    return best


def link_band(
    cycle_s: int,
    upstream: Sequence[tuple[int, int]],
    downstream: Sequence[tuple[int, int]],
    travel_s: int,
    offsets_s: tuple[int, int],
) -> int:
    """Seconds that leave the upstream signal on green and meet green downstream."""
    leaving = green_seconds(cycle_s, upstream, offsets_s[0])
    green = green_seconds(cycle_s, downstream, offsets_s[1])
    return sum((t + travel_s) % cycle_s in green for t in leaving)


def widest_pair(
    cycle_s: int,
    greens: Sequence[tuple[int, int, int]],
    out_travel_s: Sequence[int],
    back_travel_s: Sequence[int],
) -> int | None:
    """Largest sum of an out and a back band that both pass every signal; None: no two lines do.

    Greens are (out length, back start after the out start, back length). A line may run along
    the edge of a green: its band then has no width. The data being whole seconds, so is some best
    plan: with one band's place against the other given, each width is the least of terms that
    grow or shrink with it at the same rate, so their sum is largest where two of them meet.
    """
    best = None
    for offsets in all_offsets(cycle_s, len(greens)):
        out = [(o, green) for o, (green, _, _) in zip(offsets, greens, strict=True)]
        back = [(o + at, green) for o, (_, at, green) in zip(offsets, greens, strict=True)]
        widths = (
            _widest_line(cycle_s, out, out_travel_s),
            _widest_line(cycle_s, back[::-1], back_travel_s[::-1]),
        )
        if None not in widths:
            total = sum(w for w in widths if w is not None)
            best = total if best is None else max(best, total)
    return best


def _widest_line(
    cycle_s: int, greens: Sequence[tuple[int, int]], travel_s: Sequence[int]
) -> int | None:
    """Width of the widest band by its front, edges of greens included."""
    widest = None
    for front in range(cycle_s):
        clock, left = front, cycle_s
        for i, (start, length) in enumerate(greens):
            clock += travel_s[i - 1] if i else 0
            left = min(left, length - (clock - start) % cycle_s)
        if left >= 0 and (widest is None or left > widest):
            widest = left
    return widest
