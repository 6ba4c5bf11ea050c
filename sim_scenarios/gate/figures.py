"""What one run of the check tells: the delay of all vehicles, and where it arose.

The outputs are read as bytes and columns, not as XML elements: that costs a tenth. So they are
held against each other: a file that is cut off, a column with holes, or vehicles that one file
knows and the other does not, make the run a failed one.

Times are simulation seconds. A vehicle's time on a link runs from the moment it left the link
before, so that it includes the way through the junction between them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_scenarios.demand import BUS, Vehicle
from sim_scenarios.outputs import DelaySummary, read_teleports
from sim_scenarios.run import RunResult
from traffic_brain.errors import SimulationError
from traffic_brain.model.network import RoadNetwork

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

FULL_RATIO = 0.9
"""A link is full when so much of its room for standing cars is taken."""
EMISSION_OPTIONS = ("--device.emissions.probability", "0.1", "--device.emissions.deterministic")
"""One vehicle in ten, the same ones under every plan."""
_TRIP = re.compile(
    rb"<tripinfo "
    + rb"[^>]*?".join(
        rb'\b%s="([^"]*)"' % name
        for name in (b"id", b"depart", b"departDelay", b"arrival", b"waitingCount", b"timeLoss")
    )
)
"""SUMO writes the attributes in this order; a trip that has another is told of as a broken one."""
_VEHICLE = re.compile(rb'<vehicle id="(\d+)" [^>]*?\bdepart="([^"]*)"')
_EXITS = re.compile(rb' exitTimes="([^"]*)"')
_COUNTED = re.compile(rb'<vehicles [^>]*\binserted="(\d+)"')
_CO2 = re.compile(rb' CO2_abs="([^"]*)"')


@dataclass(frozen=True)
class Ways:
    """The turns that the vehicles of the rebuilt day make, numbered; and the lines of its buses.

    turns: (link, next link); the next link is empty where a way ends.
    turn_idx: int64[step] all vehicles' ways after each other; vehicle v's are
        ``turn_idx[starts[v] : starts[v + 1]]``.
    line_idx: int64[vehicle] into ``lines``, -1 for cars. Buses of one way are a line.
    """

    turns: tuple[tuple[str, str], ...]
    starts: Ints
    turn_idx: Ints
    lines: tuple[tuple[str, ...], ...]
    line_idx: Ints
    link_of_turn: Ints
    room_veh: Floats
    """float64[link]: standing cars that a link of the network has room for."""


def ways_of(vehicles: Sequence[Vehicle], network: RoadNetwork) -> Ways:
    """Number the turns of all vehicles, in the order in which they come first."""
    turns: dict[tuple[str, str], int] = {}
    lines: dict[tuple[str, ...], int] = {}
    steps: list[int] = []
    starts = [0]
    line_idx = []
    for vehicle in vehicles:
        driven = zip(vehicle.links, (*vehicle.links[1:], ""), strict=True)
        steps += [turns.setdefault(turn, len(turns)) for turn in driven]
        starts.append(len(steps))
        is_bus = vehicle.vehicle_class == BUS
        line_idx.append(lines.setdefault(vehicle.links, len(lines)) if is_bus else -1)
    return Ways(
        turns=tuple(turns),
        starts=np.array(starts, dtype=np.int64),
        turn_idx=np.array(steps, dtype=np.int64),
        lines=tuple(lines),
        line_idx=np.array(line_idx, dtype=np.int64),
        link_of_turn=np.array([network.link_idx[a] for a, _ in turns], dtype=np.int64),
        room_veh=np.array([link.storage_veh for link in network.links.values()]),
    )


@dataclass(frozen=True)
class Places:
    """Where the time of a run was spent.

    came_veh, left_veh: float64[turn] vehicles that came to the turn's link, also those for which
        there was no place where their way begins; and those that went on.
    spent_s, waited_s: float64[turn] their seconds on the link, and outside of it for a place.
    most_veh, full_s: float64[link] most vehicles at one time, and seconds during which it was full.
    line_veh, line_s: float64[line] buses on the road, and their seconds.
    """

    came_veh: Floats
    left_veh: Floats
    spent_s: Floats
    waited_s: Floats
    most_veh: Floats
    full_s: Floats
    line_veh: Floats
    line_s: Floats


@dataclass(frozen=True)
class RunFigures:
    """One run: its delay, vehicles that arrived, CO₂ per vehicle, and where the time was spent.

    ``co2_g_per_veh`` and ``places`` are None where the run was not asked for them.
    """

    delay: DelaySummary
    arrived: int
    co2_g_per_veh: float | None = None
    places: Places | None = None

    def document(self) -> dict[str, Any]:
        """For the journal; numbers come back as they were."""
        places = self.places and {k: v.tolist() for k, v in vars(self.places).items()}
        return {
            "delay": asdict(self.delay),
            "arrived": self.arrived,
            "co2_g_per_veh": self.co2_g_per_veh,
            "places": places,
        }


def figures_from(document: Mapping[str, Any]) -> RunFigures:
    """What ``RunFigures.document`` wrote. Raises KeyError, TypeError, ValueError for others."""
    places = document["places"]
    return RunFigures(
        DelaySummary(**document["delay"]),
        int(document["arrived"]),
        document["co2_g_per_veh"],
        places and Places(**{k: np.array(v, dtype=np.float64) for k, v in places.items()}),
    )


def read_figures(
    result: RunResult, ways: Ways | None = None, drawn: Ints | None = None
) -> RunFigures:
    """Read one run; with ``ways`` and ``drawn`` (int64: vehicle of each id), places as well.

    Raises:
        SimulationError: an output is missing, cut off or malformed, or they do not agree.
    """
    try:
        trips = _Trips(result)
        summary = trips.summary(read_teleports(result.statistics_file))
        trips.compare(result.statistics_file)
        if ways is None or drawn is None:
            return RunFigures(summary, trips.arrived)
        co2_mg = [float(mg) for mg in _CO2.findall(trips.text)]
        co2_g = sum(co2_mg) / len(co2_mg) / 1000 if co2_mg else None
        return RunFigures(summary, trips.arrived, co2_g, _places(result, trips, ways, drawn))
    except (OSError, ValueError, KeyError, IndexError) as error:
        what = " ".join(str(error).split())
        raise SimulationError(f"SUMO left an unreadable output, {what}") from error


class _Trips:
    """The trip file in columns; vehicles that were due at the end or later are left out."""

    def __init__(self, result: RunResult) -> None:
        self.text = _whole(result.trips_file, b"</tripinfos>")
        self.seed = result.request.seed
        end_s = result.request.scenario.end_s
        rows = _TRIP.findall(self.text)
        count = self.text.count(b"<tripinfo ")
        if len(rows) != count:
            raise ValueError(f"{count - len(rows)} of {count} trips lack an attribute")
        table = np.array(rows, dtype=np.bytes_).reshape(-1, 6).astype(np.float64)
        if not np.isfinite(table).all():
            raise ValueError("a trip has a figure that is no number")
        self.vehicle_id = table[:, 0].astype(np.int64)
        self.depart_s, self.waited_s, self.arrival_s, self.stops, self.lost_s = table.T[1:]
        self.inserted = self.depart_s >= 0
        self.due = self.inserted | (end_s - self.waited_s < end_s)

    @property
    def arrived(self) -> int:
        return int((self.arrival_s >= 0).sum())

    def compare(self, statistics: Path) -> None:
        """Raise ValueError when SUMO's own count of vehicles is another one."""
        told = _COUNTED.search(statistics.read_bytes())
        inserted = int(self.inserted.sum())
        if told is None or int(told[1]) != inserted:
            raise ValueError(f"{inserted} trips are told of, and {told and int(told[1])} counted")

    def summary(self, teleports: int) -> DelaySummary:
        due = self.due
        count = max(1, int(due.sum()))
        lost_s = sum(self.lost_s[due].tolist()) / count
        waited_s = sum(self.waited_s[due].tolist()) / count
        return DelaySummary(
            seed=self.seed,
            vehicles=int(due.sum()),
            delay_s_per_veh=lost_s + waited_s,
            time_loss_s_per_veh=lost_s,
            departure_delay_s_per_veh=waited_s,
            stops_per_veh=int(self.stops[due].sum()) / count,
            not_inserted=int((due & ~self.inserted).sum()),
            unfinished=int((self.inserted & (self.arrival_s < 0)).sum()),
            teleports=teleports,
        )


