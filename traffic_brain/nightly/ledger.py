"""The night's diary: one JSON line per event, with the clock times that manifests must not hold."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path


class Ledger:
    """An append-only file; each line is on the disk before the next step begins."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, event: str, **details: object) -> None:
        """Add one event, stamped with the time of now.

        A line that was torn by a crash is closed first, so that it spoils only itself.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "event": event, **details}, ensure_ascii=False)
        with self.path.open("ab+") as file:
            file.write(b"\n" if _is_torn(self.path) else b"")
            file.write(line.encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())

    def events(self) -> Iterator[dict[str, object]]:
        """All events that can be read, oldest first."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # torn by a crash
                if isinstance(event, dict):
                    yield event


def _is_torn(path: Path) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
