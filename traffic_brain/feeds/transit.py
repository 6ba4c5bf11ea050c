"""The transit feed (公交运管): links that buses drove along, with times. It may be absent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from traffic_brain.feeds.column_map import feed_map
from traffic_brain.feeds.tables import (
    Quarantine,
    no_value,
    outside_day,
    read_layout,
    seconds_of_day,
)
from traffic_brain.model.network import RoadNetwork

FEED = "transit"


@dataclass(frozen=True)
class TransitDay:
    """One service day: ``passes`` holds vehicle_idx, line, link_id, time_in_s, time_out_s."""

    passes: pd.DataFrame
    rows_read: int


def read(folder: Path, network: RoadNetwork, day: date, quarantine: Quarantine) -> TransitDay:
    """Read ``folder`` (``transit/`` of a service day); an absent folder is a city without buses.

    Raises:
        ConfigurationError: the feed's column map says what it cannot say.
        DataRefused: the table is damaged or has not the columns of its feed.
    """
    if not folder.is_dir():
        empty: dict[str, list[object]] = {
            c: [] for c in ("vehicle_idx", "line", "link_id", "time_in_s", "time_out_s")
        }
        return TransitDay(pd.DataFrame(empty), 0)
    raw = read_layout(folder, "passes", feed_map(folder, FEED), quarantine)
    time_in, time_out = (seconds_of_day(raw[c], day) for c in ("time_in", "time_out"))
    vehicle_idx, _ = pd.factorize(raw["vehicle_id"])
    kept = quarantine.keep(
        FEED,
        raw.assign(vehicle_idx=vehicle_idx, time_in_s=time_in, time_out_s=time_out),
        [
            ("unknown_link", ~raw["link_id"].isin(list(network.links)).to_numpy()),
            ("no_time", np.isnan(time_in) | np.isnan(time_out)),
            ("outside_day", outside_day(time_in) | outside_day(time_out)),
            ("bad_value", no_value(raw, "vehicle_id")),
            ("bad_value", time_out < time_in),
        ],
    )
    again = kept.duplicated(["vehicle_id", "link_id", "time_in"]).to_numpy()
    kept = quarantine.keep(FEED, kept, [("duplicate", again)])
    passes = kept[["vehicle_idx", "line", "link_id", "time_in_s", "time_out_s"]]
    return TransitDay(
        passes.sort_values(["vehicle_idx", "time_in_s"], kind="stable", ignore_index=True),
        quarantine.rows_read_of(FEED),
    )
