"""Plans in service of mixed quality, and when each of them runs.

Some junctions are well timed, some have equal splits, some were timed for flows of long ago, some
run well but out of step with their neighbours. All keep the rules of safety: quality is about
waiting, not about danger.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from network_data.generated_city.junctions import Way
from network_data.generated_city.roads import RoadPlan
from network_data.generated_city.scale import ARTERIAL, BRANCH, CLASSES, EXPRESSWAY, SECONDARY
from network_data.generated_city.stages import Site, StagePlan, design
from traffic_brain.model.network import Turn
from traffic_brain.model.signals import PlanWindow, SignalPlan, Stage

MAX_GREEN_S = 120
USUAL_CYCLE_S = {EXPRESSWAY: 110, ARTERIAL: 95, SECONDARY: 75, BRANCH: 60}
"""In the peaks, where the flows do not ask for more; by the greatest street of the junction."""
LONGEST_CYCLE_S = 150
LANE_SATURATION_VPH = {Turn.THROUGH: 1750.0, Turn.RIGHT: 1500.0, Turn.LEFT: 1550.0}
GIVING_WAY = 1.8
"""A left turn that gives way takes as long as so many that need not."""
FULLEST = 0.88
"""Sum of critical flow ratios beyond which a cycle grows no further."""
STALE_SPREAD = 0.8
"""Of the log of the flows that a plan of long ago was made for, by the flows of today."""
PROGRESSION_RATIO = 0.85
"""Speed of the green wave, by free-flow speed."""
WEEKDAYS, WEEKEND = (1, 2, 3, 4, 5), (6, 7)
_HOUR_S = 3600


class Quality(StrEnum):
    """What is wrong with the plans of a junction."""

    GOOD = "good"
    EQUAL = "equal splits"
    STALE = "stale"
    OUT_OF_STEP = "out of step"


QUALITY_RATIOS = {
    Quality.GOOD: 0.4,
    Quality.EQUAL: 0.2,
    Quality.STALE: 0.2,
    Quality.OUT_OF_STEP: 0.2,
}


@dataclass(frozen=True, slots=True)
class Period:
    """A time of day with a plan of its own; flows by those of the morning peak."""

    plan_id: str
    out_ratio: float
    """Of the flow in the same direction."""
    back_ratio: float
    """Of the flow in the opposite direction."""
    cycle_ratio: float
    """Of ``USUAL_CYCLE_S``."""


NIGHT = Period("night", 0.12, 0.08, 0.7)
MORNING = Period("morning", 1.0, 0.0, 1.0)
DAYTIME = Period("day", 0.35, 0.3, 0.85)
EVENING = Period("evening", 0.15, 0.8, 1.0)
_Window = tuple[Period, float, float]
_WORKDAY: tuple[_Window, ...] = (
    (NIGHT, 0, 6.5),
    (MORNING, 6.5, 9.5),
    (DAYTIME, 9.5, 16.5),
    (EVENING, 16.5, 19.5),
    (DAYTIME, 19.5, 22.5),
    (NIGHT, 22.5, 24),
)
_SUNDAY: tuple[_Window, ...] = ((NIGHT, 0, 7.5), (DAYTIME, 7.5, 22.5), (NIGHT, 22.5, 24))
_SMALL_WORKDAY: tuple[_Window, ...] = ((DAYTIME, 0, 6.5), (MORNING, 6.5, 9.5), (DAYTIME, 9.5, 24))
_SMALL_SUNDAY: tuple[_Window, ...] = ((DAYTIME, 0, 24),)


@dataclass(frozen=True, slots=True)
class Service:
    """All plans of a junction: the one of the morning peak first, and when they run."""

    junction_id: str
    quality: Quality
    plans: tuple[SignalPlan, ...]
    windows: tuple[PlanWindow, ...]


def make_services(sites: Sequence[Site], plan: RoadPlan, rng: np.random.Generator) -> list[Service]:
    """Plans for every junction, coordinated along its greatest street."""
    makers = [_Maker(site, rng) for site in sites]
    cycles = _street_cycles(makers)
    metres = _metres_along(plan, {m.street for m in makers})
    return [maker.service(cycles, metres) for maker in makers]


class _Maker:
    """Makes the plans of one junction."""

    def __init__(self, site: Site, rng: np.random.Generator) -> None:
        self.site = site
        self.stages = design(site)
        qualities = list(QUALITY_RATIOS)
        self.quality = qualities[int(rng.choice(len(qualities), p=list(QUALITY_RATIOS.values())))]
        legs = site.crossroads.legs
        self.main = min(
            range(len(self.stages)),
            key=lambda k: (min((legs[i].rank for i in self.stages[k].unit), default=99), k),
        )
        unit = self.stages[self.main].unit
        self.street = min(
            (legs[i] for i in unit), key=lambda leg: (leg.rank, leg.street), default=legs[0]
        ).street
        self.rank = min(leg.rank for leg in legs)
        self.speed_mps = max((site.speed_mps[i] for i in unit), default=10.0)
        self.stale = {
            way.group: float(rng.lognormal(0.0, STALE_SPREAD)) for way in site.crossroads.ways
        }
        self.slip = float(rng.random())
        self.plan_count = self._plan_count(float(rng.random()))

    def _plan_count(self, luck: float) -> int:
        """Great junctions have four plans a day, most others two or one."""
        if self.rank <= CLASSES.index(ARTERIAL):
            return 4 if luck < 0.8 else 2
        if self.rank == CLASSES.index(SECONDARY):
            return 2 if luck < 0.6 else 1
        return 1

    @property
    def periods(self) -> tuple[Period, ...]:
        if self.plan_count == 1:
            return (MORNING,)
        return (MORNING, DAYTIME) if self.plan_count == 2 else (MORNING, NIGHT, DAYTIME, EVENING)

    @property
    def lost_s(self) -> int:
        """Seconds of a cycle that are nobody's green."""
        return sum(i.duration_s for stage in self.stages for i in stage.clearance)

    @property
    def shortest_cycle_s(self) -> int:
        return self.lost_s + sum(stage.min_green_s for stage in self.stages)

    def ratios(self, period: Period) -> list[float]:
        """Critical flow ratio of each stage, as those who made the plan believed it to be."""
        flows = self._flows(period)
        return [self._ratio(stage, flows) for stage in self.stages]

    def cycle_s(self, period: Period) -> int:
        """Webster's cycle (1.5 L + 5) / (1 - Y), or the usual one; in steps of five seconds."""
        filled = min(FULLEST, sum(self.ratios(period)))
        webster = (1.5 * self.lost_s + 5) / (1 - filled)
        usual = period.cycle_ratio * USUAL_CYCLE_S[CLASSES[self.rank]]
        wanted = min(max(webster, usual), LONGEST_CYCLE_S)
        return max(math.ceil(wanted / 5) * 5, self.shortest_cycle_s)

    def service(
        self, cycles: Mapping[tuple[int, str], int], metres: Mapping[int, Mapping[int, float]]
    ) -> Service:
        """The plans and their windows, at the common cycles of the street."""
        junction_id = self.site.junction.junction_id
        plans = []
        for period in self.periods:
            common = cycles.get((self.street, period.plan_id), 0)
            cycle_s = common if common >= self.shortest_cycle_s else self.cycle_s(period)
            greens = self._greens(period, cycle_s)
            stages = tuple(
                Stage(stage.picture, green, stage.clearance, stage.min_green_s, MAX_GREEN_S)
                for stage, green in zip(self.stages, greens, strict=True)
            )
            way_m = metres[self.street].get(self.site.crossroads.vertex, 0.0)
            plan_id = period.plan_id if self.plan_count > 1 else "all-day"
            made = SignalPlan(junction_id, plan_id, stages, 0, self.main)
            plans.append(made.with_offset(self._offset_s(way_m, made.cycle_s)))
        return Service(junction_id, self.quality, tuple(plans), tuple(self._windows()))

    def _flows(self, period: Period) -> dict[int, float]:
        """Flow of each way in vehicles per hour, in the period the plan was made for."""
        by_legs = {(w.origin, w.target): w.group for w in self.site.crossroads.ways}
        flows = {}
        for way in self.site.crossroads.ways:
            back = by_legs.get((way.target, way.origin))
            flow = period.out_ratio * self.site.flow_vph[way.group]
            if back is not None:
                flow += period.back_ratio * self.site.flow_vph[back]
            flows[way.group] = flow
        if self.quality is Quality.STALE:
            return {group: flow * self.stale[group] for group, flow in flows.items()}
        return flows

    def _ratio(self, stage: StagePlan, flows: Mapping[int, float]) -> float:
        """Of the fullest lanes: flow by what they discharge in an hour of green."""
        ways = [way for way in self.site.crossroads.ways if way.group in stage.groups]
        fullest = 0.0
        for part in _sharing_lanes(ways):
            lanes = {lane for way in part for lane, _ in way.lanes}
            hours = sum(
                flows[way.group] * self._slowness(way, stage) / LANE_SATURATION_VPH[way.turn]
                for way in part
            )
            fullest = max(fullest, hours / len(lanes))
        return fullest

    def _slowness(self, way: Way, stage: StagePlan) -> float:
        gives_way = way.turn is Turn.LEFT and stage.picture[way.group] == "g"
        return GIVING_WAY if gives_way else 1.0

    def _greens(self, period: Period, cycle_s: int) -> list[int]:
        """Whole seconds of green that fill the cycle, none below its minimum or above its maximum.

        In proportion to the critical flow ratios, or all alike.
        """
        least = [stage.min_green_s for stage in self.stages]
        shares = [ratio + 0.02 for ratio in self.ratios(period)]
        if self.quality is Quality.EQUAL:
            shares = [1.0] * len(least)
        return fill(cycle_s - self.lost_s, shares, least, MAX_GREEN_S)

    def _offset_s(self, way_m: float, cycle_s: int) -> int:
        """Where a platoon from the street's beginning meets the start of green; or anywhere."""
        if self.quality in (Quality.OUT_OF_STEP, Quality.EQUAL):
            return int(self.slip * cycle_s)
        return round(way_m / (PROGRESSION_RATIO * self.speed_mps)) % cycle_s

    def _windows(self) -> Iterable[PlanWindow]:
        if self.plan_count == 1:
            return
        days = (_WORKDAY, _SUNDAY) if self.plan_count > 2 else (_SMALL_WORKDAY, _SMALL_SUNDAY)
        for weekdays, windows in zip((WEEKDAYS, WEEKEND), days, strict=True):
            for period, begin_h, end_h in windows:
                yield PlanWindow(
                    self.site.junction.junction_id,
                    period.plan_id,
                    round(begin_h * _HOUR_S),
                    round(end_h * _HOUR_S),
                    weekdays,
                )