def _whole(path: Path, last: bytes) -> bytes:
    text = path.read_bytes()
    if not text.rstrip().endswith(last):
        raise ValueError(f"{path.name} is cut off")
    return text


def _places(result: RunResult, trips: _Trips, ways: Ways, drawn: Ints) -> Places:
    end_s = float(result.request.scenario.end_s)
    step = _steps(result, ways, drawn, end_s)
    turns, lines = len(ways.turns), len(ways.lines)
    first = ways.turn_idx[ways.starts[drawn[trips.vehicle_id]]]
    line = ways.line_idx[drawn[step.vehicle_id]]
    on_line = line >= 0
    buses = np.unique(step.vehicle_id[on_line])
    seconds = step.out_s - step.in_s
    most_veh, full_s = _filling(step, ways, end_s)
    return Places(
        came_veh=_sum(step.turn_idx, turns) + _sum(first[trips.due & ~trips.inserted], turns),
        left_veh=_sum(step.turn_idx[step.has_left], turns),
        spent_s=_sum(step.turn_idx, turns, seconds),
        waited_s=_sum(first[trips.due], turns, trips.waited_s[trips.due]),
        most_veh=most_veh,
        full_s=full_s,
        line_veh=_sum(ways.line_idx[drawn[buses]], lines),
        line_s=_sum(line[on_line], lines, seconds[on_line]),
    )


