"""What goes wrong between a sensor and the engine, applied to a perfect record.

Every figure is a probability or a size that can be set to zero; which rows are hit depends on
the seed alone. The defaults are modest: a city's ordinary day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from traffic_brain.errors import ConfigurationError

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LATE_S = (300.0, 1800.0)
OUT_OF_ORDER_S = (1.0, 10.0)
DUPLICATE_AFTER_S = (0.0, 60.0)


@dataclass(frozen=True, slots=True)
class Defects:
    """How bad the feeds are. Raises ConfigurationError when a value is out of range."""

    missing_hours: tuple[int, ...] = ()
    """Hours of the day of which no feed has a row (the exchange was down)."""
    dead_detector_ratio: float = 0.03
    """Share of devices that send nothing all day; half of the dead counters send zeros."""
    duplicate_ratio: float = 0.01
    late_ratio: float = 0.02
    """Share of rows that come minutes late."""
    out_of_order_ratio: float = 0.02
    """Share of rows that come seconds late."""
    clock_skew_s: float = 0.5
    """Standard deviation of a device's clock error, the same all day."""
    misread_plate_ratio: float = 0.02
    speed_outlier_ratio: float = 0.005

    def __post_init__(self) -> None:
        problems = [
            f"{f.name} = {getattr(self, f.name)} is not in 0 … 1"
            for f in fields(self)
            if f.name.endswith("_ratio") and not 0 <= getattr(self, f.name) <= 1
        ]
        if not 0 <= self.clock_skew_s <= 3600:
            problems.append(f"clock_skew_s = {self.clock_skew_s} is not in 0 … 3600")
        if any(hour not in range(24) for hour in self.missing_hours):
            problems.append(f"missing_hours = {list(self.missing_hours)} are not hours of a day")
        if problems:
            raise ConfigurationError("; ".join(problems), "correct the defects of the world")

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Defects:
        """Defaults changed by a table, as a settings file has it.

        Raises ConfigurationError for a key that does not exist or a value out of range.
        """
        unknown = sorted(set(table) - {f.name for f in fields(cls)})
        if unknown:
            known = ", ".join(f.name for f in fields(cls))
            raise ConfigurationError(f"unknown defects: {', '.join(unknown)}", f"known: {known}")
        changes = dict(table)
        if "missing_hours" in changes:
            changes["missing_hours"] = tuple(changes["missing_hours"])
        try:
            return replace(cls(), **changes)
        except TypeError as error:
            raise ConfigurationError(f"a defect is not a number ({error})", "correct it") from error


NONE = Defects(
    dead_detector_ratio=0.0,
    duplicate_ratio=0.0,
    late_ratio=0.0,
    out_of_order_ratio=0.0,
    clock_skew_s=0.0,
    misread_plate_ratio=0.0,
    speed_outlier_ratio=0.0,
)
"""Feeds as they never are: complete and exact."""


def hit(count: int, ratio: float, rng: np.random.Generator) -> Flags:
    """Which of ``count`` things a defect hits, each with the same probability [count]."""
    return rng.random(count) < ratio


def clock_errors_s(count: int, defects: Defects, rng: np.random.Generator) -> Floats:
    """The clock error of each device, in seconds [count]."""
    return rng.normal(0.0, 1.0, count) * defects.clock_skew_s


def arrivals(times_s: Floats, defects: Defects, rng: np.random.Generator) -> Indices:
    """Rows in the order in which they reach the engine.

    ``times_s`` [row]: when each row was measured. Returns row indices: rows of missing hours
    are absent, duplicates stand twice, late and out-of-order rows stand where they came in.
    """
    count = times_s.size
    delay_s = hit(count, defects.late_ratio, rng) * rng.uniform(*LATE_S, count)
    delay_s += hit(count, defects.out_of_order_ratio, rng) * rng.uniform(*OUT_OF_ORDER_S, count)
    again = np.flatnonzero(hit(count, defects.duplicate_ratio, rng))
    rows = np.concatenate([np.arange(count), again])
    come_s = np.concatenate(
        [
            times_s + delay_s,
            times_s[again] + delay_s[again] + rng.uniform(*DUPLICATE_AFTER_S, again.size),
        ]
    )
    received = ~np.isin(times_s[rows] // 3600, defects.missing_hours)
    order = np.argsort(come_s, kind="stable")
    return rows[order][received[order]]


def with_outliers(speeds_kmh: Floats, defects: Defects, rng: np.random.Generator) -> Floats:
    """Speeds of which some are nonsense: standing still, or far beyond any road."""
    wrong = hit(speeds_kmh.size, defects.speed_outlier_ratio, rng)
    nonsense = np.where(
        rng.random(speeds_kmh.size) < 0.3, 0.0, rng.uniform(130, 260, speeds_kmh.size)
    )
    return np.where(wrong, nonsense, speeds_kmh)
