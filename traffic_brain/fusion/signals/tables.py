"""What was found of the signals, as the files of a state folder and as findings."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.layout import POLICE
from traffic_brain.fusion.signals.lanes import passes_of_junctions
from traffic_brain.fusion.signals.saturation import LaneDischarge, lane_discharges
from traffic_brain.fusion.signals.stretches import timings_of_day
from traffic_brain.fusion.signals.timing import FoundTiming
from traffic_brain.model.network import EVERY_LANE, Movement, RoadNetwork
from traffic_brain.model.reading import to_json

TIMINGS_FILE = "found_timings.json"
FLOWS_FILE = "saturation_flows.parquet"
UNUSED = "no pass under lamps of its own"
SILENT = "its detector saw nobody"
OTHER_TIMING_S = 3
"""Beyond its interval a start must be off by more, to be told from the plan on file."""
TELLING_PASSES = 50


Found = Mapping[str, tuple[tuple[FoundTiming, ...], tuple[LaneDischarge, ...]]]
"""Junction -> its timings in order of time, and what its lanes discharge."""


def found_signals(
    passes: pd.DataFrame, network: RoadNetwork, day: date, begin_s: int, end_s: int
) -> Found:
    """Timings and discharge of all junctions, in the network's order.

    Args:
        passes: link_id, lane_idx, time_s of the police feed.
    """
    found = {}
    for junction_id, part in passes_of_junctions(passes, network).items():
        timings = timings_of_day(part, network, day.isoweekday(), begin_s, end_s)
        found[junction_id] = (timings, tuple(lane_discharges(part, timings)))
    return found


def write_signals(
    out: Path, network: RoadNetwork, found: Found, silent: Collection[tuple[str, int]] = ()
) -> None:
    """Write both files into the existing folder ``out``.

    ``silent``: (link, lane) whose detector said nothing all day: it is dead, or nobody came.
    """
    timings = [_timing_row(t) for timings, _ in found.values() for t in timings]
    (out / TIMINGS_FILE).write_text(to_json({"timings": timings}), encoding="utf-8")
    rows = [
        row
        for junction_id, (_, lanes) in found.items()
        for row in _flow_rows(network.movements_at[junction_id], lanes, silent)
    ]
    pq.write_table(pa.Table.from_pylist(rows, _FLOWS), out / FLOWS_FILE)


def _timing_row(timing: FoundTiming) -> dict[str, Any]:
    """``null`` is what is not known; ``status`` and ``reason`` say so in words."""
    red = timing.on_red_ratio
    return {
        "junction_id": timing.plan.junction_id,
        "stages_of_plan": timing.plan.plan_id,
        "begin_s": timing.begin_s,
        "end_s": timing.end_s,
        "status": "unknown" if timing.cycle_s is None else "found",
        "reason": timing.reason,
        "passes": timing.passes,
        "on_red_ratio": None if math.isnan(red) else round(red, 4),
        "cycle_s": timing.cycle_s,
        "offset_s": timing.offset_s,
        "coordinated_stage_idx": timing.plan.coordinated_stage_idx,
        "stages": [
            {
                "status": "unknown" if stage.start_s is None else "found",
                "start_s": stage.start_s,
                "start_early_s": stage.early_s,
                "start_late_s": stage.late_s,
                "split_s": split_s,
                "passes": stage.passes,
            }
            for stage, split_s in zip(timing.stages, timing.splits_s, strict=True)
        ],
    }


_FLOWS = pa.schema(
    [
        ("movement_id", pa.string()),
        ("link_id", pa.string()),
        ("lane_idx", pa.int64()),
        ("saturation_flow_vph", pa.float64()),
        ("low_vph", pa.float64()),
        ("high_vph", pa.float64()),
        ("start_up_loss_s", pa.float64()),
        ("loss_low_s", pa.float64()),
        ("loss_high_s", pa.float64()),
        ("headways", pa.int64()),
        ("queues", pa.int64()),
        ("permitted", pa.bool_()),
        ("status", pa.string()),
        ("reason", pa.string()),
    ]
)


def _flow_rows(
    movements: Sequence[Movement],
    lanes: Sequence[LaneDischarge],
    silent: Collection[tuple[str, int]],
) -> Iterator[dict[str, Any]]:
    """A row for each movement on each of its lanes, then one for all of them together."""
    found = {d.lane: d for d in lanes}
    for movement in movements:
        own = [
            found.get(lane, _not_passed(lane, SILENT if lane in silent else UNUSED))
            for lane in ((movement.from_link, i) for i in movement.lanes)
        ]
        for lane in own:
            yield _flow_row(movement.movement_id, lane)
        yield _flow_row(movement.movement_id, _together(movement.from_link, own))


def _not_passed(lane: tuple[str, int], reason: str) -> LaneDischarge:
    return LaneDischarge(lane, 0, 0, False, reason=reason)


def _together(link_id: str, lanes: Sequence[LaneDischarge]) -> LaneDischarge:
    """Flows add up; errors of lanes are independent; the loss is that of the mean vehicle."""
    lane = (link_id, EVERY_LANE)
    headways, queues = sum(d.headways for d in lanes), sum(d.queues for d in lanes)
    permitted = any(d.permitted for d in lanes)
    if not lanes or any(d.reason for d in lanes):
        return LaneDischarge(lane, headways, queues, permitted, reason="not of all its lanes")
    flow = sum(d.saturation_flow_vph for d in lanes)

    def mean(name: str) -> float:
        return float(sum(d.saturation_flow_vph * getattr(d, name) for d in lanes) / flow)

    def side(name: str) -> float:
        return math.hypot(*(getattr(d, name) - d.saturation_flow_vph for d in lanes))

    return LaneDischarge(
        lane,
        headways,
        queues,
        permitted,
        flow,
        flow - side("low_vph"),
        flow + side("high_vph"),
        mean("start_up_loss_s"),
        mean("loss_low_s"),
        mean("loss_high_s"),
    )


def _flow_row(movement_id: str, found: LaneDischarge) -> dict[str, Any]:
    def value(number: float, digits: int) -> float | None:
        return None if math.isnan(number) else round(number, digits)

    return {
        "movement_id": movement_id,
        "link_id": found.lane[0],
        "lane_idx": found.lane[1],
        "saturation_flow_vph": value(found.saturation_flow_vph, 1),
        "low_vph": value(found.low_vph, 1),
        "high_vph": value(found.high_vph, 1),
        "start_up_loss_s": value(found.start_up_loss_s, 2),
        "loss_low_s": value(found.loss_low_s, 2),
        "loss_high_s": value(found.loss_high_s, 2),
        "headways": found.headways,
        "queues": found.queues,
        "permitted": found.permitted,
        "status": "unknown" if found.reason else "found",
        "reason": found.reason,
    }


def timing_findings(found: Found) -> Iterator[Finding]:
    """Junctions whose passes show another timing than the plan on file."""
    for junction_id, (timings, _) in found.items():
        for timing in timings:
            said = _difference(timing)
            if said:
                detail = f"{timing.begin_s}-{timing.end_s} s of the day: {said}"
                yield Finding(POLICE, "other_timing", junction_id, (junction_id,), detail)


def _difference(timing: FoundTiming) -> str:
    plan, cycle_s = timing.plan, timing.cycle_s
    if cycle_s is None:
        return ""
    on_file = f"plan {plan.plan_id} on file"
    if cycle_s != plan.cycle_s:
        return f"passes show a cycle of {cycle_s} s, the {on_file} has {plan.cycle_s} s"
    late = []
    for idx, stage in enumerate(timing.stages):
        if stage.start_s is None or stage.passes < TELLING_PASSES:
            continue
        wanted = plan.first_stage_offset_s + plan.stage_start_s(idx)
        late_s = (stage.start_s - wanted + cycle_s // 2) % cycle_s - cycle_s // 2
        if not -stage.late_s - OTHER_TIMING_S <= late_s <= stage.early_s + OTHER_TIMING_S:
            late.append(
                f"stage {idx} starts {abs(late_s)} s {'later' if late_s > 0 else 'earlier'}"
            )
    return f"passes show that {', '.join(late)} than in the {on_file}" if late else ""
