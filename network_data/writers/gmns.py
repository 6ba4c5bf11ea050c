"""A road network as a GMNS folder (General Modeling Network Specification 0.96).

Everything that GMNS can say stands in its own tables: a plan is one ring with a phase per stage,
once for each window in which it runs; the end of a phase's clearance is the start of the next
stage. What GMNS has no column for (lamp pictures, conflicts, required intergreens, exact speeds)
stands in columns and tables whose names begin with ``opt_``, as the specification's own examples
call user-defined fields. The importer reads them, other programs pass them by.
"""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from network_data.differences import differences
from network_data.importers.gmns import read_network, read_plain
from network_data.importers.gmns.lanes import OTHER_USE
from network_data.importers.gmns.signals import PROTECTION_OF
from network_data.loss_report import Loss, LossReport
from traffic_brain.errors import DataRefused
from traffic_brain.model.network import (
    EVERY_LANE,
    NO_SIGNAL,
    Connection,
    Detector,
    DetectorKind,
    Junction,
    Link,
    Movement,
    RoadNetwork,
    Turn,
)
from traffic_brain.model.signals import EVERY_DAY, GREENS, PlanWindow, SignalPlan

VERSION = "0.96"
NOT_READ_BACK = "not in the folder as it was"
"""Loss of what the importer reads otherwise, or not at all."""
ONLY_CARRIED = "only in opt_ columns and tables, which other programs pass by"
"""Loss of what other programs read otherwise, or not at all."""
_LOCAL_CRS = 'LOCAL_CS["local plane",UNIT["metre",1]]'
_CAR, _WALK = "auto", "walk"
_TYPES: Mapping[Turn, str] = {
    Turn.LEFT: "left",
    Turn.THROUGH: "thru",
    Turn.RIGHT: "right",
    Turn.UTURN: "uturn",
}
_ALWAYS = "11111111_0000_2400"

Cell = str | int | float | None
Point = tuple[float, float]


def write_gmns(network: RoadNetwork, folder: Path, losses: LossReport) -> None:
    """Write a network into an existing folder.

    The folder is read back twice, with and without what begins with ``opt_``; every attribute
    that then differs goes to ``losses`` with its places, as `NOT_READ_BACK` or `ONLY_CARRIED`.

    Raises:
        DataRefused: the network cannot be written, or not be read back at all.
    """
    tables = _Tables(network)
    for name, columns in COLUMNS.items():
        _write(folder / f"{name}.csv", columns, getattr(tables, name)())
    _note(network, folder, losses)


def _note(network: RoadNetwork, folder: Path, losses: LossReport) -> None:
    """Note what differs when the folder is read back, with and without ``opt_``."""
    told: set[tuple[str, str]] = set()
    for read, why in ((read_network, NOT_READ_BACK), (read_plain, ONLY_CARRIED)):
        try:
            back = read(folder, LossReport())
        except DataRefused as error:
            raise DataRefused(
                f"{network.name} cannot be written as GMNS",
                "mend what traffic-brain network check tells",
                error.problems or (error.what,),
            ) from error
        if read is read_plain:
            back = with_own_plan_ids(back)
            for plan in (plan for j in network.junctions.values() for plan in j.plans):
                place = f"junction {plan.junction_id}, plan {plan.plan_id}"
                losses.note(Loss.DROPPED, f"plans.plan_id: {ONLY_CARRIED}", place)
        for name, place in differences(network, back):
            if (name, place) not in told:
                told.add((name, place))
                losses.note(Loss.DROPPED, f"{name}: {why}", place)


