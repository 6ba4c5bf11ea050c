"""What the tests of decisions share: a package, and a store of each kind to decide in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.unit.deployment.decided import Decided
from tests.unit.deployment.postgres import postgres_server
from traffic_brain.deployment.store import Store, open_store


@pytest.fixture
def night(tmp_path: Path) -> Decided:
    return Decided(tmp_path)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with postgres_server() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a store that nobody has used yet."""
    if request.param == "sqlite":
        return str(tmp_path / "decisions.sqlite")
    import psycopg

    server: str = request.getfixturevalue("server")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return server


@pytest.fixture
def store(address: str) -> Iterator[Store]:
    with closing(open_store(address)) as opened:
        yield opened
