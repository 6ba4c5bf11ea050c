"""Optimisations and checks that planners start: each a process of its own, in a folder of its own.

A run's folder lies in ``runs/`` of its night: ``run.json`` (what was asked for, by whom),
``progress.json`` and ``failed.json`` (written by the process), ``ledger.jsonl`` and the folders of
its stages. One run at a time works for one console: simulations take all cores.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

from traffic_brain.console.nights import NightFolder
from traffic_brain.console.refusals import Conflict, NotFound
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.nightly.manifest import MANIFEST

RUNS = "runs"
REQUEST, PROCESS, PROGRESS = "run.json", "process.json", "progress.json"
FAILED, CANCELLED = "failed.json", "cancelled.json"
LOG = "log.txt"
MODIFIED = "modified"
"""A package that a planner has changed; it is checked instead of candidates."""
_RUN_ID = re.compile(r"R\d{3,6}")


class Kind(StrEnum):
    """OPTIMISE: new plans for one corridor. CHECK: plans that a planner changed by hand."""

    OPTIMISE = "optimise"
    CHECK = "check"


class Status(StrEnum):
    """How a run stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """Its process is gone without a word: the machine or somebody stopped it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a run shall do."""

    kind: Kind
    corridor_id: str
    seed: int
    confirm_seeds: int
    """Pairs of simulations on which the check rests."""
    candidates: int
    """OPTIMISE: how many sets of plans are checked, the best expected first."""
    who: str
    at: str
    offsets_s: Mapping[str, int] = field(default_factory=dict)
    """CHECK: by junction, the offsets that were set by hand."""
    from_run: str = ""
    """CHECK: whose plans were changed; empty: the night's."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands now."""

    run_id: str
    folder: Path
    request: Request
    status: Status
    done_ratio: float
    message: str


class Runs:
    """Starts, watches and cancels the runs of all nights."""

    def __init__(self) -> None:
        self._processes: dict[Path, subprocess.Popen[bytes]] = {}
        self._lock = Lock()

    def of(self, night: NightFolder) -> list[Run]:
        """All runs of a night, the newest first."""
        folder = night.root / RUNS
        if not folder.is_dir():
            return []
        names = [p.name for p in folder.iterdir() if _RUN_ID.fullmatch(p.name)]
        return [
            self._run(folder / name)
            for name in sorted(names, key=lambda n: int(n[1:]), reverse=True)
            if (folder / name / REQUEST).is_file()
        ]

    def find(self, night: NightFolder, run_id: str) -> Run:
        """One run of a night.

        Raises:
            NotFound: there is none of this name.
        """
        for run in self.of(night):
            if run.run_id == run_id:
                return run
        raise NotFound("there is no such run", "choose one of the list")

    def start(
        self,
        night: NightFolder,
        request: Request,
        prepare: Callable[[Path], object] | None = None,
    ) -> Run:
        """Start a run in a new folder, after ``prepare`` has put there what it needs.

        Raises:
            Conflict: another is at work.
            TrafficBrainError: as ``prepare`` raises it; then there is no run.
        """
        with self._lock:
            self._refuse_second()
            folder = _new_folder(night.root / RUNS)
            try:
                if prepare is not None:
                    prepare(folder)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            (folder / REQUEST).write_text(to_json(asdict(request)), encoding="utf-8")
            with (folder / LOG).open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "traffic_brain.console.run_worker", str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that a cancel reaches its simulations too
                )
            self._processes[folder] = process
            (folder / PROCESS).write_text(to_json({"pid": process.pid}), encoding="utf-8")
        return self._run(folder)

    def cancel(self, run: Run) -> None:
        """End a run and its simulations; what it has finished stays.

        Raises:
            Conflict: it has ended already.
        """
        with self._lock:
            if self._run(run.folder).status is not Status.RUNNING:
                raise Conflict("the run has ended already", "look at what it has found")
            (run.folder / CANCELLED).write_text("{}", encoding="utf-8")
            process = self._processes.pop(run.folder, None)
            if process is not None:
                _end(process.pid)
                process.wait(timeout=10)
            elif _is_ours(pid := _process_id(run.folder), run.folder):
                _end(pid)

    def close(self) -> None:
        """End everything that is still at work, when the console ends."""
        for folder, process in list(self._processes.items()):
            if process.poll() is None:
                _end(process.pid)
                process.wait(timeout=10)
            self._processes.pop(folder)

    def _refuse_second(self) -> None:
        for folder, process in list(self._processes.items()):
            if process.poll() is None:
                raise Conflict(
                    f"run {folder.name} is at work", "wait until it has ended, or cancel it"
                )
            self._processes.pop(folder)

    def _run(self, folder: Path) -> Run:
        request = read_request(folder)
        status, told = self._status(folder)
        progress = _read(folder / PROGRESS)
        return Run(
            run_id=folder.name,
            folder=folder,
            request=request,
            status=status,
            done_ratio=1.0 if status is Status.DONE else float(progress.get("done_ratio", 0.0)),
            message=told or str(progress.get("message", "")),
        )

    def _status(self, folder: Path) -> tuple[Status, str]:
        if (folder / CANCELLED).is_file():
            return Status.CANCELLED, ""
        if (folder / FAILED).is_file():
            reason = str(_read(folder / FAILED).get("reason", ""))
            return Status.FAILED, reason.replace(str(folder.parents[2]), "…")
        if (folder / "package" / MANIFEST).is_file():
            return Status.DONE, ""
        process = self._processes.get(folder)
        if process is not None:
            return (Status.RUNNING if process.poll() is None else Status.INTERRUPTED), ""
        alive = _is_ours(_process_id(folder), folder)
        return (Status.RUNNING if alive else Status.INTERRUPTED), ""


def read_request(folder: Path) -> Request:
    """What the run of a folder was asked for."""
    told = read_json(folder / REQUEST)
    return Request(**{**told, "kind": Kind(told["kind"])})


def now() -> str:
    """The time of a request: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _new_folder(parent: Path) -> Path:
    """The next free number; two at once never get the same."""
    parent.mkdir(exist_ok=True)
    numbers = [int(p.name[1:]) for p in parent.iterdir() if _RUN_ID.fullmatch(p.name)]
    number = max(numbers, default=0) + 1
    while True:
        folder = parent / f"R{number:03d}"
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _read(path: Path) -> dict[str, Any]:
    """A small document that may be missing."""
    return dict(read_json(path)) if path.is_file() else {}


def _process_id(folder: Path) -> int:
    return int(_read(folder / PROCESS).get("pid", 0))


def _is_ours(pid: int, folder: Path) -> bool:
    """Whether the process is alive and is this run's: numbers are given again."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(folder) in command.split(b"\0")


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(pid, signal.SIGKILL)
