"""The check before deployment: SUMO, with the demand that the engine rebuilt from the feeds.

Three phases. *Screening*: every candidate, in turns under ten per cent more demand and under the
rebuilt one, so that plans that lock the streets show it; round by round the better half goes on.
*Confirmation*: the best against the plans in service, pair by pair, on seeds that the screening
has not seen; when days break down, more pairs are run, at most twice. *Stress*: further pairs under
more demand. A candidate that does not pass is followed by the runner-up, on other seeds.

A day on which the streets lock costs three times an ordinary day and happens, now and then, under
any plan. So two questions are asked. Is the ordinary day better beyond doubt? The median change
with its exact interval says so. And does the plan break down no more often, and is it
better in the mean of all days, breakdowns included? Never worse: what is not shown better is not
recommended.

Blocked vehicles are not lifted out of the way (no teleports): a plan that gridlocks must not pass.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import NET_FILE, SIGNALS_FILE, load_city
from sim_scenarios.compare import median_interval, paired_change
from sim_scenarios.demand import Vehicle, drivable_vehicles, write_demand
from sim_scenarios.outputs import DelaySummary, summarise
from sim_scenarios.programs import write_programs
from sim_scenarios.run import RunRequest, RunResult, run_all
from sim_scenarios.scenario import PreparedScenario, assemble
from sim_scenarios.silence import silenced
from traffic_brain.errors import ConfigurationError, SimulationError
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import plans_from_dict, verdict_to_dict
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.model.verdict import Decision, Interval95, Verdict
from traffic_brain.progress import Progress, silent

IN_SERVICE = "in service"
TRIES = 2
"""Candidates that are brought to confirmation at the most."""
LEAST_FIELD = 3
SCREEN, CONFIRM, STRESS = "screen", "confirm", "stress"


@dataclass(frozen=True)
class CheckParams:
    """How much the check simulates, and what it asks for.

    stress_scale: demand of the screening and of the stress phase, times the rebuilt one.
    more_seeds: further pairs of the confirmation when a day broke down.
    last_seeds: still further pairs when those leave open what the median promises.
    least_gain_ratio: a smaller median gain is not worth a change.
    breakdown_factor: a day is broken down when its delay is so many times the usual one.
    interval_level: of each look; three looks at each of two candidates together stay at 95 %.
    """

    screen_seeds: int = 4
    confirm_seeds: int = 8
    more_seeds: int = 6
    last_seeds: int = 10
    stress_seeds: int = 3
    stress_scale: float = 1.1
    least_gain_ratio: float = 0.02
    breakdown_factor: float = 2.0
    interval_level: float = 0.9917
    timeout_s: float = 3600.0

    def __post_init__(self) -> None:
        problems = []
        if self.screen_seeds < 1:
            problems.append("screen_seeds must be at least 1")
        if self.confirm_seeds < 8:
            problems.append("confirm_seeds must be at least 8: fewer pairs decide nothing")
        if min(self.more_seeds, self.last_seeds) < 0:
            problems.append("more_seeds and last_seeds must not be negative")
        if not 0.5 < self.interval_level < 1:
            problems.append("interval_level must lie in (0.5, 1)")
        if self.stress_seeds < 1:
            problems.append("stress_seeds must be at least 1")
        if not 1 <= self.stress_scale <= 2:
            problems.append("stress_scale must lie in [1, 2]")
        if not 0 <= self.least_gain_ratio < 1:
            problems.append("least_gain_ratio must lie in [0, 1)")
        if problems:
            raise ConfigurationError("; ".join(problems), "mend the check settings")


@dataclass(frozen=True)
class _Candidate:
    candidate_id: str
    plans: tuple[SignalPlan, ...]
    additional: Path | None


@dataclass
class _Bench:
    """Runs plans on drawn days and remembers every run."""

    network: Path
    signals: Path
    state: State
    vehicles: list[Vehicle]
    folder: Path
    params: CheckParams
    workers: int | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    _days: dict[tuple[int, float, Path], PreparedScenario] = field(default_factory=dict)
    _signals: dict[frozenset[str], Path] = field(default_factory=dict)

    def day(self, seed: int, scale: float, candidate: _Candidate) -> PreparedScenario:
        """The scenario of a seed's demand, written when first asked for."""
        signals = self._signals_beside(candidate)
        if (seed, scale, signals) not in self._days:
            folder = self.folder / f"day-{len(self._days)}-{seed}-{scale}"
            folder.mkdir()
            write_demand(self.vehicles, folder / "trips.rou.xml", seed, scale)
            self._days[seed, scale, signals] = assemble(
                "rebuilt city",
                folder,
                net=self.network,
                routes=(folder / "trips.rou.xml",),
                additional=(signals,),
                begin_s=self.state.window.begin_s,
                end_s=self.state.window.end_s,
                time_to_teleport_s=-1,
                options={"ignore-route-errors": "true"},
            )
        return self._days[seed, scale, signals]

    def _signals_beside(self, candidate: _Candidate) -> Path:
        """The city's signals, whose schedules must not switch a candidate's plans away."""
        retimed = frozenset(plan.junction_id for plan in candidate.plans)
        if retimed not in self._signals:
            self._signals[retimed] = silenced(self.signals, self.folder, retimed)
        return self._signals[retimed]

    def run(
        self,
        pairs: Sequence[tuple[_Candidate, int]],
        phase: str,
        scale: float,
        progress: Progress,
    ) -> list[DelaySummary]:
        """Simulate (candidate, seed) pairs; a run that failed is repeated once, then an error.

        Raises:
            SimulationError: a run failed twice; no verdict comes from half the runs.
        """
        requests = [
            RunRequest(
                scenario=self.day(seed, scale, c),
                seed=seed,
                folder=self.folder / f"run-{phase}-{c.candidate_id.replace(' ', '-')}-{seed}",
                additional=(c.additional,) if c.additional else (),
            )
            for c, seed in pairs
        ]
        results = self._run_all(requests, progress)
        failed = [i for i, r in enumerate(results) if isinstance(r, SimulationError)]
        again = self._run_all([requests[i] for i in failed], progress) if failed else []
        for i, repeated in zip(failed, again, strict=True):
            if isinstance(repeated, SimulationError):
                raise repeated
            results[i] = repeated
        found = []
        for (candidate, seed), result in zip(pairs, results, strict=True):
            assert isinstance(result, RunResult)
            summary = summarise(result)
            found.append(summary)
            self.rows.append(_row(candidate.candidate_id, seed, phase, summary))
        return found

    def _run_all(
        self, requests: Sequence[RunRequest], progress: Progress
    ) -> list[RunResult | SimulationError]:
        return run_all(
            requests,
            workers=self.workers,
            timeout_s=self.params.timeout_s,
            progress=progress,
        )


