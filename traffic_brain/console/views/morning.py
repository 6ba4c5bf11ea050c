"""The morning page: the last night against the four weeks before it, and how the night went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from typing import Any

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.views.brief import Brief, Head, brief

WEEKS = 4
STALE = frozenset({"no_data", "dead", "silent", "stuck"})
"""Findings on devices that mean: nothing useful came."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of this night beside the median of the four weeks before; None: not known."""

    key: str
    value: float | None
    usual: float | None
    more_is_worse: bool = True

    @property
    def change_ratio(self) -> float | None:
        if self.value is None or not self.usual:
            return None
        return self.value / self.usual - 1.0


@dataclass(frozen=True, slots=True)
class Feed:
    """How one feed came in."""

    feed: str
    rows: int
    refused: int
    stale: int
    """Devices from which nothing useful came."""
    usual_rows: float | None

    @property
    def is_stale(self) -> bool:
        return self.rows == 0 or bool(self.usual_rows and self.rows < 0.5 * self.usual_rows)


@dataclass(frozen=True, slots=True)
class StageStatus:
    """How a stage of the night ended, by its diary."""

    stage: str
    status: str
    """``finished``, ``unchanged``, ``failed``, or ``started`` and nothing since."""
    seconds: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Morning:
    """What the morning page shows."""

    night_id: str
    service_day: str
    compared_with: int
    """How many nights of the four weeks before there are."""
    figures: tuple[Figure, ...]
    new_heads: tuple[tuple[int, Head], ...]
    """(rank, bottleneck) where none was in the four weeks before."""
    feeds: tuple[Feed, ...]
    decision: str
    reason: str
    plan_count: int


def morning(library: Library, night: NightFolder) -> Morning:
    """The morning after a complete night."""
    now = brief(library, night)
    before = earlier(library, night)
    known = {head.link_id for other in before for head in other.heads}
    return Morning(
        night_id=night.night_id,
        service_day=night.service_day,
        compared_with=len(before),
        figures=(
            _figure("delay", now.delay_veh_h, [b.delay_veh_h for b in before]),
            _figure("savable", now.savable_veh_h, [b.savable_veh_h for b in before]),
            _figure("bottlenecks", len(now.heads), [len(b.heads) for b in before]),
            _figure("congested", now.congested_ratio, [b.congested_ratio for b in before]),
            _figure("rows", now.rows_read, [b.rows_read for b in before], more_is_worse=False),
        ),
        new_heads=tuple(
            (rank, head)
            for rank, head in enumerate(now.heads, start=1)
            if before and head.link_id not in known
        ),
        feeds=tuple(_feed(name, now, before) for name in sorted(now.feeds)),
        decision=now.decision,
        reason=now.reason,
        plan_count=len(now.plan_junctions),
    )


def earlier(library: Library, night: NightFolder) -> list[Brief]:
    """Complete nights of this city whose service day lies in the four weeks before."""
    last = date.fromisoformat(night.service_day)
    first = last - timedelta(weeks=WEEKS)
    return [
        brief(library, other)
        for other in library.all()
        if other.is_complete
        and first <= date.fromisoformat(other.service_day) < last
        and other.city_name == night.city_name
    ]


def stage_status(night: NightFolder) -> list[StageStatus]:
    """The stages of the night's last run, in their order."""
    found: dict[str, StageStatus] = {}
    for event in night.events():
        name = event.get("event")
        if name == "night started":
            found.clear()
        elif isinstance(name, str) and name.startswith("stage "):
            stage = str(event.get("stage"))
            found[stage] = _stage(stage, name.removeprefix("stage "), event, night.root.parent)
    return list(found.values())


def _stage(stage: str, status: str, event: Mapping[str, Any], hidden: Path) -> StageStatus:
    seconds = event.get("seconds")
    return StageStatus(
        stage,
        status,
        float(seconds) if isinstance(seconds, int | float) else None,
        str(event.get("reason", "")).replace(str(hidden), "…"),
    )


def _figure(
    key: str, value: float | None, others: Sequence[float | None], *, more_is_worse: bool = True
) -> Figure:
    seen = [other for other in others if other is not None]
    return Figure(key, value, median(seen) if seen else None, more_is_worse)


def _feed(name: str, now: Brief, before: Sequence[Brief]) -> Feed:
    usual = [b.feeds[name]["rows_read"] for b in before if name in b.feeds]
    counted = now.feeds[name]
    return Feed(
        feed=name,
        rows=counted["rows_read"],
        refused=counted["rows_quarantined"],
        stale=sum(
            count
            for finding, count in now.health.items()
            if finding.partition("/")[0] == name and finding.partition("/")[2] in STALE
        ),
        usual_rows=median(usual) if usual else None,
    )
