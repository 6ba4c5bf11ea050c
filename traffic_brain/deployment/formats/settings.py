"""What a department decides about its exports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from traffic_brain.errors import ConfigurationError
from traffic_brain.model.signals import EVERY_DAY

LONGEST_PILOT_MIN = 1440
"""``MaxRunTime`` of a ``CenterPlan`` in GA/T 1049.2."""
_AGENCY = re.compile(r"[0-9]{6}")
_MOMENT = re.compile(r"[0-9]{14}")


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of the formats; each says what it means where it is not told.

    Raises:
        ConfigurationError: a value that its format cannot hold.
    """

    agency: str = "000000"
    """Six digits of the traffic police agency, in front of every CrossID that is made up here."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Junction id -> the id that the department's own systems have for it."""
    pilot_min: int | None = None
    """Minutes after which a plan of GA/T 1049.2 ends by itself (``CenterPlan``); None: it stays."""
    sent_at: str = "20000101000000"
    """Time in the ``Seq`` of messages; whoever sends them puts the right one there."""
    weekday: int = 1
    """The day that formats without a week get, 1 is Monday."""

    def __post_init__(self) -> None:
        wrong = []
        if not _AGENCY.fullmatch(self.agency):
            wrong.append(f"agency {self.agency!r} is not six digits")
        if not _MOMENT.fullmatch(self.sent_at):
            wrong.append(f"sent_at {self.sent_at!r} is not YYYYMMDDhhmmss")
        if self.pilot_min is not None and not 1 <= self.pilot_min <= LONGEST_PILOT_MIN:
            wrong.append(f"a pilot lasts 1 to {LONGEST_PILOT_MIN} minutes, not {self.pilot_min}")
        if self.weekday not in EVERY_DAY:
            wrong.append(f"weekday {self.weekday} is none of 1 to 7")
        if len(set(self.names.values())) < len(self.names):
            wrong.append("two junctions have the same id in the department's table")
        if wrong:
            raise ConfigurationError(
                f"export settings: {'; '.join(wrong)}", "correct them, or leave them out"
            )


DEFAULT_SETTINGS = Settings()
