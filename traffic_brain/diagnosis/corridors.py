"""Corridors found from where vehicles go.

Every pair of signals that trips pass one after the other, with no signal between them, is a
candidate; it is worth its vehicles times how well a platoon survives the way (exp(−time/60 s)).
Pairs are joined greedily, the strongest first, so that every junction is in one corridor at most,
and only where the vehicles that come over one pair really go on over the other.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from dataclasses import dataclass

from traffic_brain.fusion.state import State
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork

MAX_TRAVEL_S = 90.0
PLATOON_DECAY_S = 60.0
MIN_FLOW_VPH = 80.0
THROUGH_SHARE = 0.3
"""Share of the weaker pair's vehicles that must drive through a junction inside a corridor."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Journeys:
    """Vehicles of the window from signal to signal, and the way most of them took."""

    vehicles: Counter[Pair]
    paths: dict[Pair, tuple[str, ...]]
    through: Counter[tuple[str, str, str]]


def journeys(network: RoadNetwork, state: State) -> Journeys:
    """Follow every trip from signal to signal; those that drove the same links together."""
    vehicles: Counter[Pair] = Counter()
    through: Counter[tuple[str, str, str]] = Counter()
    ways: dict[Pair, Counter[tuple[str, ...]]] = defaultdict(Counter)
    junction_of = {k: link.junction_id for k, link in network.links.items()}
    for links, count in Counter(links for _, links in state.trips).items():
        visited: list[str] = []
        begin = 0
        for end, link_id in enumerate(links, start=1):
            junction = junction_of[link_id]
            if junction is None:
                continue
            if visited and visited[-1] != junction:
                pair = (visited[-1], junction)
                vehicles[pair] += count
                ways[pair][links[begin:end]] += count
                if len(visited) > 1:
                    through[visited[-2], visited[-1], junction] += count
            if visited[-1:] != [junction]:  # a junction of several vertices is passed once
                visited.append(junction)
            begin = end
    paths = {pair: max(w, key=lambda path: (w[path], path)) for pair, w in ways.items()}
    return Journeys(vehicles, paths, through)


def travel_s(network: RoadNetwork, path: tuple[str, ...]) -> float:
    """Free-flow travel time of a path."""
    return sum(network.links[k].length_m / network.links[k].free_flow_speed_mps for k in path)


def find_corridors(network: RoadNetwork, state: State, usable: set[str]) -> list[Corridor]:
    """Corridors of at least two junctions out of ``usable``, the busiest first."""
    found = journeys(network, state)
    chains = _join(_worth(network, state, found, usable), found)
    corridors = [
        _corridor(chain, network, found, state.window.hours) for chain in chains if len(chain) > 1
    ]
    corridors.sort(
        key=lambda c: (-(c.out_flow_vph + c.back_flow_vph) * len(c.junction_ids), c.name)
    )
    return [
        Corridor(f"C{i:02d}", *(getattr(c, f) for f in Corridor.__slots__ if f != "corridor_id"))
        for i, c in enumerate(corridors, start=1)
    ]


def _worth(
    network: RoadNetwork, state: State, found: Journeys, usable: set[str]
) -> dict[Pair, float]:
    """Unordered pair -> vehicles per hour, both ways, that a green wave could serve."""
    worth: dict[Pair, float] = defaultdict(float)
    for (a, b), vehicles in found.vehicles.items():
        if a not in usable or b not in usable:
            continue
        flow = vehicles / state.window.hours
        time = travel_s(network, found.paths[a, b])
        if flow >= MIN_FLOW_VPH and time <= MAX_TRAVEL_S:
            worth[min(a, b), max(a, b)] += flow * math.exp(-time / PLATOON_DECAY_S)
    return worth


def _join(worth: dict[Pair, float], found: Journeys) -> list[list[str]]:
    """Chains of junctions; each junction in one chain."""
    chain_of: dict[str, list[str]] = {}
    for (a, b), _ in sorted(worth.items(), key=lambda item: (-item[1], item[0])):
        left, right = chain_of.get(a, [a]), chain_of.get(b, [b])
        if left is right:
            continue
        joined = _joined(left, a, right, b)
        if joined is None or not _flows_through(joined, len(left), found):
            continue
        for junction in joined:
            chain_of[junction] = joined
    unique = {id(chain): chain for chain in chain_of.values()}
    return sorted(unique.values())


def _joined(left: list[str], a: str, right: list[str], b: str) -> list[str] | None:
    """The two chains end to end with ``a`` beside ``b``; None when one is not at an end."""
    if a not in (left[0], left[-1]) or b not in (right[0], right[-1]):
        return None
    return (left if left[-1] == a else left[::-1]) + (right if right[0] == b else right[::-1])


def _flows_through(joined: list[str], cut: int, found: Journeys) -> bool:
    """Whether vehicles really pass the junctions at which the chains meet, beside ``cut``."""
    for i in (cut - 1, cut):
        if not 0 < i < len(joined) - 1:
            continue
        a, b, c = joined[i - 1 : i + 2]
        passing = found.through[a, b, c] + found.through[c, b, a]
        weaker = min(
            found.vehicles[a, b] + found.vehicles[b, a], found.vehicles[b, c] + found.vehicles[c, b]
        )
        if passing < THROUGH_SHARE * weaker:
            return False
    return True


def _corridor(chain: list[str], network: RoadNetwork, found: Journeys, hours: float) -> Corridor:
    pairs = list(itertools.pairwise(chain))
    out = [found.vehicles[a, b] / hours for a, b in pairs]
    back = [found.vehicles[b, a] / hours for a, b in pairs]
    if sum(back) > sum(out):
        return _corridor(chain[::-1], network, found, hours)
    return Corridor(
        corridor_id="",
        name=_name(chain, found, network),
        junction_ids=tuple(chain),
        out_paths=tuple(found.paths.get((a, b), ()) for a, b in pairs),
        back_paths=tuple(found.paths.get((b, a), ()) for a, b in pairs),
        out_flow_vph=round(sum(out) / len(out), 1),
        back_flow_vph=round(sum(back) / len(back), 1),
    )


def _name(chain: list[str], found: Journeys, network: RoadNetwork) -> str:
    """The street name most links of the corridor carry, else its end junctions."""
    names = Counter(
        network.links[k].name
        for a, b in itertools.pairwise(chain)
        for k in found.paths.get((a, b), ())
        if network.links[k].name != k
    )
    if names:
        return max(names, key=lambda n: (names[n], n))
    return f"{chain[0]} – {chain[-1]}"
