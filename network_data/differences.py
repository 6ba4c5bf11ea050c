"""What differs between two road networks, attribute by attribute, by the tables' declarations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from network_data import schema
from network_data.schema import Kind, Table
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan, Stage

_ONE_BY_ONE = (*schema.PARQUET_TABLES, schema.JUNCTIONS, schema.PLANS)
_PLANS = (Kind.PLAN, Kind.PLANS)
_ROW = "row"


def differences(
    a: RoadNetwork, b: RoadNetwork, *, tolerance: float = 0.0
) -> Iterator[tuple[str, str]]:
    """(attribute, place) of all that is not the same; places are those of ``network check``.

    An attribute is ``table.name``; ``table.row`` is a row that only one of the networks has. The
    order of rows does not count, that of plans and stages does. Numbers that are no whole numbers
    may differ by ``tolerance``, in their own unit.
    """
    if a.name != b.name:
        yield "city.name", "city"
    if dict(a.sources) != dict(b.sources):
        yield "city.sources", "city"
    for table in _ONE_BY_ONE:
        yield from _of_table(table, a, b, tolerance)
    yield from _in_service(a, b)
    yield from _intergreens(a, b)


def _of_table(
    table: Table, a: RoadNetwork, b: RoadNetwork, tolerance: float
) -> Iterator[tuple[str, str]]:
    rows_a, rows_b = _by_key(table, a), _by_key(table, b)
    for key in rows_a | rows_b:
        listed = rows_a.get(key, []), rows_b.get(key, [])
        for (place, one), (_, other) in zip(*listed, strict=False):
            for name in _differing(table, one, other, tolerance):
                yield f"{table.name}.{name}", place
        longer = max(listed, key=len)
        for place, _ in longer[min(map(len, listed)) :]:
            yield f"{table.name}.{_ROW}", place


def _by_key(table: Table, network: RoadNetwork) -> dict[Any, list[tuple[str, Any]]]:
    """Rows by their key; those of the same key in an order of their own."""
    found: dict[Any, list[tuple[str, Any]]] = defaultdict(list)
    for place, row in table.rows(network):
        found[tuple(getattr(row, name) for name in table.key)].append((place, row))
    for rows in found.values():
        if len(rows) > 1:
            rows.sort(key=lambda item: repr(item[1]))
    return found


def _differing(table: Table, one: Any, other: Any, tolerance: float) -> Iterator[str]:
    for attribute in table.attributes:
        if attribute.kind in _PLANS:
            continue  # plans are rows of a table of their own
        here, there = getattr(one, attribute.name), getattr(other, attribute.name)
        if attribute.kind is Kind.STAGES:
            yield from _of_stages(one, other)
        elif not _same(here, there, tolerance):
            yield attribute.name


def _same(here: Any, there: Any, tolerance: float) -> bool:
    if isinstance(here, float) and isinstance(there, float):
        return math.isclose(here, there, rel_tol=0.0, abs_tol=tolerance)
    if isinstance(here, tuple) and isinstance(there, tuple):
        return len(here) == len(there) and all(
            _same(one, other, tolerance) for one, other in zip(here, there, strict=True)
        )
    return bool(here == there)


def _of_stages(one: SignalPlan, other: SignalPlan) -> Iterator[str]:
    if len(one.stages) != len(other.stages):
        yield "stages"
        return
    found: dict[str, None] = {}
    for a, b in zip(one.stages, other.stages, strict=True):
        found |= dict.fromkeys(_of_stage(a, b))
    yield from found


def _of_stage(a: Stage, b: Stage) -> Iterator[str]:
    for attribute in schema.STAGES.attributes:
        if getattr(a, attribute.name) != getattr(b, attribute.name):
            yield f"stages.{attribute.name}"


def _in_service(a: RoadNetwork, b: RoadNetwork) -> Iterator[tuple[str, str]]:
    """Which plan is in service, and the order of the others."""
    for junction_id in a.junctions.keys() & b.junctions.keys():
        one, other = a.junctions[junction_id], b.junctions[junction_id]
        place = f"junction {junction_id}"
        plans = [j.plan_in_service for j in (one, other)]
        names = [None if plan is None else plan.plan_id for plan in plans]
        if names[0] != names[1]:
            yield "junctions.plan_in_service", place
        elif [p.plan_id for p in one.other_plans] != [p.plan_id for p in other.other_plans]:
            yield "junctions.other_plans", place


def _intergreens(a: RoadNetwork, b: RoadNetwork) -> Iterator[tuple[str, str]]:
    for junction_id in a.intergreens_s.keys() | b.intergreens_s.keys():
        here, there = (network.intergreens_s.get(junction_id) for network in (a, b))
        if (None if here is None else dict(here)) != (None if there is None else dict(there)):
            yield "intergreens.intergreen_s", f"junction {junction_id}"
