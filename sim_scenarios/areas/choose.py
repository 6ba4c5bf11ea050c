"""Which junctions are checked together: areas of a city, those first where most can be saved.

Junctions whose plans may change are joined, the strongest traffic between them first, until an
area is full. Junctions of one corridor stay together, so that neither its band nor its roll-out is
torn apart; only one that is longer than an area is parted, where fewest vehicles drive on.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from sim_scenarios.areas.cut import Whole
from traffic_brain.diagnosis.approaches import approaches
from traffic_brain.diagnosis.corridors import find_corridors, journeys
from traffic_brain.model.documents import bottleneck_from_dict, corridor_from_dict
from traffic_brain.model.findings import Bottleneck, Corridor
from traffic_brain.model.reading import read_json

SAVABLE_RATIO = 0.1
"""Of a junction's delay, at the least: it orders areas of which the diagnosis knows no queue. Our
own figure."""


@dataclass(frozen=True)
class CheckedArea:
    """Junctions that are checked together.

    delay_veh_h: lost on all approaches of the junctions over the window, by the feeds.
    savable_veh_h: how much of it a retiming may give back.
    """

    area_id: str
    junction_ids: tuple[str, ...]
    delay_veh_h: float
    savable_veh_h: float


@dataclass(frozen=True)
class Found:
    """What the diagnosis knows that decides where to look first, and what belongs together."""

    corridors: Sequence[Corridor]
    bottlenecks: Sequence[Bottleneck] = ()


def read_found(whole: Whole, diagnosis: Path | None) -> Found:
    """Of a diagnosis folder; without one the corridors are found again, and no queue is known.

    Raises:
        DataRefused: the folder cannot be read.
    """
    if diagnosis is None:
        state = whole.days[0].state
        usable = {j for j, plan in state.running_plans.items() if len(plan.stages) > 1}
        return Found(find_corridors(whole.network, state, usable))
    return Found(
        [corridor_from_dict(row) for row in read_json(diagnosis / "corridors.json")],
        [bottleneck_from_dict(row) for row in read_json(diagnosis / "bottlenecks.json")],
    )


def choose_areas(
    whole: Whole, changing: Collection[str], told: Found, most: int
) -> list[CheckedArea]:
    """Areas of at most ``most`` junctions, the most savable first.

    Every junction of ``changing`` is in one of them.
    """
    between = _between(whole, changing)
    groups = [[j] for j in sorted(changing)]
    for corridor in told.corridors:
        inside = [j for j in corridor.junction_ids if j in changing]
        for part in _parts(inside, between, most):
            members = set(part)
            groups = [group for group in groups if members.isdisjoint(group)] + [part]
    groups = grown(groups, between, most)
    lost = delays_veh_h(whole)
    savable = savable_veh_h(lost, told.bottlenecks)
    found = [
        (sum(savable[j] for j in group), sum(lost[j] for j in group), tuple(sorted(group)))
        for group in groups
    ]
    found.sort(key=lambda one: (-one[0], -one[1], one[2]))
    return [
        CheckedArea(f"A{i:03d}", junctions, round(delay, 3), round(saved, 3))
        for i, (saved, delay, junctions) in enumerate(found, start=1)
    ]


Between = Mapping[tuple[str, str], int]
"""Vehicles that drive from one junction to the next, in both directions; pairs in order."""


def _between(whole: Whole, junctions: Collection[str]) -> Between:
    found: dict[tuple[str, str], int] = defaultdict(int)
    for (a, b), vehicles in journeys(whole.network, whole.days[0].state).vehicles.items():
        if a in junctions and b in junctions:
            found[min(a, b), max(a, b)] += vehicles
    return found


def _parts(chain: list[str], between: Between, most: int) -> list[list[str]]:
    """A corridor, or pieces of one too long for an area, parted where fewest drive on.

    Near its ends it is not parted: the cut is sought in the middle half.
    """
    if len(chain) <= most:
        return [chain] if chain else []
    cuts = range(len(chain) // 4 + 1, len(chain) - len(chain) // 4)

    def vehicles(cut: int) -> int:
        a, b = chain[cut - 1], chain[cut]
        return between.get((min(a, b), max(a, b)), 0)

    cut = min(cuts, key=lambda k: (vehicles(k), abs(2 * k - len(chain))))
    return [part for half in (chain[:cut], chain[cut:]) for part in _parts(half, between, most)]


def grown(groups: Sequence[list[str]], between: Between, most: int) -> list[list[str]]:
    """Groups joined two by two while they have room, those first with the most traffic between.

    Traffic counts for less the larger the groups are (over the root of their sizes' product): so
    they grow evenly and stay compact, and little lies around them.
    """
    members = {i: list(group) for i, group in enumerate(groups)}
    group_of = {j: i for i, group in members.items() for j in group}
    traffic: dict[int, dict[int, int]] = {i: defaultdict(int) for i in members}
    for (here, there), vehicles in sorted(between.items()):
        a, b = group_of[here], group_of[there]
        if a != b:
            traffic[a][b] += vehicles
            traffic[b][a] += vehicles

    def entry(a: int, b: int) -> tuple[float, int, int]:
        a, b = min(a, b), max(a, b)
        return -traffic[a][b] / sqrt(len(members[a]) * len(members[b])), a, b

    queue = sorted({entry(a, b) for a, others in traffic.items() for b in others})
    while queue:
        score, a, b = heapq.heappop(queue)
        if a not in members or b not in members or score != entry(a, b)[0]:
            continue  # one of them has grown since
        if len(members[a]) + len(members[b]) > most:
            continue
        members[a] += members.pop(b)
        for other, vehicles in traffic.pop(b).items():
            del traffic[other][b]
            if other != a:
                traffic[a][other] += vehicles
                traffic[other][a] += vehicles
        for other in traffic[a]:
            heapq.heappush(queue, entry(a, other))
    return list(members.values())


def delays_veh_h(whole: Whole) -> dict[str, float]:
    """By junction: vehicle-hours lost on the approaches to it, of tonight's day."""
    network = whole.network
    streets = approaches(network, whole.days[0].state)
    lost = dict.fromkeys(network.junctions, 0.0)
    for links, hours in zip(streets.links, streets.lost_veh_h.sum(axis=1).tolist(), strict=True):
        junction_id = network.links[links[0]].junction_id
        if junction_id is not None:
            lost[junction_id] += hours
    return lost


def savable_veh_h(
    lost_veh_h: Mapping[str, float], bottlenecks: Iterable[Bottleneck]
) -> dict[str, float]:
    """By junction: what the diagnosis says of its queues, and never less than the usual share."""
    told = dict.fromkeys(lost_veh_h, 0.0)
    for bottleneck in bottlenecks:
        if bottleneck.junction_id in told:
            told[bottleneck.junction_id] += bottleneck.savable_veh_h
    return {j: max(told[j], SAVABLE_RATIO * lost) for j, lost in lost_veh_h.items()}
