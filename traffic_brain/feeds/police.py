"""The police feed (公安交管): stop-line passes, counts and the signal controllers' log."""

from __future__ import annotations

from dataclasses import dataclass
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

FEED = "police"


@dataclass(frozen=True)
class PoliceDay:
    """One service day of the police feed.

    detectors: detector_id (index), junction_id, link_id, lane_idx, position_m, residual_m.
    passes: detector_id, link_id, lane_idx, time_s; ordered by detector and time.
    counts: detector_id, link_id, lane_idx, time_s, interval_s, count.
    signal_log: junction_id, time_s, plan_id, interval_idx, picture, control; ordered by junction
        and time.
    """

    detectors: pd.DataFrame
    passes: pd.DataFrame
    counts: pd.DataFrame
    signal_log: pd.DataFrame
    rows_read: int


def read(
    folder: Path,
    network: RoadNetwork,
    day: date,
    quarantine: Quarantine,
    plane: Plane | None = None,
) -> PoliceDay:
    """Read ``folder`` (``police/`` of a service day).

    Args:
        plane: of the network; needed where a register has degrees in place of links.

    Raises:
        ConfigurationError: the feed's column map says what it cannot say.
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    told = feed_map(folder, FEED)
    register, raw_passes, raw_counts, raw_log = all_read(
        partial(read_register, folder, "detectors", told, network, plane, quarantine),
        *(
            partial(read_layout, folder, table, told, quarantine)
            for table in ("passes", "counts", "signal_log")
        ),
    )
    detectors = quarantine.register(
        FEED,
        register,
        "detector_id",
        [
            ("unknown_link", ~register["link_id"].isin(list(network.links)).to_numpy()),
            ("bad_value", no_value(register, "lane_idx")),
        ],
    )
    return PoliceDay(
        detectors=detectors,
        passes=_passes(raw_passes, detectors, day, quarantine),
        counts=_counts(raw_counts, detectors, day, quarantine),
        signal_log=_signal_log(raw_log, network, day, quarantine),
        rows_read=quarantine.rows_read_of(FEED),
    )


def _passes(
    raw: pd.DataFrame, detectors: pd.DataFrame, day: date, quarantine: Quarantine
) -> pd.DataFrame:
    time_s = seconds_of_day(raw["time"], day)
    detector_idx = detectors.index.get_indexer(raw["detector_id"])
    passes = pd.DataFrame({"detector_idx": detector_idx, "time_s": time_s})
    passes = quarantine.keep(
        FEED,
        passes,
        [
            ("device_fault", not_ok(raw)),
            ("unknown_detector", detector_idx < 0),
            ("no_time", np.isnan(time_s)),
            ("outside_day", outside_day(time_s)),
        ],
    )
    milliseconds = np.round(passes["time_s"].to_numpy() * 1000.0).astype(np.int64)
    again = repeats(passes["detector_idx"].to_numpy(), milliseconds)
    passes = quarantine.keep(FEED, passes, [("duplicate", again)])
    passes = passes.sort_values(["detector_idx", "time_s"], kind="stable", ignore_index=True)
    place = detectors.iloc[passes["detector_idx"].to_numpy()]
    return pd.DataFrame(
        {
            "detector_id": place.index.to_numpy(),
            "link_id": place["link_id"].to_numpy(),
            "lane_idx": place["lane_idx"].to_numpy(),
            "time_s": passes["time_s"].to_numpy(),
        }
    )


def _counts(
    raw: pd.DataFrame, detectors: pd.DataFrame, day: date, quarantine: Quarantine
) -> pd.DataFrame:
    raw = raw.assign(time_s=seconds_of_day(raw["time"], day))
    counts = quarantine.keep(
        FEED,
        raw,
        [
            ("device_fault", not_ok(raw)),
            ("unknown_detector", ~raw["detector_id"].isin(detectors.index).to_numpy()),
            ("no_time", no_value(raw, "time_s")),
            ("outside_day", outside_day(raw["time_s"].to_numpy())),
            ("bad_value", no_value(raw, "count", "interval_s")),
            ("bad_value", ((raw["count"] < 0) | (raw["interval_s"] <= 0)).to_numpy()),
        ],
    )
    again = counts.duplicated(["detector_id", "time_s"]).to_numpy()
    counts = quarantine.keep(FEED, counts, [("duplicate", again)])
    place = detectors.loc[counts["detector_id"], ["link_id", "lane_idx"]]
    return counts.assign(
        link_id=place["link_id"].to_numpy(), lane_idx=place["lane_idx"].to_numpy()
    ).drop(columns=["time", "status"])


def _signal_log(
    raw: pd.DataFrame, network: RoadNetwork, day: date, quarantine: Quarantine
) -> pd.DataFrame:
    raw = raw.assign(time_s=seconds_of_day(raw["time"], day))
    known = raw["junction_id"].isin(list(network.junctions)).to_numpy()
    log = quarantine.keep(
        FEED,
        raw,
        [
            ("unknown_junction", ~known),
            ("no_time", no_value(raw, "time_s")),
            ("outside_day", outside_day(raw["time_s"].to_numpy())),
            ("bad_value", no_value(raw, "plan_id", "interval_idx", "picture")),
        ],
    )
    again = log.duplicated(["junction_id", "time_s"]).to_numpy()
    log = quarantine.keep(FEED, log, [("duplicate", again)])
    return log.drop(columns="time").sort_values(
        ["junction_id", "time_s"], kind="stable", ignore_index=True
    )
