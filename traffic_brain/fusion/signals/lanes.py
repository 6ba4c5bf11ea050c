"""Which passes belong to which lamps: the lanes of a junction under the pictures of its plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import pandas as pd

from traffic_brain.model.network import NO_SIGNAL, RoadNetwork
from traffic_brain.model.signals import Stage

Lane = tuple[str, int]
"""Link and lane index."""


class Lamp(IntEnum):
    """What a lane's lamps mean for those who wait there; of several groups the freest counts."""

    RED = 0
    LATE_YELLOW = 1
    """Beyond the seconds of yellow that drivers use."""
    YELLOW = 2
    OPEN = 3
    """Who comes may go at times: off, blinking, or right turn on red."""
    PARTLY = 4
    """Some of its movements have green; who waits for another stands in their way."""
    PERMITTED = 5
    GREEN = 6


USED_YELLOW_S = 2
"""Drivers go on into yellow for so long, at most a little longer."""

_LAMP_OF = {
    **dict.fromkeys("yY", Lamp.YELLOW),
    **dict.fromkeys("oOs", Lamp.OPEN),
    "g": Lamp.PERMITTED,
    "G": Lamp.GREEN,
}


@dataclass(frozen=True)
class JunctionPasses:
    """The passes of one junction.

    lanes: lanes whose every way is under a lamp; groups: signal groups of each.
    time_s: float64[pass]; lane_idx: int64[pass], index into ``lanes``; ordered by time.
    """

    junction_id: str
    lanes: tuple[Lane, ...]
    groups: tuple[frozenset[int], ...]
    time_s: np.ndarray
    lane_idx: np.ndarray

    def between(self, begin_s: float, end_s: float) -> JunctionPasses:
        """The passes of a stretch of time."""
        first, last = np.searchsorted(self.time_s, [begin_s, end_s])
        return JunctionPasses(
            self.junction_id,
            self.lanes,
            self.groups,
            np.ascontiguousarray(self.time_s[first:last]),
            np.ascontiguousarray(self.lane_idx[first:last]),
        )

    def lamps(self, pictures: Iterable[str]) -> np.ndarray:
        """int64[picture, lane]: the `Lamp` of each lane in each picture."""
        rows = [[_lamp_of_lane({p[g] for g in of}) for of in self.groups] for p in pictures]
        return np.array(rows, dtype=np.int64).reshape(-1, len(self.groups))

    def clearance_lamps(self, stage: Stage) -> np.ndarray:
        """int64[second of the clearance, lane]: the `Lamp` of each lane after a stage's green."""
        lamps = self.lamps(i.picture for i in stage.clearance for _ in range(i.duration_s))
        yellow = np.zeros(len(self.groups), dtype=np.int64)
        for row in lamps:
            yellow = np.where(row == Lamp.YELLOW, yellow + 1, 0)
            row[yellow > USED_YELLOW_S] = Lamp.LATE_YELLOW
        return lamps


def _lamp_of_lane(letters: set[str]) -> Lamp:
    lamps = {_LAMP_OF.get(letter, Lamp.RED) for letter in letters}
    freest = max(lamps)
    return Lamp.PARTLY if freest >= Lamp.PERMITTED and Lamp.RED in lamps else freest


def passes_of_junctions(passes: pd.DataFrame, network: RoadNetwork) -> dict[str, JunctionPasses]:
    """Passes of each junction, in the order of the network's junctions.

    Args:
        passes: link_id, lane_idx, time_s.
    """
    lanes_of = _signalled_lanes(network)
    rows = passes.groupby(["link_id", "lane_idx"], sort=True).indices
    time_s = passes["time_s"].to_numpy()
    found = {}
    for junction_id in network.junctions:
        lanes = sorted(lane for lane in lanes_of.get(junction_id, {}) if lane in rows)
        times = [time_s[rows[lane]] for lane in lanes]
        idx = np.repeat(np.arange(len(lanes)), [len(t) for t in times])
        together = np.concatenate([np.empty(0), *times])
        order = np.argsort(together, kind="stable")
        found[junction_id] = JunctionPasses(
            junction_id,
            tuple(lanes),
            tuple(lanes_of[junction_id][lane] for lane in lanes),
            together[order],
            idx[order].astype(np.int64),
        )
    return found


def _signalled_lanes(network: RoadNetwork) -> Mapping[str, Mapping[Lane, frozenset[int]]]:
    """Junction -> lane -> its signal groups, of lanes whose every way is under a lamp."""
    groups: dict[Lane, set[int]] = defaultdict(set)
    junctions: dict[Lane, set[str]] = defaultdict(set)
    free: set[Lane] = set()
    for c in network.connections:
        lane = (c.from_link, c.from_lane_idx)
        if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL:
            groups[lane].add(c.signal_group_idx)
            junctions[lane].add(c.junction_id)
        else:
            free.add(lane)
    found: dict[str, dict[Lane, frozenset[int]]] = defaultdict(dict)
    for lane, of in groups.items():
        if lane not in free and len(junctions[lane]) == 1:
            found[next(iter(junctions[lane]))][lane] = frozenset(of)
    return found
