"""Makes the files of a day: an hour's arrivals per file, with what goes wrong in real feeds.

One row in a hundred twice, one in a hundred with a bad value, three in a hundred late by minutes
or hours, and of the plates one in fifty misread. Every file has a seed of its own, so files can be
made side by side, and the same seed makes the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.feeds.city import BUSES, MINUTES, SERVICE_DAY, City, city, next_links, profile
from traffic_brain.clock import TIME_ZONE, day_start_ms
from traffic_brain.executor import Engine, run_all
from traffic_brain.progress import Progress, silent

REPEATED, BAD, LATE, MISREAD = 0.01, 0.01, 0.03, 0.02
LATE_MEAN_S, LATEST_S = 900.0, 10_800
REPEATED_WITHIN_ROWS = 20_000
HOURS = 24
TRIP_LINKS = 12
SEEN_RATIO = 0.9
"""Share of vehicles that a camera reads."""
VEHICLES_PER_PASS = 0.08
PLATE_BYTES = 9
DAY_MS = day_start_ms(SERVICE_DAY)
HOUR_MS = 3_600_000
SOURCES = ("internet", "police", "transit", "checkpoint")
_LETTERS = np.frombuffer(b"ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", np.uint8)


@dataclass(frozen=True)
class Part:
    """One file to make: an hour of a source; hour −1 of checkpoint: all of its day."""

    source: str
    hour: int
    scale: float
    seed: int
    folder: Path


def make_day(
    folder: Path, scale: float, seed: int, *, workers: int = 2, progress: Progress = silent
) -> None:
    """Make all files of a day in ``folder``; what is there and whole is kept."""
    wanted = {"scale": scale, "seed": seed, "maker": maker_hash()}
    done = folder / "made.json"
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == wanted:
        return
    folder.mkdir(parents=True, exist_ok=True)
    parts = [Part(s, hour, scale, seed, folder) for s in SOURCES[:3] for hour in range(HOURS)]
    parts.insert(0, Part("checkpoint", -1, scale, seed, folder))
    for i, _ in enumerate(run_all(make_part, parts, Engine(workers))):
        progress((i + 1) / len(parts), "making the day")
    done.write_text(json.dumps(wanted), encoding="utf-8")


def maker_hash() -> str:
    """Changes when the day would be made differently."""
    here = Path(__file__)
    texts = (here.read_bytes(), (here.parent / "city.py").read_bytes())
    return hashlib.sha256(b"".join(texts)).hexdigest()[:16]


def files_of(folder: Path, source: str) -> list[Path]:
    """The files of a source in the order in which they came."""
    return sorted((folder / source).glob("part-*.parquet"))


def make_part(part: Part) -> None:
    """Make one file, or those of checkpoint."""
    (part.folder / part.source).mkdir(exist_ok=True)
    here = _city(part.scale, part.seed)
    if part.source == "checkpoint":
        _checkpoint(here, part)
        return
    rng = np.random.default_rng([part.seed, 1 + SOURCES.index(part.source), part.hour])
    make = {"internet": _internet, "police": _police, "transit": _transit}[part.source]
    _write(part.folder, part.source, part.hour, make(here, part, rng))


@cache
def _city(scale: float, seed: int) -> City:
    return city(scale, seed)


def _write(folder: Path, source: str, hour: int, table: pa.Table) -> None:
    pq.write_table(table, folder / source / f"part-{hour:02d}.parquet")


def _internet(here: City, part: Part, rng: np.random.Generator) -> pa.Table:
    """Every provider link, every minute; late ones stand where they arrive."""
    providers = len(here.link_of_provider)
    order = np.random.default_rng([part.seed, 9]).permutation(providers).astype(np.int32)
    provider = np.tile(order, 60)
    minute = np.repeat(np.arange(part.hour * 60, part.hour * 60 + 60, dtype=np.int32), providers)
    on_time = np.ones(len(provider), dtype=bool)
    at, arrivals = [], []
    for hour in range(max(0, part.hour - LATEST_S // 3600), part.hour + 1):
        rows, arrival = _late_rows(part, hour, 60 * providers, providers)
        if hour == part.hour:
            on_time[rows] = False
        here_now = arrival // 60 == part.hour
        at.append(hour * 60 * providers + rows[here_now])
        arrivals.append((arrival[here_now] - part.hour * 60) * providers)
    late = np.concatenate(at)
    kept = np.flatnonzero(on_time)
    places = np.searchsorted(kept, np.concatenate(arrivals))
    provider = np.insert(provider[kept], places, order[late % providers])
    minute = np.insert(minute[kept], places, (late // providers).astype(np.int32))
    rows = _with_repeats(len(provider), rng)
    provider, minute = provider[rows], minute[rows]
    # the speed is a function of link and minute, so that a repeat repeats it
    speed = here.speed_mps[minute // 5, here.link_of_provider[provider]]
    noise = ((provider * np.int64(7919) + minute * np.int64(104_729)) % 1021) / 1020.0
    kmh = np.round(speed * 3.6 * (0.75 + 0.5 * noise), 1).astype(np.float64)
    samples = ((provider * np.int64(31) + minute * np.int64(17)) % 12 + 1).astype(np.int32)
    time_ms = DAY_MS + minute.astype(np.int64) * 60_000
    bad = _Bad(len(provider), rng)
    time_ms[bad.kind(0)] += 5 * 86_400_000
    provider[bad.kind(1)] = providers
    kmh[bad.kind(2)] = -1.0
    kmh[bad.kind(3)] = 999.0
    samples[bad.kind(4)] = 0
    names = here.names()["provider"]
    return pa.table(
        {
            "provider_link_id": _ids(provider, [*names, "P-unheard-of"]),
            "time": _times(time_ms, bad.kind(5)),
            "speed_kmh": pa.array(kmh, mask=bad.mask(6)),
            "sample_count": pa.array(samples),
        }
    )


def _late_rows(part: Part, hour: int, rows: int, providers: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of an hour that come late, and the minute of the day in which they come."""
    rng = np.random.default_rng([part.seed, 8, hour])
    late = np.unique(rng.integers(0, rows, round(LATE * rows)))
    delay_s = np.minimum(rng.exponential(LATE_MEAN_S, len(late)), LATEST_S - 3600)
    arrival = hour * 60 + late // providers + (delay_s / 60).astype(np.int64)
    return late, np.minimum(arrival, MINUTES - 1)


