"""What it costs that the engine knows the demand from feeds only: the same recipe with the truth.

Each world is recorded and fused as in a night; the recipe plans once from the fused state and once
from the true demand of the same day. Of its candidates the one is taken that does best on three
days: of the city rebuilt from feeds, and of the world itself. Both drive the world's other days;
the loss is what the fused plans lack of the gain that the others have.

    python -m benchmarks.fused_demand [WORLD ...] --out DIR [--seed 1] [--days 5]

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
from benchmarks.plans.ours import Driven
from benchmarks.plans.store import Store
from benchmarks.plans.truth import city_of
from optimizers.params import OptimizeParams
from optimizers.problem import City
from optimizers.search import LEAST_DAYS, Plans, Simulated
from optimizers.solve import solve
from sim_scenarios.check import CheckParams
from sim_scenarios.gate.whole import Question
from sim_scenarios.rebuilt import rebuilt_city
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


def measure(world: RecordedCity, days: int) -> Loss:
    """Plan from feeds and from the truth, and drive both."""
    with tempfile.TemporaryDirectory(prefix="fused-demand-") as name:
        folder = Path(name)
        map_ = read_map(world.spec.name, folder / "map")
        truth = Driven(map_, Store(world.folder / "search"))
        from_truth = _best(city_of(map_, OptimizeParams(), world.seed), truth)
        states, params = (world.state,), CheckParams()
        asked = Question(world.network, world.city, states, world.plans, world.seed, params)
        with rebuilt_city(asked, folder, folder / "runs") as rebuilt:
            from_feeds = _best(world.problem, rebuilt)
    return Loss(
        world.spec.name,
        world.delays_s((), days, same_trips=True),
        world.delays_s(from_truth, days, same_trips=True),
        world.delays_s(from_feeds, days, same_trips=True),
    )


def _best(city: City, simulated: Simulated) -> list[SignalPlan]:
    """The candidate of least delay; without any, or where it is worse, no plan is changed."""
    in_service: Plans = {j: problem.plan for j, problem in city.problems.items()}
    tried = [in_service, *(candidate.plans for candidate in solve(city, OptimizeParams()))]
    delays_s = simulated.delays_s([(plans, day) for plans in tried for day in range(LEAST_DAYS)])
    means = np.reshape(delays_s, (len(tried), LEAST_DAYS)).mean(axis=1)
    best = int(np.argmin(means))
    return list(tried[best].values()) if best else []


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
    options = parser.parse_args(argv)
    losses = []
    for name in options.worlds:
        spec = replace(find(name), time_to_teleport_s=-1)
        losses.append(measure(recorded(spec, options.out, options.seed), options.days))
        print(f"{name} done", file=sys.stderr, flush=True)
    print("\n".join(table(losses)))
    return int(any(not loss.share <= 1 / 3 for loss in losses))


if __name__ == "__main__":
    sys.exit(main())
