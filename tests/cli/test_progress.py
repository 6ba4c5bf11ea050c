"""Progress goes to stderr: bars on a terminal, lines in a night's log, else nothing."""

from __future__ import annotations

import sys

import pytest

from traffic_brain.cli import progress
from traffic_brain.nightly.runner import Nobody


def run(watcher: progress.Watcher) -> None:
    with watcher.stage("fuse") as tell:
        tell(0.25, "reading [the] feeds")
        tell(0.5, "fusing")
    watcher.unchanged("import")


def test_lines_tell_begin_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    run(progress.Lines())
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["fuse: begins", "fuse: done in 0.0 s", "import: unchanged"]


def test_lines_tell_now_and_then_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock_s = iter([0.0, 4.0, 6.0, 6.0, 8.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock_s))
    with progress.Lines().stage("fuse") as tell:
        tell(0.25, "reading the feeds")
        tell(0.5, "fusing")
    assert capsys.readouterr().err.splitlines() == [
        "fuse: begins",
        "fuse: 50% fusing",
        "fuse: done in 8.0 s",
    ]


def test_bars_end_full(capsys: pytest.CaptureFixture[str]) -> None:
    run(progress.Bars())
    out, err = capsys.readouterr()
    assert out == ""
    assert "fuse" in err
    assert "100 %" in err


def test_a_stage_that_fails_is_not_told_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress.Lines().stage("fuse"):
        raise KeyError
    assert "done" not in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [True, False])
def test_who_looks_decides(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert type(progress.bars()) is (progress.Bars if terminal else Nobody)
    assert type(progress.bars_or_lines()) is (progress.Bars if terminal else progress.Lines)
