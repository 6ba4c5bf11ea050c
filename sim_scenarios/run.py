"""Runs of SUMO as child processes: found, started, watched, timed out, and read for errors.

SUMO never runs inside this process: a crash or a hang ends one run and nothing else. The
result of a run depends on its request alone, and results come in the order of the requests,
so the number of workers changes nothing but the time.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from network_data.sumo_tools import last_words, sumo_environment, sumo_program
from traffic_brain.errors import SimulationError
from traffic_brain.progress import Progress, silent

if TYPE_CHECKING:
    from sim_scenarios.scenario import PreparedScenario

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 3600.0
TRIPS_FILE = "trips.xml"
ROUTES_FILE = "vehicle_routes.xml"
STATISTICS_FILE = "statistics.xml"
_STEP = re.compile(rb"Step #(\d+(?:\.\d+)?)")


@dataclass(frozen=True, slots=True)
class RunRequest:
    """One run: what, with which seed, and where its outputs go.

    ``additional`` files are loaded after the scenario's own, so that signal programs in them
    are the ones that run; ``options`` are further options of SUMO's command line.
    """

    scenario: PreparedScenario
    seed: int
    folder: Path
    additional: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()
    vehicle_routes: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that ended well; its files lie in ``request.folder``."""

    request: RunRequest
    wall_clock_s: float

    @property
    def trips_file(self) -> Path:
        return self.request.folder / TRIPS_FILE

    @property
    def vehicle_routes_file(self) -> Path:
        return self.request.folder / ROUTES_FILE

    @property
    def statistics_file(self) -> Path:
        return self.request.folder / STATISTICS_FILE


def run(
    request: RunRequest,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> RunResult:
    """Run SUMO once. Raises SimulationError when it fails, crashes or takes too long."""
    request.folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    # When this process is killed, nobody reads the pipes: the next line of the step log ends SUMO.
    process = subprocess.Popen(
        sumo_command(request),
        cwd=request.folder,
        env=sumo_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    timer = threading.Timer(timeout_s, process.kill)
    heard: list[bytes] = []
    listener = threading.Thread(target=_listen, args=(process, heard), daemon=True)
    try:
        timer.start()
        listener.start()
        _follow(process, request, progress)
        code = process.wait()
        listener.join()
    finally:
        timed_out = not timer.is_alive()
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdout, process.stderr):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
    if code:
        raise _failure(request, code, b"".join(heard), timeout_s if timed_out else None)
    return RunResult(request, time.monotonic() - started)


def run_all(
    requests: Sequence[RunRequest],
    *,
    workers: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> list[RunResult | SimulationError]:
    """Run all requests, ``workers`` at a time (default: one per core), in a stable order.

    A run that fails stands in the list as its error; the others go on.
    """

    def simulate(idx: int, report: Progress) -> RunResult:
        return run(requests[idx], timeout_s=timeout_s, progress=report)

    return spread(simulate, len(requests), workers=workers, progress=progress)


def spread(
    work: Callable[[int, Progress], T],
    count: int,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> list[T | SimulationError]:
    """``work(idx, progress)`` for each index below ``count``, ``workers`` at a time, in order.

    What raises a SimulationError stands in the list as its error; the others go on. The threads
    wait for child processes: what ``work`` computes itself takes turns.
    """
    done_ratios = [0.0] * count
    lock = threading.Lock()

    def one(idx: int) -> T | SimulationError:
        def report(done_ratio: float, message: str) -> None:
            with lock:
                done_ratios[idx] = done_ratio
                progress(sum(done_ratios) / count, message)

        try:
            return work(idx, report)
        except SimulationError as error:
            report(1.0, error.what)
            return error

    with ThreadPoolExecutor(max_workers=workers or os.cpu_count() or 1) as pool:
        futures = [pool.submit(one, idx) for idx in range(count)]
        try:
            return [future.result() for future in futures]
        finally:  # interrupted: what has not begun never begins
            for future in futures:
                future.cancel()


def sumo_command(request: RunRequest) -> list[str]:
    """The command line of a run."""
    scenario = request.scenario
    folder = request.folder.resolve()
    additional = [*scenario.additional_files, *request.additional]
    steps_per_report = max(1, round((scenario.end_s - scenario.begin_s) / scenario.step_s / 200))
    command = [
        *(str(sumo_program()), "--configuration-file", str(scenario.sumocfg)),
        *("--seed", str(request.seed), "--xml-validation", "never", "--no-warnings"),
        *("--step-log.period", str(steps_per_report)),
        *("--statistic-output", str(folder / STATISTICS_FILE)),
        *("--tripinfo-output", str(folder / TRIPS_FILE)),
        *("--tripinfo-output.write-unfinished", "--tripinfo-output.write-undeparted"),
    ]
    if additional:
        command += ["--additional-files", ",".join(map(str, additional))]
    if request.vehicle_routes:
        command += [
            *("--vehroute-output", str(folder / ROUTES_FILE), "--vehroute-output.exit-times"),
            "--vehroute-output.write-unfinished",
        ]
    return [*command, *request.options]


def _listen(process: subprocess.Popen[bytes], heard: list[bytes]) -> None:
    """Keep what SUMO complains about, so that a full pipe never stops it."""
    assert process.stderr is not None
    heard.extend(process.stderr)
    del heard[:-200]


def _follow(process: subprocess.Popen[bytes], request: RunRequest, progress: Progress) -> None:
    """Turn SUMO's step log into progress until its output ends."""
    assert process.stdout is not None
    scenario = request.scenario
    length_s = max(1, scenario.end_s - scenario.begin_s)
    message = f"{scenario.name}: seed {request.seed}"
    while chunk := os.read(process.stdout.fileno(), 65536):
        steps = _STEP.findall(chunk)
        if steps:
            done_ratio = (float(steps[-1]) - scenario.begin_s) / length_s
            progress(min(1.0, max(0.0, done_ratio)), message)
    progress(1.0, message)


def _failure(
    request: RunRequest, code: int, stderr: bytes, timeout_s: float | None
) -> SimulationError:
    what = f"SUMO run of {request.scenario.name} with seed {request.seed}"
    if timeout_s is not None:
        return SimulationError(f"{what} did not end within {timeout_s:.0f} s", "allow more time")
    if code < 0:
        return SimulationError(f"{what} was ended by signal {-code}: {last_words(stderr)}")
    return SimulationError(f"{what} failed: {last_words(stderr)}")
