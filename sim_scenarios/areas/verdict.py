"""The verdict on a city from those on its areas.

Areas that pass change their plans, the others keep what runs. The city's figure is that of all
areas that were simulated, those that keep their plans with no change at all: the mean delay of a
vehicle in an area, weighted by the areas' vehicles, day by day; then the median over the days. What
was not checked is in no figure, and the reason says how much of the city's delay that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim_scenarios.areas.candidates import CANDIDATES_FILE, CITY, AreaVerdict
from sim_scenarios.areas.cut import Whole
from sim_scenarios.compare import interval95, median_interval
from sim_scenarios.gate.bench import IN_SERVICE
from sim_scenarios.gate.decide import told
from sim_scenarios.gate.params import CheckParams
from sim_scenarios.gate.whole import (
    CALIBRATION_FILE,
    EVIDENCE_FILE,
    RUNS_FILE,
    TABLES,
    VERDICT_FILE,
    runs_table,
)
from traffic_brain.diagnosis.approaches import delay_veh_h
from traffic_brain.model.documents import verdict_to_dict
from traffic_brain.model.reading import read_json, to_json
from traffic_brain.model.verdict import Decision, Interval95, Verdict

AREAS = "areas"
"""In the verdict's folder: a folder for each area that was checked, with its own verdict."""
AREAS_FILE = "areas.json"
_SHEET = (
    *("observed_delay_s_per_veh", "simulated_delay_s_per_veh", "good_geh_ratio"),
    *("near_time_ratio", "time_ratio"),
)
"""Figures of a calibration sheet that have a median."""


@dataclass(frozen=True)
class _Weight:
    """An area's part of the city's figure: float64[day] delays per vehicle."""

    vehicles: float
    before_s: np.ndarray
    after_s: np.ndarray


def city_delay_veh_h(whole: Whole) -> float:
    """Lost on all links over the window, by the feeds."""
    return float(delay_veh_h(whole.network, whole.days[0].state).sum())


def write_city(
    out: Path,
    found: Sequence[AreaVerdict],
    passed: Mapping[str, Any] | None,
    delay_h: float,
    params: CheckParams,
) -> int:
    """Write the verdict on the city into ``out``; ``out / areas`` holds those on the areas.

    With ``passed``, a candidate that holds the plans of all areas that passed, ``out`` is a plans
    folder too. Returns the number of simulations.
    """
    weights = [w for one in found if (w := _weight(out, one, params)) is not None]
    verdict = _city_verdict(found, weights, delay_h, params)
    tables = {name: _joined(out, found, f"{name}.parquet") for name in TABLES}
    runs = _joined(out, found, RUNS_FILE)
    pq.write_table(_of_area(runs_table(()), "") if runs is None else runs, out / RUNS_FILE)
    _write(out / VERDICT_FILE, verdict_to_dict(verdict))
    _write(out / CALIBRATION_FILE, _calibration(out, found))
    _write(out / AREAS_FILE, _document(out, found, delay_h))
    if passed is not None:
        _write(out / CANDIDATES_FILE, {"candidates": [passed]})
    for name, table in tables.items():
        if table is not None:
            pq.write_table(table, out / f"{name}.parquet")
    return sum(one.runs for one in found)


def _weight(out: Path, one: AreaVerdict, params: CheckParams) -> _Weight | None:
    """None where nothing was simulated that tells of a whole day."""
    if not one.is_checked:
        return None
    runs = pq.read_table(_folder(out, one) / RUNS_FILE).to_pylist()
    usual = [r for r in runs if r["candidate_id"] == IN_SERVICE]
    if not usual:
        return None
    vehicles = float(np.mean([r["vehicles"] for r in usual]))
    days = params.confirm_seeds
    before = np.array(one.verdict.in_service_delay_s_per_veh[:days])
    after = np.array(one.verdict.proposed_delay_s_per_veh[:days])
    if len(before) < days:  # no candidate came to confirmation: one mean for every day
        before = np.full(days, np.mean([r["delay_s_per_veh"] for r in usual]))
    if one.verdict.decision is not Decision.DEPLOY:
        after = before
    return _Weight(vehicles, before, after)


def _city_verdict(
    found: Sequence[AreaVerdict], weights: Sequence[_Weight], delay_h: float, params: CheckParams
) -> Verdict:
    before, after = (_mean(weights, side) for side in ("before_s", "after_s"))
    ratios = [(b - a) / a if a > 0 else 0.0 for a, b in zip(before, after, strict=True)]
    ratio = median_interval(ratios, params.interval_level) if weights else None
    decisions = Counter(one.verdict.decision for one in found if one.is_checked)
    return Verdict(
        decision=_decision(found),
        reason=_reason(found, decisions, ratio, delay_h),
        candidate_id=CITY if decisions[Decision.DEPLOY] else "",
        seeds=tuple(range(1, len(before) + 1)),  # each area draws its own days: their numbers
        in_service_delay_s_per_veh=tuple(before),
        proposed_delay_s_per_veh=tuple(after),
        change_s_per_veh=interval95([b - a for a, b in zip(before, after, strict=True)]),
        change_ratio=ratio,
    )


