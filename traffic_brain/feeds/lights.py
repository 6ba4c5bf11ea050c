"""What lamps showed, from the controllers' log: which share of passes was on green."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from traffic_brain.model.network import NO_SIGNAL, RoadNetwork
from traffic_brain.model.signals import GREENS

AFTER_GREEN_S = 4.0
"""Drivers use the yellow, and the last one rolls over the line after it."""
LONGEST_INTERVAL_S = 300.0
"""After so long without a word from the controller nobody knows what its lamps show."""


class Lights:
    """The lamps of all junctions over a day.

    Args:
        log: junction_id, time_s, picture; ordered by junction and time.
    """

    def __init__(self, log: pd.DataFrame, network: RoadNetwork) -> None:
        self._network = network
        rows = log.groupby("junction_id", sort=False).indices
        times_s, pictures = log["time_s"].to_numpy(), log["picture"].to_numpy(dtype=object)
        self._logs = {str(j): (times_s[i], pictures[i]) for j, i in rows.items()}
        self._greens: dict[tuple[str, frozenset[int]], tuple[np.ndarray, np.ndarray]] = {}

    @cached_property
    def groups(self) -> Mapping[tuple[str, int], tuple[str, frozenset[int]]]:
        """(link, lane) -> (junction, signal groups of the lane)."""
        found: dict[tuple[str, int], set[int]] = defaultdict(set)
        junctions: dict[tuple[str, int], str] = {}
        for c in self._network.connections:
            if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL:
                found[c.from_link, c.from_lane_idx].add(c.signal_group_idx)
                junctions[c.from_link, c.from_lane_idx] = c.junction_id
        return {lane: (junctions[lane], frozenset(groups)) for lane, groups in found.items()}

    def green_share(self, lane: tuple[str, int], times_s: np.ndarray) -> float:
        """Share of times at which a lane had green, or had it just now; NaN: not known.

        Times at which the controller was silent do not count.
        """
        if lane not in self.groups:
            return np.nan
        starts_s, state = self._states(*self.groups[lane])
        idx = np.searchsorted(starts_s, times_s, side="right") - 1
        known = (idx >= 0) & (idx < len(starts_s) - 1)
        idx, at_s = idx[known], times_s[known]
        if not len(idx):
            return np.nan
        told = starts_s[idx + 1] - starts_s[idx] <= LONGEST_INTERVAL_S
        before = np.searchsorted(starts_s, at_s - AFTER_GREEN_S, side="right") - 1
        green = state[idx] | state[np.maximum(before, 0)]
        return float(green[told].mean()) if told.any() else np.nan

    def _states(self, junction_id: str, groups: frozenset[int]) -> tuple[np.ndarray, np.ndarray]:
        """(start of each interval in s, whether any of the groups has green in it)."""
        key = (junction_id, groups)
        if key not in self._greens:
            starts_s, pictures = self._logs.get(junction_id, (np.zeros(0), np.zeros(0, object)))
            shown = {
                p: any(g < len(p) and p[g] in GREENS for g in groups)
                for p in set(pictures.tolist())
            }
            state = np.array([shown[p] for p in pictures.tolist()], dtype=bool)
            self._greens[key] = (starts_s, state)
        return self._greens[key]
