"""A console on a hand-made night, and clients that are logged in to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.unit.console.hand_made_night import hand_made_night
from traffic_brain.console.access import COOKIE
from traffic_brain.console.accounts import Accounts, Role
from traffic_brain.console.app import create_app
from traffic_brain.console.database import Database
from traffic_brain.console.settings import CONSOLE_FOLDER, Settings

PASSWORD = "long enough, and plain"
NIGHT = "/api/nights/monday"


@dataclass(frozen=True)
class Served:
    """A console and where it keeps things."""

    app: FastAPI
    root: Path
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By account: the session's secret and the page's mark, as one log-in gave them."""

    def client(self) -> TestClient:
        return TestClient(
            self.app, base_url="http://localhost", follow_redirects=False, client=("10.0.0.7", 1)
        )

    def logged_in(self, name: str) -> TestClient:
        client = self.client()
        if name not in self.sessions:
            answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            self.sessions[name] = (client.cookies[COOKIE], answer.json()["csrf"])
        secret, mark = self.sessions[name]
        client.cookies.set(COOKIE, secret, domain="localhost.local")
        client.headers["x-csrf-token"] = mark
        return client


def serve(root: Path, accounts: Path) -> Served:
    """A console on ``root`` with accounts that were made before: hashing takes its time."""
    shutil.copytree(accounts, root / CONSOLE_FOLDER)
    return Served(create_app(Settings(root), warm=False), root)


@pytest.fixture(scope="session")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An account for each role: ``viewer``, ``planer``, ``approveer``."""
    settings = Settings(tmp_path_factory.mktemp("accounts"))
    found = Accounts(Database(settings.database))
    for role in Role:
        found.add(f"{role.value}er", role, PASSWORD)
    return settings.database.parent


@pytest.fixture(scope="session")
def finished_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read it, and break copies only."""
    return hand_made_night(tmp_path_factory.mktemp("console") / "monday")


@pytest.fixture(scope="session")
def served(
    tmp_path_factory: pytest.TempPathFactory, finished_night: Path, accounts: Path
) -> Iterator[Served]:
    """One console for the tests that only read; nobody decides in it."""
    root = tmp_path_factory.mktemp("shown")
    (root / "monday").symlink_to(finished_night)
    found = serve(root, accounts)
    yield found
    found.app.state.desk.close()


@pytest.fixture
def own(tmp_path: Path, finished_night: Path, accounts: Path) -> Iterator[Served]:
    """A console with a night of its own, to decide on."""
    shutil.copytree(finished_night, tmp_path / "root" / "monday")
    found = serve(tmp_path / "root", accounts)
    yield found
    found.app.state.desk.close()
