"""The demand of the check: the trips that the engine rebuilt from the feeds, as SUMO routes.

Each seed draws its own day from them: a trip drives zero, one or two times (binomial, so that
the expected demand is the rebuilt one) and leaves up to half a minute earlier or later. Both
plans of a pair drive the same draw.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from traffic_brain.fusion.state import State
from traffic_brain.model.network import RoadNetwork

DEPARTURE_SPREAD_S = 30.0
REDRAW_PROB = 0.1
"""Probability that a trip does not drive, and that it drives twice."""
_TYPE = "car"


def drivable_trips(state: State, network: RoadNetwork) -> list[tuple[float, tuple[str, ...]]]:
    """Trips cut to the links that cars may use, where the way between them is open to cars."""
    open_ways = _open_ways(network)
    return [
        (depart, part)
        for depart, links in state.trips
        for part in _parts(links, open_ways, network)
    ]


def write_demand(
    trips: list[tuple[float, tuple[str, ...]]], path: Path, seed: int, scale: float = 1.0
) -> int:
    """Draw a day and write it as a SUMO route file; returns the number of vehicles."""
    rng = np.random.default_rng(seed)
    drawn = rng.binomial(2, 0.5, len(trips))
    keep = rng.random(len(trips)) < 2 * REDRAW_PROB
    copies = np.where(keep, drawn, 1)
    extra = scale - 1.0
    if extra > 0:
        copies = copies + (rng.random(len(trips)) < extra)
    elif extra < 0:
        copies = np.where(rng.random(len(trips)) < -extra, 0, copies)
    departures: list[tuple[float, tuple[str, ...]]] = []
    for (depart, links), n in zip(trips, copies, strict=True):
        spread = rng.uniform(-DEPARTURE_SPREAD_S, DEPARTURE_SPREAD_S, int(n))
        departures += [(max(depart + float(s), 0.0), links) for s in spread]
    departures.sort()
    path.write_text("".join(_route_file(departures)), encoding="utf-8")
    return len(departures)


def _route_file(departures: list[tuple[float, tuple[str, ...]]]) -> Iterable[str]:
    yield f'<routes>\n <vType id="{_TYPE}" vClass="passenger"/>\n'
    for i, (depart, links) in enumerate(departures):
        route = quoteattr(" ".join(links))
        yield (
            f' <vehicle id="{i}" type="{_TYPE}" depart="{depart:.1f}" departLane="best"'
            f' departSpeed="max"><route edges={route}/></vehicle>\n'
        )
    yield "</routes>\n"


def _open_ways(network: RoadNetwork) -> set[tuple[str, str]]:
    """Pairs of links joined by a connection from a car lane to a car lane."""
    links = network.links
    return {
        (c.from_link, c.to_link)
        for c in network.connections
        if c.from_lane_idx in links[c.from_link].car_lanes
        and c.to_lane_idx in links[c.to_link].car_lanes
    }


def _parts(
    links: tuple[str, ...], open_ways: set[tuple[str, str]], network: RoadNetwork
) -> list[tuple[str, ...]]:
    """The longest stretch of a trip that a car can drive; none when there is no such link."""
    runs: list[list[str]] = []
    for link in links:
        if not network.links[link].car_lanes:
            continue
        if runs and (runs[-1][-1], link) in open_ways:
            runs[-1].append(link)
        else:
            runs.append([link])
    longest: list[str] = max(runs, key=len, default=[])
    return [tuple(longest)] if longest else []
