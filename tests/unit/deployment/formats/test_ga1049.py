"""GA/T 1049.2: what is written, the older layout, and files that must not be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.unit.deployment.formats.small_city import (
    ONE_PLAN,
    RETIMED,
    TWO_PLANS,
    context,
    edit,
    written,
)
from tests.unit.test_rules import PLAN
from traffic_brain.deployment.formats import ga1049
from traffic_brain.deployment.formats.importing import read_plans
from traffic_brain.deployment.formats.plan_set import PlanSet
from traffic_brain.deployment.formats.settings import Settings
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.signals import Interval, Stage

CROSS = "000000800001"
OLD = """<?xml version="1.0" encoding="UTF-8"?>
<Message><Version>1.0</Version><Body>
<Operation order="1" name="Get">
<StageParam><CrossID>J</CrossID><StageNo>1</StageNo><StageName>NS</StageName>
<Attribute>0</Attribute><Green>40</Green><RedYellow>0</RedYellow><Yellow>3</Yellow>
<AllRed>2</AllRed><PhaseNoList><PhaseNo>1</PhaseNo><PhaseNo>2</PhaseNo></PhaseNoList></StageParam>
<StageParam><CrossID>J</CrossID><StageNo>2</StageNo><StageName>EW</StageName>
<Attribute>0</Attribute><Green>35</Green><RedYellow>0</RedYellow><Yellow>3</Yellow>
<AllRed>2</AllRed><PhaseNoList><PhaseNo>3</PhaseNo><PhaseNo>4</PhaseNo></PhaseNoList></StageParam>
<PlanParam><CrossID>J</CrossID><PlanNo>7</PlanNo><CycleLen>85</CycleLen>
<CoordPhaseNo>3</CoordPhaseNo><OffSet>12</OffSet>
<StageNoList><StageNo>1</StageNo><StageNo>2</StageNo></StageNoList></PlanParam>
</Operation></Body></Message>
"""


def message(folder: Path) -> ET.Element:
    return ET.parse(folder / f"{CROSS}.xml").getroot()


def texts(element: ET.Element, *tags: str) -> list[str | None]:
    return [element.findtext(tag) for tag in tags]


def test_the_layout_of_2024(tmp_path: Path) -> None:
    root = message(written("ga1049", tmp_path, ONE_PLAN))
    assert texts(root, "Version", "Type", "Seq") == ["2.0", "REQUEST", "20000101000000000001"]
    (operation,) = root.findall("Body/Operation")
    assert operation.attrib == {"order": "1", "name": "Set"}
    (command,) = operation
    assert (command.tag, command.findtext("Oper")) == ("SetPlanParam", "1")
    plan = command.find("PlanParam")
    assert plan is not None
    told = texts(plan, "CrossID", "PlanNo", "PlanName", "CycleLen", "CoordStageNo", "Offset")
    assert told == [CROSS, "0", "retimed", "73", "1", "3"]
    timings = plan.findall("StageTimingList/StageTiming")
    told = texts(timings[0], "StageNo", "Green", "Yellow", "AllRed", "MaxGreen", "MinGreen")
    assert told == ["1", "36", "3", "2", "120", "5"]
    stages = command.findall("StageParamList/StageParam")
    lamps = [s.findtext("LampStatus") for s in stages[0].iter("SignalGroupStatus")]
    assert lamps == ["112", "112", "211", "211"]


def test_a_week_is_day_plans_and_schedules(tmp_path: Path) -> None:
    root = message(written("ga1049", tmp_path, TWO_PLANS))
    commands = [operation[0] for operation in root.findall("Body/Operation")]
    assert [c.tag for c in commands] == [
        *(["SetPlanParam"] * 2),
        *(["SetDayPlanParam"] * 2),
        *(["SetScheduleParam"] * 7),
    ]
    assert {c.findtext("Oper") for c in commands} == {"2"}
    periods = commands[2].findall("DayPlanParam/PeriodList/Period")
    assert [texts(p, "StartTime", "PlanNo", "CtrlMode") for p in periods] == [
        ["00:00", "1", "21"],
        ["16:00", "2", "21"],
        ["20:30", "1", "21"],
    ]
    schedules = [c[1] for c in commands[4:]]
    assert [texts(s, "Type", "WeekDay", "DayPlanNo") for s in schedules] == [
        *(["3", str(day), "1"] for day in range(1, 6)),
        *(["3", str(day), "2"] for day in (6, 7)),
    ]


def test_a_pilot_ends_by_itself(tmp_path: Path) -> None:
    out = written("ga1049", tmp_path, ONE_PLAN, Settings(pilot_min=90))
    (command,) = message(out).find("Body/Operation") or ()
    assert command.tag == "CenterPlan"
    assert texts(command, "ControlMode", "MaxRunTime") == ["21", "90"]
    reading = read_plans(out, context())
    assert reading.expires_min == {"J": 90}
    assert reading.plan_set == ONE_PLAN
    with pytest.raises(ConfigurationError, match="1 to 1440 minutes"):
        Settings(pilot_min=1441)


def test_ids_are_the_department_s_where_it_gives_them(tmp_path: Path) -> None:
    settings = Settings(names={"J": "340104801234"})
    out = written("ga1049", tmp_path, ONE_PLAN, settings)
    assert (out / "340104801234.xml").is_file()
    assert read_plans(out, context()).plan_set == ONE_PLAN
    with pytest.raises(ConfigurationError, match="six digits"):
        Settings(agency="34010")


def test_a_long_clearance_s_early_end_is_told(tmp_path: Path) -> None:
    """People on foot stop 6 s before the cars: the tables say so, without the mapping too."""
    early = (Interval(6, "rrGr"), *RETIMED.stages[1].clearance)
    stages = (RETIMED.stages[0], replace(RETIMED.stages[1], clearance=early))
    plans = PlanSet((replace(RETIMED, stages=stages),))
    out = written("ga1049", tmp_path, plans)
    (adjust,) = message(out).iter("Adjust")
    assert adjust.attrib == {"Oper": "2", "SignalGroupNo": "4", "Len": "6"}
    (alone,) = ga1049.read(out, context(), ids_only=True).plans
    assert alone == plans.plans[0]
    edit(out / f"{CROSS}.xml", 'Oper="2" SignalGroupNo="4"', 'Oper="1" SignalGroupNo="4"')
    with pytest.raises(DataRefused, match="is no early end of a group"):
        read_plans(out, context())


def test_the_layout_of_2013(tmp_path: Path) -> None:
    (tmp_path / "old.xml").write_text(OLD, "utf-8")
    reading = read_plans(tmp_path / "old.xml", context())
    (plan,) = reading.plans
    assert plan.plan_id == "plan 7"
    assert (plan.cycle_s, plan.offset_s, plan.coordinated_stage_idx) == (85, 12, 1)
    assert plan.greens_s == (40, 35)
    assert [s.clearance for s in plan.stages] == [s.clearance for s in PLAN.stages]
    assert "phases of the 2013 layout" in str(reading.losses.as_dict()["to_fix"])


def test_red_yellow_of_2013_belongs_to_the_change_before_it(tmp_path: Path) -> None:
    text = OLD.replace("<RedYellow>0</RedYellow>", "<RedYellow>1</RedYellow>")
    text = text.replace("<AllRed>2</AllRed>", "<AllRed>1</AllRed>")
    (tmp_path / "old.xml").write_text(text, "utf-8")
    (plan,) = ga1049.read(tmp_path / "old.xml", context()).plans
    assert [s.clearance_s for s in plan.stages] == [5, 5]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("<Green>36</Green>", "<Green>36.5</Green>", "Green '36.5' is no whole number"),
        ("<Yellow>3</Yellow>", "", "Yellow '' is no whole number"),
        (">112</LampStatus>", ">119</LampStatus>", "LampStatus '119' is not known"),
        ("<SignalGroupNo>4<", "<SignalGroupNo>3<", "signal group 3 comes twice"),
        ("<CoordStageNo>1<", "<CoordStageNo>9<", "coordinated 9 is no stage"),
        ("<StageNo>2</StageNo>", "<StageNo>1</StageNo>", "stage 1 is described twice"),
        ("<Offset>3</Offset>", "<Offset>99999999</Offset>", "Offset '99999999'"),
    ],
)
def test_what_is_wrong_in_a_message_is_told(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    out = written("ga1049", tmp_path, ONE_PLAN)
    edit(out / f"{CROSS}.xml", old, new)
    with pytest.raises(DataRefused) as refused:
        read_plans(out, context())
    assert any(problem in told for told in refused.value.problems), refused.value.problems


def test_a_stage_number_twice_in_a_plan_is_refused(tmp_path: Path) -> None:
    out = written("ga1049", tmp_path, ONE_PLAN)
    file = out / f"{CROSS}.xml"
    head, timings = file.read_text("utf-8").split("<StageTimingList>")
    file.write_text(head + "<StageTimingList>" + timings.replace("<StageNo>2<", "<StageNo>1<"))
    with pytest.raises(DataRefused, match="rule stage_unique"):
        read_plans(out, context())


def test_a_message_longer_than_the_standard_allows_is_split(tmp_path: Path) -> None:
    many = tuple(replace(RETIMED, plan_id=f"plan {i:02d}") for i in range(60))
    windows = tuple(
        replace(TWO_PLANS.windows[0], plan_id=p.plan_id, begin_s=i * 1200, end_s=(i + 1) * 1200)
        for i, p in enumerate(many)
    )
    out = tmp_path / "out"
    out.mkdir()
    plans = PlanSet(many, windows)
    ga1049.write(plans, out, context())
    files = sorted(out.glob("*.xml"))
    assert len(files) > 1
    assert all(len(file.read_text("utf-8")) <= ga1049.LONGEST_MESSAGE for file in files)
    assert len(ga1049.read(out, context()).plans) == 60


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "boom">]><Message>&b;</Message>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><Message/>',
        "<a>" * 60 + "</a>" * 60,
        "<Message>",
        "",
    ],
)
def test_xml_that_is_not_plain_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(DataRefused, match="no XML that is read here"):
        read_plans(tmp_path / "a.xml", context(), "ga1049")


def test_deleting_commands_are_left_out_and_told(tmp_path: Path) -> None:
    out = written("ga1049", tmp_path, ONE_PLAN)
    edit(out / f"{CROSS}.xml", "<Oper>1</Oper>", "<Oper>3</Oper>")
    reading = ga1049.read(out, context())
    assert reading.plans == []
    assert "no PlanParam" in str(reading.problems)
    assert "SetPlanParam that deletes" in str(reading.losses.as_dict())


def test_a_stage_that_no_message_describes_is_the_city_s(tmp_path: Path) -> None:
    out = written("ga1049", tmp_path, ONE_PLAN)
    file = out / f"{CROSS}.xml"
    head, rest = file.read_text("utf-8").split("<StageParamList>")
    file.write_text(head + rest.split("</StageParamList>")[1])
    (out / "mapping.json").unlink()
    edit(file, CROSS, "J", count=9)
    assert read_plans(out, context()).plans == [RETIMED]
    two = Stage("rrGG", 30, PLAN.stages[1].clearance)
    assert two == PLAN.stages[1]
