"""Two results side by side: what changed beyond noise; and results for other programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.compare import compare, read_measured
from benchmarks.plans.measure import write
from traffic_brain.cli import main


def plans(folder: Path, shift: dict[str, float], noise: float = 0.0) -> Path:
    rng = np.random.default_rng(1)
    rows = [
        {
            "map": "m",
            "demand": "recorded",
            "contender": name,
            "seed": seed,
            "delay_s_per_veh": 40.0 + seed + moved + noise * float(rng.normal()),
            "not_inserted": 0,
            "cpu_s": 1.0,
        }
        for name, moved in shift.items()
        for seed in range(8)
    ]
    folder.mkdir()
    write(rows, [], folder)
    return folder


def test_only_what_is_beyond_noise_has_changed(tmp_path: Path) -> None:
    before = read_measured(plans(tmp_path / "a", {"ours": 0.0, "file": 0.0, "gone": 0.0}))
    after = plans(tmp_path / "b", {"ours": -3.0, "file": 0.0, "new": 0.0}, noise=0.5)
    found = {c.row[2]: c for c in compare(before, read_measured(after))}
    assert found.keys() == {"ours", "file"}
    assert found["ours"].changed
    assert found["ours"].interval is not None
    assert found["ours"].interval.high < 0
    assert not found["file"].changed
    assert found["file"].pairs == 8


def test_the_same_results_have_not_changed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = str(plans(tmp_path / "a", {"ours": 0.0, "file": 1.0}))
    assert main(["bench", "compare", same, same]) == 0
    out = capsys.readouterr().out
    assert "| m, recorded, ours | 8 | 43.50 | 43.50 | +0.00 [+0.00, +0.00] |  |" in out
    assert "better" not in out
    assert "worse" not in out


def test_days_of_the_loop_are_paired(tmp_path: Path) -> None:
    for name, shift in (("a", 0.0), ("b", 2.0)):
        arm = tmp_path / name / "town" / "clean"
        arm.mkdir(parents=True)
        for day in (1, 2, 3):
            told = {
                "world": "town",
                "arm": "clean",
                "day": day,
                "after_s": [30.0 + day + shift] * 2,
            }
            (arm / f"day-{day}.json").write_text(json.dumps(told), encoding="utf-8")
    (change,) = compare(read_measured(tmp_path / "a"), read_measured(tmp_path / "b"))
    assert (change.row, change.pairs, change.changed) == (("town", "clean"), 6, True)


def test_a_folder_without_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "compare", str(tmp_path), str(tmp_path)]) == 3
    assert "holds no results" in capsys.readouterr().err


def test_results_are_read_by_other_programs(tmp_path: Path) -> None:
    folder = plans(tmp_path / "a", {"ours & co": 0.0})
    frame = pd.read_parquet(folder / "figures.parquet")
    assert len(frame) == 8
    assert frame["delay_s_per_veh"].mean() == 43.5
    tex = (folder / "table.tex").read_text("utf-8")
    assert tex.startswith("\\begin{tabular}{lllrrlrrr}")
    assert "ours \\& co" in tex
    assert "95 \\%" in tex
