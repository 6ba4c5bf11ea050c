"""An emergency corridor for people: the route, the greens that are held, and their cost.

The document holds all that its page shows, so that it can be printed again when the night's
folders are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import ceil
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from optimizers.emergency.corridor import emergency_corridor
from optimizers.emergency.queues import as_held
from optimizers.emergency.result import EmergencyCorridor, EmergencyParams, Passage
from optimizers.emergency.route import shortest_route
from optimizers.emergency.stages import Held
from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.refusals import NotFound, Refusal
from traffic_brain.console.views import corridor
from traffic_brain.model.findings import Corridor
from traffic_brain.model.signals import GREENS, SignalPlan
from traffic_brain.report.figures import junction_name, link_name
from traffic_brain.report.saved import Night
from traffic_brain.report.timespace import Direction, serving_movement

DRAWN_AROUND_S = 60
"""Seconds before the departure and after the arrival that the picture shows."""
MOST_LINKS = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    speed_kmh: float
    depart_s: int
    from_link: str = ""
    to_link: str = ""
    corridor_id: str = ""
    """In place of the links: along this corridor …"""
    direction: Direction = Direction.OUT
    """… in this direction."""
    who: str = ""
    at: str = ""


def work_out(library: Library, folder: NightFolder, asked: Asked) -> dict[str, Any]:
    """The proposal as a document.

    Raises:
        NotFound: there is no such link or corridor.
        Refusal: no way leads from one link to the other, or it is too long.
        DataRefused: the route or a figure cannot be used.
    """
    night = library.night(folder)
    route = _route(night, asked)
    if len(route) > MOST_LINKS:
        raise Refusal(f"the route has {len(route)} links", f"choose one of at most {MOST_LINKS}")
    params = EmergencyParams(depart_s=asked.depart_s, speed_mps=asked.speed_kmh / 3.6)
    demand = _demand_at(folder, night, asked.depart_s)
    found = emergency_corridor(night.network, night.running, demand, route, params)
    return _document(night, found, asked)


def _route(night: Night, asked: Asked) -> tuple[str, ...]:
    network = night.network
    if asked.corridor_id:
        return _along(night, corridor.find(night, asked.corridor_id), asked.direction)
    for link_id in (asked.from_link, asked.to_link):
        if link_id not in network.links:
            raise NotFound("there is no such link", "choose both ends from the suggestions")
    travel = _travel_s(night, asked.depart_s)
    route = shortest_route(network, asked.from_link, asked.to_link, travel)
    if route is None:
        raise Refusal("no way leads from the first link to the second", "choose other links")
    return route


def _along(night: Night, found: Corridor, way: Direction) -> tuple[str, ...]:
    """From the street before the corridor's first stop line to the one behind its last."""
    network = night.network
    paths = found.out_paths if way is Direction.OUT else found.back_paths[::-1]
    if not paths or not all(paths):
        raise Refusal("the corridor has no way in this direction", "choose the other direction")
    last = len(found.junction_ids) - 1
    ends = (0, last) if way is Direction.OUT else (last, 0)
    enter, leave = (serving_movement(network, found, p, way, night.demand_vph) for p in ends)
    links = [link for path in paths for link in path]
    before = [enter.from_link] if enter else []
    after = [leave.to_link] if leave else []
    return tuple(dict.fromkeys([*before, *links, *after]))


def _travel_s(night: Night, at_s: int) -> dict[str, float]:
    """Travel times at this time of the day, of the links whose speed is known."""
    states = night.link_states
    if not states.bins_s:
        return {}
    row = max((k for k, b in enumerate(states.bins_s) if b <= at_s), default=0)
    return {
        link_id: night.network.links[link_id].length_m / (kmh / 3.6)
        for link_id, kmh in zip(states.link_ids, states.speeds_kmh[row], strict=True)
        if kmh > 0
    }


def _demand_at(folder: NightFolder, night: Night, at_s: int) -> Mapping[str, float]:
    """Demand by movement in the bin of this time; the day's mean where it is not known."""
    columns = ["movement_id", "bin_start_s", "demand_vph"]
    path = folder.folders.state / "movement_demand.parquet"
    table = pq.read_table(path, columns=columns, read_dictionary=columns[:1])
    starts = table["bin_start_s"]
    begun = pc.filter(starts, pc.less_equal(starts, at_s))
    start = pc.max(begun if len(begun) else starts).as_py()
    rows = table.filter(pc.equal(starts, start))
    known = zip(rows["movement_id"].to_pylist(), rows["demand_vph"].to_pylist(), strict=True)
    return {**night.demand_vph, **{m: demand for m, demand in known if demand is not None}}


