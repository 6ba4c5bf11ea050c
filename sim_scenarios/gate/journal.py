"""Runs that are done, so that a check which is killed does not do them again.

A run is known by the content of all that decides how it goes: the network, the signals, the
demand, the seed, and the simulator. Its figures are written aside and renamed, so that a power
cut leaves the whole of them or nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sim_scenarios.gate.figures import RunFigures, figures_from
from sim_scenarios.run import RunRequest
from traffic_brain.errors import SimulationError

FORMAT = "1"
"""Of what is kept of a run; with another one, runs are done again."""


class Journal:
    """The figures of finished runs in a folder, by the key of the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._hashes: dict[Path, bytes] = {}
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SimulationError(f"cannot write {folder}: {error.strerror}") from error

    def key(self, request: RunRequest) -> str:
        """SHA-256 of all that decides how the traffic of the run goes."""
        scenario = request.scenario
        window = (scenario.begin_s, scenario.end_s, scenario.step_s, scenario.time_to_teleport_s)
        # the configuration itself names the work folder; what it says beside that is in `window`
        files = (scenario.net_file, *scenario.source_files, *request.additional)
        digest = hashlib.sha256(repr((FORMAT, _sumo(), request.seed, window)).encode())
        for path in files:
            digest.update(self._hash(path))
        return digest.hexdigest()

    def find(self, key: str) -> RunFigures | None:
        """The figures of a run that was done; None where there are none that can be read."""
        try:
            return figures_from(json.loads((self.folder / key).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, key: str, figures: RunFigures) -> None:
        """Note a finished run. Raises SimulationError when the disk does not take it."""
        aside = self.folder / f".{key}-{os.getpid()}-{threading.get_ident()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)  # another check may have cleared it
            aside.write_text(json.dumps(figures.document()), encoding="utf-8")
            aside.replace(self.folder / key)
        except OSError as error:
            aside.unlink(missing_ok=True)
            raise SimulationError(
                f"a finished run cannot be noted in {self.folder}: {error.strerror}",
                "make room on the disk; the check goes on where it stood",
            ) from error

    def clear(self) -> None:
        """Throw everything away: the verdict that the runs were made for is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _hash(self, path: Path) -> bytes:
        with self._lock:
            if path not in self._hashes:
                self._hashes[path] = hashlib.sha256(path.read_bytes()).digest()
            return self._hashes[path]


def _sumo() -> str:
    try:
        return version("eclipse-sumo")
    except PackageNotFoundError:
        return "unknown"


def keys(journal: Journal) -> Sequence[str]:
    """Keys of the runs that are noted, in order."""
    return sorted(p.name for p in journal.folder.iterdir() if not p.name.startswith("."))
