"""The timing that really runs, from pass times alone.

1. *Cycle*: the passes of every lane are folded on each cycle from 20 s to 300 s; those on which
   they meet most are candidates (`kernels.signal_timing.cycle_scores`).
2. *Starts of stages*: the plan on file gives the order of the stages, their pictures and their
   clearances, but neither cycle nor greens nor offset. Every second of the cycle is worth to a
   stage what the passes of its lanes tell (`evidence`); dynamic programming over all starts of all
   stages finds the best (`kernels.signal_timing.stage_starts`).
3. *Choice*: of the candidates the cycle whose lamps part the passes from the empty seconds best.
4. *Interval*: a start could also be where the best timing with it is hardly less likely.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from traffic_brain.fusion.signals.evidence import Evidence
from traffic_brain.fusion.signals.lanes import JunctionPasses, Lamp
from traffic_brain.kernels import signal_timing as kernel
from traffic_brain.model.signals import SignalPlan

SHORTEST_CYCLE_S, LONGEST_CYCLE_S = 20, 300
CANDIDATES = 6
CANDIDATE_RATIO = 0.6
"""Multiples of the cycle score 1/√2 of what it does: all that come near are looked at."""
AHEAD_S = 1.25
"""By so much the first pass of a green is stamped before its lamp: measured on SUMO, where the
first car stands half a metre before the loop, and a step's passes bear times before its end. Loops
behind the line see it one to two seconds after; offsets found are late by that much."""
LEAST_GREEN_S = 3
MIN_PASSES = 60
MIN_CYCLES = 10
"""A cycle that is off by a second smears passes over as many seconds as there are cycles."""
MIN_CYCLE_SCORE = 8.0
MOST_ON_RED = 0.05
WIDEST_S = 12
"""A start that could lie in a wider interval is not known."""
SAME_S = 2
"""By so much the likeliest start and the middle of the likely ones differ at most, mostly."""
CLOCK_S = 1
"""Added to both ends of the interval: what a device's clock may be wrong, and part seconds."""
LIKELY_DROP = 4.0
"""Log-likelihood. Half of 3.84 (χ² of one degree) would be enough for 95 % if seconds were
independent; they are not, which is what the rest is for."""


@dataclass(frozen=True, slots=True)
class FoundStage:
    """The start of a stage's green.

    start_s: seconds of the service day modulo the cycle; None: not known. It lies between
    ``start_s - early_s`` and ``start_s + late_s``. passes: vehicles seen on its green.
    """

    start_s: int | None
    early_s: int
    late_s: int
    passes: int


@dataclass(frozen=True)
class FoundTiming:
    """The timing of one junction in one stretch of the day, as passes show it.

    plan: on file, of which the stages are; cycle_s: None when not known, ``reason`` then says why.
    on_red_ratio: share of the passes that are on red under this timing; NaN: none was found.
    """

    plan: SignalPlan
    begin_s: int
    end_s: int
    passes: int
    cycle_s: int | None
    stages: tuple[FoundStage, ...] = ()
    likeliest_s: tuple[int, ...] = ()
    """The likeliest starts together, of stages too whose start is not known."""
    on_red_ratio: float = float("nan")
    reason: str = ""

    @property
    def splits_s(self) -> tuple[int | None, ...]:
        """From the start of a stage to that of the next; None where one of them is not known."""
        starts = [stage.start_s for stage in self.stages]
        return tuple(
            None
            if begin is None or end is None or self.cycle_s is None
            else (end - begin) % self.cycle_s or self.cycle_s
            for begin, end in zip(starts, starts[1:] + starts[:1], strict=True)
        )

    @property
    def offset_s(self) -> int | None:
        """The start of the coordinated stage, as plans have it."""
        return self.stages[self.plan.coordinated_stage_idx].start_s if self.stages else None

    def is_known_start(self, second: int) -> bool:
        """Whether a stage that is known starts there, but for what one start is rounded to."""
        assert self.cycle_s is not None
        starts = [stage.start_s for stage in self.stages if stage.start_s is not None]
        apart = [(second - start) % self.cycle_s for start in starts]
        return any(min(d, self.cycle_s - d) <= SAME_S for d in apart)


