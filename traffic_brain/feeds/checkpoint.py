"""The checkpoint feed (卡口): passes of plates, turned into tokens on the way in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from traffic_brain.feeds.pseudonym import UNREADABLE, tokens
from traffic_brain.feeds.tables import TEXT, TIME, Quarantine, read_table, seconds_of_day
from traffic_brain.kernels.duplicates import repeats
from traffic_brain.model.network import RoadNetwork

FEED = "checkpoint"
_SITES = {"site_id": TEXT, "link_id": TEXT}
_PASSES = {"site_id": TEXT, "time": TIME, "plate": TEXT}
REPEAT_S = 10
"""A camera that reports one vehicle twice does so within seconds."""


@dataclass(frozen=True)
class CheckpointDay:
    """One service day: ``passes`` holds token, link_id, time_s, ordered by token and time.

    A pass is seen where the vehicle leaves the link.
    """

    links: frozenset[str]
    passes: pd.DataFrame
    rows_read: int

    @property
    def live_links(self) -> frozenset[str]:
        """Links whose camera saw anything: a silent one proves nothing about who passed."""
        return frozenset(self.passes["link_id"])


def read(folder: Path, network: RoadNetwork, day: date, quarantine: Quarantine) -> CheckpointDay:
    """Read ``folder`` (``checkpoint/`` of a service day).

    Raises:
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    sites = read_table(folder / "sites.parquet", _SITES)
    unknown = ~sites["link_id"].isin(list(network.links)).to_numpy()
    sites = quarantine.keep(FEED, sites, [("unknown_link", unknown)])
    sites = sites.drop_duplicates("site_id").set_index("site_id")
    raw = read_table(folder / "passes.parquet", _PASSES)
    time_s = seconds_of_day(raw["time"], day)
    order = np.argsort(time_s, kind="stable")
    site_idx = sites.index.get_indexer(raw["site_id"])[order]
    time_s = time_s[order]
    token = tokens(raw["plate"].to_numpy()[order])
    passes = pd.DataFrame({"token": token, "site_idx": site_idx, "time_s": time_s})
    key = np.where(token < 0, -np.arange(1, len(token) + 1), token)
    window = np.nan_to_num(time_s // REPEAT_S).astype(np.int64)
    passes = quarantine.keep(
        FEED,
        passes,
        [
            ("unknown_site", site_idx < 0),
            ("no_time", np.isnan(time_s)),
            ("outside_day", (time_s < 0) | (time_s >= 86400)),
            ("unreadable_plate", token == UNREADABLE),
            ("duplicate", repeats(key * (len(sites) + 1) + site_idx, window)),
        ],
    )
    links = sites["link_id"].to_numpy()
    passes = passes.assign(link_id=links[passes["site_idx"].to_numpy()] if len(passes) else "")
    passes = passes.drop(columns="site_idx").sort_values(
        ["token", "time_s"], kind="stable", ignore_index=True
    )
    return CheckpointDay(frozenset(links), passes, len(sites) + len(raw))
