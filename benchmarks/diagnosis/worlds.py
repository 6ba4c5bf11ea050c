"""The worlds in which faults are planted: streets, a peak hour, and plans that fit them.

Generated grids have a bay for each left turn and a demand in which some streets draw far more than
others; maps of RESCO keep their own demand, scaled. In every world the optimiser's best plans run,
chosen by the world itself on a day of its own, so that what is wrong later is what was planted.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from network_data.city import load_city
from network_data.importers import import_any
from network_data.sumo_tools import run_tool
from optimizers.params import OptimizeParams
from optimizers.solve import optimize
from sim_scenarios.generated import ends_of_streets
from sim_scenarios.outputs import summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import ScenarioSpec, find
from sim_scenarios.world import record
from traffic_brain.diagnosis.diagnose import diagnose
from traffic_brain.fusion.fuse import fuse
from traffic_brain.model.documents import candidates_from_dict, plans_from_json, plans_to_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

DAY = date(2026, 11, 2)
NET_FILE, ROUTES_FILE, PLANS_FILE = "city.net.xml", "city.rou.xml", "base.json"
BAY_M = 90.0
SPREAD_OF_PULL = 0.45
MAKING_SEED = 71
TRIAL_SEEDS = (8_100_001,)
"""Days on which the plans of a world are chosen; no case is recorded on one of them."""
TRIALS = 3
"""Of the optimiser's candidates, its best first, that the world tries."""


@dataclass(frozen=True)
class Grid:
    """A generated city: ``rows`` × ``columns`` signals on streets of two lanes, with bays."""

    rows: int
    columns: int
    block_m: float
    demand_vph: float
    cycle_s: int
    pull_seed: int


@dataclass(frozen=True)
class World:
    """A world before anything is planted; ``map_name``: of an installed map, or ``grid``.

    ``cycle_s``: the cycle that all its signals share; None: as the optimiser finds best.
    """

    name: str
    grid: Grid | None = None
    map_name: str | None = None
    scale: float = 1.0
    cycle_s: int | None = None


WORLDS = (
    World("grid-a", Grid(3, 3, 300.0, 5400.0, 80, 5)),
    World("grid-b", Grid(3, 4, 260.0, 5700.0, 90, 8)),
    World("grid-c", Grid(4, 4, 320.0, 6600.0, 80, 13)),
    World("grid-d", Grid(3, 3, 350.0, 5600.0, 100, 21), cycle_s=100),
    World("cologne3", map_name="cologne3", scale=0.9),
    World("cologne8", map_name="cologne8", scale=1.0),
    World("ingolstadt7", map_name="ingolstadt7", scale=0.75),
    World("rescogrid", map_name="grid4x4", scale=1.0),
)


@dataclass(frozen=True)
class Ready:
    """A world in a folder, with its plans."""

    world: World
    folder: Path
    begin_s: int
    end_s: int
    inputs: tuple[Path, ...]
    """Additional files of the map itself."""
    options: tuple[tuple[str, str], ...]

    @property
    def net(self) -> Path:
        return self.folder / NET_FILE

    @property
    def network(self) -> RoadNetwork:
        return load_city(self.folder / "city")

    @property
    def plans(self) -> dict[str, SignalPlan]:
        """The plans that run where nothing is planted."""
        text = (self.folder / PLANS_FILE).read_text("utf-8")
        return {p.junction_id: p for p in plans_from_json(text)}

    def configuration(
        self,
        folder: Path,
        seed: int,
        plans: Sequence[SignalPlan],
        *,
        scale: float = 1.0,
        additional: Sequence[Path] = (),
    ) -> ScenarioSpec:
        """A world of its own in ``folder``, on the day ``seed``: other plans, demand."""
        folder.mkdir(parents=True, exist_ok=True)
        routes = self.folder / ROUTES_FILE
        if self.world.grid is not None:
            routes = folder / ROUTES_FILE
            _write_trips(self.world.grid, self.net, routes, seed)
        files = [*self.inputs, *additional]
        if plans:
            files.append(write_programs(plans, folder / "plans.add.xml"))
        settings = {
            "net-file": str(self.net),
            "route-files": str(routes),
            "additional-files": ",".join(map(str, files)),
            "scale": f"{self.world.scale * scale:g}",
            "begin": str(self.begin_s),
            "end": str(self.end_s),
            "time-to-teleport": "-1",
            **dict(self.options),
        }
        root = ET.Element("configuration")
        for name, value in settings.items():
            if value:
                ET.SubElement(root, name, value=value)
        ET.indent(root)
        path = folder / "world.sumocfg"
        ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
        return ScenarioSpec(self.world.name, sumocfg=path, begin_s=self.begin_s, end_s=self.end_s)

    def delay_s(self, folder: Path, seed: int, plans: Sequence[SignalPlan]) -> float:
        """Mean delay per vehicle on a day of the world under plans."""
        spec = self.configuration(folder / "world", seed, plans)
        result = run(RunRequest(prepare(spec, folder / "prepared"), seed, folder / "run"))
        delay = summarise(result).delay_s_per_veh
        shutil.rmtree(folder)
        return delay


