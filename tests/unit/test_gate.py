"""The gate's evidence: figures of a run against SUMO's files read slowly, and who is hurt."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from network_data.city import NET_FILE, SIGNALS_FILE
from sim_scenarios.check import CheckParams, check, unregistered
from sim_scenarios.demand import BUS, CAR, USUAL_DRIVERS, Drivers, Vehicle, draw, drivable_vehicles
from sim_scenarios.gate.bench import IN_SERVICE, Bench, Candidate
from sim_scenarios.gate.calibration import locks_often, sheet
from sim_scenarios.gate.evidence import Evidence, Limits, Setting, gather, holm, waits
from sim_scenarios.gate.figures import Places, RunFigures, Ways, read_figures, ways_of
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.phases import CLOSER_DRIVERS, Check, _for_everybody, _Phase
from sim_scenarios.gate.transition import with_transition
from sim_scenarios.gate.whole import known_days
from sim_scenarios.outputs import DelaySummary, VehicleRoute, read_routes, summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, RunResult, run
from tests.unit.short_night import ShortNight
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.model.network import Link, RoadNetwork
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.verdict import Decision
from traffic_brain.progress import Progress, silent

BASE = Candidate(IN_SERVICE)


@pytest.fixture(scope="module")
def bench(short_night: ShortNight, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("bench")
    return Bench(
        network=short_night.network,
        net_file=short_night.city / NET_FILE,
        signals=short_night.city / SIGNALS_FILE,
        state=short_night.known,
        vehicles=drivable_vehicles(short_night.known, short_night.network),
        folder=folder,
        journal=Journal(folder / "journal"),
        timeout_s=60,
    )


@pytest.fixture(scope="module")
def result(bench: Bench) -> RunResult:
    """A run with more demand than fits, so that some queue, and some never get in."""
    return run(bench.request(BASE, 3, "confirm", 1.5, places=True))


@pytest.fixture(scope="module")
def drawn(bench: Bench) -> np.ndarray:
    return np.array(draw(bench.vehicles, 3, 1.5)[1])


def test_figures_are_those_of_the_files_read_slowly(
    bench: Bench, result: RunResult, drawn: np.ndarray
) -> None:
    figures = read_figures(result, bench.ways, drawn)
    slowly = summarise(result)
    assert figures.delay == replace(slowly, delay_s_per_veh=figures.delay.delay_s_per_veh)
    assert figures.delay.delay_s_per_veh == pytest.approx(slowly.delay_s_per_veh, rel=1e-12)
    assert figures.co2_g_per_veh is not None
    assert 20 < figures.co2_g_per_veh < 2000
    assert slowly.unfinished > 0


def test_places_hold_every_vehicle_and_every_second(
    bench: Bench, result: RunResult, drawn: np.ndarray
) -> None:
    places = read_figures(result, bench.ways, drawn).places
    assert places is not None
    routes = list(read_routes(result.vehicle_routes_file))
    end_s = result.request.scenario.end_s
    passed = dict.fromkeys(bench.ways.turns, 0)
    seconds = 0.0
    for route in routes:
        at_s = route.depart_s
        for pair, exit_s in zip(turns_of(route), route.exit_times_s, strict=True):
            seconds += (end_s if exit_s < 0 else exit_s) - at_s
            if exit_s < 0:
                break
            passed[pair] += 1
            at_s = exit_s
    assert places.left_veh.tolist() == list(passed.values())
    assert places.spent_s.sum() == pytest.approx(seconds)
    assert (places.came_veh >= places.left_veh).all()


def turns_of(route: VehicleRoute) -> list[tuple[str, str]]:
    return list(zip(route.links, (*route.links[1:], ""), strict=True))


def test_the_fullest_moment_of_every_link_second_by_second(
    bench: Bench, result: RunResult, drawn: np.ndarray
) -> None:
    places = read_figures(result, bench.ways, drawn).places
    assert places is not None
    scenario = result.request.scenario
    length_s = scenario.end_s - scenario.begin_s
    present = np.zeros((len(bench.network.links), length_s + 1))
    for route in read_routes(result.vehicle_routes_file):
        at_s = route.depart_s
        for link, exit_s in zip(route.links, route.exit_times_s, strict=True):
            until_s = scenario.end_s if exit_s < 0 else exit_s
            i = bench.network.link_idx[link]
            present[i, int(at_s) - scenario.begin_s : int(until_s) - scenario.begin_s] += 1
            if exit_s < 0:
                break
            at_s = exit_s
    room = np.array([link.storage_veh for link in bench.network.links.values()])
    full = (present[:, :length_s] >= np.maximum(0.9 * room[:, None], 1)).sum(axis=1)
    assert places.most_veh.tolist() == present.max(axis=1).tolist()
    assert places.full_s.tolist() == full.tolist()


# --- who is hurt ------------------------------------------------------------------------------


def link(name: str, start: str, end: str) -> Link:
    return Link(name, start, end, 150.0, 15.0, 1, "street", name, ((0, 0), (150, 0)), (0,))


LINKS = {k.link_id: k for k in (link("a", "1", "2"), link("b", "2", "3"), link("c", "4", "2"))}
STREETS = RoadNetwork("three links", LINKS, (), {}, {})
VEHICLES = [
    *(Vehicle(0.0, ("a", "b"), CAR) for _ in range(3)),
    Vehicle(0.0, ("c", "b"), CAR),
    Vehicle(0.0, ("a", "b"), BUS),
]


def figures(side_s: float, main_s: float, bus_s: float = 60.0, full_s: float = 0.0) -> RunFigures:
    """100 vehicles on the main street, 20 on the side street, and what they need."""
    ways = ways_of(VEHICLES, STREETS)
    came = {("a", "b"): 100.0, ("b", ""): 120.0, ("c", "b"): 20.0}
    mean = {("a", "b"): main_s, ("b", ""): 12.0, ("c", "b"): side_s}
    numbers = np.array([came[t] for t in ways.turns])
    spent = numbers * np.array([mean[t] for t in ways.turns])
    places = Places(
        *(numbers, numbers, spent, np.zeros(3)),
        *(np.array([5.0, 18.0, 5.0]), np.array([0.0, full_s, 0.0])),
        *(np.array([1.0]), np.array([bus_s])),
    )
    summary = DelaySummary(1, 120, 30.0, 30.0, 0.0, 1.0, 0, 0, 0)
    return RunFigures(summary, 120, 100.0, places)


def hurt(before: RunFigures, after: list[RunFigures]) -> tuple[str, ...]:
    setting = Setting(_with_way_in(), ways_of(VEHICLES, STREETS), (), {}, 3600.0)
    return gather([(before, figures) for figures in after], (), setting, Limits()).hurt


def _with_way_in() -> RoadNetwork:
    network = replace(STREETS)
    network.__dict__["predecessors"] = {"a": (), "b": ("a", "c"), "c": ()}
    return network


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (figures(40, 20), []),
        (figures(85, 20), []),  # delay 75 s: bad, but not yet level of service F
        (figures(100, 20), ["delay on c rises from 30 to 90 s"]),
        (figures(40, 20, full_s=300), []),
        (figures(40, 20, full_s=720), ["b is full for 20% of the time, in service 0%"]),
        (figures(40, 20, bus_s=110), []),
        (figures(40, 20, bus_s=130), ["buses from a to b lose 70 of 60 s"]),
    ],
    ids=["all gain", "side loses", "side starves", "full at times", "full", "bus", "slow bus"],
)
def test_who_is_hurt(after: RunFigures, words: list[str]) -> None:
    assert list(hurt(figures(40, 60), [after] * 8)) == words


def test_a_loss_on_a_few_days_only_is_no_loss() -> None:
    good, bad = figures(30, 20), figures(400, 20)
    assert hurt(figures(40, 60), [good] * 5 + [bad] * 3) == ()
    assert len(hurt(figures(40, 60), [good] * 2 + [bad] * 6)) == 1


@pytest.mark.parametrize(
    ("before", "after", "stopped"),
    [(0, 0, False), (0, 1, False), (0, 4, False), (0, 5, True), (5, 5, False), (9, 0, False)],
)
def test_more_lifted_vehicles_than_by_chance_are_told_of_and_stop_the_plan(
    before: int, after: int, stopped: bool
) -> None:
    calm = figures(40, 60)
    was, then = (replace(calm, delay=replace(calm.delay, teleports=n)) for n in (before, after))
    nobody = Evidence({}, (), *(pa.table({}) for _ in range(3)))
    decision, reason = _for_everybody(_Phase((1, 2), ((calm, calm), (was, then))), nobody, "ok")
    told = f"{after} vehicles were lifted off the road, in service {before}: ok"
    expected = (Decision.INCONCLUSIVE, told) if stopped else (Decision.DEPLOY, "ok")
    assert (decision, reason) == expected


def test_who_is_hurt_is_told_of_and_stops_the_plan() -> None:
    calm = figures(40, 60)
    hurt = Evidence({}, ("c starves", "d too"), *(pa.table({}) for _ in range(3)))
    decision, reason = _for_everybody(_Phase((1,), ((calm, calm),)), hurt, "-9 %")
    assert (decision, reason) == (Decision.KEEP, "c starves (and 1 more); all together: -9 %")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_rejects_as_its_steps_do(p_values: list[float]) -> None:
    level = 0.05
    rejected = set()
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda k: p_values[k])):
        if p_values[i] * (len(p_values) - rank) > level:
            break
        rejected.add(i)
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_waits_at_a_crossing_by_hand() -> None:
    clearance = (Interval(5, "r"),)
    plan = SignalPlan("J", "p", (Stage("G", 20, clearance), Stage("r", 30, clearance)))
    # green 20 s, red 40 s of 60 s: mean wait 40²/120
    assert waits(plan, 0) == (13.33, 40)
    assert waits(plan.with_offset(7), 0) == (13.33, 40)
    never = replace(plan, stages=(Stage("r", 30, clearance), Stage("r", 30, clearance)))
    assert waits(never, 0) == (35.0, 70)


# --- the check as a whole ---------------------------------------------------------------------


def propose(folder: Path, plans: list[SignalPlan]) -> Path:
    folder.mkdir()
    listed = [plan_to_dict(plan) for plan in plans]
    document = {"candidates": [{"candidate_id": "tried", "plans": listed}]}
    (folder / "candidates.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def test_an_unsafe_plan_is_not_even_driven(short_night: ShortNight, tmp_path: Path) -> None:
    plan = min(short_night.known.running_plans.values(), key=lambda p: p.junction_id)
    first, *others = plan.stages
    bare = replace(plan, plan_id="bare", stages=(replace(first, clearance=()), *others))
    plans = propose(tmp_path / "plans", [bare])
    out = tmp_path / "verdict"
    out.mkdir()
    assert check(short_night.city, short_night.state, plans, out)["runs"] == 0
    verdict = json.loads((out / "verdict.json").read_text("utf-8"))
    assert verdict["decision"] == Decision.KEEP
    assert "every candidate breaks a safety rule" in verdict["reason"]
    assert plan.junction_id in verdict["reason"]


def test_a_city_that_is_not_calibrated_stops_the_check(
    short_night: ShortNight, tmp_path: Path
) -> None:
    later = [
        replace(plan, plan_id="later").with_offset(plan.offset_s + 3)
        for plan in short_night.known.running_plans.values()
    ]
    plans = propose(tmp_path / "plans", later)
    out = tmp_path / "verdict"
    out.mkdir()
    params = CheckParams(least_good_geh_ratio=1.01, most_time_ratio=1.0)
    assert check(short_night.city, short_night.state, plans, out, params=params)["runs"] == 0
    verdict = json.loads((out / "verdict.json").read_text("utf-8"))
    calibration = json.loads((out / "calibration.json").read_text("utf-8"))
    assert verdict["decision"] == Decision.INCONCLUSIVE
    assert verdict["reason"].startswith("not calibrated: GEH < 5 on")
    assert len(calibration["problems"]) == 2


def test_the_honest_small_city_is_calibrated(
    bench: Bench, short_night: ShortNight, result: RunResult, drawn: np.ndarray
) -> None:
    runs = bench.run([(BASE, 1), (BASE, 2)], None, 1.0, lambda *_: None, places=True)
    place = short_night.known, short_night.state, bench.network, bench.ways
    found = sheet(runs, *place, CheckParams())
    assert found["problems"] == []
    assert found["good_geh_ratio"] > 0.85
    assert bench.done == []
    crowded = [read_figures(result, bench.ways, drawn)] * 2
    assert any("can drive" in line for line in sheet(crowded, *place, CheckParams())["problems"])


def test_who_waits_before_the_map_spends_that_time_too(
    bench: Bench, short_night: ShortNight
) -> None:
    """Where the feeds tell of such a queue the rebuilt city must have one as well."""
    runs = bench.run([(BASE, 1), (BASE, 2)], None, 1.0, lambda *_: None, places=True)

    def told(*waits_veh_h: float) -> dict[str, Any]:
        rows = [{"link_id": "x", "vehicles": 9.0, "delay_veh_h": h} for h in waits_veh_h]
        summary = {**short_night.known.summary, "waited_before_the_map": rows}
        known = replace(short_night.known, summary=summary)
        return sheet(runs, known, short_night.state, bench.network, bench.ways, CheckParams())

    nobody, some = told(), told(4.0, 1.0)
    assert nobody["lifted_veh"] == 0.0
    waited = [r.delay.departure_delay_s_per_veh * r.delay.vehicles / 3600.0 for r in runs]
    assert (nobody["observed_wait_veh_h"], nobody["simulated_wait_veh_h"]) == (0.0, 0.0)
    assert some["observed_wait_veh_h"] == 5.0
    assert some["simulated_wait_veh_h"] == pytest.approx(np.mean(waited), abs=0.01)
    assert some["time_ratio"] < nobody["time_ratio"], "here nobody waits so long"
    more_s = some["observed_delay_s_per_veh"] - nobody["observed_delay_s_per_veh"]
    assert more_s == pytest.approx(5.0 * 3600 / len(short_night.known.trips), abs=0.01)


def test_closer_drivers_are_tried_only_where_the_rebuilt_city_is_too_slow(
    bench: Bench, short_night: ShortNight
) -> None:
    def calibrated(**limits: float) -> tuple[Drivers, float]:
        its = replace(bench, done=[])
        params = CheckParams(**limits)
        told = Check(its, short_night.state, params, 5).calibrate(lambda *_: None)
        return its.drivers, told["time_ratio"]

    usual, usual_ratio = calibrated(slow_time_ratio=10.0, most_time_ratio=10.0)
    last, least_ratio = calibrated(slow_time_ratio=1e-3)
    assert (usual, last) == (USUAL_DRIVERS, CLOSER_DRIVERS[-1])
    assert least_ratio < usual_ratio
    between = (usual_ratio + least_ratio) / 2
    stays, ratio = calibrated(slow_time_ratio=between)
    assert stays in CLOSER_DRIVERS
    assert ratio <= between, "the first that fit stay"
    assert calibrated(most_time_ratio=between) == (stays, ratio), "the narrower limit counts"


def test_a_check_loads_no_library_that_it_does_not_use() -> None:
    """What it loads, every check pays for; small ones notice (``benchmarks.check_cost``)."""
    program = "import sys, sim_scenarios.check; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert {"pandas", "networkx", "numba"}.isdisjoint(told.stdout.decode().split())


def test_closer_drivers_are_tried_where_streets_lock_that_did_not() -> None:
    def often(*delays_s: float, observed_s: float = 25.0) -> bool:
        found = {"delays_s_per_veh": delays_s, "observed_delay_s_per_veh": observed_s}
        return locks_often(found, CheckParams(), breakdown_factor=2.0)

    assert often(30.0, 31.0, 29.0, 300.0, 310.0, 90.0)
    assert not often(30.0, 31.0, 29.0, 28.0, 310.0, 90.0), "two days of six"
    assert not often(30.0, 300.0, 310.0, 290.0, observed_s=200.0), "the observed day locked, too"
    assert not often(1400.0, 1420.0, 1380.0, observed_s=300.0), "all alike: it waits outside"
    assert not often(0.0, 0.0, 0.0, observed_s=0.0)


USUAL, CLOSE, SHORT, QUICK = (USUAL_DRIVERS, *CLOSER_DRIVERS)


@pytest.mark.parametrize(
    ("slow", "locking", "unfit", "sheets", "stay"),
    [
        ((), (), (), 1, USUAL),
        ((), (USUAL, *CLOSER_DRIVERS), (), 4, USUAL),
        ((), (USUAL, CLOSE), (), 3, SHORT),
        ((USUAL, CLOSE), (SHORT,), (), 4, QUICK),
        ((USUAL, CLOSE), (SHORT, *CLOSER_DRIVERS[2:]), (), 4, SHORT),
        ((USUAL, *CLOSER_DRIVERS), (), (), 4, CLOSE),
        ((), (), (USUAL,), 1, USUAL),
        ((), (USUAL,), CLOSER_DRIVERS, 4, USUAL),
    ],
)
def test_the_first_drivers_that_fit_stay(
    bench: Bench,
    short_night: ShortNight,
    monkeypatch: pytest.MonkeyPatch,
    slow: tuple[Drivers, ...],
    locking: tuple[Drivers, ...],
    unfit: tuple[Drivers, ...],
    sheets: int,
    stay: Drivers,
) -> None:
    its, made = replace(bench, done=[]), []
    ratios = {CLOSE: 1.4}

    def sheet_of(_: Check, progress: Progress) -> dict[str, Any]:
        made.append(its.drivers)
        delays_s = [30.0] * 2 + [300.0 if its.drivers in locking else 30.0] * 4
        return {
            "time_ratio": ratios.get(its.drivers, 1.5) if its.drivers in slow else 1.1,
            "delays_s_per_veh": delays_s,
            "observed_delay_s_per_veh": 25.0,
            "drivers": asdict(its.drivers),
            "problems": ["GEH"] * (its.drivers in unfit),
        }

    monkeypatch.setattr(Check, "_sheet", sheet_of)
    told = Check(its, short_night.state, CheckParams(), 5).calibrate(silent)
    assert len(made) == sheets
    assert its.drivers == stay == Drivers(**told["drivers"])


def test_the_sheet_tells_of_six_days_where_two_are_not_too_slow(
    bench: Bench, short_night: ShortNight
) -> None:
    its = replace(bench, done=[])
    told = Check(its, short_night.state, CheckParams(), 5).calibrate(silent)
    assert len(told["delays_s_per_veh"]) == 6
    assert told["runs"] == 2


def programs_of(request: RunRequest, junction_id: str, folder: Path) -> list[str]:
    """The program that runs at a junction second by second, as SUMO's own log tells."""
    log = folder / "log.add.xml"
    log.write_text(
        f'<additional><timedEvent type="SaveTLSStates" source="{junction_id}"'
        f' dest="{folder}/states.xml"/></additional>',
        encoding="utf-8",
    )
    run(replace(request, additional=(*request.additional, log), folder=folder / "run"))
    return [
        line.split('programID="')[1].split('"')[0]
        for line in (folder / "states.xml").read_text("utf-8").splitlines()
        if 'programID="' in line
    ]


