"""Approve, reject, change and export: the deployment's own functions, by the one who is logged in.

Decisions are kept where the commands keep them, in the file beside each package, unless the
console was given a store.
"""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Lock
from zoneinfo import ZoneInfo

from traffic_brain.clock import TIME_ZONE
from traffic_brain.console.nights import NightFolder
from traffic_brain.console.proposals import Proposal
from traffic_brain.console.refusals import Conflict
from traffic_brain.console.runs import MODIFIED
from traffic_brain.console.settings import Settings
from traffic_brain.deployment.about import is_expired, package_id, read_about
from traffic_brain.deployment.approval import By, approve, reject
from traffic_brain.deployment.audit import Head, State
from traffic_brain.deployment.formats.exporting import export_package
from traffic_brain.deployment.formats.registry import FORMATS
from traffic_brain.deployment.modify import modify, retimed
from traffic_brain.deployment.store import STORE_FILE, Store, open_store
from traffic_brain.errors import DataRefused
from traffic_brain.model.documents import plans_from_dict
from traffic_brain.model.reading import read_json
from traffic_brain.model.verdict import Decision

_ZIP_DAY = (1980, 1, 1, 0, 0, 0)
"""The same plans give the same archive."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a package stands: what may still be done, and why not."""

    package_id: str
    state: State
    expires: str
    is_expired: bool
    is_better: bool
    """Its verdict is DEPLOY."""
    plan_count: int
    counting_day: date

    @property
    def is_open(self) -> bool:
        return self.state in {State.PROPOSED, State.EXPIRED}

    @property
    def may_be_approved(self) -> bool:
        return self.is_open and self.is_better and self.plan_count > 0 and not self.is_expired

    @property
    def may_be_rejected(self) -> bool:
        return self.is_open


class Decisions:
    """What planners decide, and what became of it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stores: dict[str, Store] = {}
        self._lock = Lock()
        self._proving = Lock()

    def close(self) -> None:
        """Give back the stores."""
        for store in self._stores.values():
            store.close()
        self._stores.clear()

    def counting_day(self, night: NightFolder) -> date:
        """The day that counts for the expiry.

        It is today, but for a simulated city, whose calendar is not ours: there, it is the day
        after the service day, when its planner would look at the night.
        """
        if self._settings.on is not None:
            return self._settings.on
        if night.is_simulated:
            return date.fromisoformat(night.service_day) + timedelta(days=1)
        return datetime.now(ZoneInfo(TIME_ZONE)).date()

    def standing(self, proposal: Proposal) -> Standing:
        """How the package of a proposal stands.

        Raises:
            DataRefused, ConfigurationError: it cannot be read.
        """
        about = read_about(proposal.package)
        identity = package_id(proposal.package)
        judged = read_json(proposal.verdict / "verdict.json")
        day = self.counting_day(proposal.night)
        return Standing(
            package_id=identity,
            state=self._state(proposal, identity),
            expires=about.expires,
            is_expired=is_expired(about, day),
            is_better=judged["decision"] == Decision.DEPLOY.value,
            plan_count=len(read_json(proposal.package / "plans.json")["plans"]),
            counting_day=day,
        )

    def approve(self, proposal: Proposal, who: str, note: str) -> Head:
        """Approve a package; see `deployment.approval.approve`.

        Raises:
            Conflict: it is decided already.
            DataRefused, ConfigurationError: as `approve` raises them.
        """
        folders = proposal.night.folders
        with self._decided_once(proposal):
            return approve(
                self._store(proposal.package),
                proposal.package,
                folders.city,
                folders.state,
                self._by(proposal, who, note),
            )

    def reject(self, proposal: Proposal, who: str, note: str) -> Head:
        """Reject a package; see `deployment.approval.reject`.

        Raises:
            Conflict: it is decided already.
            DataRefused, ConfigurationError: as `reject` raises them.
        """
        with self._decided_once(proposal):
            return reject(
                self._store(proposal.package), proposal.package, self._by(proposal, who, note)
            )

    def modify(
        self,
        proposal: Proposal,
        who: str,
        note: str,
        changes: Changes,
        run_folder: Path,
    ) -> Head:
        """Change a package into one in the folder of a run; see `deployment.modify.modify`."""
        packed = plans_from_dict(read_json(proposal.package / "plans.json"), "plans.json")
        return modify(
            self._store(proposal.package),
            proposal.package,
            run_folder / MODIFIED,
            retimed(packed, changes.greens_s, changes.offsets_s),
            self._by(proposal, who, note),
            kept=changes.kept,
        )

    def export(self, proposal: Proposal, form: str) -> bytes:
        """A package in one format, as the bytes of a zip archive.

        Raises:
            DataRefused, ConfigurationError: as `export_package` raises them.
        """
        city = proposal.night.folders.city if FORMATS[form].needs_roads else None
        with self._proving, tempfile.TemporaryDirectory() as temporary:
            export_package(proposal.package, [form], Path(temporary), city=city)
            return _zipped(Path(temporary, form))

    def log(self, night: NightFolder) -> list[Mapping[str, object]]:
        """The audit log of the store that holds this night's decisions, the newest first."""
        where = self._where(night.folders.package)
        if not self._exists(where):
            return []
        entries = self._store(night.folders.package).trail().entries
        return [
            {
                "seq": entry.seq,
                "at": entry.act.at,
                "who": entry.act.who,
                "package_id": entry.act.package_id,
                "state": entry.act.state,
                "note": entry.act.note,
            }
            for entry in reversed(entries)
        ]

    @contextmanager
    def _decided_once(self, proposal: Proposal) -> Iterator[None]:
        """Look first whether it is decided: to prove a package takes seconds and a city's memory.

        One at a time does so; of several consoles, the store lets one decide.
        """
        with self._proving:
            state = self._state(proposal, package_id(proposal.package))
            if state not in {State.PROPOSED, State.EXPIRED}:
                raise Conflict(
                    f"the package is {state.value} already", "load the page again to see by whom"
                )
            yield

    def _by(self, proposal: Proposal, who: str, note: str) -> By:
        return By(who, note, self.counting_day(proposal.night), datetime.now(UTC))

    def _state(self, proposal: Proposal, identity: str) -> State:
        if not self._exists(self._where(proposal.package)):
            return State.PROPOSED
        record = self._store(proposal.package).record(identity)
        return record.state if record else State.PROPOSED

    def _where(self, package: Path) -> str:
        return self._settings.store or str(package.with_name(STORE_FILE))

    def _exists(self, where: str) -> bool:
        return self._settings.store is not None or Path(where).is_file()

    def _store(self, package: Path) -> Store:
        where = self._where(package)
        with self._lock:
            if where not in self._stores:
                self._stores[where] = open_store(where)
            return self._stores[where]


@dataclass(frozen=True, slots=True)
class Changes:
    """What a planner changes in a package, by junction."""

    greens_s: Mapping[str, Sequence[int]]
    offsets_s: Mapping[str, int]
    kept: Sequence[str]


def _zipped(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with closing(zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED)) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = path.relative_to(folder).as_posix()
                archive.writestr(zipfile.ZipInfo(name, _ZIP_DAY), path.read_bytes())
    if not archive.namelist():
        raise DataRefused("nothing was exported", "look at the package")
    return buffer.getvalue()
