"""CPU and memory of a process and all that it started, from Linux's /proc."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
SAMPLE_S = 0.5


def cpu_s(pid: int | None = None) -> float:
    """Seconds of the process, its living descendants, and the dead ones that were waited for."""
    return sum(_ticks(p) for p in tree(pid or os.getpid())) / _TICKS


def memory_bytes(pid: int) -> int:
    """Memory of the process and its descendants; what they share counts once."""
    return sum(_pss(p) for p in tree(pid))


def tree(pid: int) -> Iterator[int]:
    """The process and its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        yield one
        waiting += children.get(one, [])


def _stat(pid: int) -> list[str]:
    """What follows the name of the program: state, parent, …; empty when the process is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return []


def _ticks(pid: int) -> int:
    """User and system time, own and of children that were waited for (fields 14 to 17)."""
    return sum(int(field) for field in _stat(pid)[11:15])


def _pss(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Peak(threading.Thread):
    """The most memory that a process tree had, looked at twice a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._ended, self.bytes = pid, threading.Event(), 0

    def run(self) -> None:
        while not self._ended.wait(SAMPLE_S):
            self.bytes = max(self.bytes, memory_bytes(self._pid))

    def stop(self) -> None:
        """End the watch."""
        self._ended.set()
        self.join()
