"""The same task function in this process, on processes of this machine, or on a Dask cluster.

Results come in the order of the tasks, whatever finishes first, so that whoever merges them makes
the same bytes everywhere. A task must be a pure function of its argument: when the process that
works on it dies, it is simply done again by another.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from ctypes import CDLL
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from threading import Thread
from typing import Any, TypeVar

from traffic_brain.errors import ConfigurationError, TrafficBrainError

T = TypeVar("T")
R = TypeVar("R")

ATTEMPTS = 4
"""So often a task is begun; one that ends its process each time is itself the trouble."""
CONNECT_S = 30
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's mallopt."""


@dataclass(frozen=True)
class Engine:
    """Where tasks run: in this process, on ``workers`` processes, or on a running cluster."""

    workers: int = 1
    cluster: str | None = None
    """Address of a Dask scheduler, like ``tcp://10.0.0.7:8786``; it has its own workers."""


HERE = Engine()


def run_all(function: Callable[[T], R], tasks: Sequence[T], engine: Engine = HERE) -> Iterator[R]:
    """Yield ``function(task)`` for each task, in their order.

    Args:
        function: of a module that every worker can import; its argument and result can be pickled.

    Raises:
        ConfigurationError: the cluster does not answer, or Dask is not installed.
        TrafficBrainError: a task ended its process `ATTEMPTS` times.
        Exception: whatever ``function`` raises, when it is its task's turn.
    """
    if engine.cluster is not None:
        return _on_cluster(function, tasks, engine.cluster)
    if engine.workers > 1 and len(tasks) > 1:
        return _on_processes(function, tasks, min(engine.workers, len(tasks)))
    return map(function, tasks)


def _on_processes(function: Callable[[T], R], tasks: Sequence[T], workers: int) -> Iterator[R]:
    """Keep every worker busy with one task more in hand; a broken pool is replaced by a new one."""
    waiting = deque(range(len(tasks)))
    attempts = [0] * len(tasks)
    running: dict[Future[R], int] = {}
    done: dict[int, Future[R]] = {}
    pool = _pool(function, workers)
    try:
        for wanted in range(len(tasks)):
            while wanted not in done:
                while waiting and len(running) <= workers:
                    try:
                        running[pool.submit(function, tasks[waiting[0]])] = waiting[0]
                    except BrokenProcessPool:
                        break  # a process died while nobody looked
                    attempts[waiting.popleft()] += 1
                if not running:
                    pool.shutdown(cancel_futures=True)
                    pool = _pool(function, workers)
                    continue
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                lost = _take(finished, running, done)
                if lost:
                    # nobody knows which task it was: all that were under way begin again
                    lost += [task for future, task in running.items() if future not in finished]
                    running.clear()
                    pool.shutdown(cancel_futures=True)
                    _refuse_deadly(lost, attempts)
                    waiting.extendleft(sorted(lost, reverse=True))
                    pool = _pool(function, workers)
            yield done.pop(wanted).result()  # an error too comes when it is its turn
    finally:
        pool.shutdown(cancel_futures=True)


def _pool(function: Callable[..., Any], workers: int) -> ProcessPoolExecutor:
    """Processes that fork from one that has loaded the function's module and has no threads."""
    context = get_context("forkserver")
    context.set_forkserver_preload([function.__module__])
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)


def _begin() -> None:
    """Prepare a worker: it shares what was loaded before the fork, and keeps what it allocates."""
    Thread(target=_end_with_parent, daemon=True).start()
    gc.freeze()  # else the collector writes to, and so copies, every page that it looks at
    if mallopt := getattr(CDLL(None), "mallopt", None):
        # arrays of one task after the other in the same pages: to get new ones from the system
        # costs more than to fill them
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def _end_with_parent() -> None:
    """A killed night leaves no worker behind that waits for tasks, and holds its pipes open."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _take(
    finished: set[Future[R]], running: dict[Future[R], int], done: dict[int, Future[R]]
) -> list[int]:
    """Move what is finished to ``done``; returns the tasks whose process died."""
    lost = []
    for future in finished:
        task = running.pop(future)
        if isinstance(future.exception(), BrokenProcessPool):
            lost.append(task)
        else:
            done[task] = future
    return lost


def _refuse_deadly(lost: Sequence[int], attempts: Sequence[int]) -> None:
    deadly = sorted(task for task in lost if attempts[task] >= ATTEMPTS)
    if deadly:
        raise TrafficBrainError(
            f"task {deadly[0] + 1} ended the process that worked on it {ATTEMPTS} times",
            "look in the system's log whether memory ran out; use fewer workers",
        )


def _on_cluster(function: Callable[[T], R], tasks: Sequence[T], address: str) -> Iterator[R]:
    """Every task as a future of its own; Dask gives those of a dead worker to another."""
    try:
        from distributed import Client
        from distributed.scheduler import KilledWorker
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "Dask is not installed here", "pip install 'traffic-brain[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"no Dask scheduler answers at {address}",
            "start one (dask scheduler), and workers that have traffic-brain installed",
        ) from error
    with client:
        # not pure: equal arguments are equal work, but a result must never come from an older run
        futures = [client.submit(function, task, pure=False) for task in tasks]
        while futures:
            future = futures.pop(0)
            try:
                result: R = future.result()
            except KilledWorker as error:
                raise TrafficBrainError(
                    "a task ended every worker that tried it", "look in the workers' logs"
                ) from error
            future.release()
            yield result
