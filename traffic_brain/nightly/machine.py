"""Whether there is room for a night before it begins: disk where it works, memory beside others."""

from __future__ import annotations

import shutil
from pathlib import Path

from traffic_brain.errors import ConfigurationError

LEAST_DISK_BYTES = 1 << 30
LEAST_MEMORY_BYTES = 1 << 30
FEEDS_RATIO = 2.0
"""What a night writes is at most about this multiple of the feeds it reads."""
MEMORY = Path("/proc/meminfo")
_MIB = 1 << 20


def check_room(root: Path, feeds: Path | None) -> None:
    """Refuse to begin what could not be finished.

    Args:
        root: where the night works; need not exist yet.
        feeds: the day that will be read; None: it is recorded.

    Raises:
        ConfigurationError: too little disk or memory is free; tells both at once.
    """
    size = sum(path.stat().st_size for path in feeds.rglob("*") if path.is_file()) if feeds else 0
    needed = max(LEAST_DISK_BYTES, int(FEEDS_RATIO * size))
    free = shutil.disk_usage(_first_that_exists(root)).free
    problems = []
    if free < needed:
        problems.append(f"{free // _MIB:,} MiB of disk are free, {needed // _MIB:,} are needed")
    available = available_memory_bytes()
    if available is not None and available < LEAST_MEMORY_BYTES:
        problems.append(
            f"{available // _MIB:,} MiB of memory are free, {LEAST_MEMORY_BYTES // _MIB:,} needed"
        )
    if problems:
        raise ConfigurationError(
            f"there is no room for a night in {root}: {'; '.join(problems)}",
            "free some, or give another folder with --out",
        )


def available_memory_bytes() -> int | None:
    """What programs can still have without swapping; None where the system does not say."""
    try:
        lines = MEMORY.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) * 1024 if found else None


def _first_that_exists(path: Path) -> Path:
    return next(folder for folder in (path, *path.absolute().parents) if folder.exists())
