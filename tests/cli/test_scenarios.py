"""The generated city is always listed; what a package brings, only where it is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.spec import find
from traffic_brain.cli import main


def test_worlds_are_listed_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--json"]) == 0
    names = [world["name"] for world in json.loads(capsys.readouterr().out)]
    assert "small" in names
    assert ("ingolstadt21" in names) == (find_spec("sumo_rl") is not None)
    assert main(["scenarios"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == names


def test_a_world_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    sumocfg = build(GeneratedCity(duration_s=300), tmp_path / "town")
    monkeypatch.chdir(tmp_path)
    here = str(sumocfg.relative_to(tmp_path))
    told = ["scenarios", "add", "my-town", here, "--title-zh", "我的城市", "--end", "240"]
    assert main(told) == 0
    description = tmp_path / "settings" / "traffic-brain" / "scenarios" / "my-town.toml"
    assert str(description) in capsys.readouterr().out
    spec = find("my-town")
    assert (spec.sumocfg, spec.end_s, spec.time_to_teleport_s) == (sumocfg.resolve(), 240, -1)
    assert main(["scenarios", "--json"]) == 0
    worlds = {w["name"]: w for w in json.loads(capsys.readouterr().out)}
    assert worlds["my-town"]["title_zh"] == "我的城市"
    assert main(told) == 3  # the name is taken
    assert "already" in capsys.readouterr().err
    sumocfg.unlink()
    assert main(["scenarios", "--json"]) == 0  # what is gone is not listed
    assert "my-town" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../up", "a b", ""])
def test_what_cannot_be_a_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    sumocfg = build(GeneratedCity(duration_s=300), tmp_path / "town")
    assert main(["scenarios", "add", name, str(sumocfg)]) == 3
    assert "cannot be a world's name" in capsys.readouterr().err
    assert not (tmp_path / "settings").exists()


def test_what_is_no_world_gets_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    broken = tmp_path / "broken.sumocfg"
    broken.write_text("<configuration/>", encoding="utf-8")
    assert main(["scenarios", "add", "broken", str(broken)]) == 4
    assert main(["scenarios", "add", "absent", str(tmp_path / "absent.sumocfg")]) == 3
    assert not (tmp_path / "settings").exists()
