"""The raw feeds of a world, exactly as other departments would send them.

Nothing here knows how the feeds will be read. Every random choice comes from the seed and the
name of the feed, so that one feed's settings do not change another.
"""

from __future__ import annotations

import math
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from sim_scenarios.defects import (
    Defects,
    Floats,
    Indices,
    arrivals,
    clock_errors_s,
    hit,
    with_outliers,
)
from sim_scenarios.departures import Demand
from sim_scenarios.outputs import DetectorEntry, ProbeSample, SignalState, VehicleRoute
from sim_scenarios.plates import invent_plates, misread
from sim_scenarios.sensors import COUNT_INTERVAL_S, DETECTOR_PREFIX, Detector, Sensors, Streets
from traffic_brain.clock import TIME_ZONE, day_start_ms

TIME = pa.timestamp("ms", tz=TIME_ZONE)
SHORTEST_CHECKPOINT_LINK_M = 30.0
OFF_ROAD = frozenset(
    (
        *("pedestrian", "bicycle", "wheelchair", "container", "ship", "drone", "aircraft"),
        *("tram", "rail_urban", "rail", "rail_electric", "rail_fast", "subway", "cable_car"),
    )
)
"""Vehicle classes that no detector, camera or probe of ours sees."""
BUSES = frozenset({"bus", "coach"})


@dataclass(frozen=True, slots=True)
class Recording:
    """One recorded stretch of a service day, and how it reaches the engine."""

    service_day: date
    begin_s: int
    end_s: int
    seed: int
    sensors: Sensors
    defects: Defects

    def rng(self, feed: str) -> np.random.Generator:
        """The generator of one feed."""
        return np.random.default_rng([self.seed, zlib.crc32(feed.encode())])

    def timestamps(self, times_s: Floats) -> pa.Array:
        """Aware times of seconds of the service day."""
        times_ms = day_start_ms(self.service_day) + np.round(times_s * 1000).astype(np.int64)
        return pa.array(times_ms).cast(TIME)


def write_police(
    folder: Path,
    recording: Recording,
    streets: Streets,
    demand: Demand,
    entries: Sequence[DetectorEntry],
    routes: Sequence[VehicleRoute],
    states: Sequence[SignalState],
) -> dict[str, int]:
    """Write passes, counts, the signal log and the register; returns rows per table.

    The detectors of a junction share their controller's clock with its signal log.
    """
    rng = recording.rng("police")
    defects = recording.defects
    detectors = streets.detectors
    junctions = sorted({d.junction_id for d in detectors} | {s.junction_id for s in states})
    skew_of = dict(
        zip(junctions, clock_errors_s(len(junctions), defects, rng).tolist(), strict=True)
    )
    skews_s = np.array([skew_of[d.junction_id] for d in detectors])
    dead = hit(len(detectors), defects.dead_detector_ratio, rng)
    silent = dead & hit(len(detectors), 0.5, rng)

    idx_of = {DETECTOR_PREFIX + d.detector_id: i for i, d in enumerate(detectors)}
    seen = [
        e
        for e in _passes(
            entries, routes, {name: detectors[i].link_id for name, i in idx_of.items()}
        )
        if demand.class_of(e.vehicle_type) not in OFF_ROAD
    ]
    device_idxs = np.array([idx_of[e.detector_id] for e in seen], dtype=np.int64)
    times_s = np.array([e.time_s for e in seen], dtype=np.float64)
    times_s += skews_s[device_idxs] if seen else 0.0
    alive = ~dead[device_idxs]
    device_idxs, times_s = device_idxs[alive], times_s[alive]

    columns = _detector_columns(detectors)
    rows = arrivals(times_s, defects, rng)
    passes = {
        **_take(columns, device_idxs[rows]),
        "time": recording.timestamps(times_s[rows]),
    }
    counts = _counts(recording, columns, device_idxs, times_s, np.flatnonzero(~silent), rng)
    log_times_s = np.array([s.time_s + skew_of[s.junction_id] for s in states])
    order = np.argsort(log_times_s, kind="stable")
    log = {
        "junction_id": _strings([states[i].junction_id for i in order]),
        "time": recording.timestamps(log_times_s[order]),
        "plan_id": _strings([states[i].program_id for i in order]),
        "interval_idx": pa.array([states[i].phase_idx for i in order], pa.int32()),
        "picture": _strings([states[i].picture for i in order]),
    }
    positions = pa.array([d.position_m for d in detectors], pa.float64())
    return {
        "police/passes": write_table(folder / "passes.parquet", passes),
        "police/counts": write_table(folder / "counts.parquet", counts),
        "police/signal_log": write_table(folder / "signal_log.parquet", log),
        "police/detectors": write_table(
            folder / "detectors.parquet", {**columns, "position_m": positions}
        ),
    }


