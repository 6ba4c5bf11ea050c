"""How the last night in a folder went, for a monitor and for whoever comes in at seven."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.runner import LEDGER, at_work


class NightState(StrEnum):
    """How a night stands."""

    NEVER = "never"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class NightStatus:
    """The last night: times in UTC as ISO 8601, ages and durations in seconds."""

    state: NightState
    started: str | None = None
    ended: str | None = None
    age_s: float | None = None
    """Since it ended or, where it has not, since its last sign of life."""
    stage: str | None = None
    """The one at work, or the one that failed."""
    reason: str | None = None
    stages_s: Mapping[str, float] = field(default_factory=dict)
    decision: str | None = None
    """Of the last night that came so far; it stands in the folder ``verdict``."""

    @property
    def healthy(self) -> bool:
        """Whether nobody need be called."""
        return self.state in {NightState.FINISHED, NightState.RUNNING}

    def document(self) -> dict[str, Any]:
        """For a machine."""
        return {**asdict(self), "stages_s": dict(self.stages_s)}

    def table(self) -> list[tuple[str, str]]:
        """For a person."""
        rows = [
            ("state", str(self.state)),
            ("started", self.started),
            ("ended", self.ended),
            ("last sign of life", None if self.age_s is None else f"{self.age_s:,.0f} s ago"),
            ("stage", self.stage),
            ("reason", self.reason),
            ("verdict", self.decision),
            *((f"  {name}", f"{seconds:,.1f} s") for name, seconds in self.stages_s.items()),
        ]
        return [(label, text) for label, text in rows if text is not None]


def night_status(root: Path, now: datetime | None = None) -> NightStatus:
    """Read the diary of ``root`` from its last "night started" on.

    ``now``: aware; None: the clock's. Nothing is written, not even where no night ever ran.
    """
    events: list[Mapping[str, Any]] = []
    for event in Ledger(root / LEDGER).events():
        events = [event] if event["event"] == "night started" else [*events, event]
    if not events:
        return NightStatus(NightState.NEVER)
    last = events[-1]
    working = [e["stage"] for e in events if e["event"] == "stage started"]
    state = _state(str(last["event"]), root)
    age = (now or datetime.now(UTC)) - datetime.fromisoformat(str(last["time"]))
    over = state is NightState.FINISHED
    return NightStatus(
        state=state,
        started=str(events[0]["time"]),
        ended=str(last["time"]) if state is not NightState.RUNNING else None,
        age_s=round(age.total_seconds(), 1),
        stage=None if over or not working else str(working[-1]),
        reason=str(last["reason"]) if "reason" in last else None,
        stages_s={
            str(e["stage"]): float(e["seconds"]) for e in events if e["event"] == "stage finished"
        },
        decision=_decision(root / "verdict" / "verdict.json"),
    )


def _state(last: str, root: Path) -> NightState:
    if last == "night finished":
        return NightState.FINISHED
    if at_work(root):
        return NightState.RUNNING
    return NightState.FAILED if last == "stage failed" else NightState.INTERRUPTED


def _decision(verdict: Path) -> str | None:
    try:
        return str(json.loads(verdict.read_text(encoding="utf-8"))["decision"])
    except (OSError, ValueError, KeyError):
        return None
