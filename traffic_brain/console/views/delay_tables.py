"""The offset model's tables for a corridor: delay between neighbouring signals by offset.

They are the optimiser's own (`optimizers.offsets`), so that what a planner drags is judged by the
very numbers that the optimiser minimises. A table holds vehicle-seconds per cycle, stops and
queues that do not fit counted in, by the difference of the two cycles' starts; over the cycle it
is vehicle-hours per hour. Only signals with the same cycle have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from optimizers.offsets import Feed, movement_feeds, offset_problem
from optimizers.params import OptimizeParams
from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.outages import filled
from traffic_brain.fusion.state import State
from traffic_brain.fusion.window import Window
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan
from traffic_brain.report.saved import Night


@dataclass(frozen=True, slots=True)
class Feeds:
    """Flows from signal to signal, and the mean demand of each movement."""

    feeds: tuple[Feed, ...]
    demand_vph: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Tables:
    """Signals of one cycle with a table for each pair that feeds one another."""

    cycle_s: int
    junction_ids: tuple[str, ...]
    shifts_s: tuple[int, ...]
    """Start of the cycle = offset − shift, modulo the cycle."""
    pairs: tuple[tuple[int, int], ...]
    tables: tuple[tuple[float, ...], ...]


def feeds_of(library: Library, folder: NightFolder) -> Feeds:
    """The flows of a night."""
    night = library.night(folder)
    found: Feeds = library.kept(folder, "feeds", lambda: _feeds(folder.folders.state, night))
    return found


def tables_of(
    network: RoadNetwork,
    corridor: Corridor,
    plans: Mapping[str, SignalPlan],
    flows: Feeds,
) -> list[Tables]:
    """Tables of the corridor's signals and of their neighbours, one set for each cycle."""
    here = set(corridor.junction_ids)
    near = [f for f in flows.feeds if not here.isdisjoint(ends_of(network, f))]
    around = here.union(*(ends_of(network, f) for f in near))
    members = {j: plans[j] for j in sorted(around) if j in plans}
    found = []
    for cycle_s in sorted({plan.cycle_s for plan in members.values()}):
        problem = offset_problem(members, network, near, flows.demand_vph, cycle_s)
        if problem is None:
            continue
        found.append(
            Tables(
                cycle_s,
                problem.junction_ids,
                tuple(_shift_s(members[j]) for j in problem.junction_ids),
                problem.pairs,
                tuple(tuple(round(float(v), 2) for v in row) for row in problem.tables),
            )
        )
    return found


def delay_veh_h_per_h(tables: Sequence[Tables], offsets_s: Mapping[str, int]) -> float | None:
    """What the model says of these offsets; None: no two signals have the same cycle.

    Args:
        offsets_s: by junction, of every junction in the tables.
    """
    if not tables:
        return None
    total = 0.0
    for found in tables:
        starts = [
            (offsets_s[j] - shift) % found.cycle_s
            for j, shift in zip(found.junction_ids, found.shifts_s, strict=True)
        ]
        rows = zip(found.pairs, found.tables, strict=True)
        cost = sum(t[(starts[b] - starts[a]) % found.cycle_s] for (a, b), t in rows)
        total += cost / found.cycle_s
    return total


def _shift_s(plan: SignalPlan) -> int:
    return plan.stage_start_s(plan.coordinated_stage_idx)


def ends_of(network: RoadNetwork, feed: Feed) -> tuple[str, str]:
    """Junctions that a flow leaves and reaches."""
    up, down = network.movements[feed.upstream], network.movements[feed.downstream]
    return up.junction_id, down.junction_id


def _feeds(state: Path, night: Night) -> Feeds:
    """What the optimiser would count, from the trips alone: link states stay on disk."""
    params = OptimizeParams()
    trips = state / "trips.parquet"
    if not trips.is_file():  # none were kept: the page says that it has no estimate
        return Feeds((), {})
    nothing = np.empty((0, 0))
    known = State(
        service_day=night.summary["service_day"],
        window=Window(int(night.summary["begin_s"]), int(night.summary["end_s"])),
        speed_mps=nothing,
        travel_time_s=nothing,
        flow_veh=nothing,
        demand_vph=nothing,
        demand_high_vph=nothing,
        trips=cast("tuple[tuple[float, tuple[str, ...]], ...]", _ways(trips)),
        vehicle_classes=(),
        running_plans=dict(night.running),
        summary=night.summary,
    )
    bins = len(known.window.demand_bin_starts())
    demand = {
        movement_id: mean * params.demand_reserve_ratio
        for movement_id, mean in _mean_demand(state / "movement_demand.parquet", bins)
    }
    return Feeds(tuple(movement_feeds(night.network, known, params.progression_ratio)), demand)


def _mean_demand(path: Path, bins: int) -> Iterator[tuple[str, float]]:
    """Mean over the day of each movement, hours that nobody saw drawn from those around."""
    columns = ["movement_id", "demand_vph"]
    table = pq.read_table(path, columns=columns, read_dictionary=columns[:1])
    values = np.asarray(table["demand_vph"].to_numpy(), dtype=np.float64).reshape(-1, bins)
    ids = table["movement_id"].take(pa.array(np.arange(0, len(table), bins))).to_pylist()
    return zip(ids, map(float, filled(values).mean(axis=1)), strict=True)


def _ways(path: Path) -> Iterator[tuple[float, tuple[str, ...]]]:
    """(departure, which nobody asks for; links) of each trip, some thousands in memory at a time.

    Raises:
        DataRefused: the file is damaged.
    """
    try:
        with pq.ParquetFile(path) as trips:
            for batch in trips.iter_batches(batch_size=4096, columns=["links"]):
                yield from ((0.0, tuple(links)) for links in batch["links"].to_pylist())
    except (pa.ArrowException, OSError, KeyError) as error:
        problem = " ".join(str(error).split())
        raise DataRefused(f"{path} cannot be read", "fuse the day again", [problem]) from error
