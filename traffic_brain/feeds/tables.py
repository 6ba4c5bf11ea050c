"""Reading raw tables: the right columns or a refusal that lists everything that is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from traffic_brain.clock import day_start_ms
from traffic_brain.errors import DataRefused

DAY_S = 86_400
TEXT, INTEGER, NUMBER, TIME = "text", "integer", "number", "time"
_IS_KIND = {
    TEXT: lambda t: pa.types.is_string(t) or pa.types.is_large_string(t),
    INTEGER: pa.types.is_integer,
    NUMBER: lambda t: pa.types.is_integer(t) or pa.types.is_floating(t),
    TIME: lambda t: pa.types.is_timestamp(t) and t.tz is not None,
}
_WANTED = {
    TEXT: "text",
    INTEGER: "whole numbers",
    NUMBER: "numbers",
    TIME: "timestamps with a time zone",
}


def read_tables(folder: Path, tables: Mapping[str, Mapping[str, str]]) -> list[pd.DataFrame]:
    """Read ``<name>.parquet`` for each name -> columns, in that order.

    Raises:
        DataRefused: with the problems of all tables that cannot be used.
    """
    found, refused = [], []
    for name, columns in tables.items():
        try:
            found.append(read_table(folder / f"{name}.parquet", columns))
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


def read_table(path: Path, columns: Mapping[str, str]) -> pd.DataFrame:
    """Read the named columns of a Parquet file; dictionary-encoded text counts as text.

    Raises:
        DataRefused: the file is missing or damaged, or columns are missing or of another kind.
    """
    try:
        schema = pq.read_schema(path)
        problems = _column_problems(schema, columns)
        if not problems:
            table = pq.read_table(path, columns=list(columns))
            table.validate(full=True)  # text that is no UTF-8 would fail later, and be quoted
            return table.to_pandas()
    except FileNotFoundError as error:
        raise DataRefused(
            f"there is no {path}", "check the feed folder and the service day"
        ) from error
    except (pa.ArrowException, OSError) as error:
        raise DataRefused(
            f"{path} cannot be read as Parquet",
            "deliver the file again",
            [" ".join(str(error).split())],
        ) from error
    raise DataRefused(f"{path} has not the columns of its feed", "mend the export", problems)


def _column_problems(schema: pa.Schema, columns: Mapping[str, str]) -> list[str]:
    problems = []
    for name, kind in columns.items():
        count = schema.names.count(name)
        if count != 1:
            wrong = "is missing" if count == 0 else f"is there {count} times"
            problems.append(f"column {name} {wrong} (has: {', '.join(schema.names)})")
            continue
        found = schema.field(name).type
        if pa.types.is_dictionary(found):
            found = found.value_type
        if not _IS_KIND[kind](found):
            problems.append(f"column {name} should hold {_WANTED[kind]}, not {found}")
    return problems


def seconds_of_day(times: pd.Series[pd.Timestamp], service_day: date) -> np.ndarray:
    """Aware timestamps -> float64 seconds since the start of the service day; NaN for no time."""
    milliseconds = pc.cast(pa.Array.from_pandas(times), pa.timestamp("ms", "UTC"), safe=False).cast(
        pa.int64()
    )
    filled = milliseconds.to_numpy(zero_copy_only=False).astype(np.float64)
    return np.asarray((filled - day_start_ms(service_day)) / 1000.0)


def no_value(table: pd.DataFrame, *columns: str) -> np.ndarray:
    """bool[row]: True where any of the columns is empty."""
    return np.asarray(table[list(columns)].isna().any(axis=1))


def outside_day(time_s: np.ndarray) -> np.ndarray:
    """bool[row]: True where a time is known and not of the service day."""
    return np.asarray((time_s < 0) | (time_s >= DAY_S))


class Quarantine:
    """Every refused row of a night, counted by feed and reason."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], int] = {}

    def refuse(self, feed: str, reason: str, bad: np.ndarray) -> None:
        """Count the rows marked in the boolean array ``bad``."""
        rows = int(np.count_nonzero(bad))
        if rows:
            self._rows[feed, reason] = self._rows.get((feed, reason), 0) + rows

    def keep(
        self, feed: str, table: pd.DataFrame, checks: Sequence[tuple[str, np.ndarray]]
    ) -> pd.DataFrame:
        """Drop the rows that any check marks; each goes to the first reason that marks it."""
        bad = np.zeros(len(table), dtype=bool)
        for reason, marked in checks:
            self.refuse(feed, reason, marked & ~bad)
            bad |= marked
        return table[~bad].reset_index(drop=True)

    def register(
        self,
        feed: str,
        table: pd.DataFrame,
        key: str,
        checks: Sequence[tuple[str, np.ndarray]],
    ) -> pd.DataFrame:
        """A feed's list of devices or links, indexed by ``key``: each key once, none empty."""
        table = self.keep(feed, table, [("bad_value", no_value(table, key)), *checks])
        table = self.keep(feed, table, [("duplicate", table.duplicated(key).to_numpy())])
        return table.set_index(key)

    @property
    def total(self) -> int:
        return sum(self._rows.values())

    def rows_of(self, feed: str) -> int:
        """Rows refused of one feed."""
        return sum(rows for (f, _), rows in self._rows.items() if f == feed)

    def as_table(self) -> pa.Table:
        """Columns feed, reason, rows."""
        keys = sorted(self._rows)
        return pa.table(
            {
                "feed": pa.array([f for f, _ in keys], pa.string()),
                "reason": pa.array([r for _, r in keys], pa.string()),
                "rows": pa.array([self._rows[k] for k in keys], pa.int64()),
            }
        )
