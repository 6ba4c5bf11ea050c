"""``traffic-brain bench``: where the benchmarks are not there it says so."""

from __future__ import annotations

import pytest

from traffic_brain.cli import bench, main
from traffic_brain.errors import ConfigurationError


def test_benchmarks_that_are_not_installed_are_told() -> None:
    with pytest.raises(ConfigurationError, match="not part of the installed package"):
        bench._benchmark("benchmarks.of_nothing")


def test_help_of_feeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "feeds", "--help"]) == 0
    assert "--full" in capsys.readouterr().out


def test_help_of_plans(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "plans", "--help"]) == 0
    assert "--redrawn" in capsys.readouterr().out


def test_help_of_city(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "city", "--help"]) == 0
    assert "--cpu-s" in capsys.readouterr().out


def test_help_of_night(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "night", "--help"]) == 0
    assert "--junctions" in capsys.readouterr().out


@pytest.mark.parametrize("suite", sorted(bench.SUITES))
def test_suites_pass_their_options_on(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    main(["bench", suite, "--help"])
    assert "usage" in capsys.readouterr().out
