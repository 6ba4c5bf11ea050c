"""Timing phases of GMNS as the phases of a ring-and-barrier controller.

What GMNS leaves open is settled here, and told: which of minimum and maximum green is the one
that runs (the one with which the splits sum to the cycle), how much of ``clearance`` is yellow
(what drivers of that speed need), and where a phase stands when no ring is given.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from network_data.importers.gmns.tables import Row, Tables
from network_data.importers.nema import (
    CYCLE_TOLERANCE_S,
    DEFAULT_MAX_GREEN_S,
    DEFAULT_MIN_GREEN_S,
    LONGEST_CYCLE_S,
    RingPhase,
)
from network_data.loss_report import Loss
from traffic_brain.model.standards import DEFAULT_STANDARD, yellow_s

_STANDARD_PLACES = {
    1: (1, 1, 1),
    2: (1, 1, 2),
    3: (2, 1, 1),
    4: (2, 1, 2),
    5: (1, 2, 1),
    6: (1, 2, 2),
    7: (2, 2, 1),
    8: (2, 2, 2),
}
"""Barrier, ring and position of NEMA's eight phases."""
_GREATEST_PLACE = 99
_USUAL_ALL_RED_S = 1.0
_SAME_S = 0.5


@dataclass(frozen=True, slots=True)
class TimingPhase:
    """A row of ``signal_timing_phase``, as numbers; None: not told."""

    row: Row
    number: int
    place: tuple[int, int, int] | None
    """Barrier, ring, position."""
    min_s: float | None
    max_s: float | None
    extension_s: float
    clearance_s: float | None
    yellow_s: float | None
    walk_s: float
    dont_walk_s: float

    @property
    def is_actuated(self) -> bool:
        return self.min_s is not None and (self.max_s or 0.0) > self.min_s + _SAME_S


@dataclass(frozen=True, slots=True)
class Splits:
    """The phases of one plan at one junction, ready for the rings."""

    phases: tuple[RingPhase, ...]
    is_actuated: bool


def timing_phase(tables: Tables, row: Row, signal_phase: Row | None) -> TimingPhase | None:
    """A row as numbers; ``signal_phase`` holds what older files tell there. None: no number."""
    number = tables.whole(row, "signal_phase_num", 0, 999)
    if number is None and signal_phase is not None:
        number = tables.whole(signal_phase, "signal_phase_num", 0, 999)
    if number is None:
        tables.drop(row, "phase without signal_phase_num")
        return None

    def seconds(column: str, longest: float = LONGEST_CYCLE_S) -> float | None:
        return tables.number(row, column, 0.0, longest)

    yellow = seconds("yellow", 60)
    all_red = seconds("all_red", 60)
    if all_red is None:
        all_red = seconds("red", 60)
    clearance = seconds("clearance")
    if clearance is None and yellow is not None:
        clearance = yellow + (all_red or 0.0)
    elif clearance is not None and yellow is None and all_red is not None:
        yellow = max(0.0, clearance - all_red)
    return TimingPhase(
        row=row,
        number=number,
        place=_place(tables, row) or (signal_phase and _place(tables, signal_phase)) or None,
        min_s=seconds("min_green"),
        max_s=seconds("max_green"),
        extension_s=seconds("extension") or 0.0,
        clearance_s=clearance,
        yellow_s=yellow,
        walk_s=seconds("walk_time", 600) or 0.0,
        dont_walk_s=seconds("ped_clearance", 600) or 0.0,
    )


def _place(tables: Tables, row: Row) -> tuple[int, int, int] | None:
    columns = ("barrier", "ring", "position")
    found = [tables.whole(row, column, 0, _GREATEST_PLACE) for column in columns]
    barrier, ring, position = found
    if barrier is None or ring is None or position is None:
        return None
    return barrier, ring, position


