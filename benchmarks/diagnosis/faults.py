"""Faults, and how each is planted: in plans, in streets, in demand, or in feeds.

Where, and how hard, is drawn from the case's seed among the busy approaches of the world's
ordinary day. The engine never learns of it: it imports the streets as they were and reads the
plans that run, as a city's office would have them on file.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.diagnosis.worlds import Ready
from traffic_brain.model.network import Approach, RoadNetwork, Turn
from traffic_brain.model.signals import GREENS, SignalPlan

SPLIT, OFFSET, CYCLE_SHORT, CYCLE_LONG = "split", "offset", "cycle_short", "cycle_long"
LANE, BAY, DEMAND, INCIDENT = "lane_closed", "bay_shortened", "demand", "incident"
DEAD, STUCK, NOTHING = "dead_detector", "stuck_speed", "nothing"
KINDS = (
    *(SPLIT, OFFSET, CYCLE_SHORT, CYCLE_LONG, LANE, BAY, DEMAND, INCIDENT),
    *(DEAD, STUCK, NOTHING),
)
DEMAND_FACTOR = 1.4
INCIDENT_S = 1800
CLOSED_M = 70.0
SHORT_BAY_M = 9.0
SATURATION_VPH = 1800.0
OVERLOADED, BUSIEST = 1.1, 1.2
"""Demand over capacity of what is left of an approach, reached by at most so much more demand."""
LEAST_SATURATION, LEAST_RED_S = 0.9, 90
"""A cycle is far too short or long when vehicles are left over, or wait so long for their green."""
OBSTACLE = "planted"
BY_OBSTACLE = (LANE, BAY, INCIDENT)
"""Faults for which something stands in the street that is no queue."""


@dataclass(frozen=True)
class Day:
    """Vehicles per hour of an ordinary day, of links and of turns."""

    link_vph: Mapping[str, float]
    turn_vph: Mapping[tuple[str, str], float]


@dataclass
class Planted:
    """What a case's faults do to the world."""

    plans: dict[str, SignalPlan]
    scale: float = 1.0
    additional: list[Path] = field(default_factory=list)
    places: list[dict[str, Any]] = field(default_factory=list)
    """kind, junction_id, link_id (None: the whole city), begin_s, end_s and details of each."""


@dataclass(frozen=True)
class Site:
    """An approach at which a fault may be planted, and what it takes to plant it."""

    approach: Approach
    network: RoadNetwork
    world: Ready
    day: Day
    planted: Planted
    rng: random.Random
    folder: Path


Planter = Callable[[Site], dict[str, Any] | None]


def plant(kinds: Sequence[str], world: Ready, day: Day, seed: str, folder: Path) -> Planted | None:
    """Plant each of ``kinds`` at a junction of its own; None: the world has no place for one."""
    rng = random.Random(seed)
    network, planted = world.network, Planted(dict(world.plans))
    taken: set[str] = set()
    for kind in kinds:
        places = [a for a in _busy(network, world, day) if a.junction_id not in taken]
        rng.shuffle(places)
        if kind in (LANE, INCIDENT):
            places = _where_lanes_count(places, network, planted, day)
        if kind == NOTHING:
            continue
        if kind == DEMAND:
            planted.scale = DEMAND_FACTOR
            planted.places.append({"kind": kind, "junction_id": None, "link_id": None})
            continue
        for approach in places:
            told = _PLANTERS[kind](Site(approach, network, world, day, planted, rng, folder))
            if told is not None:
                taken.add(approach.junction_id)
                planted.places.append(
                    {
                        "kind": kind,
                        "junction_id": approach.junction_id,
                        "link_id": approach.link_id,
                        **told,
                    }
                )
                break
        else:
            return None
    return planted


def spoil_feeds(feeds: Path, places: Sequence[Mapping[str, Any]]) -> None:
    """Dead detectors and stuck speeds, in the tables of a recorded day."""
    for place in places:
        if place["kind"] == DEAD:
            for name in ("passes", "counts"):
                path = feeds / "police" / f"{name}.parquet"
                table = pq.read_table(path)
                here = pc.equal(table["link_id"], place["link_id"])
                if name == "counts" and place["sends_zeros"]:
                    zeros = pc.if_else(here, pa.scalar(0, pa.int32()), table["count"])
                    table = table.set_column(table.schema.get_field_index("count"), "count", zeros)
                else:
                    table = table.filter(pc.invert(here))
                pq.write_table(table, path, compression="zstd")
        if place["kind"] == STUCK:
            path = feeds / "internet" / "speeds.parquet"
            names = pq.read_table(feeds / "internet" / "links.parquet").to_pylist()
            stuck = {r["provider_link_id"] for r in names if r["link_id"] == place["link_id"]}
            table = pq.read_table(path)
            here = pc.is_in(table["provider_link_id"], pa.array(sorted(stuck)))
            slow = pc.if_else(here, place["speed_kmh"], table["speed_kmh"])
            table = table.set_column(table.schema.get_field_index("speed_kmh"), "speed_kmh", slow)
            pq.write_table(table, path, compression="zstd")


