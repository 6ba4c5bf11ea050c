"""A small night in a process of its own, made to be killed.

``python toy_night.py OUT SEED PACE_S``: four stages, the first with two folders, each file written
in two halves with a pause between them. With ``CRASH_AT=n`` the process kills itself, without a
word, right before its n-th rename of a folder.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from traffic_brain.errors import TrafficBrainError
from traffic_brain.nightly.runner import Nobody, Stage, run_stages
from traffic_brain.progress import Progress

FILES = 3


def night(out: Path, seed: int, pace_s: float) -> list[Stage]:
    feeds, truth, state, plans, page = (
        out / name for name in ("feeds/2026-11-02", "truth/2026-11-02", "state", "plans", "report")
    )

    def work(*sources: Path) -> Callable[..., dict[str, int]]:
        return lambda *args: write(args[:-1], args[-1], sources, seed, pace_s)

    return [
        Stage("record", {}, (feeds, truth), work(), {"days": 1}, seed),
        Stage("fuse", {"feeds": feeds}, (state,), work(feeds)),
        Stage("optimize", {"state": state}, (plans,), work(state), seed=seed),
        Stage("report", {"state": state, "plans": plans}, (page,), work(state, plans)),
    ]


def write(
    folders: tuple[Path, ...],
    progress: Progress,
    sources: tuple[Path, ...],
    seed: int,
    pace_s: float,
) -> dict[str, int]:
    read = b"".join((source / "part 0").read_bytes() for source in sources)
    for folder in folders:
        for i in range(FILES):
            with (folder / f"part {i}").open("wb") as file:
                file.write(b"%d " % seed + read)
                file.flush()
                time.sleep(pace_s)
                file.write(folder.name.split("-")[1].encode() + b" whole\n")
            progress((i + 1) / FILES, "writing")
    return {"files": FILES * len(folders)}


def crash_at(nth: int) -> None:
    """Kill this process right before the n-th rename (0: never)."""
    rename, count = Path.rename, 0

    def counted(self: Path, target: Path) -> Path:
        nonlocal count
        count += 1
        if count == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return rename(self, target)

    Path.rename = counted  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    crash_at(int(os.environ.get("CRASH_AT", "0")))
    out = Path(sys.argv[1])
    try:
        for _ in run_stages(night(out, int(sys.argv[2]), float(sys.argv[3])), out, Nobody()):
            pass
    except TrafficBrainError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
