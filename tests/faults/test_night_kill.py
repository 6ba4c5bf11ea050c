"""A real night, killed ten times and started again, ends with the bytes of an undisturbed one."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import MANIFEST, file_hashes, read_manifest

NIGHTLY = "import sys; from traffic_brain.cli import main; sys.exit(main())"
KILLS = 10
STAGES = [
    *("record", "import", "fuse", "diagnose", "optimize"),
    *("check", "package", "evaluate", "report"),
]
DAY = "2026-11-02"
FOLDERS = [
    *("city", "diagnosis", f"feeds/{DAY}", "package", "plans"),
    *("report", "state", f"truth/{DAY}", "verdict", "world"),
]
SETTINGS = """
evaluation_seeds = 2
workers = 2

[optimize]
max_candidates = 1

[check]
screen_seeds = 1
more_seeds = 0
last_seeds = 0
stress_seeds = 1
calm_seeds = 1
transition_seeds = 1
"""
"""As few simulations as still make a verdict."""


@dataclass(frozen=True)
class Night:
    """The streets of the world ``small`` for a quarter of an hour, to be worked on in ``out``."""

    config: Path
    world: Path
    out: Path

    def start(self) -> subprocess.Popen[str]:
        arguments = ["--config", self.config, "--world", self.world, "--out", self.out]
        return subprocess.Popen(
            [sys.executable, "-c", NIGHTLY, "nightly", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self) -> str:
        """Run to the end; returns what was printed."""
        night = self.start()
        out, err = night.communicate(timeout=300)
        assert night.returncode == 0, err
        return out

    def events(self) -> Iterator[tuple[str, str]]:
        for event in Ledger(self.out / "ledger.jsonl").events():
            yield str(event["event"]), str(event.get("stage", ""))

    def times_s(self) -> dict[str, float]:
        """How long each stage took."""
        return {
            str(event["stage"]): float(str(event["seconds"]))
            for event in Ledger(self.out / "ledger.jsonl").events()
            if event["event"] == "stage finished"
        }

    def hashes(self) -> dict[str, str]:
        found = file_hashes(self.out)
        del found["ledger.jsonl"]
        return found

    def assert_no_folder_is_half_written(self) -> None:
        for folder in (self.out / name for name in FOLDERS):
            if folder.exists():
                manifest = read_manifest(folder)
                assert manifest is not None, f"{folder} has no manifest"
                files = file_hashes(folder)
                del files[MANIFEST]
                assert files == manifest["files"]


def moments(times_s: dict[str, float]) -> list[tuple[str, float]]:
    """Stage and seconds since its begin: one random moment in each tenth of the night."""
    draw = random.Random(2026)
    length_s = sum(times_s.values())
    found = []
    for tenth in range(KILLS):
        left_s = (tenth + draw.random()) / KILLS * length_s
        for stage in STAGES:
            if left_s < times_s[stage]:
                found.append((stage, left_s))
                break
            left_s -= times_s[stage]
    return found


def wait_until(happened: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("nights")
    world = build(GeneratedCity(duration_s=900), folder / "quarter")
    config = folder / "night.toml"
    config.write_text(SETTINGS, encoding="utf-8")
    night = Night(config, world, folder / "undisturbed")
    night.finish()
    return night


def test_a_night_killed_ten_times_ends_with_the_same_bytes(undisturbed: Night) -> None:
    night = Night(undisturbed.config, undisturbed.world, undisturbed.out.with_name("killed"))
    killed = 0
    for stage, wait_s in moments(undisturbed.times_s()):
        seen = len(list(night.events()))
        process = night.start()

        def begun(process=process, seen=seen, stage=stage) -> bool:
            mine = list(night.events())[seen:]
            return process.poll() is not None or ("stage started", stage) in mine

        wait_until(begun)
        time.sleep(wait_s)
        process.kill()  # this process alone: its simulations are not told
        process.communicate()
        killed += process.returncode == -signal.SIGKILL
        night.assert_no_folder_is_half_written()
    printed = night.finish()

    assert killed >= KILLS // 2, "the machine got so much faster that the nights ended too soon"
    assert "verdict" in printed
    assert night.hashes() == undisturbed.hashes()
    finished = Counter(stage for event, stage in night.events() if event == "stage finished")
    assert finished == dict.fromkeys(STAGES, 1)
    night.assert_no_folder_is_half_written()
    assert [path for path in night.out.rglob(".*") if path.name != ".lock"] == []
    assert {m.parent.relative_to(night.out).as_posix() for m in night.out.rglob(MANIFEST)} == set(
        FOLDERS
    )


def test_a_finished_night_is_not_repeated(undisturbed: Night) -> None:
    before = undisturbed.hashes()
    seen = len(list(undisturbed.events()))
    undisturbed.finish()
    again = list(undisturbed.events())[seen:]
    assert [stage for event, stage in again if event == "stage unchanged"] == STAGES
    assert undisturbed.hashes() == before


def test_a_killed_night_takes_its_simulations_with_it(undisturbed: Night) -> None:
    night = Night(undisturbed.config, undisturbed.world, undisturbed.out.with_name("alone"))
    process = night.start()
    wait_until(lambda: bool(simulations_in(night.out)))
    process.kill()
    process.communicate()
    wait_until(lambda: not simulations_in(night.out))


def simulations_in(out: Path) -> list[str]:
    """Processes of SUMO that work below a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:  # it ended meanwhile
            continue
        if "--statistic-output" in line and f"{out}/" in line:
            found.append(line)
    return found
