"""Which earlier nights count, and what several days are together."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.unit.short_night import ShortNight
from traffic_brain.fusion.pooled import pooled
from traffic_brain.nightly.history import earlier_states
from traffic_brain.nightly.manifest import MANIFEST

TODAY = "2026-11-05"  # a Thursday


@pytest.fixture
def nights(short_night: ShortNight, tmp_path: Path) -> Path:
    for day in ("2026-11-05", "2026-11-04", "2026-11-03", "2026-10-31", "2026-09-30"):
        shutil.copytree(short_night.city, tmp_path / day / "city")
        for stage in ("city", "state"):
            (tmp_path / day / stage).mkdir(exist_ok=True)
            (tmp_path / day / stage / MANIFEST).touch()
    (tmp_path / "notes").mkdir()
    return tmp_path


def test_working_days_of_the_last_weeks_on_the_same_network(nights: Path) -> None:
    def found(most: int = 4) -> list[str]:
        city = nights / TODAY / "city"
        return [s.parent.name for s in earlier_states(nights / TODAY, city, most)]

    assert found() == ["2026-11-04", "2026-11-03"]  # a Saturday, and a day too long ago
    assert found(1) == ["2026-11-04"]
    (nights / "2026-11-04" / "state" / MANIFEST).unlink()  # not fused to its end
    assert found() == ["2026-11-03"]
    with (nights / "2026-11-03" / "city" / "junctions.json").open("a") as roads:
        roads.write(" ")  # another network
    assert found() == []


def test_several_days_are_their_mean_and_take_vehicles_from_each(short_night: ShortNight) -> None:
    today = replace(short_night.known, undetected=frozenset({0, 1, 2}))
    assert pooled([today]) is today
    busier = replace(
        today,
        service_day="earlier",
        demand_vph=3.0 * today.demand_vph,
        trips=tuple((depart_s + 0.05, links) for depart_s, links in today.trips),
    )
    both = pooled([today, busier])
    np.testing.assert_allclose(both.demand_vph, 2.0 * today.demand_vph)
    assert both.service_day == today.service_day
    assert abs(len(both.trips) - len(today.trips)) <= 1
    assert len(both.vehicle_classes) == len(both.trips)
    assert [t for t, _ in both.trips] == sorted(t for t, _ in both.trips)
    from_today = (Counter(both.trips) & Counter(today.trips)).total()
    assert abs(from_today - len(today.trips) / 2) <= 1
    undetected = {both.trips[i] for i in both.undetected}
    assert undetected == {today.trips[0], busier.trips[1], today.trips[2]}


def test_days_of_another_window_are_left_out(short_night: ShortNight) -> None:
    today = short_night.known
    longer = np.hstack([today.demand_vph, today.demand_vph])
    assert pooled([today, replace(today, demand_vph=longer)]) is today
