"""What is usual on days of a type, and what to expect tomorrow, from the states of past days.

A value of a bin is taken as normal with unknown mean and variance over days of one type: the
logarithm of a travel time, the root of a flow (Anscombe 1948: the variance of the root of a count
does not depend on the count). The variance has a prior worth ``PRIOR_DAYS`` days, that of the whole
link or movement over all types; the next day's value then follows Student's t (Gelman et al. 2013,
section 3.3), and 95 % of it is the interval. So it holds the spread of days and what a few
days leave unknown. A type with fewer than ``LEAST_DAYS`` days learns from days next like it
(``day_types.alike``); where no two days tell a spread, there is no interval.

Folder written: ``link_profiles.parquet`` and ``movement_profiles.parquet`` with a row for each day
type, link or movement, and bin; ``tomorrow_links.parquet`` and ``tomorrow_movements.parquet`` for
the day asked for; ``summary.json``, which days are of which type, and from which each was learnt.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.stats import t as student

from traffic_brain.clock import parse_service_day
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.fusion.day_types import Calendar, DayType, alike
from traffic_brain.fusion.window import BIN_S, DEMAND_BIN_S
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.progress import Progress, silent

LEAST_DAYS = 2
PRIOR_DAYS = 4.0
LEAST_SD = 1e-3
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Quantity:
    """A column of a state, and on which scale days differ evenly."""

    name: str
    onto: Callable[[np.ndarray], np.ndarray]
    back: Callable[[np.ndarray], np.ndarray]


def _squared(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(values, 0.0) ** 2)


TRAVEL_TIME = Quantity("travel_time_s", np.log, np.exp)
FLOW = Quantity("flow_veh", np.sqrt, _squared)
DEMAND = Quantity("demand_vph", np.sqrt, _squared)


@dataclass(frozen=True)
class _Table:
    """A file of a state: one value for each id and bin."""

    file: str
    key: str
    bin_s: int
    quantities: tuple[Quantity, ...]
    out: str


LINKS = _Table("link_state.parquet", "link_id", BIN_S, (TRAVEL_TIME, FLOW), "links")
MOVEMENTS = _Table("movement_demand.parquet", "movement_id", DEMAND_BIN_S, (DEMAND,), "movements")


@dataclass(frozen=True)
class Expected:
    """float64[row, bin] each; NaN: not known. ``days``: int64[row, bin], from how many."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    days: np.ndarray


