"""Why a queue stands where it stands: one thing mended at a time, and what it would give back.

The area around the head is driven as it was (``calibration`` says what beside plans and demand it
takes to explain the delay observed), then again with the splits rebalanced, the offset shifted, the
cycle changed, room without end downstream, the bay lengthened, what was found in the way removed.
A plan is out of date by what only all three changes of it together give back. Demand is to blame
for what the best retiming cannot give back but fewer vehicles would: the delay per vehicle that
falls when ``FEWER_RATIO`` of them stay away, under the best plan.

Each cause's share is its gain over the sum of all gains; the greatest is the cause. The interval is
that over draws of the demand, all of them driven by every counterfactual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from traffic_brain.diagnosis.bottlenecks import QueueHead
from traffic_brain.diagnosis.causes.areas import City, window_of
from traffic_brain.diagnosis.causes.calibration import Fit, calibrate
from traffic_brain.diagnosis.causes.counterfactual import (
    DRAWS,
    Area,
    Change,
    as_it_is,
    both,
    lanes_of,
    with_places,
)
from traffic_brain.diagnosis.causes.promise import promised
from traffic_brain.diagnosis.causes.remedies import Search, rebalanced, recycled, retimed, shifted
from traffic_brain.diagnosis.causes.standstill import FREE_S, standstill
from traffic_brain.diagnosis.causes.witnesses import Witnesses
from traffic_brain.fusion.window import BIN_S
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.model.findings import Cause, CauseShare
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

FEWER_RATIO = 0.25
ORDINARY_S = 40.0
"""Lost per vehicle at an ordinary signal in its busiest hour; more of it is a jam."""
ROOM = 1000
"""Places of a lane that never fills."""
PREFERENCE: Mapping[Cause, float] = {Cause.SPLIT_IMBALANCE: 1.05}
"""Where two remedies give back the same, the one that changes least is named first."""
PREFERENCE_OUT_OF_STEP: Mapping[Cause, float] = {**PREFERENCE, Cause.CYCLE: 1.4}
"""A signal that alone runs another cycle than all those around it is out of order by that."""
LEAST_FIRST_VEH = 5.0
"""In five minutes, of whom one gives way to: for fewer nobody waits long."""
MOST_CASES = 60
"""Queues of a day whose causes are driven: the costliest."""
LEAST_SHARE = 0.02
"""Shares below are not told."""
BELIEVED = (0.5, 2.0)
"""Modelled over observed delay, outside of which no saving is promised."""
LEAST_PROMISED_RATIO = 0.05
"""Of what is lost around a junction: less lies within the error of any model of it, as in the
check, and is not promised."""
UNEXPLAINED_RATIO = 0.35
"""Of the delay observed, beyond which what the model leaves open is a share of its own."""


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """The causes of one bottleneck, and the record from which they can be driven again.

    savable_veh_h: of the best retiming found, in the streets further around as well and over the
    hours before and after; best_plan: that plan. savable_ratio: of what is lost there. Both are 0
    where no better plan was found, where it is better by less than the model can tell, where
    an incident makes the day no ordinary one, or the model does not explain what was observed.
    """

    shares: tuple[CauseShare, ...]
    savable_veh_h: float
    best_plan: SignalPlan | None
    fit: Fit | None
    record: Mapping[str, Any]
    evidence: str
    savable_ratio: float = 0.0

    @property
    def cause(self) -> Cause:
        return self.shares[0].cause if self.shares else Cause.UNKNOWN


def diagnose_head(city: City, head: QueueHead, told: Witnesses, seed: int = 0) -> Diagnosis:
    """Find out why a queue stands; ``told``: what each source says of its streets."""
    chain = city.streets.links[city.streets.of_link[head.link_id]]
    bins = range(head.first_bin, head.end_bin)
    false = told.false_delay(chain, bins)
    if false is not None:
        return _certain(Cause.BROKEN_SENSOR, false)
    held = _held_up(city, head)
    if held is not None:
        return _certain(Cause.INCIDENT, held)
    junction_id = city.network.links[head.link_id].junction_id
    narrow = _narrow(city, head) if junction_id is None else None
    if narrow is not None:
        return _certain(Cause.DEMAND_ABOVE_CAPACITY, narrow)
    plan = city.state.running_plans.get(junction_id) if junction_id else None
    if junction_id is None or plan is None or len(plan.stages) < 2:
        return _certain(Cause.UNKNOWN, "no fixed signal plan at the head of the queue")
    lost = city.streets.lost_veh_h[city.streets.of_link[head.link_id]]
    first, end = window_of(city.state, head.first_bin, head.end_bin, lost)
    area = Area(city, city.around(junction_id), (first, end), seed)
    fit = calibrate(area, chain, told)
    return _counterfactuals(fit.area, head, junction_id, plan, fit)


def _held_up(city: City, head: QueueHead) -> str | None:
    """Why something must stand in the way; None: vehicles get through."""
    approach = city.streets.of_link[head.link_id]
    still = standstill(city.streets, approach, range(head.first_bin, head.end_bin))
    if not still:
        return None
    begin_s = city.state.window.begin_s + still[0] * BIN_S
    passed = float(city.streets.flow_veh[approach, still].mean())
    usual = float(np.median(city.streets.flow_veh[approach]))
    return (
        f"from {begin_s // 3600:02d}:{begin_s % 3600 // 60:02d} on hardly anybody gets through, "
        f"{passed:.0f} in five minutes ({usual:.0f} on the median of the day), "
        "and the way on is free: something stands in the way"
    )


def _narrow(city: City, head: QueueHead) -> str | None:
    """Why a street without lamps lets through less than come; None: nothing on file says so.

    It gives way, on a way that many take, to streets on which some come; or it has more lanes than
    what it leads into. Only where the way on is free: else the queue may be that of another.
    """
    network, streets, bins = city.network, city.streets, slice(head.first_bin, head.end_bin)
    onward = city.ways_on.get(head.link_id, ())
    ahead = {streets.of_link[k] for k in onward} - {streets.of_link[head.link_id]}
    if not onward or (ahead and streets.delay_s[sorted(ahead), bins].mean(axis=1).max() >= FREE_S):
        return None
    coming_veh = city.state.flow_veh[:, bins].mean(axis=1)
    first = {
        row.first_from_link
        for row in network.give_ways
        if row.from_link == head.link_id
        and row.to_link in onward
        and coming_veh[network.link_idx[row.first_from_link]] >= LEAST_FIRST_VEH
    }
    if first:
        return f"no signal here, it gives way to {', '.join(sorted(first))}: more come than get in"
    lanes, then = (
        sum(len(network.links[k].car_lanes) for k in links) for links in ((head.link_id,), onward)
    )
    if 0 < then < lanes:
        return f"no signal here, {lanes} lanes become {then}: more come than get through"
    return None


def diagnose_heads(
    city: City,
    heads: Sequence[QueueHead],
    told: Witnesses,
    seed: int = 0,
    progress: Progress = silent,
) -> list[Diagnosis]:
    """Of each head, the costliest ``MOST_CASES`` by counterfactual; heads stand in that order."""
    found = []
    for i, head in enumerate(heads):
        progress(i / len(heads), f"cause of queue {i + 1} of {len(heads)}")
        if i < MOST_CASES:
            found.append(diagnose_head(city, head, told, seed))
        else:
            said = f"not looked at: {MOST_CASES} queues cost more"
            found.append(_certain(Cause.UNKNOWN, said))
    return found


def treatments(found: Diagnosis, redesign: bool) -> tuple[str, ...]:
    """Codes of what to do: what is told here is no plan, the optimiser makes those."""
    by_cause: Mapping[Cause, tuple[str, ...]] = {
        Cause.SPLIT_IMBALANCE: ("retime",),
        Cause.OFFSET: ("retime",),
        Cause.CYCLE: ("retime",),
        Cause.PLAN_OUT_OF_DATE: ("retime",),
        Cause.DEMAND_ABOVE_CAPACITY: ("lane_use", "hold_back"),
        Cause.SPILLBACK_FROM_ELSEWHERE: ("treat_downstream",),
        Cause.TURN_BAY_OR_LANE_USE: ("lengthen_bay", "lane_use"),
        Cause.CAPACITY_LOSS: ("clear_lane",),
        Cause.INCIDENT: ("respond",),
        Cause.BROKEN_SENSOR: ("mend_sensor",),
    }
    codes = by_cause.get(found.cause, ())
    if redesign:
        codes = ("redesign", *(c for c in codes if c != "retime"), "lane_use", "turn_ban")
    return tuple(dict.fromkeys(codes))


def _certain(cause: Cause, evidence: str) -> Diagnosis:
    share = CauseShare(cause, 1.0, 1.0, 1.0)
    return Diagnosis((share,), 0.0, None, None, {"evidence": evidence}, evidence)


def _counterfactuals(
    area: Area, head: QueueHead, junction_id: str, plan: SignalPlan, fit: Fit
) -> Diagnosis:
    """What is out of order is mended first: plans are judged on streets that are as on file.

    Only a retiming that is *proposed* is judged on the streets as they are, but for an incident,
    which no plan will meet again.
    """
    fault, whole = fit.taken, fit.habit
    broken = whole if fault.cause is None else fault.change
    was = _lost(area, head.link_id, change=broken)
    mended = was if fault.cause is None else _lost(area, head.link_id, change=whole)
    search = Search(area, junction_id, whole)
    in_step = _in_step(area, junction_id)
    alone = {
        Cause.SPLIT_IMBALANCE: rebalanced(search, plan),
        Cause.CYCLE: recycled(search, plan),
        **({Cause.OFFSET: shifted(search, plan)} if in_step else {}),
    }
    gains = {
        cause: mended.gain(_lost(area, head.link_id, {junction_id: other}, whole))
        for cause, other in alone.items()
    }
    for cause, change in _street_changes(area, head.link_id).items():
        gains[cause] = mended.gain(_lost(area, head.link_id, change=both(whole, change)))
    if fault.cause is not None:
        found = was.gain(mended)
        gains[fault.cause] = np.maximum(gains.get(fault.cause, found), found)
    lasting = whole if fault.cause is Cause.INCIDENT else broken
    best = retimed(Search(area, junction_id, lasting), plan, alone[Cause.CYCLE])
    after = _lost(area, head.link_id, {junction_id: best}, lasting)
    if fault.cause is None:
        single = np.max([gains[cause] for cause in alone], axis=0)
        gains[Cause.PLAN_OUT_OF_DATE] = was.gain(after) - np.maximum(single, 0.0)
    # On a street that lost capacity all come too many: with all of it back, would they still?
    judged = best
    if lasting is not whole:
        judged = retimed(Search(area, junction_id, whole), plan, alone[Cause.CYCLE])
    gains[Cause.DEMAND_ABOVE_CAPACITY] = _demand_gain(area, junction_id, judged, whole)
    gains[Cause.UNKNOWN] = np.full(DRAWS, _unexplained_veh_h(fit))
    shares = shares_of(gains, PREFERENCE if in_step else PREFERENCE_OUT_OF_STEP)
    promise, hope = None, "what a retiming gives back cannot be told from that"
    if fault.cause is Cause.INCIDENT:
        hope = "no plan meets the incident again, so no retiming is judged by that day"
    elif BELIEVED[0] <= fit.ratio <= BELIEVED[1]:
        promise = promised(area, junction_id, best, lasting) if best != plan else None
        hope = promise.told if promise else "no better timing was found"
        if promise and promise.savable_ratio < LEAST_PROMISED_RATIO:
            promise, hope = None, f"{hope}: less than the model can tell"
    savable = promise.savable_veh_h if promise else 0.0
    record = {
        "head": head.link_id,
        "junction_id": junction_id,
        "junctions": list(area.junctions),
        "window_s": list(area.window_s),
        "bins": list(area.bins),
        "seed": area.seed,
        "vehicles": len(area.ways),
        "hypotheses": dict(fit.scores),
        "taken": {"name": fault.name, **fault.told},
        "observed_s_per_veh": np.round(fit.observed_s, 1).tolist(),
        "modelled_s_per_veh": np.round(fit.modelled_s, 1).tolist(),
        "as_it_was_veh_h": np.round(was.area, 3).tolist(),
        "mended_veh_h": np.round(mended.area, 3).tolist(),
        "gains_veh_h": {c.value: np.round(g, 3).tolist() for c, g in gains.items()},
        "plans": {c.value: plan_to_dict(p) for c, p in alone.items()},
        "retimed": plan_to_dict(best),
        "retimed_veh_h": np.round(after.area, 3).tolist(),
        "further": promise.record if promise else None,
        "savable_veh_h": round(savable, 3),
        "runs": area.runs[0],
    }
    ratio = promise.savable_ratio if promise else 0.0
    return Diagnosis(shares, savable, best, fit, record, _said(fit, shares, hope), ratio)


@dataclass(frozen=True, eq=False)
class _Lost:
    """Vehicle-hours [draw] that are lost in the area, and on the head's own approach."""

    area: np.ndarray
    head: np.ndarray

    def gain(self, other: _Lost) -> np.ndarray:
        """What another run gives back: to the head, and not at the cost of others."""
        return np.asarray(np.minimum(self.area - other.area, self.head - other.head))