def _police(here: City, part: Part, rng: np.random.Generator) -> pa.Table:
    rows = _share(here.rows["police"], part.hour)
    time_ms = _arrivals(rows, part.hour, rng)
    detector = rng.integers(0, len(here.link_of_detector), rows, dtype=np.int32)
    chosen = _with_repeats(rows, rng)
    time_ms, detector = time_ms[chosen], detector[chosen]
    bad = _Bad(len(detector), rng)
    time_ms[bad.kind(0)] += 5 * 86_400_000
    detector[bad.kind(1)] = len(here.link_of_detector)
    names = here.names()["detector"]
    return pa.table(
        {
            "detector_id": _ids(detector, [*names, "D-unheard-of"]),
            "time": _times(time_ms, bad.kind(2)),
        }
    )


def _transit(here: City, part: Part, rng: np.random.Generator) -> pa.Table:
    rows = _share(here.rows["transit"], part.hour)
    # to the millisecond, so that no bus enters a link twice at once: equal rows are repeats
    time_in = _arrivals(rows, part.hour, rng)
    bus = rng.integers(0, BUSES, rows, dtype=np.int32)
    link = rng.integers(0, here.links, rows, dtype=np.int32)
    bins = (time_in - DAY_MS) // 300_000
    took_s = here.length_m[link] / here.speed_mps[bins, link] + rng.exponential(12.0, rows)
    time_out = time_in + np.maximum(took_s, 1.0).astype(np.int64) * 1000
    chosen = _with_repeats(rows, rng)
    time_in, time_out, bus, link = time_in[chosen], time_out[chosen], bus[chosen], link[chosen]
    bad = _Bad(len(link), rng)
    time_in[bad.kind(0)] += 5 * 86_400_000
    link[bad.kind(1)] = here.links
    time_out[bad.kind(2)] -= 86_400_000
    names = here.names()
    return pa.table(
        {
            "vehicle_id": _ids(bus, names["bus"]),
            "link_id": _ids(link, [*names["link"], "L-unheard-of"]),
            "time_in": _times(time_in, bad.kind(3)),
            "time_out": _times(time_out, np.empty(0, dtype=np.int64)),
        }
    )


