"""Days of a generated city in the queue model, as a state folder would tell of them.

A day's demand is drawn anew: every trip may stay at home or come twice, at another minute; the
level of the day, of its weekday and of each zone varies; when it rains everybody drives slower and
keeps a longer distance. What is *seen* of a day carries the errors of a fused state; what is *true*
is known beside it.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np

from network_data.city import load_city
from network_data.generated_city import generate
from traffic_brain.diagnosis.effect.days import Day
from traffic_brain.diagnosis.queue_model import (
    HABITS,
    StreetMap,
    journeys,
    lamps,
    simulate,
    street_map,
)
from traffic_brain.fusion.window import BIN_S
from traffic_brain.kernels.queues import Journeys, Lamps
from traffic_brain.model.network import RoadNetwork
from traffic_brain.model.signals import SignalPlan

BEGIN_S, END_S = 25200, 30600
"""The hour and a half that generated cities have demand for."""
PEAKS_S = (25200, 61200)
"""A day is two such peaks, drawn apart."""
PEAK_BINS = (END_S - BEGIN_S) // BIN_S
BIN_STARTS_S = np.concatenate([begin + np.arange(PEAK_BINS) * BIN_S for begin in PEAKS_S])
DAY_SD, ZONE_DAY_SD = 0.03, 0.03
"""Of a day's level of demand, and of each zone's beside it (logarithm)."""
WEEKDAY_LEVEL = (1.0, 0.985, 1.0, 1.01, 1.035, 0.8, 0.7)
RAIN_PROB, RAIN_HEADWAY, RAIN_SPEED = 0.25, 1.06, 0.95
LATER_S = 600.0
"""A trip leaves up to so much earlier or later than on file."""
SEEN_DAY_SD, SEEN_BIN_SD = 0.04, 0.2
"""Errors of a link's travel time (logarithm), of the day and of each bin. They make the delay of a
junction in one peak wrong by some 8 %: between hours recorded on several days, fused and true, it
was 9.6 % in the middle on cologne8 (six days) and 6.6 % on ingolstadt7 (four)."""
COUNT_DAY_SD, COUNT_BIN_SD = 0.05, 0.2
"""Errors of its vehicles, beside those of chance."""

Plans = Mapping[str, SignalPlan]


@dataclass(frozen=True)
class Drift:
    """Demand after over that before (logarithm): of the city, and of each zone beside it."""

    city: float = 0.0
    zones: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Weather:
    """What one day is like, before anybody drives: its date, its chances, the drift so far."""

    seed: tuple[int, ...]
    service_day: date
    drift: Drift


@dataclass(frozen=True, eq=False)
class City:
    """A generated city ready to drive in, dry and in the rain."""

    network: RoadNetwork
    dry: StreetMap
    rain: StreetMap
    trips: Sequence[tuple[float, tuple[str, ...]]]
    plans: Plans
    level: float
    """Of demand, by that on file."""

    @cached_property
    def everyone(self) -> Mapping[bool, Journeys]:
        """All trips on file, in the rain or not."""
        return {
            is_wet: journeys(m, self.trips) for is_wet, m in ((False, self.dry), (True, self.rain))
        }

    @cached_property
    def zone_of_trip(self) -> tuple[str, ...]:
        """The zone in which each trip begins."""
        return tuple(self.network.links[links[0]].zone_id or "" for _, links in self.trips)

    @cached_property
    def zones(self) -> tuple[str, ...]:
        return tuple(sorted(set(self.zone_of_trip)))


def make_city(folder: Path, *, junctions: int, seed: int, level: float) -> City:
    """Generate a city and read its streets, its trips and its plans of the morning."""
    folder.mkdir(parents=True)
    generate(folder, junctions=junctions, seed=seed)
    network = load_city(folder)
    dry = street_map(network)
    wet = replace(HABITS, through_headway_s=HABITS.through_headway_s * RAIN_HEADWAY)
    rain = street_map(network, wet)
    slow = rain.streets._replace(link_run_s=rain.streets.link_run_s / RAIN_SPEED)
    morning = {j: network.plan_at(j, 1, (BEGIN_S + END_S) // 2) for j in network.junctions}
    return City(
        network,
        dry,
        replace(rain, streets=slow),
        _trips(folder / "sumo/demand.rou.xml.gz"),
        {j: plan for j, plan in morning.items() if plan is not None},
        level,
    )


def _trips(path: Path) -> list[tuple[float, tuple[str, ...]]]:
    """(departure, links) in order of departure."""
    with gzip.open(path) as file:
        vehicles = [e for _, e in ET.iterparse(file) if e.tag == "vehicle"]
    return sorted(
        (float(v.attrib["depart"]), tuple(route.attrib["edges"].split()))
        for v in vehicles
        for route in v.iter("route")
    )


@dataclass(frozen=True)
class Driven:
    """What a day was: vehicles, hours lost, float64[link, bin]; free-flow times, s [link]."""

    vehicles: np.ndarray
    delay_h: np.ndarray
    free_s: np.ndarray


class ServiceDay:
    """The vehicles of a day's two peaks in a city, to be driven under any plans."""

    def __init__(self, city: City, weather: Weather) -> None:
        rng = np.random.default_rng(weather.seed)
        level = city.level * WEEKDAY_LEVEL[weather.service_day.weekday()]
        level *= np.exp(rng.normal(0.0, DAY_SD) + weather.drift.city)
        is_wet = rng.random() < RAIN_PROB
        self.weather = weather
        self._dry_s = city.dry.streets.link_run_s
        self._streets = city.rain if is_wet else city.dry
        everyone = city.everyone[is_wet]
        self._peaks = []
        for _ in PEAKS_S:
            of_zone = {
                z: np.exp(rng.normal(0.0, ZONE_DAY_SD) + weather.drift.zones.get(z, 0.0))
                for z in city.zones
            }
            count = rng.poisson(level * np.array([of_zone[z] for z in city.zone_of_trip]))
            who = np.repeat(np.arange(len(city.trips)), count)
            later_s = rng.uniform(-LATER_S, LATER_S, len(who))
            depart_s = np.clip(everyone.depart_s[who] + later_s, BEGIN_S, END_S - 1)
            self._peaks.append(_some_of(everyone, who, depart_s))

    def drive(self, plans: Plans) -> Driven:
        """What the day becomes under ``plans``."""
        shown = lamps(self._streets, plans)
        parts = [self._peak(shown, peak) for peak in self._peaks]
        vehicles, delay_h = (np.concatenate(p, axis=1) for p in zip(*parts, strict=True))
        return Driven(vehicles, delay_h, self._dry_s)

    def _peak(self, shown: Lamps, driven: Journeys) -> tuple[np.ndarray, np.ndarray]:
        """Vehicles and hours lost, float64[link, bin]."""
        run = simulate(self._streets, shown, driven, BEGIN_S, END_S)
        link, leave = driven.step_link, run.measures.step_leave_s
        left = (leave > 0) & (leave < END_S)
        shape = (len(self._dry_s), PEAK_BINS)
        cell = link[left] * shape[1] + ((leave[left] - BEGIN_S) // BIN_S).astype(np.int64)
        slower_s = self._streets.streets.link_run_s - self._dry_s
        lost_s = run.measures.step_delay_s[left] + slower_s[link[left]]
        size = shape[0] * shape[1]
        vehicles = np.bincount(cell, minlength=size).reshape(shape).astype(np.float64)
        return vehicles, np.bincount(cell, lost_s, minlength=size).reshape(shape) / 3600.0


def _some_of(everyone: Journeys, who: np.ndarray, depart_s: np.ndarray) -> Journeys:
    """The journeys of ``who``, some perhaps twice, at other times."""
    order = np.argsort(depart_s, kind="stable")
    who = who[order]
    counts = np.diff(everyone.step_start)[who]
    start = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    step = np.arange(start[-1]) + np.repeat(everyone.step_start[who] - start[:-1], counts)
    return Journeys(
        depart_s[order],
        start,
        everyone.step_link[step],
        everyone.step_turn[step],
        everyone.step_lanes[step],
        everyone.step_lanes_onward[step],
    )


def seen(day: Driven, weather: Weather, plans: Plans, rng: np.random.Generator) -> Day:
    """The day as a fused state tells it: each link and bin with its error."""
    shape = day.vehicles.shape

    def error(of_day: float, of_bin: float) -> np.ndarray:
        off = rng.normal(0.0, of_day, (shape[0], 1)) + rng.normal(0.0, of_bin, shape)
        return np.asarray(np.exp(off))

    mean_s = 3600.0 * day.delay_h / np.maximum(day.vehicles, 1.0)
    travel_s = (day.free_s[:, None] + mean_s) * error(SEEN_DAY_SD, SEEN_BIN_SD)
    return Day(
        weather.service_day.isoformat(),
        BIN_STARTS_S,
        np.maximum(travel_s, day.free_s[:, None]),
        day.vehicles * error(COUNT_DAY_SD, COUNT_BIN_SD),
        plans,
    )
