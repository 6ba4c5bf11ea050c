"""Candidate plans from good to sabotaged, drawn from a seed.

*good*: the optimiser's own. *mixed*: those, with greens and offsets disturbed. *bad*: green stolen
from the busiest stage, offsets turned, absurd cycles. *sabotaged*: a good plan of the whole city
with one junction spoilt so that a side street starves, or a queue fills the street back to the
junction behind it, or with timing that is not safe. What a plan is called says only how it was
made; whether it is good, the world tells.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from benchmarks.gate.cities import RecordedCity
from traffic_brain.model.documents import candidates_from_dict
from traffic_brain.model.network import VEHICLE_SPACING_M, Movement
from traffic_brain.model.reading import read_json
from traffic_brain.model.signals import GREENS, Interval, SignalPlan, Stage

Plans = Mapping[str, SignalPlan]
LONGEST_CYCLE_S = 150
"""A longer one would break the rule on the longest red, and never be driven."""
UNSAFE = "unsafe timing"
OVERLOAD = 1.3
"""Demand of a starved approach over what its green lets through."""


@dataclass(frozen=True)
class Made:
    """A candidate and how it was made."""

    name: str
    kind: str
    how: str
    plans: tuple[SignalPlan, ...]

    @property
    def sabotaged(self) -> bool:
        return self.kind == "sabotaged"


def candidates(world: RecordedCity, count: int, seed: int) -> list[Made]:
    """``count`` different candidates; a quarter of each kind where the world allows it."""
    rng = random.Random(f"{world.spec.name}/{seed}")
    running = {j: p.plan for j, p in world.problem.problems.items()}
    if not running:
        return []
    good = list(candidates_from_dict(read_json(world.plans / "candidates.json")).values())
    good_plans = [{p.junction_id: p for p in plans} for plans in good if plans] or [running]
    makers: dict[str, Iterator[tuple[str, Plans] | None]] = {
        "good": (("optimiser", plans) for plans in good_plans),
        "sabotaged": _sabotaged(world, good_plans, rng),
        "mixed": _mixed(running, good_plans, rng),
        "bad": _bad(world, running, good_plans, rng),
    }
    found: dict[tuple[SignalPlan, ...], Made] = {}
    numbers = dict.fromkeys(makers, 0)
    while makers and len(found) < count:
        for kind in list(makers):
            made = next(makers[kind], None)
            if made is None:
                del makers[kind]
                continue
            how, plans = made
            numbers[kind] += 1
            name = f"{kind}-{numbers[kind]}"
            named = tuple(replace(p, plan_id=f"{seed}-{name}") for p in plans.values())
            plain = tuple(replace(p, plan_id="") for p in named)
            if len(found) < count:
                found.setdefault(plain, Made(name, kind, how, named))
    return list(found.values())


def _mixed(
    running: Plans, good: list[dict[str, SignalPlan]], rng: random.Random
) -> Iterator[tuple[str, Plans]]:
    while True:
        base = rng.choice([running, *good])
        spread = rng.choice((0.15, 0.3, 0.5))
        yield (
            f"greens ± {spread:.0%}",
            {j: _disturbed(plan, spread, rng) for j, plan in base.items()},
        )


def _disturbed(plan: SignalPlan, spread: float, rng: random.Random) -> SignalPlan:
    greens = [
        _within(stage, stage.green_s * rng.uniform(1 - spread, 1 + spread)) for stage in plan.stages
    ]
    changed = plan.with_greens(tuple(greens), plan.plan_id)
    shift = round(rng.uniform(-spread, spread) * changed.cycle_s / 2)
    return changed.with_offset(changed.offset_s + shift)


def _within(stage: Stage, green_s: float) -> int:
    return int(min(max(round(green_s), stage.min_green_s), max(stage.max_green_s, stage.green_s)))


def _bad(
    world: RecordedCity, running: Plans, good: list[dict[str, SignalPlan]], rng: random.Random
) -> Iterator[tuple[str, Plans]]:
    makers: dict[str, Callable[[SignalPlan], SignalPlan]] = {
        "splits stolen": lambda plan: _stolen(plan, world, rng.uniform(0.3, 0.7)),
        "offsets turned": lambda plan: plan.with_offset(
            plan.offset_s + rng.randrange(plan.cycle_s)
        ),
        "cycle absurdly long": lambda plan: _stretched(plan, rng.uniform(2.0, 3.0)),
        "cycle absurdly short": lambda plan: _stretched(plan, 0.0),
    }
    while True:
        how = rng.choice(sorted(makers))
        base = rng.choice([running, *good])
        yield how, {j: makers[how](plan) for j, plan in base.items()}


def _stolen(plan: SignalPlan, world: RecordedCity, share: float) -> SignalPlan:
    """Green of the busiest stage, handed to the idlest one."""
    busy = [
        sum(_demand_vph(world, m) for m in _served(world, plan, i)) / max(stage.green_s, 1)
        for i, stage in enumerate(plan.stages)
    ]
    top, low = busy.index(max(busy)), busy.index(min(busy))
    greens = list(plan.greens_s)
    taken = min(
        round(share * greens[top]),
        greens[top] - plan.stages[top].min_green_s,
        max(plan.stages[low].max_green_s - greens[low], 0),
    )
    if top == low or taken <= 0:
        return _stretched(plan, 2.0)
    greens[top] -= taken
    greens[low] += taken
    return plan.with_greens(tuple(greens), plan.plan_id)


def _stretched(plan: SignalPlan, factor: float) -> SignalPlan:
    greens = [_within(stage, stage.green_s * factor) for stage in plan.stages]
    return plan.with_greens(tuple(greens), plan.plan_id)


def _served(world: RecordedCity, plan: SignalPlan, stage_idx: int) -> list[Movement]:
    picture = plan.stages[stage_idx].picture
    return [
        m
        for m in world.network.movements_at[plan.junction_id]
        if any(picture[g] in GREENS for g in m.signal_group_idxs)
    ]


def _demand_vph(world: RecordedCity, movement: Movement) -> float:
    return world.problem.demand_vph.get(movement.movement_id, 0.0)


def _sabotaged(
    world: RecordedCity, good: list[dict[str, SignalPlan]], rng: random.Random
) -> Iterator[tuple[str, Plans]]:
    """In turns: a starved street, a street filled to the junction behind it, unsafe timing."""
    starved = _spoilt(world, good, rng, spillback=False)
    filled = _spoilt(world, good, rng, spillback=True)
    while True:
        base = rng.choice(good)
        for made in (next(starved, None), next(filled, None), _unsafe(base, rng)):
            if made is not None:
                yield made


def _spoilt(
    world: RecordedCity, good: list[dict[str, SignalPlan]], rng: random.Random, *, spillback: bool
) -> Iterator[tuple[str, Plans]]:
    """One approach gets the least green, the others so much that it cannot clear its queue."""
    places = [
        (base, plan, stage_idx, link_id)
        for base in good
        for plan in base.values()
        for stage_idx, link_id in _alone_in_a_stage(world, plan)
    ]
    rng.shuffle(places)
    hours = world.problem.state.window.hours
    for base, plan, stage_idx, link_id in places:
        spoilt, overflow_vph = _starving(world, plan, stage_idx, link_id)
        if spoilt is None:
            continue
        link = world.network.links[link_id]
        inside = any(
            world.network.links[k].junction_id for k in world.network.predecessors[link_id]
        )
        room = link.length_m / VEHICLE_SPACING_M * max(len(link.car_lanes), 1)
        fills = inside and overflow_vph * hours > 1.5 * room
        if fills == spillback:
            how = "street filled" if spillback else "side street starved"
            yield f"{how}: {link_id}", {**base, plan.junction_id: spoilt}


def _alone_in_a_stage(world: RecordedCity, plan: SignalPlan) -> Iterator[tuple[int, str]]:
    """(stage, approach) where all of the approach's green lies in that stage."""
    for approach in world.network.approaches_at[plan.junction_id]:
        stages = {
            i
            for i in range(len(plan.stages))
            for m in approach.movements
            if m in _served(world, plan, i)
        }
        if len(stages) == 1 and len(plan.stages) > 1:
            yield stages.pop(), approach.link_id


