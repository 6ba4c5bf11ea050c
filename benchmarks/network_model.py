"""How long the road network of a whole city takes: graph, arrays, folder and check.

Run ``python -m benchmarks.network_model [junctions]``. The city is a plain grid with four
approaches, twenty signal groups and a plan at every junction: no believable city, but one of
Hefei's size (2,380 junctions), and denser than it in links.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from network_data.checks import problems
from network_data.city import load_city, save_city
from network_data.rules_report import rules_report
from traffic_brain.model.network import (
    Connection,
    Crossing,
    Detector,
    DetectorKind,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
    Zone,
)
from traffic_brain.model.signals import Interval, PlanWindow, SignalPlan, Stage

SPACING_M = 300.0
SIDES = ((0, 1), (1, 0), (0, -1), (-1, 0))
"""Steps to the neighbours, clockwise from north."""
TURNS = (
    (1, Turn.LEFT, (2,)),
    (2, Turn.THROUGH, (0, 1)),
    (3, Turn.RIGHT, (0,)),
)
"""Exit, counted clockwise from the approach's own side; the turn; the lanes."""
GROUPS_PER_SIDE = 4
Place = tuple[int, int]


def grid_city(junction_count: int) -> RoadNetwork:
    """A grid city; the same count makes the same city."""
    columns = max(1, round(junction_count**0.5))
    places = [(i % columns, i // columns) for i in range(junction_count)]
    inside = set(places)
    links: dict[str, Link] = {}
    for place in places:
        for dx, dy in SIDES:
            neighbour = (place[0] + dx, place[1] + dy)
            for a, b in ((place, neighbour), (neighbour, place)):
                links[_link_id(a, b)] = _link(a, b, inside)
    connections: list[Connection] = []
    movements: dict[str, Movement] = {}
    for place in places:
        for side in range(len(SIDES)):
            for connection in _connections(place, side):
                connections.append(connection)
                movement = _movement(connection, movements)
                movements[movement.movement_id] = movement
    junctions = {_name(place): _junction(place) for place in places}
    return RoadNetwork(
        name=f"grid of {junction_count} junctions",
        links=links,
        connections=tuple(connections),
        movements=movements,
        junctions=junctions,
        crossings=tuple(Crossing(j, 16 + side, 21.0) for j in junctions for side in range(4)),
        detectors=tuple(
            Detector(f"{link.link_id}/{lane}", link.link_id, lane, 270.0, DetectorKind.STOP_LINE)
            for link in links.values()
            for lane in link.car_lanes
        ),
        zones={"all": Zone("all", "全市", ((0.0, 0.0), (9e4, 0.0), (9e4, 9e4)))},
        plan_windows=tuple(PlanWindow(j, "day", 25_200, 32_400) for j in junctions),
        intergreens_s={
            j.junction_id: {pair: 5 for a, b in j.conflicts for pair in ((a, b), (b, a))}
            for j in junctions.values()
        },
    )


def _name(place: Place) -> str:
    return f"{place[0]}/{place[1]}"


def _link_id(a: Place, b: Place) -> str:
    return f"{_name(a)}-{_name(b)}"


def _link(a: Place, b: Place, inside: set[Place]) -> Link:
    ends = [(x * SPACING_M, y * SPACING_M) for x, y in (a, b)]
    middle = ((ends[0][0] + ends[1][0]) / 2, (ends[0][1] + ends[1][1]) / 2)
    return Link(
        link_id=_link_id(a, b),
        from_node=_name(a),
        to_node=_name(b),
        length_m=SPACING_M,
        free_flow_speed_mps=13.89,
        lane_count=3,
        road_class="highway.primary",
        name="长江路",
        shape=(ends[0], middle, ends[1]),
        car_lanes=(0, 1, 2),
        junction_id=_name(b) if b in inside else None,
        name_latin="Changjiang Lu",
        zone_id="all",
    )


def _connections(place: Place, side: int) -> Iterator[Connection]:
    """The ways from one side through a junction; one signal group per lane-to-lane connection."""
    group = side * GROUPS_PER_SIDE
    for step, turn, lanes in TURNS:
        exit_side = (side + step) % len(SIDES)
        for lane in lanes:
            yield Connection(
                _link_id(_next_to(place, side), place),
                lane,
                _link_id(place, _next_to(place, exit_side)),
                lane,
                turn,
                _name(place),
                group,
            )
            group += 1


def _next_to(place: Place, side: int) -> Place:
    dx, dy = SIDES[side]
    return place[0] + dx, place[1] + dy


def _movement(c: Connection, known: dict[str, Movement]) -> Movement:
    movement_id = f"{c.from_link}>{c.to_link}"
    before = known.get(movement_id)
    lanes = (*(before.lanes if before else ()), c.from_lane_idx)
    groups = (*(before.signal_group_idxs if before else ()), c.signal_group_idx)
    assert c.junction_id is not None
    flow_vph = 1800.0 * len(lanes)
    return Movement(
        movement_id, c.junction_id, c.from_link, c.to_link, c.turn, lanes, groups, flow_vph
    )


def _junction(place: Place) -> Junction:
    """Groups of neighbouring sides conflict, and left turns with what comes from opposite."""
    vehicle = range(4 * GROUPS_PER_SIDE)
    conflicts = {
        (a, b)
        for a, b in combinations(vehicle, 2)
        if (a // 4 + b // 4) % 2 == 1 or (a // 4 != b // 4 and 0 in (a % 4, b % 4))
    }
    conflicts |= {(g, 16 + side) for side in range(4) for g in range(4 * side, 4 * side + 4)}
    yields = {(a, b) for a, b in conflicts if a % 4 == 0}
    name = _name(place)
    day = _plan(name, "day", 40)
    return Junction(
        junction_id=name,
        name="长江路与黄山路",
        x=place[0] * SPACING_M,
        y=place[1] * SPACING_M,
        node_ids=(name,),
        signal_group_count=20,
        conflicts=frozenset(conflicts),
        yields=frozenset(yields),
        plan_in_service=_plan(name, "night", 30),
        other_plans=(day,),
        name_latin="Changjiang Lu & Huangshan Lu",
        zone_id="all",
    )


def _plan(junction_id: str, plan_id: str, green_s: int) -> SignalPlan:
    pictures = ["rGGGrrrrrGGGrrrrrGrG", "GrrrrrrrGrrrrrrrrrrr"]
    pictures += ["rrrrrGGGrrrrrGGGGrGr", "rrrrGrrrrrrrGrrrrrrr"]
    stages = tuple(
        Stage(p, green_s, (Interval(3, p.replace("G", "y")), Interval(2, "r" * 20)))
        for p in pictures
    )
    return SignalPlan(junction_id, plan_id, stages)


# --- the clock ----------------------------------------------------------------------------


@contextmanager
def _timed(what: str) -> Iterator[None]:
    start_s = time.process_time()
    yield
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<24} {time.process_time() - start_s:6.2f} s CPU   peak {peak_mb:5.0f} MB")


def measure(junction_count: int, folder: Path) -> None:
    """Print the time and the memory of each step."""
    steps: tuple[tuple[str, Callable[[RoadNetwork], object]], ...] = (
        ("graph", lambda n: n.graph),
        ("arrays", lambda n: n.arrays),
        ("approaches", lambda n: n.approaches_at),
        ("signal groups", lambda n: n.signal_groups_at),
        ("phases", lambda n: n.phases_at),
        ("check", problems),
        ("rules", rules_report),
    )
    with _timed("made"):
        made = grid_city(junction_count)
    with _timed("saved"):
        save_city(made, folder)
    del made
    with _timed("loaded"):
        network = load_city(folder)
    for name, step in steps:
        with _timed(name):
            step(network)
    print(
        f"{len(network.junctions):,} junctions, {len(network.links):,} links, "
        f"{len(network.movements):,} movements, {len(network.connections):,} connections"
    )


def main() -> None:
    """Measure a city of the size given."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("junctions", type=int, nargs="?", default=2380)
    arguments = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure(arguments.junctions, Path(folder))


if __name__ == "__main__":
    main()
