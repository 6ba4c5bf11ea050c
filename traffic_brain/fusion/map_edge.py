"""When vehicles came to the edge of the map, where a queue stands back beyond it.

Feeds tell when a vehicle enters its first link, not when it came: behind a full link vehicles wait
where no device looks. They were to come as the city's other traffic does, and never later than they
entered; so while a link is full, its arrivals are the least curve above its entries that rises no
faster as time goes on, in the time of the city's other trips (least concave majorant). A link that
lets in as many as before while the rest of the city has gone home empties a queue; one that is full
while traffic comes evenly keeps the times that were seen. Nobody is added, so a queue that is still
there when the window ends stays unseen.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from traffic_brain.fusion.trips import WeightedTrips
from traffic_brain.fusion.window import BIN_S, Window
from traffic_brain.model.network import RoadNetwork, Turn

FULL_RATIO = 0.4
"""Of a link's places, taken in the mean of a bin: from here on its queue reaches its beginning at
times. Less than one, as lanes are not used evenly and a discharging queue is not packed; of
recorded worlds, links behind which vehicles waited for minutes had 0.4 to 0.7."""
LEAST_STORAGE_VEH = 5.0
"""Of smaller links nobody can tell a queue from a vehicle that passes."""
LEAST_FULL_BINS = 3
LEAST_PROFILE_VEH = 100.0
"""With fewer other vehicles traffic is taken to come evenly."""

LEAST_TOLD_S = 60.0
"""Of a vehicle's wait in the mean: less is within the error of when a link is full."""
QUIET_RATIO = 0.01
"""Other traffic of a bin at least, of the mean: the city's time never stands still."""

Rows = NDArray[np.int64]
Floats = NDArray[np.float64]


def came_to_the_edge(
    weighted: WeightedTrips, network: RoadNetwork, window: Window
) -> WeightedTrips:
    """The trips with ``depart_s`` when each came to the edge of the map, and how long it waited.

    Buses keep theirs.
    """
    queues = {
        link: (rows, runs)
        for link, rows in _begun_at_edges(weighted, network).items()
        if network.links[link].storage_veh >= LEAST_STORAGE_VEH
        and (runs := _full_runs(weighted, rows, network.links[link].storage_veh, window))
    }
    if not queues:
        return weighted
    others = np.ones(len(weighted.trips), dtype=bool)
    others[np.concatenate([rows for rows, _ in queues.values()])] = False
    edges_s = _edges_s(window)
    city_veh, _ = np.histogram(weighted.depart_s[others], edges_s, weights=weighted.weights[others])
    if city_veh.sum() < LEAST_PROFILE_VEH:
        city_veh = np.ones(window.bin_count)
    depart_s = weighted.depart_s.copy()
    for rows, runs in queues.values():
        for first, last in runs:
            entered_s = weighted.depart_s[rows]
            some = rows[(entered_s >= edges_s[first]) & (entered_s < edges_s[last])]
            depart_s[some] = arrivals_s(
                weighted.depart_s[some],
                weighted.weights[some],
                edges_s[first : last + 1],
                city_veh[first:last],
            )
    return replace(weighted, depart_s=depart_s, waited_s=weighted.depart_s - depart_s)


def waited_before(weighted: WeightedTrips) -> list[dict[str, str | float]]:
    """What vehicles waited before each edge of the map, most first; short waits are left out."""
    veh, waited_s = Counter[str](), Counter[str]()
    for i in np.flatnonzero(weighted.waited_s > 0).tolist():
        link_id = weighted.trips[i].links[0]
        veh[link_id] += weighted.weights[i]
        waited_s[link_id] += weighted.weights[i] * weighted.waited_s[i]
    return [
        {
            "link_id": link_id,
            "vehicles": round(veh[link_id], 1),
            "delay_veh_h": round(total_s / 3600.0, 3),
        }
        for link_id, total_s in waited_s.most_common()
        if total_s >= LEAST_TOLD_S * veh[link_id]
    ]


def arrivals_s(entered_s: Floats, weights: Floats, edges_s: Floats, city_veh: Floats) -> Floats:
    """When vehicles came that entered at these times (sorted) while their link was full.

    Args:
        edges_s: float64[bins + 1], of the time in which it was.
        city_veh: float64[bins], other traffic that began then.
    """
    veh = np.histogram(entered_s, edges_s, weights=weights)[0]
    city = np.maximum(city_veh, QUIET_RATIO * city_veh.mean())
    # The slopes of a least concave majorant are an isotonic regression (Barlow et al. 1972).
    rate = isotonic_regression(veh / city, weights=city, increasing=False).x
    came_veh = np.concatenate([[0.0], np.cumsum(rate * city)])
    middle = np.cumsum(weights) - weights / 2
    return np.minimum(np.interp(middle, came_veh, edges_s), entered_s)


def _begun_at_edges(weighted: WeightedTrips, network: RoadNetwork) -> dict[str, Rows]:
    """Trips of cars that began on each link at an edge of the map, in the order they entered."""
    led_to = {c.to_link for c in network.connections if c.turn is not Turn.UTURN}
    begun: dict[str, list[int]] = defaultdict(list)
    for i, trip in enumerate(weighted.trips):
        if trip.links[0] not in led_to and not weighted.is_bus[i]:
            begun[trip.links[0]].append(i)
    return {
        link: np.array(rows)[np.argsort(weighted.depart_s[rows], kind="stable")]
        for link, rows in begun.items()
    }


def _full_runs(
    weighted: WeightedTrips, rows: Rows, places: float, window: Window
) -> list[tuple[int, int]]:
    """[first, last) bins in which the link of these trips was full, some on end."""
    left_s = np.array([weighted.trips[i].exit_s[0] for i in rows])
    weights = weighted.weights[rows]
    spent_s = _spent_s(weighted.depart_s[rows], left_s, weights, window)
    full = np.concatenate([[False], spent_s / BIN_S >= FULL_RATIO * places, [False]])
    changes = np.flatnonzero(full[1:] != full[:-1])
    runs = zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True)
    return [(first, last) for first, last in runs if last - first >= LEAST_FULL_BINS]


def _spent_s(entered_s: Floats, left_s: Floats, weights: Floats, window: Window) -> Floats:
    """float64[bin]: vehicle-seconds on the link."""
    since = [_since(times_s, weights, window) for times_s in (entered_s, left_s)]
    return np.asarray(np.diff(since[0] - since[1]))


def _since(times_s: Floats, weights: Floats, window: Window) -> Floats:
    """float64[edge of a bin]: vehicle-seconds that have passed since these times."""
    order = np.argsort(times_s)
    weights, times_s = weights[order], times_s[order]
    veh, sums = (np.concatenate([[0.0], np.cumsum(x)]) for x in (weights, weights * times_s))
    edges_s = _edges_s(window)
    k = np.searchsorted(times_s, edges_s)
    return np.asarray(veh[k] * edges_s - sums[k])


def _edges_s(window: Window) -> Floats:
    return window.begin_s + BIN_S * np.arange(window.bin_count + 1, dtype=np.float64)
