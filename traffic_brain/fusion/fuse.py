"""One service day of raw feeds into the state of the city."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from network_data.city import NET_FILE, load_city
from traffic_brain.clock import parse_service_day
from traffic_brain.errors import DataRefused
from traffic_brain.executor import HERE, Engine
from traffic_brain.feeds import checkpoint, internet, police, transit
from traffic_brain.feeds.coordinates import Plane, plane_of
from traffic_brain.feeds.findings import Finding
from traffic_brain.feeds.health import (
    Health,
    checkpoint_set_right,
    examine,
    internet_set_right,
    police_set_right,
)
from traffic_brain.feeds.layout import LAYOUT
from traffic_brain.feeds.location import BesideTheRoads
from traffic_brain.feeds.losses import LOST_READS, read_ratio
from traffic_brain.feeds.quarantine import Quarantine
from traffic_brain.feeds.tables import refuse_together
from traffic_brain.fusion.bursts import bursts
from traffic_brain.fusion.buses import bus_trips, without_buses
from traffic_brain.fusion.counters import Detectors, counters, dark_bins, live_detectors
from traffic_brain.fusion.flow_balance import Sightings, balanced_flows
from traffic_brain.fusion.gaps import camera_gaps
from traffic_brain.fusion.green_order import green_order
from traffic_brain.fusion.levels import class_of, level
from traffic_brain.fusion.link_features import Traffic
from traffic_brain.fusion.link_state import (
    LinkState,
    PaceEstimate,
    likely_probe_flow,
    link_state,
    of_the_vehicles,
    pace_of_traversals,
    probe_flow,
    widening_by,
)
from traffic_brain.fusion.map_edge import came_to_the_edge, waited_before
from traffic_brain.fusion.movement_demand import UNKNOWN, movement_demand
from traffic_brain.fusion.observations import ProbeSums, probe_sums
from traffic_brain.fusion.outages import silent_bins, stretches_s
from traffic_brain.fusion.quantities import Times, derived
from traffic_brain.fusion.routes import (
    MISSED_RATIO,
    RouteFinder,
    Trip,
    fill_gaps,
    sightings,
    turns_seen,
    whole_turns,
    without_misread,
)
from traffic_brain.fusion.running_plans import running_plans
from traffic_brain.fusion.sightings_table import write_sightings
from traffic_brain.fusion.signals.tables import found_signals, timing_findings, write_signals
from traffic_brain.fusion.trips import WeightedTrips, reconstruct, whole_trips
from traffic_brain.fusion.window import BIN_S, Window, window_of
from traffic_brain.model.documents import plans_to_json
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.reading import to_json
from traffic_brain.progress import Progress, silent

PLACED = (police.FEED, checkpoint.FEED, internet.FEED)
"""Feeds whose devices stand somewhere."""
NO_FOLDER = ".left out"
BUS_RELATIVE_SD = 0.8
BUS_QUANTILE = 0.25


@dataclass(frozen=True)
class _Feeds:
    police: police.PoliceDay
    checkpoint: checkpoint.CheckpointDay
    internet: internet.InternetDay
    transit: transit.TransitDay
    findings: tuple[Finding, ...] = ()
    """Why feeds that came were left out."""

    @property
    def rows(self) -> dict[str, int]:
        return {
            police.FEED: self.police.rows_read,
            checkpoint.FEED: self.checkpoint.rows_read,
            internet.FEED: self.internet.rows_read,
            transit.FEED: self.transit.rows_read,
        }

    @property
    def times_s(self) -> dict[str, np.ndarray]:
        """Seconds of the day of all that each feed told of the traffic."""
        told = (self.police.passes["time_s"], self.police.counts["time_s"])
        return {
            police.FEED: np.concatenate([t.to_numpy(np.float64) for t in told]),
            checkpoint.FEED: self.checkpoint.passes["time_s"].to_numpy(np.float64),
            internet.FEED: self.internet.speeds["time_s"].to_numpy(np.float64),
            transit.FEED: self.transit.passes["time_out_s"].to_numpy(np.float64),
        }

    @property
    def counts_nobody(self) -> bool:
        """Whether no feed sees every vehicle anywhere: speeds of some tell no flow."""
        tables = (self.police.passes, self.police.counts, self.checkpoint.passes)
        return all(len(table) == 0 for table in tables)

    def set_right(self, health: Health, quarantine: Quarantine) -> _Feeds:
        """The feeds without what is known to be wrong with their devices."""
        return replace(
            self,
            police=police_set_right(self.police, health, quarantine),
            checkpoint=checkpoint_set_right(self.checkpoint, health),
            internet=internet_set_right(self.internet, health),
        )


def fuse(
    city: Path,
    feeds_day: Path,
    out: Path,
    *,
    seed: int = 0,
    engine: Engine = HERE,
    progress: Progress = silent,
) -> dict[str, int]:
    """Fuse the feeds in ``feeds_day`` (a folder named by its service day) into ``out``.

    Args:
        engine: where the rows of the largest feed are read; it changes no byte of the state. On a
            cluster, every worker must see the feeds and ``out``.

    Raises:
        ConfigurationError: the folder's name is no date, or ``city`` is no city folder.
        DataRefused: the day is not there, a table is damaged, or no usable row is left.
    """
    if not feeds_day.is_dir():
        days = sorted(p.name for p in feeds_day.parent.glob("*-*-*")) or ["none"]
        raise DataRefused(
            f"there is no service day {feeds_day.name} in {feeds_day.parent}",
            f"choose one of: {', '.join(days)}",
        )
    day = parse_service_day(feeds_day.name)
    network = load_city(city)
    quarantine = Quarantine()
    progress(0.05, "reading the feeds")
    feeds = _read(feeds_day, network, day, quarantine, plane_of(city / NET_FILE), engine, out)
    progress(0.2, "examining the devices")
    health = examine(feeds.police, feeds.checkpoint, feeds.internet, network)
    feeds = feeds.set_right(health, quarantine)
    window = window_of(
        [
            feeds.police.passes["time_s"].to_numpy(),
            feeds.checkpoint.passes["time_s"].to_numpy(),
            feeds.internet.speeds["time_s"].to_numpy(),
        ]
    )
    if window is None:
        raise DataRefused(
            f"no usable row of any feed on {feeds_day.name}",
            "check the export of that day; the quarantine would have been the whole day",
            [f"{r['feed']}: {r['rows']} rows {r['reason']}" for r in _quarantined(quarantine)],
        )
    progress(0.3, "link speeds")
    probes = probe_sums(feeds.internet, network, window)
    first = link_state(network, window, probes)
    likely = likely_probe_flow(feeds.internet, network)
    finder = RouteFinder(network, first, feeds.checkpoint.live_links, seed, likely)
    progress(0.4, "joining checkpoint sightings to trips")
    seen = [
        trip
        for links, times in without_buses(sightings(feeds.checkpoint), feeds.transit)
        for trip in fill_gaps(links, times, finder)
    ]
    seen = without_misread(seen)
    detectors = live_detectors(feeds.police)
    counted = counters(network, feeds.police, detectors, window)
    progress(0.7, "balancing trips with counts")
    buses = bus_trips(feeds.transit, network)
    sighted = _sightings(network, feeds, seen, buses)
    balance = balanced_flows(network, counted, sighted, _heard_ratio(feeds, window))
    plans = running_plans(feeds.police.signal_log, network)
    signals = found_signals(feeds.police.passes, network, day, window.begin_s, window.end_s)
    state = _fused_links(
        network, window, feeds, seen, probes, first, Traffic(plans, balance.veh, window.hours)
    )
    finder.look_again(
        state,
        green_order(feeds.police.passes, network, plans),
        bursts(feeds.internet, network, sighted.probes, window, seed),
    )
    weighted = came_to_the_edge(
        reconstruct(seen, buses, finder, balance.veh, counted, feeds.police, window),
        network,
        window,
    )
    progress(0.9, "writing the state")
    unheard = silent_bins(list(feeds.times_s.values()), window)
    uncounted = unheard | feeds.counts_nobody
    _write_links(out, network, state, weighted, unheard, uncounted)
    _write_sources(out, network, state)
    write_sightings(out, seen, seed)
    vehicles = _write_trips(out, weighted, window, seed)
    pq.write_table(
        movement_demand(network, window, weighted, counted, balance, state, uncounted),
        out / "movement_demand.parquet",
    )
    (out / "running_plans.json").write_text(plans_to_json(list(plans.values())), encoding="utf-8")
    write_signals(out, network, signals, detectors.silent)
    findings = [
        *feeds.findings,
        *quarantine.findings(),
        *health.findings,
        *timing_findings(signals),
    ]
    _write_health(out, feeds, detectors, window, health.useless, findings)
    pq.write_table(quarantine.as_table(), out / "quarantine.parquet")
    rows_read = sum(feeds.rows.values())
    summary = {
        "service_day": feeds_day.name,
        "begin_s": window.begin_s,
        "end_s": window.end_s,
        "unheard_s": stretches_s(unheard, window),
        "rows_read": rows_read,
        "rows_used": rows_read - quarantine.total,
        "rows_quarantined": quarantine.total,
        "feeds": {
            feed: {"rows_read": rows, "rows_quarantined": quarantine.rows_of(feed)}
            for feed, rows in feeds.rows.items()
        },
        "vehicles": vehicles,
        "waited_before_the_map": waited_before(weighted),
        "seed": seed,
    }
    (out / "summary.json").write_text(to_json(summary), encoding="utf-8")
    return {"rows_fused": rows_read - quarantine.total, "rows_quarantined": quarantine.total}


def _fused_links(
    network: RoadNetwork,
    window: Window,
    feeds: _Feeds,
    seen: list[Trip],
    probes: ProbeSums,
    first: LinkState,
    traffic: Traffic,
) -> LinkState:
    """Link states from all sources; ``first``: those from probes alone."""
    gaps = camera_gaps(seen, network, window)
    widening = widening_by(first, network, gaps)
    pace = _bus_pace(network, window, feeds)
    return link_state(network, window, probes, gaps, pace, traffic, widening)


def _read(
    folder: Path,
    network: RoadNetwork,
    day: date,
    quarantine: Quarantine,
    plane: Plane | None,
    engine: Engine,
    scratch: Path,
) -> _Feeds:
    """Read all feeds; when several are bad, all their problems come in one refusal.

    A feed whose folder is not there is off for the day; a day without any is none. So is one that
    lies beside the roads, unless all do.
    """
    if not any((folder / feed).is_dir() for feed in LAYOUT):
        raise DataRefused(
            f"there is no feed in {folder}",
            "check the export of that day",
            [
                f"no {feed}/{table}.parquet"
                for feed, tables in LAYOUT.items()
                for table in tables
                if feed != transit.FEED
            ],
        )
    found: dict[str, Any] = {}
    refused = []
    beside: list[BesideTheRoads] = []
    findings = []
    reads: dict[str, Callable[..., Any]] = {
        police.FEED: partial(police.read, plane=plane),
        checkpoint.FEED: partial(checkpoint.read, plane=plane),
        internet.FEED: partial(internet.read, plane=plane, engine=engine, scratch=scratch),
        transit.FEED: transit.read,
    }
    for feed, read in reads.items():
        try:
            found[feed] = read(folder / feed, network, day, quarantine)
        except BesideTheRoads as error:
            beside.append(error)
            # Of such a feed nothing is known but that it came.
            found[feed] = read(folder / NO_FOLDER, network, day, Quarantine())
            findings.append(Finding(feed, "far_from_link", "*", (), f"{error.what}; left out"))
        except DataRefused as error:
            refused.append(error)
    refuse_together(refused)
    if len(beside) == sum((folder / feed).is_dir() for feed in PLACED):
        told = [error.what for error in beside]
        raise DataRefused("no feed lies on the roads", beside[0].remedy, told)
    return _Feeds(**found, findings=tuple(findings))


def _quarantined(quarantine: Quarantine) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = quarantine.as_table().to_pylist()
    return rows


def _bus_pace(network: RoadNetwork, window: Window, feeds: _Feeds) -> PaceEstimate:
    buses = feeds.transit.passes
    rows = buses.assign(
        link_idx=[network.link_idx[i] for i in buses["link_id"]],
        time_s=buses["time_out_s"],
        travel_time_s=buses["time_out_s"] - buses["time_in_s"],
    )
    return pace_of_traversals(rows, network, window, BUS_RELATIVE_SD, BUS_QUANTILE)


def _sightings(
    network: RoadNetwork, feeds: _Feeds, seen: list[Trip], buses: list[tuple[float, Trip]]
) -> Sightings:
    read = feeds.checkpoint.passes["link_id"].value_counts()
    came = read_ratio(feeds.checkpoint, feeds.police, network)
    share = came if came < LOST_READS else 1.0 - MISSED_RATIO
    return Sightings(
        cameras={str(k): float(n) / share for k, n in read.items()},
        probes=probe_flow(feeds.internet, network),
        turns=turns_seen([*seen, *(trip for _, trip in buses)]),
        whole_turns=whole_turns(seen, [trip for _, trip in buses], share),
    )


def _heard_ratio(feeds: _Feeds, window: Window) -> float:
    """Share of the traffic that drove while detectors were heard, as cameras or probes tell.

    A quarter of an hour in which nobody spoke because nobody drove is no loss.
    """
    dark = dark_bins(feeds.police, window)
    for table in (feeds.checkpoint.passes, feeds.internet.speeds):
        time_s = table["time_s"].to_numpy()
        time_s = time_s[(time_s >= window.begin_s) & (time_s < window.end_s)]
        if len(time_s):
            return float(1.0 - dark[window.bin_idx(time_s)].mean())
    return 1.0


def _write_links(
    out: Path,
    network: RoadNetwork,
    state: LinkState,
    weighted: WeightedTrips,
    unheard: np.ndarray,
    uncounted: np.ndarray,
) -> None:
    """Rows of all links and bins; in ``unheard`` bins nothing but null and ``unknown``.

    In ``uncounted`` bins the flow is null.
    """
    window = state.window
    bins, links = window.bin_count, list(network.links)
    flow = np.zeros((len(links), bins))
    for trip, weight in zip(weighted.trips, weighted.weights, strict=True):
        for link, at_s in zip(trip.links, trip.exit_s, strict=True):
            if window.begin_s <= at_s < window.end_s:
                flow[network.link_idx[link], int(at_s - window.begin_s) // BIN_S] += weight
    state = of_the_vehicles(state, network, flow)
    classes = [class_of(link) for link in network.links.values()]
    speed = np.round(state.speed_mps, 3)
    levels = [
        UNKNOWN if unheard[b] else level(classes[i], speed[i, b] * 3.6)
        for i in range(len(links))
        for b in range(bins)
    ]
    is_unknown = np.tile(unheard, len(links))

    def told(values: np.ndarray, digits: int, mask: np.ndarray = is_unknown) -> pa.Array:
        return pa.array(np.round(values, digits).ravel(), mask=mask)

    nobody = np.tile(uncounted, len(links))
    length = np.array([link.length_m for link in network.links.values()])[:, None]
    free = length / np.array([link.free_flow_speed_mps for link in network.links.values()])[:, None]
    times = Times(state.mean_travel_time_s, state.travel_time_low_s, state.travel_time_high_s, free)
    more = {
        name: told(values, 3, is_unknown if name.startswith("delay") else nobody)
        for name, values in derived(flow, times, length).items()
    }
    columns = {
        "link_id": pa.array(np.repeat(np.array(links, dtype=object), bins), pa.string()),
        "bin_start_s": np.tile(window.bin_starts, len(links)),
        "speed_mps": told(speed, 3),
        "travel_time_s": told(state.travel_time_s, 2),
        "mean_travel_time_s": told(state.mean_travel_time_s, 2),
        "travel_time_low_s": told(state.travel_time_low_s, 2),
        "travel_time_high_s": told(state.travel_time_high_s, 2),
        "flow_veh": told(flow, 2, nobody),
        **more,
        "level": pa.array(levels, pa.string()),
        "sources": pa.array(np.where(unheard, "none", state.sources).ravel(), pa.string()),
    }
    pq.write_table(pa.table(columns), out / "link_state.parquet")


def _write_sources(out: Path, network: RoadNetwork, state: LinkState) -> None:
    """What each source alone says, where it saw anything: it shows where they disagree."""
    ids = np.array(list(network.links), dtype=object)
    tables = []
    for name, pace in state.by_source.items():
        link_idx, bin_idx = np.nonzero(np.isfinite(pace))
        tables.append(
            pa.table(
                {
                    "source": pa.array([name] * len(link_idx), pa.string()),
                    "link_id": pa.array(ids[link_idx], pa.string()),
                    "bin_start_s": state.window.bin_starts[bin_idx],
                    "pace_s_per_m": np.round(pace[link_idx, bin_idx], 5),
                }
            )
        )
    pq.write_table(pa.concat_tables(tables), out / "link_sources.parquet")


def _write_trips(out: Path, weighted: WeightedTrips, window: Window, seed: int) -> int:
    vehicles = whole_trips(weighted, window, seed)
    pq.write_table(
        pa.table(
            {
                "trip_idx": pa.array(range(len(vehicles)), pa.int64()),
                "depart_s": pa.array([round(v.depart_s, 1) for v in vehicles], pa.float64()),
                "links": pa.array([list(v.trip.links) for v in vehicles], pa.list_(pa.string())),
                "vehicle_class": pa.array(
                    ["bus" if v.is_bus else "car" for v in vehicles], pa.string()
                ),
                "detected": pa.array([v.is_detected for v in vehicles], pa.bool_()),
            }
        ),
        out / "trips.parquet",
    )
    return len(vehicles)


def _write_health(
    out: Path,
    feeds: _Feeds,
    detectors: Detectors,
    window: Window,
    useless: frozenset[str],
    findings: Sequence[Finding],
) -> None:
    rows = [
        {"feed": police.FEED, "device_id": d, "code": "dead", "detail": f"junction {j}"}
        for d, j in detectors.dead
        if d not in useless
    ]
    rows += [
        {"feed": feed, "device_id": "*", "code": "no_data", "detail": detail}
        for feed, times_s in feeds.times_s.items()
        for detail in _silences(feed, times_s, window)
    ]
    rows += [finding.row() for finding in findings]
    schema = pa.schema([(c, pa.string()) for c in ("feed", "device_id", "code", "detail")])
    pq.write_table(pa.Table.from_pylist(rows, schema), out / "health.parquet")


def _silences(feed: str, times_s: np.ndarray, window: Window) -> Iterator[str]:
    """When a feed said nothing, in words; a city need not have buses."""
    if len(times_s):
        for begin, end in stretches_s(silent_bins([times_s], window), window):
            yield f"{begin}-{end} s of the day"
    elif feed != transit.FEED:
        yield "whole day"
