"""Every format at one junction: the identity, and the plans that must be refused on import."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.deployment.formats.small_city import (
    ALL_DAYS,
    ONE_PLAN,
    RETIMED,
    TWO_PLANS,
    context,
    edit,
    written,
)
from tests.unit.test_rules import PLAN
from traffic_brain.deployment.formats.exporting import export_plans
from traffic_brain.deployment.formats.importing import import_plans, read_plans
from traffic_brain.deployment.formats.plan_set import Context, PlanSet, differences, normal
from traffic_brain.deployment.formats.registry import FORMATS, format_of
from traffic_brain.deployment.formats.settings import DEFAULT_SETTINGS
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.rules import JunctionRulesInput
from traffic_brain.model.signals import EVERY_DAY, Interval, PlanWindow, SignalPlan

WEEKLY = sorted(FORMATS.keys() - {"utdf", "sumo"})


@pytest.mark.parametrize("name", FORMATS)
def test_one_plan_comes_back(tmp_path: Path, name: str) -> None:
    counts = export_plans(ONE_PLAN, [name], tmp_path, context())
    assert counts["plans"] == 1
    out = tmp_path / name
    assert format_of(out).name == name
    reading = read_plans(out, context())
    assert reading.plan_set == ONE_PLAN
    told = json.loads((out / "read_back.json").read_text("utf-8"))
    assert told["with_mapping"] == []
    assert (out / "loss_report.json").is_file()


@pytest.mark.parametrize("name", FORMATS)
def test_the_city_s_own_stages_do_without_the_mapping(tmp_path: Path, name: str) -> None:
    """A retimed plan of known stages: only names that the format lacks are lost."""
    out = written(name, tmp_path, ONE_PLAN)
    mapping = out / "mapping.json"
    if name == "ga1049":
        edit(next(out.glob("*.xml")), "000000800001", "J", count=9)
    if mapping.is_file():
        mapping.unlink()
    found = read_plans(out, context(), name).plans
    known_as = {"ntcip1202": "pattern 1", "utdf": "1"}.get(name, RETIMED.plan_id)
    assert found == [replace(RETIMED, plan_id=known_as)]


@pytest.mark.parametrize("name", WEEKLY)
def test_several_plans_a_day_come_back_with_their_windows(tmp_path: Path, name: str) -> None:
    export_plans(TWO_PLANS, [name], tmp_path, context())
    reading = read_plans(tmp_path / name, context())
    assert list(differences(TWO_PLANS, reading.plan_set)) == []
    assert set(normal(reading.windows)) == set(normal(TWO_PLANS.windows))


def test_sumo_keeps_windows_that_are_the_same_every_day(tmp_path: Path) -> None:
    export_plans(ALL_DAYS, ["sumo"], tmp_path, context())
    reading = read_plans(tmp_path / "sumo", context())
    assert list(differences(ALL_DAYS, reading.plan_set)) == []


def test_sumo_says_which_windows_it_loses(tmp_path: Path) -> None:
    export_plans(TWO_PLANS, ["sumo"], tmp_path, context())
    report = json.loads((tmp_path / "sumo/loss_report.json").read_text("utf-8"))
    lost = {row["what"] for row in report["losses"]}
    assert "PlanWindow: SUMO has no week" in lost


def test_utdf_has_one_plan_a_junction(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="2 plans, and UTDF has one"):
        export_plans(TWO_PLANS, ["utdf"], tmp_path, context())


def test_gaps_between_windows_run_the_first_plan(tmp_path: Path) -> None:
    morning = PlanWindow("J", "evening", 7 * 3600, 9 * 3600, EVERY_DAY)
    export_plans(replace(TWO_PLANS, windows=(morning,)), ["ga1049"], tmp_path, context())
    reading = read_plans(tmp_path / "ga1049", context())
    assert [(w.plan_id, w.begin_s, w.end_s) for w in reading.windows] == [
        ("retimed", 0, 7 * 3600),
        ("evening", 7 * 3600, 9 * 3600),
        ("retimed", 9 * 3600, 86_400),
    ]
    report = (tmp_path / "ga1049/loss_report.json").read_text("utf-8")
    assert "the first plan runs in gaps" in report


def test_the_same_plans_give_the_same_bytes(tmp_path: Path) -> None:
    for attempt in ("a", "b"):
        (tmp_path / attempt).mkdir()
        export_plans(ONE_PLAN, list(FORMATS), tmp_path / attempt, context())
    files = [p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file()]
    assert len(files) > 40
    assert [
        f for f in files if (tmp_path / "a" / f).read_bytes() != (tmp_path / "b" / f).read_bytes()
    ] == []


def test_what_is_wrong_in_every_format_is_told_at_once(tmp_path: Path) -> None:
    slow = PlanSet((RETIMED.with_greens((150, 160), "slow"),))
    seconds = replace(TWO_PLANS, windows=(PlanWindow("J", "evening", 61, 86_400, EVERY_DAY),))
    with pytest.raises(DataRefused) as refused:
        export_plans(slow, ["ntcip1202", "json"], tmp_path, context())
    assert any("a cycle of 320 s" in problem for problem in refused.value.problems)
    (tmp_path / "again").mkdir()
    with pytest.raises(DataRefused) as refused:
        export_plans(seconds, ["ga1049", "gbt20999", "ntcip1202"], tmp_path / "again", context())
    told = " ".join(refused.value.problems)
    assert told.count("window of junction J begins at 00:01:01: not on a whole minute") == 3


def test_roads_are_needed_where_the_format_is_one_of_roads(tmp_path: Path) -> None:
    bare = Context(context().sites)
    with pytest.raises(DataRefused, match="give --city"):
        export_plans(ONE_PLAN, ["gmns", "utdf"], tmp_path, bare)


# --- the plans that must be refused ---------------------------------------------------------

A, B = RETIMED.stages


def with_stages(*stages: object) -> SignalPlan:
    return replace(RETIMED, stages=stages)


def at(**changes: object) -> Context:
    city = context()
    site = replace(city.sites["J"], **changes)
    return replace(city, sites={"J": site})


def flipped() -> Context:
    site = context().sites["J"]
    junction = replace(site.junction, conflicts=site.junction.conflicts ^ {(2, 3)})
    return at(junction=junction)


def unserved() -> SignalPlan:
    """The left turn never gets green."""
    dark = tuple(Interval(i.duration_s, i.picture[0] + "r" + i.picture[2:]) for i in A.clearance)
    return with_stages(replace(A, picture="Grrr", clearance=dark), B)


REFUSED: dict[str, tuple[SignalPlan, Context]] = {
    "conflicting_greens": (RETIMED, flipped()),
    "yellow": (
        with_stages(replace(A, clearance=(Interval(2, "yyrr"), Interval(3, "rrrr"))), B),
        context(),
    ),
    "pedestrian_green": (with_stages(A, replace(B, green_s=10)), context()),
    "offset_range": (replace(RETIMED, offset_s=RETIMED.cycle_s), context()),
    "stage_unique": (with_stages(A, B, A), context()),
    "movements_served": (unserved(), context()),
    "intergreen": (
        with_stages(replace(A, clearance=(Interval(3, "yyrr"), Interval(1, "rrrr"))), B),
        at(intergreen_s={(0, 2): 5}),
    ),
}


@pytest.mark.parametrize("rule", REFUSED)
@pytest.mark.parametrize("name", FORMATS)
def test_a_plan_that_must_be_refused_is_refused_and_the_rule_named(
    tmp_path: Path, name: str, rule: str
) -> None:
    plan, city = REFUSED[rule]
    if name == "sumo" and rule == "offset_range":
        out = written(name, tmp_path, ONE_PLAN)
        edit(out / "signals.add.xml", 'offset="3"', f'offset="{RETIMED.cycle_s}"')
    else:
        out = _written_although(name, tmp_path, plan, city)
    if out is None:
        return  # the writer itself refused it, and named why
    with pytest.raises(DataRefused) as refused:
        read_plans(out, city, name)
    named = [p for p in refused.value.problems if rule in p]
    assert named, refused.value.problems


def _written_although(name: str, folder: Path, plan: SignalPlan, city: Context) -> Path | None:
    """What the writer makes of a plan that must not go out; None where it refuses."""
    out = folder / name
    out.mkdir()
    try:
        FORMATS[name].write(PlanSet((plan,)), out, city, DEFAULT_SETTINGS)
    except DataRefused:
        return None
    return out


A_SECOND_OFF = {
    "ga1049": ("000000800001.xml", "<CycleLen>73</CycleLen>", "<CycleLen>74</CycleLen>"),
    "gbt20999": ("plan.csv", "retimed,73,", "retimed,74,"),
    "ntcip1202": ("pattern.csv", "J,1,73,", "J,1,74,"),
    "utdf": ("network.csv", "Cycle Length,2,73", "Cycle Length,2,74"),
    "gmns": ("signal_timing_plan.csv", ",73,", ",74,"),
    "sumo": ("signals.add.xml", 'duration="36"', 'duration="37"'),
    "json": ("plans.json", '"cycle_s": 73', '"cycle_s": 74'),
}


@pytest.mark.parametrize("name", A_SECOND_OFF)
def test_splits_that_sum_to_a_second_off_are_refused(tmp_path: Path, name: str) -> None:
    assert RETIMED.cycle_s == 73
    out = written(name, tmp_path, ONE_PLAN)
    file, old, new = A_SECOND_OFF[name]
    edit(out / file, old, new)
    with pytest.raises(DataRefused, match="cycle_sum"):
        read_plans(out, context())


def test_a_sheet_whose_splits_sum_to_a_second_off_is_refused(tmp_path: Path) -> None:
    from openpyxl import load_workbook

    path = written("xlsx", tmp_path, ONE_PLAN) / "timing_sheets.xlsx"
    book = load_workbook(path)
    for row in book.worksheets[1].iter_rows():
        if row[0].value == "周期 Cycle (s)":
            row[1].value = 74
    book.save(path)
    with pytest.raises(DataRefused, match="cycle_sum"):
        read_plans(path, context())


# --- reading ------------------------------------------------------------------------------


def test_an_import_writes_plans_and_a_sheet_to_sign(tmp_path: Path) -> None:
    from network_data.city import save_city
    from tests.unit.deployment.formats.small_city import small_city

    city, out = tmp_path / "city", tmp_path / "out"
    city.mkdir()
    out.mkdir()
    save_city(small_city(), city)
    source = written("ga1049", tmp_path, TWO_PLANS)
    counts = import_plans(source, city, out)
    assert counts["plans"] == 2
    again = read_plans(out / "plans.json", Context.of_network(small_city()))
    assert list(differences(TWO_PLANS, again.plan_set)) == []
    page = (out / "understood.html").read_text("utf-8")
    assert page.index("读入方案确认单") < page.index("What I understood")
    assert all(word in page for word in ("retimed", "evening", "签字", "W-J 直", "16:00", "人行 4"))
    document = json.loads((out / "understood.json").read_text("utf-8"))
    first = document["plans"][0]
    assert first["cycle_s"] == 73
    assert {"what": "相位差 offset (s)", "in_service": 7, "read": 3} in first["changes"]


def test_everything_wrong_with_a_file_is_told_at_once(tmp_path: Path) -> None:
    out = written("gbt20999", tmp_path, ONE_PLAN)
    edit(out / "stage_timing.csv", "J,1,1,1,36,3,2", "J,1,1,1,36,2,3")
    edit(out / "plan.csv", "retimed,73,3,", "retimed,74,73,")
    with pytest.raises(DataRefused) as refused:
        read_plans(out, context())
    told = " ".join(refused.value.problems)
    assert all(rule in told for rule in ("cycle_sum", "yellow", "offset_range"))


def test_a_junction_that_is_not_there_is_told(tmp_path: Path) -> None:
    other = Context({"K": _of_k()})
    for name in ("ga1049", "gbt20999", "ntcip1202", "sumo", "xlsx", "json", "gmns"):
        out = written(name, tmp_path, ONE_PLAN)
        with pytest.raises(DataRefused, match="no junction of the city"):
            read_plans(out, other)


def _of_k() -> JunctionRulesInput:
    site = context().sites["J"]
    return replace(site, junction=replace(site.junction, junction_id="K", plan_in_service=None))


def test_the_plan_in_service_may_come_in_as_it_is() -> None:
    from traffic_brain.deployment.formats.locks import refusals

    assert refusals([PLAN], context()) == ([], [])


def test_what_is_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataRefused, match="no file or folder"):
        read_plans(tmp_path / "nothing", context())
    with pytest.raises(DataRefused, match="no plans in a format"):
        read_plans(tmp_path, context())
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(DataRefused, match="no known format"):
        read_plans(tmp_path / "a.txt", context())
    with pytest.raises(ConfigurationError, match="unknown format"):
        read_plans(tmp_path, context(), "synchro")
    damaged = {
        "a.xml": "ga1049",
        "b.xml": "sumo",
        "c.xlsx": "xlsx",
        "d.json": "json",
        "e.csv": "utdf",
    }
    for file, name in damaged.items():
        (tmp_path / file).write_text("<<< broken \x00")
        with pytest.raises(DataRefused):
            read_plans(tmp_path / file, context(), name)
