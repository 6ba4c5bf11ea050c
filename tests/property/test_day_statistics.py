"""Statistics of a day: what the slow twin finds, however files, ranges and engines cut the day."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.reference import day_statistics as twin
from tests.unit.feed_rows import (
    DAY_MS,
    DETECTORS,
    LINKS,
    PLACES,
    PROVIDERS,
    SITES,
    Files,
    bytes_of,
    random_files,
    statistics_of,
    write_files,
)
from traffic_brain.errors import DataRefused
from traffic_brain.executor import Engine
from traffic_brain.fusion.statistics.day import Statistics
from traffic_brain.kernels.pair_figures import PAIR_FIGURES


@pytest.mark.parametrize("seed", range(8))
def test_statistics_agree_with_their_twin(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    hours = rng.choice([1, 6, 24])
    files = random_files(rng, rng.choice([1, 3, 24]), rng.choice([40, 400]), hours)
    paths = write_files(tmp_path, files, rows_per_group=rng.choice([7, 100, 100_000]))
    found = statistics_of(paths, tmp_path / "scratch", range_s=rng.choice([300, 3600, 86_400]))
    assert_same(found, files)


def assert_same(found: Statistics, files: Files) -> None:
    rows = {source: [row for part in parts for row in part] for source, parts in files.items()}
    passes, pairs, outcomes = twin.checkpoint(rows["checkpoint"], set(SITES), DAY_MS)
    expected = {
        "internet": twin.internet(rows["internet"], PROVIDERS, DAY_MS),
        "police": twin.police(rows["police"], set(DETECTORS), DAY_MS),
        "transit": twin.transit(rows["transit"], set(LINKS), DAY_MS),
        "checkpoint": (passes, outcomes),
    }
    for source, (sums, counts) in expected.items():
        assert cells(found, source) == sums
        told = dict(found.rows[source])
        assert told.pop("read") == len(rows[source]) == sum(told.values())
        told = {"unknown" if name.startswith("unknown") else name: n for name, n in told.items()}
        assert {name: n for name, n in told.items() if n} == dict(counts)
    assert pair_cells(found) == pairs


def cells(found: Statistics, source: str) -> twin.Sums:
    figures = found.whole(source)
    return {
        (int(b), PLACES[source][p]): figures[b, p].tolist()
        for b, p in zip(*figures[..., 0].nonzero(), strict=True)
    }


def pair_cells(found: Statistics) -> twin.Pairs:
    return {
        (SITES[a], SITES[b], bin_idx): figures
        for part in found.pairs
        for a, b, bin_idx, *figures in zip(
            *(part[name].tolist() for name in ("from_site", "to_site", "bin_idx", *PAIR_FIGURES)),
            strict=True,
        )
    }


@pytest.mark.parametrize("parts", [5, 12])
def test_increments_give_the_bytes_of_a_whole_day(parts: int, tmp_path: Path) -> None:
    paths = write_files(tmp_path, random_files(random.Random(4), 24, 600))
    whole = bytes_of(statistics_of(paths, tmp_path / "scratch"), tmp_path / "whole")
    cut = statistics_of(paths, tmp_path / "scratch", parts=parts)
    assert bytes_of(cut, tmp_path / "cut") == whole


def test_processes_give_the_bytes_of_one(tmp_path: Path) -> None:
    paths = write_files(tmp_path, random_files(random.Random(5), 24, 600))
    here = bytes_of(statistics_of(paths, tmp_path / "scratch"), tmp_path / "here")
    spread = statistics_of(paths, tmp_path / "scratch", engine=Engine(workers=3))
    assert bytes_of(spread, tmp_path / "spread") == here


def test_of_rows_that_contradict_each_other_the_first_at_home_counts(tmp_path: Path) -> None:
    """And in increments the same one."""
    at_ms = DAY_MS + 3 * 3_600_000
    row = {"provider_link_id": "P0", "time": at_ms, "speed_kmh": 36.0, "sample_count": 1}
    early, late = ({**row, "speed_kmh": kmh} for kmh in (10.0, 90.0))
    others = [{**row, "provider_link_id": f"P{i}"} for i in range(1, 9)]
    hours = [
        [{**other, "time": DAY_MS + hour * 3_600_000} for other in others] for hour in (1, 5, 7)
    ]
    files = {"internet": [[*hours[0], early], [*others, row], [*hours[1], late], hours[2]]}
    paths = write_files(tmp_path, files)
    for parts in (1, 4):
        found = statistics_of(paths, tmp_path / "scratch", parts=parts)
        bin_idx = 3 * 12
        assert found.whole("internet")[bin_idx, :, 2].sum() == 9 * 10_000
        assert found.rows["internet"]["duplicate"] == 2


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(DataRefused, match="cannot be read as Parquet"):
        statistics_of({"police": [path]}, tmp_path / "scratch")
    (other,) = write_files(tmp_path, {"transit": [[]]})["transit"]
    with pytest.raises(DataRefused, match="column detector_id is missing; column time is missing"):
        statistics_of({"police": [other]}, tmp_path / "scratch")
