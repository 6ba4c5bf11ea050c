"""Which ways and crossings of a junction are green together, and what clears them.

Opposite approaches go together; left turns that have lanes of their own follow in a stage of
their own, others give way; legs without an opposite go alone. People on foot cross with the
greatest stream that runs beside them, and turning cars give way to them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

from network_data.generated_city.junctions import Crossroads, Way
from network_data.generated_city.scale import ARTERIAL, CLASSES
from traffic_brain.model.network import Junction, RoadNetwork, Turn
from traffic_brain.model.signals import Interval
from traffic_brain.model.standards import DEFAULT_STANDARD, pedestrian_green_s, yellow_s

VEHICLES_MIN_S, LEFT_MIN_S = 10, 8
USUAL_INTERGREEN_S = 5
"""Where geometry asks for nothing."""
ALL_RED_S = 1
PROTECTED_FROM_VPH = 60.0
"""A left turn with a lane of its own and so much flow, and all those from great streets, get a
stage."""


@dataclass(frozen=True)
class Site:
    """A junction with what its stages depend on."""

    crossroads: Crossroads
    junction: Junction
    intergreen_s: Mapping[tuple[int, int], int]
    crossing_m: Mapping[int, float]
    speed_mps: Mapping[int, float]
    """Of each leg's approach."""
    flow_vph: Mapping[int, float]
    """Of each way, by signal group, in the busiest hour."""

    @cached_property
    def way_of(self) -> Mapping[int, Way]:
        """Ways by signal group."""
        return {way.group: way for way in self.crossroads.ways}

    def conflict(self, a: int, b: int) -> bool:
        """Whether the paths of two groups meet."""
        return (min(a, b), max(a, b)) in self.junction.conflicts

    def yields(self, a: int, b: int) -> bool:
        """Whether a gives way to b."""
        return (a, b) in self.junction.yields


@dataclass(frozen=True)
class StagePlan:
    """A stage without its times."""

    groups: frozenset[int]
    picture: str
    clearance: tuple[Interval, ...]
    min_green_s: int
    unit: tuple[int, ...]
    """Legs whose approaches are green; none: people on foot only."""


def sites(
    network: RoadNetwork,
    crossroads: Sequence[Crossroads],
    flow_vph: Mapping[tuple[str, str], float],
) -> Iterator[Site]:
    """All junctions of a city that SUMO has drawn."""
    for c in crossroads:
        crossings = network.crossings_at[c.junction_id]
        ends = {way.group: (c.legs[way.origin].approach, c.legs[way.target].exit) for way in c.ways}
        yield Site(
            crossroads=c,
            junction=network.junctions[c.junction_id],
            intergreen_s=network.intergreens_s.get(c.junction_id, {}),
            crossing_m={x.signal_group_idx: x.length_m for x in crossings},
            speed_mps={
                i: network.links[leg.approach].free_flow_speed_mps
                for i, leg in enumerate(c.legs)
                if leg.approach is not None
            },
            flow_vph={
                group: flow_vph.get((a, b), 0.0) if a and b else 0.0
                for group, (a, b) in ends.items()
            },
        )


def design(site: Site) -> tuple[StagePlan, ...]:
    """The stages of a junction in order, with pictures and clearances."""
    together_go = units(site)
    driven, walked = _filled(site, together_go)
    if len(driven) == 1 and not walked[1]:  # a signal that never changes is none
        driven, walked = _filled(site, [(leg,) for unit in together_go for leg in unit])
    together = [stage.groups | frozenset(walked[k]) for k, stage in enumerate(driven)]
    of_units = [stage.unit for stage in driven]
    if walked[len(driven)]:
        together.append(frozenset(walked[len(driven)]))
        of_units.append(())
    pictures = [_picture(site, groups) for groups in together]
    least_s = [_min_green_s(site, groups) for groups in together]
    return tuple(
        StagePlan(
            groups=groups,
            picture=pictures[k],
            clearance=tuple(
                _clearance(site, groups, together[(k + 1) % len(together)], pictures[k], least_s[k])
            ),
            min_green_s=least_s[k],
            unit=of_units[k],
        )
        for k, groups in enumerate(together)
    )


def units(site: Site) -> list[tuple[int, ...]]:
    """Legs whose approaches go together: opposite ones in pairs, others alone.

    Those of great streets come first.
    """
    legs = site.crossroads.legs
    onward = {way.origin: way.target for way in site.crossroads.ways if way.turn is Turn.THROUGH}
    found = []
    for i, leg in enumerate(legs):
        opposite = onward.get(i)
        paired = opposite is not None and onward.get(opposite) == i
        if leg.approach is not None and not (paired and opposite is not None and opposite < i):
            found.append((i, opposite) if paired and opposite is not None else (i,))
    return sorted(found, key=lambda unit: (min(legs[i].rank for i in unit), -len(unit), unit))


class _Driven(NamedTuple):
    unit: tuple[int, ...]
    groups: frozenset[int]
    turning: bool
    """Left turns that nobody crosses: no walking beside them."""


def _filled(
    site: Site, together: Sequence[tuple[int, ...]]
) -> tuple[list[_Driven], dict[int, list[int]]]:
    """Stages of cars, and the crossings walked in each; those walked alone come last."""
    driven = [
        _Driven(unit, frozenset(groups), turning)
        for unit in together
        for groups, turning in _stages_of_unit(site, unit)
    ]
    return driven, _walks(site, driven)


