"""The day's trips: those seen by cameras, those only detectors saw, and the weight of each."""

from __future__ import annotations

import itertools
from bisect import bisect
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from traffic_brain.feeds.police import PoliceDay
from traffic_brain.fusion.balance import Counts, balance
from traffic_brain.fusion.counters import Counter
from traffic_brain.fusion.routes import RouteFinder, Trip, depart_s, extend
from traffic_brain.fusion.window import DEMAND_BIN_S, Window

ENOUGH = 0.8
"""A counter that known trips explain to this share needs no further trips."""
ESTIMATE_WORTH = 0.1
"""Worth of a count that stands in part for dead detectors, beside a whole one."""
TURN_WORTH = 0.3
"""Worth of a turn's balanced flow, beside a count."""
LEAST_UNHEARD_VEH = 5.0


@dataclass(frozen=True)
class WeightedTrips:
    """Trips with the number of vehicles each stands for, and when each began."""

    trips: tuple[Trip, ...]
    weights: np.ndarray
    depart_s: np.ndarray
    is_bus: np.ndarray
    """bool[trip]."""
    is_detected: np.ndarray
    """bool[trip]: some device saw the vehicle; of the others only the balance tells."""
    waited_s: np.ndarray
    """float64[trip]: before the edge of the map, between ``depart_s`` and the first link."""


@dataclass(frozen=True)
class WholeTrip:
    """One vehicle: what its weighted trip came to."""

    depart_s: float
    trip: Trip
    is_bus: bool
    is_detected: bool


def reconstruct(
    seen: list[Trip],
    buses: list[tuple[float, Trip]],
    finder: RouteFinder,
    flows: Mapping[tuple[str, str], float],
    counters: list[Counter],
    police: PoliceDay,
    window: Window,
) -> WeightedTrips:
    """Extend the trips that cameras saw, add those they missed, weigh all by the counts.

    ``flows``: vehicles of each turn over the window, as balanced from all sources.

    Buses, ``(departure, trip)``, are known whole: each stands for one vehicle, no more, no less.
    """
    known = [trip for _, trip in buses]
    finder.learn_ends(flows, seen, window)
    finder.learn(flows, [*seen, *known])
    cars = [extend(trip, finder) for trip in seen]
    finder.learn(flows, [*cars, *known])
    cars += _missed([*cars, *known], finder, counters, police, window)
    undetected = _undetected([*cars, *known], finder, flows, _covered(counters), window)
    detected, cars = len(cars), [*cars, *undetected]
    trips = [*cars, *known]
    is_bus = np.arange(len(trips)) >= len(cars)
    is_detected = is_bus | (np.arange(len(trips)) < detected)
    begun = [depart_s(trip, finder) for trip in cars] + [at_s for at_s, _ in buses]
    incidence = _incidence(trips, counters, flows, window)
    weights = balance(incidence, len(trips)) if len(incidence.counted) else np.ones(len(trips))
    weights = np.where(is_bus, 1.0, weights)
    none_s = np.zeros(len(trips))
    return WeightedTrips(tuple(trips), weights, np.array(begun), is_bus, is_detected, none_s)


def _missed(
    trips: list[Trip],
    finder: RouteFinder,
    counters: list[Counter],
    police: PoliceDay,
    window: Window,
) -> list[Trip]:
    """Trips for passes that no known trip explains, grown from the pass both ways.

    The counter with the largest deficit comes first, and estimates last; each new trip also
    explains passes at the other counters on its way. Vehicles come in bursts: passes that a known
    trip may have made are no more to be explained, however even the others then are.
    """
    explained = _Explained(counters)
    for trip in trips:
        explained.add(trip)
    passes = {
        (str(link), int(lane)): rows["time_s"].to_numpy()
        for (link, lane), rows in police.passes.groupby(["link_id", "lane_idx"], sort=True)
    }
    order = sorted(
        range(len(counters)),
        key=lambda i: (counters[i].complete, explained.deficit(i), -i),
        reverse=True,
    )
    found = []
    for i in order:
        counter = counters[i]
        times = np.sort(
            np.concatenate([passes.get((counter.link_id, n), np.array([])) for n in counter.lanes])
        )
        times = times[(times >= window.begin_s) & (times < window.end_s)]
        wanted = int(explained.deficit(i))
        if wanted <= 0 or explained.ratio(i) >= ENOUGH or not len(times):
            continue
        left = unexplained(times, explained.left_s(i))
        some = min(wanted, len(times))
        chosen = [*_evenly(left, min(some, len(left))), *_evenly(times, some - len(left))]
        for at_s in chosen:
            trip = _grow(counter, float(at_s), finder)
            explained.add(trip)
            found.append(trip)
    return found


