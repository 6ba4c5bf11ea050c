"""Exported SUMO files against SUMO itself: every lamp of every second is the plan's."""

from __future__ import annotations

from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

from network_data.importers.sumo.network import read_network
from network_data.loss_report import LossReport
from network_data.sumo_tools import run_tool
from tests.reference.format_cases import _rich
from tests.reference.valid_plans import valid_plan
from traffic_brain.deployment.formats import sumo
from traffic_brain.deployment.formats.plan_set import Context, PlanSet
from traffic_brain.model.rules import judge
from traffic_brain.model.signals import EVERY_DAY, PlanWindow, SignalPlan

BEGIN_S = 25_217
"""Neither zero nor a multiple of any cycle."""
SWITCH_S = 25_860
END_S = 26_700


def test_sumo_shows_the_plans_second_by_second(tmp_path: Path) -> None:
    """Two plans a junction, and a switch between them while the simulation runs."""
    net = tmp_path / "grid.net.xml"
    args = ("--grid", "--grid.number", "2", "--grid.length", "150", "--grid.attach-length", "100")
    run_tool("netgenerate", [*args, "-j", "traffic_light", "-o", net.name], folder=tmp_path)
    context = Context.of_network(read_network(net, (), LossReport()))
    plans, windows = [], []
    for number, (junction_id, site) in enumerate(sorted(context.sites.items())):
        random = Random(number)
        for plan_id in ("early", "late"):
            plan = None
            while plan is None:
                plan = valid_plan(site, random)
            plan = SignalPlan(junction_id, plan_id, *_parts(_rich(plan, site, random)))
            assert judge(plan, site) == []
            plans.append(plan)
        windows += [
            PlanWindow(junction_id, "early", 0, SWITCH_S, EVERY_DAY),
            PlanWindow(junction_id, "late", SWITCH_S, 86_400, EVERY_DAY),
        ]
    out = tmp_path / "out"
    out.mkdir()
    sumo.write(PlanSet(tuple(plans), tuple(windows)), out, context)
    states = _states(net, out / sumo.FILE, sorted(context.sites), tmp_path)
    assert len(states) == len(context.sites) * (END_S - BEGIN_S)
    by_id = {(plan.junction_id, plan.plan_id): plan for plan in plans}
    wrong = [
        (junction_id, time_s)
        for (junction_id, time_s), shown in states.items()
        if shown != _due(by_id, junction_id, time_s).picture_at(time_s)
    ]
    assert wrong == []


def _due(plans: dict[tuple[str, str], SignalPlan], junction_id: str, time_s: int) -> SignalPlan:
    return plans[junction_id, "early" if time_s < SWITCH_S else "late"]


def _parts(plan: SignalPlan) -> tuple[object, ...]:
    return plan.stages, plan.offset_s, plan.coordinated_stage_idx


def _states(
    net: Path, signals: Path, junction_ids: list[str], folder: Path
) -> dict[tuple[str, int], str]:
    """(junction, second) -> what SUMO's lamps show then."""
    root = ET.Element("additional")
    for junction_id in junction_ids:
        ET.SubElement(
            root, "timedEvent", type="SaveTLSStates", source=junction_id, dest=f"{junction_id}.xml"
        )
    ET.ElementTree(root).write(folder / "see.add.xml")
    run_tool(
        "sumo",
        [
            *("-n", net.name, "-a", f"{signals},{folder / 'see.add.xml'}"),
            *("--begin", str(BEGIN_S), "--end", str(END_S), "--no-step-log"),
        ],
        folder=folder,
    )
    return {
        (junction_id, int(float(state.attrib["time"]))): state.attrib["state"]
        for junction_id in junction_ids
        for state in ET.parse(folder / f"{junction_id}.xml").getroot().iter("tlsState")
    }
