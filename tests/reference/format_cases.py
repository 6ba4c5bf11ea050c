"""Random valid plans for the formats: richer than the plainest, several a junction, with windows.

Plans come from `tests.reference.valid_plans`; some get what planners use and tables have no column
for: people on foot who stop early, a clearance in more intervals, red and yellow before green.
Every plan is judged by the rules before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random

from tests.reference.valid_plans import (
    LARGEST_REAL_JUNCTION,
    made_case,
    real_networks,
    valid_plan,
)
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import JunctionRulesInput, judge, rules_inputs
from traffic_brain.model.signals import GREENS, Interval, PlanWindow, SignalPlan, Stage

MOST_LEAD_S = 6
DAYS = ((1, 2, 3, 4, 5), (6, 7))


@dataclass(frozen=True)
class Batch:
    """Plans of some junctions, and the city in which they are written and read."""

    plans: PlanSet
    context: Context


def made_batch(random: Random, count: int, *, schedules: bool = True) -> Batch:
    """At least ``count`` plans at made-up junctions; some have several, and windows."""
    sites: dict[str, JunctionRulesInput] = {}
    plans: list[SignalPlan] = []
    windows: list[PlanWindow] = []
    while len(plans) < count:
        name = f"J{len(sites):03d}"
        case = made_case(random)
        site = _renamed(case.site, name)
        own = [_rich(replace(case.plan, junction_id=name), site, random)]
        while schedules and random.random() < 0.3 and len(own) < 4:
            other = valid_plan(site, random)
            if other is not None:
                own.append(replace(_rich(other, site, random), plan_id=f"plan {len(own)}"))
        sites[name] = _in_service(site, own[0], random)
        plans += own
        if len(own) > 1 or (schedules and random.random() < 0.1):
            windows += _windows(name, own, random)
    return Batch(PlanSet(tuple(plans), tuple(windows)), Context(sites))


def real_batch(random: Random) -> Batch | None:
    """A plan for each junction of a real map that can have one; None where there is no map."""
    networks = _usable()
    if not networks:
        return None
    network, sites = random.choice(networks)
    plans = []
    known = dict(sites)
    for junction_id in sorted(sites):
        site = sites[junction_id]
        if site.served_groups and 1 < site.junction.signal_group_count <= LARGEST_REAL_JUNCTION:
            plan = valid_plan(site, random)
            if plan is not None:
                plans.append(_rich(plan, site, random))
                known[junction_id] = _in_service(site, plans[-1], random)
    if not plans:
        return real_batch(random)
    return Batch(PlanSet(tuple(plans)), Context(known, network))


@cache
def _usable() -> tuple[tuple[RoadNetwork, dict[str, JunctionRulesInput]], ...]:
    found = ((network, rules_inputs(network)) for network in real_networks())
    return tuple(
        (network, sites)
        for network, sites in found
        if any(
            site.served_groups and 1 < site.junction.signal_group_count <= LARGEST_REAL_JUNCTION
            for site in sites.values()
        )
    )


def _renamed(site: JunctionRulesInput, name: str) -> JunctionRulesInput:
    return replace(
        site,
        junction=replace(site.junction, junction_id=name, name=f"路口 {name}"),
        crossings=tuple(replace(c, junction_id=name) for c in site.crossings),
    )


def _in_service(site: JunctionRulesInput, plan: SignalPlan, random: Random) -> JunctionRulesInput:
    """Half of the junctions run the same stages already, with other greens; half nothing."""
    running = None
    if random.random() < 0.5:
        greens = tuple(random.randint(max(5, s.min_green_s), s.max_green_s) for s in plan.stages)
        running = plan.with_greens(greens, "in service")
    return replace(site, junction=replace(site.junction, plan_in_service=running, other_plans=()))


def _rich(plan: SignalPlan, site: JunctionRulesInput, random: Random) -> SignalPlan:
    """The plan with some of what real plans have, as long as it stays valid."""
    for enrich in random.sample((_stop_early, _split_interval, _red_yellow), k=3):
        if random.random() < 0.5:
            changed = enrich(plan, site, random)
            if not judge(changed, site):
                plan = changed
    return plan


def _changed(plan: SignalPlan, idx: int, stage: Stage) -> SignalPlan:
    stages = (*plan.stages[:idx], stage, *plan.stages[idx + 1 :])
    changed = replace(plan, stages=stages)
    return replace(changed, offset_s=plan.offset_s % changed.cycle_s)


def _stop_early(plan: SignalPlan, site: JunctionRulesInput, random: Random) -> SignalPlan:
    """People on foot get red some seconds before the cars get yellow."""
    for idx, stage in enumerate(plan.stages):
        walking = [g for g in site.groups_on_foot if stage.picture[g] in GREENS]
        if walking and stage.clearance:
            lamps = "".join("r" if g in walking else x for g, x in enumerate(stage.picture))
            lead = Interval(random.randint(1, MOST_LEAD_S), lamps)
            clearance = tuple(
                replace(
                    i,
                    picture="".join("r" if g in walking else x for g, x in enumerate(i.picture)),
                )
                for i in stage.clearance
            )
            plan = _changed(plan, idx, replace(stage, clearance=(lead, *clearance)))
    return plan


def _split_interval(plan: SignalPlan, _: JunctionRulesInput, random: Random) -> SignalPlan:
    """One interval of a clearance told as two."""
    found = [
        (idx, k)
        for idx, stage in enumerate(plan.stages)
        for k, interval in enumerate(stage.clearance)
        if interval.duration_s > 1
    ]
    if not found:
        return plan
    idx, k = random.choice(found)
    stage = plan.stages[idx]
    interval = stage.clearance[k]
    first_s = random.randint(1, interval.duration_s - 1)
    parts = tuple(replace(interval, duration_s=s) for s in (first_s, interval.duration_s - first_s))
    clearance = (*stage.clearance[:k], *parts, *stage.clearance[k + 1 :])
    return _changed(plan, idx, replace(stage, clearance=clearance))


def _red_yellow(plan: SignalPlan, _: JunctionRulesInput, random: Random) -> SignalPlan:
    """Who gets green next shows red and yellow while the last interval of red lasts."""
    idx = random.randrange(len(plan.stages))
    stage, after = plan.stages[idx], plan.stages[(idx + 1) % len(plan.stages)]
    if not stage.clearance or set(stage.clearance[-1].picture) & set("yY"):
        return plan
    last = stage.clearance[-1]
    lamps = "".join(
        "u" if now == "r" and then in GREENS else now
        for now, then in zip(last.picture, after.picture, strict=True)
    )
    return _changed(
        plan, idx, replace(stage, clearance=(*stage.clearance[:-1], replace(last, picture=lamps)))
    )


def _windows(junction_id: str, plans: Sequence[SignalPlan], random: Random) -> Iterator[PlanWindow]:
    """Every plan runs at some time; days are alike, or weekdays and weekends differ."""
    for days in DAYS if random.random() < 0.5 else ((*DAYS[0], *DAYS[1]),):
        order = [*plans, *random.choices(plans, k=random.randint(0, 3))]
        random.shuffle(order)
        cuts = sorted(random.sample(range(1, 24 * 60), k=len(order) - 1))
        starts = [0, *(minute * 60 for minute in cuts)]
        ends = [*starts[1:], 86_400]
        for plan, begin_s, end_s in zip(order, starts, ends, strict=True):
            yield PlanWindow(junction_id, plan.plan_id, begin_s, end_s, days)