def _checkpoint(here: City, part: Part) -> None:
    """Trips on the network, seen by cameras; files of the hours in which the sightings came."""
    rng = np.random.default_rng([part.seed, 5])
    vehicle, site, time_ms = _sightings(here, rng)
    delay_s = np.where(rng.random(len(site)) < LATE, rng.exponential(LATE_MEAN_S, len(site)), 0.0)
    arrival_ms = time_ms + (np.minimum(delay_s, LATEST_S) * 1000).astype(np.int64)
    order = np.argsort(arrival_ms, kind="stable")
    hour_of = np.minimum((arrival_ms[order] - DAY_MS) // HOUR_MS, HOURS - 1)
    borders = np.searchsorted(hour_of, np.arange(HOURS + 1))
    plates = _plates(here, rng)
    names = [*here.names()["site"], "S-unheard-of"]
    for hour in range(HOURS):
        rows = order[borders[hour] : borders[hour + 1]]
        chosen = rows[_with_repeats(len(rows), rng)]
        text = plates[vehicle[chosen]]
        wrong = _some(len(text), MISREAD, rng)
        text[wrong, rng.integers(4, PLATE_BYTES, len(wrong))] = rng.choice(_LETTERS, len(wrong))
        at_ms, sites = time_ms[chosen], site[chosen]
        bad = _Bad(len(text), rng)
        at_ms[bad.kind(0)] += 5 * 86_400_000
        sites[bad.kind(1)] = len(names) - 1
        text[bad.kind(2)] = ord("?")
        table = pa.table(
            {
                "site_id": _ids(sites, names),
                "time": _times(at_ms, bad.kind(3)),
                "plate": _fixed_texts(text),
            }
        )
        _write(part.folder, part.source, hour, table)


def _sightings(here: City, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(vehicle int32, site int32, time int64 ms) of random walks, about as many as wanted."""
    wanted = here.rows["checkpoint"]
    site_of_link = here.site_of_link
    ratio = SEEN_RATIO * len(here.link_of_site) / here.links
    trips = round(wanted / (TRIP_LINKS * ratio))
    vehicle = rng.integers(0, max(1, round(wanted * VEHICLES_PER_PASS)), trips, dtype=np.int32)
    hour = rng.choice(HOURS, trips, p=profile() / profile().sum())
    at_s = hour * 3600.0 + rng.uniform(0.0, 3600.0, trips)
    link = rng.integers(0, here.links, trips)
    found: list[tuple[np.ndarray, ...]] = []
    for _ in range(TRIP_LINKS):
        speed = here.speed_mps[np.minimum(at_s // 300, 287).astype(np.int64), link]
        at_s = at_s + here.length_m[link] / speed * rng.lognormal(0.0, 0.25, trips)
        seen = (site_of_link[link] >= 0) & (rng.random(trips) < SEEN_RATIO) & (at_s < 86_400.0)
        found.append((vehicle[seen], site_of_link[link][seen], at_s[seen]))
        link = next_links(link, rng.choice([0, 0, 0, 1, 3], trips))
    vehicles, sites, times = (np.concatenate(column) for column in zip(*found, strict=True))
    return vehicles, sites, DAY_MS + (times * 1000).astype(np.int64)


def _plates(here: City, rng: np.random.Generator) -> np.ndarray:
    """uint8[vehicle, 9]: 皖A and five signs."""
    count = max(1, round(here.rows["checkpoint"] * VEHICLES_PER_PASS))
    plates = np.empty((count, PLATE_BYTES), dtype=np.uint8)
    plates[:, :4] = np.frombuffer("皖A".encode(), np.uint8)
    plates[:, 4:] = rng.choice(_LETTERS, (count, PLATE_BYTES - 4))
    return plates


class _Bad:
    """Rows with a bad value, shared out among the ways of being bad."""

    KINDS = 7

    def __init__(self, rows: int, rng: np.random.Generator) -> None:
        self._rows, self._chosen = rows, _some(rows, BAD, rng)

    def kind(self, kind: int) -> np.ndarray:
        """int64: the rows that are bad in this way."""
        return self._chosen[kind :: self.KINDS]

    def mask(self, kind: int) -> np.ndarray:
        """bool[row]: the same."""
        mask = np.zeros(self._rows, dtype=bool)
        mask[self.kind(kind)] = True
        return mask


def _some(rows: int, ratio: float, rng: np.random.Generator) -> np.ndarray:
    return np.unique(rng.integers(0, max(rows, 1), round(ratio * rows)))


def _with_repeats(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Row numbers, some of them a second time a little later."""
    again = _some(rows, REPEATED, rng)
    places = np.minimum(again + rng.integers(1, REPEATED_WITHIN_ROWS, len(again)), rows)
    return np.insert(np.arange(rows), places, again)


def _arrivals(rows: int, hour: int, rng: np.random.Generator) -> np.ndarray:
    """int64[row]: event times in ms, in the order of arrival, some of them late."""
    arrival = np.sort(rng.integers(0, HOUR_MS, rows)) + DAY_MS + hour * HOUR_MS
    late = _some(rows, LATE, rng)
    delay_ms = np.minimum(rng.exponential(LATE_MEAN_S, len(late)), LATEST_S) * 1000
    arrival[late] = np.maximum(arrival[late] - delay_ms.astype(np.int64), DAY_MS)
    return arrival


def _share(rows: int, hour: int) -> int:
    return round(rows * float(profile()[hour] / profile().sum()))


def _ids(codes: np.ndarray, names: Sequence[str]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(names, pa.string()))


def _times(time_ms: np.ndarray, missing: np.ndarray) -> pa.Array:
    mask = np.zeros(len(time_ms), dtype=bool)
    mask[missing] = True
    return pa.array(time_ms, mask=mask).view(pa.timestamp("ms", TIME_ZONE))


def _fixed_texts(text: np.ndarray) -> pa.Array:
    """uint8[row, bytes] as an array of texts, without making a Python text of any."""
    offsets = np.arange(len(text) + 1, dtype=np.int32) * text.shape[1]
    return pa.StringArray.from_buffers(len(text), pa.py_buffer(offsets), pa.py_buffer(text))


def row_count(paths: Iterable[Path]) -> int:
    """Rows of files, from their footers."""
    return sum(int(pq.read_metadata(path).num_rows) for path in paths)