def with_own_plan_ids(network: RoadNetwork) -> RoadNetwork:
    """The network with plans called as at their junction: GMNS names a plan once in a city.

    Takes ``junction:plan`` apart again, as other programs would have to.
    """

    def own(junction_id: str, plan_id: str) -> str:
        return plan_id.removeprefix(f"{junction_id}:")

    def of(plan: SignalPlan) -> SignalPlan:
        return replace(plan, plan_id=own(plan.junction_id, plan.plan_id))

    junctions = {
        junction_id: replace(
            j,
            plan_in_service=of(j.plan_in_service) if j.plan_in_service else None,
            other_plans=tuple(of(plan) for plan in j.other_plans),
        )
        for junction_id, j in network.junctions.items()
    }
    windows = tuple(replace(w, plan_id=own(w.junction_id, w.plan_id)) for w in network.plan_windows)
    return replace(network, junctions=junctions, plan_windows=windows)


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Cell]]) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            for row in rows:
                writer.writerow([_text(row.get(column)) for column in columns])
    except (UnicodeEncodeError, csv.Error) as error:
        raise DataRefused(f"{path.name} cannot be written: {error}", "rename these") from error


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    return repr(cell) if isinstance(cell, float) else str(cell)


COLUMNS: Mapping[str, tuple[str, ...]] = {
    "config": (
        *("dataset_name", "short_length", "long_length", "speed", "crs"),
        *("geometry_field_format", "version_number", "id_type"),
    ),
    "use_definition": ("use", "persons_per_vehicle", "pce", "description"),
    "node": (
        *("node_id", "name", "x_coord", "y_coord", "node_type", "ctrl_type", "zone_id"),
        "opt_controller_id",
    ),
    "link": (
        *("link_id", "name", "from_node_id", "to_node_id", "directed", "geometry", "dir_flag"),
        *("length", "facility_type", "free_speed", "lanes", "allowed_uses", "opt_length_m"),
        *("opt_free_flow_speed_mps", "opt_name_latin", "opt_zone_id", "opt_controller_id"),
        "opt_signal_group",
    ),
    "lane": ("lane_id", "link_id", "lane_num", "allowed_uses"),
    "movement": (
        *("mvmt_id", "node_id", "ib_link_id", "start_ib_lane", "end_ib_lane", "ob_link_id"),
        *("start_ob_lane", "end_ob_lane", "type", "capacity", "ctrl_type", "opt_controller_id"),
        *("opt_signal_group", "opt_movement_id", "opt_saturation_flow_vph"),
        "opt_saturation_flow_source",
    ),
    "zone": ("zone_id", "name", "boundary", "opt_name_latin"),
    "location": (
        *("loc_id", "link_id", "ref_node_id", "lr", "loc_type", "opt_position_m"),
        "opt_lane_idx",
    ),
    "signal_controller": (
        *("controller_id", "opt_name", "opt_name_latin", "opt_zone_id", "opt_x", "opt_y"),
        *("opt_node_ids", "opt_signal_group_count", "opt_control", "opt_problems"),
        *("opt_plan_in_service", "opt_intergreens"),
    ),
    "signal_timing_plan": (
        *("timing_plan_id", "controller_id", "timeday_id", "time_day", "cycle_length"),
        *("opt_plan_id", "opt_begin_s", "opt_end_s"),
    ),
    "signal_coordination": (
        *("coordination_id", "timing_plan_id", "controller_id", "coord_contr_id"),
        *("coord_phase", "coord_ref_to", "offset"),
    ),
    "signal_timing_phase": (
        *("timing_phase_id", "timing_plan_id", "signal_phase_num", "min_green", "max_green"),
        *("clearance", "ring", "barrier", "position"),
    ),
    "signal_phase_mvmt": (
        *("signal_phase_mvmt_id", "timing_phase_id", "mvmt_id", "link_id", "protection"),
    ),
    "signal_detector": (
        *("detector_id", "controller_id", "signal_phase_num", "link_id", "start_lane"),
        *("end_lane", "ref_node_id", "det_zone_lr", "det_type", "opt_position_m"),
        "opt_lane_idx",
    ),
    "opt_signal_stage": (
        *("timing_plan_id", "stage_idx", "duration_s", "picture", "min_green_s", "max_green_s"),
    ),
    "opt_signal_rule": ("controller_id", "signal_group", "conflicts", "yields", "intergreens"),
    "opt_give_way": ("ib_link_id", "ob_link_id", "first_ib_link_id", "first_ob_link_id"),
}
"""Tables that are written, with their columns; those of GMNS first."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A plan in one of its windows: a row of ``signal_timing_plan``."""

    timing_plan_id: str
    plan: SignalPlan
    window: PlanWindow | None
    time_day: str
    is_first: bool


