"""Tasks in this process, on processes, and on a Dask cluster: one order, one result."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.unit import feed_rows, work
from traffic_brain import executor
from traffic_brain.errors import ConfigurationError, TrafficBrainError
from traffic_brain.executor import Engine, run_all

ROOT = Path(__file__).parents[2]
SOON_S = 120.0
needs_dask = pytest.mark.skipif(
    find_spec("distributed") is None, reason="Dask is not installed: the extra cluster"
)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    engine = Engine(workers)
    assert list(run_all(work.squared_late, range(5), engine)) == [0, 1, 4, 9, 16]
    assert list(run_all(work.squared, [], engine)) == []


def test_workers_end_with_who_has_begun_them() -> None:
    """A worker left behind would hold the pipes of a killed night open for ever."""
    code = """
from tests.unit import work
from traffic_brain.executor import Engine, run_all
for found in run_all(work.squared_late, [3, 4, -400], Engine(2)):
    print(found, flush=True)
"""
    begun = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert begun.stdout is not None
    assert begun.stdout.readline() == "9\n"
    begun.kill()
    begun.communicate(timeout=SOON_S)


def test_a_worker_that_dies_while_nobody_looks_is_replaced(tmp_path: Path) -> None:
    tasks = [(number, str(tmp_path)) for number in range(6)]
    found = []
    for result in run_all(work.die_once, tasks, Engine(2)):
        found.append(result)
        time.sleep(0.3)
    assert found == [0, 1, 4, 9, 16, 25]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_a_task_is_the_caller_s(workers: int) -> None:
    results = run_all(work.refuse, range(4), Engine(workers))
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="not liked"):
        list(results)


def test_an_error_waits_for_its_turn() -> None:
    results = run_all(work.refuse_early, range(2), Engine(2))
    assert next(results) == 0
    with pytest.raises(ValueError, match="not liked"):
        next(results)


def test_a_task_whose_process_died_is_done_again(tmp_path: Path) -> None:
    tasks = [(number, str(tmp_path)) for number in range(6)]
    assert list(run_all(work.die_once, tasks, Engine(2))) == [0, 1, 4, 9, 16, 25]
    assert (tmp_path / "died").exists()


def test_a_task_that_always_ends_its_process_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "ATTEMPTS", 2)
    with pytest.raises(TrafficBrainError, match="ended the process that worked on it 2 times"):
        list(run_all(work.die_always, [1, 2], Engine(2)))


@needs_dask
def test_a_cluster_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "CONNECT_S", 1)
    with pytest.raises(
        ConfigurationError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1"
    ):
        list(run_all(work.squared, [1], Engine(cluster="tcp://127.0.0.1:9")))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """A real scheduler and two worker processes of one thread; its address, and the workers."""
    known = tmp_path / "scheduler.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_DISTRIBUTED__WORKER__DAEMON": "no"}
    dask = [sys.executable, "-m", "dask"]
    options = ["--no-dashboard", "--scheduler-file", str(known)]
    worker = [*dask, "worker", *options, "--no-nanny", "--nthreads", "1", "--memory-limit", "0"]
    worker += ["--local-directory", str(tmp_path)]

    def start(command: list[str]) -> subprocess.Popen[bytes]:
        with (tmp_path / "log.txt").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=ROOT)

    scheduler = start([*dask, "scheduler", *options, "--host", "127.0.0.1", "--port", "0"])
    workers: list[subprocess.Popen[bytes]] = []
    try:
        deadline = time.monotonic() + SOON_S
        while not known.exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        workers += [start(worker), start(worker)]
        from distributed import Client

        with Client(scheduler_file=str(known), timeout=SOON_S) as client:
            client.wait_for_workers(2, timeout=SOON_S)
            address = client.scheduler.address
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()


@needs_dask
def test_a_cluster_loses_a_worker_and_no_result(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    """A day of feeds in tasks; one of two workers is killed when the first task is done."""
    address, workers = cluster
    paths = feed_rows.write_files(tmp_path, feed_rows.random_files(random.Random(6), 24, 300))
    here = feed_rows.statistics_of(paths, tmp_path / "scratch")
    killed: list[str] = []

    def kill(done_ratio: float, message: str) -> None:
        if not killed:
            workers[0].send_signal(signal.SIGKILL)
            killed.append(f"{done_ratio} {message}")

    engine = Engine(cluster=address)
    there = feed_rows.statistics_of(paths, tmp_path / "scratch", engine=engine, progress=kill)
    assert killed
    assert float(killed[0].split()[0]) < 0.5
    assert workers[0].wait() == -signal.SIGKILL
    assert workers[1].poll() is None
    assert feed_rows.bytes_of(there, tmp_path / "there") == feed_rows.bytes_of(
        here, tmp_path / "here"
    )
