"""What has been run already: one file per run, named by a hash of all that decides its outcome."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """A folder of results; a benchmark that was killed goes on where it was."""

    folder: Path

    def once(self, question: Mapping[str, Any], answer: Callable[[], Figures]) -> Figures:
        """The stored answer to a question, or a new one, which is stored."""
        text = json.dumps(question, sort_keys=True)
        key = hashlib.sha256(text.encode()).hexdigest()[:24]
        path = self.folder / f"{key}.json"
        if path.exists():
            found: Figures = json.loads(path.read_text(encoding="utf-8"))
            return found
        figures = {**question, **answer()}
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        beside.replace(path)
        return figures
