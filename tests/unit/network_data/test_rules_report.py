"""The rules report: which plans of a network break which rule where."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from network_data.rules_report import HEADER, RuleCount, rules_report
from tests.reference.valid_plans import real_nets, real_networks
from tests.unit.test_rules import JUNCTION, SITE, A, B, with_stages
from traffic_brain.model.network import Connection, Movement, RoadNetwork, Turn
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import Interval

SHORT = with_stages(
    replace(A, clearance=(Interval(2, "yyrr"), Interval(3, "rrrr"))), replace(B, green_s=10)
)
NIGHT = replace(SHORT, plan_id="night")


def town(**changes: object) -> RoadNetwork:
    return RoadNetwork(
        name="town",
        links={},
        connections=tuple(
            Connection("in", 0, "out", 0, Turn.THROUGH, "J", group) for group in (0, 1, 2)
        ),
        movements={
            str(g): Movement(str(g), "J", "in", "out", Turn.THROUGH, (0,), (g,), 1800.0)
            for g in (0, 1, 2)
        },
        junctions={"J": replace(JUNCTION, **changes)},
        crossings=SITE.crossings,
    )


def test_a_town_in_order() -> None:
    report = rules_report(town())
    assert [(p.plan_id, p.in_service, p.findings) for p in report.judged] == [("day", True, ())]
    assert (report.counts, list(report.rows()), report.not_judged) == ({}, [], ())


def test_plans_in_service_and_further_plans_are_told_apart() -> None:
    report = rules_report(town(other_plans=(NIGHT,)))
    assert report.counts == {
        "yellow": RuleCount(0, 1, 1, 2),
        "pedestrian_green": RuleCount(0, 1, 1, 1),
    }
    both = rules_report(town(plan_in_service=SHORT, other_plans=(NIGHT,)))
    assert both.counts["yellow"] == RuleCount(1, 1, 1, 4)
    rows = list(both.rows())
    assert {len(row) for row in rows} == {len(HEADER)}
    assert rows[0][:6] == ("J", "day", "yes", "yellow", "2", "group 0, too short")
    assert rows[3][:6] == ("J", "night", "no", "pedestrian_green", "1", "crossing of group 3")


def test_the_worst_place_stands_for_a_rule() -> None:
    network = replace(town(), intergreens_s={"J": {(0, 2): 6, (2, 0): 9}})
    (row,) = rules_report(network).rows()
    assert row[3:] == ("intergreen", "2", "group 2 to group 0", "5 s, 9 s required")


def test_as_json() -> None:
    told = json.loads(to_json(rules_report(town(plan_in_service=SHORT)).as_dict()))
    assert told["counts"]["yellow"] == {
        "plans_in_service": 1,
        "further_plans": 0,
        "junctions": 1,
        "findings": 2,
    }
    (plan,) = told["plans"]
    assert (plan["junction_id"], plan["in_service"]) == ("J", True)
    assert {f["rule"] for f in plan["findings"]} == {"yellow", "pedestrian_green"}
    assert all(f["shortfall"] > 0 for f in plan["findings"])


def test_what_cannot_be_judged_says_why() -> None:
    actuated = rules_report(town(plan_in_service=None, control="actuated", other_plans=(NIGHT,)))
    assert actuated.not_judged == (("J", "actuated: no fixed plan in service"),)
    assert [plan.plan_id for plan in actuated.judged] == ["night"]
    off = rules_report(town(plan_in_service=None, control="off", problems=("no program",)))
    assert off.not_judged == (("J", "off: no program"),)
    for damaged in (
        town(conflicts=frozenset({(-1, 2)})),
        town(yields=frozenset({(1, 7)})),
        town(signal_group_count=3),
    ):
        report = rules_report(damaged)
        assert report.judged == ()
        assert "signal groups that it has not" in report.not_judged[0][1]


def test_plans_that_maps_bring() -> None:
    """Known by hand: two lanes of one approach turn left into the same lanes, both protected."""
    reports = {
        net.parent.name: rules_report(network)
        for net, network in zip(real_nets(), real_networks(), strict=True)
    }
    if "ingolstadt7" not in reports:
        pytest.skip("sumo-rl is not installed")
    report = reports["ingolstadt7"]
    broken = {p.junction_id: p for p in report.judged if "conflicting_greens" in p.worst}
    assert {v.where for v in broken["gneJ210"].findings if v.rule == "conflicting_greens"} == {
        "groups 6 and 8 in picture rrrrGGGGGGGGrr",
        "groups 7 and 9 in picture rrrrGGGGGGGGrr",
    }
    assert report.counts["conflicting_greens"] == RuleCount(1, 0, 1, 2)
    assert report.counts["intergreen"].plans_in_service == 7
    ramp = reports.get("ramp")
    if ramp is not None:
        (plan,) = ramp.judged
        assert plan.worst["max_red"].detail == "10006 s without green, 150 s allowed"
