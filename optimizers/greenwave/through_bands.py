"""The widest bands through a whole corridor in whole seconds, by exact enumeration.

The offset of one signal binds no other once it is known when the two bands pass. So all that
must be tried is the distance of the bands and the width of the out band: per signal the widest
back band that still fits follows in closed form, and the corridor's is the narrowest of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizers.greenwave.problem import CorridorDirection, CorridorProblem, Window

Ints = NDArray[np.int64]

_CANNOT = -1


@dataclass(frozen=True, slots=True)
class ThroughBands:
    """Widths of the two bands, and their distance where both exist."""

    out_s: int
    back_s: int
    distance_s: int
    """Fronts at the first signal, back minus out, in [0, cycle); 0 where a band has no width."""


def weighted_width(problem: CorridorProblem, out_s: int, back_s: int) -> float:
    """What the widths of the two bands are worth."""
    back_weight = 0.0 if problem.back is None else problem.back.weight
    return problem.out.weight * out_s + back_weight * back_s


def widest_through_bands(
    problem: CorridorProblem, *, equal: bool, least_s: int
) -> tuple[ThroughBands, ...]:
    """All pairs of bands of the largest weighted width, by distance; at least one.

    First counts that both bands are ``least_s`` wide, or as near to it as they can be. Of pairs
    worth the same, those with the wider narrow band are kept, then those with more in sum.
    """
    if problem.back is None:
        return (ThroughBands(_widest(problem.out), 0, 0),)
    table = _widest_back(problem, problem.out, problem.back)
    distances, outs = np.nonzero(table != _CANNOT)
    backs = table[distances, outs]
    if equal:
        fits = backs >= outs
        distances, outs = distances[fits], outs[fits]
        backs = outs
    narrow = np.minimum(outs, backs)
    worth = problem.out.weight * outs + problem.back.weight * backs
    keep = np.ones(outs.size, dtype=np.bool_)
    for key in (np.minimum(narrow, least_s), worth, narrow, outs + backs):
        # Sums of weights that are equal on paper may differ in the last bits.
        keep &= key >= key[keep].max() * (1.0 - 1e-12)
    found = {
        ThroughBands(out, back, distance if out and back else 0)
        for distance, out, back in zip(
            distances[keep].tolist(), outs[keep].tolist(), backs[keep].tolist(), strict=True
        )
    }
    return tuple(sorted(found, key=lambda bands: (bands.distance_s, bands.out_s)))


def arrivals_s(problem: CorridorProblem) -> tuple[list[int], list[int]]:
    """Times of two vehicles at each signal, after they pass the first: out, and back (<= 0)."""
    out, back = [0], [0]
    for i in range(problem.link_count):
        out.append(out[i] + problem.out.travel_s[i])
        back.append(back[i] - (problem.back.travel_s[i] if problem.back else 0))
    return out, back


def _widest(direction: CorridorDirection) -> int:
    return min(max((w.length_s for w in signal), default=0) for signal in direction.windows)


def _widest_back(problem: CorridorProblem, out: CorridorDirection, back: CorridorDirection) -> Ints:
    """Width of the back band by [distance of the bands, width of the out band]; or CANNOT."""
    cycle = problem.cycle_s
    out_arrivals, back_arrivals = arrivals_s(problem)
    narrowest = np.full((cycle, cycle + 1), cycle, dtype=np.int64)
    for i in range(problem.signal_count):
        fits = np.full_like(narrowest, _CANNOT)
        # Without an out band the back band may use the whole of any window, and the reverse.
        fits[:, 0] = max((w.length_s for w in back.windows[i]), default=0)
        fits[:, 1 : max((w.length_s for w in out.windows[i]), default=0) + 1] = 0
        for w in out.windows[i]:
            for v in back.windows[i]:
                lead_s = back_arrivals[i] - out_arrivals[i] + w.start_s - v.start_s
                np.maximum(fits, _pair(cycle, w, v, lead_s), out=fits)
        np.minimum(narrowest, fits, out=narrowest)
    return narrowest


def _pair(cycle: int, out: Window, back: Window, lead_s: int) -> Ints:
    """The widest back band that fits its window when the out band fits its own.

    The out front comes x after its window's start, the back front y after its own, and
    y - x = distance + lead modulo the cycle, with 0 <= x <= out length - out width, and so on.
    """
    ahead = ((np.arange(cycle) + lead_s) % cycle)[:, None]
    width = np.arange(cycle + 1)[None, :]
    # Either y comes late by `ahead`, or x comes late by the rest of the cycle.
    x_late = (width <= out.length_s - cycle + ahead) | (out.length_s == cycle)
    y_late = np.int64(cycle) if back.length_s == cycle else back.length_s - ahead
    fits = np.where(x_late, back.length_s, np.maximum(y_late, 0))
    return np.where(width <= out.length_s, fits, _CANNOT)
