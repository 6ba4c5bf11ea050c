"""Lanes of one approach from UTDF's lane groups, written as "lanes/shared" per movement."""

from __future__ import annotations

import pytest

from network_data.importers.utdf.lanes import (
    Lanes,
    Place,
    exit_lanes,
    lanes_of_approach,
    number_of,
)
from network_data.loss_report import LossReport
from traffic_brain.model.network import Turn


def approach(groups: dict[str, str], losses: LossReport | None = None) -> Lanes:
    """``{"T": "2/3"}``: two through lanes shared on both sides; ``"0 5"``: no lane, phase 5."""
    movements = {}
    for turn, told in groups.items():
        lanes, _, phase = told.partition(" ")
        count, _, shared = lanes.partition("/")
        movements[f"NB{turn}"] = {"lanes": count, "shared": shared or "0"}
        if phase:
            movements[f"NB{turn}"]["permphase1"] = phase
    return lanes_of_approach(
        movements, movements, Place("7", "NB", "7"), LossReport() if losses is None else losses
    )


@pytest.mark.parametrize(
    ("groups", "served"),
    [
        ({"L": "1", "T": "2", "R": "1"}, {"L": (3,), "T": (1, 2), "R": (0,)}),
        ({"L": "0", "T": "2/3", "R": "0"}, {"L": (1,), "T": (0, 1), "R": (0,)}),
        ({"L": "0", "T": "1/3", "R": "0"}, {"L": (0,), "T": (0,), "R": (0,)}),
        ({"L": "1", "T": "2/1", "R": "1"}, {"L": (2, 3), "T": (1, 2), "R": (0,)}),
        ({"L": "1", "T": "2/2", "R": "1"}, {"L": (3,), "T": (1, 2), "R": (0, 1)}),
        # no through movement: left-right lanes count as left lanes
        ({"L": "1/2", "R": "0"}, {"L": (0,), "R": (0,)}),
        ({"L": "2/2", "R": "1"}, {"L": (1, 2), "R": (0, 1)}),
        # a left turn that shares with the turn back or with a second left
        ({"U": "0 5", "L": "1/1", "T": "1"}, {"U": (1,), "L": (1,), "T": (0,)}),
        ({"L2": "0 5", "L": "1/1", "T": "1"}, {"L2": (1,), "L": (1,), "T": (0,)}),
        ({"T": "1", "R": "1/2", "R2": "0 2"}, {"T": (1,), "R": (0,), "R2": (0,)}),
        # a turn back with a phase, but no lane: from the lane of the left turn
        ({"U": "0 5", "L": "1", "T": "1"}, {"U": (1,), "L": (1,), "T": (0,)}),
        # a movement that nobody uses is not there
        ({"U": "0", "L": "1", "T": "1", "R": "0"}, {"L": (1,), "T": (0,)}),
    ],
)
def test_lanes_serve(groups: dict[str, str], served: dict[str, tuple[int, ...]]) -> None:
    found = approach(groups).lanes_of
    assert found == {f"NB{turn}": lanes for turn, lanes in served.items()}


def test_turn_bays_are_the_outer_lanes_of_their_group() -> None:
    movements = {
        "NBL": {"lanes": "2", "storage": "150", "stlanes": "1"},
        "NBT": {"lanes": "2"},
        "NBR": {"lanes": "2", "storage": "90", "stlanes": "1"},
    }
    lanes = lanes_of_approach(movements, movements, Place("7", "NB", "7"), LossReport())
    assert lanes.lane_count == 6
    assert lanes.bays == {5, 0}


def test_a_movement_to_nowhere_keeps_its_lane_but_serves_nobody() -> None:
    movements = {"NBL": {"lanes": "1"}, "NBT": {"lanes": "1"}}
    lanes = lanes_of_approach(movements, ["NBT"], Place("7", "NB", "7"), LossReport())
    assert lanes.lane_count == 2
    assert lanes.lanes_of == {"NBT": (0,)}


def test_a_through_movement_without_a_lane_is_asked_for() -> None:
    losses = LossReport()
    assert approach({"L": "1", "T": "0 2", "R": "1"}, losses).lanes_of["NBT"]
    (entry,) = losses.as_dict()["to_fix"]
    assert entry["place"] == "7"
    assert entry["what"].startswith("NBT has traffic or a phase but no lane")


@pytest.mark.parametrize(
    ("turn", "lanes", "targets", "right", "pairs"),
    [
        (Turn.RIGHT, (0, 1), (0, 1, 2), False, [(0, 0), (1, 1)]),
        (Turn.LEFT, (2, 3), (0, 1, 2), False, [(2, 1), (3, 2)]),
        (Turn.THROUGH, (1, 2), (0, 1, 2), False, [(1, 1), (2, 2)]),
        (Turn.THROUGH, (1, 2), (0, 1, 2), True, [(1, 0), (2, 1)]),
        (Turn.THROUGH, (0, 1, 2), (1, 2), False, [(0, 1), (1, 1), (2, 2)]),
        (Turn.UTURN, (3,), (0, 1), False, [(3, 1)]),
    ],
)
def test_lanes_lead_into_the_lanes_of_the_exit(
    turn: Turn,
    lanes: tuple[int, ...],
    targets: tuple[int, ...],
    right: bool,
    pairs: list[tuple[int, int]],
) -> None:
    assert exit_lanes(lanes, turn, targets, align_right=right) == pairs


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3.0),
        ("*2", 2.0),
        (" 4.5 ", 4.5),
        ("-1", -1.0),
        ("1e2", 100.0),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("1_0", None),
        ("0x10", None),
        ("１", None),
        ("1e999", None),
    ],
)
def test_numbers(text: str, value: float | None) -> None:
    assert number_of(text) == value
