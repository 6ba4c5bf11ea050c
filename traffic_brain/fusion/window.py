"""The stretch of the service day that the feeds cover, cut into bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BIN_S = 300
DEMAND_BIN_S = 900


@dataclass(frozen=True)
class Window:
    """[begin_s, end_s) in seconds of the service day, whole bins of ``BIN_S``."""

    begin_s: int
    end_s: int

    @property
    def bin_count(self) -> int:
        return (self.end_s - self.begin_s) // BIN_S

    @property
    def hours(self) -> float:
        return (self.end_s - self.begin_s) / 3600

    def bin_idx(self, time_s: np.ndarray) -> np.ndarray:
        """Bin of each time, clipped to the window."""
        idx = (np.asarray(time_s) - self.begin_s) // BIN_S
        return np.asarray(np.clip(idx, 0, self.bin_count - 1), dtype=np.int64)

    def bin_of(self, time_s: float) -> int:
        """As `bin_idx`, of one time: without arrays it takes a tenth of the time."""
        return min(max(int((time_s - self.begin_s) // BIN_S), 0), self.bin_count - 1)

    @property
    def bin_starts(self) -> np.ndarray:
        """int64[bin]."""
        return np.arange(self.begin_s, self.end_s, BIN_S, dtype=np.int64)

    def demand_bin_starts(self) -> np.ndarray:
        """int64: starts of the ``DEMAND_BIN_S`` bins; the last may be shorter."""
        return np.arange(self.begin_s, self.end_s, DEMAND_BIN_S, dtype=np.int64)


def window_of(times: list[np.ndarray]) -> Window | None:
    """The smallest window of whole bins that covers the times; None where there are none.

    One in a thousand at either end is left out: a clock that is hours wrong must not stretch
    the window over the whole day.
    """
    known = np.concatenate([np.asarray(t, dtype=np.float64) for t in times] or [np.array([])])
    if known.size == 0:
        return None
    low = np.quantile(known, 0.001, method="lower")
    high = np.quantile(known, 0.999, method="higher")
    return Window(int(low // BIN_S) * BIN_S, (int(high // BIN_S) + 1) * BIN_S)
