"""Before and after: travel time along the corridors by hour, on nights before and after a day.

Corridors whose junctions the package changes are *treated*; all others stand beside them as
*control*: what happens to both is not the package's doing. The difference of the two changes is
the effect (difference in differences). The engine's own finding on what a package did in a
simulated city is shown as it was saved.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import fmean

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from traffic_brain.console.nights import Library, NightFolder
from traffic_brain.console.views.brief import brief
from traffic_brain.model.findings import Corridor
from traffic_brain.report.saved import Night

HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class HourRow:
    """Mean travel time of one group of corridors in one hour, before and after."""

    hour: int
    is_treated: bool
    before_s: float
    after_s: float

    @property
    def change_ratio(self) -> float:
        return self.after_s / self.before_s - 1.0


@dataclass(frozen=True, slots=True)
class WeekdayRow:
    """Mean change on the nights of one weekday (1 is Monday) against the nights before."""

    weekday: int
    nights: int
    treated_ratio: float | None
    control_ratio: float | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Nights before and after the day of a package."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    treated: tuple[str, ...]
    """Names of corridors."""
    control: tuple[str, ...]
    hours: tuple[HourRow, ...]
    weekdays: tuple[WeekdayRow, ...]


def compare(library: Library, night: NightFolder) -> Comparison | None:
    """Nights up to this one against the later ones; None: there is no later night of this city."""
    shown = library.night(night)
    others = [n for n in library.all() if n.is_complete and _same_city(n, night)]
    before = [n for n in others if n.service_day <= night.service_day]
    after = [n for n in others if n.service_day > night.service_day]
    if not before or not after or not shown.corridors:
        return None
    changed = brief(library, night).plan_junctions
    treated = [c for c in shown.corridors if changed.intersection(c.junction_ids)]
    control = [c for c in shown.corridors if not changed.intersection(c.junction_ids)]
    times = {n.night_id: _times(library, n, night, shown) for n in (*before, *after)}
    hours = [
        row
        for is_treated, group in ((True, treated), (False, control))
        for row in _hours(
            group,
            is_treated,
            [times[n.night_id] for n in before],
            [times[n.night_id] for n in after],
        )
    ]
    return Comparison(
        tuple(n.service_day for n in before),
        tuple(n.service_day for n in after),
        tuple(c.name for c in treated),
        tuple(c.name for c in control),
        tuple(sorted(hours, key=lambda r: (r.hour, not r.is_treated))),
        tuple(_weekdays(after, before, treated, control, times)),
    )


Hourly = dict[tuple[str, int], float]
"""Travel time of a corridor, both ways, by (corridor id, hour)."""


def _same_city(one: NightFolder, other: NightFolder) -> bool:
    def links(night: NightFolder) -> bytes:
        return (night.folders.city / "links.parquet").read_bytes()

    return one.night_id == other.night_id or links(one) == links(other)


def _times(library: Library, other: NightFolder, night: NightFolder, shown: Night) -> Hourly:
    """Another night's times on this night's corridors, made once."""
    mark = hash((night.night_id, night.signature()))
    found: Hourly = library.kept(
        other, f"times {mark}", lambda: _hourly(other, shown), is_small=True
    )
    return found


def _hourly(folder: NightFolder, shown: Night) -> Hourly:
    path = folder.folders.state / "link_state.parquet"
    wanted = {i for c in shown.corridors for p in (*c.out_paths, *c.back_paths) for i in p}
    table = pq.read_table(
        path,
        columns=["link_id", "bin_start_s", "travel_time_s"],
        read_dictionary=["link_id"],
        filters=pc.field("link_id").isin(sorted(wanted)),
    )
    by_link: dict[tuple[str, int], list[float]] = {}
    columns = (table[name].to_pylist() for name in table.column_names)
    for link_id, start, time_s in zip(*columns, strict=True):
        if time_s is not None and np.isfinite(time_s):
            by_link.setdefault((link_id, start // HOUR_S), []).append(time_s)
    means = {key: fmean(values) for key, values in by_link.items()}
    hours = sorted({hour for _, hour in means})
    found: Hourly = {}
    for corridor in shown.corridors:
        links = [i for p in (*corridor.out_paths, *corridor.back_paths) for i in p]
        for hour in hours:
            if all((i, hour) in means for i in links):
                found[corridor.corridor_id, hour] = sum(means[i, hour] for i in links)
    return found


def _hours(
    group: Sequence[Corridor], is_treated: bool, before: Sequence[Hourly], after: Sequence[Hourly]
) -> list[HourRow]:
    ids = {c.corridor_id for c in group}
    found = []
    for hour in sorted({hour for times in (*before, *after) for _, hour in times}):
        old, new = _mean(before, ids, [hour]), _mean(after, ids, [hour])
        if old and new:
            found.append(HourRow(hour, is_treated, old, new))
    return found


def _mean(nights: Iterable[Hourly], ids: set[str], hours: Iterable[int]) -> float | None:
    """Mean over nights of the group's travel time in these hours."""
    wanted = set(hours)
    values = [t for times in nights for (i, h), t in times.items() if i in ids and h in wanted]
    return fmean(values) if values else None


def _weekdays(
    after: Sequence[NightFolder],
    before: Sequence[NightFolder],
    treated: Sequence[Corridor],
    control: Sequence[Corridor],
    times: dict[str, Hourly],
) -> list[WeekdayRow]:
    by_day: dict[int, list[NightFolder]] = {}
    for night in after:
        by_day.setdefault(date.fromisoformat(night.service_day).isoweekday(), []).append(night)

    def ratio(group: Sequence[Corridor], nights: Sequence[NightFolder]) -> float | None:
        ids = {c.corridor_id for c in group}
        old = _mean([times[n.night_id] for n in before], ids, range(24))
        new = _mean([times[n.night_id] for n in nights], ids, range(24))
        return new / old - 1.0 if old and new else None

    return [
        WeekdayRow(day, len(nights), ratio(treated, nights), ratio(control, nights))
        for day, nights in sorted(by_day.items())
    ]
