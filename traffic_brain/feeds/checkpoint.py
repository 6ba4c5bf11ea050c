"""The checkpoint feed (卡口): passes of plates, turned into tokens on the way in."""

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
from traffic_brain.feeds.misreadings import mended
from traffic_brain.feeds.pseudonym import UNREADABLE, in_one_spelling, tokens
from traffic_brain.feeds.registers import read_register
from traffic_brain.feeds.tables import (
    Quarantine,
    all_read,
    not_ok,
    outside_day,
    read_layout,
    seconds_of_day,
)
from traffic_brain.model.network import RoadNetwork

FEED = "checkpoint"
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
    sites: Mapping[str, str] = field(default_factory=dict)
    """Device -> its link."""

    @property
    def live_links(self) -> frozenset[str]:
        """Links whose camera saw anything: a silent one proves nothing about who passed."""
        return frozenset(self.passes["link_id"])


def read(
    folder: Path,
    network: RoadNetwork,
    day: date,
    quarantine: Quarantine,
    plane: Plane | None = None,
) -> CheckpointDay:
    """Read ``folder`` (``checkpoint/`` of a service day).

    Args:
        plane: of the network; needed where a register has degrees in place of links.

    Raises:
        ConfigurationError: the feed's column map says what it cannot say.
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    told = feed_map(folder, FEED)
    register, raw = all_read(
        partial(read_register, folder, "sites", told, network, plane, quarantine),
        partial(read_layout, folder, "passes", told, quarantine),
    )
    unknown = ~register["link_id"].isin(list(network.links)).to_numpy()
    sites = quarantine.register(FEED, register, "site_id", [("unknown_link", unknown)])
    time_s = seconds_of_day(raw["time"], day)
    order = np.argsort(time_s, kind="stable")
    site_idx = sites.index.get_indexer(raw["site_id"])[order]
    time_s = time_s[order]
    plates = in_one_spelling(raw["plate"].to_numpy()[order])
    token = tokens(plates)
    passes = pd.DataFrame({"plate": plates, "token": token, "site_idx": site_idx, "time_s": time_s})
    passes = quarantine.keep(
        FEED,
        passes,
        [
            ("device_fault", not_ok(raw.iloc[order])),
            ("unknown_site", site_idx < 0),
            ("no_time", np.isnan(time_s)),
            ("outside_day", outside_day(time_s)),
            ("unreadable_plate", token == UNREADABLE),
        ],
    )
    passes = _with_one_token_per_vehicle(passes, _places_m(sites, network))
    passes = quarantine.keep(FEED, passes, [("duplicate", _seen_again(passes))])
    links = sites["link_id"].to_numpy()
    passes = passes.assign(link_id=links[passes["site_idx"].to_numpy()] if len(passes) else "")
    passes = passes.drop(columns="site_idx").sort_values(
        ["token", "time_s"], kind="stable", ignore_index=True
    )
    return CheckpointDay(
        frozenset(links),
        passes,
        quarantine.rows_read_of(FEED),
        dict(zip(sites.index.tolist(), links.tolist(), strict=True)),
    )


def _places_m(sites: pd.DataFrame, network: RoadNetwork) -> np.ndarray:
    """float64[site, 2]: where the cameras stand, the ends of their links."""
    ends = [network.links[link_id].shape[-1] for link_id in sites["link_id"]]
    return np.array(ends, dtype=np.float64).reshape(-1, 2)


def _with_one_token_per_vehicle(passes: pd.DataFrame, places_m: np.ndarray) -> pd.DataFrame:
    """The passes with misread plates mended, and without the plates: here they end."""
    token = mended(
        passes["plate"].to_numpy(),
        passes["token"].to_numpy(),
        passes["time_s"].to_numpy(),
        places_m[passes["site_idx"].to_numpy()],
    )
    return passes.assign(token=token).drop(columns="plate")


def _seen_again(passes: pd.DataFrame) -> np.ndarray:
    """bool[row]: True where the site saw the token less than ``REPEAT_S`` before.

    Args:
        passes: token, site_idx, time_s; ordered by time.
    """
    since_s = passes.groupby(["token", "site_idx"])["time_s"].diff()
    return np.asarray(since_s < REPEAT_S)
