"""GMNS folders read: signals by hand, units, lanes, what is told of each guess, and refusals."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from network_data.checks import problems
from network_data.importers.gmns import import_network, read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import run_tool
from tests.unit.network_data.gmns_hand_made import (
    CYCLE_S,
    GREENS,
    Tables,
    more,
    network,
    rows,
    signals,
    two_signals,
    write,
)
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import (
    EVERY_LANE,
    DetectorKind,
    Junction,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import PlanWindow, SignalPlan

Read = Callable[..., tuple[RoadNetwork, LossReport]]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write tables into a folder of their own and read it."""

    def _read(tables: Tables) -> tuple[RoadNetwork, LossReport]:
        losses = LossReport()
        return read_network(write(tmp_path / "folder", tables), losses), losses

    return _read


def told(losses: LossReport) -> dict[str, list[str]]:
    """What was lost -> its places."""
    return {row["what"]: row["places"] for row in losses.as_dict()["losses"]}


def asked(losses: LossReport, place: str) -> str:
    """All that stands on the to-fix list at a place."""
    return "; ".join(row["what"] for row in losses.as_dict()["to_fix"] if row["place"] == place)


def plan_of(junction: Junction, name: str) -> SignalPlan:
    return next(plan for plan in junction.plans if plan.plan_id == name)


# --- signals --------------------------------------------------------------------------------


def test_rings_become_stages(read: Read) -> None:
    """Ring 1: phase 1 for 10 s, 5 s clear, phase 2 from 15 to 40 s; ring 2: phase 5 to 15 s."""
    found, losses = read(network() | signals())
    plan = plan_of(found.junctions["1"], "day1")
    assert plan.cycle_s == CYCLE_S
    assert plan.greens_s == (10, 20, 10, 25)
    left_and_through = plan.stages[0].clearance
    assert [i.duration_s for i in left_and_through] == [3, 2, 3, 2]  # phase 1 ends, then phase 5
    by_group = {m.signal_group_idxs[0]: m for m in found.movements_at["1"]}
    green = [g for g, lamp in enumerate(plan.stages[1].picture) if lamp == "G"]
    assert {(by_group[g].from_link, by_group[g].turn) for g in green} == {
        (link, turn) for link in ("W-1", "2-1") for turn in (Turn.THROUGH, Turn.RIGHT)
    }
    assert not problems(found)
    assert not losses.as_dict()["to_fix"]


def test_offset_of_each_reference_gives_the_same_plan(read: Read) -> None:
    """Phase 2 is green from 15 to 40 s of the ring and yellow to 43 s.

    Its green begins at 10 s of the clock, so the ring at -5 s, and the stage of 2 and 6 (20 s of
    the ring) at 15 s. The same moment is told as begin of yellow, 10 + 25, and of red, 10 + 28.
    """
    plans = []
    for reference, offset in (
        ("begin_of_green", 10),
        ("begin_of_yellow", 35),
        ("begin_of_red", 38),
    ):
        peak = (reference, offset + 60)
        found, _ = read(network() | signals({"day": (reference, offset), "peak": peak}))
        plans.append([j.plans for j in found.junctions.values()])
        day, later = (plan_of(found.junctions["2"], name) for name in ("day2", "peak2"))
        assert (day.coordinated_stage_idx, day.offset_s) == (1, 15)
        assert (later.coordinated_stage_idx, later.offset_s) == (1, 75)
        through = found.movements["12E"].signal_group_idxs[0]
        assert day.picture_at(10)[through] == "G"
        assert day.picture_at(9)[through] == "r"
        assert day.picture_at(34)[through] == "G"
        assert [day.picture_at(t)[through] for t in (35, 37, 38)] == ["y", "y", "r"]
    assert plans[0] == plans[1] == plans[2]


def test_offset_without_reference_is_asked_for(read: Read) -> None:
    _, losses = read(network() | signals({"day": ("", 10)}))
    assert "what the offset refers to is not told" in asked(losses, "1")


