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

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import numpy as np
import pandas as pd

from traffic_brain.feeds.checkpoint import CheckpointDay
from traffic_brain.fusion.counters import TURN_WEIGHT, Counter
from traffic_brain.fusion.link_state import LinkState
from traffic_brain.fusion.turning import turning_flows
from traffic_brain.model.network import Connection, Link, RoadNetwork, Turn

MISSED_RATIO = 0.05
"""Share of vehicles that a working camera does not read."""
MISSED_PENALTY_S = 60.0
MISREAD_WINDOW_S = 45.0
STOPOVER_FACTOR = 4.0
STOPOVER_ALLOWANCE_S = 600.0
MAX_SPEED_MPS = 150 / 3.6
STAY_SHARE = 0.03
"""Share of vehicles that begin or end on a link, against those that merely pass it."""
MAX_WALK_LINKS = 60
VALUE_ROUNDS = 60
UNCOUNTED_VEH = 0.3
"""Worth of a through movement that nobody counted, against vehicles counted elsewhere."""
DOUBLES_BACK_COSINE = -0.85
LEAST_PROBES = 0.5
"""A way on which no probe was seen may still be taken."""
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
        probe_flow: Mapping[str, float],
        seed: int,
    ) -> None:
        self.network = network
        self.cameras = cameras
        self._probe_flow = probe_flow
        self._state = state
        self._rng = np.random.default_rng(seed)
        free = {k: v.length_m / v.free_flow_speed_mps for k, v in network.links.items()}
        observed = dict(zip(network.links, state.travel_time_s.mean(axis=1), strict=True))
        self._graphs = [self._link_graph(free), self._link_graph(observed)]
        self._paths: dict[str, list[Mapping[str, list[str]]]] = {}
        self._steps: dict[bool, dict[str, _Step]] = {}
        self._lanes_of = {(m.from_link, m.to_link): m.lanes for m in network.movements.values()}
        self.learn([], [])

    def _link_graph(self, travel_s: Mapping[str, float]) -> nx.DiGraph[str]:
        graph: nx.DiGraph[str] = nx.DiGraph()
        links = self.network.links
        for c in self.network.connections:
            if (
                c.from_lane_idx not in links[c.from_link].car_lanes
                or not links[c.to_link].car_lanes
            ):
                continue
            missed = MISSED_PENALTY_S if c.to_link in self.cameras else 0.0
            turn = driven_turn(c, links)
            cost = travel_s[c.to_link] + _TURN_S[turn] + missed
            graph.add_edge(c.from_link, c.to_link, cost=cost)
        return graph

    def paths(self, origin: str, target: str) -> list[list[str]]:
        """Ways from ``origin`` to ``target``, both included.

        The fastest on empty roads and, where it is another, the fastest by what was observed.
        """
        if origin not in self._graphs[0]:
            return []
        if origin not in self._paths:
            self._paths[origin] = [
                nx.single_source_dijkstra_path(graph, origin, weight="cost")
                for graph in self._graphs
            ]
        found = [paths[target] for paths in self._paths[origin] if target in paths]
        return found[:1] if len(found) == 2 and found[0] == found[1] else found

    def travel_s(self, link_id: str, at_s: float) -> float:
        """Observed travel time of a link for a vehicle that leaves it about ``at_s``."""
        bin_idx = int(self._state.window.bin_idx(np.array([at_s]))[0])
        return float(self._state.travel_time_s[self.network.link_idx[link_id], bin_idx])

    def learn(self, trips: Iterable[Trip], counters: Iterable[Counter]) -> None:
        """Weights of the walks: how many vehicles made each transition unseen by cameras.

        Where detectors count, that is what they counted, by the turns that their lanes tell,
        less what the trips explain already; elsewhere a turn is worth what probe vehicles show
        on the links it joins.
        """
        seen: dict[tuple[str, str], float] = defaultdict(float)
        for trip in trips:
            for pair in zip(trip.links, trip.links[1:], strict=False):
                seen[pair] += 1.0
        prior = self._prior()
        share = dict(prior)
        for counter in counters:
            pairs = [(counter.link_id, exit_link) for exit_link in sorted(counter.to_links)]
            known = np.array([seen.get(pair, 0.0) for pair in pairs])
            turning = self._turning(counter, pairs, np.array([prior[pair] for pair in pairs]))
            missing = np.maximum(turning - known, 0.0)
            rest = max(float(np.nansum(counter.counted)) - float(known.sum()), 0.0)
            parts = missing if missing.any() else turning
            for pair, part in zip(pairs, parts / (parts.sum() or 1.0), strict=True):
                share[pair] += rest * float(part)
        self._steps = {
            forward: self._unseen_steps(share, forward=forward) for forward in (False, True)
        }

    def _prior(self) -> dict[tuple[str, str], float]:
        """What a transition is worth before anybody counted it."""
        found: dict[tuple[str, str], float] = {}
        for c in self.network.connections:
            probes = min(
                self._probe_flow.get(c.from_link, 0.0), self._probe_flow.get(c.to_link, 0.0)
            )
            weight = TURN_WEIGHT[driven_turn(c, self.network.links)]
            found[c.from_link, c.to_link] = UNCOUNTED_VEH * weight * (LEAST_PROBES + probes)
        return found

    def _turning(
        self, counter: Counter, pairs: Sequence[tuple[str, str]], prior: np.ndarray
    ) -> np.ndarray:
        """float64[pair]: vehicles of a counter on each of its movements."""
        if prior.sum() == 0:
            prior = np.ones(len(pairs))
        total = float(np.nansum(counter.counted))
        return turning_flows(
            counter.lane_counts,
            counter.lanes,
            [self._lanes_of[pair] for pair in pairs],
            prior * total / prior.sum(),
        )

    def _unseen_steps(
        self, share: Mapping[tuple[str, str], float], *, forward: bool
    ) -> dict[str, _Step]:
        """Per link: where a vehicle goes that no camera sees beyond it, and how likely.

        Vehicles are seen where they *leave* a link. A vehicle ends (or began) on a link with
        ``STAY_SHARE``, and certainly where no way leads on; it is unseen on all it passes.
        """
        neighbours = self.network.successors if forward else self.network.predecessors
        onward: dict[str, list[tuple[str, float]]] = {}
        for here in self.network.links:
            weights = {
                n: share[(here, n) if forward else (n, here)]
                for n in neighbours[here]
                if n in self._graphs[0]
            }
            total = sum(weights.values())
            onward[here] = [(n, w / total) for n, w in weights.items() if w > 0]
        stay = {here: STAY_SHARE if found else 1.0 for here, found in onward.items()}
        missed = {k: MISSED_RATIO if k in self.cameras else 1.0 for k in onward}
        value = dict.fromkeys(onward, 1.0)
        for _ in range(VALUE_ROUNDS):
            passing = {
                here: (1 - stay[here]) * sum(p * value[n] for n, p in found)
                for here, found in onward.items()
            }
            # Forward, ending on a link is not leaving it; backward, every link was left.
            value = {
                here: stay[here] + missed[here] * passing[here]
                if forward
                else missed[here] * (stay[here] + passing[here])
                for here in onward
            }
        return {
            here: _Step(
                tuple(n for n, _ in found),
                tuple((1 - stay[here]) * p * value[n] for n, p in found),
                stay[here] / missed[here] if forward else stay[here],
            )
            for here, found in onward.items()
        }

    def walk(self, start: str, forward: bool, taken: Sequence[str] = ()) -> list[str]:
        """Links beyond ``start`` (not included), in walking order."""
        found: list[str] = []
        seen = {start, *taken}
        here = start
        for _ in range(MAX_WALK_LINKS):
            step = self._steps[forward][here]
            onward = [
                (n, w) for n, w in zip(step.links, step.weights, strict=True) if n not in seen
            ]
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
            found.append(here)
            seen.add(here)
        return found


