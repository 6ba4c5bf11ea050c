"""How many vehicles turn where: one balance of all sources over the whole city.

Unknown are the vehicles of every turn from link to link over the window, and those that begin or
end their way on a link. Weighted least squares with no flow below zero: what enters a link leaves
it; stop-line detectors count lanes; cameras count links; probes tell how links compare; turns that
cameras saw on both sides are at least as many. Each source counts by its error, so that a lane
whose detector is dead is filled in by its neighbours and not by a rule of thumb.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

from traffic_brain.fusion.counters import TURN_WEIGHT, Counter
from traffic_brain.fusion.expected_flows import Expected, Probed, expected_flows
from traffic_brain.fusion.least_squares import non_negative, standard_errors
from traffic_brain.model.network import Connection, Link, RoadNetwork, Turn

Pair = tuple[str, str]
"""A turn: the link before and the link after."""

LANE_SPREAD_RELATIVE_SD = 0.3
"""How unevenly drivers spread over lanes: few choose one in which others wait to turn."""
COUNT_RELATIVE_SD = 0.01
UNHEARD_RELATIVE_SD = 0.25
"""Error of the vehicles that passed while no detector of the city was heard."""
CAMERA_RELATIVE_SD = 0.03
LEAST_UNSEEN_RATIO = 0.1
"""Of vehicles that are expected on a link or a turn so many may be unseen, though all were seen."""
PRIOR_RELATIVE_SD = 0.7
"""Shares of turns that nobody saw are nearly as uncertain as they are large."""
U_TURN_SHARE = 0.1
"""Share of an approach's vehicles that may turn round, though nobody is expected to."""
SEEN_RELATIVE_SD = 0.25
"""Error of turns between two sightings, where more were inferred than the link can carry."""
BELIEVABLE_RELATIVE_SD = 0.05
"""Error of turns between two sightings elsewhere."""
STAY_RATIO = 0.03
"""Share of a link's vehicles that begin or end on it, inside the city."""
STAY_M = 20.0
"""Of shorter links fewer begin or end there: nobody lives on the pieces of a roundabout."""
FOLLOWED_RELATIVE_SD, UNFOLLOWED_RELATIVE_SD = 0.1, 0.03
"""Error of a turn between two cameras: of those that both read, and of the traffic that only one of
the two can have read: a plate misread at one of them makes two vehicles of one."""
LEAST_SD_VEH = 2.0
BOUND_ROUNDS = 2
RARE_FREEDOM = 1.0
"""Of Student's t of those who begin or end on a link: most are few, and on some links hundreds."""
RARE_ROUNDS = 6
DOUBLES_BACK_COSINE = -0.85


@dataclass(frozen=True)
class Balance:
    """Vehicles of each turn (from link, to link) over the window, and their standard errors."""

    veh: Mapping[Pair, float]
    sd_veh: Mapping[Pair, float]


@dataclass(frozen=True)
class Sightings:
    """What cameras and probes say of links and turns over the window."""

    cameras: Mapping[str, float]
    """Vehicles by link with a working camera, those it did not read included."""
    probes: Mapping[str, Probed]
    """Probe vehicles of every link; empty: there is no such feed."""
    turns: Mapping[Pair, float]
    """Vehicles seen on both sides of a turn."""
    whole_turns: Mapping[Pair, float] = field(default_factory=dict)
    """Vehicles of turns with a working camera on both links, those they did not read included."""


