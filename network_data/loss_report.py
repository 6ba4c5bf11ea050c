"""What an import dropped, defaulted or guessed: every kind with its count and first places."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PLACES_SHOWN = 20


class Loss(StrEnum):
    """How a value of the source failed to arrive unchanged."""

    DROPPED = "dropped"
    DEFAULTED = "defaulted"
    GUESSED = "guessed"


@dataclass
class LossReport:
    """Collects losses during an import; ``as_dict`` is what the city folder keeps."""

    _places: dict[tuple[Loss, str], list[str]] = field(default_factory=lambda: defaultdict(list))

    def note(self, loss: Loss, what: str, place: str) -> None:
        """Record that ``what`` was lost at ``place`` (an id in the source)."""
        self._places[loss, what].append(place)

    def as_dict(self) -> dict[str, Any]:
        """``{"losses": [{"loss", "what", "count", "places"}]}``, sorted."""
        return {
            "losses": [
                {
                    "loss": loss.value,
                    "what": what,
                    "count": len(places),
                    "places": sorted(places)[:PLACES_SHOWN],
                }
                for (loss, what), places in sorted(self._places.items())
            ]
        }
