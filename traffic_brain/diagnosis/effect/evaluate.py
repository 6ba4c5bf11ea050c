"""效果评估: what a change of plans did, beside junctions that were left as they were.

Treated are the junctions whose plans changed; their neighbours, which the change may reach, are in
neither group. Controls are matched on the days before: mean delay, vehicles, and at what time of
day the delay is lost. The figures of a change are percent, seconds per vehicle and vehicle-hours a
day, each with its interval of 95 % (`inference`); where the interval holds zero, no effect
is shown.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from traffic_brain.diagnosis.effect.change import Change, Comparison, holm
from traffic_brain.diagnosis.effect.corridors import CorridorChange, corridor_changes
from traffic_brain.diagnosis.effect.days import Day, same_timing
from traffic_brain.diagnosis.effect.units import junction_units, odd_bins, usable_days
from traffic_brain.errors import DataRefused
from traffic_brain.fusion.day_types import Calendar, DayType
from traffic_brain.model.documents import corridor_from_dict, plans_from_dict
from traffic_brain.model.findings import Corridor
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import as_list, read_document, read_json
from traffic_brain.model.signals import SignalPlan


@dataclass(frozen=True, slots=True)
class Effect:
    """Before and after, all treated junctions together and each alone."""

    days_before: tuple[str, ...]
    days_after: tuple[str, ...]
    kinds: Mapping[str, DayType]
    days_left_out: Mapping[str, str]
    """Day -> why."""
    bins_left_out: Mapping[str, int]
    """Why -> bins of treated junctions, over the days; they are left out on every day."""
    neighbours: tuple[str, ...]
    """Beside the treated junctions, in neither group."""
    warnings: tuple[str, ...]
    together: Change
    each: tuple[Change, ...]
    corridors: tuple[CorridorChange, ...] = ()


def evaluate(
    network: RoadNetwork,
    before: Sequence[Day],
    after: Sequence[Day],
    *,
    treated: Iterable[str] = (),
    calendar: Calendar | None = None,
    corridors: Iterable[Corridor] = (),
) -> Effect:
    """Compare the days after with those before.

    Args:
        treated: junctions; none: those whose plans differ between the two sides.
        calendar: kinds of days; others are working or free by their weekday.
        corridors: those that hold a treated junction are told from end to end.

    Raises:
        DataRefused: no junction changed, or one is unknown; the sides share a day; no day of a
            side can be used.
    """
    changed = changed_junctions(before, after)
    chosen = tuple(sorted(set(treated))) or changed
    _refuse(network, before, after, chosen)
    left_out = _days_left_out(before, after, chosen)
    sides = [[d for d in side if d.service_day not in left_out] for side in (before, after)]
    if not all(sides):
        raise DataRefused(
            "no usable day is left on one side",
            "give more days",
            [f"{day}: {why}" for day, why in sorted(left_out.items())],
        )
    days = [*sides[0], *sides[1]]
    units = junction_units(network, days)
    known = calendar or Calendar()
    kinds = {d.service_day: known.type_of(date.fromisoformat(d.service_day)) for d in days}
    order = list(dict.fromkeys(kinds.values()))
    number = {name: i for i, name in enumerate(units.names)}
    members = sorted(number[j] for j in chosen if j in number)
    comparison = Comparison(
        units,
        is_after=np.repeat([False, True], [len(side) for side in sides]),
        stratum=np.array([order.index(kinds[d.service_day]) for d in days]),
        treated=frozenset(members),
        changed=frozenset(number[j] for j in changed if j in number),
    )
    return Effect(
        days_before=tuple(d.service_day for d in sides[0]),
        days_after=tuple(d.service_day for d in sides[1]),
        kinds=kinds,
        days_left_out=left_out,
        bins_left_out=odd_bins(days, chosen),
        neighbours=tuple(units.names[i] for i in sorted(comparison.reached)),
        warnings=_warnings(comparison, units.names),
        together=comparison.change("all", members),
        each=holm([comparison.change(units.names[i], [i]) for i in members]),
        corridors=corridor_changes(network, days, comparison, corridors),
    )


def changed_junctions(before: Sequence[Day], after: Sequence[Day]) -> tuple[str, ...]:
    """Junctions whose usual plan of the days after is not that of the days before."""
    names = sorted({j for day in (*before, *after) for j in day.plans})
    return tuple(j for j in names if not same_timing(_usual(before, j), _usual(after, j)))


def package_junctions(package: Path) -> tuple[str, ...]:
    """Junctions whose plans a package changes.

    Raises:
        DataRefused: it holds no plans to load, or none to go back to.
    """
    new, old = (
        {p.junction_id: p for p in plans_from_dict(read_json(package / name), str(package / name))}
        for name in ("plans.json", "rollback.json")
    )
    return tuple(sorted(j for j in new if not same_timing(new[j], old.get(j))))


def read_corridors(report: Path) -> tuple[Corridor, ...]:
    """The corridors of a diagnosis folder.

    Raises:
        DataRefused: they cannot be read.
    """
    path = report / "corridors.json"
    rows = read_document(read_json(path), str(path), as_list)
    return tuple(corridor_from_dict(row) for row in rows)


def _usual(days: Sequence[Day], junction_id: str) -> SignalPlan | None:
    """The timing that ran on most of the days, the earlier one where two are level."""
    plans = [day.plans.get(junction_id) for day in days]
    return max(plans, key=lambda p: sum(same_timing(p, q) for q in plans), default=None)


def _refuse(
    network: RoadNetwork, before: Sequence[Day], after: Sequence[Day], chosen: Sequence[str]
) -> None:
    problems = [f"junction {j} is not in this city" for j in chosen if j not in network.junctions]
    both = {d.service_day for d in before} & {d.service_day for d in after}
    problems += [f"{day} is before and after" for day in sorted(both)]
    if not chosen:
        problems.append("no junction ran another plan after than before; name some")
    if problems:
        raise DataRefused(
            "there is nothing to compare", "see traffic-brain effect --help", problems
        )


def _days_left_out(
    before: Sequence[Day], after: Sequence[Day], chosen: Collection[str]
) -> dict[str, str]:
    """Days on which a treated junction ran neither side's plan, or that are mostly dark."""
    left_out = {}
    for side in (before, after):
        usual = {j: _usual(side, j) for j in chosen}
        for day in side:
            others = [j for j in chosen if not same_timing(day.plans.get(j), usual[j])]
            if others:
                left_out[day.service_day] = f"another plan ran at {', '.join(sorted(others))}"
    days = [*before, *after]
    for day, is_usable in zip(days, usable_days(days, chosen), strict=True):
        if not is_usable:
            left_out.setdefault(day.service_day, "run by hand, or not seen, for most of the time")
    return left_out


def _warnings(comparison: Comparison, names: Sequence[str]) -> tuple[str, ...]:
    found = []
    close = sorted(set(comparison.pool) & comparison.reached)
    if close:
        found.append(
            "neighbours had to serve as controls, which the change may have reached: "
            + ", ".join(names[i] for i in close)
        )
    more = sorted(comparison.changed - comparison.treated)
    if more:
        listed = ", ".join(names[i] for i in more)
        found.append(f"other junctions changed, too, and are no controls: {listed}")
    return tuple(found)
