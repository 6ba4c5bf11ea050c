"""What a green wave is asked for: immutable problems, checked when built.

Two kinds. ``ArterialProblem`` speaks the language of the bandwidth literature: ratios of a cycle
that may itself be chosen, lengths and ranges of speed. ``CorridorProblem`` is a real corridor
with plans that exist: one cycle, whole seconds, green windows per direction.

Signals are numbered along the *out* direction; link i joins signals i and i + 1. *Back* traffic
drives link i from signal i + 1 to signal i. Per-signal tuples have one entry per signal, per-link
tuples one entry per link, in these orders for both directions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf, isfinite

from traffic_brain.errors import DataRefused

Range = tuple[float, float]


class LeftPattern(StrEnum):
    """Order of the left turns at a signal: first word the out left turn, second the back one.

    A left turn *leads* when it runs before the opposing through traffic's green.
    """

    LEAD_LAG = "LEAD_LAG"
    LAG_LEAD = "LAG_LEAD"
    LEAD_LEAD = "LEAD_LEAD"
    LAG_LAG = "LAG_LAG"

    @property
    def out_lags(self) -> int:
        """Little's delta: 1 when the out left turn lags."""
        return int(self in {LeftPattern.LAG_LEAD, LeftPattern.LAG_LAG})

    @property
    def back_lags(self) -> int:
        """Little's delta-bar: 1 when the back left turn lags."""
        return int(self in {LeftPattern.LEAD_LAG, LeftPattern.LAG_LAG})

    @property
    def mirrored(self) -> LeftPattern:
        """The same order with out and back exchanged."""
        swapped = {self.LEAD_LAG: self.LAG_LEAD, self.LAG_LEAD: self.LEAD_LAG}
        return LeftPattern(swapped.get(self, self))


ANY_PATTERN = frozenset(LeftPattern)


@dataclass(frozen=True, slots=True)
class LeftTurns:
    """Left-turn greens per signal as ratios of the cycle, and the orders each signal allows."""

    out_ratios: tuple[float, ...]
    back_ratios: tuple[float, ...]
    allowed: tuple[frozenset[LeftPattern], ...]


def left_turns(
    out_ratios: Sequence[float],
    back_ratios: Sequence[float],
    allowed: Sequence[Iterable[LeftPattern]] | None = None,
) -> LeftTurns:
    """Left turns from sequences; by default every signal allows every order."""
    if allowed is None:
        allowed = (ANY_PATTERN,) * len(out_ratios)
    return LeftTurns(_floats(out_ratios), _floats(back_ratios), tuple(map(frozenset, allowed)))


@dataclass(frozen=True, slots=True)
class Direction:
    """One direction of an arterial; build it with ``direction``."""

    red_ratios: tuple[float, ...]
    """Red of the direction's through traffic at each signal, as a ratio of the cycle."""
    lengths_m: tuple[float, ...]
    speed_ranges_mps: tuple[Range, ...]
    queue_ratios: tuple[float, ...]
    """tau: how much earlier the band leaves a signal than it arrives there (queue clearance)."""
    pace_change_s_per_m: tuple[float, ...]
    """Largest change of 1/speed between links i and i + 1; infinite: no limit."""
    weight: float
    """Of the direction's band in MAXBAND."""
    link_weights: tuple[float, ...]
    """Of each link's band in MULTIBAND and AM-BAND."""

    def reversed(self) -> Direction:
        """The same direction with signals and links numbered from the other end."""
        return replace(
            self,
            red_ratios=self.red_ratios[::-1],
            lengths_m=self.lengths_m[::-1],
            speed_ranges_mps=self.speed_ranges_mps[::-1],
            queue_ratios=self.queue_ratios[::-1],
            pace_change_s_per_m=self.pace_change_s_per_m[::-1],
            link_weights=self.link_weights[::-1],
        )


def direction(
    red_ratios: Sequence[float],
    lengths_m: Sequence[float],
    speed_range_mps: Range | Sequence[Range],
    *,
    queue_ratios: float | Sequence[float] = 0.0,
    pace_change_s_per_m: float | Sequence[float] = inf,
    weight: float = 1.0,
    link_weights: float | Sequence[float] | None = None,
) -> Direction:
    """A direction from sequences; one number or range stands for every signal or link.

    Links weigh as much as the direction unless ``link_weights`` says otherwise.
    """
    links = len(lengths_m)
    return Direction(
        red_ratios=_floats(red_ratios),
        lengths_m=_floats(lengths_m),
        speed_ranges_mps=_ranges(speed_range_mps, links),
        queue_ratios=_each(queue_ratios, len(red_ratios)),
        pace_change_s_per_m=_each(pace_change_s_per_m, max(links - 1, 0)),
        weight=float(weight),
        link_weights=_each(weight if link_weights is None else link_weights, links),
    )