def check(
    city: Path,
    state: Path,
    plans: Path,
    out: Path,
    *,
    seed: int = 0,
    params: CheckParams | None = None,
    workers: int | None = None,
    progress: Progress = silent,
) -> dict[str, int]:
    """Judge the candidates in ``plans`` and write verdict.json, runs.parquet, calibration.json.

    ``workers``: simulations at a time, default one per core; the result does not depend on it.

    Raises:
        ConfigurationError, DataRefused: a folder is missing or cannot be read.
        SimulationError: SUMO failed twice on one run.
    """
    params = params or CheckParams()
    network = load_city(city)
    known = load_state(state, network)
    vehicles = drivable_vehicles(known, network)
    with tempfile.TemporaryDirectory(dir=out, prefix=".work-") as name:
        folder = Path(name)
        candidates = _read_candidates(plans, folder)
        bench = _Bench(
            network=(city / NET_FILE).resolve(),
            signals=(city / SIGNALS_FILE).resolve(),
            state=known,
            vehicles=vehicles,
            folder=folder,
            params=params,
            workers=workers,
        )
        verdict = _judge(bench, candidates, seed, progress)
    (out / "verdict.json").write_text(to_json(verdict_to_dict(verdict)), encoding="utf-8")
    pq.write_table(_runs_table(bench.rows), out / "runs.parquet")
    calibration = _calibration(bench.rows, known, network)
    (out / "calibration.json").write_text(to_json(calibration), encoding="utf-8")
    return {"runs": len(bench.rows)}


def _read_candidates(plans: Path, folder: Path) -> list[_Candidate]:
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
            found.append(_Candidate(entry["candidate_id"], proposed, additional))
    return found