def driven_turn(connection: Connection, links: Mapping[str, Link]) -> Turn:
    """The connection's turn, and UTURN where the way doubles back on itself.

    Where a map is cut out of a larger one, its dual carriageways are joined at the edge by
    connections that are drawn as an ordinary bend.
    """
    a, b = links[connection.from_link].shape, links[connection.to_link].shape
    ax, ay = a[-1][0] - a[0][0], a[-1][1] - a[0][1]
    bx, by = b[-1][0] - b[0][0], b[-1][1] - b[0][1]
    size = math.hypot(ax, ay) * math.hypot(bx, by)
    if size > 0 and (ax * bx + ay * by) / size < DOUBLES_BACK_COSINE:
        return Turn.UTURN
    return connection.turn


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
    before = finder.walk(trip.links[0], forward=False, taken=trip.links)[::-1]
    after = finder.walk(trip.links[-1], forward=True, taken=(*before, *trip.links))
    exits = list(trip.exit_s)
    for link in (([*before, trip.links[0]])[1:])[::-1]:
        exits.insert(0, exits[0] - finder.travel_s(link, exits[0]))
    for link in after:
        exits.append(exits[-1] + finder.travel_s(link, exits[-1]))
    return Trip(
        (*before, *trip.links, *after),
        tuple(exits),
        (False,) * len(before) + trip.observed + (False,) * len(after),
    )


def depart_s(trip: Trip, finder: RouteFinder) -> float:
    """When the trip entered its first link."""
    return trip.exit_s[0] - finder.travel_s(trip.links[0], trip.exit_s[0])


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
