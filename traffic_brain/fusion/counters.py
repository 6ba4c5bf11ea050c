"""Stop-line counts as counts of movements: lanes that share movements are counted together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd

from traffic_brain.feeds.losses import LOST_PASSES, pass_ratio
from traffic_brain.feeds.police import PoliceDay
from traffic_brain.fusion.window import DEMAND_BIN_S, Window
from traffic_brain.model.network import Movement, RoadNetwork, Turn

TURN_WEIGHT: Mapping[Turn, float] = {
    Turn.THROUGH: 1.0,
    Turn.RIGHT: 0.4,
    Turn.LEFT: 0.4,
    Turn.UTURN: 0.0,
}
"""What the movements of an approach carry beside each other, before anything was counted."""


@dataclass(frozen=True)
class Counter:
    """Lanes of one approach and the movements that leave from exactly these lanes."""

    link_id: str
    to_links: frozenset[str]
    lanes: tuple[int, ...]
    counted: np.ndarray
    """float64[demand bin]: vehicles; NaN where the detectors said nothing."""
    lane_counts: tuple[float, ...]
    """Vehicles of the whole window on each of ``lanes``; NaN where the detector is dead."""

    @property
    def complete(self) -> bool:
        """Whether every lane was counted; else what dead detectors missed is estimated."""
        return bool(np.isfinite(self.lane_counts).all())


@dataclass(frozen=True)
class Detectors:
    """Which stop-line detectors spoke, as (link, lane), and which said nothing all day."""

    live: frozenset[tuple[str, int]]
    dead: tuple[tuple[str, str], ...]
    """(detector_id, junction_id)."""
    silent: frozenset[tuple[str, int]] = frozenset()
    """(link, lane) of which no detector spoke."""


def live_detectors(police: PoliceDay) -> Detectors:
    """A detector is dead when it has no pass and no count above zero.

    A lane that nobody used looks the same: nothing is told of it, and zero would be a guess.
    """
    seen = set(police.passes["detector_id"])
    counts = police.counts
    seen |= set(counts.loc[counts["count"] > 0, "detector_id"])
    live, dead, silent = [], [], []
    for detector_id, row in police.detectors.iterrows():
        if detector_id in seen:
            live.append((str(row["link_id"]), int(row["lane_idx"])))
        else:
            dead.append((str(detector_id), str(row["junction_id"])))
            silent.append((str(row["link_id"]), int(row["lane_idx"])))
    lanes = frozenset(live)
    return Detectors(lanes, tuple(sorted(dead)), frozenset(silent) - lanes)


def dark_bins(police: PoliceDay, window: Window) -> np.ndarray:
    """bool[5-min bin]: True where no detector of the city said anything."""
    heard = _heard(police, window)
    bin_idx = window.bin_idx(heard["time_s"].to_numpy())
    return np.asarray(np.bincount(bin_idx, heard["vehicles"], window.bin_count) == 0)


def counters(
    network: RoadNetwork, police: PoliceDay, detectors: Detectors, window: Window
) -> list[Counter]:
    """Counters of all approaches of whose lanes at least one detector speaks.

    What a dead detector missed is taken in proportion to what its lane should carry.
    """
    starts = window.demand_bin_starts()
    per_lane = _lane_counts(police, window, len(starts))
    dark = _dark_demand_bins(police, window, len(starts))
    found = []
    for link_id, movements, lanes in _lane_groups(network):
        live = [lane for lane in lanes if (link_id, lane) in detectors.live]
        if not live:
            continue
        seen = np.sum([per_lane[link_id, lane] for lane in live], axis=0)
        counted = seen / _expected_share(live, lanes, movements)
        found.append(
            Counter(
                link_id=link_id,
                to_links=frozenset(m.to_link for m in movements),
                lanes=lanes,
                counted=np.where(dark, np.nan, counted),
                lane_counts=tuple(
                    float(per_lane[link_id, lane].sum()) if lane in live else np.nan
                    for lane in lanes
                ),
            )
        )
    return found


def _heard(police: PoliceDay, window: Window) -> pd.DataFrame:
    """Vehicles with link_id, lane_idx, time_s inside the window.

    One row per pass; of detectors that send counts alone, one row per count. Where rows got lost,
    the others stand for them.
    """
    columns = ["link_id", "lane_idx", "time_s", "vehicles"]
    alone = ~police.counts["detector_id"].isin(set(police.passes["detector_id"]))
    counts = police.counts[alone]
    came = pass_ratio(police)
    weight = 1.0 / came if came < LOST_PASSES else 1.0
    rows = [
        police.passes.assign(vehicles=weight),
        counts.assign(vehicles=counts["count"] * _rows_missing(counts, window)),
    ]
    heard = pd.concat([r[columns] for r in rows if len(r)] or [rows[0][columns]])
    return heard[(heard["time_s"] >= window.begin_s) & (heard["time_s"] < window.end_s)]


def _rows_missing(counts: pd.DataFrame, window: Window) -> pd.Series[float]:
    """What each count stands for, itself and rows that got lost within its demand bin."""
    if counts.empty:
        return pd.Series(np.zeros(0), index=counts.index)
    demand_bin = (counts["time_s"] - window.begin_s) // DEMAND_BIN_S
    told_s = counts.groupby([counts["detector_id"], demand_bin])["interval_s"].transform("sum")
    begin_s = window.begin_s + demand_bin * DEMAND_BIN_S
    length_s = (window.end_s - begin_s).clip(upper=DEMAND_BIN_S)
    return (length_s / told_s).clip(lower=1.0)


def _lane_counts(
    police: PoliceDay, window: Window, bins: int
) -> defaultdict[tuple[str, int], np.ndarray]:
    per_lane: defaultdict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros(bins))
    for (link_id, lane), rows in _heard(police, window).groupby(["link_id", "lane_idx"]):
        idx = ((rows["time_s"].to_numpy() - window.begin_s) // DEMAND_BIN_S).astype(np.int64)
        per_lane[str(link_id), int(lane)] = np.bincount(idx, rows["vehicles"], bins)
    return per_lane


def _dark_demand_bins(police: PoliceDay, window: Window, bins: int) -> np.ndarray:
    """A demand bin counts only when each of its 5-min bins was heard."""
    dark = dark_bins(police, window)
    idx = (window.bin_starts - window.begin_s) // DEMAND_BIN_S
    return np.bincount(idx, dark.astype(np.float64), bins) > 0


def _lane_groups(network: RoadNetwork) -> list[tuple[str, tuple[Movement, ...], tuple[int, ...]]]:
    """(link, movements, lanes): connected components of lanes and exits of signal approaches."""
    approaches: dict[str, nx.Graph[str | int]] = defaultdict(nx.Graph)
    for m in network.movements.values():
        approaches[m.from_link].add_edges_from((lane, m.movement_id) for lane in m.lanes)
    found = []
    for link_id, graph in approaches.items():
        for component in nx.connected_components(graph):
            lanes = tuple(sorted(n for n in component if isinstance(n, int)))
            ids = sorted(n for n in component if isinstance(n, str))
            found.append((link_id, tuple(network.movements[i] for i in ids), lanes))
    return sorted(found, key=lambda group: (group[0], group[2]))


def _expected_share(
    live: Sequence[int], lanes: Sequence[int], movements: Sequence[Movement]
) -> float:
    """Share of a group's vehicles that should drive over its ``live`` lanes."""
    load = dict.fromkeys(lanes, 0.0)
    for m in movements:
        for lane in m.lanes:
            load[lane] += TURN_WEIGHT[m.turn] / len(m.lanes)
    expected = sum(load[lane] for lane in live) / (sum(load.values()) or 1.0)
    return expected or len(live) / len(lanes)