def balanced_flows(
    network: RoadNetwork,
    counters: Iterable[Counter],
    sightings: Sightings,
    heard_ratio: float = 1.0,
) -> Balance:
    """Vehicles of each turn over the window, by (from link, to link), with their errors.

    ``heard_ratio``: share of the window's traffic that drove while detectors were heard.
    """
    counted = [_over_window(c, heard_ratio) for c in counters if heard_ratio > 0]
    turns = turns_of(network)
    if not turns:
        return Balance({}, {})
    system = _Equations(turns)
    expected = expected_flows(network, counted, sightings.cameras, sightings.probes)
    _conserve(system, network, turns, expected)
    _expect(system, turns, expected, sightings.turns)
    _count(system, network, counted, COUNT_RELATIVE_SD + UNHEARD_RELATIVE_SD * (1 - heard_ratio))
    for link_id, seen in sightings.cameras.items():
        if link_id not in system.sink:
            continue
        system.add(system.carried(link_id), seen, LEAST_SD_VEH + CAMERA_RELATIVE_SD * seen)
    _follow_between_cameras(system, sightings)
    found = system.solve()
    flows = system.by_turn(found)
    seen_totals = _by_first_link(sightings.turns)
    for _ in range(BOUND_ROUNDS):
        below = [p for p, n in sightings.turns.items() if p in turns and flows[p] < n]
        for pair in below:
            seen = sightings.turns[pair]
            believable = seen_totals[pair[0]] <= expected.veh[pair[0]] * (1 + COUNT_RELATIVE_SD)
            error = BELIEVABLE_RELATIVE_SD if believable else SEEN_RELATIVE_SD
            system.add({system.turn[pair]: 1.0}, seen, LEAST_SD_VEH + error * seen)
        found = system.solve() if below else found
        flows = system.by_turn(found)
    return Balance(flows, system.by_turn(system.errors(found)))


def _follow_between_cameras(system: _Equations, sightings: Sightings) -> None:
    """A turn with a camera on both links is known as a whole.

    Elsewhere those that were seen turning are only the least that can have turned.
    """
    for pair, veh in sightings.whole_turns.items():
        if pair not in system.turn:
            continue
        carried = min(sightings.cameras.get(link, veh) for link in pair)
        error = FOLLOWED_RELATIVE_SD * veh + UNFOLLOWED_RELATIVE_SD * carried
        system.add({system.turn[pair]: 1.0}, veh, LEAST_SD_VEH + error)


def turns_of(network: RoadNetwork) -> dict[Pair, Turn]:
    """Every turn that a car can make, with its direction as driven."""
    links = network.links
    return {
        (c.from_link, c.to_link): driven_turn(c, links)
        for c in network.connections
        if c.from_lane_idx in links[c.from_link].car_lanes and links[c.to_link].car_lanes
    }


def turns_at_edge(turns: Mapping[Pair, Turn]) -> frozenset[Pair]:
    """U-turns that are the only way off their first link or on to their second.

    There the map ends: whoever drives on leaves the city, and does not turn round.
    """
    straight = [pair for pair, turn in turns.items() if turn is not Turn.UTURN]
    onward, reached = {a for a, _ in straight}, {b for _, b in straight}
    return frozenset(
        (a, b)
        for (a, b), turn in turns.items()
        if turn is Turn.UTURN and (a not in onward or b not in reached)
    )


def driven_turn(connection: Connection, links: Mapping[str, Link]) -> Turn:
    """The connection's turn, and UTURN where the way doubles back on itself.

    Where a map is cut out of a larger one, its dual carriageways are joined at the edge by
    connections that are drawn as an ordinary bend.
    """
    a, b = links[connection.from_link].shape, links[connection.to_link].shape
    ahead = np.subtract(a[-1], a[0])
    onward = np.subtract(b[-1], b[0])
    size = float(np.hypot(*ahead) * np.hypot(*onward))
    if size > 0 and float(ahead @ onward) / size < DOUBLES_BACK_COSINE:
        return Turn.UTURN
    return connection.turn


