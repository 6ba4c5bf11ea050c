"""The benchmark of plans: what was run is not run again; the table tells what was stored."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import pytest

from benchmarks.plans.adapting import MAX_GAPS_S, Adaptation, adapted, best_adaptation
from benchmarks.plans.controlled import _between, find_controller, run_controlled, source_digest
from benchmarks.plans.maps import read_map
from benchmarks.plans.ours import spent_by_link
from benchmarks.plans.store import Figures, Store
from benchmarks.plans.table import markdown
from optimizers.nearness import NOWHERE
from optimizers.params import OptimizeParams
from optimizers.problem import read_problem
from optimizers.refine import RefineParams
from optimizers.search import Plans
from sim_scenarios.outputs import read_trips, summarise
from sim_scenarios.run import RunRequest, run
from tests.unit.short_night import ShortNight
from traffic_brain.cli import main
from traffic_brain.errors import ConfigurationError


def test_a_run_is_made_once(tmp_path: Path) -> None:
    store, calls = Store(tmp_path / "runs"), []

    def answer() -> Figures:
        calls.append(1)
        return {"delay_s_per_veh": 12.5}

    first = store.once({"map": "a", "seed": 1}, answer)
    assert store.once({"seed": 1, "map": "a"}, answer) == first
    assert len(calls) == 1
    store.once({"map": "a", "seed": 2}, answer)
    assert len(calls) == 2
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_run_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def broken() -> Figures:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.once({"map": "a"}, broken)
    assert list(tmp_path.iterdir()) == []


def test_means_medians_and_failures_stand_in_the_table() -> None:
    one = {"map": "m", "demand": "recorded", "contender": "ours", "not_inserted": 0, "cpu_s": 1.0}
    rows = [one | {"delay_s_per_veh": s} for s in (10.0, 11.0, 30.0)]
    rows.append({"map": "m", "demand": "recorded", "contender": "tool", "failed": "crashed"})
    lines = markdown(rows).splitlines()
    assert lines[2].startswith("| m | recorded | ours | 3 | 17.0 | [")
    assert "| 11.0 | 0.0 | 1.0 |" in lines[2]
    assert "fails" in lines[3]


def test_settings_of_actuated_control_are_found_one_after_the_other() -> None:
    wanted = Adaptation(longest_ratio=1.3, max_gap_s=2.0, detector_gap_s=1.0)

    def delay_s(how: Adaptation) -> float:
        pairs = zip(astuple(how), astuple(wanted), strict=True)
        return sum(abs(a - b) for a, b in pairs)

    assert best_adaptation(delay_s) == wanted


def test_adapting_stages_are_taken_only_where_the_street_is_better_off(
    short_night: ShortNight, tmp_path: Path
) -> None:
    night = short_night
    problem = read_problem(night.city, night.state, night.diagnosis, OptimizeParams(), seed=1)
    start = {j: p.plan for j, p in problem.problems.items()}
    asked: list[float] = []

    def delay_s(plans: Plans, how: Adaptation, day: int) -> float:
        asked.append(sum(plan.cycle_s for plan in plans.values()) + how.max_gap_s + day)
        return asked[-1]

    plans, how = adapted(problem.area(), start, RefineParams(), delay_s, (0, 1), tries=80, seed=1)
    assert sum(p.cycle_s for p in plans.values()) < sum(p.cycle_s for p in start.values())
    assert how.max_gap_s == min(MAX_GAPS_S)
    found = delay_s(plans, how, 0)
    assert found == min(asked)
    text = how.write(plans, tmp_path / "plans.add.xml").read_text(encoding="utf-8")
    assert f'<param key="max-gap" value="{how.max_gap_s}"' in text
    assert text.count('type="actuated"') == len(plans)


def test_all_time_from_when_a_vehicle_is_due_goes_by_links(tmp_path: Path) -> None:
    map_ = read_map("cologne1", tmp_path)
    result = run(RunRequest(map_.world, 1, tmp_path / "run", vehicle_routes=True))
    spent, end_s = spent_by_link(result), map_.world.end_s
    trips = list(read_trips(result.trips_file, end_s))
    seconds = sum((t.arrival_s if t.arrived else end_s) - t.due_s for t in trips)
    assert sum(spent.values()) == pytest.approx(seconds / len(trips), abs=0.01)
    assert not all(t.arrived for t in trips)
    assert spent.keys() - {NOWHERE} <= map_.network.links.keys()


def test_who_loses_green_gets_yellow() -> None:
    assert _between("GgrG", "rGGG") == "ygrG"


def test_a_contender_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["bench", "plans", "--contenders", "nobody", "--out", str(tmp_path / "out")])
    assert code == 3
    assert "no contender is called nobody" in capsys.readouterr().err


def test_a_controller_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The handbook's example drives the small city, and better than one that never switches."""
    monkeypatch.chdir(Path(__file__).parents[2] / "docs" / "examples")
    example = find_controller("longest_queue:LongestQueue")
    assert len(source_digest(example)) == 16

    class Asleep:
        decision_s = 10

        def start(self, network: object, junctions: object) -> set[str]:
            return set()

        def choose(self, seen: object) -> dict[str, int]:
            return {}

    city = read_map("small", tmp_path)
    world = replace(city.world, end_s=city.world.begin_s + 600)
    delays = {}
    for name, controller in (("awake", example()), ("asleep", Asleep())):
        request = RunRequest(world, 1, tmp_path / name, options=("--end", str(world.end_s)))
        delays[name] = summarise(run_controlled(city, controller, request)).delay_s_per_veh
    assert delays["awake"] < 0.5 * delays["asleep"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "module:Class"),
        ("no_such_module:X", "no controller"),
        ("json:Nothing", "no controller"),
        ("json:JSONDecoder", "no decision_s, start, choose"),
    ],
)
def test_what_is_no_controller(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "plans", "--controller", name, "--out", "never-made"]) == 3
    assert told in capsys.readouterr().err
    assert not Path("never-made").exists()


@pytest.mark.parametrize(
    ("lanes", "chosen", "told"),
    [
        (None, {}, "start returned None"),
        ({"nowhere_0"}, {}, "'nowhere_0', no lane of this map"),
        (set(), None, "choose returned None"),
        (set(), {"J": 99}, "stage 99 of 'J'"),
        (set(), {"no junction": 0}, "stage 0 of 'no junction', which has 0"),
        (set(), ZeroDivisionError("by nought"), "ZeroDivisionError: by nought (line "),
    ],
)
def test_a_fault_of_a_controller_is_told_as_its_own(
    lanes: object, chosen: object, told: str, tmp_path: Path
) -> None:
    class Faulty:
        decision_s = 10

        def start(self, network: object, junctions: object) -> object:
            return lanes

        def choose(self, seen: object) -> object:
            if isinstance(chosen, Exception):
                raise chosen
            return {next(iter(city.in_service)): 99} if chosen == {"J": 99} else chosen

    city = read_map("small", tmp_path)
    request = RunRequest(replace(city.world, end_s=city.world.begin_s + 60), 1, tmp_path / "run")
    with pytest.raises(ConfigurationError) as error:
        run_controlled(city, Faulty(), request)  # type: ignore[arg-type]
    assert told.replace("'J'", repr(next(iter(city.in_service)))) in str(error.value)
    assert "Faulty" in str(error.value)


def test_a_map_without_fixed_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no signal of crossing runs a fixed plan"):
        read_map("crossing", tmp_path)
