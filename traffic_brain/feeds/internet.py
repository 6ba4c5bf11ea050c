"""The internet feed (互联网路况): link speeds every one or two minutes from probe vehicles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from traffic_brain.clock import day_start_ms
from traffic_brain.executor import HERE, Engine
from traffic_brain.feeds.column_map import FeedMap, feed_map
from traffic_brain.feeds.coordinates import Plane
from traffic_brain.feeds.layout import LAYOUT
from traffic_brain.feeds.opening import Piece, pieces, refuse_unfit
from traffic_brain.feeds.registers import read_register
from traffic_brain.feeds.speed_reports import Provider, added_up
from traffic_brain.feeds.tables import Quarantine, all_read
from traffic_brain.model.network import RoadNetwork

FEED = "internet"


@dataclass(frozen=True)
class InternetDay:
    """One service day: ``speeds`` holds link_id, time_s, interval_s, speed_mps, sample_count.

    One row for a link and an interval, whatever its provider links are; ordered by time.
    """

    speeds: pd.DataFrame
    rows_read: int
    links: Mapping[str, str] = field(default_factory=dict)
    """Provider's link -> link."""
    added_up: int = 0
    """Rows that are in the row of another provider link of their link."""


def read(
    folder: Path,
    network: RoadNetwork,
    day: date,
    quarantine: Quarantine,
    plane: Plane | None = None,
    *,
    engine: Engine = HERE,
    scratch: Path | None = None,
) -> InternetDay:
    """Read ``folder`` (``internet/`` of a service day).

    Args:
        plane: of the network; needed where a register has degrees in place of links.
        engine: where the rows are read; it changes nothing of the result.
        scratch: a folder with room for a fifth of the rows' size as text, which every worker sees;
            the system's for temporary files if None. Nothing is left in it.

    Raises:
        ConfigurationError: the feed's column map says what it cannot say.
        DataRefused: a table is missing, damaged, or has not the columns of its feed.
    """
    told = feed_map(folder, FEED)
    register, found = all_read(
        partial(read_register, folder, "links", told, network, plane, quarantine),
        partial(_pieces, folder, told),
    )
    unknown = ~register["link_id"].isin(list(network.links)).to_numpy()
    links = quarantine.register(FEED, register, "provider_link_id", [("unknown_link", unknown)])
    ids = links["link_id"].to_dict()
    provider = Provider(
        table=told.of("speeds"),
        names=tuple(ids),
        link_of=np.array([network.link_idx[link_id] for link_id in ids.values()], dtype=np.int32),
        begin_ms=day_start_ms(day),
    )
    with TemporaryDirectory(dir=scratch) as parts:
        rows = added_up(provider, found, Path(parts), quarantine, engine)
    return InternetDay(
        speeds=pd.DataFrame(
            {
                "link_id": np.array([*network.links], dtype=object)[rows["link"]],
                "time_s": rows["at_ms"] / 1000.0,
                "interval_s": rows["interval_s"],
                "speed_mps": rows["speed_mps"],
                "sample_count": rows["samples"],
            }
        ),
        rows_read=quarantine.rows_read_of(FEED),
        links=ids,
        added_up=int(rows["reports"].sum()) - len(rows["reports"]),
    )


def _pieces(folder: Path, told: FeedMap) -> list[Piece]:
    """The pieces of the reports, all of which have the columns that they need."""
    if not folder.is_dir():
        return []
    table, layout = told.of("speeds"), LAYOUT[FEED]["speeds"]
    found = pieces(folder, table)
    paths = dict.fromkeys(piece.path for piece in found)
    refuse_unfit(paths, layout.required, table, layout.optional)
    return found