def spread(values: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """float64[row]: variance between days of one group, over all bins; NaN: no two days tell.

    Args:
        values: float64[day, row, bin] on an even scale; NaN where not known.
        groups: of each day.
    """
    square, freedom = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for group in sorted(set(groups)):
        some = values[[g == group for g in groups]]
        known = np.isfinite(some)
        count = known.sum(axis=0)
        mean = np.where(known, some, 0.0).sum(axis=0) / np.maximum(count, 1)
        square += np.where(known, (some - mean) ** 2, 0.0).sum(axis=(0, 2))
        freedom += np.maximum(count - 1, 0).sum(axis=1)
    nothing = np.full(len(square), np.nan)
    return np.asarray(np.divide(square, freedom, out=nothing, where=freedom > 0))


def expected(values: np.ndarray, prior_variance: np.ndarray) -> Expected:
    """The next day like these, on their scale, with its 95 % interval.

    Args:
        values: float64[day, row, bin]; NaN where not known.
        prior_variance: float64[row] between days.
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(count, 1)
    square = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    freedom = np.maximum(count - 1, 0) + PRIOR_DAYS
    variance = (square + PRIOR_DAYS * prior_variance[:, None]) / freedom
    sd = np.maximum(np.sqrt(variance), LEAST_SD) * np.sqrt(1.0 + 1.0 / np.maximum(count, 1))
    reach = student.ppf(0.975, freedom) * sd
    mean = np.where(count > 0, mean, np.nan)
    return Expected(mean, mean - reach, mean + reach, count)


def profiles(
    network: RoadNetwork,
    states: Sequence[Path],
    calendar: Calendar,
    tomorrow: date,
    out: Path,
    *,
    progress: Progress = silent,
) -> dict[str, int]:
    """Write the profiles of all day types and what to expect on ``tomorrow`` into ``out``.

    Args:
        states: folders from ``fuse``, one for each past day; ``tomorrow`` may not be among them.

    Raises:
        ConfigurationError: a folder is no state folder, or ``states`` is empty.
        DataRefused: two folders are of one day, one is of ``tomorrow``, a table cannot be read, or
            one belongs to another network.
    """
    folders = _by_day(states, tomorrow)
    types = {day: calendar.type_of(day) for day in folders}
    wanted = calendar.type_of(tomorrow)
    learnt = {one: alike(one, types, LEAST_DAYS) for one in sorted({*types.values(), wanted})}
    rows = {}
    for n, (table, ids) in enumerate(((LINKS, network.links), (MOVEMENTS, network.movements))):
        progress(0.1 + 0.45 * n, f"profiles of {table.out}")
        found = _profiles(table, list(ids), folders, types, learnt)
        singular = table.out.removesuffix("s")
        told = pa.concat_tables([found[one] for one in sorted(set(types.values()))])
        pq.write_table(told, out / f"{singular}_profiles.parquet")
        pq.write_table(found[wanted], out / f"tomorrow_{table.out}.parquet")
        rows[table.out] = told.num_rows
    summary = {
        "tomorrow": {"service_day": str(tomorrow), "day_type": str(wanted)},
        "days": {str(day): str(one) for day, one in sorted(types.items())},
        "learnt_from": {str(one): [str(day) for day in days] for one, days in learnt.items()},
    }
    (out / SUMMARY).write_text(to_json(summary), encoding="utf-8")
    return {"days": len(folders), "day_types": len(set(types.values())), **rows}


def state_folders(folder: Path) -> list[Path]:
    """The folder itself if it is a state, else those in it, or in its nights, by name.

    Raises:
        ConfigurationError: there is none.
    """
    # what begins with a point is not finished
    inside = sorted(path.parent for path in folder.glob(f"[!.]*/{LINKS.file}"))
    of_nights = sorted(path.parent for path in folder.glob(f"[!.]*/state/{LINKS.file}"))
    found = [folder] if (folder / LINKS.file).is_file() else [*inside, *of_nights]
    if not found:
        raise _no_state(folder, LINKS.file)
    return found


def day_after(states: Sequence[Path]) -> date:
    """The day after the last of the states.

    Raises:
        ConfigurationError: one is no state folder, or there is none.
    """
    if not states:
        raise ConfigurationError("there is no past day", "give one STATE folder or more")
    return max(_service_day(folder) for folder in states) + timedelta(days=1)


def _service_day(folder: Path) -> date:
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        return parse_service_day(str(summary["service_day"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _no_state(folder, SUMMARY) from error


def _no_state(folder: Path, lacking: str) -> ConfigurationError:
    return ConfigurationError(
        f"{folder} is not a state folder, and holds none (no {lacking} that can be read)",
        "make one with: traffic-brain fuse CITY FEEDS STATE",
    )


def _by_day(states: Sequence[Path], tomorrow: date) -> dict[date, Path]:
    found: dict[date, Path] = {}
    problems = []
    for folder in states:
        day = _service_day(folder)
        if day in found or day == tomorrow:
            other = "the day to come" if day == tomorrow else str(found[day])
            problems.append(f"{folder} is of {day}, as {other}")
        found[day] = folder
    if problems:
        raise DataRefused("a day tells twice", "give each past day once", problems)
    if not found:
        raise ConfigurationError("there is no past day", "give one STATE folder or more")
    return dict(sorted(found.items()))


@dataclass(frozen=True)
class _Past:
    """A table of one past day: the starts of its bins, and float64[row, bin] by column."""

    starts: np.ndarray
    values: Mapping[str, np.ndarray]

    def over(self, name: str, starts: np.ndarray) -> np.ndarray:
        """float64[row, bin] over other bins; NaN where the day has none."""
        values = self.values[name]
        laid = np.full((len(values), len(starts)), np.nan)
        laid[:, np.searchsorted(starts, self.starts)] = values
        return laid


def _profiles(
    table: _Table,
    ids: list[str],
    folders: Mapping[date, Path],
    types: Mapping[date, DayType],
    learnt: Mapping[DayType, list[date]],
) -> dict[DayType, pa.Table]:
    """The table of each day type."""
    read = {day: _read(table, ids, folder) for day, folder in folders.items()}
    starts = np.unique(np.concatenate([past.starts for past in read.values()]))
    order = sorted(set(types.values()))
    groups = [order.index(types[day]) for day in read]
    columns: dict[DayType, dict[str, object]] = {
        one: {
            "day_type": pa.array([str(one)] * (len(ids) * len(starts)), pa.string()),
            table.key: pa.array(np.repeat(np.array(ids, dtype=object), len(starts)), pa.string()),
            "bin_start_s": np.tile(starts, len(ids)),
        }
        for one in learnt
    }
    for quantity in table.quantities:
        with np.errstate(divide="ignore", invalid="ignore"):
            values = quantity.onto(
                np.stack([past.over(quantity.name, starts) for past in read.values()])
            )
        values[~np.isfinite(values)] = np.nan
        between = spread(values, groups)
        for one, some in learnt.items():
            found = expected(values[[day in some for day in read]], between)
            columns[one] |= _columns(quantity, found)
    return {one: pa.table(told) for one, told in columns.items()}


def _columns(quantity: Quantity, found: Expected) -> dict[str, object]:
    stem, _, unit = quantity.name.rpartition("_")
    told = {
        quantity.name: found.value,
        f"{stem}_low_{unit}": found.low,
        f"{stem}_high_{unit}": found.high,
    }
    columns: dict[str, object] = {
        name: pa.array(np.round(quantity.back(values), 2).ravel(), from_pandas=True)
        for name, values in told.items()
    }
    return columns | {f"{stem}_days": found.days.ravel()}


def _read(table: _Table, ids: list[str], folder: Path) -> _Past:
    names = [quantity.name for quantity in table.quantities]
    try:
        found = pq.read_table(folder / table.file, columns=[table.key, "bin_start_s", *names])
    except (pa.ArrowException, OSError) as error:
        raise DataRefused(
            f"{folder / table.file} cannot be read",
            "fuse the day again: traffic-brain fuse CITY FEEDS STATE",
            [" ".join(str(error).split())],
        ) from error
    bins = len(found) // max(len(ids), 1)
    if found[table.key].to_pylist() != [name for name in ids for _ in range(bins)] or not bins:
        raise DataRefused(
            f"the state in {folder} belongs to another network",
            "fuse the day with the city folder that you use now",
        )
    starts = found["bin_start_s"].to_numpy()[:bins]
    # Days begin with their first rows: their bins are brought to one grid.
    starts = (starts + table.bin_s // 2) // table.bin_s * table.bin_s
    values = {
        name: np.asarray(found[name].to_numpy(), dtype=np.float64).reshape(len(ids), bins)
        for name in names
    }
    return _Past(starts.astype(np.int64), values)
