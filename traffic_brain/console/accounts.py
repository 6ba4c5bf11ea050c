"""Who may use the console: local users with one of three roles, their sessions and tokens.

Of sessions and tokens only hashes are kept: who reads the file cannot use them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from traffic_brain.console import passwords
from traffic_brain.console.database import Database
from traffic_brain.errors import ConfigurationError

SESSION_S = 12 * 3600
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,39}")


class Role(StrEnum):
    """VIEW reads; PLAN also changes, exports and starts optimisations; APPROVE also decides."""

    VIEW = "view"
    PLAN = "plan"
    APPROVE = "approve"

    def may(self, needed: Role) -> bool:
        """Whether this role includes another."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class User:
    """A local account."""

    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is logged in with a browser."""

    user: User
    csrf: str
    """What a page must send with whatever changes something."""


class Accounts:
    """Users, sessions and tokens in the console's database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def users(self) -> list[User]:
        """All accounts by name."""
        with self._database.reading() as connection:
            rows = connection.execute("SELECT name, role FROM users ORDER BY name").fetchall()
        return [_user(row) for row in rows]

    def add(self, name: str, role: Role, password: str) -> None:
        """A new account.

        Raises:
            ConfigurationError: the name is taken or odd, or the password too short.
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(
                f"{name!r} is no account name", "use up to 40 letters, digits, '_', '.' and '-'"
            )
        row = (name, role.value, passwords.hashed(password), _now())
        try:
            with self._database.writing() as connection:
                connection.execute("INSERT INTO users VALUES (?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise ConfigurationError(
                f"there is an account {name} already", "choose another name, or remove it first"
            ) from error

    def change_password(self, name: str, password: str) -> None:
        """A new password; ends all sessions of the account.

        Raises:
            ConfigurationError: no such account, or the password is too short.
        """
        stored = passwords.hashed(password)
        with self._database.writing() as connection:
            self._refuse_unknown(connection, name)
            connection.execute("UPDATE users SET password = ? WHERE name = ?", (stored, name))
            connection.execute("DELETE FROM sessions WHERE name = ?", (name,))

    def remove(self, name: str) -> None:
        """Delete an account with its sessions and tokens.

        Raises:
            ConfigurationError: there is none.
        """
        with self._database.writing() as connection:
            self._refuse_unknown(connection, name)
            connection.execute("DELETE FROM users WHERE name = ?", (name,))

    def new_token(self, name: str, label: str) -> str:
        """A token for the REST interface, shown this one time; it has the role of its account.

        Raises:
            ConfigurationError: there is no such account.
        """
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            self._refuse_unknown(connection, name)
            row = (_digest(token), label, _now(), name)
            connection.execute("INSERT INTO tokens VALUES (?, ?, ?, ?)", row)
        return token

    def log_in(self, name: str, password: str) -> tuple[str, Session] | None:
        """A session and its secret; None: name or password is wrong."""
        with self._database.reading() as connection:
            row = connection.execute("SELECT * FROM users WHERE name = ?", (name,)).fetchone()
        if (
            not passwords.matches(password, row["password"] if row else passwords.NOBODYS)
            or not row
        ):
            return None
        secret, session = secrets.token_urlsafe(32), Session(_user(row), secrets.token_urlsafe(24))
        now = int(time.time())
        with self._database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE expires < ?", (now,))
            connection.execute(
                "INSERT INTO sessions (digest, csrf, expires, name) VALUES (?, ?, ?, ?)",
                (_digest(secret), session.csrf, now + SESSION_S, name),
            )
        return secret, session

    def log_out(self, secret: str) -> None:
        """End a session."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM sessions WHERE digest = ?", (_digest(secret),))

    def session(self, secret: str) -> Session | None:
        """The session of a secret, if it has not ended."""
        query = (
            "SELECT s.csrf, u.name, u.role FROM sessions s JOIN users u ON u.name = s.name "
            "WHERE s.digest = ? AND s.expires > ?"
        )
        with self._database.reading() as connection:
            row = connection.execute(query, (_digest(secret), int(time.time()))).fetchone()
        return Session(_user(row), row["csrf"]) if row else None

    def holder(self, token: str) -> User | None:
        """Whose token this is."""
        query = (
            "SELECT u.name, u.role FROM tokens t JOIN users u ON u.name = t.name WHERE t.digest = ?"
        )
        with self._database.reading() as connection:
            row = connection.execute(query, (_digest(token),)).fetchone()
        return _user(row) if row else None

    @staticmethod
    def _refuse_unknown(connection: sqlite3.Connection, name: str) -> None:
        if connection.execute("SELECT 1 FROM users WHERE name = ?", (name,)).fetchone() is None:
            raise ConfigurationError(
                f"there is no account {name!r}", "see: traffic-brain user list"
            )


def _user(row: sqlite3.Row) -> User:
    return User(row["name"], Role(row["role"]))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
