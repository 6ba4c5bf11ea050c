"""The plans that really ran, read from the controllers' log.

The register of plans in a city folder may be older than what the controllers do; what ran on the
service day is what a proposal is compared with.
"""

from __future__ import annotations

import itertools

import pandas as pd

from network_data.importers.sumo.programs import SumoPhase, SumoProgram, plan_of
from traffic_brain.model.lamps import same_lamps
from traffic_brain.model.network import Junction, RoadNetwork
from traffic_brain.model.signals import Interval, SignalPlan

MIN_CYCLES = 2
AGREEING_SHARE = 0.9


def running_plans(log: pd.DataFrame, network: RoadNetwork) -> dict[str, SignalPlan]:
    """Plan per junction: from the log where it shows one fixed cycle, else from the register.

    Args:
        log: junction_id, time_s, plan_id, interval_idx, picture; ordered by junction and time.

    A junction whose log shows changing cycles (actuated) or that has no plan at all is absent.
    """
    seen = {str(j): rows for j, rows in log.groupby("junction_id", sort=True)}
    plans = {}
    for junction_id, junction in network.junctions.items():
        plan = _running(junction, seen.get(junction_id))
        if plan is not None:
            plans[junction_id] = plan
    return plans


def _running(junction: Junction, log: pd.DataFrame | None) -> SignalPlan | None:
    registered = junction.plan_in_service
    if log is None or len(log) < 2:
        return registered
    observed = _fixed_cycle(log)
    if observed is None:
        return registered if _follows(log, registered) else None
    offset_s, intervals = observed
    plan_id = str(log["plan_id"].iloc[-1])
    phases = tuple(SumoPhase(float(i.duration_s), i.picture) for i in intervals)
    plan = plan_of(SumoProgram(junction.junction_id, plan_id, "static", str(offset_s), phases)).plan
    if plan is None:
        return None
    return registered if registered is not None and same_lamps(plan, registered) else plan


def _fixed_cycle(log: pd.DataFrame) -> tuple[int, list[Interval]] | None:
    """(start of the first interval, intervals) if nearly all cycles of the log are the same."""
    starts = log["time_s"].to_numpy()
    idx = log["interval_idx"].to_numpy()
    pictures = log["picture"].to_numpy()
    heads = [i for i in range(len(idx)) if idx[i] == 0]
    cycles: dict[tuple[tuple[int, str], ...], list[int]] = {}
    for a, b in itertools.pairwise(heads):
        cycle = tuple((round(starts[k + 1] - starts[k]), str(pictures[k])) for k in range(a, b))
        cycles.setdefault(cycle, []).append(round(starts[a]))
    if not cycles:
        return None
    cycle, seen_at = max(cycles.items(), key=lambda item: len(item[1]))
    if len(seen_at) < MIN_CYCLES or len(seen_at) < AGREEING_SHARE * (len(heads) - 1):
        return None
    length = sum(duration for duration, _ in cycle)
    return seen_at[-1] % length, [Interval(d, picture) for d, picture in cycle]


def _follows(log: pd.DataFrame, plan: SignalPlan | None) -> bool:
    """Whether the log's pictures are those of a plan (too short a log shows no whole cycle)."""
    if plan is None or plan.cycle_s == 0:
        return False
    return all(
        plan.picture_at(round(t)) == picture
        for t, picture in zip(log["time_s"], log["picture"], strict=True)
    )
