"""``traffic-brain world evaluate``: a package in the world, on days of one's own choice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.cli import main
from traffic_brain.nightly.manifest import file_hashes


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return build(GeneratedCity(rows=2, columns=2, duration_s=300), tmp_path / "w")


def plans_in_service(world: Path, folder: Path) -> Path:
    """A package that changes nothing: the plans the city has."""
    city = folder / "city"
    assert main(["network", "import", str(world.with_name("city.net.xml")), str(city)]) == 0
    junctions = json.loads((city / "junctions.json").read_text("utf-8"))["junctions"]
    plans = [j["plan_in_service"] for j in junctions if j["plan_in_service"]]
    assert plans
    package = folder / "package"
    package.mkdir()
    (package / "plans.json").write_text(json.dumps({"plans": plans}), "utf-8")
    return package


def test_a_package_that_changes_nothing_changes_nothing(
    world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package, result = plans_in_service(world, tmp_path), tmp_path / "result"
    capsys.readouterr()
    arguments = ["world", "evaluate", str(world), str(package), str(result)]
    assert main([*arguments, "--days", "2", "--seed", "7000"]) == 0
    assert "mean of 2 fresh seeds" in capsys.readouterr().out
    found = json.loads((result / "result.json").read_text("utf-8"))
    assert found["seeds"] == [7000, 7001]
    assert found["proposed_delay_s_per_veh"] == found["in_service_delay_s_per_veh"]
    assert min(found["in_service_delay_s_per_veh"]) > 0

    before = file_hashes(result)
    assert main([*arguments, "--days", "2", "--seed", "7000", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["unchanged"] is True
    assert file_hashes(result) == before


def test_a_package_without_plans_leaves_the_city_as_it_is(world: Path, tmp_path: Path) -> None:
    package = plans_in_service(world, tmp_path)
    (package / "plans.json").write_text('{"plans": []}', "utf-8")
    arguments = ["world", "evaluate", str(world), str(package), str(tmp_path / "result")]
    assert main([*arguments, "--days", "2", "--seed", "1"]) == 0
    found = json.loads((tmp_path / "result" / "result.json").read_text("utf-8"))
    assert found["deployed"] is False
    assert found["proposed_delay_s_per_veh"] == []
