"""A real network through ``network import``: made once, kept when the next source is bad."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.cli import main
from traffic_brain.nightly.manifest import file_hashes


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated")
    build(GeneratedCity(rows=2, columns=2, duration_s=60), folder)
    return next(folder.glob("*.net.xml*"))


def test_import_writes_a_city_with_a_manifest(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = tmp_path / "city"
    command = ["network", "import", str(net), str(city), "--json"]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["stage"] == "import"
    assert first["folders"] == [str(city)]
    assert first["rows"]["junctions"] == 4
    assert not first["unchanged"]
    assert (city / "manifest.json").exists()

    assert main(command) == 0
    assert json.loads(capsys.readouterr().out) == first | {"unchanged": True}


def test_a_truncated_network_is_refused_and_the_older_city_kept(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = tmp_path / "city"
    assert main(["network", "import", str(net), str(city)]) == 0
    before = file_hashes(city)
    torn = tmp_path / net.name
    torn.write_bytes(net.read_bytes()[: net.stat().st_size // 2])
    capsys.readouterr()

    assert main(["network", "import", str(torn), str(city)]) == 4
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("traffic-brain: error: ")
    assert err.count("\n") == 1
    assert file_hashes(city) == before


def test_a_network_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["network", "import", str(tmp_path / "none.net.xml"), str(tmp_path / "c")]) == 4
    assert "there is no" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_sound_city_has_no_problem(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["network", "import", str(net), str(tmp_path / "city")]) == 0
    capsys.readouterr()
    assert main(["network", "check", str(tmp_path / "city")]) == 0
    assert capsys.readouterr().out == "0 problems\n"