def direction_with_travel_times(
    red_ratios: Sequence[float], travel_s: Sequence[float], *, weight: float = 1.0
) -> Direction:
    """A direction whose travel times cannot change: each link is that many metres at 1 m/s."""
    return direction(red_ratios, travel_s, (1.0, 1.0), weight=weight)


@dataclass(frozen=True, slots=True)
class ArterialProblem:
    """An arterial in the language of Little (1966, 1981).

    Little's program with target ratio k is ``direction_ratio=k`` and a back ``weight`` of k.

    Raises:
        DataRefused: lengths that do not fit, ratios or ranges out of range; all problems at once.
    """

    out: Direction
    back: Direction
    cycle_range_s: Range
    left_turns: LeftTurns | None = None
    """Lead/lag is chosen and sets where the reds lie: red ratios then include the opposing
    left turn's green. ``None``: red centres are aligned but for ``red_shift_ratios``."""
    red_shift_ratios: tuple[float, ...] = ()
    """Centre of the out red minus centre of the back red per signal; empty: aligned."""
    equal_bands: bool = False
    direction_ratio: float | None = None
    """Little's k, (1 - k) back >= (1 - k) k out; ``None`` or 1: no such constraint."""

    def __post_init__(self) -> None:
        problems = list(_arterial_problems(self))
        if problems:
            raise DataRefused("the arterial cannot be used", "correct its figures", problems)

    @property
    def signal_count(self) -> int:
        return len(self.out.red_ratios)

    @property
    def link_count(self) -> int:
        return self.signal_count - 1

    def reversed(self) -> ArterialProblem:
        """The same arterial seen from its other end: out and back change places."""
        turns = self.left_turns
        if turns is not None:
            mirrored = [[p.mirrored for p in allowed] for allowed in turns.allowed[::-1]]
            turns = left_turns(turns.back_ratios[::-1], turns.out_ratios[::-1], mirrored)
        return replace(
            self,
            out=self.back.reversed(),
            back=self.out.reversed(),
            left_turns=turns,
            red_shift_ratios=tuple(-x for x in self.red_shift_ratios[::-1]),
            direction_ratio=self.direction_ratio and 1.0 / self.direction_ratio,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of green of one direction: start after the coordinated stage's green, length."""

    start_s: int
    length_s: int


@dataclass(frozen=True, slots=True)
class CorridorDirection:
    """One direction of a corridor; build it with ``corridor_direction``.

    A signal may have several windows, none (the band ends there), or one as long as the cycle
    (never red). ``travel_s`` is from green to green: a queue that clears first is taken off.
    """

    windows: tuple[tuple[Window, ...], ...]
    travel_s: tuple[int, ...]
    weight: float
    link_weights: tuple[float, ...]


def corridor_direction(
    windows: Sequence[Sequence[tuple[int, int]]],
    travel_s: Sequence[int],
    *,
    weight: float = 1.0,
    link_weights: Sequence[float] | None = None,
) -> CorridorDirection:
    """A direction from the (start, length) windows of each signal and the travel times.

    Links weigh as much as the direction unless ``link_weights`` says otherwise.
    """
    return CorridorDirection(
        windows=tuple(tuple(Window(*window) for window in signal) for signal in windows),
        travel_s=tuple(travel_s),
        weight=float(weight),
        link_weights=_each(weight if link_weights is None else link_weights, len(travel_s)),
    )


@dataclass(frozen=True, slots=True)
class CorridorProblem:
    """A corridor with its greens: one cycle, whole seconds; no ``back`` on a one-way street.

    Raises:
        DataRefused: lengths that do not fit, or windows, weights or a cycle out of range; all
            problems at once.
    """

    cycle_s: int
    out: CorridorDirection
    back: CorridorDirection | None = None

    def __post_init__(self) -> None:
        problems = list(_corridor_problems(self))
        if problems:
            raise DataRefused("the corridor cannot be used", "correct its figures", problems)

    @property
    def signal_count(self) -> int:
        return len(self.out.windows)

    @property
    def link_count(self) -> int:
        return self.signal_count - 1


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(x) for x in values)


def _each(value: float | Sequence[float], count: int) -> tuple[float, ...]:
    return (float(value),) * count if isinstance(value, int | float) else _floats(value)


def _ranges(value: Range | Sequence[Range], count: int) -> tuple[Range, ...]:
    match value:
        case (int() | float() as low, int() | float() as high):
            return ((float(low), float(high)),) * count
        case _:
            return tuple((float(low), float(high)) for low, high in value)


