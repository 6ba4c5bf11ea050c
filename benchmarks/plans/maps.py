"""A map of the benchmark: the world, its road network, its true demand as recorded and redrawn."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from network_data.city import load_city
from network_data.importers import import_any
from sim_scenarios.outputs import read_routes, read_trips
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.spec import find
from traffic_brain.diagnosis.queue_model import Way
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

REDRAWN_S = 120.0
"""A redrawn departure lies up to so much before or after the one it is drawn from."""
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
        """The world on another day: trips drawn with replacement, each up to ± 120 s off."""
        folder = self.folder / f"redrawn-{seed}"
        configuration = folder / "world.sumocfg"
        if not configuration.exists():
            folder.mkdir(parents=True, exist_ok=True)
            routes = _redraw(self.world, folder / "redrawn.rou.xml", seed)
            tree = ET.parse(self.world.sumocfg)
            files = tree.getroot().find("route-files")
            assert files is not None
            files.set("value", str(routes))
            tree.write(configuration, encoding="utf-8", xml_declaration=True)
        return replace(self.world, sumocfg=configuration)

    def ways(self) -> list[Way]:
        """Every vehicle with its due departure and the links it drove, under the plans in file."""
        folder = self.folder / "observed"
        result = run(RunRequest(self.world, OBSERVED_SEED, folder, vehicle_routes=True))
        due = {t.vehicle_id: t.due_s for t in read_trips(result.trips_file, self.world.end_s)}
        routes = read_routes(result.vehicle_routes_file)
        return sorted((due[r.vehicle_id], r.links) for r in routes if r.vehicle_id in due)


def read_map(name: str, folder: Path) -> Map:
    """Prepare a world, named or a path of a .sumocfg, without teleports."""
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
    digest = hashlib.sha256()
    for path in world.source_files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return Map(world.name, world, network, in_service, folder, digest.hexdigest()[:16])


def _redraw(world: PreparedScenario, path: Path, seed: int) -> Path:
    rng = random.Random(f"redrawn/{seed}")
    source = ET.Element("routes")
    vehicles: list[ET.Element] = []
    for file in (p for p in world.source_files if ".rou" in p.name or "trips" in p.name):
        for element in ET.parse(file).getroot():
            if element.tag in ("trip", "vehicle"):
                if world.begin_s <= float(element.attrib["depart"]) < world.end_s:
                    vehicles.append(element)
            elif element.tag in ("flow", "personFlow", "person", "containerFlow"):
                raise DataRefused(
                    f"{file.name}: a <{element.tag}> cannot be redrawn",
                    "make single vehicles of it with duarouter, or leave out --redrawn",
                )
            else:
                source.append(element)
    drawn = []
    for _ in vehicles:
        vehicle = rng.choice(vehicles)
        at_s = float(vehicle.attrib["depart"]) + rng.uniform(-REDRAWN_S, REDRAWN_S)
        drawn.append((min(max(at_s, world.begin_s), world.end_s - 1.0), vehicle))
    for number, (at_s, vehicle) in enumerate(sorted(drawn, key=lambda pair: pair[0])):
        copy = ET.SubElement(source, vehicle.tag, vehicle.attrib)
        copy.attrib |= {"id": str(number), "depart": f"{at_s:.2f}"}
        copy.attrib.pop("arrival", None)
        copy.extend(vehicle)
    ET.ElementTree(source).write(path, encoding="utf-8", xml_declaration=True)
    return path
