"""Geometry of the time–space diagram: where a corridor's greens and bands lie.

For drawing only: offsets, greens and travel times are taken as saved. Positions along a corridor
count junctions; *out* runs from the first to the last, *back* the other way. Times are seconds
after the master clock's zero, modulo the cycle.

A band is the set of departures that meet no red, moved along at the saved travel times: the
intersection, on the circle of one cycle, of the greens shifted back by the travel time to each
junction (Little 1966, "The synchronization of traffic signals by mixed-integer linear
programming").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import NO_SIGNAL, Movement, RoadNetwork
from traffic_brain.model.signals import SignalPlan

Spans = tuple[tuple[float, float], ...]
"""Ordered, disjoint (start, end) with 0 <= start < end <= cycle; a wrap is cut at the cycle."""

MIN_BAND_S = 2.0
"""Narrower bands let no vehicle through and are not drawn."""
_EPSILON = 1e-9


class Direction(StrEnum):
    """Along the corridor as it is listed, or against it."""

    OUT = "out"
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Strip:
    """The lamp of one direction at one junction of the corridor.

    ``greens`` is None where no fixed plan or no such movement is known.
    """

    position: int
    cycle_s: int
    greens: Spans | None


@dataclass(frozen=True, slots=True)
class Band:
    """Departures from the stop line at ``positions[0]`` that meet no red up to ``positions[-1]``.

    ``arrivals_s[k]`` is when the band's first vehicle passes ``positions[k]``.
    """

    positions: tuple[int, ...]
    arrivals_s: tuple[float, ...]
    width_s: float


@dataclass(frozen=True, slots=True)
class Bands:
    """All bands of one direction; ``through_s`` is the width of the one through all junctions."""

    cycle_s: int
    bands: tuple[Band, ...]
    through_s: float


def distances_m(network: RoadNetwork, corridor: Corridor) -> tuple[float, ...]:
    """Distance of each junction from the first, along the way out (else the way back)."""
    sections = (
        sum(network.links[link_id].length_m for link_id in (out or back))
        for out, back in zip(corridor.out_paths, corridor.back_paths, strict=True)
    )
    return tuple(accumulate(sections, initial=0.0))


def free_flow_travel_s(
    network: RoadNetwork, paths: Sequence[Sequence[str]]
) -> tuple[float, ...] | None:
    """Travel time of each section at free flow; None when a section has no path."""
    if not all(paths):
        return None
    return tuple(
        sum(network.links[i].length_m / network.links[i].free_flow_speed_mps for i in path)
        for path in paths
    )


def serving_movement(
    network: RoadNetwork,
    corridor: Corridor,
    position: int,
    direction: Direction,
    demand_vph: Mapping[str, float],
) -> Movement | None:
    """The movement that carries the corridor through a junction in one direction.

    At an end of the corridor one side is open: the busiest movement that fits is taken there.
    """
    if direction is Direction.OUT:
        before = corridor.out_paths[position - 1] if position else ()
        after = corridor.out_paths[position] if position < len(corridor.out_paths) else ()
    else:
        before = corridor.back_paths[position] if position < len(corridor.back_paths) else ()
        after = corridor.back_paths[position - 1] if position else ()
    from_link = before[-1] if before else None
    to_link = after[0] if after else None
    if from_link is None and to_link is None:
        return None
    found = [
        m
        for m in network.movements_at.get(corridor.junction_ids[position], ())
        if from_link in (None, m.from_link) and to_link in (None, m.to_link)
    ]
    return max(
        found, key=lambda m: (demand_vph.get(m.movement_id, 0.0), m.movement_id), default=None
    )


def green_spans(plan: SignalPlan, movement: Movement) -> Spans:
    """Greens of a movement on the master clock; its groups show the same, so the first tells."""
    group = next((g for g in movement.signal_group_idxs if g != NO_SIGNAL), None)
    if group is None:
        return ((0.0, float(plan.cycle_s)),)
    return _on_circle(
        [
            (plan.offset_s + start, plan.offset_s + start + length)
            for start, length in plan.green_starts(group)
        ],
        plan.cycle_s,
    )


def strips(
    network: RoadNetwork,
    corridor: Corridor,
    plans: Mapping[str, SignalPlan],
    direction: Direction,
    demand_vph: Mapping[str, float],
) -> tuple[Strip, ...]:
    """The lamps of one direction, in the order of ``corridor.junction_ids``."""
    found = []
    for position, junction_id in enumerate(corridor.junction_ids):
        plan = plans.get(junction_id)
        movement = serving_movement(network, corridor, position, direction, demand_vph)
        if plan is None or movement is None:
            found.append(Strip(position, plan.cycle_s if plan else 0, None))
        else:
            found.append(Strip(position, plan.cycle_s, green_spans(plan, movement)))
    return tuple(found)


def red_spans(strip: Strip) -> Spans:
    """The complement of a strip's greens within one cycle."""
    edges = [0.0, *(edge for span in strip.greens or () for edge in span), float(strip.cycle_s)]
    return tuple(
        (start, end)
        for start, end in zip(edges[::2], edges[1::2], strict=True)
        if end - start > _EPSILON
    )


