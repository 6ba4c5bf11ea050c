"""What really happened in a world, for benchmarks alone: the engine never reads it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sim_scenarios.departures import Demand
from sim_scenarios.outputs import LinkBin, Trip, VehicleRoute
from sim_scenarios.raw_feeds import OFF_ROAD, write_table

BIN_S = 300


def write_links(folder: Path, bins: Sequence[LinkBin]) -> int:
    """Per link and 5 minutes: vehicles past its end, mean speed, mean queue, time lost.

    The mean queue is the vehicle seconds below 0.1 m/s over the bin's length.
    """
    ordered = sorted(bins, key=lambda b: (b.begin_s, b.link_id))
    lengths_s = np.array([b.end_s - b.begin_s for b in ordered])
    waiting_veh_s = np.array([b.waiting_veh_s for b in ordered])
    return write_table(
        folder / "links.parquet",
        {
            "link_id": pa.array([b.link_id for b in ordered], pa.string()),
            "bin_start_s": pa.array([int(b.begin_s) for b in ordered], pa.int32()),
            "flow_veh": pa.array([b.left_veh for b in ordered], pa.int32()),
            "speed_mps": pa.array([b.speed_mps for b in ordered], pa.float64()),
            "mean_queue_veh": pa.array(waiting_veh_s / lengths_s),
            "time_loss_s": pa.array([b.time_loss_veh_s for b in ordered], pa.float64()),
        },
    )


def write_movements(folder: Path, routes: Iterable[VehicleRoute], demand: Demand) -> int:
    """Per pair of consecutive links and 5 minutes: motor vehicles that went from one to the other.

    A vehicle counts when it leaves the first link.
    """
    flows: Counter[tuple[int, str, str]] = Counter()
    for route in routes:
        if demand.class_of(route.vehicle_type) in OFF_ROAD:
            continue
        pairs = zip(route.links[:-1], route.links[1:], route.exit_times_s[:-1], strict=True)
        for from_link, to_link, exit_s in pairs:
            if exit_s >= 0:
                flows[int(exit_s // BIN_S) * BIN_S, from_link, to_link] += 1
    keys = sorted(flows)
    return write_table(
        folder / "movements.parquet",
        {
            "from_link": pa.array([k[1] for k in keys], pa.string()),
            "to_link": pa.array([k[2] for k in keys], pa.string()),
            "bin_start_s": pa.array([k[0] for k in keys], pa.int32()),
            "flow_veh": pa.array([flows[k] for k in keys], pa.int32()),
        },
    )


def write_vehicles(folder: Path, trips: Iterable[Trip]) -> int:
    """Per vehicle: when it was due, its delay (time loss + departure delay), whether it arrived."""
    ordered = sorted(trips, key=lambda t: (t.due_s, t.vehicle_id))
    return write_table(
        folder / "vehicles.parquet",
        {
            "vehicle_idx": pa.array(range(len(ordered)), pa.int32()),
            "depart_s": pa.array([t.due_s for t in ordered], pa.float64()),
            "delay_s": pa.array([t.delay_s for t in ordered], pa.float64()),
            "arrived": pa.array([t.arrived for t in ordered], pa.bool_()),
        },
    )


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Write the figures of the day and how it was made."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary, ensure_ascii=False, indent=1, sort_keys=True)
    (folder / "summary.json").write_text(text + "\n", encoding="utf-8")
