"""One recorded and fused day of the world ``small``, as folders."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from network_data.importers.sumo.network import import_network
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import find
from sim_scenarios.world import record
from traffic_brain.fusion.fuse import fuse
from traffic_brain.model.network import RoadNetwork

DAY = date(2026, 3, 2)


@dataclass(frozen=True)
class SmallDay:
    """Folders of the day: what the engine reads, what it wrote, and the truth it never reads."""

    city: Path
    feeds: Path
    truth: Path
    state: Path

    def feed(self, name: str) -> pa.Table:
        return pq.read_table(self.feeds / f"{name}.parquet")

    def fused(self, name: str) -> pa.Table:
        return pq.read_table(self.state / f"{name}.parquet")

    @property
    def network(self) -> RoadNetwork:
        return load_city(self.city)

    @property
    def summary(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.state / "summary.json").read_text("utf-8"))
        return read


def recorded_and_fused(folder: Path) -> SmallDay:
    """Record the day with a world's usual defects, and fuse it."""
    day = SmallDay(
        folder / "city", folder / f"feeds/{DAY}", folder / f"truth/{DAY}", folder / "state"
    )
    world = find("small")
    record(world, day.feeds, day.truth, seed=1, service_day=DAY)
    day.city.mkdir()
    import_network(*prepare(world, folder / "world").network_sources(), day.city)
    day.state.mkdir()
    fuse(day.city, day.feeds, day.state)
    return day
