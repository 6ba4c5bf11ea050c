"""What is unusual about a world's day: an incident, rain, an event, school holiday, an outage.

A description in the library names the world it changes as its ``base``, and what changes in a table
``conditions``. The network stays as it is, and so does what the engine is told of it: that a lane
is closed or that people drive more slowly, it has to find out from its feeds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import elements
from network_data.importers.sumo.source import open_to_cars
from sim_scenarios.defects import Defects
from traffic_brain.errors import ConfigurationError

T = TypeVar("T")
_TOML_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "str": str,
    "Mapping[str, Any]": Mapping,
}

CLOSED_FILE, SLOW_FILE = "closed_lanes.add.xml", "speeds.add.xml"
EXTRA_FILE, TOLD_FILE = "extra_trips.rou.xml", "conditions.json"
EXTRA_PREFIX = "extra"


@dataclass(frozen=True, slots=True)
class ClosedLane:
    """A lane that nobody may use between two seconds of the service day.

    Counted as in SUMO: 0 is the rightmost, a pavement or a cycle path where there is one.
    """

    link_id: str
    lane_idx: int
    begin_s: int
    end_s: int


@dataclass(frozen=True, slots=True)
class ExtraTrips:
    """Cars beside the usual ones, spread evenly between two seconds of the service day."""

    from_link: str
    to_link: str
    begin_s: int
    end_s: int
    vehicles: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a day differs from the world's usual one. Raises ConfigurationError when out of range.

    demand_ratio: vehicles by the usual number, buses too.
    speed_ratio: speed that people keep on every link, by the usual one.
    defects: what changes of the usual defects of the feeds, see `sim_scenarios.defects`.
    """

    demand_ratio: float = 1.0
    speed_ratio: float = 1.0
    closed_lanes: tuple[ClosedLane, ...] = ()
    extra_trips: tuple[ExtraTrips, ...] = ()
    defects: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.demand_ratio <= 10:
            problems.append(f"demand_ratio = {self.demand_ratio} is not in 0 … 10")
        if not 0.1 <= self.speed_ratio <= 1.5:
            problems.append(f"speed_ratio = {self.speed_ratio} is not in 0.1 … 1.5")
        stretches = [(one.begin_s, one.end_s) for one in self.closed_lanes]
        stretches += [(one.begin_s, one.end_s) for one in self.extra_trips]
        problems += [
            f"{begin_s} s to {end_s} s is no stretch of time"
            for begin_s, end_s in stretches
            if not 0 <= begin_s < end_s
        ]
        problems += [f"{one.vehicles} vehicles" for one in self.extra_trips if one.vehicles < 1]
        if problems:
            raise ConfigurationError("; ".join(problems), "correct the world's conditions")
        Defects.of_table(self.defects)

    @classmethod
    def of_table(cls, table: Mapping[str, Any]) -> Conditions:
        """As a library file has it. Raises ConfigurationError for a key that does not exist."""
        if not isinstance(table, Mapping):
            raise ConfigurationError(f"{table!r} is no table", "write [conditions]")
        told = dict(table)
        for name, kind in (("closed_lanes", ClosedLane), ("extra_trips", ExtraTrips)):
            rows = told.get(name, [])
            if not isinstance(rows, list):
                raise ConfigurationError(f"{name} is no list", f"write [[conditions.{name}]]")
            told[name] = tuple(_made(kind, row) for row in rows)
        return _made(cls, told)

    def write(self, nets: Sequence[Path], folder: Path) -> ConditionFiles:
        """The files that make SUMO drive a world of ``nets`` like this.

        Raises ConfigurationError when a link or a lane is not there.
        """
        if self == ORDINARY:
            return ConditionFiles()
        lanes = _lanes(nets)
        if problems := self._not_there(lanes):
            raise ConfigurationError("; ".join(problems), "correct the world's conditions")
        additional, routes = [], []
        if self.closed_lanes:
            additional.append(_write(_closed(self.closed_lanes), folder / CLOSED_FILE))
        if self.speed_ratio != 1.0:
            additional.append(_write(_slowed(lanes, self.speed_ratio), folder / SLOW_FILE))
        if self.extra_trips:
            extra = _extra(self.extra_trips, self.demand_ratio)
            routes.append(_write(extra, folder / EXTRA_FILE))
        told = folder / TOLD_FILE
        told.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        return ConditionFiles(tuple(additional), tuple(routes), (told,))

    def _not_there(self, lanes: Mapping[str, Sequence[_Lane]]) -> list[str]:
        problems = [
            f"link {one.link_id} has no lane {one.lane_idx} for cars"
            for one in self.closed_lanes
            if not any(n == one.lane_idx for n, _ in _for_cars(lanes.get(one.link_id, ())))
        ]
        ends = {link for one in self.extra_trips for link in (one.from_link, one.to_link)}
        driven = {link for link, here in lanes.items() if any(_for_cars(here))}
        return problems + [f"there is no link {link} for cars" for link in sorted(ends - driven)]

    def outside(self, begin_s: int, end_s: int) -> list[str]:
        """What would have no effect, since nothing is simulated then."""
        stretches = [("closed lane", one.begin_s, one.end_s) for one in self.closed_lanes]
        stretches += [("extra trips", one.begin_s, one.end_s) for one in self.extra_trips]
        return [
            f"{what} from {begin} s to {end} s, simulated are {begin_s} s to {end_s} s"
            for what, begin, end in stretches
            if end <= begin_s or begin >= end_s
        ]


