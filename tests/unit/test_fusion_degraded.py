"""A day with feeds that fail: what is still known, what is not, and that it is named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.small_day import DAY, SmallDay
from traffic_brain.clock import day_start_ms
from traffic_brain.feeds.location import BesideTheRoads
from traffic_brain.fusion import fuse as fusing
from traffic_brain.fusion.fuse import fuse
from traffic_brain.fusion.outages import filled, silent_bins, stretches_s
from traffic_brain.fusion.state import load_state
from traffic_brain.fusion.window import Window

DARK = (1200, 2400)
TABLES = ("police/passes", "police/counts", "checkpoint/passes", "internet/speeds")


def changed(day: SmallDay, folder: Path, change: Callable[[pa.Table], pa.Table]) -> SmallDay:
    """The day fused with other rows in the tables that come with a time."""
    other = SmallDay(day.city, folder / f"feeds/{DAY}", day.truth, folder / "state")
    shutil.copytree(day.feeds, other.feeds)
    for name in TABLES:
        path = other.feeds / f"{name}.parquet"
        pq.write_table(change(pq.read_table(path)), path)
    other.state.mkdir()
    fuse(other.city, other.feeds, other.state)
    return other


def seconds(table: pa.Table) -> np.ndarray:
    return (table["time"].cast(pa.int64()).to_numpy() - day_start_ms(DAY)) / 1000.0


def named(day: SmallDay) -> set[tuple[str, str]]:
    rows = day.fused("health").to_pylist()
    return {(row["feed"], row["code"]) for row in rows if row["code"] != "dead"}


def test_of_a_time_in_which_no_feed_spoke_nothing_is_told(day: SmallDay, tmp_path: Path) -> None:
    def outside(table: pa.Table) -> pa.Table:
        at_s = seconds(table)
        return table.filter(pa.array((at_s < DARK[0]) | (at_s >= DARK[1])))

    dark = changed(day, tmp_path, outside)
    assert dark.summary["unheard_s"] == [list(DARK)]
    assert {(feed, "no_data") for feed in ("police", "checkpoint", "internet")} <= named(dark)
    links = dark.fused("link_state").to_pandas()
    inside = links["bin_start_s"].between(DARK[0], DARK[1] - 1)
    assert set(links[inside]["level"]) == {"unknown"}
    numbers = ["speed_mps", "travel_time_s", "travel_time_low_s", "travel_time_high_s", "flow_veh"]
    assert links[inside][numbers].isna().all(axis=None)
    assert links[~inside][numbers].notna().all(axis=None)
    demand = dark.fused("movement_demand").to_pandas()
    unknown = demand["bin_start_s"].isin([900, 1800])
    assert set(demand[unknown]["source"]) == {"unknown"}
    assert demand[unknown]["demand_high_vph"].isna().all()
    assert demand[~unknown]["demand_high_vph"].notna().all()
    # Those who make plans get numbers all the same: drawn from the bins around.
    state = load_state(dark.state, dark.network)
    for values in (state.speed_mps, state.flow_veh, state.demand_vph, state.demand_high_vph):
        assert np.isfinite(values).all()


def test_speeds_alone_tell_no_flow(day: SmallDay, tmp_path: Path) -> None:
    alone = SmallDay(day.city, tmp_path / f"feeds/{DAY}", day.truth, tmp_path / "state")
    shutil.copytree(day.feeds / "internet", alone.feeds / "internet")
    alone.state.mkdir()
    fuse(alone.city, alone.feeds, alone.state)
    links = alone.fused("link_state").to_pandas()
    assert links["flow_veh"].isna().all()
    assert links["speed_mps"].notna().all()
    assert set(alone.fused("movement_demand")["source"].to_pylist()) == {"unknown"}
    assert {("police", "no_data"), ("checkpoint", "no_data")} <= named(alone)


def test_rows_that_got_lost_are_told_and_stood_for(day: SmallDay, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    lossy = changed(day, tmp_path, lambda t: t.filter(pa.array(rng.random(t.num_rows) > 0.4)))
    assert ("police", "rows_lost") in named(lossy)
    told, whole = (d.fused("movement_demand").to_pandas()["flow_vph"].sum() for d in (lossy, day))
    assert told == pytest.approx(whole, rel=0.1)


def test_a_feed_beside_the_roads_is_left_out_and_named(
    day: SmallDay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The small city has no projection; that degrees are told apart is tested with places."""
    read = fusing.internet.read

    def beside(folder: Path, *more: object, **named: object) -> object:
        if folder.is_dir():
            raise BesideTheRoads("internet/links lies 575 m beside the roads", "say which system")
        return read(folder, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(fusing.internet, "read", beside)
    out = tmp_path / "state"
    out.mkdir()
    fuse(day.city, day.feeds, out)
    rows = pq.read_table(out / "health.parquet").to_pandas()
    rows = rows[rows["feed"] == "internet"]
    assert set(rows["code"]) == {"far_from_link", "no_data"}
    assert rows["detail"].str.contains("575 m beside the roads; left out").any()


def test_silence_is_an_outage_only_where_many_rows_were_to_come() -> None:
    window = Window(3600, 7200)
    often = np.arange(3600.0, 7200.0, 10.0)
    assert not silent_bins([often], window).any()
    off = often[(often < 4500) | (often >= 5400)]
    assert stretches_s(silent_bins([off], window), window) == [(4500, 5400)]
    assert not silent_bins([off, often], window).any()
    one_bin = often[(often < 4500) | (often >= 4800)]
    assert not silent_bins([one_bin], window).any()
    seldom = np.array([3700.0, 6900.0])
    assert not silent_bins([seldom], window).any()
    assert silent_bins([np.empty(0)], window).all()


def test_what_is_not_known_is_drawn_from_the_bins_around() -> None:
    nan = np.nan
    values = np.array([[nan, 2.0, nan, nan, 8.0, nan], [nan, 1.0, nan, nan, 1.0, nan]])
    assert filled(values).tolist() == [[2.0, 2.0, 4.0, 6.0, 8.0, 8.0], [1.0] * 6]
    assert filled(np.full((2, 3), nan)).tolist() == [[0.0] * 3] * 2
    known = np.ones((2, 3))
    assert filled(known) is known


def test_a_feed_that_is_mostly_refused_is_named(day: SmallDay, tmp_path: Path) -> None:
    def sentinel(table: pa.Table) -> pa.Table:
        if "speed_kmh" not in table.column_names:
            return table
        speeds = table["speed_kmh"].to_numpy().copy()
        speeds[np.arange(len(speeds)) % 10 > 0] = -1.0
        idx = table.column_names.index("speed_kmh")
        return table.set_column(idx, "speed_kmh", pa.array(speeds))

    bad = changed(day, tmp_path, sentinel)
    (row,) = [r for r in bad.fused("health").to_pylist() if r["code"] == "mostly_refused"]
    read, refused = (bad.summary["feeds"]["internet"][k] for k in ("rows_read", "rows_quarantined"))
    assert refused > 0.8 * read
    assert (row["feed"], row["device_id"]) == ("internet", "*")
    assert row["detail"].startswith(f"{refused} of {read} rows: ")
    assert ("internet", "mostly_refused") not in named(day)
