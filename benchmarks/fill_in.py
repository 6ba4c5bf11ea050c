"""Real feeds with holes: how well the fusion fills them, beside three simple ways.

Run ``python -m benchmarks.fill_in [--seeds N …] [--json FILE]``. Speeds of 207 places in Los
Angeles come through the reader of the internet feed, flows of 115 stations on the I-5 through that
of the police feed (a week and three days, every 5 min). A fifth of the stations or of the times is
hidden, at random and in blocks; the table has the mean absolute error of what was filled in, over
all draws of what is hidden: km/h and veh/h. ``won``: draws in which the fusion beats all others.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from traffic_brain.clock import TIME_ZONE
from traffic_brain.feeds import internet, police
from traffic_brain.feeds.tables import Quarantine
from traffic_brain.fusion.filling import fill
from traffic_brain.model.network import Link, RoadNetwork

DATA = Path(__file__).parents[2] / "shared/data"
SEEDS = (1, 2, 3, 4, 5)
BIN_S = 300
BINS_PER_DAY = 288
HIDDEN = 0.2
BLOCK_BINS = 24
BLOCK_STATIONS = 6
KMH_PER_MPH = 1.609344
TIME = pa.timestamp("ms", TIME_ZONE)


@dataclass(frozen=True)
class Feed:
    """series: float64[station, bin], NaN where the readers found nothing; near: how alike."""

    series: np.ndarray
    near: np.ndarray


# --- through the readers -------------------------------------------------------------------


def los_loop(folder: Path) -> Feed:
    """Speeds of Los Angeles in km/h, read as a provider's link speeds."""
    table = pd.read_csv(folder / "los_speed.csv")
    near = pd.read_csv(folder / "los_adj.csv", header=None).to_numpy(dtype=np.float64)
    stations = [str(name) for name in table.columns]
    network = one_link_each(stations)
    read = []
    values = table.to_numpy(dtype=np.float64) * KMH_PER_MPH
    for day, rows in _days(values, date(2012, 3, 5)):
        bins, idx = (a.ravel() for a in np.indices(rows.shape))
        speeds = {
            "provider_link_id": pa.array([stations[i] for i in idx], pa.string()),
            "time": _times(day, bins),
            "interval_s": np.full(bins.size, BIN_S),
            "speed_kmh": rows.ravel(),
            "sample_count": np.ones(bins.size, dtype=np.int64),
        }
        links = {"provider_link_id": stations, "link_id": stations}
        with TemporaryDirectory() as temporary:
            _write(Path(temporary), {"links": links, "speeds": speeds})
            found = internet.read(Path(temporary), network, day, Quarantine()).speeds
        read.append(_matrix(found, found["speed_mps"] * 3.6, network, len(rows)))
    return Feed(np.concatenate(read, axis=1), np.maximum(near, near.T))


