"""What `profile`, `schedule` and `forecast` are given: states of past days, and a calendar."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from traffic_brain.fusion.day_types import Calendar


def states_in(folders: Sequence[Path]) -> list[Path]:
    """State folders, those given and those that lie in one that is given."""
    from traffic_brain.fusion.day_profiles import state_folders

    return [state for folder in folders for state in state_folders(folder)]


def calendar_of(path: Path | None) -> Calendar:
    """The user's, or the one that knows weekdays alone."""
    from traffic_brain.fusion.day_types import Calendar, read_calendar

    return read_calendar(path) if path else Calendar()


def inputs_of(city: Path, states: Sequence[Path], **further: Path | None) -> dict[str, Path]:
    """What a stage over past days depends on; ``further``: files that may not be given."""
    numbered = {f"state {n + 1}": state for n, state in enumerate(states)}
    return {"city": city, **numbered, **{k: path for k, path in further.items() if path}}
