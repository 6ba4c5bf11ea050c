"""``traffic-brain user``, and what ``traffic-brain serve`` refuses to begin with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from traffic_brain.cli import main
from traffic_brain.console.accounts import Accounts, Role
from traffic_brain.console.database import Database
from traffic_brain.console.settings import Settings

PASSWORD = "long enough, and plain"


def user(*arguments: str, root: Path) -> int:
    return main(["user", *arguments, "--root", str(root)])


def test_accounts_are_kept_by_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ("add", "wang", "--role", "plan", "--password", PASSWORD)
    assert user(*add, root=tmp_path) == 0
    assert user(*add, root=tmp_path) == 3
    assert "already" in capsys.readouterr().err
    assert user("list", "--json", root=tmp_path) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "wang", "role": "plan"}]
    assert user("token", "wang", root=tmp_path) == 0
    token = capsys.readouterr().out.strip()
    accounts = Accounts(Database(Settings(tmp_path).database))
    holder = accounts.holder(token)
    assert holder is not None
    assert holder.role is Role.PLAN
    other = "another long password"
    assert user("password", "wang", "--password", other, root=tmp_path) == 0
    assert accounts.log_in("wang", PASSWORD) is None
    assert accounts.log_in("wang", other) is not None
    assert user("remove", "wang", root=tmp_path) == 0
    assert user("remove", "wang", root=tmp_path) == 3
    assert accounts.holder(token) is None


def test_a_short_password_or_an_odd_name_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert user("add", "wang", "--role", "plan", "--password", "short", root=tmp_path) == 3
    assert user("add", "a/b", "--role", "plan", "--password", PASSWORD, root=tmp_path) == 3
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_there_must_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "missing"
    assert main(["serve", "--root", str(missing)]) == 3
    assert user("list", root=missing) == 3
    assert "there is no folder" in capsys.readouterr().err
    assert not missing.exists()
