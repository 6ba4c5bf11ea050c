"""A generated city of Hefei's size: making, reading, checking, and ten minutes of SUMO.

Run ``python -m benchmarks.generated_city [--junctions 2380] [--seed 1] [--again]``; the figures
are written as JSON. ``--again`` makes it once more, in a process that hashes differently, and
compares every byte.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

from network_data.checks import problems
from network_data.city import load_city
from network_data.sumo_tools import sumo_environment, sumo_program
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import judge, rules_inputs

TEN_MINUTES_S = 600
_MAKE = (
    "import sys; from pathlib import Path; from network_data.generated_city import generate; "
    "generate(Path(sys.argv[1]), junctions=int(sys.argv[2]), seed=int(sys.argv[3]))"
)
Figures = dict[str, object]


def measure(junctions: int, seed: int, again: bool) -> Figures:
    """All figures of one city."""
    figures: Figures = {"junctions": junctions, "seed": seed, "load_average": os.getloadavg()[0]}
    with TemporaryDirectory() as folder:
        city = Path(folder) / "city"
        with timed("make", figures):
            make(city, junctions, seed, hash_seed="1")
        figures["make_peak_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        if again:
            make(Path(folder) / "again", junctions, seed, hash_seed="2")
            figures["same_bytes"] = files(city) == files(Path(folder) / "again")
        with timed("load", figures):
            network = load_city(city)
        with timed("graph_and_arrays", figures):
            figures["graph_edges"] = network.graph.number_of_edges()
            figures["array_bytes"] = sum(
                getattr(value, "nbytes", 0) for value in vars_of(network.arrays)
            )
        with timed("check", figures):
            figures["problems"] = len(problems(network))
            figures["violations"] = violation_count(network)
        figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        figures |= describe(network)
        figures |= drive(city)
    return figures


def make(folder: Path, junctions: int, seed: int, *, hash_seed: str) -> None:
    """Make a city in a process of its own."""
    subprocess.run(
        [sys.executable, "-c", _MAKE, str(folder), str(junctions), str(seed)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
    )


@contextmanager
def timed(what: str, figures: Figures) -> Iterator[None]:
    """Wall-clock and CPU seconds, of children too."""
    cpu_s, wall_s = _cpu_s(), time.monotonic()
    yield
    figures[f"{what}_s"] = round(time.monotonic() - wall_s, 1)
    figures[f"{what}_cpu_s"] = round(_cpu_s() - cpu_s, 1)


def _cpu_s() -> float:
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usages = [resource.getrusage(one) for one in who]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def files(folder: Path) -> dict[str, bytes]:
    """All files of a folder by relative name."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def vars_of(record: object) -> list[object]:
    """Values of a dataclass, with slots or without."""
    names = getattr(record, "__dataclass_fields__", {})
    return [getattr(record, name) for name in names]


def violation_count(network: RoadNetwork) -> int:
    """Rules broken by any plan of the city."""
    inputs = rules_inputs(network)
    return sum(
        len(judge(plan, inputs[junction_id]))
        for junction_id, junction in network.junctions.items()
        for plan in junction.plans
    )


def describe(network: RoadNetwork) -> Figures:
    """What kind of city it is."""
    classes: Counter[str] = Counter()
    for link in network.links.values():
        classes[link.road_class] += round(link.length_m)
    neighbours: Mapping[str, set[str]] = {j: set() for j in network.junctions}
    for link in network.links.values():
        name = re.sub(r"[ab](\.bay)?$", "", link.link_id)
        for node in (link.from_node, link.to_node):
            if node in neighbours:
                neighbours[node].add(name)
    return {
        "links": len(network.links),
        "roads": len({re.sub(r"[ab](\.bay)?$", "", link_id) for link_id in network.links}),
        "zones": len(network.zones),
        "plans": sum(len(j.plans) for j in network.junctions.values()),
        "detectors": len(network.detectors),
        "crossings": len(network.crossings),
        "turn_bays": sum(link_id.endswith(".bay") for link_id in network.links),
        "legs": dict(sorted(Counter(len(roads) for roads in neighbours.values()).items())),
        "km_by_class": {name: round(m / 1000) for name, m in sorted(classes.items())},
    }


def drive(city: Path) -> Figures:
    """Load the city in SUMO and let the first ten minutes of its morning run."""
    summary = city.parent / "summary.xml"
    begin_s = int(next(ET.parse(city / "sumo/city.sumocfg").iter("begin")).attrib["value"])
    started = time.monotonic()
    done = subprocess.run(
        [
            *(str(sumo_program()), "-c", str(city / "sumo/city.sumocfg")),
            *("--end", str(begin_s + TEN_MINUTES_S), "--no-step-log"),
            *("--summary-output", str(summary)),
        ],
        env=sumo_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    last = list(ET.parse(summary).getroot())[-1].attrib
    told = ("inserted", "running", "waiting", "arrived", "teleports", "collisions", "meanSpeed")
    return {
        "sumo_s": round(time.monotonic() - started, 1),
        "sumo_warnings": len([line for line in done.stderr.splitlines() if line.strip()]),
        **{f"sumo_{name}": float(last[name]) for name in told},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--junctions", type=int, default=2380)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--again", action="store_true")
    options = parser.parse_args()
    figures = measure(options.junctions, options.seed, options.again)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
