"""Buses: their whole way is known from the transit feed, so it need not be rebuilt from cameras.

They matter for more than their number: a bus of twelve metres that waits to turn can lock two
junctions between which a car would have found room.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd

from traffic_brain.feeds.transit import TransitDay
from traffic_brain.fusion.routes import Trip

SAME_PASS_S = 4.0
"""A camera's and a bus's clock differ by less than this."""
SAME_VEHICLE_SHARE = 0.8


def bus_trips(day: TransitDay) -> list[tuple[float, Trip]]:
    """(departure in seconds of the day, trip) of every bus, in order of departure."""
    found = []
    for _, passes in day.passes.groupby("vehicle_idx", sort=True):
        trip = Trip(
            tuple(passes["link_id"]),
            tuple(float(t) for t in passes["time_out_s"]),
            (True,) * len(passes),
        )
        found.append((float(passes["time_in_s"].iloc[0]), trip))
    return sorted(found, key=lambda item: (item[0], item[1].links))


def without_buses(
    sightings: list[tuple[list[str], list[float]]], day: TransitDay
) -> list[tuple[list[str], list[float]]]:
    """The sightings less those vehicles that left the same links at the same times as a bus."""
    known = _passes_by_link(day.passes)
    return [s for s in sightings if not _is_bus(*s, known)]


def _passes_by_link(passes: pd.DataFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Link -> (times, vehicles), ordered by time."""
    found = {}
    for link_id, rows in passes.sort_values("time_out_s").groupby("link_id"):
        found[str(link_id)] = (rows["time_out_s"].to_numpy(), rows["vehicle_idx"].to_numpy())
    return found


def _is_bus(
    links: list[str], times: list[float], known: dict[str, tuple[np.ndarray, np.ndarray]]
) -> bool:
    matches: Counter[int] = Counter()
    for link, at_s in zip(links, times, strict=True):
        if link not in known:
            continue
        left_s, vehicles = known[link]
        near = np.abs(left_s - at_s) <= SAME_PASS_S
        matches.update({int(v) for v in vehicles[near]})
    most = max(matches.values(), default=0)
    return most >= SAME_VEHICLE_SHARE * len(links)
