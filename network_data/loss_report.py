"""What an import or an export could not take over as it was, and what a person should mend.

A *loss* is a value of the source that was dropped, defaulted or guessed; the report counts each
kind and names every place. An entry *to fix* is a guess that somebody who knows the place should
look at, with the confidence that it is right; the least certain comes first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from traffic_brain.model.reading import read_json, to_json

FILE = "loss_report.json"
"""Name of the report in the folder that it is about."""


class Loss(StrEnum):
    """How a value of the source failed to arrive unchanged."""

    DROPPED = "dropped"
    DEFAULTED = "defaulted"
    GUESSED = "guessed"


@dataclass(frozen=True, slots=True)
class ToFix:
    """Something at one place that a person should look at."""

    place: str
    what: str
    confidence: float
    """0..1: how likely the guess that stands there now is right; 0: nothing stands there."""
    remedy: str


@dataclass
class LossReport:
    """Collects losses; ``as_dict`` is what a folder keeps in ``loss_report.json``."""

    _places: dict[tuple[Loss, str], list[str]] = field(default_factory=lambda: defaultdict(list))
    _to_fix: dict[tuple[str, str], ToFix] = field(default_factory=dict)

    def note(self, loss: Loss, what: str, place: str) -> None:
        """Record that ``what`` was lost at ``place`` (an id in the source)."""
        self._places[loss, what].append(place)

    def to_fix(self, place: str, what: str, confidence: float, remedy: str) -> None:
        """Ask a person to look at ``what`` at ``place`` (an id of ours, mostly a junction's).

        ``confidence`` in 0..1 says how likely our guess is right; ``remedy`` says what to do.
        Asked twice for the same, the lower confidence counts.

        Raises:
            ValueError: a confidence outside 0..1.
        """
        if not 0.0 <= confidence <= 1.0:
            raise ValueError(f"a confidence lies in 0..1, not {confidence}")
        before = self._to_fix.get((place, what))
        if before is None or confidence < before.confidence:
            self._to_fix[place, what] = ToFix(place, what, confidence, remedy)

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON, sorted.

        ``{"losses": [{"loss", "what", "count", "places"}],
        "to_fix": [{"place", "what", "confidence", "remedy"}]}``; ``count`` is how often it was
        lost, ``places`` names each place once, and the least certain entry to fix comes first.
        """
        losses = [
            {"loss": loss.value, "what": what, "count": len(places), "places": sorted(set(places))}
            for (loss, what), places in sorted(self._places.items())
        ]
        return {"losses": losses, "to_fix": as_rows(self._to_fix.values())}


def as_rows(entries: Iterable[ToFix]) -> list[dict[str, Any]]:
    """Entries to fix as JSON, the least certain first."""
    ordered = sorted(entries, key=lambda e: (e.confidence, e.place, e.what))
    return [asdict(replace(entry, confidence=round(entry.confidence, 3))) for entry in ordered]


def add_to_fix(folder: Path, entries: Iterable[ToFix]) -> None:
    """Add entries to the report in a folder, at places where nothing is to be fixed yet."""
    document = read_json(folder / FILE)
    there = [ToFix(**row) for row in document["to_fix"]]
    places = {entry.place for entry in there}
    more = [entry for entry in entries if entry.place not in places]
    if more:
        text = to_json(document | {"to_fix": as_rows([*there, *more])})
        (folder / FILE).write_text(text, encoding="utf-8")
