"""What it costs that the engine knows the demand from feeds only: the same recipe with the truth.

Each world is recorded and fused as in a night; the recipe plans once from the fused state and once
from the true demand of the same day; both plans drive the world's other days. The loss is what the
fused plans lack of the gain that the others have. Without ``--refine``, plans are those that the
recipe expects most of; with it, they are refined on the queue model, which is fitted to neither.

    python -m benchmarks.fused_demand [WORLD ...] --out DIR [--seed 1] [--days 5] [--refine 600]

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
from benchmarks.plans.maps import read_map
from benchmarks.plans.truth import city_of
from optimizers.params import OptimizeParams
from optimizers.problem import City
from optimizers.solve import solve
from sim_scenarios.spec import find
from traffic_brain.model.signals import SignalPlan

WORLDS = ("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7")


@dataclass(frozen=True)
class Loss:
    """Delay per vehicle in one world, s, on each of its days."""

    world: str
    in_service_s: Sequence[float]
    from_truth_s: Sequence[float]
    from_feeds_s: Sequence[float]

    @property
    def share(self) -> float:
        """What is lost of the gain; NaN where the truth gains nothing."""
        before, true, fused = map(
            np.mean, (self.in_service_s, self.from_truth_s, self.from_feeds_s)
        )
        return float((fused - true) / (before - true)) if before > true else float("nan")


def measure(world: RecordedCity, days: int, params: OptimizeParams) -> Loss:
    """Plan from feeds and from the truth, and drive both."""
    with tempfile.TemporaryDirectory(prefix="fused-demand-") as folder:
        known = city_of(read_map(world.spec.name, Path(folder)), params, world.seed)
    from_feeds, from_truth = (_plans(city, params) for city in (world.problem, known))
    return Loss(
        world.spec.name,
        world.delays_s((), days),
        world.delays_s(from_truth, days),
        world.delays_s(from_feeds, days),
    )


def _plans(city: City, params: OptimizeParams) -> list[SignalPlan]:
    candidates = solve(city, params)
    return list(candidates[0].plans.values()) if candidates else []


def table(losses: Sequence[Loss]) -> Iterator[str]:
    """A line per world."""
    yield f"{'world':14}{'in service':>11}{'from truth':>11}{'from feeds':>11}{'gain lost':>10}"
    for one in losses:
        delays = (one.in_service_s, one.from_truth_s, one.from_feeds_s)
        told = "".join(f"{np.mean(delay):11.1f}" for delay in delays)
        yield f"{one.world:14}{told}{one.share:10.0%}"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure every world and print the table; 1 if a third of some gain is lost."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("worlds", nargs="*", metavar="WORLD", default=WORLDS)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--refine", type=int, default=0, metavar="EVALUATIONS")
    options = parser.parse_args(argv)
    params = OptimizeParams(refine_evaluations=options.refine)
    losses = []
    for name in options.worlds:
        spec = replace(find(name), time_to_teleport_s=-1)
        losses.append(measure(recorded(spec, options.out, options.seed), options.days, params))
        print(f"{name} done", file=sys.stderr, flush=True)
    print("\n".join(table(losses)))
    return int(any(not loss.share <= 1 / 3 for loss in losses))


if __name__ == "__main__":
    sys.exit(main())