def _evenly(times_s: np.ndarray, count: int) -> list[float]:
    """So many of the times, evenly chosen; none where the count is not positive."""
    if count <= 0:
        return []
    found: list[float] = times_s[np.linspace(0, len(times_s) - 1, count).astype(int)].tolist()
    return found


def unexplained(passes_s: np.ndarray, known_s: Sequence[float]) -> np.ndarray:
    """Passes (sorted) less the nearest one to each known time, which no other then explains."""
    left = passes_s.tolist()
    for at_s in sorted(known_s):
        if not left:
            break
        k = bisect(left, at_s)
        earlier = k > 0 and (k == len(left) or at_s - left[k - 1] <= left[k] - at_s)
        del left[k - 1 if earlier else k]
    return np.array(left)


def _grow(counter: Counter, at_s: float, finder: RouteFinder) -> Trip:
    """A trip through a counter at a time; its exit is drawn among the counter's movements."""
    onward = finder.walk(counter.link_id, True, at_s)
    to_link = onward[0] if onward and onward[0] in counter.to_links else min(counter.to_links)
    return _through((counter.link_id, to_link), at_s, finder)


def _through(turn: tuple[str, str], at_s: float, finder: RouteFinder) -> Trip:
    then_s = at_s + finder.travel_s(turn[1], at_s)
    return extend(Trip(turn, (at_s, then_s), (True, False)), finder)


def _covered(counters: list[Counter]) -> dict[tuple[str, str], int]:
    """(from link, to link) -> index of the counter that the turn leaves from."""
    return {(c.link_id, e): i for i, c in enumerate(counters) for e in c.to_links}


def _undetected(
    trips: list[Trip],
    finder: RouteFinder,
    flows: Mapping[tuple[str, str], float],
    covered: Mapping[tuple[str, str], int],
    window: Window,
) -> list[Trip]:
    """Trips for turns where nothing counts and the balance says that vehicles drive.

    They are spread over the window as the trips that are known, in the bursts of their link's
    probes. The turn that lacks most comes first; each trip also explains the turns before and
    behind it.
    """
    lacking = {pair: veh for pair, veh in flows.items() if pair not in covered}
    for trip in trips:
        _explain(lacking, trip)
    profile = np.sort([at_s for trip in trips for at_s in trip.exit_s])
    profile = profile[(profile >= window.begin_s) & (profile < window.end_s)]
    order = sorted(lacking, key=lambda pair: (-lacking[pair], pair))
    found: list[Trip] = []
    for pair in order:
        wanted = int(lacking[pair])
        if wanted < max(LEAST_UNHEARD_VEH, (1.0 - ENOUGH) * flows[pair]) or not len(profile):
            continue
        for at_s in _spread(profile, finder.in_bursts(pair[0], profile), wanted):
            found.append(_through(pair, at_s, finder))
            _explain(lacking, found[-1])
    return found


def _spread(times_s: np.ndarray, intensity: np.ndarray, count: int) -> list[float]:
    """So many of the (sorted) times, evenly over the sum of their intensities."""
    reached = np.cumsum(intensity if intensity.sum() > 0 else np.ones(len(times_s)))
    wanted = (np.arange(count) + 0.5) / count * reached[-1]
    found: list[float] = times_s[np.searchsorted(reached, wanted)].tolist()
    return found


def _explain(lacking: dict[tuple[str, str], float], trip: Trip) -> None:
    for pair in itertools.pairwise(trip.links):
        if pair in lacking:
            lacking[pair] -= 1.0


