"""The benchmark of the loop: its days, what is not done again, and its table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.degradation.faults import FAULTS
from benchmarks.loop.days import FAULTS as DRAWN
from benchmarks.loop.days import Days, service_day
from benchmarks.loop.measure import DayFigures, Loop, measure
from benchmarks.loop.table import markdown
from benchmarks.other_days import scaled
from sim_scenarios.scenario import prepare

DAY = DayFigures(
    world="w",
    arm="clean",
    day=1,
    demand_ratio=1.0,
    fault="none",
    decision="DEPLOY",
    changed=("a",),
    kept_s=(50.0, 60.0),
    before_s=(40.0, 44.0),
    after_s=(40.0, 48.0),
    cpu_s=1.0,
)


def test_days_are_those_of_their_seed_and_differ(tmp_path: Path) -> None:
    days, again = Days("small", 1, tmp_path / "a"), Days("small", 1, tmp_path / "b")
    ratios = [days.demand_ratio(d) for d in range(30)]
    assert ratios == [again.demand_ratio(d) for d in range(30)]
    assert len(set(ratios)) == 30
    assert all(0.85 <= r <= 1.15 for r in ratios)
    assert {days.fault(d) for d in range(100)} == set(DRAWN) <= FAULTS.keys()
    assert days.run_seed(1, 0) != days.run_seed(1, 1) != days.run_seed(2, 1)


def test_a_day_has_as_many_trips_as_it_says(tmp_path: Path) -> None:
    days = Days("small", 3, tmp_path)
    vehicles = sum(days.world.demand.departures_veh)
    for day in (1, 2):
        spec = days.spec(day)
        assert spec.sumocfg is not None
        trips = ET.parse(spec.sumocfg.with_suffix(".rou.xml")).getroot()
        count = sum(e.tag in {"trip", "vehicle"} for e in trips)
        assert count == round(days.demand_ratio(day) * vehicles)
    configuration = scaled(days.world, tmp_path / "more.sumocfg", 1.25)
    found = ET.parse(configuration).getroot().find("scale")
    assert found is not None
    assert found.get("value") == "1.2500"


def test_a_day_has_what_the_worlds_additional_files_tell(tmp_path: Path) -> None:
    """Vehicle types, and signal programs that the network file does not have."""
    small = Days("small", 3, tmp_path / "small").world
    file, types = tmp_path / "run.sumocfg", tmp_path / "types.add.xml"
    types.write_text('<additional><vType id="b" vClass="bus"/></additional>')
    tree = ET.parse(small.sumocfg)
    ET.SubElement(tree.getroot(), "additional-files", value=str(types))
    tree.write(file)
    days = Days(str(file), 3, tmp_path / "days")
    for spec in (
        days.spec(1),
        replace(days.spec(1), sumocfg=scaled(days.world, tmp_path / "more.sumocfg", 1.2)),
    ):
        assert prepare(spec, tmp_path / "day").demand.class_of("b") == "bus"


def test_a_world_is_recorded_with_what_was_deployed(tmp_path: Path) -> None:
    """The feeds' log tells the plan that ran."""
    import pyarrow.parquet as pq

    from network_data.city import load_city

    days = Days("small", 3, tmp_path)
    loop = Loop(days, "clean", tmp_path / "clean", runs=1, tries=0, workers=1)
    city = load_city(loop._city())
    plan = next(j.plan_in_service for j in city.junctions.values() if j.plan_in_service)
    assert plan is not None
    loop.folder.mkdir()
    moved = replace(plan, plan_id="n1", offset_s=(plan.offset_s + 7) % plan.cycle_s)
    loop._deploy(1, {plan.junction_id: moved})
    assert loop._record(1, loop._plans(1)) == "none"
    feeds = loop.folder / "feeds" / service_day(1).isoformat()
    log = pq.read_table(feeds / "police" / "signal_log.parquet").to_pandas()
    ran = log[log["junction_id"] == plan.junction_id]["plan_id"].unique().tolist()
    assert [name.endswith("n1") for name in ran] == [True]


def test_a_finished_day_is_not_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(Days("small", 1, tmp_path), "clean", tmp_path, runs=2, tries=0, workers=1)
    calls = []

    def measured(_: Loop, day: int) -> DayFigures:
        calls.append(day)
        return DAY

    monkeypatch.setattr(Loop, "_measure", measured)
    assert loop.figures(1) == loop.figures(1) == DAY
    assert replace(loop, runs=3).figures(1) == DAY  # another question
    assert calls == [1, 1]


def test_a_world_may_be_a_file_and_its_days_are_the_same_wherever_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        tmp_path / "here" / "town" / "run.sumocfg",
        tmp_path / "there" / "town" / "run.sumocfg",
    ]
    for file in files:
        file.parent.mkdir(parents=True)
        file.write_text("<configuration/>")
    here, there = (Days(str(file), 3, tmp_path) for file in files)
    assert here.name == there.name == "town"
    assert here.demand_ratio(1) == there.demand_ratio(1)

    monkeypatch.setattr(Loop, "_measure", lambda loop, _: replace(DAY, world=loop.days.name))
    out = tmp_path / "out"
    (found,) = measure([str(files[0])], out, days=1, arms=("clean",))
    assert found.world == "town"
    assert (out / "town" / "clean" / "day-1.json").is_file()
    assert [f.name for f in files[0].parent.iterdir()] == ["run.sumocfg"]


def test_runs_that_lock_are_counted_and_do_not_move_the_median() -> None:
    locked = replace(DAY, kept_s=(50.0,) * 5, before_s=(50.0,) * 5, after_s=(40.0,) * 4 + (700.0,))
    text = markdown([locked])
    assert "| +244.0% | -20.0% | 0, 1 of 5 |" in text


def test_the_table_tells_gain_worst_night_and_cost_of_faults() -> None:
    faulty = replace(DAY, arm="faulty", after_s=(45.0, 54.0), before_s=(45.0, 54.0), changed=())
    text = markdown([DAY, faulty])
    assert "clean | 1 | 55.0 | 44.0 | -20.0% | -20.0% | 0, 0 of 2 | -20% | 1 | +4.8% | 1 |" in text
    assert "faulty | 1 | 55.0 | 49.5 | -10.0% | -10.0% | 0, 0 of 2 | -10% | 0 | +0.0% | 0" in text
    assert "- w: a fault a night costs 50% of the gain" in text
