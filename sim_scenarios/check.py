"""The check before deployment: SUMO, with the demand that the engine rebuilt from the feeds.

First the safety rules: a candidate that breaks one is not driven at all. *Calibration*: two days
with the plans in service tell whether the rebuilt city behaves as the real one; one that does not
is asked no further. Then three phases. *Screening*: every candidate, in turns under ten per cent
more demand and under the rebuilt one, so that plans that lock the streets show it; round by round
the better half goes on. *Confirmation*: the best against the plans in service, pair by pair, on
seeds that the screening has not seen; while the interval is open, or days break down, more pairs
are run, at most twice. *Stress*: further pairs under more demand. A candidate that does not pass
is followed by the runner-up, on other seeds.

A day on which the streets lock costs three times an ordinary day and happens, now and then, under
any plan. So two questions are asked. Is the ordinary day better beyond doubt? The median change
with its exact interval says so. And does the plan break down no more often, and is it
better in the mean of all days, breakdowns included? Never worse: what is not shown better is not
recommended.

What passes so far is better for all together. It still must hurt nobody beyond the limits: no
street starved, none filled back to the junction behind it, no bus line held up; and it must be no
worse under ten per cent more or less demand, nor while the signals switch to it and back.

A plan is made for the day it has seen, and the plan in service perhaps for the day before. So the
demand is not tonight's alone: where earlier days are known (``history``), the pairs take turns
between them. What suits one day only is not shown better.

Blocked vehicles are not lifted out of the way (no teleports): a plan that gridlocks must not pass.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import NET_FILE, SIGNALS_FILE, load_city
from sim_scenarios.demand import Vehicle, drivable_vehicles
from sim_scenarios.gate.bench import MOST_DAYS, Bench, Candidate, DoneRun, KnownDay
from sim_scenarios.gate.journal import Journal
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.phases import Check, Judged
from sim_scenarios.programs import write_programs
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.fusion.running_plans import same_lamps
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import plans_from_dict, verdict_to_dict
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

__all__ = ["CheckParams", "check"]

JOURNAL = ".check-runs"
"""Beside the verdict's folder, while the check runs: what a kill leaves, the next check uses."""


def check(
    city: Path,
    state: Path,
    plans: Path,
    out: Path,
    *,
    seed: int = 0,
    params: CheckParams | None = None,
    workers: int | None = None,
    journal: Path | None = None,
    history: Sequence[Path] = (),
    progress: Progress = silent,
) -> dict[str, int]:
    """Judge the candidates in ``plans``.

    Writes verdict.json, runs.parquet and calibration.json; and of the candidate that came to
    confirmation evidence.json with movements.parquet, links.parquet and crossings.parquet.

    ``workers``: simulations at a time, default one per core; the result does not depend on it.
    ``history``: states of earlier days, the latest first; of more than `MOST_DAYS` − 1 the first.
    ``journal``: where finished runs are noted until the verdict is written, default beside
    ``out``; one that is given is kept.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        SimulationError: SUMO failed twice on one run, or the disk is full.
    """
    params = params or CheckParams()
    network = load_city(city)
    known = load_state(state, network)
    earlier = [load_state(folder, network) for folder in history[: MOST_DAYS - 1]]
    vehicles, days = _known_days([known, *earlier], network)
    notes = Journal(journal or out.resolve().parent / JOURNAL)
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as name:
        bench = Bench(
            network=network,
            net_file=(city / NET_FILE).resolve(),
            signals=(city / SIGNALS_FILE).resolve(),
            state=known,
            vehicles=vehicles,
            running=unregistered(network, known),
            days=days,
            folder=Path(name).resolve(),
            journal=notes,
            timeout_s=params.timeout_s,
            workers=workers,
        )
        try:
            candidates = read_candidates(plans, bench.folder)
        except OSError as error:
            raise SimulationError(
                f"the candidates cannot be written: {error.strerror}",
                "make room where the verdict goes",
            ) from error
        judged = Check(bench, state, params, seed).judge(candidates, progress)
    _write(out, judged, bench.done)
    if journal is None:
        notes.clear()
    return {"runs": len(bench.done)}


def unregistered(network: RoadNetwork, state: State) -> tuple[SignalPlan, ...]:
    """Plans that ran though the city's register has none of that timing."""
    return tuple(
        plan
        for junction_id, plan in state.running_plans.items()
        if not any(same_lamps(plan, known) for known in network.junctions[junction_id].plans)
    )


def _known_days(
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
    (out / "verdict.json").write_text(to_json(verdict_to_dict(judged.verdict)), encoding="utf-8")
    pq.write_table(_runs_table(done), out / "runs.parquet")
    (out / "calibration.json").write_text(to_json(dict(judged.calibration)), encoding="utf-8")
    if judged.evidence is not None:
        (out / "evidence.json").write_text(to_json(dict(judged.evidence.summary)), encoding="utf-8")
        for table in ("movements", "links", "crossings"):
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


def _runs_table(done: Sequence[DoneRun]) -> pa.Table:
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
