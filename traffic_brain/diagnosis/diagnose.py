"""Bottlenecks with causes, corridors, and indices per junction, from a state folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from traffic_brain.diagnosis.approaches import Approaches, approaches, delay_veh_h
from traffic_brain.diagnosis.bottlenecks import QueueHead, heads_of, seconds
from traffic_brain.diagnosis.capacity import (
    LaneGroup,
    critical_flow_ratio,
    lane_groups,
    stage_saturation,
)
from traffic_brain.diagnosis.causes.areas import City, driven
from traffic_brain.diagnosis.causes.finding import Diagnosis, diagnose_heads, treatments
from traffic_brain.diagnosis.causes.witnesses import stuck_sources, witnesses
from traffic_brain.diagnosis.corridors import find_corridors
from traffic_brain.diagnosis.indices.measure import HOUR_S, hourly_speed_ratio, write_indices
from traffic_brain.diagnosis.percolation import Streets, gains, percolation
from traffic_brain.fusion.state import State, load_state
from traffic_brain.model.documents import bottleneck_to_dict, corridor_to_dict
from traffic_brain.model.findings import Bottleneck, Cause
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.model.signals import SignalPlan
from traffic_brain.progress import Progress, silent

REDESIGN_RATIO = 0.9
"""Σ critical flow ratios above this: redesign, do not retime (design code)."""


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
    """Write bottlenecks.json, cases.json, corridors.json, junctions.parquet and summary.json.

    Indices of links, and of all that they add up to, come with their definitions. ``cases.json``
    tells of each bottleneck what was driven and what it gave (``causes.promise.replayed``; its
    ``further`` is null where nothing is promised),
    ``sensors.json`` which sources are stuck, ``percolation.json`` at which speed the city falls
    apart, hour by hour.

    Raises:
        ConfigurationError, DataRefused: as ``load_city`` and ``load_state``.
    """
    network = load_city(city)
    state = load_state(state_folder, network)
    progress(0.3, "indices")
    lost = delay_veh_h(network, state)
    indices = junction_indices(network, state, lost)
    progress(0.4, "heads of queues")
    streets = approaches(network, state)
    heads = heads_of(network, state, streets)
    known = City(network, state, streets, driven(network, state))
    told = witnesses(state_folder, state.window, _links_of(heads, streets))
    causes = diagnose_heads(
        known, heads, told, progress=lambda ratio, what: progress(0.4 + 0.5 * ratio, what)
    )
    bottlenecks = [
        _bottleneck(
            i, head, known, found, indices.get(network.links[head.link_id].junction_id or "")
        )
        for i, (head, found) in enumerate(zip(heads, causes, strict=True), start=1)
    ]
    cases = [
        {"bottleneck_id": b.bottleneck_id, **found.record}
        for b, found in zip(bottlenecks, causes, strict=True)
    ]
    progress(0.9, "corridors")
    usable = {j for j, plan in state.running_plans.items() if len(plan.stages) > 1}
    corridors = find_corridors(network, state, usable)
    _write(out / "bottlenecks.json", [bottleneck_to_dict(b) for b in bottlenecks])
    _write(out / "cases.json", cases)
    _write(out / "sensors.json", stuck_sources(state_folder, network))
    _write(out / "corridors.json", [corridor_to_dict(c) for c in corridors])
    _write_junctions(out, indices)
    write_indices(network, state, out, corridors)
    _write(out / "percolation.json", _percolation(network, state, bottlenecks))
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


def _percolation(
    network: RoadNetwork, state: State, bottlenecks: Sequence[Bottleneck]
) -> list[dict[str, Any]]:
    """Of every hour the threshold, and which bottlenecks then hold the city apart."""
    streets = Streets.of(network)
    told = []
    for begin_s, ratio in hourly_speed_ratio(network, state):
        found = percolation(streets, ratio)
        if found is None:
            continue
        heads = {
            network.link_idx[b.link_id]: b.bottleneck_id
            for b in bottlenecks
            if b.start_s < begin_s + HOUR_S and b.end_s > begin_s
        }
        gained = gains(streets, ratio, found.threshold_ratio, sorted(heads))
        told.append(
            {
                "begin_s": begin_s,
                **asdict(found),
                "bottlenecks": {heads[i]: round(g, 4) for i, g in gained.items() if g > 0},
            }
        )
    return told


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
    number: int, head: QueueHead, city: City, found: Diagnosis, index: JunctionIndex | None
) -> Bottleneck:
    """``savable_veh_h``: the head's part, in equal shares, of what its area gets back."""
    network, state = city.network, city.state
    redesign = (
        index is not None
        and index.critical_flow_ratio > REDESIGN_RATIO
        and found.cause not in (Cause.BROKEN_SENSOR, Cause.INCIDENT)
    )
    evidence = found.evidence
    if index is not None and redesign:
        evidence += (
            f"; redesign, do not retime: sum of critical flow ratios"
            f" {index.critical_flow_ratio:.2f}"
        )
    return Bottleneck(
        bottleneck_id=f"B{number:03d}",
        link_id=head.link_id,
        junction_id=network.links[head.link_id].junction_id,
        start_s=seconds(state, head.first_bin),
        end_s=seconds(state, head.end_bin),
        passive_links=head.passive_links,
        delay_veh_h=round(head.delay_veh_h, 3),
        cause=found.cause,
        savable_veh_h=round(min(max(found.savable_ratio, 0.0), 1.0) * head.delay_veh_h, 3),
        evidence=evidence,
        shares=found.shares,
        tail_link=head.tail_link,
        extent_m=head.extent_m,
        treatments=treatments(found, redesign),
    )


def _links_of(heads: Sequence[QueueHead], streets: Approaches) -> set[str]:
    return {k for head in heads for k in streets.links[streets.of_link[head.link_id]]}


def _write_junctions(out: Path, indices: Mapping[str, JunctionIndex]) -> None:
    columns = ("saturation_ratio", "imbalance_ratio", "critical_flow_ratio", "delay_veh_h")
    table: dict[str, Any] = {"junction_id": pa.array(list(indices), pa.string())}
    for column in columns:
        values = [round(getattr(index, column), 4) for index in indices.values()]
        table[column] = pa.array(values, pa.float64())
    pq.write_table(pa.table(table), out / "junctions.parquet")


def _write(path: Path, document: object) -> None:
    path.write_text(to_json(document), encoding="utf-8")
