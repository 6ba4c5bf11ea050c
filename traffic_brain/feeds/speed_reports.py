"""A provider's speed reports, however many: read in parts, and added up link by link.

A city's provider links are finer than its links, and report every minute: 150 million rows a day.
They are cut twice. A task of the first kind reads some pieces of the table, refuses what is bad,
and writes the rest to a scratch folder, ordered by the *hour of the day* that each row is of. A
task of the second kind gathers one hour in the order in which its rows came, strikes repeats, and
adds up what the provider links of one link say of one interval: samples are equally spaced in
time, so those of all of them together are the samples of the link. No task holds more than its
part, and what comes out depends on the files alone, not on who did what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from traffic_brain.executor import HERE, Engine, run_all
from traffic_brain.feeds.column_map import TableMap
from traffic_brain.feeds.layout import INTERNET, LAYOUT
from traffic_brain.feeds.opening import Piece, read_piece
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.feeds.tables import DAY_S, numbers
from traffic_brain.kernels.duplicates import repeats
from traffic_brain.kernels.feed_sums import MOST_SAMPLES

MAX_SPEED_KMH = 150.0
KMH_PER_MPS = 3.6
HOURS, HOUR_MS = DAY_S // 3600, 3_600_000
SHARE_PIECES = 8
"""Row groups, of about a million rows each, that one task reads."""
PART_ROWS = 4 << 20
"""So many rows are held until they are written."""
_ENDS = "ends"
_TIME_BITS, _INTERVAL_BITS = 27, 17
"""Of ms of the day, and of seconds up to a day: with them a link has 19."""

Rows = dict[str, np.ndarray]
"""provider, at_ms (of the day), interval_s, speed_mps, samples: arrays [row]."""

SMALL_BYTES = 50_000_000
"""Of the files; a provider's reports of less are read in one process."""


@dataclass(frozen=True)
class Provider:
    """What tells which reports are good, and of which link.

    ``link_of`` int32[provider link]; ``begin_ms`` of the day, since 1970.
    """

    table: TableMap
    names: tuple[str, ...]
    link_of: np.ndarray
    begin_ms: int


@dataclass(frozen=True)
class _Reading:
    provider: Provider
    pieces: Sequence[Piece]
    folder: Path
    """Where the parts go that this task makes."""


@dataclass(frozen=True)
class _Gathering:
    provider: Provider
    hour: int
    scratch: Path


def added_up(
    provider: Provider,
    pieces: Sequence[Piece],
    scratch: Path,
    quarantine: Quarantine,
    engine: Engine,
) -> Rows:
    """The reports of a day, one for each link and interval, ordered by time and link.

    Args:
        scratch: an empty folder that every worker sees; what is left in it is of no use.
        quarantine: counts the rows read, and those refused.

    Returns ``link`` int64, ``at_ms`` int64, ``interval_s`` int64, ``speed_mps`` float64 (the mean
    over all samples; that of a single report is as it came), ``samples`` int64, and ``reports``
    int64: how many rows were added up.

    Raises:
        DataRefused: a file is damaged, or has not the columns of its feed.
    """
    if sum(path.stat().st_size for path in {piece.path for piece in pieces}) < SMALL_BYTES:
        engine = HERE  # processes take longer to begin than such a day to read
    readings = [
        _Reading(provider, some, scratch / f"{i:05d}") for i, some in enumerate(_shares(pieces))
    ]
    for counted in run_all(_read, readings, engine):
        quarantine.add(counted)
    hours = [_Gathering(provider, hour, scratch) for hour in range(HOURS)]
    found = []
    for rows, again in run_all(_gather, hours, engine):
        quarantine.refuse_rows(INTERNET, "duplicate", again)
        found.append(rows)
    return {name: np.concatenate([rows[name] for rows in found]) for name in found[0]}