def find_bands(strips_on_way: Sequence[Strip], travel_s: Sequence[float]) -> Bands:
    """Bands along a way: the one through all junctions, or the pieces it breaks into.

    Args:
        strips_on_way: lamps in driving order, n of them.
        travel_s: travel time from each lamp to the next, n - 1 of them.

    Each piece reaches as far as it stays at least ``MIN_BAND_S`` wide; the next one starts where
    it ended. A lamp whose cycle does not divide the longest one ends every band.
    """
    cycle = max((strip.cycle_s for strip in strips_on_way), default=0)
    reach = list(accumulate(travel_s, initial=0.0))
    windows = [
        _shifted(strip, -arrival, cycle)
        for strip, arrival in zip(strips_on_way, reach, strict=True)
    ]
    found: list[Band] = []
    first = 0
    while first < len(windows) - 1:
        last, start, width = _farthest(windows, first, cycle)
        if last > first:
            shift = reach[first]
            found.append(
                Band(
                    positions=tuple(s.position for s in strips_on_way[first : last + 1]),
                    arrivals_s=tuple(
                        (start + shift) % cycle + reach[k] - shift for k in range(first, last + 1)
                    ),
                    width_s=width,
                )
            )
        first = max(last, first + 1)
    whole = len(found) == 1 and len(found[0].positions) == len(strips_on_way)
    return Bands(cycle, tuple(found), found[0].width_s if whole else 0.0)


def _farthest(windows: Sequence[Spans], first: int, cycle: int) -> tuple[int, float, float]:
    """(last junction reached, start, width) of the longest band from ``first``."""
    common = windows[first]
    last, (start, width) = first, (0.0, 0.0)
    for k in range(first + 1, len(windows)):
        common = _intersection(common, windows[k])
        found = _widest(common, cycle)
        if found[1] < MIN_BAND_S - _EPSILON:
            break
        last, (start, width) = k, found
    return last, start, width


def _shifted(strip: Strip, shift_s: float, cycle: int) -> Spans:
    """A strip's greens, repeated up to the common cycle and moved by ``shift_s``."""
    if not strip.greens or not strip.cycle_s or cycle % strip.cycle_s:
        return ()
    repeats = range(cycle // strip.cycle_s)
    return _on_circle(
        [
            (a + k * strip.cycle_s + shift_s, b + k * strip.cycle_s + shift_s)
            for k in repeats
            for a, b in strip.greens
        ],
        cycle,
    )


def _on_circle(spans: Sequence[tuple[float, float]], cycle: int) -> Spans:
    """Spans anywhere on the time axis -> ordered spans within one cycle, touching ones joined."""
    cut: list[tuple[float, float]] = []
    for start, end in spans:
        if end - start >= cycle - _EPSILON:
            return ((0.0, float(cycle)),)
        begin = start % cycle
        stop = begin + (end - start)
        cut.append((begin, min(stop, cycle)))
        if stop > cycle + _EPSILON:
            cut.append((0.0, stop - cycle))
    joined: list[tuple[float, float]] = []
    for begin, stop in sorted(cut):
        if joined and begin <= joined[-1][1] + _EPSILON:
            joined[-1] = (joined[-1][0], max(joined[-1][1], stop))
        else:
            joined.append((float(begin), float(stop)))
    return tuple(joined)


def _intersection(first: Spans, second: Spans) -> Spans:
    both = ((max(a, c), min(b, d)) for a, b in first for c, d in second if min(b, d) > max(a, c))
    return tuple(sorted(both))


def _widest(spans: Spans, cycle: int) -> tuple[float, float]:
    """(start, width) of the widest span, one cut at the cycle's end made whole again."""
    if not spans:
        return 0.0, 0.0
    whole = [(a, b - a) for a, b in spans]
    wraps = len(spans) > 1 and spans[0][0] <= _EPSILON and spans[-1][1] >= cycle - _EPSILON
    if wraps:
        whole[-1] = (spans[-1][0], whole[-1][1] + whole[0][1])
    return max(whole, key=lambda found: found[1])
