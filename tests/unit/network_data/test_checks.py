"""Each rule names what breaks it, and a sound network breaks none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from network_data.checks import problems
from traffic_brain.model.network import Connection, Junction, Link, Movement, RoadNetwork, Turn
from traffic_brain.model.signals import Interval, SignalPlan, Stage


def link(link_id: str, **changes: object) -> Link:
    sound = Link(link_id, "a", "b", 100.0, 13.9, 1, "primary", "", ((0.0, 0.0), (9.0, 9.0)), (0,))
    return replace(sound, **changes)  # type: ignore[arg-type]


PLAN = SignalPlan("J", "1", (Stage("G", 30, (Interval(3, "y"),)), Stage("r", 30)))
JUNCTION = Junction("J", "", 0.0, 0.0, ("b",), 1, frozenset(), frozenset(), PLAN)
CONNECTION = Connection("in", 0, "out", 0, Turn.THROUGH, "J", 0)
MOVEMENT = Movement("J:in:out", "J", "in", "out", Turn.THROUGH, (0,), (0,), 1800.0)


def network(
    *,
    links: tuple[Link, ...] = (link("in"), link("out")),
    connection: Connection = CONNECTION,
    movement: Movement = MOVEMENT,
    junction: Junction = JUNCTION,
) -> RoadNetwork:
    return RoadNetwork(
        name="test",
        links={road.link_id: road for road in links},
        connections=(connection,),
        movements={movement.movement_id: movement},
        junctions={junction.junction_id: junction},
    )


def test_a_sound_network_has_no_problem() -> None:
    assert problems(network()) == []


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            network(links=(link("in", length_m=0.0), link("out"))),
            "links_have_size: link in is 0.0 m, 13.9 m/s, 1 lanes",
        ),
        (
            network(connection=replace(CONNECTION, to_lane_idx=1)),
            "connections_join_known_lanes: connection in → out needs lane 1 of link out, not there",
        ),
        (
            network(connection=replace(CONNECTION, signal_group_idx=1)),
            "connections_have_their_lamp: connection in → out has no signal group 1 at junction J",
        ),
        (
            network(movement=replace(MOVEMENT, to_link="sea")),
            "movements_are_known: movement J:in:out needs sea, not there",
        ),
        (
            network(movement=replace(MOVEMENT, saturation_flow_vph=0.0)),
            "movements_are_known: movement J:in:out has no saturation flow",
        ),
        (
            network(junction=replace(JUNCTION, signal_group_count=2)),
            "plans_fit_their_junction: junction J has 2 signal groups, but pictures of 1 letters",
        ),
        (
            network(junction=replace(JUNCTION, problems=("actuated: no fixed plan",))),
            "junctions_were_understood: junction J actuated: no fixed plan",
        ),
    ],
)
def test_a_broken_rule_is_named(broken: RoadNetwork, told: str) -> None:
    assert [str(problem) for problem in problems(broken)] == [told]


def test_all_problems_are_told_at_once() -> None:
    broken = network(
        links=(link("in", lane_count=0), link("out")), movement=replace(MOVEMENT, junction_id="K")
    )
    assert {problem.rule for problem in problems(broken)} == {
        "links_have_size",
        "connections_join_known_lanes",
        "movements_are_known",
    }
