"""Networks written as GMNS and read back: what differs is what the report says, and nothing else.

The differences are computed here once more, value by value, by a way of its own.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from network_data.importers.gmns import read_network, read_plain
from network_data.importers.sumo import network as sumo
from network_data.loss_report import LossReport
from network_data.writers.gmns import NOT_READ_BACK, ONLY_CARRIED, with_own_plan_ids, write_gmns
from tests.unit.network_data.gmns_hand_made import more, network, signals, write
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import Detector, DetectorKind, Junction, RoadNetwork
from traffic_brain.model.signals import Interval, PlanWindow, SignalPlan, Stage

RESCO = (
    *("arterial4x4", "cologne1", "cologne3", "cologne8", "grid4x4"),
    *("ingolstadt1", "ingolstadt21", "ingolstadt7"),
)
BOLOGNA = Path(__file__).parents[4] / "shared/data/bologna_acosta"
OWN_NAMES = {"plans.plan_id"}
"""Named in the report for every plan: GMNS names a plan once in a city."""

Values = Counter[tuple[str, str, str]]


# --- an independent comparison --------------------------------------------------------------


def values_of(city: RoadNetwork) -> Values:
    """(attribute, place, value) of everything in a network."""
    return Counter(_values(city))


def _values(city: RoadNetwork) -> Iterator[tuple[str, str, str]]:
    yield "city.name", "city", city.name
    yield "city.sources", "city", repr(sorted(city.sources.items()))
    for table, name, rows in (
        ("links", "link", city.links),
        ("movements", "movement", city.movements),
        ("zones", "zone", city.zones),
    ):
        for key, row in rows.items():
            yield from _fields(table, f"{name} {key}", row)
    for junction in city.junctions.values():
        yield from _of_junction(junction)
    yield from _lists(city)


def _lists(city: RoadNetwork) -> Iterator[tuple[str, str, str]]:
    for c in city.connections:
        place = f"connection {c.from_link} → {c.to_link}"
        ends = (c.from_lane_idx, c.to_lane_idx)
        for name in ("turn", "junction_id", "signal_group_idx"):
            yield f"connections.{name}", place, repr((*ends, getattr(c, name)))
    for detector in city.detectors:
        yield from _fields("detectors", f"detector {detector.detector_id}", detector)
    for crossing in city.crossings:
        place = f"junction {crossing.junction_id}, crossing of group {crossing.signal_group_idx}"
        yield "crossings.length_m", place, repr(crossing.length_m)
    for row in city.give_ways:
        yield "give_ways.row", f"turn {row.from_link} → {row.to_link}", repr(row.links)
    for w in city.plan_windows:
        place = f"junction {w.junction_id}, window of plan {w.plan_id}"
        for name in ("end_s", "weekdays"):
            yield f"plan_windows.{name}", place, repr((w.begin_s, getattr(w, name)))
    for junction_id, needed in city.intergreens_s.items():
        place = f"junction {junction_id}"
        yield "intergreens.intergreen_s", place, repr(sorted(needed.items()))


def _fields(table: str, place: str, row: Any) -> Iterator[tuple[str, str, str]]:
    for column in fields(row):
        yield f"{table}.{column.name}", place, repr(getattr(row, column.name))


def _of_junction(junction: Junction) -> Iterator[tuple[str, str, str]]:
    place = f"junction {junction.junction_id}"
    for column in fields(junction):
        value = getattr(junction, column.name)
        if column.name in ("conflicts", "yields"):
            yield f"junctions.{column.name}", place, repr(sorted(value))
        elif column.name not in ("plan_in_service", "other_plans"):
            yield f"junctions.{column.name}", place, repr(value)
    yield "junctions.other_plans", place, repr([plan.plan_id for plan in junction.other_plans])
    in_service = junction.plan_in_service
    yield "junctions.plan_in_service", place, in_service.plan_id if in_service else ""
    for plan in junction.plans:
        where = f"{place}, plan {plan.plan_id}"
        for name in ("offset_s", "coordinated_stage_idx", "junction_id"):
            yield f"plans.{name}", where, repr(getattr(plan, name))
        yield "plans.stages", where, repr(len(plan.stages))
        for name in ("picture", "green_s", "clearance", "min_green_s", "max_green_s"):
            listed = [getattr(stage, name) for stage in plan.stages]
            yield f"plans.stages.{name}", where, repr(listed)


def compared(a: RoadNetwork, b: RoadNetwork) -> set[tuple[str, str]]:
    """(attribute, place) of every value that only one of the networks has."""
    one, other = values_of(a), values_of(b)
    return {(name, place) for name, place, _ in (one - other) + (other - one)}


def reported(losses: LossReport, why: str) -> set[tuple[str, str]]:
    found = set()
    for row in losses.as_dict()["losses"]:
        name, _, reason = row["what"].partition(": ")
        if reason == why:
            found |= {(name, place) for place in row["places"]}
    return found


def explained(difference: tuple[str, str], told: set[tuple[str, str]]) -> bool:
    """Whether the report names the attribute at the place, or the whole of what it is part of."""
    name, place = difference
    table = name.split(".", maxsplit=1)[0]
    wholes = {"row", "stages", "plan_in_service"}
    return difference in told or any((f"{table}.{whole}", place) in told for whole in wholes)


def proves_its_report(city: RoadNetwork, folder: Path) -> None:
    """Write, read back with and without ``opt_``, and hold the differences to the report."""
    folder.mkdir()
    losses = LossReport()
    write_gmns(city, folder, losses)
    only_the_hashes = {("city.sources", "city")}
    assert compared(city, read_network(folder, LossReport())) == only_the_hashes
    assert reported(losses, NOT_READ_BACK) == only_the_hashes
    plain = compared(city, with_own_plan_ids(read_plain(folder, LossReport())))
    told = reported(losses, ONLY_CARRIED) | only_the_hashes
    assert {d for d in plain if not explained(d, told)} == set()
    # nor is anything told that does not differ
    differing = {(name.split(".")[0], place) for name, place in plain}
    attributes = {d for d in told if d[0] not in OWN_NAMES and not d[0].endswith(".row")}
    assert attributes <= plain
    assert {(n.split(".")[0], p) for n, p in told - attributes if n not in OWN_NAMES} <= differing


# --- real networks --------------------------------------------------------------------------


def resco(name: str) -> Path:
    spec = find_spec("sumo_rl")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("sumo-rl is not installed")
    return Path(spec.submodule_search_locations[0]) / f"nets/RESCO/{name}/{name}.net.xml"


@pytest.mark.parametrize("name", RESCO)
def test_resco_networks_come_back(name: str, tmp_path: Path) -> None:
    city = sumo.read_network(resco(name), (), LossReport())
    proves_its_report(city, tmp_path / "gmns")


def test_bologna_comes_back(tmp_path: Path) -> None:
    if not BOLOGNA.is_dir():
        pytest.skip("no shared data beside the repository")
    additional = [BOLOGNA / f"acosta_{name}.add.xml" for name in ("detectors", "tls")]
    city = sumo.read_network(BOLOGNA / "acosta_buslanes.net.xml", additional, LossReport())
    assert city.detectors
    assert any(j.other_plans for j in city.junctions.values())
    proves_its_report(city, tmp_path / "gmns")


# --- networks by hand -----------------------------------------------------------------------


@pytest.fixture
def hand_made(tmp_path: Path) -> RoadNetwork:
    return read_network(write(tmp_path / "hand", more()), LossReport())


def test_the_hand_made_folder_comes_back(hand_made: RoadNetwork, tmp_path: Path) -> None:
    proves_its_report(hand_made, tmp_path / "gmns")


def test_other_programs_read_the_same_plans(tmp_path: Path) -> None:
    """Of a plan without permitted greens everything is in GMNS's own tables but its yellow."""
    city = read_network(write(tmp_path / "hand", network() | signals()), LossReport())
    folder = tmp_path / "gmns"
    folder.mkdir()
    write_gmns(city, folder, LossReport())
    plain = with_own_plan_ids(read_plain(folder, LossReport()))
    for junction_id, junction in city.junctions.items():
        for plan, other in zip(junction.plans, plain.junctions[junction_id].plans, strict=True):
            assert plan.cycle_s == other.cycle_s
            assert plan.splits_s == other.splits_s
            assert plan.offset_s == other.offset_s
            assert plan.coordinated_stage_idx == other.coordinated_stage_idx
    assert plain.plan_windows == city.plan_windows


