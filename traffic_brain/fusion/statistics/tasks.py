"""What a task is: a source, a range of event time, and the rows that may belong to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

import numpy as np

from traffic_brain.clock import day_start_ms
from traffic_brain.fusion.statistics.columns import (
    CODE,
    NUMBER,
    TEXT,
    TIME,
    WHOLE,
    RowGroups,
    Texts,
)
from traffic_brain.fusion.window import BIN_S
from traffic_brain.kernels import feed_sums as outcome

INTERNET, POLICE, CHECKPOINT, TRANSIT = "internet", "police", "checkpoint", "transit"
"""The feeds' names. Their modules are not imported here, as every worker would load pandas."""
MAX_SPEED_KMH = 150.0
REPEAT_S = 10
RANGE_S = 7200
BIN_MS = BIN_S * 1000

COLUMNS: Mapping[str, Mapping[str, str]] = {
    INTERNET: {
        "provider_link_id": CODE,
        "time": TIME,
        "speed_kmh": NUMBER,
        "sample_count": WHOLE,
    },
    POLICE: {"detector_id": CODE, "time": TIME},
    CHECKPOINT: {"site_id": CODE, "time": TIME, "plate": TEXT},
    TRANSIT: {"link_id": CODE, "vehicle_id": CODE, "time_in": TIME, "time_out": TIME},
}
"""Source -> column -> kind. The first time of a source is the one that says where a row belongs."""

REASONS: Mapping[int, str] = {
    outcome.NO_TIME: "no_time",
    outcome.OUTSIDE_DAY: "outside_day",
    outcome.BAD_VALUE: "bad_value",
    outcome.TOO_FAST: "speed_above_150_kmh",
    outcome.UNREADABLE: "unreadable_plate",
    outcome.DUPLICATE: "duplicate",
}
UNKNOWN: Mapping[str, str] = {
    INTERNET: "unknown_provider_link",
    POLICE: "unknown_detector",
    CHECKPOINT: "unknown_site",
    TRANSIT: "unknown_link",
}


@dataclass(frozen=True)
class Span:
    """A service day and how it is cut, in ms since 1970."""

    begin_ms: int
    end_ms: int
    range_ms: int = RANGE_S * 1000

    @staticmethod
    def of(service_day: date, *, range_s: int = RANGE_S) -> Span:
        """The day from midnight to midnight, in ranges of ``range_s``, which holds whole bins."""
        if range_s <= 0 or range_s % BIN_S:
            raise ValueError(f"a range holds whole bins of {BIN_S} s")
        end_ms = day_start_ms(service_day + timedelta(days=1))
        return Span(day_start_ms(service_day), end_ms, range_s * 1000)

    @property
    def ranges(self) -> int:
        return -(-(self.end_ms - self.begin_ms) // self.range_ms)

    @property
    def bins(self) -> int:
        return -(-(self.end_ms - self.begin_ms) // BIN_MS)

    def begin_of(self, range_idx: int) -> int:
        """Begin of a range in ms."""
        return self.begin_ms + range_idx * self.range_ms

    def end_of(self, range_idx: int) -> int:
        """End of a range in ms; the last may be shorter."""
        return min(self.begin_of(range_idx + 1), self.end_ms)

    def bins_of(self, range_idx: int) -> slice:
        """The bins of a range, as a slice of the day's."""
        first = range_idx * self.range_ms // BIN_MS
        return slice(first, min(first + self.range_ms // BIN_MS, self.bins))

    def range_of(self, time_ms: np.ndarray) -> np.ndarray:
        """int64: the range of each time of the day."""
        return np.asarray((time_ms - self.begin_ms) // self.range_ms)

    def home_of(self, time_ms: np.ndarray) -> int:
        """The range that the middle one of the times belongs to; 0 where none is of the day."""
        inside = np.sort(time_ms[(time_ms >= self.begin_ms) & (time_ms < self.end_ms)])
        return int(self.range_of(inside)[len(inside) // 2]) if len(inside) else 0


@dataclass(frozen=True)
class Feed:
    """A source of which statistics are made.

    ``devices`` are the known provider links, detectors, sites, or (transit) links. ``place_of``
    (internet): int32[device], the link of each. ``places``: how many links there are; for the
    others as many as devices. ``step_ms`` (internet): the provider's clock; rows off the step cost
    more, and count just the same. ``secret`` (checkpoint): two numbers that key the tokens of
    plates for a day; they are shown nowhere.
    """

    source: str
    devices: Texts
    places: int
    place_of: np.ndarray | None = None
    step_ms: int = 60_000
    secret: tuple[int, int] = field(default=(0, 0), repr=False)


@dataclass(frozen=True, order=True)
class Piece:
    """A row group of a file."""

    path: Path
    row_group: int
    rows: int


Arrays = dict[str, np.ndarray]
TIME_MS = "time_ms"
RANGE_IDX = "range_idx"


@dataclass(frozen=True)
class Absorb:
    """Take the row groups at home in a range.

    ``memory``: a folder to make, for what is large and for what settling needs to know.
    """

    feed: Feed
    span: Span
    range_idx: int
    pieces: Sequence[Piece]
    memory: Path | None = None


@dataclass(frozen=True)
class Absorbed:
    """Result of `Absorb`: sightings (checkpoint), strays with their ranges, outcomes of rows."""

    seen: Arrays
    strays: Arrays
    outcomes: np.ndarray


@dataclass(frozen=True)
class Settle:
    """Add to a range the strays that others found for it, in the order of ``strays``.

    ``past`` (checkpoint): the sightings of this range and of those before it whose vehicles may
    arrive in it; ``memory`` is then where its pairs are written.
    """

    feed: Feed
    span: Span
    range_idx: int
    strays: Sequence[Arrays]
    memory: Path | None = None
    past: Sequence[Arrays] = ()


@dataclass(frozen=True)
class Settled:
    """Result of `Settle`: what is added to the range's sums, and what became of the strays."""

    sums: Arrays
    outcomes: np.ndarray


def joined(parts: Sequence[Arrays]) -> Arrays:
    """Arrays one after the other; the parts have the same names."""
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def save_arrays(folder: Path, arrays: Arrays) -> None:
    """Write arrays as a whole or not at all: a worker may die, and another do it again."""
    if folder.exists():
        return
    partial = folder.with_name(f"{folder.name}.{os.getpid()}.part")
    partial.mkdir(parents=True)
    for name, values in arrays.items():
        np.save(partial / f"{name}.npy", values)
    try:
        partial.rename(folder)
    except OSError:  # it is there by now, with the same bytes
        shutil.rmtree(partial)


def load_arrays(folder: Path, mode: Literal["r", "c"] = "r") -> Arrays:
    """What `save_arrays` wrote, read as it is needed; with "c", changes stay in this process."""
    return {path.stem: np.load(path, mmap_mode=mode) for path in sorted(folder.glob("*.npy"))}


def pieces_of(feed: Feed, path: Path, span: Span) -> list[tuple[int, Piece]]:
    """(home range, row group) for each row group of a file that has rows."""
    columns = COLUMNS[feed.source]
    time = next(name for name, kind in columns.items() if kind == TIME)
    with RowGroups(path, columns) as groups:
        return [
            (span.home_of(groups.head_ms(i, time)), Piece(path, i, groups.rows(i)))
            for i in range(groups.count)
            if groups.rows(i)
        ]
