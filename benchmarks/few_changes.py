"""What the best K changes bring in the world, beside changing every junction.

A world is recorded, fused and planned as in a night; ``--max-changes`` of the recipe gives
candidates that touch K junctions. As in a night, simulation chooses between candidates: the city
rebuilt from the feeds drives each on three days (none of them the world's). The chosen ones drive
the world's other days. The full gain is that of the candidate for all junctions, chosen alike.

    python -m benchmarks.few_changes [WORLD] --out DIR [--changes 1,2,3,5,8] [--days 5] [--seed 1]

What is recorded and driven already in DIR is not done again.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.gate.cities import RecordedCity, recorded
from optimizers.candidates import Candidate, changed_junctions
from optimizers.few_changes.steps import front
from optimizers.params import OptimizeParams
from optimizers.search import LEAST_DAYS
from optimizers.solve import solve
from sim_scenarios.check import CheckParams
from sim_scenarios.gate.whole import Question
from sim_scenarios.rebuilt import RebuiltCity, rebuilt_city
from sim_scenarios.spec import find
from traffic_brain.errors import DataRefused

ASKED_CHANGES, ASKED_SHARE = 5, 0.6


@dataclass(frozen=True)
class Changed:
    """What a set of plans does in the world."""

    candidate_id: str
    junctions: int
    moved_s: int | None
    """Seconds of green and offset that differ from the plans in service; None: of all."""
    delay_s: Sequence[float]


def measure(world: RecordedCity, changes: Sequence[int], days: int) -> list[Changed]:
    """Nothing changed, K junctions changed, all changed."""
    problem = world.problem
    if not problem.problems:
        raise DataRefused(f"nothing can be retimed in {world.spec.name}", "take another world")
    asked = Question(
        world.network, world.city, (world.state,), world.plans, world.seed, CheckParams()
    )
    found = [Changed("", 0, 0, world.delays_s((), days, same_trips=True))]
    with (
        tempfile.TemporaryDirectory(prefix="few-changes-") as name,
        rebuilt_city(asked, Path(name), world.folder / "few-runs") as rebuilt,
    ):
        for most in (*changes, 0):
            chosen = _chosen(solve(problem, OptimizeParams(max_changes=most)), rebuilt)
            found.append(_driven(world, chosen, days))
            print(f"{most or 'all'} changes driven", file=sys.stderr, flush=True)
    return found


def _chosen(candidates: Sequence[Candidate], rebuilt: RebuiltCity) -> Candidate:
    """The candidate of least delay in the rebuilt city."""
    drives = [(candidate.plans, day) for candidate in candidates for day in range(LEAST_DAYS)]
    delays_s = np.reshape(rebuilt.delays_s(drives), (len(candidates), LEAST_DAYS))
    return candidates[int(np.argmin(delays_s.mean(axis=1)))]


def _driven(world: RecordedCity, made: Candidate, days: int) -> Changed:
    changed = changed_junctions(made, world.problem.problems)
    plans = [made.plans[junction_id] for junction_id in changed]
    moved = int(str(front(made.steps)[-1]["moved_s"])) if made.steps else None
    return Changed(
        made.candidate_id, len(changed), moved, world.delays_s(plans, days, same_trips=True)
    )


def table(found: Sequence[Changed]) -> Iterator[str]:
    """The front, with the share of the full gain."""
    middles = [float(np.median(one.delay_s)) for one in found]
    means = [float(np.mean(one.delay_s)) for one in found]
    yield f"{'junctions':>10}{'seconds moved':>15}{'mean, s':>9}{'gain':>6}{'median':>8}{'gain':>6}"
    for one, mean, middle in zip(found, means, middles, strict=True):
        moved = "" if one.moved_s is None else str(one.moved_s)
        shares = f"{mean:9.1f}{_share(means, mean):6.0%}{middle:8.1f}{_share(middles, middle):6.0%}"
        yield f"{one.junctions:10}{moved:>15}{shares}  {one.candidate_id}"


def _share(all_s: Sequence[float], one_s: float) -> float:
    """Of the whole gain, from the first to the last."""
    gain = all_s[0] - all_s[-1]
    return (all_s[0] - one_s) / gain if gain > 0 else float("nan")


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
