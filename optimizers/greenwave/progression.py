"""What all bandwidth models share: lines through the greens, travel times, closed loops.

A *line* is a trajectory through the greens of one direction. All times are in cycles. At signal
i the out line leaves w_i after the end of red; the back line leaves w̄_i before the start of red.
The out and back lines of a link, and the reds between them, close a loop whose length is a whole
number of cycles (Little 1966; the form of Little, Kelson and Gartner 1981):

    w_i + w̄_i + A_i + t_i + t̄_i = w_j + w̄_j + A_j + τ_j + τ̄_i + m_i,   j = i + 1

A_i is the end of the out red minus the start of the back red at signal i: r_i + δ_i l_i - δ̄_i l̄_i
with left turns, ½ (r_i + r̄_i) plus the given shift of the red centres without them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, floor, isfinite

from optimizers.greenwave.problem import ArterialProblem, Direction, LeftPattern, LeftTurns, Range
from optimizers.mathopt import (
    Expression,
    MipAnswer,
    MipLimits,
    Model,
    Variable,
    new_model,
    solve,
)


@dataclass(frozen=True, slots=True)
class Line:
    """Variables of one direction: the line at each signal, the travel time on each link."""

    direction: Direction
    after_red: tuple[Variable, ...]
    travel: tuple[Variable, ...]


@dataclass(frozen=True, slots=True)
class LinkBand:
    """Width of a link's band before and after the line; both may be 0 or one variable."""

    before: Expression
    after: Expression

    @property
    def width(self) -> Expression:
        return self.before + self.after


LinkBands = tuple[LinkBand, ...]

_WIDTH_TOLERANCE = 1e-9
"""By how much of a cycle a band may shrink when it is centred: below the solvers' tolerance."""


@dataclass(frozen=True, slots=True)
class Progression:
    """A model with lines through the greens, to which bands are added."""

    problem: ArterialProblem
    model: Model
    frequency: Variable
    """Cycles per second."""
    out: Line
    back: Line
    lags: tuple[tuple[Variable, Variable], ...]
    """Out and back left turn lag, per signal; empty without left turns."""
    loop_cycles: tuple[Variable, ...]
    """Whole number of cycles around each link's loop."""
    loop_gaps: tuple[Variable, ...]
    """By how much each link's loop does not close; empty: all close."""


def progression(problem: ArterialProblem, name: str, *, open_loops: bool = False) -> Progression:
    """The model with its lines; ``open_loops`` adds a free gap of half a cycle to each loop."""
    model = new_model(name)
    shortest, longest = problem.cycle_range_s
    frequency = model.add_variable(lb=1.0 / longest, ub=1.0 / shortest)
    out = _line(model, problem.out, frequency, problem.cycle_range_s)
    back = _line(model, problem.back, frequency, problem.cycle_range_s)
    lags = _lags(model, problem.left_turns)
    gaps = tuple(
        model.add_variable(lb=-0.5, ub=0.5) for _ in range(problem.link_count if open_loops else 0)
    )
    cycles = tuple(_loop_cycles(model, problem, i) for i in range(problem.link_count))
    built = Progression(problem, model, frequency, out, back, lags, cycles, gaps)
    for i in range(problem.link_count):
        _close_loop(built, i)
    return built


def keep_in_green(model: Model, line: Line, signal: int, band: LinkBand) -> None:
    """The band around the line passes the signal without meeting red."""
    red = line.direction.red_ratios[signal]
    if red == 0.0:
        return
    model.add_linear_constraint(line.after_red[signal] >= band.before)
    model.add_linear_constraint(line.after_red[signal] + band.after <= 1.0 - red)


def balance(built: Progression, out_width: Expression, back_width: Expression) -> None:
    """The asked-for relation of out and back bandwidth."""
    if built.problem.equal_bands:
        built.model.add_linear_constraint(out_width == back_width)
    k = built.problem.direction_ratio
    if k is not None and k != 1.0:
        built.model.add_linear_constraint((1.0 - k) * back_width >= (1.0 - k) * k * out_width)


def centre(
    built: Progression, answer: MipAnswer, widths: tuple[Variable, Variable], limits: MipLimits
) -> MipAnswer:
    """The same answer with its uniform bands as far from red as they can be.

    The widest bands leave most signals some play. Per signal the direction that is farther off
    the middle of its green counts, so out and back share the play; with equal reds, speeds and
    bands this is Little's half-integer synchronisation. A linear programme: whole numbers,
    cycle and widths keep their values.
    """
    model = built.model
    kept = [built.frequency, *built.loop_cycles, *(lag for pair in built.lags for lag in pair)]
    for variable in kept:
        variable.lower_bound = variable.upper_bound = answer.value(variable)
    off_centre: Expression = 0.0
    for width in widths:
        width.lower_bound = max(0.0, answer.value(width) - _WIDTH_TOLERANCE)
    for signal in range(built.problem.signal_count):
        farther = model.add_variable(lb=0.0)
        for line, width in zip((built.out, built.back), widths, strict=True):
            green = 1.0 - line.direction.red_ratios[signal]
            off = line.after_red[signal] + 0.5 * width - 0.5 * green
            model.add_linear_constraint(farther >= off)
            model.add_linear_constraint(farther >= -off)
        off_centre += farther
    model.minimize(off_centre)
    centred = solve(model, limits)
    if not centred.status.has_solution:
        return answer
    return replace(centred, objective=answer.objective, bound=answer.bound, status=answer.status)