def ready(world: World, out: Path) -> Ready:
    """The world's folder in ``out``, made where it is not there yet."""
    folder = out.resolve() / "worlds" / world.name
    about = folder / "about.json"
    if about.is_file():
        known = json.loads(about.read_text("utf-8"))
        if known["world"] != json.loads(json.dumps(asdict(world))):
            raise SystemExit(f"{folder} was made of another world: choose another --out")
        return Ready(
            world,
            folder,
            known["begin_s"],
            known["end_s"],
            tuple(map(Path, known["inputs"])),
            tuple((k, v) for k, v in known["options"]),
        )
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = _grid(world, folder) if world.grid else _map(world, folder)
    _choose_plans(made)
    document = {
        "world": asdict(world),
        "begin_s": made.begin_s,
        "end_s": made.end_s,
        "inputs": [str(p) for p in made.inputs],
        "options": [list(pair) for pair in made.options],
    }
    about.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return made


def _grid(world: World, folder: Path) -> Ready:
    grid = world.grid
    assert grid is not None
    run_tool(
        "netgenerate",
        [
            *("--grid", "--grid.x-number", str(grid.columns), "--grid.y-number", str(grid.rows)),
            *("--grid.length", str(grid.block_m), "--grid.attach-length", str(grid.block_m)),
            *("--default.lanenumber", "2", "--no-turnarounds", "true"),
            *("--default-junction-type", "traffic_light", "--tls.cycle.time", str(grid.cycle_s)),
            *("--turn-lanes", "1", "--turn-lanes.length", str(BAY_M), "--tls.left-green.time", "9"),
            *("--output-file", str(folder / NET_FILE)),
        ],
        folder=folder,
    )
    return Ready(world, folder, 0, 3600, (), ())


def _map(world: World, folder: Path) -> Ready:
    spec = find(world.map_name or "")
    scenario = prepare(spec, folder / "original")
    root = ET.parse(scenario.sumocfg).getroot()
    told = {e.tag: e.get("value", "") for e in root.iter() if e.get("value") is not None}
    shutil.copyfile(scenario.net_file, folder / NET_FILE)
    shutil.copyfile(told["route-files"], folder / ROUTES_FILE)
    ours = {"net-file", "route-files", "additional-files", "scale", "begin", "end"}
    ours |= {"time-to-teleport", "max-depart-delay"}
    options = tuple((k, v) for k, v in told.items() if k not in ours)
    return Ready(
        world, folder, scenario.begin_s, scenario.end_s, scenario.additional_files, options
    )


def _choose_plans(made: Ready) -> None:
    """The optimiser's candidate with which the world itself does best, or the plans it came with.

    What the engine needs for it, it learns as ever: from the feeds of a recorded day.
    """
    work = made.folder / ".making"
    shutil.rmtree(work, ignore_errors=True)
    spec = made.configuration(work / "world", MAKING_SEED, ())
    scenario = prepare(spec, work / "prepared")
    city = made.folder / "city"
    for folder in (city, work / "state", work / "diagnosis", work / "plans"):
        folder.mkdir(parents=True)
    import_any(*scenario.network_sources(), city, silent)
    feeds = work / "feeds" / DAY.isoformat()
    record(spec, feeds, work / "truth", seed=MAKING_SEED, service_day=DAY)
    fuse(city, feeds, work / "state", seed=MAKING_SEED)
    diagnose(city, work / "state", work / "diagnosis")
    one = made.world.cycle_s
    params = OptimizeParams(common_cycles_s=(one,), local_cycles_s=(one,)) if one else None
    optimize(
        *(city, work / "state", work / "diagnosis", work / "plans"),
        seed=MAKING_SEED,
        params=params,
    )
    running = {
        j: replace(junction.plan_in_service, plan_id="base")
        for j, junction in made.network.junctions.items()
        if junction.plan_in_service is not None and len(junction.plan_in_service.stages) > 1
    }
    found = candidates_from_dict(read_json(work / "plans" / "candidates.json"))
    choices = [
        {**running, **{p.junction_id: replace(p, plan_id="base") for p in plans}}
        for plans in [(), *list(found.values())[:TRIALS]]
    ]
    means = [
        float(np.mean([made.delay_s(work / "trial", s, list(c.values())) for s in TRIAL_SEEDS]))
        for c in choices
    ]
    best = choices[int(np.argmin(means))]
    text = plans_to_json([best[j] for j in sorted(best)])
    (made.folder / PLANS_FILE).write_text(text, encoding="utf-8")
    told = {"in_service_s_per_veh": means[0], "chosen_s_per_veh": min(means)}
    (made.folder / "delay.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
    shutil.rmtree(work)


def _write_trips(grid: Grid, net: Path, path: Path, seed: int) -> None:
    """Trips between the ends of the streets; a day differs from the next in who drives when."""
    sources, sinks = ends_of_streets(net)
    pulls = np.random.default_rng(grid.pull_seed)
    pull = {node: float(pulls.lognormal(0.0, SPREAD_OF_PULL)) for node in sorted(sources)}
    pairs = [(a, b) for a in sorted(sources) for b in sorted(sinks) if a != b]
    weights = np.array([pull[a] * pull[b] for a, b in pairs])
    rng = np.random.default_rng([grid.pull_seed, seed])
    count = int(rng.poisson(grid.demand_vph))
    chosen = rng.choice(len(pairs), size=count, p=weights / weights.sum())
    departures = np.sort(rng.uniform(0, 3599, size=count))
    root = ET.Element("routes")
    ET.SubElement(root, "vType", id="car", vClass="passenger")
    for i, (at_s, pair) in enumerate(zip(departures, chosen, strict=True)):
        ends = {"from": sources[pairs[pair][0]], "to": sinks[pairs[pair][1]]}
        told = {"id": f"t{i}", "type": "car", "depart": f"{at_s:.1f}", **ends}
        ET.SubElement(root, "trip", told, departLane="best", departSpeed="max")
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
