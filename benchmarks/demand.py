"""Demand from counts against the truth, next to SUMO's routeSampler on the same counts.

Each world is recorded with its defects and fused. Compared with what really drove: the number of
vehicles; the hourly flow of every movement (GEH < 5); and the travel time of every link with
20 vehicles per hour or more (within 15 %), from one run of SUMO with the plans in service and the
demand as it was rebuilt. routeSampler gets the detector counts as the engine reads them (quarter
hours; by turn where lanes lead one way only, else by approach) and draws from two sets of candidate
routes: SUMO's randomTrips, and the engine's own routes with their frequencies as weights, which it
would not have alone. The last row is the ceiling: the world itself on another day, with the same
trips and another seed of the simulator; nothing rebuilt can be expected to come nearer.

    python -m benchmarks.demand [WORLD ...] --out DIR [--seed 1] [--json FILE]

WORLD is a name or the path of a .sumocfg; without one: all RESCO maps and Bologna. ``--out`` keeps
the recordings, and may be that of ``benchmarks.gate``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pyarrow.parquet as pq

from benchmarks.gate.cities import DAY, RecordedCity, recorded
from benchmarks.sumo_round_trip import default_worlds
from network_data.city import NET_FILE, SIGNALS_FILE
from network_data.importers.sumo.programs import elements
from network_data.sumo_tools import sumo_environment, sumo_home
from sim_scenarios.compare import geh
from sim_scenarios.demand import CAR, Vehicle, drivable_vehicles, write_draw
from sim_scenarios.outputs import read_link_bins, read_routes
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import assemble
from sim_scenarios.spec import find
from traffic_brain.feeds import police
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.fusion.counters import counters, live_detectors
from traffic_brain.fusion.state import State, load_state
from traffic_brain.fusion.window import DEMAND_BIN_S

Turn = tuple[str, str]
LEAST_VPH = 20.0
TIMEOUT_S = 900
OURS, RANDOM, SAME = "traffic-brain", "routeSampler, random", "routeSampler, our routes"
OTHER_DAY = "the world itself, other seed"
OTHER_SEED = 500


@dataclass(frozen=True)
class Fit:
    """One demand against the truth of its day."""

    world: str
    method: str
    vehicles: int
    true_vehicles: int
    good_geh_ratio: float
    movements: int
    near_time_ratio: float
    links: int
    wrong_time_median: float
    """Median over the links of |simulated / true - 1|."""


@dataclass(frozen=True)
class Driven:
    """What drove: per turn vehicles, per link vehicles and seconds each."""

    vehicles: int
    turns: Mapping[Turn, float]
    times_s: Mapping[str, tuple[float, float]]


def fits(world: RecordedCity) -> list[Fit]:
    """The rows of one world."""
    state = load_state(world.state, world.network)
    work = world.folder / ".demand"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    truth = _truth(world)
    ours = drivable_vehicles(state, world.network)
    demands = {OURS: ours}
    _write_counts(world, state, work)
    _write_own_routes(ours, work / "own.rou.xml")
    _random_routes(world, state, work)
    demands[RANDOM] = _sampled(world, state, work, "random.rou.xml")
    demands[SAME] = _sampled(world, state, work, "own.rou.xml", "--weighted")
    found = []
    for method, vehicles in demands.items():
        driven = _drive(world, state, vehicles, work / method.replace(", ", "-").replace(" ", "-"))
        found.append(_fit(world, state, method, driven, truth))
    shutil.rmtree(work)
    other_day = _truth(recorded(world.spec, world.folder.parent, world.seed + OTHER_SEED))
    return [*found, _fit(world, state, OTHER_DAY, other_day, truth)]


def _truth(world: RecordedCity) -> Driven:
    summary = json.loads((world.truth / "summary.json").read_text("utf-8"))
    turns: Counter[Turn] = Counter()
    for row in pq.read_table(world.truth / "movements.parquet").to_pylist():
        turns[row["from_link"], row["to_link"]] += row["flow_veh"]
    bins = [
        (row["link_id"], row["flow_veh"], row["speed_mps"])
        for row in pq.read_table(world.truth / "links.parquet").to_pylist()
    ]
    return Driven(summary["delay"]["vehicles"], turns, _times_s(world, bins))


def _times_s(
    world: RecordedCity, bins: Sequence[tuple[str, float, float]]
) -> dict[str, tuple[float, float]]:
    """(vehicles, mean seconds on the link) by link, from (link, vehicles, speed) of bins."""
    links = world.network.links
    total: dict[str, list[float]] = {}
    for link_id, vehicles, speed_mps in bins:
        if link_id in links and vehicles > 0 and speed_mps > 0:
            sums = total.setdefault(link_id, [0.0, 0.0])
            sums[0] += vehicles
            sums[1] += vehicles * links[link_id].length_m / speed_mps
    return {link_id: (n, seconds / n) for link_id, (n, seconds) in total.items()}


def _drive(world: RecordedCity, state: State, vehicles: Sequence[Vehicle], folder: Path) -> Driven:
    """One run of a demand as it is, with the plans in service."""
    folder.mkdir()
    ordered = sorted(vehicles, key=lambda v: v.depart_s)
    routes = folder / "trips.rou.xml"
    write_draw([v.depart_s for v in ordered], range(len(ordered)), ordered, routes)
    meter = folder / "meter.add.xml"
    meter.write_text(
        '<additional><edgeData id="all" file="links.xml" period="300" excludeEmpty="true"/>'
        "</additional>",
        encoding="utf-8",
    )
    scenario = assemble(
        "rebuilt city",
        folder,
        net=world.city / NET_FILE,
        routes=(routes,),
        additional=(world.city / SIGNALS_FILE, meter),
        begin_s=state.window.begin_s,
        end_s=state.window.end_s,
        time_to_teleport_s=-1,
        options={"ignore-route-errors": "true"},
    )
    result = run(RunRequest(scenario, world.seed, folder / "run", vehicle_routes=True))
    turns: Counter[Turn] = Counter()
    for route in read_routes(result.vehicle_routes_file):
        pairs = zip(route.links[:-1], route.links[1:], route.exit_times_s[:-1], strict=True)
        turns.update((a, b) for a, b, exit_s in pairs if exit_s >= 0)
    bins = [(b.link_id, b.left_veh, b.speed_mps) for b in read_link_bins(folder / "links.xml")]
    return Driven(len(vehicles), turns, _times_s(world, bins))


def _fit(world: RecordedCity, state: State, method: str, driven: Driven, truth: Driven) -> Fit:
    hours = state.window.hours
    pairs = [(m.from_link, m.to_link) for m in world.network.movements.values()]
    pairs = [p for p in pairs if truth.turns.get(p) or driven.turns.get(p)]
    flows = [np.array([d.turns.get(p, 0) / hours for p in pairs]) for d in (driven, truth)]
    good = geh(*flows) < 5.0
    used = [k for k, (n, _) in truth.times_s.items() if n / hours >= LEAST_VPH]
    never = (0.0, float("inf"))
    wrong = np.array(
        [abs(driven.times_s.get(k, never)[1] / truth.times_s[k][1] - 1.0) for k in used]
    )
    return Fit(
        world.spec.name,
        method,
        driven.vehicles,
        truth.vehicles,
        float(good.mean()),
        len(pairs),
        float((wrong <= 0.15).mean()),
        len(used),
        float(np.median(wrong)),
    )


def _write_counts(world: RecordedCity, state: State, work: Path) -> None:
    """The detectors' counts as the engine reads them, in quarter hours, for routeSampler."""
    day = police.read(world.feeds / police.FEED, world.network, DAY, Quarantine())
    counted = counters(world.network, day, live_detectors(day), state.window)
    edges: dict[str, np.ndarray] = {}
    turns: dict[str, np.ndarray] = {}
    for counter in counted:
        edge = f"<edge id={quoteattr(counter.link_id)} entered="
        edges[edge] = edges.get(edge, 0.0) + counter.counted
        if len(counter.to_links) == 1:
            pair = f"from={quoteattr(counter.link_id)} to={quoteattr(min(counter.to_links))}"
            turns[f"<edgeRelation {pair} count="] = counter.counted
    _write_data(work / "edges.xml", edges, state)
    _write_data(work / "turns.xml", turns, state)