def test_everything_that_a_network_can_hold(hand_made: RoadNetwork, tmp_path: Path) -> None:
    """Odd names, windows to the second, strange lamps, a signal without a plan, no intergreens."""
    one, two = hand_made.junctions.values()
    plan = one.plan_in_service
    assert plan is not None
    strange = replace(
        plan,
        plan_id='夜间, "spät"',
        stages=(
            Stage("Gguos" + "r" * 11, 7, (Interval(4, "O" * 16), Interval(1, "y" * 16)), 3, 9),
            *plan.stages[1:],
        ),
    )
    junctions = {
        "1": replace(
            one,
            name='路口 "one"\nnew line',
            name_latin="Lukou",
            other_plans=(*one.other_plans, strange),
            problems=("first", "second; third"),
            control="actuated",
        ),
        "2": replace(two, plan_in_service=None, other_plans=(), problems=("no plan",)),
    }
    city = replace(
        hand_made,
        name="城市, 一",
        junctions=junctions,
        plan_windows=(
            PlanWindow("1", plan.plan_id, 0, 3601, (6, 7)),
            PlanWindow("1", plan.plan_id, 7200, 9000),
            PlanWindow("1", strange.plan_id, 79_999, 86_400, (2,)),
        ),
        intergreens_s={"1": {(0, 4): 5, (4, 0): 7}, "2": {}},
        detectors=(
            *hand_made.detectors,
            Detector("camera", "1-N1", -1, 12.3456789, DetectorKind.CHECKPOINT),
            Detector("loop", "1-N1", 1, 0.1, DetectorKind.ADVANCE),
        ),
    )
    proves_its_report(city, tmp_path / "gmns")