def test_yellow_of_its_own_column_counts(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_red", 40)})
    for row in tables["signal_timing_phase"]:
        row["yellow"] = "4"
    found, losses = read(tables)
    plan = plan_of(found.junctions["1"], "day1")
    assert [i.duration_s for i in plan.stages[1].clearance] == [4, 1]
    assert plan.offset_s == 40 - 4 - 25 + 5  # red begins 29 s after the green, the stage 5 s after
    assert not any("its yellow is" in what for what in told(losses))


def test_plans_run_in_their_windows(read: Read) -> None:
    found, losses = read(network() | signals())
    assert found.junctions["1"].plan_in_service == plan_of(found.junctions["1"], "day1")
    assert found.plan_windows == tuple(
        PlanWindow(j, f"peak{j}", 7 * 3600, 9 * 3600, (1, 2, 3, 4, 5)) for j in ("1", "2")
    )
    assert "signal_timing_plan: until 23:59 means until midnight" in told(losses)


@pytest.mark.parametrize(
    ("time_day", "windows"),
    [
        ("10000001_0700_0900", [(25200, 32400, (7,))]),
        ("0111110_7:00_9:30", [(25200, 34200, (1, 2, 3, 4, 5))]),
        ("01000000_2200_0500", [(79200, 86400, (1,)), (0, 18000, (2,))]),
        ("00000010_0000_0500;00000010_2000_2400", [(0, 18000, (6,)), (72000, 86400, (6,))]),
        ("00000000_0700_0900", []),
        ("weekdays", []),
    ],
)
def test_time_of_day(
    read: Read, time_day: str, windows: list[tuple[int, int, tuple[int, ...]]]
) -> None:
    tables = network() | signals()
    for row in tables["signal_timing_plan"]:
        if row["timing_plan_id"].startswith("peak"):
            row["time_day"] = time_day
    found, losses = read(tables)
    here = [w for w in found.plan_windows if w.junction_id == "1"]
    assert [(w.begin_s, w.end_s, w.weekdays) for w in here] == windows
    if not windows:
        assert "when it runs" in asked(losses, "1")


def test_the_shorter_of_two_windows_counts(read: Read) -> None:
    tables = network() | signals(
        {"day": ("begin_of_green", 1), "long": ("begin_of_green", 2), "peak": ("begin_of_green", 3)}
    )
    for row in tables["signal_timing_plan"]:
        if row["timing_plan_id"].startswith("long"):
            row["time_day"] = "01111100_0600_2000"
    found, losses = read(tables)
    here = [(w.plan_id, w.begin_s // 3600, w.end_s // 3600) for w in found.windows_at["1"]]
    assert sorted(here) == [("long1", 6, 7), ("long1", 9, 20), ("peak1", 7, 9)]
    assert not problems(found)
    assert "windows of two plans overlap" in asked(losses, "1")


def test_time_sets_and_midnight(read: Read) -> None:
    tables = network() | signals()
    tables["time_set_definitions"] = rows(
        *("timeday_id", "monday", "tuesday", "wednesday", "Friday", "start_time", "end_time"),
        of=[("early", "TRUE", 0, "no", 1, "06:30", "00:00")],
    )
    for row in tables["signal_timing_plan"]:
        row["timeday_id"] = "early" if row["timing_plan_id"].startswith("peak") else ""
        row["time_day"] = "" if row["timeday_id"] else row["time_day"]
    found, _ = read(tables)
    window = found.windows_at["1"][0]
    assert (window.begin_s, window.end_s, window.weekdays) == (23400, 86400, (1, 5))


def test_the_green_that_fills_the_cycle_is_taken(read: Read) -> None:
    """Phases run from 5 s to their green: the sum with the longest greens is the cycle."""
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for row in tables["signal_timing_phase"]:
        row["min_green"], row["extension"] = "5", "3"
    found, losses = read(tables)
    junction = found.junctions["1"]
    assert plan_of(junction, "day1").greens_s == (10, 20, 10, 25)
    assert junction.control == "actuated"
    extension = "signal timing: extension: of actuated control, which a fixed plan has not"
    assert len(told(losses)[extension]) == 2 * len(GREENS)


def test_greens_between_the_limits_fill_the_cycle(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for row in tables["signal_timing_phase"]:
        row["max_green"] = str(2 * int(row["max_green"]))
    found, losses = read(tables)  # 90 s of at least 90 and at most 160 s: the shortest greens
    assert plan_of(found.junctions["1"], "day1").greens_s == (10, 20, 10, 25)
    for row in tables["signal_timing_plan"]:
        row["cycle_length"] = "125"
    found, losses = read(tables)  # half way between 90 and 160 s
    assert plan_of(found.junctions["1"], "day1").cycle_s == 125
    assert "neither the shortest nor the longest greens" in asked(losses, "1")


def test_free_running_signals_are_asked_for(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for row in tables["signal_timing_plan"]:
        row["cycle_length"] = ""
    for row in tables["signal_timing_phase"]:
        row["min_green"] = "4"
    found, losses = read(tables)
    assert found.junctions["1"].control == "actuated"
    assert "runs free" in asked(losses, "1")


def test_a_signal_without_timing_is_on_the_list(read: Read) -> None:
    found, losses = read(network())
    assert set(found.junctions) == {"1", "2"}
    assert found.junctions["1"].plan_in_service is None
    entries = [row for row in losses.as_dict()["to_fix"] if row["place"] == "1"]
    assert [row["confidence"] for row in entries] == [0.0]
    assert found.junctions["1"].problems == ("no plan could be read",)


def test_phases_without_rings(read: Read) -> None:
    """Eight phases: NEMA's own rings; three: one after the other."""
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for row in tables["signal_timing_phase"]:
        row["ring"] = row["barrier"] = row["position"] = ""
    found, losses = read(tables)
    assert plan_of(found.junctions["1"], "day1").greens_s == (10, 20, 10, 25)
    assert "NEMA's standard rings" in asked(losses, "1")
    kept = [r for r in tables["signal_timing_phase"] if r["signal_phase_num"] in "234"]
    found, losses = read(tables | {"signal_timing_phase": kept})
    assert plan_of(found.junctions["1"], "day1").greens_s == (25, 10, 25)
    assert "one phase after the other" in asked(losses, "1")
    assert "splits do not sum to the stated cycle" in asked(losses, "1")


def test_right_turns_on_red(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for row in tables["movement"]:
        if row["type"] == "right":
            row["ctrl_type"] = "signal_with_RTOR"
    found, _ = read(tables)
    group = found.movements["W1S1"].signal_group_idxs[0]
    lamps = {i.picture[group] for i in plan_of(found.junctions["1"], "day1").intervals()}
    assert lamps == {"G", "y", "s"}


def test_a_forgotten_movement_goes_with_its_approach(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    tables["signal_phase_mvmt"] = [
        row for row in tables["signal_phase_mvmt"] if row["mvmt_id"] not in ("W1S1", "S1W")
    ]
    found, losses = read(tables)
    group = found.movements["W1S1"].signal_group_idxs[0]
    assert plan_of(found.junctions["1"], "day1").stages[1].picture[group] == "g"
    assert "movement W1S1 is in no phase" in asked(losses, "1")


def test_phases_that_serve_nobody_are_asked_about_once(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    tables["signal_phase_mvmt"] = [
        row for row in tables["signal_phase_mvmt"] if not row["timing_phase_id"].startswith("day1")
    ]
    found, losses = read(tables)
    assert found.junctions["1"].plans == ()
    assert "plan day1: phases make no signal: nothing ever lit" in asked(losses, "1")
    assert "is in no phase" not in asked(losses, "1")


def test_turns_of_untold_protection_give_way_to_their_opposite(read: Read) -> None:
    """Two phases, as many planning networks have them: all from west and east, then the rest."""
    tables = network() | signals({"day": ("begin_of_green", 10)})
    tables["signal_timing_phase"] = [
        row | {"ring": "1", "barrier": "1", "min_green": "40", "max_green": "40"}
        for row in tables["signal_timing_phase"]
        if row["signal_phase_num"] in "24"
    ]
    for row in tables["signal_phase_mvmt"]:
        name, _, phase = row["timing_phase_id"].partition(".")
        row |= {"timing_phase_id": f"{name}.{2 if phase in '1256' else 4}", "protection": ""}
    found, losses = read(tables)
    plan = plan_of(found.junctions["1"], "day1")
    assert plan.greens_s == (40, 40)
    lamps = {m.turn: plan.stages[0].picture[m.signal_group_idxs[0]] for m in arm(found, "W-1")}
    assert lamps == {Turn.LEFT: "g", Turn.THROUGH: "G", Turn.RIGHT: "G"}
    assert not losses.as_dict()["to_fix"]


def arm(found: RoadNetwork, link: str) -> list[Movement]:
    return [m for m in found.movements.values() if m.from_link == link]


def test_older_files(read: Read) -> None:
    """GMNS 0.8 to 0.93: rings in signal_phase, phases by number, offsets in the plan."""
    newer = network() | signals({"day": ("begin_of_green", 10)})
    tables = dict(newer)
    phase = {row["timing_phase_id"]: row for row in newer["signal_timing_phase"]}
    tables["signal_phase"] = [
        {
            "signal_phase_id": f"p{row['timing_phase_id']}",
            "signal_phase_num": row["signal_phase_num"],
            **{c: row[c] for c in ("ring", "barrier", "position")},
        }
        for row in newer["signal_timing_phase"]
    ]
    tables["signal_timing_phase"] = [
        {
            "timing_phase_id": row["timing_phase_id"],
            "signal_phase_id": f"p{row['timing_phase_id']}",
            "timing_plan_id": row["timing_plan_id"],
            "phase_num": row["signal_phase_num"],
            **{c: row[c] for c in ("min_green", "max_green", "clearance")},
        }
        for row in newer["signal_timing_phase"]
    ]
    tables["signal_phase_mvmt"] = [
        {
            "signal_phase_mvmt_id": row["signal_phase_mvmt_id"],
            "controller_id": row["timing_phase_id"][3],
            "signal_phase_num": phase[row["timing_phase_id"]]["signal_phase_num"],
            "mvmt_id": row["mvmt_id"],
            "protection": row["protection"],
        }
        for row in newer["signal_phase_mvmt"]
    ]
    tables["signal_timing_plan"] = [
        row | {"coord_phase": "2", "coord_ref_to": "begin_of_green", "offset": "10"}
        for row in newer["signal_timing_plan"]
    ]
    del tables["signal_coordination"]
    found, _ = read(tables)
    again, _ = read(newer)
    assert [j.plans for j in found.junctions.values()] == [
        j.plans for j in again.junctions.values()
    ]


def shared_plan() -> Tables:
    """As in GMNS's own example: signal 2 is coordinated within the plan of controller 1."""
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for name in ("signal_coordination", "signal_timing_phase"):
        for row in tables[name]:
            row["timing_plan_id"] = "day1"
    tables["signal_timing_plan"] = tables["signal_timing_plan"][:1]
    return tables


def test_one_plan_for_two_controllers(read: Read) -> None:
    found, losses = read(shared_plan())
    one, two = (found.junctions[j].plan_in_service for j in ("1", "2"))
    assert one is not None
    assert two is not None
    assert one.stages == two.stages
    assert not losses.as_dict()["to_fix"]


def test_a_controller_with_a_name_of_its_own(read: Read) -> None:
    tables = network() | signals({"day": ("begin_of_green", 10)})
    for name in ("signal_controller", "signal_timing_plan", "signal_coordination"):
        for row in tables[name]:
            row["controller_id"] = f"box {row['controller_id']}"
    found, losses = read(tables)
    assert {j.junction_id: j.node_ids for j in found.junctions.values()} == {
        "box_1": ("1",),
        "box_2": ("2",),
    }
    assert "signal_controller: an id that had to be changed" in told(losses)


def test_a_master_with_an_offset_of_its_own_is_asked_about(read: Read) -> None:
    """Whether 40 s count from the master's 10 s or from the clock is not told; the clock's."""
    tables = shared_plan()
    for row, offset in zip(tables["signal_coordination"], (10, 40), strict=True):
        row |= {"coord_contr_id": "1", "offset": str(offset)}
    found, losses = read(tables)
    plan = found.junctions["2"].plan_in_service
    assert plan is not None
    assert plan.offset_s == 45
    assert "counted from one clock" in asked(losses, "2")


# --- people on foot -------------------------------------------------------------------------


def test_crosswalks_become_crossings(read: Read) -> None:
    found, losses = read(more())
    junction = found.junctions["1"]
    assert [c.length_m for c in found.crossings] == pytest.approx([24.0] * 4)
    plan = plan_of(junction, "day1")
    for crossing in found.crossings:
        lamps = {i.picture[crossing.signal_group_idx] for i in plan.intervals()}
        assert lamps == {"G", "r"}
    assert plan.stages[1].min_green_s == 14  # 7 + 12 s for people, 5 of them before the stage
    assert not losses.as_dict()["to_fix"]


def test_no_vehicle_of_an_arm_misses_its_crosswalk(read: Read) -> None:
    """The crosswalk in the west meets all that comes from or goes to the west, and nothing else."""
    found, _ = read(more())
    junction = found.junctions["1"]
    here = {m: x for m, x in found.movements.items() if x.junction_id == "1"}
    groups = {m: x.signal_group_idxs[0] for m, x in here.items()}
    walks = {c.signal_group_idx for c in found.crossings}
    met = {
        walk: {m for m, g in groups.items() if (g, walk) in junction.conflicts} for walk in walks
    }
    west = {m for m, x in here.items() if {x.from_link, x.to_link} & {"W-1", "1-W"}}
    assert west in met.values()
    assert all(len(ways) == 6 for ways in met.values())


# --- roads ----------------------------------------------------------------------------------


def test_units_of_the_config(read: Read) -> None:
    tables = network()
    tables["config"][0] |= {"short_length": "foot", "long_length": "mile", "speed": "mph"}
    for row in tables["link"]:
        row["length"] = str(float(row["length"]) / 1.609344)
        row["free_speed"] = "30"
    found, losses = read(tables)
    assert found.links["1-2"].length_m == pytest.approx(400)
    assert found.links["1-2"].free_flow_speed_mps == pytest.approx(13.4112)
    assert not any(what.startswith("config.long") for what in told(losses))


def test_lengths_tell_their_unit_when_the_config_is_wrong(read: Read) -> None:
    """As in GMNS's own example: the config says miles, the lengths are feet."""
    tables = network()
    tables["config"][0] |= {"short_length": "foot", "long_length": "mile"}
    for row in tables["link"]:
        row["length"] = str(float(row["length"]) * 1000 / 0.3048)
    found, losses = read(tables)
    assert found.links["1-2"].length_m == pytest.approx(400)
    assert "a unit is 0.3048 m" in asked(losses, "config")


def test_coordinates_in_feet(read: Read) -> None:
    tables = network()
    tables["config"][0] |= {"short_length": "foot", "long_length": "foot", "crs": "3735"}
    for row in tables["node"]:
        row |= {c: str(float(row[c]) / 0.3048) for c in ("x_coord", "y_coord")}
    for row in tables["link"]:
        row["length"] = str(float(row["length"]) * 1000 / 0.3048)
    found, losses = read(tables)
    junction = found.junctions["2"]
    assert (junction.x, junction.y) == pytest.approx((400, 0))
    assert found.links["1-2"].length_m == pytest.approx(400)
    assert "config.crs: coordinates in feet" in told(losses)


@pytest.mark.parametrize("crs", ["EPSG:4326", "", "WGS84", "EPSG:3857"])
def test_degrees_become_metres(read: Read, crs: str) -> None:
    """Around Hefei; a degree is 111.3 km times the cosine of the latitude, and 110.9 km."""
    tables = network()
    tables["config"][0]["crs"] = crs
    for row in tables["node"]:
        x = 117.27 + float(row["x_coord"]) / 94_800
        y = 31.86 + float(row["y_coord"]) / 110_870
        if crs == "EPSG:3857":
            x = 6_378_137 * math.radians(x)
            y = 6_378_137 * math.log(math.tan(math.pi / 4 + math.radians(y) / 2))
        row |= {"x_coord": repr(x), "y_coord": repr(y)}
    found, losses = read(tables)
    one, two = (found.junctions[j] for j in ("1", "2"))
    assert math.dist((one.x, one.y), (two.x, two.y)) == pytest.approx(400, rel=0.003)
    assert found.movements["W12"].turn is Turn.THROUGH
    assert "position on the earth: metres from an origin" in told(losses)


def test_no_config_and_no_movements(read: Read) -> None:
    """What many programs write: nodes and links alone, metres and kilometres per hour."""
    tables = network()
    del tables["config"], tables["movement"]
    for row in tables["link"]:
        row["length"] = str(float(row["length"]) * 1000)
        row["link_type_name"] = row.pop("facility_type")
    found, losses = read(tables)
    assert found.links["1-2"].length_m == 400
    assert found.links["1-2"].free_flow_speed_mps == pytest.approx(50 / 3.6)
    made = {(c.from_link, c.to_link): c.turn for c in found.connections}
    of_west = {to: turn for (link, to), turn in made.items() if link == "W-1"}
    assert of_west == {"1-N1": Turn.LEFT, "1-S1": Turn.RIGHT, "1-2": Turn.THROUGH}
    assert "config: no such table" in told(losses)
    assert len(told(losses)["movement: made up from geometry"]) == 24


def test_undirected_links_and_lines_that_run_back(read: Read) -> None:
    tables = network()
    del tables["movement"]
    tables["link"] = [row for row in tables["link"] if row["link_id"] != "1-W"]
    for row in tables["link"]:
        row["geometry"] = "LINESTRING (400 0, 250 9, 0 0)" if row["link_id"] == "1-2" else ""
        if row["link_id"] == "W-1":
            row["directed"] = "false"
    found, losses = read(tables)
    assert found.links["W-1_back"].shape == ((0.0, 0.0), (-300.0, 0.0))
    assert found.links["1-2"].shape == ((0.0, 0.0), (250.0, 9.0), (400.0, 0.0))
    assert told(losses)["link.geometry: runs from the second node to the first, turned round"] == [
        "link 1-2"
    ]


def test_lanes_and_pockets(read: Read) -> None:
    found, _ = read(more())
    pocket = found.links["S1-1"]
    assert pocket.lane_count == 3  # two lanes, and a left-turn pocket at the end
    assert found.movements["S11W"].lanes == (1,)  # told to leave lane 1, not the pocket
    bike = found.links["E-2"]
    assert (bike.lane_count, bike.car_lanes) == (3, (1, 2))
    assert found.movements["E2N2"].lanes == (1,)


def test_lane_zero_is_the_first(read: Read) -> None:
    tables = network()
    for row in tables["movement"]:
        for column in ("start_ib_lane", "end_ib_lane", "start_ob_lane", "end_ob_lane"):
            row[column] = str(int(row[column]) - 1) if row[column] else ""
    found, losses = read(tables)
    again, _ = read(network())
    assert found.connections == again.connections
    assert "lanes are counted from 0 here" in told(losses)


def test_use_groups_may_run_in_circles(read: Read) -> None:
    tables = more()
    tables["use_group"] = rows("use_group", "uses", of=[("cars", "fast"), ("fast", "cars, auto")])
    found, _ = read(tables)
    assert found.links["E-2"].car_lanes == (1, 2)


def test_detectors_and_zones(read: Read) -> None:
    found, losses = read(more())
    by_id = {d.detector_id: d for d in found.detectors}
    assert (by_id["d1"].lane_idx, by_id["d1"].position_m) == (1, 298.0)
    assert by_id["d1"].kind is DetectorKind.STOP_LINE
    assert (by_id["d2"].lane_idx, by_id["d2"].kind) == (EVERY_LANE, DetectorKind.ADVANCE)
    assert (by_id["k1"].position_m, by_id["k1"].kind) == (120.0, DetectorKind.CHECKPOINT)
    assert len(found.zones["z1"].shape) == 4
    assert found.junctions["1"].zone_id == "z1"
    assert {link.link_id for link in found.links.values() if link.zone_id} >= {"W-1", "1-W"}
    assert told(losses)["location: no device of traffic"] == ["location stop"]


def test_every_cell_that_is_not_read_is_told(read: Read) -> None:
    tables = more()
    for row in tables["node"]:
        row["z_coord"] = "3" if row["node_id"] in ("1", "2") else ""
    tables["curb_seg"] = rows("curb_seg_id", of=[("c1",), ("c2",)])
    tables["weather"] = rows("rain", of=[("yes",)])
    found, losses = read(tables)
    lost = told(losses)
    assert lost["node.z_coord"] == ["node 1", "node 2"]
    assert lost["link.toll"] == ["link W-1"]
    assert lost["link_tod: nothing in our model"] == ["line 2"]
    assert lost["curb_seg: nothing in our model"] == ["line 2", "line 3"]
    assert lost["file that is no table of GMNS"] == ["weather.csv"]
    assert lost["lane.width"] == ["lane E1", "lane E2", "lane E3"]
    assert found.sources.keys() >= {"node.csv", "link.csv"}


# --- how files are written ------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "gbk", "gb18030"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    folder = two_signals(tmp_path / "x")
    path = folder / "node.csv"
    path.write_bytes(path.read_text().replace("Street 1", "黄山路与科学大道").encode(encoding))
    found = read_network(folder, LossReport())
    assert found.junctions["1"].name == "黄山路与科学大道"


def test_semicolons_decimal_commas_and_numbers_of_a_spreadsheet(tmp_path: Path) -> None:
    folder = two_signals(tmp_path / "x")
    for path in folder.glob("*.csv"):
        text = path.read_text().replace(",", ";")
        if path.stem == "link":
            text = text.replace("0.4", "0,4").replace("0.3", "0,3")
        if path.stem == "signal_coordination":
            text = text.replace(";1;1;2;", ";1.0;1.0;2.0;")
        path.write_text(text)
    found = read_network(folder, LossReport())
    assert found.links["1-2"].length_m == pytest.approx(400)
    again = read_network(two_signals(tmp_path / "y"), LossReport())
    assert [j.plans for j in found.junctions.values()] == [
        j.plans for j in again.junctions.values()
    ]


def test_names_of_files(tmp_path: Path) -> None:
    folder = two_signals(tmp_path / "x")
    for path in list(folder.glob("*.csv")):
        path.rename(folder / f"{path.stem.upper()}S.CSV")
    assert len(read_network(folder, LossReport()).links) == 14


# --- refusals -------------------------------------------------------------------------------


def test_all_problems_at_once(tmp_path: Path) -> None:
    tables = network() | signals()
    tables["node"][0]["x_coord"] = "east"
    tables["link"][0]["from_node_id"] = "nowhere"
    tables["link"][5]["link_id"] = ""
    with pytest.raises(DataRefused) as refused:
        read_network(write(tmp_path / "x", tables), LossReport())
    told_of = "; ".join(refused.value.problems)
    assert "node 1 has no place" in told_of
    assert "link W-1 needs node nowhere, not there" in told_of
    assert "link.csv, line 7: no link_id" in told_of
    assert refused.value.remedy


def test_the_first_of_two_rows_counts(read: Read) -> None:
    tables = network()
    tables["link"].append(tables["link"][1] | {"to_node_id": "2"})
    found, losses = read(tables)
    assert found.links["S1-1"].to_node == "1"
    assert "comes twice, with other data in line 16" in asked(losses, "link S1-1")


@pytest.mark.parametrize("name", ["node", "link"])
def test_folders_that_are_no_gmns(tmp_path: Path, name: str) -> None:
    folder = two_signals(tmp_path / "x")
    (folder / f"{name}.csv").unlink()
    with pytest.raises(DataRefused, match=f"there is no {name}.csv"):
        read_network(folder, LossReport())
    (folder / f"{name}.csv").write_text("something,else\n1,2\n")
    with pytest.raises(DataRefused, match="has no column"):
        read_network(folder, LossReport())


def test_the_city_folder_runs_in_sumo(tmp_path: Path) -> None:
    out = tmp_path / "city"
    out.mkdir()
    counts = import_network(write(tmp_path / "x", more()), out)
    assert counts["junctions"] == counts["retimable_junctions"] == 2
    files = ["-n", "sumo/net.xml.gz", "-a", "sumo/signals.add.xml", "-e", "10"]
    run_tool("sumo", [*files, "--no-step-log", "--no-warnings"], folder=out)


def test_nothing_is_left_of_a_refused_folder(tmp_path: Path) -> None:
    tables = network()
    for row in tables["node"]:
        row |= {"x_coord": "0", "y_coord": "0"}
    out = tmp_path / "city"
    out.mkdir()
    folder = two_signals(tmp_path / "x")
    (folder / "link.csv").write_text("link_id,from_node_id,to_node_id\n")
    with pytest.raises(DataRefused):
        import_network(folder, out)
    assert not list(out.iterdir())
