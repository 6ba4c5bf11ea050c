"""A small night, saved as the stages save theirs: three junctions on one street, side streets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import save_city
from traffic_brain.deployment.certificate import certify
from traffic_brain.fusion.routes import Trip
from traffic_brain.fusion.sightings_table import write_sightings
from traffic_brain.model.documents import (
    bottleneck_to_dict,
    corridor_to_dict,
    plan_to_dict,
    plans_to_json,
    verdict_to_dict,
)
from traffic_brain.model.findings import Bottleneck, Cause, CauseShare, Corridor
from traffic_brain.model.network import (
    Connection,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
    Zone,
)
from traffic_brain.model.rules import rules_inputs
from traffic_brain.model.signals import Interval, SignalPlan, Stage
from traffic_brain.model.verdict import Decision, Interval95, Verdict

SPEED_MPS = 12.5
PLACES = {"J1": (0.0, 0.0), "J2": (500.0, 20.0), "J3": (1250.0, 0.0)}
NAMES = {"J1": "黄山路与科学大道", "J2": "<script>alert('路口')</script>", "J3": "J3"}
SEEDS = (1011, 1018, 1025, 1032, 1039, 1046)
ZONES = {
    "W": Zone(
        "W",
        "<script>alert('西区')</script>",
        ((-450.0, -350.0), (800.0, -350.0), (800.0, 350.0), (-450.0, 350.0)),
    ),
    "E": Zone("E", "东区", ((800.0, -350.0), (1750.0, -350.0), (1750.0, 350.0), (800.0, 350.0))),
    "empty": Zone("empty", "", ()),
}
LEVELS = ("free", "mostly_free", "light", "moderate", "severe")


def plan(junction_id: str, greens: tuple[int, int], offset_s: int, name: str) -> SignalPlan:
    """Two stages: the main street (groups 0, 1), then the side street (groups 2, 3)."""

    def stage(picture: str, green_s: int) -> Stage:
        clearance = (Interval(3, picture.replace("G", "y")), Interval(2, "rrrr"))
        return Stage(picture, green_s, clearance, min_green_s=8, max_green_s=90)

    stages = (stage("GGrr", greens[0]), stage("rrGG", greens[1]))
    return SignalPlan(junction_id, name, stages, offset_s)


RUNNING = {
    "J1": plan("J1", (40, 40), 0, "in service"),
    "J2": plan("J2", (35, 45), 70, "in service"),
    "J3": plan("J3", (45, 35), 20, "in service"),
}
PROPOSED = {
    "J1": plan("J1", (50, 30), 0, "proposed"),
    "J2": plan("J2", (52, 28), 40, "proposed"),
    "J3": RUNNING["J3"].with_offset(9),
}
CORRIDOR = Corridor(
    corridor_id="C01",
    name="黄山路",
    junction_ids=("J1", "J2", "J3"),
    out_paths=(("J1-J2",), ("J2-J3",)),
    back_paths=(("J2-J1",), ("J3-J2",)),
    out_flow_vph=812.0,
    back_flow_vph=640.0,
)
BOTTLENECKS = (
    Bottleneck(
        "B001",
        "J1-J2",
        "J2",
        27_300,
        28_800,
        ("W-J1",),
        31.25,
        Cause.SPLIT_IMBALANCE,
        12.5,
        "saturation 1.12 here, imbalance 0.41, cycle 90 s",
        shares=(
            CauseShare(Cause.SPLIT_IMBALANCE, 0.62, 0.48, 0.71),
            CauseShare(Cause.OFFSET, 0.26, 0.2, 0.34),
            CauseShare(Cause.DEMAND_ABOVE_CAPACITY, 0.12, 0.05, 0.2),
        ),
        tail_link="W-J1",
        extent_m=900.0,
        treatments=("retime", "lane_use"),
    ),
    Bottleneck(
        "B002",
        "N-J3",
        "J3",
        27_600,
        28_200,
        (),
        4.5,
        Cause.DEMAND_ABOVE_CAPACITY,
        0.0,
        "redesign, do not retime: sum of critical flow ratios 0.97",
    ),
)
VERDICT = Verdict(
    decision=Decision.DEPLOY,
    reason="delay changes by -18.3% [-20.1%, -16.4%]",
    candidate_id="common-90",
    seeds=SEEDS,
    in_service_delay_s_per_veh=(61.0, 63.5, 59.2, 66.1, 62.0, 60.4),
    proposed_delay_s_per_veh=(50.2, 51.9, 48.0, 54.1, 50.1, 50.0),
    change_s_per_veh=Interval95(-11.4, -12.7, -10.1),
    change_ratio=Interval95(-0.183, -0.201, -0.164),
)


@dataclass(frozen=True)
class Folders:
    """The folders of one night, as ``page.write`` takes them."""

    city: Path
    state: Path
    diagnosis: Path
    plans: Path
    verdict: Path
    package: Path
    world: Path | None
    out: Path

    def arguments(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def network(names: Mapping[str, str] = NAMES) -> RoadNetwork:
    """Links both ways between W, J1, J2, J3 and E, and side streets N and S at each junction."""
    chain = {"W": (-400.0, 0.0), **PLACES, "E": (1700.0, 10.0)}
    links: dict[str, Link] = {}
    for a, b in zip(list(chain), list(chain)[1:], strict=False):
        for start, end in ((a, b), (b, a)):
            links[f"{start}-{end}"] = _link(start, end, chain[start], chain[end])
    for junction_id, (x, y) in PLACES.items():
        for side, north in (("N", 300.0), ("S", -300.0)):
            end, place = f"{side}{junction_id}", (x, y + north)
            links[f"{side}-{junction_id}"] = replace(
                _link(end, junction_id, place, (x, y)), link_id=f"{side}-{junction_id}"
            )
            links[f"{junction_id}-{side}"] = replace(
                _link(junction_id, end, (x, y), place), link_id=f"{junction_id}-{side}"
            )
    movements = [m for j in PLACES for m in _movements(j, links)]
    connections = tuple(
        Connection(m.from_link, 0, m.to_link, 0, m.turn, m.junction_id, m.signal_group_idxs[0])
        for m in movements
    )
    junctions = {
        j: Junction(
            junction_id=j,
            name=names[j],
            x=x,
            y=y,
            node_ids=(j,),
            signal_group_count=4,
            conflicts=frozenset({(0, 2), (0, 3), (1, 2), (1, 3)}),
            yields=frozenset(),
            plan_in_service=RUNNING[j],
        )
        for j, (x, y) in PLACES.items()
    }
    west = {"J1", "J2"}
    return RoadNetwork(
        "示例城市",
        {i: replace(k, zone_id="W" if k.shape[1][0] < 800 else "E") for i, k in links.items()},
        connections,
        {m.movement_id: m for m in movements},
        {j: replace(k, zone_id="W" if j in west else "E") for j, k in junctions.items()},
        zones=ZONES,
    )


def _link(
    start: str, end: str, a: tuple[float, float], b: tuple[float, float], side_m: float = 6.0
) -> Link:
    """A link a lane's width to the right of the line between its ends."""
    length = ((b[0] - a[0]) ** 2 + (b[1] - a[1]) ** 2) ** 0.5
    dx, dy = side_m * (b[1] - a[1]) / length, -side_m * (b[0] - a[0]) / length
    return Link(
        link_id=f"{start}-{end}",
        from_node=start,
        to_node=end,
        length_m=round(length, 2),
        free_flow_speed_mps=SPEED_MPS,
        lane_count=2,
        road_class="highway.primary",
        name=f"{start}→{end}",
        shape=((a[0] + dx, a[1] + dy), (b[0] + dx, b[1] + dy)),
        car_lanes=(0, 1),
        junction_id=end if end in PLACES else None,
    )


