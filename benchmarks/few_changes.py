"""What the best K changes bring in the world, beside changing every junction.

A world is recorded, fused and planned as in a night; the recipe's ``--max-changes`` gives plans for
K junctions, and these drive the world's other days. The full gain is that of the best expected set
of plans for all junctions.

    python -m benchmarks.few_changes [WORLD] --out DIR [--changes 1,2,3,5,8] [--days 5] [--seed 1]

What is recorded and driven already in DIR is not done again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.gate.cities import RecordedCity, recorded
from optimizers.candidates import Candidate, changed_junctions
from optimizers.few_changes import front
from optimizers.params import OptimizeParams
from optimizers.solve import solve
from sim_scenarios.spec import find
from traffic_brain.errors import DataRefused

ASKED_CHANGES, ASKED_SHARE = 5, 0.6


@dataclass(frozen=True)
class Changed:
    """What a set of plans does in the world."""

    junctions: int
    moved_s: int | None
    """Seconds of green and offset that differ from the plans in service; None: of all."""
    delay_s: Sequence[float]


def measure(world: RecordedCity, changes: Sequence[int], days: int) -> list[Changed]:
    """Nothing changed, K junctions changed, all changed."""
    problem = world.problem
    if not problem.problems:
        raise DataRefused(f"nothing can be retimed in {world.spec.name}", "take another world")
    found = [Changed(0, 0, world.delays_s((), days))]
    for most in changes:
        few = solve(problem, OptimizeParams(max_changes=most))[0]
        told = front(few.steps)[-1]
        found.append(_driven(world, few, days, int(str(told["moved_s"]))))
        print(f"{most} changes driven", file=sys.stderr, flush=True)
    found.append(_driven(world, solve(problem, OptimizeParams())[0], days, None))
    return found


def _driven(world: RecordedCity, made: Candidate, days: int, moved_s: int | None) -> Changed:
    changed = changed_junctions(made, world.problem.problems)
    plans = [made.plans[junction_id] for junction_id in changed]
    return Changed(len(changed), moved_s, world.delays_s(plans, days))


def table(found: Sequence[Changed]) -> Iterator[str]:
    """The front, with the share of the full gain."""
    before, after = np.mean(found[0].delay_s), np.mean(found[-1].delay_s)
    yield f"{'junctions':>10}{'seconds moved':>15}{'delay, s':>10}{'of the gain':>13}"
    for one in found:
        delay = np.mean(one.delay_s)
        moved = "" if one.moved_s is None else str(one.moved_s)
        share = (before - delay) / (before - after) if before > after else float("nan")
        yield f"{one.junctions:10}{moved:>15}{delay:10.1f}{share:13.0%}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print the front; 1 if so many changes as asked bring too little."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("world", nargs="?", default="ingolstadt21")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--changes", default="1,2,3,5,8")
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    spec = replace(find(options.world), time_to_teleport_s=-1)
    world = recorded(spec, options.out, options.seed)
    found = measure(world, [int(k) for k in options.changes.split(",")], options.days)
    print("\n".join(table(found)))
    before, after = np.mean(found[0].delay_s), np.mean(found[-1].delay_s)
    gains = [before - np.mean(one.delay_s) for one in found if one.junctions <= ASKED_CHANGES]
    return int(before <= after or max(gains) < ASKED_SHARE * (before - after))


if __name__ == "__main__":
    sys.exit(main())