def _sum(idx: Ints, count: int, values: Floats | None = None) -> Floats:
    """float64[count]: sums of the values, or numbers of entries, by index."""
    return np.bincount(idx, values, count).astype(np.float64)


@dataclass(frozen=True)
class _Steps:
    """Every link that a vehicle of the run began to drive; at the end it has left, or not yet."""

    vehicle_id: Ints
    turn_idx: Ints
    in_s: Floats
    out_s: Floats
    has_left: npt.NDArray[np.bool_]


def _steps(result: RunResult, ways: Ways, drawn: Ints, end_s: float) -> _Steps:
    text = _whole(result.vehicle_routes_file, b"</routes>")
    found = _VEHICLE.findall(text)
    exits = _EXITS.findall(text)
    ids = np.array([int(vehicle_id) for vehicle_id, _ in found], dtype=np.int64)
    vehicles = drawn[ids]
    lengths = ways.starts[vehicles + 1] - ways.starts[vehicles]
    out_s = np.array(b" ".join(exits).split(), dtype=np.float64)
    if len(exits) != len(ids) or len(out_s) != lengths.sum():
        raise ValueError(f"{result.vehicle_routes_file.name} has holes")
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    in_s = np.roll(out_s, 1)
    in_s[starts] = np.array([float(depart) for _, depart in found])
    owner = np.repeat(np.arange(len(ids)), lengths)
    position = np.arange(len(out_s)) - starts[owner]
    turn_idx = ways.turn_idx[ways.starts[vehicles][owner] + position]
    begun = in_s >= 0  # behind the link where a vehicle stands at the end, all times are -1
    left_s = np.where(out_s < 0, end_s, out_s)
    has_left = out_s[begun] >= 0
    return _Steps(ids[owner][begun], turn_idx[begun], in_s[begun], left_s[begun], has_left)


def _filling(step: _Steps, ways: Ways, end_s: float) -> tuple[Floats, Floats]:
    """Most vehicles on each link at one time, and for how long it was full."""
    links = len(ways.room_veh)
    link = ways.link_of_turn[step.turn_idx]
    links2 = np.concatenate([link, link])
    times = np.concatenate([step.in_s, step.out_s])
    change = np.concatenate([np.ones(len(link)), -np.ones(len(link))])
    order = np.lexsort((change, times, links2))  # who leaves makes room for who comes
    links2, times, change = links2[order], times[order], change[order]
    present = np.cumsum(change)  # every vehicle leaves what it came to: 0 where a link begins
    most = np.zeros(links)
    np.maximum.at(most, links2, present)
    until = np.append(times[1:], end_s)
    until[np.flatnonzero(np.diff(links2))] = end_s
    is_full = present >= np.maximum(FULL_RATIO * ways.room_veh[links2], 1.0)
    return most, _sum(links2, links, np.where(is_full, until - times, 0.0))