def _movements(junction_id: str, links: Mapping[str, Link]) -> list[Movement]:
    """Four through movements, one per signal group: eastward, westward, from N, from S."""
    order = ["W", *PLACES, "E"]
    at = order.index(junction_id)
    west, east = order[at - 1], order[at + 1]
    ways = [
        (f"{west}-{junction_id}", f"{junction_id}-{east}"),
        (f"{east}-{junction_id}", f"{junction_id}-{west}"),
        (f"N-{junction_id}", f"{junction_id}-S"),
        (f"S-{junction_id}", f"{junction_id}-N"),
    ]
    return [
        Movement(f"{a}>{b}", junction_id, a, b, Turn.THROUGH, (0, 1), (group,), 3600.0)
        for group, (a, b) in enumerate(ways)
        if a in links and b in links
    ]


def write_night(
    root: Path,
    *,
    verdict: Verdict = VERDICT,
    bottlenecks: Sequence[Bottleneck] = BOTTLENECKS,
    corridors: Sequence[Corridor] = (CORRIDOR,),
    proposed: Mapping[str, SignalPlan] | None = None,
    with_world: bool = True,
    with_defects: bool = True,
    names: Mapping[str, str] = NAMES,
) -> Folders:
    """Write every folder of a night below ``root``."""
    proposed = PROPOSED if proposed is None else proposed
    stages = ("city", "state", "diagnosis", "plans", "verdict", "package", "world", "report")
    for stage in stages:
        (root / stage).mkdir(parents=True)
    city = network(names)
    save_city(city, root / "city")
    _write_state(root / "state", city, with_defects=with_defects)
    _write_diagnosis(root / "diagnosis", bottlenecks, corridors)
    _write_json(root / "plans" / "candidates.json", {"candidates": _candidates(proposed)})
    _write_json(root / "verdict" / "verdict.json", verdict_to_dict(verdict))
    _write_runs(root / "verdict", verdict)
    out_going = list(proposed.values()) if verdict.decision is Decision.DEPLOY else []
    certificate = certify(out_going, rules_inputs(city), RUNNING)
    _write_json(root / "package" / "certificate.json", certificate)
    _write_json(root / "world" / "result.json", _world(deployed=bool(out_going)))
    return Folders(
        *(root / stage for stage in stages[:6]),
        world=root / "world" if with_world else None,
        out=root / "report",
    )