class _Explained:
    """How much of each counter the trips so far account for."""

    def __init__(self, counters: list[Counter]) -> None:
        self._at = _covered(counters)
        self._counted = np.array([np.nansum(c.counted) for c in counters])
        self._left_s: list[list[float]] = [[] for _ in counters]

    def add(self, trip: Trip) -> None:
        for k, pair in enumerate(itertools.pairwise(trip.links)):
            i = self._at.get(pair)
            if i is not None:
                self._left_s[i].append(trip.exit_s[k])

    def left_s(self, i: int) -> Sequence[float]:
        """When the trips so far left over a counter."""
        return self._left_s[i]

    def deficit(self, i: int) -> float:
        return float(self._counted[i] - len(self._left_s[i]))

    def ratio(self, i: int) -> float:
        return float(len(self._left_s[i]) / max(self._counted[i], 1.0))


def _incidence(
    trips: list[Trip],
    counters: list[Counter],
    flows: Mapping[tuple[str, str], float],
    window: Window,
) -> Counts:
    """Which trip passes which (counter, demand bin) and makes which turn.

    Bins in which nothing was heard are out. Turns that share lanes, or that nothing counts, are
    as the balance says over the whole window.
    """
    cells: dict[tuple[int, int], int] = {}
    counted: list[float] = []
    worth: list[float] = []
    for i, counter in enumerate(counters):
        for b, value in enumerate(counter.counted):
            if np.isfinite(value):
                cells[i, b] = len(counted)
                counted.append(float(value))
                worth.append(1.0 if counter.complete else ESTIMATE_WORTH)
    at = _covered(counters)
    shared = [pair for pair, i in at.items() if len(counters[i].to_links) > 1 and pair in flows]
    unheard = [pair for pair in flows if pair not in at]
    turns = {pair: len(counted) + i for i, pair in enumerate([*shared, *unheard])}
    counted += [flows[pair] for pair in (*shared, *unheard)]
    worth += [TURN_WORTH] * len(shared) + [ESTIMATE_WORTH] * len(unheard)
    trip_idx, count_idx = [], []
    for t, trip in enumerate(trips):
        for k, pair in enumerate(zip(trip.links, trip.links[1:], strict=False)):
            if not window.begin_s <= trip.exit_s[k] < window.end_s:
                continue
            b = int((trip.exit_s[k] - window.begin_s) // DEMAND_BIN_S)
            found = (cells.get((at[pair], b)) if pair in at else None, turns.get(pair))
            for cell in found:
                if cell is not None:
                    trip_idx.append(t)
                    count_idx.append(cell)
    return Counts(
        np.array(trip_idx, dtype=np.int64),
        np.array(count_idx, dtype=np.int64),
        np.array(counted),
        np.array(worth),
    )


def whole_trips(weighted: WeightedTrips, window: Window, seed: int) -> list[WholeTrip]:
    """Every trip as often as its weight says, in order of departure.

    A weight of 1.3 becomes one vehicle, and a second with probability 0.3; copies leave up to
    half a minute apart from the original. Trips that ended before the window are left out.
    """
    rng = np.random.default_rng(seed)
    copies = np.floor(weighted.weights + rng.random(len(weighted.weights))).astype(int)
    found = []
    for trip, begun, is_bus, is_detected, n in zip(
        weighted.trips,
        weighted.depart_s,
        weighted.is_bus.tolist(),
        weighted.is_detected.tolist(),
        copies,
        strict=True,
    ):
        for copy in range(n):
            shift = 0.0 if copy == 0 else float(rng.uniform(-30, 30))
            if trip.exit_s[-1] + shift >= window.begin_s and begun + shift < window.end_s:
                depart = max(begun + shift, float(window.begin_s))
                found.append(WholeTrip(depart, trip, is_bus, is_detected))
    return sorted(found, key=lambda one: (one.depart_s, one.trip.links))


def movement_flows(
    weighted: WeightedTrips, window: Window, wanted: Callable[[str, str], str | None]
) -> dict[str, np.ndarray]:
    """movement_id -> vehicles[demand bin]; ``wanted(from, to)`` names a movement or None."""
    bins = len(window.demand_bin_starts())
    flows: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(bins))
    for trip, weight in zip(weighted.trips, weighted.weights, strict=True):
        for k, (a, b) in enumerate(zip(trip.links, trip.links[1:], strict=False)):
            movement_id = wanted(a, b)
            bin_idx = int((trip.exit_s[k] - window.begin_s) // DEMAND_BIN_S)
            if movement_id is not None and 0 <= bin_idx < bins:
                flows[movement_id][bin_idx] += weight
    return dict(flows)
