"""A package on disk, and people who decide on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from tests.unit.test_package import PROPOSED, Night
from traffic_brain.deployment.approval import By
from traffic_brain.deployment.package import build
from traffic_brain.model.verdict import Verdict

NOW = datetime(2026, 11, 3, 1, 15, tzinfo=UTC)
TODAY = date(2026, 11, 3)


def by(who: str = "wang", note: str = "agreed", on: date = TODAY) -> By:
    return By(who, note, on, NOW)


class Decided(Night):
    """A night whose package is made, in the folder ``root``."""

    def __init__(self, root: Path, verdict: Verdict | None = None) -> None:
        root.mkdir(exist_ok=True)
        super().__init__(root)
        self.root = root
        if verdict is not None:
            self.write_verdict(verdict)
        self.build()

    def again(self, name: str) -> Path:
        """Another package of the same city and state, with other plans."""
        self.write_candidates(
            best=[replace(PROPOSED, plan_id=name).with_offset(len(list(self.root.iterdir())))]
        )
        out = self.root / name
        out.mkdir()
        build(*self.folders[:-1], out)
        return out