def fill(total_s: int, shares: Sequence[float], least: Sequence[int], most: int) -> list[int]:
    """Whole seconds in proportion to ``shares`` within limits, that sum to ``total_s``.

    A total below the sum of the least gives the least, and one above that of the most the most.
    """
    total = min(max(total_s, sum(least)), most * len(least))

    def greens(factor: float) -> list[float]:
        wished = (factor * share for share in shares)
        return [min(max(w, low), most) for w, low in zip(wished, least, strict=True)]

    low, high = 0.0, total / min(shares)
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(greens(middle)) < total else (low, middle)
    wished = greens(high)
    found = [int(green) for green in wished]
    rising = sorted(range(len(found)), key=lambda k: (found[k] - wished[k], k))
    for k in rising[: total - sum(found)]:
        found[k] += 1
    return found


def _sharing_lanes(ways: Iterable[Way]) -> list[list[Way]]:
    """Ways of one approach that wait in the same lanes, in groups."""
    groups: list[tuple[set[tuple[int, int]], list[Way]]] = []
    for way in ways:
        lanes = {(way.origin, lane) for lane, _ in way.lanes}
        apart = []
        members = [way]
        for others, their_ways in groups:
            if others & lanes:
                lanes |= others
                members = their_ways + members
            else:
                apart.append((others, their_ways))
        groups = [*apart, (lanes, members)]
    return [members for _, members in groups]


