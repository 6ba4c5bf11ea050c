"""Where and when cameras saw the same vehicle: the observed trajectories of a day.

One row per sighting that belongs to an uninterrupted drive, as checkpoint passes were joined. A
drive has a number, drawn at random, and neither plate nor token; one vehicle's drives of a day
cannot be told from different vehicles'. Rows are sorted by link and time, in groups with their
least and greatest link, so that a corridor's sightings are read without the rest: of ten million
rows (52 MB) eight links in 0.05 s.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from traffic_brain.errors import DataRefused
from traffic_brain.fusion.routes import Trip

FILE = "sightings.parquet"
ROWS_IN_GROUP = 1 << 16
_COLUMNS = ("vehicle_idx", "link_id", "time_s")


@dataclass(frozen=True)
class SeenVehicles:
    """Sightings on some links: arrays of one length, by link and then by time.

    vehicle_idx: uint32, number of the drive; link_ids: the names that ``link_idx`` counts;
    time_s: float32 seconds of the service day at which the vehicle left the link, to 0.1 s.
    """

    vehicle_idx: NDArray[np.uint32]
    link_ids: tuple[str, ...]
    link_idx: NDArray[np.int64]
    time_s: NDArray[np.float32]


NOBODY = SeenVehicles(np.empty(0, np.uint32), (), np.empty(0, np.int64), np.empty(0, np.float32))


def write_sightings(out: Path, trips: Sequence[Trip], seed: int) -> int:
    """Write the sightings of ``trips`` into the folder ``out``; answers how many there are.

    Drives are numbered by a permutation drawn with ``seed``: the lowest n are a sample of them.
    """
    seen = [
        (number, link, at_s)
        for number, trip in enumerate(trips)
        for link, at_s, observed in zip(trip.links, trip.exit_s, trip.observed, strict=True)
        if observed
    ]
    numbers = np.random.default_rng(seed).permutation(len(trips)).astype(np.uint32)
    vehicles = numbers[np.fromiter((number for number, _, _ in seen), np.int64, len(seen))]
    names = sorted({link for _, link, _ in seen})
    code_of = {name: i for i, name in enumerate(names)}
    codes = np.fromiter((code_of[link] for _, link, _ in seen), np.int32, len(seen))
    times = np.fromiter((at_s for _, _, at_s in seen), np.float64, len(seen))
    order = np.lexsort((vehicles, times, codes))
    table = pa.table(
        {
            "vehicle_idx": vehicles[order],
            "link_id": pa.DictionaryArray.from_arrays(
                pa.array(codes[order]), pa.array(names, pa.string())
            ),
            "time_s": np.round(times[order], 1).astype(np.float32),
        }
    )
    pq.write_table(
        table,
        out / FILE,
        row_group_size=ROWS_IN_GROUP,
        compression="zstd",
        use_dictionary=["link_id"],
        column_encoding={"vehicle_idx": "PLAIN", "time_s": "BYTE_STREAM_SPLIT"},
    )
    return len(seen)


def read_sightings(state: Path, link_ids: Collection[str]) -> SeenVehicles:
    """The sightings on some links; none where the state was made without them.

    Raises:
        DataRefused: the file is damaged.
    """
    path = state / FILE
    if not path.is_file() or not link_ids:
        return NOBODY
    try:
        with pq.ParquetFile(path, read_dictionary=["link_id"]) as file:
            groups = _groups_with(file, link_ids)
            table = file.read_row_groups(groups, columns=list(_COLUMNS))
            return _of_links(table.combine_chunks(), link_ids)
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise DataRefused(f"{path} cannot be read", "fuse the day again", [problem]) from error


def _groups_with(file: pq.ParquetFile, link_ids: Collection[str]) -> list[int]:
    """Row groups that may hold one of the links, by their least and greatest."""
    column = file.schema_arrow.get_field_index("link_id")
    found = []
    for group in range(file.metadata.num_row_groups):
        bounds = file.metadata.row_group(group).column(column).statistics
        if bounds is None or any(bounds.min <= i <= bounds.max for i in link_ids):
            found.append(group)
    return found


def _of_links(table: pa.Table, link_ids: Collection[str]) -> SeenVehicles:
    coded = table["link_id"].unify_dictionaries()
    if not len(table):
        return NOBODY
    chunk = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    names = [str(name) for name in chunk.dictionary.to_pylist()]
    wanted = np.array([name in link_ids for name in names] or [False])
    idx = chunk.indices.to_numpy().astype(np.int64)
    here = wanted[idx]
    return SeenVehicles(
        table["vehicle_idx"].to_numpy()[here].astype(np.uint32),
        tuple(names),
        idx[here],
        table["time_s"].to_numpy()[here].astype(np.float32),
    )
