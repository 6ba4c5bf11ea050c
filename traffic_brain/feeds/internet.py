"""The internet feed (互联网路况): link speeds every one or two minutes from probe vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from traffic_brain.feeds.column_map import feed_map
from traffic_brain.feeds.coordinates import Plane
from traffic_brain.feeds.registers import read_register
from traffic_brain.feeds.tables import (
    Quarantine,
    all_read,
    no_value,
    not_ok,
    outside_day,
    read_layout,
    seconds_of_day,
)
from traffic_brain.kernels.duplicates import repeats
from traffic_brain.model.network import RoadNetwork

FEED = "internet"
MAX_SPEED_KMH = 150.0


@dataclass(frozen=True)
class InternetDay:
    """One service day: ``speeds`` holds link_id, time_s, interval_s, speed_mps, sample_count."""

    speeds: pd.DataFrame
    rows_read: int
    links: Mapping[str, str] = field(default_factory=dict)
    """Provider's link -> link."""


def read(
    folder: Path,
    network: RoadNetwork,
    day: date,
    quarantine: Quarantine,
    plane: Plane | None = None,
) -> InternetDay:
    """Read ``folder`` (``internet/`` of a service day).

    Args:
        plane: of the network; needed where a register has degrees in place of links.

    Raises:
        ConfigurationError: the feed's column map says what it cannot say.
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    told = feed_map(folder, FEED)
    register, raw = all_read(
        partial(read_register, folder, "links", told, network, plane, quarantine),
        partial(read_layout, folder, "speeds", told, quarantine),
    )
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
            ("device_fault", not_ok(raw)),
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
        rows_read=quarantine.rows_read_of(FEED),
        links=links["link_id"].to_dict(),
    )
