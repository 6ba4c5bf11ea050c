"""Exit codes and one-line errors of the program."""

from __future__ import annotations

import click
import pytest

from traffic_brain.cli import main, program
from traffic_brain.errors import (
    ConfigurationError,
    DataRefused,
    NightIncomplete,
    SimulationError,
    SolverError,
)


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("traffic-brain: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("traffic-brain: error: ").strip()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """What the command ``fuse`` raises, in place of what it does."""
    errors: list[BaseException] = []

    @click.command("fuse")
    def command() -> None:
        raise errors[0]

    monkeypatch.setattr(program.Program, "get_command", lambda *_: command)
    return errors


@pytest.mark.parametrize("command", [[], *([name] for name in program.COMMANDS)])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--help"]) == 0
    out, err = capsys.readouterr()
    assert "Usage: traffic-brain" in out
    assert err == ""


def test_help_lists_every_command_with_a_whole_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["--help"])
    text = capsys.readouterr().out
    listed = text[text.index("Commands:") : text.index("Exit codes")].strip().splitlines()[1:]
    assert [line.split()[0] for line in listed if line] == list(program.COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed if line)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "traffic-brain, version 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "No such command 'nope' — see 'traffic-brain --help'"),
        (["fuse"], "Missing argument 'CITY' — see 'traffic-brain fuse --help'"),
        (["fuse", "--speed"], "No such option"),
        (["nightly", "--seed", "x"], "Invalid value for '--seed'"),
        (["network", "import"], "see 'traffic-brain network import --help'"),
    ],
)
def test_wrong_usage_ends_with_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert words in one_line(capsys)


@pytest.mark.parametrize("arguments", [[], ["network"]])
def test_a_group_alone_shows_its_help(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert "Commands:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (ConfigurationError("no SUMO", "install it"), 3, "no SUMO — install it"),
        (DataRefused("net.xml", "mend it", ["line 3", "line 5"]), 4, "net.xml: line 3; line 5"),
        (SolverError("no plan"), 5, "no plan"),
        (SimulationError("SUMO hung\nat 57700 s"), 6, "SUMO hung at 57700 s"),
        (NightIncomplete("the check failed"), 7, "the check failed"),
        (KeyError("speed"), 1, "KeyError: 'speed' — a fault of the program; --debug shows where"),
        (PermissionError(13, "Permission denied", "/city"), 3, "Permission denied: /city — check"),
        (OSError("odd"), 1, "OSError: odd"),
        (KeyboardInterrupt(), 130, "stopped; what was finished is kept"),
    ],
)
def test_each_error_has_its_code_and_one_line(
    failing: list[BaseException],
    error: BaseException,
    code: int,
    line: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    failing.append(error)
    assert main(["fuse"]) == code
    err = capsys.readouterr().err.strip().removeprefix("traffic-brain: error: ")
    assert line in err
    assert "\n" not in err


@pytest.mark.parametrize("arguments", [["--debug", "fuse"], ["fuse", "--debug"]])
def test_debug_shows_the_traceback(
    failing: list[BaseException], arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    failing.append(DataRefused("the day is empty"))
    assert main(arguments) == 4
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("traffic-brain: error: the day is empty\n")


def test_a_command_tells_its_own_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        program.Program,
        "get_command",
        lambda *_: click.Command("doctor", callback=lambda: 3),
    )
    assert main(["doctor"]) == 3
