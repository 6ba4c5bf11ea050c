"""Our offset against SUMO itself: a platoon released at A must meet green at B.

Two signals stand 15 s of driving apart on one road; the cycle is 60 s. With B's offset 15 s
after A's the platoon drives through; half a cycle later or earlier it meets red. 15 s is a
quarter of the cycle, so that an offset with the wrong sign is wrong by just that half cycle.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from network_data.importers.sumo.programs import elements
from network_data.sumo_tools import run_tool
from sim_scenarios.outputs import read_link_bins, read_signal_states, summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import assemble
from traffic_brain.model.signals import Interval, SignalPlan, Stage

CYCLE_S = 60
SPEED_MPS = 13.89
TRAVEL_S = 15
BEGIN_S = 25217
"""Neither zero nor a multiple of the cycle: offsets count from the start of the service day."""
LENGTH_S = 1800
MAIN = {"A": "WA", "B": "AB"}


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The network: W → A → B → E, and a side street through each of A and B."""
    folder = tmp_path_factory.mktemp("street")
    gap_m = TRAVEL_S * SPEED_MPS
    road = {"W": (-400, 0), "A": (0, 0), "B": (gap_m, 0), "E": (gap_m + 300, 0)}
    sides = {"SA": (0, -200), "NA": (0, 200), "SB": (gap_m, -200), "NB": (gap_m, 200)}
    edges = ["W A", "A B", "B E", "SA A", "A NA", "SB B", "B NB"]
    straight = ["WA AB", "AB BE", "SAA ANA", "SBB BNB"]
    root = ET.Element("nodes")
    for name, (x, y) in (road | sides).items():
        kind = "traffic_light" if name in MAIN else "priority"
        ET.SubElement(root, "node", id=name, x=f"{x:.2f}", y=f"{y:.2f}", type=kind)
    ET.ElementTree(root).write(folder / "plain.nod.xml")
    root = ET.Element("edges")
    for ends in edges:
        start, end = ends.split()
        ET.SubElement(
            root,
            "edge",
            {"id": start + end, "from": start, "to": end, "speed": str(SPEED_MPS)},
        )
    ET.ElementTree(root).write(folder / "plain.edg.xml")
    root = ET.Element("connections")
    for ends in straight:
        start, end = ends.split()
        ET.SubElement(root, "connection", {"from": start, "to": end})
    ET.ElementTree(root).write(folder / "plain.con.xml")
    run_tool(
        "netconvert",
        [
            *("--node-files", "plain.nod.xml", "--edge-files", "plain.edg.xml"),
            *("--connection-files", "plain.con.xml", "--output-file", "street.net.xml"),
            "--no-turnarounds",
        ],
        folder=folder,
    )
    # 15 vehicles queue up in every cycle: a platoon that B must let pass as a whole.
    root = ET.Element("routes")
    ET.SubElement(root, "route", id="main", edges="WA AB BE")
    flow = {"id": "f", "route": "main", "departSpeed": "max", "vehsPerHour": "720"}
    ET.SubElement(root, "flow", flow, begin=str(BEGIN_S), end=str(BEGIN_S + LENGTH_S))
    ET.ElementTree(root).write(folder / "street.rou.xml")
    return folder


def plan(net: Path, junction: str, offset_s: int, coordinated_idx: int) -> SignalPlan:
    """Main road 30 s, side street 20 s; the main road's stage is the coordinated one."""
    group_of = {
        c.attrib["from"]: int(c.attrib["linkIndex"])
        for c in elements(net, ends_of=frozenset({"connection"}))
        if c.get("tl") == junction
    }
    main_idx = group_of[MAIN[junction]]

    def picture(on_main: str, beside: str) -> str:
        return on_main + beside if main_idx == 0 else beside + on_main

    all_red = Interval(2, picture("r", "r"))
    main = Stage(picture("G", "r"), 30, (Interval(3, picture("y", "r")), all_red))
    side = Stage(picture("r", "G"), 20, (Interval(3, picture("r", "y")), all_red))
    stages = (main, side) if coordinated_idx == 0 else (side, main)
    made = SignalPlan(junction, "test", stages, offset_s % CYCLE_S, coordinated_idx)
    assert made.cycle_s == CYCLE_S
    return made


def drive(folder: Path, out: Path, plans: list[SignalPlan]) -> tuple[float, float]:
    """Seconds lost per vehicle between A and B, and stops per vehicle on the whole way."""
    scenario = assemble(
        "street",
        out,
        net=folder / "street.net.xml",
        routes=[folder / "street.rou.xml"],
        begin_s=BEGIN_S,
        end_s=BEGIN_S + LENGTH_S,
    )
    (out / "see.add.xml").write_text(
        f'<additional><edgeData id="all" file="{out}/links.xml"/>'
        f'<timedEvent type="SaveTLSSwitchStates" dest="{out}/signals.xml"/></additional>'
    )
    programs = write_programs(plans, out / "programs.add.xml")
    result = run(RunRequest(scenario, 1, out / "run", additional=(programs, out / "see.add.xml")))
    between = next(b for b in read_link_bins(out / "links.xml") if b.link_id == "AB")
    return between.time_loss_veh_s / between.left_veh, summarise(result).stops_per_veh


@pytest.mark.parametrize("offset_a_s", [0, 41])
@pytest.mark.parametrize("coordinated_idx", [0, 1])
def test_a_platoon_released_at_a_meets_green_at_b(
    street: Path, tmp_path: Path, offset_a_s: int, coordinated_idx: int
) -> None:
    net = street / "street.net.xml"
    a = plan(net, "A", offset_a_s, 0)
    b = plan(net, "B", offset_a_s + TRAVEL_S, coordinated_idx)
    shifted = b.with_offset(b.offset_s + CYCLE_S // 2)
    with_wave = drive(street, tmp_path / "wave", [a, b])
    against = drive(street, tmp_path / "against", [a, shifted])
    # 5 s: starting from standstill at A already costs about that on the link behind A.
    assert with_wave[0] < 7
    assert against[0] > with_wave[0] + 15
    assert against[1] > with_wave[1] + 0.6
    wrong_sign = replace(b, offset_s=(offset_a_s - TRAVEL_S) % CYCLE_S)
    assert wrong_sign == shifted


@pytest.mark.parametrize("coordinated_idx", [0, 1])
def test_the_coordinated_stage_turns_green_at_the_offset(
    street: Path, tmp_path: Path, coordinated_idx: int
) -> None:
    net = street / "street.net.xml"
    plans = [plan(net, "A", 0, 0), plan(net, "B", 23, coordinated_idx)]
    drive(street, tmp_path, plans)
    main = plans[1].stages[coordinated_idx].picture
    changes = [s for s in read_signal_states(tmp_path / "signals.xml") if s.junction_id == "B"]
    starts = [s.time_s for s in changes[1:] if s.picture == main]
    assert len(starts) > 20
    assert {t % CYCLE_S for t in starts} == {23}
    assert all(plans[1].picture_at(int(s.time_s)) == s.picture for s in changes)
