"""Why an approach loses more than its geometry and its lamps explain: hypotheses, and their fit.

The area is driven as it should be. Where the queue that was observed does not come out, the same
streets are driven with a lane closed all the time or for a while, with a shorter bay, with a
slower discharge, without vehicles that fusion supposed on a lane that may be closed; the
hypothesis that comes closest is taken, and one that says more must fit better for it (a price on
what it assumes, as in Akaike's criterion).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from traffic_brain.diagnosis.causes.counterfactual import (
    Area,
    Change,
    Doubt,
    as_it_is,
    lane_closed,
    lanes_of,
    slower,
    with_places,
)
from traffic_brain.diagnosis.causes.witnesses import Witnesses
from traffic_brain.fusion.window import BIN_S
from traffic_brain.kernels.queues import NEVER
from traffic_brain.model.findings import Cause

ERROR_S, ERROR_RATIO = 10.0, 0.25
"""Standard error of a bin's delay, observed or modelled: so much, and this share of it."""
MOST_PER_BIN = 12.0
"""A bin that fits worse counts no more: one of them proves nothing."""
GOOD_FIT = 1.2
"""Mean square of the error per bin, below which nothing has to be explained."""
LEAST_GAIN = 4.0
"""By so much the square sum must fall for a hypothesis to be taken, beside its price."""
UNSEEN_S = 20.0
"""Delay beyond the model's by which a bin shows that something is wrong."""
FASTER, SLOWER, LOST = (0.92, 0.84, 0.76), (1.1, 1.2), (1.45, 1.8)
"""Factors on the headway: how people drive here, and beyond it what only something broken does."""
HABIT_PRICE = 1.5
LONGEST_INCIDENT_S = 3600
"""What stands in the way for longer is no incident that comes and goes."""
PASSING = 5
"""Saturated headways seen on a lane that therefore was not closed all the time."""
USED = 20
"""Saturated headways on a lane beside which one that nobody passed is taken for closed."""
BELIEVED_OF_EMPTY = (1.0, 0.85, 0.7)
"""Of the flow of a lane's turns, where its detector saw nobody: fusion takes the detector for dead
and fills in what its neighbours would have it count; if the lane is closed, nobody came."""
DOUBT_PRICE = 1.5
SILENT_GAIN = 4.6
"""By so much the square sum speaks for a lane being closed of which nobody was seen: twice the log
of how much likelier that is then than beside it, where one detector in ten is dead."""


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """Something that may be wrong with the streets; ``price``: what it costs to assume it.

    doubt: vehicles that then were never there.
    """

    name: str
    cause: Cause | None
    change: Change
    price: float
    told: Mapping[str, object]
    doubt: Doubt | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """The hypothesis taken, and how well each fits.

    area: with the vehicles that are believed in then.
    observed_s, modelled_s: float64[bin] lost per vehicle at the head.
    """

    taken: Hypothesis
    area: Area
    habit: Change
    """How vehicles discharge here, whatever is wrong beside."""
    scores: Mapping[str, float]
    observed_s: np.ndarray
    modelled_s: np.ndarray
    flow_veh: np.ndarray

    @property
    def ratio(self) -> float:
        """Modelled over observed delay, all vehicles together."""
        observed = float(self.observed_s @ self.flow_veh)
        return float(self.modelled_s @ self.flow_veh) / observed if observed > 0 else 1.0


NOTHING = Hypothesis("as on file", None, as_it_is, 0.0, {})


def calibrate(area: Area, chain: Sequence[str], told: Witnesses) -> Fit:
    """Find what explains the delay that was observed on an approach (its links, the head first).

    ``told``: what was seen of its lanes, where detectors tell it.
    """
    streets = area.city.streets
    i = streets.of_link[chain[0]]
    observed = streets.delay_s[i, area.bins[0] : area.bins[1]]
    flow = streets.flow_veh[i, area.bins[0] : area.bins[1]]
    habit: Change = as_it_is
    taken = NOTHING
    modelled = _modelled(area, chain, as_it_is)
    least = misfit(observed, modelled)
    unexplained = least
    scores = {NOTHING.name: round(least, 2)}
    if least <= GOOD_FIT * len(observed):
        return Fit(taken, area, habit, scores, observed, modelled, flow)
    lanes = lanes_of(area, chain[:1])
    if observed @ flow < modelled @ flow:
        tried = [(f"discharge {1 / f:.0%}", slower(lanes, f)) for f in FASTER]
    else:
        tried = [(f"discharge {1 / f:.0%}", slower(lanes, f)) for f in SLOWER]
        for one in hypotheses(area, chain, observed - modelled, told):
            there = _modelled(_believed(area, one), chain, one.change)
            score = misfit(observed, there) + one.price
            scores[one.name] = round(score, 2)
            explains = score - one.price < unexplained - LEAST_GAIN
            if explains and score < least - (LEAST_GAIN if taken is NOTHING else 0.0):
                taken, least, modelled = one, score, there
    for name, change in tried:
        there = _modelled(area, chain, change)
        score = misfit(observed, there) + HABIT_PRICE
        scores[name] = round(score, 2)
        if score < least:
            habit, taken, least, modelled = change, NOTHING, score, there
    return Fit(taken, _believed(area, taken), habit, scores, observed, modelled, flow)


def _believed(area: Area, one: Hypothesis) -> Area:
    return replace(area, doubt=one.doubt) if one.doubt else area


def misfit(observed_s: np.ndarray, modelled_s: np.ndarray) -> float:
    """Sum over bins of the squared error over its standard error."""
    error = np.hypot(ERROR_S, ERROR_RATIO * np.maximum(observed_s, modelled_s))
    return float(np.minimum(((observed_s - modelled_s) / error) ** 2, MOST_PER_BIN).sum())