def _judge(bench: _Bench, candidates: list[_Candidate], seed: int, progress: Progress) -> Verdict:
    if not candidates:
        return _no_change("no plan was proposed: nothing here can be retimed")
    if not bench.vehicles:
        return _no_change("the feeds show no vehicle that could be simulated")
    base = _Candidate(IN_SERVICE, (), None)
    ranked = _screen(bench, base, candidates, seed, _part(progress, 0.0, 0.4))
    if not ranked:
        return _no_change("no candidate was better than the plans in service in the screening")
    verdicts: list[Verdict] = []
    for number, (best, screened) in enumerate(ranked[:TRIES]):
        part = _part(progress, 0.4 + 0.6 * number / TRIES, 0.4 + 0.6 * (number + 1) / TRIES)
        verdicts.append(_try(bench, base, best, screened, seed, 1000 * (1 + number), part))
        if verdicts[-1].decision is Decision.DEPLOY:
            return verdicts[-1]
    return verdicts[0]


def _try(
    bench: _Bench,
    base: _Candidate,
    best: _Candidate,
    screened: Pairs,
    seed: int,
    first: int,
    progress: Progress,
) -> Verdict:
    """Confirmation and stress of one candidate, on seeds numbered from ``first``.

    Where days break down, now under the one plan and now under the other, few pairs decide
    nothing: then more are run, at most twice.
    """
    params = bench.params

    def pairs(count: int, number: int, phase: str, done: tuple[float, float]) -> _Pairing:
        seeds = [_seed(seed, first + number + i) for i in range(count)]
        return seeds, _pairs(bench, base, best, seeds, phase, _part(progress, *done))

    seeds, confirmed = pairs(params.confirm_seeds, 0, CONFIRM, (0.0, 0.35))
    _, stressed = pairs(params.stress_seeds, 200, STRESS, (0.35, 0.5))
    others = _joined(screened, stressed)
    if any(_breakdowns(confirmed, params)):
        more, further = pairs(params.more_seeds, 300, CONFIRM, (0.5, 0.7))
        seeds, confirmed = seeds + more, _joined(confirmed, further)
    decision, reason, ratio = _decide(confirmed, others, params)
    if _is_open(decision, ratio) and any(_breakdowns(confirmed, params)):
        more, further = pairs(params.last_seeds, 400, CONFIRM, (0.7, 1.0))
        seeds, confirmed = seeds + more, _joined(confirmed, further)
        decision, reason, ratio = _decide(confirmed, others, params)
    change, _ = paired_change(*confirmed)
    return Verdict(decision, reason, best.candidate_id, tuple(seeds), *confirmed, change, ratio)


def _is_open(decision: Decision, ratio: Interval95 | None) -> bool:
    """Whether more pairs may still show what the median promises."""
    return decision is Decision.INCONCLUSIVE and ratio is not None and ratio.mean < 0


Delays = tuple[float, ...]
Pairs = tuple[Delays, Delays]
"""Delay per seed under the plans in service, and under the candidate's."""
_Pairing = tuple[list[int], Pairs]


def _joined(a: Pairs, b: Pairs) -> Pairs:
    return a[0] + b[0], a[1] + b[1]


def _pairs(
    bench: _Bench,
    base: _Candidate,
    best: _Candidate,
    seeds: Sequence[int],
    phase: str,
    progress: Progress,
) -> Pairs:
    """Run the pairs of a phase."""
    scale = bench.params.stress_scale if phase == STRESS else 1.0
    found = bench.run([(c, s) for s in seeds for c in (base, best)], phase, scale, progress)
    delays = tuple(s.delay_s_per_veh for s in found)
    return delays[0::2], delays[1::2]


def _part(progress: Progress, begin_ratio: float, end_ratio: float) -> Progress:
    """Progress of one part of the whole."""

    def tell(done_ratio: float, message: str) -> None:
        progress(begin_ratio + (end_ratio - begin_ratio) * done_ratio, message)

    return tell


def _screen(
    bench: _Bench,
    base: _Candidate,
    candidates: list[_Candidate],
    seed: int,
    progress: Progress,
) -> list[tuple[_Candidate, Pairs]]:
    """Candidates that beat the base, the best first, with their pairs; by successive halving.

    Rounds take turns between more demand and the rebuilt one: some plans lock under the first,
    some only under the second, where less is held back upstream.
    """
    total: dict[str, list[float]] = {c.candidate_id: [] for c in (base, *candidates)}
    field_now = list(candidates)
    rounds = bench.params.screen_seeds
    for r in range(rounds):
        here = _seed(seed, r)
        part = _part(progress, r / rounds, (r + 1) / rounds)
        runners = [base, *field_now]
        scale = bench.params.stress_scale if r % 2 == 0 else 1.0
        found = bench.run([(c, here) for c in runners], SCREEN, scale, part)
        for candidate, summary in zip(runners, found, strict=True):
            total[candidate.candidate_id].append(summary.delay_s_per_veh)
        field_now.sort(key=lambda c: (float(np.mean(total[c.candidate_id])), c.candidate_id))
        field_now = field_now[: max(-(-len(field_now) // 2), LEAST_FIELD)]
    pairs = [(c, (tuple(total[IN_SERVICE]), tuple(total[c.candidate_id]))) for c in field_now]
    return [(c, p) for c, p in pairs if np.mean(p[1]) < np.mean(p[0])]


def _decide(
    confirmed: Pairs, others: Pairs, params: CheckParams
) -> tuple[Decision, str, Interval95 | None]:
    """The decision, its reason, and the median change of the confirmation with its interval.

    DEPLOY only what is better beyond doubt on the ordinary day, by enough, better in the mean of
    all days, and breaks down at most once more than the plans in service.
    """
    ratio = median_interval(
        [(b - a) / a if a > 0 else 0.0 for a, b in zip(*confirmed, strict=True)],
        params.interval_level,
    )
    if ratio is None:
        return Decision.INCONCLUSIVE, "too few pairs for an interval", None
    shown = f"{ratio.mean:+.1%} [{ratio.low:+.1%}, {ratio.high:+.1%}]"
    if ratio.low > 0:
        return Decision.KEEP, f"worse than the plans in service: {shown}", ratio
    if ratio.high >= 0:
        return Decision.INCONCLUSIVE, f"not shown to be better: {shown}", ratio
    if -ratio.mean < params.least_gain_ratio:
        return Decision.KEEP, f"the gain is too small to change plans for: {shown}", ratio
    veto = _veto(confirmed, others, params)
    if veto:
        return Decision.INCONCLUSIVE, f"{veto}: {shown}", ratio
    return Decision.DEPLOY, f"delay changes by {shown}", ratio


def _veto(confirmed: Pairs, others: Pairs, params: CheckParams) -> str:
    """Why a plan that is better on the ordinary day must not go out all the same; or nothing."""
    days = len(confirmed[0]) + len(others[0])
    locked = [_breakdowns(pairs, params) for pairs in (confirmed, others)]
    before, after = (sum(side) for side in zip(*locked, strict=True))
    if after > before + 1:
        return f"breaks down on {after} of {days} days, in service on {before}"
    everything = _joined(confirmed, others)
    if np.mean(everything[1]) >= np.mean(everything[0]):
        return f"not better in the mean of {days} days"
    return ""


def _breakdowns(pairs: Pairs, params: CheckParams) -> tuple[int, int]:
    """Days on which the streets locked, under the plans in service and under the candidate's."""
    usual = float(np.median(pairs[0]))
    before, after = (sum(d > params.breakdown_factor * usual for d in side) for side in pairs)
    return before, after


def _no_change(reason: str) -> Verdict:
    return Verdict(Decision.KEEP, reason, "", (), (), (), None, None)


def _seed(seed: int, number: int) -> int:
    """Seeds of the check; screening and confirmation never share one."""
    return (seed * 100_003 + number * 7 + 11) % 2_000_000_000


def _row(candidate_id: str, seed: int, phase: str, summary: DelaySummary) -> dict[str, Any]:
    return {
        "candidate_id": candidate_id,
        "seed": seed,
        "phase": phase,
        "vehicles": summary.vehicles,
        "delay_s_per_veh": round(summary.delay_s_per_veh, 4),
        "stops": round(summary.stops_per_veh, 4),
        "teleports": summary.teleports,
        "not_inserted": summary.not_inserted,
    }


def _runs_table(rows: Sequence[Mapping[str, Any]]) -> pa.Table:
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
        ]
    )
    return pa.Table.from_pylist(list(rows), schema)


def _calibration(
    rows: Sequence[Mapping[str, Any]], state: State, network: RoadNetwork
) -> dict[str, Any]:
    """How the rebuilt city compares with what the feeds showed, under the plans in service."""
    free = np.array([k.length_m / k.free_flow_speed_mps for k in network.links.values()])
    lost_h = float((state.flow_veh * np.maximum(state.travel_time_s - free[:, None], 0)).sum())
    observed = lost_h / max(len(state.trips), 1)
    base = [r["delay_s_per_veh"] for r in rows if r["candidate_id"] == IN_SERVICE]
    return {
        "observed_delay_s_per_veh": round(observed, 2),
        "simulated_delay_s_per_veh": round(float(np.mean(base)), 2) if base else None,
        "vehicles_rebuilt": len(state.trips),
    }
