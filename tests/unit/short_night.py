"""A quarter of an hour on the streets of the world ``small``, up to the diagnosis, as folders."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

from network_data.city import load_city
from network_data.importers.sumo.network import import_network
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.spec import find
from sim_scenarios.world import record
from traffic_brain.diagnosis.diagnose import diagnose
from traffic_brain.fusion.fuse import fuse
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.network import RoadNetwork

DAY = date(2026, 11, 2)


@dataclass(frozen=True)
class ShortNight:
    """Folders of the night."""

    city: Path
    state: Path
    diagnosis: Path

    @property
    def network(self) -> RoadNetwork:
        return load_city(self.city)

    @property
    def known(self) -> State:
        return load_state(self.state, self.network)


def short_night_in(root: Path, duration_s: int = 900) -> ShortNight:
    world = build(GeneratedCity(duration_s=duration_s), root / "world")
    night = ShortNight(root / "city", root / "state", root / "diagnosis")
    feeds = root / "feeds" / DAY.isoformat()
    record(find(world), feeds, root / "truth", seed=1, service_day=DAY)
    for folder in (night.city, night.state, night.diagnosis):
        folder.mkdir()
    import_network(world.with_name("city.net.xml"), [], night.city)
    fuse(night.city, feeds, night.state)
    diagnose(night.city, night.state, night.diagnosis)
    return night
