"""The night of a city that sends its own feeds: no world is asked, and nothing of it is changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from network_data.city import load_city
from sim_scenarios.generated import GeneratedCity, build
from traffic_brain.errors import ConfigurationError
from traffic_brain.feeds.column_map import feed_map
from traffic_brain.nightly import stages
from traffic_brain.nightly.manifest import MANIFEST
from traffic_brain.nightly.night import NightFolders, _params, _stages_of_city
from traffic_brain.nightly.runner import Nobody, run_stage
from traffic_brain.nightly.settings import NightSettings

DAY = date(2026, 11, 2)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("city")
    world = build(GeneratedCity(duration_s=300), root / "world")
    net = world.with_name("city.net.xml")
    run_stage(stages.import_stage(net, [], root / "hefei"), Nobody())
    return root / "hefei"


def test_from_feeds_to_page_without_a_world(city: Path, tmp_path: Path) -> None:
    (tmp_path / "feeds" / DAY.isoformat()).mkdir(parents=True)
    settings = NightSettings(city=city, feeds=tmp_path / "feeds", out=tmp_path / "night")
    folders = NightFolders.of(settings)
    assert folders.feeds == tmp_path / "feeds" / "2026-11-02"
    planned = list(_stages_of_city(city, folders, settings, _params(settings)))
    assert [stage.name for stage in planned] == [
        *("city", "fuse", "diagnose", "optimize", "check", "package", "report"),
    ]
    assert all(f.is_relative_to(tmp_path / "night") for stage in planned for f in stage.folders)


def test_the_night_keeps_the_city_as_it_was(city: Path, tmp_path: Path) -> None:
    before = {p.relative_to(city): p.read_bytes() for p in city.rglob("*") if p.is_file()}
    stage = stages.city_stage(city, tmp_path / "city")
    assert not run_stage(stage, Nobody()).unchanged
    assert run_stage(stage, Nobody()).unchanged
    for path, content in before.items():
        if path.name != MANIFEST:
            assert (tmp_path / "city" / path).read_bytes() == content
    assert load_city(tmp_path / "city").links.keys() == load_city(city).links.keys()


def test_a_folder_that_is_no_city_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError):
        run_stage(stages.city_stage(tmp_path / "empty", tmp_path / "night" / "city"), Nobody())
    assert not (tmp_path / "night" / "city").exists()


def test_a_new_column_map_makes_the_state_anew(city: Path, tmp_path: Path) -> None:
    day = tmp_path / DAY.isoformat()
    day.mkdir()
    without = stages.fuse_stage(city, day, tmp_path / "state", seed=1)
    (tmp_path / "columns.toml").write_text("[police.passes]\n", encoding="utf-8")
    with_map = stages.fuse_stage(city, day, tmp_path / "state", seed=1)
    assert without.recipe().fingerprint != with_map.recipe().fingerprint


def test_a_column_map_beside_the_days_holds_until_a_nearer_one_does(tmp_path: Path) -> None:
    feed = tmp_path / DAY.isoformat() / "police"
    feed.mkdir(parents=True)
    for folder, name in ((tmp_path, "far"), (feed.parent, "near"), (feed, "nearest")):
        text = f'[police.passes]\nfile = "{name}"\n'
        (folder / "columns.toml").write_text(text, encoding="utf-8")
        assert feed_map(feed, "police").of("passes").file_name == name
