"""The generated city is always listed; what a package brings, only where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from traffic_brain.cli import main


def test_worlds_are_listed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--json"]) == 0
    names = [world["name"] for world in json.loads(capsys.readouterr().out)]
    assert "small" in names
    assert ("ingolstadt21" in names) == (find_spec("sumo_rl") is not None)
    assert main(["scenarios"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names