def pems_i5n(folder: Path) -> Feed:
    """Flows of the I-5 in veh/h, read as counts of detectors."""
    table = pd.read_csv(folder / "train_detector_states_3days.csv.gz")
    table = table[table["is_observed"] == 1]
    chain = pd.read_csv(folder / "detector_chain_fd.csv").sort_values("milepost")
    stations = [str(name) for name in chain["station_id"]]
    network = one_link_each(stations)
    local = pd.to_datetime(table["timestamp"].str.rstrip("Z"))
    read = []
    for name, rows in table.groupby(local.dt.date):
        day = date.fromisoformat(str(name))
        start = local[rows.index]
        bins = ((start.dt.hour * 3600 + start.dt.minute * 60) // BIN_S).to_numpy()
        count = np.round(rows["flow"] * BIN_S / 3600).to_numpy(dtype=np.int64)
        counts = {
            "detector_id": pa.array(rows["station_id"].astype(str), pa.string()),
            "time": _times(day, bins),
            "interval_s": np.full(len(rows), BIN_S),
            "count": count,
        }
        detectors = {
            "detector_id": stations,
            "junction_id": stations,
            "link_id": stations,
            "lane_idx": np.zeros(len(stations), dtype=np.int64),
            "position_m": np.zeros(len(stations)),
        }
        text, when = pa.array([], pa.string()), pa.array([], TIME)
        log = dict.fromkeys(("junction_id", "plan_id", "picture"), text)
        log |= {"time": when, "interval_idx": pa.array([], pa.int64())}
        tables = {
            "detectors": detectors,
            "counts": counts,
            "passes": {"detector_id": text, "time": when},
            "signal_log": log,
        }
        with TemporaryDirectory() as temporary:
            _write(Path(temporary), tables)
            found = police.read(Path(temporary), network, day, Quarantine()).counts
        per_hour = found["count"] * 3600 / found["interval_s"]
        read.append(_matrix(found, per_hour, network, BINS_PER_DAY))
    km = chain["x_km"].to_numpy(dtype=np.float64)
    return Feed(np.concatenate(read, axis=1), np.exp(-np.abs(km[:, None] - km[None]) / 5.0))


def one_link_each(stations: Sequence[str]) -> RoadNetwork:
    """A network that only knows the stations' names: the readers look up no more."""
    links = {
        name: Link(
            link_id=name,
            from_node=f"{name}.a",
            to_node=f"{name}.b",
            length_m=500.0,
            free_flow_speed_mps=29.0,
            lane_count=1,
            road_class="highway.motorway",
            name=name,
            shape=((500.0 * i, 0.0), (500.0 * (i + 1), 0.0)),
            car_lanes=(0,),
        )
        for i, name in enumerate(stations)
    }
    return RoadNetwork("stations", links, (), {}, {})


def _days(values: np.ndarray, first: date) -> list[tuple[date, np.ndarray]]:
    cuts = range(0, len(values), BINS_PER_DAY)
    return [(first + timedelta(days=n), values[c : c + BINS_PER_DAY]) for n, c in enumerate(cuts)]


def _times(day: date, bins: np.ndarray) -> pa.Array:
    start = pd.Timestamp(day, tz=TIME_ZONE)
    return pa.array(start + pd.to_timedelta(bins * BIN_S, unit="s"), TIME)


def _write(folder: Path, tables: Mapping[str, Mapping[str, object]]) -> None:
    for name, columns in tables.items():
        pq.write_table(pa.table(dict(columns)), folder / f"{name}.parquet")


def _matrix(
    rows: pd.DataFrame, values: pd.Series[float], network: RoadNetwork, bins: int
) -> np.ndarray:
    found = np.full((len(network.links), bins), np.nan)
    idx = [network.link_idx[i] for i in rows["link_id"]]
    found[idx, (rows["time_s"].to_numpy() // BIN_S).astype(np.int64)] = values
    return found


# --- what is hidden, and simple ways to fill it --------------------------------------------


def patterns(shape: tuple[int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """bool[station, bin] by name: a fifth of the stations, of the times, of both apart."""
    stations, bins = shape
    blocks = np.arange(bins) // BLOCK_BINS
    groups = np.arange(stations) // BLOCK_STATIONS

    def some(labels: np.ndarray) -> np.ndarray:
        kinds = int(labels.max()) + 1
        chosen = rng.choice(kinds, max(1, round(HIDDEN * kinds)), replace=False)
        return np.asarray(np.isin(labels, chosen))

    whole = np.ones(shape, dtype=bool)
    each = np.array([some(blocks) for _ in range(stations)])
    return {
        "stations, at random": whole & some(np.arange(stations))[:, None],
        "stations, in blocks": whole & some(groups)[:, None],
        "times, at random": whole & some(np.arange(bins))[None],
        "times, in blocks": whole & some(blocks)[None],
        "single values, at random": rng.random(shape) < HIDDEN,
        "times of each station, in blocks": each,
    }


def interpolated(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Linear in time; a station without any value: linear in place, along the order of both."""
    del near
    found = pd.DataFrame(values.T).interpolate(limit_direction="both").to_numpy().T
    return np.asarray(pd.DataFrame(found).interpolate(limit_direction="both").to_numpy())


def historical_mean(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The station's mean at that time of day; without any, that of all stations."""
    del near
    of_day = np.arange(values.shape[1]) % BINS_PER_DAY
    mean = pd.DataFrame(values.T).groupby(of_day).mean().to_numpy().T
    everyone = np.nanmean(values) if np.isfinite(values).any() else 0.0
    of_all = pd.Series(_mean(mean, axis=0)).interpolate(limit_direction="both").fillna(everyone)
    mean = np.where(np.isfinite(mean), mean, of_all.to_numpy()[None])
    return np.asarray(mean[:, of_day])


def neighbours_mean(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Mean of the other stations at that time by nearness; of no station known: history."""
    weight = near * (1.0 - np.eye(len(near))) + 1e-6
    known = np.isfinite(values)
    total = weight @ np.where(known, values, 0.0)
    told = weight @ known.astype(np.float64)
    history = historical_mean(values, near)
    return np.where(told > 0, total / np.where(told > 0, told, 1.0), history)


def fused(values: np.ndarray, near: np.ndarray) -> np.ndarray:
    """The fusion's filling."""
    return fill(values, near, BINS_PER_DAY).series


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    count = np.isfinite(values).sum(axis=axis)
    total = np.nansum(values, axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


WAYS: Mapping[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "fusion": fused,
    "linear interpolation": interpolated,
    "historical mean": historical_mean,
    "neighbours' mean": neighbours_mean,
}


def measure(feed: Feed, seed: int) -> dict[str, dict[str, float]]:
    """Mean absolute error by pattern and way."""
    rng = np.random.default_rng(seed)
    figures = {}
    for name, hidden in patterns(feed.series.shape, rng).items():
        rest = np.where(hidden, np.nan, feed.series)
        judged = hidden & np.isfinite(feed.series)
        figures[name] = {
            way: float(np.abs(filled(rest, feed.near) - feed.series)[judged].mean())
            for way, filled in WAYS.items()
        }
    return figures


def over_draws(figures: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Mean by pattern and way over draws, and the share of draws that the fusion won."""
    found = {}
    for pattern in figures[0]:
        draws = [one[pattern] for one in figures]
        best = [min(error for way, error in d.items() if way != "fusion") for d in draws]
        won = [d["fusion"] < least for d, least in zip(draws, best, strict=True)]
        means = {way: float(np.mean([d[way] for d in draws])) for way in WAYS}
        found[pattern] = {**means, "won": float(np.mean(won))}
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fill_in", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(argv)
    results = {}
    print(f"{'':<44}" + "".join(f"{way:>22}" for way in WAYS) + f"{'won':>8}")
    for name, read in (("los_loop", los_loop), ("pems_i5n", pems_i5n)):
        if not (chosen.data / name).is_dir():
            print(f"skipped: there is no {chosen.data / name}", file=sys.stderr)
            continue
        feed = read(chosen.data / name)
        results[name] = over_draws([measure(feed, seed) for seed in chosen.seeds])
        for pattern, row in results[name].items():
            errors = "".join(f"{row[way]:>22.2f}" for way in WAYS)
            won = f"{row['won'] * len(chosen.seeds):.0f}/{len(chosen.seeds)}"
            print(f"{name + ': ' + pattern:<44}{errors}{won:>8}", flush=True)
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1, sort_keys=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
