"""Approve or reject a package: by a person, with a reason, once, and only what still holds.

An approval proves the package again, and compares what it was made for with what there is now: a
package whose network or plans in service have changed since is refused, as is one that was
tampered with, has not been checked, or has expired.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from traffic_brain.clock import TIME_ZONE
from traffic_brain.deployment.about import (
    SHORT_ID,
    About,
    Kind,
    city_digest,
    is_expired,
    package_id,
    read_about,
)
from traffic_brain.deployment.audit import Act, Head, State
from traffic_brain.deployment.package import plans_in_service
from traffic_brain.deployment.signature import check_signature
from traffic_brain.deployment.store import Proposal, Store
from traffic_brain.deployment.verify import verify
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.documents import (
    plans_from_dict,
    rules_inputs_from_dict,
    verdict_from_dict,
)
from traffic_brain.model.reading import read_json
from traffic_brain.model.verdict import Decision

LONGEST_NOTE = 2000
LISTED = 5


@dataclass(frozen=True, slots=True)
class By:
    """Who decides, why, and when.

    Raises:
        ConfigurationError: there is no reason, or it is no plain text.
    """

    who: str
    note: str
    on: date
    """The city's day, which counts for the expiry."""
    at: datetime
    """Aware; stands in the log."""

    def __post_init__(self) -> None:
        strange = [letter for letter in self.note if not letter.isprintable() and letter != "\n"]
        if not self.note.strip() or strange or len(self.note) > LONGEST_NOTE:
            raise ConfigurationError(
                f"a note is a reason in plain text of at most {LONGEST_NOTE} letters",
                "write why, for example --note 'agreed with the district'",
            )

    def act(self, package: str, state: State, other_id: str | None = None) -> Act:
        """What this person does to a package."""
        at = self.at.astimezone(UTC).isoformat(timespec="seconds")
        return Act(package, state.value, self.who, self.note, at, self.on.isoformat(), other_id)


def by_me(note: str, on: date | None = None) -> By:
    """The account of this process decides, now; ``on`` is another day than today."""
    now = datetime.now(UTC)
    return By(_account(), note, on or now.astimezone(ZoneInfo(TIME_ZONE)).date(), now)


def approve(
    store: Store, package: Path, city: Path, state: Path, by: By, key: bytes | None = None
) -> Head:
    """Approve a package for the city and the plans in service as they are now.

    Returns the head of the audit log: who writes it down can hold the log to it later. A package
    that has expired is entered as such.

    Raises:
        ConfigurationError: the folder is no package, or the store fails.
        DataRefused: the package must not be approved, with the reasons; or it is decided already.
    """
    proposal = identify(package, key)
    about = proposal.about
    _refuse_unchecked(package, about)
    verify(package, city)
    problems = changes(package, about, city, state)
    if problems:
        raise DataRefused(
            f"package {proposal.package_id[:SHORT_ID]} was made for another state of the city",
            "run a new night, and decide on its package",
            problems,
        )
    if is_expired(about, by.on):
        _note_expiry(store, proposal, by)
        raise DataRefused(
            f"package {proposal.package_id[:SHORT_ID]} of {about.service_day} has expired on "
            f"{about.expires}",
            "run a new night and decide on its package; a simulated city's day is told with --on",
        )
    return store.act(proposal, by.act(proposal.package_id, State.APPROVED))


def reject(store: Store, package: Path, by: By, key: bytes | None = None) -> Head:
    """Reject a package; returns the head of the audit log.

    Raises:
        ConfigurationError: the folder is no package, or the store fails.
        DataRefused: it was tampered with, or is decided already.
    """
    proposal = identify(package, key)
    verify(package)
    return store.act(proposal, by.act(proposal.package_id, State.REJECTED))


def identify(package: Path, key: bytes | None = None) -> Proposal:
    """Which package this is, its signature checked if there is a key.

    Raises:
        ConfigurationError: the folder is no package.
        DataRefused: it says nothing readable of itself, or is not signed with the key.
    """
    about = read_about(package)
    if key is not None:
        check_signature(package, key)
    return Proposal(package_id(package), about)


def changes(package: Path, about: About, city: Path, state: Path) -> list[str]:
    """What has changed in the city since the package was made for it; empty: nothing.

    Raises:
        DataRefused: a document cannot be read.
    """
    problems = []
    if city_digest(city) != about.city:
        problems.append(f"the network in {city} has changed since")
    sites = rules_inputs_from_dict(read_json(city / "junctions.json"))
    now = plans_in_service(sites, state)
    rollback = plans_from_dict(read_json(package / "rollback.json"), "rollback.json")
    then = {plan.junction_id: plan for plan in rollback}
    differ = sorted(j for j in now.keys() | then.keys() if now.get(j) != then.get(j))
    if differ:
        more = f" and {len(differ) - LISTED} more" if len(differ) > LISTED else ""
        named = ", ".join(differ[:LISTED])
        problems.append(f"the plan in service has changed since at junction {named}{more}")
    return problems


def _refuse_unchecked(package: Path, about: About) -> None:
    if about.kind is Kind.ROLLBACK:
        raise DataRefused(
            "a rollback package restores plans that were in service", "it needs no approval"
        )
    if about.kind is Kind.MODIFIED:
        raise DataRefused(
            "the package was changed by hand and has not been checked since",
            f"traffic-brain check CITY STATE {package} VERDICT, then traffic-brain package CITY "
            f"STATE {package} VERDICT NEW, and approve NEW",
        )
    judged = verdict_from_dict(read_json(package / "verdict.json"))
    if judged.decision is not Decision.DEPLOY:
        raise DataRefused(
            f"the verdict is {judged.decision.value}: {judged.reason}",
            "keep the plans in service; there is nothing to approve",
        )


def _note_expiry(store: Store, proposal: Proposal, by: By) -> None:
    record = store.record(proposal.package_id)
    if record is None or record.state is not State.EXPIRED:
        store.act(proposal, by.act(proposal.package_id, State.EXPIRED))


def _account() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # an account that the machine has no name for
        return str(os.getuid())