def _passes(
    entries: Sequence[DetectorEntry],
    routes: Sequence[VehicleRoute],
    link_of_detector: Mapping[str, str],
) -> list[DetectorEntry]:
    """Entries that are passes of the stop line, without two artefacts of the simulator.

    A vehicle whose trip ends on an approach parks there, though SUMO lets it drive to the
    lane's end; and one that stands on a detector may jump sideways onto the next one, where
    it enters again: of several entries before one exit the last counts.
    """
    goal_of = {route.vehicle_id: route.links[-1] for route in routes}
    exits_of: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for route in routes:
        for link, exit_s in zip(route.links[:-1], route.exit_times_s[:-1], strict=True):
            exits_of[route.vehicle_id, link].append(exit_s)
    later_of: dict[tuple[str, str], float] = {}
    kept = []
    for entry in reversed(entries):
        link = link_of_detector[entry.detector_id]
        key = (entry.vehicle_id, link)
        later_s = later_of.get(key)
        later_of[key] = entry.time_s
        latest_s = math.inf if later_s is None else later_s
        left = any(entry.time_s <= exit_s <= latest_s for exit_s in exits_of[key])
        waits_on_it = later_s is None and goal_of.get(entry.vehicle_id) != link
        if left or waits_on_it:
            kept.append(entry)
    return kept[::-1]


def _detector_columns(detectors: Sequence[Detector]) -> dict[str, pa.Array]:
    return {
        "detector_id": _strings([d.detector_id for d in detectors]),
        "junction_id": _strings([d.junction_id for d in detectors]),
        "link_id": _strings([d.link_id for d in detectors]),
        "lane_idx": pa.array([d.lane_idx for d in detectors], pa.int32()),
    }


