"""Signal plans as ring-and-barrier phases from which the same lamps can be read again.

Every green of a signal group becomes a phase, equal greens of several groups the same one; a
group that turns from protected to permitted green without yellow gets a phase for either part.
The phases are laid into rings side by side; a moment that no phase crosses is a barrier. Where
that takes more phases than there are, each stage is a phase of one ring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from itertools import groupby, pairwise

from network_data.importers.nema import (
    GroupPhases,
    OffsetReference,
    PhaseTimes,
    RingOffset,
    RingPhase,
    plan_of_rings,
    timeline_of_rings,
)
from traffic_brain.model.signals import GREENS, Interval, SignalPlan

MOST_PHASES = 16
MOST_OF_A_GROUP = 4
"""Protected phases, and permitted phases, that a movement can name."""
_MOST_PLACES = 9
"""Rings, barriers and positions are one digit each."""


@dataclass(frozen=True, slots=True)
class Lit:
    """A stretch of green, in seconds from the rings' zero, and the groups that it lights."""

    start_s: int
    end_s: int
    yellow_s: int
    protected: frozenset[int]
    permitted: frozenset[int]


class Likeness(IntEnum):
    """How much of a plan can be read again from its phases."""

    NONE = 0
    LAMPS = 1
    """What the lamps show at every second."""
    STAGES = 2
    """Also which stage is the first."""
    WHOLE = 3
    """Also which stage is coordinated."""


@dataclass(frozen=True)
class Encoded:
    """A plan as phases."""

    plan: SignalPlan
    phases: tuple[RingPhase, ...]
    offset: RingOffset
    begin_s: int
    """Begin of the rings' cycle on the master clock."""
    likeness: Likeness

    def times(self) -> Mapping[int, PhaseTimes]:
        """When each phase runs, since ``begin_s``."""
        return _times(self.phases)


