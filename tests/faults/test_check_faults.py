"""What happens to the check when SUMO, the disk or the machine fails; with the real SUMO."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from network_data.city import NET_FILE, SIGNALS_FILE
from sim_scenarios.check import check
from sim_scenarios.demand import drivable_vehicles
from sim_scenarios.gate.bench import IN_SERVICE, Bench, Candidate
from sim_scenarios.gate.figures import RunFigures
from sim_scenarios.gate.journal import Journal
from sim_scenarios.outputs import DelaySummary
from sim_scenarios.run import TRIPS_FILE
from tests.faults.check_of_night import FEW
from tests.unit.short_night import ShortNight, short_night_in
from traffic_brain.errors import SimulationError
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.progress import silent

BASE = Candidate(IN_SERVICE)


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory) -> ShortNight:
    return short_night_in(tmp_path_factory.mktemp("faults"), duration_s=300)


def bench_in(folder: Path, night: ShortNight, timeout_s: float = 60.0) -> Bench:
    work = folder / "work"
    work.mkdir()
    network = night.network
    state = night.known
    return Bench(
        network=network,
        net_file=night.city / NET_FILE,
        signals=night.city / SIGNALS_FILE,
        state=state,
        vehicles=drivable_vehicles(state, network),
        folder=work,
        journal=Journal(folder / "journal"),
        timeout_s=timeout_s,
        workers=1,
    )


def driven(bench: Bench) -> DelaySummary:
    return bench.run([(BASE, 5)], "screen", 1.0, silent)[0].delay


@pytest.fixture(scope="session")
def usual(night: ShortNight, tmp_path_factory: pytest.TempPathFactory) -> DelaySummary:
    """The run that all faults happen to, undisturbed."""
    return driven(bench_in(tmp_path_factory.mktemp("usual"), night))


def children() -> list[int]:
    """Processes of SUMO that this process has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, rest = (folder / "stat").read_text("utf-8").rsplit(")", 1)
        except OSError:
            continue
        if name.endswith("(sumo") and int(rest.split()[1]) == os.getpid():
            found.append(int(folder.name))
    return found


@contextmanager
def harm(do: Callable[[int], None], times: int) -> Iterator[list[int]]:
    """While the block runs, do something to each of the first ``times`` SUMOs that start."""
    met: list[int] = []
    over = threading.Event()

    def watch() -> None:
        while not over.is_set() and len(met) < times:
            for pid in children():
                if pid not in met and len(met) < times:
                    met.append(pid)
                    do(pid)
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield met
    finally:
        over.set()
        watcher.join()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def hang(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def test_a_run_whose_sumo_is_killed_is_repeated(
    night: ShortNight, usual: DelaySummary, tmp_path: Path
) -> None:
    with harm(kill, 1) as met:
        assert driven(bench_in(tmp_path, night)) == usual
    assert len(met) == 1


def test_a_run_that_is_killed_twice_is_an_error(night: ShortNight, tmp_path: Path) -> None:
    bench = bench_in(tmp_path, night)
    with harm(kill, 2), pytest.raises(SimulationError, match="was ended by signal 9"):
        driven(bench)
    assert bench.done == []


def test_a_run_that_hangs_is_ended_and_repeated(
    night: ShortNight, usual: DelaySummary, tmp_path: Path
) -> None:
    with harm(hang, 1) as met:
        assert driven(bench_in(tmp_path, night, timeout_s=3)) == usual
    assert len(met) == 1


def test_a_run_that_hangs_twice_is_an_error(night: ShortNight, tmp_path: Path) -> None:
    bench = bench_in(tmp_path, night, timeout_s=0.3)
    with harm(hang, 2), pytest.raises(SimulationError, match="did not end within"):
        driven(bench)


def torn(folder: Path, times: int) -> Callable[[int], None]:
    """Overwrite the middle of the trips while SUMO writes them: a hole that only a reader sees."""

    def do(pid: int) -> None:
        while True:
            found = list(folder.glob(f"run-*/{TRIPS_FILE}"))
            if found and found[0].stat().st_size > 4000:
                break
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.001)
        with found[0].open("r+b") as file:
            file.seek(2000)
            file.write(b"\0" * 1500)

    assert times
    return do


def test_a_run_with_a_corrupted_output_is_repeated(
    night: ShortNight, usual: DelaySummary, tmp_path: Path
) -> None:
    bench = bench_in(tmp_path, night)
    with harm(torn(bench.folder, 1), 1) as met:
        assert driven(bench) == usual
    assert len(met) == 1


