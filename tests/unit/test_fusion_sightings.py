"""Saved sightings: what cameras saw and nothing else, by link, under numbers that tell nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from traffic_brain.errors import DataRefused
from traffic_brain.fusion import sightings_table
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.sightings_table import FILE, read_sightings, write_sightings

TRIPS = [
    Trip(("a", "b", "c"), (10.04, 20.0, 31.5), (True, False, True)),
    Trip(("c", "d"), (5.0, 9.0), (True, True)),
    Trip(("a",), (1.0,), (True,)),
]


def test_only_what_was_seen_is_written_by_link_and_time(tmp_path: Path) -> None:
    assert write_sightings(tmp_path, TRIPS, seed=1) == 5
    rows = pq.read_table(tmp_path / FILE).to_pylist()
    seen = [(r["link_id"], round(r["time_s"], 1)) for r in rows]
    assert seen == [("a", 1.0), ("a", 10.0), ("c", 5.0), ("c", 31.5), ("d", 9.0)]
    assert sorted({r["vehicle_idx"] for r in rows}) == [0, 1, 2]
    assert rows[1]["vehicle_idx"] == rows[3]["vehicle_idx"] != rows[0]["vehicle_idx"]


def test_numbers_are_drawn_and_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    many = [Trip(("a",), (float(t),), (True,)) for t in range(200)]
    written = []
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        (tmp_path / name).mkdir()
        write_sightings(tmp_path / name, many, seed)
        written.append((tmp_path / name / FILE).read_bytes())
    assert written[0] == written[1] != written[2]
    order = pq.read_table(tmp_path / "one" / FILE)["vehicle_idx"].to_pylist()
    assert sorted(order) == list(range(200)) != order


def test_some_links_are_read_out_of_many_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings_table, "ROWS_IN_GROUP", 16)
    links = [f"L{i:02d}" for i in range(30)]
    trips = [Trip((link,), (float(t),), (True,)) for t in range(9) for link in links]
    write_sightings(tmp_path, trips, seed=3)
    assert pq.ParquetFile(tmp_path / FILE).metadata.num_row_groups > 10
    found = read_sightings(tmp_path, {"L03", "L27", "strange"})
    assert {found.link_ids[i] for i in found.link_idx} == {"L03", "L27"}
    assert found.time_s.tolist() == [float(t) for _ in range(2) for t in range(9)]


def test_nobody_was_seen(tmp_path: Path) -> None:
    assert len(read_sightings(tmp_path, {"a"}).time_s) == 0
    write_sightings(tmp_path, [], seed=1)
    assert len(read_sightings(tmp_path, {"a"}).time_s) == 0
    write_sightings(tmp_path, TRIPS, seed=1)
    assert len(read_sightings(tmp_path, {"b"}).time_s) == 0
    assert len(read_sightings(tmp_path, set()).time_s) == 0


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"PAR1 no longer")
    with pytest.raises(DataRefused, match="fuse the day again"):
        read_sightings(tmp_path, {"a"})


def test_ten_thousand_sightings_take_little_room(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    times = np.sort(rng.uniform(0, 86_400, 10_000))
    trips = [Trip((f"L{i % 40}",), (float(t),), (True,)) for i, t in enumerate(times)]
    write_sightings(tmp_path, trips, seed=1)
    assert (tmp_path / FILE).stat().st_size < 10_000 * 8