def hypotheses(
    area: Area,
    chain: Sequence[str],
    missing_s: np.ndarray,
    told: Witnesses,
) -> Iterator[Hypothesis]:
    """What may be wrong with an approach; ``missing_s``: float64[bin] delay not explained.

    What was seen is not supposed otherwise: a lane that many leave is not closed, and a street
    that discharges as usual is not slower. That nobody ever left a lane beside one that many did
    speaks for it being closed all day, as far as dead detectors are rare (``SILENT_GAIN``).
    """
    head = chain[0]
    lanes = _spare_lanes(area, head)
    empty = {lane for lane in lanes if _nobody_left(told, head, lane)}
    begin, end = area.window_s
    for lane in lanes:
        if told.headways.get((head, lane), 0) < PASSING:
            yield from _closed(area, head, lane, empty=lane in empty)
    for a, b in _stretches(missing_s):
        from_s, until_s = begin + a * BIN_S, min(begin + b * BIN_S, end)
        for lane in lanes:
            when = {"link_id": head, "lane_idx": lane, "begin_s": from_s, "end_s": until_s}
            yield Hypothesis(
                f"lane {lane} closed {from_s}-{until_s}",
                Cause.INCIDENT if until_s - from_s <= LONGEST_INCIDENT_S else Cause.CAPACITY_LOSS,
                lane_closed((head, lane), from_s, until_s),
                6.0,
                when,
            )
    for lane, places in _bay_lanes(area, chain):
        for left in sorted({1, max(1, places // 3)}):
            if left < places:
                yield Hypothesis(
                    f"bay of lane {lane} holds {left}",
                    Cause.TURN_BAY_OR_LANE_USE,
                    with_places([(head, lane)], left),
                    4.0,
                    {"link_id": head, "lane_idx": lane, "places": left},
                )
    for factor in () if told.discharges_as_usual(head) else LOST:
        yield Hypothesis(
            f"discharge {1 / factor:.0%}",
            Cause.CAPACITY_LOSS,
            slower(lanes_of(area, [head]), factor),
            8.0,
            {"link_id": head, "headway_factor": factor},
        )


def _closed(area: Area, head: str, lane: int, *, empty: bool) -> Iterator[Hypothesis]:
    """A lane closed all the time; ``empty``: nobody was seen to leave it, beside others."""
    change = lane_closed((head, lane), 0.0, NEVER)
    turns = (c for c in area.city.connections_from[head] if c.from_lane_idx == lane)
    to_links = frozenset(c.to_link for c in turns)
    for ratio in BELIEVED_OF_EMPTY if empty else (1.0,):
        all_came = ratio == 1.0
        yield Hypothesis(
            f"lane {lane} closed" if all_came else f"lane {lane} closed, flow {ratio:.0%}",
            Cause.CAPACITY_LOSS,
            change,
            3.0 - SILENT_GAIN * empty + DOUBT_PRICE * (not all_came),
            {"link_id": head, "lane_idx": lane}
            | ({} if all_came else {"flow_ratio": ratio, "to_links": sorted(to_links)}),
            None if all_came else Doubt(head, to_links, ratio),
        )


def _nobody_left(told: Witnesses, link_id: str, lane_idx: int) -> bool:
    """Whether a lane stayed empty beside one that did not, as far as detectors tell."""
    used = [n for (link, _), n in told.headways.items() if link == link_id]
    return (link_id, lane_idx) in told.empty and max(used, default=0) >= USED


def _modelled(area: Area, chain: Sequence[str], change: Change) -> np.ndarray:
    """float64[bin]: bins in which nobody leaves lose what the next ones lose."""
    delay, out = area.link_delay_s(area.run(change=change), chain)
    known = np.flatnonzero(out > 0)
    if len(known):
        delay = np.interp(np.arange(len(delay)), known, delay[known])
    return delay


def _spare_lanes(area: Area, link_id: str) -> list[int]:
    """Lanes that can be closed: no turn depends on them alone."""
    lanes_to: dict[str, set[int]] = {}
    for c in area.city.connections_from.get(link_id, ()):
        lanes_to.setdefault(c.to_link, set()).add(c.from_lane_idx)
    cars = area.streets.network.links[link_id].car_lanes
    every = sorted(set().union(*lanes_to.values()) & set(cars)) if lanes_to else []
    return [k for k in every if all(lanes - {k} for lanes in lanes_to.values())]


def _bay_lanes(area: Area, chain: Sequence[str]) -> list[tuple[int, int]]:
    """(lane, places) of lanes that begin where the head's link begins."""
    if len(chain) < 2:
        return []
    network = area.streets.network
    head, before = network.links[chain[0]], network.links[chain[1]]
    if head.lane_count <= before.lane_count:
        return []
    first = int(area.streets.streets.link_lane_start[network.link_idx[head.link_id]])
    turns_of: dict[int, set[str]] = {}
    for c in area.city.connections_from.get(head.link_id, ()):
        turns_of.setdefault(c.from_lane_idx, set()).add(c.to_link)
    places = area.streets.streets.lane_places
    edge = [k for k in (0, head.lane_count - 1) if len(turns_of.get(k, ())) == 1]
    return [(k, int(places[first + k])) for k in edge]


def _stretches(missing_s: np.ndarray) -> list[tuple[int, int]]:
    """Bins [a, b) in which something may have stood in the way; a queue outlives its reason."""
    wrong = np.flatnonzero(missing_s > UNSEEN_S)
    if not len(wrong):
        return []
    a, b, count = int(wrong[0]), int(wrong[-1]) + 1, len(missing_s)
    begins = sorted({max(0, a - 1), a})
    ends = sorted({e for e in (b, b - 1, b - 2, b - 3) if e >= a + 2 and e < count})
    return [(s, e) for s in begins for e in ends]
