"""Where every row of a feed is accounted for: read, and used or refused with a reason code.

Reasons that any feed can have, beside those that its own module gives:

==================== ============================================================================
``damaged_row``      a line of a CSV file with too few or too many cells, or with torn quotes
``damaged_text``     a line of a CSV file that is neither UTF-8 nor GB18030
``bad_value``        a cell that holds something else than its column, or nothing where it must
``unknown_code``     a code that the column map does not list
``no_time``          no time, or none that can be read
``no_time_zone``     a time that does not say of which zone, and no column map that does
``plate_in_column``  something that looks like a licence plate where no plate belongs
``device_fault``     a row whose device itself says that something is wrong
``unwell_device``    a row of a device that sends what cannot be; see ``feeds.health``
``outside_day``      a time that is not of the service day
``duplicate``        what an earlier row has said already
==================== ============================================================================
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from traffic_brain.feeds.findings import Finding

MOSTLY_RATIO = 0.5
"""A feed of which more rows are refused is told of: often its export or the column map is wrong."""
LEAST_ROWS = 100
"""Of a feed, for its refusals to be a share of anything."""


class Quarantine:
    """Every row of a night's feeds: how many were read, and which were refused, and why."""

    def __init__(self) -> None:
        self._read: Counter[str] = Counter()
        self._rows: Counter[tuple[str, str]] = Counter()

    def read(self, feed: str, rows: int) -> None:
        """Count rows that a feed has delivered, good and bad."""
        self._read[feed] += rows

    def refuse(self, feed: str, reason: str, bad: np.ndarray) -> None:
        """Count the rows marked in the boolean array ``bad``."""
        self.refuse_rows(feed, reason, int(np.count_nonzero(bad)))

    def refuse_rows(self, feed: str, reason: str, rows: int) -> None:
        """Count refused rows."""
        if rows:
            self._rows[feed, reason] += rows

    def add(self, other: Quarantine) -> None:
        """Count what another quarantine counted: that of a task, of another process."""
        self._read.update(other._read)
        self._rows.update(other._rows)

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
        no_key = table[key].isna().to_numpy()
        table = self.keep(feed, table, [("bad_value", no_key), *checks])
        table = self.keep(feed, table, [("duplicate", table.duplicated(key).to_numpy())])
        return table.set_index(key)

    @property
    def total(self) -> int:
        """Rows refused of all feeds."""
        return sum(self._rows.values())

    def rows_of(self, feed: str) -> int:
        """Rows refused of one feed."""
        return sum(rows for (f, _), rows in self._rows.items() if f == feed)

    def rows_read_of(self, feed: str) -> int:
        """Rows read of one feed, the refused ones among them."""
        return self._read[feed]

    def findings(self) -> Iterator[Finding]:
        """Feeds of which most rows were refused, with the reasons."""
        for feed, read in sorted(self._read.items()):
            refused = self.rows_of(feed)
            if read < LEAST_ROWS or refused <= MOSTLY_RATIO * read:
                continue
            why = Counter({reason: n for (f, reason), n in self._rows.items() if f == feed})
            told = ", ".join(f"{n} {reason}" for reason, n in why.most_common(3))
            detail = f"{refused} of {read} rows: {told}"
            yield Finding(feed, "mostly_refused", "*", (), detail)

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
