"""What the runner skips, repeats, refuses and keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from traffic_brain.errors import ConfigurationError, DataRefused, NightIncomplete
from traffic_brain.nightly.ledger import Ledger
from traffic_brain.nightly.manifest import file_hashes, read_manifest
from traffic_brain.nightly.runner import Nobody, Stage, run_stage, run_stages
from traffic_brain.progress import Progress, silent

Work = Callable[..., Mapping[str, int]]


def write(text: str) -> Work:
    def work(out: Path, progress: Progress) -> dict[str, int]:
        progress(0.5, "writing")
        (out / "result.txt").write_text(text, encoding="utf-8")
        return {"letters": len(text)}

    return work


def fail(error: Exception) -> Work:
    def work(out: Path, progress: Progress) -> dict[str, int]:
        (out / "half.txt").write_text("half", encoding="utf-8")
        raise error

    return work


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.csv"
    path.write_text("1", encoding="utf-8")
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "night" / "fused"


def fuse(source: Path, out: Path, work: Work, **told: object) -> Stage:
    return Stage("fuse", {"feeds": source}, (out,), work, {"bin_s": 300, **told}, seed=1)


def test_an_unchanged_stage_is_skipped(source: Path, out: Path) -> None:
    first = run_stage(fuse(source, out, write("a")), Nobody())
    second = run_stage(fuse(source, out, fail(AssertionError("ran again"))), Nobody())
    assert (first.unchanged, second.unchanged) == (False, True)
    assert first.rows == second.rows == {"letters": 1}
    assert first.fingerprint == second.fingerprint


@pytest.mark.parametrize("change", ["input", "configuration", "seed", "damage", "loss"])
def test_whatever_changes_makes_the_stage_run_again(source: Path, out: Path, change: str) -> None:
    run_stage(fuse(source, out, write("a")), Nobody())
    stage = fuse(source, out, write("b"))
    if change == "input":
        source.write_text("2", encoding="utf-8")
    elif change == "configuration":
        stage = fuse(source, out, write("b"), bin_s=600)
    elif change == "seed":
        stage = Stage("fuse", stage.inputs, stage.folders, stage.work, stage.configuration, seed=2)
    elif change == "damage":
        (out / "result.txt").write_text("by hand", encoding="utf-8")
    else:
        (out / "result.txt").unlink()
    assert not run_stage(stage, Nobody()).unchanged
    assert (out / "result.txt").read_text(encoding="utf-8") == "b"


def test_an_input_folder_counts_by_its_content_wherever_it_lies(tmp_path: Path) -> None:
    fingerprints = []
    for place in ("here", "there"):
        folder = tmp_path / place / "state"
        folder.mkdir(parents=True)
        (folder / "a.txt").write_text("a", encoding="utf-8")
        stage = Stage("x", {"state": folder}, (tmp_path / place / "x",), write("x"))
        fingerprints.append(run_stage(stage, Nobody()).fingerprint)
    assert fingerprints[0] == fingerprints[1]
    assert file_hashes(tmp_path / "here") == file_hashes(tmp_path / "there")


def test_the_manifest_tells_how_the_folder_was_made(source: Path, out: Path) -> None:
    run_stage(fuse(source, out, write("a")), Nobody())
    manifest = read_manifest(out)
    assert manifest is not None
    assert manifest["stage"] == "fuse"
    assert manifest["configuration"] == {"bin_s": 300}
    assert manifest["seed"] == 1
    assert manifest["rows"] == {"letters": 1}
    assert list(manifest["inputs"]) == ["feeds"]  # type: ignore[call-overload]
    assert list(manifest["files"]) == ["result.txt"]  # type: ignore[call-overload]
    assert {"traffic-brain", "eclipse-sumo", "ortools", "numpy"} <= set(manifest["versions"])  # type: ignore[call-overload]
    assert str(out.parent) not in (out / "manifest.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [DataRefused("the day is empty"), KeyError("speed")])
def test_a_stage_that_fails_leaves_the_older_result(
    source: Path, out: Path, error: Exception
) -> None:
    run_stage(fuse(source, out, write("a")), Nobody())
    before = file_hashes(out)
    with pytest.raises(type(error)):
        run_stage(fuse(source, out, fail(error), bin_s=600), Nobody())
    assert file_hashes(out) == before
    assert [path.name for path in out.parent.iterdir()] == ["fused"]


def test_what_others_wrote_is_never_replaced(source: Path, out: Path) -> None:
    out.mkdir(parents=True)
    letter = out / "letter.txt"
    letter.write_text("dear", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not a result of traffic-brain"):
        run_stage(fuse(source, out, write("a")), Nobody())
    assert letter.exists()


def test_a_file_is_no_folder(source: Path, out: Path) -> None:
    out.parent.mkdir()
    out.write_text("a file", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="not a result of traffic-brain"):
        run_stage(fuse(source, out, write("a")), Nobody())


def test_the_folder_of_another_stage_is_never_replaced(source: Path, out: Path) -> None:
    run_stage(Stage("import", {"net": source}, (out,), write("a")), Nobody())
    with pytest.raises(ConfigurationError, match="a result of 'import', not of 'fuse'"):
        run_stage(fuse(source, out, write("a")), Nobody())


def test_an_input_that_is_not_there_is_named(tmp_path: Path, out: Path) -> None:
    day = tmp_path / "feeds" / "2026-11-02"
    day.mkdir(parents=True)
    with pytest.raises(DataRefused, match=r"2026-11-03 — did you mean 2026-11-02\?"):
        run_stage(fuse(day.with_name("2026-11-03"), out, write("a")), Nobody())


def test_leftovers_of_a_crash_are_cleared(source: Path, out: Path) -> None:
    run_stage(fuse(source, out, write("a")), Nobody())
    out.rename(out.with_name(".old-fused"))
    out.with_name(".tmp-fused-4711").mkdir()
    other = out.with_name(".tmp-other-4711")
    other.mkdir()
    assert run_stage(fuse(source, out, write("a")), Nobody()).unchanged
    assert sorted(path.name for path in out.parent.iterdir()) == [other.name, "fused"]


def test_a_night_keeps_what_is_finished_and_says_what_failed(source: Path, out: Path) -> None:
    root = out.parent
    stages = [
        fuse(source, out, write("a")),
        Stage("diagnose", {"state": out}, (root / "diagnosis",), fail(KeyError("speed"))),
    ]
    with pytest.raises(NightIncomplete, match="stage 'diagnose' failed: KeyError"):
        list(run_stages(stages, root, Nobody()))
    stages[1] = Stage("diagnose", {"state": out}, (root / "diagnosis",), write("d"))
    assert [result.unchanged for result in run_stages(stages, root, Nobody())] == [True, False]
    assert [event["event"] for event in Ledger(root / "ledger.jsonl").events()] == [
        "night started",
        "stage started",
        "stage finished",
        "stage started",
        "stage failed",
        "night started",
        "stage started",
        "stage unchanged",
        "stage started",
        "stage finished",
        "night finished",
    ]


def test_a_foreseen_error_keeps_its_exit_code(source: Path, out: Path) -> None:
    stages = [fuse(source, out, fail(DataRefused("the day is empty", "choose another")))]
    with pytest.raises(DataRefused, match="the day is empty — choose another"):
        list(run_stages(stages, out.parent, Nobody()))


def test_a_night_that_cannot_write_says_so(source: Path, out: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write into"):
        list(run_stages([fuse(source, out, write("a"))], source / "night", Nobody()))


def test_the_watcher_sees_every_stage(source: Path, out: Path) -> None:
    seen: list[str] = []

    class Notes:
        @contextmanager
        def stage(self, name: str) -> Iterator[Progress]:
            seen.append(f"{name} begins")
            yield silent
            seen.append(f"{name} ends")

        def unchanged(self, name: str) -> None:
            seen.append(f"{name} unchanged")

    for _ in range(2):
        list(run_stages([fuse(source, out, write("a"))], out.parent, Notes()))
    assert seen == ["fuse begins", "fuse ends", "fuse unchanged"]
