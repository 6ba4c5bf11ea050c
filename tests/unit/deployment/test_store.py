"""The store: opened once or many times, refused when it is none, and no password in any line."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.unit.deployment.decided import Decided, by
from traffic_brain.deployment.approval import approve, identify
from traffic_brain.deployment.audit import Head, State
from traffic_brain.deployment.store import Store, open_store
from traffic_brain.errors import ConfigurationError, DataRefused


def test_a_new_store_is_empty(store: Store) -> None:
    assert store.records() == []
    assert store.record("0" * 64) is None
    assert store.trail().head == Head()


def test_what_was_decided_is_there_when_it_is_opened_again(night: Decided, address: str) -> None:
    with closing(open_store(address)) as store:
        head = approve(store, night.package, night.city, night.state, by())
    with closing(open_store(address, create=False)) as store:
        (record,) = store.records()
        assert record.state is State.APPROVED
        assert record.about == identify(night.package).about
        assert store.trail().head == head


def test_a_store_of_a_newer_version_is_refused(store: Store, address: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(sa.text("UPDATE store_version SET version = 2"))
    with pytest.raises(ConfigurationError, match=r"has version 2, .* knows 1 — update"):
        open_store(address)


def test_a_database_of_others_is_left_alone(store: Store, address: str) -> None:
    with store._engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE store_version"))
    with pytest.raises(ConfigurationError, match="holds a table 'decisions' of others"):
        open_store(address)


def test_a_row_with_an_unknown_state_is_named(night: Decided, store: Store) -> None:
    approve(store, night.package, night.city, night.state, by())
    with store._engine.begin() as connection:
        connection.execute(sa.text("UPDATE packages SET state = 'fine'"))
    with pytest.raises(DataRefused, match="'fine' is not a valid State"):
        store.records()


def test_only_one_of_two_acts_is_kept_when_the_second_fails(night: Decided, store: Store) -> None:
    proposal = identify(night.package)
    back = by().act(proposal.package_id, State.ROLLED_BACK)
    with pytest.raises(DataRefused, match="only an approved package can be rolled back"):
        store.act(proposal, back)
    assert store.records() == []
    assert store.trail().entries == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes " * 100, "utf-8")
    with pytest.raises(ConfigurationError, match=r"notes.txt fails: file is not a database"):
        open_store(str(path))


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="there is no store"):
        open_store(str(tmp_path / "none.sqlite"), create=False)
    with pytest.raises(ConfigurationError, match="fails: unable to open database file"):
        open_store(str(tmp_path / "no" / "folder.sqlite"))


def test_a_sqlite_url_is_a_file(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path}/a.sqlite").close()
    assert (tmp_path / "a.sqlite").is_file()


@pytest.mark.parametrize(
    "where",
    ["mysql://u:secret@h/n", "sqlite://", "postgresql://u:secret@h:x/n", "nonsense://u:secret@h"],
)
def test_other_addresses_are_refused_without_their_password(where: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        open_store(where)
    assert "secret" not in str(refused.value)


def test_a_server_that_does_not_answer_is_one_line_without_a_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="no driver here: pip install 'psycopg[binary]'")
    with pytest.raises(ConfigurationError) as refused:
        open_store(f"postgresql://u:secret@/name?host={tmp_path}")
    line = str(refused.value)
    assert "secret" not in line
    assert "\n" not in line
    assert "fails: connection" in line


def test_who_waits_too_long_is_told(
    night: Decided, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traffic_brain.deployment.store.BUSY_S", 0.1)
    path = tmp_path / "decisions.sqlite"
    with closing(open_store(str(path))) as store, closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(ConfigurationError, match=r"database is locked — .*then try again"):
            approve(store, night.package, night.city, night.state, by())
        other.rollback()
        approve(store, night.package, night.city, night.state, by())
