"""Stage by stage: a green made to stand when an emergency vehicle comes, and the way back.

Stages keep the order and the clearances of the plan that runs: none is left out, none comes twice,
no intergreen is touched. Only greens become shorter or longer, between the least that the rules
allow (stage, standard, crossings) and the stage's own greatest. So a change is told by seconds of
green, and each change is judged by `traffic_brain.model.rules` as one long plan: a cycle as
planned, every changed cycle, a cycle as planned.

Times are whole seconds of the service day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from traffic_brain.model.lamps import greens
from traffic_brain.model.rules import JunctionRulesInput, Violation, judge, violations
from traffic_brain.model.signals import GREENS, SignalPlan
from traffic_brain.model.standards import DEFAULT_STANDARD, SafetyStandard, pedestrian_green_s

CYCLES_AHEAD = 3
"""How many cycles ahead a green may be prepared."""
RECOVERY_RATIO = 0.2
"""Share of the cycle by which one cycle may be shorter or longer on the way back to its place:
what signal controllers allow for offset transitions. Our own figure."""
MOST_TRIED = 2
"""Greens that are tried with each set of limits, the least change first."""

Room = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StageRun:
    """One green of a stage, in the order in which they come."""

    stage_idx: int
    start_s: int
    green_s: int
    planned_green_s: int


@dataclass(frozen=True, slots=True)
class Limits:
    """Least and greatest green of each stage of a plan."""

    least_s: tuple[int, ...]
    greatest_s: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """Greens from a time on, so that a stretch is green; afterwards the plan is as it was."""

    runs: tuple[StageRun, ...]
    """Until the plan is in its place again; empty: nothing is changed."""
    block: tuple[StageRun, ...]
    """Those of ``runs`` (or of the plan) that show the wanted green without a break."""
    back_s: int
    """When the junction runs as planned again."""

    @property
    def green_from_s(self) -> int:
        return self.block[0].start_s

    @property
    def green_until_s(self) -> int:
        return self.block[-1].start_s + self.block[-1].green_s


def limits_of(
    plan: SignalPlan,
    site: JunctionRulesInput,
    standard: SafetyStandard = DEFAULT_STANDARD,
) -> list[Limits]:
    """Limits to try one after the other, each narrower: the rules accept the last in any case.

    First all that stages, standard and crossings allow; then no stage with a crossing is
    shortened, since what people need to clear may rest on its length; then none is.
    """
    walks = [
        any(stage.picture[group] in GREENS for group in site.pedestrian_groups)
        for stage in plan.stages
    ]
    least = [
        min(stage.green_s, max(stage.min_green_s, standard.green_min_s, on_foot))
        for stage, on_foot in zip(plan.stages, _on_foot_s(plan, site, standard), strict=True)
    ]
    careful = [
        stage.green_s if walk else low
        for stage, walk, low in zip(plan.stages, walks, least, strict=True)
    ]
    greatest = tuple(max(stage.green_s, stage.max_green_s) for stage in plan.stages)
    tried = dict.fromkeys((tuple(least), tuple(careful), plan.greens_s))
    return [Limits(low, greatest) for low in tried]


def _on_foot_s(plan: SignalPlan, site: JunctionRulesInput, standard: SafetyStandard) -> list[int]:
    """Least green of each stage for the crossings that are green in it.

    What a crossing's shortest green has to spare is shared by the stages that make it up.
    """
    found = [0] * len(plan.stages)
    for crossing in site.crossings:
        group = crossing.signal_group_idx
        shown = [i for i, stage in enumerate(plan.stages) if stage.picture[group] in GREENS]
        shortest = min((run.length_s for run in greens(plan, group)), default=0)
        spare = shortest - ceil(pedestrian_green_s(crossing.length_m, standard))
        for i in shown:
            found[i] = max(found[i], plan.stages[i].green_s - max(spare, 0) // len(shown))
    return found


def planned_runs(plan: SignalPlan, from_s: int, count: int) -> list[StageRun]:
    """The next greens of a plan; the first is the one on, or just over, at ``from_s``."""
    since = (from_s - plan.first_stage_offset_s) % plan.cycle_s
    start = from_s - since
    found: list[StageRun] = []
    while len(found) < count:
        for i, stage in enumerate(plan.stages):
            if start + stage.split_s > from_s:
                found.append(StageRun(i, start, stage.green_s, stage.green_s))
            start += stage.split_s
    return found[:count]


def blocks(plan: SignalPlan, runs: Sequence[StageRun], groups: Sequence[int]) -> list[range]:
    """Stretches of ``runs`` in which all ``groups`` are green without a break."""
    found: list[range] = []
    begin: int | None = None
    for k, run in enumerate(runs):
        stage = plan.stages[run.stage_idx]
        if not all(stage.picture[g] in GREENS for g in groups):
            begin = None
            continue
        begin = k if begin is None else begin
        if not all(i.picture[g] in GREENS for i in stage.clearance for g in groups):
            found.append(range(begin, k + 1))
            begin = None
    return found if begin is None else [*found, range(begin, len(runs))]


def hold(
    plan: SignalPlan,
    site: JunctionRulesInput,
    groups: Sequence[int],
    window_s: tuple[int, int],
    known_s: int,
) -> Held | None:
    """Greens under which ``groups`` are green over the window, with the least seconds changed.

    Args:
        window_s: from and until, in seconds of the day.
        known_s: nothing changes before.

    Returns:
        None: no change of greens within the rules gives it.
    """
    cycles = max(window_s[1] - known_s, 0) // plan.cycle_s + 1 + CYCLES_AHEAD
    runs = planned_runs(plan, known_s, len(plan.stages) * cycles)
    found = blocks(plan, runs, groups)
    for limits in limits_of(plan, site):
        changes = [_change(runs, block, window_s, known_s, limits) for block in found]
        options = sorted(
            (abs(change[0]) + abs(change[1]), k)
            for k, change in enumerate(changes)
            if change is not None
        )
        for _, k in options[:MOST_TRIED]:
            shift, more = changes[k] or (0, 0)
            held = _held(plan, runs, found[k], shift, more, known_s, limits)
            if held is not None and not broken(plan, site, held.runs):
                return held
    return None


def broken(plan: SignalPlan, site: JunctionRulesInput, runs: Sequence[StageRun]) -> list[Violation]:
    """What the rules say against a sequence of greens and not against the plan that runs.

    The sequence is judged as one plan of many stages, between two cycles as planned. That stages
    come again in it is no finding.
    """
    if not runs:
        return []
    first, last = runs[0].stage_idx, runs[-1].stage_idx
    before = [*plan.stages, *plan.stages[:first]]
    changed = [replace(plan.stages[run.stage_idx], green_s=run.green_s) for run in runs]
    after = [*plan.stages[last + 1 :], *plan.stages]
    whole = replace(plan, stages=(*before, *changed, *after), offset_s=0, coordinated_stage_idx=0)
    return [v for v in violations(judge(whole, site, plan)) if v.rule != "stage_unique"]


def _change(
    runs: Sequence[StageRun],
    block: range,
    window_s: tuple[int, int],
    known_s: int,
    limits: Limits,
) -> tuple[int, int] | None:
    """(shift of the block's start, seconds added to its green); None: it cannot cover the window.

    The least |shift| + |added| with start + shift <= from, end + shift + added >= until.
    """
    begin = runs[block.start].start_s
    end = runs[block.stop - 1].start_s + runs[block.stop - 1].green_s
    before = _rooms(runs[: block.start], known_s, limits)
    inside = _rooms([runs[k] for k in block], known_s, limits)
    most = sum(high for _, high in inside)
    latest = min(window_s[0] - begin, sum(high for _, high in before))
    shift = min(0, latest)
    more = max(0, window_s[1] - end - shift)
    if more > most:
        shift, more = window_s[1] - end - most, most
    return (shift, more) if sum(low for low, _ in before) <= shift <= latest else None


def _rooms(runs: Sequence[StageRun], known_s: int, limits: Limits) -> list[Room]:
    """By how many seconds each green may be shorter (<= 0) and longer (>= 0).

    One that has begun cannot be shorter than it has lasted; one that is over cannot change.
    """
    found = []
    for run in runs:
        if run.start_s + run.green_s <= known_s:
            found.append((0, 0))
            continue
        least = max(limits.least_s[run.stage_idx], known_s - run.start_s)
        greatest = limits.greatest_s[run.stage_idx]
        found.append((min(0, least - run.green_s), max(0, greatest - run.green_s)))
    return found


def _held(
    plan: SignalPlan,
    runs: Sequence[StageRun],
    block: range,
    shift: int,
    more: int,
    known_s: int,
    limits: Limits,
) -> Held | None:
    """The greens that come of a change; None: there is no way back to the plan."""
    if shift == more == 0:
        return Held((), tuple(runs[k] for k in block), known_s)
    changes = _shared(_rooms(runs[: block.start], known_s, limits), shift)
    changes += _shared(_rooms([runs[k] for k in block], known_s, limits), more)
    back = _way_back(plan, len(changes), runs[0].stage_idx, -(shift + more), limits)
    if back is None:
        return None
    changes += back
    made: list[StageRun] = []
    start = runs[0].start_s
    for k, change in enumerate(changes):
        stage_idx = (runs[0].stage_idx + k) % len(plan.stages)
        stage = plan.stages[stage_idx]
        made.append(StageRun(stage_idx, start, stage.green_s + change, stage.green_s))
        start += stage.split_s + change
    return Held(tuple(made), tuple(made[k] for k in block), start)


def _way_back(
    plan: SignalPlan, passed: int, first_idx: int, wanted: int, limits: Limits
) -> list[int] | None:
    """Change of each green after the hold until the plan is in its place; the shorter way round.

    Args:
        passed: greens up to the hold's end, the first of them that of stage ``first_idx``.
        wanted: seconds by which what follows is too late, as a negative number.
    """
    if wanted % plan.cycle_s == 0:
        return []
    order = [(first_idx + passed + k) % len(plan.stages) for k in range(len(plan.stages))]
    rooms = [
        (limits.least_s[i] - plan.stages[i].green_s, limits.greatest_s[i] - plan.stages[i].green_s)
        for i in order
    ]
    longer = wanted % plan.cycle_s
    most = max(1, int(RECOVERY_RATIO * plan.cycle_s))
    ways = [_over_cycles(rooms, total, most) for total in (longer - plan.cycle_s, longer)]
    return min((way for way in ways if way is not None), key=len, default=None)


def _over_cycles(rooms: Sequence[Room], total: int, most: int) -> list[int] | None:
    """``total`` seconds over the coming cycles, at most ``most`` in each; None: no room."""
    room = sum(low if total < 0 else high for low, high in rooms)
    step = max(-most, room) if total < 0 else min(most, room)
    if step == 0:
        return None
    changes: list[int] = []
    while total:
        now = max(total, step) if total < 0 else min(total, step)
        changes += _shared(rooms, now)
        total -= now
    return changes


def _shared(rooms: Sequence[Room], total: int) -> list[int]:
    """``total`` seconds over greens in proportion to their room, in whole seconds."""
    if not total:
        return [0] * len(rooms)
    sizes = [abs(low if total < 0 else high) for low, high in rooms]
    exact = [abs(total) * size / sum(sizes) for size in sizes]
    whole = [int(share) for share in exact]
    rest = sorted(range(len(rooms)), key=lambda k: (whole[k] - exact[k], k))
    for k in rest[: abs(total) - sum(whole)]:
        whole[k] += 1
    return [seconds if total > 0 else -seconds for seconds in whole]
