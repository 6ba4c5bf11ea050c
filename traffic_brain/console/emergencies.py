"""Emergency corridors that were worked out: one JSON file each, below the night's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from traffic_brain.console.nights import NightFolder
from traffic_brain.console.refusals import Conflict, NotFound
from traffic_brain.model.reading import read_json, to_json

FOLDER = "emergencies"
MOST = 500
"""Of one night: nobody reads more, and a program that loops fills no disk."""
_NAME = re.compile(r"E\d{3}")

Document = Mapping[str, Any]


class Emergencies:
    """Keeps the proposals of all nights; a file that was written is never changed."""

    def __init__(self) -> None:
        self._lock = Lock()

    def of(self, night: NightFolder) -> list[Document]:
        """All of a night, the newest first."""
        return [read_json(path) for path in reversed(_files(night))]

    def find(self, night: NightFolder, emergency_id: str) -> Document:
        """One of a night.

        Raises:
            NotFound: there is none of this name.
        """
        for path in _files(night):
            if path.stem == emergency_id:
                found: Document = read_json(path)
                return found
        raise NotFound("there is no such emergency corridor", "choose one of the list")

    def save(self, night: NightFolder, document: Document) -> Document:
        """Keep a proposal under a new name, which it then bears as ``emergency_id``.

        Raises:
            Conflict: there are too many already.
        """
        with self._lock:
            number = len(_files(night)) + 1
            if number > MOST:
                raise Conflict(
                    f"this night has {MOST} emergency corridors", f"clear its folder {FOLDER}"
                )
            folder = night.root / FOLDER
            folder.mkdir(exist_ok=True)
            named = {"emergency_id": f"E{number:03d}", **document}
            (folder / f"E{number:03d}.json").write_text(to_json(named), encoding="utf-8")
        return named


def _files(night: NightFolder) -> list[Path]:
    folder = night.root / FOLDER
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.glob("E*.json") if _NAME.fullmatch(p.stem))
