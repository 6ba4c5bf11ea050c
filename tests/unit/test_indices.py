"""Indices of a fused day and of streets made by hand, against figures worked out beside them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import network, road, through, two_stage_plan
from tests.unit.small_day import SmallDay
from traffic_brain.diagnosis.indices.definitions import INDICES, SCOPES, markdown
from traffic_brain.diagnosis.indices.measure import write_indices
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import Window
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork, Turn

WINDOW = Window(0, 3600)


def crossroads() -> RoadNetwork:
    places = {"w": (0.0, 0.0), "j": (300.0, 0.0), "e": (600.0, 0.0), "s": (300.0, -300.0)}
    links = [
        road("w", "j", places, junction_id="J", zone_id="Z"),
        road("s", "j", places, junction_id="J"),
        road("j", "e", places),
    ]
    ways = through("w-j", "j-e") | {("s-j", "j-e"): (Turn.RIGHT, (0,))}
    return network(links, ways, [two_stage_plan("J", greens_s=(30, 20))])


def hour(city: RoadNetwork, **changes: object) -> State:
    shape = (len(city.links), WINDOW.bin_count)
    demand = np.full((len(city.movements), 4), 360.0)
    plans = {j: one.plan_in_service for j, one in city.junctions.items()}
    state = State(
        service_day="2026-03-02",
        window=WINDOW,
        speed_mps=np.full(shape, 5.0),
        travel_time_s=np.full(shape, 60.0),
        flow_veh=np.full(shape, 30.0),
        demand_vph=demand,
        demand_high_vph=demand,
        trips=(),
        vehicle_classes=(),
        running_plans={j: plan for j, plan in plans.items() if plan is not None},
        summary={},
    )
    return replace(state, **changes)  # type: ignore[arg-type]


def indices(
    city: RoadNetwork, state: State, out: Path, corridors: tuple[Corridor, ...] = ()
) -> dict[tuple[str, str, str], dict[str, float]]:
    """(scope, id, period) -> the row; of several the first."""
    write_indices(city, state, out, corridors)
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in pq.read_table(out / "indices.parquet").to_pylist():
        found.setdefault((row["scope"], row["id"], row["period"]), row)
    return found


def test_streets_at_half_their_speed(tmp_path: Path) -> None:
    city = crossroads()
    corridor = Corridor("C01", "w – e", ("J",), (("w-j", "j-e"),), ((),), 360.0, 0.0)
    found = indices(city, hour(city), tmp_path, (corridor,))
    for scope, name in (("link", "w-j"), ("zone", "Z"), ("corridor", "C01"), ("city", city.name)):
        row = found[scope, name, "window"]
        assert row["delay_index"] == pytest.approx(2.0)
        assert row["speed_ratio"] == pytest.approx(0.5)
    # 360 vehicles lose 30 s on each of two approaches.
    junction = found["junction", "J", "hour"]
    assert junction["delay_veh_h"] == pytest.approx(6.0)
    assert junction["control_delay_s_per_veh"] == pytest.approx(30.0)
    assert found["city", city.name, "5min"]["delay_veh_h"] == pytest.approx(9.0 / 12)
    # 18 km/h is moderate on an arterial (20, above 15), and 30 vehicles in 5 min are 6 at a time.
    assert found["road_class", "arterial", "window"]["congested_ratio"] == 1.0
    assert junction["spillback_ratio"] == 0.0


def test_signals_by_hand(tmp_path: Path) -> None:
    """One lane of 360 veh/h each: 28 and 18 s of effective green (30 − 2, 20 − 2) in 60 s."""
    city = crossroads()
    row = indices(city, hour(city), tmp_path)["junction", "J", "hour"]
    full, empty = 360 / (1800 * 18 / 60), 360 / (1800 * 28 / 60)
    assert row["saturation_ratio"] == pytest.approx(full, abs=1e-4)
    assert row["imbalance_ratio"] == pytest.approx(1 - empty / full, abs=1e-4)
    assert row["critical_flow_ratio"] == pytest.approx(0.4)
    assert row["empty_green_ratio"] == pytest.approx(
        (30 * (1 - empty) + 20 * (1 - full)) / 50, abs=1e-4
    )
    # More than 9 of a mean of 6 arrivals: 1 − Σ e⁻⁶ 6ᵏ / k!, k to 9.
    assert row["split_failure_prob"] == pytest.approx(0.08392, abs=1e-4)
    stops = [0.9 * (1 - g / 60) / 0.8 for g in (28, 18)]
    assert row["stops_per_veh"] == pytest.approx(sum(stops) / 2, abs=1e-4)


def test_a_full_link_spills_back(tmp_path: Path) -> None:
    city = crossroads()
    travel = np.full((3, WINDOW.bin_count), 60.0)
    travel[2, :6] = 300.0  # 30 vehicles in 300 s: 30 at a time on room for 40
    found = indices(city, hour(city, travel_time_s=travel), tmp_path)
    assert found["link", "j-e", "hour"]["spillback_ratio"] == pytest.approx(0.5)
    assert found["junction", "J", "hour"]["spillback_ratio"] == pytest.approx(0.5)


def test_what_nobody_heard_is_null(tmp_path: Path) -> None:
    city = crossroads()
    state = hour(city, summary={"unheard_s": [[0, 1800]]})
    found = indices(city, state, tmp_path)
    assert found["city", city.name, "5min"]["delay_index"] is None
    assert found["city", city.name, "hour"]["delay_veh_h"] == pytest.approx(4.5)
    silent = hour(city, summary={"unheard_s": [[0, 3600]]})
    row = indices(city, silent, tmp_path)["junction", "J", "window"]
    assert all(row[i.column] is None for i in INDICES if i.scopes)


def test_a_fused_day_has_every_index(day: SmallDay, tmp_path: Path) -> None:
    net = day.network
    rows = write_indices(net, load_state(day.state, net), tmp_path)
    table = pq.read_table(tmp_path / "indices.parquet").to_pandas()
    assert len(table) == rows["index_rows"]
    for index in INDICES:
        for scope in index.scopes:
            values = table[table["scope"] == scope][index.column]
            if scope not in {"corridor", "zone"}:
                assert values.notna().any(), (index.column, scope)
        for scope in set(SCOPES) - set(index.scopes):
            if index.scopes:
                assert table[table["scope"] == scope][index.column].isna().all()
    ratios = [c for c in table.columns if c.endswith(("_ratio", "_prob")) and c != "speed_ratio"]
    bounded = table[[c for c in ratios if c not in {"saturation_ratio", "critical_flow_ratio"}]]
    assert ((bounded.isna()) | ((bounded >= 0) & (bounded <= 1))).all().all()
    told = json.loads((tmp_path / "index_definitions.json").read_text("utf-8"))
    assert {row["column"] for row in told} >= {i.column for i in INDICES}


def test_the_handbook_has_the_definitions() -> None:
    page = Path(__file__).parents[2] / "docs/indices.md"
    assert markdown() in page.read_text(encoding="utf-8")
