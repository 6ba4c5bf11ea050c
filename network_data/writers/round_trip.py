"""What of a road network changed on its way through a file: attribute by attribute."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import Any

from traffic_brain.model.network import Connection, RoadNetwork

TOLERANCE = 1e-6
"""Numbers that differ by no more are the same: they were written with so many digits."""

Change = tuple[str, str]
"""(attribute, place): ``("Link.length_m", "a_b")``; ``("Link", "a_b")`` where all of it is lost."""


def changes(before: RoadNetwork, after: RoadNetwork) -> Iterator[Change]:
    """Every attribute of ``before`` that ``after`` does not have alike, and what is new in it.

    Objects are matched by their ids, connections and crossings as a whole; order, the network's
    name and its sources do not count.
    """
    yield from _objects("Link", before.links, after.links)
    yield from _connections(before.connections, after.connections)
    yield from _objects("Movement", before.movements, after.movements)
    yield from _objects("Junction", before.junctions, after.junctions)
    yield from _objects("Detector", _by_id(before.detectors), _by_id(after.detectors))
    yield from _objects("Zone", before.zones, after.zones)
    yield from _bag("Crossing", before.crossings, after.crossings)
    yield from _bag("PlanWindow", before.plan_windows, after.plan_windows)
    for junction_id in sorted(before.intergreens_s.keys() | after.intergreens_s.keys()):
        had = before.intergreens_s.get(junction_id, {})
        if dict(had) != dict(after.intergreens_s.get(junction_id, {})):
            yield "RoadNetwork.intergreens_s", junction_id


def _by_id(detectors: Iterable[Any]) -> dict[str, Any]:
    return {detector.detector_id: detector for detector in detectors}


def _objects(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    for key in sorted(before.keys() | after.keys()):
        if key in before and key in after:
            yield from _attributes(kind, key, before[key], after[key])
        else:
            yield kind if key in before else f"{kind} that was not there", key


def _attributes(kind: str, key: str, before: Any, after: Any) -> Iterator[Change]:
    for attribute in fields(before):
        had, has = getattr(before, attribute.name), getattr(after, attribute.name)
        if attribute.name == "plan_in_service" and had is not None and has is not None:
            yield from _attributes("SignalPlan", key, had, has)
        elif attribute.name == "stages" and _same(
            [s.picture for s in had], [s.picture for s in has]
        ):
            for idx, (old, new) in enumerate(zip(had, has, strict=True)):
                yield from _attributes("Stage", f"{key} stage {idx}", old, new)
        elif not _same(had, has):
            yield f"{kind}.{attribute.name}", key


def _same(had: Any, has: Any) -> bool:
    if isinstance(had, float) or isinstance(has, float):
        return math.isclose(had, has, rel_tol=0.0, abs_tol=TOLERANCE)
    if isinstance(had, tuple | list) and isinstance(has, tuple | list):
        return len(had) == len(has) and all(map(_same, had, has))
    return bool(had == has)


def _connections(before: Iterable[Connection], after: Iterable[Connection]) -> Iterator[Change]:
    """Connections by their two links: lost, new, or other lanes, turns and lamps."""
    old: dict[tuple[str, str], set[Connection]] = defaultdict(set)
    new: dict[tuple[str, str], set[Connection]] = defaultdict(set)
    for found, connections in ((old, before), (new, after)):
        for c in connections:
            found[c.from_link, c.to_link].add(c)
    for pair in sorted(old.keys() | new.keys()):
        place = f"{pair[0]}>{pair[1]}"
        if not new[pair]:
            yield "Connection", place
        elif not old[pair]:
            yield "Connection that was not there", place
        else:
            for name in ("turn", "junction_id", "signal_group_idx"):
                if {getattr(c, name) for c in old[pair]} != {getattr(c, name) for c in new[pair]}:
                    yield f"Connection.{name}", place
            if {_lanes(c) for c in old[pair]} != {_lanes(c) for c in new[pair]}:
                yield "Connection lanes", place


def _lanes(c: Connection) -> tuple[int, int]:
    return c.from_lane_idx, c.to_lane_idx


def _bag(kind: str, before: Iterable[Any], after: Iterable[Any]) -> Iterator[Change]:
    had, has = set(before), set(after)
    for one in sorted(had ^ has, key=repr):
        yield kind if one in had else f"{kind} that was not there", one.junction_id