def test_the_signals_switch_to_the_candidate_and_back(
    bench: Bench, short_night: ShortNight, tmp_path: Path
) -> None:
    plans = tuple(replace(plan, plan_id="new") for plan in short_night.known.running_plans.values())
    path = tmp_path / "new.add.xml"
    write_programs(plans, path)
    switching = with_transition(Candidate("new", plans, path), bench)
    request = bench.request(switching, 4, "transition", 1.0, places=False)
    programs = programs_of(request, min(plan.junction_id for plan in plans), tmp_path)
    old = programs[0]
    window = bench.state.window
    third = (window.end_s - window.begin_s) // 3
    assert old != "new"
    assert set(programs[: third - 5]) == {old} == set(programs[2 * third + 5 :])
    assert set(programs[third + 5 : 2 * third - 5]) == {"new"}


def test_in_service_is_what_ran_and_not_what_is_registered(
    short_night: ShortNight, tmp_path: Path
) -> None:
    """Two controllers run another plan than the register's; a candidate changes one of them."""
    network, known = short_night.network, short_night.known
    assert unregistered(network, known) == ()
    first, second = sorted(known.running_plans)[:2]
    ran = dict(known.running_plans)
    for junction_id in (first, second):
        plan = ran[junction_id]
        later = (plan.offset_s + 9) % plan.cycle_s
        ran[junction_id] = replace(plan, plan_id="since June", offset_s=later)
    state = replace(known, running_plans=ran)
    running = unregistered(network, state)
    assert {plan.junction_id for plan in running} == {first, second}
    bench = Bench(
        network=network,
        net_file=short_night.city / NET_FILE,
        signals=short_night.city / SIGNALS_FILE,
        state=state,
        vehicles=drivable_vehicles(state, network)[:50],
        running=running,
        folder=tmp_path,
        journal=Journal(tmp_path / "journal"),
        timeout_s=60,
    )
    path = write_programs([replace(ran[first], plan_id="new")], tmp_path / "new.add.xml")
    candidate = Candidate("new", (replace(ran[first], plan_id="new"),), path)
    for tried, junction_id, program in (
        (BASE, first, "running.since June"),
        (candidate, first, "new"),
        (candidate, second, "running.since June"),
    ):
        folder = tmp_path / f"{tried.candidate_id}-{junction_id}"
        folder.mkdir()
        request = bench.request(tried, 4, "confirm", 1.0, places=False)
        assert set(programs_of(request, junction_id, folder)) == {program}
    folder = tmp_path / "switching"
    folder.mkdir()
    request = bench.request(with_transition(candidate, bench), 4, "transition", 1.0, places=False)
    programs = programs_of(request, first, folder)
    assert (programs[0], programs[-1]) == ("running.since June", "running.since June")
    assert "new" in programs