@dataclass
class _Equations:
    """Rows of the least-squares system: sparse coefficients, value, both divided by the error."""

    turns: Mapping[Pair, Turn]
    turn: dict[Pair, int] = field(init=False)
    leaving: defaultdict[str, list[int]] = field(init=False)
    entering: defaultdict[str, list[int]] = field(init=False)
    source: dict[str, int] = field(init=False)
    sink: dict[str, int] = field(init=False)
    _entries: list[tuple[int, int, float]] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _rare: dict[int, float] = field(default_factory=dict)
    """Index of the entry of a rare unknown -> its usual size."""

    def __post_init__(self) -> None:
        self.turn = {pair: i for i, pair in enumerate(self.turns)}
        self.leaving, self.entering = defaultdict(list), defaultdict(list)
        for (a, b), i in self.turn.items():
            self.leaving[a].append(i)
            self.entering[b].append(i)
        links = dict.fromkeys(link for pair in self.turns for link in pair)
        self.source = {link: len(self.turn) + i for i, link in enumerate(links)}
        self.sink = {link: len(self.turn) + len(links) + i for i, link in enumerate(links)}

    def carried(self, link_id: str) -> dict[int, float]:
        """Coefficients of a link's vehicles: those that turn at its end, or end their way on it."""
        return {**dict.fromkeys(self.leaving[link_id], 1.0), self.sink[link_id]: 1.0}

    def add(self, coefficients: Mapping[int, float], value: float, sd: float) -> None:
        """Σ coefficient · unknown = value, give or take ``sd``."""
        row = len(self._values)
        self._entries += [(row, i, c / sd) for i, c in coefficients.items()]
        self._values.append(value / sd)

    def add_rare(self, unknown: int, sd: float) -> None:
        """An unknown that is mostly within ``sd`` of zero, and now and then anything."""
        self._rare[len(self._entries)] = sd
        self.add({unknown: 1.0}, 0.0, sd)

    def solve(self) -> np.ndarray:
        """float64[unknown] ≥ 0: what fits best.

        Rare unknowns follow Student's t of ``RARE_FREEDOM``, by least squares with weights of their
        own, again and again (Lange, Little, Taylor 1989).
        """
        found = non_negative(self._matrix(), np.array(self._values))
        for _ in range(RARE_ROUNDS if self._rare else 0):
            for entry, sd in self._rare.items():
                row, unknown, _ = self._entries[entry]
                size = (RARE_FREEDOM + (found[unknown] / sd) ** 2) / (RARE_FREEDOM + 1.0)
                self._entries[entry] = (row, unknown, 1.0 / (sd * size**0.5))
            found = non_negative(self._matrix(), np.array(self._values))
        return found

    def errors(self, found: np.ndarray) -> np.ndarray:
        """float64[unknown]: standard errors of what was found."""
        return standard_errors(self._matrix(), np.array(self._values), found)

    def by_turn(self, values: np.ndarray) -> dict[Pair, float]:
        return {pair: float(values[i]) for pair, i in self.turn.items()}

    def _matrix(self) -> csr_matrix:
        rows, columns, entries = zip(*self._entries, strict=True)
        size = (len(self._values), len(self.turn) + 2 * len(self.source))
        return coo_matrix((entries, (rows, columns)), shape=size).tocsr()


def _over_window(counter: Counter, heard_ratio: float) -> Counter:
    """The counter with what its lanes carried while nothing was heard."""
    return replace(counter, lane_counts=tuple(n / heard_ratio for n in counter.lane_counts))


def _conserve(
    system: _Equations,
    network: RoadNetwork,
    turns: Mapping[Pair, Turn],
    expected: Expected,
) -> None:
    """What enters a link leaves it; inside the city few vehicles begin or end their way."""
    onward = {a for (a, _), turn in turns.items() if turn is not Turn.UTURN}
    reached = {b for (_, b), turn in turns.items() if turn is not Turn.UTURN}
    for link_id in system.source:
        expected_veh = expected.most(link_id)
        row = dict.fromkeys(system.entering[link_id], 1.0)
        row[system.source[link_id]] = 1.0
        for i in (*system.leaving[link_id], system.sink[link_id]):
            row[i] = row.get(i, 0.0) - 1.0
        storage_veh = network.links[link_id].storage_veh
        system.add(row, 0.0, 0.5 + 0.1 * min(storage_veh, expected_veh))
        short = min(network.links[link_id].length_m / STAY_M, 1.0)
        stay_sd = LEAST_SD_VEH + STAY_RATIO * short * expected_veh
        if link_id in onward:
            system.add_rare(system.sink[link_id], stay_sd)
        if link_id in reached:
            system.add_rare(system.source[link_id], stay_sd)


