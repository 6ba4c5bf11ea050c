"""What the optimisers are told in this benchmark: the true demand, as if feeds were perfect."""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

import numpy as np

from benchmarks.plans.maps import Map
from optimizers.params import OptimizeParams
from optimizers.problem import City, problem_of
from traffic_brain.diagnosis.queue_model import Way
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import DEMAND_BIN_S, Window


@lru_cache(maxsize=2)
def ways_of(map_: Map) -> tuple[Way, ...]:
    """Every vehicle of the recorded day with the links it drove."""
    return tuple(map_.ways())


@lru_cache(maxsize=2)
def demand_of(map_: Map) -> dict[str, np.ndarray]:
    """float64[demand bin] veh/h of every movement: vehicles by their due departure."""
    network, world = map_.network, map_.world
    window = Window(world.begin_s, world.end_s)
    starts = window.demand_bin_starts()
    hours = np.diff(np.append(starts, world.end_s)) / 3600.0
    movement_of = {(m.from_link, m.to_link): m.movement_id for m in network.movements.values()}
    counted = {m: np.zeros(len(starts)) for m in network.movements}
    for due_s, links in ways_of(map_):
        here = min(int((due_s - world.begin_s) // DEMAND_BIN_S), len(starts) - 1)
        for a, b in pairwise(links):
            movement_id = movement_of.get((a, b))
            if movement_id is not None:
                counted[movement_id][here] += 1
    return {m: vehicles / hours for m, vehicles in counted.items()}


def city_of(map_: Map, params: OptimizeParams, seed: int) -> City:
    """The problem that the night's recipe would read from a state folder."""
    network, world = map_.network, map_.world
    window = Window(world.begin_s, world.end_s)
    ways = ways_of(map_)
    nothing = np.zeros((0, 0))
    state = State(
        service_day="truth",
        window=window,
        speed_mps=nothing,
        travel_time_s=nothing,
        flow_veh=nothing,
        demand_vph=np.array(list(demand_of(map_).values())),
        demand_high_vph=nothing,
        trips=tuple((due_s, tuple(links)) for due_s, links in ways),
        vehicle_classes=("car",) * len(ways),
        running_plans=map_.in_service,
        summary={},
    )
    return problem_of(network, state, (), params, seed)
