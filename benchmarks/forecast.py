"""Forecasts of real freeways, beside "same as now" and "same as last time".

    python -m benchmarks.forecast [--data FOLDER] [--json FILE]

Speeds of 207 stations in Los Angeles (a week) and 115 of the I-5 (three days, not in a row). Every
day but the first ones is forecast from those before it. There is no second week on file: "last
time" is the last day of the same kind (working or free) before, else the last day.

- Tomorrow: every 5 minutes of the day, from the days before alone.
- Next hour: 15, 30 and 60 minutes ahead, from the days before and the day so far.
- Warning: a station that is not congested now (below 60 % of its free speed) is told to be in 30
  minutes; of such warnings, and of such jams, how many came true and were foretold.

Mean absolute error in km/h; skill: 1 − error ÷ error of the better of the two simple ways. The
constants of ``traffic_brain.diagnosis.forecast`` were chosen on the fifth day of Los Angeles, which
is not in the table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.stations import DATA, Roads, read_los_loop, read_pems
from traffic_brain.diagnosis.forecast import WARN_SIGMAS, Days, Forecaster, learn, profile
from traffic_brain.diagnosis.speed_drops import Stations

AHEAD_BINS = (3, 6, 12)
WARNED_BINS = 6
CONGESTED_RATIO = 0.6
FREE_QUANTILE = 0.85
KM_NEAR = 2.0
FIRST_BINS = 6
"""Of a day, before which nothing is forecast: no trend is known yet."""
READERS = {"los_loop": read_los_loop, "pems_i5n": read_pems}
DAYS_USED = {"los_loop": (5, 6), "pems_i5n": (2,)}
"""Which days are forecast (0 is the first); day 4 of ``los_loop`` was tuned on."""


@dataclass(frozen=True, slots=True)
class Skill:
    """Mean absolute errors of one forecast, in km/h."""

    data: str
    what: str
    ours: float
    same_as_now: float | None
    same_as_last: float
    profile: float

    @property
    def skill(self) -> float:
        """1 − error ÷ that of the better simple way."""
        simple = [e for e in (self.same_as_now, self.same_as_last) if e is not None]
        return 1.0 - self.ours / min(simple)


@dataclass(frozen=True, slots=True)
class Warnings:
    """Jams to come, foretold or not."""

    data: str
    way: str
    told: int
    true: int
    jams: int

    @property
    def precision(self) -> float:
        return self.true / self.told if self.told else float("nan")

    @property
    def recall(self) -> float:
        return self.true / self.jams if self.jams else float("nan")


def kind(day: date) -> str:
    """Working or free, by the weekday."""
    return "free" if day.isoweekday() > 5 else "working"


def nearness(stations: Stations) -> np.ndarray:
    """float64[place, place]: neighbours by distance, rows with sum 1."""
    weight = np.zeros((len(stations.names),) * 2)
    for (a, b), km in stations.apart_km.items():
        weight[a, b] = weight[b, a] = np.exp(-km / KM_NEAR)
    return np.asarray(weight / np.maximum(weight.sum(axis=1, keepdims=True), 1e-12))


def measure(name: str, roads: Roads, chosen: Sequence[int]) -> tuple[list[Skill], list[Warnings]]:
    """Errors over the chosen days, and warnings."""
    names = list(roads.days)
    near = nearness(roads.stations)
    series = [_held(values) for values in roads.days.values()]
    errors: dict[str, dict[str, list[float]]] = {}
    counts: dict[str, list[tuple[int, int, int]]] = {}
    for n in chosen:
        days = Days(np.array(series[:n]), tuple(kind(d) for d in names[:n]), near)
        today, is_kind = series[n], kind(names[n])
        known = np.isfinite(list(roads.days.values())[n])
        same = [d for d in range(n) if kind(names[d]) == is_kind]
        last = series[same[-1] if same else n - 1]
        usual = profile(days, is_kind)
        free = np.quantile(np.concatenate(series[:n], axis=1), FREE_QUANTILE, axis=1)
        _note(errors, "tomorrow", today, known, {"ours": usual, "last": last, "profile": usual})
        forecaster = learn(days)
        ahead = _hours_ahead(forecaster, today, is_kind)
        for h in AHEAD_BINS:
            at = slice(FIRST_BINS, today.shape[1] - h)
            to = slice(FIRST_BINS + h, today.shape[1])
            ways = {
                "ours": ahead[:, at, h - 1],
                "now": today[:, at],
                "last": last[:, to],
                "profile": usual[:, to],
            }
            _note(errors, f"{5 * h} min ahead", today[:, to], known[:, to], ways)
            if h == WARNED_BINS:
                limit = CONGESTED_RATIO * free[:, None]
                calm = (today[:, at] >= limit) & known[:, at] & known[:, to]
                jam = calm & (today[:, to] < limit)
                close = forecaster.error[h - 1][:, None] * WARN_SIGMAS
                margins = {"ours": close, "last": 0.0, "profile": 0.0}
                for way, margin in margins.items():
                    told = calm & (ways[way] - margin < limit)
                    found = int(told.sum()), int((told & jam).sum()), int(jam.sum())
                    counts.setdefault(way, []).append(found)
    skills = [
        Skill(
            name,
            what,
            ours=_mean(by_way["ours"]),
            same_as_now=_mean(by_way["now"]) if "now" in by_way else None,
            same_as_last=_mean(by_way["last"]),
            profile=_mean(by_way["profile"]),
        )
        for what, by_way in errors.items()
    ]
    warnings = [
        Warnings(name, way, *(sum(c[i] for c in found) for i in range(3)))
        for way, found in counts.items()
    ]
    return skills, warnings


def _held(values: np.ndarray) -> np.ndarray:
    """Gaps get the last value before them, so that nothing is known too early."""
    table = pd.DataFrame(values.T).ffill().bfill()
    return np.asarray(table.fillna(float(np.nanmedian(values))).to_numpy().T)


def _hours_ahead(forecaster: Forecaster, today: np.ndarray, of_kind: str) -> np.ndarray:
    """float64[place, bin, horizon]: the forecast made at each bin."""
    found = np.full((*today.shape, len(forecaster.weights)), np.nan)
    for now in range(FIRST_BINS, today.shape[1]):
        found[:, now] = forecaster.next_hour(today[:, : now + 1], of_kind)
    return found


def _note(
    errors: dict[str, dict[str, list[float]]],
    what: str,
    truth: np.ndarray,
    known: np.ndarray,
    ways: Mapping[str, np.ndarray],
) -> None:
    for way, told in ways.items():
        error = float(np.abs(told - truth)[known].mean())
        errors.setdefault(what, {}).setdefault(way, []).append(error)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; return 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--roads", action="append", choices=READERS, help="Only these data.")
    parser.add_argument("--day", type=int, action="append", help="Other days of them to forecast.")
    parser.add_argument("--json", type=Path)
    told = parser.parse_args(arguments)
    skills: list[Skill] = []
    warnings: list[Warnings] = []
    print("data      forecast        ours  same as now  same as last  profile   skill  CPU s")
    for name in told.roads or READERS:
        if not (told.data / name).is_dir():
            print(f"skipped: there is no {told.data / name}", file=sys.stderr)
            continue
        roads = READERS[name](told.data / name)
        started_s = time.process_time()
        found, warned = measure(name, roads, told.day or DAYS_USED[name])
        seconds = time.process_time() - started_s
        for one in found:
            now = "–" if one.same_as_now is None else f"{one.same_as_now:.2f}"
            print(
                f"{name:8}  {one.what:12}  {one.ours:6.2f}  {now:>11}  {one.same_as_last:12.2f}"
                f"  {one.profile:7.2f}  {one.skill:6.1%}  {seconds:4.1f}"
            )
        skills += found
        warnings += warned
    print("\ndata      warned by   warnings  came true  jams  precision  recall")
    for w in warnings:
        print(
            f"{w.data:8}  {w.way:10}  {w.told:8}  {w.true:9}  {w.jams:4}  {w.precision:9.1%}"
            f"  {w.recall:6.1%}"
        )
    if told.json:
        rows = {
            "skills": [asdict(s) | {"skill": s.skill} for s in skills],
            "warnings": [asdict(w) for w in warnings],
        }
        told.json.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