def _arterial_problems(p: ArterialProblem) -> Iterator[str]:
    if p.signal_count == 0:
        yield "there is no signal"
        return
    yield from _range_problems("cycle", "s", (p.cycle_range_s,))
    for name, given in (("out", p.out), ("back", p.back)):
        yield from (f"{name} {problem}" for problem in _direction_problems(given, p.signal_count))
    if len(p.red_shift_ratios) not in {0, p.signal_count} or not all(
        map(isfinite, p.red_shift_ratios)
    ):
        yield f"red shifts are not {p.signal_count} numbers"
    if p.direction_ratio is not None and not 0.0 < p.direction_ratio < inf:
        yield f"direction ratio {p.direction_ratio} is not above 0"
    if p.left_turns is not None:
        yield from _left_turn_problems(p.left_turns, p)


def _direction_problems(d: Direction, signals: int) -> Iterator[str]:
    yield from _count_problem("reds", d.red_ratios, signals)
    yield from _count_problem("queue clearances", d.queue_ratios, signals)
    yield from _count_problem("lengths", d.lengths_m, signals - 1)
    yield from _count_problem("speed ranges", d.speed_ranges_mps, signals - 1)
    yield from _count_problem("link weights", d.link_weights, signals - 1)
    yield from _count_problem("pace changes", d.pace_change_s_per_m, max(signals - 2, 0))
    yield from _range_problems("speed", "m/s", d.speed_ranges_mps)
    yield from _ratio_problems("red", d.red_ratios)
    yield from _ratio_problems("queue clearance", d.queue_ratios)
    for i, x in enumerate(d.lengths_m):
        if not 0.0 < x < inf:
            yield f"length {i} is {x} m, not above 0"
    for i, x in enumerate(d.pace_change_s_per_m):
        if not x >= 0.0:
            yield f"pace change {i} is {x} s/m, below 0"
    yield from _weight_problems((d.weight, *d.link_weights))


def _left_turn_problems(turns: LeftTurns, p: ArterialProblem) -> Iterator[str]:
    yield from _count_problem("out left turns", turns.out_ratios, p.signal_count)
    yield from _count_problem("back left turns", turns.back_ratios, p.signal_count)
    yield from _count_problem("left-turn orders", turns.allowed, p.signal_count)
    yield from _ratio_problems("out left turn", turns.out_ratios)
    yield from _ratio_problems("back left turn", turns.back_ratios)
    if any(p.red_shift_ratios):
        yield "left turns and shifts of the red centres are both given: left turns set the shifts"
    for i, allowed in enumerate(turns.allowed):
        if not allowed:
            yield f"signal {i} allows no left-turn order"


def _corridor_problems(p: CorridorProblem) -> Iterator[str]:
    if p.cycle_s < 1:
        yield f"the cycle is {p.cycle_s} s, below 1"
    if not p.out.windows:
        yield "there is no signal"
        return
    for name, given in (("out", p.out), ("back", p.back)):
        if given is None:
            continue
        yield from _count_problem(f"{name} signals", given.windows, p.signal_count)
        yield from _count_problem(f"{name} travel times", given.travel_s, p.link_count)
        yield from _count_problem(f"{name} link weights", given.link_weights, p.link_count)
        yield from _weight_problems((given.weight, *given.link_weights))
        for i, windows in enumerate(given.windows):
            problems = _window_problems(windows, p.cycle_s)
            yield from (f"{name} window of signal {i}: {problem}" for problem in problems)


def _window_problems(windows: tuple[Window, ...], cycle_s: int) -> Iterator[str]:
    seen: set[int] = set()
    for w in windows:
        if not (0 <= w.start_s < cycle_s and 1 <= w.length_s <= cycle_s):
            yield f"({w.start_s} s, {w.length_s} s) does not lie in a cycle of {cycle_s} s"
            continue
        seconds = {(w.start_s + t) % cycle_s for t in range(w.length_s)}
        if seconds & seen:
            yield f"({w.start_s} s, {w.length_s} s) overlaps another"
        seen |= seconds


def _count_problem(name: str, given: Sequence[object], count: int) -> Iterator[str]:
    if len(given) != count:
        yield f"{len(given)} {name} are given, not {count}"


def _range_problems(name: str, unit: str, ranges: Sequence[Range]) -> Iterator[str]:
    for low, high in ranges:
        if not 0.0 < low <= high < inf:
            yield f"{name} range {low} to {high} {unit} is empty or not above 0"


def _ratio_problems(name: str, ratios: Sequence[float]) -> Iterator[str]:
    for i, x in enumerate(ratios):
        if not 0.0 <= x < 1.0:
            yield f"{name} {i} is {x}, not in [0, 1)"


def _weight_problems(weights: Sequence[float]) -> Iterator[str]:
    if not all(0.0 <= w < inf for w in weights):
        yield "weight is below 0 or not a number"
