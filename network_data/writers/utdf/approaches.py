"""Approaches of a junction as UTDF's directions, movements and lane groups."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile

from network_data.importers.utdf.lanes import exit_lanes
from network_data.importers.utdf.tables import DIRECTIONS
from traffic_brain.model.network import Connection, Link, Turn

_HEADINGS = {"NB": 90, "SB": 270, "EB": 0, "WB": 180, "NE": 45, "NW": 135, "SE": 315, "SW": 225}
"""Degrees against the sun from east, of the traffic that a direction names."""
_DIAGONAL_DEGREES = 50.0
"""A diagonal direction is taken where it is nearer than the next one by more than this: so Synchro
names 232 of the 243 signals of the Tempe file."""
_ORDER_DEGREES = 60.0
"""Directions that keep the signal groups in order may be this much further off in sum."""
TURN_ORDER = ("U", "L2", "L", "T", "R", "R2")
_NAMES: Mapping[Turn, tuple[tuple[str, ...], ...]] = {
    Turn.UTURN: (("U",),),
    Turn.LEFT: (("L",), ("L2", "L")),
    Turn.THROUGH: (("T",),),
    Turn.RIGHT: (("R",), ("R", "R2")),
}
"""Columns of one, two … movements of the same turn, from left to right."""


def heading_degrees(link: Link, *, at_end: bool) -> float:
    """Heading of a link's first or last stretch, in degrees against the sun from east."""
    points = list(dict.fromkeys(link.shape))
    if len(points) < 2:
        return 0.0
    (x0, y0), (x1, y1) = points[-2:] if at_end else points[:2]
    return math.degrees(math.atan2(y1 - y0, x1 - x0)) % 360


def _apart(a: float, b: float) -> float:
    """Angle between two headings, 0 to 180 degrees."""
    return abs((a - b + 180) % 360 - 180)


def directions_of(
    links: Sequence[Link], ranks: Mapping[str, int], phantoms: Mapping[str, float]
) -> dict[str, str]:
    """A direction for each link into a node, by link id; at most eight get one.

    ``ranks``: position of the link's first signal group; directions keep that order where they
    can. ``phantoms``: further legs that need a direction, with their heading.
    """
    headings = {**{k.link_id: heading_degrees(k, at_end=True) for k in links}, **phantoms}
    ids = sorted(headings, key=lambda i: (i in phantoms, ranks.get(i, 1 << 30), i))
    ids = ids[: len(DIRECTIONS)]
    nearest = _nearest([headings[i] for i in ids])
    ranked = [headings[i] for i in ids if i in ranks]
    ordered = _in_order(ranked)
    if _sum(ordered, ranked) <= _sum(nearest, ranked) + _ORDER_DEGREES:
        rest = [headings[i] for i in ids[len(ranked) :]]
        nearest = [*ordered, *_nearest(rest, ordered)]
    return dict(zip(ids, nearest, strict=True))


def _off(name: str, heading: float) -> float:
    """How badly a direction names a heading, in degrees."""
    diagonal = name in ("NE", "NW", "SE", "SW")
    return _apart(_HEADINGS[name], heading) + diagonal * _DIAGONAL_DEGREES


def _sum(names: Sequence[str], headings: Sequence[float]) -> float:
    return sum(_off(name, heading) for name, heading in zip(names, headings, strict=False))


def _in_order(headings: Sequence[float]) -> tuple[str, ...]:
    """The rising choice of directions with the least deviations in sum."""
    return min(combinations(DIRECTIONS, len(headings)), key=lambda names: _sum(names, headings))


def _nearest(headings: Sequence[float], taken: Sequence[str] = ()) -> list[str]:
    """The choice of directions with the least deviations in sum: by sets of those in use."""
    best: dict[frozenset[str], tuple[float, list[str]]] = {frozenset(taken): (0.0, [])}
    for heading in headings:
        found: dict[frozenset[str], tuple[float, list[str]]] = {}
        for used, (so_far, names) in best.items():
            for name in DIRECTIONS:
                if name not in used:
                    total = so_far + _off(name, heading)
                    key = used | {name}
                    if key not in found or total < found[key][0]:
                        found[key] = (total, [*names, name])
        best = found
    return min(best.values())[1]


