"""What SUMO wrote, read row by row; and the one figure that is compared, delay per vehicle.

Delay of a vehicle is SUMO's ``timeLoss`` (time lost against driving at the desired speed) plus
its departure delay (time it waited outside for a place to enter). A vehicle that never got in
has waited until the end of the simulation. Times are simulation seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from network_data.importers.sumo.programs import elements
from sim_scenarios.run import RunResult
from traffic_brain.errors import DataRefused, SimulationError


class Trip(NamedTuple):
    """One vehicle that was due before the end."""

    vehicle_id: str
    vehicle_type: str
    due_s: float
    inserted: bool
    arrival_s: float
    """-1: still on the way at the end, or never inserted."""
    time_loss_s: float
    departure_delay_s: float
    stop_count: int

    @property
    def arrived(self) -> bool:
        return self.arrival_s >= 0

    @property
    def delay_s(self) -> float:
        return self.time_loss_s + self.departure_delay_s


class VehicleRoute(NamedTuple):
    """Links a vehicle took or will take; ``exit_times_s[i]`` is -1 for one not left yet."""

    vehicle_id: str
    vehicle_type: str
    depart_s: float
    links: tuple[str, ...]
    exit_times_s: tuple[float, ...]


class LinkBin(NamedTuple):
    """One link in one stretch of time."""

    link_id: str
    begin_s: float
    end_s: float
    left_veh: int
    """Vehicles that passed the link's end, and those whose trip ended on it.

    Where the city ends, vehicles drive to the end of their last link as on any other: detectors
    and cameras there see them.
    """
    speed_mps: float
    waiting_veh_s: float
    """Vehicle seconds below 0.1 m/s."""
    time_loss_veh_s: float
    sampled_veh_s: float


class DetectorEntry(NamedTuple):
    """A vehicle's front over a detector."""

    detector_id: str
    time_s: float
    vehicle_id: str
    vehicle_type: str


class SignalState(NamedTuple):
    """A controller shows another picture from ``time_s`` on."""

    junction_id: str
    time_s: float
    program_id: str
    phase_idx: int
    picture: str


class ProbeSample(NamedTuple):
    """Where a probe vehicle is and how fast; samples are equally spaced in time."""

    vehicle_type: str
    time_s: float
    link_id: str
    speed_mps: float


@dataclass(frozen=True, slots=True)
class DelaySummary:
    """Delay of one run over all vehicles due before its end, and what happened on the way."""

    seed: int
    vehicles: int
    delay_s_per_veh: float
    time_loss_s_per_veh: float
    departure_delay_s_per_veh: float
    stops_per_veh: float
    not_inserted: int
    unfinished: int
    """Inserted and still on the road at the end."""
    teleports: int


def read_trips(path: Path, end_s: float) -> Iterator[Trip]:
    """Every vehicle due before ``end_s``. Raises SimulationError when the file is broken."""
    for e in _rows(path, "tripinfo"):
        delay_s = float(e.attrib["departDelay"])
        depart_s = float(e.attrib["depart"])
        inserted = depart_s >= 0
        due_s = depart_s - delay_s if inserted else end_s - delay_s
        if not inserted and due_s >= end_s:
            continue  # read ahead by SUMO, due at the end or later
        yield Trip(
            e.attrib["id"],
            e.attrib["vType"],
            due_s,
            inserted,
            float(e.attrib["arrival"]),
            float(e.attrib["timeLoss"]),
            delay_s,
            int(e.attrib["waitingCount"]),
        )


def read_routes(path: Path) -> Iterator[VehicleRoute]:
    """Every vehicle that was inserted. Raises SimulationError when the file is broken."""
    for e in _rows(path, "vehicle"):
        route = list(e.iter("route"))[-1]
        links = tuple(route.get("edges", "").split())
        exits = tuple(float(t) for t in route.get("exitTimes", "").split())
        if len(exits) == len(links):
            vehicle_type = e.get("type", "DEFAULT_VEHTYPE")
            yield VehicleRoute(
                e.attrib["id"], vehicle_type, float(e.attrib["depart"]), links, exits
            )


def read_link_bins(path: Path) -> Iterator[LinkBin]:
    """Links with any vehicle, bin by bin. Raises SimulationError when the file is broken."""
    for interval in _rows(path, "interval"):
        begin_s, end_s = float(interval.attrib["begin"]), float(interval.attrib["end"])
        for e in interval.iter("edge"):
            yield LinkBin(
                e.attrib["id"],
                begin_s,
                end_s,
                int(e.get("left", "0")) + int(e.get("arrived", "0")),
                float(e.get("speed", "nan")),
                float(e.get("waitingTime", "0")),
                float(e.get("timeLoss", "0")),
                float(e.get("sampledSeconds", "0")),
            )


def read_detector_entries(path: Path) -> Iterator[DetectorEntry]:
    """Fronts over detectors, in time order. Raises SimulationError when the file is broken."""
    for e in _rows(path, "instantOut"):
        if e.get("state") == "enter":
            yield DetectorEntry(
                e.attrib["id"], float(e.attrib["time"]), e.attrib["vehID"], e.attrib["type"]
            )


def read_signal_states(path: Path) -> Iterator[SignalState]:
    """Changes of picture, in time order. Raises SimulationError when the file is broken."""
    for e in _rows(path, "tlsState"):
        yield SignalState(
            e.attrib["id"],
            float(e.attrib["time"]),
            e.attrib["programID"],
            int(e.attrib["phase"]),
            e.attrib["state"],
        )


def read_probe_samples(path: Path) -> Iterator[ProbeSample]:
    """Samples on links (not inside junctions). Raises SimulationError when the file is broken."""
    for step in _rows(path, "timestep"):
        time_s = float(step.attrib["time"])
        for e in step.iter("vehicle"):
            link_id = e.attrib["lane"].rpartition("_")[0]
            if link_id and not link_id.startswith(":"):
                yield ProbeSample(e.attrib["type"], time_s, link_id, float(e.attrib["speed"]))


def read_teleports(path: Path) -> int:
    """How many vehicles SUMO lifted over a blockade."""
    return sum(int(e.attrib["total"]) for e in _rows(path, "teleports"))


def summarise(result: RunResult) -> DelaySummary:
    """Delay over all vehicles due before the run's end; zeros when there were none."""
    trips = list(read_trips(result.trips_file, result.request.scenario.end_s))
    count = max(1, len(trips))
    time_loss_s = sum(t.time_loss_s for t in trips) / count
    departure_delay_s = sum(t.departure_delay_s for t in trips) / count
    return DelaySummary(
        seed=result.request.seed,
        vehicles=len(trips),
        delay_s_per_veh=time_loss_s + departure_delay_s,
        time_loss_s_per_veh=time_loss_s,
        departure_delay_s_per_veh=departure_delay_s,
        stops_per_veh=sum(t.stop_count for t in trips) / count,
        not_inserted=sum(not t.inserted for t in trips),
        unfinished=sum(t.inserted and not t.arrived for t in trips),
        teleports=read_teleports(result.statistics_file),
    )


def _rows(path: Path, tag: str) -> Iterator[ET.Element]:
    try:
        yield from elements(path, ends_of=frozenset({tag}))
    except DataRefused as error:
        raise SimulationError(f"SUMO left an unreadable output, {error.what}") from error
