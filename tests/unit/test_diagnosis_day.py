"""A fused day diagnosed: what is written, and the causes it is put down to."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.unit.small_day import SmallDay
from traffic_brain.diagnosis.approaches import delay_veh_h
from traffic_brain.diagnosis.diagnose import diagnose, junction_indices
from traffic_brain.errors import ConfigurationError
from traffic_brain.fusion.state import load_state
from traffic_brain.model.documents import bottleneck_from_dict, corridor_from_dict, plans_to_json
from traffic_brain.model.findings import Bottleneck, Cause, Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import Interval, Stage


class Report:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def document(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    @property
    def bottlenecks(self) -> list[Bottleneck]:
        return [bottleneck_from_dict(b) for b in self.document("bottlenecks")]

    @property
    def corridors(self) -> list[Corridor]:
        return [corridor_from_dict(c) for c in self.document("corridors")]


JAM_BINS = slice(3, 9)
JAM_SPEED_RATIO = 0.18


@pytest.fixture(scope="module")
def day(day: SmallDay, tmp_path_factory: pytest.TempPathFactory) -> SmallDay:
    """The day with half an hour of queue where most is lost: its own queues last no ten minutes."""
    net = day.network
    lost = delay_veh_h(net, load_state(day.state, net)).sum(axis=1)
    link = max(
        net.links.values(), key=lambda k: (k.junction_id is not None, lost[net.link_idx[k.link_id]])
    )
    folder = tmp_path_factory.mktemp("queue") / "state"
    _copy_state(day, folder)
    links = pq.read_table(folder / "link_state.parquet").to_pandas()
    rows = links.index[links["link_id"] == link.link_id][JAM_BINS]
    speed = JAM_SPEED_RATIO * link.free_flow_speed_mps
    links.loc[rows, "speed_mps"] = speed
    links.loc[rows, ["travel_time_s", "mean_travel_time_s"]] = link.length_m / speed
    links.to_parquet(folder / "link_state.parquet")
    return replace(day, state=folder)


@pytest.fixture(scope="module")
def report(day: SmallDay, tmp_path_factory: pytest.TempPathFactory) -> Report:
    folder = tmp_path_factory.mktemp("report")
    rows = diagnose(day.city, day.state, folder)
    found = Report(folder)
    assert rows == {
        "bottlenecks": len(found.bottlenecks),
        "corridors": len(found.corridors),
    }
    return found


def leads(path: tuple[str, ...], start: str, end: str, net: RoadNetwork) -> bool:
    """Whether the links follow each other from one junction to the other."""
    return (
        net.links[path[0]].from_node == start
        and net.links[path[-1]].junction_id == end
        and all(b in net.successors[a] for a, b in itertools.pairwise(path))
    )


def test_corridors_are_drivable_and_share_no_junction(day: SmallDay, report: Report) -> None:
    net, joined = day.network, []
    assert report.corridors
    for corridor in report.corridors:
        assert len(corridor.junction_ids) > 1
        joined += corridor.junction_ids
        assert corridor.out_flow_vph >= corridor.back_flow_vph > 0
        pairs = list(itertools.pairwise(corridor.junction_ids))
        for (a, b), out, back in zip(pairs, corridor.out_paths, corridor.back_paths, strict=True):
            assert leads(out, a, b, net)
            assert leads(back, b, a, net)
    assert len(joined) == len(set(joined))


def test_bottlenecks_are_links_with_a_time_and_a_cost(day: SmallDay, report: Report) -> None:
    net, window = day.network, (day.summary["begin_s"], day.summary["end_s"])
    found = report.bottlenecks
    assert found
    assert [b.bottleneck_id for b in found] == [f"B{i:03d}" for i in range(1, len(found) + 1)]
    assert [b.delay_veh_h for b in found] == sorted((b.delay_veh_h for b in found), reverse=True)
    for one in found:
        assert one.junction_id == net.links[one.link_id].junction_id
        assert window[0] <= one.start_s < one.end_s <= window[1]
        assert one.link_id not in one.passive_links
        assert 0 <= one.savable_veh_h <= one.delay_veh_h
        assert one.evidence
    total = report.document("summary")["delay_veh_h"]
    assert sum(b.delay_veh_h for b in found) <= total
    true = pq.read_table(day.truth / "links.parquet")["time_loss_s"].to_numpy().sum() / 3600
    assert total == pytest.approx(true, rel=0.3)


def test_junctions_have_their_indices(day: SmallDay, report: Report) -> None:
    rows = pq.read_table(report.folder / "junctions.parquet").to_pylist()
    assert [r["junction_id"] for r in rows] == sorted(day.network.junctions)
    for row in rows:
        assert 0 < row["saturation_ratio"] < 1.5
        assert 0 <= row["imbalance_ratio"] < 1
        assert 0 < row["critical_flow_ratio"] < 1
        assert row["delay_veh_h"] > 0


def test_the_same_state_gives_the_same_bytes(day: SmallDay, report: Report, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from traffic_brain.diagnosis.diagnose import diagnose;"
        "diagnose(*map(Path, sys.argv[1:]))"
    )
    command = [sys.executable, "-c", code, str(day.city), str(day.state), str(tmp_path)]
    path = os.pathsep.join([str(Path.cwd()), *sys.path])
    subprocess.run(
        command, check=True, env={**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": path}
    )
    for name in sorted(p.name for p in report.folder.iterdir()):
        assert (tmp_path / name).read_bytes() == (report.folder / name).read_bytes()


def test_a_stage_for_people_on_foot_is_no_imbalance(day: SmallDay) -> None:
    net = day.network
    state = load_state(day.state, net)
    plan = state.running_plans["B1"]
    red = "r" * plan.signal_group_count
    walk = Stage(red, 10, (Interval(2, red),))
    lost = np.zeros_like(state.speed_mps)
    before = junction_indices(net, state, lost)["B1"]
    with_walk = replace(plan, stages=(*plan.stages, walk))
    after = junction_indices(net, replace(state, running_plans={"B1": with_walk}), lost)["B1"]
    assert after.imbalance_ratio == pytest.approx(before.imbalance_ratio, abs=0.02)
    assert before.imbalance_ratio < 0.9


def test_causes(day: SmallDay, tmp_path: Path, report: Report) -> None:
    """Delay that nothing explains is told so; a starved stage is."""
    net = day.network
    head = report.bottlenecks[0].link_id
    assert report.bottlenecks[0].cause is Cause.UNKNOWN
    junction_id = net.links[head].junction_id
    assert junction_id is not None
    plan = load_state(day.state, net).running_plans[junction_id]
    groups = {g for m in net.movements.values() if m.from_link == head for g in m.signal_group_idxs}
    served = [any(s.picture[g] in "Gg" for g in groups) for s in plan.stages]
    taken = sum(s.green_s - 6 for s, own in zip(plan.stages, served, strict=True) if own)
    given = taken // served.count(False)
    starved = [  # in the cycle that it had: another one would be a fault of its own
        replace(s, green_s=6 if own else s.green_s + given)
        for s, own in zip(plan.stages, served, strict=True)
    ]

    def cause(name: str, **changes: Any) -> Bottleneck:
        out = tmp_path / name
        out.mkdir()
        state = tmp_path / f"{name} state"
        _copy_state(day, state, **changes)
        diagnose(day.city, state, out)
        return next(b for b in Report(out).bottlenecks if b.link_id == head)

    short = cause("short", plans={junction_id: replace(plan, stages=tuple(starved))})
    assert short.cause is Cause.SPLIT_IMBALANCE
    assert short.treatments == ("retime",)
    assert cause("high", demand=20.0).treatments[0] == "redesign"
    off = cause("off", plans={junction_id: None})
    assert off.cause is Cause.UNKNOWN
    assert "no fixed signal plan" in off.evidence


def _copy_state(
    day: SmallDay,
    folder: Path,
    *,
    demand: float = 1.0,
    plans: dict[str, Any] | None = None,
) -> None:
    """The day's state with demand scaled, or plans replaced (None: none)."""
    folder.mkdir()
    for path in day.state.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    state = load_state(day.state, day.network)
    running = {**state.running_plans, **(plans or {})}
    (folder / "running_plans.json").write_text(plans_to_json(p for p in running.values() if p))
    table = day.fused("movement_demand").to_pandas()
    table["demand_vph"] *= demand
    table.to_parquet(folder / "movement_demand.parquet")


def test_without_a_state_or_city_there_is_no_report(day: SmallDay, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not a state folder"):
        diagnose(day.city, tmp_path, tmp_path)
    with pytest.raises(ConfigurationError, match="is not a city folder"):
        diagnose(tmp_path, day.state, tmp_path)
    assert list(tmp_path.iterdir()) == []
