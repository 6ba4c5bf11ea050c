"""Small road networks made by hand: straight roads between named places, and ways over them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

from traffic_brain.model.network import Connection, Junction, Link, Movement, RoadNetwork, Turn
from traffic_brain.model.signals import Interval, SignalPlan, Stage

Place = tuple[float, float]
SPEED_MPS = 10.0


def road(start: str, end: str, places: Mapping[str, Place], **changes: object) -> Link:
    """The straight road from a place to another, called ``start-end``."""
    a, b = places[start], places[end]
    plain = Link(
        link_id=f"{start}-{end}",
        from_node=start,
        to_node=end,
        length_m=math.dist(a, b),
        free_flow_speed_mps=SPEED_MPS,
        lane_count=1,
        road_class="highway.primary",
        name=f"{start}-{end}",
        shape=(a, b),
        car_lanes=(0,),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def network(
    links: Iterable[Link],
    ways: Mapping[tuple[str, str], tuple[Turn, tuple[int, ...]]],
    plans: Iterable[SignalPlan] = (),
) -> RoadNetwork:
    """A network of links and ways (from, to) -> (turn, lanes); one signal group per way.

    Ways from a link with a ``junction_id`` are movements; ``plans`` are in service.
    """
    by_id = {link.link_id: link for link in links}
    connections, movements = [], {}
    groups: dict[str, itertools.count[int]] = {}
    for (start, end), (turn, lanes) in ways.items():
        junction_id = by_id[start].junction_id
        group = -1
        if junction_id is not None:
            group = next(groups.setdefault(junction_id, itertools.count()))
            movement_id = f"{start}>{end}"
            flow_vph = 1800.0 * len(lanes)
            movements[movement_id] = Movement(
                movement_id, junction_id, start, end, turn, lanes, (group,), flow_vph
            )
        connections += [Connection(start, n, end, 0, turn, junction_id, group) for n in lanes]
    in_service = {plan.junction_id: plan for plan in plans}
    junctions = {
        j: Junction(
            junction_id=j,
            name=j,
            x=0.0,
            y=0.0,
            node_ids=(j,),
            signal_group_count=next(count),
            conflicts=frozenset(),
            yields=frozenset(),
            plan_in_service=in_service.get(j),
        )
        for j, count in groups.items()
    }
    return RoadNetwork("hand-made", by_id, tuple(connections), movements, junctions)


def through(*path: str) -> dict[tuple[str, str], tuple[Turn, tuple[int, ...]]]:
    """Ways straight on, from each link of a path to the next, over lane 0."""
    return dict.fromkeys(itertools.pairwise(path), (Turn.THROUGH, (0,)))


def two_stage_plan(
    junction_id: str, *, greens_s: tuple[int, int] = (30, 20), offset_s: int = 0, groups: int = 2
) -> SignalPlan:
    """Group 0 is green in the first stage, all others in the second; 3 s yellow, 2 s red."""
    first, second = "G" + "r" * (groups - 1), "r" + "G" * (groups - 1)
    red = "r" * groups
    stages = tuple(
        Stage(picture, green, (Interval(3, picture.replace("G", "y")), Interval(2, red)))
        for picture, green in zip((first, second), greens_s, strict=True)
    )
    return SignalPlan(junction_id, "1", stages, offset_s)
