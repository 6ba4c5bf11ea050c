"""Random small corridors, on which every offset can be tried."""

from __future__ import annotations

import random
from dataclasses import dataclass

from optimizers.greenwave.checker import check_corridor, check_plan
from optimizers.greenwave.integer import best_offsets
from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.params import WholeSecondParams
from optimizers.greenwave.problem import (
    ArterialProblem,
    CorridorProblem,
    corridor_direction,
    direction_with_travel_times,
)
from tests.reference.greenwave import all_offsets, through_bandwidth, widest_pair

SHAPES = ((12, 2), (10, 3), (9, 3), (6, 4))
"""Cycle in seconds and signals."""


@dataclass(frozen=True)
class SmallCorridor:
    """One cycle, whole seconds.

    greens: (out length, back start after the out start, back length) of each signal.
    """

    cycle_s: int
    greens: tuple[tuple[int, int, int], ...]
    out_travel_s: tuple[int, ...]
    back_travel_s: tuple[int, ...]

    @property
    def arterial(self) -> ArterialProblem:
        """The same in the language of the MILP models."""
        cycle = self.cycle_s
        out_reds = [1.0 - out / cycle for out, _, _ in self.greens]
        back_reds = [1.0 - back / cycle for _, _, back in self.greens]
        return ArterialProblem(
            direction_with_travel_times(out_reds, self.out_travel_s),
            direction_with_travel_times(back_reds, self.back_travel_s),
            (cycle, cycle),
            red_shift_ratios=tuple(
                0.5 * (back - out) - at / cycle
                for out, back, (_, at, _) in zip(out_reds, back_reds, self.greens, strict=True)
            ),
        )

    @property
    def corridor(self) -> CorridorProblem:
        """The same in the language of real corridors."""
        return CorridorProblem(
            self.cycle_s,
            corridor_direction([[(0, out)] for out, _, _ in self.greens], self.out_travel_s),
            corridor_direction([[(at, back)] for _, at, back in self.greens], self.back_travel_s),
        )


def random_corridor(rng: random.Random) -> SmallCorridor:
    """Greens and travel times of any length."""
    cycle_s, signals = rng.choice(SHAPES)

    def green() -> int:
        return rng.randint(1, cycle_s - 1)

    return SmallCorridor(
        cycle_s,
        tuple((green(), rng.randrange(cycle_s), green()) for _ in range(signals)),
        tuple(rng.randint(1, 2 * cycle_s) for _ in range(signals - 1)),
        tuple(rng.randint(1, 2 * cycle_s) for _ in range(signals - 1)),
    )


def disagreements(count: int, seed: int) -> list[str]:
    """Whatever MAXBAND, the whole-second solver or the checker do not agree on; empty: nothing."""
    rng = random.Random(seed)
    found = []
    for i in range(count):
        corridor = random_corridor(rng)
        found += [f"{i}: {what}" for what in (*_milp(corridor), *_whole_seconds(corridor))]
    return found


def _milp(corridor: SmallCorridor) -> list[str]:
    best = widest_pair(
        corridor.cycle_s, corridor.greens, corridor.out_travel_s, corridor.back_travel_s
    )
    arterial = corridor.arterial
    result = maxband(arterial)
    if result.plan is None:
        return [] if best is None else [f"MAXBAND {result.status}, enumeration {best} s"]
    width_s = result.objective * corridor.cycle_s
    wrong = check_plan(arterial, result.plan)
    if best is None or abs(width_s - best) > 1e-4:
        wrong.append(f"MAXBAND {width_s} s, enumeration {best} s")
    return wrong


def _whole_seconds(corridor: SmallCorridor) -> list[str]:
    problem = corridor.corridor
    result = best_offsets(problem, WholeSecondParams(relaxation=False))
    best = max(
        _value(_bands(corridor, offsets))
        for offsets in all_offsets(problem.cycle_s, problem.signal_count)
    )
    wrong = check_corridor(problem, result)
    if _value(_bands(corridor, result.offsets_s)) != best:
        wrong.append(f"offsets {result.offsets_s} are not the best, {best}")
    return wrong


def _value(bands: tuple[int, int]) -> tuple[int, int]:
    return min(*bands, 1), sum(bands)


def _bands(corridor: SmallCorridor, offsets: tuple[int, ...]) -> tuple[int, int]:
    out = [[(0, green)] for green, _, _ in corridor.greens]
    back = [[(at, green)] for _, at, green in corridor.greens]
    return (
        through_bandwidth(corridor.cycle_s, out, corridor.out_travel_s, offsets),
        through_bandwidth(
            corridor.cycle_s, back[::-1], corridor.back_travel_s[::-1], offsets[::-1]
        ),
    )
