"""The UTDF file of a real city: every signal against the csv, read here a second time.

The csv is parsed afresh and its ``Start`` and ``Yield`` times, phases and cycle lengths are
compared with the lamps of the plans, second by second.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from network_data.checks import problems
from network_data.importers.utdf import read_network
from network_data.loss_report import LossReport
from network_data.writers.utdf import renamed, write_utdf
from traffic_brain.model.network import Movement, RoadNetwork
from traffic_brain.model.rules import retimable, rules_inputs

TEMPE = Path(__file__).parents[4] / "shared/data/tempe_utdf/UTDF.csv"
pytestmark = pytest.mark.skipif(not TEMPE.is_file(), reason=f"no Tempe file at {TEMPE}")
Sheet = dict[str, dict[str, dict[str, dict[str, str]]]]
"""Section -> node -> record -> column -> cell."""


@dataclass(frozen=True)
class City:
    network: RoadNetwork
    losses: LossReport


@pytest.fixture(scope="module")
def city() -> City:
    losses = LossReport()
    return City(read_network(TEMPE, losses), losses)


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    found: Sheet = defaultdict(lambda: defaultdict(dict))
    section, header = "", list[str]()
    with TEMPE.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file):
            if row[0].startswith("["):
                section, header = row[0], []
            elif row[0] in ("RECORDNAME", "INTID"):
                header = row
            elif header and row[0] and section != "[Network]":
                record, node = (row[0], row[1]) if section != "[Nodes]" else ("", row[0])
                cells = zip(header, row, strict=True)
                found[section][node][record] = {c: v for c, v in cells if c and v}
    return found


def test_every_signal_has_its_plan_or_is_asked_for(city: City) -> None:
    network = city.network
    assert len(network.links) == 1497
    assert len(network.movements) == 2447
    assert len(network.junctions) == 227
    assert sum(len(j.node_ids) for j in network.junctions.values()) == 243
    asked = {entry["place"] for entry in city.losses.as_dict()["to_fix"]}
    assert {j.junction_id for j in network.junctions.values() if not j.plan_in_service} <= asked
    held = {j for j, site in rules_inputs(network).items() if retimable(site)}
    assert held <= asked
    assert len(held) <= 5
    assert not problems(network)


def test_cycles_are_those_of_the_file(city: City, sheet: Sheet) -> None:
    for junction in city.network.junctions.values():
        plan = junction.plan_in_service
        assert plan is not None
        stated = sheet["[Timeplans]"][junction.junction_id]["Cycle Length"]["DATA"]
        assert plan.cycle_s == int(stated)


def phases_of(cells: dict[str, dict[str, str]], column: str, kind: str) -> list[str]:
    found = (cells.get(f"{kind}{i}", {}).get(column, "0") for i in range(1, 5))
    return [f"D{phase}" for phase in found if phase not in ("0", "-1")]


def column_of(movement: Movement, sheet: Sheet) -> tuple[str, str]:
    """(node, column) of a movement by the nodes of its links."""
    up, node = movement.from_link.split("_")
    to = movement.to_link.split("_")[1]
    cells = sheet["[Lanes]"][node]
    (column,) = (
        c for c, v in cells["Up Node"].items() if v == up and cells["Dest Node"].get(c) == to
    )
    return node, column


def greens(city: City, sheet: Sheet) -> Iterator[tuple[str, str, str]]:
    """(letter, place, lamps in every second of a phase's green)."""
    for junction_id, movements in city.network.movements_at.items():
        plan = city.network.junctions[junction_id].plan_in_service
        assert plan is not None
        shown = [plan.picture_at(t) for t in range(plan.cycle_s)]
        cells = sheet["[Phases]"][junction_id]
        for movement in movements:
            node, column = column_of(movement, sheet)
            (idx,) = movement.signal_group_idxs
            named = [
                (letter, phase)
                for letter, kind in (("G", "Phase"), ("g", "PermPhase"))
                for phase in phases_of(sheet["[Lanes]"][node], column, kind)
            ]
            for letter, phase in named:
                start, end = float(cells["Start"][phase]), float(cells["Yield"][phase])
                clearance = float(cells["Yellow"][phase]) + float(cells["AllRed"][phase])
                if clearance % 1 or start % 1 or end % 1:
                    continue  # rounded: seen by another test
                seconds = range(int(start), int(start) + int((end - start) % plan.cycle_s))
                lamps = "".join(shown[t % plan.cycle_s][idx] for t in seconds)
                yield letter, f"{node} {column} {phase}", lamps


def test_protected_and_permitted_greens_are_on_when_their_phases_run(
    city: City, sheet: Sheet
) -> None:
    counts: Counter[str] = Counter()
    for letter, place, lamps in greens(city, sheet):
        counts[letter] += 1
        allowed = "G" if letter == "G" else "Gg"
        assert set(lamps) <= set(allowed), place
    assert counts["G"] > 900
    assert counts["g"] > 700


def test_nobody_is_green_outside_of_his_phases_and_their_clearance(
    city: City, sheet: Sheet
) -> None:
    for junction_id, movements in city.network.movements_at.items():
        plan = city.network.junctions[junction_id].plan_in_service
        assert plan is not None
        shown = [plan.picture_at(t) for t in range(plan.cycle_s)]
        cells = sheet["[Phases]"][junction_id]
        for movement in movements:
            node, column = column_of(movement, sheet)
            lanes = sheet["[Lanes]"][node]
            phases = [*phases_of(lanes, column, "Phase"), *phases_of(lanes, column, "PermPhase")]
            if not phases:
                continue  # in a shared lane
            lit = set[int]()
            for phase in phases:
                if phase in cells["Start"]:
                    start, end = float(cells["Start"][phase]), float(cells["End"][phase])
                    length = (end - start) % plan.cycle_s or plan.cycle_s
                    lit |= {(round(start) + t) % plan.cycle_s for t in range(round(length))}
            (idx,) = movement.signal_group_idxs
            for t, picture in enumerate(shown):
                assert picture[idx] not in "Gg" or t in lit, (node, column, t)


def test_yellows_and_clearances_are_those_of_the_phases(city: City, sheet: Sheet) -> None:
    """Movements with one phase show its yellow, to the nearest second."""
    seen = 0
    for junction_id, movements in city.network.movements_at.items():
        plan, cells = city.network.junctions[junction_id].plan_in_service, sheet["[Phases]"]
        assert plan is not None
        shown = [plan.picture_at(t) for t in range(plan.cycle_s)]
        for movement in movements:
            node, column = column_of(movement, sheet)
            lanes = sheet["[Lanes]"][node]
            phases = [*phases_of(lanes, column, "Phase"), *phases_of(lanes, column, "PermPhase")]
            if len(phases) != 1 or phases[0] not in cells[junction_id]["Yellow"]:
                continue
            (idx,) = movement.signal_group_idxs
            lamps = "".join(picture[idx] for picture in shown)
            yellow = float(cells[junction_id]["Yellow"][phases[0]])
            if "y" in lamps:
                seen += 1
                assert abs(lamps.count("y") - yellow) <= 0.5, (node, column)
    assert seen > 1200


def test_reading_what_was_written_gives_the_same_city(city: City, tmp_path: Path) -> None:
    """Field by field; one signal's groups are counted in another order, and the report says so."""
    losses, network = LossReport(), city.network
    write_utdf(network, tmp_path / "again.csv", losses)
    (renumbered,) = losses.as_dict()["losses"]
    assert renumbered["what"] == "signal groups: one per movement, by direction"
    assert [place.split(":")[0] for place in renumbered["places"]] == ["503"]
    again = read_network(tmp_path / "again.csv", LossReport())
    assert dict(again.links) == dict(network.links)
    assert set(again.detectors) == set(network.detectors)
    expected = renamed(network)
    assert set(again.connections) == set(expected.connections)
    assert dict(again.movements) == dict(expected.movements)
    assert dict(again.junctions) == dict(expected.junctions)
    assert dict(again.intergreens_s) == dict(expected.intergreens_s)
    for old, new in (
        (network.junctions, expected.junctions),
        (network.intergreens_s, expected.intergreens_s),
    ):
        assert {key for key in old if old[key] != new[key]} <= {"503"}
    assert {
        m.junction_id for m in network.movements.values() if m != expected.movements[m.movement_id]
    } <= {"503"}