def _mean(weights: Sequence[_Weight], side: str) -> tuple[float, ...]:
    """Per day: the mean of the areas, weighted by their vehicles."""
    if not weights:
        return ()
    days = np.array([getattr(w, side) for w in weights])
    return tuple(np.average(days, axis=0, weights=[w.vehicles for w in weights]).tolist())


def _decision(found: Sequence[AreaVerdict]) -> Decision:
    """DEPLOY as soon as one area passes; KEEP when nothing is left open."""
    decisions = {one.verdict.decision for one in found}
    for decision in (Decision.DEPLOY, Decision.INCONCLUSIVE):
        if decision in decisions:
            return decision
    return Decision.KEEP


def _reason(
    found: Sequence[AreaVerdict],
    decisions: Mapping[Decision, int],
    ratio: Interval95 | None,
    delay_h: float,
) -> str:
    if not found:
        return "no plan was proposed: nothing here can be retimed"
    checked = [one for one in found if one.is_checked]
    share = sum(one.area.delay_veh_h for one in checked) / max(delay_h, 1e-9)
    told_of = f"{len(checked)} of {len(found)} areas were checked, {share:.0%} of the city's delay"
    unfit = [one for one in found if one.is_judged and not one.is_checked]
    if unfit:
        told_of += f"; {len(unfit)} could not be: {unfit[0].verdict.reason}"
    passed = decisions.get(Decision.DEPLOY, 0)
    if not passed:
        first = f": {checked[0].verdict.reason}" if checked else ""
        return f"{told_of}; none may change its plans{first}"
    change = f"; there delay changes by {told(ratio)}" if ratio else ""
    return f"{told_of}; {passed} may change their plans{change}"


def _document(out: Path, found: Sequence[AreaVerdict], delay_h: float) -> dict[str, Any]:
    """Every area with its verdict; winners and losers."""
    areas = [_area(out, one) for one in found]
    checked = sum(one.area.delay_veh_h for one in found if one.is_checked)
    return {
        "areas": areas,
        "checked": sum(one.is_checked for one in found),
        "passed": sum(one.verdict.decision is Decision.DEPLOY for one in found),
        "delay_veh_h": round(delay_h, 3),
        "checked_delay_veh_h": round(checked, 3),
        "checked_delay_ratio": round(checked / max(delay_h, 1e-9), 4),
    }


def _area(out: Path, one: AreaVerdict) -> dict[str, Any]:
    verdict = one.verdict
    row: dict[str, Any] = {
        **asdict(one.area),
        "junction_ids": list(one.area.junction_ids),
        "ring": list(one.ring),
        "checked": one.is_checked,
        "decision": verdict.decision.value,
        "reason": verdict.reason,
        "candidate_id": verdict.candidate_id,
        "runs": one.runs,
        "in_service_delay_s_per_veh": _middle(verdict.in_service_delay_s_per_veh),
        "proposed_delay_s_per_veh": _middle(verdict.proposed_delay_s_per_veh),
        "change_ratio": None if verdict.change_ratio is None else asdict(verdict.change_ratio),
        "hurt": [],
    }
    evidence = _folder(out, one) / EVIDENCE_FILE
    if one.is_judged and evidence.is_file():
        row["hurt"] = read_json(evidence)["hurt"]
    return row


def _middle(delays: Sequence[float]) -> float | None:
    return round(float(np.median(delays)), 2) if delays else None


def _calibration(out: Path, found: Sequence[AreaVerdict]) -> dict[str, Any]:
    """The areas' sheets in one: medians, and what was not met, area by area."""
    sheets = {
        one.area.area_id: sheet
        for one in found
        if one.is_judged and (sheet := read_json(_folder(out, one) / CALIBRATION_FILE))
    }
    return {
        **{name: _median([s.get(name) for s in sheets.values()]) for name in _SHEET},
        "areas": len(sheets),
        "problems": [
            f"{area_id}: {problem}" for area_id, s in sheets.items() for problem in s["problems"]
        ],
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(float(np.median(known)), 4) if known else None


def _joined(out: Path, found: Sequence[AreaVerdict], name: str) -> pa.Table | None:
    """A table of all areas, each row with its area; None where no area has one."""
    tables = [
        _of_area(pq.read_table(path), one.area.area_id)
        for one in found
        if one.is_judged and (path := _folder(out, one) / name).is_file()
    ]
    return pa.concat_tables(tables) if tables else None


def _of_area(table: pa.Table, area_id: str) -> pa.Table:
    column = pa.array([area_id] * table.num_rows, pa.string())
    return table.append_column("area_id", column)


def _folder(out: Path, one: AreaVerdict) -> Path:
    return out / AREAS / one.area.area_id


def _write(path: Path, document: object) -> None:
    path.write_text(to_json(document), encoding="utf-8")
