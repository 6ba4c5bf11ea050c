"""A night in brief: what a list or a comparison of many nights needs, without loading the city."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.fusion.levels import LEVELS
from traffic_brain.model.reading import read_json

CONGESTED = frozenset(LEVELS[2:])
"""Light congestion and worse."""


@dataclass(frozen=True, slots=True)
class Head:
    """A bottleneck in brief."""

    bottleneck_id: str
    link_id: str
    junction_id: str | None
    cause: str
    delay_veh_h: float
    savable_veh_h: float


@dataclass(frozen=True, slots=True)
class Brief:
    """What one complete night comes to."""

    night_id: str
    service_day: str
    heads: tuple[Head, ...]
    """In the order of diagnosis: the worst first."""
    congested_ratio: float | None
    """Share of all observed link states that are congested; None: nothing was observed."""
    rows_read: int
    feeds: Mapping[str, Mapping[str, int]]
    health: Mapping[str, int]
    """Findings by ``feed/code``."""
    decision: str
    reason: str
    plan_junctions: frozenset[str]
    change_ratio: Mapping[str, float] | None
    world: Mapping[str, Any] | None

    @property
    def delay_veh_h(self) -> float:
        return sum(head.delay_veh_h for head in self.heads)

    @property
    def savable_veh_h(self) -> float:
        return sum(head.savable_veh_h for head in self.heads)


def brief(library: Library, night: NightFolder) -> Brief:
    """A complete night in brief.

    Raises:
        DataRefused: a file is missing or damaged.
    """
    found: Brief = library.kept(night, "brief", lambda: _brief(night), is_small=True)
    return found


def _brief(night: NightFolder) -> Brief:
    folders = night.folders
    summary = read_json(folders.state / "summary.json")
    verdict = read_json(folders.verdict / "verdict.json")
    health = pq.read_table(folders.state / "health.parquet", columns=["feed", "code"]).to_pylist()
    plans = read_json(folders.package / "plans.json")["plans"]
    return Brief(
        night_id=night.night_id,
        service_day=night.service_day,
        heads=tuple(_head(row) for row in read_json(folders.diagnosis / "bottlenecks.json")),
        congested_ratio=_congested(night),
        rows_read=int(summary["rows_read"]),
        feeds=summary.get("feeds", {}),
        health=Counter(f"{row['feed']}/{row['code']}" for row in health),
        decision=verdict["decision"],
        reason=verdict["reason"],
        plan_junctions=frozenset(plan["junction_id"] for plan in plans),
        change_ratio=verdict.get("change_ratio"),
        world=read_json(night.world / "result.json") if night.world else None,
    )


def _head(row: Mapping[str, Any]) -> Head:
    return Head(**{name: row[name] for name in Head.__slots__})


def _congested(night: NightFolder) -> float | None:
    path = night.folders.state / "link_state.parquet"
    levels = pq.read_table(path, columns=["level"], read_dictionary=["level"])["level"]
    counts = pc.value_counts(levels.unify_dictionaries()).to_pylist()
    seen = {row["values"]: row["counts"] for row in counts if row["values"] in LEVELS}
    total = sum(seen.values())
    return sum(seen.get(level, 0) for level in CONGESTED) / total if total else None
