"""One change of plans in SUMO, from recorded days to the effect, beside the truth.

The first day's state tells which junctions' plans have grown old (``diagnosis.plan_age``); the
worst get the greens of that day. Days are recorded and fused before, after without a change, and
after with it, the same vehicles in both; the truth is the change of true delay between the last
two. The
claims where nothing changed come from all ways to part the unchanged days in two halves, for each
junction alone; they are not independent of each other.

    python -m benchmarks.effect_recorded [WORLD] [--days 5] [--retime 2] [--seed 1] [--cache FOLDER]

Recordings are kept in ``--cache`` and used again.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq

from network_data.city import load_city
from network_data.importers import import_any
from sim_scenarios.scenario import prepare
from sim_scenarios.spec import ScenarioSpec, find
from sim_scenarios.world import record
from traffic_brain.diagnosis.effect.days import Day, read_days
from traffic_brain.diagnosis.effect.evaluate import evaluate
from traffic_brain.diagnosis.effect.page import headline
from traffic_brain.diagnosis.effect.units import catchments
from traffic_brain.diagnosis.plan_age import plan_ages
from traffic_brain.fusion.fuse import fuse
from traffic_brain.fusion.state import load_state
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.progress import silent

FIRST_MONDAY, LATER = date(2026, 3, 2), timedelta(weeks=2)
MOST_HALVES = 20


def working_days(monday: date, count: int) -> list[date]:
    """So many days from a Monday on, without weekends."""
    return [monday + timedelta(days=n + 2 * (n // 5)) for n in range(count)]


def recorded(
    spec: ScenarioSpec, city: Path, folder: Path, days: dict[date, int], plans: Path | None
) -> list[Day]:
    """Days by their seed, recorded and fused where they are not yet."""
    for day, seed in days.items():
        state = folder / "states" / day.isoformat()
        if (state / "summary.json").is_file():
            continue
        feeds, truth = (folder / name / day.isoformat() for name in ("feeds", "truth"))
        record(spec, feeds, truth, seed=seed, service_day=day, plans_file=plans)
        state.mkdir(parents=True, exist_ok=True)
        fuse(city, feeds, state)
    return read_days(folder / "states", load_city(city))


def true_delay_s(folder: Path, network: RoadNetwork, group: Sequence[str]) -> float:
    """Time loss per vehicle in the catchments of a group, geometric mean over days."""
    of = catchments(network)
    links = {k for j in group for k in of[j]}
    ends = {k for k in links if network.links[k].junction_id is not None}
    means = []
    for path in sorted((folder / "truth").glob("*/links.parquet")):
        table = pq.read_table(path).to_pandas()
        lost = table.loc[table["link_id"].isin(links), "time_loss_s"].sum()
        means.append(lost / table.loc[table["link_id"].isin(ends), "flow_veh"].sum())
    return float(np.exp(np.mean(np.log(means))))


def claims_of_nothing(network: RoadNetwork, days: Sequence[Day]) -> Counter[str]:
    """What is found between halves of unchanged days, for each junction alone."""
    found: Counter[str] = Counter()
    names = working_days(FIRST_MONDAY, len(days))
    halves = list(combinations(range(len(days)), len(days) // 2))
    for chosen in halves[:: max(1, len(halves) // MOST_HALVES)]:
        order = [*chosen, *(i for i in range(len(days)) if i not in chosen)]
        renamed = [
            replace(days[i], service_day=name.isoformat())
            for i, name in zip(order, names, strict=True)
        ]
        sides = renamed[: len(chosen)], renamed[len(chosen) :]
        for junction_id in network.junctions:
            found[str(evaluate(network, *sides, treated=[junction_id]).together.finding)] += 1
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, compare, print; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("world", nargs="?", default="cologne8")
    parser.add_argument("--days", type=int, default=5)
    parser.add_argument("--retime", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    told = parser.parse_args(arguments)
    spec = find(told.world)
    place = nullcontext(told.cache) if told.cache else TemporaryDirectory(prefix="effect-")
    with place as name:
        root = Path(name) / spec.name
        city = root / "city"
        if not city.exists():
            city.mkdir(parents=True)
            net, additional = prepare(spec, root / "world").network_sources()
            import_any(net, additional, city, silent)
        network = load_city(city)
        early = working_days(FIRST_MONDAY, told.days)
        late = working_days(FIRST_MONDAY + LATER, told.days)
        first = {day: told.seed + n for n, day in enumerate(early)}
        second = {day: told.seed + told.days + n for n, day in enumerate(late)}
        before = recorded(spec, city, root / "before", first, None)
        same = recorded(spec, city, root / "same", second, None)
        state = load_state(root / "before/states" / early[0].isoformat(), network)
        old = plan_ages(network, state)[: told.retime]
        plans = root / "plans.json"
        retimed = [
            state.running_plans[a.junction_id].with_greens(a.new_greens_s, "today") for a in old
        ]
        plans.write_text(plans_to_json(retimed), encoding="utf-8")
        after = recorded(spec, city, root / "after", second, plans)
        group = sorted(plan.junction_id for plan in retimed)
        true_s = [true_delay_s(root / side, network, group) for side in ("same", "after")]
        found = evaluate(network, before, after, treated=group)
        print(f"{spec.name}, {told.days} days a side, retimed: {', '.join(group)}")
        print(f"true change: {true_s[1] / true_s[0] - 1:+.1%}  found: {headline(found.together)}")
        nothing = claims_of_nothing(network, [*before, *same])
        print(f"nothing changed: {dict(sorted(nothing.items()))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
