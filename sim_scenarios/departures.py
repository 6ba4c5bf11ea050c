"""What the files of a world say will drive, and when; read without driving it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import numpy.typing as npt

from network_data.importers.sumo.programs import elements, sumo_time_s
from traffic_brain.errors import DataRefused

DAY_S = 86400
_DEMAND_TAGS = frozenset({"vType", "vehicle", "trip", "flow"})
_DEFAULT_TYPES = {
    "DEFAULT_VEHTYPE": "passenger",
    "DEFAULT_PEDTYPE": "pedestrian",
    "DEFAULT_BIKETYPE": "bicycle",
    "DEFAULT_TAXITYPE": "taxi",
    "DEFAULT_RAILTYPE": "rail",
    "DEFAULT_CONTAINERTYPE": "container",
}


@dataclass(frozen=True, slots=True)
class Demand:
    """What the files of a world say will drive, without driving it.

    ``departures_veh``: expected departures in each minute of the service day [1440], flows
    spread evenly; ``class_of_type``: SUMO's vehicle class of every vehicle type; ``line_of``:
    public transport lines by vehicle or flow id.
    """

    departures_veh: tuple[float, ...] = ()
    class_of_type: Mapping[str, str] = field(default_factory=dict)
    line_of: Mapping[str, str] = field(default_factory=dict)

    def class_of(self, vehicle_type: str) -> str:
        """SUMO's vehicle class of a type as it stands in SUMO's outputs."""
        known = self.class_of_type.get(vehicle_type)
        return known or self.class_of_type.get(vehicle_type.partition("@")[0], "passenger")


def read_demand(nets: Sequence[Path], files: Sequence[Path]) -> tuple[Demand, list[str]]:
    """Read every file there is once; returns what will drive and a line per unreadable file."""
    departures = np.zeros(DAY_S // 60)
    class_of_type: dict[str, str] = dict(_DEFAULT_TYPES)
    line_of: dict[str, str] = {}
    problems: list[str] = []
    for path in (p for p in (*nets, *files) if p.is_file()):
        wanted = frozenset[str]() if path in nets else _DEMAND_TAGS
        try:
            for element in elements(path, ends_of=wanted):
                _take_demand(element, departures, class_of_type, line_of)
        except DataRefused as error:
            problems.append(error.what)
        except (KeyError, ValueError) as error:
            problems.append(f"{path}: a vehicle or flow is malformed ({error})")
    return Demand(tuple(departures.tolist()), class_of_type, line_of), problems


def _take_demand(
    element: ET.Element,
    departures: npt.NDArray[np.float64],
    class_of_type: dict[str, str],
    line_of: dict[str, str],
) -> None:
    if element.tag == "vType":
        known = class_of_type.get(element.attrib["id"], "passenger")
        class_of_type[element.attrib["id"]] = element.get("vClass", known)
        return
    if element.get("line"):
        line_of[element.attrib["id"]] = element.attrib["line"]
    if element.tag == "flow":
        _add_flow(element, departures)
        return
    time_s = _time_s(element.get("depart"))
    if time_s is not None and 0 <= time_s < DAY_S:
        departures[int(time_s // 60)] += 1


def _time_s(text: str | None) -> float | None:
    """The time a text tells; None for ``triggered`` and its kind, 0 for ``begin``."""
    if text is None or text in ("triggered", "containerTriggered", "split", "now"):
        return None
    return 0.0 if text == "begin" else sumo_time_s(text)


def _add_flow(flow: ET.Element, departures: npt.NDArray[np.float64]) -> None:
    """Spread a flow evenly over its minutes; SUMO lets one without an end run for a day."""
    begin_s = max(0.0, _time_s(flow.get("begin")) or 0.0)
    end_s = _time_s(flow.get("end")) or -1.0
    end_s = DAY_S if end_s <= 0 else min(end_s, DAY_S)
    if end_s <= begin_s:
        return
    number = float(flow.get("number", "inf"))
    rate_vps = _rate_vps(flow)
    if rate_vps is None:
        rate_vps = number / (end_s - begin_s) if math.isfinite(number) else 1 / (end_s - begin_s)
    if rate_vps <= 0:
        return
    end_s = min(end_s, begin_s + number / rate_vps)
    starts = np.arange(departures.size) * 60.0
    inside = np.minimum(starts + 60, end_s) - np.maximum(starts, begin_s)
    departures += rate_vps * np.clip(inside, 0, None)


def _rate_vps(flow: ET.Element) -> float | None:
    """Vehicles per second of a flow, as any of SUMO's attributes tells it."""
    per_hour = flow.get("vehsPerHour") or flow.get("perHour")
    if per_hour:
        return float(per_hour) / 3600
    if flow.get("probability"):
        return float(flow.attrib["probability"])
    period = flow.get("period")
    if not period:
        return None
    if period.startswith("exp("):
        return float(period[4:-1])
    return 1 / max(1e-3, sumo_time_s(period))


def busiest_begin(demand: Demand, begin_s: int, end_s: int, length_s: int) -> int:
    """Where the stretch of a length starts, by quarter hours, in which most vehicles depart."""
    departures = np.array(demand.departures_veh)
    total = np.concatenate([[0.0], np.cumsum(departures)])

    def departing(start_s: int) -> float:
        first, last = start_s // 60, min((start_s + length_s) // 60, departures.size)
        return float(total[last] - total[first])

    starts = range(begin_s, end_s - length_s + 1, 900)
    return max(starts, key=lambda s: (round(departing(s), 6), -s))