def _stages_of_unit(site: Site, unit: tuple[int, ...]) -> list[tuple[set[int], bool]]:
    """Groups of each stage of a unit, and whether it is one of left turns."""
    ways = [way for way in site.crossroads.ways if way.origin in unit]
    if len(unit) == 1:
        return [({way.group for way in ways}, False)]
    lefts = [way for way in ways if _is_protected(site, way)]
    main = [way for way in ways if way not in lefts]
    if not all(_may_go_together(site, a, b) for a, b in combinations(main, 2)):
        return [({way.group for way in ways if way.origin == leg}, False) for leg in unit]
    stages = [({way.group for way in main}, False)]
    if any(site.conflict(a.group, b.group) for a, b in combinations(lefts, 2)):
        parts = [[way] for way in lefts]
    else:
        parts = [lefts] if lefts else []
    return stages + [(_with_own_approach(site, part), True) for part in parts]


def _is_protected(site: Site, way: Way) -> bool:
    """Whether a left turn waits in a lane of its own, and gets a stage of its own."""
    lanes = {lane for lane, _ in way.lanes}
    others = (w for w in site.crossroads.ways if w.origin == way.origin and w is not way)
    if way.turn is not Turn.LEFT or any(lanes & {lane for lane, _ in w.lanes} for w in others):
        return False
    great = site.crossroads.legs[way.origin].rank <= CLASSES.index(ARTERIAL)
    return great or site.flow_vph[way.group] > PROTECTED_FROM_VPH


def _with_own_approach(site: Site, lefts: Sequence[Way]) -> set[int]:
    """Left turns, and what else comes from their approach if nobody turns against it."""
    groups = {way.group for way in lefts}
    origins = {way.origin for way in lefts}
    more = [w.group for w in site.crossroads.ways if w.origin in origins and w not in lefts]
    if len(origins) == 1 and not any(site.conflict(a, b) for a in more for b in groups):
        groups.update(more)
    return groups


_BENDING = (Turn.THROUGH, Turn.RIGHT, Turn.LEFT, Turn.UTURN)


def _may_go_together(site: Site, a: Way, b: Way) -> bool:
    """Whether paths are apart, or the one that turns gives way to the other."""
    if not site.conflict(a.group, b.group):
        return True
    less, more = sorted((a, b), key=lambda way: _BENDING.index(way.turn))
    if less.turn is Turn.THROUGH:
        return more.turn is not Turn.THROUGH and site.yields(more.group, less.group)
    return site.yields(more.group, less.group) or site.yields(less.group, more.group)


def _walks(site: Site, driven: Sequence[_Driven]) -> dict[int, list[int]]:
    """Crossings by the stage in which they are walked; those of none come after the last."""
    found: dict[int, list[int]] = {k: [] for k in range(len(driven) + 1)}
    for walk in sorted(site.crossing_m):
        fitting = [
            k
            for k, stage in enumerate(driven)
            if not stage.turning and all(_lets_walk(site, group, walk) for group in stage.groups)
        ]
        flows = {k: sum(site.flow_vph[group] for group in driven[k].groups) for k in fitting}
        found[max(fitting, key=lambda k: (flows[k], -k), default=len(driven))].append(walk)
    return found


def _lets_walk(site: Site, group: int, walk: int) -> bool:
    if not site.conflict(group, walk):
        return True
    return site.way_of[group].turn is not Turn.THROUGH and site.yields(group, walk)


def _picture(site: Site, groups: Collection[int]) -> str:
    letters = ["r"] * site.junction.signal_group_count
    for a in groups:
        waits = any(a != b and site.conflict(a, b) and site.yields(a, b) for b in groups)
        letters[a] = "g" if waits else "G"
    return "".join(letters)


def _min_green_s(site: Site, groups: Collection[int]) -> int:
    walks = [pedestrian_green_s(site.crossing_m[g]) for g in groups if g in site.crossing_m]
    straight = any(g in site.way_of and site.way_of[g].turn is Turn.THROUGH for g in groups)
    least_s = VEHICLES_MIN_S if straight else LEFT_MIN_S
    return max(least_s, *(math.ceil(seconds) for seconds in walks), LEFT_MIN_S)


def _clearance(
    site: Site, groups: frozenset[int], after: frozenset[int], picture: str, min_green_s: int
) -> Iterator[Interval]:
    """Yellow for the cars that must stop, then red for all, until geometry is content."""
    ending, starting = groups - after, after - groups
    yellow = max((_yellow_s(site, g) for g in ending if g in site.way_of), default=0)
    needed_s = [_needed_s(site, a, b, min_green_s) for a in ending for b in starting]
    total_s = max(needed_s, default=0)
    if ending and starting and total_s <= yellow:
        total_s = yellow + ALL_RED_S
    if yellow:
        yield Interval(yellow, _stopping(site, picture, ending, "y"))
    if total_s > yellow:
        yield Interval(total_s - yellow, _stopping(site, picture, ending, "r"))


def _needed_s(site: Site, a: int, b: int, min_green_s: int) -> int:
    """Seconds from the end of a's green to the start of b's; 0 where they do not meet.

    People on foot start in the first seconds of their green only: the rest is clearance.
    """
    if not site.conflict(a, b):
        return 0
    required_s = site.intergreen_s.get((a, b), USUAL_INTERGREEN_S)
    if a in site.crossing_m:
        return max(0, required_s - (min_green_s - math.ceil(DEFAULT_STANDARD.walk_s)))
    return required_s


def _yellow_s(site: Site, group: int) -> int:
    speed_mps = site.speed_mps[site.way_of[group].origin]
    seconds = math.ceil(yellow_s(speed_mps) - 0.1)
    return min(max(seconds, int(DEFAULT_STANDARD.yellow_min_s)), int(DEFAULT_STANDARD.yellow_max_s))


def _stopping(site: Site, picture: str, ending: Collection[int], lamp: str) -> str:
    return "".join(
        letter if group not in ending else (lamp if group in site.way_of else "r")
        for group, letter in enumerate(picture)
    )