def _shares(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Some pieces of one file together, as they come from the table."""
    share: list[Piece] = []
    for piece in pieces:
        if share and (piece.path != share[0].path or len(share) == SHARE_PIECES):
            yield share
            share = []
        share.append(piece)
    if share:
        yield share


# --- from files to hours ------------------------------------------------------------------------


def _read(task: _Reading) -> Quarantine:
    """Write the good rows of some pieces; what was read and refused is told."""
    quarantine = Quarantine()
    layout = LAYOUT[INTERNET]["speeds"]
    index = pd.Index(task.provider.names)
    held: list[Rows] = []
    parts = 0
    for piece in task.pieces:
        for batch in read_piece(
            piece, layout.required, task.provider.table, quarantine, optional=layout.optional
        ):
            held.append(_good(batch, task.provider, index, quarantine))
            if sum(len(rows["at_ms"]) for rows in held) >= PART_ROWS:
                _write(held, task.folder.with_name(f"{task.folder.name}-{parts:03d}"))
                held, parts = [], parts + 1
    if held:
        _write(held, task.folder.with_name(f"{task.folder.name}-{parts:03d}"))
    return quarantine


def _good(
    batch: pa.RecordBatch, provider: Provider, index: pd.Index[str], quarantine: Quarantine
) -> Rows:
    """The rows of a batch that hold what they should."""
    ids = batch.column("provider_link_id")
    place_of = np.append(index.get_indexer(ids.dictionary.to_pylist()), -1)
    provider_idx = place_of[numbers(ids.indices, -1)]
    at_ms = numbers(batch.column("time").cast(pa.int64()), np.iinfo(np.int64).min)
    has_time = at_ms != np.iinfo(np.int64).min
    at_ms = np.where(has_time, at_ms - provider.begin_ms, 0)
    interval_s, samples = (numbers(batch.column(c), 0) for c in ("interval_s", "sample_count"))
    speed_kmh = numbers(batch.column("speed_kmh"), np.nan)
    status = batch.column("status").fill_null("ok")
    bad = ~np.isfinite(speed_kmh) | (speed_kmh < 0) | (samples <= 0)
    bad |= samples > MOST_SAMPLES  # no street is driven by so many in an interval
    kept = quarantine.keep(
        INTERNET,
        pd.DataFrame(
            {
                "provider": provider_idx.astype(np.int32),
                "at_ms": at_ms,
                "interval_s": interval_s,
                "speed_mps": speed_kmh / KMH_PER_MPS,
                "samples": samples,
            }
        ),
        [
            ("device_fault", pc.not_equal(status, "ok").to_numpy(zero_copy_only=False)),
            ("unknown_provider_link", provider_idx < 0),
            ("no_time", ~has_time),
            ("outside_day", (at_ms < 0) | (at_ms >= DAY_S * 1000)),
            ("bad_value", bad | (interval_s <= 0) | (interval_s > DAY_S)),
            ("speed_above_150_kmh", speed_kmh > MAX_SPEED_KMH),
        ],
    )
    return {name: kept[name].to_numpy() for name in kept}


def _write(held: Sequence[Rows], folder: Path) -> None:
    """Write rows ordered by hours, each column as narrow as its values allow."""
    rows = {name: np.concatenate([some[name] for some in held]) for name in held[0]}
    hour = (rows["at_ms"] // HOUR_MS).astype(np.uint8)
    order = np.argsort(hour, kind="stable")
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in rows.items():
        np.save(folder / f"{name}.npy", _narrow(values[order]))
    np.save(folder / f"{_ENDS}.npy", np.cumsum(np.bincount(hour, minlength=HOURS)))


def _narrow(values: np.ndarray) -> np.ndarray:
    """The same numbers, none of them negative, in fewer bytes where they are whole and fit."""
    if values.dtype == np.float64:
        return values
    most = values.max(initial=0)
    kinds = (np.uint8, np.uint16, np.uint32)
    kind = next((kind for kind in kinds if most <= np.iinfo(kind).max), np.int64)
    return values.astype(kind)


# --- from hours to links ------------------------------------------------------------------------


def _gather(task: _Gathering) -> tuple[Rows, int]:
    """An hour's reports added up, and how many rows were repeats."""
    folders = sorted(task.scratch.iterdir())
    parts = [part for folder in folders if (part := _part(folder, task.hour))]
    if not parts:
        return _sums({}, np.zeros(0, dtype=np.int64)), 0
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    again = repeats(rows["provider"], rows["at_ms"])
    links = task.provider.link_of[rows["provider"]].astype(np.int64)
    time_and_link = (rows["at_ms"].astype(np.int64) << (63 - _TIME_BITS - _INTERVAL_BITS)) | links
    keys = ((time_and_link << _INTERVAL_BITS) | rows["interval_s"])[~again]
    codes, found = pd.factorize(keys)
    speed, samples = rows["speed_mps"][~again], rows["samples"][~again].astype(np.float64)
    weights = {"reports": None, "samples": samples, "driven": samples * speed, "speed": speed}
    sums = {name: np.bincount(codes, weight, len(found)) for name, weight in weights.items()}
    return _sums(sums, np.asarray(found)), int(again.sum())


def _part(folder: Path, hour: int) -> Rows:
    """The rows of an hour of a part; empty where it has none, as most have."""
    ends = np.load(folder / f"{_ENDS}.npy")
    first, end = (int(ends[hour - 1]) if hour else 0), int(ends[hour])
    names = ("provider", "at_ms", "interval_s", "speed_mps", "samples") if end > first else ()
    return {n: np.load(folder / f"{n}.npy", mmap_mode="r")[first:end] for n in names}


def _sums(sums: Mapping[str, np.ndarray], keys: np.ndarray) -> Rows:
    order = np.argsort(keys)
    keys = keys[order]
    time_and_link = keys >> _INTERVAL_BITS
    link_bits = 63 - _TIME_BITS - _INTERVAL_BITS
    empty = np.zeros(0)
    reports, samples, driven, speed = (
        sums.get(name, empty)[order] for name in ("reports", "samples", "driven", "speed")
    )
    return {
        "link": time_and_link & ((1 << link_bits) - 1),
        "at_ms": time_and_link >> link_bits,
        "interval_s": keys & ((1 << _INTERVAL_BITS) - 1),
        "speed_mps": np.where(reports == 1, speed, driven / np.maximum(samples, 1.0)),
        "samples": samples.astype(np.int64),
        "reports": reports.astype(np.int64),
    }
