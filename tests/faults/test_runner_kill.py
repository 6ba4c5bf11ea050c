"""A night that is killed at any moment goes on, repeats nothing, and ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import file_hashes, read_manifest

TOY_NIGHT = Path(__file__).with_name("toy_night.py")
STAGES = ["record", "fuse", "optimize", "report"]
FOLDERS = {
    "record": ["feeds/2026-11-02", "truth/2026-11-02"],
    "fuse": ["state"],
    "optimize": ["plans"],
    "report": ["report"],
}
PACE_S = 0.015
RENAMES = 5
"""Of a first night: one per folder; of a second one, three per folder."""


def toy_night(out: Path, seed: int = 1, pace_s: float = 0.0, crash_at: int = 0) -> list[str]:
    """Run a night to its end (or its crash); returns what the ledger says of this run."""
    before = len(list(Ledger(out / "ledger.jsonl").events()))
    run = subprocess.run(
        [sys.executable, TOY_NIGHT, out, str(seed), str(pace_s)],
        env=os.environ | {"CRASH_AT": str(crash_at)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == (-signal.SIGKILL if crash_at else 0), run.stderr
    return events(out)[before:]


def events(out: Path) -> list[str]:
    return [
        f"{event['event']} {event.get('stage', '')}".strip()
        for event in Ledger(out / "ledger.jsonl").events()
    ]


def result(out: Path) -> dict[str, str]:
    hashes = file_hashes(out)
    del hashes["ledger.jsonl"]
    return hashes


def finished(out: Path) -> set[str]:
    """Stages whose folders are all there; makes sure that no folder is there in part."""
    for names in FOLDERS.values():
        for folder in (out / name for name in names):
            if folder.exists():
                manifest = read_manifest(folder)
                assert manifest is not None, f"{folder} has no manifest"
                files = file_hashes(folder)
                del files["manifest.json"]
                assert files == manifest["files"]
    return {
        stage for stage, names in FOLDERS.items() if all((out / name).exists() for name in names)
    }


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.002)


def assert_nothing_left_over(out: Path) -> None:
    assert [path for path in out.rglob(".*") if path.name != ".lock"] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    out = tmp_path_factory.mktemp("undisturbed")
    assert toy_night(out) == [
        "night started",
        *(f"{word} {stage}" for stage in STAGES for word in ("stage started", "stage finished")),
        "night finished",
    ]
    return result(out)


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_a_random_moment(
    tmp_path: Path, undisturbed: dict[str, str], moment: int
) -> None:
    wait_s = random.Random(moment).uniform(0.0, 1.3 * 15 * PACE_S)
    night = subprocess.Popen([sys.executable, TOY_NIGHT, tmp_path, "1", str(PACE_S)])
    wait_until((tmp_path / "ledger.jsonl").exists)
    time.sleep(wait_s)
    night.kill()
    night.wait()

    kept = finished(tmp_path)
    second = toy_night(tmp_path)

    assert [stage for stage in STAGES if f"stage unchanged {stage}" in second] == [
        stage for stage in STAGES if stage in kept
    ]
    assert second[-1] == "night finished"
    assert max(Counter(e for e in events(tmp_path) if "stage finished" in e).values()) == 1
    assert result(tmp_path) == undisturbed
    assert_nothing_left_over(tmp_path)


@pytest.mark.parametrize("nth", range(1, RENAMES + 1))
def test_killed_before_a_rename(tmp_path: Path, undisturbed: dict[str, str], nth: int) -> None:
    toy_night(tmp_path, crash_at=nth)
    toy_night(tmp_path)
    assert result(tmp_path) == undisturbed
    assert_nothing_left_over(tmp_path)


@pytest.mark.parametrize("nth", range(1, 3 * RENAMES + 1))
def test_killed_before_a_rename_when_there_is_an_older_result(
    tmp_path: Path, undisturbed: dict[str, str], nth: int
) -> None:
    toy_night(tmp_path, seed=2)
    older = result(tmp_path)
    assert older != undisturbed
    toy_night(tmp_path, seed=1, crash_at=nth)
    toy_night(tmp_path, seed=1)
    assert result(tmp_path) == undisturbed
    assert_nothing_left_over(tmp_path)


def test_many_kills_in_one_folder(tmp_path: Path, undisturbed: dict[str, str]) -> None:
    moments = random.Random(2026)
    for _ in range(10):
        night = subprocess.Popen([sys.executable, TOY_NIGHT, tmp_path, "1", str(PACE_S)])
        time.sleep(moments.uniform(0.05, 0.35))
        night.kill()
        night.wait()
        finished(tmp_path)
    toy_night(tmp_path)
    assert max(Counter(e for e in events(tmp_path) if "stage finished" in e).values()) == 1
    assert result(tmp_path) == undisturbed
    assert_nothing_left_over(tmp_path)


def test_only_one_night_at_a_time(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, TOY_NIGHT, tmp_path, "1", "0.3"])
    try:
        wait_until(lambda: "stage started record" in events(tmp_path))
        second = subprocess.run(
            [sys.executable, TOY_NIGHT, tmp_path, "1", "0"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        first.kill()
        first.wait()
    assert second.returncode == 3
    assert second.stderr.startswith("another night is at work in")
    assert "night finished" in toy_night(tmp_path)  # the lock died with its holder


def test_a_torn_ledger_line_spoils_only_itself(tmp_path: Path) -> None:
    toy_night(tmp_path)
    ledger = tmp_path / "ledger.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-20])
    assert toy_night(tmp_path) == [
        "night started",
        *(f"{word} {stage}" for stage in STAGES for word in ("stage started", "stage unchanged")),
        "night finished",
    ]
    assert ledger.read_bytes().startswith(whole[:-20] + b"\n")