def _street_cycles(makers: Sequence[_Maker]) -> dict[tuple[int, str], int]:
    """The common cycle of each street and period: what four in five of its junctions ask for."""
    asked: dict[tuple[int, str], list[int]] = defaultdict(list)
    for maker in makers:
        for period in maker.periods:
            asked[maker.street, period.plan_id].append(maker.cycle_s(period))
    return {
        key: min(LONGEST_CYCLE_S, math.ceil(float(np.percentile(cycles, 80)) / 5) * 5)
        for key, cycles in asked.items()
        if len(cycles) > 2
    }


def _metres_along(plan: RoadPlan, streets: set[int]) -> dict[int, dict[int, float]]:
    """Of each street: metres from its beginning to each of its junctions."""
    at: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, road in enumerate(plan.roads):
        if road.street in streets:
            at[road.street][road.start].append(i)
            at[road.street][road.end].append(i)
    found = {}
    for street, roads_at in at.items():
        ends = [v for v, roads in roads_at.items() if len(roads) == 1]
        start = min(ends or roads_at)
        metres = {start: 0.0}
        queue = [start]
        while queue:
            vertex = queue.pop()
            for i in roads_at[vertex]:
                road = plan.roads[i]
                other = road.end if road.start == vertex else road.start
                if other not in metres:
                    metres[other] = metres[vertex] + road.length_m
                    queue.append(other)
        found[street] = metres
    return found