@dataclass
class _Unique:
    """Ids that are told apart."""

    taken: set[str] = field(default_factory=set)

    def of(self, name: str) -> str:
        plain, i = name, 1
        while name in self.taken:
            i += 1
            name = f"{plain}#{i}"
        self.taken.add(name)
        return name


@dataclass
class _Tables:
    """The rows of every table; a method for each."""

    network: RoadNetwork

    # --- what several tables need ---

    @cached_property
    def node_places(self) -> dict[str, Point]:
        """Where each vertex is: its signal's place, or in the middle of the link ends there."""
        ends: dict[str, list[Point]] = defaultdict(list)
        for link in self.network.links.values():
            for node, points in ((link.from_node, link.shape[:1]), (link.to_node, link.shape[-1:])):
                ends[node].extend(points)
        found = {node: _middle(points) for node, points in ends.items()}
        for junction in self.network.junctions.values():
            for node in junction.node_ids:
                if node not in found or len(junction.node_ids) == 1:
                    found[node] = (junction.x, junction.y)
        return found

    @cached_property
    def owner(self) -> dict[str, Junction]:
        """The signal of each vertex: the first that names it."""
        found: dict[str, Junction] = {}
        for junction in self.network.junctions.values():
            for node in junction.node_ids:
                found.setdefault(node, junction)
        return found

    @cached_property
    def movement_of(self) -> dict[tuple[str | None, str, str, int], Movement]:
        """(junction, from link, to link, lane) -> movement."""
        return {
            (m.junction_id, m.from_link, m.to_link, lane): m
            for m in self.network.movements.values()
            for lane in m.lanes
        }

    @cached_property
    def ways(self) -> list[tuple[str, Connection, Movement | None]]:
        """Every connection with its id as a movement of GMNS, and our movement that it is of.

        The first way of a movement bears the movement's own id.
        """
        unique = _Unique()
        return [
            (unique.of(movement.movement_id if movement else _way_id(c)), c, movement)
            for c in self.network.connections
            for movement in (self._movement(c),)
        ]

    def _movement(self, c: Connection) -> Movement | None:
        return self.movement_of.get((c.junction_id, c.from_link, c.to_link, c.from_lane_idx))

    @cached_property
    def crosswalks(self) -> list[tuple[str, str, int, float]]:
        """(link id, junction, group, length) of every crossing."""
        unique = _Unique(set(self.network.links))
        return [
            (
                unique.of(f"{c.junction_id}_crossing_{c.signal_group_idx}"),
                c.junction_id,
                c.signal_group_idx,
                c.length_m,
            )
            for c in self.network.crossings
        ]

    @cached_property
    def copies(self) -> list[_Copy]:
        """Every plan, once for each window in which it runs; the one in service first."""
        unique = _Unique()
        found = []
        for junction in self.network.junctions.values():
            windows = self.network.windows_at[junction.junction_id]
            for plan in junction.plans:
                listed: list[PlanWindow | None] = [w for w in windows if w.plan_id == plan.plan_id]
                for i, window in enumerate(listed or [None]):
                    name = unique.of(f"{junction.junction_id}:{plan.plan_id}")
                    always = plan is junction.plan_in_service and not windows
                    time_day = _time_day(window) if window else _ALWAYS if always else ""
                    found.append(_Copy(name, plan, window, time_day, is_first=i == 0))
        return found

    # --- roads ---

    def config(self) -> Iterator[Mapping[str, Cell]]:
        yield {
            "dataset_name": self.network.name,
            "short_length": "meter",
            "long_length": "meter",
            "speed": "km/h",
            "crs": _LOCAL_CRS,
            "geometry_field_format": "wkt",
            "version_number": VERSION,
            "id_type": "string",
        }

    def use_definition(self) -> Iterator[Mapping[str, Cell]]:
        uses = (
            (_CAR, 1, "cars"),
            (_WALK, 0, "people on foot"),
            (OTHER_USE, 1, "closed to cars: buses, bicycles, rails or people on foot"),
        )
        for use, pce, description in uses:
            yield {
                "use": use,
                "persons_per_vehicle": 1,
                "pce": pce,
                "description": description,
            }

    def node(self) -> Iterator[Mapping[str, Cell]]:
        for node, (x, y) in self.node_places.items():
            junction = self.owner.get(node)
            row: dict[str, Cell] = {"node_id": node, "x_coord": x, "y_coord": y}
            if junction is not None:
                row |= {
                    "name": junction.name,
                    "node_type": "intersection",
                    "ctrl_type": "signal",
                    "zone_id": junction.zone_id,
                    "opt_controller_id": junction.junction_id,
                }
            yield row

    def link(self) -> Iterator[Mapping[str, Cell]]:
        for link in self.network.links.values():
            yield {
                "link_id": link.link_id,
                "name": link.name,
                "from_node_id": link.from_node,
                "to_node_id": link.to_node,
                "directed": 1,
                "geometry": _wkt("LINESTRING ", link.shape),
                "dir_flag": 1,
                "length": link.length_m,
                "facility_type": link.road_class,
                "free_speed": round(link.free_flow_speed_mps * 3.6, 6),
                "lanes": len(link.car_lanes),
                "allowed_uses": _CAR if link.car_lanes else OTHER_USE,
                "opt_length_m": link.length_m,
                "opt_free_flow_speed_mps": link.free_flow_speed_mps,
                "opt_name_latin": link.name_latin,
                "opt_zone_id": link.zone_id,
            }
        for link_id, junction_id, group, length_m in self.crosswalks:
            nodes = self.network.junctions[junction_id].node_ids or ("",)
            yield {
                "link_id": link_id,
                "from_node_id": nodes[0],
                "to_node_id": nodes[0],
                "directed": 0,
                "length": length_m,
                "facility_type": "crosswalk",
                "lanes": 0,
                "allowed_uses": _WALK,
                "opt_length_m": length_m,
                "opt_controller_id": junction_id,
                "opt_signal_group": group,
            }

    def lane(self) -> Iterator[Mapping[str, Cell]]:
        for link in self.network.links.values():
            for lane in reversed(range(link.lane_count)):
                number = _number(link, lane)
                yield {
                    "lane_id": f"{link.link_id}_{number}",
                    "link_id": link.link_id,
                    "lane_num": number,
                    "allowed_uses": _CAR if lane in link.car_lanes else OTHER_USE,
                }

    def movement(self) -> Iterator[Mapping[str, Cell]]:
        links = self.network.links
        rows = Counter(m.movement_id for _, _, m in self.ways if m is not None)
        for mvmt_id, c, movement in self.ways:
            ib, ob = links[c.from_link], links[c.to_link]
            told: dict[str, Cell] = {}
            if movement is not None:
                flow_vph = movement.saturation_flow_vph
                told = {
                    "capacity": flow_vph / rows[movement.movement_id],
                    "opt_movement_id": movement.movement_id,
                    "opt_saturation_flow_vph": flow_vph,
                    "opt_saturation_flow_source": movement.saturation_flow_source,
                }
            yield told | {
                "mvmt_id": mvmt_id,
                "node_id": ib.to_node,
                "ib_link_id": c.from_link,
                "start_ib_lane": _number(ib, c.from_lane_idx),
                "ob_link_id": c.to_link,
                "start_ob_lane": _number(ob, c.to_lane_idx),
                "type": _TYPES[c.turn],
                "ctrl_type": "no_control" if _is_free(c) else "signal",
                "opt_controller_id": c.junction_id,
                "opt_signal_group": c.signal_group_idx,
            }

    def zone(self) -> Iterator[Mapping[str, Cell]]:
        for zone in self.network.zones.values():
            outline = _wkt("", [*zone.shape, *zone.shape[:1]])
            yield {
                "zone_id": zone.zone_id,
                "name": zone.name,
                "boundary": f"POLYGON ({outline})",
                "opt_name_latin": zone.name_latin,
            }

    # --- signals ---

    def signal_controller(self) -> Iterator[Mapping[str, Cell]]:
        for j in self.network.junctions.values():
            yield {
                "controller_id": j.junction_id,
                "opt_name": j.name,
                "opt_name_latin": j.name_latin,
                "opt_zone_id": j.zone_id,
                "opt_x": j.x,
                "opt_y": j.y,
                "opt_node_ids": "\n".join(j.node_ids),
                "opt_signal_group_count": j.signal_group_count,
                "opt_control": j.control,
                "opt_problems": "\n".join(j.problems),
                "opt_plan_in_service": j.plan_in_service.plan_id if j.plan_in_service else None,
                "opt_intergreens": 1 if j.junction_id in self.network.intergreens_s else None,
            }

    def signal_timing_plan(self) -> Iterator[Mapping[str, Cell]]:
        for copy in self.copies:
            window = copy.window
            yield {
                "timing_plan_id": copy.timing_plan_id,
                "controller_id": copy.plan.junction_id,
                "time_day": copy.time_day,
                "cycle_length": copy.plan.cycle_s,
                "opt_plan_id": copy.plan.plan_id,
                "opt_begin_s": window.begin_s if window else None,
                "opt_end_s": window.end_s if window else None,
            }

    def signal_coordination(self) -> Iterator[Mapping[str, Cell]]:
        for copy in self.copies:
            yield {
                "coordination_id": copy.timing_plan_id,
                "timing_plan_id": copy.timing_plan_id,
                "controller_id": copy.plan.junction_id,
                "coord_phase": copy.plan.coordinated_stage_idx + 1,
                "coord_ref_to": "begin_of_green",
                "offset": copy.plan.offset_s,
            }

    def signal_timing_phase(self) -> Iterator[Mapping[str, Cell]]:
        for copy in self.copies:
            for number, stage in enumerate(copy.plan.stages, start=1):
                yield {
                    "timing_phase_id": f"{copy.timing_plan_id}.{number}",
                    "timing_plan_id": copy.timing_plan_id,
                    "signal_phase_num": number,
                    "min_green": stage.green_s,
                    "max_green": stage.green_s,
                    "clearance": stage.clearance_s,
                    "ring": 1,
                    "barrier": 1,
                    "position": number,
                }

    def signal_phase_mvmt(self) -> Iterator[Mapping[str, Cell]]:
        served: dict[str, list[tuple[str, str, int]]] = defaultdict(list)
        for mvmt_id, c, _ in self.ways:
            if c.junction_id is not None and c.signal_group_idx != NO_SIGNAL:
                served[c.junction_id].append((mvmt_id, "", c.signal_group_idx))
        for link_id, junction_id, group, _ in self.crosswalks:
            served[junction_id].append(("", link_id, group))
        number = 0
        for copy in self.copies:
            for i, stage in enumerate(copy.plan.stages, start=1):
                for mvmt_id, link_id, group in served[copy.plan.junction_id]:
                    protection = PROTECTION_OF.get(stage.picture[group : group + 1])
                    if protection is not None:
                        number += 1
                        yield {
                            "signal_phase_mvmt_id": number,
                            "timing_phase_id": f"{copy.timing_plan_id}.{i}",
                            "mvmt_id": mvmt_id,
                            "link_id": link_id,
                            "protection": protection,
                        }

    def opt_signal_stage(self) -> Iterator[Mapping[str, Cell]]:
        for copy in self.copies:
            for i, stage in enumerate(copy.plan.stages if copy.is_first else ()):
                row: dict[str, Cell] = {"timing_plan_id": copy.timing_plan_id, "stage_idx": i}
                yield row | {
                    "duration_s": stage.green_s,
                    "picture": stage.picture,
                    "min_green_s": stage.min_green_s,
                    "max_green_s": stage.max_green_s,
                }
                for interval in stage.clearance:
                    yield row | {
                        "duration_s": interval.duration_s,
                        "picture": interval.picture,
                    }

    def opt_signal_rule(self) -> Iterator[Mapping[str, Cell]]:
        for junction_id, junction in self.network.junctions.items():
            needed = self.network.intergreens_s.get(junction_id, {})
            cells: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
            for a, b in sorted(junction.conflicts):
                cells[a]["conflicts"].append(str(b))
            for a, b in sorted(junction.yields):
                cells[a]["yields"].append(str(b))
            for a, b in sorted(needed):
                cells[a]["intergreens"].append(f"{b}:{needed[a, b]}")
            for group, told in sorted(cells.items()):
                row: dict[str, Cell] = {"controller_id": junction_id, "signal_group": group}
                yield row | {column: " ".join(words) for column, words in told.items()}

    def opt_give_way(self) -> Iterator[Mapping[str, Cell]]:
        for row in self.network.give_ways:
            yield dict(zip(COLUMNS["opt_give_way"], row.links, strict=True))

    # --- detectors ---

    def signal_detector(self) -> Iterator[Mapping[str, Cell]]:
        for detector in self.network.detectors:
            link = self.network.links.get(detector.link_id)
            if link is None or not _is_of_signal(detector, link):
                continue
            lanes = range(link.lane_count) if detector.lane_idx < 0 else [detector.lane_idx]
            numbers = sorted(_number(link, lane) for lane in lanes)
            yield {
                "detector_id": detector.detector_id,
                "controller_id": link.junction_id,
                "signal_phase_num": self._phase_of(detector),
                "link_id": link.link_id,
                "start_lane": numbers[0],
                "end_lane": numbers[-1] if len(numbers) > 1 else None,
                "ref_node_id": link.to_node,
                "det_zone_lr": link.length_m - detector.position_m,
                "det_type": detector.kind.value,
                "opt_position_m": detector.position_m,
                "opt_lane_idx": detector.lane_idx,
            }

    def location(self) -> Iterator[Mapping[str, Cell]]:
        for detector in self.network.detectors:
            link = self.network.links.get(detector.link_id)
            if link is not None and not _is_of_signal(detector, link):
                yield {
                    "loc_id": detector.detector_id,
                    "link_id": link.link_id,
                    "ref_node_id": link.from_node,
                    "lr": detector.position_m,
                    "loc_type": detector.kind.value,
                    "opt_position_m": detector.position_m,
                    "opt_lane_idx": detector.lane_idx,
                }

    @cached_property
    def _groups_of_lane(self) -> dict[tuple[str, int], set[int]]:
        found: dict[tuple[str, int], set[int]] = defaultdict(set)
        for c in self.network.connections:
            found[c.from_link, c.from_lane_idx].add(c.signal_group_idx)
            found[c.from_link, EVERY_LANE].add(c.signal_group_idx)
        return found

    def _phase_of(self, detector: Detector) -> int | None:
        """The first phase of the plan in service in which the detector's lane is green."""
        junction_id = self.network.links[detector.link_id].junction_id
        junction = self.network.junctions.get(junction_id or "")
        groups = self._groups_of_lane[detector.link_id, detector.lane_idx]
        plan = junction.plan_in_service if junction else None
        for number, stage in enumerate(plan.stages if plan else (), start=1):
            if any(stage.picture[g : g + 1] in GREENS for g in groups if g != NO_SIGNAL):
                return number
        return None


