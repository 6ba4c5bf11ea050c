"""Stop-line counts as counts of movements: lanes that share movements are counted together."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import networkx as nx
import numpy as np

from traffic_brain.feeds.police import PoliceDay
from traffic_brain.fusion.window import DEMAND_BIN_S, Window
from traffic_brain.model.network import RoadNetwork


@dataclass(frozen=True)
class Counter:
    """Lanes of one approach and the movements that leave from exactly these lanes."""

    link_id: str
    to_links: frozenset[str]
    lanes: tuple[int, ...]
    counted: np.ndarray
    """float64[demand bin]: vehicles; NaN where the detectors said nothing."""


@dataclass(frozen=True)
class Detectors:
    """Which stop-line detectors spoke: ``dead`` never did although their approach was in use."""

    live: frozenset[tuple[str, int]]
    dead: tuple[tuple[str, str], ...]
    """(detector_id, junction_id)."""


def live_detectors(police: PoliceDay) -> Detectors:
    """A detector is dead when it reports nothing while its link's other detectors do.

    A link whose detectors are all silent is taken as dead, too, when the feed as a whole speaks:
    nothing can be told of it, and zero would be a guess.
    """
    seen = set(police.passes["detector_id"])
    counts = police.counts
    seen |= set(counts.loc[counts["count"] > 0, "detector_id"])
    live, dead = [], []
    for detector_id, row in police.detectors.iterrows():
        if detector_id in seen:
            live.append((str(row["link_id"]), int(row["lane_idx"])))
        else:
            dead.append((str(detector_id), str(row["junction_id"])))
    return Detectors(frozenset(live), tuple(sorted(dead)))


def dark_bins(police: PoliceDay, window: Window) -> np.ndarray:
    """bool[5-min bin]: True where no detector of the city said anything."""
    heard = np.bincount(
        window.bin_idx(police.passes["time_s"].to_numpy()), minlength=window.bin_count
    )
    return np.asarray(heard == 0)


def counters(
    network: RoadNetwork, police: PoliceDay, detectors: Detectors, window: Window
) -> list[Counter]:
    """Counters of all approaches whose lanes' detectors all speak."""
    starts = window.demand_bin_starts()
    per_lane = _lane_counts(police, window, len(starts))
    dark = _dark_demand_bins(police, window, len(starts))
    found = []
    for link_id, to_links, lanes in _lane_groups(network):
        if not all((link_id, lane) in detectors.live for lane in lanes):
            continue
        counted = np.sum([per_lane[link_id, lane] for lane in lanes], axis=0)
        found.append(Counter(link_id, to_links, lanes, np.where(dark, np.nan, counted)))
    return found


def _lane_counts(
    police: PoliceDay, window: Window, bins: int
) -> defaultdict[tuple[str, int], np.ndarray]:
    per_lane: defaultdict[tuple[str, int], np.ndarray] = defaultdict(lambda: np.zeros(bins))
    passes = police.passes
    inside = passes[(passes["time_s"] >= window.begin_s) & (passes["time_s"] < window.end_s)]
    for (link_id, lane), rows in inside.groupby(["link_id", "lane_idx"], sort=False):
        idx = ((rows["time_s"].to_numpy() - window.begin_s) // DEMAND_BIN_S).astype(np.int64)
        per_lane[str(link_id), int(lane)] = np.bincount(idx, minlength=bins).astype(np.float64)
    return per_lane


def _dark_demand_bins(police: PoliceDay, window: Window, bins: int) -> np.ndarray:
    """A demand bin counts only when each of its 5-min bins was heard."""
    dark = dark_bins(police, window)
    idx = (window.bin_starts - window.begin_s) // DEMAND_BIN_S
    return np.bincount(idx, dark.astype(np.float64), bins) > 0


def _lane_groups(network: RoadNetwork) -> list[tuple[str, frozenset[str], tuple[int, ...]]]:
    """(link, exits, lanes): connected components of lanes and exits of each signal approach."""
    approaches: dict[str, nx.Graph[tuple[str, str | int]]] = defaultdict(nx.Graph)
    for movement in network.movements.values():
        for lane in movement.lanes:
            approaches[movement.from_link].add_edge(("lane", lane), ("exit", movement.to_link))
    found = []
    for link_id in sorted(approaches):
        for component in nx.connected_components(approaches[link_id]):
            lanes = tuple(sorted(int(n) for kind, n in component if kind == "lane"))
            exits = frozenset(str(n) for kind, n in component if kind == "exit")
            found.append((link_id, exits, lanes))
    return sorted(found, key=lambda g: (g[0], g[2]))