def test_outputs_that_are_corrupted_twice_are_an_error(night: ShortNight, tmp_path: Path) -> None:
    bench = bench_in(tmp_path, night)
    with harm(torn(bench.folder, 2), 2), pytest.raises(SimulationError, match="unreadable output"):
        driven(bench)


def test_outputs_on_a_full_disk_are_an_error_and_no_verdict(
    night: ShortNight, tmp_path: Path
) -> None:
    """A disk of its own, of 64 kB: SUMO itself ends well there, with half a file."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here (only root can)")
    try:
        bench = bench_in(disk, night)
        with pytest.raises(SimulationError, match=r"is full|No space left"):
            driven(bench)
        assert bench.done == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_file_that_cannot_grow_is_an_error(night: ShortNight, tmp_path: Path) -> None:
    """The system ends a SUMO that writes more than it may."""
    bench = bench_in(tmp_path, night)

    def limit(pid: int) -> None:
        subprocess.run(["prlimit", f"--pid={pid}", "--fsize=3000"], check=True)

    with harm(limit, 2), pytest.raises(SimulationError):
        driven(bench)


# --- the machine stops in mid-check -----------------------------------------------------------


@pytest.fixture(scope="session")
def plans(night: ShortNight, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plans in service, a little later: as good as they are, so that all phases come."""
    folder = tmp_path_factory.mktemp("plans")
    later = [
        plan_to_dict(replace(plan, plan_id="later").with_offset(plan.offset_s + 1))
        for plan in night.known.running_plans.values()
    ]
    document = {"candidates": [{"candidate_id": "later", "plans": later}]}
    (folder / "candidates.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def start(night: ShortNight, plans: Path, out: Path) -> subprocess.Popen[bytes]:
    out.mkdir(parents=True)
    script = Path(__file__).with_name("check_of_night.py")
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, script, night.city, night.state, plans, out],
        env=os.environ | {"PYTHONPATH": str(root)},
    )


def test_a_check_that_is_killed_goes_on_and_repeats_no_run(
    night: ShortNight, plans: Path, tmp_path: Path
) -> None:
    runs = check(night.city, night.state, plans, made(tmp_path / "a" / "whole"), seed=1, params=FEW)
    journal = tmp_path / "b" / ".check-runs"
    first = start(night, plans, tmp_path / "b" / "killed")
    deadline_s = time.monotonic() + 60
    while not journal.exists() or len(list(journal.iterdir())) < 2:
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    first.kill()
    first.wait()
    known = {path.name for path in journal.iterdir() if not path.name.startswith(".")}
    assert not (tmp_path / "b" / "killed" / "verdict.json").exists()
    times = {name: (journal / name).stat().st_mtime_ns for name in known}
    seen: list[str] = []
    out = made(tmp_path / "b" / "again")
    again = check(
        *(night.city, night.state, plans, out),
        seed=1,
        params=FEW,
        journal=journal,
        progress=lambda _, message: seen.append(message),
    )
    assert again == runs
    assert {name: (journal / name).stat().st_mtime_ns for name in known} == times
    assert sum("known" in message for message in seen) >= len(known)
    for name in ("verdict.json", "runs.parquet", "calibration.json"):
        assert (out / name).read_bytes() == (tmp_path / "a" / "whole" / name).read_bytes()


def made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def test_a_noted_run_that_was_damaged_is_done_again(
    night: ShortNight, usual: DelaySummary, tmp_path: Path
) -> None:
    bench = bench_in(tmp_path, night)
    assert driven(bench) == usual
    (noted,) = bench.journal.folder.iterdir()
    noted.write_bytes(noted.read_bytes()[:-30])
    assert driven(bench) == usual
    assert bench.journal.find(noted.name) is not None


def test_runs_with_another_seed_demand_or_plan_are_other_runs(
    night: ShortNight, tmp_path: Path
) -> None:
    bench = bench_in(tmp_path, night)
    retimed = tmp_path / "retimed.add.xml"
    retimed.write_text("<additional/>", encoding="utf-8")
    asked = [
        bench.request(candidate, seed, "screen", scale, places=False)
        for candidate in (BASE, Candidate("other", (), retimed))
        for seed in (1, 2)
        for scale in (1.0, 1.1)
    ]
    keys = [bench.journal.key(request) for request in asked]
    assert len(set(keys)) == len(keys)


def test_figures_come_back_from_the_journal_as_they_were(night: ShortNight, tmp_path: Path) -> None:
    bench = bench_in(tmp_path, night)
    first = bench.run([(BASE, 7)], "confirm", 1.0, silent, places=True)[0]
    again = bench.run([(BASE, 7)], "confirm", 1.0, silent, places=True)[0]
    assert isinstance(again, RunFigures)
    assert first.document() == again.document()
