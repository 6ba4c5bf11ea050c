"""Each rule names what breaks it, and a sound network breaks none."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from network_data.checks import missing_at, problems, to_fix
from traffic_brain.model.network import (
    EVERY_LANE,
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


def link(link_id: str, **changes: object) -> Link:
    sound = Link(link_id, "a", "b", 100.0, 13.9, 1, "primary", "", ((0.0, 0.0), (9.0, 9.0)), (0,))
    return replace(sound, **changes)  # type: ignore[arg-type]


PLAN = SignalPlan("J", "1", (Stage("G", 30, (Interval(3, "y"),)), Stage("r", 30)))
DARK = (Stage("r", 30, (Interval(3, "r"),)),)
JUNCTION = Junction("J", "", 0.0, 0.0, ("b",), 1, frozenset(), frozenset(), PLAN)
CONNECTION = Connection("in", 0, "out", 0, Turn.THROUGH, "J", 0)
MOVEMENT = Movement("J:in:out", "J", "in", "out", Turn.THROUGH, (0,), (0,), 1800.0)


def network(
    *,
    links: tuple[Link, ...] = (link("in"), link("out")),
    connection: Connection = CONNECTION,
    movement: Movement = MOVEMENT,
    junction: Junction = JUNCTION,
    **more: object,
) -> RoadNetwork:
    plain = RoadNetwork(
        name="test",
        links={road.link_id: road for road in links},
        connections=(connection,),
        movements={movement.movement_id: movement},
        junctions={junction.junction_id: junction},
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def with_windows(*windows: PlanWindow) -> RoadNetwork:
    junction = replace(JUNCTION, other_plans=(replace(PLAN, plan_id="2"),))
    return network(junction=junction, plan_windows=windows)


def test_a_sound_network_has_no_problem() -> None:
    assert problems(network()) == []
    lit = with_windows(
        PlanWindow("J", "1", 0, 3600),
        PlanWindow("J", "2", 3600, 7200),
        PlanWindow("J", "2", 0, 3600, (6, 7)),
        PlanWindow("J", "1", 7200, 86_400, (1,)),
    )
    weekday = replace(lit.plan_windows[0], weekdays=(1, 2, 3, 4, 5))
    sound = replace(
        lit,
        plan_windows=(weekday, *lit.plan_windows[1:]),
        detectors=(
            Detector("d", "in", 0, 100.0, DetectorKind.STOP_LINE),
            Detector("e", "in", EVERY_LANE, 0.0, DetectorKind.CHECKPOINT),
        ),
        zones={"z": Zone("z", "", ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)))},
        crossings=(Crossing("J", 0, 8.0),),
    )
    assert problems(sound) == []


LOOP = Detector("d", "in", 0, 90.0, DetectorKind.STOP_LINE)


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            network(links=(link("in", length_m=0.0), link("out"))),
            "values_are_allowed: link in has length_m 0.0, allowed is > 0, <= 1e+06",
        ),
        (
            network(links=(link("in", free_flow_speed_mps=math.nan), link("out"))),
            "values_are_allowed: link in has free_flow_speed_mps nan, allowed is > 0, <= 150",
        ),
        (
            network(links=(link("in", shape=((math.inf, 0.0), (0.0, 0.0))), link("out"))),
            "values_are_allowed: link in has shape (inf, 0.0), allowed is finite",
        ),
        (
            network(junction=replace(JUNCTION, control="magic")),
            (
                "values_are_allowed: junction J has control magic, "
                "allowed is fixed, actuated, off, rail"
            ),
        ),
        (
            network(junction=replace(JUNCTION, plan_in_service=replace(PLAN, offset_s=-1))),
            "values_are_allowed: junction J, plan 1 has offset_s -1, allowed is >= 0, <= 86400",
        ),
        (
            network(links=(link("in", shape=()), link("out"))),
            "links_have_a_shape: link in has a shape of 0 points",
        ),
        (
            network(links=(link("in", car_lanes=(0, 1)), link("out"))),
            "links_have_a_shape: link in has 1 lanes, but cars on [1]",
        ),
        (
            network(links=(link("in", junction_id="K"), link("out"))),
            "links_have_a_shape: link in ends at junction K, not there",
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
            "movements_are_known: movement J:in:out needs link sea, not there",
        ),
        (
            network(movement=replace(MOVEMENT, lanes=(0, 1), signal_group_idxs=(-1, 3))),
            "movements_are_known: movement J:in:out needs lane 1, signal group 3, not there",
        ),
        (
            network(movement=replace(MOVEMENT, lanes=())),
            "movements_are_known: movement J:in:out departs from no lane",
        ),
        (
            network(movement=replace(MOVEMENT, saturation_flow_vph=0.0)),
            (
                "values_are_allowed: movement J:in:out has saturation_flow_vph 0.0, "
                "allowed is > 0, <= 50000"
            ),
        ),
        (
            network(crossings=(Crossing("J", 1, 8.0),)),
            "crossings_are_known: junction J has a crossing of group 1, not there",
        ),
        (
            network(crossings=(Crossing("K", 0, 8.0),)),
            "crossings_are_known: junction K has a crossing of group 0, not there",
        ),
        (
            network(junction=replace(JUNCTION, conflicts=frozenset({(0, 1)}))),
            "groups_in_pairs_are_known: junction J names groups 0 and 1 in its conflicts",
        ),
        (
            network(junction=replace(JUNCTION, yields=frozenset({(2, 0)}))),
            "groups_in_pairs_are_known: junction J names groups 2 and 0 in its yields",
        ),
        (
            network(intergreens_s={"J": {(0, 4): 5}}),
            "groups_in_pairs_are_known: junction J names groups 0 and 4 in its intergreens",
        ),
        (
            network(intergreens_s={"K": {}}),
            "groups_in_pairs_are_known: junction K has intergreens, but is not there",
        ),
        (
            network(junction=replace(JUNCTION, signal_group_count=2)),
            "plans_fit_their_junction: junction J has 2 signal groups, but pictures of 1 letters",
        ),
        (
            network(junction=replace(JUNCTION, other_plans=(PLAN,))),
            "plans_fit_their_junction: junction J has 2 plans of the name 1",
        ),
        (
            network(junction=replace(JUNCTION, plan_in_service=replace(PLAN, junction_id="K"))),
            "plans_fit_their_junction: junction J has plan 1 that is made for K",
        ),
        (
            with_windows(PlanWindow("J", "3", 0, 60)),
            "plan_windows_name_plans: junction J, window 0-60 s needs plan 3, not there",
        ),
        (
            with_windows(PlanWindow("K", "1", 0, 60)),
            "plan_windows_name_plans: junction K, window 0-60 s needs plan 1, not there",
        ),
        (
            with_windows(PlanWindow("J", "1", 60, 60)),
            "plan_windows_name_plans: junction J, window 60-60 s ends before it begins",
        ),
        (
            with_windows(PlanWindow("J", "1", 0, 60, ())),
            "plan_windows_name_plans: junction J, window 0-60 s is for no day of the week",
        ),
        (
            with_windows(PlanWindow("J", "1", 0, 60, (7,)), PlanWindow("J", "2", 30, 90)),
            "plan_windows_name_plans: junction J, windows of plans 1 and 2 overlap from 30 s on",
        ),
        (
            network(detectors=(LOOP, LOOP)),
            "detectors_lie_on_lanes: detector d comes 2 times",
        ),
        (
            network(detectors=(replace(LOOP, link_id="sea"),)),
            "detectors_lie_on_lanes: detector d needs link sea, not there",
        ),
        (
            network(detectors=(replace(LOOP, lane_idx=1),)),
            "detectors_lie_on_lanes: detector d needs lane 1 of link in, not there",
        ),
        (
            network(detectors=(replace(LOOP, position_m=100.5),)),
            "detectors_lie_on_lanes: detector d lies at 100.5 m of a link of 100.0 m",
        ),
        (
            network(links=(link("in"), link("out", zone_id="z"))),
            "zones_are_known: link out lies in zone z, not there",
        ),
        (
            network(zones={"z": Zone("z", "", ())}),
            "zones_are_known: zone z has an outline of 0 points",
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
        "values_are_allowed",
        "links_have_a_shape",
        "connections_join_known_lanes",
        "movements_are_known",
    }


# --- complete signals ------------------------------------------------------------------------


def test_a_complete_signal_lacks_nothing() -> None:
    assert missing_at(network(), JUNCTION) == []
    assert list(to_fix(network())) == []


@pytest.mark.parametrize(
    ("incomplete", "told"),
    [
        (
            network(junction=replace(JUNCTION, plan_in_service=None, control="off")),
            "no fixed plan: control is off",
        ),
        (
            network(junction=replace(JUNCTION, plan_in_service=None, problems=("half a plan",))),
            "half a plan; no fixed plan: control is fixed",
        ),
        (network(movements={}, connections=()), "no approach: no car waits here"),
        (
            network(junction=replace(JUNCTION, plan_in_service=replace(PLAN, stages=DARK))),
            "groups 0 never get green",
        ),
    ],
)
def test_what_a_signal_lacks_is_to_be_fixed(incomplete: RoadNetwork, told: str) -> None:
    (entry,) = to_fix(incomplete)
    assert (entry.place, entry.what, entry.confidence) == ("J", told, 0.0)
    assert entry.remedy


def test_a_blinking_group_may_go() -> None:
    blinking = replace(PLAN, stages=(Stage("o", 30),))
    assert missing_at(network(), replace(JUNCTION, plan_in_service=blinking)) == []


def test_a_problem_of_the_network_is_to_be_fixed() -> None:
    (entry,) = to_fix(network(movement=replace(MOVEMENT, to_link="sea")))
    assert entry.place == "movement J:in:out"
    assert entry.what == "needs link sea, not there"
