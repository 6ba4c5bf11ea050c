"""A feed's tables in memory: the right columns or a refusal that lists everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from traffic_brain.clock import day_start_ms
from traffic_brain.errors import DataRefused
from traffic_brain.feeds.column_map import FeedMap
from traffic_brain.feeds.conversion import ARROW_TYPE
from traffic_brain.feeds.layout import INTEGER, LAYOUT, NUMBER, TEXT, TIME, Columns
from traffic_brain.feeds.opening import batches
from traffic_brain.feeds.quarantine import Quarantine

__all__ = [
    "INTEGER",
    "NUMBER",
    "TEXT",
    "TIME",
    "Quarantine",
    "all_read",
    "no_value",
    "not_ok",
    "numbers",
    "outside_day",
    "read_layout",
    "read_table",
    "refuse_together",
    "seconds_of_day",
]

DAY_S = 86_400


def all_read(*reads: Callable[[], Any]) -> list[Any]:
    """What each of several tables holds.

    Raises:
        DataRefused: with the problems of all tables that cannot be used.
    """
    found, refused = [], []
    for read in reads:
        try:
            found.append(read())
        except DataRefused as error:
            refused.append(error)
    refuse_together(refused)
    return found


def refuse_together(refused: Sequence[DataRefused]) -> None:
    """Raise the only refusal as it is, several as one that tells them all; none: go on."""
    if len(refused) == 1:
        raise refused[0]
    if refused:
        raise DataRefused(
            "several tables cannot be used", "mend the exports", [e.what for e in refused]
        )


def read_table(
    folder: Path,
    table: str,
    columns: Columns,
    column_map: FeedMap,
    quarantine: Quarantine,
    optional: Columns | None = None,
) -> pd.DataFrame:
    """All rows of a table of a feed that can be read, with plain texts; the others are counted.

    A feed whose folder is not there is off for the day: its tables have no rows.

    Raises:
        DataRefused: the table is missing or damaged, or columns are missing or of another kind.
    """
    every = {**columns, **(optional or {})}
    read = (
        list(batches(folder, table, columns, column_map, quarantine, optional=optional))
        if folder.is_dir()
        else []
    )
    schema = pa.schema([(name, ARROW_TYPE[kind]) for name, kind in every.items()])
    plain = pa.schema(
        [(f.name, pa.string() if pa.types.is_dictionary(f.type) else f.type) for f in schema]
    )
    return pa.Table.from_batches(read, schema).cast(plain).to_pandas()


def seconds_of_day(times: pd.Series[pd.Timestamp], service_day: date) -> np.ndarray:
    """Aware timestamps -> float64 seconds since the start of the service day; NaN for no time."""
    milliseconds = pc.cast(pa.Array.from_pandas(times), pa.timestamp("ms", "UTC"), safe=False).cast(
        pa.int64()
    )
    filled = milliseconds.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray((filled - day_start_ms(service_day)) / 1000.0)


def numbers(array: pa.Array, none: float) -> np.ndarray:
    """A column of numbers; ``none`` stands for those that are not there."""
    whole = array.fill_null(pa.scalar(none, array.type)) if array.null_count else array
    return np.asarray(whole)


def no_value(table: pd.DataFrame, *columns: str) -> np.ndarray:
    """bool[row]: True where any of the columns is empty."""
    return np.asarray(table[list(columns)].isna().any(axis=1))


def read_layout(
    folder: Path, table: str, column_map: FeedMap, quarantine: Quarantine
) -> pd.DataFrame:
    """All rows of a table of a feed with all columns of its layout; see :func:`read_table`.

    Raises:
        DataRefused: the table is missing or damaged, or columns are missing or of another kind.
    """
    layout = LAYOUT[column_map.feed][table]
    return read_table(folder, table, layout.required, column_map, quarantine, layout.optional)


def not_ok(table: pd.DataFrame) -> np.ndarray:
    """bool[row]: True where the device itself says that something is wrong."""
    return np.asarray(table["status"].notna() & (table["status"] != "ok"), dtype=bool)


def outside_day(time_s: np.ndarray) -> np.ndarray:
    """bool[row]: True where a time is known and not of the service day."""
    return np.asarray((time_s < 0) | (time_s >= DAY_S))
