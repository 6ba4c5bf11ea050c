"""The state folder, read back as arrays."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.fusion.outages import filled
from traffic_brain.fusion.window import Window
from traffic_brain.model.documents import plans_from_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

_FILES = (
    "link_state.parquet",
    "movement_demand.parquet",
    "trips.parquet",
    "running_plans.json",
    "summary.json",
)


@dataclass(frozen=True)
class State:
    """The state of one service day; link axes in the network's order, movement axes too.

    speed_mps, travel_time_s, flow_veh: float64[link, 5-min bin]; the time is the mean, to which
        delays add up (``mean_travel_time_s`` of the file), the speed that of the median.
    demand_vph, demand_high_vph: float64[movement, demand bin].
    trips: (departure in seconds of the day, links) of every vehicle; vehicle_classes: ``car`` or
        ``bus``, in the same order.
    running_plans: junction_id -> the fixed plan that ran.
    undetected: the trips, by index, of vehicles that no device saw: only the balance of flows tells
        of them, and their number is less sure.

    What the files do not know, of bins in which no feed spoke, is drawn from the bins around.
    """

    service_day: str
    window: Window
    speed_mps: np.ndarray
    travel_time_s: np.ndarray
    flow_veh: np.ndarray
    demand_vph: np.ndarray
    demand_high_vph: np.ndarray
    trips: tuple[tuple[float, tuple[str, ...]], ...]
    vehicle_classes: tuple[str, ...]
    running_plans: Mapping[str, SignalPlan]
    summary: Mapping[str, Any]
    undetected: frozenset[int] = frozenset()


def load_state(folder: Path, network: RoadNetwork) -> State:
    """Read a state folder made for ``network``.

    Raises:
        ConfigurationError: the folder is not a state folder.
        DataRefused: it cannot be read, or belongs to another network.
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise ConfigurationError(
            f"{folder} is not a state folder (no {', '.join(missing)})",
            "make one with: traffic-brain fuse CITY FEEDS STATE",
        )
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
        plans = plans_from_json((folder / "running_plans.json").read_text(encoding="utf-8"))
        links = pq.read_table(folder / "link_state.parquet")
        demand = pq.read_table(folder / "movement_demand.parquet")
        trips = pq.read_table(folder / "trips.parquet")
        window = Window(int(summary["begin_s"]), int(summary["end_s"]))
        same = _tells_of(links, "link_id", network.links, window.bin_count) and _tells_of(
            demand, "movement_id", network.movements, len(window.demand_bin_starts())
        )
        if same:
            return _state(summary, window, links, demand, trips, plans)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise DataRefused(
            f"the state folder {folder} cannot be read",
            "fuse the day again: traffic-brain fuse CITY FEEDS STATE",
            [f"{type(error).__name__}: {' '.join(str(error).split())}"],
        ) from error
    raise DataRefused(
        f"the state in {folder} belongs to another network",
        "fuse the day with the city folder that you use now",
    )


def _tells_of(table: pa.Table, column: str, ids: Iterable[str], bins: int) -> bool:
    """Whether a table has ``bins`` rows for each of the ids, in their order."""
    return bool(table[column].to_pylist() == [i for i in ids for _ in range(bins)])


def _state(
    summary: Mapping[str, Any],
    window: Window,
    links: pa.Table,
    demand: pa.Table,
    trips: pa.Table,
    plans: Iterable[SignalPlan],
) -> State:
    bins, demand_bins = window.bin_count, len(window.demand_bin_starts())
    departures = trips["depart_s"].to_pylist()
    ways = trips["links"].to_pylist()
    return State(
        service_day=summary["service_day"],
        window=window,
        speed_mps=_matrix(links, "speed_mps", bins),
        travel_time_s=_matrix(links, _time_column(links), bins),
        flow_veh=_matrix(links, "flow_veh", bins),
        demand_vph=_matrix(demand, "demand_vph", demand_bins),
        demand_high_vph=_matrix(demand, "demand_high_vph", demand_bins),
        trips=tuple((float(d), tuple(w)) for d, w in zip(departures, ways, strict=True)),
        vehicle_classes=tuple(trips["vehicle_class"].to_pylist()),
        running_plans={p.junction_id: p for p in plans},
        summary=summary,
        undetected=_undetected(trips),
    )


def _time_column(links: pa.Table) -> str:
    """A state of before 23 November 2026 tells no mean."""
    mean = "mean_travel_time_s"
    return mean if mean in links.column_names else "travel_time_s"


def _undetected(trips: pa.Table) -> frozenset[int]:
    """Of a state that does not tell (before November 2026), none."""
    if "detected" not in trips.column_names:
        return frozenset()
    return frozenset(i for i, detected in enumerate(trips["detected"].to_pylist()) if not detected)


def _matrix(table: pa.Table, column: str, bins: int) -> np.ndarray:
    return filled(np.asarray(table[column].to_numpy(), dtype=np.float64).reshape(-1, bins))
