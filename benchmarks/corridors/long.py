"""Random arterials of forty signals, whose cycle and speeds may be chosen."""

from __future__ import annotations

import random
import time
from typing import Any

from optimizers.greenwave.checker import check_plan
from optimizers.greenwave.maxband import maxband
from optimizers.greenwave.problem import ArterialProblem, Direction, direction, left_turns

SIGNALS = 40
CYCLE_S = (70.0, 110.0)
SPEED_MPS = (11.0, 16.0)
PACE_CHANGE_S_PER_M = 0.0121
"""Little's limit for Euclid Avenue."""
Figures = dict[str, Any]


def random_arterial(seed: int, signals: int = SIGNALS) -> ArterialProblem:
    """Greens of 35 to 60 %, blocks of 120 to 450 m, queues of up to 5 % of a cycle.

    Every other arterial has left turns whose order is free.
    """
    rng = random.Random(seed)
    lengths_m = [rng.randint(120, 450) for _ in range(signals - 1)]
    out, back = (_way(rng, lengths_m, signals) for _ in range(2))
    turns = None
    if seed % 2:
        lefts = [[round(rng.uniform(0.08, 0.14), 3) for _ in range(signals)] for _ in range(2)]
        turns = left_turns(lefts[0], lefts[1])
    return ArterialProblem(out, back, CYCLE_S, left_turns=turns)


def measure(seed: int) -> Figures:
    """How MAXBAND ends on one arterial, in CPU seconds, and what the checker finds wrong."""
    problem = random_arterial(seed)
    began_s = time.process_time()
    result = maxband(problem)
    cpu_s = time.process_time() - began_s
    return {
        "seed": seed,
        "left_turns": problem.left_turns is not None,
        "status": str(result.status),
        "objective": round(result.objective, 6),
        "bound": round(result.bound, 6),
        "gap_ratio": result.gap_ratio,
        "cpu_s": round(cpu_s, 2),
        "wrong": check_plan(problem, result.plan) if result.plan else [],
    }


def _way(rng: random.Random, lengths_m: list[int], signals: int) -> Direction:
    return direction(
        [round(1.0 - rng.uniform(0.35, 0.6), 3) for _ in range(signals)],
        lengths_m,
        SPEED_MPS,
        queue_ratios=[round(rng.uniform(0.0, 0.05), 3) for _ in range(signals)],
        pace_change_s_per_m=PACE_CHANGE_S_PER_M,
    )