def _write_data(path: Path, rows: Mapping[str, np.ndarray], state: State) -> None:
    """Rows, up to their count, with the counts of every quarter hour; unheard ones are left out."""
    lines = ["<data>"]
    for b, begin_s in enumerate(state.window.demand_bin_starts()):
        end_s = min(int(begin_s) + DEMAND_BIN_S, state.window.end_s)
        lines.append(f'<interval id="counts" begin="{int(begin_s)}" end="{end_s}">')
        lines += [
            f'{row}"{round(float(counts[b]))}"/>'
            for row, counts in rows.items()
            if np.isfinite(counts[b])
        ]
        lines.append("</interval>")
    path.write_text("\n".join([*lines, "</data>", ""]), encoding="utf-8")


def _write_own_routes(vehicles: Sequence[Vehicle], path: Path) -> None:
    ways = Counter(v.links for v in vehicles)
    lines = (
        f'<route id="r{i}" edges={quoteattr(" ".join(way))} probability="{count}"/>'
        for i, (way, count) in enumerate(ways.items())
    )
    path.write_text("<routes>\n" + "\n".join(lines) + "\n</routes>\n", encoding="utf-8")


def _random_routes(world: RecordedCity, state: State, work: Path) -> None:
    """Candidate routes as SUMO's own documentation makes them: ten times as many as needed."""
    length_s = state.window.end_s - state.window.begin_s
    _tool(
        "randomTrips.py",
        work,
        *("-n", str((world.city / NET_FILE).resolve()), "-r", "random.rou.xml"),
        *("-o", "random.trips.xml", "--seed", str(world.seed), "--fringe-factor", "10"),
        *("-b", "0", "-e", str(length_s), "-p", "0.2", "--validate"),
    )


