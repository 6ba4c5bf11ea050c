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
from scipy.sparse import coo_matrix, csc_matrix, csr_matrix, diags, identity
from scipy.sparse.linalg import norm, splu

from traffic_brain.fusion.counters import TURN_WEIGHT, Counter
from traffic_brain.model.network import Connection, Link, RoadNetwork, Turn

Pair = tuple[str, str]
"""A turn: the link before and the link after."""

LANE_SPREAD_RELATIVE_SD = 0.3
"""How unevenly drivers spread over lanes: few choose one in which others wait to turn."""
COUNT_RELATIVE_SD = 0.01
UNHEARD_RELATIVE_SD = 0.25
"""Error of the vehicles that passed while no detector of the city was heard."""
CAMERA_RELATIVE_SD = 0.03
PROBE_RELATIVE_SD = 0.5
COVERED_RATIO = 0.9
"""Where so many of the known vehicles drive where probes do, probes are looked for everywhere."""
UNSEEN_SAMPLES = 0.5
"""Samples that a link is worth on which no probe sent any (Jeffreys' prior of a Poisson count)."""
TRUST_RATIO = 0.7
"""By so much the prior's error shrinks where all of an approach's vehicles were seen turning."""
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
LEAST_SD_VEH = 2.0
BOUND_ROUNDS = 2
RIDGE = 1e-12
TOLERANCE = 1e-9
PATIENCE = 3
MAX_PIVOTS = 200
DRAWS = 64
ERROR_RIDGE = 1e-9
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
    probes: Mapping[str, float]
    """Probe vehicles by link, up to a factor common to the city: samples × m/s / length."""
    turns: Mapping[Pair, float]
    """Vehicles seen on both sides of a turn."""


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
    expected = _expected_veh(network, counted, sightings)
    _conserve(system, network, turns, expected.scale_veh)
    _expect(system, turns, expected, sightings.turns)
    _count(system, network, counted, COUNT_RELATIVE_SD + UNHEARD_RELATIVE_SD * (1 - heard_ratio))
    for link_id, seen in sightings.cameras.items():
        if link_id not in system.sink:
            continue
        leaving = {**dict.fromkeys(system.leaving[link_id], 1.0), system.sink[link_id]: 1.0}
        system.add(leaving, seen, LEAST_SD_VEH + CAMERA_RELATIVE_SD * seen)
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


@dataclass(frozen=True)
class _Expected:
    """Vehicles of each link before any balance, and by how many that may be wrong."""

    veh: Mapping[str, float]
    scale_veh: Mapping[str, float]
    """Errors are ratios of this; more than ``veh`` where no probe says little of the link."""


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

    def __post_init__(self) -> None:
        self.turn = {pair: i for i, pair in enumerate(self.turns)}
        self.leaving, self.entering = defaultdict(list), defaultdict(list)
        for (a, b), i in self.turn.items():
            self.leaving[a].append(i)
            self.entering[b].append(i)
        links = dict.fromkeys(link for pair in self.turns for link in pair)
        self.source = {link: len(self.turn) + i for i, link in enumerate(links)}
        self.sink = {link: len(self.turn) + len(links) + i for i, link in enumerate(links)}

    def add(self, coefficients: Mapping[int, float], value: float, sd: float) -> None:
        """Σ coefficient · unknown = value, give or take ``sd``."""
        row = len(self._values)
        self._entries += [(row, i, c / sd) for i, c in coefficients.items()]
        self._values.append(value / sd)

    def solve(self) -> np.ndarray:
        """float64[unknown] ≥ 0: what fits best."""
        return non_negative(self._matrix(), np.array(self._values))

    def errors(self, found: np.ndarray) -> np.ndarray:
        """float64[unknown]: standard errors of what was found."""
        return standard_errors(self._matrix(), np.array(self._values), found)

    def by_turn(self, values: np.ndarray) -> dict[Pair, float]:
        return {pair: float(values[i]) for pair, i in self.turn.items()}

    def _matrix(self) -> csr_matrix:
        rows, columns, entries = zip(*self._entries, strict=True)
        size = (len(self._values), len(self.turn) + 2 * len(self.source))
        return coo_matrix((entries, (rows, columns)), shape=size).tocsr()


