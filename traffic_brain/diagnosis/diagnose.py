"""Bottlenecks with causes, corridors, and indices per junction, from a state folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from traffic_brain.diagnosis.bottlenecks import (
    ACTIVE_SPEED_RATIO,
    QueueHead,
    delay_veh_h,
    main_successors,
    queue_heads,
    seconds,
)
from traffic_brain.diagnosis.capacity import (
    LaneGroup,
    critical_flow_ratio,
    lane_groups,
    saturation_ratio,
    stage_saturation,
)
from traffic_brain.diagnosis.corridors import find_corridors
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import bottleneck_to_dict, corridor_to_dict
from traffic_brain.model.findings import Bottleneck, Cause
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

REDESIGN_RATIO = 0.9
"""Σ critical flow ratios above this: redesign, do not retime (design code)."""
SATURATED_RATIO = 0.95
IMBALANCED_RATIO = 0.3


@dataclass(frozen=True)
class JunctionIndex:
    """Indices of one retimable junction over the window."""

    plan: SignalPlan
    lanes: list[LaneGroup]
    saturation_ratio: float
    imbalance_ratio: float
    critical_flow_ratio: float
    delay_veh_h: float


def diagnose(
    city: Path, state_folder: Path, out: Path, progress: Progress = silent
) -> dict[str, int]:
    """Write bottlenecks.json, corridors.json, junctions.parquet and summary.json into ``out``.

    Raises:
        ConfigurationError, DataRefused: as ``load_city`` and ``load_state``.
    """
    network = load_city(city)
    state = load_state(state_folder, network)
    progress(0.3, "indices")
    lost = delay_veh_h(network, state)
    indices = junction_indices(network, state, lost)
    progress(0.6, "heads of queues")
    bottlenecks = [
        _bottleneck(i, head, network, state, indices)
        for i, head in enumerate(queue_heads(network, state), start=1)
    ]
    progress(0.8, "corridors")
    usable = {j for j, plan in state.running_plans.items() if len(plan.stages) > 1}
    corridors = find_corridors(network, state, usable)
    _write(out / "bottlenecks.json", [bottleneck_to_dict(b) for b in bottlenecks])
    _write(out / "corridors.json", [corridor_to_dict(c) for c in corridors])
    _write_junctions(out, indices)
    _write(
        out / "summary.json",
        {
            "bottlenecks": len(bottlenecks),
            "corridors": len(corridors),
            "delay_veh_h": round(float(lost.sum()), 2),
            "vehicles": len(state.trips),
        },
    )
    return {"bottlenecks": len(bottlenecks), "corridors": len(corridors)}


def junction_indices(
    network: RoadNetwork, state: State, lost: np.ndarray
) -> dict[str, JunctionIndex]:
    """Saturation, imbalance and delay of every junction that runs a fixed plan."""
    demand = dict(zip(network.movements, state.demand_vph, strict=True))
    found = {}
    for junction_id, plan in sorted(state.running_plans.items()):
        movements = network.movements_at[junction_id]
        lanes = lane_groups(movements, demand)
        if not lanes:
            continue
        stages = stage_saturation(plan, lanes)
        stages = stages[np.isfinite(stages)]
        worst = float(stages.max(initial=0.0))
        approaches = sorted({m.from_link for m in movements})
        found[junction_id] = JunctionIndex(
            plan=plan,
            lanes=lanes,
            saturation_ratio=worst,
            imbalance_ratio=1.0 - float(stages.min()) / worst if worst > 0 else 0.0,
            critical_flow_ratio=critical_flow_ratio(plan, lanes),
            delay_veh_h=float(sum(lost[network.link_idx[k]].sum() for k in approaches)),
        )
    return found


def _bottleneck(
    number: int,
    head: QueueHead,
    network: RoadNetwork,
    state: State,
    indices: Mapping[str, JunctionIndex],
) -> Bottleneck:
    junction_id = network.links[head.link_id].junction_id
    index = indices.get(junction_id) if junction_id else None
    cause, savable_ratio, evidence = _cause(head, network, state, index)
    return Bottleneck(
        bottleneck_id=f"B{number:03d}",
        link_id=head.link_id,
        junction_id=junction_id,
        start_s=seconds(state, head.first_bin),
        end_s=seconds(state, head.end_bin),
        passive_links=head.passive_links,
        delay_veh_h=round(head.delay_veh_h, 3),
        cause=cause,
        savable_veh_h=round(savable_ratio * head.delay_veh_h, 3),
        evidence=evidence,
    )


def _cause(
    head: QueueHead, network: RoadNetwork, state: State, index: JunctionIndex | None
) -> tuple[Cause, float, str]:
    """(cause, share of the delay that a retiming would give back, evidence).

    The share is what the head's lanes would save if their saturation fell to the junction's mean:
    our own first estimate, checked afterwards against what the simulation shows.
    """
    slow = _slow_successor(head, network, state)
    if slow is not None:
        link, ratio = slow
        return (
            Cause.SPILLBACK_FROM_ELSEWHERE,
            0.0,
            f"next link {link} runs at {ratio:.0%} of its free-flow speed",
        )
    if index is None:
        return Cause.UNKNOWN, 0.0, "no fixed signal plan at the head of the queue"
    head_ratio = max(
        (saturation_ratio(index.plan, k) for k in index.lanes if k.link_id == head.link_id),
        default=0.0,
    )
    figures = (
        f"saturation {head_ratio:.2f} here, imbalance {index.imbalance_ratio:.2f}, "
        f"sum of critical flow ratios {index.critical_flow_ratio:.2f}, cycle {index.plan.cycle_s} s"
    )
    if index.critical_flow_ratio > REDESIGN_RATIO:
        return Cause.DEMAND_ABOVE_CAPACITY, 0.0, f"redesign, do not retime: {figures}"
    if head_ratio >= SATURATED_RATIO and index.imbalance_ratio >= IMBALANCED_RATIO:
        return Cause.SPLIT_IMBALANCE, min(index.imbalance_ratio, 0.8), figures
    if head_ratio >= SATURATED_RATIO:
        return Cause.CYCLE, 0.2, figures
    return Cause.OFFSET, 0.3, f"green is enough but vehicles meet red: {figures}"


def _slow_successor(
    head: QueueHead, network: RoadNetwork, state: State
) -> tuple[str, float] | None:
    """A way on that is nearly as slow as the head, though its own loss was too small to be one."""
    for link_id in main_successors(state).get(head.link_id, ()):
        i = network.link_idx[link_id]
        link = network.links[link_id]
        ratio = float(state.speed_mps[i, head.first_bin : head.end_bin].mean())
        ratio /= link.free_flow_speed_mps
        long_enough = link.length_m > 40
        if long_enough and ratio < 0.6 * ACTIVE_SPEED_RATIO:
            return link_id, ratio
    return None


def _write_junctions(out: Path, indices: Mapping[str, JunctionIndex]) -> None:
    columns = ("saturation_ratio", "imbalance_ratio", "critical_flow_ratio", "delay_veh_h")
    table: dict[str, Any] = {"junction_id": pa.array(list(indices), pa.string())}
    for column in columns:
        values = [round(getattr(index, column), 4) for index in indices.values()]
        table[column] = pa.array(values, pa.float64())
    pq.write_table(pa.table(table), out / "junctions.parquet")


def _write(path: Path, document: object) -> None:
    path.write_text(to_json(document), encoding="utf-8")
