"""A world on another day: its trips drawn anew with replacement, each at another time.

A world whose demand is told in streams of vehicles has no trips to draw: there are more or fewer.
"""

from __future__ import annotations

import random
from pathlib import Path
from xml.etree import ElementTree as ET

from sim_scenarios.scenario import PreparedScenario
from traffic_brain.errors import DataRefused

REDRAWN_S = 120.0
"""A redrawn departure lies up to so much before or after the one it is drawn from."""
_STREAMS = ("flow", "personFlow", "person", "containerFlow")


def redraw(world: PreparedScenario, configuration: Path, seed: int, ratio: float = 1.0) -> Path:
    """Write a ``.sumocfg`` of the world with redrawn trips, their file beside it.

    Args:
        ratio: so many times as many vehicles as the world has in its window.

    Raises:
        DataRefused: the demand is not told vehicle by vehicle.
    """
    configuration.parent.mkdir(parents=True, exist_ok=True)
    routes = configuration.with_suffix(".rou.xml").resolve()
    _write_trips(world, routes, random.Random(f"redrawn/{seed}"), ratio)
    return _written(world, configuration, {"route-files": str(routes)})


def scaled(world: PreparedScenario, configuration: Path, ratio: float) -> Path:
    """Write a ``.sumocfg`` of the world with ``ratio`` times as many vehicles, drawn by SUMO."""
    configuration.parent.mkdir(parents=True, exist_ok=True)
    told = ET.parse(world.sumocfg).getroot().find("scale")
    usual = float(told.get("value", "1")) if told is not None else 1.0
    return _written(world, configuration, {"scale": f"{usual * ratio:.4f}"})


def _written(world: PreparedScenario, configuration: Path, options: dict[str, str]) -> Path:
    """With the world's additional files, so that the day runs from its ``.sumocfg`` alone."""
    if world.additional_files:
        files = (str(path.resolve()) for path in world.additional_files)
        options = options | {"additional-files": ",".join(files)}
    tree = ET.parse(world.sumocfg)
    root = tree.getroot()
    for name, value in options.items():
        option = root.find(name)
        if option is None:
            option = ET.SubElement(root, name)
        option.set("value", value)
    tree.write(configuration, encoding="utf-8", xml_declaration=True)
    return configuration


def _write_trips(world: PreparedScenario, path: Path, rng: random.Random, ratio: float) -> None:
    others = ET.Element("routes")
    vehicles: list[ET.Element] = []
    for file in (p for p in world.source_files if ".rou" in p.name or "trips" in p.name):
        for element in ET.parse(file).getroot():
            if element.tag in _STREAMS:
                raise DataRefused(
                    f"{file.name}: a <{element.tag}> cannot be redrawn",
                    "make single vehicles of it with duarouter",
                )
            if element.tag not in ("trip", "vehicle"):
                others.append(element)
            elif world.begin_s <= float(element.attrib["depart"]) < world.end_s:
                vehicles.append(element)
    if not vehicles:
        raise DataRefused(
            f"no file of {world.name} tells of single vehicles",
            "name the file of its trips …trips.xml or ….rou.xml",
        )
    drawn = []
    for _ in range(round(ratio * len(vehicles))):
        vehicle = rng.choice(vehicles)
        at_s = float(vehicle.attrib["depart"]) + rng.uniform(-REDRAWN_S, REDRAWN_S)
        drawn.append((min(max(at_s, world.begin_s), world.end_s - 1.0), vehicle))
    for number, (at_s, vehicle) in enumerate(sorted(drawn, key=lambda pair: pair[0])):
        copy = ET.SubElement(others, vehicle.tag, vehicle.attrib)
        copy.attrib |= {"id": str(number), "depart": f"{at_s:.2f}"}
        copy.attrib.pop("arrival", None)
        copy.extend(vehicle)
    ET.ElementTree(others).write(path, encoding="utf-8", xml_declaration=True)
