"""Early warning from states: tomorrow, the next hour, and its skill; plans that have grown old."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.unit.small_day import SmallDay
from traffic_brain.cli import main
from traffic_brain.diagnosis.early_warning import history_of, write_warning
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.day_types import Calendar, DayType
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import Window

BINS = 60
DAYS = ("2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05")


@pytest.fixture(scope="module")
def states(day: SmallDay) -> list[State]:
    """Four working days with a jam at a time that moves a little, and slow drifts."""
    known = load_state(day.state, day.network)
    free = np.array([link.free_flow_speed_mps for link in day.network.links.values()])[:, None]
    rng, at = np.random.default_rng(3), np.arange(BINS)
    found = []
    for n, name in enumerate(DAYS):
        jam = np.exp(-(((at - 30 - n) / 6.0) ** 2))
        drift = 1.0 + 0.03 * np.cumsum(rng.normal(0.0, 0.3, BINS))
        speed = np.clip(free * (1.0 - 0.8 * jam) * drift, 0.5, free)
        found.append(
            replace(
                known, service_day=name, window=Window(25_200, 25_200 + 300 * BINS), speed_mps=speed
            )
        )
    return found


def test_a_jam_is_foretold_better_than_by_simple_ways(
    day: SmallDay, states: list[State], tmp_path: Path
) -> None:
    network = day.network
    past = history_of(network, states, Calendar())
    so_far = replace(
        states[-1],
        service_day="2026-03-06",
        window=Window(25_200, 25_200 + 300 * 28),
        speed_mps=states[-1].speed_mps[:, :28],
    )
    rows = write_warning(network, past, DayType("working"), tmp_path, so_far)
    assert rows["days"] == len(DAYS)
    assert rows["links_warned_of"] > 0
    told = json.loads((tmp_path / "skill.json").read_text("utf-8"))
    assert {row["what"] for row in told["skill"]} == {
        "tomorrow",
        "15 min ahead",
        "30 min ahead",
        "60 min ahead",
    }
    for row in told["skill"][1:]:
        assert row["ours_error_kmh"] <= row["same_as_now_error_kmh"]
    ahead = pq.read_table(tmp_path / "next_hour.parquet").to_pandas()
    assert ahead["bin_start_s"].min() == 25_200 + 300 * 28
    assert len(ahead) == 12 * len(network.links)
    tomorrow = pq.read_table(tmp_path / "tomorrow.parquet").to_pandas()
    jam = tomorrow[tomorrow["bin_start_s"] == 25_200 + 300 * 31]
    calm = tomorrow[tomorrow["bin_start_s"] == 25_200]
    assert jam["is_warned"].all()
    assert calm["speed_kmh"].mean() > 2 * jam["speed_kmh"].mean()


def test_what_does_not_fit_together_is_refused(
    day: SmallDay, states: list[State], tmp_path: Path
) -> None:
    with pytest.raises(DataRefused, match="comes twice"):
        history_of(day.network, [states[0], states[0]], Calendar())
    past = history_of(day.network, states, Calendar())
    with pytest.raises(DataRefused, match="among the past days"):
        write_warning(day.network, past, DayType("working"), tmp_path, states[0])
    late = replace(states[0], service_day="2026-03-06", window=Window(0, 300 * BINS))
    with pytest.raises(DataRefused, match="other hours"):
        write_warning(day.network, past, DayType("working"), tmp_path, late)


def test_on_the_command_line(
    day: SmallDay, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in DAYS[1:3]:
        state = tmp_path / "states" / name
        shutil.copytree(day.state, state)
        summary = json.loads((state / "summary.json").read_text("utf-8")) | {"service_day": name}
        (state / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    arguments = [str(day.city), str(tmp_path / "states"), str(tmp_path / "out")]
    assert main(["forecast", *arguments, "--so-far", str(day.state)]) == 0
    assert (tmp_path / "out/next_hour.parquet").is_file()
    assert main(["plan-age", str(day.city), str(day.state), str(tmp_path / "age")]) == 0
    assert "greens of today" in capsys.readouterr().out
