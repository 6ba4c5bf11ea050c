"""Earlier nights of the same city: days that a plan must suit besides the one it is made from."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from traffic_brain.deployment.about import city_digest
from traffic_brain.fusion.day_types import Calendar
from traffic_brain.nightly.manifest import MANIFEST

LONGEST = timedelta(days=28)
USUAL = Calendar()


def earlier_states(night: Path, city: Path, most: int) -> list[Path]:
    """States of earlier service days that tell of the same traffic, the latest first.

    Nights lie beside one another in folders named by their service days. Of them count those of the
    last four weeks, on the same network, and on a working day if tonight's is one.

    Args:
        night: the folder of tonight, named by its service day.
        city: tonight's city.
        most: so many at the most.
    """
    today, here = date.fromisoformat(night.name), city_digest(city)
    found: list[Path] = []
    for folder in sorted(night.parent.iterdir(), reverse=True):
        if len(found) < most and _is_like(folder, today) and city_digest(folder / "city") == here:
            found.append(folder / "state")
    return found


def _is_like(folder: Path, today: date) -> bool:
    try:
        day = date.fromisoformat(folder.name)
    except ValueError:
        return False
    if not today - LONGEST <= day < today:
        return False
    if USUAL.type_of(day) != USUAL.type_of(today):
        return False
    return all((folder / stage / MANIFEST).is_file() for stage in ("city", "state"))