def _expect(
    system: _Equations,
    turns: Mapping[Pair, Turn],
    expected: Expected,
    seen: Mapping[Pair, float],
) -> None:
    """Links carry what their probes say; who was not seen turning splits up by weight.

    The split holds of whatever leaves a link, so that it says nothing of how much that is.
    """
    at_edge = turns_at_edge(turns)
    weights = {
        (a, b): TURN_WEIGHT[turn] * (expected.veh[b] + LEAST_SD_VEH)
        for (a, b), turn in turns.items()
    }
    followed = _followed({pair: seen.get(pair, 0.0) for pair in turns}, expected)
    shares = _shares_of_unseen(weights, followed, expected)
    totals = _by_first_link(followed)
    for pair, share in shares.items():
        link_id = pair[0]
        most = expected.most(link_id)
        unseen = max(most - totals[link_id], LEAST_UNSEEN_RATIO * most)
        error = PRIOR_RELATIVE_SD * share
        if turns[pair] is Turn.UTURN and pair not in at_edge:
            error = float(np.hypot(error, U_TURN_SHARE))
        row = dict.fromkeys(system.leaving[link_id], -share)
        row[system.turn[pair]] += 1.0
        system.add(row, followed[pair] - share * totals[link_id], LEAST_SD_VEH + error * unseen)
    for link_id in system.sink:
        error = LEAST_SD_VEH + expected.sd_veh[link_id]
        system.add(system.carried(link_id), expected.veh[link_id], error)


def _followed(seen: Mapping[Pair, float], expected: Expected) -> dict[Pair, float]:
    """Vehicles seen turning, or so many in proportion as a link may carry."""
    totals = _by_first_link(seen)
    return {
        pair: n * min(expected.most(pair[0]) / totals[pair[0]], 1.0) if n > 0 else 0.0
        for pair, n in seen.items()
    }


def _shares_of_unseen(
    weights: Mapping[Pair, float], followed: Mapping[Pair, float], expected: Expected
) -> dict[Pair, float]:
    """How those split up that were not seen turning: as all by their weights, less the seen.

    Where no camera follows nobody is seen, however many turn.
    """
    totals = _by_first_link(weights)
    due = {
        pair: expected.veh[pair[0]] * weight / totals[pair[0]] if weight else 0.0
        for pair, weight in weights.items()
    }
    rest = {pair: max(n - followed[pair], LEAST_UNSEEN_RATIO * n) for pair, n in due.items()}
    totals = _by_first_link(rest)
    return {pair: n / totals[pair[0]] if n > 0 else 0.0 for pair, n in rest.items()}


def _by_first_link(values: Mapping[Pair, float]) -> defaultdict[str, float]:
    totals: defaultdict[str, float] = defaultdict(float)
    for (link_id, _), value in values.items():
        totals[link_id] += value
    return totals


def _count(
    system: _Equations, network: RoadNetwork, counters: list[Counter], relative_sd: float
) -> None:
    """Detectors count lanes; drivers of a movement spread evenly over the lanes it leaves from."""
    lanes_of = {(m.from_link, m.to_link): m.lanes for m in network.movements.values()}
    for counter in counters:
        pairs = [(counter.link_id, to_link) for to_link in sorted(counter.to_links)]
        pairs = [pair for pair in pairs if pair in system.turn]
        if not pairs:
            continue
        if counter.complete:
            total = sum(counter.lane_counts)
            row = {system.turn[pair]: 1.0 for pair in pairs}
            system.add(row, total, 1.0 + relative_sd * total)
        if counter.complete and len(pairs) == 1:
            continue
        usual = LANE_SPREAD_RELATIVE_SD * float(np.nanmean(counter.lane_counts))
        for lane, seen in zip(counter.lanes, counter.lane_counts, strict=True):
            row = {system.turn[p]: 1.0 / len(lanes_of[p]) for p in pairs if lane in lanes_of[p]}
            if row and np.isfinite(seen):
                system.add(row, float(seen), float(np.hypot(max(seen, 1.0) ** 0.5, usual)))
