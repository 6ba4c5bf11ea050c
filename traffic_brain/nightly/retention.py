"""How long nights stay whole: what was decided stays for good, what can be made again goes.

Of a night that is older than the kept ones, `STAYS` moves to ``archive/<day>`` beside the nights;
the rest is deleted. The ledger moves last, so that a crash leaves a night that the next one still
finds.
"""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from traffic_brain.deployment.store import STORE_FILE
from traffic_brain.nightly.runner import LEDGER, at_work

ARCHIVE = "archive"
STAYS = ("package", "verdict", "report", STORE_FILE, LEDGER)


def archive_old(nights: Path, kept: int) -> list[str]:
    """Archive all nights below ``nights`` but the latest ``kept``; returns their days.

    A night is a folder named by its service day that has a ledger. One that is at work stays.
    """
    days = sorted(folder.name for folder in nights.iterdir() if _is_night(folder))
    old = [day for day in days[: max(len(days) - kept, 0)] if not at_work(nights / day)]
    for day in old:
        _archive(nights / day, nights / ARCHIVE / day)
    return old


def _is_night(folder: Path) -> bool:
    try:
        date.fromisoformat(folder.name)
    except ValueError:
        return False
    return (folder / LEDGER).is_file()


def _archive(night: Path, place: Path) -> None:
    place.mkdir(parents=True, exist_ok=True)
    for name in STAYS:
        if (night / name).exists():
            (night / name).replace(place / name)
    shutil.rmtree(night)
