"""The product on the files of a day: feeds to statistics to the pace of every link."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feeds.city import SERVICE_DAY, City, next_links
from benchmarks.feeds.making import SOURCES, files_of
from traffic_brain.executor import Engine
from traffic_brain.fusion.statistics.columns import Texts, as_arrow
from traffic_brain.fusion.statistics.day import DayStatistics, Statistics, write
from traffic_brain.fusion.statistics.paces import (
    Pace,
    by_precision,
    checkpoint_pace,
    internet_pace,
    transit_pace,
)
from traffic_brain.fusion.statistics.pairs import BIN_IDX, FROM_SITE, TO_SITE
from traffic_brain.fusion.statistics.tasks import Arrays, Feed, Span
from traffic_brain.progress import Progress, silent


def feeds_of(here: City, sources: Sequence[str] = SOURCES) -> list[Feed]:
    """What the product knows of each source: its register."""
    names = here.names()
    key = secrets.token_bytes(16)
    secret = (int.from_bytes(key[:8], "little"), int.from_bytes(key[8:], "little"))
    every = {
        "internet": Feed(
            "internet", Texts.of(names["provider"]), here.links, place_of=here.link_of_provider
        ),
        "police": Feed("police", Texts.of(names["detector"]), len(names["detector"])),
        "transit": Feed("transit", Texts.of(names["link"]), here.links),
        "checkpoint": Feed(
            "checkpoint", Texts.of(names["site"]), len(names["site"]), secret=secret
        ),
    }
    return [every[source] for source in sources]


def ready(number: int) -> int:
    """A task that does nothing, so that processes start before time is taken."""
    return number


def place_names(here: City) -> dict[str, list[str]]:
    """Source -> the name of each place."""
    names = here.names()
    return {
        "internet": names["link"],
        "police": names["detector"],
        "transit": names["link"],
        "checkpoint": names["site"],
    }


def statistics_of(
    here: City,
    folder: Path,
    scratch: Path,
    engine: Engine,
    sources: Sequence[str] = SOURCES,
    progress: Progress = silent,
) -> Statistics:
    """The statistics of a day that has been made."""
    day = DayStatistics(feeds_of(here, sources), Span.of(SERVICE_DAY), scratch, engine)
    try:
        day.absorb({s: files_of(folder, s) for s in sources}, progress)
        return day.settled(progress)
    finally:
        day.close()


CHECKPOINT_RELATIVE_SD, BUS_RELATIVE_SD = 0.35, 0.8
STRAIGHT, RIGHT, LEFT = 0, 1, 3


def write_state(here: City, statistics: Statistics, out: Path) -> None:
    """Write the statistics, and the pace of every link and bin from all sources."""
    write(statistics, place_names(here), out)
    bins = statistics.span.bins
    ranges = [_fused(here, statistics, r) for r in range(statistics.span.ranges)]
    pace, relative_sd = (np.concatenate(parts, axis=1) for parts in zip(*ranges, strict=True))
    half = 1.96 * relative_sd
    travel_s = here.length_m[:, None] * pace
    passes = statistics.whole("police")[..., 0]
    at_bin, detector = np.nonzero(passes)
    cell = here.link_of_detector[detector].astype(np.int64) * bins + at_bin
    counted = np.bincount(cell, passes[at_bin, detector], here.links * bins)
    columns: dict[str, np.ndarray] = {
        "link_idx": np.repeat(np.arange(here.links, dtype=np.int32), bins),
        "bin_start_s": np.tile(np.arange(bins, dtype=np.int32) * 300, here.links),
        "speed_mps": (1.0 / pace).ravel(),
        "travel_time_s": travel_s.ravel(),
        "travel_time_low_s": (travel_s * np.maximum(1.0 - half, 0.0)).ravel(),
        "travel_time_high_s": (travel_s * (1.0 + half)).ravel(),
        "counted_veh": counted,
    }
    table = pa.table({name: as_arrow(values) for name, values in columns.items()})
    pq.write_table(table, out / "link_state.parquet", use_dictionary=["link_idx", "bin_start_s"])


def _fused(here: City, statistics: Statistics, range_idx: int) -> Pace:
    """The pace of every link in the bins of a range."""
    sums, bins = statistics.sums, statistics.span.bins_of(range_idx)
    paces = [internet_pace(sums["internet"][range_idx])]
    paces += [
        checkpoint_pace(part, _link_of_way(here, part), here.length_m, bins, CHECKPOINT_RELATIVE_SD)
        for part in statistics.pairs
        if len(part[BIN_IDX]) and bins.start <= part[BIN_IDX][0] < bins.stop
    ]
    paces.append(transit_pace(sums["transit"][range_idx], here.length_m, BUS_RELATIVE_SD))
    return by_precision(paces)


def _link_of_way(here: City, pairs: Arrays) -> np.ndarray:
    """int64[cell]: the link to the second camera where it follows the first one's, else −1."""
    first = here.link_of_site[pairs[FROM_SITE]]
    second = here.link_of_site[pairs[TO_SITE]]
    follows = np.zeros(len(first), dtype=bool)
    for turn in (STRAIGHT, RIGHT, LEFT):
        follows |= next_links(first, np.array(turn)) == second
    return np.where(follows, second, -1).astype(np.int64)
