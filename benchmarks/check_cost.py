"""CPU of the whole check beside that of the bare ``sumo`` runs it makes.

Each world is recorded, fused and optimised; then ``traffic-brain check`` runs as a process of its
own, and its CPU (start-up, imports, demand, SUMO, reading, verdict) is measured with that of its
children. After it, every run that it made is driven once more by ``sumo`` alone: with the same
command line, and with one that writes no output at all.

    python -m benchmarks.check_cost [WORLD ...] --out DIR [--seed 1] [--json FILE]

WORLD is a name or the path of a .sumocfg; without one: cologne3, ingolstadt7 and cologne8. Asked
are 1.1 times the bare runs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.gate.cities import RecordedCity, recorded
from network_data.city import NET_FILE, SIGNALS_FILE
from network_data.sumo_tools import sumo_environment, sumo_program
from sim_scenarios.check import read_candidates, unregistered
from sim_scenarios.demand import Drivers, drivable_vehicles
from sim_scenarios.gate.bench import IN_SERVICE, Bench, Candidate
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.phases import CALM, CONFIRM, MORE_DAYS, STRESS, TRANSITION, Check
from sim_scenarios.gate.transition import with_transition
from sim_scenarios.run import RunRequest, sumo_command
from sim_scenarios.spec import find
from traffic_brain.fusion.state import load_state
from traffic_brain.model.reading import read_json

WORLDS = ("cologne3", "ingolstadt7", "cologne8")
ASKED = 1.1


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one check."""

    world: str
    runs: int
    check_s: float
    same_command_s: float
    """The same command lines, alone."""
    no_output_s: float
    """The same runs, writing nothing."""


def cost(world: RecordedCity) -> Cost:
    """Measure one world."""
    verdict = world.folder / "cost-verdict"
    shutil.rmtree(verdict, ignore_errors=True)
    folders = [str(f) for f in (world.city, world.state, world.plans, verdict)]
    program = "import sys; from traffic_brain.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "check", *folders, "--seed", str(world.seed)]
    check_s = _cpu_s([(command, world.folder)])
    with tempfile.TemporaryDirectory(dir=world.folder) as name:
        requests = _requests(world, verdict, Path(name))
        same_s = _cpu_s([(sumo_command(request), request.folder) for request in requests])
        silent_s = _cpu_s([(_silent_command(request), request.folder) for request in requests])
    return Cost(world.spec.name, len(requests), check_s, same_s, silent_s)


def _requests(world: RecordedCity, verdict: Path, folder: Path) -> list[RunRequest]:
    """The runs that the check tells of, once more."""
    state = load_state(world.state, world.network)
    params = CheckParams()
    bench = Bench(
        network=world.network,
        net_file=(world.city / NET_FILE).resolve(),
        signals=(world.city / SIGNALS_FILE).resolve(),
        state=state,
        vehicles=drivable_vehicles(state, world.network),
        running=unregistered(world.network, state),
        folder=folder,
        journal=Journal(folder / "journal"),
        timeout_s=params.timeout_s,
        drivers=Drivers(**read_json(verdict / "calibration.json")["drivers"]),
    )
    check = Check(bench, world.state, params, world.seed)
    found = [  # the calibration's: they stand in no list
        bench.request(check.base, check.seed_of(number), None, 1.0, places=False, tonight=True)
        for number in MORE_DAYS
    ]
    known = {c.candidate_id: c for c in read_candidates(world.plans, folder)}
    known[IN_SERVICE] = Candidate(IN_SERVICE)
    rounds: dict[int, int] = {}
    for row in pq.read_table(verdict / "runs.parquet").to_pylist():
        candidate, seed, phase = known[row["candidate_id"]], row["seed"], row["phase"]
        rounds.setdefault(seed, len(rounds))
        scale = {STRESS: params.stress_scale, CALM: params.calm_scale}.get(phase, 1.0)
        if phase == "screen" and rounds[seed] % 2 == 0:
            scale = params.stress_scale
        if phase == TRANSITION:
            candidate = with_transition(candidate, bench)
        calibrates = phase == "screen" and rounds[seed] % 2 == 1 and not candidate.plans
        found.append(
            bench.request(candidate, seed, phase, scale, places=phase == CONFIRM or calibrates)
        )
    for request in found:
        request.folder.mkdir(exist_ok=True)
    return found


def _silent_command(request: RunRequest) -> list[str]:
    scenario = request.scenario
    additional = [*scenario.additional_files, *request.additional]
    return [
        *(str(sumo_program()), "--configuration-file", str(scenario.sumocfg)),
        *("--seed", str(request.seed), "--no-step-log", "--no-warnings"),
        *("--xml-validation", "never", "--additional-files", ",".join(map(str, additional))),
    ]


def _cpu_s(commands: Sequence[tuple[Sequence[str], Path]]) -> float:
    """CPU, user and system, of processes and of all their children.

    As many run side by side as the check runs: two on one machine cost each other some CPU.
    """

    def drive(one: tuple[Sequence[str], Path]) -> None:
        command, folder = one
        subprocess.run(command, cwd=folder, env=sumo_environment(), check=True, capture_output=True)

    before = os.times()
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(drive, commands))
    after = os.times()
    return (
        after.children_user + after.children_system - before.children_user - before.children_system
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print a line per world; 1 when one costs more than asked."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    found = []
    print(
        f"{'world':14}{'runs':>5}{'check':>9}{'same runs':>11}{'no output':>11}{'ratio':>7}{'':3}"
    )
    for name in options.worlds or WORLDS:
        spec = find(name)
        c = cost(recorded(spec, options.out, options.seed))
        found.append(c)
        print(
            f"{c.world:14}{c.runs:5}{c.check_s:8.1f}s{c.same_command_s:10.1f}s"
            f"{c.no_output_s:10.1f}s{c.check_s / c.same_command_s:7.3f}"
            f"   ({c.check_s / c.no_output_s:.3f} times the runs without output)",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps([asdict(c) for c in found], indent=1), "utf-8")
    return int(any(c.check_s > ASKED * c.same_command_s for c in found))


if __name__ == "__main__":
    sys.exit(main())