@dataclass(frozen=True)
class _Fit:
    """The best starts for one cycle.

    best_with: float64[stage, second]: the highest score with each start; lamps: int64[lane,
    second]; gain: see `_parting`.
    """

    evidence: Evidence
    starts: tuple[int, ...]
    best_with: np.ndarray
    lamps: np.ndarray
    gain: float

    @property
    def cycle_s(self) -> int:
        return int(self.lamps.shape[1])


def find_timing(passes: JunctionPasses, plan: SignalPlan, begin_s: int, end_s: int) -> FoundTiming:
    """The timing that ran from ``begin_s`` to ``end_s``, with the stages of ``plan``."""
    part = passes.between(begin_s, end_s)
    none = FoundTiming(plan, begin_s, end_s, len(part.time_s), None)
    if len(part.time_s) < MIN_PASSES:
        return replace(none, reason="too few passes")
    best: _Fit | None = None
    for cycle_s in _candidate_cycles(part):
        fit = _fit(part, plan, _folded(part, cycle_s, (end_s - begin_s) / cycle_s))
        if fit is not None and (best is None or fit.gain > best.gain):
            best = fit
    if best is None:
        return replace(none, reason="no cycle shows")
    best = _fit(part, plan, replace(best.evidence, few=best.evidence.few_under(best.lamps))) or best
    counts = best.evidence.counts
    on_red_ratio = float(counts[best.lamps == Lamp.RED].sum() / counts.sum())
    none = replace(none, on_red_ratio=on_red_ratio)
    if on_red_ratio > MOST_ON_RED:
        return replace(none, reason="passes keep to no fixed timing of these stages")
    if best.evidence.cycles < MIN_CYCLES:
        return replace(none, reason="too few cycles")
    stages = tuple(_stages(part, plan, best))
    return replace(none, cycle_s=best.cycle_s, stages=stages, likeliest_s=best.starts)


def _candidate_cycles(part: JunctionPasses) -> list[int]:
    """Cycles on which passes meet most, of neighbours the best; none where no cycle stands out."""
    scores = np.empty(LONGEST_CYCLE_S - SHORTEST_CYCLE_S + 1)
    status = kernel.cycle_scores(
        part.time_s, part.lane_idx, len(part.lanes), SHORTEST_CYCLE_S, scores
    )
    if status != kernel.OK or scores.max() < MIN_CYCLE_SCORE:
        return []
    taken: list[int] = []
    for idx in np.argsort(-scores, kind="stable").tolist():
        if scores[idx] < CANDIDATE_RATIO * scores.max() or len(taken) == CANDIDATES:
            break
        cycle_s = idx + SHORTEST_CYCLE_S
        if all(abs(cycle_s - other) > 1 for other in taken):
            taken.append(cycle_s)
    return taken


def _folded(part: JunctionPasses, cycle_s: int, cycles: float) -> Evidence:
    counts = np.zeros((len(part.lanes), cycle_s), dtype=np.int64)
    kernel.fold(part.time_s + AHEAD_S, part.lane_idx, cycle_s, counts)
    return Evidence(counts, max(cycles, 1.0))


