"""Bottlenecks by speed drop on real freeways, side by side with a plain reading of the rule.

Run ``python -m benchmarks.speed_drops [--data FOLDER] [--json FILE]``. Speeds of 115 stations of
the I-5 (three days) and of 207 in Los Angeles (a week) come through the reader of the internet
feed; ``traffic_brain.diagnosis.speed_drops`` finds bottlenecks with start, end and extent, and so
does the rule of PeMS, written down below as it is told, in loops and in miles per hour.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import numpy as np

from benchmarks.stations import BIN_S, DATA, Roads, read_los_loop, read_pems
from traffic_brain.diagnosis.speed_drops import SpeedDrop, Stations, speed_drops

MPH = 1.609344
Found = tuple[str, str, int, int, frozenset[str]]
"""(upstream, downstream, first bin, bin after the last, stations of the queue)."""


def plain_rule(stations: Stations, speed_kmh: np.ndarray) -> list[Found]:
    """The rule in loops: below 40 mph, 20 mph slower than the next, 5 points of 7."""
    mph = np.round(speed_kmh / MPH, 4)  # as on file: 40 mph is not below 40 mph
    bins = mph.shape[1]
    found = []
    for (up, down), km in stations.apart_km.items():
        if km > 3 * MPH:
            continue
        drops = [bool(mph[up, t] < 40 and mph[down, t] - mph[up, t] >= 20) for t in range(bins)]
        sustained = set()
        for t in range(bins - 6):
            if sum(drops[t : t + 7]) >= 5:
                sustained |= set(range(t, t + 7))
        t = 0
        while t < bins:
            if t not in sustained:
                t += 1
                continue
            stretch = []
            while t in sustained:
                stretch.append(t)
                t += 1
            seen = [k for k in stretch if drops[k]]
            first, last = seen[0], seen[-1]
            queue = set()
            for k in range(first, last + 1):
                queue |= _slow_behind(stations, mph, up, k)
            names = stations.names
            found.append(
                (names[up], names[down], first, last + 1, frozenset(names[i] for i in queue))
            )
    return found


def _slow_behind(stations: Stations, mph: np.ndarray, station: int, t: int) -> set[int]:
    """The station and those behind it, without a gap, that are below 40 mph at one time."""
    if not mph[station, t] < 40:
        return set()
    queue = {station}
    while True:
        more = {
            up
            for (up, down), km in stations.apart_km.items()
            if km <= 3 * MPH and down in queue and mph[up, t] < 40 and up not in queue
        }
        if not more:
            return queue
        queue |= more


@dataclass(frozen=True, slots=True)
class Agreement:
    """What both found in one set of roads."""

    data: str
    stations: int
    days: int
    found: int
    plain: int
    same: int
    """With the same stations, start, end and queue."""
    seconds: float
    """CPU seconds."""
    plain_seconds: float


def compare(name: str, roads: Roads) -> tuple[Agreement, dict[date, list[SpeedDrop]]]:
    """Both ways on every day."""
    started_s = time.process_time()
    ours = {day: speed_drops(roads.stations, speeds) for day, speeds in roads.days.items()}
    seconds = time.process_time() - started_s
    started_s = time.process_time()
    plain = {day: plain_rule(roads.stations, speeds) for day, speeds in roads.days.items()}
    plain_seconds = time.process_time() - started_s
    same = sum(len(_keys(ours[day]) & Counter(plain[day])) for day in ours)
    agreement = Agreement(
        data=name,
        stations=len(roads.stations.names),
        days=len(ours),
        found=sum(map(len, ours.values())),
        plain=sum(map(len, plain.values())),
        same=same,
        seconds=round(seconds, 3),
        plain_seconds=round(plain_seconds, 3),
    )
    return agreement, ours


def _keys(drops: Sequence[SpeedDrop]) -> Counter[Found]:
    return Counter(
        (d.upstream, d.downstream, d.first_bin, d.end_bin, frozenset(d.queue)) for d in drops
    )


def _clock(bin_idx: int) -> str:
    minutes = bin_idx * BIN_S // 60
    return f"{minutes // 60:02}:{minutes % 60:02}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; return 1 where the two disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", type=Path)
    told = parser.parse_args(arguments)
    results = []
    for name, read in (("pems_i5n", read_pems), ("los_loop", read_los_loop)):
        if not (told.data / name).is_dir():
            print(f"skipped: there is no {told.data / name}", file=sys.stderr)
            continue
        one, found = compare(name, read(told.data / name))
        results.append(one)
        print(
            f"{name}: {one.stations} stations, {one.days} days: {one.found} bottlenecks, "
            f"{one.same} of them the plain rule's {one.plain}; {one.seconds:.2f} CPU s, "
            f"the plain rule {one.plain_seconds:.2f} CPU s"
        )
        if name == "pems_i5n":
            for day, drops in found.items():
                for d in drops:
                    print(
                        f"  {day}  {d.upstream} > {d.downstream}  {_clock(d.first_bin)}-"
                        f"{_clock(d.end_bin)}  {len(d.queue):3} stations {d.longest_km:6.2f} km"
                    )
    if told.json:
        text = json.dumps([asdict(one) for one in results], indent=1, sort_keys=True)
        told.json.write_text(text + "\n", encoding="utf-8")
    return int(any(one.same != one.found or one.same != one.plain for one in results))


if __name__ == "__main__":
    sys.exit(main())