def test_what_cannot_come_back_is_told(hand_made: RoadNetwork, tmp_path: Path) -> None:
    """Two detectors of one name; a line break in a problem; an id that GMNS calls missing."""
    one = replace(hand_made.junctions["1"], problems=("a\nb",))
    double = hand_made.detectors[0]
    city = replace(
        hand_made,
        junctions=dict(hand_made.junctions) | {"1": one},
        detectors=(double, replace(double, position_m=3.0)),
    )
    folder = tmp_path / "gmns"
    folder.mkdir()
    losses = LossReport()
    write_gmns(city, folder, losses)
    told = reported(losses, NOT_READ_BACK)
    back = read_network(folder, LossReport())
    assert {d for d in compared(city, back) if not explained(d, told)} == set()
    assert ("junctions.problems", "junction 1") in told
    assert "detectors.row" in {name for name, _ in told}


def test_a_network_that_cannot_be_written_is_refused(
    hand_made: RoadNetwork, tmp_path: Path
) -> None:
    first = next(iter(hand_made.links.values()))
    city = replace(hand_made, links={"x": replace(first, link_id="x", from_node="NaN")})
    city = replace(city, connections=(), movements={}, detectors=(), junctions={}, crossings=())
    folder = tmp_path / "gmns"
    folder.mkdir()
    with pytest.raises(DataRefused, match="cannot be written as GMNS"):
        write_gmns(replace(city, plan_windows=(), intergreens_s={}), folder, LossReport())


def test_the_same_network_gives_the_same_bytes(hand_made: RoadNetwork, tmp_path: Path) -> None:
    contents = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        write_gmns(hand_made, folder, LossReport())
        contents.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert contents[0] == contents[1]


# --- tables that somebody edits -------------------------------------------------------------


def edited(folder: Path, name: str, column: str, change: dict[str, str]) -> None:
    """Change cells of a written table: old text -> new text."""
    path = folder / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row[column] = change.get(row[column], row[column])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize(
    ("table", "column", "change"),
    [
        ("signal_timing_phase", "min_green", {"25": "30"}),
        ("signal_timing_phase", "clearance", {"5": "6"}),
        ("signal_phase_mvmt", "protection", {"permitted": "protected"}),
        ("opt_signal_stage", "picture", {"rrrrrGrrrrrGrrrr": "GGGGGGGG"}),
    ],
)
def test_tables_of_gmns_count_when_ours_are_at_odds(
    hand_made: RoadNetwork, tmp_path: Path, table: str, column: str, change: dict[str, str]
) -> None:
    folder = tmp_path / "gmns"
    folder.mkdir()
    write_gmns(hand_made, folder, LossReport())
    edited(folder, table, column, change)
    losses = LossReport()
    back = read_network(folder, losses)
    plan, was = back.junctions["1"].plan_in_service, hand_made.junctions["1"].plan_in_service
    assert plan is not None
    assert was is not None
    what = {row["what"] for row in losses.as_dict()["losses"]}
    assert "opt_signal_stage: at odds with the tables of GMNS, which count" in what
    greens = [30 if g == 25 and column == "min_green" else g for g in was.greens_s]
    assert list(plan.greens_s) == greens


def test_an_edited_offset_counts(hand_made: RoadNetwork, tmp_path: Path) -> None:
    folder = tmp_path / "gmns"
    folder.mkdir()
    write_gmns(hand_made, folder, LossReport())
    edited(folder, "signal_coordination", "offset", {"15": "40"})
    plan = read_network(folder, LossReport()).junctions["1"].plan_in_service
    was = hand_made.junctions["1"].plan_in_service
    assert isinstance(was, SignalPlan)
    assert plan == replace(was, offset_s=40)
