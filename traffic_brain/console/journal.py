"""The console's journal: who did what from where, and with what outcome.

Each entry is sealed upon the one before, as in the decisions' own audit log; the database lets
nobody change or delete one. Decisions on packages stand, besides, in that log.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from traffic_brain.console.database import Database
from traffic_brain.deployment.audit import NOTHING_BEFORE
from traffic_brain.model.reading import digest

LONGEST_ACT = 300


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal."""

    seq: int
    at: str
    who: str
    address: str
    act: str
    status: int
    """The HTTP status that answered it."""


class Journal:
    """An append-only log in the console's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, who: str, address: str, act: str, status: int) -> None:
        """Add an entry; control characters cannot forge a line."""
        clean = "".join(c if c.isprintable() else "�" for c in act)[:LONGEST_ACT]
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._database.writing() as connection:
            last = connection.execute(
                "SELECT seq, digest FROM journal ORDER BY seq DESC LIMIT 1"
            ).fetchone()
            before = (last["seq"], last["digest"]) if last else (0, NOTHING_BEFORE)
            entry = Entry(before[0] + 1, at, who, address, clean, status)
            connection.execute(
                "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (*asdict(entry).values(), before[1], _seal(entry, before[1])),
            )

    def entries(self, most: int = 200) -> list[Entry]:
        """The last entries, the newest first."""
        with self._database.reading() as connection:
            rows = connection.execute(
                "SELECT seq, at, who, address, act, status FROM journal ORDER BY seq DESC LIMIT ?",
                (most,),
            ).fetchall()
        return [Entry(*row) for row in rows]

    def flaw(self) -> str | None:
        """What is wrong with the chain; None: all is whole."""
        before, expected = NOTHING_BEFORE, 1
        with self._database.reading() as connection:
            for row in connection.execute("SELECT * FROM journal ORDER BY seq"):
                *fields, previous, sealed = tuple(row)
                entry = Entry(*fields)
                if entry.seq != expected or previous != before or sealed != _seal(entry, before):
                    return f"entry {expected} is missing or was changed"
                before, expected = sealed, expected + 1
        return None


def _seal(entry: Entry, previous: str) -> str:
    return digest({**asdict(entry), "previous": previous})
