"""The police feed (公安交管): stop-line passes, counts and the signal controllers' log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from traffic_brain.clock import day_start_ms
from traffic_brain.feeds.column_map import FeedMap, feed_map
from traffic_brain.feeds.coordinates import Plane
from traffic_brain.feeds.layout import LAYOUT
from traffic_brain.feeds.opening import batches
from traffic_brain.feeds.registers import read_register
from traffic_brain.feeds.tables import (
    DAY_S,
    Quarantine,
    all_read,
    no_value,
    not_ok,
    numbers,
    outside_day,
    read_layout,
    seconds_of_day,
)
from traffic_brain.model.network import RoadNetwork

FEED = "police"
NEVER = int(np.iinfo(np.int64).min)
_TIME_BITS = 27
"""2^27 ms are longer than a day."""


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
        partial(_RawPasses.read, folder, told, day, quarantine),
        partial(read_layout, folder, "counts", told, quarantine),
        partial(read_layout, folder, "signal_log", told, quarantine),
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
        passes=_passes(raw_passes, detectors, quarantine),
        counts=_counts(raw_counts, detectors, day, quarantine),
        signal_log=_signal_log(raw_log, network, day, quarantine),
        rows_read=quarantine.rows_read_of(FEED),
    )


@dataclass(frozen=True)
class _RawPasses:
    """Passes as they came, in few bytes a row: 50 million of them are a day of a large city."""

    names: pd.Index[str]
    name_idx: np.ndarray
    """int32[row]; −1: none."""
    since_ms: np.ndarray
    """int64[row], since the day began; ``NEVER``: no time."""
    is_faulty: np.ndarray

    @staticmethod
    def read(folder: Path, told: FeedMap, day: date, quarantine: Quarantine) -> _RawPasses:
        """All rows of the table that can be read."""
        layout, begin_ms = LAYOUT[FEED]["passes"], day_start_ms(day)
        names: pd.Index[str] = pd.Index([], dtype="str")
        parts = [(np.empty(0, np.int32), np.empty(0, np.int64), np.empty(0, np.bool_))]
        for batch in (
            batches(folder, "passes", layout.required, told, quarantine, optional=layout.optional)
            if folder.is_dir()
            else ()
        ):
            ids = batch.column("detector_id")
            found = pd.Index(ids.dictionary.to_pylist(), dtype="str")
            names = names.append(found[names.get_indexer(found) < 0].unique())
            place_of = np.append(names.get_indexer(found), -1).astype(np.int32)
            at_ms = numbers(batch.column("time").cast(pa.int64()), NEVER)
            parts.append(
                (
                    place_of[numbers(ids.indices, -1)],
                    np.where(at_ms == NEVER, NEVER, at_ms - begin_ms),
                    pc.not_equal(batch.column("status").fill_null("ok"), "ok").to_numpy(
                        zero_copy_only=False
                    ),
                )
            )
        return _RawPasses(names, *(np.concatenate(column) for column in zip(*parts, strict=True)))


def _passes(raw: _RawPasses, detectors: pd.DataFrame, quarantine: Quarantine) -> pd.DataFrame:
    """Passes of known detectors and of the day, each once, ordered by detector and time."""
    detector_of = np.append(detectors.index.get_indexer(raw.names), -1)
    detector_idx, since_ms = detector_of[raw.name_idx], raw.since_ms
    bad = np.zeros(len(since_ms), dtype=bool)
    for reason, marked in (
        ("device_fault", raw.is_faulty),
        ("unknown_detector", detector_idx < 0),
        ("no_time", since_ms == NEVER),
        ("outside_day", (since_ms < 0) | (since_ms >= DAY_S * 1000)),
    ):
        quarantine.refuse(FEED, reason, marked & ~bad)
        bad |= marked
    # what tells a pass from another is also what it is ordered by, and all that there is of it
    keys = (detector_idx[~bad] << _TIME_BITS) | since_ms[~bad]
    keys.sort()
    again = keys[1:] == keys[:-1]
    quarantine.refuse(FEED, "duplicate", again)
    keys = keys[np.append(np.ones(min(len(keys), 1), dtype=bool), ~again)]
    detector_idx = keys >> _TIME_BITS
    lanes = detectors["lane_idx"].to_numpy()
    return pd.DataFrame(
        {
            "detector_id": _texts(detectors.index, detector_idx),
            "link_id": _texts(pd.Index(detectors["link_id"]), detector_idx),
            "lane_idx": lanes[detector_idx],
            "time_s": (keys & ((1 << _TIME_BITS) - 1)) / 1000.0,
        }
    )


def _texts(names: pd.Index[str], idx: np.ndarray) -> Any:
    """``names[idx]`` without an object for each of millions of rows."""
    known = pa.array(names.to_numpy(dtype=object), pa.large_string())
    return pd.array(known.take(pa.array(idx)), dtype="str")


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
