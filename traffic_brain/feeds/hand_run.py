"""Stretches in which police ran a junction by hand: they teach nothing about its plan.

Either the log says so (``control`` is ``manual``), or it shows: a controller that keeps its
intervals to the second all day, and for a while does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

MANUAL = "manual"
SAME_S = 1.0
"""A fixed interval is as long as it always is, to this."""
KEEPS_SHARE = 0.6
"""Of a controller that keeps its intervals; of others nothing can be told from lengths."""
MIN_INTERVALS = 3
"""A change of plan stretches one or two intervals, too."""
MIN_STRETCH_S = 60.0
MIN_ROWS = 20


@dataclass(frozen=True, slots=True)
class HandRun:
    """A stretch of seconds of the service day."""

    junction_id: str
    begin_s: float
    end_s: float


def hand_runs(log: pd.DataFrame) -> list[HandRun]:
    """All stretches run by hand, ordered by junction and time.

    Args:
        log: junction_id, time_s, plan_id, interval_idx, picture, control; ordered by junction and
            time.
    """
    found = []
    for junction_id, rows in log.groupby("junction_id", sort=True):
        by_hand = (rows["control"] == MANUAL).to_numpy(dtype=bool)
        if not by_hand.any():
            by_hand = _irregular(rows)
        times_s = rows["time_s"].to_numpy()
        ends_s = np.append(times_s[1:], times_s[-1:])
        for first, last in _stretches(by_hand):
            found.append(HandRun(str(junction_id), float(times_s[first]), float(ends_s[last])))
    return found


def without_hand_runs(log: pd.DataFrame, runs: list[HandRun]) -> pd.DataFrame:
    """The log without the intervals that began in a stretch run by hand."""
    if not runs:
        return log
    keep = np.ones(len(log), dtype=bool)
    junction, time_s = log["junction_id"].to_numpy(dtype=object), log["time_s"].to_numpy()
    for run in runs:
        keep &= ~((junction == run.junction_id) & (time_s >= run.begin_s) & (time_s < run.end_s))
    return log[keep].reset_index(drop=True)


def _irregular(rows: pd.DataFrame) -> np.ndarray:
    """bool[row]: intervals of stretches that do not keep what the controller else keeps."""
    count = len(rows)
    if count < MIN_ROWS:
        return np.zeros(count, dtype=bool)
    lasted_s = np.append(np.diff(rows["time_s"].to_numpy()), np.nan)
    kinds, sizes = _kinds(rows)
    usual_s = _usual_s(lasted_s, kinds, sizes)
    regular = np.abs(lasted_s - usual_s) <= SAME_S
    # Clearances keep their length by hand, too; and where a row of the log was lost, two
    # intervals look like one.
    tells = ~rows["picture"].str.contains("[yY]", regex=True).to_numpy(dtype=bool)
    tells &= ~_row_lost(rows) & np.isfinite(lasted_s)
    if regular[tells].mean() < KEEPS_SHARE if tells.any() else True:
        return np.zeros(count, dtype=bool)
    odd = np.zeros(count, dtype=bool)
    telling = np.flatnonzero(tells)
    for first, last in _stretches(~regular[telling]):
        begin, end = telling[first], telling[last]
        long_enough = np.nansum(lasted_s[begin : end + 1]) >= MIN_STRETCH_S
        if last - first + 1 >= MIN_INTERVALS and long_enough:
            odd[begin : end + 1] = True
    return odd


def _kinds(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """What interval of what plan each row is, as a number, and how often there is such a one."""
    keys = rows[["plan_id", "interval_idx", "picture"]]
    kinds = keys.groupby(list(keys.columns), sort=False).ngroup().to_numpy()
    return kinds, np.bincount(kinds)


def _usual_s(lasted_s: np.ndarray, kinds: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """float64[row]: how long an interval of its kind mostly lasts; NaN: of too few to tell."""
    usual = np.full(len(sizes), np.nan)
    rounded = np.round(lasted_s)
    for kind in np.flatnonzero(sizes >= 3):
        lengths = rounded[(kinds == kind) & np.isfinite(rounded)]
        values, counts = np.unique(lengths, return_counts=True)
        if len(values):
            usual[kind] = values[counts.argmax()]
    return np.asarray(usual[kinds])


def _row_lost(rows: pd.DataFrame) -> np.ndarray:
    """bool[row]: the next row is of the same plan, but not of its next interval."""
    plan, idx = rows["plan_id"].to_numpy(dtype=object), rows["interval_idx"].to_numpy()
    lost = np.zeros(len(rows), dtype=bool)
    follows = (idx[1:] == idx[:-1] + 1) | (idx[1:] == 0)
    lost[:-1] = (plan[1:] == plan[:-1]) & ~follows
    return lost


def _stretches(marked: np.ndarray) -> Iterator[tuple[int, int]]:
    """(first, last) index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    for first, after in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        yield first, after - 1
