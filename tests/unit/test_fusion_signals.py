"""Timings and saturation flows from pass times alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests.unit.hand_made import two_stage_plan
from tests.unit.passing_vehicles import HEADWAY_S, crossing, passes_under
from traffic_brain.fusion.signals.lanes import Lamp, passes_of_junctions
from traffic_brain.fusion.signals.stretches import timings_of_day
from traffic_brain.fusion.signals.tables import (
    FLOWS_FILE,
    SILENT,
    TIMINGS_FILE,
    UNUSED,
    found_signals,
    timing_findings,
    write_signals,
)
from traffic_brain.fusion.signals.timing import FoundTiming, find_timing
from traffic_brain.model.network import EVERY_LANE
from traffic_brain.model.signals import PlanWindow, SignalPlan

DAY = date(2026, 11, 2)
BEGIN_S, END_S = 25_200, 28_800
ON_FILE = two_stage_plan("b", greens_s=(30, 20), offset_s=17)


def found(plan: SignalPlan, seed: int = 1, per_s: float = 0.15) -> FoundTiming:
    passes = passes_under(plan, BEGIN_S, END_S, np.random.default_rng(seed), per_s)
    part = passes_of_junctions(passes, crossing(ON_FILE))["b"]
    return find_timing(part, ON_FILE, BEGIN_S, END_S)


def shifts(timing: FoundTiming, plan: SignalPlan) -> list[int]:
    """By how many seconds starts were missed, round the cycle."""
    starts = [plan.first_stage_offset_s + plan.stage_start_s(i) for i in range(len(plan.stages))]
    told = [stage.start_s for stage in timing.stages]
    assert None not in told
    half = plan.cycle_s // 2
    return [((a or 0) - b + half) % plan.cycle_s - half for a, b in zip(told, starts, strict=True)]


@pytest.mark.parametrize("greens_s", [(30, 20), (45, 18), (20, 50), (12, 11)])
@pytest.mark.parametrize("offset_s", [0, 31])
def test_a_timing_that_nobody_told_is_found(greens_s: tuple[int, int], offset_s: int) -> None:
    plan = ON_FILE.with_greens(greens_s, "other").with_offset(offset_s)
    timing = found(plan, sum(greens_s) + offset_s)
    assert timing.cycle_s == plan.cycle_s
    assert max(map(abs, shifts(timing, plan))) <= 2
    splits = zip(timing.splits_s, plan.splits_s, strict=True)
    assert all(told is not None and abs(told - true) <= 2 for told, true in splits)
    assert timing.offset_s == timing.stages[0].start_s
    for shift, stage in zip(shifts(timing, plan), timing.stages, strict=True):
        assert -stage.late_s <= shift <= stage.early_s
        assert stage.passes > 100


def test_where_nothing_can_be_known_it_says_so() -> None:
    assert found(ON_FILE, per_s=0.004).reason == "too few passes"
    rng = np.random.default_rng(3)
    anytime = np.sort(rng.uniform(BEGIN_S, END_S, 800))
    passes = pd.DataFrame({"link_id": "n-b", "lane_idx": 0, "time_s": anytime})
    network = crossing(ON_FILE)
    nothing = find_timing(passes_of_junctions(passes, network)["b"], ON_FILE, BEGIN_S, END_S)
    assert (nothing.cycle_s, nothing.splits_s, nothing.offset_s) == (None, (), None)
    assert nothing.reason
    assert (
        timings_of_day(
            passes_of_junctions(passes, crossing(None))["b"], crossing(None), 1, BEGIN_S, END_S
        )
        == ()
    )


def test_a_junction_whose_lanes_go_all_at_once_keeps_to_no_stages() -> None:
    one = passes_under(ON_FILE, BEGIN_S, END_S, np.random.default_rng(5))
    other = one.assign(link_id=one["link_id"].map({"n-b": "w-b", "w-b": "n-b"}))
    part = passes_of_junctions(pd.concat([one, other]), crossing(ON_FILE))["b"]
    timing = find_timing(part, ON_FILE, BEGIN_S, END_S)
    assert timing.cycle_s is None
    assert timing.reason == "passes keep to no fixed timing of these stages"
    assert timing.on_red_ratio > 0.05


def changing(changes: Sequence[tuple[SignalPlan, int, int]]) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    parts = [passes_under(plan, begin, end, rng) for plan, begin, end in changes]
    return pd.concat(parts, ignore_index=True)


def test_a_change_in_mid_day_is_found_with_its_time() -> None:
    other = ON_FILE.with_greens((50, 30), "other")
    passes = changing([(ON_FILE, 0, 9000), (other, 9000, 18_000)])
    network = crossing(ON_FILE)
    timings = timings_of_day(passes_of_junctions(passes, network)["b"], network, 1, 0, 18_000)
    assert [t.cycle_s for t in timings] == [60, 90]
    assert timings[0].end_s == timings[1].begin_s == pytest.approx(9000, abs=180)


def test_plan_windows_on_file_part_the_day() -> None:
    other = replace(ON_FILE.with_greens((50, 30), "other"), plan_id="other")
    plain = crossing(ON_FILE)
    junction = replace(plain.junctions["b"], other_plans=(other,))
    network = replace(
        plain,
        junctions={"b": junction},
        plan_windows=(PlanWindow("b", "other", 3600, 7200),),
    )
    passes = changing([(ON_FILE, 0, 3600), (other, 3600, 7200)])
    timings = timings_of_day(passes_of_junctions(passes, network)["b"], network, 1, 0, 7200)
    assert [(t.begin_s, t.end_s, t.cycle_s, t.plan.plan_id) for t in timings] == [
        (0, 3600, 60, ON_FILE.plan_id),
        (3600, 7200, 90, "other"),
    ]
    assert not list(timing_findings({"b": (timings, ())}))


def test_the_health_report_names_a_timing_that_is_not_on_file() -> None:
    network = crossing(ON_FILE)
    for ran, said in (
        (ON_FILE, ""),
        (ON_FILE.with_greens((40, 20), "x"), "a cycle of 70 s, the plan 1 on file has 60 s"),
        (ON_FILE.with_offset(37), "stage 0 starts 20 s later"),
    ):
        passes = passes_under(ran, BEGIN_S, END_S, np.random.default_rng(2))
        named = list(timing_findings(found_signals(passes, network, DAY, BEGIN_S, END_S)))
        assert [f.device_id for f in named] == (["b"] if said else [])
        assert all(said in f.detail and f.code == "other_timing" for f in named)


def test_saturation_flow_and_loss_of_a_queue(tmp_path: Path) -> None:
    plan = ON_FILE.with_greens((40, 40), "long").with_offset(5)
    passes = passes_under(plan, BEGIN_S, END_S, np.random.default_rng(4), per_s=0.2)
    network = crossing(ON_FILE)
    signals = found_signals(passes, network, DAY, BEGIN_S, END_S)
    write_signals(tmp_path, network, signals)
    flows = pq.read_table(tmp_path / FLOWS_FILE).to_pylist()
    assert [row["lane_idx"] for row in flows] == [0, EVERY_LANE] * 2
    for row in flows:
        assert row["status"] == "found"
        assert row["saturation_flow_vph"] == pytest.approx(3600 / HEADWAY_S, rel=0.05)
        assert row["low_vph"] < 3600 / HEADWAY_S < row["high_vph"]
        # The first leaves 0.3 s after green, stamped early; the others every two seconds.
        assert row["loss_low_s"] < 0.3 - HEADWAY_S - 1.25 < row["loss_high_s"]
        assert row["headways"] >= 100
    told = json.loads((tmp_path / TIMINGS_FILE).read_text("utf-8"))["timings"]
    assert [(t["junction_id"], t["status"], t["cycle_s"]) for t in told] == [("b", "found", 90)]
    assert [s["split_s"] for s in told[0]["stages"]] == pytest.approx([45, 45], abs=2)


def test_flows_of_lanes_without_queues_are_unknown(tmp_path: Path) -> None:
    passes = passes_under(ON_FILE, BEGIN_S, END_S, np.random.default_rng(4), per_s=0.03)
    network = crossing(ON_FILE)
    write_signals(tmp_path, network, found_signals(passes, network, DAY, BEGIN_S, END_S))
    for row in pq.read_table(tmp_path / FLOWS_FILE).to_pylist():
        assert (row["status"], row["saturation_flow_vph"]) == ("unknown", None)
        assert row["reason"]


def test_a_lane_whose_detector_saw_nobody_is_told_from_one_without_any(tmp_path: Path) -> None:
    passes = passes_under(ON_FILE, BEGIN_S, END_S, np.random.default_rng(4), per_s=0.03)
    network = crossing(ON_FILE)
    one, other = sorted(
        {(m.from_link, lane) for m in network.movements.values() for lane in m.lanes}
    )[:2]
    nobody = passes[passes["link_id"] != one[0]]
    nobody = nobody[nobody["link_id"] != other[0]]
    found = found_signals(nobody, network, DAY, BEGIN_S, END_S)
    write_signals(tmp_path, network, found, {one})
    rows = pq.read_table(tmp_path / FLOWS_FILE).to_pylist()
    said = {(row["link_id"], row["lane_idx"]): row["reason"] for row in rows}
    assert said[one] == SILENT
    assert said[other] == UNUSED


def test_lamps_of_a_lane_are_those_of_its_freest_movement() -> None:
    rng = np.random.default_rng(1)
    part = passes_of_junctions(passes_under(ON_FILE, 0, 3600, rng), crossing(ON_FILE))["b"]
    both = replace(part, groups=(frozenset({0, 1}), frozenset({1})))
    pictures = ("Gr", "GG", "gG", "yr", "rr", "sr")
    assert both.lamps(pictures)[:, 0].tolist() == [
        *(Lamp.PARTLY, Lamp.GREEN, Lamp.GREEN, Lamp.YELLOW, Lamp.RED, Lamp.OPEN),
    ]
    shown = part.clearance_lamps(ON_FILE.stages[0])[:, 0].tolist()
    assert shown == [Lamp.YELLOW, Lamp.YELLOW, Lamp.LATE_YELLOW, Lamp.RED, Lamp.RED]
