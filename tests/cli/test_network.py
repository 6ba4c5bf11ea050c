"""A real network through ``network import``: made once, kept when the next source is bad."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from network_data.city import load_city, save_city
from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.cli import main
from traffic_brain.model.network import Detector, DetectorKind
from traffic_brain.model.signals import PlanWindow
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


def test_import_tells_what_is_in_the_city(
    net: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = tmp_path / "city"
    assert main(["network", "import", str(net), str(city)]) == 0
    lines = [line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    table = {name.strip(): value for name, value in lines}
    assert table["written"] == str(city)
    assert table["loss report"] == str(city / "loss_report.json")
    assert table["junctions"] == "4"
    assert table["problems"] == "0"
    report = json.loads((city / "loss_report.json").read_text("utf-8"))
    assert int(table["to fix"]) == len(report["to_fix"])
    plans = [junction.plan_in_service for junction in load_city(city).junctions.values()]
    assert int(table["stages"]) == sum(len(plan.stages) for plan in plans if plan)


@pytest.fixture(scope="module")
def made(net: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound city; read it, and break copies only."""
    city = tmp_path_factory.mktemp("sound") / "city"
    assert main(["network", "import", str(net), str(city)]) == 0
    return city


def test_a_sound_city_has_no_problem(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["network", "check", str(made)]) == 0
    assert "0 problems\n" in capsys.readouterr().out
    assert main(["network", "check", str(made), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["problems"] == []
    assert len(told["rules"]["plans"]) == 4


def test_rules_that_the_plans_in_service_break_are_listed_and_no_problem(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_city(made)
    name, junction = next(iter(network.junctions.items()))
    plan = junction.plan_in_service
    assert plan is not None
    hasty = replace(plan, stages=tuple(replace(s, clearance=()) for s in plan.stages))
    junctions = {**network.junctions, name: replace(junction, plan_in_service=hasty)}
    save_city(replace(network, junctions=junctions), tmp_path)
    assert main(["network", "check", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "0 problems\n" in out
    broken = [line.split()[:4] for line in out.splitlines() if line.startswith(f"{name} ")]
    assert [name, hasty.plan_id, "yes", "yellow"] in broken
    assert main(["network", "check", str(tmp_path), "--json"]) == 0
    counts = json.loads(capsys.readouterr().out)["rules"]["counts"]
    assert counts["yellow"]["plans_in_service"] == 1


def test_every_problem_is_told_at_once(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = load_city(made)
    first = next(iter(network.links.values()))
    links = {**network.links, first.link_id: replace(first, length_m=-1.0)}
    stray = Detector("d", "sea", 0, 1.0, DetectorKind.ADVANCE)
    broken = replace(
        network,
        links=links,
        detectors=(stray,),
        plan_windows=(PlanWindow(next(iter(network.junctions)), "lost", 0, 60),),
    )
    save_city(broken, tmp_path)
    assert main(["network", "check", str(tmp_path)]) == 4
    out, err = capsys.readouterr()
    for rule in ("values_are_allowed", "detectors_lie_on_lanes", "plan_windows_name_plans"):
        assert rule in out
    assert "3 problems\n" in out
    assert "not judged" in out
    assert err.count("\n") == 1
    assert main(["network", "check", str(tmp_path), "--json"]) == 4
    rows = json.loads(capsys.readouterr().out)["problems"]
    assert {row["where"] for row in rows} >= {f"link {first.link_id}", "detector d"}


def test_additional_files_are_for_sumo_only(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "t.csv"
    table.write_text("[Network]\n")
    signals = str(made / "sumo" / "signals.add.xml")
    command = ["network", "import", str(table), str(tmp_path / "c"), "--additional", signals]
    assert main(command) == 3
    assert "--additional" in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_a_source_of_no_known_format_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    assert main(["network", "import", str(tmp_path / "a.pdf"), str(tmp_path / "c")]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "GMNS" in err
    assert not (tmp_path / "c").exists()


# --- export ----------------------------------------------------------------------------------


def test_programs_go_back_to_sumo_with_their_loss_report(
    net: Path, made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "signals.add.xml"
    command = ["network", "export", "--format", "sumo", str(made), str(out), "--json"]
    assert main(command) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["out"] == str(out)
    report = Path(told["loss_report"])
    assert report.parent == out.parent
    assert set(json.loads(report.read_text("utf-8"))) == {"losses", "to_fix"}
    assert sorted(tmp_path.iterdir()) == sorted([out, report])

    again = tmp_path / "city"
    imported = ["network", "import", str(net), str(again), "--additional", str(out)]
    assert main(imported) == 0
    plans, before = (
        {j: junction.plan_in_service for j, junction in load_city(c).junctions.items()}
        for c in (again, made)
    )
    assert {j: plan and plan.pictures() for j, plan in plans.items()} == {
        j: plan and plan.pictures() for j, plan in before.items()
    }
    first = out.read_bytes()
    assert main(command) == 0
    assert out.read_bytes() == first


def test_an_export_spares_what_it_has_not_written(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("years of work")
    (tmp_path / "folder").mkdir()
    for form, out in (("sumo", theirs), ("sumo", tmp_path / "folder"), ("utdf", theirs)):
        assert main(["network", "export", "--format", form, str(made), str(out)]) == 3
        assert capsys.readouterr().err.count("\n") == 1
    assert theirs.read_text() == "years of work"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder", "thesis.txt"]


def test_a_city_that_cannot_be_read_is_not_exported(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city = Path(shutil.copytree(made, tmp_path / "city"))
    (city / "links.parquet").write_bytes(b"")
    for form in ("sumo", "utdf", "gmns"):
        out = tmp_path / "out"
        assert main(["network", "export", "--format", form, str(city), str(out)]) == 4
        assert capsys.readouterr().err.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["city"]


@pytest.mark.parametrize(("form", "name"), [("gmns", "gmns"), ("utdf", "city.csv")])
def test_a_city_goes_out_and_comes_back(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, name: str
) -> None:
    out, again = tmp_path / name, tmp_path / "again"
    assert main(["network", "export", "--format", form, str(made), str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)["loss_report"]
    assert json.loads(Path(report).read_text("utf-8"))["losses"]
    assert main(["network", "import", str(out), str(again), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)["summary"]
    before = load_city(made)
    assert summary["junctions"] == summary["complete_junctions"] == len(before.junctions)
    assert summary["movements"] == len(before.movements)
    assert summary["problems"] == 0


# --- generate --------------------------------------------------------------------------------


def test_a_city_is_made_up_the_same_from_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cities = [tmp_path / "a", tmp_path / "b"]
    for city in cities:
        command = ["network", "generate", str(city), "--junctions", "12", "--seed", "7", "--json"]
        assert main(command) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["stage"] == "generate"
        assert told["summary"]["junctions"] == 12
        assert main(["network", "check", str(city)]) == 0
        capsys.readouterr()
    assert file_hashes(cities[0]) == file_hashes(cities[1])


def test_a_city_without_junctions_is_a_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["network", "generate", str(tmp_path / "c"), "--junctions", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


# --- schema ----------------------------------------------------------------------------------


def test_the_schema_is_printed_for_people_and_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["network", "schema"]) == 0
    assert "## plan_windows — `plan_windows.parquet`" in capsys.readouterr().out
    assert main(["network", "schema", "--json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert "link_id" in [a["name"] for t in tables for a in t["attributes"]]


@pytest.mark.parametrize("name", ["import", "generate", "check", "export", "schema"])
def test_every_command_has_its_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["network", name, "--help"]) == 0
    assert "Usage: traffic-brain network" in capsys.readouterr().out