def _starving(
    world: RecordedCity, plan: SignalPlan, stage_idx: int, link_id: str
) -> tuple[SignalPlan | None, float]:
    """The plan that starves an approach, and vehicles per hour that are left over; or None."""
    movements = [m for m in world.network.movements_at[plan.junction_id] if m.from_link == link_id]
    demand = sum(_demand_vph(world, m) for m in movements)
    lanes = {
        lane: m.saturation_flow_vph / max(len(m.lanes), 1) for m in movements for lane in m.lanes
    }
    stage = plan.stages[stage_idx]
    green_s = stage.min_green_s
    served_per_cycle = sum(lanes.values()) * (green_s + 2) / 3600
    least_cycle_s = OVERLOAD * served_per_cycle * 3600 / max(demand, 1e-9)
    greens = list(plan.greens_s)
    freed = greens[stage_idx] - green_s
    greens[stage_idx] = green_s
    others = [i for i in range(len(greens)) if i != stage_idx]
    missing = max(freed, round(least_cycle_s) - plan.cycle_s + freed)
    for n, i in enumerate(others):
        greens[i] += missing // len(others) + (n < missing % len(others))
    too_long = any(greens[i] > plan.stages[i].max_green_s for i in others)
    spoilt = plan.with_greens(tuple(greens), plan.plan_id)
    if demand < 60 or too_long or spoilt.cycle_s > LONGEST_CYCLE_S:
        return None, 0.0
    return spoilt, demand - served_per_cycle * 3600 / spoilt.cycle_s


def _unsafe(base: Plans, rng: random.Random) -> tuple[str, Plans]:
    junction_id = rng.choice(sorted(base))
    plan = base[junction_id]
    how = rng.choice(("no clearance", "yellow of 1 s", "green of 2 s", "conflicting greens"))
    i = rng.randrange(len(plan.stages))
    stage = plan.stages[i]
    if how == "no clearance":
        changed = replace(stage, clearance=())
    elif how == "yellow of 1 s":
        changed = replace(stage, clearance=tuple(Interval(1, c.picture) for c in stage.clearance))
    elif how == "green of 2 s":
        changed = replace(stage, green_s=2, min_green_s=2)
    else:
        changed = replace(stage, picture=stage.picture.replace("r", "G"))
    stages = (*plan.stages[:i], changed, *plan.stages[i + 1 :])
    spoilt = replace(plan, stages=stages)
    return f"{UNSAFE}, {how}", {**base, junction_id: spoilt.with_offset(plan.offset_s)}
