"""Observed trajectories: sightings joined along a corridor, laid over one cycle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.report_night import CORRIDOR, RUNNING, network, plan
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.sightings_table import write_sightings
from traffic_brain.report.timespace import Direction
from traffic_brain.report.trajectories import (
    Observed,
    common_cycle_s,
    folded,
    lines_over,
    observed,
)


def drive(links: str, times: tuple[float, ...], seen: str | None = None) -> Trip:
    names = tuple(links.split())
    return Trip(names, times, tuple(c == "1" for c in seen or "1" * len(names)))


def along(tmp_path: Path, *trips: Trip) -> dict[Direction, Observed]:
    write_sightings(tmp_path, trips, seed=1)
    return dict(observed(network(), CORRIDOR, tmp_path))


def points(found: Observed) -> list[list[tuple[float, float]]]:
    return [
        list(zip(found.time_s[a:b].tolist(), found.place[a:b].tolist(), strict=True))
        for a, b in zip(found.first[:-1], found.first[1:], strict=True)
    ]


def test_a_drive_is_placed_by_junctions_in_its_direction(tmp_path: Path) -> None:
    found = along(
        tmp_path,
        drive("W-J1 J1-J2 J2-J3", (100.0, 144.0, 210.0)),
        drive("E-J3 J3-J2 J2-J1", (500.0, 566.0, 612.0)),
    )
    assert points(found[Direction.OUT]) == [[(100.0, 0.0), (144.0, 1.0), (210.0, 2.0)]]
    assert points(found[Direction.BACK]) == [[(500.0, 2.0), (566.0, 1.0), (612.0, 0.0)]]


def test_turning_in_counts_and_one_sighting_is_no_line(tmp_path: Path) -> None:
    found = along(
        tmp_path,
        drive("N-J2 J2-J3", (100.0, 160.0)),
        drive("W-J1 J1-N", (10.0, 20.0)),
        drive("W-J1 J1-J2 J2-N", (5.0, 50.0, 60.0), "101"),
    )
    assert points(found[Direction.OUT]) == [[(100.0, 1.0), (160.0, 2.0)]]
    assert points(found[Direction.BACK]) == []


def test_who_stood_between_two_cameras_makes_two_pieces(tmp_path: Path) -> None:
    found = along(tmp_path, drive("W-J1 J1-J2 J2-J3", (0.0, 44.0, 44.0 + 750 / 0.4)))
    assert points(found[Direction.OUT]) == [[(0.0, 0.0), (44.0, 1.0)]]


def test_an_hour_is_laid_over_one_cycle_with_a_cap(tmp_path: Path) -> None:
    trips = [drive("W-J1 J1-J2", (3600.0 + 7 * k, 3650.0 + 7 * k)) for k in range(50)]
    out = along(tmp_path, *trips, drive("W-J1 J1-J2", (100.0, 150.0)))[Direction.OUT]
    assert out.hours() == {0: 1, 1: 50}
    lines = folded(out, 1, 90, 225.0, most=20)
    assert len(lines) == 20
    for (start, _), (end, place) in lines:
        assert 0.0 <= start < 90.0
        assert end - start == pytest.approx(50.0)
        assert place == 1.0
    assert folded(out, 1, 3600, 60.0) == folded(out, 1, 3600, 60.0, most=9)  # only 9 begin by then


def test_lines_are_repeated_over_the_window() -> None:
    assert lines_over([((80.0, 0.0), (130.0, 1.0))], 90, 200.0) == [
        ((-10.0, 0.0), (40.0, 1.0)),
        ((80.0, 0.0), (130.0, 1.0)),
        ((170.0, 0.0), (220.0, 1.0)),
    ]


def test_the_cycle_is_what_all_lamps_share() -> None:
    assert common_cycle_s(RUNNING, CORRIDOR) == 90
    other = {**RUNNING, "J2": plan("J2", (25, 25), 0, "other")}
    assert common_cycle_s(other, CORRIDOR) == 180
    odd = {**RUNNING, "J2": plan("J2", (50, 53), 0, "odd")}
    assert common_cycle_s(odd, CORRIDOR) is None
    assert common_cycle_s({}, CORRIDOR) is None


def test_a_one_way_street_and_no_cameras_have_none(tmp_path: Path) -> None:
    one_way = replace(CORRIDOR, back_paths=((), ()))
    write_sightings(tmp_path, [drive("E-J3 J3-J2", (0.0, 60.0))], seed=1)
    found = observed(network(), one_way, tmp_path)
    assert points(found[Direction.BACK]) == []
    assert points(observed(network(), CORRIDOR, tmp_path / "none")[Direction.OUT]) == []
