"""What a package says of itself: for which network and plans it was made, and until when it holds.

A package is known by the SHA-256 of its ``checksums.txt``. ``about.json`` binds it to what it was
made for, so that an approval can tell whether the city has changed since. It holds no clock time:
the last day follows from the service day, and the same inputs give the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from traffic_brain.clock import parse_service_day
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.documents import plan_to_dict
from traffic_brain.model.reading import Reader, as_text, digest, read_document, read_json, to_json
from traffic_brain.model.signals import SignalPlan

ABOUT = "about.json"
CHECKSUMS = "checksums.txt"
VALID_DAYS = 14
"""Demand of more than two weeks ago says little about today's."""
SHORT_ID = 12
_HOW_IT_WAS_MADE = frozenset({"manifest.json", "loss_report.json"})
"""Files of a city folder that say nothing of the city."""


class Kind(StrEnum):
    """PROPOSAL: checked plans. MODIFIED: changed by hand, not checked. ROLLBACK: former plans."""

    PROPOSAL = "proposal"
    MODIFIED = "modified"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class About:
    """The document ``about.json``."""

    kind: Kind
    service_day: str
    """The day of the feeds, YYYY-MM-DD."""
    expires: str
    """The first day on which the package can no longer be approved."""
    city: str
    """`city_digest` of the city folder."""
    in_service: str
    """`plans_digest` of the plans in service."""
    made_from: str | None = None
    """Of a modified or rollback package: the package that it was made from."""


def about_proposal(city: Path, state: Path, in_service: Iterable[SignalPlan]) -> About:
    """What a package of these inputs says of itself.

    Raises:
        DataRefused: ``state`` does not tell its service day.
        ConfigurationError: what it tells is no day.
    """
    summary = state / "summary.json"
    day = read_document(
        read_json(summary),
        str(summary),
        lambda value, where, problems: Reader(value, where, problems).text("service_day"),
    )
    return About(
        kind=Kind.PROPOSAL,
        service_day=day,
        expires=(parse_service_day(day) + timedelta(days=VALID_DAYS)).isoformat(),
        city=city_digest(city),
        in_service=plans_digest(in_service),
    )


def about_to_json(about: About) -> str:
    """The text of ``about.json``."""
    return to_json(asdict(about))


def read_about(package: Path) -> About:
    """What a package says of itself.

    Raises:
        ConfigurationError: the folder is no package.
        DataRefused: the document is malformed.
    """
    path = package / ABOUT
    if not path.is_file() or not (package / CHECKSUMS).is_file():
        raise ConfigurationError(
            f"{package} is no package (no {ABOUT} or no {CHECKSUMS})",
            "give the folder that 'traffic-brain package' wrote",
        )
    return read_document(read_json(path), ABOUT, _about)


def is_expired(about: About, on: date) -> bool:
    """Whether the package can no longer be approved on this day."""
    return on >= date.fromisoformat(about.expires)


def package_id(package: Path) -> str:
    """The name of a package: SHA-256 of its list of checksums."""
    return hashlib.sha256((package / CHECKSUMS).read_bytes()).hexdigest()


def city_digest(city: Path) -> str:
    """SHA-256 over names and bytes of a city folder, but for what only tells how it was made."""
    files = {
        path.relative_to(city).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(city.rglob("*"))
        if path.is_file() and path.name not in _HOW_IT_WAS_MADE and path.name[0] != "."
    }
    return digest(files)


def plans_digest(plans: Iterable[SignalPlan]) -> str:
    """SHA-256 of plans, in whatever order they come."""
    ordered = sorted(plans, key=lambda plan: (plan.junction_id, plan.plan_id))
    return digest([plan_to_dict(plan) for plan in ordered])


def _about(value: object, where: str, problems: list[str]) -> About:
    reader = Reader(value, where, problems)
    about = About(
        kind=reader.choice("kind", Kind),
        service_day=reader.text("service_day"),
        expires=reader.text("expires"),
        city=reader.text("city"),
        in_service=reader.text("in_service"),
        made_from=reader.optional("made_from", as_text),
    )
    reader.close()
    for name in ("service_day", "expires"):
        text = getattr(about, name)
        try:
            date.fromisoformat(text)
        except ValueError:
            problems.append(f"{where}: {name} {text!r} is no day")
    return about