def _world(*, deployed: bool) -> dict[str, Any]:
    before, after = [138.0, 140.5, 137.1], [110.0, 111.5, 109.1] if deployed else []
    runs = {"vehicles": 4283, "not_inserted": 12, "teleports": 0}
    return {
        "deployed": deployed,
        "seeds": [71, 72, 73],
        "in_service_delay_s_per_veh": before,
        "proposed_delay_s_per_veh": after,
        "before_mean_s": 138.533,
        "before_median_s": 138.0,
        "after_mean_s": 110.2 if deployed else None,
        "after_median_s": 110.0 if deployed else None,
        "change_ratio": asdict(Interval95(-0.204, -0.221, -0.187)) if deployed else None,
        "change_s_per_veh": asdict(Interval95(-28.3, -30.6, -26.0)) if deployed else None,
        "in_service": [runs for _ in before],
        "proposed": [runs for _ in after],
    }


def _write_state(folder: Path, city: RoadNetwork, *, with_defects: bool) -> None:
    bins = range(27_000, 28_800, 300)
    rows = [
        {
            "link_id": link_id,
            "bin_start_s": start,
            "speed_mps": None if (i + b) % 17 == 16 else SPEED_MPS * (1 - 0.15 * ((i + b) % 5)),
            "travel_time_s": 40.0,
            "travel_time_low_s": 30.0,
            "travel_time_high_s": 55.0,
            "flow_veh": 12.0,
            "level": None if (i + b) % 17 == 16 else LEVELS[(i + b) % 5],
            "sources": "internet",
        }
        for i, link_id in enumerate(city.links)
        for b, start in enumerate(bins)
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "link_state.parquet")
    demand = [
        {
            "movement_id": m.movement_id,
            "junction_id": m.junction_id,
            "bin_start_s": 27_000,
            "flow_vph": 400.0,
            "demand_vph": 420.0,
            "demand_low_vph": 380.0,
            "demand_high_vph": 460.0,
            "source": "trips",
        }
        for m in city.movements.values()
    ]
    pq.write_table(pa.Table.from_pylist(demand), folder / "movement_demand.parquet")
    (folder / "running_plans.json").write_text(plans_to_json(RUNNING.values()), encoding="utf-8")
    write_sightings(folder, _drives(), seed=1)
    _write_table(
        folder / "health.parquet",
        dict.fromkeys(("feed", "device_id", "code", "detail"), pa.string()),
        [("police", f"D{i}", "dead", "junction J1") for i in range(15)] if with_defects else [],
    )
    _write_table(
        folder / "quarantine.parquet",
        {"feed": pa.string(), "reason": pa.string(), "rows": pa.int64()},
        [
            ("police", "duplicate", 312),
            ("checkpoint", "unreadable_plate", 95),
            ("internet", "from_the_future", 2),
        ]
        if with_defects
        else [],
    )
    refused = 409 if with_defects else 0
    summary = {
        "service_day": "2026-03-02",
        "begin_s": 27_000,
        "end_s": 28_800,
        "rows_read": 21_409,
        "rows_used": 21_409 - refused,
        "rows_quarantined": refused,
        "feeds": {
            "police": {"rows_read": 15_312, "rows_quarantined": 312 if refused else 0},
            "checkpoint": {"rows_read": 6_097, "rows_quarantined": 97 if refused else 0},
        },
    }
    _write_json(folder / "summary.json", summary)


