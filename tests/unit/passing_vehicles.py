"""Passes of a signal made by hand: vehicles that come at random and leave in queue."""

from __future__ import annotations

import numpy as np
import pandas as pd

from tests.unit.hand_made import network, road, through
from traffic_brain.fusion.signals.timing import AHEAD_S
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import GREENS, SignalPlan

PLACES = {"b": (0.0, 0.0), "n": (0.0, 200.0), "w": (-200.0, 0.0), "s": (0.0, -200.0)}
LANES = (("n-b", 0), ("w-b", 0))
HEADWAY_S = 2.0


def crossing(plan: SignalPlan | None) -> RoadNetwork:
    """A junction ``b`` of two approaches, each with one lane and one signal group."""
    roads = [road(at, "b", PLACES, junction_id="b") for at in "nw"]
    roads += [road("b", "s", PLACES)]
    ways = through("n-b", "b-s") | through("w-b", "b-s")
    return network(roads, ways, [plan] if plan else [])


def passes_under(
    plan: SignalPlan, begin_s: int, end_s: int, rng: np.random.Generator, per_s: float = 0.15
) -> pd.DataFrame:
    """link_id, lane_idx, time_s: a queue leaves every two seconds while its lamp is green."""
    rows = []
    for group, (link, lane) in enumerate(LANES):
        at_s = float(begin_s)
        free_s = float(begin_s)
        while at_s < end_s:
            at_s += rng.exponential(1.0 / per_s)
            passes_s = max(at_s, free_s)
            if plan.picture_at(int(passes_s))[group] not in GREENS:
                passes_s = float(int(passes_s))
                while plan.picture_at(int(passes_s))[group] not in GREENS:
                    passes_s += 1.0
                passes_s += 0.3
            rows.append((link, lane, passes_s - AHEAD_S))
            free_s = passes_s + HEADWAY_S + rng.normal(0.0, 0.1)
    table = pd.DataFrame(rows, columns=["link_id", "lane_idx", "time_s"])
    return table[table["time_s"] < end_s].reset_index(drop=True)
