"""The queue model beside SUMO: random plans on the same vehicles, ranked by both.

Each world's vehicles are those that drove in one run of SUMO, on the routes they took and with the
departures that were due; they are the same in both models and under every plan. Plans are drawn
round those in service: each green times 0.5 to 1.6, any offset. What is compared is the mean delay
per vehicle (time loss + departure delay): its rank correlation over the plans, and its ratio.

    python -m benchmarks.queue_model [WORLD ...] [--plans 30] [--seed 1000] [--json FILE]

WORLD is a name or the path of a .sumocfg; without one: cologne8, ingolstadt7 and Bologna. The
model's constants (``traffic_brain.diagnosis.queue_model.HABITS``) were chosen looking at seed 3000
of cologne1, cologne3, cologne8 and ingolstadt7; report other seeds.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
from scipy import stats

from benchmarks.sumo_round_trip import BOLOGNA
from network_data.city import load_city
from network_data.importers import import_any
from sim_scenarios.outputs import read_routes, read_trips, summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, run, run_all
from sim_scenarios.scenario import PreparedScenario, assemble, prepare
from sim_scenarios.spec import ScenarioSpec, find
from traffic_brain.diagnosis.queue_model import (
    StreetMap,
    Way,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.errors import SimulationError
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

Plans = dict[str, SignalPlan]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How the two models rank one world's plans."""

    world: str
    plans: int
    vehicles: int
    junctions: int
    rank_correlation: float
    """Spearman's."""
    median_ratio: float
    """Delay of the queue model over SUMO's."""
    ratio_range_80: tuple[float, float]
    sumo_delay_s: tuple[float, ...]
    queue_delay_s: tuple[float, ...]
    junction_s_per_cpu_s: float
    """Junctions × simulated seconds, for each CPU second of the queue model."""
    sumo_s: float
    seed: int


def compare(spec: ScenarioSpec, folder: Path, *, plans: int, seed: int) -> Agreement:
    """Draw plans for a world and drive them in both models."""
    world = prepare(spec, folder / "world")
    net, additional = world.network_sources()
    (folder / "city").mkdir()
    import_any(net, additional, folder / "city", silent)
    city = street_map(load_city(folder / "city"))
    in_service = {
        junction_id: junction.plan_in_service
        for junction_id, junction in city.network.junctions.items()
        if junction.plan_in_service is not None
    }
    ways = _driven(world, folder / "observed")
    same = _same_vehicles(world, net, ways, folder / "same")
    drawn = [_drawn(in_service, random.Random(f"{seed}/{i}")) for i in range(plans)]
    started = time.monotonic()
    sumo = _in_sumo(same, drawn, folder)
    sumo_s = time.monotonic() - started
    queue, cpu_s = _in_queues(city, ways, drawn, world)
    ratios = np.array(queue) / np.array(sumo)
    return Agreement(
        world=spec.name,
        plans=plans,
        vehicles=len(ways),
        junctions=len(in_service),
        rank_correlation=float(stats.spearmanr(sumo, queue).statistic),
        median_ratio=float(np.median(ratios)),
        ratio_range_80=(float(np.quantile(ratios, 0.1)), float(np.quantile(ratios, 0.9))),
        sumo_delay_s=tuple(sumo),
        queue_delay_s=tuple(queue),
        junction_s_per_cpu_s=len(in_service) * (world.end_s - world.begin_s) * plans / cpu_s,
        sumo_s=sumo_s,
        seed=seed,
    )


def _driven(world: PreparedScenario, folder: Path) -> list[Way]:
    """Vehicles of one run with their due departure and the links they drove."""
    result = run(RunRequest(world, 1, folder, vehicle_routes=True))
    due = {t.vehicle_id: t.due_s for t in read_trips(result.trips_file, world.end_s)}
    routes = read_routes(result.vehicle_routes_file)
    ways = [(due[r.vehicle_id], r.links) for r in routes if r.vehicle_id in due]
    return sorted(ways)


