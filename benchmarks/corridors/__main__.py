"""``python -m benchmarks.corridors``: figures of green waves, as JSON.

A thousand small corridors against enumeration; twenty arterials of forty signals; the 200 busiest
corridors of a generated city, which is made in ``--out`` unless it is there.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median

from benchmarks.city.measure import made
from benchmarks.corridors import city, long, small
from traffic_brain.model.reading import to_json


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=1000, help="corridors to enumerate")
    parser.add_argument("--long", type=int, default=20, help="arterials of forty signals")
    parser.add_argument("--junctions", type=int, default=2380, help="of the city; 0: no city")
    parser.add_argument("--corridors", type=int, default=city.COUNT)
    parser.add_argument("--seed", type=int, default=101)
    parser.add_argument("--out", type=Path, default=Path("bench-city"))
    options = parser.parse_args()
    wrong = small.disagreements(options.small, options.seed)
    figures: dict[str, object] = {
        "enumerated": {"corridors": options.small, "disagreements": wrong}
    }
    rows = [long.measure(options.seed + k) for k in range(options.long)]
    if rows:
        figures["forty_signals"] = {
            "cpu_s_median": median(row["cpu_s"] for row in rows),
            "cpu_s_most": max(row["cpu_s"] for row in rows),
            "proved": sum(row["status"] == "OPTIMAL" for row in rows),
            "arterials": rows,
        }
    if options.junctions:
        options.out.mkdir(parents=True, exist_ok=True)
        folder = made(options.out, options.junctions, options.seed)
        figures["city"] = city.measure(folder, options.corridors)
    print(to_json(figures), end="")


if __name__ == "__main__":
    main()