@dataclass(frozen=True, slots=True)
class ConditionFiles:
    """What SUMO is given beside the world's own files; ``told``: all that is unusual, as JSON."""

    additional: tuple[Path, ...] = ()
    routes: tuple[Path, ...] = ()
    told: tuple[Path, ...] = ()


ORDINARY = Conditions()


def _made(kind: type[T], table: Mapping[str, Any]) -> T:
    if not isinstance(table, Mapping):
        raise ConfigurationError(f"{table!r} is no table", "correct the conditions")
    types = {f.name: str(f.type) for f in fields(kind)}  # type: ignore[arg-type]
    known = list(types)
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise ConfigurationError(
            f"unknown conditions: {', '.join(unknown)}", f"known: {', '.join(known)}"
        )
    wrong = [
        f"{name} = {value!r}"
        for name, value in table.items()
        if isinstance(value, bool) or not isinstance(value, _TOML_TYPES.get(types[name], object))
    ]
    if wrong:
        raise ConfigurationError(f"of a wrong type: {', '.join(wrong)}", "correct the conditions")
    try:
        return kind(**table)
    except TypeError as error:
        raise ConfigurationError(
            f"conditions are not complete ({error})", "correct them"
        ) from error


@dataclass(frozen=True, slots=True)
class _Lane:
    speed_mps: float
    cars: bool


def _lanes(nets: Sequence[Path]) -> dict[str, list[_Lane]]:
    """The lanes of each link, the rightmost first."""
    return {
        edge.attrib["id"]: [
            _Lane(
                float(lane.attrib["speed"]), open_to_cars(lane.get("allow"), lane.get("disallow"))
            )
            for lane in edge.iter("lane")
        ]
        for net in nets
        for edge in elements(net, ends_of=frozenset({"edge"}))
        if edge.get("function", "normal") == "normal"
    }


def _for_cars(lanes: Sequence[_Lane]) -> Iterator[tuple[int, _Lane]]:
    return ((n, lane) for n, lane in enumerate(lanes) if lane.cars)


def _closed(lanes: Sequence[ClosedLane]) -> ET.Element:
    root = ET.Element("additional")
    for n, one in enumerate(lanes):
        rerouter = ET.SubElement(root, "rerouter", id=f"closed{n}", edges=one.link_id)
        interval = ET.SubElement(rerouter, "interval", begin=str(one.begin_s), end=str(one.end_s))
        lane = f"{one.link_id}_{one.lane_idx}"
        ET.SubElement(interval, "closingLaneReroute", id=lane, disallow="all")
    return root


def _slowed(links: Mapping[str, Sequence[_Lane]], ratio: float) -> ET.Element:
    """Signs over the lanes, one for each speed limit: the limits on the map stay as they are."""
    lanes: dict[float, list[str]] = defaultdict(list)
    for link_id, here in links.items():
        for n, lane in _for_cars(here):
            lanes[lane.speed_mps].append(f"{link_id}_{n}")
    root = ET.Element("additional")
    for n, (speed_mps, names) in enumerate(sorted(lanes.items())):
        sign = ET.SubElement(root, "variableSpeedSign", id=f"slow{n}", lanes=" ".join(names))
        ET.SubElement(sign, "step", time="0", speed=f"{speed_mps * ratio:.3f}")
    return root


def _extra(trips: Sequence[ExtraTrips], demand_ratio: float) -> ET.Element:
    """So many that SUMO, which scales these as well, drives the number asked for."""
    written = [max(1, round(one.vehicles / demand_ratio)) for one in trips]
    departures = sorted(
        (one.begin_s + (one.end_s - one.begin_s) * (k + 0.5) / count, n, k)
        for n, (one, count) in enumerate(zip(trips, written, strict=True))
        for k in range(count)
    )
    root = ET.Element("routes")
    for depart_s, n, k in departures:
        ends = {"from": trips[n].from_link, "to": trips[n].to_link}
        ET.SubElement(
            root,
            "trip",
            {"id": f"{EXTRA_PREFIX}{n}.{k}", "depart": f"{depart_s:.1f}", **ends},
            departLane="best",
        )
    return root


def _write(root: ET.Element, path: Path) -> Path:
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path
