"""What a city folder holds, in a few figures."""

from __future__ import annotations

from pathlib import Path

from network_data.checks import missing_at, problems, unsound
from network_data.city import load_city
from network_data.loss_report import FILE
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json


def summary_of(city: Path) -> dict[str, int]:
    """Figures of a city folder, as ``network import`` prints them.

    ``stages`` are those of the plans in service, ``plans`` all that are registered; ``losses``
    and ``to_fix`` count rows of the loss report.

    Raises:
        ConfigurationError, DataRefused: as ``load_city``.
    """
    network = load_city(city)
    report = read_json(city / FILE) if (city / FILE).is_file() else {}
    return {
        **figures(network),
        "losses": len(report.get("losses", ())),
        "to_fix": len(report.get("to_fix", ())),
    }


def figures(network: RoadNetwork) -> dict[str, int]:
    """Figures of a network alone; in an unsound one no junction counts as complete."""
    junctions = network.junctions.values()
    in_service = [j.plan_in_service for j in junctions if j.plan_in_service is not None]
    found = problems(network)
    complete = () if unsound(found) else [j for j in junctions if not missing_at(network, j)]
    return {
        "links": len(network.links),
        "junctions": len(network.junctions),
        "complete_junctions": len(complete),
        "movements": len(network.movements),
        "plans": sum(len(j.plans) for j in junctions),
        "stages": sum(len(plan.stages) for plan in in_service),
        "zones": len(network.zones),
        "detectors": len(network.detectors),
        "problems": len(found),
    }
