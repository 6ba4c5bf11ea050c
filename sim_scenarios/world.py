"""A scenario as *the real city*: what its sensors send, and what a change does to it.

The two faces of a world never meet: ``record`` writes raw feeds for the engine, and apart from
them the truth; ``evaluate`` drives the world under new plans and tells the delay.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

from network_data.importers.sumo.programs import elements
from sim_scenarios import truth as truth_tables
from sim_scenarios.defects import Defects
from sim_scenarios.outputs import (
    DelaySummary,
    Trip,
    read_detector_entries,
    read_link_bins,
    read_probe_samples,
    read_routes,
    read_signal_states,
    read_trips,
    summarise,
)
from sim_scenarios.programs import write_programs
from sim_scenarios.raw_feeds import (
    Recording,
    write_checkpoint,
    write_internet,
    write_police,
    write_transit,
)
from sim_scenarios.run import DEFAULT_TIMEOUT_S, RunRequest, RunResult, run, run_all
from sim_scenarios.scenario import PreparedScenario, prepare
from sim_scenarios.sensors import Sensors, Streets, read_streets, write_instruments
from sim_scenarios.spec import ScenarioSpec
from traffic_brain.errors import SimulationError
from traffic_brain.model.documents import plans_from_json
from traffic_brain.progress import Progress, silent

WINDOW_STEP_S = 300
_RUN_SHARE = 0.7


@dataclass(frozen=True, slots=True)
class RecordedDay:
    """What a recording wrote: rows per table, and the world's delay on that day."""

    begin_s: int
    end_s: int
    rows: dict[str, int]
    delay: DelaySummary


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Delay in the world seed by seed, with the plans in service and with the proposed ones.

    ``proposed`` is empty when nothing was proposed. Entries of both belong to the same seeds.
    """

    seeds: tuple[int, ...]
    in_service: tuple[DelaySummary, ...]
    proposed: tuple[DelaySummary, ...]


def record(
    spec: ScenarioSpec,
    feeds: Path,
    truth: Path,
    *,
    seed: int,
    service_day: date,
    plans_file: Path | None = None,
    defects: Defects | None = None,
    sensors: Sensors | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> RecordedDay:
    """Drive the world for one service day and write its feeds and, apart, the truth.

    ``feeds`` and ``truth`` are the folders of that day; simulation seconds are seconds of the
    service day, city time. ``plans_file``: what has been deployed there since, as `evaluate` reads
    it. The same arguments give the same bytes. Raises DataRefused when the world's files cannot be
    used and SimulationError when SUMO fails.
    """
    defects = defects or Defects.of_table(spec.conditions.defects)
    sensors = sensors or Sensors()
    feeds.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=feeds, prefix=".work-") as temporary:
        work = Path(temporary).resolve()
        progress(0.0, f"{spec.name}: reading the world")
        deployed, junctions = _programs(plans_file, work) if plans_file else (None, frozenset())
        scenario = prepare(spec, work / "scenario", retimed=junctions)
        streets = read_streets(scenario.net_file)
        result = run(
            _observed(scenario, streets, sensors, seed, work / "run", deployed),
            timeout_s=timeout_s,
            progress=lambda ratio, message: progress(_RUN_SHARE * ratio, message),
        )
        trips = list(read_trips(result.trips_file, scenario.end_s))
        recording = Recording(
            service_day, scenario.begin_s, _last_s(scenario, trips), seed, sensors, defects
        )
        progress(_RUN_SHARE, f"{spec.name}: writing the feeds")
        rows = _write_feeds(feeds, result, recording, streets)
        progress(0.9, f"{spec.name}: writing the truth")
        day = RecordedDay(recording.begin_s, recording.end_s, rows, summarise(result))
        _write_truth(truth, result, trips, recording, day)
    progress(1.0, f"{spec.name}: {day.delay.vehicles} vehicles recorded")
    return day


def evaluate(
    spec: ScenarioSpec,
    plans_file: Path | None,
    seeds: Sequence[int],
    *,
    workdir: Path | None = None,
    workers: int | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Progress = silent,
) -> Evaluation:
    """Delay in the world on each seed, with the plans in service and with the proposed ones.

    ``plans_file``: a plans document (``.json``) or an additional file of SUMO (``.xml``);
    None measures the plans in service alone. The runs' files lie in ``workdir`` (None: where the
    system keeps what is temporary) while they are needed. Raises DataRefused for unusable files
    and SimulationError when any run fails: a comparison with holes would not be one.
    """
    with tempfile.TemporaryDirectory(dir=workdir, prefix=".work-") as temporary:
        work = Path(temporary).resolve()
        in_service = prepare(spec, work / "in_service")
        requests = [RunRequest(in_service, s, work / f"old_{s}") for s in seeds]
        if plans_file is not None:
            programs, junctions = _programs(plans_file, work)
            proposed = prepare(spec, work / "proposed", retimed=junctions)
            requests += [
                RunRequest(proposed, s, work / f"new_{s}", additional=(programs,)) for s in seeds
            ]
        results = run_all(requests, workers=workers, timeout_s=timeout_s, progress=progress)
        summaries = []
        for result in results:
            if isinstance(result, SimulationError):
                raise result
            summaries.append(summarise(result))
    count = len(seeds)
    return Evaluation(tuple(seeds), tuple(summaries[:count]), tuple(summaries[count:]))


def _programs(plans_file: Path, work: Path) -> tuple[Path, frozenset[str]]:
    """An additional file of the plans, and the junctions it retimes."""
    if plans_file.suffix == ".json":
        plans = plans_from_json(plans_file.read_text(encoding="utf-8"))
        # SUMO refuses a program whose id is loaded already, as one rolled back to would be.
        renamed = (replace(plan, plan_id=f"proposed.{plan.plan_id}") for plan in plans)
        programs = write_programs(renamed, work / "proposed.add.xml")
    else:
        programs = plans_file.resolve()
    logics = elements(programs, ends_of=frozenset({"tlLogic"}))
    return programs, frozenset(e.attrib["id"] for e in logics)


def _observed(
    scenario: PreparedScenario,
    streets: Streets,
    sensors: Sensors,
    seed: int,
    folder: Path,
    deployed: Path | None,
) -> RunRequest:
    """A run with every sensor on; none of them touches the traffic."""
    folder.mkdir(parents=True)
    instruments = write_instruments(streets, scenario.begin_s, folder)
    return RunRequest(
        scenario,
        seed,
        folder,
        additional=(instruments, *((deployed,) if deployed else ())),
        options=(
            *("--fcd-output", str(folder / "probes.xml")),
            *("--fcd-output.attributes", "speed,lane,type", "--fcd-output.skip-empty"),
            *("--device.fcd.probability", str(sensors.probe_ratio)),
            *("--device.fcd.period", str(sensors.probe_period_s)),
            *("--person-device.fcd.probability", "0"),
        ),
        vehicle_routes=True,
    )


def _last_s(scenario: PreparedScenario, trips: Sequence[Trip]) -> int:
    """End of the recorded window: where the world has no end of its own, when it is empty."""
    if not scenario.ends_when_empty or not all(t.arrived for t in trips):
        return scenario.end_s
    last_s = max(t.arrival_s for t in trips)
    return min(scenario.end_s, math.ceil(last_s / WINDOW_STEP_S) * WINDOW_STEP_S)


def _write_feeds(
    feeds: Path, result: RunResult, recording: Recording, streets: Streets
) -> dict[str, int]:
    folder = result.request.folder
    demand = result.request.scenario.demand
    routes = list(read_routes(result.vehicle_routes_file))
    entries = list(read_detector_entries(folder / "detectors.xml")) if streets.detectors else []
    log = folder / "signals.xml"  # SUMO leaves it out where there is no signal
    changes = read_signal_states(log) if log.exists() else ()
    states = [s for s in changes if s.time_s < recording.end_s]
    samples = list(read_probe_samples(folder / "probes.xml"))
    return {
        **write_police(feeds / "police", recording, streets, demand, entries, routes, states),
        **write_checkpoint(feeds / "checkpoint", recording, streets, demand, routes),
        **write_internet(feeds / "internet", recording, streets, demand, samples),
        **write_transit(feeds / "transit", recording, demand, routes),
    }


def _write_truth(
    folder: Path, result: RunResult, trips: Sequence[Trip], recording: Recording, day: RecordedDay
) -> None:
    scenario = result.request.scenario
    bins = [
        link_bin
        for path in sorted(result.request.folder.glob("links_*.xml"))
        for link_bin in read_link_bins(path)
        if link_bin.begin_s < recording.end_s
    ]
    truth_tables.write_links(folder, bins)
    routes = read_routes(result.vehicle_routes_file)
    truth_tables.write_movements(folder, routes, scenario.demand)
    truth_tables.write_vehicles(folder, trips)
    truth_tables.write_summary(
        folder,
        {
            "scenario": scenario.name,
            "service_day": recording.service_day.isoformat(),
            "begin_s": recording.begin_s,
            "end_s": recording.end_s,
            "seed": recording.seed,
            "time_to_teleport_s": scenario.time_to_teleport_s,
            "notes": list(scenario.notes),
            "defects": asdict(recording.defects),
            "sensors": asdict(recording.sensors),
            "delay": asdict(day.delay),
            "feed_rows": day.rows,
        },
    )
