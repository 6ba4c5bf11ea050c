"""What a monitor is told of the last night."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.runner import LEDGER
from traffic_brain.nightly.status import NightState, night_status


def diary(root: Path, *events: str) -> None:
    """Events such as ``stage finished:fuse``, written as the runner writes them."""
    ledger = Ledger(root / LEDGER)
    for event in events:
        name, _, stage = event.partition(":")
        told: dict[str, object] = {"stage": stage} if stage else {}
        told |= {"seconds": 2.5} if name == "stage finished" else {}
        told |= {"reason": "no rows"} if name == "stage failed" else {}
        ledger.append(name, **told)


def test_where_no_night_ever_ran(tmp_path: Path) -> None:
    assert night_status(tmp_path / "nothing").state is NightState.NEVER
    assert not (tmp_path / "nothing").exists()
    assert not night_status(tmp_path).healthy


def test_a_night_that_came_to_its_end(tmp_path: Path) -> None:
    diary(tmp_path, "night started", "stage started:fuse", "stage finished:fuse", "night finished")
    (tmp_path / "verdict").mkdir()
    (tmp_path / "verdict/verdict.json").write_text('{"decision": "KEEP"}', encoding="utf-8")
    later = datetime.now(UTC) + timedelta(hours=2)
    status = night_status(tmp_path, later)
    assert (status.state, status.healthy) == (NightState.FINISHED, True)
    assert status.stages_s == {"fuse": 2.5}
    assert (status.stage, status.decision) == (None, "KEEP")
    assert status.age_s is not None
    assert 7190 < status.age_s < 7210


def test_a_stage_that_failed_is_named_with_its_reason(tmp_path: Path) -> None:
    diary(tmp_path, "night started", "stage started:fuse", "stage failed:fuse")
    status = night_status(tmp_path)
    assert (status.state, status.stage, status.reason) == (NightState.FAILED, "fuse", "no rows")
    assert not status.healthy
    assert ("reason", "no rows") in status.table()
    assert status.document()["state"] == "failed"


def test_only_the_last_night_counts(tmp_path: Path) -> None:
    diary(tmp_path, "night started", "stage started:fuse", "stage failed:fuse")
    diary(tmp_path, "night started", "night finished")
    assert night_status(tmp_path).state is NightState.FINISHED


def test_a_night_that_was_killed_is_told_from_one_at_work(tmp_path: Path) -> None:
    at_work = (
        "import sys, time, pathlib\n"
        "from traffic_brain.nightly.runner import Nobody, Stage, run_stages\n"
        "root = pathlib.Path(sys.argv[1])\n"
        "def work(out, progress):\n"
        "    print('at work', flush=True)\n"
        "    time.sleep(60)\n"
        "stage = Stage('fuse', {}, (root / 'state',), work)\n"
        "list(run_stages([stage], root, Nobody()))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", at_work, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as night:
        assert night.stdout is not None
        assert night.stdout.readline() == "at work\n"
        status = night_status(tmp_path)
        assert (status.state, status.stage) == (NightState.RUNNING, "fuse")
        assert status.healthy
        night.kill()
    assert night_status(tmp_path).state is NightState.INTERRUPTED
