"""A whole city, part by part, into a city folder."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from network_data.city import NET_FILE, SIGNALS_FILE, save_city
from network_data.generated_city.blocks import OUTSIDE, Point, StreetMap
from network_data.generated_city.demand import make_demand, write_demand
from network_data.generated_city.devices import place_detectors
from network_data.generated_city.junctions import CityDraft, draft
from network_data.generated_city.names import Namer
from network_data.generated_city.plans import Service, make_services
from network_data.generated_city.roads import RoadPlan, plan_roads
from network_data.generated_city.scale import Scale
from network_data.generated_city.skeleton import draw
from network_data.generated_city.stages import sites
from network_data.generated_city.streets import Centres, centres_of, lay
from network_data.generated_city.zones import plan_zones
from network_data.importers.sumo.network import read_network
from network_data.loss_report import FILE as LOSSES_FILE
from network_data.loss_report import Loss, LossReport
from network_data.writers.sumo_net import write_sumo_net
from traffic_brain.errors import ConfigurationError, DataRefused
from traffic_brain.model.network import Junction, RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.progress import Progress, silent

LARGEST_SEED = 2**32 - 1
SURROUNDINGS_FILE = "surroundings.json"
DRAWINGS = 30
"""How often streets are laid anew where they find no room; hardly ever, and in tiny cities."""
_PARTS = (
    *("skeleton", "streets", "names", "roads", "zones", "junctions"),
    *("demand", "plans", "detectors"),
)
"""Each part draws its own random numbers: a change to one leaves the others as they are."""


def generate(
    folder: Path, *, junctions: int = 2380, seed: int = 1, progress: Progress = silent
) -> dict[str, int]:
    """Make a city of so many signalised junctions in ``folder``; returns row counts.

    The folder, made if it is not there, holds the city's tables, ``sumo/net.xml.gz`` with the
    plans that run in the morning, ``sumo/signals.add.xml`` with all others and their windows,
    ``sumo/demand.rou.xml.gz`` and ``sumo/city.sumocfg``, which SUMO can run; ``surroundings.json``
    has the outlines of rivers and parks. The same number and seed give the same bytes.

    Raises:
        ConfigurationError: a number of junctions or a seed out of range, or SUMO is missing.
        DataRefused: this seed finds no room for the streets; not seen yet.
        SimulationError: netconvert fails.
    """
    scale = Scale(junctions)
    if not 0 <= seed <= LARGEST_SEED:
        raise ConfigurationError(f"seed {seed} is out of range", f"take 0 to {LARGEST_SEED}")
    random = {part: np.random.default_rng([seed, n]) for n, part in enumerate(_PARTS)}
    folder.mkdir(parents=True, exist_ok=True)
    losses = LossReport()
    progress(0.0, "laying streets")
    streets, plan, city, centres = _planned(scale, f"generated-{junctions}-{seed}", random)
    progress(0.25, "drawing junctions")
    net = write_sumo_net(city.network, folder, keep_lengths=False, losses=losses)
    progress(0.4, "reading the network back")
    drawn = _completed(read_network(net, [], LossReport()), city.network)
    progress(0.6, "making demand")
    demand = make_demand(drawn, centres, random["demand"])
    progress(0.7, "timing signals")
    here = list(sites(drawn, city.crossroads, demand.peak_flow_vph))
    services = make_services(here, plan, random["plans"])
    finished = replace(
        _in_service(drawn, services), detectors=place_detectors(drawn, random["detectors"])
    )
    progress(0.75, "drawing junctions for their plans")
    # Where cars wait inside a junction depends on who is green together: nothing else changes.
    write_sumo_net(_in_service(city.network, services), folder, keep_lengths=False)
    progress(0.9, "writing the city folder")
    write_demand(demand, folder)
    finished = replace(finished, sources=_sources(folder / NET_FILE, folder / SIGNALS_FILE))
    save_city(finished, folder)
    for movement_id in finished.movements:
        losses.note(Loss.DEFAULTED, "saturation flow of a movement, by its turn", movement_id)
    (folder / LOSSES_FILE).write_text(to_json(losses.as_dict()), encoding="utf-8")
    (folder / SURROUNDINGS_FILE).write_text(to_json(_surroundings(streets)), encoding="utf-8")
    progress(1.0, "city made")
    counted = {"roads": len(plan.roads), "trips": len(demand.routes)}
    return _counts(finished) | counted | {"bridges": _bridge_count(streets, plan)}


def _planned(
    scale: Scale, name: str, random: Mapping[str, np.random.Generator]
) -> tuple[StreetMap, RoadPlan, CityDraft, Centres]:
    """Streets, roads, zones and junctions, before SUMO draws them."""
    for _ in range(DRAWINGS):
        streets = draw(scale, random["skeleton"]).streets
        centres = centres_of(scale, random["streets"])
        if lay(streets, scale, centres, random["streets"]):
            break
    else:
        raise DataRefused(f"no room for {scale.junctions} junctions", "take another seed")
    namer = Namer(random["names"])
    plan = plan_roads(streets, scale, namer, random["roads"])
    zones = plan_zones(streets, plan, scale.zone_count, namer, random["zones"])
    return streets, plan, draft(name, plan, zones, random["junctions"]), centres


def _completed(drawn: RoadNetwork, drafted: RoadNetwork) -> RoadNetwork:
    """What SUMO has drawn, with the names and zones that its files do not hold."""
    links = {
        link_id: replace(
            link,
            name=drafted.links[link_id].name,
            name_latin=drafted.links[link_id].name_latin,
            zone_id=drafted.links[link_id].zone_id,
        )
        for link_id, link in drawn.links.items()
    }
    junctions = {
        junction_id: replace(
            junction,
            name=drafted.junctions[junction_id].name,
            name_latin=drafted.junctions[junction_id].name_latin,
            zone_id=drafted.junctions[junction_id].zone_id,
        )
        for junction_id, junction in drawn.junctions.items()
    }
    return replace(drawn, name=drafted.name, links=links, junctions=junctions, zones=drafted.zones)


def _in_service(network: RoadNetwork, services: Sequence[Service]) -> RoadNetwork:
    junctions = dict(network.junctions)
    for service in services:
        junctions[service.junction_id] = _lit(junctions[service.junction_id], service)
    windows = tuple(window for service in services for window in service.windows)
    return replace(network, junctions=junctions, plan_windows=windows)


def _lit(junction: Junction, service: Service) -> Junction:
    return replace(
        junction,
        plan_in_service=service.plans[0],
        other_plans=service.plans[1:],
        control="fixed",
        problems=(),
    )


def _sources(*files: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _surroundings(streets: StreetMap) -> dict[str, list[list[Point]]]:
    """What lies between the streets: outlines of water and parks, in metres."""
    kinds = {
        "water": [block for block in streets.blocks if block.water],
        "parks": [block for block in streets.blocks if block.park],
    }
    return {
        kind: [[(round(x, 2), round(y, 2)) for x, y in streets.outline(b).tolist()] for b in blocks]
        for kind, blocks in kinds.items()
    }


def _bridge_count(streets: StreetMap, plan: RoadPlan) -> int:
    """Roads with water on both sides, or on one at the edge of town."""
    wet = {i for i, block in enumerate(streets.blocks) if block.water} | {OUTSIDE}
    return sum({road.left, road.right} <= wet and road.left != road.right for road in plan.roads)


def _counts(network: RoadNetwork) -> dict[str, int]:
    plans: Sequence[int] = [len(junction.plans) for junction in network.junctions.values()]
    return {
        "links": len(network.links),
        "connections": len(network.connections),
        "movements": len(network.movements),
        "junctions": len(network.junctions),
        "retimable_junctions": sum(
            j.plan_in_service is not None and len(j.plan_in_service.stages) > 1
            for j in network.junctions.values()
        ),
        "crossings": len(network.crossings),
        "detectors": len(network.detectors),
        "zones": len(network.zones),
        "plans": sum(plans),
    }
