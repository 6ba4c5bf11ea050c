"""Whole trips from checkpoint sightings.

Gaps are filled along fastest paths, ends are walked to where the vehicle must have come from and
gone to.

A vehicle seen at site A and then at site B drove some path between them; the fastest path by the
observed link travel times is taken, and a path past a further site that did not see it is
penalised by what it is worth to be missed by a camera. Beyond the first and the last sighting the
path follows observed turning shares until the edge of the network, or until a camera would have
seen it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.fusion.bursts import Bursts
from traffic_brain.fusion.flow_balance import turns_at_edge, turns_of
from traffic_brain.fusion.green_order import GreenOrder
from traffic_brain.fusion.link_state import LinkState
from traffic_brain.fusion.trip_ends import USUAL_SHARE, stay_share, unseen
from traffic_brain.fusion.window import Window
from traffic_brain.model.network import RoadNetwork, Turn

MISSED_RATIO = 0.05
"""Share of vehicles that a working camera does not read."""
MISSED_PENALTY_S = 60.0
MISREAD_WINDOW_S = 45.0
STOPOVER_FACTOR = 4.0
STOPOVER_ALLOWANCE_S = 600.0
MAX_SPEED_MPS = 150 / 3.6
UNLIKELY_S = 10.0
"""Seconds that a driver would lose rather than take a way that e times fewer take."""
QUEUE_REACH_M = 400.0
"""Before a signal's own link, within which a loss is taken for its queue's."""
GOLDEN_RATIO = 0.618034
"""Multiples of it fall evenly between 0 and 1, modulo 1: a draw that is the same every time."""
MAX_WALK_LINKS = 60
LEAST_FOLLOWED_VEH = 3.0
"""So many vehicles both of two cameras must have read before clocks and plates are trusted."""
LEAST_SHARE = 0.02
"""Share of a turn's vehicles that may be unseen although the trips explain all of them."""
_TURN_S = {Turn.THROUGH: 0.0, Turn.RIGHT: 1.0, Turn.LEFT: 3.0, Turn.UTURN: 20.0}
"""What a driver counts against a turn when choosing a way."""


@dataclass(frozen=True)
class Trip:
    """One vehicle's way: links in order, and when it left each of them."""

    links: tuple[str, ...]
    exit_s: tuple[float, ...]
    observed: tuple[bool, ...]
    """Whether a camera saw it leave the link."""


@dataclass(frozen=True)
class Traversals:
    """What checkpoint pairs say about links: one row per link of each short gap."""

    table: pd.DataFrame


@dataclass(frozen=True)
class _Step:
    """Next links of an unseen vehicle with their weights, and the weight of ending here."""

    links: tuple[str, ...]
    weights: tuple[float, ...]
    stay: float