def _counts(
    recording: Recording,
    columns: Mapping[str, pa.Array],
    device_idxs: Indices,
    times_s: Floats,
    sending: Indices,
    rng: np.random.Generator,
) -> dict[str, pa.Array]:
    """One row per sending detector and interval, zeros included."""
    first = recording.begin_s // COUNT_INTERVAL_S
    bin_count = -(-recording.end_s // COUNT_INTERVAL_S) - first
    device_count = len(columns["lane_idx"])
    bins = (times_s // COUNT_INTERVAL_S).astype(np.int64) - first
    inside = (bins >= 0) & (bins < bin_count)
    counted = np.bincount(
        device_idxs[inside] * bin_count + bins[inside], minlength=device_count * bin_count
    )
    devices = np.tile(sending, bin_count)
    bin_idxs = np.repeat(np.arange(bin_count), sending.size)
    starts_s = np.asarray((first + bin_idxs) * COUNT_INTERVAL_S, np.float64)
    rows = arrivals(starts_s, recording.defects, rng)
    return {
        **_take(columns, devices[rows]),
        "time": recording.timestamps(starts_s[rows]),
        "interval_s": pa.array(np.full(rows.size, COUNT_INTERVAL_S, np.int32)),
        "count": pa.array(counted[devices[rows] * bin_count + bin_idxs[rows]].astype(np.int32)),
    }


def write_checkpoint(
    folder: Path,
    recording: Recording,
    streets: Streets,
    demand: Demand,
    routes: Sequence[VehicleRoute],
) -> dict[str, int]:
    """Write plates read at the ends of some links, and the register of cameras."""
    rng = recording.rng("checkpoint")
    defects = recording.defects
    eligible = [
        link for link, length in streets.car_links.items() if length >= SHORTEST_CHECKPOINT_LINK_M
    ]
    equipped = sorted(
        eligible[i]
        for i in np.flatnonzero(hit(len(eligible), recording.sensors.checkpoint_ratio, rng))
    )
    site_of = {link: i for i, link in enumerate(equipped)}
    skews_s = clock_errors_s(len(equipped), defects, rng)
    dead = hit(len(equipped), defects.dead_detector_ratio, rng)
    motor = [r for r in routes if demand.class_of(r.vehicle_type) not in OFF_ROAD]
    plates = invent_plates(len(motor), rng)
    passes = [
        (exit_s, site_of[link], vehicle)
        for vehicle, route in enumerate(motor)
        for link, exit_s in zip(route.links, route.exit_times_s, strict=True)
        if exit_s >= 0 and link in site_of and not dead[site_of[link]]
    ]
    seen = hit(len(passes), recording.sensors.detection_ratio, rng)
    passes = [one for one, read in zip(passes, seen, strict=True) if read]
    sites = np.array([site for _, site, _ in passes], dtype=np.int64)
    times_s = np.array([exit_s for exit_s, _, _ in passes], dtype=np.float64)
    times_s += skews_s[sites] if passes else 0.0
    wrong = hit(len(passes), defects.misread_plate_ratio, rng)
    texts = [
        misread(plates[vehicle], rng) if bad else plates[vehicle]
        for (_, _, vehicle), bad in zip(passes, wrong, strict=True)
    ]
    rows = arrivals(times_s, defects, rng)
    register = {
        "site_id": _strings([f"K{i + 1:04d}" for i in range(len(equipped))]),
        "link_id": _strings(equipped),
    }
    table = {
        **_take(register, sites[rows]),
        "time": recording.timestamps(times_s[rows]),
        "plate": _strings([texts[i] for i in rows]),
    }
    return {
        "checkpoint/passes": write_table(folder / "passes.parquet", table),
        "checkpoint/sites": write_table(folder / "sites.parquet", register),
    }


def write_internet(
    folder: Path,
    recording: Recording,
    streets: Streets,
    demand: Demand,
    samples: Sequence[ProbeSample],
) -> dict[str, int]:
    """Write the mean speed of probe cars per provider link and interval.

    Samples are equally spaced in time, so that their plain mean is the space-mean speed
    (Edie 1963: distance travelled over time spent).
    """
    rng = recording.rng("internet")
    links = list(streets.car_links)
    numbers = rng.permutation(len(links))
    provider_of = {link: int(n) for link, n in zip(links, numbers, strict=True)}
    interval_s = recording.sensors.speed_interval_s
    unseen = OFF_ROAD | BUSES
    sums: dict[tuple[int, int], list[float]] = {}
    for sample in samples:
        number = provider_of.get(sample.link_id)
        if number is None or demand.class_of(sample.vehicle_type) in unseen:
            continue
        entry = sums.setdefault((int(sample.time_s // interval_s), number), [0.0, 0.0])
        entry[0] += sample.speed_mps
        entry[1] += 1
    keys = sorted(sums)
    starts_s = np.array([bin_idx * interval_s for bin_idx, _ in keys], dtype=np.float64)
    counts = np.array([sums[key][1] for key in keys], dtype=np.float64)
    totals = np.array([sums[key][0] for key in keys], dtype=np.float64)
    speeds_kmh = with_outliers(3.6 * totals / np.maximum(counts, 1), recording.defects, rng)
    rows = arrivals(starts_s, recording.defects, rng)
    names = _strings([f"P{n + 1:06d}" for n in range(len(links))])
    link_idxs = np.array([n for _, n in keys], dtype=np.int64)
    speeds = {
        "provider_link_id": names.take(pa.array(link_idxs[rows])),
        "time": recording.timestamps(starts_s[rows]),
        "interval_s": pa.array(np.full(rows.size, interval_s, np.int32)),
        "speed_kmh": pa.array(np.round(speeds_kmh[rows], 1)),
        "sample_count": pa.array(counts[rows].astype(np.int32)),
    }
    table = {
        "provider_link_id": names,
        "link_id": _strings([links[i] for i in np.argsort(numbers, kind="stable")]),
    }
    return {
        "internet/speeds": write_table(folder / "speeds.parquet", speeds),
        "internet/links": write_table(folder / "links.parquet", table),
    }


def write_transit(
    folder: Path, recording: Recording, demand: Demand, routes: Sequence[VehicleRoute]
) -> dict[str, int]:
    """Write the buses' way from link to link; no folder where no bus runs."""
    rng = recording.rng("transit")
    ways = [
        (route.vehicle_id, _line_of(route.vehicle_id, demand), link, enter_s, exit_s)
        for route in routes
        if demand.class_of(route.vehicle_type) in BUSES
        for link, enter_s, exit_s in zip(
            route.links,
            (route.depart_s, *route.exit_times_s[:-1]),
            route.exit_times_s,
            strict=True,
        )
        if exit_s >= 0
    ]
    if not ways:
        return {}
    exits_s = np.array([way[4] for way in ways])
    rows = arrivals(exits_s, recording.defects, rng)
    table = {
        "vehicle_id": _strings([ways[i][0] for i in rows]),
        "line": _strings([ways[i][1] for i in rows]),
        "link_id": _strings([ways[i][2] for i in rows]),
        "time_in": recording.timestamps(np.array([ways[i][3] for i in rows])),
        "time_out": recording.timestamps(exits_s[rows]),
    }
    return {"transit/passes": write_table(folder / "passes.parquet", table)}


def _line_of(vehicle_id: str, demand: Demand) -> str:
    """The line of a bus: as its file says, else what its id shares with its followers'."""
    stem = vehicle_id.rstrip("0123456789").rstrip("._-") or vehicle_id
    return demand.line_of.get(vehicle_id) or demand.line_of.get(stem) or stem


def write_table(path: Path, columns: Mapping[str, pa.Array]) -> int:
    """Write one Parquet table and return its number of rows; same columns, same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(dict(columns))
    pq.write_table(table, path, compression="zstd")
    return int(table.num_rows)


def _strings(values: Sequence[str]) -> pa.Array:
    return pa.array(values, pa.string())


def _take(columns: Mapping[str, pa.Array], idxs: npt.NDArray[np.int64]) -> dict[str, pa.Array]:
    return {name: column.take(pa.array(idxs)) for name, column in columns.items()}
