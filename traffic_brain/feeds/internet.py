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
    no_value,
    outside_day,
    read_tables,
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
    register, raw = read_tables(folder, {"links": _LINKS, "speeds": _SPEEDS})
    unknown = ~register["link_id"].isin(list(network.links)).to_numpy()
    links = quarantine.register(FEED, register, "provider_link_id", [("unknown_link", unknown)])
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
            ("outside_day", outside_day(time_s)),
            ("bad_value", no_value(raw, "interval_s", "speed_kmh", "sample_count")),
            ("bad_value", ~np.isfinite(speed) | (speed < 0) | (samples <= 0)),
            ("speed_above_150_kmh", speed > MAX_SPEED_KMH),
        ],
    )
    milliseconds = np.round(kept["time_s"].to_numpy() * 1000.0).astype(np.int64)
    again = repeats(kept["link_idx"].to_numpy(), milliseconds)
    kept = quarantine.keep(FEED, kept, [("duplicate", again)])
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
        rows_read=len(register) + len(raw),
    )
