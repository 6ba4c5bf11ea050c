"""Faults of whole sources, applied to a recorded day's raw feeds."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from network_data.city import NET_FILE, load_city
from traffic_brain.errors import DataRefused
from traffic_brain.feeds.coordinates import Plane, plane_of, to_gcj02
from traffic_brain.model.network import RoadNetwork

MEASURED = ("police/passes", "police/counts", "checkpoint/passes", "internet/speeds")
"""Tables of rows that come with a time; the others are registers and the controllers' log."""
LOGGED = (*MEASURED, "police/signal_log")
MPH_KMH = 1.609344


class NeedsProjection(DataRefused):
    """A fault of coordinates, in a city of which nobody knows where on earth it is."""


class NeedsLongerDay(DataRefused):
    """An hour without any feed, in a day that is hardly longer."""


@dataclass(frozen=True)
class Raw:
    """A day's folder of feeds, which a fault changes, and the city that they are of."""

    feeds: Path
    city: Path
    seed: int


Fault = Callable[[Raw], None]


def _change(feeds: Path, table: str, change: Callable[[pa.Table], pa.Table]) -> None:
    path = feeds / f"{table}.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def nothing(_: Raw) -> None:
    """The day as it was recorded."""


def off(names: tuple[str, ...], raw: Raw) -> None:
    """Feeds that do not come at all."""
    for name in names:
        shutil.rmtree(raw.feeds / name, ignore_errors=True)


def off_for_an_hour(raw: Raw) -> None:
    """No row of any feed for the hour in the middle of the day; not even of controllers."""
    times = pc.min_max(pq.read_table(raw.feeds / "police/passes.parquet")["time"]).as_py()
    if times["max"] - times["min"] < timedelta(hours=2):
        raise NeedsLongerDay("the day is shorter than two hours", "take a longer one")
    middle = times["min"] + (times["max"] - times["min"]) / 2
    begin = middle.replace(minute=0, second=0, microsecond=0)
    end = begin + timedelta(hours=1)

    def outside(table: pa.Table) -> pa.Table:
        time = table["time"]
        return table.filter(pc.or_(pc.less(time, begin), pc.greater_equal(time, end)))

    for table in LOGGED:
        _change(raw.feeds, table, outside)


def rows_lost(ratio: float, raw: Raw) -> None:
    """Rows of all tables that get lost, at random."""
    rng = np.random.default_rng(raw.seed)
    for table in MEASURED:
        _change(raw.feeds, table, lambda t: t.filter(pa.array(rng.random(t.num_rows) >= ratio)))


def clocks(tables: tuple[str, ...], seconds: int, raw: Raw) -> None:
    """All times of some tables ahead of what they should be."""
    for table in tables:
        _change(raw.feeds, table, partial(_ahead, seconds=seconds))


def some_clocks(ratio: float, seconds: int, raw: Raw) -> None:
    """The clocks of some cameras ahead."""
    sites = pq.read_table(raw.feeds / "checkpoint/sites.parquet")["site_id"].to_pylist()
    rng = np.random.default_rng(raw.seed)
    wrong = pa.array([s for s in sites if rng.random() < ratio], pa.string())

    def ahead(table: pa.Table) -> pa.Table:
        moved = _ahead(table, seconds)["time"]
        is_wrong = pc.is_in(table["site_id"], wrong)
        return _with(table, "time", pc.if_else(is_wrong, moved, table["time"]))

    _change(raw.feeds, "checkpoint/passes", ahead)


def _ahead(table: pa.Table, seconds: int) -> pa.Table:
    return _with(table, "time", pc.add(table["time"], pa.scalar(timedelta(seconds=seconds))))


def in_mph(from_ratio: float, raw: Raw) -> None:
    """The provider changes its unit, from a share of the day on, and goes on to call it km/h."""

    def changed(table: pa.Table) -> pa.Table:
        span = pc.min_max(table["time"]).as_py()
        since = span["min"] + (span["max"] - span["min"]) * from_ratio
        slower = pc.divide(table["speed_kmh"], MPH_KMH)
        later = pc.greater_equal(table["time"], since)
        return _with(table, "speed_kmh", pc.if_else(later, slower, table["speed_kmh"]))

    _change(raw.feeds, "internet/speeds", changed)


