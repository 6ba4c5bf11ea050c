"""Settings come from the file, then from the command line; whatever is wrong is all told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from optimizers.params import OptimizeParams
from optimizers.refinement import refuse_conflicts
from optimizers.search import SearchParams
from sim_scenarios.check import CheckParams
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.nightly.night import _params
from traffic_brain.nightly.settings import NightSettings, changed, read_settings


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "night.toml"


def test_without_a_file_the_demonstration() -> None:
    assert read_settings(None, {}) == NightSettings()


def test_the_command_line_stands_above_the_file(config: Path) -> None:
    config.write_text('world = "cologne8"\nseed = 5\nservice_day = 2026-03-02\n', encoding="utf-8")
    settings = read_settings(config, {"seed": 7, "world": None})
    assert (settings.world, settings.seed) == ("cologne8", 7)
    assert settings.service_day == date(2026, 3, 2)


def test_paths_start_at_the_folder_of_the_file(config: Path) -> None:
    config.write_text('world = "maps/run.sumocfg"\nout = "result"\n', encoding="utf-8")
    settings = read_settings(config, {})
    assert settings.out == config.parent / "result"
    assert settings.world == str(config.parent / "maps" / "run.sumocfg")


def test_every_problem_is_told_at_once(config: Path) -> None:
    config.write_text(
        'sede = 1\nseed = "one"\nworkers = true\nservice_day = "today"\n', encoding="utf-8"
    )
    with pytest.raises(ConfigurationError) as caught:
        read_settings(config, {})
    for problem in (
        "'sede' is unknown",
        "seed = 'one' is not a whole number",
        "workers = True is not a whole number",
        "service_day = 'today' is not a date",
        "known are check, city, defects, evaluation_seeds, feeds, history_days, kept_nights",
    ):
        assert problem in str(caught.value)


@pytest.mark.parametrize("content", [b"seed = ", b"\x00", b"\xff"])
def test_a_file_that_is_no_toml(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is no TOML"):
        read_settings(config, {})


def test_defects_are_a_table(config: Path) -> None:
    config.write_text("[defects]\ndead_detector_ratio = 0.1\n", encoding="utf-8")
    assert read_settings(config, {}).defects == {"dead_detector_ratio": 0.1}


def test_a_file_that_is_not_there(config: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_settings(config, {})


def test_values_out_of_range(config: Path) -> None:
    config.write_text("seed = -1\nevaluation_seeds = 1\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"seed is -1.*evaluation_seeds is 1"):
        read_settings(config, {})


def test_workers_are_as_many_as_cores_unless_told() -> None:
    assert NightSettings().worker_count >= 1
    assert NightSettings(workers=3).worker_count == 3


def test_a_stage_is_told_by_name_what_to_change(config: Path) -> None:
    config.write_text(
        "[check]\nscreen_seeds = 1\nstress_scale = 2\n[optimize]\ncommon_cycles_s = [60, 90]\n",
        encoding="utf-8",
    )
    settings = read_settings(config, {})
    trial = changed(CheckParams(), settings.check, "check")
    recipe = changed(OptimizeParams(), settings.optimize, "optimize")
    assert trial == CheckParams(screen_seeds=1, stress_scale=2)
    assert recipe == OptimizeParams(common_cycles_s=(60, 90))
    assert changed(CheckParams(), {}, "check") == CheckParams()


def test_what_a_stage_does_not_know_is_all_told() -> None:
    told = {"seeds": 3, "screen_seeds": True, "stress_scale": "much", "confirm_seeds": 7}
    with pytest.raises(ConfigurationError) as caught:
        changed(CheckParams(), told, "check")
    for problem in (
        "[check]: 'seeds' is unknown",
        "screen_seeds = True is not a whole number",
        "stress_scale = 'much' is not a number",
        "known are ",
        "breakdown_factor, ",
    ):
        assert problem in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"common_cycles_s = \[60, 'x'\] is not a list"):
        changed(OptimizeParams(), {"common_cycles_s": [60, "x"]}, "optimize")


def test_the_day_is_the_latest_that_has_feeds(tmp_path: Path) -> None:
    for name in ("2026-03-02", "2026-03-10", "2026-02-28", "notes"):
        (tmp_path / "feeds" / name).mkdir(parents=True)
    own = NightSettings(city=tmp_path / "city", feeds=tmp_path / "feeds")
    assert own.day == date(2026, 3, 10)
    assert replace(own, service_day=date(2026, 3, 2)).day == date(2026, 3, 2)
    with pytest.raises(DataRefused, match="3 days from 2026-02-28 to 2026-03-10"):
        _ = replace(own, service_day=date(2026, 3, 3)).day
    with pytest.raises(DataRefused, match="YYYY-MM-DD"):
        _ = replace(own, feeds=tmp_path).day
    with pytest.raises(DataRefused, match="no such folder"):
        _ = replace(own, feeds=tmp_path / "gone").day


def test_a_city_comes_with_its_feeds_and_without_a_world(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="give both"):
        NightSettings(city=tmp_path)
    with pytest.raises(ConfigurationError, match="either a world or a city"):
        NightSettings(city=tmp_path, feeds=tmp_path, world="small")


def test_few_junctions_are_refined_unless_the_settings_say_otherwise() -> None:
    def tries(**settings: Mapping[str, object]) -> int:
        return _params(NightSettings(**settings)).search.tries  # type: ignore[arg-type]

    usual = _params(NightSettings()).search
    assert (usual.tries, usual.most_refined) == (30, 8)
    assert _params(NightSettings(refine={})).search == SearchParams()
    assert tries(refine={"tries": 0}) == 0
    assert tries(optimize={"max_changes": 2}) == 0
    with pytest.raises(ConfigurationError, match="not both"):
        tries(optimize={"max_changes": 2}, refine={})


@pytest.mark.parametrize("table", ["optimize", "refine"])
def test_protections_are_freed_in_recipe_and_search_alike(table: str) -> None:
    freed = _params(NightSettings(**{table: {"free_protections": True}}))  # type: ignore[arg-type]
    assert freed.optimize.free_protections
    assert freed.search.free_protections
    kept = _params(NightSettings())
    assert not kept.optimize.free_protections
    assert not kept.search.free_protections
    with pytest.raises(ConfigurationError, match="alike in both"):
        refuse_conflicts(freed.optimize, kept.search)