def _same_vehicles(
    world: PreparedScenario, net: Path, ways: Sequence[Way], folder: Path
) -> PreparedScenario:
    """A scenario of those vehicles as cars, that no longer choose their routes."""
    folder.mkdir()
    lines = ["<routes>", ' <vType id="car" vClass="passenger"/>']
    lines += [
        f' <vehicle id="{i}" type="car" depart="{at_s:.1f}" departLane="best" departSpeed="max">'
        f"<route edges={quoteattr(' '.join(links))}/></vehicle>"
        for i, (at_s, links) in enumerate(ways)
    ]
    routes = folder / "cars.rou.xml"
    routes.write_text("\n".join([*lines, "</routes>", ""]), encoding="utf-8")
    return assemble(
        world.name,
        folder,
        net=net,
        routes=(routes,),
        begin_s=world.begin_s,
        end_s=world.end_s,
        time_to_teleport_s=-1,
        options={"ignore-route-errors": "true"},
    )


def _drawn(in_service: Plans, rng: random.Random) -> Plans:
    """Each green times 0.5 to 1.6, least greens kept, and any offset."""
    drawn = {}
    for junction_id, plan in sorted(in_service.items()):
        greens = tuple(
            max(stage.min_green_s, round(stage.green_s * rng.uniform(0.5, 1.6)))
            for stage in plan.stages
        )
        other = plan.with_greens(greens, "drawn")
        drawn[junction_id] = other.with_offset(rng.randrange(other.cycle_s))
    return drawn


def _in_sumo(same: PreparedScenario, drawn: Sequence[Plans], folder: Path) -> list[float]:
    requests = []
    for i, plans in enumerate(drawn):
        programs = write_programs(
            (replace(plan, plan_id="drawn") for plan in plans.values()), folder / f"{i}.add.xml"
        )
        requests.append(RunRequest(same, 1, folder / f"run-{i}", additional=(programs,)))
    delays = []
    for result in run_all(requests):
        if isinstance(result, SimulationError):
            raise result
        delays.append(summarise(result).delay_s_per_veh)
    return delays


def _in_queues(
    city: StreetMap, ways: Sequence[Way], drawn: Sequence[Plans], world: PreparedScenario
) -> tuple[list[float], float]:
    """Delays, and the CPU seconds of all runs but a first that compiles."""
    driven = journeys(city, ways)
    simulate(city, lamps(city, drawn[0]), driven, world.begin_s, world.end_s)
    started = time.process_time()
    delays = [
        simulate(city, lamps(city, p), driven, world.begin_s, world.end_s).delay_s_per_veh
        for p in drawn
    ]
    return delays, time.process_time() - started


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the worlds named, print a table, and write JSON where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("worlds", nargs="*", metavar="WORLD")
    parser.add_argument("--plans", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args(arguments)
    worlds = told.worlds or [
        "cologne8",
        "ingolstadt7",
        *([str(BOLOGNA)] if BOLOGNA.exists() else []),
    ]
    found = []
    print("world              plans  vehicles  rank corr.  ratio [10 %, 90 %]   junction-s/CPU s")
    for world in worlds:
        with tempfile.TemporaryDirectory(prefix="queue-model-") as name:
            one = compare(find(world), Path(name), plans=told.plans, seed=told.seed)
        found.append(one)
        low, high = one.ratio_range_80
        speed = f"{one.junction_s_per_cpu_s:,.0f}"
        print(
            f"{one.world:18} {one.plans:5}  {one.vehicles:8}  {one.rank_correlation:10.3f}"
            f"  {one.median_ratio:5.2f} [{low:.2f}, {high:.2f}]  {speed:>17}",
            flush=True,
        )
    if told.json:
        text = json.dumps([asdict(one) for one in found], ensure_ascii=False, indent=1)
        told.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