def _drives() -> list[Trip]:
    """Along the street and back every 20 s; the camera at J2 misses every third."""
    ways = {("W-J1", "J1-J2", "J2-J3"): (0, 44, 110), ("E-J3", "J3-J2", "J2-J1"): (0, 66, 112)}
    return [
        Trip(links, tuple(float(start + t) for t in times), (True, start % 60 != 0, True))
        for links, times in ways.items()
        for start in range(27_000, 28_500, 20)
    ]


def _write_diagnosis(
    folder: Path, bottlenecks: Sequence[Bottleneck], corridors: Sequence[Corridor]
) -> None:
    _write_json(folder / "bottlenecks.json", [bottleneck_to_dict(b) for b in bottlenecks])
    _write_json(folder / "corridors.json", [corridor_to_dict(c) for c in corridors])
    _write_json(folder / "summary.json", {"bottlenecks": len(bottlenecks)})
    columns = dict.fromkeys(
        ("saturation_ratio", "imbalance_ratio", "critical_flow_ratio", "delay_veh_h"), pa.float64()
    )
    rows = [("J1", 0.8, 0.2, 0.7, 9.5), ("J2", 1.1, 0.4, 0.8, 33.0), ("J3", 0.9, 0.1, 0.9, 7.0)]
    _write_table(folder / "junctions.parquet", {"junction_id": pa.string(), **columns}, rows)


def _candidates(proposed: Mapping[str, SignalPlan]) -> list[dict[str, Any]]:
    chosen = {
        "candidate_id": "common-90",
        "description": "common cycle of 90 s, green waves",
        "predicted_delay_s_per_veh": 47.3,
        "plans": [plan_to_dict(p) for p in proposed.values()],
        "corridors": [
            {
                "corridor_id": "C01",
                "cycle_s": 90,
                "out_bandwidth_s": 44,
                "back_bandwidth_s": 23,
                "out_travel_s": [40, 60],
                "back_travel_s": [40, 60],
                "status": "OPTIMAL",
                "objective": 67.0,
                "bound": 67.0,
                "gap": 0.0,
            }
        ],
    }
    other = {**chosen, "candidate_id": "local", "corridors": [], "plans": []}
    return [chosen, other]


def _write_runs(folder: Path, verdict: Verdict) -> None:
    columns = {
        "candidate_id": pa.string(),
        "seed": pa.int64(),
        "phase": pa.string(),
        "vehicles": pa.int64(),
        "delay_s_per_veh": pa.float64(),
        "stops": pa.float64(),
        "teleports": pa.int64(),
        "not_inserted": pa.int64(),
    }
    rows = [
        (candidate, seed, "confirm", 1800, delay, 1.4, 0, 3)
        for candidate, delays in (
            ("in service", verdict.in_service_delay_s_per_veh),
            (verdict.candidate_id, verdict.proposed_delay_s_per_veh),
        )
        for seed, delay in zip(verdict.seeds, delays, strict=True)
    ]
    _write_table(folder / "runs.parquet", columns, rows)
    calibration = {
        "observed_delay_s_per_veh": 64.2,
        "simulated_delay_s_per_veh": 61.9,
        "vehicles_rebuilt": 1803,
    }
    _write_json(folder / "calibration.json", calibration)


def _write_table(path: Path, columns: Mapping[str, pa.DataType], rows: Sequence[Any]) -> None:
    schema = pa.schema(list(columns.items()))
    listed = [dict(zip(columns, row, strict=True)) for row in rows]
    pq.write_table(pa.Table.from_pylist(listed, schema), path)


def _write_json(path: Path, content: Any) -> None:
    text = json.dumps(content, ensure_ascii=False, indent=1, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8")