# --- movements ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Group:
    """One movement of an approach as a lane group of UTDF."""

    turn_name: str
    from_link: str
    to_link: str
    connections: tuple[Connection, ...]
    own_lanes: tuple[int, ...]
    shared: int
    bays: tuple[int, ...]
    """Outer own lanes into which nothing leads: they begin in a turn bay."""

    @property
    def lanes(self) -> tuple[int, ...]:
        return tuple(sorted({c.from_lane_idx for c in self.connections}))


def groups_of_approach(
    link: Link,
    connections: Iterable[Connection],
    links: Mapping[str, Link],
    entered: frozenset[int],
) -> list[Group]:
    """The lane groups of a link, from left to right; movements beyond UTDF's six are left out.

    ``entered``: lanes of the link that some connection leads into.
    """
    streams: dict[str, list[Connection]] = {}
    for c in connections:
        streams.setdefault(c.to_link, []).append(c)
    named = _named(link, streams, links)
    serving: dict[int, list[str]] = {}
    for name, to_link in named.items():
        for c in streams[to_link]:
            serving.setdefault(c.from_lane_idx, []).append(name)
    owners = {lane: _owner(names) for lane, names in serving.items()}
    found = []
    for name, to_link in named.items():
        own = tuple(sorted(lane for lane, owner in owners.items() if owner == name))
        found.append(
            Group(
                turn_name=name,
                from_link=link.link_id,
                to_link=to_link,
                connections=tuple(streams[to_link]),
                own_lanes=own,
                shared=_shared(name, own, serving),
                bays=_bays(own, entered, left=name in ("U", "L2", "L")),
            )
        )
    return found


def _named(
    link: Link, streams: Mapping[str, Sequence[Connection]], links: Mapping[str, Link]
) -> dict[str, str]:
    """Movement name -> exit, from left to right."""
    ahead = heading_degrees(link, at_end=True)

    def leftness(to_link: str) -> float:
        return (heading_degrees(links[to_link], at_end=False) - ahead + 180) % 360 - 180

    found: dict[str, str] = {}
    spare: list[str] = []
    for turn, names in _NAMES.items():
        exits = [e for e in streams if streams[e][0].turn is turn]
        exits.sort(key=lambda e: (abs(leftness(e)) if turn is Turn.THROUGH else 0.0, e))
        chosen, rest = exits[: len(names)], exits[len(names) :]
        chosen.sort(key=lambda e: (-leftness(e), e))
        found |= dict(zip(names[len(chosen) - 1], chosen, strict=True)) if chosen else {}
        spare += rest
    for to_link in spare:
        sides = ("L", "L2", "R", "R2") if leftness(to_link) > 0 else ("R", "R2", "L", "L2")
        free = [name for name in sides if name not in found]
        if free:
            found[free[0]] = to_link
    return {name: found[name] for name in TURN_ORDER if name in found}


def _owner(names: Sequence[str]) -> str:
    """Whose lane it is: the through movement's, else a left turn's, else the first one's."""
    return next((name for name in ("T", "L", "L2", "R") if name in names), names[0])


def _shared(name: str, own: Sequence[int], serving: Mapping[int, Sequence[str]]) -> int:
    """UTDF's Shared: 1 with the left, 2 with the right, 3 with both; lane 0 is the rightmost."""
    if not own:
        return 0
    rank = TURN_ORDER.index(name)
    left = any(TURN_ORDER.index(other) < rank for other in serving[own[-1]])
    right = any(TURN_ORDER.index(other) > rank for other in serving[own[0]])
    return left + 2 * right


def _bays(own: Sequence[int], entered: frozenset[int], *, left: bool) -> tuple[int, ...]:
    if not entered:
        return ()
    return tuple(takewhile(lambda lane: lane not in entered, own[::-1] if left else own))


def aligned_right(group: Group, targets: Sequence[int]) -> bool:
    """Whether a movement's lanes are paired with the exit's ``targets`` from the kerb side on."""
    pairs = sorted((c.from_lane_idx, c.to_lane_idx) for c in group.connections)
    turn = group.connections[0].turn
    ways = (exit_lanes(group.lanes, turn, targets, align_right=right) for right in (False, True))
    return [way == pairs for way in ways] == [False, True]
