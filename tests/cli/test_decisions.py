"""From a package to a decision, on the command line."""

import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.deployment.decided import Decided
from traffic_brain.cli import main
from traffic_brain.deployment.about import package_id

DAY = "2026-11-03"


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Decided:
    monkeypatch.delenv("TRAFFIC_BRAIN_STORE", raising=False)
    return Decided(tmp_path / "night")


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def document(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: pytest.CaptureFixture[str]) -> str:
    err = capsys.readouterr().err
    assert err.startswith("traffic-brain: error: ")
    assert err.count("\n") == 1
    return err


def test_approve_roll_back_and_audit(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("approve", night.package, "--note", "agreed", "--on", DAY, "--json") == 0
    approved = document(capsys)
    assert approved["package"] == package_id(night.package)
    assert approved["state"] == "approved"

    assert run("approve", night.package, "--note", "me too", "--on", DAY) == 4
    assert "is approved already, by" in refusal(capsys)

    back = night.root / "back"
    assert run("rollback", night.package, back, "--note", "queues", "--at", "14:30", "--json") == 0
    assert document(capsys)["folder"] == str(back)
    assert run("verify", back, night.city) == 0
    capsys.readouterr()

    assert run("audit", night.package, "--head", approved["log_head"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[4] for line in out.splitlines()[1:3]] == ["proposed", "approved"]
    assert "rolled back  queues" in out
    assert "3 entries, none changed" in out
    account = pwd.getpwuid(os.getuid()).pw_name
    assert all(account in line for line in out.splitlines()[1:4])


def test_reject(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("reject", night.package, "--note", "the fair is on") == 0
    assert "rejected" in capsys.readouterr().out
    assert run("approve", night.package, "--note", "agreed", "--on", DAY) == 4
    assert "is rejected already" in refusal(capsys)


def test_modify(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    out = night.root / "modified"
    changes = ("--greens", "J=38,24", "--offset", "J=5", "--note", "more for the main road")
    assert run("modify", night.package, out, *changes, "--json") == 0
    assert document(capsys)["state"] == "modified"
    (plan,) = json.loads((out / "plans.json").read_text("utf-8"))["plans"]
    assert ([s["green_s"] for s in plan["stages"]], plan["offset_s"]) == ([38, 24], 5)
    assert run("approve", out, "--note", "agreed", "--on", DAY) == 4
    assert "has not been checked since — traffic-brain check CITY STATE" in refusal(capsys)


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        (("--greens", "J"), 2, "'J' is not JUNCTION=SECONDS"),
        (("--greens", "J=a,b"), 2, "'a' is not whole seconds"),
        (("--offset", "J=5,6"), 2, "'5,6' is not whole seconds"),
        (("--greens", "J=4,58"), 4, "rule min_green, junction J"),
        (("--plans", "nothing.json"), 4, "nothing.json cannot be read"),
        ((), 4, "nothing is changed"),
    ],
)
def test_changes_that_cannot_be(
    night: Decided,
    capsys: pytest.CaptureFixture[str],
    changes: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    out = night.root / "modified"
    assert run("modify", night.package, out, *changes, "--note", "x") == code
    assert words in refusal(capsys)
    assert not out.exists()


def test_expired(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("approve", night.package, "--note", "late", "--on", "2026-12-24") == 4
    assert "has expired on 2026-11-16" in refusal(capsys)


def test_audit_prints_what_is_sound_and_names_the_first_broken_entry(
    night: Decided, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("reject", night.package, "--note", "no") == 0
    with sqlite3.connect(night.root / "decisions.sqlite") as database:
        database.execute("DROP TRIGGER no_UPDATE")
        database.execute("UPDATE decisions SET note = 'yes' WHERE seq = 2")
    database.close()
    capsys.readouterr()
    assert run("audit", night.package, "--json") == 4
    out, err = capsys.readouterr()
    assert [entry["seq"] for entry in json.loads(out)["entries"]] == [1]
    assert "the audit log is not whole: entry 2 has been changed" in err


def test_audit_of_nothing(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("audit", night.package) == 3
    assert "there is no store" in refusal(capsys)
    assert not (night.root / "decisions.sqlite").exists()


def test_the_store_can_be_named_once_for_all(
    night: Decided, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAFFIC_BRAIN_STORE", f"sqlite:///{night.root}/of all.sqlite")
    assert run("reject", night.package, "--note", "no") == 0
    assert (night.root / "of all.sqlite").is_file()
    assert run("audit") == 0
    assert "2 entries, none changed" in capsys.readouterr().out


def test_a_key_of_the_department(night: Decided, capsys: pytest.CaptureFixture[str]) -> None:
    key, folder = night.root / "key", night.root / "signed"
    key.write_bytes(os.urandom(32))
    key.chmod(0o600)
    inputs = (night.city, night.state, night.plans, night.verdict)
    assert run("package", *inputs, folder, "--key", key) == 0
    assert run("verify", folder, "--key", key) == 0
    assert run("approve", folder, "--note", "agreed", "--on", DAY, "--key", key) == 0
    capsys.readouterr()
    assert run("verify", night.package, "--key", key) == 4
    assert "is not signed" in refusal(capsys)


def test_a_process_that_is_killed_while_deciding_leaves_a_whole_store(
    night: Decided, tmp_path: Path
) -> None:
    """The system takes its locks back, and the next one decides."""
    code = (
        "import os, sys; from traffic_brain.deployment import store; "
        "store._append = lambda *_: os.kill(os.getpid(), 9); "
        "from traffic_brain.cli import main; main(sys.argv[1:])"
    )
    arguments = ["reject", night.package, "--note", "no"]
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False)
    assert done.returncode == -9
    shutil.rmtree(night.root / "nothing", ignore_errors=True)
    assert run(*arguments) == 0
    assert run("audit", night.package) == 0