def _document(night: Night, found: EmergencyCorridor, asked: Asked) -> dict[str, Any]:
    network = night.network
    begin = asked.depart_s - DRAWN_AROUND_S
    end = ceil(found.arrive_s) + DRAWN_AROUND_S
    held = {p.junction_id: Held(p.runs, (), p.back_s or 0) for p in found.passages if p.runs}
    return {
        "asked": asdict(asked),
        "service_day": night.summary["service_day"],
        "from": link_name(network, found.route[0]),
        "to": link_name(network, found.route[-1]),
        "route": list(found.route),
        "length_m": round(found.length_m, 1),
        "arrive_s": round(found.arrive_s, 1),
        "drive_s": round(found.drive_s, 1),
        "unaided_s": round(found.unaided_s, 1),
        "lost_veh_h": round(found.lost_veh_h, 3),
        "gained_veh_h": round(found.gained_veh_h, 3),
        "cycles_to_recover": found.cycles_to_recover,
        "drawn_s": [begin, end],
        "passages": [_passage(night, p, held, begin, end) for p in found.passages],
    }


def _passage(
    night: Night, passage: Passage, held: Mapping[str, Held], begin_s: int, end_s: int
) -> dict[str, Any]:
    plan = night.running.get(passage.junction_id)
    movement = night.network.movements[passage.movement_id]
    groups = tuple(dict.fromkeys(g for g in movement.signal_group_idxs if g >= 0))
    planned: list[list[int]] = []
    shown: list[list[int]] = []
    if plan is not None:
        planned = _spans(_pictures(plan, None, begin_s, end_s), groups, begin_s)
        there = held.get(passage.junction_id)
        shown = _spans(_pictures(plan, there, begin_s, end_s), groups, begin_s)
    return {
        "junction_id": passage.junction_id,
        "name": junction_name(night.network, passage.junction_id),
        "from": link_name(night.network, movement.from_link),
        "to": link_name(night.network, movement.to_link),
        "movement_id": passage.movement_id,
        "distance_m": round(passage.distance_m, 1),
        "arrival_s": round(passage.arrival_s, 1),
        "status": passage.status.value,
        "wait_s": round(passage.wait_s, 1),
        "asked_s": [passage.asked_from_s, passage.asked_until_s],
        "green_s": None
        if passage.green_from_s is None
        else [passage.green_from_s, passage.green_until_s],
        "stages": [i + 1 for i in passage.stages],
        "is_protected": passage.is_protected,
        "changes": [
            {
                "stage": run.stage_idx + 1,
                "start_s": run.start_s,
                "green_s": run.green_s,
                "planned_green_s": run.planned_green_s,
            }
            for run in passage.runs
        ],
        "back_s": passage.back_s,
        "lost_veh_h": round(passage.cost.lost_veh_h, 3) if passage.cost else 0.0,
        "gained_veh_h": round(passage.cost.gained_veh_h, 3) if passage.cost else 0.0,
        "cycles_to_recover": passage.cycles_to_recover,
        "planned_greens_s": planned,
        "greens_s": shown,
    }


def _pictures(plan: SignalPlan, held: Held | None, begin_s: int, end_s: int) -> Sequence[str]:
    if held is None:
        return [plan.picture_at(t) for t in range(begin_s, end_s)]
    first = min(begin_s, held.runs[0].start_s)
    last = max(end_s, held.back_s)
    return as_held(plan, held, first, last)[begin_s - first : end_s - first]


def _spans(pictures: Sequence[str], groups: Sequence[int], begin_s: int) -> list[list[int]]:
    """[from, until] of each green of all groups, in seconds of the day."""

    def found() -> Iterator[list[int]]:
        start: int | None = None
        for k, picture in enumerate(pictures):
            green = all(picture[g] in GREENS for g in groups)
            if green and start is None:
                start = k
            if not green and start is not None:
                yield [begin_s + start, begin_s + k]
                start = None
        if start is not None:
            yield [begin_s + start, begin_s + len(pictures)]

    return list(found())