def ordinary_day(truth: Path, hours: float) -> Day:
    """Mean flows of a recorded day."""
    turns: dict[tuple[str, str], float] = {}
    for row in pq.read_table(truth / "movements.parquet").to_pylist():
        key = row["from_link"], row["to_link"]
        turns[key] = turns.get(key, 0.0) + row["flow_veh"] / hours
    links: dict[str, float] = {}
    for row in pq.read_table(truth / "links.parquet").to_pylist():
        links[row["link_id"]] = links.get(row["link_id"], 0.0) + row["flow_veh"] / hours
    return Day(links, turns)


def _busy(network: RoadNetwork, world: Ready, day: Day) -> list[Approach]:
    """The busier half of the approaches at junctions with a plan, by vehicles per lane."""
    plans = world.plans
    found = [
        a
        for j, listed in sorted(network.approaches_at.items())
        if j in plans
        for a in listed
        if len(network.links[a.link_id].car_lanes) and network.links[a.link_id].length_m > 30
    ]
    load = {a.link_id: day.link_vph.get(a.link_id, 0.0) / max(1, len(a.lanes)) for a in found}
    busy = sorted(found, key=lambda a: (-load[a.link_id], a.link_id))[: max(4, len(found) // 2)]
    return [a for a in busy if day.link_vph.get(a.link_id, 0.0) > 150]


def _where_lanes_count(
    places: Sequence[Approach], network: RoadNetwork, planted: Planted, day: Day
) -> list[Approach]:
    """Of some approaches those four that could spare a lane least, in the order given."""

    def left(approach: Approach) -> float:
        lane = _spare_lane(approach, day)
        plan = planted.plans[approach.junction_id]
        closed = frozenset() if lane is None else frozenset({lane})
        return -_saturation(plan, network, approach.link_id, day, closed) * (lane is not None)

    chosen = {a.link_id for a in sorted(places, key=left)[:4]}
    return [a for a in places if a.link_id in chosen]


def _served(plan: SignalPlan, network: RoadNetwork, link_id: str, day: Day) -> int | None:
    """The stage in which most of an approach's vehicles go."""
    flows = np.zeros(len(plan.stages))
    for m in network.movements_at[plan.junction_id]:
        if m.from_link == link_id:
            for i, stage in enumerate(plan.stages):
                if any(stage.picture[g] == "G" for g in m.signal_group_idxs):
                    flows[i] += day.turn_vph.get((m.from_link, m.to_link), 0.0)
    return int(np.argmax(flows)) if flows.max(initial=0.0) > 0 else None


def _flow_ratio(
    plan: SignalPlan,
    network: RoadNetwork,
    link_id: str,
    stage: int,
    day: Day,
    closed: frozenset[int] = frozenset(),
) -> float:
    """Vehicles of an approach in a stage over what its lanes pass in full green: busiest lane."""
    by_lane: dict[int, float] = {}
    for m in network.movements_at[plan.junction_id]:
        if m.from_link == link_id and any(
            plan.stages[stage].picture[g] in GREENS for g in m.signal_group_idxs
        ):
            lanes = set(m.lanes) - closed
            for lane in lanes:
                flow = day.turn_vph.get((m.from_link, m.to_link), 0.0) / len(lanes)
                by_lane[lane] = by_lane.get(lane, 0.0) + flow
    return max(by_lane.values(), default=0.0) / SATURATION_VPH


def _saturation(
    plan: SignalPlan,
    network: RoadNetwork,
    link_id: str,
    day: Day,
    closed: frozenset[int] = frozenset(),
) -> float:
    """Demand over capacity of the busiest lane in the approach's main stage."""
    i = _served(plan, network, link_id, day)
    if i is None:
        return 0.0
    ratio = _flow_ratio(plan, network, link_id, i, day, closed)
    return ratio * plan.cycle_s / max(plan.greens_s[i], 1)


def _split(at: Site) -> dict[str, Any] | None:
    """Green of the approach's stage given to the others, until it passes too few."""
    plan = at.planted.plans[at.approach.junction_id]
    i = _served(plan, at.network, at.approach.link_id, at.day)
    if i is None:
        return None
    ratio = _flow_ratio(plan, at.network, at.approach.link_id, i, at.day)
    overload = at.rng.uniform(1.15, 1.45)
    wanted = int(ratio * plan.cycle_s / overload)
    green = max(5, wanted)
    stolen = plan.greens_s[i] - green
    if stolen < 6 or ratio * plan.cycle_s / green < 1.1:
        return None
    greens = list(plan.greens_s)
    greens[i] = green
    others = [k for k in range(len(greens)) if k != i]
    total = sum(greens[k] for k in others)
    given = [stolen * greens[k] // total for k in others]
    given[0] += stolen - sum(given)
    for k, more in zip(others, given, strict=True):
        greens[k] += more
    at.planted.plans[at.approach.junction_id] = plan.with_greens(tuple(greens), plan.plan_id)
    return {"stolen_s": stolen, "saturation": ratio * plan.cycle_s / green}


def _offset(at: Site) -> dict[str, Any] | None:
    """The junction turned by half a cycle, where vehicles come from a signal with its cycle."""
    plan = at.planted.plans[at.approach.junction_id]
    behind = _signal_behind(at.network, at.approach.link_id)
    if behind is None or behind not in at.planted.plans:
        return None
    if at.planted.plans[behind].cycle_s != plan.cycle_s:
        return None
    turned = plan.with_offset(plan.offset_s + plan.cycle_s // 2)
    at.planted.plans[at.approach.junction_id] = turned
    return {"turned_s": plan.cycle_s // 2}


def _cycle(factor: tuple[float, float], longest_s: int) -> Planter:
    def planter(at: Site) -> dict[str, Any] | None:
        plan = at.planted.plans[at.approach.junction_id]
        times = at.rng.uniform(*factor)
        greens = tuple(max(5, round(g * times)) for g in plan.greens_s)
        changed = plan.with_greens(greens, plan.plan_id)
        if changed.cycle_s > longest_s or abs(changed.cycle_s / plan.cycle_s - 1) < 0.3:
            return None
        saturation = _saturation(changed, at.network, at.approach.link_id, at.day)
        i = _served(changed, at.network, at.approach.link_id, at.day)
        red_s = changed.cycle_s - (0 if i is None else changed.greens_s[i])
        if saturation < LEAST_SATURATION and red_s < LEAST_RED_S:
            return None
        at.planted.plans[at.approach.junction_id] = changed
        return {"from_s": plan.cycle_s, "to_s": changed.cycle_s, "saturation": saturation}

    return planter


def _lane(at: Site) -> dict[str, Any] | None:
    """A lane closed before the stop line, all the time; its vehicles have another one."""
    lane = _spare_lane(at.approach, at.day)
    link = at.network.links[at.approach.link_id]
    if lane is None or link.length_m < 45:
        return None
    plan = at.planted.plans[at.approach.junction_id]
    saturation = _saturation(plan, at.network, link.link_id, at.day, frozenset({lane}))
    if not _busy_enough(at.planted, saturation):
        return None
    closed_m = min(CLOSED_M, link.length_m - 15)
    at.planted.additional.append(
        _obstacle(
            at.folder, link.link_id, lane, link.length_m - 2.0, closed_m, at.world.begin_s, 7200
        )
    )
    return {"lane_idx": lane, "closed_m": closed_m, "saturation": saturation}


def _incident(at: Site) -> dict[str, Any] | None:
    """Two cars that stand in a lane for half an hour."""
    lane = _spare_lane(at.approach, at.day)
    link = at.network.links[at.approach.link_id]
    if lane is None or link.length_m < 45:
        return None
    plan = at.planted.plans[at.approach.junction_id]
    saturation = _saturation(plan, at.network, link.link_id, at.day, frozenset({lane}))
    if not _busy_enough(at.planted, saturation):
        return None
    begin = at.world.begin_s + at.rng.randrange(600, 1200)
    at.planted.additional.append(
        _obstacle(
            at.folder,
            *(link.link_id, lane, link.length_m - 12.0, 14.0, begin, INCIDENT_S),
            drives_in=True,
        )
    )
    return {
        "lane_idx": lane,
        "begin_s": begin,
        "end_s": begin + INCIDENT_S,
        "saturation": saturation,
    }


def _busy_enough(planted: Planted, saturation: float) -> bool:
    """Make it a busy day where a lane less would hardly be noticed; False: not even then."""
    scale = OVERLOADED / max(saturation, 1e-9)
    if scale > BUSIEST:
        return False
    planted.scale = max(planted.scale, scale, 1.0)
    return True


def _spare_lane(approach: Approach, day: Day) -> int | None:
    """The busiest lane without which every turn of the approach still has one."""
    load: dict[int, float] = {}
    for lane in approach.lanes:
        if all(set(m.lanes) - {lane} for m in approach.movements):
            load[lane] = sum(
                day.turn_vph.get((m.from_link, m.to_link), 0.0) / len(m.lanes)
                for m in approach.movements
                if lane in m.lanes
            )
    return max(load, key=lambda lane: (load[lane], lane)) if load else None


def _obstacle(
    folder: Path,
    link_id: str,
    lane: int,
    front_m: float,
    length_m: float,
    begin_s: float,
    duration_s: float,
    *,
    drives_in: bool = False,
) -> Path:
    """An additional file with something long that stands in a lane and is no probe."""
    name = f"{OBSTACLE}-{link_id}"
    root = ET.Element("additional")
    kind = {"id": name, "vClass": "passenger", "length": f"{length_m:.1f}"}
    ET.SubElement(ET.SubElement(root, "vType", kind), "param", key="has.fcd.device", value="false")
    ET.SubElement(root, "route", id=name, edges=link_id)
    vehicle = ET.SubElement(
        root,
        "vehicle",
        id=name,
        type=name,
        route=name,
        depart=f"{begin_s:g}",
        departLane=str(lane),
        departPos="base" if drives_in else f"{front_m:.1f}",
        departSpeed="max" if drives_in else "0",
    )
    ET.SubElement(
        vehicle,
        "stop",
        lane=f"{link_id}_{lane}",
        endPos=f"{front_m:.1f}",
        startPos=f"{front_m - 5:.1f}",
        duration=f"{duration_s:g}",
    )
    path = folder / f"obstacle-{lane}-{len(list(folder.glob('obstacle-*')))}.add.xml"
    folder.mkdir(parents=True, exist_ok=True)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def _bay(at: Site) -> dict[str, Any] | None:
    """The bay of a generated city's left turn, of which something long leaves room for one car."""
    link = at.network.links[at.approach.link_id]
    if at.world.world.grid is None or len(link.car_lanes) < 3:
        return None
    lefts = [m for m in at.approach.movements if m.turn is Turn.LEFT]
    left_vph = sum(at.day.turn_vph.get((m.from_link, m.to_link), 0.0) for m in lefts)
    lanes = {lane for m in lefts for lane in m.lanes}
    shared = {lane for m in at.approach.movements if m not in lefts for lane in m.lanes}
    if left_vph < 170 or len(lanes - shared) != 1:
        return None
    (lane,) = lanes - shared
    taken_m = link.length_m - SHORT_BAY_M - 3.0
    at.planted.additional.append(
        _obstacle(
            at.folder,
            *(link.link_id, lane, link.length_m - SHORT_BAY_M, taken_m),
            *(at.world.begin_s, 7200),
        )
    )
    return {"left_vph": left_vph, "bay_m": SHORT_BAY_M, "lane_idx": lane}


def _dead(at: Site) -> dict[str, Any] | None:
    return {"sends_zeros": at.rng.random() < 0.5}


def _stuck(at: Site) -> dict[str, Any] | None:
    return {"speed_kmh": round(at.rng.uniform(2.5, 5.0), 1)}


def _signal_behind(network: RoadNetwork, link_id: str) -> str | None:
    """The signal that a link's vehicles passed last, if there is one within 600 m."""
    link, metres = network.links[link_id], 0.0
    while metres < 600:
        metres += link.length_m
        before = [network.links[p] for p in network.predecessors[link.link_id]]
        signals = {b.junction_id for b in before if b.junction_id}
        if signals:
            return min(signals)
        if len(before) != 1:
            return None
        link = before[0]
    return None


_PLANTERS: Mapping[str, Planter] = {
    SPLIT: _split,
    OFFSET: _offset,
    CYCLE_SHORT: _cycle((0.1, 0.35), 300),
    CYCLE_LONG: _cycle((2.0, 3.0), 260),
    LANE: _lane,
    BAY: _bay,
    INCIDENT: _incident,
    DEAD: _dead,
    STUCK: _stuck,
}
