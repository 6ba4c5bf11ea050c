"""The console's own SQLite file: users, sessions, tokens, and the journal."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from traffic_brain.errors import ConfigurationError

_BUSY_S = 30.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    name TEXT PRIMARY KEY, role TEXT NOT NULL, password TEXT NOT NULL, added TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    digest TEXT PRIMARY KEY, csrf TEXT NOT NULL, expires INTEGER NOT NULL,
    name TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, label TEXT NOT NULL, added TEXT NOT NULL,
    name TEXT NOT NULL REFERENCES users(name) ON DELETE CASCADE
);
CREATE TABLE IF NOT EXISTS journal (
    seq INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, address TEXT NOT NULL,
    act TEXT NOT NULL, status INTEGER NOT NULL, previous TEXT NOT NULL, digest TEXT NOT NULL
);
CREATE TRIGGER IF NOT EXISTS journal_no_update BEFORE UPDATE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER IF NOT EXISTS journal_no_delete BEFORE DELETE ON journal
    BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


class Database:
    """One SQLite file; every block of work is a transaction with a connection of its own."""

    def __init__(self, path: Path) -> None:
        """Make the file where it is missing, readable by its owner alone.

        Raises:
            ConfigurationError: it cannot be made or is no such file.
        """
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            with closing(self._connect()) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"the console cannot keep its accounts in {path}: {error}",
                "check that the folder may be written",
            ) from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection that changes nothing."""
        with closing(self._connect()) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, the only one that writes."""
        with closing(self._connect()) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection
