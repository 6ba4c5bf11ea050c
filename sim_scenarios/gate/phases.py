"""The phases of the check, one after the other; see ``sim_scenarios.check``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from sim_scenarios.compare import paired_change
from sim_scenarios.demand import Drivers
from sim_scenarios.gate.bench import IN_SERVICE, Bench, Candidate
from sim_scenarios.gate.calibration import is_too_slow, locks_often, sheet
from sim_scenarios.gate.decide import Pairs, breakdowns, decide, is_open, joined
from sim_scenarios.gate.evidence import Evidence, Setting, gather, measure
from sim_scenarios.gate.figures import RunFigures
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.transition import with_transition
from traffic_brain.diagnosis.corridors import find_corridors
from traffic_brain.fusion.state import State
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.rules import judge, rules_inputs, violations
from traffic_brain.model.verdict import Decision, Verdict
from traffic_brain.progress import Progress, part

TRIES = 2
"""Candidates that are brought to confirmation at the most."""
LEAST_FIELD = 3
CLOSER_DRIVERS = (
    Drivers(min_gap_m=1.5),
    Drivers(min_gap_m=1.5, length_m=4.3),
    Drivers(min_gap_m=1.5, length_m=4.3, sigma=0.1),
)
"""Tried in this order; a standing car takes 6.5 m of its lane, then 5.8 m, instead of 7.5 m."""
SHEET_DAYS, MORE_DAYS = (1, 3), (5, 7, 9, 11)
"""Numbers of the seeds with which the rebuilt city is compared with the observed one."""
LIFTED_P = 0.05
"""Probability by chance, below which a plan lifts more vehicles off the road than that in service:
five against none. One collision in twenty days of thousands of vehicles is no sign of anything."""
SCREEN, CONFIRM, STRESS = "screen", "confirm", "stress"
CALM, TRANSITION = "calm", "transition"


@dataclass(frozen=True)
class Judged:
    """A verdict with what it rests on."""

    verdict: Verdict
    evidence: Evidence | None = None
    calibration: Mapping[str, Any] = field(default_factory=dict)


def unsafe(candidate: Candidate, network: RoadNetwork, state: State) -> list[str]:
    """The safety rules that a candidate's plans break, beyond what the plans in service do."""
    sites = rules_inputs(network)
    found = []
    for plan in candidate.plans:
        site = sites.get(plan.junction_id)
        if site is None:
            found.append(f"junction {plan.junction_id} is not in this city")
            continue
        in_service = state.running_plans.get(plan.junction_id) or site.junction.plan_in_service
        found += [str(v) for v in violations(judge(plan, site, in_service))]
    return found


@dataclass(frozen=True)
class _Phase:
    """Pairs that were run."""

    seeds: tuple[int, ...] = ()
    runs: tuple[tuple[RunFigures, RunFigures], ...] = ()

    @property
    def delays(self) -> Pairs:
        before, after = (tuple(pair[i].delay.delay_s_per_veh for pair in self.runs) for i in (0, 1))
        return before, after

    @property
    def teleports(self) -> tuple[int, int]:
        before, after = (sum(pair[i].delay.teleports for pair in self.runs) for i in (0, 1))
        return before, after

    def and_then(self, other: _Phase) -> _Phase:
        return _Phase(self.seeds + other.seeds, self.runs + other.runs)


@dataclass
class Check:
    """The phases, one after the other."""

    bench: Bench
    state_folder: Path
    params: CheckParams
    seed: int
    base: Candidate = field(default_factory=lambda: Candidate(IN_SERVICE))

    def judge(self, candidates: Sequence[Candidate], progress: Progress) -> Judged:
        """The verdict on the candidates. Raises SimulationError when a run failed twice."""
        bench = self.bench
        broken = {c.candidate_id: unsafe(c, bench.network, bench.state) for c in candidates}
        safe = [c for c in candidates if not broken[c.candidate_id]]
        if not candidates:
            return _no_change("no plan was proposed: nothing here can be retimed")
        if not safe:
            rule = broken[candidates[0].candidate_id][0]
            return _no_change(f"every candidate breaks a safety rule: {rule}")
        if not bench.vehicles:
            return _no_change("the feeds show no vehicle that could be simulated")
        calibration = self.calibrate(part(progress, 0.0, 0.05))
        if calibration["problems"]:
            reason = "not calibrated: " + "; ".join(calibration["problems"])
            return Judged(_without_runs(Decision.INCONCLUSIVE, reason), None, calibration)
        return replace(self._choose(safe, progress), calibration=calibration)

    def calibrate(self, progress: Progress) -> dict[str, Any]:
        """The calibration sheet, from tonight's day, which is the one that was observed.

        Where the city stands in queues that nobody saw, or its streets lock on days that are drawn
        from one on which they did not, its drivers follow closer than SUMO's usual ones. Closer
        ones are tried, and the first that fit stay for the whole check; where all lock, the first
        that are not too slow; where all are, those that are least.
        """
        tries = (self.bench.drivers, *CLOSER_DRIVERS)
        locking: dict[str, Any] = {}
        slow = []
        for n, drivers in enumerate(tries):
            self.bench.drivers = drivers
            found = self._sheet(part(progress, n / len(tries), (n + 1) / len(tries)))
            if is_too_slow(found, self.params):
                slow.append(found)
                continue
            factor = self.params.breakdown_factor
            if found["problems"] and locking:
                continue
            if found["problems"] or not locks_often(found, self.params, factor):
                return found
            locking = locking or found
        found = locking or min(slow, key=lambda one: float(one["time_ratio"]))
        self.bench.drivers = Drivers(**found["drivers"])
        return found

    def _sheet(self, progress: Progress) -> dict[str, Any]:
        """The sheet of two days; where they fit, with the delays of some more."""

        def driven(numbers: Sequence[int], first: float, end: float) -> list[RunFigures]:
            days = [(self.base, self.seed_of(number)) for number in numbers]
            its, places = part(progress, first, end), numbers == SHEET_DAYS
            return self.bench.run(days, None, 1.0, its, places=places, tonight=True)

        runs = driven(SHEET_DAYS, 0.0, 1 / 3)
        found = sheet(
            runs,
            self.bench.state,
            self.state_folder,
            self.bench.network,
            self.bench.ways,
            self.params,
        )
        if not found["problems"] and not is_too_slow(found, self.params):
            runs += driven(MORE_DAYS, 1 / 3, 1.0)
        delays = [round(run.delay.delay_s_per_veh, 2) for run in runs]
        return found | {"drivers": asdict(self.bench.drivers), "delays_s_per_veh": delays}

    def _choose(self, candidates: Sequence[Candidate], progress: Progress) -> Judged:
        """The first of the best candidates that passes; else the verdict on the best one."""
        ranked = self._screen(candidates, part(progress, 0.05, 0.4))
        if not ranked:
            return _no_change("no candidate was better than the plans in service in the screening")
        tried: list[Judged] = []
        for number, (best, screened) in enumerate(ranked[:TRIES]):
            its = part(progress, 0.4 + 0.6 * number / TRIES, 0.4 + 0.6 * (number + 1) / TRIES)
            tried.append(self._try(best, screened, 1000 * (1 + number), its))
            if tried[-1].verdict.decision is Decision.DEPLOY:
                return tried[-1]
        return tried[0]

    def _screen(
        self, candidates: Sequence[Candidate], progress: Progress
    ) -> list[tuple[Candidate, Pairs]]:
        """Candidates that beat the base, the best first, with their pairs; by successive halving.

        The best is that of the lowest mean, so that plans which lock come last; to be tried at all,
        a plan must beat the base on most days: how often streets may lock, the decision asks.

        Rounds take turns between more demand and the rebuilt one: some plans lock under the first,
        some only under the second, where less is held back upstream.
        """
        total: dict[str, list[float]] = {c.candidate_id: [] for c in (self.base, *candidates)}
        field_now = list(candidates)
        rounds = self.params.screen_seeds
        for r in range(rounds):
            runners = [self.base, *field_now]
            scale = self.params.stress_scale if r % 2 == 0 else 1.0
            found = self.bench.run(
                [(c, self.seed_of(r)) for c in runners],
                SCREEN,
                scale,
                part(progress, r / rounds, (r + 1) / rounds),
            )
            for candidate, figures in zip(runners, found, strict=True):
                total[candidate.candidate_id].append(figures.delay.delay_s_per_veh)
            field_now.sort(key=lambda c: (float(np.mean(total[c.candidate_id])), c.candidate_id))
            field_now = field_now[: max(-(-len(field_now) // 2), LEAST_FIELD)]
        pairs = [(c, (tuple(total[IN_SERVICE]), tuple(total[c.candidate_id]))) for c in field_now]
        return [(c, pair) for c, pair in pairs if _usual_ratio(*pair) < 1.0]

    def _try(self, best: Candidate, screened: Pairs, first: int, progress: Progress) -> Judged:
        """All that follows the screening for one candidate, on seeds numbered from ``first``.

        Where the interval is still open, or days break down, now under the one plan and now under
        the other, few pairs decide nothing: then more are run, at most twice.
        """
        params = self.params

        def drive(phase: str, count: int, number: int, done: tuple[float, float]) -> _Phase:
            seeds = tuple(self.seed_of(first + number + i) for i in range(count))
            return self._drive(best, seeds, phase, part(progress, *done))

        confirmed = drive(CONFIRM, params.confirm_seeds, 0, (0.0, 0.4))
        stressed = drive(STRESS, params.stress_seeds, 200, (0.4, 0.5))
        others = joined(screened, stressed.delays)
        decision, reason, ratio = decide(confirmed.delays, others, params)
        if is_open(decision, ratio) or any(breakdowns(confirmed.delays, params)):
            confirmed = confirmed.and_then(drive(CONFIRM, params.more_seeds, 300, (0.5, 0.65)))
            decision, reason, ratio = decide(confirmed.delays, others, params)
        if is_open(decision, ratio):
            confirmed = confirmed.and_then(drive(CONFIRM, params.last_seeds, 400, (0.65, 0.85)))
            decision, reason, ratio = decide(confirmed.delays, others, params)
        evidence = self._evidence(best, confirmed).also("stress", _of_delays(stressed.delays))
        if decision is Decision.DEPLOY:
            decision, reason = _for_everybody(confirmed, evidence, reason)
        if decision is Decision.DEPLOY:
            calm = drive(CALM, params.calm_seeds, 500, (0.85, 0.95)).delays
            switched = self._switch(best, confirmed, part(progress, 0.95, 1.0))
            evidence = evidence.also("calm", _of_delays(calm))
            evidence = evidence.also("transition", _of_delays(switched))
            decision, reason = self._at_other_times(stressed.delays, calm, switched, reason)
        change, _ = paired_change(*confirmed.delays)
        seeds, delays = confirmed.seeds, confirmed.delays
        verdict = Verdict(decision, reason, best.candidate_id, seeds, *delays, change, ratio)
        return Judged(verdict, evidence)

    def _drive(
        self, best: Candidate, seeds: tuple[int, ...], phase: str, progress: Progress
    ) -> _Phase:
        """Run the pairs of a phase."""
        scales = {STRESS: self.params.stress_scale, CALM: self.params.calm_scale}
        found = self.bench.run(
            [(c, s) for s in seeds for c in (self.base, best)],
            phase,
            scales.get(phase, 1.0),
            progress,
            places=phase == CONFIRM,
        )
        return _Phase(seeds, tuple(zip(found[0::2], found[1::2], strict=True)))

    def _switch(self, best: Candidate, confirmed: _Phase, progress: Progress) -> Pairs:
        """Days with the plans in service whose middle third the candidate runs.

        The signals switch at once, as controllers do that only know their tables: the worst case.
        """
        count = self.params.transition_seeds
        switching = with_transition(best, self.bench)
        days = [(switching, seed) for seed in confirmed.seeds[:count]]
        found = self.bench.run(days, TRANSITION, 1.0, progress)
        return confirmed.delays[0][:count], tuple(f.delay.delay_s_per_veh for f in found)

    def _at_other_times(
        self, stressed: Pairs, calm: Pairs, switched: Pairs, reason: str
    ) -> tuple[Decision, str]:
        """Whether what is better on the ordinary day does no harm on others."""
        params = self.params
        limits = (
            (stressed, params.rise_ratio, f"with {params.stress_scale:.0%} of the demand"),
            (calm, params.rise_ratio, f"with {params.calm_scale:.0%} of the demand"),
            (switched, params.transition_rise_ratio, "on a day that switches to it and back"),
        )
        for (before, after), limit, when in limits:
            change = _usual_ratio(before, after) - 1
            if change > limit:
                return Decision.INCONCLUSIVE, f"delay changes by {change:+.1%} {when}: {reason}"
        return Decision.DEPLOY, reason

    def _evidence(self, best: Candidate, confirmed: _Phase) -> Evidence:
        state, network = self.bench.state, self.bench.network
        usable = {j for j, junction in network.junctions.items() if junction.plan_in_service}
        setting = Setting(
            network,
            self.bench.ways,
            find_corridors(network, state, usable),
            state.running_plans,
            state.window.hours * 3600,
        )
        return gather(confirmed.runs, best.plans, setting, self.params)

    def seed_of(self, number: int) -> int:
        """Seeds of the check; screening and confirmation never share one."""
        return (self.seed * 100_003 + number * 7 + 11) % 2_000_000_000


def _usual_ratio(before: Sequence[float], after: Sequence[float]) -> float:
    """Delay under the candidate over that in service, on the median day."""
    return float(np.median(np.array(after) / np.maximum(before, 1e-9)))


def _for_everybody(confirmed: _Phase, evidence: Evidence, reason: str) -> tuple[Decision, str]:
    """Whether what is better for all together hurts nobody, and lifts no more vehicles away.

    Whoever is lifted off the road waits no more: a plan that does so looks better than it is.
    """
    before, after = confirmed.teleports
    # Were it all the same, each of those lifted would be as likely in the one half as in the other.
    if after > before and stats.binom.sf(after - 1, before + after, 0.5) < LIFTED_P:
        told = f"{after} vehicles were lifted off the road, in service {before}"
        return Decision.INCONCLUSIVE, f"{told}: {reason}"
    if evidence.hurt:
        others = len(evidence.hurt) - 1
        more = f" (and {others} more)" if others else ""
        return Decision.KEEP, f"{evidence.hurt[0]}{more}; all together: {reason}"
    return Decision.DEPLOY, reason


def _of_delays(pairs: Pairs) -> dict[str, Any] | None:
    return measure(list(zip(*pairs, strict=True)))


def _no_change(reason: str) -> Judged:
    return Judged(_without_runs(Decision.KEEP, reason))


def _without_runs(decision: Decision, reason: str) -> Verdict:
    return Verdict(decision, reason, "", (), (), (), None, None)
