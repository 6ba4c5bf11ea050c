"""Where queues really stand: heads and passive links by a slow definition of its own.

From what the world itself counted, never from feeds: vehicles that stand still on each link, and
vehicles that passed its end, in every five minutes the mean of the 15 around them (the Highway
Capacity Manual's analysis period; two or three cycles alone stray by a third). The queue before a
stop line are those on the link and on the links that lead only into it, back to the next signal or
``REACH_M``; every other link has a queue of its own. By Little's law its vehicles stand
``queue × 300 s ÷ passed`` seconds each. A queue is a *jam* while they stand longer than
``STANDING_S`` each and at least ``LEAST_VEH`` of them, for ten minutes with at most one lighter bin
between. Where a jam fills its street and vehicles of the jam behind drive into it, the one behind
is passive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from traffic_brain.model.network import VEHICLE_SPACING_M, RoadNetwork

BIN_S = 300
STANDING_S = 38.0
LEAST_VEH = 3.5
LEAST_BINS = 2
REACH_M = 400.0
ONLY_WAY_ON = 0.9
FULL_RATIO = 0.5
"""Standing vehicles over places, at which a street is taken for full."""
MAIN_WAY_ON = 0.25


@dataclass(frozen=True)
class TrueHead:
    """One jam at one stop line: seconds of the day, and vehicle-hours stood."""

    link_id: str
    begin_s: int
    end_s: int
    stood_veh_h: float
    queue_links: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """All jams of a day, those in the queues of others apart."""

    heads: tuple[TrueHead, ...]
    passive: tuple[TrueHead, ...]


def true_heads(
    network: RoadNetwork,
    truth: Path,
    parked: Sequence[Mapping[str, Any]] = (),
    standing_s: float = STANDING_S,
) -> Truth:
    """Jams of a recorded day; ``parked``: planted obstacles, which stand but do not queue.

    ``standing_s``: from where a queue is a jam.
    """
    queue: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    passed: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    bins: set[int] = set()
    for row in pq.read_table(truth / "links.parquet").to_pylist():
        b = row["bin_start_s"]
        bins.add(b)
        queue[row["link_id"]][b] = row["mean_queue_veh"]
        passed[row["link_id"]][b] = row["flow_veh"]
    turns: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for row in pq.read_table(truth / "movements.parquet").to_pylist():
        turns[row["from_link"]][row["to_link"]] += row["flow_veh"]
    for place in parked:
        for b in bins:
            stands = min(b + BIN_S, place["end_s"]) - max(b, place["begin_s"])
            if stands > 0:
                here = queue[place["link_id"]]
                here[b] = max(0.0, here[b] - stands / BIN_S)
    lamps = [k for k in network.links if network.links[k].junction_id and k in passed]
    behind = {k: _queue_links(k, network, turns) for k in lamps}
    taken = {one for links in behind.values() for one in links}
    behind |= {k: (k,) for k in network.links if k in passed and k not in taken}
    ends = list(behind)
    jams = {}
    for k in ends:
        waiting = {b: sum(queue[one][b] for one in behind[k]) for b in bins}
        stood = _around(waiting), _around({b: passed[k][b] for b in bins})
        jams[k] = {
            b: q
            for b, q in stood[0].items()
            if q >= LEAST_VEH and q * BIN_S / max(stood[1][b], 1.0) >= standing_s
        }
    full = {
        (k, b)
        for k, jam in jams.items()
        for b, q in jam.items()
        if q >= FULL_RATIO * sum(_places(network, one) for one in behind[k])
    }
    first_of = {one: k for k in ends for one in behind[k]}
    heads: list[TrueHead] = []
    passive: list[TrueHead] = []
    for k, jam in jams.items():
        onward = {first_of.get(n, n) for n in _ways_on(k, turns)}
        held = {b for b in jam if any((n, b) in full for n in onward if n != k)}
        for run in _runs(sorted(jam)):
            stood = sum(queue[one][b] for b in run for one in behind[k]) * BIN_S / 3600
            one = TrueHead(k, run[0], run[-1] + BIN_S, stood, behind[k])
            inside = sum(b in held for b in run)
            (passive if 2 * inside > len(run) else heads).append(one)
    heads.sort(key=lambda h: (-h.stood_veh_h, h.link_id))
    return Truth(tuple(heads), tuple(passive))


def _around(values: Mapping[int, float]) -> dict[int, float]:
    """Of each bin the mean of it and its neighbours."""
    near = {b: [values[c] for c in (b - BIN_S, b, b + BIN_S) if c in values] for b in values}
    return {b: sum(found) / len(found) for b, found in near.items()}


def _ways_on(link_id: str, turns: Mapping[str, Mapping[str, float]]) -> list[str]:
    after = turns.get(link_id, {})
    return [n for n, flow in after.items() if flow >= MAIN_WAY_ON * sum(after.values())]


def _queue_links(
    link_id: str, network: RoadNetwork, turns: Mapping[str, Mapping[str, float]]
) -> tuple[str, ...]:
    """A stop line's link, and those before it whose vehicles nearly all drive into it."""
    found, frontier = [link_id], [(link_id, network.links[link_id].length_m)]
    while frontier:
        at, metres = frontier.pop()
        for before in network.predecessors[at]:
            after = turns.get(before, {})
            only = after.get(at, 0.0) >= ONLY_WAY_ON * max(sum(after.values()), 1e-9)
            if only and before not in found and not network.links[before].junction_id:
                found.append(before)
                reach = metres + network.links[before].length_m
                if reach < REACH_M:
                    frontier.append((before, reach))
    return tuple(found)


def _places(network: RoadNetwork, link_id: str) -> float:
    link = network.links[link_id]
    return link.length_m * max(1, len(link.car_lanes)) / VEHICLE_SPACING_M


def _runs(bins: Sequence[int]) -> list[list[int]]:
    """Stretches with at most one bin missing between, of which ``LEAST_BINS`` are there."""
    runs: list[list[int]] = []
    for b in bins:
        if runs and b - runs[-1][-1] <= 2 * BIN_S:
            runs[-1].append(b)
        else:
            runs.append([b])
    return [run for run in runs if len(run) >= LEAST_BINS]
