"""Task functions for the tests of the executor, in a module that every worker can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def squared(number: int) -> int:
    return number * number


def squared_late(number: int) -> int:
    """The first take longest."""
    time.sleep(max(0.0, 0.05 * (3 - number)))
    return number * number


def refuse_early(number: int) -> int:
    """The last refuses while the first is still at work."""
    if number:
        raise ValueError("the second is not liked")
    time.sleep(0.5)
    return number


def refuse(number: int) -> int:
    if number == 2:
        raise ValueError("the second is not liked")
    return number


def die_once(task: tuple[int, str]) -> int:
    """Task 2 ends its process the first time that anybody tries it."""
    number, folder = task
    if number == 2:
        try:
            (Path(folder) / "died").touch(exist_ok=False)
        except FileExistsError:
            return number * number
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def die_always(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number
