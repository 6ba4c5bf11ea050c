"""The demand of the check: the trips that the engine rebuilt from the feeds, as SUMO routes.

Each seed draws its own day from them: a trip that a device saw drives zero, one or two times, and
leaves up to a minute earlier or later. The rebuilt day is one draw of independent vehicles, and
varies from quarter to quarter of an hour as they do; drawn from it with replacement, days would
vary twice as much, and streets near saturation lock that never do. So a tenth of that is added. How
many come by a street on which no device detects them is not known so well: of those each day has
more or fewer. Both plans of a pair drive the same draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np

from traffic_brain.fusion.state import State
from traffic_brain.model.network import RoadNetwork

DEPARTURE_SPREAD_S = 60.0
"""Trips of tomorrow are not today's to the second; and what is left of the rhythm of the signals at
which today's were seen must go: a window of a whole cycle or more. With half of it, plans with
another cycle than that in service looked worse on ingolstadt1, by some 5 to 10 points."""
REDRAW_PROB = 0.1
"""Probability that a detected trip does not drive, and that it drives twice."""
UNDETECTED_SD = 0.25
"""Standard error of the number of vehicles that no device detected, as a share, each entry of the
city apart: of the streets of recorded worlds that only probes tell of."""
CAR, BUS = "car", "bus"


@dataclass(frozen=True, slots=True)
class Drivers:
    """How close the city's drivers follow each other: what the capacity of its lanes rests on.

    min_gap_m: standing, bumper to bumper; length_m: of a car; sigma: how unevenly they drive
    (Krauss, 0 … 1). The values from the start are SUMO's own. The time they keep to the one before
    stays one second, SUMO's step: with less cars run into each other, and are lifted out of the
    way, out of the very queues that a plan is judged by.
    """

    min_gap_m: float = 2.5
    length_m: float = 5.0
    sigma: float = 0.5

    def attributes(self) -> str:
        """What a vehicle type says of them; nothing where they are SUMO's own."""
        if self == USUAL_DRIVERS:
            return ""
        return f' minGap="{self.min_gap_m:g}" length="{self.length_m:g}" sigma="{self.sigma:g}"'


USUAL_DRIVERS = Drivers()


@dataclass(frozen=True, slots=True)
class Vehicle:
    """One vehicle of the rebuilt day: when it leaves, its links, ``car`` or ``bus``."""

    depart_s: float
    links: tuple[str, ...]
    vehicle_class: str
    detected: bool = True
    """Whether a device saw it; else only the balance of flows tells that it drove."""


def drivable_vehicles(state: State, network: RoadNetwork) -> list[Vehicle]:
    """The state's vehicles, cars cut to the longest stretch that is open to cars throughout."""
    open_ways = _open_ways(network)
    found = []
    kinds = zip(state.trips, state.vehicle_classes, strict=True)
    for i, ((depart, links), vehicle_class) in enumerate(kinds):
        way = links if vehicle_class == BUS else _longest_part(links, open_ways, network)
        if way:
            found.append(Vehicle(depart, way, vehicle_class, i not in state.undetected))
    return found


def write_demand(vehicles: Sequence[Vehicle], path: Path, seed: int, scale: float = 1.0) -> int:
    """Draw a day and write it as a SUMO route file; returns the number of vehicles."""
    departures, drawn = draw(vehicles, seed, scale)
    write_draw(departures, drawn, vehicles, path)
    return len(drawn)


def draw(
    vehicles: Sequence[Vehicle], seed: int, scale: float = 1.0
) -> tuple[list[float], list[int]]:
    """A seed's day: departures in seconds of the day, in order, and the vehicle of each.

    Buses keep to their timetable: they leave once, when they did, whatever the draw and the scale.
    """
    rng = np.random.default_rng(seed)
    is_bus = np.array([v.vehicle_class == BUS for v in vehicles], dtype=bool)
    n = len(vehicles)
    redrawn = rng.random(n) < 2 * REDRAW_PROB
    times = np.where(redrawn, rng.binomial(2, 0.5, n), 1)
    wanted = times * scale * _worth(vehicles, rng)
    copies = np.floor(wanted + rng.random(n)).astype(np.int64)
    owner = np.repeat(np.arange(n), np.where(is_bus, 1, copies))
    spread_s = np.where(is_bus[owner], 0.0, DEPARTURE_SPREAD_S) * (
        2.0 * rng.random(len(owner)) - 1.0
    )
    depart_s = np.maximum(np.array([v.depart_s for v in vehicles])[owner] + spread_s, 0.0)
    order = np.lexsort((owner, depart_s))
    return depart_s[order].tolist(), owner[order].tolist()


def _worth(vehicles: Sequence[Vehicle], rng: np.random.Generator) -> np.ndarray:
    """float64[vehicle]: how many of it this day is expected to have."""
    entries = sorted({v.links[0] for v in vehicles if not v.detected})
    # Lognormal with mean 1, so that the expected demand is the rebuilt one.
    factor = np.exp(UNDETECTED_SD * rng.standard_normal(len(entries)) - UNDETECTED_SD**2 / 2)
    of_entry = dict(zip(entries, factor.tolist(), strict=True))
    return np.array([1.0 if v.detected else of_entry[v.links[0]] for v in vehicles])


def write_draw(
    departures_s: Sequence[float],
    drawn: Sequence[int],
    vehicles: Sequence[Vehicle],
    path: Path,
    drivers: Drivers = USUAL_DRIVERS,
) -> None:
    """Write a drawn day as a SUMO route file; ids are numbers in the order of departure."""
    departures = list(zip(departures_s, drawn, strict=True))
    text = "".join(_route_file(departures, vehicles, drivers))
    path.write_text(text, encoding="utf-8")


def _route_file(
    departures: Sequence[tuple[float, int]], vehicles: Sequence[Vehicle], drivers: Drivers
) -> Iterator[str]:
    yield "<routes>\n"
    yield f' <vType id="{CAR}" vClass="passenger"{drivers.attributes()}/>\n'
    yield f' <vType id="{BUS}" vClass="bus"/>\n'
    ways = [quoteattr(" ".join(v.links)) for v in vehicles]
    for number, (depart, i) in enumerate(departures):
        yield (
            f' <vehicle id="{number}" type="{vehicles[i].vehicle_class}" depart="{depart:.1f}"'
            f' departLane="best" departSpeed="max"><route edges={ways[i]}/></vehicle>\n'
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


def _longest_part(
    links: tuple[str, ...], open_ways: set[tuple[str, str]], network: RoadNetwork
) -> tuple[str, ...]:
    """The longest stretch of a trip that a car can drive; empty when there is no such link."""
    runs: list[list[str]] = [[]]
    for link in links:
        if not network.links[link].car_lanes:
            continue
        if runs[-1] and (runs[-1][-1], link) not in open_ways:
            runs.append([])
        runs[-1].append(link)
    longest: list[str] = max(runs, key=len)
    return tuple(longest)
