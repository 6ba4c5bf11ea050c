"""``traffic-brain export`` and ``plans-in``, on a package and a city on disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from network_data.city import save_city
from tests.unit.deployment.formats.small_city import (
    EVENING,
    RETIMED,
    TWO_PLANS,
    small_city,
)
from tests.unit.test_package import Night
from traffic_brain.cli import main
from traffic_brain.deployment.formats.plan_set import PlanSet, plan_set_to_dict, window_to_dict
from traffic_brain.model.reading import to_json
from traffic_brain.model.rules import rules_inputs


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A package with one plan, and the city that it was made for."""
    night = Night(tmp_path)
    network = small_city()
    night.write_city(*rules_inputs(network).values())
    night.write_candidates(best=[RETIMED])
    night.build()
    save_city(network, night.city)
    return night


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_out_and_in_again(night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    forms = ("ga1049", "gbt20999", "ntcip1202", "utdf", "gmns", "sumo", "xlsx", "json")
    chosen = [word for form in forms for word in ("--format", form)]
    out = tmp_path / "out"
    assert run("export", night.package, out, *chosen, "--city", night.city, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["rows"]["formats"] == 8
    assert {path.name for path in out.iterdir()} == {*forms, "manifest.json"}
    for form in forms:
        target = tmp_path / f"in_{form}"
        assert run("plans-in", out / form, night.city, target, "--json") == 0
        document = json.loads((target / "plans.json").read_text("utf-8"))
        assert document == json.loads(to_json(plan_set_to_dict(PlanSet((RETIMED,)))))
        assert (target / "understood.html").is_file()


def test_the_same_export_again_is_unchanged(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("export", night.package, tmp_path / "out", "--format", "json", "--json")
    assert run(*arguments) == 0
    assert not json.loads(capsys.readouterr().out)["unchanged"]
    assert run(*arguments) == 0
    assert json.loads(capsys.readouterr().out)["unchanged"]


def test_several_plans_a_day(night: Night, tmp_path: Path) -> None:
    windows = tmp_path / "windows.json"
    document = {
        "windows": [window_to_dict(window) for window in TWO_PLANS.windows],
        "plans": plan_set_to_dict(PlanSet((EVENING,)))["plans"],
    }
    windows.write_text(to_json(document), "utf-8")
    out = tmp_path / "out"
    arguments = ("--format", "ga1049", "--plan-windows", windows)
    assert run("export", night.package, out, *arguments) == 0
    assert run("plans-in", out / "ga1049", night.city, tmp_path / "in") == 0
    back = json.loads((tmp_path / "in/plans.json").read_text("utf-8"))
    assert [plan["plan_id"] for plan in back["plans"]] == ["retimed", "evening"]
    assert len(back["windows"]) == 4


def test_what_cannot_go_out_leaves_nothing_behind(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("export", night.package, out, "--format", "utdf") == 3
    assert "give --city CITY" in capsys.readouterr().err
    (night.package / "plans.json").write_text("{}", "utf-8")
    assert run("export", night.package, out, "--format", "json") == 4
    assert "plans.json has been changed" in capsys.readouterr().err
    assert not out.exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".tmp")] == []


def test_a_further_plan_is_held_to_the_rules(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    short = plan_set_to_dict(PlanSet((EVENING.with_greens((3, 40), "evening"),)))
    windows = [window_to_dict(window) for window in TWO_PLANS.windows]
    (tmp_path / "windows.json").write_text(to_json({**short, "windows": windows}), "utf-8")
    arguments = ("--format", "json", "--plan-windows", tmp_path / "windows.json")
    assert run("export", night.package, tmp_path / "out", *arguments) == 4
    assert "rule min_green" in capsys.readouterr().err


def test_ids_and_agency(night: Night, tmp_path: Path) -> None:
    (tmp_path / "ids.json").write_text('{"J": "340104809999"}', "utf-8")
    out = tmp_path / "out"
    arguments = ("--format", "ga1049", "--ids", tmp_path / "ids.json", "--pilot-min", 60)
    assert run("export", night.package, out, *arguments) == 0
    assert "<MaxRunTime>60</MaxRunTime>" in (out / "ga1049/340104809999.xml").read_text("utf-8")
    assert run("export", night.package, tmp_path / "b", "--format", "ga1049", "--agency", "x") == 3


def test_a_broken_import_says_what_to_do(
    night: Night, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "plans.json"
    bad = plan_set_to_dict(PlanSet((RETIMED.with_greens((36, 10), "bad"),)))
    source.write_text(to_json(bad), "utf-8")
    assert run("plans-in", source, night.city, tmp_path / "in") == 4
    told = capsys.readouterr().err
    assert "rule pedestrian_green" in told
    assert "mend the plans where they come from" in told
    assert not (tmp_path / "in").exists()
