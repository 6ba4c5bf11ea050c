"""A day of a generated city of Hefei's size, diagnosed: seconds and memory.

The morning's trips of the generated city are driven all day long, as many as the hour has; streets
are as slow as their lamps make them, and some hundred stop lines jam in the rush hours. No feed is
fused here: what is measured is the diagnosis, from the state folder on.

    python -m benchmarks.diagnosis.city_day [--city DIR] [--junctions 2380] [--seed 1] [--json FILE]
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from network_data.generated_city import generate
from network_data.generated_city.demand import DEMAND_FILE
from traffic_brain.fusion.window import BIN_S, DEMAND_BIN_S
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork

DAY_S = 86400
BINS = DAY_S // BIN_S
HOURLY = np.array(
    [1, 1, 0.5, 0.5, 1, 2, 4, 8, 8, 6, 5, 5, 6, 5, 5, 6, 7, 9, 8, 5, 4, 3, 2, 1], dtype=np.float64
)
RUSH_BINS = ((84, 108), (204, 228))
JAMS = 300
PEAK_SHARE = 0.085
"""Of the day's trips, in its busiest hour."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the day, diagnose it in a process of its own, and tell what that took."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--city", type=Path)
    parser.add_argument("--junctions", type=int, default=2380)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="city-day-") as name:
        folder = Path(name)
        city = told.city or folder / "city"
        if told.city is None:
            generate(city, junctions=told.junctions, seed=told.seed)
        (folder / "state").mkdir()
        (folder / "report").mkdir()
        trips = write_state(load_city(city), city, folder / "state", told.seed)
        started = time.monotonic()
        subprocess.run(
            [
                *(
                    sys.executable,
                    "-c",
                    "import sys; from traffic_brain.cli import main; sys.exit(main())",
                ),
                *("diagnose", str(city), str(folder / "state"), str(folder / "report")),
            ],
            check=True,
        )
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        summary = json.loads((folder / "report" / "summary.json").read_text("utf-8"))
        figures = {
            "junctions": len(load_city(city).junctions),
            "trips": trips,
            "bottlenecks": summary["bottlenecks"],
            "wall_s": round(time.monotonic() - started, 1),
            "cpu_s": round(used.ru_utime + used.ru_stime, 1),
            "peak_mb": used.ru_maxrss // 1024,
        }
    print(json.dumps(figures, indent=1))
    if told.json:
        told.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0


def write_state(network: RoadNetwork, city: Path, out: Path, seed: int) -> int:
    """Write the state of a made-up day; returns its vehicles."""
    rng = np.random.default_rng(seed)
    routes = _routes(city)
    share = HOURLY / HOURLY.sum()
    morning_s = 5400.0
    count = round(len(routes) / (PEAK_SHARE * morning_s / 3600))
    hours = rng.choice(24, size=count, p=share)
    departures = np.sort(hours * 3600.0 + rng.uniform(0, 3600, count))
    chosen = rng.integers(0, len(routes), count)
    free = np.array([k.length_m / k.free_flow_speed_mps for k in network.links.values()])
    signalled = np.array([k.junction_id is not None for k in network.links.values()])
    busy = HOURLY[np.arange(BINS) * BIN_S // 3600] / HOURLY.max()
    travel = free[:, None] * (1 + 0.2 * busy) + signalled[:, None] * (12 + 12 * busy)
    travel *= rng.uniform(0.85, 1.15, travel.shape)
    flow = _flow(network, routes, chosen, departures, travel)
    used = np.flatnonzero(signalled & (flow.sum(axis=1) > np.quantile(flow.sum(axis=1), 0.8)))
    for link in rng.choice(used, size=min(JAMS, len(used)), replace=False).tolist():
        first, end = RUSH_BINS[int(rng.integers(len(RUSH_BINS)))]
        begin = int(rng.integers(first, end - 8))
        travel[link, begin : begin + 8] += rng.uniform(60, 180)
    _write(network, out, routes, chosen, departures, travel, flow)
    return count


def _routes(city: Path) -> list[list[str]]:
    with gzip.open(city / DEMAND_FILE) as source:
        return [e.attrib["edges"].split() for _, e in ET.iterparse(source) if e.tag == "route"]


def _flow(
    network: RoadNetwork,
    routes: list[list[str]],
    chosen: np.ndarray,
    departures: np.ndarray,
    travel: np.ndarray,
) -> np.ndarray:
    """float64[link, bin]: who left each link when."""
    flow = np.zeros(travel.shape)
    idx = network.link_idx
    steps = [np.array([idx[k] for k in route], dtype=np.int64) for route in routes]
    length = max(len(s) for s in steps)
    table = np.full((len(steps), length), -1)
    for i, s in enumerate(steps):
        table[i, : len(s)] = s
    at = departures.copy()
    for k in range(length):
        link = table[chosen, k]
        on = link >= 0
        bins = np.minimum(at[on] // BIN_S, BINS - 1).astype(np.int64)
        at[on] += travel[link[on], bins]
        np.add.at(flow, (link[on], np.minimum(at[on] // BIN_S, BINS - 1).astype(np.int64)), 1.0)
    return flow


def _write(
    network: RoadNetwork,
    out: Path,
    routes: list[list[str]],
    chosen: np.ndarray,
    departures: np.ndarray,
    travel: np.ndarray,
    flow: np.ndarray,
) -> None:
    links = np.array(list(network.links), dtype=object)
    length = np.array([k.length_m for k in network.links.values()])
    pq.write_table(
        pa.table(
            {
                "link_id": pa.array(np.repeat(links, BINS), pa.string()),
                "bin_start_s": np.tile(np.arange(BINS) * BIN_S, len(links)),
                "speed_mps": (length[:, None] / travel).ravel(),
                "travel_time_s": travel.ravel(),
                "flow_veh": flow.ravel(),
            }
        ),
        out / "link_state.parquet",
    )
    bins = DAY_S // DEMAND_BIN_S
    movements = list(network.movements.values())
    per_link = flow.reshape(len(links), bins, -1).sum(axis=2) * 3600 / DEMAND_BIN_S
    ways = {k: len(network.successors[k]) or 1 for k in network.links}
    demand = np.array(
        [per_link[network.link_idx[m.from_link]] / ways[m.from_link] for m in movements]
    )
    pq.write_table(
        pa.table(
            {
                "movement_id": pa.array(
                    np.repeat(np.array([m.movement_id for m in movements], dtype=object), bins),
                    pa.string(),
                ),
                "bin_start_s": np.tile(np.arange(bins) * DEMAND_BIN_S, len(movements)),
                "demand_vph": demand.ravel(),
                "demand_high_vph": demand.ravel() * 1.1,
            }
        ),
        out / "movement_demand.parquet",
    )
    kinds = pa.array([list(r) for r in routes], pa.list_(pa.string()))
    pq.write_table(
        pa.table(
            {
                "trip_idx": np.arange(len(chosen)),
                "depart_s": departures,
                "links": kinds.take(pa.array(chosen)),
                "vehicle_class": pa.array(["car"] * len(chosen), pa.string()),
            }
        ),
        out / "trips.parquet",
    )
    plans = [j.plan_in_service for j in network.junctions.values() if j.plan_in_service]
    (out / "running_plans.json").write_text(plans_to_json(plans), encoding="utf-8")
    summary = {"service_day": "2026-11-16", "begin_s": 0, "end_s": DAY_S}
    (out / "summary.json").write_text(json.dumps(summary), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
