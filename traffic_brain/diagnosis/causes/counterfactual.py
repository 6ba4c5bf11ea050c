"""An area driven again with one thing otherwise: what its vehicles would have lost.

All runs of a case drive the same draws of the demand (common random numbers), so that what differs
is the thing that was changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from traffic_brain.diagnosis.causes.areas import City
from traffic_brain.diagnosis.queue_model import (
    QueueRun,
    StreetMap,
    Way,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.fusion.window import BIN_S
from traffic_brain.kernels.queues import Journeys, Streets
from traffic_brain.model.signals import SignalPlan

Plans = Mapping[str, SignalPlan]
Change = Callable[[StreetMap], Streets]
Lane = tuple[str, int]
"""A link and the index of one of its lanes: the same in every area that holds it."""
SPREAD_S = 30.0
"""In a draw of the demand each vehicle comes up to so much earlier or later."""
REDRAWN_PROB = 0.15
"""Probability that a vehicle of a draw is another one, drawn from all of the area."""
DRAWS = 3
STANDING_RATIO = 0.75
"""Of those who are losing time in a bin, who still stand at its end; the others only brake."""
STOOD_S = 60.0
"""Lost per vehicle in the last bin, above which a queue stood there at its end."""


def as_it_is(streets: StreetMap) -> Streets:
    """No change."""
    return streets.streets


@dataclass(frozen=True)
class Doubt:
    """Of the vehicles that took some turns of a link, only a share is believed to have driven."""

    link_id: str
    to_links: frozenset[str]
    ratio: float

    def believed(self, way: Way) -> float:
        """The share of vehicles that drove this way to believe in."""
        doubted = any(a == self.link_id and b in self.to_links for a, b in pairwise(way[1]))
        return self.ratio if doubted else 1.0


@dataclass(frozen=True, eq=False)
class Area:
    """Streets, plans and vehicles around one head, and runs of them.

    bins: [first, end) of the day's bins that are driven.
    doubt: of whom some may never have driven; None: all who were observed did.
    """

    city: City
    junctions: tuple[str, ...]
    bins: tuple[int, int]
    seed: int
    doubt: Doubt | None = None
    runs: list[int] = field(default_factory=lambda: [0])
    """How often the area was driven."""

    @cached_property
    def links(self) -> tuple[str, ...]:
        return self.city.links_of(self.junctions)

    @cached_property
    def streets(self) -> StreetMap:
        return street_map(self.city.cut(self.links, self.junctions))

    @cached_property
    def plans(self) -> dict[str, SignalPlan]:
        """The plans that ran."""
        running = self.city.state.running_plans
        return {j: running[j] for j in self.junctions if j in running}

    @property
    def window_s(self) -> tuple[int, int]:
        begin = self.city.state.window.begin_s
        return begin + self.bins[0] * BIN_S, begin + self.bins[1] * BIN_S

    @cached_property
    def ways(self) -> list[Way]:
        """Who drove here, and who still stood in a queue at the end: no feed saw them through."""
        seen = self.city.ways(self.links, *self.window_s)
        ways = sorted([*seen, *self._left_over(seen)])
        if self.doubt is None:
            return ways
        drawn = np.random.default_rng([self.seed, 55]).random(len(ways)).tolist()
        return [w for w, at in zip(ways, drawn, strict=True) if at < self.doubt.believed(w)]

    def _left_over(self, seen: Sequence[Way]) -> list[Way]:
        """As many like those seen on an approach as stood there, over the whole window."""
        streets, rng = self.city.streets, np.random.default_rng([self.seed, 77])
        begin, end = self.window_s
        found: list[Way] = []
        for i in sorted({streets.of_link[k] for k in self.links}):
            last = self.bins[1] - 1
            if streets.delay_s[i, last] < STOOD_S or streets.links[i][0] not in self._inside:
                continue
            like = [links for _, links in seen if streets.links[i][0] in links]
            count = round(STANDING_RATIO * float(streets.queue_veh[i, last])) if like else 0
            drawn = rng.integers(0, max(len(like), 1), count).tolist()
            found += [(float(rng.uniform(begin, end)), like[k]) for k in drawn]
        return found

    @cached_property
    def _inside(self) -> frozenset[str]:
        return frozenset(self.links)

    @cached_property
    def _journeys(self) -> dict[int, Journeys]:
        """Of the draws that were driven so far: not every area drives all of them."""
        return {}

    def _drawn(self, draw: int) -> Journeys:
        if draw not in self._journeys:
            self._journeys[draw] = journeys(self.streets, self._ways(draw))
        return self._journeys[draw]

    def _ways(self, draw: int) -> list[Way]:
        """The vehicles of a draw; of the first, those that were observed."""
        if draw == 0:
            return self.ways
        rng = np.random.default_rng([self.seed, draw])
        count = len(self.ways)
        others = np.where(
            rng.random(count) < REDRAWN_PROB,
            rng.integers(0, max(count, 1), count),
            np.arange(count),
        )
        spread = rng.uniform(-SPREAD_S, SPREAD_S, count)
        begin, end = self.window_s
        return [
            (min(max(self.ways[i][0] + s, begin), end - 1.0), self.ways[i][1])
            for i, s in zip(others.tolist(), spread.tolist(), strict=True)
        ]

    def thinned(self, keep: float) -> tuple[Journeys, ...]:
        """The draws with a share of their vehicles, the same ones in each stretch of the list."""
        rng = np.random.default_rng([self.seed, 99])
        found = []
        for draw in range(DRAWS):
            ways = self._ways(draw)
            kept = rng.random(len(ways)) < keep
            found.append(journeys(self.streets, [w for w, k in zip(ways, kept, strict=True) if k]))
        return tuple(found)

    def run(
        self,
        plans: Plans | None = None,
        change: Change = as_it_is,
        draw: int = 0,
        of: Sequence[Journeys] | None = None,
    ) -> QueueRun:
        """Drive one draw, with some plans and streets otherwise."""
        self.runs[0] += 1
        streets = replace(self.streets, streets=change(self.streets))
        shown = lamps(streets, {**self.plans, **(plans or {})})
        driven = of[draw] if of else self._drawn(draw)
        return simulate(streets, shown, driven, *self.window_s)

    def lost_at_s(self, run: QueueRun, ends: Sequence[str]) -> np.ndarray:
        """float64[approach]: lost per vehicle on each of some approaches, by their head links."""
        m, idx = run.measures, self.streets.network.link_idx
        per_link = np.bincount(run.journeys.step_link, m.step_delay_s, minlength=len(idx))
        came = np.bincount(run.journeys.step_link, minlength=len(idx))
        of_link, chains = self.city.streets.of_link, self.city.streets.links
        return np.array(
            [
                sum(per_link[idx[k]] for k in chains[of_link[end]] if k in idx)
                / max(came[idx[end]], 1)
                for end in ends
            ]
        )

    def came_veh(self, run: QueueRun, ends: Sequence[str]) -> np.ndarray:
        """float64[approach]: vehicles that drove on each of some approaches' head links."""
        idx = self.streets.network.link_idx
        came = np.bincount(run.journeys.step_link, minlength=len(idx))
        return np.array([float(came[idx[end]]) for end in ends])

    def lost_on_veh_h(self, run: QueueRun, end: str) -> float:
        """Vehicle-hours lost on one approach, by its head link."""
        return float((self.lost_at_s(run, [end]) * self.came_veh(run, [end]))[0]) / 3600

    def lost_veh_h(
        self, plans: Plans | None = None, change: Change = as_it_is, draws: int = DRAWS
    ) -> np.ndarray:
        """float64[draw]: vehicle-hours that all vehicles of the area lose."""
        runs = (self.run(plans, change, draw) for draw in range(draws))
        return np.array([r.measures.vehicle_delay_s.sum() / 3600 for r in runs])

    def link_delay_s(self, run: QueueRun, chain: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """(float64[bin] lost per vehicle on an approach, [bin] vehicles that left it) of a run."""
        idx = self.streets.network.link_idx
        own = np.zeros(len(idx), dtype=bool)
        own[[idx[k] for k in chain if k in idx]] = True
        lost, _ = self._by_bin(run, own)
        last = np.zeros(len(idx), dtype=bool)
        last[idx[chain[0]]] = True
        out = self._by_bin(run, last)[1]
        return lost / np.maximum(out, 1.0), out

    def _by_bin(self, run: QueueRun, own: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m, begin = run.measures, self.window_s[0]
        steps = np.flatnonzero(own[run.journeys.step_link] & (m.step_leave_s > 0))
        count = self.bins[1] - self.bins[0]
        bins = np.clip((m.step_leave_s[steps] - begin) // BIN_S, 0, count - 1).astype(np.int64)
        lost = np.bincount(bins, m.step_delay_s[steps], minlength=count)
        return lost, np.bincount(bins, minlength=count).astype(np.float64)


def lane_closed(lane: Lane, begin_s: float, end_s: float) -> Change:
    """A lane that nobody enters in a stretch of time."""

    def change(streets: StreetMap) -> Streets:
        begins = streets.streets.lane_closed_from_s.copy()
        ends = streets.streets.lane_closed_until_s.copy()
        (number,) = _numbers(streets, [lane])
        begins[number], ends[number] = begin_s, end_s
        return streets.streets._replace(lane_closed_from_s=begins, lane_closed_until_s=ends)

    return change


def with_places(lanes: Sequence[Lane], count: int) -> Change:
    """Other places in some lanes."""

    def change(streets: StreetMap) -> Streets:
        changed = streets.streets.lane_places.copy()
        changed[_numbers(streets, lanes)] = count
        return streets.streets._replace(lane_places=changed)

    return change


def slower(lanes: Sequence[Lane], factor: float) -> Change:
    """Lanes that discharge more slowly, by a factor on the headway."""

    def change(streets: StreetMap) -> Streets:
        headway = streets.streets.connection_headway_s.copy()
        headway[np.isin(streets.streets.connection_lane, _numbers(streets, lanes))] *= factor
        return streets.streets._replace(connection_headway_s=headway)

    return change


def lanes_of(area: Area, links: Sequence[str]) -> list[Lane]:
    """All lanes of those links that lie in the area."""
    known = area.streets.network.links
    return [(k, n) for k in links if k in known for n in range(known[k].lane_count)]


def _numbers(streets: StreetMap, lanes: Sequence[Lane]) -> list[int]:
    """Where the lanes stand in the arrays of an area."""
    start, idx = streets.streets.link_lane_start, streets.network.link_idx
    return [int(start[idx[link_id]]) + lane_idx for link_id, lane_idx in lanes]


def both(first: Change, second: Change) -> Change:
    """Two changes of different arrays."""

    def change(streets: StreetMap) -> Streets:
        return second(replace(streets, streets=first(streets)))

    return change
