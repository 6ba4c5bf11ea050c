"""Real stations on freeways: their speeds through the reader of the internet feed, their order.

``los_loop`` tells only how near stations are to each other, not which way traffic goes: each has
its nearest ones as neighbours, both ways, and distances are in the adjacency's own measure.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fill_in import BINS_PER_DAY, TIME, los_loop, one_link_each
from traffic_brain.clock import TIME_ZONE
from traffic_brain.diagnosis.speed_drops import Stations, in_a_row
from traffic_brain.feeds import internet
from traffic_brain.feeds.tables import Quarantine
from traffic_brain.model.network import RoadNetwork

DATA = Path(__file__).parents[2] / "shared/data"
BIN_S = 300
LOS_FIRST_DAY = date(2012, 3, 1)
"""A Thursday: the first of the seven days on file."""
NEAREST = 3


@dataclass(frozen=True)
class Roads:
    """Stations, and the speeds of each day in km/h, float64[station, bin]; NaN: not known."""

    stations: Stations
    days: dict[date, np.ndarray]


def read_los_loop(folder: Path) -> Roads:
    """207 stations of Los Angeles, a week."""
    series = los_loop(folder).series
    names = tuple(pd.read_csv(folder / "los_speed.csv", nrows=0).columns)
    near = pd.read_csv(folder / "los_adj.csv", header=None).to_numpy(dtype=np.float64)
    np.fill_diagonal(near, 0.0)
    apart = {}
    for i, row in enumerate(near):
        for j in np.argsort(-row, kind="stable")[:NEAREST].tolist():
            if row[j] > 0.0:
                apart[i, j] = apart[j, i] = float(np.sqrt(-np.log(row[j])))
    parts = np.split(series, series.shape[1] // BINS_PER_DAY, axis=1)
    days = {LOS_FIRST_DAY + timedelta(days=n): part for n, part in enumerate(parts)}
    return Roads(Stations(names, apart), days)


def read_pems(folder: Path) -> Roads:
    """115 stations of the I-5 northbound, three days; imputed values are left out."""
    chain = pd.read_csv(folder / "detector_chain_fd.csv")
    names = [str(name) for name in chain["station_id"]]
    stations = in_a_row(names, chain["x_km"].to_numpy(dtype=np.float64))
    network = one_link_each(stations.names)
    table = pd.read_csv(folder / "train_detector_states_3days.csv.gz")
    table = table[table["is_observed"] == 1]
    days = {}
    for name, rows in table.groupby("date"):
        day = date.fromisoformat(str(name))
        days[day] = _read_day(rows, day, network)
    return Roads(stations, days)


def _read_day(rows: pd.DataFrame, day: date, network: RoadNetwork) -> np.ndarray:
    # The file's own note: local times with a "Z" that means nothing.
    local = pd.to_datetime(rows["timestamp"].str.rstrip("Z")).dt.tz_localize(TIME_ZONE)
    names = list(network.links)
    tables = {
        "speeds": {
            "provider_link_id": pa.array(rows["station_id"].astype(str), pa.string()),
            "time": pa.array(local, TIME),
            "interval_s": np.full(len(rows), BIN_S),
            "speed_kmh": rows["speed"].to_numpy(),
            "sample_count": np.ones(len(rows), dtype=np.int64),
        },
        "links": {"provider_link_id": names, "link_id": names},
    }
    with TemporaryDirectory() as folder:
        for name, columns in tables.items():
            pq.write_table(pa.table(columns), Path(folder) / f"{name}.parquet")
        found = internet.read(Path(folder), network, day, Quarantine()).speeds
    speeds = np.full((len(names), BINS_PER_DAY), np.nan)
    idx = [network.link_idx[i] for i in found["link_id"]]
    speeds[idx, (found["time_s"].to_numpy() // BIN_S).astype(np.int64)] = found["speed_mps"] * 3.6
    return speeds
