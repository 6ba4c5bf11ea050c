"""A map of the benchmark: the world, its road network, its true demand as recorded and redrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.other_days import redraw
from network_data.city import load_city
from network_data.importers import import_any
from sim_scenarios.outputs import read_routes, read_trips
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import find
from traffic_brain.diagnosis.queue_model import Way
from traffic_brain.errors import ConfigurationError
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

OBSERVED_SEED = 1


@dataclass(frozen=True, eq=False)
class Map:
    """A world made ready, with what its city would know of it."""

    name: str
    world: PreparedScenario
    network: RoadNetwork
    in_service: Mapping[str, SignalPlan]
    folder: Path
    content: str
    """A hash of the world's own files."""

    @property
    def net_file(self) -> Path:
        return self.world.net_file

    def redrawn(self, seed: int) -> PreparedScenario:
        """The world on another day: trips drawn with replacement."""
        folder = self.folder / f"redrawn-{seed}"
        configuration = folder / "world.sumocfg"
        if not configuration.exists():
            folder.mkdir(parents=True, exist_ok=True)
            redraw(self.world, configuration, seed)
        return replace(self.world, sumocfg=configuration)

    def ways(self) -> list[Way]:
        """Every vehicle with its due departure and the links it drove, under the plans in file."""
        folder = self.folder / "observed"
        result = run(RunRequest(self.world, OBSERVED_SEED, folder, vehicle_routes=True))
        due = {t.vehicle_id: t.due_s for t in read_trips(result.trips_file, self.world.end_s)}
        routes = read_routes(result.vehicle_routes_file)
        return sorted((due[r.vehicle_id], r.links) for r in routes if r.vehicle_id in due)


def read_map(name: str, folder: Path) -> Map:
    """Prepare a world, named or a path of a .sumocfg, without teleports.

    Raises:
        ConfigurationError: no signal of it runs a fixed plan.
    """
    world = prepare(replace(find(name), time_to_teleport_s=-1), folder / "world")
    net, additional = world.network_sources()
    city = folder / "city"
    city.mkdir()
    import_any(net, additional, city, silent)
    network = load_city(city)
    in_service = {
        junction_id: junction.plan_in_service
        for junction_id, junction in network.junctions.items()
        if junction.plan_in_service is not None
    }
    if not in_service:
        raise ConfigurationError(
            f"no signal of {world.name} runs a fixed plan that could be read: nothing to compare",
            "choose another map: traffic-brain scenarios lists them",
        )
    digest = hashlib.sha256()
    for path in world.source_files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Map(world.name, world, network, in_service, folder, digest.hexdigest()[:16])
