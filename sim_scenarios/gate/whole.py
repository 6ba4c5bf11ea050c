"""One check of one network in one piece: read its folders, judge, write what was found."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import NET_FILE, SIGNALS_FILE
from sim_scenarios.demand import Vehicle, drivable_vehicles
from sim_scenarios.gate.bench import Bench, Candidate, DoneRun, KnownDay
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.phases import Check, Judged
from sim_scenarios.programs import write_programs
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import plans_from_dict, verdict_to_dict
from traffic_brain.model.lamps import same_lamps
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

VERDICT_FILE, CALIBRATION_FILE, EVIDENCE_FILE = "verdict.json", "calibration.json", "evidence.json"
RUNS_FILE = "runs.parquet"
TABLES = ("movements", "links", "crossings")
"""Written of a candidate that came to confirmation."""


@dataclass(frozen=True)
class Question:
    """What is judged, on what, and how.

    network: that of ``city``, of which only the files for SUMO are read.
    states: of at most `MOST_DAYS` days; tonight's, then earlier ones, the latest first.
    plans: holds the candidates.
    """

    network: RoadNetwork
    city: Path
    states: tuple[Path, ...]
    plans: Path
    seed: int
    params: CheckParams


def check_whole(
    asked: Question,
    out: Path,
    journal: Journal,
    *,
    workers: int | None = None,
    progress: Progress = silent,
) -> int:
    """Judge the candidates, write the verdict's files into ``out``, and count the runs.

    Finished runs are noted in ``journal``.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        SimulationError: SUMO failed twice on one run, or the disk is full.
    """
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as name:
        bench = bench_of(asked, Path(name).resolve(), journal, workers)
        try:
            candidates = read_candidates(asked.plans, bench.folder)
        except OSError as error:
            raise SimulationError(
                f"the candidates cannot be written: {error.strerror}",
                "make room where the verdict goes",
            ) from error
        judged = Check(bench, asked.states[0], asked.params, asked.seed).judge(candidates, progress)
    _write(out, judged, bench.done)
    return len(bench.done)


def bench_of(asked: Question, folder: Path, journal: Journal, workers: int | None = None) -> Bench:
    """A bench that runs plans on the days of a question, in a folder of its own.

    Raises:
        ConfigurationError, DataRefused: a state is missing or cannot be read.
    """
    network, city = asked.network, asked.city
    states = [load_state(state, network) for state in asked.states]
    vehicles, days = known_days(states, network)
    return Bench(
        network=network,
        net_file=(city / NET_FILE).resolve(),
        signals=(city / SIGNALS_FILE).resolve(),
        state=states[0],
        vehicles=vehicles,
        running=unregistered(network, states[0]),
        days=days,
        folder=folder,
        journal=journal,
        timeout_s=asked.params.timeout_s,
        workers=workers,
    )


def unregistered(network: RoadNetwork, state: State) -> tuple[SignalPlan, ...]:
    """Plans that ran though the city's register has none of that timing."""
    return tuple(
        plan
        for junction_id, plan in state.running_plans.items()
        if not any(same_lamps(plan, known) for known in network.junctions[junction_id].plans)
    )


def known_days(
    states: Sequence[State], network: RoadNetwork
) -> tuple[list[Vehicle], tuple[KnownDay, ...]]:
    """The vehicles of all days, one day after the other, and whose they are."""
    vehicles: list[Vehicle] = []
    days = []
    for state in states:
        first = len(vehicles)
        vehicles += drivable_vehicles(state, network)
        days.append(KnownDay(range(first, len(vehicles)), state.window))
    return vehicles, tuple(days)


def _write(out: Path, judged: Judged, done: Sequence[DoneRun]) -> None:
    (out / VERDICT_FILE).write_text(to_json(verdict_to_dict(judged.verdict)), encoding="utf-8")
    pq.write_table(runs_table(done), out / RUNS_FILE)
    (out / CALIBRATION_FILE).write_text(to_json(dict(judged.calibration)), encoding="utf-8")
    if judged.evidence is not None:
        (out / EVIDENCE_FILE).write_text(to_json(dict(judged.evidence.summary)), encoding="utf-8")
        for table in TABLES:
            pq.write_table(getattr(judged.evidence, table), out / f"{table}.parquet")


def read_candidates(plans: Path, folder: Path) -> list[Candidate]:
    """The candidates of a plans folder that propose anything, each also as SUMO loads it.

    Raises:
        ConfigurationError: there is no candidates.json.
        DataRefused: it cannot be read.
    """
    path = plans / "candidates.json"
    if not path.is_file():
        raise ConfigurationError(
            f"{plans} is not a plans folder (no candidates.json)",
            "make one with: traffic-brain optimize CITY STATE PLANS",
        )
    found = []
    for entry in read_json(path)["candidates"]:
        proposed = tuple(plans_from_dict({"plans": entry["plans"]}))
        if proposed:
            additional = folder / f"{entry['candidate_id']}.add.xml"
            write_programs(proposed, additional)
            found.append(Candidate(entry["candidate_id"], proposed, additional))
    return found


def runs_table(done: Sequence[DoneRun]) -> pa.Table:
    """One row per run, in the order in which they were asked for."""
    schema = pa.schema(
        [
            ("candidate_id", pa.string()),
            ("seed", pa.int64()),
            ("phase", pa.string()),
            ("vehicles", pa.int64()),
            ("delay_s_per_veh", pa.float64()),
            ("stops", pa.float64()),
            ("teleports", pa.int64()),
            ("not_inserted", pa.int64()),
            ("arrived", pa.int64()),
        ]
    )
    rows = [
        {
            "candidate_id": run.candidate_id,
            "seed": run.seed,
            "phase": run.phase,
            "vehicles": run.figures.delay.vehicles,
            "delay_s_per_veh": round(run.figures.delay.delay_s_per_veh, 4),
            "stops": round(run.figures.delay.stops_per_veh, 4),
            "teleports": run.figures.delay.teleports,
            "not_inserted": run.figures.delay.not_inserted,
            "arrived": run.figures.arrived,
        }
        for run in done
    ]
    return pa.Table.from_pylist(rows, schema)
