"""Real days: how well what is usual on days of a type foretells a day that was left out.

Run ``python -m benchmarks.day_profiles [--json FILE]``. A week of Los Angeles' speeds and three
days of the I-5's flows, each day foretold from the others: mean absolute error (km/h, veh/h) by the
days of its type, by all days alike, and by the day before; and the share of values in the 95 %
interval. The week begins on a Thursday; of the flows all days are Monday to Friday.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.fill_in import BINS_PER_DAY, DATA, los_loop, pems_i5n
from traffic_brain.fusion.day_profiles import FLOW, TRAVEL_TIME, Quantity, expected, spread

KINDS: Mapping[str, Sequence[int]] = {"los_loop": (0, 0, 1, 1, 0, 0, 0), "pems_i5n": (0, 0, 0)}
"""Of each day: 0 working, 1 free."""
SLOWEST_KMH = 1.0


def foretold(series: np.ndarray, kinds: Sequence[int], scale: Quantity) -> dict[str, float]:
    """Means over days that are left out in turn; ``series``: float64[station, bin]."""
    days = len(kinds)
    true = series[:, : days * BINS_PER_DAY].reshape(len(series), days, -1).transpose(1, 0, 2)
    values = scale.onto(true)
    errors: dict[str, list[float]] = {"its type": [], "all days": [], "day before": []}
    covered = []
    for day, kind in enumerate(kinds):
        others = [n for n in range(days) if n != day]
        same = [n for n in others if kinds[n] == kind]
        between = spread(values[others], [kinds[n] for n in others])
        found = expected(values[same], between)
        told = {
            "its type": scale.back(found.value),
            "all days": np.nanmean(true[others], axis=0),
            "day before": true[(day or days) - 1],
        }
        for way, value in told.items():
            errors[way].append(float(np.nanmean(np.abs(value - true[day]))))
        known = np.isfinite(found.low) & np.isfinite(values[day])
        inside = (found.low <= values[day]) & (values[day] <= found.high)
        covered.append(float(inside[known].mean()))
    means = {way: float(np.mean(error)) for way, error in errors.items()}
    return {**means, "covers": float(np.mean(covered))}


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; return 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.day_profiles", description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args(argv)
    results = {}
    columns = ("its type", "all days", "day before", "covers")
    print(f"{'':<12}" + "".join(f"{name:>14}" for name in columns))
    for name, read, scale in (
        ("los_loop", los_loop, TRAVEL_TIME),
        ("pems_i5n", pems_i5n, FLOW),
    ):
        if not (chosen.data / name).is_dir():
            print(f"skipped: there is no {chosen.data / name}", file=sys.stderr)
            continue
        series = read(chosen.data / name).series
        if scale is TRAVEL_TIME:
            series = np.maximum(series, SLOWEST_KMH)  # the log of a speed is that of a time
        results[name] = foretold(series, KINDS[name], scale)
        print(f"{name:<12}" + "".join(f"{results[name][c]:>14.3f}" for c in columns))
    if chosen.json:
        chosen.json.write_text(json.dumps(results, indent=1, sort_keys=True), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
