"""UTDF written and read again: nothing changes but what the loss report names."""

from __future__ import annotations

import csv
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from network_data.importers.utdf import read_network
from network_data.loss_report import LossReport
from network_data.writers.utdf import NOT_READ_BACK, renamed, utdf_names, write_utdf
from tests.unit.network_data.utdf_file import PHASES, TIMEPLANS, utdf_text
from traffic_brain.model.network import (
    Connection,
    Crossing,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import Interval, PlanWindow, SignalPlan, Stage


def written(network: RoadNetwork, folder: Path) -> tuple[RoadNetwork, dict[str, list[str]]]:
    """The network read back, and what the report says of the way."""
    losses = LossReport()
    write_utdf(network, folder / "written.csv", losses)
    told = {row["what"]: row["places"] for row in losses.as_dict()["losses"]}
    return read_network(folder / "written.csv", LossReport()), told


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> RoadNetwork:
    path = tmp_path_factory.mktemp("town") / "written.csv"
    evening = "Cycle Length,20,80\nReferenced To,20,3\nReference Phase,20,2\nOffset,20,17\n"
    plans = ((TIMEPLANS, PHASES), (evening, "MaxGreen,20,,50,,20\n"))
    path.write_text(utdf_text(plans=plans), encoding="utf-8")
    return read_network(path, LossReport())


def test_a_network_from_utdf_comes_back_whole(town: RoadNetwork, tmp_path: Path) -> None:
    again, told = written(town, tmp_path)
    assert told == {}
    assert replace(again, sources=town.sources) == town


def test_the_file_is_plain_utdf(town: RoadNetwork, tmp_path: Path) -> None:
    write_utdf(town, tmp_path / "town.csv", LossReport())
    with (tmp_path / "town.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    heads = [row[0] for row in rows if row and row[0].startswith("[")]
    plans = ["[Timeplans]", "[Phases]"]
    assert heads == ["[Network]", "[Nodes]", "[Links]", "[Lanes]", *plans, *plans]
    assert ["Metric", "1"] in rows
    assert ["10", "0", "243.84", "0", "0", "Main at First"] in rows
    (distance,) = (row for row in rows if row[:2] == ["Distance", "10"])
    assert sorted(distance[2:])[-4:] == ["213.36", "213.36", "213.36", "243.84"]
    offsets = [row[2] for row in rows if row[:2] == ["Offset", "20"]]
    assert offsets == ["35", "17"]


def test_the_same_network_gives_the_same_bytes(town: RoadNetwork, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_utdf(town, tmp_path / name, LossReport())
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()


# --- what UTDF cannot hold ----------------------------------------------------------------------


def test_what_utdf_cannot_hold_is_named(town: RoadNetwork, tmp_path: Path) -> None:
    junction = town.junctions["20"]
    plan = junction.plan_in_service
    assert plan is not None
    short = replace(plan.stages[0], max_green_s=40)
    changed = replace(
        town,
        links=dict(town.links)
        | {"1_10": replace(town.links["1_10"], road_class="highway.primary")},
        junctions=dict(town.junctions)
        | {
            "20": replace(junction, plan_in_service=replace(plan, stages=(short, *plan.stages[1:])))
        },
        plan_windows=(PlanWindow("20", "2", 3600, 7200),),
        crossings=(Crossing("20", 0, 12.0),),
    )
    _, told = written(changed, tmp_path)
    assert told == {
        f"crossings.row: {NOT_READ_BACK}": ["junction 20, crossing of group 0"],
        f"links.road_class: {NOT_READ_BACK}": ["link 1_10"],
        f"plan_windows.row: {NOT_READ_BACK}": ["junction 20, window of plan 2"],
        f"plans.stages.max_green_s: {NOT_READ_BACK}": ["junction 20, plan 1"],
    }


def crossroads(pictures: tuple[str, ...]) -> RoadNetwork:
    """A crossroads with one movement per arm: west -> east and south -> north."""
    ends = {"w": (-100.0, 0.0), "e": (100.0, 0.0), "s": (0.0, -100.0), "n": (0.0, 100.0)}
    middle = (0.0, 0.0)
    links = {}
    for end, point in ends.items():
        for link_id, a, b, shape in (
            (f"{end}-in", end, "m", (point, middle)),
            (f"{end}-out", "m", end, (middle, point)),
        ):
            signal = "J" if b == "m" else None
            links[link_id] = Link(
                link_id, a, b, 100.0, 10.0, 1, "unclassified", "", shape, (0,), signal
            )
    ways = (("w-in", "e-out"), ("s-in", "n-out"))
    connections = tuple(
        Connection(a, 0, b, 0, Turn.THROUGH, "J", idx) for idx, (a, b) in enumerate(ways)
    )
    movements = {
        f"{a}>{b}": Movement(f"{a}>{b}", "J", a, b, Turn.THROUGH, (0,), (idx,), 1800.0)
        for idx, (a, b) in enumerate(ways)
    }
    stages = tuple(
        Stage(go, 20, (Interval(3, clear), Interval(2, "rr")))
        for go, clear in zip(pictures[::2], pictures[1::2], strict=True)
    )
    plan = SignalPlan("J", "day", stages, 7, 1)
    junction = Junction("J", "Mitte", 0.0, 0.0, ("m",), 2, frozenset({(0, 1)}), frozenset(), plan)
    return RoadNetwork("cross", links, connections, movements, {"J": junction})


def test_other_ids_are_numbered_and_named(tmp_path: Path) -> None:
    network = crossroads(("Gr", "yr", "rG", "ry"))
    again, told = written(network, tmp_path)
    names = utdf_names(network)
    assert names.junctions == {"J": names.nodes["m"]}
    assert told["id of a junction: numbered anew"] == [f"J → {names.nodes['m']}"]
    assert f"w-in → {names.links['w-in']}" in told["id of a link: numbered anew"]
    plan = again.junctions[names.nodes["m"]].plan_in_service
    assert plan is not None
    # by direction: south to north is NB, the first column
    assert [s.picture for s in plan.stages] == ["rG", "Gr"]
    assert (plan.offset_s, plan.coordinated_stage_idx) == (7, 1)
    assert told["signal groups: one per movement, by direction"] == ["J: 1, 0"]
    assert told["id of a plan: numbered anew"] == ["J: day → 1"]


def test_a_yellow_that_turns_green_again_comes_back_so(tmp_path: Path) -> None:
    """West runs in both stages with a yellow between, and no red: rings must not join it."""
    again, told = written(crossroads(("Gr", "yr", "GG", "yy")), tmp_path)
    (junction,) = again.junctions.values()
    assert junction.plan_in_service is not None
    assert [s.picture for s in junction.plan_in_service.stages] == ["rG", "GG"]
    assert f"plans.stages: {NOT_READ_BACK}" not in told
    assert f"plans.stages.picture: {NOT_READ_BACK}" not in told


def test_lamps_that_utdf_has_not_are_named(tmp_path: Path) -> None:
    _, told = written(crossroads(("Gr", "yr", "rG", "uy")), tmp_path)
    assert told[f"plans.stages.clearance: {NOT_READ_BACK}"] == ["junction J, plan day"]


# --- networks of another origin -----------------------------------------------------------------


def resco(name: str) -> RoadNetwork:
    from network_data.importers.sumo.network import read_network

    found = importlib.util.find_spec("sumo_rl")
    if found is None or found.origin is None:
        pytest.skip("sumo-rl is not installed: pip install traffic-brain[demo]")
    (net,) = Path(found.origin).parent.rglob(f"RESCO/**/{name}.net.xml")
    return read_network(net, [], LossReport())


def changed(before: RoadNetwork, after: RoadNetwork) -> Iterator[tuple[str, str, str]]:
    """(attribute, kind, id) of everything that is not equal, object by object."""
    tables: tuple[tuple[str, Any, Any], ...] = (
        ("link", before.links, after.links),
        ("movement", before.movements, after.movements),
        ("junction", before.junctions, after.junctions),
    )
    for kind, old, new in tables:
        for key in old.keys() ^ new.keys():
            yield f"{kind}s.row", kind, key
        for key in old.keys() & new.keys():
            for f in fields(old[key]):
                if getattr(old[key], f.name) != getattr(new[key], f.name):
                    yield f"{kind}s.{f.name}", kind, key
    for c in set(before.connections) ^ set(after.connections):
        yield "connections.", "connection", f"{c.from_link} → {c.to_link}"
    for junction_id in before.intergreens_s.keys() | after.intergreens_s.keys():
        if before.intergreens_s.get(junction_id) != after.intergreens_s.get(junction_id):
            yield "intergreens.intergreen_s", "junction", junction_id


@pytest.mark.parametrize("name", ["cologne1", "cologne3"])
def test_nothing_changes_but_what_is_named(name: str, tmp_path: Path) -> None:
    network = resco(name)
    again, told = written(network, tmp_path)
    expected, names = renamed(network), utdf_names(network)
    old = {new: was for table in (names.links, names.junctions) for was, new in table.items()}
    found = list(changed(expected, again))
    for attribute, kind, key in found:
        place = f"{kind} {''.join(old.get(part, part) for part in re.split('( → |>)', key))}"
        told_as = "plans." if attribute == "junctions.plan_in_service" else attribute
        named = [
            what
            for what, places in told.items()
            if what.startswith(told_as)
            and any(p == place or p.startswith(f"{place}, plan") for p in places)
        ]
        assert named, (attribute, place)
    kept = {attribute for attribute, _, _ in found}
    for attribute in ("length_m", "free_flow_speed_mps", "name", "from_node", "junction_id"):
        assert f"links.{attribute}" not in kept
    # the lamps are the same in every second of the day
    for junction_id, junction in expected.junctions.items():
        plan = junction.plan_in_service
        back = again.junctions[junction_id].plan_in_service
        assert plan is not None
        assert back is not None
        for second in range(plan.cycle_s):
            assert back.picture_at(second) == plan.picture_at(second)