def reds_between(
    problem: ArterialProblem, signal: int, out_lags: Expression, back_lags: Expression
) -> Expression:
    """A: the end of the out red minus the start of the back red, in cycles."""
    red, back_red = problem.out.red_ratios[signal], problem.back.red_ratios[signal]
    turns = problem.left_turns
    if turns is not None:
        return red + out_lags * turns.out_ratios[signal] - back_lags * turns.back_ratios[signal]
    shift = problem.red_shift_ratios[signal] if problem.red_shift_ratios else 0.0
    return 0.5 * (red + back_red) + shift


def _line(model: Model, direction: Direction, frequency: Variable, cycle_s: Range) -> Line:
    after_red = tuple(model.add_variable(lb=0.0, ub=1.0 - red) for red in direction.red_ratios)
    travel = tuple(
        model.add_variable(lb=low, ub=high) for low, high in _travel_ranges(direction, cycle_s)
    )
    for t, length, (slowest, fastest) in zip(
        travel, direction.lengths_m, direction.speed_ranges_mps, strict=True
    ):
        model.add_linear_constraint(t >= length / fastest * frequency)
        model.add_linear_constraint(t <= length / slowest * frequency)
    for i, limit in enumerate(direction.pace_change_s_per_m):
        if isfinite(limit):
            change = travel[i + 1] / direction.lengths_m[i + 1] - travel[i] / direction.lengths_m[i]
            model.add_linear_constraint(change <= limit * frequency)
            model.add_linear_constraint(change >= -limit * frequency)
    return Line(direction, after_red, travel)


def _travel_ranges(direction: Direction, cycle_s: Range) -> list[Range]:
    """Shortest and longest travel time of each link, in cycles."""
    shortest, longest = cycle_s
    return [
        (length / fastest / longest, length / slowest / shortest)
        for length, (slowest, fastest) in zip(
            direction.lengths_m, direction.speed_ranges_mps, strict=True
        )
    ]


def _lags(model: Model, turns: LeftTurns | None) -> tuple[tuple[Variable, Variable], ...]:
    if turns is None:
        return ()
    found = []
    for allowed in turns.allowed:
        out_lags, back_lags = model.add_binary_variable(), model.add_binary_variable()
        for pattern in set(LeftPattern) - allowed:
            differs_out = 1 - out_lags if pattern.out_lags else out_lags
            differs_back = 1 - back_lags if pattern.back_lags else back_lags
            model.add_linear_constraint(differs_out + differs_back >= 1)
        found.append((out_lags, back_lags))
    return tuple(found)


def _close_loop(built: Progression, i: int) -> None:
    problem, j = built.problem, i + 1
    loop = (
        _around(built, i)
        - _around(built, j)
        + built.out.travel[i]
        + built.back.travel[i]
        - problem.out.queue_ratios[j]
        - problem.back.queue_ratios[i]
    )
    if built.loop_gaps:
        loop += built.loop_gaps[i]
    built.model.add_linear_constraint(loop == built.loop_cycles[i])


def _around(built: Progression, signal: int) -> Expression:
    """From the back line over the reds to the out line at a signal: w + A + w̄."""
    lags = built.lags[signal] if built.lags else (0.0, 0.0)
    reds = reds_between(built.problem, signal, *lags)
    return built.out.after_red[signal] + built.back.after_red[signal] + reds


def _loop_cycles(model: Model, problem: ArterialProblem, i: int) -> Variable:
    low, high = _loop_range(problem, i)
    return model.add_integer_variable(lb=floor(low), ub=ceil(high))


def _loop_range(problem: ArterialProblem, i: int) -> Range:
    """Bounds on a loop's whole number of cycles."""
    low = high = 0.0
    for direction in (problem.out, problem.back):
        travel_low, travel_high = _travel_ranges(direction, problem.cycle_range_s)[i]
        low += travel_low - (1.0 - direction.red_ratios[i + 1])
        high += travel_high + (1.0 - direction.red_ratios[i])
    queues = problem.out.queue_ratios[i + 1] + problem.back.queue_ratios[i]
    corners = [(a, b) for a in (0, 1) for b in (0, 1)]
    here = [reds_between(problem, i, a, b) for a, b in corners]
    there = [reds_between(problem, i + 1, a, b) for a, b in corners]
    slack = 1.0
    low += min(here) - max(there) - queues - slack
    high += max(here) - min(there) - queues + slack
    return low, high
