"""Days of a before/after comparison: what the state folders say of delay, plans, and odd hours.

A side of the comparison is one state folder, or a folder with a state folder for each service day.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.errors import DataRefused
from traffic_brain.fusion.day_profiles import state_folders
from traffic_brain.model.documents import plans_from_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

LINK_STATE = "link_state.parquet"
CLOCK_ERROR_S = 2
"""Controllers' clocks are right to this: a log that is off by less shows the same offset."""
TRANSITION_S = 600
"""After a junction has changed its timing within the day: some cycles that belong to neither."""
_STRETCH = re.compile(r"(\d+)-(\d+) s of the day")
_COLUMNS = ("link_id", "bin_start_s", "travel_time_s", "flow_veh")


@dataclass(frozen=True, slots=True)
class OddHours:
    """A stretch [begin_s, end_s) of a day in which a junction did not run its plan."""

    junction_id: str
    begin_s: float
    end_s: float
    why: str
    """``hand_run`` or ``transition``."""


@dataclass(frozen=True)
class Day:
    """One service day; links in the network's order. NaN: not known.

    travel_time_s, vehicles: float64[link, bin].
    """

    service_day: str
    bin_starts_s: np.ndarray
    """int64[bin], seconds of the service day."""
    travel_time_s: np.ndarray
    vehicles: np.ndarray
    plans: Mapping[str, SignalPlan]
    odd_hours: tuple[OddHours, ...] = ()


def read_days(folder: Path, network: RoadNetwork) -> list[Day]:
    """All state folders in ``folder`` (or ``folder`` itself), by service day.

    Raises:
        ConfigurationError: there is none.
        DataRefused: some cannot be read, belong to another network, or are of the same day; all
            problems at once.
    """
    days, problems = [], []
    for one in state_folders(folder):
        try:
            days.append(_read_day(one, network))
        except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
            problems.append(f"{one}: {' '.join(str(error).split()) or type(error).__name__}")
        except DataRefused as error:
            problems.append(f"{one}: {error.what}")
    names = [day.service_day for day in days]
    problems += [f"{folder}: {name} comes twice" for name, n in Counter(names).items() if n > 1]
    if problems:
        raise DataRefused(
            "states that cannot be compared",
            "fuse each day once, with the city folder that you use now",
            problems,
        )
    return sorted(days, key=lambda day: day.service_day)


def same_timing(a: SignalPlan | None, b: SignalPlan | None) -> bool:
    """Whether two plans show the same, whatever they are called, but for the error of a clock."""
    if a is None or b is None or a is b:
        return a is b
    if a.stages != b.stages or not a.cycle_s:
        return False
    apart = (a.first_stage_offset_s - b.first_stage_offset_s) % a.cycle_s
    return min(apart, a.cycle_s - apart) <= CLOCK_ERROR_S


def _read_day(folder: Path, network: RoadNetwork) -> Day:
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    table = pq.read_table(folder / LINK_STATE, columns=list(_COLUMNS))
    starts = table["bin_start_s"].to_numpy()
    bins = len(starts) // max(len(network.links), 1)
    expected = [i for i in network.links for _ in range(bins)]
    if not bins or table["link_id"].to_pylist() != expected:
        raise DataRefused("the links are those of another network")
    plans = plans_from_json((folder / "running_plans.json").read_text(encoding="utf-8"))
    name = date.fromisoformat(str(summary["service_day"])).isoformat()

    def matrix(column: str) -> np.ndarray:
        values = np.asarray(table[column].to_numpy(), dtype=np.float64)
        return values.reshape(-1, bins)

    return Day(
        service_day=name,
        bin_starts_s=np.asarray(starts[:bins], dtype=np.int64),
        travel_time_s=matrix("travel_time_s"),
        vehicles=matrix("flow_veh"),
        plans={plan.junction_id: plan for plan in plans},
        odd_hours=(*_hand_runs(folder), *_transitions(folder)),
    )


def _hand_runs(folder: Path) -> Iterator[OddHours]:
    path = folder / "health.parquet"
    if not path.is_file():
        return
    for row in pq.read_table(path).to_pylist():
        told = _STRETCH.search(row["detail"] or "")
        if row["code"] == "hand_run" and told:
            yield OddHours(row["device_id"], float(told[1]), float(told[2]), "hand_run")


def _transitions(folder: Path) -> Iterator[OddHours]:
    """Where the day's timings of a junction meet."""
    path = folder / "found_timings.json"
    if not path.is_file():
        return
    timings: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["timings"]
    first: dict[str, float] = {}
    for timing in timings:
        junction_id, begin_s = str(timing["junction_id"]), float(timing["begin_s"])
        if begin_s > first.setdefault(junction_id, begin_s):
            yield OddHours(junction_id, begin_s, begin_s + TRANSITION_S, "transition")
