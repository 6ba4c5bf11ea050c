"""Worlds whose signals run other timings than the plans on file, recorded with defects.

The engine gets the feeds, and the city as it was imported *before* the timings were changed. What
really ran, and who stood in queue before the stop line, is kept apart.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd

from network_data.importers import import_any
from network_data.importers.sumo.programs import elements
from network_data.sumo_tools import run_tool
from sim_scenarios import generated
from sim_scenarios.defects import Defects
from sim_scenarios.outputs import read_detector_entries, read_signal_states
from sim_scenarios.programs import plans_in_service, write_programs
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.sensors import DETECTOR_PREFIX, read_streets, write_instruments
from sim_scenarios.spec import ScenarioSpec
from sim_scenarios.world import record
from traffic_brain.model.documents import plans_from_json, plans_to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import silent

DAY = date(2026, 11, 2)
DEAD_RATIO = 0.1
GREEN_FACTORS = (0.7, 1.4)
HALTING_MPS = 5 / 3.6
"""Below this a vehicle counts as standing in queue (HCM 2000, ch. 16: 5 km/h)."""
FORMAT = 1


@dataclass(frozen=True)
class Recorded:
    """Folders of one recorded day; ``plans``: what really ran; ``passes``, ``lamps``: the truth.

    passes: link_id, lane_idx, time_s, vehicle_id, halted_s (last second below 5 km/h on the link;
        NaN: never), all vehicles, no defects. lamps: junction_id, time_s, picture.
    """

    city: Path
    feeds: Path
    plans: Mapping[str, SignalPlan]
    passes: pd.DataFrame
    lamps: pd.DataFrame

    @cached_property
    def _by_lane(self) -> dict[tuple[str, int], pd.DataFrame]:
        groups = self.passes.groupby(["link_id", "lane_idx"])
        return {(str(link), int(lane)): rows for (link, lane), rows in groups}

    @cached_property
    def _by_junction(self) -> dict[str, pd.DataFrame]:
        return {str(j): rows for j, rows in self.lamps.groupby("junction_id")}

    def passes_of(self, lane: tuple[str, int]) -> pd.DataFrame:
        """The passes of one lane, in order of time."""
        return self._by_lane.get(lane, self.passes.iloc[:0])

    def lamps_of(self, junction_id: str) -> pd.DataFrame:
        """The pictures of one junction, in order of time."""
        return self._by_junction.get(junction_id, self.lamps.iloc[:0])


def recorded(world: ScenarioSpec, seed: int, retimed: bool, cache: Path) -> Recorded:
    """Record a day, or find it where it was recorded before.

    Args:
        retimed: whether the world runs other timings than the plans on file; drawn from the seed.
    """
    settings = {"format": FORMAT, "world": repr(world), "seed": seed, "retimed": retimed}
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]
    folder = cache / f"{world.name}-{seed}-{'retimed' if retimed else 'on-file'}-{key}"
    if not folder.is_dir():
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        _record(world, seed, retimed, part)
        part.rename(folder)
    return Recorded(
        folder / "city",
        folder / "feeds" / str(DAY),
        {p.junction_id: p for p in plans_from_json((folder / "ran.json").read_text("utf-8"))},
        pd.read_parquet(folder / "true_passes.parquet"),
        pd.read_parquet(folder / "true_lamps.parquet"),
    )


def _record(world: ScenarioSpec, seed: int, retimed: bool, folder: Path) -> None:
    with TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary).resolve()
        scenario = prepare(world, work / "on_file")
        (folder / "city").mkdir()
        import_any(*scenario.network_sources(), folder / "city", silent)
        plans = plans_in_service(scenario)
        if retimed:
            plans = {j: other_timing(plan, seed, i) for i, (j, plan) in enumerate(plans.items())}
            programs = write_programs(plans.values(), work / "ran.add.xml")
            world = _with_programs(world, programs, work)
        (folder / "ran.json").write_text(plans_to_json(list(plans.values())), "utf-8")
        defects = Defects(dead_detector_ratio=DEAD_RATIO)
        day = folder / "feeds" / str(DAY), folder / "truth" / str(DAY)
        record(world, *day, seed=seed, service_day=DAY, defects=defects)
        _observe(prepare(world, work / "ran"), seed, work / "run", folder)


def other_timing(plan: SignalPlan, seed: int, idx: int) -> SignalPlan:
    """Other greens, and with them another cycle, and another offset."""
    rng = np.random.default_rng([seed, idx])
    factors = rng.uniform(*GREEN_FACTORS, len(plan.stages))
    greens = tuple(
        max(round(green * factor), min(green, stage.min_green_s))
        for green, factor, stage in zip(plan.greens_s, factors, plan.stages, strict=True)
    )
    other = plan.with_greens(greens, f"retimed.{plan.plan_id}")
    return other.with_offset(int(rng.integers(other.cycle_s)))


def _with_programs(world: ScenarioSpec, programs: Path, work: Path) -> ScenarioSpec:
    """The same world with other programs loaded last."""
    original = world.sumocfg
    if original is None:
        assert world.generated is not None
        original = generated.build(world.generated, work / "built")
    saved = work / "retimed.sumocfg"
    arguments = ["--configuration-file", str(original), "--save-configuration", str(saved)]
    run_tool("sumo", arguments, folder=work)
    tree = ET.parse(saved)
    inputs = tree.getroot().find("input")
    assert inputs is not None
    more = inputs.find("additional-files")
    if more is None:
        more = ET.SubElement(inputs, "additional-files", value="")
    more.set("value", ",".join(filter(None, [more.get("value", ""), str(programs)])))
    tree.write(saved)
    return replace(world, sumocfg=saved, generated=None)


def _observe(scenario: PreparedScenario, seed: int, run_folder: Path, folder: Path) -> None:
    """The same traffic once more, seen completely: sensors do not touch it."""
    run_folder.mkdir(parents=True)
    streets = read_streets(scenario.net_file)
    instruments = write_instruments(streets, scenario.begin_s, run_folder)
    places = run_folder / "everybody.xml"
    options = (
        *("--fcd-output", str(places), "--fcd-output.attributes", "speed,lane"),
        *("--fcd-output.skip-empty", "--device.fcd.probability", "1"),
    )
    run(RunRequest(scenario, seed, run_folder, (instruments,), options, vehicle_routes=True))
    halts = _halts(places)
    of = {DETECTOR_PREFIX + d.detector_id: d for d in streets.detectors}
    rows = []
    for entry in read_detector_entries(run_folder / "detectors.xml"):
        detector = of[entry.detector_id]
        halted = halts.get((entry.vehicle_id, detector.link_id), np.empty(0))
        before = halted[: np.searchsorted(halted, entry.time_s)]
        last = float(before[-1]) if len(before) else np.nan
        rows.append((detector.link_id, detector.lane_idx, entry.time_s, entry.vehicle_id, last))
    columns = ["link_id", "lane_idx", "time_s", "vehicle_id", "halted_s"]
    table = pd.DataFrame(rows, columns=columns).sort_values("time_s", kind="stable")
    table.to_parquet(folder / "true_passes.parquet")
    states = read_signal_states(run_folder / "signals.xml")
    lamps = [(s.junction_id, s.time_s, s.picture) for s in states]
    log = pd.DataFrame(lamps, columns=["junction_id", "time_s", "picture"])
    log.sort_values("time_s", kind="stable").to_parquet(folder / "true_lamps.parquet")


def _halts(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """(vehicle, link) -> seconds at which it stood or crept there, in order."""
    found: dict[tuple[str, str], list[float]] = {}
    for step in elements(path, ends_of=frozenset({"timestep"})):
        time_s = float(step.attrib["time"])
        for e in step.iter("vehicle"):
            if float(e.attrib["speed"]) < HALTING_MPS:
                link = e.attrib["lane"].rpartition("_")[0]
                if not link.startswith(":"):
                    found.setdefault((e.attrib["id"], link), []).append(time_s)
    return {key: np.array(times) for key, times in found.items()}
