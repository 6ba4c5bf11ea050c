"""A real night on some minutes of the world ``small``: what the console can optimise.

Two findings are made by hand, since so short a day has none: the bottleneck, and the verdict on the
night's own plans, so that the first check is the one a planner starts.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import load_city
from optimizers.params import OptimizeParams
from sim_scenarios.generated import GeneratedCity, build
from sim_scenarios.spec import find
from sim_scenarios.world import record
from tests.unit.short_night import DAY
from traffic_brain.model.documents import (
    bottleneck_to_dict,
    corridor_from_dict,
    verdict_to_dict,
)
from traffic_brain.model.findings import Bottleneck, Cause
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.verdict import Decision, Verdict
from traffic_brain.nightly import stages
from traffic_brain.nightly.runner import Nobody, Stage, run_stages

RUNS = {
    **dict.fromkeys(("candidate_id", "phase"), pa.string()),
    **dict.fromkeys(("seed", "vehicles", "teleports", "not_inserted"), pa.int64()),
    **dict.fromkeys(("delay_s_per_veh", "stops"), pa.float64()),
}


def console_night_in(root: Path) -> Path:
    """Make the night ``root/first`` and return its folder."""
    night = root / "first"
    world = build(GeneratedCity(duration_s=600), root.with_name("world"))
    feeds = night / "feeds" / DAY.isoformat()
    record(find(world), feeds, night / "truth", seed=1, service_day=DAY)
    city, state, diagnosis = night / "city", night / "state", night / "diagnosis"
    plans, verdict, package = night / "plans", night / "verdict", night / "package"
    params = OptimizeParams(common_cycles_s=(60,), max_candidates=1)
    todo = (
        stages.import_stage(world.with_name("city.net.xml"), [], city),
        stages.fuse_stage(city, feeds, state, seed=1),
        stages.diagnose_stage(city, state, diagnosis),
        stages.optimize_stage(city, state, diagnosis, plans, seed=1, params=params),
        Stage("check", {"plans": plans}, (verdict,), lambda out, _: _kept(out)),
        stages.package_stage(city, state, plans, verdict, package, diagnosis=diagnosis),
    )
    for _ in run_stages(todo, night, Nobody()):
        pass
    _find_a_bottleneck(city, diagnosis)
    return night


def _kept(out: Path) -> dict[str, int]:
    judged = Verdict(
        decision=Decision.KEEP,
        reason="too few pairs for an interval",
        candidate_id="",
        seeds=(),
        in_service_delay_s_per_veh=(),
        proposed_delay_s_per_veh=(),
        change_s_per_veh=None,
        change_ratio=None,
    )
    (out / "verdict.json").write_text(to_json(verdict_to_dict(judged)), encoding="utf-8")
    (out / "calibration.json").write_text("{}", encoding="utf-8")
    pq.write_table(pa.Table.from_pylist([], pa.schema(list(RUNS.items()))), out / "runs.parquet")
    return {}


def _find_a_bottleneck(city: Path, diagnosis: Path) -> None:
    """On the first section of the first corridor."""
    corridor = corridor_from_dict(read_json(diagnosis / "corridors.json")[0])
    link = load_city(city).links[corridor.out_paths[0][-1]]
    found = Bottleneck(
        "B001",
        link.link_id,
        corridor.junction_ids[1],
        25_200,
        25_800,
        (),
        3.5,
        Cause.OFFSET,
        1.5,
        "green is enough but vehicles meet red: saturation 0.60 here, imbalance 0.10, "
        "sum of critical flow ratios 0.50, cycle 90 s",
    )
    text = to_json([bottleneck_to_dict(found)])
    (diagnosis / "bottlenecks.json").write_text(text, encoding="utf-8")
