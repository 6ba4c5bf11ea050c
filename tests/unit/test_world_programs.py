"""SUMO's signal programs as plans of ours, and back, second by second."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_data.importers.sumo.programs import (
    SumoPhase,
    SumoProgram,
    plan_of,
    plans_of,
    read_programs,
    sumo_time_s,
)
from network_data.sumo_tools import run_tool
from sim_scenarios.outputs import read_signal_states
from sim_scenarios.programs import plans_in_service, write_programs
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import ScenarioSpec, available, find
from traffic_brain.errors import DataRefused
from traffic_brain.model.signals import Interval, SignalPlan

BOLOGNA = Path(__file__).parents[3] / "shared/data/bologna_acosta/run.sumocfg"
ACTUATED = "crossing"
WORLDS = [*(s.name for s in available() if s.name != ACTUATED), "bologna_acosta"]


def program(*phases: tuple[float, str], offset: str = "0", **more: object) -> SumoProgram:
    made = tuple(SumoPhase(duration, picture) for duration, picture in phases)
    return SumoProgram("J", "0", "static", offset, made)


def shown(one: SumoProgram, time_s: int) -> str:
    """What SUMO shows: the first phase starts at times equal to the offset modulo the cycle."""
    cycle = sum(phase.duration_s for phase in one.phases)
    left = (time_s - sumo_time_s(one.offset)) % cycle
    for phase in one.phases:
        left -= phase.duration_s
        if left < 0:
            return phase.picture
    raise AssertionError


def plan(one: SumoProgram) -> SignalPlan:
    made = plan_of(one).plan
    assert made is not None
    return made


def test_times_are_read_as_sumo_reads_them() -> None:
    assert sumo_time_s("12.5") == 12.5
    assert sumo_time_s("15:0:0") == 54000
    assert sumo_time_s("1:00:00:07") == 86407
    with pytest.raises(ValueError, match="12:30"):
        sumo_time_s("12:30")


def test_stages_and_clearances() -> None:
    made = plan(
        program(
            (30, "Grr"), (3, "yrr"), (2, "rrr"), (4, "rGr"), (20, "rGG"), (3, "ryy"), (1, "rrr")
        )
    )
    assert [s.picture for s in made.stages] == ["Grr", "rGG"]
    assert made.greens_s == (30, 20)
    # The 4 s in which one group starts early are no stage: they end the clearance before.
    assert made.stages[0].clearance == (Interval(3, "yrr"), Interval(2, "rrr"), Interval(4, "rGr"))
    assert made.cycle_s == 63
    assert made.coordinated_stage_idx == 0


def test_a_program_that_begins_with_a_clearance_is_turned_round() -> None:
    made = plan(program((3, "ry"), (20, "Gr"), (3, "yr"), (20, "rG"), offset="10"))
    assert [s.picture for s in made.stages] == ["Gr", "rG"]
    assert made.offset_s == 13
    assert made.first_stage_offset_s == 13


def test_a_green_through_the_end_of_the_cycle_is_one_stage() -> None:
    one = program((10, "Gr"), (3, "yr"), (20, "rG"), (3, "ry"), (8, "Gr"), offset="5")
    made = plan(one)
    assert made.greens_s == (18, 20)
    assert made.offset_s == (5 - 8) % 44
    assert all(made.picture_at(t) == shown(one, t) for t in range(200))


def test_same_pictures_in_a_row_are_one_interval() -> None:
    made = plan(program((1, "Gr"), (1, "Gr"), (5, "Gr"), (3, "yr"), (20, "rG"), (3, "ry")))
    assert made.greens_s == (7, 20)


def test_least_and_greatest_green() -> None:
    phases = (
        SumoPhase(34, "Gr", 6, 84),
        SumoPhase(5, "Gr", 5, 5),
        SumoPhase(3, "yr", 3, 3),
        SumoPhase(26, "rG", 26, 26),
        SumoPhase(4, "ry"),
        SumoPhase(4, "GG", 9, 50),
    )
    first, fixed = plan(SumoProgram("J", "0", "actuated", "0", phases)).stages
    assert (first.min_green_s, first.max_green_s) == (11, 89)
    assert (fixed.min_green_s, fixed.max_green_s) == (26, 120)
    long = plan(program((200, "Gr"), (3, "yr"), (4, "rG"), (3, "ry"), (4, "GG")))
    assert long.stages[0].max_green_s == 200
    assert plan(program((3, "Gr"), (3, "yr"), (4, "rG"), (3, "ry"))).stages[0].min_green_s == 3


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (program(), "no phases"),
        (program((30.5, "Gr"), (3, "yr")), "whole seconds"),
        (program((30, "Gr"), (3, "y")), "different length"),
        (program((30, "rr"), (3, "oo")), "no picture with a green lamp"),
        (program((30, "Gr"), (3, "yr"), offset="begin"), "not a fixed time"),
        (program((30, "Gr"), (3, "yr"), offset="1.5"), "not a whole second"),
        (
            SumoProgram("J", "0", "static", "0", (SumoPhase(9, "Gr", next_idxs=(0,)),) * 2),
            "do not go on",
        ),
    ],
)
def test_what_cannot_be_a_plan_says_why(broken: SumoProgram, said: str) -> None:
    made = plan_of(broken)
    assert made.plan is None
    assert said in "; ".join(made.problems)


def test_all_problems_at_once() -> None:
    both = plan_of(program((30.5, "Gr"), (3, "y"), offset="x"))
    assert len(both.problems) == 3


def test_unusual_lamps_are_kept_and_remarked() -> None:
    made = plan_of(program((30, "Gs"), (3, "yr"), (20, "rG"), (3, "ry")))
    assert made.plan is not None
    assert made.plan.stages[0].picture == "Gs"
    assert "s" in made.problems[0]


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(
            st.tuples(st.integers(1, 40), st.text("Ggyru", min_size=n, max_size=n)),
            min_size=1,
            max_size=12,
        )
    ),
    st.integers(-500, 500),
)
def test_every_second_shows_the_same(phases: list[tuple[int, str]], offset: int) -> None:
    one = program(*phases, offset=str(offset))
    made = plan_of(one).plan
    if made is None:
        assert not any(set("Gg") & set(p) and not set("yu") & set(p) for _, p in phases)
    else:
        assert made.cycle_s == sum(duration for duration, _ in phases)
        assert all(made.picture_at(t) == shown(one, t) for t in range(2 * made.cycle_s))
        assert all(s.min_green_s <= s.green_s <= s.max_green_s for s in made.stages)


# --- which program runs ----------------------------------------------------------------------

LOGIC = (
    '<tlLogic id="J" type="static" programID="{0}" offset="{1}">'
    '<phase duration="{2}" state="G"/><phase duration="3" state="y"/></tlLogic>'
)


def write(path: Path, *elements: str) -> Path:
    path.write_text("<additional>" + "".join(elements) + "</additional>")
    return path


def test_the_program_loaded_last_runs(tmp_path: Path) -> None:
    net = write(tmp_path / "net.xml", LOGIC.format("0", 0, 30))
    first = write(tmp_path / "a.xml", LOGIC.format("a", 1, 40))
    second = write(tmp_path / "b.xml", LOGIC.format("b", 2, 50))
    assert read_programs(net)["J"].program_id == "0"
    assert read_programs(net, [first, second])["J"].program_id == "b"
    assert read_programs(net, [second, first])["J"].program_id == "a"


def test_a_program_without_phases_changes_an_offset(tmp_path: Path) -> None:
    net = write(tmp_path / "net.xml", LOGIC.format("0", 0, 30))
    offset = write(tmp_path / "a.xml", '<tlLogic id="J" programID="0" offset="7"/>')
    assert plan(read_programs(net, [offset])["J"]).offset_s == 7
    off = write(tmp_path / "b.xml", '<tlLogic id="J" programID="off"/>')
    assert plan_of(read_programs(net, [off])["J"]).plan is None


def test_a_schedule_decides_by_the_time(tmp_path: Path) -> None:
    net = write(tmp_path / "net.xml", LOGIC.format("night", 0, 30), LOGIC.format("day", 0, 60))
    waut = write(
        tmp_path / "w.xml",
        '<WAUT refTime="3600" id="w" startProg="night"><wautSwitch time="3600" to="day"/></WAUT>',
        '<wautJunction wautID="w" junctionID="J"/>',
    )
    assert read_programs(net, [waut])["J"].program_id == "night"
    assert read_programs(net, [waut], at_s=7199)["J"].program_id == "night"
    assert read_programs(net, [waut], at_s=7200)["J"].program_id == "day"


def test_included_and_zipped_files_are_read(tmp_path: Path) -> None:
    net = tmp_path / "net.xml.gz"
    net.write_bytes(gzip.compress(f"<net>{LOGIC.format('0', 0, 30)}</net>".encode()))
    write(tmp_path / "inner.xml", LOGIC.format("in", 0, 40))
    outer = write(tmp_path / "outer.xml", '<include href="inner.xml"/>')
    assert read_programs(net, [outer])["J"].program_id == "in"


def test_broken_files_are_refused_in_one_line(tmp_path: Path) -> None:
    cut = tmp_path / "cut.xml"
    cut.write_text("<net><tlLogic id='J'>")
    zipped = tmp_path / "cut.xml.gz"
    zipped.write_bytes(gzip.compress(b"<net></net>" * 1000)[:30])
    wrong = write(
        tmp_path / "wrong.xml", '<tlLogic id="J"><phase duration="x" state="G"/></tlLogic>'
    )
    for path, said in [
        (cut, "not complete XML"),
        (zipped, "damaged gzip"),
        (tmp_path / "none.xml", "no such file"),
        (wrong, "malformed"),
    ]:
        with pytest.raises(DataRefused, match=said) as refused:
            read_programs(path)
        assert "\n" not in str(refused.value)
        assert path.name in str(refused.value)


# --- the round trip --------------------------------------------------------------------------


def world(name: str) -> ScenarioSpec:
    if name != "bologna_acosta":
        return find(name)
    if not BOLOGNA.is_file():
        pytest.skip("the Bologna scenario is not here")
    return find(BOLOGNA)


def switches(
    scenario: PreparedScenario, out: Path, extra: list[Path]
) -> dict[tuple[str, int], str]:
    """What SUMO shows at every second of five minutes, without traffic."""
    out.mkdir()
    log = out / "signals.xml"
    see = write(out / "see.xml", f'<timedEvent type="SaveTLSSwitchStates" dest="{log}"/>')
    net, signal_files = scenario.network_sources()
    begin, end = scenario.begin_s, scenario.begin_s + 300
    run_tool(
        "sumo",
        [
            *("--net-file", str(net), "--begin", str(begin), "--end", str(end)),
            *("--additional-files", ",".join(map(str, [*signal_files, *extra, see]))),
            *("--no-step-log", "--no-warnings"),
        ],
        folder=out,
    )
    shown: dict[tuple[str, int], str] = {}
    for state in read_signal_states(log):
        for second in range(int(state.time_s), end):
            shown[state.junction_id, second] = state.picture
    return shown


def test_an_actuated_program_is_not_a_plan_in_service(tmp_path: Path) -> None:
    scenario = prepare(find(ACTUATED), tmp_path)
    (running,) = read_programs(*scenario.network_sources()).values()
    assert (running.kind, running.program_id) == ("actuated", "demo")
    assert plan(running).cycle_s > 60
    assert plans_in_service(scenario) == {}


@pytest.mark.parametrize("name", WORLDS)
def test_every_program_comes_back_second_by_second(name: str, tmp_path: Path) -> None:
    scenario = prepare(world(name), tmp_path / "world")
    net, signal_files = scenario.network_sources()
    programs = read_programs(net, signal_files)
    plans = {j: c.plan for j, c in plans_of(programs).items() if c.plan is not None}
    assert plans == plans_in_service(scenario)
    assert len(plans) == len(programs)
    for junction_id, made in plans.items():
        start = scenario.begin_s
        for t in range(start, start + 2 * made.cycle_s):
            assert made.picture_at(t) == shown(programs[junction_id], t)
    original = switches(scenario, tmp_path / "original", [])
    again = [SignalPlan(p.junction_id, "again", p.stages, p.offset_s) for p in plans.values()]
    rewritten = switches(
        scenario, tmp_path / "again", [write_programs(again, tmp_path / "again.xml")]
    )
    assert rewritten == original
    assert {j for j, _ in original} == set(plans)
    assert all(plans[j].picture_at(t) == picture for (j, t), picture in original.items())