def _is_of_signal(detector: Detector, link: Link) -> bool:
    return link.junction_id is not None and detector.kind is not DetectorKind.CHECKPOINT


def _is_free(c: Connection) -> bool:
    return c.junction_id is None or c.signal_group_idx == NO_SIGNAL


def _way_id(c: Connection) -> str:
    return f"{c.from_link}_{c.from_lane_idx}>{c.to_link}_{c.to_lane_idx}"


def _number(link: Link, lane: int) -> int:
    """GMNS counts from the left, from 1 on."""
    return link.lane_count - lane


def _wkt(kind: str, shape: Iterable[Point]) -> str:
    return f"{kind}({', '.join(f'{x!r} {y!r}' for x, y in shape)})"


def _middle(points: Sequence[Point]) -> Point:
    count = max(len(points), 1)
    return sum(x for x, _ in points) / count, sum(y for _, y in points) / count


def _time_day(window: PlanWindow) -> str:
    """``XXXXXXXX_HHMM_HHMM``: Sunday to Saturday, holidays as every day, begin, end."""
    bits = "".join("1" if (i or 7) in window.weekdays else "0" for i in range(7))
    holiday = "1" if window.weekdays == EVERY_DAY else "0"
    begin, end = (f"{s // 3600:02d}{s // 60 % 60:02d}" for s in (window.begin_s, window.end_s))
    return f"{bits}{holiday}_{begin}_{end}"
