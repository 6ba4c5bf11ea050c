"""A UTDF file of a small town: what every section becomes, and what is told of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from network_data.city import load_city
from network_data.importers.utdf import import_network, read_network
from network_data.loss_report import LossReport
from tests.unit.network_data.utdf_file import PHASES, TIMEPLANS, utdf_text
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import NO_SIGNAL, DetectorKind, RoadNetwork, Turn

_TURNS = [f"{side}B{turn}" for side in "NSEW" for turn in "LTR"]
G10 = {column: place for place, column in enumerate(_TURNS)}
"""The signal groups of junction 10."""


def read(folder: Path, text: str, losses: LossReport | None = None) -> RoadNetwork:
    path = folder / "town.csv"
    path.write_text(text, encoding="utf-8")
    return read_network(path, LossReport() if losses is None else losses)


def told(losses: LossReport) -> dict[str, list[str]]:
    return {row["what"]: row["places"] for row in losses.as_dict()["losses"]}


def to_fix(losses: LossReport) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in losses.as_dict()["to_fix"]:
        found.setdefault(row["place"], []).append(row["what"])
    return found


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> RoadNetwork:
    return read(tmp_path_factory.mktemp("town"), utdf_text())


# --- roads ------------------------------------------------------------------------------------


def test_links_are_named_by_their_nodes_in_metres_and_metres_per_second(town: RoadNetwork) -> None:
    link = town.links["1_10"]
    assert (link.from_node, link.to_node, link.junction_id) == ("1", "10", "10")
    assert link.length_m == pytest.approx(800 * 0.3048)
    assert link.free_flow_speed_mps == pytest.approx(40 * 0.44704)
    assert (link.lane_count, link.car_lanes, link.name) == (4, (0, 1, 2, 3), "Main")
    assert link.shape == ((0.0, 0.0), (243.84, 0.0))
    assert len(town.links) == 20


def test_metric_files_are_read_as_metres_and_kmh(tmp_path: Path) -> None:
    link = read(tmp_path, utdf_text(network="Metric,1\n")).links["1_10"]
    assert link.length_m == 800
    assert link.free_flow_speed_mps == pytest.approx(40 / 3.6)


def test_without_a_unit_feet_are_assumed_and_told(tmp_path: Path) -> None:
    losses = LossReport()
    link = read(tmp_path, utdf_text(network=""), losses).links["1_10"]
    assert link.length_m == pytest.approx(243.84)
    assert "[Network] Metric: feet and miles per hour assumed" in told(losses)


def test_a_bent_link_follows_its_two_curve_points(town: RoadNetwork) -> None:
    shape = town.links["16_17"].shape
    assert (shape[0], shape[-1]) == ((457.2, -121.92), (579.12, -182.88))
    # Bézier at one half: (P0 + 3 P1 + 3 P2 + P3) / 8, the points lying near 16 and near 17
    half = ((1500 + 3 * 1600 + 3 * 1800 + 1900) / 8, (-400 - 3 * 420 - 3 * 560 - 600) / 8)
    assert shape[4] == pytest.approx((half[0] * 0.3048, half[1] * 0.3048))
    assert town.links["17_16"].shape == shape[::-1]


def test_lanes_serve_what_shared_says(town: RoadNetwork) -> None:
    def ways(from_link: str) -> set[tuple[int, str, int]]:
        return {
            (c.from_lane_idx, c.to_link, c.to_lane_idx)
            for c in town.connections
            if c.from_link == from_link
        }

    # kerb to middle: right | through | through | left; the bays at 15_10 take no through traffic
    assert ways("1_10") == {(0, "10_12", 0), (1, "10_15", 0), (2, "10_15", 1), (3, "10_11", 0)}
    # through lane shared with the right turn, left-turn lane
    assert ways("12_10") == {(0, "10_11", 0), (0, "10_15", 0), (1, "10_1", 1)}
    # both lanes shared: right and through, through and left
    assert ways("15_20") == {(0, "20_22", 0), (0, "20_2", 0), (1, "20_2", 1), (1, "20_21", 0)}
    # through the bend, and no way back
    assert ways("17_16") == {(0, "16_15", 0)}


def test_turns_come_from_the_columns(town: RoadNetwork) -> None:
    turns = {m: town.movements[m].turn for m in ("1_10>10_11", "1_10>10_15", "1_10>10_12")}
    assert list(turns.values()) == [Turn.LEFT, Turn.THROUGH, Turn.RIGHT]


def test_saturation_flow_counts_the_lanes_a_movement_departs_from(town: RoadNetwork) -> None:
    flows = {m: town.movements[m] for m in ("1_10>10_15", "12_10>10_15", "15_10>10_11")}
    assert [m.saturation_flow_vph for m in flows.values()] == [3539, 1800, 1750]
    assert {m.saturation_flow_source for m in flows.values()} == {"UTDF SatFlow"}


def test_detectors_lie_on_each_lane_of_a_group(town: RoadNetwork) -> None:
    found = {d.detector_id: d for d in town.detectors if d.link_id == "1_10"}
    length_m = town.links["1_10"].length_m
    assert set(found) == {"1_10_0_1", "1_10_1_1", "1_10_2_1", "1_10_3_1", "1_10_1_2", "1_10_2_2"}
    assert found["1_10_1_1"].kind is DetectorKind.STOP_LINE
    assert found["1_10_2_2"].kind is DetectorKind.ADVANCE
    assert found["1_10_2_2"].position_m == pytest.approx(length_m - 180 * 0.3048)


def test_no_signal_stands_at_a_stop_sign_or_a_bend(town: RoadNetwork) -> None:
    at = {c.signal_group_idx for c in town.connections if c.from_link in ("16_15", "17_16")}
    assert at == {NO_SIGNAL}
    assert set(town.junctions) == {"10", "20"}


# --- signals ----------------------------------------------------------------------------------


def test_a_plan_shows_what_the_phases_say_at_their_start_times(town: RoadNetwork) -> None:
    plan = town.junctions["10"].plan_in_service
    assert plan is not None
    assert plan.cycle_s == 90
    # Start + MaxGreen of the file: 1 from 82 for 10 s, 2 from 6 for 31, 5 from 82 for 16,
    # 6 from 12 for 25, 4 and 8 from 43 for 33
    at = {t: plan.picture_at(t) for t in (82, 91, 3, 5, 6, 12, 36, 37, 41, 43, 75, 76)}
    assert at[82] == at[91] == "rrsrrsGrsGrs"
    assert at[3] == "rrsrrsyrsGrs"
    assert at[5] == "rrsrrsrrsGrs"
    assert at[6] == "rrsrrsrrsGGg"
    assert at[12] == at[36] == "rrsrrsgGggGg"
    assert at[37] == "rrsrrsyyyyyy"
    assert at[41] == "rrsrrsrrsrrs"
    assert at[43] == at[75] == "gGggGgrrsrrs"
    assert at[76] == "yyyyyyrrsrrs"


def test_the_offset_is_the_start_of_the_coordinated_green(town: RoadNetwork) -> None:
    first, second = (town.junctions[j].plan_in_service for j in ("10", "20"))
    assert first is not None
    assert second is not None
    # 10: the last of 2 and 6 turns green at 12;  20: phase 2 turns yellow at 5, 30 s after green
    assert (first.offset_s, first.stages[first.coordinated_stage_idx].green_s) == (12, 25)
    assert (second.offset_s, second.stages[second.coordinated_stage_idx].green_s) == (35, 30)


def test_protected_lefts_conflict_with_nobody_who_is_green(town: RoadNetwork) -> None:
    losses_free = town.junctions["10"].conflicts
    assert (G10["EBL"], G10["WBT"]) in losses_free
    assert (G10["EBL"], G10["WBT"]) in town.junctions["10"].yields
    assert (G10["NBT"], G10["SBT"]) not in losses_free


def test_names_and_control(town: RoadNetwork) -> None:
    found = {j.junction_id: (j.name, j.control) for j in town.junctions.values()}
    assert found == {"10": ("Main at First", "actuated"), "20": ("Second / Main", "fixed")}


def test_minimum_greens_hold_people_on_foot(town: RoadNetwork) -> None:
    plan = town.junctions["10"].plan_in_service
    assert plan is not None
    assert plan.stages[-1].min_green_s == 27  # walk 7 + don't walk 20 of phases 4 and 8


def test_a_second_pair_of_sections_is_a_second_plan(tmp_path: Path) -> None:
    evening = "Cycle Length,20,80\nReferenced To,20,3\nReference Phase,20,2\nOffset,20,17\n"
    times = "MaxGreen,20,,50,,20\n"
    town = read(tmp_path, utdf_text(plans=((TIMEPLANS, PHASES), (evening, times))))
    junction = town.junctions["20"]
    assert junction.plan_in_service is not None
    assert junction.plan_in_service.cycle_s == 60
    (other,) = junction.other_plans
    assert (other.plan_id, other.cycle_s, other.offset_s) == ("2", 80, 17)
    assert other.greens_s == (50, 20)  # yellow, all-red and places of the first plan
    assert town.junctions["10"].other_plans == ()


def test_a_second_timeplans_section_alone_overrides_the_offsets(tmp_path: Path) -> None:
    plans = ((TIMEPLANS, PHASES), ("Offset,20,17\n", ""))
    losses = LossReport()
    junction = read(tmp_path, utdf_text(plans=plans), losses).junctions["20"]
    assert junction.other_plans == ()
    assert junction.plan_in_service is not None
    assert junction.plan_in_service.offset_s == (17 - 30) % 60
    # the start times in the file still say the old offset: somebody must look
    assert to_fix(losses)["20"] == [
        "Start of phase 2 is 35 s, by offset and splits 47 s, which is taken"
    ]


@pytest.mark.parametrize(("reference", "moment_s"), [(0, 20), (1, 45), (2, 51), (3, 14), (4, 34)])
def test_the_offset_refers_to_what_the_file_says(
    tmp_path: Path, reference: int, moment_s: int
) -> None:
    """Offset 12 s, named after five moments of phases 2 and 6.

    In the rings 2 is green from 14 to 45 s, 6 from 20 to 45 s, both end at 51 s, and don't walk
    begins 11 s before yellow; {2, 6} is green from 20 s on.
    """
    timeplans = TIMEPLANS.replace("Referenced To,10,0", f"Referenced To,10,{reference}")
    plan = read(tmp_path, utdf_text(plans=((timeplans, PHASES),))).junctions["10"].plan_in_service
    assert plan is not None
    assert plan.offset_s == (12 - moment_s + 20) % 90


# --- the report -------------------------------------------------------------------------------


def test_every_record_is_used_or_named(tmp_path: Path) -> None:
    losses = LossReport()
    text = utdf_text().replace("DetectPos1,10,0", "Taper,10,25\nDetectPos1,10,0", 1)
    text = text.replace("Walk,10,", "PedCalls,10,,3\nActGreen,10,9.5\nWalk,10,", 1)
    read(tmp_path, text, losses)
    what = told(losses)
    assert what["[Lanes] Taper: no such attribute in the model"] == ["node 10 NBL"]
    assert what["[Phases] ActGreen: follows from other records"] == ["node 10 D1"]
    assert what["[Phases] PedCalls: of actuated control, which a fixed plan has not"] == [
        "node 10 D2"
    ]
    assert len(what["[Nodes] Z: no such attribute in the model"]) == 11
    bays = "[Lanes] Storage: the lane of a turn bay runs along the whole link"
    assert what[bays] == [f"node 10 {c}" for c in ("EBL", "EBR", "NBL", "SBL", "WBL")]
    assert to_fix(losses) == {}


@pytest.mark.parametrize(
    ("old", "new", "place", "asked"),
    [
        ("Cycle Length,20,60", "Cycle Length,20,75", "20", "do not sum to the stated cycle"),
        ("Cycle Length,20,60\n", "", "20", "no cycle length"),
        ("Offset,20,5\n", "", "20", "no offset"),
        ("Referenced To,20,1\n", "", "20", "no reference point"),
        ("Reference Phase,20,2", "Reference Phase,20,7", "20", "reference phases do not run"),
        ("BRP,20,,111,,112\n", "", "20", "has no place in the rings"),
        ("Yellow,20,,3.5,,3\n", "", "20", "has no Yellow"),
        ("MaxGreen,20,,30,,20", "MaxGreen,20,,30,,x", "20", "is no sensible number"),
        ("Phase1,20,,4,,,4,", "Phase1,20,,9,,,4,", "20", "name phase 9, which has no times"),
        ("Control Type,20,0", "Control Type,20,1", "20", "runs free"),
        ("Up ID,20,22,21,15,2", "Up ID,20,22,21,15,77", "20", "cannot be: it is left out"),
        ("Dest Node,20,15,", "Dest Node,20,17,", "20", "leads to node 17"),
        ("Node 1,20,0", "Node 1,20,10", "20", "node 10 is also run by another controller"),
        ("15,3,1500,0", "15,9,1500,0", "15", "type is unknown"),
        ("Lanes,10,1,1,0,1,1,0,1,2,1,", "Lanes,10,1,1,0,1,1,0,1,2,0,", "10", "but no lane"),
        ("Phase1,10,,8,,,4,,1,6,,5,2,", "Phase1,10,,8,,,4,,1,,,5,2,", "10", "but no phase"),
        ("Phase1,20,,4,,,4,,,2,,,2,\n", "Phase1,20,,2,,,4,,,2,,,2,\n", "20", "neither gives way"),
    ],
)
def test_what_is_missing_or_contradictory_is_asked_for(
    tmp_path: Path, old: str, new: str, place: str, asked: str
) -> None:
    text = utdf_text()
    assert old in text
    losses = LossReport()
    read(tmp_path, text.replace(old, new), losses)
    assert any(asked in what for what in to_fix(losses)[place]), to_fix(losses)


def test_a_signal_without_times_has_no_plan_and_is_asked_for(tmp_path: Path) -> None:
    losses = LossReport()
    rows = "".join(line + "\n" for line in PHASES.splitlines() if ",20," not in line)
    town = read(tmp_path, utdf_text(plans=((TIMEPLANS, rows),)), losses)
    assert town.junctions["20"].plan_in_service is None
    assert losses.as_dict()["to_fix"][0] == {
        "place": "20",
        "what": "no [Phases] of this signal: it has no plan",
        "confidence": 0.0,
        "remedy": "give the controller's time plan",
    }


def test_uncontrolled_movements_belong_to_no_group(tmp_path: Path) -> None:
    text = utdf_text().replace("PermPhase1,10,8,,,4,,,6,,6,", "PermPhase1,10,8,,,4,,,6,,-1,")
    town = read(tmp_path, text)
    (way,) = (c for c in town.connections if (c.from_link, c.to_link) == ("1_10", "10_12"))
    assert (way.junction_id, way.signal_group_idx) == (None, NO_SIGNAL)
    assert "1_10>10_12" not in town.movements
    assert town.junctions["10"].signal_group_count == 11


def test_two_nodes_of_one_controller_are_one_junction(tmp_path: Path) -> None:
    keep = "".join(line + "\n" for line in TIMEPLANS.splitlines() if ",20," not in line)
    times = "".join(line + "\n" for line in PHASES.splitlines() if ",20," not in line)
    keep = keep.replace("Node 1,10,0", "Node 1,10,20\nNode 2,10,0")
    town = read(tmp_path, utdf_text(plans=((keep, times),)))
    (junction,) = town.junctions.values()
    assert junction.node_ids == ("10", "20")
    assert junction.signal_group_count == 24
    assert town.links["15_20"].junction_id == "10"
    assert junction.plan_in_service is not None


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str) -> None:
    text = utdf_text().replace("Main at First", "中山路 First").replace("\n", "\r\n")
    path = tmp_path / "town.csv"
    path.write_bytes(text.encode(encoding))
    assert read_network(path, LossReport()).junctions["10"].name == "中山路 First"


def test_windows_text_is_read_and_told(tmp_path: Path) -> None:
    path = tmp_path / "town.csv"
    path.write_bytes(utdf_text().replace("Main at First", "Cañon").encode("cp1252"))
    losses = LossReport()
    assert read_network(path, losses).junctions["10"].name == "Cañon"
    assert "file is not UTF-8: read as Windows-1252" in told(losses)


def test_semicolons_and_other_capitals(tmp_path: Path) -> None:
    text = utdf_text().replace(",", ";").replace("RECORDNAME", "RecordName")
    assert len(read(tmp_path, text).links) == 20


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no section like [Nodes]"),
        ("a,b\n1,2\n", "no section like [Nodes]"),
        ("[Nodes]\nNode Data\nINTID,TYPE,X,Y\n1,1,0,0\n", "no section [Links], [Lanes]"),
        (utdf_text().replace("INTID,TYPE,X,Y", "INTID,TYPE,X"), "[Nodes] has no column Y"),
        (utdf_text().replace("10,0,800,0,0", "10,0,,0,0"), "node 10 has no position"),
        (utdf_text().replace("11,1,800", "10,1,800"), "node 10 is there twice"),
        (utdf_text().replace("Up ID,", "Up,"), "no link between two of its nodes"),
        (utdf_text().replace("[Lanes]", "[Lanes]\0"), "is no text file"),
        (utdf_text() + '"' + "x" * 200_000, "not readable as csv"),
    ],
)
def test_what_makes_no_network_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataRefused) as refusal:
        read(tmp_path, text)
    assert problem in str(refusal.value)
    assert refusal.value.remedy


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    text = utdf_text().replace("11,1,800,700", "11,1,,700").replace("21,1,2300", "21,1,far")
    with pytest.raises(DataRefused) as refusal:
        read(tmp_path, text)
    assert refusal.value.problems == ("node 11 has no position", "node 21 has no position")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused):
        read_network(tmp_path / "nothing.csv", LossReport())


def test_the_older_set_of_files(tmp_path: Path, town: RoadNetwork) -> None:
    """UTDF 2003: one file per section, neighbours in the layout, splits in the timing."""
    layout = ["Layout Data", "INTID,INTNAME,TYPE,X,Y,NID,SID,EID,WID,NNAME,SNAME,ENAME,WNAME"]
    legs = {"N": (0, 1), "S": (0, -1), "E": (1, 0), "W": (-1, 0)}
    ends = {"N": (201, 0, 500), "S": (202, 0, -500), "E": (203, 500, 0), "W": (204, -500, 0)}
    layout.append("1,Mitte,0,0,0,201,202,203,204,A,A,B,B")
    for side, (node, x, y) in ends.items():
        back = {"N": "S", "S": "N", "E": "W", "W": "E"}[side]
        row = ["1" if other == back else "" for other in legs]
        layout.append(f"{node},,1,{x},{y},{','.join(row)},,,,")
    lanes = ["Lane Group Data", "RECORDNAME,INTID,NBL,NBT,NBR,SBL,SBT,SBR,EBL,EBT,EBR,WBL,WBT,WBR"]
    ups = "202,202,202,201,201,201,204,204,204,203,203,203"
    lanes += [f"Up Node,1,{ups}", "Dest Node,1,204,201,203,203,202,204,201,203,202,202,204,201"]
    lanes += ["Lanes,1,1,1,0,1,1,0,1,2,0,1,2,0", "Shared,1,0,2,,0,2,,0,2,,0,2,"]
    lanes += ["Phase1,1,,4,,,4,,,2,,,2,", "PermPhase1,1,4,,,4,,,2,,,2,,"]
    lanes += ["Distance,1,,500,,,500,,,500,,,500,", "Speed,1,,30,,,30,,,40,,,40,"]
    phasing = ["Phasing Data", "RECORDNAME,INTID,D1,D2,D3,D4", "BRP,1,,111,,112"]
    phasing += ["MinGreen,1,,5,,5", "MaxGreen,1,,20,,20", "Yellow,1,,4,,4", "AllRed,1,,1,,1"]
    timing = ["Timing Plans", "PLANID,INTID,S1,S2,S3,S4,S5,S6,S7,S8,CL,OFF,LD,REF,CLR"]
    timing += ["AM,1,,50,,40,,,,,90,10,,2,", "PM,1,,60,,40,,,,,100,15,,2,"]
    files = {"Layout": layout, "LANES": lanes, "Phasing": phasing, "Timing": timing}
    for name, rows in files.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    losses = LossReport()
    network = read_network(tmp_path / "Layout.csv", losses)
    assert read_network(tmp_path, LossReport()).links == network.links
    junction = network.junctions["1"]
    assert junction.name == "Mitte"
    plan, (other,) = junction.plan_in_service, junction.other_plans
    assert plan is not None
    assert (plan.plan_id, plan.cycle_s, plan.offset_s, plan.greens_s) == ("AM", 90, 10, (45, 35))
    assert (other.plan_id, other.cycle_s, other.offset_s) == ("PM", 100, 15)
    assert network.links["203_1"].length_m == pytest.approx(152.4)
    assert network.links["1_203"].lane_count == 2
    assert any("no reference point" in what for what in to_fix(losses)["1"])


def test_an_import_fills_a_folder_with_the_city_and_its_volumes(tmp_path: Path) -> None:
    source, out = tmp_path / "town.csv", tmp_path / "city"
    source.write_text(utdf_text(), encoding="utf-8")
    out.mkdir()
    counts = import_network(source, out)
    assert counts["junctions"] == counts["retimable_junctions"] == 2
    city = load_city(out)
    expected = read_network(source, LossReport())
    assert replace(city, sources={}) == replace(expected, sources={})
    assert (out / "sumo/net.xml.gz").is_file()
    assert json.loads((out / "loss_report.json").read_text(encoding="utf-8"))["to_fix"] == []
    rows = pq.read_table(out / "volumes.parquet").to_pylist()
    (left,) = (r for r in rows if (r["node_id"], r["column"]) == ("10", "EBL"))
    assert left == {
        "node_id": "10",
        "column": "EBL",
        "from_link": "1_10",
        "to_link": "10_11",
        "movement_id": "1_10>10_11",
        "volume_vph": 150.0,
        "peak_hour_factor": 0.92,
        "growth_ratio": 1.0,
        "heavy_vehicle_ratio": 0.0,
        "source": "UTDF Volume",
    }
    assert sum(r["movement_id"] is None for r in rows) == 6  # at the stop sign


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "town.csv"
    source.write_text(utdf_text(), encoding="utf-8")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        import_network(source, folder)
    first, second = ({p.name: p.read_bytes() for p in f.rglob("*.*")} for f in folders)
    assert first == second
    assert "net.xml.gz" in first
