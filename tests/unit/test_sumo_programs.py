"""SUMO's signal elements as they are read: schedules, repeats, includes, times, limits."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from network_data.importers.sumo.programs import (
    SumoPhase,
    SumoProgram,
    SumoSchedule,
    elements,
    included,
    plan_of,
    read_signals,
    sumo_time_s,
    windows_of,
)
from traffic_brain.errors import DataRefused

LOGIC = (
    '<tlLogic id="J" type="static" programID="{0}" offset="{1}">'
    '<phase duration="30" state="G"/><phase duration="3" state="y"/></tlLogic>'
)


def write(path: Path, *parts: str) -> Path:
    path.write_text("<additional>" + "".join(parts) + "</additional>")
    return path


# --- schedules -------------------------------------------------------------------------------


def spans(schedule: SumoSchedule, *plans: str) -> tuple[list[tuple[str, int, int]], set[str]]:
    windows, remarks = windows_of(schedule, "J", plans)
    return [(w.plan_id, w.begin_s, w.end_s) for w in windows], set(remarks)


def test_a_day_in_windows() -> None:
    schedule = SumoSchedule("w", "night", ((21600, "day"), (28800, "day"), (79200, "night")))
    assert spans(schedule, "day", "night") == (
        [("night", 0, 21600), ("day", 21600, 79200), ("night", 79200, 86400)],
        set(),
    )
    assert [schedule.program_at(t) for t in (0, 21599, 21600, 90000)] == [
        *("night", "night", "day", "night")
    ]


def test_a_schedule_that_repeats_begins_with_what_ran_at_midnight() -> None:
    schedule = SumoSchedule("w", "first", ((21600, "day"), (79200, "night")), period_s=86400)
    found, remarks = spans(schedule, "first", "day", "night")
    assert found == [("night", 0, 21600), ("day", 21600, 79200), ("night", 79200, 86400)]
    assert remarks == {"a schedule that repeats itself"}


def test_switches_before_midnight_and_after_the_day() -> None:
    schedule = SumoSchedule("w", "a", ((-5, "b"), (100, "c"), (86400, "d")))
    found, remarks = spans(schedule, "a", "b", "c", "d")
    assert found == [("b", 0, 100), ("c", 100, 86400)]
    assert remarks == {"switches that are not within the first day"}


def test_times_without_a_plan_are_gaps() -> None:
    schedule = SumoSchedule("w", "off", ((100, "a"), (200, "off")))
    found, remarks = spans(schedule, "a")
    assert found == [("a", 100, 200)]
    assert remarks == {"times with a program that is no plan"}


# --- programs --------------------------------------------------------------------------------


def test_a_program_that_comes_twice_is_the_last_one(tmp_path: Path) -> None:
    net = write(tmp_path / "net.xml", LOGIC.format("0", 0), LOGIC.format("1", 0))
    again = write(tmp_path / "again.xml", LOGIC.format("0", 9))
    signals = read_signals(net, [again])
    assert signals.repeated == [("J", "0")]
    assert [(p.program_id, p.offset) for p in signals.by_junction()["J"]] == [
        ("1", "0"),
        ("0", "9"),
    ]
    assert signals.in_net == {("J", "0"), ("J", "1")}


def test_all_malformed_elements_of_a_file_are_told(tmp_path: Path) -> None:
    wrong = write(
        tmp_path / "wrong.xml",
        '<tlLogic id="A"><phase duration="nan" state="G"/></tlLogic>',
        '<tlLogic id=""/>',
        '<WAUT id="w"/>',
        '<wautJunction wautID="w" junctionID=""/>',
    )
    with pytest.raises(DataRefused) as refusal:
        read_signals(wrong)
    assert len(refusal.value.problems) == 4
    assert "no 'startProg'" in str(refusal.value)


@pytest.mark.parametrize("text", ["nan", "inf", "1e300", "1:2", "1:2:3:4:5", "", "a"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        sumo_time_s(text)


@pytest.mark.parametrize(
    ("phases", "said"),
    [
        ((SumoPhase(86000, "G"), SumoPhase(500, "y")), "longer than a day"),
        ((SumoPhase(30, ""), SumoPhase(3, "")), "empty"),
        ((SumoPhase(30, "G" * 10_001),), "more than 10000 lamps"),
    ],
)
def test_what_no_street_has_is_no_plan(phases: tuple[SumoPhase, ...], said: str) -> None:
    made = plan_of(SumoProgram("J", "0", "static", "0", phases))
    assert made.plan is None
    assert said in "; ".join(made.problems)


def test_a_greatest_green_is_a_day_at_most() -> None:
    phases = (SumoPhase(30, "G", 5, 2147483647), SumoPhase(3, "y"))
    made = plan_of(SumoProgram("J", "0", "static", "0", phases)).plan
    assert made is not None
    assert made.stages[0].max_green_s == 86400


# --- files -----------------------------------------------------------------------------------


def test_children_of_the_root_and_of_included_files(tmp_path: Path) -> None:
    write(tmp_path / "inner.xml", '<busStop id="b"/>')
    outer = write(tmp_path / "outer.xml", '<poly id="p"><param key="k"/></poly>')
    outer.write_text(outer.read_text().replace("<poly", '<include href="inner.xml"/><poly'))
    assert [e.tag for e in included(outer)] == ["busStop", "poly"]
    assert [len(e) for e in elements(outer)] == [0, 1]


def test_files_that_include_without_end_are_refused(tmp_path: Path) -> None:
    circle = write(tmp_path / "circle.xml", '<include href="circle.xml"/>')
    with pytest.raises(DataRefused, match="includes itself"):
        read_signals(circle)
    for depth in range(12):
        write(tmp_path / f"{depth}.xml", f'<include href="{depth + 1}.xml"/>' * 4)
    write(tmp_path / "12.xml")
    with pytest.raises(DataRefused, match="too many files"):
        read_signals(tmp_path / "0.xml")
    nowhere = write(tmp_path / "nowhere.xml", "<include/>")
    with pytest.raises(DataRefused, match="names no file"):
        read_signals(nowhere)


def test_files_that_are_made_to_choke_on_are_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange.xml"
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    for content, said in [
        (f'<!DOCTYPE a [<!ENTITY e0 "lol">{bomb}]><a x="&e11;"/>'.encode(), "not complete XML"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "/etc/hosts">]><a x="&e;"/>', "not complete XML"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "cannot be read"),
        (b'<?xml version="1.0" encoding="klingon"?><a/>', "not complete XML|cannot be read"),
        (b"<a>" * 1000 + b"</a>" * 1000, "too deep"),
    ]:
        strange.write_bytes(content)
        with pytest.raises(DataRefused, match=said) as refusal:
            read_signals(strange)
        assert "\n" not in str(refusal.value)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(DataRefused, match="not a file"):
        read_signals(tmp_path / "pipe.xml")
