"""Nights of a generated city whose findings are made up: as large as a real one, at no cost.

Levels wander through the day with two rush hours; corridors follow the streets; plans are those in
service with other offsets, in packages that can be approved.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from traffic_brain.deployment.package import build
from traffic_brain.fusion.levels import LEVELS
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.sightings_table import write_sightings
from traffic_brain.model.documents import (
    bottleneck_to_dict,
    corridor_to_dict,
    plan_to_dict,
    plans_to_json,
    verdict_to_dict,
)
from traffic_brain.model.findings import Bottleneck, Cause, Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Interval95, Verdict
from traffic_brain.nightly.manifest import MANIFEST

DAYS = ("2026-11-16", "2026-11-17", "2026-11-18")
BINS, BIN_S, DEMAND_BIN_S = 288, 300, 900
CORRIDORS, BOTTLENECKS, LONGEST, CHANGED = 12, 200, 10, 30
SEEDS = tuple(range(8))
DRIVES = 400
"""Vehicles that drive along each corridor in each direction."""


def write_nights(city: Path, root: Path) -> None:
    """Write a night for each of `DAYS` below ``root``; all share one city folder."""
    network = load_city(city)
    for number, day in enumerate(DAYS):
        _write_night(network, city, root / day, day, np.random.default_rng(number))


def _write_night(
    network: RoadNetwork, city: Path, folder: Path, day: str, rng: np.random.Generator
) -> None:
    for name in ("state", "diagnosis", "plans", "verdict", "package", "world"):
        (folder / name).mkdir(parents=True)
    (folder / "city").symlink_to(city.resolve())
    corridors = _corridors(network, rng)
    delay = _write_state(network, corridors, folder / "state", day, rng)
    _write_diagnosis(network, corridors, delay, folder / "diagnosis", rng)
    _write_plans(network, corridors, folder)
    build(
        folder / "city",
        folder / "state",
        folder / "plans",
        folder / "verdict",
        folder / "package",
        diagnosis=folder / "diagnosis",
    )
    for name in ("state", "diagnosis", "plans", "verdict", "package"):
        (folder / name / MANIFEST).write_text(to_json({"stage": name}), encoding="utf-8")


def _corridors(network: RoadNetwork, rng: np.random.Generator) -> list[Corridor]:
    """Chains of junctions along the streets, straight on where it goes on."""
    found: list[Corridor] = []
    between: dict[str, list[tuple[str, str]]] = {}
    node_of = {node: j.junction_id for j in network.junctions.values() for node in j.node_ids}
    for link in network.links.values():
        start = node_of.get(link.from_node)
        if start is not None and link.junction_id is not None and link.junction_id != start:
            between.setdefault(start, []).append((link.link_id, link.junction_id))
    links = {(a, b): link for a, ways in between.items() for link, b in ways}
    for start in rng.permutation(sorted(between)):
        chain = [str(start)]
        while len(chain) < LONGEST:
            on = [
                b
                for _, b in between.get(chain[-1], ())
                if b not in chain and (b, chain[-1]) in links
            ]
            if not on:
                break
            chain.append(on[0])
        if len(chain) >= 5:
            pairs = list(pairwise(chain))
            found.append(
                Corridor(
                    f"C{len(found) + 1:02d}",
                    f"{network.junctions[chain[0]].name} – {network.junctions[chain[-1]].name}",
                    tuple(chain),
                    tuple((links[a, b],) for a, b in pairs),
                    tuple((links[b, a],) for a, b in pairs),
                    900.0,
                    700.0,
                )
            )
        if len(found) == CORRIDORS:
            break
    return found


def _write_state(
    network: RoadNetwork,
    corridors: list[Corridor],
    folder: Path,
    day: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns how much each link is congested over the day, float64[link]."""
    ids = list(network.links)
    hours = np.arange(BINS) * BIN_S / 3600
    rush = np.exp(-((hours - 8) ** 2) / 2) + np.exp(-((hours - 18) ** 2) / 3)
    load = rng.gamma(2.0, 0.6, len(ids))[:, None] * (0.4 + rush[None, :])
    load += rng.normal(0, 0.25, load.shape)
    level = np.clip(load, 0, len(LEVELS) - 1e-6).astype(np.int64)
    free = np.array([link.free_flow_speed_mps for link in network.links.values()])
    speed = free[:, None] / (1 + 0.6 * np.clip(load, 0, None))
    length = np.array([link.length_m for link in network.links.values()])
    _table(
        folder / "link_state.parquet",
        {
            "link_id": np.repeat(ids, BINS),
            "bin_start_s": np.tile(np.arange(BINS) * BIN_S, len(ids)),
            "speed_mps": speed.ravel(),
            "travel_time_s": (length[:, None] / speed).ravel(),
            "flow_veh": np.full(speed.size, 30.0),
            "level": np.array(LEVELS)[level.ravel()],
        },
    )
    movements = list(network.movements.values())
    bins = 86_400 // DEMAND_BIN_S
    demand = np.repeat(rng.gamma(2.0, 90.0, len(movements)), bins)
    _table(
        folder / "movement_demand.parquet",
        {
            "movement_id": np.repeat([m.movement_id for m in movements], bins),
            "junction_id": np.repeat([m.junction_id for m in movements], bins),
            "bin_start_s": np.tile(np.arange(bins) * DEMAND_BIN_S, len(movements)),
            "demand_vph": demand,
            "demand_high_vph": demand * 1.1,
        },
    )
    ways = [[i for path in c.out_paths for i in path] for c in corridors]
    ways += [[i for path in reversed(c.back_paths) for i in path] for c in corridors]
    trips = ways * DRIVES
    write_sightings(folder, _drives(network, ways, rng), seed=1)
    _table(
        folder / "trips.parquet",
        {
            "trip_idx": np.arange(len(trips)),
            "depart_s": rng.uniform(0, 86_400, len(trips)),
            "links": pa.array(trips, pa.list_(pa.string())),
            "vehicle_class": ["car"] * len(trips),
        },
    )
    texts = dict.fromkeys(("feed", "device_id", "code", "detail", "reason"), pa.string())
    health = pa.schema([(n, texts[n]) for n in ("feed", "device_id", "code", "detail")])
    pq.write_table(pa.Table.from_pylist([], health), folder / "health.parquet")
    refused = pa.schema([("feed", pa.string()), ("reason", pa.string()), ("rows", pa.int64())])
    pq.write_table(pa.Table.from_pylist([], refused), folder / "quarantine.parquet")
    running = [j.plan_in_service for j in network.junctions.values() if j.plan_in_service]
    (folder / "running_plans.json").write_text(plans_to_json(running), encoding="utf-8")
    summary = {
        "service_day": day,
        "begin_s": 0,
        "end_s": 86_400,
        "rows_read": 200_000_000,
        "rows_used": 199_000_000,
        "rows_quarantined": 1_000_000,
        "feeds": {"police": {"rows_read": 200_000_000, "rows_quarantined": 1_000_000}},
        "vehicles": len(trips),
    }
    _json(folder / "summary.json", summary)
    return np.asarray(np.clip(load - 2, 0, None).sum(axis=1))