def _sampled(
    world: RecordedCity, state: State, work: Path, routes: str, *options: str
) -> list[Vehicle]:
    """Vehicles that routeSampler draws from candidate routes."""
    out = f"sampled-{routes}"
    _tool(
        "routeSampler.py",
        work,
        *("-r", routes, "--edgedata-files", "edges.xml", "--turn-files", "turns.xml"),
        *("--edgedata-attribute", "entered", "-o", out, "--seed", str(world.seed)),
        *("-b", str(state.window.begin_s), "-e", str(state.window.end_s)),
        *("-i", str(DEMAND_BIN_S), *options),
    )
    found = []
    for e in elements(work / out, ends_of=frozenset({"vehicle"})):
        route = e.find("route")
        assert route is not None
        links = tuple(route.attrib["edges"].split())
        found.append(Vehicle(float(e.attrib["depart"]), links, CAR))
    return found


def _tool(name: str, work: Path, *arguments: str) -> None:
    """One of SUMO's Python tools as a process of its own."""
    subprocess.run(
        [sys.executable, str(sumo_home() / "tools" / name), *arguments],
        cwd=work,
        env=sumo_environment(),
        check=True,
        capture_output=True,
        timeout=TIMEOUT_S,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print a row per world and method; returns the exit code."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    found: list[Fit] = []
    print(
        f"{'world':14}{'demand':30}{'vehicles':>9}{'true':>7}{'':>8}"
        f"{'GEH<5':>8}{'of':>5}{'time ±15%':>11}{'of':>5}{'median off':>12}"
    )
    for spec in [find(w) for w in options.worlds] or default_worlds():
        for f in fits(recorded(spec, options.out, options.seed)):
            found.append(f)
            print(
                f"{f.world:14}{f.method:30}{f.vehicles:9}{f.true_vehicles:7}"
                f"{f.vehicles / f.true_vehicles - 1:+8.1%}{f.good_geh_ratio:8.1%}{f.movements:5}"
                f"{f.near_time_ratio:11.1%}{f.links:5}{f.wrong_time_median:12.1%}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps([asdict(f) for f in found], indent=1), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
