"""Recorded worlds, kept in a folder under a hash of how they were made."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.importers import import_any
from sim_scenarios.conditions import ORDINARY
from sim_scenarios.defects import Defects
from sim_scenarios.outputs import read_routes
from sim_scenarios.raw_feeds import BUSES, OFF_ROAD
from sim_scenarios.run import RunRequest, run
from sim_scenarios.scenario import prepare
from sim_scenarios.sensors import Sensors
from sim_scenarios.spec import ScenarioSpec
from sim_scenarios.world import record
from traffic_brain.progress import silent

DAY = date(2026, 11, 2)
CHECKPOINT_RATIO = 0.4
DEAD_RATIO = 0.1
FORMAT = 1
"""Part of the hash: raised when recordings of old are no longer what this module makes."""


@dataclass(frozen=True)
class Recorded:
    """Folders of one recorded day, and the single traversals of links on that day."""

    city: Path
    feeds: Path
    truth: Path
    traversals: Path


def recorded(world: ScenarioSpec, seed: int, probe_ratio: float, cache: Path) -> Recorded:
    """Record a day, or find it where it was recorded before.

    The same seed drives the same traffic whatever the share of probes: single traversals are
    recorded once, in a run of their own, without any sensor.
    """
    sensors = Sensors(checkpoint_ratio=CHECKPOINT_RATIO, probe_ratio=probe_ratio)
    defects = Defects(dead_detector_ratio=DEAD_RATIO)
    traffic = {"format": FORMAT, "world": _fingerprint(world), "seed": seed}
    settings = {**traffic, "sensors": asdict(sensors), "defects": asdict(defects)}
    folder = cache / f"{world.name}-{seed}-{_hash(settings)}"
    drive = cache / f"{world.name}-{seed}-{_hash(traffic)}"
    with _made(folder) as made:
        if made is not None:
            day = made / "feeds" / str(DAY), made / "truth" / str(DAY)
            record(world, *day, seed=seed, service_day=DAY, defects=defects, sensors=sensors)
    with _made(drive) as made:
        if made is not None:
            _drive(world, seed, made)
    return Recorded(
        drive / "city",
        folder / "feeds" / str(DAY),
        folder / "truth" / str(DAY),
        drive / "traversals.parquet",
    )


@contextmanager
def _made(folder: Path) -> Iterator[Path | None]:
    """A folder to fill, which takes its name once it is whole; None where it is there already."""
    if folder.is_dir():
        yield None
        return
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    yield part
    part.rename(folder)


def _hash(settings: object) -> str:
    text = json.dumps(settings, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _fingerprint(world: ScenarioSpec) -> dict[str, object]:
    """What a world is made of: its times and the bytes of the files beside its configuration."""
    times: tuple[object, ...] = (
        *(world.begin_s, world.end_s, world.time_to_teleport_s, world.horizon_s),
        *([] if world.conditions == ORDINARY else [repr(world.conditions)]),
    )
    if world.sumocfg is None:
        return {"times": times, "generated": repr(world.generated)}
    digest = hashlib.sha256()
    for path in sorted(p for p in world.sumocfg.parent.iterdir() if p.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return {"times": times, "files": digest.hexdigest()}


def _drive(world: ScenarioSpec, seed: int, folder: Path) -> None:
    """The city folder, and who drove along which link when, without sensors."""
    with TemporaryDirectory(dir=folder) as temporary:
        work = Path(temporary).resolve()
        scenario = prepare(world, work / "scenario")
        (folder / "city").mkdir()
        import_any(*scenario.network_sources(), folder / "city", silent)
        result = run(RunRequest(scenario, seed, work / "run", vehicle_routes=True))
        links, exits, took, after, car = [], [], [], [], []
        for route in read_routes(result.vehicle_routes_file):
            vehicle_class = scenario.demand.class_of(route.vehicle_type)
            if vehicle_class in OFF_ROAD:
                continue
            entered = (route.depart_s, *route.exit_times_s[:-1])
            before = ("", *route.links[:-1])
            for link, last, enter_s, exit_s in zip(
                route.links, before, entered, route.exit_times_s, strict=True
            ):
                if exit_s >= 0:
                    links.append(link)
                    exits.append(exit_s)
                    took.append(exit_s - enter_s)
                    after.append(last)
                    car.append(vehicle_class not in BUSES)
    pq.write_table(
        pa.table(
            {
                "link_id": pa.array(links, pa.string()),
                "from_link": pa.array(after, pa.string()),
                "exit_s": np.array(exits),
                "took_s": np.array(took),
                "is_car": np.array(car, dtype=bool),
            }
        ),
        folder / "traversals.parquet",
    )
