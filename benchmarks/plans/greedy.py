"""Max-pressure and max-wave, which see every vehicle and choose a stage every ten seconds.

After the definitions published with RESCO (Ault, Sharon: Reinforcement Learning Benchmarks for
Traffic Signal Control, NeurIPS 2021): at each decision the stage is shown whose movements score
highest, after 3 s of yellow where lamps change. Max-wave scores all vehicles within 200 m of the
stop lines that the stage lets go; max-pressure the vehicles that stand there, less those that stand
on the lanes they lead to, if these end at a signal, summed over movements: a shared lane counts
once for each that the stage lets go. Stages are those of the plan in file. Vehicles are counted on
the lanes themselves and, where a lane is shorter than 200 m and no signal lies behind it, on those
before it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.plans.controlled import Junctions, Seen
from traffic_brain.model.network import RoadNetwork

SEEN_M = 200.0


@dataclass(frozen=True)
class Watched:
    """Lanes of one stage at one junction: where its vehicles come from and go to."""

    before: tuple[tuple[str, ...], ...]
    """Of each connection that the stage lets go: its lane, and those before it that are seen."""
    after: tuple[tuple[str, ...], ...]
    """Of each of them: the lane it leads to, if a signal ends it."""

    def lanes(self) -> set[str]:
        """All that it looks at."""
        return {lane for lanes in self.before + self.after for lane in lanes}


class MaxPressure:
    """The stage with most standing vehicles before it, less those behind it."""

    decision_s = 10

    def start(self, network: RoadNetwork, junctions: Junctions) -> set[str]:
        """Remember whom each stage lets go; tells the lanes to be seen."""
        self.watched = {
            junction_id: [_watched(network, junction_id, picture) for picture in pictures]
            for junction_id, pictures in junctions.items()
        }
        return {lane for ws in self.watched.values() for w in ws for lane in w.lanes()}

    def choose(self, seen: Seen) -> dict[str, int]:
        """The best stage of each junction; the one that is shown, if none is better."""
        return {
            junction_id: _best([self.score(w, seen) for w in stages], seen.stage_idx[junction_id])
            for junction_id, stages in self.watched.items()
        }

    def score(self, watched: Watched, seen: Seen) -> int:
        """Who stands before the stage, less who stands where it leads."""
        before = sum(seen.standing[lane] for lanes in watched.before for lane in lanes)
        return before - sum(seen.standing[lane] for lanes in watched.after for lane in lanes)


class MaxWave(MaxPressure):
    """The stage with most vehicles before it, whether they stand or drive."""

    def score(self, watched: Watched, seen: Seen) -> int:
        """Whoever is seen before the stage."""
        return sum(seen.vehicles[lane] for lane in {x for lanes in watched.before for x in lanes})


def _best(scores: Sequence[int], shown: int) -> int:
    best = max(range(len(scores)), key=lambda i: (scores[i], -i))
    return shown if scores[shown] >= scores[best] else best


def _watched(network: RoadNetwork, junction_id: str, picture: str) -> Watched:
    served = [
        c
        for c in network.connections
        if c.junction_id == junction_id
        and c.signal_group_idx >= 0
        and picture[c.signal_group_idx] in "Gg"
    ]
    before = (tuple(_upstream(network, c.from_link, c.from_lane_idx)) for c in served)
    after = (
        (f"{c.to_link}_{c.to_lane_idx}",) if network.links[c.to_link].junction_id else ()
        for c in served
    )
    return Watched(tuple(before), tuple(after))


def _upstream(network: RoadNetwork, link_id: str, lane_idx: int) -> list[str]:
    """The lane, and those that lead into it within ``SEEN_M`` without a signal between."""
    found: dict[str, None] = {}
    waiting = [(link_id, lane_idx, 0.0)]
    into = _into(network)
    while waiting:
        link, lane, away_m = waiting.pop()
        found[f"{link}_{lane}"] = None
        away_m += network.links[link].length_m
        if away_m < SEEN_M:
            for before, its_lane in into.get((link, lane), ()):
                if f"{before}_{its_lane}" not in found:
                    waiting.append((before, its_lane, away_m))
    return list(found)


_INTO: dict[int, dict[tuple[str, int], list[tuple[str, int]]]] = {}


def _into(network: RoadNetwork) -> dict[tuple[str, int], list[tuple[str, int]]]:
    if id(network) not in _INTO:
        into: dict[tuple[str, int], list[tuple[str, int]]] = defaultdict(list)
        for c in network.connections:
            if c.junction_id is None:
                into[c.to_link, c.to_lane_idx].append((c.from_link, c.from_lane_idx))
        _INTO[id(network)] = into
    return _INTO[id(network)]
