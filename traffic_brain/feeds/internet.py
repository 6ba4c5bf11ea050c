"""The internet feed (互联网路况): link speeds every one or two minutes from probe vehicles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from traffic_brain.feeds.tables import (
    INTEGER,
    NUMBER,
    TEXT,
    TIME,
    Quarantine,
    read_table,
    seconds_of_day,
)
from traffic_brain.kernels.duplicates import repeats
from traffic_brain.model.network import RoadNetwork

FEED = "internet"
MAX_SPEED_KMH = 150.0
_LINKS = {"provider_link_id": TEXT, "link_id": TEXT}
_SPEEDS = {
    "provider_link_id": TEXT,
    "time": TIME,
    "interval_s": INTEGER,
    "speed_kmh": NUMBER,
    "sample_count": INTEGER,
}


@dataclass(frozen=True)
class InternetDay:
    """One service day: ``speeds`` holds link_id, time_s, interval_s, speed_mps, sample_count."""

    speeds: pd.DataFrame
    rows_read: int


def read(folder: Path, network: RoadNetwork, day: date, quarantine: Quarantine) -> InternetDay:
    """Read ``folder`` (``internet/`` of a service day).

    Raises:
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    links = read_table(folder / "links.parquet", _LINKS)
    unknown = ~links["link_id"].isin(list(network.links)).to_numpy()
    links = quarantine.keep(FEED, links, [("unknown_link", unknown)])
    links = links.drop_duplicates("provider_link_id").set_index("provider_link_id")
    raw = read_table(folder / "speeds.parquet", _SPEEDS)
    time_s = seconds_of_day(raw["time"], day)
    link_idx = links.index.get_indexer(raw["provider_link_id"])
    speed = raw["speed_kmh"].to_numpy(dtype=np.float64)
    samples = raw["sample_count"].to_numpy()
    kept = quarantine.keep(
        FEED,
        raw.assign(time_s=time_s, link_idx=link_idx),
        [
            ("unknown_provider_link", link_idx < 0),
            ("no_time", np.isnan(time_s)),
            ("outside_day", (time_s < 0) | (time_s >= 86400)),
            ("bad_value", ~np.isfinite(speed) | (speed < 0) | (samples <= 0)),
            ("speed_above_150_kmh", speed > MAX_SPEED_KMH),
            ("duplicate", repeats(link_idx, np.nan_to_num(time_s).astype(np.int64))),
        ],
    )
    return InternetDay(
        speeds=pd.DataFrame(
            {
                "link_id": links["link_id"].to_numpy()[kept["link_idx"].to_numpy()]
                if len(kept)
                else np.array([], dtype=object),
                "time_s": kept["time_s"].to_numpy(),
                "interval_s": kept["interval_s"].to_numpy(),
                "speed_mps": kept["speed_kmh"].to_numpy(dtype=np.float64) / 3.6,
                "sample_count": kept["sample_count"].to_numpy(),
            }
        ),
        rows_read=len(links) + len(raw),
    )