class RouteFinder:
    """Fastest paths and random walks over links that cars may use."""

    def __init__(
        self,
        network: RoadNetwork,
        state: LinkState,
        cameras: frozenset[str],
        seed: int,
        probes: Mapping[str, float] | None = None,
    ) -> None:
        self.network = network
        self.cameras = cameras
        self._state = state
        self._order = GreenOrder.unknown()
        self._bursts = Bursts.unknown()
        self._rng = np.random.default_rng(seed)
        self._turns = turns_of(network)
        self._turns_at_edge = turns_at_edge(self._turns)
        self._unlikely_s = _unlikely_s(network, probes or {})
        free = {k: v.length_m / v.free_flow_speed_mps for k, v in network.links.items()}
        observed = self._mean_s = _mean_s(network, state)
        self._links = tuple(network.links)
        self._stay = USUAL_SHARE
        self._missed = np.array([MISSED_RATIO if k in cameras else 1.0 for k in network.links])
        self._linked = frozenset(link for turn in self._turns for link in turn)
        self._costs = [self._costs_of(free), self._costs_of(observed)]
        self._before: dict[str, list[NDArray[np.int32]]] = {}
        self._steps: dict[bool, dict[str, _Step]] = {}

    def _costs_of(self, travel_s: Mapping[str, float]) -> csr_array:
        """Cost of every turn, [from link, to link]."""
        cost, here, onward = [], [], []
        idx = self.network.link_idx
        for (a, b), turn in self._turns.items():
            missed = MISSED_PENALTY_S if b in self.cameras else 0.0
            cost.append(travel_s[b] + _TURN_S[turn] + missed + self._unlikely_s[a, b])
            here.append(idx[a])
            onward.append(idx[b])
        return csr_array((cost, (here, onward)), shape=(len(idx), len(idx)))

    def paths(self, origin: str, target: str) -> list[list[str]]:
        """Ways from ``origin`` to ``target``, both included.

        The fastest on empty roads and, where it is another, the fastest by what was observed.
        """
        if origin not in self._linked:
            return []
        if origin not in self._before:
            begin = self.network.link_idx[origin]
            self._before[origin] = [
                dijkstra(costs, indices=begin, return_predecessors=True)[1] for costs in self._costs
            ]
        found = [
            way for before in self._before[origin] if (way := self._way(before, origin, target))
        ]
        return found[:1] if len(found) == 2 and found[0] == found[1] else found

    def _way(self, before: NDArray[np.int32], origin: str, target: str) -> list[str]:
        """Links of the fastest way, read from its end; empty where there is none.

        Of all ways of an origin only the link before each link is kept: in a city of thousands of
        links the ways themselves would fill the memory.
        """
        at, begin = self.network.link_idx[target], self.network.link_idx[origin]
        way = [target]
        while at != begin:
            at = int(before[at])
            if at < 0:
                return []
            way.append(self._links[at])
        return way[::-1]

    def travel_s(self, link_id: str, at_s: float) -> float:
        """Median travel time observed of a link for a vehicle that leaves it about ``at_s``."""
        in_bin = self._state.window.bin_of(at_s)
        return float(self._state.travel_time_s[self.network.link_idx[link_id], in_bin])

    def came_s(
        self, links: Sequence[str], observed: Sequence[bool], k: int, exit_s: Sequence[float]
    ) -> float:
        """When a vehicle entered link ``k`` of its way.

        By its order in the green of the signal before which it queued there, where detectors tell
        of one: the queue may reach back over several links of the way, and each has its part of
        the loss. A vehicle that no device saw leave the signal may be any of a cycle's.

        Args:
            exit_s: when it left link ``k`` and each link after.
        """
        in_bin = self._state.window.bin_of(exit_s[0])
        took_s, lost_s = self._mean_s_in(in_bin, links[k])
        signal = self._signal_ahead(links, k)
        if signal is None or not self._order.knows(links[signal : signal + 2]):
            return exit_s[0] - took_s
        left_s = exit_s[signal - k]
        turn = (links[signal], links[signal + 1])
        rank = self._order.rank(turn, left_s) if observed[signal] else left_s * GOLDEN_RATIO % 1.0
        all_lost_s = sum(
            self._mean_s_in(in_bin, links[i])[1] for i in self._queue_of(links, signal)
        )
        longer_s = self._order.longer_s(turn, rank, all_lost_s)
        return exit_s[0] - took_s - longer_s * lost_s / max(all_lost_s, 1e-9)

    def _mean_s_in(self, bin_idx: int, link_id: str) -> tuple[float, float]:
        """(Mean travel time of a link in a bin, how much of it is lost)."""
        link, i = self.network.links[link_id], self.network.link_idx[link_id]
        took_s = float(self._state.mean_travel_time_s[i, bin_idx])
        return took_s, max(took_s - link.length_m / link.free_flow_speed_mps, 0.0)

    def _signal_ahead(self, links: Sequence[str], k: int) -> int | None:
        """The link of a way that ends at the signal whose queue may stand on link ``k``."""
        for i in range(k, len(links)):
            if self.network.links[links[i]].junction_id is not None:
                return i if k in self._queue_of(links, i) else None
        return None

    def _queue_of(self, links: Sequence[str], signal: int) -> range:
        """The links of a way on which a signal's queue may stand: back to the signal before."""
        first, metres = signal, 0.0
        while first > 0:
            before = self.network.links[links[first - 1]]
            metres += before.length_m
            if before.junction_id is not None or metres > QUEUE_REACH_M:
                break
            first -= 1
        return range(first, signal + 1)

    def look_again(self, state: LinkState, order: GreenOrder, bursts: Bursts) -> None:
        """Take travel times from a state that more sources have told of; queues and platoons."""
        self._state, self._order, self._bursts = state, order, bursts
        self._mean_s = _mean_s(self.network, state)

    def in_bursts(self, link_id: str, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """float64[time]: intensity of a link's traffic over the usual one, as its probes tell."""
        return self._bursts.of(link_id, times_s)

    def learn(self, flows: Mapping[tuple[str, str], float], trips: Iterable[Trip]) -> None:
        """Weights of the walks: how many vehicles made each turn unseen by cameras.

        That is the flow of the turn less what the trips explain already; a turn that they
        explain in full may still be taken by somebody. Nobody turns round where the map ends.
        """
        known: dict[tuple[str, str], float] = defaultdict(float)
        for trip in trips:
            for pair in zip(trip.links, trip.links[1:], strict=False):
                known[pair] += 1.0
        share = {
            pair: max(n - known[pair], LEAST_SHARE * n)
            for pair, n in flows.items()
            if pair not in self._turns_at_edge
        }
        self._steps = {
            forward: self._unseen_steps(share, forward=forward) for forward in (False, True)
        }

    def learn_ends(
        self, flows: Mapping[tuple[str, str], float], seen: Sequence[Trip], window: Window
    ) -> None:
        """How readily trips begin and end on a link; see ``trip_ends``."""
        readings = [
            (trip.links[k], trip.exit_s[k], k == read[0], k == read[-1])
            for trip in seen
            for read in [[k for k, observed in enumerate(trip.observed) if observed]]
            for k in read
        ]
        inside = {pair: veh for pair, veh in flows.items() if pair not in self._turns_at_edge}
        self._stay = stay_share(self.network, inside, self._missed, readings, window)

    def _unseen_steps(
        self, share: Mapping[tuple[str, str], float], *, forward: bool
    ) -> dict[str, _Step]:
        """Per link: where a vehicle goes that no camera sees beyond it, and how likely."""
        chain = unseen(self.network, share, forward=forward)
        stay = chain.stay(self._stay)
        value = chain.value(stay, self._missed)
        ends = stay / self._missed if forward else stay
        start, onward = chain.onward.indptr, chain.onward.indices
        weights = chain.onward.data * value[onward]
        found = {}
        for i, here in enumerate(self._links):
            row = slice(start[i], start[i + 1])
            links = tuple(self._links[n] for n in onward[row].tolist())
            ways = (1.0 - stay[i]) * weights[row]
            found[here] = _Step(links, tuple(ways.tolist()), float(ends[i]))
        return found

    def walk(self, start: str, forward: bool, at_s: float, taken: Sequence[str] = ()) -> list[str]:
        """Links beyond ``start`` (not included), in walking order.

        Args:
            at_s: when the vehicle left ``start``, in seconds of the service day.
            taken: links that it is on at other times.
        """
        found: list[str] = []
        seen = {start, *taken}
        here = start
        for _ in range(MAX_WALK_LINKS):
            step = self._steps[forward][here]
            if not forward:
                at_s -= self._mean_s[here]
            onward = [
                (n, w) for n, w in zip(step.links, step.weights, strict=True) if n not in seen
            ]
            if len(onward) > 1:
                onward = [(n, w * self._bursts.at(n, at_s)) for n, w in onward]
            # A vehicle that was seen leaving its link did not end on it.
            stay = step.stay if found or not forward else 0.0
            draw = self._rng.random() * (sum(w for _, w in onward) + stay)
            for option, weight in onward:
                draw -= weight
                if draw < 0:
                    here = option
                    break
            else:
                break
            if forward:
                at_s += self._mean_s[here]
            found.append(here)
            seen.add(here)
        return found


def _mean_s(network: RoadNetwork, state: LinkState) -> dict[str, float]:
    """Travel time of each link, mean over the window."""
    return dict(zip(network.links, state.travel_time_s.mean(axis=1).tolist(), strict=True))


def _unlikely_s(
    network: RoadNetwork, probes: Mapping[str, float]
) -> defaultdict[tuple[str, str], float]:
    """What it costs to take a way that few take: −log of its share of the probes, in seconds.

    The way with the least cost is then the most likely one of a Markov chain whose shares are
    those of the probes on the links ahead, drawn to the quicker ones.
    """
    cost: defaultdict[tuple[str, str], float] = defaultdict(float)
    for here, ahead in network.successors.items():
        veh = {link: probes[link] for link in ahead if probes.get(link, 0.0) > 0}
        total = sum(veh.values())
        for link, n in veh.items():
            cost[here, link] = UNLIKELY_S * float(np.log(total / n))
    return cost


def _between_sightings(trip: Trip) -> range:
    """The turns, by the index of the link they leave, that lie between two sightings.

    A camera sees a vehicle leave its link: the turn out of the first link seen is inside.
    """
    seen = [k for k, observed in enumerate(trip.observed) if observed]
    return range(seen[0], seen[-1]) if seen else range(0)


def turns_seen(trips: Iterable[Trip]) -> dict[tuple[str, str], float]:
    """Vehicles by turn that were seen both before and after it."""
    found: dict[tuple[str, str], float] = defaultdict(float)
    for trip in trips:
        for k in _between_sightings(trip):
            found[trip.links[k], trip.links[k + 1]] += 1.0
    return found


def whole_turns(
    trips: Iterable[Trip], buses: Iterable[Trip], read_ratio: float
) -> dict[tuple[str, str], float]:
    """Vehicles by turn, of turns whose both links were read: those followed, and those missed.

    Both cameras must have read a vehicle, each with ``read_ratio``; buses tell of themselves. Where
    hardly anybody was followed, clocks or plates of the two may not agree: nothing is told.
    """
    followed: dict[tuple[str, str], float] = defaultdict(float)
    for trip in trips:
        for k, pair in enumerate(itertools.pairwise(trip.links)):
            followed[pair] += trip.observed[k] and trip.observed[k + 1]
    of_buses: dict[tuple[str, str], float] = defaultdict(float)
    for trip in buses:
        for pair in itertools.pairwise(trip.links):
            of_buses[pair] += 1.0
    return {
        pair: n / read_ratio**2 + of_buses[pair]
        for pair, n in followed.items()
        if n >= LEAST_FOLLOWED_VEH
    }


def sightings(day: CheckpointDay) -> list[tuple[list[str], list[float]]]:
    """(links, times) of each token, in time order."""
    if day.passes.empty:
        return []
    token = day.passes["token"].to_numpy()
    links = day.passes["link_id"].to_numpy()
    times = day.passes["time_s"].to_numpy()
    cuts = np.flatnonzero(np.diff(token)) + 1
    return [
        (list(a), [float(t) for t in b])
        for a, b in zip(np.split(links, cuts), np.split(times, cuts), strict=True)
    ]


def fill_gaps(links: list[str], times: list[float], finder: RouteFinder) -> list[Trip]:
    """Join one token's sightings into trips; a stop-over or an impossible gap begins a new one."""
    trips = []
    path, exits, observed = [links[0]], [times[0]], [True]
    for target, at_s in zip(links[1:], times[1:], strict=True):
        gap = _gap(path[-1], exits[-1], target, at_s, finder)
        if gap is None:
            trips.append(Trip(tuple(path), tuple(exits), tuple(observed)))
            path, exits, observed = [target], [at_s], [True]
            continue
        between, gap_exits = gap
        path += between
        exits += gap_exits
        observed += [False] * (len(between) - 1) + [True]
    trips.append(Trip(tuple(path), tuple(exits), tuple(observed)))
    return trips


def _gap(
    origin: str, left_s: float, target: str, at_s: float, finder: RouteFinder
) -> tuple[list[str], list[float]] | None:
    """(links after ``origin`` up to ``target``, exit times); None: not one uninterrupted trip."""
    took = at_s - left_s
    ways = [path[1:] for path in finder.paths(origin, target) if len(path) > 1]
    if not ways or took <= 0:
        return None
    expected = [np.array([finder.travel_s(link, at_s) for link in way]) for way in ways]
    best = min(range(len(ways)), key=lambda i: abs(float(expected[i].sum()) - took))
    between, times = ways[best], expected[best]
    length = sum(finder.network.links[link].length_m for link in between)
    if length / took > MAX_SPEED_MPS:
        return None
    if took > STOPOVER_FACTOR * times.sum() + STOPOVER_ALLOWANCE_S:
        return None
    exits = left_s + took * np.cumsum(times) / times.sum()
    return between, [float(t) for t in exits]


def without_misread(trips: list[Trip]) -> list[Trip]:
    """Trips less the single sightings that another trip explains.

    A plate read wrongly makes two traces: a token seen once, and a trip that drives past the
    camera without being seen by it at that time.
    """
    unseen: dict[str, list[float]] = defaultdict(list)
    for trip in trips:
        for link, at_s, observed in zip(trip.links, trip.exit_s, trip.observed, strict=True):
            if not observed:
                unseen[link].append(at_s)
    kept = []
    for trip in trips:
        candidates = unseen.get(trip.links[0], []) if len(trip.links) == 1 else []
        nearest = min(candidates, key=lambda t: abs(t - trip.exit_s[0]), default=None)
        if nearest is not None and abs(nearest - trip.exit_s[0]) <= MISREAD_WINDOW_S:
            candidates.remove(nearest)
        else:
            kept.append(trip)
    return kept


def extend(trip: Trip, finder: RouteFinder) -> Trip:
    """Walk from the first sighting back to an origin and from the last on to a destination."""
    first_s, last_s = trip.exit_s[0], trip.exit_s[-1]
    before = finder.walk(trip.links[0], False, first_s, trip.links)[::-1]
    after = finder.walk(trip.links[-1], True, last_s, (*before, *trip.links))
    links = (*before, *trip.links, *after)
    observed = (False,) * len(before) + trip.observed + (False,) * len(after)
    exits = list(trip.exit_s)
    for link in after:
        exits.append(exits[-1] + finder.travel_s(link, exits[-1]))
    for k in range(len(before), 0, -1):
        exits.insert(0, finder.came_s(links, observed, k, exits))
    return Trip(links, tuple(exits), observed)


def depart_s(trip: Trip, finder: RouteFinder) -> float:
    """When the trip entered its first link."""
    return finder.came_s(trip.links, trip.observed, 0, trip.exit_s)


def traversals(trips: Iterable[Trip], finder: RouteFinder, max_links: int = 6) -> pd.DataFrame:
    """Travel times of links from sightings close together: link_idx, time_s, travel_time_s."""
    rows: list[tuple[int, float, float]] = []
    for trip in trips:
        last = 0
        for i in range(1, len(trip.links)):
            if not trip.observed[i]:
                continue
            if trip.observed[last] and i - last <= max_links:
                for k in range(last + 1, i + 1):
                    took = trip.exit_s[k] - trip.exit_s[k - 1]
                    rows.append((finder.network.link_idx[trip.links[k]], trip.exit_s[k], took))
            last = i
    return pd.DataFrame(rows, columns=["link_idx", "time_s", "travel_time_s"])
