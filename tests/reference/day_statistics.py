"""Obvious twin of ``traffic_brain.fusion.statistics``: dictionaries, one row after the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from math import floor, isfinite
from statistics import median
from typing import Any

DAY_MS = 86_400_000
BIN_MS = 300_000
Row = Mapping[str, Any]
Sums = dict[tuple[int, str], list[int]]


def internet(
    rows: Iterable[Row], link_of: Mapping[str, str], day_ms: int
) -> tuple[Sums, Counter[str]]:
    """(bin, link) -> rows, samples, Σ speed, Σ speed², Σ pace, Σ pace²; and outcomes."""
    sums: Sums = defaultdict(lambda: [0] * 6)
    outcomes: Counter[str] = Counter()
    seen: set[tuple[str, int]] = set()
    for row in rows:
        provider, at, kmh, samples = (
            row[name] for name in ("provider_link_id", "time", "speed_kmh", "sample_count")
        )
        why = _place_and_time(provider in link_of, at, day_ms)
        if not why and (
            kmh is None or not isfinite(kmh) or kmh < 0 or not 0 < (samples or 0) <= 1000
        ):
            why = "bad_value"
        if not why and kmh > 150:
            why = "speed_above_150_kmh"
        if not why and (provider, at) in seen:
            why = "duplicate"
        outcomes[why or "used"] += 1
        if why:
            continue
        seen.add((provider, at))
        speed = floor(kmh * (1000.0 / 3.6) + 0.5)
        pace = floor(1e9 / max(speed, 300) + 0.5)
        cell = sums[(at - day_ms) // BIN_MS, link_of[provider]]
        for i, value in enumerate(
            (1, samples, samples * speed, samples * speed**2, samples * pace, samples * pace**2)
        ):
            cell[i] += value
    return dict(sums), outcomes


def police(rows: Iterable[Row], known: set[str], day_ms: int) -> tuple[Sums, Counter[str]]:
    """(bin, detector) -> passes; and outcomes."""
    sums: Sums = defaultdict(lambda: [0])
    outcomes: Counter[str] = Counter()
    seen: set[tuple[str, int]] = set()
    for row in rows:
        key = (row["detector_id"], row["time"])
        why = _place_and_time(key[0] in known, key[1], day_ms)
        if not why and key in seen:
            why = "duplicate"
        outcomes[why or "used"] += 1
        if not why:
            seen.add(key)
            sums[(key[1] - day_ms) // BIN_MS, key[0]][0] += 1
    return dict(sums), outcomes


def transit(rows: Iterable[Row], known: set[str], day_ms: int) -> tuple[Sums, Counter[str]]:
    """(bin, link) -> traversals, Σ travel, Σ travel², Σ rate; and outcomes."""
    sums: Sums = defaultdict(lambda: [0] * 4)
    outcomes: Counter[str] = Counter()
    seen: set[tuple[str, str, int]] = set()
    for row in rows:
        vehicle, link, came, left = (
            row[name] for name in ("vehicle_id", "link_id", "time_in", "time_out")
        )
        why = "" if link in known else "unknown"
        if not why and (came is None or left is None):
            why = "no_time"
        why = why or _place_and_time(True, came, day_ms)
        if not why and (vehicle is None or not 0 <= left - came <= 3_600_000):
            why = "bad_value"
        if not why and (vehicle, link, came) in seen:
            why = "duplicate"
        outcomes[why or "used"] += 1
        if not why:
            seen.add((vehicle, link, came))
            travel = max(left - came, 1)
            cell = sums[(came - day_ms) // BIN_MS, link]
            for i, value in enumerate((1, travel, travel**2, floor(1e12 / travel + 0.5))):
                cell[i] += value
    return dict(sums), outcomes


Pairs = dict[tuple[str, str, int], list[int]]


def checkpoint(
    rows: Iterable[Row], known: set[str], day_ms: int
) -> tuple[Sums, Pairs, Counter[str]]:
    """(bin, site) -> passes; (from, to, bin) -> the six figures of a pair; and outcomes.

    Plates stand for themselves; one that does not begin like one is unreadable.
    """
    sums: Sums = defaultdict(lambda: [0])
    outcomes: Counter[str] = Counter()
    by_plate: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        site, at, plate = row["site_id"], row["time"], row["plate"]
        why = _place_and_time(site in known, at, day_ms)
        if not why and not (plate or "").startswith("皖"):
            why = "unreadable_plate"
        if why:
            outcomes[why] += 1
        else:
            by_plate[plate].append((at, site))
    travels: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for sightings in by_plate.values():
        last_at: dict[str, int] = {}
        before: tuple[int, str] | None = None
        for at, site in sorted(sightings, key=lambda sighting: sighting[0]):
            again = site in last_at and at - last_at[site] < 10_000
            last_at[site] = at
            outcomes["duplicate" if again else "used"] += 1
            if again:
                continue
            sums[(at - day_ms) // BIN_MS, site][0] += 1
            if before and before[1] != site and 0 < at - before[0] <= 1_800_000:
                travels[before[1], site].append(((at - day_ms) // BIN_MS, at - before[0]))
            before = (at, site)
    return dict(sums), _pairs(travels), outcomes


def _pairs(travels: Mapping[tuple[str, str], list[tuple[int, int]]]) -> Pairs:
    found: Pairs = {}
    for (first, second), times in travels.items():
        for bin_idx in {b for b, _ in times}:
            mine = [t for b, t in times if b == bin_idx]
            near = [t for b, t in times if bin_idx - 3 < b <= bin_idx]
            middle = median(near)
            spread = median([int(abs(t - middle)) for t in near])
            within = max(3.0 * 1.4826 * spread, 0.25 * middle)
            kept = [t for t in mine if abs(t - middle) <= within]
            found[first, second, bin_idx] = [
                *(len(mine), sum(mine), len(kept), sum(kept), sum(t**2 for t in kept)),
                int(median(kept)) if kept else 0,
            ]
    return found


def _place_and_time(is_known: bool, at_ms: int | None, day_ms: int) -> str:
    if not is_known:
        return "unknown"
    if at_ms is None:
        return "no_time"
    return "" if day_ms <= at_ms < day_ms + DAY_MS else "outside_day"
