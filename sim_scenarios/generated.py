"""A small generated city: a grid of signals with an uneven peak hour, always available.

The network is SUMO's ``netgenerate`` grid; its plans in service are the generator's own (equal
splits, one cycle, no coordination), a fair likeness of plans nobody has touched for years.
The demand is ours: trips between the ends of the streets, where some streets draw far more
than others, so that equal splits are wrong in a way that can be found from data.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from network_data.importers.sumo.programs import elements
from network_data.sumo_tools import run_tool
from traffic_brain.errors import ConfigurationError

SPREAD_OF_PULL = 0.7
"""Spread of the log of what a street draws: a few streets carry most of the traffic."""
_COMMENT = re.compile(r"<!--.*?-->\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class GeneratedCity:
    """Size and demand of a generated city. Raises ConfigurationError when out of range."""

    rows: int = 3
    columns: int = 3
    block_m: float = 250.0
    lane_count: int = 3
    cycle_s: int = 90
    demand_vph: float = 3600.0
    duration_s: int = 3600
    seed: int = 1

    def __post_init__(self) -> None:
        limits = {
            "rows": (2, 60),
            "columns": (2, 60),
            "block_m": (80, 2000),
            "lane_count": (1, 5),
            "cycle_s": (40, 180),
            "demand_vph": (1, 1e6),
            "duration_s": (60, 86400),
            "seed": (0, 2**31 - 1),
        }
        wrong = [
            f"{name} = {getattr(self, name)} is not in {low} … {high}"
            for name, (low, high) in limits.items()
            if not low <= getattr(self, name) <= high
        ]
        if wrong:
            raise ConfigurationError("; ".join(wrong), "correct the generated city's settings")


def build(city: GeneratedCity, folder: Path) -> Path:
    """Write the city's network, trips and configuration into ``folder``; the same bytes each time.

    Returns the path of the ``.sumocfg``. Raises SimulationError when netgenerate fails.
    """
    folder = folder.resolve()  # the tool runs inside it
    folder.mkdir(parents=True, exist_ok=True)
    net = folder / "city.net.xml"
    arms_m = city.block_m
    run_tool(
        "netgenerate",
        [
            *("--grid", "--grid.x-number", str(city.columns), "--grid.y-number", str(city.rows)),
            *("--grid.length", str(city.block_m), "--grid.attach-length", str(arms_m)),
            *("--default.lanenumber", str(city.lane_count), "--no-turnarounds", "true"),
            *("--default-junction-type", "traffic_light", "--tls.cycle.time", str(city.cycle_s)),
            *("--output-file", str(net)),
        ],
        folder=folder,
    )
    # The generator's head comment carries the time of day and this folder's path.
    net.write_text(_COMMENT.sub("", net.read_text("utf-8")), "utf-8")
    _write_trips(city, net, folder / "city.rou.xml")
    return _write_configuration(city, folder / "city.sumocfg")


def _write_trips(city: GeneratedCity, net: Path, path: Path) -> None:
    sources, sinks = ends_of_streets(net)
    rng = np.random.default_rng(city.seed)
    pull = {node: float(rng.lognormal(0.0, SPREAD_OF_PULL)) for node in sorted(sources)}
    pairs = [(a, b) for a in sorted(sources) for b in sorted(sinks) if a != b]
    weights = np.array([pull[a] * pull[b] for a, b in pairs])
    count = round(city.demand_vph * city.duration_s / 3600)
    chosen = rng.choice(len(pairs), size=count, p=weights / weights.sum())
    departures = np.sort(rng.uniform(0, city.duration_s - 1, size=count))
    root = ET.Element("routes")
    ET.SubElement(root, "vType", id="car", vClass="passenger")
    for idx, (departure, pair_idx) in enumerate(zip(departures, chosen, strict=True)):
        origin, destination = pairs[pair_idx]
        ET.SubElement(
            root,
            "trip",
            id=f"t{idx}",
            type="car",
            depart=f"{departure:.1f}",
            departLane="best",
            departSpeed="max",
            attrib={"from": sources[origin], "to": sinks[destination]},
        )
    _write(root, path)


def ends_of_streets(net: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Edges that enter and edges that leave the city, by their outer node."""
    ends: set[str] = set()
    ways = []
    for element in elements(net, ends_of=frozenset({"edge", "junction"})):
        if element.get("type") == "dead_end":
            ends.add(element.attrib["id"])
        elif element.get("from"):
            ways.append((element.attrib["id"], element.attrib["from"], element.attrib["to"]))
    sources = {start: edge for edge, start, _ in ways if start in ends}
    sinks = {end: edge for edge, _, end in ways if end in ends}
    return sources, sinks


def _write_configuration(city: GeneratedCity, path: Path) -> Path:
    root = ET.Element("configuration")
    inputs = ET.SubElement(root, "input")
    ET.SubElement(inputs, "net-file", value="city.net.xml")
    ET.SubElement(inputs, "route-files", value="city.rou.xml")
    times = ET.SubElement(root, "time")
    ET.SubElement(times, "begin", value="0")
    ET.SubElement(times, "end", value=str(city.duration_s))
    _write(root, path)
    return path


def _write(root: ET.Element, path: Path) -> None:
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