def test_known_days_take_turns(short_night: ShortNight, tmp_path: Path) -> None:
    known, network = short_night.known, short_night.network
    fewer = replace(known, trips=known.trips[:40], vehicle_classes=known.vehicle_classes[:40])
    vehicles, days = known_days([known, fewer], network)
    assert [len(day.vehicles) for day in days] == [len(vehicles) - len(days[1].vehicles), 40]
    bench = Bench(
        network=network,
        net_file=short_night.city / NET_FILE,
        signals=short_night.city / SIGNALS_FILE,
        state=known,
        vehicles=vehicles,
        days=days,
        folder=tmp_path,
        journal=Journal(tmp_path / "journal"),
        timeout_s=60,
    )
    seeds = [Check(bench, short_night.state, CheckParams(), 5).seed_of(n) for n in range(4)]
    drawn = [bench._day(s, 1.0, BASE, tonight=False).drawn for s in seeds]
    shares = sorted(float(np.mean(d >= days[1].vehicles.start)) for d in drawn)
    assert shares == [0.0, 0.0, 1.0, 1.0]
    tonight = [bench._day(s, 1.0, BASE, tonight=True).drawn for s in seeds]
    assert all(d.max() < days[1].vehicles.start for d in tonight)


def test_lines_are_ways_of_buses() -> None:
    ways: Ways = ways_of(VEHICLES, STREETS)
    assert ways.turns == (("a", "b"), ("b", ""), ("c", "b"))
    assert ways.lines == (("a", "b"),)
    assert ways.line_idx.tolist() == [-1, -1, -1, -1, 0]