@dataclass(frozen=True)
class PlanReader:
    """Settles what the phases of one plan at one junction leave open."""

    tables: Tables
    junction_id: str
    plan_id: str
    cycle_s: float | None
    speed_of: Callable[[int], float]
    """Phase number -> speed in m/s of the fastest approach that it serves."""

    def splits(self, listed: Sequence[TimingPhase]) -> Splits | None:
        """The phases with their greens; None: none of them has a time."""
        phases = self._with_clearance(self._with_greens(listed))
        if not phases:
            self._ask("no phase with a time", 0.0, "give min_green and max_green")
            return None
        self._note_dropped(phases)
        places = self._places(phases)
        greens = self._greens(phases, places)
        made = []
        for phase in phases:
            barrier, ring, position = places[phase.number]
            assert phase.clearance_s is not None
            yellow = min(self._yellow(phase), phase.clearance_s)
            made.append(
                RingPhase(
                    phase=phase.number,
                    ring=ring,
                    barrier=barrier,
                    position=position,
                    split_s=greens[phase.number] + phase.clearance_s,
                    yellow_s=yellow,
                    all_red_s=phase.clearance_s - yellow,
                    min_green_s=phase.min_s or 0.0 if phase.is_actuated else 0.0,
                    walk_s=phase.walk_s,
                    dont_walk_s=phase.dont_walk_s,
                )
            )
        return Splits(tuple(made), any(phase.is_actuated for phase in phases))

    def _note_dropped(self, phases: Sequence[TimingPhase]) -> None:
        for phase in phases:
            if phase.extension_s:
                what = "extension: of actuated control, which a fixed plan has not"
                self._note(Loss.DROPPED, what, phase.row.place)
            if phase.walk_s or phase.dont_walk_s:
                what = "walk_time, ped_clearance: kept as least green of the stages"
                self._note(Loss.DROPPED, what, phase.row.place)
            if phase.is_actuated:
                what = "max_green: of actuated control, which a fixed plan has not"
                self._note(Loss.DROPPED, what, phase.row.place)
        place = f"{self.junction_id} plan {self.plan_id}"
        if len({p.place[1] for p in phases if p.place}) > 1:
            what = "ring, barrier, position: rings side by side as one sequence of stages"
            self._note(Loss.DROPPED, what, place)
        if not all(phase.is_actuated for phase in phases):
            what = f"least green of a stage: {DEFAULT_MIN_GREEN_S} s, or what people on foot need"
            self._note(Loss.DEFAULTED, what, place)
        what = f"longest green of a stage: {DEFAULT_MAX_GREEN_S} s"
        self._note(Loss.DEFAULTED, what, place)

    # --- what is not told ---

    def _with_greens(self, listed: Iterable[TimingPhase]) -> list[TimingPhase]:
        """Phases with both greens; one without any gets what its pedestrians need."""
        found = []
        for phase in listed:
            low, high, place = phase.min_s, phase.max_s, phase.row.place
            if low is None and high is None and phase.walk_s:
                low = high = phase.walk_s + phase.dont_walk_s
                self._note(Loss.GUESSED, "green of a phase: walk and clearance of its walk", place)
            if low is None and high is None:
                self.tables.drop(phase.row, "phase without a green")
                self._ask(f"phase {phase.number} has no green: left out", 0.1, "give min_green")
                continue
            if high is None:
                assert low is not None
                high = low + phase.extension_s
                if phase.extension_s:
                    self._note(Loss.DEFAULTED, "max_green: min_green and one extension", place)
            if low is None:
                low = min(float(DEFAULT_MIN_GREEN_S), high)
                self._note(Loss.DEFAULTED, f"min_green: {DEFAULT_MIN_GREEN_S} s", place)
            if low > high:
                self._note(Loss.GUESSED, "min_green above max_green: the former counts", place)
                self._ask(f"phase {phase.number}: min_green above max_green", 0.4, "correct them")
                high = low
            found.append(replace(phase, min_s=low, max_s=high))
        return found

    def _with_clearance(self, phases: Sequence[TimingPhase]) -> list[TimingPhase]:
        """Phases with a clearance; where none is told, that of most others."""
        known = Counter(p.clearance_s for p in phases if p.clearance_s)
        found = []
        for phase in phases:
            clearance = phase.clearance_s
            if clearance is None:
                usual = self._usual_yellow(phase) + _USUAL_ALL_RED_S
                clearance = known.most_common(1)[0][0] if known else usual
                self._note(Loss.GUESSED, "clearance: as other phases have it", phase.row.place)
                told = f"phase {phase.number} has no clearance: {clearance:g} s is taken"
                self._ask(told, 0.3, "give the phase's clearance")
            found.append(replace(phase, clearance_s=clearance))
        return found

    def _yellow(self, phase: TimingPhase) -> float:
        if phase.yellow_s is not None:
            return phase.yellow_s
        what = "clearance: its yellow is what the approach speed needs, the rest all-red"
        self._note(Loss.GUESSED, what, phase.row.place)
        return self._usual_yellow(phase)

    def _usual_yellow(self, phase: TimingPhase) -> float:
        """Whole seconds of t + v/(2a) (ITE), within the limits of the standard."""
        limits = DEFAULT_STANDARD
        needed = round(yellow_s(self.speed_of(phase.number)))
        return float(min(max(needed, limits.yellow_min_s), limits.yellow_max_s))

    def _places(self, phases: Sequence[TimingPhase]) -> dict[int, tuple[int, int, int]]:
        """Barrier, ring and position of each phase."""
        told = {p.number: p.place for p in phases if p.place is not None}
        if len(told) == len(phases):
            return told
        numbers = sorted(phase.number for phase in phases)
        one_ring = {n: (1, 1, i) for i, n in enumerate(numbers)}
        dual = set(numbers) <= _STANDARD_PLACES.keys() and max(numbers) > 4
        for phase in phases:
            if phase.place is None:
                self._note(Loss.GUESSED, "ring, barrier and position", phase.row.place)
        if len(numbers) > 1:
            what = "NEMA's standard rings" if dual else "one phase after the other"
            self._ask(f"no ring, barrier and position: {what}", 0.5, "give them")
        return {n: _STANDARD_PLACES[n] for n in numbers} if dual else one_ring

    # --- which green runs ---

    def _greens(
        self, phases: Sequence[TimingPhase], places: Mapping[int, tuple[int, int, int]]
    ) -> dict[int, float]:
        """The green of each phase with which the splits sum to the cycle."""
        low = {p.number: p.min_s or 0.0 for p in phases}
        high = {p.number: p.max_s or 0.0 for p in phases}
        clearances = {p.number: p.clearance_s or 0.0 for p in phases}

        def total_s(greens: Mapping[int, float]) -> float:
            return _cycle_of({n: g + clearances[n] for n, g in greens.items()}, places)

        place = f"{self.junction_id} plan {self.plan_id}"
        if not any(phase.is_actuated for phase in phases):
            if self.cycle_s is None:
                self._note(Loss.DEFAULTED, "cycle_length: the sum of the phases", place)
            return low
        if self.cycle_s is None:
            self._note(Loss.GUESSED, "green of an actuated phase without cycle: max_green", place)
            told = f"plan {self.plan_id} runs free (actuated): shown with its longest greens"
            self._ask(told, 0.3, "give the plan that runs, or hold the junction")
            return high
        for greens in (high, low):
            if abs(total_s(greens) - self.cycle_s) <= CYCLE_TOLERANCE_S:
                return greens
        self._note(Loss.GUESSED, "green between min_green and max_green, to fill the cycle", place)
        told = f"plan {self.plan_id}: neither the shortest nor the longest greens fill the cycle"
        self._ask(told, 0.3, "give the greens of the plan")
        return _between(low, high, total_s, self.cycle_s)

    def _note(self, loss: Loss, what: str, place: str) -> None:
        self.tables.losses.note(loss, f"signal timing: {what}", place)

    def _ask(self, what: str, confidence: float, remedy: str) -> None:
        self.tables.losses.to_fix(self.junction_id, what, confidence, remedy)


def _cycle_of(splits: Mapping[int, float], places: Mapping[int, tuple[int, int, int]]) -> float:
    """Sum over the barriers of the longest ring."""
    rings: dict[tuple[int, int], float] = defaultdict(float)
    for number, split_s in splits.items():
        barrier, ring, _ = places[number]
        rings[barrier, ring] += split_s
    longest: dict[int, float] = defaultdict(float)
    for (barrier, _), length_s in rings.items():
        longest[barrier] = max(longest[barrier], length_s)
    return sum(longest.values())


def _between(
    low: Mapping[int, float],
    high: Mapping[int, float],
    total_s: Callable[[Mapping[int, float]], float],
    cycle_s: float,
) -> dict[int, float]:
    """All greens raised by the same share of their room until the splits fill the cycle."""
    below, above = 0.0, 1.0
    for _ in range(50):  # halves the share each time: exact to the last digit
        share = (below + above) / 2
        greens = {n: g + share * (high[n] - g) for n, g in low.items()}
        if total_s(greens) < cycle_s:
            below = share
        else:
            above = share
    return {n: g + above * (high[n] - g) for n, g in low.items()}