def _drives(
    network: RoadNetwork, ways: Sequence[Sequence[str]], rng: np.random.Generator
) -> list[Trip]:
    """Along every way all day, each at its own pace, seen by a camera at the end of each link."""
    found = []
    for way in [way for way in ways for _ in range(DRIVES)]:
        links = [network.links[i] for i in way]
        pace = rng.uniform(1.0, 2.5)
        driven = np.cumsum([k.length_m / k.free_flow_speed_mps * pace for k in links])
        times = rng.uniform(0, 80_000) + driven
        found.append(Trip(tuple(way), tuple(float(t) for t in times), (True,) * len(way)))
    return found


def _write_diagnosis(
    network: RoadNetwork,
    corridors: list[Corridor],
    delay: np.ndarray,
    folder: Path,
    rng: np.random.Generator,
) -> None:
    ids = list(network.links)
    on_corridors = {j for c in corridors for j in c.junction_ids}
    order = sorted(
        range(len(ids)),
        key=lambda i: (network.links[ids[i]].junction_id not in on_corridors, -delay[i]),
    )
    causes = list(Cause)
    worst = sorted(
        order[: BOTTLENECKS // 2] + list(np.argsort(-delay)[:BOTTLENECKS]), key=lambda i: -delay[i]
    )
    worst = list(dict.fromkeys(int(i) for i in worst))[:BOTTLENECKS]
    found = [
        Bottleneck(
            f"B{rank:03d}",
            ids[i],
            network.links[ids[i]].junction_id,
            27_000,
            32_400,
            (),
            float(delay[i]),
            causes[int(rng.integers(len(causes)))],
            float(delay[i] * rng.uniform(0, 0.6)),
            "saturation 1.12 here, imbalance 0.41, sum of critical flow ratios 0.90, cycle 90 s",
        )
        for rank, i in enumerate(worst, start=1)
    ]
    _json(folder / "bottlenecks.json", [bottleneck_to_dict(b) for b in found])
    _json(folder / "corridors.json", [corridor_to_dict(c) for c in corridors])
    names = ("saturation_ratio", "imbalance_ratio", "delay_veh_h", "critical_flow_ratio")
    _table(
        folder / "junctions.parquet",
        {"junction_id": list(network.junctions)}
        | {name: rng.uniform(0, 1.2, len(network.junctions)) for name in names},
    )


def _write_plans(network: RoadNetwork, corridors: list[Corridor], folder: Path) -> None:
    """The plans in service with other offsets, and a verdict for them."""
    plans: dict[str, SignalPlan] = {}
    for junction_id in dict.fromkeys(j for c in corridors for j in c.junction_ids):
        plan = network.junctions[junction_id].plan_in_service
        if plan is not None and len(plans) < CHANGED:
            moved = plan.with_offset(plan.offset_s + 7)
            plans[junction_id] = replace(moved, plan_id=f"{folder.name}-bench")
    candidate = {
        "candidate_id": "bench",
        "description": "cycles as in service, green waves",
        "predicted_delay_s_per_veh": 50.0,
        "plans": [plan_to_dict(plan) for plan in plans.values()],
        "corridors": [],
    }
    _json(folder / "plans" / "candidates.json", {"candidates": [candidate]})
    old, new = tuple(60.0 + s for s in SEEDS), tuple(50.0 + s for s in SEEDS)
    verdict = Verdict(
        Decision.DEPLOY,
        "delay changes by -15.0% [-17.0%, -13.0%]",
        "bench",
        SEEDS,
        old,
        new,
        Interval95(-10.0, -11.0, -9.0),
        Interval95(-0.15, -0.17, -0.13),
    )
    _json(folder / "verdict" / "verdict.json", verdict_to_dict(verdict))
    _json(folder / "verdict" / "calibration.json", {})
    _table(
        folder / "verdict" / "runs.parquet",
        {
            "candidate_id": ["in service"] * len(old) + ["bench"] * len(new),
            "phase": ["confirm"] * 16,
            "seed": [*SEEDS, *SEEDS],
            "vehicles": [1000] * 16,
            "delay_s_per_veh": [*old, *new],
            "stops": [1.0] * 16,
            "teleports": [0] * 16,
            "not_inserted": [0] * 16,
        },
    )


def _table(path: Path, columns: Mapping[str, Any]) -> None:
    pq.write_table(pa.table(dict(columns)), path)


def _json(path: Path, document: object) -> None:
    path.write_text(to_json(document), encoding="utf-8")


if __name__ == "__main__":
    write_nights(Path(sys.argv[1]), Path(sys.argv[2]))