def _lost(
    area: Area,
    link_id: str,
    plans: Mapping[str, SignalPlan] | None = None,
    change: Change = as_it_is,
) -> _Lost:
    runs = [area.run(plans, change, draw) for draw in range(DRAWS)]
    return _Lost(
        np.array([r.measures.vehicle_delay_s.sum() / 3600 for r in runs]),
        np.array([area.lost_on_veh_h(r, link_id) for r in runs]),
    )


def _unexplained_veh_h(fit: Fit) -> float:
    """What was observed and no hypothesis explains, beyond the model's ordinary error."""
    observed = float(fit.observed_s @ fit.flow_veh) / 3600
    modelled = float(fit.modelled_s @ fit.flow_veh) / 3600
    return max(0.0, observed * (1 - UNEXPLAINED_RATIO) - modelled)


def _street_changes(area: Area, link_id: str) -> dict[Cause, Change]:
    """Room without end downstream; and a bay of any length, where the head has one."""
    network = area.streets.network
    of_link, chains = area.city.streets.of_link, area.city.streets.links
    onward = {k for n in network.successors[link_id] for k in (n, *chains[of_link[n]])}
    onward -= set(chains[of_link[link_id]])
    downstream = lanes_of(area, sorted(onward))
    changes = {Cause.SPILLBACK_FROM_ELSEWHERE: with_places(downstream, ROOM)}
    chain = chains[of_link[link_id]]
    if len(chain) > 1 and network.links[link_id].lane_count > network.links[chain[1]].lane_count:
        changes[Cause.TURN_BAY_OR_LANE_USE] = with_places(lanes_of(area, [link_id]), ROOM)
    return changes


