"""A street with many signals, and days of it as state folders."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import save_city
from tests.unit.hand_made import network, road, through, two_stage_plan
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork

JUNCTIONS = tuple(f"j{i:02}" for i in range(24))
MONDAYS = ("2026-03-02", "2026-03-09")
BINS = np.arange(25200, 25200 + 12 * 300, 300)
DELAY_S, VEHICLES = 20.0, 30.0


def street() -> RoadNetwork:
    """Signals 300 m apart; each has one approach, cut in two links."""
    ends = ["start", *[p for j in JUNCTIONS for p in (f"m{j}", j)], "end"]
    places = {name: (150.0 * i, 0.0) for i, name in enumerate(ends)}
    links = [
        road(a, b, places, junction_id=b if b in JUNCTIONS else None)
        for a, b in itertools.pairwise(ends)
    ]
    plans = [two_stage_plan(j, groups=1 + 1) for j in JUNCTIONS]
    whole = network(links, through(*(link.link_id for link in links)), plans)
    junctions = {j: replace(one, signal_group_count=2) for j, one in whole.junctions.items()}
    return replace(whole, junctions=junctions)


def write_city(folder: Path) -> RoadNetwork:
    """The street as a city folder."""
    city = street()
    folder.mkdir(parents=True)
    save_city(city, folder)
    return city


def write_state(
    folder: Path,
    city: RoadNetwork,
    service_day: str,
    *,
    factors: Mapping[str, float] | None = None,
    retimed: Sequence[str] = (),
    seed: int = 0,
    noise: float = 0.03,
    hand_runs: Mapping[str, str] | None = None,
) -> Path:
    """A day: every approach loses ``DELAY_S`` times its factor, give or take.

    ``retimed``: junctions that ran another plan; ``hand_runs``: junction -> stretch in words.
    """
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    shape = (len(city.links), len(BINS))
    free = np.array([k.length_m / k.free_flow_speed_mps for k in city.links.values()])
    delay = np.zeros(shape)
    for i, link in enumerate(city.links.values()):
        if link.junction_id:
            of_day = np.exp(rng.normal(0.0, noise))
            delay[i] = DELAY_S * of_day * (factors or {}).get(link.junction_id, 1.0)
    columns = {
        "link_id": pa.array([k for k in city.links for _ in BINS], pa.string()),
        "bin_start_s": np.tile(BINS, shape[0]),
        "travel_time_s": (free[:, None] + delay).ravel(),
        "flow_veh": np.full(shape[0] * shape[1], VEHICLES),
    }
    pq.write_table(pa.table(columns), folder / "link_state.parquet")
    plans = [two_stage_plan(j, greens_s=(35, 15) if j in retimed else (30, 20)) for j in JUNCTIONS]
    (folder / "running_plans.json").write_text(plans_to_json(plans), encoding="utf-8")
    health = [
        {"feed": "police", "device_id": j, "code": "hand_run", "detail": f"junction {j}: {told}"}
        for j, told in (hand_runs or {}).items()
    ]
    schema = pa.schema([(c, pa.string()) for c in ("feed", "device_id", "code", "detail")])
    pq.write_table(pa.Table.from_pylist(health, schema), folder / "health.parquet")
    summary = {"service_day": service_day, "begin_s": int(BINS[0]), "end_s": int(BINS[-1]) + 300}
    (folder / "summary.json").write_text(json.dumps(summary), encoding="utf-8")
    return folder


def week(monday: str) -> list[str]:
    """Monday to Friday."""
    return [str(np.datetime64(monday) + d) for d in range(5)]
