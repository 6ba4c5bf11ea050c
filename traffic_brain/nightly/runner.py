"""Runs stages: skips what is unchanged, resumes after a crash, never leaves half a folder.

A stage's result is a folder (or a few) that is written aside and put in place as a whole, with its
manifest. What a stage would make again from the same recipe is left as it is. A stage that fails
leaves the folder of the run before untouched.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from traffic_brain.errors import ConfigurationError, NightIncomplete, TrafficBrainError
from traffic_brain.nightly import folders
from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import (
    Recipe,
    content_hash,
    finished_rows,
    versions,
    write_manifest,
)
from traffic_brain.progress import Progress, silent

LEDGER = "ledger.jsonl"
LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the night.

    ``work(*folders, progress)`` writes its files into the empty folders it is given, one for each
    of ``folders``, and returns row counts. Nothing but ``inputs``, ``configuration`` and
    ``seed`` may decide what it writes; the number of workers, which must not, stays out of them.
    """

    name: str
    inputs: Mapping[str, Path]
    """Files and folders that are read; their content counts, not where they lie."""
    folders: tuple[Path, ...]
    """Where the results go."""
    work: Callable[..., Mapping[str, int]]
    configuration: Mapping[str, object] = field(default_factory=dict)
    seed: int | None = None

    def recipe(self) -> Recipe:
        """The recipe, with the inputs as they are on the disk now.

        Raises:
            DataRefused: an input is not there.
        """
        return Recipe(
            stage=self.name,
            inputs={name: content_hash(path) for name, path in self.inputs.items()},
            configuration=self.configuration,
            seed=self.seed,
            versions=versions(),
        )


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage ended: ``unchanged`` if an earlier run had made the same already."""

    name: str
    unchanged: bool
    rows: Mapping[str, int]
    fingerprint: str


class Watcher(Protocol):
    """Whoever looks on: a terminal, a log, nobody."""

    def stage(self, name: str) -> AbstractContextManager[Progress]:
        """Entered when a stage begins, left when it ends."""
        ...

    def unchanged(self, name: str) -> None:
        """A stage need not run: its result is there already."""
        ...


class Nobody:
    """A watcher that does not look."""

    def stage(self, name: str) -> AbstractContextManager[Progress]:  # noqa: ARG002 the protocol's
        return nullcontext(silent)

    def unchanged(self, name: str) -> None:
        pass


def run_stage(stage: Stage, watcher: Watcher) -> StageResult:
    """Make the folders of one stage, unless they are made already.

    Raises:
        ConfigurationError: a folder holds something that is not this stage's.
        TrafficBrainError: whatever the stage's work raises.
    """
    for target in stage.folders:
        folders.recover(target)
        folders.refuse_foreign(target, stage.name)
    recipe = stage.recipe()
    made = [finished_rows(target, recipe) for target in stage.folders]
    if None not in made:
        watcher.unchanged(stage.name)
        return StageResult(stage.name, True, made[0] or {}, recipe.fingerprint)
    with watcher.stage(stage.name) as progress:
        rows = _make(stage, recipe, progress)
    return StageResult(stage.name, False, rows, recipe.fingerprint)


def run_stages(stages: Iterable[Stage], root: Path, watcher: Watcher) -> Iterator[StageResult]:
    """Run the stages of a night one after the other, and tell how each ended as soon as it has.

    ``stages`` may be a generator that looks at the folders made so far. Only one night at a time
    works in ``root``; its diary is ``root/ledger.jsonl``.

    Raises:
        ConfigurationError: ``root`` cannot be written, or another night is at work in it.
        TrafficBrainError: as a stage raises it; finished stages are kept.
        NightIncomplete: a stage failed for a reason nobody had foreseen; finished stages are kept.
    """
    with _only_night(root):
        folders.recover_all(root)
        ledger = Ledger(root / LEDGER)
        ledger.append("night started", process=os.getpid())
        for stage in stages:
            yield _run_noted(stage, watcher, ledger)
        ledger.append("night finished")


def _run_noted(stage: Stage, watcher: Watcher, ledger: Ledger) -> StageResult:
    ledger.append("stage started", stage=stage.name)
    start_s = time.monotonic()
    try:
        result = run_stage(stage, watcher)
    except BaseException as error:
        reason = str(error) if isinstance(error, TrafficBrainError) else repr(error)
        ledger.append("stage failed", stage=stage.name, reason=reason)
        if isinstance(error, TrafficBrainError) or not isinstance(error, Exception):
            raise
        raise NightIncomplete(
            f"stage '{stage.name}' failed: {reason}",
            "finished stages are kept; 'traffic-brain --debug nightly …' goes on and shows where",
        ) from error
    ledger.append(
        "stage unchanged" if result.unchanged else "stage finished",
        stage=stage.name,
        seconds=round(time.monotonic() - start_s, 3),
        fingerprint=result.fingerprint,
        rows=dict(result.rows),
    )
    return result


def _make(stage: Stage, recipe: Recipe, progress: Progress) -> Mapping[str, int]:
    with ExitStack() as stack:
        new = [stack.enter_context(folders.fresh(target)) for target in stage.folders]
        rows = stage.work(*new, progress)
        for folder in new:
            write_manifest(folder, recipe, rows)
        for target, folder in zip(stage.folders, new, strict=True):
            folders.replace(target, folder)
    return rows


def at_work(root: Path) -> bool:
    """Whether a night is at work in ``root`` now."""
    try:
        lock = (root / LOCK).open("r+")
    except OSError:
        return False
    with lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            return True
    return False


@contextmanager
def _only_night(root: Path) -> Iterator[None]:
    """Hold the night's lock; the system frees it when this process ends, however it ends."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = (root / LOCK).open("a")
    except OSError as error:
        raise ConfigurationError(
            f"cannot write into {root}: {error.strerror}", "give another folder with --out"
        ) from error
    with lock:
        try:
            # A record lock, not flock: worker processes that outlive a kill must not inherit it.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:
            raise ConfigurationError(
                f"another night is at work in {root}",
                "wait until it has ended, or give another folder with --out",
            ) from error
        yield