@dataclass
class Numbering:
    """The numbers of one controller's phases, the same over all its plans."""

    on_red: Sequence[bool]
    """By signal group: it may turn on red."""
    protected: list[set[int]] = field(init=False)
    permitted: list[set[int]] = field(init=False)
    used: dict[int, tuple[frozenset[int], frozenset[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.protected = [set() for _ in self.on_red]
        self.permitted = [set() for _ in self.on_red]

    def copy(self) -> Numbering:
        other = Numbering(self.on_red)
        other.protected = [set(phases) for phases in self.protected]
        other.permitted = [set(phases) for phases in self.permitted]
        other.used = dict(self.used)
        return other

    def number(self, lit: Lit, taken: Iterable[int]) -> int | None:
        """The number for a green: one that lights the same groups already, else a new one."""
        lights, busy = (lit.protected, lit.permitted), set(taken)
        for number, known in self.used.items():
            if known == lights and number not in busy:
                return number
        fresh = len(self.used) + 1
        if fresh > MOST_PHASES:
            return None
        self.used[fresh] = lights
        for group in lit.protected:
            self.protected[group].add(fresh)
        for group in lit.permitted:
            self.permitted[group].add(fresh)
        return fresh

    @property
    def fits(self) -> bool:
        """Whether no group names more phases than a movement can."""
        return all(len(phases) <= MOST_OF_A_GROUP for phases in (*self.protected, *self.permitted))

    @property
    def group_phases(self) -> tuple[GroupPhases, ...]:
        return tuple(
            GroupPhases(frozenset(p), frozenset(q), red)
            for p, q, red in zip(self.protected, self.permitted, self.on_red, strict=True)
        )


def encode(plans: Sequence[SignalPlan], group_count: int) -> tuple[list[Encoded | None], Numbering]:
    """Phases for every plan of a controller that can be told in them, with common numbers.

    None stands for a plan that needs more phases than there are. A group may turn on red as soon
    as one picture says so.
    """
    pictures = [interval.picture for plan in plans for interval in plan.intervals()]
    numbering = Numbering([any(p[g] == "s" for p in pictures) for g in range(group_count)])
    found: list[Encoded | None] = []
    for plan in plans:
        best: tuple[Encoded, Numbering] | None = None
        for zero_s, lits in _ways(plan):
            attempt = _attempt(plan, zero_s, lits, numbering)
            if attempt is not None and (best is None or attempt[0].likeness > best[0].likeness):
                best = attempt
            if best is not None and best[0].likeness is Likeness.WHOLE:
                break
        encoded, numbering = best if best is not None else (None, numbering)
        found.append(encoded)
    return found, numbering


def _ways(plan: SignalPlan) -> Iterator[tuple[int, list[Lit]]]:
    """(zero of the rings after the start of stage 0, greens) from the best way to the last."""
    starts = [plan.stage_start_s(idx) for idx in range(len(plan.stages))]
    for zero_s in dict.fromkeys((_zero_s(plan), *starts)):
        yield zero_s, _greens(plan, zero_s)
    yield 0, _stage_greens(plan)


def _attempt(
    plan: SignalPlan,
    zero_s: int,
    lits: Sequence[Lit],
    known: Numbering,
) -> tuple[Encoded, Numbering] | None:
    """Lay greens into rings, number them and read them back; None: they do not fit."""
    numbering = known.copy()
    laid = _laid(lits, plan.cycle_s, numbering)
    if not laid or not numbering.fits:
        return None
    begin_s = (plan.first_stage_offset_s + zero_s) % plan.cycle_s
    groups = numbering.group_phases
    phases = tuple(_with_min_greens(laid, plan, zero_s))
    best: Encoded | None = None
    for offset in _offsets(phases, plan, begin_s):
        made = plan_of_rings(plan.junction_id, plan.plan_id, phases, groups, offset).plan
        likeness = _likeness(made, plan)
        if best is None or likeness > best.likeness:
            best = Encoded(plan, phases, offset, begin_s, likeness)
    return None if best is None else (best, numbering)


def _likeness(made: SignalPlan | None, plan: SignalPlan) -> Likeness:
    if made is None or made.cycle_s != plan.cycle_s:
        return Likeness.NONE
    seconds = range(plan.cycle_s)
    shift_s = plan.first_stage_offset_s - made.first_stage_offset_s
    ours, theirs = plan.pictures(), made.pictures()
    if any(ours[t] != theirs[(t + shift_s) % plan.cycle_s] for t in seconds):
        return Likeness.NONE
    same_stages = [s.picture for s in made.stages] == [s.picture for s in plan.stages]
    if same_stages and made.coordinated_stage_idx == plan.coordinated_stage_idx:
        return Likeness.WHOLE
    return Likeness.STAGES if same_stages else Likeness.LAMPS


# --- greens ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Need:
    """A green of one group: its phase may start and end within these bounds."""

    group: int
    kind: str
    starts: range
    ends: range
    run_end_s: int
    """End of the whole green run of the group, in which a yellow shows."""
    yellow_s: int

    def met_by(self, start_s: int, end_s: int, yellow_s: int) -> bool:
        if start_s not in self.starts or end_s not in self.ends:
            return False
        if end_s == self.run_end_s:
            return yellow_s == self.yellow_s
        return end_s + yellow_s <= self.run_end_s

    @property
    def narrowest(self) -> tuple[int, int, int]:
        start_s, end_s = self.starts[-1], self.ends[0]
        return start_s, end_s, self.yellow_s if end_s == self.run_end_s else 0


def _greens(plan: SignalPlan, zero_s: int) -> list[Lit]:
    """Every green as a phase; the rings begin ``zero_s`` after the start of stage 0."""
    pictures = plan.pictures()
    turned = pictures[zero_s:] + pictures[:zero_s]
    needs = [
        need
        for group, lamps in enumerate(map("".join, zip(*turned, strict=True)))
        for need in _needs(group, lamps)
    ]
    chosen: dict[tuple[int, int, int], list[_Need]] = {}
    for need in sorted(
        needs, key=lambda n: len(n.starts) * len(n.ends) + (n.ends[0] != n.run_end_s)
    ):
        fitting = [times for times in chosen if need.met_by(*times)]
        chosen.setdefault(fitting[0] if fitting else need.narrowest, []).append(need)
    return [
        Lit(
            *times,
            frozenset(n.group for n in served if n.kind == "G"),
            frozenset(n.group for n in served if n.kind == "g"),
        )
        for times, served in sorted(chosen.items())
    ]


def _zero_s(plan: SignalPlan) -> int:
    """A second before stage 0, within the clearance before it, that no green or yellow crosses."""
    pictures = plan.pictures()
    for back in range(plan.stages[-1].clearance_s + 1):
        before, after = pictures[-back - 1], pictures[-back] if back else pictures[0]
        if not any(
            (a in GREENS and b in GREENS) or (a == b == "y")
            for a, b in zip(before, after, strict=True)
        ):
            return -back % plan.cycle_s
    return 0


def _needs(group: int, lamps: str) -> Iterator[_Need]:
    now_s = 0
    runs = [(lit, "".join(same)) for lit, same in groupby(lamps, key=lambda c: c in GREENS)]
    for i, (lit, run) in enumerate(runs):
        start_s, now_s = now_s, now_s + len(run)
        if not lit:
            continue
        after = runs[i + 1][1] if i + 1 < len(runs) else ""
        yellow_s = len(after) - len(after.lstrip("y"))
        part_s = start_s
        for kind, same in groupby(run):
            begin_s, part_s = part_s, part_s + len(list(same))
            starts = range(begin_s, begin_s + 1) if kind == "G" else range(start_s, begin_s + 1)
            ends = range(part_s, part_s + 1) if kind == "G" else range(part_s, now_s + 1)
            yield _Need(group, kind, starts, ends, now_s, yellow_s)


def _stage_greens(plan: SignalPlan) -> list[Lit]:
    """Each stage as one green with the longest yellow after it."""
    found, start_s = [], 0
    for stage in plan.stages:
        end_s = start_s + stage.green_s
        lamps = ["".join(column) for column in zip(*_seconds(stage.clearance), strict=True)]
        yellow_s = max((len(c) - len(c.lstrip("y")) for c in lamps), default=0)
        groups = {
            kind: frozenset(g for g, lamp in enumerate(stage.picture) if lamp == kind)
            for kind in GREENS
        }
        found.append(Lit(start_s, end_s, yellow_s, groups["G"], groups["g"]))
        start_s = end_s + stage.clearance_s
    return found


def _seconds(clearance: Iterable[Interval]) -> list[str]:
    return [interval.picture for interval in clearance for _ in range(interval.duration_s)]


# --- rings ----------------------------------------------------------------------------------


def _laid(lits: Sequence[Lit], cycle_s: int, numbering: Numbering) -> list[RingPhase] | None:
    """The greens in rings, gaps filled with all-red or with phases that light nobody."""
    reach_s = {lit: min(cycle_s, _reach_s(lit, lits, cycle_s)) for lit in lits}
    bounds = _barriers(reach_s, cycle_s)
    phases: list[RingPhase] = []
    for barrier, (begin_s, end_s) in enumerate(pairwise(bounds), start=1):
        rings: list[list[Lit]] = []
        for lit in lits:
            if begin_s <= lit.start_s < end_s:
                ring = next((r for r in rings if reach_s[r[-1]] <= lit.start_s), None)
                if ring is None:
                    rings.append(ring := [])
                ring.append(lit)
        for ring_number, ring in enumerate(rings, start=1):
            parts = list(_parts(ring, (begin_s, end_s), reach_s, lits, cycle_s))
            for position, (part, all_red_s) in enumerate(parts, start=1):
                number = numbering.number(part, (p.phase for p in phases))
                if number is None or max(barrier, ring_number, position) > _MOST_PLACES:
                    return None
                split_s = part.end_s - part.start_s + part.yellow_s + all_red_s
                place = (number, ring_number, barrier, position)
                phases.append(RingPhase(*place, split_s, part.yellow_s, all_red_s))
    return phases


def _reach_s(lit: Lit, lits: Sequence[Lit], cycle_s: int) -> int:
    """How long a phase lasts at least: a second longer where it would keep a group green.

    A group that gets green again right after its yellow must not take the new phase for the
    follower of the old one.
    """
    end_s = lit.end_s + lit.yellow_s
    return end_s + 1 if _would_join(lit, end_s, lits, cycle_s) else end_s


def _barriers(reach_s: Mapping[Lit, int], cycle_s: int) -> list[int]:
    """0, the cycle, and every start that no other phase reaches across."""
    free = {
        lit.start_s
        for lit in reach_s
        if not any(o.start_s < lit.start_s < end_s for o, end_s in reach_s.items())
    }
    return sorted({0, cycle_s} | free)


def _parts(
    ring: Sequence[Lit],
    bounds: tuple[int, int],
    reach_s: Mapping[Lit, int],
    lits: Sequence[Lit],
    cycle_s: int,
) -> Iterator[tuple[Lit, int]]:
    """The phases of one ring between two barriers, each with its all-red; gaps filled."""
    now_s = bounds[0]
    following = [lit.start_s for lit in ring[1:]] + [bounds[1]]
    for lit, next_s in zip(ring, following, strict=True):
        if lit.start_s > now_s:
            yield _dark(now_s, lit.start_s), 0
        end_s = reach_s[lit] if _would_join(lit, next_s, lits, cycle_s) else next_s
        yield lit, end_s - lit.end_s - lit.yellow_s
        if next_s > end_s:
            yield _dark(end_s, next_s), 0
        now_s = next_s


def _dark(start_s: int, end_s: int) -> Lit:
    """Fills a gap in a ring, and lights nobody."""
    return Lit(start_s, end_s, 0, frozenset(), frozenset())


def _would_join(lit: Lit, end_s: int, lits: Sequence[Lit], cycle_s: int) -> bool:
    """Whether a green that starts as this one's phase ends would keep a group of it green."""
    return (
        any(
            other.start_s == end_s % cycle_s
            and (other.protected & lit.protected or other.permitted & lit.permitted)
            for other in lits
        )
        and end_s > lit.end_s
    )


def _with_min_greens(phases: Sequence[RingPhase], plan: SignalPlan, zero_s: int) -> list[RingPhase]:
    """Give each phase the minimum that the stages within its green have together."""
    found = []
    times = _times(phases)
    for phase in phases:
        start_s, green_s = times[phase.phase].start_s, times[phase.phase].green_s
        kept_s = _kept_s(plan, (start_s + zero_s) % plan.cycle_s, green_s)
        found.append(replace(phase, min_green_s=float(kept_s)))
    return found


def _kept_s(plan: SignalPlan, start_s: int, green_s: int) -> int:
    """Seconds of a green that stay when every stage shrinks to its minimum; fixed ones stay."""
    shrinks = 0
    for idx, stage in enumerate(plan.stages):
        from_s = plan.stage_start_s(idx)
        for shift in (0, plan.cycle_s):
            begin = max(from_s + shift, start_s)
            end = min(from_s + shift + stage.green_s, start_s + green_s)
            shrinks += max(0, min(end - begin, stage.green_s - stage.min_green_s))
    return green_s - shrinks


def _offsets(phases: Sequence[RingPhase], plan: SignalPlan, begin_s: int) -> Iterator[RingOffset]:
    """Offsets that all mean the same, by each phase that lights somebody."""
    for phase, times in _times(phases).items():
        offset_s = (begin_s + times.start_s) % plan.cycle_s
        yield RingOffset(float(offset_s), (phase,), OffsetReference.FIRST_GREEN)


def _times(phases: Sequence[RingPhase]) -> Mapping[int, PhaseTimes]:
    timeline = timeline_of_rings(phases)
    return timeline.times if timeline is not None else {}