def _demand_gain(area: Area, junction_id: str, plan: SignalPlan, change: Change) -> np.ndarray:
    """Vehicle-hours [draw] of jam left at a junction under its best plan, but not with fewer.

    Waiting for an ordinary red is no jam.
    """
    ends = [a.link_id for a in area.city.network.approaches_at[junction_id]]
    fewer = area.thinned(1.0 - FEWER_RATIO)
    found = []
    for draw in range(DRAWS):
        all_of_them = area.run({junction_id: plan}, change, draw)
        veh, lost = area.came_veh(all_of_them, ends), area.lost_at_s(all_of_them, ends)
        then = area.lost_at_s(area.run({junction_id: plan}, change, draw, fewer), ends)
        found.append(np.maximum(lost - np.maximum(then, ORDINARY_S), 0.0) @ veh / 3600)
    return np.array(found)


def _in_step(area: Area, junction_id: str) -> bool:
    """Whether an offset means anything: a signal around runs the same cycle, or a whole part.

    Where there is no other signal around, no cycle is out of step either.
    """
    own = area.plans[junction_id].cycle_s
    others = [plan.cycle_s for j, plan in area.plans.items() if j != junction_id]
    return not others or any(max(own, c) % min(own, c) == 0 for c in others)


def shares_of(
    gains: Mapping[Cause, np.ndarray], preference: Mapping[Cause, float] = PREFERENCE
) -> tuple[CauseShare, ...]:
    """Each cause's part of the sum of all gains [draw], the greatest first."""
    floor = {c: np.maximum(g, 0.0) for c, g in gains.items()}
    total = np.maximum(sum(floor.values(), np.zeros(1)), 1e-9)
    found = []
    for cause, gain in floor.items():
        ratio = gain / total
        mean = float(gain.mean() / total.mean())
        if mean >= LEAST_SHARE:
            low, high = float(ratio.min()), float(ratio.max())
            found.append(CauseShare(cause, *(round(x, 3) for x in (mean, low, high))))
    found.sort(key=lambda s: (-s.share_ratio * preference.get(s.cause, 1.0), s.cause.value))
    return tuple(found) or (CauseShare(Cause.UNKNOWN, 1.0, 1.0, 1.0),)


def _said(fit: Fit, shares: Sequence[CauseShare], hope: str) -> str:
    told = ", ".join(
        f"{s.cause.value} {s.share_ratio:.0%} [{s.low_ratio:.0%}, {s.high_ratio:.0%}]"
        for s in shares[:3]
    )
    explained = f"the model explains {fit.ratio:.0%} of the delay observed"
    if fit.taken.cause is not None:
        explained += f" with {fit.taken.name}"
    return f"{told}; {explained}; {hope}"
