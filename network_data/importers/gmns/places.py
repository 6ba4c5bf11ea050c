"""Detectors and zones of a GMNS folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from network_data.importers.gmns.lanes import MOST_LANES, lane_range
from network_data.importers.gmns.roads import Roads
from network_data.importers.gmns.tables import Row, Tables, known_id, shown
from network_data.importers.gmns.units import Plane, Point, line_of
from network_data.loss_report import Loss
from traffic_brain.model.network import EVERY_LANE, Detector, DetectorKind, Link, Zone

_STOP_LINE_M = 15.0
_LOCATED = {kind.value: kind for kind in DetectorKind} | {
    "detector": DetectorKind.ADVANCE,
    "loop": DetectorKind.ADVANCE,
    "camera": DetectorKind.CHECKPOINT,
}
"""``location.loc_type`` of devices."""


# --- detectors ------------------------------------------------------------------------------


def detectors_of(tables: Tables, roads: Roads) -> Iterator[Detector]:
    """Detectors of ``signal_detector``, and devices of ``location``."""
    taken: set[str] = set()
    for row in tables["signal_detector"]:
        yield from _detectors(tables, roads, row, taken)
    for row in tables["location"]:
        kind = _LOCATED.get(row.word("loc_type"))
        if kind is None:
            tables.drop(row, "no device of traffic")
            continue
        link = _link_of(tables, roads, row)
        if link is not None:
            lr_m = (tables.number(row, "lr", 0, 1e7) or 0.0) * roads.units.short_m
            told = known_id(row["ref_node_id"], {link.to_node: None})
            position_m = link.length_m - lr_m if told is not None else lr_m
            lane = _exact_lane(tables, row, link)
            yield Detector(
                _unique(row["loc_id"], taken),
                link.link_id,
                EVERY_LANE if lane is None else lane,
                _exact_position(tables, row, link, position_m),
                kind,
            )


def _detectors(tables: Tables, roads: Roads, row: Row, taken: set[str]) -> Iterator[Detector]:
    """One detector per lane that a row covers; one in all for a row that covers them all."""
    link = _link_of(tables, roads, row)
    if link is None:
        return
    from_stop = tables.number(row, "det_zone_lr", -1e7, 1e7)
    if from_stop is None:
        tables.losses.note(Loss.DEFAULTED, "signal_detector.det_zone_lr: 0", row.place)
    ahead_m = abs(from_stop or 0.0) * roads.units.short_m
    kind = _kind(row, ahead_m)
    position_m = _exact_position(tables, row, link, link.length_m - ahead_m)
    lanes = _lanes(tables, roads, row, link)
    if len(lanes) > 1:
        what = "signal_detector: one over several lanes, taken apart"
        tables.losses.note(Loss.GUESSED, what, row.place)
    for lane in lanes:
        detector_id = row["detector_id"] if len(lanes) == 1 else f"{row['detector_id']}_{lane}"
        yield Detector(_unique(detector_id, taken), link.link_id, lane, position_m, kind)


def _kind(row: Row, ahead_m: float) -> DetectorKind:
    word = row.word("det_type")
    if word in tuple(DetectorKind):
        return DetectorKind(word)
    return DetectorKind.STOP_LINE if ahead_m <= _STOP_LINE_M else DetectorKind.ADVANCE


def _lanes(tables: Tables, roads: Roads, row: Row, link: Link) -> list[int]:
    exact = _exact_lane(tables, row, link)
    if exact is not None:
        return [exact]
    lanes = roads.lanes[link.link_id]
    numbers = [
        tables.whole(row, column, -MOST_LANES, MOST_LANES) for column in ("start_lane", "end_lane")
    ]
    first, last = (None if n is None else roads.reader.numbered(n) for n in numbers)
    named = lane_range(first, last, lanes.down)
    if not named:
        what = "signal_detector.start_lane: all lanes"
        tables.losses.note(Loss.GUESSED, what, row.place)
        return [EVERY_LANE]
    found = sorted(lanes.down[n] for n in named)
    return [EVERY_LANE] if len(found) == lanes.count > 1 else found


def _exact_lane(tables: Tables, row: Row, link: Link) -> int | None:
    return tables.whole(row, "opt_lane_idx", EVERY_LANE, link.lane_count - 1)


def _exact_position(tables: Tables, row: Row, link: Link, position_m: float) -> float:
    exact = tables.number(row, "opt_position_m", 0, link.length_m)
    if exact is not None:
        return exact
    if not 0 <= position_m <= link.length_m:
        what = "detector outside of its link: at its nearer end"
        tables.losses.note(Loss.GUESSED, what, row.place)
    return min(max(position_m, 0.0), link.length_m)


def _link_of(tables: Tables, roads: Roads, row: Row) -> Link | None:
    """The link of a device: of two directions, the one that leads to its node."""
    known = known_id(row["link_id"], roads.ours)
    if known is None:
        tables.drop(row, "on a link that is not there")
        return None
    found = [roads.links[link_id] for link_id in roads.ours[known]]
    node = known_id(row["ref_node_id"], roads.vertex_of)
    ending = [x for x in found if node is not None and x.to_node == roads.vertex_of[node]]
    return (ending or found)[0]


def _unique(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


# --- zones ----------------------------------------------------------------------------------


def zones_of(tables: Tables, plane: Plane) -> dict[str, Zone]:
    """Zones that have an outline."""
    found: dict[str, Zone] = {}
    for row in tables["zone"]:
        text = row["boundary"]
        outline = line_of(text, "POLYGON") if text else None
        points = [plane.at(*point) for point in outline or ()]
        if len(points) > 1 and points[0] == points[-1]:
            points.pop()
        if not row["zone_id"] or len(points) < 3:
            tables.losses.note(
                Loss.DROPPED, "zone: without an outline", f"{row.place} ({shown(text)})"
            )
            continue
        name = tables.name(row, "name")
        if not name:
            tables.losses.note(Loss.DEFAULTED, "zone.name: its id", row.place)
        latin = tables.name(row, "opt_name_latin")
        found[row["zone_id"]] = Zone(row["zone_id"], name or row["zone_id"], tuple(points), latin)
    return found


def zone_of_links(tables: Tables, roads: Roads, zones: Mapping[str, Zone]) -> dict[str, str]:
    """Link -> the zone of its middle, as our own files tell, else by the outlines."""
    if tables["link"].has("opt_zone_id"):
        told = {link_id: roads.rows[link_id]["opt_zone_id"] for link_id in roads.links}
        for zone_id in set(told.values()) - {"", *zones}:
            tables.losses.note(Loss.DROPPED, "link.opt_zone_id: no such zone", shown(zone_id))
        return {link_id: zone_id for link_id, zone_id in told.items() if zone_id in zones}
    boxes = [(zone_id, zone.shape, *_box(zone.shape)) for zone_id, zone in zones.items()]
    found: dict[str, str] = {}
    for link_id, link in roads.links.items():
        x, y = _middle(link.shape)
        for zone_id, shape, low, high in boxes:
            inside = low[0] <= x <= high[0] and low[1] <= y <= high[1]
            if inside and _is_inside(x, y, shape):
                found[link_id] = zone_id
                break
    return found


def _box(shape: Sequence[Point]) -> tuple[Point, Point]:
    xs, ys = [x for x, _ in shape], [y for _, y in shape]
    return (min(xs), min(ys)), (max(xs), max(ys))


def _middle(shape: Sequence[Point]) -> Point:
    (x0, y0), (x1, y1) = shape[(len(shape) - 1) // 2], shape[len(shape) // 2]
    return (x0 + x1) / 2, (y0 + y1) / 2


def _is_inside(x: float, y: float, shape: Sequence[Point]) -> bool:
    """Whether a ray from the point to the east crosses the outline an odd number of times."""
    crossings = 0
    for (x0, y0), (x1, y1) in pairwise([*shape, shape[0]]):
        if (y0 > y) != (y1 > y):
            crossings += x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
    return crossings % 2 == 1
