"""Nights with a folder for each day, and what is left of the old ones."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from traffic_brain.errors import ConfigurationError
from traffic_brain.nightly.night import NightFolders
from traffic_brain.nightly.retention import archive_old
from traffic_brain.nightly.runner import Nobody, Stage, run_stages
from traffic_brain.nightly.settings import NightSettings, read_settings

DAYS = ("2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05")


def make_night(root: Path) -> None:
    def work(state: Path, package: Path, _: object) -> dict[str, int]:
        (state / "link_state.parquet").write_bytes(b"large")
        (package / "plans.json").write_text(root.name, "utf-8")
        return {}

    stage = Stage("all", {}, (root / "state", root / "package"), work)
    assert len(list(run_stages([stage], root, Nobody()))) == 1
    (root / "decisions.sqlite").write_bytes(b"decided")


def test_of_old_nights_what_was_decided_stays(tmp_path: Path) -> None:
    for day in DAYS:
        make_night(tmp_path / day)
    (tmp_path / "notes").mkdir()
    (tmp_path / "2026-10-01").mkdir()  # no night
    assert archive_old(tmp_path, 2) == list(DAYS[:2])
    assert archive_old(tmp_path, 2) == []
    here = {p.name for p in tmp_path.iterdir()}
    assert here == {"archive", "notes", "2026-10-01", *DAYS[2:]}
    for day in DAYS[:2]:
        place = tmp_path / "archive" / day
        assert (place / "package" / "plans.json").read_text("utf-8") == day
        names = {p.name for p in place.iterdir()}
        assert names == {"package", "decisions.sqlite", "ledger.jsonl"}
    assert (tmp_path / DAYS[3] / "state" / "link_state.parquet").is_file()


def test_a_crash_in_the_middle_is_gone_on_with(tmp_path: Path) -> None:
    for day in DAYS:
        make_night(tmp_path / day)
    place = tmp_path / "archive" / DAYS[0]
    place.mkdir(parents=True)
    (tmp_path / DAYS[0] / "package").rename(place / "package")
    assert archive_old(tmp_path, 3) == [DAYS[0]]
    assert {p.name for p in place.iterdir()} == {"package", "decisions.sqlite", "ledger.jsonl"}
    assert not (tmp_path / DAYS[0]).exists()


def test_a_folder_for_each_day(tmp_path: Path) -> None:
    config = tmp_path / "night.toml"
    config.write_text('out = "nights/{day}"\nkept_nights = 3\n', "utf-8")
    settings = read_settings(config, {"service_day": date(2026, 11, 4)})
    assert NightFolders.of(settings).root == (tmp_path / "nights" / "2026-11-04").resolve()
    assert NightSettings(out=tmp_path / "night").root == (tmp_path / "night").resolve()


@pytest.mark.parametrize("out", ["{day}/night", "night-{day}"])
def test_the_day_is_the_whole_of_the_last_part(out: str) -> None:
    with pytest.raises(ConfigurationError, match="the whole of its last part"):
        NightSettings(out=Path(out))


def test_one_folder_for_all_days_cannot_keep_some() -> None:
    with pytest.raises(ConfigurationError, match="a folder for each day"):
        NightSettings(out=Path("night"), kept_nights=3)