def non_negative(matrix: csr_matrix, values: np.ndarray) -> np.ndarray:
    """float64[unknown] ≥ 0 that minimises the squares of matrix · x − values.

    Columns are brought to one size, so that it does not matter in which unit an unknown counts.
    ``RIDGE`` makes the matrix one of full rank; where rounding still leads the pivoting in
    circles it is raised, and with it the matrix comes nearer to one that is solved at a glance.
    """
    size = norm(matrix, axis=0)
    size[size == 0] = 1.0
    unit = matrix @ diags(1.0 / size)
    normal, right = unit.T @ unit, unit.T @ values
    ridge, found = RIDGE, None
    while found is None:
        found = _pivoted((normal + ridge * identity(len(right))).tocsc(), right)
        ridge *= 100
    return np.asarray(found / size)


def standard_errors(matrix: csr_matrix, values: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64[unknown]: how far the solution moves when each row errs as it says it may.

    The root of the diagonal of (AᵀA)⁻¹, from ``DRAWS`` draws of the rows' errors (its own relative
    error is 1/√(2 · DRAWS)): with the columns of those above zero alone; for those that are held
    at zero with all columns, as nobody is sure that they are zero. Where the rows contradict each
    other more than they say, all errors grow by the root of χ² per degree of freedom.
    """
    free = found > 0
    errors = _errors_of(matrix)
    errors[free] = _errors_of(matrix[:, np.flatnonzero(free)])
    misfit = matrix @ found - values
    spare = max(matrix.shape[0] - np.count_nonzero(free), 1)
    scale = max(float(misfit @ misfit) / spare, 1.0) ** 0.5
    return np.asarray(errors * scale)


def _errors_of(matrix: csr_matrix) -> np.ndarray:
    """float64[column]: root of the diagonal of (AᵀA)⁻¹, from draws."""
    size = norm(matrix, axis=0)
    size[size == 0] = RIDGE**0.5
    unit = (matrix @ diags(1.0 / size)).tocsc()
    factors = splu((unit.T @ unit + ERROR_RIDGE * identity(len(size))).tocsc())
    noise = np.random.default_rng(0).standard_normal((matrix.shape[0], DRAWS))
    moved = factors.solve(unit.T @ noise)
    return np.asarray(np.sqrt((moved**2).mean(axis=1)) / size)


def _pivoted(normal: csc_matrix, right: np.ndarray) -> np.ndarray | None:
    """float64[unknown] x ≥ 0 with normal · x ≥ right, one of the two equal; None: not found.

    Block principal pivoting (Portugal, Júdice, Vicente 1994): unknowns that came out below zero
    are held at zero, those held against their gradient are freed, all at once; when that goes in
    circles, one at a time, which would end for every full-rank matrix but for rounding.
    """
    tolerance = TOLERANCE * np.abs(right).max(initial=0.0)
    free = np.ones(len(right), dtype=bool)
    fewest, patience = len(free) + 1, PATIENCE
    for _ in range(MAX_PIVOTS):
        x = np.zeros(len(free))
        idx = np.flatnonzero(free)
        x[idx] = splu(normal[idx][:, idx]).solve(right[idx]) if len(idx) else 0.0
        gradient = normal @ x - right
        wrong = np.flatnonzero(np.where(free, x < -tolerance, gradient < -tolerance))
        if not len(wrong):
            return np.maximum(x, 0.0)
        if len(wrong) < fewest:
            fewest, patience = len(wrong), PATIENCE
        else:
            patience -= 1
        if patience < 0:
            wrong = wrong[-1:]
        free[wrong] = ~free[wrong]
    return None


def _over_window(counter: Counter, heard_ratio: float) -> Counter:
    """The counter with what its lanes carried while nothing was heard."""
    return replace(counter, lane_counts=tuple(n / heard_ratio for n in counter.lane_counts))


def _expected_veh(network: RoadNetwork, counters: list[Counter], sightings: Sightings) -> _Expected:
    """What each link carries: counted, else by its probes, else as usual.

    Where no link is counted whole, those that are counted in part tell what is usual. A link that
    no probe drove although probes drive all over the city is likely empty, or closed to them.
    """
    known = _known_veh(network, counters, sightings)
    probes = sightings.probes
    both = [link_id for link_id in known if probes.get(link_id, 0.0) > 0]
    known_veh, both_veh = sum(known.values()), sum(known[k] for k in both)
    per_probe = both_veh / sum(probes[k] for k in both) if both else 0.0
    expected = known | {k: n * per_probe for k, n in probes.items() if k not in known}
    usual = float(np.mean(list(expected.values()))) if expected else 0.0
    unseen = dict.fromkeys(network.links, usual)
    if both and both_veh >= COVERED_RATIO * known_veh:
        per_sample = UNSEEN_SAMPLES * per_probe
        for link in network.links.values():
            one = per_sample * link.free_flow_speed_mps / max(link.length_m, 1.0)
            unseen[link.link_id] = min(usual, one)
    return _Expected(unseen | expected, dict.fromkeys(network.links, usual) | expected)


def _known_veh(
    network: RoadNetwork, counters: list[Counter], sightings: Sightings
) -> dict[str, float]:
    """Vehicles of the links that cameras or detectors on every lane count."""
    counted: dict[str, float] = defaultdict(float)
    partly: dict[str, float] = defaultdict(float)
    whole: dict[str, set[int]] = defaultdict(set)
    for counter in counters:
        partly[counter.link_id] += float(np.nanmean(counter.lane_counts)) * len(counter.lanes)
        if counter.complete:
            counted[counter.link_id] += sum(counter.lane_counts)
            whole[counter.link_id] |= set(counter.lanes)
    known = {
        link_id: n
        for link_id, n in counted.items()
        if whole[link_id] >= set(network.links[link_id].car_lanes)
    } | dict(sightings.cameras)
    return known or dict(partly)


def _conserve(
    system: _Equations,
    network: RoadNetwork,
    turns: Mapping[Pair, Turn],
    expected: Mapping[str, float],
) -> None:
    """What enters a link leaves it; inside the city few vehicles begin or end their way."""
    onward = {a for (a, _), turn in turns.items() if turn is not Turn.UTURN}
    reached = {b for (_, b), turn in turns.items() if turn is not Turn.UTURN}
    for link_id in system.source:
        expected_veh = expected[link_id]
        row = dict.fromkeys(system.entering[link_id], 1.0)
        row[system.source[link_id]] = 1.0
        for i in (*system.leaving[link_id], system.sink[link_id]):
            row[i] = row.get(i, 0.0) - 1.0
        storage_veh = network.links[link_id].storage_veh
        system.add(row, 0.0, 0.5 + 0.1 * min(storage_veh, expected_veh))
        stay_sd = LEAST_SD_VEH + STAY_RATIO * expected_veh
        if link_id in onward:
            system.add({system.sink[link_id]: 1.0}, 0.0, stay_sd)
        if link_id in reached:
            system.add({system.source[link_id]: 1.0}, 0.0, stay_sd)


def _expect(
    system: _Equations,
    turns: Mapping[Pair, Turn],
    expected: _Expected,
    seen: Mapping[Pair, float],
) -> None:
    """Links carry what their probes say, and split over turns as was seen, else by weight."""
    at_edge = turns_at_edge(turns)
    weights = {
        (a, b): TURN_WEIGHT[turn] * (expected.veh[b] + LEAST_SD_VEH)
        for (a, b), turn in turns.items()
    }
    totals, seen_totals = _by_first_link(weights), _by_first_link(seen)
    for pair, weight in weights.items():
        link_id = pair[0]
        share = weight / totals[link_id] if weight else 0.0
        trust = min(seen_totals[link_id] / max(expected.veh[link_id], 1.0), 1.0)
        if trust > 0:
            share += trust * (seen.get(pair, 0.0) / seen_totals[link_id] - share)
        error = PRIOR_RELATIVE_SD * share * expected.scale_veh[link_id]
        if turns[pair] is Turn.UTURN and pair not in at_edge:
            error = float(np.hypot(error, U_TURN_SHARE * expected.scale_veh[link_id]))
        error *= 1.0 - TRUST_RATIO * trust
        system.add({system.turn[pair]: 1.0}, expected.veh[link_id] * share, LEAST_SD_VEH + error)
    for link_id, leaving in system.leaving.items():
        error = PROBE_RELATIVE_SD * expected.scale_veh[link_id]
        row = {**dict.fromkeys(leaving, 1.0), system.sink[link_id]: 1.0}
        system.add(row, expected.veh[link_id], 5.0 + error)


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