def _with(table: pa.Table, name: str, values: pa.ChunkedArray) -> pa.Table:
    idx = table.column_names.index(name)
    return table.set_column(idx, name, values.cast(table.schema.field(name).type))


def by_place(shifted: tuple[str, ...], raw: Raw) -> None:
    """Registers that know no links but degrees, told as WGS-84; of ``shifted`` feeds as GCJ-02.

    Raises NeedsProjection where the city's plane is not known.
    """
    network, plane = load_city(raw.city), plane_of(raw.city / NET_FILE)
    if plane is None:
        raise NeedsProjection("the city has no projection", "take one that was surveyed")
    registers = {"police": "detectors", "checkpoint": "sites", "internet": "links"}
    for feed, register in registers.items():
        is_line = feed == "internet"
        place = partial(_with_places, network, plane, feed in shifted, is_line)
        _change(raw.feeds, f"{feed}/{register}", place)
    (raw.feeds / "columns.toml").write_text(
        "".join(f'[{f}.{r}]\ncoordinates = "WGS-84"\n' for f, r in registers.items()), "utf-8"
    )


def _with_places(
    network: RoadNetwork, plane: Plane, shifted: bool, is_line: bool, table: pa.Table
) -> pa.Table:
    links = [network.links[i] for i in table["link_id"].to_pylist()]
    table = table.drop_columns(["link_id"])
    if is_line:
        lines = [_degrees(np.array(link.shape), plane, shifted) for link in links]
        texts = [", ".join(f"{x:.7f} {y:.7f}" for x, y in line.tolist()) for line in lines]
        return table.append_column("shape", pa.array([f"LINESTRING ({t})" for t in texts]))
    ends = np.array([link.shape[-1] for link in links])
    ways = ends - np.array([link.shape[-2] for link in links])
    # Devices stand a little before the line, beside the lanes of their own link.
    ends = ends - 5.0 * ways / np.maximum(np.hypot(*ways.T), 1e-9)[:, None]
    at = _degrees(ends, plane, shifted)
    heading = np.degrees(np.arctan2(ways[:, 0], ways[:, 1])) % 360
    for name, values in (("x", at[:, 0]), ("y", at[:, 1]), ("heading_deg", heading)):
        table = table.append_column(name, pa.array(values))
    return table


def _degrees(metres: np.ndarray, plane: Plane, shifted: bool) -> np.ndarray:
    """WGS-84 or GCJ-02 of points on the plane: Newton's steps on the projection."""
    lon, lat = np.full(len(metres), plane.lon_deg), np.full(len(metres), 45.0)
    for _ in range(12):
        x, y = plane.metres(lon, lat)
        off_x, off_y = metres[:, 0] - x, metres[:, 1] - y
        lon = lon + off_x / (111_320.0 * np.cos(np.radians(lat)))
        lat = lat + off_y / 111_000.0
    if shifted:
        lon, lat = to_gcj02(lon, lat, everywhere=True)
    return np.column_stack([lon, lat])


POLICE, CAMERAS, PROVIDER = "police", "checkpoint", "internet"
FAULTS: Mapping[str, Fault] = {
    "none": nothing,
    "police off": partial(off, (POLICE,)),
    "checkpoint off": partial(off, (CAMERAS,)),
    "internet off": partial(off, (PROVIDER,)),
    "only police": partial(off, (CAMERAS, PROVIDER)),
    "only checkpoint": partial(off, (POLICE, PROVIDER)),
    "only internet": partial(off, (POLICE, CAMERAS)),
    "all off for an hour": off_for_an_hour,
    "30 % of rows lost": partial(rows_lost, 0.3),
    "police clocks 90 s": partial(clocks, ("police/passes", "police/counts"), 90),
    "all cameras 90 s": partial(clocks, ("checkpoint/passes",), 90),
    "a third of cameras 90 s": partial(some_clocks, 0.33, 90),
    "provider 90 s": partial(clocks, ("internet/speeds",), 90),
    "mph all day": partial(in_mph, 0.0),
    "mph from noon": partial(in_mph, 0.5),
    "places, right": partial(by_place, ()),
    "provider in GCJ-02": partial(by_place, (PROVIDER,)),
    "all in GCJ-02": partial(by_place, (POLICE, CAMERAS, PROVIDER)),
}