def _fit(part: JunctionPasses, plan: SignalPlan, evidence: Evidence) -> _Fit | None:
    """The best starts of stages in a cycle; None: its stages do not fit in."""
    gains, lanes = evidence.gains, np.arange(len(part.lanes))
    stages, cycle_s = len(plan.stages), evidence.counts.shape[1]
    opening, green = np.zeros((2, stages, cycle_s))
    clearing = np.zeros((stages, 1 + cycle_s))
    lamps = part.lamps(stage.picture for stage in plan.stages)
    for i, stage in enumerate(plan.stages):
        # Queues stand where it was red in the stage before, not after a yellow between two greens.
        opens = (lamps[i - 1] == Lamp.RED) & (lamps[i] == Lamp.GREEN)
        opening[i] = evidence.opening[opens].sum(axis=0)
        green[i] = gains[lamps[i], lanes].sum(axis=0)
        clearing[i, 0] = stage.clearance_s
        for second, shown in enumerate(part.clearance_lamps(stage)):
            clearing[i, 1:] += np.roll(gains[shown, lanes].sum(axis=0), -second)
    least = np.full(stages, LEAST_GREEN_S, dtype=np.int64)
    starts, best_with = np.zeros(stages, dtype=np.int64), np.empty((stages, cycle_s))
    if kernel.stage_starts(opening, green, clearing, least, starts, best_with) != kernel.OK:
        return None
    found = tuple(starts.tolist())
    over_cycle = lamps_over_cycle(part, plan, cycle_s, found)
    return _Fit(evidence, found, best_with, over_cycle, _parting(evidence.counts, over_cycle))


def lamps_over_cycle(
    passes: JunctionPasses, plan: SignalPlan, cycle_s: int, starts: Sequence[int]
) -> np.ndarray:
    """int64[lane, second of the cycle]: the `Lamp` of each lane under a timing."""
    lamps = np.zeros((len(passes.lanes), cycle_s), dtype=np.int64)
    for stage, begin, end in zip(plan.stages, starts, [*starts[1:], starts[0]], strict=True):
        green_s = ((end - begin) % cycle_s or cycle_s) - stage.clearance_s
        shown = [*passes.lamps([stage.picture] * green_s), *passes.clearance_lamps(stage)]
        for second, row in enumerate(shown):
            lamps[:, (begin + second) % cycle_s] = row
    return lamps


def _parting(counts: np.ndarray, lamps: np.ndarray) -> float:
    """Σ over lanes of N · KL(share of passes on open lamps ‖ share of seconds with open lamps).

    The log-likelihood of two rates per lane over that of one: unlike that of counts per second it
    means the same for every cycle.
    """
    is_open = lamps != Lamp.RED
    number = counts.sum(axis=1)
    share = np.clip(is_open.mean(axis=1), 1e-6, 1.0 - 1e-6)
    passed = ((counts * is_open).sum(axis=1) + 0.5) / (number + 1.0)
    gained = passed * np.log(passed / share) + (1 - passed) * np.log((1 - passed) / (1 - share))
    return float((number * np.where(passed > share, gained, -gained)).sum())


def _stages(part: JunctionPasses, plan: SignalPlan, fit: _Fit) -> Iterator[FoundStage]:
    cycle_s = fit.cycle_s
    ends = [*fit.starts[1:], fit.starts[0]]
    for stage, start, end, row in zip(plan.stages, fit.starts, ends, fit.best_with, strict=True):
        likely = row >= row[start] - LIKELY_DROP
        early_s, late_s = _run(likely, start, -1), _run(likely, start, 1)
        around = np.arange(-early_s, late_s + 1)
        weights = np.exp(row[(start + around) % cycle_s] - row[start])
        middle = int(around[np.searchsorted(np.cumsum(weights), 0.5 * weights.sum())])
        split_s = (end - start) % cycle_s or cycle_s
        seconds = (start + np.arange(split_s - stage.clearance_s)) % cycle_s
        going = part.lamps([stage.picture])[0] >= Lamp.PARTLY
        yield FoundStage(
            (start + middle) % cycle_s if early_s + late_s <= WIDEST_S else None,
            early_s + middle + CLOCK_S,
            late_s - middle + CLOCK_S,
            int(fit.evidence.counts[np.ix_(going, seconds)].sum()),
        )


def _run(likely: np.ndarray, start: int, step: int) -> int:
    """How many seconds in a row, from a start in one direction round the cycle, are likely."""
    length = 0
    while length < len(likely) // 2 and likely[(start + step * (length + 1)) % len(likely)]:
        length += 1
    return length
